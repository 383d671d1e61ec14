"""What follows in plain from a log-likelihood: the figures that results of maximum likelihood have in common."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Protocol

from tercet.learn import printed
from tercet.learn.linear_results import ALIASED, CAPPED

CONVERGED = 1e-4
"""A last step of at most this leaves an error of about its square."""


class _Fitted(Protocol):
    """What a result has that these figures need."""

    _width: int
    _model: Any
    aliased: Any
    capped: Any
    cov_type: str
    df_resid: Any
    revealed: Any
    step: float

    @property
    def converged(self) -> bool: ...

    @property
    def prsquared(self) -> float: ...

    @property
    def llr_pvalue(self) -> float: ...

    @property
    def llf(self) -> float: ...

    @property
    def llnull(self) -> float: ...

    @property
    def llr(self) -> float: ...

    @property
    def df_model(self) -> Any: ...

    @property
    def nobs(self) -> Any: ...


class LikelihoodFigures:
    """Mixed into results that have `llf`, `llnull`, `df_model` and `nobs`; `_width` coefficients were fitted."""

    @property
    def prsquared(self: _Fitted) -> float:
        """McFadden's pseudo R2."""
        return 1 - self.llf / self.llnull

    @property
    def llr(self: _Fitted) -> float:
        """Twice the gain in log-likelihood over constants alone."""
        return 2 * (self.llf - self.llnull)

    @property
    def llr_pvalue(self: _Fitted) -> float:
        """The p-value of `llr`."""
        from scipy import stats

        return float(stats.chi2.sf(self.llr, self.df_model))

    @property
    def aic(self: _Fitted) -> float:
        """Akaike's criterion."""
        return -2 * self.llf + 2 * self._width

    @property
    def bic(self: _Fitted) -> float:
        """Schwarz's criterion, of the likelihood."""
        return -2 * self.llf + math.log(self.nobs) * self._width

    @property
    def converged(self: _Fitted) -> bool:
        """Whether the last step was at most 1e-4, which leaves an error of about 1e-8."""
        return self.step <= CONVERGED

    def _head(self: _Fitted) -> list[str]:
        """The head of a table as statsmodels prints it of maximum likelihood."""
        model = self._model
        left = [
            ("Dep. Variable:", model.endog_name),
            ("Model:", model.title),
            ("Method:", "MLE"),
            *printed.now(),
            ("converged:", f"{self.converged}"),
            ("Covariance Type:", self.cov_type),
        ]
        right = [
            ("No. Observations:", f"{self.nobs}"),
            ("Df Residuals:", f"{self.df_resid}"),
            ("Df Model:", f"{self.df_model}"),
            ("Pseudo R-squ.:", f"{self.prsquared:#.4g}"),
            ("Log-Likelihood:", f"{self.llf:#.5g}"),
            ("LL-Null:", f"{self.llnull:#.5g}"),
            ("LLR p-value:", f"{self.llr_pvalue:#.4g}"),
        ]
        return printed.head(model.heading, left, right)

    def _notes(self: _Fitted, names: tuple[str, ...], first: Sequence[str] = ()) -> list[str]:
        """What is said below it; `names`: of columns."""
        told = [
            *first,
            *printed.told(names, self.aliased, ALIASED),
            *printed.told(names, self.capped, CAPPED),
            f"Revealed: {self.revealed}.",
        ]
        if not self.converged:
            told.insert(0, f"Not converged: the last step was {self.step:.2g}; fit with more passes (maxiter).")
        return printed.notes(told)
