"""Whether groups differ in spread or in median: Levene, Bartlett, Mood's median test. SciPy's names."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

import tercet.array as namespace
from tercet.array import nullable
from tercet.array.core import SecretArray
from tercet.errors import InputError
from tercet.statistics import pooled as samples
from tercet.statistics.asked import Disclosed, Pending, SignificanceResult, statistic
from tercet.statistics.plain import exact
from tercet.statistics.samples import Grouping, Sample, fitting, moments


@dataclass(frozen=True, kw_only=True)
class SpreadsResult(SignificanceResult):
    """A comparison of several samples by their spread."""

    spreads: tuple[float, ...]
    """Of each sample its variance (Bartlett), or mean distance from its middle (Levene); NaN of one without rows."""


@statistic
def bartlett(*args: Any, by: Any = None, where: Any = None) -> Pending[SpreadsResult]:
    """Whether normal samples have the same variance (Bartlett).

    Samples, or one column and `by`, as in `mannwhitneyu`. Reveals counts, where they are secret, and variances of the
    groups. Exact up to the floats at the end.
    """
    values, found = samples.pooled(args, by, where)

    def build(x: Sample) -> Any:
        m = moments(x, found)
        return m, m.spread

    m, spread = fitting(build, values)

    def finish(plain: Mapping[str, Any], revealed: Disclosed) -> SpreadsResult:
        from scipy import stats

        counts = [exact(count) for count in np.asarray(plain["counts"])]
        spreads = [exact(one) for one in np.asarray(plain["variances"])]
        spreads_ = tuple(
            float(one / (n * (n - 1)) / m.unit**2) if n > 1 else math.nan
            for one, n in zip(spreads, counts, strict=True)
        )
        kept = [at for at, count in enumerate(counts) if count or by is None]
        counts, spreads = [counts[at] for at in kept], [spreads[at] for at in kept]
        if len(counts) < 2 or min(counts) < 2:
            return SpreadsResult(statistic=math.nan, pvalue=math.nan, spreads=spreads_, revealed=revealed)
        variances = [float(one / (n * (n - 1)) / m.unit**2) for one, n in zip(spreads, counts, strict=True)]
        n, k = np.array([float(count) for count in counts]), len(counts)
        with np.errstate(divide="ignore", invalid="ignore"):
            pooled = float(np.sum((n - 1) * variances) / (n.sum() - k))
            top = (n.sum() - k) * np.log(pooled) - np.sum((n - 1) * np.log(variances))
            below = 1 + 1 / (3 * (k - 1)) * (np.sum(1 / (n - 1)) - 1 / (n.sum() - k))
            statistic_ = float(top / below)
        pvalue = float(stats.chi2.sf(statistic_, k - 1))
        return SpreadsResult(
            statistic=statistic_ if math.isnan(statistic_) else max(0.0, statistic_),
            pvalue=pvalue,
            spreads=spreads_,
            revealed=revealed,
        )

    return Pending({"counts": m.count, "variances": spread}, finish, values.rows, (m.count,))


@statistic
def levene(*args: Any, center: str = "median", by: Any = None, where: Any = None) -> Pending[SpreadsResult]:
    """Whether samples have the same spread (Levene; with medians, Brown and Forsythe).

    Samples, or one column and `by`, as in `mannwhitneyu`. Distances from the group's mean or median are taken under
    sharing, exactly. Reveals counts, where they are secret, and the groups' sums of distances and of their squares.
    `center`: "median" or "mean"; "trimmed" is refused: leave rows out by `where`.
    """
    if center not in ("median", "mean"):
        hint = "use 'median' or 'mean'" + ("; where= leaves rows out" if center == "trimmed" else "")
        raise InputError(f"center {str(center)[:40]!r}", hint=hint)
    values, found = samples.pooled(args, by, where)
    counts = found.count(values.there)

    def build(x: Sample) -> Any:
        if center == "mean":
            # n x - sum, of which the group's n is divided in plain
            distance = x.numbers * found.spread(counts) - found.spread(found.sum(x.numbers))
        else:
            distance = 2 * x.numbers - found.spread(_twice_medians(x, found))
        size = samples.only_where(abs(distance), _there(x))
        return found.sum(size), found.sum(size * size), x.unit

    sums, squares, found_unit = fitting(build, values)

    def finish(plain: Mapping[str, Any], revealed: Disclosed) -> SpreadsResult:
        from scipy import stats

        every = [exact(count) for count in np.asarray(plain["counts"])]
        per = [count if center == "mean" else Fraction(2) for count in every]
        spreads_ = tuple(
            float(exact(one) / (o * count) / found_unit) if count else math.nan
            for one, o, count in zip(np.asarray(plain["distances"]), per, every, strict=True)
        )
        kept = [at for at, count in enumerate(every) if count or by is None]
        n = [every[at] for at in kept]
        if len(n) < 2 or min(n) < 1:
            return SpreadsResult(statistic=math.nan, pvalue=math.nan, spreads=spreads_, revealed=revealed)
        over = [count if center == "mean" else Fraction(2) for count in n]
        z = [exact(np.asarray(plain["distances"])[at]) / o for at, o in zip(kept, over, strict=True)]
        zz = [exact(np.asarray(plain["squares"])[at]) / o**2 for at, o in zip(kept, over, strict=True)]
        whole, k = sum(n, Fraction(0)), len(n)
        between = sum((one**2 / count for one, count in zip(z, n, strict=True)), Fraction(0)) - sum(z) ** 2 / whole
        within = sum((q - one**2 / count for q, one, count in zip(zz, z, n, strict=True)), Fraction(0))
        if whole <= k or not within:
            return SpreadsResult(statistic=math.nan, pvalue=math.nan, spreads=spreads_, revealed=revealed)
        w = float((whole - k) * between / ((k - 1) * within))
        pvalue = float(stats.f.sf(w, k - 1, float(whole - k)))
        return SpreadsResult(statistic=w, pvalue=pvalue, spreads=spreads_, revealed=revealed)

    return Pending({"counts": counts, "distances": sums, "squares": squares}, finish, values.rows, (counts,))


def _there(x: Sample) -> Any:
    return np.ones(x.rows, np.bool_) if x.there is None else samples.bools(x)


def _twice_medians(x: Sample, by: Grouping) -> Any:
    """Twice the median of each group, (k,), 0 of one without rows."""
    marks = by.masks()
    there = _there(x)
    if not isinstance(x.numbers, SecretArray):
        rows = [x.numbers[mark & there] for mark in marks]
        return np.array([2 * np.median(row) if row.size else 0.0 for row in rows])
    found = []
    for at in range(len(by)):
        chosen = marks[at] if x.there is None else marks[at] & there
        middle = np.median(nullable.over_chosen(x.numbers, chosen) * 2)
        found.append(_integer_of(middle))
    return namespace.stack(found)


def _integer_of(middle: Any) -> SecretArray:
    values, there = nullable.split(middle)
    values = values if there is None else nullable.kept(values, there)
    return namespace.round(values).astype(namespace.int64) if values.dtype.name != "int64" else values


@dataclass(frozen=True, kw_only=True)
class MedianTestResult(SignificanceResult):
    """Mood's test: how many values of each group are above the grand median."""

    median: float
    table: Any
    """(2, k): above, and not above."""

    def __iter__(self) -> Any:
        return iter((self.statistic, self.pvalue, self.median, self.table))


