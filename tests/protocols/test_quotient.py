"""Quotients at three parties: against exact rationals, over the whole range, and every way in which they are placed."""

from __future__ import annotations

import random
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from protocol_checks import SCALES, SOLOS, check_that_elements_stand_alone, open_words, points, run_counted
from tercet.protocols import quotient
from tercet.protocols.quotient import Division, division
from tercet.sharing import Share
from trio import Trio

Numbers = list[int]


def run(trio: Trio, s: Division, a: Numbers, b: Numbers, *, exact: bool = False, shapes: Any = None) -> Numbers:
    """The result's integers; bytes and rounds must be those declared."""
    first, second = shapes or ((len(a),), (len(b),))
    cost = quotient.quotient_cost(len(a), len(b), first == second, s, exact=exact)

    def of(scope: Any, x: Share, y: Share) -> Any:
        found = yield from quotient.quotient(scope, x.reshape(first), y.reshape(second), s, exact=exact)
        return found.flat()

    ring = s.precision.ring
    return open_words(run_counted(trio, cost, of, trio.share(ring, a), trio.share(ring, b), solo=SOLOS[len(a) % 3]))


def errors(s: Division, a: Numbers, b: Numbers, found: Numbers, apart: int, nominal: int) -> list[float]:
    """In last bits, relative above 1; none may pass what `Division.off` says."""
    out = []
    for x, y, word in zip(a, b, found, strict=True):
        true = Fraction(x, max(1, y)) / Fraction(2) ** apart
        wrong = Fraction(word, 1 << s.out_bits) - true
        assert abs(wrong) * (1 << s.out_bits) <= s.off(word) + 1
        out.append(float(wrong * (1 << nominal) / max(1, abs(true))))
    return out


