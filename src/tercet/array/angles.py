"""Functions of angles: of triangles, of hyperbolas, and what inverts them; error as in `functions`.

Costs are bits a party and element and rounds, at 16 to 24 fractional bits and at 40, of arguments of both signs.
"""

from __future__ import annotations

from typing import Any

from tercet.array.core import SecretArray, apply
from tercet.array.dispatch import array_function
from tercet.array.functions import of_one
from tercet.plan.record import angles
from tercet.plan.record.graph import Recorded


@array_function
def tan(x: Any, /) -> SecretArray:
    """The tangent. Its error is two last bits times 1 + tan(x)^2 at most.

    Beyond 2^(frac_bits / 2) in size it means nothing: it is then any number up to 2^(frac_bits / 2 + 4), and next to
    a pole of either sign. Costs 2,700 bits in 46 rounds, or 6,900 in 56. Source: `tercet.protocols.ratios`.
    """
    return of_one(x, "tan", angles.tangent)


@array_function
def sinh(x: Any, /) -> SecretArray:
    """The hyperbolic sine.

    Costs 1,700 to 2,400 bits in 14 rounds, or 4,200 to 6,200 in 17; refusals as of `exp`. Source:
    `tercet.protocols.hyperbolic`.
    """

    def record(node: Recorded) -> Recorded:
        return angles.hyperbolic(node, "sinh")

    return of_one(x, "sinh", record)


@array_function
def cosh(x: Any, /) -> SecretArray:
    """The hyperbolic cosine; as `sinh`."""

    def record(node: Recorded) -> Recorded:
        return angles.hyperbolic(node, "cosh")

    return of_one(x, "cosh", record)


@array_function
def asin(x: Any, /) -> SecretArray:
    """The inverse of sin, from -pi/2 to pi/2; x beyond -1 and 1 is drawn in to these.

    Costs 2,600 to 2,800 bits in 35 rounds, or 6,400 in 44; less where bounds of x are within -1 and 1, or say its
    sign. Source: `tercet.protocols.arcs`.
    """
    return of_one(x, "asin", angles.arc_sine)


@array_function
def acos(x: Any, /) -> SecretArray:
    """The inverse of cos, from 0 to pi; as `asin`."""
    return of_one(x, "acos", angles.arc_cosine)


@array_function
def atan(x: Any, /) -> SecretArray:
    """The inverse of tan, from -pi/2 to pi/2.

    Costs 2,900 to 3,600 bits in 49 rounds, or 6,900 in 55; where bounds of x are within -1 and 1, 1,000
    in 15, or 2,600 in 19. Source: `tercet.protocols.ratios`.
    """
    return of_one(x, "atan", angles.arc_tangent)


@array_function
def atan2(x1: Any, x2: Any, /) -> SecretArray:
    """The angle of the point with the coordinates x2 and x1, from -pi to pi; of (0, 0) it is 0.

    Costs 3,200 to 4,100 bits in 50 rounds, or 7,500 in 57; less where bounds say signs. Source:
    `tercet.protocols.ratios`.
    """
    return apply(angles.arc_tangent2, x1, x2)


@array_function
def sinc(x: Any, /) -> SecretArray:
    """sin(pi x) / (pi x), and 1 of 0.

    Costs 2,500 to 3,100 bits in 41 rounds, or 6,200 in 45. Source: `tercet.protocols.ratios`.
    """
    return of_one(x, "sinc", angles.sinc)
