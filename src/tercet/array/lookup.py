"""Elements of a table at secret places. Nothing is opened."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tercet.array import elementwise, movement
from tercet.array.core import SecretArray, secret_array, session_of
from tercet.array.opaque import OpaqueArray
from tercet.plan.record import build, counting
from tercet.plan.record.graph import Recorded
from tercet.plan.record.public import public_array
from tercet.plan.record.scale import settle
from tercet.plan.table.ops_order import MAX_ENTRIES
from tercet.plan.types import ValueKind


def lookup(table: Any, indices: SecretArray, *, axis: int = 0) -> SecretArray:
    """The elements, along an axis of a public or secret table, at secret integer places. Places outside the table are
    drawn in to its ends, negative ones to 0; nothing says that they were.

    `take`, and `np.take` of a secret table, call it for such places. Of a public table the two halves of a place's
    one-hot vector stay bits: for n entries of w bits about 6 log2 n + 2 sqrt(n) + w + (64 w - w^2 / 2 + 128) / 3 bits,
    253 for 256 entries of 8 bits and 900 for 65,536 of 16, in 8 and 11 rounds; its numbers that are no integers are
    rounded to 16 fractional bits. A secret table of c elements an entry takes 2 sqrt(n) + c (sqrt(n) + 1) words, about
    20 rounds; so does a public one of many elements, for c words in place of that. Exact. Nothing is opened; each
    result depends on its place and, of a secret table, on all its entries. Its bounds are those of a public table's
    entries; else those of a sum of all of them, which `assume` narrows. Decimals, dates and categories stay what they
    are, and what is read at a missing place is missing.
    TypeError for places that are not secret integers, ValueError for a table of no entries or of more than 65,536.
    """
    if not isinstance(indices, SecretArray):
        raise TypeError(
            "lookup takes a table, and behind it secret indices; public ones go into brackets, or into take"
        )
    if isinstance(table, OpaqueArray):
        return table._rebuilt([_alike(part, lookup(part, indices, axis=axis)) for part in table._parts()])
    numbers, there = indices._ranked(ordered=False)
    if numbers is not indices:
        before = (1,) * movement.normal_axis(axis, np.ndim(table))
        read = lookup(table, numbers, axis=axis)
        behind = (1,) * (read.ndim - len(before) - indices.ndim)
        return indices._with_gaps(read, None if there is None else there.reshape((*before, *indices.shape, *behind)))
    places = indices.like(build.number(indices.undivided))
    if indices.divisor != 1 or places._type.kind is not ValueKind.INT:
        raise TypeError("indices are secret integers: floor or round them first")
    session = session_of(table, indices) if isinstance(table, SecretArray) else indices.device
    source = table if isinstance(table, SecretArray) else public_array(table)
    place = movement.normal_axis(axis, source.ndim)
    entries = source.shape[place]
    if not 0 < entries <= MAX_ENTRIES:
        raise ValueError(f"a table has 1 to {MAX_ENTRIES} entries, not {entries}")
    order = [place, *(at for at in range(source.ndim) if at != place)]
    fits = places._type.lo >= 0 and places._type.hi < entries
    inside = (places if fits else elementwise.clip(places, 0, entries - 1)).reshape(-1)
    rest = [source.shape[at] for at in order[1:]]
    shape = (entries, math.prod(rest))
    found = None
    if not isinstance(source, SecretArray) and shape[1]:
        found = counting.looked_up(inside.undivided, np.ascontiguousarray(source.transpose(order)).reshape(shape))
    if found is None:
        found = _multiplied(inside.undivided, source, order, shape)
    found = movement.reshape(found, (*rest, *indices.shape))
    ndim = len(rest)
    moved = [*range(place), *range(ndim, ndim + indices.ndim), *range(place, ndim)]
    node = movement.permute(found, moved)
    return _kept(source, node) if isinstance(source, SecretArray) else secret_array(session, node)


def _alike(part: SecretArray, found: SecretArray) -> SecretArray:
    """Bools again, if the elements that were read are some."""
    return found != 0 if part._type.is_bool else found


def _kept(source: SecretArray, node: Recorded) -> SecretArray:
    """Elements of an array: decimals stay decimals, and what is still to be divided stays so."""
    return source._again(source.like(node, source.divisor))


def _multiplied(places: Recorded, source: Any, order: list[int], shape: tuple[int, int]) -> Recorded:
    """(columns, n): a table times both halves of one-hot vectors, one after the other, as numbers."""
    entries, size = shape[0], places.type.size
    bits = counting.bits(places, max(1, (entries - 1).bit_length()))
    low = build.number(counting.one_hot(bits[: (len(bits) + 1) // 2]))
    high = build.number(counting.one_hot(bits[(len(bits) + 1) // 2 :])) if len(bits) > 1 else None
    width = low.type.shape[0]
    rows = (1 if high is None else high.type.shape[0]) * width
    if isinstance(source, SecretArray):
        lines = movement.reshape(movement.permute(settle(build.number(source.undivided)), order), shape)
        if rows > entries:
            nothing = build.broadcast_to(elementwise.zeros_of(lines), (rows - entries, shape[1]))
            lines = movement.concat([lines, nothing], 0)
        halves = movement.permute(movement.reshape(lines, (rows // width, width, shape[1])), (0, 2, 1))
        chosen = build.matmul(halves, low)
    else:
        public = np.zeros((rows, shape[1]), source.dtype)
        public[:entries] = source.transpose(order).reshape(shape)
        flat = public.reshape(rows // width, width, shape[1]).transpose(0, 2, 1)
        chosen = build.matmul(np.ascontiguousarray(flat.reshape(-1, width)), low)
        chosen = movement.reshape(chosen, (rows // width, shape[1], size))
    if high is None:
        found = movement.reshape(chosen, chosen.type.shape[1:])
    else:
        each = movement.reshape(high, (high.type.shape[0], 1, size))
        found = build.contract(chosen, build.broadcast_to(each, chosen.type.shape), (0,))
    return settle(found)


def along_axis(x: SecretArray, indices: SecretArray, axis: int) -> SecretArray:
    """`take_along_axis` at secret integer places: of each line along the axis, the elements at its own places.

    Places are drawn in to the ends of a line, negative ones to 0. As `lookup`, which says what it costs for each place;
    nothing is opened. TypeError for places that are no integers, ValueError for lines of no elements or of more than
    65,536, and where other axes differ.
    """
    if isinstance(x, OpaqueArray):
        return x._rebuilt([_alike(part, along_axis(part, indices, axis)) for part in x._parts()])
    places = indices.like(build.number(indices.undivided))
    if indices.divisor != 1 or places._type.kind is not ValueKind.INT:
        raise TypeError("indices are secret integers: floor or round them first")
    session_of(x, indices)
    if x.ndim != indices.ndim:
        raise ValueError(f"take_along_axis takes indices of as many axes as the array, not {indices.ndim} of {x.ndim}")
    place = movement.normal_axis(axis, x.ndim)
    order = [place, *(at for at in range(x.ndim) if at != place)]
    length, rest = x.shape[place], [x.shape[at] for at in order[1:]]
    if [indices.shape[at] for at in order[1:]] != rest:
        raise ValueError(f"shapes {x.shape} and {indices.shape} differ in other axes than {axis}")
    if not 0 < length <= MAX_ENTRIES:
        raise ValueError(f"a line has 1 to {MAX_ENTRIES} elements, not {length}")
    lines, wanted = math.prod(rest), indices.shape[place]
    fits = places._type.lo >= 0 and places._type.hi < length
    inside = places if fits else elementwise.clip(places, 0, length - 1)
    front = movement.reshape(movement.permute(inside.undivided, order), (wanted, lines))
    bits = counting.bits(front, max(1, (length - 1).bit_length()))
    halves = [bits[: (len(bits) + 1) // 2], bits[(len(bits) + 1) // 2 :]]
    low, *high = [build.number(counting.one_hot(half)) for half in halves if half]
    width, groups = low.type.shape[0], high[0].type.shape[0] if high else 1
    table = movement.reshape(movement.permute(settle(build.number(x.undivided)), order), (length, lines))
    if groups * width > length:
        nothing = build.broadcast_to(elementwise.zeros_of(table), (groups * width - length, lines))
        table = movement.concat([table, nothing], 0)
    whole = (groups, width, wanted, lines)
    each = build.broadcast_to(movement.reshape(table, (groups, width, 1, lines)), whole)
    one = build.broadcast_to(movement.reshape(low, (1, width, wanted, lines)), whole)
    found = build.contract(each, one, (1,))
    found = build.contract(found, high[0], (0,)) if high else movement.reshape(found, (wanted, lines))
    moved = movement.reshape(settle(found), (wanted, *rest))
    back = movement.permute(moved, [*range(1, place + 1), 0, *range(place + 1, x.ndim)])
    return _kept(x, back)
