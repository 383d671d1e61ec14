"""Functions of real numbers as analysts call them, against mpmath and NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest

import tercet as tc
from function_sweeps import ACCURACY, kept, stored, swept, unclaimed, worst
from plan_trio import TrioSession
from tercet.errors import PlanError
from tercet.plan.plan import Plan
from tercet.plan.record.graph import Graph

OFFERED: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "exp": (tc.exp, mpmath.exp),
    "exp2": (tc.exp2, lambda v: mpmath.mpf(2) ** v),
    "exp10": (tc.special.exp10, lambda v: mpmath.mpf(10) ** v),
    "expm1": (tc.expm1, mpmath.expm1),
    "log": (tc.log, mpmath.log),
    "log2": (tc.log2, lambda v: mpmath.log(v, 2)),
    "log10": (tc.log10, mpmath.log10),
    "log1p": (tc.log1p, mpmath.log1p),
    "sqrt": (tc.sqrt, mpmath.sqrt),
    "rsqrt": (tc.rsqrt, lambda v: 1 / mpmath.sqrt(v)),
}
NORMAL = lambda v: mpmath.erfc(-v / mpmath.sqrt(2)) / 2
LOGISTIC = lambda v: 1 / (1 + mpmath.exp(-v))
INNER = lambda v: mpmath.sqrt(2 / mpmath.pi) * (v + mpmath.mpf("0.044715") * v**3)
TAILS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "tanh": (tc.tanh, mpmath.tanh),
    "expit": (tc.special.expit, LOGISTIC),
    "erf": (tc.special.erf, mpmath.erf),
    "erfc": (tc.special.erfc, mpmath.erfc),
    "ndtr": (tc.special.ndtr, NORMAL),
    "softplus": (tc.special.softplus, lambda v: max(v, 0) + mpmath.log1p(mpmath.exp(-abs(v)))),
    "log_expit": (tc.special.log_expit, lambda v: min(v, 0) - mpmath.log1p(mpmath.exp(-abs(v)))),
    "relu": (tc.nn.relu, lambda v: max(v, mpmath.mpf(0))),
    "silu": (tc.nn.silu, lambda v: v * LOGISTIC(v)),
    "gelu": (tc.nn.gelu, lambda v: v * NORMAL(v)),
    "gelu tanh": (lambda x: tc.nn.gelu(x, approximate="tanh"), lambda v: v * (1 + mpmath.tanh(INNER(v))) / 2),
}
LIMITS = {"tanh": (-1, 1), "expit": (0, 1), "erf": (-1, 1), "erfc": (2, 0), "ndtr": (0, 1)}
POWERS = ("exp", "exp2", "exp10", "expm1")


@pytest.mark.parametrize("frac_bits", ACCURACY)
@pytest.mark.parametrize("name", OFFERED)
def test_at_most_two_last_bits(name: str, frac_bits: int) -> None:
    """Within a plan, where a coin rounds; relative above 1. Within the bounds that the result has, always."""
    function, true = OFFERED[name]
    one = 1 << frac_bits
    if name in POWERS:
        ranges = [(-1000 * one, 9 * one), (-one, one // 3)]
    else:
        least = -one + 1 if name == "log1p" else 1
        ranges = [(least, 1 << 60), (least, 5 * one), (one, 1 << (61 if frac_bits < 40 else 100))]
    for seed, (lo, hi) in enumerate(ranges):
        values = swept(lo, hi, seed, 150)
        session = TrioSession(parties=True, seed=seed)
        result = function(stored(session, values, (lo, hi), frac_bits))
        found = kept(session, result)
        assert result.frac_bits == frac_bits
        assert worst(found, values, true, frac_bits) <= 2, name


MADE: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any], list[tuple[float, float]]]] = {
    "asinh": (tc.asinh, mpmath.asinh, [(-1000, 1000), (0, 3), (-7, 0)]),
    "acosh": (tc.acosh, mpmath.acosh, [(1, 1000), (1, 1.25)]),
    "atanh": (tc.atanh, mpmath.atanh, [(-0.9375, 0.9375), (0, 0.5)]),
    "logit": (tc.special.logit, lambda v: mpmath.log(v) - mpmath.log1p(-v), [(0.0625, 0.9375), (0.125, 0.5)]),
    "sin": (tc.sin, mpmath.sin, [(-1000, 1000), (0, 1), (2, 4), (-(2**19), 2**19)]),
    "cos": (tc.cos, mpmath.cos, [(-1000, 1000), (0, 1), (1, 3), (-(2**19), 2**19)]),
    "hypot": (lambda x: tc.hypot(x, 3), lambda v: mpmath.hypot(v, 3), [(-1000, 1000), (0, 1)]),
    "logaddexp": (
        lambda x: tc.logaddexp(x, 0.5),
        lambda v: mpmath.log(mpmath.exp(v) + mpmath.exp(0.5)),
        [(-300, 300), (-1, 1)],
    ),
}


@pytest.mark.parametrize("frac_bits", ACCURACY)
@pytest.mark.parametrize("name", MADE)
def test_what_is_made_of_others_is_at_most_two_last_bits_off(name: str, frac_bits: int) -> None:
    function, true, ranges = MADE[name]
    one = 1 << frac_bits
    for seed, (low, high) in enumerate(ranges):
        lo, hi = int(low * one), int(high * one)
        values = swept(lo, hi, seed, 120)
        session = TrioSession(parties=True, seed=seed)
        result = function(stored(session, values, (lo, hi), frac_bits))
        found = kept(session, result)
        assert worst(found, values, true, frac_bits) <= 2, name
        with mpmath.workdps(50):
            for bound, end in zip(result.bounds, (lo, hi), strict=True):
                if name in ("sin", "cos"):
                    assert abs(bound) < 1 + 2 / one
                elif low * high >= 0 or name in ("asinh", "atanh", "logit"):
                    # as tight as the function permits; of logaddexp, up to log 2
                    room = 0.7 if name == "logaddexp" else 0.001
                    assert abs(bound - float(true(mpmath.ldexp(end, -frac_bits)))) < room
        assert unclaimed(session)


def test_two_secrets_and_the_domain_of_what_is_made_of_others() -> None:
    session = TrioSession(parties=True)
    a, b = np.array([3.0, -0.5, 7.25]), np.array([4.0, 100.0, 7.25])
    x, y = (session.share(values, bounds=(-200, 200)) for values in (a, b))
    assert np.max(np.abs(tc.hypot(x, y).reveal() - np.hypot(a, b))) < 2**-15
    assert np.max(np.abs(tc.logaddexp(x, y).reveal() - np.logaddexp(a, b))) < 2**-15
    assert np.array_equal(tc.acosh(session.share(np.array([-3.0, 0.5, 1.0]), bounds=(-4, 4))).reveal(), [0, 0, 0])
    outside = tc.special.logit(session.share(np.array([-3.0, 0.0, 0.5, 2.0]), bounds=(-4, 4)))
    found = outside.reveal()
    assert found[2] == 0 and np.all(np.isfinite(found))
    assert np.all(found >= outside.bounds[0]) and np.all(found <= outside.bounds[1])
    for name in ("asinh", "acosh", "atanh", "hypot", "logaddexp"):
        given = (np.array([0.5, 0.25]) + (name == "acosh"),) * (2 if name in ("hypot", "logaddexp") else 1)
        assert np.array_equal(getattr(tc, name)(*given), getattr(np, name)(*given))


@pytest.mark.parametrize("frac_bits", ACCURACY)
@pytest.mark.parametrize("name", TAILS)
def test_what_has_limits_is_at_most_two_last_bits_off(name: str, frac_bits: int) -> None:
    """For arguments of any size, and within bounds that need no comparison."""
    function, true = TAILS[name]
    one = 1 << frac_bits
    for seed, (lo, hi) in enumerate([(-1000 * one, 1000 * one), (-2 * one, 2 * one), (one, 40 * one), (-9 * one, 0)]):
        values = swept(lo, hi, seed, 120 if seed else 250)
        session = TrioSession(parties=True, seed=seed)
        result = function(stored(session, values, (lo, hi), frac_bits))
        found = kept(session, result)
        assert worst(found, values, true, frac_bits) <= 2, name
        for value, word in zip(values, found, strict=True):
            if name in LIMITS and abs(value) > 45 * one:
                assert int(word) == LIMITS[name][value > 0] * one
        assert unclaimed(session)


@pytest.mark.parametrize("name", TAILS)
def test_what_has_limits_is_the_nearest_where_revealed(name: str) -> None:
    function, true = TAILS[name]
    values = np.linspace(-9, 9, 300)
    shared = np.round(values * 65536) / 65536
    session = TrioSession(parties=True)
    found = function(session.share(values, bounds=(-10, 10))).reveal()
    exact = np.array([float(true(mpmath.mpf(value))) for value in shared])
    assert np.max(np.abs(found - exact)) * 65536 < 0.6
    assert np.allclose(function(values), [float(true(mpmath.mpf(value))) for value in values], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("frac_bits", [16, 20, 24, 40])
def test_bounds_end_at_the_limit(frac_bits: int) -> None:
    session = TrioSession()
    x = session.share(np.array([2.0]), bounds=(-8, 8), frac_bits=frac_bits)
    last = 2.0**-frac_bits
    for function, ends in (
        (tc.sin, (-1, 1)),
        (tc.cos, (-1, 1)),
        (tc.tanh, (-1, 1)),
        (tc.special.erf, (-1, 1)),
        (tc.special.erfc, (0, 2)),
        (tc.special.expit, (0, 1)),
        (tc.special.ndtr, (0, 1)),
    ):
        lo, hi = function(x).bounds
        assert ends[0] <= lo <= ends[0] + 0.001 and ends[1] - 0.001 <= hi <= ends[1], function
    assert 0 <= tc.special.softplus(x).bounds[0] <= 0.001 and -0.001 <= tc.special.log_expit(x).bounds[1] <= 0
    wide = session.share(np.array([2.0]), bounds=(-80, 80), frac_bits=frac_bits)
    assert tc.special.softplus(wide).bounds[0] == 0 and tc.special.log_expit(wide).bounds[1] == 0
    sum_of_squares = tc.sin(x) ** 2 + tc.cos(x) ** 2
    assert sum_of_squares.bounds[0] == 0 and sum_of_squares.bounds[1] <= 2 + 2 * last


def test_bounds_of_what_has_limits() -> None:
    session = TrioSession()
    last = 2.0**-16
    x = session.share(np.array([2.0]), bounds=(-1000, 1000))
    for function, lo, hi in (
        (tc.tanh, -1, 1),
        (tc.special.expit, 0, 1),
        (tc.special.erfc, 0, 2),
        (tc.nn.relu, 0, 1000),
        (tc.nn.silu, -0.2785, 1000),
        (tc.nn.gelu, -0.1701, 1000),
        (tc.special.softplus, 0, 1000.6932),
    ):
        found = function(x).bounds
        assert lo - last <= found[0] <= lo + 0.0001
        assert hi - 0.0001 <= found[1] <= hi + last
    assert tc.nn.relu(session.share(np.array([2.0]), bounds=(1, 3))).bounds == (1, 3)


def test_bounds_of_sine_and_cosine() -> None:
    session = TrioSession()
    for lo, hi, sine, cosine in (
        (0, 1, (0, np.sin(1)), (np.cos(1), 1)),
        (2, 4, (np.sin(4), np.sin(2)), (-1, np.cos(2))),
        (-1, 2, (np.sin(-1), 1), (np.cos(2), 1)),
        (4, 11, (-1, 1), (-1, 1)),
        (-3, -2, (np.sin(-2), np.sin(-3)), (np.cos(3), np.cos(2))),
    ):
        x = session.share(np.array([(lo + hi) / 2]), bounds=(lo, hi))
        for function, wanted in ((tc.sin, sine), (tc.cos, cosine)):
            found = function(x).bounds
            least, most = min(wanted), max(wanted)
            assert least - 2**-14 < found[0] <= least + 2**-16
            assert most - 2**-16 <= found[1] < most + 2**-14


def test_refusals_of_what_has_limits() -> None:
    session = TrioSession()
    with pytest.raises(PlanError, match="44 are the most"):
        tc.tanh(session.share(np.array([0]), bounds=(-1, 1), frac_bits=50))
    with pytest.raises(ValueError, match="'none' and 'tanh'"):
        tc.nn.gelu(session.share(np.array([0.5])), approximate="erf")


@pytest.mark.parametrize("name", OFFERED)
def test_revealed_it_is_the_nearest(name: str) -> None:
    function, true = OFFERED[name]
    values = np.linspace(0.01, 7, 400)
    shared = np.round(values * 65536) / 65536
    session = TrioSession(parties=True)
    found = function(session.share(values, bounds=(0, 7))).reveal()
    exact = np.array([float(true(mpmath.mpf(value))) for value in shared])
    assert np.max(np.abs(found - exact) / np.maximum(1, np.abs(exact))) * 65536 < 0.51
    assert np.array_equal(found * 65536, np.round(found * 65536))
    again = function(session.share(values, bounds=(0, 7))).reveal()
    # coins inside are worth 2^-28 of a result: what is below 1 is the same again but where a half is that near
    assert np.mean((found == again)[np.abs(exact) < 4]) > 0.98


def test_outside_the_domain() -> None:
    session = TrioSession(parties=True)
    x = session.share(np.array([-5.0, 0.0, 1.0]), bounds=(-9, 9))
    assert np.array_equal(tc.sqrt(x).reveal(), [0, 0, 1])
    assert np.array_equal(tc.rsqrt(x).reveal(), [0, 0, 1])
    least = np.round(np.log(2.0**-16) * 65536) / 65536
    assert np.array_equal(tc.log(x).reveal(), [least, least, 0])
    assert np.array_equal(tc.log1p(x).reveal(), [least, 0, np.round(np.log(2) * 65536) / 65536])
    assert np.array_equal(tc.exp(session.share(np.array([-300.0, 0]), bounds=(-1000, 0))).reveal(), [0, 1])


def test_bounds_of_results() -> None:
    session = TrioSession()
    x = session.share(np.array([2.0]), bounds=(1, 4))
    last = 3 * 2.0**-16
    for function, lo, hi in (
        (tc.sqrt, 1, 2),
        (tc.log, 0, np.log(4)),
        (tc.exp, np.e, np.exp(4)),
        (tc.rsqrt, 0.5, 1),
        (tc.exp2, 2, 16),
    ):
        found = function(x).bounds
        assert lo - last <= found[0] <= lo
        assert hi <= found[1] <= hi * (1 + last)
    assert tc.sqrt(session.share(np.array([0.0]), bounds=(0, 4))).bounds[0] == 0
    assert tc.exp(session.share(np.array([0.0]), bounds=(-100, 4))).bounds[0] == 0


def test_bounds_are_proven() -> None:
    """Nodes derive them from the operation: nothing is claimed."""
    session = TrioSession()
    for name, (function, _) in OFFERED.items():
        x = session.share(np.array([2.0]), bounds=(-1000, 8) if name in POWERS else (-3, 1000))
        function(x).reveal()
        plan = Plan.from_bytes(session.plans[-1].to_bytes())
        assert not any(op.type.claimed for op in plan.operations), name


def test_what_cannot_fit_is_refused_with_what_to_declare() -> None:
    session = TrioSession()
    x = session.share(np.array([2.0]), bounds=(-3, 200))
    with pytest.raises(PlanError, match="exp of values up to 200 does not fit") as refused:
        tc.exp(x)
    assert "narrower bounds" in str(refused.value.hint)
    assert tc.exp(tc.array.minimum(x, 20)).reveal().size == 1
    with pytest.raises(PlanError, match="exp of values"):
        tc.exp(session.share(np.array([2.0]), bounds=(-(2**20), 2**20)))


def test_a_square_is_not_rescaled_before_its_root() -> None:
    """Roots take what products give: of a small number's square it is the number."""
    session = TrioSession(parties=True)
    values = np.arange(0, 40) / 65536
    x = session.share(values, bounds=(0, 100))
    assert np.array_equal(tc.sqrt(x * x).reveal(), values)


