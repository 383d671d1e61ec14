"""Tables of counts of two columns, and what is tested and estimated from them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import tercet.array as namespace
from tercet.array import numeric
from tercet.array.core import SecretArray
from tercet.errors import InputError
from tercet.statistics.asked import Disclosed, Pending, Result, SignificanceResult, statistic
from tercet.statistics.cohorts import or_none
from tercet.statistics.plain import ConfidenceInterval, check_alternative, check_level, p_value
from tercet.statistics.samples import MAX_GROUPS, Grouping, condition, groups

if TYPE_CHECKING:
    import pandas as pd

RATIO_BITS = 48


@dataclass(frozen=True)
class Counts:
    """How many rows have each pair of values: (r, c), secret or public, with public labels."""

    cells: Any
    rows: tuple[Any, ...]
    columns: tuple[Any, ...]
    total: int
    """All rows that were counted, or left out."""

    @property
    def secret(self) -> bool:
        return isinstance(self.cells, SecretArray)

    @property
    def of_rows(self) -> Any:
        return namespace.sum(self.cells, axis=1)

    @property
    def of_columns(self) -> Any:
        return namespace.sum(self.cells, axis=0)

    @property
    def sizes(self) -> tuple[Any, ...]:
        """Rows and columns that have to reach a cohort; one without any row counts as large."""
        if not self.secret:
            return ()
        return tuple(or_none(one, self.total) for one in (self.of_rows, self.of_columns))


def crossed(first: Grouping, second: Grouping) -> Grouping:
    """The groups of pairs: codes of the first times the number of the second, plus codes of the second."""
    theirs = [one for one in (first.there, second.there) if one is not None]
    there = None if not theirs else theirs[0] if len(theirs) == 1 else theirs[0] & theirs[1]
    labels = tuple((one, other) for one in first.labels for other in second.labels)
    return Grouping(first.codes * len(second) + second.codes, labels, there)


def counts(a: Any, b: Any = None, where: Any = None) -> Counts:
    """The table of two columns of groups; or a table that is one already, secret or public."""
    if b is None:
        if np.ndim(a) != 2:
            raise InputError("a table of counts has two dimensions", hint="pass two columns a and b, or a matrix")
        cells = a if isinstance(a, SecretArray) else np.asarray(a)
        if isinstance(cells, SecretArray) and cells.bounds[0] < 0:
            raise InputError("counts may be negative by their bounds", hint="declare bounds from 0 on")
        most = int(cells.bounds[1]) * math.prod(cells.shape) if isinstance(cells, SecretArray) else int(cells.sum())
        return Counts(cells, tuple(range(cells.shape[0])), tuple(range(cells.shape[1])), most)
    first = groups(a, int(np.shape(a)[0]), "a")
    second = groups(b, int(np.shape(a)[0]), "b")
    pairs = crossed(first, second)
    if len(pairs) > MAX_GROUPS**2:
        raise InputError(f"{len(pairs)} cells", hint="join categories")
    rows = int(np.shape(a)[0])
    chosen = None if where is None else condition(where, rows)
    found = pairs.count(chosen).reshape((len(first), len(second)))
    return Counts(found, first.labels, second.labels, rows)


@statistic
def crosstab(a: Any, b: Any, *, where: Any = None) -> Pending[pd.DataFrame]:
    """How many rows have each pair of values of two columns of groups, as a frame. Exact.

    Where the session has a cohort, cells of fewer rows are NaN, and one more where what is hidden would follow."""
    table = counts(a, b, where)

    def finish(plain: Mapping[str, Any], _: Disclosed) -> pd.DataFrame:
        import pandas as pd

        cells = np.asarray(plain["cells"], dtype=np.float64)
        shown = np.broadcast_to(np.asarray(plain.get("shown", True)), cells.shape)
        values = np.where(shown, cells, np.nan).reshape(len(table.rows), len(table.columns))
        whole = values.astype(np.int64) if shown.all() else values
        return pd.DataFrame(whole, index=list(table.rows), columns=list(table.columns))

    return Pending({"cells": table.cells.reshape(-1)}, finish, table.total, (table.cells.reshape(-1),), apart=True)


@dataclass(frozen=True, kw_only=True)
class Chi2Result(Result):
    """A chi-square test, as SciPy has it: unpacks to statistic, p-value, degrees of freedom, expected counts."""

    statistic: float
    pvalue: float
    dof: int
    expected_freq: NDArray[np.float64]

    def __iter__(self) -> Iterator[Any]:
        return iter((self.statistic, self.pvalue, self.dof, self.expected_freq))


@statistic
def chi2_contingency(a: Any, b: Any = None, *, correction: bool = True, where: Any = None) -> Pending[Chi2Result]:
    """Whether two columns of groups are independent: Pearson's chi-square, for 2 x 2 with Yates' correction.

    `a`, `b`: columns of groups (secret categories, bools, codes, or public), or `a` a table of counts. Reveals the
    margins, from which the expected counts follow, and the sum of n_ij^2 / (n_i n_j) (2 x 2: one cell, which with the
    margins is the table). The statistic is within a relative 2^-20 for a million rows, exact for 2 x 2. Categories
    without a row are left out. InputError for a table of one row or column.
    """
    table = counts(a, b, where)
    if len(table.rows) < 2 or len(table.columns) < 2:
        raise InputError(f"a table of {len(table.rows)} x {len(table.columns)}", hint="two of each are needed")
    margins = {"rows": table.of_rows, "columns": table.of_columns}
    small = len(table.rows) == len(table.columns) == 2
    if small:
        inner: dict[str, Any] = {"first cell": table.cells[0, 0]}
    else:
        below = namespace.expand_dims(margins["rows"], axis=1) * namespace.expand_dims(margins["columns"], axis=0)
        parts = numeric.ratio(table.cells * table.cells, below, 1, RATIO_BITS)
        inner = {"parts": namespace.sum(parts)}

    def finish(plain: Mapping[str, Any], disclosed: Disclosed) -> Chi2Result:
        from scipy import stats

        of_rows, of_columns = (np.asarray(plain[name], dtype=np.float64) for name in ("rows", "columns"))
        of_rows, of_columns = of_rows[of_rows > 0], of_columns[of_columns > 0]
        n = float(of_rows.sum())
        expected = np.outer(of_rows, of_columns) / n if n else np.zeros((len(of_rows), len(of_columns)))
        dof = (len(of_rows) - 1) * (len(of_columns) - 1) if n else 0
        if dof <= 0:
            return Chi2Result(statistic=0.0, pvalue=1.0, dof=0, expected_freq=expected, revealed=disclosed)
        if small:
            away = abs(float(plain["first cell"]) - expected[0, 0])
            away -= min(0.5, away) if correction else 0.0
            found = float(np.sum(away**2 / expected))
        else:
            found = max(0.0, n * (float(plain["parts"]) - 1))
        pvalue = float(stats.chi2.sf(found, dof))
        return Chi2Result(statistic=found, pvalue=pvalue, dof=dof, expected_freq=expected, revealed=disclosed)

    return Pending({**margins, **inner}, finish, table.total, table.sizes)


@statistic
def chisquare(a: Any, f_exp: Any = None, *, ddof: int = 0, where: Any = None) -> Pending[SignificanceResult]:
    """Whether the groups of one column occur as often as expected: `f_exp` counts or parts of all, else equally often.

    Reveals the sum of n_i^2 / e_i, and the number of rows where that is secret. `f_exp` are public, one for each group;
    they are scaled to the number of rows. Within a relative 2^-30.
    """
    rows = int(np.shape(a)[0])
    found = groups(a, rows, "a")
    parts = np.full(len(found), 1.0) if f_exp is None else np.asarray(f_exp, dtype=np.float64)
    if parts.shape != (len(found),) or not (parts > 0).all():
        raise InputError(f"{parts.shape} expected counts for {len(found)} groups", hint="one positive number for each")
    parts = parts / parts.sum()
    chosen = None if where is None else condition(where, rows)
    cells = found.count(chosen)
    squares = cells * cells
    least = parts.min()
    weights = least / parts
    total = namespace.sum(squares * weights) if not isinstance(squares, SecretArray) else _weighed(squares, weights)

    def finish(plain: Mapping[str, Any], disclosed: Disclosed) -> SignificanceResult:
        from scipy import stats

        n = float(plain["count"])
        value = float(plain["squares"]) / least / n - n if n else math.nan
        dof = len(found) - 1 - ddof
        return SignificanceResult(
            statistic=max(0.0, value) if n else value, pvalue=float(stats.chi2.sf(value, dof)), revealed=disclosed
        )

    return Pending({"count": namespace.sum(cells), "squares": total}, finish, rows, (or_none(cells, rows),))


def _weighed(squares: SecretArray, weights: NDArray[np.float64]) -> Any:
    """The sum of integers times public weights in (0, 1], of 40 fractional bits."""
    stored = np.round(np.ldexp(weights, 40)).astype(np.int64)
    total = namespace.sum(squares * stored.astype(object))
    return numeric.times_power(total, -40, 40)


# ---- tables of 2 x 2 ----


def _of_two(table: Counts) -> Counts:
    if len(table.rows) != 2 or len(table.columns) != 2:
        raise InputError(
            f"a table of {len(table.rows)} x {len(table.columns)}, where 2 x 2 is taken",
            hint="pass columns of two groups",
        )
    return table


def _cells(plain: Mapping[str, Any]) -> NDArray[np.int64]:
    return np.asarray(plain["table"]).astype(np.int64).reshape(2, 2)


@statistic
def fisher_exact(
    a: Any, b: Any = None, *, alternative: str = "two-sided", where: Any = None
) -> Pending[SignificanceResult]:
    """Fisher's exact test of a table of 2 x 2, which is revealed; the statistic is the odds ratio, as SciPy has it."""
    check_alternative(alternative)
    table = _of_two(counts(a, b, where))

    def finish(plain: Mapping[str, Any], disclosed: Disclosed) -> SignificanceResult:
        from scipy import stats

        found = stats.fisher_exact(_cells(plain), alternative=alternative)
        return SignificanceResult(statistic=float(found[0]), pvalue=float(found[1]), revealed=disclosed)

    return Pending({"table": table.cells.reshape(-1)}, finish, table.total, table.sizes)


