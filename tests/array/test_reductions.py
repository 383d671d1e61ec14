"""Reductions, extremes and linear algebra agree with array-api-strict."""

from __future__ import annotations

import math
from typing import Any

import array_api_strict as strict
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tercet.array as tc
from array_strategies import any_kind, arrays, check, empty_shapes, numeric, shapes, share, to_strict
from plan_trio import TrioSession
from tercet.plan.network import LAN
from tercet.plan.plan import OutputKind
from tercet.plan.record.compile import Wanted, compile_plan

SOME = settings(max_examples=30)
parties = st.sampled_from([False, False, True])


def draw_axis(data: Any, ndim: int) -> Any:
    if not ndim or data.draw(st.booleans()):
        return None
    axes = st.lists(st.integers(0, ndim - 1), min_size=1, max_size=ndim, unique=True)
    return data.draw(st.integers(-ndim, ndim - 1) | axes.map(tuple))


@pytest.mark.parametrize("name", ["sum", "mean", "min", "max"])
@given(x=numeric(), keepdims=st.booleans(), run=parties, data=st.data())
@SOME
def test_over_axes(name: str, x: Any, keepdims: bool, run: bool, data: Any) -> None:
    axis = draw_axis(data, x.ndim)
    expected = getattr(np, name)(x, axis=axis, keepdims=keepdims)
    if name != "mean" or x.dtype.kind == "f":
        again = getattr(strict, name)(to_strict(x), axis=axis, keepdims=keepdims)
        assert np.allclose(np.asarray(again._array), expected, rtol=1e-14)
    secret = share(TrioSession(parties=run), x)
    results = [
        getattr(tc, name)(secret, axis=axis, keepdims=keepdims),
        getattr(np, name)(secret, axis=axis, keepdims=keepdims),
        getattr(secret, name)(axis, keepdims=keepdims),
    ]
    for result in results[: 1 if run else 3]:
        check(result, expected, error=1e-12 if name == "mean" else 0.0)
    expected = getattr(np, name)(x / -3, axis=axis, keepdims=keepdims)
    check(getattr(tc, name)(secret / -3, axis=axis, keepdims=keepdims), expected, error=1e-9)


@pytest.mark.parametrize("name", ["any", "all"])
@given(x=any_kind(), keepdims=st.booleans(), run=parties, data=st.data())
@SOME
def test_truth_over_axes(name: str, x: Any, keepdims: bool, run: bool, data: Any) -> None:
    axis = draw_axis(data, x.ndim)
    secret = share(TrioSession(parties=run), x)
    check(getattr(tc, name)(secret, axis=axis, keepdims=keepdims), getattr(np, name)(x, axis=axis, keepdims=keepdims))


@given(x=arrays("bool"), data=st.data())
@SOME
def test_sum_counts_bools(x: Any, data: Any) -> None:
    axis = draw_axis(data, x.ndim)
    check(tc.sum(share(TrioSession(), x), axis=axis), np.sum(x, axis=axis))
    check(tc.count_nonzero(share(TrioSession(), x), axis=axis), np.asarray(np.count_nonzero(x, axis=axis)))


@given(x=numeric(shapes | empty_shapes))
@SOME
def test_sum_of_what_may_be_empty(x: Any) -> None:
    check(tc.sum(share(TrioSession(), x), axis=None), np.sum(x))
    for axis in range(x.ndim):
        check(tc.sum(share(TrioSession(), x), axis=axis), np.sum(x, axis=axis))


@given(x=numeric(shapes.filter(bool) | empty_shapes), run=parties, data=st.data())
@SOME
def test_cumulative_sum(x: Any, run: bool, data: Any) -> None:
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    secret = share(TrioSession(parties=run), x)
    for initial in (False, True):
        expected = strict.cumulative_sum(to_strict(x), axis=axis, include_initial=initial)
        check(tc.cumulative_sum(secret, axis=axis, include_initial=initial), expected)
    check(tc.diff(secret, axis=axis), np.diff(x, axis=axis))


@given(x=arrays("int", st.lists(st.integers(1, 3), max_size=2).map(tuple)), run=parties, data=st.data())
@SOME
def test_prod(x: Any, run: bool, data: Any) -> None:
    axis = draw_axis(data, x.ndim)
    small = np.clip(x, -100, 100)
    secret = TrioSession(parties=run).share(small, bounds=(-100, 100))
    check(tc.prod(secret, axis=axis), np.prod(small, axis=axis))


