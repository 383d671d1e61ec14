"""Kolmogorov and Smirnov's tests: the greatest distance of distribution functions, found under sharing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

import tercet.array as namespace
from tercet.array import nullable, ordering
from tercet.array.core import SecretArray
from tercet.errors import InputError
from tercet.statistics import pooled as samples
from tercet.statistics.asked import Disclosed, Pending, SignificanceResult, statistic
from tercet.statistics.plain import check_alternative, exact
from tercet.statistics.samples import Grouping, Sample, column

_COUNTED = 1 << 12
"""So many values that bounds allow, times groups, are counted; of more, the values are sorted."""
_CDF_BITS = 30
_CDFS = ("norm", "expon", "uniform", "t", "chi2", "gamma", "beta", "lognorm", "weibull_min", "logistic", "laplace")


@dataclass(frozen=True, kw_only=True)
class KstestResult(SignificanceResult):
    """Kolmogorov and Smirnov's test: unpacks to the distance and the p-value."""

    statistic_sign: int
    """1 where the first distribution function is above the second at the greatest distance, or -1."""


def _greatest(values: Any) -> Any:
    """The greatest of a line, or 0 if that is more."""
    if isinstance(values, SecretArray):
        return namespace.maximum(namespace.max(values), 0)
    return max(float(np.max(values)), 0.0)


def _span(x: Sample) -> tuple[int, int] | None:
    """The least value and how many there may be, if they are few."""
    if not x.secret:
        return None
    lo, hi = (int(end) for end in x.numbers.bounds)
    return (lo, hi - lo + 1) if hi - lo + 1 <= _COUNTED else None


def _running_counts(x: Sample, by: Grouping, lo: int, count: int) -> tuple[Any, Any]:
    """How many values of both groups are not above each value that there may be, (count,) each."""
    codes = (x.numbers - lo) + by.codes * count
    there = samples.bools(x)
    marked = codes if there is None else nullable.NullableArray.of_values(codes, there)
    table = namespace.cumulative_sum(namespace.segment_count(marked, 2 * count).reshape((2, count)), axis=1)
    return table[0], table[1]


def _sorted_counts(x: Sample, by: Grouping) -> tuple[Any, Any, Any]:
    """As `_running_counts`, at each value in ascending order, and bools where it is the last of equal ones."""
    marks = by.masks()
    there: Any = np.ones(x.rows, np.bool_) if x.there is None else samples.bools(x)
    if not x.secret:
        order = np.argsort(np.where(there, x.numbers, np.inf), kind="stable")
        ordered = x.numbers[order]
        first, second = ((mark & there)[order] for mark in marks)
        last = np.append(ordered[1:] != ordered[:-1], True)
        last |= np.append(~there[order][1:], True)
        return np.cumsum(first, dtype=float), np.cumsum(second, dtype=float), last & there[order]
    numbers = x.numbers if x.there is None else nullable.NullableArray.of_values(x.numbers, there)
    riders = [mark & there for mark in marks]
    riders = [one if isinstance(one, SecretArray) else samples.secret_bools(x.numbers, one) for one in riders]
    present = riders[0] | riders[1]
    ordered, first, second, present = ordering.sort_by(numbers, x.numbers, *riders, present)
    differ = ordered[1:] != ordered[:-1]
    if x.there is not None:
        differ = differ | ~present[1:]
    ends: Any = namespace.concat([differ, present[-1:] | ~present[-1:]])
    return (
        namespace.cumulative_sum(first * 1, axis=0),
        namespace.cumulative_sum(second * 1, axis=0),
        ends & present,
    )


@statistic
def ks_2samp(
    data1: Any,
    data2: Any = None,
    alternative: str = "two-sided",
    method: str = "auto",
    *,
    by: Any = None,
    where: Any = None,
) -> Pending[KstestResult]:
    """Whether two samples come of one distribution, by the greatest distance of their empirical distribution functions.

    Samples as in `mannwhitneyu`. Reveals the greatest distance upwards and downwards, as numbers of values times the
    size of the other sample, and the sizes where they are secret. Where bounds leave 4,096 values or fewer these are
    counted, which rests on all rows; else all values are sorted, and a policy takes the distances for single rows:
    round the columns to fewer values. Exact up to the floats at the end. `method`: "exact", "asymp" or "auto", as in
    SciPy, also its p-values. Where the greatest distance is, is not shown.
    """
    check_alternative(alternative)
    if method not in ("auto", "exact", "asymp"):
        raise InputError(f"method {str(method)[:40]!r}", hint="it is 'auto', 'exact' or 'asymp'")
    x, found = samples.two((data1, data2), by, where)
    span = _span(x)
    if span is not None:
        first, second = _running_counts(x, found, *span)
        last: Any = None
        n1, n2 = first[-1], second[-1]
    else:
        first, second, last = _sorted_counts(x, found)
        n1, n2 = first[-1], second[-1]
    distance = first * n2 - second * n1
    if last is not None:
        distance = samples.only_where(distance, last)
    counts = found.count(x.there)
    arrays = {"counts": counts, "above": _greatest(distance), "below": _greatest(-distance)}

    def finish(plain: Mapping[str, Any], revealed: Disclosed) -> KstestResult:
        sizes = [int(exact(count)) for count in np.asarray(plain["counts"])]
        return _two_samples(
            int(exact(plain["above"])), int(exact(plain["below"])), sizes, alternative, method, revealed
        )

    return Pending(arrays, finish, x.rows, (counts,))


