"""Negative binomial regression whose dispersion is estimated, under statsmodels' name `NegativeBinomial`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

import tercet.array as namespace
from tercet.array import numeric
from tercet.array.core import SecretArray
from tercet.array.lookup import lookup
from tercet.errors import InputError
from tercet.learn import printed
from tercet.learn.families import LOG_END, Dispersed, Likelihood, Scored, of_factorials
from tercet.learn.generalized import Logit
from tercet.learn.guard import cohort_of
from tercet.learn.inputs import array_namespace
from tercet.learn.inverse import Inverse
from tercet.learn.likelihood import LikelihoodFigures
from tercet.learn.linear_results import Coefficients, arranged, asked, clusters, of_clusters, passes_of
from tercet.learn.passes import repeat, spread
from tercet.learn.rows import INVERSE_BITS, VALUE_BITS
from tercet.learn.scoring import GRADIENT_BITS, LAST_BITS, MOST, MOVED_BITS, STEP, Problem
from tercet.plan.record.explain import Explanation
from tercet.statistics.asked import Disclosed, Pending

PASSES = 14
MOST_COUNT = 2000
ENDS = (-5, 4)
"""The logarithm of alpha is held within these."""
BITS = 30
AT_END = 2.0**-10


AT_LEAST = "alpha is at its least, e^-5: these counts show no overdispersion; Poisson fits them."
AT_MOST = "alpha is at its largest, e^4: counts are more dispersed than this model takes."


class _Secret(Dispersed):
    """The likelihood for a dispersion that is secret, too; counts are few, and not scaled."""

    def __init__(self) -> None:
        super().__init__(1.0)

    def _bounded(self, most: int, trials: Any) -> None:
        self.ends = (-LOG_END, math.ceil(math.log(most)) + 1)
        self.score_bits = self.weight_bits = math.ceil(math.exp(self.ends[1])).bit_length()


class NegativeBinomial(Logit):
    """Negative binomial regression of counts with variance mean + alpha mean^2, alpha estimated, as statsmodels has it
    (`loglike_method="nb2"`); see `GLM`.

    Counts have bounds up to 2,000. Coefficients and alpha take steps in turn, and one together at the end; alpha counts
    within e^-5 and e^4: counts without overdispersion have the least, without an error, as the summary says. Beside
    what the others reveal: alpha, its error, whether it is at an end, and the log-likelihood with a constant alone.
    """

    title = "NegativeBinomial"
    heading: ClassVar[str] = "NegativeBinomial Regression Results"
    no_weights: ClassVar[str] = "GLM with families.NegativeBinomial(alpha) takes freq_weights and var_weights"

    @staticmethod
    def likelihood() -> Likelihood:
        return _Secret()

    def fit(  # type: ignore[override]
        self, maxiter: int = PASSES, method: str = "newton", cov_type: str = "nonrobust", cov_kwds: Any = None
    ) -> SecretDispersed:
        """Fit under sharing by `maxiter` passes, all of which are made; see `GLM.fit`. Robust errors look up a number
        for each row in a secret table of as many entries as y has counts."""
        if method != "newton":
            raise InputError(f"method={method!r} is not offered", hint="passes are Newton's: leave it out")
        groups, self.passes = clusters(cov_type, cov_kwds), passes_of(maxiter)
        lo, hi = numeric.value_range(self.endog)
        if hi > MOST_COUNT or numeric.as_integers(self.endog)[1]:
            raise InputError(
                f"counts reach from {lo} to {hi}", hint=f"share integers with bounds up to {MOST_COUNT}, or use GLM"
            )
        self.cov_type = cov_type
        xp = array_namespace(self.endog, self.design.columns)
        return SecretDispersed(self, _Fit(xp, self).found(maxiter, cov_type != "nonrobust", groups))


@dataclass(frozen=True, slots=True)
class FoundDispersed:
    """What a fit finds, secret, by name; what errors are multiplied by; and numbers of rows for a cohort."""

    shown: dict[str, Any]
    unit: float
    alpha_unit: float
    sizes: tuple[Any, ...]
    groups: int


class _Fit:
    """Standardised columns beside counts, and what passes need of them."""

    def __init__(self, xp: Any, model: NegativeBinomial) -> None:
        self.xp, self.design, self.y = xp, model.design, model.endog
        self.family = model.family
        self.problem = Problem(xp, model.design, model.endog, None, model.offset, model.family, (None, None))
        self.width = self.problem.width + self.problem.centred
        self.level = self.problem.fine
        top = max(1, numeric.value_range(self.y)[1])
        if isinstance(self.y, SecretArray):
            counts: Any = namespace.segment_count(self.y, top + 1)
        else:
            counts = np.bincount(self.y.astype(np.int64), minlength=top + 1).astype(float)
        self.steps = np.arange(top)
        # of each count below the largest, how many rows have more
        running = xp.cumulative_sum(counts, axis=0) if isinstance(counts, SecretArray) else np.cumsum(counts)
        self.more = self.problem.rows - running[:-1]

    def by_counts(self, alpha: Any) -> tuple[Any, Any, Any]:
        """Of log(1 + alpha k), its slope and its bend by log alpha: sums over the counts k below each row's."""
        xp = self.xp
        whole = numeric.at_precision(1 + alpha * self.steps, BITS)
        part = numeric.at_precision(numeric.reciprocal(whole, 1 << BITS, BITS), BITS)
        slope, bend = 1 - part, numeric.at_precision(part * (1 - part), BITS)
        return xp.sum(self.more * xp.log(whole)), xp.sum(self.more * slope), xp.sum(self.more * bend)

    def by_means(self, alpha: Any, mean: Any, y: Any, rows: Any) -> tuple[Any, Any]:
        """The slope and the bend by log alpha of what rows with these means add, `rows` times."""
        xp = self.xp
        logs, inverse, weighed, by_y, q, aq = self._of_rows(alpha, mean, y)
        b = numeric.at_precision(numeric.at_precision(xp.sum(logs) * rows, BITS) * inverse, BITS)
        slope = b - xp.sum(weighed) * rows
        bend = xp.sum(q) * rows - b - xp.sum(numeric.at_precision(by_y * q, BITS)) * rows
        return slope, bend + xp.sum(numeric.at_precision(weighed * aq, BITS)) * rows

    def _of_rows(self, alpha: Any, mean: Any, y: Any) -> tuple[Any, ...]:
        """log(1 + alpha mean), 1 / alpha, (1 + alpha y) q, alpha y, q, alpha q; q is mean / (1 + alpha mean)."""
        inverse = numeric.at_precision(numeric.reciprocal(alpha, 1 << BITS - 8, BITS), BITS)
        whole = numeric.at_precision(1 + mean * alpha, BITS)
        part = numeric.at_precision(numeric.reciprocal(whole, 1 << BITS, BITS), BITS)
        q, by_y = numeric.at_precision(mean * part, BITS), numeric.at_precision(alpha * y, BITS)
        return self.xp.log(whole), inverse, numeric.at_precision((by_y + 1) * q, BITS), by_y, q, 1 - part

    def moved(self, log_alpha: Any, slope: Any, bend: Any) -> Any:
        """log alpha after a step by Newton's rule, or by the slope's sign where the bend is none."""
        xp = self.xp
        least = self.problem.rows / 512
        below = xp.maximum(-bend, least)
        size = numeric.ratio(numeric.at_precision(xp.abs(slope), BITS), numeric.at_precision(below, BITS), 1, BITS)
        step = xp.where(slope > 0, size, -size)
        return _within_ends(log_alpha + step)

    def alpha(self, log_alpha: Any) -> Any:
        return numeric.at_precision(self.xp.exp(log_alpha[0]), BITS)

    def found(self, passes: int, robust: bool, groups: Any) -> FoundDispersed:
        xp, problem, family = self.xp, self.problem, self.family
        bits = min(problem.bits, 30)
        assert isinstance(family, Dispersed)

        def mean_of(coef: Any) -> Any:
            return numeric.at_precision(xp.exp(problem.predictor(coef, self.level)), BITS)

        def step(coef: Any, alpha: Any, frac: int) -> Any:
            family.alpha = alpha
            return problem.step(coef, frac, self.level)

        def body(coef: Any, log_alpha: Any, alone: Any) -> tuple[Any, Any, Any]:
            alpha = self.alpha(log_alpha)
            coef = numeric.held(coef + step(coef, alpha, bits)[0], -MOST, MOST, bits)
            _, slope, bend = self.by_counts(alpha)
            more = self.by_means(alpha, mean_of(coef), self.y, 1)
            following = self.moved(
                log_alpha, xp.expand_dims(slope + more[0], axis=0), xp.expand_dims(bend + more[1], axis=0)
            )
            return coef, following, self.null_step(alone)

        zeros = spread(np.zeros(self.width), problem.columns.values, bits)
        start = spread(np.zeros(1), problem.columns.values, BITS)
        bounds = [(-MOST, MOST), ENDS, ENDS]
        coef, log_alpha, alone = repeat(passes - 1, body, zeros, start, start, bounds=bounds)
        return self.last(coef, log_alpha, alone, step, mean_of, robust, groups)

    def average(self) -> Any:
        return numeric.at_precision(self.xp.sum(self.y) * (1 / self.problem.rows), BITS)

    def null_step(self, log_alpha: Any) -> Any:
        """A step of log alpha beside a constant alone, whose mean is that of y."""
        xp, mean = self.xp, _one(self.xp, self.average())
        alpha = self.alpha(log_alpha)
        _, slope, bend = self.by_counts(alpha)
        more = self.by_means(alpha, mean, mean, self.problem.rows)
        return self.moved(log_alpha, xp.expand_dims(slope + more[0], axis=0), xp.expand_dims(bend + more[1], axis=0))

    def likelihood(self, alpha: Any, eta: Any, mean: Any, y: Any, rows: Any) -> Any:
        """The log-likelihood but for the factorials."""
        xp = self.xp
        inverse = numeric.at_precision(numeric.reciprocal(alpha, 1 << BITS - 8, BITS), BITS)
        logs = xp.log(numeric.at_precision(1 + mean * alpha, BITS))
        both = xp.sum(y * eta) * rows - xp.sum(y * logs) * rows
        return self.by_counts(alpha)[0] + both - numeric.at_precision(xp.sum(logs) * inverse, BITS) * rows

    def last(
        self, coef: Any, log_alpha: Any, alone: Any, step: Any, mean_of: Any, robust: bool, groups: Any
    ) -> FoundDispersed:
        """One step of all together, errors from the information observed, and likelihoods."""
        xp, problem, family, level = self.xp, self.problem, self.family, self.level
        k, width = problem.k, self.width
        alpha = self.alpha(log_alpha)
        _, _, scored = step(coef, alpha, LAST_BITS)
        score = problem.weighed(scored.score, family.score_bits, level)
        whole = numeric.times_power(scored.score, 0, level.bits)
        observed = problem.information(scored.observed, level, family.observed_more)
        unit = family.weight_bits + family.observed_more
        # by log alpha, over the same power of two
        q = numeric.at_precision(scored.weight, level.bits)
        bent = numeric.at_precision(numeric.at_precision(whole * alpha, level.bits) * q, level.bits)
        bent = numeric.times_power(bent, -unit, level.bits + unit)
        across = numeric.times_power(xp.matmul(xp.matrix_transpose(level.values), bent), -k, 48)
        if problem.centred:
            at_one = numeric.times_power(xp.sum(bent), -2 * k, 48)
            across = xp.concat([numeric.at_precision(across, 48), _one(xp, numeric.at_precision(at_one, 48))])
        across = numeric.held(across, -1, 1, 48)
        _, slope, bend = self.by_counts(alpha)
        more = self.by_means(alpha, mean_of(coef), self.y, 1)
        slope, bend = slope + more[0], bend + more[1]
        own = numeric.held(_one(xp, numeric.times_power(-bend, -2 * k - unit, 48)), 0, 1, 48)
        # at an end of alpha's range the likelihood may rise beyond it: alpha stays, and coefficients find their best
        beyond = ((log_alpha <= ENDS[0] + AT_END) & (slope < 0)) | ((log_alpha >= ENDS[1] - AT_END) & (slope > 0))
        across = xp.where(beyond, 0.0, across)
        top = xp.concat([observed, xp.expand_dims(across, axis=1)], axis=1)
        matrix = xp.concat([top, xp.expand_dims(xp.concat([across, own]), axis=0)], axis=0)
        inverse = Inverse(xp, matrix, width + 1)
        parts = numeric.times_power(xp.matmul(xp.matrix_transpose(level.values), score), -k, GRADIENT_BITS)
        gradient = numeric.at_precision(parts, GRADIENT_BITS)
        if problem.centred:
            ones = numeric.at_precision(numeric.times_power(xp.sum(score), -2 * k, GRADIENT_BITS), GRADIENT_BITS)
            gradient = xp.concat([gradient, _one(xp, ones)])
        slope = xp.where(beyond, 0.0, _one(xp, slope))
        of_alpha = numeric.times_power(slope, -2 * k - family.score_bits, GRADIENT_BITS)
        gradient = xp.concat([gradient, numeric.at_precision(of_alpha, GRADIENT_BITS)])
        gradient = numeric.held(gradient, -2, 2, GRADIENT_BITS)
        moved = numeric.times_power(inverse.times(xp, gradient), family.score_bits - unit, 80)
        moved = numeric.held(moved, -STEP, STEP, LAST_BITS)
        last = numeric.held(coef + moved[:width], -MOST, MOST, LAST_BITS)
        final = _within_ends(log_alpha + moved[width:])
        directions = []
        if problem.centred:
            direction = problem.direction()
            directions = [xp.concat([direction, direction[:1] * 0])]
        units, count = (2.0 ** (-unit / 2), 2.0 ** (-unit / 2 - k)), 0
        if robust:
            whole = inverse.whole(xp, INVERSE_BITS, VALUE_BITS)
            rows = self.influence(whole, alpha, mean_of(coef), scored.score, unit)
            roots, ways, count = problem.sandwich(rows, groups, directions)
            units = 1.0, 2.0**-k
        else:
            roots, ways = inverse.root_diagonal(xp), [inverse.along(xp, one) for one in directions]
        along = ways[0] if ways else None
        coefs, constant, spreads, error, capped = problem.own_units(last, roots[: problem.width], along, 0)
        found = self.alpha(final)
        eta = numeric.at_precision(problem.predictor(last, level), BITS)
        mean = self.average()
        level_of = numeric.at_precision(xp.log(_one(xp, mean)), BITS)
        lone = self.alpha(self.null_step(alone))
        null = self.likelihood(lone, level_of, _one(xp, mean), _one(xp, mean), problem.rows)
        factorials = xp.sum(of_factorials(self.y))
        shown = {
            "coef": coefs,
            "constant": constant,
            "spread": spreads,
            "constant_spread": error,
            "aliased": inverse.aliased[:width],
            "capped": capped,
            "step": xp.max(xp.abs(moved)),
            "alpha": found,
            "error of alpha": roots[width],
            "alpha at its end": xp.sum(beyond * 1),
            "llf": self.likelihood(found, eta, mean_of(last), self.y, 1),
            "llf of a constant": null,
            "factorials": factorials,
        }
        return FoundDispersed(shown, *units, self.guards(scored, groups), count)

    def influence(self, inverse: Any, alpha: Any, mean: Any, score: Any, unit: int) -> Any:
        """What each row moves estimates and log alpha by, times 4^k (n, width + 1); `inverse`: of the information
        times 2^unit."""
        xp = self.xp
        whole = numeric.at_precision(1 + alpha * self.steps, BITS)
        below = 1 - numeric.at_precision(numeric.reciprocal(whole, 1 << BITS, BITS), BITS)
        table = xp.concat([below[:1] * 0, xp.cumulative_sum(below, axis=0)])
        own = lookup(table, self.y) if isinstance(table, SecretArray) else table[self.y.astype(np.int64)]
        logs, over_alpha, weighed, *_ = self._of_rows(alpha, mean, self.y)
        each = numeric.at_precision(own + numeric.at_precision(logs * over_alpha, BITS) - weighed, MOVED_BITS)
        beside = inverse[self.width] * xp.expand_dims(each, axis=1)
        moved = self.problem.influence(inverse, numeric.at_precision(score, MOVED_BITS), unit)
        return moved + numeric.times_power(beside, -unit, MOVED_BITS)

    def guards(self, scored: Scored, groups: Any) -> tuple[Any, ...]:
        """Numbers of rows that the estimates rest on; none without a cohort."""
        problem = self.problem
        if not cohort_of(self.design.columns, self.y, problem.offset, groups):
            return ()
        inverse = Inverse(self.xp, problem.information(scored.weight, self.level), self.width)
        return problem.guards(self.design, scored, inverse, groups)


