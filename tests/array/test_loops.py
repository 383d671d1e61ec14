"""Loops: one operation with a body, on the oracle and at three parties."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tercet.array as tc
from plan_trio import TrioSession
from tercet.errors import InputError, PlanError
from tercet.plan.plan import OutputKind, Plan
from tercet.plan.record.compile import Wanted, compile_plan

BOTH = pytest.mark.parametrize("parties", [False, True], ids=["oracle", "parties"])


def plan_of(*arrays: Any) -> Plan:
    wanted = [Wanted(array.node, OutputKind.REVEAL) for array in arrays]
    plan = compile_plan(wanted, arrays[0].device.network)
    assert Plan.from_bytes(plan.to_bytes()) == plan
    return plan


def halfway(session: TrioSession, count: int) -> tuple[Any, Any]:
    """Newton's iteration for a square root, by averages without a division by secrets."""
    a = session.share([2.0, 3.0, 10.0], bounds=(1, 16))

    def body(y: Any) -> Any:
        return y * (1.5 - a * 0.5 * y * y)

    start = session.share([0.5, 0.5, 0.25], bounds=(0, 1))
    return tc.loop(count, body, start, bounds=(-2, 2)), 1 / np.sqrt([2.0, 3.0, 10.0])


@BOTH
def test_an_iterative_fit(parties: bool) -> None:
    result, expected = halfway(TrioSession(parties=parties), 6)
    assert np.allclose(result.reveal(), expected, atol=2.0**-13)


@BOTH
@pytest.mark.parametrize("count", [0, 1, 5])
def test_several_carried_values_of_all_kinds(parties: bool, count: int) -> None:
    session = TrioSession(parties=parties)
    step = session.share([1, 2], bounds=(0, 10))
    start = session.share([0, 0], bounds=(0, 0)), session.share([0.0, 8.0]), session.share([True, False])

    def body(n: Any, x: Any, flag: Any) -> Any:
        return n + step, x * 0.5, ~flag & (n < 100)

    n, x, flag = tc.loop(count, body, *start, bounds=[(0, 1000), None, None])
    got = [value.tolist() for value in tc.reveal(n, x, flag)]
    assert got == [[count, 2 * count], [0, 8 / 2**count], [count % 2 == 0, count % 2 == 1]]


@BOTH
def test_loops_nest(parties: bool) -> None:
    session = TrioSession(parties=parties)
    x = session.share([1, 2, 3], bounds=(0, 10))

    def outer(total: Any) -> Any:
        return tc.loop(3, lambda inner: inner + x, total, bounds=(0, 10_000))

    result = tc.loop(4, outer, session.share([0, 0, 0], bounds=(0, 0)), bounds=(0, 10_000))
    assert result.reveal().tolist() == [12, 24, 36]
    plan = plan_of(result)
    inner = next(op for op in plan.operations if op.body is not None).body
    assert inner is not None
    assert plan.numbers == len(plan.operations) + 4 * inner.numbers
    assert inner.numbers > len(inner.operations)


def test_a_plan_does_not_grow_with_the_count() -> None:
    few, _ = halfway(TrioSession(), 2)
    many, _ = halfway(TrioSession(), 2000)
    assert abs(len(plan_of(few).to_bytes()) - len(plan_of(many).to_bytes())) < 4
    one, two = few.explain(), many.explain()
    assert two.rounds - 2000 * (one.rounds // 2) < 10
    assert two.bytes_per_party == pytest.approx(1000 * one.bytes_per_party, rel=0.01)
    assert any("loop-carried bounds, declared" in line for line in two.assumptions)
    assert sum(row.count for row in two.operations if row.name == "multiply") >= 2000


def test_numbers_never_repeat() -> None:
    session = TrioSession()
    x = session.share([1, 2, 3], bounds=(0, 10))
    first = tc.loop(3, lambda a: tc.loop(2, lambda b: b * x, a, bounds=(0, 99)), x, bounds=(0, 99))
    second = tc.loop(0, lambda a: a * x, first, bounds=(0, 99))
    third = tc.loop(2, lambda a: a * x, second, bounds=(0, 99))
    plan = plan_of(third)
    seen: list[tuple[int, int]] = []

    def walk(plan: Plan, base: int, listed: int) -> None:
        for index, op in enumerate(plan.operations):
            seen.append((base + index, listed + index))
            if op.body is not None:
                for number in range(op.attrs.count):
                    start = base + plan.loops[index] + number * op.body.numbers
                    walk(op.body, start, listed + plan.listings[index])

    walk(plan, 0, 0)
    assert sorted(number for number, _ in seen) == list(range(plan.numbers))
    for number, place in seen:
        assert plan.place_of(number) == place
    with pytest.raises(KeyError):
        plan.place_of(plan.numbers)


def test_growing_bounds_are_refused_with_what_to_declare() -> None:
    session = TrioSession()
    x = session.share([1, 2], bounds=(0, 10))
    with pytest.raises(PlanError, match=r"bounds grow.*bounds=\(lo, hi\)"):
        tc.loop(3, lambda a: a + x, x)
    with pytest.raises(PlanError, match="beyond the declared bounds"):
        tc.loop(3, lambda a: a + x, x, bounds=(0, 5))
    with pytest.raises(PlanError, match="shape"):
        tc.loop(3, lambda a: a[:1], x)
    with pytest.raises(PlanError, match="integer"):
        tc.loop(3, lambda a: a * 0.5, x)
    with pytest.raises(PlanError, match="bool"):
        tc.loop(3, lambda a: a.astype(int), x > 1)
    with pytest.raises(ValueError, match="returns 2"):
        tc.loop(3, lambda a: (a, a), x)
    with pytest.raises(TypeError, match="secret arrays"):
        tc.loop(3, lambda a: [np.array([1, 2])], x)
    assert tc.loop(3, lambda a: tc.clip(a + x, 0, 10), x).reveal().tolist() == [4, 8]


@BOTH
def test_declared_bounds_are_checked_in_a_checked_run(parties: bool) -> None:
    session = TrioSession(parties=parties, checked=True)
    session.check = False
    x = session.share([1, 2], bounds=(0, 10))
    assert tc.loop(4, lambda a: a + x, x, bounds=(0, 10)).reveal().tolist() == [5, 10]
    with pytest.raises(InputError, match="one of 5 passes of a loop"):
        tc.loop(5, lambda a: a + x, x, bounds=(0, 10)).reveal()
    nested = tc.loop(2, lambda a: tc.loop(2, lambda b: b + x, a, bounds=(0, 10)), x, bounds=(0, 10))
    assert (nested + 0).reveal().tolist() == [5, 10]
    with pytest.raises(InputError, match="assumption"):
        tc.loop(1, lambda a: a + nested, nested, bounds=(0, 10)).reveal()


@BOTH
def test_assumed_bounds_are_checked_in_a_checked_run(parties: bool) -> None:
    session = TrioSession(parties=parties)
    session.check = False
    x = session.share([1.5, -2.0, 3.0], bounds=(-1000, 1000))
    good, bad = tc.assume(x, (-2, 3)), tc.assume(x, (-1, 3.5))
    assert good.bounds == (-2, 3)
    assert good.reveal(checked=True).tolist() == [1.5, -2, 3]
    assert bad.reveal().tolist() == [1.5, -2, 3]
    with pytest.raises(InputError, match=r"does not hold: that .*\[-1, 3.5\]"):
        tc.reveal(good, bad, checked=True)
    with pytest.raises(InputError, match="does not hold"):
        tc.persist(bad * 2, checked=True)
