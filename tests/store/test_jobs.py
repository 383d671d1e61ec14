"""Jobs, receipts and budgets in the catalogue."""

from __future__ import annotations

import pytest

from tercet.errors import Gone, IntegrityError, NotFound
from tercet.store.catalogue import FORGOTTEN, Catalogue
from tercet.store.jobs import JobRow, JobRows, UsedRow

ANALYST, OTHER = "a" * 64, "b" * 64


class Clock:
    """A clock that stands until it is set."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def jobs(catalogue: Catalogue, clock: Clock) -> JobRows:
    return JobRows(catalogue, clock=clock)


def job_id(number: int) -> str:
    return f"{number:032x}"


def add(jobs: JobRows, number: int, state: str = "queued", analyst: str = ANALYST) -> JobRow:
    with jobs.catalogue.write() as connection:
        return jobs.add(
            connection, job=job_id(number), hash=f"{number:064x}", analyst=analyst, bundle=b"\0bundle\xff", state=state,
            decision={"verdict": "accepted"}, deadline=1.5,
        )  # fmt: skip


def test_a_job_is_known_until_it_is_forgotten(jobs: JobRows, clock: Clock) -> None:
    row = add(jobs, 1)
    assert jobs.get(job_id(1)) == row and jobs.bundle(job_id(1)) == b"\0bundle\xff"
    with pytest.raises(NotFound):
        jobs.get(job_id(2))
    with pytest.raises(IntegrityError, match="was sent before"):
        add(jobs, 1)
    with jobs.catalogue.write() as connection:
        assert jobs.update(connection, job_id(1), state="done", ended=True, info={"a": [1, "ä"]})
    clock.now += 100
    assert jobs.get(job_id(1)).info == {"a": [1, "ä"]}
    add(jobs, 2)
    with jobs.catalogue.write() as connection:
        jobs.add_receipt(
            connection, job=job_id(1), dataset="d", version=1, analyst=ANALYST, outcome="done", details={"bundle": "b"}
        )
        jobs.add(connection, job=job_id(3), hash="3" * 64, analyst=ANALYST, bundle=None, state="refused", decision={})
    with pytest.raises(Gone):
        jobs.bundle(job_id(3))
    assert jobs.forget(clock.now - 101) == []
    assert jobs.catalogue.fact(FORGOTTEN) is None
    assert jobs.forget(clock.now) == [job_id(1)]
    assert float(jobs.catalogue.fact(FORGOTTEN) or 0) == row.received
    # one that has not ended stays, and so does what is on record
    assert [row.job for row in jobs.list()] == [job_id(3), job_id(2)]
    assert [receipt.bundle_hash for receipt in jobs.receipts("d")] == ["b"]
    for missing in (jobs.get, jobs.bundle):
        with pytest.raises(NotFound):
            missing(job_id(9))


def test_states_move_only_from_where_they_may(jobs: JobRows, clock: Clock) -> None:
    add(jobs, 1)
    clock.now += 1
    with jobs.catalogue.write() as connection:
        assert jobs.update(connection, job_id(1), state="running", only_from=["queued"], started=True)
        assert not jobs.update(connection, job_id(1), state="running", only_from=["queued"], started=True)
        assert not jobs.update(connection, job_id(2), state="running")
    row = jobs.get(job_id(1))
    assert (row.state, row.started, row.ended, row.updated) == ("running", clock.now, None, clock.now)
    with jobs.catalogue.write() as connection:
        assert jobs.update(connection, job_id(1), decision={"verdict": "held"})
    assert jobs.get(job_id(1)).decision == {"verdict": "held"} and jobs.get(job_id(1)).state == "running"


def test_pages_leave_nothing_out(jobs: JobRows) -> None:
    """Also of jobs that came at the very same time."""
    for number in range(10):
        add(jobs, number, "done" if number % 3 else "held", ANALYST if number < 8 else OTHER)
    found: list[str] = []
    before = None
    while page := jobs.list(limit=3, before=before):
        found += [row.job for row in page]
        before = page[-1].received
    assert found == [job_id(number) for number in reversed(range(10))]
    assert [row.job for row in jobs.list(analyst=OTHER)] == [job_id(9), job_id(8)]
    assert [row.job for row in jobs.list(states=["held"], analyst=ANALYST)] == [job_id(6), job_id(3), job_id(0)]
    assert jobs.counts() == {"done": 6, "held": 4}


def test_receipts(jobs: JobRows, clock: Clock) -> None:
    for number in range(5):
        add(jobs, number)
        with jobs.catalogue.write() as connection:
            for dataset in ("patients", "others"):
                jobs.add_receipt(
                    connection, job=job_id(number), dataset=dataset, version=3, analyst=ANALYST, outcome="running",
                    details={"numbers": number},
                )  # fmt: skip
    first = jobs.receipts("patients", limit=2)
    assert [receipt.job for receipt in first] == [job_id(0), job_id(1)]
    rest = jobs.receipts("patients", after=first[-1].number)
    assert [receipt.details["numbers"] for receipt in rest] == [2, 3, 4]
    assert rest[0].bundle_hash == f"{2:064x}" and rest[0].at == clock.now
    with jobs.catalogue.write() as connection:
        jobs.add_receipt(
            connection, job=job_id(2), dataset="patients", version=3, analyst=ANALYST, outcome="done", details={}
        )
    assert [receipt.state for receipt in jobs.receipts("patients")] == [
        "running",
        "running",
        "done",
        "running",
        "running",
    ]
    assert jobs.receipts("nobody") == []


def test_budgets_count_for_people_whatever_the_rule(jobs: JobRows, clock: Clock) -> None:
    start = clock.now
    with jobs.catalogue.write() as connection:
        for number, (rule, person, dataset, bits) in enumerate(
            [("r", ANALYST, "x", 5), ("r", ANALYST, "y", 7), ("r", OTHER, "x", 11), ("s", ANALYST, "x", 13)]
        ):
            spent = {"rule": rule, "person": person, "dataset": dataset, "bits": bits, "kept": number}
            jobs.spend(connection, job=job_id(number), **spent)  # type: ignore[arg-type]
        # a job on two datasets is one job
        jobs.spend(connection, job=job_id(0), rule="r", person=ANALYST, dataset="y", bits=2, kept=0)
    assert jobs.used(start, person=ANALYST) == UsedRow(3, 27, 4)
    assert jobs.used(start) == UsedRow(4, 38, 6) and jobs.used(start + 1) == UsedRow(0, 0, 0)
    assert jobs.used(start, person=ANALYST, dataset="x") == UsedRow(2, 18, 3)
    assert jobs.used(start, person=ANALYST, dataset="x", besides=job_id(3)) == UsedRow(1, 5, 0)
    with jobs.catalogue.write() as connection:
        jobs.spend(connection, job=job_id(0), rule="another", person=ANALYST, dataset="x", bits=50, kept=1)
    assert jobs.used(start, person=ANALYST, dataset="x") == UsedRow(2, 63, 4)
    with jobs.catalogue.write() as connection:
        jobs.drop_spent(connection, job_id(0))
    assert jobs.used(start, person=ANALYST, dataset="x") == UsedRow(1, 13, 3)
