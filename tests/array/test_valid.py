"""Where values mean something, at three parties: as isfinite of the plain computation."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np
import pytest
import scipy.special

import tercet as tc
from plan_trio import TrioSession
from tercet.array.nullable import NullableArray
from tercet.errors import InputError, PlanError
from tercet.plan.network import LAN
from tercet.plan.plan import OutputKind
from tercet.plan.record.compile import Wanted, compile_plan, total_cost

STEP = 2.0**-16
POINTS = np.array([-3, -2, -1, -0.5, -STEP, 0, STEP, 0.25, 0.5, 0.75, 1 - STEP, 1, 1 + STEP, 1.5, 2, 3])


@pytest.fixture(autouse=True)
def _numpy_is_silent() -> Any:
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        yield


def session_of(seed: int = 0, **options: Any) -> TrioSession:
    return TrioSession(parties=True, seed=seed, **options)


def shared(values: Any, lo: float = -4, hi: float = 4, **options: Any) -> Any:
    return session_of(**options).share(values, bounds=(lo, hi))


def plain(valid: Any) -> Any:
    return valid if isinstance(valid, np.ndarray | np.bool_) else valid.reveal()


def is_known(valid: Any) -> bool:
    """Whether bounds prove that all is valid."""
    return isinstance(valid, np.ndarray | np.bool_) and bool(np.all(valid))


# ---- functions with a domain ----

OF_ONE: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    **{name: (getattr(tc, name), getattr(np, name)) for name in ("log", "log2", "log10", "log1p", "sqrt")},
    "rsqrt": (tc.rsqrt, lambda x: 1 / np.sqrt(x)),
    "reciprocal": (lambda x: 1 / x, lambda x: 1 / x),
    "acosh": (tc.acosh, np.arccosh),
    "atanh": (tc.atanh, np.arctanh),
    "asin": (tc.asin, np.arcsin),
    "acos": (tc.acos, np.arccos),
    "logit": (tc.special.logit, scipy.special.logit),
    "erfinv": (tc.special.erfinv, scipy.special.erfinv),
    "ndtri": (tc.special.ndtri, scipy.special.ndtri),
    "entr": (tc.special.entr, scipy.special.entr),
    "gammaln": (tc.special.gammaln, lambda x: np.where(x > 0, scipy.special.gammaln(x), np.nan)),
    "digamma": (tc.special.digamma, lambda x: np.where(x > 0, scipy.special.digamma(x), np.nan)),
    "x ** 0.5": (lambda x: x**0.5, lambda x: x**0.5),
    "x ** 1.5": (lambda x: x**1.5, lambda x: x**1.5),
    "x ** -0.5": (lambda x: x**-0.5, lambda x: x**-0.5),
    "x ** -1": (lambda x: x**-1, lambda x: x**-1.0),
    "x ** -3": (lambda x: x**-3, lambda x: x**-3.0),
    "x ** -1.5": (lambda x: x**-1.5, lambda x: x**-1.5),
    "xlogy(x, x)": (lambda x: tc.special.xlogy(x, x), lambda x: scipy.special.xlogy(x, x)),
    "xlogy(x, 1)": (lambda x: tc.special.xlogy(x, 1 + 0 * x), lambda x: scipy.special.xlogy(x, 1 + 0 * x)),
    "xlogy(1, x)": (lambda x: tc.special.xlogy(1, x), lambda x: scipy.special.xlogy(1, x)),
    "xlog1py": (lambda x: tc.special.xlog1py(x, x), lambda x: scipy.special.xlog1py(x, x)),
    "rel_entr": (lambda x: tc.special.rel_entr(x, 2 - x), lambda x: scipy.special.rel_entr(x, 2 - x)),
    "kl_div": (lambda x: tc.special.kl_div(x, 2 - x), lambda x: scipy.special.kl_div(x, 2 - x)),
    "x // x": (lambda x: x // x, lambda x: x // x),
    "x % x": (lambda x: x % x, lambda x: x % x),
    "1 // x": (lambda x: 1 // x, lambda x: 1 // x),
    "x / |x|": (lambda x: x / abs(x), lambda x: x / np.abs(x)),
    "x / sqrt(x)": (lambda x: x / tc.sqrt(x), lambda x: x / np.sqrt(x)),
}


@pytest.mark.parametrize("name", OF_ONE)
def test_it_is_where_the_plain_function_is_finite(name: str) -> None:
    secret, public = OF_ONE[name]
    x = shared(POINTS)
    assert plain(tc.valid(secret(x))).tolist() == np.isfinite(public(POINTS)).tolist()


@pytest.mark.parametrize("name", OF_ONE)
def test_bounds_inside_the_domain_make_it_public_and_free(name: str) -> None:
    lo, hi = {"atanh": (-0.5, 0.5), "erfinv": (-0.5, 0.5), "acosh": (1, 2)}.get(name, (0.25, 0.75))
    secret, _ = OF_ONE[name]
    x = shared(np.linspace(lo, hi, 4), lo, hi)
    valid = tc.valid(secret(x))
    assert is_known(valid)
    assert valid.shape == (4,)


@pytest.mark.parametrize(
    "function",
    [
        *(tc.cbrt, tc.asinh, tc.atan, tc.tanh, tc.sin, tc.cos, tc.exp, tc.sinc, tc.special.log_ndtr, tc.special.erf),
        lambda x: tc.atan2(x, x),
        lambda x: tc.hypot(x, x),
        lambda x: tc.special.softmax(x),
        lambda x: tc.special.logsumexp(x),
        lambda x: x.std() + x.mean(),
        lambda x: tc.array.clip(x, 0, 1) ** 0,
        lambda x: np.polyval([1.0, 2, 3], x),
        lambda x: np.interp(x, [0, 1], [2, 3]),
        lambda x: tc.array.sort(x),
        lambda x: tc.array.median(x),
        lambda x: np.linalg.norm(x),
    ],
)
def test_what_is_defined_everywhere_is_valid_everywhere(function: Callable[[Any], Any]) -> None:
    assert is_known(tc.valid(function(shared(POINTS))))


def test_a_tangent_is_valid_up_to_half_its_bits() -> None:
    x = np.array([-1.5707, -1.56, 0, 1.0, 1.5, 1.5672, 1.5666, 1.5707, np.pi / 2, 3.2])
    valid = plain(tc.valid(tc.tan(shared(x))))
    assert valid.tolist() == (np.abs(np.tan(np.round(x * 2**16) / 2**16)) <= 256).tolist()
    assert is_known(tc.valid(tc.tan(shared([0.1, 1], -1.5, 1.5))))


def test_a_quotient_by_values_of_both_signs_and_by_a_norm() -> None:
    x = shared(POINTS)
    rows = x.device.share([[3.0, 4], [0, 0], [1, 0]], bounds=(-4, 4))
    unit = rows / tc.array.sum(rows * rows, axis=1, keepdims=True) ** 0.5
    assert plain(tc.valid(unit)).tolist() == [[True, True], [False, False], [True, True]]
    assert plain(tc.valid(x / (x - 1))).tolist() == (POINTS != 1).tolist()


def test_secret_exponents() -> None:
    bases, exponents = np.array([-2, -1, -0.5, 0, 0.5, 2])[:, None], np.array([-1.5, -1, 0, 0.5, 2])
    x = shared(np.broadcast_to(bases, (6, 5)), -2, 2)
    y = x.device.share(np.broadcast_to(exponents, (6, 5)), bounds=(-2, 2))
    # fractional exponents take bases from 0 on, whole as theirs may be; 0 ** 0 and x ** 0 are 1
    wanted = (bases > 0) | ((bases == 0) & (exponents >= 0)) | (exponents == 0)
    assert plain(tc.valid(x**y)).tolist() == wanted.tolist()
    whole = x.device.share(np.broadcast_to([-2, -1, 0, 1, 3], (6, 5)), bounds=(-3, 3))
    assert plain(tc.valid(x**whole)).tolist() == np.isfinite(bases ** np.array([-2.0, -1, 0, 1, 3])).tolist()
    assert is_known(tc.valid(abs(x) ** x.device.share(2, bounds=(0, 3))))


def test_correlations_of_what_does_not_vary() -> None:
    table = np.array([[1.0, 2, 3, 4], [1, 1, 1, 1], [2, 1, 4, 3]])
    found = np.corrcoef(shared(table))
    assert plain(tc.valid(found)).tolist() == np.isfinite(np.corrcoef(table)).tolist()
    assert is_known(tc.valid(np.cov(shared(table))))


# ---- how it moves ----

MOVED: list[Callable[[Any, Any], Any]] = [
    lambda xp, x: xp.log(x).reshape(4, 4),
    lambda xp, x: xp.log(x)[::-3],
    lambda xp, x: np.stack([xp.log(x), x])[:, 1:],
    lambda xp, x: xp.log(x.reshape(4, 4)).T + x[:4],
    lambda xp, x: xp.log(x)[[5, 9, 9]],
    lambda xp, x: np.concatenate([xp.log(x), x]),
    lambda xp, x: np.sum(xp.log(x.reshape(4, 4)), axis=1),
    lambda xp, x: np.mean(xp.log(x.reshape(4, 4)), axis=0),
    lambda xp, x: np.cumsum(xp.log(x[::-1])),
    lambda xp, x: xp.log(x.reshape(4, 4)) @ x.reshape(4, 4),
    lambda xp, x: x.reshape(4, 4) @ xp.log(x.reshape(4, 4)),
    lambda xp, x: xp.log(x.reshape(4, 4)) @ np.ones((4, 2)),
    lambda xp, x: np.ones((2, 4)) @ xp.log(x.reshape(4, 4)),
    lambda xp, x: np.max(xp.log(x.reshape(4, 4)), axis=1),
    lambda xp, x: xp.sqrt(x) * xp.log(x) - 1 / (x - 2),
    lambda xp, x: np.broadcast_to(1 / x, (2, 16)),
    lambda xp, x: np.where(x > 0.5, xp.log(x), 1 / (x + 1)),
    lambda xp, x: np.where(x > 0, xp.log(x), xp.log(-x)),
    lambda xp, x: np.where(x > 2, 0, xp.sqrt(x)),
    lambda xp, x: np.where(POINTS > 0, xp.log(x), 0),
    lambda xp, x: xp.sqrt(np.maximum(x, 0)),
    lambda xp, x: np.sqrt(xp.log(x) * 2),
]


@pytest.mark.parametrize("number", range(len(MOVED)))
def test_conditions_move_as_values_do(number: int) -> None:
    one = MOVED[number]
    found, wanted = tc.valid(one(tc, shared(POINTS))), one(np, POINTS)
    assert found.shape == wanted.shape
    nan_or_number = np.isfinite(wanted)
    if number == 13:  # NumPy's largest of -inf and a number is the number
        nan_or_number = ~np.any(~np.isfinite(np.log(POINTS.reshape(4, 4))), axis=1)
    assert plain(found).tolist() == nan_or_number.tolist()


def test_a_choice_by_the_domain_is_known_to_be_valid_at_no_cost() -> None:
    x = shared(POINTS)
    for y in (
        tc.where(x > 0, tc.log(x), 0),
        tc.where(x <= 0, 5, tc.log(x)),
        tc.where(x >= 0, tc.sqrt(x), -1),
        tc.where(x != 0, 1 / x, 0),
        tc.where(x == 0, 0, x // x),
        tc.where((x > 0) & (x < 1), tc.log(x), 0),
        (x > 0) * tc.log(x),
        (x > 0) & (tc.log(x) > 1),
        (x <= 0) | (tc.log(x) > 1),
        tc.where(x > 0, tc.log(x) > 1, False),
        tc.where(x >= 0, tc.sqrt(x) < 1, x < -1),
    ):
        assert is_known(tc.valid(y))


def test_the_comparison_of_the_domain_is_shared_with_the_function() -> None:
    x = shared(POINTS)
    y = tc.log(x)
    alone, both = (
        total_cost(compile_plan([Wanted(one.node, OutputKind.PERSIST) for one in some], LAN)).total_bytes
        for some in ((y,), (y, tc.valid(y)))
    )
    assert alone == both


def test_comparisons_with_what_means_nothing_mean_nothing() -> None:
    x = shared([-1.0, 0.5, 2])
    y = tc.log(x)
    for one in (y > 0, y == 1, ~(y > 0), (y > 0) ^ (x > 0), tc.where(y > 0, x, 1), abs(y), np.maximum(y, 0)):
        assert plain(tc.valid(one)).tolist() == [False, True, True]
    z = 1 / (x - 2)
    # where one decides alone the other does not matter; where both mean nothing, so does the result
    assert plain(tc.valid((y > -5) & (z > 5))).tolist() == [True, True, False]
    assert plain(tc.valid((y > 5) & (z > 5))).tolist() == [True, True, True]
    assert plain(tc.valid((y > -5) & (z > -5))).tolist() == [False, True, False]
    assert plain(tc.valid((y > -5) | (z > 5))).tolist() == [False, True, True]
    assert plain(tc.valid((y > -5) & (y > 5))).tolist() == [False, True, True]


def test_what_has_no_rule_makes_everything_depend_on_everything() -> None:
    x = shared([[2.0, 1, 3], [1, 0, 4]])
    places = x.device.share([0, 1, 1], bounds=(0, 1))
    for one in (tc.array.sort(tc.log(x)), tc.shuffle(tc.log(x)), tc.array.argsort(1 / x)):
        assert not plain(tc.valid(one)).any()
    assert not plain(tc.valid(tc.array.take(tc.log(x), places, axis=0))).all()
    assert plain(tc.valid(tc.array.sort(tc.log(x + 1)))).all()


OPERATIONS: dict[str, Callable[..., Any]] = {
    "log": lambda xp, a, b: xp.log(a),
    "sqrt": lambda xp, a, b: xp.sqrt(a),
    "asin": lambda xp, a, b: xp.asin(a) if xp is tc else np.arcsin(a),
    "over": lambda xp, a, b: a / b,
    "plus": lambda xp, a, b: a + b,
    "less": lambda xp, a, b: a - b,
    "times": lambda xp, a, b: a * b,
    "half": lambda xp, a, b: a / 2,
    "largest": lambda xp, a, b: np.maximum(a, b),
}
EDGES: dict[str, Callable[[Any, Any], Any]] = {
    "log": lambda a, b: a,
    "sqrt": lambda a, b: a,
    "asin": lambda a, b: np.abs(a) - 1,
    "over": lambda a, b: b,
}


def test_random_expressions() -> None:
    random, values = Random(5), np.arange(-12, 13) / 4
    ran = invalid = 0
    for seed in range(60):
        x = shared(values, -3, 3, seed=seed)
        pairs: list[tuple[Any, Any]] = [(x, values), (x + 1, values + 1), (abs(x), np.abs(values))]
        near = np.zeros(values.shape, bool)
        try:
            for _ in range(4):
                (a, plain_a), (b, plain_b) = random.choice(pairs[-2:]), random.choice(pairs)
                if random.random() < 0.25:
                    edge = random.choice([-1, 0, 1])
                    pairs.append((tc.where(x > edge, a, b), np.where(values > edge, plain_a, plain_b)))
                    continue
                name = random.choice(list(OPERATIONS))
                pairs.append((OPERATIONS[name](tc, a, b), OPERATIONS[name](np, plain_a, plain_b)))
                result = pairs[-1][1]
                pairs[-1] = pairs[-1][0], np.where(np.isfinite(result), result, np.nan)
                if name in EDGES:  # next to an edge, roundings decide
                    distance = np.abs(EDGES[name](plain_a, plain_b))
                    near |= (distance < 2.0**-8) & ~(np.isin(distance, 0) & (len(pairs) == 4))
            y, wanted = pairs[-1]
            found = plain(tc.valid(y))
        except PlanError:
            continue
        ran += 1
        there = np.isfinite(wanted)
        assert found[~near].tolist() == there[~near].tolist(), seed
        invalid += int((~there).any())
    assert ran >= 20
    assert invalid >= 10


# ---- loops ----


def test_loops_carry_it_along() -> None:
    values = np.array([-2.0, 0.5, 1, 2, 3])
    x = shared(values)

    def step(a: Any) -> Any:
        return tc.log(a) + x

    plain_value = values
    for _ in range(3):
        plain_value = np.log(plain_value) + values
    found = tc.valid(tc.loop(3, step, x, bounds=(-40, 40)))
    assert plain(found).tolist() == np.isfinite(plain_value).tolist()
    # from outside, and what one pass makes of it
    y = tc.log(x)
    assert plain(tc.valid(tc.loop(2, lambda a: a + y, x, bounds=(-400, 400)))).tolist() == (values > 0).tolist()
    first, second = tc.loop(2, lambda a, b: (b, a), y, x, bounds=[(-20, 20), (-20, 20)])
    assert plain(tc.valid(first)).tolist() == (values > 0).tolist()
    assert not is_known(tc.valid(second))
    assert is_known(tc.valid(tc.loop(2, lambda a: tc.where(a > 0, tc.log(a), 0) + x, x, bounds=(-40, 40))))
    assert is_known(tc.valid(tc.loop(2, lambda a: a + x, x, bounds=(-40, 40))))
    one, other = tc.loop(2, lambda a, b: (a + 1, b + y), x, x, bounds=[(-40, 40), (-90, 90)])
    assert is_known(tc.valid(one))
    assert plain(tc.valid(other)).tolist() == (values > 0).tolist()


# ---- reductions, missing values, kept results ----


@pytest.mark.parametrize("name", ["sum", "mean", "var", "std", "min", "max"])
def test_reductions_take_numpys_where(name: str) -> None:
    values = np.array([[-2.0, 0.5, 1], [2, 3, 0.25]])
    x = shared(values)
    y, plain_y = tc.log(x), np.log(values)
    valid, there = tc.valid(y), np.isfinite(plain_y)
    wanted = getattr(np, name)(plain_y[there])
    for found in (
        getattr(y, name)(where=valid),
        getattr(tc.array, name)(y, where=valid),
        getattr(np, name)(y, where=valid),
        getattr(y, name)(where=there),
        getattr(tc.masked_invalid(y), name)(),
    ):
        assert found.reveal() == pytest.approx(wanted, abs=2e-4)
        assert plain(tc.valid(found)).all()
    along = getattr(y, name)(axis=1, where=valid).reveal()
    rows = [getattr(np, name)(row[ok]) for row, ok in zip(plain_y, there, strict=True)]
    assert np.asarray(along) == pytest.approx(np.array(rows), abs=2e-4)
    assert getattr(y, name)(where=True).reveal() == pytest.approx(getattr(y, name)().reveal(), abs=1e-3)


def test_any_and_all_take_where_and_wrong_wheres_are_refused() -> None:
    x = shared([-1.0, 2, 3])
    y = tc.log(x)
    valid = tc.valid(y)
    assert (y < 0).any(where=valid).reveal() == np.False_
    assert np.all(y > 0, where=valid).reveal() == np.True_
    assert np.add.reduce(y, where=valid).reveal() == pytest.approx(np.log(6), abs=1e-3)
    with pytest.raises(TypeError, match="where takes bools; compare first"):
        y.sum(where=x)
    with pytest.raises(TypeError, match="where takes bools; compare first"):
        y.sum(where=[1, 0, 1])
    with pytest.raises(ValueError, match="do not choose among elements of shape"):
        y.sum(where=x.device.share([[True], [False]]))
    with pytest.raises(TypeError, match="dtype= or where=, not both"):
        tc.array.sum(y, where=valid, dtype=tc.array.float64)
    with pytest.raises(TypeError, match="are not offered here"):
        np.prod(y, where=valid)
    with pytest.raises(TypeError, match="are not offered here"):
        np.sum(y, where=valid, initial=3)


def test_a_reduction_of_none_is_missing() -> None:
    y = tc.log(shared([-1.0, 0]))
    masked = tc.masked_invalid(y)
    assert np.isnan(masked.mean().reveal())
    assert masked.sum().reveal() == 0
    assert masked.count().reveal() == 0
    assert plain(tc.valid(masked.mean())) == np.False_
    assert np.ma.is_masked(masked.reveal())


def test_what_is_ordered_without_what_is_invalid_is_valid() -> None:
    y = tc.masked_invalid(tc.log(shared([-1.0, 2, 0, 1])))
    found = tc.array.sort(y)
    assert found.reveal(checked=True)[:2].tolist() == pytest.approx([0, np.log(2)], abs=1e-4)
    assert found.reveal().mask.tolist() == [False, False, True, True]
    assert plain(tc.valid(found)).all()
    for one, wanted in ((tc.array.median(y), np.log(2) / 2), (y.max(), np.log(2)), (tc.array.argmin(y), 3)):
        assert one.reveal(checked=True) == pytest.approx(wanted, abs=1e-4)
        assert plain(tc.valid(one)).all()


def test_a_missing_value_is_not_an_invalid_one() -> None:
    session = session_of()
    x = session.share([-1.0, 0, 4, 2], bounds=(-4, 4))
    there = session.share([True, False, False, True])
    nullable = NullableArray.of_values(1 / x, there)
    assert plain(tc.valid(nullable)).tolist() == [True, True, True, True]
    assert plain(tc.valid(nullable.fillna(tc.log(x)))).tolist() == [True, False, True, True]
    both = tc.masked_invalid(NullableArray.of_values(tc.log(x), there))
    assert both.reveal().mask.tolist() == [True, True, True, False]
    assert both.sum().reveal() == pytest.approx(np.log(2), abs=1e-4)
    assert is_known(tc.valid(tc.masked_invalid(tc.log(x))))
    assert is_known(tc.valid(x))
    assert tc.masked_invalid(x) is x


def test_public_arrays_give_what_numpy_gives() -> None:
    values = np.array([1.0, np.nan, np.inf])
    assert tc.valid(values).tolist() == [True, False, False]
    assert tc.valid(np.array([1, 2])).tolist() == [True, True]
    assert tc.masked_invalid(values).mask.tolist() == [False, True, True]
    for function in (tc.valid, tc.masked_invalid):
        with pytest.raises(TypeError, match="takes an array"):
            function("x")


def test_kept_arrays_ask_for_it_to_be_kept() -> None:
    x = shared([-1.0, 2])
    y = tc.log(x)
    kept = y.persist()
    with pytest.raises(PlanError, match="was not kept with it"):
        tc.valid(kept + 1)
    assert kept.reveal()[1] == pytest.approx(np.log(2), abs=1e-4)
    _, valid = tc.persist(y, tc.valid(y))
    assert valid.reveal().tolist() == [False, True]
    assert is_known(tc.valid(tc.where(x > 0, y, 0).persist()))
    assert is_known(tc.valid(x.persist()))
    assert tc.masked_invalid(y).persist().reveal().mask.tolist() == [True, False]
    assert is_known(tc.valid(tc.persist(tc.log(x + 2), checked=True)[0]))
    with pytest.raises(PlanError, match="was not kept with it"):
        tc.valid((kept * 1).persist())


def test_both_are_revealed_in_one_plan() -> None:
    x = shared([-1.0, 2])
    values, valid = tc.reveal(tc.log(x), tc.valid(tc.log(x)))
    assert valid.tolist() == [False, True]
    assert len(x.device.plans) == 1
    values, valid = tc.reveal(x, tc.valid(x))
    assert values.tolist() == [-1, 2]
    assert valid.tolist() == [True, True]


# ---- checked runs ----


def test_a_checked_run_names_the_function() -> None:
    x = shared([-1.0, 2])
    for y, said in (
        (tc.log(x), "logarithms take numbers above 0"),
        (tc.sqrt(x).sum(), "square roots take numbers from 0 on"),
        (1 / (x - 2), "a quotient takes divisors other than 0"),
        (x % (x - 2), "whole quotients and remainders take divisors other than 0"),
        (tc.asin(x), "asin and acos take numbers from -1 to 1"),
        (tc.acosh(x), "acosh takes numbers from 1 on"),
        (x**1.5, "fractional powers take numbers from 0 on"),
        (tc.special.entr(x), "entropies take numbers from 0 on"),
        (tc.special.gammaln(x), "gammaln and digamma take numbers above 0"),
        (tc.special.ndtri(x), "erfinv takes numbers between -1 and 1, ndtri between 0 and 1"),
        (tc.rsqrt(x), "inverse roots take numbers above 0"),
        (tc.tan(x * (np.pi / 4)), "tan means something up to"),
        (tc.loop(2, lambda a: tc.log(a) + x, x, bounds=(-40, 40)), "logarithms take numbers above 0"),
    ):
        with pytest.raises(InputError, match=f"has elements that mean nothing: {said}"):
            y.reveal(checked=True)
        y.reveal()


def test_a_checked_run_opens_one_bit_for_each_kind_of_function_and_no_more() -> None:
    x = shared([0.5, 2.0, 1])
    y, z = tc.log(x) + tc.log(x - 0.25) + 1 / x, tc.where(x > 5, 1 / (x - 5), 0)
    found = tc.reveal(y, z, checked=True)
    assert found[0] == pytest.approx(np.log([0.5, 2, 1]) + np.log([0.25, 1.75, 0.75]) + [2, 0.5, 1], abs=1e-3)
    plan = x.device.plans[-1]
    shapes = [plan.type_of(output.value) for output in plan.outputs]
    assert [one.shape for one in shapes] == [(3,), (3,), (), ()]
    assert [one.is_bool for one in shapes] == [False, False, True, True]
    # what is chosen or missing is not complained of
    assert tc.reveal(tc.where(x > 1, tc.log(x - 1), 0), checked=True) == pytest.approx([0, 0, 0], abs=1e-3)
    assert tc.masked_invalid(tc.log(x - 1)).reveal(checked=True).mask.tolist() == [True, False, True]
    assert len(x.device.plans[-1].outputs) == 2
    unchecked = tc.explain(tc.log(x))
    assert len(unchecked.plan.outputs) == 1
