"""Bounds of products with 1 / sqrt(y): they hold, and whatever only looks like the pattern does not get them."""

from __future__ import annotations

import math
import random
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import tercet.array as tc
from plan_trio import TrioSession
from tercet.plan.bounds.prove import is_proven
from tercet.plan.bounds.roots import inverse_root, product_limit
from tercet.plan.network import LAN
from tercet.plan.plan import OutputKind, Plan
from tercet.plan.record import build, functions
from tercet.plan.record.compile import Wanted, compile_plan
from tercet.plan.record.graph import Recorded
from tercet.plan.record.roots import moment
from tercet.plan.record.scale import cut_to, product_within, renamed, rescaled, settle
from tercet.plan.table.attributes import StatedBounds
from tercet.plan.table.operations import BY_NAME
from tercet.plan.table.reasons import DERIVED

ROOTS = {
    "norm": lambda x: (x * x).sum(axis=0, keepdims=True),
    "variance": lambda x: tc.var(x, axis=0, keepdims=True),
    "squares less the mean": lambda x: ((x - tc.mean(x, axis=0, keepdims=True)) ** 2).sum(axis=0, keepdims=True),
}


def inverse(y: Any) -> Recorded:
    return functions.unrounded(build.number(y.undivided), "rsqrt")


def shared(rng: random.Random, session: TrioSession, rows: int, columns: int) -> tuple[Any, Any]:
    lo, hi = sorted(rng.sample(range(-9, 10), 2))
    values = np.array([[rng.randint(lo, hi) for _ in range(columns)] for _ in range(rows)])
    if rows > 1 and rng.random() < 0.5:  # as far from the mean as one of n can be
        values[:] = lo
        values[0, :] = hi
    bits = rng.choice([0, 0, 16])
    return session.share(values.astype(float) / 2**bits, bounds=(lo / 2**bits, hi / 2**bits)), values / 2**bits


def values_of(x: Any, y: Any) -> list[Any]:
    """The same of plain numbers; 0 where something is divided by 0."""
    cx, cy = x - x.mean(axis=0), y - y.mean(axis=0)
    xx, yy, xy = (x * x).sum(axis=0), (y * y).sum(axis=0), (x * y).sum(axis=0)
    r = over((cx * cy).sum(axis=0), np.sqrt((cx * cx).sum(axis=0)) * np.sqrt((cy * cy).sum(axis=0)))
    z = over(cx, x.std(axis=0))
    return [z, z, over(x, np.sqrt(xx)), over(xy, np.sqrt(xx) * np.sqrt(yy)), over(xy, np.sqrt(xx)), r, r]


def over(a: Any, b: Any) -> Any:
    constant = np.broadcast_to(np.abs(b) < 1e-12, np.broadcast_shapes(np.shape(a), np.shape(b)))
    return np.where(constant, 0, a / np.where(np.abs(b) < 1e-12, 1, b))


@pytest.mark.parametrize("seed", range(24))
def test_they_hold(seed: int) -> None:
    """Each value of random plans lies within its type, which the oracle checks, and nothing is a claim."""
    rng, session = random.Random(seed), TrioSession()
    x, plain = shared(rng, session, rng.choice([2, 3, 7, 60]), 3)
    y, other_plain = shared(rng, session, plain.shape[0], 3)
    centred, other = (one - tc.mean(one, axis=0, keepdims=True) for one in (x, y))
    std = tc.std(x, axis=0, keepdims=True)
    norm = tc.sqrt((x * x).sum(axis=0, keepdims=True))
    dot = (x * y).sum(axis=0)
    found = [
        centred / std,
        centred / tc.sqrt((centred**2).mean(axis=0, keepdims=True)),
        x / norm,
        dot / (tc.sqrt((x * x).sum(axis=0)) * tc.sqrt((y * y).sum(axis=0))),
        dot / tc.sqrt((x * x).sum(axis=0)),
        (centred * other).mean(axis=0) / (x.std(axis=0) * y.std(axis=0)),
        (centred * other).sum(axis=0) / tc.sqrt((centred**2).sum(axis=0) * (other**2).sum(axis=0)),
    ]
    n = plain.shape[0]
    expected = values_of(plain, other_plain)
    limits = [math.sqrt(n - 1), math.sqrt(n - 1), 1, 1, None, 1, 1]
    results = tc.reveal(*found, found[0])
    for array, limit, result, value in zip(found, limits, results, expected, strict=False):
        assert np.allclose(result, value, rtol=2**-13, atol=2**-13)
        lo, hi = array.bounds
        assert lo <= np.min(result) and np.max(result) <= hi
        assert not array.node.type.claimed
        if limit is not None:
            assert hi <= limit + 2**-12, (array, limit)
    read = Plan.from_bytes(session.plans[-1].to_bytes())
    assert [op.type for op in read.operations] == [op.type for op in session.plans[-1].operations]
    assert not any(op.type.claimed for op in read.operations)


