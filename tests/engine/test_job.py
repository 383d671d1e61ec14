"""One job at three parties without a client: what each is told, and who is waited for how long."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

from tercet.engine.agreement import agree_on_keys
from tercet.engine.channel import Heart, JobChannel
from tercet.engine.failure import Cause, Report
from tercet.engine.job import JobRun, run_job
from tercet.engine.scheduler import Scheduler
from tercet.errors import Timeout
from tercet.protocols.product import multiply
from tercet.protocols.scope import Scope
from tercet.protocols.transcript import Statement, Transcript
from tercet.ring import RING64
from tercet.sharing import PARTIES, Party, Purpose, SessionKeys, Share, Streams
from tercet.transport import Address, Element, Endpoint, SessionPeer, memory_endpoints
from trio import Trio

TIMEOUT_S = 1.0
JOB = b"one job of three"
Before = Callable[[Party, int], None]


def products(run: JobRun, value: Share, before: Before, meet: bool) -> Share:
    """A chain of squares; `before(party, k)` runs before the k-th."""

    def program(streams: Streams, channel: JobChannel) -> Share:
        for number in (1, 2, 3):
            before(run.party, number)
            scheduler = Scheduler(channel, run.timeout)
            results: list[Share] = []
            scope = Scope(run.party, streams, channel, number << 32, solo=PARTIES[number % 3])
            scheduler.start(multiply(scope, values[-1], values[-1]), results.append)
            scheduler.run()
            values.extend(results)
        if meet:
            run.meet(channel)
        return values[-1]

    values = [value]
    return run.compute(program)[0]


def at_three(
    before: Before = lambda party, number: None,
    *,
    agreed: Callable[[Party], bytes] = lambda party: b"a plan",
    meet: bool = False,
    transcripts: Mapping[Party, Transcript] = MappingProxyType({}),
) -> tuple[dict[Party, Any], dict[Party, float]]:
    """What `run_job` gave at each party, and after how many seconds."""
    endpoints = memory_endpoints()
    shares = Trio(1).share(RING64, [3, -2])
    results: dict[Party, Any] = {}
    took: dict[Party, float] = {}
    together = threading.Barrier(len(PARTIES))

    def party(me: Party) -> None:
        endpoint: Endpoint = endpoints[SessionPeer(me)]

        def work(run: JobRun) -> Share:
            run.agree(agreed(me))
            return products(run, shares[me], before, meet)

        keys = agree_on_keys(endpoint, 10)
        began = time.monotonic()
        with Heart(endpoint, TIMEOUT_S) as heart:
            results[me] = run_job(
                endpoint, JOB, work, keys=keys, heart=heart, timeout=TIMEOUT_S, transcript=transcripts.get(me)
            )
        took[me] = time.monotonic() - began
        together.wait(20)  # one that has all it needs is done before the others
        endpoint.close()

    threads = [threading.Thread(target=party, args=(p,)) for p in PARTIES]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results, took


def test_three_parties_without_a_client() -> None:
    results, _ = at_three()
    assert np.array_equal(Trio.open(results), [3**8, 2**8])


def test_a_party_that_computes_for_longer_than_the_timeout_is_waited_for() -> None:
    """Whichever it is: three jobs at the same time."""

    def with_slow(slow: Party) -> tuple[dict[Party, Any], dict[Party, float]]:
        return at_three(lambda party, number: time.sleep(3 * TIMEOUT_S * (party is slow and number == 2)))

    with ThreadPoolExecutor() as pool:
        for results, took in pool.map(with_slow, PARTIES):
            assert np.array_equal(Trio.open(results), [3**8, 2**8])
            assert max(took.values()) > 2.5 * TIMEOUT_S


def test_so_is_one_that_waits_for_one_that_computes() -> None:
    """Each in turn: nobody hears of the computing party but from itself and through the other."""
    results, _ = at_three(lambda party, number: time.sleep(2 * TIMEOUT_S * (party == number)))
    assert np.array_equal(Trio.open(results), [3**8, 2**8])


def test_a_recorded_job_explains_what_was_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every byte that the job's channel gave to the transport is in one statement; draws are listed, too."""
    sent: Counter[tuple[int, int, int, int, int]] = Counter()
    original = Endpoint.send

    def send(self: Endpoint, to: Any, address: Any, element: Any, payload: Any, depth: int = 0) -> None:
        if address.job == JOB and depth:
            parts = payload if isinstance(payload, list) else [payload]
            sent[int(self.me), int(to), address.operation, address.step, sum(part.nbytes for part in parts)] += 1
        original(self, to, address, element, payload, depth)

    monkeypatch.setattr(Endpoint, "send", send)
    transcripts = {party: Transcript(party) for party in PARTIES}
    results, _ = at_three(meet=True, transcripts=transcripts)
    assert np.array_equal(Trio.open(results), [3**8, 2**8])
    said = [entry for one in transcripts.values() for entry in one.statements]
    assert Counter(entry.statement for entry in said) == {
        Statement.PRODUCT: 6,
        Statement.DEAL: 3,
        Statement.BARRIER: 6,
    }
    stated = [entry for entry in said if entry.statement is not Statement.BARRIER]
    assert sent == Counter((int(e.sender), int(e.to or 0), e.instance, e.step, e.nbytes) for e in stated)
    draws = [draw for one in transcripts.values() for draw in one.draws]
    assert Counter(draw.purpose for draw in draws) == {Purpose.MASK: 4 * 3, Purpose.OUTPUT: 2 * 3}
    assert {draw.nbytes for draw in draws} == {16}


