"""Whatever of SQL is not offered is refused by name; names ignore case; tables are joined by their public keys."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import tercet as tc
from local_tables import LocalTables
from tercet.errors import InputError
from tercet.store.schema import Column, ColumnKind, KeyType, Schema

PEOPLE = Schema(
    columns=(
        Column(name="person", kind=ColumnKind.KEY, key=KeyType.INTEGER),
        Column(name="age", kind=ColumnKind.INTEGER, lo=0, hi=120),
        Column(name="bmi", kind=ColumnKind.DECIMAL, lo=0, hi=80),
        Column(name="sex", kind=ColumnKind.CATEGORY, categories=("f", "m")),
    )
)
SCORES = Schema(
    columns=(
        Column(name="who", kind=ColumnKind.KEY, key=KeyType.INTEGER),
        Column(name="score", kind=ColumnKind.INTEGER, lo=-100, hi=100),
        Column(name="age", kind=ColumnKind.INTEGER, lo=0, hi=120),
        Column(name="seen", kind=ColumnKind.BOOL),
    )
)
PERSONS = list(range(1, 41))
SCORED = list(range(6, 47))


@pytest.fixture(scope="module")
def tables() -> Iterator[LocalTables]:
    with tc.local() as net:
        found = LocalTables(net)
        found.add(
            "People",
            PEOPLE,
            {
                "person": PERSONS,
                "age": [20 + n for n in PERSONS],
                "bmi": [20 + n / 4 for n in PERSONS],
                "sex": ["f" if n % 3 else "m" for n in PERSONS],
            },
        )
        found.add(
            "scores",
            SCORES,
            {
                "who": SCORED[::-1],
                "score": [n - 50 for n in SCORED[::-1]],
                "age": [n for n in SCORED[::-1]],
                "seen": [n % 2 == 0 for n in SCORED[::-1]],
            },
        )
        found.query("SELECT COUNT(*) FROM People WHERE age > 0")  # all threads of the session have begun
        yield found


def one(tables: LocalTables, sql: str) -> Any:
    ((value,),) = tables.query(sql).rows
    return value


@pytest.mark.parametrize(
    ("sql", "named"),
    [
        ("SELECT AVG(CAST(bmi AS INTEGER)) FROM People", r"CAST\(bmi AS INT\)"),
        ("SELECT AVG(bmi::INT) FROM People", r"CAST\(bmi AS INT\)"),
        ("SELECT AVG(CAST(age AS DOUBLE)) FROM People", "CAST"),
        ("SELECT COUNT(*) FROM People TABLESAMPLE (10 PERCENT)", "TABLESAMPLE"),
        ("SELECT COUNT(*) FROM People USING SAMPLE 10", "."),
        ("SELECT COUNT(*) FROM People WHERE age BETWEEN SYMMETRIC 60 AND 20", "SYMMETRIC"),
        ("SELECT AVG(q.age) FROM People", "no table q"),
        ("SELECT COUNT(*) FROM People WHERE 40 < age < 60", "compares a condition"),
        ("SELECT COUNT(*) FROM People WHERE (age > 40) = (age < 60)", "compares a condition"),
        ("SELECT COUNT(*) FROM People ORDER BY 1", "ORDER"),
        ("SELECT COUNT(*) FROM People LIMIT 3", "LIMIT"),
        ("SELECT DISTINCT COUNT(*) FROM People", "DISTINCT"),
        ("SELECT COUNT(DISTINCT age) FROM People", "DISTINCT"),
        ("SELECT SUM(DISTINCT age) FROM People", "DISTINCT"),
        ("SELECT sex, COUNT(*) FROM People GROUP BY sex HAVING COUNT(*) > 3", "HAVING"),
        ("SELECT sex, COUNT(*) FROM People GROUP BY ROLLUP (sex)", "ROLLUP"),
        ("SELECT sex, COUNT(*) FROM People GROUP BY ALL", "ALL|all"),
        ("SELECT SUM(age) FILTER (WHERE age > 40) FROM People", "FILTER"),
        ("SELECT SUM(age) OVER (PARTITION BY sex) FROM People", "OVER"),
        ("SELECT MEDIAN(age) FROM People", "MEDIAN"),
        ("SELECT AVG(ROUND(bmi)) FROM People", "ROUND"),
        ("SELECT AVG(age % 3) FROM People", "%"),
        ("SELECT COUNT(*) FROM People WHERE sex LIKE 'f%'", "LIKE"),
        ("SELECT COUNT(*) FROM People WHERE EXISTS (SELECT 1 FROM People)", "EXISTS|query within"),
        ("SELECT COUNT(*) FROM (SELECT * FROM People)", "query within|about one dataset"),
        ("WITH p AS (SELECT * FROM People) SELECT COUNT(*) FROM p", "WITH"),
        ("SELECT COUNT(*) FROM People UNION SELECT COUNT(*) FROM People", "one SELECT"),
        ("SELECT COUNT(*) FROM People WINDOW w AS (PARTITION BY sex)", "."),
        ("SELECT COUNT(*) FROM People QUALIFY 1 = 1", "QUALIFY"),
        ("SELECT * FROM People", r"\*"),
        ("SELECT People.* FROM People", r"\*"),
        ("SELECT COUNT(*) FROM db.People", "db"),
        ("SELECT COUNT(*) FROM People, scores", "scores"),
        ("SELECT COUNT(*) FROM People CROSS JOIN scores", "CROSS"),
        ("SELECT COUNT(*) FROM People RIGHT JOIN scores ON person = who", "RIGHT"),
        ("SELECT COUNT(*) FROM People FULL JOIN scores ON person = who", "FULL"),
        ("SELECT COUNT(*) FROM People NATURAL JOIN scores", "NATURAL"),
        ("SELECT COUNT(*) FROM People p JOIN scores s ON p.age = s.age", "public keys only"),
        ("SELECT COUNT(*) FROM People p JOIN scores s ON p.person = s.who AND p.age > 3", "public keys only"),
        ("SELECT COUNT(*) FROM People p JOIN scores s ON p.person > s.who", "public keys only"),
        ("SELECT AVG(age) FROM People p JOIN scores s ON p.person = s.who", "both tables have a column age"),
        ("SELECT AVG(weight) FROM People", "no column 'weight'"),
        ("SELECT AVG(person) FROM People", "public key"),
        ("SELECT COUNT(*) FROM People WHERE age = DATE '2020-01-01'", "."),
        ("SELECT COUNT(*) FROM People FOR UPDATE", "."),
        ("SELECT TOP 3 COUNT(*) FROM People", "."),
        ("SELECT SUM(age) FROM People WHERE age > '40'", "compare it with a number, without quotation marks"),
        ("INSERT INTO People VALUES (1)", "one SELECT"),
        ("SELECT COUNT(*) FROM People WHERE " + "(" * 3000 + "age > 3" + ")" * 3000, "no SQL|too deeply"),
    ],
)
def test_refused_by_name(tables: LocalTables, sql: str, named: str) -> None:
    with pytest.raises(InputError, match=named):
        tables.query(sql)


def test_words_that_begin_statements_are_names_within_one(tables: LocalTables) -> None:
    for word in ("Alter", "create", "DROP", "insert", "grant", "revoke", "rollback"):  # Alter is German for age
        for sql in (f"SELECT AVG({word}) FROM People", f"SELECT COUNT(*) FROM People WHERE {word} = 30"):
            with pytest.raises(InputError, match=f"no column '{word}'"):
                tables.query(sql)


@pytest.mark.parametrize(
    ("sql", "named"),
    [
        ("SELECT AVG(age FROM People", "goes wrong at 'FROM', behind 'SELECT AVG.age'"),
        ("SELECT AVG(age) FORM People", "goes wrong at 'People'"),
        ("SELECT AVG(having) FROM People", 'if having is the name of a column, write it as "having"'),
        ("SELECT AVG('age) FROM People", "quotation mark"),
        ("SELEKT AVG(age) FROM People", "one SELECT"),
        ("ALTER TABLE People ADD x", "one SELECT"),
        ("SELECT COUNT(*) FROM People; DROP TABLE People", "one SELECT"),
        ("", "one SELECT"),
    ],
)
def test_what_is_no_sql_is_said_in_own_words(
    tables: LocalTables, sql: str, named: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(InputError, match=named) as caught:
        tables.query(sql)
    assert "sqlglot" not in str(caught.value)
    assert not caplog.records


def test_results_are_named_as_they_were_asked_for(tables: LocalTables) -> None:
    asked = ("VAR_SAMP(age)", "VAR_POP(age)", "STDDEV_POP(age)", "COUNT(*)")
    assert tables.query(f"SELECT {', '.join(asked)} FROM People").names == asked


def test_names_ignore_case_and_have_qualifiers(tables: LocalTables) -> None:
    for sql in (
        "SELECT AVG(AGE) FROM People",
        "select avg(Age) from People where SEX = 'f' or Sex = 'm'",
        "SELECT AVG(p.Age) FROM People AS P",
        "SELECT AVG(people.age) FROM People",
        'SELECT AVG("age") FROM "People"',
    ):
        assert one(tables, sql) == 40.5
    assert [row[0] for row in tables.query("SELECT Sex, COUNT(*) FROM People GROUP BY SEX").rows] == ["f", "m"]


def test_dates_are_cast_from_texts_only(tables: LocalTables) -> None:
    with pytest.raises(InputError, match="CAST"):
        tables.query("SELECT COUNT(*) FROM People WHERE CAST(age AS DATE) > '2020-01-01'")


def test_conditions_are_counted(tables: LocalTables) -> None:
    assert one(tables, "SELECT COUNT(CASE WHEN age > 40 THEN 1 END) FROM People") == 20
    assert one(tables, "SELECT SUM(age / 0) FROM People") is None


def test_an_inner_join(tables: LocalTables) -> None:
    sql = "SELECT COUNT(*), SUM(score), AVG(p.age), SUM(s.age) FROM People p JOIN scores s ON s.who = p.person"
    both = [n for n in PERSONS if n in SCORED]
    assert len(both) == 35
    assert tables.query(sql).rows == ((35, sum(n - 50 for n in both), 20 + sum(both) / len(both), sum(both)),)


def test_a_left_join(tables: LocalTables) -> None:
    sql = (
        "SELECT COUNT(*), COUNT(score), SUM(score), COUNT(p.age) FROM People p "
        "LEFT JOIN scores s ON p.person = s.who WHERE score IS NULL OR score < 0"
    )
    both = [n for n in PERSONS if n in SCORED]
    assert tables.query(sql).rows == ((40, 35, sum(n - 50 for n in both), 40),)


def test_tables_are_joined_in_python(tables: LocalTables) -> None:
    people, scores = tables.table("People"), tables.table("scores")
    inner = people.join(scores, suffix="_then")
    assert len(inner) == 35 and inner.columns == ["age", "bmi", "sex", "score", "age_then", "seen"]
    assert (inner["age"] - inner["age_then"]).sum().reveal() == 20 * 35
    left = people.join(scores, how="left", suffix="_then")
    assert len(left) == 40 and left["score"].count().reveal() == 35
    assert left["seen"].isna().sum().reveal() == 5
    assert left["bmi"].mean().reveal() == 20 + sum(PERSONS) / 160
    again = left.join(tables.table("scores"), suffix="_3")
    assert len(again) == 35
    with pytest.raises(InputError, match="both tables have a column age"):
        people.join(scores)
    with pytest.raises(InputError, match="a join is inner or left"):
        people.join(scores, how="outer", suffix="_then")
