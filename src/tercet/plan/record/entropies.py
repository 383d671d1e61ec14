"""Numbers times logarithms, as entropies are made of: the logarithm is kept at the working precision.

What it is off by is multiplied by the number, so it has as many bits more than the result as the number has; the
product is rescaled once. Where that is more than a logarithm is sure of, one near 0 is computed by itself (`near`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tercet.errors import PlanError
from tercet.plan.record import logic
from tercet.plan.record.build import Operand, linear, multiply, negate, number, shared_integers
from tercet.plan.record.functions import logarithms, meant, nominal_of, zero_times
from tercet.plan.record.graph import Recorded
from tercet.plan.record.near import most_bits, relative_entropy, times_logarithm
from tercet.plan.record.public import exact_frac_bits, integers, public_array
from tercet.plan.record.scale import renamed
from tercet.plan.table.reasons import ENTROPY_DOMAIN

_GUARD = 4
"""By how many bits the logarithm's error, times the number, is below the last bit."""
_ONE = np.asarray(1)
_PUBLIC_BITS = 52


def xlogy(x: Operand, y: Operand) -> Recorded:
    """x log y; 0 where x is 0. Of y <= 0 the logarithm is that of the least y > 0."""
    return zero_times(meant(_times_logarithm(x, y)))


def xlog1py(x: Operand, y: Operand) -> Recorded:
    """x log(1 + y); the sum is exact."""
    return xlogy(x, linear("add", y, _ONE) if isinstance(y, Recorded) else np.add(public_array(y), 1))


def entr(x: Recorded) -> Recorded:
    """-x log x; 0 of x <= 0. Above e the result is larger than x, and so than what the logarithm is off by."""
    x = _not_negative(x)
    nominal = nominal_of(x)
    logarithm = _logarithm(x, nominal + _GUARD + min(_size(x), 2))
    if logarithm is None:
        raise _too_wide(x, nominal)
    return meant(negate(zero_times(_product(x, logarithm, nominal))))


def rel_entr(x: Operand, y: Operand) -> Recorded:
    """x log(x / y) of x >= 0; 0 of x <= 0. Of y <= 0 the logarithm is that of the least y > 0."""
    return zero_times(meant(_relative(x, y, less=False)))


def kl_div(x: Operand, y: Operand) -> Recorded:
    """rel_entr(x, y) - x + y, rescaled once; x < 0 counts as 0."""
    return meant(_relative(x, y, less=True))


def _relative(x: Operand, y: Operand, *, less: bool) -> Recorded:
    """x log(x / y), or that less x - y, not rescaled yet."""
    like, nominal = _recorded(x, y)
    x = _not_negative(x) if isinstance(x, Recorded) else _public(x)
    if not isinstance(x, Recorded) and (x < 0).any():
        raise ValueError("a public x of a relative entropy is not negative")
    fine = nominal + _GUARD + _size(x)
    found = _by_difference(x, y, fine, nominal)
    if found is not None:
        return linear("add", zero_times(found), linear("subtract", y, x)) if less else found
    if less and max(_size(x), _size(y)) > most_bits(nominal):
        raise _too_wide(like, fine)
    try:
        of_y = None if isinstance(y, Recorded) else _logarithms(y)
        return relative_entropy(_shared(x, like), _shared(y, like), nominal, less=less, of_y=of_y)
    except PlanError:
        raise _too_wide(like, fine) from None


def _by_difference(x: Operand, y: Operand, fine: int, nominal: int) -> Recorded | None:
    """x (log x - log y); None if logarithms are not sure of so many bits."""
    other = _logarithm(y, fine) if isinstance(y, Recorded) else _logarithms(y)
    if not isinstance(x, Recorded):
        own = np.where(x == 0, 0, x * np.log(np.where(x == 0, 1, x)))
        return None if other is None else linear("subtract", own, _product(x, other, nominal))
    first = _logarithm(x, fine)
    return None if first is None or other is None else _product(x, linear("subtract", first, other), nominal)


def _times_logarithm(x: Operand, y: Operand) -> Recorded:
    """x log y, not rescaled yet."""
    if not isinstance(y, Recorded):
        return multiply(x, _logarithms(y))
    x = number(x) if isinstance(x, Recorded) else x
    _, nominal = _recorded(x, y)
    fine = nominal + _GUARD + _size(x)
    logarithm = _logarithm(y, fine)
    if logarithm is not None:
        return _product(x, logarithm, nominal)
    try:
        return times_logarithm(x, number(y), nominal)
    except PlanError:
        raise _too_wide(y, fine) from None


def _product(x: Operand, logarithm: Operand, nominal: int) -> Recorded:
    product = multiply(x, logarithm)
    return renamed(product, product.type.frac_bits, nominal)


def _logarithms(y: Operand) -> NDArray[np.float64]:
    """Of public numbers. ValueError for what is not above 0, where SciPy's result is infinite."""
    numbers = _public(y)
    if (numbers <= 0).any():
        raise ValueError("a public number whose logarithm is taken is above 0")
    return np.asarray(np.log(numbers))


def _logarithm(y: Recorded, fine: int) -> Recorded | None:
    """The natural logarithm with `fine` fractional bits, all of which count, in the first ring that is sure of them."""
    return next(logarithms(y, "log", fine), None)


def _too_wide(y: Recorded, bits: int) -> PlanError:
    return PlanError(
        f"a logarithm of {y.type} with {bits} fractional bits does not fit the largest ring",
        hint="declare narrower bounds for the number that it is multiplied by, or use fewer frac_bits",
    )


def _recorded(x: Operand, y: Operand) -> tuple[Recorded, int]:
    """One of two that is recorded, and the fractional bits that a function of both has."""
    known = [one for one in (x, y) if isinstance(one, Recorded)]
    return known[0], max(map(nominal_of, known))


def _public(x: Operand) -> NDArray[np.float64]:
    return np.asarray(public_array(x), dtype=np.float64)


def _size(x: Operand) -> int:
    """How many bits its whole part has."""
    if isinstance(x, Recorded):
        return int(x.type.magnitude >> x.type.frac_bits).bit_length()
    return int(np.max(np.abs(_public(x)), initial=0)).bit_length()


def _shared(x: Operand, like: Recorded) -> Recorded:
    """A public number as a sharing of the shape of `like`, as exactly as it is given."""
    if isinstance(x, Recorded):
        return number(x)
    numbers = _public(x)
    bits = min(exact_frac_bits(numbers), _PUBLIC_BITS)
    return renamed(shared_integers(like, integers(numbers, bits), bits), bits, bits)


def _not_negative(x: Recorded) -> Recorded:
    x = number(x)
    return x if x.type.lo >= 0 else logic.at_least(x, 0, ENTROPY_DOMAIN)
