"""Survival in lifelines' manner: Kaplan and Meier, Nelson and Aalen, log-rank tests, restricted means.

What is revealed are counts at public times: how many are at risk, how many events. Curves at every distinct event time
would show single rows, so that times are counted on a public grid.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import tercet.array as namespace
from tercet.array import nullable, numeric
from tercet.array.core import SecretArray
from tercet.errors import InputError
from tercet.statistics import pooled as samples
from tercet.statistics.asked import Disclosed, Pending, Result, statistic
from tercet.statistics.plain import check_level
from tercet.statistics.samples import Grouping, Sample, column, groups

if TYPE_CHECKING:
    import pandas as pd

MOST_TIMES = 500
"""Integer times that bounds allow are the grid where they are no more than these."""
_DEFAULT_TIMES = 200
_RATIO_BITS = 40
_MOST_CELLS = 1 << 16


# ---- counts at public times ----


@dataclass(frozen=True)
class Lives:
    """Rows as places on a public grid of times: `codes` is the first place not before the time, `len(times)` beyond the
    last; `events`: whether the event was observed, in place of the end of observation; `there`: which rows count."""

    codes: Any
    events: Any
    there: Any
    times: NDArray[np.float64]
    rows: int

    def table(self, by: Grouping | None = None) -> Any:
        """(groups, 2, times + 1): how many observations ended at each time, without and with the event."""
        count, kinds = len(self.times) + 1, 1 if by is None else len(by)
        if 2 * kinds * count > _MOST_CELLS:
            raise InputError(f"{kinds} groups at {count - 1} times", hint="pass fewer public times as timeline=")
        codes = self.codes + self.events * count
        there = self.there
        if by is not None:
            codes = codes + by.codes * (2 * count)
            there = by.there if there is None else there if by.there is None else there & by.there
        if isinstance(codes, SecretArray):
            if there is not None:
                codes = nullable.NullableArray.of_values(
                    codes, there if isinstance(there, SecretArray) else samples.secret_bools(codes, there)
                )
            found: Any = namespace.segment_count(codes, 2 * kinds * count)
        else:
            codes = codes if there is None else codes[there]
            found = np.bincount(codes.astype(np.int64), minlength=2 * kinds * count).astype(np.float64)
        return found.reshape((kinds, 2, count))


def lives(durations: Any, event_observed: Any, timeline: Any, where: Any, *, fine: bool = False) -> Lives:
    """Durations and events on a grid of times. `fine`: up to 4,096 integer times, where none is shown."""
    time = column(durations, "durations", where=where)
    there = samples.bools(time)
    if event_observed is None:
        events: Any = 1
    else:
        observed = column(event_observed, "event_observed")
        if observed.rows != time.rows:
            raise InputError(f"{time.rows} durations and {observed.rows} events", hint="pass one for each row")
        if observed.there is not None:
            also = samples.bools(observed)
            there = also if there is None else there & also
        events = (observed.numbers != 0) * 1
    times = _grid(time, timeline, 4096 if fine else MOST_TIMES)
    return Lives(_placed(time, times), events, there, times, time.rows)


def _grid(time: Sample, timeline: Any, most: int) -> NDArray[np.float64]:
    if timeline is not None:
        found = np.unique(np.asarray(timeline, dtype=np.float64).reshape(-1))
        if not found.size or not np.isfinite(found).all():
            raise InputError("timeline has no times", hint="pass public times, such as range(0, 53)")
        return found
    if not time.secret:
        return np.unique(time.numbers if time.there is None else time.numbers[time.there])
    lo, hi = (float(end) for end in time.values.bounds)
    if lo < 0:
        raise InputError(f"durations have bounds ({lo}, {hi})", hint="durations are not negative: narrow the bounds")
    if time.unit == 1 and hi - lo + 1 <= most:
        return np.arange(lo, hi + 1)
    return hi * np.arange(1, _DEFAULT_TIMES + 1) / _DEFAULT_TIMES


def _placed(time: Sample, times: NDArray[np.float64]) -> Any:
    if not time.secret:
        return np.searchsorted(times, time.numbers, side="left").astype(np.float64)
    lo, hi = time.numbers.bounds
    whole = time.unit == 1 and np.array_equal(times, np.arange(times[0], times[0] + len(times)))
    if whole and lo >= times[0] and hi <= times[-1]:
        return time.numbers - int(times[0])
    return namespace.searchsorted(times, time.values, side="left")


@dataclass(frozen=True)
class _Curve:
    """In plain: at each time, how many were at risk just before it, how many had the event, how many left."""

    times: NDArray[np.float64] = field(repr=False)
    at_risk: NDArray[np.float64] = field(repr=False)
    observed: NDArray[np.float64] = field(repr=False)
    censored: NDArray[np.float64] = field(repr=False)

    @classmethod
    def of(cls, table: Any, times: NDArray[np.float64]) -> _Curve:
        """Of (2, times + 1); with time 0 in front, as lifelines has it."""
        censored, observed = (np.asarray(part, dtype=np.float64) for part in np.asarray(table))
        ended = censored + observed
        at_risk = np.cumsum(ended[::-1])[::-1][:-1]
        front = times[0] > 0
        parts = [at_risk, observed[:-1], censored[:-1]]
        if front:
            parts = [np.append(first, one) for first, one in zip((ended.sum(), 0.0, 0.0), parts, strict=True)]
        return cls(np.append(0.0, times) if front else times, *parts)


class _Fitter:
    """What both estimators have in common."""

    def __init__(self, alpha: float = 0.05, label: str | None = None) -> None:
        self.alpha = 1 - check_level(1 - alpha)
        self._label = label

    def _fit(self, durations: Any, event_observed: Any, timeline: Any, label: str | None, where: Any) -> None:
        if label is not None:
            self._label = label
        _counts(durations, event_observed, timeline=timeline, where=where, into=[self])

    def _set(self, curve: _Curve, revealed: Disclosed) -> None:
        self.revealed = revealed
        self._curve = curve
        self.timeline = curve.times
        self._estimate()

    def _estimate(self) -> None:
        raise AttributeError("no estimate")

    def _fitted(self) -> _Curve:
        if not hasattr(self, "_curve"):
            raise InputError(f"this {type(self).__name__} is not fitted", hint="call fit(durations, event_observed)")
        return self._curve

    @property
    def event_table(self) -> pd.DataFrame:
        """At each time how many were removed, had the event, left, and were at risk before."""
        import pandas as pd

        curve = self._fitted()
        return pd.DataFrame(
            {
                "removed": curve.observed + curve.censored,
                "observed": curve.observed,
                "censored": curve.censored,
                "at_risk": curve.at_risk,
            },
            index=pd.Index(curve.times, name="event_at"),
        ).astype(np.int64)

    def _frame(self, **columns: NDArray[Any]) -> pd.DataFrame:
        import pandas as pd

        return pd.DataFrame(columns, index=pd.Index(self.timeline, name="timeline"))


class KaplanMeierFitter(_Fitter):
    """The estimate of a survival function after Kaplan and Meier, with lifelines' names.

    `fit` reveals, at public times, how many rows are at risk and how many have the event; the curve, its exponential
    Greenwood (log-log) interval and the median are plain. `alpha`: one less the level of intervals.
    """

    survival_function_: pd.DataFrame
    confidence_interval_: pd.DataFrame
    median_survival_time_: float

    def __init__(self, alpha: float = 0.05, label: str | None = None) -> None:
        super().__init__(alpha, label or "KM_estimate")

    def fit(
        self,
        durations: Any,
        event_observed: Any = None,
        timeline: Any = None,
        label: str | None = None,
        *,
        where: Any = None,
    ) -> KaplanMeierFitter:
        """Reveal the counts and estimate the curve.

        `durations` (n,): secret, not negative; `event_observed` (n,): secret bools or 0 and 1, by default all; rows
        that lack one are left out. `timeline`: public times, at which durations count: one between two of them counts
        at the later one. By default all integers that the bounds allow, up to 500; else 200 equal steps up to the upper
        bound. Nothing is sorted: counts by secret times rest on all rows. Weights and late entries are not offered.
        """
        self._fit(durations, event_observed, timeline, label, where)
        return self

    def _estimate(self) -> None:
        curve = self._curve
        n, d = curve.at_risk, curve.observed
        with np.errstate(divide="ignore", invalid="ignore"):
            steps = np.where(n > 0, 1 - d / np.where(n > 0, n, 1), 1.0)
            survival = np.cumprod(steps)
            squares = np.cumsum(np.where(n > d, d / (n * (n - d)), 0.0))
            v = np.log(survival)
            from scipy import stats

            wide = stats.norm.ppf(1 - self.alpha / 2) * np.sqrt(squares) / v
            lower, upper = (np.exp(-np.exp(np.log(-v) + sign * wide)) for sign in (-1, 1))
        lower, upper = (np.where(np.isnan(one), 1.0, one) for one in (lower, upper))
        level, label = f"{1 - self.alpha:g}", self._label
        self.survival_function_ = self._frame(**{str(label): survival})
        self.cumulative_density_ = 1 - self.survival_function_
        self.confidence_interval_ = self._frame(**{f"{label}_lower_{level}": lower, f"{label}_upper_{level}": upper})
        self.confidence_interval_survival_function_ = self.confidence_interval_
        self.median_survival_time_ = self.percentile(0.5)

    def percentile(self, p: float) -> float:
        """The first time at which the curve is not above p; infinite if there is none."""
        self._fitted()
        survival = self.survival_function_.to_numpy().reshape(-1)
        # a product of fractions that is p may be a last bit above
        below = np.flatnonzero(survival <= p * (1 + 1e-12))
        return float(self.timeline[below[0]]) if below.size else math.inf

    def predict(self, times: Any) -> Any:
        """The curve at public times."""
        self._fitted()
        survival = np.append(1.0, self.survival_function_.to_numpy().reshape(-1))
        found = survival[np.searchsorted(self.timeline, np.asarray(times, dtype=float), side="right")]
        return float(found) if np.ndim(found) == 0 else found

    @property
    def survival_table(self) -> pd.DataFrame:
        """The counts, the curve and its interval in one table."""
        return self.event_table.join([self.survival_function_, self.confidence_interval_])


class NelsonAalenFitter(_Fitter):
    """The estimate of a cumulative hazard after Nelson and Aalen, with lifelines' names; `fit` reveals what
    `KaplanMeierFitter` does."""

    cumulative_hazard_: pd.DataFrame
    confidence_interval_: pd.DataFrame

    def __init__(self, alpha: float = 0.05, nelson_aalen_smoothing: bool = True, label: str | None = None) -> None:
        super().__init__(alpha, label or "NA_estimate")
        self.nelson_aalen_smoothing = nelson_aalen_smoothing

    def fit(
        self,
        durations: Any,
        event_observed: Any = None,
        timeline: Any = None,
        label: str | None = None,
        *,
        where: Any = None,
    ) -> NelsonAalenFitter:
        """As `KaplanMeierFitter.fit`. With `nelson_aalen_smoothing` events of one time count one after the other."""
        self._fit(durations, event_observed, timeline, label, where)
        return self

    def _estimate(self) -> None:
        from scipy import special, stats

        n, d = self._curve.at_risk, self._curve.observed
        there = n > 0
        safe = np.where(there, n, 1)
        if self.nelson_aalen_smoothing:
            steps = special.digamma(safe + 1) - special.digamma(np.where(there, n - d, 1) + 1)
            squares = special.polygamma(1, np.where(there, n - d, 1) + 1) - special.polygamma(1, safe + 1)
        else:
            steps, squares = d / safe, (1 - d / safe) * (d / safe) / safe
        hazard = np.cumsum(np.where(there & (d > 0), steps, 0.0))
        root = np.sqrt(np.cumsum(np.where(there & (d > 0), squares, 0.0)))
        wide = stats.norm.ppf(1 - self.alpha / 2) * root / np.where(hazard == 0, 1, hazard)
        level, label = f"{1 - self.alpha:g}", self._label
        self.cumulative_hazard_ = self._frame(**{str(label): hazard})
        self.confidence_interval_ = self._frame(
            **{f"{label}_lower_{level}": hazard * np.exp(-wide), f"{label}_upper_{level}": hazard * np.exp(wide)}
        )

    def predict(self, times: Any) -> Any:
        """The cumulative hazard at public times."""
        self._fitted()
        hazard = np.append(0.0, self.cumulative_hazard_.to_numpy().reshape(-1))
        found = hazard[np.searchsorted(self.timeline, np.asarray(times, dtype=float), side="right")]
        return float(found) if np.ndim(found) == 0 else found


@statistic
def _counts(
    durations: Any,
    event_observed: Any,
    *,
    timeline: Any,
    where: Any,
    into: Sequence[_Fitter],
    by: Grouping | None = None,
) -> Pending[None]:
    """Counts of ends and events at the times of the grid, of all rows or of each group, for one fitter each."""
    found = lives(durations, event_observed, timeline, where)
    table = found.table(by)
    # rows that are chosen or missing in secret, and groups, have a secret size
    some = by is not None or found.there is not None
    sizes = (table.sum(axis=(1, 2)),) if some and isinstance(table, SecretArray) else ()

    def finish(plain: Mapping[str, Any], revealed: Disclosed) -> None:
        counts = np.asarray(plain["at risk and events"])
        for at, fitter in enumerate(into):
            fitter._set(_Curve.of(counts[at], found.times), revealed)

    return Pending({"at risk and events": table}, finish, found.rows, sizes)


def kaplan_meier(
    durations: Any, event_observed: Any = None, *, by: Any, timeline: Any = None, alpha: float = 0.05, where: Any = None
) -> dict[Any, KaplanMeierFitter]:
    """A survival curve for each group of a secret or public column, by its label, of one plan; as `KaplanMeierFitter`.

    Where a group is smaller than the session's cohort, nothing is shown.
    """
    found = groups(by, column(durations, "durations").rows)
    fitters = {label: KaplanMeierFitter(alpha, str(label)) for label in found.labels}
    _counts(durations, event_observed, timeline=timeline, where=where, into=list(fitters.values()), by=found)
    return fitters


def restricted_mean_survival_time(fitter: KaplanMeierFitter, t: float = math.inf, return_variance: bool = False) -> Any:
    """The mean of survival times up to a public t: the area under a fitted curve, in plain; with `return_variance` also
    the variance of times so cut. An infinite t is the last time of the curve."""
    curve = fitter._fitted()
    end = float(curve.times[-1]) if math.isinf(t) else float(t)
    inside = curve.times < end
    edges = np.append(curve.times[inside], end)
    starts = np.append(0.0, edges)[:-1] if edges[0] > 0 else edges[:-1]
    ends = edges if edges[0] > 0 else edges[1:]
    heights = np.asarray(fitter.predict(starts)) if edges[0] <= 0 else np.append(1.0, fitter.predict(edges[:-1]))
    mean = float(np.sum(heights * (ends - starts)))
    if not return_variance:
        return mean
    squares = float(np.sum(heights * (ends**2 - starts**2)))
    return mean, squares - mean**2


# ---- log-rank ----


@dataclass(frozen=True, kw_only=True)
class LogrankResult(Result):
    """A log-rank test, with lifelines' names."""

    test_statistic: float
    p_value: float
    degrees_of_freedom: int
    observed: NDArray[np.float64]
    """Events of each group."""
    expected: NDArray[np.float64]
    """Events of each group if all had the same hazard."""
    labels: tuple[Any, ...]

    def __iter__(self) -> Iterator[float]:
        return iter((self.test_statistic, self.p_value))


