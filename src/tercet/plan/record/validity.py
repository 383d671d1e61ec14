"""For which elements a recorded value means something: those on which no operation outside its domain has an influence.

A walk from the inputs to a value gives each node its *conditions*: secret bools of its shape, all of which must hold.
An operation adds those of its domain, and a number that was drawn in to one that of the comparison, where bounds do not
prove them (`plan.record.domains`). Moves move conditions, sums take together all that they touch, and what has no rule
makes everything depend on everything. A choice asks for what it chooses only, AND and OR for what decides them, a
product with a secret bool for what that does not clear. Rules: docs/design/validity.md.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import reduce

import numpy as np

from tercet.errors import PlanError
from tercet.plan.bounds.prove import selection
from tercet.plan.bounds.terms import Term, same_integer
from tercet.plan.record import logic
from tercet.plan.record.build import broadcast_to, number, running_total
from tercet.plan.record.compile import ordered
from tercet.plan.record.counting import all_set
from tercet.plan.record.domains import STEPS, bare, drawn_in, is_inside, is_open, takes
from tercet.plan.record.graph import LoopBody, Recorded
from tercet.plan.table.attributes import (
    Axes,
    Axis,
    Contraction,
    Convolving,
    LoopCount,
    NewShape,
    PublicConvolution,
    PublicMatrix,
    Ranges,
    StatedBounds,
    Windows,
)
from tercet.plan.table.operation import Algebra, Flow, broadcast_shapes
from tercet.plan.table.reasons import ZERO_TIMES
from tercet.plan.types import bool_type
from tercet.ring import ConvolutionArray

Conditions = tuple[Recorded, ...]
"""Secret bools of a value's shape, each once; none where it means something everywhere."""
_MOST = 8
"""So many conditions are kept apart; more are taken together."""
_ROUNDED = (Algebra.RESCALE, Algebra.ROUND, Algebra.READ, Algebra.SHIFT_LEFT)


def meaning(value: Recorded, only: Collection[int] | None = None) -> Recorded | None:
    """Where a value means something; None for everywhere. `only`: as if these operations alone, by their serial
    numbers, had a domain.

    PlanError if it comes from a stored array of which that was not kept.
    """
    found = _walk((value,), (), {}, only)[value.serial]
    return _all(found) if found else None


def wherever(bit: Recorded, valid: Recorded) -> Recorded | None:
    """Whether a bit is set and a value means something there, or the bit is not set; None for everywhere."""
    shape = broadcast_shapes(bit.type.shape, valid.type.shape)
    parts = tuple(one for one in _facts(valid) if one.operation.algebra is not Algebra.AND)
    found = _chosen(bit, parts, (), (), shape)
    return _all(found) if found else None


# ---- the walk ----


def _walk(
    roots: Sequence[Recorded],
    leaves: Sequence[Recorded],
    given: Mapping[int, Conditions],
    only: Collection[int] | None,
) -> dict[int, Conditions]:
    """The conditions of all nodes that the roots need, from those of the leaves."""
    found = dict(given)
    loops: dict[int, list[Conditions]] = {}
    for node in ordered(roots, leaves):
        if node.serial in found:
            continue
        if node.body is not None:
            loops[node.serial] = _of_loop(node, [found[x.serial] for x in node.inputs], only)
        first = node.inputs[0] if node.place else node
        if first.serial in loops:
            found[node.serial] = loops[first.serial][node.place]
            continue
        if node in node.graph.meaning_lost:
            raise PlanError(
                "where a kept array means something was not kept with it",
                hint="keep both, as in tc.persist(y, tc.valid(y)), or the numbers alone that mean something, as in "
                "tc.where(tc.valid(y), y, 0)",
            )
        conditions = _inherited(node, found) if node.type.size else ()
        if node.type.size and (only is None or node.serial in only):
            conditions = _joined(conditions, _own(node))
        found[node.serial] = (_all(conditions),) if len(conditions) > _MOST else conditions
    return found


def _all(conditions: Conditions) -> Recorded:
    return reduce(logic.logical_and, conditions)


def _joined(*several: Conditions) -> Conditions:
    return tuple(dict.fromkeys(one for conditions in several for one in conditions))


