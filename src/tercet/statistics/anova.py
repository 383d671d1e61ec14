"""Analysis of variance: one-way, pairs by Tukey, effect sizes, and agreement of ratings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

import tercet.array as namespace
from tercet.array import numeric
from tercet.array.core import SecretArray
from tercet.errors import InputError
from tercet.statistics.asked import Disclosed, Pending, Result, SignificanceResult, statistic
from tercet.statistics.plain import ConfidenceInterval, check_level, exact
from tercet.statistics.samples import Grouping, Sample, column, fitting, groups, moments, same_unit
from tercet.statistics.zscores import z_scores

_PART_BITS = 40


def pooled(samples: Sequence[Any], by: Any, where: Any) -> tuple[Sample, Grouping]:
    """One column and its groups: of a column and `by`, or of several samples, which are public groups."""
    if by is not None:
        if len(samples) != 1:
            raise InputError(f"{len(samples)} samples and by", hint="by makes groups of one column")
        x = column(samples[0], where=where)
        found = groups(by, x.rows)
        return x.only(found.there), found
    if len(samples) < 2 or where is not None:
        raise InputError("groups are several samples, or one column and by", hint="pass by, a column of groups")
    columns = same_unit([column(one, f"sample {place}") for place, one in enumerate(samples)])
    codes = np.repeat(np.arange(len(columns)), [one.rows for one in columns])
    numbers = namespace.concat([one.numbers for one in columns])
    there = None
    if any(one.there is not None for one in columns):
        parts = [np.ones(one.rows, np.bool_) if one.there is None else one.there for one in columns]
        there = namespace.concat(parts)
    return Sample(numbers, there, columns[0].unit), Grouping(codes, tuple(range(len(columns))), None)


def _parts(x: Sample, grouping: Grouping) -> tuple[Any, Any]:
    """Counts of groups, and eta squared: which part of the variance lies between groups."""
    scores, m = z_scores(x)
    counts = grouping.count(x.there)
    sums = grouping.sum(scores)
    squares = numeric.at_precision(sums * sums, _PART_BITS)
    if isinstance(squares, SecretArray) and not isinstance(counts, SecretArray):
        below = np.maximum(counts, 1) * (m.count if isinstance(m.count, int) else 1)
        parts = namespace.sum(squares / below)
        if not isinstance(m.count, int):
            parts = parts / m.count
    else:
        parts = namespace.sum(numeric.ratio(squares, counts * m.count, 1, _PART_BITS))
    return counts, parts


@dataclass(frozen=True, kw_only=True)
class AnovaResult(SignificanceResult):
    """A one-way analysis of variance; unpacks to statistic and p-value, as SciPy's."""

    eta_squared: float
    """Which part of the variance lies between groups."""
    df_between: int
    df_within: int
    group_sizes: NDArray[np.int64]


@statistic
def f_oneway(*samples: Any, by: Any = None, where: Any = None) -> Pending[AnovaResult]:
    """Whether the means of several groups are the same: samples as in SciPy, or one column and `by`.

    Reveals which part of the variance lies between groups, from which F follows, and the sizes of groups where they are
    secret. That part is within 2^-30, so F is within a relative 2^-30 / (part (1 - part)). Groups without rows do not
    count, nor rows without a group. InputError for one group."""
    x, grouping = pooled(samples, by, where)
    if len(grouping) < 2:
        raise InputError("an analysis of variance of one group", hint="pass two groups at least")
    counts, part = _parts(x, grouping)

    def finish(plain: Mapping[str, Any], disclosed: Disclosed) -> AnovaResult:
        from scipy import stats

        sizes = np.asarray(plain["sizes"]).astype(np.int64)
        n, k = int(sizes.sum()), int((sizes > 0).sum())
        between, within = k - 1, n - k
        share = min(1.0, max(0.0, float(plain["part between"])))
        if between < 1 or within < 1:
            found = math.nan
        elif share >= 1:
            found = math.inf
        else:
            found = share / between / ((1 - share) / within)
        return AnovaResult(
            statistic=found,
            pvalue=float(stats.f.sf(found, between, within)) if not math.isnan(found) else math.nan,
            eta_squared=share,
            df_between=between,
            df_within=within,
            group_sizes=sizes,
            revealed=disclosed,
        )

    return Pending({"sizes": counts, "part between": part}, finish, x.rows, (counts,))


def _apart(one: Fraction | None, other: Fraction | None) -> float:
    return math.nan if one is None or other is None else float(one - other)


