"""Origins of kept arrays: the columns of dataset versions that they were computed from, and so their segments."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from tercet.errors import IntegrityError
from tercet.store.datasets import current_version, visible
from tercet.store.segments import Segment

Ended = Collection[tuple[str, str]]
"""Segments, each with its base."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Columns of one version of a dataset that have gone into a kept array."""

    dataset: str
    version: int
    columns: frozenset[str]


def read_origins(disclosure: Any) -> list[Origin]:
    """The origins in what is stored with a kept array (`policy.disclosure.Disclosure.stored`), through all keeps.

    Empty if nothing is stored; policies do not let such an array be read. Raises IntegrityError.
    """
    if not isinstance(disclosure, Mapping) or "read" not in disclosure:
        return []
    try:
        return [Origin(str(name), int(version), frozenset(columns)) for name, version, columns in disclosure["read"]]
    except (KeyError, TypeError, ValueError):
        raise IntegrityError("what a kept array was made of cannot be read") from None


class Behind:
    """Looks up segments behind origins; within one transaction, as it remembers those of a version."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._known: dict[tuple[str, int], list[Segment]] = {}

    def segments(self, origin: Origin) -> Iterator[Segment]:
        """Those that held the columns in that version, whether or not they are there any more."""
        key = origin.dataset, origin.version
        if key not in self._known:
            self._known[key] = visible(self._connection, *key)
        return (segment for segment in self._known[key] if not origin.columns.isdisjoint(segment.names))

    def owners(self, origins: Iterable[Origin]) -> dict[str, set[str]]:
        """Of each dataset: the owners of the segments that went in."""
        found: dict[str, set[str]] = {}
        for origin in origins:
            found.setdefault(origin.dataset, set()).update(segment.owner for segment in self.segments(origin))
        return found

    def rests_on(self, origins: Iterable[Origin], dataset: str, ended: Ended) -> bool:
        """Whether any of these segments of a dataset has gone in."""
        return any(
            (segment.segment, segment.base) in ended
            for origin in origins
            if origin.dataset == dataset
            for segment in self.segments(origin)
        )

    def lost(self, origins: Iterable[Origin]) -> str:
        """A dataset of which rows or columns that went in are there no more, in any generation; "" if all are."""
        for origin in origins:
            there = {(one.segment, one.base) for one in _current(self._connection, origin.dataset)}
            if any((one.segment, one.base) not in there for one in self.segments(origin)):
                return origin.dataset
        return ""


def _current(connection: Connection, dataset: str) -> list[Segment]:
    return visible(connection, dataset, current_version(connection, dataset))
