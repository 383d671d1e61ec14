"""NIST's reference sets for linear regression (StRD): how many certified digits OLS under sharing finds."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm

import tercet as tc
from tercet.stats import OLS, add_constant

NORRIS = """
0.1 0.2 338.8 337.4 118.1 118.2 888.0 884.6 9.2 10.1 228.1 226.5 668.5 666.3 998.5 996.3 449.1 448.6 778.9
777.0 559.2 558.2 0.3 0.4 0.1 0.6 778.1 775.5 668.8 666.9 339.3 338.0 448.9 447.5 10.8 11.6 557.7 556.0 228.3
228.1 998.0 995.8 888.8 887.6 119.6 120.2 0.3 0.3 0.6 0.3 557.6 556.8 339.3 339.1 888.0 887.2 998.5 999.0
778.9 779.0 10.2 11.1 117.6 118.3 228.9 229.2 668.4 669.1 449.2 448.9 0.2 0.5
"""
"""y and x in turn."""
ERRORS = np.array([759, -2048, 2048, -2048, 2523, -2048, 2048, -2048, 1838, -2048, 2048, -2048])
ERRORS = np.append(ERRORS, [1838, -2048, 2048, -2048, 2523, -2048, 2048, -2048, 759])
POWERS = np.arange(21)[:, None] ** np.arange(1, 6)
WAMPLER_ERRORS = [
    2152.32624678170,
    2363.55173469681,
    779.343524331583,
    101.475507550350,
    5.64566512170752,
    0.112324854679312,
]


def sets() -> Iterator[tuple[str, Any, Any, bool, list[float], list[float]]]:
    """Name, columns, y, whether there is a constant, certified coefficients and standard errors."""
    y, x = np.array(NORRIS.split(), dtype=float).reshape(-1, 2).T
    yield (
        "Norris",
        x[:, None],
        y,
        True,
        [-0.262323073774029, 1.00211681802045],
        [0.232818234301152, 0.429796848199937e-3],
    )
    x = np.arange(60, 71)
    yield "NoInt1", x[:, None], x + 70, False, [2.07438016528926], [0.165289256198347e-1]
    yield "NoInt2", np.array([[4], [5], [6]]), np.array([3, 4, 4]), False, [0.727272727272727], [0.420827318078432e-1]
    data = sm.datasets.longley.load_pandas()
    coef = [-3482258.63459582, 15.0618722713733, -0.358191792925910e-1, -2.02022980381683, -1.03322686717359]
    errors = [890420.383607373, 84.9149257747669, 0.334910077722432e-1, 0.488399681651699, 0.214274163161675]
    coef, errors = [*coef, -0.511041056535807e-1, 1829.15146461355], [*errors, 0.226073200069370, 455.478499142212]
    yield "Longley", data.exog.to_numpy(), data.endog.to_numpy(), True, coef, errors
    smooth = 1 + POWERS.sum(axis=1)
    tenths = np.round(1 + POWERS @ 10.0 ** -np.arange(1, 6), 5)
    yield "Wampler1", POWERS, smooth, True, [1.0] * 6, [0.0] * 6
    yield "Wampler2", POWERS, tenths, True, [1, 0.1, 0.01, 0.001, 0.0001, 0.00001], [0.0] * 6
    for number, size in ((3, 1), (4, 100), (5, 10_000)):
        yield (
            f"Wampler{number}",
            POWERS,
            smooth + size * ERRORS,
            True,
            [1.0] * 6,
            [size * one for one in WAMPLER_ERRORS],
        )


def digits(found: Any, certified: list[float]) -> float:
    """The least number of digits that agree; of a certified 0 those behind the point. 15 at most."""
    wanted = np.asarray(certified)
    error = np.abs(np.asarray(found) - wanted) / np.where(wanted == 0, 1, np.abs(wanted))
    return min(15.0, *(-math.log10(max(one, 1e-15)) for one in error))


def shared(session: Any, values: Any) -> Any:
    """Whole numbers as such, others at 40 fractional bits."""
    values = np.asarray(values)
    top = float(2 ** np.ceil(np.log2(np.abs(values).max() + 1)))
    if (values == values.round()).all():
        return session.share(values.astype(np.int64), bounds=(-top, top))
    return session.share(values, bounds=(-top, top), frac_bits=min(40, 54 - round(math.log2(top))))


LEAST = {
    "Norris": (8, 7),
    "NoInt1": (11, 9),
    "NoInt2": (11, 11),
    "Longley": (8, 8),
    "Wampler1": (9, -1),
    "Wampler2": (8, 4),
    "Wampler3": (8, 7),
    "Wampler4": (8, 7),
    "Wampler5": (8, 7),
}
"""Digits of coefficients and of standard errors. Errors of a perfect fit are certified as 0, beside y of 3 million."""


@pytest.fixture(scope="module")
def net() -> Iterator[Any]:
    with tc.local() as session:
        yield session


@pytest.mark.parametrize("name", LEAST)
def test_certified_digits(net: Any, name: str) -> None:
    _, x, y, constant, coef, errors = next(one for one in sets() if one[0] == name)
    columns: Any = {f"x{place}": shared(net, x[:, place]) for place in range(x.shape[1])}
    found = OLS(shared(net, y), add_constant(columns) if constant else columns).fit().reveal()
    matrix = np.column_stack([np.ones(len(y)), x]) if constant else x.astype(float)
    plain = np.linalg.lstsq(matrix.astype(float), y, rcond=None)[0]
    ours = digits(found.params, coef), digits(found.bse, errors)
    print(f"| {name} | {ours[0]:.1f} | {ours[1]:.1f} | {digits(plain, coef):.1f} |")
    assert ours[0] >= LEAST[name][0] and ours[1] >= LEAST[name][1]
    assert not found.aliased.any()
