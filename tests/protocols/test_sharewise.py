"""Share-wise exp, sin and cos: every word against more exact ones over the whole range, costs, views on a tiny ring."""

from __future__ import annotations

import itertools
import random
from typing import Any

import mpmath
import numpy as np
import pytest

from protocol_checks import SOLOS, check_that_elements_stand_alone, open_words, run_counted
from tercet.protocols import functions, sharewise, turns
from tercet.protocols.scope import Body, ProtocolRole, Scope
from tercet.protocols.sharewise import SharedPower, SharedTurns
from tercet.ring import RING64
from tercet.sharing import PARTIES, Party, Share
from tiny_ring import TinyRing, opened, tiny_views
from trio import Trio

DIGITS = 60
POWERS = {"exp": np.exp, "exp2": np.exp2, "exp10": lambda x: np.longdouble(10) ** x}
# fractional bits, ring, and the largest power that the ring takes beside 0
SCALES = [(16, 64, 14), (20, 64, 6), (24, 64, 1), (40, 128, 30)]
WIDTHS = {"exp": 1.4427, "exp2": 1.0, "exp10": 3.3220}


def points(rng: random.Random, lo: int, hi: int, count: int) -> list[int]:
    """Both ends and beside, 0 and beside, and others of every size."""
    found = {lo, lo + 1, hi, hi - 1, 0, 1, 2, -1, -2}
    while len(found) < count:
        size = rng.randint(1, max(-lo, hi, 1).bit_length())
        value = rng.getrandbits(size) * rng.choice((1, -1)) if rng.random() < 0.4 else rng.randint(lo, hi)
        found.add(min(max(value, lo), hi))
    return sorted(value for value in found if lo <= value <= hi)


def shared_power(name: str, lo: int, hi: int, frac_bits: int, ring_bits: int) -> SharedPower:
    shape = functions.exponential(name, lo, hi, frac_bits, frac_bits, ring_bits)
    assert shape is not None
    assert shape.shared is not None
    assert shape.out_bits == shape.shared.out_bits
    return shape.shared


def run_power(seed: int, values: list[int], s: SharedPower, solo: Party | None = None) -> list[int]:
    trio = Trio(seed)
    of = lambda scope, x: sharewise.power(scope, x, s)
    cost = sharewise.power_cost(len(values), s)
    return open_words(run_counted(trio, cost, of, trio.share(s.ring, values), solo=solo))


def power_errors(name: str, values: list[int], found: list[int], s: SharedPower, frac_bits: int) -> Any:
    """In last bits, relative to results above 1; long doubles take them to 2^-60."""
    assert np.finfo(np.longdouble).nmant >= 63
    given, words = (np.array(numbers, object).astype(np.longdouble) for numbers in (values, found))
    true = POWERS[name](np.ldexp(given, -frac_bits))
    error = np.ldexp(np.ldexp(words, -s.out_bits) - true, frac_bits) / np.maximum(1, true)
    return error.astype(float)


@pytest.mark.parametrize("scale", SCALES, ids=str)
@pytest.mark.parametrize("name", POWERS)
def test_powers_over_the_whole_range(name: str, scale: tuple[int, int, int]) -> None:
    """Before the one rescaling: a small part of the last bit. From far below the cut to 1, and from small to as large
    powers as the ring takes."""
    frac_bits, ring_bits, most = scale
    unit = WIDTHS[name]
    cut = -int((frac_bits + functions.GUARD + functions.BELOW) / unit * 2**frac_bits)
    top, half = int(most / unit * 2**frac_bits), 1 << frac_bits - 1
    for number, (lo, hi) in enumerate([(cut, 0), (-3 * half, top), (0, half), (-7 * half, -5 * half)]):
        s = shared_power(name, lo, hi, frac_bits, ring_bits)
        values = points(random.Random(name), lo, hi, 2000)
        error = power_errors(name, values, run_power(number, values, s, SOLOS[number % 3]), s, frac_bits)
        assert np.abs(error).max() < allowed(frac_bits)
        assert abs(np.mean(error)) < 0.01


