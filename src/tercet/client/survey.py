"""All values of a table that its schema does not allow, in one error, with the bounds that would allow them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tercet.client.bounds import exact_bounds, friendly_bounds, friendly_dates
from tercet.client.columns import Outside, headers_of
from tercet.client.prefetch import prefetched
from tercet.client.sources import Source
from tercet.client.texts import ISO, NUMBER, canonical, days_of, flat, is_text
from tercet.errors import InputError
from tercet.store.schema import EPOCH, Column, ColumnKind, Schema

_BOUNDED = (ColumnKind.INTEGER, ColumnKind.DECIMAL, ColumnKind.DATE)


@dataclass
class _Found:
    """What of one column lies outside."""

    column: Column
    count: int = 0
    first_row: int = 0
    lo: float = 0
    hi: float = 0

    def take(self, array: pa.Array, before: int) -> None:
        """Look at one more piece, behind so many rows."""
        column = self.column
        if column.kind is ColumnKind.CATEGORY:
            texts = flat(array)
            texts = pc.utf8_trim_whitespace(texts) if is_text(texts.type) else texts.cast(pa.string())
            known = pc.is_in(texts, pa.array(column.categories, pa.string()))
            self._outside(pc.and_(pc.invert(known), texts.is_valid()).to_numpy(zero_copy_only=False), before)
            return
        values = _numbers(array, column)
        if values is None or column.bounds is None:
            return
        lo, hi = column.bounds
        with np.errstate(invalid="ignore"):
            outside = ((values < lo) | (values > hi)) & np.isfinite(values)
        if outside.any():
            first = not self.count
            low, high = values[outside].min().item(), values[outside].max().item()
            self.lo, self.hi = (low, high) if first else (min(self.lo, low), max(self.hi, high))
        self._outside(outside, before)

    def _outside(self, outside: NDArray[np.bool_], before: int) -> None:
        if outside.any():
            self.first_row = self.first_row or before + int(np.argmax(outside)) + 1
            self.count += int(outside.sum())

    def told(self) -> str:
        """In a sentence, without a value."""
        column = self.column
        what = "1 value" if self.count == 1 else f"{self.count:,} values"
        if column.kind is ColumnKind.CATEGORY:
            return f"{column.name}: {what} none of the categories, the first in row {self.first_row}"
        lo, hi = self.wider()
        return f"{column.name}: {what} outside, the first in row {self.first_row}; lo = {lo}, hi = {hi} would hold all"

    def wider(self) -> tuple[Any, Any]:
        """Bounds that hold these values and all that the schema holds."""
        column = self.column
        assert column.bounds is not None
        below, above = self.lo < column.bounds[0], self.hi > column.bounds[1]
        if column.kind is ColumnKind.DATE:
            first, last = (date.fromordinal(EPOCH.toordinal() + int(day)) for day in (self.lo, self.hi))
            friendly = friendly_dates(first, last)
            return (friendly["lo"] if below else column.lo), (friendly["hi"] if above else column.hi)
        low, high = friendly_bounds(min(self.lo, column.bounds[0]), max(self.hi, column.bounds[1]))
        if column.digits is not None:
            low, high = exact_bounds(low, high, column.digits)
        pair = (int(bound) if float(bound).is_integer() else bound for bound in (low, high))
        low, high = pair
        return (low if below else column.lo), (high if above else column.hi)


def _numbers(array: pa.Array, column: Column) -> NDArray[np.float64] | None:
    """Numbers, or days since 1970; NaN for what is none. None if the column holds nothing of the kind."""
    array = flat(array)
    if column.kind is ColumnKind.DATE:
        if is_text(array.type):
            array = pc.if_else(pc.match_substring_regex(array, ISO), pc.utf8_slice_codeunits(array, 0, 10), None)
            array = pc.strptime(array, format="%Y-%m-%d", unit="s", error_is_null=True)
        if not pa.types.is_temporal(array.type):
            return None
        array = days_of(array).cast(pa.int32())
    elif is_text(array.type):
        array = pc.if_else(pc.match_substring_regex(pc.utf8_trim_whitespace(array), NUMBER), array, None)
        array = pc.utf8_trim_whitespace(array)
    try:
        found: NDArray[np.float64] = array.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None
    return found.astype(np.float64)


def with_all_outside(error: InputError, source: Source, schema: Schema) -> InputError:
    """The error for a value that the schema does not hold, with all others that it does not; other errors as they are.

    Called by checks and uploads. The source is read once more, if it can be.
    """
    if not isinstance(error, Outside) or not source.repeatable:
        return error
    reading = source.reading.agreeing(schema.reading.values)
    found = [_Found(column) for column in schema.columns]
    looked_at = [each for each in found if each.column.kind in _BOUNDED or each.column.kind is ColumnKind.CATEGORY]
    headers = dict(zip(schema.names, headers_of(source, schema), strict=True))
    before = 0
    for batch in prefetched(source.batches([headers[each.column.name] for each in looked_at])):
        for each, values in zip(looked_at, batch.columns, strict=True):
            each.take(canonical(values, each.column, reading), before)
        before += batch.num_rows
    return _together(error, [each for each in looked_at if each.count])


def _together(error: InputError, found: Sequence[_Found]) -> InputError:
    if not found:
        return error
    told = ". ".join(each.told() for each in found)
    return InputError(
        f"{error.message}. In the whole table: {told}",
        hint="correct the values, or put the wider bounds into the schema; those of a dataset that is there are "
        "widened by its owners together: tercet widen",
    )
