"""Connections of a node: its listening sockets and TLS, how many may be open, and the HTTP protocol on each.

A connection is counted once it is accepted, before TLS, so that a silent one costs nothing but its place:

    opened    the handshake has to end within `HANDSHAKE_S`, the first request's head within `HEAD_S` after it
    greeted   the handshake is done; still a stranger's, counted with its address (of IPv6 its /64)
    known     a request of a known person or a node was let through: counted with that person, never against strangers

Of one address strangers get `limits.connections_of_one` places, of all addresses `limits.connections`; when these are
taken, the oldest gives way to the newest. An address from which another node has come has a quarter of all places kept
free of that rule, so that a flood from elsewhere, or from behind the same router, does not cut nodes off.
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import os
import socket
import ssl
import time
from collections import Counter, OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tercet.errors import ConfigError
from tercet.node.parts import NodeIdentity
from tercet.transport.identity import tls_context

_BACKLOG = 256
_AGAIN_S = 0.1


def bind(host: str, port: int, *, patience_s: float = 0.0) -> socket.socket:
    """A listening socket. Raises ConfigError if the address is not free within `patience_s` seconds.

    The workers of a node that was killed live on for a moment, and hold the ports of its lanes.
    """
    deadline = time.monotonic() + patience_s
    while True:
        try:
            return _bound(host, port)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() >= deadline:
                raise ConfigError(
                    f"cannot listen at {host}:{port}: {error.strerror}", hint="is another node running there?"
                ) from None
        time.sleep(_AGAIN_S)


def _bound(host: str, port: int) -> socket.socket:
    family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.listen(_BACKLOG)
    except OSError:
        bound.close()
        raise
    return bound


def server_context(identity: NodeIdentity) -> ssl.SSLContext:
    """TLS 1.3 with the node's certificate; a caller that shows one must be another node of the federation."""
    others = [entry.card.certificate for entry in identity.federation.nodes if entry.name != identity.name]
    context = tls_context(identity.member.identity, others, server=True)
    # people have no certificate to show: they sign each request
    context.verify_mode = ssl.CERT_OPTIONAL
    return context


HANDSHAKE_S = 5.0
_AT_ONCE = 64
_ADDRESSES = 64
"""How many addresses of nodes are remembered, newest first; a node has one or a few."""

_EVICTED = "-"
"""The owner of a place whose connection was closed for another, until asyncio has noticed."""

Address = tuple[str, int]


@dataclass
class _Place:
    """One open connection."""

    guest: socket.socket
    home: str
    timer: asyncio.TimerHandle | None = None
    who: str = ""
    """The known person, or node; empty for strangers."""


