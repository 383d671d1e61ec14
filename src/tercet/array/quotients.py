"""Quotients by public numbers. They are kept as what is divided, so that they are revealed, compared and rounded
exactly: by multiplying the other side."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tercet.array import numbers, rounding
from tercet.array.lines import Line, one_number, read_beside, written
from tercet.errors import PlanError
from tercet.plan.record import build, logic
from tercet.plan.record.build import Operand
from tercet.plan.record.graph import Recorded
from tercet.plan.record.public import DEFAULT_FRAC_BITS, ONE, read, thresholds
from tercet.plan.record.scale import renamed, settle
from tercet.plan.types import ValueKind, smallest_ring

_READ_ONE_BY_ONE = 1 << 12
"""Public numbers of an array that are brought to a quotient's divisor; longer ones are taken as they are."""
_FEW = 64
_ROOM = 124
"""Bits that the sum of all elements of an exact product may have."""
_LARGEST_COMMON = 1 << 20


@dataclass(frozen=True, slots=True)
class Quotient:
    """A recorded value that is still to be divided by a public number other than 0."""

    node: Recorded
    divisor: Fraction = ONE
    line: Line | None = None
    """Of which array it is a multiple, plus a number: what it is compared with is read beside that one."""


Value: TypeAlias = "Quotient | NDArray[Any]"


def resolved(x: Value) -> Operand:
    """The value as one that anything can be computed with: within the error of `numbers.over`."""
    if not isinstance(x, Quotient):
        return x
    return x.node if x.divisor == 1 else numbers.over(x.node, x.divisor)


def line_of(x: Value) -> Line | None:
    """The line that a value is of an array, if only of itself; None of public numbers, bools and means."""
    if not isinstance(x, Quotient) or x.node.type.is_bool:
        return None
    return x.line if x.line is not None or x.divisor != 1 else Line(x.node, ONE)


def _positive(x: Quotient) -> Quotient:
    """The same with a divisor above 0."""
    return x if x.divisor > 0 else Quotient(build.negate(x.node), -x.divisor, x.line)


def ratio(x: Quotient) -> Fraction:
    """What the stored integers are to be divided by."""
    return x.divisor * (1 << x.node.type.frac_bits)


# ---- comparisons ----


def less(a: Value, b: Value) -> Recorded:
    """a < b; exact, wherever both sides multiplied out fit 128 bits."""
    a, b = (_positive(x) if isinstance(x, Quotient) else x for x in (a, b))
    if isinstance(a, Quotient) and isinstance(b, Quotient):
        return logic.less(*_multiplied_out(a, b))
    if isinstance(a, Quotient):
        assert not isinstance(b, Quotient)
        return _beside_numbers(a, b, below=True)
    assert isinstance(b, Quotient)
    return _beside_numbers(b, a, below=False)


def _beside_numbers(x: Quotient, k: NDArray[Any], *, below: bool) -> Recorded:
    """x < k, or x > k."""
    if x.line is None:
        node, low, high = build.number(x.node), *thresholds(k, x.node.type, x.divisor)
    else:
        node, low, high = read_beside(x.line, k)
        below = below == (x.line.factor > 0)
    return logic.stored_below(node, high) if below else logic.stored_above(node, low)


def equal(a: Value, b: Value) -> Recorded:
    """a == b; as `less`."""
    a, b = (_positive(x) if isinstance(x, Quotient) else x for x in (a, b))
    if not isinstance(a, Quotient):
        a, b = b, a
    assert isinstance(a, Quotient)
    if isinstance(b, Quotient):
        return logic.equal(*_multiplied_out(a, b))
    if a.line is not None:
        return logic.stored_equal(*read_beside(a.line, b))
    if a.divisor == 1:
        return logic.equal(a.node, b)
    return logic.stored_equal(build.number(a.node), *thresholds(b, a.node.type, a.divisor))


def _multiplied_out(a: Quotient, b: Quotient) -> tuple[Recorded, Recorded]:
    """Two values that compare as the quotients do, whose divisors are above 0."""
    if a.divisor == b.divisor:
        return a.node, b.node
    factor = a.divisor / b.divisor  # a < b where a.node < b.node * factor
    try:
        return times(a.node, factor.denominator), times(b.node, factor.numerator)
    except PlanError:
        first, second = resolved(a), resolved(b)
        assert isinstance(first, Recorded) and isinstance(second, Recorded)
        return first, second


