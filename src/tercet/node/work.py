"""One job in a worker: meets the workers of the other nodes, agrees, runs, seals results, writes what is kept."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from tercet.engine.agreement import agree_on_keys
from tercet.engine.channel import JobChannel
from tercet.engine.commands import Done
from tercet.engine.failure import Cause, Report
from tercet.engine.heart import Heart
from tercet.engine.job import JobRun, run_job
from tercet.errors import TercetError
from tercet.federation.api import JobReport
from tercet.federation.bundle import Bundle, JobHeader
from tercet.federation.sealing import seal_result
from tercet.node.inputs import Inputs, leave
from tercet.node.lane_messages import BoxInfo, Failed, Finished, JobOrder, PartyNumber, Place, Setup
from tercet.node.language import PlanLanguage
from tercet.node.mode import choose_mode
from tercet.plan.execute import Outcome
from tercet.plan.stream import execute_streamed
from tercet.protocols.message import Bytes
from tercet.sharing import PARTIES, Party, Streams
from tercet.store.verified import Verified
from tercet.transport import Contact, Endpoint, Identity, Peer, connect

_SPIN_S = 100e-6
T = TypeVar("T")


@dataclass(frozen=True)
class Worker:
    """What a worker knows from its start on."""

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
    def session(self, session: str, places: Mapping[PartyNumber, Place], connect_s: float) -> Iterator[Endpoint]:
        """Connections with the workers of the same lane at the other two nodes. Raises Unreachable, ConfigError."""
        contacts = {}
        for party in PARTIES:
            if party is not self.party:
                place = places[str(int(party))]  # type: ignore[index]
                contacts[Peer(party)] = Contact(self.certificates[party], place.host, place.port)
        endpoint = connect(
            self.party,
            self.identity,
            contacts,
            listener=self.listener,
            session=bytes.fromhex(session)[:16],
            timeout_s=connect_s,
            send_timeout_s=self.setup.timeout_s,
            spin_s=_SPIN_S,
        )
        with endpoint:
            yield endpoint


def run_in_session(
    worker: Worker,
    job: str,
    session: str,
    places: Mapping[PartyNumber, Place],
    connect_s: float,
    flush_s: float,
    work: Callable[[JobRun], T],
) -> T | Report:
    """Meet, agree on fresh keys, do the work; what is still on its way to the others is delivered before it ends."""
    timeout = worker.setup.timeout_s
    try:
        with worker.session(session, places, connect_s) as endpoint, Heart(endpoint, timeout) as heart:
            keys = agree_on_keys(endpoint, connect_s)
            result = run_job(endpoint, bytes.fromhex(job), work, keys=keys, heart=heart, timeout=timeout)
            # another party may still be at work with what this one sent
            endpoint.flush(flush_s)
            return result
    except TercetError as error:
        return Report.of(error, int(worker.party))


def failed(report: Report) -> Failed:
    """A report as the supervisor hears it."""
    return Failed(
        cause=int(report.cause),
        witness=report.witness,
        party=report.party,
        operation=report.operation,
        step=report.step,
        reason=report.reason,
        hint=report.hint,
    )


def run_plan(worker: Worker, order: JobOrder, bundle: Bundle, progress: Callable[[float], None]) -> Finished | Failed:
    """Run the plan of a bundle with the other two workers. Gives what failed, too, rather than raise."""

    def work(run: JobRun) -> Finished:
        program = worker.language.read(bundle.plan)
        run.names = program.names
        inputs = Inputs(worker.setup.folder, worker.party, order, worker.verified)
        mode = choose_mode(program.plan, inputs.rows_of, bundle.header.partition_rows, worker.memory_bytes)
        if mode.streamed is not None:
            run.names = mode.streamed.names(mode.partition_rows)
        run.agree(bundle.hash + mode.label)

        def compute(streams: Streams, channel: JobChannel) -> tuple[Outcome, list[BoxInfo]]:
            if mode.streamed is not None:
                outcome = execute_streamed(
                    mode.streamed,
                    run.party,
                    streams,
                    channel,
                    inputs,
                    partition_rows=mode.partition_rows,
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
                run.revealed(index, value, streams, channel) if result.revealed else None
                for index, (result, value) in enumerate(zip(program.results, outcome.values, strict=True))
            ]
            for number, keep in enumerate(order.keep):
                leave(worker.setup.folder, run.party, keep, outcome.values[keep.index], streams, number)
            boxes = _seal(bundle.header, run.party, Path(order.results), messages)
            run.meet(channel)
            return outcome, boxes

        (outcome, boxes), _, channel = run.compute(compute)
        return Finished(report=_report(run.done(outcome, channel)), boxes=boxes)

    result = run_in_session(worker, order.job, order.session, order.places, order.connect_s, order.flush_s, work)
    return failed(_named(result, worker)) if isinstance(result, Report) else result


def _named(report: Report, worker: Worker) -> Report:
    """MemoryError is the one foreign exception of which people should read more than its name."""
    if report.cause is Cause.INTERNAL and report.reason == "failed with MemoryError":
        reason = f"the job needs more memory than it may take ({worker.memory_bytes:,} bytes at this node)"
        return Report(Cause.PLAN, report.witness, None, report.operation, "", reason, "ask for less at a time")
    return report


def _seal(header: JobHeader, party: Party, path: Path, messages: list[Bytes | None]) -> list[BoxInfo]:
    """Write a box for every revealed output and recipient, one behind the other, durable."""
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
        index=done.index.tolist(),
        rounds=done.rounds.tolist(),
        nbytes=done.nbytes.tolist(),
        compute_s=done.compute_s.tolist(),
    )
