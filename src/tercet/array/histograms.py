"""Histograms of one and of two arrays, by one-hot vectors of the bins that elements lie in. Nothing is opened.

Equal bins take the upper bits of x times a public factor, others a comparison of x's digits with those of all edges.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercet.array import elementwise, given, linalg, movement, rounding
from tercet.array.core import SecretArray, secret_array, session_of, shape_of
from tercet.array.counting import MAX_BINS, is_stored
from tercet.array.dispatch import array_function
from tercet.array.manipulation import concat
from tercet.array.present import zeroed
from tercet.errors import PlanError
from tercet.plan.record import build, counting, edges, logic
from tercet.plan.record.graph import Recorded
from tercet.plan.record.public import thresholds
from tercet.plan.record.scale import renamed
from tercet.plan.types import limit

_FEWEST_EQUAL = 8
"""Of so many equal bins on, a factor is sought."""
_BITS = 62
"""Of a product that has room in 64 bits."""
_MANY = 1 << 18
"""Of so many elements on, parities of bits are counted, not one-hot vectors: fewer bytes and more rounds."""
_CELLS = 256
"""Up to so many cells of two arrays are counted one by one, more as a product of two matrices."""


def _edges(bins: Any, ends: Any, what: str) -> Any:
    """The edges, public or secret, of bins as NumPy takes them."""
    if isinstance(bins, SecretArray):
        if bins.ndim != 1 or bins.shape[0] < 2:
            raise ValueError(f"edges are a line of two numbers at least, not of shape {bins.shape}")
        return bins
    if isinstance(bins, str):
        raise TypeError(
            f"bins={bins[:20]!r} would follow from the data; give their number and range, or their edges, which may be "
            "secret quantiles"
        )
    if np.ndim(bins):
        return np.histogram_bin_edges(np.empty(0), given.edges(bins, "bins"))
    if ends is None:
        raise TypeError(f"{what} takes range=(lowest, highest) here: the ends of the data are secret")
    pair = [given.real(end, "an end of range") for end in given.several(ends, "range", "two numbers")]
    if len(pair) != 2:
        raise ValueError(f"range is two numbers, lowest and highest, not {len(pair)}")
    number = given.integer(bins, "the number of bins")
    if number > MAX_BINS:
        raise PlanError(f"{what} has {number} bins, more than {MAX_BINS}")
    return np.histogram_bin_edges(np.empty(0), number, (pair[0], pair[1]))


def _hot(x: SecretArray, bins: Any) -> Recorded:
    """(bins, n): in which bin each element of a line lies, the last one with its upper edge."""
    numbers, there = x._ranked()
    if there is not None:
        hot = _hot(numbers, bins)
        return logic.logical_and(hot, build.broadcast_to(there.node, hot.type.shape))
    x = numbers
    stored = _among_stored(x, bins)
    if stored is None:
        upper = bins[:-1, None], bins[-1:, None]
        nested = concat([elementwise.greater_equal(x, upper[0]), elementwise.greater(x, upper[1])], axis=0).node
    else:
        node, first, beyond = stored
        found = _equal_bins(node, first, beyond)
        if found is not None:
            return found
        nested = edges.reached(node, [*first[:-1], beyond])
    front, back = (movement.cut(nested, [part]) for part in (slice(0, -1), slice(1, None)))
    return logic.logical_xor(front, back)


def _among_stored(x: SecretArray, bins: Any) -> tuple[Recorded, list[int], int] | None:
    """Stored integers, the least of each bin and of what is at the last edge or beyond, and the least that is beyond;
    None for secret edges, for few, and for numbers that edges cannot be read as."""
    if isinstance(bins, SecretArray) or not is_stored(x) or not x.size or len(bins) <= edges.FEWEST:
        return None
    least, (beyond,) = thresholds(bins, x._type)[1], thresholds(bins[-1:], x._type)[0] + 1
    return renamed(build.number(x.undivided), 0, 0), [int(edge) for edge in least], int(beyond)


def _counts(x: SecretArray, bins: Any) -> Recorded:
    """How many elements of a line lie in each bin."""
    numbers, there = x._ranked()
    if there is None and numbers.size >= _MANY and (stored := _among_stored(numbers, bins)) is not None:
        found = _by_parities(*stored)
        if found is not None:
            return found
    return counting.count(_hot(x, bins), (1,))


def _factor(first: list[int]) -> tuple[int, int, int] | None:
    """Integers m, k and c with floor((s - first[0]) m + c) / 2^k) = j for all s from first[j] on and below the next."""
    start, width, number = first[0], first[-1] - first[0], len(first) - 1
    for k in range(_BITS - (number - 1).bit_length() + 1):
        m = ((number << k) + width // 2) // width
        starts = [(j << k) - (edge - start) * m for j, edge in enumerate(first)]
        least, most = max(0, *starts[:-1]), min(at + m for at in starts[1:])
        if m and least < most:
            # where it is right for first[-1], too, no comparison need tell this one apart
            return m, k, max(least, starts[-1]) if starts[-1] < most else least
    return None


def _equal_bins(x: Recorded, first: list[int], beyond: int) -> Recorded | None:
    """The bins as the upper bits of x times a public factor, where there is one; None where there is none."""
    placing = _placing(x, first)
    if placing is None:
        return None
    placed, k, behind = placing
    number = len(first) - 1
    bits = (number - 1).bit_length()
    hot = movement.cut(counting.one_hot(counting.bits(placed, k + bits, k)), [slice(0, number)])
    size = x.type.size
    if x.type.lo < first[0]:
        above = logic.logical_not(logic.stored_below(x, np.asarray(first[0], dtype=object)))
        hot = logic.logical_and(hot, build.broadcast_to(above, (number, size)))
    if x.type.hi >= first[-1] and not (x.type.hi < beyond and behind == (number - 1, number - 1)):
        below = logic.stored_below(x, np.asarray(first[-1], dtype=object))
        hot = logic.logical_and(hot, build.broadcast_to(below, (number, size)))
        # the upper edge of the last bin belongs to it
        at_end = logic.logical_not(below)
        if x.type.hi >= beyond:
            at_end = logic.logical_xor(at_end, logic.logical_not(logic.stored_below(x, np.asarray(beyond, object))))
        last = logic.logical_xor(movement.cut(hot, [slice(number - 1, number)]), movement.reshape(at_end, (1, size)))
        hot = movement.concat([movement.cut(hot, [slice(0, number - 1)]), last], 0)
    return hot


def _placing(x: Recorded, first: list[int]) -> tuple[Recorded, int, tuple[int, int]] | None:
    """An integer whose bits from k on say in which equal bin each x is, k, and what those bits are, at most and at
    least, of an x from first[-1] on; None where no factor makes one that has room."""
    number = len(first) - 1
    if number < _FEWEST_EQUAL or first[-1] - first[0] < number:
        return None
    found = _factor(first)
    if found is None:
        return None
    m, k, c = found
    reach = max(abs(x.type.lo - first[0]), abs(x.type.hi - first[0])) * m + c
    if reach >= limit(64):
        return None
    moved = build.linear("subtract", x, np.asarray(first[0], dtype=object)) if first[0] else x
    scaled = build.multiply(moved, np.asarray(m, dtype=object)) if m > 1 else moved
    placed = build.linear("add", scaled, np.asarray(c, dtype=object)) if c else scaled
    least, most = (((end - first[0]) * m + c) >> k for end in (first[-1], max(x.type.hi, first[-1])))
    return placed, k, (least, most)


def _by_parities(x: Recorded, first: list[int], beyond: int) -> Recorded | None:
    """Counts of equal bins that take in all that x can be; None where these do not, or no factor tells them apart.

    XORs of some of the k bits of each bin's number are local, whichever set S of them. Counted are N_S, in how many
    elements the XOR is set; of these, the transform of Walsh and Hadamard gives the count of each bin:
    2^(k-1) count_b = 2^(k-1) n [b = 0] - sum_S (-1)^|S & b| N_S. So no one-hot vectors are made of bits.
    """
    number, size = len(first) - 1, x.type.size
    at_end = x.type.hi >= first[-1]
    placing = _placing(x, first) if first[0] <= x.type.lo and x.type.hi < beyond else None
    if placing is None or (at_end and placing[2] not in ((number, number), (number - 1, number - 1))):
        return None
    placed, k, (behind, _) = placing
    at_end = at_end and behind == number
    bits = (number - 1).bit_length()
    full = 1 << bits
    # what is at the last edge is in a bin behind the last one, or in the first with one bit more
    apart = at_end and number == full
    planes = counting.bits(placed, k + bits + apart, k)
    sets = movement.reshape(planes[0], (1, size))
    for plane in planes[1:bits]:
        row = movement.reshape(plane, (1, size))
        joined = logic.logical_xor(sets, build.broadcast_to(row, sets.type.shape))
        sets = movement.concat([sets, row, joined], 0)
    if apart:
        sets = movement.concat([sets, movement.reshape(planes[bits], (1, size))], 0)
    parity = np.array([[(s & b).bit_count() & 1 for s in range(1, full)] for b in range(full)], dtype=np.int64)
    signs = 2 * parity - 1
    each = np.zeros((full, 1), np.int64)
    each[0] = full // 2 * size
    if apart:
        end = np.zeros((full, 1), np.int64)
        end[0], end[-1] = -full // 2, full // 2
        signs = np.concatenate([signs, end], axis=1)
    elif at_end:
        signs[number - 1] += signs[number]
    counts = movement.reshape(counting.count(sets, (1,)), (sets.type.shape[0], 1))
    found = build.linear("add", build.matmul(signs[:number], counts), each[:number])
    found = logic.at_most(logic.at_least(found, 0), full // 2 * size)
    return movement.reshape(rounding.floor_ratio(found, Fraction(full // 2)), (number,))


def _refuse_density(density: Any, what: str) -> None:
    if density:
        raise TypeError(f"{what} gives counts; divide them by their sum and the sizes of the bins")


@array_function
def histogram(
    x: SecretArray, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None
) -> tuple[SecretArray, NDArray[Any]]:
    """How many elements lie in each bin, as a secret array, and the edges: a number of equal bins in a public `range`,
    or the edges themselves, public or, as quantiles are, secret. The last bin includes its upper edge, as in NumPy.

    For m bins, numbers of 32 bits and a line of a million, about 75 bits an element and party and 1.4 for each bin
    where bins are equal and take in all within the bounds of x; where they do not, a comparison more (60 bits) for
    each end and 4 for each bin; 140 and 15 where they are not equal, in about 40 rounds; of secret edges, a
    comparison for each, as of decimals, quotients and few bins. With weights 85 more for each bin. Edges are read as
    the array would store them; values that are missing are in no bin; secret edges are taken to be in ascending
    order. Exact; nothing is opened. Each count rests on all elements. TypeError without a range (the least and the
    greatest element are secret), and for `density`. After NumPy's function.
    """
    _refuse_density(density, "histogram")
    found = _edges(x._coded(bins), x._coded(range), "histogram")
    if weights is not None and shape_of(weights) != x.shape:
        raise ValueError(f"{shape_of(weights)} weights for {x.shape} elements")
    session_of(x, *(one for one in (bins, weights) if isinstance(one, SecretArray)))
    if weights is None:
        return x.like(_counts(x.reshape(-1), found)), x._named(found)
    hot = _hot(x.reshape(-1), found)
    flat = (
        zeroed(weights).reshape(-1) if isinstance(weights, SecretArray) else given.array(weights, "weights").reshape(-1)
    )
    return linalg.matmul(x.like(hot), flat), x._named(found)


@array_function
def histogram2d(
    x: SecretArray, y: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None
) -> tuple[SecretArray, NDArray[Any], NDArray[Any]]:
    """How many pairs of elements of two secret lines lie in each cell, and the edges along x and along y.

    The bins of each are those of `histogram`, given for both or as a pair, as NumPy takes them; `range` is a pair of
    pairs. Costs as two histograms, and 2 bits a pair for each of up to 256 cells, or else 85 for each bin of both.
    Exact; nothing is opened. Each count rests on all pairs. TypeError for `density` and for `weights`: weigh by groups
    with `segment_sum`. After NumPy's function.
    """
    _refuse_density(density, "histogram2d")
    if weights is not None:
        raise TypeError("histogram2d takes no weights; np.histogram does, and segment_sum adds up by secret groups")
    if not isinstance(y, SecretArray):
        raise TypeError("histogram2d takes two secret lines; of a public one choose the rows of each bin")
    if x.ndim != 1 or x.shape != y.shape:
        raise ValueError(f"histogram2d takes two lines of one length, not {x.shape} and {y.shape}")
    session = session_of(x, y)
    pair = isinstance(bins, list | tuple | np.ndarray) and len(bins) == 2
    each = list(bins) if pair else [bins, bins]
    ends = given.several(range, "range", "two pairs of numbers") if range is not None else [None, None]
    if len(ends) != 2:
        raise ValueError(f"range is a pair of pairs, not {len(ends)}")
    lines = (x, y)
    found = [
        _edges(line._coded(one), line._coded(end), "histogram2d")
        for line, one, end in zip(lines, each, ends, strict=True)
    ]
    rows, columns = (_hot(line, one) for line, one in zip(lines, found, strict=True))
    (m, n), k = rows.type.shape, columns.type.shape[0]
    if m * k <= _CELLS:
        cells = logic.logical_and(
            build.broadcast_to(movement.reshape(rows, (m, 1, n)), (m, k, n)), build.broadcast_to(columns, (m, k, n))
        )
        counts = counting.count(cells, (2,))
    else:
        counts = build.matmul(build.number(rows), movement.permute(build.number(columns), (1, 0)))
    return secret_array(session, counts), x._named(found[0]), y._named(found[1])
