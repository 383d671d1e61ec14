"""Rules of torch's sums, products and comparisons."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tercet import array as xp
from tercet.array import SecretArray
from tercet.torch.cells import HIDDEN, Held, OfCells, Rule, WithFacts, fact_of, value_of
from tercet.torch.kinds import is_bool
from tercet.torch.refusals import no_rule, turns_plain
from tercet.torch.table_moves import without_kind


def _scaled(x: Any, factor: Any) -> Any:
    return x if factor == 1 else xp.multiply(x, factor) if isinstance(x, SecretArray) else np.multiply(x, factor)


def added(x: Any, y: Any, alpha: float = 1) -> Any:
    """x + alpha y; public places of minus infinity become a fact."""
    sides = (x, y) if alpha == 1 else (x, _scaled(y, alpha))
    hidden = [_below_all(one) for one in sides]
    if all(one is None for one in hidden):
        return _two(xp.add, *sides)
    finite = [one if mask is None else np.where(mask, 0.0, one) for one, mask in zip(sides, hidden, strict=True)]
    found = _two(xp.add, *finite)
    masks = [np.broadcast_to(mask, found.shape) for mask in hidden if mask is not None]
    return WithFacts(found, {HIDDEN: np.logical_or.reduce(masks)})


def _below_all(x: Any) -> Any:
    """Where a public array is minus infinity, as masks of attention are; None if nowhere."""
    if not isinstance(x, np.ndarray) or x.dtype.kind != "f":
        return None
    found = np.isneginf(x)
    return found if found.any() else None


def _subtract(x: Any, y: Any, alpha: float = 1) -> Any:
    return _two(xp.subtract, x, _scaled(y, alpha))


def _two(function: Callable[..., Any], x: Any, y: Any) -> Any:
    """A function of two operands; of bools, the numbers 0 and 1."""
    x, y = (without_kind(one) if isinstance(one, SecretArray | np.ndarray) else one for one in (x, y))
    return function(x if isinstance(x, SecretArray) else np.asarray(x), y)


def _multiply(x: Any, y: Any) -> Any:
    return xp.multiply(x, y) if isinstance(x, SecretArray) else xp.multiply(np.asarray(x), y)


def _divide(x: Any, y: Any, *, rounding_mode: str | None = None) -> Any:
    if rounding_mode == "floor":
        return _two(xp.floor_divide, x, y)
    found = _two(xp.divide, x, y)
    return found if rounding_mode is None else xp.trunc(found)


def _axes(x: Held, dims: Any) -> tuple[int, ...]:
    wanted = [dims] if isinstance(dims, int) else dims
    return tuple(at % max(1, x.ndim) for at in wanted) if wanted and x.ndim else tuple(range(x.ndim))


def _reduction(function: Callable[..., Any]) -> Rule:
    def rule(x: Held, dims: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
        return function(without_kind(x), axis=_axes(x, dims), keepdims=keepdim)

    return rule


def _variance(
    x: Held, dims: Any = None, unbiased: bool = True, keepdim: bool = False, *, correction: float | None = None
) -> Any:
    if isinstance(dims, bool):
        dims, unbiased = None, dims
    by = float(unbiased) if correction is None else correction
    return xp.var(x, axis=_axes(x, dims), correction=by, keepdims=keepdim)


def _extreme(function: Callable[..., Any], where: Callable[..., Any]) -> Rule:
    def rule(x: Held, dim: int | None = None, keepdim: bool = False) -> Any:
        if dim is None:
            return function(x)
        if not isinstance(dim, int):
            raise no_rule("torch.max and torch.min of two tensors", "use torch.maximum or torch.minimum")
        return function(x, axis=dim, keepdims=keepdim), where(x, axis=dim, keepdims=keepdim)

    return rule


def _lerp(x: Held, end: Held, weight: Any) -> Any:
    return xp.add(x, xp.multiply(xp.subtract(end, x), weight))


def _product(x: Held, y: Held) -> Any:
    return xp.matmul(x, y)


def _added_product(x: Held, a: Held, b: Held, *, beta: float = 1, alpha: float = 1) -> Any:
    product = _scaled(xp.matmul(a, b), alpha)
    return product if beta == 0 else added(_scaled(x, beta), product)


def _addcmul(x: Held, a: Held, b: Held, *, value: float = 1) -> Any:
    return xp.add(x, _scaled(xp.multiply(a, b), value))


def _addcdiv(x: Held, a: Held, b: Held, *, value: float = 1) -> Any:
    return xp.add(x, _scaled(xp.divide(a, b), value))


def _power(x: Any, y: Any) -> Any:
    if isinstance(y, float) and y.is_integer():
        y = int(y)
    if not isinstance(y, SecretArray) and np.ndim(y) == 0 and y == 2:
        return xp.square(x)
    return xp.pow(x if isinstance(x, SecretArray) else np.asarray(x), y)


# ---- signs ----


def _relu(x: Held) -> WithFacts:
    positive = xp.greater(x, 0)
    return WithFacts(xp.where(positive, x, 0), {"positive": positive})


def _threshold_backward(grad: Any, result: Any, threshold: Any) -> Any:
    positive = fact_of(result, "positive") if threshold == 0 else None
    if positive is None:
        positive = xp.greater(value_of(result), threshold)
    return xp.where(positive, value_of(grad), 0)


def _clamp(x: Held, low: Any = None, high: Any = None) -> Any:
    return xp.clip(x, low, high)


def _between(x: Held, low: float, high: float) -> Any:
    return xp.logical_and(xp.greater(x, low), xp.less(x, high))


def _where(condition: Any, x: Any, y: Any) -> Any:
    if isinstance(condition, np.ndarray) and isinstance(y, SecretArray) and np.ndim(x) == 0 and np.isneginf(x):
        return WithFacts(xp.where(condition, 0, y), {HIDDEN: np.broadcast_to(condition, y.shape)})
    if any(isinstance(one, float | np.ndarray) and not np.isfinite(one).all() for one in (x, y)):
        raise no_rule("aten::where with infinities")
    return xp.where(condition, x, y)


def _masked_fill(x: Held, mask: Any, value: Any) -> Any:
    return _where(mask, value, x)


def _leaky_relu_backward(grad: Held, x: Held, slope: float, is_result: bool) -> Any:
    positive = xp.greater(x, 0)
    return xp.where(positive, grad, _scaled(grad, slope))


def _plain_number(x: Any) -> Any:
    held = value_of(x)
    if isinstance(held, SecretArray):
        turns_plain("has no number here", "tc.reveal(x) makes it plain, for everybody in the session to see")
    return np.asarray(held).item()


def _compared(function: Callable[..., Any]) -> Rule:
    return lambda x, y: _two(function, x, y)


def _logical(function: Callable[..., Any]) -> Rule:
    return lambda x, y: function(_truth(x), _truth(y))


def _of_bools(name: str, function: Callable[..., Any]) -> Rule:
    def rule(*sides: Any) -> Any:
        if not all(is_bool(one) for one in sides):
            raise no_rule(f"aten::{name} of whole numbers")
        return function(*sides)

    return rule


def _truth(x: Any) -> Any:
    return x if is_bool(x) else xp.not_equal(x if isinstance(x, SecretArray) else np.asarray(x), 0)


def _nowhere(x: Held) -> Held:
    return np.zeros(x.shape, np.bool_)


RULES: Mapping[str, Rule] = {
    "add": added,
    "sub": _subtract,
    "rsub": lambda x, y, alpha=1: _subtract(y, x, alpha),
    "neg": xp.negative,
    "mul": _multiply,
    "div": _divide,
    "reciprocal": lambda x: xp.divide(np.asarray(1.0), x),
    "square": xp.square,
    "pow": _power,
    "sum": _reduction(xp.sum),
    "mean": _reduction(xp.mean),
    "var": _variance,
    "std": lambda x, *args, **kwargs: xp.sqrt(_variance(x, *args, **kwargs)),
    "var_mean": lambda x, dims=None, unbiased=True, keepdim=False, *, correction=None: (
        _variance(x, dims, unbiased, keepdim, correction=correction),
        xp.mean(x, axis=_axes(x, None if isinstance(dims, bool) else dims), keepdims=keepdim),
    ),
    "cumsum": lambda x, dim, *, dtype=None: xp.cumulative_sum(without_kind(x), axis=dim),
    "lerp": _lerp,
    "mm": _product,
    "bmm": _product,
    "mv": _product,
    "dot": _product,
    "addmm": _added_product,
    "baddbmm": _added_product,
    "addmv": _added_product,
    "addcmul": _addcmul,
    "addcdiv": _addcdiv,
    "relu": _relu,
    "threshold_backward": OfCells(_threshold_backward),
    "hardtanh": lambda x, low=-1.0, high=1.0: _clamp(x, low, high),
    "hardtanh_backward": lambda grad, x, low, high: xp.where(_between(x, low, high), grad, 0),
    "clamp": _clamp,
    "clamp_min": lambda x, low: _clamp(x, low),
    "clamp_max": lambda x, high: _clamp(x, None, high),
    "leaky_relu": lambda x, slope=0.01: xp.where(xp.greater(x, 0), x, _scaled(x, slope)),
    "leaky_relu_backward": _leaky_relu_backward,
    "abs": xp.abs,
    "sign": xp.sign,
    "sgn": xp.sign,
    "maximum": xp.maximum,
    "minimum": xp.minimum,
    "amax": lambda x, dims=(), keepdim=False: xp.max(x, axis=_axes(x, dims), keepdims=keepdim),
    "amin": lambda x, dims=(), keepdim=False: xp.min(x, axis=_axes(x, dims), keepdims=keepdim),
    "max": _extreme(xp.max, xp.argmax),
    "min": _extreme(xp.min, xp.argmin),
    "argmax": lambda x, dim=None, keepdim=False: xp.argmax(x, axis=dim, keepdims=keepdim),
    "argmin": lambda x, dim=None, keepdim=False: xp.argmin(x, axis=dim, keepdims=keepdim),
    "gt": _compared(xp.greater),
    "ge": _compared(xp.greater_equal),
    "lt": _compared(xp.less),
    "le": _compared(xp.less_equal),
    "eq": _compared(xp.equal),
    "ne": _compared(xp.not_equal),
    "where": _where,
    "masked_fill": _masked_fill,
    "logical_and": _logical(xp.logical_and),
    "logical_or": _logical(xp.logical_or),
    "logical_xor": _logical(xp.logical_xor),
    "logical_not": lambda x: xp.logical_not(_truth(x)),
    "bitwise_and": _of_bools("bitwise_and", xp.logical_and),
    "bitwise_or": _of_bools("bitwise_or", xp.logical_or),
    "bitwise_xor": _of_bools("bitwise_xor", xp.logical_xor),
    "bitwise_not": _of_bools("bitwise_not", xp.logical_not),
    "any": lambda x, dims=None, keepdim=False: xp.any(_truth(x), axis=_axes(x, dims), keepdims=keepdim),
    "all": lambda x, dims=None, keepdim=False: xp.all(_truth(x), axis=_axes(x, dims), keepdims=keepdim),
    "floor": xp.floor,
    "ceil": xp.ceil,
    "trunc": xp.trunc,
    "isnan": _nowhere,
    "isinf": _nowhere,
    "_is_any_true": lambda x: xp.any(_truth(x)),
    "_is_all_true": lambda x: xp.all(_truth(x)),
    "_local_scalar_dense": OfCells(_plain_number),
}
