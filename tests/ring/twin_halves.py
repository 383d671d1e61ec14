"""The twins of the kernels for places in halves: plain NumPy on whole numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[Any]


def move_fields(source: Numbers, order: Numbers, w: int, bits: int, mask: Numbers | None, negative: bool) -> Numbers:
    moved = source[order].astype(np.int64) % (1 << bits)
    if mask is None:
        return moved
    drawn = mask.astype(np.int64)
    low = (moved - drawn if negative else moved + drawn) % (1 << w)
    return low + ((moved ^ drawn) >> w << w)


def digits_deal(
    width: int, w: int, digits: Numbers, a: Numbers, v: Numbers, x: Numbers, mask: Numbers
) -> tuple[Numbers, Numbers]:
    """Entries are (elements, 2^width - 1)."""
    hot = digits[:, None] == np.arange(1, 1 << width)
    b = hot - a
    return b % (1 << w), ((a * v + b * x).sum(axis=1) - mask) % (1 << w)


def digits_table(
    width: int, w: int, turns: Numbers, lines: int, entries: Numbers, mask: Numbers, one: int
) -> tuple[Numbers, Numbers]:
    whole = np.concatenate([one - entries.sum(axis=1, keepdims=True), entries], axis=1)
    turned = turns[:, None] ^ np.arange(1 << width)
    rows = np.take_along_axis(whole, turned, axis=1).reshape(lines, -1, 1 << width)
    totals = rows.sum(axis=1, keepdims=True)
    smaller = np.cumsum(totals, axis=2) - totals
    places = (np.cumsum(rows, axis=1) + smaller - one).reshape(-1, 1 << width)
    found = np.take_along_axis(places, turned, axis=1)
    more = found[:, 1:] - found[:, :1]
    return (more - mask) % (1 << w), found[:, 0] + (more * entries).sum(axis=1)


def digits_join(w: int, entries: Numbers, theirs: Numbers, rest: Numbers, kept: Numbers) -> Numbers:
    return (kept + rest + (entries * theirs).sum(axis=1)) % (1 << w)
