"""What an operator should do today follows from what their node says, the most urgent first."""

from __future__ import annotations

import time
from typing import Any

from tercet.federation.api import DatasetInfo, Health
from tercet.federation.api_admin import NodeStatus, PeerStatus, PolicyInfo
from tercet.federation.api_jobs import JobInfo
from tercet.web.operator.today import today

DAY_S = 86_400


def status(**changes: Any) -> NodeStatus:
    """A node at which nothing is to be done, but for the changes."""
    calm = {
        "health": Health(ready=True),
        "peers": [PeerStatus(name="b", reachable=True), PeerStatus(name="c", reachable=True)],
        "policy": PolicyInfo(digest="ab" * 32, loaded=0, people=3, rules=1),
        "in_doubt": [],
        "warnings": [],
    }
    return NodeStatus.model_construct(**{**calm, **changes})


def dataset(name: str, created_days: float, refreshed_days: float | None = None) -> DatasetInfo:
    now = time.time()
    refreshed = None if refreshed_days is None else now - refreshed_days * DAY_S
    return DatasetInfo.model_construct(name=name, created=now - created_days * DAY_S, refreshed=refreshed)


def job(purpose: str) -> JobInfo:
    return JobInfo.model_construct(analyst_name="ada", datasets=["ages", "wards"], purpose=purpose)


def only(found: list[dict[str, Any]]) -> dict[str, Any]:
    (one,) = found
    return one


def test_nothing_is_to_be_done() -> None:
    assert today(status(), [], [dataset("new", 1), dataset("renewed", 400, 2)]) == []


def test_what_a_node_says_is_told_with_what_to_do() -> None:
    policy = PolicyInfo(digest="ab" * 32, loaded=0, people=3, rules=1, error="line 4: no such role")
    for changes, what, todo in (
        ({"health": Health(ready=False, missing=["node c", "a lane"])}, "not ready: node c; a lane", "log"),
        ({"policy": policy}, "the policy file is not in force: line 4: no such role", "correct it"),
        ({"peers": [PeerStatus(name="b", reachable=False, problem="timed out")]}, "b does not answer: timed", "call"),
        ({"peers": [PeerStatus(name="b", reachable=True, clock_ahead_s=-61)]}, "the clock of b is -61 s off", "NTP"),
        ({"peers": [PeerStatus(name="b", reachable=True, differing=["x", "y"])]}, "another version of x, y", "repair"),
        ({"in_doubt": ["ab" * 16]}, "of 1 change it is not known", "repair"),
        ({"warnings": ["the certificate ends in 20 days"]}, "the certificate ends in 20 days", "rotate"),
        ({"warnings": ["the disk is slow"]}, "the disk is slow", ""),
    ):
        found = only(today(status(**changes), [], []))
        assert what in found["what"] and todo in found["todo"] and found["urgent"], changes


def test_a_policy_that_is_not_in_force_is_told_once() -> None:
    policy = PolicyInfo(digest="ab" * 32, loaded=0, people=3, rules=1, error="line 4")
    warnings = ["the policy file could not be loaded: line 4"]
    assert "not in force" in only(today(status(policy=policy, warnings=warnings), [], []))["what"]


def test_clocks_that_are_a_little_off_are_not_told() -> None:
    peers = [PeerStatus(name="b", reachable=True, clock_ahead_s=59), PeerStatus(name="c", reachable=True)]
    assert today(status(peers=peers), [], []) == []


def test_held_jobs_say_who_and_why() -> None:
    first, second = today(status(), [job("the board wants it"), job("")], [])
    assert first["what"] == "ada asks about ages, wards, for 'the board wants it'"
    assert second["what"] == "ada asks about ages, wards"
    assert first["urgent"] and "approve or deny" in first["todo"]


def test_old_shares_come_last() -> None:
    old = [dataset("old", 91), dataset("new", 3), dataset("long ago", 400, 100)]
    found = today(status(health=Health(ready=False)), [job("")], old)
    assert [one["urgent"] for one in found] == [True, True, False]
    assert found[-1]["what"] == "the shares of old, long ago are older than 90 days"
