"""What becomes plain does not rest on a coin; with exact rounding nothing does."""

from __future__ import annotations

import numpy as np
import pytest

import tercet as tc
from tercet.array.core import SecretArray
from tercet.errors import ConfigError
from tercet.plan.plan import OutputKind, Plan
from tercet.plan.record.compile import Wanted, compile_plan
from tercet.plan.record.scale import settle


def plan_of(net: tc.Session, *arrays: SecretArray) -> Plan:
    return compile_plan([Wanted(array.node, OutputKind.REVEAL) for array in arrays], net.network)


def test_a_rounded_value_that_is_revealed_is_the_nearest_every_time() -> None:
    with tc.local() as net:
        x = net.share([0.3, -0.3, 1.7, 2.0, -5.5], bounds=(-8, 8))
        y = net.share([0.7, 0.7, -0.1, 0.5, 3.25], bounds=(-8, 8))
        rounded = SecretArray._new(net, settle((x * y).node))
        stored = [
            np.round(np.asarray(v) * 65536).astype(int)
            for v in ([0.3, -0.3, 1.7, 2.0, -5.5], [0.7, 0.7, -0.1, 0.5, 3.25])
        ]
        nearest = ((stored[0] * stored[1] + (1 << 15)) >> 16) / 65536
        for _ in range(5):
            assert np.array_equal(rounded.reveal(), nearest)
        assert not any(op.rounds_by_coin for op in plan_of(net, rounded).operations)


def test_exact_rounding_leaves_no_coin_and_gives_the_same_each_time() -> None:
    rng = np.random.default_rng(5)
    a, b = rng.uniform(-3, 3, (2, 50))
    with tc.local(rounding="exact") as net:
        x, y = net.share(a, bounds=(-3, 3)), net.share(b, bounds=(1e-3, 3) if (b > 0).all() else (-3, 3))
        for make in (
            lambda: x * y * x * y * x,
            lambda: (x * x + 1) / (y * y + 2),
            lambda: tc.stack([x, y]) @ tc.stack([x, y]).T,
            lambda: ((x * y) * 0.1).sum(),
            lambda: (x * y).astype("int64"),
        ):
            value = make()
            assert not any(op.rounds_by_coin for op, _ in plan_of(net, value).listed)
            first = value.persist().reveal()
            assert np.array_equal(make().persist().reveal(), first)
        assert np.allclose((x * y * x).persist().reveal(), a * b * a, atol=3e-4)


def test_a_coin_rounds_what_a_local_session_keeps() -> None:
    with tc.local() as net:
        x = net.share(np.full(2000, 0.3), bounds=(-8, 8))
        kept = (x * x).persist().reveal()
        stored = (round(0.3 * 65536) ** 2) / 65536
        assert set(np.unique(kept * 65536)) == {np.floor(stored), np.ceil(stored)}
        # unbiased: five standard deviations
        fraction = stored - np.floor(stored)
        assert abs(np.mean(kept * 65536) - stored) < 5 * np.sqrt(fraction * (1 - fraction) / 2000)


def test_an_unknown_rounding_is_refused() -> None:
    with pytest.raises(ConfigError, match="rounding 'up' is not known"):
        tc.local(rounding="up")
