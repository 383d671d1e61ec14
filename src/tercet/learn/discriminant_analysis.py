"""Linear discriminant analysis: means of secret classes, and the inverse of the covariance that they have in common."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, ClassVar

import numpy as np

from tercet.array import numeric
from tercet.array.core import SecretArray
from tercet.array.softmax import log_softmax, softmax
from tercet.errors import InputError
from tercet.learn.beside import classes_beside
from tercet.learn.by_class import ByClass, given_priors, log_priors
from tercet.learn.discriminant_directions import directions
from tercet.learn.eigen import LARGEST
from tercet.learn.inputs import array_namespace, features, labels
from tercet.learn.kinds import ClassifierModel
from tercet.learn.ledoit_wolf import shrunk_scatter
from tercet.learn.nearest import least, places
from tercet.learn.parameters import NOTHING, OneOf, Real, Whole
from tercet.learn.plain import revealed, shared
from tercet.learn.solve import Normalised, diagonal, scaled, solve

ROOM = 122
MEAN_BITS = 52
COEF_FRAC_BITS = 40
INVERSE_FRAC_BITS = 44
APART_FRAC_BITS = 36
APART = 1 << 12
"""Means lie within so many standard deviations of the mean of all rows."""
SCORE_BITS = 20
SPARE_BITS = 8
SCATTER_BITS = 28
"""Fractional bits of the scatter behind those of products of two rows."""
FLOAT_BITS = 80
TURNED_FRAC_BITS = 32
SHRINKAGE_BITS = 24
PRIOR_BITS = 40


class LinearDiscriminantAnalysis(ClassifierModel):
    """Classes with means of their own and one covariance, in scikit-learn's manner, of secret or NumPy arrays.

    `fit(X, y, classes=None)`: X (n, d), y (n,) with public classes (bools, categories, integers with tight bounds, or
    `classes`). Sums of products are exact; the covariance within classes is scaled by secret powers of two to variances
    in [1/4, 1) and inverted by LDL' at 48 bits (`tercet.learn.solve`). A column that those before it determine, or that
    is constant within all classes, counts as not there. Coefficients are those of scikit-learn's solver "svd"; of
    two classes the others have the same.

    After fit, secret: `coef_`, `intercept_` (of two classes (1, d) and (1,), else (k, d) and (k,)), `means_` (k, d),
    `priors_` (k,), `xbar_` (d,); public: `classes_`, `n_features_in_`. Nothing is revealed. Error: about 2^-30 of a
    coefficient, times the condition number of the scaled covariance; means are held within 2^12 standard deviations
    of each other. Rounds: about 55 d. Raises InputError for shapes, solvers and classes that do not fit.

    `transform` gives rows in the directions that set classes apart, `n_components` of them or all min(k - 1, d), as
    solver "svd" does, for up to 64 classes: `scalings_` (d, c), `explained_variance_ratio_` (c,) and `offset_`, which
    is xbar_ @ scalings_, all secret. The last class lies on the side of each direction that is positive, where
    scikit-learn's sign is as it comes; a direction that explains less than 2^-24 of the squared distances of means
    is 0; as that is relative, those of classes whose means are all the same are of rounding alone. Only what
    transforms, or saves, pays for them: with 3 classes 970 rounds more, with 2 about 110.

    `shrinkage`: a public number s from 0 to 1: the covariance is (1 - s) times itself and s times its mean variance on
    the diagonal, as that of scikit-learn's solvers "lsqr" and "eigen"; scores of several classes are then theirs but
    for what all classes of a row have in common. "auto": each class's own by Ledoit and Wolf's estimate, towards its
    own variances (`tercet.learn.ledoit_wolf`), and k n d words more. `priors`: public parts of the classes, in place of
    those that rows have; they move `xbar_` and intercepts, and stand beside no shrinkage.
    """

    fitted = (
        *("coef_", "intercept_", "means_", "priors_", "xbar_", "scalings_", "offset_", "explained_variance_ratio_"),
        *("classes_", "n_features_in_"),
    )
    n_features_in_: int
    scalings_: Any
    offset_: Any
    explained_variance_ratio_: Any
    not_offered: ClassVar = {
        "solver": 'coefficients are those of "svd", with shrinkage of "lsqr"; leave it out',
        "covariance_estimator": "pass shrinkage, a number",
        "store_covariance": "leave it out",
        "tol": "a column of which less than 2^-24 is left counts as not there; leave it out",
    }

    allowed: ClassVar = {"shrinkage": (Real(0, 1), OneOf(("auto", None))), "n_components": (Whole(1), NOTHING)}

    def __init__(
        self, *, shrinkage: float | str | None = None, priors: Any = None, n_components: int | None = None
    ) -> None:
        self.shrinkage = shrinkage
        self.priors = priors
        self.n_components = n_components

    def fit(self, X: Any, y: Any, *, classes: Any = None) -> LinearDiscriminantAnalysis:
        X = features(X, self, fitting=True)
        found = classes_beside(X, y, classes)
        self.classes_ = found.classes
        rows, count = X.shape[0], len(found.classes)
        if not 2 <= count < rows:
            raise InputError(
                f"{count} classes of {rows} rows", hint="pass two classes or more, and more rows than that"
            )
        most = min(count - 1, X.shape[1])
        if self.n_components is not None and self.n_components > most:
            raise InputError(
                f"n_components={self.n_components} of {count} classes and {X.shape[1]} columns", hint=f"1 to {most}"
            )
        given = None if self.priors is None else given_priors(self.priors, count)
        if given is not None and self.shrinkage:
            raise InputError("priors beside shrinkage, which weighs covariances by them", hint="leave one of them out")
        sums = ByClass(X, found)
        xp = sums.xp
        bits = getattr(sums.rows, "frac_bits", 0)
        size = rows.bit_length() + 2 * sums.half.bit_length() + 2
        means = sums.means(min(MEAN_BITS, (ROOM - size) // 2))
        mean_bits = getattr(means, "frac_bits", 0)
        if given is None:
            whole = numeric.at_precision(xp.sum(sums.rows, axis=0), mean_bits)
            whole = numeric.settled(numeric.over(whole, Fraction(rows)))
        else:
            parts = np.rint(np.ldexp(given, PRIOR_BITS)).astype(np.int64)
            weighed = xp.sum(means * parts[:, None], axis=0)
            whole = numeric.at_precision(numeric.times_power(weighed, -PRIOR_BITS, mean_bits + PRIOR_BITS), mean_bits)
        inverse, unit, halves = _within(xp, sums, means, self.shrinkage or 0.0)
        apart = _apart(means - whole, unit, halves)
        turned = numeric.at_precision(xp.matmul(apart, inverse), TURNED_FRAC_BITS)
        factor = float(rows / 4.0 ** (rows.bit_length() // 2))
        coef = _coefficients(turned * factor, unit, halves, sums)
        half = numeric.at_precision(
            xp.sum(numeric.at_most(apart, TURNED_FRAC_BITS) * turned, axis=1), SCORE_BITS + SPARE_BITS
        ) * (-0.5 * factor)
        priors = sums.priors() if given is None else given
        intercept = numeric.at_precision(half, SCORE_BITS) + log_priors(priors)
        intercept = intercept - _at(xp, coef, whole + sums.middle, bits)
        self.scalings_ = self.offset_ = self.explained_variance_ratio_ = None
        if not self.shrinkage and count <= LARGEST:
            across, ratio = directions(apart, turned, priors, most)
            scalings = _coefficients(across * factor**0.5, unit, halves, sums)
            self.offset_ = _at(xp, scalings, whole + sums.middle, bits)
            self.scalings_ = xp.matrix_transpose(numeric.over(scalings, 1 / sums.divisor))
            self.explained_variance_ratio_ = ratio[: self.n_components]
        if count == 2:
            coef, intercept = coef[1:] - coef[:1], intercept[1:] - intercept[:1]
        self.coef_, self.intercept_ = numeric.over(coef, 1 / sums.divisor), intercept
        self.means_, self.xbar_, self.priors_ = sums.placed(means), xp.mean(X, axis=0), priors
        if given is not None:
            self.xbar_ = sums.placed(whole)
        return self

    def decision_function(self, X: Any) -> Any:
        """(n, k), or (n,) of two classes: the larger, the likelier; at 20 fractional bits. Two rounds."""
        self.check_fitted()
        X, divisor = numeric.numerator(features(X, self))
        xp = array_namespace(X, self.coef_)
        coef = numeric.settled(numeric.over(self.coef_, divisor))
        found = numeric.at_precision(xp.matmul(X, xp.matrix_transpose(coef)), SCORE_BITS) + self.intercept_
        return found[:, 0] if len(self.classes_) == 2 else found

    def _scores(self, X: Any) -> Any:
        found = self.decision_function(X)
        if len(self.classes_) > 2:
            return found
        xp = array_namespace(found)
        return xp.stack([found * 0, found], axis=1)

    def predict(self, X: Any) -> Any:
        """(n,): the likeliest class, of equally likely ones the first."""
        scores = self._scores(X)
        xp = array_namespace(scores)
        return labels(places(xp, least(-xp.matrix_transpose(scores))[1]), self.classes_)

    def predict_proba(self, X: Any) -> Any:
        """(n, k): posterior probabilities of the classes."""
        return softmax(self._scores(X), axis=1)

    def predict_log_proba(self, X: Any) -> Any:
        """(n, k): logarithms of the posterior probabilities."""
        return log_softmax(self._scores(X), axis=1)

    def transform(self, X: Any) -> Any:
        """(n, c): (X - xbar_) @ scalings_, as scikit-learn's solver "svd", for c `n_components`, or all; at 20
        fractional bits. Two rounds. Raises InputError before `fit`, with shrinkage and of more than 64 classes."""
        self.check_fitted()
        if self.scalings_ is None:
            raise InputError(
                'no transform of a model with shrinkage, of more than 64 classes, or of another solver than "svd"',
                hint="fit without shrinkage: with it scikit-learn's total covariance is shrunk, too",
            )
        X, divisor = numeric.numerator(features(X, self))
        xp = array_namespace(X, self.scalings_)
        scalings = numeric.settled(numeric.over(self.scalings_[:, : self.n_components], divisor))
        return numeric.at_precision(xp.matmul(X, scalings), SCORE_BITS) - self.offset_[: self.n_components]

    def fit_transform(self, X: Any, y: Any, *, classes: Any = None) -> Any:
        """`fit(X, y)`, then `transform(X)`."""
        return self.fit(X, y, classes=classes).transform(X)

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import TransformerTags

        tags = super().__sklearn_tags__()
        tags.transformer_tags = TransformerTags()
        return tags

    @classmethod
    def from_sklearn(cls, fitted: Any, session: Any) -> LinearDiscriminantAnalysis:
        """A fitted scikit-learn's model of its owner, shared in a session, to predict others' classes, and, if its
        solver is "svd", to transform.

        Public are `classes_`, shapes, parameters, and powers of two above coefficients, intercepts and means.
        """
        model = cls(shrinkage=fitted.shrinkage, n_components=fitted.n_components)
        for name in ("coef_", "intercept_", "means_", "priors_", "xbar_"):
            value = getattr(fitted, name, None)
            value = fitted.priors_ @ fitted.means_ if value is None else value
            setattr(model, name, shared(session, value, most_bits=COEF_FRAC_BITS))
        model.scalings_ = model.offset_ = model.explained_variance_ratio_ = None
        if fitted.solver == "svd":
            scalings = fitted.scalings_[:, : len(fitted.classes_) - 1]
            model.scalings_ = shared(session, scalings, most_bits=COEF_FRAC_BITS)
            model.offset_ = shared(session, fitted.xbar_ @ scalings, most_bits=SCORE_BITS)
            model.explained_variance_ratio_ = shared(session, fitted.explained_variance_ratio_, least=1)
        model.classes_, model.n_features_in_ = fitted.classes_, int(fitted.n_features_in_)
        return model

    def to_sklearn(self) -> Any:
        """A fitted scikit-learn's model: reveals coefficients, intercepts, means and scalings, in one plan."""
        from sklearn.discriminant_analysis import LinearDiscriminantAnalysis as Plain

        plain = Plain(
            solver="svd" if self.shrinkage is None else "lsqr",
            **{name: getattr(self, name) for name in ("shrinkage", "priors", "n_components")},
        )
        found = ["coef_", "intercept_", "means_", "priors_", "xbar_"]
        if self.scalings_ is not None:
            found += ["scalings_", "explained_variance_ratio_"]
            plain._max_components = self.n_components or self.scalings_.shape[1]
        revealed(self, plain, found)
        plain.classes_, plain.n_features_in_ = self.classes_, self.n_features_in_
        return plain


