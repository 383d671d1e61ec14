"""Plans that nobody's compiler makes: refused when they are read, before anything runs."""

from __future__ import annotations

from dataclasses import replace
from time import process_time
from typing import Any

import numpy as np
import pytest

import tercet
import tercet.array as tc
from plan_trio import TrioSession
from tercet.codec import Writer
from tercet.errors import PlanError
from tercet.plan.bounds.prove import is_proven
from tercet.plan.network import LAN
from tercet.plan.plan import MAGIC, VERSION, OutputKind, Plan, PlanOperation, PlanOutput, put_type, result_of
from tercet.plan.record.compile import Wanted, compile_plan
from tercet.plan.rows.memory import peak_bytes
from tercet.plan.table.attributes import (
    MAX_NUMBERS,
    NONE,
    Approximation,
    Attributes,
    Axes,
    Contraction,
    DividingWithin,
    DrawNumber,
    LoopCount,
    MatrixProduct,
    NewShape,
    Normalisation,
    Ranges,
    RingBits,
    Rounding,
    Shift,
    StatedBounds,
)
from tercet.plan.table.operation import Call
from tercet.plan.table.operations import BY_NAME
from tercet.plan.types import Type, ValueKind, bool_type
from tercet.ring import ring
from tiny_plans import chain_plan, put, put_words, run_plan

TOP = (1 << 62) - 1


def op(name: str, inputs: tuple[int, ...], attrs: Attributes, t: Type, data: bytes = b"") -> PlanOperation:
    return PlanOperation(BY_NAME[name], inputs, attrs, t, data)


def fixed(frac_bits: int, bits: int = 64) -> Type:
    return Type(ValueKind.FIXED, (), bits, frac_bits, 0, -TOP, TOP)


@pytest.mark.parametrize("name", ["rescale", "round"])
@pytest.mark.parametrize(("frac_bits", "shift"), [(63, 62), (64, 64), (100, 63), (100, 65), (124, 124)])
def test_a_shift_leaves_bits_of_the_ring(name: str, frac_bits: int, shift: int) -> None:
    attrs = Shift(shift) if name == "rescale" else Rounding(shift)
    with pytest.raises(PlanError, match="bits are taken away"):
        BY_NAME[name].infer((fixed(frac_bits),), attrs)
    BY_NAME[name].infer((fixed(frac_bits, 128),), attrs)


@pytest.mark.parametrize("name", ["exp", "exp2", "exp10"])
@pytest.mark.parametrize("frac_bits", [0, 2, 20, 62])
@pytest.mark.parametrize("bits", [64, 128])
def test_powers_of_any_bounds_are_refused_at_once(name: str, frac_bits: int, bits: int) -> None:
    """Of so many powers of two blocks were counted one by one, for years; or constants had a negative shift."""
    attrs = Approximation(frac_bits, 3)
    widest = TOP if bits == 64 else (1 << 126) - 1
    for lo, hi in ((1, widest), (-widest, widest), (-widest, 0)):
        x = Type(ValueKind.FIXED, (2,), bits, frac_bits, frac_bits, lo, hi)
        with pytest.raises(PlanError, match="does not fit the ring"):
            BY_NAME[name].infer((x,), attrs)


def test_rounding_up_needs_headroom() -> None:
    """Above it the sum of the halves no longer wraps as truncation expects: one in eight was wrong by 2^3."""
    rounding = BY_NAME["round"]
    for shift in (61, 16, 1):
        half = 1 << (shift - 1)
        with pytest.raises(PlanError, match="headroom"):
            rounding.infer((fixed(61),), Rounding(shift, nearest=True))
        rounding.infer((fixed(61),), Rounding(shift))
        rounding.infer((fixed(61).with_bounds(-TOP, TOP - half),), Rounding(shift, nearest=True))


def test_rounding_is_exact_up_to_its_headroom() -> None:
    count, shift = 3000, 61
    most = TOP - (1 << (shift - 1))
    t = Type(ValueKind.FIXED, (count,), 64, 61, 0, -TOP, most)
    with tercet.local() as net:
        for value in (most, -TOP):
            handle = put_words(net, ring(64).from_ints(np.full(count, value)), t).handle
            out = BY_NAME["round"].infer((t,), Rounding(shift, nearest=True))
            plan = Plan(
                (op("input", (), NONE, t, handle), op("round", (0,), Rounding(shift, nearest=True), out)), (reveal(1),)
            )
            assert set(np.asarray(run_plan(net, plan)[0]).tolist()) == {(value + (1 << (shift - 1))) >> shift}