def allowed(frac_bits: int) -> float:
    return 0.05 if frac_bits == 24 else 0.025


@pytest.mark.parametrize("scale", SCALES, ids=str)
def test_constant_powers_have_no_bias(scale: tuple[int, int, int]) -> None:
    frac_bits, ring_bits, _ = scale
    cut = -int((frac_bits + functions.GUARD + functions.BELOW) / WIDTHS["exp"] * 2**frac_bits)
    s = shared_power("exp", cut, 0, frac_bits, ring_bits)
    for value in (-0.3, -2.71, -frac_bits * 0.69, -(frac_bits + 4) * 0.69, -(frac_bits + 5.5) * 0.69):
        stored = round(value * 2**frac_bits)
        error = power_errors("exp", [stored] * 2000, run_power(7, [stored] * 2000, s), s, frac_bits)
        assert abs(np.mean(error)) < 0.02


def test_far_below_the_cut_powers_are_exactly_zero() -> None:
    for frac_bits, ring_bits, _ in SCALES:
        lo = -int((frac_bits + functions.GUARD + functions.BELOW) / WIDTHS["exp"] * 2**frac_bits)
        s = shared_power("exp", lo, 0, frac_bits, ring_bits)
        assert s.cut == -(frac_bits + functions.GUARD)
        values = [lo] * 300 + [lo + k for k in range(300)]
        assert set(run_power(8, values, s)) == {0}


def test_every_whole_part_and_every_split() -> None:
    """All whole parts of x, and beside each its neighbours, with 40 splits of each between A, B and D."""
    for lo, hi in ((-12, 11), (-24, 0), (-1, 5), (3, 9)):
        s = shared_power("exp2", lo << 16, hi << 16, 16, 64)
        values = [(whole << 16) + d for whole in range(lo, hi + 1) for d in (-1, 0, 1)]
        values = [value for value in values if lo << 16 <= value <= hi << 16] * 40
        error = power_errors("exp2", values, run_power(hi, values, s), s, 16)
        assert max(map(abs, error)) < 0.025


@pytest.mark.parametrize("scale", SCALES, ids=str)
def test_it_is_there_as_far_as_the_ring_takes_it(scale: tuple[int, int, int]) -> None:
    """2 frac_bits + 11 + 2^low + log2(result) <= ring - 3, low at least 1; 9 for 11 at 24 bits."""
    frac_bits, ring_bits, _ = scale
    most = ring_bits - 3 - 2 * frac_bits - (11 if frac_bits == 24 else 13)
    for above, is_there in ((most, True), (most + 1, False)):
        hi = above << frac_bits
        found = functions.exponential("exp2", -1, hi, frac_bits, frac_bits, ring_bits)
        assert (found is not None and found.shared is not None) is is_there


def shared_turns(name: str, end: int, frac_bits: int, ring_bits: int) -> SharedTurns | None:
    shape = turns.turn(name, -end, end, frac_bits, frac_bits, ring_bits)
    assert shape is None or shape.shared is None or shape.out_bits == 2 * shape.shared.scale
    return None if shape is None else shape.shared


@pytest.mark.parametrize("scale", SCALES, ids=str)
@pytest.mark.parametrize("name", ["sin", "cos"])
def test_sines_over_the_whole_range(name: str, scale: tuple[int, int, int]) -> None:
    frac_bits, ring_bits, _ = scale
    end = 1 << frac_bits
    while shared_turns(name, 2 * end, frac_bits, ring_bits) is not None:
        end *= 2
    assert end >> frac_bits >= {16: 1 << 12, 20: 1 << 8, 24: 1 << 4, 40: 1 << 20}[frac_bits]
    true = mpmath.sin if name == "sin" else mpmath.cos
    for number, bound in enumerate((end, 4 << frac_bits)):
        s = shared_turns(name, bound, frac_bits, ring_bits)
        assert s is not None
        values = points(random.Random(name), -bound, bound, 2000)
        trio = Trio(number)
        of = lambda scope, x, s=s: sharewise.turned(scope, x, s)
        cost = sharewise.turned_cost(len(values), s)
        found = open_words(run_counted(trio, cost, of, trio.share(s.ring, values), solo=SOLOS[number]))
        error = []
        with mpmath.workdps(DIGITS):
            for value, word in zip(values, found, strict=True):
                wrong = mpmath.ldexp(word, -2 * s.scale) - true(mpmath.ldexp(value, -frac_bits))
                error.append(float(mpmath.ldexp(wrong, frac_bits)))
        assert max(map(abs, error)) < (0.1 if bound == end else 0.09 if frac_bits == 24 else 0.045)
        assert abs(np.mean(error)) < (0.01 if frac_bits != 24 else 0.02)


