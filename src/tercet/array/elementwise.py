"""The standard's elementwise functions; one operand at least is secret, others may be public."""

from __future__ import annotations

from typing import Any

import numpy as np

from tercet.array import numbers, operators, secret
from tercet.array.secret import SecretArray, apply
from tercet.plan import build, logic
from tercet.plan.build import Operand, broadcast_to
from tercet.plan.graph import Node
from tercet.plan.scale import settle


def add(x1: Any, x2: Any, /) -> SecretArray:
    """x1 + x2; bools count as 0 and 1."""
    return apply(operators.add, x1, x2)


def subtract(x1: Any, x2: Any, /) -> SecretArray:
    """x1 - x2."""
    return apply(operators.subtract, x1, x2)


def multiply(x1: Any, x2: Any, /) -> SecretArray:
    """x1 * x2; exact for integers, else within one last bit once it is rescaled."""
    return apply(build.multiply, x1, x2)


def divide(x1: Any, x2: Any, /) -> SecretArray:
    """x1 / x2. By a public number: exact when revealed. By a secret: within two last bits, or a relative 2^-26."""
    return secret.quotient(x1, x2)


def floor_divide(x1: Any, x2: Any, /) -> SecretArray:
    """floor(x1 / x2) for one public number x2, as an exact integer."""
    return secret.floor_quotient(x1, x2)


def remainder(x1: Any, x2: Any, /) -> SecretArray:
    """x1 - floor(x1 / x2) * x2 for one public number x2."""
    return secret.floor_quotient(x1, x2, rest=True)


def pow(x1: Any, x2: Any, /) -> SecretArray:
    """x1 to the power of a small public integer that is not negative."""
    if not isinstance(x1, SecretArray):
        raise TypeError("exponents are public, small integers that are not negative")
    return x1.__pow__(x2)


def square(x: Any, /) -> SecretArray:
    """x * x."""
    return apply(lambda a: build.multiply(a, a), _secret(x, "square"))


def negative(x: Any, /) -> SecretArray:
    """-x."""
    return -_secret(x, "negative")


def positive(x: Any, /) -> SecretArray:
    """x."""
    return +_secret(x, "positive")


def abs(x: Any, /) -> SecretArray:
    """|x|."""
    return _secret(x, "abs").__abs__()


def reciprocal(x: Any, /) -> SecretArray:
    """1 / x, as divide."""
    return secret.quotient(1, _secret(x, "reciprocal"))


def signbit(x: Any, /) -> SecretArray:
    """x < 0."""
    return apply(lambda a: logic.less(a, np.asarray(0)), _secret(x, "signbit"))


def sign(x: Any, /) -> SecretArray:
    """-1, 0 or 1."""
    return apply(logic.sign, _secret(x, "sign"))


def floor(x: Any, /) -> SecretArray:
    """The greatest integer not above x, as a secret integer; exact."""
    return apply(numbers.floor, _secret(x, "floor"))


def ceil(x: Any, /) -> SecretArray:
    """The least integer not below x, as a secret integer; exact."""
    return apply(numbers.ceil, _secret(x, "ceil"))


def trunc(x: Any, /) -> SecretArray:
    """x rounded towards zero, as a secret integer; exact."""
    return apply(numbers.trunc, _secret(x, "trunc"))


def round(x: Any, /) -> SecretArray:
    """The nearest integer, halves to the even one, as a secret integer; exact."""
    return apply(numbers.rounded, _secret(x, "round"))


def minimum(x1: Any, x2: Any, /) -> SecretArray:
    """The smaller of two."""
    return apply(lambda a, b: _extreme(a, b, smallest=True), x1, x2)


def maximum(x1: Any, x2: Any, /) -> SecretArray:
    """The larger of two."""
    return apply(lambda a, b: _extreme(a, b, smallest=False), x1, x2)


def _extreme(a: Operand, b: Operand, *, smallest: bool) -> Node:
    a, b = _settled(a), _settled(b)
    return logic.minimum(a, b) if smallest else logic.maximum(a, b)


def _settled(x: Operand) -> Operand:
    if isinstance(x, Node):
        return settle(build.number(x))
    return x.astype(np.int64) if x.dtype.kind == "b" else x


def clip(x: Any, /, min: Any = None, max: Any = None) -> SecretArray:
    """x, or the bound it passes; None leaves that side open."""
    result = x if min is None else maximum(x, min)
    result = result if max is None else minimum(result, max)
    return _secret(result, "clip")


def less(x1: Any, x2: Any, /) -> SecretArray:
    """x1 < x2; exact."""
    return apply(logic.less, x1, x2)


def less_equal(x1: Any, x2: Any, /) -> SecretArray:
    """x1 <= x2; exact."""
    return apply(logic.less_equal, x1, x2)


def greater(x1: Any, x2: Any, /) -> SecretArray:
    """x1 > x2; exact."""
    return apply(operators.greater, x1, x2)


def greater_equal(x1: Any, x2: Any, /) -> SecretArray:
    """x1 >= x2; exact."""
    return apply(operators.greater_equal, x1, x2)


def equal(x1: Any, x2: Any, /) -> SecretArray:
    """x1 == x2; exact."""
    return apply(logic.equal, x1, x2)


def not_equal(x1: Any, x2: Any, /) -> SecretArray:
    """x1 != x2; exact."""
    return apply(operators.not_equal, x1, x2)