def _within(xp: Any, sums: ByClass, means: Any, shrinkage: float | str) -> tuple[Any, Any, int]:
    """The inverse of the scatter within classes, scaled by powers of two; these, and by which power of two a row times
    them is to be divided to be in units near the columns' standard deviations."""
    rows, columns = sums.rows.shape
    bits = getattr(sums.rows, "frac_bits", 0)
    finest = 2 * bits + SCATTER_BITS - (SHRINKAGE_BITS if shrinkage else 0)
    lost: Any = 2.0 ** max(rows.bit_length() - 2 * getattr(means, "frac_bits", 0), -2 * bits - SCATTER_BITS)
    if not isinstance(means, SecretArray):
        # floats have no last bit of their own: a part of the squares that is far above their rounding
        lost = xp.sum(sums.rows**2, axis=0) * 2.0**-FLOAT_BITS + np.finfo(np.float64).tiny
    if isinstance(shrinkage, str):
        scatter, finer = shrunk_scatter(xp, sums, means, finest, lost * 2**SPARE_BITS, SHRINKAGE_BITS)
    else:
        scatter, finer = numeric.as_integers(numeric.at_most(_scatter(xp, sums, means), finest))
    if shrinkage and not isinstance(shrinkage, str):
        kept, spread = (one * 2**SHRINKAGE_BITS for one in (1 - shrinkage, shrinkage / columns))
        if isinstance(scatter, SecretArray):
            kept, spread = round(kept), round(spread)
        trace = xp.sum(diagonal(xp, scatter))
        scatter = scatter * kept + trace * spread * np.eye(columns, dtype=np.int64)
        scatter = numeric.times_power(scatter, -SHRINKAGE_BITS, 0) if not isinstance(scatter, SecretArray) else scatter
        finer = finer + SHRINKAGE_BITS if isinstance(scatter, SecretArray) else finer
    variances = diagonal(xp, scatter)
    scales = Normalised(variances)
    constant = numeric.times_power(variances, -finer, finer) < lost * 2**SPARE_BITS
    unit = xp.where(constant, 0, scales.factor)
    across, down = xp.expand_dims(unit, axis=0), xp.expand_dims(unit, axis=1)
    matrix = scaled(scatter, down, across, scales.bits)
    solved = solve(xp, xp.concat([matrix, matrix[:, :1] * 0], axis=1), columns, inverse=True)
    inverse = numeric.at_most(solved.inverse, INVERSE_FRAC_BITS)
    # sd t = 2^(nu - P/2) v sqrt(scatter) / sqrt(n), with 4^nu near n
    return inverse, unit, (scales.bits - finer) // 2 - rows.bit_length() // 2


