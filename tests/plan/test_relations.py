"""Bounds from what operands have in common: they hold, nodes find the same, and nothing else is taken for them."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

import tercet.array as tc
from plan_trio import TrioSession
from tercet.errors import PlanError
from tercet.plan.bounds.moments import linear_form
from tercet.plan.bounds.relations import quotient_limit, related
from tercet.plan.network import LAN
from tercet.plan.plan import OutputKind, Plan
from tercet.plan.record.compile import Wanted, compile_plan
from tercet.plan.record.scale import bounded
from tercet.plan.table.reasons import DERIVED


def grown(rng: random.Random, session: TrioSession) -> list[tuple[Any, Any]]:
    """Random arithmetic on few arrays, so that they meet again and again, beside its value in float64 or integers."""
    ends = rng.choice([(-9, 9), (0, 9), (-9, 0), (3, 9)])
    found: list[tuple[Any, Any]] = []
    for _ in range(2):
        values = np.array([rng.randint(*ends) for _ in range(4)])
        values[0] = rng.choice(ends)
        found.append((session.share(values, bounds=ends), values))
    for _ in range(14):
        (a, x), (b, y) = rng.choice(found), rng.choice(found)
        (c, z) = rng.choice([(a, x), (b, y)])
        steps = [
            lambda a=a, b=b: a + b,
            lambda a=a, b=b: a - b,
            lambda a=a, c=c: a * c,
            lambda a=a: a * a,
            lambda a=a: 3 * a - a - a,
            lambda a=a: -a,
            lambda a=a, c=c: (a * c).sum(keepdims=True) * 4 - a.sum(keepdims=True) * c.sum(keepdims=True),
            lambda a=a: (a * a).sum(keepdims=True),
            lambda a=a: a - a // 4 * 4,
            lambda a=a, b=b: (a + b) - a,
            lambda a=a: a.sum(keepdims=True) if hasattr(a, "dtype") else a,
        ]
        place = rng.randrange(len(steps))
        step = steps[place]
        defaults = step.__defaults__ or ()
        plain = {id(a): x, id(b): y, id(c): z}
        try:
            result = step()
        except PlanError:
            continue
        expected = step(*(plain[id(value)] for value in defaults))
        if np.abs(expected).max() < 2**60:
            found.append((result, expected))
    return found


@pytest.mark.parametrize("seed", range(60))
def test_derived_bounds_hold(seed: int) -> None:
    """Every operation of random plans lies within its type, which the oracle checks; nodes read the same."""
    rng, session = random.Random(seed), TrioSession()
    found = grown(rng, session)
    results = tc.reveal(*(one for one, _ in found), found[0][0])
    for (array, expected), result in zip(found, results, strict=False):
        assert np.array_equal(result, expected)
        lo, hi = array.bounds
        assert lo <= expected.min() and expected.max() <= hi
        assert not array.node.type.claimed


def plan_of(array: Any) -> Plan:
    return compile_plan([Wanted(array.node, OutputKind.REVEAL)], LAN)


def test_nodes_find_the_same() -> None:
    session = TrioSession()
    x, y = session.share([1.5, -2], bounds=(-10, 10)), session.share([3.0, 4], bounds=(0, 10))
    for array in (
        x**2,
        (x * x).sum(),
        2 * (x * y).sum() - x.sum() * y.sum(),
        x.var(),
        x - x,
        (x**2) * (y**2),
        (x**2) / 4,
    ):
        plan = plan_of(array)
        read = Plan.from_bytes(plan.to_bytes())
        assert not any(op.type.claimed for op in read.operations)
        assert [op.type for op in read.operations] == [op.type for op in plan.operations]
    assert any(op.operation.name == "bound" and op.attrs.reason == DERIVED.number for op in plan_of(x**2).operations)


def test_what_is_not_found_is_a_claim_whatever_reason_stands_there() -> None:
    session = TrioSession()
    x, y = session.share([1.5, -2], bounds=(-10, 10)), session.share([3.0, 4], bounds=(-10, 10))
    for node in ((x * y).node, (x - y).node, (2 * (x * y).sum() - x.sum() * x.sum()).node):
        narrowed = bounded(node, 0, node.type.hi, DERIVED)
        assert narrowed.type.claimed
        read = Plan.from_bytes(compile_plan([Wanted(narrowed, OutputKind.REVEAL)], LAN).to_bytes())
        assert read.operations[-1].type.claimed
    narrower = bounded((x * x).node, 0, 1 << 20, DERIVED)
    assert narrower.type.claimed


def test_searches_are_short() -> None:
    """A long sum is not followed to its end, however often its terms meet."""
    session = TrioSession()
    x = session.share([1, 2], bounds=(0, 9))
    total = x
    for _ in range(400):
        total = total + x
    assert total.bounds == (0, 401 * 9)
    assert linear_form(total.node) is None or len(linear_form(total.node)[0]) <= 12  # type: ignore[index]
    assert related(total.node) is None or related(total.node)[0] <= 0  # type: ignore[index]


def test_quotients() -> None:
    session = TrioSession()
    x, y = session.share([1, -2, 3], bounds=(-9, 9)), session.share([3, 4, 5], bounds=(0, 9))
    pairs = [
        (y, y.sum(), 1),
        (y, y + y, 1),
        (y, y + 5, 1),
        (x * x, (x * x).sum(), 1),
        ((x * y).sum() ** 2, (x * x).sum() * (y * y).sum(), 1),
        ((x * y).sum(), (x * x).sum(), 15 + 2),  # the root of 3 * 81
        (x, x.sum(), None),
        (y, y - x, None),
        (x * y, (x * x).sum(), None),
        ((x * y).sum() ** 2, (x * x).sum() * (x * x).sum(), None),
        (y, y.sum() - 1, None),
    ]
    for a, b, limit in pairs:
        assert quotient_limit(a.node, b.node) == limit
