"""A loop with a public count as one operation of the plan."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

from tercet.array import given
from tercet.array.core import SecretArray, secret_array, session_of
from tercet.errors import PlanError
from tercet.plan.plan import within
from tercet.plan.record import build
from tercet.plan.record.compile import ordered
from tercet.plan.record.graph import LoopBody, Recorded
from tercet.plan.record.scale import at_scale, bounded, in_ring, renamed, settle
from tercet.plan.table.operations import MAX_COUNT
from tercet.plan.table.reasons import LOOP
from tercet.plan.types import Type, ValueKind, smallest_ring

Bounds = tuple[float, float] | None


def loop(count: int, body: Callable[..., Any], *init: SecretArray, bounds: Sequence[Bounds] | Bounds = None) -> Any:
    """Apply `body` to the carried arrays `count` times; it runs once here, to record what one pass does.

    `body` takes as many secret arrays as `init` and returns as many, of the same shapes and kinds; it may use other
    secret arrays from outside. Between passes a value has the scale of its `init` and fixed bounds: those of `init`, or
    those declared in `bounds` (one pair for each array, or None). What the body gives must lie within them: proven by
    the types, or declared, which `explain()` then shows and a checked run verifies.

    Returns one array, or a tuple if there are several. PlanError if a value grows in the body and no bounds are
    declared for it.
    """
    count, body = given.integer(count, "the count of a loop"), given.function(body, "the body of a loop")
    if not 0 <= count <= MAX_COUNT:
        raise ValueError(f"a loop runs 0 to {MAX_COUNT} times, not {count}")
    session = session_of(*init)
    for value in init:
        if not isinstance(value, SecretArray):
            raise TypeError(f"a loop carries secret arrays, not {type(value).__name__}; see zeros_like and full_like")
    declared = _pairs(bounds, len(init))
    start = [settle(value.node) for value in init]
    types = [_carried(value.type, pair, place) for place, (value, pair) in enumerate(zip(start, declared, strict=True))]
    graph = session.graph
    carried = tuple(graph.placeholder(type) for type in types)
    found = body(*(secret_array(session, value) for value in carried))
    results = [found] if isinstance(found, SecretArray) else given.several(found, "a loop", "arrays from its body")
    if len(results) != len(init):
        raise ValueError(f"the body takes {len(init)} arrays and returns {len(results)}")
    session_of(*init, *results)
    for value in results:
        if not isinstance(value, SecretArray):
            raise TypeError(f"the body of a loop returns secret arrays, not {type(value).__name__}")
    following = tuple(
        _returned(value.node, type, pair is not None, place)
        for place, (value, type, pair) in enumerate(zip(results, types, declared, strict=True))
    )
    initial = tuple(in_ring(value, type.ring) if type.ring else value for value, type in zip(start, types, strict=True))
    captured = _captured(following, carried)
    ended = graph.loop(count, (*initial, *captured), LoopBody(carried, captured, following))
    arrays = tuple(secret_array(session, value) for value in ended)
    return arrays[0] if len(arrays) == 1 else arrays


def _pairs(bounds: Any, count: int) -> list[Bounds]:
    if bounds is None:
        return [None] * count
    bounds = given.several(bounds, "bounds of a loop", "a lower and an upper bound, or of such pairs")
    single = len(bounds) == 2 and not any(isinstance(one, tuple | list) or one is None for one in bounds)
    pairs: list[Bounds] = [None if one is None else _pair(one) for one in ([bounds] if single else bounds)]
    if len(pairs) != count:
        raise ValueError(f"{len(pairs)} pairs of bounds for {count} carried arrays")
    return pairs


def _pair(value: Any) -> tuple[float, float]:
    ends = given.several(value, "bounds of a carried array", "a lower and an upper bound")
    if len(ends) != 2:
        raise ValueError(f"bounds of a carried array are a lower and an upper bound, not {len(ends)} numbers")
    return given.real(ends[0], "a bound"), given.real(ends[1], "a bound")


def _carried(type: Type, pair: Bounds, place: int) -> Type:
    """The type that a value has at the start of every pass."""
    if type.is_bool or pair is None:
        return type
    lo, hi = (Fraction(bound) * (1 << type.frac_bits) for bound in pair)
    low, high = math.floor(lo), math.ceil(hi)
    if low > type.lo or high < type.hi:
        raise PlanError(
            f"carried array {place} starts as {type}, beyond the declared bounds {pair}",
            hint="declare wider bounds for the loop, or narrow the initial value with tc.assume",
        )
    ring = smallest_ring(low, high)
    if ring is None:
        raise PlanError(f"the bounds {pair} declared for carried array {place} do not fit the largest ring")
    return Type(type.kind, type.shape, ring, type.frac_bits, type.nominal, low, high)


def _returned(x: Recorded, wanted: Type, declared: bool, place: int) -> Recorded:
    """What the body gives, at the carried scale, in the carried ring and bounds. PlanError if it does not fit."""
    what = f"carried array {place}"
    if x.type.shape != wanted.shape:
        raise PlanError(f"{what} has shape {wanted.shape}, and the body gives {x.type.shape}")
    if x.type.is_bool or wanted.is_bool:
        if wanted.is_bool and not x.type.is_bool:
            raise PlanError(f"{what} is bool, and the body gives {x.type}", hint="compare, or carry a number")
        if wanted.is_bool:
            return x
    x = build.number(x)
    if wanted.kind is ValueKind.INT and x.type.kind is not ValueKind.INT:
        raise PlanError(
            f"{what} is a secret integer, and the body gives {x.type}",
            hint="start with a fixed-point array, as in init.astype(tc.float64)",
        )
    if x.type.frac_bits > wanted.frac_bits and x.type.nominal > wanted.frac_bits:
        x = renamed(x, x.type.frac_bits, wanted.frac_bits)
    if x.type.frac_bits != wanted.frac_bits:
        x = at_scale(x, wanted.frac_bits)
    if (x.type.kind, x.type.nominal) != (wanted.kind, wanted.nominal):
        x = renamed(x, wanted.frac_bits, wanted.nominal)
    if x.type.lo < wanted.lo or x.type.hi > wanted.hi:
        if not declared:
            raise PlanError(
                f"{what} starts a pass as {wanted} and ends it as {x.type}: its bounds grow",
                hint="declare what it stays within, bounds=(lo, hi), or narrow what the body gives with tc.assume",
            )
        x = bounded(x, wanted.lo, wanted.hi, LOOP)
    x = in_ring(x, wanted.ring)
    assert within(x.type, wanted), (x.type, wanted)
    return x


def _captured(results: Sequence[Recorded], carried: Sequence[Recorded]) -> tuple[Recorded, ...]:
    """The outer values that a body reads: what it needs and what does not depend on the carried values."""
    leaves = {value.serial for value in carried}
    inside: set[int] = set(leaves)
    order = ordered(list(results), carried)
    for node in order:
        if any(value.serial in inside for value in node.inputs):
            inside.add(node.serial)
    found: dict[int, Recorded] = {}
    for node in order:
        for value in node.inputs if node.serial in inside and node.serial not in leaves else ():
            if value.serial not in inside and not value.is_constant:
                found[value.serial] = value
    for node in results:
        if node.serial not in inside:
            found[node.serial] = node
    return tuple(found.values())
