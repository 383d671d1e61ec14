"""A node that tells another end of a job, or that its data was checked better, is seen in the list of jobs."""

from __future__ import annotations

import json
import sqlite3

import pytest

import tercet as tc
from node.trio_nodes import Nodes
from tercet.cli import listing
from tercet.client import asking
from tercet.federation.api import JobInfo


@pytest.mark.parametrize("liar", ["a", "b"])
def test_a_node_that_tells_otherwise_is_seen(patients: Nodes, liar: str, capsys: pytest.CaptureFixture[str]) -> None:
    with tc.connect(patients.federation, patients.people["analyst"], profile="lan") as net:
        net.table("patients")["age"].sum().reveal()
        job = net.jobs()[0].job
        assert net.told_otherwise() == {}
        with sqlite3.connect(patients.folder / liar / "store" / "catalogue.sqlite") as database:
            (text,) = database.execute("SELECT info FROM jobs WHERE job = ?", (job,)).fetchone()
            told = json.loads(text)
            told["grounds"]["patients"] |= {"claimed": 1, "claimed_outputs": [0]}
            database.execute("UPDATE jobs SET info = ? WHERE job = ?", (json.dumps(told), job))
        try:
            listed, otherwise = asking.listed(net.nodes)
            assert net.told_otherwise() == otherwise
        finally:
            with sqlite3.connect(patients.folder / liar / "store" / "catalogue.sqlite") as database:
                database.execute("UPDATE jobs SET info = ? WHERE job = ?", (text, job))
        assert otherwise.keys() == {job}
        assert otherwise[job].keys() == ({"b", "c"} if liar == "a" else {"b"})
    listing.show_jobs(listed, as_json=False, otherwise=otherwise)
    assert f"job {job[:8]}: b tells otherwise: done, rests on checked data" in capsys.readouterr().out
    listing.show_jobs(listed, as_json=True, otherwise=otherwise)
    first = json.loads(capsys.readouterr().out)[0]
    assert (
        JobInfo.model_validate(first["otherwise"]["b"]).grounds
        != JobInfo.model_validate({k: v for k, v in first.items() if k != "otherwise"}).grounds
    )