def _spread(conditions: Conditions, shape: tuple[int, ...]) -> Conditions:
    """The conditions of something that is repeated to this shape."""
    return tuple(_repeated(one, shape) for one in conditions)


def _repeated(x: Recorded, shape: tuple[int, ...]) -> Recorded:
    while x.operation.rows is Flow.BROADCAST and x.type.shape != shape:
        x = x.inputs[0]  # so that the same condition is the same node, however often it was repeated
    return broadcast_to(x, shape)


# ---- what an operation adds ----


def _own(node: Recorded) -> Conditions:
    """The conditions of an operation's domain, or of what was drawn in to one."""
    shape = node.type.shape
    if drawn_in(node):
        chosen = selection(node)
        assert chosen is not None and isinstance(chosen.bit, Recorded)
        return _spread((chosen.bit,), shape)
    open_places = [place for place in range(len(node.operation.domain)) if is_open(node, place)]
    return _joined(*(_spread((is_inside(node, place),), shape) for place in open_places))


# ---- what an operation makes of the conditions of its inputs ----


def _inherited(node: Recorded, found: Mapping[int, Conditions]) -> Conditions:
    given = [found[x.serial] for x in node.inputs]
    if not any(given):
        return ()
    special = _BY_ALGEBRA.get(node.operation.algebra)
    conditions = None if special is None else special(node, found)
    if conditions is not None:
        return conditions
    rule = _BY_ROWS.get(node.operation.rows, _everything)
    return rule(node, given)


def _each(node: Recorded, given: Sequence[Conditions]) -> Conditions:
    return _joined(*(_spread(one, node.type.shape) for one in given))


def _difference(node: Recorded, given: Sequence[Conditions]) -> Conditions:
    """Of a value and itself nothing is left."""
    return () if node.inputs[0] is node.inputs[1] else _each(node, given)


def _weighed(node: Recorded, given: Sequence[Conditions]) -> Conditions:
    """Times zero nothing is left."""
    weights = node.inputs[1].type
    return () if not weights.is_bool and weights.lo == weights.hi == 0 else _each(node, given)


def _moved(node: Recorded, given: Sequence[Conditions]) -> Conditions:
    return tuple(_moved_one(node, one) for one in given[0])


def _moved_one(node: Recorded, one: Recorded) -> Recorded:
    inner = one
    while inner.operation.rows is Flow.BROADCAST:
        inner = inner.inputs[0]
    if inner is not one:
        if isinstance(node.attrs, Ranges):
            behind = len(one.type.shape) - len(inner.type.shape)
            taken = zip(node.attrs.ranges[behind:], inner.type.shape, strict=True)
            if all(ends == (0, length, 1) for ends, length in taken):
                return _repeated(inner, node.type.shape)
        elif node.operation.rows is Flow.RESHAPE and inner.type.shape == node.type.shape:
            return inner
    return node.graph.node(node.operation.name, (one, *node.inputs[1:]), node.attrs)


def _concatenated(node: Recorded, given: Sequence[Conditions]) -> Conditions:
    like = next(conditions[0] for conditions in given if conditions)
    parts = [
        _all(conditions) if conditions else logic.bool_node(like, np.ones(x.type.shape, bool))
        for x, conditions in zip(node.inputs, given, strict=True)
    ]
    return (node.graph.node(node.operation.name, tuple(parts), node.attrs),)


def _over(conditions: Conditions, axes: Sequence[int]) -> Conditions:
    """All along axes."""
    if not conditions or not axes:
        return conditions
    return (all_set(_all(conditions), tuple(axes)),)


def _summed(node: Recorded, given: Sequence[Conditions]) -> Conditions:
    return _over(given[0], node.attrs.of(Axes).axes)


def _contracted(node: Recorded, given: Sequence[Conditions]) -> Conditions:
    return _over(_joined(*given), node.attrs.of(Contraction).axes)


def _running(node: Recorded, given: Sequence[Conditions]) -> Conditions:
    outside = number(logic.logical_not(_all(given[0])))
    before = running_total(outside, node.attrs.of(Axis).axis)
    return (logic.stored_equal(before, np.asarray(0), np.asarray(0)),)


def _matrix(node: Recorded, given: Sequence[Conditions]) -> Conditions:
    """Rows of the first, columns of the second."""
    rows, columns = (_lined(conditions, node, axis) for conditions, axis in zip(given, (-1, -2), strict=True))
    return _joined(rows, columns)


