"""Odd arguments end in results, or in errors that are ours or the standard's, with words: in no foreign exception."""

from __future__ import annotations

import operator
import random
import warnings
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import tercet.array as tc
from plan_trio import TrioSession
from tercet.array.core import SecretArray
from tercet.errors import PlanError, TercetError

EXPECTED = (TercetError, TypeError, ValueError, IndexError, ZeroDivisionError, OverflowError)
"""The last is NumPy's own, of public arrays and a keepdims beyond its integers."""
CALLS = 2_500
NUMBERS: list[Any] = [
    *(0, 1, -1, 2, 5, -3, 2**62, 2**63, -(2**63), 2**200, 1e308, -1e308, 1e-300, 5e-324, 0.1, -0.0, 2.0, 3.5, True),
    *(np.float32(0.1), np.int8(-3), np.uint64(2**63 + 1), np.float64(1e300), np.bool_(True), np.array(3)),
    *(np.array([1, 2, 3]), np.array([1.5, -2, 1e30]), np.array([1e308, 0, -1]), np.array([True, False, True])),
    *(np.zeros(0), np.zeros((0, 3)), np.ones((3, 1)), np.ones((2, 3)), np.zeros((1, 3, 0)), [1, 2], [1, 2, 3]),
    *((1.0, 2.0, 3.0), [[1], [2, 3]], np.array([2**70, 1, 2], dtype=object), np.array([1, 2, 3], dtype=np.uint8)),
    *(np.array([1.0], dtype=np.longdouble), np.array([2**64 - 1], dtype=np.uint64), (0, 1), (), [0], np.int64(1)),
]
ODD: list[Any] = [
    *("x", b"x", None, 1j, np.nan, np.inf, Fraction(1, 3), Decimal("1.5"), np.array(["a"]), slice(None), {}, set()),
    *(np.array([1, None], dtype=object), np.datetime64("2020-01-01"), object(), float, np.ones(3, np.complex128)),
]
_NAMES = """
add subtract multiply divide power floor_divide remainder maximum minimum where clip sum mean var std cumsum diff
reshape transpose take dot inner outer tensordot vstack hstack column_stack concatenate stack tile repeat roll flip
expand_dims squeeze round argmax argmin prod any all count_nonzero full_like swapaxes moveaxis broadcast_to tril triu
matmul vecdot size
"""
OPERATORS = "add sub mul truediv floordiv mod pow matmul lt le gt ge eq ne and_ or_ xor neg pos abs invert getitem"
METHODS = "sum mean var std min max any all reshape astype to_device persist"
_KEYS = "axis dtype keepdims correction k device copy min max shape n prepend append include_initial axes"
JOINS = ("concat", "stack", "concatenate", "vstack", "hstack", "column_stack")


def secrets(session: TrioSession) -> list[SecretArray]:
    large, whole = 2**20, 2**31 - 1
    share = session.share
    return [
        share([1.0, 2.0, 3.0], bounds=(-large, large)),
        share([1, 2, 3], bounds=(-whole, whole)),
        share([True, False, True]),
        share([[1.0, 2, 3], [4, 5, 6]], bounds=(-10, 10)),
        share(3, bounds=(0, 10)),
        share([0, 0, 0], bounds=(0, 0)),
        share(np.zeros((0, 3)), bounds=(-1, 1)),
        share(np.zeros(0, int), bounds=(-1, 1)),
        share(np.zeros((2, 0), bool)),
        share([1.0, 2.0, 3.0], bounds=(-(2**60), 2**60), frac_bits=40),
        share([5.0, -5, 1], bounds=(-large, large), frac_bits=2),
        share([1, 2, 3], bounds=(-(2**62), 2**62)),
        share([1, 2, 3], bounds=(-(2**120), 2**120)),
        share(np.ones((2, 3, 4), int), bounds=(0, 1)),
        share(np.ones((3, 3)), bounds=(1, 2)),
        share([0.5, 0.25, 0.125], bounds=(0, 1), frac_bits=100),
    ]


def functions() -> list[tuple[str, Callable[..., Any]]]:
    skipped = {"DType", "SecretArray", "explain", "loop", "persist", "reveal", "zeros", "ones", "full", "empty", "eye"}
    skipped |= {"arange", "linspace", "__array_namespace_info__"}
    found = [(name, getattr(tc, name)) for name in tc.__all__ if callable(getattr(tc, name)) and name not in skipped]
    found += [(name, getattr(operator, name)) for name in OPERATORS.split()] * 2
    found += [(name, getattr(np, name)) for name in _NAMES.split()]
    return found + [(f".{name}", operator.methodcaller) for name in METHODS.split()]


