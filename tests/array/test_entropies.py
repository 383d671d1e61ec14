"""Numbers times logarithms, at three parties: every word against mpmath, over the whole range."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
import scipy.special

import tercet as tc
from function_sweeps import ACCURACY, kept, off, stored, swept, unclaimed
from plan_trio import TrioSession
from tercet.errors import PlanError
from tercet.plan.plan import OutputKind
from tercet.plan.record.compile import Wanted


def _log(v: Any, frac_bits: int) -> Any:
    return mpmath.log(max(v, mpmath.ldexp(1, -frac_bits)))


def _relative(x: Any, y: Any, frac_bits: int) -> Any:
    return x * (_log(x, frac_bits) - _log(y, frac_bits)) if x > 0 else mpmath.mpf(0)


TRUE: dict[str, Callable[[Any, Any, int], Any]] = {
    "xlogy": lambda x, y, f: x * _log(y, f),
    "xlog1py": lambda x, y, f: x * _log(1 + y, f),
    "rel_entr": _relative,
    "kl_div": lambda x, y, f: _relative(x, y, f) - max(x, mpmath.mpf(0)) + y,
}
HIGHEST = {16: 1 << 26, 20: 1 << 22, 24: 1 << 18, 40: 1 << 12}


def check(name: str, found: Any, wanted: list[Any], frac_bits: int, most: float) -> None:
    for got, true in zip(found, wanted, strict=True):
        assert abs(off(got, true, frac_bits)) <= most, (name, true)


@pytest.mark.parametrize("frac_bits", ACCURACY)
@pytest.mark.parametrize("name", [*TRUE, "entr"])
def test_at_most_two_last_bits(name: str, frac_bits: int) -> None:
    one = 1 << frac_bits
    for seed, (low, high) in enumerate([(-2, HIGHEST[frac_bits] - 1), (0, 1)]):
        xs, ys = swept(low * one, high * one, seed, 150), swept(-one, 1000 * one, seed + 9, 150)[::-1]
        session = TrioSession(parties=True, seed=seed)
        x = stored(session, xs, (low * one, high * one), frac_bits)
        y = stored(session, ys, (-one, 1000 * one), frac_bits)
        function = getattr(tc.special, name)
        result = function(x) if name == "entr" else function(x, y)
        assert result.frac_bits == frac_bits
        found = kept(session, result)
        with mpmath.workdps(60):
            pairs = [(mpmath.ldexp(a, -frac_bits), mpmath.ldexp(b, -frac_bits)) for a, b in zip(xs, ys, strict=True)]
            if name == "entr":
                wanted = [-a * _log(a, frac_bits) if a > 0 else mpmath.mpf(0) for a, _ in pairs]
            else:
                wanted = [TRUE[name](a, b, frac_bits) for a, b in pairs]
            check(name, found, wanted, frac_bits, 2)
        assert unclaimed(session)


def test_public_operands_and_zeros() -> None:
    session = TrioSession(parties=True)
    x, y = np.array([0.0, 0.5, 2.0, 7.25]), np.array([0.25, 0.75, 3.0, 0.0625])
    a, b = (session.share(values, bounds=(0, 8)) for values in (x, y))
    for name in TRUE:
        ours, theirs = getattr(tc.special, name), getattr(scipy.special, name)
        for given in ((a, b), (a, y), (x, b)):
            # the nearest where revealed; a public number beside a secret is off by a quarter more
            error = np.abs(ours(*given).reveal() - theirs(x, y)) / np.maximum(1, np.abs(theirs(x, y)))
            assert np.max(error) < 0.75 * 2.0**-16, name
        assert np.allclose(ours(x, y), theirs(x, y), rtol=1e-13)
        assert ours(a[:0], b[:0]).reveal().shape == (0,)
        assert ours(a[:, None], b).shape == (4, 4)
    assert np.max(np.abs(tc.special.entr(a).reveal() - scipy.special.entr(x))) < 2.0**-16
    odd = np.array([-1.0, 0.0, 0.5, np.nan, 3])
    assert np.allclose(tc.special.entr(odd), scipy.special.entr(odd), equal_nan=True)
    p, q = np.meshgrid(odd, odd)
    for name in ("xlogy", "rel_entr", "kl_div"):
        with np.errstate(all="ignore"):
            assert np.allclose(getattr(tc.special, name)(p, q), getattr(scipy.special, name)(p, q), equal_nan=True), (
                name
            )
    # 0 log 0 is 0, secret or not
    nothing = session.share(np.zeros(3), bounds=(-1, 1))
    assert np.array_equal(tc.special.xlogy(nothing, nothing).reveal(), np.zeros(3))


def test_what_is_refused() -> None:
    session = TrioSession()
    x = session.share(np.ones(2), bounds=(0, 2**90))
    with pytest.raises(PlanError, match="narrower bounds"):
        tc.special.entr(x)
    small = session.share(np.ones(2), bounds=(0, 2))
    for function in (tc.special.xlogy, tc.special.rel_entr):
        with pytest.raises(ValueError, match="above 0"):
            function(small, 0.0)
    with pytest.raises(ValueError, match="not negative"):
        tc.special.rel_entr(-1.0, small)


LARGEST = {
    "entr": {16: 82, 20: 74, 24: 66, 40: 35},
    "xlogy": {16: 55, 20: 51, 24: 47, 40: 31},
    "xlog1py": {16: 55, 20: 51, 24: 47, 40: 31},
    "rel_entr": {16: 55, 20: 51, 24: 47, 40: 31},
    "kl_div": {16: 55, 20: 51, 24: 47, 40: 18},
}


@pytest.mark.parametrize("frac_bits", ACCURACY)
@pytest.mark.parametrize("name", LARGEST)
def test_the_largest_numbers(name: str, frac_bits: int) -> None:
    """Beside 1, where a logarithm is next to nothing, and beside each other, where both are the same."""
    one, most = 1 << frac_bits, LARGEST[name][frac_bits]
    hi, rng = (one << most) - 1, np.random.default_rng(most)
    xs = swept(0, hi, 3, 160)
    if name in ("rel_entr", "kl_div"):
        apart = [*rng.integers(-5, 5, 40), *rng.integers(-one, one, 40)]
        # about where it is 1, and where one of both ways is taken or the other
        apart += [int(x**0.5 * one**0.5 * float(rng.normal(0, 2))) for x in xs[80:120]]
        apart += [int(x * float(rng.uniform(-0.4, 0.4))) for x in xs[120:]]
        ys = [min(max(x + int(d), 0), hi) for x, d in zip(xs, apart, strict=True)]
        bounds = (0, hi)
    else:
        centre = 0 if name == "xlog1py" else one
        ys = [centre + int(d) for d in (*rng.integers(-5, 5, 40), *(rng.normal(0, 0.1, 60) * one))]
        ys, bounds = [*ys, *swept(centre - one, hi, 5, 60)], (centre - one, hi)
    session = TrioSession(parties=True, seed=most)
    x, y = stored(session, xs, (0, hi), frac_bits), stored(session, ys, bounds, frac_bits)
    function = getattr(tc.special, name)
    result = function(x) if name == "entr" else function(x, y)
    found = kept(session, result)
    assert unclaimed(session) and result.frac_bits == frac_bits
    revealed = session.run([Wanted(result.undivided, OutputKind.REVEAL)])[0]
    with mpmath.workdps(60):
        pairs = [(mpmath.ldexp(a, -frac_bits), mpmath.ldexp(b, -frac_bits)) for a, b in zip(xs, ys, strict=True)]
        of_one = [-a * _log(a, frac_bits) if a else mpmath.mpf(0) for a, _ in pairs]
        wanted = of_one if name == "entr" else [TRUE[name](a, b, frac_bits) for a, b in pairs]
        check(name, found, wanted, frac_bits, 2)
        check(name, revealed, wanted, frac_bits, 0.75)
    session = TrioSession()
    wide, other = (stored(session, [one], (0, 4 * hi), frac_bits) for _ in range(2))
    with pytest.raises(PlanError, match="narrower bounds"):
        function(wide) if name == "entr" else function(wide, other)


def test_public_numbers_beside_large_ones() -> None:
    session = TrioSession(parties=True)
    large = np.array([2.0**36, 2.0**39, 12345678901.5, 0])
    x, y = session.share(large, bounds=(0, 2**40)), session.share(np.array([1.0, 1.25, 0.5, 3]), bounds=(0, 8))
    for function, given in (
        ("xlogy", (large, y)),
        ("rel_entr", (x, large * 1.0625 + 1)),
        ("kl_div", (large + 1, x + 1)),
    ):
        ours, theirs = getattr(tc.special, function), getattr(scipy.special, function)
        plain = [one if isinstance(one, np.ndarray) else one.reveal() for one in given]
        wanted = theirs(*plain)
        assert np.max(np.abs(ours(*given).reveal() - wanted) / np.maximum(1, np.abs(wanted))) < 2.0**-15, function


@pytest.mark.parametrize("name", TRUE)
def test_where_those_of_large_numbers_mean_something(name: str) -> None:
    session = TrioSession(parties=True)
    p, q = (grid.reshape(-1) for grid in np.meshgrid([-1, 0, 2.0**-16, 1, 5], [-2, -1, 0, 2.0**-16, 1, 5]))
    function, plain = getattr(tc.special, name), getattr(scipy.special, name)
    with np.errstate(all="ignore"):
        wanted = np.isfinite(plain(p, q)) | (p == 0)  # which is 0 here beside any number
    for high in (2**45, 8):
        x, y = (session.share(values, bounds=(-2, high)) for values in (p, q))
        assert np.array_equal(tc.valid(function(x, y)).reveal(), wanted), high


@pytest.mark.parametrize("name", ["rel_entr", "kl_div"])
@pytest.mark.parametrize("frac_bits", [16, 24, 40])
def test_public_numbers_count_as_exactly_as_they_are_given(name: str, frac_bits: int) -> None:
    """Also beside wide bounds, where logarithms alone are not sure enough."""
    public = np.resize([1e-6, 1e-5, 1 / 3, 999.9, 12345.678], 20)
    high = 1 << 20 if name == "rel_entr" or frac_bits < 40 else 1000
    words = swept(0, high << frac_bits, 3, 20)[:20]
    true = TRUE[name]
    session = TrioSession(parties=True)
    x = stored(session, words, (0, high << frac_bits), frac_bits)
    for swap in (False, True):
        found = kept(session, getattr(tc.special, name)(*((public, x) if swap else (x, public))))
        with mpmath.workdps(60):
            pairs = [(mpmath.ldexp(a, -frac_bits), mpmath.mpf(float(b))) for a, b in zip(words, public, strict=True)]
            # a public number has no least one
            fine = frac_bits if swap else 200
            wanted = [true(b, a, fine) if swap else true(a, b, fine) for a, b in pairs]
        check(name, found, wanted, frac_bits, 2)
