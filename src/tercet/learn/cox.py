"""Cox's proportional hazards under sharing: Newton's steps on sums over rows at public times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tercet.array import nn, numeric
from tercet.array.core import SecretArray
from tercet.array.loops import loop
from tercet.errors import InputError
from tercet.learn.guard import support
from tercet.learn.inputs import array_namespace
from tercet.learn.model import SecretModel
from tercet.learn.parameters import number_of
from tercet.learn.reasons import SQUARED
from tercet.learn.solve import WORKING_BITS, Normalised, diagonal, scaled, solve
from tercet.learn.ties import BITS as TIE_BITS
from tercet.learn.ties import SQUARE_BITS, Ties, tied
from tercet.statistics.asked import Disclosed, Pending
from tercet.statistics.samples import Sample, column
from tercet.statistics.survival import Lives, lives

if TYPE_CHECKING:
    import pandas as pd

_VALUE_BITS = 24
"""Fractional bits of scaled covariates."""
_FARTHEST = 64
"""Scaled covariates lie within so many times about their deviation of their mean."""
_RISK_BITS = 32
_LARGEST = 14
"""Log hazards lie within e^-14 and e^14 times that at the mean."""
_STEP_BITS = 40
_COEF_LIMIT = 32
_COEF_BITS = 60
_MOST_RATIO = 1 << 14
_SCORE_LIMIT = 1 << 12
_ROOT_BITS = _STEP_BITS // 2
_LEAST_INFORMATION = 2.0**-20
"""Of a death, about a covariate scaled to deviations in [1/2, 1)."""


@dataclass(frozen=True)
class _Data:
    """What each pass reads: scaled covariates, their products beside them, rows by times, and events."""

    z: Any
    terms: Any
    at: Any
    events: Any
    deaths: Any
    score: Any
    dead: Any
    """(times, n): as `at`, of rows with the event; None for Breslow's ties."""
    penalty: Any
    """(d,): what half the squares of coefficients are multiplied by; None for none."""


