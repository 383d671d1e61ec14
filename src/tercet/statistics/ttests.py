"""Student's and Welch's t-tests: exact sums under sharing, the rest in plain."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from tercet.errors import InputError
from tercet.statistics.asked import Disclosed, Pending, SignificanceResult, statistic
from tercet.statistics.plain import (
    ConfidenceInterval,
    PlainMoments,
    check_alternative,
    check_rounding,
    exact,
    interval,
    p_value,
    t_ratio,
)
from tercet.statistics.samples import (
    Moments,
    Sample,
    column,
    fitting,
    groups,
    moments,
    same_unit,
    weighed_rows,
    weighing,
)


@dataclass(frozen=True, kw_only=True)
class TtestResult(SignificanceResult):
    """A t-test, as SciPy has it: unpacks to statistic and p-value."""

    df: float
    estimate: float
    """The mean, or the difference of the means, less what was supposed."""
    standard_error: float
    alternative: str = "two-sided"

    def confidence_interval(self, confidence_level: float = 0.95) -> ConfidenceInterval:
        """Of the mean (one sample), or the difference of means."""
        from scipy import stats

        error = self.standard_error
        return interval(stats.t(self.df), self.estimate + self._supposed, error, confidence_level, self.alternative)

    _supposed: float = field(default=0.0, repr=False)


def _tested(
    estimate: Fraction, error: float, df: float, alternative: str, revealed: Disclosed, supposed: float = 0.0
) -> TtestResult:
    from scipy import stats

    found = t_ratio(float(estimate), error)
    return TtestResult(
        statistic=found,
        pvalue=p_value(stats.t(df), found, alternative) if df > 0 else math.nan,
        df=df,
        estimate=float(estimate),
        standard_error=error,
        alternative=alternative,
        revealed=revealed,
        _supposed=supposed,
    )


@statistic
def ttest_1samp(
    a: Any, popmean: float, *, alternative: str = "two-sided", where: Any = None, weights: Any = None
) -> Pending[TtestResult]:
    """Whether the mean of a sample is `popmean`.

    `a`: a secret column (n,); missing values, and rows where `where` does not hold, are left out. `weights`: how often
    each row counts. Reveals sum and variance, and the count where it is secret. Exact up to the floats at the end.
    InputError for a sample without rows or for what is no alternative.
    """
    check_alternative(alternative)
    supposed = Fraction(popmean)
    sample_ = column(a, where=where)
    weighted = weighing(weights, sample_)

    def build(x: Sample) -> Moments:
        found = moments(x, weights=weighted)
        found.spread  # noqa: B018  (whether it fits 128 bits)
        return found

    m = fitting(build, sample_)
    sizes = (m.count,) if weighted is None else weighed_rows(sample_, None, weighted)

    def finish(plain: Mapping[str, Any], revealed: Disclosed) -> TtestResult:
        sample = PlainMoments.of(plain["count"], plain["sum"], plain["variance"], m.unit, m.per, m.dropped)
        if sample is None:
            return _tested(Fraction(0), math.nan, math.nan, alternative, revealed)
        variance = sample.variance(1)
        error = math.sqrt(variance / sample.count) if sample.count > 1 else math.nan
        df = float(sample.count - 1)
        return _tested(sample.mean - supposed, error, df, alternative, revealed, float(supposed))

    return Pending({"count": m.count, "sum": m.total, "variance": m.spread}, finish, m.rows, sizes)


@statistic
def ttest_rel(a: Any, b: Any, *, alternative: str = "two-sided", where: Any = None) -> Pending[TtestResult]:
    """Whether two measurements of the same rows have the same mean: `ttest_1samp` of their differences and 0."""
    first, second = same_unit([column(a, "a", where=where), column(b, "b")])
    if first.rows != second.rows:
        raise InputError(f"a has {first.rows} rows and b {second.rows}", hint="pairs are rows of both")
    pairs = [first.only(second.there), second.only(first.there)]
    difference = Sample(pairs[0].numbers - pairs[1].numbers, pairs[0].there, first.unit)
    check_alternative(alternative)
    m = fitting(_with_spread, difference)

    def finish(plain: Mapping[str, Any], revealed: Disclosed) -> TtestResult:
        sample = PlainMoments.of(plain["count"], plain["sum"], plain["variance"], m.unit, dropped=m.dropped)
        if sample is None:
            return _tested(Fraction(0), math.nan, math.nan, alternative, revealed)
        error = math.sqrt(sample.variance(1) / sample.count) if sample.count > 1 else math.nan
        return _tested(sample.mean, error, float(sample.count - 1), alternative, revealed)

    return Pending({"count": m.count, "sum": m.total, "variance": m.spread}, finish, m.rows, (m.count,))


def _with_spread(x: Sample) -> Moments:
    found = moments(x)
    found.spread  # noqa: B018  (whether it fits 128 bits)
    return found


def two_samples(a: Any, b: Any, by: Any, where: Any) -> tuple[Sample, Sample]:
    """Two columns; or one, and a column `by` that makes two groups of its rows."""
    if (b is None) == (by is None):
        raise InputError("two samples are a and b, or a and by", hint="pass b, or a column by of two groups")
    if by is None:
        first, second = same_unit([column(a, "a"), column(b, "b")])
        if where is not None:
            raise InputError("where chooses rows of one column", hint="use it together with by")
        return first, second
    whole = column(a, "a", where=where)
    found = groups(by, whole.rows)
    if len(found) != 2:
        raise InputError(f"by makes {len(found)} groups, not two: {found.labels[:8]}", hint="use f_oneway")
    masks = found.masks()
    return whole.only(masks[0]), whole.only(masks[1])


@statistic
def ttest_ind(
    a: Any, b: Any = None, *, by: Any = None, equal_var: bool = True, alternative: str = "two-sided", where: Any = None
) -> Pending[TtestResult]:
    """Whether two independent samples have the same mean: Student's test, or Welch's with `equal_var=False`.

    `a`, `b`: two secret columns; or `a` and a column `by` of two groups (bools, categories, codes 0 and 1; secret or
    public), of which the first is `a`'s part in SciPy's order. Reveals the difference of the means and the pooled
    variance (Welch: both variances), and the counts where they are secret. Exact up to the floats at the end.
    InputError for a sample without rows or a `by` that makes other than two groups.
    """
    check_alternative(alternative)

    def build(x: Sample, y: Sample) -> tuple[Moments, Moments, dict[str, Any]]:
        m, k = moments(x), moments(y)
        shown = {"difference": m.total * k.count - k.total * m.count}
        if equal_var:
            shown["pooled variance"] = m.spread * k.count + k.spread * m.count
        else:
            shown["variance of a"], shown["variance of b"] = m.spread, k.spread
        return m, k, shown

    m, k, shown = fitting(build, *two_samples(a, b, by, where))

    def finish(plain: Mapping[str, Any], revealed: Disclosed) -> TtestResult:
        n, r = exact(plain["count of a"]), exact(plain["count of b"])
        if n < 1 or r < 1:
            return _tested(Fraction(0), math.nan, math.nan, alternative, revealed)
        estimate = exact(plain["difference"]) / (n * r * m.unit)
        if equal_var:
            within = exact(plain["pooled variance"]) / (n * r * m.unit**2)
            check_rounding(within / (n + r), m.unit, m.dropped)
            df = float(n + r - 2)
            error = math.sqrt(max(Fraction(0), within / (n + r - 2) * (1 / n + 1 / r))) if df > 0 else math.nan
        else:
            parts = [
                max(Fraction(0), exact(plain[name])) / (count * count * (count - 1) * m.unit**2) if count > 1 else None
                for name, count in (("variance of a", n), ("variance of b", r))
            ]
            if parts[0] is None or parts[1] is None:
                error, df = math.nan, math.nan
            else:
                for part, count in ((parts[0], n), (parts[1], r)):
                    check_rounding(part * count, m.unit, m.dropped)
                both = parts[0] + parts[1]
                error = math.sqrt(both)
                below = parts[0] ** 2 / (n - 1) + parts[1] ** 2 / (r - 1)
                df = float(both**2 / below) if below else math.nan
        return _tested(estimate, error, df, alternative, revealed)

    counts = {"count of a": m.count, "count of b": k.count}
    return Pending({**counts, **shown}, finish, m.rows if by is not None else m.rows + k.rows, (m.count, k.count))
