"""What each output of a plan discloses: how many numbers, computed from which columns, over how many rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from tercet.errors import PlanError
from tercet.plan.plan import OutputKind, Plan, PlanOperation, maker_of
from tercet.plan.rows.states import RowNumbers, RowState, Spread
from tercet.plan.rows.track import Allowance, track
from tercet.plan.types import capacity_bits
from tercet.policy.behind import InputFacts, Origins, ReadColumn, RowsBehind, known_of, written
from tercet.policy.persons import Persons, kind_of, known_beside, united
from tercet.policy.request import ColumnName, InputSource, KeptSource

_SHOWN = 6
MAX_FLOWS = 1 << 20
"""Inputs and operations behind all outputs that differ in them, counted together."""

T = TypeVar("T")


@dataclass(frozen=True)
class Disclosure:
    """What one output of a plan says. `output` counts from 0, sentences from 1; `name` is that of a kept result, else
    empty.

    `bits` is what all of it can carry, by its range. `columns` are those behind it, and `foreign` those of them that
    others have brought; `behind` is about the rows of others, `own` about the analyst's. `through` are the kept results
    behind it.
    """

    output: int
    revealed: bool
    name: str
    shape: tuple[int, ...]
    numbers: int
    columns: tuple[ColumnName, ...]
    behind: tuple[RowsBehind, ...]
    own: tuple[RowsBehind, ...] = ()
    bits: int = 0
    foreign: frozenset[ColumnName] = frozenset()
    through: tuple[KeptSource, ...] = ()
    origins: Origins = field(default_factory=Origins)
    claimed: bool = False
    """Whether bounds behind it are claimed, not proven (`plan.bounds.prove`)."""

    def stored(self) -> dict[str, Any]:
        """What a node stores beside a kept result, as JSON; `KeptSource` gives it back."""
        told = {(one.dataset, one.layout) for one in self.behind}
        # where columns of others are read beside the analyst's, what counts is what is known of those of others
        own = [one for one in self.own if (one.dataset, one.layout) not in told]
        return written(self.origins, (*self.behind, *own))

    def __str__(self) -> str:
        """A sentence."""
        return self.told()

    def told(self, learner: str = "") -> str:
        """A sentence; about what it is to a learner, if it is named."""
        what = f"{self.numbers:,} numbers" if self.numbers != 1 else "one number"
        act = "reveals" if self.revealed else f"keeps as {self.name or 'a result'} and reveals nothing of"
        text = f"output {self.output + 1} {act} {what} computed from {columns_text(self.columns)}"
        behind = [f"{one.text(learner)} of {one.dataset}" for one in self.behind]
        each = "each " if self.numbers != 1 and behind and behind[0].startswith("over") else ""
        text = f"{text}, {each}{' and '.join(behind)}" if behind else text
        return f"{text}, within bounds that are claimed and not proven" if self.claimed else text


def columns_text(columns: Sequence[ColumnName]) -> str:
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
    inputs: Mapping[bytes, InputSource],
    kept: Mapping[int, str],
    *,
    weights_allowed: bool = False,
    allowance: Allowance | None = None,
    persons: Persons | None = None,
) -> list[Disclosure]:
    """What every output of the plan discloses. Called by decisions, and by a node that keeps results.

    The analyst's own columns count as public numbers that differ from row to row. `persons` says which rows of several
    datasets belong together. Time as `track`. Raises PlanError if an input has no source or is of another shape than
    that says, IntegrityError if what was stored beside a kept array cannot be read.
    """
    known = {handle: known_of(source) for handle, source in inputs.items()}
    numbering = _numbering(known.values(), persons or Persons())
    foreign = {handle: _still_joined(inputs[handle], one.foreign, numbering) for handle, one in known.items()}
    theirs = _tracked(plan, foreign, weights_allowed, allowance, numbering)
    mine: list[tuple[RowsBehind, ...]] = [()] * len(theirs)
    if any(one.own for one in known.values()):
        own = {handle: one.own for handle, one in known.items()}
        mine = _tracked(plan, own, weights_allowed, allowance, numbering)
    read = _flows(plan, {handle: frozenset([handle]) for handle in inputs}, _nothing_of)
    operations = _flows(plan, {handle: one.origins.operations for handle, one in known.items()}, _names_of)
    result = []
    for index, output in enumerate(plan.outputs):
        t = plan.type_of(output.value)
        handles = sorted(read[output.value]) if t.size else []
        columns = frozenset[ReadColumn]().union(*(known[handle].origins.read for handle in handles))
        origins = Origins(columns, operations[output.value] if t.size else frozenset())
        through = [source for handle in handles if isinstance(source := inputs[handle], KeptSource)]
        result.append(
            Disclosure(
                index,
                output.kind is OutputKind.REVEAL,
                kept.get(index, ""),
                t.shape,
                t.size,
                tuple(sorted(origins.columns)),
                theirs[index],
                mine[index],
                capacity_bits(t),
                frozenset[ColumnName]().union(*(known[handle].foreign_columns for handle in handles)),
                tuple(through),
                origins,
                t.claimed,
            )
        )
    return result


def _numbering(known: Iterable[InputFacts], persons: Persons) -> dict[str, RowNumbers]:
    """The numbers of rows where those of several datasets may meet."""
    versions: dict[tuple[str, str], set[int]] = {}
    for source in known:
        for one in (*source.foreign, *source.own):
            read = {version for dataset, version, _ in source.origins.read if dataset == one.dataset}
            versions.setdefault((one.dataset, one.layout), set()).update(read)
    return {_space(*layout): numbers for layout, numbers in persons.numbering(versions).items()}


def _still_joined(
    source: InputSource, behind: tuple[RowsBehind, ...], numbering: Mapping[str, RowNumbers]
) -> tuple[RowsBehind, ...]:
    """What a kept array says to somebody for whom it was not written down, who has brought some rows behind it.

    Which rows of other datasets stood beside theirs is not known any more where keys cannot be compared now.
    """
    if not isinstance(source, KeptSource) or source.brought is None or not any(one.own for one in behind):
        return behind
    if len({kind_of(numbering.get(_space(one.dataset, one.layout), 0)) for one in behind}) < 2:
        return behind
    return tuple(replace(one, state=Spread(one.state.count)) for one in behind)


def _space(dataset: str, layout: str) -> str:
    """The name that row tracking gets for a dataset in one layout."""
    return f"{dataset}\n{layout}"


def _tracked(
    plan: Plan,
    inputs: Mapping[bytes, Sequence[RowsBehind]],
    weights_allowed: bool,
    allowance: Allowance | None,
    numbering: Mapping[str, RowNumbers],
) -> list[tuple[RowsBehind, ...]]:
    """What each output says about the rows, given what each input does."""
    states = {
        handle: {_space(one.dataset, one.layout): one.state for one in behind} for handle, behind in inputs.items()
    }
    found = track(plan, states, weights_allowed=weights_allowed, allowance=allowance, numbering=numbering)
    whose: dict[str, RowsBehind] = {}
    for one in (one for behind in inputs.values() for one in behind):
        key = _space(one.dataset, one.layout)
        whose[key] = whose[key].beside(one) if key in whose else one
    return [_beside_partners(whose, of, numbering) for of in found]


def _beside_partners(
    whose: Mapping[str, RowsBehind], states: Mapping[str, RowState], numbering: Mapping[str, RowNumbers]
) -> tuple[RowsBehind, ...]:
    """What one output says about the rows of each dataset. Rows of others that are joined with rows which the person
    who learns the output knows hide nobody, as these do not."""
    known = known_beside({key: whose[key].own for key in states}, numbering)
    found = []
    for key, state in states.items():
        one = whose[key]
        theirs = united(one.own, one.given)
        mixed = one.mixed or united(theirs, known[key]) != theirs
        found.append(replace(one, state=state, own=known[key], mixed=mixed))
    return tuple(found)


def _nothing_of(op: PlanOperation) -> frozenset[Any]:
    return frozenset()


def _names_of(op: PlanOperation) -> frozenset[str]:
    """The operation's name, and those in a loop's body; reading stored and public arrays is none."""
    if op.is_leaf:
        return frozenset()
    inner = operations_used(op.body) if op.body is not None else set()
    return frozenset([op.operation.name, *inner])


def _flows(
    plan: Plan, given: Mapping[bytes, frozenset[T]], adds: Callable[[PlanOperation], frozenset[T]]
) -> dict[int, frozenset[T]]:
    """What flows into each output's value, from the inputs and from what each operation adds; all that goes into a loop
    flows into all that comes out.

    Sets are integers here, one bit a thing: an operation costs some words, however much flows into it. Raises PlanError
    if the outputs together depend on more than `MAX_FLOWS` things.
    """
    places: dict[T, int] = {}

    def mask(things: frozenset[T]) -> int:
        bits = 0
        for thing in things:
            bits |= 1 << places.setdefault(thing, len(places))
        return bits

    added: dict[PlanOperation | str, int] = {}
    flows: list[int] = []
    for op in plan.operations:
        if op.is_input:
            flows.append(mask(given[op.data]))
            continue
        name = op.operation.name
        bits = added.get(name) if op.body is None else None
        if bits is None:
            bits = added[name] = mask(adds(op))
        for value in op.inputs:
            bits |= flows[maker_of(value)]
        flows.append(bits)
    wanted = {output.value: flows[maker_of(output.value)] for output in plan.outputs}
    distinct = set(wanted.values())
    if sum(bits.bit_count() for bits in distinct) > MAX_FLOWS:
        raise PlanError("the outputs depend on too many columns, each on others", hint="ask for less at a time")
    things = list(places)
    sets = {bits: frozenset(things[at] for at in range(len(things)) if bits >> at & 1) for bits in distinct}
    return {value: sets[bits] for value, bits in wanted.items()}


def operations_used(plan: Plan) -> set[str]:
    """Names of the operations, those in loops too; reading stored and public arrays is none."""
    return {op.operation.name for op, _ in plan.listed if not op.is_leaf}
