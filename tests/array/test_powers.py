"""Powers, at three parties: every word against mpmath, over the range and beside its edges."""

from __future__ import annotations

import math
import random
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest

import tercet as tc
from function_sweeps import ACCURACY, kept, off, stored, swept, unclaimed
from plan_trio import TrioSession
from protocol_checks import points
from tercet.errors import PlanError
from tercet.plan.plan import OutputKind
from tercet.plan.record.compile import Wanted

CASES = [(2.5, 0, 100), (0.3, 0, 1000), (-1.5, 0.25, 100), (1 / 3, -5, 10**4), (-3, 0.5, 30), (-2, -30, -0.5)]
NAMED = [(0.5, 0, 100), (-0.5, 0.5, 100), (-1, -100, -0.5)]


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


@pytest.mark.parametrize("frac_bits", ACCURACY)
@pytest.mark.parametrize("case", CASES + NAMED, ids=str)
def test_powers_are_the_nearest_numbers(case: tuple[float, float, float], frac_bits: int) -> None:
    exponent, low, high = case
    lo, hi = (int(end * 2**frac_bits) for end in (low, high))
    words = points(random.Random(frac_bits), lo, hi, 300)
    session = TrioSession(parties=True)
    power = stored(session, words, (lo, hi), frac_bits) ** exponent
    assert power.frac_bits == frac_bits
    found = session.run([Wanted(power.node, OutputKind.REVEAL)])[0]
    kind, error = power.node.type, []
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


# ---- secret exponents ----

SECRET = {
    "real": ((0, 100), (0, 5)),
    "real of either sign": ((1 / 64, 30), (-3, 3)),
    "below 1": ((0, 1), (0, 500)),
    "near 0": ((0, 3), (-1.5, 2)),
    "beside 1": ((0.75, 1.25), (-60, 60)),
}
WHOLE = {
    "exact": ((-8, 8), (0, 3)),
    "whole": ((-8, 8), (0, 9)),
    "whole of either sign": ((-8, -0.5), (-5, 6)),
    "whole of positive": ((0.5, 60), (-4, 8)),
}


def secret_true(base: Any, exponent: Any, whole: bool, least: Any) -> Any:
    """As documented where there is no power."""
    base = base if whole else max(base, mpmath.mpf(0))
    if not exponent:
        return mpmath.mpf(1)
    if not base:
        return mpmath.mpf(0) if exponent > 0 else least**exponent
    return base**exponent


def check_secret(power: Any, wanted: list[Any], session: TrioSession, most: float) -> None:
    """The nearest where it is revealed, within two last bits where it is kept."""
    found = kept(session, power)
    assert unclaimed(session)
    revealed = session.run([Wanted(power.node, OutputKind.REVEAL)])[0]
    kind = power.node.type
    for values, allowed in ((found, 2), (revealed, most)):
        for got, true in zip(values, wanted, strict=True):
            assert kind.lo <= got <= kind.hi
            assert abs(off(got, true, power.frac_bits)) <= allowed, (true, got)


