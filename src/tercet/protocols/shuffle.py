"""Rows in an order that nobody knows: three permutations one after the other, of which each party misses one (§7.1).

Each pair of parties draws one permutation; columns of several kinds (words, residues modulo 2^w, bits under XOR) move
under the same three. Lines of one flat array move each by itself. There are two forms: in two rounds, and in three
passes, whose messages can be proven. What is opened behind a shuffle is in docs/security/shuffles.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from tercet.errors import IntegrityError
from tercet.protocols.cost import Cost, Depths
from tercet.protocols.message import Fields, Layout, Words
from tercet.protocols.scope import Body, Pair, ProtocolRole, Scope, Step
from tercet.ring import RING32, Array, Places, draw_orders, empty_bytes, gather, inverted, order_bytes
from tercet.sharing import Purpose, Share


@dataclass(frozen=True, slots=True, repr=False)
class Movable:
    """One party's part of a flat array: ring words, residues modulo 2^w, or with `xor` groups of bits in words."""

    layout: Words | Fields = field(repr=False)
    own: Array = field(repr=False)
    next: Array = field(repr=False)
    xor: bool = False

    def add(self, a: Array, b: Array, *, own: bool = False) -> Array:
        """A sum where the column lives; what stands above a residue's bits has no meaning. `own`: b is overwritten."""
        if self.xor:
            return self.layout.ring.xor(a, b)
        return self.layout.ring.add(a, b, out=b) if own else self.layout.ring.add(a, b)

    def sub(self, a: Array, b: Array) -> Array:
        """A difference, as `add`; a is overwritten."""
        return self.layout.ring.xor(a, b) if self.xor else self.layout.ring.sub(a, b, out=a)

    def reduced(self, words: Array) -> Array:
        """Without what stands above a residue's bits, so that both holders have the same; in place."""
        if not isinstance(self.layout, Fields):
            return words
        return self.layout.ring.low(words, self.layout.bits, out=words)

    def taken(self, order: Places) -> Movable:
        """The elements at public places."""
        return replace(self, own=gather(self.own, order), next=gather(self.next, order))

    @property
    def share(self) -> Share:
        """The same as a sharing; of residues, modulo 2^w."""
        return Share(self.layout.ring, self.own, self.next)


def word_column(x: Share) -> Movable:
    """A flat array of ring words."""
    return Movable(Words(x.ring, (x.size,)), x.own, x.next)


def place_bits(length: int) -> int:
    """w: how many bits places of a line, and counts up to its length, have."""
    return length.bit_length()


def place_layout(length: int, lines: int) -> Fields:
    """Of places within lines."""
    return Fields(place_bits(length), lines * length, RING32)


@dataclass(frozen=True, slots=True, repr=False)
class Shuffle:
    """The permutations that this party knows, by the pair that drew them; a party misses one."""

    orders: dict[Pair, Places]


def draw_shuffle(scope: Scope, count: int, lines: int) -> Shuffle:
    """A fresh uniform permutation of each line by each pair; local, 32 bits drawn an element and pair.

    By Fisher and Yates' method with rejection, so what comes out is exactly uniform. IntegrityError if more words are
    rejected than are drawn, which has a probability below 2^-90.
    """
    orders: dict[Pair, Places] = {}
    step = scope.step("order")
    length = count // lines
    for pair in Pair:
        if scope.component(pair) not in (scope.party, scope.party.next):
            continue
        uniform = empty_bytes(order_bytes(lines, length))
        step.fill(pair, uniform, Purpose.ORDER)
        order = draw_orders(uniform, lines, length)
        if order is None:
            raise IntegrityError("the words drawn for a permutation did not suffice", hint="start a new job")
        orders[pair] = order
    return Shuffle(orders)


