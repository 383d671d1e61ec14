"""The statements that parties make to each other, and a record of them with the random draws behind them.

Every message of a protocol is one of the statements below; `Step` (protocols/scope.py) has a method for each. A job
that runs with a `Transcript` notes every statement and every draw of a party, in the order in which they are made. One
address (instance, step) stands in a statement, in the draws that mask it, and in the message that its receiver gets.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import IntEnum

from tercet.sharing import Party, Purpose


class Statement(IntEnum):
    """The meaning of a message. Its value is no part of any wire format."""

    PRODUCT = 1
    """The sender's part of a bilinear form of what it holds, plus a draw that the receiver lacks."""
    DEAL = 2
    """Values that the sender knows, each less a draw of the sender and the third party."""
    CROSS_TERM = 3
    """The sender's part of a sum of terms (a factor that the pair knows, times a dealt value), less a draw of the
    sender and the dealer."""
    RESHARE = 4
    """The sender's summand of a value plus its part of a fresh sharing of zero: a component of the value."""
    OPEN_TO_PARTY = 5
    """A part of a value that the receiver puts together, and that is masked by draws that the receiver lacks."""
    OPEN = 6
    """The component that the receiver lacks of a value which becomes plain to all three parties, or the part that it
    lacks of one which becomes plain to two."""
    REVEAL = 7
    """A masked summand, and tags, for a recipient outside the three parties."""
    INPUT = 8
    """The components of an array that come from outside the job."""
    BARRIER = 9
    """Nothing, but that the sender has come here."""


@dataclass(frozen=True, slots=True)
class Said:
    """A statement of one party: `nbytes` to `to`, or, where `to` is None, to a recipient or from an owner outside."""

    statement: Statement
    sender: Party
    to: Party | None
    instance: int
    step: int
    nbytes: int

    def __str__(self) -> str:
        to = "outside" if self.to is None else f"party {int(self.to)}"
        what = self.statement.name.lower().replace("_", " ")
        where = _place(self.instance, self.step)
        if self.statement is Statement.INPUT:
            return f"{where}: party {int(self.sender)} has {self.nbytes} bytes of input"
        return f"{where}: party {int(self.sender)} to {to}: {what}, {self.nbytes} bytes"


@dataclass(frozen=True, slots=True)
class Drawn:
    """`nbytes` of the stream of `component` (ALL: the stream of all three), drawn by `party` at this address."""

    party: Party
    component: int
    instance: int
    step: int
    purpose: Purpose
    nbytes: int

    def __str__(self) -> str:
        stream = f"component {int(self.component)}" if self.component else "all parties"
        where = _place(self.instance, self.step)
        return (
            f"{where}: party {int(self.party)} draws {self.nbytes} bytes of the stream of {stream}, {self.purpose.name}"
        )


def _place(instance: int, step: int) -> str:
    return f"operation {instance >> 32} part {instance & 0xFFFFFFFF:#x} step {step}"


@dataclass(slots=True)
class Transcript:
    """The statements and draws of one party in one job, in the order in which they were made. No contents."""

    party: Party
    entries: list[Said | Drawn] = field(default_factory=list)

    def said(self, statement: Statement, to: Party | None, instance: int, step: int, nbytes: int) -> None:
        """Note a statement of this party. Called by the job's channel."""
        self.entries.append(Said(statement, self.party, to, instance, step, nbytes))

    def drawn(self, component: int, instance: int, step: int, purpose: Purpose, nbytes: int) -> None:
        """Note a draw of this party. Called by the job's streams."""
        self.entries.append(Drawn(self.party, component, instance, step, purpose, nbytes))

    @property
    def statements(self) -> list[Said]:
        return [entry for entry in self.entries if isinstance(entry, Said)]

    @property
    def draws(self) -> list[Drawn]:
        return [entry for entry in self.entries if isinstance(entry, Drawn)]

    def bytes_of(self) -> Counter[Statement]:
        """How many bytes this party said with each statement."""
        total: Counter[Statement] = Counter()
        for entry in self.statements:
            total[entry.statement] += entry.nbytes
        return total

    def listing(self) -> str:
        """One line for each entry."""
        return "\n".join(str(entry) for entry in self.entries)
