"""Descriptions of samples against SciPy and NumPy: all rows, chosen rows, missing values, groups, odd samples."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats as scipy_stats

from statistics_gaps import with_gaps
from tercet import stats
from tercet.client.session import Session
from tercet.errors import InputError

RNG = np.random.default_rng(21)
X = RNG.integers(1, 8000, 150) / 16
CODES = RNG.integers(0, 4, 150)
THERE = RNG.random(150) < 0.8

ONE_NUMBER: list[tuple[str, dict[str, Any], Any, float]] = [
    ("mean", {}, np.mean, 1e-12),
    ("var", {}, lambda x: x.var(ddof=1), 1e-12),
    ("std", {"ddof": 0}, np.std, 1e-12),
    ("sem", {}, scipy_stats.sem, 1e-12),
    ("skew", {}, scipy_stats.skew, 1e-6),
    ("skew", {"bias": False}, lambda x: scipy_stats.skew(x, bias=False), 1e-6),
    ("kurtosis", {}, scipy_stats.kurtosis, 1e-6),
    ("kurtosis", {"bias": False, "fisher": False}, lambda x: scipy_stats.kurtosis(x, bias=False, fisher=False), 1e-6),
    ("gmean", {}, scipy_stats.gmean, 1e-8),
    ("hmean", {}, scipy_stats.hmean, 1e-8),
    ("iqr", {}, scipy_stats.iqr, 1e-4),
    ("median_abs_deviation", {"scale": "normal"}, lambda x: scipy_stats.median_abs_deviation(x, scale="normal"), 1e-4),
    ("moment", {"order": 3, "center": 100.5}, lambda x: np.mean((x - 100.5) ** 3), 1e-12),
]


@pytest.mark.parametrize(("name", "options", "wanted", "error"), ONE_NUMBER, ids=lambda value: str(value)[:12])
def test_one_number(net: Session, name: str, options: dict[str, Any], wanted: Any, error: float) -> None:
    function = getattr(stats, name)
    assert function(net.share(X, bounds=(0, 1000)), **options) == pytest.approx(float(wanted(X)), rel=error)
    gaps = with_gaps(net, X, THERE, (0, 1000))
    assert function(gaps, **options) == pytest.approx(float(wanted(X[THERE])), rel=error)
    assert function(np.where(THERE, X, np.nan), **options) == pytest.approx(float(wanted(X[THERE])), rel=1e-9)
    chosen = function(net.share(X, bounds=(0, 1000)), where=net.share(THERE), **options)
    assert chosen == pytest.approx(float(wanted(X[THERE])), rel=error)


def test_describe(net: Session) -> None:
    found, wanted = stats.describe(net.share(X, bounds=(0, 1000))), scipy_stats.describe(X)
    assert found.nobs == 150
    assert found.mean == pytest.approx(float(wanted.mean), rel=1e-12)
    assert found.variance == pytest.approx(float(wanted.variance), rel=1e-12)
    assert found.skewness == pytest.approx(float(wanted.skewness), rel=1e-6)
    assert found.kurtosis == pytest.approx(float(wanted.kurtosis), rel=1e-6)
    assert str(found.revealed) == "sum, variance, power 3, power 4 of 150 rows"
    assert list(found.to_frame().columns) == ["nobs", "mean", "variance", "skewness", "kurtosis"]


@pytest.mark.parametrize("secret", [True, False])
def test_groups(net: Session, secret: bool) -> None:
    gaps = with_gaps(net, X, THERE, (0, 1000))
    by = net.share(CODES, bounds=(0, 4)) if secret else CODES
    frame = stats.describe(gaps, by=by).to_frame()
    means = stats.mean(gaps, by=by)
    for code in range(4):
        part = X[THERE & (code == CODES)]
        assert frame.loc[code, "nobs"] == len(part)
        assert frame.loc[code, "mean"] == pytest.approx(part.mean(), rel=1e-12)
        assert frame.loc[code, "variance"] == pytest.approx(part.var(ddof=1), rel=1e-12)
        assert means[code] == pytest.approx(part.mean(), rel=1e-12)
    if secret:
        assert math.isnan(means[4]) and frame.loc[4, "nobs"] == 0


def test_small_groups_are_hidden_and_one_more(net: Session) -> None:
    codes = np.array([0] * 3 + [1] * 60 + [2] * 7 + [3] * 80)
    net.cohort = 5
    try:
        means = stats.mean(net.share(X, bounds=(0, 1000)), by=net.share(codes, bounds=(0, 3)))
    finally:
        net.cohort = 0
    assert list(np.isnan(means)) == [True, False, True, False]  # the total less the others would tell of three
    assert means[3] == pytest.approx(X[codes == 3].mean())


def test_quantiles_counts_and_scores(net: Session) -> None:
    x, gaps = net.share(X, bounds=(0, 1000)), with_gaps(net, X, THERE, (0, 1000))
    assert stats.quantile(x, [0.1, 0.5, 0.9]) == pytest.approx(np.quantile(X, [0.1, 0.5, 0.9]), abs=1e-4)
    found = stats.ecdf(gaps, [50, 250.5])
    assert found.probabilities == pytest.approx([(X[THERE] <= at).mean() for at in (50, 250.5)], rel=1e-15)
    histogram = stats.histogram(gaps, bins=[0, 100, 300, 500])
    assert list(histogram.counts) == list(np.histogram(X[THERE], bins=[0, 100, 300, 500])[0])
    assert np.asarray(stats.zscore(x).reveal()) == pytest.approx(scipy_stats.zscore(X), abs=2**-27)
    assert stats.trim_mean(x, 0.1) == pytest.approx(float(scipy_stats.trim_mean(X, 0.1)), rel=1e-12)


def test_weights(net: Session) -> None:
    weights = RNG.integers(0, 4, 150)
    x, w = net.share(X, bounds=(0, 1000)), net.share(weights, bounds=(0, 3))
    assert stats.mean(x, weights=w) == pytest.approx(np.average(X, weights=weights), rel=1e-12)
    assert stats.var(x, weights=w) == pytest.approx(np.repeat(X, weights).var(ddof=1), rel=1e-12)
    halves = net.share(weights / 2, bounds=(0, 3))
    assert stats.mean(x, weights=halves) == pytest.approx(np.average(X, weights=weights), rel=1e-12)


@pytest.mark.parametrize("values", [[3.5], [2.0] * 7, [0.0, 0.0], [-1000.0, 1000.0]])
def test_odd_samples(net: Session, values: list[float]) -> None:
    x, plain = net.share(values, bounds=(-1000, 1000)), np.array(values)
    assert stats.mean(x) == plain.mean()
    assert stats.var(x, ddof=0) == plain.var()
    assert math.isnan(stats.skew(x)) == (plain.var() == 0)
    found = stats.describe(x, ddof=0)
    assert (found.nobs, found.mean, found.variance) == (len(values), plain.mean(), plain.var())
    assert np.asarray(stats.zscore(x).reveal()) == pytest.approx(
        (plain - plain.mean()) / (plain.std() or 1), abs=2**-27
    )


def test_wide_bounds_and_narrow_values(net: Session) -> None:
    narrow = 500_000 + RNG.integers(-8, 8, 500) / 4
    x = net.share(narrow, bounds=(0, 1e6))
    assert stats.skew(x) == pytest.approx(float(scipy_stats.skew(narrow)), abs=1e-6)
    assert stats.std(x) == pytest.approx(narrow.std(ddof=1), rel=1e-12)


def test_what_is_refused(net: Session) -> None:
    x = net.share(X, bounds=(0, 1000))
    with pytest.raises(InputError, match="missing"):
        stats.trim_mean(with_gaps(net, X, THERE), 0.1)
    with pytest.raises(InputError, match="order"):
        stats.moment(x, 0, center=1)
    with pytest.raises(InputError, match="groups"):
        stats.mean(x, by=net.share(CODES, bounds=(0, 5000)))
    with pytest.raises(TypeError, match="integer codes"):
        stats.mean(x, by=x)
    with pytest.raises(InputError, match="rows"):
        stats.mean(x, by=CODES[:5])
