"""What a plan makes plain, output by output: which columns flow into it, how many numbers, behind how many rows."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tercet.errors import IntegrityError
from tercet.plan.operation import Flow
from tercet.plan.places import Partition, TooManyPieces
from tercet.plan.plan import OutputKind, Plan
from tercet.plan.rows import track
from tercet.plan.states import Aggregate, Rows, Spread, State, state_from_json, state_to_json
from tercet.plan.table import INPUT
from tercet.policy.request import ColumnSource, KeptSource, Source

_WRITTEN = 1
_SHOWN = 6

Column = tuple[str, str]
"""Dataset and column."""


@dataclass(frozen=True)
class Part:
    """What an output says about the rows of one dataset, in one layout of its rows."""

    dataset: str
    layout: str
    state: State

    @property
    def rows(self) -> int:
        """How many rows every number treats alike; 1 where they are single."""
        return self.state.count if isinstance(self.state, Aggregate) else min(1, self.state.count)


@dataclass(frozen=True)
class Disclosure:
    """One output of a plan. `output` counts from 0, sentences from 1; `name` is that of a kept result, else empty.

    `parts` are about other people's datasets, `own` about the analyst's; to others who use a kept result, these count
    as well.
    """

    output: int
    revealed: bool
    name: str
    shape: tuple[int, ...]
    numbers: int
    columns: tuple[Column, ...]
    parts: tuple[Part, ...]
    own: tuple[Part, ...] = ()

    def stored(self) -> dict[str, Any]:
        """What a node stores beside a kept result, as JSON; `KeptSource` gives it back."""
        rows = [{"dataset": p.dataset, "layout": p.layout, **state_to_json(p.state)} for p in (*self.parts, *self.own)]
        return {"version": _WRITTEN, "columns": [list(column) for column in self.columns], "rows": rows}

    def __str__(self) -> str:
        """A sentence."""
        what = f"{self.numbers:,} numbers" if self.numbers != 1 else "one number"
        act = "reveals" if self.revealed else f"keeps as {self.name or 'a result'} and reveals nothing of"
        text = f"output {self.output + 1} {act} {what} computed from {columns_text(self.columns)}"
        behind = [f"{rows_text(part)} of {part.dataset}" for part in self.parts]
        each = "each " if self.numbers != 1 and behind and behind[0].startswith("over") else ""
        return f"{text}, {each}{' and '.join(behind)}" if behind else text


def rows_text(part: Part) -> str:
    """How many rows stand behind each number, in words."""
    match part.state:
        case Aggregate(count):
            return f"over at least {rows(count)}"
        case Rows(_, count):
            return f"row by row for {rows(count)}"
        case Spread():
            return "with single rows that cannot be told from sums"


def rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"


def columns_text(columns: Sequence[Column]) -> str:
    """Columns by dataset, as in a sentence."""
    by_dataset: dict[str, list[str]] = {}
    for dataset, column in columns:
        by_dataset.setdefault(dataset, []).append(f"`{column}`")
    texts = []
    for dataset, names in by_dataset.items():
        more = len(names) - _SHOWN
        shown = [*names[:_SHOWN], f"{more} more"] if more > 0 else names
        texts.append(f"{listed(shown)} of {dataset}")
    return " and ".join(texts) or "no stored data"


def listed(words: Sequence[str]) -> str:
    """a, b and c."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def disclosures(
    plan: Plan,
    inputs: Mapping[bytes, Source],
    kept: Mapping[int, str],
    *,
    own: Collection[str] = (),
    weights_allowed: bool = False,
) -> list[Disclosure]:
    """What every output of the plan discloses. Called by decisions, and by a node that keeps results.

    Datasets in `own` count as public numbers that differ from row to row. Time as `track`. Raises PlanError if an input
    has no source or is of another shape than that says, IntegrityError if what was stored beside a kept array cannot
    be read.
    """
    sources = {handle: _read(source) for handle, source in inputs.items()}
    parts = _tracked(plan, {handle: foreign(found, own) for handle, (_, found) in sources.items()}, weights_allowed)
    mine: list[tuple[Part, ...]] = [()] * len(parts)
    if any(part.dataset in own for _, found in sources.values() for part in found):
        everything = _tracked(plan, {handle: found for handle, (_, found) in sources.items()}, weights_allowed)
        mine = [tuple(part for part in found if part.dataset in own) for found in everything]
    flows = column_flows(plan, {handle: columns for handle, (columns, _) in sources.items()})
    result = []
    for index, output in enumerate(plan.outputs):
        t = plan.operations[output.value].type
        result.append(
            Disclosure(
                index,
                output.kind is OutputKind.REVEAL,
                kept.get(index, ""),
                t.shape,
                t.size,
                tuple(sorted(flows[output.value])) if t.size else (),
                parts[index],
                mine[index],
            )
        )
    return result


