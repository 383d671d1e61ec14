"""What a node asks its policy about: a job, where its inputs come from, and what its analyst has used up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from tercet.plan.plan import Plan


@dataclass(frozen=True, slots=True)
class ColumnSource:
    """A column of a dataset. `layout` names which row stands where: the version, or its manifest; another one after
    every append and withdrawal."""

    dataset: str
    column: str
    rows: int
    layout: str = ""


@dataclass(frozen=True, slots=True)
class KeptSource:
    """A kept result, with what was stored beside it (`Disclosure.stored`), and the job that kept it."""

    name: str
    stored: Mapping[str, Any] = field(repr=False)
    job: str = ""


Source: TypeAlias = ColumnSource | KeptSource


@dataclass(frozen=True, slots=True)
class Used:
    """What an analyst has had of a dataset under a rule."""

    jobs: int = 0
    numbers: int = 0


def _nothing(rule: str, dataset: str, since: float) -> Used:
    return Used()


@dataclass(frozen=True)
class PolicyRequest:
    """One job, as every node sees it by itself.

    `analyst` and `recipients` are fingerprints; `inputs` has a source for every handle that the plan reads; `kept` the
    names of outputs that are kept, by index; `used(rule, dataset, since)` what this analyst has had since a time in
    unix seconds; `deadline_s` how long the job may take. `own` are datasets of which all rows and columns are the
    analyst's, in what is read of them and in what was kept of them: they count as public to him.
    """

    analyst: str
    recipients: tuple[str, ...]
    plan: Plan
    inputs: Mapping[bytes, Source]
    now: float
    deadline_s: float = 0.0
    kept: Mapping[int, str] = field(default_factory=dict)
    own: frozenset[str] = frozenset()
    used: Callable[[str, str, float], Used] = _nothing
