"""A session with three parties: upload, run, reconstruct, decode."""

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

from tercet.array.core import SecretArray
from tercet.array.results import keep
from tercet.client.base import COIN, STATED, BaseSession
from tercet.client.encode import decode_words, encode_array
from tercet.client.jobs import JobWatch
from tercet.client.measurement import record_of
from tercet.engine.commands import EMPTY, Command, Drop, LinkEstimate, Put, RunPlan
from tercet.engine.failure import Cause, Report
from tercet.errors import InputError, PartyError, ProtocolViolation, TercetError, Timeout, Unreachable
from tercet.learn.model import SecretModel
from tercet.learn.saved import rebuild
from tercet.plan.network import Network
from tercet.plan.plan import OutputKind, Plan, PlanOutput
from tercet.plan.record.graph import Recorded
from tercet.plan.types import Type, window, write_type
from tercet.protocols.reveal import put_together, reveal_bytes
from tercet.ring import ring
from tercet.sharing import PARTIES, Party, fresh_seed, split, split_bits
from tercet.transport import Control, Endpoint, SessionPeer

_ID_BYTES = 16
_MAX_COMPONENT_BYTES = 1 << 30
_CLOSE_S = 2.0


class Companions(Protocol):
    """The parties that a local session runs itself, as threads or processes."""

    def stop(self, *, gently: bool) -> None:
        """End them; `gently` waits a while for them to end by themselves."""
        ...

    @property
    def pids(self) -> dict[Party, int]:
        """The process of each party; empty if they are threads."""
        ...

    def last_words(self) -> str:
        """What they wrote to their logs, for an error that has no better account."""
        ...


class Session(BaseSession):
    """Three parties at work for one person; made by `tercet.local`. Use it in `with`, or call `close`.

    Calls may come from several threads; they take turns.
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
        """What each party, and the client (0), said about the last job that failed."""
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
        return SecretArray._new(self, self._stored(self._put(encoded.words, encoded.type), encoded.type))

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
            return rebuild(*self._models[name])

    def _stored(self, handle: bytes, t: Type) -> Recorded:
        """The node of an array that the parties keep; they forget it when nobody refers to it any more."""
        node = self.graph.input(handle, t)
        weakref.finalize(node, self._drop, handle).atexit = False
        return node

    def party_pids(self) -> tuple[int, ...]:
        """The process ids of the parties, for tools that watch them; empty if they are threads."""
        return tuple(self._companions.pids.values())

    # -- for the floor above

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
        """Have arrays forgotten, with the next command. May be called at any time, also by the garbage collector."""
        self._unwanted.extend(handles)

    def _run(self, plan: Plan, decode: Callable[[NDArray[Any], Type], Any] = decode_words) -> list[Any]:
        """Run a plan; give one plain array for every output that is revealed, None for those that are kept.

        Raises the one TercetError that says best what failed. `last_job` is then what the job took.
        """
        with self._lock:
            self._check_usable()
            self._forget_unwanted()
            job = fresh_seed()[:_ID_BYTES]
            revealed = {
                index: plan.type_of(output.value)
                for index, output in enumerate(plan.outputs)
                if output.kind is OutputKind.REVEAL
            }
            began = time.perf_counter()
            self._endpoint.open_job(job)
            try:
                watch = self._follow(job, plan, revealed)
            except BaseException as error:
                # an interrupt by the user, say: the parties give the job up, and the session can go on
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
            results = [self._result(watch, index, output, plan, decode) for index, output in enumerate(plan.outputs)]
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

    def _result(
        self, watch: JobWatch, index: int, output: PlanOutput, plan: Plan, decode: Callable[[NDArray[Any], Type], Any]
    ) -> Any:
        if output.kind is not OutputKind.REVEAL:
            return None
        t = plan.type_of(output.value)
        parts = [np.asarray(watch.parts[index, party]) for party in PARTIES]
        return decode(put_together(parts, window(t), t.size, f"output {index}"), t)

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
        """The error to raise; unless all parties are known to be ready for more, the session ends with it."""
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
