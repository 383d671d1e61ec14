"""Columns brought to a common size: by means and deviations, by least and greatest values, by quantiles."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any, ClassVar, Final

import numpy as np

from tercet.array import elementwise, numeric
from tercet.array.core import SecretArray
from tercet.learn.inputs import array_namespace, features
from tercet.learn.kinds import TransformerModel
from tercet.learn.reasons import DRAWN_IN
from tercet.learn.scale_by import Scales, at_scales
from tercet.plan.table.reasons import CAUCHY_SCHWARZ

LEAST_REACH: Final = 128
"""Within so many scales every value is transformed as it is."""
FAR: Final = 1 << 20
"""The same where nothing is taken off before."""
_COPY: Final = "arrays are never changed in place here"


_FITTED = ("scale_", "power_", "root_", "multiple_", "exponents_", "reach_", "n_samples_seen_")


class _Scaler(TransformerModel):
    """Divides by `scale_`, held as a secret power of two times a root."""

    not_offered: ClassVar[Mapping[str, str]] = {"copy": _COPY}
    scale_: Any
    power_: Any
    root_: Any
    multiple_: int
    exponents_: list[int]
    reach_: int

    def _keep(self, scales: Scales, rows: int) -> None:
        self.scale_, self.power_, self.root_ = scales.scale, scales.power, scales.root
        self.multiple_, self.exponents_ = scales.multiple, scales.exponents
        self.n_samples_seen_, self.reach_ = rows, max(LEAST_REACH, math.isqrt(rows) + 1)

    def _divided(self, X: Any, centre: Any) -> Any:
        """(X - centre) / scale_ of any rows: what lies farther off than the reach is drawn in to it."""
        reach = FAR if centre is None else self.reach_
        if isinstance(X, SecretArray):
            X = self._drawn_in(X, centre, reach)
        # the ends are rounded to last bits, of which no more than 2 reach are a scale
        return self._scales().divide(X if centre is None else _minus(X, centre), 3 * reach + 8, DRAWN_IN)

    def _scales(self) -> Scales:
        return Scales(self.power_, self.root_, self.multiple_, self.exponents_, self.scale_)

    def _drawn_in(self, X: Any, centre: Any, reach: int) -> Any:
        number, divisor = numeric.numerator(X)
        width = self.scale_ * (reach * divisor.numerator)
        middle = 0 if centre is None else centre * divisor.numerator
        frac = number.undivided.type.frac_bits
        low, high = (numeric.at_precision(numeric.settled(end), frac) for end in (middle - width, middle + width))
        return numeric.over(elementwise.clip(number, low, high), divisor)


class StandardScaler(_Scaler):
    """Columns less their mean, over their standard deviation, as scikit-learn's.

    `fit(X)`, `transform(X)`: X (n, d), secret or plain; nothing is revealed. A column all of whose values are equal is
    only centred. Sums of products are exact; `transform` gives 24 fractional bits, off by 2^-23 and 2^-28 relative.
    Values up to `reach_` deviations from the mean (the root of the rows fitted, 128 at least; 2^20 from 0 without
    `with_mean`) are transformed as they are, so all that were fitted; others are drawn in to that, so that what
    follows has bounds.

    After fit: `mean_`, `var_`, `scale_` (d,) secret; `n_samples_seen_` and `reach_` public. `fit`: about 45 rounds,
    bytes grow with d alone. `transform`: two comparisons and two products an element; `fit_transform` has no
    comparisons.
    """

    fitted = ("mean_", "var_", *_FITTED)

    def __init__(self, *, with_mean: bool = True, with_std: bool = True) -> None:
        self.with_mean = with_mean
        self.with_std = with_std

    def fit(self, X: Any, y: Any = None) -> StandardScaler:
        """Means and deviations of the columns. Raises InputError for missing values, PlanError for too wide bounds."""
        X = _quotient(features(X, self, fitting=True))
        xp, n = array_namespace(X), X.shape[0]
        x, fracs, divisor = _apart(X)
        sums = xp.sum(x, axis=0)
        squares = xp.sum(x * x, axis=0) * n - sums * sums
        number, _ = numeric.numerator(X)
        self.mean_ = numeric.over(xp.sum(number, axis=0), divisor * n)
        self.var_ = numeric.over(at_scales(xp, squares, [2 * frac for frac in fracs]), (divisor * n) ** 2)
        self._keep(Scales.of_squares(squares, fracs, divisor * n), n)
        return self

    def fit_transform(self, X: Any, y: Any = None) -> Any:
        """`fit`, and the same rows transformed, of which none is so far off that it would be drawn in."""
        self.fit(X, y)
        if not (self.with_mean and self.with_std):
            return self.transform(X)
        centred = _minus(_quotient(features(X, self)), self.mean_)
        return self._scales().divide(centred, math.isqrt(self.n_samples_seen_) + 1, CAUCHY_SCHWARZ)

    def transform(self, X: Any) -> Any:
        """(X - mean_) / scale_. Raises InputError before `fit`."""
        self.check_fitted()
        X = _quotient(features(X, self))
        centre = self.mean_ if self.with_mean else None
        if self.with_std:
            return self._divided(X, centre)
        return X if centre is None else _minus(X, centre)

    def inverse_transform(self, X: Any) -> Any:
        """X * scale_ + mean_: the columns as they were."""
        self.check_fitted()
        X = features(X, self)
        X = X * self.scale_ if self.with_std else X
        return X + self.mean_ if self.with_mean else X


class MinMaxScaler(_Scaler):
    """Columns brought to `feature_range` by their least and greatest values, as scikit-learn's.

    A column all of whose values are equal goes to the lower end. New values may lie outside the range, and stay so up
    to 128 ranges away; farther ones are drawn in to that, or into the range if `clip`.

    After fit: `data_min_`, `data_max_`, `data_range_`, `scale_` (the range, 1 where it is 0, not its inverse as in
    scikit-learn) (d,) secret. `fit`: extremes of the columns (about 12 log2(n) rounds) and 40 rounds; `transform` as
    that of StandardScaler, right to 2^-23.
    """

    fitted = ("data_min_", "data_max_", "data_range_", *_FITTED)

    def __init__(self, feature_range: tuple[float, float] = (0, 1), *, clip: bool = False) -> None:
        self.feature_range = feature_range
        self.clip = clip

    def fit(self, X: Any, y: Any = None) -> MinMaxScaler:
        """Least and greatest values of the columns."""
        X = _quotient(features(X, self, fitting=True))
        if not self.feature_range[0] < self.feature_range[1]:
            raise ValueError(f"feature_range {self.feature_range} does not ascend: pass (low, high)")
        xp = array_namespace(X)
        self.data_min_, self.data_max_ = xp.min(X, axis=0), xp.max(X, axis=0)
        self.data_range_ = _minus(self.data_max_, self.data_min_)
        self._keep(_by(self.data_range_), X.shape[0])
        return self

    def transform(self, X: Any) -> Any:
        """Each column within the range. Raises InputError before `fit`."""
        self.check_fitted()
        X = _quotient(features(X, self))
        xp = array_namespace(X, self.data_min_)
        low, high = self.feature_range
        found = self._divided(X, self.data_min_)
        if self.clip:
            found = xp.clip(found, 0, 1)
        return found * (high - low) + low if (low, high) != (0, 1) else found

    def inverse_transform(self, X: Any) -> Any:
        """The columns as they were."""
        self.check_fitted()
        low, high = self.feature_range
        return (features(X, self) - low) * self.scale_ / (high - low) + self.data_min_


class RobustScaler(_Scaler):
    """Columns less their median, over the range between two quantiles, as scikit-learn's.

    `quantile_range`: percentages, 25 and 75 for the interquartile range. Where that is 0 a column is only centred.
    Medians and quantiles count as single rows to a policy. After fit: `center_`, `scale_` (d,) secret. `fit`: about 8
    rounds for every two or three bits of the columns' bounds, beside 40; `transform` as that of StandardScaler.
    """

    fitted = ("center_", *_FITTED)
    not_offered: ClassVar[Mapping[str, str]] = {
        "copy": _COPY,
        "unit_variance": "divide by the range of a normal variable yourself: scipy.stats.norm.ppf",
    }

    def __init__(
        self,
        *,
        with_centering: bool = True,
        with_scaling: bool = True,
        quantile_range: tuple[float, float] = (25.0, 75.0),
    ) -> None:
        self.with_centering = with_centering
        self.with_scaling = with_scaling
        self.quantile_range = quantile_range

    def fit(self, X: Any, y: Any = None) -> RobustScaler:
        """Medians and quantiles of the columns."""
        X = _quotient(features(X, self, fitting=True))
        low, high = self.quantile_range
        if not 0 <= low <= high <= 100:
            raise ValueError(f"Invalid quantile range {self.quantile_range}: pass 0 <= low <= high <= 100")
        found = np.quantile(X, [0.5, low / 100, high / 100], axis=0)
        self.center_ = found[0]
        self._keep(_by(_minus(found[2], found[1])), X.shape[0])
        return self

    def transform(self, X: Any) -> Any:
        """(X - center_) / scale_. Raises InputError before `fit`."""
        self.check_fitted()
        X = _quotient(features(X, self))
        centre = self.center_ if self.with_centering else None
        if self.with_scaling:
            return self._divided(X, centre)
        return X if centre is None else _minus(X, centre)

    def inverse_transform(self, X: Any) -> Any:
        """The columns as they were."""
        self.check_fitted()
        X = features(X, self)
        X = X * self.scale_ if self.with_scaling else X
        return X + self.center_ if self.with_centering else X


def _quotient(X: Any) -> Any:
    """Decimals as the exact quotient that they are; other arrays as they are."""
    return numeric.over(*numeric.numerator(X)) if isinstance(X, SecretArray) else X


def _minus(x: Any, y: Any) -> Any:
    """x - y, of quotients with public divisors, exactly."""
    (first, over), (second, under) = numeric.numerator(x), numeric.numerator(y)
    common = math.lcm(over.numerator, under.numerator)
    found = first * (common // over.numerator * over.denominator) - second * (
        common // under.numerator * under.denominator
    )
    return numeric.over(found, Fraction(common))


def _apart(X: Any) -> tuple[Any, list[int], Fraction]:
    """Integers of the columns, each at its own scale and less a public number, these scales, and the divisor of all."""
    if not isinstance(X, SecretArray):
        return X - X[0], [0] * X.shape[1], Fraction(1)  # equal values give exact zeros
    number, divisor = numeric.numerator(X)
    x, fracs = numeric.columns_apart(number, centred=True)
    return x, fracs, divisor


def _by(widths: Any) -> Scales:
    """Scales that are given themselves (d,), not negative."""
    number, divisor = numeric.numerator(widths)
    whole, frac = numeric.as_integers(number)
    return Scales.of_squares(whole * whole, [frac] * widths.shape[0], divisor)
