"""Isotonic regression under sharing: scikit-learn's on the numbers of the bins."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import sklearn.isotonic as reference

import tercet as tc
from tercet.errors import InputError
from tercet.isotonic import IsotonicRegression
from tercet.learn.trees.bins import edges_of


@pytest.fixture(scope="module")
def net() -> Iterator[tc.Session]:
    with tc.local() as session:
        yield session


def rising(rows: int) -> tuple[Any, Any]:
    draw = np.random.default_rng(rows)
    x = np.round(draw.normal(size=rows) * 2**16) / 2**16
    return x, np.round((np.tanh(x) + draw.normal(size=rows) / 3) * 2**16) / 2**16


@pytest.mark.parametrize("increasing", [True, False])
@pytest.mark.parametrize(("rows", "bins"), [(150, 10), (9, 12)])
def test_as_scikit_learn_has_it(net: tc.Session, rows: int, bins: int, increasing: bool) -> None:
    x, y = rising(rows)
    y = y if increasing else -y
    numbers = (x[:, None] > edges_of(x[:, None], bins, "quantile").T).sum(axis=1)
    wanted = reference.IsotonicRegression(increasing=increasing).fit_transform(numbers, y)
    plain = IsotonicRegression(increasing=increasing, max_bins=bins).fit(x, y)
    assert np.abs(plain.predict(x) - wanted).max() < 1e-12
    X = net.share(x, bounds=(-5, 5))
    model = IsotonicRegression(increasing=increasing, max_bins=bins).fit(X, net.share(y, bounds=(-3, 3)))
    found, levels = tc.reveal(model.predict(X), model.levels_)
    assert np.abs(found - wanted).max() < 1e-4
    assert (np.diff(levels) * (1 if increasing else -1) > -1e-4).all()


def test_beyond_the_ends_and_saved(net: tc.Session) -> None:
    x, y = rising(60)
    model = IsotonicRegression(max_bins=4).fit(net.share(x, bounds=(-5, 5)), net.share(y, bounds=(-3, 3)))
    model.save(net, "isotonic")
    loaded: Any = tc.load("isotonic", net)
    far = net.share(np.array([[-99.0], [99.0]]), bounds=(-100, 100))
    found, levels = tc.reveal(loaded.transform(far), loaded.levels_)
    assert np.abs(found - levels[[0, -1]]).max() < 1e-4


def test_what_is_refused() -> None:
    x, y = rising(20)
    with pytest.raises(InputError, match=r"'out_of_bounds' parameter must be 'clip'. Got 'nan'"):
        IsotonicRegression(out_of_bounds="nan").fit(x, y)
    with pytest.raises(InputError, match="pass one column"):
        IsotonicRegression().fit(np.ones((20, 2)), y)
    with pytest.raises(InputError, match="'increasing' parameter of IsotonicRegression"):
        IsotonicRegression(**{"increasing": "auto"}).fit(x, y)
