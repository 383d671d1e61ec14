"""Quotients by public numbers are revealed, compared and rounded exactly, against fractions."""

from __future__ import annotations

import math
import operator
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tercet.array as tc
from plan_trio import TrioSession
from tercet.errors import PlanError
from tercet.plan.record import public as literals
from tercet.plan.types import Type, ValueKind

BOTH = pytest.mark.parametrize("parties", [False, True], ids=["oracle", "parties"])
COMPARE = [operator.lt, operator.le, operator.eq, operator.ne, operator.gt, operator.ge]


@BOTH
def test_of_three(parties: bool) -> None:
    q = TrioSession(parties=parties).share([9, -9, 7], bounds=(-1000, 1000)) / 3
    assert tc.floor(q).reveal().tolist() == [3, -3, 2]
    assert tc.ceil(q).reveal().tolist() == [3, -3, 3]
    assert tc.trunc(q).reveal().tolist() == [3, -3, 2]
    assert tc.round(q).reveal().tolist() == [3, -3, 2]
    assert (q == 3).reveal().tolist() == [True, False, False]
    assert (q >= 3).reveal().tolist() == [True, False, False]
    assert (np.int64(3) <= q).reveal().tolist() == [True, False, False]
    assert (abs(q) == 3).reveal().tolist() == [True, True, False]
    assert (-q == 3).reveal().tolist() == [False, True, False]
    assert (q + 1 == 4).reveal().tolist() == [True, False, False]
    assert (1 - q == 4).reveal().tolist() == [False, True, False]
    assert (q - q == 0).reveal().all()
    assert (q * 3 == [9, -9, 7]).reveal().all()
    assert tc.sign(q).reveal().tolist() == [1, -1, 1]
    assert tc.maximum(q, 0).reveal().tolist() == [3, 0, 7 / 3]
    assert tc.clip(q, -1, 2).reveal().tolist() == [2, -1, 2]
    assert tc.clip(q, -1, 2.5).reveal() == pytest.approx([2.5, -1, 7 / 3], abs=2.0**-16)
    assert tc.where(q > 0, q, -q).reveal().tolist() == [3, 3, 7 / 3]
    assert (q // 2).reveal().tolist() == [1, -2, 1]
    assert (q % 2).reveal().tolist() == [1, 1, 1 / 3]
    assert tc.astype(q, bool).reveal().all()


@BOTH
def test_means(parties: bool) -> None:
    session = TrioSession(parties=parties)
    m = session.share([3, 3, 3], bounds=(0, 100))
    assert (m >= m.mean()).reveal().all()
    assert (m == m.mean()).reveal().all()
    assert tc.ceil(m.mean()).reveal() == 3
    decimals = session.share([30.1] * 7, bounds=(0, 100))
    assert (decimals.mean() == 30.1).reveal()
    assert (decimals >= decimals.mean()).reveal().all()
    groups = session.share([[1, 2], [3, 5]], bounds=(0, 100))
    assert (groups.mean(axis=0) < groups.mean(axis=1)).reveal().tolist() == [False, True]
    assert (groups.var() > 2.1875).reveal().tolist() is False
    assert (groups.var() == 2.1875).reveal().tolist() is True


def test_many_copies() -> None:
    x = TrioSession(parties=True).share(np.full(20_000, 144), bounds=(0, 1000)) / 3
    assert np.all(tc.astype(x, int).reveal() == 48)
    assert np.all((x == 48).reveal())


@BOTH
def test_a_literal_is_the_quotient_that_reveals_as_it(parties: bool) -> None:
    values = np.arange(-30, 31)
    for divisor in (10, 7, 100, -3):
        q = TrioSession(parties=parties).share(values, bounds=(-50, 50)) / divisor
        for k in (values / divisor)[::9]:
            for op in COMPARE[:3] if parties else COMPARE:
                assert op(q, k).reveal().tolist() == op(values / divisor, k).tolist()
    cents = TrioSession(parties=parties).share([99, 100, 110], bounds=(0, 10_000)) / 100
    assert (cents == 0.99).reveal().tolist() == [True, False, False]
    assert (cents // 0.1).reveal().tolist() == [9, 10, 11]
    assert (cents % 0.1).reveal().tolist() == [0.09, 0, 0]
    assert ((cents + 0.01) == 1).reveal().tolist() == [True, False, False]


@BOTH
def test_by_public_arrays(parties: bool) -> None:
    x = TrioSession(parties=parties).share([9, 9, -7, 12], bounds=(-100, 100))
    q = x / np.array([3, 2, 7, -4])
    assert q.reveal().tolist() == [3, 4.5, -1, -3]
    assert tc.floor(q).reveal().tolist() == [3, 4, -1, -3]
    assert (q == [3, 4.5, -1, -3]).reveal().all()


@given(
    k=st.lists(st.floats(-100, 100) | st.integers(-1000, 1000).map(lambda n: n / 7), min_size=1, max_size=5),
    divisor=st.sampled_from([3, 7, 10, 1024, Fraction(1, 2), Fraction(7, 2)]),
    frac=st.sampled_from([0, 4, 16]),
)
@settings(max_examples=200)
def test_many_literals_at_once_are_read_as_one_by_one(k: list[float], divisor: Any, frac: int) -> None:
    t = Type(ValueKind.FIXED if frac else ValueKind.INT, (), 64, frac, frac, -(1 << 30), 1 << 30)
    quick = literals._in_words(np.array(k), t, Fraction(divisor))
    assert quick is not None
    for value, below, above in zip(k, quick[0].tolist(), quick[1].tolist(), strict=True):
        exact = literals.read(value, t, Fraction(divisor))
        assert (below, above) == (math.floor(exact), math.ceil(exact))
    whole = np.array([round(value) for value in k])
    quick = literals._in_words(whole, t, Fraction(divisor))
    assert quick is not None
    for value, below, above in zip(whole.tolist(), quick[0].tolist(), quick[1].tolist(), strict=True):
        exact = literals.read(value, t, Fraction(divisor))
        assert (below, above) == (math.floor(exact), math.ceil(exact))


numerators = st.integers(-(2**20), 2**20) | st.sampled_from([0, 1, -1, 2**20, -(2**20)])
divisors = (
    st.integers(1, 5000).map(Fraction)
    | st.integers(1, 5000).map(lambda n: Fraction(-n))
    | st.sampled_from([Fraction(1, 2), Fraction(3, 4), Fraction(0.1), Fraction(7, 2)])
)


@given(
    values=st.lists(numerators, min_size=1, max_size=4),
    divisor=divisors,
    frac=st.sampled_from([0, 0, 3, 16]),
    other=st.integers(-50, 50),
    other_divisor=divisors,
    parties=st.sampled_from([False, False, False, True]),
)
@settings(max_examples=60)
def test_against_fractions(
    values: list[int], divisor: Fraction, frac: int, other: int, other_divisor: Fraction, parties: bool
) -> None:
    session = TrioSession(parties=parties)
    top = 1 << 20
    given = [value / 2**frac for value in values] if frac else values
    x = session.share(given, bounds=(-top, top) if not frac else (-top / 2**frac, top / 2**frac), frac_bits=frac)
    q = x / (int(divisor) if divisor.denominator == 1 else float(divisor))

    def beside(op: Any, k: int, *, turned: bool = False) -> list[bool]:
        """Where x is k times the divisor, as it is written, or stored from that."""
        at = k * Fraction(repr(float(divisor)))
        if frac == 16:
            at = Fraction(round(at * 2**16), 2**16)
        sides = [(at, Fraction(value, 1 << frac)) for value in values]
        return [op(*(side if turned != (divisor < 0) else side[::-1])) for side in sides]

    exact = [Fraction(value, 1 << frac) / divisor for value in values]
    checks: list[tuple[Any, list[Any]]] = [
        (tc.floor(q), [math.floor(value) for value in exact]),
        (tc.ceil(q), [math.ceil(value) for value in exact]),
        (tc.trunc(q), [math.trunc(value) for value in exact]),
        (tc.round(q), [round(value) for value in exact]),
        (tc.sign(q), [(value > 0) - (value < 0) for value in exact]),
    ]
    whole = math.floor(exact[0])
    y = session.share([other] * len(values), bounds=(-50, 50))
    z = y / int(other_divisor) if other_divisor.denominator == 1 else y * 1
    second = other / other_divisor if other_divisor.denominator == 1 else Fraction(other)
    for op in COMPARE[:3] if parties else COMPARE:
        checks.append((op(q, whole), beside(op, whole)))
        checks.append((op(other, q), beside(op, other, turned=True)))
        checks.append((op(q, y), [op(value, other) for value in exact]))
        checks.append((op(q, z), [op(value, second) for value in exact]))
    for (found, wanted), got in zip(checks, tc.reveal(*(one for one, _ in checks)), strict=True):
        assert got.tolist() == wanted, (found, got, wanted)


def test_a_variance_of_quotients_is_exact_or_refused() -> None:
    for parties in (False, True):
        x = TrioSession(parties=parties).share([19.4, 1.0, 0.3], bounds=(-(2**20), 2**20), frac_bits=40)
        with pytest.raises(PlanError):
            tc.stack([x.mean(), x.mean(), x.mean()]).var().reveal()
        assert abs(float((x / 3).var().reveal()) - 234.62 / 27) < 2.0**-30
        assert abs(float((x / 3).sum().reveal()) - 6.9) < 2.0**-38


def test_products_of_quotients_keep_what_their_dtype_says() -> None:
    x = TrioSession(parties=True).share([0.0039, 7.25, -3.0], bounds=(-10, 10), frac_bits=8)
    stored = np.array([1 / 256, 7.25, -3.0])
    for q, exact in (
        (x * (x / 2.0**-16), stored**2 * 65536),
        ((x / 3) * (x / 7), stored**2 / 21),
        ((x / 3) ** 2, stored**2 / 9),
    ):
        for found in (q, tc.minimum(q, q), tc.maximum(q, q + 0), q.persist(), 0 - (0 - q)):
            assert np.allclose(found.reveal(), exact, rtol=0, atol=2.0**-15), (found, exact)
        assert abs(float(tc.max(q).reveal()) - exact.max()) <= 2.0**-15


def test_quotients_beyond_the_largest_float_are_refused_before_anything_runs() -> None:
    session = TrioSession()
    flags, x, y = session.share([True, False]) / 1e-300, session.share([5, 9], bounds=(0, 9)), session.share([0.5])
    calls: list[Any] = [
        *(lambda: tc.var(flags), lambda: tc.std(flags), lambda: flags / 1e-300, lambda: x / 5e-324),
        *(lambda: tc.floor(flags), lambda: tc.round(flags), lambda: tc.astype(flags, int), lambda: tc.sum(x / 1e-307)),
        *(lambda: (y / 3) // 1e-300, lambda: (y / -7) // 1e-300, lambda: y // 1e-300, lambda: x // 5e-324),
    ]
    for call in calls:
        with pytest.raises(PlanError):
            call().reveal()


@pytest.mark.parametrize("parties", [False, True])
@pytest.mark.parametrize("step", [0.001, 1e-5, 0.07, 0.3, 2.5, -0.001])
def test_a_quotient_is_divided_by_the_step_as_it_is(parties: bool, step: float) -> None:
    session, values = TrioSession(parties=parties), [Fraction(1), Fraction(-5, 2), Fraction(3, 4)]
    for divisor in (3, 7):
        q = session.share([float(value) for value in values], bounds=(-10, 10)) / divisor
        counts = [math.floor(value / divisor / Fraction(step)) for value in values]
        rests = [float(value / divisor - n * Fraction(step)) for value, n in zip(values, counts, strict=True)]
        assert (q // step).reveal().tolist() == counts
        assert np.allclose((q % step).reveal(), rests, rtol=0, atol=2.0**-40)
    tenths = session.share([1.0, 3.0, -2.0], bounds=(-10, 10)) / 10
    assert (tenths // 0.1).reveal().tolist() == [1, 3, -2]
