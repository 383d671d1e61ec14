"""Likelihoods of generalised linear models: what a row adds to score and information, and what its likelihood is.

Each is a family with its link. Bounds are public: those of y give the range of the linear predictor.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy import special as plain

from tercet.array import entropies, gamma, numeric, special
from tercet.array.core import SecretArray
from tercet.errors import InputError
from tercet.learn import sigmoid
from tercet.learn.inputs import array_namespace
from tercet.learn.units import SecretUnit

CHI_BITS = 24
ODDS_END = 12
"""Odds of a row are taken within e^-12 and e^12 in Pearson's chi-square."""
LOG_END = 12
"""exp is taken of at most that much more than the logarithm of the largest y, and of at least so much less than 0."""
MEAN_BITS = 30
LEAST_MEAN = 2.0**-12
"""So much more of both outcomes counts in the odds that passes start from."""
RATIO_BITS = 10
"""y over its mean counts as 2^10 at most."""
PROBIT_END = 8
ROOT_TWO_PI = math.log(2 * math.pi) / 2
Total = Callable[[Any], Any]
"""A sum over the rows, which may weigh them."""


def _of(name: str, x: Any) -> Any:
    """A function of SciPy's, of secret or plain values."""
    if name == "exp":
        return array_namespace(x).exp(x)
    if not isinstance(x, SecretArray):
        return getattr(plain, name)(x) if name != "softplus" else np.logaddexp(0, x)
    return getattr(gamma if name == "gammaln" else special, name)(x)


def of_factorials(y: Any) -> Any:
    """The logarithms of y!, of counts."""
    return _of("gammaln", y + 1.0)


def _xlogx(x: Any) -> Any:
    return entropies.xlogy(x, x) if isinstance(x, SecretArray) else plain.xlogy(x, x)


@dataclass(frozen=True, slots=True)
class Scored:
    """What rows add: scores within 2^score_bits, or little more, and information within 2^weight_bits."""

    score: Any
    weight: Any
    """None for 1."""
    observed: Any = None
    """The information that is observed, within 2^(weight_bits + observed_more); None where it is the expected one."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What rows have, (n,): y and trials as they were given, and y over its unit."""

    y: Any
    trials: Any
    scaled: Any


class Likelihood(ABC):
    """A family with a link. `title` and `link_title` are those that statsmodels prints."""

    title: ClassVar[str]
    link_title: ClassVar[str]
    dispersed: ClassVar[bool] = False
    """Whether a scale is estimated, as Pearson's chi-square over the degrees of freedom."""
    needs_constant: ClassVar[bool] = False
    quarter: ClassVar[bool] = False
    """Whether weights of rows are at most 1/4, and seldom far below (see `learn.approach`)."""

    estimate_power: ClassVar[int] = 0
    """Estimates are those for scaled y times so many of its units."""
    logarithmic: ClassVar[bool] = False
    """Whether the constant is the logarithm of the unit more than that for scaled y."""

    def __init__(self) -> None:
        self.score_bits = self.weight_bits = 0
        self.observed_more = 0
        """Information that is observed lies within so many times, as a power of two, what is expected at most."""
        self.scaled = False
        """Whether y (and trials) are brought to [-1, 1] by a secret unit before."""
        self.unit = SecretUnit()
        self.ends: tuple[float, float] | None = None
        """What the linear predictor is drawn in to."""

    @property
    def error_power(self) -> float:
        """Of how many units errors are that the information for scaled y gives."""
        return -0.5

    def set_up(self, y: Any, trials: Any) -> None:
        """Take what bounds of y and of trials say. Raises InputError if they do not fit the family."""
        if trials is not None and self.title != "Binomial":
            raise InputError(f"{self.title} takes one column y, not successes and failures")
        self._bounded(max(1, numeric.value_range(y)[1]), trials)

    @abstractmethod
    def _bounded(self, most: int, trials: Any) -> None:
        """Set bits and ends for y up to `most`."""

    @abstractmethod
    def start(self, xp: Any, mean: Any, whole: Any) -> Any:
        """The linear predictor of a mean of y, secret, of so many trials on average; about."""

    @abstractmethod
    def scored(self, xp: Any, eta: Any, y: Any, trials: Any, bits: int) -> Scored:
        """Scores and information of rows with these linear predictors, at `bits` fractional bits."""

    @abstractmethod
    def figures(self, xp: Any, total: Total, eta: Any, rows: Outcome, bits: int, whole: bool) -> dict[str, Any]:
        """Sums over the rows (by `total`) of which the likelihood follows; if `whole`, those of deviance and Pearson's
        chi-square, too. `eta`: for scaled y."""

    @abstractmethod
    def llf(self, sums: Mapping[str, float], rows: float, scale: float) -> float:
        """The log-likelihood, in plain."""

    @abstractmethod
    def deviance(self, sums: Mapping[str, float]) -> float:
        """The deviance, in plain."""

    @abstractmethod
    def llnull(self, sums: Mapping[str, float], rows: float, scale: float) -> float:
        """The log-likelihood with a constant alone, in plain."""


