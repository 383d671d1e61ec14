"""Whether a sample is normal: Jarque and Bera, D'Agostino and Pearson, Shapiro and Francia."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

import tercet.array as namespace
from tercet.array.core import SecretArray
from tercet.errors import InputError, PlanError
from tercet.statistics import pooled as samples
from tercet.statistics.asked import Disclosed, Pending, SignificanceResult, statistic
from tercet.statistics.correlation import correlated, joint, shown
from tercet.statistics.plain import exact
from tercet.statistics.samples import Sample, column, fitting
from tercet.statistics.zscores import z_scores

_SCORE_BITS = 24
_MOST_SCORED = 5000
_MOST_DROPPED = 64


@dataclass(frozen=True, kw_only=True)
class NormalityResult(SignificanceResult):
    """A test of normality by moments: unpacks to statistic and p-value."""

    skewness: float
    kurtosis: float
    """3 of a normal distribution."""
    mean: float
    variance: float
    n: int


@dataclass(frozen=True)
class _Shape:
    n: int
    mean: Fraction
    m2: Fraction
    m3: Fraction
    m4: Fraction

    @property
    def skewness(self) -> float:
        return float(self.m3) / float(self.m2) ** 1.5 if self.m2 else math.nan

    @property
    def kurtosis(self) -> float:
        return float(self.m4 / self.m2**2) if self.m2 else math.nan


def _asked(x: Any, where: Any, test: Callable[[_Shape], float]) -> Pending[NormalityResult]:
    """What `test` makes of the shape of a column: from exact sums of powers where 128 bits take them, else from mean,
    variance and z scores, which need no more bits than a variance."""
    whole = column(x, where=where)
    try:
        arrays, middle = _sums(whole)
    except PlanError:
        scores, m = z_scores(whole)
        square = scores * scores
        powers = {"third": samples.total(square * scores), "fourth": samples.total(square * square)}
        shown_ = {"count": m.count, "first": m.total, "spread": m.spread, **powers}

        def of_scores(plain: Mapping[str, Any], revealed: Disclosed) -> NormalityResult:
            return _result(_shape_of_scores(plain, m.unit), test, revealed)

        return Pending(shown_, of_scores, whole.rows, (m.count,))

    def finish(plain: Mapping[str, Any], revealed: Disclosed) -> NormalityResult:
        return _result(_shape(plain, middle, whole.unit), test, revealed)

    return Pending(arrays, finish, whole.rows, (arrays["count"],))


def _shape_of_scores(plain: Mapping[str, Any], unit: Fraction) -> _Shape:
    n = exact(plain["count"])
    if not n:
        return _Shape(0, Fraction(0), Fraction(0), Fraction(0), Fraction(0))
    variance = exact(plain["spread"]) / (n * unit) ** 2
    root = Fraction(math.sqrt(variance))
    third, fourth = (exact(plain[name]) / n for name in ("third", "fourth"))
    return _Shape(int(n), exact(plain["first"]) / (n * unit), variance, third * root**3, fourth * variance**2)


def _sums(x: Sample) -> tuple[dict[str, Any], Fraction]:
    """Sums of powers of a column less the middle of its bounds, and that middle. PlanError where 128 bits do not take
    them."""

    middle, numbers = 0, x.numbers
    if isinstance(numbers, SecretArray):
        lo, hi = numbers.bounds
        middle = int(lo + hi) // 2
        numbers = samples.only_where(numbers - middle, _where(x))
    square = numbers * numbers
    powers = {"first": numbers, "second": square, "third": square * numbers, "fourth": square * square}
    return {"count": x.count, **{name: samples.total(power) for name, power in powers.items()}}, Fraction(middle)


def _where(x: Sample) -> Any:
    """Bools, where a value is, or 1 for everywhere."""
    return 1 if x.there is None else samples.bools(x)


def _shape(plain: Mapping[str, Any], middle: Fraction, unit: Fraction) -> _Shape:
    n = exact(plain["count"])
    if not n:
        return _Shape(0, Fraction(0), Fraction(0), Fraction(0), Fraction(0))
    s1, s2, s3, s4 = (
        exact(plain[name]) / n / unit**at for at, name in enumerate(("first", "second", "third", "fourth"), 1)
    )
    return _Shape(
        int(n),
        s1 + middle / unit,
        s2 - s1**2,
        s3 - 3 * s1 * s2 + 2 * s1**3,
        s4 - 4 * s1 * s3 + 6 * s1**2 * s2 - 3 * s1**4,
    )


def _result(shape: _Shape, test: Callable[[_Shape], float], revealed: Disclosed) -> NormalityResult:
    from scipy import stats

    statistic_ = float(test(shape))
    return NormalityResult(
        statistic=statistic_,
        pvalue=float(stats.chi2.sf(statistic_, 2)),
        skewness=shape.skewness,
        kurtosis=shape.kurtosis,
        mean=float(shape.mean) if shape.n else math.nan,
        variance=float(shape.m2) if shape.n else math.nan,
        n=shape.n,
        revealed=revealed,
    )


@statistic
def jarque_bera(x: Any, *, where: Any = None) -> Pending[NormalityResult]:
    """Whether a secret column (n,) has the skewness and kurtosis of a normal distribution (Jarque and Bera).

    Missing values are left out. Reveals four sums of powers, from which mean, variance, skewness and kurtosis follow
    exactly, and the number of values where it is secret; all rest on all rows. Where bounds are so wide that sums of
    fourth powers outgrow 128 bits, mean and variance and two sums of powers of z scores are revealed in their place:
    skewness and kurtosis are then within 1e-6.
    """

    def test(shape: _Shape) -> float:
        return shape.n / 6 * (shape.skewness**2 + (shape.kurtosis - 3) ** 2 / 4)

    return _asked(x, where, test)


@statistic
def normaltest(a: Any, *, where: Any = None) -> Pending[NormalityResult]:
    """D'Agostino and Pearson's test of normality: skewness and kurtosis as normal scores, whose squares are added.

    Costs and reveals as `jarque_bera`. NaN of fewer than 8 values.
    """

    def test(shape: _Shape) -> float:
        known = shape.n >= 8 and shape.m2 > 0
        return _skew_z(shape.skewness, shape.n) ** 2 + _kurtosis_z(shape.kurtosis, shape.n) ** 2 if known else math.nan

    return _asked(a, where, test)


def _skew_z(b1: float, n: int) -> float:
    """D'Agostino 1970."""
    y = b1 * math.sqrt(((n + 1) * (n + 3)) / (6.0 * (n - 2)))
    beta2 = 3.0 * (n**2 + 27 * n - 70) * (n + 1) * (n + 3) / ((n - 2.0) * (n + 5) * (n + 7) * (n + 9))
    w2 = -1 + math.sqrt(2 * (beta2 - 1))
    return math.asinh((y or 1.0) / math.sqrt(2.0 / (w2 - 1))) / math.sqrt(0.5 * math.log(w2))


