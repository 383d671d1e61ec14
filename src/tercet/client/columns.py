"""Columns of a schema from what a source gives: checked as a whole, then as ring words; errors name row and column.

No value ever stands in a message: what an owner sends to a colleague for help must tell nothing.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tercet.client.digits import scaled, too_many_digits
from tercet.client.encode import encode_array
from tercet.client.sources import Source
from tercet.client.texts import ISO, NUMBER, canonical, days_of, is_text
from tercet.errors import InputError
from tercet.ring import encode, pack_bits, ring
from tercet.store.keys import MAX_KEY_BYTES, Texts
from tercet.store.reading import AS_IT_IS, Reading
from tercet.store.schema import MAX_NAME, Column, ColumnKind, Schema, StoredForm

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


def clean_name(header: str) -> str:
    """The name that a header has in a schema: letters (without accents), digits, . _ -; the rest is an underscore."""
    letters = unicodedata.normalize("NFKD", header.strip().replace("ß", "ss"))
    bare = "".join(letter for letter in letters if not unicodedata.combining(letter))
    name = re.sub(r"[^A-Za-z0-9_.\-]+", "_", bare).strip("_") or "column"
    if not re.match(r"[A-Za-z_]", name):
        name = "_" + name
    return name[: MAX_NAME - 1]  # behind which a mark fits, if the column is nullable


def headers_of(source: Source, schema: Schema) -> list[str]:
    """The source's own name of each column of the schema. InputError if one is not there, or two could be meant."""
    found = []
    by_name: dict[str, list[str]] = {}
    for header in source.columns:
        by_name.setdefault(clean_name(header), []).append(header)
    for name in schema.names:
        if name in source.columns:
            found.append(name)
        elif len(by_name.get(name, ())) == 1:
            found.append(by_name[name][0])
        elif name in by_name:
            raise InputError(f"columns {by_name[name]} of {source.name} could all be {name}", hint="rename one of them")
        else:
            source.check([name])
    return found


class Outside(InputError):
    """A value that the schema does not hold: outside the bounds, or none of the categories."""


class ColumnReader:
    """Checks and encodes one column, piece after piece."""

    def __init__(self, column: Column, reading: Reading = AS_IT_IS) -> None:
        """`reading`: how the source writes values, and what counts as missing there."""
        self.column = column
        self._reading = reading
        self._bounds = column.bounds
        if column.kind is ColumnKind.CATEGORY:
            self._categories = pa.array(column.categories, pa.string())

    def stored(self, values: pa.ChunkedArray, first_row: int | NDArray[np.int64]) -> dict[str, Any]:
        """A piece by the names of `Column.stored`: its words, and the validity bits of a nullable column.

        `first_row` is the number of its first row, from 1, or the numbers of all. InputError names row and column.
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
        """A piece, none of whose values is missing, as ring words (packed bits for bools), or as `keys.KeyValues`.

        See `stored`.
        """
        return self._words(_meant(values, self.column, self._reading), first_row)

    def _words(self, array: pa.Array, first_row: int | NDArray[np.int64]) -> Any:
        place = _Place(self.column.name, first_row)
        place.refuse_null(array)
        found = self._elements(array, place)
        return pack_bits(found) if self.column.kind is ColumnKind.BOOL else found

    def _missing_word(self) -> Any:
        """What is stored where a value is missing: the least that may be there."""
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
            return (
                _integer_keys(array, place) if self.column.form is StoredForm.KEY_INTEGER else _text_keys(array, place)
            )
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
            trimmed = pc.utf8_trim_whitespace(array)
            place.refuse(~_plain(pc.match_substring_regex(trimmed, NUMBER)), "is not a number", _NO_NUMBER)
            array = trimmed
        elif pa.types.is_floating(array.type):
            floats = _plain(array)
            place.refuse(np.isnan(floats), "is missing", FILL)
            place.refuse(np.isinf(floats), "is infinite")
        elif not (
            pa.types.is_integer(array.type) or pa.types.is_decimal(array.type) or pa.types.is_boolean(array.type)
        ):
            _no_kind(array, "number", place)
        lo, hi = self.column.stored_bounds
        place.refuse(too_many_digits(array, digits), f"has more than {digits} digits behind the point", _DIGITS)
        numbers, outside = scaled(array, digits, lo, hi)
        place.refuse(outside, f"is outside the declared bounds [{self.column.lo}, {self.column.hi}]", _WIDER, Outside)
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
            place.refuse(np.isnan(values), "is missing", FILL)
            place.refuse(np.isinf(values), "is infinite")
        low, high = self.column.lo, self.column.hi
        place.refuse((values < lo) | (values > hi), f"is outside the declared bounds [{low}, {high}]", _WIDER, Outside)


class _Place:
    """Where a piece of a column stands, for messages."""

    def __init__(self, column: str, first_row: int | NDArray[np.int64]) -> None:
        self._column = column
        self._first = first_row

    def refuse(self, bad: Any, why: str, hint: str = "", kind: type[InputError] = InputError) -> None:
        """InputError, of that kind, for the first row where `bad` is true."""
        bad = np.asarray(bad)
        if bad.any():
            at = int(np.argmax(bad))
            row = self._first + at if isinstance(self._first, int) else int(self._first[at])
            raise kind(f"column {self._column}, row {row}: the value {why}", hint=hint)

    def refuse_null(self, array: pa.Array) -> None:
        if array.null_count:
            self.refuse(_plain(array.is_null()), "is missing", FILL)

    def refuse_all(self, why: str, hint: str) -> None:
        raise InputError(f"column {self._column}: the values are {why}", hint=hint)


def missing_rows(column: Column, values: pa.ChunkedArray | pa.Array, reading: Reading = AS_IT_IS) -> NDArray[np.bool_]:
    """Which values of a piece are missing: nulls, NaN, and texts that stand for nothing and are no listed category."""
    return _plain(_flat(_meant(values, column, reading)).is_null(nan_is_null=True))


def _meant(values: pa.ChunkedArray | pa.Array, column: Column, reading: Reading) -> pa.Array:
    """Values as the options say that they are written; null where one is missing."""
    return canonical(_one_array(values), column, reading)


def _one_array(values: pa.ChunkedArray | pa.Array) -> pa.Array:
    if isinstance(values, pa.ChunkedArray):
        values = values.chunk(0) if values.num_chunks == 1 else values.combine_chunks()
    if isinstance(values, pa.ChunkedArray):
        values = pa.concat_arrays(values.chunks)
    return values.cast(pa.string()) if pa.types.is_large_string(values.type) or _is_view(values.type) else values


def _is_view(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string_view(kind))


def _plain(array: pa.Array) -> NDArray[Any]:
    """NumPy's view of an Arrow array without nulls; bools are copied."""
    plain: NDArray[Any] = array.to_numpy(zero_copy_only=False)
    return plain