class CoxPHFitter(SecretModel):
    """Cox's model of proportional hazards, with lifelines' names, on secret or on NumPy columns.

    `fit(df, duration_col, event_col)`: df is a mapping of columns, or a table with names; all other columns are
    covariates. Nothing is revealed in `fit`. Durations count at public times (as in `KaplanMeierFitter`: integers with
    up to 500 values as they are, else `timeline`, or 200 steps). `ties`: "efron", as in lifelines, or "breslow".
    `penalizer`: n times it and half the squares of standardised coefficients are taken off the likelihood.
    Newton's method takes `n_iter` steps from 0, each at most 1 in a scaled coefficient; a rule that stops would tell
    when. Covariates are scaled by secret powers of two to deviations in [1/2, 1); one farther than 64 from its mean is
    drawn in, and so are log hazards beyond 14 from that at the mean. Coefficients agree with statsmodels' PHReg and
    lifelines to about 1e-6 relative. A constant or collinear covariate has coefficient 0 and standard error 0.

    After fit, secret: `params_` (d,), `standard_errors_` (d,), `inverse_` (d, d; what `variance_matrix_` is made of),
    `log_likelihoods_` (2,: without and with covariates), `means_` (d,), `events_`, `baseline_cumulative_hazard_`
    (times,) at the public `timeline_`, `support_` (d,): on how many rows each covariate rests beside the others (Kish's
    size; 0 where one row fits itself).
    `reveal_summary()` makes the estimates plain; where the session has a cohort, events and `support_` must reach it.
    Cost: for T times and d covariates a product of (T, n) and (n, d^2 / 2) a step, whatever the values; rounds grow
    with `n_iter` and d. InputError for missing values, negative durations, and rows of different number.
    """

    fitted = (
        "params_",
        "standard_errors_",
        "inverse_",
        "log_likelihoods_",
        "means_",
        "events_",
        "baseline_cumulative_hazard_",
        "timeline_",
        "names_",
        "rows_",
        "support_",
    )
    not_offered: ClassVar[Mapping[str, str]] = {
        "l1_ratio": "penalties are of squares alone",
        "strata": "fit a model for each stratum",
        "baseline_estimation_method": "Breslow's is the only one",
    }

    def __init__(self, *, alpha: float = 0.05, n_iter: int = 8, ties: str = "efron", penalizer: float = 0.0) -> None:
        self.alpha = alpha
        self.n_iter = n_iter
        self.ties = ties
        self.penalizer = penalizer

    def fit(self, df: Any, duration_col: str, event_col: str | None = None, *, timeline: Any = None) -> CoxPHFitter:
        """Fit the columns of df that are neither durations nor events."""
        if self.ties not in ("efron", "breslow"):
            raise InputError(f"ties={self.ties!r} is not offered", hint="efron or breslow")
        penalty = number_of(self.penalizer, "penalizer")
        names = [name for name in _names(df) if name not in (duration_col, event_col)]
        if not names:
            raise InputError("no covariates", hint="pass a mapping with more columns than durations and events")
        columns = [column(df[name], str(name)) for name in names]
        found = lives(df[duration_col], None if event_col is None else df[event_col], timeline, None)
        if any(one.there is not None for one in columns) or found.there is not None:
            raise InputError(
                "some values are missing, or may be", hint="fill them first, as in x.fillna(value), or SimpleImputer"
            )
        if any(one.rows != found.rows for one in columns):
            raise InputError(f"{found.rows} durations, covariates of {[one.rows for one in columns]} rows")
        return self._fit(columns, names, found, float(penalty))

    def _fit(self, columns: list[Sample], names: Sequence[Any], found: Lives, penalizer: float) -> CoxPHFitter:
        n, d = found.rows, len(columns)
        xp = array_namespace(*(one.numbers for one in columns))
        x = xp.stack([one.numbers for one in columns], axis=1)
        sums = xp.sum(x, axis=0)
        spreads = xp.sum(x * x, axis=0) * n - sums * sums
        moments = Normalised(spreads)
        half = moments.bits // 2
        z = numeric.times_power((x * n - sums) * moments.factor, -half, _VALUE_BITS)
        z = numeric.held(z, -_FARTHEST, _FARTHEST, _VALUE_BITS) + _FARTHEST
        pairs = np.triu_indices(d)
        products = numeric.at_precision(z[:, pairs[0]] * z[:, pairs[1]], _VALUE_BITS)
        ones = xp.ones((n, 1))
        terms = xp.concat([numeric.at_precision(z[:, :1] * 0 + ones, _VALUE_BITS), z, products], axis=1)
        table = found.table()[0]
        deaths, ended = table[1, :-1], table[0, :] + table[1, :]
        events = found.events if not isinstance(found.events, int) else np.ones(n, np.int64)
        at = _one_hot(found, len(found.times))
        dead = at * xp.expand_dims(events, axis=0) if self.ties == "efron" else None
        penalty = None
        if penalizer:
            inside, top = spreads, 1 << moments.bits
            for _ in range(2):
                inside = numeric.product_within(inside, moments.factor, 0, top, SQUARED)
            inside = numeric.times_power(inside, -moments.bits, _STEP_BITS)
            penalty = numeric.at_precision(numeric.at_precision(inside, _STEP_BITS) * (penalizer * n * n / (n - 1)), 36)
        data = _Data(z - _FARTHEST, terms, at, events, deaths, _dot(xp, events, z), dead, penalty)
        start = xp.zeros(d) + 0 * moments.factor
        if isinstance(x, SecretArray):
            start = numeric.at_precision(start * 1.0, _STEP_BITS)
            beta = loop(self.n_iter, lambda b: _stepped(xp, data, b), start, bounds=(-_COEF_LIMIT, _COEF_LIMIT))
        else:
            beta = start
            for _ in range(self.n_iter):
                beta = _stepped(xp, data, beta)
        state = _evaluate(xp, data, beta)
        # of covariates as they are: times n v / 2^half and their public unit
        scale = moments.factor * n
        parts = [
            _scaled_back(part * scale, half, [one.unit for one in columns], xp)
            for part in (beta, state.standard_errors(xp))
        ]
        self.params_, self.standard_errors_ = parts
        self.inverse_ = state.inverse
        risk = numeric.at_precision(_from_the_end(xp, ended)[:-1] * 1.0, _RISK_BITS)
        null = -xp.sum(deaths * _log(xp, risk))
        if dead is not None:
            part = numeric.ratio(deaths * 1.0, risk, 1, TIE_BITS)
            null = null - xp.sum(tied(xp, deaths, part, n).logarithms)
        self.log_likelihoods_ = xp.stack([null, state.log_likelihood])
        self.means_ = xp.stack([numeric.over(sums[at], n * one.unit) for at, one in enumerate(columns)])
        self.events_ = xp.sum(deaths)
        hazard = numeric.ratio(deaths * 1.0 + 0 * state.at_risk, state.at_risk, 1 << 20, _STEP_BITS)
        self.baseline_cumulative_hazard_ = (
            xp.cumulative_sum(hazard, axis=0) if isinstance(hazard, SecretArray) else np.cumsum(hazard)
        )
        self.timeline_ = np.asarray(found.times)
        self.names_ = [str(name) for name in names]
        self.rows_ = n
        self.support_ = support(xp, z - _FARTHEST)
        return self

    def predict_log_partial_hazard(self, X: Any) -> Any:
        """Log hazards of rows beside that at the mean of the rows fitted: (X - means) @ params, for X (n, d)."""
        self.check_fitted()
        return (X - self.means_) @ self.params_

    def predict_partial_hazard(self, X: Any) -> Any:
        """exp of `predict_log_partial_hazard`, which is drawn in to 14 on both sides."""
        found = self.predict_log_partial_hazard(X)
        xp = array_namespace(found)
        return xp.exp(numeric.held(found, -_LARGEST, _LARGEST, _VALUE_BITS))

    def reveal_summary(self) -> CoxSummary:
        """Make coefficients, standard errors, the correlations of estimates, both log-likelihoods and the number of
        events plain, in one plan, and give them as lifelines prints them. SmallGroup where a cohort is not reached."""
        self.check_fitted()
        values = {
            "coefficients": self.params_,
            "standard errors": self.standard_errors_,
            "correlations of estimates": self.inverse_,
            "log-likelihoods": self.log_likelihoods_,
            "events": self.events_,
        }

        def finish(plain: Mapping[str, Any], told: Disclosed) -> CoxSummary:
            found = {name: np.asarray(one, dtype=np.float64) for name, one in plain.items()}
            return CoxSummary(
                tuple(self.names_),
                found["coefficients"],
                found["standard errors"],
                found["correlations of estimates"],
                (float(found["log-likelihoods"][0]), float(found["log-likelihoods"][1])),
                round(float(found["events"])),
                int(self.rows_),
                float(self.alpha),
                told,
            )

        rows = int(self.rows_)
        return Pending(values, finish, rows, (self.events_, self.support_)).reveal()


