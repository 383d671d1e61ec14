"""Operations that move elements, or repeat or drop them; each party does them alone, on numbers and bools alike."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercet.plan.table.attributes import Axis, AxisOrder, NewShape, Ranges
from tercet.plan.table.operation import (
    A,
    Algebra,
    Call,
    Constant,
    Flow,
    Memory,
    Operation,
    Plain,
    arity,
    boolean,
    check_axes,
    need,
    numeric,
    only,
)
from tercet.plan.types import Type, ValueKind
from tercet.protocols.scope import Scope
from tercet.ring import concatenate, join_rows, pack_bits, split_rows, unpack_bits, word_count
from tercet.sharing import BitShare, Share

Value = Share | BitShare


def _moving(shape_of: Callable[[tuple[int, ...], A], tuple[int, ...]]) -> Callable[[Sequence[Type], A], Type]:
    def infer(inputs: Sequence[Type], attrs: A) -> Type:
        arity(inputs, 1)
        return inputs[0].with_shape(shape_of(inputs[0].shape, attrs))

    return infer


def _run_moving(move: Callable[[NDArray[Any], A, tuple[int, ...]], NDArray[Any]]) -> Callable[..., Any]:
    def run(scope: Scope, call: Call[A], x: Value) -> Value:
        if isinstance(x, Share):
            target = call.out.shape
            return Share(x.ring, move(x.own, call.attrs, target), move(x.next, call.attrs, target))
        source, target = call.inputs[0].shape, call.out.shape
        whole = _in_whole_words(call.attrs, source, target)

        def moved(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
            if whole is not None:
                rows = _in_rows(words, source)
                return join_rows(np.ascontiguousarray(move(rows, whole, _word_shape(target))), target[-1])
            bits = unpack_bits(words, math.prod(source)).reshape(source)
            return pack_bits(np.ascontiguousarray(move(bits, call.attrs, target)).reshape(-1))

        return BitShare(call.out.size, moved(x.own), moved(x.next))

    return run


def _word_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Of packed bools whose rows along the last axis have words of their own, the shape in words."""
    return (*shape[:-1], word_count(shape[-1]))


def _in_rows(words: NDArray[np.uint64], shape: tuple[int, ...]) -> NDArray[np.uint64]:
    """Packed bools with each row along the last axis in words of its own."""
    return split_rows(words, math.prod(shape[:-1]), shape[-1]).reshape(_word_shape(shape))


def _in_whole_words(attrs: A, source: tuple[int, ...], target: tuple[int, ...]) -> A | None:
    """The attributes that move rows along the last axis in the same way, as words; None where that axis fills no word,
    or takes part in the move."""
    if not source or not target or source[-1] != target[-1] or source[-1] < 64:
        return None
    length, words = source[-1], word_count(source[-1])
    found: Any = None
    match attrs:
        case Ranges(ranges) if ranges[-1] == (0, length, 1):
            found = Ranges((*ranges[:-1], (0, words, 1)))
        case NewShape(shape):
            found = NewShape(_word_shape(shape))
        case AxisOrder(axes) if axes[-1] == len(axes) - 1:
            found = attrs
        case Axis(axis) if axis < len(source) - 1:
            found = attrs
    result: A | None = found
    return result


def _shape_reshape(shape: tuple[int, ...], attrs: NewShape) -> tuple[int, ...]:
    need(math.prod(shape) == math.prod(attrs.shape), f"{shape} cannot be reshaped to {attrs.shape}")
    return attrs.shape


def _shape_permute(shape: tuple[int, ...], attrs: AxisOrder) -> tuple[int, ...]:
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
    tail = attrs.shape[len(attrs.shape) - len(shape) :]
    fits = len(shape) <= len(attrs.shape) and all(n in (1, m) for n, m in zip(shape, tail, strict=True))
    need(fits, f"{shape} does not broadcast to {attrs.shape}")
    return attrs.shape


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
    where = indices.places

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
        own = concatenate([part.own for part in shares], axis)
        return Share(shares[0].ring, own, concatenate([part.next for part in shares], axis))

    last = call.out.shape[-1]
    whole = axis < len(call.out.shape) - 1 and last >= 64

    def joined(arrays: list[NDArray[np.uint64]]) -> NDArray[np.uint64]:
        if whole:
            rows = [_in_rows(words, t.shape) for words, t in zip(arrays, call.inputs, strict=True)]
            return join_rows(np.concatenate(rows, axis=axis), last)
        bits = [unpack_bits(words, t.size).reshape(t.shape) for words, t in zip(arrays, call.inputs, strict=True)]
        return pack_bits(np.concatenate(bits, axis=axis).reshape(-1))

    bools = [part for part in parts if isinstance(part, BitShare)]
    return BitShare(call.out.size, joined([b.own for b in bools]), joined([b.next for b in bools]))


def _move(x: Callable[[NDArray[Any], A, tuple[int, ...]], NDArray[Any]]) -> Callable[[Sequence[Plain], A, Type], Plain]:
    return lambda inputs, attrs, out: x(inputs[0], attrs, out.shape)


def _reshaped(array: NDArray[Any], attrs: NewShape, shape: tuple[int, ...]) -> NDArray[Any]:
    return np.ascontiguousarray(array).reshape(shape)


def _sliced(array: NDArray[Any], attrs: Ranges, shape: tuple[int, ...]) -> NDArray[Any]:
    return array[slices_of(attrs, array.shape)]


def _run_slice(scope: Scope, call: Call[Ranges], x: Value) -> Value:
    if isinstance(x, Share):
        return x[slices_of(call.attrs, call.inputs[0].shape)]
    result: Value = _run_moving(_sliced)(scope, call, x)
    return result


def _permuted(array: NDArray[Any], attrs: AxisOrder, shape: tuple[int, ...]) -> NDArray[Any]:
    return np.transpose(array, attrs.axes)


def _broadcasted(array: NDArray[Any], attrs: NewShape, shape: tuple[int, ...]) -> NDArray[Any]:
    return np.broadcast_to(array, shape)


def _run_broadcast(scope: Scope, call: Call[NewShape], x: Value) -> Value:
    source, target = call.inputs[0].shape, call.out.shape
    if isinstance(x, Share) or not target or target[-1] < 64 or (source and source[-1] != 1):
        result: Value = _run_moving(_broadcasted)(scope, call, x)
        return result

    def filled(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
        """Each bit as words of nothing else."""
        bits = unpack_bits(words, x.count).reshape(source or (1,))
        rows = np.where(bits, ~np.uint64(0), np.uint64(0))
        return join_rows(np.ascontiguousarray(np.broadcast_to(rows, _word_shape(target))), target[-1])

    return BitShare(call.out.size, filled(x.own), filled(x.next))


MOVES: tuple[Operation[Any], ...] = (
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
        AxisOrder,
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
        only(_run_slice),
        _move(_sliced),
        rows=Flow.SLICE,
        algebra=Algebra.PICK,
        memory=Memory.VIEW,
    ),
    Operation(
        "broadcast",
        14,
        "repeated along axes",
        NewShape,
        _moving(_shape_broadcast),
        only(_run_broadcast),
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
        algebra=Algebra.PICK,
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
)