def reveal(value: int) -> PlanOutput:
    return PlanOutput(OutputKind.REVEAL, value)


@pytest.mark.parametrize("bits", [64, 128])
@pytest.mark.parametrize("values", [[0, 8], [-4, 0], [1 << 61, 0], [-(1 << 61), 0]])
def test_constants_keep_their_bounds(bits: int, values: list[int]) -> None:
    x = Type(ValueKind.INT, (2,), bits, 0, 0, -1, 1)

    def plan(lo: int, hi: int, of: Any = values) -> Plan:
        t = Type(ValueKind.INT, (2,), bits, 0, 0, lo, hi)
        data = ring(bits).from_ints(np.array(of, object)).tobytes()
        out = BY_NAME["add"].infer((x, t), NONE)
        return Plan(
            (op("input", (), NONE, x, bytes(16)), op("constant", (), NONE, t, data), op("add", (0, 1), NONE, out)),
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
            run_plan(net, chain_plan(x, y, keep=y.handle))
        # the failed job forgets the handles of its results, as those of any failed job
        assert run_plan(net, chain_plan(x, x))[0].tolist() == [9]


def test_a_value_beyond_a_partys_memory_is_refused_before_it_runs() -> None:
    with tercet.local() as net:
        x = net.share([1], bounds=(0, 9))
        huge = tercet.array.broadcast_to(x, (2**31, 1))
        with pytest.raises(PlanError, match="takes 8,589,934,592 for one value"):
            huge.sum().reveal()
        assert (x + 1).reveal().tolist() == [2]


@pytest.mark.parametrize("name", ["sum", "contract"])
def test_a_refusal_does_not_repeat_all_that_came(name: str) -> None:
    t = Type(ValueKind.INT, (2,), 64, 0, 0, -1, 1)
    axes = tuple(range(60_000))
    with pytest.raises(PlanError, match="60000 axes") as caught:
        BY_NAME[name].infer((t,) if name == "sum" else (t, t), Axes(axes) if name == "sum" else Contraction(axes))
    assert len(str(caught.value)) < 300


def test_a_wide_sum_takes_factors_of_which_a_block_of_products_fits() -> None:
    matmul = BY_NAME["matmul"]
    a, b, wide = (Type(ValueKind.INT, (3000, 3000), bits, 0, 0, 0, 1 << 25) for bits in (64, 64, 128))
    fit = a.with_bounds(0, ((1 << 62) - 1) // (2047 * b.hi))  # blocks of 1024, and up to 2047 in the last one
    assert matmul.infer((fit, b), MatrixProduct(wide=True)).ring == 128
    for factors in ((fit.with_bounds(0, fit.hi + 1), b), (a.with_bounds(0, 1 << 35), b)):
        with pytest.raises(PlanError, match="too few products"):
            matmul.infer(factors, MatrixProduct(wide=True))
    for factors in ((replace(fit, claimed=True), b), (fit, replace(b, claimed=True))):
        with pytest.raises(PlanError, match="not proven"):
            matmul.infer(factors, MatrixProduct(wide=True))
    with pytest.raises(PlanError, match=r"ring 2\^64"):
        matmul.infer((wide, wide), MatrixProduct(wide=True))


def test_a_narrow_product_takes_factors_whose_results_are_proven_to_fit() -> None:
    """Below 2^14: what is not would be another word than modulo 2^64."""
    matmul = BY_NAME["matmul_narrow"]
    a, b = (Type(ValueKind.INT, shape, 64, 0, 0, -1, 1) for shape in ((2, (1 << 14) - 1), ((1 << 14) - 1, 3)))
    found = matmul.infer((a, b), NONE)
    assert (found.shape, found.ring, found.hi) == ((2, 3), 64, (1 << 14) - 1)
    with pytest.raises(PlanError, match="do not fit"):
        matmul.infer((a.with_bounds(-2, 1), b), NONE)
    for factors in ((replace(a, claimed=True), b), (a, replace(b, claimed=True))):
        with pytest.raises(PlanError, match="not proven"):
            matmul.infer(factors, NONE)
    with pytest.raises(PlanError, match=r"ring 2\^64"):
        matmul.infer((replace(a, ring=128), replace(b, ring=128)), NONE)


def test_a_result_that_an_operation_does_not_have_is_refused() -> None:
    """Values name an operation and, where it has several results, which of them."""
    session = TrioSession()
    n = session.share([1, 2], bounds=(0, 9))
    first, second = tc.loop(2, lambda a, b: (b, a), n, n + 5, bounds=[(0, 20), (0, 20)])
    plan = compile_plan([Wanted((first * second).node, OutputKind.REVEAL)], LAN)
    *before, product = plan.operations
    loop = next(at for at, op in enumerate(before) if op.body is not None)
    assert product.inputs == (result_of(loop, 0), result_of(loop, 1))
    assert [plan.type_of(value).hi for value in product.inputs] == [20, 20]
    assert Plan.from_bytes(plan.to_bytes()).to_bytes() == plan.to_bytes()
    for bad in (replace(product, inputs=(result_of(loop, 0), result_of(loop, 2))), replace(before[loop], more=())):
        operations = tuple(bad if op is before[loop] and bad.body else op for op in before)
        last = product if bad.body else bad
        with pytest.raises(PlanError):
            Plan.from_bytes(Plan((*operations, last), plan.outputs).to_bytes())
    with pytest.raises(PlanError, match="a number is above 1 at byte"):
        wrong = PlanOutput(OutputKind.REVEAL, result_of(loop, 2))
        Plan.from_bytes(Plan(plan.operations, (wrong,)).to_bytes())


def test_no_operation_has_more_results_than_one_may_have_inputs() -> None:
    """A result takes one byte of a plan, and much more once it is decoded: two megabytes took a node 15 seconds."""
    n = Type(ValueKind.INT, (), 64, 0, 0, 0, 1)
    results = MAX_NUMBERS + 1
    out = Writer().raw(MAGIC).count(VERSION).count(1).count(1).count(1)
    put_type(out, n)
    out.count(1).count(BY_NAME["loop"].code).count(0)
    LoopCount(1, results).write(out)
    out.raw(bytes(results)).block(Plan((), ()).to_bytes()).count(0)
    with pytest.raises(PlanError, match=f"more than {MAX_NUMBERS} results"):
        Plan.from_bytes(out.take())


class Watched:
    """A value of a plan that counts how often its inputs are looked at."""

    looks = 0

    def __init__(self, name: str, inputs: tuple[Watched, ...], attrs: Attributes, t: Type | None = None) -> None:
        self.operation, self.attrs, self.data = BY_NAME[name], attrs, b""
        self.type = self.operation.infer([one.type for one in inputs], attrs) if t is None else t
        self._inputs = inputs

    @property
    def inputs(self) -> tuple[Watched, ...]:
        Watched.looks += 1
        return self._inputs


@pytest.mark.parametrize("pattern", ["extreme", "mean", "root", "part"])
def test_proofs_do_not_go_back_along_a_plan(pattern: str) -> None:
    """Reshapes were followed to where they began, for every bound again: 8,000 operations took 14 seconds to read."""
    t = Type(ValueKind.FIXED, (1,), 64, 4, 4, 1, 9)
    x, other = (Watched("input", (), NONE, t) for _ in range(2))
    far = {
        "extreme": lambda: other,
        "mean": lambda: Watched("sum", (x,), Axes((0,))),
        "root": lambda: Watched("rsqrt", (x,), Approximation(4, 4)),
        "part": lambda: Watched("sum", (x,), Axes((0,))),
    }[pattern]()
    for _ in range(3000):
        far = Watched("reshape", (far,), NewShape((1,)))
    Watched.looks = 0
    if pattern == "part":
        assert not is_proven(BY_NAME["quotient_within"], (x, far), DividingWithin(4, 4, 4, limit=1))
    else:
        product = pattern == "root"
        joined = Watched("multiply" if product else "subtract", (x, far), Shift() if product else NONE)
        if pattern == "mean":
            joined = Watched("contract", (joined, joined), Contraction((0,)))
        assert not is_proven(BY_NAME["bound"], (joined,), StatedBounds(0, 0))
    assert 0 < Watched.looks < 1000


@pytest.mark.parametrize("shape", [(), (1,), (2,), (1, 1), (2, 1)])
def test_rows_of_what_has_fewer_axes_are_no_tournament(shape: tuple[int, ...]) -> None:
    """What looked like a greatest element of a line that is repeated ended the reader by an IndexError."""
    x = Type(ValueKind.INT, shape, 64, 0, 0, 0, 5)
    width = 2 if shape == (2,) else 1
    y = x.with_shape((2, width))
    operations = [op("input", (), NONE, x, bytes(16)), op("input", (), NONE, y, b"y" * 16)]

    def add(name: str, *inputs: int, attrs: Attributes = NONE) -> int:
        t = BY_NAME[name].infer([operations[one].type for one in inputs], attrs)
        operations.append(op(name, inputs, attrs, t))
        return len(operations) - 1

    lines = add("broadcast", 0, attrs=NewShape((2, width)))
    front, back = (add("slice", lines, attrs=Ranges(((row, 1, 1), (0, width, 1)))) for row in (0, 1))
    difference = add("subtract", front, back)
    greater = add("add", add("inject", add("not", add("negative", difference)), difference), back)
    beside = add("subtract", 1, greater)
    last = add("bound", beside, attrs=StatedBounds(-5, 0))
    plan = Plan.from_bytes(Plan(tuple(operations), (reveal(last),)).to_bytes())
    assert plan.type_of(last).claimed


@pytest.mark.parametrize("name", ["negative", "is_zero", "count", "exp", "matmul", "divide_whole", "normalise"])
def test_memory_is_estimated_at_once_whatever_sizes_a_plan_writes(name: str) -> None:
    """Nodes do it before they accept a job; pieces of what is repeated to 2^39 elements were counted one by one."""
    x = Type(ValueKind.INT, (1, 1), 64, 0, 0, 0, 1)
    operations = [op("input", (), NONE, x, bytes(16))]

    def add(name: str, *inputs: int, attrs: Attributes = NONE) -> int:
        t = BY_NAME[name].infer([operations[one].type for one in inputs], attrs)
        operations.append(op(name, inputs, attrs, t))
        return len(operations) - 1

    long = add("broadcast", 0, attrs=NewShape((1 << 39, 1)))
    inputs = {"count": (add("negative", 0),), "matmul": (long, 0), "divide_whole": (long, long)}.get(name, (long,))
    if name == "count":
        inputs = (add("broadcast", *inputs, attrs=NewShape((1 << 39, 1))),)
    attrs: dict[str, Attributes] = {
        "count": Axes((1,)),
        "exp": Approximation(0, 8),
        "matmul": MatrixProduct(),
        "normalise": Normalisation(),
    }
    last = add(name, *inputs, attrs=attrs.get(name, NONE))
    if operations[last].type.is_bool:
        last = add("number", last, attrs=RingBits(64))
    plan = Plan.from_bytes(Plan(tuple(operations), (reveal(last),)).to_bytes())
    began = process_time()
    assert peak_bytes(plan) > 1 << 40
    assert process_time() - began < 1


@pytest.mark.parametrize("name", ["sort", "sort_order", "shuffle"])
def test_sorts_and_shuffles_of_whatever_sizes_a_plan_writes(name: str) -> None:
    """Costs were added up row by row and digit by digit: of 2^33 rows that move together, a list of as many."""
    rows, keys = Type(ValueKind.INT, (1 << 20, 1, 2), 64, 0, 0, 0, 1), bool_type((1 << 16, 1, 2))
    attrs: Attributes = DrawNumber(1) if name == "shuffle" else NONE
    inputs = {"sort": (keys, rows), "sort_order": (keys,), "shuffle": (rows,)}[name]
    began = process_time()
    t = BY_NAME[name].infer(inputs, attrs)
    for variant in BY_NAME[name].variants:
        variant.cost(Call(inputs, attrs, t))
    assert process_time() - began < 5
    for place, one in enumerate(inputs):
        with pytest.raises(PlanError, match=r"are (more|longer) than"):
            BY_NAME[name].infer(
                (*inputs[:place], one.with_shape((one.shape[0] + 1, 1, 2)), *inputs[place + 1 :]), attrs
            )
