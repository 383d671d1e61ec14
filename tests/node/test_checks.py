"""Uploads are checked before they become visible: nothing outside its range does, at three real nodes."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from node.trio_nodes import NAMES, Nodes, assert_ok, parts
from tercet.federation.api import ChangeOutcome
from tercet.federation.api_peer import CheckStart
from tercet.federation.refusals import HttpError
from tercet.node.changes.checks import Checks, _Task
from tercet.node.parts import NodeIdentity
from tercet.node.worker.messages import PieceOrder
from tercet.node.worker.pool import Lane, LaneEnd
from tercet.protocols.range_check import BATCH
from tercet.ring import RING64, RING128, pack_bits
from tercet.sharing import Party
from tercet.store.part import split_chunk
from tercet.store.schema import VALIDITY, Schema

LIMIT = 2**40


def refused(nodes: Nodes, dataset: str, values: list[list[int]], person: str = "owner") -> str:
    """Upload, and be refused; gives what is said. Nothing is visible anywhere."""
    upload = nodes.begin(dataset, person)
    rows = nodes.put(upload, values, person)
    answer = nodes.commit(upload, dataset, len(values), rows, person)
    assert answer.status_code == 422, answer.text
    assert nodes.versions(dataset) == [None] * 3
    told = str(answer.json()["message"])
    assert told.startswith(f"upload {upload[:8]}: some value of some column is outside its declared range")
    assert "x" not in told.split() and not any(str(value) in told for row in values for value in row if abs(value) > 99)
    return upload


def test_both_ends_are_in_range(nodes: Nodes) -> None:
    assert nodes.upload("ends", [[LIMIT, -LIMIT, 0, 1, -1]]).rows == 5
    assert None not in nodes.versions("ends")


@pytest.mark.parametrize("bad", [LIMIT + 1, -LIMIT - 1, 2**41, 2**62, -(2**63), 2**63 - 1])
def test_one_value_beyond_is_refused(nodes: Nodes, bad: int) -> None:
    refused(nodes, f"beyond{abs(bad)}", [[1] * 64, [bad]] if bad % 2 else [[bad, 1, 2, 3]])


KINDS = Schema.parse(
    {
        "columns": [
            {"name": "sex", "kind": "category", "categories": ["f", "m"]},
            {"name": "stage", "kind": "integer", "lo": 1, "hi": 8},
            {"name": "age", "kind": "integer", "lo": 0, "hi": 120, "nullable": True},
            {"name": "price", "kind": "decimal", "digits": 2, "lo": 0, "hi": 9.99},
            {"name": "big", "kind": "integer", "lo": 0, "hi": 2**80},
            {"name": "smoker", "kind": "bool", "nullable": True},
        ]
    }
)
GOOD = {"sex": [0, 1, 1], "stage": [1, 8, 4], "age": [0, 120, 0], "price": [0, 999, 5], "big": [0, 2**80, 7]}


def commit_kinds(nodes: Nodes, dataset: str, **changed: list[int]) -> int:
    """Upload columns of narrow kinds and one that is wide, of which the last age and smoker are missing."""
    upload = nodes.begin(dataset, schema=KINDS)
    words: dict[str, Any] = {
        name: pack_bits(np.array([True, True, False])) for name in ("age" + VALIDITY, "smoker" + VALIDITY)
    }
    words["smoker"] = pack_bits(np.array([True, False, bool(changed.pop("smoker", None))]))
    for name, values in {**GOOD, **changed}.items():
        words[name] = (RING128 if name == "big" else RING64).from_ints(values)
    for name, buffers in zip(NAMES, split_chunk(KINDS, words, 3, bytes.fromhex(upload), 0), strict=True):
        target = f"/v1/uploads/{upload}/chunks/0"
        assert_ok(nodes.request(name, "owner", "PUT", target, content=b"".join(buffers)))
    answer = nodes.commit(upload, dataset, 1, 3)
    assert answer.is_success or "outside its declared range" in answer.json()["message"], answer.text
    assert nodes.versions(dataset).count(None) == (0 if answer.is_success else 3)
    return answer.status_code


def test_narrow_columns_are_checked_like_wide_ones(nodes: Nodes) -> None:
    """A bit as a number, a full range, one that is not, hundredths, 128 bits, missing ones: none may hold another."""
    bad = [
        {"sex": [0, 2, 1]},
        {"sex": [-(2**63), -(2**63), 1]},
        {"stage": [0, 8, 4]},
        {"stage": [1, 9, 4]},
        {"age": [121, 0, 0]},
        {"age": [1, 1, 1]},
        {"price": [1000, 0, 0]},
        {"price": [1, 1, 2**62]},
        {"big": [0, 2**80 + 1, 0]},
        {"big": [0, 0, -1]},
        {"smoker": [1]},
    ]
    for number, changed in enumerate(bad):
        assert commit_kinds(nodes, f"narrow{number}", **changed) == 422, changed
    assert commit_kinds(nodes, "narrow") == 200


def test_two_that_cancel_are_refused_and_the_good_file_goes_through_afterwards(nodes: Nodes) -> None:
    upload = refused(nodes, "cancel", [[-(2**63), 5, -(2**63)]])
    rows = nodes.put(upload, [[1, 5, 2]])
    outcome = ChangeOutcome.model_validate(assert_ok(nodes.commit(upload, "cancel", 1, rows)).json())
    assert outcome.state == "committed" and None not in nodes.versions("cancel")


def test_a_bad_last_chunk_of_many_is_found(nodes: Nodes) -> None:
    refused(nodes, "last", [[1] * 64, [2] * 64, [3] * 64, [LIMIT + 1]])


def test_rows_that_are_appended_are_checked(nodes: Nodes) -> None:
    nodes.upload("more", [[1, 2]])
    before = nodes.versions("more")
    upload = nodes.begin("more", "owner2", "append")
    nodes.put(upload, [[LIMIT * 2]], "owner2")
    assert nodes.commit(upload, "more", 1, 1, "owner2").status_code == 422
    assert nodes.versions("more") == before
    assert nodes.upload("more", [[3]], "owner2", "append").rows == 3


def checks_of(nodes: Nodes, name: str, since: int) -> list[dict[str, Any]]:
    return [event for event in nodes.events(name)[since:] if event["event"] == "checked"]


def test_large_uploads_are_checked_while_they_come_and_what_is_sent_again_is_checked_again(nodes: Nodes) -> None:
    """What was found good is not what is committed, when a chunk was replaced after its check."""
    seen = {name: len(nodes.events(name)) for name in NAMES}
    upload = nodes.begin("large")
    size = BATCH // 2
    nodes.put(upload, [[7] * size, [8] * size])
    for name in NAMES:
        nodes.wait_for(lambda name=name: checks_of(nodes, name, seen[name]))
        assert (
            checks_of(nodes, name, seen[name])[0]["chunks"] == 2 and not checks_of(nodes, name, seen[name])[0]["passed"]
        )
    nodes.put_parts(upload, 1, parts(upload, 1, [8] * (size - 1) + [-(2**63)]))
    assert nodes.commit(upload, "large", 2, 2 * size).status_code == 422
    assert nodes.versions("large") == [None] * 3
    nodes.put_parts(upload, 1, parts(upload, 1, [8] * size))
    assert_ok(nodes.commit(upload, "large", 2, 2 * size))
    last = checks_of(nodes, "b", seen["b"])[-1]
    assert last["passed"] == [True] and last["chunks"] == 1


def test_copies_that_differ_are_named_before_anything_is_checked(nodes: Nodes) -> None:
    upload = nodes.begin("differ")
    nodes.put(upload, [[1, 2, 3]], b=parts(upload, 0, [1, 2, 3])[1])
    answer = nodes.commit(upload, "differ", 1, 3)
    assert answer.status_code in (409, 422) and nodes.versions("differ") == [None] * 3


def test_what_one_owner_can_have_checked_is_limited(stopped: Nodes) -> None:
    nodes = stopped
    nodes.set("b", "checks_of_one", "2")
    # a lane's worker does with the least memory that a job may be allowed
    for name in NAMES:
        nodes.set(name, "job_memory_bytes", str(64 << 20))
    nodes.start()
    size = 3 * BATCH // 2
    nodes.upload("one", [[5] * size])
    upload = refused_at(nodes, "two", [-(2**63)])
    assert upload != refused_at(nodes, "three", [1], 429, "were checked 2 times in the last hour")
    nodes.upload("four", person="owner2")


def refused_at(nodes: Nodes, dataset: str, rows: list[int], status: int = 422, words: str = "outside") -> str:
    upload = nodes.begin(dataset)
    nodes.put(upload, [rows])
    answer = nodes.commit(upload, dataset, 1, len(rows))
    assert answer.status_code == status and words in answer.json()["message"], answer.text
    return upload


def test_the_audit_tells_which_ranges_were_checked(nodes: Nodes) -> None:
    nodes.upload("audited", [[4, 5]])
    for name in NAMES:
        answer = assert_ok(nodes.request(name, "operator", "GET", "/v1/admin/audit?limit=1000"))
        entries = [entry for entry in answer.json()["entries"] if entry["details"].get("dataset") == "audited"]
        (stamp,) = entries[0]["details"]["checked"]
        assert stamp["protocol"] == 2 and len(stamp["ranges"]) == 64
        assert "own" not in json.dumps(stamp)


PIECE = PieceOrder(segment={}, own="0" * 32, next="0" * 32, open=False)
RUN = "5" * 32
START = CheckStart(lane=0, upload="6" * 32, chunks=[])


class IdleLane(Lane):
    """A lane whose worker is never to be asked."""

    def __init__(self) -> None:
        super().__init__(0, cast("Any", None), cast("Any", None), cast("Any", None), b"")
        self.asked = False

    def _run(self, *_: Any) -> LaneEnd:
        self.asked = True
        return LaneEnd.DIED


class Alone(NodeIdentity):
    """A node without the other two."""

    @property
    def others(self) -> list[Party]:
        return []


class OneLane(list[IdleLane]):
    def cancel(self, run: str) -> bool:
        return any(lane.cancel(run) for lane in self)


def checks(lanes: OneLane, at: Callable[[str], None]) -> Checks:
    """One node's checks, of which nothing but runs and lanes is there."""
    nothing: Any = lambda *_, **__: None
    timeouts = SimpleNamespace(worker=1.0)
    settings = SimpleNamespace(limits=SimpleNamespace(job_seconds=5.0), timeouts=timeouts)
    log = SimpleNamespace(info=nothing, warning=nothing, defect=pytest.fail)
    identity = Alone(cast("Any", None), cast("Any", None), "b", Party.P1)
    store = SimpleNamespace(catalogue=None)
    context = SimpleNamespace(store=store, settings=settings, log=log, at=at, identity=identity)
    return Checks(cast("Any", context), cast("Any", lanes))


def test_a_run_that_ends_elsewhere_before_its_worker_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that began it would meet the next run in its lane with the old session, and fail that."""
    waits, go = threading.Event(), threading.Event()

    def at(step: str) -> None:
        if step == "check handed over":
            waits.set()
            assert go.wait(10)

    lanes = OneLane([IdleLane()])
    one = checks(lanes, at)
    schema = Schema.parse({"columns": [{"name": "x", "kind": "bool"}]})
    monkeypatch.setattr(one, "_of_upload", lambda start: _Task("ab" * 32, schema, [PIECE]))
    assert one.begin(RUN, START).state == "running" and waits.wait(10)
    ending = threading.Thread(target=one.end, args=(RUN,))
    ending.start()
    ending.join(0.2)
    go.set()
    ending.join(10)
    assert one.news(RUN, 10).state == "failed" and not lanes[0].asked


def test_a_run_that_ends_elsewhere_before_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    lanes = OneLane([IdleLane()])
    one = checks(lanes, lambda step: None)
    monkeypatch.setattr(one, "_of_upload", lambda start: pytest.fail("begun"))
    assert one.end(RUN).state == "unknown"
    with pytest.raises(HttpError):
        one.begin(RUN, START)
    assert one.news(RUN).state == "unknown"
