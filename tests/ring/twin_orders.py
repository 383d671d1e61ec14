"""The twins of the kernels that draw orders, move by them and find the places of a sort: plain NumPy and Python."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercet.ring import Ring

Numbers = NDArray[Any]


def draw_orders(words: Numbers, lines: int, length: int) -> Numbers | None:
    """Fisher and Yates' method, from uniform words of 32 bits; None if they do not suffice."""
    at = 0
    out: list[int] = []
    for line in range(lines):
        order = list(range(line * length, line * length + min(length, 1)))
        for i in range(1, length):
            while True:
                if at == len(words):
                    return None
                product = int(words[at]) * (i + 1)
                at += 1
                # each place from floor(2^32 / (i + 1)) words
                if product % 2**32 >= 2**32 % (i + 1):
                    break
            order.append(line * length + i)
            place = product >> 32
            order[i], order[place] = order[place], order[i]
        out += order
    return np.array(out, np.uint32)


def flat_orders(within: Numbers, lines: int) -> Numbers | None:
    rows = within.reshape(lines, -1).astype(object)
    if any(sorted(row) != list(range(len(row))) for row in rows):
        return None
    return (rows + np.arange(lines)[:, None] * rows.shape[1]).reshape(-1).astype(np.uint32)


def inverted(order: Numbers) -> Numbers:
    return np.argsort(order).astype(np.uint32)


def gather(words: Numbers, order: Numbers) -> Numbers:
    return words[..., order]


def gather_masked(ring: Ring, words: Numbers, order: Numbers, masks: Numbers, *, negative: bool) -> Numbers:
    """By the ring's own sums, which have twins of their own."""
    return (ring.sub if negative else ring.add)(words[..., order], masks)


def gather_rows(words: Numbers, order: Numbers) -> Numbers:
    return words[order]


def scatter(words: Numbers, order: Numbers) -> Numbers:
    out = words.copy()
    out[..., order] = words
    return out


def destinations(bits: int, own: Numbers, following: Numbers, one_own: int, one_next: int) -> list[Numbers]:
    """The terms that a party has, without a mask, and the components of s_0; object arrays (sets, lines, length)."""
    modulus = 1 << bits

    def places(words: Numbers, one: int) -> list[Numbers]:
        """s_j of one component, for every digit j."""
        sets, lines, length = words.shape
        all_of = [np.full((lines, length), one, object), *words]
        found, smaller = [], np.zeros((lines, 1), object)
        for digit in range(sets + 1):
            exact = sum(
                (-1) ** (chosen ^ digit).bit_count() * all_of[chosen]
                for chosen in range(sets + 1)
                if chosen & digit == digit
            )
            running = np.cumsum(np.asarray(exact), axis=1)
            found.append(running + smaller - one)
            smaller = smaller + running[:, -1:]
        return found

    def factors(found: list[Numbers]) -> list[Numbers]:
        return [
            np.asarray(sum((-1) ** (c ^ j).bit_count() * found[j] for j in range(len(found)) if j & c == j))
            for c in range(1, len(found))
        ]

    ours, theirs = places(own, one_own), places(following, one_next)
    f, g = factors(ours), factors(theirs)
    terms = sum(x * (a + b) + y * a for x, y, a, b in zip(own, following, f, g, strict=True))
    return [np.asarray(values) % modulus for values in (terms, ours[0], theirs[0])]
