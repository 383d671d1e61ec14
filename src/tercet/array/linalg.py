"""The standard's sums of products: of matrices, vectors, and arrays of any number of dimensions; and norms."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tercet.array import elementwise, given, movement, statistics
from tercet.array.core import SecretArray, apply, shape_of
from tercet.array.dispatch import array_function, array_function_beside
from tercet.plan.record import build, functions
from tercet.plan.record.build import Operand
from tercet.plan.record.graph import Recorded
from tercet.plan.table.operation import broadcast_shapes


@array_function
def matmul(x1: Any, x2: Any, /) -> SecretArray:
    """x1 @ x2 with NumPy's rules for arrays of one dimension and stacks of matrices; one word is sent a result."""
    first, second = shape_of(x1), shape_of(x2)
    if not first or not second:
        raise ValueError("matmul takes arrays of one dimension or more")
    inner = second[-2] if len(second) > 1 else second[0]
    if first[-1] != inner:
        raise ValueError(f"shapes {first} and {second} do not multiply")

    def product(x: Operand, y: Operand) -> Recorded:
        if len(first) == len(second) == 1 and isinstance(x, Recorded) and isinstance(y, Recorded):
            return build.contract(build.number(x), build.number(y), (0,))
        x = _reshaped(x, (1, *first)) if len(first) == 1 else x
        y = _reshaped(y, (*second, 1)) if len(second) == 1 else y
        result = build.matmul(x, y)
        shape = list(result.type.shape)
        if len(second) == 1:
            del shape[-1]
        if len(first) == 1:
            del shape[-1 if len(second) == 1 else -2]
        return movement.reshape(result, tuple(shape))

    return apply(product, x1, x2)


def _reshaped(x: Operand, shape: tuple[int, ...]) -> Operand:
    return movement.reshape(x, shape) if isinstance(x, Recorded) else x.reshape(shape)


@array_function
def vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> SecretArray:
    """Sums of products along an axis counted from the end, the others broadcast."""
    axis = given.integer(axis, "the axis of vecdot")
    if not -min(len(shape_of(x)) for x in (x1, x2)) <= axis < 0:
        raise ValueError("vecdot takes an axis of both arrays, counted from the end")
    lengths = [shape_of(x)[axis] for x in (x1, x2)]
    if lengths[0] != lengths[1]:
        raise ValueError(f"vectors of {lengths[0]} and {lengths[1]} elements")

    def product(a: Operand, b: Operand) -> Recorded:
        shape = broadcast_shapes(elementwise.shape_of_operand(a), elementwise.shape_of_operand(b))
        place = len(shape) + axis
        if isinstance(a, Recorded) and isinstance(b, Recorded):
            return build.contract(build.number(a), build.number(b), (place,))
        result = build.multiply(a, b)
        return build.total(build.broadcast_to(result, shape), (place,))

    return apply(product, x1, x2)


@array_function
def tensordot(x1: Any, x2: Any, /, *, axes: int | tuple[Any, Any] = 2) -> SecretArray:
    """Sums of products over several axes, as one matrix product."""
    first, second = shape_of(x1), shape_of(x2)
    if isinstance(axes, int | np.integer):
        axes = given.integer(axes, "axes")
        if not 0 <= axes <= min(len(first), len(second)):
            raise ValueError(f"{axes} axes of shapes {first} and {second}")
        left, right = list(range(len(first) - axes, len(first))), list(range(axes))
    else:
        if len(pair := given.several(axes, "tensordot", "two lists of axes")) != 2:
            raise ValueError(f"axes are a number, or two lists of axes, not {len(pair)} of them")
        both = [given.integers(one, "an axis") for one in pair]
        left = [movement.normal_axis(at, len(first)) for at in both[0]]
        right = [movement.normal_axis(at, len(second)) for at in both[1]]
    if [first[at] for at in left] != [second[at] for at in right]:
        raise ValueError(f"axes {axes} of shapes {first} and {second} do not match")
    free_left = [at for at in range(len(first)) if at not in left]
    free_right = [at for at in range(len(second)) if at not in right]
    terms = math.prod(first[at] for at in left)
    a = _arranged(x1, (*free_left, *left), (-1, terms), math.prod(first[at] for at in free_left))
    b = _arranged(x2, (*right, *free_right), (terms, -1), math.prod(second[at] for at in free_right))
    shape = (*(first[at] for at in free_left), *(second[at] for at in free_right))
    return matmul(a, b)._moved(lambda x: movement.reshape(x, shape))


def _arranged(x: Any, order: tuple[int, ...], shape: tuple[int, int], other: int) -> Any:
    wanted = tuple(other if length == -1 else length for length in shape)
    if isinstance(x, SecretArray):
        return x._moved(lambda a: movement.reshape(movement.permute(a, order), wanted))
    return np.transpose(given.array(x, "an operand"), order).reshape(wanted)


