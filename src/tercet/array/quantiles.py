"""Medians and quantiles: the k-th of n values, two to four bits at a time. Nothing is opened; results rest on all n
values; the least and the greatest are those of a tournament.

From the highest digit of k bits on it is counted how many of the values that agree with what is found so far have a
digit below 1, 2, ..., 2^k - 1 next: the first number that reaches the rank says what the digit is, and what is below it
lies below. Source: folklore; a digit takes 2^k - 1 counts, as many ANDs and 2^k - 1 - k before, and a selected row.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tercet.array import elementwise, given, movement, rounding, statistics
from tercet.array.core import SecretArray, pending
from tercet.array.creation import as_type
from tercet.array.dispatch import array_function, array_function_beside
from tercet.array.dtypes import bool as bools
from tercet.array.present import beyond, filled, numbers_of
from tercet.array.statistics import carried, tournament
from tercet.plan.record import build, counting, logic
from tercet.plan.record.graph import Recorded
from tercet.plan.record.scale import bounded, renamed
from tercet.plan.table.reasons import REMAINDER, SELECTED

_DISCRETE = ("inverted_cdf", "closest_observation", "lower", "higher", "nearest")
"""NumPy's methods whose result is an element, of the elements' type."""
_LARGEST_DENOMINATOR = 1 << 12
"""Weights of two neighbours are fractions up to this; others are the float that NumPy has."""


_ELEMENTS = {4: 1 << 14, 3: 1 << 18}
"""Up to how many elements, over all lines and ranks, so many bits are found at a time: for more, bytes count most."""
_AT_ONCE, _SHORTEST = 1 << 18, 48
"""Medians and quantiles of up to so many elements, over all lines and ranks, are one operation, which holds all rows at
once; those of more are run in partitions of rows. Short lines would fill a part of their words only."""
_FINEST_PART = 10**6
"""Of elements whose number is secret, a quantile is the nearest fraction of a denominator up to this."""


def _kth(lines: Recorded, ranks: NDArray[np.int64]) -> Recorded:
    """(ranks, lines): of each line, the elements of these ranks in ascending order, from 0 on."""
    count, length = lines.type.shape
    lines = build.number(lines)
    planes = counting.ordered_bits(lines)
    if planes is None:
        first = movement.reshape(movement.cut(lines, [slice(None), slice(0, 1)]), (1, count))
        return build.broadcast_to(first, (len(ranks), count))
    if len(ranks) * lines.type.size <= _AT_ONCE and length >= _SHORTEST:
        found = counting.order_statistics(planes, ranks)
        powers = np.array([1 << at for at in range(found.type.shape[0])], dtype=object).reshape(-1, 1, 1)
        return _as_stored(build.total(build.multiply(build.number(found), powers), (0,)), lines)
    return _as_stored(_selected(planes, ranks).integers(), lines)


@dataclass(frozen=True)
class _Selected:
    """Elements of so many bits by their digits, the lowest first: whether one is below 1, 2, ..., as bools,
    (2^width - 1, ranks, lines) each."""

    digits: list[Recorded]
    width: int
    bits: int

    def integers(self, start: int = 0, stop: int | None = None) -> Recorded:
        """(ranks, lines): the integers of the bits from `start` up to `stop`, for which no lower digits are needed."""
        width, stop = self.width, self.bits if stop is None else stop
        first = start // width
        below = _stacked(self.digits[first : -(-stop // width)])
        count, steps, *shape = below.type.shape
        each = [movement.cut(below, [slice(None), slice(step, step + 1)]) for step in range(steps)]
        # as many multiples of 2^bit are not above a digit, which is odd or even
        odd = [reduce(logic.logical_xor, each[(1 << bit) - 1 :: 1 << bit]) for bit in range(width)]
        bits = movement.reshape(logic.logical_not(movement.concat(odd, 1)), (count * width, *shape))
        bits = movement.cut(bits, [slice(start - first * width, stop - first * width)])
        powers = np.array([1 << at for at in range(stop - start)], dtype=object).reshape(-1, 1, 1)
        return build.total(build.multiply(build.number(bits), powers), (0,))


def _selected(planes: Recorded, ranks: NDArray[np.int64] | Recorded, there: Recorded | None = None) -> _Selected:
    """The elements of these ranks of lines given by their bits, (bits, lines, places), the lowest bits first. Ranks may
    be secret, (ranks, lines), and go over the elements that are there."""
    bits, count, length = planes.type.shape
    number = ranks.type.shape[0] if isinstance(ranks, Recorded) else len(ranks)
    width = _digit(number * count * length)
    if bits % width:
        zeros = logic.logical_xor(*[movement.cut(planes, [slice(0, 1)])] * 2)
        planes = movement.concat([planes, *[zeros] * (-bits % width)], 0)
    masks = _thresholds(planes, width)
    steps, shape = masks.type.shape[1], (number, count)
    rows = (steps, *shape)
    wanted = build.broadcast_to(ranks, rows) if isinstance(ranks, Recorded) else np.broadcast_to(ranks[:, None], rows)
    left = None if there is None else build.broadcast_to(movement.reshape(there, (1, count, length)), (*shape, length))
    below: Recorded | None = None
    found: list[Recorded] = []
    for at in reversed(range(masks.type.shape[0])):
        kept = movement.reshape(counting.row(masks, at), (steps, 1, count, length))
        if left is not None:
            whole = (*rows, length)
            kept = logic.logical_and(build.broadcast_to(left, whole), build.broadcast_to(kept, whole))
        # of those that agree so far: the digit is below 1, 2, ...
        reached = build.broadcast_to(counting.count(kept, (3,)), rows)
        total = reached if below is None else build.linear("add", reached, build.broadcast_to(below, rows))
        enough = logic.less(wanted, total)
        found.append(enough)
        if not at:
            break
        last = logic.logical_not(movement.cut(enough, [slice(steps - 1, None)]))
        one = logic.logical_xor(movement.cut(enough, [slice(None, -1)]), movement.cut(enough, [slice(1, None)]))
        passed = build.total(logic.inject(movement.concat([one, last], 0), reached), (0,))
        below = passed if below is None else build.linear("add", below, passed)
        # those of the digit that was found: below it and one more, less those below it
        first, after = movement.cut(enough, [slice(1, 2)]), logic.logical_not(counting.row(enough, steps - 2))
        inner = logic.logical_xor(movement.cut(enough, [slice(None, -2)]), movement.cut(enough, [slice(2, None)]))
        chosen = [first, inner, _stacked([after])]
        if left is not None:
            kept, chosen = movement.concat([kept, _stacked([left])], 0), [*chosen, last]
        kept = build.broadcast_to(kept, (kept.type.shape[0], *shape, length))
        parted = counting.select(_each(movement.concat(chosen, 0)), kept)
        if left is None:
            parted = logic.logical_xor(parted, build.broadcast_to(_each(counting.row(last, 0)), parted.type.shape))
        left = parted
    return _Selected(found[::-1], width, bits)


def _digit(elements: int) -> int:
    """How many bits are found at a time: more are fewer rounds, and 2^k - 1 counts for k bits."""
    return next((width for width, most in _ELEMENTS.items() if elements <= most), 2)


def _thresholds(planes: Recorded, width: int) -> Recorded:
    """(digits, 2^width - 1, 1, lines, places): whether a digit of so many bits is below 1, 2, ...; the lowest digit
    first. 2^width - 1 - width ANDs a digit, in width - 1 rounds."""
    bits, count, length = planes.type.shape
    low: Recorded | None = None
    for at in range(width):
        clear = logic.logical_not(
            movement.reshape(movement.cut(planes, [slice(at, None, width)]), (bits // width, 1, count, length))
        )
        if low is None:
            low = clear
            continue
        upper = build.broadcast_to(clear, low.type.shape)
        both = logic.logical_and(upper, low)
        low = movement.concat([both, clear, logic.logical_xor(logic.logical_xor(upper, low), both)], 1)
    assert low is not None
    return low


def _stacked(parts: list[Recorded]) -> Recorded:
    """Arrays of one shape along a new first axis."""
    return movement.concat([movement.reshape(part, (1, *part.type.shape)) for part in parts], 0)


def _each(x: Recorded) -> Recorded:
    """With a new last axis of one place."""
    return movement.reshape(x, (*x.type.shape, 1))


def _as_stored(integers: Recorded, lines: Recorded) -> Recorded:
    """Elements of lines by the integers of their `ordered_bits`. No element is above the lines' bounds, which a
    comparison shows nodes where bits do not."""
    lowest = counting.lowest(lines)
    if lowest:
        integers = build.linear("add", integers, np.asarray(lowest, dtype=object))
    if integers.type.hi > lines.type.hi:
        integers = logic.minimum(integers, np.asarray(lines.type.hi, dtype=object))
    return renamed(integers, lines.type.frac_bits, lines.type.nominal)


def _ranked(lines: Recorded, ranks: NDArray[np.int64]) -> Recorded:
    """(ranks, lines), of different ranks in ascending order. The least and the greatest of a line come of tournaments:
    they are cheaper, and count as single rows to a policy, as those of `min` and `max` do."""
    last = lines.type.shape[1] - 1
    inner = ranks[(ranks > 0) & (ranks < last)]
    found = [_kth(lines, inner)] if inner.size else []
    if 0 in ranks:
        found.insert(0, movement.reshape(tournament(lines, (1,), logic.minimum), (1, lines.type.shape[0])))
    if last in ranks and last:
        found.append(movement.reshape(tournament(lines, (1,), logic.maximum), (1, lines.type.shape[0])))
    return movement.concat(found, 0)


def _weights(length: int, q: NDArray[np.float64], method: str) -> tuple[NDArray[np.int64], list[Fraction]]:
    """The rank below each quantile, and how far it lies towards the next, as NumPy says it of 0, 1, ... n - 1."""
    at = np.atleast_1d(np.quantile(np.arange(length, dtype=np.float64), q, method=method))  # type: ignore[call-overload]
    whole = np.rint(at)
    at = np.where(np.abs(at - whole) < 1e-9 * max(1, length), whole, at)
    lower = np.floor(at).astype(np.int64)
    weights = []
    for weight in (at - lower).tolist():
        near = Fraction(weight).limit_denominator(_LARGEST_DENOMINATOR)
        weights.append(near if abs(near - weight) < 1e-9 else Fraction(weight))
    return lower, weights


def _public_places(q: Any) -> NDArray[np.float64]:
    if isinstance(q, SecretArray):
        raise TypeError("quantiles are public")
    places = given.array(q, "q")
    if places.dtype.kind not in "biuf" and places.size:
        raise TypeError(f"quantiles are public numbers, not {places.dtype}")
    return places.astype(np.float64)


def _quantiles(x: SecretArray, places: NDArray[np.float64], axis: Any, method: str, keepdims: bool) -> SecretArray:
    if not places.size:
        raise ValueError("no quantile is asked for: q is empty")
    if not ((places >= 0) & (places <= 1)).all():
        raise ValueError("quantiles are between 0 and 1, percentiles between 0 and 100")
    axes = movement.normal_axes(axis, x.ndim)
    numbers, there = x._ranked()
    node = numbers_of(numbers)
    rest = [at for at in range(x.ndim) if at not in axes]
    length, shape = math.prod(x.shape[at] for at in axes), tuple(x.shape[at] for at in rest)
    if not length:
        raise ValueError("a quantile of no elements")
    kept = tuple(1 if at in axes else n for at, n in enumerate(x.shape)) if keepdims else shape
    lines = movement.reshape(movement.permute(node, [*rest, *axes]), (math.prod(shape), length))
    if there is not None:
        known = movement.reshape(movement.permute(there.node, [*rest, *axes]), lines.type.shape)
        values, steps, some = of_present(lines, known, places.reshape(-1), method, numbers.divisor < 0)
        whole = x.like(build.broadcast_to(movement.reshape(some, kept), (*places.shape, *kept)))
        found = movement.reshape(values, (*places.shape, *kept))
        if steps is None:
            return x._elements(x.like(found, numbers.divisor), whole)
        return x._elements(pending(x.device, found, numbers.divisor * steps), whole)
    lower, weights = _weights(length, places.reshape(-1), method)
    if numbers.divisor < 0:
        # the stored values are in the opposite order
        upper = [Fraction(0) if not weight else 1 - weight for weight in weights]
        lower = np.array([length - 1 - at - (weight > 0) for at, weight in zip(lower, weights, strict=True)], np.int64)
        weights = upper
    ranks, chosen = np.unique(
        np.concatenate([lower, *(lower[[at]] + 1 for at, weight in enumerate(weights) if weight)]), return_inverse=True
    )
    values = _ranked(lines, ranks.astype(np.int64))
    last = np.asarray(chosen).reshape(-1)
    following = iter(last[len(lower) :].tolist())
    upper_at = [next(following) if weight else int(last[at]) for at, weight in enumerate(weights)]
    low, high = movement.take(values, last[: len(lower)], 0), movement.take(values, np.array(upper_at, np.int64), 0)
    divisor = math.lcm(*(weight.denominator for weight in weights))
    if not any(weights):
        found, divisor = low, 1
    elif divisor <= _LARGEST_DENOMINATOR**2:
        share = np.array([int(weight * divisor) for weight in weights], dtype=np.int64)[:, None]
        found = build.linear("add", build.multiply(low, divisor - share), build.multiply(high, share))
    else:
        divisor = 1
        factors = np.array([float(weight) for weight in weights])[:, None]
        found = build.linear("add", low, build.multiply(build.linear("subtract", high, low), factors))
    found = movement.reshape(found, (*places.shape, *kept))
    if method in _DISCRETE:
        return x._elements(x.like(found, numbers.divisor))
    return x._elements(pending(x.device, found, numbers.divisor * divisor))


_OF_PRESENT = ("linear", "lower", "higher", "midpoint")


def of_present(
    lines: Recorded, there: Recorded, places: NDArray[np.float64], method: str, falling: bool
) -> tuple[Recorded, int | None, Recorded]:
    """(quantiles, lines) of the elements that are there, whose number is secret; what these are still to be divided by,
    None if they are elements; and, for each line, whether there is an element.

    The quantile q = a / b of m elements is at (m - 1) a / b: a secret rank, and a secret rest of what b leaves.
    """
    if method not in _OF_PRESENT:
        raise TypeError(
            f"of arrays with missing values quantiles have the methods {', '.join(_OF_PRESENT)}, not "
            f"{str(method)[:30]!r}: fill what is missing, as in x.fillna(0)"
        )
    parts = [Fraction(one).limit_denominator(_FINEST_PART) for one in places.tolist()]
    parts = [1 - part if falling else part for part in parts]
    if falling:
        method = {"lower": "higher", "higher": "lower"}.get(method, method)
    count = counting.count(there, (1,))
    last = build.linear("subtract", count, np.asarray(1))
    below, rests = [], []
    for part in parts:
        place = build.multiply(last, np.asarray(part.numerator, dtype=object))
        rank = rounding.floor(place, Fraction(part.denominator))
        whole = build.multiply(rank, np.asarray(part.denominator, dtype=object))
        rest = bounded(build.linear("subtract", place, whole), 0, part.denominator - 1, REMAINDER)
        between = _after(rest) if method in ("higher", "midpoint") else None
        below.append(build.linear("add", rank, build.number(between)) if between and method == "higher" else rank)
        rests.append(build.number(between) if between and method == "midpoint" else rest)
    steps = [2 if method == "midpoint" else part.denominator for part in parts]
    inside = method in ("linear", "midpoint") and any(part.denominator > 1 for part in parts)
    following = [build.linear("add", rank, np.asarray(1)) for rank in below] if inside else []
    ranks = movement.concat([movement.reshape(rank, (1, *rank.type.shape)) for rank in [*below, *following]], 0)
    planes = counting.ordered_bits(lines)
    if planes is None:
        first = movement.reshape(movement.cut(lines, [slice(None), slice(0, 1)]), (1, lines.type.shape[0]))
        values = build.broadcast_to(first, ranks.type.shape)
    else:
        values = _as_stored(_selected(planes, ranks, there).integers(), lines)
    some = logic.less(np.asarray(0), count)
    if not inside:
        return values, None if method in ("lower", "higher") else 1, some
    common, rows = math.lcm(*steps), []
    for at, (rest, step) in enumerate(zip(rests, steps, strict=True)):
        low, high = (counting.row(values, place) for place in (at, len(parts) + at))
        moved = build.multiply(build.linear("subtract", high, low), rest)
        row = build.linear("add", build.multiply(low, np.asarray(step)), moved)
        rows.append(build.multiply(row, np.asarray(common // step, dtype=object)) if common > step else row)
    return movement.concat([movement.reshape(row, (1, *row.type.shape)) for row in rows], 0), common, some


def _after(rest: Recorded) -> Recorded | None:
    """Whether a place lies behind an element; None if it never does."""
    return logic.less(np.asarray(0), rest) if rest.type.hi else None


@array_function
def median(x: SecretArray, /, *, axis: Any = None, keepdims: bool = False) -> SecretArray:
    """The median over axes: the middle element, or the mean of the two in the middle, exact when revealed.

    For n values of k bits: about 4 k bits a value and party for their bits, and, three at a time, 7 k more (twice that
    for an even number) in 10 rounds for three bits; up to 2^18 values (2^17 of an even number) at once. Of more, two at
    a time in 14 rounds, in partitions of rows where they are stored. Nothing is opened; each result rests on all n
    values, and nothing but the blinded digits of comparisons is shown to a party. Missing values are
    passed over, and of nothing else it is missing. ValueError for no elements. After NumPy's function.
    """
    return _quantiles(x, np.asarray(0.5), axis, "linear", keepdims)


@array_function
def quantile(
    x: SecretArray, q: Any, axis: Any = None, *, method: str = "linear", keepdims: bool = False
) -> SecretArray:
    """The public quantiles q over axes, by any of NumPy's methods; what lies between two elements is a quotient, exact
    when revealed.

    Costs as `median` for each element that a quantile needs, the bits of the values once; as `min` or `max` for
    the least and the greatest, with which a result counts as single rows. ValueError for no elements, for q outside
    [0, 1] and for a method that NumPy does not have. Missing values are passed over: by the methods linear, lower,
    higher and midpoint, others are a TypeError. After NumPy's function.
    """
    return _quantiles(x, _public_places(q), axis, method, keepdims)


@array_function
def percentile(
    x: SecretArray, q: Any, axis: Any = None, *, method: str = "linear", keepdims: bool = False
) -> SecretArray:
    """The public percentiles q, from 0 to 100; as `quantile`."""
    return _quantiles(x, _public_places(q) / 100, axis, method, keepdims)


class TopK(NamedTuple):
    """The k greatest, or least, elements in their order, and where they stand."""

    values: Any
    indices: Any


def _plain_top_k(x: Any, k: int, *, axis: int = -1, largest: bool = True) -> TopK:
    x = np.asarray(x)
    place = movement.normal_axis(axis, x.ndim)
    chosen = _chosen(k, x.shape[place])
    turned = np.flip(x, place) if largest else x
    order = np.argsort(turned, axis=place, kind="stable")
    if largest:
        order = x.shape[place] - 1 - np.flip(order, place)
    order = np.take(order, np.arange(chosen), place)
    return TopK(np.take_along_axis(x, order, place), order)


def _chosen(k: Any, length: int) -> int:
    chosen = given.integer(k, "k")
    if not 1 <= chosen <= length:
        raise ValueError(f"top_k takes from 1 to {length} of {length} elements, not {chosen}")
    return chosen


@array_function_beside(_plain_top_k)
def top_k(x: SecretArray, k: int, *, axis: int = -1, largest: bool = True) -> TopK:
    """The k greatest elements of each line along an axis, or the least ones, in their order; and where they stand, of
    equal ones the first.

    One is that of a tournament, as of `max` and `argmax`. Several are found bit by bit, as by `quantile`, in partitions
    of rows too, and their places as further bits: about k (w / 2 + 2) bits an element and party for each of b bits of a
    value, and as much for each of w bits of a place (w = log2 n), in 4 to 10 rounds a bit; of few, more in fewer
    rounds, as `median`. What is not revealed costs nothing. Exact; nothing is opened; all of it counts as single rows.
    Of many, `sort` is cheaper. ValueError for k below 1 or above the length. After `jax.lax.top_k`, whose names
    `torch.topk` shares.
    """
    place = movement.normal_axis(axis, x.ndim)
    length = x.shape[place]
    chosen = _chosen(k, length)
    numbers, there = x._ranked()
    greatest = bool(largest) == (numbers.divisor > 0)
    moved = [*(at for at in range(x.ndim) if at != place), place]
    node = numbers_of(numbers)
    if there is not None:
        node = filled(node, there.node, beyond(node, above=not greatest))
    turned = movement.permute(node, moved)
    shape = turned.type.shape[:-1]
    lines = movement.reshape(turned, (math.prod(shape), length))
    planes = counting.ordered_bits(lines) if chosen > 1 else None
    if planes is None:
        each = np.broadcast_to(np.arange(length)[:, None], (length, lines.type.shape[0]))
        values, indices = carried(movement.permute(lines, (1, 0)), each, smallest=not greatest)
    if chosen > 1:
        keys = _place_bits(lines if planes is None else planes, lines.type.shape, greatest)
        ranks = np.arange(length - 1, length - 1 - chosen, -1) if greatest else np.arange(chosen)
        found = _selected(keys if planes is None else movement.concat([keys, planes], 0), ranks)
        width = keys.type.shape[0]
        if planes is None:
            values = build.broadcast_to(values, (chosen, lines.type.shape[0]))
        else:
            values = _as_stored(found.integers(width), lines)
        keyed = found.integers(0, width)
        indices = build.linear("subtract", np.asarray(length - 1), keyed) if greatest else keyed
    back = np.argsort([place, *(at for at in range(x.ndim) if at != place)]).tolist()
    values, indices = (
        movement.permute(movement.reshape(part, (chosen, *shape)), back)
        for part in (values, bounded(indices, 0, length - 1, SELECTED))
    )
    found_values = x.like(values, numbers.divisor)
    if numbers._type.is_bool:
        # what was filled in is beyond both
        found_values = as_type(found_values if there is None else found_values == 1, bools)
    known = None
    if there is not None:
        each = np.arange(chosen).reshape([-1 if at == place else 1 for at in range(x.ndim)])
        known = statistics.sum(there, axis=place, keepdims=True) > each
    return TopK(x._elements(found_values, known), x.like(indices))


def _place_bits(like: Recorded, shape: tuple[int, ...], greatest: bool) -> Recorded:
    """Bits of places, (bits, lines, places), the lowest first: the last place counts least where the greatest is asked
    for, so that of equal elements the first comes first in either direction. `like` has lines of this shape."""
    count, length = shape
    places = np.arange(length)[::-1] if greatest else np.arange(length)
    width = max(1, (length - 1).bit_length())
    public = np.array([(places >> at) & 1 for at in range(width)], dtype=np.bool_)
    if not like.type.is_bool:
        like = logic.negative(elementwise.zeros_of(like))
    return logic.bool_node(like, np.broadcast_to(public[:, None, :], (width, count, length)))
