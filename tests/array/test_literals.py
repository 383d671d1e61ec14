"""Public numbers beside secret ones are read as the array would store them."""

from __future__ import annotations

import csv
import operator
from decimal import ROUND_FLOOR, Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tercet.array as tc
from plan_trio import TrioSession

PATIENTS = Path(__file__).parents[2] / "docs" / "patients.csv"
BOTH = pytest.mark.parametrize("parties", [False, True], ids=["oracle", "parties"])
DECIMALS = [0.1, 0.2, 0.7, 1.1, 19.4, 29.9, 30.1, 30.8, -0.3, -30.1, 0.0, 7.25]
COMPARE = [operator.lt, operator.le, operator.eq, operator.ne, operator.gt, operator.ge]


def bmi() -> list[float]:
    with PATIENTS.open() as file:
        return [float(row["bmi"]) for row in csv.DictReader(file)]


@BOTH
def test_counts_on_the_patients(parties: bool) -> None:
    values = bmi()
    x = TrioSession(parties=parties).share(values, bounds=(10, 60))
    found = tc.reveal(
        (x == 30.1).sum(),
        (x > 30.1).sum(),
        ((x >= 19.4) & (x <= 30.1)).sum(),
        (np.array([30.1, 30.8, 19.4]) == x[:, None]).any(axis=1).sum(),
        (x != 30.1).sum(),
        (np.float64(30.1) >= x).sum(),
    )
    assert [int(n) for n in found] == [5, 57, 237, 7, len(values) - 5, len(values) - 57]


@BOTH
@pytest.mark.parametrize("frac_bits", [8, 16, 20, 40, 90])
def test_a_literal_finds_what_was_stored_from_it(parties: bool, frac_bits: int) -> None:
    values = np.array(DECIMALS)
    x = TrioSession(parties=parties).share(values, bounds=(-100, 100), frac_bits=frac_bits)
    tests = [(op, k) for op in COMPARE for k in (30.1, -0.3, 0.1, 7.25)] if not parties else [(operator.eq, 30.1)]
    expected = [op(values, k) for op, k in tests] + [op(k, values) for op, k in tests]
    found = [op(x, k) for op, k in tests] + [op(k, x) for op, k in tests]
    for got, wanted in zip(tc.reveal(*found), expected, strict=True):
        assert got.tolist() == wanted.tolist()
    for op in COMPARE:
        assert op(x, values).reveal().tolist() == op(values, values).tolist()
        assert op(values[::-1], x).reveal().tolist() == op(values[::-1], values).tolist()


