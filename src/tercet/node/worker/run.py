"""Runs the orders of a worker with the other two workers, and makes durable what they leave: plans and refreshes.

A plan: columns and kept arrays are read from the store's files, as a worker has no catalogue; results are sealed or
kept. A refresh: the next generation of a dataset's segments is written, and of what was kept of it. `checking` has the
third kind of order.
"""

from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from tercet.engine.agreement import agree_on_keys
from tercet.engine.channel import Heart, JobChannel
from tercet.engine.commands import Done
from tercet.engine.failure import KEPT_BITS, KEPT_INSTANCES, RESERVED_INSTANCES, Cause, Report
from tercet.engine.job import JobResult, JobRun, run_job
from tercet.engine.scheduler import Scheduler
from tercet.errors import PlanError, TercetError
from tercet.federation.api_jobs import JobReport
from tercet.federation.boxes import BoxInfo, seal_result
from tercet.federation.bundle import Bundle, JobHeader
from tercet.node.worker.messages import (
    Failed,
    JobOrder,
    KeptOutput,
    LaneSession,
    RefreshDone,
    RefreshOrder,
    Setup,
    WorkDone,
)
from tercet.node.worker.mode import choose_mode
from tercet.plan.run.language import PlanLanguage
from tercet.plan.run.streaming import execute_streamed
from tercet.plan.types import read_type
from tercet.protocols.reshare import reshare
from tercet.protocols.scope import Body, Scope
from tercet.ring import Bytes
from tercet.sharing import PARTIES, BitShare, Party, Purpose, Share, Streams
from tercet.store.files import Verified
from tercet.store.kept_files import described_segment, read_kept, write_kept
from tercet.store.segments import SegmentWriter, StoredSegment, Value
from tercet.store.version import DatasetVersion
from tercet.transport import Contact, Endpoint, Identity, SessionPeer, connect

_SALT_BYTES = 16
_SALTS_INSTANCE = RESERVED_INSTANCES + (1 << 62)
"""Above the instances of reveals."""


class Inputs:
    """The stored arrays of one job, as the supervisor described them. Used in a worker."""

    def __init__(self, folder: str, party: Party, order: JobOrder, verified: Verified) -> None:
        self._folder = Path(folder)
        self._party = party
        self._versions = {
            name: DatasetVersion.load(self._folder, party, description, verified=verified)
            for name, description in order.datasets.items()
        }
        self._columns = {
            bytes.fromhex(item.handle): (self._versions[item.dataset], item.column) for item in order.columns
        }
        self._verified = verified
        self._kept = {bytes.fromhex(item.handle): item.kept for item in order.kept}

    def __repr__(self) -> str:
        return f"Inputs({len(self._columns)} columns, {len(self._kept)} kept arrays)"

    @property
    def label(self) -> bytes:
        """A hash of the generations and digests of all kept arrays that are read; workers compare it.

        A node that was restored from a backup may have shares from before a refresh. Together with the others' they are
        shares of another value.
        """
        arrays = (f"{kept['handle']} {kept['generation']} {kept['digests']}" for kept in self._kept.values())
        return hashlib.sha256("\n".join(sorted(arrays)).encode()).digest()

    @property
    def rows_of(self) -> dict[bytes, int]:
        """Rows of every column, by handle."""
        return {handle: version.rows for handle, (version, _) in self._columns.items()}

    def load(self, handle: bytes, start: int | None, stop: int | None) -> Share | BitShare:
        """Read an input, whole or its rows from start to stop. Raises what the store raises."""
        if handle in self._columns:
            version, column = self._columns[handle]
            return version.read(column, start or 0, stop)
        if handle not in self._kept:
            raise PlanError(f"array {handle.hex()} is not stored", hint="name it among the inputs of the job")
        value = read_kept(self._folder, self._party, self._kept[handle], verified=self._verified)
        return value if start is None and stop is None else value[start:stop]

    def add_up(self, handles: Iterable[bytes]) -> dict[bytes, Share]:
        """The sums over all rows of columns. Raises what the store raises."""
        columns: dict[str, dict[bytes, str]] = {}
        for handle in handles:
            version, column = self._columns[handle]
            columns.setdefault(version.name, {})[handle] = column
        found: dict[bytes, Share] = {}
        for name, wanted in columns.items():
            totals = self._versions[name].add_up(wanted.values())
            found |= {handle: totals[column] for handle, column in wanted.items()}
        return found


def salts(party: Party, streams: Streams, number: int) -> tuple[bytes, bytes]:
    """A salt of 16 bytes for each of this party's components, known only to the two holders of the component."""
    found = []
    for component in (party, party.next):
        salt = np.empty(_SALT_BYTES, np.uint8)
        streams.fill(component, _SALTS_INSTANCE + number, 1, Purpose.COIN, salt)
        found.append(salt.tobytes())
    return found[0], found[1]


