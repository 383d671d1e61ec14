"""Where the leading one of a number is, as bits from which functions of its place are made (`functions`).

The number is never turned into bits; see `normalise`, whose digits these are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tercet.protocols.adder import carries_cost, digit_count, digit_functions_cost
from tercet.protocols.bits import bit_and_cost, prefix_and_cost, prefix_levels
from tercet.protocols.cost import Cost, Depths
from tercet.protocols.message import Planes
from tercet.protocols.normalise import digit_answers, leading_digits, select_answers
from tercet.protocols.scope import Body, Scope
from tercet.ring import Ring
from tercet.sharing import Share

THRESHOLDS = 4


@dataclass(frozen=True)
class Leading:
    """The place 4 g + t of the leading one of x: t in `steps`, g in `zeros`.

    `steps`: rows [digit >= 1], [digit >= 2], [digit >= 4], [digit >= 8] of the leading digit; the first is whether x
    is not 0, the others add up to t. `shifted`: the same rows but the first, 1 - T of what brings x to the top of
    2^bits, where the top digit holds fewer bits than four. `zeros`: for g = 1, 2 .. whether digit g and all above it
    are 0; None if there is one digit only.
    """

    bits: int
    shifted: Any
    steps: Any
    zeros: Any

    @property
    def digits(self) -> int:
        return digit_count(self.bits)

    @property
    def gap(self) -> int:
        """By how many bits the digits are wider than the numbers."""
        return 4 * self.digits - self.bits


def leading_place(scope: Scope, x: Share, bits: int) -> Body[Leading]:
    """The place of the leading one of 0 <= x < 2^bits, 5 <= bits. Run by all three parties; x is one piece.

    Rounds: 2 for the tables of digits, then for m = ceil(bits / 4) digits twice ceil(log2(m - 1)) and two. Exact.
    Semi-honest, one corruption: `adder.digit_functions`, `bits.bit_and`. Source: `normalise`.
    """
    shape = leading_digits(bits, False, True)
    answers, zeros = yield from digit_answers(scope, x, shape)
    chosen = yield from select_answers(scope, answers, zeros, shape, True)
    return Leading(bits, chosen[False][1:], chosen[True], zeros)


def leading_place_cost(ring: Ring, size: int, bits: int, depths: Depths) -> Cost:
    """The bytes of `leading_place`; its rounds are put into `depths`."""
    shape = leading_digits(bits, False, True)
    digits = shape.digits
    depths.cross()
    depths.ring(2 * len(prefix_levels(digits - 1)) + 2)
    total = digit_functions_cost(digits, size, shape.functions)
    total = total + carries_cost(digits - 1, size) + bit_and_cost((THRESHOLDS + 1, digits - 1), size)
    total = total + prefix_and_cost(digits - 1, size)
    tables = 2 if shape.split_selection else 1
    return total + Cost(1, 3 * Planes((tables * THRESHOLDS,), size).nbytes)
