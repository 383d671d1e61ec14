"""The places of a digit from one-hot vectors that a party dealt: the fast way to sort by digits."""

from __future__ import annotations

from tercet.protocols.cost import Depths
from tercet.protocols.message import RawBytes
from tercet.protocols.scope import Body, Pair, ProtocolRole, Scope
from tercet.ring import Array, digits_deal, digits_join, digits_table, field_bytes
from tercet.sharing import Purpose


def digit_places(scope: Scope, width: int, w: int, digits: Array, lines: int) -> Body[Array | None]:
    """Where each element of a line goes in a stable order of its digit, modulo 2^w, as halves of A and B; two rounds.

    A digit of `width` bits is c XOR r: `digits` are the c at A and B, the r at D, as words. D deals the one-hot vector
    T of r to A (t, drawn) and B (u = T - t): m = 2^width - 1 entries of w bits. In the order that c makes of them these
    are parts of the one-hot vector of the digit, and their prefix sums parts of s_j, the place of an element whose
    digit is j. With S_k = s_(k XOR c) the place is S_0 + sum over k > 0 of T_k (S_k - S_0). Of these differences A has
    g and B has h: A sends g - x and B sends h - v, with v a draw of B and D, x of A and D, so that A has t (g + h - v),
    B has u (g + h - x), and D has t v + u x, which it deals with T. In all 3 m + 1 words of w bits for each element.
    Exact. Semi-honest, one corruption: D receives nothing; u and what D has are masked for B by draws of A and D; h - v
    is masked for A by a draw of B and D, g - x for B by one of A and D. Not provable: T is dealt.
    Source: own; the dealt table of the three-round comparison (protocols page §5.6) with prefix sums.
    """
    count = digits.size
    table = RawBytes(field_bytes(w, ((1 << width) - 1) * count))
    single = RawBytes(field_bytes(w, count))
    dealt, exchanged = scope.step("table"), scope.step("terms")
    if scope.role is ProtocolRole.D:
        t, mask = dealt.draw(Pair.AD, table, Purpose.TERM), dealt.draw(Pair.AD, single, Purpose.TERM_B)
        x, v = exchanged.draw(Pair.AD, table, Purpose.TERM), exchanged.draw(Pair.BD, table, Purpose.TERM_B)
        u, rest = digits_deal(width, w, digits, t, v, x, mask)
        dealt.deal(ProtocolRole.B, (table, u), (single, rest))
        return None
    is_a = scope.role is ProtocolRole.A
    other = ProtocolRole.B if is_a else ProtocolRole.A
    if is_a:
        entries, rest = dealt.draw(Pair.AD, table, Purpose.TERM), dealt.draw(Pair.AD, single, Purpose.TERM_B)
        hiding = exchanged.draw(Pair.AD, table, Purpose.TERM)
    else:
        hiding = exchanged.draw(Pair.BD, table, Purpose.TERM_B)
        entries, rest = yield dealt.receive(ProtocolRole.D, table, single)
    sent, kept = digits_table(width, w, digits, lines, entries, hiding, one=is_a)
    exchanged.deal(other, (table, sent))
    theirs = yield exchanged.receive(other, table)
    digits_join(width, w, entries, theirs, rest, kept)
    return kept


def digit_places_bytes(width: int, w: int, count: int) -> int:
    return 3 * field_bytes(w, ((1 << width) - 1) * count) + field_bytes(w, count)


def note_digit_places(depths: Depths, d: str, a: str, b: str) -> None:
    """The rounds of `digit_places`, where these letters name its roles in `depths`."""
    depths.say(d + b)
    depths.say(a + b, b + a)
