"""Operations that ordering and counting rest on: numbers as bits, how many bits are set, entries of tables."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tercet.plan.table.attributes import Attributes, Axes, BitCount, BitRange, Contraction
from tercet.plan.table.operation import (
    Call,
    Constant,
    Flow,
    Operation,
    Plain,
    Variant,
    arity,
    boolean,
    broadcast,
    check_axes,
    fewer,
    need,
    numeric,
    only,
    shaped,
)
from tercet.plan.types import Type, ValueKind, bool_type
from tercet.protocols.adders import count_by_adders, count_by_adders_cost
from tercet.protocols.bits import bit_and_cost, select_lines, select_rows
from tercet.protocols.convert import words_to_bits, words_to_bits_cost
from tercet.protocols.cost import NOTHING, Cost
from tercet.protocols.count import count_lines, count_lines_cost
from tercet.protocols.lookup import TableShape, lookup, lookup_cost, table_bits
from tercet.protocols.order_statistics import Searches, order_statistics, order_statistics_cost
from tercet.protocols.scope import Body, Scope
from tercet.ring import RING64, Bits, join_rows, pack_bits, ring, split_rows, unpack_bits
from tercet.sharing import BitShare, Share


def _span(attrs: BitCount | BitRange) -> tuple[int, int]:
    """From which bit on, and below which."""
    return (0, attrs.bits) if isinstance(attrs, BitCount) else (attrs.start, attrs.stop)


def _infer_bits(inputs: Sequence[Type], attrs: BitCount | BitRange) -> Type:
    arity(inputs, 1)
    numeric(*inputs)
    start, stop = _span(attrs)
    need(start < stop <= inputs[0].ring, f"bits from {start} to {stop} of the ring 2^{inputs[0].ring}")
    return bool_type((stop - start, *inputs[0].shape))


def _run_bits(scope: Scope, call: Call[BitCount | BitRange], x: Share) -> Body[BitShare]:
    start, stop = _span(call.attrs)
    planes = yield from words_to_bits(scope, x.flat(), stop, start)
    return BitShare(call.out.size, *(join_rows(part, planes.count) for part in (planes.own, planes.next)))


def _cost_bits(call: Call[BitCount | BitRange]) -> Cost:
    start, stop = _span(call.attrs)
    return words_to_bits_cost(call.inputs[0].size, stop, start)


def _plain_bits(inputs: Sequence[Plain], attrs: BitCount | BitRange, out: Type) -> Plain:
    x = np.asarray(inputs[0], dtype=object)
    return np.array([(x >> bit) & 1 for bit in range(*_span(attrs))], dtype=bool).reshape(out.shape)


def _infer_count(inputs: Sequence[Type], attrs: Axes) -> Type:
    arity(inputs, 1)
    boolean(*inputs)
    shape, axes = inputs[0].shape, attrs.axes
    check_axes(axes, len(shape))
    terms = math.prod(shape[axis] for axis in axes)
    need(terms > 0, "counts along axes that have elements")
    rest = tuple(length for axis, length in enumerate(shape) if axis not in axes)
    return Type(ValueKind.INT, rest, 64, 0, 0, 0, terms)


def _terms(call: Call[Axes]) -> int:
    return math.prod(call.inputs[0].shape[axis] for axis in call.attrs.axes)


def _lined(call: Call[Axes], x: BitShare) -> BitShare:
    """Bits in the order of the lines that are counted."""
    shape, axes = call.inputs[0].shape, call.attrs.axes
    order = (*(axis for axis in range(len(shape)) if axis not in axes), *sorted(axes))

    def lined(words: np.ndarray) -> np.ndarray:
        if order == tuple(range(len(shape))):
            return words
        bits = unpack_bits(words, x.count).reshape(shape)
        return pack_bits(np.ascontiguousarray(np.transpose(bits, order)).reshape(-1))

    return BitShare(x.count, lined(x.own), lined(x.next))


def _run_count(scope: Scope, call: Call[Axes], x: BitShare) -> Body[Share]:
    return shaped(call, count_lines(scope, _lined(call, x), _terms(call)))


def _run_adders(scope: Scope, call: Call[Axes], x: BitShare) -> Body[Share]:
    return shaped(call, count_by_adders(scope, _lined(call, x), _terms(call)))


def _cost_count(call: Call[Axes]) -> Cost:
    size = call.inputs[0].size
    return count_lines_cost(size, _terms(call)) if size else NOTHING


def _cost_adders(call: Call[Axes]) -> Cost:
    size = call.inputs[0].size
    return count_by_adders_cost(size, _terms(call)) if size else NOTHING


def _plain_count(inputs: Sequence[Plain], attrs: Axes, out: Type) -> Plain:
    return np.asarray(np.count_nonzero(inputs[0], axis=attrs.axes)).astype(object)


def _infer_select(inputs: Sequence[Type], attrs: Contraction) -> Type:
    arity(inputs, 2)
    boolean(*inputs)
    a, b = (t.shape for t in inputs)
    need(len(a) == len(b) and a[:1] == b[:1], f"shapes {a} and {b} differ in dimensions, or in rows")
    shape = broadcast(*inputs)
    need(len(shape) > 1 and shape[0] > 0 and attrs == Contraction((0,)), "takes rows, which are summed over axis 0")
    return bool_type(shape[1:])


def _run_select(scope: Scope, call: Call[Contraction], x: BitShare, y: BitShare) -> Body[BitShare]:
    first, second = call.inputs
    rows, last = first.shape[0], call.out.shape[-1]
    if first.shape != second.shape and last >= 64 and last in (first.shape[-1], second.shape[-1]):
        a, a_next, b, b_next = (
            _lines(part, t, last) for t, one in ((first, x), (second, y)) for part in (one.own, one.next)
        )
        return select_lines(scope, call.out.shape, a, a_next, b, b_next)
    whole = (rows, *call.out.shape)
    x, y = _repeated(x, first, whole), _repeated(y, second, whole)
    parts = [split_rows(part, rows, call.out.size) for part in (x.own, x.next, y.own, y.next)]
    return select_rows(scope, BitShare(call.out.size, *parts[:2]), BitShare(call.out.size, *parts[2:]))


_WIDTHS = (2, 3, 4)
"""How many bits of an order statistic are found at a time: more are fewer rounds and more bytes."""


def _infer_order_statistics(inputs: Sequence[Type], attrs: Contraction) -> Type:
    """Of bits, (bits, 1, lines, length), and public ranks, (ranks, lines or 1, 1), from 0 on."""
    arity(inputs, 2)
    planes, ranks = inputs
    boolean(planes)
    need(not ranks.is_bool and ranks.kind is ValueKind.INT, "takes ranks, got other numbers")
    need(len(planes.shape) == 4 and planes.shape[1] == 1, f"takes bits, 1, lines, length, not a shape {planes.shape}")
    bits, _, lines, length = planes.shape
    need(len(ranks.shape) == 3 and ranks.shape[1] in (1, lines) and ranks.shape[2] == 1, f"ranks {ranks.shape}")
    need(planes.size > 0 and ranks.size > 0 and attrs == Contraction((3,)), "takes some ranks along the last axis")
    need(0 <= ranks.lo <= ranks.hi < length, f"ranks reach from {ranks.lo} to {ranks.hi} of {length} numbers")
    return bool_type((bits, ranks.shape[0], lines))


def _searches(call: Call[Contraction], width: int) -> Searches:
    bits, ranks, lines = call.out.shape
    return Searches(bits, ranks, lines, call.inputs[0].shape[-1], width)


def _bits_at_a_time(width: int) -> Variant:
    def run(scope: Scope, call: Call[Contraction], planes: BitShare, ranks: Constant) -> Body[BitShare]:
        s = _searches(call, width)
        wanted = np.broadcast_to(RING64.from_ints(ranks.places.reshape(s.ranks, -1)), (s.ranks, s.lines))
        return order_statistics(scope, planes, np.ascontiguousarray(wanted).reshape(-1), s)

    return Variant(f"{width} bits at a time", run, lambda call: order_statistics_cost(_searches(call, width)))


def _plain_order_statistics(inputs: Sequence[Plain], attrs: Contraction, out: Type) -> Plain:
    planes, ranks = np.asarray(inputs[0], dtype=bool)[:, 0].astype(object) * 1, inputs[1]
    bits, number, lines = out.shape
    values = np.sort(sum((planes[bit] << bit for bit in range(1, bits)), planes[0]), axis=1)
    places = np.broadcast_to(ranks.reshape(number, -1), (number, lines)).astype(np.int64)
    found = np.take_along_axis(values, places.T, 1).T
    return np.array([(found >> bit) & 1 for bit in range(bits)], dtype=bool).reshape(out.shape)


def _lines(words: Bits, t: Type, last: int) -> Bits:
    """Lines along the last axis in words of their own; of one bit each, one word of nothing else."""
    if t.shape[-1] == last:
        return split_rows(words, math.prod(t.shape[:-1]), last).reshape(*t.shape[:-1], -1)
    return np.where(unpack_bits(words, t.size).reshape(t.shape), ~np.uint64(0), np.uint64(0))


def _repeated(x: BitShare, t: Type, shape: tuple[int, ...]) -> BitShare:
    if t.shape == shape:
        return x
    own, following = (
        pack_bits(np.broadcast_to(unpack_bits(part, t.size).reshape(t.shape), shape).reshape(-1))
        for part in (x.own, x.next)
    )
    return BitShare(math.prod(shape), own, following)


MAX_ENTRIES = 1 << 16


def table_shape(table: Type) -> TableShape:
    """The public numbers of a table of stored integers, (entries, columns)."""
    entries, columns = table.shape
    return TableShape(ring(table.ring), entries, columns, table.lo, max(1, (table.hi - table.lo).bit_length()))


def _infer_lookup(inputs: Sequence[Type], attrs: Attributes) -> Type:
    """Of places and a public table, (entries, columns)."""
    arity(inputs, 2)
    x, table = inputs
    need(not x.is_bool and not table.is_bool, "takes numbers, got bools")
    need(len(table.shape) == 2 and table.size > 0, f"takes a table of entries and columns, not of shape {table.shape}")
    entries, columns = table.shape
    need(entries <= MAX_ENTRIES, f"a table of {entries} entries")
    inside = x.kind is ValueKind.INT and 0 <= x.lo <= x.hi < entries
    need(inside, f"places reach from {x.lo} to {x.hi} in a table of {entries} entries")
    return table.with_shape((columns, *x.shape))


def _run_lookup(scope: Scope, call: Call[Attributes], x: Share, table: Constant) -> Body[Share]:
    s = table_shape(call.inputs[1])
    return shaped(call, lookup(scope, x.flat(), s, table_bits(s, table.words)))


def _cost_lookup(call: Call[Attributes]) -> Cost:
    return lookup_cost(call.inputs[0].size, table_shape(call.inputs[1]))


def _held_bits(call: Call[BitCount | BitRange]) -> int:
    """Messages, what arrives, and masks; not twice the result, which is of more elements than what it is made of."""
    return 2 * _cost_bits(call).total_bytes // 3


def _held_lookup(call: Call[Attributes]) -> int:
    """One-hot vectors and what they are made of, both components; bits of the result, dealt and summed."""
    s = table_shape(call.inputs[1])
    return call.inputs[0].size * (3 * (2 << s.digit) + 4 * s.columns * s.width) // 4 + _cost_lookup(call).total_bytes


def _plain_lookup(inputs: Sequence[Plain], attrs: Attributes, out: Type) -> Plain:
    """Of whatever places: two digits of them count, and what has no entry is the least number of the table."""
    x, table = inputs
    entries = table.shape[0]
    digit = max(2, ((entries - 1).bit_length() + 1) // 2)
    places = np.asarray(x, dtype=object) % (1 << 2 * digit)
    found = np.where(places < entries, table.T[:, np.minimum(places, entries - 1).astype(np.int64)], out.lo)
    return np.asarray(found, dtype=object)


ORDER: tuple[Operation[Any], ...] = (
    Operation(
        "bits",
        128,
        "the low bits of x, along a new first axis",
        BitCount,
        _infer_bits,
        only(_run_bits, _cost_bits),
        _plain_bits,
        protocol="base-16 digits from dealt tables, Sklansky's network",
        rows=Flow.STACKED,
        held=_held_bits,
    ),
    Operation(
        "upper_bits",
        131,
        "the bits of x from one on, along a new first axis",
        BitRange,
        _infer_bits,
        only(_run_bits, _cost_bits),
        _plain_bits,
        protocol="as bits; of the digits below the carry alone",
        rows=Flow.STACKED,
        held=_held_bits,
    ),
    Operation(
        "count",
        129,
        "how many are set, over axes",
        Axes,
        _infer_count,
        fewer(_run_adders, _cost_adders, _run_count, _cost_count),
        _plain_count,
        protocol="full adders; one cross term modulo 2^w, w one more than the bits of the length; its wrap as another",
        rows=Flow.SUM,
    ),
    Operation(
        "select",
        166,
        "the XOR over the first axis of x AND y",
        Contraction,
        _infer_select,
        only(_run_select, lambda c: bit_and_cost((), c.out.size)),
        lambda inputs, attrs, out: np.logical_xor.reduce(np.logical_and(*(np.asarray(x, dtype=bool) for x in inputs))),
        protocol="replicated AND (Araki et al. 2016), summed before it is sent",
        rows=Flow.CONTRACT,
    ),
    Operation(
        "order_statistics",
        167,
        "the bits of the elements of public ranks in each line, of numbers given by their bits",
        Contraction,
        _infer_order_statistics,
        tuple([_bits_at_a_time(width) for width in _WIDTHS]),
        _plain_order_statistics,
        protocol="from the highest digit on: ANDs, counts as for `count`, comparisons with the rank",
        rows=Flow.CONTRACT,
        public=(1,),
        needs_public=True,
    ),
    Operation(
        "lookup",
        165,
        "the lines of a public table at secret places, its columns along a new first axis",
        Attributes,
        _infer_lookup,
        only(_run_lookup, _cost_lookup),
        _plain_lookup,
        protocol="one-hot vectors of two digits, one AND of their product with the table's bits; sums of bits",
        rows=Flow.STACKED,
        public=(1,),
        needs_public=True,
        held=_held_lookup,
    ),
)
