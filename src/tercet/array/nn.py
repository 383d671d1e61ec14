"""Activations that torch has in `torch.nn.functional`, under its names; those of public arrays give plain values.

Error as in `tercet.special`; `relu`, `hardtanh` and `one_hot` are exact.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tercet.array import elementwise, given, movement
from tercet.array import softmax as lines
from tercet.array.core import SecretArray, apply
from tercet.array.dispatch import array_function_beside
from tercet.array.functions import of_one
from tercet.array.special import plain_ndtr
from tercet.plan.record import bends, build, counting, tails
from tercet.plan.record.graph import Recorded
from tercet.plan.types import ValueKind

MAX_CLASSES = 1 << 12


def _plain_relu(x: Any) -> Any:
    return np.maximum(x, 0)


def _plain_silu(x: Any) -> Any:
    x = given.floats(x)
    return x * np.exp(-np.logaddexp(0, -x))


def _plain_gelu(x: Any, approximate: str = "none") -> Any:
    x = given.floats(x)
    if _by_tanh(approximate):
        return x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2
    return x * plain_ndtr(x)


def _by_tanh(approximate: str) -> bool:
    if approximate not in ("none", "tanh"):
        raise ValueError(f"gelu has the approximations 'none' and 'tanh', not {approximate!r}")
    return approximate == "tanh"


@array_function_beside(_plain_relu)
def relu(x: Any, /) -> SecretArray:
    """max(x, 0); exact. Costs 160 to 300 bits in 4 to 8 rounds, or 170 to 400 in 4 to 8."""
    return of_one(x, "relu", tails.relu)


@array_function_beside(_plain_silu)
def silu(x: Any, /) -> SecretArray:
    """x expit(x). Costs 1,300 to 2,100 bits in 19 to 33 rounds, or 4,300 to 5,300 in 24 to 38."""
    return of_one(x, "silu", tails.silu)


@array_function_beside(_plain_gelu)
def gelu(x: Any, /, approximate: str = "none") -> SecretArray:
    """x times the normal distribution function of x, or with `approximate="tanh"` the usual approximation of it.

    Costs 1,300 to 1,800 bits in 22 to 31 rounds, or 2,900 to 3,900 in 20 to 34. ValueError for another approximation.
    """
    by_tanh = _by_tanh(approximate)

    def record(node: Recorded) -> Recorded:
        return tails.gelu(node, by_tanh=by_tanh)

    return of_one(x, "gelu", record)


def _plain_leaky_relu(x: Any, negative_slope: float = 0.01) -> Any:
    x = given.floats(x)
    return np.where(x >= 0, x, x * negative_slope)


@array_function_beside(_plain_leaky_relu)
def leaky_relu(x: Any, /, negative_slope: float = 0.01) -> SecretArray:
    """max(x, 0) + negative_slope min(x, 0), with a public slope. Costs 260 to 600 bits in 5 to 10
    rounds, or 400 to 680 in 6 to 10."""
    slope = given.real(negative_slope, "the slope")

    def record(node: Recorded) -> Recorded:
        return bends.leaky_relu(node, slope)

    return of_one(x, "leaky_relu", record)


def _plain_elu(x: Any, alpha: float = 1.0) -> Any:
    x = given.floats(x)
    return np.maximum(x, 0) + alpha * np.expm1(np.minimum(x, 0))


@array_function_beside(_plain_elu)
def elu(x: Any, /, alpha: float = 1.0) -> SecretArray:
    """max(x, 0) + alpha (e^min(x, 0) - 1), with a public alpha. Costs 600 bits more than `tercet.exp`."""
    factor = given.real(alpha, "alpha")

    def record(node: Recorded) -> Recorded:
        return bends.elu(node, factor)

    return of_one(x, "elu", record)


def _plain_hardtanh(x: Any, min_val: float = -1.0, max_val: float = 1.0) -> Any:
    return np.clip(x, min_val, max_val)


@array_function_beside(_plain_hardtanh)
def hardtanh(x: Any, /, min_val: float = -1.0, max_val: float = 1.0) -> SecretArray:
    """x drawn in to [min_val, max_val], as `tercet.array.clip`; exact. ValueError unless min_val is below max_val."""
    low, high = given.real(min_val, "min_val"), given.real(max_val, "max_val")
    if low >= high:
        raise ValueError(f"hardtanh takes min_val below max_val, not {low} and {high}")
    if not isinstance(x, SecretArray):
        raise TypeError(f"hardtanh takes a secret array, not {type(x).__name__}")
    return elementwise.clip(x, low, high)


def _plain_one_hot(x: Any, num_classes: int = -1) -> Any:
    x = np.asarray(x)
    classes = int(np.max(x)) + 1 if num_classes == -1 else num_classes
    return (x[..., None] == np.arange(classes)).astype(np.int64)


@array_function_beside(_plain_one_hot)
def one_hot(x: Any, /, num_classes: int = -1) -> SecretArray:
    """For each secret integer a row of `num_classes` integers along a new last axis: 1 at its place, 0 elsewhere.

    Where the integer is none of 0 .. num_classes - 1, the row is all 0; torch raises an error there, which would tell.
    Exact. Costs for n classes n ANDs, n injections of a bit and the bits of x; where its bounds reach beyond the
    classes two comparisons more. ValueError without a number of classes, which would be a secret; TypeError for x that
    is not of integers.
    """
    if not isinstance(x, SecretArray):
        raise TypeError(f"one_hot takes a secret array, not {type(x).__name__}")
    classes = given.integer(num_classes, "the number of classes")
    if not 0 < classes <= MAX_CLASSES:
        raise ValueError(f"num_classes is a public number from 1 to {MAX_CLASSES}: how many there are, were a secret")
    if x.dtype.name == "bool" or x.divisor != 1 or x._type.kind is not ValueKind.INT:
        raise TypeError("one_hot takes secret integers: floor or round them first")
    before, behind = x._type.lo < 0, x._type.hi >= classes
    # one place in front and one behind for what is none
    inside = elementwise.clip(x, -before, classes - 1 + behind) if before or behind else x
    width = max(1, (classes - 1 + before + behind).bit_length())

    def record(node: Recorded) -> Recorded:
        shifted = build.linear("add", node, np.asarray(1)) if before else node
        hot = counting.one_hot(counting.bits(shifted, width))
        rows = build.number(movement.cut(hot, [slice(int(before), before + classes)]))
        return movement.permute(rows, (*range(1, len(rows.type.shape)), 0))

    return apply(record, inside)


def _plain_softmax(x: Any, dim: int, dtype: Any = None) -> Any:
    return lines.plain_softmax(np.asarray(x, dtype=dtype), dim)


@array_function_beside(_plain_softmax)
def softmax(x: Any, /, dim: int, dtype: Any = None) -> SecretArray:
    """As `tercet.special.softmax` along one dimension. TypeError for a dtype: results have x's scale."""
    _no_dtype(dtype)
    return lines.softmax(x, given.integer(dim, "dim"))


def _plain_log_softmax(x: Any, dim: int, dtype: Any = None) -> Any:
    return lines.plain_log_softmax(np.asarray(x, dtype=dtype), dim)


@array_function_beside(_plain_log_softmax)
def log_softmax(x: Any, /, dim: int, dtype: Any = None) -> SecretArray:
    """As `tercet.special.log_softmax` along one dimension. TypeError for a dtype: results have x's scale."""
    _no_dtype(dtype)
    return lines.log_softmax(x, given.integer(dim, "dim"))


def _no_dtype(dtype: Any) -> None:
    if dtype is not None:
        raise TypeError("dtype= is not offered: a result has the fractional bits of its argument, 16 at least")
