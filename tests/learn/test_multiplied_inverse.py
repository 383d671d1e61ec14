"""Inverses by products: against LAPACK on NumPy and at three parties, and what is said of singular matrices."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tercet as tc
from tercet.learn.multiplied_inverse import multiplied_inverse
from tercet.learn.solve import WORKING_BITS


def of_spectrum(values: Any, seed: int = 0) -> Any:
    turned = np.linalg.qr(np.random.default_rng(seed).normal(size=(len(values), len(values))))[0]
    return (turned * values) @ turned.T


@pytest.mark.parametrize("least", [0.5, 1e-3, 2.0**-20])
@pytest.mark.parametrize("last", [6, 7])
def test_eigenvalues_in_the_range_have_their_inverse(least: float, last: int) -> None:
    matrix = of_spectrum(np.geomspace(least, 0.9, 12))
    found = multiplied_inverse(np, matrix, least, 12, last=last)
    off = np.linalg.norm(found @ matrix - np.eye(12), 2)
    assert off < 0.83 ** (2**last) * 1.01 + 1e-10 + 1e-17 / least**2
    assert np.abs(found - found.T).max() < 1e-9 / least


def test_smaller_eigenvalues_have_bounded_ones() -> None:
    matrix = of_spectrum(np.array([0.9, 0.5, 0.01, 0.0, 0.0]))
    found = multiplied_inverse(np, matrix, 1e-2, 5, last=7)
    assert np.linalg.norm(found, 2) <= (15 / 4) ** 4 * 2**7 / 5
    pseudo = np.linalg.pinv(matrix, rcond=1e-9)
    assert np.abs(matrix @ found @ matrix - matrix @ pseudo @ matrix).max() < 1e-9


def test_at_three_parties() -> None:
    matrix = np.rint(of_spectrum(np.array([0.9, 0.3, 0.02, 1e-3, 1e-5])) * 2.0**WORKING_BITS) / 2.0**WORKING_BITS
    singular = np.full((4, 4), 0.25)
    with tc.local(checked=True) as net:
        shared = [net.share(one, bounds=(-1, 1), frac_bits=WORKING_BITS) for one in (matrix, singular)]
        found = multiplied_inverse(tc.array, shared[0], 2.0**-20, 5, last=7)
        assert found.explain().rounds < 100
        rough = multiplied_inverse(tc.array, shared[1], 2.0**-20, 4, last=7)
        opened, other = tc.reveal(found, rough)
    assert np.abs(opened @ matrix - np.eye(5)).max() < 1e-5
    assert np.abs(singular @ other @ singular - singular).max() < 1e-5
