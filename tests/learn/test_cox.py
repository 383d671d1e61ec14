"""Cox's regression against statsmodels' with Breslow's ties, on lifelines' data; what is kept, refused, revealed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
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


def reference(columns: dict[str, Any]) -> Any:
    covariates = np.stack([one for name, one in columns.items() if name not in ("week", "arrest")], axis=1)
    return PHReg(columns["week"], covariates, status=columns["arrest"], ties="breslow").fit()


def check(found: CoxSummary, wanted: Any, rel: float) -> None:
    assert found.params == pytest.approx(wanted.params, rel=rel)
    assert found.standard_errors == pytest.approx(wanted.bse, rel=10 * rel)
    assert found.log_likelihood_ == pytest.approx(wanted.llf, rel=rel)
    assert np.allclose(found.variance_matrix_, wanted.cov_params(), rtol=1e-4, atol=1e-7)


def test_recidivism_is_as_statsmodels_has_it(net: Session) -> None:
    wanted = reference(COLUMNS)
    plain = stats.CoxPHFitter().fit(COLUMNS, "week", "arrest").reveal_summary()
    check(plain, wanted, 1e-9)
    model = stats.CoxPHFitter(n_iter=4).fit(secret(net, COLUMNS), "week", "arrest")
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
    check(stats.CoxPHFitter(n_iter=5).fit(shares, "week", "arrest").reveal_summary(), wanted, 1e-6)
    money = columns | {"x": columns["x"] * 16_000_000}
    shares = secret(net, money)
    found = stats.CoxPHFitter(n_iter=5).fit(shares, "week", "arrest").reveal_summary()
    assert found.params * [16_000_000, 1] == pytest.approx(wanted.params, rel=1e-6)


def test_constant_and_collinear_covariates_count_as_not_there(net: Session) -> None:
    columns = small()
    wanted = reference(columns)
    shares = secret(net, columns) | {"x": net.share(columns["x"], bounds=(-8, 8))}
    shares["ones"] = net.share(np.ones(80, int), bounds=(0, 3))
    shares["again"] = shares["flag"] * 2 + 1
    found = stats.CoxPHFitter(n_iter=5).fit(shares, "week", "arrest").reveal_summary()
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