@dataclass(frozen=True, kw_only=True)
class TukeyResult(Result):
    """All pairs of groups compared, as SciPy's tukey_hsd: (k, k) arrays."""

    statistic: NDArray[np.float64]
    """Differences of means: row less column."""
    pvalue: NDArray[np.float64]
    labels: tuple[Any, ...]
    group_sizes: NDArray[np.int64]
    _error: NDArray[np.float64]
    _df: int
    _compared: int

    def confidence_interval(self, confidence_level: float = 0.95) -> ConfidenceInterval:
        """Of all differences together: two (k, k) arrays."""
        from scipy import stats

        wide = stats.studentized_range.ppf(check_level(confidence_level), self._compared, self._df) * self._error
        return ConfidenceInterval(self.statistic - wide, self.statistic + wide)


@statistic
def tukey_hsd(*samples: Any, by: Any = None, where: Any = None) -> Pending[TukeyResult]:
    """Which groups have different means: Tukey's (Tukey-Kramer's) test of all pairs.

    Reveals differences of means from that of all, the variance within groups, and sizes where they are secret. Groups
    without rows do not count; what is compared with them is NaN."""
    x, grouping = pooled(samples, by, where)
    if len(grouping) < 2:
        raise InputError("a comparison of one group", hint="pass two groups at least")
    counts, part = _parts(x, grouping)

    def build(one: Sample) -> tuple[Any, Any, Fraction]:
        totals, m = grouping.sum(one.numbers), moments(one)
        return totals * m.count - m.total * counts, m.spread, m.unit

    differences, spread, unit = fitting(build, x)
    shown = {"sizes": counts, "differences": differences, "variance": spread, "part between": part}

    def finish(plain: Mapping[str, Any], disclosed: Disclosed) -> TukeyResult:
        from scipy import stats

        sizes = np.asarray(plain["sizes"]).astype(np.int64)
        n, k = int(sizes.sum()), int((sizes > 0).sum())
        from_all = [
            exact(number) / (int(size) * n * unit) if size else None
            for number, size in zip(np.asarray(plain["differences"], object).tolist(), sizes.tolist(), strict=True)
        ]
        whole = float(exact(plain["variance"]) / (n * unit**2)) if n else math.nan
        within = whole * (1 - min(1.0, max(0.0, float(plain["part between"]))))
        error = within / max(1, n - k)
        with np.errstate(divide="ignore", invalid="ignore"):
            errors = np.sqrt(error / 2 * (1 / sizes[:, None] + 1 / sizes[None, :]))
            apart = np.array([[_apart(one, other) for other in from_all] for one in from_all])
            pvalue = stats.studentized_range.sf(np.abs(apart) / errors, k, n - k)
        np.fill_diagonal(pvalue, np.where(sizes > 0, 1.0, math.nan))
        return TukeyResult(
            statistic=apart,
            pvalue=pvalue,
            labels=grouping.labels,
            group_sizes=sizes,
            _error=errors,
            _df=n - k,
            _compared=k,
            revealed=disclosed,
        )

    return Pending(shown, finish, x.rows, (counts,))


@statistic
def cohens_d(a: Any, b: Any = None, *, by: Any = None, correction: bool = False, where: Any = None) -> Pending[float]:
    """The difference of two means in pooled deviations; with `correction` Hedges' g. Reveals what a t-test does."""
    from tercet.statistics.ttests import ttest_ind

    asked = ttest_ind.pending(a, b, by=by, where=where)

    def finish(plain: Mapping[str, Any], disclosed: Disclosed) -> float:
        found = asked.finish(plain, disclosed)
        n, r = float(exact(plain["count of a"])), float(exact(plain["count of b"]))
        if not n or not r:
            return math.nan
        d = found.statistic * math.sqrt(1 / n + 1 / r)
        return d * (1 - 3 / (4 * (n + r - 2) - 1)) if correction else d

    return Pending(asked.arrays, finish, asked.rows, asked.sizes)


# ---- ratings ----


def _ratings(items: Any) -> tuple[Any, Fraction, int, int, Any]:
    """A matrix of ratings (n, k) as integers, 0 in rows that lack one; their unit, and how many rows are whole."""
    if isinstance(items, SecretArray) or (isinstance(items, np.ndarray) and items.ndim == 2):
        if np.ndim(items) != 2:
            raise InputError(
                f"ratings of shape {np.shape(items)}", hint="pass a matrix (rows, items) or a list of columns"
            )
        columns = [items[:, place] for place in range(int(np.shape(items)[1]))]
    else:
        columns = list(items)
    if len(columns) < 2:
        raise InputError(f"{len(columns)} items", hint="two at least are needed")
    found = same_unit([column(one, f"item {place}") for place, one in enumerate(columns)])
    theirs = [one.there for one in found if one.there is not None]
    there = None
    for one in theirs:
        there = one if there is None else there & one
    numbers = namespace.stack([one.only(there).numbers for one in found], axis=1)
    rows = found[0].rows
    count = rows if there is None else namespace.sum(there if isinstance(there, SecretArray) else there * 1)
    return numbers, found[0].unit, rows, len(columns), count


