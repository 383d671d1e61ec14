"""Multinomial logistic regression under statsmodels' name `MNLogit`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercet.array import nn, numeric
from tercet.array.core import SecretArray
from tercet.array.softmax import logsumexp
from tercet.errors import InputError
from tercet.learn import printed
from tercet.learn.design import Design, design_of
from tercet.learn.families import Logistic
from tercet.learn.generalized import PASSES, refuse
from tercet.learn.guard import cohort_of, estimates_rest_on_enough, largest
from tercet.learn.inputs import array_namespace, classes_of
from tercet.learn.inverse import Inverse
from tercet.learn.likelihood import LikelihoodFigures
from tercet.learn.linear_results import Coefficients, arranged, asked, clusters, of_clusters, passes_of
from tercet.learn.passes import repeat, spread
from tercet.learn.rows import INVERSE_BITS, VALUE_BITS, moments
from tercet.learn.scoring import GRADIENT_BITS, LAST_BITS, MOST, MOVED_BITS, STEP, Problem
from tercet.plan.record.explain import Explanation
from tercet.plan.table.reasons import CAUCHY_SCHWARZ
from tercet.statistics.asked import Disclosed, Pending

MOST_CLASSES = 16
REACH = 40
"""Linear predictors count within e^-40 and e^40 of the first class."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a fit finds, secret; arrays of one element (or row) for each class but the first."""

    coef: Any
    constant: Any
    spread: Any
    constant_spread: Any
    capped: Any
    aliased: Any
    step: Any
    llf: Any
    counts: Any
    sizes: tuple[Any, ...]
    groups: int


class MNLogit:
    """Multinomial logistic regression, as statsmodels has it: `MNLogit(y, add_constant(X)).fit()`.

    `endog`: classes (n,), public as classifiers take them: bools, categories, or the integers within the bounds of y,
    16 at most; each is compared with the first. `exog`: as `OLS` takes it. Nothing is revealed before `reveal()` or
    `summary()` of the results. A class that no row has lets its coefficients run to their ends: share y with bounds
    that fit. Raises InputError for shapes that do not fit, and for one class.
    """

    title = "MNLogit"
    heading = "MNLogit Regression Results"

    def __init__(self, endog: Any, exog: Any, *, endog_name: str = "y", **more: Any) -> None:
        refuse(self.title, more, "LogisticRegression(C=np.inf).fit takes sample_weight, without errors")
        self.design: Design = design_of(exog)
        self.endog_name = endog_name
        if np.ndim(endog) != 1 or np.shape(endog)[0] != self.design.rows:
            raise InputError(
                f"y of shape {np.shape(endog)}, columns of {self.design.rows} rows", hint="pass a class a row"
            )
        found = classes_of(endog)
        self.classes: tuple[Any, ...] = tuple(found.classes.tolist())
        count, rows = len(self.classes), self.design.rows
        if not 2 <= count <= MOST_CLASSES:
            raise InputError(f"{count} classes of y", hint=f"there are 2 to {MOST_CLASSES}: narrow the bounds of y")
        if rows <= self.design.width * (count - 1):
            raise InputError(f"{self.design.width * (count - 1)} coefficients of {rows} rows")
        columns = [found.codes == place for place in range(count)]
        self.cov_type = "nonrobust"
        self.hot = [column + 0 if isinstance(column, SecretArray) else np.asarray(column, float) for column in columns]

    @classmethod
    def from_formula(cls, formula: str, data: Mapping[str, Any]) -> MNLogit:
        """The model of a formula; see `tercet.stats.ols`."""
        from tercet.learn.formula import parsed

        y, name, design = parsed(formula, data)
        return cls(y, design, endog_name=name)

    def fit(
        self, maxiter: int = PASSES, method: str = "newton", cov_type: str = "nonrobust", cov_kwds: Any = None
    ) -> SecretMultinomial:
        """Fit under sharing by `maxiter` of Newton's passes, all of which are made; `results.step` says how large the
        last step was, and the error left is about its square. The information of all classes is inverted as one
        matrix: 40 rounds a coefficient and pass. Errors: about 1e-7 relative. `cov_type`, `cov_kwds`: as `GLM.fit`
        takes them. Other methods are refused."""
        if method != "newton":
            raise InputError(f"method={method!r} is not offered", hint="passes are Newton's: leave it out")
        groups, passes = clusters(cov_type, cov_kwds), passes_of(maxiter)
        self.cov_type = cov_type
        xp = array_namespace(*self.hot, self.design.columns)
        return SecretMultinomial(self, _Fit(xp, self).found(passes, cov_type != "nonrobust", groups))


