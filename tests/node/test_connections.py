"""Connections: strangers' silence takes nothing from known people and nodes; addresses are those of loopback."""

from __future__ import annotations

import asyncio
import socket
import time
from contextlib import ExitStack

import pytest

from node.gate_server import Served, gate, read_answer
from node.test_gate import head, parsed, request
from tercet.node.http.connections import Door, Doors, bind, home_of
from tercet.node.settings import NodeLimits

LIMITS = NodeLimits(connections=16, connections_of_one=6, requests_per_second=1000.0, strangers_per_second=1000.0)
FEW = "127.0.0.2"


def ask(served: Served, person: str, source: str) -> int:
    answer = served.exchange(head(served, served.people[person], "GET", "/v1/me"), source=source)
    return parsed(answer)[0]


def is_closed(connection: socket.socket, within: float = 3.0) -> bool:
    connection.settimeout(within)
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False


def test_silent_connections_of_one_address_lock_nobody_else_out() -> None:
    with gate(LIMITS) as served, ExitStack() as stack:
        silent = [stack.enter_context(served.silent(FEW)) for _ in range(60)]
        # all but a few are closed at once, and everybody else is served
        assert sum(is_closed(one, 1.0) for one in silent[6:10]) == 4
        assert ask(served, "owner", "127.0.0.1") == 200
        assert ask(served, "analyst", "127.0.0.3") == 200
        assert parsed(served.exchange(head(served, None, "GET", "/peer/name"), served.members["b"]))[0] == 409
        # those behind the same address are let in again as soon as the handshakes have taken too long
        assert served.doors.turned_away >= 54


def test_answers_do_not_wait_for_acknowledgements_of_their_first_half() -> None:
    """40 ms for each answer of two pieces: asyncio sees to it only at sockets made with the number of the protocol."""

    async def accepted() -> int:
        with bind("127.0.0.1", 0) as listener, Door.of(listener, Doors(4, 4)) as door:
            assert listener.proto == 0
            with socket.create_connection(listener.getsockname()):
                guest, _ = await asyncio.get_running_loop().sock_accept(door)
                with guest:
                    return guest.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)

    assert asyncio.run(accepted())


def test_handshakes_and_first_requests_have_their_time() -> None:
    with gate(LIMITS, handshake_s=0.3) as served:
        began = time.monotonic()
        with served.silent(FEW) as one:
            assert is_closed(one)
        assert time.monotonic() - began < 2.5
        assert ask(served, "owner", FEW) == 200
        deadline = time.monotonic() + 5
        while len(served.doors):
            assert time.monotonic() < deadline
            time.sleep(0.02)


def test_connections_from_many_addresses_give_way_to_newer_ones() -> None:
    with gate(LIMITS) as served, ExitStack() as stack:
        for host in range(10, 30):
            for _ in range(5):
                stack.enter_context(served.silent(f"127.0.0.{host}"))
        for source in ("127.0.0.1", "127.0.0.10", "127.0.0.40"):
            assert ask(served, "owner", source) == 200


def test_known_people_do_not_count_as_strangers_and_have_a_limit_of_their_own() -> None:
    with gate(LIMITS) as served, ExitStack() as stack:
        signed = served.people["owner"]
        kept = []
        for _ in range(6):
            connection = stack.enter_context(served.connect(source=FEW))
            connection.sendall(head(served, signed, "GET", "/v1/me"))
            assert read_answer(connection).startswith(b"HTTP/1.1 200")
            kept.append(connection)
        # the address has all its places still; this person has none
        assert ask(served, "owner", FEW) == 429
        assert ask(served, "analyst", FEW) == 200
        for connection in kept:
            connection.sendall(head(served, signed, "GET", "/v1/me"))
            assert read_answer(connection).startswith(b"HTTP/1.1 200")


def test_nodes_come_in_from_where_they_came_before_though_strangers_fill_that_address() -> None:
    with gate(LIMITS) as served, ExitStack() as stack:
        hello = head(served, None, "GET", "/peer/hello")
        assert parsed(served.exchange(hello, served.members["b"], FEW))[0] == 200
        for _ in range(9):
            stack.enter_context(served.silent(FEW))
        for host in range(10, 30):
            for _ in range(5):
                stack.enter_context(served.silent(f"127.0.0.{host}"))
        assert parsed(served.exchange(hello, served.members["b"], FEW))[0] == 200


def test_strangers_do_not_drain_what_known_people_behind_the_same_address_have() -> None:
    with gate(NodeLimits(strangers_per_second=1.0)) as served:
        # more than come back while they are asked, however slow the machine is
        assert 429 in (request(served, "nobody")[0] for _ in range(200))
        assert request(served, "owner")[0] == 200
        assert parsed(served.exchange(head(served, None, "GET", "/peer/hello"), served.members["b"]))[0] == 200


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("10.0.0.1", "10.0.0.2", False),
        ("::ffff:10.0.0.1", "10.0.0.1", True),
        ("2001:db8::1", "2001:db8::ffff:2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("fe80::1%eth0", "fe80::2%eth1", True),
    ],
)
def test_what_is_one_address(one: str, other: str, same: bool) -> None:
    assert (home_of(one) == home_of(other)) is same
