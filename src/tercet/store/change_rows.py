"""Rows of changes in the catalogue, as objects, and the audit entry of a committed change."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Update, insert, select, update

from tercet.errors import InputError
from tercet.federation.canonical import ascii_json
from tercet.sharing import Party
from tercet.store.change import (
    Change,
    ChangeResult,
    DropChange,
    Effect,
    KeepChange,
    Prepared,
    RefreshChange,
    UploadChange,
    WidenChange,
    WithdrawChange,
    read_change,
)
from tercet.store.origins import read_origins
from tercet.store.stamps import Stamp
from tercet.store.tables import CHANGES

PASSED, FAILED = "passed", "failed"
"""The result of checking an upload's values at this node; "" until the check has ended."""
_SHOWN = 20


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


def as_dict(result: ChangeResult) -> dict[str, Any]:
    return {"dataset": result.dataset, "version": result.version, "manifest": result.manifest, "rows": result.rows}


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
        details |= as_dict(result)
    if isinstance(change, KeepChange | DropChange):
        details |= {"owner": change.owner, "name": change.name, "arrays": len(change.arrays)}
    if isinstance(change, KeepChange):
        details |= {"job": change.job, "names": [array.name for array in change.arrays if array.name][:_SHOWN]}
    if isinstance(change, KeepChange):
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