def foreign(parts: Iterable[Part], own: Collection[str]) -> list[Part]:
    """Parts about datasets that are not the analyst's own."""
    return [part for part in parts if part.dataset not in own]


def _tracked(plan: Plan, parts: Mapping[bytes, Sequence[Part]], weights_allowed: bool) -> list[tuple[Part, ...]]:
    """What each output says about the rows, given what each input does."""
    keys = {f"{part.dataset}\n{part.layout}": (part.dataset, part.layout) for of in parts.values() for part in of}
    states = {handle: {f"{part.dataset}\n{part.layout}": part.state for part in of} for handle, of in parts.items()}
    found = track(plan, states, weights_allowed=weights_allowed)
    return [tuple(Part(*keys[key], state) for key, state in of.items()) for of in found]


def column_flows(plan: Plan, columns: Mapping[bytes, frozenset[Column]]) -> list[frozenset[Column]]:
    """Which columns flow into each operation's value; all that go into a loop flow into all that comes out."""
    flows: list[frozenset[Column]] = []
    for op in plan.operations:
        if op.operation is INPUT:
            flows.append(columns[op.data])
        else:
            given = {flows[value] for value in op.inputs}
            flows.append(next(iter(given)) if len(given) == 1 else frozenset().union(*given))
    return flows


def columns_read(inputs: Mapping[bytes, Source]) -> list[Column]:
    """Every column that inputs are made of."""
    return sorted({column for source in inputs.values() for column in _read(source)[0]})


def datasets_behind(source: Source) -> frozenset[str]:
    """Datasets that an input says something about. Raises IntegrityError if what is written about it is broken."""
    columns, parts = _read(source)
    return frozenset(dataset for dataset, _ in columns) | frozenset(part.dataset for part in parts)


def operations_used(plan: Plan) -> set[str]:
    """Names of the operations, those in loops too; reading stored and public arrays is none."""
    return {op.operation.name for op, _ in plan.listed if op.operation.flow is not Flow.LEAF}


def joint_rows(found: Iterable[Disclosure]) -> dict[str, tuple[int, list[int]]]:
    """Of each dataset in several revealed outputs: the fewest rows that all of them together treat alike, and which
    outputs. By differences between them, an analyst learns what all of them together tell."""
    by_layout: dict[tuple[str, str], list[tuple[int, Aggregate]]] = {}
    for one in found:
        for part in one.parts:
            if one.revealed and isinstance(part.state, Aggregate):
                by_layout.setdefault((part.dataset, part.layout), []).append((one.output, part.state))
    result: dict[str, tuple[int, list[int]]] = {}
    for (dataset, _), states in by_layout.items():
        count = _jointly([state for _, state in states])
        if dataset not in result or count < result[dataset][0]:
            result[dataset] = count, [output for output, _ in states]
    return result


def _jointly(states: Sequence[Aggregate]) -> int:
    if len(states) == 1:
        return states[0].count
    classes: Partition | None = None
    for state in states:
        if state.classes is None:
            # over which rows is not known: it may be all but one of another's
            return min(1, *(state.count for state in states))
        try:
            classes = state.classes if classes is None else classes.refine(state.classes)
        except TooManyPieces:
            return 1
    return classes.least if classes is not None else 0


def _read(source: Source) -> tuple[frozenset[Column], list[Part]]:
    match source:
        case ColumnSource(dataset, column, count, layout):
            return frozenset([(dataset, column)]), [Part(dataset, layout, Rows(0, count))]
        case KeptSource(name=name, stored=stored):
            try:
                columns = frozenset((_text(dataset), _text(column)) for dataset, column in stored["columns"])
                parts = [_part(dict(row)) for row in stored["rows"]]
                if stored["version"] == _WRITTEN and set(stored) == {"version", "columns", "rows"}:
                    return columns, parts
            except (KeyError, TypeError, ValueError):
                pass
            raise IntegrityError(f"what is written about the rows in {name} cannot be read")


def _part(row: dict[str, Any]) -> Part:
    dataset, layout = _text(row.pop("dataset")), _text(row.pop("layout"))
    return Part(dataset, layout, state_from_json(row))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value
