"""Generalised linear models beside statsmodels, on the data that it ships."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

import tercet as tc
from plan_trio import TrioSession
from tercet.errors import InputError
from tercet.learn.generalized import GeneralizedResults
from tercet.plan.network import LAN
from tercet.plan.plan import OutputKind
from tercet.plan.record.compile import Wanted, compile_plan
from tercet.plan.rows.states import Aggregate, Rows
from tercet.plan.rows.track import track
from tercet.stats import GLM, Logit, Poisson, Probit, add_constant, families, glm, logit, poisson, probit

TIGHT: dict[str, Any] = {"tol": 1e-14, "maxiter": 100}
GENERAL = ["llf", "llnull", "aic", "deviance", "pearson_chi2", "scale"]
DISCRETE = ["llf", "llnull", "aic", "bic", "prsquared", "llr"]


@pytest.fixture(scope="module")
def net() -> Iterator[Any]:
    with tc.local() as session:
        yield session


def case(name: str) -> tuple[Any, Any, Any, Any, list[str]]:
    """Columns, y, how the model is made of both, statsmodels' results, and which figures are compared."""
    kind, model = name.split(" ")
    data = getattr(sm.datasets, kind).load_pandas()
    x, y = data.exog.to_frame() if data.exog.ndim == 1 else data.exog, data.endog.to_numpy()
    if kind in ("fair", "anes96", "heart"):
        y = {"fair": np.round(y), "anes96": y > 3, "heart": y > 600}[kind].astype(int)
    if kind == "fair" and model == "Logit":
        y = (y > 0).astype(int)
    design = sm.add_constant(x)
    if model in ("Logit", "Probit", "Poisson"):
        make = {"Logit": Logit, "Probit": Probit, "Poisson": Poisson}[model]
        return x, y, make, getattr(sm, model)(y, design).fit(disp=0, **TIGHT), DISCRETE
    own, reference = {
        "Gamma": (families.Gamma(), sm.families.Gamma()),
        "GammaLog": (families.Gamma(link="log"), sm.families.Gamma(sm.families.links.Log())),
        "Gaussian": (families.Gaussian(), sm.families.Gaussian()),
        "GaussianLog": (families.Gaussian(link="log"), sm.families.Gaussian(sm.families.links.Log())),
        "Binomial": (families.Binomial(), sm.families.Binomial()),
        "Counts": (families.Poisson(), sm.families.Poisson()),
        "Dispersed": (families.NegativeBinomial(alpha=0.7), sm.families.NegativeBinomial(alpha=0.7)),
    }[model]
    return x, y, lambda y, x: GLM(y, x, family=own), sm.GLM(y, design, family=reference).fit(**TIGHT), GENERAL


def alike(found: GeneralizedResults, wanted: Any, figures: list[str], params: float = 1e-6) -> None:
    assert found.converged
    assert np.allclose(found.params, wanted.params, rtol=params, atol=0)
    assert np.allclose(found.bse, wanted.bse, rtol=1e-5, atol=0)
    assert np.allclose(found.pvalues, wanted.pvalues, rtol=1e-3, atol=1e-10)
    assert np.allclose(found.conf_int(), wanted.conf_int(), rtol=1e-4)
    for name in figures:
        assert getattr(found, name) == pytest.approx(getattr(wanted, name), rel=1e-5), name


def shared(session: Any, values: Any) -> Any:
    values = np.asarray(values)
    if set(np.unique(values)) <= {0, 1} and values.ndim == 1:
        return session.share(values.astype(bool))
    top = float(2 ** np.ceil(np.log2(np.abs(values).max() + 1)))
    low = 0 if values.min() >= 0 else -top
    if (values == values.round()).all():
        return session.share(values.astype(np.int64), bounds=(low, top))
    return session.share(values, bounds=(low, top), frac_bits=32)


CASES = [
    *("spector Logit", "spector Probit", "fair Logit", "fair Poisson", "anes96 Logit", "heart Logit"),
    *("scotland Gamma", "scotland GammaLog", "scotland Gaussian", "scotland GaussianLog", "star98 Binomial"),
    *("fair Counts", "fair Dispersed"),
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CASES)
def test_on_numpy(name: str) -> None:
    x, y, make, wanted, figures = case(name)
    found = make(y, add_constant({key: x[key].to_numpy() for key in x})).fit(maxiter=14).reveal()
    alike(found, wanted, figures)
    assert not found.revealed.numbers


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["spector Logit", "spector Probit", "scotland Gamma"])
def test_under_sharing(net: Any, name: str) -> None:
    x, y, make, wanted, figures = case(name)
    results = make(shared(net, y), add_constant({key: shared(net, x[key]) for key in x})).fit()
    found = results.reveal()
    alike(found, wanted, figures)
    assert found.revealed.rows == len(y) and "step" in found.revealed.numbers
    assert len(results.explain().reveals) == len(results._shown())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["spector Logit", "scotland Gamma"])
