"""Bodies about data at a node, beside those in `api`: public keys of rows, receipts, kept results."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field, StringConstraints

from tercet.federation.api import SHORT, Count, DisclosureInfo, PublicJson, Time
from tercet.federation.api_grounds import Grounds
from tercet.federation.clock import local_time
from tercet.federation.identifiers import ColumnName, DatasetName, Digest, Identifier, KeptName, Line
from tercet.federation.model import Body, Shown
from tercet.federation.text import counted

MAX_KEYS = 20_000
"""Of one page of public keys."""

Integer = Annotated[int, Field(ge=-(1 << 63), lt=1 << 63)]
Text = Annotated[str, StringConstraints(max_length=1024)]


class KeyPage(Body):
    """Some of the public keys of a dataset's rows, in the order of its rows."""

    column: ColumnName
    version: Count
    values: Annotated[list[Integer | Text], Field(max_length=MAX_KEYS)]
    next: Count | None = None
    """Where to go on; None if these were the last."""


class Receipt(Shown):
    """One job that depended on a dataset, directly or `through` kept results; `version` is the newest of `versions`."""

    job: Identifier
    analyst: Digest
    analyst_name: Line
    purpose: Line
    columns: list[ColumnName]
    version: Count
    versions: list[Count] = Field(default_factory=list)
    through: list[KeptName] = Field(default_factory=list)
    state: Line
    numbers: Count
    """How many numbers it revealed."""
    bits: Count = 0
    """What those that depend on the dataset can carry: what budgets count."""
    grounds: Grounds | None = None
    """On what they rest; None of jobs from before this was told."""
    bundle: Digest
    created: Time

    def _facts(self) -> Iterator[str]:
        yield f"job {self.job[:SHORT]}"
        yield self.state
        yield f"{self.analyst_name} at {local_time(self.created)}"
        yield f"{counted(self.numbers, 'number')} ({counted(self.bits, 'bit')}) of {', '.join(self.columns)}"
        if self.through:
            yield f"through {', '.join(self.through)}"
        if self.purpose:
            yield f"purpose {self.purpose!r}"
        if self.grounds is not None:
            yield from self.grounds.words()


class ReceiptList(Body):
    """Oldest first; `after` of the next page is `next`, if there is one."""

    dataset: DatasetName
    receipts: list[Receipt]
    next: Count | None = None


class KeptArray(Body):
    """A kept array; `label` is its type, as plans write it, in base64."""

    name: KeptName
    handle: Identifier
    label: Annotated[str, StringConstraints(max_length=4096)]
    shape: list[Count]
    description: Line = ""
    """Its type as a person reads it."""


class KeptInfo(Shown):
    """A kept array or model. `disclosures` is what revealing it would say, `output` counting its arrays."""

    name: KeptName
    owner: Digest
    owner_name: Line
    job: Identifier
    arrays: list[KeptArray]
    model: PublicJson | None = None
    made_of: list[Line] = Field(default_factory=list)
    """Datasets behind it, with versions and columns, through all keeps before it."""
    disclosures: list[DisclosureInfo] = Field(default_factory=list)
    created: Time
    expires: Time | None = None

    def _facts(self) -> Iterator[str]:
        kind = "array" if self.model is None else str(self.model.get("class", "model"))
        yield f"{self.name}: {kind} of {self.owner_name}"
        yield f"{len(self.arrays)} arrays"
        if self.made_of:
            yield f"made of {'; '.join(self.made_of)}"
        yield f"kept {local_time(self.created)}"
        if self.expires is not None:
            yield f"until {local_time(self.expires)}"


class KeptList(Body):
    """All that the caller may see."""

    kept: list[KeptInfo]
