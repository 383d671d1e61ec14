"""Numbers as planes of bits, for models that choose: the same functions on secret arrays and on NumPy arrays.

A secret number's planes are its bits along a new first axis, the lowest first, counted from a public number. A NumPy
number is its own only plane. A vector of bools of which at most one is set (*hot*) selects planes, whichever they are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercet.array import elementwise, movement
from tercet.array.core import SecretArray
from tercet.plan.record import build, counting, logic
from tercet.plan.record.graph import Recorded
from tercet.plan.record.scale import at_scale, renamed
from tercet.plan.table.attributes import BitCount, Bounds, Contraction

Array = Any
"""A secret array, or a NumPy array."""


def _like(x: SecretArray, node: Recorded) -> SecretArray:
    return x.like(node)


def scale_of(x: Array) -> tuple[int, int, int]:
    """Fractional bits of what is stored, and the bounds of the stored integer; zeros of NumPy arrays."""
    if isinstance(x, SecretArray):
        type = build.number(x.node).type
        return type.frac_bits, type.lo, type.hi
    return 0, 0, 0


def planes(x: Array, scale: tuple[int, int, int]) -> Array:
    """Numbers as planes in `scale`: fractional bits, and the bounds from which and up to which is counted.

    A number between two steps of the scale counts as the lower one; one beyond the bounds as the nearest within, and
    below them as one step below. About 2 log2 of the steps bits a number sent; with the bounds proven no clipping.
    """
    if not isinstance(x, SecretArray):
        return np.asarray(x)[None]
    frac, lo, hi = scale
    node = build.number(x.node)
    finer = max(0, node.type.frac_bits - frac)
    if node.type.frac_bits < frac:
        node = at_scale(renamed(node, node.type.frac_bits, node.type.frac_bits), frac)
    least, most = (lo - 1) << finer, ((hi + 1) << finer) - 1
    node = renamed(node, 0, 0)
    if node.type.lo < least or node.type.hi > most:
        node = node.graph.node("clip", (node,), Bounds(least, most))
    width = (hi - lo + 1).bit_length()
    from_zero = build.linear("subtract", node, np.asarray(least, dtype=object))
    bits = node.graph.node("bits", (from_zero,), BitCount(finer + width))
    return _like(x, movement.cut(bits, [slice(finer, None)]))


def at_most(x: Array, y: Array) -> Array:
    """x <= y of planes in one scale, which broadcast; about three bits sent for each plane, log2 + 1 rounds."""
    if not isinstance(x, SecretArray) or not isinstance(y, SecretArray):
        return (x <= y)[0]
    shape = np.broadcast_shapes(x.shape, y.shape)
    a, b = (build.broadcast_to(one.node, shape) for one in (x, y))
    less = logic.logical_and(logic.logical_not(b), a)  # y < x, bit by bit
    same = logic.logical_not(logic.logical_xor(a, b))
    while less.type.shape[0] > 1:
        even = less.type.shape[0] // 2 * 2
        lower, upper = ([movement.cut(one, [slice(at, even, 2)]) for one in (less, same)] for at in (0, 1))
        both = logic.logical_and(movement.concat([upper[1]] * 2, 0), movement.concat(lower, 0))
        half = even // 2
        merged = logic.logical_xor(upper[0], movement.cut(both, [slice(0, half)]))
        alike = movement.cut(both, [slice(half, None)])
        if less.type.shape[0] > even:
            merged = movement.concat([merged, movement.cut(less, [slice(even, None)])], 0)
            alike = movement.concat([alike, movement.cut(same, [slice(even, None)])], 0)
        less, same = merged, alike
    return _like(x, logic.logical_not(counting.row(less, 0)))


def select(hot: Array, rows: Array) -> Array:
    """The planes that hot bools choose along the first axis, all other axes broadcast; zero where none is set."""
    if not isinstance(hot, SecretArray) or not isinstance(rows, SecretArray):
        return np.sum(np.where(hot, rows, np.zeros((), rows.dtype)), axis=0, dtype=rows.dtype)
    a, b = hot.node, rows.node
    if hot.shape[0] == 1:
        return _like(hot, counting.row(logic.logical_and(a, b), 0))
    return _like(hot, a.graph.node("select", (a, b), Contraction((0,))))


def one_hot(numbers: Array, count: int) -> Array:
    """(count, ...): whether a number given by its planes is 0, 1, ...; a bit for each of them sent."""
    if not isinstance(numbers, SecretArray):
        steps = np.arange(count).reshape(-1, *([1] * (numbers.ndim - 1)))
        return np.asarray(numbers == steps)
    if count == 1:
        return _like(numbers, logic.bool_node(numbers.node, np.ones((1, *numbers.shape[1:]), bool)))
    rows = [counting.row(numbers.node, at) for at in range(numbers.shape[0])]
    return _like(numbers, movement.cut(counting.one_hot(rows), [slice(0, count)]))


def constant(values: NDArray[Any], like: Array, width: int) -> Array:
    """Public whole numbers from 0 on as planes beside `like`: so many bits of them."""
    if not isinstance(like, SecretArray):
        return np.asarray(values)[None]
    bits = np.array([(values >> at) & 1 for at in range(width)], dtype=bool)
    node = like.node
    if not node.type.is_bool:
        node = logic.negative(elementwise.zeros_of(node))
    return _like(like, logic.bool_node(node, bits))


def bools(values: NDArray[Any], like: Array) -> Array:
    """Public bools beside `like`."""
    if not isinstance(like, SecretArray):
        return np.asarray(values, dtype=bool)
    node = like.node
    if not node.type.is_bool:
        node = logic.negative(elementwise.zeros_of(node))
    return _like(like, logic.bool_node(node, np.asarray(values, dtype=bool)))


def passes(hot: Array, numbers: Array, thresholds: Array) -> Array:
    """Whether the number that hot bools choose along the first axis is at most a threshold; true where none is set.

    `hot` (d, ...), `numbers` (planes, d, ...), `thresholds` (planes, ...) in one scale.
    """
    if not isinstance(hot, SecretArray):
        chosen = np.sum(np.where(hot, numbers[0], 0.0), axis=0)
        return (chosen <= thresholds[0]) | ~np.any(hot, axis=0)
    each = _like(numbers, movement.permute(numbers.node, (1, 0, *range(2, numbers.ndim))))
    # nothing chosen is below every number that has planes
    return at_most(select(hot.reshape((hot.shape[0], 1, *hot.shape[1:])), each), thresholds)


def of_bits(bits: Sequence[Array]) -> Array:
    """Planes of whole numbers from 0 on whose bits these are, the lowest first."""
    if isinstance(bits[0], SecretArray):
        nodes = [movement.reshape(bit.node, (1, *bit.shape)) for bit in bits]
        return _like(bits[0], movement.concat(nodes, 0))
    return np.sum([bit.astype(np.int64) << at for at, bit in enumerate(bits)], axis=0)[None]


def split_place(places: Array, width: int) -> tuple[Array, Array]:
    """Places by their lowest `width` bits, and by the others, as planes."""
    if isinstance(places, SecretArray):
        return places[:width], places[width:]
    return places & (1 << width) - 1, places >> width


def numbers_of(x: Array) -> Array:
    """Bools as 0 and 1: a word each."""
    return _like(x, build.number(x.node)) if isinstance(x, SecretArray) else x.astype(np.float64)


def counted(x: Array, axis: int) -> Array:
    """How many bools are set along an axis."""
    if isinstance(x, SecretArray):
        return _like(x, counting.count(x.node, (axis,)))
    return np.sum(x, axis=axis, dtype=np.float64)


def total(x: Array, axis: int, scale: tuple[int, int, int]) -> Array:
    """The sum over an axis (from 0, that of planes not counted) of numbers given by planes in `scale`.

    A plane's bits are counted: about a third of log2 of the terms + 2 bits for each of them and plane is sent, and four
    words for each result and plane. NumPy arrays are summed.
    """
    if not isinstance(x, SecretArray):
        return np.sum(x[0], axis=axis)
    frac, lo, _ = scale
    terms = x.shape[axis + 1]
    if terms == 1:
        counts = movement.index(build.number(x.node), (slice(None),) * (axis + 1) + (0,))
    else:
        counts = counting.count(x.node, (axis + 1,))
    powers = np.array([1 << at for at in range(x.shape[0])], dtype=object).reshape(-1, *([1] * (x.ndim - 2)))
    found = build.total(build.multiply(counts, powers), (0,))
    found = build.linear("add", found, np.asarray(terms * (lo - 1), dtype=object))
    return _like(x, renamed(found, frac, frac))


def greatest(values: Array, width: int, apart: float = 0.0) -> tuple[Array, Array]:
    """The greatest along the first axis, and as planes where the first of those stands.

    A tournament: of each pair a comparison and a choice, log2 levels. `width`: bits of a place. What is greater by
    `apart` or less counts as equal, in each pair, so that the first wins where rounding alone parts them.
    """
    if not isinstance(values, SecretArray):
        place = np.argmax(values >= np.max(values, axis=0) - apart, axis=0)
        return np.take_along_axis(values, place[None], axis=0)[0], place[None]
    lines = build.number(values.node)
    more = np.asarray(math.ceil(apart * 2.0**lines.type.frac_bits), dtype=object)
    rest = lines.type.shape[1:]
    places: Recorded | None = None
    public = np.array([(np.arange(lines.type.shape[0]) >> at) & 1 for at in range(width)], dtype=bool)
    public = np.broadcast_to(public.reshape(width, -1, *([1] * len(rest))), (width, *lines.type.shape))
    every = slice(None)
    while lines.type.shape[0] > 1:
        count = lines.type.shape[0]
        even = count // 2 * 2
        front, back = (movement.cut(lines, [slice(at, even, 2)]) for at in (0, 1))
        ahead = build.linear("add", renamed(front, 0, 0), more)
        later = logic.less(ahead, renamed(back, 0, 0))
        chosen = logic.select(later, back, front)
        wide = build.broadcast_to(movement.reshape(later, (1, *later.type.shape)), (width, *later.type.shape))
        if places is None:
            before, after = public[:, 0:even:2], public[:, 1:even:2]
            found = logic.logical_xor(logic.logical_and(wide, before ^ after), before)
        else:
            old, new = (movement.cut(places, [every, slice(at, even, 2)]) for at in (0, 1))
            found = logic.logical_xor(logic.logical_and(wide, logic.logical_xor(old, new)), old)
        if count > even:
            chosen = movement.concat([chosen, movement.cut(lines, [slice(even, None)])], 0)
            last = (
                logic.bool_node(later, np.ascontiguousarray(public[:, even:]))
                if places is None
                else movement.cut(places, [every, slice(even, None)])
            )
            found = movement.concat([found, last], 1)
        lines, places = chosen, found
    if places is None:
        places = logic.bool_node(logic.negative(lines), np.ascontiguousarray(public))
    place = movement.reshape(places, (width, *rest))
    return _like(values, counting.row(lines, 0)), _like(values, place)


def integers(values: NDArray[Any], like: Array) -> Array:
    """Public integers beside `like`."""
    if not isinstance(like, SecretArray):
        return np.asarray(values)
    return _like(like, elementwise.shared(like.node, np.asarray(values), np.shape(values)))


def where(bit: Array, x: Array) -> Array:
    """x where the bit is set, else 0; public bits cost nothing."""
    if isinstance(x, SecretArray):
        node = build.number(x.node)
        if isinstance(bit, SecretArray):
            return _like(x, logic.inject(bit.node, node))
        return _like(x, build.multiply(node, np.asarray(bit).astype(np.int64)))
    return np.where(bit, x, 0.0)


def coarse(x: Array, bits: int) -> Array:
    """x with fewer fractional bits, so that its stored integer has so many bits at most by its bounds."""
    if not isinstance(x, SecretArray):
        return x
    node = build.number(x.node)
    excess = node.type.magnitude.bit_length() - bits
    if excess > 0:
        frac = node.type.frac_bits - excess
        node = renamed(node, node.type.frac_bits, frac) if frac >= 0 else renamed(node, excess, 0)
        node = at_scale(node, max(frac, 0))
        if frac < 0:
            raise ValueError(f"{bits} bits do not hold numbers as large as {x}")
    return _like(x, node)


def lost(x: Array, bits: int) -> float:
    """By how much `coarse` may be off; 0 where nothing is rounded."""
    if not isinstance(x, SecretArray):
        return 0.0
    type = build.number(x.node).type
    excess = type.magnitude.bit_length() - bits
    return 2.0 ** (excess - type.frac_bits) if excess > 0 else 0.0


def unsplit(x: Array) -> Array:
    """Differences of sums: those of NumPy arrays that are rounding alone are 0, as exact ones are."""
    if isinstance(x, SecretArray):
        return x
    return np.where(np.abs(x) < 1e-9, 0.0, x)
