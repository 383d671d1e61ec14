"""Linear regression by normal equations, exact up to the solve."""

from __future__ import annotations

from typing import Any

from tercet.array import numeric
from tercet.array.secret import SecretArray
from tercet.errors import InputError
from tercet.learn.model import Model

WORKING_BITS = 48
TOLERANCE_BITS = 24
ROOT_BITS = TOLERANCE_BITS // 2
COEF_FRAC_BITS = 40
RING_BITS = 125

_SCHUR = "a Schur complement of a scaled covariance matrix has entries in [-1, 1]"
_CAUCHY = "Cauchy-Schwarz"
_ASSUMED = "assumed by the analyst"


def array_namespace(*arrays: Any) -> Any:
    """The namespace of the first secret array; NumPy if there is none."""
    secret = next((x for x in arrays if isinstance(x, SecretArray)), arrays[0])
    return secret.__array_namespace__()


class LinearRegression(Model):
    """Ordinary least squares, in scikit-learn's manner, on secret or on NumPy arrays.

    `fit(X, y)`: X (n, d), y (n,), secret integers or fixed-point numbers; nothing is revealed. Sums of products are
    exact: C = n [X y]'[X y] - s s' in integers, one ring word sent for each of its elements (where sums outgrow 2^64,
    21 bytes for each and block of rows). The columns are scaled by secret powers of two to variances in [1/4, 1), so
    declared bounds need not be tight. Then LDL' with 48 fractional bits. Coefficients agree with float64 least squares
    to about 1e-9 relative for well-conditioned X.

    Collinear columns: a column of whose scaled variance less than 2^-24 is left after the columns before it gets
    coefficient 0 and `aliased_` True, as R's `lm` does with NA. `aliased_` is secret too; reveal it to see. Assumed,
    and shown by `explain()`: coefficients below 2^B in magnitude, where B = `coef_bits_` follows from declared bounds.

    After fit: `coef_` (d,), `intercept_` (), `aliased_` (d,). Rounds grow with d (about 40 a column), not with n; bytes
    with d^2. Raises InputError for shapes that do not fit, PlanError if declared bounds are too wide for 128 bits.
    """

    parameters = ("fit_intercept",)
    fitted = ("coef_", "intercept_", "aliased_", "coef_bits_")

    def __init__(self, *, fit_intercept: bool = True) -> None:
        self.fit_intercept = fit_intercept

    def fit(self, X: Any, y: Any) -> LinearRegression:
        xp = array_namespace(X, y)
        if len(X.shape) != 2 or len(y.shape) != 1 or X.shape[0] != y.shape[0]:
            raise InputError(f"X has shape {X.shape} and y {y.shape}", hint="pass X (n, d) and y (n,)")
        n, d = X.shape
        if n < 2 or d < 1:
            raise InputError(f"a fit of {n} rows and {d} columns", hint="pass at least two rows and one column")
        table, frac_bits = numeric.as_integers(xp.concat([X, xp.expand_dims(y, axis=1)], axis=1))
        sums = xp.sum(table, axis=0)
        products = xp.matmul(xp.matrix_transpose(table), table)
        if self.fit_intercept:
            moments = products * n - xp.expand_dims(sums, axis=1) * xp.expand_dims(sums, axis=0)
        else:
            moments = products
        scaled, factor, complement, bits = _scale(xp, moments)
        solution, aliased = _solve(xp, scaled, d)
        self.coef_bits_ = min(30, RING_BITS - WORKING_BITS - bits // 2)
        self.coef_ = _unscale(solution, factor[:d], complement[d], bits, self.coef_bits_)
        self.aliased_ = aliased
        if self.fit_intercept:
            total = sums[d] - xp.sum(numeric.at_precision(self.coef_, COEF_FRAC_BITS) * sums[:d])
            self.intercept_ = numeric.times_power(total, -frac_bits, COEF_FRAC_BITS) / n
        else:
            self.intercept_ = 0.0
        return self

    def predict(self, X: Any) -> Any:
        """X @ coef_ + intercept_, under sharing."""
        if not hasattr(self, "coef_"):
            raise InputError("this model is not fitted", hint="call fit(X, y) first")
        xp = array_namespace(X, self.coef_)
        coefficients = numeric.at_precision(self.coef_, COEF_FRAC_BITS)
        return xp.matmul(X, coefficients) + self.intercept_


def _scale(xp: Any, moments: Any) -> tuple[Any, Any, Any, int]:
    """S = V C V / 2^P with V secret powers of two and the diagonal of S in [1/4, 1); V, its complement, and P."""
    count = moments.shape[0]
    variances = xp.stack([moments[i, i] for i in range(count)])
    bits = numeric.magnitude_bits(moments)
    bits += bits % 2
    factor, complement = numeric.half_normaliser(variances, bits)
    top = 1 << bits
    rows = numeric.product_within(moments, xp.expand_dims(factor, axis=1), -top, top, _CAUCHY)
    scaled = numeric.product_within(rows, xp.expand_dims(factor, axis=0), -top, top, _CAUCHY)
    return (
        numeric.at_precision(numeric.times_power(scaled, -bits, WORKING_BITS), WORKING_BITS),
        factor,
        complement,
        bits,
    )


def _solve(xp: Any, matrix: Any, d: int) -> tuple[Any, Any]:
    """The solution of S_xx z = S_xy by LDL' (elimination from the left, without pivoting), and the aliased columns."""
    one = 1 << WORKING_BITS
    root = one << ROOT_BITS
    least = one >> TOLERANCE_BITS
    rest = matrix
    columns, aliased = [], []
    for _ in range(d):
        pivot, row = rest[0, 0], rest[0, 1:]
        small = pivot < 2.0**-TOLERANCE_BITS
        inverse = numeric.reciprocal(pivot, least, WORKING_BITS)
        inverse = xp.where(small, 0.0, inverse)
        column = numeric.bounded(numeric.at_precision(row * inverse, WORKING_BITS), -root, root, _SCHUR)
        below = numeric.at_precision(xp.expand_dims(column[:-1], axis=1) * xp.expand_dims(row, axis=0), WORKING_BITS)
        rest = numeric.bounded(rest[1:, 1:][: below.shape[0]] - below, -one, one, _SCHUR) if below.shape[0] else rest
        columns.append(column)
        aliased.append(small)
    solution: list[Any] = []
    for j in reversed(range(d)):
        value = columns[j][-1]
        if solution:
            later = xp.stack(solution[::-1])
            value = value - numeric.at_precision(xp.sum(columns[j][:-1] * later), WORKING_BITS)
        solution.append(numeric.bounded(value, -root, root, _CAUCHY))
    return xp.stack(solution[::-1]), xp.stack(aliased)


def _unscale(solution: Any, factor: Any, complement: Any, bits: int, coef_bits: int) -> Any:
    """z_j v_j / v_y: the coefficients of the unscaled columns, exact powers of two away from the solution."""
    ratio = factor * complement
    stored = WORKING_BITS + bits // 2
    limit = 1 << (coef_bits + stored)
    integers = numeric.as_integers(solution)[0]
    if isinstance(solution, SecretArray):
        product = numeric.product_within(integers, ratio, -limit, limit, _ASSUMED)
        return numeric.times_power(product, -stored, COEF_FRAC_BITS)
    return integers * ratio / 2.0 ** (bits // 2)