@statistic
def multivariate_logrank_test(
    event_durations: Any, groups_: Any, event_observed: Any = None, *, timeline: Any = None, where: Any = None
) -> Pending[LogrankResult]:
    """Whether the hazards of several groups are alike (log-rank).

    `event_durations` (n,): secret, not negative; `groups_` (n,): secret bools, categories or codes, or a public column;
    `event_observed` (n,): secret bools. Counts at each time stay secret: sums over times of observed and expected
    events and their covariances alone are revealed, so that times are taken as finely as they are (integers with up to
    4,096 values; else `timeline`, or 200 steps). Expected events within 1e-8. Weightings are not offered.
    """
    found = lives(event_durations, event_observed, timeline, where, fine=True)
    by = groups(groups_, found.rows, "groups")
    k = len(by)
    if k < 2:
        raise InputError(f"{k} groups, and at least 2 are compared")
    table = found.table(by)
    d = table[:, 1, :-1]
    ended = table[:, 0, :] + table[:, 1, :]
    n = _from_the_end(ended)[:, :-1]
    observed, expected, covariance = _log_rank(d, n, found.rows)
    arrays = {"observed": observed, "expected": expected, "covariance": covariance, "sizes": ended.sum(axis=1)}

    def finish(plain: Mapping[str, Any], revealed: Disclosed) -> LogrankResult:
        from scipy import stats

        sizes = np.asarray(plain["sizes"], dtype=np.float64)
        kept = np.flatnonzero(sizes > 0)
        o, e = (np.asarray(plain[name], dtype=np.float64) for name in ("observed", "expected"))
        v = np.asarray(plain["covariance"], dtype=np.float64)
        first = kept[:-1]
        z, inside = (o - e)[first], v[np.ix_(first, first)]
        free = len(kept) - 1
        test = float(z @ np.linalg.pinv(inside, rcond=1e-9, hermitian=True) @ z) if free > 0 else math.nan
        return LogrankResult(
            test_statistic=test,
            p_value=float(stats.chi2.sf(test, free)) if free > 0 else math.nan,
            degrees_of_freedom=free,
            observed=o,
            expected=e,
            labels=by.labels,
            revealed=revealed,
        )

    return Pending(arrays, finish, found.rows, (arrays["sizes"],))


