"""Every elementwise function agrees with array-api-strict."""

from __future__ import annotations

import operator
from typing import Any

import array_api_strict as strict
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tercet.array as tc
from array_strategies import any_kind, arrays, broadcastable, check, from_strict, numeric, share, to_strict
from plan_trio import TrioSession

ULP = 2.0**-16
SOME = settings(max_examples=25)
FEW = settings(max_examples=4)

BINARY = ["add", "subtract", "multiply", "minimum", "maximum"]
COMPARE = ["less", "less_equal", "greater", "greater_equal", "equal", "not_equal"]
LOGICAL = ["logical_and", "logical_or", "logical_xor", "bitwise_and", "bitwise_or", "bitwise_xor"]
UNARY = ["negative", "positive", "abs", "sign", "square"]
ROUNDING = ["floor", "ceil", "trunc", "round"]


def promoted(a: Any, b: Any) -> tuple[Any, Any]:
    """The standard leaves mixed kinds open; here integers go with fixed as in NumPy."""
    if a.dtype != b.dtype:
        a, b = a.astype(np.float64), b.astype(np.float64)
    return to_strict(a), to_strict(b)


def two_ways(session: TrioSession, a: Any, b: Any) -> list[tuple[Any, Any]]:
    """Both secret, and either one public."""
    return [(share(session, a), share(session, b)), (share(session, a), b), (a, share(session, b))]


def binary_agrees(name: str, pair: tuple[Any, Any], session: TrioSession) -> None:
    expected = getattr(strict, name)(*promoted(*pair))
    for a, b in two_ways(session, *pair):
        check(getattr(tc, name)(a, b), expected)


@pytest.mark.parametrize("name", BINARY + COMPARE)
@given(pair=broadcastable())
@SOME
def test_two_numbers(name: str, pair: tuple[Any, Any]) -> None:
    binary_agrees(name, pair, TrioSession())


@pytest.mark.parametrize("name", BINARY + COMPARE)
@given(pair=broadcastable())
@FEW
def test_two_numbers_at_three_parties(name: str, pair: tuple[Any, Any]) -> None:
    binary_agrees(name, pair, TrioSession(parties=True))


@pytest.mark.parametrize("name", [*LOGICAL, "equal", "not_equal"])
@given(pair=broadcastable(("bool",)), parties=st.sampled_from([False, False, False, True]))
@SOME
def test_two_bools(name: str, pair: tuple[Any, Any], parties: bool) -> None:
    binary_agrees(name, pair, TrioSession(parties=parties))


@pytest.mark.parametrize("name", UNARY + ROUNDING)
@given(x=numeric(), parties=st.sampled_from([False, False, False, True]))
@SOME
def test_one_number(name: str, x: Any, parties: bool) -> None:
    result = getattr(tc, name)(share(TrioSession(parties=parties), x))
    expected = from_strict(getattr(strict, name)(to_strict(x)))
    whole = name in (*ROUNDING, "sign")
    check(result, expected.astype(np.int64) if whole else expected)


@given(x=arrays("bool"))
@SOME
def test_not(x: Any) -> None:
    secret = share(TrioSession(), x)
    for result in (tc.logical_not(secret), tc.bitwise_invert(secret), ~secret):
        check(result, strict.logical_not(to_strict(x)))


@given(x=numeric(), low=st.integers(-600, 600), width=st.integers(0, 500))
@SOME
def test_clip(x: Any, low: int, width: int) -> None:
    secret = share(TrioSession(), x)
    check(tc.clip(secret, low, low + width), strict.clip(to_strict(x), low, low + width))
    check(tc.clip(secret, min=low), strict.clip(to_strict(x), min=low))
    check(tc.clip(secret, max=low), strict.clip(to_strict(x), max=low))
    assert tc.clip(secret) is secret


@given(condition=arrays("bool", (2, 3)), a=any_kind((2, 3)), b=any_kind((3,)), parties=st.booleans())
@SOME
def test_where(condition: Any, a: Any, b: Any, parties: bool) -> None:
    if a.dtype != b.dtype and "b" in (a.dtype.kind, b.dtype.kind):
        a, b = a.astype(np.int64), b.astype(np.int64)
    expected = strict.where(to_strict(condition), *promoted(a, b))
    session = TrioSession(parties=parties)
    secret = share(session, condition)
    for x, y in [*two_ways(session, a, b), (a, b)]:
        check(tc.where(secret, x, y), expected)
    for x, y in two_ways(session, a, b):
        check(tc.where(condition, x, y), expected)
        check(np.where(condition, x, y), expected)


@given(x=numeric(), divisor=st.integers(1, 1000) | st.integers(-50, -1), parties=st.booleans())
@SOME
def test_division_by_a_public_number_is_exact_when_revealed(x: Any, divisor: int, parties: bool) -> None:
    secret = share(TrioSession(parties=parties), x) / divisor
    check(secret, x / divisor)
    plain = (secret + 0.0).reveal()
    assert np.all(np.abs(plain - x / divisor) <= 2 * ULP)
    assert np.array_equal((secret * divisor / divisor).shape, x.shape)


@given(x=numeric(), divisor=st.integers(1, 1000) | st.integers(-50, -1), parties=st.booleans())
@SOME
def test_floor_division_and_remainder(x: Any, divisor: int, parties: bool) -> None:
    secret = share(TrioSession(parties=parties), x)
    check(secret // divisor, np.floor_divide(x, divisor).astype(np.int64))
    check(secret % divisor, np.remainder(x, divisor))


@given(x=arrays("int"), exponent=st.integers(0, 6))
@SOME
def test_pow_of_integers(x: Any, exponent: int) -> None:
    secret = share(TrioSession(), x)
    check(secret**exponent, x**exponent)
    check(tc.pow(secret, exponent), x**exponent)


@given(x=arrays("fixed"), exponent=st.integers(0, 3))
@SOME
def test_pow_of_fixed(x: Any, exponent: int) -> None:
    plain = (share(TrioSession(), x) ** exponent).reveal()
    assert np.allclose(plain, x**exponent, rtol=1e-12, atol=2000 * ULP)


OPERATORS = [
    operator.add,
    operator.sub,
    operator.mul,
    operator.lt,
    operator.le,
    operator.gt,
    operator.ge,
    operator.eq,
    operator.ne,
]


@pytest.mark.parametrize("op", OPERATORS)
@given(pair=broadcastable())
@SOME
def test_operators_with_numpy_on_either_side(op: Any, pair: tuple[Any, Any]) -> None:
    a, b = pair
    session = TrioSession()
    for x, y in two_ways(session, a, b):
        result = op(x, y)
        assert isinstance(result, tc.SecretArray)
        check(result, op(a, b))


@pytest.mark.parametrize("op", OPERATORS)
@pytest.mark.parametrize("scalar", [3, -2.5, np.int8(7), np.float32(0.5), 0])
def test_operators_with_scalars(op: Any, scalar: Any) -> None:
    x = np.array([1.5, -2.5, 3.0])
    secret = share(TrioSession(), x)
    check(op(secret, scalar), op(x, scalar))
    check(op(scalar, secret), op(scalar, x))
