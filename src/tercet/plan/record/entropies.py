"""Numbers times logarithms, as entropies are made of: the logarithm is kept at the working precision.

What it is off by is multiplied by the number, so it has as many bits more than the result as the number has; the
product is rescaled once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from tercet.errors import PlanError
from tercet.plan.record import logic
from tercet.plan.record.build import Operand, linear, multiply, negate, number
from tercet.plan.record.functions import logarithms, meant, nominal_of
from tercet.plan.record.graph import Recorded
from tercet.plan.record.public import public_array
from tercet.plan.record.scale import marked, renamed
from tercet.plan.table.reasons import ENTROPY_DOMAIN, ZERO_TIMES

_GUARD = 4
"""By how many bits the logarithm's error, times the number, is below the last bit."""
_ONE = np.asarray(1)

Logarithm: TypeAlias = Callable[[Recorded, int], Recorded]


def xlogy(x: Operand, y: Operand) -> Recorded:
    """x log y; 0 where x is 0. Of y <= 0 the logarithm is that of the least y > 0."""
    return zero_times(meant(_times_logarithm(x, y)))


def xlog1py(x: Operand, y: Operand) -> Recorded:
    """x log(1 + y); the sum is exact."""
    return xlogy(x, linear("add", y, _ONE) if isinstance(y, Recorded) else np.add(public_array(y), 1))


def entr(x: Recorded) -> Recorded:
    """-x log x; 0 of x <= 0."""
    x = _not_negative(x)
    return meant(negate(zero_times(_times_logarithm(x, x))))


def rel_entr(x: Operand, y: Operand) -> Recorded:
    """x log(x / y) of x >= 0; 0 of x <= 0. Of y <= 0 the logarithm is that of the least y > 0."""
    return zero_times(meant(_relative(x, y)))


def kl_div(x: Operand, y: Operand) -> Recorded:
    """rel_entr(x, y) - x + y, rescaled once; x < 0 counts as 0."""
    if isinstance(x, Recorded):
        x = _not_negative(x)
    return meant(linear("add", zero_times(_relative(x, y)), linear("subtract", y, x)))


def zero_times(product: Recorded) -> Recorded:
    """The product, marked as one that means something where its first factor is 0, whatever the logarithm is of."""
    return marked(product, ZERO_TIMES)


def _relative(x: Operand, y: Operand) -> Recorded:
    if not isinstance(x, Recorded):
        numbers = public_array(x).astype(float)
        if (numbers < 0).any():
            raise ValueError("a public x of a relative entropy is not negative")
        own = np.where(numbers == 0, 0, numbers * np.log(np.where(numbers == 0, 1, numbers)))
        return linear("subtract", own, _times_logarithm(numbers, y))
    x = _not_negative(x)

    def difference(_: Recorded, fine: int) -> Recorded:
        other = _logarithm(y, fine) if isinstance(y, Recorded) else _logarithms(y)
        return linear("subtract", _logarithm(x, fine), other)

    return _product(x, y if isinstance(y, Recorded) else x, difference)


def _times_logarithm(x: Operand, y: Operand) -> Recorded:
    """x log y, not rescaled yet."""
    if not isinstance(y, Recorded):
        return multiply(x, _logarithms(y))
    return _product(x, y, _logarithm)


def _logarithms(y: Operand) -> NDArray[np.float64]:
    """Of public numbers. ValueError for what is not above 0, where SciPy's result is infinite."""
    numbers = public_array(y).astype(float)
    if (numbers <= 0).any():
        raise ValueError("a public number whose logarithm is taken is above 0")
    return np.asarray(np.log(numbers))


def _product(x: Operand, y: Recorded, logarithm: Logarithm) -> Recorded:
    """x times a logarithm that has enough bits for it."""
    if isinstance(x, Recorded):
        x = number(x)
        nominal, size = max(nominal_of(x), nominal_of(y)), (x.type.magnitude >> x.type.frac_bits).bit_length()
    else:
        nominal, size = nominal_of(y), int(np.max(np.abs(public_array(x)), initial=0)).bit_length()
    product = multiply(x, logarithm(y, nominal + _GUARD + size))
    return renamed(product, product.type.frac_bits, nominal)


def _logarithm(y: Recorded, fine: int) -> Recorded:
    """The natural logarithm with `fine` fractional bits, all of which count, in the first ring that is sure of them."""
    for found in logarithms(y, "log", fine):
        return found
    raise PlanError(
        f"a logarithm of {y.type} with {fine} fractional bits does not fit the largest ring",
        hint="declare narrower bounds for the number that it is multiplied by, or use fewer frac_bits",
    )


def _not_negative(x: Recorded) -> Recorded:
    x = number(x)
    return x if x.type.lo >= 0 else logic.at_least(x, 0, ENTROPY_DOMAIN)
