"""Cox's regression against statsmodels and lifelines, on lifelines' data; what is kept, refused, revealed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from lifelines import CoxPHFitter
from lifelines.datasets import load_rossi
from statsmodels.duration.hazard_regression import PHReg

import tercet as tc
from plan_trio import TrioSession
from tercet import stats
from tercet.array.nullable import NullableArray
from tercet.client.session import Session
from tercet.errors import InputError
from tercet.learn.cox import CoxSummary
from tercet.plan.network import LAN
from tercet.plan.plan import OutputKind
from tercet.plan.record.compile import Wanted, compile_plan
from tercet.plan.rows.states import Aggregate, Rows
from tercet.plan.rows.track import track

ROSSI = load_rossi()
COLUMNS = {name: ROSSI[name].to_numpy() for name in ROSSI.columns}


@pytest.fixture(scope="module")
def net() -> Iterator[Session]:
    with tc.local() as session:
        yield session


def secret(net: Any, columns: dict[str, Any]) -> dict[str, Any]:
    return {
        name: net.share(one, bounds=(int(np.floor(one.min())), int(one.max()) + 1)) for name, one in columns.items()
    }


def reference(columns: dict[str, Any], ties: str = "breslow") -> Any:
    covariates = np.stack([one for name, one in columns.items() if name not in ("week", "arrest")], axis=1)
    return PHReg(columns["week"], covariates, status=columns["arrest"], ties=ties).fit()


def check(found: CoxSummary, wanted: Any, rel: float) -> None:
    assert found.params == pytest.approx(wanted.params, rel=rel)
    assert found.standard_errors == pytest.approx(wanted.bse, rel=10 * rel)
    assert found.log_likelihood_ == pytest.approx(wanted.llf, rel=rel)
    assert np.allclose(found.variance_matrix_, wanted.cov_params(), rtol=1e-4, atol=1e-7)


def test_recidivism_is_as_statsmodels_has_it(net: Session) -> None:
    wanted = reference(COLUMNS)
    plain = stats.CoxPHFitter(ties="breslow").fit(COLUMNS, "week", "arrest").reveal_summary()
    check(plain, wanted, 1e-9)
    model = stats.CoxPHFitter(n_iter=4, ties="breslow").fit(secret(net, COLUMNS), "week", "arrest")
    found = model.reveal_summary()
    check(found, wanted, 1e-6)
    assert found.events == COLUMNS["arrest"].sum() and found.rows == 432
    table = found.summary
    assert list(table.index) == list(ROSSI.columns[2:]) and list(table.columns)[:3] == ["coef", "exp(coef)", "se(coef)"]
    assert table["p"].to_numpy() == pytest.approx(wanted.pvalues, rel=1e-4)
    test, free, p = found.log_likelihood_ratio_test()
    assert test == pytest.approx(33.13, abs=0.01) and free == 7 and p < 1e-4
    assert "partial log-likelihood = -659.12" in str(found)
    hazard = model.baseline_cumulative_hazard_.reveal()
    assert hazard == pytest.approx(np.interp(model.timeline_, *_baseline(wanted, COLUMNS)), rel=1e-5)
    rows = np.stack([COLUMNS[name][:5] for name in ROSSI.columns[2:]], axis=1)
    risk = model.predict_partial_hazard(net.share(rows, bounds=(0, 60))).reveal()
    means = np.array([COLUMNS[name].mean() for name in ROSSI.columns[2:]])
    assert risk == pytest.approx(np.exp((rows - means) @ wanted.params), rel=1e-5)


def _baseline(wanted: Any, columns: dict[str, Any]) -> tuple[Any, Any]:
    """Breslow's at the mean, by its formula, at whole weeks."""
    names = [name for name in columns if name not in ("week", "arrest")]
    x = np.stack([columns[name] for name in names], axis=1)
    risk = np.exp((x - x.mean(axis=0)) @ wanted.params)
    weeks = np.arange(columns["week"].min(), columns["week"].max() + 2)
    steps = [
        ((columns["week"] == week) & (columns["arrest"] == 1)).sum() / max(risk[columns["week"] >= week].sum(), 1e-9)
        for week in weeks
    ]
    return weeks, np.cumsum(steps)


