"""Domains of recorded operations: which may get something outside theirs, and the comparison that tells where.

An operation has a domain by its entry (`Operation.domain`), and so has a number that was drawn in to one before an
operation takes it (`Reason.domain`). Where bounds prove that a value is inside, nothing is to be compared.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tercet.plan.bounds.prove import flipped, selection
from tercet.plan.bounds.terms import Term
from tercet.plan.record import logic
from tercet.plan.record.build import number
from tercet.plan.record.compile import ordered
from tercet.plan.record.functions import sine
from tercet.plan.record.graph import Recorded
from tercet.plan.table.attributes import Approximation, StatedBounds
from tercet.plan.table.operation import Algebra, Domain
from tercet.plan.table.reasons import BUILT_IN

STEPS = 8
"""How far back it is looked for what a value was made of."""


def open_domains(values: Sequence[Recorded]) -> dict[str, set[int]]:
    """The operations that may get something outside their domain, by what they take; of loops, the loop."""
    found: dict[str, set[int]] = {}
    for node in ordered(values):
        for text in takes(node):
            found.setdefault(text, set()).add(node.serial)
    return found


def takes(node: Recorded) -> list[str]:
    """What an operation takes, if its bounds do not keep it to that."""
    if node.body is not None:
        repeated = ordered(node.body.results, node.body.leaves)[len(node.body.leaves) :]
        return list(dict.fromkeys(text for one in repeated for text in takes(one)))
    if drawn_in(node):
        return [BUILT_IN.text(node.attrs.of(StatedBounds).reason)]
    some = any(is_open(node, place) for place in range(len(node.operation.domain)))
    return [node.operation.takes] if some else []


def drawn_in(node: Recorded) -> bool:
    """Whether a number was drawn in to a domain here."""
    if node.operation.algebra is not Algebra.NARROW:
        return False
    reason = BUILT_IN.named(node.attrs.of(StatedBounds).reason)
    return reason is not None and reason.domain


def is_open(node: Recorded, place: int) -> bool:
    """Whether the bounds of an input, or of the result, do not prove that it is in the domain."""
    t = node.inputs[place].type
    match node.operation.domain[place]:
        case Domain.POSITIVE:
            return t.lo < 1
        case Domain.NOT_ZERO:
            return t.lo <= 0 <= t.hi
        case Domain.OFF_POLES:
            return node.type.magnitude > 1 << node.type.frac_bits + node.type.nominal // 2
    return False


def is_inside(node: Recorded, place: int) -> Recorded:
    """Whether an input is in the domain. It is compared as it was before it was drawn in, so that whoever writes
    x > 0 or y != 0 gets the same comparison."""
    x = node.inputs[place]
    match node.operation.domain[place]:
        case Domain.NOT_ZERO:
            return logic.logical_not(logic.stored_equal(bare(x, signs=True), np.asarray(0), np.asarray(0)))
        case Domain.OFF_POLES:
            # |tan x| <= 2^(f / 2), but for a relative 2^-(f / 2) of that, where |cos x| >= 2^-(f / 2)
            nominal = node.attrs.of(Approximation).frac_bits
            cosine = logic.absolute(sine(x, "cos"))
            return logic.logical_not(logic.stored_below(cosine, np.asarray(1 << cosine.type.frac_bits - nominal // 2)))
        case _:
            return logic.logical_not(logic.stored_below(bare(x), np.asarray(1)))


def bare(x: Recorded, *, signs: bool = False) -> Recorded:
    """The value that has the same stored integer, or with `signs` the same one but for its sign, as far as it is above
    0: a few steps back."""
    for _ in range(STEPS):
        before: Term | None = None
        algebra = x.operation.algebra
        if drawn_in(x):
            chosen = selection(x)
            before = chosen.chosen if chosen is not None and x.attrs.of(StatedBounds).lo <= 1 and not signs else None
            if before is None:
                break
        elif signs and (turned := _turned(x)) is not None:
            before = turned
        elif x.operation.keeps_integer or algebra is Algebra.READ:
            before = x.inputs[0]
        if not isinstance(before, Recorded):
            break
        x = before
    return number(x)


def _turned(x: Recorded) -> Term | None:
    """The value of which this is the size, or one with the other sign."""
    if x.operation.algebra is Algebra.NEGATE:
        return x.inputs[0]
    found = flipped(x)
    if found is not None:
        return found[1]
    chosen = selection(x)
    return chosen.other if chosen is not None and chosen.is_size else None
