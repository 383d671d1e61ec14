"""Orders, counts and places at odd shapes agree with NumPy and SciPy: no rows, one, no axes; ties, all equal, ends of
ranges, negative zeros, bools; any axis, kept or not."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import scipy.stats

import tercet.array as tc
from plan_trio import TrioSession
from tercet import stats

Case = tuple[str, Any, Any]
SHAPES = [(0,), (1,), (5,), (0, 3), (2, 3), ()]
EDGES = [np.array([0]), np.arange(-8, 9, 2.0), np.array([0, 0, 1])]
REDUCTIONS = ("min", "max", "ptp", "median", "sum", "any", "all", "mean", "count_nonzero", "argmin", "argmax")


def values(kind: str, shape: tuple[int, ...], which: str) -> Any:
    size = math.prod(shape)
    rng = np.random.default_rng(size)
    drawn = {"ties": rng.integers(-2, 3, size), "equal": np.full(size, -3), "ends": rng.choice([-8, 8, 0], size)}[which]
    if kind == "bool":
        return (drawn > 0).reshape(shape)
    if kind == "fixed":
        return np.where(drawn, drawn / 2, -0.0).reshape(shape)
    return drawn.reshape(shape)


def reduced(x: Any, a: Any) -> Iterator[Case]:
    for axis in (None, *range(a.ndim), *([-1, (0, 1)] if a.ndim > 1 else [])):
        for place, name in enumerate(REDUCTIONS):
            if name == "ptp" and a.dtype == bool:
                continue
            if name.startswith("arg") and isinstance(axis, tuple):
                continue
            kept = (place + a.ndim) % 2 == 0
            call = lambda y, name=name, axis=axis, kept=kept: getattr(np, name)(y, axis=axis, keepdims=kept)
            yield f"{name} {axis} {kept}", lambda call=call: call(x), lambda call=call: call(a)


def along(x: Any, a: Any) -> Iterator[Case]:
    for axis in (None, *range(a.ndim)):
        for method in ("average", "dense"):
            yield (
                f"rank {axis} {method}",
                lambda axis=axis, method=method: stats.rankdata(x, method, axis=axis),
                lambda axis=axis, method=method: scipy.stats.rankdata(a, method, axis=axis),
            )
        yield f"sort {axis}", lambda axis=axis: np.sort(x, axis), lambda axis=axis: np.sort(a, axis)
        yield (
            f"argsort {axis}",
            lambda axis=axis: np.argsort(x, axis),
            lambda axis=axis: np.argsort(a, axis, kind="stable"),
        )
        yield f"cumsum {axis}", lambda axis=axis: np.cumsum(x, axis), lambda axis=axis: np.cumsum(a, axis)
        if axis is not None:
            yield (
                f"running {axis}",
                lambda axis=axis: np.maximum.accumulate(x, axis),
                lambda axis=axis: np.maximum.accumulate(a, axis),
            )
            yield (
                f"first {axis}",
                lambda axis=axis: tc.top_k(x, 1, axis=axis).values,
                lambda axis=axis: np.max(a, axis=axis, keepdims=True),
            )


def binned(x: Any, a: Any) -> Iterator[Case]:
    numbers = a.astype(float)
    for edges in EDGES:
        for side in ("left", "right"):
            yield (
                f"searchsorted {edges} {side}",
                lambda edges=edges, side=side: np.searchsorted(edges, x, side=side),
                lambda edges=edges, side=side: np.searchsorted(edges, a, side=side),
            )
        yield f"isin {edges}", lambda edges=edges: np.isin(x, edges), lambda edges=edges: np.isin(a, edges)
        yield (
            f"histogram {edges}",
            lambda edges=edges: np.histogram(x, edges)[0],
            lambda edges=edges: np.histogram(numbers, edges)[0],
        )


@pytest.mark.parametrize("which", ["ties", "equal", "ends"])
@pytest.mark.parametrize("kind", ["bool", "int", "fixed"])
def test_odd_shapes(kind: str, which: str) -> None:
    for shape in SHAPES:
        a = values(kind, shape, which)
        bounds = {} if kind == "bool" else {"bounds": (-8, 8) if which == "ends" else (-(1 << 20), 1 << 20)}
        x = TrioSession().share(a, **bounds)
        pairs = []
        for name, ours, theirs in (*reduced(x, a), *along(x, a), *binned(x, a)):
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    expected = np.asarray(theirs())
            except (ValueError, TypeError):
                expected = None
            if expected is None or (np.isnan(expected).any() and not a.size):
                with pytest.raises((ValueError, TypeError)):  # of no elements, where NumPy may have NaN
                    ours()
            else:
                pairs.append((name, ours(), expected))
        for (name, _, expected), found in zip(pairs, tc.reveal(*(one for _, one, _ in pairs)), strict=True):
            assert found.shape == expected.shape, (name, shape)
            assert np.allclose(np.asarray(found, float), expected.astype(float)), (name, shape, found, expected)
