"""Variants of an operation: protocols with the same result, of which a plan names one by its number."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from tercet.protocols.cost import NOTHING, Cost


class Security(Enum):
    """Against what the parties of a job are protected."""

    SEMI_HONEST = auto()
    """A party that follows the protocol and looks at what it receives."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to compute an operation. `run` gets scope, call and the inputs at one party: a plain function if nothing
    is sent, else a protocol body. `cost` is exact and gets the call; `modes` are those in which it may run."""

    name: str
    run: Callable[..., Any]
    cost: Callable[[Any], Cost] = lambda call: NOTHING
    modes: frozenset[Security] = frozenset(Security)


def only(run: Callable[..., Any], cost: Callable[[Any], Cost] = lambda call: NOTHING) -> tuple[Variant]:
    """The variants of an operation that has one protocol."""
    return (Variant("only", run, cost),)


def fewer(
    bytes_run: Callable[..., Any],
    bytes_cost: Callable[[Any], Cost],
    rounds_run: Callable[..., Any],
    rounds_cost: Callable[[Any], Cost],
) -> tuple[Variant, Variant]:
    """The variants of an operation of which one protocol takes fewer bytes, the other fewer rounds."""
    return Variant("fewer bytes", bytes_run, bytes_cost), Variant("fewer rounds", rounds_run, rounds_cost)
