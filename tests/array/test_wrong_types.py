"""Arguments of a wrong type are refused in the function's words, not in those of Python's internals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tercet as top
import tercet.array as tc
from plan_trio import TrioSession
from tercet.errors import TercetError

WORDS = [
    *("cannot be interpreted", "not iterable", "not callable", "not subscriptable", "has no attribute", "unhashable"),
    *("unsupported operand", "int() argument", "invalid literal", "only integer scalar", "not supported between"),
    *("to integer", "inhomogeneous"),
]
WRONG: list[Any] = [
    *(1.5, "a", None, object(), [1.5], {}, 1 + 2j, b"x", np.float64(2.5), (1, "b"), lambda: 0, float("nan")),
    *([[1], [2, 3]], slice(1), np.array(["a"])),
]
CALLS: dict[str, Any] = {
    "top loop": lambda x, m, w: top.loop(w, lambda v: v, x),
    "loop, body": lambda x, m, w: top.loop(2, w if not callable(w) else 3, x),
    "loop, bounds": lambda x, m, w: top.loop(2, lambda v: v, x, bounds=w),
    "loop": lambda x, m, w: tc.loop(w, lambda v: v, x),
    "diff": lambda x, m, w: tc.diff(x, n=w),
    "vecdot": lambda x, m, w: tc.vecdot(x, x, axis=w),
    "tensordot": lambda x, m, w: tc.tensordot(m, m, axes=w),
    "tril": lambda x, m, w: tc.tril(m, k=w),
    "triu": lambda x, m, w: tc.triu(m, k=w),
    "tile": lambda x, m, w: tc.tile(x, w),
    "roll": lambda x, m, w: tc.roll(x, w),
    "reshape": lambda x, m, w: tc.reshape(x, w),
    ".reshape": lambda x, m, w: x.reshape(w),
    "broadcast_to": lambda x, m, w: tc.broadcast_to(x, w),
    "broadcast_shapes": lambda x, m, w: tc.broadcast_shapes((3,), w),
    "permute_dims": lambda x, m, w: tc.permute_dims(m, w),
    "concat": lambda x, m, w: tc.concat(w),
    "stack": lambda x, m, w: top.stack(w if not isinstance(w, np.generic) else 1),
    "var": lambda x, m, w: tc.var(x, correction=w),
    "std": lambda x, m, w: x.std(ddof=w),
    "take": lambda x, m, w: tc.take(x, w),
    "sum": lambda x, m, w: x.sum(axis=w),
    "astype": lambda x, m, w: x.astype(w if not isinstance(w, str) else x),
    "zeros": lambda x, m, w: tc.zeros(w),
    "eye": lambda x, m, w: tc.eye(w),
    "add": lambda x, m, w: tc.add(x, w),
    "power": lambda x, m, w: x**w,
    "load": lambda x, m, w: top.load("name", w),
}


@pytest.mark.parametrize("name", CALLS)
def test_wrong_types_are_refused_in_own_words(name: str) -> None:
    session = TrioSession()
    x = session.share([1.5, 2, 3], bounds=(-10, 10))
    m = session.share([[1.5, 2], [3, 4]], bounds=(-10, 10))
    for wrong in [*WRONG, x, x > 2]:
        try:
            CALLS[name](x, m, wrong)
        except (TercetError, TypeError, ValueError, IndexError) as error:
            said = str(error)
            python = (
                name in ("power", "add") and "unsupported operand" in said
            )  # asked of the other side, as Python does
            assert python or not any(word in said for word in WORDS), (name, wrong, said)


def test_a_count_that_is_no_integer() -> None:
    x = TrioSession().share([1.5, 2, 3], bounds=(-10, 10))
    with pytest.raises(TypeError, match=r"the count of a loop is a public integer, not 1\.5"):
        top.loop(1.5, lambda v: v, x)  # type: ignore[arg-type]
    assert top.loop(np.int64(2), lambda v: -v, x).reveal().tolist() == [1.5, 2, 3]
