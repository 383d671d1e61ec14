"""Inverses of symmetric matrices by products of matrices alone: four rounds a step, whatever the size.

Newton's X <- X (2 I - M X) begins with a multiple of I, so that X is a polynomial in M and every eigenvalue t of M X
goes its own way: t <- t (2 - t). The least eigenvalues double in a step; while they are small, steps take 15/8 of X in
place of X, which makes them nearly four times as large, and leaves those near 1 above 1/5. LDL' takes 40 rounds a
column (`learn/solve.py`), is exact to the last bits and finds columns that are aliased; this takes 4 rounds for each
factor of 3.75 in the condition number that is provided for.

Source: Schulz (1933); longer steps as in Pan and Schreiber (1991).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tercet.array import numeric
from tercet.learn.passes import repeat
from tercet.learn.reasons import MULTIPLIED
from tercet.learn.solve import WORKING_BITS

LONGER = 15 / 8
_REACHED = 0.17
"""Longer steps bring all eigenvalues of M X into [0.17, 1]."""
_PRODUCT_BITS = 40
_ABOUT_ONE = (1 << _PRODUCT_BITS) + (1 << _PRODUCT_BITS - 6)
_MOST_BITS = 44
_RING_BITS = 125
"""What products have at most."""
_COEFFICIENT_BITS = 8
"""(15/8)^2 times a number below 1, and 15/4 beside it, as integers."""


def multiplied_inverse(xp: Any, matrix: Any, least: float, most: float, *, last: int, bound: float = math.inf) -> Any:
    """X (d, d) near M^-1, for symmetric M with eigenvalues in [0, `most`] and elements in [-1, 1], 48 fractional bits.

    Of eigenvalues from `least` on, X M has 1 - 0.83^(2^`last`) and more: 1 - 7e-6 for 6 steps, 1 - 5e-11 for 7. Smaller
    ones have an inverse that stays below (15/4)^longer 2^last / most, longer being about log4(most / least); `bound`:
    what no eigenvalue of X exceeds, where that is known. Fractional bits: as many as fit, 44 at most. Beside this, X M
    is off by 2^-40 sqrt(d) times what X has: whoever needs more refines what is solved with X. Nothing is revealed.
    Four rounds for each of longer + `last` steps.
    """
    d = matrix.shape[0]
    longer, reached = 0, least / most
    while reached < _REACHED:
        longer, reached = longer + 1, LONGER * reached * (2 - LONGER * reached)
    limit = 2 ** math.ceil(math.log2(1.01 * min(bound, (2 * LONGER) ** longer * 2**last / most)))
    bits = _RING_BITS - limit.bit_length() - max(WORKING_BITS, _PRODUCT_BITS + _COEFFICIENT_BITS) - d.bit_length()
    bits = min(_MOST_BITS, bits)
    eye = np.eye(d)

    def within(x: Any) -> Any:
        return numeric.bounded(numeric.at_precision(x, bits), -limit << bits, limit << bits, MULTIPLIED)

    def step(x: Any, part: float) -> Any:
        reached = numeric.at_precision(xp.matmul(matrix, x), _PRODUCT_BITS)
        reached = numeric.bounded(reached, -_ABOUT_ONE, _ABOUT_ONE, MULTIPLIED)
        return within(xp.matmul(x, 2 * part * eye - reached * part**2))

    found = within(matrix * 0 + eye * (round(2.0**bits / most) / 2.0**bits))
    for count, part in ((longer, LONGER), (last, 1.0)):
        (found,) = repeat(count, lambda x, part=part: step(x, part), found, bounds=[(-limit, limit)])
        found = within(found)
    return found
