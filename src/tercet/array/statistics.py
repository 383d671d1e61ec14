"""The standard's reductions, running sums and extremes."""

from __future__ import annotations

import builtins
import math
from fractions import Fraction
from typing import Any

import numpy as np

from tercet.array import elementwise, given, movement
from tercet.array.core import ONE, SecretArray, pending
from tercet.array.creation import as_type
from tercet.array.dispatch import array_function
from tercet.array.exact import Root
from tercet.array.manipulation import concat
from tercet.array.present import beyond, filled, numbers_of
from tercet.errors import PlanError
from tercet.plan.record import build, logic
from tercet.plan.record.build import Operand
from tercet.plan.record.graph import Recorded
from tercet.plan.record.roots import moment
from tercet.plan.record.scale import bounded, renamed, settle
from tercet.plan.table.reasons import NOT_NEGATIVE
from tercet.plan.types import MAX_FRAC_BITS

Axis = int | tuple[int, ...] | None


def _reduced(x: SecretArray, axis: Axis, keepdims: bool, reduce: Any, divisor: Fraction = ONE) -> SecretArray:
    axes = movement.normal_axes(axis, x.ndim)
    try:
        result = reduce(x.undivided if divisor != 0 else x.node, axes)
    except PlanError:
        if reduce is not build.total or x.divisor == 1:
            raise
        # too large before the division
        result, divisor = reduce(x.node, axes), divisor / x.divisor
    if keepdims:
        result = movement.with_axis_kept(result, axes, x.ndim)
    return x._again(x.like(result, divisor or ONE))


def _averaged(x: SecretArray, axis: Axis, keepdims: bool, reduce: Any, divisor: Fraction) -> SecretArray:
    result = _reduced(x, axis, keepdims, reduce, divisor)
    return pending(result.device, result.undivided, result.divisor)


@array_function
def sum(x: SecretArray, /, *, axis: Axis = None, dtype: Any = None, keepdims: bool = False) -> SecretArray:
    """The sum over axes; bools are counted. Nothing is sent, or one word a result where x is a fresh product."""
    result = _reduced(x, axis, keepdims, build.total, x.divisor)
    return result if dtype is None else as_type(result, dtype)


@array_function
def mean(x: SecretArray, /, *, axis: Axis = None, keepdims: bool = False) -> SecretArray:
    """The exact sum, to be divided by the public count when revealed or used."""
    count = math.prod(x.shape[at] for at in movement.normal_axes(axis, x.ndim))
    if not count:
        raise ValueError("the mean of no elements")
    return _averaged(x, axis, keepdims, build.total, x.divisor * count)


@array_function
def var(x: SecretArray, /, *, axis: Axis = None, correction: float = 0.0, keepdims: bool = False) -> SecretArray:
    """The variance, exact when revealed: (n sum(x^2) - sum(x)^2) / (n (n - correction)).

    A product that is not rounded yet, of bounds too wide for that, is rounded to its own fractional bits first.
    PlanError where 128 bits do not take n^2 x^2.
    """
    count = math.prod(x.shape[at] for at in movement.normal_axes(axis, x.ndim))
    correction = given.real(correction, "the correction")
    if count - correction <= 0:
        raise ValueError(f"the variance of {count} elements less {correction}")

    def reduce(a: Recorded, axes: tuple[int, ...]) -> Recorded:
        a = build.number(a)
        try:
            return _spread(a, axes)
        except PlanError:
            if settle(a) is a:
                raise
            return _spread(settle(a), axes)

    return _averaged(x, axis, keepdims, reduce, x.divisor**2 * count * (count - Fraction(correction)))


def _spread(a: Recorded, axes: tuple[int, ...]) -> Recorded:
    """n sum(a^2) - sum(a)^2 of the stored integers, so that nothing is rescaled on the way."""
    frac, nominal = a.type.frac_bits, a.type.nominal
    result = moment(a, a, axes)
    if 2 * frac > MAX_FRAC_BITS:
        raise PlanError(
            f"a variance of values with {frac} fractional bits has {2 * frac}, and {MAX_FRAC_BITS} are carried",
            hint="convert them to fewer first: x.astype(tercet.array.fixed(16))",
        )
    result = bounded(result, 0, result.type.magnitude, NOT_NEGATIVE)
    return renamed(result, 2 * frac, nominal) if frac else result


@array_function
def std(x: SecretArray, /, *, axis: Axis = None, correction: float = 0.0, keepdims: bool = False) -> SecretArray:
    """The standard deviation, exact when revealed: what becomes plain then is the variance.

    What is computed with it is within two last bits: the root is taken under sharing, before the variance is rescaled.
    Costs those of `var` and `sqrt`.
    """
    return Root.of(var(x, axis=axis, correction=correction, keepdims=keepdims))


