"""Negative binomial regression with its dispersion estimated, beside statsmodels."""

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
from tercet.plan.network import LAN
from tercet.plan.plan import OutputKind
from tercet.plan.record.compile import Wanted, compile_plan
from tercet.plan.rows.states import Aggregate, Rows
from tercet.plan.rows.track import track
from tercet.stats import NegativeBinomial, SmallGroup, add_constant, negativebinomial

TIGHT: dict[str, Any] = {"disp": 0, "method": "newton", "tol": 1e-14, "maxiter": 200}
FIGURES = ["llf", "aic", "bic", "prsquared", "llnull", "llr"]


@pytest.fixture(scope="module")
def net() -> Iterator[Any]:
    with tc.local() as session:
        yield session


def case(alpha: float, n: int = 300) -> tuple[Any, Any]:
    rng = np.random.default_rng(4)
    x = np.column_stack([rng.integers(0, 40, n) / 8, rng.integers(0, 3, n)])
    mean = np.exp(0.3 * x[:, 0] - 0.4 * x[:, 1])
    return x, rng.negative_binomial(1 / alpha, 1 / (1 + alpha * mean))


def alike(found: Any, wanted: Any) -> None:
    assert found.converged
    assert np.allclose(found.params, wanted.params, rtol=1e-6, atol=1e-9)
    assert np.allclose(found.bse, wanted.bse, rtol=1e-5, atol=0)
    for name in FIGURES:
        assert getattr(found, name) == pytest.approx(getattr(wanted, name), rel=1e-6), name
    assert (found.df_model, found.df_resid) == (wanted.df_model, wanted.df_resid)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("alpha", [0.1, 0.5, 3.0])
def test_on_numpy(alpha: float) -> None:
    x, y = case(alpha)
    wanted = sm.NegativeBinomial(y, sm.add_constant(x)).fit(**TIGHT)
    alike(NegativeBinomial(y, add_constant(x)).fit(maxiter=20).reveal(), wanted)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("shared", [False, True], ids=["plain", "shared"])
def test_counts_without_overdispersion_have_the_least_alpha(net: Any, shared: bool) -> None:
    rng = np.random.default_rng(3)
    x = np.round(rng.normal(size=(200, 2)).clip(-3, 3) * 2**12) / 2**12
    y = rng.binomial(10, 1 / (1 + np.exp(-x[:, 0] * 0.3)))
    family = sm.families.NegativeBinomial(alpha=float(np.exp(-5)))
    wanted = sm.GLM(y, sm.add_constant(x), family=family).fit(tol=1e-14)
    rows, counts = (net.share(x, bounds=(-4, 4)), net.share(y, bounds=(0, 10))) if shared else (x, y)
    found = NegativeBinomial(counts, add_constant(rows)).fit().reveal()
    assert found.converged and found.alpha_at_its_end
    assert np.allclose(found.params, [*wanted.params, np.exp(-5)], rtol=1e-6, atol=1e-8)
    assert found.llf == pytest.approx(wanted.llf, rel=1e-6)
    assert np.isnan(found.bse[-1]) and np.allclose(found.bse[:-1], wanted.bse, rtol=1e-2)
    assert "alpha is at its least, e^-5: these counts show no overdispersion" in str(found.summary())


@pytest.mark.parametrize("shared", [False, True], ids=["plain", "shared"])
def test_errors_beside_a_fixed_alpha_are_those_of_the_coefficients_alone(net: Any, shared: bool) -> None:
    rng = np.random.default_rng(0)
    x = np.round(rng.normal(size=(60, 2)).clip(-3, 3) * 2**12) / 2**12
    y = rng.poisson(np.exp(0.3 * x[:, 0] + 1))
    rows, counts = (net.share(x, bounds=(-4, 4)), net.share(y, bounds=(0, 20))) if shared else (x, y)
    found = NegativeBinomial(counts, add_constant(rows)).fit().reveal()
    design, alpha = sm.add_constant(x), np.exp(-5)
    mean = np.exp(design @ found.params[:-1])
    weights = mean * (1 + alpha * y) / (1 + alpha * mean) ** 2
    wanted = np.sqrt(np.diag(np.linalg.inv(design.T @ (design * weights[:, None]))))
    assert found.alpha_at_its_end and np.isnan(found.bse[-1])
    assert np.allclose(found.bse[:-1], wanted, rtol=1e-6)


