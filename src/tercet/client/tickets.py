"""What a session stores of its jobs to decode their results later: types and public divisors, nothing secret."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Annotated

from pydantic import Field, StringConstraints, ValidationError

from tercet.errors import ConfigError, InputError
from tercet.federation.bundle import JobHeader
from tercet.federation.identifiers import Identifier
from tercet.federation.model import Body, faults
from tercet.plan.types import Type, read_type, write_type

_SUFFIX = ".job.json"


class TicketOutput(Body):
    """One revealed output: its type in the wire format of plans, in hexadecimal, and the divisor of its integers."""

    index: Annotated[int, Field(ge=0)]
    label: Annotated[str, StringConstraints(max_length=4096)]
    divisor: Annotated[str, StringConstraints(max_length=4096, pattern=r"^-?[0-9]+(/[0-9]+)?$")]

    @property
    def type(self) -> Type:
        return read_type(bytes.fromhex(self.label))

    @property
    def fraction(self) -> Fraction:
        return Fraction(self.divisor)


class Ticket(Body):
    """What is needed to fetch and decode the results of one job; `about` has facts of `RemoteSession.asking_about`."""

    federation: Identifier
    job: Identifier
    created: int
    deadline: int
    outputs: list[TicketOutput]
    about: dict[str, str] = Field(default_factory=dict)

    @classmethod
    def of(cls, header: JobHeader, revealed: Mapping[int, tuple[Type, Fraction]], about: Mapping[str, str]) -> Ticket:
        outputs = [
            TicketOutput(index=index, label=write_type(t).hex(), divisor=str(divisor))
            for index, (t, divisor) in sorted(revealed.items())
        ]
        return cls(
            federation=header.federation,
            job=header.job,
            created=header.created,
            deadline=header.deadline,
            outputs=outputs,
            about=dict(about),
        )


class Tickets:
    """The tickets of a session, also in files of a folder if one is given. A ticket is deleted once it is settled."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._found: dict[str, Ticket] = {}
        self._lock = threading.Lock()
        if folder is not None:
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise ConfigError(f"jobs cannot be remembered in {folder}: {error.strerror}") from None

    def add(self, ticket: Ticket) -> None:
        """Store the ticket of a job that is about to be sent."""
        with self._lock:
            self._found[ticket.job] = ticket
        if self._folder is not None:
            (self._folder / f"{ticket.job}{_SUFFIX}").write_bytes(ticket.to_json())

    def find(self, job: str) -> Ticket:
        """The ticket of a job. Raises InputError if there is none, or if its file cannot be read."""
        with self._lock:
            if job in self._found:
                return self._found[job]
        path = None if self._folder is None or not job.isalnum() else self._folder / f"{job}{_SUFFIX}"
        if path is None or not path.exists():
            raise InputError(
                f"there is no ticket of job {job[:64]}",
                hint="use the session that sent the job, or one with the same folder: only these can decode its result",
            )
        try:
            return Ticket.model_validate_json(path.read_bytes())
        except ValidationError as error:
            raise InputError(f"{path} is no ticket of a job: {faults(error)}") from None

    def settle(self, job: str) -> None:
        """Delete the ticket of a job whose result was delivered."""
        with self._lock:
            self._found.pop(job, None)
        if self._folder is not None:
            (self._folder / f"{job}{_SUFFIX}").unlink(missing_ok=True)