@statistic
def mcnemar(
    a: Any, b: Any = None, *, exact: bool = True, correction: bool = True, where: Any = None
) -> Pending[SignificanceResult]:
    """Whether two answers of the same rows are equally often yes; how many changed in either direction is revealed.

    As statsmodels has it: `exact` by the binomial distribution, else chi-square with a continuity `correction`.
    """
    table = _of_two(counts(a, b, where))
    off = namespace.stack([table.cells[0, 1], table.cells[1, 0]])

    def finish(plain: Mapping[str, Any], disclosed: Disclosed) -> SignificanceResult:
        from scipy import stats

        one, other = (int(count) for count in np.asarray(plain["changes"]).tolist())
        if exact:
            pvalue = float(min(1.0, 2 * stats.binom.cdf(min(one, other), one + other, 0.5))) if one != other else 1.0
            return SignificanceResult(statistic=float(min(one, other)), pvalue=pvalue, revealed=disclosed)
        away = abs(one - other) - (1 if correction else 0)
        found = away**2 / (one + other) if one + other else math.nan
        return SignificanceResult(statistic=float(found), pvalue=float(stats.chi2.sf(found, 1)), revealed=disclosed)

    return Pending({"changes": off}, finish, table.total, table.sizes)


@dataclass(frozen=True, kw_only=True)
class EffectResult(Result):
    """An estimate with its standard error on the scale where it is normal, and the table that it came from."""

    statistic: float
    standard_error: float
    table: NDArray[np.int64]
    logarithmic: bool = True

    def confidence_interval(self, confidence_level: float = 0.95) -> ConfidenceInterval:
        """By the normal distribution, of the logarithm where the estimate is a ratio."""
        from scipy import stats

        wide = float(stats.norm.ppf(0.5 + check_level(confidence_level) / 2)) * self.standard_error
        if not self.logarithmic:
            return ConfidenceInterval(self.statistic - wide, self.statistic + wide)
        return ConfidenceInterval(self.statistic * math.exp(-wide), self.statistic * math.exp(wide))


