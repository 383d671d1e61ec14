"""Stamps: the record that the values of a segment were checked under sharing and lie in their ranges."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tercet.federation.model import ascii_json
from tercet.store.schema import VALIDITY, Schema, StoredForm

PROTOCOL = 2
"""The number of the present check, `protocols.range_check`; see docs/security/range-checks.md."""
PROTOCOLS = frozenset({1, PROTOCOL})
"""Checks whose stamps are valid. Number 1 compared every word at full width, twice, with a smaller error."""


@dataclass(frozen=True, slots=True)
class Range:
    """The stored integers that one column may hold, both ends within; `nullable`: missing ones are all `lo`."""

    column: str
    lo: int
    hi: int
    nullable: bool


@dataclass(frozen=True, slots=True)
class Stamp:
    """A check that was passed: by which protocol, of which upload, against which ranges. Public, in the manifest."""

    protocol: int
    upload: str
    ranges: tuple[Range, ...]

    def facts(self) -> dict[str, Any]:
        """As JSON data, which the manifest covers."""
        ranges = [[one.column, one.lo, one.hi, one.nullable] for one in self.ranges]
        return {"protocol": self.protocol, "upload": self.upload, "ranges": ranges}

    @staticmethod
    def load(data: Mapping[str, Any] | None) -> Stamp | None:
        """Read what `facts` gave."""
        if data is None:
            return None
        return Stamp(data["protocol"], data["upload"], tuple(Range(*one) for one in data["ranges"]))

    @property
    def digest(self) -> str:
        """A hash of the ranges, for the audit."""
        return hashlib.sha256(b"tercet/1 ranges\0" + ascii_json(self.facts()["ranges"])).hexdigest()

    def holds(self, schema: Schema, upload: str) -> bool:
        """Whether the check says that all values of the upload are as this schema promises.

        It does if the schema's ranges are the same or wider; missing values must be the lo that they were.
        """
        if self.protocol not in PROTOCOLS or self.upload != upload:
            return False
        for one in self.ranges:
            if one.column not in schema:
                return False
            column = schema[one.column]
            lo, hi = column.stored_bounds
            if not lo <= one.lo <= one.hi <= hi or column.nullable != one.nullable or (one.nullable and lo != one.lo):
                return False
        return True


def stamp_of(upload: str, schema: Schema, columns: Sequence[tuple[str, StoredForm]]) -> Stamp:
    """The stamp that columns of an upload get if they pass the check against this schema."""
    return Stamp(PROTOCOL, upload, ranges_of(schema, columns))


def ranges_of(schema: Schema, columns: Sequence[tuple[str, StoredForm]]) -> tuple[Range, ...]:
    """What is checked of columns, as parts and segments hold them: all but public keys and validity bits."""
    found = []
    for name, form in columns:
        if form.secret and not name.endswith(VALIDITY):
            column = schema[name]
            lo, hi = column.stored_bounds
            found.append(Range(name, lo, hi, column.nullable))
    return tuple(found)
