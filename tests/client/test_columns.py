"""Columns of every kind, from every representation, to ring words; errors name row and column, never a value."""

from __future__ import annotations

import datetime
import decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tercet.client.columns import ColumnReader, missing_rows
from tercet.client.encode import decode_words, encode_array, stored_values
from tercet.client.readers import open_source
from tercet.client.sources import clean_name, headers_of
from tercet.errors import InputError
from tercet.ring import unpack_bits
from tercet.store.keys import Texts
from tercet.store.schema import Column, Schema

STARTS_NOTHING = True
BOOL = Column(name="c", kind="bool")
INTEGER = Column(name="c", kind="integer", lo=-10, hi=1000)
HUGE = Column(name="c", kind="integer", lo=0, hi=1 << 100)
DECIMAL = Column(name="c", kind="decimal", lo=-10, hi=1000.5)
FINE = Column(name="c", kind="decimal", lo=-10, hi=1000, frac_bits=60)
CATEGORY = Column(name="c", kind="category", categories=("red", "green", "12", "true"))
DATE = Column(name="c", kind="date", lo=datetime.date(1900, 1, 1), hi=datetime.date(2100, 1, 1))
TEXT_KEY = Column(name="c", kind="key", key="text")
INTEGER_KEY = Column(name="c", kind="key", key="integer")


def words(column: Column, values: Any, first_row: int = 1) -> Any:
    return ColumnReader(column).words(pa.chunked_array([values]), first_row)


def plain(column: Column, values: Any) -> list[Any]:
    found: list[Any] = decode_words(words(column, values), column.type(len(values))).tolist()
    return found


@pytest.mark.parametrize(
    ("column", "values", "expected"),
    [
        (BOOL, pa.array([True, False]), [True, False]),
        (BOOL, pa.array(["Yes", " no", "1", "FALSE"]), [True, False, True, False]),
        (BOOL, pa.array([1, 0]), [True, False]),
        (BOOL, pa.array([1.0, 0.0]), [True, False]),
        (INTEGER, pa.array([1, -10, 1000], pa.int16()), [1, -10, 1000]),
        (INTEGER, pa.array([1, 7], pa.uint64()), [1, 7]),
        (INTEGER, pa.array(["1", "-10", " 7 "]), [1, -10, 7]),
        (INTEGER, pa.array(["1", "2.0", "1e2"]), [1, 2, 100]),
        (INTEGER, pa.array([3.0, 4.0]), [3, 4]),
        (INTEGER, pa.array([True, False]), [1, 0]),
        (INTEGER, pa.array([decimal.Decimal("5.00")]), [5]),
        (INTEGER, pa.array(["7", "8"]).dictionary_encode(), [7, 8]),
        (HUGE, pa.array([str(1 << 100), "3"]), [1 << 100, 3]),
        (HUGE, pa.array([decimal.Decimal(1 << 100)]), [1 << 100]),
        (HUGE, pa.array([(1 << 64) - 1], pa.uint64()), [(1 << 64) - 1]),
        (HUGE, pa.array([5]), [5]),
        (DECIMAL, pa.array([0.5, -10.0, 1000.5]), [0.5, -10.0, 1000.5]),
        (DECIMAL, pa.array([0.5], pa.float32()), [0.5]),
        (DECIMAL, pa.array(["0.25", " 1e2 ", "-3"]), [0.25, 100.0, -3.0]),
        (DECIMAL, pa.array([1, 2]), [1.0, 2.0]),
        (DECIMAL, pa.array([decimal.Decimal("2.25")]), [2.25]),
        (FINE, pa.array([0.5, 999.0]), [0.5, 999.0]),
        (CATEGORY, pa.array(["green", "red", "12"]), [1, 0, 2]),
        (CATEGORY, pa.array([" green "]), [1]),
        (CATEGORY, pa.array([12]), [2]),
        (CATEGORY, pa.array([12.0]), [2]),
        (CATEGORY, pa.array([True]), [3]),
        (CATEGORY, pa.array(["green", "red", "green"]).dictionary_encode(), [1, 0, 1]),
        (CATEGORY, pa.array(["green"], pa.large_string()), [1]),
        (CATEGORY, pa.array(["green"], pa.string_view()), [1]),
        (DATE, pa.array([datetime.date(1970, 1, 2), datetime.date(1969, 12, 31)]), [1, -1]),
        (DATE, pa.array(["1970-01-03", "1970-01-04T12:30"]), [2, 3]),
        (DATE, pa.array([datetime.datetime(1970, 1, 3, 23, 59)]), [2]),
    ],
)
def test_values(column: Column, values: pa.Array, expected: list[Any]) -> None:
    assert plain(column, values) == expected