class _Fit:
    """Standardised columns beside indicators of classes, and what passes need of them."""

    def __init__(self, xp: Any, model: MNLogit) -> None:
        self.xp, self.design = xp, model.design
        self.problem = Problem(xp, model.design, model.hot[0], None, None, Logistic(), (None, None))
        self.width = self.problem.width + self.problem.centred
        self.others = len(model.classes) - 1
        self.size = self.width * self.others
        self.hot = xp.stack(model.hot, axis=1)
        self.level = self.problem.fine

    def predictors(self, coef: Any) -> Any:
        """Linear predictors (n, classes), 0 of the first."""
        xp, problem, level = self.xp, self.problem, self.level
        parts = xp.reshape(coef, (self.others, self.width))
        columns = numeric.times_power(level.values, problem.k, level.bits)
        eta = numeric.at_precision(xp.matmul(columns, xp.matrix_transpose(parts[:, : problem.width])), level.bits)
        if problem.centred:
            eta = eta + numeric.at_precision(parts[:, problem.width], level.bits)
        eta = numeric.held(eta, -REACH, REACH, level.bits)
        return xp.concat([eta[:, :1] * 0, eta], axis=1)

    def step(self, coef: Any, frac_bits: int) -> tuple[Any, Inverse, Any]:
        """The step from these coefficients, the inverse of the information, and scores (n, classes - 1)."""
        xp, problem, level = self.xp, self.problem, self.level
        k, d = problem.k, problem.width
        eta = self.predictors(coef)
        chances = nn.softmax(eta, dim=1) if isinstance(eta, SecretArray) else _softmax(eta)
        chances = numeric.at_precision(chances[:, 1:], level.bits)
        score = self.hot[:, 1:] - chances
        parts = numeric.times_power(xp.matmul(xp.matrix_transpose(score), level.values), -k, GRADIENT_BITS)
        parts = numeric.at_precision(parts, GRADIENT_BITS)
        if problem.centred:
            constant = numeric.times_power(xp.sum(score, axis=0), -2 * k, GRADIENT_BITS)
            constant = numeric.at_precision(constant, GRADIENT_BITS)
            parts = xp.concat([parts, xp.expand_dims(constant, axis=1)], axis=1)
        one = 1 << GRADIENT_BITS + 1
        gradient = numeric.bounded(xp.reshape(parts, (self.size,)), -one, one, CAUCHY_SCHWARZ)
        at = d if problem.centred else None
        blocks: dict[tuple[int, int], Any] = {}
        for a in range(self.others):
            for b in range(a, self.others):
                both = numeric.at_precision(chances[:, a] * chances[:, b], level.bits)
                weight = chances[:, a] - both if a == b else -both
                weighed = level.values * xp.expand_dims(numeric.at_most(weight, level.weight_bits), axis=1)
                total = numeric.times_power(xp.sum(weight), -2 * k, 48)
                blocks[a, b] = moments(xp, level.values, weighed, total, at)
        lines = [
            xp.concat([blocks[min(a, b), max(a, b)] for b in range(self.others)], axis=1) for a in range(self.others)
        ]
        inverse = Inverse(xp, lines[0] if len(lines) == 1 else xp.concat(lines, axis=0), self.size)
        return numeric.held(inverse.times(xp, gradient), -STEP, STEP, frac_bits), inverse, score

    def errors(self, inverse: Inverse, score: Any, robust: bool, groups: Any) -> tuple[Any, list[Any], int]:
        """Errors of standardised estimates (size,), and of the constants; and how many clusters there are."""
        xp, problem, directions = self.xp, self.problem, []
        if problem.centred:
            direction = problem.direction()
            zeros = [direction[:1] * 0]
            for first in range(0, self.size, self.width):
                directions.append(xp.concat([*zeros * first, direction, *zeros * (self.size - first - self.width)]))
        if not robust:
            return inverse.root_diagonal(xp), [inverse.along(xp, direction) for direction in directions], 0
        whole = inverse.whole(xp, INVERSE_BITS, VALUE_BITS)
        score = numeric.at_precision(score, MOVED_BITS)
        moved: Any = None
        for place in range(self.others):
            part = problem.influence(whole[place * self.width : (place + 1) * self.width], score[:, place], 0)
            moved = part if moved is None else moved + part
        return problem.sandwich(moved, groups, directions)

    def found(self, passes: int, robust: bool, groups: Any) -> Found:
        xp, problem = self.xp, self.problem
        bits = min(problem.bits, 30)
        start = spread(np.zeros(self.size), problem.columns.values, bits)

        def body(coef: Any) -> Any:
            return numeric.held(coef + self.step(coef, bits)[0], -MOST, MOST, bits)

        (coef,) = repeat(passes - 1, body, start, bounds=[(-MOST, MOST)])
        moved, inverse, score = self.step(coef, LAST_BITS)
        last = numeric.held(coef + moved, -MOST, MOST, LAST_BITS)
        roots, along, count = self.errors(inverse, score, robust, groups)
        each = []
        for place in range(self.others):
            first, end = place * self.width, (place + 1) * self.width
            constant = along[place] if along else None
            each.append(problem.own_units(last[first:end], roots[first : first + problem.width], constant, 0))
        coefs, constants, spreads, errors, capped = (
            None if parts[0] is None else xp.stack(list(parts), axis=0) for parts in zip(*each, strict=True)
        )
        eta = self.predictors(last)
        ending = logsumexp(eta, axis=1) if isinstance(eta, SecretArray) else np.log(np.exp(eta).sum(axis=1))
        llf = xp.sum(self.hot * eta) - xp.sum(ending)
        aliased, step = inverse.aliased, xp.max(xp.abs(moved))
        counts = xp.sum(self.hot, axis=0)
        sizes = self.guards(counts, groups)
        return Found(coefs, constants, spreads, errors, capped, aliased, step, llf, counts, sizes, count)

    def guards(self, counts: Any, groups: Any) -> tuple[Any, ...]:
        """Numbers of rows that the estimates rest on; none without a cohort."""
        xp, problem, values = self.xp, self.problem, self.problem.columns.values
        cohort = cohort_of(self.design.columns, self.hot, groups)
        if not cohort:
            return ()
        at = problem.width if problem.centred else None
        plain = Inverse(xp, moments(xp, values, values, problem.rows / 4.0**problem.k, at), self.width, scale=False)
        enough = estimates_rest_on_enough(xp, problem.columns, plain, problem.k, None, cohort)
        of_groups = () if groups is None else (problem.rows - largest(xp, groups),)
        return problem.rows - self.size, xp.where(enough, problem.rows, 0), counts, *of_groups


