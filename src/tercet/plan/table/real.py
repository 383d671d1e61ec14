"""Functions of real numbers on stored integers, by integer arithmetic: what a function of the table means.

Whoever reads a plan computes bounds with these, so that all have the same on every machine; the oracle its values.
Every result is within one last bit of the function.
"""

from __future__ import annotations

from functools import lru_cache
from math import isqrt

from tercet.protocols.coefficients import CONSTANT_BITS, CONSTANTS
from tercet.protocols.functions import cube_root_of

_BITS = 130
"""Of mantissas; a relative 2^-120 is left after all roundings."""
_KNOWN = 1 << 12


def shifted(value: int, left: int) -> int:
    """value times 2^left, rounded to the nearest."""
    if left >= 0:
        return value << left
    return (value + (1 << (-left - 1))) >> -left


@lru_cache(maxsize=_KNOWN)
def power(base: str, value: int, frac_bits: int, out_bits: int) -> int:
    """b^(value / 2^frac_bits) times 2^out_bits, for b as "exp", "exp2" or "exp10"."""
    name = {"exp": "log2_e", "exp10": "log2_10"}.get(base)
    factor = 1 << CONSTANT_BITS if name is None else CONSTANTS[name]
    y = value * factor
    whole = y >> frac_bits + CONSTANT_BITS
    part = y - (whole << frac_bits + CONSTANT_BITS)
    # 2^part = e^(part ln 2)
    rest = shifted(part * CONSTANTS["ln_2"], _BITS - frac_bits - 2 * CONSTANT_BITS)
    total = term = 1 << _BITS
    k = 1
    while term:
        term = (term * rest >> _BITS) // k
        total += term
        k += 1
    return shifted(total, whole + out_bits - _BITS)


def logistic(value: int, frac_bits: int, height: int) -> int:
    """height / (1 + e^-x) of x = value / 2^frac_bits."""
    part = power("exp", -abs(value), frac_bits, _BITS)
    below = height * part // ((1 << _BITS) + part)
    return height - below if value > 0 else below


@lru_cache(maxsize=_KNOWN)
def logarithm(base: str, value: int, frac_bits: int, out_bits: int) -> int:
    """log, log2 or log10 of value / 2^frac_bits for value > 0, times 2^out_bits."""
    bits, roots = _BITS + 24, 8
    place = value.bit_length() - 1
    c = shifted(value, bits - place)  # in [1, 2]
    for _ in range(roots):
        c = isqrt(c << bits)
    one = 1 << bits
    t = ((c - one) << bits) // (c + one)
    square, power_of_t, total, k = t * t >> bits, t, 0, 1
    while power_of_t:
        total += power_of_t // k
        power_of_t = power_of_t * square >> bits
        k += 2
    mantissa = total << roots + 1  # ln c
    if base == "log":
        found = mantissa * (1 << CONSTANT_BITS) + ((place - frac_bits) * CONSTANTS["ln_2"] << bits)
    else:
        found = mantissa * CONSTANTS["log2_e"] + ((place - frac_bits) << bits + CONSTANT_BITS)
        if base == "log10":
            found = shifted(found * CONSTANTS["log10_2"], -CONSTANT_BITS)
    return shifted(found, out_bits - bits - CONSTANT_BITS)


def root(value: int, frac_bits: int, out_bits: int) -> int:
    """sqrt(value / 2^frac_bits) times 2^out_bits, rounded down."""
    return isqrt(max(0, shifted(value, 2 * out_bits - frac_bits)))


