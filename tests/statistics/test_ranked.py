"""Tests on ranks and placements against SciPy: ties, constants, one row, missing values, secret and public groups."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats as scipy_stats
from sklearn.metrics import roc_auc_score

from tercet import stats
from tercet.array.nullable import NullableArray
from tercet.client.session import Session
from tercet.errors import InputError

RNG = np.random.default_rng(21)
X, Y = RNG.integers(0, 20, 60), RNG.integers(3, 25, 40)
Z = RNG.integers(-200, 200, 60) / 32
GROUP, HALF = RNG.integers(0, 3, 60), RNG.random(60) < 0.4
D = RNG.integers(-4, 6, 60)
WIDE = (-(2.0**30), 2.0**30)


def same(found: Any, wanted: Any, rel: float = 1e-10) -> None:
    assert found.statistic == pytest.approx(float(wanted.statistic), rel=rel, nan_ok=True)
    assert found.pvalue == pytest.approx(float(wanted.pvalue), rel=rel, nan_ok=True)


@pytest.mark.parametrize("alternative", ["two-sided", "less", "greater"])
@pytest.mark.parametrize("use_continuity", [True, False])
def test_mann_and_whitney(net: Session, alternative: str, use_continuity: bool) -> None:
    x, y = net.share(X, bounds=(0, 30)), net.share(Y, bounds=(0, 30))
    found = stats.mannwhitneyu(x, y, use_continuity, alternative)
    same(found, scipy_stats.mannwhitneyu(X, Y, use_continuity, alternative))
    assert found.effect_size == pytest.approx(2 * found.statistic / (60 * 40) - 1)
    assert (found.n1, found.n2) == (60, 40)
    assert str(found.revealed) == "rank_sums (2), squares of 100 rows"
    same(
        stats.mannwhitneyu(X, Y, use_continuity, alternative),
        scipy_stats.mannwhitneyu(X, Y, use_continuity, alternative),
    )


def test_mann_and_whitney_of_one_column(net: Session) -> None:
    z, half = net.share(Z, bounds=WIDE), net.share(HALF)
    same(stats.mannwhitneyu(z, by=half), scipy_stats.mannwhitneyu(Z[~HALF], Z[HALF]))
    there = X > 4
    some = NullableArray.of_values(z, net.share(there))
    same(stats.mannwhitneyu(some, by=half), scipy_stats.mannwhitneyu(Z[there & ~HALF], Z[there & HALF]))
    same(
        stats.mannwhitneyu(z, by=HALF, where=net.share(there)),
        scipy_stats.mannwhitneyu(Z[there & ~HALF], Z[there & HALF]),
    )
    same(stats.mannwhitneyu(z, by=half, where=there), scipy_stats.mannwhitneyu(Z[there & ~HALF], Z[there & HALF]))


def test_small_samples_are_exact(net: Session) -> None:
    a, b = np.array([3, 9, 14, 1, 30]), np.array([2, 8, 20, 25, 26, 29, 33])
    x, y = net.share(a, bounds=(0, 40)), net.share(b, bounds=(0, 40))
    for alternative in ("two-sided", "less", "greater"):
        same(stats.mannwhitneyu(x, y, alternative=alternative), scipy_stats.mannwhitneyu(a, b, alternative=alternative))
    with pytest.raises(InputError, match="ties"):
        stats.mannwhitneyu(x, x, method="exact")
    d = RNG.permutation(np.arange(1, 31)) * np.where(RNG.random(30) < 0.6, 1, -1)
    for alternative in ("two-sided", "less", "greater"):
        wanted = scipy_stats.wilcoxon(d, alternative=alternative)
        same(stats.wilcoxon(net.share(d, bounds=(-40, 40)), alternative=alternative), wanted)


def test_constants_and_single_rows(net: Session) -> None:
    ones, one = net.share(np.ones(5, int), bounds=(0, 3)), net.share([2], bounds=(0, 3))
    assert stats.mannwhitneyu(ones, one).statistic == 0
    assert math.isnan(stats.kruskal(ones, ones).statistic)
    assert stats.mannwhitneyu(net.share([1, 1], bounds=(1, 1)), net.share([1], bounds=(1, 1))).statistic == 1
    assert math.isnan(stats.wilcoxon(ones - 1).pvalue)
    assert math.isnan(stats.roc_auc(net.share([True, True]), net.share([1, 2], bounds=(0, 3))).auc)
    assert math.isnan(stats.friedmanchisquare(ones, ones, ones).statistic)
    assert math.isnan(stats.brunnermunzel(one, ones).statistic)


@pytest.mark.parametrize("secret", [True, False])
def test_kruskal_and_wallis(net: Session, secret: bool) -> None:
    z = net.share(Z, bounds=(-8, 8))
    by = net.share(GROUP, bounds=(0, 4)) if secret else GROUP
    wanted = scipy_stats.kruskal(*(Z[at == GROUP] for at in range(3)))
    same(stats.kruskal(z, by=by), wanted)
    same(stats.kruskal(Z, by=GROUP), wanted)
    ranks = scipy_stats.rankdata(Z)
    found = stats.kruskal(z, by=by).mean_ranks
    assert found[:3] == pytest.approx([ranks[at == GROUP].mean() for at in range(3)])
    same(stats.kruskal(net.share(X, bounds=(0, 20)), net.share(Y, bounds=(3, 25))), scipy_stats.kruskal(X, Y))


@pytest.mark.parametrize("zero_method", ["wilcox", "pratt", "zsplit"])
@pytest.mark.parametrize("correction", [True, False])
@pytest.mark.parametrize("alternative", ["two-sided", "less", "greater"])
def test_wilcoxon(net: Session, zero_method: str, correction: bool, alternative: str) -> None:
    d = net.share(D, bounds=(-10, 10))
    options = {"zero_method": zero_method, "correction": correction, "alternative": alternative}
    found = stats.wilcoxon(d, **options, method="asymptotic")
    wanted = scipy_stats.wilcoxon(D, **options, method="asymptotic")
    same(found, wanted)
    if not correction:
        assert found.zstatistic == pytest.approx(float(wanted.zstatistic))


def test_wilcoxon_of_pairs_some_of_which_are_missing(net: Session) -> None:
    a, b = Z, np.roll(Z, 7)
    there = RNG.random(60) < 0.8
    x, y = NullableArray.of_values(net.share(a, bounds=(-8, 8)), net.share(there)), net.share(b, bounds=(-8, 8))
    same(stats.wilcoxon(x, y, method="approx"), scipy_stats.wilcoxon(a[there], b[there], method="approx"))


def test_friedman(net: Session) -> None:
    columns = [X, D + 8, GROUP * 6]
    secret = [net.share(one, bounds=(0, 30)) for one in columns]
    same(stats.friedmanchisquare(*secret), scipy_stats.friedmanchisquare(*columns))
    there = Z > -3
    some = NullableArray.of_values(secret[0], net.share(there))
    wanted = scipy_stats.friedmanchisquare(*(one[there] for one in columns))
    same(stats.friedmanchisquare(some, *secret[1:]), wanted)
    with pytest.raises(InputError, match="at least 3"):
        stats.friedmanchisquare(*secret[:2])


@pytest.mark.parametrize("distribution", ["t", "normal"])
@pytest.mark.parametrize("alternative", ["two-sided", "less", "greater"])
def test_brunner_and_munzel(net: Session, distribution: str, alternative: str) -> None:
    x, y = net.share(X, bounds=(0, 20)), net.share(Y, bounds=(3, 25))
    found = stats.brunnermunzel(x, y, alternative, distribution)
    same(found, scipy_stats.brunnermunzel(X, Y, alternative, distribution))


def delong(truth: Any, *scores: Any) -> tuple[Any, Any]:
    """Areas and DeLong's covariance, by all pairs."""
    areas, tens, ones = [], [], []
    for score in scores:
        high, low = score[truth], score[~truth]
        wins = (high[:, None] > low) + (high[:, None] == low) / 2
        areas.append(wins.mean())
        tens.append(wins.mean(axis=1))
        ones.append(wins.mean(axis=0))
    return np.array(areas), np.cov(tens) / truth.sum() + np.cov(ones) / (~truth).sum()


