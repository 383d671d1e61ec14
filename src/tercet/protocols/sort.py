"""Radix sort of shared keys: stable, by digits of two or three bits from the lowest on (protocols page §7.3).

The rows' places so far, sigma, are shared modulo 2^w. For each digit the rows are shuffled with their places, the
shuffled places opened, and the digits put there; one-hot vectors of the digits as residues modulo 2^w, prefix sums
(local) and one inner product give the next places, which are brought back through the shuffle. Nothing else is opened.
"""

from __future__ import annotations

from itertools import combinations

from tercet.protocols.bits import bit_and, bit_and_cost
from tercet.protocols.convert import bit_words, signs, split_bits_form
from tercet.protocols.cost import NOTHING, Cost, Depths
from tercet.protocols.cross import cross_terms
from tercet.protocols.message import Fields, Words
from tercet.protocols.scope import Body, ProtocolRole, Scope
from tercet.protocols.shuffle import (
    Movable,
    Shuffle,
    draw_shuffle,
    open_shuffled,
    shuffle,
    unshuffle,
    word_column,
)
from tercet.ring import RING64, Array, Places, Ring, concatenate, from_planes, placed, stack, to_planes
from tercet.sharing import BitShare, Party, Share


def place_bits(length: int) -> int:
    """w: how many bits places of a line, and counts up to its length, have."""
    return length.bit_length()


def _digits(bits: int, digit_bits: int) -> list[range]:
    return [range(start, min(start + digit_bits, bits)) for start in range(0, bits, digit_bits)]


def _subsets(width: int) -> list[tuple[int, ...]]:
    """Of the bits of a digit: all that are not empty, by size; products of these bits are a digit's monomials."""
    return [chosen for size in range(1, width + 1) for chosen in combinations(range(width), size)]


def sort_rows(scope: Scope, keys: BitShare, rows: list[Share], lines: int, digit_bits: int) -> Body[list[Share]]:
    """Flat arrays `rows`, in lines, each line in the order of its keys, equal keys in their order. All three parties.

    `keys`: planes (bits, ...) of flat unsigned keys, the lowest bit first, of which there is one at least. For each
    digit of k bits, after the first: a shuffle (4 w and 4 (2^k - 1) bits an element in all), an opening (3 w), one-hot
    vectors (3 w for each of 2^k - 1 monomials), an inner product (3 w) and the way back (4 w). Exact. Semi-honest, one
    corruption. What is opened, and why it says nothing: docs/security/shuffles.md.
    Source: Hamada et al. 2014, Chida et al. 2019/695; one-hot vectors of monomials own.
    """
    count = rows[0].size
    length = count // lines
    if length < 2:
        return rows
    w = place_bits(length)
    digits = _digits(keys.own.shape[0], digit_bits)
    monomials = yield from _monomials(scope, keys, digits)
    sigma: Movable | None = None
    for digit, planes in zip(digits, monomials, strict=True):
        (part,) = scope.fork(1, rotate=True)
        width = len(digit)
        if sigma is None:
            tau = yield from _destinations(part, planes, width, lines, w)
            sigma = tau
        else:
            by = draw_shuffle(part, count, lines)
            moved, mixed = yield from shuffle(part, [sigma, _bits_column(planes, count)], by)
            rho = yield from open_shuffled(part, moved, lines)
            there = _planes_of(mixed, planes.own.shape[0], rho)
            tau = yield from _destinations(part, there, width, lines, w)
            (sigma,) = yield from unshuffle(part, [tau.taken(rho)], by)
        scope.join([part])
    assert sigma is not None
    (part,) = scope.fork(1, rotate=True)
    result = yield from _applied(part, sigma, rows, lines)
    scope.join([part])
    return result


def _applied(scope: Scope, sigma: Movable, rows: list[Share], lines: int) -> Body[list[Share]]:
    by: Shuffle = draw_shuffle(scope, rows[0].size, lines)
    moved, *columns = yield from shuffle(scope, [sigma, *map(word_column, rows)], by)
    rho = yield from open_shuffled(scope, moved, lines)
    return [
        Share(x.ring, placed(column.own, rho), placed(column.next, rho))
        for x, column in zip(rows, columns, strict=True)
    ]


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
    return [_stacked([known[digit.start][chosen] for chosen in _subsets(len(digit))]) for digit in digits]


def _stacked(parts: list[BitShare]) -> BitShare:
    return BitShare(parts[0].count, stack([part.own for part in parts]), stack([part.next for part in parts]))


def _bits_column(planes: BitShare, count: int) -> Movable:
    own, following = (from_planes(part, count, RING64) for part in (planes.own, planes.next))
    return Movable(Fields(planes.own.shape[0], count), own, following, xor=True)


