"""Whatever a party does wrong, the client and the other parties get one named error in time."""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

import tercet as tc
from tercet.client import EmulatedLink, Session, local
from tercet.client.local import ThreadTrio
from tercet.engine.commands import Command, Put
from tercet.engine.failure import RESERVED_INSTANCES, Cause
from tercet.errors import IntegrityError, PartyError, PlanError, ProtocolViolation, TercetError, Timeout, Unreachable
from tercet.plan.network import LAN
from tercet.plan.plan import Plan
from tercet.plan.types import Type, ValueKind, write_type
from tercet.sharing import PARTIES, Party
from tercet.transport import Element, Endpoint, SessionPeer, memory_endpoints
from tiny_plans import chain_plan, put, reveal_plan, run_plan

TIMEOUT_S = 2.0
LATEST_S = TIMEOUT_S + 5
pytestmark = pytest.mark.nodes
PRODUCT = 2 << 32
"""The instance of operation 2, the first product of a chain."""


@contextmanager
def slow_processes() -> Iterator[Session]:
    """Three processes that need 20 ms a round, so that a chain of products lasts."""
    with local(processes=True, timeout=TIMEOUT_S, link=EmulatedLink(0.04, 1e9)) as net:
        yield net


def run_into_failure(net: Session, disturb: Callable[[int], None], victim: Party) -> tuple[TercetError, float]:
    x = put(net, [3], (-1, 3))
    y = put(net, [1], (-1, 1))
    plan = chain_plan(x, y, 1000)
    began = time.monotonic()
    run_plan(net, chain_plan(x, y, 1))
    Plan.from_bytes(plan.to_bytes())
    # The products begin after the parties have read the plan and agreed on it, on a busy machine too; they last 20 s.
    wait = 0.3 + 5 * (time.monotonic() - began)
    pid = net.party_pids()[PARTIES.index(victim)]
    timer = threading.Timer(wait, disturb, [pid])
    timer.start()
    began = time.monotonic()
    with pytest.raises(TercetError) as caught:
        run_plan(net, plan)
    timer.join()
    return caught.value, time.monotonic() - began - wait


def with_every_party(check: Callable[[Party], None]) -> None:
    """Three sessions at once, since each waits most of its time; one party of each is the victim."""
    with ThreadPoolExecutor(len(PARTIES)) as pool:
        list(pool.map(check, PARTIES))


def test_a_killed_party_is_named_by_all() -> None:
    with_every_party(kill)


def kill(victim: Party) -> None:
    with slow_processes() as net:
        error, took = run_into_failure(net, lambda pid: os.kill(pid, signal.SIGKILL), victim)
        assert isinstance(error, Unreachable) and error.party == victim and error.job
        assert took < 3
        others = [party for party in PARTIES if party is not victim]
        assert {p: (net.last_failure[p].cause, net.last_failure[p].party) for p in others} == dict.fromkeys(
            others, (Cause.UNREACHABLE, victim)
        )
        with pytest.raises(Unreachable, match="start a new session"):
            put(net, 1)
    with local(processes=True) as again:
        assert run_plan(again, reveal_plan(put(again, 4)))[0] == 4


def test_a_stalled_party_is_named_by_all() -> None:
    with_every_party(stall)


def stall(victim: Party) -> None:
    with slow_processes() as net:
        error, took = run_into_failure(net, lambda pid: os.kill(pid, signal.SIGSTOP), victim)
        assert isinstance(error, Timeout) and error.party == victim and error.job
        assert TIMEOUT_S - 0.1 < took < LATEST_S
        others = [party for party in PARTIES if party is not victim]
        assert {p: net.last_failure[p].party for p in others} == dict.fromkeys(others, victim)
        assert error.operation and error.operation.endswith("multiply")


def test_a_party_that_stalled_and_woke_does_no_harm() -> None:
    with slow_processes() as net:
        error, _ = run_into_failure(net, lambda pid: os.kill(pid, signal.SIGSTOP), Party.P2)
        assert isinstance(error, Timeout)
        os.kill(net.party_pids()[PARTIES.index(Party.P2)], signal.SIGCONT)
        began = time.monotonic()
    assert time.monotonic() - began < 3