def test_three_that_wait_find_out() -> None:
    """A message is lost: all three wait, answer each other's pings, and give up together."""
    lost: list[int] = []
    original = JobChannel.send

    def send(self: JobChannel, to: Party, operation: int, step: int, payload: Any, depth: int, statement: Any) -> None:
        if self._endpoint.me == SessionPeer.P2 and operation >> 32 == 2 and not lost:
            lost.append(step)
        else:
            original(self, to, operation, step, payload, depth, statement)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JobChannel, "send", send)
        results, took = at_three()
    assert max(took.values()) < TIMEOUT_S + 4
    reports = [result for result in results.values() if isinstance(result, Report)]
    assert {(r.cause, r.party) for r in reports} == {(Cause.TIMEOUT, 2)}


def test_nobody_is_done_before_all_are() -> None:
    """One that has all it needs waits for the others, and fails with them."""

    def fail(party: Party, number: int) -> None:
        if party is Party.P1 and number == 3:
            raise ZeroDivisionError

    results, _ = at_three(fail, meet=True)
    assert {(r.cause, r.party) for r in results.values()} == {(Cause.INTERNAL, 1)}
    results, _ = at_three(meet=True)
    assert np.array_equal(Trio.open(results), [3**8, 2**8])


def test_another_plan_is_named_by_all() -> None:
    results, took = at_three(agreed=lambda party: b"another" if party is Party.P3 else b"a plan")
    assert {(r.cause, r.party) for r in results.values()} == {(Cause.VIOLATION, 3)}
    assert max(took.values()) < TIMEOUT_S


def test_a_failure_is_told_to_all_without_its_text() -> None:
    def fail(party: Party, number: int) -> None:
        if party is Party.P1 and number == 2:
            raise ZeroDivisionError("4711 is a secret")

    results, took = at_three(fail)
    assert {(r.cause, r.party, r.reason) for r in results.values()} == {
        (Cause.INTERNAL, 1, "failed with ZeroDivisionError")
    }
    assert max(took.values()) < TIMEOUT_S


def test_one_that_has_told_what_it_saw_may_go() -> None:
    """Party 2 says nothing, party 1 says so and leaves the session: party 3 blames party 2, whom it waits for too."""
    endpoints = memory_endpoints()
    saw = Report(Cause.TIMEOUT, 1, 2, "7", "1", "its message is awaited")
    endpoints[SessionPeer.P1].send_abort(SessionPeer.P3, JOB, saw.encode())
    endpoints[SessionPeer.P1].close()

    def work(run: JobRun) -> None:
        run.endpoint.expect(SessionPeer.P1, Address(JOB, 8, 1), Element.BYTES, 1)
        raise Timeout("nothing came", party=2, operation="8", step="1")

    endpoint = endpoints[SessionPeer.P3]
    with Heart(endpoint, TIMEOUT_S) as heart:
        keys = SessionKeys({}, b"")
        found = run_job(endpoint, JOB, work, keys=keys, heart=heart, timeout=TIMEOUT_S)
    assert isinstance(found, Report)
    assert (found.cause, found.party) == (Cause.TIMEOUT, 2)


def test_a_channel_gives_protocols_the_names_of_parties() -> None:
    endpoint = memory_endpoints()[SessionPeer.P1]
    endpoint.open_job(JOB)
    channel = JobChannel(endpoint, JOB)
    assert channel.name_of(Party.P2) == "party 2"
    endpoint.names = ("the client", "hospital", "clinic", "lab")
    assert channel.name_of(Party.P2) == "clinic"
