"""Operations that each party does alone: sums, public factors, and everything that moves elements."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercet.plan.table.attributes import (
    Attributes,
    Axes,
    Axis,
    NewShape,
    Permutation,
    PublicMatrix,
    Ranges,
    Scale,
    Shift,
    StatedBounds,
)
from tercet.plan.table.operation import (
    A,
    Algebra,
    Bounding,
    Call,
    Constant,
    Flow,
    Memory,
    Operation,
    Plain,
    arity,
    boolean,
    broadcast,
    check_axes,
    corners,
    need,
    numeric,
    only,
)
from tercet.plan.table.reasons import may_stand
from tercet.plan.types import Type, ValueKind, limit
from tercet.protocols.scope import Scope
from tercet.ring import pack_bits, ring, unpack_bits
from tercet.sharing import BitShare, Party, Share

Value = Share | BitShare | Constant


def _linear(name: str) -> Callable[[Sequence[Type], Attributes], Type]:
    def infer(inputs: Sequence[Type], attrs: Attributes) -> Type:
        arity(inputs, 2)
        a, b = inputs
        numeric(a, b)
        need(a.frac_bits == b.frac_bits, f"inputs have {a.frac_bits} and {b.frac_bits} fractional bits")
        lo, hi = (a.lo + b.lo, a.hi + b.hi) if name == "add" else (a.lo - b.hi, a.hi - b.lo)
        kind = max(a.kind, b.kind)
        return Type(kind, broadcast(a, b), a.ring, a.frac_bits, max(a.nominal, b.nominal), lo, hi)

    return infer


def _run_linear(name: str) -> Callable[..., Share]:
    def run(scope: Scope, call: Call[Attributes], a: Value, b: Value) -> Share:
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
    own = change(x.own) if scope.party is Party.P1 else np.broadcast_to(x.own, shape)
    following = change(x.next) if scope.party.next is Party.P1 else np.broadcast_to(x.next, shape)
    return Share(x.ring, own, following)


def _infer_neg(inputs: Sequence[Type], attrs: Attributes) -> Type:
    arity(inputs, 1)
    numeric(*inputs)
    return inputs[0].with_bounds(-inputs[0].hi, -inputs[0].lo)


def _each(scope: Scope, x: Share, change: Callable[[NDArray[Any]], NDArray[Any]]) -> Share:
    return Share(x.ring, change(x.own), change(x.next))


def _infer_scale(inputs: Sequence[Type], attrs: Attributes) -> Type:
    arity(inputs, 2)
    a, b = inputs
    numeric(a, b)
    lo, hi = corners(a, b)
    frac = a.frac_bits + b.frac_bits
    return Type(max(a.kind, b.kind), broadcast(a, b), a.ring, frac, max(a.nominal, b.nominal), lo, hi)


def _run_scale(scope: Scope, call: Call[Attributes], x: Share, k: Constant) -> Share:
    return _each(scope, x, lambda words: x.ring.mul(words, k.words))


def _infer_shl(inputs: Sequence[Type], attrs: Shift) -> Type:
    arity(inputs, 1)
    numeric(*inputs)
    x, bits = inputs[0], attrs.shift
    need(0 <= bits < x.ring, f"a shift by {bits} bits")
    kind = ValueKind.FIXED if bits else x.kind
    return Type(kind, x.shape, x.ring, x.frac_bits + bits, x.nominal, x.lo << bits, x.hi << bits)


def _infer_rename(inputs: Sequence[Type], attrs: Scale) -> Type:
    """The stored integer stays, so the value is multiplied by a power of two."""
    arity(inputs, 1)
    numeric(*inputs)
    kind = ValueKind.FIXED if attrs.frac_bits else ValueKind.INT
    return replace(inputs[0], kind=kind, frac_bits=attrs.frac_bits, nominal=attrs.nominal)


def _infer_bound(inputs: Sequence[Type], attrs: StatedBounds) -> Type:
    """Only the type changes."""
    arity(inputs, 1)
    numeric(*inputs)
    check_stated(attrs)
    return inputs[0].with_bounds(attrs.lo, attrs.hi)


def check_stated(attrs: StatedBounds) -> None:
    """PlanError for bounds that are empty, and for a reason that may not stand in a plan."""
    need(may_stand(attrs.reason), f"reason {attrs.reason} is not known")
    need(attrs.lo <= attrs.hi, f"bounds [{attrs.lo}, {attrs.hi}] are empty")


def _infer_sum(inputs: Sequence[Type], attrs: Axes) -> Type:
    arity(inputs, 1)
    numeric(*inputs)
    x, axes = inputs[0], attrs.axes
    check_axes(axes, len(x.shape))
    terms = math.prod(x.shape[axis] for axis in axes)
    shape = tuple(length for axis, length in enumerate(x.shape) if axis not in axes)
    lo, hi = (terms * x.lo, terms * x.hi) if terms else (0, 0)
    return replace(x, shape=shape, lo=lo, hi=hi)


def _infer_cumsum(inputs: Sequence[Type], attrs: Axis) -> Type:
    arity(inputs, 1)
    numeric(*inputs)
    x = inputs[0]
    check_axes((attrs.axis,), len(x.shape))
    terms = max(1, x.shape[attrs.axis])
    return x.with_bounds(min(x.lo, terms * x.lo), max(x.hi, terms * x.hi))


def _infer_matmul_const(inputs: Sequence[Type], attrs: PublicMatrix) -> Type:
    arity(inputs, 2)
    a, b = (inputs[1], inputs[0]) if attrs.in_front else inputs
    numeric(a, b)
    need(len(a.shape) >= 2 and len(b.shape) >= 2, "takes matrices")
    return matmul_type(a, b)


def matmul_type(a: Type, b: Type) -> Type:
    need(a.shape[-1] == b.shape[-2], f"shapes {a.shape} and {b.shape} do not multiply")
    batch = broadcast(a.with_shape(a.shape[:-2]), b.with_shape(b.shape[:-2]))
    lo, hi = corners(a, b)
    terms = a.shape[-1]
    shape = (*batch, a.shape[-2], b.shape[-1])
    lo, hi = (terms * lo, terms * hi) if terms else (0, 0)
    return Type(max(a.kind, b.kind), shape, a.ring, a.frac_bits + b.frac_bits, max(a.nominal, b.nominal), lo, hi)


def _run_matmul_const(scope: Scope, call: Call[PublicMatrix], x: Share, k: Constant) -> Share:
    if call.attrs.in_front:
        return _each(scope, x, lambda words: x.ring.matmul(k.words, words))
    return _each(scope, x, lambda words: x.ring.matmul(words, k.words))


def _infer_resize(inputs: Sequence[Type], attrs: Attributes) -> Type:
    arity(inputs, 1)
    x = inputs[0]
    need(x.ring == 128 and x.magnitude < limit(64), "only a value that fits the ring 2^64 is reduced to it")
    return replace(x, ring=64)


def _moving(shape_of: Callable[[tuple[int, ...], A], tuple[int, ...]]) -> Callable[[Sequence[Type], A], Type]:
    def infer(inputs: Sequence[Type], attrs: A) -> Type:
        arity(inputs, 1)
        return inputs[0].with_shape(shape_of(inputs[0].shape, attrs))

    return infer


def _run_moving(move: Callable[[NDArray[Any], A, tuple[int, ...]], NDArray[Any]]) -> Callable[..., Any]:
    def run(scope: Scope, call: Call[A], x: Value) -> Value:
        if isinstance(x, Share):
            return _each(scope, x, lambda words: move(words, call.attrs, call.out.shape))
        assert isinstance(x, BitShare)
        source, target = call.inputs[0].shape, call.out.shape

        def moved(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
            bits = unpack_bits(words, math.prod(source)).reshape(source)
            return pack_bits(np.ascontiguousarray(move(bits, call.attrs, target)).reshape(-1))

        return BitShare(call.out.size, moved(x.own), moved(x.next))

    return run


def _shape_reshape(shape: tuple[int, ...], attrs: NewShape) -> tuple[int, ...]:
    need(math.prod(shape) == math.prod(attrs.shape), f"{shape} cannot be reshaped to {attrs.shape}")
    return attrs.shape


def _shape_permute(shape: tuple[int, ...], attrs: Permutation) -> tuple[int, ...]:
    need(sorted(attrs.axes) == list(range(len(shape))), f"axes {attrs.axes} do not permute {len(shape)} dimensions")
    return tuple(shape[axis] for axis in attrs.axes)


def slices_of(attrs: Ranges, shape: tuple[int, ...]) -> tuple[slice, ...]:
    """The ranges as slices of an array of this shape. Raises PlanError if they reach beyond it."""
    need(len(attrs.ranges) == len(shape), f"{len(attrs.ranges)} ranges index {len(shape)} dimensions")
    result = []
    for (start, count, step), length in zip(attrs.ranges, shape, strict=True):
        last = start + (count - 1) * step
        inside = count == 0 or (0 <= start < length and 0 <= last < length)
        need(step != 0 and count >= 0 and inside, f"slice {(start, count, step)} of {length} elements")
        stop = start + count * step
        if count == 0:
            start, stop, step = 0, 0, 1
        result.append(slice(start, None if stop < 0 else stop, step))
    return tuple(result)


def _shape_slice(shape: tuple[int, ...], attrs: Ranges) -> tuple[int, ...]:
    slices_of(attrs, shape)
    return tuple(count for _, count, _ in attrs.ranges)


def _shape_broadcast(shape: tuple[int, ...], attrs: NewShape) -> tuple[int, ...]:
    need(broadcast_fits(shape, attrs.shape), f"{shape} does not broadcast to {attrs.shape}")
    return attrs.shape


def broadcast_fits(shape: tuple[int, ...], target: tuple[int, ...]) -> bool:
    tail = target[len(target) - len(shape) :]
    return len(shape) <= len(target) and all(n in (1, m) for n, m in zip(shape, tail, strict=True))


def _infer_take(inputs: Sequence[Type], attrs: Axis) -> Type:
    """Of an array, elements at public indices."""
    arity(inputs, 2)
    x, indices = inputs
    axis = attrs.axis
    check_axes((axis,), len(x.shape))
    need(indices.kind is ValueKind.INT and len(indices.shape) == 1, "takes one axis of public integers")
    inside = indices.size == 0 or 0 <= indices.lo <= indices.hi < x.shape[axis]
    need(inside, f"indices reach from {indices.lo} to {indices.hi} on an axis of {x.shape[axis]}")
    return x.with_shape((*x.shape[:axis], indices.size, *x.shape[axis + 1 :]))


def _run_take(scope: Scope, call: Call[Axis], x: Value, indices: Constant) -> Value:
    where = indices.words.astype(np.int64) if indices.words.dtype == np.uint64 else indices.words["lo"].astype(np.int64)

    def taken(array: NDArray[Any], attrs: Axis, shape: tuple[int, ...]) -> NDArray[Any]:
        return np.take(array, where, axis=attrs.axis)

    result: Value = _run_moving(taken)(scope, call, x)
    return result


def _infer_concat(inputs: Sequence[Type], attrs: Axis) -> Type:
    need(len(inputs) > 0, "takes at least one array")
    first, axis = inputs[0], attrs.axis
    check_axes((axis,), len(first.shape))
    for t in inputs:
        need((t.ring, t.frac_bits) == (first.ring, first.frac_bits), "arrays differ in ring or scale")
        others = [(a, b) for i, (a, b) in enumerate(zip(t.shape, first.shape, strict=False)) if i != axis]
        need(len(t.shape) == len(first.shape) and all(a == b for a, b in others), "shapes do not concatenate")
    length = sum(t.shape[axis] for t in inputs)
    shape = (*first.shape[:axis], length, *first.shape[axis + 1 :])
    if first.is_bool:
        boolean(*inputs)
        return first.with_shape(shape)
    numeric(*inputs)
    lo, hi = min(t.lo for t in inputs), max(t.hi for t in inputs)
    nominal = max(t.nominal for t in inputs)
    return Type(max(t.kind for t in inputs), shape, first.ring, first.frac_bits, nominal, lo, hi)


def _run_concat(scope: Scope, call: Call[Axis], *parts: Value) -> Value:
    axis = call.attrs.axis
    if not call.out.is_bool:
        shares = [part for part in parts if isinstance(part, Share)]
        own = np.concatenate([part.own for part in shares], axis=axis)
        return Share(shares[0].ring, own, np.concatenate([part.next for part in shares], axis=axis))

    def joined(arrays: list[NDArray[np.uint64]]) -> NDArray[np.uint64]:
        bits = [unpack_bits(words, t.size).reshape(t.shape) for words, t in zip(arrays, call.inputs, strict=True)]
        return pack_bits(np.concatenate(bits, axis=axis).reshape(-1))

    bools = [part for part in parts if isinstance(part, BitShare)]
    return BitShare(call.out.size, joined([b.own for b in bools]), joined([b.next for b in bools]))


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


def _same(inputs: Sequence[Plain], attrs: Attributes, out: Type) -> Plain:
    return inputs[0]


def _move(x: Callable[[NDArray[Any], A, tuple[int, ...]], NDArray[Any]]) -> Callable[[Sequence[Plain], A, Type], Plain]:
    return lambda inputs, attrs, out: x(inputs[0], attrs, out.shape)


def _reshaped(array: NDArray[Any], attrs: NewShape, shape: tuple[int, ...]) -> NDArray[Any]:
    return np.ascontiguousarray(array).reshape(shape)


def _sliced(array: NDArray[Any], attrs: Ranges, shape: tuple[int, ...]) -> NDArray[Any]:
    return array[slices_of(attrs, array.shape)]


def _permuted(array: NDArray[Any], attrs: Permutation, shape: tuple[int, ...]) -> NDArray[Any]:
    return np.transpose(array, attrs.axes)


def _broadcasted(array: NDArray[Any], attrs: NewShape, shape: tuple[int, ...]) -> NDArray[Any]:
    return np.broadcast_to(array, shape)


def _identity(scope: Scope, call: Call[Attributes], x: Value) -> Value:
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
        only(lambda s, c, x: _each(s, x, x.ring.neg)),
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
        only(_run_scale),
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
        only(lambda s, c, x: _each(s, x, lambda w: x.ring.shl(w, c.attrs.shift))),
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
        only(lambda s, c, x: _each(s, x, lambda w: x.ring.sum(w, axis=c.attrs.axes) if c.attrs.axes else w)),
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
        only(lambda s, c, x: _each(s, x, lambda w: x.ring.cumsum(w, c.attrs.axis))),
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
        "reshape",
        11,
        "another shape, same order",
        NewShape,
        _moving(_shape_reshape),
        only(_run_moving(_reshaped)),
        _move(_reshaped),
        rows=Flow.RESHAPE,
        memory=Memory.RESHAPED,
    ),
    Operation(
        "permute",
        12,
        "axes in another order",
        Permutation,
        _moving(_shape_permute),
        only(_run_moving(_permuted)),
        _move(_permuted),
        rows=Flow.PERMUTE,
        memory=Memory.VIEW,
    ),
    Operation(
        "slice",
        13,
        "a range with a step",
        Ranges,
        _moving(_shape_slice),
        only(_run_moving(_sliced)),
        _move(_sliced),
        rows=Flow.SLICE,
        memory=Memory.VIEW,
    ),
    Operation(
        "broadcast",
        14,
        "repeated along axes",
        NewShape,
        _moving(_shape_broadcast),
        only(_run_moving(_broadcasted)),
        _move(_broadcasted),
        rows=Flow.BROADCAST,
        keeps_integer=True,
        memory=Memory.VIEW,
    ),
    Operation(
        "take",
        15,
        "elements at public indices",
        Axis,
        _infer_take,
        only(_run_take),
        lambda inputs, attrs, out: np.take(inputs[0], inputs[1].astype(np.int64), axis=attrs.axis),
        rows=Flow.TAKE,
        public=(1,),
        needs_public=True,
    ),
    Operation(
        "concat",
        16,
        "arrays one after the other",
        Axis,
        _infer_concat,
        only(_run_concat),
        lambda inputs, attrs, out: np.concatenate(list(inputs), axis=attrs.axis),
        rows=Flow.CONCAT,
    ),
    Operation(
        "reduce_ring",
        17,
        "the same integer modulo 2^64",
        Attributes,
        _infer_resize,
        only(lambda s, c, x: Share(ring(64), ring(128).resize(x.own, ring(64)), ring(128).resize(x.next, ring(64)))),
        _same,
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
        _same,
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
        _same,
        rows=Flow.EACH,
        algebra=Algebra.NARROW,
        keeps_integer=True,
        bounds=Bounding.STATED,
        memory=Memory.SAME,
    ),
)
