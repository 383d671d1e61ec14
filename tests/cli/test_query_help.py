"""All that `tercet query --help` lists runs under the policy of `tercet up`, or is marked there as what does not."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest

import tercet as tc
from node.trio_nodes import trio
from tercet.cli.ask import query
from tercet.client.infer import infer
from tercet.client.nodes import Nodes as Asked
from tercet.client.remote import RemoteSession
from tercet.client.upload import upload
from tercet.errors import Refused

AGGREGATES = {
    "COUNT(*)": "COUNT(*)",
    **{
        name: f"{name}(age)"
        for name in (
            "COUNT", "SUM", "AVG", "STDDEV", "STDDEV_SAMP", "STDDEV_POP", "VAR_SAMP", "VAR_POP",
        )
    },
}  # fmt: skip
MARKED = {name: f"{name}(age)" for name in ("MIN", "MAX")}
ROW = {
    "'texts'": "SUM(CASE WHEN sex = 'f' THEN age END)",
    "'2020-01-31'": "SUM(CASE WHEN seen > '2020-01-31' THEN age END)",
    "TRUE": "COUNT(CASE WHEN TRUE THEN 1 END)",
    "FALSE": "SUM(CASE WHEN smoker = FALSE THEN age END)",
    "NULL": "COUNT(CASE WHEN age > 40 THEN NULL ELSE 1 END)",
    "+": "SUM(age + 1)",
    "-": "SUM(age - 1)",
    "*": "SUM(age * age)",
    "/": "SUM(age / 7)",
    "ABS": "SUM(ABS(age - 40))",
    "CASE": "SUM(CASE WHEN age > 40 THEN 1 ELSE 2 END)",
    "COALESCE": "SUM(COALESCE(bmi, 20))",
    "NULLIF": "SUM(NULLIF(smoker, 0))",
}
CONDITIONS = {
    **{sign: f"age {sign} 40" for sign in ("=", "<>", "<", "<=", ">", ">=")},
    "BETWEEN": "age BETWEEN 30 AND 60",
    "IN": "sex IN ('f')",
    "IS NULL": "bmi IS NULL",
    "IS TRUE": "smoker IS TRUE",
    "IS FALSE": "smoker IS FALSE",
    "AND": "age > 20 AND age < 80",
    "OR": "age < 40 OR age > 60",
    "NOT": "NOT age < 40",
}


def words(title: str) -> set[str]:
    """What stands in the help behind a title, without plain words."""
    (line,) = [part for part in re.split(r"\n\s*\n", query.__doc__ or "") if part.strip().startswith(title)]
    listed = line.split(":", 1)[1]
    found = re.findall(r"(?:IS )?[A-Z_]{2,}(?:\(\*\))?|'[^']*'|(?<=\s)[-+*/=<>]+(?=[\s,])", listed)
    return set(found) - {"WHERE", "WHEN", "CASE WHEN"}


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RemoteSession]:
    draw = np.random.default_rng(2)
    frame = pd.DataFrame(
        {
            "age": draw.integers(18, 95, 200),
            "bmi": np.where(draw.random(200) < 0.2, np.nan, np.round(draw.normal(26, 4, 200), 1)),
            "sex": draw.choice(["f", "m"], 200),
            "smoker": draw.integers(0, 2, 200).astype(bool),
            "seen": pd.to_datetime("2019-06-01") + pd.to_timedelta(draw.integers(0, 900, 200), "D"),
        }
    )
    frame.loc[:20, "age"] = 40
    with trio(tmp_path_factory.mktemp("as-up")) as running, Asked(running.federation, running.people["owner"]) as nodes:
        upload(nodes, frame, dataset="patients", schema=infer(frame).schema)
        with tc.connect(running.federation, running.people["analyst"], profile="lan") as session:
            yield session


def test_the_help_lists_what_is_tried_here() -> None:
    assert words("Aggregates") - {"+", "-", "*", "/"} == {*AGGREGATES, *MARKED}
    assert words("Of a row") == {*ROW}
    assert words("Conditions") | {"="} == {*CONDITIONS}


def test_what_is_listed_runs(net: RemoteSession) -> None:
    asked = [*AGGREGATES.values(), *ROW.values(), "SUM(age) / COUNT(*) + 1"]
    (row,) = net.query(f"SELECT {', '.join(asked)} FROM patients").rows
    assert all(value is not None for value in row)
    for condition in CONDITIONS.values():
        ((count,),) = net.query(f"SELECT COUNT(*) FROM patients WHERE {condition}").rows
        assert isinstance(count, int) and 5 <= count < 200, condition
    assert len(net.query("SELECT sex, smoker, COUNT(*) FROM patients GROUP BY sex, smoker").rows) == 4


@pytest.mark.parametrize("name", MARKED)
def test_what_is_marked_is_refused_with_the_reason(net: RemoteSession, name: str) -> None:
    assert "where a rule of all nodes names the column" in (query.__doc__ or "").replace("\n    ", " ")
    with pytest.raises(Refused, match="single rows"):
        net.query(f"SELECT {MARKED[name]} FROM patients")
