"""Ranges, exactness and growth: what fits is exact, what does not is refused with its chain, plans compile fast."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tercet.array as tc
from plan_trio import TrioSession, array_of
from tercet.errors import PlanError
from tercet.plan.network import LAN
from tercet.plan.plan import OutputKind
from tercet.plan.record.compile import Wanted, compile_plan
from tercet.plan.types import Type, ValueKind
from timing import at_most, in_time

INT64 = (-(1 << 61), 1 << 61)


def typed(session: TrioSession, shape: tuple[int, ...], bounds: tuple[int, int], frac_bits: int = 0) -> Any:
    """An array of which there is only the type."""
    lo, hi = (bound << frac_bits for bound in bounds)
    ring = 64 if max(-lo, hi) < 1 << 62 else 128
    kind = ValueKind.FIXED if frac_bits else ValueKind.INT
    node = session.graph.input(bytes(16), Type(kind, shape, ring, frac_bits, frac_bits, lo, hi))
    return array_of(session, node)


def test_a_million_rows_simply_type() -> None:
    session = TrioSession()
    rows = 1_000_000
    income, age = typed(session, (rows,), (0, 1_000_000)), typed(session, (rows,), (0, 120), 16)
    table = typed(session, (rows, 10), (-1_000_000, 1_000_000), 16)
    for result in (
        income.sum(),
        (income * income).sum(),
        (income * age).mean(),
        table.T @ table,
        table.T @ income,
        tc.var(income),
        tc.mean(table, axis=0) + 1,
        (table - tc.mean(table, axis=0)).sum(axis=0),
    ):
        compile_plan([Wanted(result.node, OutputKind.REVEAL)], LAN)
    assert (income.sum()).explain().ring == 64
    assert ((income * income).sum()).explain().ring == 64
    assert (table.T @ table).explain().ring == 128


def test_overflow_is_refused_with_the_chain() -> None:
    session = TrioSession()
    x = session.share([2, 3], bounds=(0, 1 << 40))
    with pytest.raises(PlanError) as failure:
        (x * x) * (x * x)
    text = str(failure.value)
    assert "would overflow" in text
    assert "160 bits" in text or "161 bits" in text
    assert "multiply: int[2]" in text
    assert "input: int[2] in [0, 1.09951e+12]" in text
    assert "tc.assume" in text
    with pytest.raises(PlanError, match="would overflow"):
        tc.prod(typed(session, (100,), (0, 1000)))
    with pytest.raises(PlanError, match="would overflow"):
        typed(session, (1 << 30,), (0, 1 << 100)).sum()
    assert tc.assume(x, (0, 10)) ** 4 is not None


@pytest.mark.parametrize("parties", [False, True], ids=["oracle", "parties"])
def test_exactness(parties: bool) -> None:
    session = TrioSession(parties=parties)
    x = session.share([100_000, -100_000], bounds=(-(10**6), 10**6))
    assert (x * x).reveal().tolist() == [10**10, 10**10]
    assert (x**6).reveal().tolist() == [10**30, 10**30]
    big = session.share([(1 << 100) + 1, -(1 << 100)], bounds=(-(1 << 101), 1 << 101))
    assert (big + 1).reveal().tolist() == [(1 << 100) + 2, 1 - (1 << 100)]
    assert (big - big).reveal().tolist() == [0, 0]
    assert (x.sum() + 1).reveal() == 1
    fine = session.share([0.1, -3.7], bounds=(-8, 8), frac_bits=40)
    assert np.allclose((fine * fine).reveal(), [0.01, 13.69], rtol=0, atol=2.0**-36)
    assert np.allclose(tc.maximum(fine * 0.3, -99).reveal(), [0.03, -1.11], rtol=0, atol=2.0**-38)


def test_the_mean_of_a_million_copies() -> None:
    session = TrioSession()
    value = 1_000_000
    one = session.share([value], bounds=(0, 2_000_000))
    copies = tc.broadcast_to(one, (1_000_000,))
    assert copies.mean().explain().rounds == 0
    session = TrioSession(parties=True)
    copies = tc.broadcast_to(session.share([value], bounds=(0, 2_000_000)), (100_000,))
    assert copies.mean().reveal() == value
    assert abs((copies.mean() + 0.5).reveal() - value - 0.5) <= 2.0**-15
    assert copies.mean().explain().bytes_per_party == 0


EDGES = [(-(1 << 61), (1 << 61) - 1), (0, (1 << 62) - 1), (-(1 << 125), 1 << 125), (-1, 0), (7, 7), (0, (1 << 53) + 5)]


@pytest.mark.parametrize("bounds", EDGES)
@pytest.mark.parametrize("parties", [False, True], ids=["oracle", "parties"])
def test_comparisons_are_right_at_both_ends(bounds: tuple[int, int], parties: bool) -> None:
    lo, hi = bounds
    session = TrioSession(parties=parties)
    values = sorted({lo, hi, max(lo, min(hi, 0)), min(lo + 1, hi), max(hi - 1, lo)})
    a = np.array([x for x in values for _ in values], dtype=object)
    b = np.array([y for _ in values for y in values], dtype=object)
    x, y = session.share(a, bounds=bounds), session.share(b, bounds=bounds)
    outside = [lo - 1, hi + 1, -(1 << 130), 1 << 130, 0, 1e300, -1e300, 0.5]
    outside += [float(lo) - 0.5, float(hi) + 0.5, float(hi)]
    operations = ["__lt__", "__le__", "__gt__", "__ge__", "__eq__", "__ne__"]
    secret = [getattr(x, name)(y) for name in operations]
    for got, name in zip(tc.reveal(*secret), operations, strict=True):
        assert got.tolist() == [getattr(int(p), name)(int(q)) for p, q in zip(a, b, strict=True)], name
    for k in [*values, *outside]:
        public = [getattr(x, name)(k) for name in operations]
        for got, name in zip(tc.reveal(*public), operations, strict=True):
            flipped = {"__lt__": "__gt__", "__gt__": "__lt__", "__le__": "__ge__", "__ge__": "__le__"}.get(name, name)
            assert got.tolist() == [getattr(k, flipped)(int(p)) for p in a], (name, k)


@given(k=st.floats(-2000, 2000), data=st.data())
@settings(max_examples=60)
def test_fixed_point_against_any_float(k: float, data: Any) -> None:
    session = TrioSession()
    values = np.array([k, np.floor(k * 65536) / 65536, np.ceil(k * 65536) / 65536, 0.0])
    values = np.floor(values * 65536) / 65536
    x = session.share(values, bounds=(-2001, 2001))
    read = np.rint(k * 65536) / 65536  # as the array would store it
    pairs = [(x < k, values < read), (x <= k, values <= read), (x > k, values > read), (x >= k, values >= read)]
    pairs += [(x == k, values == read), (x != k, values != read), (k < x, read < values), (k == x, values == read)]
    for got, expected in zip(tc.reveal(*(one for one, _ in pairs)), (two for _, two in pairs), strict=True):
        assert got.tolist() == expected.tolist()


@pytest.mark.timing
def test_plans_of_50_000_operations_compile_in_seconds() -> None:
    """In a process of its own, by processor time: neither other work nor what earlier tests left counts."""

    def attempt() -> None:
        script = Path(__file__).parents[1] / "plan_growth.py"
        command = [sys.executable, str(script), "5000", "50000"]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        assert not ended.returncode, ended.stderr
        small, large = json.loads(ended.stdout)
        at_most(large, 20)
        at_most(large, 20 * small)

    in_time(attempt)


def test_equal_expressions_are_recorded_once() -> None:
    session = TrioSession()
    x, y = session.share([1.0]), session.share([2.0])
    assert ((x * y) + 1).node is ((x * y) + 1).node
    plan = compile_plan([Wanted(((x < y) & (x < y)).node, OutputKind.REVEAL)], LAN)
    assert [op.operation.name for op in plan.operations].count("less") == 1
    _ = x * 3 - y  # what nothing needs is not compiled
    assert len(compile_plan([Wanted(x.node, OutputKind.REVEAL)], LAN).operations) == 1