def test_a_party_killed_between_jobs_is_named_by_the_next() -> None:
    with slow_processes() as net:
        x = put(net, [3], (-1, 3))
        pid = net.party_pids()[PARTIES.index(Party.P3)]
        ended = os.pidfd_open(pid)
        os.kill(pid, signal.SIGKILL)
        assert select.select([ended], [], [], 10)[0]
        os.close(ended)
        with pytest.raises(Unreachable) as caught:
            run_plan(net, reveal_plan(x))
        assert caught.value.party == 3


Send = Callable[..., None]


def faulty(fault: Callable[[Send, Any], Send], party: Party = Party.P2) -> Session:
    """A session of threads in which `party` sends through fault(send, endpoint)."""
    endpoints: dict[SessionPeer, Endpoint] = {**memory_endpoints()}
    wicked = endpoints[SessionPeer(party)]
    wicked.send = fault(wicked.send, wicked)  # type: ignore[method-assign]
    trio = ThreadTrio({p: endpoints[SessionPeer(p)] for p in PARTIES}, TIMEOUT_S, 1, balance=True)
    net = Session(endpoints[SessionPeer.CLIENT], trio, LAN, TIMEOUT_S)
    net._await_ready(10)
    return net


def at_second_product(change: Callable[..., None]) -> Callable[[Send, Any], Send]:
    """Let `change(send, to, address, element, payload, depth)` send in place of the second product's first message."""

    def fault(send: Send, endpoint: Any) -> Send:
        done = []

        def altered(to: Any, address: Any, element: Any, payload: Any, depth: int = 0) -> None:
            if address.operation >> 32 == 3 and not done:
                done.append(True)
                change(send, to, address, element, payload, depth)
            else:
                send(to, address, element, payload, depth)

        return altered

    return fault


def drop(send: Send, *message: Any) -> None:
    """A message that never goes out."""


def truncate(send: Send, to: Any, address: Any, element: Any, payload: Any, depth: int) -> None:
    send(to, address, element, payload[:-8].copy(), depth)


def lengthen(send: Send, to: Any, address: Any, element: Any, payload: Any, depth: int) -> None:
    send(to, address, element, bytes(payload) + bytes(8), depth)


def relabel(send: Send, to: Any, address: Any, element: Any, payload: Any, depth: int) -> None:
    send(to, address, Element.WORDS64, payload, depth)


def break_down(send: Send, *message: Any) -> None:
    raise ZeroDivisionError("4711 is a secret")


def fail(net: Session, products: int = 4) -> tuple[TercetError, float]:
    x = put(net, [3, 2], (-1, 3))
    y = put(net, [1, 1], (-1, 1))
    began = time.monotonic()
    with pytest.raises(TercetError) as caught:
        run_plan(net, chain_plan(x, y, products))
    return caught.value, time.monotonic() - began


def test_a_dropped_message_is_named() -> None:
    with_every_party(lose_a_message)


def lose_a_message(wicked: Party) -> None:
    with faulty(at_second_product(drop), wicked) as net:
        error, took = fail(net)
        assert isinstance(error, Timeout)
        assert error.party == wicked and error.operation == "3 multiply" and error.step
        assert took < LATEST_S
        assert fail_not(net)


def fail_not(net: Session) -> bool:
    """The session goes on after a job that all three reported."""
    x = put(net, [3, 2], (-1, 3))
    return bool(run_plan(net, reveal_plan(x))[0].tolist() == [3, 2])


@pytest.mark.parametrize("wicked", PARTIES)
@pytest.mark.parametrize("change", [truncate, lengthen, relabel])
def test_a_wrong_length_or_kind_is_named(change: Callable[..., None], wicked: Party) -> None:
    with faulty(at_second_product(change), wicked) as net:
        error, took = fail(net)
        assert isinstance(error, ProtocolViolation)
        assert error.party == wicked and error.operation == "3 multiply" and error.step and error.job
        assert took < 2
        assert fail_not(net)


