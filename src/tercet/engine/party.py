"""The loop of one party: waits for the client's commands, stores shares, runs jobs, reports."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from tercet.engine.agreement import agree_on_keys
from tercet.engine.channel import Heart, JobChannel
from tercet.engine.commands import EMPTY, Command, Done, Drop, LinkEstimate, Put, RunPlan, empty_body
from tercet.engine.failure import RESERVED_INSTANCES, Report
from tercet.engine.job import JobResult, JobRun, run_job
from tercet.errors import PartyError, PlanError, ProtocolViolation, TercetError
from tercet.protocols.reveal import Window
from tercet.sharing import BitShare, Party, SessionKeys, Share, Streams
from tercet.transport import Address, Control, Element, Endpoint, SessionPeer, measure

_LOG = logging.getLogger(__name__)
_IDLE_S = 1.0
START_S = 20.0
"""How long a session's start may take: connecting, and agreeing on keys."""
REVEAL_STEP = 1


@dataclass(frozen=True, slots=True)
class ProgramResult:
    """A result of a program: revealed to the client, or kept under `handle` with its label."""

    revealed: bool
    handle: bytes
    label: bytes
    window: Window | None
    """What is opened of each word; None of bits."""


class Program(Protocol):
    """A checked plan; `plan.run.language` makes it."""

    @property
    def results(self) -> Sequence[ProgramResult]: ...

    @property
    def names(self) -> Mapping[int, str]:
        """The names of the operations, for errors."""
        ...

    def inputs(self) -> Sequence[tuple[bytes, bytes]]:
        """Handle and label of every stored array that is read."""
        ...

    def run(
        self,
        party: Party,
        streams: Streams,
        channel: JobChannel,
        inputs: Mapping[bytes, Share | BitShare],
        *,
        timeout: float,
        threads: int,
        balance: bool,
    ) -> JobResult: ...


class Language(Protocol):
    """Reads plans and types of arrays from bytes; `plan.run.language` implements it."""

    def read(self, plan: bytes) -> Program:
        """Decode and check a plan. Raises PlanError."""
        ...

    def check_label(self, label: bytes, ring_bits: int, shape: tuple[int, ...]) -> None:
        """Raise PlanError unless the label is that of such an array."""
        ...

    def accepts(self, wanted: bytes, stored: bytes) -> bool:
        """Say whether an array of label `stored` may be read where a plan says `wanted`."""
        ...


@dataclass(slots=True)
class StoredShare:
    """An array kept at this party."""

    label: bytes
    value: Share | BitShare = field(repr=False)