class Logistic(Likelihood):
    """Binomial with the logit: of bools or 0 and 1, or of successes among trials."""

    title, link_title = "Binomial", "Logit"
    quarter = True

    def _bounded(self, most: int, trials: Any) -> None:
        limit = 1 if trials is None else numeric.value_range(trials)[1]
        if most > limit:
            raise InputError(
                f"y reaches to {most}, and is 0 or 1", hint="share it as bools, or pass successes and failures (n, 2)"
            )
        self.scaled = trials is not None

    def start(self, xp: Any, mean: Any, whole: Any) -> Any:
        ones, others = (numeric.at_precision(one + LEAST_MEAN, MEAN_BITS) for one in (mean, whole - mean))
        return xp.log(ones) - xp.log(others)

    def scored(self, xp: Any, eta: Any, y: Any, trials: Any, bits: int) -> Scored:
        mean = numeric.at_precision(sigmoid.expit(eta) if bits <= sigmoid.FINE else _of("expit", eta), bits)
        weight = numeric.at_precision(mean * (1 - mean), bits)
        if trials is None:
            return Scored(y - mean, weight)
        return Scored(y - numeric.at_precision(mean * trials, bits), numeric.at_precision(weight * trials, bits))

    def figures(self, xp: Any, total: Total, eta: Any, rows: Outcome, bits: int, whole: bool) -> dict[str, Any]:
        y, trials = rows.y, rows.trials
        ending = numeric.at_precision(_of("softplus", eta), bits)
        if trials is None and not whole:
            return {"llf": total(y * eta) - total(ending), "sum of y": total(y)}
        away = numeric.held(eta, -ODDS_END, ODDS_END, bits)
        odds = numeric.at_precision(_of("exp", away), bits)
        if trials is None:
            against = xp.exp(numeric.at_precision(away * (1 - 2 * y), bits))
            return {"llf": total(y * eta) - total(ending), "chi2": total(against), "sum of y": total(y)}
        part = numeric.held(y / xp.maximum(trials, 1), 0, 1, bits)
        missed = part - numeric.at_precision(_of("expit", eta), bits)
        spread = numeric.at_precision(2 + odds + xp.exp(-away), bits)
        failures = trials - y
        each = _of("gammaln", trials + 1.0) - _of("gammaln", y + 1.0) - _of("gammaln", failures + 1.0)
        entropy = _xlogx(y) + _xlogx(failures) - _xlogx(trials)
        squares = numeric.at_precision(missed * missed, bits) * trials
        return {
            "llf": total(y * eta) - total(trials * ending),
            "chi2": total(numeric.at_precision(squares, CHI_BITS) * numeric.at_precision(spread, CHI_BITS)),
            "sum of y": total(y),
            "sum of trials": total(trials),
            "binomial terms": total(each),
            "entropy of y": total(entropy),
        }

    def llf(self, sums: Mapping[str, float], rows: float, scale: float) -> float:
        return sums["llf"] + sums.get("binomial terms", 0.0)

    def deviance(self, sums: Mapping[str, float]) -> float:
        return 2 * (sums.get("entropy of y", 0.0) - sums["llf"])

    def llnull(self, sums: Mapping[str, float], rows: float, scale: float) -> float:
        some, all_of = sums["sum of y"], sums.get("sum of trials", float(rows))
        return float(plain.xlogy(some, some / all_of) + plain.xlogy(all_of - some, 1 - some / all_of)) + sums.get(
            "binomial terms", 0.0
        )


