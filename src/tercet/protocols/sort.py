"""Radix sort of shared keys: stable, by digits of two or three bits from the lowest on (protocols page §7.3).

The rows' places so far, sigma, are shared modulo 2^w. For each digit the rows are shuffled with their places, the
shuffled places opened, and the digits put there; the places by the digit are added up there and brought back through
the shuffle. Nothing else is opened. Here places are halves of two parties, and one-hot vectors of digits are dealt;
what can be proven is in `sort_provable`.
"""

from __future__ import annotations

from collections.abc import Sequence

from tercet.protocols.bits import bit_not
from tercet.protocols.convert import split_bits_form
from tercet.protocols.cost import NOTHING, Cost, Depths
from tercet.protocols.digits import digit_places, digit_places_bytes, note_digit_places
from tercet.protocols.message import Fields, Layout, Words
from tercet.protocols.opening import open_halves
from tercet.protocols.permutation import move_by, move_cost, move_halves, note_move_halves, order_places
from tercet.protocols.product import add_public
from tercet.protocols.scope import Body, Pair, ProtocolRole, Scope
from tercet.protocols.shuffle import (
    Half,
    Movable,
    ShuffleForm,
    draw_shuffle,
    place_layout,
    shared_again,
    through,
    word_column,
)
from tercet.protocols.sort_provable import provable_order, provable_order_cost
from tercet.ring import RING32, RING64, Array, Bits, Places, concatenate, from_planes, join_rows, scatter, stack
from tercet.sharing import BitShare, Purpose, Share


def cut_digits(bits: int, digit_bits: int) -> list[range]:
    return [range(start, min(start + digit_bits, bits)) for start in range(0, bits, digit_bits)]


