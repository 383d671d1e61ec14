"""Functions of real numbers at three parties: every word against mpmath, over the whole range that may be declared."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest

from protocol_checks import DIGITS, SCALES, SOLOS, check_that_elements_stand_alone, open_words, points, run_counted
from tercet.plan.table.ops_functions import LOGARITHMS, POWERS, ROOTS
from tercet.protocols import functions, tails, turns
from tercet.protocols.coefficients import COEFFICIENTS, CONSTANT_BITS, CONSTANTS, TAILS
from tercet.protocols.polynomial import blocks, used
from trio import Trio
from vector_files import vectors

TRUE: dict[str, Callable[[Any], Any]] = {
    "exp": mpmath.exp,
    "exp2": lambda v: mpmath.mpf(2) ** v,
    "exp10": lambda v: mpmath.mpf(10) ** v,
    "log": mpmath.log,
    "log2": lambda v: mpmath.log(v, 2),
    "log10": mpmath.log10,
    "sqrt": mpmath.sqrt,
    "rsqrt": lambda v: 1 / mpmath.sqrt(v),
    "cbrt": mpmath.cbrt,
}


@pytest.mark.parametrize("vector", vectors("function"))
def test_public_integers_are_those_of_the_vectors(vector: Any) -> None:
    if "limit_quarters" in vector:
        wanted = tuple(int(value) for value in vector["coefficients"])
        assert TAILS[vector["series"], vector["frac_bits"]] == (vector["limit_quarters"], wanted)
    elif "constants" in vector:
        assert vector["coefficient_bits"] == CONSTANT_BITS
        assert {name: int(value) for name, value in vector["constants"].items()} == dict(CONSTANTS)
    else:
        wanted = tuple(int(value) for value in vector["coefficients"])
        assert COEFFICIENTS[vector["series"], vector["coefficient_bits"]] == wanted


def test_every_table_has_a_vector() -> None:
    found = [v.values[0] for v in vectors("function")]
    known = {(v["series"], v["coefficient_bits"]) for v in found if "frac_bits" not in v}
    assert known == {*COEFFICIENTS, ("constants", CONSTANT_BITS)}
    assert {(v["series"], v["frac_bits"]) for v in found if "frac_bits" in v} == set(TAILS)


def tables() -> list[tuple[functions.Precision, tuple[int, ...]]]:
    """All coefficients, with the precision that they are for."""
    narrow, wide = functions.NARROW, functions.WIDE
    found = [(narrow if bits == narrow.coefficient_bits else wide, c) for (_, bits), c in COEFFICIENTS.items()]
    return found + [(narrow if bits <= 24 else wide, c) for (_, bits), (_, c) in TAILS.items()]


def test_sums_of_coefficients_leave_headroom() -> None:
    for p, found in tables():
        parts = blocks(found)
        # a combination, and the whole polynomial, are at scale + coefficient_bits
        assert used(parts) << p.scale < 1 << p.room
        assert sum(map(abs, found)) << p.scale < 1 << p.room


def test_blocks_are_the_same_polynomial() -> None:
    for _, found in tables():
        parts = blocks(found)
        size = len(parts[0])
        with mpmath.workdps(DIGITS):
            for angle in (0.1, 1.0, 2.5):
                cosine = [mpmath.cos(k * mpmath.mpf(angle)) for k in range(len(found))]
                baby = lambda part, c=cosine: sum(value * c[i] for i, value in enumerate(part))
                other = sum(cosine[size * j] * baby(part) for j, part in enumerate(parts))
                assert abs(other - baby(found)) < 1e-20 * sum(map(abs, found))


def ends(name: str, frac_bits: int, ring_bits: int) -> tuple[int, int]:
    """A range as wide as the ring takes."""
    if name not in POWERS:
        return 0, (1 << ring_bits - 2) - 1
    lo = int(-(frac_bits + functions.GUARD + functions.BELOW) / float(TRUE_LOG2[name])) << frac_bits
    for hi in range(120, 0, -1):
        if functions.exponential(name, lo, hi << frac_bits, frac_bits, frac_bits, ring_bits) is not None:
            return lo, hi << frac_bits
    raise AssertionError


TRUE_LOG2 = {"exp": 1.4427, "exp2": 1.0, "exp10": 3.3220}


PHI = lambda u: mpmath.erfc(u / mpmath.sqrt(2)) / 2
INNER = lambda u: mpmath.sqrt(2 / mpmath.pi) * (u + mpmath.mpf("0.044715") * u**3)
TRUE_TAILS: dict[str, Callable[[Any], Any]] = {
    "erf": mpmath.erf,
    "tanh": mpmath.tanh,
    "softplus": lambda u: mpmath.log1p(mpmath.exp(-u)),
    "softplus2": lambda u: mpmath.log(1 + mpmath.mpf(2) ** -u, 2),
    "silu": lambda u: u / (1 + mpmath.exp(u)),
    "gelu": lambda u: u * PHI(u),
    "gelu_tanh": lambda u: u * (1 - mpmath.tanh(INNER(u))) / 2,
}


@pytest.mark.parametrize("exact", [False, True], ids=["coins", "exact"])
@pytest.mark.parametrize("scale", SCALES, ids=str)
@pytest.mark.parametrize("name", TRUE_TAILS)
def test_tails(name: str, scale: tuple[int, int], exact: bool) -> None:
    """The whole of [0, L], before the one rescaling: half a last bit at most."""
    frac_bits, ring_bits = scale
    end = tails.tail_end(name, frac_bits, frac_bits)
    values = [*points(random.Random(name), 0, end, 200 if exact else 500), end]
    shape = tails.tail(name, end, frac_bits, frac_bits, ring_bits)
    assert shape is not None
    ring = functions.PRECISIONS[ring_bits].ring
    cost = functions.elementwise_cost(ring, len(values), tails.tail_of, shape, exact=exact)
    of = lambda scope, x: functions.elementwise(scope, x, tails.tail_of, shape, exact=exact)
    found = open_words(run_counted(Trio(3), cost, of, trio_share(ring, values)))
    error = []
    with mpmath.workdps(DIGITS):
        for value, word in zip(values, found, strict=True):
            wrong = mpmath.ldexp(word, -shape.out_bits) - TRUE_TAILS[name](mpmath.ldexp(value, -frac_bits))
            error.append(float(mpmath.ldexp(wrong, frac_bits)))
    assert max(map(abs, error)) < (0.1 if frac_bits != 24 else 0.5)
    # at 24 bits softplus2 is held above 0 by an eighth of the last bit
    assert abs(np.mean(error)) < (0.02 if frac_bits != 24 else 0.2)


@pytest.mark.parametrize("exact", [False, True], ids=["coins", "exact"])
@pytest.mark.parametrize("scale", SCALES, ids=str)
@pytest.mark.parametrize("name", ["sin", "cos"])
def test_turns(name: str, scale: tuple[int, int], exact: bool) -> None:
    """As far as the ring takes arguments, before the one rescaling."""
    frac_bits, ring_bits = scale
    end = 1 << frac_bits
    while turns.turn(name, -2 * end, 2 * end, frac_bits, frac_bits, ring_bits) is not None:
        end *= 2
    assert end >> frac_bits >= {16: 1 << 12, 20: 1 << 8, 24: 1 << 4, 40: 1 << 20}[frac_bits]
    values = points(random.Random(name), -end, end, 200 if exact else 500)
    shape = turns.turn(name, -end, end, frac_bits, frac_bits, ring_bits)
    assert shape is not None
    ring = functions.PRECISIONS[ring_bits].ring
    cost = functions.elementwise_cost(ring, len(values), turns.sine, shape, exact=exact)
    of = lambda scope, x: functions.elementwise(scope, x, turns.sine, shape, exact=exact)
    found = open_words(run_counted(Trio(3), cost, of, trio_share(ring, values)))
    true = mpmath.sin if name == "sin" else mpmath.cos
    error = []
    with mpmath.workdps(DIGITS):
        for value, word in zip(values, found, strict=True):
            wrong = mpmath.ldexp(word, -shape.out_bits) - true(mpmath.ldexp(value, -frac_bits))
            error.append(float(mpmath.ldexp(wrong, frac_bits)))
    assert max(map(abs, error)) < (0.2 if frac_bits != 24 else 0.5)
    assert abs(np.mean(error)) < (0.02 if frac_bits != 24 else 0.1)


def trio_share(ring: Any, values: list[int]) -> Any:
    """Shares for any trio."""
    return Trio(4).share(ring, values)


def shape_of(name: str, lo: int, hi: int, frac_bits: int, ring_bits: int) -> tuple[Any, Any]:
    """The generator and the public numbers."""
    if name in POWERS:
        return functions.power, functions.exponential(name, lo, hi, frac_bits, frac_bits, ring_bits)
    body = functions.logarithm if name in LOGARITHMS else functions.cube_root if name == "cbrt" else functions.root
    return body, functions.placed(name, hi, frac_bits, frac_bits, ring_bits)


def run(trio: Trio, name: str, values: list[int], ends: tuple[int, int], scale: tuple[int, int], exact: bool) -> Any:
    """The result's integers, at the function's own scale, and the public numbers."""
    frac_bits, ring_bits = scale
    body, shape = shape_of(name, *ends, frac_bits, ring_bits)
    assert shape is not None
    ring = functions.PRECISIONS[ring_bits].ring
    cost = functions.elementwise_cost(ring, len(values), body, shape, exact=exact)
    of = lambda scope, x: functions.elementwise(scope, x, body, shape, exact=exact)
    results = run_counted(trio, cost, of, trio.share(ring, values), solo=SOLOS[frac_bits % 3])
    return open_words(results), shape


def errors(name: str, values: list[int], found: list[int], shape: Any, frac_bits: int) -> list[Any]:
    """In last bits, relative to results above 1."""
    out = []
    with mpmath.workdps(DIGITS):
        for value, word in zip(values, found, strict=True):
            if value == 0 and name not in POWERS:
                assert word == 0 or name in LOGARITHMS
                continue
            true = TRUE[name](mpmath.ldexp(value, -frac_bits))
            error = mpmath.ldexp(mpmath.ldexp(word, -shape.out_bits) - true, frac_bits)
            out.append(float(error / max(1, abs(true))))
    return out


@pytest.mark.parametrize("exact", [False, True], ids=["coins", "exact"])
@pytest.mark.parametrize("scale", SCALES, ids=str)
@pytest.mark.parametrize("name", [*POWERS, *LOGARITHMS, *ROOTS])
def test_the_whole_range(name: str, scale: tuple[int, int], exact: bool) -> None:
    """Before the one rescaling that the plan does: a fifth of a last bit at most, so that two are never reached."""
    rng = random.Random(name)
    whole = ends(name, *scale)
    narrow = (-3 << scale[0], 2 << scale[0]) if name in POWERS else (0, 100 << scale[0])
    for number, (lo, hi) in enumerate((whole, narrow)):
        values = points(rng, lo, hi, 200 if exact else 700)
        trio = Trio(number)
        found, shape = run(trio, name, values, (lo, hi), scale, exact)
        error = errors(name, values, found, shape, scale[0])
        assert max(map(abs, error)) < 0.2
        assert abs(np.mean(error)) < (0.02 if scale[0] != 24 else 0.1)


@pytest.mark.parametrize("scale", SCALES, ids=str)
@pytest.mark.parametrize("name", ["exp", "log", "sqrt", "rsqrt"])
def test_constant_inputs_have_no_bias(name: str, scale: tuple[int, int]) -> None:
    for value in (0.3, 1.0, 2.71):
        stored = round(value * 2 ** scale[0])
        hi = 10 << scale[0]
        found, shape = run(Trio(7), name, [stored] * 500, (-hi if name == "exp" else 0, hi), scale, False)
        error = errors(name, [stored] * 500, found, shape, scale[0])
        assert abs(np.mean(error)) < (0.02 if scale[0] != 24 else 0.3)


def test_below_the_cut_it_is_exactly_zero() -> None:
    scale = (16, 64)
    lo, hi = ends("exp", *scale)
    found, _ = run(Trio(8), "exp", [lo] * 300, (lo, hi), scale, False)
    assert set(found) == {0}


@pytest.mark.parametrize("size", [1, 63, 64, 4000, 40_000])
def test_pieces(size: int) -> None:
    """Cut or not: the same rounds for all, costs as declared, results right."""
    rng = np.random.default_rng(size)
    values = [int(v) for v in rng.integers(1, 1 << 30, size)]
    for name in ("exp2", "log", "sqrt"):
        given = [v - (1 << 29) for v in values] if name == "exp2" else values
        given = [v >> 10 for v in given] if name == "exp2" else given
        bound = (-(1 << 20), 1 << 20) if name == "exp2" else (0, 1 << 30)
        found, shape = run(Trio(size), name, given, bound, (16, 64), False)
        some = range(0, size, max(1, size // 50))
        error = errors(name, [given[k] for k in some], [found[k] for k in some], shape, 16)
        assert max(map(abs, error)) < 0.1


@pytest.mark.parametrize("name", ["exp", "log", "sqrt"])
def test_what_becomes_of_an_element_depends_on_it_alone(name: str) -> None:
    lo, hi = (-5 << 16, 5 << 16) if name == "exp" else (0, 1 << 40)
    body, shape = shape_of(name, lo, hi, 16, 64)
    check_that_elements_stand_alone(lambda scope, x: functions.elementwise(scope, x, body, shape, exact=False))