def leave(
    run: JobRun,
    folder: str,
    keeps: Sequence[KeptOutput],
    values: Sequence[Share | BitShare],
    streams: Streams,
    channel: JobChannel,
) -> None:
    """Write the outputs that are kept, durable and not yet visible. Costs a round for each million of elements.

    They are reshared first (`protocols.reshare`). A result is often a stored column, or linear in some; without fresh
    shares, one node's file of the result and another node's files of the columns would give the values.
    """
    for number, keep in enumerate(keeps):

        def renewed(chunk: int, part: Share | BitShare, number: int = number) -> Share | BitShare:
            instance = KEPT_INSTANCES + (number << KEPT_BITS) + chunk
            fresh: list[Share | BitShare] = []
            scheduler = Scheduler(channel, run.timeout)
            scheduler.start(reshare(Scope(run.party, streams, channel, instance, solo=PARTIES[0]), part), fresh.append)
            scheduler.run()
            return fresh[0]

        kind = read_type(bytes.fromhex(keep.type_hex))
        own_salts = salts(run.party, streams, number)
        write_kept(Path(folder), run.party, keep.handle, kind, values[keep.index], own_salts, renewed)


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
    def session(self, lane: LaneSession) -> Iterator[Endpoint]:
        """Connections with the workers of the same lane at the other two nodes. Raises Unreachable, ConfigError."""
        contacts = {}
        for party in PARTIES:
            if party is not self.party:
                place = lane.places[str(int(party))]  # type: ignore[index]
                contacts[SessionPeer(party)] = Contact(self.certificates[party], place.host, place.port)
        endpoint = connect(
            self.party,
            self.identity,
            contacts,
            listener=self.listener,
            session=bytes.fromhex(lane.session)[:16],
            timeout_s=lane.connect_s,
            send_timeout_s=self.setup.timeout_s,
            spin_s=_SPIN_S,
            names=(SessionPeer.CLIENT.label, *self.setup.names),
        )
        with endpoint:
            yield endpoint


def run_in_session(worker: Worker, job: str, lane: LaneSession, work: Callable[[JobRun], T]) -> T | Failed:
    """Connect, agree on fresh keys, do the work, and wait until the others have received all that was sent.

    A failure is an answer, and is not raised.
    """
    timeout = worker.setup.timeout_s
    result: T | Report
    try:
        with worker.session(lane) as endpoint, Heart(endpoint, timeout) as heart:
            keys = agree_on_keys(endpoint, lane.connect_s, worker.setup.federation.encode())
            try:
                result = run_job(endpoint, bytes.fromhex(job), work, keys=keys, heart=heart, timeout=timeout)
            finally:
                keys.wipe()
            # another party may still be at work with what this one sent
            endpoint.flush(lane.flush_s)
    except TercetError as error:
        result = Report.of(error, int(worker.party))
    return failed(_named(result, worker)) if isinstance(result, Report) else result


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
    """Run the plan of a bundle with the other two workers. As `run_in_session`."""

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

    return run_in_session(worker, order.job, order.lane, work)


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


def run_refresh(worker: Worker, order: RefreshOrder, progress: Callable[[float], None]) -> RefreshDone | Failed:
    """Write the next generation of all segments with the other two workers; visible only once it is committed.

    Memory: a few chunks. Network: each party sends as much as one component of the dataset and of what was kept of it.
    """
    folder = Path(worker.setup.folder)

    def work(run: JobRun) -> RefreshDone:
        version = DatasetVersion.load(folder, run.party, dict(order.version), verified=Verified())
        kept = [described_segment(folder, run.party, array, verified=Verified()) for array in order.kept]
        arrays = " ".join(f"{array.segment}.{array.generation}" for array in kept)
        run.agree(f"tercet refresh {version.name} {version.version} {version.manifest} {arrays}".encode())
        segments = [*version.segments, *kept]
        run.compute(lambda streams, channel: _refresh(run, segments, streams, channel, progress))
        return RefreshDone(segments=len(segments))

    return run_in_session(worker, order.job, order.lane, work)


def _refresh(
    run: JobRun,
    segments: Sequence[StoredSegment],
    streams: Streams,
    channel: JobChannel,
    progress: Callable[[float], None],
) -> None:
    total = sum(segment.chunks for segment in segments)
    number = 0
    for segment in segments:
        writer = SegmentWriter.refresh(segment)
        try:
            for chunk in range(segment.chunks):
                number += 1
                values = segment.read_chunk(chunk)
                fresh = _reshared(run, number, values, streams, channel)
                writer.write(chunk, segment.rows_of(chunk), fresh, salts(run.party, streams, number))
                progress(number / total)
            writer.close()
        except BaseException:
            writer.discard()
            raise
    run.meet(channel)


def _reshared(
    run: JobRun, number: int, values: Mapping[str, Value], streams: Streams, channel: JobChannel
) -> dict[str, Value]:
    """All secret columns of a chunk at once: one round; public keys stay as they are."""
    fresh: dict[str, Value] = dict(values)
    scope = Scope(run.party, streams, channel, number << 32, solo=PARTIES[0])
    secret = {name: value for name, value in sorted(values.items()) if isinstance(value, Share | BitShare)}
    scheduler = Scheduler(channel, run.timeout)
    for (name, value), part in zip(secret.items(), scope.fork(len(secret)), strict=True):
        body: Body[Share | BitShare] = reshare(part, part.input(value))
        scheduler.start(body, partial(fresh.__setitem__, name))
    scheduler.run()
    return fresh