def sort_order(scope: Scope, keys: BitShare, lines: int, digit_bits: int, form: ShuffleForm) -> Body[Movable]:
    """Where the elements of each line go in the stable order of their keys, as places. Run by all three parties.

    `keys`: planes (bits, ...) of flat unsigned keys, the lowest bit first, of which there is one at least; lines of two
    elements at least. `form`: where it is provable, all is (`sort_provable`); else for each digit of k bits
    `digit_places` and, after the first, a shuffle of halves (2 w + 2 k bits an element in all) and back (2 w), an
    opening (2 w) and the digits at their places (2 k). Exact. Semi-honest, one corruption. What is opened, and why it
    says nothing: docs/security/shuffles.md. Source: Hamada et al. 2014, Chida et al.
    2019/695; halves and dealt digits own.
    """
    if form.provable:
        return (yield from provable_order(scope, keys, lines, cut_digits(keys.own.shape[0], digit_bits), form))
    main, half = yield from _order_halves(scope, keys, lines, digit_bits)
    layout = place_layout(keys.count // lines, lines)
    like = Movable(layout, RING32.zeros(0), RING32.zeros(0))
    (sigma,) = yield from shared_again(main, [like], [half], back=True)
    scope.join([main])
    return sigma


def sort_rows(
    scope: Scope, keys: BitShare, rows: list[Share], lines: int, digit_bits: int, form: ShuffleForm
) -> Body[list[Share]]:
    """Arrays or rows of arrays, in lines, each line in the order of its keys, equal keys in theirs. All three parties.

    `sort_order`, then the arrays moved there together: 4 elements in all for each element, and 4 w bits or, where it is
    provable, 9 w.
    """
    if keys.count < 2 * lines:
        return rows
    columns = [word_column(row) for row in rows]
    if form.provable:
        sigma = yield from sort_order(scope, keys, lines, digit_bits, form)
        (main,) = scope.fork(1, rotate=True)
        moved = yield from move_by(main, sigma, columns, lines, form)
    else:
        main, half = yield from _order_halves(scope, keys, lines, digit_bits)
        moved = yield from move_halves(main, half, columns, lines)
    scope.join([main])
    return [column.share for column in moved]


def sort_ranks(scope: Scope, keys: BitShare, lines: int, digit_bits: int, form: ShuffleForm) -> Body[Share]:
    """Twice the average rank of each element in its line, from 2 on, as words of the ring of 64 bits. By all three.

    The lines are sorted as they are, and by keys with all bits turned, side by side, both stable. Of equal elements the
    first is first in both orders, so that its place in one and its place from the end in the other add up to what they
    add up to for all of them: the first and the last place of their run. `sort_order` of twice as many lines, and their
    places as numbers (4 w bits and 4 words of each). Exact. Security as `sort_order` and `move_by`. Source: own.
    """
    count = keys.count
    turned = bit_not(scope, keys)
    both = BitShare(2 * count, *(_beside(a, b, count) for a, b in ((keys.own, turned.own), (keys.next, turned.next))))
    if form.provable:
        order = yield from provable_order(scope, both, 2 * lines, cut_digits(keys.own.shape[0], digit_bits), form)
        (main,) = scope.fork(1, rotate=True)
    else:
        main, half = yield from _order_halves(scope, both, 2 * lines, digit_bits)
        like = Movable(place_layout(count // lines, 2 * lines), RING32.zeros(0), RING32.zeros(0))
        (order,) = yield from shared_again(main, [like], [half], back=True)
    places = yield from order_places(main, order, 2 * lines, form, back=True)
    scope.join([main])
    ring = places.ring
    own, following = (ring.sub(part[:count], part[count:]) for part in (places.own, places.next))
    return add_public(scope, Share(ring, own, following), ring.constant(count // lines + 1, (count,)))


def sums_up_to(scope: Scope, keys: BitShare, columns: Share, digit_bits: int, form: ShuffleForm) -> Body[Share]:
    """Sums of columns over all elements whose keys are not above a limit, for every limit. Run by all three parties.

    `keys`: planes (bits, ...) of flat unsigned keys, first of the n elements of the columns (k, n), then of the limits,
    of which there is one at least. Gives (k, limits). Limits have zeros in the columns; all are sorted in one line,
    limits behind equal keys, added up along it, and moved back. `sort_order` of all, then 8 elements in all for each
    element of that line and column, and 8 w bits. Exact modulo the ring of the columns. Security as `sort_order` and
    `move_by`. Source: own.
    """
    count = keys.count
    elements = columns.shape[1]
    if form.provable:
        order = yield from provable_order(scope, keys, 1, cut_digits(keys.own.shape[0], digit_bits), form)
        (main,) = scope.fork(1, rotate=True)
    else:
        main, half = yield from _order_halves(scope, keys, 1, digit_bits)
        like = Movable(place_layout(count, 1), RING32.zeros(0), RING32.zeros(0))
        (order,) = yield from shared_again(main, [like], [half], back=True)
    ring = columns.ring
    nothing = ring.zeros((columns.shape[0], count - elements))
    own, following = (concatenate([part, nothing], axis=1) for part in (columns.own, columns.next))
    (line,) = yield from move_by(main, order, [word_column(Share(ring, own, following))], 1, form)
    sums = Share(ring, ring.cumsum(line.own, 1), ring.cumsum(line.next, 1))
    (found,) = yield from move_by(main, order, [word_column(sums)], 1, form, back=True)
    scope.join([main])
    return found.share[:, elements:]


def _beside(planes: Bits, others: Bits, count: int) -> Bits:
    """Planes of bits, and behind each of them another."""
    return stack([join_rows(stack([one, other]), count) for one, other in zip(planes, others, strict=True)])


def _order_halves(scope: Scope, keys: BitShare, lines: int, digit_bits: int) -> Body[tuple[Scope, Half]]:
    """The places that `sort_order` finds as halves of A and D of the scope that comes with them."""
    count = keys.count
    layout = place_layout(count // lines, lines)
    w = layout.bits
    # D, A and B of the shuffles deal digits: A after a shuffle, B the first one, as halves are at the two others
    main, by_a, by_b = scope.fork(3, rotate=True)
    first, *others = cut_digits(keys.own.shape[0], digit_bits)
    digits = from_planes(split_bits_form(by_b, keys[first.start : first.stop]), count, RING32)
    words = yield from digit_places(by_b, len(first), w, digits, lines)
    main.join([by_b])
    sigma = Half(layout, words, w)
    for digit in others:
        k = len(digit)
        by = draw_shuffle(main, count, lines)
        both = Half(Fields(w + k, count, RING32), _with_bits(main, sigma.words, w, keys[digit.start : digit.stop]), w)
        (mixed,) = yield from through(main, [both], by)
        rho = yield from open_halves(main, layout, mixed.words, lines)
        digits = yield from _digits_there(main, Fields(k, count, RING32), mixed.words, w, rho)
        by_a.join([main])
        words = yield from digit_places(by_a, k, w, digits, lines)
        main.join([by_a])
        tau = Half(layout, words, w)
        (sigma,) = yield from through(main, [tau if rho is None else tau.taken(rho)], by, back=True)
    return main, sigma


def _digits_there(scope: Scope, layout: Fields, mixed: Array | None, w: int, rho: Places | None) -> Body[Array]:
    """The digits above w bits of halves at their places, as c XOR r: c at B and D, r at A, which does not know places.

    One round. Exact. Semi-honest, one corruption: r is drawn, a part with D and a part with B, and hides from each of
    these what the other sends.
    """
    step = scope.step("digits")
    if mixed is None or rho is None:
        return RING32.xor(step.draw(Pair.AD, layout, Purpose.TERM), step.draw(Pair.AB, layout, Purpose.TERM_B))
    is_d = scope.role is ProtocolRole.D
    other = ProtocolRole.B if is_d else ProtocolRole.D
    drawn = step.draw(Pair.AD, layout, Purpose.TERM) if is_d else step.draw(Pair.AB, layout, Purpose.TERM_B)
    mine = RING32.xor(scatter(RING32.shr(mixed, w), rho), drawn)
    step.deal(other, (layout, mine))
    theirs = yield step.receive(other, layout)
    return RING32.xor(mine, theirs)


def _with_bits(main: Scope, places: Array | None, w: int, planes: BitShare) -> Array | None:
    """Places with the bits of a digit above them, in halves: of these A has two components and D the third."""
    if places is None:
        return None
    part: Bits = planes.own ^ planes.next
    if main.role is ProtocolRole.D:
        part = planes.own if main.component(Pair.BD) is main.party else planes.next
    digits = from_planes(part, planes.count, RING32)
    return RING32.add_shl(places, digits, w)


def _order_bytes(depths: Depths, bits: int, count: int, lines: int, digit_bits: int, form: ShuffleForm) -> int:
    """Of `sort_order`, or, where it is not provable, of `_order_halves`; rounds are noted in `depths`."""
    digits = cut_digits(bits, digit_bits)
    layout = place_layout(count // lines, lines)
    if form.provable:
        return provable_order_cost(depths, digits, count, layout, form)
    total = digit_places_bytes(len(digits[0]), layout.bits, count)
    note_digit_places(depths, "b", "d", "a")
    for digit in digits[1:]:
        k = len(digit)
        depths.through()
        depths.halves()
        depths.halves()
        note_digit_places(depths, "a", "b", "d")
        depths.through(back=True)
        total += 2 * Fields(layout.bits + k, count).nbytes + 2 * Fields(k, count).nbytes + 4 * layout.nbytes
        total += digit_places_bytes(k, layout.bits, count)
    return total


def sort_order_cost(bits: int, count: int, lines: int, digit_bits: int, form: ShuffleForm) -> Cost:
    depths = Depths()
    total = _order_bytes(depths, bits, count, lines, digit_bits, form)
    if not form.provable:
        depths.halves(back=True)
        total += 2 * place_layout(count // lines, lines).nbytes
    return Cost(depths.rounds, total)


def sort_rows_cost(
    bits: int, count: int, lines: int, digit_bits: int, columns: Sequence[Layout], form: ShuffleForm
) -> Cost:
    """Of `sort_rows` of columns of these layouts, of which several of one ring may be one."""
    if count < 2 * lines or not lines:
        return NOTHING
    depths = Depths()
    total = _order_bytes(depths, bits, count, lines, digit_bits, form)
    layout = place_layout(count // lines, lines)
    if form.provable:
        total += move_cost(depths, layout, columns, form)
    else:
        total += note_move_halves(depths, layout, columns)
    return Cost(depths.rounds, total)


def sort_ranks_cost(bits: int, count: int, lines: int, digit_bits: int, form: ShuffleForm) -> Cost:
    depths = Depths()
    total = _order_bytes(depths, bits, 2 * count, 2 * lines, digit_bits, form)
    layout = place_layout(count // lines, 2 * lines)
    if not form.provable:
        depths.halves(back=True)
        total += 2 * layout.nbytes
    total += move_cost(depths, layout, [Words(RING64, (2 * count,))], form, back=True)
    return Cost(depths.rounds, total)


def sums_up_to_cost(bits: int, count: int, columns: Layout, digit_bits: int, form: ShuffleForm) -> Cost:
    """Of `count` keys and limits, and columns of this layout, which has a place for each of both."""
    depths = Depths()
    total = _order_bytes(depths, bits, count, 1, digit_bits, form)
    layout = place_layout(count, 1)
    if not form.provable:
        depths.halves(back=True)
        total += 2 * layout.nbytes
    total += move_cost(depths, layout, [columns], form)
    total += move_cost(depths, layout, [columns], form, back=True)
    return Cost(depths.rounds, total)
