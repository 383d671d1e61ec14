"""Numbers as planes of bits: what is selected, compared and summed, beside NumPy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import tercet as tc
from tercet.array import planes
from tercet.errors import PlanError


@pytest.fixture(scope="module")
def net() -> Iterator[tc.Session]:
    with tc.local() as session:
        yield session


def bits(draw: Any, shape: tuple[int, ...]) -> Any:
    return draw.integers(0, 2, shape).astype(bool)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((3, 100), (3, 100)),
        ((3, 1, 5, 100), (3, 4, 5, 1)),  # lines, and one bit for each of them
        ((3, 4, 5, 1), (3, 1, 5, 128)),
        ((3, 4, 1, 70), (3, 1, 5, 70)),
        ((3, 1, 5, 9), (3, 4, 1, 1)),  # too short for words
        ((2, 1, 200, 6500), (2, 3, 1, 1)),  # more than is summed at once
        ((3, 2, 1), (3, 1, 1)),
    ],
)
def test_rows_that_bools_choose(net: tc.Session, first: tuple[int, ...], second: tuple[int, ...]) -> None:
    draw = np.random.default_rng(1)
    a, b = bits(draw, first), bits(draw, second)
    found = planes.select(net.share(a), net.share(b))
    cost = found.explain()
    with net.measure() as measured:
        opened = found.reveal()
    assert np.array_equal(opened, np.logical_xor.reduce(a & b))
    assert measured.bytes_per_party == pytest.approx(cost.bytes_per_party, rel=1e-9, abs=1)


def test_rows_must_be_as_many(net: tc.Session) -> None:
    with pytest.raises(PlanError, match="differ in dimensions, or in rows"):
        planes.select(net.share(np.ones((2, 3), bool)), net.share(np.ones((3, 3), bool)))


@pytest.mark.parametrize("width", [1, 2, 5, 8, 13])
def test_at_most(net: tc.Session, width: int) -> None:
    draw = np.random.default_rng(width)
    x, y = draw.integers(0, 1 << width, (2, 200))
    y[:50] = x[:50]
    scale = (0, 1, (1 << width) - 1)
    a, b = (planes.planes(net.share(one, bounds=(0, (1 << width) - 1)), scale) for one in (x, y))
    assert a.shape[0] == width
    assert np.array_equal(planes.at_most(a, b).reveal(), x <= y)


def test_numbers_in_another_scale_are_rounded_down_and_drawn_in(net: tc.Session) -> None:
    x = np.array([-9.0, -2.0, -1.75, 0.3, 0.25, 3.0, 50.0])
    found = planes.planes(net.share(x, bounds=(-10, 60), frac_bits=20), (2, -7, 12)).reveal()
    numbers = np.tensordot(1 << np.arange(found.shape[0]), found, 1) - 8
    assert np.array_equal(numbers, np.clip(np.floor(x * 4), -8, 12))


@pytest.mark.parametrize("terms", [1, 5])
def test_totals(net: tc.Session, terms: int) -> None:
    x = np.random.default_rng(2).integers(-20, 30, (3, terms, 7)) / 4
    shared = net.share(x, bounds=(-5, 8), frac_bits=2)
    scale = planes.scale_of(shared)
    found = planes.total(planes.planes(shared, scale), 1, scale)
    assert np.array_equal(found.reveal(), x.sum(axis=1))


@pytest.mark.parametrize("rows", [1, 2, 3, 7, 16])
def test_the_first_greatest(net: tc.Session, rows: int) -> None:
    x = np.random.default_rng(rows).integers(0, 4, (rows, 9))
    best, place = planes.greatest(net.share(x, bounds=(0, 4)), 4)
    found, at = tc.reveal(best, place)
    assert np.array_equal(found, x.max(axis=0))
    assert np.array_equal((1 << np.arange(4)) @ at, x.argmax(axis=0))


def test_what_is_hardly_greater_counts_as_equal(net: tc.Session) -> None:
    x = np.array([[1.0, 3.0, 0.0], [1.5, 2.5, 0.0], [1.0, 3.25, 0.5], [1.75, 0.0, 3.0]])
    for values in (x, net.share(x, bounds=(0, 4), frac_bits=2)):
        best, place = planes.greatest(values, 2, 0.25)
        found, at = (best, place[0]) if values is x else tc.reveal(best, place[0] + 2 * place[1])
        assert np.array_equal(found, [1.5, 3.0, 3.0]) and np.array_equal(at, [1, 0, 3])


def test_one_hot(net: tc.Session) -> None:
    x = np.arange(6)
    numbers = planes.constant(x, net.share(x, bounds=(0, 5)), 3)
    assert np.array_equal(planes.one_hot(numbers, 6).reveal(), np.eye(6, dtype=bool))
    low, high = planes.split_place(numbers, 1)
    assert np.array_equal(low.reveal()[0], x % 2 == 1) and high.shape == (2, 6)
    assert np.array_equal(planes.of_bits([numbers[0], numbers[1]]).reveal(), numbers[:2].reveal())
