"""Permutations have a type of their own: nothing but the operations that make them gives one, and nodes check that."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from plan_trio import TrioSession, open_plain, run_operation, share_plain
from source_files import source
from tercet.array import Permutation
from tercet.errors import PlanError
from tercet.plan.network import LAN
from tercet.plan.plan import OutputKind, Plan, PlanOperation, PlanOutput, stored_input
from tercet.plan.record.compile import Wanted, compile_plan
from tercet.plan.run.language import PlanLanguage
from tercet.plan.table.attributes import NONE, Attributes, DrawnLines, DrawNumber, LoopCount, Undoing
from tercet.plan.table.operation import check_orders
from tercet.plan.table.operations import BY_NAME, CONSTANT, LOOP, OPERATIONS
from tercet.plan.types import Type, ValueKind, bool_type, permutation_type, read_type, write_type
from trio import Trio

HANDLE = b"h" * 16
OTHER = b"o" * 16
NUMBERS = Type(ValueKind.INT, (1, 5), 64, 0, 0, 0, 4)
ROWS = Type(ValueKind.INT, (1, 1, 5), 64, 0, 0, -9, 9)
ORDER = permutation_type(1, 5)


def call(name: str, inputs: tuple[int, ...], t: Type, attrs: Attributes = NONE) -> PlanOperation:
    return PlanOperation(BY_NAME[name], inputs, attrs, t)


def read(operations: Sequence[PlanOperation], value: int, kind: OutputKind = OutputKind.PERSIST) -> Plan:
    output = PlanOutput(kind, value, OTHER if kind is OutputKind.PERSIST else b"")
    return Plan.from_bytes(Plan(tuple(operations), (output,)).to_bytes())


def test_what_is_applied_is_a_permutation_by_its_type() -> None:
    rows, numbers, order = stored_input(OTHER, ROWS), stored_input(HANDLE, NUMBERS), stored_input(HANDLE, ORDER)
    assert read([order, rows, call("move", (0, 1), ROWS, Undoing())], 2).operations[2].type == ROWS
    for name, inputs, t, attrs in (
        ("move", (0, 1), ROWS, Undoing()),
        ("invert_order", (0,), ORDER, NONE),
        ("compose_orders", (0, 0), ORDER, NONE),
        ("order_places", (0,), NUMBERS, Undoing()),
    ):
        with pytest.raises(PlanError, match="takes a permutation that an operation has made"):
            read([numbers, rows, call(name, inputs, t, attrs)], 2)


@pytest.mark.parametrize("operation", [op for op in OPERATIONS if not op.orders], ids=lambda op: op.name)
def test_no_other_operation_takes_one(operation: object) -> None:
    for types in ([ORDER], [NUMBERS, ORDER], [bool_type((5,)), NUMBERS, ORDER]):
        with pytest.raises(PlanError, match="takes no permutation"):
            check_orders(operation, types)  # type: ignore[arg-type]


def test_only_operations_on_permutations_and_keys_give_one() -> None:
    """The type is made in one file of the table, where each operation that gives one is listed here."""
    import ast
    from pathlib import Path

    import tercet

    found = set()
    for path in Path(tercet.__file__).parent.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if "permutation_type" not in text and "PERMUTATION" not in text:
            continue
        names = {node.id for node in ast.walk(source(path)) if isinstance(node, ast.Name)}
        attributes = {node.attr for node in ast.walk(source(path)) if isinstance(node, ast.Attribute)}
        if "permutation_type" in names or "PERMUTATION" in attributes:
            found.add(path.name)
    # a picture of a plan names the kind to people, and makes none
    assert found == {"types.py", "ops_permute.py", "picture.py"}
    keys = bool_type((3, 1, 5))
    given = {
        "sort_order": BY_NAME["sort_order"].infer([keys], NONE),
        "invert_order": BY_NAME["invert_order"].infer([ORDER], NONE),
        "compose_orders": BY_NAME["compose_orders"].infer([ORDER, ORDER], NONE),
    }
    assert set(given.values()) == {ORDER}
    assert not BY_NAME["order_places"].infer([ORDER], Undoing()).is_permutation
    assert not BY_NAME["move"].infer([ORDER, ROWS], Undoing()).is_permutation


def test_none_is_public_revealed_or_carried() -> None:
    order = stored_input(HANDLE, ORDER)
    with pytest.raises(PlanError, match="not revealed"):
        read([order], 0, OutputKind.REVEAL)
    public = PlanOperation(CONSTANT, (), NONE, ORDER, np.arange(5, dtype=np.uint64).tobytes())
    with pytest.raises(PlanError, match="a public array is no permutation"):
        read([public, stored_input(OTHER, ROWS), call("move", (0, 1), ROWS, Undoing())], 2)
    inner = stored_input((0).to_bytes(16, "little"), ORDER)
    body = Plan((inner,), (PlanOutput(OutputKind.PERSIST, 0, (0).to_bytes(16, "little")),))
    loop = PlanOperation(LOOP, (0,), LoopCount(2, 1), ORDER, body.to_bytes(), body)
    with pytest.raises(PlanError, match="no permutations"):
        read([order, loop], 1)


def test_none_is_uploaded_or_read_from_numbers() -> None:
    language = PlanLanguage()
    label = write_type(ORDER)
    assert read_type(label) == ORDER
    with pytest.raises(PlanError, match="not uploaded"):
        language.check_label(label, 64, ORDER.shape)
    assert language.accepts(label, label)
    assert not language.accepts(label, write_type(NUMBERS))
    assert not language.accepts(write_type(NUMBERS), label)
    assert not language.accepts(label, write_type(permutation_type(5, 1)))


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Type(ValueKind.PERMUTATION, (5,), 64, 0, 0, 0, 4),
        lambda: Type(ValueKind.PERMUTATION, (1, 5), 128, 0, 0, 0, 4),
        lambda: Type(ValueKind.PERMUTATION, (1, 5), 64, 2, 2, 0, 4),
        lambda: Type(ValueKind.PERMUTATION, (1, 5), 64, 0, 0, -1, 4),
    ],
)
def test_its_type_has_one_form(wrong: object) -> None:
    with pytest.raises(PlanError):
        wrong()  # type: ignore[operator]


def test_a_variant_is_chosen_where_it_fits() -> None:
    """The network is for short lines: chosen where rounds count, refused for long lines by nodes."""
    from dataclasses import replace

    from tercet.plan.network import WAN

    session = TrioSession()
    names = [variant.name for variant in BY_NAME["sort"].variants]
    for length, network, chosen in ((6, WAN, "network"), (64, LAN, "fewer rounds"), (65, WAN, "fewer rounds")):
        x = session.share(np.arange(length), bounds=(0, (1 << 30) - 1))
        import tercet.array as tc

        plan = compile_plan([Wanted(tc.sort(x).node, OutputKind.REVEAL)], network)
        (sort,) = [op for op in plan.operations if op.operation.name == "sort"]
        assert names[sort.variant] == chosen, (length, names[sort.variant])
    operations = tuple(replace(op, variant=4) if op is sort else op for op in plan.operations)
    with pytest.raises(PlanError, match="none for its variant 'network'"):
        Plan.from_bytes(Plan(operations, plan.outputs).to_bytes())
    # places of 30 bits and a digit do not fit 32 bits together: the first variant is checked as any other
    x = tc.broadcast_to(session.share([0], bounds=(0, 5)), (1 << 29,))
    plan = compile_plan([Wanted(tc.sort(x).node, OutputKind.REVEAL)], LAN)
    (sort,) = [op for op in plan.operations if op.operation.name == "sort"]
    assert names[sort.variant].endswith("provable")
    operations = tuple(replace(op, variant=0) if op is sort else op for op in plan.operations)
    with pytest.raises(PlanError, match="none for its variant 'fewer bytes'"):
        Plan.from_bytes(Plan(operations, plan.outputs).to_bytes())


def test_draws_are_apart() -> None:
    """Two permutations drawn in one plan are two, though they are written alike."""
    session = TrioSession()
    one, two = Permutation.drawn(session, 200).indices(), Permutation.drawn(session, 200).indices()
    plan = compile_plan([Wanted(one.node, OutputKind.REVEAL), Wanted(two.node, OutputKind.REVEAL)], LAN)
    assert sum(op.operation.name == "draw_order" for op in plan.operations) == 2


@pytest.mark.parametrize("lines_and_places", [(0, 3), (3, 0), (0, 0), (2, 1), (2, 3)])
@pytest.mark.parametrize(
    "name", ["sort", "sort_order", "ranks", "sums_up_to", "draw_order", "shuffle", "order_places", "compose_orders"]
)
def test_lines_of_any_number_and_length_in_every_variant(lines_and_places: tuple[int, int], name: str) -> None:
    """A sort of no lines, which only a plan by hand asks for, ended at the parties by a ZeroDivisionError."""
    lines, places = lines_and_places
    keys, rows = bool_type((2, lines, places)), ROWS.with_shape((1, lines, places))
    order = permutation_type(lines, places)
    types = {
        "sort": (keys, rows),
        "sort_order": (keys,),
        "ranks": (keys,),
        "sums_up_to": (bool_type((2, lines + 2, places)), ROWS.with_shape((lines, places))),
        "draw_order": (),
        "shuffle": (rows,),
        "order_places": (order,),
        "compose_orders": (order, order),
    }[name]
    attrs: dict[str, Attributes] = {"draw_order": DrawnLines(lines, places, 0), "shuffle": DrawNumber(0)}
    attrs["order_places"] = Undoing()
    operation, own = BY_NAME[name], attrs.get(name, NONE)
    out = operation.infer(types, own)
    rng = np.random.default_rng(7)
    given = [
        rng.permuted(np.broadcast_to(np.arange(places), t.shape), axis=-1)
        if t.is_permutation
        else rng.integers(0, 2, t.shape)
        for t in types
    ]
    given = [one.astype(bool) if t.is_bool else one.astype(object) for one, t in zip(given, types, strict=True)]
    for variant in range(len(operation.variants)):
        made = PlanOperation(operation, tuple(range(len(types))), own, out, variant=variant)
        plan = Plan((*(stored_input(HANDLE, t) for t in types), made), ())
        trio = Trio()
        values = {at: share_plain(trio, one, t) for at, (one, t) in enumerate(zip(given, types, strict=True))}
        found = open_plain(run_operation(trio, plan, len(types), values), out)
        assert found.shape == out.shape
        if name in ("sort", "order_places", "ranks", "sums_up_to"):
            assert (found == operation.meaning(given, own, out)).all()
