"""Division of secrets against exact rationals: the nearest number, relative above 1, up to a few hundredths."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import tercet.array as tc
from plan_trio import TrioSession, array_of
from tercet.errors import PlanError
from tercet.plan.plan import OutputKind
from tercet.plan.record.compile import Wanted


def values(rng: np.random.Generator, low: int, high: int, count: int) -> list[int]:
    """Integers of every size between two, with both ends."""
    found = [low, high]
    while len(found) < count:
        size = int(rng.integers(1, max(abs(low), abs(high)).bit_length() + 1))
        value = int.from_bytes(rng.bytes(16), "little") % (1 << size)
        value = -value if low < 0 and rng.integers(2) else value
        if low <= value <= high:
            found.append(value)
    return found


def stored(session: TrioSession, numbers: list[int], low: int, high: int, frac_bits: int) -> Any:
    from tercet.plan.types import Type, ValueKind, smallest_ring

    ring = smallest_ring(low, high)
    assert ring is not None
    kind = ValueKind.FIXED if frac_bits else ValueKind.INT
    type = Type(kind, (len(numbers),), ring, frac_bits, frac_bits, low, high)
    return array_of(session, session._store(np.array(numbers, dtype=object), type))


CASES = [
    # numerator: frac_bits, low, high; denominator: frac_bits, low, high
    pytest.param(16, 0, 1000 << 16, 16, 1 << 16, 1000 << 16, id="f16"),
    pytest.param(16, -1000 << 16, 1000 << 16, 16, 1, 1 << 26, id="tiny divisors"),
    pytest.param(16, -1000 << 16, 1000 << 16, 16, -1000 << 16, 1000 << 16, id="any sign"),
    pytest.param(16, -1000 << 16, 1000 << 16, 16, -1000 << 16, -1 << 12, id="negative"),
    pytest.param(0, 0, 1000000, 0, 1, 1000000, id="integers"),
    pytest.param(0, 0, (1 << 40) - 1, 0, 1, 1 << 20, id="large integers"),
    pytest.param(0, -1000, 1000, 16, 1 << 8, 1 << 22, id="integer by fixed"),
    pytest.param(16, -1 << 24, 1 << 24, 0, 1, 1 << 20, id="fixed by integer"),
    pytest.param(20, -100 << 20, 100 << 20, 20, 1 << 14, 100 << 20, id="f20"),
    pytest.param(24, -100 << 24, 100 << 24, 24, 1 << 20, 100 << 24, id="f24"),
    pytest.param(24, 0, 1 << 24, 24, 1 << 24, 1 << 36, id="f24 small quotients"),
    pytest.param(40, -1 << 44, 1 << 44, 40, 1 << 30, 1 << 44, id="f40"),
    pytest.param(40, -1 << 42, 1 << 42, 40, -1 << 44, 1 << 44, id="f40 any sign"),
    pytest.param(16, 0, 1 << 48, 16, 1 << 16, 1 << 32, id="wide"),
    pytest.param(0, 0, 1 << 12, 16, 1, 1 << 28, id="small integer by fixed"),
    pytest.param(40, -1 << 45, 1 << 45, 16, -1 << 20, 1 << 20, id="f40 by f16"),
    pytest.param(16, -1 << 20, 1 << 20, 40, -1 << 42, 1 << 42, id="f16 by f40"),
    pytest.param(16, -12 << 16, 13 << 16, 0, 1, 1 << 62, id="by a divisor in the wide ring"),
    pytest.param(16, -12 << 16, 13 << 16, 16, 1 << 47, 1 << 49, id="quotients below a last bit"),
    pytest.param(0, -1000, 1000, 0, 1, (1 << 62) - 1, id="by a divisor at the narrow ring's end"),
    pytest.param(0, 1, 100, 0, 1 << 99, 1 << 101, id="by huge divisors"),
]


@pytest.mark.parametrize(("fa", "la", "ha", "fb", "lb", "hb"), CASES)
@pytest.mark.parametrize("parties", [False, True], ids=["oracle", "parties"])
def test_quotients(fa: int, la: int, ha: int, fb: int, lb: int, hb: int, parties: bool) -> None:
    rng = np.random.default_rng(5)
    session = TrioSession(parties=parties)
    count = 150
    numerators = values(rng, la, ha, count)
    denominators = [value or 1 for value in values(rng, lb, hb, count)]
    denominators[2:5] = [hb, hb, lb or 1]
    quotient = tc.divide(stored(session, numerators, la, ha, fa), stored(session, denominators, lb, hb, fb))
    frac = quotient.frac_bits
    assert frac == max(16, fa, fb)
    raw = session.run([Wanted(quotient.node, OutputKind.REVEAL)])[0]
    held = quotient.node.type.frac_bits
    lo, hi = quotient.node.type.lo, quotient.node.type.hi
    for a, b, got in zip(numerators, denominators, raw.reshape(-1), strict=True):
        assert lo <= got <= hi
        exact = Fraction(a, b) * Fraction(2) ** (fb - fa)
        error = abs(Fraction(int(got), 1 << held) - exact) * (1 << frac) / max(1, abs(exact))
        assert error <= Fraction(3, 4), f"{a} / {b}: {float(error)} last bits"
    assert not quotient.node.type.claimed


@pytest.mark.parametrize("bounds", [(0, 1 << 80, 40, -1 << 50, 1 << 50), (0, 1 << 125, 16, 1 << 16, 1 << 60)])
def test_what_does_not_fit_is_refused(bounds: tuple[int, ...]) -> None:
    low, high, frac, least, most = bounds
    session = TrioSession()
    with pytest.raises(PlanError, match="does not fit the largest ring; declare narrower bounds"):
        tc.divide(stored(session, [1], low, high, frac), stored(session, [least], least, most, frac))


def test_forty_bits_down_to_one_last_bit() -> None:
    session = TrioSession(parties=True)
    f = 40
    a, b = [100 << f, -100 << f, 1, 1 << f], [1, 10**4 << f, 10**4 << f, 3 << f]
    quotient = stored(session, a, -100 << f, 100 << f, f) / stored(session, b, 0, 10**4 << f, f)
    found = [int(word) for word in session.run([Wanted(quotient.node, OutputKind.REVEAL)])[0]]
    assert found == [100 << 2 * f, round(Fraction(-1 << f, 100)), 0, round(Fraction(1 << f, 3))]


def test_a_limit_is_proven_or_enforced() -> None:
    """A part of its whole is at most 1, proven by nodes; what an analyst only says is a claim."""
    session = TrioSession(parties=True)
    x = session.share([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]], bounds=(0, 1000))
    share = x / tc.sum(x, axis=1, keepdims=True)
    node = share.node.inputs[0]
    assert node.operation.name == "quotient_within" and not node.type.claimed
    assert share.bounds[1] == pytest.approx(1, abs=2.0**-13)
    assert np.allclose(share.reveal(), [[1 / 6, 1 / 3, 1 / 2], [0, 0, 0]], atol=2.0**-16)
    # the same operation on a divisor that has nothing in common with the dividend
    other = session.share([[6.0], [1.0]], bounds=(0, 3000))
    attrs = node.attrs
    false = node.graph.node("quotient_within", (node.inputs[0], tc.broadcast_to(other, (2, 1)).node), attrs)
    assert false.type.claimed


def test_by_zero_is_finite_and_harmless() -> None:
    session = TrioSession(parties=True)
    session.check = False  # what is promised about convergence holds for divisors other than zero
    x = session.share([1.0, 2.0, -3.0], bounds=(-10, 10))
    y = session.share([0.0, 2.0, 0.0], bounds=(-10, 10))
    assert np.isfinite((x / y).reveal()).all()
    assert tc.where(y == 0, 0.0, x / y).reveal()[1] == pytest.approx(1, abs=2.0**-15)


def test_a_public_numerator() -> None:
    session = TrioSession(parties=True)
    y = session.share([0.5, 2.0, 8.0], bounds=(0.25, 10))
    assert np.allclose((1 / y).reveal(), [2, 0.5, 0.125], atol=2.0**-15)
    assert np.allclose((np.array([3, 1, 2]) / y).reveal(), [6, 0.5, 0.25], atol=2.0**-15)


def test_whole_quotients_as_numpy_has_them() -> None:
    """Every sign and scale, public dividends, one divisor for all; proven bounds, one operation for both results."""
    session = TrioSession(parties=True)
    rng = np.random.default_rng(4)
    a, b = rng.integers(-1000, 1001, 300), rng.integers(-9, 10, 300)
    for over, bits in ((1, (0, 0)), (8, (16, 16)), (8, (16, 20)), (8, (0, 16))):
        x, y = (v if not f else v / over for v, f in zip((a, b), bits, strict=True))
        first, second = (
            session.share(v, bounds=(-n, n), frac_bits=f) for v, n, f in zip((x, y), (1000, 9), bits, strict=True)
        )
        whole, left = divmod(first, second)
        safe = np.where(y == 0, 1, y)
        assert np.array_equal(whole.reveal(), np.where(y == 0, 0, x // safe))
        assert np.array_equal(left.reveal(), np.where(y == 0, 0, x % safe))
        assert not whole.node.type.claimed and not left.node.type.claimed
    y = session.share([3, -4, 0, 7], bounds=(-10, 10))
    assert [v.reveal().tolist() for v in np.divmod(17, y)] == [[5, -5, 0, 2], [2, -3, 0, 3]]
    assert (session.share([7, 8, 9], bounds=(0, 9)) % y[0]).reveal().tolist() == [1, 2, 0]
    below = session.share([-3, -4], bounds=(-4, -3))
    assert (10 // below).reveal().tolist() == [-4, -3] and (10 % below).bounds == (-3, 0)
    with pytest.raises(TypeError, match="remainder"):
        np.fmod(y, 3)
