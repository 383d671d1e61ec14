"""Whole or in partitions: small ones where nothing is sent meanwhile."""

from __future__ import annotations

from typing import Any

import pytest

from node.jobs_at_nodes import Recording, squares, total
from plan_trio import array_of
from tercet.array.core import SecretArray
from tercet.errors import PlanError
from tercet.node.worker.mode import LOCAL_BYTES, PARTITION_BYTES, RunMode, choose_mode
from tercet.plan.network import LAN
from tercet.plan.plan import OutputKind
from tercet.plan.record.compile import Wanted, compile_plan
from tercet.plan.types import Type, ValueKind

ANY_BYTES = 1 << 40


def mode(question: Any, rows: int, columns: int = 1, wanted: int = 0, memory: int = ANY_BYTES) -> RunMode:
    runner: Any = Recording()
    kind = Type(ValueKind.INT, (rows,), 64, 0, 0, 0, 100)
    handles = [number.to_bytes(16, "little") for number in range(columns)]
    values = [question(array_of(runner, runner.graph.input(handle, kind))) for handle in handles]
    plan = compile_plan([Wanted(value.undivided, OutputKind.REVEAL, b"") for value in values], LAN)
    return choose_mode(plan, {handle: rows for handle in handles}, wanted, memory)


def negated(x: SecretArray) -> SecretArray:
    return (-x).sum()


@pytest.mark.parametrize(
    ("question", "rows", "columns", "partition"),
    [
        (negated, 50_000, 10, 0),
        (negated, 1_000_000, 10, 1 << 16),
        (negated, 100_000_000, 10, 1 << 16),
        (negated, 100_000_000, 1, 1 << 19),
        (negated, 1_000_000, 1000, 1 << 12),
        (negated, 1_000_000, 100, 1 << 15),
        (squares, 1_000_000, 2, 0),
    ],
)
def test_sums_are_streamed_in_small_partitions(question: Any, rows: int, columns: int, partition: int) -> None:
    found = mode(question, rows, columns)
    assert found.partition_rows == partition and (found.passes is not None) == bool(partition)
    assert found.label == b"tercet mode %d" % partition
    if partition:
        assert found.needed_bytes <= (LOCAL_BYTES if partition > 1 << 16 else PARTITION_BYTES)


@pytest.mark.parametrize("columns", [1, 10, 1000])
def test_sums_of_columns_need_no_partitions(columns: int) -> None:
    found = mode(total, 100_000_000, columns)
    assert found.passes is not None and not found.passes.streamed.passes
    assert found.needed_bytes < 1 << 20


def test_what_sends_is_streamed_in_large_ones_and_only_if_it_must() -> None:
    found = mode(squares, 20_000_000)
    assert found.partition_rows > 1 << 18 and LOCAL_BYTES < found.needed_bytes <= PARTITION_BYTES


def test_the_analyst_s_wish_counts() -> None:
    assert mode(total, 1_000_000, 10, wanted=500_000).partition_rows == 500_000
    assert mode(squares, 100_000, wanted=5000).partition_rows == 5000


@pytest.mark.parametrize("wanted", [1, 2, 100, 4095])
def test_no_wish_makes_short_partitions(wanted: int) -> None:
    """Nobody cuts a few rows off; and what is cut is cut evenly (`plan.stream.partitions`)."""
    assert mode(squares, 100_000, wanted=wanted).partition_rows == 4096
    assert mode(squares, 4096, wanted=wanted).passes is None
    assert mode(total, 30_000_000, wanted=1 << 40).partition_rows <= 1 << 20


def test_more_memory_than_there_is() -> None:
    with pytest.raises(PlanError, match="needs about"):
        mode(squares, 10_000_000, memory=1 << 20)