def test_a_duplicate_is_named() -> None:
    def twice(send: Send, endpoint: Any) -> Send:
        def altered(to: Any, address: Any, element: Any, payload: Any, depth: int = 0) -> None:
            send(to, address, element, payload, depth)
            if address.operation >> 32 == 2:
                # its own endpoint would not let it
                endpoint.inbox.jobs[address.job].unsend(to, address.operation, address.step)
                send(to, address, element, payload, depth)

        return altered

    with faulty(twice) as net:
        error, _ = fail(net)
        assert isinstance(error, ProtocolViolation)
        assert error.party == 2 and error.operation == "2 multiply" and "twice" in error.reason


def test_a_reused_address_is_an_error_where_it_happens() -> None:
    def twice(send: Send, endpoint: Any) -> Send:
        def altered(*message: Any) -> None:
            send(*message)
            if message[1].operation >> 32 == 2:
                send(*message)

        return altered

    with faulty(twice) as net:
        error, _ = fail(net)
        assert isinstance(error, ProtocolViolation) and error.party == 2 and "twice" in error.reason
        assert fail_not(net)


def test_a_tampered_reveal_is_found() -> None:
    def tamper(send: Send, endpoint: Any) -> Send:
        def altered(to: Any, address: Any, element: Any, payload: Any, depth: int = 0) -> None:
            if to == SessionPeer.CLIENT and address.operation >= RESERVED_INSTANCES:
                payload = payload.copy()
                payload[-1] ^= 1
            send(to, address, element, payload, depth)

        return altered

    with faulty(tamper) as net:
        x = put(net, [1, 2])
        with pytest.raises(IntegrityError, match="parties 2 and 3"):
            run_plan(net, reveal_plan(x))


def test_a_tampered_product_is_found_by_its_two_holders() -> None:
    """Semi-honest parties do not tamper; but what makes two copies differ is found when the result is revealed."""

    def flip(send: Send, to: Any, address: Any, element: Any, payload: Any, depth: int) -> None:
        payload = payload.copy()
        payload[0] ^= 1
        send(to, address, element, payload, depth)

    with faulty(at_second_product(flip)) as net:
        error, _ = fail(net, products=2)
        assert isinstance(error, IntegrityError)


@pytest.mark.parametrize("party", PARTIES)
def test_places_that_a_party_made_up_are_no_order(party: Party) -> None:
    """Nothing is read or written at them; all end by one error, and go on."""
    lies: list[bool] = []

    def made_up(send: Send, endpoint: Any) -> Send:
        def altered(to: Any, address: Any, element: Any, payload: Any, depth: int = 0) -> None:
            if lies and to != SessionPeer.CLIENT and address.operation < RESERVED_INSTANCES:
                parts = payload if isinstance(payload, list) else [payload]
                payload = np.full(sum(part.nbytes for part in parts), 255, np.uint8)
            send(to, address, element, payload, depth)

        return altered

    with faulty(made_up, party) as net:
        x = net.share(np.arange(200)[::-1], bounds=(0, 199))
        lies.append(True)
        began = time.monotonic()
        with pytest.raises(IntegrityError, match="no permutation"):
            tc.array.sort(x).reveal()
        assert time.monotonic() - began < LATEST_S
        lies.clear()
        assert x.sum().reveal() == 199 * 100


def test_a_short_reveal_is_named() -> None:
    def cut(send: Send, endpoint: Any) -> Send:
        def altered(to: Any, address: Any, element: Any, payload: Any, depth: int = 0) -> None:
            send(to, address, element, payload[:-1].copy() if to == SessionPeer.CLIENT else payload, depth)

        return altered

    with faulty(cut) as net:
        x = put(net, [1, 2])
        with pytest.raises(ProtocolViolation) as caught:
            run_plan(net, reveal_plan(x))
        assert caught.value.party == 2 and caught.value.operation == "reveal 0"


def test_an_internal_error_is_named_and_its_text_kept_back() -> None:
    with faulty(at_second_product(break_down)) as net:
        error, took = fail(net)
        assert isinstance(error, PartyError) and error.party == 2
        assert "ZeroDivisionError" in str(error) and "4711" not in str(error)
        assert took < 2
        assert fail_not(net)


def test_a_lost_thread_is_unreachable() -> None:
    class Gone(BaseException):
        pass

    def die(send: Send, *message: Any) -> None:
        raise Gone

    with faulty(at_second_product(die)) as net:
        error, took = fail(net)
        assert isinstance(error, Unreachable) and error.party == 2
        assert took < 2