@array_function
def cumulative_sum(
    x: SecretArray, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False
) -> SecretArray:
    """Prefix sums along an axis; local."""
    if axis is None:
        if x.ndim != 1:
            raise ValueError("cumulative_sum needs an axis for arrays of other than one dimension")
        axis = 0
    place = movement.normal_axis(axis, x.ndim)
    result = x._again(x.like(build.running_total(x.undivided, place), x.divisor))
    if include_initial:
        shape = (*x.shape[:place], 1, *x.shape[place + 1 :])
        zeros = build.broadcast_to(elementwise.zeros_of(result.undivided), shape)
        zero = x.like(zeros, x.divisor)
        result = concat([zero, result], axis=place)
    return result if dtype is None else as_type(result, dtype)


@array_function
def prod(x: SecretArray, /, *, axis: Axis = None, dtype: Any = None, keepdims: bool = False) -> SecretArray:
    """The product over axes, in ceil(log2) products; refused where its bounds outgrow the rings."""

    def reduce(a: Recorded, axes: tuple[int, ...]) -> Recorded:
        a = settle(build.number(a))
        if not math.prod(a.type.shape[at] for at in axes):
            frac = a.type.frac_bits
            none = build.total(a, axes)
            return build.shared_integers(none, 1 << frac, frac)
        return tournament(a, axes, lambda front, back: settle(build.multiply(front, back)))

    result = _reduced(x, axis, keepdims, reduce, ONE if x.divisor == 1 else Fraction(0))
    return result if dtype is None else as_type(result, dtype)


@array_function
def min(x: SecretArray, /, *, axis: Axis = None, keepdims: bool = False) -> SecretArray:
    """The least element, by a tournament of ceil(log2) comparisons."""
    return _extreme(x, axis, keepdims, greatest=False)


@array_function
def max(x: SecretArray, /, *, axis: Axis = None, keepdims: bool = False) -> SecretArray:
    """The greatest element, by a tournament of ceil(log2) comparisons."""
    return _extreme(x, axis, keepdims, greatest=True)


@array_function
def ptp(x: SecretArray, /, axis: Axis = None, *, keepdims: bool = False) -> SecretArray:
    """The greatest element less the least, over axes. Costs two tournaments; single rows to a policy, as `min` is."""
    return max(x, axis=axis, keepdims=keepdims) - min(x, axis=axis, keepdims=keepdims)


def greatest_apart(x: SecretArray, axes: tuple[int, ...]) -> SecretArray:
    """`max` over axes, of which rows along any other axis stay apart."""
    return _extreme(x, axes, False, greatest=True, knockout=_tournament_apart)


def _extreme(x: SecretArray, axis: Axis, keepdims: bool, *, greatest: bool, knockout: Any = None) -> SecretArray:
    numbers, there = x._ranked()
    # what is still to be divided by a negative number is ordered the other way round
    greatest = greatest == (numbers.divisor > 0)
    choose = logic.maximum if greatest else logic.minimum

    def reduce(a: Recorded, axes: tuple[int, ...]) -> Recorded:
        if not math.prod(a.type.shape[at] for at in axes):
            raise ValueError("the extreme of no elements")
        return (knockout or tournament)(settle(build.number(a)), axes, choose)

    if there is None:
        return x._elements(_reduced(numbers, axis, keepdims, reduce, numbers.divisor))
    node = numbers_of(numbers)
    whole = filled(node, there.node, node.type.lo if greatest else node.type.hi)
    found = _reduced(x.like(whole, numbers.divisor), axis, keepdims, reduce, numbers.divisor)
    return x._elements(found, any(there, axis=axis, keepdims=keepdims))


def _lines(x: Recorded, axes: tuple[int, ...]) -> tuple[Recorded, tuple[int, ...]]:
    """The reduced axes as one in front, the others as one behind; and the shape of the result."""
    rest = tuple(at for at in range(len(x.type.shape)) if at not in axes)
    shape = tuple(x.type.shape[at] for at in rest)
    terms = math.prod(x.type.shape[at] for at in axes)
    return movement.reshape(movement.permute(x, (*axes, *rest)), (terms, math.prod(shape))), shape


def _pairs(x: Recorded) -> tuple[Recorded, Recorded, Recorded | None]:
    """Neighbouring rows, and the last one where their number is odd."""
    terms = x.type.shape[0]
    even = terms - terms % 2
    last = movement.cut(x, [slice(even, terms)]) if terms % 2 else None
    return movement.cut(x, [slice(0, even, 2)]), movement.cut(x, [slice(1, even, 2)]), last


def tournament(x: Recorded, axes: tuple[int, ...], choose: Any) -> Recorded:
    """What is left of all elements over axes when two neighbours are taken together again and again."""
    lines, shape = _lines(x, axes)
    return movement.reshape(settle(_last_left(lines, choose)), shape)


def _tournament_apart(x: Recorded, axes: tuple[int, ...], choose: Any) -> Recorded:
    """The same, with all other axes as they are: rows along one of them stay apart, but bounds of what is worked out
    beside the extreme are not proven narrower (`plan.bounds.extremes` knows lines in two axes)."""
    rest = tuple(at for at in range(len(x.type.shape)) if at not in axes)
    shape = tuple(x.type.shape[at] for at in rest)
    terms = math.prod(x.type.shape[at] for at in axes)
    lines = movement.reshape(movement.permute(x, (*axes, *rest)), (terms, *shape))
    return movement.reshape(settle(_last_left(lines, choose)), shape)


