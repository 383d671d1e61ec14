"""What rests on too few rows is not shown, and does not become plain."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import tercet as tc
from local_tables import LocalTables
from tercet.client.aggregates import NOT_SHOWN
from tercet.errors import SmallGroupsWarning
from tercet.store.schema import Column, ColumnKind, Schema

WARDS = ("a", "b", "c", "d")
SCHEMA = Schema(
    columns=(
        Column(name="ward", kind=ColumnKind.CATEGORY, categories=WARDS),
        Column(name="income", kind=ColumnKind.INTEGER, lo=0, hi=10_000_000),
        Column(name="age", kind=ColumnKind.INTEGER, lo=0, hi=120),
        Column(name="smoker", kind=ColumnKind.BOOL),
        Column(name="bmi", kind=ColumnKind.DECIMAL, lo=0, hi=80, digits=1, nullable=True),
    )
)
COUNTS = {"a": 7, "b": 1, "c": 4, "d": 0}
ROWS = sum(COUNTS.values())


def rows() -> dict[str, list[Any]]:
    rng = np.random.default_rng(4)
    return {
        "ward": [ward for ward, count in COUNTS.items() for _ in range(count)],
        "income": rng.integers(20_000, 90_000, ROWS).tolist(),
        "age": [20, 25, 30, 35, 40, 45, 50, 37, 61, 62, 63, 64],
        "smoker": [True, True, *[False] * (ROWS - 2)],
        "bmi": [20.5, None, 30.1, None, 22.0, None, 25.0, 31.0, None, None, None, None],
    }


@pytest.fixture
def net() -> Iterator[tc.Session]:
    with tc.local() as session:
        yield session


@pytest.fixture
def tables(net: tc.Session) -> LocalTables:
    found = LocalTables(net, cohort=5)
    found.add("t", SCHEMA, rows())
    return found


def ask(tables: LocalTables, sql: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in tables.query(sql).rows]


def test_groups_of_fewer_are_not_shown(tables: LocalTables) -> None:
    found = tables.query(
        "SELECT ward, COUNT(*), SUM(income), AVG(income), STDDEV(income), MAX(age) FROM t GROUP BY ward"
    )
    shown = {row[0]: row[1:] for row in found.rows}
    incomes = rows()["income"][:7]
    assert shown["a"][:2] == (7, sum(incomes))
    assert shown["a"][2] == pytest.approx(np.mean(incomes)) and shown["a"][3] == pytest.approx(np.std(incomes, ddof=1))
    for ward in ("b", "c", "d"):
        assert shown[ward] == (NOT_SHOWN,) * 5
    assert found.note == (
        "3 of 4 groups are not shown, or not wholly: "
        "fewer than 5 rows are in them, meet a condition or are left out by one"
    )
    assert found.note in repr(found) and "not shown" in repr(found)


def test_what_is_not_shown_is_not_revealed(
    tables: LocalTables, net: tc.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plan itself gives zeros: whoever reads its results finds nothing of groups b, c and d."""
    seen: list[Any] = []
    run = net._run

    def watched(*args: Any, **kwargs: Any) -> list[Any]:
        found = run(*args, **kwargs)
        seen.extend(found)
        return found

    monkeypatch.setattr(net, "_run", watched)
    tables.query("SELECT ward, COUNT(*), SUM(income), MIN(age), COUNT(bmi) FROM t GROUP BY ward")
    plain = [int(value) for array in seen if array is not None for value in np.asarray(array).reshape(-1)]
    data = rows()
    for ward in ("b", "c"):
        mine = [i for i, name in enumerate(data["ward"]) if name == ward]
        assert sum(data["income"][i] for i in mine) not in plain
        assert min(data["age"][i] for i in mine) not in plain
    assert 4 not in plain  # the number of rows of c, nor of a's values of bmi


