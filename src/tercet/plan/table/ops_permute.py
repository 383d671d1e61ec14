"""Sorting, and permutations that nobody knows: made, undone, composed, and rows moved by them.

A permutation is a value of a type of its own. Operations here alone give one, all of them permutations whatever their
inputs are, and those that take one take nothing else, so that a plan cannot have the places of what is none opened.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from tercet.plan.table.attributes import Attributes, DrawnLines, DrawNumber, Undoing
from tercet.plan.table.operation import Call, Flow, Operation, Plain, Variant, any_call, arity, boolean, need, numeric
from tercet.plan.types import Type, ValueKind, permutation_type
from tercet.protocols.cost import NOTHING, Cost, Depths
from tercet.protocols.message import Layout, Words
from tercet.protocols.network import LONGEST, network_rows, network_rows_cost
from tercet.protocols.permutation import (
    compose_orders,
    invert_order,
    move_by,
    move_cost,
    order_column,
    order_places,
    order_share,
    random_order,
)
from tercet.protocols.scope import Body, Scope
from tercet.protocols.shuffle import (
    THREE_PASSES,
    TWO_ROUNDS,
    Movable,
    ShuffleForm,
    draw_shuffle,
    place_bits,
    place_layout,
    word_column,
)
from tercet.protocols.sort import (
    sort_order,
    sort_order_cost,
    sort_ranks,
    sort_ranks_cost,
    sort_rows,
    sort_rows_cost,
    sums_up_to,
    sums_up_to_cost,
)
from tercet.ring import MAX_PLACES, RING32, cut_bits, stack
from tercet.sharing import BitShare, Share

_FORMS = ((TWO_ROUNDS, ""), (THREE_PASSES, ", provable"))


MAX_KEY_BITS = 1 << 16
MAX_MOVED = 1 << 20
"""Rows that move together: a network goes through them one by one."""


def _in_words(lines: int, length: int) -> tuple[int, int]:
    """Lines and length, if places within a line, and those of all lines, are words of 32 bits."""
    fits = place_bits(length) <= RING32.bits and lines * length <= MAX_PLACES
    need(fits, f"{lines * length:,} elements have no order: at most 2^32 have, in lines of less")
    return lines, length


def _three_axes(rows: Type) -> tuple[int, int]:
    numeric(rows)
    need(len(rows.shape) == 3 and rows.shape[0] > 0, "takes rows, lines, places; one row at least")
    need(rows.shape[0] <= MAX_MOVED, f"{rows.shape[0]:,} rows that move together are more than {MAX_MOVED:,}")
    return _in_words(*rows.shape[1:])


def _key_lines(keys: Type) -> tuple[int, int]:
    boolean(keys)
    need(len(keys.shape) == 3 and keys.shape[0] > 0, "takes bits of keys, lines, places; one bit at least")
    need(keys.shape[0] <= MAX_KEY_BITS, f"keys of {keys.shape[0]:,} bits are longer than {MAX_KEY_BITS:,}")
    return _in_words(*keys.shape[1:])


def _infer_sort(inputs: Sequence[Type], attrs: Attributes) -> Type:
    arity(inputs, 2)
    lines, of_rows = _key_lines(inputs[0]), _three_axes(inputs[1])
    need(lines == of_rows, f"shapes {inputs[0].shape} and {inputs[1].shape} differ in lines or places")
    return inputs[1]


def _infer_sort_order(inputs: Sequence[Type], attrs: Attributes) -> Type:
    arity(inputs, 1)
    return permutation_type(*_key_lines(inputs[0]))


def _infer_ranks(inputs: Sequence[Type], attrs: Attributes) -> Type:
    arity(inputs, 1)
    lines, length = _key_lines(inputs[0])
    _in_words(2 * lines, length)
    return Type(ValueKind.INT, (lines, length), 64, 0, 0, min(2, 2 * length), 2 * length)


def _infer_sums_up_to(inputs: Sequence[Type], attrs: Attributes) -> Type:
    arity(inputs, 2)
    lines, length = _key_lines(inputs[0])
    numeric(inputs[1])
    need(len(inputs[1].shape) == 2 and lines > 1, "takes lines of keys and of limits, and columns (columns, places)")
    columns, places = inputs[1].shape
    need(places == length, f"columns of {places} places beside keys of {length}")
    need(columns <= MAX_MOVED, f"{columns:,} columns that move together are more than {MAX_MOVED:,}")
    _in_words(1, lines * length)
    found = inputs[1].with_shape((columns, lines - 1, length))
    return found.with_bounds(min(0, length * found.lo), max(0, length * found.hi))


def _infer_draw(inputs: Sequence[Type], attrs: DrawnLines) -> Type:
    arity(inputs, 0)
    return permutation_type(*_in_words(attrs.lines, attrs.length))


def _infer_shuffle(inputs: Sequence[Type], attrs: DrawNumber) -> Type:
    arity(inputs, 1)
    _three_axes(inputs[0])
    return inputs[0]


def _infer_move(inputs: Sequence[Type], attrs: Undoing) -> Type:
    arity(inputs, 2)
    lines = _three_axes(inputs[1])
    need(inputs[0].shape == lines, f"a permutation of {inputs[0].shape} lines and places, rows of {lines}")
    return inputs[1]


def _infer_invert(inputs: Sequence[Type], attrs: Attributes) -> Type:
    arity(inputs, 1)
    return inputs[0]


def _infer_places(inputs: Sequence[Type], attrs: Undoing) -> Type:
    arity(inputs, 1)
    shape = inputs[0].shape
    return Type(ValueKind.INT, shape, 64, 0, 0, 0, max(shape[1] - 1, 0))


def _infer_compose(inputs: Sequence[Type], attrs: Attributes) -> Type:
    arity(inputs, 2)
    need(inputs[0].shape == inputs[1].shape, f"permutations of {inputs[0].shape} and {inputs[1].shape}")
    return inputs[0]


# ---- at a party ----


def _planes(keys: BitShare, bits: int, count: int) -> BitShare:
    own, following = (
        stack([cut_bits(words, bit * count, count) for bit in range(bits)]) for words in (keys.own, keys.next)
    )
    return BitShare(count, own, following)


def _as_rows(rows: Share) -> Share:
    """What moves together, each row flat."""
    return rows.reshape((rows.shape[0], rows.shape[1] * rows.shape[2]))


def _lines(call: Call[Any]) -> tuple[int, int]:
    """Lines and length of a call's last operand, or of its result where it has none."""
    lines, length = (call.inputs[-1] if call.inputs else call.out).shape[-2:]
    return lines, length