def _effect(table: Counts, estimate: Any) -> Pending[EffectResult]:
    def finish(plain: Mapping[str, Any], disclosed: Disclosed) -> EffectResult:
        cells = _cells(plain)
        with np.errstate(divide="ignore", invalid="ignore"):
            value, error, logarithmic = estimate(*cells.astype(np.float64).reshape(-1))
        return EffectResult(
            statistic=float(value),
            standard_error=float(error),
            table=cells,
            logarithmic=logarithmic,
            revealed=disclosed,
        )

    return Pending({"table": table.cells.reshape(-1)}, finish, table.total, table.sizes)


@statistic
def odds_ratio(a: Any, b: Any = None, *, where: Any = None) -> Pending[EffectResult]:
    """The odds ratio of a table of 2 x 2, which is revealed; interval by Woolf, as statsmodels' Table2x2 has it."""

    def estimate(n: Any, m: Any, k: Any, r: Any) -> tuple[Any, Any, bool]:
        return n * r / (m * k), np.sqrt(1 / n + 1 / m + 1 / k + 1 / r), True

    return _effect(_of_two(counts(a, b, where)), estimate)


@statistic
def relative_risk(a: Any, b: Any = None, *, where: Any = None) -> Pending[EffectResult]:
    """The ratio of the parts of both rows of `a` that are in the first column of `b`; as `odds_ratio`."""

    def estimate(n: Any, m: Any, k: Any, r: Any) -> tuple[Any, Any, bool]:
        return n / (n + m) / (k / (k + r)), np.sqrt(1 / n - 1 / (n + m) + 1 / k - 1 / (k + r)), True

    return _effect(_of_two(counts(a, b, where)), estimate)


