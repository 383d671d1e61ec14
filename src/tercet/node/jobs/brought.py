"""Which rows and columns of a dataset a person has uploaded, and so knows already when they ask or receive."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from sqlalchemy import Connection

from tercet.policy.request import Brought, ColumnSource, Stretches, united
from tercet.store.datasets import visible
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


def rows_of(segments: Sequence[Segment], column: str, people: People) -> Stretches:
    """The stretches of rows that they have brought, with what this column holds there."""
    owners = {segment.base: segment.owner for segment in segments if column in segment.names}
    found: list[tuple[int, int]] = []
    at = 0
    for segment in segments:
        if not segment.joined:
            if segment.owner in people and owners.get(segment.segment) in people:
                found.append((at, at + segment.rows))
            at += segment.rows
    return tuple(found)


def known_to(version: DatasetVersion, people: People) -> Stretches:
    """The stretches of rows that they have brought, whoever has brought further columns of them."""
    found: list[tuple[int, int]] = []
    at = 0
    for segment in version.segments:
        if not segment.joined:
            if segment.owner in people:
                found.append((at, at + segment.rows))
            at += segment.rows
    return united(tuple(found), ())


def behind_kept(connection: Connection, disclosure: object, people: People) -> Mapping[tuple[str, str], Brought]:
    """Of each dataset and layout behind a kept array: what of it `people` have brought, also if it is there no more.

    Raises IntegrityError if what was written beside the array is broken.
    """
    found: dict[tuple[str, str], Brought] = {}
    for origin in read_origins(disclosure):
        segments = visible(connection, origin.dataset, origin.version)
        key = origin.dataset, layout_of(segments)
        for one in _brought(segments, origin.columns, people):
            found[key] = found[key].beside(one) if key in found else one
    return found


def _brought(segments: Sequence[Segment], columns: Iterable[str], people: People) -> Iterator[Brought]:
    for column in sorted(columns):
        yield Brought(rows_of(segments, column, people), marked=is_marked(segments, column, people))
