"""Quadratic functions with a penalty of absolute values: few rounds a pass, whatever the number of coefficients.

Minimise w'Aw / 2 - b'w + sum of t_j |w_j|, for a scaled matrix A with a diagonal in [1/4, 1). Two stages. The
alternating direction method of multipliers finds which coefficients are 0, and signs: 8 rounds a pass, with the inverse
of A + rho I worked out once. Then the equations of what is not 0 are solved, by an inverse of products
(`learn/multiplied_inverse.py`) and two steps of refinement, and signs and zeros checked against the conditions of the
minimum, three times: where they are right, the result is the minimum to the precision of the solve. Nothing is
revealed: zeros and signs are secret bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tercet.array import numeric
from tercet.learn.multiplied_inverse import multiplied_inverse
from tercet.learn.passes import drawn_in, repeat
from tercet.learn.solve import ROOT_FRAC_BITS, WORKING_BITS

RHO = 0.0625
RELAXED = 1.5
PASS_BITS = 40
CHECKS = 3
REFINED = 2
LEAST = 2.0**-24
"""Eigenvalues of the equations of what is not 0, from which on they are solved."""
REACH = 1 << 14
"""Coefficients within passes: solutions lie below 2^12, and no pass is farther from one than zero is."""
LARGEST = 1 << 22
NEAR_RHO = 2.0**-7
NEAR_REACH = 1 << 18
"""From a start nearby a smaller rho goes faster. A step of Newton's to the minimum is at most 2^10 of its scaled length
along a column that is nearly another's, and that length at most 2^10, in units of 2^4."""


def minimum(xp: Any, matrix: Any, b: Any, t: Any, passes: int) -> Any:
    """The coefficients (d,) at 44 fractional bits: exactly 0 where they are not chosen.

    `matrix` (d, d) symmetric and positive semidefinite, `b` (d,) in [-1, 1], `t` (d,) in [0, 2]. Rounds: 8 a pass, 60
    for its inverse, and about 430 for three checks, whatever d is. Error: that of the solve, once zeros and signs are
    found: 2^-48 times the condition number of the equations of what is not 0. Of columns that are others' multiples the
    weight is shared.
    """
    if passes:
        zero = numeric.at_precision(b * 0, PASS_BITS)
        above, below = alternated(xp, matrix, b, t, passes, zero, zero)[1:]
    else:
        above, below = b > t, b < -t
    return solved(xp, matrix, b, t, above, below)[0]


def minimum_near(xp: Any, matrix: Any, b: Any, t: Any, passes: int, z: Any, u: Any, *, checks: bool) -> Any:
    """As `minimum`, from coefficients z (d,) and slopes u at them, which are -rho times as large, rho being 2^-7.

    Without checks, or where these do not end at the minimum, what the passes came to: near it, and no farther away than
    they began.
    """
    u = drawn_in(u, numeric.at_precision(t * (1 / NEAR_RHO), PASS_BITS))[0]
    reached, above, below = alternated(xp, matrix, b, t, passes, z, u, rho=NEAR_RHO, reach=NEAR_REACH)
    if not checks:
        return reached
    w, above, below = solved(xp, matrix, b, t, above, below)
    stands = xp.all(((w > 0) == above) & ((w < 0) == below))
    return xp.where(stands, w, reached)


def solved(xp: Any, matrix: Any, b: Any, t: Any, above: Any, below: Any) -> tuple[Any, Any, Any]:
    """Coefficients after three checks, and where they are positive and negative by the conditions of the minimum."""
    d = b.shape[0]
    eye = np.eye(d)

    def check(w: Any, above: Any, below: Any) -> Any:
        active, sign = above | below, above * 1 - below * 1
        pairs = xp.expand_dims(active, axis=0) & xp.expand_dims(active, axis=1)
        chosen = xp.where(pairs, matrix, 0) + (1 - active * 1) * eye
        wanted = xp.where(active, b - t * sign, 0)
        inverse = multiplied_inverse(xp, chosen, LEAST, d, last=7)
        w = drawn_in(_product(xp, inverse, numeric.at_precision(wanted, PASS_BITS), ROOT_FRAC_BITS), LARGEST)[0]
        for _ in range(REFINED):
            left = numeric.held(wanted - _product(xp, chosen, w, WORKING_BITS), -1, 1, WORKING_BITS)
            w = drawn_in(w + _product(xp, inverse, left, ROOT_FRAC_BITS), LARGEST)[0]
        w = xp.where(active, w, 0)
        moved = w + b - _product(xp, matrix, w, ROOT_FRAC_BITS)
        return w, moved > t, moved < -t

    limits = ((-LARGEST, LARGEST), None, None)
    start = numeric.at_precision(b * 0, ROOT_FRAC_BITS)
    w, above, below = repeat(CHECKS, check, start, above, below, bounds=limits)
    return w, above, below


def alternated(
    xp: Any,
    matrix: Any,
    b: Any,
    t: Any,
    passes: int,
    z: Any,
    u: Any,
    *,
    rho: float = RHO,
    reach: int = REACH,
) -> tuple[Any, Any, Any]:
    """Coefficients after so many passes from (z, u), and which of them are positive, and which negative."""
    d = b.shape[0]
    # halved, so that the diagonal stays below 1
    half = numeric.at_precision((matrix + rho * np.eye(d)) * 0.5, 48)
    inverse = multiplied_inverse(xp, half, rho / 2, (d + rho) / 2, last=8, bound=2 / rho)
    weights = numeric.at_precision(inverse * (RELAXED * rho / 2), PASS_BITS)
    first = _product(xp, weights, numeric.at_precision(b, PASS_BITS), PASS_BITS)
    first = numeric.at_precision(first * (1 / rho), PASS_BITS)
    edge = numeric.at_precision(t * (1 / rho), PASS_BITS)

    def step(z: Any, u: Any, above: Any, below: Any) -> Any:
        moved = xp.matmul(weights, xp.expand_dims(z - u, axis=1))[:, 0]
        y = numeric.at_precision(moved + first + z * (1 - RELAXED) + u, PASS_BITS)
        u, above, below = drawn_in(y, edge)
        return y - u, u, above, below

    start = (z, u, b > 4, b > 4)
    limits = ((-reach, reach), (-2 / rho, 2 / rho), None, None)
    z, _, above, below = repeat(passes, step, *start, bounds=limits)
    return z, above, below


def _product(xp: Any, matrix: Any, vector: Any, frac_bits: int) -> Any:
    return numeric.at_precision(xp.matmul(matrix, xp.expand_dims(vector, axis=1))[:, 0], frac_bits)