def _columns(call: Call[Any]) -> Words:
    """What rides along, as one layout: of any number of rows a plan may write, costs are found at once."""
    return Words(call.ring, call.out.shape)


def _sort(
    digit_bits: int, form: ShuffleForm, scope: Scope, call: Call[Any], keys: BitShare, rows: Share
) -> Body[Share]:
    bits, lines, length = call.inputs[0].shape
    if not lines * length:
        return rows
    planes = _planes(keys, bits, lines * length)
    (found,) = yield from sort_rows(scope, planes, [_as_rows(rows)], lines, digit_bits, form)
    return found.reshape(call.out.shape)


def _sort_cost(digit_bits: int, form: ShuffleForm, call: Call[Any]) -> Cost:
    bits, lines, length = call.inputs[0].shape
    return sort_rows_cost(bits, lines * length, lines, digit_bits, [_columns(call)], form)


def _network(scope: Scope, call: Call[Any], keys: BitShare, rows: Share) -> Body[Share]:
    bits, lines, length = call.inputs[0].shape
    if not lines * length:
        return rows
    parts = [rows[at].flat() for at in range(rows.shape[0])]
    found = yield from network_rows(scope, _planes(keys, bits, lines * length), parts, lines)
    own, following = (stack([getattr(part, side) for part in found]) for side in ("own", "next"))
    return Share(rows.ring, own, following).reshape(call.out.shape)


def _network_cost(call: Call[Any]) -> Cost:
    bits, lines, length = call.inputs[0].shape
    return network_rows_cost(bits, lines * length, lines, call.ring, call.out.shape[0])