@pytest.mark.filterwarnings("ignore")
def test_fair_prints_as_statsmodels_does() -> None:
    data = sm.datasets.fair.load_pandas()
    y = np.round(data.endog.to_numpy())
    results = NegativeBinomial(y, add_constant({name: data.exog[name].to_numpy() for name in data.exog})).fit()
    wanted = sm.NegativeBinomial(y, sm.add_constant(data.exog)).fit(**TIGHT)
    alike(results.reveal(), wanted)

    def lines(text: str) -> list[str]:
        return [line for line in text.splitlines() if not line.startswith(("Date", "Time"))]

    reference = lines(str(wanted.summary()))
    assert lines(str(results.summary()))[3 : len(reference)] == reference[3:]


@pytest.mark.filterwarnings("ignore")
def test_under_sharing(net: Any) -> None:
    x, y = case(0.5)
    wanted = sm.NegativeBinomial(y, sm.add_constant(x)).fit(**TIGHT)
    columns = {"a": net.share(x[:, 0], bounds=(0, 8)), "b": net.share(x[:, 1].astype(int), bounds=(0, 3))}
    results = NegativeBinomial(net.share(y, bounds=(0, 63)), add_constant(columns)).fit(maxiter=10)
    found = results.reveal()
    alike(found, wanted)
    assert "error of alpha" in found.revealed.numbers and found.revealed.rows == 300


def test_formulas_cohorts_and_what_is_refused(net: Any) -> None:
    x, y = case(0.5)
    frame = pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "y": y})
    found = negativebinomial("y ~ a + b", frame).fit().reveal()
    assert found.names == ("Intercept", "a", "b", "alpha")
    mark = np.zeros(300, int)
    mark[[3, 9]] = 1
    net.cohort = 6
    try:
        columns = {"mark": net.share(mark, bounds=(0, 1))}
        with pytest.raises(SmallGroup):
            NegativeBinomial(net.share(y, bounds=(0, 63)), add_constant(columns)).fit(maxiter=3).reveal()
        a, counts = net.share(x[:, 0], bounds=(0, 8)), net.share(y, bounds=(0, 63))
        NegativeBinomial(counts, add_constant(a)).fit(maxiter=4).reveal()
    finally:
        net.cohort = 0
    for call, said in [
        (lambda: NegativeBinomial(y, x).fit(method="bfgs"), "method='bfgs' is not offered"),
        (lambda: NegativeBinomial(y, x).fit(cov_type="HAC"), "cov_type='HAC' is not offered"),
        (lambda: NegativeBinomial(y, x).fit(maxiter=1), "there are 2 to 100 passes"),
        (lambda: NegativeBinomial(y * 1000, x).fit(), "share integers with bounds up to 2000"),
    ]:
        with pytest.raises(InputError, match=said):
            call()


def test_to_a_policy_all_that_is_revealed_rests_on_all_rows() -> None:
    n, session = 60, TrioSession(parties=False)
    y = session.share(np.arange(n) % 5, (0, 4))
    results = NegativeBinomial(y, add_constant(session.share(np.arange(n) % 7, (0, 7)))).fit(maxiter=4)
    wanted = [one for one in results.pending().arrays.values() if hasattr(one, "undivided")]
    plan = compile_plan([Wanted(one.undivided, OutputKind.REVEAL) for one in wanted], LAN)
    states = [found["d"] for found in track(plan, {handle: {"d": Rows(0, n)} for handle, _ in plan.inputs()}) if found]
    assert len(states) >= len(plan.outputs) - 1
    assert all(isinstance(state, Aggregate) and state.count == n for state in states)
    assert len(plan.operations) < 3000
