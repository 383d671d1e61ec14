"""An analyst who is an owner, too: their own rows are public to them, and nothing of others' with them."""

from __future__ import annotations

import time

import numpy as np

from node.jobs_at_nodes import Asked, Question, Recording
from node.trio_nodes import SCHEMA, Nodes
from plan_trio import array_of
from tercet.array.core import SecretArray
from tercet.federation.bundle import InputRef, make_bundle
from tercet.federation.model import fresh_id
from tercet.plan.network import LAN
from tercet.plan.plan import OutputKind
from tercet.plan.record.compile import Wanted, compile_plan

ME = "both"


def same(x: SecretArray) -> SecretArray:
    return x + 0 * x


def with_own_version(nodes: Nodes, dataset: str, version: tuple[int, str, int], kept: str) -> Asked:
    """Reveal what is kept, in a job that reads an earlier version of the dataset, too."""
    asked = Asked(nodes, dataset, person=ME, reads=kept)
    number, manifest, rows = version
    column = InputRef.of_column(nodes.federation.id, dataset, number, manifest, "x")
    (array,) = asked.header.inputs
    recorder = Recording()
    x = array_of(recorder, recorder.graph.input(column.handle_bytes, SCHEMA.type("x", rows)))  # type: ignore
    y = array_of(recorder, recorder.graph.input(array.handle_bytes, asked.type_of(kept)))  # type: ignore
    wanted = [Wanted(value.undivided, OutputKind.REVEAL, b"") for value in (y, x.sum())]
    asked.job = fresh_id()
    asked.plan = compile_plan(wanted, LAN)
    asked.header = asked.header.model_copy(
        update={"inputs": (column, array), "job": asked.job, "created": int(time.time())}
    )
    asked.bundle = make_bundle(asked.member, asked.header, asked.plan.to_bytes())
    return asked


def row_by_row(nodes: Nodes, dataset: str, **more: str) -> Asked:
    question: Question = same
    return Asked(nodes, dataset, question, person=ME, **more)  # type: ignore[arg-type]


def test_rows_of_others_do_not_come_with_an_earlier_version_of_ones_own(nodes: Nodes) -> None:
    """What was kept of the pool as it is now is not their own because the pool once was."""
    nodes.upload("own-pool", [[1, 2, 3, 4, 5]], person=ME)
    alone = nodes.version("a", "own-pool")
    assert alone is not None
    assert np.array_equal(row_by_row(nodes, "own-pool").sent().result(), [1, 2, 3, 4, 5])
    nodes.upload("own-pool", [[11, 12, 13, 14, 15, 16, 17]], mode="append")
    assert {answer.status_code for answer in row_by_row(nodes, "own-pool").send().values()} == {403}
    asked = row_by_row(nodes, "own-pool", keep="own-kept").sent()
    assert {info.state for info in asked.ends().values()} == {"done"}
    for answer in with_own_version(nodes, "own-pool", alone, "own-kept").send().values():
        assert answer.status_code == 403, answer.text
        assert "row by row for 12 rows of own-pool" in answer.text


def test_ones_own_rows_beside_one_of_somebody_else_hide_nobody(nodes: Nodes) -> None:
    """Sums over a chosen row and many of one's own were over enough rows, and that row's value."""
    nodes.upload("own-rows", [list(range(100, 110))])
    nodes.upload("own-rows", [[1] * 30], mode="append", person=ME)
    assert Asked(nodes, "own-rows", person=ME).sent().result() == sum(range(100, 110)) + 30
    assert Asked(nodes, "own-rows", lambda x: x[9:].sum(), person="analyst").sent().result() == 109 + 30
    for start in (9, 7):
        asked = Asked(nodes, "own-rows", lambda x, start=start: x[start:].sum(), person=ME)  # type: ignore[misc]
        for answer in asked.send().values():
            assert answer.status_code == 403, answer.text
            assert f"over at least {10 - start} row" in answer.text and "besides rows of their own" in answer.text
