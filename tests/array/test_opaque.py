"""Arrays whose numbers stand for something else: standard deviations here, categories and dates in tests/client."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tercet as tc
from tercet.array.opaque import Root

VALUES = np.array([[3, 1, 4], [1, 5, 9]])


@pytest.fixture(scope="module")
def x() -> Any:
    with tc.local() as net:
        yield net.share(VALUES, bounds=(0, 10))


def test_a_root_is_taken_when_it_is_revealed(x: Any) -> None:
    found = tc.reveal(x.std(), x.std(axis=0, ddof=1), np.std(x, axis=1), tc.array.std(x, axis=1, correction=1), x.var())
    plain = [VALUES.std(), VALUES.std(axis=0, ddof=1), VALUES.std(axis=1), VALUES.std(axis=1, ddof=1), VALUES.var()]
    for one, other in zip(found, plain, strict=True):
        assert np.allclose(one, other, rtol=1e-14)
    assert isinstance(found[0], float)


def test_it_moves_and_is_kept_as_it_is(x: Any) -> None:
    roots = x.std(axis=0)
    assert roots.shape == (3,) and len(roots) == 3 and roots.ndim == 1
    moved = roots[::-1].reshape(3, 1)
    assert isinstance(moved, Root)
    assert np.allclose(moved.reveal(), VALUES.std(axis=0)[::-1, None])
    assert np.allclose(moved.persist().reveal(), VALUES.std(axis=0)[::-1, None])
    assert roots.explain().rounds >= 1


@pytest.mark.parametrize(
    "use",
    [
        lambda s: s + 1,
        lambda s: 2 * s,
        lambda s: -s,
        lambda s: +s,
        lambda s: s / 2,
        lambda s: s // 2,
        lambda s: s % 2,
        lambda s: s**2,
        lambda s: abs(s),
        lambda s: s > 1,
        lambda s: s == 1,
        lambda s: s @ s,
        lambda s: s.sum(),
        lambda s: s.mean(),
        lambda s: s.var(),
        lambda s: s.min(),
        lambda s: s.any(),
        lambda s: s.astype(float),
        lambda s: s.astype(int),
        lambda s: tc.where(s > 0, s, 0),
        lambda s: tc.where(np.array([True, False, True]), s, 0),
        lambda s: tc.concat([s, s]),
        lambda s: tc.stack([s, s]),
        lambda s: np.cumsum(s),
        lambda s: np.zeros_like(s),
        lambda s: np.argmax(s),
        lambda s: np.add(s, 1),
        lambda s: tc.assume(s, (0, 1)),
        lambda s: tc.divide(1, s),
        lambda s: s.node,
    ],
)
def test_nothing_else_is_done_with_it(x: Any, use: Any) -> None:
    with pytest.raises(TypeError, match=r"root of a revealed variance|does not support ufuncs"):
        use(x.std(axis=0))
