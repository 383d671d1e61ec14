"""The binary form of plans: what decodes re-encodes identically, everything else is refused."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tercet.array as tc
from plan_trio import TrioSession
from tercet.codec import Reader, Writer
from tercet.errors import PlanError
from tercet.plan.network import LAN, WAN
from tercet.plan.plan import MAGIC, VERSION, OutputKind, Plan
from tercet.plan.record.compile import Wanted, compile_plan
from tercet.plan.table.attributes import NewShape


@cache
def plans() -> tuple[bytes, ...]:
    """Plans with every kind of operation, output and nesting."""
    session = TrioSession()
    x = session.share([[1.5, -2.0], [3.0, 0.25]], bounds=(-10, 10))
    n = session.share([3, 4], bounds=(0, 100))
    flag = session.share([True, False])
    looped = tc.loop(3, lambda a, b: (a * 0.5 + n, b ^ flag), x, flag, bounds=[(-500, 500), None])
    nested = tc.loop(2, lambda a: tc.loop(2, lambda b: tc.clip(b + n, 0, 9), a, bounds=(0, 9)), n % 10)
    wanted: list[list[Any]] = [
        [(x @ x).mean(), n.sum(), flag],
        [tc.where(x > 0.5, x, -x), tc.round(x), x[:, 0] / n, tc.argmax(n)],
        [*looped, nested],
        [tc.assume(n, (0, 50)) ** 3, tc.concat([n, [1, 2]]), n[[1, 0]], tc.cumulative_sum(x, axis=0), x == 1.5],
    ]
    made = []
    for network in (LAN, WAN):
        for several in wanted:
            outputs = [Wanted(value.node, OutputKind.REVEAL) for value in several]
            outputs.append(Wanted(several[0].node, OutputKind.PERSIST, bytes(range(16))))
            made.append(compile_plan(outputs, network).to_bytes())
    return tuple(made)


@pytest.mark.parametrize("which", range(8))
def test_round_trip(which: int) -> None:
    data = plans()[which]
    plan = Plan.from_bytes(data)
    assert plan.to_bytes() == data
    fresh = Plan(plan.operations, plan.outputs)
    assert fresh.to_bytes() == data
    assert fresh.hash == plan.hash
    assert len({Plan.from_bytes(one).hash for one in plans()}) == len(set(plans()))


@given(data=st.data())
@settings(max_examples=600)
def test_mutated_plans_are_refused_or_mean_what_they_say(data: Any) -> None:
    plan = bytearray(data.draw(st.sampled_from(plans())))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(plan) - 1))
        change = data.draw(st.sampled_from(["set", "insert", "delete", "cut", "flip"]))
        if change == "set":
            plan[at] = data.draw(st.integers(0, 255))
        elif change == "insert":
            plan.insert(at, data.draw(st.integers(0, 255)))
        elif change == "flip":
            plan[at] ^= 1 << data.draw(st.integers(0, 7))
        elif change == "delete" and len(plan) > 1:
            del plan[at]
        elif change == "cut":
            del plan[at + 1 :]
    try:
        decoded = Plan.from_bytes(bytes(plan))
    except PlanError as error:
        assert error.message
        return
    assert Plan(decoded.operations, decoded.outputs).to_bytes() == bytes(plan)


@given(garbage=st.binary(max_size=200))
@settings(max_examples=200)
def test_garbage_is_refused_with_its_offset(garbage: bytes) -> None:
    for data in (garbage, b"tercet-plan" + garbage, b"tercet-plan\x01" + garbage):
        try:
            decoded = Plan.from_bytes(data)
        except PlanError as error:
            assert "byte" in error.message or "operation" in error.message or "shape" in error.message
        else:
            assert decoded.to_bytes() == data


@pytest.mark.parametrize("version", [1, VERSION - 1, VERSION + 1])
def test_a_plan_of_another_version_is_refused_by_name(version: int) -> None:
    head = len(MAGIC)
    whole = plans()[0]
    assert whole[:head] == MAGIC and whole[head] == VERSION
    with pytest.raises(PlanError, match=f"version {version} is not {VERSION}"):
        Plan.from_bytes(whole[:head] + bytes([version]) + whole[head + 1 :])


def test_every_truncation_is_refused() -> None:
    data = plans()[2]
    for size in range(len(data)):
        with pytest.raises(PlanError):
            Plan.from_bytes(data[:size])
    with pytest.raises(PlanError, match=f"1 bytes too many at byte {len(data)}"):
        Plan.from_bytes(data + b"\0")


@given(value=st.integers(-(1 << 180), 1 << 180) | st.integers(-300, 300))
def test_integers(value: int) -> None:
    data = Writer().integer(value).take()
    assert Reader(data).integer() == value


@given(data=st.binary(max_size=30))
def test_integers_have_one_form(data: bytes) -> None:
    for read, write in ((Reader.integer, Writer.integer), (lambda r: r.count(1 << 60), Writer.count)):
        reader = Reader(data)
        try:
            value = read(reader)
        except PlanError:
            continue
        assert write(Writer(), value).take() == data[: reader.offset]


def test_attributes_as_large_as_a_hostile_plan_likes() -> None:
    """Shapes and counts near their limits are refused without being built."""
    session = TrioSession()
    x = session.share(np.arange(4))
    plan = compile_plan([Wanted(x.reshape(2, 2).node, OutputKind.REVEAL)], LAN)
    reshape = plan.operations[1]
    for shape in ((1 << 40, 1 << 40), (-1, -4), (1 << 20,) * 3):
        bad = type(reshape)(reshape.operation, reshape.inputs, NewShape(shape), reshape.type)
        with pytest.raises(PlanError):
            Plan.from_bytes(Plan((plan.operations[0], bad), plan.outputs).to_bytes())