def inverse_root(value: int, frac_bits: int, out_bits: int) -> int:
    """1 / sqrt(value / 2^frac_bits) times 2^out_bits for value > 0, rounded down; 0 for 0."""
    return isqrt((1 << 2 * out_bits + frac_bits) // value) if value > 0 else 0


def series(coefficients: tuple[int, ...], coefficient_bits: int, t: int, t_bits: int, out_bits: int) -> int:
    """The sum of c_k T_k(t / 2^t_bits) for t in [-1, 1], of coefficients times 2^coefficient_bits, times 2^out_bits."""
    # Clenshaw's recurrence
    newest, older = 0, 0
    for coefficient in reversed(coefficients[1:]):
        newest, older = (coefficient << t_bits) + (2 * t * newest >> t_bits) - older, newest
    total = (coefficients[0] << t_bits) + (t * newest >> t_bits) - older
    return shifted(total, out_bits - coefficient_bits - t_bits)


@lru_cache(maxsize=_KNOWN)
def sine(value: int, frac_bits: int, ahead: int, out_bits: int) -> int:
    """sin(value / 2^frac_bits + ahead quarter turns) times 2^out_bits, for values below 2^20."""
    turns = value * CONSTANTS["inverse_turn"] + (ahead << frac_bits + CONSTANT_BITS - 2)
    part = turns & (1 << frac_bits + CONSTANT_BITS) - 1
    quarter, rest = divmod(part, 1 << frac_bits + CONSTANT_BITS - 2)
    if quarter & 1:
        rest = (1 << frac_bits + CONSTANT_BITS - 2) - rest
    # the angle of at most a quarter turn: turns over 1 / (2 pi)
    angle = (rest << _BITS) // (CONSTANTS["inverse_turn"] << frac_bits)
    square, term, total, k = angle * angle >> _BITS, angle, 0, 1
    while term:
        total += term
        term = -((term * square >> _BITS) // ((k + 1) * (k + 2)))
        k += 2
        if abs(term) <= 1:
            break
    return shifted(-total if quarter & 2 else total, out_bits - _BITS)


def sine_reaches(lo: int, hi: int, frac_bits: int, ahead: int) -> tuple[bool, bool]:
    """Whether sin of an argument in [lo, hi] may be -1, and whether it may be 1."""
    quarters = [(end * CONSTANTS["inverse_turn"] >> frac_bits + CONSTANT_BITS - 2) + ahead for end in (lo - 1, hi + 1)]
    # at its largest where the quarter turns pass 1 modulo 4, at its least where they pass 3
    passed = [(quarters[1] - k) // 4 > (quarters[0] - k) // 4 for k in (3, 1)]
    return passed[0], passed[1]


def cube_root(value: int, frac_bits: int, out_bits: int) -> int:
    """The cube root of value / 2^frac_bits for value >= 0, times 2^out_bits, rounded down."""
    scaled = shifted(value, 3 * out_bits - frac_bits)
    return cube_root_of(scaled) if scaled else 0


def half_sum(sign: int, value: int, frac_bits: int, out_bits: int) -> int:
    """cosh of value / 2^frac_bits times 2^out_bits, or with the sign -1 its sinh."""
    bits = out_bits + 2
    up, down = (power("exp", one, frac_bits, bits) for one in (value, -value))
    return shifted(up + sign * down, -3)


@lru_cache(maxsize=_KNOWN)
def arc_tangent(opposite: int, adjacent: int, out_bits: int) -> int:
    """atan(opposite / adjacent) times 2^out_bits for 0 <= opposite <= adjacent; of zeros 0."""
    bits, halvings = _BITS + 24, 8
    t = (opposite << bits) // adjacent if adjacent else 0
    one = 1 << bits
    for _ in range(halvings):  # atan t = 2 atan(t / (1 + sqrt(1 + t^2)))
        t = (t << bits) // (one + isqrt((one << bits) + t * t))
    square, term, total, k = t * t >> bits, t, 0, 1
    while term:
        total += term // k
        term = -(term * square >> bits)
        k += 2
        if abs(term) <= 1:
            break
    return shifted(total, out_bits + halvings - bits)


def arc_cosine(value: int, frac_bits: int, out_bits: int) -> int:
    """acos(value / 2^frac_bits) times 2^out_bits, of values from 0 to 1."""
    one = 1 << frac_bits
    # its half has the tangent sqrt((1 - u) / (1 + u))
    sides = (isqrt(side << 2 * _BITS) for side in (one - value, one + value))
    return arc_tangent(*sides, out_bits + 1)


def sinc(value: int, frac_bits: int, out_bits: int) -> int:
    """sin(pi x) / (pi x) of x = value / 2^frac_bits, times 2^out_bits; of 0 it is 1."""
    if not value:
        return 1 << out_bits
    angle = CONSTANTS["pi"] * value
    top = sine(shifted(angle, _BITS - CONSTANT_BITS), frac_bits + _BITS, 0, _BITS)
    return ((top << frac_bits + CONSTANT_BITS) << out_bits) // (angle << _BITS)


def tangent(value: int, frac_bits: int, limit: int, out_bits: int) -> int:
    """tan(value / 2^frac_bits) times 2^out_bits, drawn in to 2^limit; next to a pole it is 2^limit, or the opposite."""
    above, below = (sine(value, frac_bits, ahead, _BITS) for ahead in (0, 1))
    most = 1 << limit + out_bits
    found = most if not below else (abs(above) << out_bits) // abs(below)
    return min(found, most) * (-1 if (above < 0) != (below < 0) else 1)


def has_pole(lo: int, hi: int, frac_bits: int) -> bool:
    """Whether tan has a pole between two arguments."""
    half_turns = [
        (2 * end * CONSTANTS["inverse_turn"] >> frac_bits + CONSTANT_BITS - 1) + 1 >> 1 for end in (lo - 1, hi + 1)
    ]
    return half_turns[0] != half_turns[1]