class Normit(Likelihood):
    """Binomial with the probit, of bools or 0 and 1; information is that observed, as in statsmodels' `Probit`."""

    title, link_title = "Binomial", "Probit"

    def _bounded(self, most: int, trials: Any) -> None:
        if most > 1 or trials is not None:
            raise InputError(f"y reaches to {most}, and is 0 or 1", hint="share it as bools")
        self.ends, self.score_bits = (-PROBIT_END, PROBIT_END), 4
        self.weight_bits = 1

    def start(self, xp: Any, mean: Any, whole: Any) -> Any:
        return mean * 0

    def _signed(self, eta: Any, y: Any, bits: int) -> tuple[Any, Any]:
        sign = 2 * y - 1
        return sign, numeric.at_precision(eta * sign, bits)

    def scored(self, xp: Any, eta: Any, y: Any, trials: Any, bits: int) -> Scored:
        sign, towards = self._signed(eta, y, bits)
        square = numeric.at_precision(towards * towards, bits) / 2
        power = numeric.at_precision(-square - ROOT_TWO_PI - _of("log_ndtr", towards), bits)
        ratio = xp.exp(numeric.held(power, -2 * PROBIT_END**2, 3, bits))
        ratio = numeric.held(ratio, 0, PROBIT_END + 1, bits)
        weight = numeric.held(ratio * (ratio + towards), 0, 1, bits)
        return Scored(numeric.at_precision(sign * ratio, bits), weight)

    def figures(self, xp: Any, total: Total, eta: Any, rows: Outcome, bits: int, whole: bool) -> dict[str, Any]:
        _, towards = self._signed(eta, rows.y, bits)
        return {"llf": total(_of("log_ndtr", towards)), "sum of y": total(rows.y)}

    def llf(self, sums: Mapping[str, float], rows: float, scale: float) -> float:
        return sums["llf"]

    def deviance(self, sums: Mapping[str, float]) -> float:
        return -2 * sums["llf"]

    def llnull(self, sums: Mapping[str, float], rows: float, scale: float) -> float:
        some = sums["sum of y"]
        return float(plain.xlogy(some, some / rows) + plain.xlogy(rows - some, 1 - some / rows))