def logical_and(x1: Any, x2: Any, /) -> SecretArray:
    """x1 AND x2, of bools."""
    return apply(operators.logical_and, x1, x2)


def logical_or(x1: Any, x2: Any, /) -> SecretArray:
    """x1 OR x2, of bools."""
    return apply(operators.logical_or, x1, x2)


def logical_xor(x1: Any, x2: Any, /) -> SecretArray:
    """x1 XOR x2, of bools; no communication."""
    return apply(operators.logical_xor, x1, x2)


def logical_not(x: Any, /) -> SecretArray:
    """NOT x, of bools; no communication."""
    return ~_secret(x, "logical_not")


bitwise_and = logical_and
bitwise_or = logical_or
bitwise_xor = logical_xor
bitwise_invert = logical_not


def isfinite(x: Any, /) -> Any:
    """True everywhere, in public: secret numbers are always finite."""
    return np.ones(_secret(x, "isfinite").shape, dtype=np.bool_)


def isnan(x: Any, /) -> Any:
    """False everywhere, in public."""
    return np.zeros(_secret(x, "isnan").shape, dtype=np.bool_)


def isinf(x: Any, /) -> Any:
    """False everywhere, in public."""
    return np.zeros(_secret(x, "isinf").shape, dtype=np.bool_)


def where(condition: Any, x1: Any, x2: Any, /) -> SecretArray:
    """x1 where the condition holds, else x2; the condition, either value, or all may be secret."""
    for value in (x1, x2):
        if isinstance(value, SecretArray) and (chosen := value._chosen(condition, x1, x2)) is not None:
            return chosen
    return apply(_where, condition, x1, x2)


def _where(condition: Operand, a: Operand, b: Operand) -> Node:
    if isinstance(condition, Node):
        if not condition.type.is_bool:
            raise TypeError("a condition is bool; compare first, as in where(x > 0, a, b)")
        shape = np.broadcast_shapes(condition.type.shape, _shape(a), _shape(b))
        condition = broadcast_to(condition, shape)
        if _bool(a) and _bool(b):
            return _where_bools(condition, a, b, shape)
        a, b = (x if isinstance(x, Node) or x.dtype.kind != "b" else x.astype(np.int64) for x in (a, b))
        return logic.select(condition, *(broadcast_to(x, shape) if isinstance(x, Node) else x for x in (a, b)))
    if condition.dtype.kind != "b":
        raise TypeError("a condition is bool")
    return _where_public(condition, a, b)


def _where_bools(condition: Node, a: Operand, b: Operand, shape: tuple[int, ...]) -> Node:
    """b XOR (condition AND (a XOR b))."""
    if not isinstance(a, Node) and not isinstance(b, Node):
        chosen = logic.logical_and(condition, a ^ b)
        return logic.logical_xor(chosen, np.broadcast_to(b, shape))
    if isinstance(a, Node):
        return logic.logical_xor(logic.logical_and(condition, logic.logical_xor(a, b)), b)
    return logic.logical_xor(logic.logical_and(condition, logic.logical_xor(b, a)), b)


def _where_public(condition: Any, a: Operand, b: Operand) -> Node:
    """Elements of both, moved into place: no communication."""
    from tercet.array import movement

    like = next(x for x in (a, b) if isinstance(x, Node))
    shape = np.broadcast_shapes(condition.shape, _shape(a), _shape(b))
    if _bool(a) and _bool(b):
        parts = [broadcast_to(x, shape) if isinstance(x, Node) else _shared_bools(like, x, shape) for x in (a, b)]
    else:
        parts = [
            broadcast_to(build.number(x), shape) if isinstance(x, Node) else shared(like, x, shape) for x in (a, b)
        ]
    flat = movement.concat([movement.reshape(x, (x.type.size,)) for x in parts], 0)
    size = int(np.prod(shape))
    places = np.arange(size).reshape(shape) + np.where(np.broadcast_to(condition, shape), 0, size)
    return movement.take_flat(flat, places)


def shared(like: Node, values: Any, shape: tuple[int, ...]) -> Node:
    """Public numbers as a sharing in the session of `like`, of this shape."""
    from tercet.plan.public import DEFAULT_FRAC_BITS, integers

    # not the fewest bits that hold the values: a type does not depend on whether floats happen to be whole
    frac = max(like.type.nominal, DEFAULT_FRAC_BITS) if values.dtype.kind == "f" else 0
    stored = np.asarray(integers(values, frac), dtype=object)
    spread = broadcast_to(zeros_of(like), shape)
    return build.shared_integers(spread, stored, frac)


def zeros_of(like: Node) -> Node:
    """One secret zero of no dimensions."""
    from tercet.array import movement

    if not like.type.size:
        return build.total(like, tuple(range(len(like.type.shape))))
    first = movement.index(movement.reshape(like, (like.type.size,)), 0)
    return build.shared_integers(first, 0)


def _shared_bools(like: Node, values: Any, shape: tuple[int, ...]) -> Node:
    return logic.bool_node(like, np.broadcast_to(values, shape))


def _bool(x: Operand) -> bool:
    return x.type.is_bool if isinstance(x, Node) else x.dtype.kind == "b"


def _shape(x: Operand) -> tuple[int, ...]:
    return x.type.shape if isinstance(x, Node) else x.shape


def _secret(x: Any, what: str) -> SecretArray:
    if not isinstance(x, SecretArray):
        raise TypeError(f"{what} takes a secret array, not {type(x).__name__}; NumPy does it for public ones")
    return x