@statistic
def risk_difference(a: Any, b: Any = None, *, where: Any = None) -> Pending[EffectResult]:
    """The difference of the parts of both rows of `a` that are in the first column of `b`; as `odds_ratio`."""

    def estimate(n: Any, m: Any, k: Any, r: Any) -> tuple[Any, Any, bool]:
        p, q = n / (n + m), k / (k + r)
        return p - q, np.sqrt(p * (1 - p) / (n + m) + q * (1 - q) / (k + r)), False

    return _effect(_of_two(counts(a, b, where)), estimate)


@dataclass(frozen=True, kw_only=True)
class StratifiedResult(Result):
    """Mantel-Haenszel: a common odds ratio over strata, and the test that it is 1."""

    oddsratio_pooled: float
    logodds_pooled_se: float
    statistic: float
    pvalue: float

    def confidence_interval(self, confidence_level: float = 0.95) -> ConfidenceInterval:
        """Of the odds ratio, by Robins, Breslow and Greenland."""
        from scipy import stats

        wide = float(stats.norm.ppf(0.5 + check_level(confidence_level) / 2)) * self.logodds_pooled_se
        return ConfidenceInterval(self.oddsratio_pooled * math.exp(-wide), self.oddsratio_pooled * math.exp(wide))


@statistic
def mantel_haenszel(
    a: Any, b: Any, strata: Any, *, correction: bool = False, where: Any = None
) -> Pending[StratifiedResult]:
    """The odds ratio of two columns of two groups each, common to all strata, and the test that it is 1.

    As statsmodels' StratifiedTable. Reveals six sums over strata, no stratum's table; within a relative 2^-25.
    """
    rows = int(np.shape(a)[0])
    first, second, third = groups(a, rows, "a"), groups(b, rows, "b"), groups(strata, rows, "strata")
    if len(first) != 2 or len(second) != 2:
        raise InputError(f"a has {len(first)} and b {len(second)} groups", hint="two of each are taken")
    found = crossed(third, crossed(first, second))
    chosen = None if where is None else condition(where, rows)
    cells = found.count(chosen).reshape((len(third), 4))
    n, m, k, r = (cells[:, at] for at in range(4))
    total = n + m + k + r
    most = rows

    def over(top: Any, below: Any, limit: int = most) -> Any:
        return numeric.ratio(top, below, limit, 40)

    big, small = over(n * r, total), over(m * k, total)
    p, q = over(n + r, total, 1), over(m + k, total, 1)
    one = over((n + m) * (k + r), total * total, 1)
    less = total * total - total
    other = over((n + k) * (m + r), less, 2)
    variance = namespace.sum(one * other * total)
    shown = {
        "R": namespace.sum(big),
        "S": namespace.sum(small),
        "PR": namespace.sum(p * big),
        "PS + QR": namespace.sum(p * small + q * big),
        "QS": namespace.sum(q * small),
        "variance": variance,
    }

    def finish(plain: Mapping[str, Any], disclosed: Disclosed) -> StratifiedResult:
        from scipy import stats

        value = {name: float(number) for name, number in plain.items()}
        above, below = value["R"], value["S"]
        pooled = above / below if below else math.inf if above else math.nan
        error = math.nan
        if above > 0 and below > 0:
            parts = value["PR"] / above**2, value["PS + QR"] / (above * below), value["QS"] / below**2
            error = math.sqrt(sum(parts) / 2)
        distance = abs(above - below) - (0.5 if correction else 0.0)
        test = distance**2 / value["variance"] if value["variance"] > 0 else math.nan
        return StratifiedResult(
            oddsratio_pooled=pooled,
            logodds_pooled_se=error,
            statistic=test,
            pvalue=float(stats.chi2.sf(test, 1)),
            revealed=disclosed,
        )

    margins = [namespace.sum(one) for one in (n + m, k + r, n + k, m + r)]
    return Pending(shown, finish, rows, (or_none(total, rows), *(or_none(one, rows) for one in margins)))


