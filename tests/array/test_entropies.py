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
    x = session.share(np.ones(2), bounds=(0, 2**40))
    with pytest.raises(PlanError, match="narrower bounds for the number"):
        tc.special.entr(x)
    small = session.share(np.ones(2), bounds=(0, 2))
    for function in (tc.special.xlogy, tc.special.rel_entr):
        with pytest.raises(ValueError, match="above 0"):
            function(small, 0.0)
    with pytest.raises(ValueError, match="not negative"):
        tc.special.rel_entr(-1.0, small)


@pytest.mark.parametrize(("frac_bits", "most"), [(16, 37), (20, 33), (24, 29), (40, 13)])
def test_the_largest_numbers_are_those_that_are_said(frac_bits: int, most: int) -> None:
    session = TrioSession()
    assert tc.special.entr(session.share(np.ones(2), bounds=(0, 2**most - 1), frac_bits=frac_bits)).shape == (2,)
    with pytest.raises(PlanError, match="narrower bounds for the number"):
        tc.special.entr(session.share(np.ones(2), bounds=(0, 2**most), frac_bits=frac_bits))