def test_what_only_looks_like_it_is_none() -> None:
    """A norm of something else, of other axes, of other places, or of another sum."""
    session = TrioSession()
    rng = np.random.default_rng(3)
    x, y = (session.share(rng.integers(-9, 10, (4, 4)), bounds=(-9, 9)) for _ in range(2))
    columns = {name: root(x) for name, root in ROOTS.items()}
    centred = x - tc.mean(x, axis=0, keepdims=True)
    wrong = [
        (y, columns["norm"]),
        (x.T, columns["norm"]),
        (x[::-1], columns["norm"]),
        (x, columns["norm"][0][:, None]),  # divides rows by what belongs to columns
        (x, (x * y).sum(axis=0, keepdims=True)),
        (x, (x * x).sum(axis=1, keepdims=True)[::-1]),
        (x, (x * x)[:3].sum(axis=0, keepdims=True)),
        (x + 1, columns["norm"]),
        (x, columns["variance"]),
        (y - tc.mean(x, axis=0, keepdims=True), columns["variance"]),
        (x - tc.mean(y, axis=0, keepdims=True), columns["variance"]),
        (x - tc.mean(x, axis=1, keepdims=True), columns["variance"]),
        (x - tc.mean(x), columns["variance"]),
        (x + tc.mean(x, axis=0, keepdims=True), columns["variance"]),
        (centred.T, columns["variance"]),
        (centred, tc.var(y, axis=0, keepdims=True)),
        (centred, columns["variance"][0][:, None]),
        (centred, 3 * (x * x).sum(axis=0, keepdims=True) - x.sum(axis=0, keepdims=True) ** 2),
        (centred, 4 * (x * y).sum(axis=0, keepdims=True) - x.sum(axis=0, keepdims=True) ** 2),
        ((x * y).sum(axis=0), ((x + y) ** 2).sum(axis=0)),
        ((x * y).sum(axis=0), (x * x).sum(axis=1)),
        ((x * y).sum(axis=0)[::-1], (x * x).sum(axis=0)),
        ((x * y).sum(axis=1), (x * x).sum(axis=0)),
        ((x * y).sum(axis=0)[:, None], (x * x).sum(axis=0)),  # each sum by each norm
    ]
    for number, (c, y_) in enumerate(wrong):
        assert product_limit(c.undivided, inverse(y_)) is None, number
    for c, y_ in ((x, columns["norm"]), (centred, columns["variance"]), ((x * y).sum(axis=0), (x * x).sum(axis=0))):
        assert product_limit(c.undivided, inverse(y_)) is not None


def test_a_limit_that_is_stated_is_proven_or_a_claim() -> None:
    session = TrioSession()
    x, y = (session.share(np.arange(6.0), bounds=(-9, 9)) for _ in range(2))
    r = inverse((x * x).sum())
    found = product_limit(build.number(x.undivided), r)
    assert found is not None
    for c, (lo, hi), proven in (
        (x, found, True),
        (x, (found[0], found[1] - 1), False),
        (x, (0, found[1]), False),
        (y, found, False),
    ):
        factor = renamed(build.number(c.undivided), 16, 16)
        product = product_within(factor, r, lo, hi, DERIVED)
        assert product.type.claimed != proven
        assert is_proven(BY_NAME["multiply_within"], product.inputs, StatedBounds(lo, hi, 1)) == proven
        read = Plan.from_bytes(compile_plan([Wanted(product, OutputKind.REVEAL)], LAN).to_bytes())
        assert read.operations[-1].type.claimed != proven