def _from_the_end(x: Any) -> Any:
    """Sums of what stands at each place of the last axis and behind it."""
    if isinstance(x, SecretArray):
        return namespace.flip(namespace.cumulative_sum(namespace.flip(x, axis=-1), axis=1), axis=-1)
    return np.cumsum(x[:, ::-1], axis=1)[:, ::-1]


def _log_rank(d: Any, n: Any, rows: int) -> tuple[Any, Any, Any]:
    """Observed and expected events of each group, (k,), and their covariances (k, k), from events and numbers at risk
    (k, times)."""
    xp: Any = namespace if isinstance(d, SecretArray) else np
    deaths, risk = xp.sum(d, axis=0), xp.sum(n, axis=0)
    part = numeric.ratio(n, risk + 0 * n, 1, _RATIO_BITS)
    expected = xp.sum(deaths * part, axis=1)
    # of the last one at risk nothing is left to vary
    left = numeric.ratio(risk - deaths, xp.maximum(risk - 1, 0), 1, _RATIO_BITS)
    weight = numeric.at_most(deaths * left, 30)
    share = numeric.at_most(part, 30)
    weighed = numeric.at_most(share * weight, 30)
    across = xp.matmul(weighed, xp.matrix_transpose(share))
    own = xp.sum(weighed, axis=1)
    eye = np.eye(d.shape[0], dtype=np.int64)
    covariance = eye * xp.expand_dims(own, axis=1) - across
    return xp.sum(d, axis=1), expected, covariance


def logrank_test(
    durations_A: Any,
    durations_B: Any,
    event_observed_A: Any = None,
    event_observed_B: Any = None,
    *,
    timeline: Any = None,
) -> LogrankResult:
    """Whether two separate samples have the same hazards; as `multivariate_logrank_test`, which takes one column and
    secret groups."""
    whole, found = samples.pooled((durations_A, durations_B), None)
    events = None
    if event_observed_A is not None or event_observed_B is not None:
        if event_observed_A is None or event_observed_B is None:
            raise InputError("events of one sample only", hint="pass event_observed_A and event_observed_B")
        observed, _ = samples.pooled((event_observed_A, event_observed_B), None)
        events = _as_array(observed)
    return multivariate_logrank_test(_as_array(whole), found.codes, events, timeline=timeline)


def _as_array(x: Sample) -> Any:
    if not x.secret:
        return x.numbers if x.there is None else np.where(x.there, x.numbers, np.nan)
    return x.values if x.there is None else nullable.NullableArray.of_values(x.values, samples.bools(x))
