"""One column of a table by groups, row by row, under pandas' names."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from tercet.array import segments
from tercet.array.core import SecretArray
from tercet.array.grouped import Grouped
from tercet.errors import InputError

_AGGREGATES = {"sum": segments.segment_sum, "min": segments.segment_min, "max": segments.segment_max}


class GroupedColumn:
    """What `table.groupby("card")["amount"]` gives: secret columns, one element for each row, of what its group has.

    Nothing is revealed, and nothing runs. `tercet.array.Grouped` says what each method costs.
    """

    def __init__(self, column: SecretArray, rows: Grouped) -> None:
        self._column = column
        self._grouped = rows

    def __repr__(self) -> str:
        return f"GroupedColumn({self._column!r})"

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> NoReturn:
            raise AttributeError(
                f"'GroupedColumn' object has no attribute {name!r}: there are agg, transform, shift, diff, rank, "
                "cumsum, cummax, cummin, rolling_sum and rolling_mean, which reveal nothing; groupby(...).mean('age') "
                "and its kin are a job"
            )

    def agg(self, how: str, groups: int) -> SecretArray:
        """The sum, least or greatest value of each of `groups` groups (codes 0 to groups - 1), as a secret array
        (groups,); "count" and "mean" too. A declared, public number of groups: of more than 65,536 it is refused."""
        codes = self._grouped.codes
        if how == "count":
            return segments.segment_count(codes, groups)
        if how == "mean":
            return segments.segment_mean(self._column, codes, groups)
        if how not in _AGGREGATES:
            raise InputError(f"agg {how!r}", hint="it is count, sum, mean, min or max")
        found: SecretArray = _AGGREGATES[how](self._column, codes, groups)
        return found

    def transform(self, how: str) -> SecretArray:
        """For each row what its whole group has: sum, mean, count, min, max, first or last."""
        return self._grouped.transform(self._column, how)

    def shift(self, periods: int = 1) -> SecretArray:
        """The element so many rows before in the group; missing where there is none."""
        return self._grouped.shift(self._column, periods)

    def diff(self, periods: int = 1) -> SecretArray:
        """The element less that of `shift`."""
        return self._grouped.diff(self._column, periods)

    def rank(self, method: str = "average") -> SecretArray:
        """The rank of each element within its group, from 1 on."""
        return self._grouped.rank(self._column, method)

    def cumsum(self) -> SecretArray:
        """The sum of the group up to each row, by the column `order` of `groupby` if there is one."""
        return self._grouped.cumsum(self._column)

    def cummax(self) -> SecretArray:
        """The greatest element of the group up to each row."""
        return self._grouped.cummax(self._column)

    def cummin(self) -> SecretArray:
        """The least element of the group up to each row."""
        return self._grouped.cummin(self._column)

    def rolling_sum(self, window: float) -> SecretArray:
        """The sum of the group's rows within `window` up to each row, by the column `order` of `groupby`."""
        return self._grouped.rolling_sum(self._column, window)

    def rolling_mean(self, window: float) -> SecretArray:
        """The mean of these rows."""
        return self._grouped.rolling_mean(self._column, window)
