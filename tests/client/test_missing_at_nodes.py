"""Missing values and decimals with digits at three nodes: uploaded, appended, joined, asked about, kept from harm."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tercet as tc
from node.trio_nodes import Nodes
from tercet.client.nodes import Nodes as Asked
from tercet.client.orders import receipts, refresh
from tercet.client.remote import RemoteSession
from tercet.client.upload import upload
from tercet.errors import InputError
from tercet.store.schema import Schema

MISSING_CSV = """\
age,bmi,sex,seen
31,22.5,f,2021-03-01
44,,m,2021-04-11
,27.25,f,
58,30.1,,2022-01-30
62,NA,m,2022-02-28
"""
MISSING = Schema.parse(
    {
        "columns": [
            {"name": "age", "kind": "integer", "lo": 0, "hi": 120, "nullable": True},
            {"name": "bmi", "kind": "decimal", "lo": 10, "hi": 90, "digits": 2, "nullable": True},
            {"name": "sex", "kind": "category", "categories": ["f", "m"], "nullable": True},
            {"name": "seen", "kind": "date", "lo": "2000-01-01", "hi": "2029-12-31", "nullable": True},
        ]
    }
)
MONEY = Schema.parse(
    {
        "columns": [
            {"name": "account", "kind": "key", "key": "integer"},
            {"name": "amount", "kind": "decimal", "lo": 0, "hi": 10_000_000, "digits": 2},
        ]
    }
)


@pytest.fixture
def net(three: Nodes) -> Iterator[RemoteSession]:
    with tc.connect(three.federation, three.people["both"], profile="lan") as session:
        yield session


def sent(three: Nodes, source: object, name: str, schema: Schema, **options: object) -> None:
    with Asked(three.federation, three.people["owner"]) as nodes:
        upload(nodes, source, dataset=name, schema=schema, **options)  # type: ignore[arg-type]


def test_a_table_with_missing_values(three: Nodes, net: RemoteSession, tmp_path: Path) -> None:
    path = tmp_path / "missing.csv"
    path.write_text(MISSING_CSV)
    sent(three, path, "lacking", MISSING)
    sql = "SELECT COUNT(*), COUNT(bmi), AVG(age), SUM(bmi), COUNT(sex) FROM lacking"
    assert net.query(sql).rows == ((5, 3, 48.75, Decimal("79.85"), 4),)
    assert net.query("SELECT COUNT(*) FROM lacking WHERE sex IS NULL").rows == ((1,),)
    assert net.query("SELECT COUNT(*) FROM lacking WHERE NOT sex = 'f'").rows == ((2,),)
    assert net.query("SELECT COUNT(*) FROM lacking WHERE bmi = 30.1 OR seen >= '2022-02-01'").rows == ((2,),)
    table = net.table("lacking")
    frame = pd.read_csv(path, parse_dates=["seen"])
    assert "nullable" in repr(table)
    mean, total, known, day, women = tc.reveal(
        table["age"].mean(), table["bmi"].sum(), table["sex"].notna().sum(), table["seen"].mean(),
        (table["sex"] == "f").sum(),
    )  # fmt: skip
    assert (mean, total, known, women) == (48.75, Decimal("79.85"), 4, 2)
    assert day == np.datetime64(frame.seen.mean().round("D").date())
    described = table.describe()
    assert described["count"].to_dict() == {"age": 4, "bmi": 3, "sex = f": 2, "sex = m": 2, "seen": 4}
    assert described.loc["bmi", "mean"] == pytest.approx(frame.bmi.mean(), rel=1e-15)
    assert described.loc["age", "std"] == pytest.approx(frame.age.std(), rel=1e-12)
    mine, theirs = table.groupby("sex").mean("age")["age"], frame.groupby("sex").age.mean()
    assert mine.to_dict() == pytest.approx(theirs.to_dict())
    medians = table.groupby("sex").median("age")["age"]
    assert medians.to_dict() == frame.groupby("sex").age.median().to_dict()
    assert np.median(table["bmi"]).reveal() == frame.bmi.median()
    assert np.median(table["seen"]).reveal() == np.datetime64(frame.seen.median(), "D")
    groups = table.groupby("sex", dropna=False).count()
    assert groups.tolist() == [2, 2, 1] and pd.isna(groups.index[2])


def test_frames_appended_and_refreshed(three: Nodes, net: RemoteSession) -> None:
    draw = np.random.default_rng(5)
    frame = pd.DataFrame(
        {
            "age": pd.array(draw.integers(0, 99, 150), dtype="Int64"),
            "bmi": np.round(draw.uniform(15, 40, 150), 2),
            "sex": pd.Categorical(draw.choice(["f", "m"], 150)),
            "seen": pd.to_datetime("2020-01-01") + pd.to_timedelta(draw.integers(0, 900, 150), "D"),
        }
    )
    for column in frame.columns:
        frame.loc[draw.random(150) < 0.3, column] = None
    sent(three, frame[:70], "gaps", MISSING)
    sent(three, frame[70:], "gaps", MISSING, mode="append")
    sql = "SELECT COUNT(*), COUNT(age), SUM(age), COUNT(bmi), COUNT(sex), COUNT(seen), SUM(bmi) FROM gaps"
    expected = (
        150, frame.age.count(), frame.age.sum(), frame.bmi.count(), frame.sex.count(), frame.seen.count(),
        sum(Decimal(repr(value)) for value in frame.bmi.dropna()),
    )  # fmt: skip
    assert net.query(sql).rows == (expected,)
    with Asked(three.federation, three.people["operator"]) as nodes:
        refresh(nodes, "gaps")
    assert net.query(sql).rows == (expected,)
    with Asked(three.federation, three.people["owner"]) as nodes:
        (line,) = [one for one in receipts(nodes, "gaps") if one.receipt.version == 3]
    assert line.receipt.columns == ["age", "bmi", "seen", "sex"]


def test_money_is_exact(three: Nodes, net: RemoteSession, tmp_path: Path) -> None:
    cents = pd.DataFrame({"account": range(1000), "amount": [0.99] * 1000})
    sent(three, cents, "cents", MONEY)
    found = net.query("SELECT SUM(amount), COUNT(CASE WHEN amount = 0.99 THEN 1 END), AVG(amount) FROM cents").rows[0]
    assert found == (Decimal("990.00"), 1000, 0.99) and str(found[0]) == "990.00"
    assert net.query("SELECT COUNT(*) FROM cents WHERE amount = 0.99").rows == ((1000,),)
    assert net.query("SELECT COUNT(*) FROM cents WHERE amount > 0.985 AND amount < 0.995").rows == ((1000,),)
    path = tmp_path / "money.csv"
    path.write_text("account;amount\n" + "".join(f"{k};{v}\n" for k, v in enumerate(
        ["999,50", "1234,00", "12500,75", "1234567,10", "0,00"])))  # fmt: skip
    from tercet.client.readers import open_source

    sent(three, open_source(path, decimal=","), "money", MONEY)
    assert str(net.table("money")["amount"].sum().reveal()) == "1249301.35"


def test_missing_values_come_along_with_joined_columns(three: Nodes, net: RemoteSession) -> None:
    sent(three, {"account": [3, 1, 2, 5, 4], "amount": ["1.00", "2.00", "3.00", "4.00", "5.00"]}, "brought", MONEY)
    more = Schema.parse({"columns": [MONEY.to_dict()["columns"][0], {"name": "vip", "kind": "bool", "nullable": True}]})
    sent(three, {"account": [1, 2, 3, 4, 5], "vip": [True, None, False, None, True]}, "brought", more, mode="columns")
    sql = (
        "SELECT COUNT(vip), SUM(CASE WHEN vip THEN amount END), SUM(CASE WHEN vip IS NULL THEN amount END) FROM brought"
    )
    assert net.query(sql).rows == ((3, Decimal("6.00"), Decimal("8.00")),)


def test_what_is_not_nullable_is_refused_before_anything_is_sent(three: Nodes, net: RemoteSession) -> None:
    data = {"account": [1, 2, 3], "amount": ["1.00", None, "3.00"]}
    with pytest.raises(InputError, match="column amount, row 2: the value is missing; say nullable = true"):
        sent(three, data, "refused", MONEY)
    with pytest.raises(InputError, match="column amount, row 3: the value has more than 2 digits"):
        sent(three, {"account": [1, 2, 3], "amount": ["1.00", "2", "3.005"]}, "refused", MONEY)
    assert "refused" not in {info.name for info in net.datasets()}


def test_a_node_gives_validity_of_nullable_columns_only(three: Nodes, net: RemoteSession) -> None:
    from tercet.errors import PlanError, Refused

    sent(three, {"account": range(9), "amount": [1] * 9}, "plain", MONEY)
    table = net.table("plain")
    forged = net.validity(table.info, "amount")
    with pytest.raises((PlanError, Refused), match="amount of plain is not nullable"):
        forged.sum().reveal()