def _kurtosis_z(b2: float, n: int) -> float:
    """Anscombe and Glynn 1983."""
    expected = 3.0 * (n - 1) / (n + 1)
    variance = 24.0 * n * (n - 2) * (n - 3) / ((n + 1) * (n + 1.0) * (n + 3) * (n + 5))
    x = (b2 - expected) / math.sqrt(variance)
    beta1 = (
        6.0 * (n * n - 5 * n + 2) / ((n + 7) * (n + 9)) * math.sqrt((6.0 * (n + 3) * (n + 5)) / (n * (n - 2) * (n - 3)))
    )
    a = 6.0 + 8.0 / beta1 * (2.0 / beta1 + math.sqrt(1 + 4.0 / beta1**2))
    below = 1 + x * math.sqrt(2 / (a - 4.0))
    term = math.copysign(abs((1 - 2.0 / a) / below) ** (1 / 3), below) if below else math.nan
    return ((1 - 2 / (9.0 * a)) - term) / math.sqrt(2 / (9.0 * a))


@dataclass(frozen=True, kw_only=True)
class ShapiroFranciaResult(SignificanceResult):
    """W', the squared correlation of sorted values with normal scores; p-value after Royston (1993)."""

    n: int


@statistic
def shapiro_francia(x: Any) -> Pending[ShapiroFranciaResult]:
    """Shapiro and Francia's test of normality, of a secret column (n,) of 5 to 5,000 values.

    Normal scores at (rank - 3/8) / (n + 1/4) are looked up for the rank of each value, so that sums of products rest
    on all rows; equal values take the score of their average rank, where a sorted list has the scores one by one.
    Reveals their correlation with the scores. W' within 1e-6. InputError for missing values, as scores
    depend on how many there are, and for other numbers of rows.
    """
    found = column(x)
    n = found.rows
    if found.there is not None:
        raise InputError("some values are missing, or may be", hint="fill them first, as in x.fillna(value)")
    if not 5 <= n <= _MOST_SCORED:
        raise InputError(f"{n:,} values", hint=f"5 to {_MOST_SCORED:,} are taken; use jarque_bera for more")
    from scipy import stats

    halves = np.arange(2 * n + 1) / 2
    table = stats.norm.ppf(np.clip((halves - 0.375) / (n + 0.25), 0.25 / (n + 0.25), None))
    stored = np.round(table * (1 << _SCORE_BITS)).astype(np.int64)
    r = samples.ranks(found)
    if isinstance(r, SecretArray):
        scores = namespace.lookup(stored, r)
    else:
        scores = stored[r.astype(np.int64)].astype(np.float64)

    def build(one: Sample) -> Any:
        return correlated(joint([one, Sample(scores, None, Fraction(1))])[1])

    both = fitting(build, found)

    def finish(plain: Mapping[str, Any], revealed: Disclosed) -> ShapiroFranciaResult:
        w = float(shown(plain["correlations"])[0, 1]) ** 2
        return ShapiroFranciaResult(statistic=w, pvalue=_royston(w, n), n=n, revealed=revealed)

    return Pending({"correlations": both}, finish, n)


def _royston(w: float, n: int) -> float:
    from scipy import stats

    if math.isnan(w):
        return math.nan
    if w >= 1:
        return 1.0
    u = math.log(n)
    v = math.log(u)
    mean, deviation = -1.2725 + 1.0521 * (v - u), 1.0308 - 0.26758 * (v + 2 / u)
    return float(stats.norm.sf((math.log(1 - w) - mean) / deviation))
