"""Declared rounds and bytes are those counted, for both variants, both rings, and sizes around the limits of pieces."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tercet as tc
from plan_trio import TrioSession
from tercet.plan.network import LAN, WAN


def everything(session: Any, x: Any, y: Any, flag: Any) -> list[Any]:
    """Results that take every operation of the table."""
    shifted = tc.array.maximum(x * y, -1e18)
    return [
        (x * y).sum(),
        shifted,
        tc.where(flag, x, y),
        tc.where(flag, x > y, x == y),
        abs(x) + tc.array.sign(y),
        tc.array.round(x) + tc.array.floor(y * 0.25),
        tc.array.all(flag),
        (x == 0).astype(int),
        tc.loop(2, lambda a: a * 0.5 + y, x, bounds=(-(2.0**20), 2.0**20)),
    ]


@pytest.mark.parametrize("network", [LAN, WAN], ids=["lan", "wan"])
@pytest.mark.parametrize(("bound", "frac_bits"), [(1000, 16), (2.0**30, 40)], ids=["64", "128"])
@given(size=st.sampled_from([1, 2, 63, 64, 65, 500, 3071, 3072, 3073]), seed=st.integers(0, 1000))
@settings(max_examples=4)
def test_of_every_operation(network: Any, bound: float, frac_bits: int, size: int, seed: int) -> None:
    """`plan_trio` compares each operation's cost, and its value with its meaning."""
    session = TrioSession(parties=True, network=network, seed=seed)
    rng = np.random.default_rng(seed)
    x = session.share(np.round(rng.uniform(-900, 900, size), 3), (-bound, bound), frac_bits)
    y = session.share(np.round(rng.uniform(-900, 900, size), 3), (-bound, bound), frac_bits)
    flag = session.share(rng.integers(0, 2, size).astype(bool))
    if frac_bits == 40:
        tc.reveal((x * 0.5).sum(), x > y, tc.where(flag, x, y), tc.array.floor(x), abs(x))
    else:
        tc.reveal(*everything(session, x, y, flag))


@pytest.mark.parametrize("network", [LAN, WAN], ids=["lan", "wan"])
@pytest.mark.parametrize("size", [20, 301, 5000])
def test_of_sums_that_outgrow_the_ring_of_their_factors(network: Any, size: int) -> None:
    session = TrioSession(parties=True, network=network)
    rng = np.random.default_rng(size)
    x = session.share(rng.integers(-(2**29), 2**29, (size, 2)), (-(2**29), 2**29))
    y = session.share(rng.integers(-(2**29), 2**29, size), (-(2**29), 2**29))
    tc.reveal(x.T @ x, x.T @ y, (y * y).sum(), tc.array.sum(x * x, axis=0), tc.array.var(x, axis=0))


def test_of_empty_arrays() -> None:
    session = TrioSession(parties=True)
    x, y = (session.share(np.zeros((0, 3)), (-1000, 1000), 16) for _ in range(2))
    flag = session.share(np.zeros((0, 3), bool))
    for result in everything(session, x, y, flag):
        assert result.reveal().shape in ((0, 3), ())


def test_at_parties_in_threads() -> None:
    with tc.local() as net:
        x = net.share(np.linspace(-5, 5, 200), bounds=(-1000, 1000))
        y = net.share(np.linspace(3, -4, 200), bounds=(-1000, 1000))
        flag = net.share(np.arange(200) % 3 == 0)
        results = everything(net, x, y, flag)
        declared = tc.explain(*results)
        with net.measure() as measured:
            tc.reveal(*results)
        assert measured.rounds == declared.rounds
        assert measured.bytes_per_party == pytest.approx(declared.bytes_per_party)
