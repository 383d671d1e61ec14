"""Operations that multiply secrets, and that change a scale or a ring with the other parties' help."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tercet.plan.operation import (
    WIDE,
    Attrs,
    Call,
    Flow,
    Operation,
    Plain,
    arity,
    axes_of,
    broadcast,
    corners,
    need,
    numeric,
    rescaled,
)
from tercet.plan.ops_local import REASONS, matmul_type
from tercet.plan.types import Kind, Type, limit
from tercet.protocols.cost import Cost
from tercet.protocols.exact import truncate_exact, truncate_exact_cost
from tercet.protocols.matrix import (
    contract,
    contract_cost,
    contract_wide,
    matrix_product,
    matrix_product_cost,
    matrix_product_wide,
    matrix_product_wide_cost,
)
from tercet.protocols.normalise import leading_factor, leading_factor_cost, normalise, normalise_cost
from tercet.protocols.product import multiply, multiply_cost
from tercet.protocols.scope import Body, Scope
from tercet.protocols.truncate import (
    lift,
    lift_cost,
    multiply_truncate,
    multiply_truncate_cost,
    truncate,
    truncate_cost,
)
from tercet.ring import ring
from tercet.sharing import Share

_KEPT_BITS = 3
"""Truncation leaves at least so many bits of the ring."""


def _shifted(t: Type, shift: int) -> Type:
    """The type after a division by 2^shift that keeps the value: the scale goes down with it."""
    if not shift:
        return t
    need(0 < shift <= t.frac_bits - t.nominal, f"{t.frac_bits} fractional bits (nominal {t.nominal}) less {shift}")
    need(shift <= t.ring - _KEPT_BITS, f"{shift} of {t.ring} bits are taken away")
    lo, hi = rescaled(t.lo, t.hi, shift)
    return replace(t, frac_bits=t.frac_bits - shift, lo=lo, hi=hi)


def _infer_multiply(inputs: Sequence[Type], attrs: Attrs) -> Type:
    """attrs: shift."""
    arity(inputs, attrs, 2, 1)
    a, b = inputs
    numeric(a, b)
    lo, hi = corners(a, b)
    frac, nominal = a.frac_bits + b.frac_bits, max(a.nominal, b.nominal)
    return _shifted(Type(max(a.kind, b.kind), broadcast(a, b), a.ring, frac, nominal, lo, hi), attrs[0])


def _infer_within(inputs: Sequence[Type], attrs: Attrs) -> Type:
    """attrs: lo, hi, reason. Wrapping modulo the ring is harmless as the true product is in bounds."""
    arity(inputs, attrs, 2, 3)
    a, b = inputs
    numeric(a, b)
    need(0 <= attrs[2] < len(REASONS) and attrs[0] <= attrs[1], f"bounds {attrs[:2]} for reason {attrs[2]}")
    frac, nominal = a.frac_bits + b.frac_bits, max(a.nominal, b.nominal)
    return Type(max(a.kind, b.kind), broadcast(a, b), a.ring, frac, nominal, attrs[0], attrs[1])


def _run_within(scope: Scope, call: Call, x: Share, y: Share) -> Body[Share]:
    return multiply(scope, _spread(x, call.out.shape), _spread(y, call.out.shape))


def _spread(x: Share, shape: tuple[int, ...]) -> Share:
    if x.shape == shape:
        return x
    return Share(x.ring, np.broadcast_to(x.own, shape), np.broadcast_to(x.next, shape))


def _run_multiply(scope: Scope, call: Call, x: Share, y: Share) -> Body[Share]:
    x, y = _spread(x, call.out.shape), _spread(y, call.out.shape)
    shift = call.attrs[0]
    return multiply_truncate(scope, x, y, shift) if shift else multiply(scope, x, y)


def _cost_multiply(call: Call) -> Cost:
    shift, size = call.attrs[0], call.out.size
    return multiply_truncate_cost(call.ring, size, shift) if shift else multiply_cost(call.ring, size)


def wide_block(a: Type, b: Type) -> int:
    """How many products of two values modulo 2^64 add up there, at least, before they do not fit; 0 if not one does."""
    return (limit(64) - 1) // max(1, *(abs(bound) for bound in corners(a, b)))


def _widened(x: Type, shift: int) -> Type:
    """A factor, in the ring of the sum of products."""
    if shift != WIDE:
        return x
    need(x.ring == 64, "only factors in the ring 2^64 have a wide sum")
    return replace(x, ring=128)


def _summed(inputs: Sequence[Type], total: Type, shift: int) -> Type:
    if shift != WIDE:
        return _shifted(total, shift)
    need(wide_block(*inputs) > 0, "not one product fits the ring 2^64")
    return total


def _infer_contract(inputs: Sequence[Type], attrs: Attrs) -> Type:
    """attrs: shift or WIDE, then the axes that are summed."""
    need(len(inputs) == 2 and len(attrs) >= 1, "takes two arrays, a shift and axes")
    numeric(*inputs)
    a, b = (_widened(x, attrs[0]) for x in inputs)
    need(a.shape == b.shape, f"shapes {a.shape} and {b.shape} differ")
    shift, axes = attrs[0], attrs[1:]
    axes_of(axes, len(a.shape))
    terms = math.prod(a.shape[axis] for axis in axes)
    lo, hi = corners(a, b)
    lo, hi = (terms * lo, terms * hi) if terms else (0, 0)
    shape = tuple(length for axis, length in enumerate(a.shape) if axis not in axes)
    frac, nominal = a.frac_bits + b.frac_bits, max(a.nominal, b.nominal)
    return _summed(inputs, Type(max(a.kind, b.kind), shape, a.ring, frac, nominal, lo, hi), shift)


def _run_contract(scope: Scope, call: Call, x: Share, y: Share) -> Body[Share]:
    shift, axes = call.attrs[0], call.attrs[1:]
    columns = call.out.size
    rest = tuple(axis for axis in range(len(x.shape)) if axis not in axes)

    def arranged(z: Share) -> Share:
        terms = math.prod(z.shape[axis] for axis in axes)
        order = (*axes, *rest)
        return Share(z.ring, *(np.transpose(part, order).reshape(terms, columns) for part in (z.own, z.next)))

    if call.attrs[0] == WIDE:
        result = yield from contract_wide(scope, arranged(x), arranged(y), wide_block(*call.inputs))
    else:
        result = yield from contract(scope, arranged(x), arranged(y), shift)
    return result.reshape(call.out.shape)


def _cost_contract(call: Call) -> Cost:
    shift, axes = call.attrs[0], call.attrs[1:]
    terms = math.prod(call.inputs[0].shape[axis] for axis in axes)
    if call.attrs[0] == WIDE:
        return matrix_product_wide_cost((call.out.size, 1, terms), (call.out.size, terms, 1), wide_block(*call.inputs))
    if call.out.size == 1:
        return matrix_product_cost(call.ring, (1, terms), (terms, 1), shift)
    return contract_cost(call.ring, call.out.size, shift)


def _infer_matmul(inputs: Sequence[Type], attrs: Attrs) -> Type:
    """attrs: shift or WIDE."""
    arity(inputs, attrs, 2, 1)
    numeric(*inputs)
    a, b = (_widened(x, attrs[0]) for x in inputs)
    need(len(a.shape) >= 2 and len(b.shape) >= 2, "takes matrices")
    return _summed(inputs, matmul_type(a, b), attrs[0])


def _run_matmul(scope: Scope, call: Call, x: Share, y: Share) -> Body[Share]:
    if call.attrs[0] == WIDE:
        return matrix_product_wide(scope, x, y, wide_block(*call.inputs))
    return matrix_product(scope, x, y, call.attrs[0])


def _cost_matmul(call: Call) -> Cost:
    x, y = call.inputs
    if call.attrs[0] == WIDE:
        return matrix_product_wide_cost(x.shape, y.shape, wide_block(x, y))
    return matrix_product_cost(call.ring, x.shape, y.shape, call.attrs[0])


def _infer_rescale(inputs: Sequence[Type], attrs: Attrs) -> Type:
    """attrs: shift, variant."""
    arity(inputs, attrs, 1, 2)
    numeric(*inputs)
    need(attrs[0] > 0, "a shift of at least one bit")
    return _shifted(inputs[0], attrs[0])


def _infer_floor(inputs: Sequence[Type], attrs: Attrs) -> Type:
    """attrs: shift, nearest (0 or 1); the result keeps `frac_bits - shift`, which may be below nominal."""
    arity(inputs, attrs, 1, 2)
    numeric(*inputs)
    x, (shift, nearest) = inputs[0], attrs
    need(0 < shift <= x.frac_bits and nearest in (0, 1), f"a shift by {shift} of {x.frac_bits} bits")
    frac = x.frac_bits - shift
    need(shift <= x.ring - _KEPT_BITS, f"{shift} of {x.ring} bits are taken away")
    half = nearest << (shift - 1)
    need(x.hi + half < limit(x.ring), f"no headroom to round bounds [{x.lo}, {x.hi}] up by {shift} bits")
    kind = Kind.FIXED if frac else Kind.INT
    return Type(kind, x.shape, x.ring, frac, min(frac, x.nominal), (x.lo + half) >> shift, (x.hi + half) >> shift)


def _infer_lift(inputs: Sequence[Type], attrs: Attrs) -> Type:
    """attrs: variant."""
    arity(inputs, attrs, 1, 1)
    need(inputs[0].ring == 64, "only the ring 2^64 is lifted")
    return replace(inputs[0], ring=128)


def _infer_normalise(inputs: Sequence[Type], attrs: Attrs) -> Type:
    """attrs: even (0 or 1). Result (2, ...): the factor, and its complement if even, else x * factor.

    The product is part of the operation because only here it is known that x * factor < 2^K."""
    arity(inputs, attrs, 1, 1)
    numeric(*inputs)
    x = inputs[0]
    need(x.lo >= 0, "takes numbers that are not negative")
    bits = normalised_bits(x, attrs[0])
    return Type(Kind.INT, (2, *x.shape), x.ring, 0, 0, 0, 1 << (bits // 2 if attrs[0] else bits))


def normalised_bits(x: Type, even: int) -> int:
    """K such that x < 2^K; even if `even`."""
    bits = max(2, x.hi.bit_length())
    return bits + bits % 2 if even else bits


def _run_normalise(scope: Scope, call: Call, x: Share) -> Body[Share]:
    even, x = call.attrs[0], x.flat()
    bits = normalised_bits(call.inputs[0], even)
    if even:
        v, other = yield from normalise(scope, x, bits, even=True)
    else:
        v = yield from leading_factor(scope, x, bits)
        other = yield from multiply(scope, x, v)
    own, following = np.stack([v.own, other.own]), np.stack([v.next, other.next])
    return Share(x.ring, own, following).reshape(call.out.shape)


def _cost_normalise(call: Call) -> Cost:
    x, even = call.inputs[0], call.attrs[0]
    bits, here = normalised_bits(x, even), ring(x.ring)
    if even:
        return normalise_cost(here, x.size, bits, even=True)
    return leading_factor_cost(here, x.size, bits) + multiply_cost(here, x.size)


def _plain_normalise(inputs: Sequence[Plain], attrs: Attrs, out: Type) -> Plain:
    x = inputs[0]
    bits = 2 * (out.hi.bit_length() - 1) if attrs[0] else out.hi.bit_length() - 1

    def factor(value: int) -> int:
        lead = value.bit_length() - 1 if value else 0
        return int(1 << ((bits - 1 - lead) // 2 if attrs[0] else bits - 1 - lead))

    v = np.array([factor(int(value)) for value in x.reshape(-1)], dtype=object).reshape(x.shape)
    return np.stack([v, np.asarray(out.hi // v if attrs[0] else x * v, dtype=object)])


def _floored(x: Plain, shift: int) -> Plain:
    return np.asarray(x >> shift, dtype=object) if shift not in (0, WIDE) else x


def _plain_contract(inputs: Sequence[Plain], attrs: Attrs, out: Type) -> Plain:
    product = inputs[0] * inputs[1]
    for axis in sorted(attrs[1:], reverse=True):
        product = np.asarray(product.sum(axis=axis), dtype=object)
    return _floored(np.asarray(product, dtype=object).reshape(out.shape), attrs[0])


def _plain_matmul(inputs: Sequence[Plain], attrs: Attrs, out: Type) -> Plain:
    if not inputs[0].shape[-1]:
        return np.full(out.shape, 0, dtype=object)
    return _floored(np.asarray(np.matmul(inputs[0], inputs[1]), dtype=object), attrs[0])


def _exact(scope: Scope, call: Call, x: Share) -> Body[Share]:
    result = yield from truncate_exact(scope, x.flat(), call.attrs[0], nearest=bool(call.attrs[1]))
    return result.reshape(call.out.shape)


def _identical(inputs: Sequence[Plain], attrs: Attrs, out: Type) -> Plain:
    return inputs[0]


def _size(call: Call) -> tuple[Any, int]:
    return ring(call.inputs[0].ring), call.out.size


PRODUCTS = (
    Operation(
        "multiply",
        32,
        "x * y; with a shift, divided by that power of two",
        _infer_multiply,
        _run_multiply,
        lambda inputs, attrs, out: _floored(np.asarray(inputs[0] * inputs[1], dtype=object), attrs[0]),
        _cost_multiply,
        local=False,
        error="exact; with a shift below 1 last bit, unbiased",
        protocol="exchange-form product (Araki et al. 2016, ASTRA 2019); FMT-2",
        flow=Flow.EACH,
    ),
    Operation(
        "multiply_within",
        39,
        "x * y, bounded more tightly than by the factors' bounds",
        _infer_within,
        _run_within,
        lambda inputs, attrs, out: np.asarray(inputs[0] * inputs[1], dtype=object),
        lambda c: multiply_cost(c.ring, c.out.size),
        local=False,
        protocol="exchange-form product",
        flow=Flow.EACH,
    ),
    Operation(
        "contract",
        33,
        "sum over axes of x * y; modulo 2^128 if it outgrows the factors' 2^64",
        _infer_contract,
        _run_contract,
        _plain_contract,
        _cost_contract,
        local=False,
        error="exact; with a shift below 1 last bit, unbiased",
        protocol="exchange-form product, one word sent a result; FMT-2; in blocks that are lifted",
        flow=Flow.CONTRACT,
    ),
    Operation(
        "matmul",
        34,
        "matrix product x @ y; modulo 2^128 if it outgrows the factors' 2^64",
        _infer_matmul,
        _run_matmul,
        _plain_matmul,
        _cost_matmul,
        local=False,
        error="exact; with a shift below 1 last bit, unbiased",
        protocol="exchange-form product, one word sent a result; FMT-2; in blocks that are lifted",
        flow=Flow.MATRIX,
    ),
    Operation(
        "rescale",
        35,
        "the same value with fewer fractional bits",
        _infer_rescale,
        lambda s, c, x: truncate(s, x, c.attrs[0], one_round=bool(c.attrs[1])),
        lambda inputs, attrs, out: _floored(inputs[0], attrs[0]),
        lambda c: truncate_cost(c.ring, c.out.size, c.attrs[0], one_round=bool(c.attrs[1])),
        local=False,
        variants=True,
        error="below 1 last bit, unbiased",
        protocol="TR-2 / TR-1 (after Dalskov, Escudero, Keller 2020)",
        flow=Flow.EACH,
    ),
    Operation(
        "round",
        36,
        "floor or nearest at fewer fractional bits",
        _infer_floor,
        _exact,
        lambda inputs, attrs, out: _floored(inputs[0] + (attrs[1] << (attrs[0] - 1)), attrs[0]),
        lambda c: truncate_exact_cost(c.ring, c.out.size, c.attrs[0]),
        local=False,
        protocol="TR-exact: truncation with the true carry",
        flow=Flow.EACH,
    ),
    Operation(
        "lift",
        37,
        "the same integer modulo 2^128",
        _infer_lift,
        lambda s, c, x: lift(s, x, one_round=bool(c.attrs[0])),
        _identical,
        lambda c: lift_cost(c.out.size, one_round=bool(c.attrs[0])),
        local=False,
        variants=True,
        protocol="wrap of two summands as one cross term",
        flow=Flow.EACH,
    ),
    Operation(
        "normalise",
        38,
        "a power of two that brings x to the top of its range, and the product or its complement",
        _infer_normalise,
        _run_normalise,
        _plain_normalise,
        _cost_normalise,
        local=False,
        protocol="bits by LUT adder, prefix OR, one cross-term sum (Catrina, Saxena 2010)",
        flow=Flow.STACKED,
    ),
)
