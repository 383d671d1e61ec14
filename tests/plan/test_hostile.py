"""Plans that nobody's compiler makes: refused when they are read, before anything runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tercet
from tercet.errors import PlanError
from tercet.plan.operation import WIDE
from tercet.plan.plan import Output, OutputKind, Plan, PlanOperation
from tercet.plan.table import BY_NAME
from tercet.plan.types import Kind, Type
from tercet.ring import ring
from tiny_plans import chain_plan, put

TOP = (1 << 62) - 1


def op(name: str, inputs: tuple[int, ...], attrs: tuple[int, ...], t: Type, data: bytes = b"") -> PlanOperation:
    return PlanOperation(BY_NAME[name], inputs, attrs, t, data)


def fixed(frac_bits: int, bits: int = 64) -> Type:
    return Type(Kind.FIXED, (), bits, frac_bits, 0, -TOP, TOP)


@pytest.mark.parametrize("name", ["rescale", "round"])
@pytest.mark.parametrize(("frac_bits", "shift"), [(63, 62), (64, 64), (100, 63), (100, 65), (124, 124)])
def test_a_shift_leaves_bits_of_the_ring(name: str, frac_bits: int, shift: int) -> None:
    with pytest.raises(PlanError, match="bits are taken away"):
        BY_NAME[name].infer((fixed(frac_bits),), (shift, 0))
    BY_NAME[name].infer((fixed(frac_bits, 128),), (shift, 0))


def test_rounding_up_needs_headroom() -> None:
    """Above it the sum of the halves no longer wraps as truncation expects: one in eight was wrong by 2^3."""
    rounding = BY_NAME["round"]
    for shift in (61, 16, 1):
        half = 1 << (shift - 1)
        with pytest.raises(PlanError, match="headroom"):
            rounding.infer((fixed(61),), (shift, 1))
        rounding.infer((fixed(61),), (shift, 0))
        rounding.infer((fixed(61).with_bounds(-TOP, TOP - half),), (shift, 1))


def test_rounding_is_exact_up_to_its_headroom() -> None:
    count, shift = 3000, 61
    most = TOP - (1 << (shift - 1))
    t = Type(Kind.FIXED, (count,), 64, 61, 0, -TOP, most)
    with tercet.local() as net:
        for value in (most, -TOP):
            handle = net._put(ring(64).from_ints(np.full(count, value)), t)
            out = BY_NAME["round"].infer((t,), (shift, 1))
            plan = Plan((op("input", (), (), t, handle), op("round", (0,), (shift, 1), out)), (reveal(1),))
            assert set(np.asarray(net._run(plan)[0]).tolist()) == {(value + (1 << (shift - 1))) >> shift}


def reveal(value: int) -> Output:
    return Output(OutputKind.REVEAL, value)


@pytest.mark.parametrize("bits", [64, 128])
@pytest.mark.parametrize("values", [[0, 8], [-4, 0], [1 << 61, 0], [-(1 << 61), 0]])
def test_constants_keep_their_bounds(bits: int, values: list[int]) -> None:
    x = Type(Kind.INT, (2,), bits, 0, 0, -1, 1)

    def plan(lo: int, hi: int, of: Any = values) -> Plan:
        t = Type(Kind.INT, (2,), bits, 0, 0, lo, hi)
        data = ring(bits).from_ints(np.array(of, object)).tobytes()
        out = BY_NAME["add"].infer((x, t), ())
        return Plan(
            (op("input", (), (), x, bytes(16)), op("constant", (), (), t, data), op("add", (0, 1), (), out)),
            (reveal(2),),
        )

    assert Plan.from_bytes(plan(min(values), max(values)).to_bytes())
    assert Plan.from_bytes(plan(-3, 7, [-3, 7]).to_bytes())
    with pytest.raises(PlanError, match="outside its bounds at byte"):
        Plan.from_bytes(plan(-3, 7).to_bytes())


def test_a_result_does_not_replace_what_is_stored() -> None:
    with tercet.local(timeout=5) as net:
        x, y = put(net, [3], (-1, 3)), put(net, [1], (-1, 1))
        with pytest.raises(PlanError, match="taken"):
            net._run(chain_plan(x, y, keep=y.handle))
        # the failed job forgets the handles of its results, as those of any failed job
        assert net._run(chain_plan(x, x))[0].tolist() == [9]


def test_a_value_beyond_a_partys_memory_is_refused_before_it_runs() -> None:
    with tercet.local() as net:
        x = net.share([1], bounds=(0, 9))
        huge = tercet.array.broadcast_to(x, (2**31, 1))
        with pytest.raises(PlanError, match="takes 8,589,934,592 for one value"):
            huge.sum().reveal()
        assert (x + 1).reveal().tolist() == [2]


@pytest.mark.parametrize("name", ["sum", "contract"])
def test_a_refusal_does_not_repeat_all_that_came(name: str) -> None:
    t = Type(Kind.INT, (2,), 64, 0, 0, -1, 1)
    axes = tuple(range(60_000))
    with pytest.raises(PlanError, match="60000 axes") as caught:
        BY_NAME[name].infer((t,) if name == "sum" else (t, t), axes if name == "sum" else (0, *axes))
    assert len(str(caught.value)) < 300


def test_a_wide_sum_takes_factors_of_which_one_product_fits() -> None:
    matmul = BY_NAME["matmul"]
    a, b, wide = (Type(Kind.INT, (3, 3), bits, 0, 0, 0, 1 << 31) for bits in (64, 64, 128))
    assert matmul.infer((a.with_bounds(0, a.hi - 1), b), (WIDE,)).ring == 128
    with pytest.raises(PlanError, match="not one product"):
        matmul.infer((a, b), (WIDE,))
    with pytest.raises(PlanError, match=r"ring 2\^64"):
        matmul.infer((wide, wide), (WIDE,))
