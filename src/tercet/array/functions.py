"""Functions of real numbers: exponentials, logarithms, roots, hyperbolic functions and what inverts them.

Results are within one last bit within a plan, and the nearest where they are revealed, up to a tenth of a last bit; of
results above 1 relative to them. They have 16 fractional bits, or those of x if these are more. Costs are bits a party
and element and rounds, at 16 to 24 fractional bits and at 40; where bounds reach below what a function takes, one
comparison is added.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tercet.array import division, given
from tercet.array.core import SecretArray, apply
from tercet.array.dispatch import array_function, array_function_beside
from tercet.plan.record import functions, tails
from tercet.plan.record.graph import Recorded


def of_one(x: Any, name: str, record: Callable[[Recorded], Recorded]) -> SecretArray:
    """What a function of one secret array records."""
    if not isinstance(x, SecretArray):
        raise TypeError(f"{name} takes a secret array, not {type(x).__name__}; NumPy does it for public ones")
    return apply(record, x)


@array_function
def exp(x: Any, /) -> SecretArray:
    """e^x. Of x so small that the result is far below its last bit it is 0.

    Costs 160 to 300 bits in 3 rounds for results up to 2^16, 2^8 and 2^2 at 16, 20 and 24 fractional bits, at 40 up to
    2^32 420 to 800 in 4; bounds that reach far below, 400 or 900 more in 4. Larger results and exact rounding: 1,100 to
    1,400 bits in 16 rounds, or 2,600 to 3,200 in 18. PlanError if the bounds of the result do not fit 128 bits: declare
    those that x has. Source: `tercet.protocols.functions` and `sharewise`.
    """
    return of_one(x, "exp", functions.exp)


@array_function
def exp2(x: Any, /) -> SecretArray:
    """2^x; as `exp`."""

    def record(node: Recorded) -> Recorded:
        return functions.exp(node, "exp2")

    return of_one(x, "exp2", record)


@array_function
def expm1(x: Any, /) -> SecretArray:
    """e^x - 1, within the last bit also near 0; as `exp`."""
    return of_one(x, "expm1", functions.expm1)


@array_function
def log(x: Any, /) -> SecretArray:
    """The natural logarithm. Of x <= 0 it is that of the least positive number at x's scale.

    Costs 1,200 to 1,800 bits in 21 to 34 rounds, or 2,700 to 4,700 in 21 to 39; less where bounds of x are narrow.
    Source: `tercet.protocols.functions`.
    """
    return of_one(x, "log", functions.log)


@array_function
def log1p(x: Any, /) -> SecretArray:
    """log(1 + x); as `log`."""
    return of_one(x, "log1p", functions.log1p)


@array_function
def log2(x: Any, /) -> SecretArray:
    """The logarithm to the base 2; as `log`."""

    def record(node: Recorded) -> Recorded:
        return functions.log(node, "log2")

    return of_one(x, "log2", record)


@array_function
def log10(x: Any, /) -> SecretArray:
    """The logarithm to the base 10; as `log`."""

    def record(node: Recorded) -> Recorded:
        return functions.log(node, "log10")

    return of_one(x, "log10", record)


@array_function
def sqrt(x: Any, /) -> SecretArray:
    """The square root; of x <= 0 it is 0. A product, such as a square, is taken before it is rescaled.

    Costs 1,350 to 2,000 bits in 20 to 37 rounds, or 3,100 to 5,000 in 24 to 42; less where bounds of x are narrow.
    Source: `tercet.protocols.functions`.
    """
    product = division.root_of_product(x)
    return of_one(x, "sqrt", functions.sqrt) if product is None else product


@array_function
def cbrt(x: Any, /) -> SecretArray:
    """The cube root, of either sign.

    Costs 1,700 to 2,600 bits in 28 to 39 rounds, or 4,300 to 5,100 in 36 to 42; less where bounds of x say its sign.
    Source: `tercet.protocols.functions`.
    """
    return of_one(x, "cbrt", functions.cbrt)


def _plain_rsqrt(x: Any) -> Any:
    return 1 / np.sqrt(given.floats(x))


@array_function_beside(_plain_rsqrt)
def rsqrt(x: Any, /) -> SecretArray:
    """1 / sqrt(x); of x <= 0 it is 0. Costs as `sqrt`."""
    return of_one(x, "rsqrt", functions.rsqrt)


@array_function
def tanh(x: Any, /) -> SecretArray:
    """The hyperbolic tangent; exactly 1 or -1 where it is within 2^-6 of a last bit of that.

    Costs 1,200 to 2,100 bits in 20 to 35 rounds, or 4,300 to 5,300 in 25 to 40; the less where bounds of x are narrow.
    Source: `tercet.protocols.tails`.
    """
    return of_one(x, "tanh", tails.tanh)


@array_function
def asinh(x: Any, /) -> SecretArray:
    """The inverse of sinh: a root, a logarithm and the sign. Costs about those of `sqrt` and `log` together."""
    return of_one(x, "asinh", functions.asinh)


@array_function
def acosh(x: Any, /) -> SecretArray:
    """The inverse of cosh; of x <= 1 it is 0. Costs about those of `sqrt` and `log` together."""
    return of_one(x, "acosh", functions.acosh)


@array_function
def atanh(x: Any, /) -> SecretArray:
    """The inverse of tanh: half the difference of two logarithms, side by side.

    Beyond -1 and 1 the logarithm of what is not positive is that of the least positive number at x's scale. Costs twice
    those of `log`.
    """
    return of_one(x, "atanh", functions.atanh)


@array_function
def hypot(x1: Any, x2: Any, /) -> SecretArray:
    """sqrt(x1^2 + x2^2), of the exact sum. Costs 128 bits more than `sqrt`, of twice the finer scale. PlanError where
    128 bits do not take that sum: declare narrower bounds, or use fewer frac_bits."""
    return apply(functions.hypot, x1, x2)


@array_function
def logaddexp(x1: Any, x2: Any, /) -> SecretArray:
    """log(e^x1 + e^x2), right for any size. Costs 85 bits more than `tercet.special.softplus`."""
    return apply(tails.logaddexp, x1, x2)


@array_function
def logaddexp2(x1: Any, x2: Any, /) -> SecretArray:
    """log2(2^x1 + 2^x2), right for any size. Costs as `logaddexp`."""
    return apply(tails.logaddexp2, x1, x2)


@array_function
def sin(x: Any, /) -> SecretArray:
    """The sine, of x in radians and of any size.

    Costs 150 bits in 3 rounds, or 430 in 4 at 40 fractional bits, or for x above 2^12, 2^8 and 2^4 at 16, 20 and 24;
    with exact rounding 1,200 in 16, or 2,900 in 19. Source: `tercet.protocols.sharewise` and `turns`.
    """

    def record(node: Recorded) -> Recorded:
        return functions.sine(node, "sin")

    return of_one(x, "sin", record)


@array_function
def cos(x: Any, /) -> SecretArray:
    """The cosine; as `sin`."""

    def record(node: Recorded) -> Recorded:
        return functions.sine(node, "cos")

    return of_one(x, "cos", record)
