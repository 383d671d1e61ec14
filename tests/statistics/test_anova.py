"""Analysis of variance, effect sizes, reliability and resamples against SciPy and published values."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats as scipy_stats

from statistics_gaps import with_gaps
from tercet import stats
from tercet.client.session import Session
from tercet.errors import InputError

RNG = np.random.default_rng(41)
CODES = RNG.integers(0, 3, 180)
X = np.round((RNG.normal(50, 10, 180) + 3 * CODES) * 8) / 8
PARTS = [X[code == CODES] for code in range(3)]
SHROUT = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]])
"""Ratings of Shrout and Fleiss (1979), table 2."""


@pytest.mark.parametrize("secret", [True, False])
def test_one_way(net: Session, secret: bool) -> None:
    x, by = net.share(X, bounds=(-100, 200)), net.share(CODES, bounds=(0, 3)) if secret else CODES
    found, wanted = stats.f_oneway(x, by=by), scipy_stats.f_oneway(*PARTS)
    assert tuple(found) == pytest.approx((float(wanted[0]), float(wanted[1])), rel=1e-7)
    there = RNG.random(180) < 0.8
    gaps = stats.f_oneway(with_gaps(net, X, there, (-100, 200)), by=by)
    wanted = scipy_stats.f_oneway(*(X[there & (code == CODES)] for code in range(3)))
    assert tuple(gaps) == pytest.approx((float(wanted[0]), float(wanted[1])), rel=1e-7)
    assert list(gaps.group_sizes[:3]) == [(there & (code == CODES)).sum() for code in range(3)]


def test_samples(net: Session) -> None:
    samples = [
        net.share(part, bounds=(-100, 200), frac_bits=bits) for part, bits in zip(PARTS, (16, 20, 3), strict=True)
    ]
    wanted = scipy_stats.f_oneway(*PARTS)
    assert stats.f_oneway(*samples).statistic == pytest.approx(float(wanted[0]), rel=1e-7)
    assert stats.f_oneway(*PARTS).statistic == pytest.approx(float(wanted[0]), rel=1e-9)


def test_no_variance(net: Session) -> None:
    flat = net.share(np.full(20, 3.0), bounds=(0, 9))
    assert stats.f_oneway(flat, by=np.arange(20) % 2).eta_squared == 0
    apart = net.share(np.arange(20) % 2 * 2.0, bounds=(0, 9))
    assert stats.f_oneway(apart, by=np.arange(20) % 2).eta_squared == pytest.approx(1, abs=1e-8)


def test_tukey(net: Session) -> None:
    found = stats.tukey_hsd(net.share(X, bounds=(-100, 200)), by=net.share(CODES, bounds=(0, 2)))
    wanted = scipy_stats.tukey_hsd(*PARTS)
    assert found.statistic == pytest.approx(wanted.statistic, abs=1e-9)
    assert found.pvalue == pytest.approx(wanted.pvalue, rel=1e-5, abs=1e-9)
    assert found.confidence_interval().low == pytest.approx(wanted.confidence_interval().low, rel=1e-6)


def test_effect_sizes(net: Session) -> None:
    x, by = net.share(X, bounds=(-100, 200)), net.share(CODES == 1)
    a, b = X[CODES != 1], X[CODES == 1]
    within = ((len(a) - 1) * a.var(ddof=1) + (len(b) - 1) * b.var(ddof=1)) / (len(a) + len(b) - 2)
    assert stats.cohens_d(x, by=by) == pytest.approx((a.mean() - b.mean()) / math.sqrt(within))
    assert abs(stats.cohens_d(x, by=by, correction=True)) < abs(stats.cohens_d(x, by=by))


def test_cronbach(net: Session) -> None:
    items = RNG.integers(0, 4, (90, 1)) + RNG.integers(0, 2, (90, 5))
    wanted = 5 / 4 * (1 - items.var(axis=0).sum() / items.sum(axis=1).var())
    found = stats.cronbach_alpha(net.share(items, bounds=(0, 9)))
    assert found.alpha == pytest.approx(wanted, rel=1e-12)
    low, high = found.confidence_interval()
    assert low < found.alpha < high
    there = RNG.random(90) < 0.9
    columns = [
        with_gaps(net, items[:, 0], there, (0, 9)),
        *(net.share(items[:, at], bounds=(0, 9)) for at in range(1, 5)),
    ]
    left = items[there]
    wanted = 5 / 4 * (1 - left.var(axis=0).sum() / left.sum(axis=1).var())
    assert stats.cronbach_alpha(columns).alpha == pytest.approx(wanted, rel=1e-12)
    assert stats.cronbach_alpha(columns).nobs == there.sum()


def test_intraclass_correlations(net: Session) -> None:
    found = stats.icc(net.share(SHROUT, bounds=(0, 10)))
    assert found.icc == pytest.approx((0.17, 0.29, 0.71), abs=0.005)
    assert found.icc_k == pytest.approx((0.44, 0.62, 0.91), abs=0.005)
    assert stats.icc(SHROUT).icc == pytest.approx(found.icc, rel=1e-12)


def test_bootstrap(net: Session) -> None:
    x = net.share(X, bounds=(-100, 200))
    for name in ("mean", "std"):
        found = stats.bootstrap(x, name, n_resamples=199, random_state=5)
        wanted = stats.bootstrap(X, name, n_resamples=199, random_state=5)
        assert tuple(found.confidence_interval) == pytest.approx(tuple(wanted.confidence_interval), abs=1e-4)
        assert found.standard_error == pytest.approx(wanted.standard_error, abs=1e-4)
    assert found.revealed is not None and set(found.revealed.numbers) == {"ends", "variance"}


@pytest.mark.parametrize("alternative", ["two-sided", "less", "greater"])
def test_permutations(net: Session, alternative: str) -> None:
    x, by = net.share(X[:60], bounds=(-100, 200)), net.share(CODES[:60] == 1)
    found = stats.permutation_test(x, by, n_resamples=199, alternative=alternative, random_state=2)
    wanted = stats.permutation_test(X[:60], CODES[:60] == 1, n_resamples=199, alternative=alternative, random_state=2)
    assert tuple(found) == pytest.approx(tuple(wanted), rel=1e-12)
    assert found.statistic == pytest.approx(X[:60][CODES[:60] != 1].mean() - X[:60][CODES[:60] == 1].mean())


def test_what_is_refused(net: Session) -> None:
    x = net.share(X, bounds=(-100, 200))
    with pytest.raises(InputError, match="several samples"):
        stats.f_oneway(x)
    with pytest.raises(InputError, match="resamples"):
        stats.bootstrap(x, n_resamples=10**6, random_state=1)
    with pytest.raises(InputError, match="statistic"):
        stats.bootstrap(x, "median", random_state=1)


def test_plain_tools_are_those_of_statsmodels() -> None:
    assert stats.tt_ind_solve_power(effect_size=0.5, alpha=0.05, power=0.8) == pytest.approx(63.77, abs=0.01)
    assert list(stats.multipletests([0.01, 0.04, 0.03], method="holm")[0]) == [True, False, False]