@pytest.mark.parametrize("column", [BOOL, INTEGER, HUGE, DECIMAL, CATEGORY, DATE])
def test_no_rows(column: Column) -> None:
    for empty in (pa.array([], pa.string()), pa.array([], pa.null())):
        assert words(column, empty).size == 0


@pytest.mark.parametrize(
    ("column", "values", "match"),
    [
        (BOOL, pa.array(["yes", "rosebud"]), "neither true nor false"),
        (BOOL, pa.array([1, 55555]), "neither true nor false"),
        (BOOL, pa.array(["yes", ""]), "missing"),
        (INTEGER, pa.array([1, None]), "missing"),
        (INTEGER, pa.array(["1", "N/A"]), "missing"),
        (INTEGER, pa.array(["1", "rosebud"]), "not a number"),
        (INTEGER, pa.array(["1", "2.55555"]), "not a whole number"),
        (INTEGER, pa.array([1.0, 2.55555]), "not a whole number"),
        (INTEGER, pa.array([1.0, np.nan]), "missing"),
        (INTEGER, pa.array([1.0, 1e17]), "too large to be exact"),
        (INTEGER, pa.array([decimal.Decimal("1.0"), decimal.Decimal("2.5")]), "not a whole number"),
        (INTEGER, pa.array([1, 55555]), r"outside the declared bounds \[-10, 1000\]"),
        (INTEGER, pa.array(["1", "55555555555555555555555"]), "outside the declared bounds"),
        (HUGE, pa.array([1, -1]), "outside the declared bounds"),
        (DECIMAL, pa.array([1.0, np.nan]), "missing"),
        (DECIMAL, pa.array([1.0, np.inf]), "infinite"),
        (DECIMAL, pa.array(["1", "inf"]), "infinite"),
        (DECIMAL, pa.array(["1", "nan"]), "missing"),
        (DECIMAL, pa.array([1.0, 1000.51]), "outside the declared bounds"),
        (DECIMAL, pa.array(["1", "1,5"]), "not a number"),
        (INTEGER, pa.array(["1", "0xFFFFFFFFFFFFFFFF"]), "not a number"),
        (INTEGER_KEY, pa.array(["1", "0X10"]), "not a number"),
        (CATEGORY, pa.array(["red", "rosebud"]), "none of the categories"),
        (CATEGORY, pa.array(["red", "rosebud"]).dictionary_encode(), "none of the categories"),
        (CATEGORY, pa.array(["red", None]), "missing"),
        (CATEGORY, pa.array(["red", None]).dictionary_encode(), "missing"),
        (DATE, pa.array(["1970-01-01", "rosebud"]), "not a date"),
        (DATE, pa.array(["1970-01-01", "31.12.1999"]), "not a date"),
        (DATE, pa.array(["1970-01-01", "1999-02-30"]), "not a date of the calendar"),
        (DATE, pa.array(["1970-01-01", "0000-01-01"]), "not a date of the calendar"),
        (DATE, pa.array(["1970-01-01", "null"]), "missing"),
        (DATE, pa.array(["1970-01-01", "1555-01-01"]), "outside the declared bounds"),
        (TEXT_KEY, pa.array(["a", ""]), "missing"),
        (TEXT_KEY, pa.array(["a", "x" * 2000]), "1024 bytes"),
        (INTEGER_KEY, pa.array(["1", "55555555555555555555555"]), "64 bits"),
    ],
)
def test_what_is_wrong_is_named_without_the_value(column: Column, values: pa.Array, match: str) -> None:
    with pytest.raises(InputError, match=f"column c, row 42: the value .*{match}") as error:
        words(column, values, 41)
    assert "rosebud" not in str(error.value)
    assert "5555" not in str(error.value)


def test_types_that_no_column_has() -> None:
    for column in (INTEGER, DECIMAL, DATE):
        with pytest.raises(InputError, match="column c: the values are of type list"):
            words(column, pa.array([[1], [2]]))


def test_keys() -> None:
    found = words(TEXT_KEY, pa.array(["x", "p1", "ü", "p3"]).slice(1))
    assert isinstance(found, Texts)
    assert found.tolist() == ["p1", "ü", "p3"]
    assert words(TEXT_KEY, pa.array([7, 8])).tolist() == ["7", "8"]
    assert words(INTEGER_KEY, pa.array(["7", "8"])).tolist() == [7, 8]


