"""How an error becomes an HTTP answer, and an answer of another node an error again: one table."""

from __future__ import annotations

from tercet.errors import (
    ConfigError,
    InputError,
    IntegrityError,
    PartyError,
    PlanError,
    ProtocolViolation,
    Refused,
    TercetError,
    Timeout,
    Unreachable,
)
from tercet.federation.api import ErrorBody
from tercet.sharing import Party
from tercet.store.errors import Busy, DatabaseLost, DiskFull, Gone, NotFound, StorageError

KINDS: tuple[tuple[str, int, type[TercetError]], ...] = (
    # the first that fits is taken: subclasses before their bases
    ("refused", 403, Refused),
    ("unreachable", 503, Unreachable),
    ("timeout", 504, Timeout),
    ("protocol", 502, ProtocolViolation),
    ("party", 502, PartyError),
    ("busy", 409, Busy),
    ("disk-full", 507, DiskFull),
    ("database-lost", 503, DatabaseLost),
    ("storage", 503, StorageError),
    ("gone", 410, Gone),
    ("not-found", 404, NotFound),
    ("integrity", 409, IntegrityError),
    ("plan", 422, PlanError),
    ("input", 422, InputError),
    ("config", 500, ConfigError),
)
"""What is on the wire as `error`, the status that goes with it, and the class it is here."""


class Turned(TercetError):
    """A request turned away before or beside its subject: not signed, too large, too many, not there."""

    def __init__(self, status: int, kind: str, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.kind = kind


def unsigned(message: str, hint: str = "sign the request with an identity of the policy") -> Turned:
    return Turned(401, "unsigned", message, hint=hint)


def forbidden(message: str, hint: str = "ask the operator of this node") -> Turned:
    return Turned(403, "forbidden", message, hint=hint)


def not_found(message: str, hint: str = "") -> Turned:
    return Turned(404, "not-found", message, hint=hint)


def conflict(message: str, hint: str = "") -> Turned:
    return Turned(409, "conflict", message, hint=hint)


def too_large(message: str, hint: str = "") -> Turned:
    return Turned(413, "too-large", message, hint=hint)


def too_many(message: str, hint: str = "wait, then try again") -> Turned:
    return Turned(429, "too-many", message, hint=hint)


def unavailable(message: str, hint: str = "try again later") -> Turned:
    return Turned(503, "unavailable", message, hint=hint)


def answer(error: TercetError, node: str) -> tuple[int, ErrorBody]:
    """Give the status and body that tell a client of `error`; `node` is the one that answers."""
    status, kind = 500, "error"
    if isinstance(error, Turned):
        status, kind = error.status, error.kind
    else:
        for name, code, base in KINDS:
            if isinstance(error, base):
                status, kind = code, name
                break
    if isinstance(error, Refused):
        return status, ErrorBody(
            error=kind, message=error.message, hint=error.hint, node=error.node or node, rule=error.rule
        )
    message = error.reason if isinstance(error, PartyError) else error.message
    return status, ErrorBody(error=kind, message=message[:2000], hint=error.hint[:1000], node=node)


def retry_after(status: int) -> dict[str, str]:
    """The header that says when to try again, for what passes by itself."""
    return {"retry-after": "1"} if status in (429, 503) else {}


def raised(status: int, body: ErrorBody, node: str, party: Party) -> TercetError:
    """Give the exception that another node's answer stands for, its message led by the node's name."""
    message = body.message if body.message.startswith(node) else f"{node}: {body.message}"
    for name, _, base in KINDS:
        if body.error == name:
            if base is Refused:
                return Refused(body.message, node=body.node or node, rule=body.rule, hint=body.hint)
            if issubclass(base, PartyError):
                return base(message, party=int(party), hint=body.hint)
            return base(message, hint=body.hint)
    return Turned(status, body.error, message, hint=body.hint)
