"""Three parties as threads over memory endpoints: what runs a plan at one party, run at three."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from plan_trio import open_plain
from tercet.engine.channel import JobChannel
from tercet.plan.types import Type
from tercet.sharing import ALL, PARTIES, Party, Streams
from tercet.transport import SessionPeer, memory_endpoints
from trio import Trio

JOB = bytes(range(16))
TIMEOUT_S = 20.0


def at_three(trio: Trio, work: Callable[[Party, Streams, JobChannel], Any]) -> dict[Party, Any]:
    """Call `work` at each party in a thread of its own, with fresh streams; the first error is raised."""
    endpoints = memory_endpoints()
    keys = {party: trio.rng.bytes(16) for party in PARTIES}
    common = trio.rng.bytes(16)
    results: dict[Party, Any] = {}
    errors: list[BaseException] = []

    def run(party: Party) -> None:
        endpoint = endpoints[SessionPeer(int(party))]
        try:
            endpoint.open_job(JOB)
            streams = Streams({party: keys[party], party.next: keys[party.next], ALL: common})
            results[party] = work(party, streams, JobChannel(endpoint, JOB))
        except BaseException as error:
            errors.append(error)
            for other in endpoints.values():
                other.abandon()

    threads = [threading.Thread(target=run, args=(party,)) for party in PARTIES]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(3 * TIMEOUT_S)
    if errors:
        raise errors[0]
    return results


def opened(outcomes: dict[Party, Any], types: list[Type]) -> list[Any]:
    """The values of three outcomes, put together."""
    return [
        open_plain({party: outcomes[party].values[index] for party in PARTIES}, type)
        for index, type in enumerate(types)
    ]
