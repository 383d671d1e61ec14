"""Secret permutations: made, undone, composed, and applied to arrays (protocols page §7.2).

A permutation of each of some lines is shared as the places within its line where elements go, residues modulo 2^w. It
is made by the functions here and in `sort` alone, so it is one whatever anybody claims; that is what makes an opening
of its shuffled places safe (docs/security/shuffles.md).
"""

from __future__ import annotations

from collections.abc import Sequence

from tercet.protocols.cost import Depths
from tercet.protocols.message import Fields, Layout
from tercet.protocols.opening import open_halves, open_shuffled
from tercet.protocols.scope import Body, Scope
from tercet.protocols.shuffle import (
    Half,
    Movable,
    ShuffleForm,
    draw_shuffle,
    halves_of,
    place_layout,
    shared_again,
    through,
    word_column,
)
from tercet.ring import RING32, RING64, scatter
from tercet.sharing import Party, Share


def order_column(order: Share, lines: int) -> Movable:
    """A flat permutation as words of the ring of 64 bits, as residues that move."""
    layout = place_layout(order.size // lines, lines)
    own, following = (RING32.low(RING64.resize(part, RING32), layout.bits) for part in (order.own, order.next))
    return Movable(layout, own, following)


def order_share(column: Movable) -> Share:
    """Residues as a permutation in words of the ring of 64 bits; what they add up to counts modulo 2^w."""
    return Share(RING64, RING32.resize(column.own, RING64), RING32.resize(column.next, RING64))


def _identity(scope: Scope, count: int, lines: int) -> Movable:
    """The public places within lines, as a sharing: of one component."""
    layout = place_layout(count // lines, lines)
    places = RING32.cumsum(RING32.constant(1, (lines, count // lines)).copy(), axis=1)
    places = RING32.sub(places, RING32.from_ints([1])).reshape(-1)
    nothing = RING32.zeros((count,))
    own = places if scope.party is Party.P1 else nothing
    return Movable(layout, own, places if scope.party.next is Party.P1 else nothing)


def random_order(scope: Scope, count: int, lines: int, form: ShuffleForm) -> Body[Movable]:
    """A uniform permutation of each line that nobody knows. Run by all three parties; costs as a shuffle of places.

    Exact. Semi-honest, one corruption. Source: protocols page §7.1.
    """
    by = draw_shuffle(scope, count, lines)
    (moved,) = yield from form(scope, [_identity(scope, count, lines)], by)
    return moved


def move_by(
    scope: Scope, order: Movable, columns: Sequence[Movable], lines: int, form: ShuffleForm, *, back: bool = False
) -> Body[list[Movable]]:
    """Each element of flat columns where `order` sends it; with `back`, from there to where it was. All three parties.

    The columns are shuffled with the places, and the shuffled places opened; with `back` the places alone are, and the
    columns come back through the shuffle. Exact. Semi-honest, one corruption: what is opened is a uniform permutation,
    whatever `order` is, as long as it is one. Source: protocols page §7.2; Laur, Willemson, Zhang, ISC 2011.
    """
    if not form.provable:
        if back:
            return (yield from _move_back(scope, order, columns, lines))
        return (yield from move_halves(scope, halves_of(scope, [order])[0], columns, lines))
    by = draw_shuffle(scope, order.own.size, lines)
    if back:
        (mixed,) = yield from form(scope, [order], by)
        rho = yield from open_shuffled(scope, place_layout(order.own.size // lines, lines), mixed.share, lines)
        return (yield from form(scope, [column.taken(rho) for column in columns], by, back=True))
    mixed, *moved = yield from form(scope, [order, *columns], by)
    rho = yield from open_shuffled(scope, place_layout(order.own.size // lines, lines), mixed.share, lines)
    return [
        Movable(
            column.layout,
            scatter(column.own, rho, threads=scope.threads),
            scatter(column.next, rho, threads=scope.threads),
            column.xor,
        )
        for column in moved
    ]


def move_halves(scope: Scope, order: Half, columns: Sequence[Movable], lines: int) -> Body[list[Movable]]:
    """`move_by` in the form that cannot be proven, of an order in halves of A and D.

    The places become plain to B and D, which put their halves of the columns there before they share them again. In all
    4 w bits and 4 elements for each element of a column.
    """
    layout = order.layout
    assert isinstance(layout, Fields)
    by = draw_shuffle(scope, layout.count, lines)
    mixed, *moved = yield from through(scope, [order, *halves_of(scope, columns)], by)
    rho = yield from open_halves(scope, layout, mixed.words, lines)
    if rho is not None:
        moved = [half.scattered(rho, threads=scope.threads) for half in moved]
    return (yield from shared_again(scope, columns, moved))


def _move_back(scope: Scope, order: Movable, columns: Sequence[Movable], lines: int) -> Body[list[Movable]]:
    """As `move_halves`, from where `order` sends elements to where they were; of an order that is a sharing."""
    by = draw_shuffle(scope, order.own.size, lines)
    (mixed,) = yield from through(scope, halves_of(scope, [order]), by)
    halves = halves_of(scope, columns, back=True)
    rho = yield from open_halves(scope, place_layout(order.own.size // lines, lines), mixed.words, lines)
    if rho is not None:
        halves = [half.taken(rho, threads=scope.threads) for half in halves]
    found = yield from through(scope, halves, by, back=True)
    return (yield from shared_again(scope, columns, found, back=True))


def invert_order(scope: Scope, order: Movable, lines: int, form: ShuffleForm) -> Body[Movable]:
    """The permutation that undoes another: public places moved by it. Run by all three parties; costs as `move_by`."""
    (moved,) = yield from move_by(scope, order, [_identity(scope, order.own.size, lines)], lines, form)
    return moved


def compose_orders(scope: Scope, first: Movable, then: Movable, lines: int, form: ShuffleForm) -> Body[Movable]:
    """Where elements go by `first` and from there by `then`. Run by all three parties; costs as `move_by` back."""
    (moved,) = yield from move_by(scope, first, [then], lines, form, back=True)
    return moved


def order_places(scope: Scope, order: Movable, lines: int, form: ShuffleForm, *, back: bool = False) -> Body[Share]:
    """Which element comes to each place within its line, as words of the ring of 64 bits; with `back`, where each goes.

    Public places moved by it. Run by all three parties; costs as `move_by`.
    """
    known = order_share(_identity(scope, order.own.size, lines))
    (moved,) = yield from move_by(scope, order, [word_column(known)], lines, form, back=back)
    return moved.share


def move_cost(
    depths: Depths, places: Layout, columns: Sequence[Layout], form: ShuffleForm, *, back: bool = False
) -> int:
    """Bytes of `move_by`; its rounds are noted in `depths`."""
    if not form.provable:
        if not back:
            return note_move_halves(depths, places, columns)
        depths.through()
        depths.halves()
        depths.shuffle(back=True)
        return 4 * places.nbytes + form.cost(columns).total_bytes
    form.note(depths)
    depths.open_once()
    if back:
        form.note(depths, back=True)
    return form.cost([places, *columns]).total_bytes + 3 * places.nbytes


def note_move_halves(depths: Depths, places: Layout, columns: Sequence[Layout]) -> int:
    """Bytes of `move_halves`; its rounds are noted in `depths`."""
    depths.through()
    depths.halves()
    depths.halves()
    return 4 * (places.nbytes + sum(column.nbytes for column in columns))
