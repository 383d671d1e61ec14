"""The terms on which a node let a result be kept: what its rules ask of whatever is later revealed of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from tercet.errors import IntegrityError

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
