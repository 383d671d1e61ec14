"""What protocol code works with at one party: roles, typed statements to the other parties, and random streams.

A protocol is a generator: it sends statements, and yields where it waits. `yield step.receive(...)` is resumed with the
arrays received, and `yield (request, request)` with those of both; `yield Together(...)` runs several protocols side by
side, so that their rounds coincide, and is resumed with the list of their results. The body in between is plain
algebra.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from enum import IntEnum
from operator import xor
from typing import Any, Protocol, TypeAlias, TypeVar

from tercet.protocols.message import Fields, Layout
from tercet.protocols.transcript import Statement
from tercet.ring import RING64, Array, Bits, Bytes, Ring, bytes_view, empty_bits, empty_bytes
from tercet.sharing import ALL, AROUND, BitShare, Party, Purpose, Share, Streams

T = TypeVar("T")
Body: TypeAlias = Generator[Any, Any, T]

_FORK_BITS = (16, 8, 8)
_ALIGNMENT = 16
_MARK = Fields(8, 1)


class ProtocolRole(IntEnum):
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


_ROLES = tuple(ProtocolRole)


class Outbox(Protocol):
    """Where messages go: one job's channel of the transport."""

    def send(
        self, to: Party, operation: int, step: int, payload: Bytes | list[Bytes], depth: int, statement: Statement
    ) -> None: ...

    def said(self, statement: Statement, to: Party | None, operation: int, step: int, nbytes: int) -> None:
        """Take note of what is not sent through here: what somebody outside gets (`to` None) or has given."""
        ...

    def name_of(self, party: Party) -> str:
        """What the texts of errors call a party."""
        ...


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
        scope, layouts, into = self.scope, self.layouts, self.into
        if depth > scope.depth:
            scope.depth = depth
        if into is not None and payload is not into:
            into[:] = payload
            payload = into
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