def _within_ends(log_alpha: Any) -> Any:
    if isinstance(log_alpha, SecretArray):
        return numeric.held(log_alpha, *ENDS, BITS)
    return np.clip(log_alpha, *ENDS)


def _one(xp: Any, x: Any) -> Any:
    """A number as an array of one."""
    return xp.expand_dims(x, axis=0) if isinstance(x, SecretArray) else np.atleast_1d(x)


class SecretDispersed:
    """Results of a negative binomial regression, nothing of which is plain yet; `reveal()` and `summary()` open, in one
    plan, what the summary shows, and nothing else."""

    def __init__(self, model: NegativeBinomial, found: FoundDispersed) -> None:
        self.model = model
        self.found = found
        self._opened: DispersedResults | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.model.title} on {self.model.design!r}; secret: reveal() or summary())"

    @property
    def alpha(self) -> Any:
        """The dispersion, secret."""
        return self.found.shown["alpha"]

    @property
    def step(self) -> Any:
        """How large the last step was, secret, of standardised coefficients and the logarithm of alpha."""
        return self.found.shown["step"]

    def explain(self) -> Explanation:
        """What `reveal` and `summary` will cost, and what becomes plain."""
        return self.pending().explain()

    def pending(self) -> Pending[DispersedResults]:
        """What `reveal` would open, before anything runs, for `tercet.stats.together`."""
        found = self.found
        shown = {name: value for name, value in found.shown.items() if value is not None}

        def finish(values: dict[str, NDArray[Any]], told: Disclosed) -> DispersedResults:
            return DispersedResults(self.model, values, told, found)

        return asked(shown, finish, self.model.design.rows, found.sizes)

    def reveal(self) -> DispersedResults:
        """The results in plain, by one plan; the second time what was revealed before. Raises SmallGroup where the
        session has a cohort, and an estimate rests on fewer rows."""
        if self._opened is None:
            self._opened = self.pending().reveal()
        return self._opened

    def summary(self, alpha: float = 0.05) -> printed.Summary:
        """The table of `reveal().summary()`."""
        return self.reveal().summary(alpha)


