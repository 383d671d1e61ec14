"""Changes of stored data: what travels between the coordinator and the nodes, what a node answers, and the effect.

All fields of a change are public. It is prepared at all three nodes, then committed at all three, or aborted; `changes`
does that at one node. Preparing finds the `Effect` there: what will change, which the node keeps until the end.
Behind them: their rows in the catalogue, and the audit entry of a committed change.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, JsonValue, StringConstraints, TypeAdapter, ValidationError
from sqlalchemy import Connection, Row, Update, insert, select, update

from tercet.errors import InputError, IntegrityError
from tercet.federation.api import PublicJson
from tercet.federation.model import Body, DatasetName, Digest, Identifier, KeptName, ascii_json, faults
from tercet.federation.orders import Wider
from tercet.sharing import Party, check_doubly_held
from tercet.store.origins import read_origins
from tercet.store.schema import MAX_COLUMNS, MAX_ROWS
from tercet.store.stamps import Stamp
from tercet.store.tables import CHANGES

MAX_CHUNKS = 1 << 20
MAX_KEPT = 4096
MAX_SEGMENTS = 1 << 16
PASSED, FAILED = "passed", "failed"
"""The result of checking an upload's values at this node; "" until the check has ended."""
Count = Annotated[int, Field(ge=0, lt=1 << 31)]
_SHOWN = 20


class UploadChange(Body):
    """An upload becomes visible: as a new dataset, as more rows, or as more columns of the rows that are there.

    `parts` are the part ids of its chunks in order, `rows` all its rows: what its owner says that they sent.
    """

    kind: Literal["create", "append", "columns"]
    dataset: DatasetName
    owner: Digest
    upload: Identifier
    rows: Annotated[int, Field(ge=1, le=MAX_ROWS)]
    parts: Annotated[list[Identifier], Field(min_length=1, max_length=MAX_CHUNKS)]


class WithdrawChange(Body):
    """All rows and columns that `owner` brought to the dataset go, or only those of one upload."""

    kind: Literal["withdraw"] = "withdraw"
    dataset: DatasetName
    owner: Digest
    upload: Identifier | None = None


class RefreshChange(Body):
    """The shares of every segment of `version` are replaced by the next generation, which the workers have written.

    So are those of all kept arrays that were made of the dataset, by handle with the generation that they are of.
    """

    kind: Literal["refresh"] = "refresh"
    dataset: DatasetName
    version: Annotated[int, Field(ge=1, lt=1 << 31)]
    manifest: Digest
    kept: Annotated[dict[Identifier, Count], Field(max_length=MAX_SEGMENTS)] = Field(default_factory=dict)


class SegmentName(Body):
    """A segment: its name, and that of the segment whose rows it has columns of."""

    segment: Identifier
    base: Identifier


class CheckChange(Body):
    """These segments of `version`, whose values nobody had checked, were found to be in their ranges."""

    kind: Literal["check"] = "check"
    dataset: DatasetName
    version: Annotated[int, Field(ge=1, lt=1 << 31)]
    manifest: Digest
    segments: Annotated[list[SegmentName], Field(min_length=1, max_length=MAX_SEGMENTS)]


class WidenChange(Body):
    """An owner of rows agrees to wider bounds; once all owners do, they are the dataset's."""

    kind: Literal["widen"] = "widen"
    dataset: DatasetName
    owner: Digest
    columns: Annotated[list[Wider], Field(min_length=1, max_length=MAX_COLUMNS)]


class KeepArray(Body):
    """One array that a job keeps: its handle, which names its files, its name ("" for none), type and disclosure.

    `label` is the type as plans write it, in hexadecimal; `disclosure` is whatever the analysis of the plan found.
    """

    handle: Identifier
    name: KeptName | Literal[""] = ""
    label: Annotated[str, StringConstraints(pattern="^([0-9a-f]{2})+$", max_length=1024)]
    disclosure: JsonValue = None


