"""Three real parties whose work is shown: they agree on keys, run the engine's own protocol bodies, and are heard.

Elsewhere no share is ever shown to anybody: a share is a part of somebody's data. Here all data is what people type in
on their own machine, and to see its shares is the purpose. So this room alone turns shares into numbers. Keys, seeds
and masks are not shown here either.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Generic, TypeAlias, TypeVar

from tercet.engine.agreement import agree_on_keys
from tercet.engine.channel import Heart, JobChannel
from tercet.engine.failure import Report
from tercet.engine.job import JobRun, run_job
from tercet.engine.scheduler import Scheduler
from tercet.protocols.scope import Body, Scope
from tercet.protocols.transcript import Statement
from tercet.ring import RING64, Array, Bytes, bytes_of
from tercet.sharing import PARTIES, Party, SessionKeys, Share, Streams, Upload, expand_seed, split
from tercet.transport import Endpoint, SessionPeer, memory_endpoints

TIMEOUT_S = 20.0
_JOB_BYTES = 16

T = TypeVar("T")
Held: TypeAlias = "Mapping[Party, Share]"
"""What each party holds of one array."""


@dataclass(frozen=True)
class Overheard:
    """A message as it went from one party to another."""

    frm: Party
    to: Party
    payload: bytes = field(repr=False)


@dataclass(frozen=True)
class Heard(Generic[T]):
    """What came of a body at each party, and what they told each other on the way."""

    results: Mapping[Party, T] = field(repr=False)
    messages: Sequence[Overheard]
    solo: Party
    """The party that has the protocol's role D, the others being A and B after it; it changes from job to job."""


class ShownParties:
    """Three parties in three threads, on memory endpoints, with keys that they agreed on. One body runs at a time.

    Who calls it: the routes of the playground, from any thread.
    """

    def __init__(self) -> None:
        self._endpoints: dict[SessionPeer, Endpoint] = {**memory_endpoints()}
        self._pool = ThreadPoolExecutor(len(PARTIES), "tercet shown party")
        self._lock = threading.Lock()
        self._jobs = 0
        self._keys: Mapping[Party, SessionKeys] = self._at_three(
            lambda party: agree_on_keys(self._endpoint(party), TIMEOUT_S, b"tercet playground")
        )
        self._hearts = {party: Heart(self._endpoint(party), TIMEOUT_S) for party in PARTIES}

    def _endpoint(self, party: Party) -> Endpoint:
        return self._endpoints[SessionPeer(party)]

    def _at_three(self, work: Callable[[Party], T]) -> dict[Party, T]:
        running = {party: self._pool.submit(work, party) for party in PARTIES}
        return {party: future.result() for party, future in running.items()}

    def run(self, name: str, body: Callable[..., Body[T]], *inputs: Held) -> Heard[T]:
        """Run body(scope, *what this party holds of each input) at all three, as one job that they agree on by name.

        Raises TercetError as any job does.
        """
        with self._lock:
            self._jobs += 1
            job = self._jobs.to_bytes(_JOB_BYTES, "big")
            solo = PARTIES[self._jobs % len(PARTIES)]
            messages: list[Overheard] = []

            def work(run: JobRun) -> T:
                run.agree(name.encode())
                mine = [held[run.party] for held in inputs]
                return run.compute(partial(_program, body, mine, run.party, solo, messages))[0]

            outcomes = self._at_three(
                lambda party: run_job(
                    self._endpoint(party),
                    job,
                    work,
                    keys=self._keys[party],
                    heart=self._hearts[party],
                    timeout=TIMEOUT_S,
                )
            )
        results: dict[Party, T] = {}
        for party, outcome in outcomes.items():
            if isinstance(outcome, Report):
                raise outcome.error(job)
            results[party] = outcome
        return Heard(results, sorted(messages, key=lambda one: (one.frm, one.to)), solo)

    def close(self) -> None:
        """End the three threads, and wipe their keys."""
        for party in PARTIES:
            self._hearts[party].__exit__()
            self._endpoint(party).close()
            self._keys[party].wipe()
        self._pool.shutdown()


class _Listener:
    """The outbox of a scope: passes on what the party says, and keeps a copy."""

    def __init__(self, channel: JobChannel, party: Party, messages: list[Overheard]) -> None:
        self._channel, self._party, self._messages = channel, party, messages
        self.said, self.name_of = channel.said, channel.name_of

    def send(
        self, to: Party, operation: int, step: int, payload: Bytes | list[Bytes], depth: int, statement: Statement
    ) -> None:
        parts = payload if isinstance(payload, list) else [payload]
        self._messages.append(Overheard(self._party, to, b"".join(part.tobytes() for part in parts)))
        self._channel.send(to, operation, step, payload, depth, statement)


def _program(
    body: Callable[..., Body[T]],
    inputs: Sequence[Share],
    party: Party,
    solo: Party,
    messages: list[Overheard],
    streams: Streams,
    channel: JobChannel,
) -> T:
    scope = Scope(party, streams, _Listener(channel, party, messages), 1 << 32, solo=solo, balance=False)
    scheduler, results = Scheduler(channel, TIMEOUT_S), list[T]()
    scheduler.start(body(scope, *inputs), results.append)
    scheduler.run()
    return results[0]


def share_out(values: Sequence[int]) -> dict[Party, Share]:
    """Split integers as an owner does, and take each party's part as it does: two components of three, from seeds."""
    words = RING64.from_ints(values)
    upload = split(words, RING64)
    return {
        party: Share(RING64, _component(upload, party, words), _component(upload, party.next, words))
        for party in PARTIES
    }


def _component(upload: Upload, number: Party, words: Array) -> Array:
    sent = upload.components[number - 1]
    whole = bytes_of(sent) if number is upload.explicit else expand_seed(bytes(sent), words.nbytes)
    return RING64.from_bytes(whole, words.shape)


def put_together(held: Held) -> list[int]:
    """The plain signed integers, from the three components."""
    first, second, third = (held[party].own for party in PARTIES)
    return [int(one) for one in RING64.to_ints(RING64.add(RING64.add(first, second), third))]


def as_numbers(words: Array) -> list[str]:
    """Ring words as decimal numbers from 0 to 2^64 - 1, in texts: JavaScript's own numbers end at 2^53."""
    return [str(int(one)) for one in words.reshape(-1)]
