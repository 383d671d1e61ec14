"""Property P: for any types whatsoever, true or false, what a plan gives is what the reference gives, bit for bit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from model import words
from model.engine import Engine, test_mode
from model.false_plans import SHAPE_ROWS, draw
from tercet.errors import PlanError
from tercet.plan.network import LAN, WAN, Network
from tercet.plan.plan import OutputKind, Plan, PlanOperation, PlanOutput
from tercet.plan.record import build
from tercet.plan.record.compile import Wanted, compile_plan
from tercet.plan.record.graph import Graph, Recorded
from tercet.plan.record.public import number_constant
from tercet.plan.run.passes import Streamed, split
from tercet.plan.table.attributes import Axes, Axis, AxisOrder, Contraction, NewShape, Rounding, Shift, StatedBounds
from tercet.plan.table.operations import BY_NAME
from tercet.plan.types import Type, ValueKind
from tercet.protocols import compare, convert, equality, matrix, normalise, pieces, product, truncate

SMALL = 64


@pytest.fixture(params=[False, True], ids=["large pieces", "small pieces"])
def cuts(request: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is cut as soon as it can be, and blocks are short."""
    monkeypatch.setattr(matrix, "SHORTEST_BLOCK", 8)
    if request.param:
        monkeypatch.setattr(pieces, "ROTATE_FROM", 8)
        monkeypatch.setattr(matrix, "ROTATE_FROM", 8)
        for module in (compare, convert, equality, normalise, product, truncate):
            if hasattr(module, "PIECE"):
                monkeypatch.setattr(module, "PIECE", SMALL)
        monkeypatch.setattr(truncate, "EXACT_PIECE", SMALL)


