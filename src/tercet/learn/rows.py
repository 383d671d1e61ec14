"""Least squares row by row: with weights, and with standard errors that are robust."""

from __future__ import annotations

from typing import Any

import numpy as np

from tercet.array import numeric
from tercet.array.core import SecretArray
from tercet.array.segments import segment_sum
from tercet.errors import InputError
from tercet.learn.design import Design
from tercet.learn.inverse import Inverse
from tercet.learn.least_squares import Fitted, of_constant, times_root
from tercet.learn.reasons import INVERSE
from tercet.learn.solve import (
    ROOT_BITS,
    ROOT_FRAC_BITS,
    WORKING_BITS,
    Normalised,
    coefficient_bits,
    only,
    runs,
    unscaled,
)
from tercet.learn.standardised import Scaled, root_bits
from tercet.learn.units import SecretUnit, within_one
from tercet.plan.table.reasons import CAUCHY_SCHWARZ

VALUE_BITS = 36
"""Fractional bits of a scaled value whose size is about 1."""
LEAST_LEFT = 2.0**-20
"""1 - leverage counts as that much at least."""
MAX_GROUPS = 1000
WEIGHT_BITS = 36
"""Fractional bits of weights in their units."""
SUM_BITS = 118
INVERSE_BITS = 24
ALONG_BITS = 16
"""What a row moves the constant by is held below 2^16, where that of columns is below 2^12."""


def moments(xp: Any, values: Any, weighed: Any, total: Any, at: int | None) -> Any:
    """The moments of scaled columns, `weighed` times `values`, at 48 fractional bits; with a constant of 2^-k at `at`.

    `total`: the sum of weights, which are at most 1, times 4^-k.
    """
    most = 1 << WORKING_BITS
    n = values.shape[0]
    found = numeric.at_precision(xp.matmul(xp.matrix_transpose(values), weighed), WORKING_BITS)
    found = numeric.bounded(found, -most, most, CAUCHY_SCHWARZ)
    if at is None:
        return found
    sums = numeric.times_power(xp.sum(weighed, axis=0), -root_bits(n), WORKING_BITS)
    sums = numeric.bounded(numeric.at_precision(sums, WORKING_BITS), -most, most, CAUCHY_SCHWARZ)
    whole = numeric.at_precision(found[:1, 0] * 0 + total, WORKING_BITS)
    row = xp.concat([part for part in (sums[:at], whole, sums[at:]) if part.shape[0]])
    column = xp.expand_dims(sums, axis=1)
    beside = xp.concat([part for part in (found[:, :at], column, found[:, at:]) if part.shape[1]], axis=1)
    middle = xp.expand_dims(row, axis=0)
    return xp.concat([part for part in (beside[:at], middle, beside[at:]) if part.shape[0]], axis=0)


