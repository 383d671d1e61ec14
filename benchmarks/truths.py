"""Functions of one real number: how Tercet is asked for each, what is true by mpmath, and over which range."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np

import tercet as tc
from tercet import nn, special

SCALES = (16, 20, 24, 40)

_HALF = mpmath.mpf("0.5")


def _normal(v: Any) -> Any:
    return mpmath.erfc(-v / mpmath.sqrt(2)) / 2


def _logistic(v: Any) -> Any:
    return 1 / (1 + mpmath.exp(-v))


def _gelu_tanh(v: Any) -> Any:
    return v * (1 + mpmath.tanh(mpmath.sqrt(2 / mpmath.pi) * (v + mpmath.mpf("0.044715") * v**3))) / 2


def _quantile_of_normal(v: Any) -> Any:
    return mpmath.sqrt(2) * mpmath.erfinv(2 * v - 1)


def _log_normal(v: Any) -> Any:
    return mpmath.log(_normal(v))


def _plogp(v: Any) -> Any:
    return -v * mpmath.log(v) if v else mpmath.mpf(0)


def _over_half(v: Any) -> Any:
    return v * mpmath.log(2 * v) if v else mpmath.mpf(0)


def _both(x: Any) -> Any:
    """x above -x, so that a function of a column is one of x."""
    return tc.stack([x, -x])


@dataclass(frozen=True)
class Real:
    """One function, over [low, high]; `narrow` where a scale does not take all of it, by frac_bits."""

    name: str
    ours: Callable[[Any], Any]
    true: Callable[[Any], Any]
    low: float
    high: float
    narrow: dict[int, tuple[float, float]] | None = None
    float32: Callable[[Any], Any] | None = None
    allowed: Callable[[Any], Any] = lambda true: 1
    """What the error is divided by, beside 1 and the size of the result."""

    def range(self, frac_bits: int) -> tuple[float, float]:
        return (self.narrow or {}).get(frac_bits, (self.low, self.high))


def _tails() -> list[Real]:
    wide = (-1000.0, 1000.0)
    return [
        Real("tanh", tc.tanh, mpmath.tanh, *wide, float32=np.tanh),
        Real("special.expit", special.expit, _logistic, *wide),
        Real("special.log_expit", special.log_expit, lambda v: min(v, 0) - mpmath.log1p(mpmath.exp(-abs(v))), *wide),
        Real("special.softplus", special.softplus, lambda v: max(v, 0) + mpmath.log1p(mpmath.exp(-abs(v))), *wide),
        Real("special.erf", special.erf, mpmath.erf, *wide),
        Real("special.erfc", special.erfc, mpmath.erfc, *wide),
        Real("special.ndtr", special.ndtr, _normal, *wide),
        Real("nn.relu", nn.relu, lambda v: max(v, mpmath.mpf(0)), *wide),
        Real("nn.silu", nn.silu, lambda v: v * _logistic(v), *wide),
        Real("nn.gelu", nn.gelu, lambda v: v * _normal(v), *wide),
        Real("nn.gelu(tanh)", lambda x: nn.gelu(x, approximate="tanh"), _gelu_tanh, *wide),
    ]


def _powers() -> list[Real]:
    return [
        Real("exp", tc.exp, mpmath.exp, -100, 20, {40: (-100, 40)}, np.exp),
        Real("exp2", tc.exp2, lambda v: mpmath.mpf(2) ** v, -100, 30, {40: (-100, 60)}, np.exp2),
        Real("special.exp10", special.exp10, lambda v: mpmath.mpf(10) ** v, -30, 9, {40: (-30, 18)}),
        Real("expm1", tc.expm1, mpmath.expm1, -100, 20, {40: (-100, 40)}, np.expm1),
    ]


def _logarithms() -> list[Real]:
    high = float(2**40)
    return [
        Real("log", tc.log, mpmath.log, 0, high, float32=np.log),
        Real("log2", tc.log2, lambda v: mpmath.log(v, 2), 0, high, float32=np.log2),
        Real("log10", tc.log10, mpmath.log10, 0, high, float32=np.log10),
        Real("log1p", tc.log1p, mpmath.log1p, -1, high, float32=np.log1p),
        Real("sqrt", tc.sqrt, mpmath.sqrt, 0, high, float32=np.sqrt),
        Real("rsqrt", tc.rsqrt, lambda v: 1 / mpmath.sqrt(v), 0, high),
        Real("special.logit", special.logit, lambda v: mpmath.log(v) - mpmath.log1p(-v), 0, 1),
    ]


def _turns() -> list[Real]:
    return [
        Real("sin", tc.sin, mpmath.sin, -1000, 1000, float32=np.sin),
        Real("cos", tc.cos, mpmath.cos, -1000, 1000, float32=np.cos),
        Real("asinh", tc.asinh, mpmath.asinh, -1000, 1000, float32=np.arcsinh),
        Real("acosh", tc.acosh, mpmath.acosh, 1, 1000, float32=np.arccosh),
        Real("atanh", tc.atanh, mpmath.atanh, -1, 1, float32=np.arctanh),
        Real("hypot(x, 3)", lambda x: tc.hypot(x, 3), lambda v: mpmath.hypot(v, 3), -1000, 1000),
        Real(
            "logaddexp(x, 0.5)",
            lambda x: tc.logaddexp(x, 0.5),
            lambda v: mpmath.log(mpmath.exp(v) + mpmath.exp(_HALF)),
            -1000,
            1000,
        ),
    ]


def _angles() -> list[Real]:
    # tan means nothing beyond 2^(frac_bits / 2): the range ends where it is 2^8
    near = math.floor((math.pi / 2 - 2**-8) * 2**12) / 2**12
    return [
        Real(
            "tan",
            tc.tan,
            mpmath.tan,
            -near,
            near,
            float32=np.tan,
            allowed=lambda true: (1 + true * true) / max(1, abs(true)),
        ),
        Real("asin", tc.asin, mpmath.asin, -1, 1, float32=np.arcsin),
        Real("acos", tc.acos, mpmath.acos, -1, 1, float32=np.arccos),
        Real("atan", tc.atan, mpmath.atan, -1000, 1000, float32=np.arctan),
        Real("atan2(x, 3)", lambda x: tc.atan2(x, 3), lambda v: mpmath.atan2(v, 3), -1000, 1000),
        Real("sinh", tc.sinh, mpmath.sinh, -20, 20, {40: (-40, 40)}, np.sinh),
        Real("cosh", tc.cosh, mpmath.cosh, -20, 20, {40: (-40, 40)}, np.cosh),
        Real("sinc", tc.sinc, lambda v: mpmath.sincpi(v), -100, 100, float32=np.sinc),
        Real("cbrt", tc.cbrt, lambda v: mpmath.sign(v) * mpmath.cbrt(abs(v)), -1000, 1000, float32=np.cbrt),
        Real(
            "logaddexp2(x, 0.5)",
            lambda x: tc.logaddexp2(x, 0.5),
            lambda v: mpmath.log(mpmath.mpf(2) ** v + mpmath.sqrt(2), 2),
            -1000,
            1000,
        ),
    ]


def _quotients() -> list[Real]:
    return [
        Real("reciprocal", tc.array.reciprocal, lambda v: 1 / v, 2**-10, 1000, float32=np.reciprocal),
        Real("100 / x", lambda x: 100 / x, lambda v: 100 / v, 2**-6, 10_000),
        Real("x ** 0.3", lambda x: x**0.3, lambda v: v ** mpmath.mpf(0.3), 0, 1000),
        Real("x ** -1.5", lambda x: x**-1.5, lambda v: v ** mpmath.mpf("-1.5"), 2**-6, 1000),
        Real("x ** x", lambda x: x**x, lambda v: v**v, 0, 12),
        Real("x ** floor(x)", lambda x: x ** tc.array.floor(x), lambda v: v ** mpmath.floor(v), 0, 12),
        Real("0.3 ** x", lambda x: 0.3**x, lambda v: mpmath.mpf(0.3) ** v, -20, 20),
        Real("special.xlogy(x, x)", lambda x: special.xlogy(x, x), lambda v: -_plogp(v), 0, 10**5),
        Real("special.xlog1py(x, x)", lambda x: special.xlog1py(x, x), lambda v: v * mpmath.log1p(v), 0, 10**5),
        Real("special.entr", special.entr, _plogp, 0, 10**5),
        Real("special.rel_entr(x, 0.5)", lambda x: special.rel_entr(x, 0.5), _over_half, 0, 10**5),
        Real(
            "special.kl_div(x, 0.5)",
            lambda x: special.kl_div(x, 0.5),
            lambda v: _over_half(v) - v + _HALF,
            0,
            10**5,
        ),
    ]


def _statistics() -> list[Real]:
    return [
        Real(
            "special.softmax([x, -x])",
            lambda x: special.softmax(_both(x), axis=0)[0],
            lambda v: _logistic(2 * v),
            -1000,
            1000,
        ),
        Real(
            "special.log_softmax([x, -x])",
            lambda x: special.log_softmax(_both(x), axis=0)[0],
            lambda v: min(2 * v, 0) - mpmath.log1p(mpmath.exp(-2 * abs(v))),
            -1000,
            1000,
        ),
        Real(
            "special.logsumexp([x, -x])",
            lambda x: special.logsumexp(_both(x), axis=0),
            lambda v: abs(v) + mpmath.log1p(mpmath.exp(-2 * abs(v))),
            -1000,
            1000,
        ),
        Real("special.erfinv", special.erfinv, mpmath.erfinv, -1, 1),
        Real("special.ndtri", special.ndtri, _quantile_of_normal, 0, 1),
        Real("special.log_ndtr", special.log_ndtr, _log_normal, -1000, 1000),
        Real("special.gammaln", special.gammaln, mpmath.loggamma, 0, 1000),
        Real("special.digamma", special.digamma, mpmath.digamma, 0, 1000),
        Real("special.huber(1, x)", lambda x: special.huber(1, x), _huber, -1000, 1000),
        Real("nn.leaky_relu", nn.leaky_relu, lambda v: v if v > 0 else v * mpmath.mpf(0.01), -1000, 1000),
        Real("nn.elu", nn.elu, lambda v: v if v > 0 else mpmath.expm1(v), -1000, 1000),
        Real("nn.hardtanh", nn.hardtanh, lambda v: min(max(v, mpmath.mpf(-1)), mpmath.mpf(1)), -1000, 1000),
    ]


def _huber(v: Any) -> Any:
    return v * v / 2 if abs(v) <= 1 else abs(v) - _HALF


def functions() -> list[Real]:
    """All that are offered, in the order of the page."""
    return [*_powers(), *_logarithms(), *_turns(), *_angles(), *_quotients(), *_tails(), *_statistics()]


def points(real: Real, frac_bits: int, dense: int) -> list[int]:
    """Stored integers within the range: both ends, 0, a few last bits, powers of two, then `dense` evenly spread ones
    and as many spread over all sizes. All are doubles exactly, and none is where the function has no value."""
    low, high = (math.floor(end * 2**frac_bits) for end in real.range(frac_bits))
    found = {low, low + 1, high - 1, high, 0, 1, 2, 3, -1, -2, -3}
    for sign in (1, -1):
        found |= {sign * (1 << k) + d for k in range(max(-low, high).bit_length()) for d in (-1, 0, 1)}
    found |= {low + (high - low) * k // dense for k in range(dense + 1)}
    largest = math.log2(max(-low, high, 2))
    for k in range(dense):
        size = int(2 ** (largest * k / dense))
        found |= {size, -size}
    doubles = {int(float(value)) for value in found}
    return sorted(value for value in doubles if low <= value <= high and _has_value(real, value, frac_bits))


def _has_value(real: Real, value: int, frac_bits: int) -> bool:
    try:
        return (
            bool(mpmath.isfinite(real.true(mpmath.ldexp(value, -frac_bits))))
            and mpmath.im(real.true(mpmath.ldexp(value, -frac_bits))) == 0
        )
    except (ValueError, ZeroDivisionError):
        return False