class KeepChange(Body):
    """Results of a job that stay at the nodes: arrays, and a model of that name made of them, with its public JSON.

    `expires` (unix seconds) is when they are deleted; None for those kept until they are dropped. `datasets` are the
    versions that the job read, `inputs` the kept arrays by handle, each with the generation of its shares: what was
    refreshed since leaves nothing behind that was made of the shares before.
    """

    kind: Literal["keep"] = "keep"
    job: Identifier
    owner: Digest
    arrays: Annotated[list[KeepArray], Field(min_length=1, max_length=MAX_KEPT)]
    expires: float | None = None
    name: DatasetName | Literal[""] = ""
    model: PublicJson | None = None
    datasets: dict[DatasetName, Count] = Field(default_factory=dict)
    inputs: dict[Identifier, Count] = Field(default_factory=dict)


class DropChange(Body):
    """Kept arrays, by handle, are deleted; and the model of that name, whose arrays must be all of them."""

    kind: Literal["drop"] = "drop"
    owner: Digest
    name: DatasetName | Literal[""] = ""
    arrays: Annotated[list[Identifier], Field(max_length=MAX_KEPT)] = Field(default_factory=list)


Change = Annotated[
    UploadChange | WithdrawChange | RefreshChange | CheckChange | WidenChange | KeepChange | DropChange,
    Field(discriminator="kind"),
]
_CHANGE: TypeAdapter[Change] = TypeAdapter(Change)


class SegmentDigests(Body):
    """One segment as one node has it: the digests of its components own and next."""

    segment: Identifier
    own: Digest
    next: Digest


class Prepared(Body):
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


def check_prepared(answers: Sequence[Prepared], nodes: Sequence[str] | None = None) -> None:
    """Compare the answers of parties 1, 2 and 3: the same proposal, and every component alike at its two holders.

    Called by the coordinator before it decides, and by every node again before it commits. Raises IntegrityError that
    says which nodes differ, by their names (`nodes`, in the order of parties) if given, else by number.
    """
    first, second, third = answers
    if not first.transaction == second.transaction == third.transaction:
        raise IntegrityError("the nodes answered about different transactions")
    proposals = [answer.proposal for answer in answers]
    if len(set(proposals)) > 1:
        odd = [at for at, mine in enumerate(proposals) if proposals.count(mine) == 1]
        who = (
            f"node {nodes[odd[0]] if nodes else odd[0] + 1} differs from the other two"
            if len(odd) == 1
            else "all three differ"
        )
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
            nodes,
        )


@dataclass(frozen=True)
class Effect:
    """What a change will do, as one node found it when it prepared it. JSON data, kept until the change is decided."""

    facts: dict[str, Any]
    """Alike at all nodes."""
    digests: tuple[tuple[str, str, str], ...] = ()
    """(segment, own, next): this node's digests of what is new."""
    folders: tuple[str, ...] = ()
    """Folders of files that go if the change is aborted, by name."""
    leftover: tuple[str, ...] = ()
    """Those that go once it is committed."""

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Effect:
        data = json.loads(text)
        digests = tuple((segment, own, following) for segment, own, following in data["digests"])
        return cls(data["facts"], digests, tuple(data["folders"]), tuple(data["leftover"]))

    def prepared(self, transaction: str, change: Mapping[str, Any]) -> Prepared:
        """What this node answers."""
        facts = ascii_json({"change": change, "effect": self.facts})
        return Prepared(
            transaction=transaction,
            proposal=hashlib.sha256(b"tercet/1 proposal\0" + facts).hexdigest(),
            digests=[SegmentDigests(segment=segment, own=own, next=next_) for segment, own, next_ in self.digests],
        )


@dataclass(frozen=True, slots=True)
class ChangeResult:
    """What a committed change made; "" and 0 where it made no version."""

    dataset: str = ""
    version: int = 0
    manifest: str = ""
    rows: int = 0


def agreed_digests(answers: Sequence[Prepared]) -> list[tuple[str, str, str]]:
    """The digests of components 1, 2 and 3 of every new segment, in order; `check_prepared` compared the copies."""
    pieces = zip(*(answer.digests for answer in answers), strict=True)
    return [(of_one.own, of_two.own, of_three.own) for of_one, of_two, of_three in pieces]


@dataclass(frozen=True, slots=True)
class InDoubt:
    """A prepared change of which this node does not know the decision; `prepared` in unix seconds."""

    transaction: str
    change: Change
    prepared: float


