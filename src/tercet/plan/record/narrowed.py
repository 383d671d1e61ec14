"""Bounds of a plan that are claims, listed by the reason that the plan states for them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tercet.plan.bounds.prove import is_proven
from tercet.plan.bounds.terms import PlanTerm
from tercet.plan.plan import Plan, PlanOperation, result_of
from tercet.plan.table.attributes import Bounds
from tercet.plan.table.operation import Bounding
from tercet.plan.table.reasons import ASSUMED, BUILT_IN, Reasons

_FIRST = 3


@dataclass(frozen=True)
class Narrowed:
    """Values whose bounds rest on one reason that nothing proves; `assumed` if the analyst vouches for them."""

    reason: str
    assumed: bool
    types: tuple[str, ...]
    """Each once, in the order of the plan."""

    def __str__(self) -> str:
        shown = "; ".join(self.types[:_FIRST])
        return f"{shown}; and {len(self.types) - _FIRST} more" if len(self.types) > _FIRST else shown


def narrowed(plan: Plan, reasons: Reasons = BUILT_IN) -> list[Narrowed]:
    """The values of a plan, and of its loops, whose bounds are claims, by reason.

    Called by `explain` and by each node's policy. Bounds that `plan.bounds.prove` finds proven are not among them, and
    neither are those that a `clip` enforces at once.
    """
    types: dict[tuple[str, bool], dict[str, None]] = {}
    for op in _stated(plan):
        types.setdefault((reasons.text(op.attrs.reason), op.attrs.reason == ASSUMED.number), {})[str(op.type)] = None
    return [Narrowed(reason, assumed, tuple(found)) for (reason, assumed), found in types.items()]


def _states(op: PlanOperation, bounds: Bounds) -> bool:
    return op.operation.bounds is Bounding.STATED and (op.attrs.lo, op.attrs.hi) == (bounds.lo, bounds.hi)


def _stated(plan: Plan) -> Iterator[PlanOperation]:
    if not any(op.operation.bounds is Bounding.STATED or op.body is not None for op in plan.operations):
        return
    terms: dict[int, PlanTerm] = {}
    trusted = {output.value for output in plan.outputs}
    """Values that something else than a clip to the same bounds uses."""
    for index, op in enumerate(plan.operations):
        inputs = tuple([terms[value] for value in op.inputs])
        for place, t in enumerate(op.types):
            terms[result_of(index, place)] = PlanTerm(op.operation, inputs, op.attrs, t, op.data)
        for value in op.inputs:
            if op.operation.bounds is not Bounding.ENFORCED or not _states(plan.maker(value), op.attrs):
                trusted.add(value)
    for index, op in enumerate(plan.operations):
        if op.body is not None:
            yield from _stated(op.body)
        elif (
            op.operation.bounds is Bounding.STATED
            and index in trusted
            and not is_proven(op.operation, terms[index].inputs, op.attrs)
        ):
            yield op
