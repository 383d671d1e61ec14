"""Tests on ranks, with SciPy's names: sums of ranks under sharing, which rest on all rows; the rest in plain."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from tercet.errors import InputError
from tercet.statistics import pooled as samples
from tercet.statistics.asked import Disclosed, Pending, SignificanceResult, statistic
from tercet.statistics.plain import check_alternative, exact, p_value
from tercet.statistics.samples import Sample, column, same_unit

_EXACT_PAIRS = 50
"""Up to so many differences Wilcoxon's test is exact, as in SciPy."""
_EXACT_SAMPLE = 8
_EXACT_PRODUCT = 20_000


@dataclass(frozen=True, kw_only=True)
class MannwhitneyuResult(SignificanceResult):
    """Mann and Whitney's test."""

    effect_size: float
    """The rank-biserial correlation: 2 U / (n1 n2) - 1, from -1 to 1."""
    n1: int
    n2: int


@dataclass(frozen=True, kw_only=True)
class MeanRanksResult(SignificanceResult):
    """A comparison of several samples by their ranks."""

    mean_ranks: tuple[float, ...]
    """Of each sample; NaN of one without rows."""


@dataclass(frozen=True, kw_only=True)
class WilcoxonResult(SignificanceResult):
    """Wilcoxon's signed-rank test."""

    zstatistic: float
    effect_size: float
    """The matched-pairs rank-biserial correlation: (R+ - R-) / (R+ + R-)."""
    n: int


def _integer(number: Any) -> Fraction:
    return exact(number)


@statistic
def mannwhitneyu(
    x: Any,
    y: Any = None,
    use_continuity: bool = True,
    alternative: str = "two-sided",
    method: str = "auto",
    *,
    by: Any = None,
    where: Any = None,
) -> Pending[MannwhitneyuResult]:
    """Whether values of the first of two samples tend to be greater than those of the second, or less.

    `x`, `y`: secret columns (n1,) and (n2,); or `x` (n,) and `by`, secret bools or codes that make two groups, of
    which the first (False) is the first sample. Missing values are left out. One rank of all values (`rankdata`
    describes what it costs). Reveals the sums of ranks of both groups, the sum of all squared ranks, which counts ties,
    and the numbers of values where they are secret; all rest on all rows. Exact up to the floats at the end. `method`:
    "asymptotic", "exact", or "auto", which is exact for samples of at most 8 without ties, as in SciPy. `axis` and
    permutations are not offered. InputError for fewer than two groups, or for "exact" with ties.
    """
    check_alternative(alternative)
    if method not in ("auto", "exact", "asymptotic"):
        raise InputError(f"method {str(method)[:40]!r}", hint="it is 'auto', 'exact' or 'asymptotic'")
    values, found = samples.two((x, y), by, where)
    r = samples.ranks(values)
    arrays = {"counts": found.count(values.there), "rank_sums": found.sum(r), "squares": samples.total(r * r)}

    def finish(plain: Mapping[str, Any], revealed: Disclosed) -> MannwhitneyuResult:
        n1, n2 = (_integer(count) for count in np.asarray(plain["counts"]))
        u = _integer(np.asarray(plain["rank_sums"])[0]) / 2 - n1 * (n1 + 1) / 2
        tied = samples.ties(n1 + n2, _integer(plain["squares"]))
        pvalue = _mannwhitney_p(u, int(n1), int(n2), tied, use_continuity, alternative, method)
        effect = float(2 * u / (n1 * n2) - 1) if n1 and n2 else math.nan
        return MannwhitneyuResult(
            statistic=float(u) if n1 and n2 else math.nan,
            pvalue=pvalue,
            effect_size=effect,
            n1=int(n1),
            n2=int(n2),
            revealed=revealed,
        )

    return Pending(arrays, finish, values.rows, (arrays["counts"],))