def altered_command(net: Session, kind: Command, party: int, change: Callable[[list[Any]], list[Any]]) -> None:
    send = net._endpoint.send_control

    def altered(to: int, command: int, body: list[Any]) -> None:
        send(to, command, change(body) if command == kind and to == party else body)  # type: ignore[arg-type]

    net._endpoint.send_control = altered  # type: ignore[method-assign,assignment]


@pytest.mark.parametrize("party", [1, 2, 3])
def test_the_party_with_another_plan_is_named(party: int) -> None:
    with local(timeout=TIMEOUT_S) as net:
        x, y = put(net, [3], (-1, 3)), put(net, [1], (-1, 1))
        other = chain_plan(x, y, 3).to_bytes()
        plan = chain_plan(x, y, 2)
        assert len(plan.to_bytes()) != len(other)
        altered_command(net, Command.RUN, party, lambda body: _run_body(body, other))
        with pytest.raises(ProtocolViolation, match="another plan") as caught:
            run_plan(net, plan)
        assert caught.value.party == party
        del net._endpoint.send_control
        assert run_plan(net, plan)[0].tolist() == [3]


def _run_body(body: list[Any], plan: bytes) -> list[Any]:
    from tercet.engine.commands import RunPlan

    return list(RunPlan(RunPlan.decode(memoryview(b"".join(body))).job, plan).encode())


def test_a_garbled_plan_is_refused_with_the_offset() -> None:
    with local(timeout=TIMEOUT_S) as net:
        x, y = put(net, [3], (-1, 3)), put(net, [1], (-1, 1))
        altered_command(net, Command.RUN, 2, lambda body: _run_body(body, b"tercet-plan\x01\xff"))
        with pytest.raises(PlanError, match=r"byte \d+.*party 2"):
            run_plan(net, chain_plan(x, y))
        del net._endpoint.send_control
        assert run_plan(net, chain_plan(x, y))[0].tolist() == [3]


GARBAGE = (b"", b"\x01", b"\x02" + bytes(100), b"\x01" + b"\xff" * 500)


@pytest.mark.parametrize("kind", [Command.RUN, Command.PUT, Command.DROP])
@pytest.mark.parametrize(
    ("garbage", "processes"), [*((g, False) for g in GARBAGE), (GARBAGE[3], True)], ids=range(len(GARBAGE) + 1)
)
def test_garbage_from_the_client_ends_the_session(kind: Command, garbage: bytes, processes: bool) -> None:
    with local(timeout=TIMEOUT_S, processes=processes) as net:
        x, y = put(net, [3], (-1, 3)), put(net, [1], (-1, 1))
        altered_command(net, kind, 2, lambda body: [garbage])
        began = time.monotonic()
        with pytest.raises(PartyError) as caught:
            z = put(net, [3])
            net._drop(z.handle)
            run_plan(net, chain_plan(x, y))
        assert time.monotonic() - began < LATEST_S
        assert isinstance(caught.value, ProtocolViolation | Unreachable)


def test_a_wrong_answer_of_a_party_is_named() -> None:
    def babble(send: Send, endpoint: Any) -> Send:
        def altered(to: Any, *message: Any) -> None:
            if to == SessionPeer.CLIENT:
                endpoint.send_control(SessionPeer.CLIENT, 99, [b"what?"])
            send(to, *message)

        return altered

    with faulty(babble) as net:
        x = put(net, [1, 2])
        with pytest.raises(ProtocolViolation) as caught:
            run_plan(net, reveal_plan(x))
        assert caught.value.party == 2


def test_an_upload_that_no_memory_holds_ends_the_session_with_its_name() -> None:
    """Seeds of 16 bytes may stand for terabytes."""
    with local(timeout=TIMEOUT_S, processes=True) as net:
        huge = Type(ValueKind.INT, (1 << 40,), 128, 0, 0, 0, 1)
        upload = Put(bytes(16), 128, huge.shape, write_type(huge), bytes(24), bytes(24), True, True)
        net._command(SessionPeer.P1, Command.PUT, upload.encode())
        x = put(net, [3], (-1, 3))
        with pytest.raises(ProtocolViolation, match="larger than this party can hold"):
            run_plan(net, chain_plan(x, x))
