"""Dense layers, embeddings, normalisations and dropout under torch's names: one code for secret and public arrays."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tercet.array import elementwise, functions, given, linalg, manipulation, nn, statistics
from tercet.array.core import SecretArray, shape_of


def linear(input: Any, weight: Any, bias: Any = None) -> Any:
    """(..., features) by (outputs, features): input @ weight.T + bias, any of which may be secret.

    Costs and error as of `tercet.array.matmul`. ValueError where shapes do not go together. After
    `torch.nn.functional.linear`.
    """
    x, weights = _array(input, "the input"), _array(weight, "weights")
    if weights.ndim != 2 or not x.ndim or x.shape[-1] != weights.shape[1]:
        raise ValueError(f"an input of shape {x.shape} and weights of shape {weights.shape}: (outputs, features)")
    found = linalg.matmul(x, weights.T)
    return found if bias is None else elementwise.add(found, _array(bias, "a bias"))


def embedding(input: Any, weight: Any) -> Any:
    """The rows of (entries, width) at places, either of which may be secret.

    Secret places become one-hot rows (`tercet.nn.one_hot`), which a matrix product multiplies with all entries: one
    word for each number of the result, nothing more where the table is public. A secret place that is none gives
    zeros; a public one raises IndexError. After `torch.nn.functional.embedding`.
    """
    weights = _array(weight, "a table")
    if weights.ndim != 2:
        raise ValueError(f"a table of shape {weights.shape}: (entries, width)")
    if isinstance(input, SecretArray):
        return linalg.matmul(nn.one_hot(input, weights.shape[0]), weights)
    return weights[given.entries(input, weights.shape[0], "places")]


def batch_norm(
    input: Any,
    running_mean: Any = None,
    running_var: Any = None,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    *,
    eps: float = 1e-5,
) -> Any:
    """(batch, channels, ...) less the mean of its channel, by the root of its variance.

    With `training` mean and variance are those of the batch, else what is given, which is never changed. Costs of an
    element as of one product, or two of the batch's, and of a channel as of `tercet.rsqrt`, or of three roots and a
    clip of the batch's. By the batch's, a result is proven to be at most sqrt(n - 1) in magnitude, of n elements,
    before weight and bias. ValueError for shapes that do not go together. After `torch.nn.functional.batch_norm`.
    """
    x = _array(input, "the input")
    if x.ndim < 2:
        raise ValueError(f"batch_norm takes (batch, channels, ...), not an array of {x.ndim} dimensions")
    channels = (x.shape[1], *[1] * (x.ndim - 2))
    if training:
        order = (1, 0, *range(2, x.ndim))
        lines = manipulation.permute_dims(x, order)
        found = _standardised(lines.reshape((x.shape[1], -1 if math.prod(x.shape) else 0)), eps).reshape(lines.shape)
        return _scaled(manipulation.permute_dims(found, order), weight, bias, channels)
    if running_mean is None or running_var is None:
        raise ValueError("batch_norm without training takes running_mean and running_var")
    mean, variance = _array(running_mean, "running_mean"), _array(running_var, "running_var")
    scale = functions.rsqrt(elementwise.add(variance, _real(eps)))
    if weight is not None:
        scale = elementwise.multiply(scale, _array(weight, "a weight"))
    # one product an element: what does not depend on it goes into the shift
    shift = elementwise.negative(elementwise.multiply(mean, scale))
    if bias is not None:
        shift = elementwise.add(shift, _array(bias, "a bias"))
    return elementwise.add(elementwise.multiply(x, scale.reshape(channels)), shift.reshape(channels))


def layer_norm(
    input: Any, normalized_shape: int | Sequence[int], weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Any:
    """The elements of the last axes, of this shape, less their mean, by the root of their variance.

    Costs of an element as of two products, and one more with a secret weight; of a mean as of three roots and a
    clip. A result is proven to be at most sqrt(n - 1) in magnitude, of n elements, before weight and bias. Equal
    elements give zeros, which `tercet.valid` says mean nothing. ValueError for shapes that do not go together. After
    `torch.nn.functional.layer_norm`.
    """
    x, shape = _array(input, "the input"), given.integers(normalized_shape, "normalized_shape")
    if not shape or x.shape[-len(shape) :] != shape:
        raise ValueError(f"normalized_shape {shape} of an array of shape {x.shape}")
    found = _standardised(x.reshape((*x.shape[: x.ndim - len(shape)], math.prod(shape))), eps)
    return _scaled(found.reshape(x.shape), weight, bias, shape)


def group_norm(input: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    """(batch, channels, ...) as `layer_norm`, over so many groups of channels of each element of the batch. After
    `torch.nn.functional.group_norm`.
    """
    x, groups = _array(input, "the input"), given.integer(num_groups, "num_groups")
    if x.ndim < 2 or groups < 1 or x.shape[1] % groups:
        raise ValueError(f"{groups} groups of the channels of an array of shape {x.shape}")
    lines = x.reshape((x.shape[0], groups, math.prod(x.shape[1:]) // groups))
    found = _standardised(lines, eps).reshape(x.shape)
    return _scaled(found, weight, bias, (x.shape[1], *[1] * (x.ndim - 2)))


def dropout(input: Any, p: float = 0.5, training: bool = True, *, seed: int) -> Any:
    """With `training`, each element is 0 with probability p, else divided by 1 - p.

    Which ones is public, and by the seed always the same: it depends on no data. A plan holds a bit for each element.
    Local. ValueError unless 0 <= p < 1. After `torch.nn.functional.dropout`, which takes no seed.
    """
    probability = given.real(p, "p")
    if not 0 <= probability < 1:
        raise ValueError(f"p is a probability below 1, not {probability}")
    x = _array(input, "the input")
    if not training or not probability:
        return x
    name = f"dropout {given.integer(seed, 'the seed')}".encode()
    words = np.frombuffer(hashlib.shake_128(name).digest(4 * math.prod(x.shape)), "<u4").reshape(x.shape)
    return elementwise.multiply(x, (words >= probability * 2.0**32) / (1 - probability))


def _array(value: Any, what: str) -> Any:
    return value if isinstance(value, SecretArray) else given.wide(value, what)


def _real(value: Any) -> float:
    eps = given.real(value, "eps")
    if eps < 0:
        raise ValueError(f"eps is not negative, as {eps} is")
    return eps


def _standardised(lines: Any, eps: Any) -> Any:
    """Each line, along the last axis, less its mean, by sqrt(variance + eps)."""
    more = _real(eps)
    if not lines.shape[-1]:
        raise ValueError(f"the mean of no elements: lines of shape {lines.shape}")
    centred = elementwise.subtract(lines, statistics.mean(lines, axis=-1, keepdims=True))
    variance = statistics.mean(elementwise.multiply(centred, centred), axis=-1, keepdims=True)
    if not isinstance(lines, SecretArray):
        return centred / np.sqrt(np.where(variance + more > 0, variance + more, 1))
    # by the root of the variance alone bounds are proven; what eps makes of it is a factor from 0 to 1 of each line
    deviation = functions.sqrt(variance)
    found = elementwise.divide(centred, deviation)
    if not more:
        return found
    less = elementwise.multiply(deviation, functions.rsqrt(elementwise.add(variance, more)))
    return elementwise.multiply(found, elementwise.clip(less, 0, 1))


def _scaled(x: Any, weight: Any, bias: Any, shape: tuple[int, ...]) -> Any:
    for one, what, join in ((weight, "a weight", elementwise.multiply), (bias, "a bias", elementwise.add)):
        if one is not None:
            if math.prod(shape_of(one)) != math.prod(shape):
                raise ValueError(f"{what} of shape {shape_of(one)} for {shape}")
            x = join(x, manipulation.reshape(_array(one, what), shape))
    return x
