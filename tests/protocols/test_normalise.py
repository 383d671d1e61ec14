from __future__ import annotations

import pytest

from protocol_checks import RINGS, SOLOS, open_words, run_counted, signed
from tercet.protocols.normalise import leading_factor, leading_factor_cost, normalise, normalise_cost
from tercet.ring import RING64, Ring
from tercet.sharing import PARTIES
from trio import Trio


def values_below(trio: Trio, bits: int) -> list[int]:
    """0, and numbers with every place of the leading one: alone, with all bits below it, with random ones."""
    values = [0]
    for place in range(bits):
        low = int.from_bytes(trio.rng.bytes(16), "little") % (1 << place)
        values += [1 << place, (2 << place) - 1, (1 << place) + low]
    return values


@pytest.mark.parametrize("even", [False, True])
@pytest.mark.parametrize("ring", RINGS)
def test_normalise(ring: Ring, even: bool) -> None:
    trio = Trio(81)
    for number, bits in enumerate(
        size
        for size in (1, 2, 3, 4, 5, 6, 7, 8, 12, 14, 16, 30, 33, 40, 61, 62, 63, 64, 100, 122, 124, 127, 128)
        if size <= ring.bits and not (even and size % 2)
    ):
        values = values_below(trio, bits)
        body = lambda scope, x, bits=bits: normalise(scope, x, bits, even=even)
        cost = normalise_cost(ring, len(values), bits, even=even)
        results = run_counted(trio, cost, body, trio.share(ring, values), solo=SOLOS[number % 3])
        factor = open_words({p: results[p][0] for p in PARTIES})
        other = open_words({p: results[p][1] for p in PARTIES})
        for value, v, u in zip(values, factor, other, strict=True):
            lead = max(0, value.bit_length() - 1)
            want = (bits - 1 - lead) // 2 if even else bits - 1 - lead
            assert v == signed(1 << want, ring.bits), (bits, value)
            assert u == signed(1 << ((bits // 2 if even else bits - 1) - want), ring.bits), (bits, value)


@pytest.mark.parametrize("even", [False, True])
def test_only_the_factor(even: bool) -> None:
    trio = Trio(82)
    for bits in (2, 30, 62):
        values = values_below(trio, bits)
        body = lambda scope, x, bits=bits: leading_factor(scope, x, bits, even=even)
        cost = leading_factor_cost(RING64, len(values), bits, even=even)
        results = run_counted(trio, cost, body, trio.share(RING64, values))
        for value, v in zip(values, open_words(results), strict=True):
            lead = max(0, value.bit_length() - 1)
            assert v == 1 << ((bits - 1 - lead) // 2 if even else bits - 1 - lead)


def test_pieces() -> None:
    trio = Trio(83)
    values = trio.rng.integers(0, 1 << 40, size=20_000) >> trio.rng.integers(0, 40, size=20_000)
    body = lambda scope, x: normalise(scope, x, 40)
    results = run_counted(trio, normalise_cost(RING64, 20_000, 40), body, trio.share(RING64, values))
    factor = open_words({p: results[p][0] for p in PARTIES})
    assert factor == [1 << (39 - max(0, int(value).bit_length() - 1)) for value in values]


def test_an_odd_range_is_refused_for_even() -> None:
    trio = Trio(84)
    with pytest.raises(ValueError, match="even"):
        trio.run(lambda scope, x: normalise(scope, x, 7, even=True), trio.share(RING64, [1]))