def times(x: Recorded, factor: int) -> Recorded:
    """The value times a public integer, exactly."""
    x = build.number(x)
    product = rounding.times(renamed(x, 0, 0), factor)
    return renamed(product, x.type.frac_bits, x.type.nominal) if x.type.frac_bits else product


def sign(x: Quotient) -> Recorded:
    x = _positive(x)
    return logic.sign(x.node)


def absolute(x: Quotient) -> Quotient:
    return Quotient(logic.absolute(x.node), abs(x.divisor))


# ---- rounding ----


def to_integer(how: Callable[[Recorded, Fraction], Recorded], x: Quotient) -> Recorded:
    """x rounded to an integer by a function of `rounding`; exact."""
    x = _positive(x)
    return how(rounding.integers_of(x.node), ratio(x))


def floor_divide(x: Quotient, k: int | float) -> Recorded:
    """floor(x / k) for a public number k, as an integer; exact. See `_steps`."""
    x, step = _steps(*_own_steps(x, k)[:2])
    return rounding.steps(rounding.integers_of(x.node), step, rounded=_rounded(x))


def remainder(x: Quotient, k: int | float) -> Quotient:
    """x - floor(x / k) * k, exactly; at x's scale where that is how multiples of k are read."""
    x, k, factor = _own_steps(x, k)
    sign = -1 if k < 0 else 1
    x, step = _steps(x, k)
    stored = rounding.integers_of(x.node)
    frac, nominal = x.node.type.frac_bits, x.node.type.nominal
    count = rounding.steps(stored, step, rounded=_rounded(x))
    if _rounded(x) or (x.divisor == 1 and step.denominator == 1):
        left = rounding.remaining(stored, count, step)
        found = Quotient(renamed(left, frac, nominal) if frac else left)
    else:
        left = rounding.rest(stored, count, step)
        found = Quotient(renamed(left, frac, nominal) if frac else left, x.divisor * step.denominator)
    return Quotient(found.node if sign > 0 else build.negate(found.node), found.divisor / factor)


def _own_steps(x: Quotient, k: int | float) -> tuple[Quotient, int | float, Fraction]:
    """Of a multiple of decimals, the decimals, their step, and what they are multiplied by; else as it is.

    `2 * x // 0.2` is `x // 0.1`, and so both read the multiples of a tenth as x stores them.
    """
    line = x.line
    if line is None or x.divisor != 1 or line.offset or line.node.type.kind is not ValueKind.FIXED:
        return x, k, ONE
    step = written(k) / line.factor
    return Quotient(line.node), int(step) if step.denominator == 1 else float(step), line.factor


_FLOAT = 1 << 50
"""A float and what is revealed as this float differ by less than one part in so many."""


def _steps(x: Quotient, k: int | float) -> tuple[Quotient, Fraction]:
    """x and |k| in units of x's stored integers, the sign of k moved to x.

    Beside fixed point each multiple of k is read as the array would store it: 0.7 // 0.1 is 7. Beside integers k is
    taken as it is, beside other quotients, too, unless there is the one quotient that is revealed as k: then that is
    meant, and 1.0 / 10 // 0.1 is 1.
    """
    if k < 0:
        x, k = Quotient(build.negate(x.node), x.divisor), -k
    x = _positive(Quotient(build.number(x.node), x.divisor))
    if x.divisor == 1:
        return x, Fraction(k) * (1 << x.node.type.frac_bits)
    exact = Fraction(k) * ratio(x)
    step = read(k, x.node.type, x.divisor)
    return x, step if step.denominator == 1 and abs(step - exact) * _FLOAT <= exact else exact


def _rounded(x: Quotient) -> bool:
    return x.divisor == 1 and x.node.type.frac_bits > 0


# ---- what keeps its divisor ----


def brought_together(a: Value, b: Value) -> tuple[Operand, Operand, Fraction] | None:
    """Two operands over one divisor, exactly and locally; None where that costs more than it keeps."""
    one, other = (a, b) if isinstance(a, Quotient) and a.divisor != 1 else (b, a)
    if not isinstance(one, Quotient) or one.divisor == 1:
        return None
    first: Operand | None
    second: Operand | None
    if not isinstance(other, Quotient):
        first, second, divisor = one.node, _numerators(other, one), one.divisor
    else:
        first, second, divisor = _over_common(one, other)
    if first is None or second is None:
        return None
    return (first, second, divisor) if one is a else (second, first, divisor)


