"""The namespace beside the standard's: whole signatures, kinds of results, edges, NumPy integers, closure."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import array_api_strict as strict
import numpy as np
import pytest

import tercet.array as tc
from array_strategies import check
from plan_trio import TrioSession
from tercet.errors import PlanError

OURS_ONLY = {"assume", "explain", "fixed", "interp", "lookup", "loop", "outer", "persist", "reveal", "rsqrt", "sort_by"}
OURS_ONLY |= {
    "argpartition",
    "bincount",
    "digitize",
    "exp2",
    "histogram",
    "histogram2d",
    "lexsort",
    "median",
    "partition",
}
OURS_ONLY |= {"convolve", "corrcoef", "cov", "ptp"}
OURS_ONLY |= {"compact", "percentile", "piecewise_polynomial", "polyval", "quantile", "top_k"}
OURS_ONLY |= {f"segment_{what}" for what in ("count", "max", "mean", "min", "rank", "sum")}
OURS_ONLY |= {"divmod", "put", "shuffle"}
OURS_ONLY |= {"float_power"}
"""Functions of ours, and of NumPy, that the standard does not have in its main namespace."""
OURS_ONLY |= {"cbrt", "logaddexp2", "sinc"}
OURS_ONLY |= {"masked_invalid", "valid"}


PADDED = {"unique_counts", "unique_values"}
"""Functions whose results have a public length here."""
CHOSEN = {"all", "any", "max", "mean", "min", "std", "sum", "var"}
"""Reductions that take NumPy's `where`."""


@pytest.fixture
def session() -> TrioSession:
    return TrioSession()


def signature(function: Any) -> list[tuple[str, Any, Any]]:
    """Names, kinds and defaults; another sentinel for "not given" is the same default."""
    found = []
    for one in inspect.signature(function).parameters.values():
        default = None if "Undef" in type(one.default).__name__ else one.default
        found.append((one.name, one.kind, default))
    return found


@pytest.mark.parametrize("name", [name for name in tc.__all__ if inspect.isfunction(getattr(tc, name))])
def test_signatures_are_the_standard_s(name: str) -> None:
    """Every parameter, its kind (positional only, keyword only) and its default."""
    if name in OURS_ONLY or name == "__array_namespace_info__":
        return
    ours, theirs = signature(getattr(tc, name)), signature(getattr(strict, name))
    if name == "expand_dims":  # with the default of the standard's text, which array-api-strict leaves out
        assert ours[0] == theirs[0] and ours[1][:2] == theirs[1][:2] and ours[1][2] == 0
        return
    if name in PADDED:
        assert ours.pop() == ("size", inspect.Parameter.KEYWORD_ONLY, None)
    if name in CHOSEN:
        assert ours.pop() == ("where", inspect.Parameter.KEYWORD_ONLY, True)
    assert ours == theirs


def test_joining_public_arrays_without_elements(session: TrioSession) -> None:
    x = session.share(np.zeros((1, 3, 0), dtype=np.int64), bounds=(-1, 1))
    assert tc.concat([x, np.zeros((1, 3, 0), dtype=np.int64)]).shape == (2, 3, 0)
    assert tc.stack([x, np.zeros((1, 3, 0), dtype=np.int64)]).shape == (2, 1, 3, 0)
    three = session.share([1, 2, 3], bounds=(0, 5))
    joined = tc.concat([three, np.zeros(0)])
    assert joined.dtype == tc.float64
    check(joined, np.array([1.0, 2.0, 3.0]))
    rows = session.share(np.ones((2, 5), dtype=np.int64), bounds=(0, 1))
    assert tc.concat([rows, np.zeros((0, 5), dtype=np.int64)]).shape == (2, 5)
    for call in (lambda: tc.concat([three, np.zeros((0, 5))]), lambda: tc.concat([rows, np.zeros((0, 4))])):
        with pytest.raises(ValueError, match="arrays"):
            call()


def test_full_like_takes_the_type_that_is_asked_for(session: TrioSession) -> None:
    flags = session.share([True, False])
    check(tc.full_like(flags, 7, dtype=tc.int64), np.array([7, 7]))
    check(tc.full_like(flags, 0.5, dtype=tc.float64), np.array([0.5, 0.5]))
    check(tc.full_like(session.share([1, 2]), True, dtype=tc.bool), np.array([True, True]))
    check(tc.full_like(session.share(np.zeros((0, 2))), 3, dtype=tc.int64), np.zeros((0, 2), dtype=np.int64))
    with pytest.raises(TypeError, match="secret one"):
        tc.full_like(flags, session.share(3))


