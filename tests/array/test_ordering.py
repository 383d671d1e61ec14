"""Sorting agrees with NumPy: odd shapes, ties, ends of ranges, either direction."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tercet.array as tc
from array_strategies import any_kind, arrays, check, empty_shapes, numeric, shapes, share
from plan_trio import TrioSession
from tercet.plan.network import LAN, WAN
from tercet.plan.plan import OutputKind, Plan
from tercet.plan.record.compile import Wanted, compile_plan

SOME = settings(max_examples=15)
parties = st.sampled_from([False, False, True])


def ordered(x: Any, axis: int, descending: bool) -> Any:
    """Indices in a stable order."""
    return np.argsort(~x if descending and x.dtype == bool else -x if descending else x, axis=axis, kind="stable")


@given(x=any_kind(shapes.filter(bool) | empty_shapes), run=parties, descending=st.booleans(), data=st.data())
@SOME
def test_sort_and_argsort(x: Any, run: bool, descending: bool, data: Any) -> None:
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    secret = share(TrioSession(parties=run), x)
    order = ordered(x, axis, descending)
    check(tc.argsort(secret, axis=axis, descending=descending), order)
    check(tc.sort(secret, axis=axis, descending=descending), np.take_along_axis(x, order, axis=axis))
    check(np.sort(secret, axis), np.sort(x, axis))
    check(np.sort(secret, None), np.sort(x, None))
    check(np.argsort(secret, axis, stable=True), np.argsort(x, axis, kind="stable"))


@given(x=numeric(st.sampled_from([(7,), (2, 5)])), run=parties)
@SOME
def test_a_quotient_keeps_its_divisor(x: Any, run: bool) -> None:
    secret = share(TrioSession(parties=run), x)
    check(tc.sort(secret / -4), np.sort(x / -4))
    check(tc.argsort(secret / -4), np.argsort(x / -4, kind="stable"))
    check(tc.sort(secret / 4, descending=True), -np.sort(-x / 4))


@pytest.mark.parametrize(
    ("lo", "hi"),
    [
        (0, 1),
        (5, 5),
        (-3, 4),
        (1000, 1007),
        (-(1 << 61), (1 << 61) - 1),
        (-(1 << 62) + 1, (1 << 62) - 1),
        (0, 1 << 100),
    ],
)
def test_at_the_ends_of_ranges(lo: int, hi: int) -> None:
    values = np.array([hi, lo, lo + (hi - lo) // 2, hi, lo, lo], dtype=object)
    session = TrioSession(parties=True)
    x = session.share(values, bounds=(lo, hi))
    assert tc.sort(x).reveal().tolist() == sorted(values.tolist())
    assert tc.argsort(x, descending=True).reveal().tolist() == sorted(range(6), key=lambda at: -values[at])


@pytest.mark.parametrize("network", [LAN, WAN], ids=["lan", "wan"])
@pytest.mark.parametrize("shape", [(1,), (300,), (4, 33), (65, 2), (2, 1)])
def test_ties_at_three_parties(network: Any, shape: tuple[int, ...]) -> None:
    """`plan_trio` compares costs and values of every operation."""
    session = TrioSession(parties=True, network=network, seed=4)
    x = np.random.default_rng(5).integers(-3, 4, shape)
    secret = session.share(x, bounds=(-3, 3))
    check(tc.argsort(secret), np.argsort(x, kind="stable"))
    check(tc.sort(secret, axis=0), np.sort(x, axis=0))


@given(shape=st.sampled_from([(6,), (2, 4), (0,), (1,)]), run=parties, seed=st.integers(0, 99), data=st.data())
@SOME
def test_lexsort(shape: Any, run: bool, seed: int, data: Any) -> None:
    rng = np.random.default_rng(seed)
    keys = [rng.integers(-1, 2, shape), rng.integers(0, 2, shape).astype(bool), rng.integers(-2, 2, shape) / 4]
    session = TrioSession(parties=run)
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    check(tc.lexsort([share(session, key) for key in keys], axis=axis), np.lexsort(keys, axis=axis))
    check(np.lexsort(share(session, np.stack(keys[::2]))), np.lexsort(np.stack(keys[::2])))


@given(x=arrays("int", st.sampled_from([(7,), (3, 4)])), run=parties)
@SOME
def test_partition(x: Any, run: bool) -> None:
    secret = share(TrioSession(parties=run), x)
    for kth in (0, 2, -1, (1, 2)):
        assert np.array_equal(np.partition(secret, kth).reveal()[..., kth], np.sort(x)[..., kth])
        order = np.argpartition(secret, kth).reveal()
        assert np.array_equal(np.take_along_axis(x, order, -1), np.sort(x))


@given(size=st.sampled_from([0, 1, 2, 9, 40]), run=parties, descending=st.booleans(), seed=st.integers(0, 99))
@SOME
def test_arrays_ride_along(size: int, run: bool, descending: bool, seed: int) -> None:
    session, rng = TrioSession(parties=run), np.random.default_rng(seed)
    key, flag = rng.integers(-3, 3, size), rng.integers(0, 2, size).astype(bool)
    real, table = rng.integers(-99, 99, size) / 8, rng.integers(0, 9, (size, 2, 2))
    wide = rng.integers(-9, 9, size)
    secret = [session.share(key, bounds=(-3, 3)), session.share(flag), session.share(real, bounds=(-20, 20))]
    riders = [*secret, session.share(table, bounds=(0, 9)), session.share(wide, bounds=(-(1 << 90), 1 << 90))]
    found = tc.sort_by(secret[0], *riders, descending=descending)
    order = ordered(key, 0, descending)
    for result, plain, before in zip(found, [key, flag, real, table, wide], riders, strict=True):
        assert result.dtype == before.dtype and result.bounds == before.bounds and result.shape == before.shape
        assert np.array_equal(result.reveal(), plain[order])
        assert not result.node.type.claimed
    both = tc.sort_by([secret[0], secret[1]], secret[2] / -3)[0]
    check(both, real[np.lexsort([key, flag])] / -3)
    front = tc.sort_by(secret[1], secret[0], descending=True)[0]
    check(front, np.concatenate([key[flag], key[~flag]]))


def test_what_a_plan_says_of_sorted_bounds_is_proven_at_nodes() -> None:
    session = TrioSession()
    x, y = session.share(np.arange(5), bounds=(0, 7)), session.share(np.arange(5), bounds=(-100, 100))
    first, second = tc.sort_by(x, x, y)
    plan = compile_plan([Wanted(each.node, OutputKind.REVEAL) for each in (first, second)], LAN)
    read = Plan.from_bytes(plan.to_bytes())
    types = [read.type_of(output.value) for output in read.outputs]
    assert [(t.lo, t.hi, t.claimed) for t in types] == [(0, 7, False), (-100, 100, False)]


def test_what_is_refused() -> None:
    x = share(TrioSession(), np.arange(4))
    with pytest.raises(TypeError, match="kind"):
        np.sort(x, kind="heapsort")
    with pytest.raises(TypeError, match="kind"):
        np.argsort(x, order="a")
    with pytest.raises(IndexError):
        tc.sort(x[0])
    with pytest.raises(ValueError, match="kth"):
        np.partition(x, 9)
    with pytest.raises(TypeError, match="lexsort"):
        tc.lexsort([x, np.arange(4)])
    with pytest.raises(ValueError, match="shape"):
        tc.lexsort([x, x[:2]])
    with pytest.raises(TypeError, match="sort_by"):
        tc.sort_by(x, np.arange(4))
    with pytest.raises(ValueError, match="shapes"):
        tc.sort_by(x, x[:2])
