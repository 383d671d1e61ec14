"""Values that are revealed as the exact numbers that they come from, and computed with under sharing: deviations."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import tercet as tc
from tercet.array.decimals import DecimalArray
from tercet.array.exact import Root
from tercet.array.nullable import NullableArray

VALUES = np.array([[3, 1, 4], [1, 5, 9]])


@pytest.fixture(scope="module")
def net() -> Any:
    with tc.local() as net:
        yield net


@pytest.fixture(scope="module")
def x(net: Any) -> Any:
    return net.share(VALUES, bounds=(0, 10))


def test_a_revealed_root_is_that_of_the_exact_variance(x: Any) -> None:
    found = tc.reveal(x.std(), x.std(axis=0, ddof=1), np.std(x, axis=1), tc.array.std(x, axis=1, correction=1), x.var())
    plain = [VALUES.std(), VALUES.std(axis=0, ddof=1), VALUES.std(axis=1), VALUES.std(axis=1, ddof=1), VALUES.var()]
    for one, other in zip(found, plain, strict=True):
        assert np.allclose(one, other, rtol=1e-14)
    assert isinstance(found[0], float)
    assert "square root" in repr(x.std())


def test_it_moves_and_is_kept_as_it_is(x: Any) -> None:
    roots = x.std(axis=0)
    assert roots.shape == (3,) and len(roots) == 3 and roots.ndim == 1
    moved = roots[::-1].reshape(3, 1)
    assert isinstance(moved, Root)
    assert np.allclose(moved.reveal(), VALUES.std(axis=0)[::-1, None], rtol=1e-14)
    assert np.allclose(moved.persist().reveal(), VALUES.std(axis=0)[::-1, None], rtol=1e-14)
    assert roots.explain().rounds >= 1


@pytest.mark.parametrize(
    "use",
    [
        lambda s, xp: s + 1,
        lambda s, xp: 2 * s,
        lambda s, xp: -s,
        lambda s, xp: s / 2,
        lambda s, xp: s // 2,
        lambda s, xp: s % 2,
        lambda s, xp: s**2,
        lambda s, xp: abs(s),
        lambda s, xp: s > 1,
        lambda s, xp: s @ s,
        lambda s, xp: s.sum(),
        lambda s, xp: s.mean(),
        lambda s, xp: s.var(),
        lambda s, xp: s.std(),
        lambda s, xp: s.min(),
        lambda s, xp: s.max(),
        lambda s, xp: s.astype(int),
        lambda s, xp: xp.where(s > 3, s, 0),
        lambda s, xp: xp.where(np.array([True, False, True]), s, 0),
        lambda s, xp: xp.concat([s, s]),
        lambda s, xp: xp.stack([s, s]),
        lambda s, xp: xp.exp(s),
        lambda s, xp: np.cumsum(s),
        lambda s, xp: np.argmax(s),
        lambda s, xp: xp.divide(1, s),
        lambda s, xp: np.sort(s),
    ],
)
def test_everything_is_computed_with_it(x: Any, use: Any) -> None:
    found, plain = use(x.std(axis=0), tc).reveal(), use(VALUES.std(axis=0), np)
    assert np.allclose(found, plain, rtol=2**-13, atol=2**-13)


def test_it_may_be_assumed_and_checked(x: Any) -> None:
    assert tc.assume(x.std(axis=0), (0, 3)).bounds == (0, 3)
    assert np.allclose(tc.assume(x.std(axis=0), (0, 3)).reveal(checked=True), VALUES.std(axis=0), atol=2**-15)


@pytest.mark.parametrize("frac_bits", [16, 20, 24, 40])
@pytest.mark.parametrize("spread", [0.0, 2.0**-14, 0.01, 1.0, 60.0])
def test_within_two_last_bits_whatever_the_spread(net: Any, frac_bits: int, spread: float) -> None:
    rng = np.random.default_rng(7)
    values = np.round((rng.normal(size=(50, 64)).clip(-3, 3) * spread + 5) * 2.0**frac_bits) / 2.0**frac_bits
    values[:, 0] = 5
    shared = net.share(values, bounds=(-200, 200), frac_bits=frac_bits)
    exact = np.array([_deviation(column, 1) for column in values.T])
    found = (shared.std(axis=0, ddof=1) + 0).reveal()
    off = np.abs(found - exact) / np.maximum(1, exact) * 2.0**frac_bits
    assert off.max() <= 2, off.max()
    assert found[0] == 0
    lo, hi = (shared.std(axis=0) + 0).bounds
    assert lo == 0 and 200 <= hi <= 200.001


def _deviation(values: Any, ddof: int) -> float:
    exact = [Fraction(value) for value in values.tolist()]
    mean = sum(exact) / len(exact)
    return math.sqrt(sum((value - mean) ** 2 for value in exact) / (len(exact) - ddof))


def test_of_multiples_and_quotients(net: Any) -> None:
    values = np.arange(40.0) ** 2
    shared = net.share(values, bounds=(0, 2000))
    for factor in (0.001, 3, 250):
        one, other = tc.reveal((shared * factor).std() + 0, (shared / factor).std() * 1)
        assert one == pytest.approx((values * factor).std(), rel=2**-14, abs=2**-14)
        assert other == pytest.approx((values / factor).std(), rel=2**-14, abs=2**-14)


def test_of_decimals(net: Any) -> None:
    stored = np.array([10, 235, 799, 105])
    shared = DecimalArray.of(net.share(stored, bounds=(-1000, 1000)), 2)
    assert (shared.std() * 2).reveal() == pytest.approx(2 * (stored / 100).std(), abs=2**-14)


@pytest.mark.parametrize("ddof", [0, 1])
def test_of_values_some_of_which_are_missing(net: Any, ddof: int) -> None:
    plain = np.array([2.0, 3.5, -7.25, 0.5])
    values = net.share([2.0, 9.0, 3.5, -9.0, -7.25, 0.5], bounds=(-10, 10))
    shared = NullableArray.of_values(values, net.share([True, False, True, False, True, True]))
    deviation = shared.std(ddof=ddof)
    revealed, doubled, larger = tc.reveal(deviation, 2 * deviation, deviation > 1)
    assert revealed == pytest.approx(plain.std(ddof=ddof), rel=1e-14)
    assert doubled == pytest.approx(2 * plain.std(ddof=ddof), abs=2**-14) and larger
    with pytest.raises(TypeError, match="ddof is no integer"):
        _ = shared.std(ddof=0.5) + 1
