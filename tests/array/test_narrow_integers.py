"""Public arrays of narrow and unsigned integers mean their values: nothing wraps, whatever stands beside them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tercet.array as tc
from array_strategies import check
from plan_trio import TrioSession
from tercet import nn, special, stats
from tercet.errors import PlanError

BEYOND = np.array([2**64 - 1, 0], np.uint64)

TAKEN: dict[str, Callable[[Any], Any]] = {
    "brackets": lambda x: x[BEYOND],
    "take": lambda x: tc.take(x, BEYOND, axis=0),
    "take_along_axis": lambda x: tc.take_along_axis(x, BEYOND, axis=0),
    "repeat": lambda x: tc.repeat(x, BEYOND),
}


@pytest.mark.parametrize("name", TAKEN)
def test_an_index_beyond_63_bits_is_not_the_last_element(name: str) -> None:
    with pytest.raises(IndexError, match="beyond every array"):
        TAKEN[name](TrioSession().share([1, 2], bounds=(0, 9)))


@pytest.mark.parametrize("place", [2**63, 2**64 - 1])
def test_put_beyond_63_bits_is_drawn_in_to_the_end(place: int) -> None:
    x = TrioSession().share([1, 2, 3], bounds=(0, 9))
    check(tc.put(x, np.array([place], np.uint64), [7]), np.array([1, 2, 7]))


def test_edges_of_bins_are_compared_and_not_subtracted() -> None:
    values = np.array([-1, 255])
    x = TrioSession().share(values, bounds=(-300, 300))
    for edges in (np.array([-128, 127], np.int8), np.array([1, 5, 255], np.uint8), np.array([255, 5, 1], np.uint8)):
        check(tc.digitize(x, edges), np.digitize(values, edges.astype(int)))
    largest = np.iinfo(np.int64).max
    check(tc.digitize(x, [-largest, largest]), np.digitize(values, [-largest, largest]))
    with pytest.raises(ValueError, match="rise or fall"):
        tc.digitize(x, np.array([5, 255, 1], np.uint8))
    with pytest.raises(TypeError, match="numeric"):
        tc.digitize(x, ["a", "b"])


def test_a_correction_is_a_number() -> None:
    values = np.arange(300.0)
    x = TrioSession().share(values, bounds=(0, 300))
    assert tc.var(x, correction=np.uint8(1)).reveal() == pytest.approx(np.var(values, ddof=1))


OF_ONE = {
    "expit": lambda x: 1 / (1 + math.exp(-x)),
    "log_expit": lambda x: -math.log1p(math.exp(-x)),
    "softplus": lambda x: math.log1p(math.exp(x)),
    "ndtr": lambda x: math.erfc(-x / math.sqrt(2)) / 2,
    "exp10": lambda x: 10.0**x,
    "silu": lambda x: x / (1 + math.exp(-x)),
    "gelu": lambda x: x * math.erfc(-x / math.sqrt(2)) / 2,
    "elu": float,
    "leaky_relu": float,
    "rsqrt": lambda x: x**-0.5,
}


@pytest.mark.parametrize("name", OF_ONE)
@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint64, np.bool_])
def test_functions_of_public_integers_are_those_of_their_values(name: str, dtype: Any) -> None:
    values = np.array([1, 0, 1] if dtype is np.bool_ else [1, 2, 100]).astype(dtype)
    values = values[values > 0]
    function = next(getattr(module, name) for module in (special, nn, tc) if hasattr(module, name))
    np.testing.assert_allclose(function(values), [OF_ONE[name](int(value)) for value in values], rtol=1e-14)


def test_functions_of_lines_of_public_integers() -> None:
    x = np.array([0, 200, 3], np.uint8)
    for function in (special.softmax, special.log_softmax, special.logsumexp):
        np.testing.assert_allclose(function(x), function(x.astype(float)), rtol=1e-14)
        np.testing.assert_allclose(function(x > 100), function((x > 100).astype(float)), rtol=1e-14)
    assert special.logsumexp(np.array([-np.inf, -np.inf])) == -np.inf
    assert special.logsumexp(np.array([np.inf, 0])) == np.inf
    assert special.gammaln(np.array([np.inf])).tolist() == [np.inf]
    np.testing.assert_array_equal(special.huber(3, np.array([-128], np.int8)), [3 * (128 - 1.5)])
    assert tc.segment_sum(np.array([200, 200], np.uint8), np.array([0, 0]), 1).tolist() == [400]


def test_convolutions_of_public_integers_do_not_wrap() -> None:
    x, weights = np.full((1, 1, 3), 100, np.int8), np.full((1, 1, 2), 100, np.int8)
    assert nn.conv1d(x, weights, np.full(1, 100, np.int8)).tolist() == [[[20_100, 20_100]]]
    assert nn.conv2d(x[..., None], weights[..., None], np.full(1, 200, np.uint8)).max() == 20_200
    assert nn.avg_pool1d(x, 2).tolist() == [[[100.0]]]


@pytest.mark.parametrize("odd", [np.nan, np.inf, "a", None, 1j])
def test_tables_hold_finite_numbers(odd: Any) -> None:
    places = TrioSession().share([0, 1], bounds=(0, 1))
    with pytest.raises((PlanError, TypeError), match="public operand"):
        tc.lookup(np.array([1, odd]), places)


def test_means_of_no_rows_have_a_shape() -> None:
    session = TrioSession()
    found = tc.segment_mean(session.share(np.zeros((0, 2))), session.share(np.zeros(0, int), bounds=(0, 3)), 4)
    assert found.shape == (4, 2) and found.ndim == 2 and found.size == 8
    assert np.isnan(found.reveal()).all() and found.reveal().shape == (4, 2)


@pytest.mark.parametrize("method", ["average", "min", "dense", "ordinal"])
def test_ranks_of_no_elements_are_of_their_kind(method: str) -> None:
    session, none = TrioSession(), np.zeros((0, 3))
    kind = "f" if method == "average" else "i"
    x = session.share(none)
    for found in (stats.rankdata(x, method, axis=0).reveal(), stats.rankdata(none, method, axis=0)):
        assert found.shape == (0, 3) and found.dtype.kind == kind
    groups = session.share(np.zeros(0, int), bounds=(0, 3))
    assert tc.segment_rank(x[:, 0], groups, method).reveal().dtype.kind == kind
