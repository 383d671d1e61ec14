"""Reports of failures: their bytes, and the one cause among several."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tercet.engine.failure import AGREEMENT_INSTANCE, RESERVED_INSTANCES, Cause, Report, place, root_cause
from tercet.errors import IntegrityError, PartyError, PlanError, ProtocolViolation, Timeout, Unreachable

TEXT = st.text(st.characters(exclude_categories=["C", "Z"]), max_size=40)
REPORTS = st.builds(
    Report,
    st.sampled_from(Cause),
    st.integers(0, 3),
    st.none() | st.integers(0, 3),
    TEXT,
    TEXT,
    TEXT,
    TEXT,
)


def waits(witness: int, party: int, operation: str = "1", step: str = "1") -> Report:
    return Report(Cause.TIMEOUT, witness, party, operation, step, "nothing arrived")


def says(witness: int, cause: Cause, party: int | None = None) -> Report:
    return Report(cause, witness, party, "", "", "")


@given(REPORTS)
def test_reports_round_trip(report: Report) -> None:
    assert Report.decode(report.encode()) == report


@given(st.binary(max_size=200))
def test_garbage_is_refused(data: bytes) -> None:
    try:
        report = Report.decode(data)
    except ProtocolViolation:
        return
    assert Report.decode(report.encode()) == report


@given(REPORTS, st.integers(0, 200))
def test_a_cut_report_is_refused(report: Report, at: int) -> None:
    data = report.encode()
    with pytest.raises(ProtocolViolation):
        Report.decode(data[: min(at, len(data) - 1)])


def test_a_long_text_is_cut_and_controls_do_not_print() -> None:
    report = Report.decode(Report(Cause.PLAN, 1, None, "", "", "é" * 5000, "\x1b[31mred").encode())
    assert report.reason == "é" * 2048
    assert report.hint == "?[31mred"


def test_a_silent_party_is_to_blame() -> None:
    assert root_cause({1: waits(1, 2), 2: waits(2, 3)}, [3]).party == 3
    assert root_cause({1: waits(1, 2), 2: waits(2, 1)}, [3]).party == 3


def test_among_parties_that_speak_the_message_due_first_is_missing() -> None:
    reports = {1: waits(1, 2, "7 add", "2"), 2: waits(2, 3, "7 add", "1 x/y"), 3: waits(3, 1, "9", "1")}
    assert root_cause(reports).party == 3
    assert root_cause({**reports, 0: waits(0, 1, "", "")}).party == 3


@pytest.mark.parametrize("odd", ["²", "٤", "①", "9" * 4096, "-1", "1_0"])
def test_what_only_looks_like_a_number_is_no_trap(odd: str) -> None:
    report = Report.decode(waits(2, 3, f"{odd} add", odd).encode())
    assert root_cause({1: waits(1, 2), 2: report}, [2]).party == 2
    assert root_cause({2: report}).party == 3
    assert Report.of(Timeout("late", party=2, operation=odd, step=odd), 1, {5: "add"}).operation == odd


def test_who_says_more_is_believed_first() -> None:
    reports = {1: says(1, Cause.UNREACHABLE, 2), 2: says(2, Cause.VIOLATION, 3), 3: waits(3, 1)}
    assert root_cause(reports) is reports[2]
    assert root_cause({1: waits(1, 2), 0: says(0, Cause.UNREACHABLE, 2)}).party == 2


def test_a_party_that_still_speaks_is_less_gone_than_one_that_does_not() -> None:
    reports = {1: says(1, Cause.UNREACHABLE, 2), 2: says(2, Cause.UNREACHABLE, 3)}
    assert root_cause(reports, [3]).party == 3


@pytest.mark.parametrize(
    "error",
    [
        Timeout("late", party=2, operation="5", step="3"),
        Unreachable("gone", party=2),
        ProtocolViolation("odd", party=1, operation=str(5 << 32), step="3"),
        PlanError("cannot be typed"),
        IntegrityError("differs"),
    ],
)
def test_errors_keep_their_kind(error: Exception) -> None:
    again = Report.decode(Report.of(error, 3, {5: "add"}).encode()).error(bytes(16))
    assert type(again) is type(error)
    if isinstance(error, PartyError):
        assert isinstance(again, PartyError)
        assert (again.party, again.step, again.job) == (error.party, error.step, "00" * 16)
        assert again.operation == ("5 add" if error.operation else None)


def test_the_text_of_a_foreign_error_stays_here() -> None:
    report = Report.of(ValueError("the secret is 42"), 3)
    assert b"42" not in report.encode() and report.party == 3 and "ValueError" in report.reason


def test_places_have_names() -> None:
    assert place(str(7 << 32 | 5), {7: "add"}) == "7 add"
    assert place("7", {}) == "7"
    assert place(None, {}) == "" and place("0", {0: "input"}) == "0 input"
    assert place(str(RESERVED_INSTANCES + 2), {}) == "reveal 2"
    assert place(str(AGREEMENT_INSTANCE), {}) == "agreement on the plan"