def _short(call: Call[Any]) -> bool:
    return bool(call.inputs[0].shape[2] <= LONGEST)


def _plane_order(digit_bits: int, form: ShuffleForm, scope: Scope, call: Call[Any], keys: BitShare) -> Body[Share]:
    bits, lines, length = call.inputs[0].shape
    if not lines * length:
        return Share.empty(call.ring, call.out.shape)
    order = yield from sort_order(scope, _planes(keys, bits, lines * length), lines, digit_bits, form)
    return order_share(order).reshape(call.out.shape)


def _plane_order_cost(digit_bits: int, form: ShuffleForm, call: Call[Any]) -> Cost:
    bits, lines, length = call.inputs[0].shape
    return sort_order_cost(bits, lines * length, lines, digit_bits, form) if lines * length else NOTHING


def _ranks(digit_bits: int, form: ShuffleForm, scope: Scope, call: Call[Any], keys: BitShare) -> Body[Share]:
    bits, lines, length = call.inputs[0].shape
    if not lines * length:
        return Share.empty(call.ring, call.out.shape)
    planes = _planes(keys, bits, lines * length)
    found = yield from sort_ranks(scope, planes, lines, digit_bits, form)
    return found.reshape(call.out.shape)


def _ranks_cost(digit_bits: int, form: ShuffleForm, call: Call[Any]) -> Cost:
    bits, lines, length = call.inputs[0].shape
    return sort_ranks_cost(bits, lines * length, lines, digit_bits, form) if lines * length else NOTHING


def _sums_up_to(
    digit_bits: int, form: ShuffleForm, scope: Scope, call: Call[Any], keys: BitShare, columns: Share
) -> Body[Share]:
    if not call.out.size:
        return Share.empty(call.ring, call.out.shape)
    bits, lines, length = call.inputs[0].shape
    found = yield from sums_up_to(scope, _planes(keys, bits, lines * length), columns, digit_bits, form)
    return found.reshape(call.out.shape)


def _sums_up_to_cost(digit_bits: int, form: ShuffleForm, call: Call[Any]) -> Cost:
    if not call.out.size:
        return NOTHING
    bits, lines, length = call.inputs[0].shape
    columns = Words(call.ring, (call.out.shape[0], lines * length))
    return sums_up_to_cost(bits, lines * length, columns, digit_bits, form)


def _drawn(form: ShuffleForm, scope: Scope, call: Call[Any]) -> Body[Share]:
    lines, length = call.out.shape
    if not lines * length:
        return Share.empty(call.ring, call.out.shape)
    order = yield from random_order(scope, lines * length, lines, form)
    return order_share(order).reshape(call.out.shape)


def _drawn_cost(form: ShuffleForm, call: Call[Any]) -> Cost:
    lines, length = call.out.shape
    return form.cost([place_layout(length, lines)]) if lines * length else NOTHING


def _shuffled(form: ShuffleForm, scope: Scope, call: Call[Any], rows: Share) -> Body[Share]:
    lines, length = _lines(call)
    if lines * length:
        by = draw_shuffle(scope, lines * length, lines)
        (moved,) = yield from form(scope, [word_column(_as_rows(rows))], by)
        rows = moved.share.reshape(call.out.shape)
    return rows


def _shuffled_cost(form: ShuffleForm, call: Call[Any]) -> Cost:
    lines, length = _lines(call)
    return form.cost([_columns(call)]) if lines * length else NOTHING


def _moved(form: ShuffleForm, scope: Scope, call: Call[Undoing], order: Share, rows: Share) -> Body[Share]:
    lines, length = _lines(call)
    if not lines * length:
        return rows
    places = order_column(order.flat(), lines)
    (moved,) = yield from move_by(scope, places, [word_column(_as_rows(rows))], lines, form, back=call.attrs.back)
    return moved.share.reshape(call.out.shape)


def _moved_cost(form: ShuffleForm, call: Call[Undoing]) -> Cost:
    lines, length = _lines(call)
    return _moving_cost(form, lines, length, _columns(call), back=call.attrs.back)


