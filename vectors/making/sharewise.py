"""Vectors of share-wise functions: the series that both holders of a component compute, and what comes of them.

All steps are on integers, so that A and B have the same factor to the bit on every machine; nothing of it depends on a
library of real numbers. A phase is 64 bits. `exp2` is 2^(phase / 2^64), `sine` and `cosine` are of phase / 2^64 turns,
all times 2^62. A product of two is its high half: floor(a b / 2^64).
"""

from __future__ import annotations

from collections.abc import Iterator
from math import comb
from typing import Any

import mpmath

from making.common import Vector, fixed, vector
from making.function import DIGITS, chebyshev

BITS = 62
POWER_DEGREE = 12
SINE_TERMS = 10
COSINE_TERMS = 11


def series() -> dict[str, list[int]]:
    """Coefficients times 2^62, all positive: of powers of t for `exp2`; of t^2, with signs that alternate, for
    sin(pi t / 2) / t and cos(pi t / 2), which stay within 1."""
    scale = mpmath.mpf(2) ** BITS
    # as high halves of products are off by up to 2^-59 all together
    held = scale * (1 - mpmath.mpf(2) ** -58)
    half = mpmath.pi / 2
    sine = [half ** (2 * k + 1) / mpmath.factorial(2 * k + 1) for k in range(SINE_TERMS)]
    cosine = [half ** (2 * k) / mpmath.factorial(2 * k) for k in range(COSINE_TERMS)]
    return {
        "exp2": [int(mpmath.nint(c * scale)) for c in _powers_of_t()],
        "sine": [int(mpmath.nint(c * held)) for c in sine],
        "cosine": [int(mpmath.nint(c * held)) for c in cosine],
    }


def _powers_of_t() -> list[Any]:
    """2^t on [0, 1] by its interpolation in Chebyshev points, as a polynomial of t."""
    precise = 150
    found = chebyshev(lambda u: mpmath.mpf(2) ** ((u + 1) / 2), POWER_DEGREE, precise)
    # T_k as polynomials of u, u = 2 t - 1
    newest, older = [0, 1], [1]
    of_u = [0] * (POWER_DEGREE + 1)
    for k, coefficient in enumerate(found):
        basis = older if k == 0 else newest
        for place, value in enumerate(basis):
            of_u[place] += coefficient * value
        if k:
            following = [0, *(2 * value for value in newest)]
            for place, value in enumerate(older):
                following[place] -= value
            newest, older = following, newest
    of_t = [0] * (POWER_DEGREE + 1)
    for power, coefficient in enumerate(of_u):
        for place in range(power + 1):
            of_t[place] += coefficient * comb(power, place) * 2**place * (-1) ** (power - place)
    return [mpmath.ldexp(mpmath.mpf(value), -precise) for value in of_t]


def _high(a: int, b: int) -> int:
    return a * b >> 64


def exp2(t: int, c: list[int]) -> int:
    total = c[-1]
    for coefficient in reversed(c[:-1]):
        total = coefficient + _high(total, t)
    return total


def sine_and_cosine(phase: int, c_sine: list[int], c_cosine: list[int]) -> tuple[int, int]:
    part = phase << 2 & 2**64 - 1
    mirrored = part >> 63
    t = 2**64 - part if mirrored else part
    square = _high(t, t)
    small, large = c_sine[-1], c_cosine[-1]
    for coefficient in reversed(c_sine[:-1]):
        small = coefficient - _high(small, square)
    for coefficient in reversed(c_cosine[:-1]):
        large = coefficient - _high(large, square)
    small = _high(small, t)
    quarter = phase >> 62
    if mirrored ^ quarter & 1:
        small, large = large, small
    return (-small if quarter >= 2 else small), (-large if quarter in (1, 2) else large)


def phases() -> list[int]:
    """Eighths of a turn and beside them, and 100 that look random."""
    edges = [(k << 61) + d & 2**64 - 1 for k in range(8) for d in (-1, 0, 1)]
    return edges + [int.from_bytes(fixed(f"phase {k}", 8), "little") for k in range(100)]


def make() -> Iterator[tuple[str, Vector]]:
    with mpmath.workdps(DIGITS):
        found = series()
    points = phases()
    yield vector(
        "sharewise",
        "exp2",
        "ok",
        "2^(phase / 2^64) times 2^62",
        exp2=[str(c) for c in found["exp2"]],
        phases=[str(p) for p in points],
        values=[str(exp2(p, found["exp2"])) for p in points],
    )
    both = [sine_and_cosine(p, found["sine"], found["cosine"]) for p in points]
    yield vector(
        "sharewise",
        "sine",
        "ok",
        "sin and cos of phase / 2^64 turns times 2^62",
        sine=[str(c) for c in found["sine"]],
        cosine=[str(c) for c in found["cosine"]],
        phases=[str(p) for p in points],
        sines=[str(s) for s, _ in both],
        cosines=[str(c) for _, c in both],
    )
