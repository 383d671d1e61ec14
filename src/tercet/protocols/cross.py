"""XT: the cross-term primitive, y = sum_j L_j R_j with L known to A and B and R known to D (protocols page §2.4)."""

from __future__ import annotations

from collections.abc import Sequence

from tercet.protocols.cost import Cost
from tercet.protocols.message import Fields, Layout, Words
from tercet.protocols.scope import Body, Pair, ProtocolRole, Scope, Step
from tercet.ring import Array
from tercet.sharing import Purpose, Share


def cross_terms(
    scope: Scope, layout: Words | Fields, terms: Sequence[Array], local: Array | None = None, *, one_round: bool = False
) -> Body[Share]:
    """A sharing of y = sum_j L_j R_j. Run by all three parties; lengths are public.

    Terms are flat arrays of one length that live where `layout` says: ring words, or integers modulo 2^m, held as words
    of a ring, of which bits above m are ignored. `terms` are the L_j at A and B, the R_j at D. `local`: at A and B this
    party's part of what is added to y, such as L times a value that is already shared between A and B; no message.
    XT-2: two rounds (only one after the round in which L came into being), J + 2 elements in all for J terms. XT-1: one
    round, 2 J + 2.
    Exact. Semi-honest, one corruption: D receives nothing; A and B see only values masked by fresh draws of a stream
    that they lack. The view test on Z_4 is exhaustive. L must be bit-identical at A and B.
    Source: protocols page §2.4 (own presentation; generalises the three-party OT of ABY3, CCS 2018).
    """
    step = scope.step("cross")
    if scope.role is ProtocolRole.D:
        return _deal(scope, step, layout, terms, one_round)
    return (yield from _evaluate(scope, step, layout, terms, local, one_round))


def _deal(scope: Scope, step: Step, layout: Words | Fields, terms: Sequence[Array], one_round: bool) -> Share:
    for target, pair, purpose in _directions(one_round):
        names = [scope.step("term") for _ in terms]
        drawn = [name.draw(pair, layout, purpose) for name in names]
        if names:
            masked = map(layout.ring.sub, terms, drawn)
            names[0].deal(target, *((layout, each) for each in masked))
    u_ad = step.draw(Pair.AD, layout, Purpose.OUTPUT)
    return Share(layout.ring, step.draw(Pair.BD, layout, Purpose.OUTPUT), u_ad)


def _directions(one_round: bool) -> list[tuple[ProtocolRole, Pair, Purpose]]:
    """To whom D sends R_j minus which pair's draw: always to B; in one round also, independently, to A."""
    to_b = (ProtocolRole.B, Pair.AD, Purpose.TERM)
    return [to_b, (ProtocolRole.A, Pair.BD, Purpose.TERM_B)] if one_round else [to_b]


def _evaluate(
    scope: Scope, step: Step, layout: Words | Fields, terms: Sequence[Array], local: Array | None, one_round: bool
) -> Body[Share]:
    is_a = scope.role is ProtocolRole.A
    drawn: list[Array] = []
    requests = []
    for target, pair, purpose in _directions(one_round):
        names = [scope.step("term") for _ in terms]
        if target is not scope.role:
            drawn = [name.draw(pair, layout, purpose) for name in names]
        elif names:
            requests.append(names[0].receive(ProtocolRole.D, *[layout] * len(names)))
    mask = step.draw(Pair.AD if is_a else Pair.BD, layout, Purpose.OUTPUT)

    def masked(parts: Sequence[Array]) -> Array:
        total = local
        for left, part in zip(terms, parts, strict=True):
            product = layout.ring.mul(left, part)
            total = product if total is None else layout.ring.add(total, product)
        assert total is not None
        return layout.ring.sub(total, mask)

    def received() -> Body[list[Array]]:
        if not requests:
            return []
        arrays = yield requests[0]
        return [arrays] if len(terms) == 1 else arrays

    other = ProtocolRole.B if is_a else ProtocolRole.A
    # A's draws, and in one round both parties', are their part of R in the direction away from them: known at once
    sent = masked(drawn) if is_a or one_round else masked((yield from received()))
    step.cross_term(other, layout, sent)
    theirs = yield step.receive(other, layout)
    mine = layout.ring.add(theirs, masked((yield from received())) if one_round else sent)
    return Share(layout.ring, mask, mine) if is_a else Share(layout.ring, mine, mask)


def cross_cost(layout: Layout, dealt: int, *, one_round: bool) -> Cost:
    """Of `cross_terms` with `dealt` terms."""
    if one_round:
        return Cost(1, (2 * dealt + 2) * layout.nbytes)
    return Cost(2 if dealt else 1, (dealt + 2) * layout.nbytes)
