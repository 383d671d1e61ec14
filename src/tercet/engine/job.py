"""Runs one job at one party: agreement with the other two, the work, and reports to all if it fails.

With a client in the session (a local one) or without (at a node, where the supervisor takes what comes of it).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from tercet.engine.agreement import agree_on_plan
from tercet.engine.channel import Heart, JobChannel
from tercet.engine.commands import Done
from tercet.engine.dataflow import OperationReport
from tercet.engine.failure import AGREEMENT_INSTANCE, RESERVED_INSTANCES, Cause, Report, place, root_cause
from tercet.errors import PartyError, ProtocolViolation, TercetError, Timeout
from tercet.protocols.reveal import Window, reveal
from tercet.protocols.scope import Scope
from tercet.protocols.transcript import Statement, Transcript
from tercet.ring import Bytes
from tercet.sharing import PARTIES, BitShare, Party, SessionKeys, Share, Streams
from tercet.transport import Aborted, Address, Element, Endpoint, SessionPeer

_LOG = logging.getLogger(__name__)
HEARSAY_S = 1.0
"""Seconds for which a party that gave up waiting collects the reports of the others."""
_END_STEP, _FINISH_STEP = 2, 3

T = TypeVar("T")


@dataclass
class JobResult:
    """What a party has after a job: one value per result of the program, and what each operation took."""

    values: list[Share | BitShare] = field(repr=False)
    operations: list[OperationReport]
    waiting_s: float


class JobRun:
    """The means of one job: agreement, streams, channel; made by `run_job` and given to the work."""

    def __init__(
        self,
        endpoint: Endpoint,
        job: bytes,
        keys: SessionKeys,
        heart: Heart,
        timeout: float,
        transcript: Transcript | None = None,
    ) -> None:
        self.endpoint = endpoint
        self.job = job
        self.party = Party(int(endpoint.me))
        self.timeout = timeout
        self.names: Mapping[int, str] = {}
        """The names of the plan's operations, for errors; set as soon as they are known."""
        self._keys = keys
        self._heart = heart
        self._transcript = transcript
        self._agreed: bytes | None = None
        self._began = time.perf_counter()

    def __repr__(self) -> str:
        return f"JobRun(party={int(self.party)}, job {self.job.hex()[:8]})"

    def check_peers(self) -> None:
        """Raise the error of a party whose connection is lost."""
        for party in (self.party.next, self.party.prev):
            if SessionPeer(party) in self.endpoint.failed:
                raise self.endpoint.failed[SessionPeer(party)]

    def agree(self, agreed: bytes | memoryview) -> None:
        """Compare what is to be run with the other parties. Raises ProtocolViolation naming the odd one out."""
        self._agreed = agree_on_plan(self.endpoint, self.job, agreed, self.timeout)

    def compute(self, program: Callable[[Streams, JobChannel], T]) -> tuple[T, Streams, JobChannel]:
        """Call `program` with this job's fresh streams and channel, while the others' pings are answered.

        To be called after `agree`: what was agreed on is bound into the keys.
        """
        if self._agreed is None:
            raise RuntimeError("nothing is run that the parties have not agreed on")
        streams = self._keys.streams(self.job, self._agreed)
        channel = JobChannel(self.endpoint, self.job, self._heart.lock, self._transcript)
        if self._transcript is not None:
            streams.note(self._transcript.drawn)
        with self._heart.working():
            return program(streams, channel), streams, channel

    def revealed(
        self, index: int, value: Share | BitShare, window: Window | None, streams: Streams, channel: JobChannel
    ) -> Bytes:
        """What this party gives the recipient of output `index`; see `protocols.reveal`."""
        return reveal(Scope(self.party, streams, channel, RESERVED_INSTANCES + index, solo=PARTIES[0]), value, window)

    def meet(self, channel: JobChannel) -> None:
        """Wait until all three parties have called this: a job is not done at one while it may fail at another.

        One round, 2 bytes a party. Raises Timeout when nobody is at work any more.
        """
        missing = []
        for other in (self.party.next, self.party.prev):
            channel.send(other, AGREEMENT_INSTANCE, _END_STEP, np.zeros(1, np.uint8), 0, Statement.BARRIER)
            if channel.receive(other, AGREEMENT_INSTANCE, _END_STEP, 1, other, None) is None:
                missing.append(other)
        while missing:
            arrived = channel.progress(self.timeout)
            for other, _, _ in arrived:
                missing.remove(other)
            if not arrived:
                raise Timeout(
                    f"it did not end the job within {self.timeout:g} s",
                    party=int(missing[0]),
                    job=self.job.hex(),
                    operation=str(AGREEMENT_INSTANCE),
                    step=str(_END_STEP),
                )

    def done(self, outcome: JobResult, channel: JobChannel) -> Done:
        """What the job took at this party."""
        operations = outcome.operations
        return Done(
            self.job,
            time.perf_counter() - self._began,
            outcome.waiting_s,
            index=[one.index for one in operations],
            rounds=[one.rounds for one in operations],
            nbytes=[channel.bytes_of.get(one.index, 0) for one in operations],
            compute_s=[one.compute_s for one in operations],
        )

    def give_up(self, error: Exception) -> Report:
        """Send the other parties this party's report, collect theirs, and give the cause."""
        me, endpoint, job = int(self.party), self.endpoint, self.job
        reports: dict[int, Report] = {}
        if isinstance(error, Aborted):
            self._hear(error, reports)
            if SessionPeer.CLIENT in reports:
                reports[me] = reports[SessionPeer.CLIENT]
            elif root_cause(reports).cause is Cause.TIMEOUT and (waits := self._waits()) is not None:
                reports[me] = waits
        else:
            if not isinstance(error, TercetError):
                _LOG.error("party %d: job %s failed", me, job.hex()[:8], exc_info=error)
            reports[me] = Report.of(error, me, self.names)
        own = reports.get(me) or root_cause(reports)
        others = [int(self.party.next), int(self.party.prev)]
        for other in others:
            with suppress(PartyError):  # it may be gone already
                endpoint.send_abort(SessionPeer(other), job, own.encode())
        finished = self._finished(others)
        deadline = time.monotonic() + HEARSAY_S
        while root_cause(reports).cause is Cause.TIMEOUT and not all(
            other in reports or other in finished for other in others
        ):
            try:
                if time.monotonic() >= deadline:
                    break
                endpoint.progress(deadline - time.monotonic())
            except Aborted as heard:
                self._hear(heard, reports)
            except PartyError as seen:
                if seen.party not in reports:  # one that has given its account may go
                    reports[me] = Report.of(seen, me, self.names)
        return root_cause(reports, [other for other in others if other not in reports and other not in finished])

    def finish(self) -> None:
        """Tell the other parties that this one has ended the job: it waits for nothing and sends nothing more."""
        for other in (self.party.next, self.party.prev):
            with suppress(PartyError):  # what has happened to it is the next job's concern
                self.endpoint.send(other, self._finish_line(), Element.BYTES, b"")

    def _finish_line(self) -> Address:
        return Address(self.job, AGREEMENT_INSTANCE, _FINISH_STEP)

    def _finished(self, others: Sequence[int]) -> list[int]:
        """The parties among `others` that have said that they ended the job."""
        through = []
        for other in others:
            with suppress(PartyError):  # it has gone
                if self.endpoint.expect(SessionPeer(other), self._finish_line(), Element.BYTES, 0):
                    through.append(other)
        return through

    def _hear(self, aborted: Aborted, reports: dict[int, Report]) -> None:
        sender = aborted.party
        assert sender is not None
        try:
            reports[sender] = Report.decode(aborted.body)
        except ProtocolViolation as error:
            reports[sender] = Report(Cause.VIOLATION, int(self.party), sender, "", "", error.reason)

    def _waits(self) -> Report | None:
        """What this party itself waits for, as a report; None if nothing."""
        for peer, address in self.endpoint.awaited(self.job):
            operation, step = place(str(address.operation), self.names), str(address.step)
            return Report(Cause.TIMEOUT, int(self.party), int(peer), operation, step, "its message is awaited")
        return None


def run_job(
    endpoint: Endpoint,
    job: bytes,
    work: Callable[[JobRun], T],
    *,
    keys: SessionKeys,
    heart: Heart,
    timeout: float,
    transcript: Transcript | None = None,
) -> T | Report:
    """Do the work of one job; when it fails, tell the other parties and give the report of its cause.

    Called at each of the three parties. `timeout`: seconds for which nobody may be at work while something is awaited.
    `transcript` takes down what this party says and draws. Raises ProtocolViolation for a job id that was used before.
    """
    run = JobRun(endpoint, job, keys, heart, timeout, transcript)
    endpoint.open_job(job)
    try:
        try:
            run.check_peers()
            result = work(run)
            run.finish()
            return result
        except Exception as error:
            return run.give_up(error)
    finally:
        endpoint.close_job(job)
