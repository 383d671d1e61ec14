"""Rows of jobs in the catalogue, with their receipts and what budgets count."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, func, insert, select, update

from tercet.errors import Gone, IntegrityError, NotFound
from tercet.federation.model import ascii_json
from tercet.store.catalogue import FORGOTTEN, Catalogue
from tercet.store.tables import JOBS, RECEIPTS, SPENT

_STEP_S = 1e-6
_PAGE = 200
_SELECT = select(*(column for column in JOBS.c if column.name != "bundle"))
_IS_WANTED = JOBS.c.job == bindparam("wanted")
_ONE = _SELECT.where(_IS_WANTED)
_KNOWN = select(JOBS.c.job).where(_IS_WANTED)
_BUNDLE = select(JOBS.c.bundle).where(_IS_WANTED)
_NEWEST = select(func.max(JOBS.c.received))
_ADD = insert(JOBS)


@dataclass(frozen=True)
class JobRow:
    """A job as this node knows it. Times in unix seconds; `decision` and `info` are the caller's JSON data."""

    job: str
    hash: str
    analyst: str
    state: str
    received: float
    updated: float
    started: float | None
    ended: float | None
    deadline: float | None
    decision: dict[str, Any]
    info: dict[str, Any]


@dataclass(frozen=True)
class ReceiptRow:
    """That a job touched a dataset. `details` are the caller's: columns, purpose, numbers and bits revealed."""

    number: int
    job: str
    dataset: str
    version: int
    analyst: str
    bundle_hash: str
    state: str
    at: float
    details: dict[str, Any]


@dataclass(frozen=True, slots=True)
class UsedRow:
    """What was used of budgets: jobs, bits that revealed results can carry, arrays kept."""

    jobs: int
    bits: int
    kept: int


