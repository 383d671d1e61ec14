"""Elements put at and taken from secret places, against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from array_strategies import check
from plan_trio import TrioSession
from tercet import array as tc


@pytest.fixture
def session() -> TrioSession:
    return TrioSession()


@pytest.mark.parametrize("kind", ["secret", "public"])
def test_put_is_numpy_s_and_the_last_wins(session: TrioSession, kind: str) -> None:
    rng = np.random.default_rng(4)
    for shape, many in [((6,), 4), ((3, 4), 30), ((1,), 3), ((5,), 0)]:
        x, values = rng.integers(-9, 9, shape), rng.integers(-99, 99, many)
        size = int(np.prod(shape))
        indices = rng.integers(-2, size + 2, many)
        secret = session.share(x, bounds=(-9, 9))
        where: Any = session.share(indices, bounds=(-2, size + 2)) if kind == "secret" else indices
        given: Any = session.share(values, bounds=(-99, 99)) if kind == "secret" else values
        expected = x.copy()
        np.put(expected, indices, values, mode="clip") if many else None
        check(tc.put(secret, where, given), expected)
        check(secret, x)
        if many:
            np.put(expected := x.copy(), indices, 7, mode="clip")
            check(tc.put(secret, where, 7), expected)


def test_put_of_other_kinds(session: TrioSession) -> None:
    flags = np.array([True, False, False])
    check(tc.put(session.share(flags), [2, 0], [True, False]), np.array([False, False, True]))
    reals = np.array([1.5, 2.25])
    check(tc.put(session.share(reals, bounds=(0, 4)), session.share([1], bounds=(0, 1)), [0.5]), np.array([1.5, 0.5]))
    plain = tc.put(np.arange(3), [5], [9])
    assert plain.tolist() == [0, 1, 9]


def test_take_along_an_axis_at_secret_places(session: TrioSession) -> None:
    rng = np.random.default_rng(5)
    for shape, axis, many in [((5,), 0, 3), ((4, 6), 1, 2), ((4, 6), 0, 7), ((2, 3, 5), -2, 4), ((1, 2), 0, 2)]:
        x = rng.integers(-64, 64, shape) / 8
        length = shape[axis]
        counts = list(shape)
        counts[axis] = many
        indices = rng.integers(-2, length + 2, counts)
        expected = np.take_along_axis(x, np.clip(indices, 0, length - 1), axis)
        secret, where = session.share(x, bounds=(-8, 8)), session.share(indices, bounds=(-2, length + 2))
        check(tc.take_along_axis(secret, where, axis=axis), expected)
        check(np.take_along_axis(secret, where, axis), expected)
    flags = session.share([[True, False], [False, True]])
    check(tc.take_along_axis(flags, session.share([[1], [1]], bounds=(0, 1))).astype(tc.int64), np.array([[0], [1]]))


def test_refusals(session: TrioSession) -> None:
    x, half = session.share([1, 2, 3], bounds=(0, 3)), session.share([0.5], bounds=(0, 1))
    one = session.share([[1]], bounds=(0, 1))
    for call, error, says in (
        (lambda: tc.put(x, half, [1]), TypeError, "integers"),
        (lambda: tc.put(x, [0.5], [1]), TypeError, "integers"),
        (lambda: tc.put(x, [0, 1, 2], [1, 2]), ValueError, "2 values for 3"),
        (lambda: tc.put(x[:0], [0], [1]), ValueError, "no elements"),
        (lambda: tc.take_along_axis(x, half), TypeError, "integers"),
        (lambda: tc.take_along_axis(x, one), ValueError, "as many axes"),
        (lambda: tc.take_along_axis(x[:0], session.share([1], bounds=(0, 1))), ValueError, "1 to"),
        (lambda: tc.take_along_axis(session.share(np.ones((2, 3), int), bounds=(0, 1)), one), ValueError, "differ"),
    ):
        with pytest.raises(error, match=says):
            call()