class DispersedResults(Coefficients, LikelihoodFigures):
    """Results of a negative binomial regression in plain, under statsmodels' names; alpha is the last parameter."""

    def __init__(
        self, model: NegativeBinomial, values: dict[str, NDArray[Any]], told: Disclosed, fit: FoundDispersed
    ) -> None:
        design = model.design
        self.nobs = design.rows
        flags = values["aliased"]
        self.aliased = flags if design.constant is None else np.insert(flags[:-1], design.constant, False)
        self.capped = arranged(design, values["capped"], False)
        width = design.width - int(self.aliased.sum())
        self.df_model = width - (design.constant is not None)
        self.df_resid = self.nobs - width
        self.step = float(values["step"])
        """How large the last step was, of standardised coefficients and the logarithm of alpha."""
        found = float(values["alpha"])
        params = np.append(arranged(design, values["coef"], values.get("constant")), found)
        bse = arranged(design, values["spread"], values.get("constant_spread")) * fit.unit
        self.alpha_at_its_end = bool(values["alpha at its end"])
        """Whether the likelihood rises beyond the least or the largest alpha that there may be."""
        error = math.nan if self.alpha_at_its_end else float(values["error of alpha"]) * fit.alpha_unit * found
        bse = np.append(bse, error) * of_clusters(fit.groups, self.nobs, width + 1)
        super().__init__((*design.names, "alpha"), params, bse, None, told)
        self.cov_type: str = model.cov_type
        factorials = float(values["factorials"])
        self.llf = float(values["llf"]) - factorials
        """The log-likelihood."""
        self.llnull = float(np.ravel(values["llf of a constant"])[0]) - factorials
        """The log-likelihood with a constant alone."""
        self._width, self._model = width + 1, model

    def summary(self, alpha: float = 0.05) -> printed.Summary:
        """A table as statsmodels prints it."""
        table = printed.coefficients(self.names, self._columns(alpha), "z", alpha, range(len(self.names)))
        ends = [AT_LEAST if self.params[-1] < 1 else AT_MOST] if self.alpha_at_its_end else []
        return printed.Summary([*self._head(), *table, *self._notes(self.names[:-1], ends)])


def negativebinomial(formula: str, data: Mapping[str, Any], **options: Any) -> NegativeBinomial:
    """`NegativeBinomial` of a formula; see `ols`."""
    model: NegativeBinomial = NegativeBinomial.from_formula(formula, data, **options)
    return model
