"""A session whose three parties run on this machine: share arrays, run plans, combine results, name who failed."""

from __future__ import annotations

import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tercet.array.core import SecretArray, secret_array
from tercet.array.results import keep
from tercet.client.base import COIN, STATED, BaseSession, record_of, revealed_types
from tercet.client.encode import decode_words, encode_array
from tercet.engine.commands import EMPTY, Command, Done, Drop, LinkEstimate, Put, RunPlan
from tercet.engine.failure import RESERVED_INSTANCES, Cause, Report, root_cause
from tercet.engine.party import REVEAL_STEP
from tercet.errors import InputError, PartyError, PlanError, ProtocolViolation, TercetError, Timeout, Unreachable
from tercet.learn.model import SecretModel
from tercet.plan.network import Network
from tercet.plan.plan import Plan
from tercet.plan.record.graph import Recorded
from tercet.plan.rows.memory import peak_bytes
from tercet.plan.types import Type, window, write_type
from tercet.process import available_bytes
from tercet.protocols.reveal import put_together, reveal_bytes
from tercet.ring import Bytes, ring
from tercet.sharing import PARTIES, Party, fresh_seed, split, split_bits
from tercet.transport import Aborted, Address, Control, Element, Endpoint, SessionPeer

SILENCE_S = 2.0
"""Seconds beyond the timeout for which a party may be silent; the other parties report earlier what they wait for."""
REPORTS_S = 1.5
"""Seconds for which the client waits for the reports of the other parties after a failure."""
DEFENCE_S = 0.4
"""Seconds for which the client waits for the report of the blamed party once the other two have sent theirs."""
_LONGEST_PING_S = 1.0
_ID_BYTES = 16
_MAX_COMPONENT_BYTES = 1 << 30


