"""The workloads that Tercet and its peers are timed on: inputs made once, the timed part is what runs under sharing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import tercet as tc
from tercet.linear_model import LinearRegression

Run = Callable[[], Any]


@dataclass(frozen=True)
class Workload:
    """A name, how many elements it is about, its target in seconds, and how to make it: shares in, a run out.

    `peer_s`: what the peer took where the target was set, in three processes without TLS. `exact`: the results that
    a run should give, as plain arrays, for so many elements; what it did give is compared with them.
    """

    name: str
    elements: int
    target_s: float | None
    make: Callable[[tc.Session, int], Run]
    repeats: int = 9
    peer_s: float | None = None
    exact: Callable[[int], Sequence[Any]] | None = None
    peer: str = ""
    """Whose time `peer_s` is, where it is not that of SPU."""


def _pair(net: tc.Session, low: float, high: float, shape: Any, **options: Any) -> tuple[Any, Any]:
    rng = np.random.default_rng(1)
    whole = isinstance(low, int)
    draw = rng.integers if whole else rng.uniform
    return tuple(net.share(draw(low, high, shape), bounds=(low, high), **options) for _ in range(2))  # type: ignore


def integer_products(net: tc.Session, count: int) -> Run:
    x, y = _pair(net, -(2**30), 2**30, count)
    return lambda: (x * y).persist()


def fixed_products(net: tc.Session, count: int) -> Run:
    x, y = _pair(net, -100.0, 100.0, count)
    return lambda: (x * y).persist()


def comparisons(net: tc.Session, count: int) -> Run:
    x, y = _pair(net, -(2**62) + 1, 2**62 - 1, count)
    return lambda: (x < y).persist()


def matrix_product(net: tc.Session, side: int) -> Run:
    x, y = _pair(net, -10.0, 10.0, (side, side))
    return lambda: (x @ y).persist()


def moments(net: tc.Session, rows: int) -> Run:
    rng = np.random.default_rng(1)
    x = net.share(rng.uniform(-8, 8, (rows, 10)), bounds=(-8, 8))
    y = net.share(rng.uniform(-8, 8, rows), bounds=(-8, 8))
    return lambda: tc.persist(x.T @ x, x.T @ y)


def regression(net: tc.Session, rows: int) -> Run:
    rng = np.random.default_rng(1)
    data = rng.normal(size=(rows, 10)).clip(-7.9, 7.9)
    target = data @ rng.normal(size=10) + 3 + rng.normal(size=rows)
    x, y = net.share(data, bounds=(-8, 8)), net.share(target, bounds=(-64, 64))

    def run() -> Any:
        model = LinearRegression().fit(x, y)
        return tc.reveal(model.coef_, model.intercept_)

    return run


def dependent_products(net: tc.Session, rounds: int) -> Run:
    x = net.share([1], bounds=(0, 1))

    def run() -> Any:
        value = x
        for index in range(rounds):
            value = value * x if index % 2 else x * value
        return value.reveal()

    return run


def divisions(net: tc.Session, count: int) -> Run:
    rng = np.random.default_rng(1)
    x = net.share(rng.uniform(0, 1000, count), bounds=(0, 1000))
    y = net.share(rng.uniform(1, 1000, count), bounds=(1, 1000))
    return lambda: (x / y).persist()


def wide_products(net: tc.Session, count: int) -> Run:
    x, y = _pair(net, -(2**62), 2**62, count)
    return lambda: (x * y).persist()


def wide_matrix_product(net: tc.Session, side: int) -> Run:
    x, y = _pair(net, -(2**57), 2**57, (side, side))
    return lambda: (x @ y).persist()


WORKLOADS = (
    Workload("integer products, ring 64", 10_000_000, 0.28, integer_products, peer_s=1.06),
    Workload("fixed-point products", 1_000_000, 0.05, fixed_products, 15, peer_s=0.156),
    Workload("comparisons a < b, 64 bits", 1_000_000, 0.15, comparisons, peer_s=1.66),
    Workload("matrix product 1000^3, fixed", 1000, 0.35, matrix_product, peer_s=1.57),
    Workload("matrix product 128^3, fixed", 128, 0.005, matrix_product, 15, peer_s=0.049),
    Workload("X'X and X'y, 100,000 x 10", 100_000, 0.04, moments, peer_s=0.64),
    Workload("LinearRegression, 100,000 x 10", 100_000, 0.4, regression),
    Workload("1,000 dependent products", 1000, 0.1, dependent_products, peer_s=0.905),
    Workload("divisions", 100_000, 0.2, divisions, peer_s=0.80),
    Workload("products, ring 128", 10_000_000, 0.7, wide_products, 3),
    Workload("matrix product 1000^3, ring 128", 1000, 1.6, wide_matrix_product, 3),
)
