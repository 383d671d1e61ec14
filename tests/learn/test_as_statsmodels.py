"""Results as objects of statsmodels, and fitted models of statsmodels shared by their owner."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm

import tercet as tc
from tercet import stats
from tercet.errors import InputError
from tercet.stats import add_constant, families, from_statsmodels

RNG = np.random.default_rng(3)
X = RNG.integers(0, 64, (200, 2)) / 16
MATRIX = sm.add_constant(X)
ETA = 0.4 * X[:, 0] - 0.3 * X[:, 1]
MEAN = np.exp(ETA)
COUNTS, CHOICE, REAL = RNG.poisson(MEAN), (RNG.random(200) < 1 / (1 + np.exp(-ETA))).astype(int), RNG.gamma(3, MEAN / 3)
MIXED = np.random.default_rng(5).negative_binomial(2, 2 / (2 + MEAN))
CLASSES = RNG.integers(0, 3, 200)
TIGHT: dict[str, Any] = {"disp": 0, "method": "newton", "tol": 1e-14}

FITS: dict[str, tuple[Any, Any]] = {
    "OLS": (lambda: stats.OLS(REAL, add_constant(X)).fit(), lambda: sm.OLS(REAL, MATRIX).fit()),
    "OLS HC1": (
        lambda: stats.OLS(REAL, add_constant(X)).fit(cov_type="HC1"),
        lambda: sm.OLS(REAL, MATRIX).fit(cov_type="HC1"),
    ),
    "Logit": (lambda: stats.Logit(CHOICE, add_constant(X)).fit(), lambda: sm.Logit(CHOICE, MATRIX).fit(**TIGHT)),
    "Probit": (lambda: stats.Probit(CHOICE, add_constant(X)).fit(), lambda: sm.Probit(CHOICE, MATRIX).fit(**TIGHT)),
    "Poisson": (lambda: stats.Poisson(COUNTS, add_constant(X)).fit(), lambda: sm.Poisson(COUNTS, MATRIX).fit(**TIGHT)),
    "GLM": (
        lambda: stats.GLM(REAL, add_constant(X), family=families.Gamma(link="log")).fit(maxiter=14),
        lambda: sm.GLM(REAL, MATRIX, family=sm.families.Gamma(sm.families.links.Log())).fit(tol=1e-14),
    ),
    "GLM counts": (
        lambda: stats.GLM(COUNTS, add_constant(X), family=families.NegativeBinomial(alpha=0.5)).fit(maxiter=14),
        lambda: sm.GLM(COUNTS, MATRIX, family=sm.families.NegativeBinomial(alpha=0.5)).fit(tol=1e-14),
    ),
    "NegativeBinomial": (
        lambda: stats.NegativeBinomial(MIXED, add_constant(X)).fit(maxiter=20),
        lambda: sm.NegativeBinomial(MIXED, MATRIX).fit(**TIGHT),
    ),
    "MNLogit": (
        lambda: stats.MNLogit(CLASSES, add_constant(X)).fit(),
        lambda: sm.MNLogit(CLASSES, MATRIX).fit(**TIGHT),
    ),
}


@pytest.fixture(scope="module")
def net() -> Iterator[Any]:
    with tc.local() as session:
        yield session


def lines(text: str) -> list[str]:
    dated = ("Date", "Time", "No. Iter")
    return [line.rstrip() for line in text.splitlines() if not line.startswith(dated)]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", FITS)
def test_statsmodels_own_objects_predict_and_print_the_same(name: str) -> None:
    ours, theirs = (make() for make in FITS[name])
    found = ours.reveal().to_statsmodels()
    assert type(found) is type(theirs)
    assert np.allclose(found.predict(MATRIX[:9]), theirs.predict(MATRIX[:9]), rtol=1e-6)
    for figure in ("params", "bse", "pvalues", "llf", "aic", "nobs", "df_resid", "df_model"):
        assert np.allclose(getattr(found, figure), getattr(theirs, figure), rtol=1e-5, atol=1e-10), figure
    table, reference = lines(str(found.summary())), lines(str(theirs.summary()))
    if name.startswith("OLS"):
        reference = reference[: next(place for place, line in enumerate(reference) if line.startswith("Omnibus"))]
    assert table[2 : len(reference) - 1] == [line.replace("YES", "  y") for line in reference][2:-1]
    with pytest.raises(ValueError, match="cov"):
        found.cov_params()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [name for name in FITS if name != "OLS HC1"])
def test_a_plain_model_predicts_on_others_data(net: Any, name: str) -> None:
    plain = FITS[name][1]()
    model = from_statsmodels(plain, net)
    rows = net.share(X[:9], bounds=(0, 4))
    found = model.predict(add_constant(rows)).reveal()
    assert np.allclose(found, plain.predict(MATRIX[:9]), rtol=1e-4, atol=1e-5)
    assert model.predict(add_constant(rows), which="linear").reveal().shape[0] == 9


@pytest.mark.filterwarnings("ignore")
def test_it_is_kept_and_what_is_not_taken_is_refused(net: Any) -> None:
    inverse = sm.GLM(REAL, MATRIX, family=sm.families.Gamma()).fit()
    from_statsmodels(inverse, net).save(net, "claims")
    again = net.load("claims")
    rows = net.share(X[:9], bounds=(0, 4))
    assert np.allclose(again.predict(add_constant(rows)).reveal(), inverse.predict(MATRIX[:9]), rtol=1e-4)
    alone = from_statsmodels(sm.OLS(REAL, X).fit(), net)
    assert np.allclose(alone.predict(rows).reveal(), sm.OLS(REAL, X).fit().predict(X[:9]), atol=1e-5)
    for call, said in [
        (lambda: again.predict(rows), "the model has the columns const, x1, x2"),
        (lambda: from_statsmodels(sm.RLM(REAL, MATRIX).fit(), net), "RLM is no fitted model of statsmodels"),
        (lambda: from_statsmodels(3, net), "is no fitted model"),
    ]:
        with pytest.raises(InputError, match=said):
            call()
