"""Rows moved by an order: index arrays of a flat array that consists of lines, and what permutes them."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tercet.ring.ring import Words

Places: TypeAlias = NDArray[np.int64]
"""Where each element of a flat array goes, or comes from."""


def order_of(keys: Words, lines: int) -> Places | None:
    """The order that sorts each line of 64-bit keys, as places in the flat array; None if two keys of one line are
    equal. Of uniform keys that are distinct every order is as likely, and all machines find the same."""
    rows = keys.reshape(lines, -1)
    order = np.argsort(rows, axis=1)
    found = np.take_along_axis(rows, order, axis=1)
    if (found[:, 1:] == found[:, :-1]).any():
        return None
    return _flat(order)


def flat_places(within: Words, lines: int) -> Places:
    """Places in the flat array, of places within lines."""
    return _flat(within.astype(np.int64).reshape(lines, -1))


def _flat(within: NDArray[Any]) -> Places:
    lines, length = within.shape
    return np.asarray(within + np.arange(lines)[:, None] * length, np.int64).reshape(-1)


def inverted(order: Places) -> Places:
    """The order that undoes another."""
    out = np.empty_like(order)
    out[order] = np.arange(order.size)
    return out


def is_order(order: Places) -> bool:
    """Whether every place occurs once."""
    inside = bool(((order >= 0) & (order < order.size)).all())
    return inside and bool((np.bincount(order, minlength=order.size) == 1).all())


def taken(words: Words, order: Places) -> Words:
    """The elements at these places, in their order; of several rows, of each."""
    return np.take(words, order, axis=-1)


def placed(words: Words, order: Places) -> Words:
    """Each element at the place that `order` has for it; of several rows, of each."""
    out = np.empty_like(words)
    out[..., order] = words
    return out
