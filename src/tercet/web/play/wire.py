"""Sessions of three parties whose messages are listened to, or changed on the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, TypeVar

from tercet.client.local import local_at
from tercet.client.session import Session
from tercet.engine.failure import AGREEMENT_INSTANCE, RESERVED_INSTANCES
from tercet.ring import Bytes, bytes_of
from tercet.sharing import PARTIES
from tercet.transport import Address, Element, SessionPeer
from tercet.transport.memory import MemoryEndpoint
from tercet.transport.messages import Buffer, Who

_INSTANCE_BITS = 32
S = TypeVar("S", bound=Session)


@dataclass(frozen=True)
class Wired:
    """A message: who sends it to whom (0 is the client), for which operation of the plan, and its length.

    `operation` counts the plan's operations; from `ANSWERS` on it counts its results."""

    sender: int
    to: int
    operation: int
    step: int
    nbytes: int


ANSWERS = RESERVED_INSTANCES >> _INSTANCE_BITS
Change = Callable[[Wired, Bytes], Bytes]
"""What stands in for a message's payload; called in the sender's thread."""


class _Tap(MemoryEndpoint):
    """The endpoint of a party, which shows each message of a plan before it sends it."""

    def __init__(self, me: Who, queues: list[SimpleQueue[Any]], change: Change) -> None:
        super().__init__(me, queues)
        self._change = change
        self.shows = False
        """Not before the parties have agreed on their keys: those stay between them."""

    def send(self, to: Who, address: Address, element: Element, payload: Buffer | list[Bytes], depth: int = 0) -> None:
        if self.shows and address.operation != AGREEMENT_INSTANCE:
            parts = payload if isinstance(payload, list) else [payload]
            whole = bytes_of(b"".join(bytes(part) for part in parts))
            if address.operation >= RESERVED_INSTANCES:
                operation = ANSWERS + address.operation - RESERVED_INSTANCES
            else:
                operation = address.operation >> _INSTANCE_BITS
            payload = self._change(Wired(int(self.me), int(to), operation, address.step, len(whole)), whole)
        super().send(to, address, element, payload, depth)


def wired(change: Change, timeout: float, kind: type[S]) -> S:
    """A session of three parties in threads, whose messages for plans go through `change`.

    Who calls it: the chapters of the playground. Raises TercetError if the parties do not agree on keys.
    """
    queues: list[SimpleQueue[Any]] = [SimpleQueue() for _ in SessionPeer]
    taps = {SessionPeer(party): _Tap(party, queues, change) for party in PARTIES}
    client = MemoryEndpoint(SessionPeer.CLIENT, queues)
    session = local_at({SessionPeer.CLIENT: client, **taps}, timeout, kind)
    for tap in taps.values():
        tap.shows = True
    return session
