"""Covariances and correlations: of pairs with SciPy's names, of matrices with pandas', partial ones with pingouin's."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

import tercet.array as namespace
from tercet.array import nullable, numeric, runs
from tercet.array.core import SecretArray
from tercet.errors import InputError
from tercet.statistics import pooled as samples
from tercet.statistics.asked import Disclosed, Pending, Result, statistic
from tercet.statistics.plain import ConfidenceInterval, check_alternative, check_level, exact
from tercet.statistics.samples import Sample, column, fitting

_PAIRS = 1500
"""Kendall's tau compares so many rows with one another at most."""
_SCALED_BITS = 48
_ROOT_BITS = 44
_CELLS = 1 << 12
"""Or it is found from a table of so many cells at most, for any number of rows."""


@dataclass(frozen=True, kw_only=True)
class CorrelationResult(Result):
    """A correlation, which unpacks to statistic and p-value."""

    statistic: float
    pvalue: float
    n: int
    alternative: str = "two-sided"

    @property
    def correlation(self) -> float:
        """The statistic, under the name that it had in SciPy."""
        return self.statistic

    def __iter__(self) -> Iterator[float]:
        return iter((self.statistic, self.pvalue))

    def confidence_interval(self, confidence_level: float = 0.95) -> ConfidenceInterval:
        """By Fisher's transformation, as SciPy has it for `pearsonr`; of 3 rows and fewer, (-1, 1)."""
        from scipy import stats

        level, r = check_level(confidence_level), self.statistic
        if math.isnan(r):
            return ConfidenceInterval(math.nan, math.nan)
        if self.n <= 3:
            return ConfidenceInterval(-1.0, 1.0)
        middle = math.atanh(r) if abs(r) < 1 else math.copysign(math.inf, r)
        error = 1 / math.sqrt(self.n - 3)
        tail = level if self.alternative != "two-sided" else 0.5 + level / 2
        wide = float(stats.norm.ppf(tail)) * error
        low = -1.0 if self.alternative == "less" else math.tanh(middle - wide)
        high = 1.0 if self.alternative == "greater" else math.tanh(middle + wide)
        return ConfidenceInterval(low, high)


@dataclass(frozen=True, kw_only=True)
class MatrixResult(Result):
    """Correlations of several variables with one another, and their p-values; unpacks to these two."""

    statistic: Any
    pvalue: Any
    n: int
    names: tuple[Any, ...]

    @property
    def correlation(self) -> Any:
        """The matrix, (d, d)."""
        return self.statistic

    def __iter__(self) -> Iterator[Any]:
        return iter((self.statistic, self.pvalue))


@dataclass(frozen=True, kw_only=True)
class CovarianceResult(Result):
    """Covariances of several variables with one another."""

    covariance: Any
    correlation: Any
    n: int
    names: tuple[Any, ...]


# ---- variables ----


def variables(data: Any, where: Any = None) -> tuple[list[Sample], tuple[Any, ...]]:
    """The columns of a secret matrix (n, d), a list of columns, a mapping of them or a table, and their names.

    Rows that lack a value somewhere are left out of all (complete cases)."""
    if isinstance(data, Mapping) or hasattr(data, "columns"):
        names = tuple(data if isinstance(data, Mapping) else data.columns)
        parts = [data[name] for name in names]
    elif isinstance(data, SecretArray) or (isinstance(data, np.ndarray) and data.ndim == 2):
        if len(data.shape) != 2:
            raise InputError(f"data of shape {data.shape}", hint="pass (n, d), a list of columns, or a mapping")
        names, parts = tuple(range(data.shape[1])), [data[:, at] for at in range(data.shape[1])]
    else:
        parts = list(data)
        names = tuple(range(len(parts)))
    columns = [column(one, f"column {name}", where=where) for name, one in zip(names, parts, strict=True)]
    if not columns or any(one.rows != columns[0].rows for one in columns):
        raise InputError(f"columns of {[one.rows for one in columns]} rows", hint="variables are of the same rows")
    if len({one.secret for one in columns}) > 1:
        raise InputError("some columns are secret and some are not", hint="share the public ones")
    there = None
    for one in columns:
        here = samples.bools(one)
        there = here if there is None else there if here is None else there & here
    return ([replace(one, there=None).only(there) for one in columns] if there is not None else columns), names


def _matrix(columns: list[Sample]) -> Any:
    parts = [one.numbers for one in columns]
    return namespace.stack(parts, axis=1) if columns[0].secret else np.stack(parts, axis=1)


