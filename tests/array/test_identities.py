"""Programs whose bounds hold by identity run at default bounds, without `assume`, and are right to the last bits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tercet as tc
from plan_trio import TrioSession
from tercet.array import mean

RNG = np.random.default_rng(11)
X, Y = RNG.normal(300, 40, 50), RNG.normal(-2, 0.5, 50)
Y += X / 200
DATA = [np.round(one * 65536) / 65536 for one in (X, Y)]
MATRIX = np.round(RNG.normal(5, 3, (40, 3)) * 65536) / 65536
LAST = 2.0**-16


def norm(x: Any, xp: Any) -> Any:
    return xp.sqrt((x * x).sum())


PROGRAMS: dict[str, tuple[Any, tuple[float, float]]] = {
    "z scores": (lambda x, y, xp: (x - x.mean()) / x.std(), (-7, 7)),
    "squares of z scores": (lambda x, y, xp: ((x - x.mean()) / x.std()) ** 2, (0, 49)),
    "z scores of a sample": (lambda x, y, xp: (x - x.mean()) / x.std(ddof=1), (-7, 7)),
    "z scores by the root": (lambda x, y, xp: (x - x.mean()) / xp.sqrt(x.var()), (-7, 7)),
    "z scores by hand": (lambda x, y, xp: (x - x.mean()) / xp.sqrt(((x - x.mean()) ** 2).mean()), (-7, 7)),
    "cosine": (lambda x, y, xp: x @ y / (norm(x, xp) * norm(y, xp)), (-1, 1)),
    "cosine by one root": (lambda x, y, xp: (x * y).sum() / xp.sqrt((x * x).sum() * (y * y).sum()), (-1, 1)),
    "one norm after the other": (lambda x, y, xp: (x * y).sum() / norm(x, xp) / norm(y, xp), (-2, 2)),
    "correlation": (lambda x, y, xp: ((x - x.mean()) * (y - y.mean())).mean() / (x.std() * y.std()), (-1, 1)),
    "correlation by sums": (
        lambda x, y, xp: (
            ((x - x.mean()) * (y - y.mean())).sum() / xp.sqrt(((x - x.mean()) ** 2).sum() * ((y - y.mean()) ** 2).sum())
        ),
        (-1, 1),
    ),
    "r squared": (lambda x, y, xp: ((x - x.mean()) * (y - y.mean())).mean() ** 2 / (x.var() * y.var()), (0, 1)),
    "unit vector": (lambda x, y, xp: x / norm(x, xp), (-1, 1)),
    "softmax": (lambda x, y, xp: xp.exp(x - x.max()) / xp.exp(x - x.max()).sum(), (0, 1)),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_it_runs_at_default_bounds(name: str) -> None:
    program, (lo, hi) = PROGRAMS[name]
    session = TrioSession()
    found = program(*(session.share(one, bounds=(-(2.0**20), 2.0**20)) for one in DATA), tc)
    expected = program(*DATA, np)
    assert np.max(np.abs(found.reveal() - expected) / np.maximum(1, np.abs(expected))) <= 2 * LAST
    low, high = found.bounds
    assert lo - 8 * LAST <= low and high <= hi + 8 * LAST * max(1, hi)


@pytest.mark.parametrize("axis", [0, 1])
def test_columns_and_rows(axis: int) -> None:
    session = TrioSession()
    x = session.share(MATRIX, bounds=(-1000, 1000))
    for ddof in (0, 1):
        found = (x - mean(x, axis=axis, keepdims=True)) / np.std(x, axis=axis, ddof=ddof, keepdims=True)
        wanted = (MATRIX - MATRIX.mean(axis=axis, keepdims=True)) / MATRIX.std(axis=axis, ddof=ddof, keepdims=True)
        assert np.max(np.abs(found.reveal() - wanted) / np.maximum(1, np.abs(wanted))) <= 2 * LAST
        assert found.bounds[1] <= np.sqrt(MATRIX.shape[axis]) and not found.node.type.claimed


def test_what_does_not_vary_gives_0() -> None:
    session = TrioSession()
    x, y = session.share(np.full(5, 0.3), bounds=(-9, 9)), session.share(np.arange(5.0), bounds=(-9, 9))
    nothing = session.share(np.zeros(5), bounds=(-9, 9))
    found = tc.reveal(
        (x - x.mean()) / x.std(),
        ((x - x.mean()) * (y - y.mean())).mean() / (x.std() * y.std()),
        nothing / norm(nothing, tc),
        y / x.std(),
    )
    assert all(np.array_equal(one, np.zeros_like(one)) for one in found)


def test_by_any_root() -> None:
    """Whatever is divided by a root is divided by that of what it was taken of, before that is rounded."""
    session = TrioSession()
    x = session.share(DATA[1], bounds=(-10, 10))
    small = session.share(np.array([2.0**-15, 3.0, 2.0**-7]), bounds=(0, 10))
    found = tc.reveal(1 / x.std(), 3 / tc.sqrt(small), 2 * x / (-x.std()), x / (4 * x.std()), x / x.std() ** 2)
    deviation, roots = DATA[1].std(), np.sqrt([2.0**-15, 3, 2.0**-7])
    wanted = [1 / deviation, 3 / roots, -2 * DATA[1] / deviation, DATA[1] / deviation / 4, DATA[1] / deviation**2]
    for one, other in zip(found, wanted, strict=True):
        assert np.max(np.abs(one - other) / np.maximum(1, np.abs(other))) <= 4 * LAST
    assert tc.reveal(x / np.floor(x.std() + 2)) == pytest.approx(DATA[1] / np.floor(deviation + 2), abs=2 * LAST)