def _softmax(eta: Any) -> Any:
    powers = np.exp(eta - eta.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


class SecretMultinomial:
    """Results of a multinomial regression, nothing of which is plain yet; `reveal()` and `summary()` open, in one plan,
    what the summary shows, and nothing else."""

    def __init__(self, model: MNLogit, found: Found) -> None:
        self.model = model
        self.found = found
        self._opened: MultinomialResults | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.model.title} on {self.model.design!r}; secret: reveal() or summary())"

    @property
    def step(self) -> Any:
        """How large the last step was, secret, of standardised coefficients."""
        return self.found.step

    def explain(self) -> Explanation:
        """What `reveal` and `summary` will cost, and what becomes plain."""
        return self.pending().explain()

    def pending(self) -> Pending[MultinomialResults]:
        """What `reveal` would open, before anything runs, for `tercet.stats.together`."""
        found = self.found
        names = ("coef", "constant", "spread", "constant_spread", "capped", "aliased", "step", "llf", "counts")
        shown = {name: getattr(found, name) for name in names if getattr(found, name) is not None}
        return asked(
            shown,
            lambda values, told: MultinomialResults(self.model, values, told, found.groups),
            self.model.design.rows,
            found.sizes,
        )

    def reveal(self) -> MultinomialResults:
        """The results in plain, by one plan; the second time what was revealed before. Raises SmallGroup where the
        session has a cohort, and an estimate or a class rests on fewer rows."""
        if self._opened is None:
            self._opened = self.pending().reveal()
        return self._opened

    def summary(self, alpha: float = 0.05) -> printed.Summary:
        """The table of `reveal().summary()`."""
        return self.reveal().summary(alpha)


