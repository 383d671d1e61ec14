"""Operations that ordering and counting rest on: numbers as bits, how many bits are set."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tercet.plan.table.attributes import Axes, BitCount
from tercet.plan.table.operation import (
    Call,
    Flow,
    Operation,
    Plain,
    arity,
    boolean,
    check_axes,
    fewer,
    need,
    numeric,
    only,
    shaped,
)
from tercet.plan.types import Type, ValueKind, bool_type
from tercet.protocols.adders import count_by_adders, count_by_adders_cost
from tercet.protocols.convert import words_to_bits, words_to_bits_cost
from tercet.protocols.cost import NOTHING, Cost
from tercet.protocols.count import count_lines, count_lines_cost
from tercet.protocols.scope import Body, Scope
from tercet.ring import pack_bits, unpack_bits
from tercet.sharing import BitShare, Share


def _infer_bits(inputs: Sequence[Type], attrs: BitCount) -> Type:
    arity(inputs, 1)
    numeric(*inputs)
    need(1 <= attrs.bits <= inputs[0].ring, f"{attrs.bits} bits of the ring 2^{inputs[0].ring}")
    return bool_type((attrs.bits, *inputs[0].shape))


def _run_bits(scope: Scope, call: Call[BitCount], x: Share) -> Body[BitShare]:
    planes = yield from words_to_bits(scope, x.flat(), call.attrs.bits)

    def joined(rows: np.ndarray) -> np.ndarray:
        if planes.count % 64 == 0:
            return rows.reshape(-1)
        return pack_bits(np.concatenate([unpack_bits(row, planes.count) for row in rows]))

    return BitShare(call.out.size, joined(planes.own), joined(planes.next))


def _plain_bits(inputs: Sequence[Plain], attrs: BitCount, out: Type) -> Plain:
    x = np.asarray(inputs[0], dtype=object)
    return np.array([(x >> bit) & 1 for bit in range(attrs.bits)], dtype=bool).reshape(out.shape)


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


ORDER: tuple[Operation[Any], ...] = (
    Operation(
        "bits",
        128,
        "the low bits of x, along a new first axis",
        BitCount,
        _infer_bits,
        only(_run_bits, lambda c: words_to_bits_cost(c.inputs[0].size, c.attrs.bits)),
        _plain_bits,
        protocol="base-16 digits from dealt tables, Sklansky's network",
        rows=Flow.STACKED,
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
)
