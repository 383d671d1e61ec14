"""The logistic function by a sum of sines: every word against the function over the whole range, costs, views."""

from __future__ import annotations

import itertools
from typing import Any

import mpmath
import numpy as np
import pytest

from protocol_checks import SOLOS, check_that_elements_stand_alone, open_words, run_counted
from tercet.protocols import logistic as protocol
from tercet.protocols.logistic import WEIGHT_BITS, WEIGHTS, Wave, logistic, logistic_cost, wave
from tercet.ring import RING64, sharewise
from tercet.sharing import Party
from trio import Trio

# fractional bits of x, what it reaches to, fractional bits of the result, its height
SCALES = [
    (42, 79_000.0, 35, 1.0),
    (16, 1000.0, 42, 1.0),
    (16, 20.0, 40, 0.7),
    (26, 2.0**35, 34, 0.5),
    (0, 2.0**61, 38, 1.0),
]


def numbers_of(scale: tuple[int, float, int, float]) -> tuple[Wave, list[int]]:
    """The public numbers, and arguments of every size, near where the wave is left, and at both ends."""
    frac_bits, end, out_bits, height = scale
    rng = np.random.default_rng(frac_bits)
    some = [*rng.uniform(-20, 20, 2000), *rng.uniform(-end, end, 500), 0, 12.5, 14, 16, 18, 19.5]
    signed = [sign * min(value, end) for value in some for sign in (1, -1)]
    most = int(end * 2.0**frac_bits)
    stored = [max(-most, min(most, int(value * 2.0**frac_bits))) for value in [*signed, end, -end]]
    found = wave(-most, most, frac_bits, 64, out_bits, round(height * 2**out_bits))
    assert found is not None
    return found, stored


@pytest.mark.parametrize("scale", SCALES, ids=str)
@pytest.mark.parametrize("solo", SOLOS)
def test_over_the_whole_range(solo: Party, scale: tuple[int, float, int, float]) -> None:
    s, values = numbers_of(scale)
    trio = Trio(int(solo))
    of = lambda scope, x: logistic(scope, x, s)
    words = open_words(run_counted(trio, logistic_cost(len(values), s), of, trio.share(RING64, values), solo=solo))
    found = np.array(words, np.int64) / s.height
    true = np.exp(-np.logaddexp(0, -np.array(values, float) * 2.0**-s.frac_bits))
    error = found - true
    assert np.abs(error).max() * s.height <= s.most_off
    assert np.abs(error).max() < 2.0**-16 * {35: 1.6, 42: 0.5, 40: 0.6, 34: 3.5, 38: 0.8}[s.out_bits]
    assert abs(error.mean()) < 0.05 * 2.0**-16


def test_what_does_not_fit() -> None:
    assert wave(-1, 1, 58, 64, 40, 1) is None
    assert wave(-1, 1, 16, 128, 40, 1) is None
    assert wave(-(1 << 62), 1, 16, 64, 40, 1) is None
    for out_bits, height in ((33, 1), (43, 1), (40, 0), (40, (1 << 40) + 1)):
        assert wave(-1, 1, 16, 64, out_bits, height) is None


def test_weights() -> None:
    """Of the function less 1/2, repeated every 32 with its sign changed; what they leave out is below a quarter of
    2^-16."""
    exact = [mpmath.pi / 16 / mpmath.sinh(mpmath.pi**2 * k / 32) for k in range(1, 400, 2)]
    assert tuple(int(mpmath.nint(mpmath.ldexp(w, WEIGHT_BITS))) for w in exact[: len(WEIGHTS)]) == WEIGHTS
    assert sum(exact[len(WEIGHTS) :]) < 2.0**-18


@pytest.mark.parametrize("size", [0, 1, 63, 3072, 4097])
def test_of_few_and_of_many(size: int) -> None:
    s = wave(-(50 << 16), 50 << 16, 16, 64, 40, 1 << 40)
    assert s is not None
    values = np.random.default_rng(size).integers(-(50 << 16), 50 << 16, size)
    trio, of = Trio(size), lambda scope, x: logistic(scope, x, s)
    words = open_words(run_counted(trio, logistic_cost(size, s), of, trio.share(RING64, values)))
    found = np.array(words, np.int64) / 2.0**40
    assert np.allclose(found, 1 / (1 + np.exp(-values / 2.0**16)), rtol=0, atol=2.0**-16)


def test_what_becomes_of_an_element_depends_on_it_alone() -> None:
    s = wave(-(50 << 16), 50 << 16, 16, 64, 40, 1 << 40)
    assert s is not None
    check_that_elements_stand_alone(lambda scope, x: logistic(scope, x, s))


def test_helpers() -> None:
    words = RING64.from_ints([3, -5, 1 << 40])
    odd = RING64.to_ints(sharewise.odd_multiples(RING64, words, 2, 3)).tolist()
    assert odd == [k * v * 4 for k, v in itertools.product((1, 3, 5), (3, -5, 1 << 40))]
    halves = RING64.to_ints(sharewise.rounded(RING64.from_ints([3, -3, 2, -2, 1, -1, -5]), 2)).tolist()
    assert halves == [1, -1, 1, 0, 0, 0, -1]
    terms: Any = RING64.from_ints([[[1, -2], [3, 4]]] * 2)
    assert RING64.to_ints(sharewise.weighed(terms, sharewise.series((7, 10)))).tolist() == [[[7, -14], [30, 40]]] * 2
    assert protocol.SURE - protocol.BEYOND == 1 << protocol.UNIT_BITS
