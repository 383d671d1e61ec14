"""Eigenvalues and eigenvectors: on NumPy for many spectra, at three parties against LAPACK."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn import datasets

import tercet as tc
from tercet.errors import InputError
from tercet.learn.eigen import BITS, _next_pairs, eigh, steps_for, sweeps_for


def scaled(matrix: Any) -> Any:
    """At 56 fractional bits, with a trace below 1."""
    return np.round(matrix / np.trace(matrix) * 0.9 * 2.0**BITS) / 2.0**BITS


def wanted(matrix: Any) -> tuple[Any, Any]:
    values, columns = np.linalg.eigh(matrix)
    values, rows = values[::-1], columns[:, ::-1].T
    return values, rows * np.sign(rows[np.arange(len(rows)), np.abs(rows).argmax(axis=1)])[:, None]


def spectra() -> dict[str, Any]:
    found = {}
    for name in ("iris", "wine", "breast_cancer", "digits", "diabetes"):
        data = getattr(datasets, f"load_{name}")().data
        found[name] = np.cov(data.T)
        found[f"{name}, standardised"] = np.corrcoef(data[:, data.std(axis=0) > 0].T)
    rng = np.random.default_rng(0)
    for d in (1, 2, 3, 7, 20, 64):
        found[f"random {d}"] = np.atleast_2d(np.cov(rng.normal(size=(500, d)).T))
        found[f"ones {d}"] = np.ones((d, d))
    for d in (30, 64):
        found[f"equal but one {d}"] = np.eye(d) / 2 + 0.5
        found[f"autoregressive {d}"] = 0.9 ** np.abs(np.subtract.outer(np.arange(d), np.arange(d)))
        data = rng.normal(size=(500, d // 2))
        found[f"columns twice {d}"] = np.cov(np.hstack([data, data]).T)
    return found


@pytest.mark.parametrize("name", spectra())
def test_spectra_on_numpy(name: str) -> None:
    matrix = scaled(spectra()[name])
    values, rows = eigh(matrix)
    expected, vectors = wanted(matrix)
    assert np.abs(values - expected).max() < 1e-12
    assert np.abs(rows @ rows.T - np.eye(len(rows))).max() < 1e-12
    gaps = np.array([np.abs(np.delete(expected, at) - one).min(initial=1) for at, one in enumerate(expected)])
    error = np.minimum(np.abs(rows - vectors).max(axis=1), np.abs(rows + vectors).max(axis=1))
    assert (error * gaps < 1e-7)[gaps > 1e-10].all()
    assert (rows[np.arange(len(rows)), np.abs(rows).argmax(axis=1)] > 0).all()


@pytest.mark.parametrize("size", [2, 4, 6, 20, 64])
def test_a_sweep_meets_every_pair_once(size: int) -> None:
    order, half = np.arange(size), size // 2
    met = []
    for _ in range(size - 1):
        met += [frozenset(pair) for pair in zip(order[:half].tolist(), order[half:].tolist(), strict=True)]
        order = order[_next_pairs(size)]
    assert len(set(met)) == len(met) == size * half - half
    assert order.tolist() == list(range(size))


def test_at_three_parties() -> None:
    """Distinct, equal and zero eigenvalues; matrices of odd and even size; nothing is revealed but the results."""
    rng = np.random.default_rng(3)
    turned = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    cases = [
        np.array([[0.75]]),
        np.array([[0.5, 0.0], [0.0, 0.25]]),
        np.zeros((2, 2)),
        scaled(turned @ np.diag([1.0, 1.0, 0.0]) @ turned.T),
        scaled(np.cov(datasets.load_iris().data.T)),
    ]
    with tc.local() as net:
        secret = [net.share(matrix, bounds=(-1, 1), frac_bits=BITS) for matrix in cases]
        found = [eigh(matrix) for matrix in secret]
        plan = tc.explain(*[part for pair in found for part in pair])
        assert len(plan.reveals) == 2 * len(cases)
        opened = tc.reveal(*[part for pair in found for part in pair])
    for at, matrix in enumerate(cases):
        values, rows = opened[2 * at : 2 * at + 2]
        expected, _ = wanted(matrix)
        assert np.abs(values - expected).max() < 1e-14
        assert np.abs(rows @ matrix - values[:, None] * rows).max() < 1e-11
        assert np.abs(rows @ rows.T - np.eye(len(rows))).max() < 1e-14
    assert np.abs(opened[-1] - wanted(cases[-1])[1]).max() < 1e-9


def test_bounds_hold_where_no_angle_is_defined() -> None:
    """Differences of no and of one last bit, whose length is no more than what is added for it."""
    last = 2.0**-BITS
    values = np.array([0.25, 0.25 + last, 0.25 - last, 0.25, 0.0, last])
    with tc.local(checked=True) as net:
        found, rows = tc.reveal(*eigh(net.share(np.diag(values), bounds=(-1, 1), frac_bits=BITS)))
        assert np.abs(found - np.sort(values)[::-1]).max() <= 4 * last
        assert np.abs(rows @ rows.T - np.eye(6)).max() < 1e-14
        ones = np.full((20, 20), 1 / 20)
        found, rows = tc.reveal(*eigh(net.share(ones, bounds=(-1, 1), frac_bits=BITS)))
        assert np.abs(rows @ ones - found[:, None] * rows).max() < 1e-7


def test_the_plan_does_not_grow_with_sweeps() -> None:
    with tc.local() as net:
        matrix = net.share(np.eye(20) / 20, bounds=(-1, 1), frac_bits=BITS)
        few, many = (tc.explain(*eigh(matrix, sweeps=sweeps)) for sweeps in (2, 8))
        assert many.rounds > 3 * few.rounds - 200
        assert len(many.operations) == len(few.operations)
    assert sweeps_for(20) == 13 and steps_for(20) == 5


@pytest.mark.parametrize("shape", [(3,), (2, 3), (65, 65), (0, 0)])
def test_other_shapes(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="eigen-decomposition of shape"):
        eigh(np.zeros(shape))
