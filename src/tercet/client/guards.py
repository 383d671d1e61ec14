"""What has to hold for an aggregate to be shown: secret numbers of rows, and among which rows people are hidden."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

import numpy as np

from tercet.array import manipulation
from tercet.array.core import SecretArray
from tercet.client.cohort import Cuts
from tercet.plan.types import ValueKind

_MAX_SLICES = 64


class What(Enum):
    """What a guard is about, beside its number of rows."""

    ROWS = "rows"
    """Nothing else."""
    CUT = "cut"
    """A condition, which cuts the rows of its group."""
    COUNTED = "counted"
    """A stored bool that is counted, and nothing else."""
    VALUE = "value"
    """A value that is missing in some rows."""


@dataclass(frozen=True)
class Guard:
    """A secret number of rows that has to reach the cohort; or, with `or_none`, be 0.

    `rows`: which ones; `of`: of which group; `family`: of which conditions a row meets one at most.
    """

    count: SecretArray
    or_none: bool = False
    what: What = What.ROWS
    rows: SecretArray | None = None
    of: Base | None = None
    family: Hashable = None

    @property
    def key(self) -> tuple[int, bool, str]:
        """The same for guards that say the same."""
        return self.count._node.serial, self.or_none, self.what.value


Guards: TypeAlias = tuple[Guard, ...]
Keys: TypeAlias = frozenset[tuple[int, bool, str]]


@dataclass(frozen=True)
class Base:
    """The rows of a group before any condition within an aggregate: how many there are, secret or public."""

    size: SecretArray | int

    @property
    def key(self) -> int:
        """The same for the same group."""
        return self.size._node.serial if isinstance(self.size, SecretArray) else -1


@dataclass(frozen=True)
class Condition:
    """A condition within an aggregate: the rows that meet it, and whether it may also be met by none.

    `family`: conditions of which a row meets one at most have the same. `rest`: it is met where others that are noted
    beside it are not. `counted`: it is a stored bool, which is counted and decides about nothing.
    """

    rows: SecretArray
    or_none: bool = False
    family: Hashable = None
    rest: bool = False
    counted: bool = False


class Hiding:
    """The rows of a table among which somebody may be hidden from who asks: those that others have brought.

    Of a table that they have brought alone, all of them.
    """

    def __init__(self, rows: int, cohort: int, own: Sequence[Sequence[int]] = ()) -> None:
        """`rows`: of the table. `cohort`: how many an aggregate must rest on. `own`: stretches that who asks has
        brought, apart and in order."""
        self.rows = rows
        self.cohort = cohort
        edges = [0, *(min(place, rows) for stretch in own for place in stretch), rows]
        others = [(start, stop) for start, stop in zip(edges[::2], edges[1::2], strict=True) if start < stop]
        self._others = others if own and others else [(0, rows)]
        self.count = sum(stop - start for start, stop in self._others)

    def of(self, mask: SecretArray) -> SecretArray:
        """Those elements that are about such rows."""
        if self.count == self.rows:
            return mask
        if len(self._others) > _MAX_SLICES:
            places = np.concatenate([np.arange(start, stop) for start, stop in self._others])
            return manipulation.take(mask, places, axis=0)
        found = [mask[start:stop] for start, stop in self._others]
        return found[0] if len(found) == 1 else manipulation.concat(found)


def is_of_two_values(values: SecretArray) -> bool:
    """Whether these are integers that say no more than bools: their sum is how many have the greater value."""
    lo, hi = values.bounds
    return values.dtype.kind is ValueKind.INT and hi - lo == 1


def cuts_of(together: Sequence[Guards]) -> list[Cuts]:
    """What a question asks of each group; `together`: what guards each number that it reveals."""
    found: dict[int, Cuts] = {}
    for guards in together:
        for guard in guards:
            if guard.of is None or guard.rows is None or guard.what in (What.ROWS, What.COUNTED):
                continue
            group = found.setdefault(guard.of.key, Cuts(guard.of.size))
            if guard.what is What.CUT:
                group.add(guard.family, guard.key, guard.rows)
            else:
                group.values[guard.key] = guard.rows, guard.count
    for key, group in found.items():
        group.whole = any(_is_of_all(guards, key) for guards in together)
    return list(found.values())


def _is_of_all(guards: Guards, group: int) -> bool:
    """Whether a number rests on all rows of a group, or on those that no condition takes."""
    if not guards:
        return group == -1
    here = [guard for guard in guards if group == (guard.count._node.serial if guard.of is None else guard.of.key)]
    left = any(guard.what is What.ROWS and guard.of is not None for guard in here)
    return left or (bool(here) and all(guard.what is not What.CUT for guard in here))
