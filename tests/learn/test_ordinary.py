"""OLS and WLS beside statsmodels: estimates, errors, tests and summaries; nothing but those is revealed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf

import tercet as tc
from plan_trio import TrioSession
from tercet.errors import InputError
from tercet.learn.formula import splines
from tercet.plan.network import LAN
from tercet.plan.plan import OutputKind
from tercet.plan.record.compile import Wanted, compile_plan
from tercet.plan.rows.states import Aggregate, Rows
from tercet.plan.rows.track import track
from tercet.stats import OLS, WLS, add_constant, ols, wls

FIGURES = ["rsquared", "rsquared_adj", "fvalue", "llf", "aic", "bic", "ssr", "scale"]


@pytest.fixture(scope="module")
def net() -> Iterator[Any]:
    with tc.local() as session:
        yield session


def alike(found: Any, wanted: Any, *, params: float = 1e-6, bse: float = 1e-5) -> None:
    """Coefficients, errors, and what follows from them."""
    assert list(found.names) == list(wanted.model.exog_names)
    assert np.allclose(found.params, wanted.params, rtol=params, atol=0)
    assert np.allclose(found.bse, wanted.bse, rtol=bse, atol=0)
    assert np.allclose(found.pvalues, wanted.pvalues, rtol=1e-4, atol=1e-12)
    assert np.allclose(found.conf_int(), wanted.conf_int(), rtol=1e-5)
    for name in FIGURES:
        assert getattr(found, name) == pytest.approx(getattr(wanted, name), rel=2e-5), name
    assert found.f_pvalue == pytest.approx(wanted.f_pvalue, rel=1e-3)


def shared(session: Any, frame: pd.DataFrame) -> dict[str, Any]:
    """Whole numbers as such, others at 32 fractional bits; bounds are the next power of two."""
    columns = {}
    for name in frame:
        values = frame[name].to_numpy()
        top = float(2 ** np.ceil(np.log2(np.abs(values).max() + 1)))
        if (values == values.round()).all():
            columns[str(name)] = session.share(values.astype(np.int64), bounds=(-top, top))
        else:
            columns[str(name)] = session.share(values, bounds=(-top, top), frac_bits=32)
    return columns


COVS = ["nonrobust", "HC0", "HC1", "HC2", "HC3", "cluster"]


@pytest.mark.parametrize("cov_type", COVS)
@pytest.mark.parametrize("constant", [True, False])
def test_longley_on_numpy(cov_type: str, constant: bool) -> None:
    data = sm.datasets.longley.load_pandas()
    weights = np.random.default_rng(0).uniform(0.5, 2, 16).round(3)
    kwds = {"groups": np.arange(16) % 11} if cov_type == "cluster" else {}
    with_constant = sm.add_constant(data.exog) if constant else data.exog
    columns = {name: data.exog[name].to_numpy() for name in data.exog}
    design: Any = add_constant(columns) if constant else columns
    y = data.endog.to_numpy()
    found = OLS(y, design).fit(cov_type=cov_type, cov_kwds=kwds).reveal()
    alike(found, sm.OLS(y, with_constant).fit(cov_type=cov_type, cov_kwds=kwds))
    assert not found.revealed.numbers
    if cov_type in ("HC3", "nonrobust"):
        weighed = WLS(y, design, weights).fit(cov_type=cov_type, cov_kwds=kwds).reveal()
        alike(weighed, sm.WLS(y, with_constant, weights).fit(cov_type=cov_type, cov_kwds=kwds))


@pytest.mark.parametrize("cov_type", ["nonrobust", "cluster"])
def test_longley(net: Any, cov_type: str) -> None:
    data = sm.datasets.longley.load_pandas()
    columns, y = shared(net, data.exog), shared(net, data.endog.to_frame())["TOTEMP"]
    codes = np.arange(16) % 11
    kwds = {"groups": codes} if cov_type == "cluster" else {}
    secret = {"groups": net.share(codes, bounds=(0, 10))} if cov_type == "cluster" else {}
    results = OLS(y, add_constant(columns)).fit(cov_type=cov_type, cov_kwds=secret)
    found = results.reveal()
    alike(found, sm.OLS(data.endog, sm.add_constant(data.exog)).fit(cov_type=cov_type, cov_kwds=kwds))
    assert found.revealed.rows == 16 and "coefficients (6)" in str(found.revealed)
    assert results.reveal() is found


def test_weights(net: Any) -> None:
    data = sm.datasets.longley.load_pandas()
    weights = np.random.default_rng(0).uniform(0.5, 2, 16).round(3)
    columns, y = shared(net, data.exog), shared(net, data.endog.to_frame())["TOTEMP"]
    secret = net.share(weights, bounds=(0, 2), frac_bits=40)
    found = WLS(y, add_constant(columns), secret).fit(cov_type="HC2").reveal()
    alike(found, sm.WLS(data.endog, sm.add_constant(data.exog), weights).fit(cov_type="HC2"))


def test_grunfeld_by_a_formula_prints_as_statsmodels_does(net: Any) -> None:
    frame = sm.datasets.grunfeld.load_pandas().data
    codes = frame.firm.astype("category").cat.codes.to_numpy().astype(np.int64)
    columns = shared(net, frame[["invest", "value", "capital"]].round(4))
    columns["firm"] = net.share(codes, bounds=(0, 10))
    formula = "invest ~ value + capital + C(firm)"
    results = ols(formula, columns).fit()
    wanted = smf.ols(formula, frame.assign(firm=codes)).fit()
    alike(results.reveal(), wanted)
    table = results.summary().as_text().splitlines()
    reference = wanted.summary().as_text().splitlines()
    end = next(place for place, line in enumerate(reference) if line.startswith("Omnibus"))
    same = [line for line in reference[: end - 1] if not line.startswith(("Date", "Time"))]
    assert [line for line in table if not line.startswith(("Date", "Time"))][: len(same)] == same
    assert "Revealed: coefficients (12), constant," in results.summary().as_text()


FORMULAS = [
    "pay ~ sex + age + C(sector)",
    "pay ~ sex:C(sector) - 1",
    "pay ~ sex*C(sector) + I(age**2) + old",
    "pay ~ 0 + age:sex + C(sector)",
    "pay ~ C(sector, Treatment(reference=2)) + np.log(age)",
    "pay ~ bs(age, knots=[30,45], degree=3, lower_bound=18, upper_bound=65)",
]


def workers() -> pd.DataFrame:
    rng, n = np.random.default_rng(1), 120
    frame = pd.DataFrame({"sex": rng.choice(["f", "m"], n), "age": rng.integers(18, 66, n)})
    frame["sector"], frame["old"] = rng.integers(1, 5, n), rng.random(n) < 0.4
    frame["pay"] = np.round(1000 + 30 * frame.age + 200 * (frame.sex == "m") + rng.normal(0, 100, n))
    return frame


@pytest.mark.parametrize("formula", FORMULAS)
def test_formulas_code_as_patsy_does(formula: str) -> None:
    frame = workers()
    wanted = smf.ols(formula, frame).fit()
    alike(ols(formula, frame).fit().reveal(), wanted)
    session = TrioSession()
    columns: dict[str, Any] = {"sex": frame.sex.to_numpy(), "age": session.share(frame.age.to_numpy(), (18, 65))}
    columns["sector"] = session.share(frame.sector.to_numpy(), (1, 4))
    columns["old"] = session.share(frame.old.to_numpy())
    columns["pay"] = session.share(frame.pay.to_numpy().astype(np.int64), (0, 8191))
    alike(ols(formula, columns).fit().reveal(), wanted)


@pytest.mark.parametrize(
    ("formula", "said"),
    [
        ("pay ~ income", "no column income"),
        ("pay ~ __import__('os').system('true')", "no formula"),
        ("pay ~ eval(age)", "not offered in formulas"),
        ("pay ~ C(age)", "levels are not public"),
        ("pay ~ C(sector, Sum)", "Sum is not offered"),
        ("pay ~ bs(age, df=5)", "public knots"),
        ("pay ~ sector +", "no formula"),
        ("~ sector", "no outcome"),
        ("pay ~ I(age @ 2)", "not offered"),
        ("pay ~ C(sector, Treatment(reference=9))", "none of the levels"),
    ],
)
def test_formulas_that_are_refused(formula: str, said: str) -> None:
    session = TrioSession()
    columns = {"age": session.share(np.arange(20) + 0.5), "sector": session.share(np.arange(20) % 3, (0, 2))}
    with pytest.raises(InputError, match=said):
        ols(formula, columns | {"pay": columns["age"]})


def test_what_is_not_offered_is_refused_by_name() -> None:
    x, y = np.arange(12.0).reshape(6, 2), np.arange(6.0)
    for call, said in [
        (lambda: OLS(y, x, missing="drop"), "missing='drop' is not offered"),
        (lambda: OLS(y, x, hasconst=True), "hasconst=True"),
        (lambda: OLS(y[:5], x), "y has 5 rows"),
        (lambda: OLS(y[:2], x[:2]), "2 coefficients of 2 rows"),
        (lambda: OLS(y, x).fit(method="lbfgs"), "method='lbfgs' is not offered"),
        (lambda: OLS(y, x).fit(cov_type="HAC"), "cov_type='HAC' is not offered"),
        (lambda: OLS(y, x).fit(cov_type="cluster"), "cluster takes groups"),
        (lambda: WLS(y, x, -y).fit(), "weights reaches down to"),
        (lambda: WLS(y, x, y[:3]), "3 weights of 6 rows"),
        (lambda: add_constant(x, has_constant="raise"), "has_constant='raise'"),
    ]:
        with pytest.raises(InputError, match=said):
            call()


def test_an_aliased_column_is_named_and_the_others_are_right(net: Any) -> None:
    rng = np.random.default_rng(3)
    x = rng.integers(-50, 50, (80, 3))
    x[:, 2] = x[:, 0] + x[:, 1]
    y = x[:, 0] - 2 * x[:, 1] + rng.integers(-9, 9, 80)
    found = OLS(net.share(y, bounds=(-512, 511)), add_constant(net.share(x, bounds=(-128, 127)))).fit().reveal()
    wanted = sm.OLS(y, sm.add_constant(x[:, :2])).fit()
    assert found.aliased.tolist() == [False, False, False, True] and found.params[3] == 0
    assert np.allclose(found.params[:3], wanted.params) and np.allclose(found.bse[:3], wanted.bse)
    assert (found.df_resid, found.df_model) == (wanted.df_resid, wanted.df_model)
    assert "x3: coefficient 0" in found.summary().as_text()


@pytest.mark.parametrize("kind", ["nonrobust", "HC3", "cluster", "WLS"])
def test_to_a_policy_all_that_is_revealed_rests_on_all_rows(kind: str) -> None:
    n = 50
    session = TrioSession()
    columns = {name: session.share(np.arange(n) % 7, (0, 7)) for name in "ab"}
    y, codes = session.share(np.arange(n), (0, 63)), session.share(np.arange(n) % 5, (0, 4))
    model = WLS(y, add_constant(columns), codes + 1) if kind == "WLS" else OLS(y, add_constant(columns))
    cov_type = "nonrobust" if kind == "WLS" else kind
    results = model.fit(cov_type=cov_type, cov_kwds={"groups": codes} if kind == "cluster" else {})
    plan = compile_plan([Wanted(value.undivided, OutputKind.REVEAL) for value in results._shown().values()], LAN)
    states = [found["d"] for found in track(plan, {handle: {"d": Rows(0, n)} for handle, _ in plan.inputs()}) if found]
    assert len(states) >= len(plan.outputs) - 1  # that bounds leave no estimate to be capped depends on no row
    assert all(isinstance(state, Aggregate) and state.count == n for state in states)


def test_params_errors_and_r2_stay_secret(net: Any) -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=(200, 2)).round(3)
    y = (x @ [1.5, -2] + 3 + rng.normal(size=200)).round(3)
    secret = net.share(x, bounds=(-8, 8), frac_bits=24), net.share(y, bounds=(-64, 64), frac_bits=24)
    results = OLS(secret[1], add_constant(secret[0])).fit()
    params, bse, r2, ssr = tc.reveal(results.params, results.bse, results.rsquared, results.ssr)
    wanted = sm.OLS(y, sm.add_constant(x)).fit()
    assert np.allclose(params, wanted.params, rtol=1e-6) and np.allclose(bse, wanted.bse, rtol=1e-6)
    assert r2 == pytest.approx(wanted.rsquared, abs=1e-8) and ssr == pytest.approx(wanted.ssr, rel=1e-6)
    assert len(results.explain().reveals) == len(results._shown())


def test_splines_are_those_of_patsy() -> None:
    import patsy

    x = np.linspace(0, 10, 40)
    wanted = patsy.bs(x, knots=[3, 5.5], degree=3, lower_bound=0, upper_bound=10)
    assert np.allclose(np.stack(splines(x, [3, 5.5], 3, 0, 10), axis=1), wanted)


def test_wls_of_a_formula_takes_weights_by_name() -> None:
    frame = workers()
    found = wls("pay ~ age", frame, weights="sector").fit().reveal()
    alike(found, smf.wls("pay ~ age", frame, weights=frame.sector).fit())


def test_few_clusters_of_many_rows(net: Any) -> None:
    """Sums of scores in clusters are bounded as those of one row are, so that thousands of rows fit."""
    rng = np.random.default_rng(1)
    codes = rng.integers(0, 5, 4000)
    x = np.c_[rng.integers(15, 70, 4000), rng.integers(0, 400, 4000) / 8, rng.random(4000) < 0.4]
    y = np.round((x @ [0.01, 0.02, -0.06] + rng.normal(0, 0.3, 5)[codes] + rng.normal(0, 0.3, 4000)) * 64) / 64
    secret = OLS(net.share(y, bounds=(-50, 50)), add_constant(net.share(x, bounds=(0, 100))))
    found = secret.fit(cov_type="cluster", cov_kwds={"groups": net.share(codes, bounds=(0, 4))}).reveal()
    wanted = sm.OLS(y, sm.add_constant(x)).fit(cov_type="cluster", cov_kwds={"groups": codes})
    assert np.asarray(found.params) == pytest.approx(np.asarray(wanted.params), rel=1e-6)
    assert np.asarray(found.bse) == pytest.approx(np.asarray(wanted.bse), rel=1e-5)
