"""Counting and placing among bins, and running products and extremes, with NumPy's names. Nothing is opened."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercet.array import elementwise, given, movement
from tercet.array.core import SecretArray, apply, secret_array, shape_of
from tercet.array.creation import as_type
from tercet.array.dispatch import array_function
from tercet.array.manipulation import concat
from tercet.array.present import filled, numbers_of, zeroed
from tercet.errors import PlanError
from tercet.plan.record import build, counting, edges, logic
from tercet.plan.record.build import Operand
from tercet.plan.record.graph import Recorded
from tercet.plan.record.public import public_array, thresholds
from tercet.plan.record.scale import bounded, renamed, settle
from tercet.plan.table.reasons import SELECTED
from tercet.plan.types import ValueKind

MAX_BINS = 1 << 16
_WHOLE_ONE_HOT_BITS = 7
"""Up to so many bits a value's whole one-hot vector is cheaper than the two halves of which it is the product."""

Choose = Callable[[Recorded, Recorded], Recorded]


def _counted(x: SecretArray, axis: int) -> SecretArray:
    """How many bools are set along an axis."""
    return apply(lambda a: counting.count(a, (movement.normal_axis(axis, x.ndim),)), x)


# ---- running products and extremes ----


def running(x: Recorded, axis: int, choose: Choose) -> Recorded:
    """Of each place, the elements up to it taken together; 2 n of them are, in 2 log2 n steps."""
    last = len(x.type.shape) - 1
    order = [*(at for at in range(last + 1) if at != axis), axis]
    lines = movement.permute(x, order)
    shape = lines.type.shape
    flat = movement.reshape(lines, (math.prod(shape[:-1]), shape[-1]))
    found = movement.reshape(settle(_scanned(flat, choose)), shape)
    return movement.permute(found, np.argsort(order).tolist())


def _scanned(x: Recorded, choose: Choose) -> Recorded:
    lines, length = x.type.shape
    if length < 2:
        return x
    every = slice(None)
    odd = _scanned(choose(*(movement.cut(x, [every, slice(at, length - length % 2, 2)]) for at in (0, 1))), choose)
    pairs = odd.type.shape[1]
    even = movement.cut(x, [every, slice(0, 1)])
    if length > 2:
        here = movement.cut(x, [every, slice(2, length, 2)])
        even = movement.concat([even, choose(movement.cut(odd, [every, slice(0, here.type.shape[1])]), here)], 1)
    both = [movement.reshape(movement.cut(part, [every, slice(0, pairs)]), (lines, pairs, 1)) for part in (even, odd)]
    mixed = movement.reshape(movement.concat(both, 2), (lines, 2 * pairs))
    return movement.concat([mixed, movement.cut(even, [every, slice(pairs, None)])], 1) if length % 2 else mixed


@array_function
def cumulative_prod(
    x: SecretArray, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False
) -> SecretArray:
    """The products of all elements up to each place of an axis: 2 n products in 2 log2(n) rounds, or two each of fixed
    point, which are off by a last bit each. Nothing is opened. PlanError where bounds outgrow the rings, as those of
    long lines do unless they are within -1 and 1. After NumPy's function of this name.
    """
    if axis is None:
        if x.ndim != 1:
            raise ValueError("cumulative_prod needs an axis for arrays of other than one dimension")
        axis = 0
    place = movement.normal_axis(axis, x.ndim)
    result = apply(lambda a: running(settle(build.number(a)), place, _product), x)
    if include_initial:
        ones = np.ones((*x.shape[:place], 1, *x.shape[place + 1 :]), dtype=np.int64)
        result = concat([ones, result], axis=place)
    return result if dtype is None else as_type(result, dtype)


def _product(a: Recorded, b: Recorded) -> Recorded:
    return settle(build.multiply(a, b))