def drawn(rng: random.Random, arrays: list[SecretArray]) -> Any:
    if rng.random() < 0.45:
        return rng.choice(NUMBERS if rng.random() < 0.85 else ODD)
    x = rng.choice(arrays)
    changes: list[Callable[[], Any]] = [lambda: x * x, lambda: x / 3, lambda: x / -7e9, lambda: x > 1, lambda: -x]
    changes += [lambda: x.mean(), lambda: x * rng.choice(arrays)]
    if rng.random() < 0.4:
        try:
            return rng.choice(changes)()
        except EXPECTED:
            return x
    return x


@pytest.mark.parametrize("seed", range(4))
def test_odd_arguments(seed: int) -> None:
    rng, session = random.Random(seed), TrioSession()
    session.check = False
    arrays, offered = secrets(session), functions()
    faults: list[str] = []
    done = 0
    for _ in range(CALLS):
        name, function = rng.choice(offered)
        args = [drawn(rng, arrays) for _ in range({"where": 3, "clip": 3}.get(name, rng.choice([1, 2, 2])))]
        if not any(isinstance(value, SecretArray) for value in args) or name.startswith("."):
            args[0] = rng.choice(arrays)
        options = {rng.choice(_KEYS.split()): rng.choice(NUMBERS + ODD)} if rng.random() < 0.15 else {}
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", RuntimeWarning)
                warnings.simplefilter("ignore", DeprecationWarning)
                if name.startswith("."):
                    result = getattr(args[0], name[1:])(*args[1:], **options)
                else:
                    result = function(*([list(args)] if name in JOINS else args), **options)
                if isinstance(result, SecretArray):
                    assert repr(result) and result.bounds
                    if result.size < 50 and rng.random() < 0.5:
                        result.reveal()
            done += 1
        except EXPECTED as error:
            if not str(error):
                faults.append(f"{name}{args}{options}: {type(error).__name__} without words")
        except Exception as error:
            faults.append(f"{name}{args}{options}: {error!r}")
    assert not faults, "\n".join(faults[:10])
    assert done > CALLS // 8


def test_choices_that_went_wrong() -> None:
    session = TrioSession()
    x = session.share([1.5, 2.0], bounds=(-(2**20), 2**20))
    y = session.share([3.0, -4.0], bounds=(-(2**20), 2**20))
    chosen = session.share([True, False])
    assert tc.where(chosen, 0, x * y).reveal().tolist() == [0, -8]
    assert tc.where(chosen, x * y, 0).reveal().tolist() == [4.5, 0]
    assert tc.where(chosen, x * y, x).reveal().tolist() == [4.5, 2]
    assert tc.where(chosen, x * y, 0.25).reveal().tolist() == [4.5, 0.25]
    assert np.outer(x, [1, 2]).reveal().tolist() == [[1.5, 3], [2, 4]]
    assert np.outer([1, 2], x).reveal().tolist() == [[1.5, 2], [3, 4]]


def test_a_divisor_of_zero_by_its_bounds() -> None:
    session = TrioSession()
    x, nothing = session.share([1.0, 2.0], bounds=(0, 4)), session.share([0, 0], bounds=(0, 0))
    for call in (lambda: x / nothing, lambda: 1 / nothing, lambda: nothing / (nothing * x)):
        with pytest.raises(PlanError, match="the divisor is 0 everywhere"):
            call()


def test_differences_taken_more_often_than_there_are_elements() -> None:
    x = TrioSession().share([1, 2, 4], bounds=(0, 9))
    assert np.diff(x, n=2**62).shape == tc.diff(x, n=3).shape == (0,)
    assert np.diff(x, n=2).reveal().tolist() == [1]


@pytest.mark.parametrize(
    "odd",
    [Fraction(1, 2), Decimal("0.5"), 0.5j, "a", b"a", object(), {}, {1}, slice(None)],
    ids=lambda odd: type(odd).__name__,
)
def test_equality_with_what_is_no_number_is_refused_and_not_answered_in_public(odd: Any) -> None:
    session = TrioSession()
    for x in (session.share([1, 2, 3]), session.share([0.5, 1.0]), session.share([True]), session.share([1, 2]) / 3):
        for compare in (operator.eq, operator.ne):
            for sides in ((x, odd), (odd, x)):
                with pytest.raises(TypeError, match="a secret array"):
                    compare(*sides)


