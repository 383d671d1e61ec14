"""Functions of real numbers: each one operation, whose bounds follow from those of its argument.

A result has more fractional bits than are meant (`nominal`), as a product has: the plan rescales it once, where it is
used or revealed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any, TypeVar

import numpy as np

from tercet.plan.table import real
from tercet.plan.table.attributes import Approximation, Height
from tercet.plan.table.operation import (
    Algebra,
    Call,
    Domain,
    Flow,
    Operation,
    Plain,
    Security,
    Variant,
    arity,
    need,
    numeric,
)
from tercet.plan.table.reasons import INVERSE_ROOT_DOMAIN, LOG_DOMAIN
from tercet.plan.types import Type, ValueKind
from tercet.protocols import functions, logistic, sharewise, tails, turns
from tercet.protocols.coefficients import TAILS
from tercet.protocols.cost import Cost
from tercet.protocols.functions import PRECISIONS
from tercet.protocols.scope import Body, Scope
from tercet.ring import ring
from tercet.sharing import Share

SURE_BITS = 5
"""By how many bits the precision of a function is surely worse than the working scale."""

Shape = TypeVar("Shape")

POWERS = ("exp", "exp2", "exp10")
LOGARITHMS = ("log", "log2", "log10")
ROOTS = ("sqrt", "rsqrt", "cbrt")


def power_shape(name: str, x: Type, frac_bits: int) -> functions.Exponential | None:
    """The public numbers of a power of this argument; None if its ring does not take them."""
    return functions.exponential(name, x.lo, x.hi, x.frac_bits, frac_bits, x.ring)


def placed_shape(name: str, x: Type, frac_bits: int) -> functions.Placed | None:
    """The same of a logarithm or root."""
    return functions.placed(name, x.hi, x.frac_bits, frac_bits, x.ring)


def argument_of(inputs: Sequence[Type], attrs: Approximation) -> Type:
    """The argument of a function of one. Raises PlanError if it is none."""
    (x,) = arguments_of(inputs, attrs, 1)
    return x


def arguments_of(inputs: Sequence[Type], attrs: Approximation, count: int) -> Sequence[Type]:
    """The arguments of a function of several, of one shape, ring and scale. Raises PlanError if they are none."""
    arity(inputs, count)
    numeric(*inputs)
    need(all(x.shape == inputs[0].shape for x in inputs), "the arguments differ in shape")
    need(all(x.ring == inputs[0].ring for x in inputs), "the arguments differ in their rings")
    need(all(x.frac_bits == attrs.argument_bits for x in inputs), "the attributes say another scale of the argument")
    return inputs


def fitting(name: str, x: Type, attrs: Approximation, shape: Shape | None) -> Shape:
    """The public numbers of a function whose ring takes them. Raises PlanError if there are none."""
    need(shape is not None, f"{name} of {x} to {attrs.frac_bits} fractional bits does not fit the ring 2^{x.ring}")
    assert shape is not None
    return shape


def _power(name: str) -> Operation[Approximation]:
    def shape(x: Type, attrs: Approximation) -> functions.Exponential:
        return fitting(name, x, attrs, power_shape(name, x, attrs.frac_bits))

    def infer(inputs: Sequence[Type], attrs: Approximation) -> Type:
        x = argument_of(inputs, attrs)
        s = shape(x, attrs)
        lo, hi = (real.power(name, end, x.frac_bits, s.out_bits) for end in (x.lo, x.hi))
        lo, hi = lo - _power_off(s, attrs, lo), hi + _power_off(s, attrs, hi)
        return Type(ValueKind.FIXED, x.shape, x.ring, s.out_bits, attrs.frac_bits, max(0, lo), hi)

    return approximated(
        name,
        {"exp": 96, "exp2": 97, "exp10": 98}[name],
        {"exp": "e^x", "exp2": "2^x", "exp10": "10^x"}[name],
        infer,
        functions.power,
        shape,
        each(lambda value, x, out: real.power(name, value, x, out)),
        "whole part as bits, 2^rest by a polynomial, powers of two as sums of bits; or share-wise (sharewise)",
        _share_wise(shape, sharewise.power, sharewise.power_cost),
        algebra=Algebra.POWER,
    )


def _power_off(s: functions.Exponential, attrs: Approximation, value: int) -> int:
    """By how much a power may be another than this one."""
    sure = min(s.precision.scale - SURE_BITS, attrs.frac_bits + 2)
    off = (value >> sure) + 2
    if s.cuts:
        off += 1 << max(0, s.out_bits - attrs.frac_bits - functions.GUARD + 1)
    if s.shared is not None:  # it is off by a part of the last bit, however small the power is
        off += 1 << s.out_bits - attrs.frac_bits - 2
    return off


def least_of_zero(power: Operation[Any], x: Type, attrs: Approximation) -> int:
    """What b^0 is not below, where the argument has this type."""
    s = fitting(power.name, x, attrs, power_shape(power.name, x, attrs.frac_bits))
    one = 1 << s.out_bits
    return one - _power_off(s, attrs, one)


def _placed(
    name: str, code: int, summary: str, meaning: Callable[[int, int, int], int], function: Any, protocol: str
) -> Operation[Approximation]:
    def shape(x: Type, attrs: Approximation) -> functions.Placed:
        return fitting(name, x, attrs, placed_shape(name, x, attrs.frac_bits))

    def infer(inputs: Sequence[Type], attrs: Approximation) -> Type:
        x = argument_of(inputs, attrs)
        need(x.lo >= 0, "takes numbers that are not negative")
        s = shape(x, attrs)
        out, sure = s.out_bits, s.precision.scale - SURE_BITS
        if name in LOGARITHMS:
            least, most = (meaning(max(1, end), x.frac_bits, out) for end in (x.lo, x.hi))
            off = 1 << out - sure
            return Type(ValueKind.FIXED, x.shape, x.ring, out, attrs.frac_bits, least - off, most + off)
        if name != "rsqrt":
            least, most = (meaning(end, x.frac_bits, out) for end in (x.lo, x.hi))
            below, above = (2 + _last_power(name, place) for place in (_digit(x.lo) + 1, _digit(x.hi)))
        else:
            least, most = (meaning(max(1, end), x.frac_bits, out) for end in (x.hi, x.lo))
            least = 0 if x.lo == 0 else least
            below, above = (s.extra + 2 * (s.digits - place) for place in (_digit(x.hi) - 1, _digit(x.lo)))
        # four units of the power of two that comes last; near the lower end it may be that of the next digit
        least = max(0, least - (least >> sure) - (1 << below)) if least else 0
        return Type(ValueKind.FIXED, x.shape, x.ring, out, attrs.frac_bits, least, most + (most >> sure) + (1 << above))

    algebra = {"sqrt": Algebra.ROOT, "rsqrt": Algebra.INVERSE_ROOT, "log": Algebra.LOGARITHM}.get(name, Algebra.OTHER)
    takes = LOG_DOMAIN.text if name in LOGARITHMS else INVERSE_ROOT_DOMAIN.text if name == "rsqrt" else ""
    domain = (Domain.POSITIVE,) if takes else ()
    plain = each(meaning)
    return approximated(
        *(name, code, summary, infer, function, shape, plain, protocol), algebra=algebra, domain=domain, takes=takes
    )


def logarithm_off(x: Type, attrs: Approximation) -> int:
    """By how many units of its last bit a natural logarithm may be another, as `infer` counts it."""
    found = fitting("log", x, attrs, placed_shape("log", x, attrs.frac_bits))
    return 1 << found.out_bits - found.precision.scale + SURE_BITS


def root_slack(x: Type, attrs: Approximation) -> tuple[int, int]:
    """(k, u): 1 / sqrt of any element is computed as at most (1 + 2^-k) times itself, and u units more."""
    found = fitting("rsqrt", x, attrs, placed_shape("rsqrt", x, attrs.frac_bits))
    # four units of the power of four that comes last, as `infer` counts them, are a relative 2^-(scale - 4)
    return found.precision.scale - SURE_BITS - 1, 1


def _digit(value: int) -> int:
    """The digit of four bits that the leading one is in."""
    return max(0, value.bit_length() - 1) // 4


def _last_power(name: str, digit: int) -> int:
    """The exponent of the power of two that a root is multiplied with last."""
    return digit + digit // 3 if name == "cbrt" else 2 * digit


def each(meaning: Callable[[int, int, int], int]) -> Callable[[Sequence[Plain], Approximation, Type], Plain]:
    def plain(inputs: Sequence[Plain], attrs: Approximation, out: Type) -> Plain:
        x = inputs[0]
        values = [meaning(int(value), attrs.argument_bits, out.frac_bits) for value in x.reshape(-1)]
        return np.array([*values, None], dtype=object)[:-1].reshape(x.shape)

    return plain


def approximated(
    name: str,
    code: int,
    summary: str,
    infer: Callable[[Sequence[Type], Approximation], Type],
    function: Any,
    shape: Callable[[Type, Approximation], Any],
    plain: Callable[[Sequence[Plain], Approximation, Type], Plain],
    protocol: str,
    *more: Variant,
    attributes: type[Approximation] = Approximation,
    algebra: Algebra = Algebra.OTHER,
    domain: tuple[Domain | None, ...] = (),
    takes: str = "",
    error: str = "a quarter of the last bit, relative above 1, before it is rescaled",
) -> Operation[Approximation]:
    """An operation on each element by one generator over `working.Arithmetic`, from the public numbers of `shape`,
    which follow from the type of the last argument."""

    def at_a_party(scope: Scope, call: Call[Approximation], *numbers: Share) -> Body[Share]:
        found = shape(call.inputs[-1], call.attrs)
        x, *others = numbers
        return (yield from functions.elementwise(scope, x, function, found, *others, exact=call.attrs.exact))

    def declared(call: Call[Approximation]) -> Cost:
        x, number = call.inputs[-1], len(call.inputs)
        found, exact = shape(x, call.attrs), call.attrs.exact
        return functions.elementwise_cost(ring(x.ring), x.size, function, found, exact=exact, operands=number)

    return Operation(
        name,
        code,
        summary,
        attributes,
        infer,
        (Variant("provable" if more else "only", at_a_party, declared), *more),
        plain,
        error=error,
        protocol=protocol,
        rows=Flow.EACH,
        algebra=algebra,
        domain=domain,
        takes=takes,
        coins_inside=True,
    )


def _share_wise(
    shape: Callable[[Type, Approximation], Any],
    run: Callable[[Scope, Share, Any], Body[Share]],
    cost: Callable[[int, Any], Cost],
) -> Variant:
    """The variant by one cross term of functions of both halves: not provable, and by coins."""

    def at_a_party(scope: Scope, call: Call[Approximation], x: Share) -> Body[Share]:
        return run(scope, x, shape(call.inputs[0], call.attrs).shared)

    def declared(call: Call[Approximation]) -> Cost:
        return cost(call.out.size, shape(call.inputs[0], call.attrs).shared)

    def fits(call: Call[Approximation]) -> bool:
        return not call.attrs.exact and shape(call.inputs[0], call.attrs).shared is not None

    return Variant("share-wise", at_a_party, declared, frozenset({Security.SEMI_HONEST}), fits)


def _log(name: str) -> Callable[[int, int, int], int]:
    return lambda value, frac_bits, out: real.logarithm(name, max(1, value), frac_bits, out)


_BY_PLACE = "normalised by its leading one, a polynomial; the exponent comes back as sums of bits"

TAIL_LIMITS: dict[str, tuple[int, Fraction]] = {
    "erf": (1, Fraction(1)),
    "tanh": (1, Fraction(1)),
    "softplus": (0, Fraction(6932, 10000)),
    "softplus2": (0, Fraction(1)),
    "silu": (0, Fraction(2785, 10000)),
    "gelu": (0, Fraction(1701, 10000)),
    "gelu_tanh": (0, Fraction(1701, 10000)),
}
"""What each function of `protocols.tails` reaches, and a number that it does not pass."""


def _tail(name: str, code: int, summary: str) -> Operation[Approximation]:
    operation = f"tail_{name}"

    def shape(x: Type, attrs: Approximation) -> tails.Tail:
        found = tails.tail(name, x.hi, x.frac_bits, attrs.frac_bits, x.ring)
        need(found is not None, f"{operation} of {x} to {attrs.frac_bits} fractional bits does not fit here")
        assert found is not None
        return found

    def value(u: int, frac_bits: int, nominal: int, out: int) -> int:
        found = tails.accuracy(nominal)
        assert found is not None
        quarters, coefficients = TAILS[name, found]
        bits = PRECISIONS[tails.tail_ring(nominal)].coefficient_bits
        # t = 2 u / L - 1
        t = min((8 * u << _SERIES_BITS - frac_bits) // quarters, 2 << _SERIES_BITS) - (1 << _SERIES_BITS)
        return real.series(coefficients, bits, t, _SERIES_BITS, out)

    def infer(inputs: Sequence[Type], attrs: Approximation) -> Type:
        x = argument_of(inputs, attrs)
        need(x.lo >= 0, "takes numbers that are not negative")
        need(x.frac_bits <= _SERIES_BITS, "an argument with so many fractional bits")
        s = shape(x, attrs)
        known = tails.accuracy(attrs.frac_bits)
        assert known is not None
        # what is computed is off by coins, and is monotonous up to the error of the polynomial
        off = 1 << s.out_bits - min(s.precision.scale - SURE_BITS, known + SURE_BITS)
        limit, most = TAIL_LIMITS[name]
        ends = sorted(value(end, x.frac_bits, attrs.frac_bits, s.out_bits) for end in (x.lo, x.hi))
        highest = int(most * (1 << s.out_bits))
        lo, hi = ends if limit or name.startswith("softplus") else (0, highest)
        lo, hi = lo - off, hi + off
        # series are made so that truncations do not take them beyond their limit (`vectors/making/function.py`)
        if limit:
            hi = min(hi, highest)
        elif name.startswith("softplus"):
            lo = max(lo, 0)
        return Type(ValueKind.FIXED, x.shape, x.ring, s.out_bits, attrs.frac_bits, lo, hi)

    def plain(inputs: Sequence[Plain], attrs: Approximation, out: Type) -> Plain:
        x = inputs[0]
        values = [value(int(u), attrs.argument_bits, attrs.frac_bits, out.frac_bits) for u in x.reshape(-1)]
        return np.array([*values, None], dtype=object)[:-1].reshape(x.shape)

    return approximated(operation, code, summary, infer, tails.tail_of, shape, plain, "a polynomial (tails)")


def turn_shape(name: str, x: Type, frac_bits: int) -> turns.QuarterTurns | None:
    """The public numbers of sin or cos of this argument; None if its ring does not take them."""
    return turns.turn(name, x.lo, x.hi, x.frac_bits, frac_bits, x.ring)


def _sine(name: str, code: int) -> Operation[Approximation]:
    ahead = 1 if name == "cos" else 0

    def shape(x: Type, attrs: Approximation) -> turns.QuarterTurns:
        return fitting(name, x, attrs, turn_shape(name, x, attrs.frac_bits))

    def infer(inputs: Sequence[Type], attrs: Approximation) -> Type:
        x = argument_of(inputs, attrs)
        s = shape(x, attrs)
        out = s.out_bits
        off = 1 << out - min(s.precision.scale - SURE_BITS, attrs.frac_bits + 2)
        least, most = real.sine_reaches(x.lo, x.hi, x.frac_bits, ahead)
        lo, hi = sorted(real.sine(end, x.frac_bits, ahead, out) for end in (x.lo, x.hi))
        one = 1 << out
        # neither variant passes 1, nor -1 (`vectors/making/function.py`, `sharewise`)
        lo, hi = -one if least else max(lo - off, -one), one if most else min(hi + off, one)
        return Type(ValueKind.FIXED, x.shape, x.ring, out, attrs.frac_bits, lo, hi)

    plain = each(lambda value, x, out: real.sine(value, x, ahead, out))
    protocol = "quarter turns as two bits, two polynomials of the rest (turns); or share-wise (sharewise)"
    share_wise = _share_wise(shape, sharewise.turned, sharewise.turned_cost)
    return approximated(name, code, f"{name}(x)", infer, turns.sine, shape, plain, protocol, share_wise)


def _logistic_shape(x: Type, attrs: Height) -> logistic.Wave:
    found = logistic.wave(x.lo, x.hi, x.frac_bits, x.ring, attrs.out_bits, attrs.height)
    return fitting("logistic", x, attrs, found)


def _logistic_type(inputs: Sequence[Type], attrs: Height) -> Type:
    x = argument_of(inputs, attrs)
    need(not attrs.exact, "it rounds by how an argument is shared, which is not exact")
    off = _logistic_shape(x, attrs).most_off
    return Type(ValueKind.FIXED, x.shape, x.ring, attrs.out_bits, attrs.frac_bits, -off, attrs.height + off)


def _logistic_of(scope: Scope, call: Call[Height], x: Share) -> Body[Share]:
    return logistic.logistic(scope, x, _logistic_shape(call.inputs[0], call.attrs))


def _logistic_cost(call: Call[Height]) -> Cost:
    return logistic.logistic_cost(call.out.size, _logistic_shape(call.inputs[0], call.attrs))


def _logistic_plain(inputs: Sequence[Plain], attrs: Height, out: Type) -> Plain:
    return each(lambda value, x, _: real.logistic(value, x, attrs.height))(inputs, attrs, out)


LOGISTIC = Operation(
    "logistic",
    193,
    "height / (1 + e^-x)",
    Height,
    _logistic_type,
    (Variant("share-wise", _logistic_of, _logistic_cost, frozenset({Security.SEMI_HONEST})),),
    _logistic_plain,
    error="half of 2^-16 with 42 fractional bits, four times 2^-16 with 35, seldom a quarter of that",
    protocol="a sum of sines, and two rough comparisons (logistic)",
    rows=Flow.EACH,
    coins_inside=True,
)
SINES = ("sin", "cos")
_SERIES_BITS = 124
TAIL_OPERATIONS = tuple(f"tail_{name}" for name in TAIL_LIMITS)

FUNCTIONS: tuple[Operation[Any], ...] = (
    *(_power(name) for name in POWERS),
    *(
        _placed(name, code, f"the logarithm to the base {base}", _log(name), functions.logarithm, _BY_PLACE)
        for name, code, base in (("log", 99, "e"), ("log2", 100, "2"), ("log10", 101, "10"))
    ),
    _placed("sqrt", 102, "the square root", real.root, functions.root, _BY_PLACE),
    _placed("cbrt", 140, "the cube root", real.cube_root, functions.cube_root, _BY_PLACE),
    _placed("rsqrt", 103, "1 / sqrt(x), and 0 of 0", real.inverse_root, functions.root, _BY_PLACE),
    _sine("sin", 110),
    _sine("cos", 111),
    LOGISTIC,
    _tail("erf", 104, "erf of u in [0, L]; 1 beyond L"),
    _tail("tanh", 105, "tanh of u in [0, L]; 1 beyond L"),
    _tail("softplus", 106, "log(1 + e^-u) of u in [0, L]; 0 beyond L"),
    _tail("softplus2", 144, "the logarithm to the base 2 of 1 + 2^-u, of u in [0, L]; 0 beyond L"),
    _tail("silu", 107, "u / (1 + e^u) of u in [0, L]; 0 beyond L"),
    _tail("gelu", 108, "u times the normal distribution's tail above u, of u in [0, L]; 0 beyond L"),
    _tail("gelu_tanh", 109, "the same with tanh in place of erf, of u in [0, L]; 0 beyond L"),
)
