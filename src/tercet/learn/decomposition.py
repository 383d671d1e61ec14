"""Principal components and singular vectors, by a secret eigen-decomposition of exact sums of products."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, ClassVar

import numpy as np

from tercet.array import numeric
from tercet.errors import InputError
from tercet.learn.eigen import BITS, LARGEST, eigh
from tercet.learn.inputs import array_namespace, features
from tercet.learn.kinds import TransformerModel
from tercet.learn.plain import revealed, shared
from tercet.plan.table.reasons import CAUCHY_SCHWARZ

ROOM = 122
"""Bits that the stored integer of a variance may have."""
MOST_FRAC_BITS = 52
LEAST_BITS = 16
RATIO_BITS = 50
WHITENED_BITS = 24
WHITENING_BITS = 32
"""Fractional bits of the variances by whose roots `whiten` divides."""
_SOLVERS = "all components are found by one exact eigen-decomposition; leave it out"


class _Spectrum:
    """Eigenvalues and vectors of a symmetric matrix of integers whose trace is scaled to [1/4, 1) by a secret power
    of two; and what those integers are to be divided by to be what they stand for."""

    def __init__(self, matrix: Any, frac_bits: int, over: Fraction) -> None:
        xp = array_namespace(matrix)
        self.frac_bits, self.over = frac_bits, over
        trace = xp.sum(matrix.reshape(-1)[:: matrix.shape[0] + 1])
        self.bits = numeric.top_bits(trace)
        self.factor, self.complement = numeric.half_normaliser(trace, self.bits)
        self.matrix = self.scaled(matrix)
        values, self.vectors = eigh(self.matrix)
        self.values = numeric.bounded(xp.maximum(values, 0.0), 0, (1 << BITS) + (1 << BITS - 6), CAUCHY_SCHWARZ)

    def scaled(self, matrix: Any) -> Any:
        """Another matrix of integers, whose elements are not above the trace, likewise."""
        top = 1 << self.bits
        once = numeric.product_within(matrix, self.factor, -top, top, CAUCHY_SCHWARZ)
        both = numeric.product_within(once, self.factor, -top, top, CAUCHY_SCHWARZ)
        return numeric.at_precision(numeric.times_power(both, -self.bits, BITS), BITS)

    def unscaled(self, values: Any, rows: int = 1) -> Any:
        """Scaled numbers in [0, 1] as what they stand for, divided by a public number of rows more."""
        over = self.over * rows
        exponent = int(over).bit_length()
        values = numeric.at_precision(values * float(2**exponent / over), BITS)
        stored, frac = numeric.as_integers(values)
        product = stored * self.complement
        power = -frac - 2 * self.frac_bits - exponent
        if not frac:
            return numeric.times_power(product * self.complement, power, 0)
        dropped = max(0, numeric.magnitude_bits(product) + self.bits // 2 - ROOM)
        high, low = numeric.cut(product, dropped)
        size = self.bits - 2 * self.frac_bits - exponent + 2
        bits = min(MOST_FRAC_BITS, ROOM - size)
        found = numeric.at_precision(numeric.times_power(high * self.complement, power + dropped, bits), bits)
        if low is not None:
            found = found + numeric.at_precision(numeric.times_power(low * self.complement, power, bits), bits)
        return numeric.bounded(found, -2, 1 << max(1, size + bits), CAUCHY_SCHWARZ)


def _moments(X: Any) -> tuple[Any, Any, int, Fraction]:
    """n X'X and s s' of stored integers, for n rows with sums s; their fractional bits, and what X is divided by."""
    xp = array_namespace(X)
    (X, divisor) = numeric.numerator(X)
    x, frac_bits = numeric.as_integers(X)
    sums = xp.sum(x, axis=0)
    products = xp.matmul(xp.matrix_transpose(x), x) * x.shape[0]
    return products, xp.expand_dims(sums, axis=1) * xp.expand_dims(sums, axis=0), frac_bits, divisor


def _kept(n_components: Any, rows: int, columns: int) -> int:
    """How many components there are. Raises InputError."""
    most = min(rows, columns)
    if n_components is None:
        return most
    if isinstance(n_components, bool) or not isinstance(n_components, int | np.integer):
        raise InputError(
            f"n_components={n_components!r}: how many components a part of the variance takes would be revealed",
            hint="pass a whole number; explained_variance_ratio_ says what each explains",
        )
    if not 1 <= n_components <= most:
        raise InputError(f"n_components={n_components} of {rows} rows and {columns} columns", hint=f"1 to {most}")
    return int(n_components)


def _checked(X: Any, model: Any) -> Any:
    X = features(X, model, fitting=True)
    if X.shape[0] < 2:
        raise InputError("a fit of 1 sample", hint="pass at least two rows")
    if X.shape[1] > LARGEST:
        raise InputError(f"{X.shape[1]} columns", hint=f"an eigen-decomposition takes up to {LARGEST}: choose columns")
    return X


def _projected(X: Any, components: Any) -> tuple[Any, int]:
    """X @ components' with the bits that the result needs, and these."""
    xp = array_namespace(X, components)
    (X, divisor) = numeric.numerator(X)
    lo, hi = numeric.value_range(X)
    bits = max(LEAST_BITS, getattr(X, "frac_bits", LEAST_BITS))
    needed = bits + 3 + max(-lo, hi, 1).bit_length() + (X.shape[1].bit_length() + 1) // 2
    room = ROOM - 2 - numeric.magnitude_bits(X) - X.shape[1].bit_length()
    across = xp.matrix_transpose(numeric.at_most(components, max(0, min(BITS, needed, room))))
    return numeric.over(numeric.at_precision(xp.matmul(X, across), bits + 2), divisor), bits


