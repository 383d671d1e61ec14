"""The view that protocol code has of its party: roles, addressed messages and addressed streams.

A protocol is a generator: it sends, and it yields where it waits. `yield step.receive(...)` is resumed with the
arrays received, and `yield (request, request)` with those of both; `yield Together(...)` runs several protocols side by
side, so that their rounds coincide, and is resumed with the list of their results. The body in between is plain
algebra.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from enum import IntEnum
from typing import Any, Protocol, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from tercet.protocols.message import Bytes, Layout
from tercet.ring import Ring, unpack_fields
from tercet.sharing import Party, Purpose, Streams
from tercet.sharing.party import AROUND

T = TypeVar("T")
Body: TypeAlias = Generator[Any, Any, T]

_FORK_BITS = (16, 8, 8)
_ALIGNMENT = 16


class Role(IntEnum):
    """Of one protocol instance (protocols page, §1.2): the solo party D and the pair A = next(D), B = prev(D).

    The value is how far the party is from D, going next.
    """

    D = 0
    A = 1
    B = 2


class Pair(IntEnum):
    """Two parties by role; names the component, and the stream, that the two know and the third does not.

    The value is how far the component is from component D, going next.
    """

    BD = 0
    AD = 1
    AB = 2


_ROLES = tuple(Role)


class Outbox(Protocol):
    """Where messages go: one job's channel of the transport."""

    def send(self, to: Party, operation: int, step: int, payload: Bytes | list[Bytes], depth: int) -> None: ...


class Receive:
    """A request to the scheduler: resume me with the message of this address; used once.

    With `into`, flat bytes, it may be received right there; its array is what comes out in either case.
    """

    __slots__ = ("frm", "into", "layouts", "nbytes", "place", "scope", "step")

    def __init__(
        self, scope: Scope, frm: Party, step: int, layouts: tuple[Layout, ...], into: Bytes | None = None
    ) -> None:
        self.scope = scope
        self.frm = frm
        self.step = step
        self.layouts = layouts
        self.nbytes = layouts[0].nbytes if len(layouts) == 1 else sum([layout.nbytes for layout in layouts])
        self.into = into
        self.place = 0

    def open(self, payload: Bytes, depth: int) -> Any:
        """Take note of the message's depth; give the one array, or the list of arrays, that the payload holds."""
        scope, layouts = self.scope, self.layouts
        if depth > scope.depth:
            scope.depth = depth
        if self.into is not None and payload is not self.into:
            self.into[:] = payload
            payload = self.into
        if len(layouts) == 1:
            return layouts[0].unpack(payload)
        arrays, start = [], 0
        for layout in layouts:
            part = payload[start : start + layout.nbytes]
            arrays.append(layout.unpack(part if start % _ALIGNMENT == 0 else part.copy()))
            start += layout.nbytes
        return arrays


class Together:
    """A request to the scheduler: run these side by side, at most `window` at a time, resume me with their results."""

    __slots__ = ("bodies", "window")

    def __init__(self, bodies: Iterable[Body[Any]], window: int = 1 << 30) -> None:
        self.bodies = bodies
        self.window = window


class Scope:
    """One operation's, or one part of an operation's, place in a job at one party.

    The engine makes the root scope of every operation from an instance number that all three parties agree on;
    `fork` numbers the parts that run side by side. Steps are numbered in program order within a scope, which is the
    same at all parties because a scope is used by one generator only.
    """

    __slots__ = (
        "_around",
        "_forked",
        "_level",
        "_steps",
        "balance",
        "depth",
        "instance",
        "outbox",
        "party",
        "role",
        "solo",
        "streams",
        "threads",
        "trail",
    )

    def __init__(
        self,
        party: Party,
        streams: Streams,
        outbox: Outbox,
        instance: int,
        *,
        solo: Party,
        level: int = 0,
        threads: int = 1,
        balance: bool = True,
    ) -> None:
        """`balance`: whether small arrays are cut, too, so that all parties carry the same load; alike at all three."""
        self.threads = threads
        self.balance = balance
        self.party = party
        self.streams = streams
        self.outbox = outbox
        self.instance = instance
        self.solo = solo
        self._around = around = AROUND[solo]
        self.role = _ROLES[around.index(party)]
        self.depth = 0
        self.trail: list[str] = []
        self._steps = 0
        self._level = level
        self._forked = 0

    def __repr__(self) -> str:
        return f"Scope(party={int(self.party)}, instance={self.instance:#x}, solo={int(self.solo)})"

    @property
    def in_pair(self) -> bool:
        return self.role is not Role.D

    def component(self, pair: Pair) -> Party:
        return self._around[pair]

    def step(self, name: str) -> Step:
        self._steps += 1
        self.trail.append(name)
        return Step(self, self._steps)

    def fork(self, count: int, *, rotate: bool = False) -> list[Scope]:
        """Scopes for `count` parts that run side by side; `rotate` gives each part another solo party (§1.5)."""
        if self._level >= len(_FORK_BITS):
            raise ValueError("scopes are nested too deeply")
        first = self._forked + 1
        self._forked += count
        if self._forked >> _FORK_BITS[self._level]:
            raise ValueError(f"too many parts in one operation: {self._forked}")
        shift = sum(_FORK_BITS[self._level + 1 :])
        parts = []
        for index in range(first, first + count):
            solo = self._around[(index - 1) % 3] if rotate else self.solo
            part = Scope(
                self.party,
                self.streams,
                self.outbox,
                self.instance | index << shift,
                solo=solo,
                level=self._level + 1,
                threads=self.threads,
                balance=self.balance,
            )
            part.depth = self.depth
            part.trail = [*self.trail, f"part {index}"]
            parts.append(part)
        return parts

    def join(self, parts: Iterable[Scope]) -> None:
        """Take over the causal depth of parts that have ended."""
        for part in parts:
            self.depth = max(self.depth, part.depth)


