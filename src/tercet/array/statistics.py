"""The standard's reductions, sums of products and extremes."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np

from tercet.array import elementwise, movement, operators, secret
from tercet.array.conversion import as_type
from tercet.array.meant import Root
from tercet.array.secret import ONE, SecretArray, apply, shape_of
from tercet.plan import build, logic
from tercet.plan.build import Operand
from tercet.plan.graph import Node
from tercet.plan.scale import settle

Axis = int | tuple[int, ...] | None


def _reduced(x: SecretArray, axis: Axis, keepdims: bool, reduce: Any, divisor: Fraction = ONE) -> SecretArray:
    axes = movement.normal_axes(axis, x.ndim)
    result = reduce(x._node if divisor != 0 else x.node, axes)
    if keepdims:
        result = movement.with_axis_kept(result, axes, x.ndim)
    return SecretArray._new(x._session, result, divisor or ONE)


def _averaged(x: SecretArray, axis: Axis, keepdims: bool, reduce: Any, divisor: Fraction) -> SecretArray:
    result = _reduced(x, axis, keepdims, reduce, divisor)
    return secret.pending(result._session, result._node, divisor)


def sum(x: SecretArray, /, *, axis: Axis = None, dtype: Any = None, keepdims: bool = False) -> SecretArray:
    """The sum over axes; bools are counted. Nothing is sent, or one word a result where x is a fresh product."""
    result = _reduced(x, axis, keepdims, build.total, x._divisor)
    return result if dtype is None else as_type(result, dtype)


def mean(x: SecretArray, /, *, axis: Axis = None, keepdims: bool = False) -> SecretArray:
    """The exact sum, to be divided by the public count when revealed or used."""
    count = math.prod(x.shape[at] for at in movement.normal_axes(axis, x.ndim))
    if not count:
        raise ValueError("the mean of no elements")
    return _averaged(x, axis, keepdims, build.total, x._divisor * count)


def var(x: SecretArray, /, *, axis: Axis = None, correction: float = 0.0, keepdims: bool = False) -> SecretArray:
    """The variance, exact when revealed: (n sum(x^2) - sum(x)^2) / (n (n - correction))."""
    count = math.prod(x.shape[at] for at in movement.normal_axes(axis, x.ndim))
    if count - correction <= 0:
        raise ValueError(f"the variance of {count} elements less {correction}")

    def reduce(a: Node, axes: tuple[int, ...]) -> Node:
        a = settle(build.number(a))
        squares = build.multiply(build.contract(a, a, axes), np.asarray(count))
        total = build.total(a, axes)
        return build.linear("subtract", squares, build.multiply(total, total))

    return _averaged(x, axis, keepdims, reduce, x._divisor**2 * count * (count - Fraction(correction)))


def std(x: SecretArray, /, *, axis: Axis = None, correction: float = 0.0, keepdims: bool = False) -> SecretArray:
    """The standard deviation: a variance whose root is taken when it is revealed, and which takes part in no more."""
    return Root.of(var(x, axis=axis, correction=correction, keepdims=keepdims))


def cumulative_sum(
    x: SecretArray, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False
) -> SecretArray:
    """Prefix sums along an axis; local."""
    if axis is None:
        if x.ndim != 1:
            raise ValueError("cumulative_sum needs an axis for arrays of other than one dimension")
        axis = 0
    place = movement.normal_axis(axis, x.ndim)
    result = SecretArray._new(x._session, build.running_total(x._node, place), x._divisor)
    if include_initial:
        shape = (*x.shape[:place], 1, *x.shape[place + 1 :])
        zeros = build.broadcast_to(elementwise.zeros_of(result._node), shape)
        zero = SecretArray._new(x._session, zeros, x._divisor)
        from tercet.array.manipulation import concat

        result = concat([zero, result], axis=place)
    return result if dtype is None else as_type(result, dtype)


def prod(x: SecretArray, /, *, axis: Axis = None, dtype: Any = None, keepdims: bool = False) -> SecretArray:
    """The product over axes, in ceil(log2) products; refused where its bounds outgrow the rings."""

    def reduce(a: Node, axes: tuple[int, ...]) -> Node:
        a = settle(build.number(a))
        if not math.prod(a.type.shape[at] for at in axes):
            raise ValueError("the product of no elements")
        return _tournament(a, axes, lambda front, back: settle(build.multiply(front, back)))

    result = _reduced(x, axis, keepdims, reduce, ONE if x._divisor == 1 else Fraction(0))
    return result if dtype is None else as_type(result, dtype)


def min(x: SecretArray, /, *, axis: Axis = None, keepdims: bool = False) -> SecretArray:
    """The least element, by a tournament of ceil(log2) comparisons."""
    return _extreme(x, axis, keepdims, logic.minimum if x._divisor > 0 else logic.maximum)


def max(x: SecretArray, /, *, axis: Axis = None, keepdims: bool = False) -> SecretArray:
    """The greatest element, by a tournament of ceil(log2) comparisons."""
    return _extreme(x, axis, keepdims, logic.maximum if x._divisor > 0 else logic.minimum)


def _extreme(x: SecretArray, axis: Axis, keepdims: bool, choose: Any) -> SecretArray:
    def reduce(a: Node, axes: tuple[int, ...]) -> Node:
        if not math.prod(a.type.shape[at] for at in axes):
            raise ValueError("the extreme of no elements")
        return _tournament(settle(build.number(a)), axes, choose)

    return _reduced(x, axis, keepdims, reduce, x._divisor)


def _lines(x: Node, axes: tuple[int, ...]) -> tuple[Node, tuple[int, ...]]:
    """The reduced axes as one in front, the others as one behind; and the shape of the result."""
    rest = tuple(at for at in range(len(x.type.shape)) if at not in axes)
    shape = tuple(x.type.shape[at] for at in rest)
    terms = math.prod(x.type.shape[at] for at in axes)
    return movement.reshape(movement.permute(x, (*axes, *rest)), (terms, math.prod(shape))), shape


def _pairs(x: Node) -> tuple[Node, Node, Node | None]:
    """Neighbouring rows, and the last one where their number is odd."""
    terms = x.type.shape[0]
    even = terms - terms % 2
    last = movement.cut(x, [slice(even, terms)]) if terms % 2 else None
    return movement.cut(x, [slice(0, even, 2)]), movement.cut(x, [slice(1, even, 2)]), last


def _tournament(x: Node, axes: tuple[int, ...], choose: Any) -> Node:
    lines, shape = _lines(x, axes)
    while lines.type.shape[0] > 1:
        front, back, last = _pairs(lines)
        lines = choose(front, back)
        if last is not None:
            lines = movement.concat([lines, last], 0)
    return movement.reshape(settle(lines), shape)


def argmin(x: SecretArray, /, *, axis: int | None = None, keepdims: bool = False) -> SecretArray:
    """The position of the first least element, by a tournament that carries positions along."""
    return _position(x, axis, keepdims, smallest=x._divisor > 0)


def argmax(x: SecretArray, /, *, axis: int | None = None, keepdims: bool = False) -> SecretArray:
    """The position of the first greatest element, by a tournament that carries positions along."""
    return _position(x, axis, keepdims, smallest=x._divisor < 0)


def _position(x: SecretArray, axis: int | None, keepdims: bool, *, smallest: bool) -> SecretArray:
    def reduce(a: Node, axes: tuple[int, ...]) -> Node:
        lines, shape = _lines(settle(build.number(a)), axes)
        terms, columns = lines.type.shape
        if not terms:
            raise ValueError("the position of an extreme among no elements")
        rows: Operand = np.broadcast_to(np.arange(terms)[:, None], (terms, columns))
        while lines.type.shape[0] > 1:
            front, back, last = _pairs(lines)
            rest = lines.type.shape[0] % 2
            places = _pairs(rows) if isinstance(rows, Node) else _public_pairs(rows)
            later = logic.less(back, front) if smallest else logic.less(front, back)
            lines = logic.select(later, back, front)
            rows = logic.select(later, places[1], places[0])
            if rest and last is not None:
                lines = movement.concat([lines, last], 0)
                final = places[2]
                if not isinstance(final, Node):
                    final = elementwise.shared(rows, final, (1, columns))
                rows = movement.concat([rows, final], 0)
        found = rows if isinstance(rows, Node) else build.shared_integers(lines, 0)
        return movement.reshape(found, shape)

    if axis is not None and not isinstance(axis, int):
        raise TypeError("argmin and argmax take one axis")
    return _reduced(x, axis, keepdims, reduce, ONE)


def _public_pairs(rows: Any) -> tuple[Any, Any, Any]:
    even = len(rows) - len(rows) % 2
    return rows[0:even:2], rows[1:even:2], rows[even:]


def any(x: SecretArray, /, *, axis: Axis = None, keepdims: bool = False) -> SecretArray:
    """Whether one holds at least; ceil(log2) rounds."""

    def reduce(a: Node, axes: tuple[int, ...]) -> Node:
        return logic.logical_not(_all(logic.logical_not(_truth(a)), axes))

    return _reduced(x, axis, keepdims, reduce)


def all(x: SecretArray, /, *, axis: Axis = None, keepdims: bool = False) -> SecretArray:
    """Whether all hold; ceil(log2) rounds."""
    return _reduced(x, axis, keepdims, lambda a, axes: _all(_truth(a), axes))


def _truth(x: Node) -> Node:
    return x if x.type.is_bool else operators.not_equal(x, np.asarray(0))


def _all(x: Node, axes: tuple[int, ...]) -> Node:
    return x if not axes else logic.reduce_and(x, axes)


def count_nonzero(x: SecretArray, /, *, axis: Axis = None, keepdims: bool = False) -> SecretArray:
    """How many differ from 0."""
    return sum(x if x.dtype.name == "bool" else x != 0, axis=axis, keepdims=keepdims)


# ---- linear algebra ----


def matmul(x1: Any, x2: Any, /) -> SecretArray:
    """x1 @ x2; one word sent a result, whatever the length of the sums."""
    return secret.matmul(x1, x2)


def vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> SecretArray:
    """Sums of products along an axis counted from the end, the others broadcast."""
    if axis >= 0:
        raise ValueError("vecdot takes an axis counted from the end")
    lengths = [shape_of(x)[axis] for x in (x1, x2)]
    if lengths[0] != lengths[1]:
        raise ValueError(f"vectors of {lengths[0]} and {lengths[1]} elements")

    def product(a: Operand, b: Operand) -> Node:
        shape = np.broadcast_shapes(operators.shape_of_operand(a), operators.shape_of_operand(b))
        place = len(shape) + axis
        if isinstance(a, Node) and isinstance(b, Node):
            return build.contract(build.number(a), build.number(b), (place,))
        result = build.multiply(a, b)
        return build.total(build.broadcast_to(result, shape), (place,))

    return apply(product, x1, x2)


def tensordot(x1: Any, x2: Any, /, *, axes: int | tuple[Any, Any] = 2) -> SecretArray:
    """Sums of products over several axes, as one matrix product."""
    first, second = shape_of(x1), shape_of(x2)
    if isinstance(axes, int):
        left, right = list(range(len(first) - axes, len(first))), list(range(axes))
    else:
        left = [movement.normal_axis(at, len(first)) for at in axes[0]]
        right = [movement.normal_axis(at, len(second)) for at in axes[1]]
    if [first[at] for at in left] != [second[at] for at in right]:
        raise ValueError(f"axes {axes} of shapes {first} and {second} do not match")
    free_left = [at for at in range(len(first)) if at not in left]
    free_right = [at for at in range(len(second)) if at not in right]
    terms = math.prod(first[at] for at in left)
    a = _arranged(x1, (*free_left, *left), (-1, terms), math.prod(first[at] for at in free_left))
    b = _arranged(x2, (*right, *free_right), (terms, -1), math.prod(second[at] for at in free_right))
    shape = (*(first[at] for at in free_left), *(second[at] for at in free_right))
    return secret.matmul(a, b).reshape(shape)


def _arranged(x: Any, order: tuple[int, ...], shape: tuple[int, int], other: int) -> Any:
    wanted = tuple(other if length == -1 else length for length in shape)
    if isinstance(x, SecretArray):
        return x._moved(lambda a: movement.reshape(movement.permute(a, order), wanted))
    return np.transpose(np.asarray(x), order).reshape(wanted)


def outer(x1: Any, x2: Any, /) -> SecretArray:
    """Products of all pairs of two vectors."""
    return elementwise.multiply(_column(x1), x2)


def _column(x: Any) -> Any:
    return x[:, None] if isinstance(x, SecretArray) else np.asarray(x)[:, None]


def diff(x: SecretArray, /, *, axis: int = -1, n: int = 1, prepend: Any = None, append: Any = None) -> SecretArray:
    """Differences of neighbours, n times."""
    from tercet.array.manipulation import concat

    place = movement.normal_axis(axis, x.ndim)
    ends = [part for part in (prepend, x, append) if part is not None]
    x = concat(ends, axis=place) if len(ends) > 1 else x
    before = (slice(None),) * place
    for _ in range(n):
        x = x[(*before, slice(1, None))] - x[(*before, slice(None, -1))]
    return x
