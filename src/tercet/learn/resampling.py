"""Bootstrap and permutation tests under sharing: the resamples are public, what comes of each stays secret."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

import tercet.array as namespace
from tercet.array import numeric
from tercet.array.core import SecretArray
from tercet.errors import InputError
from tercet.learn.public_random import PublicRandom
from tercet.statistics.asked import Disclosed, Pending, Result, SignificanceResult, statistic
from tercet.statistics.plain import ConfidenceInterval, check_alternative, check_level, exact
from tercet.statistics.samples import column, groups

MOST = 1 << 24
"""So many public places a plan carries at most."""


@dataclass(frozen=True, kw_only=True)
class BootstrapResult(Result):
    """The interval and standard error of a statistic, from public resamples of the rows."""

    confidence_interval: ConfidenceInterval
    standard_error: float


def _resamples(rows: int, count: int, random_state: int) -> Any:
    if count < 1 or rows * count > MOST:
        raise InputError(
            f"{count:,} resamples of {rows:,} rows",
            hint=f"at most {MOST:,} places in all are drawn: take fewer resamples, or the interval of a t-test",
        )
    return PublicRandom(random_state, "resamples").integers(0, rows, (count, rows))


@statistic
def bootstrap(
    a: Any,
    statistic: str = "mean",
    *,
    n_resamples: int = 999,
    confidence_level: float = 0.95,
    random_state: int,
) -> Pending[BootstrapResult]:
    """The percentile interval and the standard error of the mean or the standard deviation of a sample.

    Rows are drawn with replacement from a public seed, the same for everybody; the statistics of the resamples stay
    secret, and only two quantiles and the variance of them are revealed. `statistic`: "mean" or "std" (ddof 0). Local
    work of `n_resamples` times n products; quantiles bit by bit. To a policy it counts as single rows, as public
    numbers weigh each row otherwise: intervals of t-tests rest on all rows. Within 2^-24 of the statistic's range.
    InputError for missing values, or for more than 16.8 million places in all.
    """
    x = column(a)
    if x.there is not None:
        raise InputError("resamples take no missing values", hint="fill them first, as in a.fillna(value)")
    if statistic not in ("mean", "std"):
        raise InputError(f"statistic {statistic!r}", hint='it is "mean" or "std"')
    level = check_level(confidence_level)
    places = _resamples(x.rows, n_resamples, random_state)
    times = np.zeros((n_resamples, x.rows), np.int64)
    np.add.at(times, (np.arange(n_resamples)[:, None], places), 1)
    totals = _public_product(times, x.numbers)
    if statistic == "mean":
        found = numeric.over(totals, x.unit * x.rows)
    else:
        spread = _public_product(times, x.numbers * x.numbers) * x.rows - totals * totals
        found = namespace.sqrt(numeric.over(spread, x.unit**2 * x.rows**2))
    if isinstance(found, SecretArray):
        found = found.astype(namespace.fixed(24))
    ends = np.quantile(found, [0.5 - level / 2, 0.5 + level / 2])
    shown = {"ends": ends, "variance": np.var(found, ddof=1) if n_resamples > 1 else math.nan}

    def finish(plain: Mapping[str, Any], disclosed: Disclosed) -> BootstrapResult:
        low, high = (float(end) for end in plain["ends"])
        return BootstrapResult(
            confidence_interval=ConfidenceInterval(low, high),
            standard_error=math.sqrt(max(0.0, float(plain["variance"]))),
            revealed=disclosed,
        )

    return Pending(shown, finish, x.rows)


def _public_product(times: Any, numbers: Any) -> Any:
    return namespace.matmul(times, numbers) if isinstance(numbers, SecretArray) else times @ numbers


@dataclass(frozen=True, kw_only=True)
class PermutationTestResult(SignificanceResult):
    """The difference of means, and how often a permutation gave one as extreme; unpacks to statistic and p-value."""

    n_resamples: int


@statistic
def permutation_test(
    a: Any, by: Any, *, n_resamples: int = 999, alternative: str = "two-sided", random_state: int
) -> Pending[PermutationTestResult]:
    """Whether two groups of a column have the same mean: rows are permuted by a public seed.

    `by`: two groups (secret or public); the statistic is the mean of the first less that of the second. Sums of the
    permuted rows stay secret; the difference, the sizes where they are secret, and how many permutations are as extreme
    are revealed. The p-value counts the observed one too, as SciPy's does. Costs `n_resamples` comparisons and n
    n_resamples local products. To a policy it counts as single rows, as `bootstrap`; `mannwhitneyu` rests on all rows.
    InputError for missing values or more than 16.8 million places in all."""
    check_alternative(alternative)
    x = column(a)
    grouping = groups(by, x.rows)
    if len(grouping) != 2 or grouping.there is not None or x.there is not None:
        raise InputError("a permutation test takes two groups without missing values", hint="fill them first")
    if n_resamples < 1 or x.rows * n_resamples > MOST:
        raise InputError(f"{n_resamples:,} permutations of {x.rows:,} rows", hint=f"at most {MOST:,} places in all")
    source = PublicRandom(random_state, "permutations")
    orders = np.stack([np.arange(x.rows), *(source.permutation(x.rows) for _ in range(n_resamples))])
    codes = grouping.codes
    permuted = namespace.take(x.numbers, orders.reshape(-1), axis=0).reshape(orders.shape)
    marked = 1 - codes
    sums = namespace.matmul(permuted, marked) if isinstance(marked, SecretArray) or x.secret else permuted @ marked
    first = namespace.sum(marked) if isinstance(marked, SecretArray) else int(marked.sum())
    total = namespace.sum(x.numbers)
    # mean of the first less that of the second, times both counts: s n - first total, which grows with s alone
    away = sums * x.rows - total * first
    observed, rest = away[0], away[1:]
    if alternative == "two-sided":
        # as SciPy: twice the smaller of both one-sided parts
        above, below = namespace.sum(rest >= observed), namespace.sum(rest <= observed)
        shown = {"not below": above, "not above": below}
    else:
        shown = {"as extreme": namespace.sum(rest >= observed if alternative == "greater" else rest <= observed)}

    def finish(plain: Mapping[str, Any], disclosed: Disclosed) -> PermutationTestResult:
        n = int(plain["first"])
        r = x.rows - n
        found = float(exact(plain["difference"]) / (x.unit * n * r)) if n and r else math.nan
        parts = [(int(plain[name]) + 1) / (n_resamples + 1) for name in shown]
        pvalue = min(1.0, 2 * min(parts)) if len(parts) == 2 else parts[0]
        return PermutationTestResult(statistic=found, pvalue=pvalue, n_resamples=n_resamples, revealed=disclosed)

    sizes = (first, x.rows - first)
    return Pending({"first": first, "difference": observed, **shown}, finish, x.rows, sizes)