@given(st.lists(st.floats(-10, 1000, width=64), min_size=1, max_size=20), st.integers(1, 60))
def test_decimals_are_what_an_analyst_would_share(values: list[float], frac_bits: int) -> None:
    column = Column(name="c", kind="decimal", lo=-10, hi=1000, frac_bits=frac_bits)
    mine = words(column, pa.array(values))
    theirs = encode_array(values, (-10, 1000), frac_bits)
    assert mine.tobytes() == theirs.words.tobytes()
    assert column.type(len(values)) == theirs.type


@given(st.lists(st.one_of(st.none(), st.sampled_from(["", "NA", "1", " nan ", "2.5"])), min_size=1, max_size=9))
def test_missing_rows(values: list[str | None]) -> None:
    gone = missing_rows(DECIMAL, pa.chunked_array([pa.array(values, pa.string())]))
    assert gone.tolist() == [value is None or value.strip() in ("", "NA", "nan") for value in values]
    kept = [value for value, missing in zip(values, gone, strict=True) if not missing]
    assert plain(DECIMAL, pa.array(kept, pa.string())) == [float(value or 0) for value in kept]


AMOUNT = Column(name="c", kind="decimal", lo=-100, hi=1000, digits=2)
WIDE = Column(name="c", kind="decimal", lo=-(10**20), hi=10**20, digits=9)


@pytest.mark.parametrize(
    ("column", "values", "expected"),
    [
        (
            AMOUNT,
            pa.array(["0.99", " 1e1", "-5", "1000", "+.29", "7.", "0.990"]),
            [99, 1000, -500, 100000, 29, 700, 99],
        ),
        (AMOUNT, pa.array([0.99, 0.29, 1.15, -100.0, 999.99]), [99, 29, 115, -10000, 99999]),
        (AMOUNT, pa.array([0.99, 0.29, 1.15], pa.float32()), [99, 29, 115]),
        (AMOUNT, pa.array([1, 2]), [100, 200]),
        (AMOUNT, pa.array([True, False]), [100, 0]),
        (AMOUNT, pa.array([decimal.Decimal("1.50"), decimal.Decimal("0.07")]), [150, 7]),
        (AMOUNT, pa.array([decimal.Decimal("1.5000")]), [150]),
        (AMOUNT, pa.array(["0.99", "0.99"]).dictionary_encode(), [99, 99]),
        (AMOUNT, pa.array(["0." + "0" * 400, "1e00000000000000000000000001"]), [0, 1000]),
        (AMOUNT, pa.array([], pa.string()), []),
        (WIDE, pa.array(["99999999999999999999.123456789", "-1"]), [99999999999999999999123456789, -(10**9)]),
        (WIDE, pa.array([decimal.Decimal("12345678901234567890.000000001")]), [12345678901234567890000000001]),
        (WIDE, pa.array([1e20, 0.1, 123456789.123456789]), [10**29, 10**8, 123456789123456790]),
    ],
)
def test_decimals_with_digits_are_exact(column: Column, values: pa.Array, expected: list[int]) -> None:
    assert plain(column, values) == expected


@pytest.mark.parametrize(
    ("values", "match"),
    [
        (pa.array(["1", "0.995"]), "row 2: the value has more than 2 digits behind the point"),
        (pa.array([0.1 + 0.2]), "more than 2 digits"),
        (pa.array([decimal.Decimal("1.505")]), "more than 2 digits"),
        (pa.array(["1e-999999999"]), "more than 2 digits"),
        (pa.array(["1e-99999999999999999999"]), "more than 2 digits"),
        (pa.array(["1", "1e999999999"]), "row 2: the value is outside the declared bounds"),
        (pa.array(["1e99999999999999999999"]), "outside"),
        (pa.array(["9" * 5000]), "outside"),
        (pa.array(["1000.01"]), "outside"),
        (pa.array([1e300]), "outside"),
        (pa.array([float("inf")]), "infinite"),
        (pa.array([float("nan")]), "is missing"),
        (pa.array(["1", None]), "row 2: the value is missing"),
        (pa.array(["n/a"]), "is missing"),
        (pa.array(["1,5"]), "not a number"),
        (pa.array([datetime.date(2020, 1, 1)]), "which is no number"),
    ],
)
def test_what_has_no_such_digits_is_refused(values: pa.Array, match: str) -> None:
    with pytest.raises(InputError, match=match):
        words(AMOUNT, values)


