"""On what the results of a job rest: claimed bounds, checks of the data. Stands in receipts, answers and the audit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from tercet.federation.identifiers import Digest, Identifier
from tercet.federation.model import Body

SHOWN = 16
"""How many outputs and uploads are named; what the manifest says of checks is whole."""
_SHORT = 8

Number = Annotated[int, Field(ge=0, le=1 << 40)]


class Passed(Body):
    """A check under sharing that an upload has passed: by which protocol, against which ranges (their digest)."""

    upload: Identifier
    protocol: Number
    ranges: Digest


class Grounds(Body):
    """On what the results of a job rest, as far as one dataset goes; each node works it out for itself, from the plan
    and the stamps in the dataset's manifest, so the three say the same.

    In receipts, answers about jobs and audit entries; `version` is that of this form.
    """

    version: Literal[1] = 1
    outputs: Number
    """How many outputs the plan has, revealed and kept."""
    claimed: Number
    """How many of them rest on claimed bounds: false claims make these results wrong, and disclose nothing."""
    claimed_outputs: Annotated[list[Number], Field(max_length=SHOWN)] = Field(default_factory=list)
    """Which, counted from 0; the first of them."""
    checked: Number
    """How many uploads are behind the columns read that have passed their check under sharing."""
    unchecked: Number
    """How many uploads behind them have passed no check, or none against the ranges of the present schema."""
    checks: Annotated[list[Passed], Field(max_length=SHOWN)] = Field(default_factory=list)
    """Of those checked: the first, by the name of the upload."""

    def words(self) -> Iterator[str]:
        """In sentences."""
        word = "on bounds that are claimed and not proven"
        if not self.claimed:
            yield f"no result rests {word}"
        elif self.outputs == 1:
            yield f"the result rests {word}"
        else:
            named = ", ".join(str(output + 1) for output in self.claimed_outputs)
            more = ", ..." if self.claimed > len(self.claimed_outputs) else ""
            yield f"{self.claimed:,} of {self.outputs:,} results rest {word} (output {named}{more})"
        if self.checked:
            named = ", ".join(f"{one.upload[:_SHORT]} by check {one.protocol}" for one in self.checks[:3])
            more = ", ..." if self.checked > 3 else ""
            uploads = "1 upload" if self.checked == 1 else f"{self.checked:,} uploads"
            yield f"the values of {uploads} were found in their ranges under sharing ({named}{more})"
        if self.unchecked:
            yield f"nobody has checked the values of {self.unchecked:,} upload{'s' * (self.unchecked != 1)}"
        if not self.checked and not self.unchecked:
            yield "its data came through kept results: the jobs that kept them say how they were checked"

    def brief(self) -> str:
        """In few words, for a line of a list."""
        found = []
        if self.checked:
            found.append("checked data")
        if self.unchecked:
            found.append(f"{self.unchecked:,} upload{'s' * (self.unchecked != 1)} that nobody has checked")
        if not found:
            found.append("kept results")
        if self.claimed:
            found.append(f"claimed bounds ({self.claimed:,} of {self.outputs:,} results)")
        return ", ".join(found)
