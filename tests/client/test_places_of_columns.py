"""Elements of decimals, dates, categories and missing values at secret places; and sums of them by bins."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pytest

import tercet as tc
from plan_trio import TrioSession
from tercet.array.decimals import DecimalArray
from tercet.array.nullable import NullableArray
from tercet.client.column_arrays import CategoryArray, DateArray
from tercet.store.schema import Column, ColumnKind

xp = tc.array
DAYS = np.array(["2020-02-29", "2019-12-31", "2021-01-01"], "datetime64[D]")
COLUMNS = {
    "dates": Column(name="seen", kind=ColumnKind.DATE, lo=date(2019, 1, 1), hi=date(2022, 12, 31)),
    "categories": Column(name="city", kind=ColumnKind.CATEGORY, categories=("b", "a", "c")),
}


def made(session: TrioSession, kind: str) -> tuple[Any, list[Any]]:
    """An array of three elements, and what they are revealed as."""
    if kind == "dates":
        stored = session.share(DAYS.astype(np.int64), bounds=(17897, 19357))
        return DateArray.of_column(stored, COLUMNS[kind]), list(DAYS)
    if kind == "categories":
        return CategoryArray.of_column(session.share([0, 2, 1], bounds=(0, 2)), COLUMNS[kind]), ["b", "c", "a"]
    if kind == "decimals":
        return DecimalArray.of(session.share([125, 99, -7], bounds=(-200, 200)), 2), ["1.25", "0.99", "-0.07"]
    values = session.share([5, 6, 7], bounds=(0, 9))
    if kind == "missing":
        return NullableArray.of_values(values, session.share([True, False, True])), [5, None, 7]
    return values / 4, [1.25, 1.5, 1.75]


def shown(found: Any) -> list[Any]:
    plain = found.reveal()
    if isinstance(plain, np.ma.MaskedArray):
        return [None if gone else one for one, gone in zip(plain.data, np.ma.getmaskarray(plain), strict=True)]
    return [str(one) for one in plain] if plain.dtype == object else list(plain)


@pytest.mark.parametrize("kind", ["dates", "categories", "decimals", "missing", "quotients"])
def test_what_is_read_and_put_stays_what_it_is(kind: str) -> None:
    session = TrioSession(parties=True)
    x, expected = made(session, kind)
    places = session.share([2, 0, 1, 2], bounds=(0, 2))
    at = [2, 0, 1, 2]
    assert shown(xp.lookup(x, places)) == [expected[one] for one in at]
    assert shown(xp.take(x, places, axis=0)) == [expected[one] for one in at]
    assert shown(xp.take_along_axis(x, places, axis=0)) == [expected[one] for one in at]
    if kind != "quotients":
        assert shown(xp.put(x, places[:1], x[:1])) == [*expected[:2], expected[0]]


def test_what_is_read_at_a_missing_place_is_missing() -> None:
    session = TrioSession(parties=True)
    places = NullableArray.of_values(session.share([2, 0, 1]), session.share([True, False, True]))
    assert shown(xp.lookup([10, 20, 30], places)) == [30, None, 20]
    table = xp.lookup(np.arange(6).reshape(3, 2), places).reveal()
    assert table.mask.tolist() == [[False] * 2, [True] * 2, [False] * 2] and table[0].tolist() == [4, 5]
    city, _ = made(session, "categories")
    assert shown(xp.lookup([10, 20, 30], city)) == [10, 30, 20]


def test_weights_stay_what_they_are() -> None:
    session = TrioSession(parties=True)
    bins = session.share([1, 0, 1], bounds=(0, 1))
    fees, _ = made(session, "decimals")
    some, _ = made(session, "missing")
    assert shown(np.bincount(bins, weights=fees)) == ["0.99", "1.18"]
    assert shown(np.bincount(bins, weights=fees, minlength=3)) == ["0.99", "1.18", "0.00"]
    assert shown(np.bincount(bins, weights=some)) == [0, 12]
    assert shown(np.histogram(bins, [0, 1, 2], weights=some)[0]) == [0, 12]
    assert shown(np.bincount(bins, weights=[1.5, 2, 4])) == [2, 5.5]


def test_places_of_categories_of_which_some_are_missing() -> None:
    session = TrioSession()
    x, _ = made(session, "categories")
    found = NullableArray.of_values(x, session.share([True, False, True]))
    assert shown(found.codes) == [0, None, 1]
    assert np.bincount(found.codes, minlength=3).reveal().tolist() == [1, 1, 0]
    assert shown(xp.lookup([1.5, 2.5, 9.0], found.codes)) == [1.5, None, 2.5]
    missing, _ = made(session, "missing")
    with pytest.raises(AttributeError, match="codes"):
        _ = missing.codes
