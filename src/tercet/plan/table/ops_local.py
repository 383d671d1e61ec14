"""Arithmetic that each party does alone: sums, differences, public factors, and the same integers read otherwise."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercet.plan.table.attributes import Attributes, Axes, Axis, PublicMatrix, Scale, Shift, StatedBounds
from tercet.plan.table.operation import (
    Algebra,
    Bounding,
    Call,
    Constant,
    Flow,
    Memory,
    Operation,
    Plain,
    broadcast,
    broadcast_shapes,
    check_axes,
    need,
    one_number,
    only,
    product_type,
    same,
    two_numbers,
)
from tercet.plan.table.reasons import may_stand
from tercet.plan.types import Type, ValueKind, limit
from tercet.protocols.scope import Scope
from tercet.ring import ring
from tercet.sharing import Party, Share


def _linear(name: str) -> Callable[[Sequence[Type], Attributes], Type]:
    @two_numbers
    def infer(a: Type, b: Type, attrs: Attributes) -> Type:
        need(a.frac_bits == b.frac_bits, f"inputs have {a.frac_bits} and {b.frac_bits} fractional bits")
        lo, hi = (a.lo + b.lo, a.hi + b.hi) if name == "add" else (a.lo - b.hi, a.hi - b.lo)
        kind = max(a.kind, b.kind)
        return Type(kind, broadcast(a, b), a.ring, a.frac_bits, max(a.nominal, b.nominal), lo, hi)

    return infer


def _run_linear(name: str) -> Callable[..., Share]:
    def run(scope: Scope, call: Call[Attributes], a: Share | Constant, b: Share | Constant) -> Share:
        words = ring(call.out.ring)
        method = words.add if name == "add" else words.sub
        if isinstance(b, Constant):
            assert isinstance(a, Share)
            return _on_first(scope, a, call.out.shape, lambda x: method(x, b.words))
        if isinstance(a, Constant):
            assert isinstance(b, Share)
            minus = b if name == "add" else Share(b.ring, words.neg(b.own), words.neg(b.next))
            return _on_first(scope, minus, call.out.shape, lambda x: words.add(x, a.words))
        assert isinstance(a, Share) and isinstance(b, Share)
        return Share(words, method(a.own, b.own), method(a.next, b.next))

    return run


def _on_first(scope: Scope, x: Share, shape: tuple[int, ...], change: Callable[[NDArray[Any]], NDArray[Any]]) -> Share:
    """Change component 1 only: how a public number is added."""
    own, following = x.own, x.next
    if own.shape != shape:
        own, following = np.broadcast_to(own, shape), np.broadcast_to(following, shape)
    if scope.party is Party.P1:
        own = change(x.own)
    elif scope.party is Party.P3:
        following = change(x.next)
    return Share(x.ring, own, following)


@one_number
def _infer_neg(x: Type, attrs: Attributes) -> Type:
    return x.with_bounds(-x.hi, -x.lo)


def _each(x: Share, change: Callable[[NDArray[Any]], NDArray[Any]]) -> Share:
    return Share(x.ring, change(x.own), change(x.next))


@two_numbers
def _infer_scale(a: Type, b: Type, attrs: Attributes) -> Type:
    return product_type(a, b, broadcast(a, b))


@one_number
def _infer_shl(x: Type, attrs: Shift) -> Type:
    bits = attrs.shift
    need(0 <= bits < x.ring, f"a shift by {bits} bits")
    kind = ValueKind.FIXED if bits else x.kind
    return Type(kind, x.shape, x.ring, x.frac_bits + bits, x.nominal, x.lo << bits, x.hi << bits)


@one_number
def _infer_rename(x: Type, attrs: Scale) -> Type:
    """The stored integer stays, so the value is multiplied by a power of two."""
    kind = ValueKind.FIXED if attrs.frac_bits else ValueKind.INT
    return replace(x, kind=kind, frac_bits=attrs.frac_bits, nominal=attrs.nominal)


@one_number
def _infer_bound(x: Type, attrs: StatedBounds) -> Type:
    """Only the type changes."""
    check_stated(attrs)
    return x.with_bounds(attrs.lo, attrs.hi)


def check_stated(attrs: StatedBounds) -> None:
    """PlanError for bounds that are empty, and for a reason that may not stand in a plan."""
    need(may_stand(attrs.reason), f"reason {attrs.reason} is not known")
    need(attrs.lo <= attrs.hi, f"bounds [{attrs.lo}, {attrs.hi}] are empty")


@one_number
def _infer_sum(x: Type, attrs: Axes) -> Type:
    axes = attrs.axes
    check_axes(axes, len(x.shape))
    terms = math.prod(x.shape[axis] for axis in axes)
    shape = tuple(length for axis, length in enumerate(x.shape) if axis not in axes)
    return replace(x, shape=shape, lo=terms * x.lo, hi=terms * x.hi)


@one_number
def _infer_cumsum(x: Type, attrs: Axis) -> Type:
    check_axes((attrs.axis,), len(x.shape))
    terms = max(1, x.shape[attrs.axis])
    return x.with_bounds(min(x.lo, terms * x.lo), max(x.hi, terms * x.hi))


@two_numbers
def _infer_matmul_const(a: Type, b: Type, attrs: PublicMatrix) -> Type:
    return matmul_type(b, a) if attrs.in_front else matmul_type(a, b)


def matmul_type(a: Type, b: Type) -> Type:
    need(len(a.shape) >= 2 and len(b.shape) >= 2, "takes matrices")
    need(a.shape[-1] == b.shape[-2], f"shapes {a.shape} and {b.shape} do not multiply")
    batch = broadcast_shapes(a.shape[:-2], b.shape[:-2])
    return product_type(a, b, (*batch, a.shape[-2], b.shape[-1]), a.shape[-1])


def _run_matmul_const(scope: Scope, call: Call[PublicMatrix], x: Share, k: Constant) -> Share:
    if call.attrs.in_front:
        return _each(x, lambda words: x.ring.matmul(k.words, words))
    return _each(x, lambda words: x.ring.matmul(words, k.words))


@one_number
def _infer_resize(x: Type, attrs: Attributes) -> Type:
    need(x.ring == 128 and x.magnitude < limit(64), "only a value that fits the ring 2^64 is reduced to it")
    return replace(x, ring=64)


def _pointwise(function: Callable[..., Plain]) -> Callable[[Sequence[Plain], Attributes, Type], Plain]:
    return lambda inputs, attrs, out: np.asarray(function(*inputs), dtype=object)


def _plain_sum(inputs: Sequence[Plain], attrs: Axes, out: Type) -> Plain:
    result = inputs[0]
    for axis in sorted(attrs.axes, reverse=True):
        result = (
            np.add.reduce(result, axis=axis)
            if result.shape[axis]
            else np.zeros(result.shape[:axis] + result.shape[axis + 1 :], dtype=object)
        )
    return np.asarray(result, dtype=object)


def _identity(scope: Scope, call: Call[Attributes], x: Share) -> Share:
    return x


LOCAL: tuple[Operation[Any], ...] = (
    Operation(
        "add",
        3,
        "x + y",
        Attributes,
        _linear("add"),
        only(_run_linear("add")),
        _pointwise(lambda a, b: a + b),
        rows=Flow.EACH,
        algebra=Algebra.ADD,
        public=(0, 1),
    ),
    Operation(
        "subtract",
        4,
        "x - y",
        Attributes,
        _linear("sub"),
        only(_run_linear("sub")),
        _pointwise(lambda a, b: a - b),
        rows=Flow.DIFFERENCE,
        algebra=Algebra.SUBTRACT,
        public=(0, 1),
    ),
    Operation(
        "negate",
        5,
        "-x",
        Attributes,
        _infer_neg,
        only(lambda s, c, x: _each(x, x.ring.neg)),
        _pointwise(lambda a: -a),
        rows=Flow.EACH,
        algebra=Algebra.NEGATE,
    ),
    Operation(
        "scale",
        6,
        "x times public numbers",
        Attributes,
        _infer_scale,
        only(lambda s, c, x, k: _each(x, lambda words: x.ring.mul(words, k.words))),
        _pointwise(lambda a, b: a * b),
        rows=Flow.WEIGHED,
        algebra=Algebra.SCALE,
        public=(1,),
        needs_public=True,
    ),
    Operation(
        "shift_left",
        7,
        "the same value with more fractional bits",
        Shift,
        _infer_shl,
        only(lambda s, c, x: _each(x, lambda w: x.ring.shl(w, c.attrs.shift))),
        lambda inputs, attrs, out: np.asarray(inputs[0] * (1 << attrs.shift), dtype=object),
        rows=Flow.EACH,
        algebra=Algebra.SHIFT_LEFT,
    ),
    Operation(
        "sum",
        8,
        "sum over axes",
        Axes,
        _infer_sum,
        only(lambda s, c, x: _each(x, lambda w: x.ring.sum(w, axis=c.attrs.axes) if c.attrs.axes else w)),
        _plain_sum,
        rows=Flow.SUM,
        algebra=Algebra.SUM,
    ),
    Operation(
        "cumulative_sum",
        9,
        "prefix sums along an axis",
        Axis,
        _infer_cumsum,
        only(lambda s, c, x: _each(x, lambda w: x.ring.cumsum(w, c.attrs.axis))),
        lambda inputs, attrs, out: np.add.accumulate(inputs[0], axis=attrs.axis) if inputs[0].size else inputs[0],
        rows=Flow.PREFIX,
    ),
    Operation(
        "matmul_public",
        10,
        "matrix product with a public matrix",
        PublicMatrix,
        _infer_matmul_const,
        only(_run_matmul_const),
        lambda inputs, attrs, out: np.matmul(*(inputs[::-1] if attrs.in_front else inputs)),
        rows=Flow.MATRIX_PUBLIC,
        public=(1,),
        needs_public=True,
    ),
    Operation(
        "reduce_ring",
        17,
        "the same integer modulo 2^64",
        Attributes,
        _infer_resize,
        only(lambda s, c, x: Share(ring(64), ring(128).resize(x.own, ring(64)), ring(128).resize(x.next, ring(64)))),
        same,
        rows=Flow.EACH,
        algebra=Algebra.RING,
        keeps_integer=True,
    ),
    Operation(
        "rename",
        18,
        "the same integer read at another scale",
        Scale,
        _infer_rename,
        only(_identity),
        same,
        rows=Flow.EACH,
        algebra=Algebra.READ,
        memory=Memory.SAME,
    ),
    Operation(
        "bound",
        19,
        "the same value with narrower bounds",
        StatedBounds,
        _infer_bound,
        only(_identity),
        same,
        rows=Flow.EACH,
        algebra=Algebra.NARROW,
        keeps_integer=True,
        bounds=Bounding.STATED,
        memory=Memory.SAME,
    ),
)
