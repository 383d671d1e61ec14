"""Logistic regression of two classes from many rows: passes by multiplied inverses, the first of them on some rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tercet.array import numeric
from tercet.learn.approach import COEF_BITS as APPROACH_BITS
from tercet.learn.approach import SCORE_BITS, Approach
from tercet.learn.families import Likelihood, Logistic
from tercet.learn.newton import ScaledRows
from tercet.learn.passes import spread
from tercet.learn.solve import WORKING_BITS
from tercet.learn.standardised import root_bits

BITS = 24
COEF_BITS = 40
STEP = 8
MOST = 1 << 10
"""Coefficients of scaled columns are held within this, and steps within 8."""


@dataclass(slots=True)
class _Given:
    """What `Approach` asks for."""

    xp: Any
    likelihood: Likelihood
    y: Any
    shrunk: Any
    rows: int
    width: int
    centred: bool
    k: int
    trials: Any = None
    offset: Any = None
    weights: Any = None
    bits: int = BITS


def minimised(xp: Any, scaled: ScaledRows, y: Any, passes: int, exact: Callable[[Any], Any], *, intercept: bool) -> Any:
    """Coefficients (1, d) of scaled columns, the intercept's behind them if there is one, at 40 fractional bits.

    `y` (n,): 0 and 1. Passes take probabilities of 16 fractional bits, the last of 24. Then one more step by the last
    inverse has the gradient that `exact` gives of coefficients (1, d), of four times the mean loss.
    """
    n, d = scaled.scaled.shape
    k = root_bits(n)
    values = numeric.at_precision(numeric.times_power(scaled.scaled, -k, BITS + k), BITS + k)
    likelihood = Logistic()
    likelihood.set_up(y, None)
    shrunk = scaled.shrunk
    over = n / 4.0 ** (k + 1)
    if isinstance(shrunk, np.ndarray) and not shrunk.any():
        shrunk = None
    else:
        # of 4 times the mean loss, where here are losses over 4^k
        shrunk = numeric.at_precision(shrunk * over, WORKING_BITS)
        shrunk = xp.concat([shrunk, spread(np.zeros(1), shrunk, WORKING_BITS)]) if intercept else shrunk
    quick = Approach(_Given(xp, likelihood, y, shrunk, n, d, intercept, k), values)
    coef = numeric.at_most(quick.through(passes - 1, STEP, MOST, BITS), APPROACH_BITS)
    slope, matrix = quick.penalised(coef, quick.last)
    inverse = quick.inverse(matrix)

    def after(coef: Any, slope: Any) -> Any:
        moved = numeric.held(quick.moved(inverse, slope), -STEP, STEP, COEF_BITS)
        return numeric.held(coef + moved, -MOST, MOST, COEF_BITS)

    coef = after(coef, slope)
    left = exact(xp.expand_dims(coef, axis=0)) * -over
    return xp.expand_dims(after(coef, numeric.at_precision(left, SCORE_BITS)), axis=0)
