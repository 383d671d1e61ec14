"""Least squares with what standard errors stand on: from exact sums of products, or row by row with weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tercet.array import numeric
from tercet.array.core import SecretArray
from tercet.errors import PlanError
from tercet.learn.design import Design
from tercet.learn.inverse import FINE_FRAC_BITS, STEP_FRAC_BITS, Inverse
from tercet.learn.solve import (
    COARSE_BITS,
    LEAST_FRAC_BITS,
    RING_BITS,
    ROOT_BITS,
    ROOT_FRAC_BITS,
    WORKING_BITS,
    Normalised,
    added,
    coefficient_bits,
    diagonal,
    runs,
    scaled,
    unscaled,
)
from tercet.learn.standardised import RATIO_BITS, RATIO_FRAC_BITS, unit, varying

REST_BITS = 40
"""Roots are taken of squares of residuals times 2^40, so that small ones keep their digits."""
REFINED_BITS = 78
LEFT_BITS = 96
SMALL_BITS = 30
"""What a solution at 48 bits leaves is held below 2^-30."""
MEAN_FRAC_BITS = 36
SPREAD_BITS = 20
"""Errors in scaled units are held below 2^20: those of columns are below 2^12, that of the constant may not be."""
LEAST_LEFT = 2.0**-20
"""1 - leverage counts as that much at least."""
MAX_GROUPS = 1000


@dataclass(frozen=True, slots=True)
class Fitted:
    """What a fit finds, all of it secret (of NumPy arrays, plain). Those of the constant are None without one."""

    coef: Any
    """(d,): of the columns that vary."""
    constant: Any
    spread: Any
    """(d,): standard errors, times what `left` and degrees of freedom are public factors of."""
    constant_spread: Any
    aliased: Any
    """(d,) bool."""
    capped: Any
    """(d,) bool, or (d + 1,): estimates or errors beyond what is carried, replaced by the bound."""
    left: Any
    """What the columns leave of `scaled_total`, in its units."""
    scaled_total: Any
    """The sum of squares (about the constant's mean, if there is a constant) times a secret power of two."""
    total: Any = None
    """The sum of squares in units of y; None where `root_total` is there."""
    root_total: Any = None
    """The root of the sum of squares."""
    wald: Any = None
    """The root of the Wald statistic of all columns but the constant, of robust errors; None of others."""


def by_sums(xp: Any, design: Design, y: Any) -> Fitted:
    """Ordinary least squares from exact sums of products: nothing is done row by row."""
    (X, x_over), (target, y_over) = numeric.numerator(design.columns), numeric.numerator(y)
    (x, x_frac), (target, y_frac) = numeric.as_integers(X), numeric.as_integers(target)
    centred, fracs = design.constant is not None, [x_frac] * x.shape[1]
    x = varying(x) if centred else x
    try:
        found = _Sums(xp, x, fracs, target, y_frac, centred=centred)
    except PlanError:
        apart, fracs = numeric.columns_apart(X, centred=centred)
        found = _Sums(xp, apart, fracs, target, y_frac, centred=centred)
    if design.spanned:
        found.about_mean(xp, target)
    return found.fitted(xp, x, x_frac, target, x_over, y_over)


class _Sums:
    """Moments of stored integers (less a public number each, if there is a constant), scaled and inverted."""

    def __init__(self, xp: Any, x: Any, fracs: list[int], target: Any, y_frac: int, *, centred: bool) -> None:
        n, d = x.shape
        self.fracs, self.y_frac, self.centred = fracs, y_frac, centred
        moments = xp.matmul(xp.matrix_transpose(x), x)
        mixed, variance = xp.matmul(xp.matrix_transpose(x), target), xp.sum(target * target)
        if centred:
            sums, last = xp.sum(x, axis=0), xp.sum(target)
            moments = moments * n - xp.expand_dims(sums, axis=1) * xp.expand_dims(sums, axis=0)
            mixed, variance = mixed * n - sums * last, variance * n - last * last
        self.variance, self.over = variance, n if centred else 1
        self.columns, self.outcome = Normalised(diagonal(xp, moments)), Normalised(variance)
        columns, outcome = self.columns, self.outcome
        across, down = xp.expand_dims(columns.factor, axis=0), xp.expand_dims(columns.factor, axis=1)
        exact = numeric.scaled(moments, down, across, columns.bits, REFINED_BITS)
        within, within_rest = numeric.split(exact, WORKING_BITS)
        middle = (columns.bits + outcome.bits) // 2
        exact = numeric.scaled(mixed, columns.factor, outcome.factor, middle, REFINED_BITS)
        beside, beside_rest = numeric.split(exact, WORKING_BITS)
        self.whole = scaled(variance, outcome.factor, outcome.factor, outcome.bits)
        top = xp.concat([within, xp.expand_dims(beside, axis=1)], axis=1)
        bottom = xp.concat([beside, xp.expand_dims(self.whole, axis=0)], axis=0)
        self.inverse = Inverse(xp, xp.concat([top, xp.expand_dims(bottom, axis=0)], axis=0), d, scale=False)
        # one step of refinement, by what the sums of products have beyond 48 bits
        coef = self.inverse.coef(xp)
        left = beside - numeric.at_precision(xp.matmul(within, coef), LEFT_BITS)
        short = numeric.at_precision(xp.matmul(within_rest, numeric.at_precision(coef, ROOT_FRAC_BITS)), LEFT_BITS)
        left = numeric.times_power(left + beside_rest - short, SMALL_BITS, STEP_FRAC_BITS)
        step = self.inverse.times(xp, numeric.held(left, -1, 1, FINE_FRAC_BITS))
        step = numeric.at_precision(numeric.times_power(step, -SMALL_BITS, WORKING_BITS), WORKING_BITS)
        limit = 1 << ROOT_BITS
        self.coef = numeric.held(coef + step, -limit, limit, WORKING_BITS)

    def about_mean(self, xp: Any, target: Any) -> None:
        """Take sums of squares about the mean, where columns span it that are no constant."""
        n, total, half = target.shape[0], xp.sum(target), self.outcome.bits // 2
        self.variance, self.over = self.variance * n - total * total, n
        mean = numeric.times_power(total * self.outcome.factor, -half, MEAN_FRAC_BITS)
        mean = numeric.at_precision(mean, MEAN_FRAC_BITS)
        self.whole = xp.maximum(self.whole - numeric.at_precision(mean * mean * (1 / n), WORKING_BITS), 0.0)

    def fitted(self, xp: Any, x: Any, x_frac: int, target: Any, x_over: Any, y_over: Any) -> Fitted:
        """`x`: the stored integers at one scale for all columns."""
        (n, d), y_frac, columns, inverse = x.shape, self.y_frac, self.columns, self.inverse
        left = inverse.rest(xp)
        spread = times_root(xp, inverse.root_diagonal(xp), left)
        coef_bits, frac_bits = coefficient_bits(numeric.magnitude_bits(x), x_frac - y_frac, n, d)
        found, held, means = [], [], []
        sums = xp.sum(x, axis=0) if self.centred else None
        for first, end, frac in runs(self.fracs):
            both = xp.stack([self.coef[first:end], spread[first:end]])
            part = columns.cut(first, end)
            coef, capped = unscaled(both, part, self.outcome, frac - y_frac, frac_bits, coef_bits)
            found.append(coef)
            held.append(capped)
            if sums is not None:
                own = numeric.at_precision(numeric.times_power(sums[first:end], frac - x_frac, 0), 0)
                excess = numeric.magnitude_bits(own) + numeric.magnitude_bits(part.factor) - RING_BITS
                if isinstance(own, SecretArray) and excess > 0:
                    own = numeric.at_precision(numeric.times_power(own, -excess, 0), 0)
                else:
                    excess = 0
                means.append(numeric.times_power(own * part.factor, excess - columns.bits // 2, RATIO_FRAC_BITS))
        both = found[0] if len(found) == 1 else xp.concat(found, axis=1)
        capped = xp.any(held[0] if len(held) == 1 else xp.concat(held, axis=1), axis=0)
        constant = constant_spread = None
        if sums is not None:
            mean = means[0] if len(means) == 1 else xp.concat(means)
            mean = numeric.held(mean, -(1 << RATIO_BITS), 1 << RATIO_BITS, RATIO_FRAC_BITS)
            about = inverse.along(xp, mean, 1.0)
            error, over = of_constant(times_root(xp, about, left), self.outcome, y_frac)
            constant_spread = numeric.over(error, y_over * n)
            constant = numeric.over(_intercept(xp, both[0], sums, x_frac, xp.sum(target), y_frac, n), y_over)
            capped = xp.concat([capped, xp.expand_dims(over, axis=0)])
        total = numeric.times_power(self.variance, -2 * y_frac, 0)
        return Fitted(
            coef=numeric.over(both[0], y_over / x_over),
            constant=constant,
            spread=numeric.over(both[1], y_over / x_over),
            constant_spread=constant_spread,
            aliased=inverse.aliased,
            capped=capped,
            left=left,
            scaled_total=self.whole,
            total=numeric.over(total, y_over * y_over * self.over),
        )


def _intercept(xp: Any, coef: Any, sums: Any, x_frac: int, last: Any, y_frac: int, n: int) -> Any:
    """What the constant is by the means, of coefficients at many fractional bits."""
    coarse, fine = numeric.split(coef, COARSE_BITS)
    sums, last = numeric.times_power(sums, -x_frac, x_frac), numeric.times_power(last, -y_frac, y_frac)
    room = COARSE_BITS + RING_BITS - numeric.magnitude_bits(sums) - coef.shape[0].bit_length()
    weighed = xp.sum(coarse * sums)
    rest = xp.sum(numeric.at_most(fine, room) * sums)
    return (last - weighed - added(rest, weighed)) / n


def of_constant(value: Any, outcome: Normalised, y_frac: int) -> tuple[Any, Any]:
    """A number in scaled units of y, at 48 fractional bits, in those of y; and whether it is capped."""
    bits = RING_BITS - LEAST_FRAC_BITS
    return unscaled(value, unit(outcome), outcome, -y_frac, LEAST_FRAC_BITS, bits)


def times_root(xp: Any, values: Any, left: Any) -> Any:
    """Values times the root of what is left, at 48 fractional bits, held below 2^12."""
    more = numeric.at_precision(numeric.times_power(left, REST_BITS, ROOT_FRAC_BITS), ROOT_FRAC_BITS)
    root = numeric.at_precision(xp.sqrt(more), ROOT_FRAC_BITS)
    if isinstance(values, SecretArray):
        excess = numeric.magnitude_bits(values) + numeric.magnitude_bits(root) - RING_BITS
        values = numeric.at_most(values, numeric.as_integers(values)[1] - max(0, excess))
    found = numeric.times_power(values * root, -REST_BITS // 2, WORKING_BITS)
    return numeric.held(found, -(1 << SPREAD_BITS), 1 << SPREAD_BITS, WORKING_BITS)
