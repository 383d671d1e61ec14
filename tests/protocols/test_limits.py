"""What is computed of a function with a limit does not pass it: what truncations do to its series is less than the
distance that the series keeps, so that the types of results end at the limit itself."""

from __future__ import annotations

import math
import random
from typing import Any

import mpmath
import numpy as np
import pytest

from protocol_checks import DIGITS, SCALES, open_words, run_counted
from tercet.protocols import functions, sharewise, tails, turns
from tercet.protocols.coefficients import COEFFICIENTS, PHASE_SERIES, TAILS
from tercet.protocols.polynomial import blocks
from trio import Trio

POINTS = np.cos(np.linspace(0, np.pi, 4001))
"""Of [-1, 1], close together where it ends."""
FINE = 120
LIMITED = ("erf", "tanh", "softplus", "softplus2")


def of_terms(first: float, count: int) -> list[float]:
    """By how many units of 2^-scale each T_k of `polynomial.terms` may be off, |T_k| <= 1: T_(i+j) is 2 T_i T_j, whose
    truncation is off by less than one unit, less T_0 or T_1."""
    off = [first]
    while len(off) < count:
        here = range(len(off) + 1, min(2 * len(off), count) + 1)
        off += [2 * (off[k // 2 - 1] + off[(k + 1) // 2 - 1]) + 1 + (first if k % 2 else 0) for k in here]
    return off


def truncations(coefficients: tuple[int, ...], p: functions.Precision, out_bits: int) -> Any:
    """By how many units of 2^-scale `polynomial.chebyshev` may be off at each of the points."""
    parts, one = blocks(coefficients), 2.0**p.coefficient_bits
    size, number = len(parts[0]), len(parts) - 1
    babies = of_terms(0, size)
    giants = of_terms(babies[size - 1], number)
    chebyshev = [np.cos(k * np.arccos(POINTS)) for k in range(size)]

    def combined(part: tuple[int, ...]) -> float:
        return sum(abs(c) / one * babies[k - 1] for k, c in enumerate(part) if k)

    off = np.full_like(POINTS, combined(parts[0]) + 2.0 ** (p.scale - out_bits))
    for part, giant in zip(parts[1:], giants, strict=True):
        factor = sum(c / one * value for c, value in zip(part, chebyshev, strict=True))
        off += np.abs(factor) * giant + combined(part) + 2.0 ** (p.scale - p.coefficient_bits)
    return off


def series(coefficients: tuple[int, ...], p: functions.Precision, limit: int) -> Any:
    """The integer series at the points, less its limit, in units of 2^-scale."""
    # in integers of FINE more bits: the points are such integers, and products lose less than one unit each
    t = np.array([int(math.ldexp(point, FINE)) for point in POINTS], object)
    newest, older = np.zeros_like(t), np.zeros_like(t)
    for coefficient in reversed(coefficients[1:]):
        newest, older = (2 * t * newest >> FINE) - older + (coefficient << FINE), newest
    total = (t * newest >> FINE) - older + (coefficients[0] - (limit << p.coefficient_bits) << FINE)
    return np.array([math.ldexp(one, p.scale - p.coefficient_bits - FINE) for one in total])


@pytest.mark.parametrize("bits", [16, 20, 24, 44])
@pytest.mark.parametrize("name", LIMITED)
def test_no_truncation_takes_a_tail_beyond_its_limit(name: str, bits: int) -> None:
    p = functions.NARROW if bits <= 24 else functions.WIDE
    coefficients = TAILS[name, bits][1]
    off = truncations(coefficients, p, tails.OUT_BITS[p.ring.bits])
    if name in ("erf", "tanh"):
        assert np.max(series(coefficients, p, 1) + off) < 0
    else:
        assert np.min(series(coefficients, p, 0) - off) > 0


@pytest.mark.parametrize("p", [functions.NARROW, functions.WIDE], ids=["narrow", "wide"])
@pytest.mark.parametrize("name", ["sin_quarter", "cos_quarter"])
def test_no_truncation_takes_a_sine_beyond_1(name: str, p: functions.Precision) -> None:
    coefficients = COEFFICIENTS[name, p.coefficient_bits]
    off = truncations(coefficients, p, tails.OUT_BITS[p.ring.bits])
    assert np.max(series(coefficients, p, 1) + off) < 0 < np.min(series(coefficients, p, -1) - off)


def test_no_share_wise_sine_passes_1() -> None:
    """Both vectors (sin, cos) are not longer than 1 as they are rounded, and so their product is at most 1."""
    rng = np.random.default_rng(8)
    eighths = np.arange(8, dtype=np.uint64) << np.uint64(61)
    phase = np.concatenate([rng.integers(0, 1 << 64, 20_000, dtype=np.uint64), eighths, eighths + np.uint64(1)])
    for ring in (functions.NARROW.ring, functions.WIDE.ring):
        tables = [sharewise.sharewise.series(PHASE_SERIES[name]) for name in ("sine", "cosine")]
        for scale in (20, 24, 28, 29, 44, 48, 59):
            none = ring.zeros((2, len(phase)))
            terms = ring.to_ints(sharewise.sharewise.sine_terms(ring, phase, scale, *tables, none))
            for cosine, sine in zip(*terms, strict=True):
                assert int(cosine) ** 2 + int(sine) ** 2 <= 1 << 2 * scale


@pytest.mark.parametrize("scale", SCALES, ids=str)
@pytest.mark.parametrize("name", ["sin", "cos", "tanh", "erf", "softplus", "softplus2"])
def test_words_do_not_pass_it(name: str, scale: tuple[int, int]) -> None:
    """At three parties, next to where the function is largest."""
    frac_bits, ring_bits = scale
    rng = random.Random(name)
    ring = functions.PRECISIONS[ring_bits].ring
    if name in ("sin", "cos"):
        with mpmath.workdps(DIGITS):
            top = int(mpmath.ldexp(mpmath.pi / 2 if name == "sin" else 2 * mpmath.pi, frac_bits))
        values = [top + rng.randint(-(1 << frac_bits // 2), 1 << frac_bits // 2) for _ in range(2000)]
        shape: Any = turns.turn(name, -8 << frac_bits, 8 << frac_bits, frac_bits, frac_bits, ring_bits)
        run = turns.sine
    else:
        end = tails.tail_end(name, frac_bits, frac_bits)
        values = [end - rng.randint(0, end // 8) for _ in range(2000)]
        shape = tails.tail(name, end, frac_bits, frac_bits, ring_bits)
        run = tails.tail_of
    assert shape is not None
    cost = functions.elementwise_cost(ring, len(values), run, shape, exact=False)
    of = lambda scope, x: functions.elementwise(scope, x, run, shape, exact=False)
    shares = Trio(3).share(ring, np.array(values, dtype=object))
    found = [int(word) for word in open_words(run_counted(Trio(3), cost, of, shares))]
    assert min(found) >= 0 and max(found) <= 1 << shape.out_bits