class MultinomialResults(Coefficients, LikelihoodFigures):
    """Results of a multinomial regression in plain, under statsmodels' names: `params` and `bse` are (p, classes - 1),
    `conf_int()` is (classes - 1, p, 2)."""

    def __init__(self, model: MNLogit, values: dict[str, NDArray[Any]], revealed: Disclosed, groups: int) -> None:
        design = model.design
        self.nobs = design.rows
        others = len(model.classes) - 1

        def both(features: str, constant: str) -> NDArray[Any]:
            return np.stack(
                [
                    arranged(design, values[features][at], values[constant][at] if constant in values else None)
                    for at in range(others)
                ],
                axis=1,
            )

        width = design.width * others - int(values["aliased"].sum())
        bse = both("spread", "constant_spread") * of_clusters(groups, self.nobs, width)
        super().__init__(design.names, both("coef", "constant"), bse, None, revealed)
        self.cov_type: str = model.cov_type
        self.capped = arranged(design, np.any(values["capped"], axis=0), False)
        flags = np.any(values["aliased"].reshape(others, design.width), axis=0)
        self.aliased = flags if design.constant is None else np.insert(flags[:-1], design.constant, False)
        self.step = float(values["step"])
        """How large the last step was, of standardised coefficients."""
        self.llf = float(values["llf"])
        """The log-likelihood."""
        self.counts: NDArray[np.int64] = np.rint(values["counts"]).astype(np.int64)
        """How many rows each class has."""
        self.df_model = width - others * (design.constant is not None)
        self.df_resid = self.nobs - width
        self._width, self._model = width, model

    @property
    def llnull(self) -> float:
        """The log-likelihood with constants alone."""
        some = self.counts[self.counts > 0]
        return float((some * np.log(some / self.nobs)).sum())

    def conf_int(self, alpha: float = 0.05) -> NDArray[np.float64]:
        """Intervals of level 1 - alpha, (classes - 1, p, 2)."""
        reach = self._distribution.ppf(1 - alpha / 2) * self.bse
        return np.moveaxis(np.stack([self.params - reach, self.params + reach], axis=2), 1, 0)

    def predict(self, exog: Any) -> NDArray[np.float64]:
        """Probabilities of the classes (m, classes) for plain rows (m, p), the constant among them."""
        eta = np.asarray(exog, dtype=float) @ self.params
        return np.asarray(_softmax(np.column_stack([np.zeros(eta.shape[0]), eta])))

    def summary(self, alpha: float = 0.05) -> printed.Summary:
        """A table as statsmodels prints it."""
        model, lines = self._model, self._head()
        interval, tests, ps = self.conf_int(alpha), self.tvalues, self.pvalues
        for at, label in enumerate(model.classes[1:]):
            columns = [self.params[:, at], self.bse[:, at], tests[:, at], ps[:, at], *interval[at].T]
            block = printed.coefficients(self.names, columns, "z", alpha, range(len(self.names)))
            title = f"{model.endog_name}={label:g}" if isinstance(label, int | float) else f"{model.endog_name}={label}"
            width = len(block[1]) - len(block[1].lstrip()) + len("coef")
            block[1] = title.rjust(10).ljust(width - len("coef")) + block[1].lstrip()
            lines += block[:-1] if at == 0 else [block[2], *block[1:-1]]
        return printed.Summary([*lines, block[-1], *self._notes(self.names)])


def mnlogit(formula: str, data: Mapping[str, Any]) -> MNLogit:
    """`MNLogit` of a formula; see `ols`."""
    return MNLogit.from_formula(formula, data)
