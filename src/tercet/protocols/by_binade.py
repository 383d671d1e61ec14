"""Functions with one polynomial for every power of two: gammaln, digamma, log_ndtr and erfinv.

x is brought to c in [1/2, 1) by its leading one (`functions`); the bits of its place, as one-hots by ANDs, choose the
coefficients as sums, and the power of two that the result is multiplied with. The integers are those of `binades`.

Security: semi-honest, one corruption; what `functions` and `windows` send, by `working.Parties`. Source: own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tercet.protocols.binades import Row, rows
from tercet.protocols.functions import NARROW, PRECISIONS, Placed, mantissa
from tercet.protocols.polynomial import blocks, chebyshev, used
from tercet.protocols.scope import Body
from tercet.protocols.windows import secret_polynomial
from tercet.protocols.working import Arithmetic

BITS = {64: 31, 128: 56}
"""Fractional bits of coefficients."""
MOST_BITS = {64: 24, 128: 44}
"""Fractional bits that a result may have."""
_NARROW_MOST = {"log_ndtr": 20}
"""Where a binade has values much smaller than its largest, fewer."""
_NOTHING: Row = 0, (0,)


@dataclass(frozen=True)
class Binades:
    """The public numbers of one function: rows for places from `first` on, out_bits of the result."""

    placed: Placed
    first: int
    rows: tuple[Row, ...]
    out_bits: int

    @property
    def degree(self) -> int:
        return max(2, *(len(values) - 1 for _, values in self.rows))

    @property
    def columns(self) -> list[list[int]]:
        """Coefficients by degree, of every place."""
        return [[values[k] if k < len(values) else 0 for _, values in self.rows] for k in range(self.degree + 1)]

    @property
    def powers(self) -> list[int]:
        return [1 << exponent for exponent, _ in self.rows]


def row_of(name: str, binade: int, bits: int) -> Row | None:
    """None if there is no polynomial for x of this size. log_ndtr is 0 below all rows, erfinv at 1 - x = 1."""
    known = rows(name, bits)
    if binade in known:
        return known[binade]
    if name == "log_ndtr" and binade < min(known):
        return _NOTHING
    return _NOTHING if name == "erfinv" and binade == 0 else None


def by_binade_shape(name: str, lo: int, hi: int, frac_bits: int, nominal: int, ring_bits: int) -> Binades | None:
    """For stored integers 0 <= lo <= x <= hi with `frac_bits`. None if a ring or the table does not take them."""
    p = PRECISIONS[ring_bits]
    most = _NARROW_MOST.get(name, MOST_BITS[64]) if p is NARROW else MOST_BITS[ring_bits]
    bits = BITS[ring_bits]
    first, last = (max(1, end).bit_length() - 1 for end in (lo, hi))
    if nominal > most or last >= p.ring.bits - 4:
        return None
    found = [row_of(name, place - frac_bits, bits) for place in range(first, last + 1)]
    table = tuple([row for row in found if row is not None])
    if len(table) < len(found) or max(exponent for exponent, _ in table) + bits >= p.room:
        return None
    whole = max(8, -(-(last + 1) // 4) * 4)
    shape = Binades(Placed(p, name, whole, frac_bits, bits), first, table, bits)
    if len(table) == 1:
        coefficients = tuple(column[0] for column in shape.columns)
        if used(blocks(coefficients)) << p.scale >= 1 << p.room:
            return None
    return shape


def by_binade(a: Arithmetic, x: Any, s: Binades) -> Body[Any]:
    """The function by the public numbers of `by_binade_shape`; 0 counts as 1 last bit. Error: 2^(exponent - scale + 4)
    of x's row."""
    p = s.placed.precision
    found = yield from mantissa(a, x, s.placed, [], [])
    columns, powers = s.columns, s.powers
    if len(s.rows) == 1:
        value = yield from chebyshev(a, found.t, tuple(column[0] for column in columns), p.scale, p.scale)
        return a.sum([(value, powers[0])])
    hot = yield from _one_hot(a, found.place, s)
    several = len(set(powers)) > 1
    sums = [_sum_of(values) for values in ([*columns, powers] if several else columns)]
    taken = [k for k in range(len(s.rows) - 1) if any(one[k] for _, one in sums)]
    kept = [(constant, [one[k] for k in taken]) for constant, one in sums]
    chosen = yield from a.sums(p.ring, a.rows(hot, taken), kept)
    value = yield from secret_polynomial(a, found.t, chosen[: len(columns)], p)
    return (yield from a.product(value, chosen[-1])) if several else a.sum([(value, powers[0])])


def _sum_of(values: list[int]) -> tuple[int, list[int]]:
    """The value of a place, by the bits of all places but the first."""
    return values[0], [value - values[0] for value in values[1:]]


def _one_hot(a: Arithmetic, place: Any, s: Binades) -> Body[Any]:
    """Whether the leading one is at each place but the first; 0 has it at place 0."""
    places = range(s.first + 1, s.first + len(s.rows))
    # [digit >= 2], [>= 4], [>= 8] by turns: exactly one of four
    steps = place.steps
    within = a.stacked(
        [
            a.inverse(a.rows(steps, [1])),
            a.differ(a.rows(steps, [1]), a.rows(steps, [2])),
            a.differ(a.rows(steps, [2]), a.rows(steps, [3])),
            a.rows(steps, [3]),
        ]
    )
    digits = s.placed.digits
    if digits == 1:
        return a.rows(within, [at % 4 for at in places])
    # zeros[g - 1] says that digit g and all above it are 0
    zeros = place.zeros
    digit = a.stacked(
        [
            a.rows(zeros, [0]),
            *(a.differ(a.rows(zeros, [g]), a.rows(zeros, [g - 1])) for g in range(1, digits - 1)),
            a.inverse(a.rows(zeros, [digits - 2])),
        ]
    )
    return (yield from a.both(a.rows(digit, [at // 4 for at in places]), a.rows(within, [at % 4 for at in places])))