@statistic
def median_test(
    *samples_: Any, ties: str = "below", correction: bool = True, by: Any = None, where: Any = None
) -> Pending[MedianTestResult]:
    """Whether samples have the same median (Mood), by a table of values above and below the grand median.

    Samples, or one column and `by`, as in `mannwhitneyu`. Reveals the grand median, and the groups' numbers of values
    above and below it; all rest on all rows. `ties`: "below", "above" or "ignore", as in SciPy; `lambda_` is not
    offered (Pearson's chi-square is taken).
    """
    if ties not in ("below", "above", "ignore"):
        raise InputError(f"ties {str(ties)[:40]!r}", hint="it is 'below', 'above' or 'ignore'")
    values, found = samples.pooled(samples_, by, where)
    middle, above, below = _around(values)
    arrays = {
        "counts": found.count(values.there),
        "median": middle,
        "above": found.sum(above),
        "below": found.sum(below),
    }

    def finish(plain: Mapping[str, Any], revealed: Disclosed) -> MedianTestResult:
        from scipy import stats

        counts, over, under = (np.asarray(plain[name], dtype=float) for name in ("counts", "above", "below"))
        equal = counts - over - under
        over, under = over + equal * (ties == "above"), under + equal * (ties == "below")
        kept = counts > 0 if by is not None else np.ones(len(counts), np.bool_)
        table = np.stack([over, under]).astype(np.int64)
        grand = float(np.asarray(plain["median"])) / 2 / float(values.unit)
        if (table[:, kept].sum(axis=1) == 0).any() or (table[:, kept].sum(axis=0) == 0).any():
            raise InputError("a row or column of the table is empty", hint=f"choose other ties than {ties!r}")
        statistic_, pvalue, *_ = stats.chi2_contingency(table[:, kept], correction=correction)
        return MedianTestResult(
            statistic=float(statistic_), pvalue=float(pvalue), median=grand, table=table, revealed=revealed
        )

    return Pending(arrays, finish, values.rows, (arrays["counts"],))


def _around(x: Sample) -> tuple[Any, Any, Any]:
    """Twice the median of all that is there, and as 0 and 1 what is above and below it."""
    there = _there(x)
    if isinstance(x.numbers, SecretArray):
        of = x.numbers * 2
        middle = _integer_of(np.median(of if x.there is None else nullable.over_chosen(of, there)))
        above, below = of > middle, of < middle
        if x.there is not None:
            above, below = above & there, below & there
        return middle, above * 1, below * 1
    grand = 2 * np.median(x.numbers[there]) if there.any() else 0.0
    above, below = (2 * x.numbers > grand) & there, (2 * x.numbers < grand) & there
    return grand, above * 1.0, below * 1.0
