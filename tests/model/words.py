"""What every plan means on ring words, whatever is claimed of them: the reference of the property that claims decide
nothing but the claimer's own result (docs/security/claims.md).

A plain interpreter over Python ints modulo the ring. It knows no blocks, pieces, partitions, solo parties, shares or
claims. Each operation is linear or bilinear modulo the ring, or a fixed function of the words at one place, or such a
function with a coin that is fresh for each operation of the plan, pass of a loop, and element: `coin(place, element)`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import plan_oracle as oracle
from tercet.plan.plan import Plan, PlanOperation, operand_handle, result_of
from tercet.plan.table.ops_bits import difference_bits
from tercet.plan.table.ops_products import normalised_bits
from tercet.plan.types import Type

Place = tuple[int, ...]
Words = Any
"""An object array of ints in [0, 2^ring), or bools."""


def coin(place: Place, element: int, bits: int) -> int:
    """A uniform word for one element of one operation of a plan."""
    digest = hashlib.sha256(repr((place, element)).encode()).digest()
    return int.from_bytes(digest[:16], "little") % (1 << bits)


def modulo(values: Any, ring: int) -> Words:
    """Integers as ring words."""
    array = np.asarray(values, dtype=object)
    return np.asarray(np.mod(array, 1 << ring), dtype=object).reshape(array.shape) if array.size else array


def signed(values: Words, bits: int) -> Words:
    """What two's complement of so many low bits says."""
    half = 1 << bits - 1
    return np.asarray((values + half) % (2 * half) - half, dtype=object).reshape(values.shape)


def truncated(v: int, u: int, ring: int, shift: int) -> int:
    """Rounding by a coin: of the summands u and v - u, each shifted, with the wrap that their top bits say."""
    r = (v - u) % (1 << ring)
    c = (u + (1 << ring - 2) - 1) % (1 << ring)
    wrap = c >> ring - 1 | r >> ring - 1
    return ((c >> shift) + (r >> shift) + 1 - (1 << ring - 2 - shift) - (wrap << ring - shift)) % (1 << ring)


def floored(v: int, u: int, ring: int, shift: int, nearest: int) -> int:
    """The same with the true carry out of the bits dropped."""
    r = (v - u) % (1 << ring)
    c = (u + (1 << ring - 2) + (nearest << shift - 1)) % (1 << ring)
    wrap = c >> ring - 1 | r >> ring - 1
    low = (1 << shift) - 1
    carry = (c & low) + (r & low) >> shift
    return ((c >> shift) + (r >> shift) + carry - (1 << ring - 2 - shift) - (wrap << ring - shift)) % (1 << ring)


def lifted(v: int, u: int) -> int:
    """A word modulo 2^64 as one modulo 2^128: right within 2^62, else by the coin."""
    r = (v - u) % (1 << 64)
    c = (u + (1 << 62)) % (1 << 64)
    return (c + r - ((c >> 63 | r >> 63) << 64) - (1 << 62)) % (1 << 128)


def clipped(v: int, ring: int, lo: int, hi: int) -> int:
    """Drawn in to [lo, hi], by comparisons of the whole word."""
    above = signed(np.asarray((v - lo) % (1 << ring), dtype=object), ring).item()
    return (lo if above < 0 else min(above, hi - lo) + lo) % (1 << ring)


def normalised(values: Words, bits: int, even: int) -> Words:
    """Power of two and product, or complement: of whole digits of four bits, of which the uppermost may be cut."""
    digits = -(-bits // 4)
    leads = [max((int(v) % (1 << 4 * digits)).bit_length() - 1, 0) for v in values.reshape(-1)]
    v = [1 << max(0, (bits - 1 - lead) // 2 if even else bits - 1 - lead) for lead in leads]
    factor = np.array([*v, None], dtype=object)[:-1].reshape(values.shape)
    if not even:
        return np.stack([factor, values * factor])
    u = np.array([*(1 << lead // 2 + 1 for lead in leads), None], dtype=object)[:-1].reshape(values.shape)
    return np.stack([factor, u])


def evaluate(plan: Plan, inputs: Mapping[bytes, Words], place: Place = ()) -> dict[int, Words]:
    """The words of every value, by its number; of a loop, what it carries in the end."""
    values: dict[int, Words] = {}
    for index, op in enumerate(plan.operations):
        given = [values[value] for value in op.inputs]
        if op.is_input:
            values[index] = inputs[op.data]
        elif op.is_constant:
            known = oracle.plain_constant(op)
            values[index] = known if op.type.is_bool else modulo(known, op.type.ring)
        elif op.body is not None:
            carried = op.attrs.carried
            for number in range(op.attrs.count):
                here = {operand_handle(k): value for k, value in enumerate(given)}
                found = evaluate(op.body, here, (*place, index, number))
                given[:carried] = [found[output.value] for output in op.body.outputs]
            values |= {result_of(index, k): value for k, value in enumerate(given[:carried])}
        else:
            values[index] = one(op, [plan.type_of(value) for value in op.inputs], given, (*place, index))
    return values


def one(op: PlanOperation, types: Sequence[Type], given: Sequence[Words], place: Place) -> Words:
    """One operation on words."""
    name, attrs, out = op.operation.name, op.attrs, op.type
    if name == "negative":
        return np.asarray(signed(given[0], types[0].bits) < 0, dtype=bool)
    if name == "less":
        return np.asarray(signed(modulo(given[0] - given[1], types[0].ring), difference_bits(*types)) < 0, dtype=bool)
    if name == "is_zero":
        return np.asarray(given[0] % (1 << types[0].bits) == 0, dtype=bool)
    if name == "normalise":
        return modulo(normalised(given[0], normalised_bits(types[0], even=attrs.even), attrs.even), out.ring)
    if name in ("rescale", "round", "lift", "clip"):
        ring = types[0].ring
        functions: dict[str, Any] = {
            "rescale": lambda v, u: truncated(v, u, ring, attrs.shift),
            "round": lambda v, u: floored(v, u, ring, attrs.shift, attrs.nearest),
            "lift": lifted,
            "clip": lambda v, u: clipped(v, ring, attrs.lo, attrs.hi),
        }
        flat = [functions[name](v, coin(place, k, ring)) for k, v in enumerate(given[0].reshape(-1))]
        return np.array([*flat, None], dtype=object)[:-1].reshape(out.shape)
    if name in ("contract", "matmul") and attrs.wide:
        given = [signed(x, 64) for x in given]
    else:
        assert name not in ("multiply", "contract", "matmul", "convolve") or attrs.shift == 0, (
            "rounded products have other coins"
        )
    found = op.operation.meaning(given, attrs, out)
    return found if out.is_bool else modulo(found, out.ring)
