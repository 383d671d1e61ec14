"""Differences of values of which one was chosen, by its size, among others: x - max(x) <= 0 <= max(x) - min(x).

An extreme is a tournament (`array.statistics.tournament`): neighbouring rows are compared, the greater ones go on,
until one row is left. Every row of a level is at most one of the next, so that the last row is at least all of the
first; the search goes down from it, once for each level, of which there are as many as a length has bits.

Of two values, the greater of p and q less any y is the greater of p - y and q - y, and so on: max(a, b) >= a,
|x| >= x, x - clip(x). All of it is of stored integers, whatever they were rounded from.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from tercet.plan.bounds.moments import DEPTH, is_aligned, multiple
from tercet.plan.bounds.terms import Bounds, Term, bare, before_reshapes, is_constant, is_same, same_integer
from tercet.plan.table.attributes import Axes, Axis, AxisOrder, Ranges
from tercet.plan.table.operation import Algebra, Flow

_LEVELS = 48
_KEEPING_ZERO = (Algebra.NEGATE, Algebra.SHIFT_LEFT, Algebra.SCALE, Algebra.RESCALE, Algebra.ROUND)
_NESTED = 2
"""So many choices, one in the other, are looked through."""


def chosen_difference(term: Term) -> Bounds:
    """Of p - q or p + q, where one of them was chosen by its size; or of n times one and the sum of n others."""
    p, q = term.inputs
    lo, hi = difference(p, q, 1 if term.operation.algebra is Algebra.SUBTRACT else -1)
    above, below = _beside_sum(p, q, term), _beside_sum(q, p, term)
    if above is not None:
        lo, hi = max(lo, above[0]), min(hi, above[1])
    if below is not None:
        lo, hi = max(lo, -below[1]), min(hi, -below[0])
    return lo, hi


def difference(p: Term, q: Term, sign: int = 1) -> Bounds:
    """Bounds of the stored integers of p less those of q, times a sign, wherever both have a place."""
    return _difference(_signed(1, p), _signed(sign, q), _NESTED)


def _beside_sum(p: Term, q: Term, of: Term) -> Bounds | None:
    """Of k n p less k times the sum of n values over axes that p is repeated along."""
    (one, times), (total, factor) = multiple(p), multiple(q)
    if of.operation.algebra is not Algebra.SUBTRACT or total.operation.algebra is not Algebra.SUM:
        return None
    if total.type.size != of.type.size or one.type.size != of.type.size:
        return None
    x, axes = total.inputs[0], total.attrs.of(Axes).axes
    terms = math.prod(x.type.shape[axis] for axis in axes)
    if factor <= 0 or times != factor * terms or not is_aligned(one.type.shape, x.type.shape, axes):
        return None
    lo, hi = difference(one, x)
    return times * lo, times * hi


_Signed = tuple[int, Term]
"""A number from -1, 0 and 1 and a value, whose product is meant."""


def _signed(sign: int, term: Term) -> _Signed:
    """Without negations; with the bounds that it has."""
    for _ in range(_NESTED):
        plain = bare(term)
        if plain.operation.algebra is not Algebra.NEGATE:
            break
        sign, term = -sign, plain.inputs[0]
    return sign, term


def _difference(p: _Signed, q: _Signed, depth: int) -> Bounds:
    """Bounds of one less the other: as they were chosen, or as they lie."""
    if p[0] == q[0] and (not p[0] or is_same(bare(p[1]), bare(q[1]))):
        return 0, 0
    (pl, ph), (ql, qh) = (_ends(one) for one in (p, q))
    lo, hi = pl - qh, ph - ql
    if depth == _NESTED and p[0] == q[0] == 1:  # of the values themselves only: it looks far back
        signs = _signs(p[1], q[1])
        lo, hi = (max(lo, 0) if 1 in signs else lo), (min(hi, 0) if -1 in signs else hi)
    if not depth:
        return lo, hi
    for one, options, sign in ((p, _options(p), 1), (q, _options(q), -1)):
        if options is None:
            continue
        found = [
            _difference(*((option, q) if sign > 0 else (p, option)), depth - 1)
            for option in (_signed(one[0] * factor, value) for factor, value in options[:2])
        ]
        # the greater of two, or less the lesser of them
        ends = [[end[side] for end in found] for side in (0, 1)]
        which = max if options[2] == (sign * one[0] > 0) else min
        lo, hi = max(lo, which(ends[0])), min(hi, which(ends[1]))
    return lo, hi


def _ends(x: _Signed) -> Bounds:
    ends = x[0] * x[1].type.lo, x[0] * x[1].type.hi
    return min(ends), max(ends)


def _options(x: _Signed) -> tuple[_Signed, _Signed, bool] | None:
    """Two values of which one was chosen, and whether the greater one."""
    term = bare(x[1])
    if not x[0]:
        return None
    choice = _choice(term)
    if choice is not None:
        return (1, choice[0]), (1, choice[1]), choice[2]
    of = absolute_of(term)
    if of is not None:
        return (1, of), (-1, of), True
    side = one_sided(term)
    return None if side is None else ((1, side[0]), (0, side[0]), side[1])


def absolute_of(term: Term) -> Term | None:
    """x of |x|: (-x where it is negative), else x, or x less 2 x where it is negative."""
    algebra = term.operation.algebra
    if algebra is Algebra.ADD:
        chosen, x = term.inputs
    elif algebra is Algebra.SUBTRACT:
        x, chosen = term.inputs
    else:
        return None
    where = same_integer(chosen)
    if where.operation.algebra is not Algebra.WHERE:
        return None
    bit, moved = (same_integer(one) for one in where.inputs)
    if bit.operation.algebra is not Algebra.SIGN or not is_same(bit.inputs[0], x):
        return None
    if algebra is Algebra.ADD and moved.operation.algebra is Algebra.SUBTRACT:
        negated = same_integer(moved.inputs[0])
        flips = negated.operation.algebra is Algebra.NEGATE and is_same(negated.inputs[0], x)
    else:
        flips = algebra is Algebra.SUBTRACT and moved.operation.algebra is Algebra.ADD and is_same(moved.inputs[0], x)
    return x if flips and is_same(moved.inputs[1], x) else None


def one_sided(term: Term) -> tuple[Term, bool] | None:
    """x of max(x, 0) or min(x, 0), and which."""
    if term.operation.algebra is not Algebra.WHERE:
        return None
    bit, x = (same_integer(one) for one in term.inputs)
    greater = bit.operation.algebra is Algebra.NOT
    sign = same_integer(bit.inputs[0]) if greater else bit
    return (x, greater) if sign.operation.algebra is Algebra.SIGN and is_same(sign.inputs[0], x) else None


def _signs(p: Term, q: Term) -> set[int]:
    """1 if p is never below q, -1 if it is never above: of extremes over the same axes, or of one and its elements."""
    found: set[int] = set()
    levels = [_levels(one) for one in (p, q)]
    for one, other, known, sign in ((q, p, levels[0], 1), (p, q, levels[1], -1)):
        among = _chosen_among(one, other, known)
        found.update(sign * side for side in (among[0] if among is not None else ()))
    if bare(p).type.shape == bare(q).type.shape:
        below = {id(lines): sides for lines, sides in levels[1] if lines.type.shape[0] > 1}
        for lines, sides in levels[0]:
            found.update(side for side in sides if -side in below.get(id(lines), ()))
    return found


def _levels(extreme: Term) -> list[tuple[Term, tuple[int, ...]]]:
    """The rows of each level below, with 1 if the extreme is none of them less, -1 if it is none of them more."""
    kept, columns = before_reshapes(extreme), math.prod(same_integer(extreme).type.shape)
    chosen: set[bool] = set()
    found: list[tuple[Term, tuple[int, ...]]] = []
    for level in range(_LEVELS):
        shape = kept.type.shape
        if len(shape) != 2 or shape[1] != columns or (level == 0 and shape[0] != 1):
            break
        found.append((kept, tuple(side for side, greater in ((1, True), (-1, False)) if (not greater) not in chosen)))
        below = _level_below(kept)
        if below is None:
            break
        kept, chose_greater = below
        chosen.add(chose_greater)
    return found


def _chosen_among(
    x: Term, extreme: Term, levels: list[tuple[Term, tuple[int, ...]]] | None = None
) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """Of an extreme over axes of x that it is repeated along: 1 if it is the greatest, -1 if it is the least; and these
    axes."""
    for lines, sides in _levels(extreme) if levels is None else levels:
        for axes in _leading_axes(lines, x):
            if _is_lines_of(lines, x, axes, same_integer(extreme)):
                return sides, axes
    return None


def reaches_zero(term: Term, axes: tuple[int, ...]) -> bool:
    """Whether there is a 0 in every line along axes: x less one of its own elements, and what leaves 0 as it is."""
    shape = term.type.shape
    for _ in range(DEPTH):
        plain = bare(term)
        if plain.type.shape != shape:
            return False
        algebra = plain.operation.algebra
        choice, side = _choice(plain), one_sided(plain)
        if algebra in _KEEPING_ZERO:
            term = plain.inputs[0]
        elif choice is not None:
            p, q, greater = choice
            x, public = (p, q) if is_constant(q) else (q, p)
            ends = public.type.lo, public.type.hi
            if not is_constant(public) or (ends[1] > 0 if greater else ends[0] < 0):
                return False
            term = x
        elif side is not None:
            term = side[0]
        elif algebra is Algebra.SUBTRACT:
            p, q = plain.inputs
            # axes are counted in the shape that x has before it is repeated, be it along new axes of length 1
            pairs = [(x, extreme) for x, extreme in ((p, q), (q, p)) if same_integer(x).type.shape == shape]
            among = [_chosen_among(x, extreme) for x, extreme in pairs]
            return any(found is not None and set(found[1]) <= set(axes) for found in among)
        else:
            return False
    return False


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
    moved = source.operation.rows is Flow.PERMUTE
    source = same_integer(source.inputs[0]) if moved else source
    shape = same_integer(x).type.shape
    aligned = tuple(1 if axis in axes else length for axis, length in enumerate(shape))
    actual = extreme.type.shape
    whole = is_same(bare(source), bare(x)) and source.type.shape == shape == x.type.shape
    return (whole or (not moved and _is_reshaped(lines, x))) and ((1,) * (len(shape) - len(actual)) + actual == aligned)


def _is_reshaped(lines: Term, x: Term) -> bool:
    """Whether both are one value in two shapes: reshapes that follow each other are recorded as one."""
    found = [before_reshapes(one, bare) for one in (lines, x)]
    # of one size: nothing was repeated on the way
    sizes = {math.prod(one.type.shape) for one in (*found, lines, x)}
    return is_same(*found) and len(sizes) == 1


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
