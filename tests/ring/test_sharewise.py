"""The share-wise kernels of every instruction set against their twin, and the series against the functions."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest

from ring import twin_sharewise as twin
from tercet.protocols.coefficients import PHASE_SERIES
from tercet.ring import RING64, RING128, Ring, available_levels, kernels, sharewise
from vector_files import vectors

LEVELS = available_levels()
SERIES = {name: sharewise.series(c) for name, c in PHASE_SERIES.items()}
FORMS = [(5, 2, -12, 19, -99), (5, 3, -12, 21, -99), (6, 2, -26, 40, -22), (9, 2, -200, 3, -300), (4, 3, 10, 60, -40)]
COUNTS = [0, 1, 63, 64, 65, 500]


def phases(count: int, seed: int) -> Any:
    """Eighths of turns and beside them, then uniform ones."""
    edges = np.arange(8, dtype=np.uint64) << np.uint64(61)
    some = np.concatenate([edges, edges + np.uint64(1), edges - np.uint64(1)])
    uniform = np.random.default_rng(seed).integers(0, 1 << 64, count, np.uint64)
    return np.concatenate([some, uniform])[:count]


@pytest.mark.parametrize("ring", [RING64, RING128], ids=lambda ring: str(ring.bits))
@pytest.mark.parametrize("level", LEVELS)
def test_powers(level: str, ring: Ring) -> None:
    c = PHASE_SERIES["exp2"]
    rng = np.random.default_rng(1)
    for whole, low, first, scale, cut in FORMS:
        for count in COUNTS:
            phase, rows = phases(count, whole), 1 << whole - low
            drawn = ring.from_ints(rng.integers(-(1 << 62), 1 << 62, (rows, count)))
            table = sharewise.power_table(
                ring, phase, whole, low, first, scale, cut, SERIES["exp2"], drawn, kernels(level)
            )
            columns = [twin.power_entries(int(p), whole, low, first, scale, cut, c) for p in phase]
            entries = np.array([[column[j] for column in columns] for j in range(rows)], dtype=object)
            assert ring.as_bytes(table) == ring.as_bytes(ring.sub(ring.from_ints(entries.reshape(rows, count)), drawn))
            mask, left = ring.from_ints(rng.integers(-99, 99, count)), 62 - (1 << low)
            found = sharewise.power_cross(ring, phase, whole, low, left, SERIES["exp2"], table, mask, kernels(level))
            chosen = [twin.power_factor(int(p), whole, low, left, c) for p in phase]
            words = ring.to_ints(table)
            wanted = [int(words[row, i]) * factor for i, (row, factor) in enumerate(chosen)]
            of = ring.sub(ring.from_ints(np.array([*wanted, None], dtype=object)[:-1]), mask)
            assert ring.as_bytes(found) == ring.as_bytes(of)


@pytest.mark.parametrize("ring", [RING64, RING128], ids=lambda ring: str(ring.bits))
@pytest.mark.parametrize("level", LEVELS)
def test_sines(level: str, ring: Ring) -> None:
    c_sine, c_cosine = PHASE_SERIES["sine"], PHASE_SERIES["cosine"]
    rng = np.random.default_rng(2)
    for scale in (20, 30, 44, 62):
        for count in COUNTS:
            phase = phases(count, scale)
            both = [twin.sine_and_cosine(int(p), scale, c_sine, c_cosine) for p in phase]
            drawn = ring.from_ints(rng.integers(-(1 << 62), 1 << 62, (2, count)))
            rows = np.array([[c for _, c in both], [s for s, _ in both]], dtype=object).reshape(2, count)
            terms = sharewise.sine_terms(ring, phase, scale, SERIES["sine"], SERIES["cosine"], drawn, kernels(level))
            assert ring.as_bytes(terms) == ring.as_bytes(ring.sub(ring.from_ints(rows), drawn))
            mask = ring.from_ints(rng.integers(-99, 99, count))
            found = sharewise.sine_cross(
                ring, phase, scale, SERIES["sine"], SERIES["cosine"], terms, mask, kernels(level)
            )
            words = ring.to_ints(terms)
            wanted = [int(words[0, i]) * s + int(words[1, i]) * c for i, (s, c) in enumerate(both)]
            of = ring.sub(ring.from_ints(np.array([*wanted, None], dtype=object)[:-1]), mask)
            assert ring.as_bytes(found) == ring.as_bytes(of)


@pytest.mark.parametrize("vector", vectors("sharewise"))
def test_golden_vectors(vector: Any) -> None:
    """The kernel of this machine gives the values of the vectors: through the table of one row less, and the terms."""
    points = np.array([int(p) for p in vector["phases"]], np.uint64)
    if "exp2" in vector:
        assert PHASE_SERIES["exp2"] == tuple(int(c) for c in vector["exp2"])
        # a phase of 2 whole bits that are 0 has the fraction left
        fractions = points >> np.uint64(2) << np.uint64(2)
        zeros = RING64.zeros((2, points.size))
        found = sharewise.power_table(RING64, fractions >> np.uint64(2), 2, 1, 0, 62, -999, SERIES["exp2"], zeros)
        wanted = [twin.exp2(int(f), PHASE_SERIES["exp2"]) for f in fractions]
        assert [int(v) for v in found[0]] == wanted
        assert [twin.exp2(int(p), PHASE_SERIES["exp2"]) for p in points] == [int(v) for v in vector["values"]]
        return
    assert PHASE_SERIES["sine"] == tuple(int(c) for c in vector["sine"])
    assert PHASE_SERIES["cosine"] == tuple(int(c) for c in vector["cosine"])
    zeros = RING64.zeros((2, points.size))
    found = RING64.to_ints(sharewise.sine_terms(RING64, points, 62, SERIES["sine"], SERIES["cosine"], zeros))
    assert [int(v) for v in found[0]] == [int(v) for v in vector["cosines"]]
    assert [int(v) for v in found[1]] == [int(v) for v in vector["sines"]]


def test_series_are_the_functions() -> None:
    """Powers to 2^-58, from below; sines to 2^-57, as they are held within 1 by 2^-58."""
    with mpmath.workdps(40):
        for phase in map(int, phases(2000, 3)):
            power = mpmath.ldexp(twin.exp2(phase, PHASE_SERIES["exp2"]), -62)
            assert 0 <= mpmath.mpf(2) ** mpmath.ldexp(phase, -64) - power < mpmath.ldexp(1, -58)
            angle = mpmath.ldexp(phase, -63) * mpmath.pi
            sine, cosine = twin.sine_and_cosine(phase, 62, PHASE_SERIES["sine"], PHASE_SERIES["cosine"])
            assert abs(mpmath.ldexp(sine, -62) - mpmath.sin(angle)) < mpmath.ldexp(1, -57)
            assert abs(mpmath.ldexp(cosine, -62) - mpmath.cos(angle)) < mpmath.ldexp(1, -57)


def test_what_kernels_refuse() -> None:
    phase, table, words = phases(5, 4), RING64.zeros((8, 5)), RING64.zeros(5)
    for whole, low in ((2, 2), (5, 0), (16, 2)):
        with pytest.raises(ValueError, match="whole bits"):
            sharewise.power_table(RING64, phase, whole, low, 0, 20, -99, SERIES["exp2"], table)
    with pytest.raises(ValueError, match="63 bits"):
        sharewise.power_cross(RING64, phase, 5, 2, 60, SERIES["exp2"], table, words)
    with pytest.raises(ValueError, match="wrong shape"):
        sharewise.power_cross(RING64, phase, 6, 2, 20, SERIES["exp2"], table, words)
    with pytest.raises(ValueError, match="wrong shape"):
        sharewise.sine_cross(RING64, phase, 20, SERIES["sine"], SERIES["cosine"], table, words)
    with pytest.raises(ValueError, match="more bits"):
        sharewise.sine_terms(RING64, phase, 63, SERIES["sine"], SERIES["cosine"], RING64.zeros((2, 5)))
