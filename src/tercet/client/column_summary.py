"""A summary of a column for inference, built batch by batch in bounded memory.

It counts which values can be read as numbers or dates, and notes the first row whose value cannot.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tercet.client.texts import (
    COMMENT,
    ERROR,
    INFINITE,
    ISO,
    NUMBER,
    YEAR_LAST,
    ZONE,
    dates,
    days_of,
    flat,
    is_text,
    means_missing,
    missing_as_null,
    numbers,
)
from tercet.store.reading import Reading

MOST_TEXTS = 64
"""If a column has more different texts than this, none of them are kept."""
MOST_DIGITS = 9
"""Up to so many digits behind the point are counted for every value; beyond, only a sample of values is looked at."""
_REMEMBERED = 1 << 20
_EXAMPLES = 200
_EXACT = 2.0**53
_GIVEN_UP = 10_000
_SAMPLE = 2048
_CODES = np.array([sign * (10**places - 1) for sign in (1, -1) for places in range(1, 10) if sign < 0 or places > 1])
"""-9, 99, -99, 999 and so on, which often stand for missing values."""


@dataclass
class _Range:
    """The least and the greatest of some numbers."""

    lo: float = math.inf
    hi: float = -math.inf

    def take(self, values: NDArray[Any]) -> None:
        if values.size:
            self.lo, self.hi = min(self.lo, values.min().item()), max(self.hi, values.max().item())


@dataclass
class Numbers(_Range):
    """What is known of the values that are numbers."""

    count: int = 0
    whole: bool = True
    zero_or_one: bool = True
    decimals: int = 0
    """The most digits behind the point; trailing zeros of texts count."""
    significant: int = 0
    """The most significant digits of a value with digits behind the point; counted if some have many of these."""
    least: float = math.inf
    """The smallest magnitude that is not 0."""
    leading_zeros: bool = False
    code_row: int = 0
    """The first row that holds one of `_CODES`."""
    codes: _Range = field(default_factory=_Range)
    others: _Range = field(default_factory=_Range)
    """The range of the numbers that are none of `_CODES`."""
    infinite_row: int = 0
    infinite: int = 0
    """The number of texts that are infinite numbers."""
    largest_row: int = 0
    """The row of the largest magnitude."""
    all_three: bool = True
    """Whether every value with a point has three digits behind it."""
    pointed: int = 0

    def add(self, values: NDArray[Any], rows: NDArray[np.int64]) -> None:
        """Add numbers, which stand in these rows."""
        if values.dtype.kind == "f":
            finite = np.isfinite(values)
            self.infinite_row = _first(self.infinite_row, rows, ~finite)
            values, rows = values[finite], rows[finite]
        self.count += values.size
        if not values.size:
            return
        lowest, highest = values.min().item(), values.max().item()
        if max(-lowest, highest) > max(-self.lo, self.hi):
            self.largest_row = int(rows[int(np.argmax(values if highest >= -lowest else -values.astype(np.float64)))])
        self.take(values)
        self.zero_or_one = self.zero_or_one and bool(((values == 0) | (values == 1)).all())
        codes = np.isin(values, _CODES)
        self.code_row = _first(self.code_row, rows, codes)
        self.codes.take(values[codes])
        self.others.take(values[~codes])
        if values.dtype.kind == "f":
            self.least = min(self.least, float(np.abs(values[values != 0]).min(initial=math.inf)))

    def digits_of(self, written: list[str]) -> None:
        """Count the digits of numbers that are given as texts."""
        for text in written:
            shape = Decimal(text).as_tuple()
            if isinstance(shape.exponent, int) and shape.exponent < 0:
                self.decimals = max(self.decimals, -shape.exponent)
                self.significant = max(self.significant, len("".join(map(str, shape.digits)).lstrip("0")))


@dataclass
class Dates:
    """What is known of the values that are dates."""

    count: int = 0
    first: int = 1 << 31
    last: int = -(1 << 31)
    times: bool = False
    zones: bool = False
    """Whether some dates have a time of day with a time zone."""
    unreal_row: int = 0
    """The first row that holds a date which the calendar does not have, such as 31 April."""
    unsure: int = 0
    """The number of texts such as 1/2/2020, if no option says whether the day comes first."""
    unsure_row: int = 0

    def take(self, days: NDArray[Any]) -> None:
        """Add days since 1970."""
        if days.size:
            self.count += days.size
            self.first, self.last = min(self.first, int(days.min())), max(self.last, int(days.max()))


@dataclass
class ColumnSummary:
    """What is known of a column so far; `add` takes the next piece."""

    reading: Reading
    count: int = 0
    missing: int = 0
    stand_ins: set[str] = field(default_factory=set)
    """The texts, other than empty ones, that were read as missing values."""
    typed: str = ""
    """The kind of values in the source: text, bool, number, date, category; empty before the first value."""
    strange: str = ""
    """What the column holds, if no column of a dataset can hold it."""
    numbers: Numbers = field(default_factory=Numbers)
    dates: Dates = field(default_factory=Dates)
    no_number_row: int = 0
    last_no_number_row: int = 0
    no_numbers: int = 0
    """The number of texts that are no numbers, among those that were looked at."""
    error_row: int = 0
    """The first row with an error of a spreadsheet, such as #DIV/0!."""
    no_date_row: int = 0
    first_text: str = field(default="", repr=False)
    """The text of the first row, if it is a text."""
    first_again: bool = False
    """Whether another row has the same text as the first."""
    last_text: str = field(default="", repr=False)
    last_row: int = 0
    """The last text, and its row."""
    comment_row: int = 0
    comments: int = 0
    """The first row whose text begins as a comment does, and the number of such texts."""
    examples: list[str] = field(default_factory=list, repr=False)
    """Some of the texts that are no numbers."""
    texts: set[str] | None = field(default_factory=set, repr=False)
    """The different texts; None if there are more than `MOST_TEXTS`."""
    _first: list[pa.Array] = field(default_factory=list, repr=False)
    kept: int = 0

    def add(self, values: pa.Array, first_row: int) -> None:
        """Add the next piece of the column; `first_row` is the number of its first row."""
        if pa.types.is_dictionary(values.type) and is_text(values.type.value_type):
            self._typed("category")
        values = flat(values)
        rows = np.arange(first_row, first_row + len(values))
        kind = values.type
        if is_text(kind):
            self._typed("category" if self.typed == "category" else "text")
            self._texts(values, rows)
            return
        values = missing_as_null(values, self.reading)
        valid = values.is_valid().to_numpy(zero_copy_only=False)
        if pa.types.is_floating(kind):
            valid &= ~np.isnan(values.fill_null(0.0).to_numpy(zero_copy_only=False))
        self.missing += len(values) - int(valid.sum())
        values, rows = values.filter(pa.array(valid)), rows[valid]
        self.count += len(values)
        if not len(values):
            return
        if pa.types.is_boolean(kind):
            self._typed("bool")
        elif pa.types.is_integer(kind):
            self._typed("number")
            self.numbers.add(values.to_numpy(zero_copy_only=False), rows)
            self._remember(values)
        elif pa.types.is_floating(kind):
            self._typed("number")
            self._floats(values.cast(pa.float64()).to_numpy(zero_copy_only=False), rows)
        elif pa.types.is_decimal(kind):
            self._typed("number")
            self._decimals(values, rows)
        elif pa.types.is_temporal(kind) and not pa.types.is_time(kind) and not pa.types.is_duration(kind):
            self._typed("date")
            days = days_of(values)
            moments = pc.local_timestamp(values) if pa.types.is_timestamp(kind) and kind.tz is not None else values
            self.dates.times |= not days.cast(moments.type, safe=False).equals(moments)
            self.dates.zones |= moments is not values and kind.tz not in ("UTC", "Etc/UTC", "+00:00")
            self.dates.take(days.cast(pa.int32()).to_numpy(zero_copy_only=False))
        else:
            self.strange = f"values of type {kind}"

    def _typed(self, kind: str) -> None:
        if self.typed and self.typed != kind:
            if {self.typed, kind} <= {"number", "text", "date"}:
                # a database may give large numbers as texts, in some pieces only
                kind, self.texts = "text", None
            else:
                self.strange = "values of several kinds"
        self.typed = kind

    def _floats(self, values: NDArray[np.float64], rows: NDArray[np.int64]) -> None:
        found = self.numbers
        found.add(values, rows)
        finite = values[np.isfinite(values)]
        if (finite == np.rint(finite)).all():
            return
        found.whole = False
        while found.decimals < MOST_DIGITS and not np.array_equal(np.round(finite, found.decimals), finite):
            found.decimals += 1
        if found.decimals >= MOST_DIGITS:
            broken = finite[finite != np.round(finite, MOST_DIGITS)]
            found.digits_of([repr(float(value)) for value in broken[:: max(1, broken.size // _SAMPLE)][:_SAMPLE]])

    def _decimals(self, values: pa.Array, rows: NDArray[np.int64]) -> None:
        found = self.numbers
        found.add(values.cast(pa.float64()).to_numpy(zero_copy_only=False), rows)
        self._exactly([str(value) for value in (pc.min(values).as_py(), pc.max(values).as_py())])
        whole = bool(pc.all(pc.equal(pc.round(values), values), min_count=0).as_py())
        if not whole:
            found.whole = False
            found.decimals = max(found.decimals, values.type.scale)

    def _texts(self, values: pa.Array, rows: NDArray[np.int64]) -> None:
        gone = pc.or_(means_missing(values, self.reading), values.is_null()).to_numpy(zero_copy_only=False)
        self.missing += int(gone.sum())
        texts = pc.utf8_trim_whitespace(values)
        if gone.any() and len(self.stand_ins) < MOST_TEXTS:
            stood = pc.unique(texts.filter(pa.array(gone)).drop_null()).to_pylist()
            self.stand_ins |= {text for text in stood if text}
        texts, rows = texts.filter(pa.array(~gone)), rows[~gone]
        self.count += len(texts)
        if not len(texts):
            return
        self._remember(texts)
        self.last_text, self.last_row = texts[-1].as_py(), int(rows[-1])
        remarks = _matches(texts, COMMENT)
        self.comments += int(remarks.sum())
        self.comment_row = _first(self.comment_row, rows, remarks)
        if rows[0] == 1:
            self.first_text = texts[0].as_py()
        if self.first_text and not self.first_again:
            same = pc.equal(texts, self.first_text).to_numpy(zero_copy_only=False)
            self.first_again = bool(same[rows > 1].any())
        if self.texts is not None:
            self.texts.update(pc.unique(texts).to_pylist())
            if len(self.texts) > MOST_TEXTS:
                self.texts = None
        if self.typed == "category":
            return
        if self.numbers.count or self.count <= _GIVEN_UP or len(self.examples) < _EXAMPLES:
            self._as_numbers(texts, rows)
        if self.dates.count or self.dates.unsure or self.count <= _GIVEN_UP:
            self._as_dates(texts, rows)

    def _as_numbers(self, texts: pa.Array, rows: NDArray[np.int64]) -> None:
        plain, found = numbers(texts, self.reading), self.numbers
        fits = _matches(plain, NUMBER)
        if not fits.all():
            infinite = ~fits & _matches(texts, INFINITE)
            found.infinite += int(infinite.sum())
            found.infinite_row = _first(found.infinite_row, rows, infinite)
            self._no_numbers(texts.filter(pa.array(~fits & ~infinite)), rows[~fits & ~infinite])
            plain, rows = plain.filter(pa.array(fits)), rows[fits]
        if not len(plain):
            return
        floats = plain.cast(pa.float64()).to_numpy(zero_copy_only=False)
        found.add(floats, rows)
        large = np.abs(floats) >= _EXACT
        if large.any():
            largest = plain.filter(pa.array(large & np.isfinite(floats)))
            self._exactly(pc.unique(largest).to_pylist())
        found.leading_zeros |= bool(_matches(plain, r"^[+-]?0[0-9]").any())
        powers = pc.match_substring_regex(plain, "[eE]")
        if pc.any(powers).as_py():
            found.digits_of(pc.unique(plain.filter(powers)).to_pylist()[:_REMEMBERED])
            found.whole &= not found.decimals
            plain = plain.filter(pc.invert(powers))
        if _matches(plain, r"^[+-]?[0-9]+(\.0?)?$").all():
            return
        found.whole = False
        point = pc.find_substring(plain, ".")
        behind = pc.subtract(pc.subtract(pc.utf8_length(plain), point), 1).filter(pc.greater_equal(point, 0))
        if len(behind):
            longest, shortest = pc.max(behind).as_py(), pc.min(behind).as_py()
            found.pointed += len(behind)
            found.all_three &= longest == shortest == 3
            found.decimals = max(found.decimals, longest)
            if longest >= MOST_DIGITS:
                few = plain.filter(pc.greater_equal(pc.utf8_length(plain), MOST_DIGITS))
                found.digits_of(pc.unique(few).to_pylist()[:_SAMPLE])

    def _no_numbers(self, texts: pa.Array, rows: NDArray[np.int64]) -> None:
        if len(texts):
            self.no_number_row = self.no_number_row or int(rows[0])
            self.last_no_number_row = int(rows[-1])
            self.no_numbers += len(texts)
            self.error_row = _first(self.error_row, rows, _matches(texts, ERROR))
            self.examples += texts.slice(0, max(0, _EXAMPLES - len(self.examples))).to_pylist()

    def _exactly(self, written: list[str]) -> None:
        """Extend the range by integers that floats do not hold exactly."""
        for text in written:
            value = Decimal(text)
            if value.is_finite() and value == value.to_integral_value() and abs(value.adjusted()) < 60:
                self.numbers.lo, self.numbers.hi = min(self.numbers.lo, int(value)), max(self.numbers.hi, int(value))

    def _as_dates(self, texts: pa.Array, rows: NDArray[np.int64]) -> None:
        found = self.dates
        texts = dates(texts, self.reading)
        shaped = _matches(texts, ISO)
        iso = pc.utf8_slice_codeunits(texts.filter(pa.array(shaped)), 0, 10)
        try:
            if _matches(iso, "^0000").any():  # Python has no year 0
                raise pa.ArrowInvalid
            days = iso.cast(pa.date32())
        except pa.ArrowInvalid:
            real = np.array([_is_date(text) for text in iso.to_pylist()], np.bool_)
            days = iso.filter(pa.array(real)).cast(pa.date32())
            found.unreal_row = _first(found.unreal_row, rows[shaped], ~real)
            shaped[shaped] = real
        found.take(days.cast(pa.int32()).to_numpy(zero_copy_only=False))
        found.times |= bool(_matches(texts, r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ].*[1-9]").any())
        found.zones |= bool(_matches(texts, rf"^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}[T ].*[0-9] ?{ZONE}").any())
        self.no_date_row = _first(self.no_date_row, rows, ~shaped)
        if self.reading.day_first is None and not shaped.all():
            unsure = ~shaped & _matches(texts, YEAR_LAST)
            found.unsure += int(unsure.sum())
            found.unsure_row = _first(found.unsure_row, rows, unsure)

    def _remember(self, values: pa.Array) -> None:
        if self.kept < _REMEMBERED:
            self._first.append(values)
            self.kept += len(values)

    @property
    def days_as_numbers(self) -> bool:
        """Whether the first million values are all integers that can be read as days: YYYYMMDD."""
        if not (self.numbers.lo >= 19_000_101 and self.numbers.hi <= 21_001_231) or not self._first:
            return False
        texts = pa.chunked_array([pc.cast(one, pa.string()) for one in self._first])
        return bool(_matches(texts, r"^(19|20)[0-9]{2}(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01])$").all())

    @property
    def all_different(self) -> bool:
        """Whether the first million values all differ."""
        if self.kept < 2:
            return False
        values = pa.chunked_array(self._first)
        return bool(pc.count_distinct(values).as_py() == len(values))

    def share_like(self, pattern: str) -> float:
        """The share of the first million texts that match a pattern, from 0 to 1."""
        texts = pa.chunked_array(self._first, pa.string())
        return float(_matches(texts, pattern).mean()) if len(texts) else 0.0


def _matches(texts: pa.Array | pa.ChunkedArray, pattern: str) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = pc.match_substring_regex(texts, pattern).to_numpy(zero_copy_only=False)
    return found


def _first(known: int, rows: NDArray[np.int64], where: NDArray[np.bool_]) -> int:
    """A row that is known already, else the first of these rows; 0 if there is none."""
    return known or (int(rows[where][0]) if where.any() else 0)


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
