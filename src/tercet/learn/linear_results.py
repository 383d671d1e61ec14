"""Results of linear regressions: secret until they are revealed, and then as statsmodels has them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from tercet.array import numeric
from tercet.array.core import SecretArray
from tercet.errors import InputError
from tercet.learn import printed
from tercet.learn.design import Design
from tercet.learn.least_squares import Fitted
from tercet.plan.record.explain import Explanation
from tercet.statistics.asked import Disclosed, Pending

T = TypeVar("T")

SECRET_FRAC_BITS = 40
ALIASED = "coefficient 0, since the columns before leave nothing of it"
CAPPED = "not to be trusted: the estimate or its error is beyond what is carried"
LABELS = {
    "coef": "coefficients",
    "spread": "standard errors",
    "constant_spread": "standard error of the constant",
    "aliased": "which columns are aliased",
    "capped": "which estimates are capped",
    "left": "part of the squares that is left",
    "scaled_total": "sum of squares, scaled",
    "total": "sum of squares",
    "root_total": "root of the sum of squares",
    "wald": "root of the Wald statistic",
    "log_weights": "sum of the logarithms of weights",
}
"""What becomes plain, in words."""
COVARIANCES = {
    "nonrobust": "Standard Errors assume that the covariance matrix of the errors is correctly specified.",
    "HC0": "Standard Errors are heteroscedasticity robust (HC0)",
    "HC1": "Standard Errors are heteroscedasticity robust (HC1)",
    "HC2": "Standard Errors are heteroscedasticity robust (HC2)",
    "HC3": "Standard Errors are heteroscedasticity robust (HC3)",
    "cluster": "Standard Errors are robust to cluster correlation (cluster)",
}


def clusters(cov_type: str, cov_kwds: Any) -> Any:
    """The groups of clustered errors; None of others. Raises InputError for what is not offered."""
    if cov_type not in COVARIANCES:
        raise InputError(f"cov_type={cov_type!r} is not offered", hint=f"one of {', '.join(COVARIANCES)}")
    kwds = dict(cov_kwds or {})
    groups = kwds.pop("groups", None)
    if kwds:
        raise InputError(f"cov_kwds {', '.join(kwds)} are not offered", hint='cov_kwds={"groups": codes}')
    if (cov_type == "cluster") != (groups is not None):
        raise InputError("cluster takes groups, and nothing else does", hint='cov_kwds={"groups": codes}')
    return groups


def of_clusters(groups: int, rows: int, width: int) -> float:
    """By what errors of so many clusters are multiplied, for few of them and for estimates; 1 without clusters."""
    return math.sqrt(groups / (groups - 1) * (rows - 1) / (rows - width)) if groups else 1.0


def passes_of(maxiter: Any) -> int:
    """A public number of passes. Raises InputError for none."""
    if isinstance(maxiter, bool) or not isinstance(maxiter, int) or not 2 <= maxiter <= 100:
        raise InputError(f"maxiter={maxiter!r}: there are 2 to 100 passes")
    return maxiter


Finish = Callable[[dict[str, NDArray[Any]], Disclosed], T]


def asked(shown: Mapping[str, Any], finish: Finish[T], rows: int, sizes: tuple[Any, ...]) -> Pending[T]:
    """What a model shows, called in `Disclosed` as `LABELS` says, and the results made of it."""

    def finished(plain: Mapping[str, Any], told: Disclosed) -> T:
        numbers = {LABELS.get(name, name): count for name, count in told.numbers.items()}
        return finish({name: np.asarray(value) for name, value in plain.items()}, Disclosed(numbers, told.rows))

    return Pending(shown, finished, rows, sizes)


class Coefficients:
    """Plain coefficients with their errors, tests and intervals. Subclasses say of which model they are."""

    def __init__(self, names: tuple[str, ...], params: Any, bse: Any, df: float | None, revealed: Disclosed) -> None:
        self.names = names
        self.params: NDArray[np.float64] = np.asarray(params, dtype=float)
        self.bse: NDArray[np.float64] = np.asarray(bse, dtype=float)
        self._df = df
        self.revealed = revealed
        """What became plain for these results, and on how many rows it rests."""

    @property
    def use_t(self) -> bool:
        """Whether tests use Student's t, not the normal distribution."""
        return self._df is not None

    @property
    def _distribution(self) -> Any:
        from scipy import stats

        return stats.norm if self._df is None else stats.t(self._df)

    @property
    def tvalues(self) -> NDArray[np.float64]:
        """Coefficients over their standard errors."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(self.params / self.bse)

    @property
    def pvalues(self) -> NDArray[np.float64]:
        """Two-sided p-values that coefficients are 0."""
        return np.asarray(2 * self._distribution.sf(np.abs(self.tvalues)))

    def conf_int(self, alpha: float = 0.05) -> NDArray[np.float64]:
        """Intervals of level 1 - alpha, (p, 2)."""
        reach = self._distribution.ppf(1 - alpha / 2) * self.bse
        return np.stack([self.params - reach, self.params + reach], axis=1)

    def to_statsmodels(self) -> Any:
        """The same in statsmodels' own class, which predicts and prints as it does. Residuals and covariances of
        estimates are not there: they were not revealed."""
        from tercet.learn.as_statsmodels import as_statsmodels

        return as_statsmodels(self)

    def _columns(self, alpha: float) -> list[Any]:
        interval = self.conf_int(alpha)
        return [self.params, self.bse, self.tvalues, self.pvalues, interval[:, 0], interval[:, 1]]


class LinearResults(Coefficients):
    """A linear regression's results in plain, under statsmodels' names."""

    def __init__(self, model: Any, values: dict[str, NDArray[Any]], revealed: Disclosed) -> None:
        design: Design = model.design
        self.nobs = design.rows
        self.cov_type: str = model.cov_type
        self.k_constant = int(model.centred or design.spanned)
        flags = values["aliased"]
        self.aliased = arranged(design, flags, False)
        self.capped = arranged(design, values["capped"][: flags.shape[0]], _last(values["capped"], flags.shape[0]))
        width = design.width - int(flags.sum())
        self.df_model = width - self.k_constant
        self.df_resid = self.nobs - width
        factor, df = model.factor(self.df_resid, width)
        params = arranged(design, values["coef"], values.get("constant"))
        bse = arranged(design, values["spread"], values.get("constant_spread")) * factor
        super().__init__(design.names, params, bse, df, revealed)
        self._model = model
        total = float(values["total"]) if "total" in values else float(values["root_total"]) ** 2
        share = float(values["left"]) / float(values["scaled_total"]) if values["scaled_total"] else 0.0
        self.rsquared = 1 - share
        self.ssr = total * share
        self.centered_tss = total if self.k_constant else math.nan
        self.uncentered_tss = math.nan if self.k_constant else total
        self._wald: float | None = (float(values["wald"]) / factor) ** 2 if "wald" in values else None
        self._log_weights = float(values["log_weights"]) if "log_weights" in values else 0.0
        self.endog_name = model.endog_name

    @property
    def rsquared_adj(self) -> float:
        """R2, adjusted for the number of columns."""
        return 1 - (self.nobs - self.k_constant) / self.df_resid * (1 - self.rsquared) if self.df_resid else math.nan

    @property
    def scale(self) -> float:
        """The variance of the errors."""
        return self.ssr / self.df_resid if self.df_resid else math.nan

    @property
    def fvalue(self) -> float:
        """F of all columns but the constant; of robust errors by Wald's statistic."""
        if not self.df_model:
            return math.nan
        if self._wald is not None:
            return float(self._wald / self.df_model)
        if self.cov_type != "nonrobust":
            return math.nan
        left = 1 - self.rsquared
        return float(self.rsquared / self.df_model / (left / self.df_resid)) if left and self.df_resid else math.inf

    @property
    def f_pvalue(self) -> float:
        """The p-value of F."""
        from scipy import stats

        return float(stats.f.sf(self.fvalue, self.df_model, self._model.denominator(self.df_resid)))

    @property
    def llf(self) -> float:
        """The log-likelihood, of normal errors."""
        half = self.nobs / 2
        if self.ssr <= 0:
            return math.inf
        return -half * (math.log(2 * math.pi) + math.log(self.ssr / self.nobs) + 1) + self._log_weights / 2

    @property
    def aic(self) -> float:
        """Akaike's criterion."""
        return -2 * self.llf + 2 * (self.df_model + self.k_constant)

    @property
    def bic(self) -> float:
        """Schwarz's criterion."""
        return -2 * self.llf + math.log(self.nobs) * (self.df_model + self.k_constant)

    def summary(self, alpha: float = 0.05) -> printed.Summary:
        """A table as statsmodels prints it, without what it says of residuals (Durbin-Watson and the like)."""
        letter = "" if self.k_constant else " (uncentered)"
        left = [
            ("Dep. Variable:", self.endog_name),
            ("Model:", self._model.title),
            ("Method:", "Least Squares"),
            *printed.now(),
            ("No. Observations:", f"{self.nobs}"),
            ("Df Residuals:", f"{self.df_resid}"),
            ("Df Model:", f"{self.df_model}"),
            ("Covariance Type:", self.cov_type),
        ]
        right = [
            (f"R-squared{letter}:", f"{self.rsquared:#.3f}"),
            (f"Adj. R-squared{letter}:", f"{self.rsquared_adj:#.3f}"),
            ("F-statistic:", f"{self.fvalue:#.4g}"),
            ("Prob (F-statistic):", f"{self.f_pvalue:#.3g}"),
            ("Log-Likelihood:", f"{self.llf:#.5g}"),
            ("AIC:", f"{self.aic:#.4g}"),
            ("BIC:", f"{self.bic:#.4g}"),
        ]
        told = [
            COVARIANCES[self.cov_type],
            *printed.told(self.names, self.aliased, ALIASED),
            *printed.told(self.names, self.capped, CAPPED),
            f"Revealed: {self.revealed}.",
        ]
        return printed.Summary(
            [
                *printed.head(f"{self._model.title} Regression Results", left, right),
                *printed.coefficients(
                    self.names, self._columns(alpha), "t" if self.use_t else "z", alpha, range(len(self.names))
                ),
                *printed.notes(told),
            ]
        )