@dataclass(frozen=True)
class CoxSummary:
    """What `CoxPHFitter.reveal_summary` makes plain."""

    names: tuple[str, ...]
    params: NDArray[np.float64]
    standard_errors: NDArray[np.float64]
    inverse: NDArray[np.float64]
    log_likelihoods: tuple[float, float]
    events: int
    rows: int
    alpha: float
    revealed: Disclosed
    """What became plain, and on how many rows it rests."""

    @property
    def log_likelihood_(self) -> float:
        """The partial log-likelihood."""
        return self.log_likelihoods[1]

    @property
    def AIC_partial_(self) -> float:
        """Akaike's criterion of the partial likelihood."""
        return -2 * self.log_likelihoods[1] + 2 * len(self.names)

    @property
    def hazard_ratios_(self) -> pd.Series:
        """exp of the coefficients."""
        import pandas as pd

        return pd.Series(np.exp(self.params), index=pd.Index(self.names, name="covariate"), name="exp(coef)")

    @property
    def variance_matrix_(self) -> pd.DataFrame:
        """The covariances of the estimates."""
        import pandas as pd

        roots = np.sqrt(np.where(np.diag(self.inverse) > 0, np.diag(self.inverse), 1.0))
        matrix = self.inverse / np.outer(roots, roots) * np.outer(self.standard_errors, self.standard_errors)
        return pd.DataFrame(matrix, index=self.names, columns=self.names)

    @property
    def summary(self) -> pd.DataFrame:
        """Coefficients, hazard ratios, standard errors, intervals, z and p, with lifelines' names."""
        import pandas as pd
        from scipy import stats

        with np.errstate(divide="ignore", invalid="ignore"):
            z = self.params / self.standard_errors
        wide = stats.norm.ppf(1 - self.alpha / 2) * self.standard_errors
        p = 2 * stats.norm.sf(np.abs(z))
        level = f"{100 * (1 - self.alpha):g}%"
        with np.errstate(divide="ignore", invalid="ignore"):
            bits = -np.log2(p)
        return pd.DataFrame(
            {
                "coef": self.params,
                "exp(coef)": np.exp(self.params),
                "se(coef)": self.standard_errors,
                f"coef lower {level}": self.params - wide,
                f"coef upper {level}": self.params + wide,
                f"exp(coef) lower {level}": np.exp(self.params - wide),
                f"exp(coef) upper {level}": np.exp(self.params + wide),
                "cmp to": 0.0,
                "z": z,
                "p": p,
                "-log2(p)": bits,
            },
            index=pd.Index(self.names, name="covariate"),
        )

    def log_likelihood_ratio_test(self) -> tuple[float, int, float]:
        """Whether all coefficients are 0: chi-square, its degrees of freedom, p-value."""
        from scipy import stats

        found = 2 * (self.log_likelihoods[1] - self.log_likelihoods[0])
        return found, len(self.names), float(stats.chi2.sf(found, len(self.names)))

    def __str__(self) -> str:
        test, free, p = self.log_likelihood_ratio_test()
        head = [
            f"<tercet.CoxPHFitter: {self.rows} observations, {self.events} with the event>",
            f"   partial log-likelihood = {self.log_likelihood_:.2f}",
            "---",
            self.summary.round(2).to_string(),
            "---",
            f"Partial AIC = {self.AIC_partial_:.2f}",
            f"log-likelihood ratio test = {test:.2f} on {free} df, p = {p:.3g}",
        ]
        return "\n".join(head)


