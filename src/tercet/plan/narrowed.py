"""Bounds that types do not prove: taken on somebody's word, told together where the reason is the same."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tercet.plan.ops_local import ASSUMED
from tercet.plan.plan import PlanOperation, reason_text

_FIRST = 3


@dataclass(frozen=True)
class Narrowed:
    """Values whose bounds rest on one reason; `assumed` if that is nothing but the analyst's word."""

    reason: str
    assumed: bool
    types: tuple[str, ...]
    """Each once, in the order of the plan."""

    def __str__(self) -> str:
        shown = "; ".join(self.types[:_FIRST])
        return f"{shown}; and {len(self.types) - _FIRST} more" if len(self.types) > _FIRST else shown


def narrowed(operations: Iterable[PlanOperation]) -> list[Narrowed]:
    """The values of these operations whose bounds are not proven, by reason. `explain` and each node's policy ask."""
    types: dict[tuple[str, bool], dict[str, None]] = {}
    for op in operations:
        if op.operation.name in ("bound", "multiply_within"):
            types.setdefault((reason_text(op), op.attrs[2] == ASSUMED), {})[str(op.type)] = None
    return [Narrowed(reason, assumed, tuple(found)) for (reason, assumed), found in types.items()]