@pytest.mark.parametrize(
    ("sql", "shown"),
    [
        ("SELECT SUM(income) FROM t WHERE age = 37", False),
        ("SELECT COUNT(*) FROM t WHERE age > 60", False),
        ("SELECT COUNT(*) FROM t WHERE age > 45", True),
        ("SELECT SUM(CASE WHEN age = 37 THEN income ELSE 0 END) FROM t", False),
        ("SELECT SUM(CASE WHEN age <> 37 THEN income ELSE 0 END), SUM(income) FROM t", None),  # who is left out
        ("SELECT SUM(CASE WHEN age > 40 THEN income ELSE 0 END) FROM t", True),
        ("SELECT SUM(CASE WHEN age >= 0 THEN income ELSE 0 END) FROM t", True),  # nobody is left out
        ("SELECT SUM(CASE WHEN age < 30 THEN 1 WHEN age < 60 THEN 2 ELSE 3 END) FROM t", False),
        ("SELECT SUM(CASE age WHEN 37 THEN income END) FROM t", False),
        ("SELECT COUNT(CASE WHEN age = 37 THEN 1 END) FROM t", False),
        ("SELECT SUM(income * (age = 37)) FROM t", False),
        ("SELECT SUM(income * (age > 40)) FROM t", True),
        ("SELECT SUM(smoker) FROM t", False),
        ("SELECT AVG(smoker) FROM t", False),
        ("SELECT COUNT(smoker) FROM t", True),
        ("SELECT COUNT(NULLIF(age, 37)) FROM t", False),
        ("SELECT SUM(NULLIF(age, 99)) FROM t", True),
        ("SELECT AVG(bmi) FROM t", True),
        ("SELECT AVG(bmi) FROM t WHERE ward = 'a'", False),  # four of seven have a value
        ("SELECT COUNT(bmi), COUNT(*) FROM t WHERE ward = 'a'", None),
        ("SELECT MAX(income) FROM t WHERE ward = 'c'", False),
        ("SELECT VAR_POP(income) FROM t WHERE smoker", False),
    ],
)
def test_conditions_of_every_kind(tables: LocalTables, sql: str, shown: bool | None) -> None:
    found = tables.query(sql)
    hidden = [value is NOT_SHOWN for value in found.rows[0]]
    if shown is None:
        assert hidden == [True, False]
    else:
        assert hidden == [not shown] * len(hidden)
        assert bool(found.note) is not shown


def test_frames_say_so(tables: LocalTables) -> None:
    table = tables.table("t")
    with pytest.warns(SmallGroupsWarning, match="3 of 4 groups are not shown"):
        counts = table.groupby("ward").count()
    assert counts["a"] == 7 and counts[["b", "c", "d"]].isna().all()
    with pytest.warns(SmallGroupsWarning, match="3 of 4 groups"):
        means = table.groupby("ward").mean(["income"])
    assert means.loc["a", "income"] == pytest.approx(np.mean(rows()["income"][:7]))
    assert math.isnan(means.loc["b", "income"]) and "fewer than 5 rows" in means.attrs["note"]
    with pytest.warns(SmallGroupsWarning):
        described = table.describe()
    assert math.isnan(described.loc["ward = b", "count"]) and described.loc["ward = a", "count"] == 7
    assert math.isnan(described.loc["smoker", "mean"]) and described.loc["income", "count"] == ROWS


def test_a_table_of_fewer_rows_says_nothing(net: tc.Session) -> None:
    tables = LocalTables(net, cohort=5)
    small = {name: values[:4] for name, values in rows().items()}
    tables.add("t", SCHEMA, small)
    assert ask(tables, "SELECT COUNT(*), SUM(income), MAX(age), VAR_POP(age) FROM t") == [(NOT_SHOWN,) * 4]


def test_no_cohort_shows_all(net: tc.Session) -> None:
    tables = LocalTables(net, cohort=0)
    tables.add("t", SCHEMA, rows())
    assert ask(tables, "SELECT ward, COUNT(*) FROM t GROUP BY ward") == list(COUNTS.items())
