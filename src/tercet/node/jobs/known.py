"""What people know of a dataset, or may see of it: the rows and columns that they have uploaded, and public keys."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Literal, TypeAlias

from sqlalchemy import Connection

from tercet.errors import NotFound
from tercet.node.parts import NodeContext
from tercet.policy.persons import APART, MAX_NUMBERED, Apart, Stretches, united
from tercet.policy.request import Brought, ColumnSource
from tercet.policy.rules import Policy
from tercet.store.datasets import visible
from tercet.store.keys import KeyValues
from tercet.store.origins import read_origins
from tercet.store.segments import Segment
from tercet.store.version import DatasetVersion, layout_of

People = Collection[str]
"""Fingerprints of those who count as one."""


def column_source(version: DatasetVersion, column: str, analyst: str, people: People) -> ColumnSource:
    """A column as it is to `people`, of whom one learns what `analyst` asks for.

    Rows that the analyst alone has uploaded are not protected from the recipients that the analyst names.
    """
    segments = version.segments
    mine = frozenset([analyst])
    given = () if people == mine else rows_of(segments, column, mine)
    return ColumnSource(
        version.name,
        column,
        version.rows,
        version.layout,
        version.version,
        is_of(segments, column, mine.union(people)),
        is_marked(segments, column, people),
        rows_of(segments, column, people),
        given,
    )


def is_of(segments: Sequence[Segment], column: str, people: People) -> bool:
    """Whether they have brought the column for all rows: with rows of theirs, or for rows of others by their keys.

    Either way they know each of its numbers, and whose it is.
    """
    return all(segment.owner in people for segment in segments if column in segment.names)


def is_marked(segments: Sequence[Segment], column: str, people: People) -> bool:
    """Whether they have brought the column for rows of somebody else."""
    rows = {segment.segment: segment.owner for segment in segments if not segment.joined}
    theirs = [one.base for one in segments if one.owner in people and column in one.names]
    return any(rows.get(base) not in people for base in theirs)


def rows_of(segments: Sequence[Segment], column: str | None, people: People) -> Stretches:
    """The stretches of rows that they have brought, with what this column holds there; None: whatever column."""
    owners = {segment.base: segment.owner for segment in segments if column in segment.names}
    found: list[tuple[int, int]] = []
    at = 0
    for segment in segments:
        if not segment.joined:
            if segment.owner in people and (column is None or owners.get(segment.segment) in people):
                found.append((at, at + segment.rows))
            at += segment.rows
    return tuple(found)


def known_to(version: DatasetVersion, people: People) -> Stretches:
    """The stretches of rows that they have brought, whoever has brought further columns of them."""
    return united(rows_of(version.segments, None, people), ())


def behind_kept(connection: Connection, disclosure: object, people: People) -> Mapping[tuple[str, str], Brought]:
    """Of each dataset and layout behind a kept array: what of it `people` have brought, also if it is there no more.

    Raises IntegrityError if what was written beside the array is broken.
    """
    found: dict[tuple[str, str], Brought] = {}
    for origin in read_origins(disclosure):
        segments = visible(connection, origin.dataset, origin.version)
        key = origin.dataset, layout_of(segments)
        for column in sorted(origin.columns):
            one = Brought(rows_of(segments, column, people), marked=is_marked(segments, column, people))
            found[key] = found[key].beside(one) if key in found else one
    return found


_Answer: TypeAlias = KeyValues | Literal[Apart.APART] | None


class RowKeys:
    """Reads the keys that one analyst may use; those read are remembered, for one request."""

    def __init__(self, context: NodeContext, analyst: str) -> None:
        self._context = context
        self._analyst = analyst
        self._known: dict[tuple[str, str], _Answer] = {}

    def __call__(self, dataset: str, layout: str, versions: frozenset[int]) -> _Answer:
        """The keys of a dataset's rows in this layout; None if there are none.

        APART if they are more than decisions compare, if the version is no more, or if neither a rule nor rows of
        theirs let the analyst use the keys. Raises IntegrityError.
        """
        if (dataset, layout) not in self._known:
            self._known[dataset, layout] = self._read(dataset, layout, versions)
        return self._known[dataset, layout]

    def _read(self, dataset: str, layout: str, versions: frozenset[int]) -> _Answer:
        # a refresh ends the versions before it, and leaves rows where they are
        for number in (*sorted(versions), None):
            try:
                found = self._context.store.datasets.get(dataset, number)
                if layout_of(found.segments) != layout:
                    continue
                column = found.schema.key
                if column is None:
                    return None
                if found.rows > MAX_NUMBERED or not may_see_keys(self._context.policy.current, self._analyst, found):
                    return APART
                return found.read_keys(column.name)
            except NotFound:
                continue
        return APART


def may_see_keys(policy: Policy, person: str, version: DatasetVersion) -> bool:
    """Whether somebody may work with the public keys of a dataset's rows: they own some, or a rule names them."""
    column = version.schema.key
    if column is None:
        return False
    return person in version.owners or policy.may_see_keys(person, version.name, column.name)