class JobWatch:
    """Follows one job at the client, from the RUN command to the third report: results, and who caused a failure."""

    def __init__(self, endpoint: Endpoint, job: bytes, expected: Mapping[int, int], timeout: float) -> None:
        """`expected`: how many bytes each party sends for each output that is revealed."""
        self._endpoint = endpoint
        self._job = job
        self._expected = expected
        self._timeout = timeout
        self.done: dict[Party, Done] = {}
        self.failed: dict[int, Report] = {}
        """Reports by witness; 0 is the client itself."""
        self.parts: dict[tuple[int, Party], Bytes] = {}
        now = time.monotonic()
        self._seen = dict.fromkeys(PARTIES, now)
        self._pings = 0
        self._ping_s = min(_LONGEST_PING_S, timeout / 4)
        self._ping_at = now + self._ping_s
        self._give_up_at = float("inf")
        self._defence_at: float | None = None

    @property
    def settled(self) -> bool:
        """Whether all parties have ended the job, with a result or a report: then the session can run another."""
        return not self._working()

    def wait(self) -> None:
        """Wait until all parties are done and all results are here, or no more reports of a failure are expected."""
        endpoint = self._endpoint
        for index, nbytes in self._expected.items():
            for party in PARTIES:
                try:
                    endpoint.expect(party, self._address(index), Element.BYTES, nbytes, (index, party))
                except PartyError as error:
                    self._observe(error)
        while not self._ended():
            try:
                endpoint.progress(self._patience())
            except Aborted as aborted:
                self._hear(aborted)
            except PartyError as error:
                self._observe(error)
            while (control := endpoint.take_control()) is not None:
                self._control(control)
            for index, party in endpoint.woken():  # type: ignore[misc]
                if (message := endpoint.take(party, self._address(index))) is not None:
                    self.parts[index, party] = message.payload
            self._keep_watch()

    def cause(self) -> Report | None:
        """The report of the cause of the failure; None if the job did not fail."""
        if not self.failed:
            return None
        gone = [report.party for report in self.failed.values() if report.cause is Cause.UNREACHABLE]
        return root_cause(self.failed, [party for party in self._working() if party not in gone])

    def _address(self, index: int) -> Address:
        return Address(self._job, RESERVED_INSTANCES + index, REVEAL_STEP)

    def _ended(self) -> bool:
        if self.failed:
            now = time.monotonic()
            open_ended = [party for party in self._working() if SessionPeer(party) not in self._endpoint.failed]
            if len(open_ended) == 1 and self._defence_at is None and root_cause(self.failed).party == open_ended[0]:
                self._defence_at = now + DEFENCE_S
                self._give_up_at = min(self._give_up_at, self._defence_at)
            return not open_ended or now >= self._give_up_at
        return len(self.done) == len(PARTIES) and len(self.parts) == len(self._expected) * len(PARTIES)

    def _patience(self) -> float:
        return max(0.0, min(self._ping_at, self._give_up_at) - time.monotonic())

    def _fail(self, witness: int, report: Report) -> None:
        if not self.failed:
            self._give_up_at = time.monotonic() + REPORTS_S
        earlier = self.failed.get(witness)
        if earlier is None or report.cause < earlier.cause:
            self.failed[witness] = report

    def _hear(self, aborted: Aborted) -> None:
        assert aborted.party is not None
        self._seen[Party(aborted.party)] = time.monotonic()
        try:
            report = Report.decode(aborted.body)
        except ProtocolViolation as error:
            report = Report(Cause.VIOLATION, 0, aborted.party, "", "", error.reason)
        self._fail(aborted.party, report)

    def _observe(self, error: PartyError) -> None:
        self._fail(int(SessionPeer.CLIENT), Report.of(error, int(SessionPeer.CLIENT)))

    def _control(self, control: Control) -> None:
        party = Party(int(control.sender))
        self._seen[party] = time.monotonic()
        try:
            if control.kind == Command.DONE:
                done = Done.decode(control.body)
                if done.job == self._job:  # else it is the late answer of a job that was given up
                    self.done[party] = done
            elif control.kind == Command.FAILED:
                self._fail(int(SessionPeer.CLIENT), Report.decode(control.body))
            else:
                raise ProtocolViolation(f"answer {control.kind} is not due")
        except ProtocolViolation as error:
            self._fail(int(SessionPeer.CLIENT), Report(Cause.VIOLATION, 0, int(party), "", "", error.reason))

    def _keep_watch(self) -> None:
        """Ping the parties that have not ended the job; record a Timeout of those that are silent for too long."""
        endpoint = self._endpoint
        while endpoint.pongs:
            peer, _, at = endpoint.pongs.popleft()
            if peer:
                self._seen[Party(int(peer))] = at
        now = time.monotonic()
        if now < self._ping_at:
            return
        self._ping_at = now + self._ping_s
        limit = self._timeout + SILENCE_S
        for party in self._working():
            if now - self._seen[party] > limit:
                reason = f"it gave no sign of life for {limit:g} s"
                self._fail(int(SessionPeer.CLIENT), Report(Cause.TIMEOUT, 0, int(party), "", "", reason))
            elif SessionPeer(party) not in endpoint.failed:
                self._pings += 1
                try:
                    endpoint.ping(party, self._pings)
                except PartyError as error:
                    self._observe(error)

    def _working(self) -> Sequence[Party]:
        return [party for party in PARTIES if party not in self.done and party not in self.failed]


class Companions(Protocol):
    """The three parties of a local session, as threads or processes."""

    def stop(self, *, gently: bool) -> None:
        """End them; `gently` waits a while for them to end by themselves."""
        ...

    @property
    def pids(self) -> dict[Party, int]:
        """The process of each party; empty if they are threads."""
        ...

    def last_words(self) -> str:
        """The end of their logs, for errors that say nothing else."""
        ...


