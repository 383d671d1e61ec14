"""Rows in an order that nobody knows: three permutations one after the other, of which each party misses one (§7.1).

Each pair of parties draws one permutation; columns of several kinds (words, residues modulo 2^w, bits under XOR) move
under the same three. Lines of one flat array move each by itself. What is opened behind a shuffle, and why it says
nothing, is in docs/security/shuffles.md; `open_shuffled` is the only way in which anything of it becomes plain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from tercet.errors import IntegrityError
from tercet.protocols.cost import Cost
from tercet.protocols.message import Fields, Layout, Words
from tercet.protocols.scope import Body, Pair, ProtocolRole, Scope, Step
from tercet.ring import RING64, Array, Places, flat_places, inverted, is_order, order_of, taken
from tercet.sharing import Purpose, Share


@dataclass(frozen=True, slots=True, repr=False)
class Movable:
    """One party's part of a flat array: ring words, residues modulo 2^w, or with `xor` groups of bits in words."""

    layout: Words | Fields = field(repr=False)
    own: Array = field(repr=False)
    next: Array = field(repr=False)
    xor: bool = False

    def add(self, a: Array, b: Array) -> Array:
        """A sum where the column lives; what stands above a residue's bits has no meaning."""
        return RING64.xor(a, b) if self.xor else self.layout.ring.add(a, b)

    def sub(self, a: Array, b: Array) -> Array:
        """A difference, as `add`."""
        return RING64.xor(a, b) if self.xor else self.layout.ring.sub(a, b)

    def reduced(self, words: Array) -> Array:
        """Without what stands above a residue's bits, so that both holders have the same."""
        return self.layout.ring.low(words, self.layout.bits) if isinstance(self.layout, Fields) else words

    def taken(self, order: Places) -> Movable:
        """The elements at public places."""
        return replace(self, own=taken(self.own, order), next=taken(self.next, order))


def word_column(x: Share) -> Movable:
    """A flat array of ring words."""
    return Movable(Words(x.ring, (x.size,)), x.own, x.next)


@dataclass(frozen=True, slots=True, repr=False)
class Shuffle:
    """The permutations that this party knows, by the pair that drew them; a party misses one."""

    orders: dict[Pair, Places]


def draw_shuffle(scope: Scope, count: int, lines: int) -> Shuffle:
    """A fresh uniform permutation of each line by each pair; local, 64 bits drawn an element and pair.

    Keys of 64 bits are sorted; where two of a line are equal (below 2^-24 for a million) all are drawn again, so what
    comes out is exactly uniform.
    """
    orders: dict[Pair, Places] = {}
    step = scope.step("order")
    for pair in Pair:
        if scope.component(pair) not in (scope.party, scope.party.next):
            continue
        for attempt in _ATTEMPTS:
            keys = step.words(pair, RING64, (count,), attempt)
            order = order_of(keys, lines)
            if order is not None:
                orders[pair] = order
                break
        else:
            raise IntegrityError("three draws of distinct keys had two equal ones each", hint="start a new job")
    return Shuffle(orders)


_ATTEMPTS = (Purpose.ORDER, Purpose.ORDER_AGAIN, Purpose.ORDER_LAST)


def shuffle(scope: Scope, columns: Sequence[Movable], by: Shuffle) -> Body[list[Movable]]:
    """The columns in the order of pi = pi_AD, then pi_AB, then pi_BD. Run by all three parties.

    Two rounds; 4 elements in all for each element. Exact. Semi-honest, one corruption: what D and B receive is masked
    by draws that they lack, A receives nothing; nobody knows pi. Every component of the result is fresh.
    Source: Chida et al., eprint 2019/695; Araki et al., CCS 2021; protocols page §7.1.
    """
    return (yield from _moved(scope, columns, by, back=False))


def unshuffle(scope: Scope, columns: Sequence[Movable], by: Shuffle) -> Body[list[Movable]]:
    """The columns with a shuffle undone: its mirror image, begun by B in the place of A. Costs as `shuffle`."""
    return (yield from _moved(scope, columns, by, back=True))


