"""Waiting for one message at a time: for session start, clients and tests, which are no event loops."""

from __future__ import annotations

import time

from tercet.errors import Timeout
from tercet.transport.endpoint import Endpoint
from tercet.transport.frame import Element
from tercet.transport.messages import Address, Control, Message, Who


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
