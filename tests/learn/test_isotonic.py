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
@pytest.mark.parametrize(("rows", "values"), [(40, 0), (9, 0), (150, 7), (64, 3)])
def test_as_scikit_learn_has_it(net: tc.Session, rows: int, values: int, increasing: bool) -> None:
    """With a bin for every row, or rows of few values: its pools, and what it interpolates between them."""
    x, y = rising(rows)
    x = np.round(x * values / 6) if values else x
    y = y if increasing else -y
    wanted = reference.IsotonicRegression(increasing=increasing, out_of_bounds="clip").fit(x, y)
    asked = np.round(np.linspace(-4, 4, 33) * 2**16) / 2**16
    plain = IsotonicRegression(increasing=increasing).fit(x, y)
    for given in (x, asked):
        assert np.abs(plain.predict(given) - wanted.predict(given)).max() < 1e-12
    model = IsotonicRegression(increasing=increasing).fit(net.share(x, bounds=(-5, 5)), net.share(y, bounds=(-3, 3)))
    found, between, levels = tc.reveal(
        model.predict(net.share(x, bounds=(-5, 5))), model.predict(net.share(asked, bounds=(-5, 5))), model.levels_
    )
    assert np.abs(found - wanted.predict(x)).max() < 1e-4 and np.abs(between - wanted.predict(asked)).max() < 1e-4
    assert (np.diff(levels) * (1 if increasing else -1) > -1e-4).all()


def test_fewer_bins_than_values(net: tc.Session) -> None:
    """The pools of the bins' numbers, and always between those of its neighbours."""
    x, y = rising(150)
    numbers = (x[:, None] > edges_of(x[:, None], 10, "quantile").T).sum(axis=1)
    wanted = reference.IsotonicRegression().fit_transform(numbers, y)
    plain = IsotonicRegression(max_bins=10, y_min=-0.5, y_max=0.75).fit(x, y)
    model = IsotonicRegression(max_bins=10, y_min=-0.5, y_max=0.75)
    found = model.fit(net.share(x, bounds=(-5, 5)), y).predict(net.share(x, bounds=(-5, 5))).reveal()
    for one in (plain.predict(x), found):
        assert np.abs(one - np.clip(wanted, -0.5, 0.75)).max() < 1e-4
    whole = reference.IsotonicRegression().fit_transform(x, y)
    assert np.abs(wanted - whole).mean() < 0.1


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
    with pytest.raises(InputError, match=r"'out_of_bounds' parameter of IsotonicRegression must be 'clip'. Got 'nan'"):
        IsotonicRegression(out_of_bounds="nan").fit(x, y)
    with pytest.raises(InputError, match="pass one column"):
        IsotonicRegression().fit(np.ones((20, 2)), y)
    with pytest.raises(InputError, match="'increasing' parameter of IsotonicRegression"):
        IsotonicRegression(**{"increasing": "auto"}).fit(x, y)
