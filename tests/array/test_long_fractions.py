"""Many fractional bits on small numbers: more to drop at once than one truncation in their ring can."""

from __future__ import annotations

import numpy as np
import pytest

import tercet.array as tc
from plan_trio import TrioSession

SMALL = [1e-13, -2e-13]


@pytest.mark.parametrize("parties", [False, True], ids=["oracle", "parties"])
def test_products(parties: bool) -> None:
    x = TrioSession(parties=parties).share(SMALL, bounds=(-1e-12, 1e-12), frac_bits=62)
    assert np.allclose((x * x * x).reveal(), 0, atol=2.0**-62)


@pytest.mark.parametrize("parties", [False, True], ids=["oracle", "parties"])
def test_floor_and_round(parties: bool) -> None:
    x = TrioSession(parties=parties).share([1e-30, 0, -1e-30], bounds=(-1e-29, 1e-29), frac_bits=120)
    assert tc.floor(x).reveal().tolist() == [0, 0, -1]
    assert tc.ceil(x).reveal().tolist() == [1, 0, 0]
    assert tc.round(x).reveal().tolist() == [0, 0, 0]


@pytest.mark.parametrize("parties", [False, True], ids=["oracle", "parties"])
def test_choices_whose_difference_fits_at_fewer_bits_only(parties: bool) -> None:
    x = TrioSession(parties=parties).share([993.0, 138.67, 0.0, 0.0], bounds=(-7, 993), frac_bits=40)
    spread = tc.var(tc.reshape(x, (2, 2)), axis=1)
    expected = [((993.0 - 138.67) / 2) ** 2, 0]
    assert np.allclose(tc.abs(spread).reveal(), expected, rtol=1e-8, atol=2.0**-35)
    assert np.allclose(tc.where(spread > 1, spread, -spread).reveal(), expected, rtol=1e-8, atol=2.0**-35)
