"""Histograms of one and two arrays, and places among public edges, agree with NumPy on what is stored."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tercet.array as tc
from plan_trio import TrioSession
from tercet.array import histograms
from tercet.array.decimals import DecimalArray
from tercet.array.histograms import _factor
from tercet.array.nullable import NullableArray
from tercet.plan.network import LAN
from tercet.plan.plan import OutputKind
from tercet.plan.record.compile import Wanted, compile_plan
from tercet.plan.rows.cut import Cut
from tercet.plan.rows.states import Aggregate, Rows
from tercet.plan.rows.track import track

STEP = 1 / 65536
SIDES: tuple[Any, ...] = ("left", "right")
CASES: dict[str, tuple[tuple[float, float], tuple[float, float], int]] = {
    "steps that are powers of two": ((-8, 8), (-8, 8), 16),
    "all of the bounds": ((0, 32767), (0, 32767), 64),
    "tenths": ((0, 1), (0, 0.1), 30),
    "a part of the bounds": ((-100, 100), (-3.3, 7.1), 64),
    "a part at one end": ((-100, 100), (0, 100), 9),
    "narrower than the last bit": ((0, 1), (0, 20 * STEP), 64),
    "a few": ((0, 10), (2, 9), 3),
    "beyond the bounds": ((0, 10), (-20, 30), 17),
}


def stored(x: Any) -> Any:
    return np.round(np.asarray(x) / STEP) * STEP


def check(pairs: list[tuple[Any, Any]]) -> None:
    """Of what is found and what is expected; revealed in one job, in which what they share is computed once."""
    for found, (_, expected) in zip(tc.reveal(*(one for one, _ in pairs)), pairs, strict=True):
        assert np.array_equal(found, expected)


@pytest.mark.parametrize("case", CASES)
def test_bins_and_places(case: str) -> None:
    """`plan_trio` compares costs and values of every operation with its meaning."""
    (lo, hi), ends, number = CASES[case]
    rng = np.random.default_rng(number)
    equal = stored(np.histogram_bin_edges([], number, ends))
    inside = equal[(equal >= lo) & (equal <= hi)]
    near = np.concatenate([inside[:6], inside[-2:], inside[1:4] - STEP, [lo, hi]])
    x = np.clip(stored(np.concatenate([rng.uniform(lo, hi, 20), near])), lo, hi)
    secret = TrioSession(parties=True).share(x, bounds=(lo, hi), frac_bits=16)
    counts, edges = np.histogram(secret, number, ends)
    assert np.array_equal(edges, np.histogram_bin_edges([], number, ends))
    odd = np.sort(stored(rng.uniform(lo - 1, hi + 1, 13)))
    pairs = [
        (counts, np.histogram(x, equal)[0]),
        (np.histogram(secret, odd)[0], np.histogram(x, odd)[0]),
        *((np.searchsorted(odd, secret, side), np.searchsorted(odd, x, side)) for side in SIDES),
        (np.digitize(secret, odd[::-1]), np.digitize(x, odd[::-1])),
        (
            np.histogram2d(secret, secret[::-1], [number, odd], [ends, None])[0],
            np.histogram2d(x, x[::-1], [equal, odd])[0],
        ),
    ]
    check(pairs)


WHOLE = {
    "one with the last edge": (16, (0, 31), (0, 31)),
    "the last edge beyond": (16, (0, 32), (0, 31)),
    "edges before and beyond": (16, (-16, 40), (0, 31)),
    "the last edge apart, by one bit more": (64, (0, 1000), (0, 1000)),
    "the last edge apart, in a bin behind": (33, (0, 999), (0, 999)),
    "one bin a number": (8, (0, 8), (0, 8)),
    "wide": (64, (-(1 << 31), (1 << 31) - 1), (-(1 << 31), (1 << 31) - 1)),
}


@pytest.mark.parametrize("case", WHOLE)
def test_bins_of_all_that_can_be_are_counted_by_parities(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(histograms, "_MANY", 1)
    number, ends, (lo, hi) = WHOLE[case]
    rng, session = np.random.default_rng(number), TrioSession(parties=True)
    edges = np.histogram_bin_edges([], number, ends)
    near = np.clip(np.concatenate([np.ceil(edges), np.ceil(edges) - 1]), lo, hi).astype(int)
    x = np.concatenate([rng.integers(lo, hi + 1, 40), near, [hi, hi, lo]])
    counts = np.histogram(session.share(x, bounds=(lo, hi)), number, ends)[0]
    assert counts.bounds == (0, x.size) and "proven" in str(counts.explain())
    assert np.array_equal(counts.reveal(), np.histogram(x, edges)[0])
    names = [op.operation.name for plan in session.plans for op in plan.operations]
    assert "matmul_public" in names and "and" not in names
    same = session.share(np.full(50, hi), bounds=(lo, hi))
    assert np.array_equal(np.histogram(same, number, ends)[0].reveal(), np.histogram(np.full(50, hi), edges)[0])
    weighed = np.histogram(session.share(x, bounds=(lo, hi)), number, ends, weights=np.ones(x.size, int))[0]
    assert np.array_equal(weighed.reveal(), np.histogram(x, edges)[0])


def test_counts_by_parities_rest_on_all_rows_and_go_in_partitions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(histograms, "_MANY", 1)
    x = TrioSession().share(np.arange(50) % 32, bounds=(0, 31))
    plan = compile_plan([Wanted(np.histogram(x, 16, (0, 31))[0].node, OutputKind.REVEAL)], LAN)
    ((handle, _),) = plan.inputs()
    (found,) = track(plan, {handle: {"d": Rows(0, 50)}})
    assert isinstance(found["d"], Aggregate) and found["d"].count == 50
    assert Cut(plan, {handle}, 50).passes == 1


@pytest.mark.parametrize("bounds", [(0, 1), (-5, 9), (3, 1003), (-(1 << 40), 1 << 40), (-(1 << 62) + 1, (1 << 62) - 1)])
def test_places_of_integers_at_the_ends_of_ranges(bounds: tuple[int, int]) -> None:
    lo, hi = bounds
    x = np.array([lo, hi, (lo + hi) // 2, lo + 1, hi - 1, (lo + hi) // 3])
    edges = np.array(sorted({lo - 1, lo, lo + 1, hi - 1, hi, hi + 1, (lo + hi) // 2, (lo + hi) // 3 + 1}))
    secret = TrioSession(parties=True).share(x, bounds=bounds)
    pairs = [(np.searchsorted(edges, secret, side), np.searchsorted(edges, x, side)) for side in SIDES]
    check([*pairs, (np.histogram(secret, edges)[0], np.histogram(x, edges)[0])])


def test_a_factor_is_right_for_every_stored_integer() -> None:
    rng = np.random.default_rng(3)
    for _ in range(60):
        number = int(rng.integers(1, 40))
        first = np.round(
            np.linspace(start := int(rng.integers(-99, 99)), start + int(rng.integers(number, 900)), number + 1)
        )
        found = _factor([int(edge) for edge in first])
        if found is None:
            continue
        m, k, c = found
        s = np.arange(first[0], first[-1]).astype(int)
        assert np.array_equal(((s - int(first[0])) * m + c) >> k, np.searchsorted(first, s, "right") - 1)


def test_secret_edges_as_quantiles_are() -> None:
    session = TrioSession()
    x = np.random.default_rng(5).integers(0, 50, 41)
    secret = session.share(x, bounds=(0, 50))
    edges = np.quantile(secret, [0.1, 0.25, 0.5, 0.75])
    counts, same = np.histogram(secret, edges)
    assert same is edges
    assert np.array_equal(counts.reveal(), np.histogram(x, np.quantile(x, [0.1, 0.25, 0.5, 0.75]))[0])


def test_weights_and_other_kinds() -> None:
    session = TrioSession()
    x, weights = np.arange(40) % 10, np.arange(40)
    secret = session.share(x, bounds=(0, 10))
    for each in (weights, session.share(weights, bounds=(0, 40))):
        found, _ = np.histogram(secret, 10, (0, 10), weights=each)
        assert np.array_equal(found.reveal(), np.histogram(x, 10, (0, 10), weights=weights)[0])
    money = DecimalArray.of(session.share([125, 250, 375, 399], bounds=(0, 1000)), 2)
    assert np.histogram(money, 8, (0, 4))[0].reveal().tolist() == [0, 0, 1, 0, 0, 1, 0, 2]
    assert np.histogram(secret / 4, 10, (0, 2.5))[0].reveal().tolist() == np.histogram(x / 4, 10, (0, 2.5))[0].tolist()


def test_missing_values_are_in_no_bin() -> None:
    session = TrioSession()
    x = np.arange(40) % 10
    secret = session.share(x, bounds=(0, 10))
    some = NullableArray.of_values(secret, secret > 2)
    assert np.histogram(some, 10, (0, 10))[0].reveal().tolist() == np.histogram(x[x > 2], 10, (0, 10))[0].tolist()


REFUSED: dict[str, tuple[Any, type[Exception], str]] = {
    "no range": (lambda x: np.histogram(x, 10), TypeError, "range=.lowest, highest."),
    "rules": (lambda x: np.histogram(x, "auto"), TypeError, "secret quantiles"),
    "density": (lambda x: np.histogram2d(x, x, density=True), TypeError, "divide them"),
    "weights": (lambda x: np.histogram2d(x, x, weights=[1, 1, 1]), TypeError, "segment_sum"),
    "a public line": (lambda x: tc.histogram2d(x, [1, 2, 3]), TypeError, "two secret lines"),
    "other lengths": (lambda x: tc.histogram2d(x, x[:2]), ValueError, "one length"),
    "one range": (lambda x: tc.histogram2d(x, x, 4, [(0, 1)]), ValueError, "pair of pairs"),
    "one secret edge": (lambda x: np.histogram(x, x[:1]), ValueError, "two numbers at least"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_refused_says_what_to_use(what: str) -> None:
    call, kind, words = REFUSED[what]
    with pytest.raises(kind, match=words):
        call(TrioSession().share([1, 2, 3], bounds=(0, 5)))
