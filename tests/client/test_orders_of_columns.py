"""Orders, counts and places of columns of dates and of categories, with missing values and without."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tercet as tc
from plan_trio import TrioSession
from tercet import stats
from tercet.array.nullable import NullableArray
from tercet.client.column_arrays import CategoryArray, DateArray
from tercet.store.schema import Column, ColumnKind

xp = tc.array
DAYS = np.array(["2020-02-29", "2019-12-31", "2020-02-29", "2021-01-01", "2020-03-01"], "datetime64[D]")
S = pd.Series(DAYS)
SEEN = Column(name="seen", kind=ColumnKind.DATE, lo=date(2019, 1, 1), hi=date(2022, 12, 31))
KNOWN = np.array([True, False, True, True, True])


def dates(session: TrioSession | None = None) -> DateArray:
    session = TrioSession(parties=True) if session is None else session
    return DateArray.of_column(session.share(DAYS.astype(np.int64), bounds=(17897, 19357)), SEEN)


def some_dates() -> Any:
    session = TrioSession(parties=True)
    return NullableArray.of_values(dates(session), session.share(KNOWN))


def same(*pairs: tuple[Any, Any]) -> None:
    """Dates and numbers, missing as NaT and NaN."""
    for found, (_, expected) in zip(tc.reveal(*(one for one, _ in pairs), pairs[0][0]), pairs, strict=False):
        plain, expected = np.ma.getdata(found), np.asarray(expected)
        if isinstance(expected.item(0), pd.Timestamp) or expected.dtype.kind == "M":
            expected = np.array([np.datetime64(one, "D") for one in expected.reshape(-1)]).reshape(expected.shape)
            plain = np.where(np.ma.getmaskarray(found), np.datetime64("NaT"), plain)
        elif np.ma.is_masked(found):
            plain = np.where(found.mask, np.nan, plain)
        assert plain.dtype.kind == expected.dtype.kind or plain.dtype.kind in "fi", (plain, expected)
        assert np.array_equal(plain, expected, equal_nan=True), (found, expected)


def test_dates_in_order() -> None:
    x = dates()
    order = np.argsort(DAYS, kind="stable")
    top, mode, distinct = xp.top_k(x, 2), stats.mode(x), xp.unique_counts(x, size=4)
    same(
        (np.sort(x), np.sort(DAYS)),
        (xp.sort(x, descending=True), np.sort(DAYS)[::-1]),
        (np.argsort(x), order),
        (np.partition(x, 2), np.sort(DAYS)),
        (np.lexsort((x,)), order),
        (xp.sort_by(x, x)[0], np.sort(DAYS)),
        (tc.Permutation.argsort(x).apply(x), np.sort(DAYS)),
        (xp.sort(xp.shuffle(x)), np.sort(DAYS)),
        (np.min(x), DAYS.min()),
        (x.max(), DAYS.max()),
        (np.argmin(x), 1),
        (np.argmax(x), 3),
        (np.ptp(x), 367),
        (np.maximum.accumulate(x), np.maximum.accumulate(DAYS)),
        (np.median(x), S.median()),
        (np.quantile(x, [0, 0.25, 1]), S.quantile([0, 0.25, 1])),
        (np.quantile(x, 0.4, method="lower"), S.quantile(0.4, interpolation="lower")),
        (np.mean(x), np.datetime64("2020-04-19")),
        (np.diff(x), np.diff(DAYS).astype(int)),
        (stats.rankdata(x), S.rank()),
        (top.values, np.sort(DAYS)[:-3:-1]),
        (top.indices, [3, 4]),
        (mode.mode, S.mode()[0]),
        (mode.count, 2),
        (distinct.values[:3], np.unique(DAYS)[:3]),
        (distinct.counts, [1, 2, 1, 1]),
        (xp.compact(x > "2020-02-28", x)[0], np.concatenate([DAYS[[0, 2, 3, 4]], DAYS[[1]]])),
        (np.clip(x, date(2020, 1, 1), "2020-03-01"), np.clip(DAYS, DAYS.dtype.type("2020-01-01"), DAYS[4])),
        (xp.maximum(x, date(2020, 3, 1)), np.maximum(DAYS, DAYS[4])),
        (xp.concat([x, x[:1]]), np.concatenate([DAYS, DAYS[:1]])),
        (xp.concat([x, [date(2020, 1, 1)]])[-1], np.datetime64("2020-01-01")),
        (xp.stack([x, x]), np.stack([DAYS, DAYS])),
    )


def test_dates_among_others() -> None:
    x = dates()
    edges = np.array(["2019-06-01", "2020-01-01", "2020-02-29", "2020-03-01", "2021-01-01", "2022-01-01"], "M8[D]")
    counts, shown = np.histogram(x, edges)
    assert np.array_equal(shown, edges)
    ends = (date(2019, 12, 30), date(2021, 1, 3))
    equal, parts = np.histogram(x, 4, range=ends)
    assert parts[0] == np.datetime64("2019-12-30") and parts[1] == np.datetime64("2020-03-31T12:00:00")
    as_days = [np.datetime64(end).astype(int) for end in ends]
    same(
        (np.searchsorted(edges, x), np.searchsorted(edges, DAYS)),
        (np.searchsorted(edges[:3], x, side="right"), np.searchsorted(edges[:3], DAYS, side="right")),
        (np.searchsorted(np.sort(x), x), np.searchsorted(np.sort(DAYS), DAYS)),
        (np.searchsorted(np.sort(x), [date(2020, 3, 1)]), np.searchsorted(np.sort(DAYS), DAYS[[4]])),
        (np.digitize(x, edges), np.searchsorted(edges, DAYS, side="right")),
        (counts, np.histogram(DAYS.astype(int), edges.astype(int))[0]),
        (equal, np.histogram(DAYS.astype(int), 4, range=as_days)[0]),
        (np.isin(x, [date(2020, 2, 29), date(2021, 1, 1)]), np.isin(DAYS, DAYS[[0, 3]])),
        (np.isin(x, edges), np.isin(DAYS, edges)),
        (x == DAYS, np.ones(5, bool)),
        (x >= DAYS[::-1], DAYS[::-1] <= DAYS),
    )


def test_dates_in_groups() -> None:
    session = TrioSession(parties=True)
    x, codes = dates(session), session.share([0, 1, 0, 4, 1], bounds=(0, 7))
    groups = S.groupby([0, 1, 0, 4, 1])
    same(
        (xp.segment_min(x, codes, 2), groups.min()[:2]),
        (xp.segment_max(x, codes, 5)[np.array([0, 1, 4])], groups.max()),
        (xp.segment_rank(x, codes), groups.rank()),
    )


def test_dates_some_of_which_are_missing() -> None:
    x = some_dates()
    s = S.where(KNOWN)
    top, mode, distinct = xp.top_k(x, 5, largest=False), stats.mode(x), xp.unique_counts(x, size=4)
    edges = DAYS[[1, 0, 3]]
    same(
        (np.sort(x), s.sort_values()),
        (np.argsort(x), s.sort_values(kind="stable").index),
        (np.min(x), s.min()),
        (x.max(), s.max()),
        (np.quantile(x, 0.5, method="lower"), s.quantile(0.5, interpolation="lower")),
        (np.quantile(x, 0.25), s.quantile(0.25)),
        (np.maximum.accumulate(x), s.cummax()),
        (stats.rankdata(x), s.rank()),
        (top.values, s.sort_values()),
        (mode.mode, s.mode()[0]),
        (distinct.counts, [2, 1, 1, 0]),
        (distinct.values, [*np.unique(DAYS[KNOWN]), np.datetime64("NaT")]),
        (np.searchsorted(edges, x), [1, np.nan, 1, 2, 2]),
        (np.digitize(x, edges), [2, np.nan, 2, 3, 2]),
        (np.histogram(x, edges)[0], [0, 4]),
        (np.isin(x, DAYS[:2]), [True, False, True, False, False]),
        (np.maximum(x, date(2020, 3, 1)), S.where(S > "2020-03-01", DAYS[4]).where(KNOWN)),
        (xp.compact(x.isna(), x)[0], s[[1, 0, 2, 3, 4]]),
    )


def categories() -> tuple[TrioSession, CategoryArray]:
    session = TrioSession(parties=True)
    column = Column(name="city", kind=ColumnKind.CATEGORY, categories=("b", "a", "c"))
    return session, CategoryArray.of_column(session.share([0, 2, 2, 1], bounds=(0, 2)), column)


def test_categories_are_told_apart_and_group() -> None:
    session, x = categories()
    mode, distinct = stats.mode(x), xp.unique_counts(x, size=3)
    values = session.share([1, 2, 3, 4])
    assert mode.mode.reveal() == "c" and mode.count.reveal() == 2
    assert distinct.values.reveal().tolist() == ["b", "a", "c"]
    assert distinct.counts.reveal().tolist() == [1, 1, 2]
    assert xp.segment_sum(values, x, 3).reveal().tolist() == [1, 4, 5]
    assert np.bincount(x).reveal().tolist() == [1, 1, 2] and x.codes.reveal().tolist() == [0, 2, 2, 1]
    assert np.isin(x, ["a", "b"]).reveal().tolist() == [True, False, False, True]
    assert (x == np.array(["b", "b", "c", "c"])).reveal().tolist() == [True, False, True, False]
    assert xp.concat([x, x[:1]]).reveal().tolist() == ["b", "c", "c", "a", "b"]
    assert xp.sort_by(values, x, descending=True)[0].reveal().tolist() == ["a", "c", "c", "b"]
    some = NullableArray.of_values(x, session.share([True, False, True, True]))
    assert stats.mode(some).mode.reveal() == "b"
    assert xp.segment_count(some, 3).reveal().tolist() == [1, 1, 1]


@pytest.mark.parametrize("what", [np.sort, np.argmax, np.median, stats.rankdata, lambda x: xp.segment_min(x, x, 3)])
def test_categories_have_no_order(what: Any) -> None:
    with pytest.raises(TypeError, match="codes gives their places"):
        what(categories()[1])


REFUSED: dict[str, tuple[Any, type[Exception], str]] = {
    "sums of dates": (lambda x: xp.segment_sum(x, x - date(2000, 1, 1), 2), TypeError, "subtract a date"),
    "running sums": (lambda x: np.cumsum(x), TypeError, "subtract a date"),
    "numbers among dates": (lambda x: np.searchsorted([1, 2, 3], x), TypeError, "datetime.date"),
    "dates among numbers": (lambda x: np.searchsorted(np.sort(x), x - date(2000, 1, 1)), TypeError, "datetime.date"),
    "no dates": (lambda x: np.isin(x, ["yesterday"]), tc.InputError, "YYYY-MM-DD"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_refused_says_what_to_do(what: str) -> None:
    call, kind, words = REFUSED[what]
    with pytest.raises(kind, match=words):
        call(dates())