def running_extreme(x: SecretArray, axis: int, *, greatest: bool) -> SecretArray:
    """The greatest, or least, of all elements up to each place of an axis: 2 n comparisons and choices, in 2 log2(n)
    levels. Exact; nothing is opened. Missing values are passed over and stay missing, as in pandas.
    `np.maximum.accumulate` and `np.minimum.accumulate` call it.
    """
    numbers, there = x._ranked()
    upwards = greatest == (numbers.divisor > 0)
    place = movement.normal_axis(axis, x.ndim)
    node = numbers_of(numbers)
    if there is not None:
        node = filled(node, there.node, node.type.lo if upwards else node.type.hi)
    found = running(node, place, logic.maximum if upwards else logic.minimum)
    return x._elements(x.like(found, numbers.divisor), there)


# ---- among others ----


@array_function
def isin(x1: Any, x2: Any, /, *, invert: bool = False) -> SecretArray:
    """Whether each element of x1 is among those of x2, either of which may be secret: for each pair one equality, and
    ANDs in log2 levels. Of public x2 each value counts once. What is missing is not among others, and counts for none.
    Exact; nothing is opened. After NumPy's function.
    """
    if not isinstance(x2, SecretArray):
        x2 = given.array(x2, "the second operand")
        # of objects, not all of which need have an order, by what is equal
        x2 = np.array(list(dict.fromkeys(x2.flat)), object) if x2.dtype == object else np.unique(x2)
    shape = shape_of(x1)
    others = x2.reshape(-1)
    if not others.size:
        none = logic.bool_node(_any_node(x1, x2), np.zeros(shape, dtype=np.bool_))
        found = secret_array((x1 if isinstance(x1, SecretArray) else x2).device, none)
    else:
        first = x1[..., None] if isinstance(x1, SecretArray) else given.array(x1, "the first operand")[..., None]
        pairs = elementwise.equal(first, others)
        found = apply(lambda a: logic.logical_not(logic.reduce_and(logic.logical_not(a), (len(shape),))), pairs)
    return elementwise.logical_not(found) if invert else found


def _beside(value: Any, other: Any) -> Any:
    """An operand as the numbers that another one is compared as."""
    return other._coded(value) if isinstance(other, SecretArray) else value


def _any_node(*values: Any) -> Recorded:
    node = next(value._ranked(ordered=False)[0].node for value in values if isinstance(value, SecretArray))
    return node if node.type.is_bool else logic.negative(node)


@array_function
def searchsorted(x1: Any, x2: Any, /, *, side: str = "left", sorter: Any = None) -> SecretArray:
    """Where each element of x2 is to be put into x1, which is in ascending order; either may be secret.

    It is the number of elements of x1 that are below, or with side="right" not above: of a public x1 of five or more
    the bits of x2, 13 for each element of x1, and a word for each bit of that number; else a comparison for each pair,
    and that number's bits. Exact; nothing is opened; of an x1 that is not in order, this number. ValueError for another
    side; TypeError for a secret sorter. The place of a missing value is missing. After NumPy's function.
    """
    if side not in ("left", "right"):
        raise ValueError(f"side is 'left' or 'right', not {str(side)[:20]!r}")
    if isinstance(sorter, SecretArray):
        raise TypeError("a sorter is public; sort the secret array first")
    line = x1 if isinstance(x1, SecretArray) else given.array(x1, "the first operand")
    if line.ndim != 1:
        raise ValueError(f"searchsorted takes a line of values, not {line.ndim} dimensions")
    if sorter is not None:
        line = line[given.array(sorter, "a sorter")]
    wanted = x2 if isinstance(x2, SecretArray) else given.array(x2, "the second operand")
    if isinstance(line, SecretArray) and line._ranked()[1] is not None:
        raise TypeError(
            "values that are missing have no place in a line in ascending order: fill them, as in x.fillna(0)"
        )
    line, wanted = _beside(line, wanted), _beside(wanted, line)
    line = line._ranked()[0] if isinstance(line, SecretArray) else line
    if isinstance(wanted, SecretArray):
        numbers, there = wanted._ranked()
        if numbers is not wanted:
            return wanted._with_gaps(searchsorted(line, numbers, side=side), there)
    if not line.shape[0] or not wanted.size:
        like = next(value for value in (line, wanted) if isinstance(value, SecretArray))
        zeros = build.shared_integers(build.total(like.node, tuple(range(like.ndim))), 0)
        return like.like(build.broadcast_to(zeros, wanted.shape))
    if (
        not isinstance(line, SecretArray)
        and isinstance(wanted, SecretArray)
        and is_stored(wanted)
        and line.size >= edges.FEWEST
    ):
        return _places(wanted, np.sort(line), side)
    compare = elementwise.less if side == "left" else elementwise.less_equal
    return _counted(compare(line, wanted[..., None]), -1)


