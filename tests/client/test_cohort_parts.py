"""No combination of what one question shows rests on few rows: three aggregates, what is missing, pivots, WHERE."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any

import numpy as np
import pytest

import tercet as tc
from local_tables import LocalTables
from tercet.client.aggregates import NOT_SHOWN
from tercet.errors import InputError, SmallGroupsWarning
from tercet.store.schema import Column, ColumnKind, Schema

COHORT = 5
WARDS = ("a", "b", "c", "d", "e")
SCHEMA = Schema(
    columns=(
        Column(name="ward", kind=ColumnKind.CATEGORY, categories=WARDS),
        Column(name="unit", kind=ColumnKind.CATEGORY, categories=("x", "y"), nullable=True),
        Column(name="income", kind=ColumnKind.INTEGER, lo=0, hi=10_000_000),
        Column(name="age", kind=ColumnKind.INTEGER, lo=0, hi=120),
        Column(name="smoker", kind=ColumnKind.BOOL),
        Column(name="bmi", kind=ColumnKind.INTEGER, lo=0, hi=80, nullable=True),
        Column(name="hba", kind=ColumnKind.INTEGER, lo=0, hi=80, nullable=True),
    )
)
COUNTS = {"a": 12, "b": 9, "c": 3, "d": 6, "e": 0}
ROWS = sum(COUNTS.values())
LACKING = (7,)
"""Who has no bmi; hba is missing in eight rows, and unit in two."""


def rows() -> dict[str, list[Any]]:
    return {
        "ward": [ward for ward, count in COUNTS.items() for _ in range(count)],
        "unit": [None if i in (0, 1) else "xy"[i % 2] for i in range(ROWS)],
        "income": [1000 + 37 * i for i in range(ROWS)],
        "age": [20 + i for i in range(ROWS)],
        "smoker": [i % 3 == 0 for i in range(ROWS)],
        "bmi": [None if i in LACKING else 20 + i for i in range(ROWS)],
        "hba": [None if i % 4 == 0 else 40 for i in range(ROWS)],
    }


@pytest.fixture
def net() -> Iterator[tc.Session]:
    with tc.local() as session:
        yield session


@pytest.fixture
def tables(net: tc.Session) -> LocalTables:
    found = LocalTables(net, cohort=COHORT)
    found.add("t", SCHEMA, rows())
    return found


def shown(tables: LocalTables, what: str, rest: str = "") -> list[bool]:
    (row,) = tables.query(f"SELECT {what} FROM t {rest}").rows
    return [value is not NOT_SHOWN for value in row]


ONE = "SUM(CASE WHEN {} THEN income END)"


@pytest.mark.parametrize(
    "conditions",
    [
        ("age < 30", "age > 30", "age >= 0"),  # all but one of all
        ("age < 30", "age > 29 AND age < 40", "age < 40 AND age <> 30"),
        ("smoker", "NOT smoker AND age <> 30", "TRUE"),
        ("age > 24", "age < 36", "age < 25 OR age > 32"),  # two that overlap, and what says in which part
        ("smoker OR age < 31", "smoker AND age < 31", "age < 31", "smoker AND age < 30"),
    ],
)
def test_several_that_single_out_a_row_only_together(tables: LocalTables, conditions: tuple[str, ...]) -> None:
    what = ", ".join(ONE.format(one) for one in conditions)
    assert not safe(rows(), [True] * len(conditions), conditions)
    seen = shown(tables, what)
    assert any(seen) and not all(seen) and safe(rows(), seen, conditions)


def met(data: dict[str, list[Any]], conditions: Sequence[str]) -> list[tuple[bool, ...]]:
    """Which conditions each row meets, as SQLite finds it."""
    with closing(sqlite3.connect(":memory:")) as known:
        known.execute(f"CREATE TABLE t ({', '.join(data)})")
        known.executemany(f"INSERT INTO t VALUES ({', '.join('?' * len(data))})", zip(*data.values(), strict=True))
        return known.execute(f"SELECT {', '.join(f'({one}) IS TRUE' for one in conditions)} FROM t").fetchall()


def safe(data: dict[str, list[Any]], seen: list[bool], conditions: Sequence[str]) -> bool:
    """Whether rows that the shown sums treat alike are enough, wherever there are any that some sum is about."""
    alike = Counter(
        tuple(one for one, is_shown in zip(row, seen, strict=True) if is_shown) for row in met(data, conditions)
    )
    return all(count >= COHORT for met_, count in alike.items() if any(met_))


@pytest.mark.parametrize("seed", range(8))
def test_random_questions(net: tc.Session, seed: int) -> None:
    """Whatever the conditions, and in whichever order: what is shown cuts the rows into no small part."""
    draw = np.random.default_rng(seed)
    size = int(draw.integers(12, 40))
    data = rows()
    data["age"] = draw.integers(20, 30, size).tolist()
    data["ward"] = draw.choice(WARDS, size).tolist()
    data["income"] = draw.integers(0, 1000, size).tolist()
    for name in ("unit", "smoker", "bmi", "hba"):
        data[name] = (data[name] * 2)[:size]
    tables = LocalTables(net, cohort=COHORT)
    tables.add("t", SCHEMA, data)
    for _ in range(3):
        found = []
        for _ in range(int(draw.integers(2, 6))):
            one = f"age {draw.choice(['<', '>', '=', '<>'])} {draw.integers(20, 30)}"
            other = draw.choice(["smoker", "NOT smoker", f"ward = '{draw.choice(WARDS)}'"])
            found.append(str(draw.choice([one, other, f"{one} AND {other}", f"{one} OR {other}"])))
        seen = shown(tables, ", ".join(ONE.format(one) for one in found))
        assert safe(data, seen, found), (found, seen)


def test_what_is_missing_in_few_rows(tables: LocalTables) -> None:
    """One has no bmi. How many have one is told; no sums are that differ by what that one has elsewhere."""
    assert tables.query("SELECT COUNT(*), COUNT(bmi) FROM t").rows == ((ROWS, ROWS - 1),)
    for what in ("AVG(bmi)", "STDDEV(bmi)", "SUM(bmi), SUM(income), MIN(bmi)", "COUNT(*), COUNT(hba), AVG(hba)"):
        assert all(shown(tables, what)), what
    assert shown(tables, "SUM(income), SUM(CASE WHEN bmi IS NOT NULL THEN income END)") == [True, False]
    assert shown(tables, "SUM(income), SUM(income * (bmi IS NOT NULL))") == [True, False]
    assert shown(tables, "SUM(CASE WHEN bmi IS NULL THEN income END)") == [False]
    assert shown(tables, "SUM(bmi), SUM(COALESCE(bmi, income))") == [True, False]
    assert shown(tables, "SUM(bmi), SUM(COALESCE(bmi, 0)), SUM(2 * bmi)") == [True] * 3


def test_values_that_few_rows_beyond_a_condition_have(tables: LocalTables) -> None:
    """Of those below 28 one has no bmi; of those from 44 on four have an hba."""
    below, all_ = "SUM(CASE WHEN age < 28 THEN bmi END)", "SUM(bmi)"
    assert shown(tables, f"{below}, {all_}") == [True, True]
    assert shown(tables, "SUM(CASE WHEN age < 44 THEN hba END), SUM(hba)") == [True, False]
    assert shown(tables, "SUM(CASE WHEN age < 44 THEN hba END)") == [True]
    assert shown(tables, "SUM(hba), SUM(CASE WHEN age < 44 THEN income END)") == [False, True]


def test_a_pivot_hides_what_is_small_and_no_more(tables: LocalTables) -> None:
    """c has three rows and e none; with the sum of all, what all others leave would be those of c."""
    pivot = ", ".join(ONE.format(f"ward = '{ward}'") for ward in WARDS)
    assert shown(tables, pivot) == [True, True, False, True, False]
    assert shown(tables, f"SUM(income), {pivot}") == [True, True, True, False, False, False]
    assert shown(tables, ", ".join(ONE.format(f"ward = '{ward}'") for ward in "abc")) == [True, True, False]
    by_case = ", ".join(f"SUM(CASE ward WHEN '{ward}' THEN income END)" for ward in WARDS)
    assert shown(tables, f"{by_case}, AVG(income)") == [True, True, False, False, False, True]
    tables.add("t", SCHEMA, rows() | {"ward": ["a"] * 12 + ["b"] * 9 + ["d"] * 9})
    assert shown(tables, pivot) == [True, True, False, True, False]


def test_pivots_within_groups(tables: LocalTables) -> None:
    sql = "SELECT smoker, COUNT(*), SUM(CASE WHEN age < 35 THEN income END), SUM(CASE WHEN age < 41 THEN income END)"
    found = {
        row[0]: [value is not NOT_SHOWN for value in row[1:]]
        for row in tables.query(f"{sql} FROM t GROUP BY smoker").rows
    }
    # of ten smokers five are below 35 and seven below 41
    assert found == {True: [True, True, False], False: [True, True, False]}


def test_a_condition_that_few_do_not_meet(tables: LocalTables) -> None:
    """It is shown, as its own rows are enough; beside what the same question asks of all it is not."""
    for rest in ("age <> 30", "age >= 24", "age > 0"):
        assert all(shown(tables, "COUNT(*), SUM(income), MAX(age)", f"WHERE {rest}"))
        assert shown(tables, ONE.format(rest)) == [True]
        assert shown(tables, f"SUM(income), {ONE.format(rest)}") == [True, rest == "age > 0"]
    # one takes the condition, the other what it leaves
    assert shown(tables, "SUM(CASE WHEN age > 30 THEN 0 ELSE income END), SUM(CASE WHEN age < 30 THEN income END)") == [
        True,
        False,
    ]


@pytest.mark.parametrize(
    "what",
    [
        "income - CASE WHEN age <> 30 THEN income ELSE 0 END",
        "income * (1 - CASE WHEN age <> 30 THEN 1 ELSE 0 END)",
        "income - COALESCE(CASE WHEN age <> 30 THEN income END, 0)",
        "income - COALESCE(income + 0 * bmi, 0)",  # one has no bmi
        "CASE WHEN age > 0 THEN income - CASE WHEN age <> 30 THEN income ELSE 0 END END",
        "income - (CASE WHEN age <> 30 THEN income ELSE 0 END)",
    ],
)
def test_what_a_condition_leaves_is_not_taken_from_all_within_one_aggregate(tables: LocalTables, what: str) -> None:
    """The zero beside what the others have: the sum is that of the one who is left."""
    assert shown(tables, f"SUM({what})") == shown(tables, f"AVG({what})") == [False]


def test_rows_of_no_group(tables: LocalTables) -> None:
    """groupby leaves out two rows without a unit: the counts of all groups would say so."""
    table = tables.table("t")
    with pytest.warns(SmallGroupsWarning, match="1 of 2 groups is not shown"):
        counts = table.groupby("unit").count()
    assert counts.isna().sum() == 1
    with pytest.warns(SmallGroupsWarning):
        described = table.describe()
    assert described["count"][["unit = x", "unit = y"]].isna().sum() == 1


def test_arithmetic_that_is_a_comparison(tables: LocalTables) -> None:
    """Integers of two values are bools, and distances to three neighbours pick who is in the middle."""
    assert shown(tables, "SUM(income), SUM(income * (ABS(age - 29) - 2 * ABS(age - 30) + ABS(age - 31)))") == [
        True,
        False,
    ]
    distances = ", ".join(f"SUM(income * ABS(age - {k}))" for k in (29, 30, 31))
    assert shown(tables, distances) == [True, False, False]
    assert shown(tables, "SUM(ABS(age)), SUM(income * ABS(age - 30))") == [True, True]
    kind = Column(name="kind", kind=ColumnKind.INTEGER, lo=3, hi=4)
    few = rows() | {"kind": [4 if i in (7, 9) else 3 for i in range(ROWS)]}
    tables.add("u", Schema(columns=(*SCHEMA.columns, kind)), few)
    for what in ("SUM(income * kind)", "SUM(income * (4 - kind))", "SUM(kind)", "AVG(2 * kind)"):
        assert tables.query(f"SELECT COUNT(*), {what} FROM u").rows == ((ROWS, NOT_SHOWN),)
    with pytest.warns(SmallGroupsWarning):
        sums = tables.table("u").groupby("smoker").sum(["kind", "income"])
    assert sums["kind"].isna().all() and not sums["income"].isna().any()


def test_rows_of_who_asks_hide_nobody(net: tc.Session) -> None:
    """Who brings rows like one of another's would see that one's value in the sum over all of them."""
    mine = LocalTables(net, cohort=COHORT, own=[(0, 7), (20, 24)])
    mine.add("t", SCHEMA, rows())
    assert shown(mine, "COUNT(*), SUM(income)") == [True, True]
    assert shown(mine, ONE.format("age < 31")) == [False]  # eleven, of whom four are of others
    assert shown(mine, ONE.format("age < 32")) == [True]
    assert shown(mine, "SUM(income)", "WHERE age < 31") == [False]
    counts = dict(mine.query("SELECT ward, COUNT(*) FROM t GROUP BY ward").rows)
    # of a's twelve rows seven are own, of b's one, of c's three all
    assert counts == {"a": 12, "b": 9, "c": NOT_SHOWN, "d": 6, "e": NOT_SHOWN}
    assert shown(mine, "COUNT(hba), SUM(hba)") == [True, True]
    table = mine.table("t")
    assert table.hiding.count == ROWS - 11
    # of a table that they have brought alone, all rows count, as for everybody
    mine.own = [[0, ROWS]]
    assert shown(mine, ONE.format("age < 31")) == [True] and shown(mine, ONE.format("age < 23")) == [False]


def test_too_many_conditions_are_refused_by_name(tables: LocalTables) -> None:
    many = ", ".join(ONE.format(f"age < {k}") for k in range(20, 33))
    with pytest.raises(InputError, match="up to 8,192 parts, of which each must be empty or large enough; 4,096"):
        tables.query(f"SELECT {many} FROM t")
    assert shown(tables, ", ".join(ONE.format(f"ward = '{ward}' AND age > 10") for ward in "ab")) == [True, True]
