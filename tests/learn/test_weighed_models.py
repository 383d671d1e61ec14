"""Generalised linear models with weights of rows, and with robust errors, beside statsmodels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm

import tercet as tc
from tercet.errors import InputError
from tercet.stats import GLM, Logit, MNLogit, NegativeBinomial, Poisson, Probit, add_constant, families

TIGHT: dict[str, Any] = {"tol": 1e-14, "maxiter": 100}
FIGURES = ["llf", "aic", "deviance", "pearson_chi2", "scale", "df_resid", "llnull"]


@pytest.fixture(scope="module")
def net() -> Iterator[Any]:
    with tc.local() as session:
        yield session


def data(name: str) -> tuple[Any, Any, Any, Any]:
    """Columns, y, and the family here and in statsmodels."""
    rng = np.random.default_rng(4)
    x = {"a": rng.integers(0, 40, 300) / 8, "b": rng.integers(0, 3, 300)}
    eta = 0.3 * x["a"] - 0.4 * x["b"]
    mean = np.exp(eta)
    y = {
        "Poisson": rng.poisson(mean),
        "Binomial": (rng.random(300) < 1 / (1 + np.exp(-eta))).astype(int),
        "Gaussian": np.round(eta + rng.normal(size=300), 3),
        "Gamma": np.round(rng.gamma(2, mean / 2) + 0.05, 3),
        "GammaLog": np.round(rng.gamma(2, mean / 2) + 0.05, 3),
        "GaussianLog": np.round(np.maximum(mean + rng.normal(size=300) * 0.3, 0), 3),
        "Dispersed": rng.negative_binomial(2, 2 / (2 + mean)),
    }[name]
    links = sm.families.links
    ours, theirs = {
        "Poisson": (families.Poisson(), sm.families.Poisson()),
        "Binomial": (families.Binomial(), sm.families.Binomial()),
        "Gaussian": (families.Gaussian(), sm.families.Gaussian()),
        "Gamma": (families.Gamma(), sm.families.Gamma()),
        "GammaLog": (families.Gamma(link="log"), sm.families.Gamma(links.Log())),
        "GaussianLog": (families.Gaussian(link="log"), sm.families.Gaussian(links.Log())),
        "Dispersed": (families.NegativeBinomial(alpha=0.5), sm.families.NegativeBinomial(alpha=0.5)),
    }[name]
    return x, y, ours, theirs


def weights(kind: str) -> dict[str, Any]:
    rng = np.random.default_rng(9)
    found = {"freq_weights": rng.integers(1, 5, 300), "var_weights": rng.integers(1, 60, 300) / 16}
    return {name: found[name] for name in found if kind in (name, "both")}


def alike(found: Any, wanted: Any, figures: list[str]) -> None:
    assert found.converged
    assert np.allclose(found.params, wanted.params, rtol=1e-6, atol=1e-9)
    assert np.allclose(found.bse, wanted.bse, rtol=1e-5, atol=0)
    for name in figures:
        assert getattr(found, name) == pytest.approx(getattr(wanted, name), rel=1e-5), name


EVERY = ["Poisson", "Binomial", "Gaussian", "GammaLog", "GaussianLog", "Dispersed"]
WEIGHTS = ["freq_weights", "var_weights", "both"]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("name", "kind"),
    # those of variances are refused for Gamma, by name
    [(name, kind) for name in EVERY for kind in WEIGHTS if "Gamma" not in name or kind == "freq_weights"],
)
def test_weights_on_numpy(name: str, kind: str) -> None:
    x, y, ours, theirs = data(name)
    design = sm.add_constant(np.column_stack(list(x.values())))
    for cov_type in ("nonrobust", "HC0"):
        wanted = sm.GLM(y, design, family=theirs, **weights(kind)).fit(cov_type=cov_type, **TIGHT)
        found = GLM(y, add_constant(x), family=ours, **weights(kind)).fit(maxiter=16, cov_type=cov_type).reveal()
        alike(found, wanted, FIGURES)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [*EVERY, "Gamma", "Logit", "Probit", "Counts"])
def test_robust_errors_on_numpy(name: str) -> None:
    alone = {"Logit": (Logit, "Binomial"), "Probit": (Probit, "Binomial"), "Counts": (Poisson, "Poisson")}
    x, y, ours, theirs = data(alone.get(name, (None, name))[1])
    design, groups = sm.add_constant(np.column_stack(list(x.values()))), np.arange(300) % 23
    for cov_type, kwds in (("HC0", {}), ("HC1", {}), ("HC3", {}), ("cluster", {"groups": groups})):
        if name in alone:
            make = alone[name][0]
            reference = getattr(sm, make.__name__)(y, design)
            wanted = reference.fit(disp=0, cov_type=cov_type, cov_kwds=kwds, method="newton", **TIGHT)
            model = make(y, add_constant(x))
        else:
            wanted = sm.GLM(y, design, family=theirs).fit(cov_type=cov_type, cov_kwds=kwds, **TIGHT)
            model = GLM(y, add_constant(x), family=ours)
        found = model.fit(maxiter=16, cov_type=cov_type, cov_kwds=kwds).reveal()
        alike(found, wanted, ["llf"])
        assert "cov_type" in dir(found) and cov_type in str(found.summary())


def shared(net: Any, x: dict[str, Any], y: Any) -> tuple[dict[str, Any], Any]:
    columns = {"a": net.share(x["a"], bounds=(0, 8)), "b": net.share(x["b"], bounds=(0, 3))}
    if set(np.unique(y)) <= {0, 1}:
        return columns, net.share(y.astype(bool))
    return columns, net.share(y, bounds=(0, 63)) if (y == y.round()).all() else net.share(
        y, bounds=(0, 64), frac_bits=30
    )


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["Poisson", "Binomial", "GammaLog"])
def test_under_sharing(net: Any, name: str) -> None:
    x, y, ours, theirs = data(name)
    design, groups = sm.add_constant(np.column_stack(list(x.values()))), np.arange(300) % 23
    columns, target = shared(net, x, y)
    kind = "freq_weights" if name == "GammaLog" else "both"
    given = weights(kind)
    secret = {one: net.share(given[one], bounds=(0, 4)) for one in given}
    wanted = sm.GLM(y, design, family=theirs, **given).fit(**TIGHT)
    found = GLM(target, add_constant(columns), family=ours, **secret).fit(maxiter=8).reveal()
    alike(found, wanted, FIGURES)
    wanted = sm.GLM(y, design, family=theirs, **given).fit(cov_type="HC0", **TIGHT)
    found = GLM(target, add_constant(columns), family=ours, **given).fit(maxiter=8, cov_type="HC0").reveal()
    alike(found, wanted, FIGURES)
    wanted = sm.GLM(y, design, family=theirs).fit(cov_type="cluster", cov_kwds={"groups": groups}, **TIGHT)
    codes = {"groups": net.share(groups, bounds=(0, 22))}
    found = GLM(target, add_constant(columns), family=ours).fit(maxiter=8, cov_type="cluster", cov_kwds=codes).reveal()
    alike(found, wanted, ["llf"])
    assert found.revealed.rows == 300


def of_several(name: str) -> tuple[Any, Any, Any]:
    """The model here, columns and y."""
    x, y, _, _ = data("Dispersed")
    if name == "NegativeBinomial":
        return NegativeBinomial, x, y
    noise = np.random.default_rng(11).normal(size=300)
    return MNLogit, x, np.clip(x["a"] + 2 * noise, 0, 5.9).astype(int) // 2


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["NegativeBinomial", "MNLogit"])
def test_robust_errors_of_more_parameters(net: Any, name: str) -> None:
    make, x, y = of_several(name)
    design, groups = sm.add_constant(np.column_stack(list(x.values()))), np.arange(300) % 23
    columns, codes = shared(net, x, y)[0], {"groups": net.share(groups, bounds=(0, 22))}
    target = net.share(y, bounds=(0, int(y.max())))
    for cov_type, kwds in (("HC0", None), ("HC3", None), ("cluster", {"groups": groups})):
        wanted = getattr(sm, name)(y, design).fit(cov_type=cov_type, cov_kwds=kwds, disp=0, method="newton", **TIGHT)
        found = make(y, add_constant(x)).fit(maxiter=24, cov_type=cov_type, cov_kwds=kwds).reveal()
        alike(found, wanted, ["llf"])
        assert "Covariance Type:" in (printed := str(found.summary())) and cov_type in printed
    found = make(target, add_constant(columns)).fit(maxiter=12, cov_type="cluster", cov_kwds=codes).reveal()
    alike(found, wanted, ["llf"])


@pytest.mark.parametrize("make", [Logit, Poisson, NegativeBinomial, MNLogit])
def test_weights_that_statsmodels_does_not_take_either(make: Any) -> None:
    x, y, _, _ = data("Binomial")
    with pytest.raises(InputError, match=f"{make.title} takes no freq_weights.* takes"):
        make(y, add_constant(x), freq_weights=np.ones(300))


@pytest.mark.parametrize("shared", [False, True], ids=["plain", "shared"])
def test_rare_outcomes_with_weights_are_met_in_the_passes_made_by_default(net: Any, shared: bool) -> None:
    rng = np.random.default_rng(4)
    x = np.round(rng.normal(size=(3000, 1)).clip(-3, 3) * 2**12) / 2**12
    y, times = (rng.random(3000) < 1 / (1 + np.exp(7 - x[:, 0]))).astype(int), rng.integers(1, 3, 3000)
    assert 0 < y.sum() < 10
    wanted = sm.GLM(y, sm.add_constant(x), family=sm.families.Binomial(), freq_weights=times).fit(**TIGHT)
    given = (net.share(y, bounds=(0, 1)), net.share(x, bounds=(-4, 4)), net.share(times, bounds=(0, 4)))
    outcome, columns, weights = given if shared else (y, x, times)
    found = GLM(outcome, add_constant(columns), family=families.Binomial(), freq_weights=weights).fit().reveal()
    assert found.converged and np.allclose(found.params, wanted.params, rtol=1e-5)