class PartyLoop:
    """One party of one session. It ends when the client says so or goes; a failed job does not end it."""

    def __init__(
        self, endpoint: Endpoint, language: Language, *, timeout: float, threads: int = 1, balance: bool = True
    ) -> None:
        """`timeout`: how long another party may be silent while something of it is awaited; `threads`: for kernels.

        `balance`: whether the parties have machines of their own; alike at all three.
        """
        self.party = Party(int(endpoint.me))
        self._endpoint = endpoint
        self._language = language
        self._timeout = timeout
        self._threads = threads
        self._balance = balance
        self._stored: dict[bytes, StoredShare] = {}
        self._keys: SessionKeys | None = None
        self._heart = Heart(endpoint, timeout)

    def __repr__(self) -> str:
        return f"PartyLoop(party={int(self.party)}, {len(self._stored)} arrays stored)"

    def run(self) -> None:
        """Agree on keys, then obey commands until the client closes the session.

        Raises TercetError when the session cannot go on: no agreement, or garbage from the client. The endpoint is
        left to the caller to close.
        """
        endpoint = self._endpoint
        try:
            self._keys = agree_on_keys(endpoint, max(START_S, self._timeout))
            endpoint.send_control(SessionPeer.CLIENT, Command.READY, EMPTY)
            with self._heart:
                while (control := self._next()) is not None:
                    if not self._obey(control):
                        return
        except TercetError as error:
            report = Report.of(error, int(self.party))
            with suppress(PartyError):  # the client may have gone, and knows by that
                self._endpoint.send_control(SessionPeer.CLIENT, Command.FAILED, [report.encode()])
            raise
        finally:
            if self._keys is not None:
                self._keys.wipe()

    def _next(self) -> Control | None:
        """Wait for a command; None when the client is gone."""
        endpoint = self._endpoint
        while True:
            control = endpoint.take_control()
            if control is not None:
                if control.sender != SessionPeer.CLIENT:
                    raise ProtocolViolation("a party gives commands", party=int(control.sender))
                return control
            if SessionPeer.CLIENT in endpoint.failed:
                return None
            try:
                endpoint.progress(_IDLE_S)
            except PartyError as error:
                # a party that went will be named by the next job; of another job's remains nothing is left to do
                _LOG.info("party %d, between jobs: %s", self.party, error)

    def _obey(self, control: Control) -> bool:
        """Carry out a command; False if it ends the session."""
        kind, body = control.kind, control.body
        if kind == Command.RUN:
            self._run_job(RunPlan.decode(body))
        elif kind == Command.PUT:
            self._put(Put.decode(body))
        elif kind == Command.DROP:
            for handle in Drop.decode(body).handles:
                self._stored.pop(handle, None)
        elif kind == Command.MEASURE:
            empty_body(body, "measure command")
            self._measure()
        elif kind == Command.CLOSE:
            empty_body(body, "close command")
            return False
        else:
            raise ProtocolViolation(f"unknown command {kind}", party=int(SessionPeer.CLIENT))
        return True

    def _put(self, put: Put) -> None:
        try:
            self._language.check_label(put.label, put.ring_bits, put.shape)
        except PlanError as error:
            raise ProtocolViolation(f"an upload of an unknown type: {error.message}", party=0) from None
        if put.handle in self._stored:
            raise ProtocolViolation("an upload under a handle that is taken", party=0)
        try:
            value = put.value()
        except (MemoryError, ValueError):
            # a few bytes of seed stand for any number of elements
            raise ProtocolViolation("an upload larger than this party can hold", party=0) from None
        self._stored[put.handle] = StoredShare(put.label, value)

    def _measure(self) -> None:
        links = measure(self._endpoint, timeout_s=self._timeout).values()
        estimate = LinkEstimate(max(l.rtt_s for l in links), min(l.bandwidth_bits_s for l in links))
        self._endpoint.send_control(SessionPeer.CLIENT, Command.ESTIMATE, estimate.encode())

    # -- jobs

    def _run_job(self, command: RunPlan) -> None:
        endpoint = self._endpoint
        assert self._keys is not None

        def work(run: JobRun) -> Done:
            program = self._language.read(bytes(command.plan))
            run.names = program.names
            run.agree(command.plan)
            return self._execute(run, program)

        result = run_job(endpoint, command.job, work, keys=self._keys, heart=self._heart, timeout=self._timeout)
        try:
            if isinstance(result, Report):
                endpoint.send_abort(SessionPeer.CLIENT, command.job, result.encode())
            else:
                endpoint.send_control(SessionPeer.CLIENT, Command.DONE, result.encode())
        except PartyError as error:
            if error.party != SessionPeer.CLIENT:
                raise
            # the client went while it was being told: the next look for a command ends the session

    def _execute(self, run: JobRun, program: Program) -> Done:
        inputs = {}
        for handle, label in program.inputs():
            stored = self._stored.get(handle)
            if stored is None:
                raise PlanError(f"array {handle.hex()} is not stored", hint="share it again in this session")
            if not self._language.accepts(label, stored.label):
                raise PlanError(f"array {handle.hex()} is stored with another type than the plan says")
            inputs[handle] = stored.value
        for result in program.results:
            if not result.revealed and result.handle in self._stored:
                raise PlanError(f"a result is to be kept under a handle that is taken, {result.handle.hex()}")
        outcome, streams, channel = run.compute(
            lambda streams, channel: program.run(
                self.party,
                streams,
                channel,
                inputs,
                timeout=self._timeout,
                threads=self._threads,
                balance=self._balance,
            )
        )
        for index, (result, value) in enumerate(zip(program.results, outcome.values, strict=True)):
            if result.revealed:
                address = Address(run.job, RESERVED_INSTANCES + index, REVEAL_STEP)
                message = run.revealed(index, value, result.window, streams, channel)
                self._endpoint.send(SessionPeer.CLIENT, address, Element.BYTES, message)
            else:
                self._stored[result.handle] = StoredShare(result.label, value)
        return run.done(outcome, channel)