def _over_common(a: Quotient, b: Quotient) -> tuple[Operand | None, Operand | None, Fraction]:
    """Both over one of their divisors; or, for single numbers, over the least that is a multiple of both."""
    divisors = [a.divisor, b.divisor]
    if a.node.type.size == b.node.type.size == 1:
        numerators, denominators = zip(*(one.as_integer_ratio() for one in divisors), strict=True)
        divisors.append(Fraction(math.lcm(*numerators), math.gcd(*denominators)))
    for divisor in divisors:
        first, second = _over(a, divisor, b.node.type.size), _over(b, divisor, a.node.type.size)
        if first is not None and second is not None:
            break
    return first, second, divisor


def _over(x: Quotient, divisor: Fraction, size: int) -> Operand | None:
    """x with this divisor, if there are no more elements than of the quotient beside it, and no wider ring is taken."""
    if x.divisor == divisor:
        return x.node
    factor = divisor / x.divisor
    widest = 2 * x.node.type.magnitude * abs(factor.numerator)
    if factor.denominator != 1 or x.node.type.size > size:
        return None
    needed = smallest_ring(-widest, widest)
    if needed is None or (needed > max(64, x.node.type.ring) and x.node.type.size > 1):
        return None
    return times(x.node, factor.numerator)


def _numerators(k: NDArray[Any], beside: Quotient) -> NDArray[Any] | None:
    """Public numbers times the divisor, where that is exact as they are read, at the scale of floats or a finer one."""
    if k.size > _READ_ONE_BY_ONE or k.size > beside.node.type.size:
        return None
    t, sign = beside.node.type, 1 if beside.divisor > 0 else -1
    frac, scale = max(t.frac_bits, DEFAULT_FRAC_BITS), 1 << t.frac_bits
    values = [sign * read(value, t, abs(beside.divisor), frac) / scale for value in k.reshape(-1).tolist()]
    if all(value.denominator == 1 for value in values):
        return np.array([int(value) for value in values], dtype=object).reshape(k.shape)
    floats = [float(value) if abs(value) < 1 << 900 else 0.0 for value in values]
    fits = all(value.denominator <= scale and number == value for number, value in zip(floats, values, strict=True))
    return np.array(floats, dtype=np.float64).reshape(k.shape) if fits else None


def _over_one_divisor(function: Callable[[Operand, Operand], Recorded], a: Value, b: Value) -> Quotient:
    """A function that commutes with a division of both operands by one number."""
    together = brought_together(a, b)
    if together is not None:
        x, y, divisor = together
        try:
            return Quotient(function(x, y), divisor)
        except PlanError:  # too large before the division
            pass
    return Quotient(function(resolved(a), resolved(b)))


def linear(name: str, a: Value, b: Value) -> Quotient:
    """The sum of two (`name` is "add"), or their difference ("subtract")."""
    found = _over_one_divisor(partial(build.linear, name), a, b)
    return replace(found, line=_sum_of_lines(a, b, 1 if name == "add" else -1))


def _sum_of_lines(a: Value, b: Value, sign: int) -> Line | None:
    """Of a + b or a - b."""
    first, second = line_of(a), line_of(b)
    if not isinstance(b, Quotient):
        offset = one_number(b)
        return None if first is None or offset is None else first.plus(offset, sign)
    if not isinstance(a, Quotient):
        offset, turned = one_number(a), None if second is None else second.times(Fraction(sign))
        return None if turned is None or offset is None else turned.plus(offset)
    return None if first is None or second is None else first.plus(second, sign)


def scaled_line(x: Value, k: NDArray[Any], *, divided: bool = False) -> Line | None:
    """Of x times one public number, or divided by it."""
    line, factor = line_of(x), one_number(k)
    return None if line is None or not factor else line.times(1 / factor if divided else factor)


def negative(x: Quotient) -> Quotient:
    line = line_of(x)
    return Quotient(build.negate(x.node), x.divisor, None if line is None else line.times(Fraction(-1)))


