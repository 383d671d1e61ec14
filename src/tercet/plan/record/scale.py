"""Placing values: ring, scale and bounds. Everything here records nodes; nothing runs."""

from __future__ import annotations

from collections.abc import Sequence

from tercet.errors import PlanError
from tercet.plan.bounds.prove import is_proven, proven_bounds
from tercet.plan.bounds.terms import same_integer
from tercet.plan.record.graph import Recorded
from tercet.plan.table.attributes import Bounds, Rounding, Scale, Shift, StatedBounds, Windows, shift_of
from tercet.plan.table.operation import Algebra, Flow
from tercet.plan.table.operations import BY_NAME
from tercet.plan.table.reasons import FOUND, SELECTED, ZERO_TIMES, Reason
from tercet.plan.types import ValueKind, limit, smallest_ring

CHAIN_LENGTH = 8
_MOVES = (Flow.RESHAPE, Flow.PERMUTE, Flow.SLICE, Flow.BROADCAST, Flow.TAKE)
_SUMS = (Algebra.ADD, Algebra.SUBTRACT)
_DERIVED = frozenset(reason.number for reason in (*FOUND, ZERO_TIMES))
_EXACT = frozenset(
    {
        Algebra.ADD,
        Algebra.SUBTRACT,
        Algebra.NEGATE,
        Algebra.READ,
        Algebra.RING,
        Algebra.NARROW,
        Algebra.WHERE,
        Algebra.SIGN,
        Algebra.NOT,
        Algebra.SHIFT_LEFT,
    }
)
_CHOOSING = _EXACT - {Algebra.READ, Algebra.SHIFT_LEFT}
"""What extremes are made of."""
_CHOICES = 400
"""So many operations are looked at behind an extreme: about 10 for each bit of the number of elements."""
_CHOSEN = 48
"""So many operations are looked at behind a choice."""
_JOINED = 2
"""Through so many sums and concatenations, one in the other, is looked for what a coin rounds."""


def in_ring(x: Recorded, ring_bits: int) -> Recorded:
    """The same integers in this ring: lifted with the other parties' help, reduced alone."""
    if x.type.ring == ring_bits:
        return x
    if x.operation.algebra is Algebra.RING:
        return x.inputs[0]  # of two rings, it was in the other one before
    return x.graph.node("lift" if ring_bits == 128 else "reduce_ring", (x,))


def least_ring(x: Recorded) -> Recorded:
    """The value in the smallest ring that holds it: for what is kept or sent, as the reduction is local."""
    ring_bits = smallest_ring(x.type.lo, x.type.hi)
    return in_ring(x, ring_bits) if ring_bits is not None and ring_bits < x.type.ring else x


def common_ring(needed: int, *operands: Recorded) -> int:
    """The ring of a local operation: as wide as the result needs, and no narrower than every operand is.

    Reducing is free but lifting is not, so a value stays wide as long as nothing narrow meets it.
    """
    return max(needed, min(x.type.ring for x in operands))


def settle(x: Recorded) -> Recorded:
    """The value at its nominal scale: rescaled if it carries more fractional bits."""
    excess = x.type.frac_bits - x.type.nominal
    return rescaled(x, excess) if excess > 0 else x


def rescaled(x: Recorded, excess: int) -> Recorded:
    """The value with `excess` fractional bits less.

    A truncation drops at most ring - 3 bits. Several in turn keep its contract: what the first rounds to lies between
    the same two neighbours of the last, and only a multiple of the last one's step can come out as itself.
    """
    if x.graph.exact_rounding:
        return nearest(x, excess)
    x = as_recorded(x)  # a product is rescaled with its exchange; what is derived of it is derived of the result, too
    for step in _steps(x, excess):
        x = x.graph.node("rescale", (x,), Shift(step))
    return x


def _steps(x: Recorded, excess: int) -> list[int]:
    """By how many bits a value is divided in turn, where one truncation does not take all of them."""
    longest = x.type.ring - 3
    steps = []
    while excess > longest:
        steps.append(min(excess - longest, longest))
        excess -= steps[-1]
    return [*steps, excess]