def _moved(scope: Scope, columns: Sequence[Movable], by: Shuffle, *, back: bool) -> Body[list[Movable]]:
    """X and Y are A and B, or B and A on the way back; X applies two permutations, then D and Y the last."""
    x_d, y_d = (Pair.BD, Pair.AD) if back else (Pair.AD, Pair.BD)
    x_role, y_role = (ProtocolRole.B, ProtocolRole.A) if back else (ProtocolRole.A, ProtocolRole.B)
    orders = {pair: inverted(order) if back else order for pair, order in by.orders.items()}
    inner, outer = [scope.step("shuffle") for _ in columns], [scope.step("reshare") for _ in columns]
    layouts = [column.layout for column in columns]

    def part(column: Movable, pair: Pair) -> Array:
        return column.own if scope.component(pair) is scope.party else column.next

    def drawn(steps: list[Step], pair: Pair, purpose: Purpose) -> list[Array]:
        return [step.draw(pair, layout, purpose) for step, layout in zip(steps, layouts, strict=True)]

    def fresh(pair: Pair) -> list[Array]:
        return drawn(outer, pair, Purpose.TERM if pair is x_d else Purpose.TERM_B)

    def received(step: Step, frm: ProtocolRole) -> Body[list[Array]]:
        arrays = yield step.receive(frm, *layouts)
        return [arrays] if len(layouts) == 1 else arrays

    if scope.role is x_role:
        masks, more = drawn(inner, x_d, Purpose.TERM), drawn(inner, Pair.AB, Purpose.TERM_B)
        message = []
        for column, a, b in zip(columns, masks, more, strict=True):
            both = column.add(part(column, x_d), part(column, Pair.AB))
            half = column.sub(taken(both, orders[x_d]), a)
            message.append((column.layout, column.sub(taken(half, orders[Pair.AB]), b)))
        inner[0].deal(ProtocolRole.D, *message)
        known = zip(columns, fresh(x_d), fresh(Pair.AB), strict=True)
        return [_column(scope, column, {x_d: u, Pair.AB: v}) for column, u, v in known]
    if scope.role is ProtocolRole.D:
        masks = drawn(inner, x_d, Purpose.TERM)
        moved = [taken(part(column, y_d), orders[x_d]) for column in columns]
        sent = [(each.layout, each.add(m, a)) for each, m, a in zip(columns, moved, masks, strict=True)]
        inner[0].deal(y_role, *sent)
        halves = yield from received(inner[0], x_role)
        other, pair = y_role, x_d
    else:
        masks = drawn(inner, Pair.AB, Purpose.TERM_B)
        gammas = yield from received(inner[0], ProtocolRole.D)
        moved = [taken(gamma, orders[Pair.AB]) for gamma in gammas]
        halves = [column.add(m, b) for column, m, b in zip(columns, moved, masks, strict=True)]
        other, pair = ProtocolRole.D, Pair.AB
    kept = fresh(pair)
    mine = [column.sub(taken(half, orders[y_d]), own) for column, half, own in zip(columns, halves, kept, strict=True)]
    outer[0].deal(other, *zip(layouts, mine, strict=True))
    theirs = yield from received(outer[0], other)
    result = []
    for column, own, one, two in zip(columns, kept, mine, theirs, strict=True):
        result.append(_column(scope, column, {pair: own, y_d: column.reduced(column.add(one, two))}))
    return result


def _column(scope: Scope, like: Movable, parts: dict[Pair, Array]) -> Movable:
    by_component = {scope.component(pair): words for pair, words in parts.items()}
    return replace(like, own=by_component[scope.party], next=by_component[scope.party.next])


def shuffle_cost(layouts: Sequence[Layout]) -> Cost:
    return Cost(2, 4 * sum(layout.nbytes for layout in layouts))


def open_shuffled(scope: Scope, places: Movable, lines: int) -> Body[Places]:
    """Make plain the places, within lines, that a shuffled column holds, which are those of a permutation.

    One round; w bits a party and element. Safe only behind a shuffle that is used for nothing else in plain, for
    places that a protocol itself has made: docs/security/shuffles.md. IntegrityError if they are no permutation.
    """
    step = scope.step("places")
    theirs = yield step.open_once(places.layout, places.own)
    total = places.reduced(RING64.add(RING64.add(places.own, places.next), theirs))
    order = flat_places(total, lines)
    if not is_order(order):
        raise IntegrityError("what was opened is no permutation", hint="one of the parties is faulty")
    return order
