"""The standard's elementwise functions; one operand at least is secret, others may be public."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import partial
from typing import Any, ParamSpec

import numpy as np

from tercet.array import division, given, movement, numbers, quotients, rounding
from tercet.array.core import SecretArray, apply, as_quotient, exactly, pending, session_of
from tercet.array.dispatch import array_function
from tercet.array.quotients import Quotient, Value
from tercet.errors import PlanError
from tercet.plan.record import build, logic
from tercet.plan.record.build import Operand, broadcast_to
from tercet.plan.record.graph import Recorded
from tercet.plan.record.powers import real_power, secret_power
from tercet.plan.record.public import DEFAULT_FRAC_BITS, integers, public_array
from tercet.plan.record.whole import divide_whole
from tercet.plan.table.attributes import Bounds
from tercet.plan.table.operation import broadcast_shapes
from tercet.plan.types import ValueKind, limit, magnitude

P = ParamSpec("P")

# ---- functions that record one thing each ----


def _of_one(name: str, record: Callable[..., Any], what: str) -> Callable[[Any], SecretArray]:
    """A function of the namespace of one array."""

    def function(x: Any, /) -> SecretArray:
        return exactly(record, _secret(x, name))

    return _named(name, function, what)


def _rounded(name: str, how: Callable[..., Recorded], what: str) -> Callable[[Any], SecretArray]:
    return _of_one(name, partial(quotients.to_integer, how), what)


def _of_two(name: str, record: Callable[..., Any], what: str) -> Callable[[Any, Any], SecretArray]:
    """A function of the namespace of two arrays, one of which may be public."""

    def function(x1: Any, x2: Any, /) -> SecretArray:
        return exactly(record, x1, x2)

    return _named(name, function, what)


def _named(name: str, function: Callable[P, SecretArray], what: str) -> Callable[P, SecretArray]:
    function.__name__, function.__qualname__, function.__doc__ = name, name, what
    return array_function(function)


def _bools(*values: Value) -> list[Operand]:
    found: list[Operand] = [value.node if isinstance(value, Quotient) else value for value in values]
    if not all(map(_bool, found)):
        raise TypeError("& | ^ ~ and the logical functions take bools; compare first, as in (x > 0) & (y < 1)")
    return found


def _logical(function: Callable[..., Recorded]) -> Callable[..., Recorded]:
    return lambda *values: function(*_bools(*values))


def _not_of(function: Callable[[Value, Value], Recorded]) -> Callable[[Value, Value], Recorded]:
    return lambda a, b: logic.logical_not(function(a, b))


def _number(x: Value) -> Quotient:
    assert isinstance(x, Quotient)
    return Quotient(build.number(x.node), x.divisor, x.line)


add = _of_two("add", partial(quotients.linear, "add"), "x1 + x2; bools count as 0 and 1.")
subtract = _of_two("subtract", partial(quotients.linear, "subtract"), "x1 - x2.")
negative = _of_one("negative", quotients.negative, "-x.")
positive = _of_one("positive", _number, "x; bools as 0 and 1.")
abs = _of_one("abs", quotients.absolute, "|x|.")
sign = _of_one("sign", quotients.sign, "-1, 0 or 1.")
signbit = _of_one("signbit", lambda x: quotients.less(x, np.asarray(0)), "x < 0.")
floor = _rounded("floor", rounding.floor, "The greatest integer not above x, as a secret integer; exact.")
ceil = _rounded("ceil", rounding.ceil, "The least integer not below x, as a secret integer; exact.")
trunc = _rounded("trunc", rounding.trunc, "x rounded towards zero, as a secret integer; exact.")
round = _rounded("round", rounding.nearest, "The nearest integer, halves to the even one, as a secret integer; exact.")
minimum = _of_two("minimum", partial(quotients.extreme, smallest=True), "The smaller of two.")
maximum = _of_two("maximum", partial(quotients.extreme, smallest=False), "The larger of two.")
less = _of_two("less", quotients.less, "x1 < x2; exact.")
less_equal = _of_two("less_equal", lambda a, b: logic.logical_not(quotients.less(b, a)), "x1 <= x2; exact.")
greater = _of_two("greater", lambda a, b: quotients.less(b, a), "x1 > x2; exact.")
greater_equal = _of_two("greater_equal", _not_of(quotients.less), "x1 >= x2; exact.")
equal = _of_two("equal", quotients.equal, "x1 == x2; exact.")
not_equal = _of_two("not_equal", _not_of(quotients.equal), "x1 != x2; exact.")
logical_and = _of_two("logical_and", _logical(logic.logical_and), "x1 AND x2, of bools.")
logical_or = _of_two("logical_or", _logical(logic.logical_or), "x1 OR x2, of bools.")
logical_xor = _of_two("logical_xor", _logical(logic.logical_xor), "x1 XOR x2, of bools; no communication.")
logical_not = _of_one("logical_not", _logical(logic.logical_not), "NOT x, of bools; no communication.")
bitwise_and = _of_two("bitwise_and", _logical(logic.logical_and), "x1 AND x2, of bools.")
bitwise_or = _of_two("bitwise_or", _logical(logic.logical_or), "x1 OR x2, of bools.")
bitwise_xor = _of_two("bitwise_xor", _logical(logic.logical_xor), "x1 XOR x2, of bools; no communication.")
bitwise_invert = _of_one("bitwise_invert", _logical(logic.logical_not), "NOT x, of bools; no communication.")


# ---- products, quotients, powers ----


@array_function
def multiply(x1: Any, x2: Any, /) -> SecretArray:
    """x1 * x2; exact for integers, else within one last bit once it is rescaled.

    Public numbers that 128 bits do not take exactly beside x's bounds have fewer bits: each of an array within 2^-32 of
    the largest that x times this number can be, and a last bit more.
    """
    return division.multiply(x1, x2)


@array_function
def square(x: Any, /) -> SecretArray:
    """x * x."""
    return division.square(_secret(x, "square"))


@array_function
def pow(x1: Any, x2: Any, /) -> SecretArray:
    """x1 to the power of one public number, or of secret numbers.

    Of integers by whole exponents from 0 on exact, also secret ones; -1, 1/2 and -1/2 as `reciprocal`, `sqrt` and
    `rsqrt`; others within two last bits, relative above 1, by a logarithm and an exponential, of which it costs both.
    Secret integers as exponents choose among squares, two words for each of their bits, where 128 bits take the power
    exactly; of a public x1 an exponential is enough. Of x1 < 0 by the sign where the exponent is a whole public number
    or a secret integer, else as of 0. 0 to a negative power is that of the least positive number at x1's scale, 0^0 is
    1. Integers to the power of integers that may be negative have fractional bits. PlanError if the bounds of the
    result do not fit 128 bits: declare those that x1 and x2 have. ValueError for a public x1 that is negative, where
    exponents have fractional bits, or 0, where they may be negative. Source: `tercet.protocols.whole_power`.
    """
    if isinstance(x2, SecretArray):
        return apply(secret_power, x1, x2)
    session_of(x1)
    exponent = public_array(x2)
    if not exponent.ndim and (exponent < 0 or (exponent.dtype.kind == "f" and exponent != np.rint(exponent))):
        return apply(lambda x: real_power(x, Fraction(exponent.item())), x1)
    fixed = public_array(x2).dtype.kind != "f" or x1.undivided.type.frac_bits
    if fixed and numbers.whole(x2) == 2:
        return division.square(x1)
    return apply(lambda x: numbers.power_of(x, x2), x1)


@array_function
def float_power(x1: Any, x2: Any, /) -> SecretArray:
    """`pow` with fractional bits, 16 at least, whatever x1 and x2 are."""
    found = pow(*(value if isinstance(value, SecretArray) else given.floats(value) for value in (x1, x2)))
    return apply(lambda x: numbers.as_fixed(x, max(x.type.nominal, DEFAULT_FRAC_BITS)), found)


@array_function
def divide(x1: Any, x2: Any, /) -> SecretArray:
    """x1 / x2. By a public number: exact when revealed. By a secret: within two last bits, relative above 1.

    By an array of public numbers: exact for a few different integers, else x1 times their reciprocals, as `multiply`.
    """
    if isinstance(x2, SecretArray):
        return division.divide(x1, x2)
    session, public, x = session_of(x1), public_array(x2), as_quotient(x1)
    assert isinstance(x, Quotient)
    if not np.all(public):
        raise ZeroDivisionError("a secret array is divided by 0, or by an array that holds 0")
    if not public.ndim:
        node, divisor = build.number(x.node), x.divisor * Fraction(public.item())
        return pending(session, node, divisor, quotients.scaled_line(x, public, divided=True))
    found = quotients.by_integers(Quotient(x.node, x.divisor), public)
    if found is not None:
        return pending(session, found.node, found.divisor)
    with np.errstate(all="ignore"):
        return apply(build.multiply, x1, 1 / public.astype(np.float64))


@array_function
def reciprocal(x: Any, /) -> SecretArray:
    """1 / x, as divide."""
    return divide(1, _secret(x, "reciprocal"))


@array_function
def floor_divide(x1: Any, x2: Any, /) -> SecretArray:
    """floor(x1 / x2), as an exact integer; 0 where a secret x2 is 0.

    Multiples of one public number x2 count as x1 would store them; beside secrets, numbers are what is stored. By a
    secret it costs 2,000 to 2,500 bits a party and element in 45 rounds. Source: `tercet.protocols.euclidean`.
    """
    if isinstance(x2, SecretArray):
        return apply(lambda a, b: divide_whole(a, b)[0], x1, x2)
    divisor = _one_divisor(x2)
    return exactly(lambda x: quotients.floor_divide(x, divisor), x1)


@array_function
def remainder(x1: Any, x2: Any, /) -> SecretArray:
    """x1 - floor(x1 / x2) * x2, exactly, at x1's scale or a secret x2's, if that is finer; 0 where a secret x2 is 0.

    Costs as `floor_divide`, and no more beside it.
    """
    if isinstance(x2, SecretArray):
        return apply(lambda a, b: divide_whole(a, b)[1], x1, x2)
    divisor = _one_divisor(x2)
    return exactly(lambda x: quotients.remainder(x, divisor), x1)


@array_function
def divmod(x1: Any, x2: Any, /) -> tuple[SecretArray, SecretArray]:
    """(x1 // x2, x1 % x2); by a secret for the price of one of them."""
    return floor_divide(x1, x2), remainder(x1, x2)


def _one_divisor(value: Any) -> Any:
    public = public_array(value)
    if public.ndim:
        raise TypeError(
            "a secret is floor-divided by one public number, not by a public array; share the divisors with "
            "session.share, and it is exact by these, too"
        )
    divisor = public.item()
    if not divisor:
        raise ZeroDivisionError("a secret array is divided by 0")
    if magnitude(divisor, divisor) >= limit(128) >> 2:
        raise PlanError(
            "a divisor of 2^124 or more is beyond all secret numbers",
            hint="x // divisor is -1 where x has the other sign, else 0, which tercet.where(x < 0, -1, 0) says; "
            "x % divisor is x where it has the same sign, else x + divisor, which fits no ring",
        )
    return divisor


# ---- others ----


@array_function
def clip(x: Any, /, min: Any = None, max: Any = None) -> SecretArray:
    """x, or the bound it passes; None leaves that side open.

    Between two public numbers that x can hold exactly, a value whose bounds are claimed (by `tercet.assume`, say) is
    compared as a whole ring word: the result's bounds hold then, whatever x is.
    """
    drawn = _drawn_in(x, min, max)
    if drawn is not None:
        return drawn
    result = x if min is None else maximum(x, min)
    result = result if max is None else minimum(result, max)
    return _secret(result, "clip")


def _drawn_in(x: Any, low: Any, high: Any) -> SecretArray | None:
    """x under enforced bounds; None unless it is claimed and both are public numbers at its scale."""
    if type(x) is not SecretArray or x.divisor != 1 or not x.undivided.type.claimed:
        return None
    # a float beside integers makes floats of them
    kinds = (int, np.integer) if x.undivided.type.kind is ValueKind.INT else (int, float, np.integer, np.floating)
    if not all(isinstance(bound, kinds) for bound in (low, high)):
        return None
    if not all(np.isfinite(bound) for bound in (low, high)):
        return None
    lo, hi = (Fraction(bound) * (1 << x.node.type.frac_bits) for bound in (low, high))
    if lo.denominator != 1 or hi.denominator != 1 or lo > hi or magnitude(int(lo), int(hi)) >= limit(x.node.type.ring):
        return None
    return x.like(x.node.graph.node("clip", (x.node,), Bounds(int(lo), int(hi))))


def _everywhere(name: str, answer: bool, what: str) -> Callable[[Any], Any]:
    def function(x: Any, /) -> Any:
        return np.full(_secret(x, name).shape, answer)

    return _named(name, function, what)


isfinite = _everywhere("isfinite", True, "True everywhere, in public: secret numbers are always finite.")
isnan = _everywhere("isnan", False, "False everywhere, in public.")
isinf = _everywhere("isinf", False, "False everywhere, in public.")


@array_function
def where(condition: Any, x1: Any, x2: Any, /) -> SecretArray:
    """x1 where the condition holds, else x2; the condition, either value, or all may be secret."""
    if isinstance(condition, SecretArray):
        condition = condition._truth()
    if isinstance(condition, SecretArray):
        return exactly(_where, condition, x1, x2)
    return apply(_where_public, condition, x1, x2)


def _where(condition: Value, a: Value, b: Value) -> Recorded | Quotient:
    assert isinstance(condition, Quotient)
    bit = condition.node
    if not bit.type.is_bool:
        raise TypeError("a condition is bool; compare first, as in where(x > 0, a, b)")
    shape = broadcast_shapes(bit.type.shape, shape_of_operand(a), shape_of_operand(b))
    bit = broadcast_to(bit, shape)
    if _bool(a) and _bool(b):
        return _where_bools(bit, quotients.resolved(a), quotients.resolved(b), shape)
    spread = [
        Quotient(broadcast_to(build.number(x.node), shape), x.divisor)
        if isinstance(x, Quotient)
        else x.astype(np.int64)
        if x.dtype.kind == "b"
        else x
        for x in (a, b)
    ]
    return quotients.select(bit, *spread)


def _where_bools(condition: Recorded, a: Operand, b: Operand, shape: tuple[int, ...]) -> Recorded:
    """b XOR (condition AND (a XOR b))."""
    if not isinstance(a, Recorded) and not isinstance(b, Recorded):
        chosen = logic.logical_and(condition, a ^ b)
        return logic.logical_xor(chosen, np.broadcast_to(b, shape))
    if isinstance(a, Recorded):
        return logic.logical_xor(logic.logical_and(condition, logic.logical_xor(a, b)), b)
    return logic.logical_xor(logic.logical_and(condition, logic.logical_xor(b, a)), b)


def _where_public(condition: Any, a: Operand, b: Operand) -> Recorded:
    """Elements of both, moved into place: no communication."""
    if condition.dtype.kind != "b":
        raise TypeError("a condition is bool")
    like = next(x for x in (a, b) if isinstance(x, Recorded))
    shape = broadcast_shapes(condition.shape, shape_of_operand(a), shape_of_operand(b))
    if _bool(a) and _bool(b):
        parts = [broadcast_to(x, shape) if isinstance(x, Recorded) else shared_bools(like, x, shape) for x in (a, b)]
    else:
        parts = [
            broadcast_to(build.number(x), shape) if isinstance(x, Recorded) else shared(like, x, shape) for x in (a, b)
        ]
    flat = movement.concat([movement.reshape(x, (x.type.size,)) for x in parts], 0)
    size = int(np.prod(shape))
    places = np.arange(size).reshape(shape) + np.where(np.broadcast_to(condition, shape), 0, size)
    return movement.take_flat(flat, places)


def shared(like: Recorded, values: Any, shape: tuple[int, ...]) -> Recorded:
    """Public numbers as a sharing in the session of `like`, of this shape."""
    # not the fewest bits that hold the values: a type does not depend on whether floats happen to be whole
    frac = max(like.type.nominal, DEFAULT_FRAC_BITS) if values.dtype.kind == "f" else 0
    spread = broadcast_to(zeros_of(like), shape)
    return build.shared_integers(spread, integers(values, frac), frac)


def zeros_of(like: Recorded) -> Recorded:
    """One secret zero of no dimensions."""
    if not like.type.size:
        return build.total(like, tuple(range(len(like.type.shape))))
    first = movement.index(movement.reshape(like, (like.type.size,)), 0)
    return build.shared_integers(first, 0)


def shared_bools(like: Recorded, values: Any, shape: tuple[int, ...]) -> Recorded:
    return logic.bool_node(like, np.broadcast_to(values, shape))


def _bool(x: Value | Operand) -> bool:
    x = x.node if isinstance(x, Quotient) else x
    return x.type.is_bool if isinstance(x, Recorded) else x.dtype.kind == "b"


def shape_of_operand(x: Value | Operand) -> tuple[int, ...]:
    x = x.node if isinstance(x, Quotient) else x
    return x.type.shape if isinstance(x, Recorded) else x.shape


def _secret(x: Any, what: str) -> SecretArray:
    if not isinstance(x, SecretArray):
        raise TypeError(f"{what} takes a secret array, not {type(x).__name__}; NumPy does it for public ones")
    return x