# ---- proportions ----


@dataclass(frozen=True, kw_only=True)
class ProportionResult(Result):
    """How many of how many rows; what follows from that is computed in plain."""

    count: int
    nobs: int

    @property
    def proportion(self) -> float:
        return self.count / self.nobs if self.nobs else math.nan

    def confidence_interval(self, confidence_level: float = 0.95, method: str = "wilson") -> ConfidenceInterval:
        """`method`: wilson, wilsoncc or exact, as SciPy has them."""
        from scipy import stats

        level = check_level(confidence_level)
        if not self.nobs:
            return ConfidenceInterval(math.nan, math.nan)
        found = stats.binomtest(self.count, self.nobs).proportion_ci(level, method)
        return ConfidenceInterval(float(found.low), float(found.high))

    def test(self, p: float = 0.5, alternative: str = "two-sided") -> float:
        """The p-value of the exact binomial test that the proportion is p."""
        from scipy import stats

        return float(stats.binomtest(self.count, self.nobs, p, check_alternative(alternative)).pvalue)


@statistic
def proportion(a: Any, *, where: Any = None) -> Pending[ProportionResult]:
    """Which part of a column of bools is true: reveals how many are, and of how many where that is secret.

    Where the session has a cohort, as many have to be true, or none, and as many false, or none."""
    rows = int(np.shape(a)[0])
    found = groups(a, rows, "a")
    if found.labels not in ((False, True), (0, 1)):
        raise InputError(f"a has the values {found.labels[:4]}", hint="pass bools, or compare first: a == 'yes'")
    chosen = None if where is None else condition(where, rows)
    cells = found.count(chosen)

    def finish(plain: Mapping[str, Any], disclosed: Disclosed) -> ProportionResult:
        return ProportionResult(count=int(plain["true ones"]), nobs=int(plain["rows"]), revealed=disclosed)

    nullable = found.there is not None or chosen is not None
    of = namespace.sum(cells) if nullable else rows
    sizes = (of, or_none(cells, rows)) if isinstance(cells, SecretArray) else (of,)
    return Pending({"true ones": cells[1], "rows": of}, finish, rows, sizes)


