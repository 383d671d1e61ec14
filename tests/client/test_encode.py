"""Values of all sorts become ring words of a declared type, or are refused by position."""

from __future__ import annotations

import array
import datetime
import decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tercet.client.encode import DEFAULT_INT_BOUND, decode_words, encode_array, stored_values
from tercet.errors import InputError
from tercet.plan.types import Type, ValueKind
from tercet.ring import ring


def round_trip(values: Any, **settings: Any) -> Any:
    encoded = encode_array(values, **settings)
    return decode_words(encoded.words, encoded.type)


@pytest.mark.parametrize(
    ("values", "kind", "ring", "frac_bits"),
    [
        (True, ValueKind.BOOL, 0, 0),
        ([True, False], ValueKind.BOOL, 0, 0),
        (5, ValueKind.INT, 64, 0),
        ([1, 2], ValueKind.INT, 64, 0),
        (range(4), ValueKind.INT, 64, 0),
        (np.uint8([1, 255]), ValueKind.INT, 64, 0),
        (array.array("i", [1, 2]), ValueKind.INT, 64, 0),
        (1.5, ValueKind.FIXED, 64, 16),
        ([1, 2.5], ValueKind.FIXED, 64, 16),
        (np.float32([0.5]), ValueKind.FIXED, 64, 16),
        (np.float16([0.5]), ValueKind.FIXED, 64, 16),
        ([], ValueKind.FIXED, 64, 16),
        (pd.Series([1, 2]), ValueKind.INT, 64, 0),
        (pd.Series([1, 2], dtype="Int64"), ValueKind.INT, 64, 0),
        (pd.Series([1.5, 2]), ValueKind.FIXED, 64, 16),
        (pd.Series([True, False], dtype="boolean"), ValueKind.BOOL, 0, 0),
        (pd.Series([True, False], dtype="bool[pyarrow]"), ValueKind.BOOL, 0, 0),
        (pd.Series([1, 2], dtype="int32[pyarrow]"), ValueKind.INT, 64, 0),
        (pd.Index([3, 4]), ValueKind.INT, 64, 0),
        (pd.DataFrame({"a": [1, 2], "b": [3, 4]}), ValueKind.INT, 64, 0),
        (pa.array([1, 2]), ValueKind.INT, 64, 0),
        (pa.array([True, False, True]), ValueKind.BOOL, 0, 0),
        (pa.chunked_array([[1.5], [2.5, 3.5]]), ValueKind.FIXED, 64, 16),
        (pa.scalar(3), ValueKind.INT, 64, 0),
    ],
)
def test_kinds(values: Any, kind: ValueKind, ring: int, frac_bits: int) -> None:
    encoded = encode_array(values)
    t = encoded.type
    assert (t.kind, t.ring, t.frac_bits, t.nominal) == (kind, ring, frac_bits, frac_bits)
    wanted = np.asarray(values.as_py() if isinstance(values, pa.Scalar) else values)
    assert t.shape == wanted.shape
    assert np.array_equal(np.asarray(decode_words(encoded.words, t)), wanted.astype(float if frac_bits else None))


def test_bounds_become_part_of_the_type() -> None:
    t = encode_array([1, 2], bounds=(0, 1_000_000)).type
    assert (t.lo, t.hi) == (0, 1_000_000)
    t = encode_array([31.5], bounds=(0, 120)).type
    assert (t.lo, t.hi) == (0, 120 << 16)
    t = encode_array([1], bounds=(-2.5, 3.5)).type
    assert (t.lo, t.hi) == (-2, 3)
    t = encode_array([1], bounds=(0, 2), frac_bits=3).type
    assert (t.kind, t.hi) == (ValueKind.FIXED, 16)
    assert encode_array([1], bounds=(np.int8(0), np.float64(2))).type.hi == 2
    assert encode_array([2.0], bounds=(0, 5), frac_bits=0).type.kind is ValueKind.INT


@pytest.mark.parametrize(("hi", "ring"), [(2**62 - 1, 64), (2**62, 128), (2**126 - 1, 128)])
def test_the_smallest_ring_is_taken(hi: int, ring: int) -> None:
    encoded = encode_array([hi, -hi], bounds=(-hi, hi))
    assert encoded.type.ring == ring
    back = decode_words(encoded.words, encoded.type)
    assert back.tolist() == [hi, -hi]
    assert back.dtype == (np.int64 if hi < 2**63 else object)


def test_bounds_beyond_128_bits_are_refused() -> None:
    with pytest.raises(InputError, match="128 bits"):
        encode_array([1], bounds=(0, 2**126))


MISSING: list[Any] = [
    [1.0, 2.0, float("nan")],
    [1.0, 2.0, float("inf")],
    [1, 2, None],
    [1, 2, "x"],
    [1, 2, 3 + 1j],
    [1, 2, decimal.Decimal(1)],
    np.array([1, 2, np.nan], np.float32),
    np.ma.masked_array([1, 2, 3], [False, False, True]),
    pd.Series([1, 2, None]),
    pd.Series([1, 2, None], dtype="Int64"),
    pd.Series([True, False, None], dtype="boolean"),
    pd.Series([1, 2, None], dtype="int64[pyarrow]"),
    pa.array([1, 2, None]),
    pa.array([True, False, None]),
    pa.chunked_array([[1.0, 2.0], [None]]),
    [1, 2, 2**40],
    [1.0, 2.0, -(2.0**20) - 0.5],
    np.array([1, 2, 2**64 - 1], np.uint64),
]


