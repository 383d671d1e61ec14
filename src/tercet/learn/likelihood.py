"""What follows in plain from a log-likelihood: the figures that results of maximum likelihood have in common."""

from __future__ import annotations

import math
from typing import Any, Protocol


class _Fitted(Protocol):
    """What a result has that these figures need."""

    _width: int

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