def _scatter(xp: Any, sums: ByClass, means: Any) -> Any:
    """(d, d): sums of (x - m)(x - m)' for means m as they were rounded: off by the square of that, and not below 0."""
    if not isinstance(means, SecretArray):
        # sums of floats cancel, those of integers do not
        away = sums.rows - xp.matmul(xp.matrix_transpose(sums.across), means)
        return xp.matmul(xp.matrix_transpose(away), away)
    stored, bits = numeric.as_integers(sums.rows)
    products = numeric.times_power(xp.matmul(xp.matrix_transpose(stored), stored), -2 * bits, 2 * bits)
    turned = xp.matrix_transpose(means)
    between = xp.matmul(turned, sums.sums)
    beside = xp.matmul(turned, means * xp.expand_dims(sums.counts, axis=1))
    return products - (between + xp.matrix_transpose(between)) + beside


def _apart(means: Any, unit: Any, halves: int) -> Any:
    """Means in units of standard deviations."""
    found = numeric.times_power(
        numeric.at_most(numeric.settled(means), APART_FRAC_BITS) * unit, -halves, APART_FRAC_BITS
    )
    return numeric.held(found, -APART, APART, APART_FRAC_BITS)


def _coefficients(turned: Any, unit: Any, halves: int, sums: ByClass) -> Any:
    """Back in units of the columns, held so that products with rows fit."""
    most = ROOM - COEF_FRAC_BITS - numeric.magnitude_bits(sums.rows) - sums.rows.shape[1].bit_length() - 2
    turned = numeric.at_most(turned, TURNED_FRAC_BITS)
    excess = numeric.magnitude_bits(turned) + numeric.magnitude_bits(unit) - ROOM
    turned = numeric.at_most(turned, TURNED_FRAC_BITS - max(0, excess))
    found = numeric.times_power(turned * unit, -halves, COEF_FRAC_BITS)
    return numeric.held(found, -(1 << most), 1 << most, COEF_FRAC_BITS)


def _at(xp: Any, coef: Any, place: Any, bits: int) -> Any:
    """coef @ place: by as many bits as rows have, which fit, and then by what else fits."""
    coarse, fine = numeric.split(place, bits)
    room = ROOM - numeric.magnitude_bits(coef) - coef.shape[1].bit_length()
    first = numeric.at_precision(xp.matmul(coef, coarse), SCORE_BITS + SPARE_BITS)
    second = numeric.at_precision(xp.matmul(coef, numeric.at_most(fine, bits + room)), SCORE_BITS + SPARE_BITS)
    return numeric.at_precision(first + second, SCORE_BITS)