def _last_left(lines: Recorded, choose: Any) -> Recorded:
    while lines.type.shape[0] > 1:
        front, back, last = _pairs(lines)
        lines = choose(front, back)
        if last is not None:
            lines = movement.concat([lines, last], 0)
    return lines


@array_function
def argmin(x: SecretArray, /, *, axis: int | None = None, keepdims: bool = False) -> SecretArray:
    """The position of the first least element, by a tournament that carries positions along. Missing values are
    passed over; 0 if there is no value."""
    return _position(x, axis, keepdims, greatest=False)


@array_function
def argmax(x: SecretArray, /, *, axis: int | None = None, keepdims: bool = False) -> SecretArray:
    """The position of the first greatest element, as `argmin`."""
    return _position(x, axis, keepdims, greatest=True)


def _position(x: SecretArray, axis: int | None, keepdims: bool, *, greatest: bool) -> SecretArray:
    numbers, there = x._ranked()
    smallest = greatest == (numbers.divisor < 0)
    node = numbers_of(numbers)
    if there is not None:
        node = filled(node, there.node, beyond(node, above=smallest))

    def reduce(a: Recorded, axes: tuple[int, ...]) -> Recorded:
        lines, shape = _lines(a, axes)
        terms, columns = lines.type.shape
        if not terms:
            raise ValueError("the position of an extreme among no elements")
        rows = np.broadcast_to(np.arange(terms)[:, None], (terms, columns))
        return movement.reshape(carried(lines, rows, smallest=smallest)[1], shape)

    if isinstance(axis, tuple | list):
        raise TypeError("argmin and argmax take one axis")
    return _reduced(x.like(node), axis, keepdims, reduce, ONE)


def carried(lines: Recorded, rows: Operand, *, smallest: bool) -> tuple[Recorded, Recorded]:
    """The least, or greatest, along the first axis, and what `rows` has where the first of those stands; (1, columns)
    each."""
    columns = lines.type.shape[1]
    while lines.type.shape[0] > 1:
        front, back, last = _pairs(lines)
        rest = lines.type.shape[0] % 2
        places = _pairs(rows) if isinstance(rows, Recorded) else _public_pairs(rows)
        later = logic.less(back, front) if smallest else logic.less(front, back)
        lines = logic.select(later, back, front)
        rows = logic.select(later, places[1], places[0])
        if rest and last is not None:
            lines = movement.concat([lines, last], 0)
            final = places[2]
            if not isinstance(final, Recorded):
                final = elementwise.shared(rows, final, (1, columns))
            rows = movement.concat([rows, final], 0)
    return lines, rows if isinstance(rows, Recorded) else elementwise.shared(lines, rows, (1, columns))


def _public_pairs(rows: Any) -> tuple[Any, Any, Any]:
    even = len(rows) - len(rows) % 2
    return rows[0:even:2], rows[1:even:2], rows[even:]


@array_function
def any(x: SecretArray, /, *, axis: Axis = None, keepdims: bool = False) -> SecretArray:
    """Whether one holds at least; ceil(log2) rounds."""

    def reduce(a: Recorded, axes: tuple[int, ...]) -> Recorded:
        return logic.logical_not(_all(logic.logical_not(_truth(a)), axes))

    return _reduced(x, axis, keepdims, reduce)


@array_function
def all(x: SecretArray, /, *, axis: Axis = None, keepdims: bool = False) -> SecretArray:
    """Whether all hold; ceil(log2) rounds."""
    return _reduced(x, axis, keepdims, lambda a, axes: _all(_truth(a), axes))


def _truth(x: Recorded) -> Recorded:
    return x if x.type.is_bool else logic.logical_not(logic.equal(x, np.asarray(0)))


def _all(x: Recorded, axes: tuple[int, ...]) -> Recorded:
    return x if not axes else logic.reduce_and(x, axes)


@array_function
def count_nonzero(x: SecretArray, /, *, axis: Axis = None, keepdims: bool = False) -> SecretArray:
    """How many differ from 0."""
    return sum(x if x.dtype.name == "bool" else x != 0, axis=axis, keepdims=keepdims)


@array_function
def diff(x: SecretArray, /, *, axis: int = -1, n: int = 1, prepend: Any = None, append: Any = None) -> SecretArray:
    """Differences of neighbours, n times."""
    place = movement.normal_axis(axis, x.ndim)
    if (n := given.integer(n, "n")) < 0:
        raise ValueError(f"differences are taken {n} times")
    ends = [part for part in (prepend, x, append) if part is not None]
    x = concat(ends, axis=place) if len(ends) > 1 else x
    before = (slice(None),) * place
    for _ in range(builtins.min(n, x.shape[place])):  # then nothing is left
        x = x[(*before, slice(1, None))] - x[(*before, slice(None, -1))]
    return x
