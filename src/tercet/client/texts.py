"""Reads the texts of a table as the owner's options say: numbers, dates, and texts that mean a missing value.

Inference, checks and uploads all use these functions, so they read a table in the same way. A text that cannot be read
stays a text; the caller who needs a number or date refuses it and names its row.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from tercet.store.reading import Reading
from tercet.store.schema import Column, ColumnKind

MISSING = ("", "na", "n/a", "#n/a", "<na>", "nan", "nat", "null", "none", "-", "?")
"""Texts, in lower case, that mean a missing value unless the options name others."""
NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
"""A number in the notation that needs no options."""
CURRENCY = r"[$€£¥₹₽₩₺฿₪₴₫]|\b(?:EUR|USD|GBP|CHF|JPY|CNY|SEK|NOK|DKK|PLN|CZK|INR|AUD|CAD)\b"

_NO_NUMBER = "no number"
_SPACES = " \u00a0\u2009\u202f"
_GROUPS = {" ": f"[{_SPACES}]", "'": "['\u2019]", ".": r"\.", ",": ",", "_": "_"}
ZONE = r"(?:[Zz]|[A-Z]{2,5}|(?:UTC|GMT)?[+-][0-9]{1,2}(?::?[0-9]{2})?)"
_TIME = (
    r"(?:[01]?[0-9]|2[0-4])(?::?[0-5][0-9](?::?(?:[0-5][0-9]|60)(?:[.,][0-9]+)?)?)?"
    rf"(?: ?[AaPp]\.?[Mm]\.?)?(?: ?{ZONE})?(?: ?\[[A-Za-z0-9_/+\-]+\])?"
)
_YEAR_FIRST = rf"^(?P<y>[0-9]{{4}})[./](?P<m>[0-9]{{1,2}})[./](?P<d>[0-9]{{1,2}})(?P<t>(?:T|,? +){_TIME})?$"
YEAR_LAST = rf"^(?P<a>[0-9]{{1,2}})[./\-](?P<b>[0-9]{{1,2}})[./\-](?P<y>[0-9]{{4}})(?P<t>(?:T|,? +){_TIME})?$"
"""A date whose first two numbers are a day and a month, or a month and a day."""
ISO = rf"^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}(?:(?:T| +){_TIME})?$"
"""A date with the year first, perhaps with a time of day. The calendar may not have that day."""
INFINITE = r"(?i)^[+\-\x{2212}]?(inf|infinity|\x{221E}|1\.#INF0*)$"
"""An infinite number, as programs write it."""
COMMENT = r"^(#(\s|#|!|$)|//)"
"""The beginning of a line that is a comment."""
ERROR = (
    r"(?i)^(#(DIV/0!|REF!|VALUE!|NAME\?|NUM!|NULL!|SPILL!|CALC!|GETTING_DATA|#+)|"
    r"[+-]?1\.#(IND|QNAN|SNAN)0*|-nan(\(ind\))?)$"
)
"""What spreadsheets and programs write in place of a number that they could not compute."""


def is_text(kind: pa.DataType) -> bool:
    """Whether an Arrow column holds texts."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def flat(array: pa.Array) -> pa.Array:
    """The array without dictionary encoding, and with texts as Arrow's `string`, the type that all kernels take."""
    if pa.types.is_dictionary(array.type):
        array = coded(array).dictionary_decode()
    return array.cast(pa.string()) if is_text(array.type) and array.type != pa.string() else array


def coded(array: pa.Array) -> pa.Array:
    """A dictionary-encoded array whose texts are Arrow's `string`."""
    words = array.dictionary
    if not is_text(words.type) or words.type == pa.string():
        return array
    return pa.DictionaryArray.from_arrays(array.indices.cast(pa.int64()), words.cast(pa.string()))


def means_missing(texts: pa.Array, reading: Reading) -> pa.Array:
    """Which texts mean a missing value; null for nulls."""
    trimmed = pc.utf8_trim_whitespace(texts)
    if reading.na is None:
        return pc.is_in(pc.utf8_lower(trimmed), pa.array(MISSING))
    return pc.is_in(trimmed, pa.array(sorted({"", *(text.strip() for text in reading.na)})))


