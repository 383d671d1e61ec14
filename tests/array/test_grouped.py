"""Values within secret groups against pandas: running, shifted, ranked, of whole groups, of windows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tercet as tc
from tercet.array import Grouped
from tercet.array.decimals import DecimalArray
from tercet.array.nullable import NullableArray
from tercet.client.column_arrays import CategoryArray, DateArray
from tercet.client.session import Session
from tercet.errors import InputError
from tercet.store.schema import Schema

RNG = np.random.default_rng(3)


@pytest.fixture(scope="module")
def net() -> Iterator[Session]:
    with tc.local() as session:
        yield session


def frame(rows: int, groups: int) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "key": RNG.integers(0, groups, rows),
            "time": RNG.integers(-50, 2000, rows),
            "x": RNG.integers(-400, 900, rows) / 8,
        }
    )


def same(found: Any, wanted: Any, error: float = 0.0) -> None:
    plain = found.reveal()
    if isinstance(plain, np.ma.MaskedArray):
        plain = plain.astype(np.float64).filled(np.nan)
    assert np.asarray(plain, np.float64) == pytest.approx(np.asarray(wanted, np.float64), abs=error, nan_ok=True)


SHAPES = [(1, 1), (2, 1), (7, 3), (64, 64), (150, 12)]


@pytest.mark.parametrize(("rows", "groups"), SHAPES)
def test_in_the_order_of_rows(net: Session, rows: int, groups: int) -> None:
    data = frame(rows, groups)
    by = Grouped(net.share(data.key.to_numpy(), bounds=(-3, 70)))
    x, wanted = net.share(data.x.to_numpy(), bounds=(-1000, 1000)), data.groupby("key").x
    same(by.cumcount(), wanted.cumcount())
    same(by.cumsum(x), wanted.cumsum())
    same(by.cummax(x), wanted.cummax())
    same(by.cummin(x), wanted.cummin())
    for periods in (0, 1, 3, -2, rows + 1):
        same(by.shift(x, periods), wanted.shift(periods))
    same(by.diff(x), wanted.diff())
    same(by.rank(x), wanted.rank())
    for how in ("sum", "count", "min", "max", "first", "last"):
        same(by.transform(x, how), wanted.transform(how))
    same(by.transform(x, "mean"), wanted.transform("mean"), 2**-14)


@pytest.mark.parametrize(("rows", "groups"), [(1, 1), (40, 2), (120, 10)])
def test_windows(net: Session, rows: int, groups: int) -> None:
    data = frame(rows, groups)
    times = net.share(data.time.to_numpy(), bounds=(-100, 5000))
    by = Grouped(net.share(data.key.to_numpy(), bounds=(0, 20)), order=times, ties="first")
    x = net.share(data.x.to_numpy(), bounds=(-1000, 1000))
    ordered = data.sort_values("time", kind="stable")
    ordered["day"] = pd.to_datetime(ordered.time, unit="s")
    same(by.cumsum(x), ordered.groupby("key").x.cumsum().sort_index())
    parts = [part.rolling("300s", on="day").x for _, part in ordered.groupby("key")]
    same(by.rolling_count(300), pd.concat([part.count() for part in parts]).sort_index())
    same(by.rolling_sum(x, 300), pd.concat([part.sum() for part in parts]).sort_index(), 1e-9)
    same(by.rolling_mean(x, 300), pd.concat([part.mean() for part in parts]).sort_index(), 2**-13)


KINDS = ("integers", "fixed point", "quotients", "negative quotients", "decimals", "bools", "constants")


def column(net: Session, kind: str, raw: Any) -> tuple[Any, Any]:
    """A secret column and its values."""
    x, lo, hi = net.share(raw, bounds=(-30, 40)), -30, 40
    return {
        "integers": lambda: (x, raw),
        "fixed point": lambda: (net.share(raw / 8, bounds=(lo, hi)), raw / 8),
        "quotients": lambda: (x / 3, raw / 3),
        "negative quotients": lambda: (x / -3, raw / -3),
        "decimals": lambda: (DecimalArray.of(x, 2), raw / 100),
        "bools": lambda: (x > 0, (raw > 0) * 1),
        "constants": lambda: (net.share(raw * 0 + 7, bounds=(7, 7)), raw * 0 + 7),
    }[kind]()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("ties", ["alike", "first"])
def test_random_programs(net: Session, kind: str, ties: str) -> None:
    """Of many ties, few rows, single groups and keys below 0, against pandas and against what the words say."""
    rng = np.random.default_rng([KINDS.index(kind), len(ties)])
    for rows, groups in [(17, 4), (9, 40)] if ties == "alike" else [(17, 4)]:
        keys, raw, when = rng.integers(-groups, groups, rows), rng.integers(-30, 41, rows), rng.integers(-4, 5, rows)
        x, plain = column(net, kind, raw)
        times, at = column(net, KINDS[int(rng.integers(5))], when)
        by = Grouped(net.share(keys, bounds=(-groups, groups)), order=times, ties=ties)
        places = np.empty(rows, np.int64)
        places[np.argsort(at, kind="stable")] = np.arange(rows)
        window = float(rng.choice([0.5, 1, 2.5, 1000]))
        level = at if ties == "alike" else places
        before = (keys == keys[:, None]) & (level < level[:, None])
        up_to = (keys == keys[:, None]) & (level <= level[:, None])
        within = up_to & (at > at[:, None] - window + 1e-9)
        of_pandas = pd.Series(np.asarray(plain, np.float64)).groupby(keys)
        wanted = {
            "cumcount": (by.cumcount(), before.sum(1)),
            "cumsum": (by.cumsum(x), up_to @ plain),
            "count": (by.rolling_count(window), within.sum(1)),
            "sum": (by.rolling_sum(x, window), within @ plain),
            "mean": (by.rolling_mean(x, window), within @ plain / within.sum(1)),
        }
        wanted |= {f"all {how}": (by.transform(x, how), of_pandas.transform(how)) for how in ("sum", "mean", "count")}
        wanted |= {how: (by.transform(x, how), of_pandas.transform(how)) for how in ("min", "max")}
        wanted |= {how: (by.rank(x, how), of_pandas.rank(how)) for how in ("average", "min", "max", "dense")}
        for (name, (_, right)), found in zip(
            wanted.items(), tc.reveal(*(found for found, _ in wanted.values())), strict=True
        ):
            error = 2**-13 if "mean" in name else 1e-6
            assert np.asarray(found, np.float64) == pytest.approx(np.asarray(right, np.float64), abs=error), name


def test_rows_that_change_places_change_nothing_else(net: Session) -> None:
    """What counts as resting on all rows commutes with every order of the rows, also where all else is alike."""
    rng = np.random.default_rng(8)
    keys, when, raw = rng.integers(0, 3, 20), rng.integers(0, 3, 20), rng.integers(0, 4, 20)

    def found(order: Any) -> Any:
        by = Grouped(net.share(keys[order], bounds=(0, 3)), order=net.share(when[order], bounds=(0, 3)))
        x = net.share(raw[order], bounds=(0, 4))
        hows = [by.transform(x, how) for how in ("sum", "mean", "count", "min", "max")]
        running = [by.cumsum(x), by.cumcount(), by.rolling_sum(x, 2), by.rolling_count(1), by.rolling_mean(x, 2)]
        return np.array(tc.reveal(*hows, *running, *(by.rank(x, method) for method in ("average", "min", "max"))))

    order = rng.permutation(20)
    differ = np.abs(found(order) - found(np.arange(20))[:, order])
    assert np.delete(differ, [1, 9], axis=0).max() == 0
    assert differ.max() < 2**-14  # quotients are rounded by coins


def test_several_keys_of_other_kinds(net: Session) -> None:
    data = frame(80, 4)
    flag = RNG.random(80) < 0.5
    by = Grouped([net.share(data.key.to_numpy(), bounds=(0, 5)), net.share(flag)])
    x = net.share(data.x.to_numpy(), bounds=(-1000, 1000))
    same(by.cumsum(x), data.groupby([data.key, flag]).x.cumsum())
    same(by.transform(net.share(flag), "sum"), pd.Series(flag * 1).groupby([data.key, flag]).transform("sum"))


def test_dates_and_categories(net: Session) -> None:
    """Dates stay dates where they are chosen, order rows, and are not added up; categories have no order."""
    schema = Schema.parse(
        {
            "columns": [
                {"name": "day", "kind": "date", "lo": date(1970, 1, 1), "hi": date(1970, 3, 2)},
                {"name": "shop", "kind": "category", "categories": ["a", "b"]},
            ]
        }
    )
    day = DateArray.of_column(net.share([5, 5, 9, 40], bounds=(0, 60)), schema["day"])
    shop = CategoryArray.of_column(net.share([0, 1, 0, 0], bounds=(0, 1)), schema["shop"])
    by = Grouped(shop, order=day)
    assert list(by.rolling_count(7).reveal()) == [1, 1, 2, 1]
    assert [str(found) for found in by.transform(day, "max").reveal()] == [
        "1970-02-10",
        "1970-01-06",
        *["1970-02-10"] * 2,
    ]
    assert [str(found) for found in by.cummax(day).reveal()] == ["1970-01-06", "1970-01-06", "1970-01-10", "1970-02-10"]
    assert list(by.rank(day).reveal()) == [1, 1, 2, 3]
    assert list(by.transform(shop, "first").reveal()) == ["a", "b", "a", "a"]
    for refused in (
        lambda: by.cumsum(day),
        lambda: by.transform(day, "mean"),
        lambda: by.rolling_sum(day, 3),
        lambda: by.cummax(shop),
        lambda: by.rank(shop),
        lambda: Grouped(day - date(1970, 1, 1), order=shop).rolling_count(2),
    ):
        with pytest.raises(TypeError, match=r"column (day|shop) holds"):
            refused()


def test_decimals_stay_exact(net: Session) -> None:
    cents = RNG.integers(0, 10_000, 50)
    keys = RNG.integers(0, 5, 50)
    amount = DecimalArray.of(net.share(cents, bounds=(0, 10_000)), 2)
    found = Grouped(net.share(keys, bounds=(0, 5))).cumsum(amount)
    assert isinstance(found, DecimalArray)
    same(found * 100, pd.Series(cents).groupby(keys).cumsum())


def test_nothing_grows_with_groups(net: Session) -> None:
    """The plan has as many operations for two groups as for a million."""
    sizes = []
    for most in (1, 10**6):
        by = Grouped(net.share(np.zeros(30, np.int64), bounds=(0, most)))
        sizes.append(len(str(tc.explain(by.cumsum(net.share(np.arange(30), bounds=(0, 30))))).splitlines()))
    assert abs(sizes[0] - sizes[1]) < 15


def test_what_is_refused(net: Session) -> None:
    keys, x = net.share([0, 1, 1], bounds=(0, 1)), net.share([1.5, 2, 3], bounds=(0, 9))
    gaps = NullableArray.of_values(x, x > 2)
    with pytest.raises(TypeError, match="secret columns"):
        Grouped(np.array([0, 1, 1]))
    with pytest.raises(TypeError, match="integers"):
        Grouped(x)
    with pytest.raises(InputError, match="missing values"):
        Grouped(keys).cumsum(gaps)
    with pytest.raises(InputError, match="for 3 rows"):
        Grouped(keys).cumsum(x[:2])
    with pytest.raises(InputError, match="transform 'mode'"):
        Grouped(keys).transform(x, "mode")
    with pytest.raises(InputError, match="order of rows"):
        Grouped(keys).rolling_count(3)
    with pytest.raises(InputError, match="ties 'last'"):
        Grouped(keys, order=x, ties="last")
    with pytest.raises(InputError, match="positive width"):
        Grouped(keys, order=x).rolling_count(0)
    with pytest.raises(TypeError, match="periods"):
        Grouped(keys).shift(x, 1.5)  # type: ignore[arg-type]
