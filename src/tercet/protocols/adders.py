"""How many shared bits of a line are set, by full adders on packed bits: a bit each, for which `count` deals a number.

A full adder makes of three bits of one weight their sum, of that weight, and a carry of twice it. Sums are XORs, which
cost nothing, so that all bits of a weight go through one chain of adders: each takes the sum of the one before and two
more bits. Every carry is an AND of what is known before the exchange, which leaves half as many bits, of twice the
weight, and one sum. Of a few that are left the weights of set ones are added up.
"""

from __future__ import annotations

from tercet.protocols.bits import bit_and, bit_and_cost
from tercet.protocols.cost import Cost
from tercet.protocols.count import count_lines, count_lines_cost, weigh_lines, weigh_lines_cost
from tercet.protocols.scope import Body, Scope
from tercet.ring import Bits, concatenate, split_rows, stack, xor_accumulate, zero_bits
from tercet.sharing import BitShare, Share

WORD = 64
_FEWEST_WORDS = 16
"""Lines of fewer words are counted at once."""
_LEFT = 16
"""Adders stop where one carry is left of so many bits."""


def _layers(words: int) -> list[int]:
    """How many words of carries each exchange leaves of one line; short lines have no adders."""
    layers: list[int] = []
    if words >= _FEWEST_WORDS:
        while words > 1 and 1 << len(layers) < _LEFT:
            words //= 2
            layers.append(words)
    return layers


def _in_words(b: BitShare, terms: int) -> Bits:
    """(2, lines, words): both components, each line in words of its own."""
    lines = b.count // terms
    return stack([split_rows(part, lines, terms) for part in (b.own, b.next)])


def count_by_adders(scope: Scope, b: BitShare, terms: int) -> Body[Share]:
    """The number of set bits in each line of `terms` flat bits, modulo 2^64. Run by all three parties; terms > 0.

    About 1.4 bits a party for each bit of a long line, where `count_lines` takes 7, in 7 rounds. Exact.
    Semi-honest, one corruption: ANDs and a count, whose views are simulated one after the other; the rest is local.
    Source: carry-save adders, Wallace, IEEE Trans. Electronic Computers 1964, in chains whose sums are local: own.
    """
    if -(-terms // WORD) < _FEWEST_WORDS:
        return (yield from count_lines(scope, b, terms))
    return (yield from _added(scope, _in_words(b, terms), terms, True))


def count_words(scope: Scope, lines: Bits, most: int) -> Body[Share]:
    """The number of set bits in each line of whole words, (2, lines, words) of both components, modulo 2^w: the low w
    bits of words, where `most`, as many as can be set, has w - 1. Run by all three parties; as `count_by_adders`.
    """
    return (yield from _added(scope, lines, most, False))


def _added(scope: Scope, top: Bits, most: int, widened: bool) -> Body[Share]:
    lines, sums = top.shape[1], []
    for carries in _layers(top.shape[2]):
        if top.shape[2] % 2 == 0:  # the last adder lacks a bit
            top = concatenate([top, zero_bits((2, lines, 1))], axis=2)
        last = top[:, :, 1 + carries :]
        either = top[:, :, 1 : 1 + carries] ^ last
        running = xor_accumulate(concatenate([top[:, :, :1], either], axis=2), axis=2)
        sums.append(running[:, :, carries:])
        first, second = (running[:, :, :carries] ^ last).reshape(2, -1), either.reshape(2, -1)
        count = WORD * lines * carries
        both = yield from bit_and(scope, BitShare(count, *first), BitShare(count, *second))
        top = stack([both.own, both.next]).reshape(2, lines, carries) ^ last
    flat = concatenate([*sums, top], axis=2).reshape(2, -1)
    weights = [*range(len(sums)), *[len(sums)] * top.shape[2]]
    return (yield from weigh_lines(scope, BitShare(WORD * flat.shape[1], *flat), weights, most, widened=widened))


def count_by_adders_cost(count: int, terms: int) -> Cost:
    words = -(-terms // WORD)
    if words < _FEWEST_WORDS:
        return count_lines_cost(count, terms)
    return _added_cost(count // terms, words, terms, True)


def count_words_cost(lines: int, words: int, most: int) -> Cost:
    return _added_cost(lines, words, most, False)


def _added_cost(lines: int, words: int, most: int, widened: bool) -> Cost:
    total, layers = Cost(), _layers(words)
    for carries in layers:
        total = total + bit_and_cost((), WORD * lines * carries)
    left = len(layers) + (layers[-1] if layers else words)
    return total + weigh_lines_cost(lines, left, most, widened=widened)


def adder_rounds(words: int) -> int:
    """How many exchanges the adders of a line of so many words take, before the weights are added up."""
    return len(_layers(words))