@pytest.mark.parametrize("network", [LAN, WAN], ids=["few bytes", "few rounds"])
@pytest.mark.parametrize("balance", [True, False])
@pytest.mark.parametrize("seed", range(6))
def test_words_equal_the_reference(
    seed: int, balance: bool, network: Network, cuts: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole and in partitions: a few large ones of 150 rows, and small ones of fewer rows (which are another plan)."""
    many = ((50,), (SHAPE_ROWS - 1, 64), (50,))[seed % 3]
    few_rows, few = ((31, 2), (40, 7), (60, 9))[seed % 3]
    for rows, sizes in ((SHAPE_ROWS, many), (few_rows, (few,))):
        drawn = draw(1000 * seed + balance, network, rows=rows)
        plan = drawn.plan
        claimed = [handle for handle, t in plan.inputs() if not t.is_bool]
        assert Plan.from_bytes(plan.to_bytes(), claimed=claimed).to_bytes() == plan.to_bytes()
        assert not any(op.operation.name in ("contract", "matmul") and op.attrs.wide for op in plan.operations)
        expected = words.evaluate(plan, drawn.inputs)
        with test_mode(monkeypatch) as board:
            for sharing in range(2):
                same(plan, Engine(board, sharing + seed, balance=balance).whole(plan, drawn.inputs), expected)
            found = split(plan, dict.fromkeys(drawn.inputs, rows))
            if isinstance(found, Streamed):
                for size in sizes:
                    got = Engine(board, seed, balance=balance).streamed(found, drawn.inputs, size)
                    for index, value in got.items():
                        assert np.array_equal(value, expected[index]), (size, index, plan.maker(index))


def same(plan: Plan, got: dict[int, Any], expected: dict[int, Any]) -> None:
    assert got.keys() == {value for value in expected if not plan.maker(value).is_constant}
    for value, one in got.items():
        assert np.array_equal(one, expected[value]), (value, plan.maker(value))


def test_plans_are_of_every_kind() -> None:
    """Every operation that rounds, lifts, reads bits or states bounds comes, and many plans are cut along rows."""
    names: dict[str, int] = {}
    streamed = 0
    for seed in range(60):
        drawn = draw(seed, LAN)
        for op, _ in drawn.plan.listed:
            names[op.operation.name] = names.get(op.operation.name, 0) + 1
        streamed += isinstance(split(drawn.plan, dict.fromkeys(drawn.inputs, drawn.rows)), Streamed)
    wanted = ["rescale", "round", "lift", "bound", "multiply_within", "normalise", "negative", "less", "is_zero"]
    wanted += ["inject", "sum", "contract", "matmul", "loop", "clip", "rename", "multiply", "lookup"]
    wanted += ["bits", "count", "sort", "sort_order", "move", "invert_order", "compose_orders", "order_places"]
    wanted += ["ranks", "sums_up_to"]
    assert all(names.get(name, 0) >= 6 for name in wanted), names
    assert streamed >= 8


@pytest.mark.parametrize("seed", range(4))
def test_other_claims_give_the_same_words(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the reference: the same plan with other claims of as many bits, which are false for other rows."""
    plans = [draw(50_000 + seed, LAN, claims=claims) for claims in range(3)]
    assert len({len(drawn.plan.operations) for drawn in plans}) == 1
    with test_mode(monkeypatch) as board:
        found = [Engine(board, seed, balance=True).whole(drawn.plan, drawn.inputs) for drawn in plans]
    for other in found[1:]:
        same(plans[0].plan, other, found[0])


@pytest.mark.parametrize("seed", range(4))
def test_rows_that_change_places_change_no_total(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Row by row everything depends on the row alone: rows in another order, with their coins, give the same sums."""
    rng = np.random.default_rng(seed)
    graph = Graph()
    t = Type(ValueKind.FIXED, (150,), 64, 20, 0, -(1 << 40), 1 << 40, claimed=True)
    x, y = (graph.input(bytes([k]) * 16, t) for k in (1, 2))
    product = graph.node("multiply_within", (x, y), StatedBounds(-(1 << 50), 1 << 50, 3))
    wide = graph.node("lift", (product,))
    low = graph.node("rescale", (product,), Shift(13))
    exact_low = graph.node("round", (graph.node("bound", (x,), StatedBounds(0, 9)),), Rounding(5, nearest=True))
    totals = [graph.node("sum", (v,), Axes((0,))) for v in (wide, low, exact_low, product)]
    totals.append(build.contract(x, y, (0,)))
    wanted = [Wanted(v, OutputKind.PERSIST, bytes([k]) * 16) for k, v in enumerate(totals)]
    plan = compile_plan(wanted, LAN)
    anything = [[int.from_bytes(rng.bytes(8), "big") for _ in range(150)] for _ in range(2)]
    values = {bytes([k]) * 16: words.modulo(anything[k - 1], 64) for k in (1, 2)}
    order = rng.permutation(150)
    moved = {handle: column[order] for handle, column in values.items()}
    coin = words.coin
    with test_mode(monkeypatch) as board:
        first = Engine(board, seed, balance=True).whole(plan, values)
        monkeypatch.setattr(words, "coin", lambda place, k, bits: coin(place, int(order[k]), bits))
        second = Engine(board, seed + 1, balance=True).whole(plan, moved)
    for output in plan.outputs:
        assert np.array_equal(first[output.value], second[output.value]), plan.maker(output.value)


def test_a_claimed_factor_is_never_grouped() -> None:
    """Whatever plan a stranger writes: sums in blocks are refused where a factor's bounds are claimed."""
    graph = Graph()
    rows = 5000
    t = Type(ValueKind.INT, (rows,), 64, 0, 0, 0, 1 << 24)
    x, wider = graph.input(b"x" * 16, t), graph.input(b"w" * 16, t.with_bounds(0, 1 << 30))
    for claim in ("none", "bound", "reason", "multiply_within", "input", "sum with it"):
        factor: Recorded = x
        if claim in ("bound", "sum with it"):
            factor = graph.node("bound", (wider,), StatedBounds(0, 1 << 24))
        if claim == "sum with it":
            factor = graph.node("add", (factor, factor))
        if claim == "reason":
            factor = graph.node("bound", (wider,), StatedBounds(0, 1 << 24, 2))
        if claim == "multiply_within":
            factor = graph.node("multiply_within", (x, wider), StatedBounds(0, 1 << 24, 3))
        ops = compile_plan([Wanted(factor, OutputKind.REVEAL)], LAN).operations
        types = ops[-1].type, ops[-1].type
        proven = tuple(replace(one, claimed=False) for one in types)
        sums = BY_NAME["contract"].infer(proven, Contraction((0,), wide=True))
        plan = Plan(
            (*ops, PlanOperation(BY_NAME["contract"], (len(ops) - 1,) * 2, Contraction((0,), wide=True), sums)),
            (PlanOutput(OutputKind.REVEAL, len(ops)),),
        )
        claimed = [b"x" * 16] if claim == "input" else []
        if claim == "none":
            assert Plan.from_bytes(plan.to_bytes(), claimed=claimed)
        else:
            with pytest.raises(PlanError, match="not proven"):
                Plan.from_bytes(plan.to_bytes(), claimed=claimed)
        seen = graph.input(b"y" * 16, replace(t, claimed=True)) if claim == "input" else factor
        total = build.contract(seen, graph.node("scale", (x, number_constant(graph, np.asarray(5), 0, 0, 64))), (0,))
        assert total.type.ring == 128 and total.attrs.wide == (claim == "none")


@pytest.mark.parametrize("size", [None, 7, 64, 149])
def test_sums_in_blocks_of_proven_factors(size: int | None, cuts: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where bounds are proven sums go by blocks, whole and in partitions, and are exact beside any false claim."""
    rng = np.random.default_rng(9)
    graph, top = Graph(), 1 << 29
    t = Type(ValueKind.INT, (150,), 64, 0, 0, -top, top)
    x, y = (graph.input(bytes([k]) * 16, t) for k in (1, 2))
    false = graph.node("bound", (x,), StatedBounds(0, 3))
    table = graph.node("reshape", (graph.node("concat", (x, y), Axis(0)),), NewShape((2, 150)))
    values = [build.contract(x, y, (0,)), build.contract(x, x, (0,)), build.contract(false, y, (0,))]
    if size is None:
        values.append(build.matmul(table, graph.node("permute", (table,), AxisOrder((1, 0)))))
    wanted = [Wanted(value, OutputKind.PERSIST, bytes([k]) * 16) for k, value in enumerate(values)]
    plan = compile_plan(wanted, LAN)
    assert Plan.from_bytes(plan.to_bytes()).to_bytes() == plan.to_bytes()
    sums = [op for op in plan.operations if op.operation.name in ("contract", "matmul")]
    assert [op.attrs.wide for op in sums].count(True) == len(values) - 1
    given = {bytes([k]) * 16: words.modulo(rng.choice([-top, top, top - 1, 5], 150).astype(object), 64) for k in (1, 2)}
    expected = words.evaluate(plan, given)
    with test_mode(monkeypatch) as board:
        engine = Engine(board, 1, balance=True)
        if size is None:
            same(plan, engine.whole(plan, given), expected)
            return
        found = split(plan, dict.fromkeys(given, 150))
        assert isinstance(found, Streamed)
        for index, value in engine.streamed(found, given, size).items():
            assert np.array_equal(value, expected[index]), plan.maker(index)
