"""Generalised linear models of numbers whose bounds are far wider than they are, or were not given at all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm

import tercet as tc
from tercet.errors import InputError
from tercet.learn.units import within_one
from tercet.linear_model import LogisticRegression
from tercet.naive_bayes import MultinomialNB
from tercet.stats import GLM, WLS, add_constant, families

TIGHT: dict[str, Any] = {"tol": 1e-14, "maxiter": 100}
DRAW = np.random.default_rng(0)
N = 300


def decimals(x: Any) -> Any:
    return np.round(x * 2**16) / 2**16


X = decimals(DRAW.normal(size=(N, 2)).clip(-3, 3))
MEANS = 1 / (0.5 + 0.1 * X[:, 0] + 0.05 * X[:, 1]).clip(0.1)
GAMMA = decimals(DRAW.gamma(2, MEANS / 2)) + 2**-16
NORMAL = decimals(3 + X @ [1, -0.5] + DRAW.normal(size=N))
GROWTH = decimals((np.exp(0.5 + 0.3 * X[:, 0]) + DRAW.normal(size=N) / 10).clip(0.01))
COUNTS = DRAW.poisson(np.exp(0.5 + X @ [0.5, -0.3]))
WEIGHTS = decimals(DRAW.uniform(0.5, 2, N))
HOW_MANY = DRAW.integers(0, 4, N)
TRIALS = DRAW.integers(1, 20, N)
BOTH = np.stack([won := DRAW.binomial(TRIALS, 1 / (1 + np.exp(-X @ [0.5, -0.3]))), TRIALS - won], axis=1)


@pytest.fixture(scope="module")
def net() -> Iterator[tc.Session]:
    with tc.local() as session:
        yield session


def agrees(found: Any, wanted: Any) -> None:
    assert found.converged
    assert np.allclose(found.params, wanted.params, rtol=1e-6) and np.allclose(found.bse, wanted.bse, rtol=1e-6)
    for name in ("llf", "llnull", "deviance", "pearson_chi2", "scale"):
        # logarithms of factorials are of 16 fractional bits
        assert getattr(found, name) == pytest.approx(getattr(wanted, name), rel=2e-5), name


LOG = sm.families.links.Log()
CASES: dict[str, tuple[Any, Any, Any, dict[str, Any]]] = {
    "Gamma": (GAMMA, families.Gamma, sm.families.Gamma(), {}),
    "Gamma, logarithm": (GAMMA, lambda: families.Gamma(link="log"), sm.families.Gamma(LOG), {}),
    "Gamma, freq_weights": (GAMMA, families.Gamma, sm.families.Gamma(), {"freq_weights": HOW_MANY}),
    "Gaussian": (NORMAL, families.Gaussian, sm.families.Gaussian(), {}),
    "Gaussian, var_weights": (NORMAL, families.Gaussian, sm.families.Gaussian(), {"var_weights": WEIGHTS}),
    "Gaussian, logarithm": (GROWTH, lambda: families.Gaussian("log"), sm.families.Gaussian(LOG), {}),
    "Poisson": (COUNTS, families.Poisson, sm.families.Poisson(), {}),
    "Poisson, freq_weights": (COUNTS, families.Poisson, sm.families.Poisson(), {"freq_weights": HOW_MANY}),
    "Dispersed": (
        COUNTS,
        lambda: families.NegativeBinomial(alpha=0.5),
        sm.families.NegativeBinomial(alpha=0.5),
        {},
    ),
    "Binomial": (BOTH, families.Binomial, sm.families.Binomial(), {}),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CASES)
def test_nothing_need_be_declared(net: Any, name: str) -> None:
    y, own, family, weights = CASES[name]
    wanted = sm.GLM(y, sm.add_constant(X), family=family, **weights).fit(**TIGHT)
    shared = {key: net.share(value) for key, value in weights.items()}
    agrees(GLM(net.share(y), add_constant(net.share(X)), family=own(), **shared).fit().reveal(), wanted)
    agrees(GLM(y, add_constant(X), family=own(), **weights).fit().reveal(), wanted)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("bounds", [(0, 2**4), (0, 2**10), (0, 2**20), (0, 2**26)])
def test_bounds_far_above_y(net: Any, bounds: Any) -> None:
    wanted = sm.GLM(GAMMA, sm.add_constant(X), family=sm.families.Gamma()).fit(**TIGHT)
    y = net.share(GAMMA, bounds=bounds)
    results = GLM(y, add_constant(net.share(X)), family=families.Gamma()).fit(cov_type="HC0")
    robust = sm.GLM(GAMMA, sm.add_constant(X), family=sm.families.Gamma()).fit(**TIGHT, cov_type="HC0")
    found = results.reveal()
    assert np.allclose(found.params, wanted.params, rtol=1e-7) and np.allclose(found.bse, robust.bse, rtol=1e-6)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["Gaussian", "Gamma", "Poisson"])
def test_offsets_are_in_the_units_of_what_is_predicted(net: Any, kind: str) -> None:
    y = {"Gaussian": NORMAL, "Gamma": GAMMA, "Poisson": COUNTS}[kind]
    offset = decimals(np.abs(X[:, 1]) / 8)
    wanted = sm.GLM(y, sm.add_constant(X), family=getattr(sm.families, kind)(), offset=offset).fit(**TIGHT)
    own = getattr(families, kind)
    for session in (None, net):
        shared = (lambda x: x) if session is None else session.share
        found = GLM(shared(y), add_constant(shared(X)), family=own(), offset=shared(offset)).fit(12).reveal()
        assert np.allclose(found.params, wanted.params, rtol=1e-6) and np.allclose(found.bse, wanted.bse, rtol=1e-6)


@pytest.mark.parametrize("weights", [HOW_MANY + 1, WEIGHTS], ids=["whole", "decimals"])
def test_weights_of_least_squares(net: Any, weights: Any) -> None:
    wanted = sm.WLS(NORMAL, sm.add_constant(X), weights=weights).fit()
    found = WLS(net.share(NORMAL), add_constant(net.share(X)), weights=net.share(weights)).fit().reveal()
    assert np.allclose(found.params, wanted.params, rtol=1e-8) and np.allclose(found.bse, wanted.bse, rtol=1e-8)
    assert found.llf == pytest.approx(wanted.llf, rel=1e-6) and found.rsquared == pytest.approx(wanted.rsquared)


TINY: dict[str, Any] = {
    "WLS": lambda y, counts, x, weights: WLS(y, x, weights=weights),
    "variance": lambda y, counts, x, weights: GLM(y, x, var_weights=weights),
    "counts": lambda y, counts, x, weights: GLM(counts, x, family=families.Poisson(), freq_weights=weights),
}


@pytest.mark.parametrize("shared", [False, True], ids=["plain", "shared"])
@pytest.mark.parametrize("name", TINY)
def test_public_weights_far_below_1_give_what_their_multiples_do(net: Any, name: str, shared: bool) -> None:
    wanted = TINY[name](NORMAL, COUNTS, add_constant(X), WEIGHTS).fit().reveal()
    y, counts, x = (net.share(NORMAL), net.share(COUNTS), net.share(X)) if shared else (NORMAL, COUNTS, X)
    found = TINY[name](y, counts, add_constant(x), 1e-9 * WEIGHTS).fit().reveal()
    errors = found.bse * (1e-9**0.5 if name == "counts" else 1)
    assert np.allclose(found.params, wanted.params, rtol=1e-6) and np.allclose(errors, wanted.bse, rtol=1e-6)


def test_counts_without_bounds_in_naive_bayes_and_too_wide_weights_of_classifiers(net: Any) -> None:
    ill = X[:, 0] > 0
    rows = np.stack([COUNTS, HOW_MANY], axis=1)
    found = MultinomialNB().fit(net.share(rows), net.share(ill), sample_weight=net.share(HOW_MANY))
    wanted = MultinomialNB().fit(rows, ill, sample_weight=HOW_MANY)
    assert np.allclose(tc.reveal(found.feature_log_prob_), wanted.feature_log_prob_, rtol=1e-8)
    with pytest.raises(InputError, match="sample_weight reaches to 2147483648 by its bounds"):
        LogisticRegression().fit(net.share(X), net.share(ill), sample_weight=net.share(HOW_MANY))


def test_secret_counts_below_0_count_as_0(net: Any) -> None:
    y = COUNTS.copy()
    y[:9] = -5
    found = GLM(net.share(y), add_constant(net.share(X)), family=families.Poisson()).fit().reveal()
    wanted = sm.GLM(y.clip(0), sm.add_constant(X), family=sm.families.Poisson()).fit(**TIGHT)
    assert np.allclose(found.params, wanted.params, rtol=1e-6)


@pytest.mark.parametrize("largest", [0.0, 2.0**-15, 0.875, 7.0, 2.0**19])
def test_units(net: Any, largest: float) -> None:
    x = np.array([largest, -largest / 2, 0.0])
    values, unit = within_one(net.share(x), 40)
    found, back, half, log = tc.reveal(
        values, unit.times(values, 1), unit.times(unit.times(values, -0.5), 0.5), unit.logarithm + values * 0
    )
    assert np.abs(found).max() <= 1 and (np.abs(found).max() >= 1 / 8 or largest < 2**-10)
    assert np.allclose(back, x, rtol=1e-6, atol=1e-9) and np.allclose(half, found, atol=1e-6)
    if largest >= 2**-15:
        assert log[0] == pytest.approx(np.log(x[0] / found[0]), abs=1e-4)
