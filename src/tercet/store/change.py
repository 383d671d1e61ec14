"""What a change of stored data is, as it travels between the coordinator and the nodes, and what a node answers.

All fields are public. A change is prepared at all three nodes, then committed at all three, or aborted; `changes.py`
does that at one node.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, JsonValue, StringConstraints, TypeAdapter, ValidationError

from tercet.errors import InputError, IntegrityError
from tercet.federation.api import PublicJson
from tercet.federation.identifiers import DatasetName, Digest, Identifier, KeptName
from tercet.federation.model import Model, faults
from tercet.sharing import PARTIES, check_doubly_held
from tercet.store.schema import MAX_ROWS

MAX_CHUNKS = 1 << 20
MAX_KEPT = 4096
MAX_SEGMENTS = 1 << 16


class UploadChange(Model):
    """An upload becomes visible: as a new dataset, as more rows, or as more columns of the rows that are there.

    `parts` are the part ids of its chunks in order, `rows` all its rows: what its owner says that he sent.
    """

    kind: Literal["create", "append", "columns"]
    dataset: DatasetName
    owner: Digest
    upload: Identifier
    rows: Annotated[int, Field(ge=1, le=MAX_ROWS)]
    parts: Annotated[list[Identifier], Field(min_length=1, max_length=MAX_CHUNKS)]


class WithdrawChange(Model):
    """All rows and columns that `owner` brought to the dataset go, or only those of one upload."""

    kind: Literal["withdraw"] = "withdraw"
    dataset: DatasetName
    owner: Digest
    upload: Identifier | None = None


class RefreshChange(Model):
    """The shares of every segment of `version` are replaced by the next generation, which the workers have written."""

    kind: Literal["refresh"] = "refresh"
    dataset: DatasetName
    version: Annotated[int, Field(ge=1, lt=1 << 31)]
    manifest: Digest


class KeptArray(Model):
    """One array that a job keeps: its handle, which names its files, its name ("" for none), type and disclosure.

    `label` is the type as plans write it, in hexadecimal; `disclosure` is whatever the analysis of the plan found.
    """

    handle: Identifier
    name: KeptName | Literal[""] = ""
    label: Annotated[str, StringConstraints(pattern="^([0-9a-f]{2})+$", max_length=1024)]
    disclosure: JsonValue = None


class KeepChange(Model):
    """Results of a job that stay at the nodes: arrays, and a model of that name made of them, with its public JSON.

    `expires` (unix seconds) is when they are deleted; None for those kept until they are dropped.
    """

    kind: Literal["keep"] = "keep"
    job: Identifier
    owner: Digest
    arrays: Annotated[list[KeptArray], Field(min_length=1, max_length=MAX_KEPT)]
    expires: float | None = None
    name: DatasetName | Literal[""] = ""
    model: PublicJson | None = None


class DropChange(Model):
    """Kept arrays, by handle, are deleted; and the model of that name, whose arrays must be all of them."""

    kind: Literal["drop"] = "drop"
    owner: Digest
    name: DatasetName | Literal[""] = ""
    arrays: Annotated[list[Identifier], Field(max_length=MAX_KEPT)] = Field(default_factory=list)


Change = Annotated[UploadChange | WithdrawChange | RefreshChange | KeepChange | DropChange, Field(discriminator="kind")]
_CHANGE: TypeAdapter[Change] = TypeAdapter(Change)


class SegmentDigests(Model):
    """One segment as one node has it: the digests of its components own and next."""

    segment: Identifier
    own: Digest
    next: Digest


class Prepared(Model):
    """One node's answer to *prepare*: all of it is durable there.

    `proposal` is a hash over everything that must be alike at all nodes: the change, the version before it, the schema,
    rows and segments that would result. `digests` are compared component by component.
    """

    transaction: Identifier
    proposal: Digest
    digests: Annotated[list[SegmentDigests], Field(max_length=MAX_SEGMENTS)]


def read_change(data: Any) -> Change:
    """Read a change from JSON data. Raises InputError."""
    try:
        return _CHANGE.validate_python(data)
    except ValidationError as error:
        raise InputError(f"this is no change: {faults(error)}") from None


def write_change(change: Change) -> dict[str, Any]:
    """The JSON data of a change."""
    return change.model_dump(mode="json", by_alias=True)


def check_prepared(answers: Sequence[Prepared]) -> None:
    """Compare the answers of parties 1, 2 and 3: the same proposal, and every component alike at its two holders.

    Called by the coordinator before it decides, and by every node again before it commits. Raises IntegrityError that
    says which nodes differ.
    """
    first, second, third = answers
    if not first.transaction == second.transaction == third.transaction:
        raise IntegrityError("the nodes answered about different transactions")
    proposals = [answer.proposal for answer in answers]
    if len(set(proposals)) > 1:
        odd = [int(party) for party, mine in zip(PARTIES, proposals, strict=True) if proposals.count(mine) == 1]
        who = f"node {odd[0]} differs from the other two" if len(odd) == 1 else "all three differ"
        raise IntegrityError(
            f"the nodes would make different versions of it: {who}",
            hint="compare `tercet node datasets` of the three nodes",
        )
    names = [[piece.segment for piece in answer.digests] for answer in answers]
    if not names[0] == names[1] == names[2]:
        raise IntegrityError("the nodes answered about different segments")
    for pieces in zip(first.digests, second.digests, third.digests, strict=True):
        check_doubly_held(
            [(bytes.fromhex(piece.own), bytes.fromhex(piece.next)) for piece in pieces],
            f"segment {pieces[0].segment[:8]}",
        )