class Step:
    """One step of a scope: the address of its messages (one a direction) and of its draws (one a pair and purpose)."""

    __slots__ = ("number", "scope")

    def __init__(self, scope: Scope, number: int) -> None:
        self.scope = scope
        self.number = number

    def send(self, to: Role, *parts: tuple[Layout, NDArray[Any]]) -> None:
        """Send one message; it must not be modified afterwards."""
        scope = self.scope
        payload: Bytes | list[Bytes]
        if len(parts) == 1:
            layout, array = parts[0]
            payload = layout.pack(array)
        else:
            payload = [layout.pack(array) for layout, array in parts]
        scope.outbox.send(scope._around[to], scope.instance, self.number, payload, scope.depth + 1)

    def receive(self, frm: Role, *layouts: Layout) -> Receive:
        scope = self.scope
        return Receive(scope, scope._around[frm], self.number, layouts)

    def receive_into(self, frm: Role, layout: Layout, out: NDArray[Any]) -> Receive:
        """As `receive`; the bytes of the message are those of `out`, a flat array, without a copy where possible."""
        scope = self.scope
        return Receive(scope, scope._around[frm], self.number, (layout,), out.view(np.uint8))

    def pass_to_prev(self, layout: Layout, array: NDArray[Any]) -> Receive:
        """Send to prev, and the request for what next sends here: the ring-wise exchange of symmetric protocols."""
        scope = self.scope
        scope.outbox.send(scope.party.prev, scope.instance, self.number, layout.pack(array), scope.depth + 1)
        return Receive(scope, scope.party.next, self.number, (layout,))

    def words(self, pair: Pair, ring: Ring, shape: tuple[int, ...], purpose: Purpose) -> NDArray[Any]:
        """Uniform ring words that only the two parties of `pair` can derive."""
        out = np.empty(shape, ring.dtype)
        self.fill(pair, out, purpose)
        return out

    def fill(self, pair: Pair, out: NDArray[Any], purpose: Purpose) -> None:
        scope = self.scope
        flat = out if out.ndim == 1 else out.reshape(-1)
        scope.streams.fill(scope._around[pair], scope.instance, self.number, purpose, flat.view(np.uint8))

    def fields(self, pair: Pair, bits: int, count: int, ring: Ring, purpose: Purpose) -> NDArray[Any]:
        """Uniform values modulo 2^bits."""
        packed = np.empty((bits * count + 7) // 8, np.uint8)
        self.fill(pair, packed, purpose)
        return unpack_fields(packed, bits, count, ring)

    def planes(self, pair: Pair, shape: tuple[int, ...], purpose: Purpose) -> NDArray[np.uint64]:
        """Uniform packed bits."""
        out = np.empty(shape, np.uint64)
        self.fill(pair, out, purpose)
        return out

    def zero_bits(self, shape: tuple[int, ...]) -> NDArray[np.uint64]:
        """This party's part of an XOR sharing of zero."""
        return self._zero(np.empty(shape, np.uint64), np.empty(shape, np.uint64), np.bitwise_xor)

    def zero_words(self, ring: Ring, shape: tuple[int, ...]) -> NDArray[Any]:
        """This party's part of an additive sharing of zero (Cramer-Damgard-Ishai, TCC 2005)."""
        return self._zero(np.empty(shape, ring.dtype), np.empty(shape, ring.dtype), ring.sub)

    def _zero(self, own: NDArray[Any], following: NDArray[Any], minus: Any) -> NDArray[Any]:
        scope = self.scope
        for component, out in ((scope.party, own), (scope.party.next, following)):
            scope.streams.fill(component, scope.instance, self.number, Purpose.ZERO, out.reshape(-1).view(np.uint8))
        result: NDArray[Any] = minus(own, following)
        return result
