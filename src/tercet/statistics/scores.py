"""ROC AUC with DeLong's interval, a paired test of two scores, and Brunner and Munzel's test.

All are of placements (how many of the other group each value exceeds), which are differences of two ranks.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

import tercet.array as namespace
from tercet.array.core import SecretArray
from tercet.errors import InputError
from tercet.statistics import pooled as samples
from tercet.statistics.asked import Disclosed, Pending, Result, SignificanceResult, statistic
from tercet.statistics.plain import ConfidenceInterval, check_alternative, check_level, exact, interval, p_value
from tercet.statistics.samples import Grouping, Sample, column, groups


@dataclass(frozen=True, kw_only=True)
class RocAucResult(Result):
    """The area under the ROC curve, with DeLong's variance."""

    auc: float
    standard_error: float
    n_positive: int
    n_negative: int

    def confidence_interval(self, confidence_level: float = 0.95, method: str = "delong") -> ConfidenceInterval:
        """DeLong's: auc -+ z * standard_error, within [0, 1]; with "logit" of log(auc / (1 - auc))."""
        from scipy import stats

        level = check_level(confidence_level)
        if method == "delong":
            low, high = interval(stats.norm, self.auc, self.standard_error, level, "two-sided")
            return ConfidenceInterval(max(0.0, low), min(1.0, high))
        if method != "logit":
            raise InputError(f"method {str(method)[:40]!r}", hint="it is 'delong' or 'logit'")
        if not 0 < self.auc < 1:
            return ConfidenceInterval(math.nan, math.nan)
        middle, error = math.log(self.auc / (1 - self.auc)), self.standard_error / (self.auc * (1 - self.auc))
        ends = interval(stats.norm, middle, error, level, "two-sided")
        return ConfidenceInterval(*(1 / (1 + math.exp(-end)) for end in ends))


@dataclass(frozen=True, kw_only=True)
class DelongResult(SignificanceResult):
    """DeLong's test of two scores of the same rows: statistic is z."""

    auc1: float
    auc2: float
    standard_error: float
    """Of the difference of both areas."""
    covariance: tuple[tuple[float, float], tuple[float, float]]


def _placed(x: Sample, by: Grouping) -> Any:
    """Of each value, twice its rank among all less twice its rank by group and value: in the first of two groups, twice
    the number of values of the other one below it (ties count one); in the second, that less twice the size of the
    first; 0 where there is none."""
    return samples.ranks(x) - samples.ranks(x, by.codes)


def _labels(y_true: Any, x: Sample) -> tuple[Sample, Grouping]:
    found = groups(y_true, x.rows, "y_true")
    if len(found) != 2:
        raise InputError(f"y_true has {len(found)} values, and two are taken: {found.labels[:8]}")
    return x.only(found.there), found


@dataclass(frozen=True)
class _Placements:
    """In plain: per group the number of values, and of several scores sums and products of placements, as multiples of
    the size of the other group."""

    counts: tuple[int, int]
    sums: tuple[list[Fraction], list[Fraction]]
    products: tuple[list[list[Fraction]], list[list[Fraction]]]

    @classmethod
    def of(cls, plain: Mapping[str, Any], scores: int) -> _Placements:
        n0, n1 = (int(exact(count)) for count in np.asarray(plain["counts"]))
        first, second = (
            [[exact(v) for v in row] for row in np.asarray(plain["sums"]).reshape(2, scores)],
            np.asarray(plain["products"]).reshape(2, scores, scores),
        )
        zeros, ones = first[0], [one + 2 * n0 * n1 for one in first[1]]
        low = [[exact(v) for v in row] for row in second[0]]
        high = [
            [exact(second[1][a][b]) + 2 * n0 * (first[1][a] + first[1][b]) + 4 * n0 * n0 * n1 for b in range(scores)]
            for a in range(scores)
        ]
        return cls((n0, n1), (zeros, ones), (low, high))

    def area(self, score: int) -> Fraction:
        """The chance that a value of the second group is greater, ties counting half."""
        n0, n1 = self.counts
        return self.sums[1][score] / (2 * n0 * n1)

    def covariance(self, a: int, b: int, group: int) -> Fraction:
        """Of the placements of one group, as parts of the size of the other."""
        n, other = self.counts[group], self.counts[1 - group]
        if n < 2:
            return Fraction(0)
        distance = self.products[group][a][b] - self.sums[group][a] * self.sums[group][b] / n
        return distance / (4 * other * other) / (n - 1)

    def delong(self, a: int, b: int) -> Fraction:
        """DeLong's covariance of two areas."""
        return self.covariance(a, b, 0) / self.counts[0] + self.covariance(a, b, 1) / self.counts[1]


def _arrays(placed: list[Any], by: Grouping, there: Any) -> dict[str, Any]:
    """Counts of both groups, and sums and products of placements in them."""
    secret = any(isinstance(one, SecretArray) for one in placed)
    join = namespace.stack if secret else np.stack
    pairs = [one * other for one in placed for other in placed]
    sums = by.sum(join([*placed, *pairs], axis=1))
    return {"counts": by.count(there), "sums": sums[:, : len(placed)], "products": sums[:, len(placed) :]}


