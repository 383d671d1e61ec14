"""Random values in plans: what nodes refuse, what a policy sees of rows, and that partitions share one draw."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest

import tercet.array as tc
from plan_trio import TrioSession, share_plain
from tercet.array import draws
from tercet.engine.channel import JobChannel
from tercet.engine.job import JobResult
from tercet.errors import PlanError
from tercet.plan.network import LAN
from tercet.plan.plan import OutputKind, Plan, PlanOperation, PlanOutput
from tercet.plan.record.compile import Wanted, compile_plan
from tercet.plan.rows.cut import Refusal
from tercet.plan.rows.states import Aggregate, Rows, Spread
from tercet.plan.rows.track import track
from tercet.plan.run.execute import execute
from tercet.plan.run.passes import Passes, Streamed, split
from tercet.plan.run.streaming import execute_streamed
from tercet.plan.table.attributes import Attributes, DrawnBits, DrawnIntegers
from tercet.plan.table.operations import BY_NAME
from tercet.plan.types import Type, ValueKind, bool_type
from tercet.sharing import Party, Share, Streams
from three_parties import TIMEOUT_S, at_three, opened
from trio import Trio

ROWS = 40


def read(name: str, attrs: Attributes, t: Type) -> Plan:
    operation = PlanOperation(BY_NAME[name], (), attrs, t)
    return Plan.from_bytes(Plan((operation,), (PlanOutput(OutputKind.REVEAL, 0, b""),)).to_bytes())


def whole(hi: int, shape: tuple[int, ...] = (3,), ring: int = 64) -> Type:
    return Type(ValueKind.INT, shape, ring, 0, 0, 0, hi)


def test_nodes_prove_bounds_and_lengths_from_the_plan() -> None:
    assert read("draw_integers", DrawnIntegers((3,), 1, 62, 64), whole(2**62 - 1)).operations[0].type.hi == 2**62 - 1
    assert read("draw_bits", DrawnBits((2, 3), 1), bool_type((2, 3))).operations[0].type.is_bool
    for name, attrs, t in (
        ("draw_integers", DrawnIntegers((3,), 1, 8, 64), whole(254)),
        ("draw_integers", DrawnIntegers((3,), 1, 8, 64), whole(255, (4,))),
        ("draw_integers", DrawnIntegers((3,), 1, 8, 64), whole(255, ring=128)),
        ("draw_integers", DrawnIntegers((3,), 1, 0, 64), whole(0)),
        ("draw_integers", DrawnIntegers((3,), 1, 63, 64), whole(2**62 - 1)),
        ("draw_integers", DrawnIntegers((3,), 1, 1 << 40, 64), whole(2**62 - 1)),
        ("draw_integers", DrawnIntegers((3,), 1, 8, 32), whole(255)),
        ("draw_integers", DrawnIntegers((1 << 30,), 1, 8, 64), whole(255, (1 << 30,))),
        ("draw_bits", DrawnBits((1 << 20, 1 << 13), 1), bool_type((1 << 20, 1 << 13))),
        ("draw_bits", DrawnBits((1,) * 33, 1), bool_type((1,))),
        ("draw_bits", DrawnBits((3,), 1), bool_type((4,))),
    ):
        with pytest.raises(PlanError):
            read(name, attrs, t)
    for name, attrs in (("draw_bits", DrawnBits((3,), 1)), ("draw_integers", DrawnIntegers((3,), 1, 8, 64))):
        with pytest.raises(PlanError, match="takes 0 inputs"):
            BY_NAME[name].infer([bool_type((3,))], attrs)


def plan_of(*values: Any) -> Plan:
    return compile_plan([Wanted(value.node, OutputKind.REVEAL) for value in values], LAN)


def test_a_draw_rests_on_no_row_and_makes_no_aggregate_of_rows() -> None:
    """Whoever adds up the rows that a random mask takes, and is shown the mask, knows sums of any few rows."""
    session = TrioSession()
    x = session.share(np.arange(ROWS), bounds=(0, ROWS))
    mask, few = draws.bernoulli(session, ROWS, 0.1), draws.uniform(session, (), 0, 1, 16)
    plan = plan_of(mask, few, tc.where(mask, x, 0), tc.sum(tc.where(mask, x, 0)), tc.sum(x) * few, tc.sum(x * few))
    ((handle, _),) = plan.inputs()
    alone, scalar, chosen, selected, times, scaled = track(plan, {handle: {"t": Rows(0, ROWS)}})
    assert alone == scalar == {}
    assert isinstance(chosen["t"], Rows) and isinstance(selected["t"], Spread)
    # one number for all rows treats them alike
    assert isinstance(times["t"], Aggregate) and times["t"].count == ROWS
    assert isinstance(scaled["t"], Aggregate) and scaled["t"].count == ROWS
    # kept, it is an array of which nothing is known
    kept = session.share(np.arange(ROWS) % 2 == 0)
    plan = plan_of(tc.sum(tc.where(kept, x, 0)))
    states: dict[bytes, Any] = {h: {"t": Rows(0, ROWS)} if t.ring else {} for h, t in plan.inputs()}
    assert isinstance(track(plan, states)[0]["t"], Spread)


def test_a_draw_as_long_as_the_rows_is_not_cut() -> None:
    session = TrioSession()
    x = session.share(np.arange(ROWS), bounds=(0, ROWS))
    for noise in (draws.uniform(session, ROWS, 0, 1, 16), draws.uniform(session, ROWS, 0, 1, 16) * 2 + 1):
        plan = plan_of(tc.sum(x + noise))
        found = split(plan, dict.fromkeys(dict(plan.inputs()), ROWS))
        assert isinstance(found, Refusal) and "is drawn once, whole" in found.reason


def test_partitions_and_passes_share_one_draw() -> None:
    """One random number beside all rows, in two passes over seven partitions: the same number everywhere."""
    session = TrioSession()
    values = np.arange(ROWS)
    x = session.share(values, bounds=(0, ROWS))
    u, v = draws.uniform(session, (), 0, 100, 0), draws.uniform(session, (1,), 0, 100, 0)
    moved = x + u + v
    mean = tc.sum(moved)
    plan = plan_of(u, v, mean, tc.sum((ROWS * moved - mean) * moved), moved)
    ((handle, column),) = plan.inputs()
    shares = share_plain(Trio(7), session.stored[handle], column)
    found = split(plan, dict.fromkeys(dict(plan.inputs()), ROWS))
    assert isinstance(found, Streamed) and found.passes == 2
    passes = Passes(found, 6)

    class Column:
        def __init__(self, party: Party) -> None:
            self._share = shares[party]

        def load(self, handle: bytes, start: int | None, stop: int | None) -> Any:
            return self._share[start:stop]

        def add_up(self, handles: Iterable[bytes]) -> dict[bytes, Any]:
            ring, own, following = self._share.ring, self._share.own, self._share.next
            return {handle: Share(ring, ring.sum(own), ring.sum(following)) for handle in handles}

    def streamed(party: Party, streams: Streams, channel: JobChannel) -> JobResult:
        return execute_streamed(passes, party, streams, channel, Column(party), timeout=TIMEOUT_S)

    drawn = set()
    for seed in range(3):
        results = at_three(Trio(seed), streamed)
        one, two, total, spread, rows = opened(results, [plan.type_of(output.value) for output in plan.outputs])
        number = int(one.reshape(-1)[0]) + int(two.reshape(-1)[0])
        drawn.add(number)
        expected = values + number
        assert rows.reshape(-1).tolist() == expected.tolist()
        assert int(total) == expected.sum()
        assert int(spread) == ((ROWS * expected - expected.sum()) * expected).sum()
    assert len(drawn) > 1


def test_passes_of_a_loop_share_a_draw_that_is_recorded_once() -> None:
    session = TrioSession(parties=True)
    start = session.share(np.zeros(4), bounds=(0, 8))
    step = draws.uniform(session, 4, 0, 2, 16)
    end = tc.loop(3, lambda a: a + step, start, bounds=(0.0, 8.0))
    taken, found = tc.reveal(step, end)
    assert np.array_equal(found, 3 * taken)


def test_draws_of_a_plan_and_of_later_jobs_are_apart() -> None:
    session = TrioSession(parties=True)
    one, two = draws.bernoulli(session, 200, 0.5), draws.bernoulli(session, 200, 0.5)
    assert one.node is not two.node
    first, second = tc.reveal(one, two)
    assert not np.array_equal(first, second) and not np.array_equal(one.reveal(), first)


def test_two_operations_written_alike_are_independent() -> None:
    """A plan by hand with the same number twice: streams are addressed by the operation, not by its attributes."""
    operation = PlanOperation(BY_NAME["draw_bits"], (), DrawnBits((640,), 1), bool_type((640,)))
    plan = Plan((operation, operation), tuple(PlanOutput(OutputKind.REVEAL, at, b"") for at in range(2)))
    plan = Plan.from_bytes(plan.to_bytes())
    results = at_three(
        Trio(1), lambda party, streams, channel: execute(plan, party, streams, channel, {}, timeout=TIMEOUT_S)
    )
    one, two = opened(results, [bool_type((640,))] * 2)
    assert not np.array_equal(one, two)