def _mannwhitney_p(
    u: Fraction, n1: int, n2: int, tied: Fraction, use_continuity: bool, alternative: str, method: str
) -> float:
    from scipy import stats

    if not n1 or not n2:
        return math.nan
    if method == "exact" and tied:
        raise InputError("there are ties: an exact p-value would be wrong", hint="use method='asymptotic'")
    small = min(n1, n2) <= _EXACT_SAMPLE and n1 * n2 <= _EXACT_PRODUCT
    if method == "exact" or (method == "auto" and not tied and small):
        shifts = _filled(int(u), n1, n2)
        first = np.arange(1, n1 + 1) + shifts
        second = np.setdiff1d(np.arange(1, n1 + n2 + 1), first)
        return float(stats.mannwhitneyu(first, second, alternative=alternative, method="exact").pvalue)
    n = n1 + n2
    half = u if alternative == "greater" else n1 * n2 - u if alternative == "less" else max(u, n1 * n2 - u)
    variance = Fraction(n1 * n2, 12) * ((n + 1) - (tied / (n * (n - 1)) if n > 1 else 0))
    distance = float(half - Fraction(n1 * n2, 2)) - (0.5 if use_continuity else 0.0)
    if variance <= 0:
        z = math.nan if not distance else math.copysign(math.inf, distance)
    else:
        z = distance / math.sqrt(variance)
    found = float(stats.norm.sf(z)) * (2 if alternative == "two-sided" else 1)
    return min(1.0, found) if not math.isnan(found) else found


def _filled(rest: int, places: int, most: int) -> Any:
    """Shifts of places, the last ones first, each by at most so much, which add up to `rest`."""
    whole, left = divmod(rest, most) if most else (0, 0)
    shifts = np.zeros(places, np.int64)
    shifts[places - whole :] = most
    if left:
        shifts[places - whole - 1] = left
    return shifts


@statistic
def kruskal(*args: Any, by: Any = None, where: Any = None) -> Pending[MeanRanksResult]:
    """Whether several samples come of one distribution (Kruskal and Wallis), by their mean ranks.

    Samples, or one column and `by`, as in `mannwhitneyu`, also what it costs and what is revealed.
    """
    values, found = samples.pooled(args, by, where)
    r = samples.ranks(values)
    arrays = {"counts": found.count(values.there), "rank_sums": found.sum(r), "squares": samples.total(r * r)}

    def finish(plain: Mapping[str, Any], revealed: Disclosed) -> MeanRanksResult:
        from scipy import stats

        counts = [_integer(count) for count in np.asarray(plain["counts"])]
        sums = [_integer(one) / 2 for one in np.asarray(plain["rank_sums"])]
        means = tuple(float(one / n) if n else math.nan for one, n in zip(sums, counts, strict=True))
        n, there = sum(counts), [at for at, count in enumerate(counts) if count]
        if (by is None and len(there) < len(counts)) or len(there) < 2:
            nan = math.nan
            return MeanRanksResult(statistic=nan, pvalue=nan, mean_ranks=means, revealed=revealed)
        # groups of codes that nobody has are no groups
        spread = sum((sums[at] ** 2 / counts[at] for at in there), Fraction(0))
        h = Fraction(12) / (n * (n + 1)) * spread - 3 * (n + 1)
        kept = 1 - samples.ties(Fraction(n), _integer(plain["squares"])) / (n**3 - n)
        h_value = float(h / kept) if kept else math.nan
        pvalue = float(stats.chi2.sf(h_value, len(there) - 1))
        return MeanRanksResult(statistic=h_value, pvalue=pvalue, mean_ranks=means, revealed=revealed)

    return Pending(arrays, finish, values.rows, (arrays["counts"],))


def _pairs(x: Any, y: Any, where: Any) -> Sample:
    """Differences of two columns, or a column of them."""
    if y is None:
        return column(x, "x", where=where)
    first, second = same_unit([column(x, "x", where=where), column(y, "y")])
    if first.rows != second.rows:
        raise InputError(f"x has {first.rows} rows and y {second.rows}", hint="pairs are rows of both")
    first, second = first.only(second.there), second.only(first.there)
    return Sample(first.numbers - second.numbers, first.there, first.unit)