def _moving_cost(form: ShuffleForm, lines: int, length: int, columns: Layout, *, back: bool) -> Cost:
    if not lines * length:
        return NOTHING
    depths = Depths()
    total = move_cost(depths, place_layout(length, lines), [columns], form, back=back)
    return Cost(depths.rounds, total)


def _inverted(form: ShuffleForm, scope: Scope, call: Call[Any], order: Share) -> Body[Share]:
    lines, length = _lines(call)
    if not lines * length:
        return order
    found = yield from invert_order(scope, order_column(order.flat(), lines), lines, form)
    return order_share(found).reshape(call.out.shape)


def _composed(form: ShuffleForm, scope: Scope, call: Call[Any], first: Share, then: Share) -> Body[Share]:
    lines, length = _lines(call)
    if not lines * length:
        return first
    one, two = (order_column(order.flat(), lines) for order in (first, then))
    found: Movable = yield from compose_orders(scope, one, two, lines, form)
    return order_share(found).reshape(call.out.shape)


def _placed(form: ShuffleForm, scope: Scope, call: Call[Undoing], order: Share) -> Body[Share]:
    lines, length = _lines(call)
    if not lines * length:
        return order
    found = yield from order_places(scope, order_column(order.flat(), lines), lines, form, back=call.attrs.back)
    return found.reshape(call.out.shape)


def _placed_cost(form: ShuffleForm, call: Call[Undoing]) -> Cost:
    lines, length = _lines(call)
    return _moving_cost(form, lines, length, Words(call.ring, (lines * length,)), back=call.attrs.back)


def _order_cost(back: bool, form: ShuffleForm, call: Call[Any]) -> Cost:
    lines, length = _lines(call)
    return _moving_cost(form, lines, length, place_layout(length, lines), back=back)


def _by_form(run: Callable[..., Any], cost: Callable[..., Cost]) -> tuple[Variant, ...]:
    """The two forms of the shuffle."""
    return tuple(Variant(form.name, partial(run, form), partial(cost, form)) for form, _ in _FORMS)


def _narrow(call: Call[Any]) -> bool:
    """Whether places and the bits of a digit fit a word of 32 bits together."""
    return place_bits(call.inputs[0].shape[2]) + 3 <= RING32.bits


def _narrow_as_one(call: Call[Any]) -> bool:
    """The same of all lines as one."""
    return place_bits(math.prod(call.inputs[0].shape[1:])) + 3 <= RING32.bits


def _by_digits(
    run: Callable[..., Any], cost: Callable[..., Cost], narrow: Callable[[Any], bool] = _narrow
) -> tuple[Variant, ...]:
    """Digits of 2 and of 3 bits, in both forms of the shuffle."""
    return tuple(
        Variant(
            f"{name}{marked}",
            partial(run, bits, form),
            partial(cost, bits, form),
            fits=any_call if form.provable else narrow,
        )
        for form, marked in _FORMS
        for bits, name in ((2, "fewer bytes"), (3, "fewer rounds"))
    )


# ---- what is held meanwhile ----

_PARTS = 5
"""So many arrays as large as one component of what moves: masks, messages, what arrives, and what is made of them."""
_WORDS = 12
"""So many words of 32 bits an element while a digit is sorted by: orders and what they undo, places, digits."""
_FIELDS = 26
"""So many residues of an element then: dealt, drawn, sent, arrived; of digits between two and three bits."""


def _held_moving(call: Call[Any]) -> int:
    """Of the columns and places that are shuffled, and the orders that do it."""
    lines, length = _lines(call)
    rows = call.out.shape[0] if len(call.out.shape) == 3 else 1
    return lines * length * (_PARTS * rows * call.out.word_bytes + 16)


