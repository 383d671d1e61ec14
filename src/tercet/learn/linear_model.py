"""Linear regression by normal equations, exact up to the solve."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar, Self

from tercet.array import numeric
from tercet.errors import InputError, PlanError
from tercet.learn.beside import target_beside
from tercet.learn.inputs import array_namespace, features, numbers_only, weights
from tercet.learn.inputs import target as target_of
from tercet.learn.interchange import InterchangedModel
from tercet.learn.kinds import RegressorModel
from tercet.learn.solve import (
    COARSE_BITS,
    RING_BITS,
    Normalised,
    added,
    coefficient_bits,
    diagonal,
    runs,
    scaled,
    solve,
    unscaled,
)
from tercet.learn.standardised import varying
from tercet.learn.weighed_rows import WeighedRows, weighed_rows

EXTRAPOLATED = 1000
"""Predictions lie within so many widths of y's bounds."""


@dataclass(frozen=True, slots=True)
class Stored:
    """Rows of a fit as stored integers, and public numbers: what sums are multiplied by, how many rows there are, and
    at which scales X and y are stored.

    Stored integers are X times `x_over` 2^frac, and y times `y_over` 2^y_frac. A public number may have been subtracted
    from each column where an intercept is fitted: covariances stay the same.
    """

    x: Any
    y: Any
    fracs: list[int]
    y_frac: int
    x_over: Fraction
    y_over: Fraction
    frac_bits: int
    """Of coefficients."""
    centred: bool
    """Whether means are to be taken off."""
    weighed: WeighedRows | None = None
    """Where rows have weights, they are these already."""

    @property
    def multiple(self) -> Fraction:
        """What sums of products are multiplied by."""
        return Fraction(self.x.shape[0] if self.centred else 1, 1 if self.weighed is None else self.weighed.unit)

    @property
    def rows(self) -> int:
        """How many rows there are; with weights, at most."""
        return int(self.x.shape[0]) * (1 if self.weighed is None else self.weighed.unit)

    @property
    def part(self) -> Any:
        """How many rows there are by their weights, over `rows`."""
        return 1 if self.weighed is None else self.weighed.part