def _sums(x: Any) -> tuple[Any, Any]:
    """X'X and the sums of the columns, exact."""
    if isinstance(x, SecretArray):
        return namespace.matmul(namespace.matrix_transpose(x), x), namespace.sum(x, axis=0)
    return x.T @ x, x.sum(axis=0)


def joint(columns: list[Sample]) -> tuple[Any, Any]:
    """How many rows there are, and n X'X less the products of the sums: n^2 times the covariances."""
    x, count = _matrix(columns), columns[0].count
    products, sums = _sums(x)
    across = namespace.expand_dims(sums, axis=0) if isinstance(sums, SecretArray) else sums[None]
    down = namespace.expand_dims(sums, axis=1) if isinstance(sums, SecretArray) else sums[:, None]
    return count, products * count - down * across


def _found(*columns: Sample) -> tuple[Any, Any]:
    count, moments = joint(list(columns))
    return count, correlated(moments)


def _ranked(columns: list[Sample]) -> list[Sample]:
    """Twice the average ranks of the columns, side by side."""
    there = samples.bools(columns[0])
    if not columns[0].secret:
        return [Sample(samples.ranks(one), one.there, Fraction(1)) for one in columns]
    x = _matrix(columns)
    if there is not None:
        x = nullable.NullableArray.of_values(x, namespace.expand_dims(there, axis=1))
    r = nullable.split(runs.rankdata(x, axis=0))[0]
    twice, _ = numeric.numerator(r)
    found = [Sample(twice[:, at], None, Fraction(1)) for at in range(len(columns))]
    return found if there is None else [one.only(there) for one in found]


def correlated(moments: Any) -> Any:
    """Correlations from exact co-moments (d, d), within 2^-40, under sharing; 0 beside what does not vary.

    Variances are brought into [1/4, 1) by secret powers of two, then divided by their roots.
    """
    xp: Any = namespace if isinstance(moments, SecretArray) else np
    variances = xp.stack([moments[at, at] for at in range(moments.shape[0])])
    bits = numeric.top_bits(variances)
    factor, _ = numeric.half_normaliser(variances, bits)
    down, across = xp.expand_dims(factor, axis=1), xp.expand_dims(factor, axis=0)
    within = numeric.scaled(moments, down, across, bits, _SCALED_BITS)
    own = xp.stack([within[at, at] for at in range(moments.shape[0])])
    roots: Any
    if isinstance(own, SecretArray):
        roots = numeric.held(namespace.rsqrt(own), 0, 4, _ROOT_BITS)
    else:
        roots = np.where(own > 0, 1 / np.sqrt(np.where(own > 0, own, 1)), 0.0)
    once = numeric.at_precision(within * xp.expand_dims(roots, axis=1), _ROOT_BITS)
    return numeric.at_precision(once * xp.expand_dims(roots, axis=0), _ROOT_BITS)


def shown(found: Any) -> NDArray[np.float64]:
    """In plain: within [-1, 1], 1 of a variable with itself, NaN beside what does not vary."""
    r = np.clip(np.asarray(found, dtype=np.float64), -1.0, 1.0)
    varies = np.diag(r) > 0.5
    r[np.diag_indices_from(r)] = 1.0
    r[~varies], r[:, ~varies] = math.nan, math.nan
    return r


def _pearson_p(r: float, n: int, alternative: str) -> float:
    from scipy import stats

    if math.isnan(r) or n < 2:
        return math.nan
    if n == 2:
        return 1.0 if alternative == "two-sided" else float((r < 0) == (alternative == "less"))
    law = stats.beta(n / 2 - 1, n / 2 - 1, loc=-1, scale=2)
    if alternative == "two-sided":
        return float(min(1.0, 2 * law.sf(abs(r))))
    return float(law.cdf(r) if alternative == "less" else law.sf(r))


def _spearman_p(r: float, n: int, alternative: str) -> float:
    from scipy import stats

    if math.isnan(r) or n < 3:
        return math.nan
    with np.errstate(divide="ignore"):
        t = float(r * np.sqrt((n - 2) / np.float64((1 + r) * (1 - r)))) if abs(r) < 1 else math.copysign(math.inf, r)
    if alternative == "less":
        return float(stats.t.cdf(t, n - 2))
    return float(stats.t.sf(t, n - 2) if alternative == "greater" else min(1.0, 2 * stats.t.sf(abs(t), n - 2)))


# ---- pairs ----


