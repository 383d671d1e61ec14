"""Columns cut into bins at secret edges: a number's bin is found by bisection on bits, and becomes a one-hot row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tercet.array import planes
from tercet.errors import InputError
from tercet.learn.inputs import array_namespace

MOST_BINS = 255
STRATEGIES = ("quantile", "uniform")


@dataclass(frozen=True)
class Binned:
    """Rows by the bins of their columns; which bins, nobody knows."""

    numbers: Any
    """Planes (width, d, n) of the bins' numbers."""
    hot: Any
    """(n, d * 2^width): 1 for the bin of each column, else 0."""
    edges: Any
    """Planes (bits, 2^width, d): a column is in a bin of number b or below where it is at most edge b."""
    width: int
    scale: tuple[int, int, int]

    @property
    def columns(self) -> int:
        return int(self.numbers.shape[1])


def public_edges(X: Any, bins: Any) -> Any:
    """(b, d): a public ascending line of edges for each column, the shorter ones with their last edge again."""
    lines = [np.asarray(line, np.float64) for line in bins]
    most = max((line.size for line in lines), default=0)
    good = all(line.ndim == 1 and line.size and np.isfinite(line).all() for line in lines)
    if len(lines) != X.shape[1] or not good or any((np.diff(line) < 0).any() for line in lines) or most >= MOST_BINS:
        raise InputError(
            f"edges for {len(lines)} of {X.shape[1]} columns",
            hint=f"public bins are an ascending list of numbers for each column, of at most {MOST_BINS - 1}",
        )
    table = np.stack([np.pad(line, (0, most - line.size), mode="edge") for line in lines], axis=1)
    return X[:1] * 0 + table


def edges_of(X: Any, bins: int, strategy: Any) -> Any:
    """(bins - 1, d): secret edges of so many bins of every column, or `public_edges`.

    "quantile": elements such that each bin has as many rows, found by sorting every column; "uniform": equal widths
    between the least and the greatest element, found by two tournaments.
    """
    if not isinstance(strategy, str):
        return public_edges(X, strategy)
    xp = array_namespace(X)
    n = X.shape[0]
    if not 2 <= bins <= MOST_BINS:
        raise InputError(f"{bins} bins", hint=f"a public number of bins is from 2 to {MOST_BINS}")
    if strategy == "quantile":
        places = [-(-n * step // bins) - 1 for step in range(1, bins)]
        return xp.take(xp.sort(X, axis=0), np.maximum(np.array(places), 0), axis=0)
    if strategy != "uniform":
        names = ", ".join(map(repr, STRATEGIES))
        raise InputError(f"bins by {strategy!r}", hint=f"write one of {names}, or public edges for each column")
    least, most = xp.min(X, axis=0), xp.max(X, axis=0)
    steps = np.arange(1, bins).reshape(-1, 1)
    wide = xp.expand_dims(most - least, axis=0)
    return xp.expand_dims(least, axis=0) + wide * steps / bins


def binned(X: Any, edges: Any) -> Binned:
    """Rows (n, d) by edges (b, d) in ascending order. Nothing is opened.

    Each of log2(b + 1) steps selects an edge by the bits found before and compares it, bit by bit: about four bits for
    each bit of X are sent. A word is then sent for every row, column and bin.
    """
    xp = array_namespace(X, edges)
    scale = planes.scale_of(X)
    x = planes.planes(xp.matrix_transpose(X), scale)
    width = max(1, int(edges.shape[0]).bit_length())
    padded = np.minimum(np.arange(1 << width), edges.shape[0] - 1)
    table = planes.planes(xp.take(edges, padded, axis=0), scale)  # (bits, 2^width, d)
    hot: Any = None
    bits: list[Any] = []
    for step in range(width):
        half = 1 << width - 1 - step
        chosen = xp.take(table, half * (2 * np.arange(1 << step) + 1) - 1, axis=1)
        edge = xp.expand_dims(xp.permute_dims(chosen, (1, 0, 2)), axis=3)
        edge = edge[0] if hot is None else planes.select(xp.expand_dims(hot, axis=1), edge)
        above = xp.logical_not(planes.at_most(x, edge))
        bits.append(above)
        if hot is None:
            hot = xp.stack([xp.logical_not(above), above], axis=0)
            continue
        upper = xp.logical_and(hot, xp.expand_dims(above, axis=0))
        hot = xp.stack([xp.logical_xor(hot, upper), upper], axis=1).reshape((2 << step, *above.shape))
    d, n = x.shape[1:]
    rows = planes.numbers_of(xp.permute_dims(hot, (1, 0, 2)).reshape((d << width, n)))
    return Binned(planes.of_bits(bits[::-1]), xp.matrix_transpose(rows), table, width, scale)
