"""Proofs of bounds: which of the bounds that a plan states follow from its own operations, and which are claims.

A `bound` or `multiply_within` states that a value lies in [lo, hi], for a reason (`plan.table.reasons`). The reason is
a number that anyone can write, so it proves nothing. *Provers* look at the operations that a value comes from and
compute bounds from them. What no prover finds is a claim.

Provers read terms: recorded values at a client, operations of a decoded plan at a node; both find the same. They start
from the types of the values that a shape begins with, and never from a claim: a value with a claimed input is claimed
whatever is proven here. To add a prover: a function from a term to bounds, entered in `PROVERS` under its rule.

A number is *claimed* if a bound behind it is not proven: a `bound` or `multiply_within` without a proof, the declared
bounds of a loop, or an input that was not checked. Whoever reads a plan derives this mark on types from the plan and
from what it knows of the inputs; plans do not carry it. It decides one thing. Wide sums of products
(`Contraction.wide`) are the only operation that groups rows by bounds; they take no claimed factor. So a false claim
makes only the result of whoever claims wrong (docs/security/claims.md).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tercet.plan.bounds.relations import quotient_limit, related
from tercet.plan.bounds.roots import product_limit
from tercet.plan.bounds.terms import Bounds, Term, is_same, same_integer
from tercet.plan.table.attributes import Attributes, Axis, DividingWithin, Normalisation, Ranges, StatedBounds
from tercet.plan.table.operation import Algebra, Bounding, Flow, Operation, check_orders
from tercet.plan.table.ops_quotients import whole_ends
from tercet.plan.table.reasons import ProofRule
from tercet.plan.types import Type

Prover = Callable[[Term], "Bounds | None"]
"""From a value to the bounds of its stored integers; None if it finds nothing."""


def is_proven(operation: Operation[Any], inputs: Sequence[Term], attrs: Attributes) -> bool:
    """Whether the bounds that a bounding operation states hold by what its inputs are."""
    if operation.algebra is Algebra.QUOTIENT:
        return _is_limit(inputs, attrs.of(DividingWithin).limit)
    if operation.algebra is Algebra.WITHIN:
        found = product_limit(*inputs)
    else:
        found = proven_bounds(inputs[0]) if operation.algebra is Algebra.NARROW else None
    if found is None:
        return False
    (lo, hi), stated = found, attrs.of(StatedBounds)
    return stated.lo <= lo and hi <= stated.hi


def _is_limit(inputs: Sequence[Term], limit: int) -> bool:
    """Whether a quotient does not pass a limit, by what both have in common; where the divisor is 0, so must the
    dividend be."""
    a, b = inputs
    known = quotient_limit(a, b) if b.type.lo > 0 else None
    where = _where(a)
    if known is None and where is not None and where[0].operation.algebra is Algebra.NOT:
        zero = same_integer(where[0].inputs[0])
        if zero.operation.algebra is Algebra.ZERO and is_same(zero.inputs[0], b):
            known = quotient_limit(where[1], b)
    return known is not None and known <= limit


def proven_bounds(term: Term) -> Bounds:
    """The narrowest bounds that its type and the provers give a value (whose own inputs are not claimed).

    Provers look a few operations back and take the types that they find there, so that time does not grow with plans.
    """
    lo, hi = term.type.lo, term.type.hi
    for prover in PROVERS.values():
        found = prover(term)
        if found is not None:
            lo, hi = max(lo, found[0]), min(hi, found[1])
    return lo, hi


def _difference(term: Term) -> tuple[Term, Term] | None:
    """p and q of a value p - q."""
    term = same_integer(term)
    return (term.inputs[0], term.inputs[1]) if term.operation.algebra is Algebra.SUBTRACT else None


def _where(term: Term) -> tuple[Term, Term] | None:
    """Bit and value of a value that is `value` where the bit is set, else 0."""
    term = same_integer(term)
    return (same_integer(term.inputs[0]), term.inputs[1]) if term.operation.algebra is Algebra.WHERE else None


def _is_sign_of(bit: Term, x: Term) -> bool:
    return bit.operation.algebra is Algebra.SIGN and is_same(bit.inputs[0], x)


@dataclass(frozen=True, eq=False, slots=True)
class Selection:
    """A value that is one of two: `chosen` where the bit is set, else `other`."""

    bit: Term
    chosen: Term
    other: Term
    difference: Term

    @property
    def is_size(self) -> bool:
        """Whether it is |other|."""
        negated = same_integer(self.chosen)
        is_negated = negated.operation.algebra is Algebra.NEGATE and is_same(negated.inputs[0], self.other)
        return is_negated and _is_sign_of(self.bit, self.other)


def selection(term: Term) -> Selection | None:
    """y + (p - y where a bit is set)."""
    term = same_integer(term)
    if term.operation.algebra is not Algebra.ADD:
        return None
    for chosen, y in (term.inputs, term.inputs[::-1]):
        where = _where(chosen)
        pair = _difference(where[1]) if where is not None else None
        if where is not None and pair is not None:
            p, q = pair
            if is_same(q, y) and q.type.frac_bits == y.type.frac_bits:
                return Selection(where[0], p, q, where[1])
    return None


def _selected(term: Term) -> Bounds | None:
    """One of p and y; the smaller or larger, if the bit is the difference's sign."""
    found = selection(term)
    if found is None:
        return None
    p, q, bit = found.chosen.type, found.other.type, found.bit
    if _is_sign_of(bit, found.difference):
        return min(p.lo, q.lo), min(p.hi, q.hi)
    if bit.operation.algebra is Algebra.NOT and _is_sign_of(same_integer(bit.inputs[0]), found.difference):
        return max(p.lo, q.lo), max(p.hi, q.hi)
    return (0, q.magnitude) if found.is_size else (min(p.lo, q.lo), max(p.hi, q.hi))


