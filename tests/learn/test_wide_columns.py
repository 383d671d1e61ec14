"""Quotients of wide columns, as cents by 100, which have more fractional bits than products of two of them hold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import sklearn.decomposition
import sklearn.discriminant_analysis
import sklearn.linear_model
import sklearn.naive_bayes
import sklearn.preprocessing
import statsmodels.api

import tercet as tc
import tercet.array as xp
from tercet import stats
from tercet.array import numeric
from tercet.decomposition import PCA
from tercet.discriminant_analysis import LinearDiscriminantAnalysis
from tercet.linear_model import LinearRegression, LogisticRegression, Ridge
from tercet.naive_bayes import GaussianNB
from tercet.preprocessing import StandardScaler

RNG = np.random.default_rng(1)
CENTS, OTHER = RNG.integers(0, 5000_00, 120), RNG.integers(0, 5, 120)
PLAIN = np.stack([CENTS / 100, OTHER], axis=1)
CLASSES = RNG.random(120) < 1 / (1 + np.exp(-(CENTS / 200_000 - 1 + 0.3 * OTHER)))


@pytest.fixture(scope="module")
def net() -> Iterator[tc.Session]:
    with tc.local() as session:
        yield session


@pytest.fixture(scope="module")
def columns(net: tc.Session) -> Any:
    cents, other = net.share(CENTS, bounds=(0, 100_000_00)), net.share(OTHER, bounds=(0, 10))
    return xp.stack([cents / 100, other], axis=1)


@pytest.mark.parametrize(
    ("model", "reference", "attribute"),
    [
        (LinearRegression(), sklearn.linear_model.LinearRegression(), "coef_"),
        (Ridge(), sklearn.linear_model.Ridge(), "coef_"),
        (LogisticRegression(), sklearn.linear_model.LogisticRegression(tol=1e-10, max_iter=999), "coef_"),
        (LinearDiscriminantAnalysis(), sklearn.discriminant_analysis.LinearDiscriminantAnalysis(), "coef_"),
        (GaussianNB(), sklearn.naive_bayes.GaussianNB(), "theta_"),
        (PCA(), sklearn.decomposition.PCA(), "explained_variance_"),
        (StandardScaler(), sklearn.preprocessing.StandardScaler(), "scale_"),
    ],
)
def test_models_take_them(net: tc.Session, columns: Any, model: Any, reference: Any, attribute: str) -> None:
    numbers = attribute == "coef_" and "Regression" in type(model).__name__ and not hasattr(model, "decision_function")
    plain = OTHER + CENTS / 1000 if numbers or isinstance(model, Ridge) else CLASSES
    y = net.share(plain, bounds=(0, 10_000)) if plain.dtype.kind == "f" else net.share(plain)
    found = getattr(model.fit(columns, y), attribute).reveal()
    np.testing.assert_allclose(found, getattr(reference.fit(PLAIN, plain), attribute), rtol=2e-5)


def test_regressions_of_statistics_take_them(net: tc.Session, columns: Any) -> None:
    plain = OTHER + CENTS / 1000
    found = stats.OLS(net.share(plain, bounds=(0, 10_000)), columns).fit()
    np.testing.assert_allclose(found.params.reveal(), np.linalg.lstsq(PLAIN, plain)[0], rtol=2e-5)
    named = stats.Logit(net.share(CLASSES), {"pay": columns[:, 0], "other": columns[:, 1]}).fit()
    reference = statsmodels.api.Logit(CLASSES, PLAIN).fit(disp=0)
    np.testing.assert_allclose(named.params.reveal(), reference.params, rtol=2e-5)


def test_only_what_is_too_fine_is_rounded(net: tc.Session) -> None:
    fine, coarse = net.share(np.array([[0.1], [1e4]]), frac_bits=40, bounds=(0, 2**17)), net.share([[3], [4]])
    both = xp.concat([fine, coarse], axis=1)
    found = numeric.columns_within(both, 42, 20)
    np.testing.assert_allclose(found.reveal(), [[0.1, 3], [1e4, 4]], rtol=0, atol=2.0**-24)
    assert numeric.column_parts(found)[1].frac_bits == 0
    assert numeric.columns_within(coarse, 42, 20) is coarse
    narrow = net.share(np.array([[0.1]]), frac_bits=40, bounds=(0, 1))
    assert numeric.columns_within(narrow, 42, 20) is narrow
