"""NumPy's protocols: its ufuncs and functions, called with a secret array, record the same operation here."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from tercet.array import (
    angles,
    chosen,
    convolution,
    counting,
    covariance,
    creation,
    curves,
    elementwise,
    functions,
    histograms,
    instead,
    linalg,
    manipulation,
    ordering,
    quantiles,
    runs,
    statistics,
)
from tercet.array.core import SecretArray
from tercet.array.nullable import NullableArray


def _of_known(function: Callable[..., Any], a: Any, b: Any) -> Any:
    """Of two elements; the one that is there, where the other is missing."""
    found = function(a, b)
    for one in (a, b):
        if isinstance(found, NullableArray):
            found = found.fillna(one)
    return found


_UFUNCS: dict[Any, Callable[..., Any]] = {
    getattr(np, name): function
    for module in (angles, elementwise, functions, linalg)
    for name, function in vars(module).items()
    if isinstance(getattr(np, name, None), np.ufunc)
} | {
    np.fabs: elementwise.abs,
    np.rint: elementwise.round,
    np.fmin: partial(_of_known, elementwise.minimum),
    np.fmax: partial(_of_known, elementwise.maximum),
    np.conjugate: elementwise.positive,
}
"""The functions of the namespace that NumPy has as ufuncs, by its names for them, and a few of its other names."""

_REDUCTIONS: dict[Any, Callable[..., Any]] = {
    np.add: chosen.sum,
    np.multiply: statistics.prod,
    np.minimum: chosen.min,
    np.maximum: chosen.max,
    np.logical_and: chosen.all,
    np.logical_or: chosen.any,
}
_CHOSEN = (chosen.sum, chosen.mean, chosen.var, chosen.std, chosen.min, chosen.max, chosen.any, chosen.all)
"""Those that take `where`."""

_ACCUMULATIONS: dict[Any, Callable[..., Any]] = {
    np.add: statistics.cumulative_sum,
    np.multiply: counting.cumulative_prod,
    np.minimum: partial(counting.running_extreme, greatest=False),
    np.maximum: partial(counting.running_extreme, greatest=True),
}


def ufunc_call(ufunc: Any, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What `SecretArray.__array_ufunc__` answers."""
    given = {key: value for key, value in kwargs.items() if key != "out" or value is not None}
    if "out" in given:
        raise TypeError(
            f"numpy.{ufunc.__name__} cannot write a secret result into a NumPy array; "
            "drop out=, and write a = a + x instead of a += x"
        )
    if method == "__call__" and ufunc in _UFUNCS:
        _none_but(given, ("axis",) if ufunc is np.vecdot else (), ufunc)
        return _UFUNCS[ufunc](*inputs, **given)
    if method == "reduce" and ufunc in _REDUCTIONS:
        axis = given.pop("axis", inputs[1] if len(inputs) > 1 else 0)
        _none_but(given, ("keepdims", "where") if _REDUCTIONS[ufunc] in _CHOSEN else ("keepdims",), ufunc)
        return _REDUCTIONS[ufunc](inputs[0], axis=axis, **given)
    if method == "accumulate" and ufunc in _ACCUMULATIONS:
        axis = given.pop("axis", inputs[1] if len(inputs) > 1 else 0)
        _none_but(given, (), ufunc)
        return _ACCUMULATIONS[ufunc](inputs[0], axis=axis)
    name: str = ufunc.__name__
    if ufunc is not getattr(np, name, None):
        raise TypeError(
            f"{name} is no function of NumPy, whose functions secret arrays take; "
            "tercet.special has functions under SciPy's names"
        )
    raise _unsupported(name if method == "__call__" else f"{name}.{method}")


def _none_but(given: dict[str, Any], allowed: tuple[str, ...], ufunc: Any) -> None:
    extra = [key for key in given if key not in allowed]
    if extra:
        raise TypeError(f"numpy.{ufunc.__name__} on secret arrays takes no {', '.join(extra)}")


def _unsupported(name: str) -> TypeError:
    said = instead.said_of(name)
    if said is None:
        return TypeError(
            f"numpy.{name} is not offered for secret arrays; see x.__array_namespace__() for what is, "
            "or reveal() the array first"
        )
    return TypeError(f"numpy.{name} is not offered for secret arrays: {said}")


