"""Exact building blocks for models: the same functions on secret arrays and on NumPy arrays, where they are the oracle.

Bounds are given on the integer that is stored; on NumPy arrays, which hold what the integers stand for, they mean
nothing.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from tercet.array import movement
from tercet.array.core import SecretArray, operand
from tercet.plan.bounds.terms import same_integer
from tercet.plan.record import build, divide, functions, logic, scale
from tercet.plan.record.approximate import normalise_by_square
from tercet.plan.record.graph import Recorded
from tercet.plan.table.attributes import Axis, Bounds, shift_of
from tercet.plan.table.operation import Algebra, Flow
from tercet.plan.table.reasons import CAUCHY_SCHWARZ, NOT_NEGATIVE, REPLACED, TRUNCATED, Reason

A = TypeVar("A", SecretArray, NDArray[Any])


def _recorded(x: SecretArray) -> Recorded:
    node = operand(x)
    assert isinstance(node, Recorded)
    return node


def _like(x: SecretArray, node: Recorded) -> SecretArray:
    return x.like(node)


def as_integers(x: A) -> tuple[A, int]:
    """The stored integers of an array, exactly, and how many fractional bits they had."""
    if isinstance(x, SecretArray):
        node = build.number(_recorded(x))
        return _like(x, scale.renamed(node, 0, 0)), node.type.frac_bits
    return x, 0


def columns_apart(x: A, *, centred: bool) -> tuple[A, list[int]]:
    """The stored integers of the columns of a matrix, each at the scale that it had before it was joined to the others,
    and how many fractional bits those have; `centred`: less the middle of its bounds. Local."""
    if not isinstance(x, SecretArray):
        return x, [0] * x.shape[1]
    node = build.number(_recorded(x))
    columns, fracs = [], []
    for part in _joined(x):
        own, finer = _as_joined(part)
        stored = scale.renamed(own, 0, 0)
        middle = (own.type.lo + own.type.hi) // 2 if centred else 0
        columns.append(build.linear("subtract", stored, np.asarray(middle, dtype=object)) if middle else stored)
        fracs += [node.type.frac_bits - finer] * part.type.shape[1]
    return _like(x, movement.concat(columns, 1)), fracs


def column_bounds(x: SecretArray) -> list[tuple[float, float]]:
    """The bounds of each column of a matrix, narrower where it was joined of columns with bounds of their own."""
    found: list[tuple[float, float]] = []
    for part in column_parts(x):
        found += [(float(part.bounds[0]), float(part.bounds[1]))] * part.shape[1]
    return found


def column_parts(x: SecretArray) -> list[SecretArray]:
    """The matrices that a matrix was joined of, column beside column, each at its own scale and bounds; or it alone."""
    return [x.like(_as_joined(part)[0], x.divisor) for part in _joined(x)]


def columns_within(x: A, bits: int, least: int) -> A:
    """A matrix whose stored integers have `bits` bits at most, or `least` fractional bits: columns that are finer than
    both are rounded to the nearest of what is left; others are as they were. Nothing is done to NumPy arrays."""
    if not isinstance(x, SecretArray):
        return x
    nodes = [_as_joined(part)[0] for part in _joined(x)]
    fracs = [node.type.frac_bits for node in nodes]
    excess = [node.type.magnitude.bit_length() - bits for node in nodes]
    kept = [max(min(frac, least), frac - max(0, more)) for frac, more in zip(fracs, excess, strict=True)]
    if kept == fracs:
        return x
    rounded = [_recorded(at_most(x.like(node), frac)) for node, frac in zip(nodes, kept, strict=True)]
    return x.like(movement.concat(rounded, 1), x.divisor)


def _joined(x: SecretArray) -> tuple[Recorded, ...]:
    node = build.number(x.undivided)
    joined = same_integer(node)
    parts = joined.inputs if joined.attrs == Axis(1) and joined.operation.rows is Flow.CONCAT else (node,)
    return tuple(part for part in parts if isinstance(part, Recorded))


def _as_joined(x: Recorded) -> tuple[Recorded, int]:
    """A column before it was brought to a finer scale, exactly, and by how many bits."""
    found, bits = x, 0
    for _ in range(8):
        if x.operation.algebra is Algebra.SHIFT_LEFT:
            bits += shift_of(x.attrs)
            x = found = x.inputs[0]
        elif x.operation.algebra is Algebra.RING:
            x = x.inputs[0]
        else:
            break
    return found, bits


def times_power(x: A, exponent: int, frac_bits: int) -> A:
    """x * 2^exponent, exactly and locally; a secret result then has `frac_bits` nominal fractional bits at most."""
    if isinstance(x, SecretArray):
        node = _recorded(x)
        stored = node.type.frac_bits - exponent
        if stored < 0:
            node, stored = scale.at_scale(scale.renamed(node, 0, 0), -stored), 0
        return _like(x, scale.renamed(node, stored, min(stored, frac_bits)))
    return np.asarray(np.ldexp(x, exponent))


def at_precision(x: A, frac_bits: int) -> A:
    """x with exactly `frac_bits` fractional bits: rescaled to the nearest two, or shifted up."""
    if isinstance(x, SecretArray):
        node = _recorded(x)
        node = scale.renamed(node, node.type.frac_bits, min(node.type.frac_bits, frac_bits))
        node = scale.at_scale(node, frac_bits)
        return _like(x, scale.renamed(node, frac_bits, frac_bits))
    return x


def no_finer(x: A, like: A) -> A:
    """x with no more stored fractional bits than `like` has."""
    if isinstance(x, SecretArray) and isinstance(like, SecretArray):
        return at_most(x, _recorded(like).type.frac_bits)
    return x


def at_most(x: A, frac_bits: int) -> A:
    """x with no more than so many stored fractional bits."""
    if isinstance(x, SecretArray) and _recorded(x).type.frac_bits > frac_bits:
        return at_precision(x, frac_bits)
    return x


def split(x: A, frac_bits: int) -> tuple[A, A]:
    """x as a sum of two: a neighbouring number with `frac_bits` fractional bits, and what is left, below 2^-frac_bits.

    The second is zero where x has no more fractional bits, and of NumPy arrays.
    """
    if isinstance(x, SecretArray):
        node = _recorded(x)
        coarse = at_precision(x, frac_bits)
        rest = build.linear("subtract", node, _recorded(coarse))
        step = 1 << max(0, node.type.frac_bits - frac_bits)
        return coarse, _like(x, scale.bounded(rest, -step, step, TRUNCATED))
    return x, x * 0.0


def cut(x: SecretArray, bits: int) -> tuple[SecretArray, SecretArray | None]:
    """Integers high and low with high 2^bits + low = x and |low| < 2^bits; None for low where nothing is cut."""
    if not bits:
        return x, None
    node = _recorded(x)
    high = scale.at_scale(scale.renamed(node, bits, 0), 0)
    low = build.linear("subtract", node, scale.renamed(scale.at_scale(high, bits), 0, 0))
    return _like(x, high), _like(x, scale.bounded(low, -(1 << bits), 1 << bits, TRUNCATED))


def capped(x: SecretArray, bits: int) -> tuple[SecretArray, SecretArray]:
    """x drawn in to [-2^bits, 2^bits], by two comparisons, and where it lay outside."""
    node = _recorded(x)
    stored = scale.renamed(node, 0, 0)
    edge = 1 << (bits + node.type.frac_bits)
    if node.type.magnitude <= edge:
        return x, _like(x, logic.bool_node(logic.negative(stored), np.zeros(node.type.shape, dtype=np.bool_)))
    least, most = (np.asarray(limit, dtype=object) for limit in (-edge, edge))
    outside = logic.logical_or(logic.less(most, stored), logic.less(stored, least))
    inside = logic.maximum(logic.minimum(stored, most), least)
    return _like(x, scale.renamed(inside, node.type.frac_bits, node.type.nominal)), _like(x, outside)


def numerator(x: A | float) -> tuple[Any, Fraction]:
    """A quotient, or decimals, as what is divided, exactly, and its public divisor."""
    if isinstance(x, SecretArray):
        return x.like(build.number(x.undivided)), x.divisor
    return x, Fraction(1)


def over(x: A, divisor: Fraction) -> A:
    """x / divisor, left to be divided where it is secret."""
    if isinstance(x, SecretArray):
        return x.like(x.undivided, x.divisor * divisor)
    return x if divisor == 1 else np.asarray(x / float(divisor))


def settled(x: A) -> A:
    """x with as many fractional bits as it is meant to have, its quotient worked out."""
    return _like(x, scale.settle(_recorded(x))) if isinstance(x, SecretArray) else x


def held(x: A, lo: int, hi: int, frac_bits: int) -> A:
    """x at `frac_bits` fractional bits, drawn in to [lo, hi] under sharing: two comparisons an element.

    Nothing is done to NumPy arrays.
    """
    if isinstance(x, SecretArray):
        node = _recorded(at_precision(x.like(x.undivided), frac_bits))
        lo, hi = lo << frac_bits, hi << frac_bits
        if node.type.lo < lo or node.type.hi > hi:
            node = scale.least_ring(node.graph.node("clip", (node,), Bounds(lo, hi)))
        return x.like(node)
    return x


def widened(x: A) -> A:
    """The same integers modulo 2^128: lifted once, where several products would lift them each."""
    return _like(x, scale.in_ring(_recorded(x), 128)) if isinstance(x, SecretArray) else x


def value_range(x: SecretArray | NDArray[Any]) -> tuple[int, int]:
    """Whole numbers between which the bounds of x lie; of NumPy arrays, its elements."""
    if isinstance(x, SecretArray):
        lo, hi = x.bounds
        return math.floor(lo), math.ceil(hi)
    return (int(np.floor(np.min(x))), int(np.ceil(np.max(x)))) if x.size else (0, 0)


def ratio(x: A, y: A, most: int, frac_bits: int) -> A:
    """min(x / y, most) for arrays that are not negative, 0 where y is 0; `frac_bits` of a secret result."""
    if isinstance(x, SecretArray) and isinstance(y, SecretArray):
        return _like(x, divide.divide_up_to(_recorded(x), _recorded(y), most, frac_bits))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(y == 0, 0.0, np.minimum(np.divide(x, y), most)))


def bounded(x: A, lo: int, hi: int, reason: Reason) -> A:
    """x, known for a reason of the table to be stored within [lo, hi]."""
    return _like(x, scale.bounded(_recorded(x), lo, hi, reason)) if isinstance(x, SecretArray) else x


def product_within(x: A, y: A, lo: int, hi: int, reason: Reason) -> A:
    """x * y, known for a reason of the table to be stored within [lo, hi]."""
    if isinstance(x, SecretArray) and isinstance(y, SecretArray):
        return _like(x, scale.product_within(_recorded(x), _recorded(y), lo, hi, reason))
    result: A = x * y
    return result


def scaled(moments: A, left: A, right: A, bits: int, frac_bits: int) -> A:
    """left * moments * right / 2^bits at `frac_bits` fractional bits, of integers: covariances, and the powers of two
    that bring their variances below 2^bits (`half_normaliser`). At most 1 in magnitude, by Cauchy-Schwarz."""
    top = 1 << bits
    once = product_within(moments, left, -top, top, CAUCHY_SCHWARZ)
    both = product_within(once, right, -top, top, CAUCHY_SCHWARZ)
    return at_precision(times_power(both, -bits, frac_bits), frac_bits)


def half_normaliser(x: A, bits: int) -> tuple[A, A]:
    """Powers of two v and u with v^2 x in [2^(P-2), 2^P) and u v = 2^(P/2), where P is `bits`, even.

    For 0 < x < 2^P, integers. One `normalise` operation for all elements.
    """
    if isinstance(x, SecretArray):
        node = scale.bounded(_recorded(x), 0, (1 << bits) - 1, NOT_NEGATIVE)
        v, u, half = normalise_by_square(node)
        if half != bits // 2:
            raise ValueError(f"{bits} bits do not fit the operand's bounds {node.type}")
        return _like(x, v), _like(x, u)
    lead = np.frexp(x)[1] - 1
    v = np.ldexp(1.0, (bits - 1 - lead) // 2)
    return v, np.ldexp(1.0, bits // 2) / v


def reciprocal(x: A, least: int, frac_bits: int) -> A:
    """1/x at `frac_bits` fractional bits for x stored in [least, ...]; a smaller or negative x gives any number.

    Relative error a few 2^-58. Whoever uses the result for such an x must replace it (by zero) before it counts.
    """
    if isinstance(x, SecretArray):
        node = scale.bounded(_recorded(x), least, _recorded(x).type.hi, REPLACED)
        return _like(x, functions.meant(divide.quotient(np.asarray(1), node, frac_bits, rings=(128,))))
    with np.errstate(divide="ignore"):
        return np.asarray(1.0 / x)


def top_bits(x: SecretArray | NDArray[Any]) -> int:
    """The least even number of bits, 2 or more, that holds every integer that the upper bound permits."""
    if isinstance(x, SecretArray):
        bits = _recorded(x).type.hi.bit_length()
    else:
        bits = int(np.frexp(float(np.max(x)))[1]) if x.size else 2
    bits = max(2, bits)
    return bits + bits % 2


def magnitude_bits(x: SecretArray | NDArray[Any]) -> int:
    """Bits that the bounds leave to the stored integer's magnitude; of NumPy arrays, those of the largest element."""
    if isinstance(x, SecretArray):
        return _recorded(x).type.magnitude.bit_length()
    largest = float(np.max(np.abs(x))) if x.size else 0.0
    return max(1, int(np.frexp(largest)[1]))