@given(x=numeric(), correction=st.sampled_from([0, 1, 0.5]), run=parties, data=st.data())
@SOME
def test_var(x: Any, correction: float, run: bool, data: Any) -> None:
    axis = draw_axis(data, x.ndim)
    count = x.size if axis is None else math.prod(x.shape[at] for at in (axis if isinstance(axis, tuple) else (axis,)))
    if count <= correction:
        return
    secret = share(TrioSession(parties=run), x)
    check(tc.var(secret, axis=axis, correction=correction), np.var(x, axis=axis, ddof=correction), error=1e-6)


@pytest.mark.parametrize("name", ["argmin", "argmax"])
@given(x=arrays("int"), run=parties, data=st.data())
@SOME
def test_positions_of_the_first_extreme(name: str, x: Any, run: bool, data: Any) -> None:
    x = x // 400  # ties
    axis = None if not x.ndim else data.draw(st.none() | st.integers(-x.ndim, x.ndim - 1))
    expected = getattr(strict, name)(to_strict(x), axis=axis)
    check(getattr(tc, name)(share(TrioSession(parties=run), x), axis=axis), expected)


MATRICES = [
    ((3,), (3,)),
    ((2, 3), (3,)),
    ((3,), (3, 2)),
    ((2, 3), (3, 4)),
    ((5, 2, 3), (3, 2)),
    ((2, 1, 2, 3), (4, 3, 1)),
    ((1, 7), (7, 1)),
    ((40, 30), (30, 40)),
]


@pytest.mark.parametrize("pair", MATRICES)
@pytest.mark.parametrize("kinds", ["ii", "if", "ff"])
@given(run=parties, data=st.data())
@settings(max_examples=3)
def test_matmul(pair: Any, kinds: str, run: bool, data: Any) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    a, b = (
        rng.integers(-900, 900, shape) if kind == "i" else rng.integers(-9999, 9999, shape) / 256
        for shape, kind in zip(pair, kinds, strict=True)
    )
    session = TrioSession(parties=run)
    expected = a @ b
    for x, y in [(share(session, a), share(session, b)), (share(session, a), b), (a, share(session, b))]:
        check(x @ y, expected)
        check(np.matmul(x, y), expected)
        settled = tc.maximum(x @ y, -1e9).reveal()
        assert np.all(np.abs(settled - expected) <= 2.0**-16)


@given(pair=st.sampled_from([((2, 3), (2, 3)), ((3,), (2, 3)), ((2, 1, 3), (2, 3)), ((1,), (1,))]), run=parties)
@SOME
def test_vecdot_and_tensordot(pair: Any, run: bool) -> None:
    rng = np.random.default_rng(1)
    a, b = (rng.integers(-900, 900, shape) for shape in pair)
    session = TrioSession(parties=run)
    for x, y in [(share(session, a), share(session, b)), (share(session, a), b), (a, share(session, b))]:
        check(tc.vecdot(x, y), strict.vecdot(to_strict(a), to_strict(b)))
        check(np.vecdot(x, y), np.vecdot(a, b))
        check(tc.tensordot(x, y, axes=0), strict.tensordot(to_strict(a), to_strict(b), axes=0))
        check(tc.tensordot(x, y, axes=((-1,), (-1,))), np.tensordot(a, b, axes=((-1,), (-1,))))
        check(tc.outer(x.reshape(-1), y.reshape(-1)), np.outer(a, b))


def test_sum_of_products_sends_one_word() -> None:
    session = TrioSession()
    x, y = (session.share(np.arange(1000)) for _ in range(2))
    assert ((x * y).sum()).explain().bytes_per_party == 8
    assert tc.vecdot(x, y).explain().bytes_per_party == 8
    assert ((x * y).mean()).explain().rounds == 1


def test_public_choices_and_places_are_exact_and_few() -> None:
    """Places of neighbours differ by one: that is one number of a plan, not one for each pair."""
    session = TrioSession()
    x = session.share(np.arange(4096) * 7 % 4096, bounds=(0, 4095))
    found = tc.argmax(x)
    plan = compile_plan([Wanted(found.node, OutputKind.REVEAL)], LAN)
    assert len(plan.to_bytes()) < 8 * 2048 + 20_000  # every second place, and no difference of each to the next
    check(found, np.argmax(np.arange(4096) * 7 % 4096))
    flags = session.share([True, False, True])
    for a, b in [
        ([1 << 62, 3, -(1 << 61)], [5, -(1 << 62), 1 << 61]),
        ([7, 7, 7], [6, 6, 6]),
        ([True] * 3, [False] * 3),
    ]:
        check(tc.where(flags, np.array(a), np.array(b)), np.where([True, False, True], a, b))
