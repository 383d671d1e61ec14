"""What stands behind an input or an output: the columns and operations it was made of, and how many rows of others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tercet.errors import IntegrityError
from tercet.federation.text import counted
from tercet.plan.rows.places import NOWHERE, Ints, Partition, TooManyPieces
from tercet.plan.rows.states import Aggregate, Rows, RowState, Spread, state_from_json, state_to_json
from tercet.policy.persons import Stretches, united
from tercet.policy.request import Brought, ColumnName, ColumnSource, InputSource, KeptSource


@dataclass(frozen=True)
class RowsBehind:
    """What an output says about the rows of one dataset, in one layout of its rows."""

    dataset: str
    layout: str
    state: RowState
    own: Stretches = ()
    """Rows that the person who learns the output has brought: they know them, so that nobody is hidden among them."""
    mixed: bool = False
    """Whether columns that others have brought of those rows are read, too."""
    given: Stretches = ()
    """Rows of the analyst, where somebody else learns the output: the analyst may give them away, and rows of others
    are hidden among them."""

    @property
    def rows(self) -> int:
        """How many rows of others each number treats alike; 1 where they are single."""
        return self._hidden(self.state) if isinstance(self.state, Aggregate) else min(1, self.state.count)

    def beside(self, other: RowsBehind) -> RowsBehind:
        """Whose the rows of one layout are that stand behind both; with this one's state."""
        mixed = self.mixed or other.mixed or (self.own, self.given) != (other.own, other.given)
        own, given = united(self.own, other.own), united(self.given, other.given)
        return replace(self, own=own, mixed=mixed, given=given)

    def text(self, learner: str = "") -> str:
        """How many rows stand behind each number, in words; `learner`: to whom, if that is not the analyst."""
        match self.state:
            case Aggregate():
                besides = f" besides rows of {learner or 'their own'}" if self.own else ""
                return f"over at least {counted(self.rows, 'row')}{besides}"
            case Rows(_, count):
                return f"row by row for {counted(count, 'row')}"
            case Spread():
                return "in a way that may show single rows (as MIN, MAX or a product of rows would)"

    def jointly(self, states: Sequence[Aggregate]) -> int:
        """How many rows of others all of these together treat alike, about rows that are whose they are here."""
        if len(states) == 1:
            return self._hidden(states[0])
        classes: Partition | None = None
        for state in states:
            if state.classes is None:
                # over which rows is not known: they may be all rows of another state but one
                return min(1, *(self._hidden(state) for state in states))
            try:
                classes = state.classes if classes is None else classes.refine(state.classes)
            except TooManyPieces:
                return 1
        return self._hidden(Aggregate(classes.least, classes)) if classes is not None else 0

    def _hidden(self, state: Aggregate) -> int:
        """How many rows of others are in the class that has the fewest.

        A class of own rows alone hides nobody, unless columns that others have brought of them are read; nor does one
        of own rows and of rows that the analyst gives away.
        """
        if not self.own and not self.given:
            return state.count
        if state.classes is None:
            return max(0, state.count - sum(stop - start for start, stop in self.own))
        cut = np.union1d(_edges(self.own), _edges(self.given))
        cut = np.union1d(cut, state.classes.edges)
        starts, lengths = cut[:-1], np.diff(cut)
        labels = state.classes.at(starts)
        known = _within(starts, self.own)
        foreign = ~known & ~_within(starts, self.given)
        count = int(state.classes.labels.max(initial=-1)) + 1
        hiding, hidden = np.zeros(count, np.int64), np.zeros(count, np.int64)
        for rows, which in ((hiding, ~known), (hidden, foreign)):
            which = which & (labels != NOWHERE)
            np.add.at(rows, labels[which], lengths[which])
        return int(hiding[(hidden > 0) | self.mixed].min(initial=state.count))


def joint_rows(outputs: Iterable[tuple[int, Sequence[RowsBehind]]]) -> dict[str, tuple[int, list[int]]]:
    """Of each dataset behind revealed outputs, by their numbers: the fewest rows that all of them together treat alike,
    and which outputs. By differences between them, an analyst learns what all of them together tell."""
    by_layout: dict[tuple[str, str], list[tuple[int, Aggregate]]] = {}
    told: dict[tuple[str, str], RowsBehind] = {}
    for output, behind in outputs:
        for one in behind:
            if isinstance(one.state, Aggregate):
                key = one.dataset, one.layout
                by_layout.setdefault(key, []).append((output, one.state))
                told[key] = told[key].beside(one) if key in told else one
    result: dict[str, tuple[int, list[int]]] = {}
    for (dataset, layout), states in by_layout.items():
        count = told[dataset, layout].jointly([state for _, state in states])
        if dataset not in result or count < result[dataset][0]:
            result[dataset] = count, [output for output, _ in states]
    return result


def _edges(stretches: Stretches) -> Ints:
    return np.array([place for one in stretches for place in one], np.int64)


def _within(places: Ints, stretches: Stretches) -> NDArray[np.bool_]:
    """Which places lie in a stretch; none of two stretches touches the other."""
    before = np.asarray(np.searchsorted(_edges(stretches), places, side="right"), np.int64)
    inside: NDArray[np.bool_] = before % 2 == 1
    return inside


