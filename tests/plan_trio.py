"""Runs plans at three parties in one thread, one operation after the other, each held against its declared meaning,
error bound and cost; and a session on top of that, or on the oracle alone."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from secrets import token_bytes
from typing import Any

import numpy as np

import plan_oracle as oracle
from tercet.array.core import SecretArray, secret_array
from tercet.array.runner import Runner
from tercet.learn.reasons import KNOWN
from tercet.plan.network import LAN, Network
from tercet.plan.plan import OutputKind, Plan, PlanOperation, operand_handle, result_of
from tercet.plan.record.compile import Wanted, compile_plan
from tercet.plan.record.graph import Graph, Recorded
from tercet.plan.run.execute import constant
from tercet.plan.types import Type, ValueKind, bool_type, smallest_ring
from tercet.protocols.scope import Scope
from tercet.protocols.shuffle import place_bits
from tercet.ring import ring
from tercet.sharing import PARTIES, BitShare, Party
from trio import PostChannel, Trio


def share_plain(trio: Trio, values: Any, type: Type) -> dict[Party, Any]:
    if type.is_bool:
        return trio.share_bits(np.asarray(values).reshape(-1))
    return trio.share(ring(type.ring), np.asarray(values, dtype=object))


def open_plain(parts: dict[Party, Any], type: Type) -> Any:
    if isinstance(parts[PARTIES[0]], BitShare):
        return Trio.open_bits(parts).reshape(type.shape)
    opened = oracle.python_ints(np.asarray(Trio.open(parts)))
    if type.kind is ValueKind.PERMUTATION and type.size:
        # places are shared modulo the power of two above the length
        opened = np.asarray(opened % (1 << type.shape[-1].bit_length()), dtype=object)
    assert opened.shape == type.shape, (opened.shape, type.shape)
    return opened


def run_operation(trio: Trio, plan: Plan, index: int, values: Mapping[int, Any]) -> dict[Party, Any]:
    """One operation at three parties; bytes and rounds must be those declared."""
    op, call = plan.operations[index], plan.call(index)
    given = [values[place] for place in op.inputs]
    if op.operation.local:
        results = {}
        trio.operations += 1
        for party in PARTIES:
            number = trio.operations << 32
            scope = Scope(party, trio.streams[party], PostChannel(trio.post, party), number, solo=PARTIES[0])
            mine = [value[party] if isinstance(value, dict) else value for value in given]
            results[party] = op.operation.run(scope, call, *mine)
        return results
    results = trio.run(lambda scope, *mine: op.operation.run(scope, call, *mine), *given, solo=PARTIES[index % 3])
    cost = op.operation.cost(call)
    assert (trio.rounds, trio.total_bytes) == (cost.rounds, cost.total_bytes), (
        f"{op.operation.name} {call}: counted {trio.rounds} rounds and {trio.total_bytes} bytes, declared {cost}"
    )
    return results


def allowed_error(op: PlanOperation, meant: Any) -> Any:
    """How many last bits a run may be from the meaning: of all elements, or of each."""
    text = op.operation.error
    if text.startswith("a quarter of the last bit times 1 + tan(x)^2, up to 2^(frac_bits / 2)"):
        one = 1 << op.type.frac_bits
        allowed = (one + np.abs(meant) * np.abs(meant) // one) >> op.type.nominal + 2
        return np.where(np.abs(meant) <= one << op.type.nominal // 2, allowed, 2 * op.type.magnitude)
    if text.startswith("half of 2^-16 with 42 fractional bits"):
        assert op.attrs.out_bits == 42
        return 1 << 42 - 17
    if op.operation.coins_inside:
        assert text.startswith("a quarter of the last bit, relative above 1"), text
        size = np.maximum(np.asarray(np.abs(meant), dtype=object), 1 << op.type.frac_bits)
        return size >> op.type.nominal + 2
    if text == "exact" or (text.startswith("exact; with a shift") and not op.attrs.shift):
        return 0
    assert "below 1 last bit" in text, text
    return 1


def run_plan(trio: Trio, plan: Plan, inputs: Mapping[bytes, Any], *, check: bool = True) -> list[Any]:
    """The opened outputs; every operation is compared with its meaning on the values that really went into it."""
    return [open_plain(value, type) for value, type in run_shared(trio, plan, inputs, check=check)]


def run_loop(trio: Trio, op: PlanOperation, operands: list[Any], *, check: bool) -> list[dict[Party, Any]]:
    """Pass after pass, on shares."""
    assert op.body is not None
    count, carried = op.attrs.count, op.attrs.carried
    for _ in range(count):
        given = {operand_handle(place): value for place, value in enumerate(operands)}
        results = run_shared(trio, op.body, given, check=check)
        operands[:carried] = [value for value, _ in results]
    return operands[:carried]


def run_shared(trio: Trio, plan: Plan, inputs: Mapping[bytes, Any], *, check: bool) -> list[Any]:
    """Shares of the outputs, with their types; as `run_plan`."""
    shares: dict[int, Any] = {}
    opened: dict[int, Any] = {}
    for index, op in enumerate(plan.operations):
        if op.is_input:
            given = inputs[op.data]
            shares[index] = given if isinstance(given, dict) else share_plain(trio, given, op.type)
            opened[index] = open_plain(shares[index], op.type)
            continue
        if op.is_constant:
            shares[index] = constant(op)
            opened[index] = oracle.plain_constant(op)
            continue
        if op.body is not None:
            for place, value in enumerate(run_loop(trio, op, [shares[value] for value in op.inputs], check=check)):
                shares[result_of(index, place)] = value
                opened[result_of(index, place)] = open_plain(value, op.types[place])
            continue
        shares[index] = run_operation(trio, plan, index, shares)
        opened[index] = open_plain(shares[index], op.type)
        if op.type.is_permutation:
            opened[index] %= 1 << place_bits(op.type.shape[-1])
        meant = oracle.meaning(op, [opened[value] for value in op.inputs])
        assert meant.shape == op.type.shape, f"{op.operation.name}: {meant.shape} {op.type}"
        if op.operation.error.startswith("any of the values"):
            # within bounds, as is checked below
            assert meant.shape == opened[index].shape
        elif op.operation.error.endswith("each as likely"):
            # rows of each line, in whatever order
            assert np.array_equal(*(np.sort(values, axis=-1) for values in (opened[index], meant)))
        elif not op.type.is_bool and meant.size:
            error = np.abs(opened[index] - meant)
            what = f"operation {index} {op.operation.name} {op.attrs} {plan.call(index)}"
            assert np.all(error <= allowed_error(op, meant)), f"{what}: wrong by {np.max(error)}"
        else:
            assert np.array_equal(opened[index], meant), f"operation {index} {op.operation.name}"
        if check:
            oracle.check_value(opened[index], op.type, f"operation {index} ({op.operation.name})")
    return [(shares[output.value], plan.type_of(output.value)) for output in plan.outputs]


def array_of(session: Runner, node: Recorded) -> SecretArray:
    """A recorded value as an array; `share` makes those of stored values, and of fewer types."""
    return secret_array(session, node)


@functools.lru_cache(10_000)
def reads_back(plan: bytes) -> bool:
    """Whether a plan is, as nodes read it, what was recorded; sweeps record many a plan again."""
    return Plan.from_bytes(plan).to_bytes() == plan


class TrioSession(Runner):
    """A session in this thread: `parties` three of them, or none (the oracle)."""

    def __init__(self, *, parties: bool = False, network: Network = LAN, checked: bool = False, seed: int = 0) -> None:
        self._graph = Graph(reasons=KNOWN)
        self._network = network
        self._checked = checked
        self.trio = Trio(seed) if parties else None
        self.stored: dict[bytes, Any] = {}
        self.check = True
        self.plans: list[Plan] = []

    @property
    def graph(self) -> Graph:
        return self._graph

    @property
    def network(self) -> Network:
        return self._network

    @property
    def checked(self) -> bool:
        return self._checked

    @property
    def cohort(self) -> int:
        return 0

    def _store(self, values: Any, type: Type) -> Recorded:
        handle = (len(self.stored) + 1).to_bytes(16, "little")
        self.stored[handle] = oracle.plain(values, type)
        return self._graph.input(handle, type)

    def share(
        self, values: Any, bounds: tuple[float, float] | None = None, frac_bits: int | None = None
    ) -> SecretArray:
        array = np.asarray(values)
        if array.dtype == bool:
            return array_of(self, self._store(array, bool_type(array.shape)))
        if array.dtype.kind in "iuO":
            array, frac = oracle.python_ints(array), frac_bits or 0
            if frac:
                array = np.asarray(array * (1 << frac), dtype=object)
        else:
            frac = 16 if frac_bits is None else frac_bits
            scaled = [round(float(value) * 2**frac) for value in array.reshape(-1)]
            array = np.array(scaled, dtype=object).reshape(array.shape)
        if bounds is None:
            flat = list(array.reshape(-1)) or [0]
            lo, hi = min(flat), max(flat)
        else:
            lo, hi = (int(bound * 2**frac) for bound in bounds)
        ring_bits = smallest_ring(lo, hi)
        assert ring_bits is not None
        type = Type(ValueKind.FIXED if frac else ValueKind.INT, array.shape, ring_bits, frac, frac, lo, hi)
        oracle.check_value(array, type, "the input")
        return array_of(self, self._store(array, type))

    def run(self, wanted: Sequence[Wanted]) -> list[Any]:
        handles = {OutputKind.PERSIST: lambda: token_bytes(16), OutputKind.REVEAL: bytes}
        wanted = [Wanted(want.node, want.kind, handles[want.kind]()) for want in wanted]
        plan = compile_plan(wanted, self._network)
        self.plans.append(plan)
        assert reads_back(plan.to_bytes())
        if self.trio is None:
            values = oracle.evaluate(plan, self.stored, check=self.check)
        else:
            values = run_plan(self.trio, plan, self.stored, check=self.check)
        results: list[Any] = []
        for want, value in zip(wanted, values, strict=True):
            type = want.node.type
            if want.kind is OutputKind.PERSIST:
                results.append(self._store(value, type))
            elif type.is_bool:
                results.append(value)
            else:
                results.append(value.astype(np.int64) if type.ring == 64 else value)
        return results
