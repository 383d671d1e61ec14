"""Where parties share a machine small arrays are not cut: the same results, and what is declared is sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from protocol_checks import SOLOS, open_planes, open_words, run_counted
from tercet.protocols.compare import is_negative, is_negative_cost
from tercet.protocols.compare_pc3 import is_negative_pc3, is_negative_pc3_cost
from tercet.protocols.convert import bit_to_words, bit_to_words_cost, inject, inject_cost, words_to_bits_cost
from tercet.protocols.convert import words_to_bits as a2b
from tercet.protocols.cost import Cost
from tercet.protocols.equality import is_zero, is_zero_cost, is_zero_hamming, is_zero_hamming_cost
from tercet.protocols.matrix import (
    matrix_product,
    matrix_product_cost,
    matrix_product_wide,
    matrix_product_wide_cost,
)
from tercet.protocols.normalise import normalise, normalise_cost
from tercet.protocols.pieces import pieces
from tercet.protocols.product import multiply, multiply_cost
from tercet.protocols.truncate import (
    lift,
    lift_cost,
    multiply_truncate,
    multiply_truncate_cost,
    truncate,
    truncate_cost,
    truncate_exact,
    truncate_exact_cost,
)
from tercet.ring import RING64
from tercet.sharing import PARTIES, Share
from trio import Trio

FEW, SOME, MANY = 20_003, 70_001, 140_001
UNCUT = 5_003
"""Not cut at all, or in three."""
OF_ONE_NUMBER: dict[str, tuple[int, Callable[..., Any], Callable[[int], Cost]]] = {
    "sign": (MANY, lambda s, x: is_negative(s, x, 64), lambda n: is_negative_cost(n, 64)),
    "sign, PC-3": (FEW, lambda s, x: is_negative_pc3(s, x, 64), lambda n: is_negative_pc3_cost(n, 64)),
    "zero": (SOME, lambda s, x: is_zero(s, x, 64), lambda n: is_zero_cost(n, 64)),
    "zero, Hamming": (FEW, lambda s, x: is_zero_hamming(s, x, 64), lambda n: is_zero_hamming_cost(n, 64)),
    "truncate": (MANY, lambda s, x: truncate(s, x, 16), lambda n: truncate_cost(RING64, n, 16)),
    "exact": (SOME, lambda s, x: truncate_exact(s, x, 16), lambda n: truncate_exact_cost(RING64, n, 16)),
    "lift": (MANY, lift, lift_cost),
    "bits": (FEW, lambda s, x: a2b(s, x, 20), lambda n: words_to_bits_cost(n, 20)),
    "normalise": (SOME, lambda s, x: normalise(s, x, 40), lambda n: normalise_cost(RING64, n, 40)),
    "product": (MANY, lambda s, x: multiply(s, x, x), lambda n: multiply_cost(RING64, n)),
    "fixed": (MANY, lambda s, x: multiply_truncate(s, x, x, 13), lambda n: multiply_truncate_cost(RING64, n, 13)),
}


def opened(parts: Any) -> Any:
    """A result, or a pair of them, in plain words or bits."""
    first = parts[PARTIES[0]]
    if isinstance(first, tuple):
        return [opened({p: part[k] for p, part in parts.items()}) for k in range(len(first))]
    if isinstance(first, Share):
        return open_words(parts)
    return open_planes(parts).tolist()


@pytest.mark.parametrize("uncut", [True, False])
@pytest.mark.parametrize("name", OF_ONE_NUMBER)
def test_results_and_costs_are_the_same(name: str, uncut: bool) -> None:
    many, body, cost = OF_ONE_NUMBER[name]
    count = UNCUT if uncut else many
    values = np.arange(count) * 12_345 % (1 << 30) - (0 if name == "normalise" else 1 << 29)
    results = []
    for balance in (True, False):
        trio = Trio(7, balance=balance)
        results.append(opened(run_counted(trio, cost(count), body, trio.share(RING64, values))))
    if name in ("truncate", "fixed"):  # each is off by less than one last bit
        assert max(abs(a - b) for a, b in zip(*results, strict=True)) <= 1
    else:
        assert results[0] == results[1]


@pytest.mark.parametrize("solo", SOLOS)
def test_bits_times_words(solo: Any) -> None:
    trio = Trio(8, balance=False)
    bits = trio.rng.integers(0, 2, size=FEW).astype(bool)
    x = trio.rng.integers(-(1 << 60), 1 << 60, size=FEW)
    results = run_counted(
        trio, inject_cost(RING64, FEW), inject, trio.share_bits(bits), trio.share(RING64, x), solo=solo
    )
    assert np.array_equal(Trio.open(results), x * bits)
    words = run_counted(
        trio, bit_to_words_cost(RING64, FEW), lambda s, b: bit_to_words(s, b, RING64), trio.share_bits(bits), solo=solo
    )
    assert np.array_equal(Trio.open(words), bits)


@pytest.mark.parametrize("shift", [0, 13])
@pytest.mark.parametrize("stack", [(), (3,)])
@pytest.mark.parametrize("sides", [(200, 3, 5), (3, 2, 211), (193, 2, 193)])
def test_matrix_products(sides: tuple[int, int, int], stack: tuple[int, ...], shift: int) -> None:
    """Whatever is cut off at multiples of 8 is packed without a gap: whole or in thirds it is as much."""
    left, right = (*stack, *sides[:2]), (*stack, *sides[1:])
    cost = matrix_product_cost(RING64, left, right, shift)
    for balance in (True, False):
        trio = Trio(9, balance=balance)
        x, y = trio.rng.integers(-(1 << 20), 1 << 20, left), trio.rng.integers(-9, 9, right)
        shared = trio.share(RING64, x), trio.share(RING64, y)
        body = lambda s, a, b: matrix_product(s, a, b, shift)
        got = Trio.open(run_counted(trio, cost, body, *shared))
        assert np.abs(got - (x @ y) / (1 << shift)).max() <= (1 if shift else 0)


@pytest.mark.parametrize(("sides", "block"), [((60, 6, 60), 3), ((60, 9, 60), 3), ((4, 6, 4), 3), ((60, 7, 60), 3)])
def test_wide_products(sides: tuple[int, int, int], block: int) -> None:
    rows, depth, columns = sides
    cost = matrix_product_wide_cost((rows, depth), (depth, columns), block)
    for balance in (True, False):
        trio = Trio(10, balance=balance)
        x, y = (trio.rng.integers(-(1 << 29), 1 << 29, shape) for shape in ((rows, depth), (depth, columns)))
        shared = trio.share(RING64, x), trio.share(RING64, y)
        results = run_counted(trio, cost, lambda s, a, b: matrix_product_wide(s, a, b, block), *shared)
        assert open_words(results) == (x.astype(object) @ y.astype(object)).reshape(-1).tolist()


def test_pieces() -> None:
    assert pieces(0, 100, False) == []
    assert pieces(6400, 6400, False) == [slice(0, 6400)]
    assert len(pieces(6400, 6400)) == 3
    assert pieces(6401, 6400, False) == pieces(6401, 6400)
