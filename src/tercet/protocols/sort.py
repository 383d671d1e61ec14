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
    """Where each element of a line goes in a stable order of its digit: 3 rounds.

    With s_j the place of an element if its digit is j, and [j] whether it is, the place is the sum of [j] s_j: s_0 and
    the sum over j > 0 of [j] (s_j - s_0), which as a sum over monomials has as many products as these are.
    """
    count = monomials.count
    numbers = yield from _residues(scope, monomials, w)
    first, second = scope.party is Party.P1, scope.party.next is Party.P1
    (s_own, k_own), (s_next, k_next) = (
        _places(parts, width, lines, known) for parts, known in ((numbers.own, first), (numbers.next, second))
    )
    step = scope.step("places")
    mine = step.zero_words(RING64, (count,))
    for own, following, ours, theirs in zip(numbers.own, numbers.next, k_own, k_next, strict=True):
        mine = RING64.mul_add(own, RING64.add(ours, theirs), mine, out=mine)
        mine = RING64.mul_add(following, ours, mine, out=mine)
    layout = Fields(w, count)
    received = yield step.product_around(layout, mine)
    own, following = RING64.add(RING64.low(mine, w), s_own), RING64.add(received, s_next)
    return Movable(layout, RING64.low(own, w, out=own), RING64.low(following, w, out=following))


def _places(monomials: Array, width: int, lines: int, known: bool) -> tuple[Array, list[Array]]:
    """Of one component: s_0, and for each monomial the factor that the sum of [j] (s_j - s_0) has there.

    s_j counts the elements up to here whose digit is j, and all those of the line whose digit is smaller, less one.
    `known`: whether public numbers belong to this component.
    """
    subsets = [frozenset(chosen) for chosen in _subsets(width)]
    running = [RING64.cumsum(words.reshape(lines, -1), axis=1) for words in monomials]
    length = running[0].shape[1]
    upto = RING64.cumsum(RING64.constant(int(known), (length,)).copy())
    places: dict[frozenset[int], Array] = {}
    below = RING64.zeros((lines, 1))
    for digit in range(1 << width):
        bits = frozenset(at for at in range(width) if digit >> at & 1)
        # [j] is the product of its bits, less where another is set, by inclusion and exclusion
        sums = RING64.zeros((lines, length)) if bits else RING64.add(RING64.zeros((lines, length)), upto)
        for chosen, words in zip(subsets, running, strict=True):
            if bits <= chosen:
                odd = len(chosen - bits) % 2
                sums = RING64.sub(sums, words, out=sums) if odd else RING64.add(sums, words, out=sums)
        places[bits] = RING64.add(sums, below)
        below = RING64.add(below, sums[:, -1:])
    nothing = places.pop(frozenset())
    steps = {bits: RING64.sub(words, nothing) for bits, words in places.items()}
    factors = []
    for chosen in subsets:
        total = steps[chosen]
        for bits in subsets:
            if bits < chosen:
                odd = len(chosen - bits) % 2
                total = RING64.sub(total, steps[bits]) if odd else RING64.add(total, steps[bits])
        factors.append(total.reshape(-1))
    if known:
        nothing = RING64.sub(nothing, RING64.from_ints([1]))
    return nothing.reshape(-1), factors


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