def nearest(x: Recorded, excess: int) -> Recorded:
    """The value with `excess` fractional bits less, rounded to the nearest: by nothing but the value itself."""
    if x.type.hi + (1 << (excess - 1)) >= limit(x.type.ring):
        x = in_ring(x, fitting_ring(x.type.lo, x.type.hi + (1 << (excess - 1)), "a rounding", (x,)))
    *floors, last = _steps(x, excess)
    for step in floors:
        x = x.graph.node("round", (x,), Rounding(step))  # floors in turn are the floor of all
    return x.graph.node("round", (x,), Rounding(last, nearest=True))


def reproducible(x: Recorded) -> Recorded:
    """A value that becomes plain: what it was rounded to by a coin last is the nearest instead.

    It is found through moves, negations and rings, and in the terms of a sum, whose other terms are multiples of the
    same step; of what is taken from a larger array, only that is rounded. Whoever asks again then gets the same number
    again, and learns nothing from how it came out (docs/security/truncation.md).
    """
    return _reproducible(x, _JOINED)


def _is_moved(x: Recorded) -> bool:
    """Whether it holds elements of its first input, at whatever scale that is."""
    if isinstance(x.attrs, Windows):
        return not (x.attrs.fill and (any(x.attrs.before) or any(x.attrs.after)))
    return x.operation.rows in _MOVES


def _reproducible(x: Recorded, joined: int) -> Recorded:
    after: list[Recorded] = []
    made = as_recorded(x)
    while made.operation.algebra in (Algebra.RING, Algebra.NEGATE) or _is_moved(made):
        after.append(made)
        made = as_recorded(made.inputs[0])
    if made.operation.algebra is Algebra.RESCALE:
        source, excess = made.inputs[0], shift_of(made.attrs)
        while source.operation.algebra is Algebra.RESCALE:
            source, excess = source.inputs[0], excess + shift_of(source.attrs)
        smaller = x.type.size < source.type.size
        found = nearest(_again(source, after), excess) if smaller else _again(nearest(source, excess), after)
        return in_ring(found, x.type.ring)
    chosen = _nearest_chosen(made)
    if chosen is not None:
        return in_ring(_again(chosen, after), x.type.ring)
    if not joined or not (made.operation.algebra in _SUMS or made.operation.rows is Flow.CONCAT):
        return x
    operands = tuple(_reproducible(operand, joined - 1) for operand in made.inputs)
    if all(new is old for new, old in zip(operands, made.inputs, strict=True)):
        return x
    return in_ring(_again(made.graph.node(made.operation.name, operands, made.attrs), after), x.type.ring)


def _nearest_chosen(x: Recorded) -> Recorded | None:
    """What was chosen among rounded values, as max(log(x), 0) and |log(x)|, with the nearest in place of each: where it
    is compared and where it is taken. None of anything else, and of what was chosen among more values than there are
    results (a greatest element), or in more than a few steps."""
    inner = same_integer(x)
    parts = [inner, *(same_integer(one) for one in inner.inputs)] if inner.operation.algebra in _SUMS else [inner]
    if not any(one.operation.algebra is Algebra.WHERE for one in parts):
        return None
    known: dict[int, Recorded] = {}
    found = _with_nearest(x, x.type.size, known)
    return _chosen_before(x) if found is None or found is x else found


def _with_nearest(x: Recorded, most: int, known: dict[int, Recorded]) -> Recorded | None:
    """The same expression of the nearest; None if it is too long, or rounds more elements than these."""
    there = known.get(x.serial)
    if there is not None:
        return there
    if len(known) >= _CHOSEN:
        return None
    found: Recorded | None = x
    if x.operation.algebra is Algebra.RESCALE:
        source, excess = x.inputs[0], shift_of(x.attrs)
        while source.operation.algebra is Algebra.RESCALE:
            source, excess = source.inputs[0], excess + shift_of(source.attrs)
        found = in_ring(nearest(source, excess), x.type.ring) if source.type.size <= most else None
    elif x.inputs and (x.operation.algebra in _EXACT or _is_moved(x)):
        operands = [_with_nearest(one, most, known) for one in x.inputs]
        if any(one is None for one in operands):
            return None
        given = tuple(one for one in operands if one is not None)
        if any(new is not old for new, old in zip(given, x.inputs, strict=True)):
            found = _narrowed_again(x, given[0]) if x.operation.algebra is Algebra.NARROW else _anew(x, given)
    if found is not None:
        known[x.serial] = found
    return found


