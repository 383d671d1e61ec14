"""Which bounds are claims: a mark on types that nodes and clients derive alike, and plans do not carry.

A number is *claimed* if a bound behind it is not proven: a `bound` or `multiply_within` for which `plan.bounds.prove`
finds no proof, the declared bounds of a loop, or an input that was not checked. Whoever reads a plan derives the mark
from the plan and from what it knows of the inputs.

The mark decides one thing. Wide sums of products (`Contraction.wide`) are the only operation that groups rows by
bounds; they take no claimed factor. So a false claim makes only the result of whoever claims wrong
(docs/security/claims.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tercet.plan.bounds.prove import is_proven
from tercet.plan.bounds.terms import Term
from tercet.plan.table.operation import Bounding, Operation
from tercet.plan.types import Type


def result_type(operation: Operation[Any], inputs: Sequence[Term], attrs: Any) -> Type:
    """The type of an operation on these values, with its mark. Raises PlanError if it has none.

    Called wherever a plan is recorded or read: by clients, by each node, for pieces of plans alike.
    """
    found = operation.infer(tuple([term.type for term in inputs]), attrs)
    return marked(found, operation, inputs, attrs)


def marked(found: Type, operation: Operation[Any], inputs: Sequence[Term], attrs: Any) -> Type:
    """The type with the mark that follows from the operation and from those of its inputs."""
    claimed = not found.is_bool and _is_claimed(operation, inputs, attrs)
    return found if found.claimed == claimed else found.with_claim(claimed)


def _is_claimed(operation: Operation[Any], inputs: Sequence[Term], attrs: Any) -> bool:
    if operation.bounds is Bounding.ENFORCED:
        return False
    if any(term.type.claimed for term in inputs):
        return True
    return operation.bounds is Bounding.STATED and not is_proven(operation, inputs, attrs)