def is_stored(x: SecretArray) -> bool:
    """Whether an array's values are its stored integers at its scale: no decimals, quotients or lines of others."""
    return type(x) is SecretArray and x.divisor == 1 and x._line is None


def _places(x: SecretArray, line: NDArray[Any], side: str) -> SecretArray:
    """How many of public numbers in ascending order are below, or not above, each element.

    Those that an element reaches are the first ones: bit j of their number is the XOR of every 2^j-th.
    """
    below, above = thresholds(line, x._type)
    flat = movement.reshape(renamed(build.number(x.undivided), 0, 0), (x.size,))
    flags = edges.reached(flat, [int(edge) for edge in (below + 1 if side == "left" else above)])
    places, bits = line.size, []
    for bit in range(places.bit_length()):
        chosen = [counting.row(flags, at - 1) for at in range(1 << bit, places + 1, 1 << bit)]
        bits.append(movement.reshape(functools.reduce(logic.logical_xor, chosen), (1, x.size)))
    numbers = build.number(movement.concat(bits, 0))
    powers = np.array([1 << bit for bit in range(len(bits))])[:, None]
    found = bounded(build.total(build.multiply(numbers, powers), (0,)), 0, places, SELECTED)
    return x.like(movement.reshape(found, x.shape))


@array_function
def digitize(x: Any, bins: Any, right: bool = False) -> SecretArray:
    """The number of the bin that each element lies in, of public edges in ascending or descending order.

    Costs as `searchsorted`. Exact; nothing is opened. ValueError for
    edges that are in no order. After NumPy's function.
    """
    if isinstance(bins, SecretArray):
        raise TypeError("the edges of bins are public; searchsorted takes secret ones")
    edges = given.edges(_beside(bins, x), "bins")
    if edges.ndim != 1:
        raise ValueError(f"bins are one line of edges, not {edges.ndim} dimensions")
    before, behind = edges[:-1], edges[1:]  # compared: differences of integers may wrap
    rising, side = bool((behind >= before).all()), "left" if right else "right"
    if not rising and (behind > before).any():
        raise ValueError("bins rise or fall throughout")
    values, there = x._ranked() if isinstance(x, SecretArray) else (x, None)
    found = searchsorted(edges if rising else edges[::-1], values, side=side)
    found = found if rising else edges.size - found
    return x._with_gaps(found, there) if isinstance(x, SecretArray) else found


# ---- counts of bins ----


