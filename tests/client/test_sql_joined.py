"""SQL over two tables that are joined gives what SQLite gives, whatever kind the second table's columns are of."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest

import tercet as tc
from local_tables import LocalTables
from tercet.errors import InputError
from tercet.store.schema import Schema

PEOPLE = Schema.parse(
    {
        "columns": [
            {"name": "person", "kind": "key", "key": "integer"},
            {"name": "age", "kind": "integer", "lo": 0, "hi": 120},
            {"name": "seen", "kind": "date", "lo": "2020-01-01", "hi": "2020-12-31", "nullable": True},
            {"name": "ward", "kind": "category", "categories": ["a", "b"]},
        ]
    }
)
SCORES = Schema.parse(
    {
        "columns": [
            {"name": "person", "kind": "key", "key": "integer"},
            {"name": "score", "kind": "decimal", "digits": 1, "lo": 0, "hi": 10},
            {"name": "passed", "kind": "bool"},
            {"name": "again", "kind": "bool", "nullable": True},
            {"name": "grade", "kind": "category", "categories": ["x", "y"]},
            {"name": "day", "kind": "date", "lo": "2020-01-01", "hi": "2020-12-31"},
        ]
    }
)
PEOPLE_ROWS: dict[str, list[Any]] = {
    "person": [1, 2, 3, 4, 5, 6],
    "age": [30, 40, 50, 60, 70, 80],
    "seen": [date(2020, 3, 1), None, date(2020, 2, 28), date(2020, 12, 31), None, date(2020, 5, 5)],
    "ward": ["a", "b", "a", "b", "a", "b"],
}
SCORE_ROWS: dict[str, list[Any]] = {
    "person": [6, 2, 9, 4, 1],
    "score": [7.5, 0.5, 3.0, 10.0, 2.5],
    "passed": [True, False, True, True, False],
    "again": [None, True, False, None, True],
    "grade": ["x", "y", "x", "y", "y"],
    "day": [date(2020, 1, 2), date(2020, 7, 1), date(2020, 1, 1), date(2020, 2, 2), date(2020, 7, 1)],
}
QUERIES = [
    ("", "COUNT(*), COUNT(passed), SUM(passed), AVG(score), COUNT(again), SUM(again)", ""),
    ("passed", "COUNT(*), SUM(age), MAX(score)", ""),
    ("again", "COUNT(*), SUM(score)", "WHERE age > 30"),
    ("grade, passed", "COUNT(*), AVG(age)", ""),
    ("ward", "COUNT(CASE WHEN passed THEN 1 END), SUM(CASE WHEN NOT passed THEN age ELSE 0 END)", ""),
    ("", "COUNT(*)", "WHERE passed AND NOT again"),
    ("", "COUNT(*)", "WHERE passed OR grade IS NULL"),
    ("", "COUNT(*)", "WHERE (passed IS NOT TRUE) AND COALESCE(again, passed)"),
    ("", "COUNT(*), COUNT(day)", "WHERE day > seen OR COALESCE(seen, day) = '2020-07-01'"),
    ("", "COUNT(NULLIF(grade, 'x')), SUM(NULLIF(1, passed + 0)), SUM(NULLIF(score, 0.5))", ""),
]


@pytest.fixture
def tables() -> Iterator[LocalTables]:
    with tc.local() as session:
        found = LocalTables(session)
        found.add("people", PEOPLE, PEOPLE_ROWS)
        found.add("scores", SCORES, SCORE_ROWS)
        yield found


def in_sqlite(sql: str) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(":memory:")
    for name, rows in (("people", PEOPLE_ROWS), ("scores", SCORE_ROWS)):
        connection.execute(f"CREATE TABLE {name} ({', '.join(rows)})")
        plain = [[str(value) if isinstance(value, date) else value for value in column] for column in rows.values()]
        places = ", ".join("?" * len(rows))
        connection.executemany(f"INSERT INTO {name} VALUES ({places})", list(zip(*plain, strict=True)))
    found = connection.execute(sql).fetchall()
    connection.close()
    return found


@pytest.mark.parametrize("how", ["JOIN", "LEFT JOIN"])
@pytest.mark.parametrize(("keys", "what", "where"), QUERIES)
def test_as_sqlite(tables: LocalTables, how: str, keys: str, what: str, where: str) -> None:
    sql = f"SELECT {keys}{', ' * bool(keys)}{what} FROM people {how} scores ON people.person = scores.person {where}"
    sql += f" GROUP BY {keys}" * bool(keys)
    count = keys.count(",") + 1 if keys else 0
    wanted = {row[:count]: row[count:] for row in in_sqlite(sql)}
    for row in tables.query(sql).rows:
        theirs = wanted.pop(tuple(row[:count]), None)
        if theirs is None:
            assert not any(row[count:])
        else:
            mine = [None if value is None else float(value) for value in row[count:]]
            assert mine == [value if value is None else pytest.approx(value) for value in theirs]
    assert not wanted


def test_days_between_the_first_and_the_last_date(tables: LocalTables) -> None:
    sql = "SELECT MAX(seen) - MIN(seen), (MAX(day) - MIN(seen)) / 2.0 FROM people LEFT JOIN scores USING (person)"
    assert tables.query(sql).rows == ((307, 62.0),)


@pytest.mark.parametrize(
    ("what", "match"),
    [
        ("MAX(seen) + 1", r"MAX\(seen\) is no number"),
        ("COUNT(*) * (MIN(seen))", r"\(MIN\(seen\)\) is no number"),
        ("MAX(seen) - SUM(age)", r"MAX\(seen\) is no number"),
        ("ward + 1", "ward is no number"),
        ("SUM(NULLIF('a', ward))", "is of no column"),
    ],
)
def test_what_is_no_number_is_refused_before_anything_runs(tables: LocalTables, what: str, match: str) -> None:
    with pytest.raises(InputError, match=match):
        tables.query(f"SELECT ward, {what} FROM people GROUP BY ward")