def by_rows(xp: Any, design: Design, y: Any, weights: Any, cov_type: str, groups: Any) -> tuple[Fitted, int]:
    """Least squares with weights or robust errors, and how many groups (clusters) there are."""
    (X, x_over), (target, y_over) = numeric.numerator(design.columns), numeric.numerator(y)
    apart, fracs = numeric.columns_apart(X, centred=False)
    target, y_frac = numeric.as_integers(target)
    n, d = apart.shape
    centred, k = design.constant is not None, root_bits(n)
    bits = VALUE_BITS + k
    xs = Scaled(xp, apart, bits, centred=centred)
    ys = Scaled(xp, xp.expand_dims(target, axis=1), bits, centred=centred)
    outcome = only(ys.norms)
    values = xp.concat([xs.values, ys.values], axis=1)
    weighed, total, unit, within = values, n / 4.0**k, SecretUnit(), None
    if weights is not None:
        within, unit = within_one(weights, WEIGHT_BITS)
        weighed = numeric.at_precision(values * xp.expand_dims(within, axis=1), bits)
        total = numeric.times_power(xp.sum(within), -2 * k, WORKING_BITS)
    about = design.spanned or centred
    whole_matrix = moments(xp, values, weighed, total, d if about else None)
    matrix = _without(xp, whole_matrix, d) if design.spanned else whole_matrix
    inverse = Inverse(xp, matrix, d + centred, scale=weights is not None)
    left = inverse.rest(xp)
    whole = matrix[d, d]
    if about:
        whole = Inverse(xp, whole_matrix[d:, d:], 1, scale=weights is not None).rest(xp)
    found = inverse.coef(xp)
    direction = None
    if centred:
        direction = xp.concat([-xs.ratios(), np.asarray([2.0**-k])])
    wald = None
    if cov_type == "nonrobust":
        spread = times_root(xp, inverse.root_diagonal(xp)[:d], left)
        first = None if direction is None else times_root(xp, inverse.along(xp, direction), left)
        count = 0
    else:
        scores, count = _scores(xp, values[:, :d], values[:, d], found, inverse, within, cov_type, groups, k, centred)
        spread, first, wald = _sandwich(xp, scores, d, direction, found, k)
        wald = None if design.spanned else wald
    coef, spread, capped = _in_own_units(xp, found[:d], spread, apart, fracs, xs.norms, outcome, y_frac)
    constant = constant_spread = None
    if direction is not None:
        at_zero = numeric.at_precision(xp.sum(found * direction), WORKING_BITS)
        both, over = of_constant(xp.stack([at_zero, first]), outcome, y_frac)
        constant = numeric.over(both[0] + numeric.times_power(ys.centre[0], -y_frac, y_frac), y_over)
        constant_spread = numeric.over(both[1], y_over)
        capped = xp.concat([capped, xp.any(over, axis=0, keepdims=True)])
    root, _ = of_constant(times_root(xp, xp.ones_like(whole), whole), outcome, y_frac)
    return Fitted(
        coef=numeric.over(coef, y_over / x_over),
        constant=constant,
        spread=numeric.over(spread, y_over / x_over),
        constant_spread=constant_spread,
        aliased=inverse.aliased[:d],
        capped=capped,
        left=left,
        scaled_total=whole,
        root_total=numeric.over(unit.times(root, 0.5), y_over),
        wald=wald,
    ), count


def _without(xp: Any, matrix: Any, at: int) -> Any:
    """A matrix without one of its rows and columns."""
    beside = xp.concat([matrix[:, :at], matrix[:, at + 1 :]], axis=1)
    return xp.concat([beside[:at], beside[at + 1 :]], axis=0)


def _in_own_units(
    xp: Any, coef: Any, spread: Any, x: Any, fracs: list[int], columns: Normalised, outcome: Normalised, y_frac: int
) -> tuple[Any, Any, Any]:
    n, d = x.shape
    coef_bits, frac_bits = coefficient_bits(numeric.magnitude_bits(x), max(fracs) - y_frac, n, d)
    found, held = [], []
    for first, end, frac in runs(fracs):
        both = xp.stack([coef[first:end], spread[first:end]])
        one, capped = unscaled(both, columns.cut(first, end), outcome, frac - y_frac, frac_bits, coef_bits)
        found.append(one)
        held.append(capped)
    both = found[0] if len(found) == 1 else xp.concat(found, axis=1)
    capped = held[0] if len(held) == 1 else xp.concat(held, axis=1)
    return both[0], both[1], xp.any(capped, axis=0)