def _of_means(means: Any, components: Any, bits: int) -> Any:
    """The projection of the means, which are sums to be divided by the number of rows."""
    xp = array_namespace(means, components)
    sums, rows = numeric.numerator(means)
    found = xp.matmul(components, sums)
    more = max(0, int(abs(rows)).bit_length())
    return numeric.settled(numeric.over(numeric.at_precision(numeric.at_most(found, 80), bits + 2 + more), rows))


class PCA(TransformerModel):
    """Principal components, in scikit-learn's manner, of secret or NumPy arrays. Nothing is revealed.

    `fit(X)`: X (n, d) with d up to 64. n X'X - s s' is exact in integers, one word sent for each of its elements; its
    trace is scaled to [1/4, 1) by a secret power of two, so that declared bounds need not be tight; then Jacobi's
    rotations (`tercet.learn.eigen`) at 56 fractional bits. `n_components`: a whole number, or None for
    min(n, d). `whiten`: components are divided by their standard deviations in `transform`.

    After fit, secret: `components_` (k, d), each with its largest element in magnitude positive, as scikit-learn's
    svd_flip does, `explained_variance_` (k,), `explained_variance_ratio_` (k,), `mean_` (d,), `singular_values_` (k,);
    public: `n_components_`, `n_samples_`, `n_features_in_`. Error: 2^-44 of the total variance for eigenvalues,
    and that over the gap to the next for components. Rounds: about 140 (6 + 1.5 log2 d), beyond 32
    columns d/32 times as many, whatever n is. Raises InputError for shapes and parameters that are not offered,
    PlanError if sums of products do not fit 128 bits.
    """

    fitted = (
        *("components_", "explained_variance_", "explained_variance_ratio_", "mean_", "n_components_", "n_samples_"),
        "n_features_in_",
    )
    not_offered: ClassVar = {
        "copy": "data is never changed in place; leave it out",
        **dict.fromkeys(
            ("svd_solver", "tol", "iterated_power", "n_oversamples", "power_iteration_normalizer"), _SOLVERS
        ),
        "random_state": "nothing is drawn; leave it out",
    }

    n_features_in_: int

    def __init__(self, n_components: int | None = None, *, whiten: bool = False) -> None:
        self.n_components = n_components
        self.whiten = whiten

    def fit(self, X: Any, y: Any = None) -> PCA:
        X = _checked(X, self)
        xp = array_namespace(X)
        rows, columns = X.shape
        kept = _kept(self.n_components, rows, columns)
        products, squares, frac_bits, divisor = _moments(X)
        found = _Spectrum(products - squares, frac_bits, divisor**2 * rows * (rows - 1))
        self.components_ = found.vectors[:kept]
        self.explained_variance_ = found.unscaled(found.values[:kept])
        self.explained_variance_ratio_ = numeric.ratio(found.values[:kept], xp.sum(found.values), 1, RATIO_BITS)
        self.mean_ = xp.mean(X, axis=0)
        self.n_components_, self.n_samples_ = kept, rows
        return self

    @property
    def singular_values_(self) -> Any:
        """(k,): roots of n - 1 times the explained variances."""
        self.check_fitted()
        return array_namespace(self.components_).sqrt(self.explained_variance_ * (self.n_samples_ - 1))

    def transform(self, X: Any) -> Any:
        """(n, k): (X - mean_) @ components_', at X's fractional bits, 16 at least; error below a last bit.

        Two rounds, and with `whiten` those of an inverse root and a product. Raises InputError before `fit`.
        """
        self.check_fitted()
        X = features(X, self)
        found, bits = _projected(X, self.components_)
        found = numeric.at_precision(found - _of_means(self.mean_, self.components_, bits), bits)
        return numeric.at_precision(found / self._scale(), max(bits, WHITENED_BITS)) if self.whiten else found

    def inverse_transform(self, X: Any) -> Any:
        """(n, d): X @ components_ + mean_, for X (n, k); with `whiten`, X times the standard deviations before."""
        self.check_fitted()
        xp = array_namespace(X, self.components_)
        X = numeric.at_precision(X * self._scale(), WHITENED_BITS) if self.whiten else X
        found, bits = _projected(X, xp.matrix_transpose(self.components_))
        sums, rows = numeric.numerator(self.mean_)
        return numeric.at_precision(found + numeric.settled(numeric.over(sums, rows)), bits)

    def _scale(self) -> Any:
        """Standard deviations of the components."""
        return array_namespace(self.components_).sqrt(numeric.at_most(self.explained_variance_, WHITENING_BITS))

    @classmethod
    def from_sklearn(cls, fitted: Any, session: Any) -> PCA:
        """A fitted `sklearn.decomposition.PCA` of its owner, shared in a session, to transform others' data.

        Public are the shape of `components_`, and powers of two above the means and variances.
        """
        model = cls(int(fitted.n_components_), whiten=bool(fitted.whiten))
        model.components_ = shared(session, fitted.components_, least=1, frac_bits=BITS)
        model.explained_variance_ = shared(session, fitted.explained_variance_)
        model.explained_variance_ratio_ = shared(session, fitted.explained_variance_ratio_, least=1, frac_bits=BITS)
        model.mean_ = shared(session, fitted.mean_)
        model.n_components_, model.n_samples_ = int(fitted.n_components_), int(fitted.n_samples_)
        model.n_features_in_ = int(fitted.n_features_in_)
        return model

    def to_sklearn(self) -> Any:
        """A fitted `sklearn.decomposition.PCA`: reveals components, variances and means, in one plan."""
        from sklearn.decomposition import PCA as Plain

        plain = Plain(self.n_components_, whiten=self.whiten)
        revealed(self, plain, ("components_", "explained_variance_", "explained_variance_ratio_", "mean_"))
        plain.singular_values_ = np.sqrt(plain.explained_variance_ * (self.n_samples_ - 1))
        plain.n_components_, plain.n_samples_ = self.n_components_, self.n_samples_
        plain.n_features_in_ = self.n_features_in_
        total = plain.explained_variance_.sum() / max(plain.explained_variance_ratio_.sum(), 1e-30)
        rest = min(self.n_samples_, self.n_features_in_) - self.n_components_
        plain.noise_variance_ = (total - plain.explained_variance_.sum()) / rest if rest else 0.0
        return plain


