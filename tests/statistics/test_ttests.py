"""t-tests against SciPy: public and secret groups, missing values, weights, odd samples, a cohort."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest
from scipy import stats as scipy_stats

from statistics_gaps import with_gaps
from tercet import stats
from tercet.client.session import Session
from tercet.errors import InputError

RNG = np.random.default_rng(11)
X = RNG.integers(-400, 900, 120) / 8
Y = RNG.integers(-400, 900, 75) / 8
HALF = RNG.random(120) < 0.4


def same(found: Any, wanted: Any) -> None:
    assert found.statistic == pytest.approx(float(wanted.statistic), rel=1e-12, nan_ok=True)
    assert found.pvalue == pytest.approx(float(wanted.pvalue), rel=1e-10, nan_ok=True)
    if hasattr(wanted, "df"):
        assert found.df == pytest.approx(float(wanted.df), rel=1e-12, nan_ok=True)


def shared(net: Session, values: Any) -> Any:
    return net.share(values, bounds=(-1000, 1000))


@pytest.mark.parametrize("alternative", ["two-sided", "less", "greater"])
def test_one_sample(net: Session, alternative: str) -> None:
    found = stats.ttest_1samp(shared(net, X), 30, alternative=alternative)
    wanted = scipy_stats.ttest_1samp(X, 30, alternative=alternative)
    same(found, wanted)
    assert tuple(found) == (found.statistic, found.pvalue)
    low, high = found.confidence_interval(0.9)
    assert (low, high) == pytest.approx(tuple(map(float, wanted.confidence_interval(0.9))), rel=1e-12)
    assert str(found.revealed) == "sum, variance of 120 rows"


@pytest.mark.parametrize("equal_var", [True, False])
@pytest.mark.parametrize("alternative", ["two-sided", "less", "greater"])
def test_two_samples(net: Session, equal_var: bool, alternative: str) -> None:
    found = stats.ttest_ind(shared(net, X), shared(net, Y), equal_var=equal_var, alternative=alternative)
    wanted = scipy_stats.ttest_ind(X, Y, equal_var=equal_var, alternative=alternative)
    same(found, wanted)
    assert tuple(found.confidence_interval()) == pytest.approx(tuple(map(float, wanted.confidence_interval())))


@pytest.mark.parametrize("equal_var", [True, False])
def test_secret_groups_with_missing_values(net: Session, equal_var: bool) -> None:
    there = RNG.random(120) < 0.8
    secret = with_gaps(net, X, there)
    found = stats.ttest_ind(secret, by=net.share(HALF), equal_var=equal_var)
    same(found, scipy_stats.ttest_ind(X[there & ~HALF], X[there & HALF], equal_var=equal_var))
    public = stats.ttest_ind(secret, by=np.where(HALF, "b", "a"), equal_var=equal_var)
    same(public, scipy_stats.ttest_ind(X[there & ~HALF], X[there & HALF], equal_var=equal_var))
    assert found.revealed is not None
    assert set(found.revealed.numbers) >= {"count of a", "count of b", "difference"}


def test_pairs(net: Session) -> None:
    before, after = X[:60], X[60:] + 1
    there = RNG.random(60) < 0.7
    second = with_gaps(net, after, there)
    found = stats.ttest_rel(net.share(before, bounds=(-1000, 1000), frac_bits=20), second)
    same(found, scipy_stats.ttest_rel(before[there], after[there]))


def test_the_same_code_on_numpy() -> None:
    same(stats.ttest_ind(X, Y), scipy_stats.ttest_ind(X, Y))
    same(stats.ttest_ind(X, by=HALF, equal_var=False), scipy_stats.ttest_ind(X[~HALF], X[HALF], equal_var=False))
    assert stats.ttest_ind(X, Y).revealed is not None


def test_weights_count_rows_so_often(net: Session) -> None:
    weights = RNG.integers(0, 5, 120)
    found = stats.ttest_1samp(shared(net, X), 30, weights=net.share(weights, bounds=(0, 10)))
    same(found, scipy_stats.ttest_1samp(np.repeat(X, weights), 30))


def test_incomes_of_many_rows_fit_with_default_bits(net: Session) -> None:
    pay = RNG.integers(0, 10**6, 20_000) + 0.25
    found = stats.ttest_ind(net.share(pay, bounds=(0, 2e6)), by=net.share(RNG.random(20_000) < 0.5))
    assert math.isfinite(found.statistic)
    one = stats.ttest_1samp(net.share(pay, bounds=(0, 2e6)), 500_000)
    same(one, scipy_stats.ttest_1samp(pay, 500_000))


@pytest.mark.parametrize("values", [[3.0], [2.0, 2.0, 2.0]])
def test_samples_without_spread(net: Session, values: list[float]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = scipy_stats.ttest_1samp(values, 1.0)
    same(stats.ttest_1samp(net.share(values, bounds=(0, 9)), 1.0), wanted)


def test_what_cannot_be_asked(net: Session) -> None:
    x = shared(net, X)
    with pytest.raises(InputError, match="alternative"):
        stats.ttest_1samp(x, 0, alternative="both")
    with pytest.raises(InputError, match="two samples"):
        stats.ttest_ind(x)
    with pytest.raises(InputError, match="3 groups"):
        stats.ttest_ind(x, by=net.share(np.arange(120) % 3, bounds=(0, 2)))
    with pytest.raises(InputError, match="shape"):
        stats.ttest_1samp(x.reshape((60, 2)), 0)
    with pytest.raises(TypeError, match="axis"):
        stats.ttest_1samp(x, 0, axis=0)  # type: ignore[call-arg]


def test_a_small_group_is_not_shown(net: Session) -> None:
    few = np.arange(120) < 4
    net.cohort = 5
    try:
        with pytest.raises(stats.SmallGroup, match="fewer rows"):
            stats.ttest_ind(shared(net, X), by=net.share(few))
        same(stats.ttest_ind(shared(net, X), by=net.share(HALF)), scipy_stats.ttest_ind(X[~HALF], X[HALF]))
    finally:
        net.cohort = 0


def test_several_in_one_plan(net: Session) -> None:
    x, y = shared(net, X), shared(net, Y)
    with net.measure() as cost:
        first, second = stats.together(stats.ttest_ind.pending(x, y), stats.ttest_1samp.pending(x, 3))
    assert cost.jobs == 1
    same(first, scipy_stats.ttest_ind(X, Y))
    same(second, scipy_stats.ttest_1samp(X, 3))
    assert len(stats.ttest_ind.pending(x, y).explain().reveals) == 2
