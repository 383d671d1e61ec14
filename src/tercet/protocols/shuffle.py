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
from tercet.protocols.message import Fields, Layout, RawBytes, Words
from tercet.protocols.scope import Body, Pair, ProtocolRole, Scope, Step
from tercet.ring import (
    RING32,
    Array,
    Bytes,
    Places,
    draw_orders,
    empty_bytes,
    gather,
    gather_masked,
    inverted,
    move_fields,
    order_bytes,
    scatter,
)
from tercet.sharing import Purpose, Share


@dataclass(frozen=True, slots=True, repr=False)
class Movable:
    """One party's part of a flat array: ring words, residues modulo 2^w, or with `xor` groups of bits in fields.

    Ring words may be several rows of one length, in one array, that move together.
    """

    layout: Words | Fields = field(repr=False)
    own: Array = field(repr=False)
    next: Array = field(repr=False)
    xor: bool = False

    def __post_init__(self) -> None:
        if self.xor and not isinstance(self.layout, Fields):
            raise ValueError("groups of bits move as fields: masks are added to words")

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
    """A flat array of ring words, or several as rows."""
    return Movable(Words(x.ring, x.shape), x.own, x.next)


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


@dataclass(frozen=True, slots=True, repr=False)
class Half:
    """A party's part of a flat array that is the sum of two parties' words; None at the third.

    Of a field the lowest `adds` bits are a residue; those above are under XOR.
    """

    layout: Words | Fields = field(repr=False)
    words: Array | None = field(repr=False)
    adds: int = 0

    @property
    def wire(self) -> RawBytes:
        return RawBytes(self.layout.nbytes)

    def moved(
        self,
        source: Array,
        order: Places,
        mask: Bytes | None = None,
        *,
        negative: bool = False,
        packed: bool = False,
        threads: int = 1,
    ) -> Array:
        """Words or packed bytes `source` in this order, plus or less a mask, which is used up; as words or packed."""
        layout = self.layout
        if isinstance(layout, Fields):
            return move_fields(source, order, self.adds, layout.bits, mask=mask, negative=negative, packed=packed)
        words = source if source.dtype == layout.ring.dtype else layout.unpack(source)
        if mask is None:
            words = gather(words, order, threads=threads)
        else:
            words = gather_masked(words, order, layout.unpack(mask), negative=negative, threads=threads)
        return layout.pack(words) if packed else words

    def taken(self, order: Places, *, threads: int = 1) -> Half:
        """The elements at public places, where this party has a part."""
        return self if self.words is None else replace(self, words=gather(self.words, order, threads=threads))

    def scattered(self, order: Places, *, threads: int = 1) -> Half:
        """Each element at its public place, where this party has a part."""
        return self if self.words is None else replace(self, words=scatter(self.words, order, threads=threads))


def halves_of(scope: Scope, columns: Sequence[Movable], *, back: bool = False) -> list[Half]:
    """Columns as the halves that `through` takes: what A has, or on the way back B, and what is left at D; local."""
    first = ProtocolRole.B if back else ProtocolRole.A
    rest = Pair.AD if back else Pair.BD
    found = []
    for column in columns:
        words = None
        if scope.role is first:
            words = column.add(column.own, column.next)
        elif scope.role is ProtocolRole.D:
            words = _part(scope, column, rest)
        adds = column.layout.bits if isinstance(column.layout, Fields) and not column.xor else 0
        found.append(Half(column.layout, words, adds))
    return found


