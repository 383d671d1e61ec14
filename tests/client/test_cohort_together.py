"""What several aggregates of one question tell together rests on enough rows, too."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import tercet as tc
from local_tables import LocalTables
from tercet.client.aggregates import NOT_SHOWN
from tercet.errors import SmallGroupsWarning
from tercet.store.schema import Column, ColumnKind, Schema

SCHEMA = Schema(
    columns=(
        Column(name="ward", kind=ColumnKind.CATEGORY, categories=("a", "b", "c")),
        Column(name="income", kind=ColumnKind.INTEGER, lo=0, hi=10_000_000),
        Column(name="age", kind=ColumnKind.INTEGER, lo=0, hi=120),
        Column(name="smoker", kind=ColumnKind.BOOL),
        Column(name="bmi", kind=ColumnKind.INTEGER, lo=0, hi=80, nullable=True),
    )
)
ROWS = 20
INCOME = [1000 + 37 * i for i in range(ROWS)]
TARGET = 7
"""Who is 27 years old, alone, and alone without a bmi."""


@pytest.fixture
def tables() -> Iterator[LocalTables]:
    with tc.local() as net:
        found = LocalTables(net, cohort=5)
        found.add(
            "t",
            SCHEMA,
            {
                "ward": ["a"] * 10 + ["b"] * 9 + ["c"],
                "income": INCOME,
                "age": [20 + i for i in range(ROWS)],
                "smoker": [True] * 10 + [False] * 10,
                "bmi": [None if i == TARGET else 20 + i for i in range(ROWS)],
            },
        )
        yield found


def shown(tables: LocalTables, what: str) -> list[bool]:
    (row,) = tables.query(f"SELECT {what} FROM t").rows
    return [value is not NOT_SHOWN for value in row]


@pytest.mark.parametrize(
    "left_out",
    [
        "SUM(income * (age <> 27))",
        "SUM(income * (1 - (age = 27)))",
        "SUM(ABS(income * (age <> 27)))",
        "SUM(income + 0 * bmi)",  # of those who have a bmi
        "SUM(income * bmi / bmi)",
        "SUM(income + 0 / (age - 27))",  # of those for whom nothing is divided by zero
        "AVG(income / (age - 27) * (age - 27))",
        "COUNT(1 / (age - 27))",
        "SUM(income * (bmi IS NOT NULL))",
        "SUM(COALESCE(bmi, income))",
        "SUM(NULLIF(income, 1259))",
        "MIN(CASE WHEN age <> 27 THEN income END)",
    ],
)
def test_the_one_who_is_left_out(tables: LocalTables, left_out: str) -> None:
    assert shown(tables, f"SUM(income), {left_out}") == [True, False]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SUM(CASE WHEN age < 27 THEN income END)", "SUM(CASE WHEN age <= 27 THEN income END)"),
        ("SUM(income * (age < 27))", "SUM(income * (age <= 27))"),
        ("COUNT(CASE WHEN age < 27 THEN 1 END)", "AVG(CASE WHEN age < 28 THEN income END)"),
        ("SUM(CASE WHEN age < 27 THEN income ELSE 1 END)", "SUM(CASE WHEN age > 27 THEN 1 ELSE income END)"),
    ],
)
def test_two_that_differ_by_one(tables: LocalTables, one: str, other: str) -> None:
    """The first is shown, and the other is what would tell the one apart."""
    assert shown(tables, f"{one}, {other}") == [True, False]
    assert shown(tables, f"{other}, {one}") == [True, False]
    assert shown(tables, one) == shown(tables, other) == [True]


def test_two_that_differ_by_enough_are_shown(tables: LocalTables) -> None:
    what = "SUM(CASE WHEN age < 26 THEN income END), SUM(CASE WHEN age < 33 THEN income END), SUM(income), SUM(bmi)"
    assert tables.query(f"SELECT {what} FROM t").rows == ((sum(INCOME[:6]), sum(INCOME[:13]), sum(INCOME), 563),)
    assert shown(tables, "SUM(income * smoker), SUM(smoker), SUM(income), SUM(income * bmi)") == [True] * 3 + [False]


def test_a_small_group_alone_is_not_what_the_others_leave(tables: LocalTables) -> None:
    """One of c: the rows of the table are known, and those of a and b would say how many c has, and what."""
    found = tables.query("SELECT ward, COUNT(*), SUM(income), AVG(bmi) FROM t GROUP BY ward")
    assert [row[0] for row in found.rows if NOT_SHOWN in row] == ["b", "c"]
    assert found.rows[0][1:3] == (10, sum(INCOME[:10])) and found.rows[1][1:] == (NOT_SHOWN,) * 3
    table: Any = tables.table("t")
    with pytest.warns(SmallGroupsWarning, match="2 of 3"):
        counts = table.groupby("ward").count()
    assert counts["a"] == 10 and counts[["b", "c"]].isna().all()
    with pytest.warns(SmallGroupsWarning):
        described = table.describe()
    assert described["count"][["ward = b", "ward = c"]].isna().all() and described["count"]["ward = a"] == 10
    # two groups of enough rows, and none that is small
    assert not table.groupby("smoker").count().isna().any()
