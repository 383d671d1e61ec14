"""Chapter "Steal a server": a column at three servers, what a thief finds at one, and what fresh shares do to it.

What the thief makes of it, the page computes: no server puts components together for anybody.
"""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter
from numpy.typing import NDArray
from pydantic import Field

from tercet.errors import InputError
from tercet.protocols.reshare import reshare
from tercet.sharing import PARTIES, Party, Share
from tercet.web.play.parties import Held, ShownParties, as_numbers, share_out
from tercet.web.play.split import FromPage

_BINS = 16
_PATIENTS = Path(__file__).parent / "patients.json"
Whole = Annotated[int, Field(ge=-(1 << 62), le=1 << 62)]


class ColumnAsked(FromPage):
    column: Literal["progression", "pressure", "bmi"] | None = None
    values: Annotated[list[Whole], Field(min_length=50, max_length=5_000)] | None = None


class TheftAsked(FromPage):
    server: Literal[1, 2, 3]


class WordsAsked(FromPage):
    numbers: Annotated[list[Annotated[str, Field(pattern=r"^-?[0-9]{1,20}$")]], Field(min_length=50, max_length=5_000)]


def patients(column: str) -> list[int]:
    """A column of real patients, as whole numbers; the file names its source."""
    values: list[int] = json.loads(_PATIENTS.read_text(encoding="utf-8"))[column]
    return values


def noise(numbers: NDArray[np.uint64]) -> dict[str, Any]:
    """Whether numbers could be uniform on the clock of 2^64: how many lie in each sixteenth; the chi-squared test."""
    from scipy.stats import chisquare

    counts = np.bincount((numbers >> np.uint64(60)).astype(np.int64), minlength=_BINS)
    found = chisquare(counts)
    return {"counts": counts.tolist(), "statistic": float(found.statistic), "p": float(found.pvalue)}


class Vault:
    """The column that three servers hold, and how often its shares were made afresh."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: Held | None = None
        self.epoch = 0

    def fill(self, values: list[int]) -> None:
        with self._lock:
            self._held, self.epoch = share_out(values), 0

    def refresh(self, parties: ShownParties) -> tuple[int, int]:
        """All three make fresh components of the same values; the old ones are gone. Gives the numbers of messages and
        of refreshes."""
        with self._lock:
            done = parties.run("refresh", reshare, self._there())
            self._held = {party: done.results[party] for party in PARTIES}  # type: ignore[misc]
            self.epoch += 1
            return len(done.messages), self.epoch

    def part(self, party: Party) -> tuple[int, Share]:
        """What one party has, and how often it was made afresh."""
        with self._lock:
            return self.epoch, self._there()[party]

    def _there(self) -> Held:
        if self._held is None:
            raise InputError("the servers hold nothing yet", hint="share a column first")
        return self._held


def steal_routes(parties: ShownParties) -> APIRouter:
    """Routes of the chapter, below /api/steal."""
    routes = APIRouter(prefix="/api/steal")
    vault = Vault()

    @routes.post("/share")
    def share(asked: ColumnAsked) -> dict[str, Any]:
        if (asked.values is None) == (asked.column is None):
            raise InputError("give a column's name or values of your own")
        values = patients(asked.column) if asked.column is not None else asked.values or []
        vault.fill(values)
        return {"plain": [str(value) for value in values], "epoch": 0}

    @routes.post("/take")
    def take(asked: TheftAsked) -> dict[str, Any]:
        """All that one server has."""
        epoch, part = vault.part(Party(asked.server))
        return {"epoch": epoch, "own": as_numbers(part.own), "next": as_numbers(part.next)}

    @routes.post("/refresh")
    def refresh() -> dict[str, Any]:
        messages, epoch = vault.refresh(parties)
        return {"messages": messages, "epoch": epoch}

    @routes.post("/test")
    def test(asked: WordsAsked) -> dict[str, Any]:
        return noise(np.array([int(one) % (1 << 64) for one in asked.numbers], np.uint64))

    return routes
