"""XT: the cross-term primitive, y = sum_j L_j R_j with L known to A and B and R known to D (protocols page §2.4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from tercet.protocols.cost import Cost
from tercet.protocols.message import Fields, Layout, Words
from tercet.protocols.scope import Body, Pair, ProtocolRole, Scope, Step
from tercet.ring import Array, Ring
from tercet.sharing import Purpose


class Domain(Protocol):
    """Where the terms live: ring words, integers modulo 2^m, or bits under XOR; flat arrays of one length."""

    @property
    def layout(self) -> Layout: ...

    def draw(self, step: Step, pair: Pair, purpose: Purpose) -> Array: ...

    def add(self, a: Array, b: Array) -> Array: ...

    def sub(self, a: Array, b: Array) -> Array: ...

    def mul(self, a: Array, b: Array) -> Array: ...


class WordDomain:
    """Integers modulo 2^64 or 2^128."""

    __slots__ = ("count", "layout", "ring")

    def __init__(self, ring: Ring, count: int) -> None:
        self.ring = ring
        self.count = count
        self.layout: Layout = Words(ring, (count,))

    def draw(self, step: Step, pair: Pair, purpose: Purpose) -> Array:
        return step.words(pair, self.ring, (self.count,), purpose)

    def add(self, a: Array, b: Array) -> Array:
        return self.ring.add(a, b)

    def sub(self, a: Array, b: Array) -> Array:
        return self.ring.sub(a, b)

    def mul(self, a: Array, b: Array) -> Array:
        return self.ring.mul(a, b)


class FieldDomain(WordDomain):
    """Integers modulo 2^m, held as words of the smallest ring that takes them; bits above m are ignored."""

    __slots__ = ("bits",)

    def __init__(self, bits: int, count: int) -> None:
        fields = Fields(bits, count)
        super().__init__(fields.ring, count)
        self.bits = bits
        self.layout = fields

    def draw(self, step: Step, pair: Pair, purpose: Purpose) -> Array:
        return step.fields(pair, self.bits, self.count, self.ring, purpose)


class CrossTerms:
    """One call's terms, as each role sees them.

    `left` are L_1..L_J at A and B (None at D). `right` are, at D, the R_j; at A and B they stand for nothing and are
    None. `free` tells for each j whether R_j is already additively shared between A and B, in which case A passes its
    part x_AD and B its part x_BD in `parts[j]` and D passes nothing: such a term costs no message.
    """

    __slots__ = ("left", "parts", "right")

    def __init__(
        self,
        terms: int,
        *,
        left: Sequence[Array] | None = None,
        right: Sequence[Array | None] | None = None,
        parts: Sequence[Array | None] | None = None,
    ) -> None:
        self.left = left
        self.right = right if right is not None else (None,) * terms
        self.parts = parts if parts is not None else (None,) * terms


class Components:
    """The sharing of y by role: (own, next) components of this party."""

    __slots__ = ("next", "own")

    def __init__(self, own: Array, following: Array) -> None:
        self.own = own
        self.next = following


def cross_terms(
    scope: Scope, domain: Domain, free: Sequence[bool], terms: CrossTerms, *, one_round: bool = False
) -> Body[Components]:
    """A sharing of y = sum_j L_j R_j. Run by all three parties; lengths and domain are public.

    `free[j]`: R_j is already shared between A and B. XT-2: two rounds (only one after the round in which L came into
    being), (F + 2) domain elements in all where F counts the terms that are not free. XT-1: one round, 2F + 2.
    Exact. Semi-honest, one corruption: D receives nothing; A and B see only values masked by fresh draws of a stream
    that they lack. The view test on Z_4 is exhaustive. L must be bit-identical at A and B.
    Source: protocols page §2.4 (own presentation; generalises the three-party OT of ABY3, CCS 2018).
    """
    step = scope.step("cross")
    if scope.role is ProtocolRole.D:
        return _deal(scope, step, domain, free, terms, one_round)
    return (yield from _evaluate(scope, step, domain, free, terms, one_round))


def _deal(
    scope: Scope, step: Step, domain: Domain, free: Sequence[bool], terms: CrossTerms, one_round: bool
) -> Components:
    dealt = [right for right, is_free in zip(terms.right, free, strict=True) if not is_free]
    for target, pair, first in _directions(one_round):
        names = [scope.step("term") for _ in dealt]
        messages = []
        for name, right in zip(names, dealt, strict=True):
            assert right is not None
            messages.append((domain.layout, domain.sub(right, domain.draw(name, pair, first))))
        if messages:
            names[0].deal(target, *messages)
    u_ad = domain.draw(step, Pair.AD, Purpose.OUTPUT)
    u_bd = domain.draw(step, Pair.BD, Purpose.OUTPUT)
    return Components(u_bd, u_ad)


def _directions(one_round: bool) -> list[tuple[ProtocolRole, Pair, Purpose]]:
    """To whom D sends R_j minus which pair's draw: always to B; in one round also, independently, to A."""
    to_b = (ProtocolRole.B, Pair.AD, Purpose.TERM)
    return [to_b, (ProtocolRole.A, Pair.BD, Purpose.TERM_B)] if one_round else [to_b]


def _evaluate(
    scope: Scope, step: Step, domain: Domain, free: Sequence[bool], terms: CrossTerms, one_round: bool
) -> Body[Components]:
    assert terms.left is not None
    is_a = scope.role is ProtocolRole.A
    dealt = sum(not is_free for is_free in free)
    drawn: list[Array] = []
    requests = []
    for target, pair, purpose in _directions(one_round):
        names = [scope.step("term") for _ in range(dealt)]
        if target is not scope.role:
            drawn = [domain.draw(name, pair, purpose) for name in names]
        elif names:
            requests.append(names[0].receive(ProtocolRole.D, *[domain.layout] * dealt))

    def dot(parts: Sequence[Array]) -> Array:
        given = iter(parts)
        total = None
        for left, own_part, is_free in zip(terms.left or (), terms.parts, free, strict=True):
            part = own_part if is_free else next(given)
            assert part is not None
            product = domain.mul(left, part)
            total = product if total is None else domain.add(total, product)
        assert total is not None
        return total

    def received() -> Body[list[Array]]:
        if not requests:
            return []
        arrays = yield requests[0]
        return [arrays] if dealt == 1 else arrays

    mask = domain.draw(step, Pair.AD if is_a else Pair.BD, Purpose.OUTPUT)
    other = ProtocolRole.B if is_a else ProtocolRole.A
    if is_a or one_round:
        # Here the draws are this party's part of R in the direction away from it, known before any message.
        sent = domain.sub(dot(drawn), mask)
        step.cross_term(other, domain.layout, sent)
        if one_round:
            theirs = yield step.receive(other, domain.layout)
            kept = domain.sub(dot((yield from received())), mask)
            mine = domain.add(theirs, kept)
        else:
            theirs = yield step.receive(other, domain.layout)
            mine = domain.add(theirs, sent)
    else:
        sent = domain.sub(dot((yield from received())), mask)
        step.cross_term(other, domain.layout, sent)
        theirs = yield step.receive(other, domain.layout)
        mine = domain.add(theirs, sent)
    return Components(mask, mine) if is_a else Components(mine, mask)


def cross_cost(layout: Layout, dealt: int, *, one_round: bool) -> Cost:
    """Of `cross_terms` with `dealt` terms that are not free."""
    if one_round:
        return Cost(1, (2 * dealt + 2) * layout.nbytes)
    return Cost(2 if dealt else 1, (dealt + 2) * layout.nbytes)