def _planes_of(column: Movable, width: int, rho: Places) -> BitShare:
    """The bits, each element at its place."""
    own, following = (to_planes(placed(words, rho), width) for words in (column.own, column.next))
    return BitShare(column.own.size, own, following)


def _destinations(scope: Scope, monomials: BitShare, width: int, lines: int, w: int) -> Body[Movable]:
    """Where each element of a line goes in a stable order of its digit: 3 rounds."""
    count = monomials.count
    subsets = _subsets(width)
    numbers = yield from _residues(scope, monomials, w)
    one = RING64.constant(1, (count,)).copy()

    def hot(parts: Array, digit: int, ones: Array | None) -> Array:
        """[the digit is this], by inclusion and exclusion: products of all sets of bits that contain its own."""
        inside = {at for at in range(width) if digit >> at & 1}
        total = RING64.zeros(count) if inside or ones is None else ones
        for place, chosen in enumerate(subsets):
            if inside <= set(chosen):
                term = parts[place]
                odd = (len(chosen) - len(inside)) % 2
                total = RING64.sub(total, term) if odd else RING64.add(total, term)
        return total

    first, second = scope.party is Party.P1, scope.party.next is Party.P1
    halves = [
        [hot(parts, digit, one if known else None) for digit in range(1 << width)]
        for parts, known in ((numbers.own, first), (numbers.next, second))
    ]
    places = [_places(side, lines) for side in halves]
    minus = [RING64.constant(-1, (count,)) if known else RING64.zeros(count) for known in (first, second)]
    (e_own, e_next), (s_own, s_next) = halves, places
    step = scope.step("places")
    mine = step.zero_words(RING64, (count,))
    for j in range(1 << width):
        own, following = RING64.add(s_own[j], minus[0]), RING64.add(s_next[j], minus[1])
        mine = RING64.mul_add(e_own[j], RING64.add(own, following), mine)
        mine = RING64.mul_add(e_next[j], own, mine)
    mine, layout = RING64.low(mine, w), Fields(w, count)
    theirs = yield step.product_around(layout, mine)
    return Movable(layout, mine, theirs)


def _places(hot: list[Array], lines: int) -> list[Array]:
    """For each digit, the last place of those up to here: how many have it so far, and how many a smaller one."""
    below = RING64.zeros((lines, 1))
    found = []
    for words in hot:
        sums = RING64.cumsum(words.reshape(lines, -1), axis=1)
        found.append(RING64.add(sums, below).reshape(-1))
        below = RING64.add(below, sums[:, -1:])
    return found


def _residues(scope: Scope, planes: BitShare, w: int) -> Body[Share]:
    """The bits of planes (m, ...) as residues modulo 2^w in words (m, count): one cross term each, two rounds."""
    rows, count = planes.own.shape[0], planes.count
    half = concatenate([bit_words(RING64, plane, count) for plane in split_bits_form(scope, planes)])
    terms = [half if scope.role is ProtocolRole.D else signs(RING64, half)]
    y = yield from cross_terms(scope, Fields(w, rows * count), terms)
    own, following = y.own, y.next
    if scope.role is ProtocolRole.A:
        following = RING64.add(following, half)
    elif scope.role is ProtocolRole.B:
        own = RING64.add(own, half)
    return Share(RING64, RING64.low(own, w).reshape(rows, count), RING64.low(following, w).reshape(rows, count))


def sort_rows_cost(bits: int, count: int, lines: int, digit_bits: int, payload: list[Ring]) -> Cost:
    length = count // lines if lines else 0
    if length < 2:
        return NOTHING
    places = Fields(place_bits(length), count).nbytes
    digits = _digits(bits, digit_bits)
    depths, total = Depths(), 0
    for size in range(2, max(map(len, digits)) + 1):
        wanted = sum(len(chosen) == size for digit in digits for chosen in _subsets(len(digit)))
        if wanted:
            total += bit_and_cost((wanted,), count).total_bytes
            depths.ring()
    for number, digit in enumerate(digits):
        monomials = (1 << len(digit)) - 1
        if number:
            total += (4 + 3) * places + 4 * Fields(monomials, count).nbytes
            depths.shuffle()
            depths.open_once()
        total += 3 * Fields(place_bits(length), monomials * count).nbytes + 3 * places
        depths.cross()
        depths.ring()
        if number:
            total += 4 * places
            depths.shuffle(back=True)
        depths.rotate()
    total += (4 + 3) * places + 4 * sum(Words(ring, (count,)).nbytes for ring in payload)
    depths.shuffle()
    depths.open_once()
    return Cost(depths.rounds, total)
