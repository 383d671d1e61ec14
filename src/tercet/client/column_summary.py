"""What is known of a column, batch after batch, in bounded memory: what its values can be, and since when not."""

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
    nothing,
    numbers,
    without_nothing,
)
from tercet.store.reading import Reading

MOST_TEXTS = 64
"""More different texts than this are not kept."""
MOST_DIGITS = 9
"""So many digits behind the point are counted one by one; what has more is looked at by its significant digits."""
_REMEMBERED = 1 << 20
_EXAMPLES = 200
_EXACT = 2.0**53
_GIVEN_UP = 10_000
_SAMPLE = 2048
_CODES = np.array([sign * (10**places - 1) for sign in (1, -1) for places in range(1, 10) if sign < 0 or places > 1])


@dataclass
class Numbers:
    """Of the values that are numbers."""

    count: int = 0
    lo: float = math.inf
    hi: float = -math.inf
    whole: bool = True
    zero_or_one: bool = True
    decimals: int = 0
    """The most digits behind the point, trailing zeros of texts included."""
    significant: int = 0
    """The most significant digits of values with digits behind the point; counted where there are many of those."""
    least: float = math.inf
    """The smallest magnitude but 0."""
    leading_zeros: bool = False
    code_row: int = 0
    """The first that holds -9, 999 or the like, which often stand for missing values."""
    code_lo: float = 0
    code_hi: float = 0
    others_lo: float = math.inf
    others_hi: float = -math.inf
    infinite_row: int = 0
    infinite: int = 0
    """How many texts are infinite numbers."""
    largest_row: int = 0
    """The first of the largest magnitude, about."""
    all_three: bool = True
    """Whether every value with a point has three digits behind it."""
    pointed: int = 0

    def take(self, values: NDArray[Any], rows: NDArray[np.int64]) -> None:
        """Take numbers in: their range."""
        if not values.size:
            return
        if values.dtype.kind == "f":
            finite = np.isfinite(values)
            if not finite.all():
                self.infinite_row = self.infinite_row or int(rows[~finite][0])
                values, rows = values[finite], rows[finite]
        self.count += values.size
        if not values.size:
            return
        lowest, highest = values.min().item(), values.max().item()
        if max(-lowest, highest) > max(-self.lo, self.hi):
            self.largest_row = int(rows[int(np.argmax(values if highest >= -lowest else -values.astype(np.float64)))])
        self.lo, self.hi = min(self.lo, lowest), max(self.hi, highest)
        self.zero_or_one = self.zero_or_one and bool(((values == 0) | (values == 1)).all())
        codes = np.isin(values, _CODES)
        if codes.any():
            self.code_row = self.code_row or int(rows[codes][0])
            held = values[codes]
            self.code_lo, self.code_hi = min(self.code_lo, held.min().item()), max(self.code_hi, held.max().item())
        if not codes.all():
            others = values[~codes]
            lowest, highest = others.min().item(), others.max().item()
            self.others_lo, self.others_hi = min(self.others_lo, lowest), max(self.others_hi, highest)
        if values.dtype.kind == "f":
            sizes = np.abs(values[values != 0])
            if sizes.size:
                self.least = min(self.least, float(sizes.min()))

    def digits_of(self, written: list[str]) -> None:
        """Count the digits of numbers as they are written."""
        for text in written:
            shape = Decimal(text).as_tuple()
            if isinstance(shape.exponent, int) and shape.exponent < 0:
                self.decimals = max(self.decimals, -shape.exponent)
                self.significant = max(self.significant, len("".join(map(str, shape.digits)).lstrip("0")))


@dataclass
class Dates:
    """Of the values that are dates."""

    count: int = 0
    first: int = 1 << 31
    last: int = -(1 << 31)
    times: bool = False
    zones: bool = False
    """Whether times of day stand there with a time zone."""
    unreal_row: int = 0
    """The first that is written as a date, and is none of the calendar."""
    unsure: int = 0
    """Texts of two numbers and a year, of which nobody has said which one is the day."""
    unsure_row: int = 0

    def take(self, days: NDArray[Any]) -> None:
        """Take days since 1970 in."""
        if days.size:
            self.count += days.size
            self.first, self.last = min(self.first, int(days.min())), max(self.last, int(days.max()))


