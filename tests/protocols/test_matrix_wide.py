"""Matrix products that outgrow the ring of their factors: exact modulo 2^128, and as cheap as they say."""

from __future__ import annotations

import numpy as np
import pytest

from protocol_checks import SOLOS, open_words, run_counted
from tercet.protocols.matrix import contract_wide, matrix_product_wide, matrix_product_wide_cost
from tercet.ring import RING64, RING128
from tercet.sharing import Party
from trio import Trio

TOP = 1 << 29
"""Of the factors: sixteen of their products stay below 2^62."""
BLOCK = 8
"""The last block has up to fifteen."""
SHAPES = [
    ((2, 1), (1, 3)),
    ((2, 15), (15, 3)),
    ((2, 16), (16, 1)),
    ((3, 100), (100, 2)),
    ((2, 3, 40), (2, 40, 1)),
    ((3, 40), (2, 40, 2)),
    ((2, 1, 2, 31), (3, 31, 2)),
    ((60, 33), (33, 2)),
    ((60, 9), (9, 60)),
    ((40, 200), (200, 20)),
    ((2, 0), (0, 3)),
    ((0, 20), (20, 3)),
]


@pytest.mark.parametrize("edge", [False, True])
@pytest.mark.parametrize("shapes", SHAPES)
def test_the_product_is_exact_and_costs_what_it_says(
    shapes: tuple[tuple[int, ...], tuple[int, ...]], edge: bool
) -> None:
    for solo in SOLOS:
        trio = Trio(31)
        x, y = (trio.rng.integers(-TOP, TOP + 1, shape) for shape in shapes)
        if edge:
            x, y = (np.where(values < 0, -TOP, TOP) for values in (x, y))
        cost = matrix_product_wide_cost(*shapes, BLOCK)
        body = lambda scope, a, b: matrix_product_wide(scope, a, b, BLOCK)
        results = run_counted(trio, cost, body, trio.share(RING64, x), trio.share(RING64, y), solo=solo)
        assert all(share.ring is RING128 for share in results.values())
        want = np.matmul(x.astype(object), y.astype(object)) if shapes[0][-1] else np.zeros((2, 3), object)
        assert results[solo].shape == want.shape
        assert open_words(results) == [int(value) for value in want.reshape(-1)]


def test_all_at_the_top_of_the_range() -> None:
    """Sums of a block that come as near to 2^62 as any, of both signs, with words of shares anywhere."""
    for seed in range(40):
        trio = Trio(seed)
        x = np.full((1, 64), TOP)
        y = np.array([[TOP], [-TOP]] * 32) if seed % 2 else np.full((64, 1), -TOP if seed % 4 else TOP)
        body = lambda scope, a, b: matrix_product_wide(scope, a, b, BLOCK)
        results = trio.run(body, trio.share(RING64, x), trio.share(RING64, y))
        assert open_words(results) == [int((x.astype(object) @ y.astype(object)).item())]


@pytest.mark.parametrize("solo", SOLOS)
@pytest.mark.parametrize("columns", [1, 4])
def test_sums_of_products(solo: Party, columns: int) -> None:
    trio = Trio(32)
    x, y = trio.rng.integers(-TOP, TOP, (2, 50, columns))
    cost = matrix_product_wide_cost((columns, 1, 50), (columns, 50, 1), BLOCK)
    body = lambda scope, a, b: contract_wide(scope, a, b, BLOCK)
    results = run_counted(trio, cost, body, trio.share(RING64, x), trio.share(RING64, y), solo=solo)
    assert open_words(results) == list((x.astype(object) * y).sum(axis=0))


def test_what_is_sent_grows_with_blocks_not_with_terms() -> None:
    assert matrix_product_wide_cost((3, 1000), (1000, 3), 1000) == matrix_product_wide_cost((3, 10), (10, 3), 10)
    assert matrix_product_wide_cost((3, 1000), (1000, 3), 10).rounds == 3
