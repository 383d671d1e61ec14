"""The operations table: what other modules know of an operation is a field of its entry, and nothing else."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plan_trio import TrioSession
from source_files import modules, name_of, nodes
from tercet.codec import Reader, Writer
from tercet.errors import PlanError
from tercet.plan.bounds.prove import PROVERS
from tercet.plan.network import LAN, WAN
from tercet.plan.plan import OutputKind, Plan
from tercet.plan.record.compile import Wanted, compile_plan, quickest
from tercet.plan.record.explain import narrowed
from tercet.plan.record.logic import negative
from tercet.plan.record.scale import bounded
from tercet.plan.table import attributes
from tercet.plan.table.attributes import Attributes, Count, Counts, Flag, Integer, Integers, RangeList, forms
from tercet.plan.table.operation import Data, Security
from tercet.plan.table.operations import BY_CODE, BY_NAME, OPERATIONS
from tercet.plan.table.reasons import BUILT_IN, DERIVED, FIRST_DECLARED, ProofRule, Reason, Reasons, may_stand

ENTRIES = {"INPUT", "CONSTANT", "LOOP"}


def told_apart(found: Iterable[ast.AST], *, bare: bool) -> Iterator[int]:
    """Lines that compare an operation, or its name, with another; `bare`: also any variable called `name`."""
    for node in found:
        if not isinstance(node, ast.Compare):
            continue
        sides = [node.left, *node.comparators]
        texts = [ast.unparse(side) for side in sides if isinstance(side, ast.Name | ast.Attribute)]
        if any(text.endswith("operation.name") for text in texts) or ENTRIES & set(texts):
            yield node.lineno
        named = {
            constant.value
            for side in sides
            for constant in ast.walk(side)
            if isinstance(constant, ast.Constant) and isinstance(constant.value, str)
        }
        if bare and "name" in texts and named & set(BY_NAME):
            yield node.lineno


def test_no_module_tells_operations_apart_by_name() -> None:
    for path in modules():
        module = name_of(path)
        if "plan" not in module or "table" not in module:
            assert not list(told_apart(nodes(path), bare="plan" in module)), path


def test_names_that_are_compared_are_found() -> None:
    for text in ('x.operation.name == "add"', "x.operation is INPUT", 'op.operation.name in ("sum",)'):
        assert list(told_apart(ast.walk(ast.parse(text)), bare=False)), text
    assert list(told_apart(ast.walk(ast.parse('name == "add"')), bare=True))
    other = 'x.operation.algebra is Algebra.ADD or name == "mean"'
    assert not list(told_apart(ast.walk(ast.parse(other)), bare=True))


def test_codes_and_names_are_distinct() -> None:
    assert len(BY_CODE) == len(BY_NAME) == len(OPERATIONS)
    assert {op.data for op in OPERATIONS} == set(Data)


def test_attributes_are_frozen_and_have_a_form_for_every_field() -> None:
    for operation in OPERATIONS:
        kind: Any = operation.attributes
        assert issubclass(kind, Attributes)
        assert [name for name, _ in forms(kind)] == list(kind.__dataclass_fields__)
    with pytest.raises(FrozenInstanceError):
        attributes.Shift(3).shift = 4  # type: ignore[misc]


VALUES = {
    Count: st.integers(0, attributes.MAX_NUMBER),
    Integer: st.integers(-(1 << 180), 1 << 180),
    Flag: st.booleans(),
    Integers: st.lists(st.integers(-(1 << 180), 1 << 180), max_size=9).map(tuple),
    Counts: st.lists(st.integers(0, 1 << 40), max_size=9).map(tuple),
    RangeList: st.lists(
        st.tuples(st.integers(0, 1 << 40), st.integers(0, 1 << 40), st.integers(-(1 << 40), 1 << 40)), max_size=5
    ).map(tuple),
}
BY_FORM = {key.__metadata__[0]: values for key, values in VALUES.items()}  # type: ignore[attr-defined]
KINDS = sorted({operation.attributes for operation in OPERATIONS}, key=lambda kind: kind.__name__)


@given(data=st.data())
def test_attributes_are_read_as_they_were_written(data: Any) -> None:
    kind: Any = data.draw(st.sampled_from(KINDS))
    made = kind(*[data.draw(BY_FORM[form]) for _, form in forms(kind)])
    out = Writer()
    made.write(out)
    reader = Reader(out.take())
    assert kind.read(reader) == made
    reader.end()


@pytest.mark.parametrize(
    "bad",
    [
        attributes.Shift(-1),
        attributes.Shift(True),
        attributes.Axis(1 << 41),
        attributes.Bounds(0, 1 << 200),
        attributes.NewShape((2, -1)),
        attributes.NewShape([2]),  # type: ignore[arg-type]
        attributes.Ranges(((0, 1),)),  # type: ignore[arg-type]
        attributes.Rounding(1, nearest=2),
    ],
)
def test_values_outside_their_limits_are_not_written(bad: Attributes) -> None:
    with pytest.raises(PlanError, match="the attribute"):
        bad.write(Writer())


def test_an_operation_takes_attributes_of_its_own_class() -> None:
    x = TrioSession().share([1, 2]).node
    with pytest.raises(TypeError, match="takes NewShape, got Shift"):
        x.graph.node("reshape", (x,), attributes.Shift(1))


def test_attributes_are_read_as_those_of_their_class() -> None:
    read: Attributes = attributes.StatedBounds(-3, 4, 1)
    assert read.of(attributes.StatedBounds).reason == 1
    assert read.of(attributes.Bounds).lo == -3
    with pytest.raises(TypeError, match="the class Shift are expected, not StatedBounds"):
        read.of(attributes.Shift)
    assert attributes.shift_of(read) == 0
    assert attributes.shift_of(attributes.Contraction((0,), 5)) == attributes.shift_of(attributes.Rounding(5)) == 5


def test_operations_with_a_domain_say_what_they_take() -> None:
    with_domain = [operation for operation in OPERATIONS if operation.domain]
    assert {operation.name for operation in with_domain} >= {"log", "log2", "rsqrt", "quotient", "divide_whole", "tan"}
    assert all(bool(operation.domain) == bool(operation.takes) for operation in OPERATIONS)
    reasons = [reason for reason in BUILT_IN if reason.domain]
    assert reasons and all(reason.rule is ProofRule.SELECTION for reason in reasons)


# ---- variants ----


def test_variants_have_distinct_names_and_run_in_some_mode() -> None:
    for operation in OPERATIONS:
        assert len({variant.name for variant in operation.variants}) == len(operation.variants) > 0
        assert all(variant.modes <= set(Security) and variant.modes for variant in operation.variants)
        assert operation.has_choice <= (not operation.local)


def test_the_network_decides_on_the_variant() -> None:
    session = TrioSession()
    bit = negative(session.share([3] * 100_000, bounds=(-(10**9), 10**9)).node)
    chosen = {}
    for network in (LAN, WAN):
        plan = compile_plan([Wanted(bit, OutputKind.REVEAL)], network)
        read = Plan.from_bytes(plan.to_bytes())
        assert [op.variant for op in read.operations] == [op.variant for op in plan.operations]
        call = read.call(1)
        costs = [network.seconds(variant.cost(call)) for variant in call_operation(read).variants]
        assert costs[call.variant] == min(costs)
        chosen[network.name] = call.variant
    assert set(chosen.values()) <= {0, 1}


def call_operation(plan: Plan) -> Any:
    return plan.operations[1].operation


def test_a_variant_that_is_none_is_refused_by_name() -> None:
    session = TrioSession()
    bit = negative(session.share([3], bounds=(-9, 9)).node)
    plan = compile_plan([Wanted(bit, OutputKind.REVEAL)], LAN)
    data = bytearray(plan.to_bytes())
    code = BY_NAME["negative"].code
    at = data.index(bytes([code, 1, 0, plan.operations[1].variant])) + 3
    data[at] = 2
    with pytest.raises(PlanError, match=r"operation 1 \(negative\) has no variant 2 at byte"):
        Plan.from_bytes(bytes(data))


# ---- reasons ----

SOME = Reason(FIRST_DECLARED + 7, "what a floor above says")


def test_every_rule_has_a_prover_and_a_reason() -> None:
    assert set(PROVERS) == set(ProofRule) == {reason.rule for reason in BUILT_IN if reason.rule is not None}
    assert all(may_stand(reason.number) and reason.number < FIRST_DECLARED for reason in BUILT_IN)


def test_a_reason_is_declared_before_it_is_used() -> None:
    session = TrioSession()
    x = session.share([3], bounds=(0, 9)).node
    with pytest.raises(ValueError, match="not declared"):
        bounded(x, 0, 5, SOME)
    with pytest.raises(ValueError, match="cannot be declared"):
        BUILT_IN.declaring([Reason(FIRST_DECLARED - 1, "below")])
    with pytest.raises(ValueError, match="cannot be declared"):
        BUILT_IN.declaring([Reason(FIRST_DECLARED, "proven by whom", ProofRule.RELATION)])
    with pytest.raises(ValueError, match="one number"):
        BUILT_IN.declaring([SOME, Reason(SOME.number, "another")])
    with pytest.raises(ValueError, match="one number"):
        Reasons([DERIVED, DERIVED])


def test_a_node_takes_a_declared_reason_that_it_does_not_know_as_a_claim() -> None:
    session = TrioSession()
    session.graph.reasons = BUILT_IN.declaring([SOME])
    x = session.share([3], bounds=(0, 9)).node
    plan = compile_plan([Wanted(bounded(x, 0, 5, SOME), OutputKind.REVEAL)], LAN)
    read = Plan.from_bytes(plan.to_bytes())
    assert read.operations[1].type.claimed
    assert [one.reason for one in narrowed(read)] == [f"declared by the analyst's software (reason {SOME.number})"]
    assert [one.reason for one in narrowed(read, session.graph.reasons)] == [SOME.text]


@pytest.mark.parametrize("number", [4, FIRST_DECLARED - 1, (1 << 16) + 1])
def test_numbers_that_no_reason_has_are_refused(number: int) -> None:
    x = TrioSession().share([3], bounds=(0, 9)).node
    with pytest.raises(PlanError, match=f"reason {number} is not known"):
        x.graph.node("bound", (x,), attributes.StatedBounds(0, 5, number))


def test_a_variant_that_may_not_run_in_a_mode_is_not_chosen() -> None:
    session = TrioSession()
    bit = negative(session.share([3], bounds=(-9, 9)).node)
    plan = compile_plan([Wanted(bit, OutputKind.REVEAL)], LAN)
    operation, call = plan.operations[1].operation, plan.call(1)
    first, second = operation.variants
    for network in (LAN, WAN):
        allowed = replace(operation, variants=(replace(first, modes=frozenset()), second))
        assert quickest(allowed, call, network, Security.SEMI_HONEST) == 1
    none = replace(operation, variants=tuple(replace(one, modes=frozenset()) for one in operation.variants))
    with pytest.raises(PlanError, match="negative has no protocol for the mode semi_honest"):
        quickest(none, call, LAN, Security.SEMI_HONEST)
