"""Ranks, modes, distinct elements, the first k and compaction agree with NumPy and SciPy: ties, ends, empty lines."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

import tercet.array as tc
from array_strategies import any_kind, check, empty_shapes, numeric, shapes, share
from plan_trio import TrioSession
from tercet import stats
from tercet.array.decimals import DecimalArray
from tercet.array.nullable import NullableArray

SOME = settings(max_examples=6)
parties = st.sampled_from([False, False, True])
METHODS = ("average", "min", "max", "dense", "ordinal")


def equal(found: Any, expected: Any) -> None:
    plain = np.asarray(found.reveal())
    assert plain.shape == np.shape(expected) and np.array_equal(plain, expected), (plain, expected)


@pytest.mark.parametrize("method", METHODS)
@given(x=any_kind(shapes.filter(bool) | empty_shapes), data=st.data())
@SOME
def test_ranks(method: str, x: Any, data: Any) -> None:
    axis = data.draw(st.none() | st.integers(-x.ndim, x.ndim - 1))
    secret = share(TrioSession(), x)
    expected = scipy_stats.rankdata(x, method, axis=axis) if x.size else np.zeros(x.size if axis is None else x.shape)
    equal(stats.rankdata(secret, method, axis=axis), expected)
    if x.size:
        assert np.array_equal(stats.rankdata(x, method, axis=axis), expected)
    if x.dtype != bool and x.size:
        equal(stats.rankdata(secret / -4, method, axis=axis), scipy_stats.rankdata(x / -4, method, axis=axis))


def test_ranks_at_three_parties() -> None:
    """`plan_trio` compares costs and values of every operation."""
    x = np.array([[3, -1, 3, 2, -1, -1, 3], [0, 1, 2, 3, 3, 2, 1]])
    secret = TrioSession(parties=True).share(x, bounds=(-3, 3))
    ranks = tc.stack([tc.multiply(stats.rankdata(secret, method, axis=1), 2) for method in METHODS])
    equal(ranks, np.stack([scipy_stats.rankdata(x, method, axis=1) * 2 for method in METHODS]))


@pytest.mark.parametrize("bounds", [(-5, 5), (-(1 << 40), 1 << 40)], ids=["counted", "sorted"])
@given(x=st.lists(st.integers(-5, 5), min_size=1, max_size=12), run=parties, keepdims=st.booleans())
@SOME
def test_modes(bounds: Any, x: Any, run: bool, keepdims: bool) -> None:
    session, values = TrioSession(parties=run), np.array([x, x[::-1]]).T
    secret = session.share(values, bounds=bounds)
    for axis in (0, 1, None):
        found = stats.mode(secret, axis=axis, keepdims=keepdims)
        expected = scipy_stats.mode(values, axis=axis, keepdims=keepdims)
        for ours, theirs in zip(found, expected, strict=True):
            equal(ours, theirs)
        plain = stats.mode(values, axis=axis, keepdims=keepdims)
        assert all(np.array_equal(one, other) for one, other in zip(plain, expected, strict=True))
    falling = stats.mode(secret / -2, axis=0)
    equal(falling.mode, scipy_stats.mode(values / -2, axis=0).mode)


def test_the_mode_of_one_value_and_of_none() -> None:
    session = TrioSession(parties=True)
    same = stats.mode(session.share([7, 7, 7], bounds=(7, 7)))
    assert (int(same.mode.reveal()), int(same.count.reveal())) == (7, 3)
    for axis in (0, None):
        with pytest.raises(ValueError, match="no elements"):
            stats.mode(session.share(np.zeros(0, int)), axis=axis)
        with pytest.raises(ValueError, match="no elements"):
            stats.mode(np.zeros(0), axis=axis)


@given(x=any_kind(st.integers(0, 9).map(lambda n: (n,))), size=st.integers(0, 11), run=parties)
@SOME
def test_distinct_elements(x: Any, size: int, run: bool) -> None:
    secret = share(TrioSession(parties=run), x)
    values, counts = np.unique(x, return_counts=True)
    kept, found = min(size, len(values)), tc.unique_counts(secret, size=size)
    assert int(found.number.reveal()) == len(values)
    shown = found.values.reveal()
    assert shown.dtype.kind == x.dtype.kind
    assert np.array_equal(shown[:kept], values[:kept]) and not shown[kept:].any() and len(shown) == size
    occur = found.counts.reveal()
    assert np.array_equal(occur[:kept], counts[:kept]) and not occur[kept:].any()
    again = tc.unique_values(secret, size=size)
    assert np.array_equal(again.values.reveal(), shown) and int(again.number.reveal()) == len(values)
    for name in ("unique_counts", "unique_values"):
        public: Any = getattr(tc, name)(x, size=size)
        assert public.number == len(values) and np.array_equal(public.values, shown)
        assert name == "unique_values" or np.array_equal(public.counts, occur)


@given(x=numeric(shapes.filter(bool)), run=parties, largest=st.booleans(), data=st.data())
@SOME
def test_the_first_k(x: Any, run: bool, largest: bool, data: Any) -> None:
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    k = data.draw(st.integers(1, x.shape[axis]))
    secret = share(TrioSession(parties=run), x)
    order = np.argsort(-x if largest else x, axis=axis, kind="stable").take(np.arange(k), axis)
    for factor in (1, -4):
        down = largest == (factor > 0)
        found = tc.top_k(secret / factor if factor < 0 else secret, k, axis=axis, largest=down)
        values = np.take_along_axis(x, order, axis)
        check(found.indices, order)
        equal(found.values, values / factor if factor < 0 else values)
    plain = tc.top_k(x, k, axis=axis, largest=largest)
    assert np.array_equal(plain.indices, order) and np.array_equal(plain.values, np.take_along_axis(x, order, axis))


def test_the_first_k_at_odd_arguments() -> None:
    session = TrioSession(parties=True)
    same = tc.top_k(session.share([4, 4, 4], bounds=(4, 4)), 2)
    check(same.indices, np.array([0, 1]))
    check(same.values, np.array([4, 4]))
    flags = tc.top_k(session.share([False, True, False]), 2)
    check(flags.values, np.array([True, False]))
    check(flags.indices, np.array([1, 0]))
    for k in (0, 4, -1):
        with pytest.raises(ValueError, match="from 1 to 3 of 3"):
            tc.top_k(session.share([1, 2, 3]), k)
    with pytest.raises(TypeError, match="public integer"):
        tc.top_k(session.share([1, 2, 3]), 1.0)  # type: ignore[arg-type]


@given(x=st.lists(st.tuples(st.integers(-9, 9), st.booleans()), max_size=9), run=parties)
@SOME
def test_compaction(x: Any, run: bool) -> None:
    session = TrioSession(parties=run)
    values, keep = np.array([one for one, _ in x], int), np.array([flag for _, flag in x], bool)
    order = np.argsort(~keep, kind="stable")
    rows = np.stack([values, values + 100], axis=1) / 4
    found = tc.compact(
        session.share(keep), session.share(values, bounds=(-9, 9)), session.share(rows), session.share(keep)
    )
    for ours, theirs in zip(found, (values, rows, keep), strict=True):
        equal(ours, theirs[order])
    assert np.array_equal(tc.compact(keep, values)[0], values[order])


REFUSED: dict[str, tuple[Any, type[Exception], str]] = {
    "unique": (lambda x: np.unique(x), TypeError, "unique_values"),
    "unique_all": (lambda x: np.unique_all(x), TypeError, "size="),
    "unique_inverse": (lambda x: np.unique_inverse(x), TypeError, "rankdata"),
    "unique_values": (lambda x: np.unique_values(x), TypeError, "size="),
    "unique_counts": (lambda x: tc.unique_counts(x), TypeError, "size="),
    "no size": (lambda x: tc.unique_counts(x, size=-1), ValueError, "negative"),
    "nonzero": (lambda x: np.nonzero(x), TypeError, "compact"),
    "flatnonzero": (lambda x: np.flatnonzero(x), TypeError, "compact"),
    "argwhere": (lambda x: np.argwhere(x), TypeError, "compact"),
    "compress": (lambda x: np.compress([True], x), TypeError, "compact"),
    "extract": (lambda x: np.extract(x > 1, x), TypeError, "compact"),
    "one-argument where": (lambda x: np.where(x > 1), TypeError, "both values.*compact"),
    "kind of sort": (lambda x: np.sort(x, kind="quicksort"), TypeError, "stable"),
    "kind of argsort": (lambda x: np.argsort(x, kind="heapsort"), TypeError, "stable"),
    "nonzero here": (lambda x: tc.nonzero, AttributeError, "compact"),
    "unique_all here": (lambda x: tc.unique_all, AttributeError, "size="),
    "method": (lambda x: stats.rankdata(x, "first"), ValueError, "average, min"),
    "condition": (lambda x: tc.compact(x, x), TypeError, "bools first"),
    "public condition": (lambda x: tc.compact([True, False, True], x), TypeError, "brackets"),
    "nothing to compact": (lambda x: tc.compact(x > 1), TypeError, "secret arrays"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_refused_says_what_to_use(what: str) -> None:
    call, kind, words = REFUSED[what]
    with pytest.raises(kind, match=words):
        call(TrioSession().share([1, 2, 3], bounds=(0, 5)))


def test_a_stable_sort_may_be_asked_for() -> None:
    x = np.array([3, 1, 2, 1, 3])
    secret = TrioSession().share(x, bounds=(0, 5))
    check(np.sort(secret, kind="stable"), np.sort(x))
    check(np.argsort(secret, kind="stable"), np.argsort(x, kind="stable"))


def decimals() -> Any:
    return DecimalArray.of(TrioSession().share([250, 125, 250, -75], bounds=(-1000, 1000)), 2)


def test_decimals_stay_decimals() -> None:
    x = decimals()
    assert [str(one) for one in tc.top_k(x, 2).values.reveal()] == ["2.50", "2.50"]
    assert [str(one) for one in tc.sort(x).reveal()] == ["-0.75", "1.25", "2.50", "2.50"]
    found = tc.unique_counts(x, size=4)
    assert [str(one) for one in found.values.reveal()] == ["-0.75", "1.25", "2.50", "0.00"]
    assert found.counts.reveal().tolist() == [1, 1, 2, 0]
    assert str(stats.mode(x).mode.reveal()) == "2.50"
    assert [str(one) for one in tc.compact(x > 1, x)[0].reveal()] == ["2.50", "1.25", "2.50", "-0.75"]
    check(stats.rankdata(x, "dense"), np.array([3, 2, 3, 1]))


def test_a_nullable_condition_counts_what_is_unknown_as_false() -> None:
    session = TrioSession()
    flags = NullableArray.of_values(session.share([True, True, False]), session.share([False, True, True]))
    check(tc.compact(flags, session.share([1, 2, 3], bounds=(0, 5)))[0], np.array([2, 1, 3]))
