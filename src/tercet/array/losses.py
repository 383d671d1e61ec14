"""Losses under torch's names: one code for secret and public arrays. Classes may be public or secret integers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tercet.array import elementwise, functions, given, manipulation, nn, special, statistics
from tercet.array.core import SecretArray, shape_of


def mse_loss(input: Any, target: Any, *, reduction: str = "mean") -> Any:
    """(input - target)^2. Costs a product an element, or with a reduction one word in all, as it adds up what is not
    rescaled. ValueError where shapes differ. After `torch.nn.functional.mse_loss`.
    """
    x, y = _pair(input, target)
    return _reduced(elementwise.square(elementwise.subtract(x, y)), reduction)


def l1_loss(input: Any, target: Any, *, reduction: str = "mean") -> Any:
    """|input - target|, at the cost of `tercet.abs`. After `torch.nn.functional.l1_loss`."""
    x, y = _pair(input, target)
    return _reduced(elementwise.abs(elementwise.subtract(x, y)), reduction)


def binary_cross_entropy(input: Any, target: Any, *, reduction: str = "mean") -> Any:
    """-(y log(p) + (1 - y) log(1 - p)) of probabilities p and targets y from 0 to 1, logarithms being -100 at least.

    Costs two logarithms, two comparisons and two products. After `torch.nn.functional.binary_cross_entropy`; of scores,
    `binary_cross_entropy_with_logits` costs a third.
    """
    p, y = _pair(input, target)
    found = elementwise.add(
        elementwise.multiply(y, _logarithm(p)),
        elementwise.multiply(elementwise.subtract(1, y), _logarithm(elementwise.subtract(1, p))),
    )
    return _reduced(elementwise.negative(found), reduction)


def binary_cross_entropy_with_logits(input: Any, target: Any, *, reduction: str = "mean") -> Any:
    """log(1 + e^x) - x y of scores x and targets y from 0 to 1, at the cost of `tercet.special.softplus` and a product.
    After `torch.nn.functional.binary_cross_entropy_with_logits`.
    """
    x, y = _pair(input, target)
    return _reduced(elementwise.subtract(special.softplus(x), elementwise.multiply(x, y)), reduction)


def nll_loss(input: Any, target: Any, *, reduction: str = "mean") -> Any:
    """Of logarithms of probabilities (batch, classes, ...), that of the target's class, negative.

    Secret classes become one-hot rows (`tercet.nn.one_hot`), and one word is sent for each result; public ones cost
    nothing. ValueError where shapes do not go together, IndexError for a public class that is none; a secret one that
    is none gives 0. After `torch.nn.functional.nll_loss`.
    """
    x = _array(input, "the input")
    wanted = (*x.shape[:1], *x.shape[2:])
    if x.ndim < 2 or shape_of(target) != wanted:
        raise ValueError(f"targets of shape {shape_of(target)} for {x.shape}: (batch, classes, ...)")
    classes = target if isinstance(target, SecretArray) else given.entries(target, x.shape[1], "classes")
    if isinstance(x, np.ndarray) and isinstance(classes, np.ndarray):
        # a product with a row of zeros would make NaN of the logarithm of 0
        return _reduced(-np.take_along_axis(x, classes[:, None], axis=1)[:, 0], reduction)
    rows = nn.one_hot(classes, x.shape[1])
    behind = manipulation.permute_dims(x, (0, *range(2, x.ndim), 1))
    return _reduced(elementwise.negative(statistics.sum(elementwise.multiply(behind, rows), axis=-1)), reduction)


def cross_entropy(input: Any, target: Any, *, reduction: str = "mean") -> Any:
    """Of scores (batch, classes, ...), -log of what softmax gives the target: a class, or probabilities of all classes
    in the shape of the scores. Costs `tercet.nn.log_softmax` and `nll_loss`. After `torch.nn.functional.cross_entropy`.
    """
    x = _array(input, "the input")
    if x.ndim < 2:
        raise ValueError(f"cross_entropy takes (batch, classes, ...), not an array of {x.ndim} dimensions")
    logarithms = nn.log_softmax(x, 1)
    if shape_of(target) != x.shape:
        return nll_loss(logarithms, target, reduction=reduction)
    found = statistics.sum(elementwise.multiply(logarithms, _array(target, "targets")), axis=1)
    return _reduced(elementwise.negative(found), reduction)


_LEAST_LOGARITHM = -100.0


def _logarithm(p: Any) -> Any:
    if isinstance(p, SecretArray):
        # the least number above 0 that fixed point has is e^-11 or so: a comparison keeps the logarithm in its domain
        least = 2.0**-p.dtype.frac_bits if getattr(p.dtype, "frac_bits", 0) else 2.0**-16
        return functions.log(elementwise.clip(p, least, 1))
    with np.errstate(divide="ignore"):
        return np.maximum(np.log(p), _LEAST_LOGARITHM)


def _pair(input: Any, target: Any) -> tuple[Any, Any]:
    if shape_of(input) != shape_of(target):
        raise ValueError(f"an input of shape {shape_of(input)} and targets of shape {shape_of(target)}")
    return _array(input, "the input"), _array(target, "targets")


def _array(value: Any, what: str) -> Any:
    return value if isinstance(value, SecretArray) else given.wide(value, what)


def _reduced(x: Any, reduction: str) -> Any:
    if reduction not in ("none", "sum", "mean"):
        raise ValueError(f"reduction is 'none', 'sum' or 'mean', not {str(reduction)[:20]!r}")
    if reduction == "none":
        return x
    if reduction == "mean" and not math.prod(shape_of(x)):
        raise ValueError("the mean of no losses; reduction='sum' gives 0")
    return (statistics.sum if reduction == "sum" else statistics.mean)(x)
