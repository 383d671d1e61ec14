"""The workloads on order, places and counts: `python benchmarks/run.py ordering`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

import tercet as tc
from workloads import Run, Workload

Make = Callable[..., Any]
"""From secret arrays to one secret array, or several."""


def integers(bits: int, elements: int, columns: int = 1) -> list[Any]:
    """Lines of integers of so many bits, the same for Tercet and for its peers."""
    rng = np.random.default_rng(1)
    return [rng.integers(-(1 << bits - 1), 1 << bits - 1, elements) for _ in range(columns)]


def _make(bits: int, columns: int, function: Make, net: tc.Session, elements: int) -> Run:
    bounds = (-(1 << bits - 1), (1 << bits - 1) - 1)
    shares = [net.share(values, bounds=bounds) for values in integers(bits, elements, columns)]

    def run() -> Any:
        results = function(*shares)
        return tc.persist(*results) if isinstance(results, tuple) else results.persist()

    return run


def _workload(
    name: str,
    elements: int,
    target_s: float,
    function: Make,
    plain: Callable[..., Sequence[Any]] | None = None,
    *,
    bits: int = 32,
    columns: int = 1,
    repeats: int = 5,
    peer_s: float | None = None,
) -> Workload:
    return Workload(
        name,
        elements,
        target_s,
        partial(_make, bits, columns, function),
        repeats,
        peer_s,
        exact=None if plain is None else lambda n: plain(*integers(bits, n, columns)),
    )


def _lookup(entries: int, target_s: float) -> Workload:
    table = np.arange(entries) * 3 % entries

    def make(net: tc.Session, elements: int) -> Run:
        places = net.share(_places(entries, elements), bounds=(0, entries - 1))
        return lambda: tc.array.lookup(table, places).persist()

    return Workload(
        f"lookup, {entries:,} entries", 100_000, target_s, make, 5, exact=lambda n: (table[_places(entries, n)],)
    )


def _places(entries: int, elements: int) -> Any:
    return np.random.default_rng(1).integers(0, entries, elements)


def _histogram(name: str, edges: Any, target_s: float) -> Workload:
    def make(net: tc.Session, elements: int) -> Run:
        (values,) = integers(32, elements)
        x = net.share(values, bounds=(-(1 << 31), (1 << 31) - 1))
        return lambda: np.histogram(x, edges)[0].persist()

    return Workload(
        f"histogram, {name} bins",
        1_000_000,
        target_s,
        make,
        3,
        exact=lambda n: (np.histogram(integers(32, n)[0], edges)[0],),
    )


EQUAL = np.linspace(-(1 << 31), (1 << 31) - 1, 65)
UNEQUAL = np.sort(np.random.default_rng(2).integers(-(1 << 31), 1 << 31, 65))

ORDERING = (
    _workload("sort, keys of 32 bits", 100_000, 0.25, np.sort, lambda x: (np.sort(x),), peer_s=9.3),
    _workload("sort, keys of 62 bits", 100_000, 0.45, np.sort, lambda x: (np.sort(x),), bits=62, peer_s=13.1),
    _workload(
        "sort, 4 columns ride along",
        1_000_000,
        3.0,
        lambda key, *columns: tc.array.sort_by(key, *columns),
        lambda key, *columns: [column[np.argsort(key, kind="stable")] for column in columns],
        columns=5,
        repeats=1,
    ),
    _workload("shuffle, 4 columns", 1_000_000, 0.25, tc.shuffle, columns=4, repeats=3),
    _workload("median of 100,000", 100_000, 0.12, np.median, lambda x: (np.median(x),), repeats=3),
    _workload("median of 1,000,000", 1_000_000, 0.5, np.median, lambda x: (np.median(x),), repeats=3),
    _workload("max", 1_000_000, 0.3, np.max, lambda x: (x.max(),), repeats=3),
    _workload("argmax", 1_000_000, 0.3, np.argmax, lambda x: (x.argmax(),), repeats=3),
    _lookup(256, 0.12),
    _lookup(1 << 16, 1.0),
    _histogram("64 equal", EQUAL, 0.35),
    _histogram("64 unequal", UNEQUAL, 0.8),
)
