"""Sums of exponentials along axes with the greatest element taken out: softmax, its logarithm, and that of the sum.

x - max(x) is at most 0, which nodes prove (`plan.bounds.extremes`): no power is above 1 whatever bounds x has, and n of
them add up to 1 to n. Powers have as many bits more than the result as n of them may lose.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from tercet.array import given, movement, statistics
from tercet.array.core import SecretArray, apply
from tercet.array.dispatch import array_function_beside
from tercet.array.manipulation import squeeze
from tercet.errors import PlanError
from tercet.plan.record import functions, logic
from tercet.plan.record.approximate import times
from tercet.plan.record.build import linear, multiply, number, total
from tercet.plan.record.graph import Recorded
from tercet.plan.record.scale import all_at, at_scale, renamed, settle
from tercet.plan.record.tails import relu
from tercet.protocols.functions import NARROW, WIDE

_NARROW_BITS = 30
_WIDE_BITS = WIDE.scale - 5
_SPARE = 5
"""Powers are cut to 0 below 2^-6 of their last bit: with log2 n - 5 bits more n of them cost half a last bit."""
_ONE = np.asarray(1)


@dataclass(frozen=True)
class _Powers:
    """x less its greatest element, that element, e^(the first) at a working scale, and the sum of these; axes kept."""

    below: Recorded
    greatest: Recorded
    each: Recorded
    sum: Recorded
    nominal: int

    @property
    def bits(self) -> int:
        return self.each.type.frac_bits


def _powers(x: Recorded, axes: tuple[int, ...], name: str) -> _Powers:
    x = settle(number(x))
    shape = x.type.shape
    terms = math.prod(shape[axis] for axis in axes)
    if not terms:
        raise ValueError(f"{name} of no elements: the axes {axes} of the shape {shape}")
    nominal = functions.nominal_of(x)
    x = renamed(at_scale(x, nominal), nominal, nominal)
    # of one element a line it is x itself, which the difference below then cancels
    top = x if terms == 1 else movement.with_axis_kept(statistics.tournament(x, axes, logic.maximum), axes, len(shape))
    below = linear("subtract", x, top)
    wanted = max(nominal, nominal + (terms - 1).bit_length() - _SPARE)
    if wanted > _WIDE_BITS:
        raise PlanError(
            f"{name} of {terms} elements to {nominal} fractional bits would take exponentials to {wanted}, "
            f"and {_WIDE_BITS} are the most",
            hint="use fewer frac_bits for its argument, or take it over fewer elements",
        )
    bits = _NARROW_BITS if wanted <= NARROW.scale - 5 else _WIDE_BITS
    each = all_at(functions.unrounded_power(below, "exp", wanted), bits)
    together = movement.with_axis_kept(total(each, axes), axes, len(shape))
    return _Powers(below, top, each, together, nominal)


def _logarithm(found: _Powers) -> Recorded:
    """That of the sum, with the result's fractional bits; not below 0, as coins might make it.

    It is held at 0 before it is rescaled, so that a sum with it is the nearest number where it is revealed.
    """
    meant = renamed(found.sum, found.bits, found.nominal)
    return functions.meant(relu(functions.unrounded(meant, "log")))


def _logsumexp(x: Recorded, axes: tuple[int, ...]) -> Recorded:
    found = _powers(x, axes, "logsumexp")
    return linear("add", found.greatest, _logarithm(found))


def _log_softmax(x: Recorded, axes: tuple[int, ...]) -> Recorded:
    found = _powers(x, axes, "log_softmax")
    return linear("subtract", found.below, _logarithm(found))


def _softmax(x: Recorded, axes: tuple[int, ...]) -> Recorded:
    """Each power times 1 / sum, which is the square of one root a line: all at the working scale."""
    found = _powers(x, axes, "softmax")
    bits = found.bits
    held = renamed(_at_least_one(found.sum), bits, found.nominal)
    root = all_at(functions.unrounded(held, "rsqrt"), bits)
    product = multiply(found.each, times(root, root, bits))
    return functions.meant(renamed(product, product.type.frac_bits, found.nominal))


def _at_least_one(x: Recorded) -> Recorded:
    """max(x, 1), which coins may have taken a sum below."""
    above = linear("subtract", x, _ONE)
    return linear("add", relu(above), _ONE)


# ---- as SciPy has them ----


def along(x: Any, axis: Any, name: str, record: Callable[..., Recorded]) -> SecretArray:
    """What a function of elements over axes records; `axis` as NumPy's reductions take it."""
    if not isinstance(x, SecretArray):
        raise TypeError(f"{name} takes a secret array, not {type(x).__name__}")
    return apply(partial(record, axes=movement.normal_axes(axis, x.ndim)), x)


def plain_logsumexp(a: Any, axis: Any = None, b: Any = None, keepdims: bool = False, return_sign: bool = False) -> Any:
    """Of public numbers."""
    _refuse(b, return_sign)
    a = given.floats(a)
    top = np.max(a, axis=axis, keepdims=True)
    top = np.where(np.isfinite(top), top, 0)
    with np.errstate(divide="ignore"):
        found = top + np.log(np.sum(np.exp(a - top), axis=axis, keepdims=True))
    return found if keepdims else np.squeeze(found, axis=axis)


def plain_log_softmax(x: Any, axis: Any = None) -> Any:
    """Of public numbers."""
    return given.floats(x) - plain_logsumexp(x, axis=axis, keepdims=True)


def plain_softmax(x: Any, axis: Any = None) -> Any:
    """Of public numbers."""
    return np.exp(plain_log_softmax(x, axis))


def _refuse(b: Any, return_sign: Any) -> None:
    if b is not None:
        raise TypeError("logsumexp takes no b=; add the logarithms of positive factors to its argument")
    if return_sign:
        raise TypeError("logsumexp takes no return_sign=; a sum of exponentials is positive")


@array_function_beside(plain_softmax)
def softmax(x: Any, axis: Any = None) -> SecretArray:
    """e^x / sum(e^x) along an axis, several, or all; within [0, 1] up to a last bit, whatever bounds x has.

    The greatest element is taken out by a tournament. Costs for each element a comparison, `tercet.exp` and a product,
    and for each line one `tercet.rsqrt`; rounds as these one after the other, and 8 for each bit of the line's length.
    At 16, 20 and 24 fractional bits lines of more than 8,192, 512 and 32 elements are computed in the ring 2^128.
    Error: two last bits. ValueError over no elements, PlanError for lines whose powers 53 bits do not hold. Each result
    depends on its whole line.
    """
    return along(x, axis, "softmax", _softmax)


@array_function_beside(plain_log_softmax)
def log_softmax(x: Any, axis: Any = None) -> SecretArray:
    """x - logsumexp(x), never above 0; costs as `logsumexp`."""
    return along(x, axis, "log_softmax", _log_softmax)


@array_function_beside(plain_logsumexp)
def logsumexp(
    a: Any, axis: Any = None, b: Any = None, keepdims: bool = False, return_sign: bool = False
) -> SecretArray:
    """log(sum(e^a)) over axes, of values of any size: the greatest element and a number between 0 and log n.

    Costs and refusals as `softmax`, with one `tercet.log` a line in place of the root and the products. TypeError for
    `b` and `return_sign`.
    """
    _refuse(b, return_sign)
    found = along(a, axis, "logsumexp", _logsumexp)
    return found if keepdims else squeeze(found, axis=movement.normal_axes(axis, found.ndim))
