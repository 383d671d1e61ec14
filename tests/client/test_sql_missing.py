"""SQL over missing values and decimals gives what SQLite gives: three-valued logic, NULL, exact sums."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

import tercet as tc
from local_tables import LocalTables
from tercet.errors import InputError
from tercet.store.schema import Schema

ROWS = 40
SCHEMA = Schema.parse(
    {
        "columns": [
            {"name": "age", "kind": "integer", "lo": 0, "hi": 120, "nullable": True},
            {"name": "bmi", "kind": "decimal", "lo": -20, "hi": 90, "nullable": True},
            {"name": "amount", "kind": "decimal", "digits": 2, "lo": -100, "hi": 1000, "nullable": True},
            {"name": "price", "kind": "decimal", "digits": 2, "lo": -100, "hi": 1000},
            {"name": "sex", "kind": "category", "categories": ["f", "m"], "nullable": True},
            {"name": "smoker", "kind": "bool", "nullable": True},
            {"name": "n", "kind": "integer", "lo": -5, "hi": 5},
            {"name": "empty", "kind": "integer", "lo": 3, "hi": 5, "nullable": True},
        ]
    }
)
QUERIES = [
    "SELECT COUNT(*), COUNT(age), COUNT(bmi), SUM(age), AVG(age), MIN(age), MAX(age) FROM t",
    "SELECT SUM(amount), AVG(amount), MIN(amount), MAX(price), SUM(price * amount) FROM t",
    "SELECT COUNT(empty), SUM(empty), AVG(empty), MIN(empty), MAX(empty), SUM(empty + n) FROM t",
    "SELECT COUNT(*) FROM t WHERE NOT (age > 40 AND bmi > 20) OR smoker",
    "SELECT COUNT(*) FROM t WHERE NOT (age > 40 OR NOT smoker)",
    "SELECT COUNT(*) FROM t WHERE sex IS NULL",
    "SELECT COUNT(*) FROM t WHERE n IS NULL OR price IS NOT NULL",
    "SELECT COUNT(*) FROM t WHERE sex IS NOT NULL AND smoker IS NULL",
    "SELECT COUNT(*) FROM t WHERE sex <> 'f'",
    "SELECT COUNT(*) FROM t WHERE NOT sex = 'f'",
    "SELECT COUNT(*) FROM t WHERE amount = 0.07 OR price IN (0.01, 0.05, NULL) OR amount BETWEEN 0.995 AND 1.5",
    "SELECT COUNT(*) FROM t WHERE n NOT IN (1, 2, NULL)",
    "SELECT COUNT(*) FROM t WHERE age NOT IN (1, 2, 40)",
    "SELECT SUM(COALESCE(age, 0)), SUM(COALESCE(age, n)), AVG(COALESCE(amount, price, 0.5)) FROM t",
    "SELECT COUNT(COALESCE(age, bmi)), SUM(COALESCE(NULL, empty, age)), SUM(IFNULL(amount, 0)) FROM t",
    "SELECT COUNT(NULLIF(n, 0)), SUM(NULLIF(n, 1)), COUNT(NULLIF(age, n)) FROM t",
    "SELECT SUM(NULLIF(2.5, n)), COUNT(NULLIF(1, age)), AVG(NULLIF(-1, n)) FROM t",
    "SELECT SUM(n IS NULL), SUM(CASE WHEN price IS NULL THEN 1 ELSE 0 END), AVG(n IS NOT NULL) FROM t",
    "SELECT SUM(n IS NULL), MAX(n IS NOT NULL) FROM t WHERE n > 100",
    "SELECT COUNT(*) FROM t WHERE ABS(amount) <> CASE WHEN n = 1 THEN price ELSE amount END",
    "SELECT COUNT(*) FROM t WHERE amount = CASE WHEN n = 1 THEN price WHEN n = 0 THEN n ELSE amount END",
    "SELECT COUNT(CASE WHEN age > 40 THEN 1 END), COUNT(CASE n WHEN 1 THEN age WHEN 2 THEN 0 END) FROM t",
    "SELECT SUM(CASE WHEN age > 40 THEN bmi WHEN smoker THEN 2 ELSE amount END) FROM t",
    "SELECT SUM(CASE WHEN sex IS NULL THEN 1 ELSE 0 END), SUM(CASE WHEN n > 0 THEN NULL ELSE n END) FROM t",
    "SELECT SUM(age), MIN(age), MAX(amount), AVG(bmi), COUNT(*), COUNT(age) FROM t WHERE n > 100",
    "SELECT SUM(age + bmi), SUM(age * amount), SUM(-bmi), SUM(ABS(amount)), SUM(2 * price - amount) FROM t",
    "SELECT COUNT(*) FROM t WHERE age = NULL",
    "SELECT COUNT(*) FROM t WHERE (age > 10 OR NULL) AND n > 0",
    "SELECT COUNT(*) FROM t WHERE NOT (age > 10 AND NULL)",
    "SELECT COUNT(*), SUM(n) FROM t WHERE TRUE",
    "SELECT COUNT(*), SUM(n) FROM t WHERE FALSE",
    "SELECT COUNT(*) FROM t WHERE (age > 30) IS NULL",
    "SELECT COUNT(*) FROM t WHERE smoker IS TRUE OR (n > 0) IS NOT FALSE",
    "SELECT COUNT(*) FROM t WHERE price > amount",
    "SELECT COUNT(*) FROM t WHERE price <> amount OR bmi < age",
    "SELECT SUM(age) + SUM(amount) * 1.5, SUM(amount) / COUNT(*), SUM(amount) / COUNT(amount) FROM t",
    "SELECT SUM(age) / COUNT(empty), SUM(empty) + 1 FROM t",
    "SELECT SUM(age / 0), COUNT(age / 0), COUNT(bmi / n) FROM t",
    "SELECT sex, COUNT(*), SUM(age), COUNT(bmi), AVG(amount) FROM t GROUP BY sex",
    "SELECT sex, smoker, COUNT(*), SUM(n) FROM t WHERE age > 20 GROUP BY sex, smoker",
    "SELECT COUNT(*) FROM t WHERE COALESCE(sex, 'm') = 'm'",
]


@pytest.fixture
def net() -> Iterator[tc.Session]:
    with tc.local() as session:
        yield session


def random_rows(seed: int, rows: int = ROWS) -> dict[str, list[Any]]:
    draw = np.random.default_rng(seed)

    def some(values: list[Any], missing: float = 0.3) -> list[Any]:
        return [None if draw.random() < missing else value for value in values]

    return {
        "age": some(draw.integers(0, 90, rows).tolist()),
        "bmi": some((draw.integers(-40, 360, rows) / 4).tolist()),
        "amount": some([float(Decimal(int(k)) / 100) for k in draw.integers(-300, 300, rows)]),
        "price": [float(Decimal(int(k)) / 100) for k in draw.integers(-10, 10, rows)],
        "sex": some(draw.choice(["f", "m"], rows).tolist()),
        "smoker": some((draw.random(rows) < 0.5).tolist()),
        "n": draw.integers(-2, 3, rows).tolist(),
        "empty": [None] * rows,
    }


def in_sqlite(rows: dict[str, list[Any]]) -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:")
    connection.execute(f"CREATE TABLE t ({', '.join(rows)})")
    places = ", ".join("?" * len(rows))
    connection.executemany(f"INSERT INTO t VALUES ({places})", list(zip(*rows.values(), strict=True)))
    return connection


def check(mine: list[tuple[Any, ...]], theirs: list[tuple[Any, ...]], keys: int) -> None:
    """The same, groups without rows aside, which SQLite leaves out."""
    expected = {row[:keys]: row[keys:] for row in theirs}
    for row in mine:
        wanted = expected.pop(row[:keys], None)
        if wanted is None:
            assert not any(row[keys:])
            continue
        for a, b in zip(row[keys:], wanted, strict=True):
            assert (a is None) == (b is None)
            assert a is None or float(a) == pytest.approx(float(b), rel=1e-9, abs=1e-9)
    assert not expected


@pytest.mark.parametrize("seed", [0, 1])
def test_as_sqlite(net: tc.Session, seed: int) -> None:
    rows = random_rows(seed)
    tables = LocalTables(net)
    tables.add("t", SCHEMA, rows)
    connection = in_sqlite(rows)
    try:
        for sql in QUERIES:
            keys = sql.partition("GROUP BY")[2].count(",") + 1 if "GROUP BY" in sql else 0
            mine = [tuple(row) for row in tables.query(sql).rows]
            check(mine, connection.execute(sql).fetchall(), keys)
    finally:
        connection.close()


def test_quotients_of_columns_are_missing_where_they_are_divided_by_0(net: tc.Session) -> None:
    rows = random_rows(3)
    tables = LocalTables(net)
    tables.add("t", SCHEMA, rows)
    (found,) = tables.query("SELECT SUM(bmi / n), COUNT(bmi / n), AVG(age / n) FROM t").rows
    pairs = [(b / n) for b, n in zip(rows["bmi"], rows["n"], strict=True) if b is not None and n]
    ages = [(a / n) for a, n in zip(rows["age"], rows["n"], strict=True) if a is not None and n]
    assert found[1] == len(pairs)
    assert found[0] == pytest.approx(sum(pairs), abs=1e-2)
    assert found[2] == pytest.approx(sum(ages) / len(ages), abs=1e-3)


def test_decimals_are_exact(net: tc.Session) -> None:
    rows = random_rows(4)
    tables = LocalTables(net)
    tables.add("t", SCHEMA, rows)
    exact = [Decimal(str(value)) for value in rows["price"]]
    (found,) = tables.query("SELECT SUM(price), MIN(price), MAX(price), SUM(price * price), SUM(price) * 2 FROM t").rows
    squares = sum(value * value for value in exact)
    assert found == (sum(exact), min(exact), max(exact), squares, 2 * sum(exact))
    assert all(isinstance(value, Decimal) for value in found)
    assert repr(tables.query("SELECT SUM(empty), SUM(price) FROM t")).split("\n")[1].split() == ["NULL", str(found[0])]


@pytest.mark.parametrize("rows", [0, 1])
def test_tables_of_no_rows_and_of_one(net: tc.Session, rows: int) -> None:
    values = random_rows(5, rows)
    tables = LocalTables(net)
    tables.add("t", SCHEMA, values)
    connection = in_sqlite(values)
    for sql in (
        "SELECT COUNT(*), COUNT(age), SUM(age), AVG(bmi), MIN(n), MAX(amount), SUM(price) FROM t",
        "SELECT COUNT(*), SUM(age), SUM(price) FROM t WHERE n > 0 OR sex IS NULL",
    ):
        check([tuple(row) for row in tables.query(sql).rows], connection.execute(sql).fetchall(), 0)
    connection.close()


@pytest.mark.parametrize(
    ("sql", "match"),
    [
        ("SELECT COUNT(*) FROM t WHERE COALESCE(age, 'x') = 3", "of number and text"),
        ("SELECT COUNT(*) FROM t WHERE COALESCE(sex, 'x') = 'f'", "no category"),
        ("SELECT COUNT(*) FROM t WHERE age IS 3", "not offered"),
        ("SELECT SUM(sex) FROM t", "no number"),
        ("SELECT COUNT(*) FROM t WHERE sex > 'f'", "by = and <>"),
        ("SELECT COUNT(*) FROM t WHERE amount", "no condition"),
    ],
)
def test_what_is_refused(net: tc.Session, sql: str, match: str) -> None:
    tables = LocalTables(net)
    tables.add("t", SCHEMA, random_rows(6, 5))
    with pytest.raises(InputError, match=match):
        tables.query(sql)


def test_what_several_ask_for_is_revealed_once(net: tc.Session) -> None:
    from tercet.client import query

    tables = LocalTables(net)
    tables.add("t", SCHEMA, random_rows(7, 5))
    prepared = query._Query(tables, "SELECT COUNT(age), AVG(age), COUNT(age) * 2, SUM(n), AVG(n), SUM(n) FROM t")  # type: ignore[arg-type]
    assert len(prepared.sheet.wanted) == 3


def test_literals_beside_an_expression_of_a_column(net: tc.Session) -> None:
    """30.1 is no multiple of 2^-16, and twice what is stored from it is not what is stored from 60.2."""
    values = [30.1, 30.1, 30.8, 19.4, 30.0, 30.2, None]
    tables = LocalTables(net)
    columns = [{"name": "bmi", "kind": "decimal", "lo": 10, "hi": 60, "nullable": True}]
    tables.add("t", Schema.parse({"columns": columns}), {"bmi": values})
    for where, expected in (
        ("bmi * 2 > 60.2", 2),
        ("2 * bmi = 60.2", 2),
        ("bmi / 2 IN (15.05, 15.4)", 3),
        ("bmi + 0.7 BETWEEN 30.7 AND 30.8", 3),
        ("-bmi < -30.1", 2),
        ("100 - bmi * 0.1 <> 96.99", 4),
    ):
        assert tables.query(f"SELECT COUNT(*) FROM t WHERE {where}").rows == ((expected,),), where