def _flat(array: pa.Array) -> pa.Array:
    """A dictionary's values in their places."""
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array


def _numbers(array: pa.Array, to: pa.DataType, place: _Place) -> pa.Array:
    """Texts as numbers of a type. InputError names the first that is none; ArrowInvalid if the type is too narrow."""
    try:
        return array.cast(to)
    except pa.ArrowInvalid:
        trimmed = pc.utf8_trim_whitespace(array)
        place.refuse(~_plain(pc.match_substring_regex(trimmed, NUMBER)), "is not a number", _NO_NUMBER)
        return trimmed.cast(to)


def _floats(array: pa.Array, place: _Place) -> NDArray[np.float64]:
    array = _flat(array)
    kind = array.type
    if is_text(kind):
        floats = _plain(_numbers(array, pa.float64(), place))
        # what Arrow reads as such a number
        place.refuse(np.isnan(floats), "is missing", FILL)
        return floats
    if (
        pa.types.is_floating(kind)
        or pa.types.is_integer(kind)
        or pa.types.is_decimal(kind)
        or pa.types.is_boolean(kind)
    ):
        if pa.types.is_integer(kind):
            return _plain(array).astype(np.float64)
        return _plain(array.cast(pa.float64()))
    return _no_kind(array, "number", place)


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
        place.refuse(
            floats != np.rint(floats), "is not a whole number", "make the column one of kind decimal, or round"
        )
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
    return _plain(array.cast(pa.int32())).astype(np.int64)


def _calendar(texts: pa.Array, place: _Place, hint: str) -> pa.Array:
    """Texts that look like dates, as dates; the first that is none (the 31st of April) is found by halves."""
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
        return np.empty(0)  # an empty column; what has rows was refused as missing
    place.refuse_all(f"of type {array.type}, which is no {kind}", "convert them, or correct the kind in the schema")
    raise AssertionError


def readers_of(schema: Schema, reading: Reading = AS_IT_IS) -> Sequence[ColumnReader]:
    """One reader for each column, in order."""
    return [ColumnReader(column, reading) for column in schema.columns]


__all__ = ["ColumnReader", "clean_name", "headers_of", "missing_rows", "readers_of"]
