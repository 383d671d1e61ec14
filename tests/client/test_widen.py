"""Owners of rows at three nodes agree to wider bounds; nothing is uploaded again."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import tercet as tc
from commands_of_cli import tercet
from node.trio_nodes import Nodes as Trio
from tercet.client import orders
from tercet.client.infer import infer
from tercet.client.merge import merge
from tercet.client.nodes import Nodes
from tercet.client.upload import upload
from tercet.errors import InputError, TercetError


def agree(three: Trio, who: str, schema: Path) -> str:
    """Say it on the command line."""
    files = ("--federation", three.folder / "federation.toml", "--identity", three.folder / f"{who}.pem")
    return " ".join(tercet("widen", "weather", "--schema", schema, *files).output.split())


def test_bounds_are_widened_by_agreement(three: Trio, tmp_path: Path) -> None:
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    first.write_text("temp,site\n" + "1,a\n7,b\n12,a\n" * 20)
    second.write_text("temp,site\n" + "-5,c\n3,c\n18,a\n" * 20)
    schema = infer({"temp": [1, 7, 12] * 20, "site": ["a", "b", "a"] * 20}).schema
    wider = merge([schema, infer({"temp": [-5, 3, 18] * 20, "site": ["c", "c", "a"] * 20}).schema]).schema
    with (
        Nodes(three.federation, three.people["owner"]) as owner,
        Nodes(three.federation, three.people["owner2"]) as other,
    ):
        upload(owner, first, dataset="weather", schema=schema)
        upload(other, first, dataset="weather", schema=schema, mode="append")
        with pytest.raises(InputError, match=r"temp: 20 values outside, .*lo = -5, hi = 20 .*site: 40 values"):
            upload(other, pd.read_csv(second), dataset="weather", schema=schema, mode="append")
        path = tmp_path / "wider.toml"
        wider.save(path)
        told = agree(three, "owner", path)
        assert "Your agreement is noted at all three nodes." in told and "yet to agree: owner2." in told
        noted = orders.widen(owner, "weather", wider)
        assert noted.version is None and noted.state == "committed" and not noted.unsigned
        mine = three.people["owner"].card.fingerprint
        assert orders.dataset(owner, "weather").agreeing == [[mine]]
        with pytest.raises(TercetError, match="has none"), Nodes(three.federation, three.people["analyst"]) as stranger:
            orders.widen(stranger, "weather", wider)
        told = agree(three, "owner2", path)
        assert "All owners agree: weather has the wider bounds, at all three nodes (version 3)." in told
        found = orders.dataset(owner, "weather")
        assert found.agreeing == [] and found.version == 3
        upload(other, second, dataset="weather", mode="append")
    with tc.connect(three.federation, three.people["analyst"], profile="lan") as net:
        assert int(net.table("weather")["temp"].sum().reveal()) == 2 * 20 * 20 + 20 * 16