@statistic
def proportions_ztest(
    a: Any, b: Any = None, *, value: float = 0.0, alternative: str = "two-sided", where: Any = None
) -> Pending[SignificanceResult]:
    """Whether the part of rows that are true is the same in two groups (`a` bools, `b` groups), or is `value` (b None).

    As statsmodels has it: two groups with a pooled variance, one with its own. Reveals the counts. The difference is
    that of the first group and the second.
    """
    check_alternative(alternative)
    if b is None:
        one = proportion.pending(a, where=where)

        def finish_one(plain: Mapping[str, Any], disclosed: Disclosed) -> SignificanceResult:
            k, n = int(plain["true ones"]), int(plain["rows"])
            p = k / n if n else math.nan
            return _z_test(p - value, p * (1 - p) / n if n else math.nan, alternative, disclosed)

        return Pending(one.arrays, finish_one, one.rows, one.sizes)
    table = _of_two(counts(b, a, where))

    def finish(plain: Mapping[str, Any], disclosed: Disclosed) -> SignificanceResult:
        cells = _cells(plain).astype(np.float64)
        n = cells.sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            p = cells[:, 1] / n
            pooled = cells[:, 1].sum() / n.sum()
            variance = pooled * (1 - pooled) * (1 / n).sum()
        return _z_test(float(p[0] - p[1] - value), float(variance), alternative, disclosed)

    return Pending({"table": table.cells.reshape(-1)}, finish, table.total, table.sizes)


def _z_test(away: float, variance: float, alternative: str, disclosed: Disclosed) -> SignificanceResult:
    from scipy import stats

    found = away / math.sqrt(variance) if variance > 0 else math.nan
    return SignificanceResult(statistic=found, pvalue=p_value(stats.norm, found, alternative), revealed=disclosed)


@dataclass(frozen=True, kw_only=True)
class KappaResult(Result):
    """Cohen's kappa, with the standard error of Cohen (1960)."""

    kappa: float
    standard_error: float
    observed: float
    expected: float

    def confidence_interval(self, confidence_level: float = 0.95) -> ConfidenceInterval:
        from scipy import stats

        wide = float(stats.norm.ppf(0.5 + check_level(confidence_level) / 2)) * self.standard_error
        return ConfidenceInterval(self.kappa - wide, self.kappa + wide)


@statistic
def cohens_kappa(a: Any, b: Any, *, weights: str | None = None, where: Any = None) -> Pending[KappaResult]:
    """Agreement of two columns of the same groups, beyond chance; `weights` None, "linear" or "quadratic".

    Reveals the observed and the expected agreement, as integers, and the number of rows where that is secret. Exact."""
    table = counts(a, b, where)
    size = len(table.rows)
    if table.rows != table.columns:
        raise InputError("a and b have different groups", hint="kappa compares ratings on one scale")
    if weights not in (None, "linear", "quadratic"):
        raise InputError(f"weights {weights!r}", hint='pass None, "linear" or "quadratic"')
    apart = abs(np.subtract.outer(np.arange(size), np.arange(size)))
    loss = (apart > 0).astype(np.int64) if weights is None else apart if weights == "linear" else apart**2
    most = max(1, int(loss.max()))
    agree = most - loss
    margins = namespace.expand_dims(table.of_rows, axis=1) * namespace.expand_dims(table.of_columns, axis=0)
    shown = {"observed": namespace.sum(table.cells * agree), "expected": namespace.sum(margins * agree)}

    def finish(plain: Mapping[str, Any], disclosed: Disclosed) -> KappaResult:
        n = Fraction(int(plain["count"]))
        if not n:
            nan = math.nan
            return KappaResult(kappa=nan, standard_error=nan, observed=nan, expected=nan, revealed=disclosed)
        po, pe = Fraction(int(plain["observed"])) / (n * most), Fraction(int(plain["expected"])) / (n * n * most)
        kappa = float((po - pe) / (1 - pe)) if pe != 1 else math.nan
        error = math.sqrt(po * (1 - po) / n) / float(1 - pe) if pe != 1 else math.nan
        return KappaResult(
            kappa=kappa, standard_error=error, observed=float(po), expected=float(pe), revealed=disclosed
        )

    return Pending({"count": namespace.sum(table.cells), **shown}, finish, table.total, table.sizes)