@pytest.mark.parametrize("frac_bits", ACCURACY)
@pytest.mark.parametrize("name", [*SECRET, *WHOLE])
def test_secret_exponents(name: str, frac_bits: int) -> None:
    whole = name in WHOLE
    one, unit = 1 << frac_bits, 1 if whole else 1 << frac_bits
    ends, exponents = (WHOLE if whole else SECRET)[name]
    if frac_bits == 40 and name == "near 0":
        exponents = (-1, 2)
    bounds, of = tuple(int(end * one) for end in ends), tuple(int(end * unit) for end in exponents)
    bases, powers = swept(*bounds, 3, 150), swept(*of, 4, 150)[::-1]
    if ends[0] > 0:  # sizes are spread from 0 on: as many numbers over the range
        bases = [bounds[0] + (bounds[1] - bounds[0]) * k // 149 for k in range(150)]
    session = TrioSession(parties=True)
    x = stored(session, bases, bounds, frac_bits)
    y = session.share(np.array(powers), bounds=of) if whole else stored(session, powers, of, frac_bits)
    power = x**y
    assert power.frac_bits == frac_bits
    with mpmath.workdps(60):
        least = mpmath.ldexp(1, -frac_bits)
        wanted = [
            secret_true(mpmath.ldexp(b, -frac_bits), mpmath.mpf(e) / unit, whole, least)
            for b, e in zip(bases, powers, strict=True)
        ]
        check_secret(power, wanted, session, 0.75)


@pytest.mark.parametrize("frac_bits", ACCURACY)
@pytest.mark.parametrize("base", [2, 10, math.e, 0.3, 7.25, 1.0])
def test_public_numbers_to_secret_powers(base: float, frac_bits: int) -> None:
    one = 1 << frac_bits
    powers = swept(-6 * one, 6 * one, 5, 150)
    session = TrioSession(parties=True)
    power = base ** stored(session, powers, (-6 * one, 6 * one), frac_bits)
    assert power.frac_bits == frac_bits
    with mpmath.workdps(60):
        check_secret(power, [mpmath.mpf(base) ** mpmath.ldexp(e, -frac_bits) for e in powers], session, 0.75)


def test_integers_to_secret_powers_are_exact() -> None:
    session = TrioSession(parties=True)
    bases, powers = np.meshgrid(np.arange(-6, 7), np.arange(0, 22))
    x = session.share(bases, bounds=(-6, 6))
    e = session.share(powers, bounds=(0, 21))
    assert np.array_equal((x**e).reveal(), bases**powers)
    assert (x**e).bounds == (-(6**21), 6**21) and (x**e).node.type.ring == 64
    wide = x ** (e + 20)
    wanted = bases.astype(object) ** (powers + 20)
    assert np.array_equal(wide.reveal(), wanted) and wide.bounds == (-(6**41), 6**41)
    for base in (2, -3, 1, 0, -1, 10):
        high = 40 if abs(base) == 10 else 21
        found = base ** session.share(np.minimum(powers[:, 0], high), bounds=(0, 21))
        assert np.array_equal(found.reveal(), np.array(base, dtype=object) ** powers[:, 0])
    assert (10 ** session.share([0, 5, 37], bounds=(0, 37))).reveal().tolist() == [1, 10**5, 10**37]
    several = np.array([2, 0, -3])
    assert np.array_equal((several ** e[:, :3]).reveal(), several ** powers[:, :3])
    assert np.array_equal(np.power(x[:, :1], e[:1]).reveal(), bases[:, :1] ** powers[:1])
    assert np.array_equal((x[0] ** (e[0] == 0)).reveal(), bases[0])
    assert (x[:0] ** e[:0]).reveal().shape == (0, 13)


def test_bounds_are_those_of_the_corners() -> None:
    session = TrioSession()

    def bounds(ends: tuple[int, int], powers: tuple[int, int]) -> Any:
        return (session.share([ends[1]], bounds=ends) ** session.share([powers[1]], bounds=powers)).bounds

    assert bounds((-3, 2), (2, 5)) == (-243, 81) and bounds((-3, 2), (2, 4)) == (-27, 81)
    assert bounds((2, 3), (4, 5)) == (16, 243) and bounds((-1, 0), (1, 9)) == (-1, 1)
    assert bounds((0, 9), (0, 0)) == (1, 1) and bounds((0, 9), (1, 2)) == (0, 81)
    assert bounds((-1, 1), (0, 2**59)) == (-1, 1)
    x = session.share([0.5], bounds=(0.5, 4.0))
    assert (x ** session.share([2], bounds=(0, 3))).bounds == (0.125, 64)
    lo, hi = (x ** session.share([2.0], bounds=(-1.5, 3))).bounds
    assert (lo, hi) == (pytest.approx(0.125, abs=2.0**-15), pytest.approx(64, abs=2.0**-9))
    assert (2 ** session.share([1], bounds=(0, 60))).bounds == (1, 2**60)


def test_kinds_and_float_power() -> None:
    session = TrioSession(parties=True)
    x, e = session.share([-2, 0, 3, 1], bounds=(-2, 3)), session.share([3, 0, 2, 4], bounds=(0, 4))
    plain, powers = np.array([-2.0, 0, 3, 1]), np.array([3, 0, 2, 4])
    for found in (np.float_power(x, e), tc.array.float_power(x * 1.0, e)):
        assert found.frac_bits == 16 and np.array_equal(found.reveal(), plain**powers)
    assert np.array_equal(np.float_power(x, 2).reveal(), plain**2) and np.float_power(x, 2).frac_bits == 16
    assert np.array_equal(np.float_power(2, e).reveal(), 2.0**powers)
    # integers to powers that may be negative have fractional bits, as NumPy's floats would
    f = session.share([-1, 2, -2, 0], bounds=(-2, 2))
    assert np.allclose((x**f).reveal(), [-0.5, 0, 1 / 9, 1], atol=2.0**-16)
    assert np.allclose((4**f).reveal(), [0.25, 16, 1 / 16, 1], atol=2.0**-16)
    assert np.allclose(((-1.5) ** f).reveal(), [-1 / 1.5, 2.25, 1 / 2.25, 1], atol=2.0**-16)
    assert np.allclose((x**1.5).reveal(), [0, 0, 3**1.5, 1], atol=2.0**-14)
    # zeros among public bases
    y = session.share([0.0, 0.5, 0, 2], bounds=(0, 2))
    assert np.allclose((np.array([0.0, 0, 3, 4]) ** y).reveal(), [1, 0, 1, 16], atol=2.0**-12)


def test_secret_exponents_that_are_refused() -> None:
    session = TrioSession()
    e = session.share([1], bounds=(0, 200))
    with pytest.raises(PlanError, match=r"powers of up to 200.*numpy.minimum"):
        session.share([1], bounds=(0, 100)) ** e
    with pytest.raises(PlanError, match=r"2 to powers of up to 200"):
        2**e
    y = session.share([1.0], bounds=(-20, 20))
    with pytest.raises(PlanError, match="leave out 0"):
        session.share([1.0], bounds=(0, 100)) ** y
    with pytest.raises(ValueError, match="is not negative"):
        (-2.0) ** y
    with pytest.raises(ValueError, match="public 0"):
        0.0**y
    with pytest.raises(PlanError, match="declare narrower"):
        3.5 ** (y * 100)


def test_a_modulus_and_huge_divisors_lead_on() -> None:
    x = TrioSession().share([1.5], bounds=(-3, 3))
    with pytest.raises(TypeError, match=r"\(x \*\* y\) % modulus"):
        pow(x, 2, 3)
    for compute in (lambda: x % 1e300, lambda: x // -1e300, lambda: divmod(x, 2**130)):
        with pytest.raises(PlanError, match=r"beyond all secret numbers; x // divisor is -1"):
            compute()
