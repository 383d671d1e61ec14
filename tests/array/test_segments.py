"""Sums, counts, means, extremes and ranks by secret groups agree with NumPy: empty groups, codes beyond, columns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tercet.array as tc
from array_strategies import check
from plan_trio import TrioSession
from tercet.array.decimals import DecimalArray
from tercet.errors import PlanError
from tercet.plan.network import LAN, WAN

CASES = [(1, 0, 4), (3, 4, 9), (4, 1, 9), (6, 5, 9), (9, 20, 11), (200, 130, 8), (201, 130, 40)]
"""Groups, the highest code, rows; the last by its meaning only, without parties."""
METHODS = ("average", "min", "max", "dense", "ordinal")


def equal(found: Any, expected: Any) -> None:
    plain = found.reveal()
    assert np.shape(plain) == np.shape(expected) and np.array_equal(plain, expected, equal_nan=True), (plain, expected)


@pytest.mark.parametrize("case", CASES)
def test_groups(case: tuple[int, int, int]) -> None:
    """`plan_trio` compares costs and values of every operation with its meaning."""
    size, highest, length = case
    rng = np.random.default_rng(size)
    session = TrioSession(parties=case is not CASES[-1], network=WAN if size == 6 else LAN)
    groups, x = rng.integers(0, highest + 1, length), rng.integers(-5, 6, (length, 2)) / 4
    codes, secret = session.share(groups, bounds=(0, highest)), session.share(x, bounds=(-5, 5))
    count = tc.segment_count(groups, size)
    equal(tc.segment_count(codes, size), count)
    equal(tc.segment_sum(secret, codes, size), tc.segment_sum(x, groups, size))
    equal(tc.segment_mean(secret, codes, size), tc.segment_mean(x, groups, size))
    there = count[:, None] > 0
    for function, empty in ((tc.segment_min, 5), (tc.segment_max, -5)):
        equal(function(secret, codes, size), np.where(there, function(x, groups, size), empty))
        equal(function(secret / -2, codes, size), np.where(there, function(x / -2, groups, size), empty / 2))
    for method in METHODS if size in (3, 6) else ("average", "dense"):
        equal(tc.segment_rank(secret[:, 0], codes, method), tc.segment_rank(x[:, 0], groups, method))
        equal(tc.segment_rank(secret[:, 0] / -2, codes, method), tc.segment_rank(x[:, 0] / -2, groups, method))


def test_plain_values_are_those_of_loops() -> None:
    groups, x = np.array([2, 0, 2, 5, 0]), np.array([1.5, -1, 4, 9, 3])
    for function, reduce in ((tc.segment_sum, np.sum), (tc.segment_min, np.min), (tc.segment_max, np.max)):
        assert function(x, groups, 3)[[0, 2]].tolist() == [reduce(x[groups == code]) for code in (0, 2)]
    assert tc.segment_count(groups, 3).tolist() == [2, 0, 2]
    assert np.array_equal(tc.segment_mean(x, groups, 3), [1, np.nan, 2.75], equal_nan=True)
    assert tc.segment_rank(x, groups).tolist() == [1, 1, 2, 1, 2]


def test_bools_and_decimals() -> None:
    session = TrioSession(parties=True)
    codes = session.share([1, 0, 1], bounds=(0, 2))
    check(tc.segment_sum(session.share([True, True, True]), codes, 3), np.array([1, 2, 0]))
    money = DecimalArray.of(session.share([125, -250, 300], bounds=(-1000, 1000)), 2)
    assert [str(one) for one in tc.segment_sum(money, codes, 2).reveal()] == ["-2.50", "4.25"]
    assert [str(one) for one in tc.segment_max(money, codes, 3).reveal()] == ["-2.50", "3.00", "-10.00"]
    equal(tc.segment_mean(money, codes, 2), np.array([-2.5, 2.125]))
    equal(tc.segment_rank(money, codes, "dense"), np.array([1, 1, 2]))


def test_no_rows() -> None:
    session = TrioSession()
    codes, x = session.share(np.zeros(0, int), bounds=(0, 5)), session.share(np.zeros((0, 2)))
    equal(tc.segment_sum(x, codes, 2), np.zeros((2, 2)))
    equal(tc.segment_count(codes, 2), np.zeros(2))
    assert tc.segment_rank(x[:, 0], codes, "min").reveal().shape == (0,)
    with pytest.raises(ValueError, match="no elements"):
        tc.segment_max(x, codes, 2)


REFUSED: dict[str, tuple[Any, type[Exception], str]] = {
    "public groups": (lambda s, x, g: tc.segment_sum(x, [0, 1, 1], 2), TypeError, r"x\[groups == code\]"),
    "groups of fixed point": (lambda s, x, g: tc.segment_sum(x, g / 2, 2), TypeError, "secret integers"),
    "negative groups": (lambda s, x, g: tc.segment_sum(x, g - 1, 2), ValueError, "negative.*clip"),
    "another length": (lambda s, x, g: tc.segment_sum(x, g[:2], 2), ValueError, "one code for each"),
    "no size": (lambda s, x, g: tc.segment_count(g, 0), PlanError, "1 to 65536"),
    "a size of floats": (lambda s, x, g: tc.segment_count(g, 2.0), TypeError, "public integer"),
    "a table": (lambda s, x, g: tc.segment_rank(x[:, None], g), ValueError, "a line of values"),
    "a method": (lambda s, x, g: tc.segment_rank(x, g, "first"), ValueError, "average, min"),
    "one number": (lambda s, x, g: tc.segment_sum(x[0], g, 2), ValueError, "first axis"),
    "another session": (lambda s, x, g: tc.segment_sum(TrioSession().share([1, 2, 3]), g, 2), ValueError, "sessions"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_refused_says_what_to_use(what: str) -> None:
    call, kind, words = REFUSED[what]
    session = TrioSession()
    with pytest.raises(kind, match=words):
        call(session, session.share([1, 2, 3], bounds=(0, 5)), session.share([0, 1, 1], bounds=(0, 1)))
