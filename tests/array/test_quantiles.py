"""Medians and quantiles agree with NumPy, by all its methods; nothing of single rows is in them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tercet.array as tc
from array_strategies import check, check_all, numeric, share
from plan_trio import TrioSession
from tercet.array import quantiles
from tercet.array.validity import valid
from tercet.plan.network import LAN, WAN
from tercet.plan.plan import OutputKind
from tercet.plan.record.compile import Wanted, compile_plan
from tercet.plan.rows.cut import Cut, NotRowwise
from tercet.plan.rows.states import Aggregate, Rows
from tercet.plan.rows.track import track

METHODS = [
    "inverted_cdf",
    "averaged_inverted_cdf",
    "closest_observation",
    "interpolated_inverted_cdf",
    "hazen",
    "weibull",
    "linear",
    "median_unbiased",
    "normal_unbiased",
    "lower",
    "higher",
    "midpoint",
    "nearest",
]
SOME = settings(max_examples=12)
parties = st.sampled_from([False, False, False, True])


@given(x=numeric(), run=parties, keepdims=st.booleans(), data=st.data())
@SOME
def test_median(x: Any, run: bool, keepdims: bool, data: Any) -> None:
    axes = st.lists(st.integers(0, max(0, x.ndim - 1)), min_size=1, max_size=max(1, x.ndim), unique=True).map(tuple)
    axis = data.draw(st.none() | st.integers(-x.ndim, x.ndim - 1) | axes) if x.ndim else None
    secret = share(TrioSession(parties=run), x)
    pairs = [(tc.median(secret, axis=axis, keepdims=keepdims), np.median(x, axis=axis, keepdims=keepdims))]
    check_all([*pairs, (np.median(secret, axis=axis), np.median(x, axis=axis))])


@pytest.mark.parametrize("method", METHODS)
@given(x=numeric(st.sampled_from([(1,), (2,), (7,), (10,), (3, 4)])), run=parties)
@settings(max_examples=3)
def test_quantiles_by_every_method(method: str, x: Any, run: bool) -> None:
    session, q = TrioSession(parties=run), [0.0, 0.25, 0.5, 0.9, 1.0, 1 / 3]
    secret = share(session, x)
    pairs = []
    for at in (0.3, q, [[0.1, 0.8]]):
        pairs.append((tc.quantile(secret, at, axis=-1, method=method), np.quantile(x, at, axis=-1, method=method)))
        assert tc.quantile(secret, at, method=method).dtype == (
            secret.dtype if np.quantile(x, at, method=method).dtype == x.dtype else tc.float64
        )
    pairs.append((np.percentile(secret, 30, method=method), np.percentile(x, 30, method=method)))
    pairs.append((np.quantile(secret / -4, q, method=method), np.quantile(x / -4, q, method=method)))
    check_all(pairs, error=1e-4)


@pytest.mark.parametrize(
    ("lo", "hi"), [(0, 1), (5, 5), (-3, 4), (1000, 1006), (-(1 << 61), (1 << 61) - 1), (-(1 << 62) + 1, (1 << 62) - 1)]
)
def test_at_the_ends_of_ranges(lo: int, hi: int) -> None:
    values = [hi, lo, lo + (hi - lo) // 2, hi, lo]
    x = TrioSession(parties=True).share(np.array(values, dtype=object), bounds=(lo, hi))
    found = tc.quantile(x, [0, 0.5, 0.75, 1], method="lower").reveal().tolist()
    assert found == [sorted(values)[at] for at in (0, 2, 3, 4)]


def test_ties_and_quotients() -> None:
    session = TrioSession(parties=True)
    x = np.random.default_rng(7).integers(0, 3, (40, 3))
    secret = session.share(x, bounds=(0, 7))
    check(tc.median(secret, axis=0), np.median(x, axis=0))
    check(tc.median(secret > 0), np.asarray(np.median(x > 0)))
    check(tc.median(secret / 8), np.asarray(np.median(x / 8)))
    assert tc.median(secret).explain().rounds < 3 * 10 + 12


def test_a_median_is_an_aggregate_over_all_rows() -> None:
    x = TrioSession().share(np.arange(9) % 5, bounds=(0, 15))
    plan = compile_plan([Wanted(tc.median(x).node, OutputKind.REVEAL)], LAN)
    ((handle, _),) = plan.inputs()
    (found,) = track(plan, {handle: {"d": Rows(0, 9)}})
    assert isinstance(found["d"], Aggregate) and found["d"].count == 9
    assert Cut(plan, {handle}, 9).passes == 1  # four bits at once


@pytest.mark.parametrize(("width", "passes"), [(2, 4), (3, 3), (4, 2), (5, 2)])
def test_every_number_of_bits_at_a_time(monkeypatch: pytest.MonkeyPatch, width: int, passes: int) -> None:
    monkeypatch.setattr(quantiles, "_ELEMENTS", {width: 1 << 20})
    x = np.random.default_rng(width).integers(0, 128, (37, 4))
    session = TrioSession(parties=True)
    secret = session.share(x, bounds=(0, 127))
    check(tc.quantile(secret, [0.25, 0.5, 0.625], axis=0), np.quantile(x, [0.25, 0.5, 0.625], axis=0))
    found, order = tc.top_k(secret, 6, axis=0), np.argsort(-x, axis=0, kind="stable")[:6]
    check(found.values, np.take_along_axis(x, order, 0))
    check(found.indices, order)
    plan = compile_plan([Wanted(tc.median(secret[:, 0]).node, OutputKind.REVEAL)], LAN)
    ((handle, _),) = plan.inputs()
    assert Cut(plan, {handle}, 37).passes == passes


def test_more_bits_at_a_time_of_fewer_elements() -> None:
    x = {n: share(TrioSession(), np.arange(n) % 128) for n in (1001, 40_001, 300_001)}
    rounds = [tc.median(secret).explain().rounds for secret in x.values()]
    assert rounds[0] == rounds[1] < 0.5 * rounds[2]
    wanted = [Wanted(tc.median(share(TrioSession(), np.arange(250_001) % 128)).node, OutputKind.REVEAL)]
    lan, wan = (compile_plan(wanted, network) for network in (LAN, WAN))
    width = {op.operation.name: op.variant for op in lan.operations}["order_statistics"]
    assert {op.operation.name: op.variant for op in wan.operations}["order_statistics"] > width


@pytest.mark.parametrize(
    ("shape", "axis"), [((48,), 0), ((64,), 0), ((301,), 0), ((3, 100), 1), ((70, 4), 0), ((20, 6), None)]
)
def test_lines_of_words_at_once(shape: tuple[int, ...], axis: int | None) -> None:
    """One operation of the plan; rows along the lines are an aggregate, and lines of rows go in partitions."""
    x = np.random.default_rng(sum(shape)).integers(-1000, 1000, shape)
    session = TrioSession(parties=True)
    secret = session.share(x, bounds=(-1000, 999))
    for q in ([0.5], [0.1, 0.25, 0.9], [0, 0.5, 1]):
        check(tc.quantile(secret, q, axis=axis), np.quantile(x, q, axis=axis), error=1e-9)
    check(tc.median(secret > 300, axis=axis), np.asarray(np.median(x > 300, axis=axis)))
    check(tc.median(secret / -8, axis=axis), np.asarray(np.median(x / -8, axis=axis)))
    check(tc.median(session.share(np.zeros(shape, int), bounds=(0, 1)), axis=axis), np.zeros(np.median(x, axis).shape))
    plan = compile_plan([Wanted(tc.median(secret, axis=axis).node, OutputKind.REVEAL)], LAN)
    assert [op.operation.name for op in plan.operations].count("order_statistics") == 1


def test_what_is_found_at_once_rests_on_all_rows() -> None:
    def tracked(x: Any, rows: int, axis: int = 0) -> tuple[Any, Any]:
        plan = compile_plan([Wanted(x.node, OutputKind.REVEAL)], LAN)
        ((handle, _),) = plan.inputs()
        return track(plan, {handle: {"d": Rows(axis, rows)}})[0]["d"], lambda: Cut(plan, {handle}, rows)

    session = TrioSession()
    x = session.share(np.arange(60), bounds=(0, 63))
    found, cut = tracked(tc.median(x), 60)
    assert isinstance(found, Aggregate) and found.count == 60
    with pytest.raises(NotRowwise, match="bools over all rows"):
        cut()
    found, _ = tracked(tc.quantile(x * (np.arange(60) == 7), 0.99), 60)
    assert not (isinstance(found, Aggregate) and found.count > 1)
    lines = session.share(np.arange(600).reshape(10, 60), bounds=(0, 1023))
    found, cut = tracked(tc.median(lines, axis=1), 10, 1)
    assert isinstance(found, Rows) and cut().passes == 1


@pytest.mark.parametrize("length", [20, 60])
def test_a_median_means_something_where_all_of_its_line_does(length: int) -> None:
    session, line = TrioSession(), np.linspace(-1, 9, length)
    lines = session.share(np.stack([np.abs(line) + 1, line]), bounds=(-1, 11))
    logs = tc.log(lines)
    for found in (tc.median(logs, axis=1), tc.quantile(logs, [0.2, 0.5], axis=1)[1]):
        assert valid(found).reveal().tolist() == [True, False]


def test_a_sorted_value_is_not() -> None:
    x = TrioSession().share(np.arange(9) % 5, bounds=(0, 15))
    plan = compile_plan([Wanted(tc.sort(x)[4].node, OutputKind.REVEAL)], LAN)
    ((handle, _),) = plan.inputs()
    assert not isinstance(track(plan, {handle: {"d": Rows(0, 9)}})[0]["d"], Aggregate)


def test_what_is_refused() -> None:
    x = share(TrioSession(), np.arange(4))
    with pytest.raises(ValueError, match="between"):
        tc.quantile(x, 1.5)
    with pytest.raises(ValueError, match="no elements"):
        tc.median(x[:0])
    with pytest.raises(ValueError, match="no quantile"):
        tc.quantile(x, [])
    with pytest.raises(ValueError, match=r"method|valid"):
        tc.quantile(x, 0.5, method="best")
    for odd in (np.ones(2, complex), ["a"], x):
        with pytest.raises(TypeError, match="public"):
            tc.quantile(x, odd)
    with pytest.raises(TypeError, match="weights"):
        np.quantile(x, 0.5, method="inverted_cdf", weights=[1, 2, 3, 4])
