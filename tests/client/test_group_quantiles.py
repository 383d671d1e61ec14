"""Medians and quantiles of groups: as pandas has them, hidden where a group is small."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tercet as tc
from local_tables import LocalTables
from tercet.errors import SmallGroupsWarning
from tercet.store.schema import Column, ColumnKind, Schema

SCHEMA = Schema(
    columns=(
        Column(name="unit", kind=ColumnKind.CATEGORY, categories=("a", "b", "c", "d"), nullable=True),
        Column(name="age", kind=ColumnKind.INTEGER, lo=0, hi=120),
        Column(name="bmi", kind=ColumnKind.DECIMAL, lo=10, hi=60, nullable=True),
        Column(name="fee", kind=ColumnKind.DECIMAL, lo=0, hi=100, digits=2),
        Column(name="smoker", kind=ColumnKind.BOOL),
    )
)


def rows() -> dict[str, list[Any]]:
    rng = np.random.default_rng(3)
    return {
        "unit": [*"aaaabbbbbbc", None, "b"],
        "age": rng.integers(0, 120, 13).tolist(),
        "bmi": [None if at % 4 == 1 else float(rng.integers(80, 300)) / 8 for at in range(13)],
        "fee": [Decimal(int(cents)) / 100 for cents in rng.integers(0, 10_000, 13)],
        "smoker": (rng.random(13) < 0.5).tolist(),
    }


@pytest.fixture
def session() -> Iterator[tc.Session]:
    with tc.local() as opened:
        yield opened


def test_as_pandas(session: tc.Session) -> None:
    values = rows()
    groups = LocalTables(session).add("t", SCHEMA, values).groupby("unit")
    frame = pd.DataFrame({name: values[name] for name in ("unit", "age", "bmi", "smoker")})
    frame["fee"] = [float(fee) for fee in values["fee"]]
    plain = frame.groupby("unit")
    names = ["age", "bmi", "fee"]
    loosely: Any = {"check_dtype": False, "check_index_type": False}
    pd.testing.assert_frame_equal(groups.median(names), plain[names].median().reindex([*"abcd"]), **loosely)
    for q in (0.1, 0.75):
        expected = plain[names].quantile(q).reindex([*"abcd"])
        pd.testing.assert_frame_equal(groups.quantile(q, names), expected, **loosely)
    assert groups.median("smoker")["smoker"].tolist()[:3] == plain["smoker"].median().tolist()[:3]


def test_small_groups_are_hidden(session: tc.Session) -> None:
    table = LocalTables(session, cohort=4).add("t", SCHEMA, rows())
    groups = table.groupby("unit")
    with pytest.warns(SmallGroupsWarning, match="not shown"):
        found, sums = groups.median(["age", "bmi"]), groups.sum(["age", "bmi"])
    assert found.isna().to_numpy().tolist() == sums.isna().to_numpy().tolist()
    assert found.age["b"] == np.median(
        [age for unit, age in zip(rows()["unit"], rows()["age"], strict=True) if unit == "b"]
    )


def test_what_is_refused_says_what_to_do(session: tc.Session) -> None:
    groups = LocalTables(session).add("t", SCHEMA, rows()).groupby("unit")
    for q in (0, 1, [0.5], True):
        with pytest.raises(tc.InputError, match="between 0 and 1"):
            groups.quantile(q)  # type: ignore[arg-type]
    for refused in (groups.min, groups.max):
        with pytest.raises(TypeError, match=r"single rows: ask for quantile.*segment_min"):
            refused("age")


def test_what_pandas_has_and_tables_have_not(session: tc.Session) -> None:
    table: Any = LocalTables(session).add("t", SCHEMA, rows())
    groups: Any = table.groupby("unit")
    for ask, error, says in (
        (lambda: table.age, AttributeError, r"use table\['age'\]"),
        (lambda: table.median(), AttributeError, r"use numpy.median\(x\), where x is a column"),
        (lambda: table.corr(), AttributeError, r"numpy.corrcoef\(x, y\)"),
        (lambda: groups.agg("mean"), AttributeError, r"sum, mean, var, std, median"),
        (lambda: groups["age"], tc.InputError, "keys have missing values"),
        (lambda: table.groupby("smoker")["age"].mean(), AttributeError, r"groupby\(...\).mean\('age'\)"),
    ):
        with pytest.raises(error, match=says):
            ask()
    assert not hasattr(table, "_nothing") and not hasattr(groups, "__wrapped__")


def test_rows_by_groups_of_integers(session: tc.Session) -> None:
    """What each row needs of its group, by a column of which any number of values may occur."""
    columns = rows()
    table = LocalTables(session).add("visits", SCHEMA, columns)
    by = table.groupby("age", order="fee")
    found = by["smoker"].cumsum().reveal()
    fees = [float(fee) for fee in columns["fee"]]
    ordered = pd.DataFrame({"age": columns["age"], "fee": fees, "smoker": columns["smoker"]})
    wanted = ordered.sort_values("fee", kind="stable").groupby("age").smoker.cumsum().sort_index()
    assert found.tolist() == wanted.astype(int).tolist()
    plain = table.groupby("age")
    assert plain.cumcount().reveal().tolist() == ordered.groupby("age").cumcount().tolist()
    counts = plain["smoker"].agg("count", groups=121).reveal()
    assert counts.tolist() == np.bincount(columns["age"], minlength=121).tolist()
    with pytest.raises(tc.InputError, match="which values there are is secret"):
        plain.mean("smoker")
    with pytest.raises(AttributeError, match="cumsum"):
        plain["smoker"].ewm()  # type: ignore[attr-defined]