def _pair(x: Any, y: Any, where: Any, alternative: str, by_ranks: bool) -> Pending[CorrelationResult]:
    check_alternative(alternative)
    columns, _ = variables([x, y], where)
    columns = _ranked(columns) if by_ranks else columns
    count, found = fitting(_found, *columns)

    def finish(plain: Mapping[str, Any], revealed: Disclosed) -> CorrelationResult:
        n = int(exact(plain["count"]))
        r = float(shown(plain["correlations"])[0, 1])
        p = (_spearman_p if by_ranks else _pearson_p)(r, n, alternative)
        return CorrelationResult(statistic=r, pvalue=p, n=n, alternative=alternative, revealed=revealed)

    return Pending({"count": count, "correlations": found}, finish, columns[0].rows, (count,))


@statistic
def pearsonr(x: Any, y: Any, *, alternative: str = "two-sided", where: Any = None) -> Pending[CorrelationResult]:
    """Pearson's correlation of two secret columns (n,), its p-value and interval, as SciPy has them.

    Rows that lack a value are left out. One product of matrices; reveals the correlation, which is found under sharing
    within 2^-40 (and the number of rows where it is secret); it rests on all rows. NaN where a column does not vary.
    `method` and `axis` are not offered. InputError for columns of different length.
    """
    return _pair(x, y, where, alternative, by_ranks=False)


@statistic
def pointbiserialr(x: Any, y: Any, *, where: Any = None) -> Pending[CorrelationResult]:
    """The correlation of a column of bools with one of numbers: `pearsonr` of both."""
    return _pair(x, y, where, "two-sided", by_ranks=False)


@statistic
def spearmanr(a: Any, b: Any = None, *, alternative: str = "two-sided", where: Any = None) -> Pending[Any]:
    """Spearman's correlation: of two secret columns (n,), or of the columns of `a` (n, d), a list or a mapping of them,
    with one another.

    Ranks of all columns side by side (`rankdata` says what they cost), one product of matrices; ties share their
    average rank; rows that lack a value are left out. Reveals the correlations, within 2^-40 (and the number of rows
    where it is secret), which rest on all rows. Of two columns the result is one number and its p-value, of more
    matrices.
    """
    if b is not None:
        return _pair(a, b, where, alternative, by_ranks=True)
    return _corr(a, "spearman", where, alternative)


# ---- matrices ----


def _corr(data: Any, method: str, where: Any, alternative: str) -> Pending[MatrixResult]:
    check_alternative(alternative)
    columns, names = variables(data, where)
    rows, by_ranks = columns[0].rows, method == "spearman"
    columns = _ranked(columns) if by_ranks else columns
    count, found = fitting(_found, *columns)

    def finish(plain: Mapping[str, Any], revealed: Disclosed) -> MatrixResult:
        n = int(exact(plain["count"]))
        r = shown(plain["correlations"])
        of = _spearman_p if by_ranks else _pearson_p
        p = np.array([[of(float(one), n, alternative) for one in row] for row in r])
        return MatrixResult(statistic=r, pvalue=p, n=n, names=names, revealed=revealed)

    return Pending({"count": count, "correlations": found}, finish, rows, (count,))


@statistic
def corr(
    data: Any, method: str = "pearson", *, alternative: str = "two-sided", where: Any = None
) -> Pending[MatrixResult]:
    """The correlations of several variables with one another, and their p-values, as matrices (d, d).

    `data`: a secret matrix (n, d), a list of columns, a mapping of them or a table; `method` "pearson" or "spearman"
    ("kendall" is `kendalltau` of each pair). Rows that lack a value somewhere are left out of all (pandas takes pairs).
    Costs and reveals as `pearsonr` and `spearmanr`.
    """
    if method not in ("pearson", "spearman"):
        hint = "use kendalltau for each pair" if method == "kendall" else "it is 'pearson' or 'spearman'"
        raise InputError(f"method {str(method)[:40]!r}", hint=hint)
    return _corr(data, method, where, alternative)


@statistic
def cov(data: Any, *, ddof: int = 1, where: Any = None) -> Pending[CovarianceResult]:
    """The covariance matrix (d, d) of several variables, with `ddof` as pandas has it; variables as in `corr`.

    Reveals variances and covariances. Exact up to the floats at the end.
    """
    columns, names = variables(data, where)

    def build(*some: Sample) -> Any:
        return *joint(list(some)), [one.unit for one in some]

    count, moments, units = fitting(build, *columns)

    def finish(plain: Mapping[str, Any], revealed: Disclosed) -> CovarianceResult:
        n, found = int(exact(plain["count"])), np.asarray(plain["comoments"])
        d = len(names)
        covariance = np.full((d, d), math.nan)
        if n > ddof:
            for a in range(d):
                for b in range(d):
                    covariance[a, b] = float(exact(found[a, b]) / (units[a] * units[b]) / (n * (n - ddof)))
        deviations = np.sqrt(np.diag(covariance))
        with np.errstate(divide="ignore", invalid="ignore"):
            r = np.clip(covariance / np.outer(deviations, deviations), -1.0, 1.0)
        return CovarianceResult(covariance=covariance, correlation=r, n=n, names=names, revealed=revealed)

    return Pending({"count": count, "comoments": moments}, finish, columns[0].rows, (count,))