@pytest.mark.parametrize("dropped", [0, 3, 20])
@pytest.mark.parametrize("bits", [8, 40, 58, 100])
def test_an_inverse_root_is_not_above_what_is_said(bits: int, dropped: int) -> None:
    """All of a ring's magnitudes, as three parties compute them, perhaps rounded."""
    rng, session = random.Random(bits), TrioSession()
    values = sorted(
        {
            min((1 << bits) - 1, edge + off)
            for k in range(bits)
            for edge in (1 << k,)
            for off in (-1, 0, 1)
            if edge + off
        }
        | {rng.getrandbits(rng.randint(1, bits)) | 1 for _ in range(300)}
        | {0}
    )
    stored = np.array([*values, None], dtype=object)[:-1]
    x = session.share(stored, bounds=(0, (1 << bits) - 1))
    r = functions.unrounded(renamed(x.undivided, bits, 8), "rsqrt")
    dropped = min(dropped, r.type.frac_bits)
    r = rescaled(renamed(r, r.type.frac_bits, 0), dropped) if dropped else r
    known = inverse_root(r)
    assert known is not None
    found = session.run([Wanted(renamed(r, 0, 0), OutputKind.REVEAL)])[0]
    for value, result in zip(values, np.asarray(found).tolist(), strict=True):
        assert result >= 0
        if value:
            least = Fraction(int(result)) - known.off
            assert least <= 0 or least**2 * value <= known.square
        else:
            assert result == 0


def test_a_moment_is_exact() -> None:
    session = TrioSession()
    x, y = np.array([[1, 2], [5, -7], [0, 3]]), np.array([[2, 2], [1, 4], [-3, 0]])
    a, b = (session.share(one, bounds=(-9, 9)) for one in (x, y))
    found = tc.reveal(*(a.like(settle(moment(a.undivided, b.undivided, axes))) for axes in ((0,), (0, 1))))
    assert np.array_equal(found[0], 3 * (x * y).sum(axis=0) - x.sum(axis=0) * y.sum(axis=0))
    assert found[1] == 6 * (x * y).sum() - x.sum() * y.sum()


def r_squared(x: Any, y: Any) -> Any:
    return ((x - x.mean()) * (y - y.mean())).mean() ** 2 / (x.var() * y.var())


@pytest.mark.parametrize("size", [2.0**-15, 1, 2.0**24])
def test_a_sum_of_products_loses_its_last_bits_where_its_product_with_a_root_does_not_fit(size: float) -> None:
    """At three parties, and also of numbers that differ by their own last bits."""
    rng, session = np.random.default_rng(3), TrioSession(parties=True)
    a = rng.uniform(-size, size, 4096)
    a, b = (np.round(one * 65536) / 65536 for one in (a, (a + rng.uniform(-size, size, 4096)) / 2))
    x, y, level = (session.share(one, bounds=(-(2.0**25), 2.0**25)) for one in (a, b, np.full(4096, 7.25)))
    found = r_squared(x, y)
    assert not found.node.type.claimed and found.bounds[0] >= 0 and found.bounds[1] < 1.01
    result, none = tc.reveal(found, r_squared(x, level))
    assert abs(result - r_squared(a, b)) < 2**-15 and none == 0
    read = Plan.from_bytes(session.plans[-1].to_bytes())
    assert not any(op.type.claimed for op in read.operations)


def test_what_only_looks_like_a_correlation_is_none() -> None:
    """A variance of another array, about another mean, of some of it."""
    session, bounds = TrioSession(), (-(2.0**25), 2.0**25)
    x, y, z = (session.share(np.arange(4096.0), bounds=bounds) for _ in range(3))
    product = moment(renamed(x.node, 0, 0), renamed(y.node, 0, 0), (0,))
    spreads = [renamed(one.var().node, 0, 0) for one in (x, y, z, x[1:])]

    def limit(s: Recorded, u: Recorded, v: Recorded, dropped: int) -> tuple[int, int] | None:
        s = rescaled(renamed(s, dropped, 0), dropped)
        first, second = (cut_to(functions.unrounded(one, "rsqrt"), 70) for one in (u, v))
        within = product_limit(s, first)
        return None if within is None else product_limit(product_within(s, first, *within, DERIVED), second)

    for dropped in (3, 8):
        assert limit(product, spreads[0], spreads[1], dropped) is not None
        for u, v in ((0, 0), (0, 2), (2, 1), (0, 3), (1, 1)):
            assert limit(product, spreads[u], spreads[v], dropped) is None, (u, v)
    x, y, z = (session.share(np.arange(4096.0) % 1024, bounds=(-(2.0**10), 2.0**10)) for _ in range(3))
    for other in (
        ((x - x.mean()) * (y - y.mean())).mean() ** 2 / (x.var() * z.var()),
        ((x - y.mean()) * (y - x.mean())).mean() ** 2 / (x.var() * y.var()),
        ((x - x.mean()) * (y - y.mean()))[1:].mean() ** 2 / (x.var() * y.var()),
    ):
        assert other.bounds[1] > 2