@dataclass(frozen=True, slots=True)
class KnownChange:
    """What this node knows of a transaction. `answers` are there once it is committed, `reason` once it is aborted."""

    transaction: str
    state: str
    """preparing, prepared, committed or aborted"""
    change: Change | None
    """None for one that was aborted before it came here."""
    answers: tuple[Prepared, ...] | None
    result: ChangeResult
    waiting: tuple[Party, ...]
    reason: str
    started: float
    decided: float | None
    verdict: dict[str, Any] | None
    """The coordinator's signed verdict as JSON data, if this node has received it."""
    evidence: dict[str, Any]

    @property
    def manifest(self) -> str:
        return self.result.manifest


def _stamps(effect: Effect) -> list[dict[str, Any]]:
    """The stamps of new segments: upload, protocol, and a digest of the ranges."""
    new = [piece["checked"] for piece in effect.facts.get("added", ())]
    stamps = {Stamp.load(facts) for facts in new + [facts for *_, facts in effect.facts.get("stamped", ())]}
    return [
        {"upload": stamp.upload, "protocol": stamp.protocol, "ranges": stamp.digest}
        for stamp in stamps
        if stamp is not None
    ]


def row_of(connection: Connection, transaction: str) -> Row[Any] | None:
    return connection.execute(select(CHANGES).where(CHANGES.c.transaction_id == transaction)).first()


def insert_row(connection: Connection, transaction: str, **values: Any) -> None:
    """Insert the row of a new transaction; what is not given is empty."""
    text = ("change", "prepared", "effect", "checked", "answers", "verdict", "result", "waiting", "reason")
    row = {**dict.fromkeys(text, ""), "evidence": "{}", **values}
    connection.execute(insert(CHANGES).values(transaction_id=transaction, **row))


def update_of(transaction: str) -> Update:
    return update(CHANGES).where(CHANGES.c.transaction_id == transaction)


def change_in(row: Row[Any]) -> Change | None:
    return read_change(json.loads(row.change)) if row.change else None


def result_in(row: Row[Any]) -> ChangeResult:
    return ChangeResult(**json.loads(row.result)) if row.result else ChangeResult()


def known_in(row: Row[Any]) -> KnownChange:
    answers = tuple(Prepared.model_validate(answer) for answer in json.loads(row.answers)) if row.answers else None
    waiting = tuple(Party(int(digit)) for digit in row.waiting)
    return KnownChange(
        row.transaction_id,
        row.state,
        change_in(row),
        answers,
        result_in(row),
        waiting,
        row.reason,
        row.started,
        row.decided,
        json.loads(row.verdict) if row.verdict else None,
        json.loads(row.evidence),
    )


def text_of(verdict: dict[str, Any] | None) -> str:
    return "" if verdict is None else ascii_json(verdict).decode()


def answered(row: Row[Any], change: str) -> Prepared:
    """The answer that was given before. Raises InputError if the transaction was aborted or is about another change."""
    if row.state == "aborted":
        raise InputError(f"this transaction was aborted: {row.reason}"[:500], hint="start a new one")
    if row.change != change:
        raise InputError(f"transaction {row.transaction_id[:8]} is about another change")
    return Prepared.model_validate(json.loads(row.prepared))


def told_of(
    transaction: str, change: Change, effect: Effect, result: ChangeResult, evidence: dict[str, Any]
) -> dict[str, Any]:
    """The details of the audit entry of a commit."""
    details: dict[str, Any] = {"transaction": transaction, "evidence": evidence}
    if result.version:
        details |= asdict(result)
    if isinstance(change, KeepChange | DropChange):
        details |= {"owner": change.owner, "name": change.name, "arrays": len(change.arrays)}
    if isinstance(change, KeepChange):
        details |= {"job": change.job, "names": [array.name for array in change.arrays if array.name][:_SHOWN]}
        details["made_of"] = sorted({one.dataset for array in change.arrays for one in read_origins(array.disclosure)})
    if isinstance(change, RefreshChange):
        details["kept"] = len(change.kept)
    if isinstance(change, UploadChange):
        details |= {"owner": change.owner, "upload": change.upload, "brought": change.rows, "chunks": len(change.parts)}
    if isinstance(change, WithdrawChange):
        details |= {"owner": change.owner, "upload": change.upload}
    if isinstance(change, WidenChange):
        columns = [each.column for each in change.columns][:_SHOWN]
        details |= {"dataset": change.dataset, "owner": change.owner, "columns": columns}
    if stamps := _stamps(effect):
        details["checked"] = stamps[:_SHOWN]
    return details
