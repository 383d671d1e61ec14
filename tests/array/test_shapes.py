"""Manipulation and indexing agree with array-api-strict and NumPy."""

from __future__ import annotations

from typing import Any

import array_api_strict as strict
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tercet.array as tc
from array_strategies import any_kind, arrays, check, empty_shapes, shapes, share, to_strict
from plan_trio import TrioSession
from tercet import linalg
from tercet.errors import PlanError
from tercet.plan.plan import Plan
from tercet.plan.rows.states import Rows
from tercet.plan.rows.track import track

SOME = settings(max_examples=30)
some_shapes = shapes | empty_shapes
kinds = any_kind(some_shapes)
parties = st.sampled_from([False, False, True])


def both(x: Any, call: Any, run: bool = False) -> None:
    """call(namespace, array) gives the same on both; a pending divisor is carried along."""
    expected = call(strict, to_strict(x))
    session = TrioSession(parties=run)
    check(call(tc, share(session, x)), expected)
    if x.dtype != bool:
        check(call(tc, share(session, x) / 3), np.asarray(expected._array) / 3)


@given(x=kinds, run=parties, data=st.data())
@SOME
def test_reshape(x: Any, run: bool, data: Any) -> None:
    shape = data.draw(st.permutations(x.shape))
    both(x, lambda xp, a: xp.reshape(a, tuple(shape)), run)
    if x.size:
        both(x, lambda xp, a: xp.reshape(a, (-1,)), run)
        both(x, lambda xp, a: xp.reshape(a, (1, *shape[:-1], -1)), run)


@given(x=kinds, run=parties, data=st.data())
@SOME
def test_axes(x: Any, run: bool, data: Any) -> None:
    order = tuple(data.draw(st.permutations(range(x.ndim))))
    both(x, lambda xp, a: xp.permute_dims(a, order), run)
    both(x, lambda xp, a: xp.expand_dims(a, axis=data.draw(st.just(x.ndim))), run)
    both(x, lambda xp, a: xp.squeeze(xp.expand_dims(a, axis=-1), axis=-1), run)
    if x.ndim:
        source, target = (data.draw(st.integers(-x.ndim, x.ndim - 1)) for _ in range(2))
        both(x, lambda xp, a: xp.moveaxis(a, source, target), run)
        both(x, lambda xp, a: xp.flip(a, axis=source), run)
        both(x, lambda xp, a: xp.roll(a, 2, axis=target), run)
    both(x, lambda xp, a: xp.flip(a), run)
    both(x, lambda xp, a: xp.roll(a, -1), run)
    if x.ndim >= 2:
        both(x, lambda xp, a: xp.matrix_transpose(a), run)
        both(x, lambda xp, a: a.mT, run)
    if x.ndim == 2:
        both(x, lambda xp, a: a.T, run)


@given(x=any_kind(), run=parties, data=st.data())
@SOME
def test_repetition(x: Any, run: bool, data: Any) -> None:
    target = (2, *x.shape)
    both(x, lambda xp, a: xp.broadcast_to(a, target), run)
    both(x, lambda xp, a: xp.broadcast_arrays(a, xp.broadcast_to(a, target))[0], run)
    counts = tuple(data.draw(st.lists(st.integers(1, 2), min_size=0, max_size=3)))
    both(x, lambda xp, a: xp.tile(a, counts), run)
    if x.ndim:
        axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
        both(x, lambda xp, a: xp.repeat(a, 2, axis=axis), run)
        times = np.arange(x.shape[axis])
        given_times = {strict: strict.asarray(times), tc: times}
        both(x, lambda xp, a: xp.repeat(a, given_times[xp], axis=axis), run)


@given(x=any_kind(), run=parties, data=st.data())
@SOME
def test_joining(x: Any, run: bool, data: Any) -> None:
    axis = data.draw(st.integers(-x.ndim - 1, x.ndim))
    both(x, lambda xp, a: xp.stack([a, xp.flip(a)], axis=axis), run)
    both(x, lambda xp, a: xp.concat([a, a], axis=None), run)
    if x.ndim:
        at = data.draw(st.integers(-x.ndim, x.ndim - 1))
        both(x, lambda xp, a: xp.concat([a, xp.flip(a), a], axis=at), run)
        both(x, lambda xp, a: xp.unstack(a, axis=at)[0], run)
        secret = share(TrioSession(parties=run), x)
        check(tc.concat([secret, x], axis=at), np.concatenate([x, x], axis=at))
        check(np.concatenate([x, secret], axis=at), np.concatenate([x, x], axis=at))
        check(tc.stack([x, secret]), np.stack([x, x]))


@given(x=any_kind(), run=parties, data=st.data())
@SOME
def test_take(x: Any, run: bool, data: Any) -> None:
    if not x.ndim:
        return
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    length = x.shape[axis]
    chosen = np.array(data.draw(st.lists(st.integers(-length, length - 1), max_size=5)), dtype=np.int64)
    indices = {strict: strict.asarray(chosen), tc: chosen}
    both(x, lambda xp, a: xp.take(a, indices[xp], axis=axis), run)
    lines = np.argsort(x, axis=axis, kind="stable")
    along = {strict: strict.asarray(lines), tc: lines}
    both(x, lambda xp, a: xp.take_along_axis(a, along[xp], axis=axis), run)


