"""Linear regressions under statsmodels' names: `OLS` and `WLS`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from tercet.array.core import SecretArray
from tercet.errors import InputError
from tercet.learn.design import Design, column, design_of
from tercet.learn.guard import linear_sizes
from tercet.learn.inputs import array_namespace, not_negative
from tercet.learn.least_squares import by_sums
from tercet.learn.linear_results import SecretResults, clusters
from tercet.learn.rows import by_rows


class OLS:
    """Ordinary least squares, as statsmodels has it: `OLS(y, add_constant(X)).fit()`. Nothing is revealed by that.

    `endog`: y (n,); `exog`: columns (n, d), a mapping of names to columns, or what `add_constant` gives; secret, or
    NumPy arrays. `hasconst` is for a constant that is among secret columns: R2 is then about the mean. See `fit`.
    Missing values are refused. Raises InputError for shapes that do not fit.
    """

    title = "OLS"

    def __init__(
        self, endog: Any, exog: Any, missing: str = "none", hasconst: bool | None = None, *, endog_name: str = "y"
    ) -> None:
        if missing != "none":
            raise InputError(f"missing={missing!r} is not offered", hint="fill missing values before: x.fillna(value)")
        self.design: Design = design_of(exog)
        self.endog = column(endog, endog_name)
        self.endog_name = endog_name
        self.weights: Any = None
        rows = self.design.rows
        if self.endog.shape[0] != rows:
            raise InputError(f"y has {self.endog.shape[0]} rows and the columns {rows}")
        if rows <= self.design.width:
            raise InputError(f"{self.design.width} coefficients of {rows} rows", hint="pass more rows than columns")
        self.centred = self.design.constant is not None
        if hasconst and not self.centred:
            raise InputError(
                "hasconst=True: a constant among secret columns makes R2 of no use here",
                hint="take it from the columns, and pass add_constant(columns)",
            )
        self.cov_type, self._groups = "nonrobust", 0
        self._use_t: bool | None = None

    @classmethod
    def from_formula(cls, formula: str, data: Any, **options: Any) -> Any:
        """The model of a formula, as `"pay ~ sex + age + C(sector)"`; see `tercet.stats.ols`."""
        from tercet.learn.formula import parsed

        y, name, design = parsed(formula, data)
        return cls(y, design, **options, endog_name=name)

    def fit(
        self, method: str = "pinv", cov_type: str = "nonrobust", cov_kwds: Any = None, use_t: bool | None = None
    ) -> SecretResults:
        """Fit under sharing; the results are secret until `reveal()` or `summary()`.

        `cov_type`: nonrobust, HC0 to HC3, or cluster with `cov_kwds={"groups": codes}`: secret integers from 0 on, or
        public labels, 1,000 groups at most. Nonrobust fits without weights stand on exact sums of products (rounds:
        about 40 a column; bytes do not grow with the rows); others multiply row by row (a few words for each value).
        Errors: coefficients about 1e-9 relative for well-conditioned columns; a column of which less than 2^-24 of its
        variance is left by those before it is `aliased`: coefficient 0. Where the session has a cohort, `reveal`
        refuses estimates that rest on fewer rows (SmallGroup). Other methods than least squares are refused.
        """
        if method not in ("pinv", "qr"):
            raise InputError(f"method={method!r} is not offered", hint="least squares is solved by LDL' alone")
        groups = clusters(cov_type, cov_kwds)
        self.cov_type, self._use_t = cov_type, use_t
        xp = array_namespace(self.endog, self.design.columns)
        if cov_type == "nonrobust" and self.weights is None:
            sizes = linear_sizes(xp, self.design, self.endog, None, None)
            return SecretResults(self, by_sums(xp, self.design, self.endog), {}, sizes)
        fitted, self._groups = by_rows(xp, self.design, self.endog, self.weights, cov_type, groups)
        sizes = linear_sizes(xp, self.design, self.endog, self.weights, groups)
        return SecretResults(self, fitted, self._more(xp), sizes)

    def _more(self, xp: Any) -> dict[str, Any]:
        return {}

    def factor(self, df_resid: int, width: int) -> tuple[float, float | None]:
        """What standard errors are multiplied by, and the degrees of freedom of t; None for the normal distribution."""
        n = self.design.rows
        robust = self.cov_type != "nonrobust"
        use_t = not robust if self._use_t is None else self._use_t
        df = float(self.denominator(df_resid)) if use_t else None
        if not robust:
            return (1 / math.sqrt(df_resid) if df_resid else math.nan), df
        if self.cov_type == "HC1":
            return math.sqrt(n / df_resid), df
        if self.cov_type == "cluster":
            return math.sqrt(self._groups / (self._groups - 1) * (n - 1) / df_resid), df
        return 1.0, df

    def denominator(self, df_resid: int) -> int:
        """The degrees of freedom of what F is divided by."""
        return self._groups - 1 if self.cov_type == "cluster" else df_resid


class WLS(OLS):
    """Weighted least squares, as statsmodels has it; `weights` (n,): not negative, secret or public. See `OLS`.

    Row by row: a few words for each value. The log-likelihood takes a logarithm of each weight.
    """

    title = "WLS"

    def __init__(
        self,
        endog: Any,
        exog: Any,
        weights: Any = 1.0,
        missing: str = "none",
        hasconst: bool | None = None,
        *,
        endog_name: str = "y",
    ) -> None:
        super().__init__(endog, exog, missing, hasconst, endog_name=endog_name)
        if not isinstance(weights, SecretArray) and not np.ndim(weights):
            return
        self.weights = not_negative(column(weights, "weights"), "weights")
        if self.weights.shape != self.endog.shape:
            raise InputError(f"{self.weights.shape[0]} weights of {self.endog.shape[0]} rows")

    def _more(self, xp: Any) -> dict[str, Any]:
        return {} if self.weights is None else {"log_weights": xp.sum(xp.log(self.weights))}


def ols(formula: str, data: Mapping[str, Any], **options: Any) -> OLS:
    """`OLS` of a formula and a mapping of names to columns, or a table.

    Operators +, :, *, -, **, /, `C(column)` (with `Treatment(reference)`), `I(...)` of arithmetic, `bs(x, knots=...,
    degree=3, lower_bound=..., upper_bound=...)`. Categories are public: those of the schema, or those that bounds of an
    integer column leave. Raises InputError for what secret columns cannot say.
    """
    model: OLS = OLS.from_formula(formula, data, **options)
    return model


def wls(formula: str, data: Mapping[str, Any], weights: Any = 1.0, **options: Any) -> WLS:
    """`WLS` of a formula; see `ols`. `weights` may be a column's name."""
    model: WLS = WLS.from_formula(
        formula, data, weights=data[weights] if isinstance(weights, str) else weights, **options
    )
    return model