def _held_ranks(call: Call[Any]) -> int:
    """Of twice as many lines, and their places as words."""
    bits, lines, length = call.inputs[0].shape
    count = 2 * lines * length
    digit = count * (4 * _WORDS + _FIELDS * place_bits(length) // 8)
    return 2 * bits * count // 8 + max(digit, count * (_PARTS * call.out.word_bytes + 16))


def _held_sums_up_to(call: Call[Any]) -> int:
    """Of the keys and limits of all lines as one, and of columns as long."""
    bits, lines, length = call.inputs[0].shape
    count = lines * length
    digit = count * (4 * _WORDS + _FIELDS * place_bits(count) // 8)
    moving = count * ((_PARTS + 2) * call.out.shape[0] * call.out.word_bytes + 16)
    return 2 * bits * count // 8 + max(digit, moving)


def _held_sorting(call: Call[Any]) -> int:
    """Of a digit, beside the bits of all digits; then what rides along moves."""
    bits, lines, length = call.inputs[0].shape
    count = lines * length
    digit = count * (4 * _WORDS + _FIELDS * place_bits(length) // 8)
    return 2 * bits * count // 8 + max(digit, _held_moving(call))


# ---- what it means ----


def _plain_sort(inputs: Sequence[Plain], attrs: Attributes, out: Type) -> Plain:
    keys, rows = np.asarray(inputs[0], dtype=bool), np.asarray(inputs[1], dtype=object)
    order = np.lexsort(keys, axis=-1)
    return np.take_along_axis(rows, np.broadcast_to(order, rows.shape), axis=2)


def _undone(order: Plain) -> Plain:
    return np.argsort(np.asarray(order).astype(np.int64), axis=-1).astype(object)


def _plain_sort_order(inputs: Sequence[Plain], attrs: Attributes, out: Type) -> Plain:
    return _undone(np.lexsort(np.asarray(inputs[0], dtype=bool), axis=-1).reshape(out.shape))


def _plain_ranks(inputs: Sequence[Plain], attrs: Attributes, out: Type) -> Plain:
    """As many as are below, and as many as are not above, and one."""
    found = np.empty(out.shape, dtype=object)
    for line in range(out.shape[0] if out.size else 0):
        names = np.unique(np.asarray(inputs[0], dtype=bool)[::-1, line], axis=1, return_inverse=True)[1].reshape(-1)
        most = np.cumsum(np.bincount(names))
        found[line] = most[names] + np.append(0, most)[names] + 1
    return found


def _plain_sums_up_to(inputs: Sequence[Plain], attrs: Attributes, out: Type) -> Plain:
    """Keys are named by their order among keys and limits; sums by name are added up."""
    columns, limits, length = out.shape
    found = np.zeros(out.shape, dtype=object)
    if out.size:
        flat = np.asarray(inputs[0], dtype=bool).reshape(len(inputs[0]), -1)
        names = np.unique(flat[::-1], axis=1, return_inverse=True)[1].reshape(limits + 1, length)
        for column in range(columns):
            sums = np.zeros(int(names.max()) + 1, dtype=object)
            np.add.at(sums, names[0], np.asarray(inputs[1], dtype=object)[column])
            found[column] = np.add.accumulate(sums)[names[1:]]
    return found


def _plain_draw(inputs: Sequence[Plain], attrs: DrawnLines, out: Type) -> Plain:
    """One of the permutations that it may be."""
    return np.broadcast_to(np.arange(out.shape[1]), out.shape).astype(object)


def _plain_shuffle(inputs: Sequence[Plain], attrs: DrawNumber, out: Type) -> Plain:
    """One of the orders that it may be."""
    return inputs[0]


def _plain_move(inputs: Sequence[Plain], attrs: Undoing, out: Type) -> Plain:
    order, rows = np.asarray(inputs[0]), np.asarray(inputs[1], dtype=object)
    order = order if attrs.back else _undone(order)
    return np.take_along_axis(rows, np.broadcast_to(order.astype(np.int64), rows.shape), axis=2)


def _plain_invert(inputs: Sequence[Plain], attrs: Attributes, out: Type) -> Plain:
    return _undone(inputs[0])


def _plain_places(inputs: Sequence[Plain], attrs: Undoing, out: Type) -> Plain:
    return inputs[0] if attrs.back else _undone(inputs[0])


def _plain_compose(inputs: Sequence[Plain], attrs: Attributes, out: Type) -> Plain:
    first, then = (np.asarray(order).astype(np.int64) for order in inputs)
    return np.take_along_axis(then, first, axis=-1).astype(object)


_SHUFFLE = "three permutations, each known to two parties (Chida et al. 2019), or in three passes (Laur et al. 2011)"

PERMUTATIONS: tuple[Operation[Any], ...] = (
    Operation(
        "sort",
        130,
        "rows in the order of their keys, which are given as bits; stable",
        Attributes,
        _infer_sort,
        (
            *_by_digits(_sort, _sort_cost),
            Variant("network", _network, _network_cost, fits=_short),
        ),
        _plain_sort,
        protocol="radix sort by digits of 2 or 3 bits; shuffled places are opened (Chida et al. 2019); "
        "of up to 64 places also Batcher's network, which opens nothing",
        rows=Flow.ORDERED,
        held=_held_sorting,
    ),
    Operation(
        "sort_order",
        184,
        "the permutation that brings lines into the order of their keys, which are given as bits; stable",
        Attributes,
        _infer_sort_order,
        _by_digits(_plane_order, _plane_order_cost),
        _plain_sort_order,
        protocol="as sort",
        rows=Flow.ORDERED,
        held=_held_sorting,
    ),
    Operation(
        "ranks",
        191,
        "twice the average rank of each element of lines, from 2 on, by their keys, which are given as bits",
        Attributes,
        _infer_ranks,
        _by_digits(_ranks, _ranks_cost),
        _plain_ranks,
        protocol="as sort, of the lines and of their keys turned: both places of an element are added",
        rows=Flow.RANKED,
        held=_held_ranks,
    ),
    Operation(
        "sums_up_to",
        192,
        "of each element and each of its limits, the sums of columns over the elements of the line whose keys are not "
        "above it; keys, and behind them limits, are given as bits",
        Attributes,
        _infer_sums_up_to,
        _by_digits(_sums_up_to, _sums_up_to_cost, _narrow_as_one),
        _plain_sums_up_to,
        protocol="as sort, of keys and limits as one line, along which the columns are added up",
        rows=Flow.AMONG,
        held=_held_sums_up_to,
    ),
    Operation(
        "draw_order",
        185,
        "a uniform permutation of each line, which nobody knows",
        DrawnLines,
        _infer_draw,
        _by_form(_drawn, _drawn_cost),
        _plain_draw,
        error="any of the permutations, each as likely",
        protocol=_SHUFFLE,
        rows=Flow.DRAWN,
        held=_held_moving,
    ),
    Operation(
        "shuffle",
        186,
        "rows in an order of each line that nobody knows",
        DrawNumber,
        _infer_shuffle,
        _by_form(_shuffled, _shuffled_cost),
        _plain_shuffle,
        error="any of the orders, each as likely",
        protocol=_SHUFFLE,
        rows=Flow.ORDERED,
        held=_held_moving,
    ),
    Operation(
        "move",
        187,
        "rows where a permutation sends them, or from there",
        Undoing,
        _infer_move,
        _by_form(_moved, _moved_cost),
        _plain_move,
        protocol="a shuffle, behind which the shuffled places are opened",
        rows=Flow.ORDERED,
        held=_held_moving,
        orders=(0,),
    ),
    Operation(
        "invert_order",
        188,
        "the permutation that undoes another",
        Attributes,
        _infer_invert,
        _by_form(_inverted, partial(_order_cost, False)),
        _plain_invert,
        protocol="as move",
        rows=Flow.ORDERED,
        held=_held_moving,
        orders=(0,),
    ),
    Operation(
        "compose_orders",
        189,
        "a permutation and then another",
        Attributes,
        _infer_compose,
        _by_form(_composed, partial(_order_cost, True)),
        _plain_compose,
        protocol="as move",
        rows=Flow.ORDERED,
        held=_held_moving,
        orders=(0, 1),
    ),
    Operation(
        "order_places",
        190,
        "which element a permutation brings to each place, as numbers; or, undone, where it sends each",
        Undoing,
        _infer_places,
        _by_form(_placed, _placed_cost),
        _plain_places,
        protocol="as move, of public places",
        rows=Flow.ORDERED,
        held=_held_moving,
        orders=(0,),
    ),
)
