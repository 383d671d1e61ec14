"""Every way in which parties see something plain while a job runs: all openings of all protocols are here.

What is opened, and why it says nothing, is listed in docs/security/openings.md. What an analyst gets is another
thing: `reveal`. No other module opens anything (tests/protocols/test_sources.py).
"""

from __future__ import annotations

from tercet.errors import IntegrityError, ProtocolViolation
from tercet.protocols.message import Fields, Layout, Planes
from tercet.protocols.scope import Body, ProtocolRole, Scope, Step
from tercet.ring import Array, Flags, Places, cleared, equal, flat_orders, unpack_bits
from tercet.sharing import BitShare, Share


def open_shuffled(scope: Scope, layout: Fields, places: Share, lines: int) -> Body[Places]:
    """Make plain the places within lines that a shuffled column of residues holds, which are those of a permutation.

    Run by all three parties. One round; layout.bits bits a party and element. Safe only behind a shuffle that is used
    for nothing else in plain, of places that are a permutation by the way they were made: docs/security/shuffles.md.
    IntegrityError if they are none, which means that a party is faulty.
    """
    step = scope.step("places")
    ring = layout.ring
    theirs = yield step.open_once(layout, places.own)
    total = ring.add(ring.add(places.own, places.next), theirs)
    return _order(ring.low(total, layout.bits, out=total), lines)


def open_halves(scope: Scope, layout: Fields, half: Array | None, lines: int) -> Body[Places | None]:
    """As `open_shuffled`, of places in halves of B and D, and plain to these two alone: A, which has none, gets None.

    Run by all three parties. One round; layout.bits bits from B and from D.
    """
    step = scope.step("places")
    if half is None:
        return None
    theirs = yield step.open_half(ProtocolRole.B if scope.role is ProtocolRole.D else ProtocolRole.D, layout, half)
    total = layout.ring.add(half, theirs, out=theirs)
    return _order(layout.ring.low(total, layout.bits, out=total), lines)


def _order(places: Array, lines: int) -> Places:
    order = flat_orders(places, lines)
    if order is None:
        raise IntegrityError("what was opened is no permutation", hint="one of the parties is faulty")
    return order


def open_bits(scope: Scope, bits: BitShare) -> Body[Flags]:
    """Make plain flat bits of a fresh sharing that follow from public facts unless somebody is to blame.

    Run by all three parties. One round, two bits a party and bit. Both holders of the component that a party lacks send
    it: ProtocolViolation, naming both, if they differ.
    """
    step, layout = scope.step("open"), Planes((), bits.count)
    own, following = cleared(bits.own, bits.count), cleared(bits.next, bits.count)
    # party i lacks component i - 1: its owner, the party before, has it as own, the party after as next
    from_owner, from_other = yield step.open(layout, own, following)
    if not equal(from_owner, from_other):
        one, other = (scope.name_of(party) for party in (scope.party.prev, scope.party.next))
        raise ProtocolViolation(
            f"{one} and {other} hold different copies of an opened bit",
            hint="one of them is faulty or lying; nothing became visible",
        )
    return unpack_bits(own ^ following ^ from_owner, bits.count)


def send_masked(step: Step, to: ProtocolRole, layout: Layout, masked: Array) -> None:
    """Send a part of a value that the receiver puts together, and may see because draws that it lacks hide what is
    secret in it. Called by the two other parties; the receiver waits one round for both parts."""
    step.open_to_party(to, layout, masked)
