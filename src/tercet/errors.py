"""Every exception Tercet raises on purpose.

    TercetError
      InputError              a value outside its declared bounds, a bad file, a wrong schema
        NotFound              there is no dataset, version, upload, job or kept result of that name
          Gone                there was; it has been withdrawn or replaced, or has expired
      PlanError               cannot be typed, would overflow, not permitted
        Refused               a node's policy does not allow it (fields: node, rule)
      PartyError              one of the three parties failed (fields: party, job, operation, step)
        Unreachable           its connection is closed or was never made
        Timeout               it sent nothing within the time set
        ProtocolViolation     it sent something that the protocol does not allow
      IntegrityError          shares that disagree, a checksum, a forged message
      ConfigError             a setting or credential that cannot be used
      StorageError            a node's disk or database failed; the same request may succeed later
        DiskFull              no space is left
        DatabaseLost          the database cannot be reached, or stopped answering
      Busy                    another change of the same thing is under way; try again

Programmer misuse stays TypeError/ValueError. One warning: SmallGroupsWarning.
"""

from __future__ import annotations


class TercetError(Exception):
    """Base of all errors; `hint` is the next action, shown by the CLI behind `tercet: hint:`."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message if not hint else f"{message}; {hint}")
        self.message = message
        self.hint = hint


class InputError(TercetError):
    """A value outside its declared bounds, a bad file or a wrong schema."""


class NotFound(InputError):
    """Nothing is stored at the node under that name."""


class Gone(NotFound):
    """What was stored under that name has been withdrawn or replaced, or has expired."""


class PlanError(TercetError):
    """A plan that cannot be typed, would overflow or is not permitted."""


class Refused(PlanError):
    """A node's policy does not allow it: `node` is its name, `rule` the name of the rule in its policy file."""

    def __init__(self, message: str, *, node: str = "", rule: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.node = node
        self.rule = rule
        if node:
            by = f" by rule {rule}" if rule else ""
            self.args = (f"node {node} refuses{by}:{'' if message.startswith(chr(10)) else ' '}{self.args[0]}",)


class IntegrityError(TercetError):
    """Shares that disagree, a wrong checksum or a forged message."""


class ConfigError(TercetError):
    """A setting, address, key or certificate that cannot be used."""


class StorageError(TercetError):
    """A node's disk or database failed; nothing was half done."""


class DiskFull(StorageError):
    """No space is left for what was to be stored."""


class DatabaseLost(StorageError):
    """The database of a node's catalogue cannot be reached."""


class Busy(TercetError):
    """Another change of the same thing is under way at the node."""


class PartyError(TercetError):
    """One of the parties failed; the fields say which one, and where in which job."""

    def __init__(
        self,
        message: str,
        *,
        party: int | None = None,
        job: str | None = None,
        operation: str | None = None,
        step: str | None = None,
        hint: str = "",
    ) -> None:
        facts = [
            f"{name} {value}"
            for name, value in (("party", party), ("job", job), ("operation", operation), ("step", step))
            if value is not None
        ]
        super().__init__(f"{message} ({', '.join(facts)})" if facts else message, hint=hint)
        self.reason = message
        self.party = party
        self.job = job
        self.operation = operation
        self.step = step


class Unreachable(PartyError):
    """The party's connection is closed, or could not be made."""


class Timeout(PartyError):
    """The party sent nothing within the time set."""


class ProtocolViolation(PartyError):
    """The party sent something that the protocol does not allow here."""


class SmallGroupsWarning(UserWarning):
    """Some groups of an answer are not shown, since fewer rows are in them than the nodes' policies demand."""
