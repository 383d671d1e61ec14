"""Operations that each party does alone: sums, public factors, and everything that moves elements."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercet.plan.operation import (
    Attrs,
    Call,
    Constant,
    Flow,
    Operation,
    Plain,
    arity,
    axes_of,
    boolean,
    broadcast,
    corners,
    need,
    numeric,
)
from tercet.plan.types import Kind, Type, limit
from tercet.protocols.scope import Scope
from tercet.ring import pack_bits, ring, unpack_bits
from tercet.sharing import BitShare, Party, Share

Value = Share | BitShare | Constant


def _linear(name: str) -> Callable[[Sequence[Type], Attrs], Type]:
    def infer(inputs: Sequence[Type], attrs: Attrs) -> Type:
        arity(inputs, attrs, 2, 0)
        a, b = inputs
        numeric(a, b)
        need(a.frac_bits == b.frac_bits, f"inputs have {a.frac_bits} and {b.frac_bits} fractional bits")
        lo, hi = (a.lo + b.lo, a.hi + b.hi) if name == "add" else (a.lo - b.hi, a.hi - b.lo)
        kind = max(a.kind, b.kind)
        return Type(kind, broadcast(a, b), a.ring, a.frac_bits, max(a.nominal, b.nominal), lo, hi)

    return infer


def _run_linear(name: str) -> Callable[..., Share]:
    def run(scope: Scope, call: Call, a: Value, b: Value) -> Share:
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


def _infer_neg(inputs: Sequence[Type], attrs: Attrs) -> Type:
    arity(inputs, attrs, 1, 0)
    numeric(*inputs)
    return inputs[0].with_bounds(-inputs[0].hi, -inputs[0].lo)


def _each(scope: Scope, x: Share, change: Callable[[NDArray[Any]], NDArray[Any]]) -> Share:
    return Share(x.ring, change(x.own), change(x.next))


def _infer_scale(inputs: Sequence[Type], attrs: Attrs) -> Type:
    arity(inputs, attrs, 2, 0)
    a, b = inputs
    numeric(a, b)
    lo, hi = corners(a, b)
    frac = a.frac_bits + b.frac_bits
    return Type(max(a.kind, b.kind), broadcast(a, b), a.ring, frac, max(a.nominal, b.nominal), lo, hi)


def _run_scale(scope: Scope, call: Call, x: Share, k: Constant) -> Share:
    return _each(scope, x, lambda words: x.ring.mul(words, k.words))


def _infer_shl(inputs: Sequence[Type], attrs: Attrs) -> Type:
    arity(inputs, attrs, 1, 1)
    numeric(*inputs)
    x, bits = inputs[0], attrs[0]
    need(0 <= bits < x.ring, f"a shift by {bits} bits")
    kind = Kind.FIXED if bits else x.kind
    return Type(kind, x.shape, x.ring, x.frac_bits + bits, x.nominal, x.lo << bits, x.hi << bits)


def _infer_rename(inputs: Sequence[Type], attrs: Attrs) -> Type:
    """attrs: frac_bits, nominal; the stored integer stays, so the value is multiplied by a power of two."""
    arity(inputs, attrs, 1, 2)
    numeric(*inputs)
    kind = Kind.FIXED if attrs[0] else Kind.INT
    return replace(inputs[0], kind=kind, frac_bits=attrs[0], nominal=attrs[1])


REASONS = (
    "assumed by the analyst",
    "a normalised value lies in [1/2, 1)",
    "Goldschmidt iteration converges from a start within 1/99",
    "Cauchy-Schwarz",
    "a Schur complement of a scaled covariance matrix has entries in [-1, 1]",
    "loop-carried bounds, declared",
    "selected between two values in these bounds",
    "what lies outside is replaced by zero afterwards",
    "a variance is not negative",
    "a remainder is smaller than the divisor",
)
"""Why bounds may be narrowed by `bound`; index 0 is the only one that is not proven."""
ASSUMED = 0


def _infer_bound(inputs: Sequence[Type], attrs: Attrs) -> Type:
    """attrs: lo, hi, reason; only the type changes."""
    arity(inputs, attrs, 1, 3)
    numeric(*inputs)
    need(0 <= attrs[2] < len(REASONS), f"reason {attrs[2]} is not known")
    need(attrs[0] <= attrs[1], f"bounds [{attrs[0]}, {attrs[1]}] are empty")
    return inputs[0].with_bounds(attrs[0], attrs[1])


def _infer_sum(inputs: Sequence[Type], attrs: Attrs) -> Type:
    arity(inputs, attrs, 1)
    numeric(*inputs)
    x = inputs[0]
    axes = axes_of(attrs, len(x.shape))
    terms = math.prod(x.shape[axis] for axis in axes)
    shape = tuple(length for axis, length in enumerate(x.shape) if axis not in axes)
    lo, hi = (terms * x.lo, terms * x.hi) if terms else (0, 0)
    return replace(x, shape=shape, lo=lo, hi=hi)


def _infer_cumsum(inputs: Sequence[Type], attrs: Attrs) -> Type:
    arity(inputs, attrs, 1, 1)
    numeric(*inputs)
    x = inputs[0]
    axes_of(attrs, len(x.shape))
    terms = max(1, x.shape[attrs[0]])
    return x.with_bounds(min(x.lo, terms * x.lo), max(x.hi, terms * x.hi))


def _infer_matmul_const(inputs: Sequence[Type], attrs: Attrs) -> Type:
    """attrs: 0 secret @ public, 1 public @ secret."""
    arity(inputs, attrs, 2, 1)
    a, b = inputs if attrs[0] == 0 else (inputs[1], inputs[0])
    numeric(a, b)
    need(attrs[0] in (0, 1) and len(a.shape) >= 2 and len(b.shape) >= 2, "takes matrices")
    return matmul_type(a, b)


def matmul_type(a: Type, b: Type) -> Type:
    need(a.shape[-1] == b.shape[-2], f"shapes {a.shape} and {b.shape} do not multiply")
    batch = broadcast(a.with_shape(a.shape[:-2]), b.with_shape(b.shape[:-2]))
    lo, hi = corners(a, b)
    terms = a.shape[-1]
    shape = (*batch, a.shape[-2], b.shape[-1])
    lo, hi = (terms * lo, terms * hi) if terms else (0, 0)
    return Type(max(a.kind, b.kind), shape, a.ring, a.frac_bits + b.frac_bits, max(a.nominal, b.nominal), lo, hi)


def _run_matmul_const(scope: Scope, call: Call, x: Share, k: Constant) -> Share:
    if call.attrs[0] == 0:
        return _each(scope, x, lambda words: x.ring.matmul(words, k.words))
    return _each(scope, x, lambda words: x.ring.matmul(k.words, words))


def _infer_resize(inputs: Sequence[Type], attrs: Attrs) -> Type:
    arity(inputs, attrs, 1, 0)
    x = inputs[0]
    need(x.ring == 128 and x.magnitude < limit(64), "only a value that fits the ring 2^64 is reduced to it")
    return replace(x, ring=64)


def _moving(
    shape_of: Callable[[tuple[int, ...], Attrs], tuple[int, ...]],
) -> Callable[[Sequence[Type], Attrs], Type]:
    def infer(inputs: Sequence[Type], attrs: Attrs) -> Type:
        arity(inputs, attrs, 1)
        return inputs[0].with_shape(shape_of(inputs[0].shape, attrs))

    return infer


def _run_moving(move: Callable[[NDArray[Any], Attrs, tuple[int, ...]], NDArray[Any]]) -> Callable[..., Any]:
    def run(scope: Scope, call: Call, x: Value) -> Value:
        if isinstance(x, Share):
            return _each(scope, x, lambda words: move(words, call.attrs, call.out.shape))
        assert isinstance(x, BitShare)
        source, target = call.inputs[0].shape, call.out.shape

        def moved(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
            bits = unpack_bits(words, math.prod(source)).reshape(source)
            return pack_bits(np.ascontiguousarray(move(bits, call.attrs, target)).reshape(-1))

        return BitShare(call.out.size, moved(x.own), moved(x.next))

    return run


def _shape_reshape(shape: tuple[int, ...], attrs: Attrs) -> tuple[int, ...]:
    need(math.prod(shape) == math.prod(attrs), f"{shape} cannot be reshaped to {attrs}")
    return attrs


def _shape_permute(shape: tuple[int, ...], attrs: Attrs) -> tuple[int, ...]:
    need(sorted(attrs) == list(range(len(shape))), f"axes {attrs} do not permute {len(shape)} dimensions")
    return tuple(shape[axis] for axis in attrs)


def slices_of(attrs: Attrs, shape: tuple[int, ...]) -> tuple[slice, ...]:
    """attrs: start, length, step for every axis."""
    need(len(attrs) == 3 * len(shape), f"{len(attrs)} attributes index {len(shape)} dimensions")
    result = []
    for axis, length in enumerate(shape):
        start, count, step = attrs[3 * axis : 3 * axis + 3]
        last = start + (count - 1) * step
        inside = count == 0 or (0 <= start < length and 0 <= last < length)
        need(step != 0 and count >= 0 and inside, f"slice {(start, count, step)} of {length} elements")
        stop = start + count * step
        if count == 0:
            start, stop, step = 0, 0, 1
        result.append(slice(start, None if stop < 0 else stop, step))
    return tuple(result)


def _shape_slice(shape: tuple[int, ...], attrs: Attrs) -> tuple[int, ...]:
    slices_of(attrs, shape)
    return tuple(attrs[1::3])


def _shape_broadcast(shape: tuple[int, ...], attrs: Attrs) -> tuple[int, ...]:
    need(broadcast_fits(shape, attrs), f"{shape} does not broadcast to {attrs}")
    return attrs


def broadcast_fits(shape: tuple[int, ...], target: tuple[int, ...]) -> bool:
    tail = target[len(target) - len(shape) :]
    return len(shape) <= len(target) and all(n in (1, m) for n, m in zip(shape, tail, strict=True))


def _infer_take(inputs: Sequence[Type], attrs: Attrs) -> Type:
    """inputs: array, public indices; attrs: axis."""
    arity(inputs, attrs, 2, 1)
    x, indices = inputs
    axes_of(attrs, len(x.shape))
    need(indices.kind is Kind.INT and len(indices.shape) == 1, "takes one axis of public integers")
    inside = indices.size == 0 or 0 <= indices.lo <= indices.hi < x.shape[attrs[0]]
    need(inside, f"indices reach from {indices.lo} to {indices.hi} on an axis of {x.shape[attrs[0]]}")
    return x.with_shape((*x.shape[: attrs[0]], indices.size, *x.shape[attrs[0] + 1 :]))


def _run_take(scope: Scope, call: Call, x: Value, indices: Constant) -> Value:
    where = indices.words.astype(np.int64) if indices.words.dtype == np.uint64 else indices.words["lo"].astype(np.int64)
    move = _run_moving(lambda array, attrs, shape: np.take(array, where, axis=attrs[0]))
    result: Value = move(scope, call, x)
    return result


def _infer_concat(inputs: Sequence[Type], attrs: Attrs) -> Type:
    need(len(inputs) > 0 and len(attrs) == 1, "takes one axis and at least one array")
    first, axis = inputs[0], attrs[0]
    axes_of(attrs, len(first.shape))
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


def _run_concat(scope: Scope, call: Call, *parts: Value) -> Value:
    axis = call.attrs[0]
    if not call.out.is_bool:
        shares = [part for part in parts if isinstance(part, Share)]
        own = np.concatenate([part.own for part in shares], axis=axis)
        return Share(shares[0].ring, own, np.concatenate([part.next for part in shares], axis=axis))

    def joined(arrays: list[NDArray[np.uint64]]) -> NDArray[np.uint64]:
        bits = [unpack_bits(words, t.size).reshape(t.shape) for words, t in zip(arrays, call.inputs, strict=True)]
        return pack_bits(np.concatenate(bits, axis=axis).reshape(-1))

    bools = [part for part in parts if isinstance(part, BitShare)]
    return BitShare(call.out.size, joined([b.own for b in bools]), joined([b.next for b in bools]))


def _pointwise(function: Callable[..., Plain]) -> Callable[[Sequence[Plain], Attrs, Type], Plain]:
    return lambda inputs, attrs, out: np.asarray(function(*inputs), dtype=object)


def _plain_sum(inputs: Sequence[Plain], attrs: Attrs, out: Type) -> Plain:
    result = inputs[0]
    for axis in sorted(attrs, reverse=True):
        result = (
            np.add.reduce(result, axis=axis)
            if result.shape[axis]
            else np.zeros(result.shape[:axis] + result.shape[axis + 1 :], dtype=object)
        )
    return np.asarray(result, dtype=object)


def _same(inputs: Sequence[Plain], attrs: Attrs, out: Type) -> Plain:
    return inputs[0]


def _move(x: Callable[[NDArray[Any], Attrs, tuple[int, ...]], NDArray[Any]]) -> Callable[..., Plain]:
    return lambda inputs, attrs, out: x(inputs[0], attrs, out.shape)


def _reshaped(array: NDArray[Any], attrs: Attrs, shape: tuple[int, ...]) -> NDArray[Any]:
    return np.ascontiguousarray(array).reshape(shape)


def _sliced(array: NDArray[Any], attrs: Attrs, shape: tuple[int, ...]) -> NDArray[Any]:
    return array[slices_of(attrs, array.shape)]


def _permuted(array: NDArray[Any], attrs: Attrs, shape: tuple[int, ...]) -> NDArray[Any]:
    return np.transpose(array, attrs)


def _broadcasted(array: NDArray[Any], attrs: Attrs, shape: tuple[int, ...]) -> NDArray[Any]:
    return np.broadcast_to(array, shape)


def _identity(scope: Scope, call: Call, x: Value) -> Value:
    return x


LOCAL = (
    Operation("add", 3, "x + y", _linear("add"), _run_linear("add"), _pointwise(lambda a, b: a + b), flow=Flow.EACH),
    Operation(
        "subtract", 4, "x - y", _linear("sub"), _run_linear("sub"), _pointwise(lambda a, b: a - b), flow=Flow.EACH
    ),
    Operation(
        "negate", 5, "-x", _infer_neg, lambda s, c, x: _each(s, x, x.ring.neg), _pointwise(lambda a: -a), flow=Flow.EACH
    ),
    Operation(
        "scale",
        6,
        "x times public numbers",
        _infer_scale,
        _run_scale,
        _pointwise(lambda a, b: a * b),
        flow=Flow.WEIGHED,
    ),
    Operation(
        "shift_left",
        7,
        "the same value with more fractional bits",
        _infer_shl,
        lambda s, c, x: _each(s, x, lambda w: x.ring.shl(w, c.attrs[0])),
        lambda inputs, attrs, out: np.asarray(inputs[0] * (1 << attrs[0]), dtype=object),
        flow=Flow.EACH,
    ),
    Operation(
        "sum",
        8,
        "sum over axes",
        _infer_sum,
        lambda s, c, x: _each(s, x, lambda w: x.ring.sum(w, axis=c.attrs) if c.attrs else w),
        _plain_sum,
        flow=Flow.SUM,
    ),
    Operation(
        "cumulative_sum",
        9,
        "prefix sums along an axis",
        _infer_cumsum,
        lambda s, c, x: _each(s, x, lambda w: x.ring.cumsum(w, c.attrs[0])),
        lambda inputs, attrs, out: np.add.accumulate(inputs[0], axis=attrs[0]) if inputs[0].size else inputs[0],
        flow=Flow.PREFIX,
    ),
    Operation(
        "matmul_public",
        10,
        "matrix product with a public matrix",
        _infer_matmul_const,
        _run_matmul_const,
        lambda inputs, attrs, out: np.matmul(*(inputs if attrs[0] == 0 else inputs[::-1])),
        flow=Flow.MATRIX_PUBLIC,
    ),
    Operation(
        "reshape",
        11,
        "another shape, same order",
        _moving(_shape_reshape),
        _run_moving(_reshaped),
        _move(_reshaped),
        flow=Flow.RESHAPE,
    ),
    Operation(
        "permute",
        12,
        "axes in another order",
        _moving(_shape_permute),
        _run_moving(_permuted),
        _move(_permuted),
        flow=Flow.PERMUTE,
    ),
    Operation(
        "slice", 13, "a range with a step", _moving(_shape_slice), _run_moving(_sliced), _move(_sliced), flow=Flow.SLICE
    ),
    Operation(
        "broadcast",
        14,
        "repeated along axes",
        _moving(_shape_broadcast),
        _run_moving(_broadcasted),
        _move(_broadcasted),
        flow=Flow.BROADCAST,
    ),
    Operation(
        "take",
        15,
        "elements at public indices",
        _infer_take,
        _run_take,
        lambda inputs, attrs, out: np.take(inputs[0], inputs[1].astype(np.int64), axis=attrs[0]),
        flow=Flow.TAKE,
    ),
    Operation(
        "concat",
        16,
        "arrays one after the other",
        _infer_concat,
        _run_concat,
        lambda inputs, attrs, out: np.concatenate(list(inputs), axis=attrs[0]),
        flow=Flow.CONCAT,
    ),
    Operation(
        "reduce_ring",
        17,
        "the same integer modulo 2^64",
        _infer_resize,
        lambda s, c, x: Share(ring(64), ring(128).resize(x.own, ring(64)), ring(128).resize(x.next, ring(64))),
        _same,
        flow=Flow.EACH,
    ),
    Operation("rename", 18, "the same integer read at another scale", _infer_rename, _identity, _same, flow=Flow.EACH),
    Operation("bound", 19, "the same value with narrower bounds", _infer_bound, _identity, _same, flow=Flow.EACH),
)
