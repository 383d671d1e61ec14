"""Levene, Bartlett, Mood, normality, Kolmogorov and Smirnov, against SciPy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats as scipy_stats

from tercet import stats
from tercet.array.nullable import NullableArray
from tercet.client.session import Session
from tercet.errors import InputError

RNG = np.random.default_rng(23)
X, Y = RNG.integers(0, 20, 60), RNG.integers(3, 25, 40)
Z = RNG.integers(-200, 200, 60) / 32
GROUP, HALF = RNG.integers(0, 3, 60), RNG.random(60) < 0.4
PARTS = [Z[at == GROUP] for at in range(3)]


def same(found: Any, wanted: Any, rel: float = 1e-9) -> None:
    assert found.statistic == pytest.approx(float(wanted.statistic), rel=rel, nan_ok=True)
    assert found.pvalue == pytest.approx(float(wanted.pvalue), rel=rel, nan_ok=True)


def test_spreads(net: Session) -> None:
    z, by = net.share(Z, bounds=(-8, 8)), net.share(GROUP, bounds=(0, 2))
    for groups in (by, GROUP):
        same(stats.bartlett(z, by=groups), scipy_stats.bartlett(*PARTS))
        same(stats.levene(z, by=groups), scipy_stats.levene(*PARTS))
        same(stats.levene(z, by=groups, center="mean"), scipy_stats.levene(*PARTS, center="mean"))
    same(stats.levene(Z, by=GROUP), scipy_stats.levene(*PARTS))
    assert stats.bartlett(z, by=by).spreads == pytest.approx([part.var(ddof=1) for part in PARTS])
    for center, middle in (("median", np.median), ("mean", np.mean)):
        wanted = [abs(part - middle(part)).mean() for part in PARTS]
        assert stats.levene(z, by=by, center=center).spreads == pytest.approx(wanted)
    there = X > 3
    some = NullableArray.of_values(z, net.share(there))
    kept = [Z[there & (at == GROUP)] for at in range(3)]
    same(stats.levene(some, by=by), scipy_stats.levene(*kept))
    same(stats.levene(some, by=by, center="mean"), scipy_stats.levene(*kept, center="mean"))
    same(stats.bartlett(some, by=by), scipy_stats.bartlett(*kept))
    x, y = net.share(X, bounds=(0, 20)), net.share(Y, bounds=(0, 30))
    same(stats.levene(x, y), scipy_stats.levene(X, Y))
    with pytest.raises(InputError, match="where= leaves"):
        stats.levene(x, y, center="trimmed")
    ones = net.share(np.ones(6, int), bounds=(0, 3))
    assert math.isnan(stats.levene(ones, ones).statistic)
    assert math.isnan(stats.bartlett(ones, net.share([1], bounds=(0, 3))).statistic)


@pytest.mark.parametrize("ties", ["below", "above", "ignore"])
def test_medians(net: Session, ties: str) -> None:
    x, by = net.share(X, bounds=(0, 20)), net.share(GROUP, bounds=(0, 2))
    parts = [X[at == GROUP] for at in range(3)]
    for found in (stats.median_test(x, by=by, ties=ties), stats.median_test(X, by=GROUP, ties=ties)):
        wanted = scipy_stats.median_test(*parts, ties=ties)
        same(found, wanted)
        assert found.median == wanted.median and np.array_equal(found.table, wanted.table)
    there = Z > -4
    some = NullableArray.of_values(x, net.share(there))
    same(
        stats.median_test(some, by=HALF, ties=ties),
        scipy_stats.median_test(X[there & ~HALF], X[there & HALF], ties=ties),
    )


def test_normality(net: Session) -> None:
    z = net.share(Z, bounds=(-100, 900))
    same(stats.jarque_bera(z), scipy_stats.jarque_bera(Z))
    same(stats.normaltest(z), scipy_stats.normaltest(Z))
    found = stats.jarque_bera(z)
    assert found.skewness == pytest.approx(scipy_stats.skew(Z)) and found.mean == pytest.approx(Z.mean())
    assert found.kurtosis == pytest.approx(scipy_stats.kurtosis(Z, fisher=False))
    assert str(found.revealed) == "first, second, third, fourth of 60 rows"
    there = X > 3
    some = NullableArray.of_values(z, net.share(there))
    same(stats.normaltest(some), scipy_stats.normaltest(Z[there]))
    ones = net.share(np.ones(20, int), bounds=(0, 3))
    assert math.isnan(stats.jarque_bera(ones).statistic) and math.isnan(stats.normaltest(ones).statistic)
    wide = net.share(Z * 1024, bounds=(-(2.0**30), 2.0**30))
    same(stats.jarque_bera(wide), scipy_stats.jarque_bera(Z), rel=1e-3)


def test_shapiro_and_francia(net: Session) -> None:
    values = RNG.permutation(1000)[:50] ** 2 / 64
    found = stats.shapiro_francia(net.share(values, bounds=(0, 16000)))
    scores = scipy_stats.norm.ppf((np.arange(1, 51) - 0.375) / 50.25)
    w = np.corrcoef(np.sort(values), scores)[0, 1] ** 2
    assert found.statistic == pytest.approx(w, abs=1e-6)
    # W' and p-value of R's nortest::sf.test, by its formula
    u = math.log(50)
    z = (math.log(1 - w) - (-1.2725 + 1.0521 * (math.log(u) - u))) / (1.0308 - 0.26758 * (math.log(u) + 2 / u))
    assert found.pvalue == pytest.approx(scipy_stats.norm.sf(z), rel=1e-4)
    for wrong in (net.share([1, 2], bounds=(0, 3)), NullableArray.of_values(net.share(Z), net.share(HALF))):
        with pytest.raises(InputError):
            stats.shapiro_francia(wrong)


@pytest.mark.parametrize("alternative", ["two-sided", "less", "greater"])
def test_two_distributions(net: Session, alternative: str) -> None:
    x, y, z, half = (
        net.share(X, bounds=(0, 20)),
        net.share(Y, bounds=(3, 25)),
        net.share(Z, bounds=(-8, 8)),
        net.share(HALF),
    )
    wanted = scipy_stats.ks_2samp(X, Y, alternative)
    found = stats.ks_2samp(x, y, alternative)
    same(found, wanted)
    assert found.statistic_sign == wanted.statistic_sign
    of_z = scipy_stats.ks_2samp(Z[~HALF], Z[HALF], alternative)
    for groups in (half, HALF):
        same(stats.ks_2samp(z, by=groups, alternative=alternative), of_z)
    same(stats.ks_2samp(Z, by=HALF, alternative=alternative), of_z)
    there = X > 3
    of_some = scipy_stats.ks_2samp(Z[there & ~HALF], Z[there & HALF], alternative)
    for column, other in ((z, Z), (x, X)):
        some = NullableArray.of_values(column, net.share(there))
        wanted = of_some if other is Z else scipy_stats.ks_2samp(X[there & ~HALF], X[there & HALF], alternative)
        same(stats.ks_2samp(some, by=half, alternative=alternative), wanted)
    asymptotic = scipy_stats.ks_2samp(X, Y, alternative, "asymp")
    same(stats.ks_2samp(x, y, alternative, "asymp"), asymptotic)


@pytest.mark.parametrize("alternative", ["two-sided", "less", "greater"])
def test_one_distribution(net: Session, alternative: str) -> None:
    x = net.share(X, bounds=(0, 20))
    wanted = scipy_stats.ks_1samp(X, scipy_stats.norm(10, 6).cdf, alternative=alternative)
    for data in (x, X):
        same(stats.ks_1samp(data, "norm", (10, 6), alternative), wanted, rel=1e-6)
    there = Z > -3
    some = NullableArray.of_values(x, net.share(there))
    kept = scipy_stats.ks_1samp(X[there], scipy_stats.expon(0, 9).cdf, alternative=alternative)
    same(stats.ks_1samp(some, "expon", (0, 9), alternative), kept, rel=1e-6)
    with pytest.raises(InputError, match="round the column"):
        stats.ks_1samp(net.share(Z, bounds=(-8, 8)))
    with pytest.raises(InputError, match="it is one of norm"):
        stats.ks_1samp(x, "cauchy_of_mine")