class LinearRegression(InterchangedModel, RegressorModel):
    """Ordinary least squares, in scikit-learn's manner, on secret or on NumPy arrays.

    `fit(X, y, sample_weight=None)`: X (n, d), y (n,), secret integers or fixed-point numbers; nothing is revealed.
    Sums of products are exact: n X'X - s s' and so on in integers, one ring word sent for each of their elements (where
    sums outgrow 2^64, 21 bytes for each and block of rows). Where 128 bits do not take that at one scale for all
    columns, each column that was joined to X keeps its own scale, and the middle of its declared bounds is taken from
    it before: times in milliseconds stand beside decimals. The columns are scaled by secret powers of two to variances
    in [1/4, 1), so declared bounds need not be tight. Then LDL' with 48 fractional bits. Coefficients agree with
    float64 least squares to about 1e-9 relative for well-conditioned X; they keep up to 80 fractional bits, so that
    columns of large numbers (times in milliseconds) have theirs and the intercept as exactly.

    Collinear columns: a column of whose scaled variance less than 2^-24 is left after the columns before it gets
    coefficient 0 and `aliased_` True, as R's `lm` does with NA. `aliased_` is secret too; reveal it to see.

    Coefficients are held below 2^`coef_bits_` in magnitude. This bound follows from the shapes and declared bounds, is
    at least 2^34 for up to 8 columns, and is enforced under sharing. A coefficient beyond it is replaced by the bound,
    and its `capped_` (secret, too) is True: coefficients and intercept are then not those of the fit. Narrower bounds
    of X, or fewer frac_bits, leave more room.

    Weights (n,), secret or plain, are given to rows one by one: less the weighed means, each is multiplied by the root
    of its weight, rounded to 8 bits more than X has, or to 36 in all; that is 21 bytes an element and 30 rounds.
    Secret ones with bounds above 65,536 are refused.

    After fit: `coef_` (d,), `intercept_` (), `aliased_` (d,), `capped_` (d,). Rounds grow with d (about 40 a column),
    not with n; bytes with d^2. Raises InputError for shapes that do not fit, PlanError if declared bounds are too wide
    for 128 bits.
    """

    fitted: ClassVar[tuple[str, ...]] = ("coef_", "intercept_", "aliased_", "capped_", "coef_bits_", "reach_")

    def __init__(self, *, fit_intercept: bool = True) -> None:
        self.fit_intercept = fit_intercept

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        X = features(X, self, fitting=True)
        y = numbers_only(target_of(X, y), "y") if sample_weight is None else target_beside(X, y)
        xp = array_namespace(X, y)
        own = None if sample_weight is None else weights(X, sample_weight)
        X = varying(X, own) if self.fit_intercept else X
        n, d = X.shape
        if n < 2 or d < 1:
            raise InputError(f"a fit of {n} rows and {d} columns", hint="pass at least two rows and one column")
        self.reach_ = reach_of(*numeric.value_range(y), n)
        (X, x_over), (y, y_over) = numeric.numerator(X), numeric.numerator(y)  # decimals: 10^digits
        overs = x_over, y_over
        (x, x_frac), (target, y_frac) = numeric.as_integers(X), numeric.as_integers(y)
        self.coef_bits_, frac_bits = coefficient_bits(numeric.magnitude_bits(x), x_frac - y_frac, n, d)
        centred = bool(self.fit_intercept)
        if own is not None:
            apart, fracs = numeric.columns_apart(X, centred=False)
            rows = weighed_rows(xp, apart, fracs, target, y_frac, own, centred=centred)
            asked = Stored(rows.x, rows.y, rows.fracs, rows.y_frac, *overs, frac_bits, False, rows)
            coef, self.aliased_, self.capped_ = self._solved(xp, asked)
            # means in two parts, the first of which fits where sums over the rows do
            near, rest = numeric.split(rows.means, x_frac + n.bit_length() - 1)
            moved = _at(xp, coef, near) + xp.sum(numeric.at_most(coef, COARSE_BITS) * rest)
            self.intercept_ = numeric.over(rows.mean - moved, y_over) if centred else 0.0
            self.coef_ = numeric.over(coef, y_over / x_over)
            return self
        try:
            asked = Stored(x, target, [x_frac] * d, y_frac, *overs, frac_bits, centred)
            coef, self.aliased_, self.capped_ = self._solved(xp, asked)
        except PlanError:
            # sums of products do not fit at one scale for all columns; they may at a scale for each
            apart, fracs = numeric.columns_apart(X, centred=centred)
            asked = Stored(apart, target, fracs, y_frac, *overs, frac_bits, centred)
            coef, self.aliased_, self.capped_ = self._solved(xp, asked)
        self.coef_ = numeric.over(coef, y_over / x_over)
        if centred:
            last = numeric.times_power(xp.sum(target), -y_frac, y_frac)
            rest = last - _at(xp, coef, numeric.times_power(xp.sum(x, axis=0), -x_frac, x_frac))
            self.intercept_ = numeric.over(rest / n, y_over)
        else:
            self.intercept_ = 0.0
        return self

    def _solved(self, xp: Any, asked: Stored) -> tuple[Any, Any, Any]:
        """Coefficients, which columns are aliased and which coefficients capped, of stored integers."""
        moments, mixed, variance = self._moments(xp, asked)
        columns = Normalised(self._variances(diagonal(xp, moments), asked))
        outcome = Normalised(variance)
        across, down = xp.expand_dims(columns.factor, axis=0), xp.expand_dims(columns.factor, axis=1)
        within = scaled(moments, down, across, columns.bits)
        beside = scaled(mixed, columns.factor, outcome.factor, (columns.bits + outcome.bits) // 2)
        solution, aliased = self._solution(xp, within, beside, columns, outcome, asked)
        coef, capped = self._unscaled(xp, solution, columns, outcome, asked)
        return coef, aliased, capped

    def _moments(self, xp: Any, asked: Stored) -> tuple[Any, Any, Any]:
        """Sums of products of columns, of columns and target, and of the target; n times them less products of sums
        where means are to be taken off."""
        x, target, n = asked.x, asked.y, asked.x.shape[0]
        moments = xp.matmul(xp.matrix_transpose(x), x)
        mixed, variance = xp.matmul(xp.matrix_transpose(x), target), xp.sum(target * target)
        if asked.centred:
            sums, last = xp.sum(x, axis=0), xp.sum(target)
            moments = moments * n - xp.expand_dims(sums, axis=1) * xp.expand_dims(sums, axis=0)
            mixed, variance = mixed * n - sums * last, variance * n - last * last
        return moments, mixed, variance

    def _unscaled(
        self, xp: Any, solution: Any, columns: Normalised, outcome: Normalised, asked: Stored
    ) -> tuple[Any, Any]:
        """Coefficients of the columns as they are, of those of scaled columns, and which of them are capped."""
        parts = []
        for first, last, frac in runs(asked.fracs):
            one = columns.cut(first, last)
            finer = frac - asked.y_frac
            parts.append(unscaled(solution[first:last], one, outcome, finer, asked.frac_bits, self.coef_bits_))
        if len(parts) == 1:
            return parts[0]
        return xp.concat([coef for coef, _ in parts]), xp.concat([capped for _, capped in parts])

    def _variances(self, moments: Any, asked: Stored) -> Any:
        """By which columns are scaled: the diagonal of their moments, as integers."""
        return moments

    def _solution(
        self, xp: Any, within: Any, beside: Any, columns: Normalised, outcome: Normalised, asked: Stored
    ) -> tuple[Any, Any]:
        """The coefficients of scaled columns, and which of them are aliased."""
        solved = solve(xp, xp.concat([within, xp.expand_dims(beside, axis=1)], axis=1), beside.shape[0])
        return solved.solution[:, 0], solved.aliased

    def predict(self, X: Any) -> Any:
        """X @ coef_ + intercept_, under sharing: a quotient whose divisor is the number of rows fitted.

        Predictions are clipped to `reach_` = [lo, hi, frac_bits]: the bounds of y, widened by a thousand times their
        width on both sides. So what is computed from predictions (residuals, their squares) has bounds that fit and
        that hold; clipping takes two comparisons a row. Those of a model made `from_sklearn` have the bounds that X and
        coefficients leave, and are not clipped. Error: 2^-frac_bits (2^-32 for most y), beside the errors of
        coefficients and intercept. Raises InputError before `fit`.
        """
        if not hasattr(self, "coef_"):
            raise InputError("this model is not fitted", hint="call fit(X, y) first")
        X = features(X, self)
        xp = array_namespace(X, self.coef_)
        (X, x_over), (coef, coef_over) = numeric.numerator(X), numeric.numerator(self.coef_)
        total, divisor = numeric.numerator(self.intercept_)
        ratio = divisor / (x_over * coef_over)
        whole = ratio.denominator * divisor.denominator
        number, factor = int(divisor * whole), int(ratio * whole)
        coarse, fine = numeric.split(coef, COARSE_BITS)
        weighed = xp.matmul(X, coarse)
        weighed = weighed + numeric.no_finer(xp.matmul(X, fine), weighed)
        lo, hi, frac_bits = self.reach_ or foreign_reach(weighed * factor + total * whole, abs(number))
        # two bits more than the result has, once it is multiplied and divided
        weighed = numeric.at_most(weighed, frac_bits + 2 + (factor // max(1, abs(number))).bit_length())
        found = weighed * factor + total * whole
        least, most = sorted((lo * number, hi * number))
        return numeric.held(found, least, most, frac_bits) / number


def _at(xp: Any, coef: Any, sums: Any) -> Any:
    """Sums of columns, or their means, each times its coefficient."""
    coarse, fine = numeric.split(coef, COARSE_BITS)
    weighed = xp.sum(coarse * sums)
    room = COARSE_BITS + RING_BITS - numeric.magnitude_bits(sums) - coef.shape[0].bit_length()
    fine = numeric.at_most(fine, min(room, RING_BITS - numeric.as_integers(sums)[1]))
    return weighed + added(xp.sum(fine * sums), weighed)


def foreign_reach(found: Any, divisor: int = 1) -> list[int]:
    """The reach of a model whose y nobody here saw: what the bounds of predictions leave, with 16 to 24 bits."""
    lo, hi = numeric.value_range(found)
    lo, hi = lo // divisor, -(-hi // divisor)
    return [lo, hi, max(16, min(24, 60 - max(abs(lo), abs(hi)).bit_length()))]


def reach_of(lo: int, hi: int, n: int) -> list[int]:
    """Between which whole numbers predictions are held, and their fractional bits: squares of n of them fit."""
    width = max(1, hi - lo)
    lo, hi = lo - EXTRAPOLATED * width, hi + EXTRAPOLATED * width
    bits = max(abs(lo), abs(hi)).bit_length() + 1
    return [lo, hi, max(0, min(32, 60 - bits - (n.bit_length() + 1) // 2))]  # a list: kept as JSON
