"""Limits on open connections: few for strangers of each address; known people and nodes are counted apart from them.

A connection is counted once it is accepted, before TLS, so that a silent one costs nothing but its place:

    opened    the handshake has to end within `HANDSHAKE_S`, the first request's head within `protocol.HEAD_S` after it
    greeted   the handshake is done; still a stranger's, counted with its address (of IPv6 its /64)
    known     a request of a known person or a node was let through: counted with that person, never against strangers

Of one address strangers get `limits.connections_of_one` places, of all addresses `limits.connections`; when these are
taken, the oldest gives way to the newest. An address from which another node has come has a quarter of all places kept
free of that rule, so that a flood from elsewhere, or from behind the same router, does not cut nodes off.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
from collections import Counter, OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

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
