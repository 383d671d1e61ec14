"""Vectors of functions that have one polynomial for every power of two that their argument may have.

Of x in [2^k, 2^(k + 1)) as c in [1/2, 1): coefficients of T_0, T_1 .. of 4 c - 3, divided by 2^exponent, which makes
their magnitudes add up to 1 at most, times 2^coefficient_bits. `tercet.protocols.binades` holds the same integers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import mpmath
import scipy.special

from making.common import Vector, vector
from making.function import interpolation

DIGITS = 50
NDTR_END = 8
"""log_ndtr is a function of what x is below this."""

Table = tuple[Callable[[Any], Any], range, range]


def tables() -> dict[str, Table]:
    """By name: the function, and the binades of the narrow and the wide table."""
    return {
        "gammaln": (mpmath.loggamma, range(25), range(41)),
        "digamma": (mpmath.digamma, range(41), range(41)),
        "log_ndtr": (_log_ndtr, range(1, 15), range(-3, 35)),
        "erfinv": (_inverse_erfc, range(-30, 0), range(-46, 0)),
    }


def _log_ndtr(v: Any) -> Any:
    return mpmath.log(mpmath.erfc((v - NDTR_END) / mpmath.sqrt(2)) / 2)


def _inverse_erfc(u: Any) -> Any:
    """Two steps of Halley from what a float knows: 15 digits, 45, and all."""
    at = mpmath.mpf(scipy.special.erfcinv(float(u)))
    for _ in range(2):
        step = (u - mpmath.erfc(at)) * mpmath.sqrt(mpmath.pi) / 2 * mpmath.exp(at * at)
        at -= step / (1 + at * step)
    return at


PRECISIONS = (("narrow", 31, 30), ("wide", 56, 50))
"""Name, coefficient_bits, and which part of 2^exponent is left out: 2^-30, 2^-50."""
MOST = 36
POINTS = MOST + 8


def series(function: Callable[[Any], Any], binade: int) -> list[Any]:
    """Coefficients of the interpolation over one binade in POINTS points."""
    half = mpmath.mpf(2) ** (binade - 1)
    return interpolation(lambda t: function(half * (3 + t)), MOST, POINTS)


def row(found: list[Any], bits: int, sure: int) -> tuple[int, list[int]]:
    """The exponent and the integers of one binade."""
    exponent = max(0, int(mpmath.ceil(mpmath.log(sum(map(abs, found)), 2))))
    kept = len(found)
    while kept > 1 and sum(map(abs, found[kept - 1 :])) < mpmath.ldexp(1, exponent - sure - 3):
        kept -= 1
    return exponent, [int(mpmath.nint(mpmath.ldexp(value, bits - exponent))) for value in found[:kept]]


def make() -> Iterator[tuple[str, Vector]]:
    with mpmath.workdps(DIGITS):
        for name, (function, *binades) in tables().items():
            known = {binade: series(function, binade) for binade in sorted({*binades[0], *binades[1]})}
            for (called, bits, sure), those in zip(PRECISIONS, binades, strict=True):
                rows = [(binade, *row(known[binade], bits, sure)) for binade in those]
                yield vector(
                    "binade",
                    f"{name}_{called}",
                    "ok",
                    f"{name} by the binades of its argument, coefficients times 2^({bits} - exponent)",
                    series=name,
                    coefficient_bits=bits,
                    rows=[
                        {"binade": binade, "exponent": exponent, "coefficients": [str(value) for value in values]}
                        for binade, exponent, values in rows
                    ],
                )