@BOTH
def test_multiples_of_a_step_are_read_in_the_same_way(parties: bool) -> None:
    tenths = np.arange(-45, 46)
    session = TrioSession(parties=parties)
    x = session.share(tenths / 10, bounds=(-100, 100))
    assert (x // 0.1).reveal().tolist() == tenths.tolist()
    assert np.all((x % 0.1).reveal() == 0)
    assert (x // -0.1).reveal().tolist() == (-tenths).tolist()
    assert (x // 0.3).reveal().tolist() == (tenths // 3).tolist()
    assert np.abs((x % 0.3).reveal() - tenths % 3 / 10).max() <= 2.0**-16
    y = session.share([0.75], bounds=(-(2.0**20), 2.0**20))
    assert (y // 0.1).reveal().tolist() == [7]
    assert (y % 0.1).reveal() == pytest.approx([0.05], abs=2.0**-15)
    z = session.share([0.75, 0.7, -0.7], bounds=(-(2.0**20), 2.0**20), frac_bits=40)
    assert (z // 0.1).reveal().tolist() == [7, 7, -7]
    assert (z % 0.1).reveal() == pytest.approx([0.05, 0, 0], abs=2.0**-38)
    # with all the digits of a float, 0.7 is below 7 times 0.1, as in Python
    w = session.share([0.75, 0.7], bounds=(-(2.0**20), 2.0**20), frac_bits=60)
    assert (w // 0.1).reveal().tolist() == [7, 0.7 // 0.1]
    assert (w % 0.1).reveal() == pytest.approx([0.75 % 0.1, 0.7 % 0.1], abs=2.0**-50)


@BOTH
def test_integers_are_compared_with_what_is_written(parties: bool) -> None:
    x = TrioSession(parties=parties).share([40, 41], bounds=(0, 120))
    assert (x > 40.5).reveal().tolist() == [False, True]
    assert (x == 40.5).reveal().tolist() == [False, False]
    assert (x <= 40.000001).reveal().tolist() == [True, False]


@BOTH
def test_a_product_is_compared_at_its_own_finer_scale(parties: bool) -> None:
    session = TrioSession(parties=parties)
    x = session.share([0.5, 2.0**-16], bounds=(-1000, 1000))
    assert (x * x > 0).reveal().tolist() == [True, True]
    assert (x * x == 2.0**-32).reveal().tolist() == [False, True]
    wide = session.share([2.0**-16, 1.0], bounds=(-(2.0**20), 2.0**20))
    assert (wide * wide < wide).reveal().tolist() == [True, False]
    assert (wide * wide == wide).reveal().tolist() == [False, True]


@BOTH
def test_choices_between_public_numbers(parties: bool) -> None:
    bit = TrioSession(parties=parties).share(np.array([True, False]))
    found = tc.where(bit, 0.1, 1e17).reveal()
    assert found == pytest.approx([0.1, 1e17], abs=2.0**-17, rel=1e-15)
    assert tc.where(bit, 2**62, -(2**63)).reveal().tolist() == [2**62, -(2**63)]
    assert tc.where(bit, np.array([1e-3, 5.0]), 7).reveal() == pytest.approx([1e-3, 7], abs=2.0**-17)
    assert tc.where(bit, np.array([True, True]), 7).reveal().tolist() == [1, 7]


@BOTH
@pytest.mark.parametrize("frac_bits", [2, 16, 40])
def test_thresholds_of_clip_and_where(parties: bool, frac_bits: int) -> None:
    values = np.array([0.5, 19.4, 30.1, 99.0])
    x: Any = TrioSession(parties=parties).share(values, bounds=(0, 100), frac_bits=frac_bits)
    clipped = tc.clip(x, 19.4, 30.1)
    stored = np.rint(values * 2.0**frac_bits) / 2.0**frac_bits
    fine = max(frac_bits, 16)
    edges = [np.rint(k * 2.0**fine) / 2.0**fine for k in (19.4, 30.1)]
    assert clipped.reveal().tolist() == stored.clip(*edges).tolist()
    assert tc.where(x >= 30.1, 1, 0).reveal().tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize("parties", [False, True])
@pytest.mark.parametrize("step", [0.25, 0.125, 0.75, 1.5, 1.25, -0.75])
def test_a_binary_step_finer_than_the_array_is_taken_as_it_is(parties: bool, step: float) -> None:
    session = TrioSession(parties=parties)
    values = np.arange(-8, 9) / 2
    x = session.share(values, bounds=(-10, 10), frac_bits=1)
    assert np.array_equal((x // step).reveal(), np.floor(values / step))
    rest = x % step
    shown = rest.reveal()
    assert np.max(np.abs(shown - values % step)) <= 0.25
    assert rest.bounds[0] <= shown.min()
    assert shown.max() <= rest.bounds[1]


@BOTH
def test_a_literal_beside_a_multiple_of_a_column_is_read_beside_the_column(parties: bool) -> None:
    values = bmi()
    x = TrioSession(parties=parties).share(values, bounds=(10, 60))
    found = tc.reveal(
        *((e).sum() for e in (x * 2 > 60.2, 2 * x > 60.2, x + x > 60.2, -x < -30.1, x * 0.1 > 3.01, x / 2 > 15.05)),
        *((e).sum() for e in (x * 2 == 60.2, 3 - x * 0.5 == -12.05, (x + 0.7) / 1000 == 0.0308, 3 * x - x == 60.2)),
        *((e).sum() for e in (np.array([60.2, 61.6]) == 2 * x[:, None], x[::-1].reshape(2, -1) * 2 != 60.2)),
    )
    assert [int(n) for n in found] == [57] * 6 + [5] * 4 + [6, len(values) - 5]


def test_lines_of_decimals_compare_as_the_decimals_do() -> None:
    """a x + b beside every value that it takes, in four spellings."""
    rng = np.random.default_rng(3)
    for _ in range(60):
        session, digits = TrioSession(), int(rng.integers(1, 4))
        column = [Decimal(str(value)) for value in np.round(rng.uniform(0, 60, 20), digits)]
        x = session.share([float(value) for value in column], bounds=(0, 100))
        a = [Decimal(text) for text in ("2", "0.5", "-3", "0.1", "2.54", "1000", "-0.453")][int(rng.integers(7))]
        b = [Decimal(text) for text in ("0", "1", "-0.7", "273.15")][int(rng.integers(4))]
        fa, fb = float(a), float(b)
        for e, exact in (
            (x * fa + fb, [v * a + b for v in column]),
            (fb - fa * x, [b - v * a for v in column]),
            ((x + fb) * fa, [(v + b) * a for v in column]),
        ):
            at = exact[int(rng.integers(20))]
            found = tc.reveal(*(one for op in COMPARE for one in (op(e, float(at)), op(float(at), e))))
            for op, after, before in zip(COMPARE, found[::2], found[1::2], strict=True):
                assert after.tolist() == [op(value, at) for value in exact], (a, b, at, op)
                assert before.tolist() == [op(at, value) for value in exact], (a, b, at, op)
        step = abs(a) * Decimal("0.3")
        counts = [int((v * a / step).to_integral_value(ROUND_FLOOR)) for v in column]
        times, left = tc.reveal((x * fa) // float(step), (x * fa) % float(step))
        assert times.tolist() == counts, (a, step)
        rest = [float(v * a - n * step) for v, n in zip(column, counts, strict=True)]
        assert np.allclose(left, rest, rtol=0, atol=2.0**-15 * max(1, abs(fa)))


def test_whole_numbers_beside_a_multiple_of_decimals() -> None:
    cm = TrioSession().share([25.4, 25.3, 25.5, 12.7], bounds=(0, 300))
    assert (cm / 2.54 >= 10.0).reveal().tolist() == [True, False, True, False]
    assert (cm / 2.54 == 10.0).reveal().tolist() == [True, False, False, False]
    assert (cm * 0.1 > 2.54).reveal().tolist() == [False, False, True, False]
    assert (cm * 3.5 == 44.45).reveal().tolist() == [False, False, False, True]
    assert (cm * 10 == 254).reveal().tolist() == [True, False, False, False]
    # a quotient is read like a product, and 10 like 10.0
    assert (cm / 2.54 >= 10).reveal().tolist() == [True, False, True, False]
    assert (cm / 0.1 == 254).reveal().tolist() == [True, False, False, False]
    age = TrioSession().share([3, 4, 5], bounds=(0, 120))
    assert ((100 - age) / 0.1 == 970).reveal().tolist() == [True, False, False]
    assert ((100 - age) / 0.1 < 960).reveal().tolist() == [False, False, True]
    thirds = TrioSession().share([21845 / 65536, 0.5], bounds=(0, 1))
    assert (thirds * 3 == 1).reveal().tolist() == [False, False]


def test_integers_beside_a_multiple_are_compared_exactly() -> None:
    age = TrioSession().share(np.arange(100), bounds=(0, 120))
    for k in (4.2, 0.3, 7.0, 3.14, 5):
        assert (age * 0.1 == k).reveal().tolist() == [Decimal(n) / 10 == Decimal(str(k)) for n in range(100)]
        assert (age * 0.1 <= k).reveal().tolist() == [Decimal(n) / 10 <= Decimal(str(k)) for n in range(100)]
    assert (age / 3 * 2 == 2 / 3).reveal().nonzero()[0].tolist() == [1]