@statistic
def wilcoxon(
    x: Any,
    y: Any = None,
    zero_method: str = "wilcox",
    correction: bool = False,
    alternative: str = "two-sided",
    method: str = "auto",
    *,
    where: Any = None,
) -> Pending[WilcoxonResult]:
    """Whether differences are symmetric about 0 (Wilcoxon's signed-rank test).

    `x` (n,): secret differences, or with `y` (n,) two measurements of the same rows. Missing ones are left out. One
    rank of the magnitudes. Reveals the sum of the ranks of positive differences, the sum of all squared ranks, and how
    many differences are not zero (and, unless `zero_method` is "wilcox", how many are); all rest on all rows. `method`:
    "approx" or "asymptotic", "exact", or "auto": exact for at most 50 differences without ties and zeros, as in SciPy,
    which takes permutations of 13 or fewer with ties, where the normal approximation is taken here. InputError for
    "exact" with ties or zeros.
    """
    check_alternative(alternative)
    if zero_method not in ("wilcox", "pratt", "zsplit"):
        raise InputError(f"zero_method {str(zero_method)[:40]!r}", hint="it is 'wilcox', 'pratt' or 'zsplit'")
    if method not in ("auto", "exact", "approx", "asymptotic"):
        raise InputError(f"method {str(method)[:40]!r}", hint="it is 'auto', 'exact' or 'approx'")
    d = _pairs(x, y, where)
    there, differ = samples.bools(d), d.numbers != 0  # 0 where there is none
    size = Sample(abs(d.numbers), there, d.unit)
    if zero_method == "wilcox":
        size = Sample(size.numbers, differ, d.unit)
    r = samples.only_where(samples.ranks(size), differ)
    arrays = {
        "count": samples.total(differ),
        "positive": samples.total(samples.only_where(r, d.numbers > 0)),
        "squares": samples.total(r * r),
    }
    sizes = (arrays["count"],)
    if zero_method != "wilcox":
        arrays["present"] = d.count

    def finish(plain: Mapping[str, Any], revealed: Disclosed) -> WilcoxonResult:
        n, positive, squares = (_integer(plain[name]) for name in ("count", "positive", "squares"))
        zeros = _integer(plain["present"]) - n if zero_method != "wilcox" else Fraction(0)
        return _wilcoxon(n, zeros, positive / 2, squares, zero_method, correction, alternative, method, revealed)

    return Pending(arrays, finish, d.rows, sizes)


def _wilcoxon(
    n: Fraction,
    zeros: Fraction,
    plus: Fraction,
    squares: Fraction,
    zero_method: str,
    correction: bool,
    alternative: str,
    method: str,
    revealed: Disclosed,
) -> WilcoxonResult:
    from scipy import stats

    every = n + zeros
    tied = samples.ties(every, squares, first=zeros)
    minus = every * (every + 1) / 2 - zeros * (zeros + 1) / 2 - plus
    mean, variance = every * (every + 1) / 4, every * (every + 1) * (2 * every + 1)
    if zero_method == "zsplit":
        plus, minus = (side + zeros * (zeros + 1) / 4 for side in (plus, minus))
        tied += zeros**3 - zeros
    elif zero_method == "pratt":
        mean -= zeros * (zeros + 1) / 4
        variance -= zeros * (zeros + 1) * (2 * zeros + 1)
    variance = (variance - tied / 2) / 24
    plain = not tied and not zeros
    if method == "exact" and not plain:
        raise InputError("there are ties or zeros: an exact p-value would be wrong", hint="use method='approx'")
    distance = float(plus - mean)
    z = distance / math.sqrt(variance) if variance > 0 else math.nan
    if method == "exact" or (method == "auto" and plain and 0 < n <= _EXACT_PAIRS):
        signs = _signed(int(plus), int(n))
        pvalue = float(stats.wilcoxon(signs, alternative=alternative, method="exact").pvalue)
    else:
        if correction and variance > 0:
            towards = {"greater": 1.0, "less": -1.0}.get(alternative, float(np.sign(z)))
            z -= towards * 0.5 / math.sqrt(variance)
        pvalue = p_value(stats.norm, z, alternative)
    return WilcoxonResult(
        statistic=float(min(plus, minus) if alternative == "two-sided" else plus),
        pvalue=pvalue,
        zstatistic=-abs(z) if alternative == "two-sided" else z,
        effect_size=float((plus - minus) / (plus + minus)) if plus + minus else math.nan,
        n=int(n),
        revealed=revealed,
    )