class TruncatedSVD(TransformerModel):
    """Singular vectors of X as it is, not centred, in scikit-learn's manner, of secret or NumPy arrays.

    `fit(X)`: as `PCA`, of X'X. After fit, secret: `components_` (k, d), `singular_values_` (k,),
    `explained_variance_` (k,) and `explained_variance_ratio_` (k,), those of the projected columns. Error, rounds and
    what is raised: as `PCA`.
    """

    fitted = (*("components_", "squares_", "explained_variance_", "explained_variance_ratio_", "n_features_in_"),)
    not_offered: ClassVar = {
        **dict.fromkeys(("algorithm", "n_iter", "n_oversamples", "power_iteration_normalizer", "tol"), _SOLVERS),
        "random_state": "nothing is drawn; leave it out",
    }

    def __init__(self, n_components: int = 2) -> None:
        self.n_components = n_components

    def fit(self, X: Any, y: Any = None) -> TruncatedSVD:
        X = _checked(X, self)
        xp = array_namespace(X)
        rows, columns = X.shape
        kept = _kept(self.n_components, rows, columns)
        products, squares, frac_bits, divisor = _moments(X)
        found = _Spectrum(products, frac_bits, divisor**2 * rows)
        self.components_ = found.vectors[:kept]
        self.squares_ = found.unscaled(found.values[:kept])
        about = found.scaled(products - squares)
        turned = numeric.at_precision(xp.matmul(self.components_, about), BITS)
        varied = numeric.at_precision(xp.sum(turned * self.components_, axis=1), BITS)
        varied = numeric.bounded(varied, -(1 << BITS - 24), (1 << BITS) + (1 << BITS - 6), CAUCHY_SCHWARZ)
        varied = xp.maximum(varied, 0.0)
        total = xp.sum(about.reshape(-1)[:: columns + 1])
        self.explained_variance_ = found.unscaled(varied, rows)
        self.explained_variance_ratio_ = numeric.ratio(varied, total, 1, RATIO_BITS)
        return self

    @property
    def singular_values_(self) -> Any:
        """(k,): roots of the eigenvalues of X'X."""
        self.check_fitted()
        return array_namespace(self.components_).sqrt(self.squares_)

    def transform(self, X: Any) -> Any:
        """(n, k): X @ components_', at X's fractional bits, 16 at least; error below a last bit. Two rounds."""
        self.check_fitted()
        found, bits = _projected(features(X, self), self.components_)
        return numeric.at_precision(found, bits)

    def inverse_transform(self, X: Any) -> Any:
        """(n, d): X @ components_, for X (n, k)."""
        self.check_fitted()
        found, bits = _projected(X, array_namespace(self.components_).matrix_transpose(self.components_))
        return numeric.at_precision(found, bits)
