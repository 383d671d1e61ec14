"""What a policy decides about: a job, the sources of its inputs, the terms on which these were kept, budgets used."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self, TypeAlias

from tercet.errors import IntegrityError
from tercet.plan.plan import Plan
from tercet.policy.persons import KeysOf, Stretches, no_keys, united

ColumnName = tuple[str, str]
"""Dataset and column."""
UNKNOWN = 1 << 62
"""The `min_rows` of a result whose rule is not known: more rows than any dataset has."""


@dataclass(frozen=True, slots=True)
class Terms:
    """The strictest of all rules behind a kept result. Each node writes down its own, as each has a policy of its own.

    `rules` are their names; `min_rows` the most rows that any of them asks for behind a number; `shown` the columns of
    which all of them let single rows be revealed.
    """

    rules: tuple[str, ...] = ()
    min_rows: int = 0
    shown: frozenset[ColumnName] = frozenset()

    @classmethod
    def of(
        cls, rule: str, min_rows: int, shown: Iterable[ColumnName], before: Mapping[Terms, frozenset[ColumnName]]
    ) -> Self:
        """Those on which a rule that shows these columns lets something be kept that was made of results kept
        `before`, each of which has these columns in it."""
        names = {rule}.union(*(one.rules for one in before))
        allowed = frozenset(shown).difference(*(columns - one.shown for one, columns in before.items()))
        return cls(tuple(sorted(names)), max([min_rows, *(one.min_rows for one in before)]), allowed)

    def stored(self) -> dict[str, Any]:
        """As JSON; `read_terms` gives it back."""
        shown = [list(column) for column in sorted(self.shown)]
        return {"rules": list(self.rules), "min_rows": self.min_rows, "shown": shown}


NO_TERMS = Terms()


def read_terms(data: Any) -> Terms:
    """What `Terms.stored` wrote; without anything, the strictest. Raises IntegrityError for anything else."""
    if data is None:
        return Terms(min_rows=UNKNOWN)
    try:
        assert isinstance(data, Mapping) and set(data) == {"rules", "min_rows", "shown"}
        names, least, shown = data["rules"], data["min_rows"], data["shown"]
        assert all(isinstance(name, str) for name in names) and type(least) is int
        return Terms(tuple(names), least, frozenset((str(dataset), str(column)) for dataset, column in shown))
    except (AssertionError, KeyError, TypeError, ValueError):
        raise IntegrityError("the terms on which a result was kept cannot be read") from None


@dataclass(frozen=True, slots=True)
class Brought:
    """What a person has brought of the rows behind a kept array.

    `rows`: stretches of which they know all that went in; `mixed`: not of all columns the same ones; `marked`: they
    have brought a column for rows of others, which they may have marked with it.
    """

    rows: Stretches = ()
    mixed: bool = False
    marked: bool = False

    def beside(self, other: Brought) -> Brought:
        """The same of more columns."""
        mixed = self.mixed or other.mixed or self.rows != other.rows
        rows = self.rows if self.rows == other.rows else united(self.rows, other.rows)
        return Brought(rows, mixed, self.marked or other.marked)


@dataclass(frozen=True, slots=True)
class ColumnSource:
    """A column of a version of a dataset, as it is to one person who asks, or learns what is asked.

    `layout` names which row stands where: the version, or its manifest; another one after every append and withdrawal.
    `own`: that person has brought the column for all rows, so that it is as public to them as a constant of the plan;
    `marked`: they have brought it for some rows of others, which they may have marked with it. `own_rows`: stretches of
    rows (from, to) that they have brought, and with them what it holds there. `given`: stretches of who asks, if that
    is somebody else: theirs to give.
    """

    dataset: str
    column: str
    rows: int
    layout: str = ""
    version: int = 0
    own: bool = False
    marked: bool = False
    own_rows: Stretches = ()
    given: Stretches = ()


@dataclass(frozen=True, slots=True)
class KeptSource:
    """A kept result, with what was stored beside it (`Disclosure.stored`), and the job that kept it.

    `own` are the datasets behind it of which the analyst has brought all that went in; `terms` those on which this
    node let it be kept. `brought`, by dataset and layout: what another who learns of it has brought of the rows; None:
    it is about the analyst, for whom that was stored.
    """

    name: str
    stored: Mapping[str, Any] = field(repr=False)
    job: str = ""
    own: frozenset[str] = frozenset()
    terms: Terms = NO_TERMS
    brought: Mapping[tuple[str, str], Brought] | None = None


InputSource: TypeAlias = ColumnSource | KeptSource


@dataclass(frozen=True, slots=True)
class Charge:
    """What counts against budgets: bits that the revealed results can carry, and arrays that are kept."""

    bits: int = 0
    kept: int = 0


@dataclass(frozen=True, slots=True)
class BudgetUse:
    """What somebody has had of a dataset, under whatever rule: jobs, bits revealed, arrays kept."""

    jobs: int = 0
    bits: int = 0
    kept: int = 0


def _nothing(person: str, dataset: str, since: float) -> BudgetUse:
    return BudgetUse()


@dataclass(frozen=True)
class PolicyRequest:
    """One job, as every node sees it by itself.

    `analyst` and `recipients` are fingerprints; `inputs` has a source for every handle that the plan reads; `kept` the
    names of outputs that are kept, by index; `used(person, dataset, since)` what somebody has had since a time in unix
    seconds, without this job; `deadline_s` how long the job may take.
    """

    analyst: str
    recipients: tuple[str, ...]
    plan: Plan
    inputs: Mapping[bytes, InputSource]
    now: float
    deadline_s: float = 0.0
    kept: Mapping[int, str] = field(default_factory=dict)
    learners: Mapping[str, Mapping[bytes, InputSource]] = field(default_factory=dict, repr=False)
    """Everybody who would learn the results, by fingerprint: the inputs as they are to that person, with all who count
    as one with them. To the analyst as a single person they are `inputs`."""
    unchecked: Mapping[str, int] = field(default_factory=dict)
    """How many uploads of which datasets nobody has checked; those of no upload are not named."""
    used: Callable[[str, str, float], BudgetUse] = _nothing
    keys: KeysOf = no_keys
    """The public keys of rows that the analyst may join by."""