class Alone:
    """What an operation that neither sends nor draws knows of its place: the party. One serves a whole job."""

    __slots__ = ("party",)

    def __init__(self, party: Party) -> None:
        self.party = party

    def __repr__(self) -> str:
        return f"Alone(party={int(self.party)})"


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
        return self.role is not ProtocolRole.D

    def component(self, pair: Pair) -> Party:
        return self._around[pair]

    def step(self, name: str) -> Step:
        self._steps += 1
        self.trail.append(name)
        return Step(self, self._steps)

    def input(self, value: T) -> T:
        """Take note of an array that comes from outside the job: the statement of its owner, heard by this party."""
        nbytes = sum(part.nbytes for part in (value.own, value.next)) if isinstance(value, Share | BitShare) else 0
        self.outbox.said(Statement.INPUT, None, self.instance, 0, nbytes)
        return value

    def name_of(self, party: Party) -> str:
        """What errors call a party."""
        return self.outbox.name_of(party)

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

    # ---- what a party says: every message is one of these statements, and nothing else is sent ----

    def product(self, to: ProtocolRole, layout: Layout, part: Array) -> None:
        """Send this party's part of a bilinear form of what it holds, plus a draw that the receiver lacks."""
        self._tell(Statement.PRODUCT, self.scope._around[to], layout, part)

    def product_around(self, layout: Layout, part: Array) -> Receive:
        """`product` in its symmetric form: to prev, under a sharing of zero; and the request for what next sends."""
        return self._around(Statement.PRODUCT, layout, part)

    def deal(self, to: ProtocolRole, *parts: tuple[Layout, Array]) -> None:
        """Send values that this party knows, each less a draw that it shares with the third party.

        The receiver and the third party hold a sharing of them afterwards.
        """
        self._send(Statement.DEAL, self.scope._around[to], parts)

    def cross_term(self, to: ProtocolRole, layout: Layout, part: Array) -> None:
        """Send this party's part of a sum of terms, less a draw that it shares with the dealer.

        Each term is a factor that sender and receiver know, times a value that the dealer has dealt to them.
        """
        self._tell(Statement.CROSS_TERM, self.scope._around[to], layout, part)

    def reshare(self, layout: Layout, own: Array) -> Receive:
        """Send this party's new component to prev: its summand of a value plus its part of a fresh sharing of zero.

        Gives the request for the component that next sends.
        """
        return self._around(Statement.RESHARE, layout, own)

    def open_to_party(self, to: ProtocolRole, layout: Layout, masked: Array) -> None:
        """Send a part of a value that the receiver may see, because draws that it lacks hide the secret in it."""
        self._tell(Statement.OPEN_TO_PARTY, self.scope._around[to], layout, masked)

    def open(self, layout: Layout, own: Array, following: Array) -> tuple[Receive, Receive]:
        """Make a value plain to all three parties: send each of the others the component that it lacks.

        Gives the requests for this party's missing component, from both of its holders: prev and next.
        """
        party = self.scope.party
        self._tell(Statement.OPEN, party.next, layout, own)
        self._tell(Statement.OPEN, party.prev, layout, following)
        return self._expect(party.prev, layout), self._expect(party.next, layout)

    def open_once(self, layout: Layout, own: Array) -> Receive:
        """As `open`, but each component is sent by one of its two holders only: to next, which lacks it.

        Gives the request for this party's missing component, from prev.
        """
        party = self.scope.party
        self._tell(Statement.OPEN, party.next, layout, own)
        return self._expect(party.prev, layout)

    def open_half(self, other: ProtocolRole, layout: Layout, half: Array) -> Receive:
        """Make a value plain to this party and another one, which have a part each: send this one's.

        Gives the request for the other's part.
        """
        to = self.scope._around[other]
        self._tell(Statement.OPEN, to, layout, half)
        return self._expect(to, layout)

    def barrier(self) -> tuple[Receive, Receive]:
        """Tell both others that this party has come here, a byte of zeros each; gives the requests for their word."""
        party, layout = self.scope.party, _MARK
        for other in (party.next, party.prev):
            self._tell(Statement.BARRIER, other, layout, RING64.zeros(1))
        return self._expect(party.next, layout), self._expect(party.prev, layout)

    def reveal(self, message: Bytes) -> Bytes:
        """Take note of a message for a recipient outside the three parties, which the caller delivers."""
        self.scope.outbox.said(Statement.REVEAL, None, self.scope.instance, self.number, message.nbytes)
        return message

    def _around(self, statement: Statement, layout: Layout, array: Array) -> Receive:
        self._tell(statement, self.scope.party.prev, layout, array)
        return Receive(self.scope, self.scope.party.next, self.number, (layout,))

    def _tell(self, statement: Statement, to: Party, layout: Layout, array: Array) -> None:
        """Send a message of one array, which must not be modified afterwards."""
        scope = self.scope
        scope.outbox.send(to, scope.instance, self.number, layout.pack(array), scope.depth + 1, statement)

    def _send(self, statement: Statement, to: Party, parts: tuple[tuple[Layout, Array], ...]) -> None:
        """Send one message of one array or several, which must not be modified afterwards."""
        if len(parts) == 1:
            self._tell(statement, to, *parts[0])
            return
        scope = self.scope
        payload = [layout.pack(array) for layout, array in parts]
        scope.outbox.send(to, scope.instance, self.number, payload, scope.depth + 1, statement)

    def _expect(self, frm: Party, layout: Layout) -> Receive:
        return Receive(self.scope, frm, self.number, (layout,))

    # ---- what a party hears ----

    def receive(self, frm: ProtocolRole, *layouts: Layout) -> Receive:
        scope = self.scope
        return Receive(scope, scope._around[frm], self.number, layouts)

    def receive_into(self, frm: ProtocolRole, layout: Layout, out: Array) -> Receive:
        """As `receive`; the bytes of the message are those of `out`, a flat array, without a copy where possible."""
        scope = self.scope
        return Receive(scope, scope._around[frm], self.number, (layout,), bytes_view(out))

    # ---- what parties draw ----

    def words(self, pair: Pair, ring: Ring, shape: tuple[int, ...], purpose: Purpose) -> Array:
        """Uniform ring words that only the two parties of `pair` can derive."""
        out = ring.empty(shape)
        scope = self.scope
        scope.streams.fill(scope._around[pair], scope.instance, self.number, purpose, bytes_view(out))
        return out

    def fill(self, pair: Pair, out: Array, purpose: Purpose) -> None:
        scope = self.scope
        scope.streams.fill(scope._around[pair], scope.instance, self.number, purpose, bytes_view(out))

    def coin(self, ring: Ring, shape: tuple[int, ...]) -> Array:
        """Uniform ring words that all three parties know, and nobody else: no owner, no analyst."""
        scope, out = self.scope, ring.empty(shape)
        scope.streams.fill(ALL, scope.instance, self.number, Purpose.COIN, bytes_view(out))
        return out

    def draw(self, pair: Pair, layout: Layout, purpose: Purpose) -> Array:
        """Uniform values of a layout that takes any bytes: ring words or fields."""
        packed = empty_bytes(layout.nbytes)
        self.fill(pair, packed, purpose)
        return layout.unpack(packed)

    def planes(self, pair: Pair, shape: tuple[int, ...], purpose: Purpose) -> Bits:
        """Uniform packed bits."""
        out = empty_bits(shape)
        self.fill(pair, out, purpose)
        return out

    def component_bytes(self, component: Party, nbytes: int, purpose: Purpose) -> Bytes:
        """Uniform bytes that only the two holders of a component can derive; this party is one of them."""
        out = empty_bytes(nbytes)
        self.scope.streams.fill(component, self.scope.instance, self.number, purpose, out)
        return out

    def zero_bits(self, shape: tuple[int, ...]) -> Bits:
        """This party's part of an XOR sharing of zero."""
        return self._zero(empty_bits(shape), empty_bits(shape), xor)

    def zero_words(self, ring: Ring, shape: tuple[int, ...]) -> Array:
        """This party's part of an additive sharing of zero (Cramer-Damgard-Ishai, TCC 2005)."""
        return self._zero(ring.empty(shape), ring.empty(shape), ring.sub)

    def _zero(self, own: Array, following: Array, minus: Any) -> Array:
        scope = self.scope
        for component, out in ((scope.party, own), (scope.party.next, following)):
            scope.streams.fill(component, scope.instance, self.number, Purpose.ZERO, bytes_view(out))
        result: Array = minus(own, following)
        return result