def test_edges(session: TrioSession) -> None:
    x = session.share([1, 2, 3], bounds=(0, 5))
    assert tc.expand_dims(x, 0).shape == tc.expand_dims(x).shape == (1, 3)
    assert tc.expand_dims(x, axis=1).shape == (3, 1)
    found = tc.broadcast_arrays(x, np.zeros((2, 1)))
    assert isinstance(found, list) and [one.shape for one in found] == [(2, 3), (2, 3)]
    check(tc.prod(session.share(np.zeros((0, 2), dtype=np.int64))), np.int64(1))
    check(tc.prod(session.share(np.zeros((0, 2))), axis=0), np.ones(2))
    check(tc.prod(session.share(np.zeros((2, 0))) / 3, axis=1), np.ones(2))
    flags = session.share(np.ones((3, 3), dtype=bool))
    check(tc.tril(flags), np.tril(np.ones((3, 3), dtype=bool)))
    check(tc.triu(flags, k=1), np.triu(np.ones((3, 3), dtype=bool), 1))
    check(tc.tril(flags, k=-(1 << 80)), np.zeros((3, 3), dtype=bool))
    with pytest.raises(ValueError, match="dimensions"):
        tc.tril(x)


def test_numpy_integers_are_integers(session: TrioSession) -> None:
    n = np.int64
    x = session.share([[1, 2, 3], [4, 5, 6]], bounds=(0, 9))
    for call in (
        lambda xp, a: xp.argmax(a, axis=n(0)),
        lambda xp, a: xp.reshape(a, n(6) if xp is tc else (6,)),
        lambda xp, a: xp.reshape(a, (n(3), n(-1))),
        lambda xp, a: xp.expand_dims(a, axis=n(1)),
        lambda xp, a: xp.sum(a, axis=n(1)),
        lambda xp, a: xp.roll(a, n(1) if xp is tc else 1, axis=n(0)),
        lambda xp, a: xp.tile(a, (n(2), n(1))),
        lambda xp, a: xp.broadcast_to(a, (n(2), n(2), n(3))),
        lambda xp, a: xp.concat([a, a], axis=n(1)),
        lambda xp, a: xp.stack([a, a], axis=n(2)),
        lambda xp, a: xp.tensordot(a, a, axes=n(2)),
        lambda xp, a: xp.vecdot(a, a, axis=n(-1)),
        lambda xp, a: xp.cumulative_sum(a, axis=n(1)),
        lambda xp, a: xp.flip(a, axis=n(0)),
        lambda xp, a: xp.tril(a, k=n(-1)),
        lambda xp, a: a[n(1), ...],
        lambda xp, a: a ** (n(2) if xp is tc else 2),
    ):
        check(call(tc, x), call(strict, strict.asarray(np.arange(1, 7).reshape(2, 3))))


def test_whole_powers(session: TrioSession) -> None:
    check(session.share([1, -2], bounds=(-5, 5)) ** 2.0, np.array([1.0, 4.0]))
    check(session.share([1.5, -2.0], bounds=(-5, 5)) ** np.float64(3.0), np.array([3.375, -8.0]))
    for exponent in (1 << 70, np.array([1, 2])):
        with pytest.raises(PlanError, match="one public number"):
            session.share([1.5], bounds=(0, 2)) ** exponent


def test_indices_are_integers(session: TrioSession) -> None:
    x = session.share([1, 2, 3], bounds=(0, 5))
    for indices in ([0.0], np.array([1.5]), [True, False, True]):
        with pytest.raises(IndexError, match="integers"):
            tc.take(x, indices)
        with pytest.raises(IndexError, match="integers"):
            tc.take_along_axis(x, indices)
    assert tc.take(x, []).shape == (0,)