_WRITTEN = 3
"""The version of what is written beside kept results."""

ReadColumn: TypeAlias = tuple[str, int, str]
"""Dataset, version and column."""


@dataclass(frozen=True)
class Origins:
    """What a value was made of, through however many kept results: columns of versions of datasets, and operations."""

    read: frozenset[ReadColumn] = frozenset()
    operations: frozenset[str] = frozenset()

    @property
    def columns(self) -> frozenset[ColumnName]:
        """The columns, of whichever version."""
        return frozenset((dataset, column) for dataset, _, column in self.read)

    def by_dataset(self) -> dict[str, dict[int, list[str]]]:
        """Of each dataset, of each version: the columns."""
        found: dict[str, dict[int, list[str]]] = {}
        for dataset, version, column in sorted(self.read):
            found.setdefault(dataset, {}).setdefault(version, []).append(column)
        return found


@dataclass(frozen=True)
class InputFacts:
    """What is known of an input; `foreign` is about the rows of others, `own` about the analyst's, and
    `foreign_columns` are those that others have brought."""

    origins: Origins
    foreign: tuple[RowsBehind, ...]
    own: tuple[RowsBehind, ...]
    foreign_columns: frozenset[ColumnName]


def known_of(source: InputSource) -> InputFacts:
    """What is known of an input. Raises IntegrityError if what is written beside a kept array is broken."""
    match source:
        case ColumnSource(dataset, column, count, layout, version, own, marked, known, given):
            origins = Origins(frozenset([(dataset, version, column)]))
            state = Rows(0, count, alike=not marked)
            one = RowsBehind(dataset, layout, state, united(known, ()), given=united(given, ()))
            return (
                InputFacts(origins, (), (one,), frozenset())
                if own
                else InputFacts(origins, (one,), (), origins.columns)
            )
        case KeptSource(name=name, stored=stored, own=mine, brought=brought):
            try:
                origins, behind = _read(stored)
            except (KeyError, TypeError, ValueError):
                raise IntegrityError(f"what is written about the rows in {name} cannot be read") from None
            behind = tuple(_as_known(one, brought) for one in behind)
            return InputFacts(
                origins,
                tuple(one for one in behind if one.dataset not in mine),
                tuple(one for one in behind if one.dataset in mine),
                frozenset(column for column in origins.columns if column[0] not in mine),
            )


def origins_of(source: InputSource) -> Origins:
    """What an input was made of. Raises IntegrityError if what is written about it is broken."""
    return known_of(source).origins


def foreign_columns(inputs: Mapping[bytes, InputSource]) -> list[ColumnName]:
    """Every column of others that inputs are made of."""
    return sorted({column for source in inputs.values() for column in known_of(source).foreign_columns})


def _as_known(one: RowsBehind, brought: Mapping[tuple[str, str], Brought] | None) -> RowsBehind:
    """What a kept array says about rows, to somebody else than its owner, for whom it was written down."""
    if brought is None:
        return one
    theirs = brought.get((one.dataset, one.layout), Brought(marked=True))
    # how what they marked was used is not written down
    state = Spread(one.state.count) if theirs.marked else one.state
    return replace(one, state=state, own=theirs.rows, mixed=one.mixed or theirs.mixed, given=one.own)


# -- what is written beside a kept result


def written(origins: Origins, behind: Sequence[RowsBehind]) -> dict[str, Any]:
    """As JSON; a `KeptSource` gives it back."""
    read = [
        [dataset, version, columns]
        for dataset, versions in origins.by_dataset().items()
        for version, columns in versions.items()
    ]
    rows = [
        {
            "dataset": one.dataset,
            "layout": one.layout,
            "own": [list(stretch) for stretch in one.own],
            "mixed": one.mixed,
            **state_to_json(one.state),
        }
        for one in behind
    ]
    return {"version": _WRITTEN, "read": read, "operations": sorted(origins.operations), "rows": rows}


def _read(stored: Mapping[str, Any]) -> tuple[Origins, tuple[RowsBehind, ...]]:
    """What `written` gave. Raises KeyError, TypeError or ValueError for anything else."""
    read = frozenset(
        (_text(dataset), _count(version), _text(column))
        for dataset, version, columns in stored["read"]
        for column in columns
    )
    origins = Origins(read, frozenset(_text(name) for name in stored["operations"]))
    behind = tuple(_rows_behind(dict(row)) for row in stored["rows"])
    if stored["version"] != _WRITTEN or set(stored) != {"version", "read", "operations", "rows"}:
        raise ValueError
    return origins, behind


def _rows_behind(row: dict[str, Any]) -> RowsBehind:
    dataset, layout = _text(row.pop("dataset")), _text(row.pop("layout"))
    own = tuple((_count(start), _count(stop)) for start, stop in row.pop("own"))
    mixed = row.pop("mixed")
    places = [place for one in own for place in one]
    if type(mixed) is not bool or sorted(places) != places or any(start == stop for start, stop in own):
        raise ValueError
    return RowsBehind(dataset, layout, state_from_json(row), own, mixed)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _count(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise TypeError
    return value
