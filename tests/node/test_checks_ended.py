"""Checks that end elsewhere before they have come to a worker here: nobody works on them, and the lane is free."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tercet.federation.api_peer import CheckStart
from tercet.federation.refusals import HttpError
from tercet.node.changes.checks import Checks, _Task
from tercet.node.worker.messages import PieceOrder
from tercet.node.worker.pool import Lane, LaneEnd
from tercet.sharing import Party
from tercet.store.schema import Schema

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


class OneLane(list[IdleLane]):
    def cancel(self, run: str) -> bool:
        return any(lane.cancel(run) for lane in self)


def checks(lanes: OneLane, at: Callable[[str], None]) -> Checks:
    """One node's checks, of which nothing but runs and lanes is there."""
    nothing: Any = lambda *_, **__: None
    timeouts = SimpleNamespace(worker=1.0)
    settings = SimpleNamespace(limits=SimpleNamespace(job_seconds=5.0), timeouts=timeouts)
    log = SimpleNamespace(info=nothing, warning=nothing, defect=pytest.fail)
    identity = SimpleNamespace(name="b", me=Party.P1, others=[])
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
