"""Small parts of jobs: names in errors, results in files, those who wait."""

from __future__ import annotations

import os
import time
from itertools import pairwise
from pathlib import Path

import pytest

from tercet.node.failures import with_names
from tercet.node.lane_messages import BoxInfo
from tercet.node.live import Watch
from tercet.node.results import KEPT_S, Results
from tercet.sharing import PARTIES
from tercet.store.errors import Gone

JOB = "ab" * 16


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("party 2 closed its connection", "clinic closed its connection"),
        ("parties 1 and 3 hold different copies", "hospital and lab hold different copies"),
        ("reported by party 3, operation 2", "reported by lab, operation 2"),
        ("party 12 and a third party", "party 12 and a third party"),
    ],
)
def test_parties_become_nodes(text: str, told: str) -> None:
    assert with_names(text, dict(zip(PARTIES, ("hospital", "clinic", "lab"), strict=True))) == told


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
