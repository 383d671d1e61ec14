"""What an operator should do today, from what their node says of itself."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

from tercet.federation.api import DatasetInfo
from tercet.federation.api_admin import NodeStatus
from tercet.federation.api_jobs import JobInfo
from tercet.federation.text import counted

_CLOCK_S = 60.0
"""A clock that is further off is told; requests are refused from five minutes on."""
_DAY_S = 86_400
_REFRESH_DAYS = 90


def today(status: NodeStatus, held: Sequence[JobInfo], datasets: Sequence[DatasetInfo]) -> list[dict[str, Any]]:
    """What is to be done, the most urgent first: `what`, `todo`, and whether it is `urgent`."""
    found = [{"what": what, "todo": todo, "urgent": True} for what, todo in _urgent(status)]
    for job in held:
        why = f", for {job.purpose!r}" if job.purpose else ""
        what = f"{job.analyst_name} asks about {', '.join(job.datasets)}{why}"
        found.append({"what": what, "todo": "read what it discloses, then approve or deny it below", "urgent": True})
    found += [{"what": what, "todo": todo, "urgent": False} for what, todo in _calm(status, datasets)]
    return found


def _urgent(status: NodeStatus) -> Iterator[tuple[str, str]]:
    if not status.health.ready:
        yield f"this node is not ready: {'; '.join(status.health.missing)}", "look at its log; others wait for it"
    if status.policy.error:
        yield (
            f"the policy file is not in force: {status.policy.error}",
            "correct it; the one before is in force meanwhile",
        )
    for peer in status.peers:
        if not peer.reachable:
            yield f"{peer.name} does not answer: {peer.problem}", "call its operator; no job runs without it"
        elif abs(peer.clock_ahead_s) > _CLOCK_S:
            yield f"the clock of {peer.name} is {peer.clock_ahead_s:+.0f} s off this one", "look at NTP at both nodes"
        if peer.differing:
            yield (
                f"{peer.name} has another version of {', '.join(peer.differing)}",
                "if it stays so: tercet node repair",
            )
    if status.in_doubt:
        what = f"of {counted(len(status.in_doubt), 'change')} it is not known whether the others made it"
        yield what, "it is settled when the coordinator answers; if it stays so: tercet node repair"
    for warning in status.warnings:
        # that of the policy is told above, with what to do
        if not (status.policy.error and warning.startswith("the policy file")):
            todo = "give it new keys: tercet node rotate" if warning.startswith("the certificate") else ""
            yield warning, todo


def _calm(status: NodeStatus, datasets: Sequence[DatasetInfo]) -> Iterator[tuple[str, str]]:
    old = time.time() - _REFRESH_DAYS * _DAY_S
    stale = [one.name for one in datasets if (one.refreshed or one.created) < old]
    if stale:
        yield f"the shares of {', '.join(stale)} are older than {_REFRESH_DAYS} days", "refresh them below"