@pytest.mark.parametrize("exact", [False, True], ids=["coins", "exact"])
@pytest.mark.parametrize("scale", SCALES, ids=str)
def test_the_whole_range(scale: tuple[int, int], exact: bool) -> None:
    """a in +-100 by b in [0, 10^4], before the one rescaling: a quarter of a last bit at most; then huge ones."""
    frac_bits, ring_bits = scale
    rng = random.Random(frac_bits)
    for largest, most in ((100 << frac_bits, 10**4 << frac_bits), (1 << frac_bits, 1 << {64: 58, 128: 82}[ring_bits])):
        s = division(largest, 0, most, 0, frac_bits, ring_bits)
        if s is None:
            s = division(largest, 0, most, 0, frac_bits, 128)
        assert s is not None
        count = 200 if exact else 1000
        a, b = points(rng, -largest, largest, count), points(rng, 0, most, count)
        rng.shuffle(b)
        b[: len(a) // 8] = [1] * (len(a) // 8)
        size = min(len(a), len(b))
        a, b = a[:size], b[:size]
        error = errors(s, a, b, run(Trio(1), s, a, b, exact=exact), 0, frac_bits)
        assert max(map(abs, error)) < 0.25
        assert abs(np.mean(error)) < (0.02 if frac_bits != 24 else 0.3)


@pytest.mark.parametrize("scale", SCALES, ids=str)
def test_constant_inputs_have_no_bias(scale: tuple[int, int]) -> None:
    frac_bits, ring_bits = scale
    s = division(10 << frac_bits, 1 << frac_bits - 4, 10 << frac_bits, 0, frac_bits, ring_bits)
    assert s is not None
    for x, y in ((1.0, 3.0), (-7.3, 0.7), (0.3, 9.9)):
        a, b = [round(x * 2**frac_bits)] * 600, [round(y * 2**frac_bits)] * 600
        error = errors(s, a, b, run(Trio(2), s, a, b), 0, frac_bits)
        assert abs(np.mean(error)) < (0.02 if frac_bits != 24 else 0.3)


CASES = {
    # |a|, least b, most b, fractional bits of a less those of b, of the result, ring, limit
    "one part": (1 << 20, 1 << 10, 1 << 20, 0, 16, 64, 0),
    "two parts": (1000 << 16, 1, 1 << 26, 0, 16, 64, 0),
    "three parts": (1 << 52, 1, 1 << 60, 0, 40, 128, 0),
    "too coarse": (3, 1, 1 << 20, -40, 16, 64, 0),
    "coarse, and parts": (4096, 1, 1 << 28, -16, 16, 64, 0),
    "limited": (1 << 50, 1, 1 << 50, 0, 16, 64, 2),
    "two halves": (1 << 100, 1, 1 << 100, 0, 40, 128, 1 << 30),
    "integers": (10**6, 1, 10**6, 0, 16, 64, 0),
}


@pytest.mark.parametrize("name", CASES)
def test_every_way_of_placing(name: str) -> None:
    largest, least, most, apart, nominal, ring_bits, limit = CASES[name]
    s = division(largest, least, most, apart, nominal, ring_bits, limit)
    assert s is not None
    assert s.parts == {"one part": 1, "two parts": 2, "three parts": 3}.get(name, s.parts)
    assert (s.halved > 0) == (name == "two halves")
    assert (s.raised > 0) == (name == "too coarse")
    rng = random.Random(name)
    a, b = points(rng, -largest, largest, min(400, largest)), points(rng, least, most, 400)
    rng.shuffle(b)
    size = min(len(a), len(b))
    a, b = a[:size], b[:size]
    if limit:
        a = [max(-limit * y, min(limit * y, x)) for x, y in zip(a, b, strict=True)]
    error = errors(s, a, b, run(Trio(3), s, a, b), apart, nominal)
    assert max(map(abs, error)) < 0.25


def test_zero_counts_as_one_last_bit_and_nothing_of_anything_is_nothing() -> None:
    s = division(100 << 16, 0, 100 << 16, 0, 16, 64)
    assert s is not None
    a, b = [5, -5, 0, 0, 0], [0, 0, 0, 1, 9 << 16]
    found = run(Trio(4), s, a, b)
    assert found[2:] == [0, 0, 0]
    assert np.allclose([word / 2**s.out_bits for word in found[:2]], [5, -5], atol=2.0**-18)


@pytest.mark.parametrize("shapes", [((7, 30), (30,)), ((7, 30), (7, 1)), ((130, 30), (1, 1)), ((2, 4000), (4000,))])
def test_one_divisor_of_many(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    """The inverse is taken once for each divisor, whatever is divided by it; costs as declared."""
    s = division(100 << 16, 1 << 10, 100 << 16, 0, 16, 64)
    assert s is not None
    rng = random.Random(5)
    a = [rng.randint(-100 << 16, 100 << 16) for _ in range(int(np.prod(shapes[0])))]
    b = [rng.randint(1 << 10, 100 << 16) for _ in range(int(np.prod(shapes[1])))]
    found = run(Trio(6), s, a, b, shapes=shapes)
    beside = np.broadcast_to(np.array(b, dtype=object).reshape(shapes[1]), shapes[0]).reshape(-1).tolist()
    assert max(map(abs, errors(s, a, beside, found, 0, 16))) < 0.25


@pytest.mark.parametrize("size", [0, 1, 64, 4000])
def test_pieces(size: int) -> None:
    s = division(100 << 16, 1 << 10, 100 << 16, 0, 16, 64)
    assert s is not None
    rng = random.Random(size)
    a = [rng.randint(-100 << 16, 100 << 16) for _ in range(size)]
    b = [rng.randint(1 << 10, 100 << 16) for _ in range(size)]
    assert max(map(abs, errors(s, a, b, run(Trio(size), s, a, b), 0, 16)), default=0) < 0.25


def test_what_becomes_of_an_element_depends_on_it_alone() -> None:
    s = division(100 << 16, 0, 100 << 16, 0, 16, 64)
    assert s is not None
    check_that_elements_stand_alone(lambda scope, x, y: quotient.quotient(scope, x, y, s, exact=False), 2)