def missing_as_null(array: pa.Array, reading: Reading, values: Sequence[str] = ()) -> pa.Array:
    """The array with null for everything that means a missing value, except for texts in `values`."""
    if is_text(array.type):
        gone = means_missing(array, reading)
        if values:
            trimmed = pc.utf8_trim_whitespace(array)
            gone = pc.and_(gone, pc.invert(pc.is_in(trimmed, pa.array(values, pa.string()))))
        return pc.if_else(gone, pa.scalar(None, array.type), array)
    if reading.na and (pa.types.is_floating(array.type) or pa.types.is_integer(array.type)):
        numbers = [number for number in map(_number, reading.na) if number is not None]
        if numbers:
            gone = pc.is_in(array.cast(pa.float64(), safe=False), pa.array(numbers, pa.float64()))
            return pc.if_else(gone, pa.scalar(None, array.type), array)
    return array


def days_of(moments: pa.Array) -> pa.Array:
    """The days of a column of dates or times, in the column's own time zone."""
    if pa.types.is_timestamp(moments.type) and moments.type.tz is not None:
        moments = pc.local_timestamp(moments)
    return moments.cast(pa.date32(), safe=False)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def numbers(texts: pa.Array, reading: Reading) -> pa.Array:
    """Numbers in the notation that needs no options; a text that does not follow the options becomes "no number"."""
    trimmed = pc.replace_substring_regex(pc.utf8_trim_whitespace(texts), "^\u2212", "-")
    if reading.point == "." and reading.groups is None and not reading.strip:
        return trimmed
    for sign in reading.strip or ():
        here = re.escape(sign.strip())
        trimmed = pc.replace_substring_regex(trimmed, rf"^([+-]?)[\s]*{here}[\s{_SPACES}]*", r"\1")
        trimmed = pc.replace_substring_regex(trimmed, rf"[\s{_SPACES}]*{here}$", "")
    point = re.escape(reading.point)
    fits = pc.match_substring_regex(trimmed, rf"^[+-]?([0-9]+{point}?[0-9]*|{point}[0-9]+)([eE][+-]?[0-9]+)?$")
    if reading.groups is not None:
        group = _GROUPS[reading.groups]
        grouped = pc.match_substring_regex(trimmed, grouped_pattern(reading.groups, reading.point))
        trimmed = pc.if_else(grouped, pc.replace_substring_regex(trimmed, group, ""), trimmed)
        fits = pc.or_(fits, grouped)
    plain = trimmed if reading.point == "." else pc.replace_substring(trimmed, reading.point, ".")
    return pc.if_else(fits, plain, pa.scalar(_NO_NUMBER))


def grouped_pattern(group: str, point: str) -> str:
    """A pattern for numbers whose digits are grouped by thousands, or as in India."""
    sign, decimal = _GROUPS[group], re.escape(point)
    thousands, indian = rf"[0-9]{{1,3}}({sign}[0-9]{{3}})+", rf"[0-9]{{1,2}}({sign}[0-9]{{2}})+{sign}[0-9]{{3}}"
    return rf"^[+-]?({thousands}|{indian})({decimal}[0-9]*)?$"


def dates(texts: pa.Array, reading: Reading) -> pa.Array:
    """Dates as YYYY-MM-DD, if the year is written first or the options say whether the day comes first."""
    trimmed = pc.utf8_trim_whitespace(texts)
    out = _rewritten(trimmed, _YEAR_FIRST, ("y", "m", "d"))
    if reading.day_first is not None:
        order = ("y", "b", "a") if reading.day_first else ("y", "a", "b")
        out = _rewritten(out, YEAR_LAST, order)
    return out


def _rewritten(texts: pa.Array, pattern: str, order: tuple[str, str, str]) -> pa.Array:
    if not pc.any(pc.match_substring_regex(texts, pattern), min_count=0).as_py():
        return texts
    found = pc.extract_regex(texts, pattern)
    year, month, day = (pc.struct_field(found, name) for name in order)
    iso = pc.binary_join_element_wise(year, pc.utf8_lpad(month, 2, "0"), pc.utf8_lpad(day, 2, "0"), "-")
    return pc.coalesce(iso, texts)


def canonical(array: pa.Array, column: Column, reading: Reading) -> pa.Array:
    """A piece of a column as `ColumnReader` takes it: nulls for missing values, numbers and dates rewritten."""
    kind = column.kind
    if kind is ColumnKind.KEY:
        return missing_as_null(flat(array), reading) if reading.na is not None else array
    if kind is ColumnKind.CATEGORY:
        if pa.types.is_dictionary(array.type) and is_text(array.type.value_type):
            words = flat(array.dictionary)
            if not pc.any(means_missing(words, reading), min_count=0).as_py():
                return coded(array)
        return missing_as_null(flat(array), reading, column.categories)
    array = missing_as_null(flat(array), reading)
    if not is_text(array.type):
        return array
    if kind.is_number:
        return numbers(array, reading)
    return dates(array, reading) if kind is ColumnKind.DATE else array
