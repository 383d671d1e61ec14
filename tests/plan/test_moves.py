"""Bools are moved alike in whole words, where their last axis takes some, and bit by bit."""

from __future__ import annotations

import numpy as np
import pytest

import tercet.array as tc
from plan_trio import TrioSession


@pytest.mark.parametrize("length", [1, 63, 64, 65, 128])
def test_bools_of_every_length(length: int) -> None:
    """`plan_trio` compares each operation's result at three parties with its meaning."""
    session = TrioSession(parties=True, seed=length)
    x = np.random.default_rng(length).integers(0, 2, (3, 2, length)).astype(bool)
    y = session.share(x)
    for found, expected in [
        (y[1:], x[1:]),
        (y[::-2, 1], x[::-2, 1]),
        (y[..., 1:], x[..., 1:]),
        (y[..., ::-1], x[..., ::-1]),
        (tc.permute_dims(y, (1, 0, 2)), x.transpose(1, 0, 2)),
        (tc.permute_dims(y, (2, 1, 0)), x.transpose(2, 1, 0)),
        (tc.broadcast_to(y[:1], (4, 2, length)), np.broadcast_to(x[:1], (4, 2, length))),
        (tc.broadcast_to(y[0, 0], (5, 3, length)), np.broadcast_to(x[0, 0], (5, 3, length))),
        (y.reshape(length, 6), x.reshape(length, 6)),
        (y.reshape(6, length), x.reshape(6, length)),
        (tc.concat([y, y[:1]], axis=0), np.concatenate([x, x[:1]])),
        (tc.concat([y, y], axis=2), np.concatenate([x, x], axis=2)),
        (tc.stack([y[0], y[1]], axis=1), np.stack([x[0], x[1]], axis=1)),
        (tc.take(y, [2, 0, 2], axis=0), x[[2, 0, 2]]),
        (tc.take(y, [0], axis=2), x[..., [0]]),
    ]:
        assert np.array_equal(found.reveal(), expected)
