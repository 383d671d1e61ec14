"""What a plan's first bytes announce is true, or the plan is none; and no more is decoded than they announce."""

from __future__ import annotations

import time
import tracemalloc

import pytest

from plan_trio import array_of
from tercet.array import loop
from tercet.array.core import SecretArray
from tercet.codec import Writer
from tercet.errors import PlanError
from tercet.plan import plan as plans
from tercet.plan.network import LAN
from tercet.plan.plan import MAGIC, VERSION, OutputKind, Plan
from tercet.plan.record.compile import Wanted, compile_plan
from tercet.plan.record.graph import Graph
from tercet.plan.rows.states import Rows
from tercet.plan.rows.track import track
from tercet.plan.types import Type, ValueKind
from tercet.policy import disclosure
from tercet.policy.disclosure import _flows, _nothing_of

N = 50


class Recording:
    def __init__(self) -> None:
        self.graph, self.network, self.checked = Graph(), LAN, False


def columns(count: int) -> list[SecretArray]:
    runner = Recording()
    kind = Type(ValueKind.INT, (N,), 64, 0, 0, 0, 1)
    return [array_of(runner, runner.graph.input(k.to_bytes(16, "big"), kind)) for k in range(count)]  # type: ignore[arg-type]


def compiled(*values: SecretArray) -> Plan:
    return compile_plan([Wanted(value.undivided, OutputKind.REVEAL, b"") for value in values], LAN)


def wide(count: int, operations: int) -> Plan:
    """Each operation adds a column; all columns flow into most of them."""
    xs = columns(count)
    total = xs[0]
    for k in range(operations):
        total = total + xs[k % count] if k % 2 else total - xs[k % count]
    return compiled(total.sum())


def head(data: bytes) -> tuple[bytes, bytes]:
    """The bytes before and after both counts."""
    operations, runs = Plan.announced(data)
    before = Writer().raw(MAGIC).count(VERSION).take()
    return before, data[len(before) + len(Writer().count(operations).count(runs).take()) :]


def with_counts(data: bytes, operations: int, runs: int) -> bytes:
    before, after = head(data)
    return before + Writer().count(operations).count(runs).take() + after


def looping() -> Plan:
    (x,) = columns(1)
    return compiled(loop(7, lambda s: s ^ (x < 1), x < 1).sum())


def test_the_head_says_how_many_operations_there_are_and_run() -> None:
    for plan in (wide(3, 9), looping()):
        assert Plan.announced(plan.to_bytes()) == (len(plan.listed), plan.numbers)
        assert Plan.from_bytes(plan.to_bytes()).to_bytes() == plan.to_bytes()
    assert looping().numbers > len(looping().listed)


@pytest.mark.parametrize("more", [(1, 0), (-1, 0), (0, 1), (0, -1), (1000, 0), (0, 10**6), (-5, -5)])
def test_a_head_that_lies_makes_it_no_plan(more: tuple[int, int]) -> None:
    for plan in (wide(3, 9), looping()):
        operations, runs = Plan.announced(plan.to_bytes())
        with pytest.raises(PlanError, match=r"this is no plan|in the loop body"):
            Plan.from_bytes(with_counts(plan.to_bytes(), operations + more[0], runs + more[1]))


def test_no_more_is_decoded_than_is_announced(monkeypatch: pytest.MonkeyPatch) -> None:
    decoded = 0
    honest = plans._Decoder.operation

    def counted(self: plans._Decoder, index: int) -> None:
        nonlocal decoded
        decoded += 1
        honest(self, index)

    monkeypatch.setattr(plans._Decoder, "operation", counted)
    data = wide(3, 3000).to_bytes()
    for announced in (1, 10, 100):
        decoded = 0
        with pytest.raises(PlanError):
            Plan.from_bytes(with_counts(data, announced, announced))
        assert decoded <= announced
    # nor in the body of a loop
    decoded = 0
    with pytest.raises(PlanError):
        Plan.from_bytes(with_counts(looping().to_bytes(), 2, 10))
    assert decoded <= 2


def test_what_flows_into_operations_costs_little_memory() -> None:
    """Sets of all columns for every operation were 64 KB each: gigabytes for a plan that a node takes."""
    plan = wide(500, 3000)
    given = {handle: frozenset([handle]) for handle, _ in plan.inputs()}
    tracemalloc.start()
    try:
        found = _flows(plan, given, _nothing_of)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(found[plan.outputs[0].value]) == 500
    assert peak < 8 << 20


def test_outputs_that_each_depend_on_others_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    xs = columns(40)
    plan = compiled(*[sum(xs[k : k + 20], xs[k]).sum() for k in range(20)])
    given = {handle: frozenset([handle]) for handle, _ in plan.inputs()}
    assert len(_flows(plan, given, _nothing_of)) == 20
    monkeypatch.setattr(disclosure, "MAX_FLOWS", 100)
    with pytest.raises(PlanError, match="too many columns"):
        _flows(plan, given, _nothing_of)


def test_linked_datasets_share_one_allowance(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each dataset that turned out to stand beside another began the analysis anew, with all its allowance."""
    plan = wide(60, 400)
    states = {handle: {f"d{k}": Rows(0, N)} for k, (handle, _) in enumerate(plan.inputs())}
    assert len(track(plan, states)[0]) == 60
    from tercet.plan.rows import track as rows

    monkeypatch.setattr(rows, "MAX_WORK", 64 * 2 * len(plan.operations))
    one = {handle: {"d": Rows(0, N)} for handle in states}
    assert track(plan, one)
    with pytest.raises(PlanError, match="too large for its rows"):
        track(plan, states)


@pytest.mark.timing
def test_time_grows_with_the_plan_and_no_faster() -> None:
    took = []
    for operations in (1000, 4000):
        plan = wide(100, operations)
        states = {handle: {f"d{k % 10}": Rows(0, N)} for k, (handle, _) in enumerate(plan.inputs())}
        began = time.process_time()
        track(Plan.from_bytes(plan.to_bytes()), states)
        took.append(time.process_time() - began)
    assert took[1] < 4 * 2.5 * took[0]
