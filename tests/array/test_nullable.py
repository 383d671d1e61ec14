"""Arrays with missing values: as pandas skips them, and three-valued logic as its nullable bools have it."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.special
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tercet as tc
from plan_trio import TrioSession
from tercet import nn, special
from tercet.array.decimals import DecimalArray
from tercet.array.nullable import NullableArray

xp = tc.array


@pytest.fixture(scope="module")
def net() -> Iterator[tc.Session]:
    with tc.local() as session:
        yield session


def shared(net: tc.Session, series: pd.Series[Any], **options: Any) -> Any:
    """Values, and anything where they are missing."""
    values = net.share(series.fillna(-7).to_numpy(np.float64), bounds=(-10, 10), **options)
    return NullableArray.of_values(values, net.share(series.notna().to_numpy()))


def plain(value: Any) -> Any:
    """NaN where it is masked."""
    return np.ma.filled(np.ma.asarray(value).astype(np.float64), np.nan)


SERIES = st.lists(st.one_of(st.none(), st.integers(-40, 40).map(lambda n: n / 4)), min_size=1, max_size=7)


@given(SERIES, st.randoms(use_true_random=False))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_as_pandas(net: tc.Session, values: list[float | None], random: Any) -> None:
    s = pd.Series(values, dtype=np.float64)
    t = pd.Series([random.choice([None, -3.0, 0.0, 2.0, 5.0]) for _ in values], dtype=np.float64)
    a, b = shared(net, s), shared(net, t, frac_bits=0)
    known = s.notna() & t.notna()
    cases: list[tuple[Any, Any]] = [
        (a.sum(), s.sum()),
        (a.count(), s.count()),
        (a.mean(), s.mean()),
        (a.var(ddof=1), s.var()),
        (b.std(), t.std(ddof=0)),
        (a.min(), s.min()),
        (b.max(), t.max()),
        (a.isna(), s.isna()),
        (a.notna(), s.notna()),
        (a.fillna(7), s.fillna(7)),
        (a.fillna(b), s.fillna(t)),
        (a + b, s + t),
        (1 - a, 1 - s),
        (a * b * 2, s * t * 2),
        (-abs(b), -abs(t)),
        (b**2, t**2),
        (a > 0, s > 0),
        (b.__le__(0), t <= 0),
        (a < b, s < t),
        (a == b, s == t),
        (a != b, (s != t) & known),
        (a != 1, (s != 1) & s.notna()),
        (b.isin([2, 5]), t.isin([2, 5])),
        (tc.where(a > 0, b, 1), t.where(s > 0, 1)),
        (tc.where(a > 0, a, b), s.where(s > 0, t)),
        (tc.where(np.arange(len(s)) % 2 == 0, a, b), s.where(pd.Series(np.arange(len(s)) % 2 == 0), t)),
        (a[::-1], s[::-1]),
        (a.persist() * 2, s * 2),
        ((a > 0).sum(), (s > 0).sum()),
    ]
    for place, (found, (_, expected)) in enumerate(zip(tc.reveal(*(array for array, _ in cases)), cases, strict=True)):
        np.testing.assert_allclose(
            plain(found), np.asarray(expected, np.float64), rtol=1e-12, equal_nan=True, err_msg=f"case {place}"
        )


def test_three_valued_logic(net: tc.Session) -> None:
    first = NullableArray.of_values(
        net.share([True] * 3 + [False] * 3 + [True, True, False]), net.share([True] * 6 + [False] * 3)
    )
    second = NullableArray.of_values(net.share([True, False, True] * 3), net.share([True, True, False] * 3))
    p = pd.array([True] * 3 + [False] * 3 + [None] * 3, dtype="boolean")
    q = pd.array([True, False, None] * 3, dtype="boolean")
    known = np.array([True, False] * 4 + [True])
    secret = net.share(known)
    cases = [
        (first & second, p & q),
        (first | second, p | q),
        (first ^ second, p ^ q),
        (~first, ~p),
        (first & known, p & known),
        (known | first, p | known),
        (secret & first, p & known),
        (first | secret, p | known),
    ]
    for found, expected in cases:
        value = found.reveal()
        mine = [None if gone else bool(one) for one, gone in zip(value.data, value.mask, strict=True)]
        assert mine == [None if one is pd.NA else bool(one) for one in expected]
    assert tc.where(first, 1, 0).reveal().tolist() == [1, 1, 1] + [0] * 6
    assert first.any().reveal() and not first.all().reveal() and not (~first & first).any().reveal()


def test_what_stood_behind_a_missing_value_does_not_show(net: tc.Session) -> None:
    a = NullableArray.of_values(net.share([41, 42], bounds=(0, 99)), net.share([True, False]))
    found = (a + net.share([1, 1])).reveal()
    assert found.mask.tolist() == [False, True]
    assert found.data.tolist() == [42, 0]
    kept = (a * 2).persist()
    assert kept.values.reveal().tolist() == [82, 0]


def test_nothing_but_missing_values(net: tc.Session) -> None:
    a = NullableArray.of_values(net.share([1, 2], bounds=(0, 9)), net.share([False, False]))
    total, count, mean, least, deviation = tc.reveal(a.sum(), a.count(), a.mean(), a.min(), a.std(ddof=1))
    assert (total, count) == (0, 0) and np.isnan([mean, least, deviation]).all()
    d = NullableArray.of_values(DecimalArray.of(a.values, 2), a.notna())
    assert d.sum().reveal() == Decimal("0.00") and np.isnan(d.mean().reveal()) and np.isnan(d.max().reveal())


def test_decimals(net: tc.Session) -> None:
    stored = net.share([99, 12, 7, -5], bounds=(-100, 100))
    d = NullableArray.of_values(DecimalArray.of(stored, 2), net.share([True, False, True, True]))
    total, mean, least, doubled, equal = tc.reveal(d.sum(), d.mean(), d.min(), (d * 2 - 1).sum(), d == 0.07)
    assert (total, least, doubled) == (Decimal("1.01"), Decimal("-0.05"), Decimal("-0.98"))
    assert mean == float(Decimal("1.01") / 3) and equal.tolist() == [False, False, True, False]
    assert d.reveal().tolist() == [Decimal("0.99"), None, Decimal("0.07"), Decimal("-0.05")]


def test_a_mean_is_computed_with_within_the_error_of_a_division(net: tc.Session) -> None:
    s = pd.Series([1.5, None, -3, 4, 0.25])
    a = shared(net, s)
    centred = a - a.mean()
    np.testing.assert_allclose(plain(centred.reveal()), (s - s.mean()).to_numpy(), atol=2**-14, equal_nan=True)
    with pytest.raises(TypeError, match="ddof is no integer"):
        a.var(ddof=0.5) + 1
    assert "Ratio" in repr(a.mean()) and a.mean().persist().reveal() == s.mean()


@pytest.mark.parametrize(
    "compute",
    [
        lambda a: a @ a,
        lambda a: a.astype(int),
        lambda a: special.softmax(a),
    ],
)
def test_what_does_not_know_of_missing_values_is_refused(net: tc.Session, compute: Any) -> None:
    a = shared(net, pd.Series([1.5, None, -3]))
    with pytest.raises(TypeError, match=r"values are missing.*fillna"):
        compute(a)


def test_other_refusals(net: tc.Session) -> None:
    a = shared(net, pd.Series([1.5, None]))
    with pytest.raises(tc.InputError, match="missing"):
        tc.linear_model.LinearRegression().fit(a.reshape(2, 1), a)
    with pytest.raises(TypeError, match="how many values are left"):
        a.dropna()
    with pytest.raises(TypeError, match="take bools"):
        a & (a > 0)
    with pytest.raises(TypeError, match="take bools"):
        _ = ~a
    with pytest.raises(TypeError, match="takes a list"):
        a.isin("12")


@pytest.mark.parametrize("turned", [False, True])
def test_decimals_are_exact_beside_decimals_of_which_some_are_missing(net: tc.Session, turned: bool) -> None:
    amounts, prices = [0.29, 0.57, 0.99, 7.25], [0.58, 1.14, 0.99, 7.25]
    money = [DecimalArray.of(net.share([round(100 * v) for v in some]), 2) for some in (amounts, prices)]
    a, b = money[0], NullableArray.of_values(money[1], net.share([True, True, False, True]))
    condition = net.share([False, True, True, False])
    chosen = tc.where(~condition, b, a) if turned else tc.where(condition, a, b)
    assert isinstance(chosen._numbers, DecimalArray)
    assert list(chosen.reveal()) == [Decimal("0.58"), Decimal("0.57"), Decimal("0.99"), Decimal("7.25")]
    assert list((chosen == b).reveal()) == [True, False, False, True]


@pytest.mark.parametrize("bound", [100, 10**4, 2**40])
def test_products_with_decimals_are_revealed_at_their_scale_however_wide_they_are(net: tc.Session, bound: int) -> None:
    """A product of wide bounds was rescaled before the missing ones were taken out, and read as if it had not been."""
    values = net.share([28, -7, 1], bounds=(-bound, bound))
    a = NullableArray.of_values(values, net.share([True, False, True]))
    for found, factor in ((a * 19.99, 19.99), (0.1 * a, 0.1), (a * 19.99 + 0, 19.99)):
        np.testing.assert_allclose(plain(found.reveal()), [28 * factor, np.nan, factor], rtol=1e-6)
        np.testing.assert_allclose(plain(found.persist().reveal()), [28 * factor, np.nan, factor], atol=2.0**-16)
        assert found.sum().reveal() == pytest.approx(29 * factor, rel=1e-6)


def test_bitwise_functions_are_those_of_the_operators(net: tc.Session) -> None:
    a = NullableArray.of_values(net.share([True, False, True]), net.share([True, True, False]))
    b = NullableArray.of_values(net.share([True, True, False]), net.share([True, False, True]))
    xp = tc.array
    found = [xp.bitwise_and(a, b), xp.bitwise_or(a, b), xp.bitwise_xor(b, True), xp.bitwise_invert(a)]
    for one, other in zip(tc.reveal(*found), tc.reveal(a & b, a | b, b ^ True, ~a), strict=True):
        assert one.mask.tolist() == other.mask.tolist() and one.data.tolist() == other.data.tolist()


@pytest.mark.parametrize(
    ("function", "operator_of"),
    [
        (xp.add, operator.add),
        (xp.subtract, operator.sub),
        (xp.multiply, operator.mul),
        (xp.less, operator.lt),
        (xp.greater_equal, operator.ge),
        (xp.equal, operator.eq),
        (xp.not_equal, operator.ne),
    ],
)
def test_functions_take_what_operators_take(net: tc.Session, function: Any, operator_of: Any) -> None:
    numbers = net.share([28, 3, 1], bounds=(0, 100))
    money = DecimalArray.of(net.share([100, 250, 99], bounds=(0, 1000)), 2)
    there = net.share([True, False, True])
    for one, other in (
        (NullableArray.of_values(numbers, there), 2),
        (NullableArray.of_values(numbers, there), numbers),
        (numbers, NullableArray.of_values(numbers, there)),
        (NullableArray.of_values(money, there), Decimal("0.99")),
        (money, Decimal("2.50")),
    ):
        found, expected = tc.reveal(function(one, other), operator_of(one, other))
        np.testing.assert_array_equal(plain(found), plain(expected))


@pytest.mark.parametrize("name", ["add", "equal", "less", "divide", "floor_divide", "logical_and", "where"])
def test_a_list_of_arrays_is_no_operand(net: tc.Session, name: str) -> None:
    numbers = net.share([1, 2], bounds=(0, 9))
    function = getattr(tc.array, name)
    for one in (NullableArray.of_values(numbers, net.share([True, False])), DecimalArray.of(numbers, 1)):
        first = (numbers > 1,) if name == "where" else ()
        for operands in (([one], numbers), (numbers, [one]), (one, [one]), ([one], 1)):
            with pytest.raises(TypeError):
                function(*first, *operands)


def nullable(values: list[float | None], bounds: tuple[float, float]) -> tuple[Any, Any]:
    """Shared, with the lower bound where they are missing; and plain, with NaN there."""
    session = TrioSession()
    there = np.array([value is not None for value in values])
    stored = session.share([bounds[0] if value is None else value for value in values], bounds=bounds)
    return NullableArray.of_values(stored, session.share(there)), np.array(values, np.float64)


OF_ONE: dict[str, Any] = {
    **{
        name: (getattr(xp, name), getattr(np, name))
        for name in (
            *("sign", "square", "floor", "ceil", "trunc", "round", "exp", "exp2", "expm1", "log1p", "cbrt", "sqrt"),
            *("sin", "cos", "tan", "tanh", "sinh", "cosh", "sinc", "asin", "acos", "atan", "asinh"),
        )
    },
    **{
        name: (getattr(special, name), getattr(scipy.special, name))
        for name in ("exp10", "expit", "log_expit", "erf", "erfc", "ndtr", "log_ndtr", "entr", "softplus")
    },
    "relu": (nn.relu, lambda x: np.maximum(x, 0)),
    "leaky_relu": (lambda x: nn.leaky_relu(x, 0.5), lambda x: np.where(x < 0, x / 2, x)),
}


@pytest.mark.parametrize("name", OF_ONE)
def test_a_function_of_what_is_missing_is_missing(name: str) -> None:
    secret, values = nullable([0.25, None, 0.75, None, 0.0, 0.5], (0, 1))
    ours, theirs = OF_ONE[name]
    with np.errstate(invalid="ignore"):
        expected = theirs(values)
    np.testing.assert_allclose(plain(ours(secret).reveal()), expected, atol=4e-5)
    np.testing.assert_allclose(float(ours(secret).mean().reveal()), np.nanmean(expected), atol=4e-5)


def test_functions_of_two_of_which_some_are_missing() -> None:
    (x, a), y = nullable([0.25, None, 0.75, 0.5], (0, 1)), np.array([0.5, 0.25, 0.125, 1.0])
    for found, expected in (
        (np.hypot(x, y), np.hypot(a, y)),
        (np.arctan2(y, x), np.arctan2(y, a)),
        (np.logaddexp(x, x), a + np.log(2)),
        (special.xlogy(x, y), scipy.special.xlogy(a, y)),
        (np.float_power(x, 1.5), a**1.5),
    ):
        np.testing.assert_allclose(plain(found.reveal()), expected, atol=4e-5)


def test_what_is_missing_is_outside_no_domain() -> None:
    """Where the lower bound stands in place of a missing value, a logarithm is not asked for."""
    x, a = nullable([2.0, None, 4.0, 1.0], (0, 5))
    y = np.log(x)
    assert np.all(np.asarray(tc.valid(y).reveal()))
    np.testing.assert_allclose(plain(y.reveal(checked=True)), np.log(a), atol=2e-5)
    assert float(y.mean().reveal(checked=True)) == pytest.approx(np.nanmean(np.log(a)), abs=2e-5)
    z, _ = nullable([2.0, None, 0.0], (0, 5))
    assert tc.valid(np.log(z)).reveal().tolist() == [True, True, False]
    with pytest.raises(tc.InputError, match="logarithms take numbers above 0"):
        np.log(z).reveal(checked=True)
    assert float(np.log(z).mean(where=tc.valid(np.log(z))).reveal()) == pytest.approx(np.log(2), abs=2e-5)


def test_functions_of_decimals_of_which_some_are_missing() -> None:
    session = TrioSession()
    cents = DecimalArray.of(session.share([250, 0, 1000], bounds=(0, 5000)), 2)
    x = NullableArray.of_values(cents, session.share([True, False, True]))
    np.testing.assert_allclose(plain(np.log(x).reveal()), [np.log(2.5), np.nan, np.log(10)], atol=2e-5)
    assert float(np.exp(np.log(x).mean()).reveal()) == pytest.approx(5, abs=1e-3)
