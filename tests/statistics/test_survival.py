"""Survival against lifelines, on data that it ships: curves, intervals, tables, log-rank tests, restricted means."""

from __future__ import annotations

import math
from typing import Any

import lifelines
import lifelines.statistics
import numpy as np
import pytest
from lifelines.datasets import load_rossi, load_waltons

from tercet import stats
from tercet.array.nullable import NullableArray
from tercet.client.session import Session
from tercet.errors import InputError

# lifelines calls pandas in a way that pandas 3 warns of
pytestmark = pytest.mark.filterwarnings("ignore:Starting with pandas version 4.0")

WALTONS, ROSSI = load_waltons(), load_rossi()
T, E = WALTONS["T"].to_numpy().astype(int), WALTONS["E"].to_numpy().astype(bool)
CONTROL = (WALTONS["group"] == "control").to_numpy()


def shared(net: Session) -> tuple[Any, Any, Any]:
    return net.share(T, bounds=(0, 100)), net.share(E), net.share(CONTROL)


def test_kaplan_and_meier(net: Session) -> None:
    durations, events, _ = shared(net)
    wanted = lifelines.KaplanMeierFitter().fit(T, E)
    at = wanted.survival_function_.index
    for found in (stats.KaplanMeierFitter().fit(durations, events), stats.KaplanMeierFitter().fit(T, E)):
        assert np.allclose(found.predict(at), wanted.survival_function_.to_numpy()[:, 0], atol=1e-12)
        bounds = found.confidence_interval_.loc[at]
        assert list(bounds.columns) == list(wanted.confidence_interval_.columns)
        assert np.allclose(bounds, wanted.confidence_interval_, atol=1e-10)
        assert found.median_survival_time_ == wanted.median_survival_time_
        assert found.percentile(0.25) == at[wanted.survival_function_.iloc[:, 0] <= 0.25][0]
        table = wanted.event_table[["removed", "observed", "censored", "at_risk"]]
        assert np.array_equal(found.event_table.loc[at], table)
    found = stats.KaplanMeierFitter(alpha=0.1, label="all").fit(durations, events)
    assert list(found.survival_table.columns)[-3:] == ["all", "all_lower_0.9", "all_upper_0.9"]
    assert str(found.revealed) == "at risk and events (204) of 163 rows"


@pytest.mark.parametrize("smoothing", [True, False])
def test_nelson_and_aalen(net: Session, smoothing: bool) -> None:
    durations, events, _ = shared(net)
    wanted = lifelines.NelsonAalenFitter(nelson_aalen_smoothing=smoothing).fit(T, E)
    found = stats.NelsonAalenFitter(nelson_aalen_smoothing=smoothing).fit(durations, events)
    at = wanted.cumulative_hazard_.index
    assert np.allclose(found.predict(at), wanted.cumulative_hazard_.to_numpy()[:, 0], atol=1e-12)
    assert np.allclose(found.confidence_interval_.loc[at], wanted.confidence_interval_, atol=1e-10)


def test_groups_and_rows_that_are_missing(net: Session) -> None:
    durations, events, control = shared(net)
    curves = stats.kaplan_meier(durations, events, by=control)
    for label, curve in curves.items():
        wanted = lifelines.KaplanMeierFitter().fit(T[label == CONTROL], E[label == CONTROL])
        assert curve.median_survival_time_ == wanted.median_survival_time_
        assert np.allclose(curve.predict([20, 50, 70]), wanted.predict([20, 50, 70]))
    there = np.arange(163) % 5 > 0
    some = NullableArray.of_values(durations, net.share(there))
    wanted = lifelines.KaplanMeierFitter().fit(T[there], E[there])
    for found in (
        stats.KaplanMeierFitter().fit(some, events),
        stats.KaplanMeierFitter().fit(durations, events, where=there),
        stats.KaplanMeierFitter().fit(durations, NullableArray.of_values(events, net.share(there))),
    ):
        assert np.allclose(found.predict([20, 50, 70]), wanted.predict([20, 50, 70]))


def test_times_between_public_ones_count_at_the_later_one(net: Session) -> None:
    durations, events, _ = shared(net)
    steps = np.arange(5, 81, 5)
    wanted = lifelines.KaplanMeierFitter().fit(np.ceil(T / 5) * 5, E)
    found = stats.KaplanMeierFitter().fit(durations, events, timeline=steps)
    assert list(found.timeline) == [0, *steps]
    assert np.allclose(found.predict(steps), wanted.predict(steps))
    real = net.share(T / 8, bounds=(0, 10))
    found = stats.KaplanMeierFitter().fit(real, events)
    assert len(found.timeline) == 201
    rounded = np.ceil(T / 8 / 0.05 - 1e-9) * 0.05
    wanted = lifelines.KaplanMeierFitter().fit(rounded, E)
    assert found.predict(4.99) == pytest.approx(float(wanted.predict(4.99)))
    early = stats.KaplanMeierFitter().fit(durations, events, timeline=[10, 20])
    assert early.event_table["at_risk"].tolist() == [163, 163, (T > 10).sum()]