def _chosen_before(x: Recorded) -> Recorded | None:
    """What was chosen among more values than there are results, as a greatest element: the nearest of what is chosen in
    the same way before they are rounded, which is the one chosen among the nearest. None of what else there is."""
    rounded: set[tuple[int, int]] = set()
    try:
        found = _finely(x, {}, rounded)
    except PlanError:  # what is not rounded yet does not fit
        return None
    if found is None or len(rounded) != 1:
        return None
    ((_, excess),) = rounded
    return in_ring(nearest(found, excess), x.type.ring)


def _finely(x: Recorded, known: dict[int, Recorded | None], rounded: set[tuple[int, int]]) -> Recorded | None:
    """The same choices of what is rescaled behind them; None if they are too many, or choose among anything else."""
    if x.serial in known or len(known) >= _CHOICES:
        return known.get(x.serial)
    known[x.serial] = None
    if x.operation.algebra is Algebra.RESCALE:
        source, excess = x.inputs[0], shift_of(x.attrs)
        while source.operation.algebra is Algebra.RESCALE:
            source, excess = source.inputs[0], excess + shift_of(source.attrs)
        rounded.add((source.serial, excess))
        known[x.serial] = source if source.type.ring == x.type.ring else None
    elif x.inputs and (x.operation.algebra in _CHOOSING or _is_moved(x) or x.operation.rows is Flow.CONCAT):
        operands = [
            one if x.operation.rows is Flow.TAKE and at else _finely(one, known, rounded)
            for at, one in enumerate(x.inputs)
        ]
        given = tuple(one for one in operands if one is not None)
        if len(given) == len(x.inputs):
            known[x.serial] = _chosen_anew(x, given)
    return known[x.serial]


def _chosen_anew(x: Recorded, operands: tuple[Recorded, ...]) -> Recorded | None:
    if x.operation.algebra is not Algebra.NARROW:
        return _anew(x, operands)
    if x.attrs.of(StatedBounds).reason not in (SELECTED.number, *_DERIVED):
        return None
    operand = operands[0]
    lo, hi = proven_bounds(operand)
    return operand if (lo, hi) == (operand.type.lo, operand.type.hi) else bounded(operand, lo, hi, SELECTED)


def _anew(x: Recorded, operands: tuple[Recorded, ...]) -> Recorded:
    return x.graph.node(x.operation.name, operands, x.attrs)


def _narrowed_again(x: Recorded, operand: Recorded) -> Recorded:
    stated = x.attrs.of(StatedBounds)
    lo, hi = max(stated.lo, operand.type.lo), min(stated.hi, operand.type.hi)
    if (lo, hi) == (operand.type.lo, operand.type.hi):
        return operand
    return x.graph.node("bound", (operand,), StatedBounds(lo, hi, stated.reason))


def _again(x: Recorded, steps: Sequence[Recorded]) -> Recorded:
    """The steps, the last of which stands first, done to another value; in the ring that it is in."""
    for step in reversed(steps):
        if step.operation.algebra is not Algebra.RING:
            x = x.graph.node(step.operation.name, (x, *step.inputs[1:]), step.attrs)
    return x


def at_scale(x: Recorded, frac_bits: int) -> Recorded:
    """The value with `frac_bits` fractional bits: shifted up alone, or rescaled (never below nominal)."""
    change = frac_bits - x.type.frac_bits
    if change > 0:
        ring_bits = fitting_ring(x.type.lo << change, x.type.hi << change, "a change of scale", (x,))
        return x.graph.node("shift_left", (in_ring(x, max(ring_bits, x.type.ring)),), Shift(change))
    return rescaled(x, -change) if change else x


def cut_to(x: Recorded, bits: int) -> Recorded:
    """The value with so many fractional bits, if it has more; all of them count."""
    if x.type.frac_bits <= bits:
        return renamed(x, x.type.frac_bits, x.type.frac_bits)
    return at_scale(renamed(x, x.type.frac_bits, bits), bits)


def all_at(x: Recorded, frac_bits: int) -> Recorded:
    """As `at_scale`, with bits that all count."""
    return at_scale(cut_to(x, frac_bits), frac_bits)


