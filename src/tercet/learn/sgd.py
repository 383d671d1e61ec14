"""SGDClassifier and SGDRegressor: descent by public batches, as loops of the plan."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

import numpy as np

from tercet.array import numeric
from tercet.errors import InputError
from tercet.learn.inputs import array_namespace, classes_of, features, target
from tercet.learn.interchange import InterchangedModel
from tercet.learn.kinds import RegressorModel
from tercet.learn.linear_classifier import LinearClassifier, numbers, weighed
from tercet.learn.linear_model import foreign_reach, reach_of
from tercet.learn.model import SecretModel
from tercet.learn.parameters import count_of, number_of
from tercet.learn.passes import drawn_in, repeat, spread
from tercet.learn.public_random import PublicRandom
from tercet.learn.sigmoid import FINE, missed

UNROLLED = 64
"""Batches that a loop's body has at most; more are gone through by a loop inside."""
WEIGHT_BITS = 28
FEWEST_BITS = 16
WIDE_BITS = 24
RATE_BITS = 24
SUM_BITS = 62
"""What sums over a batch have at most."""
REST_LIMIT = 16
"""Residuals count up to so many widths of y's bounds."""
_NOT_OFFERED = {
    **dict.fromkeys(
        ("tol", "early_stopping", "validation_fraction", "n_iter_no_change"),
        "passes are public and as many as max_iter: a test of secrets would reveal when it stops",
    ),
    **dict.fromkeys(("warm_start", "average"), "each fit begins at 0 and gives the last coefficients"),
    **dict.fromkeys(("verbose", "n_jobs"), "leave it out"),
    **dict.fromkeys(("l1_ratio", "epsilon"), "penalties are 'l2' or None; losses are the ones of its name"),
    "class_weight": "pass LogisticRegression(class_weight=...)",
}


_Gradient = Callable[[Any, Any, Any, float], Any]
"""Of a batch's rows, their scores and targets: the gradient times a public number."""


