"""Columns of a table as ring words: each piece is checked as a whole; errors name row and column.

No value is ever part of a message: an owner may send it to a colleague who asks for help.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tercet.client.encode import encode_array
from tercet.client.texts import ISO, NUMBER, canonical, days_of, is_text
from tercet.errors import InputError
from tercet.ring import encode, pack_bits, ring
from tercet.store.keys import MAX_KEY_BYTES, Texts
from tercet.store.reading import AS_IT_IS, Reading
from tercet.store.schema import Column, ColumnKind, StoredForm, days

_PRECISION = 38
"""Digits of Arrow's decimals of 128 bits: more than any bound that fits a ring of 128 bits."""
_SAFE = 1 << 51
"""Up to this size, rounding a float times a power of ten gives the right whole number."""
_SAFE_DIGITS = 22
"""10^22 is the greatest power of ten that a float holds exactly."""
_LONG = r"[eE][+-]?[0-9]{4}|^.{100}"
"""Numbers that Arrow must not read as decimals: some exponents make it end the process."""
TRUE = ("true", "yes", "y", "t", "1")
FALSE = ("false", "no", "n", "f", "0")
FILL = "say nullable = true in the schema, fill it in, or leave such rows out (missing rows are dropped on request)"
_NO_NUMBER = (
    "correct it; or say how numbers are written: --decimal ',' or --thousands ',' (in Python decimal=',' or "
    "thousands=',')"
)
_WHOLE = "make the column one of kind decimal in the schema, or round"
_DIGITS = "round it, or say more digits in the schema"
_WIDER = "correct it, or declare wider bounds in the schema (bounds are public)"
_INT64 = np.iinfo(np.int64)
_EXACT = 1 << 53
_FIRST_DAY = days(date.min)
_NUMBER_TYPES = (pa.types.is_floating, pa.types.is_integer, pa.types.is_decimal, pa.types.is_boolean)


def too_many_digits(array: pa.Array, digits: int) -> NDArray[np.bool_]:
    """Which numbers (as texts, floats, decimals or integers) have more than `digits` digits behind the point.

    A float is read as the shortest decimal number that is nearest to it: 0.1 has one digit.
    """
    if pa.types.is_floating(array.type):
        floats = array.to_numpy(zero_copy_only=False)
        whole = _rounded(floats, digits)
        if whole is not None:
            return np.asarray((whole / 10.0**digits).astype(floats.dtype) != floats)
    elif pa.types.is_integer(array.type) or pa.types.is_boolean(array.type) or _cast(array, digits) is not None:
        return np.zeros(len(array), np.bool_)
    return np.array([_exact(value, digits) is None for value in _decimals(array)], np.bool_)


def scaled(array: pa.Array, digits: int, lo: int, hi: int) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Numbers times 10^digits, as int64 or Python ints, and which of them lie outside [lo, hi].

    For numbers that `too_many_digits` found right.
    """
    if pa.types.is_floating(array.type):
        whole = _rounded(array.to_numpy(zero_copy_only=False), digits)
        numbers: Any = None if whole is None else whole.astype(np.int64)
    else:
        decimals = _cast(array, digits)
        numbers = None if decimals is None else _unscaled(decimals)
    if numbers is None:
        numbers = np.empty(len(array), object)
        pairs = (_exact(value, digits) or (0, 0) for value in _decimals(array))
        # large powers are cut: the number is beyond every bound anyway
        numbers[:] = [number * 10 ** min(power, _PRECISION + 1) for number, power in pairs]
    return numbers, np.asarray((numbers < lo) | (numbers > hi), np.bool_)


def _rounded(floats: NDArray[Any], digits: int) -> NDArray[np.float64] | None:
    """The whole numbers nearest to floats times 10^digits; None if some are too large to be exact."""
    if digits > _SAFE_DIGITS:
        return None
    with np.errstate(over="ignore"):
        whole = np.rint(floats.astype(np.float64) * 10.0**digits)
    return whole if not whole.size or np.abs(whole).max() < _SAFE else None


def _cast(array: pa.Array, digits: int) -> pa.Array | None:
    """As Arrow's decimals; None if a number has more digits, or is too large."""
    if pa.types.is_string(array.type) and pc.any(pc.match_substring_regex(array, _LONG)).as_py():
        return None
    try:
        if pa.types.is_boolean(array.type):
            array = array.cast(pa.int8())
        if pa.types.is_integer(array.type):
            array = array.cast(pa.decimal128(20, 0))
        return array.cast(pa.decimal128(_PRECISION, digits))
    except pa.ArrowInvalid:
        return None


