"""Jobs at the nodes: results of a wrong form are refused, and a node that tells another end is noticed."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import tercet as tc
from client.fake_nodes import NAMES, Answer, fake_nodes
from node.trio_nodes import Nodes as Trio
from tercet.cli import listing
from tercet.client import asking
from tercet.client.asking import fetch
from tercet.client.nodes import Nodes
from tercet.errors import InputError, ProtocolViolation
from tercet.federation.api_jobs import JobInfo
from tercet.federation.boxes import boxes_head, seal_result
from tercet.federation.identity import Member
from tercet.plan.types import Type, ValueKind, element_bits
from tercet.protocols.reveal import TAGS_BYTES
from tercet.ring import pack_fields
from tercet.sharing import Party

JOB = "ab" * 16
SHAPES = {0: (1,), 3: (2, 4)}
TYPES: dict[int, Type] = {index: Type(ValueKind.INT, shape, 64, 0, 0, 0, 100) for index, shape in SHAPES.items()}


class Answers:
    """Three nodes of which each sends its own party number as every word, and tags that agree."""

    def __init__(self) -> None:
        self.me = Member.create("me")
        self.asked: list[str] = []
        self.shapes = dict(SHAPES)
        self.change: Any = lambda data: data
        self.errors: dict[str, Any] = {}

    def __call__(self, name: str, method: str, target: str, body: bytes) -> Answer:
        self.asked.append(f"{method} {target}")
        if name in self.errors:
            return 410, self.errors[name]
        party = Party(NAMES.index(name) + 1)
        boxes = {}
        for index, shape in self.shapes.items():
            words = np.full(math.prod(shape), int(party), np.uint64)
            opened = pack_fields(words, element_bits(TYPES[0])).tobytes()
            boxes[index] = seal_result(self.me.card, JOB, index, party, opened + bytes(TAGS_BYTES))
        data = boxes_head([(index, len(box)) for index, box in boxes.items()]) + b"".join(boxes.values())
        return 200, self.change(data) if name == "east" else data


Asked = tuple[Nodes, Answers]


@pytest.fixture
def asked() -> Iterator[Asked]:
    answers = Answers()
    with fake_nodes(answers) as (federation, _), Nodes(federation, answers.me) as nodes:
        yield nodes, answers


def test_all_outputs_come_with_one_request_a_node(asked: Asked) -> None:
    nodes, answers = asked
    found = fetch(nodes, JOB, TYPES)
    assert {index: words.tolist() for index, words in found.items()} == {0: [6], 3: [6] * 8}
    assert answers.asked == [f"GET /v1/jobs/{JOB}/results"] * 3


@pytest.mark.parametrize(
    ("shapes", "told"),
    [
        ({0: (1,)}, "0 bytes for output 3 where 119 are due"),
        ({0: (1,), 3: (2, 3)}, "118 bytes for output 3 where 119 are due"),
        ({0: (1,), 2: (1,), 3: (1, 1)}, "113 bytes for output 2 where 0 are due"),
    ],
)
def test_other_boxes_than_are_due(asked: Asked, shapes: dict[int, tuple[int, ...]], told: str) -> None:
    nodes, answers = asked
    answers.shapes = shapes
    with pytest.raises(ProtocolViolation, match=told):
        fetch(nodes, JOB, TYPES)


@pytest.mark.parametrize("data", [b"", b"{}", b"TRBX" + bytes(200), bytes(2 << 20)])
def test_an_answer_that_is_none(asked: Asked, data: bytes) -> None:
    nodes, answers = asked
    answers.change = lambda _: data
    with pytest.raises(ProtocolViolation, match="node east") as told:
        fetch(nodes, JOB, TYPES)
    assert told.value.party == 2


def test_an_error_is_told_as_such(asked: Asked) -> None:
    nodes, answers = asked
    answers.errors["east"] = {"error": "gone", "message": "the result has expired", "node": "east"}
    with pytest.raises(InputError, match="the result has expired"):
        fetch(nodes, JOB, TYPES)


@pytest.mark.parametrize("liar", ["a", "b"])
def test_a_node_that_tells_otherwise_is_seen(patients: Trio, liar: str, capsys: pytest.CaptureFixture[str]) -> None:
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
