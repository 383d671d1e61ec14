from __future__ import annotations

import numpy as np
import pytest

from protocol_checks import SOLOS, open_planes, run_counted
from tercet.protocols.bits import bit_and, bit_and_cost, bit_xor
from tercet.sharing import PARTIES, BitShare, Party
from trio import Trio


@pytest.mark.parametrize("count", [1, 7, 8, 64, 65, 1000])
@pytest.mark.parametrize("solo", SOLOS)
def test_and_and_xor(count: int, solo: Party) -> None:
    trio = Trio(31)
    x, y = trio.rng.integers(0, 2, size=(2, count)).astype(bool)
    xs, ys = trio.share_bits(x), trio.share_bits(y)
    results = run_counted(trio, bit_and_cost((), count), bit_and, xs, ys, solo=solo)
    assert np.array_equal(Trio.open_bits(results), x & y)
    assert np.array_equal(Trio.open_bits({p: bit_xor(xs[p], ys[p]) for p in PARTIES}), x ^ y)


def test_leading_axes_broadcast() -> None:
    trio = Trio(32)
    count = 100
    x = trio.rng.integers(0, 2, size=(3, 5, count)).astype(bool)
    y = trio.rng.integers(0, 2, size=(1, 5, count)).astype(bool)

    def planes(bits: np.ndarray) -> dict[Party, BitShare]:
        rows = [trio.share_bits(row) for row in bits.reshape(-1, count)]
        shape = (*bits.shape[:-1], -1)
        return {
            p: BitShare(
                count,
                np.array([row[p].own for row in rows]).reshape(shape),
                np.array([row[p].next for row in rows]).reshape(shape),
            )
            for p in PARTIES
        }

    results = run_counted(trio, bit_and_cost((3, 5), count), bit_and, planes(x), planes(y))
    assert np.array_equal(open_planes(results), x & y)


def test_every_message_of_an_and_is_uniform() -> None:
    trio = Trio(33)
    count = 1 << 16
    ones = np.ones(count, bool)
    trio.run(bit_and, trio.share_bits(ones), trio.share_bits(ones))
    for party in PARTIES:
        (payload,) = trio.post.views[party]
        assert abs(np.unpackbits(payload).mean() - 0.5) < 6 * 0.5 / count**0.5