@given(st.lists(st.integers(-(10**4), 10**5), max_size=9), st.sampled_from(["text", "float", "decimal"]))
def test_digits_from_every_representation(numbers: list[int], how: str) -> None:
    exact = [decimal.Decimal(number).scaleb(-2) for number in numbers]
    array = {
        "text": lambda: pa.array([str(value) for value in exact], pa.string()),
        "float": lambda: pa.array([float(value) for value in exact], pa.float64()),
        "decimal": lambda: pa.array(exact, pa.decimal128(20, 2)),
    }[how]()
    assert plain(AMOUNT, array) == numbers


def nullable(column: Column) -> Column:
    return column.model_copy(update={"nullable": True})


@pytest.mark.parametrize(
    ("column", "values", "expected"),
    [
        (BOOL, pa.array([True, None, False]), [True, None, False]),
        (BOOL, pa.array(["yes", "", "na", "0"]), [True, None, None, False]),
        (INTEGER, pa.array([1, None, 3]), [1, None, 3]),
        (INTEGER, pa.array([1.0, float("nan")]), [1, None]),
        (INTEGER, pa.array(["7", "?", "-"]), [7, None, None]),
        (HUGE, pa.array([None, str(1 << 100)]), [None, 1 << 100]),
        (DECIMAL, pa.array([None, None], pa.float64()), [None, None]),
        (DECIMAL, pa.array([None]), [None]),
        (DECIMAL, pa.array([], pa.float64()), []),
        (AMOUNT, pa.array(["0.99", "NA"]), [99, None]),
        (WIDE, pa.array([None, "1"]), [None, 10**9]),
        (CATEGORY, pa.array(["green", None, "", "N/A"]), [1, None, None, None]),
        (CATEGORY, pa.array(["green", None]).dictionary_encode(), [1, None]),
        (Column(name="c", kind="category", categories=("NA", "DE")), pa.array(["DE", "NA", None]), [1, 0, None]),
        (DATE, pa.array([datetime.date(1970, 1, 3), None]), [2, None]),
        (DATE, pa.array(["1970-01-03", "null"]), [2, None]),
    ],
)
def test_nullable_columns_keep_where_a_value_is(column: Column, values: pa.Array, expected: list[Any]) -> None:
    column = nullable(column)
    found = ColumnReader(column).stored(pa.chunked_array([values]), 1)
    assert set(found) == {name for name, _ in column.stored}
    lo = column.stored_bounds[0]
    stored = stored_values(found["c"], column.type(len(values))).tolist()
    assert stored == [lo if value is None else round(value * 2**column.scale_bits) for value in expected]
    assert unpack_bits(found["c?"], len(values)).tolist() == [value is not None for value in expected]


def test_a_wrong_value_behind_missing_ones_is_named_by_its_row() -> None:
    for first, row in ((5, 9), (np.array([5, 6, 7, 8, 11]), 11)):
        with pytest.raises(InputError, match=f"column c, row {row}: the value is outside"):
            ColumnReader(nullable(INTEGER)).stored(pa.chunked_array([pa.array([1, None, None, 2, 1001])]), first)
    with pytest.raises(InputError, match="row 2: the value is missing; say nullable = true in the schema"):
        words(INTEGER, pa.array([1, None]))
    with pytest.raises(InputError, match="row 3: the value is none of the categories"):
        ColumnReader(nullable(CATEGORY)).stored(pa.chunked_array([pa.array(["red", None, "blue"])]), 1)


def test_headers() -> None:
    assert clean_name(" BMI (kg/m2)") == "BMI_kg_m2"
    assert clean_name("2nd") == "_2nd"
    assert clean_name("Größe (cm)") == "Grosse_cm"
    assert clean_name("Évalué") == "Evalue"
    assert clean_name("***") == "column"
    schema = Schema(columns=(Column(name="BMI_kg_m2", kind="bool"), Column(name="x", kind="bool")))
    assert headers_of(open_source({"x": [1], "BMI (kg/m2)": [1], "more": [1]}), schema) == ["BMI (kg/m2)", "x"]
    with pytest.raises(InputError, match="could all be BMI_kg_m2"):
        headers_of(open_source({"x": [1], "BMI (kg/m2)": [1], "BMI kg m2": [1]}), schema)
    with pytest.raises(InputError, match="has no column 'x'; it has BMI_kg_m2"):
        headers_of(open_source({"BMI_kg_m2": [1]}), schema)