@dataclass(frozen=True, slots=True)
class ShuffleForm:
    """One way to shuffle. `move` shuffles columns, or with `back` undoes it; its bytes are `elements` times those of a
    column."""

    name: str
    move: Callable[..., Body[list[Movable]]] = field(repr=False)
    elements: int
    rounds: int
    provable: bool

    def __call__(
        self, scope: Scope, columns: Sequence[Movable], by: Shuffle, *, back: bool = False
    ) -> Body[list[Movable]]:
        """The columns in the order of pi = pi_AD, then pi_AB, then pi_BD, or with that undone. Run by all parties."""
        return self.move(scope, columns, by, back)

    def note(self, depths: Depths, *, back: bool = False) -> None:
        """Note the rounds of a shuffle behind what `depths` has."""
        if self.provable:
            depths.passes(back=back)
        else:
            depths.shuffle(back=back)

    def cost(self, layouts: Sequence[Layout]) -> Cost:
        """Of columns by themselves."""
        return Cost(self.rounds, self.elements * sum(layout.nbytes for layout in layouts))


def _known(scope: Scope, by: Shuffle, back: bool) -> dict[Pair, Places]:
    return {pair: inverted(order) if back else order for pair, order in by.orders.items()}


def _part(scope: Scope, column: Movable, pair: Pair) -> Array:
    return column.own if scope.component(pair) is scope.party else column.next


def _received(step: Step, frm: ProtocolRole, layouts: Sequence[Layout]) -> Body[list[Array]]:
    arrays = yield step.receive(frm, *layouts)
    return [arrays] if len(layouts) == 1 else arrays


def _column(scope: Scope, like: Movable, parts: dict[Pair, Array]) -> Movable:
    by_component = {scope.component(pair): words for pair, words in parts.items()}
    return replace(like, own=by_component[scope.party], next=by_component[scope.party.next])


def _in_two_rounds(scope: Scope, columns: Sequence[Movable], by: Shuffle, back: bool) -> Body[list[Movable]]:
    """Two rounds; 4 elements in all for each element. Exact.

    X and Y are A and B, or B and A on the way back; X applies two permutations, then D and Y the last. Semi-honest, one
    corruption: what D and B receive is masked by draws that they lack, A receives nothing; nobody knows pi. Every
    component of the result is fresh. Its first message composes two permutations and cannot be proven.
    Source: Chida et al., eprint 2019/695; Araki et al., CCS 2021; protocols page §7.1.
    """
    x_d, y_d = (Pair.BD, Pair.AD) if back else (Pair.AD, Pair.BD)
    x_role, y_role = (ProtocolRole.B, ProtocolRole.A) if back else (ProtocolRole.A, ProtocolRole.B)
    orders, threads = _known(scope, by, back), scope.threads
    inner, outer = [scope.step("shuffle") for _ in columns], [scope.step("reshare") for _ in columns]
    layouts = [column.layout for column in columns]

    def drawn(steps: list[Step], pair: Pair, purpose: Purpose) -> list[Array]:
        return [step.draw(pair, layout, purpose) for step, layout in zip(steps, layouts, strict=True)]

    def fresh(pair: Pair) -> list[Array]:
        return drawn(outer, pair, Purpose.TERM if pair is x_d else Purpose.TERM_B)

    def taken(words: Array, pair: Pair) -> Array:
        return gather(words, orders[pair], threads=threads)

    if scope.role is x_role:
        masks, more = drawn(inner, x_d, Purpose.TERM), drawn(inner, Pair.AB, Purpose.TERM_B)
        message = []
        for column, a, b in zip(columns, masks, more, strict=True):
            both = column.add(_part(scope, column, x_d), _part(scope, column, Pair.AB))
            half = column.sub(taken(both, x_d), a)
            message.append((column.layout, column.sub(taken(half, Pair.AB), b)))
        inner[0].deal(ProtocolRole.D, *message)
        known = zip(columns, fresh(x_d), fresh(Pair.AB), strict=True)
        return [_column(scope, column, {x_d: u, Pair.AB: v}) for column, u, v in known]
    if scope.role is ProtocolRole.D:
        masks = drawn(inner, x_d, Purpose.TERM)
        moved = [taken(_part(scope, column, y_d), x_d) for column in columns]
        sent = [(each.layout, each.add(m, a, own=True)) for each, m, a in zip(columns, moved, masks, strict=True)]
        inner[0].deal(y_role, *sent)
        halves = yield from _received(inner[0], x_role, layouts)
        other, pair = y_role, x_d
    else:
        masks = drawn(inner, Pair.AB, Purpose.TERM_B)
        gammas = yield from _received(inner[0], ProtocolRole.D, layouts)
        moved = [taken(gamma, Pair.AB) for gamma in gammas]
        halves = [column.add(m, b, own=True) for column, m, b in zip(columns, moved, masks, strict=True)]
        other, pair = ProtocolRole.D, Pair.AB
    kept = fresh(pair)
    mine = [column.sub(taken(half, y_d), own) for column, half, own in zip(columns, halves, kept, strict=True)]
    outer[0].deal(other, *zip(layouts, mine, strict=True))
    theirs = yield from _received(outer[0], other, layouts)
    result = []
    for column, own, one, two in zip(columns, kept, mine, theirs, strict=True):
        result.append(_column(scope, column, {pair: own, y_d: column.reduced(column.add(one, two))}))
    return result


