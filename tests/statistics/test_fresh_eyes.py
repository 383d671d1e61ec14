"""Where statistics went wrong in silence once: odd centers, empty groups, wide bounds, public conditions, weights; and
what a session with a cohort must not show of few rows, whatever the parameters."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import numpy as np
import pytest
from scipy import stats as scipy_stats

import tercet as tc
from tercet import plot, stats
from tercet.array.nullable import NullableArray
from tercet.client.column_arrays import DateArray
from tercet.client.session import Session
from tercet.store.schema import Column, ColumnKind

RNG = np.random.default_rng(11)
N = 60
X = RNG.integers(0, 100, N)
CODES = np.arange(N) % 3
ONE = np.arange(N) == 7


@pytest.mark.parametrize("center", [0.7, -2, 3.5, 1 / 3])
@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_a_moment_about_a_center_between_integers(net: Session, center: float, order: int) -> None:
    there = np.arange(N) % 4 > 0
    x = NullableArray.of_values(net.share(X, bounds=(0, 100)), net.share(there))
    found = stats.moment(x, order, center=center)
    assert found == pytest.approx(np.mean((X[there] - center) ** order), rel=1e-11)


def test_a_fourth_moment_of_incomes(net: Session) -> None:
    incomes = RNG.integers(0, 10**6 * 65536, 2000) / 65536
    found = stats.moment(net.share(incomes, bounds=(0, 1e6)), 4, center=5e5)
    assert found == pytest.approx(np.mean((incomes - 5e5) ** 4), rel=1e-6)


@pytest.mark.parametrize("empty", [0, 1])
def test_tukey_leaves_empty_groups_out(net: Session, empty: int) -> None:
    codes = np.where(empty == CODES, 2, CODES)
    found = stats.tukey_hsd(net.share(X, bounds=(0, 100)), by=net.share(codes, bounds=(0, 2)))
    kept = [code for code in range(3) if code != empty]
    wanted = scipy_stats.tukey_hsd(*(X[codes == code] for code in kept))
    assert found.statistic[np.ix_(kept, kept)] == pytest.approx(wanted.statistic, abs=1e-9)
    assert found.pvalue[np.ix_(kept, kept)] == pytest.approx(wanted.pvalue, abs=1e-6)
    low, high = (np.asarray(end) for end in found.confidence_interval())
    ends = wanted.confidence_interval()
    assert low[np.ix_(kept, kept)] == pytest.approx(ends.low, abs=1e-4)
    assert high[np.ix_(kept, kept)] == pytest.approx(ends.high, abs=1e-4)
    assert np.isnan(found.statistic[empty]).all() and np.isnan(found.pvalue[empty]).all()


def test_tukey_of_rounded_values_keeps_their_unit(net: Session) -> None:
    wide = (X * 2.0**33) + 0.25
    x, by = net.share(wide, bounds=(-(2.0**41), 2.0**41)), net.share(CODES, bounds=(0, 2))
    wanted = scipy_stats.tukey_hsd(*(wide[code == CODES] for code in range(3)))
    assert stats.tukey_hsd(x, by=by).statistic == pytest.approx(wanted.statistic, rel=1e-9)


def test_wide_bounds(net: Session) -> None:
    small = 1e6 + RNG.integers(0, 3, 50) / 65536
    away = (small - 1e6) * 65536
    x = net.share(small, bounds=(0, 2**20))
    assert stats.jarque_bera(x).statistic == pytest.approx(scipy_stats.jarque_bera(away).statistic, rel=1e-6)
    assert stats.hmean(x) == pytest.approx(float(scipy_stats.hmean(small)), rel=2**-30)
    large = RNG.integers(-(2**40), 2**40, 50).astype(float)
    x = net.share(large, bounds=(-(2.0**40), 2.0**40))
    assert stats.jarque_bera(x).pvalue == pytest.approx(scipy_stats.jarque_bera(large).pvalue, rel=1e-5)
    assert stats.normaltest(x).pvalue == pytest.approx(scipy_stats.normaltest(large).pvalue, rel=1e-5)
    assert stats.skew(x) == pytest.approx(scipy_stats.skew(large), abs=1e-6)


def test_what_rounding_would_spoil_is_refused(net: Session) -> None:
    tiny = RNG.integers(-50, 50, 5000) / 65536
    x = net.share(tiny, bounds=(-(2.0**42), 2.0**42))
    assert stats.mean(x) == pytest.approx(tiny.mean(), rel=1e-12)
    for asked in (stats.var.pending(x), stats.ttest_1samp.pending(x, 0), stats.ttest_ind.pending(x, x)):
        with pytest.raises(tc.InputError, match="vary too little"):
            asked.reveal()
    assert stats.var(np.clip(x, -1, 1)) == pytest.approx(tiny.var(ddof=1), rel=1e-12)


def test_public_conditions_of_secret_columns(net: Session) -> None:
    x, chosen = net.share(X, bounds=(0, 100)), X > 30
    assert stats.quantile(x, 0.5, where=chosen) == pytest.approx(np.median(X[chosen]), abs=1e-4)
    assert stats.median_abs_deviation(x, where=chosen) == pytest.approx(
        scipy_stats.median_abs_deviation(X[chosen]), abs=1e-4
    )
    assert list(stats.histogram(x, 5, where=chosen).counts) == list(np.histogram(X[chosen], 5, (0, 100))[0])
    scores = np.ma.getdata(stats.zscore(x, where=chosen).reveal())
    assert scores[chosen] == pytest.approx(scipy_stats.zscore(X[chosen]), abs=1e-7)


@pytest.mark.parametrize("secret", [True, False])
def test_public_weights(net: Session, secret: bool) -> None:
    weights = RNG.random(N)
    x, by = net.share(X, bounds=(0, 100)), net.share(CODES, bounds=(0, 2)) if secret else CODES
    wanted = [np.average(X[code == CODES], weights=weights[code == CODES]) for code in range(3)]
    assert stats.mean(x, weights=weights, by=by) == pytest.approx(wanted, rel=1e-6)
    assert stats.mean(x, weights=weights) == pytest.approx(np.average(X, weights=weights), rel=1e-6)
    with pytest.raises(tc.InputError, match="weights of"):
        stats.mean(x, weights=weights[:5])


def test_weights_below_nothing(net: Session) -> None:
    weights = net.share(np.where(ONE, 1.0, -0.5), bounds=(-1, 1))
    assert math.isnan(stats.var(net.share(X, bounds=(0, 100)), weights=weights))


def test_curves_take_no_missing_values(net: Session) -> None:
    score = net.share(RNG.random(N), bounds=(0, 1))
    gaps = NullableArray.of_values(score, net.share(CODES > 0))
    truth = net.share(X > 50)
    for draw in (plot.roc, plot.precision_recall, plot.calibration, plot.residuals):
        with pytest.raises(tc.InputError, match="missing"):
            draw(truth, gaps)


@pytest.mark.parametrize("secret", [True, False])
def test_analyses_of_variance_leave_rows_without_a_group_out(net: Session, secret: bool) -> None:
    grouped = np.arange(N) % 7 > 0
    codes = net.share(CODES, bounds=(0, 2))
    by = NullableArray.of_values(codes, net.share(grouped)) if secret else np.ma.MaskedArray(CODES, mask=~grouped)
    x, parts = net.share(X, bounds=(0, 100)), [X[grouped & (code == CODES)] for code in range(3)]
    assert stats.f_oneway(x, by=by).statistic == pytest.approx(scipy_stats.f_oneway(*parts).statistic, rel=1e-6)
    found, wanted = stats.tukey_hsd(x, by=by), scipy_stats.tukey_hsd(*parts)
    assert found.statistic == pytest.approx(wanted.statistic, abs=1e-9)
    assert found.pvalue == pytest.approx(wanted.pvalue, abs=1e-6)


def test_dates_and_categories_are_refused_by_name(net: Session) -> None:
    column = Column(name="day", kind=ColumnKind.DATE, lo=date(1970, 1, 1), hi=date(1970, 1, 10))
    days = DateArray.of_column(net.share([3, 4, 5], bounds=(0, 9)), column)
    for asked in (stats.mean, stats.var, stats.quantile, stats.skew):
        with pytest.raises(TypeError, match="day"):
            asked(days)


# ---- few rows ----


@pytest.fixture
def guarded(net: Session) -> Iterator[Session]:
    net.cohort = 5
    yield net
    net.cohort = 0


Asked = Callable[[Any, Any], Any]
OF_ONE_ROW: dict[str, Asked] = {
    "mean": lambda x, one: stats.mean(x, where=one),
    "gmean": lambda x, one: stats.gmean(x + 1, where=one),
    "quantile": lambda x, one: stats.quantile(x, where=one),
    "iqr": lambda x, one: stats.iqr(x, where=one),
    "median_abs_deviation": lambda x, one: stats.median_abs_deviation(x, where=one),
    "histogram": lambda x, one: stats.histogram(x, 5, where=one),
    "ecdf": lambda x, one: stats.ecdf(x, [50], where=one),
    "mean by": lambda x, one: stats.mean(x, by=one),
    "f_oneway": lambda x, one: stats.f_oneway(x, by=one),
    "tukey_hsd": lambda x, one: stats.tukey_hsd(x, by=one),
    "ttest_ind": lambda x, one: stats.ttest_ind(x, by=one),
    "mannwhitneyu": lambda x, one: stats.mannwhitneyu(x, by=one),
    "kaplan_meier": lambda x, one: stats.KaplanMeierFitter().fit(x, where=one),
    "permutation_test": lambda x, one: stats.permutation_test(x, one, n_resamples=9, random_state=1),
    "weights": lambda x, one: stats.mean(x, weights=one * 1),
    "nearly all weight": lambda x, one: stats.mean(x, weights=one * 1000 + 1),
    "variance by weights": lambda x, one: stats.var(x, weights=one * 1000 + 1),
    "t-test by weights": lambda x, one: stats.ttest_1samp(x, 0, weights=one * 1000 + 1),
}


@pytest.mark.parametrize("name", OF_ONE_ROW)
@pytest.mark.parametrize("secret", [True, False])
def test_nothing_is_shown_of_one_row(guarded: Session, name: str, secret: bool) -> None:
    x = guarded.share(X, bounds=(0, 100))
    with pytest.raises(stats.SmallGroup):
        OF_ONE_ROW[name](x, guarded.share(ONE) if secret else ONE)


@pytest.mark.parametrize(
    "asked",
    [
        lambda x: stats.mean(x, by=np.arange(N)),
        lambda x: stats.mean(x[:4]),
        lambda x: stats.proportion(x == int(X[7])),
        lambda x: stats.proportions_ztest(x == int(X[7]), x > 50),
        lambda x: stats.mantel_haenszel(x == int(X[7]), x > 50, x > 30),
        lambda x: stats.corr([x[:4], x[4:8]]),
        lambda x: stats.quantile(x, 0),
        lambda x: stats.quantile(x, [0.5, 1]),
        lambda x: stats.quantile(x, np.linspace(0.1, 0.9, 40)),
        lambda x: stats.iqr(x, rng=(0, 100)),
        lambda x: stats.trim_mean(x, 0.49),
        lambda x: stats.ecdf(x, [np.sort(X)[-2]], where=x > 20),
    ],
)
def test_parameters_that_single_out_rows(guarded: Session, asked: Any) -> None:
    with pytest.raises(stats.SmallGroup):
        asked(guarded.share(X, bounds=(0, 100)))


def test_small_public_groups_are_hidden_and_one_more(guarded: Session) -> None:
    codes = np.array([0] * 3 + [1] * 40 + [2] * 17)
    x = guarded.share(X, bounds=(0, 100))
    found = stats.describe(x, by=codes)
    assert list(np.isnan(found.mean)) == [True, False, True] and list(found.nobs) == [0, 40, 0]
    assert found.mean[1] == pytest.approx(X[codes == 1].mean())
    assert list(np.isnan(stats.var(x, by=codes))) == [True, False, True]


def test_curves_of_many_rows_are_drawn(guarded: Session) -> None:
    x, truth = guarded.share(X, bounds=(0, 100)), guarded.share(CODES > 0)
    axes = plot.roc(truth, x, thresholds=[50])
    above = X >= 50
    assert np.asarray(axes.lines[0].get_xydata())[1] == pytest.approx(
        [above[CODES == 0].mean(), above[CODES > 0].mean()]
    )
    drawn: Any = plot.precision_recall(truth, x, thresholds=[50])
    assert "scores above thresholds" in drawn.revealed


def test_what_rests_on_many_rows_is_shown(guarded: Session) -> None:
    x, weights = guarded.share(X, bounds=(0, 100)), RNG.random(N) + 0.5
    assert stats.mean(x, where=X > 30) == pytest.approx(X[X > 30].mean())
    assert stats.mean(x, weights=weights) == pytest.approx(np.average(X, weights=weights), rel=1e-6)
    secret = guarded.share(weights, bounds=(0, 2))
    by = guarded.share(CODES, bounds=(0, 2))
    assert np.isfinite(stats.var(x, weights=secret, by=by)).all()
    assert stats.quantile(x, [0.1, 0.25, 0.5, 0.75, 0.9]) == pytest.approx(
        np.quantile(X, [0.1, 0.25, 0.5, 0.75, 0.9]), abs=1e-4
    )


def test_a_median_survival_time_where_the_curve_is_one_half(net: Session) -> None:
    for n in range(2, 60, 2):
        found = stats.KaplanMeierFitter().fit(np.arange(1, n + 1))
        assert found.median_survival_time_ == n // 2