class CountsLog(Likelihood):
    """Poisson with the logarithm."""

    title, link_title = "Poisson", "Log"
    logarithmic = True

    def _bounded(self, most: int, trials: Any) -> None:
        # a mean above the largest count by far is drawn in
        self.scaled, self.ends = True, (-LOG_END - math.ceil(math.log(most)), 1)
        self.score_bits = self.weight_bits = 2

    def start(self, xp: Any, mean: Any, whole: Any) -> Any:
        return xp.log(mean)

    def scored(self, xp: Any, eta: Any, y: Any, trials: Any, bits: int) -> Scored:
        mean = numeric.at_precision(xp.exp(eta), bits)
        return Scored(y - mean, mean)

    def _off(self, xp: Any, eta: Any, mean: Any, rows: Outcome, bits: int) -> Any:
        """What y is off by, over the root of the mean."""
        most = 1 << RATIO_BITS
        return numeric.held((rows.scaled - mean) * xp.exp(-eta / 2), -most, most, bits)

    def figures(self, xp: Any, total: Total, eta: Any, rows: Outcome, bits: int, whole: bool) -> dict[str, Any]:
        y, mean, unit = rows.y, numeric.at_precision(xp.exp(eta), bits), self.unit
        means = unit.times(total(mean), 1)
        sums = {
            "llf": total(y * (eta + unit.logarithm)) - means,
            "sum of y": total(y),
            "factorials": total(of_factorials(y)),
        }
        if not whole:
            return sums
        off = self._off(xp, eta, mean, rows, bits)
        sums["chi2"] = unit.times(total(numeric.at_precision(off * off, bits)), 1)
        return sums | {"entropy of y": total(_xlogx(y * 1.0))}

    def llf(self, sums: Mapping[str, float], rows: float, scale: float) -> float:
        return sums["llf"] - sums["factorials"]

    def deviance(self, sums: Mapping[str, float]) -> float:
        return 2 * (sums["entropy of y"] - sums["sum of y"] - sums["llf"])

    def llnull(self, sums: Mapping[str, float], rows: float, scale: float) -> float:
        some = sums["sum of y"]
        return some * math.log(some / rows) - some - sums["factorials"] if some > 0 else -sums["factorials"]


class _Scaled(Likelihood):
    """Families of numbers of any size, with a dispersion."""

    dispersed = True

    def _bounded(self, most: int, trials: Any) -> None:
        self.scaled = True


class GammaLog(_Scaled):
    """Gamma with the logarithm: information is 1 for every row."""

    title, link_title = "Gamma", "Log"
    logarithmic = True

    @property
    def error_power(self) -> float:
        return self.estimate_power

    def _bounded(self, most: int, trials: Any) -> None:
        super()._bounded(most, trials)
        self.ends, self.score_bits, self.observed_more = (-LOG_END, 1), RATIO_BITS, RATIO_BITS

    def start(self, xp: Any, mean: Any, whole: Any) -> Any:
        return xp.log(mean)

    def _ratio(self, xp: Any, eta: Any, y: Any, bits: int) -> Any:
        return numeric.held(y * numeric.at_precision(xp.exp(-eta), bits), 0, 1 << RATIO_BITS, bits)

    def scored(self, xp: Any, eta: Any, y: Any, trials: Any, bits: int) -> Scored:
        ratio = self._ratio(xp, eta, y, bits)
        return Scored(ratio - 1, None, ratio)

    def figures(self, xp: Any, total: Total, eta: Any, rows: Outcome, bits: int, whole: bool) -> dict[str, Any]:
        return self._figures(xp, total, self._ratio(xp, eta, rows.scaled, bits), eta, rows)

    def _figures(self, xp: Any, total: Total, ratio: Any, logs: Any, rows: Outcome) -> dict[str, Any]:
        off = ratio - 1
        return {
            "chi2": total(off * off),
            "sum of ratios": total(ratio),
            "logarithms of means": total(logs + self.unit.logarithm),
            "logarithms of y": total(xp.log(rows.scaled) + self.unit.logarithm),
            "sum of y": total(rows.y),
        }

    def llf(self, sums: Mapping[str, float], rows: float, scale: float) -> float:
        return self._llf(sums["logarithms of means"], sums["sum of ratios"], sums["logarithms of y"], rows, scale)

    def _llf(self, of_means: float, ratios: float, of_y: float, rows: float, scale: float) -> float:
        shape = 1 / scale
        each = rows * math.log(shape) + of_y - of_means
        lost = rows * float(plain.gammaln(shape)) + of_y
        return shape * (each - ratios) - lost

    def deviance(self, sums: Mapping[str, float]) -> float:
        return 2 * (sums["sum of ratios"] - sums["logarithms of y"] + sums["logarithms of means"] - self._rows(sums))

    def _rows(self, sums: Mapping[str, float]) -> float:
        return sums["rows"]

    def llnull(self, sums: Mapping[str, float], rows: float, scale: float) -> float:
        mean = sums["sum of y"] / rows
        return self._llf(rows * math.log(mean), rows, sums["logarithms of y"], rows, scale)