def _unscaled(decimals: pa.Array) -> NDArray[Any]:
    """The whole numbers that Arrow stores for its decimals: 128 bits each, little-endian, in two's complement."""
    words = np.frombuffer(decimals.buffers()[1], np.dtype([("lo", "<u8"), ("hi", "<i8")]))
    words = words[decimals.offset : decimals.offset + len(decimals)]
    low = words["lo"].astype(np.int64)
    if (words["hi"] == low >> 63).all():
        return low
    wide: NDArray[Any] = words["lo"].astype(object) + words["hi"].astype(object) * (1 << 64)
    return wide


def _decimals(array: pa.Array) -> list[Decimal]:
    if pa.types.is_floating(array.type):
        return [Decimal(str(value)) for value in array.to_numpy(zero_copy_only=False)]
    if pa.types.is_string(array.type):
        # Python's Decimal takes no longer exponents
        array = pc.replace_substring_regex(array, r"([eE][+-]?)0*[1-9][0-9]{9,}$", r"\1999999999")
    return [Decimal(value) for value in array.to_pylist()]


def _exact(value: Decimal, digits: int) -> tuple[int, int] | None:
    """(number, power of ten) of a value times 10^digits; None if it is no whole number."""
    sign, figures, exponent = value.as_tuple()
    if not any(figures):
        return 0, 0
    text = "".join(map(str, figures))
    shown = text.rstrip("0")
    power = int(exponent) + len(text) - len(shown) + digits
    if power < 0:
        return None
    number = int(shown) if len(shown) <= _PRECISION else 10**_PRECISION  # both are beyond every bound
    return (-number if sign else number), power


SHOWN_ROWS = 100
"""Of the values that cannot be shared in one piece of a column, so many are named by their rows."""


class CellError(InputError):
    """Values of one column that cannot be shared: the `rows` of the first ones, counted from 1, of `count`; `why`."""

    def __init__(self, column: str, rows: tuple[int, ...], count: int, why: str, hint: str) -> None:
        super().__init__(f"column {column}, row {rows[0]}: the value {why}", hint=hint)
        self.column, self.rows, self.count, self.why = column, rows, count, why


class Outside(CellError):
    """Values that the schema does not allow: outside the bounds, or none of the categories."""


