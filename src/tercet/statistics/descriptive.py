"""Descriptions of samples: moments, means of several kinds, quantiles, counts; for all rows, or for each group."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import tercet.array as namespace
from tercet.array.core import SecretArray
from tercet.array.nullable import NullableArray
from tercet.errors import InputError, PlanError
from tercet.statistics.asked import Disclosed, Pending, Result, statistic
from tercet.statistics.cohorts import beside_quantiles, between
from tercet.statistics.plain import PlainMoments, exact
from tercet.statistics.pooled import bools
from tercet.statistics.samples import (
    Grouping,
    Moments,
    Sample,
    column,
    fitting,
    groups,
    moments,
    weighed_rows,
    weighing,
)
from tercet.statistics.zscores import z_scores

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class DescribeResult(Result):
    """A sample described, as `scipy.stats.describe` does it; with `by`, arrays with one element for each group."""

    nobs: Any
    mean: Any
    variance: Any
    skewness: Any = None
    kurtosis: Any = None
    groups: tuple[Any, ...] | None = None
    """Their labels."""

    def to_frame(self) -> pd.DataFrame:
        """One line, or one for each group."""
        import pandas as pd

        shown = [one.name for one in fields(self) if one.name not in ("groups", "revealed")]
        found = {name: np.atleast_1d(getattr(self, name)) for name in shown if getattr(self, name) is not None}
        return pd.DataFrame(found, index=None if self.groups is None else pd.Index(self.groups, name="group"))


def _shown(m: Moments) -> dict[str, Any]:
    return {"count": m.count, "sum": m.total, "variance": m.spread}


def _plain(plain: Mapping[str, Any], m: Moments) -> list[PlainMoments | None]:
    """What was revealed of each group; of one sample, a list of one."""
    totals, spreads = (np.atleast_1d(np.asarray(plain[name], dtype=object)) for name in ("sum", "variance"))
    counts = np.broadcast_to(np.asarray(plain["count"], dtype=object), totals.shape)
    return [
        PlainMoments.of(count, total, spread, m.unit, m.per, m.dropped)
        for count, total, spread in zip(counts.tolist(), totals.tolist(), spreads.tolist(), strict=True)
    ]


def _moments(a: Any, by: Any, weights: Any, where: Any) -> tuple[Moments, Grouping | None, dict[str, Any]]:
    x = column(a, where=where)
    grouping = None if by is None else groups(by, x.rows)
    weighted = weighing(weights, x)

    def build(one: Sample) -> Moments:
        found = moments(one, grouping, weighted)
        found.spread  # noqa: B018  (whether it fits 128 bits)
        return found

    m = fitting(build, x)
    return m, grouping, _guards(m, x, grouping, weighted)


def _guards(m: Moments, x: Sample, grouping: Grouping | None, weights: Sample | None) -> dict[str, Any]:
    sizes = (m.count,) if weights is None else weighed_rows(x, grouping, weights)
    return {"sizes": sizes, "apart": grouping is not None}


@statistic
def describe(
    a: Any, *, by: Any = None, ddof: float = 1, bias: bool = True, where: Any = None
) -> Pending[DescribeResult]:
    """Count, mean, variance, skewness and kurtosis of a sample; with `by` count, mean and variance of each group.

    `a`: a secret column (n,); missing values are left out. `by`: secret or public groups, at most 256. `bias` as SciPy
    has it: without it, skewness and kurtosis are corrected. There is no minimum or maximum: these are values of single
    rows. Counts, means and variances are exact up to the float at the end, skewness and kurtosis within 1e-6.
    """
    m, grouping, guards = _moments(a, by, None, where)
    shown = _shown(m)
    if grouping is None:
        shown |= _shape(column(a, where=where), (3, 4))

    def finish(plain: Mapping[str, Any], disclosed: Disclosed) -> DescribeResult:
        found = _plain(plain, m)
        counts = [0 if one is None else int(one.count) for one in found]
        means = [math.nan if one is None else float(one.mean) for one in found]
        variances = [math.nan if one is None else one.variance(ddof) for one in found]
        if grouping is not None:
            return DescribeResult(
                nobs=np.array(counts),
                mean=np.array(means),
                variance=np.array(variances),
                groups=grouping.labels,
                revealed=disclosed,
            )
        skewness, kurtosis = (_moment(plain, k, counts[0], variances[0]) for k in (3, 4))
        return DescribeResult(
            nobs=counts[0],
            mean=means[0],
            variance=variances[0],
            skewness=_unbiased_skew(skewness, counts[0], bias),
            kurtosis=_unbiased_kurtosis(kurtosis, counts[0], bias, fisher=True),
            revealed=disclosed,
        )

    return Pending(shown, finish, m.rows, **guards)


def _shape(x: Sample, powers: Sequence[int]) -> dict[str, Any]:
    """Sums of powers of z scores."""
    scores, _ = z_scores(x)
    found, power = {}, scores
    for k in range(2, max(powers) + 1):
        power = power * scores
        if k in powers:
            found[f"power {k}"] = namespace.sum(power)
    return found


def _moment(plain: Mapping[str, Any], k: int, count: int, variance: float) -> float:
    """A standardised moment; NaN where nothing varies, as SciPy has it."""
    if not count or not variance > 0:
        return math.nan
    return float(plain[f"power {k}"]) / count


def _unbiased_skew(skew: float, n: int, bias: bool) -> float:
    return skew if bias or n < 3 else skew * math.sqrt(n * (n - 1)) / (n - 2)


def _unbiased_kurtosis(moment: float, n: int, bias: bool, *, fisher: bool) -> float:
    if not bias and n > 3:
        moment = ((n * n - 1) * moment - 3 * (n - 1) ** 2) / ((n - 2) * (n - 3)) + 3
    return moment - 3 if fisher else moment


@statistic
def skew(a: Any, *, bias: bool = True, where: Any = None) -> Pending[float]:
    """The skewness of a sample, within 1e-6, and the count where it is secret; NaN where nothing varies.

    Whether anything varies is revealed, too."""
    return _of_shape(a, 3, where, lambda moment, n: _unbiased_skew(moment, n, bias))


@statistic
def kurtosis(a: Any, *, fisher: bool = True, bias: bool = True, where: Any = None) -> Pending[float]:
    """The kurtosis of a sample, within 1e-6 (relative above 1); less 3 unless `fisher` is False. As `skew`."""
    return _of_shape(a, 4, where, lambda moment, n: _unbiased_kurtosis(moment, n, bias, fisher=fisher))


def _of_shape(a: Any, k: int, where: Any, correct: Any) -> Pending[float]:
    x = column(a, where=where)
    m = fitting(_with_spread, x)
    varies = m.spread > 0 if isinstance(m.spread, SecretArray) else float(m.spread > 0)

    def finish(plain: Mapping[str, Any], _: Disclosed) -> float:
        n = int(plain["count"])
        return float(correct(_moment(plain, k, n, float(plain["varies"])), n))

    return Pending({"count": m.count, "varies": varies, **_shape(x, (k,))}, finish, x.rows, (m.count,))


def _with_spread(x: Sample) -> Moments:
    found = moments(x)
    found.spread  # noqa: B018  (whether it fits 128 bits)
    return found


@statistic
def mean(a: Any, *, by: Any = None, weights: Any = None, where: Any = None) -> Pending[Any]:
    """The mean, exact up to the float at the end; of each group with `by`. NaN of no rows. Counts are revealed where
    they are secret.

    `weights`: how often each row counts. Where the session has a cohort, weights that let fewer rows speak (by Kish's
    effective size, the squared sum of weights over the sum of their squares) are refused: they would show these rows.
    Public weights that are no integers are taken within 2^-24 of the greatest.
    """
    x = column(a, where=where)
    grouping = None if by is None else groups(by, x.rows)
    weighted = weighing(weights, x)
    m = moments(x, grouping, weighted, squares=False)

    def finish(plain: Mapping[str, Any], _: Disclosed) -> Any:
        totals = np.atleast_1d(np.asarray(plain["sum"], dtype=object))
        counts = np.broadcast_to(np.asarray(plain["count"], dtype=object), totals.shape)
        found = [
            float(exact(total) / (exact(count) * m.unit)) if count else math.nan
            for total, count in zip(totals.tolist(), counts.tolist(), strict=True)
        ]
        return found[0] if grouping is None else np.array(found)

    return Pending({"count": m.count, "sum": m.total}, finish, m.rows, **_guards(m, x, grouping, weighted))


def _from_variance(a: Any, by: Any, weights: Any, where: Any, change: Any) -> Pending[Any]:
    m, grouping, guards = _moments(a, by, weights, where)

    def finish(plain: Mapping[str, Any], _: Disclosed) -> Any:
        totals = np.atleast_1d(np.asarray(plain["variance"], dtype=object))
        counts = np.broadcast_to(np.asarray(plain["count"], dtype=object), totals.shape)
        found = [
            math.nan if one is None else change(one)
            for one in (
                PlainMoments.of(count, 0, spread, m.unit, m.per, m.dropped)
                for spread, count in zip(totals.tolist(), counts.tolist(), strict=True)
            )
        ]
        return found[0] if grouping is None else np.array(found)

    return Pending({"count": m.count, "variance": m.spread}, finish, m.rows, **guards)


@statistic
def var(a: Any, *, by: Any = None, ddof: float = 1, weights: Any = None, where: Any = None) -> Pending[Any]:
    """The variance, exact up to the float at the end; of each group with `by`. NaN of no more rows than `ddof`."""
    return _from_variance(a, by, weights, where, lambda one: one.variance(ddof))


@statistic
def std(a: Any, *, by: Any = None, ddof: float = 1, weights: Any = None, where: Any = None) -> Pending[Any]:
    """The standard deviation, as `var`."""
    return _from_variance(a, by, weights, where, lambda one: math.sqrt(one.variance(ddof)))


@statistic
def sem(a: Any, *, by: Any = None, ddof: float = 1, weights: Any = None, where: Any = None) -> Pending[Any]:
    """The standard error of the mean, as `var`."""
    return _from_variance(a, by, weights, where, lambda one: math.sqrt(one.variance(ddof) / one.count))


# ---- other means ----


def _of_sum(terms: Any, x: Sample, change: Any) -> Pending[float]:
    """From the sum of something of each row and the count."""
    if x.there is not None:
        terms = namespace.where(x.there, terms, 0) if isinstance(terms, SecretArray) else np.where(x.there, terms, 0.0)

    def finish(plain: Mapping[str, Any], _: Disclosed) -> float:
        count = int(plain["count"])
        return float(change(float(plain["sum"]), count)) if count else math.nan

    return Pending({"count": x.count, "sum": namespace.sum(terms)}, finish, x.rows, (x.count,))


_MEAN_FRAC_BITS = 32


def _positive(x: Sample) -> Any:
    """The values at 32 fractional bits, 1 where there are none."""
    values = x.values
    if isinstance(values, SecretArray):
        values = values.astype(namespace.fixed(_MEAN_FRAC_BITS))
    if x.there is None:
        return values
    return namespace.where(x.there, values, 1.0) if isinstance(values, SecretArray) else np.where(x.there, values, 1.0)


@statistic
def gmean(a: Any, *, where: Any = None) -> Pending[float]:
    """The geometric mean of positive values, within a relative 2^-30: the sum of logarithms is revealed.

    A value of 0 or below has no logarithm: it counts as some number, and the result means nothing. Whether there is one
    `(a <= 0).any()` tells. Missing values are left out."""
    x = column(a, where=where)
    return _of_sum(namespace.log(_positive(x)), x, lambda total, count: math.exp(total / count))


@statistic
def hmean(a: Any, *, where: Any = None) -> Pending[float]:
    """The harmonic mean of positive values, of which the sum of reciprocals is revealed; as `gmean`."""
    x = column(a, where=where)
    values = _positive(x)
    # so that the reciprocal of the greatest value has all bits, too
    scale = 1 << max(0, math.frexp(float(values.bounds[1]))[1]) if isinstance(values, SecretArray) else 1
    return _of_sum(scale / values, x, lambda total, count: count * scale / total if total else math.inf)


@statistic
def moment(a: Any, order: int = 1, *, center: float, where: Any = None) -> Pending[float]:
    """The mean of (a - center)^order about a public center, within a relative 2^-40 (exact where the center is a
    multiple of the column's last bit, or of 1/1,024 of it for orders up to 4). Where 128 bits do not take the powers,
    values are rounded to fewer fractional bits first, and the center counts within 2^-20 of what is then the last bit.

    Central moments of order 2, 3 and 4 are those of `var(ddof=0)`, `skew` and `kurtosis`. InputError for an order that
    is no positive integer; PlanError where 128 bits do not take powers of whole numbers."""
    if not isinstance(order, int) or order < 1:
        raise InputError(f"a moment of order {order!r}", hint="pass a positive integer")
    x = column(a, where=where)
    about = Fraction(center)

    def build(one: Sample) -> tuple[Any, Fraction]:
        try:
            return _about(one, order, about, _CENTER_BITS)
        except PlanError:
            return _about(one, order, about, _CENTER_BITS // 2)

    total, unit = fitting(build, x, most=max(1, math.frexp(x.unit)[1]))

    def finish(plain: Mapping[str, Any], _: Disclosed) -> float:
        count = int(plain["count"])
        return float(exact(plain["sum"]) / (count * unit)) if count else math.nan

    return Pending({"count": x.count, "sum": total}, finish, x.rows, (x.count,))


_CENTER_BITS = 40


def _about(x: Sample, order: int, about: Fraction, bits: int) -> tuple[Any, Fraction]:
    """The sum of (x - about)^order and its unit. Of integers, powers are taken about the integer beside
    `about`; what lies between both comes in by the binomial theorem, with coefficients of so many bits at most."""
    secret = isinstance(x.numbers, SecretArray)
    near = round(x.unit * about) if secret else float(about)
    rest = near - x.unit * about if secret else Fraction(0)
    away = x.numbers - near
    if x.there is not None:
        away = namespace.where(x.there, away, 0) if secret else np.where(x.there, away, 0.0)
    factors = [Fraction(math.comb(order, k) * rest ** (order - k)) for k in range(order)]
    finer = min(1 << bits, max((factor.denominator for factor in factors), default=1))
    power, total = away, x.count * round(factors[0] * finer)
    for k in range(1, order):
        total = total + namespace.sum(power) * round(factors[k] * finer)
        power = power * away
    return total + namespace.sum(power) * finer, x.unit**order * finer


# ---- quantiles and counts ----


def _numbers(a: Any, where: Any) -> Any:
    """The array as it is, with rows left out where `where` does not hold."""
    x = column(a, where=where)
    if not isinstance(x.numbers, SecretArray):
        return x.numbers if x.there is None else x.numbers[x.there]
    return x.values if x.there is None else NullableArray.of_values(x.values, bools(x))


def _one(name: str, array: Any, a: Any, where: Any, q: Any) -> Pending[Any]:
    x = column(a, where=where)
    sizes = (x.count, *beside_quantiles(x.numbers, x.count, q))
    return Pending({name: array}, lambda plain, _: plain[name], x.rows, sizes)


@statistic
def quantile(a: Any, q: Any = 0.5, *, method: str = "linear", where: Any = None) -> Pending[Any]:
    """Quantiles of a sample at public `q`, by NumPy's methods: bit by bit, so that nothing is opened and each rests on
    all rows. Missing values are left out.

    A quantile is a value of one row or between two. Where the session has a cohort, as many rows at least have to lie
    between neighbouring `q`, and half as many below the least and above the greatest of them (no 0 and no 1)."""
    values = _numbers(a, where)
    found = np.quantile(values, q, method=method)  # type: ignore[call-overload]
    return _one("quantiles", found, a, where, q)


@statistic
def median_abs_deviation(a: Any, *, scale: float | str = 1.0, where: Any = None) -> Pending[float]:
    """The median distance from the median, over `scale` ("normal": 0.67449), of which the medians stay secret."""
    values = _numbers(a, where)
    divisor = 0.6744897501960817 if scale == "normal" else float(scale)
    found = np.median(abs(values - np.median(values)))
    x = column(a, where=where)
    shown = {"deviation": found}
    return Pending(shown, lambda plain, _: float(plain["deviation"]) / divisor, x.rows, (x.count,))


@statistic
def iqr(a: Any, *, rng: tuple[float, float] = (25, 75), where: Any = None) -> Pending[float]:
    """The difference of two percentiles, which stay secret themselves; a cohort demands of them what it does of
    `quantile`."""
    values = _numbers(a, where)
    low, high = sorted(rng)
    both = np.quantile(values, [low / 100, high / 100])
    return _one("range", both[1] - both[0], a, where, [low / 100, high / 100])


@dataclass(frozen=True, kw_only=True)
class EcdfResult(Result):
    """The part of a sample that is not above each public point."""

    points: NDArray[Any]
    probabilities: NDArray[Any]
    nobs: int


@statistic
def ecdf(a: Any, points: Any, *, where: Any = None) -> Pending[EcdfResult]:
    """The empirical distribution at public points: which part of the values is not above each. Exact.

    SciPy shows it at every value; these are single rows, so here the points are named. Where the session has a cohort,
    as many rows at least have to lie between neighbouring points, or none."""
    x = column(a, "a", where=where)
    at = np.atleast_1d(np.asarray(points, dtype=np.float64))
    values = x.values
    below = namespace.expand_dims(values, axis=0) <= at[:, None]
    if x.there is not None:
        below = below & namespace.expand_dims(x.there, axis=0)

    def finish(plain: Mapping[str, Any], disclosed: Disclosed) -> EcdfResult:
        n = int(plain["count"])
        found = np.asarray(plain["counts"], dtype=np.float64) / n if n else np.full(len(at), np.nan)
        return EcdfResult(points=at, probabilities=found, nobs=n, revealed=disclosed)

    counts = namespace.sum(below, axis=1)
    order = np.argsort(at)[::-1]
    sizes = (x.count, *between(counts[order] if isinstance(counts, SecretArray) else counts, x.rows, x.count))
    return Pending({"count": x.count, "counts": counts}, finish, x.rows, sizes)


@dataclass(frozen=True, kw_only=True)
class HistogramResult(Result):
    """Counts of bins between public edges; `range` and `bins` as NumPy has them."""

    counts: NDArray[Any]
    edges: NDArray[Any]


@statistic
def histogram(
    a: Any, bins: Any = 10, *, range: tuple[float, float] | None = None, where: Any = None
) -> Pending[HistogramResult]:
    """How many values are in each bin: `bins` equal ones between public ends (by default the bounds), or public edges.

    NumPy's default ends are the least and greatest value, which are single rows. Exact. Where the session has a cohort,
    bins of fewer rows are hidden (NaN), and one more where what is hidden would follow."""
    values = _numbers(a, where)
    ends = range if range is not None or not isinstance(values, SecretArray) else values.bounds
    counts, edges = np.histogram(values, bins=bins, range=ends)

    def finish(plain: Mapping[str, Any], disclosed: Disclosed) -> HistogramResult:
        found = np.asarray(plain["counts"])
        shown = np.asarray(plain.get("shown", True))
        whole = found if shown.all() else np.where(shown, found.astype(np.float64), np.nan)
        return HistogramResult(counts=whole, edges=np.asarray(edges), revealed=disclosed)

    return Pending({"counts": counts}, finish, int(np.shape(a)[0]), (counts,), apart=True)


def zscore(a: Any, *, where: Any = None) -> Any:
    """The z scores of a column (ddof 0), as a secret column: within 2^-28; 0 where all values are equal, missing where
    values are. Nothing is revealed."""
    x = column(a, where=where)
    scores, _ = z_scores(x)
    if x.there is None:
        return scores
    if isinstance(scores, SecretArray):
        return NullableArray.of_values(scores, bools(x))
    return np.ma.MaskedArray(scores, mask=~x.there)


@statistic
def trim_mean(a: Any, proportiontocut: float) -> Pending[float]:
    """The mean without the given part at each end, exact up to the float at the end. Takes a sort.

    Missing values are refused: how many are cut would be secret."""
    x = column(a)
    if x.there is not None:
        raise InputError("trim_mean takes no missing values", hint="fill them first, as in x.fillna(value)")
    if not 0 <= proportiontocut < 0.5:
        raise InputError(f"a part of {proportiontocut}", hint="it lies from 0 to below 0.5")
    cut = int(proportiontocut * x.rows)
    left = namespace.sort(x.numbers)[cut : x.rows - cut]
    count = x.rows - 2 * cut

    def finish(plain: Mapping[str, Any], _: Disclosed) -> float:
        return float(exact(plain["sum"]) / (count * x.unit))

    return Pending({"sum": namespace.sum(left)}, finish, x.rows, (count,))