def small() -> dict[str, Any]:
    rng = np.random.default_rng(3)
    x = rng.integers(-40, 40, 80) / 16
    week = np.ceil(rng.exponential(12 / np.exp(0.5 * x))).clip(1, 30).astype(int)
    return {"week": week, "arrest": (rng.random(80) < 0.7).astype(int), "x": x, "flag": rng.integers(0, 2, 80)}


def test_fractions_and_large_numbers(net: Session) -> None:
    columns = small()
    wanted = reference(columns)
    shares = secret(net, columns) | {"x": net.share(columns["x"], bounds=(-100, 100))}
    check(stats.CoxPHFitter(n_iter=5, ties="breslow").fit(shares, "week", "arrest").reveal_summary(), wanted, 1e-6)
    money = columns | {"x": columns["x"] * 16_000_000}
    shares = secret(net, money)
    found = stats.CoxPHFitter(n_iter=5, ties="breslow").fit(shares, "week", "arrest").reveal_summary()
    assert found.params * [16_000_000, 1] == pytest.approx(wanted.params, rel=1e-6)


@pytest.mark.filterwarnings("ignore")  # lifelines beside the newest pandas
def test_efrons_ties_are_as_statsmodels_and_lifelines_have_them(net: Session) -> None:
    check(stats.CoxPHFitter().fit(COLUMNS, "week", "arrest").reveal_summary(), reference(COLUMNS, "efron"), 1e-9)
    found = stats.CoxPHFitter(n_iter=4).fit(secret(net, COLUMNS), "week", "arrest").reveal_summary()
    check(found, reference(COLUMNS, "efron"), 1e-6)
    wanted = CoxPHFitter().fit(ROSSI, "week", "arrest")
    assert found.log_likelihood_ == pytest.approx(wanted.log_likelihood_, rel=1e-7)
    ratio = wanted.log_likelihood_ratio_test()
    assert found.log_likelihood_ratio_test()[0] == pytest.approx(ratio.test_statistic, rel=1e-6)
    assert found.summary["z"].to_numpy() == pytest.approx(wanted.summary["z"].to_numpy(), rel=1e-5)


def test_many_events_at_a_time_and_all_at_risk_at_the_last(net: Session) -> None:
    columns = small()
    columns["week"] = np.minimum(columns["week"], 4)
    columns["arrest"] = columns["arrest"] | (columns["week"] == 4)
    wanted = reference(columns, "efron")
    check(stats.CoxPHFitter(n_iter=12).fit(columns, "week", "arrest").reveal_summary(), wanted, 1e-8)
    shares = secret(net, columns) | {"x": net.share(columns["x"], bounds=(-8, 8))}
    check(stats.CoxPHFitter(n_iter=6).fit(shares, "week", "arrest").reveal_summary(), wanted, 1e-6)


@pytest.mark.filterwarnings("ignore")
def test_a_penalty_is_as_lifelines_has_it(net: Session) -> None:
    wanted = CoxPHFitter(penalizer=0.5).fit(ROSSI, "week", "arrest")
    for columns, rel in ((COLUMNS, 1e-5), (secret(net, COLUMNS), 1e-5)):
        found = stats.CoxPHFitter(n_iter=5, penalizer=0.5).fit(columns, "week", "arrest").reveal_summary()
        assert found.params == pytest.approx(wanted.params_.to_numpy(), rel=rel)
        assert found.standard_errors == pytest.approx(wanted.standard_errors_.to_numpy(), rel=rel)
        assert found.log_likelihood_ == pytest.approx(wanted.log_likelihood_, rel=1e-7)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("bounds", [None, (-4, 4)])
def test_a_penalty_takes_columns_with_digits_and_wide_bounds(net: Session, bounds: Any) -> None:
    rng = np.random.default_rng(3)
    x = np.round(rng.normal(size=12) * 2**10) / 2**10
    columns = {"week": rng.integers(1, 8, 12), "arrest": rng.random(12) < 0.8, "x": x}
    wanted = CoxPHFitter(penalizer=0.1).fit(pd.DataFrame(columns), "week", "arrest")
    given = {"week": net.share(columns["week"], bounds=(0, 10)), "arrest": net.share(columns["arrest"])}
    given["x"] = net.share(x) if bounds is None else net.share(x, bounds=bounds)
    found = stats.CoxPHFitter(n_iter=5, penalizer=0.1).fit(given, "week", "arrest").reveal_summary()
    assert found.params == pytest.approx(wanted.params_.to_numpy(), rel=1e-5)


