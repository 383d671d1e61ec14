"""A job's life: every state with every transition, allowed or refused; and what is written down of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from types import FunctionType

import pytest

from tercet.federation.api import ErrorBody
from tercet.federation.api_jobs import Decision, End, JobReport
from tercet.federation.api_peer import SignedHead
from tercet.federation.boxes import BoxInfo
from tercet.federation.model import Body
from tercet.node.jobs import state as life
from tercet.node.jobs import view
from tercet.node.jobs.state import (
    FINAL,
    WITHOUT_RESULT,
    CancelledState,
    CheckingState,
    Conflict,
    DoneState,
    EndingState,
    FailedState,
    FinishedState,
    HeldState,
    Job,
    JobFacts,
    QueuedState,
    RefusedState,
    RunningState,
    SettlingState,
    StartingState,
    State,
    name_of,
)
from tercet.store.change import KeepChange, RefreshChange

JOB, BUNDLE, SESSION = "1" * 32, "2" * 64, "5" * 64
DECISION = Decision(node="a", verdict="held", rule="r", reasons=["because"])
REPORT = JobReport(seconds=1.5, waiting_s=0.5)
BOXES = (BoxInfo(output=0, recipient="3" * 64, start=0, nbytes=9),)
HEAD = SignedHead(node="a", number=7, hash="4" * 64, time=2.0, started=1.0, signature="s")


@dataclass(frozen=True)
class NoWork:
    """Work that nobody does."""

    change: KeepChange | RefreshChange | None = None
    recorded: bool = True

    def order(self, job: Job) -> tuple[Body, bytes]:
        raise AssertionError("no worker")

    def done(self, answer: Body) -> tuple[JobReport | None, Sequence[BoxInfo]]:
        raise AssertionError("no worker")

    def tidy(self, job: Job) -> None:
        raise AssertionError("no files")

    def visible(self, job: Job) -> bool:
        return False


def end(how: str) -> End:
    error = ErrorBody(error="failed", message="it had to", node="a")
    return End.model_validate(
        {"job": JOB, "bundle": BUNDLE, "state": how, "error": error, "signer": "a", "signature": "s"}
    )


STATES: tuple[State, ...] = (
    HeldState(),
    QueuedState(),
    CheckingState(),
    StartingState(2, SESSION),
    RunningState(2, SESSION, 0.25),
    FinishedState(REPORT, BOXES),
    SettlingState(REPORT, BOXES),
    EndingState(end("failed"), "queued"),
    EndingState(end("cancelled"), "running"),
    EndingState(end("refused"), "held"),
    DoneState(REPORT, BOXES),
    FailedState(end("failed")),
    CancelledState(end("cancelled")),
    RefusedState(end("refused")),
)
ALIVE = STATES[:7]
EVENTS: dict[str, Callable[[Job], Job]] = {
    "approve": lambda job: life.approve(job, "Olga approved it."),
    "deny": lambda job: life.deny(job, end("refused")),
    "begin_checks": life.begin_checks,
    "checked": life.checked,
    "assign": lambda job: life.assign(job, 2, SESSION),
    "postpone": life.postpone,
    "begin": life.begin,
    "progress": lambda job: life.progress(job, 0.5),
    "look_again": lambda job: life.look_again(job, DECISION, JobFacts(numbers=3)),
    "finish": lambda job: life.finish(job, REPORT, BOXES),
    "settle": life.settle,
    "complete": life.complete,
    "stop": lambda job: life.stop(job, end("cancelled")),
    "cancel": lambda job: life.cancel(job, end("cancelled")),
    "close": life.close,
}
ALLOWED: list[tuple[State, str, State]] = [
    (HeldState(), "approve", QueuedState()),
    (HeldState(), "deny", RefusedState(end("refused"))),
    (QueuedState(), "begin_checks", CheckingState()),
    (CheckingState(), "checked", QueuedState()),
    (QueuedState(), "assign", StartingState(2, SESSION)),
    (StartingState(2, SESSION), "postpone", QueuedState()),
    (StartingState(2, SESSION), "begin", RunningState(2, SESSION, 0.0)),
    (RunningState(2, SESSION, 0.25), "progress", RunningState(2, SESSION, 0.5)),
    (RunningState(2, SESSION, 0.25), "look_again", RunningState(2, SESSION, 0.25)),
    (RunningState(2, SESSION, 0.25), "finish", FinishedState(REPORT, BOXES)),
    (FinishedState(REPORT, BOXES), "settle", SettlingState(REPORT, BOXES)),
    (FinishedState(REPORT, BOXES), "complete", DoneState(REPORT, BOXES)),
    (SettlingState(REPORT, BOXES), "complete", DoneState(REPORT, BOXES)),
    *((state, "stop", EndingState(end("cancelled"), state.told)) for state in ALIVE),
    *((state, "cancel", EndingState(end("cancelled"), state.told)) for state in ALIVE[:6]),
    (EndingState(end("failed"), "queued"), "close", FailedState(end("failed"))),
    (EndingState(end("cancelled"), "running"), "close", CancelledState(end("cancelled"))),
    (EndingState(end("refused"), "held"), "close", RefusedState(end("refused"))),
]
"""A state, what happens, and the state after it; nothing else is allowed."""


def job(state: State) -> Job:
    return Job(JOB, BUNDLE, "3" * 64, 1.0, 100.0, DECISION, state, NoWork(), JobFacts(unchecked=["d"], purpose="why"))


def named(state: State) -> str:
    return f"{name_of(state)}-{state.told}"


def test_the_lists_are_whole() -> None:
    assert {type(state) for state in STATES} == set(State.__args__)
    own = [one for one in vars(life).values() if isinstance(one, FunctionType) and one.__module__ == life.__name__]
    assert {one.__name__ for one in own if not one.__name__.startswith("_")} - {"name_of"} == set(EVENTS)
    assert all(state in STATES and event in EVENTS for state, event, _ in ALLOWED)


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("state", STATES, ids=named)
def test_every_state_with_every_event(state: State, event: str) -> None:
    before = job(state)
    after = [then for one, what, then in ALLOWED if one == state and what == event]
    if not after:
        with pytest.raises(Conflict) as refused:
            EVENTS[event](before)
        assert refused.value.state == name_of(state) and refused.value.wanted
        assert name_of(state) in refused.value.message and refused.value.wanted in refused.value.message
    else:
        found = EVENTS[event](before)
        assert [found.state] == after
        assert replace(found, state=state, decision=before.decision, facts=before.facts) == before
    assert before == job(state)  # a job is a value: nothing changes it


@pytest.mark.parametrize("state", STATES, ids=named)
def test_a_state_holds_what_it_has_and_nothing_else(state: State) -> None:
    held = {field.name for field in fields(state)}
    laned = isinstance(state, StartingState | RunningState)
    assert ({"lane", "session"} <= held) == laned
    assert ("end" in held) == isinstance(state, (EndingState, *WITHOUT_RESULT))
    assert ("boxes" in held) == isinstance(state, FinishedState | SettlingState | DoneState)
    assert job(state).final == isinstance(state, FINAL)


def test_what_a_transition_says_besides() -> None:
    approved = life.approve(job(HeldState()), "Olga approved it.")
    assert approved.decision.verdict == "accepted" and approved.decision.reasons == ["because", "Olga approved it."]
    assert approved.facts.approved == "r"
    assert life.deny(job(HeldState()), end("refused")).decision.verdict == "refused"
    assert life.checked(job(CheckingState())).facts.unchecked == []
    again = life.look_again(job(RunningState(2, SESSION)), replace_rule("other"), JobFacts(numbers=3))
    assert again.decision.rule == "other" and again.facts.numbers == 3


def replace_rule(rule: str) -> Decision:
    return DECISION.model_copy(update={"rule": rule})


@pytest.mark.parametrize("state", STATES, ids=named)
def test_views(state: State) -> None:
    one = job(state)
    told = view.news(one, HEAD)
    assert told.state == ("finished" if isinstance(state, FinishedState | SettlingState) else state.told)
    # an end that is not written down yet is told nobody
    assert (told.end is not None) == (told.error is not None) == isinstance(state, WITHOUT_RESULT)
    row = view.RowInfo.model_validate(view.row_info(one))
    assert row.end == told.end and (row.report == REPORT) == isinstance(state, DoneState)
    assert row.boxes == (list(BOXES) if isinstance(state, DoneState) else [])
    assert JobFacts.model_validate(view.row_info(one)) == one.facts
    kind, details = view.entry(one, {"more": 1})
    assert kind == f"job {state.told}" and details["job"] == JOB and details["more"] == 1
    assert details.get("error") == ("it had to" if isinstance(state, WITHOUT_RESULT) else None)


def test_a_receipt_for_every_dataset() -> None:
    touched = life.Touched(versions=[2, 3], columns=["x"], through=[], bits=64, kept=0)
    done = replace(job(DoneState(REPORT, BOXES)), facts=JobFacts(touched={"d": touched}, purpose="why", numbers=1))
    (receipt,) = view.receipts(done)
    assert (receipt["job"], receipt["dataset"], receipt["version"], receipt["outcome"]) == (JOB, "d", 3, "done")
    assert receipt["details"] == {
        "versions": [2, 3],
        "columns": ["x"],
        "through": [],
        "bits": 64,
        "kept": 0,
        "purpose": "why",
        "numbers": 1,
        "bundle": BUNDLE,
        "grounds": None,
    }


def test_nothing_of_node_is_imported() -> None:
    text = life.__loader__.get_source(life.__name__)  # type: ignore[union-attr]
    assert "tercet.node" not in text
