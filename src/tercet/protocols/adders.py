"""How many shared bits of a line are set, by full adders on packed bits: a bit each, for which `count` deals a number.

A full adder makes of three bits of one weight one of that weight and one of twice it, with one AND. Layer after layer a
third of all bits goes; of a few that are left the numbers of set ones are counted weight by weight.
"""

from __future__ import annotations

from tercet.protocols.bits import bit_and, bit_and_cost
from tercet.protocols.cost import Cost
from tercet.protocols.count import count_lines, count_lines_cost
from tercet.protocols.scope import Body, Scope
from tercet.ring import RING64, Array, Bits, concatenate, contiguous, split_rows, stack, zero_bits
from tercet.sharing import BitShare, Share

WORD = 64
_FEWEST_WORDS = 16
"""Lines of fewer words are counted at once."""
_LEFT = 32
"""Adders stop where one bit of so many is left; padding to the most frequent weight counted in."""


def _layers(words: int) -> list[list[int]]:
    """How many words of each weight, the least first, stand before each layer of adders, and behind the last one."""
    layers = [[words]]
    while len(layers[-1]) * max(layers[-1]) > words // _LEFT and max(layers[-1]) > 2:
        before = layers[-1]
        after = [0] * (len(before) + 1)
        for weight, number in enumerate(before):
            after[weight] += number - 2 * (number // 3)
            after[weight + 1] += number // 3
        layers.append(after if after[-1] else after[:-1])
    return layers


def _in_words(b: BitShare, terms: int) -> Bits:
    """(2, lines, words): both components, each line in words of its own."""
    lines = b.count // terms
    return stack([split_rows(part, lines, terms) for part in (b.own, b.next)])


def count_by_adders(scope: Scope, b: BitShare, terms: int) -> Body[Share]:
    """The number of set bits in each line of `terms` flat bits, modulo 2^64. Run by all three parties; terms > 0.

    About 1.4 bits a party for each bit of a long line, where `count_lines` takes 7, in 13 rounds for a million. Exact.
    Semi-honest, one corruption: ANDs and a count, whose views are simulated one after the other; the rest is local.
    Source: carry-save adders, Wallace, IEEE Trans. Electronic Computers 1964.
    """
    words = -(-terms // WORD)
    if words < _FEWEST_WORDS:
        return (yield from count_lines(scope, b, terms))
    lines = b.count // terms
    columns = [_in_words(b, terms)]
    for layer in _layers(words)[:-1]:
        thirds = [(weight, number // 3) for weight, number in enumerate(layer) if number > 2]
        triples = [[columns[weight][:, :, at * n : (at + 1) * n] for at in range(3)] for weight, n in thirds]
        count = WORD * lines * sum(n for _, n in thirds)
        first, second = (
            concatenate([triple[at] ^ triple[2] for triple in triples], axis=2).reshape(2, -1) for at in (0, 1)
        )
        both = yield from bit_and(scope, BitShare(count, *first), BitShare(count, *second))
        carries = stack([both.own, both.next]).reshape(2, lines, -1)
        following = [[column] for column in columns] + [[]]
        start = 0
        for (weight, n), (a, c, d) in zip(thirds, triples, strict=True):
            carry = carries[:, :, start : start + n] ^ d
            start += n
            following[weight] = [a ^ c ^ d, columns[weight][:, :, 3 * n :], *following[weight][1:]]
            following[weight + 1].append(carry)
        columns = [concatenate(parts, axis=2) for parts in following if parts]
    most = max(column.shape[2] for column in columns)
    left = zero_bits((2, len(columns), lines, most))
    for weight, column in enumerate(columns):
        left[:, weight, :, : column.shape[2]] = column
    flat = left.reshape(2, -1)
    found = yield from count_lines(scope, BitShare(WORD * flat.shape[1], *flat), WORD * most)
    weighed = found.reshape((len(columns), lines))
    return Share(RING64, *(_weighed(part) for part in (weighed.own, weighed.next)))


def _weighed(counts: Array) -> Array:
    total = RING64.zeros(counts.shape[1])
    for weight in range(counts.shape[0]):
        total = RING64.add(total, RING64.shl(contiguous(counts[weight]), weight))
    return total


def count_by_adders_cost(count: int, terms: int) -> Cost:
    words, lines, total = -(-terms // WORD), count // terms, Cost()
    if words < _FEWEST_WORDS:
        return count_lines_cost(count, terms)
    layers = _layers(words)
    for layer in layers[:-1]:
        total = total + bit_and_cost((), WORD * lines * sum(number // 3 for number in layer))
    most = max(layers[-1])
    return total + count_lines_cost(WORD * lines * most * len(layers[-1]), WORD * most)
