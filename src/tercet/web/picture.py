"""The picture of an `explain()` as JSON for `plan.js`: a plan in stages, what becomes plain, what it costs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

from tercet.client.asking import NodesExplanation
from tercet.federation.bundle import column_handle
from tercet.plan.network import LAN, WAN, Network
from tercet.plan.plan import PlanOperation, maker_of
from tercet.plan.record.explain import Explanation
from tercet.plan.types import Type, ValueKind
from tercet.protocols.cost import Cost
from tercet.store.schema import Schema

CONTINENTS = Network("continents", 0.15, 100e6)
"""Parties on different continents: the round trip from Europe to the west of America, a link of 100 Mbit/s."""
NETWORKS = (LAN, WAN, CONTINENTS)
MOST_STAGES = 8
"""Of one picture; a longer plan has several rounds in each."""
MOST_STEPS = 5
"""Of one stage, each kind of operation once; the others are counted."""

Kind = Literal["bool", "int", "fixed", "permutation"]
_KINDS: Mapping[ValueKind, Kind] = {
    ValueKind.BOOL: "bool",
    ValueKind.INT: "int",
    ValueKind.FIXED: "fixed",
    ValueKind.PERMUTATION: "permutation",
}


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Values(_Part):
    """So many arrays alike; `low` and `high` are bounds of each element. `name`: of a stored array, where known."""

    name: str
    kind: Kind
    shape: tuple[int, ...]
    low: float
    high: float
    count: int


class PlanStep(_Part):
    """So many operations of one name and shape. `inside`: what a loop repeats, `passes` times."""

    name: str
    shape: tuple[int, ...]
    count: int
    passes: int
    inside: tuple[str, ...]


class Stage(_Part):
    """What begins between two rounds: `talking` sends messages in the rounds `first` to `last`, `silent` sends none."""

    first: int
    last: int
    bytes_per_party: float
    talking: tuple[PlanStep, ...]
    talking_more: int
    silent: tuple[PlanStep, ...]
    silent_more: int


class NodeSays(_Part):
    """What one node's policy would decide."""

    node: str
    verdict: str
    rule: str
    because: str


class Picture(_Part):
    """A plan before it runs. Bytes are those that one party sends, the mean of three; `seconds` by network."""

    rounds: int
    bytes_per_party: float
    seconds: dict[str, float]
    memory_bytes: int
    inputs: tuple[Values, ...]
    stages: tuple[Stage, ...]
    reveals: tuple[Values, ...]
    bounds: tuple[str, ...]
    decisions: tuple[NodeSays, ...]


def picture(explanation: Explanation, names: Mapping[bytes, str] | None = None) -> Picture:
    """The picture of a plan that has not run. The playground and the analyst's page call it.

    `names`: of stored arrays, by their handles.
    """
    plan = explanation.plan
    known = names or {}
    stored = [(known.get(op.data, ""), op.type) for op in plan.operations if op.is_input]
    return Picture(
        rounds=explanation.rounds,
        bytes_per_party=explanation.bytes_per_party,
        seconds={network.name: explanation.seconds(network) for network in NETWORKS},
        memory_bytes=explanation.memory_bytes,
        inputs=_alike(stored),
        stages=tuple(_stages(plan.operations, explanation.costs)),
        reveals=_alike([("", revealed.type) for revealed in explanation.reveals]),
        bounds=tuple(explanation.bounds),
        decisions=tuple(_verdicts(explanation)),
    )


def names_of_columns(federation: str, schemas: Mapping[str, Schema]) -> dict[bytes, str]:
    """What people call the stored arrays of datasets, by their handles: `schemas` by the names of these."""
    found = {}
    for dataset, schema in schemas.items():
        for column in schema.columns:
            name = f"{dataset}.{column.name}"
            found[column_handle(federation, dataset, column.name)] = name
            found[column_handle(federation, dataset, column.name, validity=True)] = f"{name} is there"
    return found


def _alike(found: Sequence[tuple[str, Type]]) -> tuple[Values, ...]:
    """Arrays of one name and type together."""
    return tuple(
        Values(
            name=name,
            kind=_KINDS[t.kind],
            shape=t.shape,
            low=t.lo / 2**t.frac_bits,
            high=t.hi / 2**t.frac_bits,
            count=count,
        )
        for (name, t), count in Counter(found).items()
    )


def _stages(operations: Sequence[PlanOperation], costs: Sequence[Cost]) -> Iterator[Stage]:
    """Operations by the round after which they can begin; neighbours together where there are too many."""
    begins: dict[int, list[int]] = {}
    depth: list[int] = []
    for index, (op, cost) in enumerate(zip(operations, costs, strict=True)):
        start = max((depth[maker_of(value)] for value in op.inputs), default=0)
        depth.append(start + cost.rounds)
        if not op.is_leaf:
            begins.setdefault(start, []).append(index)
    starts = sorted(begins)
    each = -(-len(starts) // MOST_STAGES)
    for at in range(0, len(starts), each or 1):
        together = starts[at : at + each]
        found = [index for start in together for index in begins[start]]
        talking = [index for index in found if costs[index].rounds]
        silent = [operations[index] for index in found if not costs[index].rounds]
        said, said_more = _steps([operations[index] for index in talking])
        quiet, quiet_more = _steps(silent)
        yield Stage(
            first=together[0] + 1,
            last=max((depth[index] for index in talking), default=together[0]),
            bytes_per_party=sum(costs[index].bytes_per_party for index in talking),
            talking=said,
            talking_more=said_more,
            silent=quiet,
            silent_more=quiet_more,
        )


def _steps(operations: Sequence[PlanOperation]) -> tuple[tuple[PlanStep, ...], int]:
    """The kinds of operations that are most, and how many operations are of other kinds."""
    kinds = Counter((op.operation.name, op.type.shape, *_repeated(op)) for op in operations)
    shown = kinds.most_common(MOST_STEPS)
    steps = tuple(
        PlanStep(name=name, shape=shape, count=count, passes=passes, inside=inside)
        for (name, shape, passes, inside), count in shown
    )
    return steps, len(operations) - sum(count for _, count in shown)


def _repeated(op: PlanOperation) -> tuple[int, tuple[str, ...]]:
    """How often what is inside runs, and which operations these are; once and none where the operation is no loop."""
    if op.body is None:
        return 1, ()
    inside = Counter(inner.operation.name for inner, _ in op.body.listed if not inner.is_leaf)
    return op.passes, tuple(name for name, _ in inside.most_common(MOST_STEPS))


def _verdicts(explanation: Explanation) -> Iterator[NodeSays]:
    if isinstance(explanation, NodesExplanation):
        for one in explanation.decisions:
            yield NodeSays(node=one.node, verdict=one.verdict, rule=one.rule or "", because=one.because)
