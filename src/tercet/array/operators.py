"""Operators on recorded values and public arrays."""

from __future__ import annotations

from tercet.plan import build, logic
from tercet.plan.build import Operand
from tercet.plan.graph import Node


def shape_of_operand(x: Operand) -> tuple[int, ...]:
    return x.type.shape if isinstance(x, Node) else x.shape


def add(a: Operand, b: Operand) -> Node:
    return build.linear("add", a, b)


def subtract(a: Operand, b: Operand) -> Node:
    return build.linear("subtract", a, b)


def greater(a: Operand, b: Operand) -> Node:
    return logic.less(b, a)


def greater_equal(a: Operand, b: Operand) -> Node:
    return logic.less_equal(b, a)


def not_equal(a: Operand, b: Operand) -> Node:
    return logic.logical_not(logic.equal(a, b))


def _bools(*values: Operand) -> None:
    for value in values:
        if not (value.type.is_bool if isinstance(value, Node) else value.dtype.kind == "b"):
            raise TypeError("& | ^ ~ and the logical functions take bools; compare first, as in (x > 0) & (y < 1)")


def logical_and(a: Operand, b: Operand) -> Node:
    _bools(a, b)
    return logic.logical_and(a, b)


def logical_or(a: Operand, b: Operand) -> Node:
    _bools(a, b)
    return logic.logical_or(a, b)


def logical_xor(a: Operand, b: Operand) -> Node:
    _bools(a, b)
    return logic.logical_xor(a, b)


def logical_not(x: Operand) -> Node:
    _bools(x)
    assert isinstance(x, Node)
    return logic.logical_not(x)