@array_function
def bincount(x: SecretArray, weights: Any = None, minlength: int = 0) -> SecretArray:
    """How often each integer from 0 on occurs in a line, or the sum of the weights where it does.

    The length of the result is public and follows from x's upper bound: that and one, or `minlength` if it is more, so
    zeros may stand at the end where NumPy's result, whose length would reveal the largest value, has ended. For k bits
    of the bound the one-hot vectors take 2^k bits an element, and as many short fields; from 8 bits on, or with
    weights, 2 * 2^(k/2) words instead. Missing values are in no bin. Exact; nothing is opened. Each count rests on all
    elements. ValueError where x may be negative, PlanError where its bound makes more than 65,536 bins. After NumPy's
    function.
    """
    if x.ndim != 1:
        raise ValueError(f"bincount takes a line of integers, not {x.ndim} dimensions")
    numbers, present = x._ranked(ordered=False)
    node, there = build.number(numbers.node), None if present is None else present.node
    if node.type.kind is not ValueKind.INT:
        raise TypeError("bincount takes integers; round first, or use histogram")
    if node.type.lo < 0:
        raise ValueError("bincount takes integers that cannot be negative; share them with bounds from 0 on, or clip")
    least = given.integer(minlength, "minlength")
    if least < 0:
        raise ValueError(f"minlength is not negative, and not {least}")
    length = max(node.type.hi + 1, least)
    if length > MAX_BINS:
        raise PlanError(
            f"bincount of values up to {node.type.hi} has {length} bins, more than {MAX_BINS}",
            hint="clip the values, or state narrower bounds with tc.assume",
        )
    if weights is not None and shape_of(weights) != x.shape:
        raise ValueError(f"{shape_of(weights)} weights for {x.shape} elements")
    bits = counting.bits(node, max(1, node.type.hi.bit_length()))
    if weights is None:
        found = counts_of_bins(bits, there)
    else:
        weights = zeroed(weights) if isinstance(weights, SecretArray) else weights
        each = numbers_of(weights) if isinstance(weights, SecretArray) else public_array(weights)
        line = movement.reshape(each, (1, x.size)) if isinstance(each, Recorded) else each.reshape(1, -1)
        found = movement.reshape(sums_of_bins(bits, line, there), (1 << len(bits),))
    found = movement.cut(found, [slice(0, min(length, node.type.hi + 1))])
    result = weights._again(x.like(found, weights.divisor)) if isinstance(weights, SecretArray) else x.like(found)
    missing = length - found.type.shape[0]
    return result if not missing else concat([result, np.zeros(missing, dtype=np.int64)])


def counts_of_bins(bits: list[Recorded], there: Recorded | None = None) -> Recorded:
    """How many elements of a line have each value, by their bits from the lowest on, of those that are there."""
    if len(bits) <= _WHOLE_ONE_HOT_BITS:
        return counting.count(_hot(bits, there), (1,))
    half = len(bits) // 2
    low, upper = build.number(_hot(bits[:half], there)), build.number(counting.one_hot(bits[half:]))
    found = settle(build.matmul(upper, movement.permute(low, (1, 0))))
    return movement.reshape(found, (found.type.size,))


def _hot(bits: list[Recorded], there: Recorded | None) -> Recorded:
    """One-hot vectors of a line, of nothing where an element is missing."""
    hot = counting.one_hot(bits)
    return hot if there is None else logic.logical_and(hot, build.broadcast_to(there, hot.type.shape))


def sums_of_bins(bits: list[Recorded], columns: Operand, there: Recorded | None = None) -> Recorded:
    """(values, columns): the sums of columns, (columns, places), over the elements of a line that have each value. One
    product of two matrices: one-hot vectors of the upper bits, and of the lower ones times the columns."""
    half = max(1, len(bits) // 2)
    low = _hot(bits[:half], there)
    count, length = columns.type.shape if isinstance(columns, Recorded) else columns.shape
    width = 1 << half
    shape = (width, count, length)
    each = movement.reshape(low, (width, 1, length))
    if isinstance(columns, Recorded):
        lower = logic.inject(build.broadcast_to(each, shape), build.broadcast_to(settle(build.number(columns)), shape))
    else:
        lower = build.multiply(build.number(each), columns)
    if len(bits) == 1:
        return settle(build.total(lower, (2,)))
    upper = build.number(counting.one_hot(bits[half:]))
    flat = movement.permute(movement.reshape(lower, (width * count, length)), (1, 0))
    found = settle(build.matmul(upper, flat))
    return movement.reshape(found, (1 << len(bits), count))