class _Descent(SecretModel):
    """Descent along the mean gradient of a batch, from 0."""

    loss: str
    penalty: str | None
    alpha: float
    fit_intercept: bool
    max_iter: int
    shuffle: bool
    random_state: int | None
    learning_rate: str
    eta0: float
    power_t: float
    batch_size: int

    def _descended(self, X: Any, y: Any, gradient: _Gradient, steepest: float) -> Any:
        """Coefficients (d + 1, k), the intercept last, for targets (n, k); `steepest`: what bounds a row's gradient."""
        xp = array_namespace(X, y)
        passes, batch = count_of(self.max_iter, "max_iter"), count_of(self.batch_size, "batch_size")
        if self.penalty not in ("l2", None):
            raise InputError(f"penalty is {self.penalty!r}", hint="pass 'l2' or None")
        alpha = float(number_of(self.alpha, "alpha"))
        X = numbers(X)
        if self.fit_intercept:
            X = xp.concat([X, spread(np.ones((X.shape[0], 1)), X, 0)], axis=1)
        if self.shuffle:
            if self.random_state is None:
                raise InputError(
                    "batches are drawn by a public seed", hint="pass random_state=0, another integer, or shuffle=False"
                )
            order = PublicRandom(self.random_state, "sgd").permutation(X.shape[0])
            X, y = xp.take(X, order, axis=0), xp.take(y, order, axis=0)
        rows, columns = X.shape
        batch = min(batch, rows)
        batches = -(-rows // batch)
        rates = self._rates(alpha, passes * batches)
        shrunk = np.full((columns, 1), alpha if self.penalty == "l2" else 0.0)
        if self.fit_intercept:
            shrunk[-1] = 0.0
        least, most = numeric.value_range(X)
        limit = max(1.0, _reached(rates, max(abs(least), abs(most)) * steepest))
        bits = _fraction_bits(X, limit)
        constant = None if len(set(rates)) > 1 else rates[0]

        def step(w: Any, x: Any, t: Any, rate: Any) -> Any:
            part = (1.0 if constant is None else constant) / x.shape[0]
            pull = gradient(x, xp.matmul(x, w), t, part)
            if constant is not None:
                kept = w * (1 - constant * shrunk) if shrunk.any() else w
                return numeric.at_precision(kept - numeric.at_precision(pull, bits), bits)
            inner = pull + w * shrunk if shrunk.any() else pull
            return numeric.at_precision(w - numeric.at_precision(inner, bits) * rate, bits)

        def steps(w: Any, x: Any, t: Any, rate: Any) -> Any:
            for place, first in enumerate(range(0, x.shape[0], batch)):
                cut = slice(first, min(first + batch, x.shape[0]))
                w = step(w, x[cut], t[cut], None if rate is None else rate[place])
            return w

        start = spread(np.zeros((columns, y.shape[1])), X, bits)
        blocks = batches // UNROLLED if batches > UNROLLED else 0
        within = blocks * UNROLLED * batch
        bounds = ((-limit, limit),)

        def through(w: Any, *rate: Any) -> Any:
            if blocks:
                w, *rate = _in_blocks(xp, steps, blocks, UNROLLED * batch, bounds, w, X, y, *rate)
            if within < rows:
                w = steps(w, X[within:], y[within:], rate[0] if rate else None)
            return (w, *(_turned(xp, one, batches - blocks * UNROLLED) for one in rate))

        if constant is not None:
            return repeat(passes, through, start, bounds=bounds)[0]
        each = spread(np.array(rates), X, RATE_BITS)
        return repeat(passes, through, start, each, bounds=(*bounds, None))[0]

    def _rates(self, alpha: float, steps: int) -> list[float]:
        """The public rate of each step, as scikit-learn's of that name."""
        eta = float(number_of(self.eta0, "eta0"))
        if self.learning_rate == "constant":
            return [eta] * steps
        if self.learning_rate == "invscaling":
            power = float(number_of(self.power_t, "power_t"))
            return [eta / t**power for t in range(1, steps + 1)]
        if self.learning_rate == "optimal" and alpha:
            begin = 1 / (math.sqrt(1 / math.sqrt(alpha)) * alpha)
            return [1 / (alpha * (begin + t)) for t in range(steps)]
        raise InputError(
            f"learning_rate is {self.learning_rate!r} with alpha {alpha:g}",
            hint="pass 'constant', 'invscaling', or 'optimal' with an alpha above 0",
        )


def _reached(rates: list[float], pull: float) -> float:
    """How far steps of these rates along a gradient of that size take a coefficient at most."""
    return sum(rates) * pull * (1 + 2.0**-10) + 2.0**-4


def _fraction_bits(x: Any, limit: float) -> int:
    """Those of coefficients, so that products with rows fit 64 bits where that leaves 16 at least."""
    needed = numeric.magnitude_bits(numeric.as_integers(x)[0]) + math.ceil(math.log2(limit * x.shape[1]))
    room = 60 - needed
    return min(WEIGHT_BITS, room) if room >= FEWEST_BITS else WIDE_BITS


def _turned(xp: Any, x: Any, count: int) -> Any:
    """x with its first elements last."""
    return xp.concat([x[count:], x[:count]], axis=0) if 0 < count < x.shape[0] else x


def _in_blocks(
    xp: Any, steps: Callable[..., Any], blocks: int, length: int, bounds: Any, w: Any, x: Any, y: Any, *rate: Any
) -> Any:
    """Steps through the first rows, block by block: a loop that turns the rows, so that its body is one block."""

    def block(w: Any, x: Any, y: Any, *rate: Any) -> Any:
        w = steps(w, x[:length], y[:length], rate[0] if rate else None)
        turned = (_turned(xp, one, UNROLLED) for one in rate)
        return (w, _turned(xp, x, length), _turned(xp, y, length), *turned)

    w, _, _, *rate = repeat(blocks, block, w, x, y, *rate, bounds=(*bounds, None, None, *(None for _ in rate)))
    return (w, *rate)


class SGDClassifier(LinearClassifier, _Descent):
    """Linear classifiers by stochastic gradient descent, in scikit-learn's names; each step takes the mean gradient of
    a batch, and with `batch_size=1` and `shuffle=False` steps are scikit-learn's own.

    `loss`: "hinge" or "log_loss" (the logistic function to 2^-15 or better, in 3 rounds); `penalty`: "l2" or None;
    `learning_rate`: "constant" (`eta0`, 6 rounds a step, with "hinge" 8), "optimal" or "invscaling" (2 rounds more:
    public rates are carried through the loop). `max_iter` public passes over the rows, which stand in one public order
    by `random_state` in all of them. Several classes are learned side by side, each against the rest, in the same
    rounds. Public classes: bools, categories, integers within bounds of y, or `classes`.

    Features are taken as they are: scale them first. Coefficients move by at most the sum of the rates times the
    largest feature, which bounds them; they have 16 to 28 fractional bits. Nothing is revealed. Raises InputError for
    parameters that are not offered.
    """

    not_offered: ClassVar[dict[str, str]] = _NOT_OFFERED

    def __init__(
        self,
        loss: str = "hinge",
        *,
        penalty: str | None = "l2",
        alpha: float = 0.0001,
        fit_intercept: bool = True,
        max_iter: int = 10,
        shuffle: bool = True,
        random_state: int | None = None,
        learning_rate: str = "optimal",
        eta0: float = 0.01,
        power_t: float = 0.5,
        batch_size: int = 256,
        classes: Any = None,
    ) -> None:
        self.loss = loss
        self.penalty = penalty
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.learning_rate = learning_rate
        self.eta0 = eta0
        self.power_t = power_t
        self.batch_size = batch_size
        self.classes = classes

    def fit(self, X: Any, y: Any) -> SGDClassifier:
        gradients = {"hinge": _hinge, "log_loss": _logistic}
        if self.loss not in gradients:
            raise InputError(f"loss is {self.loss!r}", hint="pass 'hinge' or 'log_loss'")
        X = features(X, self, fitting=True)
        xp = array_namespace(X, y)
        found = classes_of(target(X, y), self.classes)
        self.classes_ = found.classes
        if len(found.classes) < 2:
            raise InputError(f"y has one class, {found.classes.tolist()}", hint="pass two classes or more")
        codes = found.codes[:, None] if len(found.classes) == 2 else found.one_hot() * 1
        w = self._descended(X, codes, gradients[self.loss], 1.0)
        d = X.shape[1]
        self.coef_ = xp.matrix_transpose(w[:d])
        self.intercept_ = w[d] if self.fit_intercept else np.zeros(w.shape[1])
        return self

    @property
    def predict_proba(self) -> Callable[[Any], Any]:
        """`predict_proba(X)`: probabilities (n, k), by the logistic function, each class against the rest; of more than
        two classes as parts of their sum. Models of another loss than "log_loss" have it not (AttributeError)."""
        if self.loss != "log_loss":
            raise AttributeError(f"probability estimates are not available for loss={self.loss!r}: pass 'log_loss'")
        return partial(self._probabilities, together=False)


class SGDRegressor(InterchangedModel, RegressorModel, _Descent):
    """Linear regression by stochastic gradient descent; steps, parameters and bounds as `SGDClassifier`, `loss`
    "squared_error" alone.

    Residuals count up to 16 times the width of y's bounds, by two comparisons a row: what lies beyond is a descent
    that diverges. Raises InputError for parameters that are not offered.
    """

    not_offered: ClassVar[dict[str, str]] = _NOT_OFFERED
    fitted = ("coef_", "intercept_", "reach_")
    reach_: list[int] | None

    def __init__(
        self,
        loss: str = "squared_error",
        *,
        penalty: str | None = "l2",
        alpha: float = 0.0001,
        fit_intercept: bool = True,
        max_iter: int = 10,
        shuffle: bool = True,
        random_state: int | None = None,
        learning_rate: str = "invscaling",
        eta0: float = 0.01,
        power_t: float = 0.25,
        batch_size: int = 256,
    ) -> None:
        self.loss = loss
        self.penalty = penalty
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.learning_rate = learning_rate
        self.eta0 = eta0
        self.power_t = power_t
        self.batch_size = batch_size

    def fit(self, X: Any, y: Any) -> SGDRegressor:
        if self.loss != "squared_error":
            raise InputError(f"loss is {self.loss!r}", hint="pass 'squared_error'; clip outliers of y before")
        X = features(X, self, fitting=True)
        y = numbers(target(X, y))
        self.reach_ = reach_of(*numeric.value_range(y), X.shape[0])
        low, high = numeric.value_range(y)
        most = float(REST_LIMIT * max(1, high - low))

        def squared(x: Any, z: Any, t: Any, part: float) -> Any:
            return _pulled(x, drawn_in(numeric.at_most(z, WIDE_BITS) - t, most)[0]) * part

        w = self._descended(X, y[:, None], squared, most)
        d = X.shape[1]
        self.coef_ = w[:d, 0]
        self.intercept_ = w[d:][:, 0] if self.fit_intercept else np.zeros(1)
        return self

    def predict(self, X: Any) -> Any:
        """X @ coef_ + intercept_, clipped as LinearRegression's. Raises InputError before `fit`."""
        self.check_fitted()
        found = weighed(features(X, self), self.coef_[None, :], self.intercept_)[:, 0]
        return numeric.held(found, *(self.reach_ or foreign_reach(found)))


def _pulled(x: Any, each: Any) -> Any:
    """What rows add to the gradient."""
    xp = array_namespace(x, each)
    return xp.matmul(xp.matrix_transpose(x), each)


def _logistic(x: Any, z: Any, t: Any, part: float) -> Any:
    mantissa, exponent = math.frexp(part)
    reach = max(1, *map(abs, numeric.value_range(x))) * x.shape[0] * mantissa * (1 + 2.0**-10)
    room = SUM_BITS - numeric.as_integers(x)[1] - math.ceil(math.log2(reach))
    each = numeric.at_most(missed(z, t, mantissa, room), max(FINE, room))
    return numeric.times_power(_pulled(x, each), exponent, FINE - exponent)


def _hinge(x: Any, z: Any, t: Any, part: float) -> Any:
    xp, z = array_namespace(z), numeric.at_most(z, WIDE_BITS)
    return _pulled(x, xp.where(z >= -1, 1 - t, 0) - xp.where(z <= 1, t, 0)) * part
