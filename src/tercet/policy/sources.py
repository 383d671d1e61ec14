"""What a node knows of an input of a plan: the columns that it was made of, and the rows that stand behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from tercet.errors import IntegrityError
from tercet.plan.rows.states import Rows, Spread, state_from_json, state_to_json
from tercet.policy.request import Brought, ColumnSource, InputSource, KeptSource, united
from tercet.policy.rows_behind import RowsBehind
from tercet.policy.terms import ColumnName

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