def _matrix_public(node: Recorded, given: Sequence[Conditions]) -> Conditions:
    return _lined(given[0], node, -2 if node.attrs.of(PublicMatrix).in_front else -1)


def _lined(conditions: Conditions, node: Recorded, axis: int) -> Conditions:
    """All along one of the last two axes, which stays as one of length 1; repeated to the result."""
    if not conditions:
        return ()
    shape = list(conditions[0].type.shape)
    (found,) = _over(conditions, (len(shape) + axis,))
    shape[axis] = 1
    kept = node.graph.node("reshape", (found,), NewShape(tuple(shape)))
    return (_repeated(kept, node.type.shape),)


def _windows(node: Recorded, given: Sequence[Conditions]) -> Conditions:
    """What is laid around an array means something."""
    attrs = replace(node.attrs.of(Windows), fill=1)
    return tuple(node.graph.node(node.operation.name, (one,), attrs) for one in given[0])


def _convolved(node: Recorded, given: Sequence[Conditions]) -> Conditions:
    """An output needs its window of all channels, and the kernel of its own; an input all of its image's outputs, and
    the kernels of its channel; a kernel needs everything."""
    attrs = node.attrs.of(Convolving)
    if attrs.mode == ConvolutionArray.KERNEL:
        return _everything(node, given)
    if isinstance(attrs, PublicConvolution):
        given = ((), given[0]) if attrs.in_front else (given[0], ())
    if attrs.mode == ConvolutionArray.INPUT:
        kernels, images = given
        channels = 1 if attrs.groups == 1 else None
        kept = _kept(images, 0, 0, node.type.shape), _kept(kernels, channels, 1, node.type.shape)
        return _joined(*kept)
    images, kernels = given
    kernel = node.inputs[0 if isinstance(attrs, PublicConvolution) and attrs.in_front else 1].type.shape
    sides = len(kernel) - 2
    found = []
    if images:
        around = Windows(kernel[2:], attrs.stride, attrs.before, attrs.after, attrs.dilation, 1)
        seen = node.graph.node("windows", (_all(images),), around)
        needed = all_set(seen, (1, *range(2 + sides, 2 + 2 * sides)))
        shape = needed.type.shape
        found.append(node.graph.node("reshape", (needed,), NewShape((shape[0], 1, *shape[1:]))))
    if kernels:
        needed = all_set(_all(kernels), tuple(range(1, 2 + sides)))
        found.append(node.graph.node("reshape", (needed,), NewShape((1, *needed.type.shape, *[1] * sides))))
    return tuple(_repeated(one, node.type.shape) for one in found)


def _kept(conditions: Conditions, axis: int | None, to: int, shape: tuple[int, ...]) -> Conditions:
    """All along all axes but one, which goes to axis `to` of the result; without one, along all."""
    if not conditions:
        return ()
    given = conditions[0].type.shape
    needed = all_set(_all(conditions), tuple(at for at in range(len(given)) if at != axis))
    lengths = tuple(given[axis] if axis is not None and at == to else 1 for at in range(len(shape)))
    return (_repeated(needed.graph.node("reshape", (needed,), NewShape(lengths)), shape),)


def _nothing(node: Recorded, given: Sequence[Conditions]) -> Conditions:
    return ()


def _everything(node: Recorded, given: Sequence[Conditions]) -> Conditions:
    whole = (_over(conditions, range(len(x.type.shape))) for x, conditions in zip(node.inputs, given, strict=True))
    return _joined(*(_spread(conditions, node.type.shape) for conditions in whole))


_BY_ROWS: Mapping[Flow, Callable[[Recorded, Sequence[Conditions]], Conditions]] = {
    **dict.fromkeys((Flow.EACH, Flow.STACKED), _each),
    Flow.DIFFERENCE: _difference,
    Flow.WEIGHED: _weighed,
    **dict.fromkeys((Flow.RESHAPE, Flow.PERMUTE, Flow.SLICE, Flow.BROADCAST, Flow.TAKE), _moved),
    Flow.CONCAT: _concatenated,
    Flow.SUM: _summed,
    Flow.CONTRACT: _contracted,
    Flow.PREFIX: _running,
    Flow.MATRIX: _matrix,
    Flow.MATRIX_PUBLIC: _matrix_public,
    Flow.WINDOWS: _windows,
    Flow.CONVOLVE: _convolved,
    Flow.LEAF: _nothing,
    Flow.DRAWN: _nothing,
}