def through(scope: Scope, columns: Sequence[Half], by: Shuffle, *, back: bool = False) -> Body[list[Half]]:
    """Halves of A and D in the order of pi = pi_AD, then pi_AB, then pi_BD, as halves of B and D: one round.

    Run by all three parties. With `back`, from B and D by the inverse to A and D. 2 elements in all for each element.
    Exact. Semi-honest, one corruption: what D and the last party receive is masked by draws of the other two each; the
    first receives nothing, and nobody knows pi. The halves are not fresh: they go through another shuffle, are opened
    or made a sharing.
    Source: Chida et al., eprint 2019/695; Araki et al., CCS 2021; protocols page §7.1.
    """
    first, last = (ProtocolRole.B, ProtocolRole.A) if back else (ProtocolRole.A, ProtocolRole.B)
    outer, inner = (Pair.BD, Pair.AD) if back else (Pair.AD, Pair.BD)
    orders, threads = _known(scope, by, back), scope.threads
    steps = [scope.step("shuffle") for _ in columns]
    wires = [column.wire for column in columns]

    def drawn(pair: Pair, purpose: Purpose) -> list[Bytes]:
        return [step.draw(pair, wire, purpose) for step, wire in zip(steps, wires, strict=True)]

    if scope.role is first:
        message = []
        for column, a, b in zip(columns, drawn(outer, Purpose.TERM), drawn(Pair.AB, Purpose.TERM_B), strict=True):
            assert column.words is not None
            half = column.moved(column.words, orders[outer], a, negative=True, threads=threads)
            message.append(column.moved(half, orders[Pair.AB], b, negative=True, packed=True, threads=threads))
        steps[0].deal(ProtocolRole.D, *zip(wires, message, strict=True))
        return [replace(column, words=None) for column in columns]
    if scope.role is ProtocolRole.D:
        sent = []
        for column, a in zip(columns, drawn(outer, Purpose.TERM), strict=True):
            assert column.words is not None
            sent.append(column.moved(column.words, orders[outer], a, packed=True, threads=threads))
        steps[0].deal(last, *zip(wires, sent, strict=True))
        got = yield from _received(steps[0], first, wires)
    else:
        masks = drawn(Pair.AB, Purpose.TERM_B)
        gammas = yield from _received(steps[0], ProtocolRole.D, wires)
        got = [
            column.moved(gamma, orders[Pair.AB], b, threads=threads)
            for column, gamma, b in zip(columns, gammas, masks, strict=True)
        ]
    moved = [column.moved(words, orders[inner], threads=threads) for column, words in zip(columns, got, strict=True)]
    return [replace(column, words=words) for column, words in zip(columns, moved, strict=True)]


def shared_again(
    scope: Scope, columns: Sequence[Movable], halves: Sequence[Half], *, back: bool = False
) -> Body[list[Movable]]:
    """Halves as `through` gives them as sharings like `columns`, every component fresh: one round, 2 elements in all.

    Run by all three parties. Exact. Semi-honest, one corruption: each half is sent less a draw of its owner and the
    party that has none, which the receiver lacks.
    """
    last = ProtocolRole.A if back else ProtocolRole.B
    outer, inner = (Pair.BD, Pair.AD) if back else (Pair.AD, Pair.BD)
    steps = [scope.step("reshare") for _ in columns]
    layouts = [column.layout for column in columns]

    def fresh(pair: Pair) -> list[Array]:
        purpose = Purpose.TERM if pair is outer else Purpose.TERM_B
        return [step.draw(pair, layout, purpose) for step, layout in zip(steps, layouts, strict=True)]

    if scope.role not in (last, ProtocolRole.D):
        known = zip(columns, fresh(outer), fresh(Pair.AB), strict=True)
        return [_column(scope, column, {outer: u, Pair.AB: v}) for column, u, v in known]
    other, pair = (last, outer) if scope.role is ProtocolRole.D else (ProtocolRole.D, Pair.AB)
    kept, mine = fresh(pair), []
    for column, half, own in zip(columns, halves, kept, strict=True):
        assert half.words is not None
        mine.append(column.sub(half.words, own))
    steps[0].deal(other, *zip(layouts, mine, strict=True))
    theirs = yield from _received(steps[0], other, layouts)
    result = []
    for column, own, one, two in zip(columns, kept, mine, theirs, strict=True):
        result.append(_column(scope, column, {pair: own, inner: column.reduced(column.add(one, two))}))
    return result


def _in_two_rounds(scope: Scope, columns: Sequence[Movable], by: Shuffle, back: bool) -> Body[list[Movable]]:
    """Two rounds; 4 elements in all for each element: `through`, and then `shared_again`.

    Its first message composes two permutations and cannot be proven.
    """
    halves = yield from through(scope, halves_of(scope, columns, back=back), by, back=back)
    return (yield from shared_again(scope, columns, halves, back=back))


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
