"""Faults at named messages: a wrapper around one party's endpoint, for the tests of every floor.

    faulty = FaultyEndpoint(endpoint)
    faulty.add(drop, operation=3, to=SessionPeer.P2)  # or delay(0.2), duplicate, truncate(8), tamper(flip), crash

A fault acts on the first message that fits (`times=None`: on all), on its way out.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tercet.transport import Address, Element, Endpoint, SessionPeer
from tercet.transport.messages import Buffer, Who, as_bytes


@dataclass(frozen=True)
class Outgoing:
    """A message about to be sent."""

    endpoint: Endpoint
    to: SessionPeer
    address: Address
    element: Element
    payload: Buffer
    depth: int

    def send(self, payload: Buffer | None = None) -> None:
        body = self.payload if payload is None else payload
        self.endpoint.send(self.to, self.address, self.element, body, self.depth)


Fault = Callable[[Outgoing], None]
Predicate = Callable[[Outgoing], bool]


def drop(message: Outgoing) -> None:
    """Never send it."""


def duplicate(message: Outgoing) -> None:
    """Send it twice, past the sender's own check."""
    message.send()
    job, operation, step = message.address
    message.endpoint.inbox.jobs[job].unsend(message.to, operation, step)
    message.send()


def delay(seconds: float) -> Fault:
    def fault(message: Outgoing) -> None:
        time.sleep(seconds)
        message.send()

    return fault


def truncate(nbytes: int) -> Fault:
    """Send only the first `nbytes`."""
    return lambda message: message.send(bytes(as_bytes(message.payload)[:nbytes]))


def tamper(change: Callable[[np.ndarray[Any, np.dtype[np.uint8]]], None]) -> Fault:
    """Let `change` edit a copy of the bytes."""

    def fault(message: Outgoing) -> None:
        copy = np.frombuffer(bytearray(as_bytes(message.payload)), np.uint8)
        change(copy)
        message.send(copy)

    return fault


def flip_lowest_bit(payload: np.ndarray[Any, np.dtype[np.uint8]]) -> None:
    payload[0] ^= 1


def crash(message: Outgoing) -> None:
    """Lose all connections, without a goodbye."""
    message.endpoint.abandon()


def kill(message: Outgoing) -> None:
    """End this process at once."""
    os.kill(os.getpid(), signal.SIGKILL)


def stall(seconds: float) -> Fault:
    """Stop working for a while, and never send it."""
    return lambda message: time.sleep(seconds)


@dataclass
class _Rule:
    fault: Fault
    fits: Predicate
    times: int | None


class FaultyEndpoint:
    """Behaves as the endpoint it wraps, except for the messages that faults were added for."""

    def __init__(self, inner: Endpoint) -> None:
        self.inner = inner
        self._rules: list[_Rule] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def __repr__(self) -> str:
        return f"FaultyEndpoint({self.inner!r}, {len(self._rules)} faults)"

    def add(
        self,
        fault: Fault,
        *,
        operation: int | None = None,
        step: int | None = None,
        to: Who | None = None,
        when: Predicate | None = None,
        times: int | None = 1,
    ) -> None:
        def fits(message: Outgoing) -> bool:
            return (
                (operation is None or message.address.operation == operation)
                and (step is None or message.address.step == step)
                and (to is None or message.to == to)
                and (when is None or when(message))
            )

        self._rules.append(_Rule(fault, fits, times))

    def send(self, to: Who, address: Address, element: Element, payload: Buffer, depth: int = 0) -> None:
        message = Outgoing(self.inner, SessionPeer(to), address, element, payload, depth)
        for rule in self._rules:
            if rule.times != 0 and rule.fits(message):
                if rule.times is not None:
                    rule.times -= 1
                rule.fault(message)
                return
        message.send()

    def send_control(self, to: Who, kind: int, body: Sequence[Buffer] = ()) -> None:
        self.inner.send_control(to, kind, body)