# ---- choices ----


def _chosen(bit: Recorded, a: Conditions, b: Conditions, of_bit: Conditions, shape: tuple[int, ...]) -> Conditions:
    """Of a where a bit is set, else b, from their conditions and the bit's."""
    needed = _spread(of_bit, shape)
    bit = _repeated(bit, shape)
    first, second = (
        tuple(one for one in _spread(conditions, shape) if one not in (*needed, *_spread(_facts(decides), shape)))
        for conditions, decides in ((a, bit), (b, logic.logical_not(bit)))
    )
    if not first and not second:
        return needed
    if not second:
        return _joined(needed, (logic.logical_not(logic.logical_and(bit, logic.logical_not(_all(first)))),))
    if not first:
        return _joined(needed, (logic.logical_or(bit, _all(second)),))
    return _joined(needed, (logic.select(bit, _all(first), _all(second)),))


def _facts(bit: Recorded) -> Conditions:
    """What holds where a bit is set."""
    found: list[Recorded] = []
    stack = [bit]
    while stack:
        one = stack.pop()
        while one.operation.rows is Flow.BROADCAST:
            one = one.inputs[0]
        found.append(one)
        if one.operation.algebra is Algebra.AND:
            stack.extend(one.inputs)
    return tuple(found)


def _sum_of_choice(node: Recorded, found: Mapping[int, Conditions]) -> Conditions | None:
    chosen = selection(node)
    if chosen is None:
        return None
    return _choice(node, found, chosen.bit, chosen.chosen, chosen.other)


def _choice(node: Recorded, found: Mapping[int, Conditions], *terms: Term) -> Conditions | None:
    """Of bit, a and b; None where one of them lies before what the walk began with."""
    known = [found.get(one.serial) for one in terms if isinstance(one, Recorded)]
    if len(known) < len(terms) or any(one is None for one in known):
        return None
    of_bit, a, b = (one or () for one in known)
    bit = terms[0]
    assert isinstance(bit, Recorded)
    return _chosen(bit, a, b, of_bit, node.type.shape)


def _where(node: Recorded, found: Mapping[int, Conditions]) -> Conditions:
    bit, x = node.inputs
    return _chosen(bit, found[x.serial], (), found[bit.serial], node.type.shape)


def _product(node: Recorded, found: Mapping[int, Conditions]) -> Conditions | None:
    """Of a product with a secret bool as a number: 0 where it is not set."""
    for factor, x in (node.inputs, node.inputs[::-1]):
        source = same_integer(factor)
        if source.operation.algebra is not Algebra.NUMBER or not isinstance(source, Recorded):
            continue
        of_bit = found.get(source.inputs[0].serial)
        if of_bit is None:
            continue
        shape = factor.type.shape if node.operation.rows is Flow.CONTRACT else node.type.shape
        chosen = _chosen(source.inputs[0], found[x.serial], (), of_bit, shape)
        if node.operation.rows is Flow.CONTRACT:
            return _over(chosen, node.attrs.of(Contraction).axes)
        return chosen
    return None


def _conjunction(node: Recorded, found: Mapping[int, Conditions]) -> Conditions:
    """Of a AND b: what is not set decides alone."""
    a, b = node.inputs
    of_a, of_b = found[a.serial], found[b.serial]
    if not of_b:
        return _chosen(b, of_a, (), (), node.type.shape)
    if not of_a:
        return _chosen(a, of_b, (), (), node.type.shape)
    first, second = _all(of_a), _all(of_b)
    decided = (
        logic.logical_and(first, second),
        logic.logical_and(first, logic.logical_not(a)),
        logic.logical_and(second, logic.logical_not(b)),
    )
    return (reduce(logic.logical_or, decided),)


