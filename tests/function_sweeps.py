"""What functions of real numbers are tested on: stored integers over a whole range, and arrays of them."""

from __future__ import annotations

from typing import Any

import numpy as np

import tercet as tc
from plan_trio import TrioSession

ACCURACY = [16, 20, 24, 40]
"""Fractional bits of all sweeps."""


def stored(session: TrioSession, values: list[int], bounds: tuple[int, int], frac_bits: int) -> Any:
    """An array of these stored integers, declared to lie in bounds of stored integers."""
    x = session.share(np.array([0] * len(values)), bounds=(-1, 1), frac_bits=frac_bits)
    t = x.node.type
    wide = type(t)(t.kind, t.shape, 64 if max(map(abs, bounds)) < 1 << 62 else 128, frac_bits, frac_bits, *bounds)
    return tc.SecretArray._new(session, session._store(np.array(values, dtype=object), wide))


def swept(lo: int, hi: int, seed: int, count: int) -> list[int]:
    """Both ends and what is beside them, 0, and integers of every size between."""
    rng = np.random.default_rng(seed)
    found = [lo, hi, *(v for v in (0, 1, 2, -1, lo + 1, hi - 1) if lo <= v <= hi)]
    while len(found) < count:
        size = int(rng.integers(1, max(-lo, hi).bit_length() + 1))
        value = int.from_bytes(rng.bytes(16), "little") % (1 << size) * (1 if rng.random() < 0.6 else -1)
        if lo <= value <= hi:
            found.append(value)
    return found
