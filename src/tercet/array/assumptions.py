"""Checked runs: assumed bounds are compared beside the result, and one bit for each assumption is revealed.

A loop is recorded anew with one more carried value, whether every assumption of its body has held so far.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tercet.array import movement
from tercet.errors import InputError, PlanError
from tercet.plan.record import build, logic, scale
from tercet.plan.record.compile import Wanted, ordered
from tercet.plan.record.graph import LoopBody, Recorded
from tercet.plan.table.attributes import LoopCount, Scale, StatedBounds
from tercet.plan.table.reasons import ASSUMED, LOOP
from tercet.plan.types import bool_type
from tercet.ring import RING128

_PRODUCT_BITS = RING128.bits - 4
_EXACT_BITS = 30
_ON_TRUST = (ASSUMED.number, LOOP.number)
"""Reasons that the analyst states, and that nothing proves."""


@dataclass(frozen=True)
class Check:
    """A secret bool that says whether an assumption holds for every element."""

    node: Recorded
    what: str


def with_checks(wanted: Sequence[Wanted], checked: bool) -> tuple[list[Wanted], list[Check]]:
    """The wanted values, and the checks of every assumption that they rest on."""
    if not checked:
        return list(wanted), []
    replaced, checks = _checked([want.node for want in wanted], ())
    return [replace(want, node=replaced.get(want.node.serial, want.node)) for want in wanted], checks


def _checked(roots: Sequence[Recorded], leaves: Sequence[Recorded]) -> tuple[Mapping[int, Recorded], list[Check]]:
    """Nodes recorded anew where a loop below them is, and the checks of this floor of the nesting."""
    replaced: dict[int, Recorded] = {}
    loops: dict[int, tuple[Recorded, ...]] = {}
    checks: list[Check] = []
    fixed = {leaf.serial for leaf in leaves}
    for node in ordered(roots, leaves):
        if node.serial in fixed:
            continue
        inputs = tuple(replaced.get(value.serial, value) for value in node.inputs)
        if node.body is not None:
            found = _checked_loop(node, inputs, checks)
            if found is None and any(new is not old for new, old in zip(inputs, node.inputs, strict=True)):
                found = node.graph.loop(node.attrs.of(LoopCount).count, inputs, node.body)
            if found is not None:
                loops[node.serial] = found
                replaced[node.serial] = found[0]
            continue
        if node.place:
            loop = loops.get(node.inputs[0].serial)
            if loop is not None:
                replaced[node.serial] = loop[node.place]
            continue
        here = node
        if any(new is not old for new, old in zip(inputs, node.inputs, strict=True)):
            here = node.graph.node(node.operation.name, inputs, node.attrs)
            replaced[node.serial] = here
        stated = node.attrs
        if isinstance(stated, StatedBounds) and stated.reason in _ON_TRUST and node.type.size:
            within = _stated_within(here.inputs, stated.lo, stated.hi)
            if within is not None:
                checks.append(Check(within, f"that {node.type}"))
    return replaced, checks


def _checked_loop(node: Recorded, inputs: tuple[Recorded, ...], checks: list[Check]) -> tuple[Recorded, ...] | None:
    """The loop with a carried bool beside it; None if its body assumes nothing."""
    body = node.body
    assert body is not None
    count, carried = node.attrs.of(LoopCount).count, len(body.carried)
    replaced, inner = _checked(body.results, (*body.carried, *body.captured))
    if not inner:
        return None
    graph = node.graph
    so_far = graph.placeholder(bool_type(()))
    holds = so_far
    for check in inner:
        holds = logic.logical_and(holds, check.node)
    results = (*(replaced.get(value.serial, value) for value in body.results), holds)
    # a public true as a sharing: minus one is negative
    like = next((value for value in inputs if not value.type.is_bool), None) or build.number(inputs[0])
    true = logic.negative(build.shared_integers(movement.index(movement.reshape(like, (like.type.size,)), 0), -1))
    after = LoopBody((*body.carried, so_far), body.captured, results)
    ended = graph.loop(count, (*inputs[:carried], true, *inputs[carried:]), after)
    what = " and ".join(dict.fromkeys(check.what for check in inner))
    checks.append(Check(ended[carried], f"{what}, in one of {count} passes of a loop"))
    return ended


def _stated_within(inputs: Sequence[Recorded], lo: int, hi: int) -> Recorded | None:
    """Whether a value, or the product of two, lies within bounds; None if it does by the types of the factors."""
    return _within(inputs[0], lo, hi) if len(inputs) == 1 else _product_within(inputs[0], inputs[1], lo, hi)


def _within(x: Recorded, lo: int, hi: int) -> Recorded:
    """Whether lo <= x <= hi for every stored integer."""
    stored = x.graph.node("rename", (x,), Scale(0, 0))
    parts = []
    if lo > x.type.lo:
        parts.append(logic.logical_not(logic.less(stored, np.asarray(lo, dtype=object))))
    if hi < x.type.hi:
        parts.append(logic.logical_not(logic.less(np.asarray(hi, dtype=object), stored)))
    both = parts[0] if len(parts) == 1 else logic.logical_and(*parts)
    return logic.reduce_and(both, tuple(range(len(x.type.shape)))) if x.type.shape else both


def _product_within(a: Recorded, b: Recorded, lo: int, hi: int) -> Recorded | None:
    """Whether lo <= a b <= hi for every pair of stored integers, even where a b modulo the ring would not tell.

    None if the bounds of the factors say so already.

    Factors whose product may not fit lose low bits first. What that may hide is taken off the bounds, so that a product
    outside is always found; one that lies inside within that little (a relative 2^-30 or less) of a bound fails too.
    """
    bits = [x.type.magnitude.bit_length() for x in (a, b)]
    excess = max(0, sum(bits) - _PRODUCT_BITS)
    first = min(excess, max(0, bits[0] - _PRODUCT_BITS // 2))
    dropped = (first, excess - first)
    # (x +- 1) 2^s (y +- 1) 2^t
    hidden = ((1 << bits[0] + dropped[1]) + (1 << bits[1] + dropped[0]) + (1 << excess)) if excess else 0
    if hidden > max(-lo, hi) >> _EXACT_BITS:
        raise PlanError(
            f"an assumption cannot be verified: its factors may have {bits[0]} and {bits[1]} bits",
            hint="declare narrower bounds for the inputs, or run unchecked",
        )
    factors = []
    for x, shift in zip((a, b), dropped, strict=True):
        wide = scale.renamed(scale.in_ring(x, RING128.bits), shift, 0)
        factors.append(scale.rescaled(wide, shift) if shift else wide)
    product = a.graph.node("multiply", tuple(factors))
    least, most = -((-lo - hidden) >> excess), (hi - hidden) >> excess
    if least <= product.type.lo and product.type.hi <= most:
        return None
    return _within(product, least, most)


def raise_failed(checks: Sequence[Check], results: Sequence[Any]) -> None:
    """InputError naming the assumption that does not hold, if there is one."""
    for check, holds in zip(checks, results, strict=True):
        if not bool(np.all(holds)):
            raise InputError(
                f"an assumption does not hold: {check.what}", hint="assume wider bounds, or declare them at the input"
            )