def _two_samples(
    above: int, below: int, sizes: list[int], alternative: str, method: str, revealed: Disclosed
) -> KstestResult:
    from scipy import stats

    n1, n2 = sizes
    down = alternative == "less" or (alternative == "two-sided" and below > above)
    sign, most = (-1, below) if down else (1, above)
    if not n1 or not n2:
        return KstestResult(statistic=math.nan, pvalue=math.nan, statistic_sign=sign, revealed=revealed)
    # two samples of zeros and ones whose distribution functions are as far apart, and nowhere else
    ones, twos = (n1, n2) if sign > 0 else (n2, n1)
    a = next(at for at in range(ones + 1) if at * twos >= most and not (at * twos - most) % ones)
    b = (a * twos - most) // ones
    parts = (np.repeat([0, 1], [a, ones - a]), np.repeat([0, 1], [b, twos - b]))
    one, two = parts if sign > 0 else parts[::-1]
    pvalue = float(stats.ks_2samp(one, two, alternative=alternative, method=method).pvalue)
    return KstestResult(statistic=float(Fraction(most, n1 * n2)), pvalue=pvalue, statistic_sign=sign, revealed=revealed)


@statistic
def ks_1samp(
    x: Any,
    cdf: str = "norm",
    args: tuple[float, ...] = (),
    alternative: str = "two-sided",
    method: str = "auto",
    *,
    where: Any = None,
) -> Pending[KstestResult]:
    """Whether a secret column (n,) comes of a public distribution, by the greatest distance from it.

    `cdf`: a continuous distribution of scipy.stats by its name, with public `args`. The bounds have to leave 4,096
    values or fewer (integers, or rounded): the public distribution is then known at each, values are counted, and the
    distance rests on all rows. Reveals the greatest distances upwards and downwards, and the number of values where it
    is secret. Distances within 2^-30. `method`: "exact", "approx", "asymp" or "auto". InputError for other names, and
    for bounds that leave more values.
    """
    check_alternative(alternative)
    if method not in ("auto", "exact", "approx", "asymp"):
        raise InputError(f"method {str(method)[:40]!r}", hint="it is 'auto', 'exact', 'approx' or 'asymp'")
    if cdf not in _CDFS:
        raise InputError(f"cdf {str(cdf)[:40]!r}", hint=f"it is one of {', '.join(_CDFS)}")
    found = column(x, where=where)
    there = samples.bools(found)
    if found.secret:
        span = _span(found)
        if span is None:
            raise InputError(
                f"bounds {found.numbers.bounds} of stored integers leave more than {_COUNTED:,} values",
                hint="round the column first, so that fewer values are left",
            )
        lo, count = span
        codes = found.numbers - lo
        marked = codes if there is None else nullable.NullableArray.of_values(codes, there)
        running = namespace.cumulative_sum(namespace.segment_count(marked, count), axis=0)
        before = namespace.concat([running[:1] * 0, running[:-1]])
        law = _law(cdf, args, (np.arange(count) + lo) / float(found.unit))
        stored = np.round(law * (1 << _CDF_BITS)).astype(np.int64)
        n: Any = found.count
        above, below = running * (1 << _CDF_BITS) - n * stored, n * stored - before * (1 << _CDF_BITS)
    else:
        there = np.ones(found.rows, np.bool_) if there is None else there
        ordered = np.sort(found.numbers[there])
        n = float(ordered.size)
        law = _law(cdf, args, ordered) * (1 << _CDF_BITS)
        places = np.arange(ordered.size) * float(1 << _CDF_BITS)
        above, below = places + (1 << _CDF_BITS) - n * law, n * law - places
    arrays = {"count": n, "above": _greatest(above), "below": _greatest(below)}

    def finish(plain: Mapping[str, Any], revealed: Disclosed) -> KstestResult:
        from scipy import stats

        size = int(exact(plain["count"]))
        up, down = (
            float(exact(plain[name]) / (1 << _CDF_BITS) / size) if size else math.nan for name in ("above", "below")
        )
        if alternative == "two-sided":
            sign, distance = (1, up) if up > down else (-1, down)
            asymptotic = method == "asymp"
            pvalue = (
                float(stats.kstwobign.sf(distance * math.sqrt(size)))
                if asymptotic
                else float(stats.kstwo.sf(distance, size))
                if method != "approx"
                else min(1.0, 2 * float(stats.ksone.sf(distance, size)))
            )
        else:
            sign, distance = (1, up) if alternative == "greater" else (-1, down)
            pvalue = float(stats.ksone.sf(distance, size))
        return KstestResult(statistic=distance, pvalue=min(1.0, pvalue), statistic_sign=sign, revealed=revealed)

    return Pending(arrays, finish, found.rows, (arrays["count"],))


def _law(cdf: str, args: tuple[float, ...], at: Any) -> NDArray[np.float64]:
    from scipy import stats

    return np.asarray(getattr(stats, cdf).cdf(at, *args), dtype=np.float64)
