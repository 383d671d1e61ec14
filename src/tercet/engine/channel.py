"""The messages of one job over an endpoint, and a helper thread that answers pings, however long a kernel takes.

The endpoint belongs to one thread at a time: whoever uses it in a job holds `Heart.lock`. The helper thread looks every
now and then; it takes the lock only if it is free, and only while the party is inside `Heart.working`.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Self

from tercet.protocols.transcript import Statement, Transcript
from tercet.ring import Bytes
from tercet.sharing import Party
from tercet.transport import Address, Element, Endpoint, SessionPeer

_INSTANCE_BITS = 32
_LONGEST_PING_S = 1.0
_BYTES = Element.BYTES
_address = partial(tuple.__new__, Address)
"""An address of three fields, without the cost of passing them by name."""


class JobChannel:
    """Adapts an endpoint to the scheduler's Channel; counts what every operation of the plan sends.

    `bytes_of[index]` are the payload bytes that this party sent to the other two in operation `index` of the plan.
    `lock` is held while the endpoint is used. Where there is a transcript, each message is noted in it.
    """

    __slots__ = ("_arrived", "_endpoint", "_job", "_lock", "_others", "_receive", "_send", "bytes_of", "transcript")

    def __init__(
        self, endpoint: Endpoint, job: bytes, lock: threading.Lock | None = None, transcript: Transcript | None = None
    ) -> None:
        self.transcript = transcript
        self._endpoint = endpoint
        self._job = job
        self._lock = lock or threading.Lock()
        self._send = endpoint.send
        self._arrived = endpoint.inbox.arrived
        self._receive = endpoint.inbox.box(job).receive
        me = Party(int(endpoint.me))
        self._others = (SessionPeer(me.next), SessionPeer(me.prev))
        self.bytes_of: defaultdict[int, int] = defaultdict(int)

    def __repr__(self) -> str:
        return f"JobChannel(job {self._job.hex()[:8]})"

    def send(
        self, to: Party, operation: int, step: int, payload: Bytes | list[Bytes], depth: int, statement: Statement
    ) -> None:
        with self._lock:
            self._send(to, _address((self._job, operation, step)), _BYTES, payload, depth)
        nbytes = sum([part.nbytes for part in payload]) if isinstance(payload, list) else payload.nbytes
        self.bytes_of[operation >> _INSTANCE_BITS] += nbytes
        if self.transcript is not None:
            self.transcript.said(statement, to, operation, step, nbytes)

    def said(self, statement: Statement, to: Party | None, operation: int, step: int, nbytes: int) -> None:
        """Note what goes to, or came from, somebody outside the three parties."""
        if self.transcript is not None:
            self.transcript.said(statement, to, operation, step, nbytes)

    def name_of(self, party: Party) -> str:
        return self._endpoint.names[party]

    def receive(
        self, frm: Party, operation: int, step: int, nbytes: int, waker: Any, into: Bytes | None
    ) -> tuple[Bytes, int] | None:
        with self._lock:
            return self._receive(frm, operation, step, _BYTES, nbytes, waker, into)

    def progress(self, timeout: float) -> list[tuple[Any, Bytes, int]]:
        """Wait until messages that are due are here, and give them.

        Empty when for `timeout` seconds nothing came and nobody was known to be at work: a party that computes, or
        waits for one that does, is waited for.
        """
        endpoint = self._endpoint
        life = endpoint.life
        with self._lock:
            if arrived := self._arrived():
                return arrived
            was_working, life.working = life.working, False
            try:
                began = time.monotonic()
                patience = min(_LONGEST_PING_S, timeout / 4)
                ping_at = began + patience
                while True:
                    # a command of the client also counts as progress there
                    endpoint.progress(patience)
                    if arrived := self._arrived():
                        return arrived
                    now = time.monotonic()
                    left = max(began, life.seen_at) + timeout - now
                    if left <= 0.0:
                        return []
                    if now >= ping_at:
                        ping_at = now + min(_LONGEST_PING_S, timeout / 4)
                        for other in self._others:
                            if other not in endpoint.failed:
                                endpoint.ping(other, life.question())
                    patience = min(left, ping_at - now)
            finally:
                life.working = was_working


_MOST_S = 0.5


class Heart:
    """Used by a party around all its jobs. `timeout`: seconds after which the others give up a party that is silent."""

    def __init__(self, endpoint: Endpoint, timeout: float) -> None:
        self.lock = threading.Lock()
        self._endpoint = endpoint
        self._every_s = min(_MOST_S, timeout / 8)
        self._end = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        if self._thread is not None:
            self._thread.join()

    @contextmanager
    def working(self) -> Iterator[None]:
        """While a job runs: the endpoint is used under `lock` only."""
        if self._thread is None:
            name = f"tercet heart of {self._endpoint.me.label}"
            self._thread = threading.Thread(target=self._beat, name=name, daemon=True)
            self._thread.start()
        self._endpoint.life.working = True
        try:
            yield
        finally:
            with self.lock:
                self._endpoint.life.working = False

    def _beat(self) -> None:
        while not self._end.wait(self._every_s):
            if self._endpoint.life.working and self.lock.acquire(blocking=False):
                try:
                    if self._endpoint.life.working:
                        self._endpoint.attend()
                finally:
                    self.lock.release()
