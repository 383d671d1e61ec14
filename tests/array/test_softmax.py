"""Softmax, its logarithm and that of sums of exponentials: against mpmath, at any bounds, along any axes."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest

import tercet as tc
from function_sweeps import kept, off, stored, unclaimed
from plan_trio import TrioSession
from tercet.array import max as greatest
from tercet.array import min as least
from tercet.errors import PlanError
from tercet.plan.plan import Plan
from tercet.plan.rows.states import Rows, RowState, Spread
from tercet.plan.rows.track import track
from tercet.plan.table.reasons import CHOSEN

FUNCTIONS = {
    "softmax": tc.special.softmax,
    "log_softmax": tc.special.log_softmax,
    "logsumexp": tc.special.logsumexp,
}
SCALES = [16, 20, 24, 40]


def given(session: TrioSession, values: Any, size: int, frac_bits: int) -> Any:
    """These numbers as stored integers, and an array of them that is declared to lie in [-size, size]."""
    whole = np.array([int(v * 2**frac_bits) for v in np.ravel(values)], dtype=object)
    end = size << frac_bits
    x = stored(session, list(whole), (-end, end), frac_bits)
    return whole.reshape(np.shape(values)), x.reshape(np.shape(values))


def wanted(name: str, line: list[Any]) -> list[Any]:
    top = max(line)
    total = top + mpmath.log(sum(mpmath.exp(v - top) for v in line))
    if name == "logsumexp":
        return [total]
    return [v - total if name == "log_softmax" else mpmath.exp(v - total) for v in line]


def check(name: str, x: Any, integers: Any, session: TrioSession, frac_bits: int) -> float:
    """The largest error along the first axis, in last bits, relative above 1; and that nothing is claimed."""
    result = FUNCTIONS[name](x, axis=0)
    assert result.frac_bits == frac_bits
    found = np.asarray(kept(session, result), dtype=object).reshape(-1, integers.shape[1])
    assert unclaimed(session)
    lo, hi = result.bounds
    assert lo * 2**frac_bits <= np.min(found) and np.max(found) <= hi * 2**frac_bits
    error = []
    with mpmath.workdps(50):
        for column in range(integers.shape[1]):
            line = [mpmath.ldexp(int(v), -frac_bits) for v in integers[:, column]]
            error += [
                off(word, true, frac_bits) for word, true in zip(found[:, column], wanted(name, line), strict=True)
            ]
    return max(map(abs, error))


@pytest.mark.parametrize("frac_bits", SCALES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_at_most_two_last_bits_at_any_bounds(name: str, frac_bits: int) -> None:
    rng = np.random.default_rng(frac_bits)
    for terms, spread in ((1, 3), (2, 1), (7, 3), (33, 20), (200, 1000)):
        session = TrioSession(parties=True, seed=terms)
        values = rng.normal(size=(terms, 5)) * spread
        values[:, 0] = 2.5  # all equal
        values[0, 1] = 2.0**31
        values[-1, 2] = -(2.0**31)
        integers, x = given(session, values, 1 << 31, frac_bits)
        assert check(name, x, integers, session, frac_bits) <= 2


@pytest.mark.parametrize("frac_bits", SCALES)
def test_many_powers_that_are_nearly_nothing_count(frac_bits: int) -> None:
    """Each is below the last bit; together they are not."""
    terms = 1 << 12
    values = np.full((terms, 4), -1.0)
    for column, bits in enumerate((frac_bits - 3, frac_bits + 3, frac_bits + 6, frac_bits + 13)):
        values[:, column] = -bits * np.log(2)
    values[7] = 0
    session = TrioSession(parties=True)
    integers, x = given(session, values, 1 << 20, frac_bits)
    assert check("logsumexp", x, integers, session, frac_bits) <= 2


def test_bounds_and_mean_error() -> None:
    session = TrioSession(parties=True)
    values = np.random.default_rng(3).normal(size=(20, 200))
    integers, x = given(session, values, 1 << 31, 16)
    soft, log, total = (function(x, axis=0) for function in FUNCTIONS.values())
    assert soft.bounds[0] == 0 and soft.bounds[1] <= 1 + 2**-16
    assert log.bounds[1] == 0
    assert total.bounds[0] == -(2.0**31) and total.bounds[1] - 2.0**31 < np.log(20) + 2**-15
    true = np.exp(values - np.log(np.sum(np.exp(values), axis=0)))
    assert abs(np.mean(soft.reveal() - true)) * 65536 < 0.02
    rounded = np.array(integers, dtype=np.float64) / 65536
    exact = np.exp(rounded - np.log(np.sum(np.exp(rounded), axis=0)))
    for found, nearest in ((soft, exact), (log, np.log(exact)), (total, np.log(np.sum(np.exp(rounded), axis=0)))):
        assert np.max(np.abs(found.reveal() - nearest)) * 65536 < 0.51


def test_the_greatest_of_reshaped_values_is_known() -> None:
    session = TrioSession(parties=True)
    _, flat = given(session, np.arange(12.0), 1 << 31, 16)
    x = flat.reshape((3, 4))
    for axis in (0, 1, (0, 1)):
        assert (x - greatest(x, axis=axis, keepdims=True)).bounds[1] == 0
    # the same values, repeated otherwise: their greatest says nothing of these
    _, v = given(session, np.arange(3.0), 1 << 31, 16)
    one = tc.array.broadcast_to(v, (2, 3)).reshape((3, 2))
    other = tc.array.broadcast_to(v.reshape((3, 1)), (3, 2))
    apart = one - greatest(other, axis=1, keepdims=True)
    assert apart.bounds[1] > 0
    assert np.max(apart.reveal()) == 1


def test_the_greatest_along_other_axes_than_those_of_a_sum() -> None:
    values = np.array([[0.0, 1], [5, 7], [9, 3]])
    _, x = given(TrioSession(parties=True), values, 10, 16)
    top = greatest(x, axis=0)
    # axis 1 of these is axis 0 of x: along their axis 0, powers have one term, which may be anything below 1
    for below in (tc.array.broadcast_to(x, (1, 3, 2)) - top, x - tc.array.broadcast_to(top, (1, 3, 2))):
        total = tc.array.sum(tc.array.exp(below), axis=0)
        assert total.bounds[0] == 0
        assert np.allclose(total.reveal(), np.exp(values - values.max(axis=0)), atol=1e-4)


@pytest.mark.parametrize("axis", [0, 1, 2, -1, (0, 2), (1, 2), None])
def test_axes_and_shapes(axis: Any) -> None:
    values = np.random.default_rng(1).normal(size=(3, 5, 2)) * 3
    session = TrioSession(parties=True)
    x = session.share(values)
    for name, function in FUNCTIONS.items():
        plain = function(values, axis=axis)
        assert np.allclose(function(x, axis=axis).reveal(), plain, atol=2**-14), name
    kept = tc.special.logsumexp(x, axis=axis, keepdims=True)
    assert np.allclose(kept.reveal(), tc.special.logsumexp(values, axis=axis, keepdims=True), atol=2**-14)
    assert kept.shape == np.max(values, axis=axis, keepdims=True).shape


def test_odd_shapes_ties_integers_and_bools() -> None:
    session = TrioSession(parties=True)
    assert tc.special.softmax(session.share(np.zeros((0, 3))), axis=1).shape == (0, 3)
    assert tc.special.logsumexp(session.share(np.zeros((0, 3))), axis=1).shape == (0,)
    assert tc.special.softmax(session.share(4.5)).reveal() == 1
    assert tc.special.logsumexp(session.share(4.5)).reveal() == 4.5
    whole = session.share(np.array([3, 3, 1]), bounds=(0, 5))
    assert np.allclose(tc.special.softmax(whole).reveal(), tc.special.softmax(np.array([3, 3, 1])), atol=2**-15)
    flags = session.share(np.array([True, False]))
    assert np.allclose(tc.special.log_softmax(flags).reveal(), tc.special.log_softmax(np.array([1, 0])), atol=2**-15)
    third = session.share(np.array([1.0, 2.0])) / 3
    assert np.allclose(tc.special.softmax(third).reveal(), tc.special.softmax(np.array([1, 2]) / 3), atol=2**-15)
    for function in FUNCTIONS.values():
        with pytest.raises(ValueError, match="of no elements"):
            function(session.share(np.zeros((0, 3))), axis=0)


def test_torch_has_a_dimension_and_scipy_more_options_than_are_offered() -> None:
    session = TrioSession(parties=True)
    values = np.array([[1.0, 2.0, 0.5], [0.0, -4.0, 3.0]])
    x = session.share(values)
    assert np.array_equal(tc.nn.softmax(x, 1).reveal(), tc.special.softmax(x, 1).reveal())
    assert np.array_equal(tc.nn.log_softmax(x, dim=-2).reveal(), tc.special.log_softmax(x, 0).reveal())
    assert np.allclose(tc.nn.softmax(values, dim=1), tc.special.softmax(values, axis=1))
    for call, word in (
        (lambda: tc.special.logsumexp(x, b=values), "b="),
        (lambda: tc.special.logsumexp(x, return_sign=True), "return_sign"),
        (lambda: tc.nn.softmax(x, 1, dtype=np.float32), "dtype"),
        (lambda: tc.nn.softmax(x), "dim"),
        (lambda: tc.special.softmax([1.0]), "an array first"),
        (lambda: tc.special.logsumexp([1.0]), "secret array"),
    ):
        with pytest.raises(TypeError, match=word):
            call()
    with pytest.raises(PlanError, match="53 are the most"):
        tc.special.softmax(session.share(np.zeros(1 << 6), frac_bits=53))


def test_what_is_below_the_greatest_is_so_for_nodes_too() -> None:
    """Also where an analyst writes it; nothing is said where the greatest stands elsewhere, or is of something else."""
    session = TrioSession(parties=True)
    x = session.share(np.random.default_rng(1).normal(size=(3, 4, 4)), bounds=(-8, 8))
    for axis in (0, 1, 2, (0, 2), None):
        assert (x - greatest(x, axis=axis, keepdims=True)).bounds == (-16, 0)
        assert (greatest(x, axis=axis, keepdims=True) - x).bounds == (0, 16)
        assert (x - least(x, axis=axis, keepdims=True)).bounds == (0, 16)
    assert (x - greatest(x, axis=1)[:, None]).bounds == (-16, 0)
    assert (x - greatest(x, axis=0)).bounds == (-16, 0)
    y = session.share(np.zeros((3, 4, 4)), bounds=(-8, 8))
    square = x[0]
    for other in (
        y - greatest(x, axis=0),
        x - greatest(x, axis=1)[:, :, None],
        square - greatest(square, axis=1),
        x - greatest(x[:, :3], axis=1, keepdims=True),
        x - greatest(x + 1, axis=1, keepdims=True),
    ):
        assert other.bounds[0] < 0 < other.bounds[1]
    difference = x - greatest(x, axis=1, keepdims=True)
    difference.reveal()
    plan = Plan.from_bytes(session.plans[-1].to_bytes())
    stated = [op for op in plan.operations if getattr(op.attrs, "reason", None) == CHOSEN.number]
    assert stated and not any(op.type.claimed for op in plan.operations)


def test_what_it_is_to_a_policy() -> None:
    """Along columns each row stays a row; along the rows every result is single rows, and no aggregate."""
    session = TrioSession()
    table = session.share(np.zeros((6, 4)), bounds=(-8, 8))

    def state(result: Any) -> RowState:
        result.reveal()
        plan = Plan.from_bytes(session.plans[-1].to_bytes())
        return track(plan, {handle: {"d": Rows(1, 6)} for handle, _ in plan.inputs()})[0]["d"]

    for function in FUNCTIONS.values():
        assert isinstance(state(function(table, axis=1)), Rows)
        assert isinstance(state(function(table, axis=0)), Spread)
    for each in (tc.special.gammaln, tc.special.erfinv, tc.nn.elu, lambda x: tc.array.polyval([1.0, 2, 3], x)):
        assert isinstance(state(each(table)), Rows)


@pytest.mark.parametrize("shape", [(), (1,), (2, 1)])
def test_lines_of_one_element_of_any_bounds(shape: tuple[int, ...]) -> None:
    values = np.full(shape, 900.5)
    x, axis = TrioSession().share(values, bounds=(-(2**20), 2**20)), -1 if shape else None
    assert (tc.special.softmax(x, axis=axis).reveal() == 1).all()
    assert (tc.special.log_softmax(x, axis=axis).reveal() == 0).all()
    assert (tc.special.logsumexp(x, axis=axis).reveal() == 900.5).all()
