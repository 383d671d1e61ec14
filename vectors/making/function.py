"""Vectors of functions: the public integers that all parties compute them with, and values rounded to the last bit.

Coefficients come from mpmath, which is arithmetic in software to any number of digits: no machine has others.
`tercet.protocols.coefficients` holds the same integers; `tests/protocols/test_functions.py` compares them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import mpmath

from making.common import Vector, vector

DIGITS = 60
NARROW = (31, "narrow")
WIDE = (62, "wide")
CONSTANT_BITS = 160


def _on(low: Any, high: Any) -> Callable[[Any], Any]:
    """From [-1, 1] to [low, high]."""
    return lambda t: (high - low) / 2 * t + (high + low) / 2


def _upper(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A function of [1/2, 1], as one of [-1, 1]."""
    place = _on(mpmath.mpf(1) / 2, mpmath.mpf(1))
    return lambda t: function(place(t))


def _unit(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A function of [0, 1], as one of [-1, 1]."""
    place = _on(mpmath.mpf(0), mpmath.mpf(1))
    return lambda t: function(place(t))


def below_one(function: Callable[[Any], Any], off: Any) -> Callable[[Any], Any]:
    """A function of at most 1, less so much of itself."""
    return lambda t: function(t) * (1 - off)


def above_zero(function: Callable[[Any], Any], off: Any) -> Callable[[Any], Any]:
    """A function that ends at 0, and so much."""
    return lambda t: function(t) + off


HELD: dict[str, tuple[Callable[[Callable[[Any], Any], Any], Callable[[Any], Any]], int]] = {
    "sin_quarter": (below_one, 2),
    "cos_quarter": (below_one, 2),
    "erf": (below_one, 4),
    "tanh": (below_one, 4),
    "softplus": (above_zero, 3),
    "softplus2": (above_zero, 5),
}
"""Functions that stay on one side of their limit, as they are computed: by so many units of 2^-29 (of 2^-58 eight
times as many), which is more than what truncations do to a series, and than what a series is off by where the function
is near its limit (`tests/protocols/test_limits.py`)."""


def held(name: str, function: Callable[[Any], Any], bits: int) -> Callable[[Any], Any]:
    """The function of this name as it is computed, by coefficients times 2^bits."""
    if name not in HELD:
        return function
    way, units = HELD[name]
    return way(function, mpmath.ldexp(units, -29) if bits == NARROW[0] else mpmath.ldexp(8 * units, -58))


def series() -> dict[str, tuple[Callable[[Any], Any], int, int]]:
    """By name: the function on [-1, 1], and its degrees in the rings 2^64 and 2^128."""
    return {
        "exp2": (lambda t: mpmath.mpf(2) ** t, 8, 14),
        "log": (_upper(mpmath.log), 10, 22),
        "log2": (_upper(lambda c: mpmath.log(c, 2)), 10, 22),
        "log10": (_upper(mpmath.log10), 10, 22),
        "sqrt": (_upper(mpmath.sqrt), 10, 18),
        "rsqrt": (_upper(lambda c: 1 / mpmath.sqrt(c)), 11, 20),
        "inverse": (_upper(lambda c: 1 / c), 11, 23),
        "sin_quarter": (lambda t: mpmath.sin(mpmath.pi * t / 2), 12, 18),
        "cos_quarter": (lambda t: mpmath.cos(mpmath.pi * t / 2), 12, 18),
        "cbrt": (_upper(mpmath.cbrt), 10, 20),
        "acos": (_unit(lambda u: mpmath.acos(u) / mpmath.sqrt(1 - u)), 10, 20),
        "atan": (_unit(mpmath.atan), 12, 25),
        "sin_eighth": (_unit(lambda u: mpmath.sin(mpmath.pi * u / 4)), 7, 12),
        "cos_eighth": (_unit(lambda u: mpmath.cos(mpmath.pi * u / 4)), 7, 12),
        "sinc_half": (lambda t: mpmath.sincpi(t / 2), 10, 16),
    }


def constants() -> dict[str, Any]:
    """Numbers that functions multiply with."""
    return {
        "log2_e": 1 / mpmath.log(2),
        "log2_10": mpmath.log(10, 2),
        "inverse_turn": 1 / (2 * mpmath.pi),
        "ln_2": mpmath.log(2),
        "log10_2": mpmath.log10(2),
        "pi": mpmath.pi,
    }


def tails() -> dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]]:
    """Functions of u >= 0 that reach a limit: the function, and how far it is from there."""

    def below(u: Any) -> Any:
        return mpmath.erfc(u / mpmath.sqrt(2)) / 2

    def expit(u: Any) -> Any:
        return 1 / (1 + mpmath.exp(u))

    def about_below(u: Any) -> Any:
        inner = mpmath.sqrt(2 / mpmath.pi) * (u + mpmath.mpf("0.044715") * u**3)
        return (1 - mpmath.tanh(inner)) / 2

    return {
        "erf": (mpmath.erf, mpmath.erfc),
        "tanh": (mpmath.tanh, lambda u: 1 - mpmath.tanh(u)),
        "softplus": (lambda u: mpmath.log1p(mpmath.exp(-u)),) * 2,
        "softplus2": (lambda u: mpmath.log(1 + mpmath.mpf(2) ** -u, 2),) * 2,
        "silu": (lambda u: u * expit(u),) * 2,
        "gelu": (lambda u: u * below(u),) * 2,
        "gelu_tanh": (lambda u: u * about_below(u),) * 2,
    }


ACCURACY = ((16, NARROW), (20, NARROW), (24, NARROW), (44, WIDE))
"""For results with so many fractional bits at most."""


def tail_series(name: str, frac_bits: int, bits: int) -> tuple[int, list[int]]:
    """L in quarters, beyond which the function is its limit within 2^-(frac_bits + 6); coefficients on [0, L]."""
    function, rest = tails()[name]
    small = mpmath.mpf(2) ** -(frac_bits + 6)
    quarters = 8
    while rest(mpmath.mpf(quarters) / 4) > small:
        quarters += 1
    place = _on(mpmath.mpf(0), mpmath.mpf(quarters) / 4)
    found = chebyshev(held(name, lambda t: function(place(t)), bits), 90, bits)
    kept = len(found)
    while sum(map(abs, found[kept - 1 :])) < mpmath.mpf(2) ** (bits - frac_bits - 6):
        kept -= 1
    return quarters, found[:kept]


def interpolation(function: Callable[[Any], Any], degree: int, points: int) -> list[Any]:
    """Coefficients of T_0 .. T_degree of the interpolation in so many points, more than the degree."""
    # cos(j (2 k + 1) pi / (2 points)) has as many values as there are angles
    cosine = [mpmath.cos(mpmath.pi * turn / (2 * points)) for turn in range(4 * points)]
    values = [function(cosine[2 * k + 1]) for k in range(points)]
    found = []
    for j in range(degree + 1):
        total = sum(value * cosine[j * (2 * k + 1) % (4 * points)] for k, value in enumerate(values))
        found.append(total * (2 if j else 1) / points)
    return found


def chebyshev(function: Callable[[Any], Any], degree: int, bits: int) -> list[int]:
    """Coefficients of the interpolation in more points than the degree, cut there, times 2^bits."""
    found = interpolation(function, degree, degree + 40)
    return [int(mpmath.nint(value * mpmath.mpf(2) ** bits)) for value in found]


def make() -> Iterator[tuple[str, Vector]]:
    with mpmath.workdps(DIGITS):
        for name, (function, narrow, wide) in series().items():
            for degree, (bits, called) in ((narrow, NARROW), (wide, WIDE)):
                yield vector(
                    "function",
                    f"{name}_{called}",
                    "ok",
                    f"{name} as a sum of Chebyshev polynomials, coefficients times 2^{bits}",
                    series=name,
                    coefficient_bits=bits,
                    coefficients=[str(value) for value in chebyshev(held(name, function, bits), degree, bits)],
                )
        for name in tails():
            for frac_bits, (bits, _) in ACCURACY:
                quarters, found = tail_series(name, frac_bits, bits)
                yield vector(
                    "function",
                    f"{name}_{frac_bits}",
                    "ok",
                    f"{name} below its limit, for results of {frac_bits} fractional bits, coefficients times 2^{bits}",
                    series=name,
                    frac_bits=frac_bits,
                    limit_quarters=quarters,
                    coefficient_bits=bits,
                    coefficients=[str(value) for value in found],
                )
        yield vector(
            "function",
            "constants",
            "ok",
            f"constants times 2^{CONSTANT_BITS}",
            series="constants",
            coefficient_bits=CONSTANT_BITS,
            constants={
                name: str(int(mpmath.nint(value * mpmath.mpf(2) ** CONSTANT_BITS)))
                for name, value in constants().items()
            },
        )
