"""Bounds of every function of real numbers beside its true range over the declared argument."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import special as true

import tercet as tc
from plan_trio import TrioSession
from tercet import nn, special

LAST = 2.0**-16
FUNCTIONS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any], tuple[float, float]]] = {
    "exp": (tc.exp, np.exp, (-3, 4)),
    "exp2": (tc.exp2, np.exp2, (-3, 4)),
    "exp10": (special.exp10, lambda x: 10.0**x, (-3, 2)),
    "expm1": (tc.expm1, np.expm1, (-3, 4)),
    "log": (tc.log, np.log, (0.25, 40)),
    "log1p": (tc.log1p, np.log1p, (0, 40)),
    "log2": (tc.log2, np.log2, (0.25, 40)),
    "log10": (tc.log10, np.log10, (0.25, 40)),
    "sqrt": (tc.sqrt, np.sqrt, (0, 40)),
    "rsqrt": (tc.rsqrt, lambda x: 1 / np.sqrt(x), (0.25, 40)),
    "reciprocal": (lambda x: 1 / x, lambda x: 1 / x, (0.25, 40)),
    "cbrt": (tc.cbrt, np.cbrt, (-8, 27)),
    "sin": (tc.sin, np.sin, (-8, 8)),
    "sin of a part": (tc.sin, np.sin, (0.1, 1.2)),
    "cos": (tc.cos, np.cos, (-8, 8)),
    "tan": (tc.tan, np.tan, (-1, 1.2)),
    "asin": (tc.asin, np.arcsin, (-1, 1)),
    "acos": (tc.acos, np.arccos, (-1, 1)),
    "atan": (tc.atan, np.arctan, (-1, 1)),
    "atan beyond 1": (tc.atan, np.arctan, (-9, 9)),
    "sinh": (tc.sinh, np.sinh, (-3, 2)),
    "cosh": (tc.cosh, np.cosh, (-3, 2)),
    "tanh": (tc.tanh, np.tanh, (-9, 9)),
    "asinh": (tc.asinh, np.arcsinh, (-9, 40)),
    "acosh": (tc.acosh, np.arccosh, (1, 40)),
    "atanh": (tc.atanh, np.arctanh, (-0.75, 0.5)),
    "sinc": (tc.sinc, np.sinc, (-4, 4)),
    "expit": (special.expit, true.expit, (-20, 20)),
    "logit": (special.logit, true.logit, (0.125, 0.75)),
    "log_expit": (special.log_expit, true.log_expit, (-9, 90)),
    "softplus": (special.softplus, lambda x: np.logaddexp(0, x), (-90, 9)),
    "erf": (special.erf, true.erf, (-9, 9)),
    "erfc": (special.erfc, true.erfc, (-9, 9)),
    "erfinv": (special.erfinv, true.erfinv, (-0.75, 0.5)),
    "ndtr": (special.ndtr, true.ndtr, (-9, 9)),
    "ndtri": (special.ndtri, true.ndtri, (0.125, 0.75)),
    "log_ndtr": (special.log_ndtr, true.log_ndtr, (-9, 9)),
    "entr": (special.entr, true.entr, (0, 2)),
    "gammaln": (special.gammaln, true.gammaln, (1, 9)),
    "gammaln below 1": (special.gammaln, true.gammaln, (0.25, 0.75)),
    "digamma": (special.digamma, true.digamma, (1, 9)),
    "digamma below 1": (special.digamma, true.digamma, (0.25, 0.75)),
    "relu": (nn.relu, lambda x: np.maximum(x, 0), (-3, 4)),
    "silu": (nn.silu, lambda x: x * true.expit(x), (-20, 4)),
    "gelu": (nn.gelu, lambda x: x * true.ndtr(x), (-20, 4)),
    "elu": (nn.elu, lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))), (-20, 4)),
    "leaky_relu": (nn.leaky_relu, lambda x: np.where(x > 0, x, 0.01 * x), (-20, 4)),
    "hardtanh": (nn.hardtanh, lambda x: np.clip(x, -1, 1), (-20, 4)),
    "huber": (lambda x: special.huber(1.5, x), lambda x: true.huber(1.5, x), (-3, 4)),
    "softmax": (special.softmax, lambda x: np.array([0, 1]), (-1000, 1000)),
    "log_softmax": (special.log_softmax, lambda x: np.array([-2000 - np.log(5), 0]), (-1000, 1000)),
    "logsumexp": (special.logsumexp, lambda x: np.array([-1000 + np.log(5), 1000 + np.log(5)]), (-1000, 1000)),
    "x ** 2": (lambda x: x**2, np.square, (-3, 4)),
    "x ** 0.3": (lambda x: x**0.3, lambda x: x**0.3, (0, 40)),
    "x ** -1.5": (lambda x: x**-1.5, lambda x: x**-1.5, (0.25, 40)),
    "hypot": (lambda x: np.hypot(x, x), lambda x: np.hypot(x, x), (-3, 4)),
    "x // 3": (lambda x: x // 3, lambda x: x // 3, (-3, 4)),
    "x % 3": (lambda x: x % 3, lambda x: np.array([0, 3]), (-3, 4)),
}

_BY_SIZE = "computed of |x|, and its bounds with either sign: which side of 0 is the longer one is not known any more"
_TWO_TERMS = "a sum of two terms, whose ends are taken together though they never meet"
WIDER: dict[str, tuple[float, str]] = {
    "cbrt": (1.001, _BY_SIZE),
    "asinh": (1.49, _BY_SIZE),
    "erfinv": (0.337, _BY_SIZE),
    "ndtri": (0.476, _BY_SIZE),
    "atan beyond 1": (0.111, "ends with two choices that do not know the size of x: half a turn"),
    "sinc": (0.0001, "what the polynomial is off by is counted at the scale of x"),
    "log_expit": (0.694, _TWO_TERMS),
    "softplus": (0.694, _TWO_TERMS),
    "silu": (0.073, _TWO_TERMS),
    "gammaln below 1": (0.04, _TWO_TERMS),
    "logsumexp": (1.61, _TWO_TERMS),
}
"""By how much bounds may be wider, and why."""


@pytest.mark.parametrize("name", FUNCTIONS)
def test_bounds_are_those_of_the_function(name: str) -> None:
    """They contain the true range, and end within a few last bits of it, or as `WIDER` says."""
    function, plain, (lo, hi) = FUNCTIONS[name]
    found = function(TrioSession().share(np.full(5, float(lo)), bounds=(lo, hi))).bounds
    values = plain(np.linspace(lo, hi, 20_001))
    ends = float(np.min(values)), float(np.max(values))
    slack = WIDER[name][0] if name in WIDER else 4 * LAST * max(1.0, *map(abs, ends))
    assert ends[0] - slack <= found[0] <= ends[0] + 4 * LAST, (found, ends)
    assert ends[1] - 4 * LAST * max(1, abs(ends[1])) <= found[1] <= ends[1] + slack, (found, ends)