class GammaInverse(GammaLog):
    """Gamma with the inverse: the mean is 1 over the linear predictor, which is drawn in to where that is right."""

    link_title = "InversePower"
    needs_constant, logarithmic = True, False
    estimate_power = -1

    def _bounded(self, most: int, trials: Any) -> None:
        super()._bounded(most, trials)
        self.ends, self.score_bits, self.weight_bits = (0.5, 1 << RATIO_BITS), 1, 2
        self.observed_more = 0

    def start(self, xp: Any, mean: Any, whole: Any) -> Any:
        return numeric.reciprocal(mean, 1, 24) if isinstance(mean, SecretArray) else 1 / mean

    def _mean(self, eta: Any, bits: int) -> Any:
        return numeric.at_precision(numeric.reciprocal(eta, 1 << bits - 1, bits), bits)

    def scored(self, xp: Any, eta: Any, y: Any, trials: Any, bits: int) -> Scored:
        mean = self._mean(eta, bits)
        return Scored(mean - y, numeric.at_precision(mean * mean, bits))

    def figures(self, xp: Any, total: Total, eta: Any, rows: Outcome, bits: int, whole: bool) -> dict[str, Any]:
        ratio = numeric.held(rows.scaled * eta, 0, 1 << RATIO_BITS, bits)
        return self._figures(xp, total, ratio, -xp.log(eta), rows)


class GaussianLog(_Scaled):
    """Gaussian with the logarithm, of numbers that are not negative."""

    title, link_title = "Gaussian", "Log"
    logarithmic = True

    @property
    def error_power(self) -> float:
        # beside a dispersion in units of y
        return self.estimate_power - 1

    def _bounded(self, most: int, trials: Any) -> None:
        super()._bounded(most, trials)
        self.ends, self.score_bits, self.weight_bits, self.observed_more = (-LOG_END, 1), 3, 3, 1

    def start(self, xp: Any, mean: Any, whole: Any) -> Any:
        return xp.log(mean)

    def scored(self, xp: Any, eta: Any, y: Any, trials: Any, bits: int) -> Scored:
        mean = numeric.at_precision(xp.exp(eta), bits)
        off, square = y - mean, numeric.at_precision(mean * mean, bits)
        bent = numeric.at_precision(off * mean, bits)
        return Scored(bent, square, square - bent)

    def figures(self, xp: Any, total: Total, eta: Any, rows: Outcome, bits: int, whole: bool) -> dict[str, Any]:
        return self._sums(total, rows.scaled - numeric.at_precision(xp.exp(eta), bits), rows)

    def _sums(self, total: Total, off: Any, rows: Outcome) -> dict[str, Any]:
        unit = self.unit
        squares = {"chi2": total(off * off), "sum of squares": total(rows.scaled * rows.scaled)}
        sums = {name: unit.times(found, 2) for name, found in squares.items()}
        return sums | {"sum of y": unit.times(total(rows.scaled), 1)}

    def _normal(self, squares: float, sums: Mapping[str, float], scale: float) -> float:
        logs = sums.get("logarithms of weights", 0.0)
        found = -sums["rows"] / 2 * math.log(2 * math.pi * scale) - squares / (2 * scale)
        return found + logs / 2

    def llf(self, sums: Mapping[str, float], rows: float, scale: float) -> float:
        return self._normal(sums["chi2"], sums, scale)

    def deviance(self, sums: Mapping[str, float]) -> float:
        return sums["chi2"]

    def llnull(self, sums: Mapping[str, float], rows: float, scale: float) -> float:
        return self._normal(sums["sum of squares"] - sums["sum of y"] ** 2 / rows, sums, scale)


