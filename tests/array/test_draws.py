"""Secret random arrays: exact probabilities, distributions of what runs, errors, costs, refusals.

Runs are at three parties in this thread with a seed that stands here. Each statistic says how often fair draws would
fail it; with other seeds that is how often the test would.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest

import tercet
from plan_trio import TrioSession, array_of
from tercet import array as tc
from tercet.array import draws
from tercet.errors import PlanError
from tercet.plan.record import draws as recorded
from tercet.plan.record.graph import Recorded


@pytest.fixture
def parties() -> TrioSession:
    return TrioSession(parties=True, seed=11)


@pytest.fixture(scope="module")
def net() -> Iterator[tercet.Session]:
    with tercet.local() as session:
        yield session


def chi_square(counts: Any) -> float:
    expected = np.sum(counts) / len(counts)
    return float(((counts - expected) ** 2 / expected).sum())


# ---- probabilities, over all values of all bits ----


@pytest.mark.parametrize("chance", range(1, 32))
def test_a_public_chance_is_exact(chance: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """With five bits of probability, over all values of all random bits."""
    session = TrioSession()
    monkeypatch.setattr(recorded, "CHANCE_BITS", 5)
    planes = iter([session.share((np.arange(32) >> at & 1).astype(bool)) for at in range(5)])
    monkeypatch.setattr(recorded, "random_bools", lambda graph, shape: next(planes).node)
    found = array_of(session, recorded.below(session.graph, (32,), chance))
    explained = tercet.explain(found)
    assert found.reveal().sum() == chance
    bits = 5 - (chance & -chance).bit_length() + 1
    assert explained.rounds == math.ceil(math.log2(bits))
    ands = sum(row.count for row in explained.operations if row.name == "and")
    assert ands <= max(0, 2 * (bits - 1) - 1 + (bits == 1))


@pytest.mark.parametrize("width", [2, 3, 4, 5, 6, 7, 8, 11, 13, 16])
def test_every_value_is_as_likely_as_said(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of all values of a draw that is finer by three bits."""
    session = TrioSession()
    monkeypatch.setattr(recorded, "EVEN_BITS", 3)
    asked = []

    def integers(graph: Any, shape: tuple[int, ...], bits: int, ring_bits: int) -> Recorded:
        asked.append(bits)
        return session.share(np.arange(1 << bits), bounds=(0, (1 << bits) - 1)).node

    monkeypatch.setattr(recorded, "random_integers", integers)
    found = array_of(session, recorded.uniform(session.graph, (), -3, width - 3, 0)).reveal()
    counts = np.bincount(np.asarray(found) + 3, minlength=width)
    (bits,) = asked
    assert len(counts) == width and counts.sum() == 1 << bits
    assert set(counts) <= {(1 << bits) // width, (1 << bits) // width + 1}
    if not width & (width - 1):
        assert 1 << bits == width


# ---- distributions of what runs ----


def test_uniform_numbers(parties: TrioSession) -> None:
    """64 cells: a statistic above 150 comes about once in 100 million fair runs."""
    unit, wide, dice = tc.reveal(
        draws.uniform(parties, 20_000, 0, 1, 16),
        draws.uniform(parties, (40, 500), -3, 10, 20),
        draws.uniform(parties, 12_000, 1, 7, 0),
    )
    assert unit.dtype == np.float64 and wide.shape == (40, 500) and dice.dtype == np.int64
    assert np.array_equal(unit * 2**16 % 1, np.zeros(20_000))
    assert unit.min() >= 0 and unit.max() < 1 and wide.min() >= -3 and wide.max() < 10
    assert chi_square(np.bincount((unit * 64).astype(int), minlength=64)) < 150
    # the last bits, too
    assert chi_square(np.bincount((unit * 2**16).astype(int) % 64, minlength=64)) < 150
    assert chi_square(np.bincount(((wide.reshape(-1) + 3) / 13 * 64).astype(int), minlength=64)) < 150
    # 5 degrees of freedom: above 50 once in 700 million
    assert set(dice) == {1, 2, 3, 4, 5, 6} and chi_square(np.bincount(dice)[1:]) < 50


@pytest.mark.parametrize("p", [0.5, 0.25, 0.3, 1e-3, 1 - 2**-10])
def test_public_probabilities(p: float, parties: TrioSession) -> None:
    """Six deviations: once in 500 million fair runs."""
    count = 40_000
    found = draws.bernoulli(parties, count, p).reveal()
    assert found.dtype == bool
    assert abs(found.sum() - count * p) < 6 * math.sqrt(count * p * (1 - p)) + 1


def test_secret_probabilities(parties: TrioSession) -> None:
    """Six deviations of each; 0 and 1 are certain."""
    p = np.array([0, 0.125, 0.5, 0.9, 1])
    secret = parties.share(p, bounds=(0, 1))
    share = draws.bernoulli(parties, (4000, 5), secret).reveal().mean(axis=0)
    assert share[0] == 0 and share[4] == 1
    assert (np.abs(share - p) <= 6 * np.sqrt(p * (1 - p) / 4000) + 2**-16).all()
    # a mean, which is still to be divided
    flags = parties.share(np.arange(10) < 3)
    assert abs(draws.bernoulli(parties, 4000, tc.mean(flags)).reveal().mean() - 0.3) < 6 * math.sqrt(0.21 / 4000)


def made_of(x: Recorded, name: str) -> Recorded:
    """The operation of this name that a recorded value rests on."""
    found = {}
    stack = [x]
    while stack:
        one = stack.pop()
        if one.operation.name == name:
            found[one.serial] = one
        stack += one.inputs
    (made,) = found.values()
    return made


@pytest.mark.parametrize(
    ("mean", "std", "frac"), [(0, 1, 16), (-20, 0.25, 20), (5, 100.5, 16), (0.1, 3, 24), (0, 1, 40)]
)
def test_normal_numbers_are_the_quantiles_of_what_is_drawn(mean: float, std: float, frac: int) -> None:
    """Within two last bits, relative above 1; where it is revealed beside what it is made of."""
    session = TrioSession(parties=True, seed=12)
    x = draws.normal(session, 1500, mean, std, frac)
    u, flips = (x.like(made_of(x.node, name)) for name in ("draw_integers", "draw_bits"))
    found, u, flips = tc.reveal(x, u, flips)
    assert u.max() < 2**29
    tails = [NormalDist().inv_cdf((2 * int(one) + 1) / 2**31) for one in u]
    z = -np.array(tails) * np.where(flips, -1, 1)
    expected = mean + std * z
    error = np.abs(found - expected) * 2.0**frac / np.maximum(1, np.abs(expected))
    # the reference is a float
    assert error.max() <= 2.01
    if (mean, std) == (0, 1):
        assert np.abs(found).max() <= 6.1208 <= float(x.dtype.bounds[1]) + 1e-3  # type: ignore[index]


def test_normal_numbers_follow_the_normal_distribution(parties: TrioSession) -> None:
    """Kolmogorov and Smirnov's distance times sqrt(n): above 2.8 once in three million fair runs."""
    count = 4000
    found = np.sort(draws.normal(parties, count, 2, 3, 16).reveal())
    levels = np.array([NormalDist(2, 3).cdf(float(value)) for value in found])
    places = np.arange(count + 1) / count
    assert max(np.abs(levels - places[1:]).max(), np.abs(levels - places[:-1]).max()) * math.sqrt(count) < 2.8


def test_the_ends_of_normal_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the least and the greatest draw, with both signs."""
    session = TrioSession()
    u = np.array([0, 0, 2**29 - 1, 2**29 - 1])
    bits = session.share(np.array([False, True] * 2))
    monkeypatch.setattr(recorded, "random_integers", lambda *_: session.share(u, bounds=(0, 2**29 - 1)).node)
    monkeypatch.setattr(recorded, "random_bools", lambda *_: bits.node)
    found = array_of(session, recorded.normal(session.graph, (4,), 0.0, 1.0, 16)).reveal()
    most = -NormalDist().inv_cdf(2**-31)
    assert np.allclose(found, [most, -most, 0, 0], atol=6 * 2**-15) and 6.12 < most < 6.121


# ---- sessions ----


def test_every_call_draws_anew_unless_it_is_kept(net: tercet.Session) -> None:
    x = net.uniform(100)
    assert not np.array_equal(x.reveal(), x.reveal())
    kept = x.persist()
    assert np.array_equal(kept.reveal(), kept.reveal())
    # in one call it is one value
    one, two, difference = tercet.reveal(x, 2 * x, x - x)
    assert np.array_equal(2 * one, two) and not difference.any()
    first, second = tercet.reveal(net.uniform(100), net.uniform(100))
    assert not np.array_equal(first, second)
    assert net.normal((3, 4)).reveal().shape == (3, 4) and net.bernoulli(()).reveal().shape == ()
    assert net.uniform((0, 3)).reveal().shape == net.normal((0, 3)).reveal().shape == (0, 3)
    assert net.bernoulli(5, 1).reveal().all() and not net.bernoulli(5, 0).reveal().any()
    assert not net.bernoulli(5, 2**-40).reveal().any()


def test_what_explain_says(net: tercet.Session) -> None:
    flips = tercet.explain(net.bernoulli(1000))
    assert (flips.rounds, flips.bytes_per_party) == (0, 0)
    assert [row.name for row in flips.operations] == ["draw_bits"]
    unit = tercet.explain(net.uniform(1000))
    assert unit.rounds == 2 and 340 < 8 * unit.bytes_per_party / 1000 < 350
    assert "draw_integers" in str(unit)
    wide, bell = tercet.explain(net.uniform(1000, low=-3, high=10)), tercet.explain(net.normal(1000))
    assert wide.rounds <= 10 and 8 * wide.bytes_per_party / 1000 < 800
    assert bell.rounds <= 39 and 8 * bell.bytes_per_party / 1000 < 3750
    assert tercet.explain(net.normal(1000, frac_bits=24)).ring == 128 and bell.ring == 64
    third = tercet.explain(net.bernoulli(1000, 0.3))
    assert third.rounds <= 5 and 8 * third.bytes_per_party / 1000 < 2 * 32
    with net.measure() as measured:
        net.normal(1000).reveal()
    assert (measured.rounds, measured.bytes_per_party) == (bell.rounds, bell.bytes_per_party)


def test_numbers_of_numpy_are_probabilities(parties: TrioSession) -> None:
    chances = (np.float32(0), np.float32(1), np.int64(1), np.float16(0.5))
    assert [draws.bernoulli(parties, (4,), p).reveal().all() for p in chances[:3]] == [False, True, True]
    assert draws.bernoulli(parties, (400,), chances[3]).reveal().any()


def test_refusals(net: tercet.Session) -> None:
    other = TrioSession()
    cases: list[tuple[Callable[[], Any], type[Exception], str]] = [
        (lambda: net.uniform(3, low=1, high=1), ValueError, "fewer than two multiples"),
        (lambda: net.uniform(3, low=2, high=1), ValueError, "fewer than two multiples"),
        (lambda: net.uniform(3, low=0, high=1, frac_bits=0), ValueError, "fewer than two multiples"),
        (lambda: net.uniform(3, low=0, high=math.inf), TypeError, "high is a finite public number"),
        (lambda: net.uniform(3, low=0, high=1, frac_bits=-1), ValueError, "frac_bits is -1"),
        (lambda: net.uniform(3, low=0, high=3 * 2.0**100), PlanError, "too many"),
        (lambda: net.uniform(-3), ValueError, "not negative"),
        (lambda: net.uniform(3.5), TypeError, "public integers"),
        (lambda: net.uniform((1,) * 33), ValueError, "32 lengths"),
        (lambda: net.uniform((1 << 20, 1 << 20)), PlanError, "random bits"),
        (lambda: net.normal(3, mean=0, std=0), ValueError, "std is 0"),
        (lambda: net.normal(3, mean=0, std=-1), ValueError, "std is -1"),
        (lambda: net.normal(3, mean=0, std=2.0**30), PlanError, "not offered"),
        (lambda: net.normal(3, frac_bits=0), ValueError, "1 to 44"),
        (lambda: net.normal(3, mean=math.nan), TypeError, "mean"),
        # NumPy's generators take (mean, std, size): what would be read as a shape is refused
        (lambda: net.normal(10, 2, 100), TypeError, "positional"),  # type: ignore[misc]
        (lambda: net.uniform(2, 5, 100), TypeError, "positional"),  # type: ignore[misc]
        (lambda: net.bernoulli(3, 1.5), ValueError, "from 0 to 1"),
        (lambda: net.bernoulli(3, -0.1), ValueError, "from 0 to 1"),
        (lambda: net.bernoulli(3, "a"), TypeError, "finite public number"),
        (lambda: net.bernoulli(3, 10**400), ValueError, "p has 1,329 bits"),
        (lambda: net.normal(3, mean=10**400), ValueError, "mean has 1,329 bits"),
        (lambda: net.bernoulli(3, net.share([1, 0], bounds=(0, 1))), TypeError, "fixed point"),
        (lambda: net.bernoulli(3, other.share([0.5])), ValueError, "another session"),
    ]
    for call, error, says in cases:
        with pytest.raises(error, match=says):
            call()