class ColumnReader:
    """Checks and encodes one column, piece after piece."""

    def __init__(self, column: Column, reading: Reading = AS_IT_IS) -> None:
        """`reading`: how the source writes values, and which texts mean a missing value."""
        self.column = column
        self._reading = reading
        self._bounds = column.bounds
        if column.kind is ColumnKind.CATEGORY:
            self._categories = pa.array(column.categories, pa.string())

    def stored(self, values: pa.ChunkedArray, first_row: int | NDArray[np.int64]) -> dict[str, Any]:
        """What is stored for a piece, under the names of `Column.stored`: words, and validity bits if it is nullable.

        `first_row`: the number of its first row, counted from 1, or the numbers of all rows. InputError names row and
        column.
        """
        column, array = self.column, _meant(values, self.column, self._reading)
        if not column.nullable:
            return {column.name: self._words(array, first_row)}
        present = ~_plain(array.is_null(nan_is_null=True))
        rows = np.flatnonzero(present)
        numbers = rows + first_row if isinstance(first_row, int) else first_row[rows]
        found = self._elements(array.filter(pa.array(present)), _Place(column.name, numbers))
        out = np.full(len(array), self._missing_word(), found.dtype)
        out[rows] = found
        words = pack_bits(out) if column.form is StoredForm.BITS else out
        return {column.name: words, column.validity: pack_bits(present)}

    def words(self, values: pa.ChunkedArray | pa.Array, first_row: int | NDArray[np.int64]) -> Any:
        """A piece without missing values, as ring words (packed bits for bools) or `keys.KeyValues`; see `stored`."""
        return self._words(_meant(values, self.column, self._reading), first_row)

    def _words(self, array: pa.Array, first_row: int | NDArray[np.int64]) -> Any:
        place = _Place(self.column.name, first_row)
        place.refuse_null(array)
        found = self._elements(array, place)
        return pack_bits(found) if self.column.kind is ColumnKind.BOOL else found

    def _missing_word(self) -> Any:
        """What is stored in place of a missing value: the lower bound."""
        if self.column.form is StoredForm.BITS:
            return False
        return ring(self.column.form.ring_bits).from_ints([self.column.stored_bounds[0]])[0]

    def _elements(self, array: pa.Array, place: _Place) -> Any:
        """Bools, ring words, or key values, one for each row."""
        kind = self.column.kind
        if kind is ColumnKind.BOOL:
            return _bools(array, place)
        if kind is ColumnKind.CATEGORY:
            return _codes(array, self._categories, place).view(np.uint64)
        if kind is ColumnKind.KEY:
            is_integer = self.column.form is StoredForm.KEY_INTEGER
            return _integer_keys(array, place) if is_integer else _text_keys(array, place)
        if self.column.digits is not None:
            return self._scaled(array, self.column.digits, place)
        if kind is ColumnKind.DECIMAL:
            floats = _floats(array, place)
            self._check(floats, place)
            return encode(floats, self.column.scale_bits, ring(self.column.form.ring_bits))
        numbers = _days(array, place) if kind is ColumnKind.DATE else _integers(array, place)
        self._check(numbers, place)
        if numbers.dtype == np.int64 and self.column.form is StoredForm.WORDS64:
            return numbers.view(np.uint64)
        return encode_array(numbers, self._bounds).words

    def _scaled(self, array: pa.Array, digits: int, place: _Place) -> Any:
        """Values times 10^digits, as ring words."""
        array = _flat(array)
        if is_text(array.type):
            array = _trimmed_numbers(array, place)
        elif pa.types.is_floating(array.type):
            place.refuse_not_finite(_plain(array))
        elif not _is_number(array.type):
            _no_kind(array, "number", place)
        lo, hi = self.column.stored_bounds
        place.refuse(too_many_digits(array, digits), f"has more than {digits} digits behind the point", _DIGITS)
        numbers, outside = scaled(array, digits, lo, hi)
        self._refuse_outside(outside, place)
        return ring(self.column.form.ring_bits).from_ints(numbers)

    def _check(self, values: NDArray[Any], place: _Place) -> None:
        if not values.size:
            return
        assert self._bounds is not None
        lo, hi = self._bounds
        # NaN fails both comparisons
        if lo <= values.min() and values.max() <= hi:
            return
        if values.dtype.kind == "f":
            place.refuse_not_finite(values)
        self._refuse_outside((values < lo) | (values > hi), place)

    def _refuse_outside(self, outside: NDArray[np.bool_], place: _Place) -> None:
        low, high = self.column.lo, self.column.hi
        place.refuse(outside, f"is outside the declared bounds [{low}, {high}]", _WIDER, Outside)


class _Place:
    """The rows of a piece of a column, for messages."""

    def __init__(self, column: str, first_row: int | NDArray[np.int64]) -> None:
        self._column = column
        self._first = first_row

    def refuse(self, bad: Any, why: str, hint: str = "", kind: type[CellError] = CellError) -> None:
        """CellError, of that kind, for the rows where `bad` is true."""
        bad = np.asarray(bad)
        if bad.any():
            places = np.flatnonzero(bad)
            shown = places[:SHOWN_ROWS]
            rows = shown + self._first if isinstance(self._first, int) else self._first[shown]
            raise kind(self._column, tuple(map(int, rows)), len(places), why, hint)

    def refuse_not_finite(self, floats: NDArray[Any]) -> None:
        self.refuse(np.isnan(floats), "is missing", FILL)
        self.refuse(np.isinf(floats), "is infinite")

    def refuse_null(self, array: pa.Array) -> None:
        if array.null_count:
            self.refuse(_plain(array.is_null()), "is missing", FILL)

    def refuse_all(self, why: str, hint: str) -> None:
        raise InputError(f"column {self._column}: the values are {why}", hint=hint)


def missing_rows(column: Column, values: pa.ChunkedArray | pa.Array, reading: Reading = AS_IT_IS) -> NDArray[np.bool_]:
    """Which values of a piece are missing: nulls, NaN, and texts that mean so, unless they are listed categories."""
    return _plain(_flat(_meant(values, column, reading)).is_null(nan_is_null=True))


def _meant(values: pa.ChunkedArray | pa.Array, column: Column, reading: Reading) -> pa.Array:
    """The values as the options say to read them; null where one is missing."""
    return canonical(_one_array(values), column, reading)