def test_the_namespace_is_closed_over_what_it_gives_out(session: TrioSession) -> None:
    xp: Any = session.share([1.5], bounds=(0, 2)).__array_namespace__()
    x = session.share([1.5, 2.5], bounds=(0, 4))
    assert xp.all(xp.isfinite(x)) and not xp.any(xp.isnan(x))
    assert np.array_equal(xp.reshape(xp.arange(6), (2, 3)), [[0, 1, 2], [3, 4, 5]])
    assert xp.sum(xp.ones(3)) == 3
    assert xp.where(xp.isinf(x), 0, 1).tolist() == [1, 1]
    assert xp.mean(x.reveal()) == 2
    assert xp.astype(xp.ones(2), xp.int64).dtype == np.int64
    assert xp.zeros_like(xp.ones(2), dtype=xp.bool).dtype == np.bool_
    assert isinstance(xp.broadcast_arrays(np.ones(2), np.ones((2, 1))), list)
    assert isinstance(xp.concat([xp.zeros(2), xp.ones(2)]), np.ndarray)
    assert xp.stack([xp.zeros(2), x]).shape == (2, 2)
    assert np.array_equal(xp.bitwise_and(np.array([6]), np.array([3])), [2])
    with pytest.raises(TypeError, match="first"):
        xp.sum(3)


def test_every_function_takes_public_arrays() -> None:
    """Each function that offers itself takes public arrays, as NumPy does."""
    public = {name for name in tc.__all__ if hasattr(getattr(tc, name), "__wrapped__")}
    others = {name for name in tc.__all__ if inspect.isfunction(getattr(tc, name))} - public
    assert others == {
        *(
            "__array_namespace_info__",
            "arange",
            "asarray",
            "assume",
            "broadcast_arrays",
            "broadcast_shapes",
            "can_cast",
            "empty",
            "explain",
        ),
        *("eye", "fixed", "full", "isdtype", "linspace", "lookup", "loop", "ones", "persist", "result_type"),
        *("reveal", "shuffle", "sort_by", "zeros"),
    }


def test_namespace_info() -> None:
    info = tc.__array_namespace_info__()
    assert info.capabilities() == {"boolean indexing": True, "data-dependent shapes": False, "max dimensions": 32}
    assert info.default_device() in info.devices()
    assert info.default_dtypes() == {"real floating": tc.float64, "integral": tc.int64, "indexing": tc.int64}
    assert info.dtypes(kind="bool") == {"bool": tc.bool}
    assert set(info.dtypes()) == {"bool", "int64", "float64"}
    assert info.dtypes(kind="complex floating") == {}


def test_devices(session: TrioSession) -> None:
    x = session.share([1, 2], bounds=(0, 5))
    assert tc.zeros_like(x, device=x.device).shape == (2,)
    assert tc.astype(x, tc.float64, device=session).dtype == tc.float64
    assert tc.zeros(2, device="cpu").shape == tc.ones(2, device=session).shape == (2,)
    calls: list[Callable[[], Any]] = [
        lambda: tc.zeros_like(x, device="nonsense"),
        lambda: tc.full_like(x, 1, device=TrioSession()),
        lambda: tc.astype(x, tc.float64, device="cpu"),
        lambda: tc.asarray(x, device="gpu"),
        lambda: tc.zeros(3, device="nonsense"),
        lambda: tc.arange(3, device=0),
        lambda: tc.eye(3, device=object()),
        lambda: tc.__array_namespace_info__().dtypes(device="gpu"),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="device"):
            call()


def test_numbers_beyond_every_ring_are_refused(session: TrioSession) -> None:
    x = session.share([1, 2, 3], bounds=(0, 5))
    for call in (
        lambda: x + 1e308,
        lambda: x * -1e308,
        lambda: tc.concat([x, [1e308]]),
        lambda: tc.full_like(x, 2**200),
    ):
        with pytest.raises(PlanError):
            call()
    with pytest.raises(PlanError, match="float64"):
        x / 5e-324


def test_kinds_of_results_of_no_dimensions(session: TrioSession) -> None:
    x = session.share([1, 2, 3], bounds=(0, 5))
    assert type(tc.sum(x).reveal()) is np.int64
    assert type(tc.mean(x).reveal()) is np.float64
    assert type(tc.any(x > 1).reveal()) is np.bool_
    assert type(x[0].reveal()) is np.int64


def test_a_secret_argument_of_a_public_array_is_refused_in_its_own_words(session: TrioSession) -> None:
    with pytest.raises(TypeError, match="public array takes public arguments"):
        tc.repeat(np.arange(3), session.share(2))
