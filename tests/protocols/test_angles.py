"""Functions of angles at three parties: every word against mpmath, over the whole range, before the one rescaling."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest

from protocol_checks import DIGITS, SCALES, SOLOS, check_that_elements_stand_alone, open_words, points, run_counted
from tercet.protocols import arcs, functions, hyperbolic, ratios
from trio import Trio

Values = list[tuple[int, ...]]
FAR = {16: 1 << 11, 20: 1 << 7, 24: 1 << 3, 40: 1 << 19}
"""As far as tan goes in the narrower ring, or far enough."""
LARGEST = {16: 12, 20: 10, 24: 8, 40: 40}
"""The same of sinh and cosh."""


def run(body: Any, shape: Any, values: Values, scale: tuple[int, int], *, exact: bool = False) -> list[int]:
    """The result's integers, at the function's own scale; the same bytes and rounds as declared."""
    assert shape is not None
    frac_bits, ring_bits = scale
    ring = functions.PRECISIONS[ring_bits].ring
    trio = Trio(3)
    columns = [list(column) for column in zip(*values, strict=True)]
    cost = functions.elementwise_cost(ring, len(values), body, shape, exact=exact, operands=len(columns))
    of = lambda scope, x, *more: functions.elementwise(scope, x, body, shape, *more, exact=exact)
    shares = [trio.share(ring, column) for column in columns]
    return open_words(run_counted(trio, cost, of, *shares, solo=SOLOS[frac_bits % 3]))


def errors(true: Callable[..., Any], values: Values, found: list[int], out_bits: int, frac_bits: int) -> list[float]:
    """In last bits, relative to results above 1."""
    out = []
    with mpmath.workdps(DIGITS):
        for value, word in zip(values, found, strict=True):
            wanted = true(*(mpmath.ldexp(one, -frac_bits) for one in value))
            error = mpmath.ldexp(mpmath.ldexp(word, -out_bits) - wanted, frac_bits)
            out.append(float(error / max(1, abs(wanted))))
    return out


def check(true: Callable[..., Any], body: Any, shape: Any, values: Values, scale: tuple[int, int], exact: bool) -> None:
    found = run(body, shape, values, scale, exact=exact)
    error = errors(true, values, found, shape.out_bits, scale[0])
    assert max(map(abs, error)) < 0.2, values[int(np.argmax(np.abs(error)))]
    assert abs(np.mean(error)) < (0.02 if scale[0] != 24 else 0.1)


def single(values: list[int]) -> Values:
    return [(value,) for value in values]


@pytest.fixture(params=[False, True], ids=["coins", "exact"])
def exact(request: Any) -> bool:
    return bool(request.param)


@pytest.mark.parametrize("scale", SCALES, ids=str)
def test_hyperbolas(scale: tuple[int, int], exact: bool) -> None:
    one = 1 << scale[0]
    for name, true in (("sinh", mpmath.sinh), ("cosh", mpmath.cosh)):
        for lo, hi in ((-LARGEST[scale[0]], LARGEST[scale[0]]), (-1, 2)):
            shape = hyperbolic.hyperbolic(name, lo * one, hi * one, *[scale[0]] * 2, scale[1])
            values = points(random.Random(name), lo * one, hi * one, 200 if exact else 500)
            check(true, hyperbolic.half_sum, shape, single(values), scale, exact)


@pytest.mark.parametrize("scale", SCALES, ids=str)
def test_arcs(scale: tuple[int, int], exact: bool) -> None:
    """acos and atan of [0, 1]; of arguments that have more fractional bits than are meant, too."""
    frac_bits, ring_bits = scale
    for finer in (0, 14):
        bits = frac_bits + finer
        values = single(points(random.Random(5), 0, 1 << bits, 200 if exact else 500))
        for true, body, shape in (
            (mpmath.acos, arcs.arc_cosine, arcs.arc(bits, frac_bits, ring_bits)),
            (mpmath.atan, arcs.arc_tangent, arcs.unit(bits, frac_bits, ring_bits)),
        ):
            assert shape is not None
            found = run(body, shape, values, scale, exact=exact)
            error = np.array(errors(true, values, found, shape.out_bits, bits)) / (1 << finer)
            assert np.max(np.abs(error)) < 0.2
            assert abs(np.mean(error)) < (0.02 if frac_bits != 24 else 0.1)


@pytest.mark.parametrize("scale", SCALES, ids=str)
def test_octant(scale: tuple[int, int], exact: bool) -> None:
    """atan(x / y) for any 0 <= x <= y that the ring takes, both tiny, equal, and zeros."""
    rng = random.Random(7)
    for hi in ((1 << scale[1] - 2) - 1, 3 << scale[0]):
        below = points(rng, 0, hi, 200 if exact else 500)
        values = [
            (min(y, rng.choice((0, 1, y, max(0, y - 1), rng.randint(0, y), y >> rng.randint(0, 60)))), y) for y in below
        ]
        true = lambda x, y: mpmath.atan2(x, y) if y else mpmath.mpf(0)
        check(true, ratios.octant_angle, ratios.ratio(hi, scale[0], scale[1]), values, scale, exact)


@pytest.mark.parametrize("scale", SCALES, ids=str)
def test_sinc(scale: tuple[int, int], exact: bool) -> None:
    """Beside every whole number as well, where it is nearly 0; and 1 of 0."""
    frac_bits, ring_bits = scale
    for hi in ((1 << ring_bits - 2) - (2 << frac_bits), 5 << frac_bits):
        shape = ratios.sinc_shape(hi, frac_bits, frac_bits, ring_bits)
        values = points(random.Random(9), 0, hi, 200 if exact else 500)
        values += [(k << frac_bits - 1) + d for k in range(1, 9) for d in (-1, 0, 1)]
        check(mpmath.sincpi, ratios.sinc, shape, single(values), scale, exact)
    assert shape is not None
    found = run(ratios.sinc, shape, single([0] * 300), scale, exact=exact)
    assert max(abs(word - (1 << shape.out_bits)) for word in found) < 1 << shape.out_bits - frac_bits - 2


def beside_poles(rng: random.Random, far: int, frac_bits: int) -> list[int]:
    """Arguments at all distances of poles."""
    out = []
    for _ in range(100):
        pole = (rng.randint(-far // 4, far // 4 - 1) + mpmath.mpf(1) / 2) * mpmath.pi
        out.append(
            int(mpmath.floor(mpmath.ldexp(pole, frac_bits))) + rng.choice((1, -1)) * (1 << rng.randint(0, frac_bits))
        )
    return out


@pytest.mark.parametrize("scale", SCALES, ids=str)
def test_tangent(scale: tuple[int, int], exact: bool) -> None:
    """Half a last bit times 1 + tan^2 up to 2^(frac_bits / 2); beyond, half of that at least, and the limit at most."""
    frac_bits, ring_bits = scale
    rng = random.Random(11)
    for far in (FAR[frac_bits], 2):
        end = far << frac_bits
        shape = ratios.tangent_shape(-end, end, frac_bits, frac_bits, ring_bits)
        assert shape is not None
        values = points(rng, -end, end, 200 if exact else 500)
        with mpmath.workdps(DIGITS):
            if far > 2:
                values += beside_poles(rng, far, frac_bits)
            found = run(ratios.tangent, shape, single(values), scale, exact=exact)
            for value, word in zip(values, found, strict=True):
                wanted, got = mpmath.tan(mpmath.ldexp(value, -frac_bits)), mpmath.ldexp(word, -shape.out_bits)
                if abs(wanted) <= 2 ** (frac_bits / 2):
                    assert abs(got - wanted) <= mpmath.ldexp(0.5 * (1 + wanted**2), -frac_bits), value
                else:
                    assert 2.0 ** (shape.limit - 5.01) <= abs(got) <= 2.0**shape.limit * 1.001, value


@pytest.mark.parametrize("scale", SCALES, ids=str)
def test_constant_inputs_have_no_bias(scale: tuple[int, int]) -> None:
    frac_bits, ring_bits = scale
    for part in (0.3, 0.99, 0.0):
        value = round(part * 2**frac_bits)
        values, end = single([value] * 500), 1 << frac_bits
        for true, body, shape in (
            (
                mpmath.cosh,
                hyperbolic.half_sum,
                hyperbolic.hyperbolic("cosh", -end, end, frac_bits, frac_bits, ring_bits),
            ),
            (mpmath.acos, arcs.arc_cosine, arcs.arc(frac_bits, frac_bits, ring_bits)),
            (mpmath.atan, arcs.arc_tangent, arcs.unit(frac_bits, frac_bits, ring_bits)),
            (mpmath.sincpi, ratios.sinc, ratios.sinc_shape(end, frac_bits, frac_bits, ring_bits)),
            (mpmath.tan, ratios.tangent, ratios.tangent_shape(-end, end, frac_bits, frac_bits, ring_bits)),
        ):
            found = run(body, shape, values, scale)
            error = np.array(errors(true, values, found, shape.out_bits, frac_bits))
            if body is ratios.tangent:
                error /= 1 + np.tan(part) ** 2
            assert abs(np.mean(error)) < (0.02 if frac_bits != 24 else 0.3)


@pytest.mark.parametrize("size", [1, 63, 64, 40_000])
def test_pieces(size: int) -> None:
    """Cut or not: the same rounds for all, costs as declared, results right."""
    values = [int(v) for v in np.random.default_rng(size).integers(0, 1 << 16, size)]
    for true, body, shape in (
        (mpmath.acos, arcs.arc_cosine, arcs.arc(16, 16, 64)),
        (mpmath.sincpi, ratios.sinc, ratios.sinc_shape(1 << 16, 16, 16, 64)),
        (mpmath.tan, ratios.tangent, ratios.tangent_shape(0, 1 << 16, 16, 16, 64)),
    ):
        assert shape is not None
        found = run(body, shape, single(values), (16, 64))
        some = range(0, size, max(1, size // 50))
        error = errors(true, single([values[k] for k in some]), [found[k] for k in some], shape.out_bits, 16)
        assert max(map(abs, error)) < 0.1


@pytest.mark.parametrize("name", ["acos", "sinc", "tan", "octant"])
def test_what_becomes_of_an_element_depends_on_it_alone(name: str) -> None:
    body, shape = {
        "acos": (arcs.arc_cosine, arcs.arc(16, 16, 64)),
        "sinc": (ratios.sinc, ratios.sinc_shape(5 << 16, 16, 16, 64)),
        "tan": (ratios.tangent, ratios.tangent_shape(-5 << 16, 5 << 16, 16, 16, 64)),
        "octant": (ratios.octant_angle, ratios.ratio(5 << 16, 16, 64)),
    }[name]
    check_that_elements_stand_alone(
        lambda scope, x, *more: functions.elementwise(scope, x, body, shape, *more, exact=False),
        2 if name == "octant" else 1,
    )
