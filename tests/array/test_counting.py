"""Counting, places among bins, running products and extremes agree with NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tercet.array as tc
from array_strategies import arrays, check, empty_shapes, numeric, shapes, share
from plan_trio import TrioSession
from tercet.errors import PlanError

SOME = settings(max_examples=15)
parties = st.sampled_from([False, False, True])
lines = st.integers(0, 9).map(lambda n: (n,))


@pytest.mark.parametrize("ufunc", [np.maximum, np.minimum])
@given(x=numeric(shapes.filter(bool) | empty_shapes), run=parties, data=st.data())
@SOME
def test_running_extremes(ufunc: Any, x: Any, run: bool, data: Any) -> None:
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    secret = share(TrioSession(parties=run), x)
    check(ufunc.accumulate(secret, axis=axis), ufunc.accumulate(x, axis=axis))
    check(ufunc.accumulate(secret / -4, axis), ufunc.accumulate(x / -4, axis))


@given(x=arrays("int", shapes.filter(bool) | empty_shapes), run=parties, data=st.data())
@SOME
def test_running_products(x: Any, run: bool, data: Any) -> None:
    axis, small = data.draw(st.integers(-x.ndim, x.ndim - 1)), x // 90
    secret = TrioSession(parties=run).share(small, bounds=(-12, 12))
    check(tc.cumulative_prod(secret, axis=axis), np.cumprod(small, axis=axis))
    check(np.multiply.accumulate(secret, axis=axis), np.cumprod(small, axis=axis))
    expected = np.cumulative_prod(small, axis=axis, include_initial=True)
    check(tc.cumulative_prod(secret, axis=axis, include_initial=True), expected)
    # 12^16 is what words of 64 bits hold
    check(np.cumprod(secret.reshape(-1)[:16]), np.cumprod(small.reshape(-1)[:16]))


@pytest.mark.parametrize("length", [1, 2, 3, 4, 5, 7, 8, 9, 33])
def test_running_extremes_of_every_length(length: int) -> None:
    x = np.random.default_rng(length).integers(-99, 99, length)
    check(np.maximum.accumulate(share(TrioSession(parties=length < 9), x)), np.maximum.accumulate(x))


def test_a_running_product_that_grows_too_large_is_refused() -> None:
    with pytest.raises(PlanError):
        tc.cumulative_prod(TrioSession().share(np.ones(200, int), bounds=(0, 9)))
    with pytest.raises(ValueError, match="axis"):
        tc.cumulative_prod(TrioSession().share(np.ones((2, 2), int), bounds=(0, 1)))


@given(x=arrays("int"), values=st.lists(st.integers(-1000, 1000), max_size=6), run=parties, invert=st.booleans())
@SOME
def test_isin(x: Any, values: Any, run: bool, invert: bool) -> None:
    session = TrioSession(parties=run)
    values = np.array([*values, *x.reshape(-1)[:2]], dtype=np.int64)
    expected = np.isin(x, values, invert=invert)
    check(tc.isin(share(session, x), values, invert=invert), expected)
    check(np.isin(share(session, x), share(session, values), invert=invert), expected)
    check(tc.isin(x, share(session, values), invert=invert), expected)


def test_isin_among_nothing() -> None:
    for session in (TrioSession(), TrioSession(parties=True)):
        x = share(session, np.arange(6).reshape(2, 3))
        check(tc.isin(x, []), np.zeros((2, 3), bool))
        check(tc.isin(x, [], invert=True), np.ones((2, 3), bool))
        check(tc.isin(x, [-7000, 3]), np.arange(6).reshape(2, 3) == 3)
    with pytest.raises(TypeError, match="kind"):
        np.isin(x, [1], kind="sort")


@pytest.mark.parametrize("side", ["left", "right"])
@given(x=numeric(shapes | empty_shapes), edges=numeric(lines), run=parties)
@SOME
def test_searchsorted(side: str, x: Any, edges: Any, run: bool) -> None:
    session, edges = TrioSession(parties=run), np.sort(np.concatenate([edges, x.reshape(-1)[:2].astype(edges.dtype)]))
    expected = np.searchsorted(edges, x, side=side)
    check(tc.searchsorted(edges, share(session, x), side=side), expected)
    check(np.searchsorted(share(session, edges), share(session, x), side=side), expected)
    check(tc.searchsorted(share(session, edges), x, side=side), expected)
    mixed = np.random.default_rng(3).permutation(edges.size)
    expected = np.searchsorted(edges[mixed], x, side=side, sorter=np.argsort(mixed))
    check(tc.searchsorted(share(session, edges[mixed]), x, side=side, sorter=np.argsort(mixed)), expected)


def test_searchsorted_refuses_what_it_does_not_do() -> None:
    x = share(TrioSession(), np.arange(3))
    with pytest.raises(ValueError, match="side"):
        tc.searchsorted([1, 2], x, side="middle")
    with pytest.raises(TypeError, match="sorter"):
        tc.searchsorted(x, 2, sorter=x)
    with pytest.raises(ValueError, match="line"):
        tc.searchsorted([[1]], x)


@pytest.mark.parametrize("right", [False, True])
@given(x=numeric(shapes | empty_shapes), edges=arrays("int", lines), run=parties, falling=st.booleans())
@SOME
def test_digitize(right: bool, x: Any, edges: Any, run: bool, falling: bool) -> None:
    bins = np.sort(edges)[::-1] if falling else np.sort(edges)
    secret = share(TrioSession(parties=run), x)
    check(np.digitize(secret, bins, right), np.digitize(x, bins, right))
    if np.unique(edges).size > 2:
        with pytest.raises(ValueError, match="rise or fall"):
            tc.digitize(secret, [1, 5, 3])


@pytest.mark.parametrize("top", [0, 1, 5, 8, 300])
@given(size=st.integers(0, 40), run=parties, seed=st.integers(0, 99), minlength=st.sampled_from([0, 3, 400]))
@settings(max_examples=6)
def test_bincount(top: int, size: int, run: bool, seed: int, minlength: int) -> None:
    rng = np.random.default_rng(seed)
    x, integers, real = rng.integers(0, top + 1, size), rng.integers(-9, 9, size), rng.integers(-99, 99, size) / 256
    session = TrioSession(parties=run)
    secret = session.share(x, bounds=(0, top))
    length = max(top + 1, minlength)
    check(np.bincount(secret, minlength=minlength), np.bincount(x, minlength=length))
    for weights in (integers, real):
        expected = np.bincount(x, weights, length).astype(weights.dtype)
        check(tc.bincount(secret, share(session, weights), minlength), expected)
        check(tc.bincount(secret, weights, minlength), expected)


def test_bincount_refuses_what_has_no_bins() -> None:
    session = TrioSession()
    with pytest.raises(ValueError, match="negative"):
        tc.bincount(session.share([1, 2], bounds=(-1, 3)))
    with pytest.raises(PlanError, match="65536"):
        tc.bincount(session.share([1, 2], bounds=(0, 10**6)))
    with pytest.raises(TypeError, match="integers"):
        tc.bincount(session.share([1.5], bounds=(0, 3)))
    with pytest.raises(ValueError, match="weights"):
        tc.bincount(session.share([1, 2], bounds=(0, 3)), [1])
    with pytest.raises(ValueError, match="line"):
        tc.bincount(session.share([[1, 2]], bounds=(0, 3)))


@given(x=numeric(shapes | empty_shapes), run=parties, data=st.data())
@SOME
def test_histogram(x: Any, run: bool, data: Any) -> None:
    session = TrioSession(parties=run)
    secret = share(session, x)
    edges = np.unique(np.concatenate([[-40.5, 7, 300], x.reshape(-1)[:3]]))
    for bins, ends in [(8, (-1000, 1000)), (3, (-5, 500)), (1, (0, 1)), (edges, None)]:
        found, at = np.histogram(secret, bins, ends)
        expected, there = np.histogram(x, bins, ends)
        assert np.array_equal(at, there)
        check(found, expected)
    weights = np.random.default_rng(1).integers(-9, 9, x.shape)
    expected = np.histogram(x, edges, weights=weights)[0].astype(np.int64)
    check(tc.histogram(secret, edges, weights=share(session, weights))[0], expected)
    check(tc.histogram(secret, edges, weights=weights)[0], expected)


def test_histogram_refuses_what_would_follow_from_the_data() -> None:
    x = share(TrioSession(), np.arange(5))
    for options, match in [
        ({}, "range"),
        ({"bins": "auto"}, "follow"),
        ({"bins": [1, 2], "density": True}, "density|counts"),
    ]:
        with pytest.raises(TypeError, match=match):
            tc.histogram(x, **options)
    with pytest.raises(PlanError, match="bins"):
        tc.histogram(x, 2**62, (0, 1))


def test_what_a_count_costs() -> None:
    """A bit of a count of 100,000 takes 18 bits in all, where as a word it would take 192."""
    session = TrioSession()
    x = session.share(np.arange(100_000) % 8, bounds=(0, 7))
    found = tc.bincount(x).explain()
    assert found.bytes_per_party < 100_000 * (17 + 6 + 8 * 6.1) / 8