def settled(x: Any) -> Any:
    """A secret quotient worked out, to 40 fractional bits at most."""
    number, divisor = numeric.numerator(x)
    return numeric.settled(numeric.over(numeric.at_most(number, SECRET_FRAC_BITS), divisor))


def arranged(design: Design, features: NDArray[Any], constant: Any) -> NDArray[Any]:
    return features if design.constant is None else np.insert(features, design.constant, constant)


def _last(values: NDArray[Any], at: int) -> Any:
    return values[at] if values.shape[0] > at else False


class SecretResults:
    """Results of a linear regression, nothing of which is plain yet. Attributes are secret arrays; `reveal()` and
    `summary()` open, in one plan, what the summary shows, and nothing else."""

    def __init__(self, model: Any, fitted: Fitted, more: dict[str, Any], sizes: tuple[Any, ...] = ()) -> None:
        self.model = model
        self.fitted = fitted
        self._more = more
        self._sizes = sizes
        self._opened: LinearResults | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.model.title} on {self.model.design!r}; secret: reveal() or summary())"

    @property
    def params(self) -> Any:
        """The coefficients (p,), secret, the constant's at its place."""
        return self._arranged(self.fitted.coef, self.fitted.constant)

    @property
    def bse(self) -> Any:
        """The standard errors (p,), secret, as if no column were aliased."""
        design = self.model.design
        factor, _ = self.model.factor(design.rows - design.width, design.width)
        return self._arranged(self.fitted.spread, self.fitted.constant_spread) * factor

    @property
    def rsquared(self) -> Any:
        """R2, secret, at 30 fractional bits."""
        return 1 - numeric.ratio(self.fitted.left, self.fitted.scaled_total, 1, 30)

    @property
    def ssr(self) -> Any:
        """The sum of squared residuals, secret, at 30 fractional bits relative to that of y."""
        share = numeric.ratio(self.fitted.left, self.fitted.scaled_total, 1, 30)
        if self.fitted.total is not None:
            return self.fitted.total * share
        root = self.fitted.root_total
        return root * (root * share)

    def _arranged(self, features: Any, constant: Any) -> Any:
        if constant is None:
            return features
        xp = features.__array_namespace__() if isinstance(features, SecretArray) else np
        features, constant = settled(features), settled(constant)
        return self.model.design.arranged(xp, features, constant)

    def _shown(self) -> dict[str, Any]:
        names = ("coef", "constant", "spread", "constant_spread", "aliased", "capped")
        values = {
            name: getattr(self.fitted, name) for name in (*names, "left", "scaled_total", "total", "root_total", "wald")
        }
        return {name: value for name, value in (values | self._more).items() if value is not None}

    def explain(self) -> Explanation:
        """What `reveal` and `summary` will cost, and what becomes plain."""
        return self.pending().explain()

    def pending(self) -> Pending[LinearResults]:
        """What `reveal` would open, before anything runs, for `tercet.stats.together`."""
        return asked(
            self._shown(),
            lambda values, told: LinearResults(self.model, values, told),
            self.model.design.rows,
            self._sizes,
        )

    def reveal(self) -> LinearResults:
        """The results in plain, by one plan; the second time what was revealed before. Raises SmallGroup where the
        session has a cohort, and an estimate rests on fewer rows."""
        if self._opened is None:
            self._opened = self.pending().reveal()
        return self._opened

    def summary(self, alpha: float = 0.05) -> printed.Summary:
        """The table of `reveal().summary()`."""
        return self.reveal().summary(alpha)
