"""Powers with secret whole exponents: exact, at the declared cost, and views that say nothing of base or exponent."""

from __future__ import annotations

import numpy as np
import pytest

from protocol_checks import RINGS, SOLOS, check_that_elements_stand_alone, open_words, run_counted, signed
from tercet.protocols.functions import elementwise, elementwise_cost
from tercet.protocols.whole_power import PublicPower, WholePower, public_powers, public_powers_cost, whole_power
from tercet.ring import RING64, Ring
from tercet.sharing import PARTIES
from trio import Trio


@pytest.mark.parametrize("size", [1, 63, 300, 4000])
@pytest.mark.parametrize("ring", RINGS, ids=str)
@pytest.mark.parametrize("bits", [1, 2, 3, 7])
def test_powers_are_exact_modulo_the_ring(ring: Ring, bits: int, size: int) -> None:
    """Also what outgrows it, and exponents beyond their bits, of which the low ones count."""
    rng = np.random.default_rng(bits + size)
    bases = [int(v) for v in rng.integers(-9, 10, size)]
    exponents = [int(v) for v in rng.integers(0, 1 << bits, size)]
    exponents[-1] += 5 << bits
    s, trio = WholePower(bits, 0), Trio(size)
    cost = elementwise_cost(ring, size, whole_power, s, exact=True, operands=2)
    found = run_counted(
        trio,
        cost,
        lambda scope, x, e: elementwise(scope, x, whole_power, s, e, exact=True),
        trio.share(ring, bases),
        trio.share(RING64, exponents),
        solo=SOLOS[bits % 3],
    )
    wanted = [base ** (e % (1 << bits)) for base, e in zip(bases, exponents, strict=True)]
    assert open_words(found) == [signed(value, ring.bits) for value in wanted]


@pytest.mark.parametrize("frac_bits", [3, 16])
def test_all_powers_have_the_scale_of_the_highest(frac_bits: int) -> None:
    bases, s = [5 << frac_bits - 1, -3, 0, 7 << frac_bits], WholePower(2, frac_bits)
    for exponent in range(4):
        trio = Trio(exponent)
        found = trio.run(
            lambda scope, x, e: elementwise(scope, x, whole_power, s, e, exact=True),
            trio.share(RINGS[1], bases),
            trio.share(RING64, [exponent] * 4),
        )
        assert s.out_bits == 3 * frac_bits
        assert open_words(found) == [base**exponent << frac_bits * (3 - exponent) for base in bases]


@pytest.mark.parametrize("size", [1, 300, 4000])
@pytest.mark.parametrize("ring", RINGS, ids=str)
@pytest.mark.parametrize(("base", "bits"), [(2, 1), (-2, 3), (3, 4), (10, 5), (2, 7), (-7, 6)])
def test_powers_of_one_number(ring: Ring, base: int, bits: int, size: int) -> None:
    exponents = [*range(1 << bits), 5 << bits][-size:] * (size // (1 + (1 << bits)) + 1)
    s, trio = PublicPower(ring, base, bits), Trio(size)
    cost = public_powers_cost(RING64, len(exponents), s)
    of = trio.share(RING64, exponents)
    found = run_counted(trio, cost, lambda scope, e: public_powers(scope, e, s), of, solo=SOLOS[bits % 3])
    assert open_words(found) == [signed(base ** (e % (1 << bits)), ring.bits) for e in exponents]


def test_what_becomes_of_an_element_depends_on_it_alone() -> None:
    s = WholePower(3, 0)
    check_that_elements_stand_alone(
        lambda scope, x, e: elementwise(scope, x, whole_power, s, e, exact=True), operands=2
    )
    check_that_elements_stand_alone(lambda scope, e: public_powers(scope, e, PublicPower(RING64, 10, 4)))


@pytest.mark.parametrize(("base", "exponent"), [(0, 0), (3, 7), (-1, 5)])
def test_views_do_not_depend_on_the_numbers(base: int, exponent: int) -> None:
    """Whatever is raised to what, each party's messages look like uniform bits; there is no opening."""
    trio, s, size = Trio(73), WholePower(3, 0), 20_000
    trio.run(
        lambda scope, x, e: elementwise(scope, x, whole_power, s, e, exact=True),
        trio.share(RING64, [base] * size),
        trio.share(RING64, [exponent] * size),
        solo=SOLOS[0],
    )
    for party in PARTIES:
        long = [payload for payload in trio.post.views[party] if payload.nbytes > 2000]
        assert long
        for payload in long:
            share = np.unpackbits(np.frombuffer(payload.tobytes(), np.uint8)).mean()
            assert abs(share - 0.5) < 6 * 0.5 / (8 * payload.nbytes) ** 0.5
