"""Attacks that read one person's value through false bounds, as they were found: none tells more than guessing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tercet as tc
from model import words
from model.engine import Engine, test_mode
from tercet.errors import PlanError
from tercet.plan.network import LAN
from tercet.plan.plan import OutputKind, Plan, PlanOperation, PlanOutput
from tercet.plan.record import build
from tercet.plan.record.compile import Wanted, compile_plan
from tercet.plan.record.graph import Graph, Recorded
from tercet.plan.record.public import number_constant
from tercet.plan.run.passes import Streamed, split
from tercet.plan.table.attributes import Axes, Contraction, StatedBounds
from tercet.plan.table.operations import BY_NAME
from tercet.plan.table.reasons import FIRST_DECLARED
from tercet.plan.types import Type, ValueKind

ROWS = 101
SEEDS = 50


def test_a_target_alone_in_the_last_block_is_refused() -> None:
    """The plan of the first attack: a bound so chosen that 100 products make a block and the target the last one."""
    graph = Graph()
    x = graph.input(b"x" * 16, Type(ValueKind.INT, (ROWS,), 64, 0, 0, 0, 1 << 30))
    for reason in (0, 1, 2, 3, FIRST_DECLARED):
        stated = graph.node("bound", (x,), StatedBounds(0, 1 << 27, reason))
        sums = Type(ValueKind.INT, (), 128, 0, 0, 0, ROWS << 54)
        ops = compile_plan([Wanted(stated, OutputKind.REVEAL)], LAN).operations
        contract = PlanOperation(BY_NAME["contract"], (1, 1), Contraction((0,), wide=True), sums)
        plan = Plan((*ops, contract), (PlanOutput(OutputKind.REVEAL, 2),))
        with pytest.raises(PlanError, match=r"not proven|too few"):
            Plan.from_bytes(plan.to_bytes())


def attacker(graph: Graph, x: Recorded) -> list[Recorded]:
    """What is asked in one job: sums of products under false bounds, moved by public numbers around a threshold."""
    outputs = []
    for k in range(6):
        moved = graph.node("add", (x, number_constant(graph, np.asarray(1 << (20 + k)), 0, 0, 64)))
        stated = graph.node("bound", (moved,), StatedBounds(0, 1 << 26, k % 4))
        square = graph.node("multiply_within", (stated, stated), StatedBounds(0, 1 << 57, 3))
        outputs.append(build.contract(stated, stated, (0,)))
        outputs.append(build.total(square, (0,)))
        wide = graph.node("lift", (square,))
        outputs.append(graph.node("sum", (wide,), Axes((0,))))
    return outputs


def test_a_target_is_found_no_more_often_than_by_guessing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fifty victims. The attacker knows all values but for which of two the victim has, and that somebody else has the
    other; the victim stands at the last place, where blocks and partitions end."""
    graph = Graph()
    x = graph.input(b"x" * 16, Type(ValueKind.INT, (ROWS,), 64, 0, 0, 0, 1 << 40))
    wanted = [Wanted(node, OutputKind.PERSIST, k.to_bytes(16, "big")) for k, node in enumerate(attacker(graph, x))]
    plan = compile_plan(wanted, LAN)
    coin, found = words.coin, 0
    for seed in range(SEEDS):
        rng = np.random.default_rng(seed)
        known = rng.integers(0, 1 << 36, ROWS)
        secret = int(rng.integers(2))
        seen = []
        for guess in (secret, 0, 1):
            values = known.copy()
            if guess:
                values[[0, -1]] = values[[-1, 0]]
            turn = np.arange(ROWS)
            if guess:
                turn[[0, -1]] = turn[[-1, 0]]
            # rows that change places take their coins along: the distribution of what is seen is what matters
            monkeypatch.setattr(words, "coin", lambda place, k, bits, turn=turn: coin(place, int(turn[k % ROWS]), bits))
            seen.append(ran(plan, values, seed, monkeypatch))
        likely = [guess for guess in (0, 1) if seen[0] == seen[1 + guess]]
        assert likely == [0, 1], "one guess explains what is seen, and the other does not"
        found += int(rng.choice(likely)) == secret
    assert 10 <= found <= 40


def ran(plan: Plan, values: Any, seed: int, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What becomes plain: of a whole run, or of one in partitions that cut the last row off."""
    given = {b"x" * 16: words.modulo(values, 64)}
    with test_mode(monkeypatch) as board:
        engine = Engine(board, seed, balance=True)
        if seed % 5:
            whole = words.evaluate(plan, given) if seed % 7 else engine.whole(plan, given)
            return [int(whole[output.value]) for output in plan.outputs]
        cut = split(plan, {b"x" * 16: ROWS})
        assert isinstance(cut, Streamed)
        parts = engine.streamed(cut, given, ROWS - 1)
        return [int(parts[output.value]) for output in plan.outputs]


def test_what_an_analyst_writes_is_as_harmless() -> None:
    """The same through the array interface: the victim's place changes nothing."""
    rng = np.random.default_rng(3)
    plain = rng.integers(0, 1 << 30, ROWS)
    seen = []
    with tc.local() as session:
        for order in (np.arange(ROWS), np.roll(np.arange(ROWS), 1), rng.permutation(ROWS)):
            x = session.share(plain[order], bounds=(0, 1 << 30))
            narrow = tc.assume(x, (0, 1 << 20))
            seen.append([int(v) for v in tc.reveal((narrow * x).sum(), (narrow * narrow).sum(), narrow.sum())])
    assert seen[0] == seen[1] == seen[2]
