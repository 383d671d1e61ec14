"""One job's messages at one party, as protocols and the scheduler see them, on top of an endpoint."""

from __future__ import annotations

import time
from collections import defaultdict

from tercet.engine.scheduler import Key
from tercet.protocols.message import Bytes
from tercet.sharing import Party
from tercet.transport import Address, Element, Endpoint

_INSTANCE_BITS = 32


class JobChannel:
    """Adapts an endpoint to the scheduler's Channel; counts what every operation of the plan sends.

    `bytes_of[index]` are the payload bytes that this party sent to the other two in operation `index` of the plan, and
    `depth_of[index]` is the longest chain of messages in it.
    """

    __slots__ = ("_endpoint", "_expect", "_job", "_send", "_take", "bytes_of", "depth_of")

    def __init__(self, endpoint: Endpoint, job: bytes) -> None:
        self._endpoint = endpoint
        self._job = job
        self._send = endpoint.send
        self._expect = endpoint.expect
        self._take = endpoint.take
        self.bytes_of: defaultdict[int, int] = defaultdict(int)
        self.depth_of: defaultdict[int, int] = defaultdict(int)

    def __repr__(self) -> str:
        return f"JobChannel(job {self._job.hex()[:8]})"

    def send(self, to: Party, operation: int, step: int, payload: Bytes, depth: int) -> None:
        self._send(to, Address(self._job, operation, step), Element.BYTES, payload, depth)
        index = operation >> _INSTANCE_BITS
        self.bytes_of[index] += payload.nbytes
        if depth > self.depth_of[index]:
            self.depth_of[index] = depth

    def expect(self, frm: Party, operation: int, step: int, nbytes: int) -> None:
        self._expect(frm, Address(self._job, operation, step), Element.BYTES, nbytes, (frm, operation, step))

    def take(self, frm: Party, operation: int, step: int) -> tuple[Bytes, int] | None:
        message = self._take(frm, Address(self._job, operation, step))
        return None if message is None else (message.payload, message.depth)

    def progress(self, timeout: float) -> list[Key]:
        """Wait until messages that were expected are here, and name them; empty if `timeout` passes before."""
        endpoint = self._endpoint
        woken: list[Key] = endpoint.woken()  # type: ignore[assignment]
        if woken:
            return woken
        deadline = time.monotonic() + timeout
        while endpoint.progress(timeout):
            # a command of the client also counts as progress there
            woken = endpoint.woken()  # type: ignore[assignment]
            if woken:
                return woken
            timeout = max(0.0, deadline - time.monotonic())
        return []