@statistic
def roc_auc(y_true: Any, y_score: Any, *, where: Any = None) -> Pending[RocAucResult]:
    """The area under the ROC curve of scores, with DeLong's standard error and interval.

    `y_true` (n,): secret bools, or codes with bounds (0, 1); `y_score` (n,): secret numbers, of which missing ones are
    left out. Two ranks, of the scores and of the scores within both classes. Reveals the numbers of rows of both
    classes and in each the sum of placements (how many rows of the other class have a smaller score) and of their
    squares; all rest on all rows. Exact up to the floats at the end; equal scores count half. InputError for more than
    two classes.
    """
    x, by = _labels(y_true, column(y_score, "y_score", where=where))
    arrays = _arrays([_placed(x, by)], by, x.there)

    def finish(plain: Mapping[str, Any], revealed: Disclosed) -> RocAucResult:
        found = _Placements.of(plain, 1)
        n0, n1 = found.counts
        known = n0 > 0 and n1 > 0
        return RocAucResult(
            auc=float(found.area(0)) if known else math.nan,
            standard_error=math.sqrt(found.delong(0, 0)) if n0 > 1 and n1 > 1 else math.nan,
            n_positive=n1,
            n_negative=n0,
            revealed=revealed,
        )

    return Pending(arrays, finish, x.rows, (arrays["counts"],))


@statistic
def delong_test(
    y_true: Any, y_score1: Any, y_score2: Any, *, alternative: str = "two-sided", where: Any = None
) -> Pending[DelongResult]:
    """Whether two scores of the same rows have the same area under the ROC curve (DeLong's paired test).

    As `roc_auc` of both, and products of their placements. Rows where either score is missing are left out.
    """
    check_alternative(alternative)
    one, two = column(y_score1, "y_score1", where=where), column(y_score2, "y_score2")
    if one.rows != two.rows:
        raise InputError(f"y_score1 has {one.rows} rows and y_score2 {two.rows}")
    one, two = one.only(two.there), two.only(one.there)
    (one, by), (two, _) = _labels(y_true, one), _labels(y_true, two)
    arrays = _arrays([_placed(one, by), _placed(two, by)], by, one.there)

    def finish(plain: Mapping[str, Any], revealed: Disclosed) -> DelongResult:
        from scipy import stats

        found = _Placements.of(plain, 2)
        if min(found.counts) < 2:
            nan = math.nan
            empty = ((nan, nan), (nan, nan))
            return DelongResult(
                statistic=nan, pvalue=nan, auc1=nan, auc2=nan, standard_error=nan, covariance=empty, revealed=revealed
            )
        cov = [[found.delong(a, b) for b in range(2)] for a in range(2)]
        difference, variance = found.area(0) - found.area(1), cov[0][0] + cov[1][1] - 2 * cov[0][1]
        error = math.sqrt(variance) if variance > 0 else 0.0
        z = float(difference) / error if error else math.nan
        return DelongResult(
            statistic=z,
            pvalue=p_value(stats.norm, z, alternative),
            auc1=float(found.area(0)),
            auc2=float(found.area(1)),
            standard_error=error,
            covariance=((float(cov[0][0]), float(cov[0][1])), (float(cov[1][0]), float(cov[1][1]))),
            revealed=revealed,
        )

    return Pending(arrays, finish, one.rows, (arrays["counts"],))


@statistic
def brunnermunzel(
    x: Any,
    y: Any = None,
    alternative: str = "two-sided",
    distribution: str = "t",
    *,
    by: Any = None,
    where: Any = None,
) -> Pending[SignificanceResult]:
    """Whether a value of one sample is as often greater as less than one of the other, without equal variances.

    Samples as in `mannwhitneyu`; costs and reveals as `roc_auc`. `distribution`: "t" or "normal".
    """
    check_alternative(alternative)
    if distribution not in ("t", "normal"):
        raise InputError(f"distribution {str(distribution)[:40]!r}", hint="it is 't' or 'normal'")
    values, found = samples.two((x, y), by, where)
    arrays = _arrays([_placed(values, found)], found, values.there)

    def finish(plain: Mapping[str, Any], revealed: Disclosed) -> SignificanceResult:
        from scipy import stats

        placed = _Placements.of(plain, 1)
        nx, ny = placed.counts
        if min(nx, ny) < 2:
            return SignificanceResult(statistic=math.nan, pvalue=math.nan, revealed=revealed)
        # of ranks less ranks within, the variances of which are those of placements
        sx, sy = (placed.covariance(0, 0, at) * placed.counts[1 - at] ** 2 for at in (0, 1))
        spread = nx * sx + ny * sy
        mean_x = (placed.sums[0][0] / 2 + Fraction(nx * (nx + 1), 2)) / nx
        mean_y = (placed.sums[1][0] / 2 + Fraction(ny * (ny + 1), 2)) / ny
        if not spread:
            difference = mean_y - mean_x
            w = math.copysign(math.inf, difference) if difference else math.nan
            return SignificanceResult(statistic=w, pvalue=math.nan, revealed=revealed)
        w = float(nx * ny * (mean_y - mean_x) / (nx + ny)) / math.sqrt(spread)
        df = float(spread**2 / ((nx * sx) ** 2 / (nx - 1) + (ny * sy) ** 2 / (ny - 1)))
        by_law = stats.t(df) if distribution == "t" else stats.norm
        return SignificanceResult(statistic=w, pvalue=p_value(by_law, -w, alternative), revealed=revealed)

    return Pending(arrays, finish, values.rows, (arrays["counts"],))