def _choice_of_bools(node: Recorded, found: Mapping[int, Conditions]) -> Conditions | None:
    """b XOR (bit AND (a XOR b))."""
    for both, other in (node.inputs, node.inputs[::-1]):
        if both.operation.algebra is not Algebra.AND:
            continue
        for bit, pair in (both.inputs, both.inputs[::-1]):
            if pair.operation.algebra is Algebra.XOR and any(one is other for one in pair.inputs):
                a = pair.inputs[0] if pair.inputs[1] is other else pair.inputs[1]
                return _choice(node, found, bit, a, other)
    return None


def _marked(node: Recorded, found: Mapping[int, Conditions]) -> Conditions | None:
    """Of a number times a logarithm: anything where the number is 0."""
    if node.attrs.of(StatedBounds).reason != ZERO_TIMES.number:
        return None
    product = node
    for _ in range(STEPS):
        if product.operation.algebra is Algebra.MULTIPLY:
            x, logarithm = product.inputs
            known = found.get(x.serial), found.get(logarithm.serial)
            if known[0] is None or known[1] is None:
                return None
            # where x is not negative, x > 0 is no more than that
            above = (logic.logical_not(logic.stored_below(bare(x), np.asarray(1))),) if x.type.lo >= 0 else ()
            shape = node.type.shape
            zero = logic.stored_equal(bare(x, signs=True), np.asarray(0), np.asarray(0))
            left = tuple(one for one in _spread(known[1], shape) if one not in _spread(above, shape))
            return _chosen(zero, (), left, known[0], shape)
        if product.operation.algebra not in _ROUNDED and not product.operation.keeps_integer:
            break
        product = product.inputs[0]
    return None


_BY_ALGEBRA: Mapping[Algebra, Callable[[Recorded, Mapping[int, Conditions]], Conditions | None]] = {
    Algebra.ADD: _sum_of_choice,
    Algebra.WHERE: _where,
    Algebra.MULTIPLY: _product,
    Algebra.CONTRACT: _product,
    Algebra.AND: _conjunction,
    Algebra.XOR: _choice_of_bools,
    Algebra.NARROW: _marked,
}


# ---- loops ----


def _of_loop(node: Recorded, given: Sequence[Conditions], only: Collection[int] | None) -> list[Conditions]:
    """Of each carried value: the loop anew, with a bool beside every element that it carries."""
    body, graph = node.body, node.graph
    assert body is not None
    counts = only is None or node.serial in only
    inside: Collection[int] | None = None if counts else ()
    number_of_carried = len(body.carried)
    if not any(given) and not (counts and takes(node)):
        return [()] * number_of_carried
    beside = [graph.placeholder(bool_type(x.type.shape)) for x in body.carried]
    captured, outer = [], []
    start: dict[int, Conditions] = {}
    for x, conditions in zip(body.captured, given[number_of_carried:], strict=True):
        start[x.serial] = ()
        if conditions:
            captured.append(graph.placeholder(bool_type(x.type.shape)))
            outer.append(_all(conditions))
            start[x.serial] = (captured[-1],)
    # those that may mean nothing somewhere: as few as agree with what one pass makes of them
    open_ones = {place for place in range(number_of_carried) if given[place]}
    while True:
        for place, (x, bit) in enumerate(zip(body.carried, beside, strict=True)):
            start[x.serial] = (bit,) if place in open_ones else ()
        found = _walk(body.results, body.leaves, start, inside)
        ends = [found[x.serial] for x in body.results]
        more = {place for place, conditions in enumerate(ends) if conditions} - open_ones
        if not more:
            break
        open_ones |= more
    if not open_ones:
        return [()] * number_of_carried
    following = [
        _all(conditions) if conditions else logic.bool_node(bit, np.ones(bit.type.shape, bool))
        for conditions, bit in zip(ends, beside, strict=True)
    ]
    like = next((x for x in node.inputs if x.type.is_bool), node.inputs[0])
    first = [
        _all(conditions) if conditions else logic.truth(like, bit.type.shape)
        for conditions, bit in zip(given, beside, strict=False)
    ]
    operands = (*node.inputs[:number_of_carried], *first, *node.inputs[number_of_carried:], *outer)
    after = LoopBody((*body.carried, *beside), (*body.captured, *captured), (*body.results, *following))
    ended = graph.loop(node.attrs.of(LoopCount).count, operands, after)
    return [(ended[number_of_carried + place],) if place in open_ones else () for place in range(number_of_carried)]
