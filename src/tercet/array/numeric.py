"""Exact building blocks for models: the same functions on secret arrays and on NumPy arrays, where they are the oracle.

Bounds are given on the integer that is stored; on NumPy arrays, which hold what the integers stand for, they mean
nothing.
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from tercet.array.secret import SecretArray, operand
from tercet.plan import build, divide, scale
from tercet.plan.graph import Node

A = TypeVar("A", SecretArray, NDArray[Any])


def _recorded(x: SecretArray) -> Node:
    node = operand(x)
    assert isinstance(node, Node)
    return node


def _like(x: SecretArray, node: Node) -> SecretArray:
    return SecretArray._new(x.device, node)


def as_integers(x: A) -> tuple[A, int]:
    """The stored integers of an array, exactly, and how many fractional bits they had."""
    if isinstance(x, SecretArray):
        node = build.number(_recorded(x))
        return _like(x, scale.renamed(node, 0, 0)), node.type.frac_bits
    return x, 0


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


def bounded(x: A, lo: int, hi: int, reason: str) -> A:
    """x, known for a reason of the table to be stored within [lo, hi]."""
    return _like(x, scale.bounded(_recorded(x), lo, hi, reason)) if isinstance(x, SecretArray) else x


def product_within(x: A, y: A, lo: int, hi: int, reason: str) -> A:
    """x * y, known for a reason of the table to be stored within [lo, hi]."""
    if isinstance(x, SecretArray) and isinstance(y, SecretArray):
        return _like(x, scale.product_within(_recorded(x), _recorded(y), lo, hi, reason))
    result: A = x * y
    return result


def half_normaliser(x: A, bits: int) -> tuple[A, A]:
    """Powers of two v and u with v^2 x in [2^(P-2), 2^P) and u v = 2^(P/2), where P is `bits`, even.

    For 0 < x < 2^P, integers. One `normalise` operation for all elements.
    """
    if isinstance(x, SecretArray):
        node = scale.bounded(_recorded(x), 0, (1 << bits) - 1, "a variance is not negative")
        pair = node.graph.node("normalise", (node,), (1,))
        if pair.type.hi != 1 << bits // 2:
            raise ValueError(f"{bits} bits do not fit the operand's bounds {node.type}")
        reason, top = "a normalised value lies in [1/2, 1)", 1 << bits // 2
        v = scale.bounded(divide.row(pair, 0), 1, top // 2, reason)
        return _like(x, v), _like(x, scale.bounded(divide.row(pair, 1), 2, top, reason))
    lead = np.frexp(x)[1] - 1
    v = np.ldexp(1.0, (bits - 1 - lead) // 2)
    return v, np.ldexp(1.0, bits // 2) / v


def reciprocal(x: A, least: int, frac_bits: int) -> A:
    """1/x at `frac_bits` fractional bits for x stored in [least, ...]; a smaller or negative x gives any number.

    Relative error a few 2^-58. Whoever uses the result for such an x must replace it (by zero) before it counts.
    """
    if isinstance(x, SecretArray):
        node = scale.bounded(
            _recorded(x), least, _recorded(x).type.hi, "what lies outside is replaced by zero afterwards"
        )
        parts = divide.inverse_parts(node, divide.WIDE_BITS)
        product = build.multiply(scale.renamed(parts.mantissa, 0, 0), parts.factor)
        stored = divide.WIDE_BITS + parts.bits - parts.frac_bits
        product = scale.renamed(product, stored, min(stored, frac_bits))
        return at_precision(_like(x, product), frac_bits)
    with np.errstate(divide="ignore"):
        return np.asarray(1.0 / x)


def magnitude_bits(x: SecretArray | NDArray[Any]) -> int:
    """Bits that the bounds leave to the stored integer's magnitude; of NumPy arrays, those of the largest element."""
    if isinstance(x, SecretArray):
        return _recorded(x).type.magnitude.bit_length()
    largest = float(np.max(np.abs(x))) if x.size else 0.0
    return max(1, int(np.frexp(largest)[1]))