@statistic
def partial_corr(
    x: Any, y: Any, covar: Any, *, method: str = "pearson", alternative: str = "two-sided", where: Any = None
) -> Pending[CorrelationResult]:
    """The correlation of two columns with what others explain taken out, with pingouin's name.

    `covar`: a column (n,), a matrix, a list or a mapping. Of `method` "spearman", of ranks. Reveals the correlations of
    all with one another, as `corr`; the rest is plain. NaN where the covariates are collinear.
    """
    check_alternative(alternative)
    if method not in ("pearson", "spearman"):
        raise InputError(f"method {str(method)[:40]!r}", hint="it is 'pearson' or 'spearman'")
    single = isinstance(covar, SecretArray | np.ndarray) and len(covar.shape) == 1
    if single:
        others = [covar]
    elif isinstance(covar, Mapping):
        others = list(covar.values())
    elif isinstance(covar, SecretArray | np.ndarray):
        others = [covar[:, at] for at in range(covar.shape[1])]
    else:
        others = list(covar)
    columns, _ = variables([x, y, *others], where)
    columns = _ranked(columns) if method == "spearman" else columns
    count, found = fitting(_found, *columns)

    def finish(plain: Mapping[str, Any], revealed: Disclosed) -> CorrelationResult:
        n, r = int(exact(plain["count"])), shown(plain["correlations"])
        found = math.nan
        if not np.isnan(r).any() and np.linalg.cond(r) < 1e9:
            inverse = np.linalg.inv(r)
            found = float(-inverse[0, 1] / math.sqrt(inverse[0, 0] * inverse[1, 1]))
        free = n - len(others)
        return CorrelationResult(
            statistic=found,
            pvalue=_spearman_p(found, free, alternative),
            n=free,
            alternative=alternative,
            revealed=revealed,
        )

    return Pending({"count": count, "correlations": found}, finish, columns[0].rows, (count,))


# ---- Kendall ----


@statistic
def kendalltau(
    x: Any, y: Any, *, variant: str = "b", method: str = "auto", alternative: str = "two-sided", where: Any = None
) -> Pending[CorrelationResult]:
    """Kendall's tau-b of two secret columns (n,), and its p-value, as SciPy has them.

    Where the bounds of both leave 4,096 pairs of values or fewer, from the table of how often each pair occurs, which
    rests on all rows, of any number. Else all pairs of at most 1,500 rows are compared, which counts as single rows to
    a policy. Rows that lack a value are left out. Reveals the numbers of pairs that go together and apart, sums that
    count ties, and the number of rows where it is secret. Exact up to the floats at the end. `method`: "asymptotic",
    "exact" or "auto", as in SciPy. InputError for variant "c", or for more rows: round a column so that fewer values
    are left, or take `spearmanr`.
    """
    check_alternative(alternative)
    if variant != "b":
        raise InputError(f"variant {str(variant)[:40]!r}", hint="only 'b' is offered")
    if method not in ("auto", "exact", "asymptotic"):
        raise InputError(f"method {str(method)[:40]!r}", hint="it is 'auto', 'exact' or 'asymptotic'")
    (a, b), _ = variables([x, y], where)
    spans = _spans(a, b)
    if spans is not None:
        arrays = _from_table(a, b, *spans)
    elif a.rows <= _PAIRS or not a.secret:
        arrays = _from_pairs(a, b)
    else:
        raise InputError(
            f"{a.rows:,} rows of more than {_CELLS:,} pairs of values",
            hint=f"round so that fewer values are left, take spearmanr, or at most {_PAIRS:,} rows",
        )

    def finish(plain: Mapping[str, Any], revealed: Disclosed) -> CorrelationResult:
        return _kendall({name: exact(value) for name, value in plain.items()}, method, alternative, revealed)

    return Pending(arrays, finish, a.rows, (arrays["count"],))


def _spans(a: Sample, b: Sample) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """The least value and how many there may be of both, if there are few pairs."""
    if not a.secret:
        return None
    found = []
    for one in (a, b):
        lo, hi = (int(end) for end in one.numbers.bounds)
        found.append((lo, hi - lo + 1))
    return (found[0], found[1]) if found[0][1] * found[1][1] <= _CELLS else None


