"""Powers with secret whole exponents, exactly: the exponent's bits choose among squares, or among powers of one number.

Everything is modulo the ring and nothing is rounded, so that it does not matter what a square wraps to that is not
chosen: the result is right wherever it fits itself.

Security: semi-honest, one corruption of three. Nothing is opened; digits of the exponent (`adder`), products and bits
times numbers of `working.Parties`, nothing else. Source: own; squares and products as ever (Knuth, TAOCP 4.6.3).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tercet.protocols.cost import Cost
from tercet.protocols.functions import LOW, PIECE, one_hot
from tercet.protocols.pieces import cost_in_pieces, words_in_pieces
from tercet.protocols.scope import Body, Scope
from tercet.protocols.working import Arithmetic, Counting, Parties
from tercet.ring import Ring
from tercet.sharing import Share


@dataclass(frozen=True)
class WholePower:
    """The public numbers: how many bits the exponent has, and how many fractional ones the base."""

    bits: int
    frac_bits: int

    @property
    def out_bits(self) -> int:
        """Fractional bits of the result: each factor has its own, whether the bit is set or not."""
        return self.frac_bits * ((1 << self.bits) - 1)


def whole_power(a: Arithmetic, x: Any, exponent: Any, s: WholePower) -> Body[Any]:
    """x^e for 0 <= e < 2^bits, as integers with `out_bits` fractional bits; exact, modulo x's ring; x^0 is 1.

    For k bits k - 1 squares, side by side with the exponent's digits, k bits times numbers, k - 1 products in
    ceil(log2 k) rounds.
    """

    def squares(inner: Arithmetic) -> Body[list[Any]]:
        found = [x]
        while len(found) < s.bits:
            found.append((yield from inner.product(found[-1], found[-1])))
        return found

    powers, bits = yield from a.together([squares, lambda inner: inner.low_bits(exponent, s.bits)])

    def factor(k: int) -> Any:
        """The power where bit k is set, else 1."""
        one = 1 << (s.frac_bits << k)
        less = a.sum([(powers[k], 1)], -one)

        def body(inner: Arithmetic) -> Body[Any]:
            twice = yield from inner.weighted(less, inner.rows(bits, [k]), [1])
            return inner.sum([(twice, 1), (less, -1)], one)

        return body

    factors = yield from a.together([factor(k) for k in range(s.bits)])
    while len(factors) > 1:
        pairs = list(zip(factors[::2], factors[1::2], strict=False))
        products = yield from a.together([_product(x, y) for x, y in pairs])
        factors = [*products, *factors[2 * len(pairs) :]]
    return factors[0]


def _product(x: Any, y: Any) -> Any:
    return lambda inner: inner.product(x, y)


@dataclass(frozen=True)
class PublicPower:
    """Powers of one public integer, in a ring, to exponents of so many bits."""

    ring: Ring
    base: int
    bits: int


def public_power(a: Arithmetic, exponent: Any, s: PublicPower) -> Body[Any]:
    """base^e for 0 <= e < 2^bits; exact, modulo the ring. The low bits' power times that of the others, each a sum of a
    one-hot vector."""
    bits = yield from a.low_bits(exponent, s.bits)
    cut = min(LOW, s.bits)

    def power(places: Sequence[int]) -> Any:
        unit = 1 << places[0]

        def body(inner: Arithmetic) -> Body[Any]:
            hot = yield from one_hot(inner, inner.rows(bits, places), len(places))
            values = range(1, 1 << len(places))
            wanted = [(s.base ** (v * unit) - 1) % (1 << s.ring.bits) for v in values]
            (found,) = yield from inner.sums(s.ring, inner.rows(hot, values), [(1, wanted)])
            return found

        return body

    if s.bits == cut:
        return (yield from power(range(cut))(a))
    low, high = yield from a.together([power(range(cut)), power(range(cut, s.bits))])
    return (yield from a.product(low, high))


def public_powers(scope: Scope, exponent: Share, s: PublicPower) -> Body[Share]:
    """`public_power` of every element of an array, in any ring. Run by all three parties."""
    flat = exponent.flat()

    def piece(part: Scope, cut: slice) -> Body[Share]:
        return public_power(Parties(part, exact=True), flat[cut], s)

    return (yield from words_in_pieces(scope, s.ring, flat.size, PIECE, piece)).reshape(exponent.shape)


def public_powers_cost(ring: Ring, count: int, s: PublicPower) -> Cost:
    """Of `public_powers`, exact."""

    def piece(size: int) -> Cost:
        counting = Counting(size, exact=True)
        for _ in public_power(counting, ring, s):
            raise AssertionError("nothing waits while costs are counted")
        return counting.cost

    return cost_in_pieces(count, PIECE, piece)
