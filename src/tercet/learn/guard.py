"""What models may show where a session has a cohort: how many rows each estimate rests on, decided under sharing.

An estimate is a sum over the rows of y times weights, which covariates alone determine. It rests on as many rows as
Kish's effective size of these says: the coefficient of an indicator of five rows rests on about five. No combination of
estimates shows the value of a row whose leverage is at most a half.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tercet.array import numeric
from tercet.array.core import SecretArray, session_of
from tercet.array.segments import segment_sum
from tercet.learn.design import Design
from tercet.learn.inverse import Inverse, Inverted
from tercet.learn.rows import INVERSE_BITS, VALUE_BITS, moments
from tercet.learn.solve import RING_BITS, WORKING_BITS
from tercet.learn.standardised import Scaled, root_bits
from tercet.learn.units import within_one

MOST_LEVERAGE = 0.5
LEVERAGE_BITS = 24
WEIGHT_BITS = 30
MOVED_BITS = 40
SIZE_BITS = 16
LEAST_SHARE = 2.0**-10
SHARE_BITS = 40
"""Fractional bits of the parts that rows have in a sum of squares."""


def cohort_of(*arrays: Any) -> int:
    """The cohort of the session of these, 0 if nothing of them is secret or the session has none."""
    secret = [one for one in arrays if isinstance(one, SecretArray)]
    return session_of(*secret).cohort if secret else 0


def linear_sizes(xp: Any, design: Design, y: Any, weights: Any, groups: Any) -> tuple[Any, ...]:
    """Numbers of rows that a linear regression rests on, as `Pending` takes them; none without a cohort."""
    cohort = cohort_of(design.columns, y, weights, groups)
    if not cohort:
        return ()
    x, _ = numeric.columns_apart(numeric.numerator(design.columns)[0], centred=False)
    n, d = x.shape
    centred, k = design.constant is not None, root_bits(n)
    columns = Scaled(xp, x, VALUE_BITS + k, centred=centred)
    weighed, total, within = columns.values, n / 4.0**k, None
    if weights is not None:
        within, _ = within_one(weights, WEIGHT_BITS)
        weighed = numeric.at_precision(weighed * xp.expand_dims(within, axis=1), VALUE_BITS + k)
        total = numeric.times_power(xp.sum(within), -2 * k, WORKING_BITS)
    matrix = moments(xp, columns.values, weighed, total, d if centred else None)
    inverse = Inverse(xp, matrix, d + centred, scale=weights is not None)
    enough = estimates_rest_on_enough(xp, columns, inverse, k, within, cohort)
    return sizes(xp, design, y, weights, within, groups, enough)


def sizes(xp: Any, design: Design, y: Any, weights: Any, within: Any, groups: Any, enough: Any) -> tuple[Any, ...]:
    """Rows beside coefficients, those that `enough` stands for (0 or all), those of y, of weights, and of clusters but
    the largest. `y` as it was given, as ones and zeros are counted; `within`: weights over their unit, at most 1."""
    n = design.rows
    found: list[Any] = [n - design.width, xp.where(enough, n, 0), xp.where(_of_several(xp, design, y, within), n, 0)]
    lo, hi = numeric.value_range(y)
    if lo >= 0 and hi <= 1 and not numeric.as_integers(y)[1]:
        ones = xp.sum(y)
        found += [ones, n - ones]
    if weights is not None:
        count = xp.sum((weights > 0) * 1)
        found.append(count - design.width)
    if groups is not None:
        found.append(n - largest(xp, groups))
    return tuple(found)


def estimates_rest_on_enough(xp: Any, columns: Scaled, inverse: Inverted, k: int, weights: Any, cohort: int) -> Any:
    """Whether each estimate rests on a cohort of rows, and no row has more than half of its own fitted value; as
    `reach`."""
    moved, heavy = reach(xp, columns, inverse, k, weights)
    return xp.all(several(xp, moved, cohort)) & (heavy == 0)


def reach(xp: Any, columns: Scaled, inverse: Inverted, k: int, weights: Any) -> tuple[Any, Any]:
    """(n, p): what each row moves each estimate by; and how many rows have more than half of their own fitted value.

    `inverse`: of the information of the columns (and of a constant of 2^-k), with `weights` of rows at most 1, if there
    are any; over a public number.
    """
    values = columns.values
    d = values.shape[1]
    centred = inverse.d > d
    whole = inverse.whole(xp, INVERSE_BITS, VALUE_BITS)
    moved = xp.matmul(values, whole[:d])
    if centred:
        moved = moved + numeric.times_power(whole[d], -k, VALUE_BITS)
    moved = numeric.at_precision(moved, MOVED_BITS)
    if weights is not None:
        moved = numeric.at_precision(moved * xp.expand_dims(numeric.at_most(weights, WEIGHT_BITS), axis=1), MOVED_BITS)
    leverage = xp.sum(numeric.at_precision(moved[:, :d] * values, LEVERAGE_BITS), axis=1)
    if centred:
        leverage = leverage + numeric.at_precision(numeric.times_power(moved[:, d], -k, LEVERAGE_BITS), LEVERAGE_BITS)
        # of the constant itself, where columns are 0
        direction = xp.concat([-columns.ratios(), np.asarray([2.0**-k])])
        along = numeric.at_precision(xp.matmul(moved, direction), MOVED_BITS)
        moved = xp.concat([moved[:, :d], xp.expand_dims(along, axis=1)], axis=1)
    return moved, xp.sum((leverage > MOST_LEVERAGE) * 1)


def support(xp: Any, x: Any) -> Any:
    """(d,): on how many rows the estimate of each of some columns (n, d) about their means rests beside the others, by
    Kish's size; all of one that is left out, and none where a row has more than half of its own fitted value."""
    n, d = x.shape
    k = root_bits(n)
    columns = Scaled(xp, numeric.as_integers(x)[0], VALUE_BITS + k, centred=False)
    inverse = Inverse(xp, moments(xp, columns.values, columns.values, n / 4.0**k, None), d, scale=False)
    moved, heavy = reach(xp, columns, inverse, k, None)
    whole, fourth = _powers(xp, moved)
    if not isinstance(x, SecretArray):
        found = np.where(fourth > 0, whole**2 / np.where(fourth > 0, fourth, 1), n)
    else:
        found = numeric.ratio(numeric.at_precision(whole * whole, SHARE_BITS), fourth, n, SIZE_BITS)
    return xp.where(heavy > 0, 0.0, xp.where(whole < LEAST_SHARE, float(n), found))


