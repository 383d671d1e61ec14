"""AND of packed bits."""

from __future__ import annotations

import math

from tercet.protocols.cost import Cost
from tercet.protocols.message import Planes
from tercet.protocols.scope import Body, Scope
from tercet.sharing import BitShare


def bit_and(scope: Scope, x: BitShare, y: BitShare) -> Body[BitShare]:
    """x AND y, bit by bit; the leading axes broadcast. Run by all three parties.

    One round, one bit a party and bit of the result. Exact. Semi-honest, one corruption: what is passed to prev is
    masked by a fresh XOR sharing of zero. Source: Araki et al., CCS 2016, in its symmetric form.
    """
    step = scope.step("and")
    mine = (x.own & (y.own ^ y.next)) ^ (x.next & y.own)
    mine ^= step.zero_bits(mine.shape)
    layout = Planes(mine.shape[:-1], x.count)
    theirs = yield step.pass_to_prev(layout, mine)
    return BitShare(x.count, mine, theirs)


def bit_and_cost(lead: tuple[int, ...], count: int) -> Cost:
    return Cost(1, 3 * math.prod(lead) * ((count + 7) // 8))


def bit_xor(x: BitShare, y: BitShare) -> BitShare:
    """x XOR y; local."""
    return BitShare(x.count, x.own ^ y.own, x.next ^ y.next)
