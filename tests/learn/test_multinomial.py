"""Multinomial logistic regression beside statsmodels, on anes96."""

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
from tercet.stats import MNLogit, SmallGroup, add_constant, mnlogit

DATA = sm.datasets.anes96.load_pandas()
COLUMNS = {str(name): DATA.exog[name].to_numpy() for name in DATA.exog}
FIGURES = ["llf", "llnull", "aic", "bic", "prsquared", "llr", "df_resid", "df_model"]
TIGHT: dict[str, Any] = {"disp": 0, "method": "newton", "tol": 1e-14, "maxiter": 60}


@pytest.fixture(scope="module")
def net() -> Iterator[Any]:
    with tc.local() as session:
        yield session


def alike(found: Any, wanted: Any) -> None:
    assert found.converged
    assert np.allclose(found.params, wanted.params, rtol=1e-6, atol=0)
    assert np.allclose(found.bse, wanted.bse, rtol=1e-5, atol=0)
    assert np.allclose(found.pvalues, wanted.pvalues, rtol=1e-3, atol=1e-10)
    assert np.allclose(found.conf_int().reshape(-1, 2), np.asarray(wanted.conf_int()).reshape(-1, 2), rtol=1e-4)
    for name in FIGURES:
        assert getattr(found, name) == pytest.approx(getattr(wanted, name), rel=1e-6), name
    assert found.llr_pvalue == pytest.approx(wanted.llr_pvalue, rel=1e-3)


def test_anes96_with_seven_classes_prints_as_statsmodels_does() -> None:
    results = MNLogit(DATA.endog.to_numpy(), add_constant(COLUMNS), endog_name="PID").fit()
    wanted = sm.MNLogit(DATA.endog, sm.add_constant(DATA.exog)).fit(**TIGHT)
    found = results.reveal()
    alike(found, wanted)
    rows = sm.add_constant(DATA.exog)[:20]
    assert np.allclose(found.predict(rows), wanted.predict(rows), rtol=1e-8)

    def lines(text: str) -> list[str]:
        return [line.rstrip() for line in text.splitlines() if not line.startswith(("Date", "Time"))]

    reference = lines(str(wanted.summary()))
    assert lines(str(results.summary()))[: len(reference)] == reference
    assert found.counts.tolist() == np.bincount(DATA.endog.astype(int)).tolist() and not found.revealed.numbers


def three() -> tuple[Any, Any]:
    y = np.digitize(DATA.endog.to_numpy(), [2, 5])
    return y, np.column_stack([np.ones(len(y)), COLUMNS["age"], COLUMNS["educ"]])


def test_under_sharing(net: Any) -> None:
    y, matrix = three()
    wanted = sm.MNLogit(y, matrix).fit(**TIGHT)
    columns = {name: net.share(COLUMNS[name], bounds=(0, 100)) for name in ("age", "educ")}
    results = MNLogit(net.share(y, bounds=(0, 2)), add_constant(columns)).fit()
    alike(results.reveal(), wanted)
    assert "counts" in str(results.reveal().revealed) and results.reveal().revealed.rows == 944
    assert "y=2" in str(results.summary())


def test_formulas_without_a_constant_and_texts() -> None:
    y, _ = three()
    frame = pd.DataFrame({"y": y, "age": COLUMNS["age"], "educ": COLUMNS["educ"]})
    wanted = sm.MNLogit.from_formula("y ~ age + educ", frame).fit(**TIGHT)
    found = mnlogit("y ~ age + educ", frame).fit().reveal()
    assert np.allclose(found.params, wanted.params, rtol=1e-8)
    texts = np.array(["left", "middle", "right"])[y]
    apart = np.column_stack([COLUMNS["age"] / 50, COLUMNS["educ"]])
    found = MNLogit(texts, apart).fit(maxiter=12).reveal()
    assert np.allclose(found.params, sm.MNLogit(y, apart).fit(**TIGHT).params, rtol=1e-7)
    assert "y=right" in str(found.summary())


def test_a_cohort_and_what_is_refused(net: Any) -> None:
    rng = np.random.default_rng(0)
    y, age = rng.integers(0, 3, 80), rng.integers(20, 60, 80)
    mark = np.zeros(80, int)
    mark[[3, 9]] = 1
    few = y.copy()
    few[few == 2] = 0
    few[[3, 9, 11]] = 2
    net.cohort = 6
    try:
        column = net.share(age, bounds=(0, 63))
        MNLogit(net.share(y, bounds=(0, 2)), add_constant(column)).fit(maxiter=5).reveal()
        for target, columns in (
            (few, {"age": column}),
            (y, {"age": column, "mark": net.share(mark, bounds=(0, 1))}),
        ):
            with pytest.raises(SmallGroup):
                MNLogit(net.share(target, bounds=(0, 2)), add_constant(columns)).fit(maxiter=5).reveal()
    finally:
        net.cohort = 0
    for call, said in [
        (lambda: MNLogit(np.zeros(80), age), "1 classes of y"),
        (lambda: MNLogit(y[:5], age), "columns of 80 rows"),
        (lambda: MNLogit(np.arange(80) % 16, np.ones((80, 6))), "90 coefficients of 80 rows"),
        (lambda: MNLogit(y, age).fit(method="bfgs"), "method='bfgs' is not offered"),
        (lambda: MNLogit(y, age).fit(maxiter=1), "there are 2 to 100 passes"),
    ]:
        with pytest.raises(InputError, match=said):
            call()


def test_to_a_policy_all_that_is_revealed_rests_on_all_rows() -> None:
    n, session = 60, TrioSession(parties=False)
    y = session.share(np.arange(n) % 3, (0, 2))
    results = MNLogit(y, add_constant(session.share(np.arange(n) % 7, (0, 7)))).fit(maxiter=4)
    wanted = [one for one in results.pending().arrays.values() if hasattr(one, "undivided")]
    plan = compile_plan([Wanted(one.undivided, OutputKind.REVEAL) for one in wanted], LAN)
    states = [found["d"] for found in track(plan, {handle: {"d": Rows(0, n)} for handle, _ in plan.inputs()}) if found]
    assert len(states) >= len(plan.outputs) - 1
    assert all(isinstance(state, Aggregate) and state.count == n for state in states)
    assert len(plan.operations) < 3000
