"""SQL at the nodes gives what SQLite gives on the plain rows."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest

import tercet as tc
from node.trio_nodes import Nodes
from tercet.client import query
from tercet.client.aggregates import NOT_SHOWN
from tercet.client.asking import Held
from tercet.client.infer import infer
from tercet.client.nodes import Nodes as Asked
from tercet.client.query import Answer, cell_text
from tercet.client.remote import RemoteSession
from tercet.client.upload import upload
from tercet.errors import InputError, Refused

QUERIES = [
    "SELECT COUNT(*) FROM patients",
    "SELECT COUNT(*), SUM(age), AVG(bmi), COUNT(age) AS n FROM patients WHERE sex = 'f' AND age BETWEEN 40 AND 60",
    "SELECT sex, COUNT(*), AVG(age) FROM patients GROUP BY sex",
    "SELECT sex, smoker, SUM(age) FROM patients WHERE bmi > 25.5 OR NOT smoker GROUP BY sex, smoker",
    "SELECT SUM(2 * age - 1) / COUNT(*), SUM(CASE WHEN age > 50 THEN bmi ELSE 0 END) FROM patients",
    "SELECT COUNT(*) FROM patients WHERE seen >= '2020-03-01' AND seen < DATE '2021-01-01' AND sex IN ('f', 'x')",
    "SELECT AVG(age) FROM patients WHERE 60 < age AND sex <> 'm' AND smoker = FALSE",
    "select sum(-age), sum(abs(age - 50)) from patients",
]


@pytest.fixture(scope="module")
def net(patients: Nodes) -> Iterator[RemoteSession]:
    with tc.connect(patients.federation, patients.people["analyst"], profile="lan") as session:
        yield session


@pytest.fixture(scope="module")
def plain(frame: pd.DataFrame) -> Iterator[sqlite3.Connection]:
    rows = frame.assign(seen=frame.seen.dt.strftime("%Y-%m-%d"))
    connection = sqlite3.connect(":memory:")
    rows.to_sql("patients", connection, index=False)
    yield connection
    connection.close()


@pytest.mark.parametrize("sql", QUERIES)
def test_as_sqlite(net: RemoteSession, plain: sqlite3.Connection, sql: str) -> None:
    with net.measure() as m:
        found = query.ask(net, sql)
    assert m.jobs <= 1
    expected = plain.execute(sql.replace("DATE '", "'").replace("/ COUNT", "* 1.0 / COUNT")).fetchall()
    assert len(found.rows) == len(expected)
    for mine, theirs in zip(sorted(found.rows), sorted(expected), strict=True):
        for a, b in zip(mine, theirs, strict=True):
            # sums of decimals with digits are exact decimals
            assert a == b if isinstance(b, str) else float(a) == pytest.approx(b, rel=1e-9)


def test_a_literal_finds_what_was_uploaded_from_it(net: RemoteSession, patients: Nodes, frame: pd.DataFrame) -> None:
    """Under a rule that shows few rows; else neither they nor all others are."""
    a, b, c = sorted(float(value) for value in frame.bmi.iloc[:3])
    bmi = frame.bmi
    with Asked(patients.federation, patients.people["owner"]) as nodes:
        upload(nodes, frame, dataset="literals", schema=infer(frame).schema)
    wheres = (
        (f"bmi = {a!r}", (bmi == a).sum()),
        (f"NOT bmi = {a!r}", (bmi != a).sum()),
        (f"bmi NOT IN ({a!r}, {b!r}, {c!r})", (~bmi.isin([a, b, c])).sum()),
        (f"bmi BETWEEN {a!r} AND {c!r}", bmi.between(a, c).sum()),
        (f"bmi > {b!r} OR {c!r} <= bmi", ((bmi > b) | (bmi >= c)).sum()),
        (f"bmi <> {c!r}", (bmi != c).sum()),
    )
    cohort = net.table("patients").info.cohort
    with tc.connect(patients.federation, patients.people["both"], profile="lan") as all_shown:
        for where, expected in wheres:
            assert query.ask(all_shown, f"SELECT COUNT(*) FROM literals WHERE {where}").rows == ((expected,),)
    for where, expected in wheres:
        (row,) = query.ask(net, f"SELECT COUNT(*) FROM patients WHERE {where}").rows
        assert row[0] == (expected if expected >= cohort else NOT_SHOWN)


def test_names(net: RemoteSession) -> None:
    found = net.query("SELECT sex, COUNT(*), AVG(bmi) AS mean FROM patients GROUP BY sex")
    assert found.names == ("sex", "COUNT(*)", "mean")


def test_spreads(net: RemoteSession, frame: pd.DataFrame) -> None:
    sql = "SELECT STDDEV({0}), VAR_SAMP({0}), VAR_POP({0}), STDDEV_POP({0}) FROM patients {1}"
    old = frame[frame.age > 60].age
    for values, where in ((frame.age, ""), (old, "WHERE age > 60")):
        expected = [values.std(), values.var(), values.var(ddof=0), values.std(ddof=0)]
        assert query.ask(net, sql.format("age", where)).rows[0] == pytest.approx(expected, rel=1e-12)


def test_a_group_without_rows(net: RemoteSession) -> None:
    found = query.ask(net, "SELECT COUNT(*), AVG(age), STDDEV(age) FROM patients WHERE age > 99")
    assert found.rows == ((NOT_SHOWN,) * 3,)
    assert found.note == "not everything is shown: fewer than 5 rows meet a condition, or are left out by one"


@pytest.mark.parametrize(
    ("sql", "match"),
    [
        ("DELETE FROM patients", "one SELECT"),
        ("SELECT 1; SELECT 2", "one SELECT"),
        ("SELECT", "about one dataset"),
        ("SELECT SUM(age) FROM patients, others", "about one dataset"),
        ("SELECT SUM(age) FROM (SELECT 1)", "about one dataset"),
        ("SELECT SUM(( FROM patients", "no SQL"),
        ("SELECT age FROM patients", "of single rows, and secret"),
        ("SELECT SUM(height) FROM patients", "no column 'height'"),
        ("SELECT SUM(sex) FROM patients", "no number"),
        ("SELECT SUM(3) FROM patients", "is public"),
        ("SELECT COUNT(DISTINCT age) FROM patients", "DISTINCT"),
        ("SELECT COUNT(*) FROM patients WHERE sex > 'f'", "by = and <>"),
        ("SELECT COUNT(*) FROM patients WHERE sex = 'male'", "no category"),
        ("SELECT COUNT(*) FROM patients WHERE age", "no condition"),
        ("SELECT COUNT(*) FROM patients WHERE age = 'old'", "no column of categories"),
        ("SELECT COUNT(*) FROM patients WHERE 1 = 1", "both public"),
        ("SELECT age, COUNT(*) FROM patients GROUP BY age", "which values there are is secret"),
        ("SELECT SUM(age) FROM patients HAVING SUM(age) > 3", "HAVING is not offered"),
        ("SELECT SUM(age) FROM patients ORDER BY 1", "ORDER is not offered"),
        ("SELECT SUM(age) FROM patients LIMIT 1", "LIMIT is not offered"),
        ("SELECT SUM(age) OVER () FROM patients", r"OVER \(\) is not offered"),
        ("SELECT SUM(SQRT(age)) FROM patients", "not offered"),
        ("SELECT COUNT(*) FROM patients WHERE age IS DISTINCT FROM 3", "not offered"),
        ("SELECT COUNT(*) FROM patients WHERE age BETWEEN SYMMETRIC 9 AND 3", "SYMMETRIC"),
        ("SELECT SUM(COALESCE(NULL, sex)) FROM patients", "no number"),
    ],
)
def test_what_is_not_offered(net: RemoteSession, sql: str, match: str) -> None:
    with pytest.raises(InputError, match=match):
        query.ask(net, sql)


def test_extremes_are_single_rows(net: RemoteSession) -> None:
    with pytest.raises(Refused):
        query.ask(net, "SELECT MAX(age) FROM patients")
    assert not query.explain(net, "SELECT MAX(age) FROM patients").allowed
    assert query.explain(net, "SELECT SUM(age) FROM patients").allowed


def test_a_query_that_was_held(patients: Nodes, tmp_path: Path, frame: pd.DataFrame) -> None:
    sql = "SELECT AVG(age) AS mean FROM patients WHERE smoker"
    with tc.connect(patients.federation, patients.people["owner2"], profile="lan", remember=tmp_path) as net:
        with pytest.raises(Held) as held:
            query.ask(net, sql)
        job = held.value.job
        for name in "abc":
            patients.request(name, "operator", "POST", f"/v1/admin/jobs/{job}/approve", json={"reason": "fine"})
            patients.forget_connections(name)
    with tc.connect(patients.federation, patients.people["owner2"], profile="lan", remember=tmp_path) as net:
        found = query.answer_of(net, job)
    assert found.names == ("mean",)
    assert found.rows[0][0] == pytest.approx(frame.age[frame.smoker].mean())


@pytest.mark.parametrize(
    ("value", "plain", "grouped"),
    [
        (None, "NULL", "NULL"),
        (True, "true", "true"),
        (1234567, "1234567", "1,234,567"),
        (2**70, str(2**70), f"{2**70:,}"),
        (Decimal("12345.60"), "12345.60", "12,345.60"),
        (1e6, "1000000", "1,000,000"),
        (1234.56789012345, "1234.56789", "1,234.56789"),
        (1e18, "1e+18", "1e+18"),
        (float("nan"), "nan", "nan"),
        (date(2024, 3, 5), "2024-03-05", "2024-03-05"),
        ("west", "west", "west"),
    ],
)
def test_a_cell_is_told_in_one_way(value: object, plain: str, grouped: str) -> None:
    assert (cell_text(value), cell_text(value, grouped=True)) == (plain, grouped)
    assert plain in repr(Answer(("a",), ((value,),)))
