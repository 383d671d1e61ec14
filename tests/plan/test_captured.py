"""What a loop reads in every pass lies in memory in its own order, and is the same."""

from __future__ import annotations

import numpy as np

import tercet as tc
from tercet.plan.run.execute import _LARGE, _in_order
from tercet.ring import RING64
from tercet.sharing import Share


def test_large_views_are_laid_out_once() -> None:
    words = np.arange(2 * _LARGE, dtype=np.uint64).reshape(2, _LARGE)
    crossed = Share(RING64, words.T, (words + 1).T)
    found = _in_order(crossed)
    assert found.own.flags.c_contiguous and found.next.flags.c_contiguous
    assert (found.own == crossed.own).all() and (found.next == crossed.next).all()


def test_other_arrays_stay_as_they_are() -> None:
    words = np.arange(2 * _LARGE, dtype=np.uint64).reshape(2, _LARGE)
    whole = Share(RING64, words, words)
    assert _in_order(whole).own is words
    small = Share(RING64, words[:, :9].T, words[:, :9].T)
    assert _in_order(small) is small
    repeated = np.broadcast_to(words[0], (1 << 20, _LARGE))  # would take 2 TiB
    many = Share(RING64, repeated, repeated)
    assert _in_order(many) is many


def test_a_transposed_array_in_a_loop() -> None:
    x = np.random.default_rng(0).integers(-100, 100, size=(4, 1 << 17))
    with tc.local() as net:
        across = net.share(x, bounds=(-100, 100)).T
        start = net.share(np.ones((1, 1 << 17), dtype=np.int64), bounds=(0, 1))
        found = tc.loop(2, lambda total: total + tc.array.matmul(start, across), start[:, :4] * 0, bounds=(-1e9, 1e9))
        assert (found.reveal() == 2 * x.sum(axis=1)).all()