def _names(df: Any) -> list[Any]:
    return list(df) if isinstance(df, Mapping) else list(df.columns)


def _one_hot(found: Lives, times: int) -> Any:
    """(times, n): 1 where a row's duration is at that time."""
    if isinstance(found.codes, SecretArray):
        return nn.one_hot(found.codes, times).T
    return (np.arange(times)[:, None] == found.codes[None, :]).astype(np.float64)


def _dot(xp: Any, events: Any, z: Any) -> Any:
    return xp.matmul(xp.expand_dims(events, axis=0), z)[0] if isinstance(z, SecretArray) else events @ z


def _from_the_end(xp: Any, x: Any) -> Any:
    """Sums of what stands at each place of the first axis and behind it."""
    if isinstance(x, SecretArray):
        return xp.flip(xp.cumulative_sum(xp.flip(x, axis=0), axis=0), axis=0)
    return np.cumsum(x[::-1], axis=0)[::-1]


def _log(xp: Any, x: Any) -> Any:
    return xp.log(xp.maximum(x, 2.0**-_VALUE_BITS))


@dataclass(frozen=True)
class _State:
    """At some coefficients: the score, the inverse of the scaled information, and what scaled it."""

    score: Any
    inverse: Any
    aliased: Any
    normal: Normalised
    log_likelihood: Any
    at_risk: Any

    def root(self, x: Any) -> Any:
        """x over the root of the information's diagonal."""
        return numeric.times_power(x * self.normal.factor, _ROOT_BITS - self.normal.bits // 2, _STEP_BITS)

    def standard_errors(self, xp: Any) -> Any:
        roots = numeric.at_precision(xp.sqrt(diagonal(xp, self.inverse)), _STEP_BITS)
        return numeric.held(self.root(roots), 0, _SCORE_LIMIT, WORKING_BITS)


def _evaluate(xp: Any, data: _Data, beta: Any) -> _State:
    d = data.z.shape[1]
    eta = numeric.held(data.z @ beta, -_LARGEST, _LARGEST, _RISK_BITS)
    weight = numeric.at_precision(xp.exp(eta), _RISK_BITS)
    weighed = numeric.at_precision(data.terms * xp.expand_dims(weight, axis=1), _RISK_BITS)
    sums = _from_the_end(xp, xp.matmul(data.at, weighed))
    at_risk = sums[:, 0]
    parts = numeric.ratio(sums[:, 1:], xp.expand_dims(at_risk, axis=1) + 0 * sums[:, 1:], _MOST_RATIO, _STEP_BITS)
    first, second = parts[:, :d], parts[:, d:]
    deaths = xp.expand_dims(data.deaths, axis=1)
    rows, columns = np.triu_indices(d)
    logs: Any = 0.0
    if data.dead is None:
        score = data.score - xp.sum(deaths * first, axis=0)
        products = numeric.at_precision(first[:, rows] * first[:, columns], _STEP_BITS)
        upper = xp.sum(deaths * (second - products), axis=0)
    else:
        gone = xp.matmul(data.dead, weighed)
        dead, whole = gone[:, 0], xp.expand_dims(gone[:, 0], axis=1) + 0 * gone[:, 1:]
        mean = numeric.ratio(gone[:, 1:], whole, _MOST_RATIO, _STEP_BITS)
        ties = tied(xp, data.deaths, numeric.ratio(dead, at_risk, 1, TIE_BITS), data.z.shape[0])
        logs = ties.logarithms
        score, upper = _efron(xp, data, ties, (first, second), (mean[:, :d], mean[:, d:]))
    places = np.zeros((d, d), np.int64)
    places[rows, columns] = places[columns, rows] = np.arange(len(rows))
    information = numeric.at_precision(upper[places.reshape(-1)].reshape((d, d)), _STEP_BITS)
    # what roundings leave of a covariate that does not vary is no information
    varies = (diagonal(xp, information) > xp.sum(data.deaths) * _LEAST_INFORMATION) * 1
    information = information * xp.expand_dims(varies, axis=1) * xp.expand_dims(varies, axis=0)
    if data.penalty is not None:
        score = score - numeric.at_precision(data.penalty * beta, _STEP_BITS)
        information = information + xp.eye(d) * xp.expand_dims(numeric.at_precision(data.penalty, _STEP_BITS), axis=0)
    stored, _ = numeric.as_integers(information)
    stored = stored if isinstance(stored, SecretArray) else np.ldexp(information, _STEP_BITS)
    normal = Normalised(xp.maximum(diagonal(xp, stored), 0))
    across, down = xp.expand_dims(normal.factor, axis=0), xp.expand_dims(normal.factor, axis=1)
    matrix = scaled(stored, down, across, normal.bits)
    solved = solve(xp, xp.concat([matrix, matrix[:, :1] * 0], axis=1), d, inverse=True)
    likelihood = xp.sum(eta * data.events) - xp.sum(data.deaths * _log(xp, at_risk) + logs)
    if data.penalty is not None:
        likelihood = likelihood - xp.sum(numeric.at_precision(data.penalty * beta, _VALUE_BITS) * beta) * 0.5
    return _State(score, solved.inverse, solved.aliased, normal, likelihood, at_risk)


def _efron(xp: Any, data: _Data, ties: Ties, risk: tuple[Any, Any], dead: tuple[Any, Any]) -> tuple[Any, Any]:
    """Score and information, of means and means of products of those at risk and of the dead: about 64, from which
    products are taken, since what they differ by is small."""
    d = data.z.shape[1]
    rows, columns = np.triu_indices(d)
    count, first = xp.expand_dims(data.deaths, axis=1), xp.expand_dims(numeric.at_precision(ties.first, 36), axis=1)
    second = xp.expand_dims(ties.second, axis=1)
    coarse = numeric.at_precision(first, SQUARE_BITS)
    # means and means of products lie there: ratios do not know it, and sums of many rows would outgrow 128 bits
    near = [numeric.held(one - _FARTHEST, -_FARTHEST, _FARTHEST, 36) for one in (risk[0], dead[0])]
    apart = near[0] - near[1]
    score = data.score - xp.sum(numeric.at_precision(first * apart, _STEP_BITS) + count * (near[1] + _FARTHEST), axis=0)
    most = 2 * _FARTHEST * data.z.shape[0]
    score = numeric.held(score, -most, most, _STEP_BITS)

    def of_both(at: int, other: int) -> Any:
        return numeric.at_precision(near[at][:, rows] * near[other][:, columns], 36)

    most = _FARTHEST**2
    about = [
        numeric.held(products - (means[:, rows] + means[:, columns]) * _FARTHEST + most, -most, most, 36)
        for means, products in (risk, dead)
    ]
    squares = numeric.at_precision(second * of_both(0, 0), 36)
    across = numeric.at_precision((second - coarse) * (of_both(0, 1) + of_both(1, 0)), 36)
    within = numeric.at_precision((second - coarse * 2 + count) * of_both(1, 1), 36)
    whole = numeric.at_precision(first * (about[0] - about[1]), 36) + count * about[1]
    return score, xp.sum(whole - squares + across - within, axis=0)


def _stepped(xp: Any, data: _Data, beta: Any) -> Any:
    state = _evaluate(xp, data, beta)
    scores = numeric.held(state.root(numeric.at_precision(state.score, _STEP_BITS)), -_SCORE_LIMIT, _SCORE_LIMIT, 36)
    weighed = numeric.held(state.inverse @ scores, -_SCORE_LIMIT, _SCORE_LIMIT, _STEP_BITS)
    step = numeric.held(state.root(weighed), -1, 1, _STEP_BITS)
    return numeric.held(beta + step, -_COEF_LIMIT, _COEF_LIMIT, _STEP_BITS)


def _scaled_back(x: Any, half: int, units: Sequence[Fraction], xp: Any) -> Any:
    """x / 2^half times public units, element by element."""
    found = []
    for at, unit in enumerate(units):
        whole = unit.numerator // unit.denominator
        shift = whole.bit_length() - 1 if unit.denominator == 1 and not whole & (whole - 1) else None
        if shift is not None:
            found.append(numeric.at_precision(numeric.times_power(x[at], shift - half, _COEF_BITS), _COEF_BITS))
        else:
            one = numeric.at_precision(numeric.times_power(x[at], -half, _COEF_BITS), _COEF_BITS)
            found.append(numeric.over(one * unit.numerator, Fraction(unit.denominator)))
    return xp.stack(found)


__all__ = ["CoxPHFitter", "CoxSummary"]
