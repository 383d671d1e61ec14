"""Decimals with digits behind the point, as money has them: exact integers beside a public power of ten."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from decimal import Decimal
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercet.array import convolution, elementwise, linalg, manipulation, numbers, rounding
from tercet.array.core import SecretArray, pending
from tercet.array.dtypes import DType
from tercet.array.opaque import OpaqueArray
from tercet.errors import PlanError
from tercet.plan.record import build
from tercet.plan.record.graph import Recorded
from tercet.plan.record.public import DEFAULT_FRAC_BITS
from tercet.plan.record.scale import settle
from tercet.plan.types import ValueKind

MAX_DIGITS = 30
LITERAL_DIGITS = 9
"""A public number with more digits behind the point than this is taken as a real number, in fixed point."""
_SPARE_BITS, _LEAST_SPARE_BITS = 14, 4
"""Of the fixed point that a decimal becomes where nothing exact is offered: below its last digit."""
_JOINED_BITS = 36
"""Of decimals that are joined with fixed point, as long as no fewer than the least are left below the last digit."""

Exact = tuple[Any, int]
"""Integers, secret or public, and how many of their digits stand behind the point."""


class DecimalArray(SecretArray):
    """Secret decimals with `digits` digits: stored times 10^digits, as integers.

    Sums, differences and products among them, with integers and with public numbers of few digits are exact and
    decimals again (the digits of a product add up); so are `abs`, `//`, `%`, powers, `where`, the least and the
    greatest. Comparisons are exact, a literal being read as the decimal number that it is written as: 0.1 is a tenth.
    Quotients, means and variances are exact when revealed. Whatever else is computed takes the numbers in fixed point,
    rounded by less than 2^-14 of their last digit. Revealed, they are `decimal.Decimal`, in arrays of objects.
    """

    __slots__ = ("_digits",)

    _digits: int

    @classmethod
    def of(cls, integers: SecretArray, digits: int) -> SecretArray:
        """Integers, as they are stored, as decimals; without digits they stay integers."""
        node = build.number(integers.node)
        if not digits:
            return integers.like(node)
        self = object.__new__(cls)
        self._session = integers.device
        self._node, self._line = node, None
        self._divisor = Fraction(10**digits)
        self._digits = digits
        return self

    @property
    def digits(self) -> int:
        """Digits behind the point."""
        return self._digits

    @property
    def integers(self) -> SecretArray:
        """The values times 10^digits: exact secret integers."""
        return self.like(self.undivided)

    @property
    def dtype(self) -> DType:
        return DType(ValueKind.FIXED, self._nominal, super().dtype.bounds)

    @property
    def _nominal(self) -> int:
        return max(DEFAULT_FRAC_BITS, math.ceil(self._digits * math.log2(10)) + _SPARE_BITS)

    def __repr__(self) -> str:
        digits = f"{self._digits} digit{'' if self._digits == 1 else 's'}"
        return f"DecimalArray({digits}, {self.bounds[0]} to {self.bounds[1]}; shape {self.shape})"

    def _again(self, numbers: SecretArray) -> SecretArray:
        same = numbers.divisor == self._divisor and numbers._type.kind is ValueKind.INT
        return self.of(numbers.like(numbers.undivided), self._digits) if same else numbers

    def _moved(self, move: Callable[[Recorded], Recorded]) -> SecretArray:
        return self.of(self.integers._moved(move), self._digits)

    @property
    def node(self) -> Recorded:
        return numbers.over(self.undivided, self.divisor, self._nominal)

    def _decoded(self, stored: NDArray[Any]) -> Any:
        out = np.empty(np.shape(stored), object)
        out.reshape(-1)[:] = [decimal_of(number, self._digits) for number in np.asarray(stored).reshape(-1).tolist()]
        return out if out.ndim else out[()]

    @classmethod
    def _own_way(cls, function: Any) -> Callable[..., SecretArray | None] | None:
        return partial(_own_way, function) if function in _EXACTLY else _OWN_WAYS.get(function)

    def _takes(self, value: Any) -> bool:
        return isinstance(value, Decimal | Fraction) or super()._takes(value)


# ---- what is done in place of functions of the namespace; None leaves it to fixed point ----


def _own_way(function: Any, *values: Any) -> SecretArray | None:
    """A function of `_EXACTLY`, exactly; in fixed point where that does not fit the rings."""
    try:
        found = _EXACTLY[function](*values)
    except PlanError:
        found = None
    if found is None and function in _ARITHMETIC:
        values = tuple(map(_in_fixed_point, values))
        found = function(*map(_as_number, values))
    elif found is None and any(isinstance(value, Decimal | Fraction) for value in values):
        found = function(*map(_as_number, values))
    return found


def _by_floats(function: Any, way: Callable[[Any, Any], SecretArray | None], a: Any, b: Any) -> SecretArray | None:
    """An own way for two operands, of which a decimal.Decimal is taken as a float."""
    if any(isinstance(value, Decimal | Fraction) for value in (a, b)):
        found: SecretArray = function(_as_number(a), _as_number(b))
        return found
    return way(a, b)


def _where(condition: Any, x1: Any, x2: Any) -> SecretArray | None:
    if not any(isinstance(value, DecimalArray) for value in (x1, x2)):
        return None
    found = _aligned(lambda a, b: elementwise.where(condition, a, b), x1, x2)
    return elementwise.where(condition, *map(_in_fixed_point, (x1, x2))) if found is None else found


def _concat(arrays: Sequence[Any], *, axis: int | None = 0) -> SecretArray | None:
    exact = [exact_of(array) for array in arrays]
    if any(one is None for one in exact):
        # beside fixed point, in which all have one scale: no more bits than such columns have themselves
        return manipulation.concat([_rescaled(array) for array in arrays], axis=axis)
    digits = max(one[1] for one in exact if one is not None)
    integers = [one[0] * 10 ** (digits - one[1]) for one in exact if one is not None]
    return DecimalArray.of(manipulation.concat(integers, axis=axis), digits)


def _divide(a: Any, b: Any) -> SecretArray | None:
    if not isinstance(b, SecretArray):
        divisor = _literal(b)
        if not divisor:
            return None
        assert isinstance(a, DecimalArray)
        return pending(a.device, a.undivided, a.divisor * divisor)
    try:
        found = _aligned_plain(elementwise.divide, a, b)
        if found is None and isinstance(b, DecimalArray):
            # beside fixed point, whose 16 bits hold a hundredth only roughly: the integers divide, or are divided
            power = 10**b.digits
            above = a * power if isinstance(a, SecretArray) else np.multiply(a, float(power))
            found = elementwise.divide(above, b.integers)
        elif found is None:
            quotient = elementwise.divide(a.integers, b)
            found = pending(quotient.device, quotient.node, a.divisor)
        return found
    except PlanError:
        return None


def _floor_divide(a: Any, b: Any) -> SecretArray | None:
    if isinstance(b, SecretArray):
        return _aligned_plain(elementwise.floor_divide, a, b)
    divisor = _literal(b)
    if not divisor or not isinstance(a, DecimalArray):
        return None
    step = divisor * 10**a._digits
    node = a.undivided if step > 0 else build.negate(a.undivided)
    return a.like(rounding.floor(node, abs(step)))


def _remainder(a: Any, b: Any) -> SecretArray | None:
    if isinstance(b, SecretArray):
        return _aligned(elementwise.remainder, a, b)
    divisor, exact = _literal(b), exact_of(b)
    if not divisor or exact is None or not isinstance(a, DecimalArray):
        return None
    digits = max(a._digits, exact[1])
    left = (a.integers * 10 ** (digits - a._digits)) % int(divisor * 10**digits)
    return DecimalArray.of(left, digits)


def _pow(a: Any, exponent: Any) -> SecretArray | None:
    if isinstance(exponent, SecretArray) or not isinstance(a, DecimalArray):
        return None
    try:
        power = numbers.whole(exponent)
    except PlanError:
        return None  # as of fixed point
    if not 1 <= a._digits * power <= MAX_DIGITS:
        return None
    try:
        return DecimalArray.of(a.integers**power, a._digits * power)
    except PlanError:
        return None


def _in_fixed_point(value: Any) -> Any:
    return value.like(value.node) if isinstance(value, DecimalArray) else value


def _rescaled(value: Any) -> Any:
    """Decimals in fixed point, with no more bits than columns of fixed point have at bounds that nobody declared.

    Rounded to 2^-14 of their last digit, and where bounds are wide to a sixteenth of it.
    """
    if not isinstance(value, DecimalArray):
        return value
    whole = max(abs(math.floor(bound)) for bound in value.bounds).bit_length()
    least = math.ceil(value.digits * math.log2(10))
    spare = min(max(_JOINED_BITS - whole - least, _LEAST_SPARE_BITS), _SPARE_BITS)
    bits = max(DEFAULT_FRAC_BITS, least + spare)
    return value.like(settle(numbers.over(value.undivided, value.divisor, bits)))


def decimal_of(number: int, digits: int) -> Decimal:
    """A stored integer as the decimal that it stands for, exactly: 99000 with 2 digits is 990.00."""
    sign, figures, _ = Decimal(int(number)).as_tuple()
    return Decimal((sign, figures, -digits))


def exact_of(value: Any) -> Exact | None:
    """Decimals, integers, bools and public numbers of few digits as integers with digits; None for all others."""
    if isinstance(value, DecimalArray):
        return value.integers, value.digits
    if isinstance(value, SecretArray):
        whole = not isinstance(value, OpaqueArray) and value.divisor == 1 and value._type.kind is not ValueKind.FIXED
        return (value, 0) if whole else None
    fractions = _fractions(value)
    if fractions is None:
        return None
    digits = max((_digits_of(one) for one in fractions.flat), default=0)
    if digits > LITERAL_DIGITS:
        return None
    return _object_array(fractions, lambda one: int(one * 10**digits)), digits


def _digits_of(value: Fraction) -> int:
    """How many digits a number has behind the point; more than any that is taken for a number that has no end."""
    for digits in range(LITERAL_DIGITS + 1):
        if 10**digits % value.denominator == 0:
            return digits
    return LITERAL_DIGITS + 1


def _fractions(value: Any) -> NDArray[Any] | None:
    """Public numbers as they are written: of a float the shortest decimal number that is read as it."""
    array = np.asarray(value, dtype=object) if isinstance(value, Decimal | Fraction) else np.asarray(value)
    if array.dtype.kind not in "biufO" or np.ma.is_masked(value):
        return None
    try:
        # what NumPy makes of its scalars by repr has more around it than the number
        return _object_array(array, lambda one: one if isinstance(one, Fraction) else Fraction(str(one)))
    except (ValueError, OverflowError):
        return None  # NaN, infinity, or no number: refused by whoever takes it next


def _object_array(array: NDArray[Any], convert: Callable[[Any], Any]) -> NDArray[Any]:
    out = np.empty(array.shape, object)
    out.reshape(-1)[:] = [convert(int(one) if isinstance(one, bool | np.bool_) else one) for one in array.reshape(-1)]
    return out


def _literal(value: Any) -> Fraction | None:
    """One public number as it is written; None for arrays, and for what is none."""
    fractions = _fractions(value)
    if fractions is None or fractions.ndim:
        return None
    found: Fraction = fractions.item()
    return found


def _as_number(value: Any) -> Any:
    """What arithmetic of secret arrays knows: floats for decimal.Decimal."""
    return float(value) if isinstance(value, Decimal | Fraction) else value


def _aligned_plain(compute: Callable[[Any, Any], SecretArray], a: Any, b: Any) -> SecretArray | None:
    """compute(integers) of two with the same digits; None if one of them is not exact."""
    first, second = exact_of(a), exact_of(b)
    if first is None or second is None:
        return None
    digits = max(first[1], second[1])
    x, y = (one * 10 ** (digits - own) if own < digits else one for one, own in (first, second))
    return compute(x, y)


def _aligned(compute: Callable[[Any, Any], SecretArray], a: Any, b: Any) -> SecretArray | None:
    """The same as decimals again."""
    first, second = exact_of(a), exact_of(b)
    if first is None or second is None:
        return None
    found = _aligned_plain(compute, a, b)
    return None if found is None else DecimalArray.of(found, max(first[1], second[1]))


def _multiplied(compute: Callable[[Any, Any], SecretArray], a: Any, b: Any) -> SecretArray | None:
    first, second = exact_of(a), exact_of(b)
    if first is None or second is None or first[1] + second[1] > MAX_DIGITS:
        return None
    return DecimalArray.of(compute(first[0], second[0]), first[1] + second[1])


def _compared(function: Callable[..., Any], a: Any, b: Any) -> SecretArray | None:
    """A comparison: with a public number as it is written, however many digits it has."""
    if isinstance(a, SecretArray) and isinstance(b, SecretArray):
        return _aligned_plain(function, a, b)
    values, public = (a, b) if isinstance(a, DecimalArray) else (b, a)
    fractions = _fractions(public)
    assert isinstance(values, DecimalArray)
    if fractions is None:
        return None
    scaled = _object_array(fractions, lambda one: one * 10**values.digits)
    down, up = _object_array(scaled, math.floor), _object_array(scaled, math.ceil)
    if function in (elementwise.equal, elementwise.not_equal):
        whole = down == up
        same = values.integers == down
        if not np.all(whole):
            same = same & np.asarray(whole, np.bool_)
        return same if function is elementwise.equal else ~same
    # below a number between two steps is: not above the step under it
    strict, below = _ORDERS[function] if values is a else _MIRRORED[function]
    limit = (up if strict else down) if below else (down if strict else up)
    if below:
        return values.integers < limit if strict else values.integers <= limit
    return values.integers > limit if strict else values.integers >= limit


_ORDERS: dict[Any, tuple[bool, bool]] = {
    elementwise.less: (True, True),
    elementwise.less_equal: (False, True),
    elementwise.greater: (True, False),
    elementwise.greater_equal: (False, False),
}
"""Whether a comparison is strict, and whether it asks for what is below."""
_MIRRORED = {function: (strict, not below) for function, (strict, below) in _ORDERS.items()}

_ARITHMETIC: dict[Any, Callable[..., SecretArray | None]] = {
    **{
        function: partial(_aligned, function)
        for function in (elementwise.add, elementwise.subtract, elementwise.minimum, elementwise.maximum)
    },
    elementwise.multiply: partial(_multiplied, elementwise.multiply),
}
_EXACTLY: dict[Any, Callable[..., SecretArray | None]] = {
    **_ARITHMETIC,
    **{function: partial(_compared, function) for function in (*_ORDERS, elementwise.equal, elementwise.not_equal)},
    elementwise.abs: lambda x: DecimalArray.of(elementwise.abs(x.integers), x.digits),
    elementwise.square: lambda x: _multiplied(elementwise.multiply, x, x),
    linalg.matmul: partial(_multiplied, linalg.matmul),
    convolution.convolution: lambda a, b, *how: _multiplied(lambda x, y: convolution.convolution(x, y, *how), a, b),
}
_OWN_WAYS: dict[Any, Callable[..., SecretArray | None]] = {
    elementwise.negative: lambda x: DecimalArray.of(-x.integers, x.digits),
    elementwise.positive: lambda x: x,
    elementwise.divide: partial(_by_floats, elementwise.divide, _divide),
    elementwise.floor_divide: partial(_by_floats, elementwise.floor_divide, _floor_divide),
    elementwise.remainder: partial(_by_floats, elementwise.remainder, _remainder),
    elementwise.pow: partial(_by_floats, elementwise.pow, _pow),
    elementwise.where: _where,
    manipulation.concat: _concat,
}
