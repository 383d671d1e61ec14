"""What a person lists and orders, where the three nodes do not have the same."""

from __future__ import annotations

import json

import pytest

from client.fake_nodes import Answer, fake_nodes
from tercet.client import orders
from tercet.client.nodes import Nodes
from tercet.errors import IntegrityError
from tercet.federation.identity import Member
from tercet.store.schema import Column, ColumnKind, Schema

SCHEMA = Schema(columns=(Column(name="x", kind=ColumnKind.INTEGER, lo=0, hi=9),))


def info(name: str, version: int = 1) -> dict[str, object]:
    return {
        "name": name,
        "schema": json.loads(SCHEMA.model_dump_json(exclude_defaults=True)),
        "version": version,
        "manifest": f"{version:064x}",
        "rows": 10 * version,
        "segments": [],
        "created": 1.0,
        "changed": 1.0,
    }


def test_a_dataset_that_one_node_lacks_hides_no_others() -> None:
    """As after a restore of that node from a backup: others are listed, and uploads go to them."""

    def told(name: str, method: str, target: str, body: bytes) -> Answer:
        newest = [info("common"), info("older", 1 if name == "east" else 2), info("common2")]
        return 200, {"datasets": newest if name == "east" else [*newest, info("since")]}

    me = Member.create("me")
    with fake_nodes(told) as (federation, _), Nodes(federation, me) as nodes:
        agreed, differing = orders.listed(nodes)
        assert [one.name for one in agreed] == ["common", "common2"]
        assert sorted(differing) == ["older", "since"]
        assert "node east differs (" in str(differing["older"]) and "has version 1, 10 rows" in str(differing["older"])
        assert "east does not have it" in str(differing["since"])
        with pytest.raises(IntegrityError, match="older"):
            orders.datasets(nodes)