@given(x=any_kind(), run=parties, data=st.data())
@settings(max_examples=150)
def test_basic_indexing(x: Any, run: bool, data: Any) -> None:
    key = data.draw(hnp.basic_indices(x.shape, allow_newaxis=True))
    check(share(TrioSession(parties=run), x)[key], x[key])


@given(x=any_kind(shapes.filter(bool)), run=parties, data=st.data())
@SOME
def test_array_indexing(x: Any, run: bool, data: Any) -> None:
    secret = share(TrioSession(parties=run), x)
    mask = data.draw(arrays("bool", x.shape))
    rows = data.draw(arrays("bool", x.shape[:1]))
    key = data.draw(hnp.integer_array_indices(x.shape))
    for index in (mask, rows, key, key[0], [0, -1], (..., np.array([0])), (np.array([[0, 0], [-1, 0]]),)):
        check(secret[index], x[index])


def test_indexing_refusals() -> None:
    session = TrioSession()
    x = session.share([[1, 2, 3], [4, 5, 6]])
    for key in (2, (0, 3), (0, 0, 0), [0, 2], np.array([True, False, True])):
        with pytest.raises(IndexError):
            x[key]
    with pytest.raises(TypeError, match="public indices"):
        x[x]
    with pytest.raises(TypeError, match="integer, slice"):
        x["a"]
    with pytest.raises(TypeError, match=r"tc\.where"):
        x[0] = 1
    with pytest.raises(TypeError):
        x[1.5]


def test_iteration_and_length() -> None:
    session = TrioSession()
    x = session.share([[1, 2], [3, 4], [5, 6]])
    assert len(x) == 3
    assert [row.reveal().tolist() for row in x] == [[1, 2], [3, 4], [5, 6]]
    scalar = x[0, 0]
    assert scalar.shape == ()
    with pytest.raises(TypeError):
        len(scalar)
    with pytest.raises(TypeError):
        iter(scalar)
    with pytest.raises(TypeError, match="any"):
        3 in x  # noqa: B015


def test_what_has_more_dimensions_than_numpy_broadcasts_is_refused() -> None:
    """Up to 64 were said to be offered; sums of arrays of 33 ended by a RuntimeError, at nodes too."""
    session = TrioSession()
    x = session.share([[1, 2], [3, 4]], bounds=(0, 9))
    most = tc.reshape(x, (1,) * 30 + (2, 2))
    for found in (most + most, most @ most, tc.where(most > 1, most, 0)):
        assert found.reveal().shape == most.shape
        plan = Plan.from_bytes(session.plans[-1].to_bytes())
        track(plan, {handle: {"d": Rows(1, 2)} for handle, _ in plan.inputs()})
    for beyond in (lambda: tc.expand_dims(most, axis=0), lambda: tc.reshape(x, (1,) * 62 + (2, 2))):
        with pytest.raises(PlanError, match="where a secret array has 32 at most"):
            beyond()


@pytest.mark.parametrize("shape", [(3, 3), (2, 5), (4, 1), (2, 3, 4), (0, 2)])
@pytest.mark.parametrize("offset", [0, 1, -1, 3, -9])
def test_diagonals(shape: tuple[int, ...], offset: int) -> None:
    """As NumPy has them, at three parties; they are moves, and take bools and quotients along."""
    values = np.arange(float(np.prod(shape))).reshape(shape)
    session = TrioSession(parties=True)
    x = session.share(values, bounds=(-64, 64))
    found = tc.reveal(
        linalg.diagonal(x, offset=offset), np.linalg.diagonal(x / 3, offset=offset), np.diagonal(x, offset, -1, 0)
    )
    wanted = np.linalg.diagonal(values, offset=offset)
    for one, other in zip(found, (wanted, wanted / 3, np.diagonal(values, offset, -1, 0)), strict=True):
        np.testing.assert_allclose(one, other)
    assert np.array_equal(linalg.diagonal(x > 2, offset=offset).reveal(), wanted > 2)
    for trace in (linalg.trace, np.linalg.trace):
        np.testing.assert_allclose(trace(x, offset=offset).reveal(), np.linalg.trace(values, offset=offset))
    np.testing.assert_allclose(np.trace(x, offset, 1, 0).reveal(), np.trace(values, offset, 1, 0))


def test_a_diagonal_is_of_matrices() -> None:
    x = TrioSession().share(np.zeros(3))
    for call in (linalg.diagonal, linalg.trace):
        with pytest.raises(ValueError, match="takes matrices, not an array of 1 dimensions"):
            call(x)
        with pytest.raises(TypeError, match="offset"):
            call(x[:, None], offset=0.5)
    assert linalg.trace(np.eye(3)) == 3 and np.array_equal(linalg.diagonal(np.eye(2)), [1, 1])
