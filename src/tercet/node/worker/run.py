"""Runs one job in a worker: connects with the other two, agrees on the plan, runs it, seals and keeps results."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from tercet.engine.agreement import agree_on_keys
from tercet.engine.channel import Heart, JobChannel
from tercet.engine.commands import Done
from tercet.engine.failure import Cause, Report
from tercet.engine.job import JobResult, JobRun, run_job
from tercet.errors import TercetError
from tercet.federation.api import JobReport
from tercet.federation.boxes import BoxInfo
from tercet.federation.bundle import Bundle, JobHeader
from tercet.federation.sealing import seal_result
from tercet.node.worker.inputs import Inputs, leave
from tercet.node.worker.messages import Failed, JobOrder, LaneAddress, PartyNumber, Setup, WorkDone
from tercet.node.worker.mode import choose_mode
from tercet.plan.run.language import PlanLanguage
from tercet.plan.run.streaming import execute_streamed
from tercet.ring import Bytes
from tercet.sharing import PARTIES, Party, Streams
from tercet.store.verified import Verified
from tercet.transport import Contact, Endpoint, Identity, SessionPeer, connect

_SPIN_S = 100e-6
T = TypeVar("T")


@dataclass(frozen=True)
class Worker:
    """What a worker knows from its start on: its identity, its listener, its limits."""

    setup: Setup
    identity: Identity = field(repr=False)
    certificates: dict[Party, bytes] = field(repr=False)
    listener: socket.socket
    language: PlanLanguage
    memory_bytes: int
    verified: Verified = field(default_factory=Verified)

    @property
    def party(self) -> Party:
        return Party(self.setup.party)

    @contextmanager
    def session(self, session: str, places: Mapping[PartyNumber, LaneAddress], connect_s: float) -> Iterator[Endpoint]:
        """Connections with the workers of the same lane at the other two nodes. Raises Unreachable, ConfigError."""
        contacts = {}
        for party in PARTIES:
            if party is not self.party:
                place = places[str(int(party))]  # type: ignore[index]
                contacts[SessionPeer(party)] = Contact(self.certificates[party], place.host, place.port)
        endpoint = connect(
            self.party,
            self.identity,
            contacts,
            listener=self.listener,
            session=bytes.fromhex(session)[:16],
            timeout_s=connect_s,
            send_timeout_s=self.setup.timeout_s,
            spin_s=_SPIN_S,
            names=(SessionPeer.CLIENT.label, *self.setup.names),
        )
        with endpoint:
            yield endpoint


def run_in_session(
    worker: Worker,
    job: str,
    session: str,
    places: Mapping[PartyNumber, LaneAddress],
    connect_s: float,
    flush_s: float,
    work: Callable[[JobRun], T],
) -> T | Report:
    """Connect, agree on fresh keys, do the work, and wait until the others have received all that was sent."""
    timeout = worker.setup.timeout_s
    try:
        with worker.session(session, places, connect_s) as endpoint, Heart(endpoint, timeout) as heart:
            keys = agree_on_keys(endpoint, connect_s, worker.setup.federation.encode())
            try:
                result = run_job(endpoint, bytes.fromhex(job), work, keys=keys, heart=heart, timeout=timeout)
            finally:
                keys.wipe()
            # another party may still be at work with what this one sent
            endpoint.flush(flush_s)
            return result
    except TercetError as error:
        return Report.of(error, int(worker.party))


def failed(report: Report) -> Failed:
    """A report as a message to the supervisor."""
    return Failed(
        cause=int(report.cause),
        witness=report.witness,
        party=report.party,
        operation=report.operation,
        step=report.step,
        reason=report.reason,
        hint=report.hint,
    )


def run_plan(worker: Worker, order: JobOrder, bundle: Bundle, progress: Callable[[float], None]) -> WorkDone | Failed:
    """Run the plan of a bundle with the other two workers. A failure is an answer, and is not raised."""

    def work(run: JobRun) -> WorkDone:
        program = worker.language.read(bundle.plan, [bytes.fromhex(handle) for handle in order.claimed])
        run.names = program.names
        inputs = Inputs(worker.setup.folder, worker.party, order, worker.verified)
        mode = choose_mode(program.plan, inputs.rows_of, bundle.header.partition_rows, worker.memory_bytes)
        if mode.passes is not None:
            run.names = mode.passes.names
        run.agree(bundle.hash + mode.label + inputs.label)

        def compute(streams: Streams, channel: JobChannel) -> tuple[JobResult, list[BoxInfo]]:
            if mode.passes is not None:
                outcome = execute_streamed(
                    mode.passes,
                    run.party,
                    streams,
                    channel,
                    inputs,
                    timeout=run.timeout,
                    threads=worker.setup.threads,
                    progress=progress,
                )
            else:
                stored = {handle: inputs.load(handle, None, None) for handle, _ in program.plan.inputs()}
                outcome = program.run(
                    run.party, streams, channel, stored, timeout=run.timeout, threads=worker.setup.threads
                )
            messages = [
                run.revealed(index, value, result.window, streams, channel) if result.revealed else None
                for index, (result, value) in enumerate(zip(program.results, outcome.values, strict=True))
            ]
            leave(run, worker.setup.folder, order.keep, outcome.values, streams, channel)
            boxes = _seal(bundle.header, run.party, Path(order.results), messages)
            run.meet(channel)
            return outcome, boxes

        (outcome, boxes), _, channel = run.compute(compute)
        return WorkDone(report=_report(run.done(outcome, channel)), boxes=boxes)

    result = run_in_session(worker, order.job, order.session, order.places, order.connect_s, order.flush_s, work)
    return failed(_named(result, worker)) if isinstance(result, Report) else result


def _named(report: Report, worker: Worker) -> Report:
    """Say of a MemoryError what the limit is; of other foreign exceptions only the type is reported."""
    if report.cause is Cause.INTERNAL and report.reason == "failed with MemoryError":
        reason = f"the job needs more memory than it may take ({worker.memory_bytes:,} bytes at this node)"
        return Report(Cause.PLAN, report.witness, None, report.operation, "", reason, "ask for less at a time")
    return report


def _seal(header: JobHeader, party: Party, path: Path, messages: list[Bytes | None]) -> list[BoxInfo]:
    """Write a box for every revealed output and recipient into one file, durably; give where each is."""
    boxes: list[BoxInfo] = []
    if all(message is None for message in messages):
        return boxes
    with path.open("wb") as file:
        for card in header.recipient_cards:
            for output, message in enumerate(messages):
                if message is not None:
                    box = seal_result(card, header.job, output, party, message.data)
                    info = BoxInfo(output=output, recipient=card.fingerprint, start=file.tell(), nbytes=len(box))
                    boxes.append(info)
                    file.write(box)
        file.flush()
        os.fsync(file.fileno())
    return boxes


def _report(done: Done) -> JobReport:
    return JobReport(
        seconds=max(0.0, done.seconds),
        waiting_s=max(0.0, done.waiting_s),
        index=list(done.index),
        rounds=list(done.rounds),
        nbytes=list(done.nbytes),
        compute_s=list(done.compute_s),
    )
