"""Fixed point: exact rounding, and refusals that do not tell the value."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ring.draws import quick
from tercet.errors import InputError
from tercet.ring import RING64, RING128, Ring, encode

RINGS = pytest.mark.parametrize("r", [RING64, RING128])


@RINGS
@quick
@given(
    values=st.lists(st.floats(-(2.0**40), 2.0**40) | st.sampled_from([0.5, 1.5, -0.5, -2.5, -0.0, 5e-324]), max_size=9),
    frac_bits=st.integers(0, 22),
)
def test_encode_is_exact(r: Ring, values: list[float], frac_bits: int) -> None:
    words = encode(np.array(values), frac_bits, r)
    assert r.to_ints(words).tolist() == [round(Fraction(v) * 2**frac_bits) for v in values]


@quick
@given(value=st.floats(-(2.0**60), 2.0**60), frac_bits=st.integers(0, 66))
def test_wide_ring(value: float, frac_bits: int) -> None:
    assert RING128.to_ints(encode(value, frac_bits, RING128)).item() == round(Fraction(value) * 2**frac_bits)


@RINGS
def test_integers_and_limits(r: Ring) -> None:
    top = 2 ** (r.bits - 1)
    assert r.to_ints(encode([1, -2, 3], 20, r)).tolist() == [1 << 20, -2 << 20, 3 << 20]
    assert r.to_ints(encode(np.array([True, False]), 3, r)).tolist() == [8, 0]
    assert r.to_ints(encode([top - 1, -top], 0, r)).tolist() == [top - 1, -top]
    assert r.to_ints(encode(np.array([-float(top)]), 0, r)).tolist() == [-top]
    assert encode(np.float32(1.5), 4, r).shape == ()
    assert encode(np.zeros((0, 3)), 4, r).shape == (0, 3)


@RINGS
def test_refusals_name_the_position_only(r: Ring) -> None:
    top = 2 ** (r.bits - 1)
    for bad in (np.inf, -np.inf, np.nan, float(top), 1e300, 8.125e250):
        values = np.zeros((2, 3))
        values[1, 2] = bad
        with pytest.raises(InputError, match=r"position \(1, 2\)") as caught:
            encode(values, 10, r)
        assert "8.125" not in str(caught.value)
    for integers in ([0, top], [0, -top - 1]):
        with pytest.raises(InputError, match=r"position \(1\)"):
            encode(integers, 0, r)
    with pytest.raises(InputError, match=r"position \(0\)"):
        encode(np.array([2**62, 1]), r.bits - 63, r)
    with pytest.raises(InputError):
        encode(np.array([-(2**62) - 1]), r.bits - 63, r)
    for wrong in ("1", [None], np.array([1j])):
        with pytest.raises(TypeError):
            encode(wrong, 0, r)  # type: ignore[arg-type]