def _from_table(a: Sample, b: Sample, of_a: tuple[int, int], of_b: tuple[int, int]) -> dict[str, Any]:
    """From counts of pairs of values."""
    (low_a, rows), (low_b, columns) = of_a, of_b
    codes = (a.numbers - low_a) * columns + (b.numbers - low_b)
    there = samples.bools(a)
    cells = namespace.segment_count(
        codes if there is None else nullable.NullableArray.of_values(codes, there), rows * columns
    )
    table = cells.reshape((rows, columns))
    # of each cell, what is in cells that are greater in the first and less, or greater, in the second
    beyond = namespace.matmul(np.triu(np.ones((rows, rows), np.int64), 1), table)
    apart = namespace.matmul(beyond, np.triu(np.ones((columns, columns), np.int64), 1))
    together = namespace.matmul(beyond, np.tril(np.ones((columns, columns), np.int64), -1))
    of_x, of_y = namespace.sum(table, axis=1), namespace.sum(table, axis=0)
    return {
        "count": a.count,
        "together": namespace.sum(table * together),
        "apart": namespace.sum(table * apart),
        "x_squares": namespace.sum(of_x * of_x),
        "x_cubes": namespace.sum(of_x * of_x * of_x),
        "y_squares": namespace.sum(of_y * of_y),
        "y_cubes": namespace.sum(of_y * of_y * of_y),
    }


def _from_pairs(a: Sample, b: Sample) -> dict[str, Any]:
    """From comparisons of all rows."""
    n, there = a.rows, samples.bools(a)
    secret = a.secret
    both = None if there is None else there[:, None] & there[None, :]
    marks = []
    for one in (a, b):
        less = one.numbers[:, None] < one.numbers[None, :]
        marks.append(less if both is None else less & both)
    less_x, less_y = marks
    greater_y = namespace.matrix_transpose(less_y) if secret else less_y.T
    add: Any = namespace.sum if secret else functools.partial(np.sum, dtype=float)
    count: Any = n if there is None else add(there)
    found = {"count": count, "together": add(less_x & less_y), "apart": add(less_x & greater_y)}
    for name, less in (("x", less_x), ("y", less_y)):
        equal = count - add(less, axis=0) - add(less, axis=1)
        equal = equal if there is None else samples.only_where(equal, there)
        found[f"{name}_squares"], found[f"{name}_cubes"] = add(equal), add(equal * equal)
    return found


def _kendall(plain: dict[str, Fraction], method: str, alternative: str, revealed: Disclosed) -> CorrelationResult:
    from scipy import stats

    n, together, apart = plain["count"], plain["together"], plain["apart"]
    every, difference = n * (n - 1) / 2, together - apart
    tied, cubic, fifth = {}, {}, {}
    for name in ("x", "y"):
        squares, cubes = plain[f"{name}_squares"], plain[f"{name}_cubes"]
        tied[name] = (squares - n) / 2
        cubic[name] = cubes - 3 * squares + 2 * n
        fifth[name] = 2 * cubes + 3 * squares - 5 * n
    if every in (tied["x"], tied["y"]):
        return CorrelationResult(
            statistic=math.nan, pvalue=math.nan, n=int(n), alternative=alternative, revealed=revealed
        )
    tau = float(difference) / math.sqrt((every - tied["x"]) * (every - tied["y"]))
    tau = max(-1.0, min(1.0, tau))
    without = not tied["x"] and not tied["y"]
    if method == "exact" and not without:
        raise InputError("there are ties: an exact p-value would be wrong", hint="use method='asymptotic'")
    if method == "exact" or (method == "auto" and without and (n <= 33 or min(apart, every - apart) <= 1)):
        order = _with_inversions(int(n), int(apart))
        pvalue = float(stats.kendalltau(np.arange(int(n)), order, method="exact", alternative=alternative).pvalue)
    else:
        m = n * (n - 1)
        variance = (m * (2 * n + 5) - fifth["x"] - fifth["y"]) / 18 + 2 * tied["x"] * tied["y"] / m
        if n > 2:
            variance += cubic["x"] * cubic["y"] / (9 * m * (n - 2))
        z = float(difference) / math.sqrt(variance)
        tail = {"less": stats.norm.cdf(z), "greater": stats.norm.sf(z)}
        pvalue = float(tail.get(alternative, 2 * stats.norm.sf(abs(z))))
    return CorrelationResult(statistic=tau, pvalue=pvalue, n=int(n), alternative=alternative, revealed=revealed)


def _with_inversions(n: int, inversions: int) -> Any:
    """A permutation with so many inversions."""
    left, order = list(range(n)), []
    for place in range(n):
        skip = min(inversions, n - 1 - place)
        order.append(left.pop(skip))
        inversions -= skip
    return np.array(order)
