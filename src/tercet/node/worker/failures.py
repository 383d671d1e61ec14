"""The errors of jobs that failed or were ended, as HTTP bodies: one function for each place where a job can end."""

from __future__ import annotations

from tercet.engine.failure import Cause, Report
from tercet.errors import TercetError
from tercet.federation.api import ErrorBody
from tercet.federation.refusals import error_body
from tercet.node.parts import NodeIdentity
from tercet.node.worker.messages import Failed
from tercet.node.worker.pool import LaneEnd
from tercet.sharing import Party

_MESSAGE, _HINT = 2000, 1000


def failure(identity: NodeIdentity, job: str, failed: Failed) -> ErrorBody:
    """The error of a job that failed in the workers; they have put the names of nodes into its texts."""
    report = Report(
        Cause(failed.cause), failed.witness, failed.party, failed.operation, failed.step, failed.reason, failed.hint
    )
    blamed = failed.party or failed.witness
    where = identity.party_name(Party(blamed)) if blamed else identity.name
    _, body = error_body(report.error(bytes.fromhex(job)), where)
    facts = [f"node {where}"] + [
        f"{what} {value}" for what, value in (("operation", failed.operation), ("step", failed.step)) if value
    ]
    message = f"{failed.reason} ({', '.join(facts)})"
    return body.model_copy(update={"message": message[:_MESSAGE], "hint": failed.hint[:_HINT]})


def refused_here(identity: NodeIdentity, error: TercetError) -> ErrorBody:
    """The error of a job that this node could not begin or end."""
    return error_body(error, identity.name)[1]


def ended(identity: NodeIdentity, why: LaneEnd) -> ErrorBody:
    """The error of a job whose worker was ended here."""
    name = identity.name
    said = {
        LaneEnd.DEADLINE: (
            "expired",
            f"the job was not done at its deadline, and {name} ended it",
            "give it more time",
        ),
        LaneEnd.CANCELLED: ("cancelled", f"the job was ended at {name}", ""),
        LaneEnd.STOPPED: ("interrupted", f"{name} was stopped while the job ran", "ask again when it runs"),
        LaneEnd.DIED: (
            "interrupted",
            f"the worker of {name} that ran the job ended unexpectedly",
            "ask again; see that node's log",
        ),
        LaneEnd.BUSY: ("busy", f"the lane of {name} did not become free", "ask again"),
    }[why]
    return ErrorBody(error=said[0], message=said[1], hint=said[2], node=name)
