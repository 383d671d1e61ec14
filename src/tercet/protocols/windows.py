"""Piecewise polynomials: in which piece x lies stays shared, and chooses the coefficients as sums of bits.

x is compared with every break; the bits give, as sums with public coefficients, where the piece begins and its
polynomial. Of one piece the polynomial is public (`polynomial`), of lines only a product is taken, else t in [-1, 1]
over the piece and a sum of products with T_1, T_2 ..: one exchange.

Security: semi-honest, one corruption; comparisons (`compare`) and what `polynomial` sends, by `working.Parties`.
Source: own.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from tercet.protocols.bit_sums import BitSum
from tercet.protocols.functions import PRECISIONS, Precision
from tercet.protocols.polynomial import blocks, chebyshev, terms, used
from tercet.protocols.scope import Body
from tercet.protocols.working import Arithmetic

Table = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class PieceShape:
    """The public numbers of a piecewise polynomial of stored integers in [ends[0], ends[-1]].

    `table`: for each piece the coefficients of T_0, T_1 .. over it, times 2^out_bits. `factors`: what brings the
    distance from a piece's start to 2^(scale + 1 + drop), or of lines to the slope times 2^drop.
    """

    precision: Precision
    ends: tuple[int, ...]
    table: Table
    factors: tuple[int, ...]
    drop: int
    out_bits: int

    @property
    def degree(self) -> int:
        return len(self.table[0]) - 1

    @property
    def compared_bits(self) -> int:
        """Of the differences that are compared with 0, their sign included."""
        return (self.ends[-1] - self.ends[0]).bit_length() + 1


def largest(table: Table) -> int:
    """The largest sum of magnitudes of one piece's coefficients."""
    return max(sum(map(abs, row)) for row in table)


def pieces(ends: tuple[int, ...], table: Table, out_bits: int, ring_bits: int) -> PieceShape | None:
    """None if a ring does not take them: neither the coefficients, nor how long pieces are."""
    p = PRECISIONS[ring_bits]
    if out_bits > p.scale:
        return None
    degree = len(table[0]) - 1
    together = used(blocks(table[0])) if len(table) == 1 and degree > 1 else largest(table)
    if max(together, largest(table)) << p.scale >= 1 << p.room - 1:
        return None
    if max(abs(ends[0]), abs(ends[-1]), ends[-1] - ends[0]) >= 1 << p.room - 1:
        return None
    lengths = [after - before for before, after in pairwise(ends)]
    if degree < 2:
        # of a constant piece nothing is multiplied, however long it is
        slopes = [2 * row[1] if degree else 0 for row in table]
        drop = max([length.bit_length() + 1 for length, slope in zip(lengths, slopes, strict=True) if slope] or [1])
        if (2 * largest(table) << drop) >= 1 << p.room or drop > p.ring.bits - 3:
            return None
        factors = [(slope << drop) // length for length, slope in zip(lengths, slopes, strict=True)]
        return PieceShape(p, ends, table, tuple(factors), drop, out_bits)
    drop = p.room - p.scale - 3
    if max(lengths).bit_length() > drop:
        return None
    factors = [(1 << p.scale + 1 + drop) // length for length in lengths]
    return PieceShape(p, ends, table, tuple(factors), drop, out_bits)


def choice(values: list[int]) -> BitSum:
    """The value of a piece, by the bits [x < break] of every break: all 1 in the first piece, all 0 in the last."""
    return values[-1], [values[k] - values[k + 1] for k in range(len(values) - 1)]


def piecewise(a: Arithmetic, x: Any, s: PieceShape) -> Body[Any]:
    """The polynomial of x's piece by the public numbers of `pieces`. Error: see `plan.table.ops_pieces`."""
    p, breaks = s.precision, s.ends[1:-1]
    if not breaks:
        t = yield from _over_piece(a, a.sum([(x, 1)], -s.ends[0]), s.factors[0], s)
        return (yield from chebyshev(a, t, s.table[0], p.scale, p.scale))
    signs = yield from a.together([_sign(a.sum([(x, 1)], -at), s.compared_bits) for at in breaks])
    bits = a.stacked(signs)
    columns = [list(column) for column in zip(*s.table, strict=True)]
    if s.degree == 0:
        (value,) = yield from _chosen(a, bits, [columns[0]], p)
        return value
    starts = list(s.ends[:-1])
    if s.degree == 1:
        first = [row[0] - row[1] for row in s.table]
        start, slope, value = yield from _chosen(a, bits, [starts, list(s.factors), [v << s.drop for v in first]], p)
        return (yield from a.dot([(a.sum([(x, 1), (start, -1)]), slope)], s.drop, plus=value))
    start, factor, *chosen = yield from _chosen(a, bits, [starts, list(s.factors), *columns], p)
    distance = a.sum([(x, 1), (start, -1)])
    t = yield from _over_piece(a, distance, factor, s)
    return (yield from secret_polynomial(a, t, chosen, p))


def secret_polynomial(a: Arithmetic, t: Any, chosen: list[Any], p: Precision) -> Body[Any]:
    """The sum of shared coefficients times T_k(t), at the coefficients' scale."""
    known = yield from terms(a, t, len(chosen) - 1, p.scale)
    pairs = list(zip(known, chosen[1:], strict=True))
    return (yield from a.dot(pairs, p.scale, plus=a.sum([(chosen[0], 1 << p.scale)])))


def _sign(difference: Any, bits: int) -> Any:
    return lambda inner: inner.negative(difference, bits)


def _over_piece(a: Arithmetic, distance: Any, factor: Any, s: PieceShape) -> Body[Any]:
    """t in [-1, 1] over the piece, of the distance from where it starts."""
    if isinstance(factor, int):
        y = yield from a.shifted(a.sum([(distance, factor)]), s.drop)
    else:
        y = yield from a.dot([(distance, factor)], s.drop)
    return a.sum([(y, 1)], -(1 << s.precision.scale))


def _chosen(a: Arithmetic, bits: Any, wanted: list[list[int]], p: Precision) -> Body[list[Any]]:
    """Sums that give the values of x's piece; a bit that none of them takes is left out."""
    sums = [choice(values) for values in wanted]
    taken = [k for k in range(len(sums[0][1])) if any(one[k] for _, one in sums)]
    if not taken:
        raise ValueError("pieces that are all the same")
    kept = [(constant, [one[k] for k in taken]) for constant, one in sums]
    return (yield from a.sums(p.ring, a.rows(bits, taken), kept))
