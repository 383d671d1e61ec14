"""Polynomials in Chebyshev's basis by baby and giant steps, with all giant products in one exchange.

Of t in [-1, 1]: T_(i+j) = 2 T_i T_j - T_|i-j|, so that values stay in [-1, 1] and nothing grows. With s baby steps,
p = sum over j of T_(s j) q_j with q_j a public combination of T_0 .. T_(s-1); all these products are one sum of
products, with one exchange and one truncation. For degree n about 2 sqrt(n) products and sqrt(n) truncations.

Semi-honest, one corruption: products and truncations of `working.Arithmetic`, nothing else. Source: Paterson,
Stockmeyer (SIAM J. Comput. 1973), in Chebyshev's basis.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from tercet.protocols.scope import Body
from tercet.protocols.working import Arithmetic


@cache
def blocks(coefficients: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    """q_0, q_1 .. as coefficients of T_0 .. T_(s-1); s makes the products and truncations fewest."""
    degree = len(coefficients) - 1
    size = min(range(2, degree + 1), key=lambda s: (s - 1 + 2 * (degree // s), s))
    left = list(coefficients)
    found = [[0] * size for _ in range(degree // size + 1)]
    for k in range(degree, -1, -1):
        giant, baby = divmod(k, size)
        if giant and baby:
            found[giant][baby] += 2 * left[k]  # T_k = 2 T_(s j) T_i - T_(s j - i)
            left[giant * size - baby] -= left[k]
        else:
            found[giant][baby] += left[k]
    return tuple(tuple(block) for block in found)


def chebyshev(a: Arithmetic, t: Any, coefficients: tuple[int, ...], scale: int, shift: int) -> Body[Any]:
    """p(t) times 2^(scale + b - shift), for t in [-1, 1] at `scale` fractional bits and coefficients c_k times 2^b.

    Each T_k is off by less than k^2 last bits of `scale`, mostly by less than one. Every party must have room for the
    sums of coefficients: at most 2^(ring - 3 - scale), which `tests/protocols/test_functions.py` checks of all that are
    used here.
    """
    (value,) = yield from chebyshev_several(a, t, [coefficients], scale, shift)
    return value


def chebyshev_several(
    a: Arithmetic, t: Any, tables: Sequence[tuple[int, ...]], scale: int, shift: int
) -> Body[list[Any]]:
    """`chebyshev` of several polynomials of one degree, which have all T_k in common."""
    several = [blocks(one) for one in tables]
    size, number = len(several[0][0]), len(several[0]) - 1
    babies = yield from terms(a, t, size, scale)

    def giants(inner: Arithmetic) -> Body[list[Any]]:
        return (yield from terms(inner, babies[size - 1], number, scale))

    def rescaled(part: Sequence[int]) -> Any:
        return lambda inner: inner.shifted(_combined(inner, babies, part, scale), scale)

    found, *rest = yield from a.together([giants, *(rescaled(part) for parts in several for part in parts[1:])])

    def summed(k: int) -> Any:
        pairs = list(zip(found, rest[k * number : (k + 1) * number], strict=True))
        return lambda inner: inner.dot(pairs, shift, plus=_combined(inner, babies, several[k][0], scale))

    if len(several) == 1:
        return [(yield from summed(0)(a))]
    return (yield from a.together([summed(k) for k in range(len(several))]))


def _combined(a: Arithmetic, babies: Sequence[Any], part: Sequence[int], scale: int) -> Any:
    """The sum of part[i] T_i at twice the scale, T_0 = 1 as a public number."""
    terms = [(x, factor) for x, factor in zip(babies, part[1:], strict=False) if factor] or [(babies[0], 0)]
    return a.sum(terms, part[0] << scale)


def terms(a: Arithmetic, first: Any, count: int, scale: int) -> Body[list[Any]]:
    """T_1 = first, T_2 .. T_count of it."""
    known = [first]
    while len(known) < count:
        here = range(len(known) + 1, min(2 * len(known), count) + 1)
        bodies = [_product(known[k // 2 - 1], known[(k + 1) // 2 - 1], scale) for k in here]
        products = [(yield from bodies[0](a))] if len(bodies) == 1 else (yield from a.together(bodies))
        for k, product in zip(here, products, strict=True):
            # T_(i+j) = 2 T_i T_j - T_(j-i) with j - i = 0 or 1
            known.append(a.sum([(product, 1), (first, -1)]) if k % 2 else a.sum([(product, 1)], -(1 << scale)))
    return known


def _product(x: Any, y: Any, scale: int) -> Any:
    return lambda inner: inner.dot([(x, y)], scale - 1)


def used(parts: Iterable[Sequence[int]]) -> int:
    """The largest sum of magnitudes of coefficients, which a combination may reach."""
    return max(sum(map(abs, part)) for part in parts)
