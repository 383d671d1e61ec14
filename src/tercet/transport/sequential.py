"""Waiting for one message at a time: for session start, clients and tests, which are no event loops."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import NamedTuple

from tercet.errors import Timeout
from tercet.transport.endpoint import Endpoint
from tercet.transport.frame import Element
from tercet.transport.messages import Address, Control, Message, SessionPeer, Who


def receive(endpoint: Endpoint, frm: Who, address: Address, element: Element, nbytes: int, timeout_s: float) -> Message:
    """Wait for one message; for sequential code and tests. Raises Timeout naming the address."""
    endpoint.expect(frm, address, element, nbytes)
    deadline = time.monotonic() + timeout_s
    while (message := endpoint.take(frm, address)) is None:
        left = deadline - time.monotonic()
        if left <= 0.0:
            raise Timeout(
                f"nothing came from {endpoint.names[frm]} for {timeout_s:g} s",
                party=int(frm),
                job=address.job.hex(),
                operation=str(address.operation),
                step=str(address.step),
            )
        endpoint.progress(left)
    return message


def receive_control(endpoint: Endpoint, frm: Who | None, timeout_s: float) -> Control:
    """Wait for one command; for sequential code and tests."""
    deadline = time.monotonic() + timeout_s
    while (control := endpoint.take_control(frm)) is None:
        left = deadline - time.monotonic()
        if left <= 0.0:
            who = "anyone" if frm is None else endpoint.names[frm]
            raise Timeout(f"no command came from {who} for {timeout_s:g} s", party=None if frm is None else int(frm))
        endpoint.progress(left)
    return control


class Estimate(NamedTuple):
    """What a link was found to do. The bandwidth is rough: what one unhurried transfer got."""

    rtt_s: float
    bandwidth_bits_s: float


def measure(
    endpoint: Endpoint, *, rounds: int = 8, probe_bytes: int = 1 << 18, timeout_s: float = 10.0
) -> dict[SessionPeer, Estimate]:
    """Give round trip time (the least of `rounds`) and bandwidth to each other party that is connected, by pings.

    Every party calls it at about the same time; who is done earlier answers the others as soon as it pumps again.

    Raises Timeout naming a party that does not answer.
    """
    deadline = time.monotonic() + timeout_s
    parties = [peer for peer in SessionPeer if peer and peer != endpoint.me and peer not in endpoint.failed]
    rtt: dict[SessionPeer, float] = dict.fromkeys(parties, float("inf"))
    number = 0
    for _ in range(rounds):
        for peer, seconds in _exchange(endpoint, parties, number, 0, deadline).items():
            rtt[peer] = min(rtt[peer], seconds)
        number += 1
    result = {}
    for peer in parties:
        seconds = _exchange(endpoint, [peer], number, probe_bytes, deadline)[peer]
        number += 1
        result[peer] = Estimate(rtt[peer], probe_bytes * 8 / max(seconds - rtt[peer], 1e-6))
    return result


def _exchange(
    endpoint: Endpoint, parties: Iterable[SessionPeer], number: int, nbytes: int, deadline: float
) -> dict[SessionPeer, float]:
    sent: dict[SessionPeer, float] = {}
    took: dict[SessionPeer, float] = {}
    for peer in parties:
        sent[peer] = time.monotonic()
        endpoint.ping(peer, number, nbytes)
    while len(took) < len(sent):
        while endpoint.pongs:
            peer, answered, at = endpoint.pongs.popleft()
            if answered == number and peer in sent:
                took[peer] = at - sent[peer]
        left = deadline - time.monotonic()
        if len(took) < len(sent):
            if left <= 0.0:
                peer = next(peer for peer in sent if peer not in took)
                raise Timeout(f"{endpoint.names[peer]} did not answer a ping in time", party=int(peer))
            endpoint.progress(left)
    return took
