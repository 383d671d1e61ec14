from __future__ import annotations

import numpy as np
import pytest

from protocol_checks import RINGS, SOLOS, open_words, range_values, run_counted, signed
from tercet.errors import IntegrityError
from tercet.protocols.cost import Cost
from tercet.protocols.pieces import pieces
from tercet.protocols.product import Elementwise, Matrix, bilinear, multiply, multiply_cost
from tercet.ring import RING64, RING128, Ring
from tercet.sharing import PARTIES, Party
from trio import Trio


@pytest.mark.parametrize("solo", SOLOS)
@pytest.mark.parametrize("ring", RINGS)
def test_multiply_is_exact_and_costs_one_word_a_party(ring: Ring, solo: Party) -> None:
    trio = Trio(1)
    x = range_values(trio.rng, ring.bits, 500)
    y = range_values(trio.rng, ring.bits, 500)[::-1]
    results = run_counted(trio, multiply_cost(ring, 500), multiply, trio.share(ring, x), trio.share(ring, y), solo=solo)
    assert open_words(results) == [signed(a * b, ring.bits) for a, b in zip(x, y, strict=True)]
    assert trio.post.bytes == dict.fromkeys(PARTIES, 500 * ring.word_bytes)


@pytest.mark.parametrize("ring", RINGS)
def test_large_multiply_is_cut_in_pieces_with_rotated_roles(ring: Ring) -> None:
    trio = Trio(2)
    count = 10_001
    assert len(pieces(count, 1 << 17)) == 3
    x, y = trio.rng.integers(-1000, 1000, size=(2, 100, 100))
    x, y = np.resize(x, count), np.resize(y, count)
    results = run_counted(trio, multiply_cost(ring, count), multiply, trio.share(ring, x), trio.share(ring, y))
    assert open_words(results) == list(x * y)


@pytest.mark.parametrize(
    "shapes", [((3, 4), (4, 5)), ((1, 7), (7, 1)), ((2, 3, 4), (2, 4, 2)), ((5, 2, 3), (3, 4)), ((17, 2), (2, 40))]
)
@pytest.mark.parametrize("ring", RINGS)
def test_matrix_product(ring: Ring, shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    for solo in SOLOS:
        trio = Trio(3)
        x = trio.rng.integers(-(1 << 40), 1 << 40, size=shapes[0])
        y = trio.rng.integers(-(1 << 40), 1 << 40, size=shapes[1])
        form = Matrix(ring, *shapes)
        cost = Cost(1, 3 * int(np.prod(form.shape)) * ring.word_bytes)
        body = lambda scope, a, b, form=form: bilinear(scope, form, a, b)
        results = run_counted(trio, cost, body, trio.share(ring, x), trio.share(ring, y), solo=solo)
        want = np.matmul(x.astype(object), y.astype(object)).reshape(-1)
        assert open_words(results) == [signed(int(value), ring.bits) for value in want]
        assert results[solo].shape == form.shape


def test_a_reused_stream_raises() -> None:
    trio = Trio(4)
    x, y = trio.share(RING64, [1, 2]), trio.share(RING64, [3, 4])
    trio.run(multiply, x, y)
    trio.operations -= 1
    with pytest.raises(IntegrityError, match="reused"):
        trio.run(multiply, x, y)


@pytest.mark.parametrize("solo", SOLOS)
def test_views_of_a_product_do_not_depend_on_the_values(solo: Party) -> None:
    """The words received are as uniform for fixed inputs as for others: means of all bits, 6 standard deviations."""
    count = 1 << 14
    for values in ([0, 0], [-1, 12345]):
        trio = Trio(5)
        x, y = (trio.share(RING64, np.full(count, value)) for value in values)
        body = lambda scope, a, b: bilinear(scope, Elementwise(RING64, (count,)), a, b)
        trio.run(body, x, y, solo=solo)
        for party in PARTIES:
            for payload in trio.post.views[party]:
                words = payload.view(np.uint64)
                rates = [float(((words >> np.uint64(bit)) & np.uint64(1)).mean()) for bit in range(64)]
                assert max(abs(rate - 0.5) for rate in rates) < 6 * 0.5 / count**0.5


def test_ring128_words_are_lifted_values() -> None:
    trio = Trio(6)
    big = [(1 << 100) + 3, -(1 << 90), (1 << 127) - 1]
    assert open_words(trio.share(RING128, big)) == big
