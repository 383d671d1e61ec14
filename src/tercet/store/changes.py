"""One node's half of the two-phase commit of changes: prepare, commit, abort, and what is left after a crash.

preparing  recorded and locked; files are being written. After a crash: aborted, nobody was told anything else
prepared   all is durable; only the coordinator's word decides
committed  visible, in one database transaction with its audit entry; files that are no longer needed go afterwards
aborted    for ever: a transaction that was given up never comes back
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Update, delete, insert, select, update

from tercet.errors import InputError, IntegrityError, TercetError
from tercet.sharing import Party
from tercet.store.audit import Audit, timestamp
from tercet.store.catalogue import RESTORE_UNTOLD, Catalogue
from tercet.store.change import (
    Change,
    DropChange,
    KeepChange,
    Prepared,
    RefreshChange,
    UploadChange,
    WithdrawChange,
    check_prepared,
    read_change,
    write_change,
)
from tercet.store.datasets import Datasets, dataset_lock
from tercet.store.effects import Effect, Result, apply_dataset, plan_refresh, plan_upload, plan_withdraw
from tercet.store.errors import Busy, NotFound
from tercet.store.files import place, remove_folder
from tercet.store.kept_changes import apply_drop, apply_keep, kept_locks, plan_drop, plan_keep
from tercet.store.schema import canonical_json
from tercet.store.sweep import sweep, sweep_ended
from tercet.store.tables import CHANGES, LOCKS
from tercet.store.uploads import Uploads, set_state

_SHOWN = 20
_EVIDENCE_BYTES = 1 << 14


@dataclass(frozen=True, slots=True)
class InDoubt:
    """A prepared change whose fate this node does not know; `prepared` in unix seconds."""

    transaction: str
    change: Change
    prepared: float


@dataclass(frozen=True, slots=True)
class Known:
    """What this node knows of a transaction. `answers` are there once it is committed, `reason` once it is aborted."""

    transaction: str
    state: str
    """preparing, prepared, committed or aborted"""
    change: Change | None
    """None for one that was aborted before it came here."""
    answers: tuple[Prepared, ...] | None
    result: Result
    waiting: tuple[Party, ...]
    reason: str
    started: float
    decided: float | None

    @property
    def manifest(self) -> str:
        return self.result.manifest


class Changes:
    """Called by the node's transactions, as coordinator and as participant. Threads may use it at once."""

    def __init__(
        self,
        catalogue: Catalogue,
        datasets: Datasets,
        uploads: Uploads,
        audit: Audit,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`clock`: unix seconds."""
        self.catalogue = catalogue
        self._datasets = datasets
        self._uploads = uploads
        self._audit = audit
        self._clock = clock
        self._guard = threading.Lock()
        self._running: set[str] = set()

    def __repr__(self) -> str:
        return f"Changes({self.catalogue.kind})"

    def prepare(self, transaction: str, change: Change, evidence: dict[str, Any] | None = None) -> Prepared:
        """Check the change, lock what it changes, make its files durable; the same answer when asked again.

        `evidence` (JSON data of at most 16 KiB) goes into the audit entry of the commit: who ordered it, and what he
        signed. Raises InputError or NotFound if it cannot be done here, Busy if another change of the same thing is
        under way, IntegrityError for damaged files, StorageError for this node's own trouble. After an error the
        transaction is aborted, and nothing of it is left.
        """
        with self._guard:
            if transaction in self._running:
                raise Busy(f"transaction {transaction[:8]} is being prepared", hint="wait, and ask again")
            self._running.add(transaction)
        try:
            return self._begin(transaction, change, evidence or {}) or self._prepare(transaction, change)
        finally:
            with self._guard:
                self._running.discard(transaction)

    def commit(self, transaction: str, answers: Sequence[Prepared], *, waiting: Iterable[Party] = ()) -> Result:
        """Make a prepared change visible, with the answers of parties 1, 2 and 3; idempotent.

        At the coordinator this is the decision; `waiting` are those who have to be told (see `untold`). Version, audit
        entry and decision are one database transaction; files that are no longer needed go after it. Raises
        IntegrityError if the answers do not fit together, or this node's is another than it gave (it stays prepared);
        NotFound for a transaction that was not prepared here; InputError for one that was aborted.
        """
        check_prepared(answers)
        with self.catalogue.write() as connection:
            row = _row(connection, transaction)
            if row is None or row.state == "preparing":
                raise NotFound(f"transaction {transaction[:8]} was not prepared here")
            if row.state == "aborted":
                raise InputError(f"transaction {transaction[:8]} was aborted: {row.reason}")
            if row.state == "committed":
                return _result(row)
            mine = Prepared.model_validate(json.loads(row.prepared))
            if answers[self._datasets.party - 1] != mine:
                raise IntegrityError(
                    f"transaction {transaction[:8]} is to be committed with another answer than this node gave",
                    hint="the coordinator is faulty or lying",
                )
            change, effect = _change(row), Effect.from_json(row.effect)
            assert change is not None
            result = self._apply(connection, transaction, change, effect, answers)
            self._end(
                connection,
                transaction,
                state="committed",
                answers=json.dumps([answer.model_dump(mode="json") for answer in answers]),
                waiting="".join(str(int(party)) for party in sorted(waiting)),
                result=canonical_json(_as_dict(result)).decode(),
            )
            self._audit.append(connection, change.kind, _told(transaction, change, result, json.loads(row.evidence)))
        for name in effect.leftover:
            remove_folder(place(self._datasets.folder, name))
        sweep_ended(self.catalogue, self._datasets.folder)
        return result

    def abort(self, transaction: str, reason: str = "") -> None:
        """Undo a prepared change; idempotent. One not seen before is refused from now on.

        Raises InputError if it was committed, Busy while it is being prepared.
        """
        with self._guard:
            if transaction in self._running:
                raise Busy(f"transaction {transaction[:8]} is being prepared", hint="abort it a little later")
        self._abort(transaction, reason)

    def find(self, transaction: str) -> Known | None:
        """What is known of a transaction here, or None."""
        with self.catalogue.read() as connection:
            row = _row(connection, transaction)
        return None if row is None else _known(row)

    def in_doubt(self) -> list[InDoubt]:
        """Prepared here and not decided, as far as this node knows; oldest first."""
        with self.catalogue.read() as connection:
            rows = connection.execute(
                select(CHANGES).where(CHANGES.c.state == "prepared").order_by(CHANGES.c.started)
            ).all()
        found = [(row, _change(row)) for row in rows]
        return [InDoubt(row.transaction_id, change, row.started) for row, change in found if change is not None]

    def changing(self) -> dict[str, str]:
        """Datasets that a transaction is changing, with its identifier."""
        with self.catalogue.read() as connection:
            rows = connection.execute(select(LOCKS)).all()
        prefix = dataset_lock("")
        return {row.name.removeprefix(prefix): row.transaction_id for row in rows if row.name.startswith(prefix)}

    def untold(self) -> list[tuple[str, Party]]:
        """Committed here as coordinator, and who has yet to be told."""
        with self.catalogue.read() as connection:
            rows = connection.execute(select(CHANGES).where(CHANGES.c.waiting != "").order_by(CHANGES.c.decided)).all()
        return [(row.transaction_id, Party(int(digit))) for row in rows for digit in row.waiting]

    def told(self, transaction: str, party: Party) -> None:
        """That party has committed it too; idempotent."""
        with self.catalogue.write() as connection:
            row = _row(connection, transaction)
            if row is not None:
                left = row.waiting.replace(str(int(party)), "")
                connection.execute(_update(transaction).values(waiting=left))

    def recover(self) -> None:
        """At start, before anything else runs: abort half-made preparations, delete files that nothing refers to."""
        with self.catalogue.read() as connection:
            half = (
                connection.execute(select(CHANGES.c.transaction_id).where(CHANGES.c.state == "preparing"))
                .scalars()
                .all()
            )
        for transaction in half:
            self._abort(transaction, "the node ended while it prepared it")
        restored = self.catalogue.fact(RESTORE_UNTOLD)
        if restored is not None:
            with self.catalogue.write() as connection:
                self._audit.append(connection, "restore", {"created": timestamp(float(restored))})
                self.catalogue.drop_fact(connection, RESTORE_UNTOLD)
        sweep(self.catalogue, self._datasets.folder)

    # -- the steps of prepare

    def _begin(self, transaction: str, change: Change, evidence: dict[str, Any]) -> Prepared | None:
        """Record and lock; the answer, if it was prepared before."""
        text = canonical_json(write_change(change)).decode()
        told = canonical_json(evidence).decode()
        if len(told) > _EVIDENCE_BYTES:
            raise InputError(f"evidence of {len(told)} bytes is more than an audit entry takes")
        locks = kept_locks(change) if isinstance(change, KeepChange | DropChange) else [dataset_lock(change.dataset)]
        with self._uploads.closing(), self.catalogue.write() as connection:
            row = _row(connection, transaction)
            if row is not None and row.state == "preparing":
                # nobody is at it: the process that was has ended, or its database went away
                self._undo(connection, row, "its preparation was interrupted")
                row = _row(connection, transaction)
            if row is not None:
                return _answered(row, text)
            self._lock(connection, transaction, locks)
            connection.execute(
                insert(CHANGES).values(
                    transaction_id=transaction,
                    state="preparing",
                    change=text,
                    evidence=told,
                    prepared="",
                    effect="",
                    answers="",
                    result="",
                    waiting="",
                    reason="",
                    started=self._clock(),
                )
            )
            if isinstance(change, UploadChange):
                info = self._uploads.at(connection, change.upload, change.owner)
                if info.state != "open":
                    raise InputError(f"upload {change.upload[:8]} is {info.state}")
                set_state(connection, change.upload, "prepared", self._clock())
        return None

    def _lock(self, connection: Connection, transaction: str, names: Sequence[str]) -> None:
        for name in names:
            holder = connection.execute(select(LOCKS.c.transaction_id).where(LOCKS.c.name == name)).scalar()
            if holder is not None:
                row = _row(connection, holder)
                with self._guard:
                    running = holder in self._running
                if running or row is None or row.state != "preparing":
                    raise Busy(f"{name} is being changed by transaction {holder[:8]}", hint="try again a little later")
                self._undo(connection, row, "its preparation was interrupted")
            connection.execute(insert(LOCKS).values(name=name, transaction_id=transaction))

    def _prepare(self, transaction: str, change: Change) -> Prepared:
        try:
            effect = self._plan(change)
            prepared = effect.prepared(transaction, write_change(change))
            with self.catalogue.write() as connection:
                connection.execute(
                    _update(transaction).values(
                        state="prepared",
                        prepared=canonical_json(prepared.model_dump(mode="json")).decode(),
                        effect=effect.to_json(),
                    )
                )
            return prepared
        except BaseException as error:
            reason = error.message if isinstance(error, TercetError) else type(error).__name__
            with suppress(TercetError):
                # what cannot be undone now is undone by whoever wants the lock, or at the next start
                self._abort(transaction, reason)
            raise

    def _plan(self, change: Change) -> Effect:
        if isinstance(change, UploadChange):
            return plan_upload(self._datasets, self._uploads, change)
        if isinstance(change, WithdrawChange):
            return plan_withdraw(self._datasets, change)
        if isinstance(change, RefreshChange):
            return plan_refresh(self._datasets, change)
        if isinstance(change, KeepChange):
            return plan_keep(self._datasets, change)
        return plan_drop(self._datasets, change)

    # -- the ends

    def _apply(
        self, connection: Connection, transaction: str, change: Change, effect: Effect, answers: Sequence[Prepared]
    ) -> Result:
        now = self._clock()
        if isinstance(change, KeepChange):
            apply_keep(connection, change, answers, now)
            return Result()
        if isinstance(change, DropChange):
            apply_drop(connection, change, effect.facts)
            return Result()
        if isinstance(change, UploadChange):
            set_state(connection, change.upload, "committed", now)
        return apply_dataset(connection, transaction, effect.facts, answers, now)

    def _end(self, connection: Connection, transaction: str, **values: Any) -> None:
        connection.execute(delete(LOCKS).where(LOCKS.c.transaction_id == transaction))
        connection.execute(_update(transaction).values(decided=self._clock(), **values))

    def _abort(self, transaction: str, reason: str) -> None:
        folders: Sequence[str] = ()
        with self.catalogue.write() as connection:
            row = _row(connection, transaction)
            if row is None:
                connection.execute(
                    insert(CHANGES).values(
                        transaction_id=transaction,
                        state="aborted",
                        change="",
                        evidence="{}",
                        prepared="",
                        effect="",
                        answers="",
                        result="",
                        waiting="",
                        reason=reason[:1000],
                        started=self._clock(),
                        decided=self._clock(),
                    )
                )
            elif row.state == "committed":
                raise InputError(f"transaction {transaction[:8]} is committed", hint="it cannot be aborted any more")
            elif row.state != "aborted":
                folders = self._undo(connection, row, reason)
        for name in folders:
            remove_folder(place(self._datasets.folder, name))

    def _undo(self, connection: Connection, row: Row[Any], reason: str) -> Sequence[str]:
        """Abort in the catalogue; gives the folders that go. Those of an interrupted one go at the next start."""
        change = _change(row)
        if isinstance(change, UploadChange):
            with suppress(NotFound):
                if self._uploads.at(connection, change.upload).state == "prepared":
                    set_state(connection, change.upload, "open", self._clock())
        if row.state == "prepared":
            told = {"transaction": row.transaction_id, "kind": change.kind if change else "", "reason": reason[:1000]}
            self._audit.append(connection, "abort", told)
        self._end(connection, row.transaction_id, state="aborted", reason=reason[:1000])
        return Effect.from_json(row.effect).folders if row.effect else ()


def _row(connection: Connection, transaction: str) -> Row[Any] | None:
    return connection.execute(select(CHANGES).where(CHANGES.c.transaction_id == transaction)).first()


def _update(transaction: str) -> Update:
    return update(CHANGES).where(CHANGES.c.transaction_id == transaction)


def _change(row: Row[Any]) -> Change | None:
    return read_change(json.loads(row.change)) if row.change else None


def _result(row: Row[Any]) -> Result:
    return Result(**json.loads(row.result)) if row.result else Result()


def _as_dict(result: Result) -> dict[str, Any]:
    return {"dataset": result.dataset, "version": result.version, "manifest": result.manifest, "rows": result.rows}


def _known(row: Row[Any]) -> Known:
    answers = tuple(Prepared.model_validate(answer) for answer in json.loads(row.answers)) if row.answers else None
    waiting = tuple(Party(int(digit)) for digit in row.waiting)
    return Known(
        row.transaction_id,
        row.state,
        _change(row),
        answers,
        _result(row),
        waiting,
        row.reason,
        row.started,
        row.decided,
    )


def _answered(row: Row[Any], change: str) -> Prepared:
    """The answer that was given before to the same. Raises InputError for another, or an aborted one."""
    if row.state == "aborted":
        raise InputError(f"this transaction was aborted: {row.reason}"[:500], hint="start a new one")
    if row.change != change:
        raise InputError(f"transaction {row.transaction_id[:8]} is about another change")
    return Prepared.model_validate(json.loads(row.prepared))


def _told(transaction: str, change: Change, result: Result, evidence: dict[str, Any]) -> dict[str, Any]:
    """What the audit says of a commit."""
    details: dict[str, Any] = {"transaction": transaction, "evidence": evidence}
    if result.version:
        details |= _as_dict(result)
    if isinstance(change, KeepChange | DropChange):
        details |= {"owner": change.owner, "name": change.name, "arrays": len(change.arrays)}
    if isinstance(change, KeepChange):
        details |= {"job": change.job, "names": [array.name for array in change.arrays if array.name][:_SHOWN]}
    if isinstance(change, UploadChange):
        details |= {"owner": change.owner, "upload": change.upload, "brought": change.rows, "chunks": len(change.parts)}
    if isinstance(change, WithdrawChange):
        details |= {"owner": change.owner, "upload": change.upload}
    return details
