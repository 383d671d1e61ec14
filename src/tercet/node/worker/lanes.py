"""The lanes of a node as its supervisor uses them: made from the settings, which are taken, why work in them failed."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from socket import socket

from tercet.engine.failure import Cause, Report
from tercet.federation.api import ErrorBody
from tercet.federation.api_admin import LaneStatus
from tercet.federation.refusals import error_body
from tercet.node.parts import NodeContext, NodeIdentity
from tercet.node.worker.launch import Launcher
from tercet.node.worker.messages import Failed, LaneAddress, LaneSession, PartyNumber, Setup
from tercet.node.worker.pool import LaneEnd, LanePool
from tercet.sharing import Party

CONNECT_S = 10.0
"""How long the workers of a lane may take to connect with each other."""
_LANE_S = 30.0
"""How long a lane stays taken when another node does not say that its worker is done."""
_TURN_S = 1.0
_MESSAGE, _HINT = 2000, 1000


def make_lanes(context: NodeContext, listeners: Sequence[socket], launcher: Launcher) -> LanePool:
    """Give the lanes of a node, one for each socket (bound and listening); `start` then starts their workers."""
    settings, identity = context.settings, context.identity
    nodes = identity.federation.nodes
    setup = Setup(
        party=int(identity.me),
        federation=identity.federation.id,
        names=[entry.name for entry in nodes],
        certificates=[base64.b64encode(entry.card.certificate).decode() for entry in nodes],
        folder=str(settings.folder_path),
        timeout_s=settings.timeouts.worker,
        threads=settings.limits.threads,
        memory_bytes=settings.limits.job_memory_bytes,
    )
    lanes = LanePool(listeners, setup, identity.member.identity.key, launcher)
    for lane in lanes:
        lane.died = lambda number, status: context.log.warning("worker ended", lane=number, status=status)
    context.metrics.lanes.set(len(lanes))
    return lanes


def lane_session(context: NodeContext, lane: int, session: str) -> LaneSession:
    """The session of one order in this lane. Raises ConfigError for a port that cannot be."""
    identity = context.identity
    places: dict[PartyNumber, LaneAddress] = {}
    for party in identity.others:
        host, port = identity.federation.node(party).lane(lane)
        places[str(int(party))] = LaneAddress(host=host, port=port)  # type: ignore[index]
    flush_s = context.settings.timeouts.worker
    return LaneSession(session=session, places=places, connect_s=CONNECT_S, flush_s=flush_s)


def lane_statuses(lanes: LanePool) -> list[LaneStatus]:
    """The lanes, for the operator."""
    return [
        LaneStatus(lane=one.lane, port=one.port, job=one.job, since=one.since, resident_bytes=one.resident_bytes)
        for one in lanes.states()
    ]


def missing_workers(lanes: LanePool) -> list[str]:
    """What keeps jobs from running in any lane; empty if nothing does."""
    states = lanes.states()
    return [] if not states or any(one.ready for one in states) else ["the workers load"]


def failure(identity: NodeIdentity, job: str, failed: Failed) -> ErrorBody:
    """The error of a job that failed in the workers; they have put the names of nodes into its texts."""
    report = Report(
        Cause(failed.cause), failed.witness, failed.party, failed.operation, failed.step, failed.reason, failed.hint
    )
    blamed = failed.party or failed.witness
    where = identity.party_name(Party(blamed)) if blamed else identity.name
    _, body = error_body(report.error(bytes.fromhex(job)), where)
    facts = [f"node {where}"] + [
        f"{what} {value}" for what, value in (("operation", failed.operation), ("step", failed.step)) if value
    ]
    message = f"{failed.reason} ({', '.join(facts)})"
    return body.model_copy(update={"message": message[:_MESSAGE], "hint": failed.hint[:_HINT]})


def ended(identity: NodeIdentity, why: LaneEnd) -> ErrorBody:
    """The error of a job whose worker was ended here."""
    name = identity.name
    return identity.error(
        *{
            LaneEnd.DEADLINE: (
                "expired",
                f"the job was not done at its deadline, and {name} ended it",
                "give it more time",
            ),
            LaneEnd.CANCELLED: ("cancelled", f"the job was ended at {name}"),
            LaneEnd.STOPPED: ("interrupted", f"{name} was stopped while the job ran", "ask again when it runs"),
            LaneEnd.DIED: (
                "interrupted",
                f"the worker of {name} that ran the job ended unexpectedly",
                "ask again; see that node's log",
            ),
            LaneEnd.BUSY: ("busy", f"the lane of {name} did not become free", "ask again"),
        }[why]
    )


@dataclass
class _Reservation:
    """A lane that is taken: for which job or check, and which other nodes have not said that it has ended there."""

    task: str
    busy: set[Party] = field(default_factory=set)
    ended_at: float | None = None
    """When it ended at this node, on the monotonic clock."""
    held: bool = False
    """Whether it stays taken until `give`."""


class Reservations:
    """Which lanes are taken, at the coordinator, which assigns them for all three nodes. Thread-safe.

    Who calls it: the dispatcher of jobs (`take_now`, `ended`, `ended_at`) and checks of values (`take`, `give`).
    """

    def __init__(self, lanes: int) -> None:
        self._lanes = lanes
        self._condition = threading.Condition()
        self._taken: dict[int, _Reservation] = {}
        self._stopping = False

    def stop(self) -> None:
        """Have `take` give None from now on."""
        with self._condition:
            self._stopping = True
            self._condition.notify_all()

    def take(self, task: str, seconds: float) -> int | None:
        """Wait for a free lane and take it, until `give`; None when none became free in time."""
        deadline = time.monotonic() + seconds
        with self._condition:
            while not self._stopping:
                lane = self._free()
                if lane is not None:
                    self._taken[lane] = _Reservation(task, held=True)
                    return lane
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                self._condition.wait(min(left, _TURN_S))
        return None

    def take_now(self, task: str, parties: Collection[Party]) -> int | None:
        """Take a free lane, if there is one, until the task has ended here and at the nodes of `parties`."""
        with self._condition:
            lane = self._free()
            if lane is not None:
                self._taken[lane] = _Reservation(task, set(parties))
            return lane

    def give(self, lane: int) -> None:
        """Make a lane free, whoever has it."""
        with self._condition:
            self._taken.pop(lane, None)
            self._condition.notify_all()

    def ended_at(self, party: Party, task: str) -> None:
        """Note that a task of `take_now` has ended at another node."""
        with self._condition:
            for one in self._taken.values():
                if one.task == task:
                    one.busy.discard(party)
            self._condition.notify_all()

    def ended(self, task: str) -> None:
        """Note that a task of `take_now` has ended at this node."""
        with self._condition:
            for one in self._taken.values():
                if one.task == task and one.ended_at is None:
                    one.ended_at = time.monotonic()
            self._condition.notify_all()

    def running(self) -> list[str]:
        """Tasks of `take_now` that have a lane and have not ended at this node."""
        with self._condition:
            return [one.task for one in self._taken.values() if not one.held and one.ended_at is None]

    def _free(self) -> int | None:
        now = time.monotonic()
        for lane, one in list(self._taken.items()):
            if not one.held and one.ended_at is not None and (not one.busy or now - one.ended_at > _LANE_S):
                del self._taken[lane]
        return next((lane for lane in range(self._lanes) if lane not in self._taken), None)
