"""Values that were wrong in silence, each with its right one: precision, bounds and signs as promised."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tercet.array as tc
from plan_trio import TrioSession
from tercet.errors import PlanError

BOTH = pytest.mark.parametrize("parties", [False, True], ids=["oracle", "parties"])


def within(secret: Any) -> Any:
    """What is revealed, which lies within the bounds."""
    plain = secret.reveal()
    lo, hi = secret.bounds
    assert np.all(lo <= plain) and np.all(plain <= hi), (plain, secret.bounds)
    return plain


@BOTH
def test_halves_and_quarters_are_kept_with_the_bits_of_their_dtype(parties: bool) -> None:
    session = TrioSession(parties=parties)
    h = session.share([1, 3, 5], bounds=(0, 10)) / 2
    assert (h * h).dtype == tc.float64
    assert (h * h).persist().reveal().tolist() == [0.25, 2.25, 6.25]
    bits = session.share(np.array([True, False, True])) / 4
    assert (bits * bits).persist().reveal().tolist() == [0.0625, 0, 0.0625]
    p = session.share([1.0, 2.0, 4.0], bounds=(0, 10), frac_bits=2)
    found = (((p - p.mean()) / 4) ** 2).persist().reveal()
    assert found == pytest.approx(((np.array([1, 2, 4]) - 7 / 3) / 4) ** 2, abs=2.0**-14)
    for x in (p * 0.5, p * 0.125, p / 8, p / 8 + 1, p @ np.full((3, 1), 0.125)):
        assert (x * 1).persist().dtype.frac_bits >= 16
    assert ((p * 0.5) * (p * 0.25)).persist().reveal().tolist() == [0.125, 0.5, 2]
    assert tc.minimum(p.var() + 0.5, p).reveal() == pytest.approx([1, 2, 14 / 9 + 0.5], abs=2.0**-16)


@BOTH
def test_division_stays_within_its_bounds_and_keeps_its_sign(parties: bool) -> None:
    session = TrioSession(parties=parties)
    top = session.share([2**31 - 1] * 20, bounds=(1 - 2**31, 2**31 - 1))
    small = session.share([2.0**-16] * 20, bounds=(-(2.0**20), 2.0**20))
    for sign in (1, -1):
        q = tc.divide(top * sign, small)
        assert within(q) == pytest.approx(np.full(20, sign * (2**31 - 1) * 65536.0), rel=2.0**-26)
        assert not (q * sign < 0).reveal().any()


@BOTH
@pytest.mark.parametrize("bounds", [(-1024, 1024), (0, 1024), (0, 1)])
def test_division_by_zero_lies_within_the_bounds(parties: bool, bounds: tuple[int, int]) -> None:
    session = TrioSession(parties=parties)
    for x in (session.share([0, 1], bounds=bounds), session.share([0.0, 1.0], bounds=bounds)):
        assert within(1 / x)[1] == pytest.approx(1, abs=2.0**-15)
        within(tc.divide(x, x))
        within(tc.divide(-1e9, x))
    fine = session.share([0.0, 1.0], bounds=bounds, frac_bits=40)
    assert within(1 / fine)[1] == pytest.approx(1, abs=2.0**-39)


@BOTH
def test_a_public_dividend_keeps_its_digits(parties: bool) -> None:
    session = TrioSession(parties=parties)
    y = session.share([2.0**-10, 2.0**-4, 1.0], bounds=(2.0**-12, 1))
    assert tc.divide(1e-6, y).reveal() == pytest.approx([1e-6 * 2**10, 1e-6 * 16, 1e-6], abs=2.0**-15)
    z = session.share([2.0**-16] * 3, bounds=(0, 1))
    assert tc.divide(1e-3, z).reveal() == pytest.approx([65.536] * 3, abs=2.0**-15)
    assert tc.divide([1e-3, 1e9, 0.0], z).reveal() == pytest.approx([65.536, 65536e9, 0], rel=2.0**-26, abs=2.0**-15)
    least = session.share([-1], bounds=(-10, -1))
    assert tc.divide(-(2**63), least).reveal() == pytest.approx([2.0**63], rel=2.0**-26)
    assert tc.divide(np.int64(-(2**63)), least).reveal() == pytest.approx([2.0**63], rel=2.0**-26)


@BOTH
def test_public_factors_of_values_with_many_fractional_bits(parties: bool) -> None:
    session = TrioSession(parties=parties)
    x = session.share([1.0], bounds=(-10, 10), frac_bits=40)
    assert (x * x * x * 0.1).reveal() == pytest.approx([0.1], abs=2.0**-38)
    assert (x * x * x / 10).persist().reveal() == pytest.approx([0.1], abs=2.0**-38)
    assert (x * x * x @ np.array([0.1])).reveal() == pytest.approx(0.1, abs=2.0**-38)
    tiny = session.share([1e-25], bounds=(0, 1e-24), frac_bits=100)
    assert (tiny * 0.3).reveal() == pytest.approx([3e-26], abs=2.0**-99)
    assert (tiny * 0.3).persist().reveal() == pytest.approx([3e-26], abs=2.0**-98)
    wide = session.share([1000.0], bounds=(-(2.0**20), 2.0**20))
    assert (wide * wide * wide * 0.004).reveal() == pytest.approx([4e6], rel=2.0**-31)


@BOTH
def test_variances_are_exact_or_refused(parties: bool) -> None:
    session = TrioSession(parties=parties)
    x = session.share([1000.3], bounds=(-1e6, 1e6))
    assert within(x.std()) == 0
    assert within(x.var()) == 0
    y = session.share([0.0, 0.25], bounds=(0, 0.25))
    assert within(y.std()) == 0.125
    z = session.share([0.3, 0.1, 30.1], bounds=(-(2.0**20), 2.0**20))
    stored = np.rint(np.array([0.3, 0.1, 30.1]) * 65536) / 65536
    assert within(tc.stack([z.var(), z.var()])) == pytest.approx([stored.var()] * 2, rel=1e-14)
    with pytest.raises(PlanError, match="overflow"):
        session.share([0.5] * 4, bounds=(-(2.0**20), 2.0**20), frac_bits=43).var()
    with pytest.raises(PlanError, match="fractional bits"):
        session.share([1e-25] * 4, bounds=(0, 1e-24), frac_bits=90).var()


def test_public_numbers_of_different_sizes_keep_their_own_digits() -> None:
    """One scale for all would leave the small ones an eighth."""
    for bounds, frac_bits in ((2**31, 40), (2**31, 16), (100, 40)):
        x = TrioSession().share([3.0, 3.0, -7.0], bounds=(-bounds, bounds), frac_bits=frac_bits)
        k = np.array([1 / 3, 1e15, 1e-6])
        for product in (x * k, k * x):
            found = product.reveal()
            assert abs(found[0] - 1) <= 2.0 ** (1 - frac_bits) and abs(found[2] + 7e-6) <= 2.0 ** (1 - frac_bits)
            assert abs(found[1] - 3e15) <= 3e15 * 2.0**-32
