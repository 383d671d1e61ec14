"""Vectors of functions: the public integers that all parties compute them with, and values rounded to the last bit.

Coefficients come from mpmath, which is arithmetic in software to any number of digits: no machine has others.
`tercet.protocols.coefficients` holds the same integers; `tests/protocols/test_functions.py` compares them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import mpmath

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


def series() -> dict[str, tuple[Callable[[Any], Any], int, int]]:
    """By name: the function on [-1, 1], and its degrees in the rings 2^64 and 2^128."""
    return {
        "exp2": (lambda t: mpmath.mpf(2) ** t, 8, 14),
        "log": (_upper(mpmath.log), 10, 19),
        "log2": (_upper(lambda c: mpmath.log(c, 2)), 10, 19),
        "log10": (_upper(mpmath.log10), 10, 19),
        "sqrt": (_upper(mpmath.sqrt), 10, 18),
        "rsqrt": (_upper(lambda c: 1 / mpmath.sqrt(c)), 11, 20),
    }


def constants() -> dict[str, Any]:
    """Numbers that functions multiply with."""
    return {
        "log2_e": 1 / mpmath.log(2),
        "log2_10": mpmath.log(10, 2),
        "ln_2": mpmath.log(2),
        "log10_2": mpmath.log10(2),
    }


def chebyshev(function: Callable[[Any], Any], degree: int, bits: int) -> list[int]:
    """Coefficients of the interpolation in more points than the degree, cut there, times 2^bits."""
    points = 2 * degree + 40
    angles = [mpmath.pi * (2 * k + 1) / (2 * points) for k in range(points)]
    values = [function(mpmath.cos(angle)) for angle in angles]
    found = []
    for j in range(degree + 1):
        total = sum(value * mpmath.cos(j * angle) for value, angle in zip(values, angles, strict=True))
        found.append(int(mpmath.nint(total * (2 if j else 1) / points * mpmath.mpf(2) ** bits)))
    return found


def make() -> Iterator[tuple[str, dict[str, object]]]:
    with mpmath.workdps(DIGITS):
        for name, (function, narrow, wide) in series().items():
            for degree, (bits, called) in ((narrow, NARROW), (wide, WIDE)):
                yield (
                    f"function_ok_{name}_{called}.json",
                    {
                        "kind": "function",
                        "expect": "ok",
                        "name": name,
                        "coefficient_bits": bits,
                        "coefficients": [str(value) for value in chebyshev(function, degree, bits)],
                    },
                )
        yield (
            "function_ok_constants.json",
            {
                "kind": "function",
                "expect": "ok",
                "name": "constants",
                "coefficient_bits": CONSTANT_BITS,
                "constants": {
                    name: str(int(mpmath.nint(value * mpmath.mpf(2) ** CONSTANT_BITS)))
                    for name, value in constants().items()
                },
            },
        )