def as_recorded(x: Recorded) -> Recorded:
    """The value without the narrower bounds that were derived for it, and without a mark of what it means."""
    is_derived = x.operation.algebra is Algebra.NARROW and x.attrs.of(StatedBounds).reason in _DERIVED
    return x.inputs[0] if is_derived else x


def renamed(x: Recorded, frac_bits: int, nominal: int) -> Recorded:
    """The same integers read at another scale: the value times a power of two."""
    t = x.type
    if (t.kind, t.frac_bits, t.nominal) == (ValueKind.FIXED if frac_bits else ValueKind.INT, frac_bits, nominal):
        return x
    return x.graph.node("rename", (x,), Scale(frac_bits, nominal))


def bounded(x: Recorded, lo: int, hi: int, reason: Reason) -> Recorded:
    """The value with narrower bounds on its stored integer, for a reason that the graph knows; or clipped to them,
    where the session has bounds enforced and the plan does not prove them. PlanError if no value lies in them."""
    lo, hi = max(lo, x.type.lo), min(hi, x.type.hi)
    if (lo, hi) == (x.type.lo, x.type.hi):
        return x
    if lo > hi:
        raise PlanError(f"bounds [{lo}, {hi}] exclude every value that {x.type} can take")
    attrs = _stated(x, lo, hi, reason)
    if x.graph.enforced_bounds and not is_proven(BY_NAME["bound"], (x,), attrs):
        return x.graph.node("clip", (x,), Bounds(lo, hi))
    return x.graph.node("bound", (x,), attrs)


def marked(x: Recorded, reason: Reason) -> Recorded:
    """The value under the bounds that it has, stated for a reason that says what it means (`plan.record.validity`)."""
    return x.graph.node("bound", (x,), _stated(x, x.type.lo, x.type.hi, reason))


def _stated(x: Recorded, lo: int, hi: int, reason: Reason) -> StatedBounds:
    if reason not in x.graph.reasons:
        raise ValueError(f"the reason {reason.number} ({reason.text}) was not declared when the session started")
    return StatedBounds(lo, hi, reason.number)


def product_within(a: Recorded, b: Recorded, lo: int, hi: int, reason: Reason) -> Recorded:
    """a * b as integers, when a reason of the table bounds the product more tightly than the factors' bounds do."""
    ring_bits = fitting_ring(lo, hi, "a product", (a, b))
    ring_bits = max(ring_bits, *(fitting_ring(x.type.lo, x.type.hi, "a factor", (x,)) for x in (a, b)))
    factors = in_ring(a, ring_bits), in_ring(b, ring_bits)
    attrs = _stated(a, lo, hi, reason)
    product = a.graph.node("multiply_within", factors, attrs)
    if a.graph.enforced_bounds and not is_proven(BY_NAME["multiply_within"], factors, attrs):
        return a.graph.node("clip", (product,), Bounds(lo, hi))
    return product


def fitting_ring(lo: int, hi: int, what: str, operands: Sequence[Recorded]) -> int:
    """The smallest ring for these bounds; PlanError with the chain of operations that overflows if there is none."""
    ring_bits = smallest_ring(lo, hi)
    if ring_bits is None:
        raise overflow(lo, hi, what, operands)
    return ring_bits


def overflow(lo: int, hi: int, what: str, operands: Sequence[Recorded]) -> PlanError:
    """The refusal of a plan that would overflow: how large, and through which operations."""
    reached = max(-lo, hi).bit_length()
    chain: list[str] = []
    node: Recorded | None = max(operands, key=lambda n: n.type.magnitude, default=None)
    while node is not None and len(chain) < CHAIN_LENGTH:
        arranged = node.operation.algebra is Algebra.RING or node.operation.rows in (Flow.RESHAPE, Flow.BROADCAST)
        if not chain or not arranged:
            chain.append(f"{node.operation.name}: {node.type}")
        node = max(node.inputs, key=lambda n: n.type.magnitude, default=None)
    return PlanError(
        f"{what} would overflow: its stored integer may need {reached} bits and the largest ring takes "
        f"{limit(128).bit_length() - 1}; it comes from {' <- '.join(chain)}",
        hint="declare narrower bounds or fewer frac_bits for the inputs (share(values, bounds=(lo, hi)), or a schema), "
        "hold what grows from step to step with numpy.clip(x, lo, hi), or narrow a result that you know with tc.assume",
    )