def _one_array(values: pa.ChunkedArray | pa.Array) -> pa.Array:
    if isinstance(values, pa.ChunkedArray):
        values = values.chunk(0) if values.num_chunks == 1 else values.combine_chunks()
    if isinstance(values, pa.ChunkedArray):
        values = pa.concat_arrays(values.chunks)
    return values.cast(pa.string()) if is_text(values.type) and values.type != pa.string() else values


def _plain(array: pa.Array) -> NDArray[Any]:
    """NumPy's view of an Arrow array without nulls; bools are copied."""
    plain: NDArray[Any] = array.to_numpy(zero_copy_only=False)
    return plain


def _flat(array: pa.Array) -> pa.Array:
    """A dictionary's values in their places."""
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array


def _numbers(array: pa.Array, to: pa.DataType, place: _Place) -> pa.Array:
    """Texts as numbers of a type. InputError names the first other text; ArrowInvalid if the type is too narrow."""
    try:
        found = array.cast(to)
    except pa.ArrowInvalid:
        return _trimmed_numbers(array, place).cast(to)
    # Arrow takes hexadecimal ones for integers: 0xFFFFFFFFFFFFFFFF as -1
    if pa.types.is_integer(to) and pc.any(pc.match_substring(array, "x", ignore_case=True)).as_py():
        _trimmed_numbers(array, place)
    return found


def _trimmed_numbers(texts: pa.Array, place: _Place) -> pa.Array:
    trimmed = pc.utf8_trim_whitespace(texts)
    place.refuse(~_plain(pc.match_substring_regex(trimmed, NUMBER)), "is not a number", _NO_NUMBER)
    return trimmed


def _is_number(kind: pa.DataType) -> bool:
    """Whether values of an Arrow type are numbers or bools."""
    return any(test(kind) for test in _NUMBER_TYPES)


def _floats(array: pa.Array, place: _Place) -> NDArray[np.float64]:
    array = _flat(array)
    kind = array.type
    if is_text(kind):
        floats = _plain(_numbers(array, pa.float64(), place))
        # Arrow also reads texts such as "nan"
        place.refuse(np.isnan(floats), "is missing", FILL)
        return floats
    if not _is_number(kind):
        return _no_kind(array, "number", place)
    # Arrow refuses to cast large integers
    return _plain(array).astype(np.float64) if pa.types.is_integer(kind) else _plain(array.cast(pa.float64()))


def _integers(array: pa.Array, place: _Place) -> NDArray[Any]:
    """int64; or Python ints where that is too narrow."""
    array = _flat(array)
    kind = array.type
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        if kind == pa.uint64() and len(array) and pc.max(array).as_py() > _INT64.max:
            return _plain(array).astype(object)
        return _plain(array.cast(pa.int64()))
    if is_text(kind):
        try:
            return _plain(_numbers(array, pa.int64(), place))
        except pa.ArrowInvalid:
            texts = pc.utf8_trim_whitespace(array)
            if not _plain(pc.match_substring_regex(texts, r"^[+-]?[0-9]+$")).all():
                return _integers(texts.cast(pa.float64()), place)
            return np.array([int(text) for text in texts.to_pylist()], dtype=object)
    if pa.types.is_floating(kind):
        floats = _plain(array.cast(pa.float64()))
        place.refuse(np.isnan(floats), "is missing", FILL)
        place.refuse(floats != np.rint(floats), "is not a whole number", _WHOLE)
        place.refuse(np.abs(floats) >= _EXACT, "is too large to be exact", "write it without an exponent")
        return floats.astype(np.int64)
    if pa.types.is_decimal(kind):
        try:
            return _plain(array.cast(pa.int64()))
        except pa.ArrowInvalid:
            whole = _plain(pc.equal(pc.round(array), array))
            place.refuse(~whole, "is not a whole number", _WHOLE)
            return np.array([int(value) for value in array.to_pylist()], dtype=object)
    return _no_kind(array, "whole number", place)


def _bools(array: pa.Array, place: _Place) -> NDArray[np.bool_]:
    array = _flat(array)
    if pa.types.is_boolean(array.type):
        return _plain(array)
    hint = f"write {TRUE[0]} or {FALSE[0]}, {TRUE[-1]} or {FALSE[-1]}"
    if is_text(array.type):
        texts = pc.utf8_lower(pc.utf8_trim_whitespace(array))
        found = _plain(pc.index_in(texts, pa.array(TRUE + FALSE)).fill_null(-1))
        if found.size and found.min() < 0:
            place.refuse(found < 0, "is neither true nor false", hint)
        return np.asarray(found < len(TRUE))
    numbers = _floats(array, place)
    place.refuse(np.isnan(numbers), "is missing", FILL)
    place.refuse((numbers != 0) & (numbers != 1), "is neither true nor false", hint)
    return np.asarray(numbers == 1)


