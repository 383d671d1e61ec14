"""The twin of the share-wise kernels (`sharewise`): their meaning in Python integers, the oracle of their tests."""

from __future__ import annotations

from collections.abc import Sequence

MANTISSA_BITS = 62
_WORD = (1 << 64) - 1


def rounded(value: int, up: int) -> int:
    """value times 2^up, rounded to the nearest."""
    return value << up if up >= 0 else (value + (1 << -up - 1)) >> -up


def exp2(t: int, c: Sequence[int]) -> int:
    """2^(t / 2^64) times 2^62."""
    total = c[-1]
    for coefficient in reversed(c[:-1]):
        total = coefficient + (total * t >> 64)
    return total


def sine_and_cosine(phase: int, scale: int, c_sine: Sequence[int], c_cosine: Sequence[int]) -> tuple[int, int]:
    """Of phase / 2^64 turns, times 2^scale, rounded towards 0."""
    quarter, part = phase >> 62, phase << 2 & _WORD
    mirrored = part >> 63
    t = (1 << 64) - part if mirrored else part
    square = t * t >> 64
    small, large = c_sine[-1], c_cosine[-1]
    for coefficient in reversed(c_sine[:-1]):
        small = coefficient - (small * square >> 64)
    for coefficient in reversed(c_cosine[:-1]):
        large = coefficient - (large * square >> 64)
    small, large = (value >> MANTISSA_BITS - scale for value in (small * t >> 64, large))
    if mirrored ^ quarter & 1:
        small, large = large, small
    return (-small if quarter >= 2 else small), (-large if quarter in (1, 2) else large)


def cut_of(phase: int, whole: int, low: int) -> tuple[int, int, int]:
    """Its row, its whole bits within the row, its fraction."""
    return phase >> 64 - whole + low, (phase >> 64 - whole) & (1 << low) - 1, phase << whole & _WORD


def power_entries(phase: int, whole: int, low: int, first: int, scale: int, cut: int, c: Sequence[int]) -> list[int]:
    """T_0, T_1 .. as `sharewise.power_table` says."""
    rows = 1 << whole - low
    own, step, part = cut_of(phase, whole, low)
    mantissa, found = exp2(part, c), []
    for j in range(rows):
        code = (j + own) % rows
        exponent = first + (-1 if code == rows - 1 else code) * (1 << low) + step
        gone = exponent + 1 + (1 << low) <= cut
        found.append(0 if gone else rounded(mantissa, exponent + scale - MANTISSA_BITS))
    return found


def power_factor(phase: int, whole: int, low: int, scale: int, c: Sequence[int]) -> tuple[int, int]:
    """The row, and the factor that A and B hold."""
    row, step, part = cut_of(phase, whole, low)
    return row, rounded(exp2(part, c), scale + step - MANTISSA_BITS)
