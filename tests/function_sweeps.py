"""What functions of real numbers are tested on: stored integers over a whole range, and arrays of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import mpmath
import numpy as np

import tercet as tc
from plan_trio import TrioSession, array_of
from tercet.plan.plan import Plan

ACCURACY = [16, 20, 24, 40]
"""Fractional bits of all sweeps."""


def stored(session: TrioSession, values: list[int], bounds: tuple[int, int], frac_bits: int) -> Any:
    """An array of these stored integers, declared to lie in bounds of stored integers."""
    x = session.share(np.array([0] * len(values)), bounds=(-1, 1), frac_bits=frac_bits)
    t = x.node.type
    wide = type(t)(t.kind, t.shape, 64 if max(map(abs, bounds)) < 1 << 62 else 128, frac_bits, frac_bits, *bounds)
    return array_of(session, session._store(np.array(values, dtype=object), wide))


def swept(lo: int, hi: int, seed: int, count: int) -> list[int]:
    """Both ends and what is beside them, 0, and integers of every size and sign that the range has."""
    rng = np.random.default_rng(seed)
    found = [lo, hi, *(v for v in (0, 1, 2, -1, lo + 1, hi - 1) if lo <= v <= hi)]
    parts = [part for part in ((max(lo, 0), hi), (lo, min(hi, -1))) if part[0] <= part[1]]
    while len(found) < count:
        least, most = parts[-1 if rng.random() < 0.4 else 0]
        size = int(rng.integers(*sorted((least.bit_length(), most.bit_length())), endpoint=True))
        # all of this size that are between
        low, high = (1 << size >> 1, (1 << size) - 1) if least >= 0 else (1 - (1 << size), -(1 << size >> 1))
        low, high = max(low, least), min(high, most)
        found.append(low + int.from_bytes(rng.bytes(20), "little") % (high - low + 1))
    return found


def kept(session: TrioSession, x: Any) -> Any:
    """The stored integers of an array, computed by the parties."""
    return session.stored[tc.persist(x)[0].node.data]


def unclaimed(session: TrioSession) -> bool:
    """Whether nodes prove all bounds of the plan that ran last."""
    return not any(op.type.claimed for op in Plan.from_bytes(session.plans[-1].to_bytes()).operations)


def off(word: int, wanted: Any, frac_bits: int) -> float:
    """How far a stored integer is from a number, in last bits; relative above 1."""
    # as integers of 30 bits more: numbers of mpmath would take five times as long
    meant = int(mpmath.ldexp(wanted, frac_bits + 30))
    return ((int(word) << 30) - meant) * (1 << frac_bits) / max(1 << frac_bits + 30, abs(meant))


def errors(words: Iterable[int], values: list[int], true: Callable[[Any], Any], frac_bits: int) -> list[float]:
    """`off` of each of these results, of what stored integers stand for."""
    with mpmath.workdps(50):
        given = (mpmath.ldexp(value, -frac_bits) for value in values)
        return [off(word, true(value), frac_bits) for value, word in zip(given, words, strict=True)]


def worst(words: Iterable[int], values: list[int], true: Callable[[Any], Any], frac_bits: int) -> float:
    return max(map(abs, errors(words, values, true, frac_bits)))
