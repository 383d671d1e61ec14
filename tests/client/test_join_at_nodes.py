"""Columns of two datasets together, whose public keys overlap in part: what nodes allow of it, count and write down."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tercet as tc
from node.trio_nodes import Nodes
from tercet.array import manipulation
from tercet.client.nodes import Nodes as Asked
from tercet.client.orders import receipts
from tercet.client.remote import RemoteSession
from tercet.client.upload import upload
from tercet.errors import Refused
from tercet.linear_model import LinearRegression
from tercet.store.schema import Schema

CLINIC = Schema.parse(
    {
        "columns": [
            {"name": "person", "kind": "key", "key": "text"},
            {"name": "dose", "kind": "integer", "lo": 0, "hi": 100},
            {"name": "ward", "kind": "category", "categories": ["north", "south"]},
        ]
    }
)
REGISTER = Schema.parse(
    {
        "columns": [
            {"name": "who", "kind": "key", "key": "text"},
            {"name": "days", "kind": "integer", "lo": 0, "hi": 400},
            {"name": "score", "kind": "integer", "lo": -50, "hi": 50, "nullable": True},
        ]
    }
)


def people() -> tuple[pd.DataFrame, pd.DataFrame]:
    draw = np.random.default_rng(11)
    names = np.array([f"p{number:03}" for number in draw.permutation(90)])
    clinic = pd.DataFrame(
        {"person": names[:60], "dose": draw.integers(0, 100, 60), "ward": draw.choice(["north", "south"], 60)}
    )
    register = pd.DataFrame({"who": draw.permutation(names[20:]), "days": draw.integers(0, 400, 70)})
    register["score"] = pd.array(draw.integers(-50, 50, 70), dtype="Int64")
    register.loc[draw.random(70) < 0.2, "score"] = None
    return clinic, register


@pytest.fixture(scope="module")
def both(three: Nodes) -> Nodes:
    with Asked(three.federation, three.people["owner"]) as nodes:
        upload(nodes, people()[0], dataset="clinic", schema=CLINIC)
    with Asked(three.federation, three.people["owner2"]) as nodes:
        upload(nodes, people()[1], dataset="register", schema=REGISTER)
    return three


@pytest.fixture
def net(both: Nodes) -> Iterator[RemoteSession]:
    with tc.connect(both.federation, both.people["analyst"], profile="lan") as session:
        yield session


def merged(how: Any = "inner") -> pd.DataFrame:
    clinic, register = people()
    return clinic.merge(register, left_on="person", right_on="who", how=how)


JOIN = "FROM clinic c JOIN register r ON c.person = r.who"


def test_aggregates_mix_columns_of_both(net: RemoteSession) -> None:
    all_ = merged()
    assert len(all_) == 40
    found = net.query(f"SELECT COUNT(*), SUM(dose * days), AVG(days - dose), SUM(dose * score), COUNT(score) {JOIN}")
    (row,) = found.rows
    assert row[:2] == (40, (all_.dose * all_.days).sum())
    assert row[2] == pytest.approx((all_.days - all_.dose).mean())
    assert row[3:] == ((all_.dose * all_.score).sum(), all_.score.count())


def test_conditions_and_groups_are_of_either(net: RemoteSession) -> None:
    all_ = merged()
    some = all_[all_.dose * 4 > all_.days]
    assert net.query(f"SELECT COUNT(*), SUM(days) {JOIN} WHERE dose * 4 > days").rows == ((len(some), some.days.sum()),)
    found = net.query(f"SELECT ward, COUNT(*), SUM(days), SUM(score) {JOIN} GROUP BY ward")
    expected = all_.groupby("ward").agg(n=("days", "size"), days=("days", "sum"), score=("score", "sum"))
    assert found.rows == tuple((ward, *row) for ward, row in zip(expected.index, expected.to_numpy(), strict=True))


def test_models_are_fitted_on_columns_of_both(net: RemoteSession) -> None:
    all_ = merged()
    table = net.table("clinic").join(net.table("register"))
    model = LinearRegression().fit(table[["dose"]], table["days"])
    slope, start = tc.reveal(model.coef_, model.intercept_)
    expected = np.polyfit(all_.dose, all_.days, 1)
    assert np.allclose([slope[0], start], expected, rtol=1e-6)


def test_a_left_join(net: RemoteSession) -> None:
    all_ = merged("left")
    sql = JOIN.replace("JOIN", "LEFT JOIN")
    found = net.query(f"SELECT COUNT(*), SUM(dose), SUM(dose * days), COUNT(days), SUM(COALESCE(score, dose)) {sql}")
    total = all_.score.fillna(all_.dose).sum()
    assert found.rows == ((60, all_.dose.sum(), (all_.dose * all_.days).sum(), 40, total),)


def test_both_owners_have_a_receipt(both: Nodes, net: RemoteSession) -> None:
    net.purpose = "doses by days"
    net.query(f"SELECT SUM(dose * days) {JOIN}")
    for owner, name, column in (("owner", "clinic", "dose"), ("owner2", "register", "days")):
        with Asked(both.federation, both.people[owner]) as nodes:
            mine = [one.receipt for one in receipts(nodes, name) if one.receipt.purpose == "doses by days"]
        assert [one.columns for one in mine] == [[column]] and mine[0].bits > 0


def test_rows_are_counted_in_the_join(net: RemoteSession) -> None:
    table = net.table("clinic").join(net.table("register"))
    few = (table["dose"][:4] * table["days"][:4]).sum()
    with pytest.raises(Refused, match="at least 4 rows of clinic and over at least 4 rows of register"):
        few.reveal()


def test_the_analyst_cannot_say_who_is_whom(net: RemoteSession) -> None:
    """Neither by positions nor by a list of their own: two such lists differ by as few people as they like."""
    clinic, register = net.table("clinic"), net.table("register")
    for places in (np.arange(60), np.roll(np.arange(60), 1)):
        with pytest.raises(Refused, match="in a way that may show single rows"):
            (clinic["dose"] * manipulation.take(register["days"], places, axis=0)).sum().reveal()


def test_what_is_kept_of_a_join_is_about_the_rows_of_both(net: RemoteSession) -> None:
    all_ = merged()
    table = net.table("clinic").join(net.table("register"))
    product = (table["dose"] * table["days"]).persist()
    assert (product * table["days"]).sum().reveal() == (all_.dose * all_.days**2).sum()
    assert (product > 1000).sum().reveal() == (all_.dose * all_.days > 1000).sum()
    with pytest.raises(Refused, match="single rows"):
        (product * table["days"][::-1]).sum().reveal()


def test_rows_of_ones_own_do_not_mark_those_they_are_joined_with(both: Nodes) -> None:
    """Who brings rows of people of another dataset would read one of them: a 1 beside them, zeros beside others."""
    clinic, _ = people()
    with Asked(both.federation, both.people["owner2"]) as nodes:
        others = pd.DataFrame({"who": [f"q{number:03}" for number in range(30)], "days": range(30), "score": 1})
        upload(nodes, others.astype({"score": "Int64"}), dataset="visits", schema=REGISTER)
    with Asked(both.federation, both.people["analyst"]) as nodes:
        marks = pd.DataFrame({"who": clinic.person[10:22].to_numpy(), "days": [1] + 11 * [0], "score": 1})
        upload(nodes, marks.astype({"score": "Int64"}), dataset="visits", schema=REGISTER, mode="append")
    with tc.connect(both.federation, both.people["analyst"], profile="lan") as session:
        table = session.table("clinic").join(session.table("visits"))
        with pytest.raises(Refused, match="over at least 0 rows besides rows of their own of clinic"):
            (table["dose"] * table["days"]).sum().reveal()


def test_a_dataset_of_ones_own_does_not_say_who_is_whom(both: Nodes) -> None:
    """Beside it, rows of two others are the same people's as without it: those of equal keys, or nobody's."""
    clinic, _ = people()
    numbers = Schema.parse(
        {
            "columns": [
                {"name": "number", "kind": "key", "key": "integer"},
                {"name": "cost", "kind": "integer", "lo": 0, "hi": 9},
            ]
        }
    )
    with Asked(both.federation, both.people["owner2"]) as nodes:
        bills = pd.DataFrame({"number": range(60), "cost": np.arange(60) % 10})
        upload(nodes, bills, dataset="bills", schema=numbers)
    with Asked(both.federation, both.people["analyst"]) as nodes:
        mine = pd.DataFrame({"who": clinic.person.to_numpy()[::-1], "days": 0, "score": 1})
        upload(nodes, mine.astype({"score": "Int64"}), dataset="aaa", schema=REGISTER)
    with tc.connect(both.federation, both.people["analyst"], profile="lan") as session:
        paired = session.table("clinic")["dose"][::-1] * session.table("bills")["cost"]
        for one in (paired.sum(), paired.sum() + session.table("aaa")["days"].sum()):
            with pytest.raises(Refused, match="in a way that may show single rows"):
                one.reveal()
