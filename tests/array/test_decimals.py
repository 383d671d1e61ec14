"""Decimals with digits: every operation against decimal.Decimal, exactly."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tercet as tc
from tercet.array.decimals import DecimalArray, decimal_of, exact_of

xp = tc.array
STORED = [99, 100, -7, 0, 250, 1, -150, 50]
PLAIN = [decimal_of(number, 2) for number in STORED]


@pytest.fixture(scope="module")
def net() -> Iterator[tc.Session]:
    with tc.local() as session:
        yield session


def shared(net: tc.Session, stored: list[int] = STORED, digits: int = 2) -> Any:
    return DecimalArray.of(net.share(stored, bounds=(-1000, 1000)), digits)


def same(found: Any, expected: Any) -> bool:
    return np.array_equal(np.asarray(found, dtype=object), np.asarray(expected, dtype=object))


def test_quotients_with_fixed_point_keep_small_decimals(net: tc.Session) -> None:
    """A hundredth is not what 16 fractional bits make of it, above or below the line."""
    top, bottom = [2.0**20, -3.5, 1.0], [0.001, 0.5, 3.0]
    x = net.share(top, bounds=(-(2.0**21), 2.0**21))
    found = (x / shared(net, [1, 99, 5])).reveal()
    np.testing.assert_allclose(found, [2.0**20 / 0.01, -3.5 / 0.99, 1.0 / 0.05], rtol=2.0**-26, atol=2.0**-15)
    small = net.share(bottom, bounds=(0.0005, 8.0), frac_bits=30)
    found = (shared(net, [1, -99, 250]) / small).reveal()
    stored = np.round(np.array(bottom) * 2.0**30) / 2.0**30
    np.testing.assert_allclose(
        found, [0.01 / stored[0], -0.99 / stored[1], 2.5 / stored[2]], rtol=2.0**-26, atol=2.0**-15
    )
    third = (1 / 3 / shared(net, [1, 99, 5])).reveal()
    np.testing.assert_allclose(third, [100 / 3, 1 / 2.97, 20 / 3], rtol=2.0**-14)


def test_what_is_computed_is_exact(net: tc.Session) -> None:
    a, i = shared(net), net.share(range(1, 9), bounds=(0, 10))
    counted = list(range(1, 9))
    tenths = Fraction(1, 10)
    cases: list[tuple[Any, Any]] = [
        (a, PLAIN),
        (a.sum(), sum(PLAIN)),
        (np.sum(a), sum(PLAIN)),
        (a.min(), min(PLAIN)),
        (a.max(), max(PLAIN)),
        (xp.cumulative_sum(a), list(np.cumsum(PLAIN))),
        (a + i, [x + k for x, k in zip(PLAIN, counted, strict=True)]),
        (i - a, [k - x for x, k in zip(PLAIN, counted, strict=True)]),
        (a * i, [x * k for x, k in zip(PLAIN, counted, strict=True)]),
        (a @ i, sum(x * k for x, k in zip(PLAIN, counted, strict=True))),
        (a * a, [x * x for x in PLAIN]),
        (xp.square(a), [x * x for x in PLAIN]),
        (a * 1.19, [x * Decimal("1.19") for x in PLAIN]),
        (np.float64(1.5) * a, [x * Decimal("1.5") for x in PLAIN]),
        (a + Decimal("0.001"), [x + Decimal("0.001") for x in PLAIN]),
        (a + np.array([0.1] * 8), [x + Decimal("0.1") for x in PLAIN]),
        (a**3, [x**3 for x in PLAIN]),
        (-a, [-x for x in PLAIN]),
        (abs(a), [abs(x) for x in PLAIN]),
        (a % 0.3, [decimal_of(int(Fraction(x) % Fraction(3, 10) * 100), 2) for x in PLAIN]),
        (a // 0.1, [Fraction(x) // tenths for x in PLAIN]),
        (xp.floor(a), [Fraction(x).__floor__() for x in PLAIN]),
        (np.ceil(a), [Fraction(x).__ceil__() for x in PLAIN]),
        (xp.trunc(a), [int(x) for x in PLAIN]),
        (xp.round(a), [round(Fraction(x)) for x in PLAIN]),
        (xp.sign(a), [int(np.sign(number)) for number in STORED]),
        (tc.where(a > 0, a, 0.005), [x if x > 0 else Decimal("0.005") for x in PLAIN]),
        (np.minimum(a, 0.5), [min(x, Decimal("0.5")) for x in PLAIN]),
        (xp.concat([a, i]), [*PLAIN, *counted]),
        (a[2:4], PLAIN[2:4]),
        (a.reshape(2, 4), np.array(PLAIN).reshape(2, 4)),
        (a.persist(), PLAIN),
        (a * (a > 0), [x if x > 0 else 0 for x in PLAIN]),
    ]
    for place, (found, (_, expected)) in enumerate(zip(tc.reveal(*(array for array, _ in cases)), cases, strict=True)):
        assert same(found, expected), place
    total = a.sum().reveal()
    assert isinstance(total, Decimal) and str(total) == "3.43"


def test_what_is_divided_is_exact_when_revealed(net: tc.Session) -> None:
    a = shared(net)
    quarter, thirds, mean, variance = tc.reveal(a / 4, a / 0.3, a.mean(), a.var(ddof=1))
    assert quarter.tolist() == [float(Fraction(x) / 4) for x in PLAIN]
    assert thirds.tolist() == [float(Fraction(x) / Fraction(3, 10)) for x in PLAIN]
    assert mean == float(Fraction(sum(PLAIN)) / 8)
    assert variance == pytest.approx(float(np.var([float(x) for x in PLAIN], ddof=1)), rel=1e-12)
    ratio, over, far = tc.reveal(a / (a + 3), 1 / (a + 3), a + 1 / 3)
    floats = np.array([float(x) for x in PLAIN])
    np.testing.assert_allclose(ratio, floats / (floats + 3), atol=2**-15)
    np.testing.assert_allclose(over, 1 / (floats + 3), atol=2**-15)
    np.testing.assert_allclose(far, floats + 1 / 3, atol=2**-15)


def test_in_fixed_point_it_is_finer_than_its_last_digit(net: tc.Session) -> None:
    a = shared(net, digits=5)
    assert a.dtype.frac_bits == 31 and shared(net).dtype.frac_bits == 21
    weights = net.share([0.5] * 8, bounds=(0, 1))
    assert (a * weights).sum().reveal() == pytest.approx(sum(STORED) / 2 * 1e-5, abs=8 * 2**-16)
    np.testing.assert_allclose(xp.astype(a, xp.fixed(40) if hasattr(xp, "fixed") else float).reveal(),
                               np.array(STORED) / 1e5, atol=2**-16)  # fmt: skip


COMPARISONS = [operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne]
LITERALS = st.one_of(
    st.integers(-12, 12),
    st.integers(-1200, 1200).map(lambda n: n / 100),
    st.integers(-12000, 12000).map(lambda n: n / 1000),
    st.floats(-12, 12),
    st.decimals(-12, 12, places=4),
)


@given(
    st.lists(st.integers(-1000, 1000), min_size=1, max_size=6), LITERALS, st.sampled_from(COMPARISONS), st.booleans()
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_literals_are_read_as_they_are_written(
    net: tc.Session, stored: list[int], literal: Any, compare: Any, left: bool
) -> None:
    a, exact = shared(net, stored), Fraction(str(literal))
    plain = [Fraction(number, 100) for number in stored]
    found = (compare(literal, a) if left else compare(a, literal)).reveal()
    assert found.tolist() == [compare(exact, x) if left else compare(x, exact) for x in plain]


def test_comparisons_of_arrays(net: tc.Session) -> None:
    a, finer = shared(net), shared(net, [990, 1000, -75, 1, 999, 10, -1000, 505], 3)
    public = np.array([0.995, 1, -1, 0, 2.5, 0.01, -1.505, 0.5])
    literals = [Decimal(repr(float(value))) for value in public]
    others = [decimal_of(number, 3) for number in [990, 1000, -75, 1, 999, 10, -1000, 505]]
    found = tc.reveal(
        a > public, public >= a, np.equal(a, public), a != public, a < finer, a == finer, np.float64(0.99) == a
    )
    expected = [
        [x > y for x, y in zip(PLAIN, literals, strict=True)],
        [x <= y for x, y in zip(PLAIN, literals, strict=True)],
        [x == y for x, y in zip(PLAIN, literals, strict=True)],
        [x != y for x, y in zip(PLAIN, literals, strict=True)],
        [x < y for x, y in zip(PLAIN, others, strict=True)],
        [x == y for x, y in zip(PLAIN, others, strict=True)],
        [x == Decimal("0.99") for x in PLAIN],
    ]
    assert [value.tolist() for value in found] == expected


def test_beside_fixed_point_decimals_have_few_bits(net: tc.Session) -> None:
    weights = net.share([0.5] * 8, bounds=(0, 1))
    rows = tc.stack([shared(net, digits=5), weights, net.share(range(8), bounds=(0, 9))], axis=1)
    assert rows.frac_bits == 17 + 14
    wide = DecimalArray.of(net.share(range(8), bounds=(-(10**11), 10**11)), 5)
    assert tc.stack([wide, weights], axis=1).frac_bits == 17 + 4
    expected = np.stack([np.array(STORED) / 1e5, [0.5] * 8, range(8)], axis=1)
    np.testing.assert_allclose(rows.reveal(), expected, atol=1e-5 / 8)
    exact = tc.stack([shared(net), shared(net, digits=3), net.share(range(8), bounds=(0, 9))], axis=1)
    assert isinstance(exact, DecimalArray) and exact.digits == 3
    assert exact.reveal()[1].tolist() == [Decimal("1.000"), Decimal("0.100"), Decimal("1.000")]


def test_what_does_not_fit_exactly_is_taken_in_fixed_point(net: tc.Session) -> None:
    assert exact_of(0.1 + 0.2) is None and exact_of(np.array(["x"])) is None and exact_of(float("nan")) is None
    assert exact_of(True) is not None and exact_of(1e20) is not None
    a = shared(net)
    with pytest.raises(Exception, match=r"finite|NaN|nan"):
        a < float("nan")  # noqa: B015
    assert DecimalArray.of(net.share([1]), 0).dtype.name == "integer"
    assert "2 digits, -10 to 10" in repr(a)


def test_beside_public_numbers_of_few_digits_decimals_stay_exact(net: tc.Session) -> None:
    amounts = DecimalArray.of(net.share([50, -25, 7]), 2)
    for public in (np.array([0.125, 1.0, -2.5]), [1, 2, 3]):
        joined = tc.concat([amounts, public])
        assert [*map(Decimal, ("0.5", "-0.25", "0.07")), *map(Decimal, np.asarray(public).tolist())] == list(
            joined.reveal()
        )
    assert not isinstance(tc.stack([amounts, np.array([1 / 3, 0.1, 0.2])]), DecimalArray)


def test_whole_quotients_of_decimals_are_those_of_their_digits(net: tc.Session) -> None:
    integers, divisors = [30, 110, 125, -30], [10, 10, 50, 10]
    a = DecimalArray.of(net.share(integers, bounds=(-200, 200)), 2)
    b = DecimalArray.of(net.share(divisors, bounds=(1, 100)), 2)
    assert (a // b).reveal().tolist() == [3, 11, 2, -3]
    assert (a % b).reveal().tolist() == [Decimal(n % d) / 100 for n, d in zip(integers, divisors, strict=True)]
    assert np.allclose((b**0.5).reveal(), np.sqrt(np.array(divisors) / 100), atol=2.0**-15)


@pytest.mark.parametrize("two", [2, 2.0, np.float32(2), np.array(2.0), Decimal(2)])
def test_powers_are_exact_however_the_exponent_is_written(net: tc.Session, two: Any) -> None:
    squares = (shared(net, [150, -25, 7]) ** two).reveal()
    assert squares.tolist() == [Decimal("2.2500"), Decimal("0.0625"), Decimal("0.0049")]


def test_masked_values_are_no_public_operands(net: tc.Session) -> None:
    masked = np.ma.MaskedArray([1, 2, 3], mask=[False, True, False])
    for one in (net.share([1, 2, 3]), shared(net, [1, 2, 3])):
        for function in (tc.array.add, tc.array.multiply, tc.array.less, tc.array.divide):
            with pytest.raises(tc.PlanError, match="masked"):
                function(one, masked)
        assert same((one + np.ma.MaskedArray([1, 2, 3])).reveal(), one.reveal() + np.array([1, 2, 3]))


def test_edges_are_decimals_too(net: tc.Session) -> None:
    x = shared(net, [-150, 25, 333])
    edges = [Decimal("-1.5"), Decimal("0.25"), Decimal("3.34")]
    cases = [
        (tc.array.digitize(x, edges), [1, 2, 2]),
        (tc.array.digitize(x, edges[::-1], right=True), [3, 2, 1]),
        (tc.array.searchsorted(edges, x), [0, 1, 2]),
        (np.histogram(x, edges)[0], [1, 2]),
        (np.histogram(x, 2, (Decimal("-1.5"), Decimal("3.5")))[0], [2, 1]),
    ]
    for found, (_, expected) in zip(tc.reveal(*(one for one, _ in cases)), cases, strict=True):
        assert found.tolist() == expected
    for bad in ([Decimal("NaN"), Decimal(1)], [Decimal(0), Decimal("Infinity")], [Decimal(0), None]):
        for call in (tc.array.digitize, tc.array.histogram):
            with pytest.raises((TypeError, tc.PlanError)):
                call(x, bad)
    for call in (tc.array.digitize, tc.array.histogram):
        with pytest.raises(tc.PlanError, match="finite"):
            call(net.share([1, 2], bounds=(0, 3)), [0, float("nan"), 2])


def test_objects_that_have_no_order_are_refused_by_name(net: tc.Session) -> None:
    for values in ([None, 1], [Decimal(1), "a"], [Decimal(1), None]):
        with pytest.raises(TypeError, match=r"not numbers|not numeric"):
            tc.array.isin(net.share([1, 2], bounds=(0, 3)), values)
