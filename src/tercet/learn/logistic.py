"""LogisticRegression: Newton's method with an exact logistic function or softmax."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np

from tercet.array import numeric, special
from tercet.errors import InputError
from tercet.learn import many_rows
from tercet.learn.approach import MANY_ROWS
from tercet.learn.inputs import Classes, array_namespace, classes_of, features, is_secret, most_of, target, weights
from tercet.learn.linear_classifier import LinearClassifier, numbers, softmax_of
from tercet.learn.newton import (
    COARSE_BITS,
    CURVED_BITS,
    FINE_BITS,
    ROW_BITS,
    ScaledRows,
    by_blocks,
    exact_gradient,
    minimised,
    pairs,
    scaled_rows,
)
from tercet.learn.parameters import NOTHING, OneOf, ParameterRule, Real, count_of, number_of
from tercet.learn.passes import spread
from tercet.learn.penalised import scaled_weights
from tercet.learn.proximal import MOST_EDGE, between, sparse_minimum
from tercet.learn.sigmoid import expit
from tercet.learn.sparse import PASS_BITS

MOST_COEFFICIENTS = 96
"""Of all classes together, by one matrix of curvatures: plans grow with them."""


class LogisticRegression(LinearClassifier):
    """Logistic regression of two classes, or of more by softmax, with scikit-learn's objective:
    C times the sum of (weighed) log losses and, of coefficients w, (1 - l1_ratio) |w|^2 / 2 + l1_ratio |w|_1; the
    intercept is not penalised.

    `C`: a public number; infinity: no penalty. `l1_ratio`: from 0 to 1. scikit-learn's older spellings stay: `penalty`
    "l1", "l2", "elasticnet" (with `l1_ratio`) and None. `solver`: scikit-learn's names, where scikit-learn takes them
    ("saga" for `l1_ratio` above 0, "liblinear" for 1, too, without an intercept); they choose nothing else.

    Without absolute values: `max_iter` public passes of Newton's method, in which probabilities have
    16 fractional bits, then eight steps by the last inverse curvature with probabilities of 40 bits: coefficients agree
    with a converged float64 fit to about 1e-9 where the passes are enough, as 15 are for ordinary penalties (wine with
    C=100 takes 18). Nobody learns whether they were. A pass takes about 55 rounds a coefficient (of all classes
    together) and 100 more; bytes grow with n, of three classes and more with n d. Rows are scaled by secret powers of
    two, so that columns of any size stand side by side.

    With them (any number of rows, 96 coefficients of all classes): passes of Newton's method with exact zeros, about
    1,000 rounds each, however many columns there are. 15 are enough for standardised and raw breast cancer up to C=10
    (20 for C=100); raw columns far from 0 without an intercept may take more. Which coefficients are 0 stays secret.

    Of two classes in 20,000 rows and more without weights or absolute values, a pass takes 110 rounds, and half of the
    passes take some public rows only; then come one pass with probabilities of 24 bits and one step with 40.

    Of more than 96 coefficients in all (96 a class at most), a pass is about 300 rounds, however many they are: a step
    of Newton's to about a twelfth of its size. Digits agree with a converged fit to about 1e-5 with C=1 after 15
    passes; with C=100 the default passes are not enough.

    `class_weight`: a dict of public weights, or "balanced" by secret counts. Public classes: bools, categories,
    integers within bounds of y, or `classes`. Nothing is revealed. Raises InputError for parameters that are not
    offered, PlanError if bounds are too wide for 128 bits.
    """

    not_offered: ClassVar[dict[str, str]] = {
        "tol": "passes are public and as many as max_iter: a test of secrets would reveal when it stops",
        **dict.fromkeys(("dual", "intercept_scaling", "multi_class", "n_jobs", "verbose"), "leave it out"),
        "random_state": "nothing is drawn: leave it out",
        "warm_start": "each fit begins at 0: leave it out",
    }
    allowed: ClassVar[dict[str, tuple[ParameterRule, ...]]] = {
        "penalty": (OneOf(("l1", "l2", "elasticnet", None, "deprecated")),),
        "C": (Real(0, above=True), OneOf((np.inf,))),
        "l1_ratio": (Real(0, 1), NOTHING),
        "solver": (OneOf(("lbfgs", "liblinear", "newton-cg", "newton-cholesky", "sag", "saga")),),
    }

    def __init__(
        self,
        penalty: str | None = "deprecated",
        *,
        C: float = 1.0,
        l1_ratio: float | None = 0.0,
        fit_intercept: bool = True,
        class_weight: Mapping[Any, float] | str | None = None,
        solver: str = "lbfgs",
        max_iter: int = 15,
        classes: Any = None,
    ) -> None:
        self.penalty = penalty
        self.C = C
        self.l1_ratio = l1_ratio
        self.fit_intercept = fit_intercept
        self.class_weight = class_weight
        self.solver = solver
        self.max_iter = max_iter
        self.classes = classes

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> LogisticRegression:
        passes = count_of(self.max_iter, "max_iter")
        X = features(X, self, fitting=True)
        strength, ratio = self._penalties()
        xp = array_namespace(X, y)
        found = classes_of(target(X, y), self.classes)
        self.classes_ = found.classes
        k = 1 if len(found.classes) == 2 else len(found.classes)
        n, d = X.shape
        columns = d + 1 if self.fit_intercept else d
        if len(found.classes) < 2 or columns > MOST_COEFFICIENTS:
            raise InputError(
                f"{len(found.classes)} classes with {columns} coefficients each",
                hint=f"two classes at least, {MOST_COEFFICIENTS} coefficients each at most; SGDClassifier takes more",
            )
        if k > 1 and self.solver == "liblinear":
            raise InputError(
                f"{k} classes with solver='liblinear'",
                hint="wrap the model of two classes, one against the rest; several take another solver",
            )
        if ratio and k * columns > MOST_COEFFICIENTS:
            raise InputError(
                f"{k * columns} coefficients with l1_ratio={float(ratio)}",
                hint=f"{MOST_COEFFICIENTS} of all classes at most; l1_ratio=0 takes more, and SGDClassifier",
            )
        targets = found.one_hot() * 1 if k > 1 else found.codes[:, None]
        each, most = row_weights(xp, X, found, self.class_weight, sample_weight)
        inverse_c = strength / most
        rows = scaled_rows(xp, X, 4 * inverse_c * (1 - ratio) / n, centred=self.fit_intercept)
        x, shrunk = rows.scaled, rows.shrunk
        if self.fit_intercept:
            x = xp.concat([x, spread(np.ones((n, 1)), x, ROW_BITS)], axis=1)
            shrunk = xp.concat([shrunk, spread(np.zeros(1), x, 0)]) if is_secret(shrunk) else np.append(shrunk, 0.0)
        loss = _Softmax(xp, targets, each) if k > 1 else _Logistic(targets, each)
        if ratio:
            edges = _edges(xp, rows, 4 * inverse_c * ratio)
            if self.fit_intercept:
                edges = xp.concat([edges, spread(np.zeros(1), x, 0)])
            coupled = _Coupled(xp, targets, each) if k > 1 else _Logistic(targets, each)
            w = sparse_minimum(xp, x, shrunk, edges, coupled, k, passes)
        elif k == 1 and n >= MANY_ROWS and each is None:

            def slope(w: Any) -> Any:
                return exact_gradient(xp, x, shrunk, loss, w)

            w = many_rows.minimised(xp, rows, found.codes, passes, slope, intercept=self.fit_intercept)
        elif k * columns <= MOST_COEFFICIENTS:
            w = minimised(xp, x, shrunk, loss, k, passes)
        else:
            w = by_blocks(xp, x, shrunk, loss, k, passes)
        shift = w[:, d] if self.fit_intercept else np.zeros(k)
        self.coef_, moved = rows.original(xp, w[:, :d], shift)
        if ratio and k > 1:
            # what is added to all alike changes nothing, and scikit-learn's steps from 0 add nothing
            moved = moved - numeric.at_precision(xp.sum(moved) * (1 / k), FINE_BITS)
        self.intercept_ = moved if self.fit_intercept else np.zeros(k)
        return self

    def _penalties(self) -> tuple[Fraction, Fraction]:
        """1 / C, 0 without a penalty, and what part of the penalty is that of absolute values."""
        penalty, ratio = self.penalty, number_of(self.l1_ratio or 0.0, "l1_ratio")
        if penalty == "deprecated":
            penalty = "l2" if ratio == 0 else "l1" if ratio == 1 else "elasticnet"
            penalty = None if np.inf == self.C else penalty
        elif penalty == "elasticnet" and self.l1_ratio is None:
            raise InputError("l1_ratio must be specified when penalty is elasticnet.", hint="pass one from 0 to 1")
        if self.solver not in ("liblinear", "saga") and penalty not in ("l2", None):
            raise InputError(
                f"Solver {self.solver} supports only 'l2' or None penalties, got {penalty} penalty.",
                hint="pass solver='saga'",
            )
        if penalty == "elasticnet" and self.solver != "saga":
            raise InputError(
                f"Only 'saga' solver supports elasticnet penalty, got solver={self.solver}.", hint="pass solver='saga'"
            )
        if self.solver == "liblinear" and penalty is None:
            raise InputError(
                "C=np.inf as well as penalty=None is not supported for the liblinear solver", hint="leave solver out"
            )
        if self.solver == "liblinear" and self.fit_intercept:
            raise InputError(
                "scikit-learn's liblinear penalises the intercept, which is not offered",
                hint="pass solver='saga', or fit_intercept=False",
            )
        if penalty is None or np.inf == self.C:
            return Fraction(0), Fraction(0)
        part = {"l1": Fraction(1), "l2": Fraction(0)}.get(penalty, ratio)
        return 1 / number_of(self.C, "C", above=True), part

    def predict_proba(self, X: Any) -> Any:
        """Probabilities (n, k) of the classes, within 2^-22. Raises InputError before `fit`."""
        return self._probabilities(X, together=True)

    def predict_log_proba(self, X: Any) -> Any:
        """Their logarithms; those of probabilities below 2^-24 are cut."""
        found = self.predict_proba(X)
        return array_namespace(found).log(found)


def _edges(xp: Any, rows: ScaledRows, weight: Fraction) -> Any:
    """Weights (d,) of absolute values of scaled coefficients, of `weight` for those of rows as they were."""
    stored = weight * rows.over * Fraction(2) ** rows.frac
    factor, half = rows.columns.factor, rows.columns.bits // 2
    edges = scaled_weights([stored] * factor.shape[0], factor, 1, half, within=False)
    return numeric.at_precision(xp.minimum(edges, MOST_EDGE), PASS_BITS)


def row_weights(xp: Any, X: Any, found: Classes, class_weight: Any, sample_weight: Any) -> tuple[Any, Fraction]:
    """Weights of rows (n,), over the public number that they come with, or None; and that number."""
    each: Any = None
    most = Fraction(1)
    if class_weight == "balanced":
        hot = found.one_hot() * 1
        counts = xp.sum(hot, axis=0)
        # n / (k count), over n / k
        most = Fraction(X.shape[0], len(found.classes))
        each = xp.sum(hot * numeric.reciprocal(counts, 1, FINE_BITS), axis=1)
    elif isinstance(class_weight, Mapping):
        given = [number_of(class_weight.get(one, 1), "a class weight") for one in found.classes.tolist()]
        if not any(given):
            raise InputError("all class weights are 0", hint="pass weights above 0")
        most = _power_above(max(given))
        parts = np.array([round(one / most * (1 << FINE_BITS)) for one in given])
        each = numeric.times_power(xp.sum(found.one_hot() * parts, axis=1), -FINE_BITS, FINE_BITS)
    elif class_weight is not None:
        raise InputError(f"class_weight is {class_weight!r}", hint="pass a dict by classes, 'balanced' or None")
    if sample_weight is not None:
        own = weights(X, sample_weight)
        limit = most_of(own)
        own = own / limit if not is_secret(own) else _divided(numbers(own), limit.bit_length() - 1)
        each = own if each is None else each * own
        most = most * limit
    return (None if each is None else numeric.at_most(each, FINE_BITS)), most


def _power_above(value: Fraction) -> Fraction:
    """The least power of two that is not below."""
    power = Fraction(1)
    while power < value:
        power *= 2
    while power / 2 >= value:
        power /= 2
    return power


def _divided(x: Any, bits: int) -> Any:
    """x / 2^bits, exactly."""
    return numeric.times_power(x, -bits, FINE_BITS)


class _Logistic:
    """Four times the log loss of two classes."""

    def __init__(self, y: Any, weight: Any) -> None:
        self.y = y
        self.weight = None if weight is None else weight[:, None]

    def slopes(self, z: Any) -> Any:
        return self._weighed((special.expit(z) - self.y) * 4, FINE_BITS)

    def means(self, z: Any) -> Any:
        return special.expit(z)

    def slopes_of(self, p: Any, bits: int) -> Any:
        return self._weighed((p - self.y) * 4, bits)

    def bends_of(self, p: Any) -> Any:
        return self._weighed(numeric.at_precision((p - p * p) * 4, COARSE_BITS), COARSE_BITS)

    def turned(self, p: Any, u: Any) -> Any:
        return self._weighed(numeric.at_precision(self.bends_of_one(p) * u, CURVED_BITS), CURVED_BITS)

    def bends_of_one(self, p: Any) -> Any:
        return numeric.at_precision((p - p * p) * 4, COARSE_BITS)

    def curvatures(self, z: Any) -> tuple[Any, Any]:
        p = expit(z)
        return self._weighed((p - self.y) * 4, COARSE_BITS), self.curved_of(p)

    def curved_of(self, p: Any) -> Any:
        return self._weighed(numeric.at_precision((p - p * p) * 4, CURVED_BITS), CURVED_BITS)

    def _weighed(self, values: Any, bits: int) -> Any:
        return values if self.weight is None else numeric.at_precision(values * self.weight, bits)


class _Softmax(_Logistic):
    """Four times the log loss of several classes."""

    def __init__(self, xp: Any, y: Any, weight: Any) -> None:
        super().__init__(y, weight)
        self.xp = xp

    def slopes(self, z: Any) -> Any:
        return self._weighed((self._parts(z) - self.y) * 4, FINE_BITS)

    def means(self, z: Any) -> Any:
        return self._parts(z)

    def turned(self, p: Any, u: Any) -> Any:
        mean = numeric.at_precision(self.xp.sum(p * u, axis=1, keepdims=True), CURVED_BITS)
        return self._weighed(numeric.at_precision(p * (u - mean) * 4, CURVED_BITS), CURVED_BITS)

    def curvatures(self, z: Any) -> tuple[Any, Any]:
        p = self._parts(z)
        columns = [(p[:, a] if a == b else 0) - p[:, a] * p[:, b] for a, b in pairs(p.shape[1])]
        bends = numeric.at_precision(self.xp.stack(columns, axis=1) * 4, CURVED_BITS)
        return self._weighed((p - self.y) * 4, COARSE_BITS), self._weighed(bends, CURVED_BITS)

    def _parts(self, z: Any) -> Any:
        return softmax_of(z)


class _Coupled(_Softmax):
    """The same, its second derivatives as `sparse_minimum` takes them."""

    def curvatures(self, z: Any) -> tuple[Any, Any]:
        p = self._parts(z)
        return self.slopes_of(p, COARSE_BITS), self.curved_of(p)

    def curved_of(self, p: Any) -> Any:
        columns = [p[:, a] * p[:, b] for a, b in between(p.shape[1])]
        return self._weighed(numeric.at_precision(self.xp.stack(columns, axis=1) * 4, CURVED_BITS), CURVED_BITS)