def _codes(array: pa.Array, categories: pa.Array, place: _Place) -> NDArray[np.int64]:
    """The place of each text in the list of categories."""
    if pa.types.is_dictionary(array.type):
        of_dictionary = pc.index_in(_as_texts(array.dictionary), categories)
        found = of_dictionary.take(array.indices.cast(pa.int64()))
    else:
        found = pc.index_in(_as_texts(array), categories)
    if found.null_count:
        texts = pc.utf8_trim_whitespace(_as_texts(_flat(array)))
        found = pc.index_in(texts, categories)
        place.refuse(
            _plain(found.is_null()), "is none of the categories", "correct it, or add it to the schema", Outside
        )
    return _plain(found.cast(pa.int64()))


def _integer_keys(array: pa.Array, place: _Place) -> NDArray[np.int64]:
    integers = _integers(array, place)
    if integers.dtype == object:
        place.refuse(np.abs(integers) > _INT64.max, "is no integer of 64 bits", "make the key one of text")
    return integers.astype(np.int64)


def _text_keys(array: pa.Array, place: _Place) -> Texts:
    texts = _as_texts(_flat(array)).cast(pa.large_string())
    lengths = _plain(pc.binary_length(texts))
    place.refuse(lengths == 0, "is missing", "a public key names a row")
    place.refuse(lengths > MAX_KEY_BYTES, f"has more than {MAX_KEY_BYTES} bytes")
    _, offsets, data = texts.buffers()
    if not len(texts):
        return Texts(np.zeros(1, np.int64), np.empty(0, np.uint8))
    at = np.frombuffer(offsets, np.int64)[texts.offset : texts.offset + len(texts) + 1]
    return Texts(at - at[0], np.frombuffer(data, np.uint8)[at[0] : at[-1]])


def _as_texts(array: pa.Array) -> pa.Array:
    if is_text(array.type):
        return array
    if pa.types.is_floating(array.type):
        with suppress(pa.ArrowInvalid):
            array = array.cast(pa.int64())  # 1.0 is written 1
    return array.cast(pa.string())


def _days(array: pa.Array, place: _Place) -> NDArray[np.int64]:
    """Days since 1970-01-01."""
    array = _flat(array)
    kind = array.type
    hint = "write dates as YYYY-MM-DD, or say what comes first: --day-first or --month-first"
    if is_text(kind):
        try:
            array = array.cast(pa.date32())
        except pa.ArrowInvalid:
            texts = pc.utf8_trim_whitespace(array)
            shaped = pc.match_substring_regex(texts, ISO)
            place.refuse(~_plain(shaped), "is not a date", hint)
            array = _calendar(pc.utf8_slice_codeunits(texts, 0, 10), place, hint)
    elif pa.types.is_timestamp(kind) or pa.types.is_date64(kind):
        array = days_of(array)
    elif not pa.types.is_date32(kind):
        return _no_kind(array, "date", place)
    found = _plain(array.cast(pa.int32())).astype(np.int64)
    # Arrow has years before 1, which no bound can be
    place.refuse(found < _FIRST_DAY, "is not a date of the calendar", hint)
    return found


def _calendar(texts: pa.Array, place: _Place, hint: str) -> pa.Array:
    """Texts that look like dates, as dates. Arrow does not say which is no date (31 April): halving finds the first."""
    try:
        return texts.cast(pa.date32())
    except pa.ArrowInvalid:
        lo, hi = 0, len(texts)
        while hi - lo > 1:
            middle = (lo + hi) // 2
            try:
                texts.slice(lo, middle - lo).cast(pa.date32())
                lo = middle
            except pa.ArrowInvalid:
                hi = middle
        bad = np.zeros(len(texts), np.bool_)
        bad[lo] = True
        place.refuse(bad, "is not a date of the calendar", hint)
        raise


def _no_kind(array: pa.Array, kind: str, place: _Place) -> NDArray[Any]:
    if pa.types.is_null(array.type):
        return np.empty(0)  # the column has no rows: nulls were refused as missing
    place.refuse_all(f"of type {array.type}, which is no {kind}", "convert them, or correct the kind in the schema")
    raise AssertionError
