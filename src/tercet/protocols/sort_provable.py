"""The radix sort in a form that can be proven: one-hot vectors of bits, and places as sharings all the way.

For each digit the rows are shuffled with their places, the shuffled places opened, and the digits put there; one-hot
vectors of the digits as residues modulo 2^w, prefix sums (local) and one inner product give the next places, which are
brought back through the shuffle. Nothing else is opened.
"""

from __future__ import annotations

from itertools import combinations

from tercet.protocols.bits import bit_and, bit_and_cost
from tercet.protocols.convert import bit_words, signs, split_bits_form
from tercet.protocols.cost import Depths
from tercet.protocols.cross import cross_terms
from tercet.protocols.message import Fields
from tercet.protocols.opening import open_shuffled
from tercet.protocols.scope import Body, ProtocolRole, Scope
from tercet.protocols.shuffle import Movable, ShuffleForm, draw_shuffle, place_layout
from tercet.ring import RING32, Places, concatenate, destinations, from_planes, scatter, stack, to_planes
from tercet.sharing import BitShare, Party, Share


def _subsets(width: int) -> list[tuple[int, ...]]:
    """Of the bits of a digit: all that are not empty, by size; products of these bits are a digit's monomials."""
    return [chosen for size in range(1, width + 1) for chosen in combinations(range(width), size)]


def _number(chosen: tuple[int, ...]) -> int:
    return sum(1 << bit for bit in chosen)


def provable_order(scope: Scope, keys: BitShare, lines: int, digits: list[range], form: ShuffleForm) -> Body[Movable]:
    """`sort_order` in a form whose messages can be proven. Run by all three parties.

    For each digit of k bits, after the first: a shuffle (6 w + 6 (2^k - 1) bits an element in all), an opening (3 w),
    one-hot vectors (3 w for each of 2^k - 1 monomials), an inner product (3 w) and the way back (6 w). Exact.
    Semi-honest, one corruption. Source: Hamada et al. 2014, Chida et al. 2019/695; one-hot vectors of monomials own.
    """
    count = keys.count
    layout = place_layout(count // lines, lines)
    monomials = yield from _monomials(scope, keys, digits)
    sigma: Movable | None = None
    for planes in monomials:
        (part,) = scope.fork(1, rotate=True)
        if sigma is None:
            sigma = yield from _destinations(part, planes, lines, layout)
        else:
            by = draw_shuffle(part, count, lines)
            moved, mixed = yield from form(part, [sigma, _bits_column(planes, count)], by)
            rho = yield from open_shuffled(part, layout, moved.share, lines)
            there = _planes_of(mixed, planes.own.shape[0], rho)
            tau = yield from _destinations(part, there, lines, layout)
            (sigma,) = yield from form(part, [tau.taken(rho)], by, back=True)
        scope.join([part])
    assert sigma is not None
    return sigma


def _monomials(scope: Scope, keys: BitShare, digits: list[range]) -> Body[list[BitShare]]:
    """For each digit the planes of its monomials, in the order of `_subsets`; one round for each further bit."""
    known: dict[int, dict[tuple[int, ...], BitShare]] = {
        digit.start: {(at,): keys[bit] for at, bit in enumerate(digit)} for digit in digits
    }
    for size in range(2, max(map(len, digits)) + 1):
        wanted = [(digit.start, chosen) for digit in digits for chosen in _subsets(len(digit)) if len(chosen) == size]
        if not wanted:
            continue
        fronts = [known[start][chosen[:-1]] for start, chosen in wanted]
        backs = [known[start][chosen[-1:]] for start, chosen in wanted]
        both = yield from bit_and(scope, _stacked(fronts), _stacked(backs))
        for place, (start, chosen) in enumerate(wanted):
            known[start][chosen] = both[place]
    # by the number whose bits are those of the set
    return [
        _stacked([known[digit.start][chosen] for chosen in sorted(_subsets(len(digit)), key=_number)])
        for digit in digits
    ]


def _stacked(parts: list[BitShare]) -> BitShare:
    return BitShare(parts[0].count, stack([part.own for part in parts]), stack([part.next for part in parts]))


def _bits_column(planes: BitShare, count: int) -> Movable:
    own, following = (from_planes(part, count, RING32) for part in (planes.own, planes.next))
    return Movable(Fields(planes.own.shape[0], count, RING32), own, following, xor=True)


def _planes_of(column: Movable, width: int, rho: Places) -> BitShare:
    """The bits, each element at its place."""
    own, following = (to_planes(scatter(words, rho), width) for words in (column.own, column.next))
    return BitShare(column.own.size, own, following)


def _destinations(scope: Scope, monomials: BitShare, lines: int, layout: Fields) -> Body[Movable]:
    """Where each element of a line goes in a stable order of its digit: 3 rounds.

    With s_j the place of an element if its digit is j, and [j] whether it is, the place is the sum of [j] s_j: s_0 and
    the sum over j > 0 of [j] (s_j - s_0), which as a sum over monomials has as many products as these are.
    """
    count = monomials.count
    numbers = yield from _residues(scope, monomials, layout.bits)
    step = scope.step("places")
    shape = (lines, count // lines)
    mine, s_own, s_next = destinations(
        RING32,
        numbers.own.reshape(-1, *shape),
        numbers.next.reshape(-1, *shape),
        step.zero_words(RING32, shape),
        one_own=scope.party is Party.P1,
        one_next=scope.party.next is Party.P1,
    )
    mine = mine.reshape(-1)
    received = yield step.product_around(layout, mine)
    own = RING32.add(mine, s_own.reshape(-1), out=mine)
    following = RING32.add(received, s_next.reshape(-1))
    return Movable(layout, RING32.low(own, layout.bits, out=own), RING32.low(following, layout.bits, out=following))


def _residues(scope: Scope, planes: BitShare, w: int) -> Body[Share]:
    """The bits of planes (m, ...) as residues modulo 2^w in words (m, count): one cross term each, two rounds."""
    rows, count = planes.own.shape[0], planes.count
    half = concatenate([bit_words(RING32, plane, count) for plane in split_bits_form(scope, planes)])
    terms = [half if scope.role is ProtocolRole.D else signs(RING32, half)]
    y = yield from cross_terms(scope, Fields(w, rows * count, RING32), terms)
    own, following = y.own, y.next
    if scope.role is ProtocolRole.A:
        following = RING32.add(following, half, out=half)
    elif scope.role is ProtocolRole.B:
        own = RING32.add(own, half, out=half)
    return Share(RING32, RING32.low(own, w).reshape(rows, count), RING32.low(following, w).reshape(rows, count))


def provable_order_cost(depths: Depths, digits: list[range], count: int, layout: Fields, form: ShuffleForm) -> int:
    """Bytes of `provable_order`; its rounds are noted in `depths`."""
    total = 0
    for size in range(2, max(map(len, digits)) + 1):
        wanted = sum(len(chosen) == size for digit in digits for chosen in _subsets(len(digit)))
        if wanted:
            total += bit_and_cost((wanted,), count).total_bytes
            depths.ring()
    for number, digit in enumerate(digits):
        monomials = (1 << len(digit)) - 1
        if number:
            form.note(depths)
            depths.open_once()
            total += form.cost([layout, Fields(monomials, count)]).total_bytes + 3 * layout.nbytes
        total += 3 * Fields(layout.bits, monomials * count).nbytes + 3 * layout.nbytes
        depths.cross()
        depths.ring()
        if number:
            form.note(depths, back=True)
            total += form.cost([layout]).total_bytes
        depths.rotate()
    return total
