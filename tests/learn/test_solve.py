"""Systems of scaled covariances: solutions, inverses and Schur complements, beside NumPy's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tercet as tc
from plan_trio import TrioSession
from tercet.learn.solve import Normalised, Solved, diagonal, scaled, solve

ROWS = 60


def scaled_moments(columns: int, others: int, seed: int = 0, narrow: float = 0.3) -> np.ndarray:
    """Moments of columns and other variables whose sums of squares are in [1/4, 1)."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(ROWS, columns + others)) @ (np.eye(columns + others) + narrow)
    x *= 0.9 / np.sqrt((x * x).sum(axis=0))
    return np.asarray(x.T @ x)


def on_shares(matrix: np.ndarray, d: int, *, inverse: bool = False, parties: bool = False) -> Solved:
    session = TrioSession(parties=parties)
    session.check = False  # reciprocals of small pivots are outside their bounds, and replaced
    secret = session.share(matrix, bounds=(-1, 1), frac_bits=48)
    found = solve(secret.__array_namespace__(), secret, d, inverse=inverse)
    parts = [found.solution, found.aliased, found.rest, found.inverse, found.root]
    opened = iter(tc.reveal(*[part for part in parts if part is not None]))
    return Solved(*[None if part is None else np.asarray(next(opened)) for part in parts])


@pytest.mark.parametrize("parties", [False, True])
def test_solution_inverse_and_rest_are_those_of_numpy(parties: bool) -> None:
    d, k = 4, 2
    matrix = scaled_moments(d, k)
    s, b, c = matrix[:d, :d], matrix[:d, d:], matrix[d:, d:]
    for found in (solve(np, matrix, d, inverse=True), on_shares(matrix, d, inverse=True, parties=parties)):
        assert np.allclose(found.solution, np.linalg.solve(s, b), rtol=0, atol=1e-11)
        assert np.allclose(found.inverse, np.linalg.inv(s), rtol=1e-10)
        assert np.allclose(found.rest, c - b.T @ np.linalg.solve(s, b), rtol=0, atol=1e-12)
        assert not found.aliased.any()


def test_an_aliased_column_counts_as_not_there() -> None:
    matrix = scaled_moments(4, 1)
    keep = [0, 1, 3]
    mix = np.eye(5)
    mix[:, 2] = [0.5, 0.5, 0, 0, 0]  # the third column is the mean of the first two
    matrix = mix.T @ matrix @ mix
    found = on_shares(matrix, 4, inverse=True)
    assert found.aliased.tolist() == [False, False, True, False]
    kept = matrix[np.ix_(keep, keep)]
    assert np.allclose(found.solution[keep, 0], np.linalg.solve(kept, matrix[keep, 4]), atol=1e-10)
    assert np.allclose(found.inverse[np.ix_(keep, keep)], np.linalg.inv(kept), rtol=1e-9)
    assert not found.solution[2].any() and not found.inverse[2].any() and not found.inverse[:, 2].any()


def test_a_system_of_nothing_but_columns_has_no_rest() -> None:
    found = on_shares(scaled_moments(3, 1)[:3], 3)
    assert found.rest is None and found.inverse is None


@pytest.mark.parametrize("size", [1, 1 << 20])
def test_moments_are_scaled_by_powers_of_two(size: int) -> None:
    rng = np.random.default_rng(1)
    x = rng.integers(-9, 10, (30, 3)) * np.array([1, size, 7])
    session = TrioSession()
    secret = session.share(x, bounds=(-(2**24), 2**24))
    xp: Any = secret.__array_namespace__()
    moments = xp.matmul(secret.T, secret)
    columns = Normalised(diagonal(xp, moments))
    within = scaled(
        moments, xp.expand_dims(columns.factor, axis=1), xp.expand_dims(columns.factor, axis=0), columns.bits
    )
    found, factor = tc.reveal(within, columns.factor)
    power = factor.astype(float) / 2.0 ** (columns.bits / 2)
    assert np.allclose(found, (x.T @ x) * np.outer(power, power), rtol=0, atol=2.0**-46)
    assert np.all((np.diag(found) >= 0.25) & (np.diag(found) < 1))
