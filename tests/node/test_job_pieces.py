"""Small parts of jobs: names in errors, results in files, those who wait."""

from __future__ import annotations

import os
import time
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from tercet.engine.failure import Cause, Report
from tercet.errors import Gone
from tercet.federation.api import ErrorBody
from tercet.federation.boxes import BoxInfo
from tercet.node.jobs.ledger import Watch
from tercet.node.jobs.results import KEPT_S, Results
from tercet.node.parts import NodeIdentity
from tercet.node.worker.lanes import failure
from tercet.node.worker.run import failed as worker_failed
from tercet.sharing import PARTIES

JOB = "ab" * 16


LONGEST = "n" * 63
"""A name as long as a federation file allows."""


def failed(reason: str, *, name: str = "clinic", hint: str = "", witness: int = 1, party: int | None = 2) -> ErrorBody:
    """What people read of a failure that a worker reports, as it comes through the report that workers exchange."""
    sent = Report(Cause.UNREACHABLE, witness, party, "12 multiply", "3", reason, hint).encode()
    names = dict(zip(PARTIES, ("hospital", name, "lab"), strict=True))
    identity = SimpleNamespace(name="hospital", party_name=names.__getitem__)
    return failure(cast("NodeIdentity", identity), JOB, worker_failed(Report.decode(sent)))


def test_a_failure_says_what_the_worker_said_and_where() -> None:
    body = failed("clinic closed its connection without a goodbye", hint="ask the operator of clinic")
    assert body.error == "unreachable" and body.node == "clinic" and body.hint == "ask the operator of clinic"
    assert body.message == (
        "clinic closed its connection without a goodbye (node clinic, operation 12 multiply, step 3)"
    )
    assert failed("it went", party=None, witness=3).node == "lab"
    assert failed("it went", party=None, witness=0).node == "hospital"
    # nothing is looked for in the text
    assert failed("column 'party 2'").message.startswith("column 'party 2' (node clinic")


def test_the_longest_names_fit_into_a_failure() -> None:
    missing = f"{LONGEST} and {LONGEST} did not connect within 10 s; nobody listens at the address of {LONGEST}"
    reason = f"{missing}; a caller was turned away: its certificate is not the one configured for {LONGEST}"
    body = failed(reason, name=LONGEST)
    assert body.message == f"{reason} (node {LONGEST}, operation 12 multiply, step 3)" and body.node == LONGEST


def test_results_are_read_in_pieces(tmp_path: Path) -> None:
    results = Results(tmp_path / "results")
    data = bytes(range(256)) * 10_000
    results.path(JOB).write_bytes(data)
    results.settle()
    ends = (3, 3, 10, 2_500_000)
    boxes = [
        BoxInfo(output=index, recipient="cd" * 32, start=start, nbytes=end - start)
        for index, (start, end) in enumerate(pairwise(ends))
    ]
    pieces = list(results.read(JOB, boxes, b"head"))
    assert b"".join(pieces) == b"head" + data[3:2_500_000] and max(map(len, pieces)) <= (1 << 20) + 4
    assert list(results.read(JOB, boxes[1:2], b"")) == [data[3:10]]
    with pytest.raises(Gone, match="not complete"):
        results.read(JOB, [BoxInfo(output=0, recipient="cd" * 32, start=len(data) - 1, nbytes=2)], b"")
    results.drop(JOB)
    results.drop(JOB)
    with pytest.raises(Gone, match="expired"):
        results.read(JOB, boxes, b"")


def test_results_expire(tmp_path: Path) -> None:
    results = Results(tmp_path)
    for name, age in (("new", 0.0), ("old", KEPT_S + 10)):
        results.path(name).write_bytes(b"x")
        os.utime(results.path(name), (time.time() - age,) * 2)
    assert results.tidy() == ["old"]
    assert results.tidy(keep={"other"}) == ["new"]


def test_those_who_wait_are_told_once() -> None:
    watch = Watch()
    told: list[str] = []
    watch.subscribe("a", lambda: told.append("first"))
    second = lambda: told.append("second")
    watch.subscribe("a", second)
    watch.forget("a", second)
    watch.forget("b", second)
    watch.changed("b")
    watch.changed("a")
    watch.changed("a")
    assert told == ["first"]
    watch.subscribe("b", second)
    watch.close()
    assert told == ["first", "second"]