@pytest.mark.parametrize("number", [Fraction(1, 2), Decimal("0.5")])
@pytest.mark.parametrize("name", ["add", "sub", "mul", "truediv", "floordiv", "mod", "lt", "ge"])
def test_numbers_of_other_kinds_are_refused_with_the_way_that_leads_on(name: str, number: Any) -> None:
    x = TrioSession().share([0.5, 1.0])
    with pytest.raises(TypeError, match=r"float\(\)"):
        getattr(operator, name)(x, number)


def test_shapes_that_do_not_go_together_are_named() -> None:
    session = TrioSession()
    flags, more, x = session.share([True, False]), session.share([True, False, True]), session.share([1, 2, 3])
    calls: list[Callable[[], Any]] = [
        *(lambda: flags == more, lambda: flags & more, lambda: flags != np.array([True] * 3)),
        *(lambda: tc.where(flags, x, 1), lambda: tc.where(np.array([True, False]), x, x), lambda: x == np.arange(4)),
        *(lambda: x < np.arange(2), lambda: tc.where(flags, more, more), lambda: tc.broadcast_arrays(x, flags)),
    ]
    for call in calls:
        with pytest.raises(PlanError, match="do not broadcast"):
            call()


def masked(*values: Any) -> Any:
    """The second of them is masked."""
    return np.ma.MaskedArray(values, mask=[at == 1 for at in range(len(values))])


MASKED: dict[str, Callable[[Any], Any]] = {
    "isin": lambda x: np.isin(x, masked(1, 2)),
    "isin of public": lambda x: np.isin(masked(1, 2), x),
    "digitize": lambda x: np.digitize(x, masked(0, 1)),
    "searchsorted": lambda x: np.searchsorted(masked(0, 1), x),
    "searchsorted of public": lambda x: np.searchsorted(x, masked(0, 1)),
    "sorter": lambda x: np.searchsorted(x, 1, sorter=masked(0, 1, 2, 3)),
    "edges": lambda x: np.histogram(x, bins=masked(0, 1, 2)),
    "weights of a histogram": lambda x: np.histogram(x, bins=2, range=(0, 4), weights=masked(1, 2, 3, 4)),
    "weights of bincount": lambda x: np.bincount(x, weights=masked(1, 2, 3, 4)),
    "quantile": lambda x: np.quantile(x, masked(0.5, 0.2)),
    "percentile": lambda x: np.percentile(x, masked(50, 20)),
    "lookup": lambda x: tc.lookup(masked(1, 2, 3, 4), x),
    "take": lambda x: tc.take(x, masked(0, 1), axis=0),
    "take_along_axis": lambda x: tc.take_along_axis(x, masked(0, 1), axis=0),
    "indices": lambda x: x[masked(0, 1)],
    "bools as indices": lambda x: x[masked(True, True, False, True)],
    "repeat": lambda x: tc.repeat(x, masked(1, 2, 3, 4)),
    "tensordot": lambda x: tc.tensordot(x, masked(1, 2, 3, 4), axes=1),
    "outer": lambda x: tc.outer(x, masked(1, 2, 3, 4)),
    "where": lambda x: tc.where(masked(True, False, True, False), x, 0),
}


@pytest.mark.parametrize("name", MASKED)
def test_masked_arguments_are_refused_everywhere(name: str) -> None:
    x = TrioSession().share([3, 1, 1, 0], bounds=(0, 3))
    with pytest.raises(PlanError, match="masked"):
        MASKED[name](x)


def test_a_negative_length_of_bincount_is_refused() -> None:
    with pytest.raises(ValueError, match="minlength"):
        np.bincount(TrioSession().share([1], bounds=(0, 3)), minlength=-1)


def test_lists_stand_beside_secret_rows_and_columns() -> None:
    x = TrioSession(parties=True).share([1, 2])
    assert np.vstack([x, [3, 4]]).reveal().tolist() == [[1, 2], [3, 4]]
    assert np.column_stack([x, [3, 4]]).reveal().tolist() == [[1, 3], [2, 4]]


@pytest.mark.parametrize("decimals", [2, -2, 2**200, -(2**200), np.int64(2**62)])
def test_rounding_to_decimals_says_how_and_takes_no_time(decimals: int) -> None:
    x = TrioSession().share([1.25, 2.5])
    with pytest.raises(TypeError, match=rf"10\*\*{abs(int(decimals))}"):
        np.round(x, decimals)