def test_integers_bools_and_quotients() -> None:
    session = TrioSession(parties=True)
    whole = session.share(np.array([1, 2, 9]), bounds=(0, 10))
    assert np.max(np.abs(tc.sqrt(whole).reveal() - np.sqrt([1, 2, 9]))) < 2**-16
    assert np.max(np.abs(tc.exp(whole / 4).reveal() - np.exp([0.25, 0.5, 2.25]))) < 2**-12
    flag = session.share(np.array([True, False]))
    assert np.max(np.abs(tc.exp(flag).reveal() - [np.e, 1])) < 2**-16


def test_numpy_calls_them_and_plain_arrays_are_plain() -> None:
    session = TrioSession(parties=True)
    x = session.share(np.array([0.5, 2.0]), bounds=(0, 4))
    for name in ("exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sqrt", "tanh", "sin", "cos"):
        ours, numpys = getattr(tc, name), getattr(np, name)
        assert np.array_equal(numpys(x).reveal(), ours(x).reveal())
        assert np.array_equal(ours(np.array([0.5, 2.0])), numpys([0.5, 2.0]))
        assert getattr(x.__array_namespace__(), name) is ours
    assert tc.rsqrt(np.array([4.0])) == 0.5
    assert np.allclose(tc.special.exp10(np.array([2.0])), 100)
    with pytest.raises(TypeError, match="cannot write a secret result"):
        np.exp(x, out=np.empty(2))
    with pytest.raises(TypeError, match="array"):
        tc.exp(2.0)


def test_exact_rounding_reaches_inside() -> None:
    """A session that rounds to the nearest uses no coin in a function either, and gives the same always."""
    found = []
    for seed in range(2):
        session = TrioSession(parties=True, seed=seed)
        session._graph = Graph(exact_rounding=True)
        x = session.share(np.linspace(-3, 3, 50), bounds=(-3, 3))
        kept = tc.persist(tc.exp(x), tc.sqrt(x), tc.log(x))
        found.append([list(session.stored[one.node.data]) for one in kept])
        assert not any(op.rounds_by_coin for op in session.plans[-1].operations)
    assert found[0] == found[1]
    session = TrioSession()
    tc.exp(session.share(np.array([1.0]), bounds=(-3, 3))).reveal()
    assert any(op.rounds_by_coin for op in session.plans[-1].operations)


def test_hypot_squares_large_public_integers_exactly() -> None:
    x = TrioSession(parties=True).share([3, 0], bounds=(0, 3))
    assert np.array_equal(tc.hypot(x, 1 << 32).reveal(), [2.0**32, 2.0**32])
    with pytest.raises(PlanError, match="infinity"):
        tc.hypot(x, 1e300)
