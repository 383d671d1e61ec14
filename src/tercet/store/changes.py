"""One node's half of the two-phase commit of changes: prepare, commit, abort, and what is left after a crash.

preparing  recorded and locked; files are being written. A crash aborts it, as no other node has an answer yet
prepared   everything is durable; the coordinator decides. The values of an upload are then checked under sharing: this
           node writes down the bit that it opened, and commits only if it says that they are in their ranges
committed  visible, in one database transaction with its audit entry; files that are not needed are deleted after it
aborted    final: an aborted transaction is never prepared again
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select

from tercet.errors import Busy, InputError, IntegrityError, NotFound, TercetError
from tercet.federation.model import ascii_json
from tercet.sharing import Party
from tercet.store.audit import Audit, timestamp
from tercet.store.catalogue import RESTORE_UNTOLD, Catalogue
from tercet.store.change import (
    FAILED,
    PASSED,
    Change,
    ChangeResult,
    CheckChange,
    DropChange,
    Effect,
    InDoubt,
    KeepChange,
    KnownChange,
    Prepared,
    RefreshChange,
    UploadChange,
    WidenChange,
    WithdrawChange,
    answered,
    change_in,
    check_prepared,
    insert_row,
    known_in,
    result_in,
    row_of,
    text_of,
    told_of,
    update_of,
    write_change,
)
from tercet.store.dataset_changes import (
    apply_dataset,
    apply_widen,
    plan_check,
    plan_refresh,
    plan_upload,
    plan_widen,
    plan_withdraw,
)
from tercet.store.datasets import Datasets, dataset_lock
from tercet.store.files import place, remove_folder
from tercet.store.kept_changes import apply_drop, apply_keep, kept_locks, plan_drop, plan_keep
from tercet.store.sweep import sweep, sweep_ended
from tercet.store.tables import CHANGES, LOCKS
from tercet.store.uploads import Uploads, clear_checks, set_state

_EVIDENCE_BYTES = 1 << 14


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

        `evidence` (JSON data of at most 16 KiB) goes into the audit entry of the commit: who ordered it, and what they
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

    def commit(
        self,
        transaction: str,
        answers: Sequence[Prepared],
        *,
        waiting: Iterable[Party] = (),
        verdict: dict[str, Any] | None = None,
        settled: bool = False,
    ) -> ChangeResult:
        """Make a prepared change visible, with the answers of parties 1, 2 and 3; idempotent.

        At the coordinator this is the decision; `waiting` are the parties to be told (see `untold`). `verdict`
        is the coordinator's signed verdict; where another was noted (`suspend`), only `settled` overrules it. Version,
        audit entry and decision are one database transaction; files that are not needed are deleted after it. Raises
        IntegrityError if the answers do not fit together, if this node's differs from what it gave, or if the values of
        an upload were not found in their ranges here (it stays prepared); NotFound for a transaction that was not
        prepared here; InputError for one that was aborted.
        """
        check_prepared(answers)
        with self.catalogue.write() as connection:
            row = row_of(connection, transaction)
            if row is None or row.state == "preparing":
                raise NotFound(f"transaction {transaction[:8]} was not prepared here")
            if row.state == "aborted":
                raise InputError(f"transaction {transaction[:8]} was aborted: {row.reason}")
            if row.state == "committed":
                return result_in(row)
            if row.verdict and not settled:
                raise Busy(
                    f"transaction {transaction[:8]} was reported to this node as aborted",
                    hint="wait until the nodes have agreed on it",
                )
            mine = Prepared.model_validate(json.loads(row.prepared))
            if answers[self._datasets.party - 1] != mine:
                raise IntegrityError(
                    f"transaction {transaction[:8]} is to be committed with another answer than this node gave",
                    hint="the coordinator is faulty or lying",
                )
            change, effect = change_in(row), Effect.from_json(row.effect)
            assert change is not None
            if isinstance(change, UploadChange) and row.checked != PASSED:
                raise IntegrityError(
                    f"transaction {transaction[:8]} is to be committed, and its values were not found in their ranges",
                    hint="the coordinator is faulty or lying",
                )
            result = self._apply(connection, transaction, change, effect, answers)
            self._end(
                connection,
                transaction,
                state="committed",
                answers=json.dumps([answer.model_dump(mode="json") for answer in answers]),
                verdict=text_of(verdict),
                waiting="".join(str(int(party)) for party in sorted(waiting)),
                result=ascii_json(asdict(result)).decode(),
            )
            told = told_of(transaction, change, effect, result, json.loads(row.evidence))
            self._audit.append(connection, change.kind, told | ({"verdict": verdict} if verdict else {}))
        for name in effect.leftover:
            remove_folder(place(self._datasets.folder, name))
        sweep_ended(self.catalogue, self._datasets.folder)
        return result

    def checked(self, transaction: str, passed: bool) -> None:
        """Store the bit that was opened here when the values of a prepared upload were checked.

        The coordinator decides only after that. A second call changes nothing. Raises NotFound unless the transaction
        is an upload that is prepared here.
        """
        with self.catalogue.write() as connection:
            row = row_of(connection, transaction)
            change = None if row is None else change_in(row)
            if row is None or row.state != "prepared" or not isinstance(change, UploadChange):
                raise NotFound(f"no upload is prepared here as transaction {transaction[:8]}")
            if not row.checked:
                connection.execute(update_of(transaction).values(checked=PASSED if passed else FAILED))

    def abort(
        self,
        transaction: str,
        reason: str = "",
        *,
        verdict: dict[str, Any] | None = None,
        change: Change | None = None,
    ) -> None:
        """Undo a prepared change; idempotent. One not seen before is refused from now on, as being about `change`.

        Raises InputError if it was committed, Busy while it is being prepared.
        """
        with self._guard:
            if transaction in self._running:
                raise Busy(f"transaction {transaction[:8]} is being prepared", hint="abort it a little later")
        self._abort(transaction, reason, verdict, change)

    def suspend(self, transaction: str, verdict: dict[str, Any]) -> None:
        """Note the verdict that aborts a prepared change, before it is shown to another node.

        From then on another verdict is accepted only after those who were shown this one were asked. Does nothing if
        the change is not prepared.
        """
        with self.catalogue.write() as connection:
            row = row_of(connection, transaction)
            if row is not None and row.state == "prepared":
                connection.execute(update_of(transaction).values(verdict=text_of(verdict)))

    def reopen(self, transaction: str) -> None:
        """Forget that a change was aborted here: it was committed elsewhere, as the caller has checked. For repairs.

        Raises InputError if it is anything but aborted, IntegrityError if its values did not pass their check here.
        """
        with self.catalogue.write() as connection:
            row = row_of(connection, transaction)
            if row is None:
                return
            if row.state != "aborted":
                raise InputError(f"transaction {transaction[:8]} is {row.state} here, and needs no repair")
            if row.checked == FAILED:
                raise IntegrityError(f"the values of transaction {transaction[:8]} were not in their ranges here")
            connection.execute(delete(CHANGES).where(CHANGES.c.transaction_id == transaction))
            told = {"transaction": transaction, "verdict": json.loads(row.verdict) if row.verdict else None}
            self._audit.append(connection, "abort undone", told)

    def find(self, transaction: str) -> KnownChange | None:
        """What is known of a transaction here, or None."""
        with self.catalogue.read() as connection:
            row = row_of(connection, transaction)
        return None if row is None else known_in(row)

    def in_doubt(self) -> list[InDoubt]:
        """Prepared here and not decided, as far as this node knows; oldest first."""
        with self.catalogue.read() as connection:
            rows = connection.execute(
                select(CHANGES).where(CHANGES.c.state == "prepared").order_by(CHANGES.c.started)
            ).all()
        found = [(row, change_in(row)) for row in rows]
        return [InDoubt(row.transaction_id, change, row.started) for row, change in found if change is not None]

    def changing(self) -> dict[str, str]:
        """The datasets that are being changed, each with the identifier of the transaction."""
        with self.catalogue.read() as connection:
            rows = connection.execute(select(LOCKS)).all()
        prefix = dataset_lock("")
        return {row.name.removeprefix(prefix): row.transaction_id for row in rows if row.name.startswith(prefix)}

    def untold(self) -> list[tuple[str, Party]]:
        """Transactions that this node committed as coordinator, each with a party that has not confirmed the commit."""
        with self.catalogue.read() as connection:
            rows = connection.execute(select(CHANGES).where(CHANGES.c.waiting != "").order_by(CHANGES.c.decided)).all()
        return [(row.transaction_id, Party(int(digit))) for row in rows for digit in row.waiting]

    def told(self, transaction: str, party: Party) -> None:
        """Note that a party has confirmed the commit; idempotent."""
        with self.catalogue.write() as connection:
            row = row_of(connection, transaction)
            if row is not None:
                left = row.waiting.replace(str(int(party)), "")
                connection.execute(update_of(transaction).values(waiting=left))

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
        text = ascii_json(write_change(change)).decode()
        told = ascii_json(evidence).decode()
        if len(told) > _EVIDENCE_BYTES:
            raise InputError(f"evidence of {len(told)} bytes is more than an audit entry takes")
        locks = kept_locks(change) if isinstance(change, KeepChange | DropChange | RefreshChange) else []
        if not isinstance(change, KeepChange | DropChange):
            locks.append(dataset_lock(change.dataset))
        with self._uploads.closing(), self.catalogue.write() as connection:
            row = row_of(connection, transaction)
            if row is not None and row.state == "preparing":
                # no thread is preparing it: its process ended, or lost the database
                self._undo(connection, row, "its preparation was interrupted")
                row = row_of(connection, transaction)
            if row is not None:
                return answered(row, text)
            self._lock(connection, transaction, locks)
            insert_row(connection, transaction, state="preparing", change=text, evidence=told, started=self._clock())
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
                row = row_of(connection, holder)
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
                    update_of(transaction).values(
                        state="prepared",
                        prepared=ascii_json(prepared.model_dump(mode="json")).decode(),
                        effect=effect.to_json(),
                    )
                )
            return prepared
        except BaseException as error:
            reason = error.message if isinstance(error, TercetError) else type(error).__name__
            with suppress(TercetError):
                # if this fails, the next transaction that wants the lock undoes it, or the next start
                self._abort(transaction, reason)
            raise

    def _plan(self, change: Change) -> Effect:
        if isinstance(change, UploadChange):
            return plan_upload(self._datasets, self._uploads, change)
        if isinstance(change, WithdrawChange):
            return plan_withdraw(self._datasets, change)
        if isinstance(change, RefreshChange):
            return plan_refresh(self._datasets, change, self._clock())
        if isinstance(change, CheckChange):
            return plan_check(self._datasets, change)
        if isinstance(change, WidenChange):
            return plan_widen(self._datasets, change)
        if isinstance(change, KeepChange):
            return plan_keep(self._datasets, change)
        return plan_drop(self._datasets, change)

    # -- the ends

    def _apply(
        self, connection: Connection, transaction: str, change: Change, effect: Effect, answers: Sequence[Prepared]
    ) -> ChangeResult:
        now = self._clock()
        if isinstance(change, KeepChange):
            apply_keep(connection, change, answers, now)
            return ChangeResult()
        if isinstance(change, DropChange):
            apply_drop(connection, change, effect.facts)
            return ChangeResult()
        if isinstance(change, WidenChange):
            return apply_widen(connection, transaction, effect.facts, now)
        if isinstance(change, UploadChange):
            set_state(connection, change.upload, "committed", now)
            clear_checks(connection, change.upload)
        return apply_dataset(connection, transaction, effect.facts, answers, now)

    def _end(self, connection: Connection, transaction: str, **values: Any) -> None:
        connection.execute(delete(LOCKS).where(LOCKS.c.transaction_id == transaction))
        connection.execute(update_of(transaction).values(decided=self._clock(), effect="", **values))

    def _abort(
        self,
        transaction: str,
        reason: str,
        verdict: dict[str, Any] | None = None,
        change: Change | None = None,
    ) -> None:
        with self.catalogue.write() as connection:
            row = row_of(connection, transaction)
            if row is None:
                insert_row(
                    connection,
                    transaction,
                    state="aborted",
                    change="" if change is None else ascii_json(write_change(change)).decode(),
                    verdict=text_of(verdict),
                    reason=reason[:1000],
                    started=self._clock(),
                    decided=self._clock(),
                )
            elif row.state == "committed":
                raise InputError(f"transaction {transaction[:8]} is committed", hint="it cannot be aborted any more")
            elif row.state != "aborted":
                # within the transaction: behind it another change may write files under the same names
                for name in self._undo(connection, row, reason, verdict):
                    remove_folder(place(self._datasets.folder, name))

    def _undo(
        self, connection: Connection, row: Row[Any], reason: str, verdict: dict[str, Any] | None = None
    ) -> Sequence[str]:
        """Abort in the catalogue; gives the folders to delete (an interrupted change's go at the next start)."""
        change = change_in(row)
        if isinstance(change, UploadChange):
            with suppress(NotFound):
                if self._uploads.at(connection, change.upload).state == "prepared":
                    set_state(connection, change.upload, "open", self._clock())
        if row.state == "prepared":
            told = {"transaction": row.transaction_id, "kind": change.kind if change else "", "reason": reason[:1000]}
            self._audit.append(connection, "abort", told | ({"verdict": verdict} if verdict else {}))
        self._end(connection, row.transaction_id, state="aborted", reason=reason[:1000], verdict=text_of(verdict))
        return Effect.from_json(row.effect).folders if row.effect else ()