@pytest.mark.parametrize("size", [0, 1, 63, 4000, 70_000])
def test_pieces(size: int) -> None:
    """Cut or not: costs as declared, results right."""
    rng = np.random.default_rng(size)
    values = [int(v) for v in rng.integers(-(8 << 16), 8 << 16, size)]
    s = shared_power("exp", -8 << 16, 8 << 16, 16, 64)
    found = run_power(3, values, s)
    some = range(0, size, max(1, size // 50))
    error = power_errors("exp", [values[k] for k in some], [found[k] for k in some], s, 16)
    assert not some or np.abs(error).max() < 0.025


@pytest.mark.parametrize("of_sines", [False, True], ids=["power", "sine"])
def test_what_becomes_of_an_element_depends_on_it_alone(of_sines: bool) -> None:
    power = shared_power("exp", -5 << 16, 5 << 16, 16, 64)
    turn = shared_turns("sin", 5 << 16, 16, 64)
    assert turn is not None
    check_that_elements_stand_alone(
        lambda scope, x: sharewise.turned(scope, x, turn) if of_sines else sharewise.power(scope, x, power)
    )


@pytest.mark.parametrize("solo", SOLOS)
def test_views_are_the_same_for_all_tables(solo: Party) -> None:
    """Over Z_4, a table of two rows, all draws: what A and B see, given their row and factor, does not depend on the
    table; D sees nothing that depends on either. The result is the factor times the row."""
    tiny, bits = TinyRing(2), 8
    runs = 1 << bits
    of_solo = None
    for row, factor in itertools.product(range(2), range(4)):
        first = None
        for entries in itertools.product(range(4), repeat=2):
            table = np.repeat(np.array(entries, np.uint64)[:, None], runs, axis=1)

            def body(scope: Scope, table: Any = table, row: int = row, factor: int = factor) -> Body[Share]:
                return sharewise.crossed(
                    scope,
                    tiny,
                    runs,
                    2,
                    lambda drawn: tiny.sub(table, drawn),
                    lambda part, mask: tiny.sub(tiny.mul(part[row], np.uint64(factor)), mask),
                )

            views, results = tiny_views(body, ring=2, field=0, bits=bits, solo=solo)
            assert opened(results, 2) == {factor * entries[row] % 4}
            pair = {party: view for party, view in views.items() if party != solo}
            first = first or pair
            assert pair == first
            of_solo = of_solo or views[solo]
            assert views[solo] == of_solo


def test_the_solo_party_receives_nothing() -> None:
    s = shared_power("exp", -5 << 16, 5 << 16, 16, 64)
    trio = Trio(1)
    roles: dict[Party, ProtocolRole] = {}

    def body(scope: Scope, x: Share) -> Body[Share]:
        roles[scope.party] = scope.role
        return sharewise.power(scope, x, s)

    trio.run(body, trio.share(RING64, [5, 6]), solo=PARTIES[1])
    assert not trio.post.parts[PARTIES[1]]
    assert roles[PARTIES[1]] is ProtocolRole.D


def test_fingerprints_are_those_of_every_machine() -> None:
    """It follows from integers alone."""
    assert sharewise.fingerprint().hex() == "0f047af9c8ee24eb1ed57e50016d503293b3fc3446d3c5d3161d27e428b76444"