def _scores(
    xp: Any,
    columns: Any,
    y: Any,
    coef: Any,
    inverse: Inverse,
    weights: Any,
    cov_type: str,
    groups: Any,
    k: int,
    centred: bool,
) -> tuple[Any, int]:
    """What each row (or cluster) moves the estimates by, times 4^k: (n or groups, d + 1); and how many clusters."""
    n, d = columns.shape
    bits = VALUE_BITS + k
    fitted = numeric.at_precision(xp.matmul(columns, coef[:d]), bits)
    if centred:
        fitted = fitted + numeric.at_precision(numeric.times_power(coef[d], -k, bits), bits)
    residual = y - fitted
    one = 1 << bits
    if weights is not None:
        residual = numeric.at_precision(residual * weights, bits)
    residual = numeric.bounded(residual, -one, one, CAUCHY_SCHWARZ)
    whole = inverse.whole(xp, INVERSE_BITS, VALUE_BITS)
    moved = xp.matmul(columns, whole[:d])
    if centred:
        moved = moved + numeric.times_power(whole[d], -k, VALUE_BITS)
    most = 1 << bits + ROOT_BITS
    moved = numeric.bounded(numeric.at_precision(moved, bits), -most, most, INVERSE)
    if cov_type in ("HC2", "HC3"):
        leverage = xp.sum(moved[:, :d] * columns, axis=1)
        if centred:
            leverage = leverage + numeric.times_power(moved[:, d], -k, bits)
        if weights is not None:
            leverage = leverage * weights
        rest = numeric.held(1 - numeric.at_precision(leverage, 40), 0, 1, 40)
        rest = xp.maximum(rest, LEAST_LEFT)
        inverted = numeric.reciprocal(rest, 1 << 20, 40)
        if cov_type == "HC2":
            inverted = xp.sqrt(inverted)
        residual = numeric.at_precision(residual * inverted, bits)
    frac = min(VALUE_BITS, (SUM_BITS - n.bit_length()) // 2 - ROOT_BITS - 2 * k)
    product = numeric.times_power(moved * xp.expand_dims(residual, axis=1), 2 * k, frac)
    scores = numeric.at_precision(product, frac)
    limit = 1 << frac + 2 * k + ROOT_BITS
    scores = numeric.bounded(scores, -limit, limit, INVERSE)
    if cov_type != "cluster":
        return scores, 0
    sums, count = by_group(xp, scores, groups)
    # what rows move an estimate by, and residuals, are as long over all rows as the bound of one row says
    return numeric.bounded(sums, -limit, limit, CAUCHY_SCHWARZ), count


def by_group(xp: Any, scores: Any, groups: Any) -> tuple[Any, int]:
    """Sums of scores by secret codes, or by public labels."""
    n = scores.shape[0]
    if isinstance(groups, SecretArray):
        if groups.shape != (n,):
            raise InputError(f"groups of shape {groups.shape} for {n} rows")
        categories = getattr(groups, "categories", None)
        count = len(categories) if categories is not None else int(groups.bounds[1]) + 1
        if count > MAX_GROUPS or groups.bounds[0] < 0:
            raise InputError(
                f"groups reach from {groups.bounds[0]} to {groups.bounds[1]}",
                hint=f"pass secret codes from 0 to {MAX_GROUPS - 1} at most, shared with such bounds",
            )
        return segment_sum(scores, groups, count), count
    labels = np.asarray(groups)
    if labels.shape != (n,):
        raise InputError(f"groups of shape {labels.shape} for {n} rows")
    _, codes = np.unique(labels, return_inverse=True)
    count = int(codes.max()) + 1
    if count > MAX_GROUPS:
        raise InputError(f"{count} groups, where {MAX_GROUPS} are taken")
    hot = (codes[None, :] == np.arange(count)[:, None]).astype(np.int64)
    return xp.matmul(hot, scores), count


def _sandwich(xp: Any, scores: Any, d: int, direction: Any, coef: Any, k: int) -> tuple[Any, Any, Any]:
    """Standard errors of columns and constant from scores, and the Wald statistic of the columns."""
    squares = numeric.times_power(xp.sum(scores * scores, axis=0), -2 * k, ROOT_FRAC_BITS)
    spread = xp.sqrt(numeric.at_precision(squares, ROOT_FRAC_BITS))
    spread = numeric.at_precision(numeric.times_power(spread, -k, WORKING_BITS), WORKING_BITS)
    first = None
    if direction is not None:
        bits = ALONG_BITS + 2 * k
        frac = min(VALUE_BITS, (SUM_BITS - scores.shape[0].bit_length()) // 2 - bits)
        along = numeric.held(xp.matmul(scores, direction), -(1 << bits), 1 << bits, frac)
        square = numeric.times_power(xp.sum(along * along), -2 * k, ROOT_FRAC_BITS)
        first = xp.sqrt(numeric.at_precision(square, ROOT_FRAC_BITS))
        first = numeric.at_precision(numeric.times_power(first, -k, WORKING_BITS), WORKING_BITS)
    return spread[:d], first, _wald(xp, scores[:, :d], coef[:d], k)


def _wald(xp: Any, scores: Any, coef: Any, k: int) -> Any:
    """The root of b' V^-1 b, where V is the sum of squares of scores."""
    moments = numeric.times_power(xp.matmul(xp.matrix_transpose(scores), scores), -2 * k - ROOT_BITS, WORKING_BITS)
    inverse = Inverse(xp, numeric.held(numeric.at_precision(moments, WORKING_BITS), -1, 1, WORKING_BITS), coef.shape[0])
    return numeric.times_power(inverse.along(xp, coef), k - ROOT_BITS // 2, ROOT_FRAC_BITS)
