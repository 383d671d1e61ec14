"""What becomes plain does not rest on a coin; with exact rounding nothing does."""

from __future__ import annotations

import numpy as np
import pytest

import tercet as tc
from plan_trio import TrioSession
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
        rounded = x.like(settle((x * y).node))
        stored = [
            np.round(np.asarray(v) * 65536).astype(int)
            for v in ([0.3, -0.3, 1.7, 2.0, -5.5], [0.7, 0.7, -0.1, 0.5, 3.25])
        ]
        nearest = ((stored[0] * stored[1] + (1 << 15)) >> 16) / 65536
        for _ in range(5):
            assert np.array_equal(rounded.reveal(), nearest)
        assert not any(op.rounds_by_coin for op in plan_of(net, rounded).operations)


@pytest.mark.parametrize("frac_bits", [16, 40])
def test_what_is_moved_or_added_to_is_the_nearest_too(frac_bits: int) -> None:
    """Rounded terms of what is revealed, and parts of rounded arrays; only those parts are rounded then."""
    values = np.array([0.5, 0.8125, 1.75, 2.25, 2.875, 3.0])
    log = np.log(values)
    with tc.local() as net:
        x = net.share(values, frac_bits=frac_bits, bounds=(0.5, 3))
        y = net.share(values, frac_bits=frac_bits, bounds=(-1000, 1000))
        for value, wanted in (
            (tc.log(x)[1], log[1]),
            (tc.log(x)[::-2].reshape((3, 1)), log[::-2].reshape((3, 1))),
            (-tc.log(x), -log),
            (1 - tc.log(x), 1 - log),
            (y + tc.log(x), values + log),
            (tc.stack([y, 2 - tc.log(x)]), np.stack([values, 2 - log])),
            (tc.special.softplus(y), np.logaddexp(0, values)),
            (tc.special.log_expit(y), -np.logaddexp(0, -values)),
            (np.broadcast_to(tc.log(x)[:, None], (6, 2)), np.broadcast_to(log[:, None], (6, 2))),
        ):
            assert not any(op.operation.name == "rescale" for op, _ in plan_of(net, value).listed)
            off = np.abs(value.reveal() - wanted) * 2.0**frac_bits
            assert np.max(off / np.maximum(1, np.abs(wanted))) < 0.6
        part = plan_of(net, tc.log(x)[1])
        assert next(op for op in part.operations if op.operation.name == "round").type.size == 1


def test_terms_that_are_rounded_apart_are_the_nearest_each() -> None:
    a, b = np.array([0.3, -0.7, 1.1]), np.array([0.9, 0.4, -0.6])
    with tc.local() as net:
        x, y = (net.share(v, frac_bits=40, bounds=(-8, 8)) for v in (a, b))
        value = x * y + x
        assert not any(op.rounds_by_coin for op, _ in plan_of(net, value).listed)
        assert np.max(np.abs(value.reveal() - (a * b + a))) < 2.0**-38


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


CHOSEN = {
    "max(log(x), 0)": (lambda x, xp: np.maximum(xp.log(x), 0), lambda x: np.maximum(np.log(x), 0)),
    "|log(x)|": (lambda x, xp: abs(xp.log(x)), lambda x: np.abs(np.log(x))),
    "min(log(x), 1/2) repeated": (lambda x, xp: np.minimum(xp.log(x), 0.5)[None, ::-1], None),
    "held": (lambda x, xp: np.clip(xp.log(x), -0.25, 0.25), lambda x: np.clip(np.log(x), -0.25, 0.25)),
    "the greater of two": (
        lambda x, xp: np.maximum(xp.log(x), xp.sqrt(x) - 1),
        lambda x: np.maximum(np.log(x), np.sqrt(x) - 1),
    ),
    "where": (lambda x, xp: np.where(xp.log(x) > 0, xp.log(x), 0.125), lambda x: np.where(x > 1, np.log(x), 0.125)),
}


@pytest.mark.parametrize("name", CHOSEN)
def test_what_is_chosen_among_rounded_values_is_the_nearest_when_revealed(name: str) -> None:
    """The same number every time, whatever the coins."""
    program, true = CHOSEN[name]
    values = np.round(np.linspace(0.3, 3, 200) * 65536) / 65536
    found = []
    for seed in (1, 2):
        session = TrioSession(parties=True, seed=seed)
        found.append(program(session.share(values, bounds=(0.25, 4)), tc).reveal())
        assert not any(op.operation.name == "rescale" for op in session.plans[-1].operations)
    assert np.array_equal(*found)
    if true is not None:
        assert np.max(np.abs(found[0] - true(values))) * 65536 < 0.55


EXTREMES = {
    "max": (lambda x, xp: xp.log(x).max(), 1),
    "max of columns": (lambda x, xp: xp.log(x).max(axis=0), 1),
    "min of rows": (lambda x, xp: xp.log(x).min(axis=1, keepdims=True), 1),
    "max of products": (lambda x, xp: (x * x).max(), 1),
    "greatest size": (lambda x, xp: abs(xp.log(x)).max(axis=0), 1),
    "range": (lambda x, xp: np.ptp(xp.log(x), axis=1), 2),
    "the first of the greatest": (lambda x, xp: xp.log(x).max(axis=0)[:1], 1),
}


@pytest.mark.parametrize("name", EXTREMES)
def test_extremes_of_rounded_values_are_the_nearest_when_revealed(name: str) -> None:
    """The same every time, chosen before anything is rounded: one rounding for each, none of what they are chosen
    among, and no other comparison."""
    program, roundings = EXTREMES[name]
    values = np.round(np.random.default_rng(4).uniform(0.3, 3, (20, 9)) * 65536) / 65536
    found = []
    for seed in (1, 2):
        session = TrioSession(parties=True, seed=seed)
        value = program(session.share(values, bounds=(0.25, 4)), tc)
        found.append(value.reveal())
        named = [op.operation.name for op in session.plans[-1].operations]
        assert "rescale" not in named
        assert not any(op.type.claimed for op in session.plans[-1].operations)
        assert named.count("round") <= roundings
        value.persist()
        kept = [op.operation.name for op in session.plans[-1].operations]
        assert named.count("negative") == kept.count("negative") > 0
    assert np.array_equal(*found)
    assert np.max(np.abs(found[0] - program(values, np))) * 65536 < 0.55 * roundings


def test_what_no_extreme_is_made_of_is_left_as_it_was() -> None:
    """Bits of something else, what differs in scale, bounds that were assumed."""
    session = TrioSession(parties=True)
    values = np.linspace(0.3, 3, 8)
    x = session.share(values, bounds=(0.25, 4))
    y = session.share(values[::-1].copy(), bounds=(0.25, 4), frac_bits=20)
    for found, wanted in (
        (np.where(x > 1, tc.log(x), 0).max(), np.log(values).max()),
        (np.maximum(tc.log(x), tc.log(y)).max(), np.log(values).max()),
        (tc.assume(tc.log(x).max(), (0, 1.25)), np.log(values).max()),
        (tc.log(x).max() + tc.log(x).min(), np.log(values).max() + np.log(values).min()),
    ):
        assert abs(found.reveal() - wanted) < 2**-14