def _signed(rest: int, count: int) -> Any:
    """Ranks 1 to count with signs, of which the positive ones add up to `rest`."""
    signs = -np.arange(1, count + 1)
    for rank in range(count, 0, -1):
        if rank <= rest:
            signs[rank - 1], rest = rank, rest - rank
    return signs


@statistic
def friedmanchisquare(*args: Any, where: Any = None) -> Pending[MeanRanksResult]:
    """Whether k measurements of the same rows come of one distribution (Friedman), by ranks within rows.

    k >= 3 secret columns (n,); rows with a missing one are left out. Two comparisons for each row and pair of columns,
    nothing is sorted. Reveals the k sums of ranks, the sum of all squared ranks, and the number of rows where it is
    secret. Exact up to the floats at the end. InputError for fewer than three columns.
    """
    k = len(args)
    if k < 3:
        raise InputError(f"{k} columns, and at least 3 are compared", hint="use wilcoxon for two")
    columns = same_unit([column(one, f"column {at + 1}", where=where) for at, one in enumerate(args)])
    rows = columns[0].rows
    if any(one.rows != rows for one in columns):
        raise InputError(f"columns of {[one.rows for one in columns]} rows", hint="they are measured of the same rows")
    there = None
    for one in columns:
        here = samples.bools(one)
        there = here if there is None else there if here is None else there & here
    r = within_rows([one.numbers for one in columns], there)
    arrays = {
        "count": rows if there is None else samples.total(there),
        **{f"rank_sum_{at}": samples.total(one) for at, one in enumerate(r)},
        "squares": sum((samples.total(one * one) for one in r[1:]), samples.total(r[0] * r[0])),
    }

    def finish(plain: Mapping[str, Any], revealed: Disclosed) -> MeanRanksResult:
        from scipy import stats

        n = _integer(plain["count"])
        sums = [_integer(plain[f"rank_sum_{at}"]) / 2 for at in range(k)]
        means = tuple(float(one / n) if n else math.nan for one in sums)
        every = n * k * (k + 1) * (2 * k + 1) / 6
        tied = 12 * (every - _integer(plain["squares"]) / 4)
        kept = 1 - tied / (k * (k * k - 1) * n) if n else Fraction(0)
        if not kept:
            nan = math.nan
            return MeanRanksResult(statistic=nan, pvalue=nan, mean_ranks=means, revealed=revealed)
        spread = sum((one**2 for one in sums), Fraction(0))
        found = float((Fraction(12) / (k * n * (k + 1)) * spread - 3 * n * (k + 1)) / kept)
        pvalue = float(stats.chi2.sf(found, k - 1))
        return MeanRanksResult(statistic=found, pvalue=pvalue, mean_ranks=means, revealed=revealed)

    return Pending(arrays, finish, rows, (arrays["count"],))


def within_rows(columns: list[Any], there: Any) -> list[Any]:
    """Twice the average rank of each column's value within its row, 0 in rows that are not there: k + 1, and one more
    for each column that is less, and one less for each that is greater."""
    k = len(columns)
    found: list[Any] = [k + 1] * k
    for a in range(k):
        for b in range(a + 1, k):
            less, greater = (columns[a] < columns[b]) * 1, (columns[b] < columns[a]) * 1
            found[a], found[b] = found[a] + greater - less, found[b] + less - greater
    return found if there is None else [samples.only_where(one, there) for one in found]