def function_call(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What `SecretArray.__array_function__` answers."""
    ours = _FUNCTIONS.get(func)
    if ours is None:
        name, module = getattr(func, "__name__", repr(func)), getattr(func, "__module__", "numpy")
        raise _unsupported(f"linalg.{name}" if module == "numpy.linalg" else name)
    return ours(*args, **kwargs)


def _axis(function: Callable[..., Any]) -> Callable[..., Any]:
    """NumPy takes axis by position; what else it offers is refused unless it is the default."""

    def call(x: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False, **rest: Any) -> Any:
        options = {} if dtype is None else {"dtype": dtype}
        where = rest.pop("where", np._NoValue)
        if where is not np._NoValue and where is not True:
            options["where"] = where
        if out is not None or any(value is not np._NoValue for value in rest.values()) or not _takes(function, options):
            raise TypeError("NumPy's out, where, initial and other options are not offered here for secret arrays")
        kept = False if keepdims is np._NoValue else bool(keepdims)
        return function(x, axis=axis, keepdims=kept, **options)

    return call


def _takes(function: Callable[..., Any], options: dict[str, Any]) -> bool:
    return "where" not in options or function in _CHOSEN


def _extreme(function: Callable[..., Any]) -> Callable[..., Any]:
    inner = _axis(function)
    return lambda x, axis=None, out=None, keepdims=False, **rest: inner(x, axis, None, out, keepdims, **rest)


def _mean(x: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False, **rest: Any) -> Any:
    if dtype is not None:
        raise TypeError("numpy.mean on secret arrays takes no dtype")
    return _axis(chosen.mean)(x, axis, None, out, keepdims, **rest)


def _variance(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(
        x: Any,
        axis: Any = None,
        *,
        ddof: float = 0,
        correction: Any = None,
        keepdims: Any = False,
        where: Any = np._NoValue,
    ) -> Any:
        given = ddof if correction is None or correction is np._NoValue else correction
        options = {} if where is np._NoValue else {"where": where}
        kept = bool(keepdims) and keepdims is not np._NoValue
        return function(x, axis=axis, correction=given, keepdims=kept, **options)

    return call


def _where(condition: Any, *values: Any) -> Any:
    if len(values) != 2:
        raise TypeError(
            "numpy.where on secret arrays takes both values, where(condition, a, b): positions of true elements stay "
            "secret; tercet.array.compact(condition, x) brings those rows in front"
        )
    return elementwise.where(condition, *values)


def _reshape(x: Any, /, shape: Any = None, order: str = "C", **rest: Any) -> Any:
    if order != "C" or rest:
        raise TypeError("numpy.reshape on secret arrays takes a shape only")
    return manipulation.reshape(x, shape)


def _transpose(x: Any, axes: Any = None) -> Any:
    return manipulation.permute_dims(x, tuple(reversed(range(x.ndim))) if axes is None else axes)


def _swapaxes(x: Any, axis1: int, axis2: int) -> Any:
    order = list(range(x.ndim))
    order[axis1], order[axis2] = order[axis2], order[axis1]
    return manipulation.permute_dims(x, order)


def _squeeze(x: Any, axis: Any = None) -> Any:
    axes = tuple(at for at, length in enumerate(x.shape) if length == 1) if axis is None else axis
    return manipulation.squeeze(x, axes)


def _take(x: Any, indices: Any, axis: Any = None, *, mode: str = "raise") -> Any:
    if mode != "raise" and (mode != "clip" or not isinstance(indices, SecretArray)):
        raise TypeError("numpy.take on secret arrays has no mode; secret indices are clipped")
    return manipulation.take(x if axis is not None else x.reshape(-1), indices, axis=0 if axis is None else axis)


def _clip(x: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Any:
    low = min if a_min is None or a_min is np._NoValue else a_min
    high = max if a_max is None or a_max is np._NoValue else a_max
    return elementwise.clip(x, None if low is np._NoValue else low, None if high is np._NoValue else high)


def _flat(x: Any) -> Any:
    return (x if isinstance(x, SecretArray) else np.asarray(x)).reshape(-1)


def _dot(a: Any, b: Any) -> Any:
    if not np.ndim(a) or not np.ndim(b):
        return elementwise.multiply(a, b)
    if np.ndim(b) > 2:
        raise _unsupported("dot for stacks of matrices")
    return linalg.matmul(a, b)


def _array(x: Any) -> Any:
    """A public list as an array, with its mask if it has one."""
    return x if isinstance(x, SecretArray) else np.asanyarray(x)


def _append(x: Any, values: Any, axis: int | None = None) -> Any:
    """NumPy joins both flat where no axis is given."""
    return manipulation.concat(
        [_array(x), _array(values)] if axis is not None else [_flat(x), _flat(values)], axis=axis or 0
    )


def _hstack(arrays: Any) -> Any:
    arrays = list(arrays)
    return manipulation.concat(arrays, axis=0 if np.ndim(arrays[0]) <= 1 else 1)


def _round(x: Any, decimals: int = 0) -> Any:
    if decimals:
        factor = f"10**{abs(decimals)}"  # as words: it may be larger than memory
        there, back = ("*", "/") if decimals > 0 else ("/", "*")
        raise TypeError(
            "numpy.round on secret arrays rounds to integers only; "
            f"numpy.round(x {there} {factor}) {back} {factor} has {decimals} decimals"
        )
    return elementwise.round(x)


def _running(function: Callable[..., Any]) -> Callable[..., Any]:
    """NumPy goes over all elements where no axis is given."""

    def call(x: Any, axis: Any = None, dtype: Any = None) -> Any:
        flat = x if axis is not None or x.ndim == 1 else x.reshape(-1)
        return function(flat, axis=0 if axis is None else axis, dtype=dtype)

    return call


def _sorting(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(x: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None) -> Any:
        if kind not in (None, "stable") or order is not None:
            raise TypeError(
                "NumPy's order, and kinds other than 'stable', are not offered for secret arrays: there is one sort, "
                "which is stable, by value; leave kind= out"
            )
        return function(x if axis is not None else x.reshape(-1), axis=-1 if axis is None else axis)

    return call


def _partition(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(x: Any, kth: Any, axis: Any = -1, kind: str = "introselect", order: Any = None) -> Any:
        if kind != "introselect" or order is not None:
            raise TypeError("NumPy's kind and order are not offered for secret arrays")
        return function(x if axis is not None else x.reshape(-1), kth, axis=-1 if axis is None else axis)

    return call


def _quantile(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(x: Any, q: Any, axis: Any = None, *, method: str = "linear", keepdims: Any = False, **rest: Any) -> Any:
        if any(value is not None and value is not False for value in rest.values()):
            raise TypeError(f"{', '.join(rest)} of NumPy's quantiles are not offered for secret arrays")
        return function(x, q, axis, method=method, keepdims=bool(keepdims))

    return call


def _isin(
    element: Any, test_elements: Any, assume_unique: bool = False, invert: bool = False, *, kind: Any = None
) -> Any:
    if kind is not None:
        raise TypeError("numpy.isin on secret arrays takes no kind: there is one way, an equality for each pair")
    return counting.isin(element, test_elements, invert=invert)


def _diagonal(x: SecretArray, offset: int = 0, axis1: int = 0, axis2: int = 1) -> SecretArray:
    return linalg.diagonal(manipulation.moveaxis(x, (axis1, axis2), (-2, -1)), offset=offset)


def _trace(x: SecretArray, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None) -> SecretArray:
    return statistics.sum(_diagonal(x, offset, axis1, axis2), axis=-1, dtype=dtype)


_FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.sum: _axis(chosen.sum),
    np.prod: _axis(statistics.prod),
    np.mean: _mean,
    np.var: _variance(chosen.var),
    np.std: _variance(chosen.std),
    np.min: _extreme(chosen.min),
    np.max: _extreme(chosen.max),
    np.amin: _extreme(chosen.min),
    np.amax: _extreme(chosen.max),
    np.ptp: _extreme(statistics.ptp),
    np.cov: covariance.cov,
    np.corrcoef: covariance.corrcoef,
    np.any: _extreme(chosen.any),
    np.all: _extreme(chosen.all),
    np.argmin: lambda x, axis=None, *, keepdims=False: statistics.argmin(x, axis=axis, keepdims=bool(keepdims)),
    np.argmax: lambda x, axis=None, *, keepdims=False: statistics.argmax(x, axis=axis, keepdims=bool(keepdims)),
    np.cumsum: _running(statistics.cumulative_sum),
    np.cumprod: _running(counting.cumulative_prod),
    np.cumulative_prod: counting.cumulative_prod,
    np.isin: _isin,
    np.sinc: angles.sinc,
    np.median: _extreme(quantiles.median),
    np.quantile: _quantile(quantiles.quantile),
    np.percentile: _quantile(quantiles.percentile),
    np.sort: _sorting(ordering.sort),
    np.argsort: _sorting(ordering.argsort),
    np.lexsort: ordering.lexsort,
    np.unique_values: runs.unique_values,
    np.unique_counts: runs.unique_counts,
    np.partition: _partition(ordering.partition),
    np.argpartition: _partition(ordering.argpartition),
    np.searchsorted: lambda a, v, side="left", sorter=None: counting.searchsorted(a, v, side=side, sorter=sorter),
    np.digitize: counting.digitize,
    np.bincount: counting.bincount,
    np.histogram: histograms.histogram,
    np.histogram2d: histograms.histogram2d,
    np.cumulative_sum: statistics.cumulative_sum,
    np.convolve: convolution.convolve,
    np.count_nonzero: statistics.count_nonzero,
    np.diff: lambda x, n=1, axis=-1: statistics.diff(x, axis=axis, n=n),
    np.where: _where,
    np.clip: _clip,
    np.round: _round,
    np.around: _round,
    np.reshape: _reshape,
    np.ravel: lambda x: x.reshape(-1),
    np.transpose: _transpose,
    np.permute_dims: _transpose,
    np.matrix_transpose: manipulation.matrix_transpose,
    np.moveaxis: manipulation.moveaxis,
    np.swapaxes: _swapaxes,
    np.squeeze: _squeeze,
    np.expand_dims: lambda x, axis: manipulation.expand_dims(x, axis=axis),
    np.flipud: lambda x: manipulation.flip(x, axis=0),
    np.fliplr: lambda x: manipulation.flip(x, axis=1),
    np.copy: lambda x: x,
    np.append: _append,
    np.flip: lambda x, axis=None: manipulation.flip(x, axis=axis),
    np.roll: lambda x, shift, axis=None: manipulation.roll(x, shift, axis=axis),
    np.broadcast_to: lambda x, shape: manipulation.broadcast_to(x, shape),
    np.broadcast_arrays: manipulation.broadcast_arrays,
    np.tile: lambda x, reps: manipulation.tile(x, reps if isinstance(reps, tuple | list) else (reps,)),
    np.repeat: lambda x, repeats, axis=None: manipulation.repeat(x, repeats, axis=axis),
    np.take: _take,
    np.take_along_axis: lambda x, indices, axis=-1: manipulation.take_along_axis(x, indices, axis=axis),
    np.concatenate: lambda arrays, axis=0: manipulation.concat(arrays, axis=axis),
    np.concat: lambda arrays, axis=0: manipulation.concat(arrays, axis=axis),
    np.stack: lambda arrays, axis=0: manipulation.stack(arrays, axis=axis),
    np.unstack: manipulation.unstack,
    np.vstack: lambda arrays: manipulation.concat([x if np.ndim(x) > 1 else _array(x)[None] for x in arrays], axis=0),
    np.hstack: _hstack,
    np.column_stack: lambda arrays: manipulation.concat(
        [x if np.ndim(x) > 1 else _array(x)[:, None] for x in arrays], axis=1
    ),
    np.dot: _dot,
    np.inner: lambda a, b: linalg.tensordot(a, b, axes=((-1,), (-1,))),
    np.outer: lambda a, b: linalg.outer(_flat(a), _flat(b)),
    np.tensordot: lambda a, b, axes=2: linalg.tensordot(a, b, axes=axes),
    np.diagonal: _diagonal,
    np.trace: _trace,
    np.linalg.diagonal: linalg.diagonal,
    np.linalg.trace: linalg.trace,
    np.linalg.norm: linalg.norm,
    np.polyval: curves.polyval,
    np.interp: curves.interp,
    np.linalg.vector_norm: linalg.vector_norm,
    np.shape: lambda x: x.shape,
    np.ndim: lambda x: x.ndim,
    np.size: lambda x, axis=None: x.size if axis is None else x.shape[axis],
    np.zeros_like: lambda x, dtype=None: creation.zeros_like(x, dtype=dtype),
    np.ones_like: lambda x, dtype=None: creation.ones_like(x, dtype=dtype),
    np.full_like: lambda x, fill_value, dtype=None: creation.full_like(x, fill_value, dtype=dtype),
    np.tril: lambda x, k=0: creation.tril(x, k=k),
    np.triu: lambda x, k=0: creation.triu(x, k=k),
}
"""By NumPy's function; what is not here raises TypeError."""
