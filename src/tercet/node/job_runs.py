"""Jobs that run here: a thread of the supervisor for each, which hands the work to the worker of its lane."""

from __future__ import annotations

import base64
import threading
import time
from typing import TYPE_CHECKING

from tercet.engine.failure import Cause
from tercet.errors import ConfigError, Refused, TercetError
from tercet.federation.api import ErrorBody
from tercet.federation.api_admin import LaneStatus
from tercet.federation.bundle import read_bundle
from tercet.node.failures import ended, failure, refused_here
from tercet.node.lane_messages import (
    ColumnInput,
    Failed,
    Finished,
    JobOrder,
    KeptInput,
    KeptOutput,
    PartyNumber,
    Place,
    Refreshed,
    RefreshOrder,
    Setup,
)
from tercet.node.lanes import Answer, End, Lanes
from tercet.node.language import write_type
from tercet.node.live import Live
from tercet.sharing import PARTIES
from tercet.store.change import RefreshChange

if TYPE_CHECKING:
    from tercet.node.jobs import Jobs
    from tercet.node.supervisor import Node

CONNECT_S = 10.0
"""How long the workers of a lane may take to meet."""
_HEARD_S = 1.0


class JobRuns:
    """The node's workers, and what becomes of what they do. Thread-safe.

    Who calls it: `Jobs`, for a job that the coordinator has started.
    """

    def __init__(self, node: Node, jobs: Jobs) -> None:
        self._node = node
        self._jobs = jobs
        settings = node.settings
        setup = Setup(
            party=int(node.me),
            federation=node.federation.id,
            names=[entry.name for entry in node.federation.nodes],
            certificates=[base64.b64encode(entry.card.certificate).decode() for entry in node.federation.nodes],
            folder=str(settings.folder_path),
            timeout_s=settings.timeouts.worker,
            threads=settings.limits.threads,
            memory_bytes=settings.limits.job_memory_bytes,
        )
        self.lanes = Lanes(node.lane_sockets, setup, node.member.identity.key)
        for lane in self.lanes:
            lane.died = lambda number, status: node.log.warning("worker ended", lane=number, status=status)
        self._threads: set[threading.Thread] = set()
        self._lock = threading.Lock()

    def start(self) -> None:
        """Start the workers."""
        self.lanes.start()
        self._node.metrics.lanes.set(len(self.lanes))

    def stop(self) -> None:
        """End the workers; the threads of their jobs end with them."""
        self.lanes.stop()
        with self._lock:
            threads = list(self._threads)
        for thread in threads:
            thread.join()

    def states(self) -> list[LaneStatus]:
        """The workers, for the operator."""
        return [
            LaneStatus(lane=one.lane, port=one.port, job=one.job, since=one.since, resident_bytes=one.resident_bytes)
            for one in self.lanes.states()
        ]

    def missing(self) -> list[str]:
        """What jobs wait for before any can run; empty if nothing."""
        states = self.lanes.states()
        return [] if not states or any(one.ready for one in states) else ["the workers load"]

    def begin(self, live: Live, lane: int, session: str) -> None:
        """Run a job in a thread of its own. Raises ConfigError for a lane that this node does not have."""
        if lane >= len(self.lanes):
            raise ConfigError(
                f"{self._node.settings.name} has {len(self.lanes)} lanes, and the job is to run in lane {lane}",
                hint="set the same number of lanes at all three nodes",
            )
        live.lane = lane
        thread = threading.Thread(
            target=self._run, args=(live, lane, session), name=f"tercet job {live.job[:8]}", daemon=True
        )
        with self._lock:
            self._threads.add(thread)
        live.working = True
        thread.start()

    def _run(self, live: Live, lane: int, session: str) -> None:
        node = self._node
        began = time.monotonic()
        node.metrics.lanes_busy.inc()
        try:
            if isinstance(live.change, RefreshChange):
                answer = self._refresh(live, live.change, lane, session)
            else:
                answer = self._plan(live, lane, session)
            self._ended(live, answer)
        except TercetError as error:
            self._jobs.give_up(live, refused_here(node, error), "refused" if isinstance(error, Refused) else "failed")
        except Exception as error:
            node.log.defect(error, job=live.job)
            name = node.settings.name
            told = ErrorBody(error="defect", message=f"{name} met an error that nobody expected", node=name)
            self._jobs.give_up(live, told)
        finally:
            live.working = False
            node.metrics.lanes_busy.dec()
            node.metrics.job_seconds.observe(time.monotonic() - began)
            with self._lock:
                self._threads.discard(threading.current_thread())

    def _plan(self, live: Live, lane: int, session: str) -> Answer | End:
        node = self._node
        data = node.jobs_store.bundle(live.job)
        case = self._jobs.admission.read(read_bundle(data))
        node.check_space(case.stored_bytes)
        self._jobs.desk.decide_again(live, case)
        order = JobOrder(
            job=live.job,
            session=session,
            places=self._places(lane),
            datasets={name: version.describe() for name, version in case.versions.items()},
            columns=[
                ColumnInput(handle=handle.hex(), column=ref.column or "", dataset=ref.dataset or "")
                for handle, ref in case.columns.items()
            ],
            kept=[KeptInput(handle=handle.hex(), kept=info.describe()) for handle, info in case.kept.items()],
            keep=[
                KeptOutput(index=keep.index, handle=keep.handle, type_hex=write_type(keep.type).hex())
                for keep in case.keeps
            ],
            results=str(self._jobs.results.path(live.job)),
            connect_s=CONNECT_S,
            flush_s=node.settings.timeouts.worker,
        )
        node.at("job handed over")
        return self.lanes[lane].run(
            live.job,
            order,
            data,
            self._deadline(live),
            lambda fraction: self._jobs.ledger.progressed(live, fraction),
            lambda: live.end is not None,
        )

    def _refresh(self, live: Live, change: RefreshChange, lane: int, session: str) -> Answer | End:
        node = self._node
        version = node.datasets.get(change.dataset, change.version)
        order = RefreshOrder(
            job=live.job,
            session=session,
            places=self._places(lane),
            dataset=change.dataset,
            version=version.describe(),
            connect_s=CONNECT_S,
            flush_s=node.settings.timeouts.worker,
        )
        node.at("refresh handed over")
        return self.lanes[lane].run(
            live.job,
            order,
            b"",
            self._deadline(live),
            lambda fraction: self._jobs.ledger.progressed(live, fraction),
            lambda: live.end is not None,
        )

    def _places(self, lane: int) -> dict[PartyNumber, Place]:
        found: dict[PartyNumber, Place] = {}
        for party in PARTIES:
            if party is not self._node.me:
                host, port = self._node.federation.node(party).lane(lane)
                found[str(int(party))] = Place(host=host, port=port)  # type: ignore[index]
        return found

    def _deadline(self, live: Live) -> float:
        left = min(live.deadline - self._node.now(), self._node.settings.limits.job_seconds)
        return time.monotonic() + left

    def _hear(self, live: Live) -> None:
        """A worker of another node is gone: give that node time to say why it ended it."""
        deadline = time.monotonic() + _HEARD_S
        while live.end is None and time.monotonic() < deadline:
            time.sleep(_HEARD_S / 50)

    def _ended(self, live: Live, answer: Answer | End) -> None:
        node, jobs = self._node, self._jobs
        node.at("job ended")
        if isinstance(answer, Failed):
            if answer.cause == Cause.UNREACHABLE:
                self._hear(live)
            state, error = live.end or ("failed", failure(node, live.job, answer))
            jobs.failed(live, error, state)
        elif isinstance(answer, End):
            state, error = live.end or ("failed", ended(node, answer))
            jobs.failed(live, error, state)
        elif isinstance(answer, Finished):
            if answer.boxes:
                jobs.results.settle()
            node.metrics.job_bytes.inc(sum(answer.report.nbytes))
            live.info = {
                **live.info,
                "report": answer.report.model_dump(),
                "boxes": [box.model_dump() for box in answer.boxes],
            }
            jobs.finished(live)
        elif isinstance(answer, Refreshed):
            jobs.finished(live)