def multiply(a: Value, b: Value) -> Quotient:
    """a * b; of a quotient and one public integer, with another divisor."""
    line = None
    for x, k in ((a, b), (b, a)):
        if isinstance(x, Quotient) and not isinstance(k, Quotient):
            line = scaled_line(x, k)
    return replace(_product(a, b), line=line)


def _product(a: Value, b: Value) -> Quotient:
    for x, k in ((a, b), (b, a)):
        if isinstance(x, Quotient) and x.divisor != 1 and not isinstance(k, Quotient) and not k.ndim:
            whole = k.item() if k.dtype.kind in "iO" else 0
            if whole:
                return Quotient(x.node, x.divisor / whole)
    exact = _exact_product(a, b)
    return Quotient(build.multiply(resolved(a), resolved(b))) if exact is None else exact


def _exact_product(a: Value, b: Value) -> Quotient | None:
    """The product of what is divided, over both divisors; None where it may not fit, summed up, or takes a wider ring.

    Covariances and variances written out by means stay exact so, and what they have in common is seen.
    """
    if not isinstance(a, Quotient) or not isinstance(b, Quotient) or a.divisor == b.divisor == 1:
        return None
    if abs(a.divisor * b.divisor) < 1:
        return None  # what is rounded off before the division would count for more
    try:
        product = build.multiply(a.node, b.node)
    except PlanError:
        return None
    t = product.type
    if t.frac_bits != sum(build.number(x.node).type.frac_bits for x in (a, b)):
        return None  # rescaled before
    if t.magnitude.bit_length() + t.size.bit_length() > _ROOM:
        return None
    if t.ring == 128 and t.size > 1:
        try:
            if build.multiply(resolved(a), resolved(b)).type.ring == 64:
                return None
        except PlanError:
            pass
    said = min(t.frac_bits, DEFAULT_FRAC_BITS)
    if t.nominal < said:
        product = renamed(product, t.frac_bits, said)  # what the dtype says is not rescaled away
    return Quotient(product, a.divisor * b.divisor)


def rounded_before(product: Quotient, *factors: Value) -> bool:
    """Whether a product is one of factors that were rounded for it."""
    nodes = [x.node for x in factors if isinstance(x, Quotient)]
    if len(nodes) < len(factors) or any(x.type.is_bool for x in nodes):
        return False
    return product.node.type.frac_bits != sum(x.type.frac_bits for x in nodes) * (2 if len(nodes) == 1 else 1)


def select(condition: Recorded, a: Value, b: Value) -> Quotient:
    """a where the condition holds, else b."""
    return _over_one_divisor(partial(logic.select, condition), a, b)


def extreme(a: Value, b: Value, *, smallest: bool) -> Quotient:
    """The smaller, or the larger, of two."""
    together = brought_together(a, b)
    if together is not None:
        x, y, divisor = together
        try:
            return Quotient(_of_numbers(x, y, smallest if divisor > 0 else not smallest), divisor)
        except PlanError:  # too large before the division
            pass
    return Quotient(_of_numbers(resolved(a), resolved(b), smallest))


def _of_numbers(a: Operand, b: Operand, smallest: bool) -> Recorded:
    a, b = _settled(a), _settled(b)
    return logic.minimum(a, b) if smallest else logic.maximum(a, b)


def _settled(x: Operand) -> Operand:
    if isinstance(x, Recorded):
        return settle(build.number(x))
    return x.astype(np.int64) if x.dtype.kind == "b" else x


def by_integers(x: Quotient, k: NDArray[Any]) -> Quotient | None:
    """x / k for a few public integers, over their least common multiple; None where that would take a wider ring."""
    if k.dtype.kind not in "iO" or not k.size:
        return None
    if len(np.unique(k.reshape(-1)[: 16 * _FEW])) > _FEW:  # most often enough to know
        return None
    distinct = np.unique(k)
    if len(distinct) > _FEW:
        return None
    common = math.lcm(*distinct.tolist())
    node = build.number(x.node)
    widest = node.type.magnitude * common
    if common > _LARGEST_COMMON or smallest_ring(-widest, widest) not in (64, node.type.ring):
        return None
    factors = np.asarray(common // k)
    frac, nominal = node.type.frac_bits, node.type.nominal
    product = build.multiply(renamed(node, 0, 0), factors)
    return Quotient(renamed(product, frac, nominal) if frac else product, x.divisor * common)