def several(xp: Any, x: Any, least: int) -> Any:
    """Of columns (n, p), whether so many rows at least have them, by Kish's size of their squares; those of 0 do."""
    whole, fourth = _powers(xp, x)
    return numeric.at_precision(whole * whole, SHARE_BITS) >= numeric.at_precision(fourth * least, SHARE_BITS)


def _powers(xp: Any, x: Any) -> tuple[Any, Any]:
    """(p,): sums of squares and of fourth powers of columns (n, p), scaled to sums of squares of about one."""
    if isinstance(x, SecretArray):
        excess = numeric.magnitude_bits(x) - (RING_BITS - 2 - x.shape[0].bit_length()) // 2
        x = numeric.at_most(x, numeric.as_integers(x)[1] - max(0, excess))
    shares = Scaled(xp, numeric.as_integers(x)[0], VALUE_BITS, centred=False).values
    squares = numeric.at_precision(shares * shares, SHARE_BITS)
    return xp.sum(squares, axis=0), numeric.at_precision(xp.sum(squares * squares, axis=0), SHARE_BITS)


def _of_several(xp: Any, design: Design, y: Any, within: Any) -> Any:
    """Whether y about its mean is that of a cohort of rows, by Kish's size: estimates are sums of covariates over the
    rows that have it. `within`: weights of at most 1."""
    number, _ = numeric.as_integers(numeric.numerator(y)[0])
    shares = Scaled(xp, xp.expand_dims(number, axis=1), VALUE_BITS, centred=True).values
    # its centre is a whole number, which a coin may round to; y that is 0 but for few rows must not pass by that
    if within is None:
        shares = shares - numeric.at_precision(xp.sum(shares, axis=0) * (1 / design.rows), VALUE_BITS)
    else:
        within = numeric.at_most(xp.expand_dims(within, axis=1), WEIGHT_BITS)
        weighed = numeric.at_precision((shares + 1) * within, VALUE_BITS)
        total = xp.sum(within + shares * 0, axis=0)
        mean = numeric.ratio(xp.sum(weighed, axis=0), total, 2, VALUE_BITS)
        shares = weighed - numeric.at_precision(within * mean, VALUE_BITS)
    return xp.all(several(xp, shares, cohort_of(design.columns, y, within)))


def largest(xp: Any, groups: Any) -> Any:
    """How many rows the largest cluster has."""
    if not isinstance(groups, SecretArray):
        return int(np.unique(np.asarray(groups), return_counts=True)[1].max())
    categories = getattr(groups, "categories", None)
    count = len(categories) if categories is not None else int(groups.bounds[1]) + 1
    return xp.max(segment_sum(groups * 0 + 1, groups, count))