class JobRows:
    """The tables of jobs, receipts and budgets. Thread-safe. Who calls it: `node.jobs`.

    Methods with a connection belong into `catalogue.write()`, so that deciding, counting, recording and the audit entry
    are one step.
    """

    def __init__(self, catalogue: Catalogue, *, clock: Callable[[], float] = time.time) -> None:
        """`clock`: unix seconds."""
        self.catalogue = catalogue
        self._clock = clock

    def __repr__(self) -> str:
        return f"JobRows({self.catalogue.kind})"

    def add(
        self,
        connection: Connection,
        *,
        job: str,
        hash: str,
        analyst: str,
        bundle: bytes | None,
        state: str,
        decision: dict[str, Any],
        deadline: float | None = None,
        info: dict[str, Any] | None = None,
    ) -> JobRow:
        """Record a new job. Raises IntegrityError if its identifier is known here: a replay (see also `forget`)."""
        if connection.execute(_KNOWN, {"wanted": job}).first() is not None:
            raise IntegrityError(
                f"job {job[:8]} was sent before", hint="a job's identifier is used once; make a new job"
            )
        last = connection.execute(_NEWEST).scalar() or 0.0
        # later than all before it, so that pages by this time leave none out
        now = max(self._clock(), last + _STEP_S)
        connection.execute(
            _ADD,
            {
                "job": job,
                "bundle_hash": hash,
                "analyst": analyst,
                "state": state,
                "bundle": bundle,
                "received": now,
                "updated": now,
                "deadline": deadline,
                "decision": ascii_json(decision).decode(),
                "info": ascii_json(info or {}).decode(),
            },
        )
        return JobRow(job, hash, analyst, state, now, now, None, None, deadline, decision, info or {})

    def update(
        self,
        connection: Connection,
        job: str,
        *,
        state: str | None = None,
        only_from: Sequence[str] | None = None,
        started: bool = False,
        ended: bool = False,
        decision: dict[str, Any] | None = None,
        info: dict[str, Any] | None = None,
    ) -> bool:
        """Change what is given; False, and nothing is changed, if the job's state is not among `only_from`."""
        now = self._clock()
        values: dict[str, Any] = {"updated": now}
        if state is not None:
            values["state"] = state
        values |= {name: now for name, wanted in (("started", started), ("ended", ended)) if wanted}
        for name, data in (("decision", decision), ("info", info)):
            if data is not None:
                values[name] = ascii_json(data).decode()
        changed = update(JOBS).where(JOBS.c.job == job)
        if only_from is not None:
            changed = changed.where(JOBS.c.state.in_(only_from))
        return connection.execute(changed.values(**values)).rowcount == 1

    def get(self, job: str) -> JobRow:
        """Raises NotFound."""
        with self.catalogue.read() as connection:
            row = connection.execute(_ONE, {"wanted": job}).first()
        if row is None:
            raise NotFound(f"there is no job {job[:8]}")
        return _job(row)

    def bundle(self, job: str) -> bytes:
        """The signed bundle as it came. Raises NotFound, or Gone if it was forgotten."""
        with self.catalogue.read() as connection:
            row = connection.execute(_BUNDLE, {"wanted": job}).first()
        if row is None:
            raise NotFound(f"there is no job {job[:8]}")
        if row.bundle is None:
            raise Gone(f"the bundle of job {job[:8]} is no longer kept")
        return bytes(row.bundle)

    def counts(self) -> dict[str, int]:
        """How many jobs are in each state."""
        with self.catalogue.read() as connection:
            rows = connection.execute(select(JOBS.c.state, func.count()).group_by(JOBS.c.state)).all()
        return {state: count for state, count in rows}

    def add_receipt(
        self,
        connection: Connection,
        *,
        job: str,
        dataset: str,
        version: int,
        analyst: str,
        outcome: str,
        details: dict[str, Any],
    ) -> None:
        """Record that a job touched a dataset; once more for the same two replaces the outcome and details."""
        told = ascii_json(details).decode()
        changed = update(RECEIPTS).where(RECEIPTS.c.job == job, RECEIPTS.c.dataset == dataset)
        if connection.execute(changed.values(state=outcome, details=told)).rowcount:
            return
        connection.execute(
            insert(RECEIPTS).values(
                job=job,
                dataset=dataset,
                version=version,
                analyst=analyst,
                state=outcome,
                at=self._clock(),
                details=told,
            )
        )

    def receipts(self, dataset: str, *, after: int = 0, limit: int = 1000) -> Sequence[ReceiptRow]:
        """Oldest first; `after` is the number of the last one seen."""
        wanted = (
            select(RECEIPTS, JOBS.c.bundle_hash)
            .join(JOBS, JOBS.c.job == RECEIPTS.c.job, isouter=True)
            .where(RECEIPTS.c.dataset == dataset, RECEIPTS.c.number > after)
            .order_by(RECEIPTS.c.number)
            .limit(limit)
        )
        with self.catalogue.read() as connection:
            rows = connection.execute(wanted).all()
        return [_receipt(row) for row in rows]

    def spend(
        self, connection: Connection, *, job: str, person: str, dataset: str, rule: str, bits: int, kept: int
    ) -> None:
        """Count a job for a person who asks or learns; again for the same job, dataset and person, it replaces that."""
        same = (SPENT.c.job == job, SPENT.c.dataset == dataset, SPENT.c.person == person)
        connection.execute(delete(SPENT).where(*same))
        connection.execute(
            insert(SPENT).values(
                job=job, dataset=dataset, person=person, rule=rule, bits=bits, kept=kept, at=self._clock()
            )
        )

    def drop_spent(self, connection: Connection, job: str) -> None:
        """Undo what `spend` counted of a job."""
        connection.execute(delete(SPENT).where(SPENT.c.job == job))

    def used(
        self, since: float, *, person: str | None = None, dataset: str | None = None, besides: str = ""
    ) -> UsedRow:
        """What was counted from `since` (unix seconds) on, of whatever is given, without the job `besides`.

        Under all rules: it does not matter which rule allowed what a person has learned.
        """
        wanted = select(
            func.count(SPENT.c.job.distinct()),
            func.coalesce(func.sum(SPENT.c.bits), 0),
            func.coalesce(func.sum(SPENT.c.kept), 0),
        ).where(SPENT.c.at >= since, SPENT.c.job != besides)
        for column, value in ((SPENT.c.person, person), (SPENT.c.dataset, dataset)):
            if value is not None:
                wanted = wanted.where(column == value)
        with self.catalogue.read() as connection:
            jobs, bits, kept = connection.execute(wanted).one()
        return UsedRow(int(jobs), int(bits), int(kept))

    def forget(self, older_than: float) -> Sequence[str]:
        """Delete the jobs that ended before, with bundle and decision; receipts and budgets stay. Gives which.

        When the newest of them came is kept as the fact `FORGOTTEN`, so that none of their bundles is taken again, even
        if they were deleted too early because of a wrong clock.
        """
        found: list[str] = []
        wanted = select(JOBS.c.job, JOBS.c.received).where(JOBS.c.ended < older_than).order_by(JOBS.c.received)
        with self.catalogue.read() as connection:
            old = connection.execute(wanted).all()
        newest = float(self.catalogue.fact(FORGOTTEN) or 0.0)
        for start in range(0, len(old), _PAGE):
            page = old[start : start + _PAGE]
            newest = max(newest, page[-1].received)
            # in steps: a node has one writer at a time
            with self.catalogue.write() as connection:
                self.catalogue.set_fact(connection, FORGOTTEN, repr(newest))
                connection.execute(delete(JOBS).where(JOBS.c.job.in_([row.job for row in page])))
            found += [row.job for row in page]
        return found

    def list(
        self,
        *,
        states: Sequence[str] | None = None,
        analyst: str | None = None,
        limit: int = 100,
        before: float | None = None,
    ) -> Sequence[JobRow]:
        """Newest first; `before` is the `received` of the last one seen."""
        wanted = _SELECT.order_by(JOBS.c.received.desc()).limit(limit)
        if states is not None:
            wanted = wanted.where(JOBS.c.state.in_(states))
        if analyst is not None:
            wanted = wanted.where(JOBS.c.analyst == analyst)
        if before is not None:
            wanted = wanted.where(JOBS.c.received < before)
        with self.catalogue.read() as connection:
            return [_job(row) for row in connection.execute(wanted)]


def _receipt(row: Row[Any]) -> ReceiptRow:
    details = json.loads(row.details)
    bundle = row.bundle_hash or details.get("bundle") or "0" * 64
    return ReceiptRow(**{**row._mapping, "details": details, "bundle_hash": bundle})


def _job(row: Row[Any]) -> JobRow:
    values = dict(row._mapping)
    decision, info = json.loads(values.pop("decision")), json.loads(values.pop("info"))
    return JobRow(hash=values.pop("bundle_hash"), decision=decision, info=info, **values)
