"""Reports of a failed job, which parties send each other and the client; and how one cause is chosen among several."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from enum import IntEnum

from tercet.codec import Writer
from tercet.engine.commands import VERSION, reader_of
from tercet.errors import (
    ConfigError,
    InputError,
    IntegrityError,
    PartyError,
    PlanError,
    ProtocolViolation,
    TercetError,
    Timeout,
    Unreachable,
)

CLIENT = 0
_NOBODY = 255
RESERVED_INSTANCES = 1 << 63
"""Operation instances from here on belong to the session, not to operations of the plan."""
KEPT_INSTANCES = RESERVED_INSTANCES + (1 << 61)
"""Instances for results that are kept: the number of the result, then that of the chunk in KEPT_BITS bits."""
KEPT_BITS = 40
AGREEMENT_INSTANCE = (1 << 64) - 1
_LONGEST_NUMBER = len(str(AGREEMENT_INSTANCE))


class Cause(IntEnum):
    """What went wrong. Earlier causes explain later ones: a party that failed for one is UNREACHABLE to the others."""

    PLAN = 1
    INPUT = 2
    INTEGRITY = 3
    VIOLATION = 4
    CONFIG = 5
    INTERNAL = 6
    GIVEN_UP = 7
    """The client gave the job up."""
    UNREACHABLE = 8
    TIMEOUT = 9


_ERRORS: Mapping[Cause, type[TercetError]] = {
    Cause.PLAN: PlanError,
    Cause.INPUT: InputError,
    Cause.INTEGRITY: IntegrityError,
    Cause.VIOLATION: ProtocolViolation,
    Cause.CONFIG: ConfigError,
    Cause.INTERNAL: PartyError,
    Cause.GIVEN_UP: PartyError,
    Cause.UNREACHABLE: Unreachable,
    Cause.TIMEOUT: Timeout,
}


@dataclass(frozen=True)
class Report:
    """One party's account of a failure: who is to blame, where in the plan, as seen by `witness` (0: the client)."""

    cause: Cause
    witness: int
    party: int | None
    operation: str
    step: str
    reason: str
    hint: str = ""

    def encode(self) -> bytes:
        party = _NOBODY if self.party is None else self.party
        out = Writer(VERSION).number("BBB", self.cause, self.witness, party)
        return out.text(self.operation).text(self.step).text(self.reason).text(self.hint).take()

    @classmethod
    def decode(cls, data: bytes | memoryview) -> Report:
        """Read a report. Raises ProtocolViolation."""
        reader = reader_of(data, "failure report")
        cause, witness, party = (reader.number("B") for _ in range(3))
        if cause not in tuple(Cause) or witness > 3 or (party > 3 and party != _NOBODY):
            raise reader.fail("an unknown cause or party")
        operation, step, reason, hint = (reader.text() for _ in range(4))
        reader.end()
        return cls(Cause(cause), witness, None if party == _NOBODY else party, operation, step, reason, hint)

    @classmethod
    def of(cls, error: BaseException, witness: int, names: Mapping[int, str] | None = None) -> Report:
        """What `witness` reports about `error`; `names` gives the names of the plan's operations by index."""
        operation = place(getattr(error, "operation", None), names or {})
        step = getattr(error, "step", None) or ""
        if isinstance(error, PartyError):
            kinds = (Cause.TIMEOUT, Cause.UNREACHABLE, Cause.VIOLATION)
            cause = next((kind for kind in kinds if isinstance(error, _ERRORS[kind])), Cause.INTERNAL)
            return cls(cause, witness, error.party, operation, step, error.reason, error.hint)
        if isinstance(error, TercetError):
            kinds = (Cause.PLAN, Cause.INPUT, Cause.INTEGRITY)
            cause = next((kind for kind in kinds if type(error) is _ERRORS[kind]), Cause.CONFIG)
            return cls(cause, witness, None, operation, step, error.message, error.hint)
        # the text of a foreign exception may hold anything: only its type leaves this party
        reason = f"failed with {type(error).__name__}"
        return cls(Cause.INTERNAL, witness, witness or None, operation, "", reason, "see that party's log")

    def error(self, job: bytes | None) -> TercetError:
        """The exception that the report stands for."""
        kind = _ERRORS[self.cause]
        name = None if job is None else job.hex()
        if issubclass(kind, PartyError):
            return kind(
                self.reason,
                party=self.party,
                job=name,
                operation=self.operation or None,
                step=self.step or None,
                hint=self.hint,
            )
        where = f"party {self.witness}"
        if self.operation:
            where += f", operation {self.operation}"
        error = kind(f"{self.reason} (reported by {where})", hint=self.hint)
        error.__dict__.update(party=self.witness, job=name, operation=self.operation or None, step=self.step or None)
        return error


def place(operation: str | None, names: Mapping[int, str]) -> str:
    """Name an operation for people, from its index in the plan or from the instance number of a message."""
    if operation is None or not _is_number(operation):
        return operation or ""
    number = int(operation)
    if number == AGREEMENT_INSTANCE:
        return "agreement on the plan"
    if number >= KEPT_INSTANCES:
        return f"keeping {(number - KEPT_INSTANCES) >> KEPT_BITS}"
    if number >= RESERVED_INSTANCES:
        return f"reveal {number - RESERVED_INSTANCES}"
    index = number >> 32 if number >> 32 else number
    return f"{index} {names[index]}" if index in names else str(index)


def root_cause(reports: Mapping[int, Report], silent: Collection[int] = ()) -> Report:
    """Choose the report that explains the others, from one of each party; `silent` are parties that sent none.

    A cause other than UNREACHABLE and TIMEOUT comes first, then UNREACHABLE. If all are TIMEOUT, a silent party is to
    blame; if none is silent, the party whose message is due first.
    """
    first = min(reports.values(), key=lambda report: (report.cause, report.witness))
    if first.cause < Cause.UNREACHABLE:
        return first
    if first.cause is Cause.UNREACHABLE:
        gone = [report for report in reports.values() if report.cause is Cause.UNREACHABLE]
        return min(gone, key=lambda report: (report.party in reports, report.party == CLIENT, report.witness))
    accused = [report for report in reports.values() if report.party in silent]
    if accused:
        return min(accused, key=_due)
    earliest = min(reports.values(), key=_due)
    if silent:
        return replace(earliest, party=min(silent))
    return earliest


def _due(report: Report) -> tuple[bool, int, int, int]:
    """Sort key: by the message that is awaited; reports without one come last."""
    return not report.operation, _number(report.operation), _number(report.step), report.witness


def _number(text: str) -> int:
    head = text.split(" ", maxsplit=1)[0]
    return int(head) if _is_number(head) else 0


def _is_number(text: str) -> bool:
    # other parties write these texts: "²" is a digit to Python but no number, and int() refuses very long ones
    return text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER
