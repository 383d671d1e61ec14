"""What a seed stands for, whole and from any byte on."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tercet.sharing import expand_into, expand_pieces, expand_seed

SEED = bytes(range(16))
LONG = 300_001
WHOLE = expand_seed(SEED, LONG)


def test_it_begins_with_aes_of_zero() -> None:
    assert WHOLE[:16].tobytes().hex() == "c6a13b37878f5b826f4f8162a1c8d879"


@given(st.one_of(st.integers(0, 100), st.integers(0, LONG)), st.one_of(st.integers(0, 100), st.integers(0, LONG)))
def test_any_part_is_that_of_the_whole(start: int, length: int) -> None:
    out = np.zeros(min(length, LONG - start), np.uint8)
    expand_into(out, SEED, start)
    assert out.tobytes() == WHOLE[start : start + length].tobytes()


@pytest.mark.parametrize("nbytes", [0, 8, 1000, 1 << 17, (1 << 17) + 16, 3 << 17])
def test_in_pieces(nbytes: int) -> None:
    assert b"".join(piece.tobytes() for piece in expand_pieces(SEED, nbytes)) == expand_seed(SEED, nbytes).tobytes()
