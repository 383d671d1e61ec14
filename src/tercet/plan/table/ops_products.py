"""Operations that multiply secrets, and that change a scale or a ring with the other parties' help."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tercet.plan.table.attributes import (
    Attributes,
    Contraction,
    MatrixProduct,
    Normalisation,
    Rounding,
    Shift,
    StatedBounds,
)
from tercet.plan.table.operation import (
    Algebra,
    Bounding,
    Call,
    Domain,
    Flow,
    Operation,
    Plain,
    broadcast,
    by_rounds,
    check_axes,
    corners,
    need,
    one_number,
    only,
    product_type,
    rescaled,
    same,
    shaped,
    two_numbers,
)
from tercet.plan.table.ops_local import check_stated, matmul_type
from tercet.plan.types import Type, ValueKind, limit
from tercet.protocols.cost import Cost
from tercet.protocols.matrix import (
    block_length,
    contract,
    contract_cost,
    contract_wide,
    matrix_product,
    matrix_product_cost,
    matrix_product_wide,
    matrix_product_wide_cost,
)
from tercet.protocols.narrow import MOST, matrix_product_narrow, matrix_product_narrow_cost
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
    truncate_exact,
    truncate_exact_cost,
)
from tercet.ring import ring
from tercet.sharing import Share

_KEPT_BITS = 3
"""Truncation leaves at least so many bits of the ring."""


def shifted(t: Type, shift: int) -> Type:
    """The type after a division by 2^shift that keeps the value: the scale goes down with it."""
    if not shift:
        return t
    need(0 < shift <= t.frac_bits - t.nominal, f"{t.frac_bits} fractional bits (nominal {t.nominal}) less {shift}")
    need(shift <= t.ring - _KEPT_BITS, f"{shift} of {t.ring} bits are taken away")
    lo, hi = rescaled(t.lo, t.hi, shift)
    return replace(t, frac_bits=t.frac_bits - shift, lo=lo, hi=hi)


@two_numbers
def _infer_multiply(a: Type, b: Type, attrs: Shift) -> Type:
    return shifted(product_type(a, b, broadcast(a, b)), attrs.shift)


@two_numbers
def _infer_within(a: Type, b: Type, attrs: StatedBounds) -> Type:
    """Wrapping on the way is harmless if the true product is in bounds."""
    check_stated(attrs)
    frac, nominal = a.frac_bits + b.frac_bits, max(a.nominal, b.nominal)
    return Type(max(a.kind, b.kind), broadcast(a, b), a.ring, frac, nominal, attrs.lo, attrs.hi)


def _run_within(scope: Scope, call: Call[StatedBounds], x: Share, y: Share) -> Body[Share]:
    return multiply(scope, _spread(x, call.out.shape), _spread(y, call.out.shape))


def _spread(x: Share, shape: tuple[int, ...]) -> Share:
    if x.shape == shape:
        return x
    return Share(x.ring, np.broadcast_to(x.own, shape), np.broadcast_to(x.next, shape))


def _run_multiply(scope: Scope, call: Call[Shift], x: Share, y: Share) -> Body[Share]:
    x, y = _spread(x, call.out.shape), _spread(y, call.out.shape)
    shift = call.attrs.shift
    return multiply_truncate(scope, x, y, shift) if shift else multiply(scope, x, y)


def _cost_multiply(call: Call[Shift]) -> Cost:
    shift, size = call.attrs.shift, call.out.size
    return multiply_truncate_cost(call.ring, size, shift) if shift else multiply_cost(call.ring, size)


def wide_block(factors: Sequence[Type], terms: int) -> int:
    """The length of blocks in which so many products of two values modulo 2^64 are added up there; 0 if too few fit."""
    fit = (limit(64) - 1) // max(1, *(abs(bound) for bound in corners(*factors)))
    return block_length(terms, fit)


def _widened(x: Type, attrs: Contraction | MatrixProduct) -> Type:
    """A factor, in the ring of the sum of products."""
    if not attrs.wide:
        return x
    need(x.ring == 64, "only factors in the ring 2^64 have a wide sum")
    return replace(x, ring=128)


def _summed(inputs: Sequence[Type], total: Type, terms: int, attrs: Contraction | MatrixProduct) -> Type:
    if not attrs.wide:
        return shifted(total, attrs.shift)
    need(not attrs.shift, "a wide sum is not divided")
    need(not any(x.claimed for x in inputs), "factors whose bounds are not proven are lifted before their product")
    need(wide_block(inputs, terms) > 0, "too few products fit the ring 2^64")
    return total


@two_numbers
def _infer_contract(a: Type, b: Type, attrs: Contraction) -> Type:
    need(a.shape == b.shape, f"shapes {a.shape} and {b.shape} differ")
    axes = attrs.axes
    check_axes(axes, len(a.shape))
    terms = math.prod(a.shape[axis] for axis in axes)
    shape = tuple(length for axis, length in enumerate(a.shape) if axis not in axes)
    total = product_type(_widened(a, attrs), _widened(b, attrs), shape, terms)
    return _summed((a, b), total, terms, attrs)


def _run_contract(scope: Scope, call: Call[Contraction], x: Share, y: Share) -> Body[Share]:
    axes = call.attrs.axes
    columns = call.out.size
    rest = tuple(axis for axis in range(len(x.shape)) if axis not in axes)

    def arranged(z: Share) -> Share:
        terms = math.prod(z.shape[axis] for axis in axes)
        order = (*axes, *rest)
        return Share(z.ring, *(np.transpose(part, order).reshape(terms, columns) for part in (z.own, z.next)))

    if call.attrs.wide:
        block = wide_block(call.inputs, _terms(call))
        return shaped(call, contract_wide(scope, arranged(x), arranged(y), block))
    return shaped(call, contract(scope, arranged(x), arranged(y), call.attrs.shift))


def _terms(call: Call[Contraction]) -> int:
    """How many products each result of a contraction adds up."""
    return math.prod(call.inputs[0].shape[axis] for axis in call.attrs.axes)


def _cost_contract(call: Call[Contraction]) -> Cost:
    shift = call.attrs.shift
    terms = _terms(call)
    if call.attrs.wide:
        block = wide_block(call.inputs, terms)
        return matrix_product_wide_cost((call.out.size, 1, terms), (call.out.size, terms, 1), block)
    if call.out.size == 1:
        return matrix_product_cost(call.ring, (1, terms), (terms, 1), shift)
    return contract_cost(call.ring, call.out.size, shift)


@two_numbers
def _infer_matmul(a: Type, b: Type, attrs: MatrixProduct) -> Type:
    total = matmul_type(_widened(a, attrs), _widened(b, attrs))
    return _summed((a, b), total, a.shape[-1], attrs)


def _run_matmul(scope: Scope, call: Call[MatrixProduct], x: Share, y: Share) -> Body[Share]:
    if call.attrs.wide:
        return matrix_product_wide(scope, x, y, wide_block(call.inputs, x.shape[-1]))
    return matrix_product(scope, x, y, call.attrs.shift)


def _cost_matmul(call: Call[MatrixProduct]) -> Cost:
    x, y = call.inputs
    if call.attrs.wide:
        return matrix_product_wide_cost(x.shape, y.shape, wide_block((x, y), x.shape[-1]))
    return matrix_product_cost(call.ring, x.shape, y.shape, call.attrs.shift)


_NARROW_WORK = 1 << 25
"""Products of fewer pairs of numbers are not worth another round, nor are short ones worth a lift of each result."""
_NARROW_TERMS = 1 << 10


def pays_narrow(a: Type, b: Type) -> bool:
    """Whether a matrix product is small enough in its results, and large enough in its work, to be one modulo 2^16.

    Not of factors whose bounds are claimed: a result that does not fit would be another word than modulo 2^64."""
    if a.ring != 64 or b.ring != 64 or a.claimed or b.claimed:
        return False
    terms = a.shape[-1]
    if terms < _NARROW_TERMS or terms * max(map(abs, corners(a, b))) >= MOST:
        return False  # asked before there is a type: what outgrows 2^64 has none
    return matmul_type(a, b).size * terms >= _NARROW_WORK


@two_numbers
def _infer_matmul_narrow(a: Type, b: Type, attrs: Attributes) -> Type:
    total = matmul_type(a, b)
    need(a.ring == 64, "only factors in the ring 2^64 have a product modulo 2^16")
    need(not a.claimed and not b.claimed, "factors whose bounds are not proven have no product modulo 2^16")
    need(total.magnitude < MOST, f"results up to {total.magnitude} in magnitude do not fit 2^16 with headroom")
    return total


def _plain_matmul_narrow(inputs: Sequence[Plain], attrs: Attributes, out: Type) -> Plain:
    return _plain_matmul(inputs, MatrixProduct(), out)


@one_number
def _infer_rescale(x: Type, attrs: Shift) -> Type:
    need(attrs.shift > 0, "a shift of at least one bit")
    return shifted(x, attrs.shift)


@one_number
def _infer_floor(x: Type, attrs: Rounding) -> Type:
    """The result keeps `frac_bits - shift`, which may be below nominal."""
    shift = attrs.shift
    need(0 < shift <= x.frac_bits, f"a shift by {shift} of {x.frac_bits} bits")
    frac = x.frac_bits - shift
    need(shift <= x.ring - _KEPT_BITS, f"{shift} of {x.ring} bits are taken away")
    half = attrs.nearest << (shift - 1)
    need(x.hi + half < limit(x.ring), f"no headroom to round bounds [{x.lo}, {x.hi}] up by {shift} bits")
    kind = ValueKind.FIXED if frac else ValueKind.INT
    return Type(kind, x.shape, x.ring, frac, min(frac, x.nominal), (x.lo + half) >> shift, (x.hi + half) >> shift)


@one_number
def _infer_lift(x: Type, attrs: Attributes) -> Type:
    need(x.ring == 64, "only the ring 2^64 is lifted")
    return replace(x, ring=128)


@one_number
def _infer_normalise(x: Type, attrs: Normalisation) -> Type:
    """Result (2, ...): the factor, and its complement if even, else x * factor.

    The product is part of the operation because only here it is known that x * factor < 2^K."""
    need(x.lo >= 0, "takes numbers that are not negative")
    bits = normalised_bits(x, even=attrs.even)
    return Type(ValueKind.INT, (2, *x.shape), x.ring, 0, 0, 0, 1 << (bits // 2 if attrs.even else bits))


def normalised_bits(x: Type, *, even: bool) -> int:
    """K such that x < 2^K; even if `even`."""
    bits = max(2, x.hi.bit_length())
    return bits + bits % 2 if even else bits


def _run_normalise(scope: Scope, call: Call[Normalisation], x: Share) -> Body[Share]:
    x = x.flat()
    bits = normalised_bits(call.inputs[0], even=call.attrs.even)
    if call.attrs.even:
        v, other = yield from normalise(scope, x, bits, even=True)
    else:
        v = yield from leading_factor(scope, x, bits)
        other = yield from multiply(scope, x, v)
    own, following = np.stack([v.own, other.own]), np.stack([v.next, other.next])
    return Share(x.ring, own, following).reshape(call.out.shape)


def _cost_normalise(call: Call[Normalisation]) -> Cost:
    x, even = call.inputs[0], call.attrs.even
    bits, here = normalised_bits(x, even=even), ring(x.ring)
    if even:
        return normalise_cost(here, x.size, bits, even=True)
    return leading_factor_cost(here, x.size, bits) + multiply_cost(here, x.size)


def _plain_normalise(inputs: Sequence[Plain], attrs: Normalisation, out: Type) -> Plain:
    x = inputs[0]
    bits = 2 * (out.hi.bit_length() - 1) if attrs.even else out.hi.bit_length() - 1

    def factor(value: int) -> int:
        lead = value.bit_length() - 1 if value else 0
        return int(1 << ((bits - 1 - lead) // 2 if attrs.even else bits - 1 - lead))

    v = np.array([factor(int(value)) for value in x.reshape(-1)], dtype=object).reshape(x.shape)
    return np.stack([v, np.asarray(out.hi // v if attrs.even else x * v, dtype=object)])


def floored(x: Plain, shift: int) -> Plain:
    """Divided by 2^shift, down."""
    return np.asarray(x >> shift, dtype=object) if shift else x


def _plain_contract(inputs: Sequence[Plain], attrs: Contraction, out: Type) -> Plain:
    product = inputs[0] * inputs[1]
    for axis in sorted(attrs.axes, reverse=True):
        product = np.asarray(product.sum(axis=axis), dtype=object)
    return floored(np.asarray(product, dtype=object).reshape(out.shape), attrs.shift)


def _plain_matmul(inputs: Sequence[Plain], attrs: MatrixProduct, out: Type) -> Plain:
    if not inputs[0].shape[-1]:
        return np.full(out.shape, 0, dtype=object)
    return floored(np.asarray(np.matmul(inputs[0], inputs[1]), dtype=object), attrs.shift)


PRODUCTS: tuple[Operation[Any], ...] = (
    Operation(
        "multiply",
        32,
        "x * y; with a shift, divided by that power of two",
        Shift,
        _infer_multiply,
        only(_run_multiply, _cost_multiply),
        lambda inputs, attrs, out: floored(np.asarray(inputs[0] * inputs[1], dtype=object), attrs.shift),
        error="exact; with a shift below 1 last bit, unbiased",
        protocol="exchange-form product (Araki et al. 2016, ASTRA 2019); FMT-2",
        rows=Flow.EACH,
        algebra=Algebra.MULTIPLY,
        by_coin=True,
    ),
    Operation(
        "multiply_within",
        39,
        "x * y, bounded more tightly than by the factors' bounds",
        StatedBounds,
        _infer_within,
        only(_run_within, lambda c: multiply_cost(c.ring, c.out.size)),
        lambda inputs, attrs, out: np.asarray(inputs[0] * inputs[1], dtype=object),
        protocol="exchange-form product",
        rows=Flow.EACH,
        algebra=Algebra.WITHIN,
        bounds=Bounding.STATED,
    ),
    Operation(
        "contract",
        33,
        "sum over axes of x * y; modulo 2^128 if it outgrows the factors' 2^64",
        Contraction,
        _infer_contract,
        only(_run_contract, _cost_contract),
        _plain_contract,
        error="exact; with a shift below 1 last bit, unbiased",
        protocol="exchange-form product, one word sent a result; FMT-2; in blocks that are lifted",
        rows=Flow.CONTRACT,
        algebra=Algebra.CONTRACT,
        by_coin=True,
    ),
    Operation(
        "matmul",
        34,
        "matrix product x @ y; modulo 2^128 if it outgrows the factors' 2^64",
        MatrixProduct,
        _infer_matmul,
        only(_run_matmul, _cost_matmul),
        _plain_matmul,
        error="exact; with a shift below 1 last bit, unbiased",
        protocol="exchange-form product, one word sent a result; FMT-2; in blocks that are lifted",
        rows=Flow.MATRIX,
        algebra=Algebra.MATRIX,
        by_coin=True,
    ),
    Operation(
        "matmul_narrow",
        40,
        "matrix product x @ y of small results",
        Attributes,
        _infer_matmul_narrow,
        only(
            lambda s, c, x, y: matrix_product_narrow(s, x, y),
            lambda c: matrix_product_narrow_cost(c.inputs[0].shape, c.inputs[1].shape),
        ),
        _plain_matmul_narrow,
        protocol="exchange-form product modulo 2^16, lifted by the wrap of two summands as one cross term",
        rows=Flow.MATRIX,
        algebra=Algebra.MATRIX,
        twin_of="matmul",
    ),
    Operation(
        "rescale",
        35,
        "the same value with fewer fractional bits",
        Shift,
        _infer_rescale,
        by_rounds(
            lambda s, c, x, one_round: truncate(s, x, c.attrs.shift, one_round=one_round),
            lambda c, one_round: truncate_cost(c.ring, c.out.size, c.attrs.shift, one_round=one_round),
        ),
        lambda inputs, attrs, out: floored(inputs[0], attrs.shift),
        error="below 1 last bit, unbiased",
        protocol="TR-2 / TR-1 (after Dalskov, Escudero, Keller 2020)",
        rows=Flow.EACH,
        algebra=Algebra.RESCALE,
        by_coin=True,
    ),
    Operation(
        "round",
        36,
        "floor or nearest at fewer fractional bits",
        Rounding,
        _infer_floor,
        only(
            lambda s, c, x: shaped(c, truncate_exact(s, x.flat(), c.attrs.shift, nearest=c.attrs.nearest)),
            lambda c: truncate_exact_cost(c.ring, c.out.size, c.attrs.shift),
        ),
        lambda inputs, attrs, out: floored(inputs[0] + (attrs.nearest << (attrs.shift - 1)), attrs.shift),
        protocol="TR-exact: truncation with the true carry",
        rows=Flow.EACH,
        algebra=Algebra.ROUND,
    ),
    Operation(
        "lift",
        37,
        "the same integer modulo 2^128",
        Attributes,
        _infer_lift,
        by_rounds(
            lambda s, c, x, one_round: lift(s, x, one_round=one_round),
            lambda c, one_round: lift_cost(c.out.size, one_round=one_round),
        ),
        same,
        protocol="wrap of two summands as one cross term",
        rows=Flow.EACH,
        algebra=Algebra.RING,
        keeps_integer=True,
    ),
    Operation(
        "normalise",
        38,
        "a power of two that brings x to the top of its range, and the product or its complement",
        Normalisation,
        _infer_normalise,
        only(_run_normalise, _cost_normalise),
        _plain_normalise,
        protocol="bits by LUT adder, prefix OR, one cross-term sum (Catrina, Saxena 2010)",
        rows=Flow.STACKED,
        algebra=Algebra.NORMALISE,
        domain=(Domain.NOT_ZERO,),
        takes="the place of a leading one is that of numbers other than 0",
    ),
)
