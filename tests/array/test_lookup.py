"""Elements at secret places agree with NumPy's take with mode="clip"."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tercet.array as tc
from array_strategies import check, numeric, share
from plan_trio import TrioSession

SOME = settings(max_examples=12)
parties = st.sampled_from([False, False, True])


@given(
    table=numeric(st.sampled_from([(1,), (2,), (3,), (7,), (16,), (17,), (3, 2), (2, 5, 2)])),
    shape=st.sampled_from([(), (1,), (4,), (2, 3), (0,)]),
    run=parties,
    seed=st.integers(0, 99),
    data=st.data(),
)
@SOME
def test_lookup(table: Any, shape: Any, run: bool, seed: int, data: Any) -> None:
    axis = data.draw(st.integers(-table.ndim, table.ndim - 1))
    session = TrioSession(parties=run)
    where = np.random.default_rng(seed).integers(-2, table.shape[axis] + 2, shape)
    places = session.share(where, bounds=(-5, 30))
    expected = np.take(table, where, axis=axis, mode="clip")
    check(tc.lookup(table, places, axis=axis), expected)
    check(tc.lookup(share(session, table), places, axis=axis), expected)
    check(np.take(share(session, table), places, axis, mode="clip"), expected)
    check(np.take(share(session, table), places), np.take(table, where, mode="clip"))
    check(tc.take(share(session, table), places, axis=axis), expected)


def test_places_within_the_table_are_not_clipped() -> None:
    session = TrioSession(parties=True)
    table = np.arange(256) ** 2
    places = session.share(np.array([0, 255, 17]), bounds=(0, 255))
    found = tc.lookup(table, places)
    check(found, table[[0, 255, 17]])
    many = session.share(np.arange(1000) % 256, bounds=(0, 255))
    assert tc.lookup(table, many).explain().bytes_per_party < 1000 * 375
    check(tc.lookup(session.share(table, bounds=(0, 1 << 16)) / 4, places), table[[0, 255, 17]] / 4, error=1e-4)


def test_bools_are_places_0_and_1() -> None:
    session = TrioSession()
    flags = session.share([True, False, True])
    check(tc.lookup([7, 9], flags), np.array([9, 7, 9]))
    check(tc.lookup([7], flags), np.array([7, 7, 7]))


def test_what_is_refused() -> None:
    session = TrioSession()
    x = session.share([1, 2], bounds=(0, 3))
    with pytest.raises(TypeError, match="secret"):
        tc.lookup(x, [1])
    with pytest.raises(TypeError, match="integers"):
        tc.lookup(x, x * 0.5)
    with pytest.raises(ValueError, match="entries"):
        tc.lookup(np.zeros(0), x)
    with pytest.raises(TypeError, match="mode"):
        np.take(x, x, mode="wrap")
