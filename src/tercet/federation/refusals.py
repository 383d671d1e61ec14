"""One table from errors to HTTP bodies and back: by the code in the body and its fields, never by its words.

Nodes answer with `error_body`; whoever asked, a client or another node, raises `error_of`.
"""

from __future__ import annotations

from tercet.errors import (
    Busy,
    ConfigError,
    DatabaseLost,
    DiskFull,
    Gone,
    InputError,
    IntegrityError,
    NotFound,
    PartyError,
    PlanError,
    ProtocolViolation,
    Refused,
    StorageError,
    TercetError,
    Timeout,
    Unreachable,
)
from tercet.federation.api import ErrorBody
from tercet.sharing import Party

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
"""The code in the field `error`, the HTTP status that goes with it, and the class of the exception."""


class HttpError(TercetError):
    """An answer of the HTTP interface itself: not signed, too large, too many, no such route, a wrong state."""

    def __init__(self, status: int, kind: str, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.kind = kind


def unsigned(message: str, hint: str = "sign the request with an identity of the policy") -> HttpError:
    return HttpError(401, "unsigned", message, hint=hint)


def forbidden(message: str, hint: str = "ask the operator of this node") -> HttpError:
    return HttpError(403, "forbidden", message, hint=hint)


def not_found(message: str, hint: str = "") -> HttpError:
    return HttpError(404, "not-found", message, hint=hint)


def conflict(message: str, hint: str = "") -> HttpError:
    return HttpError(409, "conflict", message, hint=hint)


def too_large(message: str, hint: str = "") -> HttpError:
    return HttpError(413, "too-large", message, hint=hint)


def too_many(message: str, hint: str = "wait, then try again") -> HttpError:
    return HttpError(429, "too-many", message, hint=hint)


def unavailable(message: str, hint: str = "try again later") -> HttpError:
    return HttpError(503, "unavailable", message, hint=hint)


def error_body(error: TercetError, node: str) -> tuple[int, ErrorBody]:
    """The HTTP status and body for an error; `node` is the name of the node that answers."""
    status, kind = next(((code, name) for name, code, base in KINDS if isinstance(error, base)), (500, "error"))
    if isinstance(error, HttpError):
        status, kind = error.status, error.kind
    if isinstance(error, Refused):
        return status, ErrorBody(
            error=kind, message=error.message, hint=error.hint, node=error.node or node, rule=error.rule
        )
    message = error.reason if isinstance(error, PartyError) else error.message
    return status, ErrorBody(error=kind, message=message[:2000], hint=error.hint[:1000], node=node)


def retry_after(status: int) -> dict[str, str]:
    """The header that says when to try again, for states that pass by themselves."""
    return {"retry-after": "1"} if status in (429, 503) else {}


def error_of(status: int, body: ErrorBody, node: str, party: Party) -> TercetError:
    """The exception for the error that a node answered; the node's name stands before its message."""
    message = body.message if body.message.startswith(node) else f"{node}: {body.message}"
    for name, _, base in KINDS:
        if body.error == name:
            if base is Refused:
                return Refused(body.message, node=body.node or node, rule=body.rule, hint=body.hint)
            if issubclass(base, PartyError):
                return base(message, party=int(party), hint=body.hint)
            return base(message, hint=body.hint)
    return HttpError(status, body.error, message, hint=body.hint)