def test_a_cohort_must_be_reached_by_events_and_covariates(net: Session) -> None:
    columns = small()
    mark, few = np.zeros(80, int), np.zeros(80, int)
    mark[7], few[:4] = 1, 1
    third = (np.arange(80) < 30).astype(int)  # beside third - mark it is that of one row
    model = stats.CoxPHFitter(n_iter=2, ties="breslow")
    net.cohort = 6
    try:
        assert model.fit(secret(net, columns), "week", "arrest").reveal_summary().revealed.rows == 80
        for shown in (
            columns | {"flag": mark},
            columns | {"flag": few * 3},
            columns | {"arrest": few},
            columns | {"a": third, "b": third - mark},
        ):
            with pytest.raises(stats.SmallGroup):
                model.fit(secret(net, shown), "week", "arrest").reveal_summary()
    finally:
        net.cohort = 0


def test_constant_and_collinear_covariates_count_as_not_there(net: Session) -> None:
    columns = small()
    wanted = reference(columns)
    shares = secret(net, columns) | {"x": net.share(columns["x"], bounds=(-8, 8))}
    shares["ones"] = net.share(np.ones(80, int), bounds=(0, 3))
    shares["again"] = shares["flag"] * 2 + 1
    found = stats.CoxPHFitter(n_iter=5, ties="breslow").fit(shares, "week", "arrest").reveal_summary()
    assert found.params[:2] == pytest.approx(wanted.params, rel=1e-5)
    assert found.params[2:].tolist() == [0, 0] and found.standard_errors[2:].tolist() == [0, 0]


def test_a_model_is_kept_and_loaded(net: Session) -> None:
    columns = small()
    model = stats.CoxPHFitter(n_iter=2).fit(secret(net, columns), "week", "arrest")
    model.save(net, "hazards")
    again = net.load("hazards")
    assert isinstance(again, stats.CoxPHFitter) and again.names_ == ["x", "flag"]
    assert np.array_equal(again.reveal_summary().params, model.reveal_summary().params)


def test_what_is_revealed_rests_on_all_rows() -> None:
    columns = {name: one[:30] for name, one in small().items()}
    session = TrioSession(parties=False)
    model = stats.CoxPHFitter(n_iter=1).fit(secret(session, columns), "week", "arrest")
    wanted = [model.params_, model.standard_errors_, model.inverse_, model.log_likelihoods_, model.events_]
    wanted.append(model.baseline_cumulative_hazard_)
    plan = compile_plan([Wanted(one.node, OutputKind.REVEAL) for one in wanted], LAN)
    states = track(plan, {handle: {"d": Rows(0, 30)} for handle, _ in plan.inputs()})
    assert all(isinstance(one["d"], Aggregate) and one["d"].count == 30 for one in states)


@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_a_million_rows_fit(ties: str) -> None:
    session = TrioSession(parties=False)
    columns = {"week": np.zeros(10**6, int), "arrest": np.zeros(10**6, int), "x": np.zeros(10**6, int)}
    shares = {name: session.share(one, (0, 1 if name == "arrest" else 90)) for name, one in columns.items()}
    assert stats.CoxPHFitter(n_iter=1, ties=ties).fit(shares, "week", "arrest").params_.shape == (1,)


def test_what_is_refused(net: Session) -> None:
    shares = secret(net, small())
    missing = NullableArray.of_values(shares["x"], shares["flag"] > 0)
    with pytest.raises(InputError, match="fill them first"):
        stats.CoxPHFitter().fit(shares | {"x": missing}, "week", "arrest")
    with pytest.raises(InputError, match="no covariates"):
        stats.CoxPHFitter().fit({"week": shares["week"], "arrest": shares["flag"]}, "week", "arrest")
    with pytest.raises(InputError, match="not fitted"):
        stats.CoxPHFitter().reveal_summary()
    with pytest.raises(TypeError, match="fit a model for each stratum"):
        stats.CoxPHFitter(strata=["x"])  # type: ignore[call-arg]
    with pytest.raises(InputError, match="ties='exact' is not offered"):
        stats.CoxPHFitter(ties="exact").fit(shares, "week", "arrest")
