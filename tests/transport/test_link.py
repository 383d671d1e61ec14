"""The emulated link and the measurement. Lower bounds are exact; upper ones leave room for a busy machine."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tercet.errors import Timeout
from tercet.transport import Address, Element, Endpoint, SessionPeer, emulate, measure, receive, receive_control
from timing import at_most, in_time
from transport.sessions import JOB, endpoints_of

P1, P2, P3, CLIENT = SessionPeer.P1, SessionPeer.P2, SessionPeer.P3, SessionPeer.CLIENT


def at(operation: int) -> Address:
    return Address(JOB, operation, 0)


@contextmanager
def linked(kind: str, rtt_s: float, bandwidth_bits_s: float) -> Iterator[dict[SessionPeer, Endpoint]]:
    """Four endpoints with an emulated link between the parties and a job open."""
    session = endpoints_of(kind)
    try:
        for endpoint in session.values():
            endpoint.open_job(JOB)
            emulate(endpoint, rtt_s=rtt_s, bandwidth_bits_s=bandwidth_bits_s)
        yield session
    finally:
        for endpoint in session.values():
            endpoint.close()


@pytest.mark.timing
@pytest.mark.parametrize("kind", ["memory", "tcp"])
def test_messages_wait_for_distance_and_bandwidth(kind: str) -> None:
    def attempt() -> None:
        with linked(kind, 0.06, 8e6) as session:
            start = time.monotonic()
            session[P1].send(P2, at(1), Element.BYTES, b"x")
            session[P1].send(P3, at(1), Element.BYTES, b"x")
            receive(session[P2], P1, at(1), Element.BYTES, 1, 5)
            small = time.monotonic() - start
            receive(session[P3], P1, at(1), Element.BYTES, 1, 5)
            other = time.monotonic() - start
            assert small >= 0.030
            at_most(small, 0.09)
            at_most(other - small, 0.06)
            # 40,000 bytes at 1 byte a microsecond, and what is sent next queues behind them; the links are independent
            start = time.monotonic()
            session[P1].send(P2, at(2), Element.BYTES, bytes(40_000))
            session[P1].send_control(P2, 1)
            session[P1].send_control(P3, 2)
            receive_control(session[P3], P1, 5)
            took = time.monotonic() - start
            assert took >= 0.030
            at_most(took, 0.068)
            receive(session[P2], P1, at(2), Element.BYTES, 40_000, 5)
            took = time.monotonic() - start
            assert took >= 0.070
            at_most(took, 0.2)
            receive_control(session[P2], P1, 5)
            # the client is near
            start = time.monotonic()
            session[CLIENT].send_control(P2, 3)
            session[P2].send(CLIENT, at(1), Element.BYTES, b"x")
            receive_control(session[P2], CLIENT, 5)
            receive(session[CLIENT], P2, at(1), Element.BYTES, 1, 5)
            at_most(time.monotonic() - start, 0.03)

    in_time(attempt)


@pytest.mark.timing
@pytest.mark.parametrize("kind", ["memory", "tcp"])
def test_progress_keeps_its_own_time_while_messages_are_held(kind: str) -> None:
    def attempt() -> None:
        with linked(kind, 0.1, 1e9) as session:
            session[P2].expect(P1, at(1), Element.BYTES, 1)
            start = time.monotonic()
            session[P1].send(P2, at(1), Element.BYTES, b"x")
            early = session[P2].progress(0.01)
            took = time.monotonic() - start
            assert took >= 0.01
            at_most(took, 0.045)
            assert not early
            assert session[P2].progress(1.0)
            took = time.monotonic() - start
            assert took >= 0.05
            at_most(took, 0.12)
            session[P1].send(P2, at(2), Element.BYTES, b"x")
            session[P2].progress(0.01)
            session[P2].close_job(JOB)
            assert not session[P2].progress(0.1)

    in_time(attempt)


@pytest.mark.timing
@pytest.mark.parametrize("kind", ["memory", "tcp"])
def test_the_emulated_link_is_what_is_measured(kind: str) -> None:
    def attempt() -> None:
        results = {}

        def run_and_answer(me: SessionPeer) -> None:
            results[me] = measure(session[me], rounds=3)
            while len(results) < 3:
                session[me].progress(0.005)

        with linked(kind, 0.02, 100e6) as session:
            threads = [threading.Thread(target=run_and_answer, args=(me,)) for me in (P1, P2, P3)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        for me in (P1, P2, P3):
            assert set(results[me]) == {P1, P2, P3} - {me}
            for estimate in results[me].values():
                assert estimate.rtt_s >= 0.020
                at_most(estimate.rtt_s, 0.06)
                at_most(estimate.bandwidth_bits_s, 150e6)
                at_most(1 / estimate.bandwidth_bits_s, 1 / 20e6)

    in_time(attempt)


def test_a_silent_party_times_out_in_the_measurement() -> None:
    session = endpoints_of("memory")
    with pytest.raises(Timeout, match="did not answer"):
        measure(session[P1], timeout_s=0.05)
    for endpoint in session.values():
        endpoint.close()


def test_a_link_has_sensible_figures() -> None:
    session = endpoints_of("memory")
    with pytest.raises(ValueError):
        emulate(session[P1], rtt_s=-1, bandwidth_bits_s=1)
    for endpoint in session.values():
        endpoint.close()
