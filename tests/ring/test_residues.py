"""The residue kernels of every instruction set against their NumPy twin."""

from __future__ import annotations

import numpy as np
import pytest

from ring import twin_residues
from tercet.ring import available_levels, kernels, residues
from tercet.ring.residues import FIELD_BITS, PER_WORD, Digits

LEVELS = available_levels()
COUNTS = [1, 3, 4, 5, 63, 64, 65, 1000]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("p", PER_WORD)
def test_draw(level: str, p: int) -> None:
    rng = np.random.default_rng(1)
    for count in [*COUNTS, 20_000]:
        for modulus in (p, p - 1, 2, 1):
            uniform = rng.integers(0, 256, size=residues.draw_bytes(count, p)).astype(np.uint8)
            got = residues.draw(uniform, count, p, modulus, native=kernels(level))
            assert np.array_equal(got, twin_residues.draw(uniform, count, p, modulus))
            assert got.max() < modulus
        assert p ** PER_WORD[p] < 1 << 43


def test_draws_are_uniform() -> None:
    rng = np.random.default_rng(2)
    for p in PER_WORD:
        count = 200_000
        uniform = rng.integers(0, 256, size=residues.draw_bytes(count, p)).astype(np.uint8)
        counts = np.bincount(residues.draw(uniform, count, p, p), minlength=p)
        assert ((counts - count / p) ** 2 / (count / p)).sum() < p - 1 + 6 * (2 * (p - 1)) ** 0.5


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("p", PER_WORD)
def test_pack(level: str, p: int) -> None:
    rng = np.random.default_rng(3)
    assert p**4 <= 1 << FIELD_BITS[p]
    for count in COUNTS:
        values = rng.integers(0, p, size=count).astype(np.uint8)
        data = residues.pack(values, p, native=kernels(level))
        assert np.array_equal(data, twin_residues.pack(values, p))
        assert data.size == residues.packed_bytes(count, p)
        assert np.array_equal(residues.unpack(data, count, p, native=kernels(level)), values)
        garbage = rng.integers(0, 256, size=data.size).astype(np.uint8)
        got = residues.unpack(garbage, count, p, native=kernels(level))
        assert np.array_equal(got, twin_residues.unpack(garbage, count, p)) and got.max() < p


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("low", [1, 2, 3, 4, 5, 7, 8, 31, 32, 35, 36, 62, 63, 71, 72, 127])
def test_tables(level: str, low: int) -> None:
    rng = np.random.default_rng(4)
    form = Digits(low)
    native = kernels(level)
    for n in (1, 64, 65, 200):
        planes = rng.integers(0, 1 << 63, size=(low, (n + 63) // 64)).astype(np.uint64) * np.uint64(3)
        own = rng.integers(0, form.p, size=(form.entries, n)).astype(np.uint8)
        assert np.array_equal(
            residues.tables_deal(form, planes, own, native=native), twin_residues.tables_deal(form, planes, own)
        )
        coin = rng.integers(0, 1 << 63, size=(n + 63) // 64).astype(np.uint64)
        scale = rng.integers(1, form.p, size=(form.count, n)).astype(np.uint8)
        zero = rng.integers(0, form.p, size=(form.count, n)).astype(np.uint8)
        turn = rng.integers(0, form.count, size=n).astype(np.uint8)
        for total in (0, 1):
            given = (form, planes, own, total, coin, scale, zero, turn, bool(total))
            assert np.array_equal(residues.tables_blind(*given, native=native), twin_residues.tables_blind(*given))
        other = (-zero.astype(int) % form.p).astype(np.uint8)
        other[:, ::2] = (other[:, ::2] + 1) % form.p
        assert np.array_equal(
            residues.zero_among(form, zero, other, native=native), twin_residues.zero_among(form, zero, other)
        )


def test_what_does_not_fit_is_refused() -> None:
    native = kernels()
    with pytest.raises(ValueError, match="prime"):
        native.residues_pack(np.zeros(4, np.uint8), 7, np.zeros(3, np.uint8))
    with pytest.raises(ValueError, match="bytes"):
        native.residues_unpack(np.zeros(5, np.uint8), 37, np.zeros(4, np.uint8))
    with pytest.raises(ValueError, match="too many digits"):
        native.tables_deal(19, np.zeros((63, 1), np.uint64), np.zeros((94, 3), np.uint8), np.zeros((94, 3), np.uint8))
