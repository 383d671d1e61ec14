"""About how many bytes a party needs for a plan, before it runs."""

from __future__ import annotations

from tercet.plan.plan import Plan
from tercet.plan.types import Type
from tercet.sharing import word_count


def value_bytes(t: Type) -> int:
    """What a party holds of one value: two components."""
    return 2 * (8 * word_count(t.size) if t.is_bool else t.size * t.word_bytes)


def peak_bytes(plan: Plan) -> int:
    """An estimate."""
    return sum(value_bytes(op.type) for op in plan.operations)
