"""Rules of torch's functions of real numbers and of losses, with the derivatives that torch has as operations."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tercet import array as xp
from tercet.array import SecretArray, entropies, nn, special
from tercet.array import softmax as lines
from tercet.torch.cells import HIDDEN, Held, OfCells, Rule, WithFacts, fact_of, value_of
from tercet.torch.refusals import where

_LEAST = 2.0**-16
"""What probabilities are held at before their logarithm; the last bit that they have."""
_NOTHING = 16.0
"""e to the power of minus this is below a tenth of the last bit."""
_STRAIGHT = 12.0
"""From where on softplus is its argument at 16 fractional bits, whatever threshold torch has."""
_FLAT = 6.0
"""Where the normal density is 0 at 16 fractional bits."""

# ---- activations ----


def _sigmoid_backward(grad: Held, result: Held) -> Any:
    return xp.multiply(grad, xp.subtract(result, xp.square(result)))


def _tanh_backward(grad: Held, result: Held) -> Any:
    return xp.multiply(grad, xp.subtract(np.asarray(1.0), xp.square(result)))


def _silu_backward(grad: Held, x: Held) -> Any:
    share = special.expit(x)
    slope = xp.add(share, xp.multiply(x, xp.subtract(share, xp.square(share))))
    return xp.multiply(grad, slope)


def _gelu(x: Held, *, approximate: str = "none") -> Any:
    return nn.gelu(x, approximate=approximate)


def _gelu_backward(grad: Held, x: Held, *, approximate: str = "none") -> Any:
    if approximate == "tanh":
        factor, cubic = math.sqrt(2 / math.pi), 0.044715
        near = xp.clip(x, -_FLAT, _FLAT)
        square = xp.square(near)
        bent = xp.tanh(xp.multiply(near, xp.add(xp.multiply(square, factor * cubic), factor)))
        inner = xp.add(xp.multiply(square, 3 * factor * cubic), factor)
        steep = xp.multiply(xp.multiply(near, inner), xp.subtract(np.asarray(1.0), xp.square(bent)))
        slope = xp.multiply(xp.add(xp.add(bent, 1.0), steep), 0.5)
        return xp.multiply(grad, slope)
    near = xp.clip(x, -_FLAT, _FLAT)
    density = xp.multiply(xp.exp(xp.multiply(xp.square(near), -0.5)), 1 / math.sqrt(2 * math.pi))
    return xp.multiply(grad, xp.add(special.ndtr(x), xp.multiply(near, density)))


def _elu(x: Held, alpha: float = 1.0, scale: float = 1.0, input_scale: float = 1.0) -> Any:
    positive, negative = xp.maximum(x, 0), xp.minimum(x, 0)
    bent = xp.multiply(xp.expm1(xp.multiply(negative, input_scale)), alpha * scale)
    return xp.add(xp.multiply(positive, scale), bent)


def _elu_backward(grad: Held, alpha: float, scale: float, input_scale: float, is_result: bool, x: Held) -> Any:
    negative = xp.minimum(x, 0)
    if is_result:
        slope = xp.multiply(xp.add(negative, alpha * scale), input_scale)
    else:
        slope = xp.multiply(xp.exp(xp.multiply(negative, input_scale)), alpha * scale * input_scale)
    return xp.multiply(grad, xp.where(xp.less_equal(x, 0), slope, scale))


def _softplus(x: Held, beta: float = 1, threshold: float = 20) -> Any:
    found = xp.divide(special.softplus(xp.multiply(x, beta)), beta)
    return found if threshold >= _STRAIGHT else xp.where(xp.greater(x, threshold / beta), x, found)


def _softplus_backward(grad: Held, x: Held, beta: float, threshold: float) -> Any:
    slope = special.expit(xp.multiply(x, beta))
    if threshold < _STRAIGHT:
        slope = xp.where(xp.greater(x, threshold / beta), 1.0, slope)
    return xp.multiply(grad, slope)


def _hard_sigmoid(x: Held) -> Any:
    return xp.clip(xp.add(xp.multiply(x, 1 / 6), 0.5), 0, 1)


def _hard_sigmoid_backward(grad: Held, x: Held) -> Any:
    inside = xp.logical_and(xp.greater(x, -3), xp.less(x, 3))
    return xp.where(inside, xp.multiply(grad, 1 / 6), 0)


def _hard_swish_backward(grad: Held, x: Held) -> Any:
    slope = xp.where(xp.less(x, 3), xp.add(xp.multiply(x, 1 / 3), 0.5), 1.0)
    return xp.multiply(grad, xp.where(xp.greater(x, -3), slope, 0.0))


# ---- softmax ----


def _softmax(x: Any, dim: int, *options: Any) -> Any:
    return softmax_but(value_of(x), fact_of(x, HIDDEN), dim)


def softmax_but(held: Held, hidden: Any, dim: int) -> Held:
    """Softmax in which the public places that are hidden take no part: 0 there."""
    if hidden is None:
        return nn.softmax(held, dim)
    # by so much below all others that its power is 0 at 16 fractional bits
    low = (held.bounds[0] if isinstance(held, SecretArray) else float(held.min())) - _NOTHING
    found = nn.softmax(xp.where(hidden, low, held), dim)
    return xp.where(hidden, 0, found)


def _softmax_backward(grad: Held, result: Held, dim: int, dtype: Any) -> Any:
    weighed = xp.multiply(grad, result)
    return xp.subtract(weighed, xp.multiply(result, xp.sum(weighed, axis=dim, keepdims=True)))


def _log_softmax(x: Any, dim: int, half: bool) -> WithFacts:
    held = value_of(x)
    # recorded beside the logarithm, whose exponentials it shares; what nobody asks for does not run
    return WithFacts(nn.log_softmax(held, dim), {"softmax": nn.softmax(held, dim)})


def _log_softmax_backward(grad: Any, result: Any, dim: int, dtype: Any) -> Any:
    softmax = fact_of(result, "softmax")
    if softmax is None:
        softmax = xp.exp(value_of(result))
    slope = value_of(grad)
    return xp.subtract(slope, xp.multiply(softmax, xp.sum(slope, axis=dim, keepdims=True)))


def _logsumexp(x: Held, dims: Any, keepdim: bool = False) -> Any:
    return lines.logsumexp(x, axis=tuple(dims) if not isinstance(dims, int) else dims, keepdims=keepdim)


# ---- losses ----


def _reduced(each: Any, reduction: int) -> Any:
    return each if reduction == 0 else xp.mean(each) if reduction == 1 else xp.sum(each)


def _share(grad: Held, count: int, reduction: int, factor: float = 1.0) -> Any:
    """What of the loss's derivative falls to each of `count` elements, times a factor."""
    return xp.multiply(grad, factor / (count if reduction == 1 else 1))


