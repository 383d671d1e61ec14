"""Correlations against SciPy, NumPy and pandas: pairs, matrices, partial ones, ties, constants, missing values."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats as scipy_stats

from tercet import stats
from tercet.array.nullable import NullableArray
from tercet.client.session import Session
from tercet.errors import InputError

RNG = np.random.default_rng(22)
X = RNG.integers(0, 9, 70)
Y = X + RNG.integers(-3, 4, 70)
Z = RNG.integers(-300, 300, 70) / 64
DATA = np.stack([X, Y, Z], axis=1)


def same(found: Any, wanted: Any) -> None:
    assert found.statistic == pytest.approx(float(wanted.statistic), rel=1e-10, nan_ok=True)
    assert found.pvalue == pytest.approx(float(wanted.pvalue), rel=1e-9, nan_ok=True)


def secret(net: Session) -> list[Any]:
    bounds = ((0, 8), (-3, 12), (-5, 5))
    return [net.share(one if at == 2 else one.astype(int), bounds=bounds[at]) for at, one in enumerate(DATA.T)]


@pytest.mark.parametrize("alternative", ["two-sided", "less", "greater"])
def test_pairs(net: Session, alternative: str) -> None:
    x, y, z = secret(net)
    found, wanted = stats.pearsonr(x, y, alternative=alternative), scipy_stats.pearsonr(X, Y, alternative=alternative)
    same(found, wanted)
    assert tuple(found.confidence_interval(0.9)) == pytest.approx(tuple(map(float, wanted.confidence_interval(0.9))))
    assert str(found.revealed) == "correlations (4) of 70 rows"
    same(stats.spearmanr(y, z, alternative=alternative), scipy_stats.spearmanr(Y, Z, alternative=alternative))
    same(stats.kendalltau(x, y, alternative=alternative), scipy_stats.kendalltau(X, Y, alternative=alternative))
    same(stats.kendalltau(x, z, alternative=alternative), scipy_stats.kendalltau(X, Z, alternative=alternative))
    same(stats.kendalltau(X, Z, alternative=alternative), scipy_stats.kendalltau(X, Z, alternative=alternative))


def test_matrices(net: Session) -> None:
    columns = secret(net)
    wanted = scipy_stats.spearmanr(DATA)
    for data in (columns, dict(zip("xyz", columns, strict=True)), net.share(DATA, bounds=(-5, 12))):
        found = stats.spearmanr(data)
        assert np.allclose(found.statistic, wanted.statistic) and np.allclose(found.pvalue, wanted.pvalue)
    frame = stats.corr(pd.DataFrame(DATA, columns=["x", "y", "z"]), "spearman")
    assert frame.names == ("x", "y", "z") and np.allclose(frame.statistic, wanted.statistic)
    assert stats.corr(dict(zip("xyz", columns, strict=True))).names == ("x", "y", "z")
    assert np.allclose(stats.corr(columns).statistic, np.corrcoef(DATA.T))
    assert np.allclose(stats.corr(columns, "spearman").correlation, wanted.statistic)
    found = stats.cov(columns)
    assert np.allclose(found.covariance, np.cov(DATA.T)) and np.allclose(found.correlation, np.corrcoef(DATA.T))
    assert np.allclose(stats.cov(columns, ddof=0).covariance, np.cov(DATA.T, ddof=0))
    with pytest.raises(InputError, match="kendalltau"):
        stats.corr(columns, "kendall")


def test_rows_that_lack_a_value_are_left_out(net: Session) -> None:
    x, y, z = secret(net)
    there = RNG.random(70) < 0.8
    some = NullableArray.of_values(y, net.share(there))
    frame = pd.DataFrame(DATA[there])
    assert np.allclose(stats.corr([x, some, z]).statistic, frame.corr())
    assert np.allclose(stats.spearmanr([x, some, z]).statistic, frame.corr("spearman"))
    same(stats.spearmanr(some, z), scipy_stats.spearmanr(Y[there], Z[there]))
    same(stats.kendalltau(x, some), scipy_stats.kendalltau(X[there], Y[there]))
    same(stats.kendalltau(z, some), scipy_stats.kendalltau(Z[there], Y[there]))
    assert stats.pearsonr(x, some).n == there.sum()
    assert stats.pearsonr(x, z, where=net.share(there)).statistic == pytest.approx(
        np.corrcoef(X[there], Z[there])[0, 1]
    )


def test_partial_correlations(net: Session) -> None:
    x, y, z = secret(net)
    rest = [one - np.polyval(np.polyfit(Z, one, 1), Z) for one in (X, Y)]
    found = stats.partial_corr(x, y, z)
    assert found.statistic == pytest.approx(np.corrcoef(*rest)[0, 1], rel=1e-9)
    r, n = found.statistic, 70
    wanted = 2 * scipy_stats.t.sf(abs(r) * math.sqrt((n - 3) / (1 - r * r)), n - 3)
    assert found.pvalue == pytest.approx(wanted, rel=1e-9)
    assert math.isnan(stats.partial_corr(x, y, [x, x]).statistic)
    ranks = [scipy_stats.rankdata(one) for one in (X, Y, Z)]
    rest = [one - np.polyval(np.polyfit(ranks[2], one, 1), ranks[2]) for one in ranks[:2]]
    assert stats.partial_corr(x, y, [z], method="spearman").statistic == pytest.approx(np.corrcoef(*rest)[0, 1])


def test_constants_few_rows_and_exact_p_values(net: Session) -> None:
    ones = net.share(np.ones(70, int), bounds=(0, 3))
    x = secret(net)[0]
    for found in (stats.pearsonr(x, ones), stats.spearmanr(x, ones), stats.kendalltau(x, ones)):
        assert math.isnan(found.statistic) and math.isnan(found.pvalue)
    two = stats.pearsonr(net.share([1, 2], bounds=(0, 3)), net.share([1, 0], bounds=(0, 3)))
    assert two.statistic == pytest.approx(-1) and two.pvalue == 1
    one = net.share([1], bounds=(0, 3))
    assert math.isnan(stats.pearsonr(one, one).statistic)
    a, b = RNG.permutation(12), RNG.permutation(12)
    same(stats.kendalltau(net.share(a, bounds=(0, 12)), net.share(b, bounds=(0, 12))), scipy_stats.kendalltau(a, b))
    flags = Z > 0
    same(stats.pointbiserialr(net.share(flags), x), scipy_stats.pointbiserialr(flags, X))
    many = net.share(np.zeros(1501), bounds=(-1000, 1000))
    with pytest.raises(InputError, match="spearmanr"):
        stats.kendalltau(many, many)
    with pytest.raises(InputError, match="variant"):
        stats.kendalltau(x, x, variant="c")


def test_wide_bounds(net: Session) -> None:
    a = RNG.normal(0, 1e6, 50).round(1)
    b = a + RNG.normal(0, 1e6, 50).round(1)
    x, y = (net.share(one, bounds=(-1e9, 1e9)) for one in (a, b))
    assert stats.pearsonr(x, y).statistic == pytest.approx(np.corrcoef(a, b)[0, 1], rel=1e-9)
    same(stats.spearmanr(x, y), scipy_stats.spearmanr(a, b))
