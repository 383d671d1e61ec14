"""Hypothesis strategies for ring words and shapes where kernels change their ways."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from numpy.typing import NDArray

SIZES = [0, 1, 2, 7, 9, 63, 64, 65, 130, 520]
quick = settings(max_examples=12)


def edges(bits: int) -> list[int]:
    corners = {0, 1, 2, 3, 2**52 - 1, 2**52, 2**63 - 1, 2**63, 2**64 - 1}
    for at in (bits - 2, bits - 1, bits, 64, 104):
        corners |= {2**at - 1, 2**at, 2**at + 1}
    return sorted({value % 2**bits for value in corners})


@st.composite
def int_arrays(draw: st.DrawFn, bits: int, count: int, size: int | None = None) -> list[NDArray[Any]]:
    """`count` object arrays of one size; a few drawn values and edges, spread by a drawn seed."""
    size = draw(st.sampled_from(SIZES)) if size is None else size
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    arrays = []
    for _ in range(count):
        limbs = rng.integers(0, 2**64, (2, size), dtype=np.uint64).astype(object)
        values = (limbs[0] + limbs[1] * 2**64) % 2**bits
        corners = rng.random(size) < 0.5
        values[corners] = rng.choice(np.array(edges(bits), object), int(corners.sum()))
        arrays.append(values)
    return arrays