def flipped(term: Term) -> tuple[Term, Term] | None:
    """Bit and x of a value x - (2 x where the bit is set): of x or -x."""
    term = same_integer(term)
    where = _where(term.inputs[1]) if term.operation.algebra is Algebra.SUBTRACT else None
    if where is None:
        return None
    x, twice = term.inputs[0], same_integer(where[1])
    if twice.operation.algebra is not Algebra.ADD or not (is_same(twice.inputs[0], x) and is_same(twice.inputs[1], x)):
        return None
    return where[0], x


def _flipped(term: Term) -> Bounds | None:
    """x or -x; |x|, if the bit is its sign."""
    found = flipped(term)
    if found is None:
        return None
    bit, x = found
    largest = x.type.magnitude
    return (0 if _is_sign_of(bit, x) else -largest), largest


def _one_sided(term: Term) -> Bounds | None:
    """x where it is negative, or where it is not, else 0."""
    where = _where(term)
    if where is None:
        return None
    bit, x = where
    if _is_sign_of(bit, x):
        return min(x.type.lo, 0), 0
    if bit.operation.algebra is Algebra.NOT and _is_sign_of(same_integer(bit.inputs[0]), x):
        return 0, max(x.type.hi, 0)
    return None


def _normalised(term: Term) -> Bounds | None:
    """A row of `normalise`: the power of two, or the product or complement, of x in [lo, hi]."""
    term = same_integer(term)
    term = term.inputs[0] if term.operation.rows is Flow.RESHAPE else term
    if term.operation.rows is not Flow.SLICE or term.inputs[0].operation.algebra is not Algebra.NORMALISE:
        return None
    pair, (row, count, _) = term.inputs[0], term.attrs.of(Ranges).ranges[0]
    if count != 1:
        return None
    lo, top = max(pair.inputs[0].type.lo, 0), pair.type.hi
    if pair.attrs.of(Normalisation).even:
        return (1, top // 2) if row == 0 else (2, top)
    if row == 0:
        return 1, top >> max(1, lo.bit_length())
    return (top // 2 if lo else 0), top - 1


def _divided(term: Term) -> Bounds | None:
    """A row of `divide_whole`: whole quotients, or remainders."""
    term = same_integer(term)
    term = term.inputs[0] if term.operation.rows is Flow.RESHAPE else term
    if term.operation.rows is not Flow.SLICE or term.inputs[0].operation.algebra is not Algebra.DIVIDED:
        return None
    row, count, _ = term.attrs.of(Ranges).ranges[0]
    return whole_ends(*(one.type for one in term.inputs[0].inputs))[row] if count == 1 else None


def _arranged(term: Term) -> Bounds | None:
    """Some rows of a sort, a shuffle or a move of arrays that were put one below the other: those of one of these."""
    term = same_integer(term)
    source = term.inputs[0] if term.operation.rows is Flow.SLICE else None
    if source is None or source.operation.rows is not Flow.ORDERED or not source.inputs:
        return None
    joined, (start, count, step) = source.inputs[-1], term.attrs.of(Ranges).ranges[0]
    if joined.operation.rows is not Flow.CONCAT or joined.attrs.of(Axis).axis or step != 1:
        return None
    first = 0
    for part in joined.inputs:
        following = first + part.type.shape[0]
        if first <= start and start + count <= following:
            return part.type.lo, part.type.hi
        first = following
    return None


PROVERS: Mapping[ProofRule, Prover] = {
    ProofRule.SELECTION: lambda term: _selected(term) or _flipped(term) or _one_sided(term),
    ProofRule.NORMALISATION: lambda term: _normalised(term) or _divided(term),
    ProofRule.RELATION: related,
    ProofRule.ARRANGEMENT: _arranged,
}
"""All are tried, whatever reason a plan states."""


def result_type(operation: Operation[Any], inputs: Sequence[Term], attrs: Attributes) -> Type:
    """The type of an operation on these values, with its mark. Raises PlanError if it has none.

    Called wherever a plan is recorded or read: by clients, by each node, for pieces of plans alike.
    """
    types = tuple([term.type for term in inputs])
    check_orders(operation, types)
    found = operation.infer(types, attrs)
    return marked(found, operation, inputs, attrs)


def marked(found: Type, operation: Operation[Any], inputs: Sequence[Term], attrs: Attributes) -> Type:
    """The type with the mark that follows from the operation and from those of its inputs."""
    claimed = (
        not (found.is_bool or found.is_permutation)
        and operation.bounds is not Bounding.ENFORCED
        and (
            any(term.type.claimed for term in inputs)
            or (operation.bounds is Bounding.STATED and not is_proven(operation, inputs, attrs))
        )
    )
    return found if found.claimed == claimed else found.with_claim(claimed)