@array_function
def outer(x1: Any, x2: Any, /) -> SecretArray:
    """Products of all pairs of two vectors."""
    for x in (x1, x2):
        if len(shape_of(x)) != 1:
            raise ValueError(f"outer takes vectors, not an array of {len(shape_of(x))} dimensions")
    return elementwise.multiply(_column(x1), x2)


def _column(x: Any) -> Any:
    return x[:, None] if isinstance(x, SecretArray) else given.array(x, "an operand")[:, None]


@array_function_beside(np.linalg.vector_norm)
def vector_norm(
    x: Any, /, *, axis: int | tuple[int, ...] | None = None, keepdims: bool = False, ord: int | float = 2
) -> SecretArray:
    """The norm of vectors along axes: sqrt(sum(x^2)), or with `ord` 1, inf, -inf and 0 the sum, the greatest and the
    least of abs(x), and how many are not 0.

    Of the sum of squares before it is rescaled: error as `tercet.sqrt`, which it costs for each vector, and one word.
    The others are exact, and cost one comparison an element, or two. PlanError where squares do not fit 128 bits;
    ValueError for another order, and for the extreme of no elements. A norm rests on all elements that it is over.
    """
    if not isinstance(x, SecretArray):
        raise TypeError(f"vector_norm takes a secret array, not {type(x).__name__}")
    axes = movement.normal_axes(axis, x.ndim)
    if ord == 2:
        found = apply(lambda a: functions.sqrt(_squares(build.number(a), axes)), x)
        return found._moved(lambda a: movement.with_axis_kept(a, axes, x.ndim)) if keepdims else found
    if ord == 0:
        return statistics.count_nonzero(x, axis=axes, keepdims=keepdims)
    reduce = {1: statistics.sum, np.inf: statistics.max, -np.inf: statistics.min}.get(ord)
    if reduce is None:
        raise ValueError(f"vector_norm has the orders 2, 1, inf, -inf and 0, not {str(ord)[:20]}")
    return reduce(elementwise.abs(x), axis=axes, keepdims=keepdims)


def _squares(x: Recorded, axes: tuple[int, ...]) -> Recorded:
    return build.total(build.multiply(x, x), axes)


@array_function_beside(np.linalg.diagonal)
def diagonal(x: Any, /, *, offset: int = 0) -> SecretArray:
    """The elements of matrices, in the last two axes, whose column is `offset` more than their row; local.

    Those of `x.T @ x` are known not to be negative. ValueError for fewer than two dimensions.
    """
    if not isinstance(x, SecretArray):
        raise TypeError(f"diagonal takes a secret array, not {type(x).__name__}")
    if x.ndim < 2:
        raise ValueError(f"diagonal takes matrices, not an array of {x.ndim} dimensions")
    more = given.integer(offset, "the offset of a diagonal")
    rows, columns = x.shape[-2:]
    first = max(0, -more)
    places = np.arange(first, max(first, min(rows, columns - more)))
    return x[..., places, places + more]


@array_function_beside(np.linalg.trace)
def trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> SecretArray:
    """The sum of a `diagonal`; local."""
    return statistics.sum(diagonal(x, offset=offset), axis=-1, dtype=dtype)


@array_function_beside(np.linalg.norm)
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> SecretArray:
    """NumPy's `numpy.linalg.norm`: of vectors as `vector_norm`; of matrices "fro" and, as the greatest sum of abs(x)
    along columns or rows, 1 and inf. ValueError for other orders, of which those by singular values are not offered.
    """
    if not isinstance(x, SecretArray):
        raise TypeError(f"norm takes a secret array, not {type(x).__name__}")
    axes = movement.normal_axes(axis, x.ndim)
    if ord is None:
        return vector_norm(x, axis=axes, keepdims=keepdims)
    if len(axes) == 1:
        return vector_norm(x, axis=axes, keepdims=keepdims, ord=ord)
    if len(axes) != 2:
        raise ValueError(f"norm with an order is of vectors or matrices, not of {len(axes)} axes")
    if isinstance(ord, str) and ord == "fro":
        return vector_norm(x, axis=axes, keepdims=keepdims)
    if ord not in (1, np.inf):
        raise ValueError(f"norm of matrices has the orders 'fro', 1 and inf, not {str(ord)[:20]!r}")
    # an axis tuple is rows and columns, in whichever order it was written
    rows, columns = axes if axis is None else (movement.normal_axis(at, x.ndim) for at in axis)
    summed, other = (rows, columns) if ord == 1 else (columns, rows)
    sums = statistics.sum(elementwise.abs(x), axis=summed, keepdims=True)
    found = statistics.max(sums, axis=other, keepdims=True)
    return (
        found
        if keepdims
        else found._moved(lambda a: movement.reshape(a, tuple(n for at, n in enumerate(x.shape) if at not in axes)))
    )
