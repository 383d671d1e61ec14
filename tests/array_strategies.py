"""Arrays and calls for the array tests: drawn by hypothesis, run on secret arrays and on array-api-strict."""

from __future__ import annotations

from typing import Any

import array_api_strict as strict
import numpy as np
from hypothesis import strategies as st

import tercet.array as tc
from plan_trio import TrioSession

BOUND = 1000
FRAC_STEPS = 256
"""Drawn fixed-point values are multiples of 1/256, so that they and products of two have 16 fractional bits."""

shapes = st.lists(st.integers(1, 4), max_size=3).map(tuple)
empty_shapes = st.lists(st.integers(0, 3), min_size=1, max_size=3).map(tuple)


def arrays(kind: str, shape: Any = shapes) -> Any:
    """Bool, int or fixed arrays of a drawn shape."""

    def of(shape: tuple[int, ...]) -> Any:
        size = int(np.prod(shape))
        if kind == "bool":
            flat = st.lists(st.booleans(), min_size=size, max_size=size)
            return flat.map(lambda values: np.array(values, dtype=bool).reshape(shape))
        top = BOUND if kind == "int" else BOUND * FRAC_STEPS
        some = st.integers(-top, top) | st.sampled_from([0, 1, -1, top, -top, FRAC_STEPS // 2, -FRAC_STEPS // 2])
        flat = st.lists(some, min_size=size, max_size=size)
        if kind == "int":
            return flat.map(lambda values: np.array(values, dtype=np.int64).reshape(shape))
        return flat.map(lambda values: (np.array(values, dtype=np.float64) / FRAC_STEPS).reshape(shape))

    return (shape if isinstance(shape, st.SearchStrategy) else st.just(shape)).flatmap(of)


def numeric(shape: Any = shapes) -> Any:
    return arrays("int", shape) | arrays("fixed", shape)


def any_kind(shape: Any = shapes) -> Any:
    return arrays("bool", shape) | numeric(shape)


@st.composite
def broadcastable(draw: Any, kinds: tuple[str, ...] = ("int", "fixed")) -> tuple[Any, Any]:
    """Two arrays whose shapes broadcast."""
    shape = draw(shapes)
    second = tuple(draw(st.sampled_from([length, 1])) for length in shape)[draw(st.integers(0, len(shape))) :]
    one, two = draw(st.sampled_from(kinds)), draw(st.sampled_from(kinds))
    pair = draw(arrays(one, shape)), draw(arrays(two, second))
    return pair if draw(st.booleans()) else (pair[1], pair[0])


def share(session: TrioSession, value: Any) -> Any:
    if value.dtype == bool:
        return session.share(value)
    if value.dtype.kind == "i":
        return session.share(value, bounds=(-BOUND, BOUND))
    return session.share(value, bounds=(-BOUND, BOUND), frac_bits=16)


def to_strict(value: Any) -> Any:
    return strict.asarray(value)


def from_strict(value: Any) -> Any:
    return np.asarray(value._array) if hasattr(value, "_array") else np.asarray(value)


def check(result: Any, expected: Any, *, error: float = 0.0) -> None:
    """A revealed array against the strict one's: shape, kind and values."""
    compare(result.reveal(), expected, error=error)


def check_all(pairs: list[tuple[Any, Any]], *, error: float = 0.0) -> None:
    """Several of them, revealed by one job, in which what they have in common is computed once."""
    for plain, (_, expected) in zip(tc.reveal(*(result for result, _ in pairs)), pairs, strict=True):
        compare(plain, expected, error=error)


def compare(plain: Any, expected: Any, *, error: float = 0.0) -> None:
    """Plain arrays: shape, kind and values."""
    expected = from_strict(expected)
    assert plain.shape == expected.shape, (plain.shape, expected.shape)
    kinds = {"b": "b", "i": "i", "u": "i", "O": "i", "f": "f"}
    assert kinds[plain.dtype.kind] == kinds[expected.dtype.kind], (plain.dtype, expected.dtype)
    if error:
        assert np.all(np.abs(plain - expected) <= error), (plain, expected)
    else:
        assert np.array_equal(plain, expected), (plain, expected)