@dataclass(frozen=True, kw_only=True)
class ReliabilityResult(Result):
    """Cronbach's alpha; the interval is Feldt's."""

    alpha: float
    nobs: int
    items: int

    def confidence_interval(self, confidence_level: float = 0.95) -> ConfidenceInterval:
        from scipy import stats

        outside = (1 - check_level(confidence_level)) / 2
        df = self.nobs - 1
        f = stats.f(df, df * (self.items - 1))
        return ConfidenceInterval(
            1 - (1 - self.alpha) * float(f.ppf(1 - outside)), 1 - (1 - self.alpha) * float(f.ppf(outside))
        )


@statistic
def cronbach_alpha(items: Any) -> Pending[ReliabilityResult]:
    """How well items of a questionnaire measure one thing: `items` (n, k), or a list of columns.

    Rows that lack an item are left out. Reveals the variance of the sum, the sum of variances, and the number of rows
    where that is secret. Exact up to the float at the end."""
    numbers, _, rows, k, count = _ratings(items)
    sums = namespace.sum(numbers, axis=1)
    total = namespace.sum(sums)
    whole = namespace.sum(sums * sums) * count - total * total
    each = namespace.sum(numbers, axis=0)
    parts = namespace.sum(numbers * numbers) * count - namespace.sum(each * each)

    def finish(plain: Mapping[str, Any], disclosed: Disclosed) -> ReliabilityResult:
        of_sum = exact(plain["variance of the sum"])
        ratio = exact(plain["sum of variances"]) / of_sum if of_sum else None
        alpha = float(Fraction(k, k - 1) * (1 - ratio)) if ratio is not None else math.nan
        return ReliabilityResult(alpha=alpha, nobs=int(plain["count"]), items=k, revealed=disclosed)

    shown = {"count": count, "variance of the sum": whole, "sum of variances": parts}
    return Pending(shown, finish, rows, (count,))


@dataclass(frozen=True, kw_only=True)
class IccResult(Result):
    """Intraclass correlations by Shrout and Fleiss: one rater (`icc`) and the mean of all (`icc_k`), each of models 1,
    2 and 3."""

    icc: tuple[float, float, float]
    icc_k: tuple[float, float, float]
    f: float
    """Of rows, for models 2 and 3."""
    pvalue: float
    nobs: int


@statistic
def icc(ratings: Any) -> Pending[IccResult]:
    """How far ratings of the same rows by k raters agree: `ratings` (n, k), or a list of columns.

    Rows that lack a rating are left out. Reveals the sums of squares of rows, raters and all, and the number of rows
    where that is secret; exact up to the floats at the end."""
    numbers, unit, rows, k, count = _ratings(ratings)
    of_rows, of_raters = namespace.sum(numbers, axis=1), namespace.sum(numbers, axis=0)
    total = namespace.sum(of_rows)
    square = total * total
    shown = {
        "count": count,
        "squares of all": namespace.sum(numbers * numbers) * count * k - square,
        "squares of rows": namespace.sum(of_rows * of_rows) * count - square,
        "squares of raters": namespace.sum(of_raters * of_raters) * k - square,
    }

    def finish(plain: Mapping[str, Any], disclosed: Disclosed) -> IccResult:
        from scipy import stats

        n = int(plain["count"])
        nan = (math.nan,) * 3
        if n < 2:
            return IccResult(icc=nan, icc_k=nan, f=math.nan, pvalue=math.nan, nobs=n, revealed=disclosed)
        whole, of_row, of_rater = (
            float(exact(plain[f"squares of {name}"]) / (n * k * unit**2)) for name in ("all", "rows", "raters")
        )
        rows_, raters = of_row / (n - 1), of_rater / (k - 1)
        error = (whole - of_row - of_rater) / ((n - 1) * (k - 1))
        within = (whole - of_row) / (n * (k - 1))

        def over(top: float, below: float) -> float:
            return top / below if below else math.nan

        single = (
            over(rows_ - within, rows_ + (k - 1) * within),
            over(rows_ - error, rows_ + (k - 1) * error + k * (raters - error) / n),
            over(rows_ - error, rows_ + (k - 1) * error),
        )
        mean = (
            over(rows_ - within, rows_),
            over(rows_ - error, rows_ + (raters - error) / n),
            over(rows_ - error, rows_),
        )
        f = over(rows_, error)
        pvalue = float(stats.f.sf(f, n - 1, (n - 1) * (k - 1))) if not math.isnan(f) else math.nan
        return IccResult(icc=single, icc_k=mean, f=f, pvalue=pvalue, nobs=n, revealed=disclosed)

    return Pending(shown, finish, rows, (count,))
