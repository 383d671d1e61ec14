"""Orders of lines: permutations that are drawn, undone and checked, and elements moved by them, on native kernels.

An order of a flat array that consists of lines says of each of its places a place in the same line, as a place in the
flat array.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from tercet.ring._native import Kernels
from tercet.ring.arrays import NATIVE, Bits, Bytes
from tercet.ring.bits import pack_bits, to_planes, unpack_bits, word_count
from tercet.ring.ring import Ring, Words

Places: TypeAlias = NDArray[np.uint32]
"""Where each element of a flat array goes, or comes from."""

MAX_PLACES = 1 << 32
"""The longest flat array that has orders."""


def order_bytes(lines: int, length: int) -> int:
    """How many uniform bytes `draw_orders` takes: a word of 32 bits for each place of a line but one, and spare words.

    A word is left out with a probability of length / 2^32 at most, half of that on average; 12 standard deviations more
    are spare, and 64, so that the words do not suffice with a probability below 2^-90.
    """
    left_out = lines * length * length >> 33
    return 4 * (lines * max(length - 1, 0) + left_out + 12 * math.isqrt(left_out) + 64)


def draw_orders(uniform: Bytes, lines: int, length: int, *, native: Kernels = NATIVE) -> Places | None:
    """An order of each line by `order_bytes` uniform bytes, every one as likely; None if the bytes do not suffice.

    All machines find the same. ValueError for more than 2^32 elements.
    """
    if lines * length > MAX_PLACES:
        raise ValueError(f"{lines * length} elements have no order; at most 2^32 have")
    out = np.empty(lines * length, np.uint32)
    return out if native.draw_orders(uniform.view(np.uint32), lines, out) else None


def flat_orders(within: Words, lines: int, *, native: Kernels = NATIVE) -> Places | None:
    """Places in the flat array, of places within lines; None if those of some line are no order."""
    out = np.empty(within.size, np.uint32)
    return out if native.flat_orders(within, lines, out) else None


def inverted(order: Places, *, native: Kernels = NATIVE) -> Places:
    """The order that undoes another."""
    out = np.empty_like(order)
    native.invert_order(order, out)
    return out


def gather(words: Words, order: Places, *, threads: int = 1, native: Kernels = NATIVE) -> Words:
    """The elements at these places, in their order; of several rows, of each. ValueError for places outside."""
    rows = words.reshape(math.prod(words.shape[:-1]), words.shape[-1])
    out = np.empty((rows.shape[0], order.size), words.dtype)
    native.gather(rows, order, out, threads)
    return out.reshape(*words.shape[:-1], order.size)


def gather_masked(
    words: Words, order: Places, masks: Words, *, negative: bool, threads: int = 1, native: Kernels = NATIVE
) -> Words:
    """As `gather`, plus masks, or with `negative` less them; the result is written over these."""
    rows = words.reshape(math.prod(words.shape[:-1]), words.shape[-1])
    out = masks.reshape(rows.shape[0], order.size)
    native.gather_masked(rows, order, negative, out, threads)
    return out.reshape(masks.shape)


def gather_rows(words: Words, order: Places, *, threads: int = 1, native: Kernels = NATIVE) -> Words:
    """The rows (first axis) at these places, in their order. ValueError for places outside."""
    rows = words.reshape(words.shape[0], math.prod(words.shape[1:]))
    out = np.empty((order.size, rows.shape[1]), words.dtype)
    native.gather_rows(rows, order, out, threads)
    return out.reshape(order.size, *words.shape[1:])


def scatter(words: Words, order: Places, *, threads: int = 1, native: Kernels = NATIVE) -> Words:
    """Each element at the place that an order has for it; of several rows, of each. ValueError for places outside."""
    rows = words.reshape(math.prod(words.shape[:-1]), words.shape[-1])
    out = np.empty(rows.shape, words.dtype)
    native.scatter(rows, order, out, threads)
    return out.reshape(words.shape)


def line_places(within: Sequence[int], length: int, lines: int) -> Places:
    """Public places of a line, in every line of the flat array."""
    starts = np.arange(lines, dtype=np.uint32)[:, None] * np.uint32(length)
    return np.asarray(starts + np.array(within, np.uint32), np.uint32).reshape(-1)


def place_planes(length: int, lines: int) -> Bits:
    """The place within its line of every element of the flat array, as packed bit planes, the lowest first."""
    within = np.tile(np.arange(length, dtype=np.uint64), lines)
    return to_planes(within, (length - 1).bit_length())


def spread(words: Words, places: Places, count: int) -> Words:
    """`count` words that are zero but at some places, where those given are; no place occurs twice."""
    out = np.zeros(count, words.dtype)
    out[places] = words
    return out


def gather_bits(planes: Bits, count: int, places: Places) -> Bits:
    """Of packed planes (..., words) of `count` bits, the bits at these places, in their order; for short arrays."""
    return _packed(_unpacked(planes, count)[..., places])


def spread_bits(planes: Bits, have: int, places: Places, count: int) -> Bits:
    """Packed planes of `count` bits that are 0 but at some places, where the `have` bits of those given are."""
    out = np.zeros((*planes.shape[:-1], count), np.bool_)
    out[..., places] = _unpacked(planes, have)
    return _packed(out)


def _unpacked(planes: Bits, count: int) -> NDArray[np.bool_]:
    rows = np.ascontiguousarray(planes).reshape(-1, planes.shape[-1])
    bits = np.empty((rows.shape[0], count), np.bool_)
    for at, row in enumerate(rows):
        bits[at] = unpack_bits(row, count)
    return bits.reshape(*planes.shape[:-1], count)


def _packed(bits: NDArray[np.bool_]) -> Bits:
    rows = np.ascontiguousarray(bits).reshape(math.prod(bits.shape[:-1]), bits.shape[-1])
    out = np.empty((rows.shape[0], word_count(rows.shape[1])), np.uint64)
    for at, row in enumerate(rows):
        out[at] = pack_bits(row)
    return out.reshape(*bits.shape[:-1], out.shape[1])


def destinations(
    ring: Ring, own: Words, following: Words, zero: Words, *, one_own: bool, one_next: bool
) -> tuple[Words, Words, Words]:
    """A party's part of the places of a stable sort by one digit of up to 3 bits: `mine`, and two components.

    `own` and `following` are components (sets, lines, length) of the products of the digit's bits over each set that is
    not empty; set number c has the bits that the number c has. `one_own`, `one_next`: whether public numbers belong to
    the component. With s_j the place within its line that an element has if its digit is j, [c] such a product and f_c
    the sum over j within c of (-1)^|c - j| s_j, the place is s_0 plus the sum over c of [c] f_c. Gives the terms of
    this sum that the party has, plus `zero` (lines, length), and the components of s_0.
    """
    mine, first, second = (ring.empty(zero.shape) for _ in range(3))
    ring.native.destinations(own, following, one_own, one_next, zero, mine, first, second)
    return mine, first, second