def test_areas_under_curves(net: Session) -> None:
    truth, first, second = net.share(HALF), net.share(Z, bounds=(-8, 8)), net.share(X, bounds=(0, 20))
    (one, two), cov = delong(HALF, Z, X)
    found = stats.roc_auc(truth, first)
    assert found.auc == pytest.approx(roc_auc_score(HALF, Z), rel=1e-12)
    assert found.standard_error == pytest.approx(math.sqrt(cov[0, 0]), rel=1e-10)
    low, high = found.confidence_interval()
    assert (low + high) / 2 == pytest.approx(found.auc) and high - low == pytest.approx(
        2 * 1.959964 * found.standard_error
    )
    below, above = found.confidence_interval(0.9, "logit")
    assert 0 < below < found.auc < above < 1
    test = stats.delong_test(truth, first, second)
    assert (test.auc1, test.auc2) == pytest.approx((one, two))
    assert np.allclose(test.covariance, cov, rtol=1e-10)
    z = (one - two) / math.sqrt(cov[0, 0] + cov[1, 1] - 2 * cov[0, 1])
    assert test.statistic == pytest.approx(z) and test.pvalue == pytest.approx(2 * scipy_stats.norm.sf(abs(z)))
    there = D > -3
    some = NullableArray.of_values(first, net.share(there))
    assert stats.roc_auc(truth, some).auc == pytest.approx(roc_auc_score(HALF[there], Z[there]), rel=1e-12)


def test_wide_bounds_and_what_is_refused(net: Session) -> None:
    big = RNG.integers(-(2**59), 2**59, 30)
    x = net.share(big, bounds=(-(2**60), 2**60))
    same(stats.kruskal(x, by=GROUP[:30]), scipy_stats.kruskal(*(big[GROUP[:30] == at] for at in range(3))))
    for call, words in (
        (lambda: stats.mannwhitneyu(x), "at least 2"),
        (lambda: stats.mannwhitneyu(x, by=GROUP[:30]), "3 groups"),
        (lambda: stats.mannwhitneyu(x, x, method="permutation"), "method"),
        (lambda: stats.wilcoxon(x, zero_method="drop"), "zero_method"),
        (lambda: stats.mannwhitneyu(x, x, alternative="more"), "alternative"),
        (lambda: stats.mannwhitneyu(x, big), "some samples are secret"),
    ):
        with pytest.raises(InputError, match=words):
            call()


def test_small_groups_are_not_shown(net: Session) -> None:
    z, few = net.share(Z, bounds=(-8, 8)), net.share(np.arange(60) < 3)
    net.cohort = 5
    try:
        for call in (
            lambda: stats.mannwhitneyu(z, by=few),
            lambda: stats.roc_auc(few, z),
            lambda: stats.wilcoxon(z, where=few),
            lambda: stats.pearsonr(z, z, where=few),
            lambda: stats.levene(z, by=few),
            lambda: stats.jarque_bera(z, where=few),
            lambda: stats.ks_2samp(z, by=few),
        ):
            with pytest.raises(stats.SmallGroup, match="fewer rows"):
                call()
        same(stats.mannwhitneyu(z, by=net.share(HALF)), scipy_stats.mannwhitneyu(Z[~HALF], Z[HALF]))
    finally:
        net.cohort = 0
