"""What a greatest or least element says of the elements it was chosen among: x - max(x) <= 0 <= x - min(x).

An extreme is a tournament (`array.statistics.tournament`): neighbouring rows are compared, the greater ones go on,
until one row is left. Every row of a level is at most one of the next, so that the last row is at least all of the
first; the search goes down from it, once for each level, of which there are as many as a length has bits.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from tercet.plan.bounds.terms import Bounds, Term, before_reshapes, is_same, same_integer
from tercet.plan.table.attributes import Axis, AxisOrder, Ranges
from tercet.plan.table.operation import Algebra, Flow

_LEVELS = 48


def beside_extreme(term: Term) -> Bounds | None:
    """x - max(x) over some axes, or the other way round, or with min: on which side of 0 it is."""
    p, q = term.inputs
    if p.type.frac_bits != q.type.frac_bits:
        return None
    for x, extreme, sign in ((p, q, 1), (q, p, -1)):
        found = _sides(x, extreme)
        if found:
            lo, hi = (term.type.lo, term.type.hi) if len(found) == 1 else (0, 0)
            return (lo, min(hi, 0)) if sign in found else (max(lo, 0), hi)
    return None


def _sides(x: Term, extreme: Term) -> tuple[int, ...]:
    """1 if the second is the greatest of the first over axes that it is repeated along, -1 if it is the least."""
    top = same_integer(extreme)
    kept, columns = before_reshapes(top), math.prod(top.type.shape)
    chosen: set[bool] = set()
    for level in range(_LEVELS):
        shape = kept.type.shape
        if len(shape) != 2 or shape[1] != columns or (level == 0 and shape[0] != 1):
            return ()
        if any(_is_lines_of(kept, x, axes, top) for axes in _leading_axes(kept, x)):
            sides = ((1, True), (-1, False))
            return tuple(side for side, greater in sides if (not greater) not in chosen)
        below = _level_below(kept)
        if below is None:
            return ()
        kept, chose_greater = below
        chosen.add(chose_greater)
    return ()


def _leading_axes(lines: Term, x: Term) -> Iterator[tuple[int, ...]]:
    """Axes of x that lines of this shape may have in front, taken together."""
    order = _order(lines, x)
    shape = same_integer(x).type.shape
    if len(order) != len(shape):
        return
    for count in range(len(order) + 1):
        if math.prod(shape[axis] for axis in order[:count]) == lines.type.shape[0]:
            yield tuple(order[:count])


def _order(lines: Term, x: Term) -> tuple[int, ...]:
    moved = same_integer(lines.inputs[0]) if lines.operation.rows is Flow.RESHAPE else lines
    ndim = len(same_integer(x).type.shape)
    if moved.operation.rows is Flow.PERMUTE:
        axes = moved.attrs.of(AxisOrder).axes
        return axes if len(axes) == ndim else ()  # of another array
    return tuple(range(ndim))


def _is_lines_of(lines: Term, x: Term, axes: tuple[int, ...], extreme: Term) -> bool:
    """Whether lines are all of x, with these axes in front, and the extreme has the others where x has them."""
    order = _order(lines, x)
    if order[len(axes) :] != tuple(sorted(order[len(axes) :])):
        return False
    source = same_integer(lines.inputs[0]) if lines.operation.rows is Flow.RESHAPE else lines
    source = same_integer(source.inputs[0]) if source.operation.rows is Flow.PERMUTE else source
    shape = same_integer(x).type.shape
    aligned = tuple(1 if axis in axes else length for axis, length in enumerate(shape))
    actual = extreme.type.shape
    return (
        is_same(source, x)
        and source.type.shape == shape == x.type.shape
        and (1,) * (len(shape) - len(actual)) + actual == aligned
    )


def _level_below(level: Term) -> tuple[Term, bool] | None:
    """The rows from which a level chose, and whether it chose the greater ones."""
    chosen, last = level, None
    if level.operation.rows is Flow.CONCAT:
        if len(level.inputs) != 2 or level.attrs.of(Axis).axis:
            return None
        chosen, last = same_integer(level.inputs[0]), same_integer(level.inputs[1])
    found = _choice(chosen)
    if found is None:
        return None
    front, back, greater = found
    count = chosen.type.shape[0]
    rows = [_rows_of(front), _rows_of(back)] + ([] if last is None else [_rows_of(last)])
    wanted = [(0, count, 2), (1, count, 2), (2 * count, 1, 1)][: len(rows)]
    source = rows[0][0] if rows[0] is not None else None
    if source is None or source.type.shape[0] != 2 * count + (last is not None):
        return None
    for row, (start, length, step) in zip(rows, wanted, strict=True):
        if row is None or row[0] is not source:
            return None
        (found_start, found_length, found_step), across = row[1]
        if (found_start, found_length) != (start, length) or (length > 1 and found_step != step):
            return None
        if across != (0, source.type.shape[1], 1):
            return None
    return source, greater


def _choice(term: Term) -> tuple[Term, Term, bool] | None:
    """p, q and whether the greater is taken, of q + (p - q where a bit is set) whose bit is the difference's sign."""
    if term.operation.algebra is not Algebra.ADD:
        return None
    where, q = same_integer(term.inputs[0]), same_integer(term.inputs[1])
    if where.operation.algebra is not Algebra.WHERE:
        return None
    bit, difference = same_integer(where.inputs[0]), same_integer(where.inputs[1])
    if difference.operation.algebra is not Algebra.SUBTRACT or not is_same(difference.inputs[1], q):
        return None
    greater = bit.operation.algebra is Algebra.NOT
    sign = same_integer(bit.inputs[0]) if greater else bit
    if sign.operation.algebra is not Algebra.SIGN or not is_same(sign.inputs[0], difference):
        return None
    p = same_integer(difference.inputs[0])
    return None if p.type.frac_bits != q.type.frac_bits else (p, q, greater)


def _rows_of(term: Term) -> tuple[Term, tuple[tuple[int, int, int], ...]] | None:
    """The rows of a matrix that a value is a slice of."""
    if term.operation.rows is not Flow.SLICE:
        return None
    source = same_integer(term.inputs[0])  # it may have fewer axes than what repeats it
    return (source, term.attrs.of(Ranges).ranges) if len(source.type.shape) == len(term.type.shape) == 2 else None
