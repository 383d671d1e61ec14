"""Covariances and correlations beside NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tercet.array as tc
from plan_trio import TrioSession

RNG = np.random.default_rng(5)
ROWS = np.round(RNG.normal(3, [[1], [5], [0.02], [40]], (4, 60)) * 65536) / 65536
ROWS[1] += ROWS[0]
MORE = np.round(RNG.normal(0, 2, (2, 60)) * 65536) / 65536


@pytest.fixture
def session() -> TrioSession:
    return TrioSession()


def share(session: TrioSession, values: Any) -> Any:
    return session.share(values, bounds=(-1000, 1000))


@pytest.mark.parametrize(
    "options",
    [{}, {"bias": True}, {"ddof": 0}, {"ddof": 3}, {"rowvar": False}, {"rowvar": True, "ddof": 1}],
)
def test_covariances_are_exact(session: TrioSession, options: dict[str, Any]) -> None:
    values = ROWS if options.get("rowvar", True) else ROWS.T
    found = np.cov(share(session, values), **options).reveal()
    assert np.allclose(found, np.cov(values, **options), rtol=1e-12, atol=1e-12)
    assert np.array_equal(found, found.T)


def test_of_two_arrays_and_of_one_variable(session: TrioSession) -> None:
    x, y = share(session, ROWS), share(session, MORE)
    for secret, plain in (
        (tc.cov(x, y), np.cov(ROWS, MORE)),
        (tc.cov(x[0], y[1]), np.cov(ROWS[0], MORE[1])),
        (tc.cov(x.T, y.T, rowvar=False), np.cov(ROWS, MORE)),
        (tc.cov(x[0], MORE[1]), np.cov(ROWS[0], MORE[1])),
        (tc.cov(x[0]), np.cov(ROWS[0])),
    ):
        assert secret.shape == plain.shape
        assert np.allclose(secret.reveal(), plain, rtol=1e-12, atol=1e-12)
    integers = session.share(np.arange(12).reshape(3, 4), bounds=(0, 99))
    assert np.allclose(tc.cov(integers).reveal(), np.cov(np.arange(12).reshape(3, 4)), rtol=1e-14)


def test_correlations(session: TrioSession) -> None:
    x, y = share(session, ROWS), share(session, MORE)
    for secret, plain in (
        (np.corrcoef(x), np.corrcoef(ROWS)),
        (tc.corrcoef(x, y), np.corrcoef(ROWS, MORE)),
        (tc.corrcoef(x.T, rowvar=False), np.corrcoef(ROWS)),
        (tc.corrcoef(x[0]), np.corrcoef(ROWS[0])),
    ):
        assert secret.shape == np.shape(plain) and not secret.node.type.claimed
        assert secret.bounds == ((-1, 1) if secret.shape else (0, 1))
        found = secret.reveal()
        assert np.max(np.abs(found - plain)) <= 2 * 2.0**-16 and np.max(np.abs(found)) <= 1


@pytest.mark.parametrize("frac_bits", [16, 20, 24, 40])
def test_correlations_at_every_scale(frac_bits: int) -> None:
    values = np.round(np.random.default_rng(2).normal(size=(3, 6)) * 2**frac_bits) / 2**frac_bits
    found = np.corrcoef(TrioSession(parties=True).share(values, frac_bits=frac_bits)).reveal()
    assert np.max(np.abs(found - np.corrcoef(values))) <= 0.75 * 2.0**-frac_bits


def test_what_does_not_vary_has_no_correlation(session: TrioSession) -> None:
    values = np.vstack([ROWS[:2], np.full(60, 0.3)])
    found = tc.corrcoef(share(session, values)).reveal()
    assert not found[2].any() and not found[:, 2].any()


def test_refusals(session: TrioSession) -> None:
    x = share(session, ROWS)
    for options in ({"fweights": [1] * 60}, {"aweights": [1] * 60}, {"dtype": float}):
        with pytest.raises(TypeError, match=f"takes no {next(iter(options))}"):
            np.cov(x, **options)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="takes no dtype"):
        tc.corrcoef(x, dtype=float)
    with pytest.raises(ValueError, match="60 observations less 60"):
        tc.cov(x, ddof=60)
    with pytest.raises(ValueError, match="3 dimensions"):
        tc.cov(x.reshape(2, 2, 60))
    with pytest.raises(ValueError, match="no observations"):
        tc.cov(x[:, :0])
    with pytest.raises(TypeError, match="ddof"):
        tc.cov(x, ddof=1.5)  # type: ignore[arg-type]


def test_ranges(session: TrioSession) -> None:
    x = share(session, ROWS)
    assert np.ptp(x).reveal() == np.ptp(ROWS)
    assert np.array_equal(np.ptp(x, axis=1).reveal(), np.ptp(ROWS, axis=1))
    kept = tc.ptp(x, axis=0, keepdims=True)
    assert kept.shape == (1, 60) and np.array_equal(kept.reveal(), np.ptp(ROWS, axis=0, keepdims=True))


def test_one_row_is_as_many_variables_without_rowvar(session: TrioSession) -> None:
    row, column = np.array([[1.0, 2.0, 4.0]]), np.array([[1.0], [2.0], [4.0]])
    x = session.share(row, bounds=(0, 4))
    found = np.cov(x, rowvar=False, ddof=0).reveal()
    assert found.shape == (3, 3) and not found.any()
    y = session.share(column, bounds=(0, 4))
    np.testing.assert_array_equal(np.cov(y, row, rowvar=False).reveal(), np.cov(column, row, rowvar=False))