class Doors:
    """The open connections of one node, for `Door`, protocol and gate; used by the event loop's thread alone."""

    def __init__(self, most: int, most_of_one: int, handshake_s: float = HANDSHAKE_S) -> None:
        self._most = most
        self._most_of_one = most_of_one
        self._handshake_s = handshake_s
        self._kept = max(1, most // 4)
        self._places: OrderedDict[Address, _Place] = OrderedDict()
        self._strangers: Counter[str] = Counter()
        self._known: Counter[str] = Counter()
        self._homes_of_nodes: OrderedDict[str, None] = OrderedDict()
        self.turned_away = 0

    def __len__(self) -> int:
        return len(self._places)

    def open(self, guest: socket.socket, address: Address) -> bool:
        """Count a new connection; False if there is no place for it, and it is to be closed."""
        home = home_of(address[0])
        most = self._most_of_one + (self._kept if home in self._homes_of_nodes else 0)
        if self._strangers[home] >= most:
            self.turned_away += 1
            return False
        if self._strangers.total() >= self._most and not self._make_room():
            self.turned_away += 1
            return False
        timer = asyncio.get_running_loop().call_later(self._handshake_s, self._too_slow, address)
        self._places[address] = _Place(guest, home, timer)
        self._strangers[home] += 1
        return True

    def _make_room(self) -> bool:
        """Close the oldest connection of a stranger, but none from an address of nodes."""
        for place in self._places.values():
            if not place.who and place.home not in self._homes_of_nodes:
                self.turned_away += 1
                _hang_up(place.guest)
                self._end_stranger(place)
                place.who = _EVICTED
                return True
        return False

    def greeted(self, address: Address) -> None:
        """Note that the handshake is done; from now on the protocol limits how long a request may take."""
        place = self._places.get(address)
        if place is not None and place.timer is not None:
            place.timer.cancel()
            place.timer = None

    def known(self, address: Address, who: str, *, node: bool = False) -> bool:
        """Note that a request was let through; False if that person has as many connections as one may have."""
        place = self._places.get(address)
        if place is None or place.who in (who, _EVICTED):
            return True
        if place.who:
            self._known[place.who] -= 1
        else:
            self._end_stranger(place)
        place.who = who
        self._known[who] += 1
        if node:
            self._homes_of_nodes[place.home] = None
            self._homes_of_nodes.move_to_end(place.home)
            if len(self._homes_of_nodes) > _ADDRESSES:
                self._homes_of_nodes.popitem(last=False)
            return True
        return self._known[who] <= self._most_of_one

    def left(self, address: Address, guest: socket.socket) -> None:
        """Note that the connection is closed."""
        place = self._places.get(address)
        if place is None or place.guest is not guest:
            return
        del self._places[address]
        if place.timer is not None:
            place.timer.cancel()
        if not place.who:
            self._end_stranger(place)
        elif place.who in self._known:
            self._known[place.who] -= 1
            if not self._known[place.who]:
                del self._known[place.who]

    def _end_stranger(self, place: _Place) -> None:
        self._strangers[place.home] -= 1
        if self._strangers[place.home] <= 0:
            del self._strangers[place.home]

    def _too_slow(self, address: Address) -> None:
        place = self._places.get(address)
        if place is not None:
            place.timer = None
            self.turned_away += 1
            _hang_up(place.guest)


class Door(socket.socket):
    """A listening socket that accepts only connections for which `Doors` has a place; asyncio uses it as any other."""

    doors: Doors

    @classmethod
    def of(cls, listener: socket.socket, doors: Doors) -> Door:
        """A socket that listens where `listener` does; the listener stays the caller's."""
        door = cls(listener.family, listener.type, listener.proto, fileno=os.dup(listener.fileno()))
        door.setblocking(False)
        door.doors = doors
        return door

    def accept(self) -> tuple[socket.socket, Any]:
        """As `socket.accept`, without those that get no place. Raises BlockingIOError when nobody waits, or after many
        that got none: the loop has other things to do, and comes again."""
        for _ in range(_AT_ONCE):
            connection, address = super().accept()
            guest = _Guest(connection.family, connection.type, connection.proto, fileno=connection.detach())
            # asyncio does so only at sockets made with the protocol's number: without it the second half of an
            # answer waits 40 ms for the acknowledgement of the first
            guest.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            guest.place = self.doors, (str(address[0]), int(address[1]))
            if self.doors.open(guest, guest.place[1]):
                return guest, address
            guest.place = None
            guest.close()
        raise BlockingIOError


class _Guest(socket.socket):
    """A connection that gives its place back when it is closed, by whomever."""

    place: tuple[Doors, Address] | None = None

    def close(self) -> None:
        place, self.place = self.place, None
        if place is not None:
            place[0].left(place[1], self)
        super().close()


def home_of(host: str) -> str:
    """What counts as one address: an IPv4 address, or the /64 of an IPv6 address, which one customer has wholly."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


def _hang_up(guest: socket.socket) -> None:
    # asyncio owns the socket, sees its end and closes it
    with suppress(OSError):
        guest.shutdown(socket.SHUT_RDWR)


HEAD_BYTES = 32 << 10
HEAD_S = 10.0
PEER_CERTIFICATE = "tercet_peer_certificate"


class NodeProtocol(HttpToolsProtocol):
    """Adds the client's TLS certificate to each request's state; closes connections with long or slow heads.

    httptools does not limit the size of a head, and uvicorn does not limit the time.
    """

    _head_timer: asyncio.TimerHandle | None = None
    _head_bytes = 0
    _in_head = True
    _peer: bytes | None = None
    doors: Doors | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        tls = transport.get_extra_info("ssl_object")
        self._peer = tls.getpeercert(True) if tls is not None else None
        if self.doors is not None and self.client is not None:
            self.doors.greeted(self.client)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_timer()
        super().connection_lost(exc)

    def _await_head(self) -> None:
        self._forget_timer()
        self._in_head = True
        self._head_timer = self.loop.call_later(HEAD_S, self._too_slow)

    def _forget_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _too_slow(self) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.close()

    def data_received(self, data: bytes) -> None:
        if self._in_head:
            if self._head_timer is None:
                self._await_head()
            self._head_bytes += len(data)
        super().data_received(data)
        # the count may include the first bytes of the body: it is compared only while the head is incomplete
        if self._in_head and self._head_bytes > HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response("Request head too long.")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["state"][PEER_CERTIFICATE] = self._peer

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._head_bytes = 0
        self._forget_timer()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._in_head = True


def protocol_of(doors: Doors) -> type[NodeProtocol]:
    """The protocol class for a node with these connection limits; the daemon gives it to uvicorn."""
    return type("DoorProtocol", (NodeProtocol,), {"doors": doors})