class Session(BaseSession):
    """A session with three parties on this machine, made by `tercet.local`. Use it in `with`, or call `close`.

    Several threads may call it; they wait for each other.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        companions: Companions,
        network: Network,
        timeout: float,
        *,
        checked: bool = False,
        rounding: str = COIN,
        bounds: str = STATED,
    ) -> None:
        super().__init__(network, checked=checked, rounding=rounding, bounds=bounds, keeps_exactly=False)
        self.timeout = timeout
        self.last_failure: Mapping[int, Report] = {}
        """The report of each party, and of the client (0), about the last job that failed."""
        self._endpoint = endpoint
        self._companions = companions
        self._lock = threading.RLock()
        self._models: dict[str, tuple[Mapping[str, Any], dict[str, SecretArray]]] = {}
        self._unwanted: deque[bytes] = deque()
        self._broken: TercetError | None = None
        self._closed = False

    def __repr__(self) -> str:
        state = "closed" if self._closed else "broken" if self._broken else "open"
        return f"Session({state}, {self.network.name})"

    def close(self) -> None:
        """End the session and its parties; harmless when called again."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            for party in PARTIES:
                with suppress(PartyError):
                    self._endpoint.send_control(party, Command.CLOSE, EMPTY)
            self._endpoint.close()
            self._companions.stop(gently=self._broken is None)

    # -- what owners and analysts call

    def share(self, values: Any, bounds: tuple[Any, Any] | None = None, frac_bits: int | None = None) -> SecretArray:
        """Check, encode and split an array, and send each party its part; see `encode_array` for what is accepted."""
        encoded = encode_array(values, bounds, frac_bits)
        return secret_array(self, self._stored(self._put(encoded.words, encoded.type), encoded.type))

    def keep(self, name: str, arrays: Mapping[str, SecretArray], model: Mapping[str, Any]) -> dict[str, SecretArray]:
        """See `BaseSession.keep`; the name is this session's, and ends with it."""
        kept = dict(zip(arrays, keep(list(arrays.values())), strict=True))
        with self._lock:
            if name in self._models:
                raise InputError(f"there is a model {name!r} already", hint="choose another name")
            self._models[name] = model, kept
        return kept

    def load(self, name: str) -> SecretModel:
        """See `BaseSession.load`."""
        with self._lock:
            if name not in self._models:
                raise InputError(
                    f"there is no model {name!r} in this session", hint="save it with model.save(net, name)"
                )
            return self._rebuilt(*self._models[name])

    def _stored(self, handle: bytes, t: Type) -> Recorded:
        """See `BaseSession._stored`. The parties delete the array once nothing here refers to it."""
        node = self.graph.input(handle, t)
        weakref.finalize(node, self._drop, handle).atexit = False
        return node

    def party_pids(self) -> tuple[int, ...]:
        """The process ids of the parties, for tools that watch them; empty if they are threads."""
        return tuple(self._companions.pids.values())

    # -- running plans

    def _put(self, words: NDArray[Any], t: Type) -> bytes:
        """Split an array of ring words (packed bits for bools) among the parties; give its handle."""
        upload = split_bits(words) if t.is_bool else split(words, ring(t.ring))
        if len(upload.components[upload.explicit - 1]) > _MAX_COMPONENT_BYTES:
            raise InputError("an array of more than 1 GiB is not shared in one piece", hint="share it in parts")
        handle, label = fresh_seed()[:_ID_BYTES], write_type(t)
        with self._lock:
            self._check_usable()
            self._forget_unwanted()
            for party in PARTIES:
                own, following = upload.part(party)
                seeds = party is not upload.explicit, party.next is not upload.explicit
                put = Put(handle, t.ring, t.shape, label, own, following, *seeds)
                self._command(SessionPeer(party), Command.PUT, put.encode())
        return handle

    def _drop(self, *handles: bytes) -> None:
        """Delete arrays at the parties, with the next command. The garbage collector may call it at any time."""
        self._unwanted.extend(handles)

    def _run(self, plan: Plan, decode: Callable[[NDArray[Any], Type], Any] = decode_words) -> list[Any]:
        """See `BaseSession._run`. Raises the TercetError that explains a failure best."""
        _check_memory(plan)
        with self._lock:
            self._check_usable()
            self._forget_unwanted()
            job = fresh_seed()[:_ID_BYTES]
            revealed = revealed_types(plan)
            began = time.perf_counter()
            self._endpoint.open_job(job)
            try:
                watch = self._follow(job, plan, revealed)
            except BaseException as error:
                # for example an interrupt by the user: the parties stop the job, and the session stays usable
                self._abort(job, f"the client gave it up ({type(error).__name__})")
                self._unwanted += [output.handle for output in plan.outputs if output.handle]
                raise
            finally:
                self._endpoint.close_job(job)
            cause = watch.cause()
            if cause is not None:
                self.last_failure = watch.failed
                self._unwanted += [output.handle for output in plan.outputs if output.handle]
                self._abort(job, "another party failed")
                raise self._failure(cause.error(job), settled=watch.settled)
            results: list[Any] = [None] * len(plan.outputs)
            for index, t in revealed.items():
                parts = [np.asarray(watch.parts[index, party]) for party in PARTIES]
                results[index] = decode(put_together(parts, window(t), t.size, f"output {index}"), t)
            reports = [watch.done[party] for party in PARTIES]
            self._note(record_of(plan, job.hex(), reports, time.perf_counter() - began))
            return results

    def _follow(self, job: bytes, plan: Plan, revealed: dict[int, Type]) -> JobWatch:
        expected = {index: reveal_bytes(window(t), t.size) for index, t in revealed.items()}
        watch = JobWatch(self._endpoint, job, expected, self.timeout)
        command = RunPlan(job, plan.to_bytes()).encode()
        for party in PARTIES:
            self._command(SessionPeer(party), Command.RUN, command)
        watch.wait()
        return watch

    # -- session start

    def _await_ready(self, timeout: float) -> None:
        """Wait until all parties have agreed on keys."""
        self._gather(Command.READY, timeout)

    def _measure_links(self, timeout: float) -> LinkEstimate:
        """Have the parties measure their links; give the longest round trip and the least bandwidth."""
        with self._lock:
            self._check_usable()
            for party in PARTIES:
                self._command(SessionPeer(party), Command.MEASURE, EMPTY)
            estimates = [LinkEstimate.decode(control.body) for control in self._gather(Command.ESTIMATE, timeout)]
        return LinkEstimate(max(e.rtt_s for e in estimates), min(e.bandwidth_bits_s for e in estimates))

    def _gather(self, kind: Command, timeout: float) -> Sequence[Control]:
        """One answer of each party."""
        deadline = time.monotonic() + timeout
        answers: dict[int, Control] = {}
        while len(answers) < len(PARTIES):
            left = deadline - time.monotonic()
            try:
                if left <= 0:
                    missing = next(party for party in PARTIES if party not in answers)
                    raise Timeout(f"no {kind.name.lower()} message came for {timeout:g} s", party=int(missing))
                self._endpoint.progress(left)
            except PartyError as error:
                raise self._failure(error, settled=False) from None
            while (control := self._endpoint.take_control()) is not None:
                if control.kind == Command.FAILED:
                    raise self._failure(Report.decode(control.body).error(None), settled=False)
                if control.kind != kind:
                    odd = ProtocolViolation(f"answer {control.kind} is not due", party=int(control.sender))
                    raise self._failure(odd, settled=False)
                answers[int(control.sender)] = control
        return [answers[int(party)] for party in PARTIES]

    # -- failures

    def _check_usable(self) -> None:
        if self._closed:
            raise ValueError("this session is closed; start a new one")
        if self._broken is not None:
            party = getattr(self._broken, "party", None)
            raise Unreachable(
                f"this session has failed: {self._broken.message}", party=party, hint="start a new session"
            )

    def _failure(self, error: TercetError, *, settled: bool) -> TercetError:
        """The error to raise; the session is broken from now on, unless all parties are `settled`: ready for more."""
        if not settled:
            self._broken = error
        if isinstance(error, PartyError) and error.reason.startswith("failed with"):
            words = self._companions.last_words()
            if words:
                error.add_note(words)
        return error

    def _command(self, to: SessionPeer, kind: Command, body: Sequence[bytes | memoryview]) -> None:
        try:
            self._endpoint.send_control(to, kind, body)
        except PartyError as error:
            raise self._failure(error, settled=False) from None

    def _forget_unwanted(self) -> None:
        handles = [self._unwanted.popleft() for _ in range(len(self._unwanted))]
        if handles:
            for party in PARTIES:
                self._command(SessionPeer(party), Command.DROP, Drop(tuple(handles)).encode())

    def _abort(self, job: bytes, reason: str) -> None:
        report = Report(Cause.GIVEN_UP, int(SessionPeer.CLIENT), None, "", "", reason).encode()
        for party in PARTIES:
            with suppress(PartyError):
                self._endpoint.send_abort(party, job, report)


_SMALL_BYTES = 1 << 28
"""Plans whose results are less than this together run without a look at the machine's memory."""


def _check_memory(plan: Plan) -> None:
    """PlanError if three parties on this machine need more memory than it has left, before anything is sent."""
    if sum(t.component_bytes for op in plan.operations for t in op.types) < _SMALL_BYTES:
        return
    left = available_bytes()
    needed = 3 * peak_bytes(plan)
    if left is not None and needed > left:
        raise PlanError(
            f"the plan needs about {needed:,} bytes of memory at the three parties together, and this machine has "
            f"{left:,} left",
            hint="ask about fewer rows or columns at a time, or run the three parties on machines of their own",
        )
