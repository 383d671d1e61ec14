"""Ordinary programs, at the bounds that nobody declared and at those that an owner would declare, against NumPy.

What is still refused stands in REFUSED with its reason, and in docs/array-api-deviations.md; nothing else may be.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tercet.array as tc
from plan_trio import TrioSession
from tercet.errors import PlanError
from tercet.plan.plan import Plan
from tercet.plan.record.explain import narrowed
from tercet.plan.record.graph import Graph

N = 40
DEFAULT = {"real": (-(2**20), 2**20), "whole": (-(2**31) + 1, 2**31 - 1)}
Values = dict[str, Any]


def data() -> Values:
    rng = np.random.default_rng(8)
    x, z = rng.uniform(-9, 9, N), rng.uniform(-3, 3, N)
    return {
        "x": np.round(x, 3),
        "y": np.round(0.7 * x + z + 1, 3),
        "p": np.round(rng.uniform(0.5, 99, N), 2),
        "q": np.round(rng.uniform(1, 20, N), 2),
        "age": rng.integers(18, 95, N),
        "count": rng.integers(0, 30, N),
        "flag": rng.integers(0, 2, N).astype(bool),
        "table": np.round(rng.uniform(-5, 5, (N, 3)), 2),
        "w": np.array([0.3, -0.2, 0.5]),
    }


DECLARED = {"x": (-10, 10), "y": (-20, 20), "p": (0, 100), "q": (1, 20), "age": (0, 120), "count": (0, 50)}
DECLARED |= {"table": (-5, 5), "w": (-1, 1)}


def softened(t: Values) -> Any:
    return t["x"] / (1 + abs(t["x"]))


def centred(t: Values, name: str) -> Any:
    return t[name] - t[name].mean()


def covariance(t: Values) -> Any:
    return (centred(t, "x") * centred(t, "y")).sum()


def exact_covariance(t: Values, a: str, b: str) -> Any:
    return N * (t[a] * t[b]).sum() - t[a].sum() * t[b].sum()


def by_means(t: Values) -> Any:
    return (t["x"] * t["y"]).mean() - t["x"].mean() * t["y"].mean()


def descent(t: Values, steps: int) -> Any:
    w = t["w"]
    for _ in range(steps):
        w = w - 0.05 / N * (t["table"].T @ (t["table"] @ w - t["y"]))
    return w


def held_descent(t: Values, steps: int) -> Any:
    w = t["w"]
    for _ in range(steps):
        w = np.clip(w - 0.05 / N * (t["table"].T @ (t["table"] @ w - t["y"])), -10, 10)
    return w


def select(xp: Any, condition: Any, a: Any, b: Any) -> Any:
    return xp.where(condition, a, b)


PROGRAMS: dict[str, Callable[[Values, Any], Any]] = {
    # statistics
    "mean": lambda t, xp: t["x"].mean(),
    "variance": lambda t, xp: t["x"].var(),
    "sample variance": lambda t, xp: t["p"].var(ddof=1),
    "standard deviation": lambda t, xp: t["x"].std(),
    "second moment": lambda t, xp: (t["x"] ** 2).mean(),
    "power of a float": lambda t, xp: t["x"] ** 2.0,
    "third central moment": lambda t, xp: (centred(t, "x") ** 3).mean(),
    "fourth power": lambda t, xp: (t["q"] ** 4).mean(),
    "covariance": lambda t, xp: covariance(t) / N,
    "slope": lambda t, xp: covariance(t) / (centred(t, "x") ** 2).sum(),
    "slope by sums": lambda t, xp: exact_covariance(t, "x", "y") / exact_covariance(t, "x", "x"),
    "r squared": lambda t, xp: covariance(t) ** 2 / ((centred(t, "x") ** 2).sum() * (centred(t, "y") ** 2).sum()),
    "r squared by sums": lambda t, xp: (
        exact_covariance(t, "x", "y") ** 2 / (exact_covariance(t, "x", "x") * exact_covariance(t, "y", "y"))
    ),
    "r squared as two slopes": lambda t, xp: (
        (covariance(t) / (centred(t, "x") ** 2).sum()) * (covariance(t) / (centred(t, "y") ** 2).sum())
    ),
    "slope by means": lambda t, xp: by_means(t) / t["x"].var(),
    "slope by means alone": lambda t, xp: by_means(t) / ((t["x"] ** 2).mean() - t["x"].mean() ** 2),
    "slope of samples": lambda t, xp: covariance(t) / (N - 1) / t["x"].var(ddof=1),
    "slope with one side centred": lambda t, xp: (centred(t, "x") * t["y"]).sum() / (centred(t, "x") ** 2).sum(),
    "two slopes by means": lambda t, xp: (by_means(t) / t["x"].var()) * (by_means(t) / t["y"].var()),
    "two slopes, mixed": lambda t, xp: (covariance(t) / N / t["x"].var()) * (by_means(t) / t["y"].var()),
    "r squared by means": lambda t, xp: by_means(t) ** 2 / (t["x"].var() * t["y"].var()),
    "r squared of samples": lambda t, xp: (covariance(t) / (N - 1)) ** 2 / (t["x"].var(ddof=1) * t["y"].var(ddof=1)),
    "r squared, one after the other": lambda t, xp: by_means(t) * by_means(t) / t["x"].var() / t["y"].var(),
    "squared z scores": lambda t, xp: centred(t, "x") ** 2 / t["x"].var(),
    "weighted mean": lambda t, xp: (t["p"] * t["q"]).sum() / t["q"].sum(),
    "ratio of means": lambda t, xp: t["p"].mean() / t["q"].mean(),
    "share of the whole": lambda t, xp: t["p"] / t["p"].sum(),
    "share of squares": lambda t, xp: t["x"] ** 2 / (t["x"] ** 2).sum(),
    "range": lambda t, xp: t["x"].max() - t["x"].min(),
    "scaled to the range": lambda t, xp: (t["p"] - t["p"].min()) / (t["p"].max() - t["p"].min()),
    "mean of a group": lambda t, xp: (t["x"] * t["flag"]).sum() / t["flag"].sum(),
    "difference of groups": lambda t, xp: (
        (t["p"] * t["flag"]).sum() / t["flag"].sum() - (t["p"] * ~t["flag"]).sum() / (~t["flag"]).sum()
    ),
    "proportion": lambda t, xp: (t["age"] > 65).mean(),
    "conditional count": lambda t, xp: ((t["age"] > 40) & t["flag"]).sum(),
    "coefficient of variation squared": lambda t, xp: t["p"].var() / t["p"].mean() ** 2,
    "mean absolute deviation": lambda t, xp: abs(centred(t, "x")).mean(),
    "running mean": lambda t, xp: np.cumsum(t["x"]) / np.arange(1, N + 1),
    "lagged differences": lambda t, xp: np.diff(t["x"]),
    "autocovariance": lambda t, xp: (t["x"][1:] * t["x"][:-1]).mean(),
    "histogram": lambda t, xp: (np.floor(t["p"] / 10)[:, None] == np.arange(10)).sum(axis=0),
    "bins of a tenth": lambda t, xp: np.floor((t["p"] + 0.005) // 0.5),
    "nothing left": lambda t, xp: t["x"] - t["x"],
    # distances and scores
    "squared distance": lambda t, xp: ((t["x"] - t["y"]) ** 2).sum(),
    "mean squared error": lambda t, xp: ((t["x"] - t["y"]) ** 2).mean(),
    "mean absolute error": lambda t, xp: abs(t["x"] - t["y"]).mean(),
    "r2 score": lambda t, xp: 1 - ((t["x"] - t["y"]) ** 2).sum() / (centred(t, "y") ** 2).sum(),
    "squared cosine": lambda t, xp: (t["x"] @ t["y"]) ** 2 / ((t["x"] @ t["x"]) * (t["y"] @ t["y"])),
    "projection": lambda t, xp: (t["x"] @ t["y"]) / (t["x"] @ t["x"]),
    "pairwise distances": lambda t, xp: ((t["table"][:5, None] - t["table"][None, :5]) ** 2).sum(axis=-1),
    "accuracy": lambda t, xp: ((t["x"] > 0) == (t["y"] > 0)).mean(),
    "precision": lambda t, xp: ((t["x"] > 0) & (t["y"] > 0)).sum() / (t["x"] > 0).sum(),
    "huber": lambda t, xp: select(xp, abs(t["x"]) < 2, 0.5 * t["x"] ** 2, 2 * (abs(t["x"]) - 1)).sum(),
    "points": lambda t, xp: 2 * (t["age"] > 65) + 1 * (t["p"] > 50) + 3 * t["flag"],
    "clipped score": lambda t, xp: np.clip(0.1 * t["age"] + 0.5 * t["count"] - 3, 0, 10),
    # finance
    "interest": lambda t, xp: t["p"] * 1.035,
    "compound": lambda t, xp: t["p"] * 1.02**10,
    "simple return": lambda t, xp: t["p"][1:] / t["q"][1:] - 1,
    "portfolio": lambda t, xp: (t["p"] * t["count"]).sum(),
    "tax by brackets": lambda t, xp: select(xp, t["p"] > 50, 10 + 0.4 * (t["p"] - 50), 0.2 * t["p"]),
    "discount": lambda t, xp: t["p"] * (1 - 0.01 * t["count"]),
    "concentration": lambda t, xp: ((t["p"] / t["p"].sum()) ** 2).sum(),
    "unit price": lambda t, xp: select(xp, t["count"] > 0, t["p"] / np.maximum(t["count"], 1), 0),
    # shapes of functions
    "cubic": lambda t, xp: 0.004 * t["x"] ** 3,
    "cubic over a number": lambda t, xp: t["x"] ** 3 / 250,
    "polynomial": lambda t, xp: 1 + 0.5 * t["x"] + 0.25 * t["x"] ** 2,
    "bell": lambda t, xp: 1 / (1 + t["x"] ** 2),
    "soft sign": lambda t, xp: softened(t),
    "rounded": lambda t, xp: np.round(t["p"]),
    "parts of the day": lambda t, xp: t["age"] % 7,
    # steps of learning
    "linear model": lambda t, xp: t["table"] @ t["w"] + 0.5,
    "relu": lambda t, xp: np.maximum(t["table"] @ t["w"], 0),
    "one step of descent": lambda t, xp: descent(t, 1),
    "three steps of descent": lambda t, xp: descent(t, 3),
    "three steps of descent, held": lambda t, xp: held_descent(t, 3),
    "hinge loss": lambda t, xp: np.maximum(1 - t["x"] * t["y"], 0).mean(),
    "gram matrix": lambda t, xp: t["table"].T @ t["table"] / N,
    "ridge in one dimension": lambda t, xp: (t["x"] @ t["y"]) / (t["x"] @ t["x"] + 1),
}

REFUSED: dict[str, str] = {
    "three steps of descent": "the weights really may outgrow 126 bits where nothing bounds table and weights",
}
"""At default bounds: why."""


def secret(session: TrioSession, name: str, value: Any, declared: bool) -> Any:
    if value.dtype == bool:
        return session.share(value)
    default = DEFAULT["whole" if value.dtype.kind == "i" else "real"]
    return session.share(value, bounds=DECLARED[name] if declared else default)


@pytest.mark.parametrize("declared", [False, True], ids=["default", "declared"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_ordinary_program(name: str, declared: bool) -> None:
    session, plain = TrioSession(), data()
    arrays = {key: secret(session, key, value, declared) for key, value in plain.items()}
    if name in REFUSED and not declared:
        with pytest.raises(PlanError) as refused:
            PROGRAMS[name](arrays, tc).reveal()
        assert all(way in str(refused.value) for way in ("bounds=(lo, hi)", "numpy.clip(x, lo, hi)", "tc.assume"))
        return
    result = PROGRAMS[name](arrays, tc)
    expected = np.asarray(PROGRAMS[name](plain, np), dtype=float)
    found = np.asarray(result.reveal(), dtype=float)
    assert found.shape == expected.shape
    # inputs are off by half a last bit of 16, and what is divided by small numbers by more than two of them
    assert np.allclose(found, expected, rtol=2e-3, atol=2e-3), (name, found, expected)
    lo, hi = result.bounds
    assert (found >= lo - 1e-9).all() and (found <= hi + 1e-9).all(), (result.bounds, found)


def test_what_is_refused_is_said() -> None:
    text = (Path(__file__).parents[2] / "docs" / "array-api-deviations.md").read_text()
    assert len(PROGRAMS) >= 60
    for name in REFUSED:
        assert name in text, name


def test_tight_bounds() -> None:
    session = TrioSession()
    x, y = session.share([1.0, -2, 3], bounds=(-10, 10)), session.share([2.0, 0, 1], bounds=(-5, 5))
    p = session.share([1.0, 2, 7], bounds=(0, 10))
    assert (x**2).bounds == (0, 100) and (x**4).bounds == (0, 10_000) and (x * x).sum().bounds == (0, 300)
    assert (x - x).bounds == (0, 0) and ((x + y) - y).bounds == (-10, 10) and (2 * x - x - x).bounds == (0, 0)
    assert p.var().bounds == (0, 25) and p.var(ddof=1).bounds == (0, 37.5)
    assert (3 * (x * y).sum() - x.sum() * y.sum()).bounds == (-450, 450)
    lo, hi = (1 / (1 + x**2)).bounds
    assert 0 <= lo < hi <= 1.0001
    assert tc.round(session.share([0.5, 99.5], bounds=(0, 100))).bounds == (0, 100)
    assert (p / p.sum()).bounds[1] <= 3.1 and (x**2 / (x**2).sum()).bounds[1] <= 3.1


def test_equal_shapes_are_not_taken_for_the_same() -> None:
    """What only looks like a part of a sum, a square or a moment is none."""
    session = TrioSession()
    m = session.share([[1.0, 2, 3], [4, 5, 6], [7, 8, 9]], bounds=(0, 10))
    found = m / m.sum(axis=1)  # divides columns by sums of rows: 3 / 6, but also 9 / 24, 7 / 6
    assert np.allclose(found.reveal(), m.reveal() / m.reveal().sum(axis=1), atol=1e-4)
    assert found.bounds[1] > 1000
    assert (m / m.sum(axis=1, keepdims=True)).bounds[1] < 4
    assert (m * m.T).bounds == (0, 100) and (m - m.T).bounds == (-10, 10)
    x, y = session.share([3.0, -4], bounds=(-10, 10)), session.share([-5.0, 2], bounds=(-10, 10))
    assert (x * y).bounds == (-100, 100)
    assert (x @ y) ** 2 / ((x @ x) * (x @ x)) is not None
    assert ((x @ y) ** 2 / ((x @ x) * (x @ x))).bounds[1] > 1000
    assert (2 * (x * y).sum() - x.sum() * x.sum()).bounds[0] <= -400


def moments(x: Any, y: Any) -> list[Any]:
    """Covariances in the spellings that people use."""
    n = x.shape[0]
    cx, cy = x - x.mean(), y - y.mean()
    return [
        *(
            (x * y).mean() - x.mean() * y.mean(),
            (cx * cy).mean(),
            (cx * cy).sum(),
            cx @ cy,
            (x @ y) / n - x.mean() * y.mean(),
        ),
        *(n * (x * y).sum() - x.sum() * y.sum(), (x * y).sum() - x.sum() * y.sum() / n, (cx * cy).sum() / (n - 1)),
    ]


@pytest.mark.parametrize("enforced", [False, True], ids=["claimed", "enforced"])
def test_r_squared_in_every_spelling(enforced: bool) -> None:
    """Of numbers of quite different sizes: neither slope has digits that count, and r squared has all of its own."""
    rng = np.random.default_rng(4)
    x = np.round(rng.uniform(-9e5, 9e5, 60), 3)
    y = np.round(1e-7 * x + rng.uniform(-0.05, 0.05, 60), 5)
    wanted = np.corrcoef(x, np.round(y * 65536) / 65536)[0, 1] ** 2
    session = TrioSession(parties=not enforced)
    session._graph = Graph(enforced_bounds=enforced)
    a, b = (session.share(value, bounds=DEFAULT["real"]) for value in (x, y))
    for c, var_x, var_y in zip(moments(a, b), moments(a, a), moments(b, b), strict=True):
        for found in (c**2 / (var_x * var_y), c * c / var_x / var_y):
            assert abs(float(found.reveal()) - wanted) < 2.0**-14
    mixed = moments(a, b)[1] ** 2 / (a.var() * b.var())
    assert abs(float(mixed.reveal()) - wanted) < 2.0**-14
    same = session.share(np.full(60, 0.3), bounds=DEFAULT["real"])
    assert float((moments(a, same)[0] ** 2 / (a.var() * same.var())).reveal()) == 0


def test_r_squared_of_a_hundred_thousand_rows_is_recorded() -> None:
    session = TrioSession()
    x, y = (session.share(np.zeros(100_000), bounds=DEFAULT["real"]) for _ in range(2))
    for c, vx, vy in zip(moments(x, y)[:5], moments(x, x)[:5], moments(y, y)[:5], strict=True):
        lo, hi = (c**2 / (vx * vy)).bounds
        assert 0 <= lo < hi < 1.001


def test_nodes_prove_what_moments_are_within() -> None:
    """Of a decoded plan nothing but a division's own steps is anybody's word."""
    session = TrioSession()
    x, y = (session.share(data()[name], bounds=DEFAULT["real"]) for name in "xy")
    for c, v in zip(moments(x, y), moments(x, x), strict=True):
        for value, claims in ((c, 0), (v, 0), (c / x.var(), 2)):
            value.reveal()
            reasons = [one.reason for one in narrowed(Plan.from_bytes(session.plans[-1].to_bytes()))]
            assert len(reasons) <= claims and not any("Cauchy" in reason for reason in reasons), reasons
