"""What functions of the table mean, against mpmath."""

from __future__ import annotations

import random

import mpmath
import pytest

from tercet.plan.table import real


@pytest.mark.parametrize("out", [0, 16, 51, 104])
@pytest.mark.parametrize("frac_bits", [0, 16, 40])
def test_every_function_is_within_a_last_bit(frac_bits: int, out: int) -> None:
    rng = random.Random(out)
    with mpmath.workdps(80):
        for _ in range(60):
            value = rng.getrandbits(rng.randint(1, frac_bits + 5)) + 1
            x = mpmath.ldexp(value, -frac_bits)
            for base, number in (("exp", mpmath.e), ("exp2", 2), ("exp10", 10)):
                for sign in (1, -1):
                    assert close(real.power(base, sign * value, frac_bits, out), mpmath.mpf(number) ** (sign * x), out)
            for base, log in (("log", mpmath.log), ("log2", lambda v: mpmath.log(v, 2)), ("log10", mpmath.log10)):
                assert close(real.logarithm(base, value, frac_bits, out), log(x), out)
            for sign in (1, -1):
                assert close(real.sine(sign * value, frac_bits, 0, out), sign * mpmath.sin(x), out)
                assert close(real.sine(sign * value, frac_bits, 1, out), mpmath.cos(x), out)
            assert close(real.root(value, frac_bits, out), mpmath.sqrt(x), out)
            assert close(real.inverse_root(value, frac_bits, out), 1 / mpmath.sqrt(x), out)
    assert real.root(0, frac_bits, out) == real.inverse_root(0, frac_bits, out) == 0
    assert real.power("exp", 0, frac_bits, out) == 1 << out


def close(found: int, true: object, out: int) -> bool:
    """Within one last bit, or a relative 2^-110."""
    wanted = mpmath.ldexp(true, out)
    return bool(abs(found - wanted) <= max(1, abs(wanted) * mpmath.mpf(2) ** -110))
