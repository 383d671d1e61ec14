"""NIST's reference sets (StRD): how many certified digits are found under sharing.

`docs/accuracy.md` has them all, beside those of NumPy and SciPy.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import tercet as tc
from reference_sets import digits, linear, univariate, variance
from tercet import stats

SETS = {one.name: one for one in linear()}
LEAST = {
    "Norris": (8, 7),
    "Pontius": (8, 6.5),
    "NoInt1": (11, 9),
    "NoInt2": (11, 11),
    "Longley": (8, 8),
    "Wampler1": (9, -1),
    "Wampler2": (8, 4),
    "Wampler3": (8, 7),
    "Wampler4": (8, 7),
    "Wampler5": (8, 7),
}
"""Digits of coefficients and of standard errors. Errors of a perfect fit are certified as 0, beside y of 3 million.
Those of Pontius rest on what is left of the variance, 1e-7 of it at 48 bits: from run to run 7.1 and more."""


@pytest.fixture(scope="module")
def net() -> Iterator[Any]:
    with tc.local() as session:
        yield session


def shared(session: Any, values: Any) -> Any:
    """Whole numbers as such, others with as many fractional bits as fit floats."""
    values = np.asarray(values)
    top = float(2 ** np.ceil(np.log2(np.abs(values).max() + 1)))
    if (values == values.round()).all():
        return session.share(values.astype(np.int64), bounds=(-top, top))
    return session.share(values, bounds=(-top, top), frac_bits=min(40, 54 - round(np.log2(top))))


def fitted(net: Any, name: str) -> Any:
    data = SETS[name]
    columns: Any = {f"x{place}": shared(net, data.x[:, place]) for place in range(data.x.shape[1])}
    return stats.OLS(shared(net, data.y), stats.add_constant(columns) if data.constant else columns).fit().reveal()


@pytest.mark.parametrize("name", LEAST)
def test_certified_digits_of_linear_regressions(net: Any, name: str) -> None:
    found = fitted(net, name)
    assert digits(found.params, SETS[name].coef) >= LEAST[name][0]
    assert digits(found.bse, SETS[name].errors) >= LEAST[name][1]
    assert not found.aliased.any()


def test_a_polynomial_of_degree_10_says_what_it_leaves_out(net: Any) -> None:
    assert fitted(net, "Filip").aliased.any()


def test_means_and_deviations_have_all_certified_digits(net: Any) -> None:
    for name, whole, decimals, mean, std in univariate():
        x = net.share(np.array(whole), bounds=(min(whole), max(whole)))
        found = stats.together(stats.mean.pending(x), stats.std.pending(x))
        assert digits([one / 10**decimals for one in found], [mean, std]) >= 14, name


@pytest.mark.parametrize("name", ["SiRstv", "AtmWtAg", "SmLs01", "SmLs05", "SmLs07"])
def test_certified_digits_of_analyses_of_variance(net: Any, name: str) -> None:
    groups, whole, _, certified = variance(name)
    x = net.share(whole, bounds=(int(whole.min()), int(whole.max())))
    found = stats.f_oneway(x, by=net.share(groups - 1, bounds=(0, int(groups.max()) - 1)))
    assert digits(found.statistic, certified) >= 8
