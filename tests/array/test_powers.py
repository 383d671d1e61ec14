"""Powers with public exponents, at three parties: every word against mpmath, over the range and beside its edges."""

from __future__ import annotations

import random
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest

import tercet.array as tc
from plan_trio import TrioSession
from protocol_checks import points
from tercet.errors import PlanError
from tercet.plan.plan import OutputKind
from tercet.plan.record.compile import Wanted
from tercet.plan.types import Type, ValueKind, smallest_ring

CASES = [(2.5, 0, 100), (0.3, 0, 1000), (-1.5, 0.25, 100), (1 / 3, -5, 10**4), (-3, 0.5, 30), (-2, -30, -0.5)]
NAMED = [(0.5, 0, 100), (-0.5, 0.5, 100), (-1, -100, -0.5)]


def stored(session: TrioSession, words: list[int], lo: int, hi: int, frac_bits: int) -> Any:
    ring = smallest_ring(lo, hi)
    assert ring is not None
    type = Type(ValueKind.FIXED, (len(words),), ring, frac_bits, frac_bits, lo, hi)
    return tc.SecretArray._new(session, session._store(np.array(words, dtype=object), type))


def true(word: int, exponent: float, frac_bits: int) -> Any:
    """As documented where there is no power."""
    x, p = mpmath.ldexp(word, -frac_bits), Fraction(exponent)
    whole = p.denominator == 1
    if x < 0 and not whole:
        x = mpmath.mpf(0)
    if not x:
        return mpmath.mpf(0) if p > 0 else mpmath.ldexp(1, -frac_bits) ** exponent
    size = abs(x) ** (mpmath.mpf(p.numerator) / p.denominator)
    return -size if x < 0 and p.numerator % 2 else size


@pytest.mark.parametrize("frac_bits", [16, 20, 24, 40])
@pytest.mark.parametrize("case", CASES + NAMED, ids=str)
def test_powers_are_the_nearest_numbers(case: tuple[float, float, float], frac_bits: int) -> None:
    exponent, low, high = case
    lo, hi = (int(end * 2**frac_bits) for end in (low, high))
    words = points(random.Random(frac_bits), lo, hi, 300)
    session = TrioSession(parties=True)
    power = stored(session, words, lo, hi, frac_bits) ** exponent
    assert power.frac_bits == frac_bits
    found = session.run([Wanted(power._node, OutputKind.REVEAL)])[0]
    kind, error = power._node.type, []
    assert not kind.claimed
    with mpmath.workdps(60):
        for word, got in zip(words, found, strict=True):
            assert kind.lo <= got <= kind.hi
            wanted = true(word, exponent, frac_bits)
            error.append(float((mpmath.ldexp(int(got), -kind.frac_bits) - wanted) * 2**frac_bits / max(1, abs(wanted))))
    assert max(map(abs, error)) < 0.75
    assert abs(np.mean(error)) < 0.1


def test_bounds_are_those_of_the_ends() -> None:
    x = TrioSession().share([4.0], bounds=(0.25, 100))
    lo, hi = (x**-1.5).bounds
    assert lo == pytest.approx(0.001, abs=2.0**-15) and hi == pytest.approx(8, abs=2.0**-12)


def test_odd_powers_keep_the_sign_and_integers_become_fixed_point() -> None:
    session = TrioSession(parties=True)
    x = session.share([-4, -1, 2, 5], bounds=(-5, 5))
    assert np.allclose((x**-3).reveal(), np.array([-4, -1, 2, 5]) ** -3.0, atol=2.0**-15)
    assert np.allclose(np.power(x, -2.0).reveal(), np.array([-4, -1, 2, 5]) ** -2.0, atol=2.0**-15)
    assert np.allclose((session.share([0, 1, 9], bounds=(0, 9)) ** 1.5).reveal(), [0, 1, 27], rtol=2.0**-15)


def test_what_does_not_fit_is_refused() -> None:
    session = TrioSession()
    x = session.share([1.0], bounds=(0, 100), frac_bits=40)
    with pytest.raises(PlanError, match=r"power of -3.* leave out 0"):
        x**-3
    with pytest.raises(PlanError, match="below 65536"):
        x**-70000.5