def _mse(x: Held, target: Held, reduction: int = 1) -> Any:
    return _reduced(xp.square(xp.subtract(x, target)), reduction)


def _mse_backward(grad: Held, x: Held, target: Held, reduction: int) -> Any:
    return xp.multiply(xp.subtract(x, target), _share(grad, x.size, reduction, 2.0))


def _huber(x: Held, target: Held, reduction: int = 1, delta: float = 1.0) -> Any:
    apart = xp.abs(xp.subtract(x, target))
    near = xp.minimum(apart, delta)
    return _reduced(xp.multiply(near, xp.subtract(apart, xp.multiply(near, 0.5))), reduction)


def _huber_backward(grad: Held, x: Held, target: Held, reduction: int, delta: float) -> Any:
    return xp.multiply(xp.clip(xp.subtract(x, target), -delta, delta), _share(grad, x.size, reduction))


def _smooth_l1(x: Held, target: Held, reduction: int = 1, beta: float = 1.0) -> Any:
    if beta == 0:
        return _reduced(xp.abs(xp.subtract(x, target)), reduction)
    return xp.multiply(_huber(x, target, reduction, beta), 1 / beta)


def _smooth_l1_backward(grad: Held, x: Held, target: Held, reduction: int, beta: float) -> Any:
    if beta == 0:
        return xp.multiply(xp.sign(xp.subtract(x, target)), _share(grad, x.size, reduction))
    return _huber_backward(xp.multiply(grad, 1 / beta), x, target, reduction, beta)


def _bce(x: Held, target: Held, weight: Any = None, reduction: int = 1) -> Any:
    held = xp.clip(x, _LEAST, 1 - _LEAST)
    yes, no = xp.log(held), xp.log(xp.subtract(np.asarray(1.0), held))
    each = xp.negative(xp.add(no, xp.multiply(target, xp.subtract(yes, no))))
    return _reduced(each if weight is None else xp.multiply(each, weight), reduction)


def _bce_backward(grad: Held, x: Held, target: Held, weight: Any = None, reduction: int = 1) -> Any:
    held = xp.clip(x, _LEAST, 1 - _LEAST)
    slope = xp.divide(xp.subtract(held, target), xp.subtract(held, xp.square(held)))
    share = _share(grad, x.size, reduction)
    return xp.multiply(slope, share if weight is None else xp.multiply(share, weight))


def _bce_with_logits(x: Held, target: Held, weight: Any = None, pos_weight: Any = None, reduction: int = 1) -> Any:
    below = xp.negative(special.softplus(xp.negative(x)))  # log of the sigmoid
    one = np.asarray(1.0)
    stress = one if pos_weight is None else xp.add(xp.multiply(xp.subtract(pos_weight, one), target), one)
    each = xp.subtract(xp.multiply(xp.subtract(one, target), x), xp.multiply(below, stress))
    return _reduced(each if weight is None else xp.multiply(each, weight), reduction)


def _hot(target: Any, classes: int, weight: Any, ignored: int) -> Any:
    """(rows, classes): the weight of a row's class at its place, 0 elsewhere. IndexError for public classes that are
    none; secret ones count as ignored."""
    if isinstance(target, SecretArray):
        hot = nn.one_hot(target, classes)
        if 0 <= ignored < classes:
            counted = (np.arange(classes) != ignored).astype(np.int64)
            weight = counted if weight is None else xp.multiply(weight, counted)
        return hot if weight is None else xp.multiply(hot, weight)
    places = np.asarray(target)
    none = (places != ignored) & ((places < 0) | (places >= classes))
    if none.any():
        raise IndexError(f"{places[none][0]} is none of {classes} classes, nor ignored{where()}")
    hot = (places[:, None] == np.arange(classes)) & (places != ignored)[:, None]
    return hot * (1.0 if weight is None else weight)


