"""Which variant of exp, sin and cos a plan names: by cost, by what fits, by whether truncations are exact."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tercet as tc
from plan_trio import TrioSession
from tercet.errors import PlanError
from tercet.plan.network import LAN, WAN
from tercet.plan.plan import OutputKind, Plan, PlanOperation
from tercet.plan.record.compile import Wanted, compile_plan
from tercet.plan.record.graph import Graph
from tercet.plan.table.operation import Security
from tercet.plan.table.operations import BY_NAME

SHARE_WISE = ("exp", "exp2", "exp10", "sin", "cos")


def exact_session() -> TrioSession:
    session = TrioSession()
    session._graph = Graph(exact_rounding=True)
    return session


def chosen(value: Any, name: str, network: Any = LAN) -> PlanOperation:
    """The operation of this name in the value's plan."""
    plan = compile_plan([Wanted(value.node, OutputKind.REVEAL)], network)
    return next(op for op in Plan.from_bytes(plan.to_bytes()).operations if op.operation.name == name)


@pytest.mark.parametrize("network", [LAN, WAN], ids=["lan", "wan"])
def test_the_cheaper_one_is_chosen_where_it_fits(network: Any) -> None:
    session = TrioSession()
    for name, function in (("exp", tc.exp), ("sin", tc.sin), ("cos", tc.cos)):
        for frac_bits in (16, 20, 24, 40):
            x = session.share(np.zeros(100), (-8, 0.25), frac_bits)
            op = chosen(function(x), name, network)
            assert op.operation.variants[op.variant].name == "share-wise"
    wide = session.share(np.zeros(100), (-8, 14), 16)
    assert chosen(tc.exp(wide), "exp", network).variant == 0


def test_exact_rounding_takes_the_provable_variant() -> None:
    session = exact_session()
    x = session.share(np.zeros(100), (-8, 0), 16)
    for name, function in (("exp", tc.exp), ("sin", tc.sin), ("cos", tc.cos)):
        op = chosen(function(x), name)
        assert op.variant == 0
        assert op.operation.variants[0].name == "provable"


def test_only_semi_honest_parties_run_it() -> None:
    for name in SHARE_WISE:
        provable, share_wise = BY_NAME[name].variants
        assert provable.modes == frozenset(Security)
        assert share_wise.modes == {Security.SEMI_HONEST}


def test_both_have_the_same_type_and_the_second_is_far_cheaper() -> None:
    session = TrioSession()
    x = session.share(np.zeros(1000), (-8, 8), 16)
    plan = compile_plan([Wanted(tc.exp(x).node, OutputKind.REVEAL)], LAN)
    index = next(k for k, op in enumerate(plan.operations) if op.operation.name == "exp")
    call = plan.call(index)
    provable, share_wise = (variant.cost(call) for variant in BY_NAME["exp"].variants)
    assert share_wise.rounds == 2
    assert 4 * share_wise.total_bytes < provable.total_bytes


@pytest.mark.parametrize("rounding", ["exact", "coins"])
def test_a_plan_that_names_it_where_it_does_not_fit_is_refused(rounding: Any) -> None:
    session = exact_session() if rounding == "exact" else TrioSession()
    x = session.share(np.zeros(3), (-8, 8 if rounding == "exact" else 14), 16)
    plan = compile_plan([Wanted(tc.exp(x).node, OutputKind.REVEAL)], LAN)
    index = next(k for k, op in enumerate(plan.operations) if op.operation.name == "exp")
    op = plan.operations[index]
    forged = PlanOperation(op.operation, op.inputs, op.attrs, op.type, op.data, op.body, 1, op.more)
    operations = (*plan.operations[:index], forged, *plan.operations[index + 1 :])
    with pytest.raises(PlanError, match=r"is none for its variant .share-wise"):
        Plan.from_bytes(Plan(operations, plan.outputs).to_bytes())


@pytest.mark.parametrize("frac_bits", [16, 20, 24, 40])
def test_revealed_it_is_the_nearest(frac_bits: int) -> None:
    """Runs at three parties, where every operation is held against its meaning, its cost and its bounds."""
    session = TrioSession(parties=True)
    values = np.linspace(-8, 0.25, 2000)
    x = session.share(values, (-8, 0.25), frac_bits)
    shared = np.round(values * 2.0**frac_bits) / 2.0**frac_bits
    for function, true in ((tc.exp, np.exp), (tc.sin, np.sin), (tc.cos, np.cos)):
        value = function(x)
        assert chosen(value, true.__name__).variant == 1
        error = np.abs(value.reveal() - true(shared)) / np.maximum(1, true(shared)) * 2.0**frac_bits
        # double precision adds a little at 40 bits
        assert error.max() < (0.6 if frac_bits == 24 else 0.54)