def test_summaries_print_as_statsmodels_does(name: str) -> None:
    x, y, make, wanted, _ = case(name)
    results = make(y, add_constant({key: x[key].to_numpy() for key in x})).fit(maxiter=14)

    def lines(text: str) -> list[str]:
        return [line for line in text.splitlines() if not line.startswith(("Date", "Time", "No. Iter"))]

    reference = lines(str(wanted.summary()))
    table = lines(str(results.summary()))
    assert table[3 : len(reference)] == [line.replace("YES", "  y") for line in reference][3:]


@pytest.mark.parametrize("model", [Logit, Poisson, Probit])
def test_to_a_policy_all_that_is_revealed_rests_on_all_rows(model: Any) -> None:
    n = 60
    session = TrioSession()
    columns = {name: session.share(np.arange(n) % 7, (0, 7)) for name in "ab"}
    y = session.share(np.arange(n) % 2 == 0)
    results = model(y, add_constant(columns)).fit()
    plan = compile_plan([Wanted(value.undivided, OutputKind.REVEAL) for value in results._shown().values()], LAN)
    states = [found["d"] for found in track(plan, {handle: {"d": Rows(0, n)} for handle, _ in plan.inputs()}) if found]
    assert len(states) >= len(plan.outputs) - 1
    assert all(isinstance(state, Aggregate) and state.count == n for state in states)
    assert len(plan.operations) < 3000


def test_formulas_and_offsets(net: Any) -> None:
    rng = np.random.default_rng(0)
    age, group = rng.integers(20, 60, 400), rng.integers(0, 3, 400)
    exposure = rng.uniform(0.5, 2, 400)
    y = rng.poisson(exposure * np.exp(0.02 * age - 0.3 * group))
    frame = pd.DataFrame({"age": age, "group": group, "y": y, "some": (y > 1).astype(int)})
    formula = "y ~ age + C(group)"
    wanted = sm.GLM.from_formula(formula, frame, family=sm.families.Poisson(), exposure=exposure).fit(**TIGHT)
    for found in (
        glm(formula, frame, family=families.Poisson(), exposure=exposure).fit().reveal(),
        poisson(formula, frame, offset=np.log(exposure)).fit().reveal(),
    ):
        assert np.allclose(found.params, wanted.params, rtol=1e-8) and np.allclose(found.bse, wanted.bse, rtol=1e-6)
    columns = {"age": net.share(age, bounds=(20, 59)), "group": net.share(group, bounds=(0, 2))}
    columns["y"] = net.share(y, bounds=(0, 63))
    found = poisson(formula, columns, offset=net.share(np.log(exposure), bounds=(-1, 1), frac_bits=36)).fit().reveal()
    assert np.allclose(found.params, wanted.params, rtol=1e-6) and np.allclose(found.bse, wanted.bse, rtol=1e-6)
    for own, reference in ((logit, sm.Logit), (probit, sm.Probit)):
        other = reference.from_formula("some ~ age", frame).fit(disp=0, **TIGHT)
        assert np.allclose(own("some ~ age", frame).fit().reveal().params, other.params, rtol=1e-7)


def test_few_passes_say_that_they_are_too_few() -> None:
    x, y, make, _, _ = case("spector Logit")
    found = make(y, add_constant({key: x[key].to_numpy() for key in x})).fit(maxiter=3).reveal()
    assert not found.converged and "Not converged: the last step was" in str(found.summary())


def test_what_is_not_offered_is_refused_by_name() -> None:
    x, y = np.arange(12.0).reshape(6, 2), np.arange(6.0)
    for call, said in [
        (lambda: Logit(y, x), "y reaches to 5, and is 0 or 1"),
        (lambda: Poisson(-y, x), "y of Poisson reaches down to -5.0"),
        (lambda: GLM(y, x, family="poisson"), "none of tercet.stats.families"),
        (lambda: GLM(y, x, family=families.Gamma()), "needs a constant"),
        (lambda: families.Binomial(link="log"), "link='log' is not offered for Binomial"),
        (lambda: families.NegativeBinomial(alpha=0), "alpha=0"),
        (lambda: GLM(y[:4], x, family=families.Poisson()), "y has 4 rows"),
        (lambda: Poisson(y, x).fit(method="bfgs"), "method='bfgs' is not offered"),
        (lambda: Poisson(y, x).fit(cov_type="HAC"), "cov_type='HAC' is not offered"),
        (lambda: Poisson(y, x).fit(cov_type="cluster"), "cluster takes groups"),
        (lambda: GLM(y, x, freq_weights=np.ones(5)), "freq_weights of 5 rows"),
        (lambda: GLM(y, add_constant(x), family=families.Gamma(), var_weights=y + 1), "not offered for Gamma"),
        (lambda: Poisson(y, x).fit(maxiter=1), "there are 2 to 100 passes"),
        (lambda: Logit(np.ones((6, 2)), x), "takes one column y"),
    ]:
        with pytest.raises(InputError, match=said):
            call()
