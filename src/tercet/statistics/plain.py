"""What follows in plain from revealed integers: means, variances, p-values and intervals."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from tercet.errors import InputError

ALTERNATIVES = ("two-sided", "less", "greater")


class ConfidenceInterval(NamedTuple):
    """Its two ends, as SciPy has them."""

    low: float
    high: float


@dataclass(frozen=True)
class PlainMoments:
    """One sample in plain: its count, mean and sum of squared distances from it, as exact fractions."""

    count: Fraction
    mean: Fraction
    squares: Fraction

    @classmethod
    def of(
        cls, count: Any, total: Any, spread: Any, unit: Fraction, per: Fraction = Fraction(1), dropped: int = 0
    ) -> PlainMoments | None:
        """From what `samples.Moments` holds; None of no rows. InputError where rounding shows (`check_rounding`)."""
        n, sum_, distances = exact(count) / per, exact(total) / (unit * per), exact(spread) / (unit * per) ** 2
        if n <= 0:
            return None
        if n > 1:
            check_rounding(distances / (n * n), unit, dropped)
        return cls(n, sum_ / n, max(Fraction(0), distances / n))

    def variance(self, ddof: float = 1) -> float:
        """NaN of no more rows than ddof."""
        below = self.count - Fraction(ddof)
        return float(self.squares / below) if below > 0 else math.nan


def check_rounding(variance: Fraction, unit: Fraction, dropped: int) -> None:
    """Refuse a variance of values that lost low bits, because their bounds are too wide for 128 bits, if what was
    rounded away is not small beside it: below 32 steps of deviation."""
    if dropped and variance * unit * unit < _FEWEST_STEPS**2:
        raise InputError(
            f"values were rounded to multiples of {float(1 / unit):.3g}, because squares of their bounds outgrow "
            "128 bits, and vary too little for that",
            hint="declare narrower bounds, or hold the column with numpy.clip(x, lo, hi)",
        )


_FEWEST_STEPS = 32


def exact(number: Any) -> Fraction:
    """A revealed integer, or a float of the NumPy oracle, as it is."""
    value = number.item() if isinstance(number, np.ndarray | np.generic) else number
    return Fraction(value)


def ratio(top: Any, below: Any) -> float:
    """top / below, rounded once; NaN over 0."""
    found = exact(below)
    return float(exact(top) / found) if found else math.nan


def check_alternative(alternative: str) -> str:
    if alternative not in ALTERNATIVES:
        raise InputError(f"alternative {alternative!r}", hint=f"it is one of {', '.join(ALTERNATIVES)}")
    return alternative


def check_level(level: float) -> float:
    """A confidence level between 0 and 1."""
    if not 0 < level < 1:
        raise InputError(f"a confidence level of {level}", hint="pass a number between 0 and 1, such as 0.95")
    return float(level)


def p_value(distribution: Any, statistic: float, alternative: str) -> float:
    """Of a symmetric distribution of SciPy, frozen."""
    if math.isnan(statistic):
        return math.nan
    if alternative == "less":
        return float(distribution.cdf(statistic))
    if alternative == "greater":
        return float(distribution.sf(statistic))
    return float(min(1.0, 2 * distribution.sf(abs(statistic))))


def interval(distribution: Any, estimate: float, error: float, level: float, alternative: str) -> ConfidenceInterval:
    """estimate -+ quantile * error, one-sided for one-sided alternatives."""
    level = check_level(level)
    if alternative == "less":
        return ConfidenceInterval(-math.inf, estimate + float(distribution.ppf(level)) * error)
    if alternative == "greater":
        return ConfidenceInterval(estimate - float(distribution.ppf(level)) * error, math.inf)
    wide = float(distribution.ppf(0.5 + level / 2)) * error
    return ConfidenceInterval(estimate - wide, estimate + wide)


def t_ratio(estimate: float, error: float) -> float:
    """estimate / error as SciPy has it: infinite over 0, NaN of 0 over 0."""
    if error > 0:
        return estimate / error
    return math.nan if not estimate or math.isnan(error) else math.copysign(math.inf, estimate)