@dataclass
class ColumnSummary:
    """A column as far as it has been read; `add` takes the next piece in."""

    reading: Reading
    count: int = 0
    missing: int = 0
    stand_ins: set[str] = field(default_factory=set)
    """Texts other than nothing at all that were taken for missing values."""
    typed: str = ""
    """What the source says that it holds: text, bool, number, date, category; or empty."""
    strange: str = ""
    numbers: Numbers = field(default_factory=Numbers)
    dates: Dates = field(default_factory=Dates)
    no_number_row: int = 0
    last_no_number_row: int = 0
    no_numbers: int = 0
    """How many texts are no numbers, of those that were looked at."""
    error_row: int = 0
    """The first with what a spreadsheet writes where it could not compute."""
    no_date_row: int = 0
    first_text: str = field(default="", repr=False)
    """What stands in the first row, if it is a text."""
    last_text: str = field(default="", repr=False)
    last_row: int = 0
    """What stands in the last row that holds a text, and its number."""
    comment_row: int = 0
    """The first that begins as a comment does; and how many of them do."""
    comments: int = 0
    first_again: bool = False
    """Whether that stands in another row, too."""
    examples: list[str] = field(default_factory=list, repr=False)
    """Some of the texts that are no numbers."""
    texts: set[str] | None = field(default_factory=set, repr=False)
    """All different texts, unless they are too many."""
    _first: list[pa.Array] = field(default_factory=list, repr=False)
    kept: int = 0

    def add(self, values: pa.Array, first_row: int) -> None:
        """Take one more piece in, whose first row has that number."""
        if pa.types.is_dictionary(values.type) and is_text(values.type.value_type):
            self._typed("category")
        values = flat(values)
        rows = np.arange(first_row, first_row + len(values))
        kind = values.type
        if is_text(kind):
            self._typed("category" if self.typed == "category" else "text")
            self._texts(values, rows)
            return
        values = without_nothing(values, self.reading)
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
            self.numbers.take(values.to_numpy(zero_copy_only=False), rows)
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
        found.take(values, rows)
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
        found.take(values.cast(pa.float64()).to_numpy(zero_copy_only=False), rows)
        self._exactly([str(value) for value in (pc.min(values).as_py(), pc.max(values).as_py())])
        whole = bool(pc.all(pc.equal(pc.round(values), values), min_count=0).as_py())
        if not whole:
            found.whole = False
            found.decimals = max(found.decimals, values.type.scale)

    def _texts(self, values: pa.Array, rows: NDArray[np.int64]) -> None:
        gone = pc.or_(nothing(values, self.reading), values.is_null()).to_numpy(zero_copy_only=False)
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
        remarks = pc.match_substring_regex(texts, COMMENT).to_numpy(zero_copy_only=False)
        if remarks.any():
            self.comments += int(remarks.sum())
            self.comment_row = self.comment_row or int(rows[remarks][0])
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
        plain = numbers(texts, self.reading)
        fits = pc.match_substring_regex(plain, NUMBER)
        mask = fits.to_numpy(zero_copy_only=False)
        if not mask.all():
            endless = pc.match_substring_regex(texts, INFINITE).to_numpy(zero_copy_only=False)
            if endless.any():
                self.numbers.infinite += int(endless.sum())
                self.numbers.infinite_row = self.numbers.infinite_row or int(rows[endless][0])
                others = ~endless
                texts, plain, rows, mask = (
                    texts.filter(pa.array(others)),
                    plain.filter(pa.array(others)),
                    rows[others],
                    mask[others],
                )
                fits = pa.array(mask)
        if not mask.all():
            self.no_number_row = self.no_number_row or int(rows[~mask][0])
            self.last_no_number_row = int(rows[~mask][-1])
            self.no_numbers += int((~mask).sum())
            others = texts.filter(pc.invert(fits))
            self._errors(others, rows[~mask])
            self.examples += others.slice(0, max(0, _EXAMPLES - len(self.examples))).to_pylist()
            plain, rows = plain.filter(fits), rows[mask]
        if not len(plain):
            return
        found = self.numbers
        floats = plain.cast(pa.float64()).to_numpy(zero_copy_only=False)
        found.take(floats, rows)
        large = np.abs(floats) >= _EXACT
        if large.any():
            largest = plain.filter(pa.array(large & np.isfinite(floats)))
            self._exactly(pc.unique(largest).to_pylist())
        found.leading_zeros |= _any(plain, r"^[+-]?0[0-9]")
        powers = pc.match_substring_regex(plain, "[eE]")
        if pc.any(powers).as_py():
            found.digits_of(pc.unique(plain.filter(powers)).to_pylist()[:_REMEMBERED])
            found.whole &= not found.decimals
            plain = plain.filter(pc.invert(powers))
        if _all(plain, r"^[+-]?[0-9]+(\.0?)?$"):
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

    def _errors(self, texts: pa.Array, rows: NDArray[np.int64]) -> None:
        if not self.error_row:
            wrong = pc.match_substring_regex(texts, ERROR).to_numpy(zero_copy_only=False)
            self.error_row = int(rows[wrong][0]) if wrong.any() else 0

    def _exactly(self, written: list[str]) -> None:
        """The range, where floats do not tell integers apart."""
        for text in written:
            value = Decimal(text)
            if value.is_finite() and value == value.to_integral_value() and abs(value.adjusted()) < 60:
                self.numbers.lo, self.numbers.hi = min(self.numbers.lo, int(value)), max(self.numbers.hi, int(value))

    def _as_dates(self, texts: pa.Array, rows: NDArray[np.int64]) -> None:
        found = self.dates
        texts = dates(texts, self.reading)
        shaped = pc.match_substring_regex(texts, ISO).to_numpy(zero_copy_only=False)
        iso = pc.utf8_slice_codeunits(texts.filter(pa.array(shaped)), 0, 10)
        try:
            if _any(iso, "^0000"):  # a year that Python does not have
                raise pa.ArrowInvalid
            days = iso.cast(pa.date32())
        except pa.ArrowInvalid:
            real = np.array([_is_date(text) for text in iso.to_pylist()], np.bool_)
            days = iso.filter(pa.array(real)).cast(pa.date32())
            found.unreal_row = found.unreal_row or int(rows[shaped][~real][0])
            shaped[shaped] = real
        found.take(days.cast(pa.int32()).to_numpy(zero_copy_only=False))
        found.times |= _any(texts, r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ].*[1-9]")
        found.zones |= _any(texts, rf"^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}[T ].*[0-9] ?{ZONE}")
        if not shaped.all():
            others, places = texts.filter(pa.array(~shaped)), rows[~shaped]
            self.no_date_row = self.no_date_row or int(places[0])
            unsure = pc.match_substring_regex(others, YEAR_LAST).to_numpy(zero_copy_only=False)
            if self.reading.day_first is None and unsure.any():
                found.unsure += int(unsure.sum())
                found.unsure_row = found.unsure_row or int(places[unsure][0])

    def _remember(self, values: pa.Array) -> None:
        if self.kept < _REMEMBERED:
            self._first.append(values)
            self.kept += len(values)

    @property
    def days_as_numbers(self) -> bool:
        """Whether all of the first million values are integers that read as days: YYYYMMDD."""
        if not (self.numbers.lo >= 19_000_101 and self.numbers.hi <= 21_001_231) or not self._first:
            return False
        texts = pa.chunked_array([pc.cast(one, pa.string()) for one in self._first])
        return _all(texts, r"^(19|20)[0-9]{2}(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01])$")

    @property
    def all_different(self) -> bool:
        """Of the first million values."""
        if self.kept < 2:
            return False
        values = pa.chunked_array(self._first)
        return bool(pc.count_distinct(values).as_py() == len(values))

    def share_like(self, pattern: str) -> float:
        """Which part of the first million texts looks like this."""
        texts = pa.chunked_array(self._first, pa.string())
        return float(pc.mean(pc.match_substring_regex(texts, pattern).cast(pa.float64())).as_py() or 0.0)


def _any(texts: pa.Array, pattern: str) -> bool:
    return bool(pc.any(pc.match_substring_regex(texts, pattern), min_count=0).as_py())


def _all(texts: pa.Array, pattern: str) -> bool:
    return bool(pc.all(pc.match_substring_regex(texts, pattern), min_count=0).as_py())


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