_ROLES_OF = {
    Pair.AD: (ProtocolRole.A, ProtocolRole.D),
    Pair.AB: (ProtocolRole.A, ProtocolRole.B),
    Pair.BD: (ProtocolRole.B, ProtocolRole.D),
}


def _in_three_passes(scope: Scope, columns: Sequence[Movable], by: Shuffle, back: bool) -> Body[list[Movable]]:
    """Three rounds; 6 elements in all for each element. Exact.

    In the pass of a pair P, Q with its permutation, P sends Q what it has of x with R, permuted, less a draw that it
    shares with R; Q sends P the same of its component with R; their sum is the component of P and Q. Semi-honest, one
    corruption: each message is masked by a draw that its receiver lacks, R receives nothing. Each message is a
    permutation that two parties know of words that two parties know, plus draws: a `permuted` claim.
    Source: Laur, Willemson, Zhang, ISC 2011; protocols page §8.6.
    """
    orders = _known(scope, by, back)
    layouts = [column.layout for column in columns]
    parts = list(columns)
    order = (Pair.BD, Pair.AB, Pair.AD) if back else (Pair.AD, Pair.AB, Pair.BD)
    for pair in order:
        steps = [scope.step("pass") for _ in columns]
        p, q = _ROLES_OF[pair]
        with_p, with_q = (
            next(other for other in Pair if other is not pair and role in _ROLES_OF[other]) for role in (p, q)
        )

        def drawn(of: Pair, purpose: Purpose, steps: list[Step] = steps) -> list[Array]:
            return [step.draw(of, layout, purpose) for step, layout in zip(steps, layouts, strict=True)]

        if scope.role not in (p, q):
            known = zip(parts, drawn(with_p, Purpose.TERM), drawn(with_q, Purpose.TERM_B), strict=True)
            parts = [_column(scope, column, {with_p: u, with_q: v}) for column, u, v in known]
            continue
        is_p = scope.role is p
        outside = with_p if is_p else with_q
        kept = drawn(outside, Purpose.TERM if is_p else Purpose.TERM_B)
        sent = []
        for column, mask in zip(parts, kept, strict=True):
            mine = _part(scope, column, outside)
            whole = column.add(_part(scope, column, pair), mine) if is_p else mine
            sent.append(column.sub(gather(whole, orders[pair], threads=scope.threads), mask))
        other = q if is_p else p
        steps[0].deal(other, *zip(layouts, sent, strict=True))
        theirs = yield from _received(steps[0], other, layouts)
        parts = [
            _column(scope, column, {outside: mask, pair: column.reduced(column.add(one, two))})
            for column, mask, one, two in zip(parts, kept, sent, theirs, strict=True)
        ]
    return parts


TWO_ROUNDS = ShuffleForm("two rounds", _in_two_rounds, 4, 2, provable=False)
THREE_PASSES = ShuffleForm("three passes", _in_three_passes, 6, 3, provable=True)
FORMS = (TWO_ROUNDS, THREE_PASSES)