@pytest.mark.parametrize("values", MISSING, ids=range(len(MISSING)))
def test_what_is_refused_is_named_by_position(values: Any) -> None:
    with pytest.raises(InputError) as caught:
        encode_array(values)
    text = str(caught.value)
    assert "position 2" in text or "complex" in text
    assert str(2**40) not in text and str(2**64 - 1) not in text and "1048576.5" not in text


def test_what_is_refused_says_why() -> None:
    for value, why in ((np.nan, "missing or NaN"), (np.inf, "infinite"), (decimal.Decimal(1), "bool, integer or fl")):
        with pytest.raises(InputError, match=f"position 1 is .*{why}"):
            encode_array([0.5, value])


@pytest.mark.parametrize("values", ["abc", [[1, 2], [3]], {"a": 1}, np.array(["2020-01-01"], "M8[D]"), object(), 1j])
def test_what_is_no_array_of_numbers_is_refused(values: Any) -> None:
    with pytest.raises(InputError):
        encode_array(values)


def test_positions_in_more_dimensions() -> None:
    with pytest.raises(InputError, match=r"position \(1, 0\) is outside the declared bounds \[0, 3\]"):
        encode_array([[1, 2], [4, 3]], bounds=(0, 3))
    with pytest.raises(InputError, match=r"the value is outside the default bounds .*pass bounds"):
        encode_array(DEFAULT_INT_BOUND + 1)


@pytest.mark.parametrize(
    "bounds", [(3, 1), (0,), 5, (0, float("inf")), (float("nan"), 1), ("a", "b"), (0.2, 0.8), (None, 1)]
)
def test_bounds_are_checked(bounds: Any) -> None:
    with pytest.raises(InputError):
        encode_array([0], bounds=bounds)


def test_frac_bits_are_checked() -> None:
    with pytest.raises(InputError, match="0 to"):
        encode_array([1.0], frac_bits=125)
    with pytest.raises(InputError, match="whole number"):
        encode_array([1.0, 1.5], frac_bits=0)
    with pytest.raises(InputError, match="bools"):
        encode_array([True], frac_bits=4)
    with pytest.raises(InputError, match="bools"):
        encode_array([True], bounds=(0, 5))
    assert encode_array([True], bounds=(0, 1), frac_bits=0).type.is_bool


def test_large_whole_floats_stay_exact() -> None:
    encoded = encode_array([2.0**80], bounds=(0, 2**81), frac_bits=0)
    assert decode_words(encoded.words, encoded.type).tolist() == [2**80]


def test_integers_too_large_for_numpy_stay_exact() -> None:
    values = [2**63, -1, 2**80 + 1]
    assert round_trip(values, bounds=(-(2**90), 2**90)).tolist() == values
    assert round_trip([2**63, -1], bounds=(-(2**90), 2**90)).tolist() == [2**63, -1]


def test_a_bound_between_floats_is_exact() -> None:
    hi = 2**60 + 1  # no float; the next one above is out
    encode_array([2.0**60], bounds=(0, hi), frac_bits=2)
    with pytest.raises(InputError):
        encode_array([2.0**60 + 256], bounds=(0, hi), frac_bits=2)


@given(st.lists(st.floats(-1000, 1000), max_size=8), st.integers(1, 40), st.floats(-1000, 0), st.floats(0, 1000))
def test_fixed_point_is_nearest_and_within_its_type(values: list[float], frac_bits: int, lo: float, hi: float) -> None:
    try:
        encoded = encode_array(np.array(values), bounds=(lo, hi), frac_bits=frac_bits)
    except InputError:
        assert any(not lo <= value <= hi for value in values)
        return
    assert all(lo <= value <= hi for value in values)
    stored = decode_words(encoded.words, encoded.type)
    assert np.all(np.abs(stored - values) <= 2.0 ** -(frac_bits + 1))
    assert np.all(stored * 2.0**frac_bits >= encoded.type.lo) and np.all(stored * 2.0**frac_bits <= encoded.type.hi)


@pytest.mark.parametrize("shape", [(), (1,), (0,), (2, 0)])
def test_narrow_numbers_in_the_wide_ring_keep_their_shape(shape: tuple[int, ...]) -> None:
    t = Type(ValueKind.INT, shape, 128, 0, 0, -9, 9)
    words = ring(128).from_ints(np.full(t.size, -7))
    for back in (stored_values(words, t), decode_words(words, t)):
        assert np.shape(back) == shape and np.all(np.asarray(back) == -7)


@given(st.lists(st.integers(-(2**100), 2**100), max_size=6))
def test_integers_are_exact(values: list[int]) -> None:
    objects = np.empty(len(values), object)
    objects[:] = values
    assert round_trip(objects, bounds=(-(2**100), 2**100)).tolist() == values


def test_importing_does_not_import_pandas_or_pyarrow() -> None:
    import subprocess
    import sys

    script = (
        "import sys; from tercet.client import encode_array; encode_array([1, 2.5])\n"
        "print('pandas' in sys.modules, 'pyarrow' in sys.modules)"
    )
    assert subprocess.check_output([sys.executable, "-c", script], text=True).split() == ["False", "False"]


@pytest.mark.parametrize("values", [["1", "2"], [decimal.Decimal("1.25")], [datetime.date(2020, 1, 1)]])
def test_values_of_other_kinds_are_told_what_to_do(values: list[Any]) -> None:
    with pytest.raises(InputError, match=r"position 0 is not a bool, integer or float; convert it, as by float\(\)"):
        encode_array(values, None, None)