def _by_rows(x: Held, target: Any) -> tuple[Held, Any, tuple[int, ...]]:
    """(rows, classes), the rows' classes, and the shape of the rows."""
    if x.ndim == 1:
        return x.reshape((1, x.size)), target.reshape((1,)), ()
    last = xp.moveaxis(x, 1, -1)
    return last.reshape((last.size // last.shape[-1], last.shape[-1])), target.reshape((-1,)), last.shape[:-1]


def _weights_sum(hot: Any, target: Any, weight: Any, ignored: int) -> Any:
    rows, classes = hot.shape
    if isinstance(target, SecretArray) and weight is None and not 0 <= ignored < classes:
        low, high = target.bounds
        if low >= 0 and high < classes:
            return np.asarray(float(rows))
    return xp.sum(hot)


def _nll(x: Held, target: Any, weight: Any = None, reduction: int = 1, ignored: int = -100) -> tuple[Any, Any]:
    rows, places, shape = _by_rows(x, target)
    hot = _hot(places, rows.shape[1], weight, ignored)
    each = xp.negative(xp.sum(xp.multiply(rows, hot), axis=1))
    together = _weights_sum(hot, places, weight, ignored)
    if reduction == 0:
        return each.reshape(shape), np.asarray(0.0)
    total = xp.sum(each)
    return total if reduction == 2 else xp.divide(total, together), together


def _nll_backward(grad: Held, x: Held, target: Any, weight: Any, reduction: int, ignored: int, together: Held) -> Any:
    rows, places, shape = _by_rows(x, target)
    hot = xp.negative(_hot(places, rows.shape[1], weight, ignored) * 1.0)
    if reduction == 0:
        each = xp.multiply(hot, grad.reshape((rows.shape[0], 1)))
    else:
        each = xp.multiply(hot, xp.divide(grad, together) if reduction == 1 else grad)
    return each.reshape(x.shape) if x.ndim == 1 else xp.moveaxis(each.reshape((*shape, x.shape[1])), -1, 1)


def _of_one(function: Callable[..., Any]) -> Rule:
    return lambda x: function(x)


RULES: Mapping[str, Rule] = {
    **{name: _of_one(getattr(xp, name)) for name in ("exp", "exp2", "expm1", "log", "log2", "log10", "log1p")},
    **{name: _of_one(getattr(xp, name)) for name in ("sqrt", "rsqrt", "sin", "cos", "tan", "asin", "acos", "atan")},
    **{name: _of_one(getattr(xp, name)) for name in ("tanh", "sinh", "cosh", "asinh", "acosh", "atanh")},
    **{name: _of_one(getattr(special, name)) for name in ("erf", "erfc", "erfinv")},
    "hypot": xp.hypot,
    "xlogy": entropies.xlogy,
    "logaddexp": xp.logaddexp,
    "sigmoid": special.expit,
    "sigmoid_backward": _sigmoid_backward,
    "tanh_backward": _tanh_backward,
    "silu": nn.silu,
    "silu_backward": _silu_backward,
    "gelu": _gelu,
    "gelu_backward": _gelu_backward,
    "elu": _elu,
    "elu_backward": _elu_backward,
    "softplus": _softplus,
    "softplus_backward": _softplus_backward,
    "log_sigmoid_forward": lambda x: (xp.negative(special.softplus(xp.negative(x))), np.zeros(x.shape)),
    "log_sigmoid_backward": lambda grad, x, kept: xp.multiply(grad, special.expit(xp.negative(x))),
    "hardsigmoid": _hard_sigmoid,
    "hardsigmoid_backward": _hard_sigmoid_backward,
    "hardswish": lambda x: xp.multiply(x, _hard_sigmoid(x)),
    "hardswish_backward": _hard_swish_backward,
    "_softmax": OfCells(_softmax, hidden=True),
    "_safe_softmax": OfCells(_softmax, hidden=True),
    "_softmax_backward_data": _softmax_backward,
    "_log_softmax": OfCells(_log_softmax),
    "_log_softmax_backward_data": OfCells(_log_softmax_backward),
    "logsumexp": _logsumexp,
    "mse_loss": _mse,
    "mse_loss_backward": _mse_backward,
    "huber_loss": _huber,
    "huber_loss_backward": _huber_backward,
    "smooth_l1_loss": _smooth_l1,
    "smooth_l1_loss_backward": _smooth_l1_backward,
    "binary_cross_entropy": _bce,
    "binary_cross_entropy_backward": _bce_backward,
    "binary_cross_entropy_with_logits": _bce_with_logits,
    "nll_loss_forward": _nll,
    "nll_loss_backward": _nll_backward,
    "nll_loss2d_forward": _nll,
    "nll_loss2d_backward": _nll_backward,
}
