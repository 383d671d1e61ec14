"""Places of a sort in two halves: residues in words of 32 bits, moved and masked as tight fields, on native kernels.

Fields are flat bytes, as they are drawn and sent. Of one-hot vectors of digits of k bits the entries but that of zero
are fields, element by element.
"""

from __future__ import annotations

import numpy as np

from tercet.ring._native import Kernels
from tercet.ring.arrays import NATIVE, Array, Bytes
from tercet.ring.places import Places

_NO_MASK = np.empty(0, np.uint8)


def field_bytes(bits: int, count: int) -> int:
    return (bits * count + 7) // 8


def move_fields(
    source: Array,
    order: Places,
    w: int,
    bits: int,
    *,
    mask: Bytes | None = None,
    negative: bool = False,
    packed: bool = False,
    native: Kernels = NATIVE,
) -> Array:
    """The elements at these places of `source`, words or fields of `bits` as its type says, as words or as fields.

    A mask, given as fields, is added, or taken away if `negative`: the w lowest bits are residues modulo 2^w, those
    above are under XOR. What words of `source` have above `bits` is left out. ValueError for places outside.
    """
    out = np.empty(field_bytes(bits, order.size), np.uint8) if packed else np.empty(order.size, np.uint32)
    fields = source.dtype == np.uint8
    have = order.size if fields else source.size
    drawn = _NO_MASK if mask is None else mask
    native.move_fields(source, have, order, drawn, w, bits, negative, out, fields, packed)
    return out


def digits_deal(
    width: int, w: int, digits: Array, a: Bytes, v: Bytes, x: Bytes, mask: Bytes, *, native: Kernels = NATIVE
) -> tuple[Bytes, Bytes]:
    """Fields of the one-hot vectors of `digits` (words) less those in `a`, and of one residue an element.

    This is the sum of a v + b x over the entries, with b the former, less the mask.
    """
    b, rest = np.empty_like(a), np.empty_like(mask)
    native.digits_deal(width, w, digits, a, v, x, mask, b, rest)
    return b, rest


def digits_table(
    width: int, w: int, turns: Array, lines: int, entries: Bytes, mask: Bytes, *, one: bool, native: Kernels = NATIVE
) -> tuple[Bytes, Array]:
    """One of two parts of what elements of each line find if they are sorted by digits, stably.

    `entries` are this part of the one-hot vectors of digits which, each under XOR with its turn, are those sorted by;
    `one` says which of the parts has public numbers. With s_j the place that an element has if its digit under that XOR
    is j: fields of s_j - s_0 less the mask, and words of s_0 plus the sum of (s_j - s_0) times entry j.
    """
    sent, kept = np.empty_like(mask), np.empty(turns.size, np.uint32)
    native.digits_table(width, w, one, lines, turns, entries, mask, sent, kept)
    return sent, kept


def digits_join(
    width: int, w: int, entries: Bytes, theirs: Bytes, rest: Bytes, kept: Array, *, native: Kernels = NATIVE
) -> None:
    """Adds to `kept`, in place and modulo 2^w, the products of entries with `theirs`, and `rest`."""
    native.digits_join(width, w, entries, theirs, rest, kept)
