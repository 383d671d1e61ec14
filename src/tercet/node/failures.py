"""What people read of a job that did not come to its end: the engine's report, with nodes by their names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from tercet.engine.failure import Cause, Report
from tercet.errors import PartyError, TercetError
from tercet.federation.api import ErrorBody
from tercet.node.lane_messages import Failed
from tercet.node.lanes import End
from tercet.node.refusals import answer
from tercet.sharing import PARTIES, Party

if TYPE_CHECKING:
    from tercet.node.supervisor import Node

_PARTY = re.compile(r"\b(?:part(?:y|ies)) ([123])(?: and ([123]))?\b")
_MESSAGE = 2000


def with_names(text: str, names: Mapping[Party, str]) -> str:
    """`party 2` becomes the name of its node."""

    def name(found: re.Match[str]) -> str:
        return " and ".join(names[Party(int(number))] for number in found.groups() if number)

    return _PARTY.sub(name, text)


def names_of(node: Node) -> dict[Party, str]:
    """The names of the three nodes."""
    return {party: node.federation.node(party).name for party in PARTIES}


def failure(node: Node, job: str, failed: Failed) -> ErrorBody:
    """The error of a job that failed in the workers."""
    names = names_of(node)
    report = Report(
        Cause(failed.cause), failed.witness, failed.party, failed.operation, failed.step, failed.reason, failed.hint
    )
    error = report.error(bytes.fromhex(job))
    blamed = failed.party or failed.witness
    where = names[Party(blamed)] if blamed else node.settings.name
    _, body = answer(error, where)
    facts = [f"node {where}"] + [
        f"{what} {value}" for what, value in (("operation", failed.operation), ("step", failed.step)) if value
    ]
    told = error.reason if isinstance(error, PartyError) else failed.reason
    message = f"{with_names(told, names)} ({', '.join(facts)})"
    return body.model_copy(update={"message": message[:_MESSAGE], "hint": with_names(failed.hint, names)[:1000]})


def refused_here(node: Node, error: TercetError) -> ErrorBody:
    """The error of a job that this node could not begin or end."""
    _, body = answer(error, node.settings.name)
    return body.model_copy(update={"message": with_names(body.message, names_of(node))})


def ended(node: Node, why: End) -> ErrorBody:
    """The error of a job whose worker was ended here."""
    name = node.settings.name
    said = {
        End.DEADLINE: ("expired", f"the job was not done at its deadline, and {name} ended it", "give it more time"),
        End.CANCELLED: ("cancelled", f"the job was ended at {name}", ""),
        End.STOPPED: ("interrupted", f"{name} was stopped while the job ran", "ask again when it runs"),
        End.DIED: (
            "interrupted",
            f"the worker of {name} that ran the job ended unexpectedly",
            "ask again; see that node's log",
        ),
        End.BUSY: ("busy", f"the lane of {name} did not become free", "ask again"),
    }[why]
    return ErrorBody(error=said[0], message=said[1], hint=said[2], node=name)