class Gaussian(GaussianLog):
    """Gaussian with the identity: least squares, in one pass."""

    link_title, logarithmic = "Identity", False
    estimate_power = 1

    def _bounded(self, most: int, trials: Any) -> None:
        super()._bounded(most, trials)
        self.ends, self.score_bits, self.weight_bits = None, 2, 0

    def llf(self, sums: Mapping[str, float], rows: float, scale: float) -> float:
        return self._normal(sums["chi2"], sums, sums["chi2"] / sums["rows"])

    def start(self, xp: Any, mean: Any, whole: Any) -> Any:
        return mean

    def scored(self, xp: Any, eta: Any, y: Any, trials: Any, bits: int) -> Scored:
        return Scored(numeric.held(y - eta, -4, 4, bits), None)

    def figures(self, xp: Any, total: Total, eta: Any, rows: Outcome, bits: int, whole: bool) -> dict[str, Any]:
        return self._sums(total, numeric.held(rows.scaled - eta, -4, 4, bits), rows)


class Dispersed(CountsLog):
    """Negative binomial of the second kind with the logarithm: a variance of mean + alpha mean^2, alpha public."""

    title, link_title = "NegativeBinomial", "Log"

    def __init__(self, alpha: float) -> None:
        super().__init__()
        self.alpha, self.observed_more = alpha, 1

    def _parts(self, xp: Any, eta: Any, bits: int) -> tuple[Any, Any, Any]:
        mean = numeric.at_precision(xp.exp(eta), bits)
        whole = numeric.at_precision(1 + self.unit.times(mean, 1) * self.alpha, bits)
        return mean, whole, numeric.at_precision(numeric.reciprocal(whole, 1 << bits, bits), bits)

    def scored(self, xp: Any, eta: Any, y: Any, trials: Any, bits: int) -> Scored:
        mean, _, part = self._parts(xp, eta, bits)
        score, weight = numeric.at_precision((y - mean) * part, bits), numeric.at_precision(mean * part, bits)
        # mean (1 + alpha y) / (1 + alpha mean)^2
        return Scored(
            score, weight, weight + numeric.at_precision(weight * (self.unit.times(score, 1) * self.alpha), bits)
        )

    def figures(self, xp: Any, total: Total, eta: Any, rows: Outcome, bits: int, whole: bool) -> dict[str, Any]:
        mean, whole, part = self._parts(xp, eta, bits)
        y, unit = rows.y, self.unit
        off = self._off(xp, eta, mean, rows, bits)
        squares = numeric.at_precision(off * off, bits) * part
        logs, shape = xp.log(whole), 1 / self.alpha
        own = xp.log(1 + y * self.alpha * 1.0)
        return {
            "llf": total(y * (eta + unit.logarithm)) - total((y + shape) * logs),
            "chi2": unit.times(total(numeric.at_most(squares, bits)), 1),
            "sum of y": total(y),
            "factorials": total(of_factorials(y)),
            "gammas": total(_of("gammaln", y + shape)),
            "entropy of y": total(_xlogx(y * 1.0)) - total((y + shape) * own),
        }

    def llf(self, sums: Mapping[str, float], rows: float, scale: float) -> float:
        return sums["llf"] + self._fixed(sums, rows)

    def _fixed(self, sums: Mapping[str, float], rows: float) -> float:
        shape = 1 / self.alpha
        each = rows * float(plain.gammaln(shape))
        return sums["gammas"] - sums["factorials"] - each + sums["sum of y"] * math.log(self.alpha)

    def deviance(self, sums: Mapping[str, float]) -> float:
        return 2 * (sums["entropy of y"] - sums["llf"])

    def llnull(self, sums: Mapping[str, float], rows: float, scale: float) -> float:
        some, shape = sums["sum of y"], 1 / self.alpha
        mean = some / rows
        return some * math.log(mean) - (some + rows * shape) * math.log1p(self.alpha * mean) + self._fixed(sums, rows)