def test_log_rank(net: Session) -> None:
    durations, events, control = shared(net)
    wanted = lifelines.statistics.multivariate_logrank_test(T, CONTROL, E)
    for groups in (control, CONTROL):
        found = stats.multivariate_logrank_test(durations, groups, events)
        assert found.test_statistic == pytest.approx(wanted.test_statistic, rel=1e-7)
        assert found.p_value == pytest.approx(wanted.p_value, rel=1e-5)
    assert str(found.revealed).startswith("observed (2), expected (2), covariance (4), sizes (2)")
    a, b = CONTROL, ~CONTROL
    parts = [net.share(T[one], bounds=(0, 100)) for one in (a, b)]
    marks = [net.share(E[one]) for one in (a, b)]
    found = stats.logrank_test(*parts, *marks)
    assert found.test_statistic == pytest.approx(wanted.test_statistic, rel=1e-7)
    weeks, arrests = ROSSI["week"].to_numpy(), ROSSI["arrest"].to_numpy()
    prior = ROSSI["prio"].clip(0, 3).to_numpy()
    wanted = lifelines.statistics.multivariate_logrank_test(weeks, prior, arrests)
    secret = net.share(weeks, bounds=(0, 52)), net.share(prior, bounds=(0, 4)), net.share(arrests, bounds=(0, 1))
    found = stats.multivariate_logrank_test(*secret)
    assert found.test_statistic == pytest.approx(wanted.test_statistic, rel=1e-7)
    assert found.degrees_of_freedom == 3 and found.p_value == pytest.approx(wanted.p_value, rel=1e-6)
    assert found.observed.sum() == pytest.approx(arrests.sum()) and found.expected.sum() == pytest.approx(arrests.sum())
    plain = stats.multivariate_logrank_test(weeks, prior, arrests)
    assert plain.test_statistic == pytest.approx(wanted.test_statistic, rel=1e-9)


def test_restricted_means(net: Session) -> None:
    durations, events, _ = shared(net)
    found, wanted = stats.KaplanMeierFitter().fit(durations, events), lifelines.KaplanMeierFitter().fit(T, E)
    for t in (3.0, 40.5, 60.0):
        mean = lifelines.utils.restricted_mean_survival_time(wanted, t)
        assert stats.restricted_mean_survival_time(found, t) == pytest.approx(float(mean), rel=1e-9)
    assert stats.restricted_mean_survival_time(found, 30.0, True)[1] >= 0


def test_few_rows_nobody_with_the_event_and_what_is_refused(net: Session) -> None:
    one = stats.KaplanMeierFitter().fit(net.share([3], bounds=(0, 5)), net.share([True]))
    assert one.median_survival_time_ == 3 and one.predict([2, 3]).tolist() == [1, 0]
    none = stats.KaplanMeierFitter().fit(net.share([3, 4], bounds=(0, 5)), net.share([False, False]))
    assert math.isinf(none.median_survival_time_)
    every = stats.KaplanMeierFitter().fit(net.share([3, 4], bounds=(0, 5)))
    assert every.predict([3, 4]).tolist() == [0.5, 0]
    with pytest.raises(InputError, match="not negative"):
        stats.KaplanMeierFitter().fit(net.share([3, 4], bounds=(-5, 5)))
    with pytest.raises(InputError, match="not fitted"):
        stats.KaplanMeierFitter().predict(3)
    with pytest.raises(InputError, match="for each row"):
        stats.KaplanMeierFitter().fit(net.share([3, 4], bounds=(0, 5)), net.share([True]))
    with pytest.raises(InputError, match="one sample only"):
        stats.logrank_test(net.share([3], bounds=(0, 5)), net.share([3], bounds=(0, 5)), net.share([True]))


def test_small_groups_are_not_shown(net: Session) -> None:
    durations, events, control = shared(net)
    few = net.share(np.arange(163) < 4)
    net.cohort = 5
    try:
        for call in (
            lambda: stats.KaplanMeierFitter().fit(durations, events, where=few),
            lambda: stats.kaplan_meier(durations, events, by=few),
            lambda: stats.multivariate_logrank_test(durations, few, events),
        ):
            with pytest.raises(stats.SmallGroup, match="fewer rows"):
                call()
        found = stats.KaplanMeierFitter().fit(durations, events, where=control)
        assert found.event_table["at_risk"].iloc[0] == CONTROL.sum()
    finally:
        net.cohort = 0
