"""Plots: what they draw is what NumPy counts, what they reveal is what they say, small bins are not shown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import matplotlib
import numpy as np
import pytest

import tercet as tc
from tercet import plot, stats
from tercet.client.session import Session

matplotlib.use("Agg")

RNG = np.random.default_rng(9)
X = np.round(RNG.normal(50, 12, 300).clip(0, 100) * 8) / 8
CODES = RNG.integers(0, 3, 300)
Y = RNG.random(300) < 0.4
SCORE = np.round((Y * 0.3 + RNG.random(300) * 0.7) * 128) / 128


@pytest.fixture(scope="module")
def net() -> Iterator[Session]:
    with tc.local() as session:
        yield session


@pytest.fixture
def columns(net: Session) -> tuple[Any, ...]:
    return (
        net.share(X, bounds=(0, 100)),
        net.share(CODES, bounds=(0, 2)),
        net.share(Y),
        net.share(SCORE, bounds=(0, 1)),
    )


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    from matplotlib import pyplot

    pyplot.close("all")


def test_distribution(columns: Any) -> None:
    x, by, *_ = columns
    axes = plot.distribution(x, bins=8)
    drawn = axes.patches[0].get_data()
    assert (drawn.values == np.histogram(X, bins=8, range=(0, 100))[0]).all()
    assert axes.revealed == "counts of bins (8) of 300 rows"
    parts = plot.distribution(x, bins=8, by=by, density=True).patches
    for code, patch in enumerate(parts):
        wanted = np.histogram(X[code == CODES], bins=8, range=(0, 100), density=True)[0]
        assert patch.get_data().values == pytest.approx(wanted)


def test_box(columns: Any) -> None:
    x, by, *_ = columns
    axes = plot.box(x, by=by)
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0", "1", "2"]
    medians = [line.get_ydata()[0] for line in axes.lines if len(set(line.get_ydata())) == 1]
    for code in range(3):
        assert any(abs(np.median(X[code == CODES]) - one) < 1e-3 for one in medians)


def test_curves(columns: Any) -> None:
    *_, y, score = columns
    at = np.linspace(0.001, 0.999, 11)
    axes = plot.roc(y, score, thresholds=at)
    false, true = axes.lines[0].get_data()
    assert true[1:-1] == pytest.approx([(Y & (one - 1e-9 <= SCORE)).sum() / Y.sum() for one in at])
    assert false[1:-1] == pytest.approx([(~Y & (one - 1e-9 <= SCORE)).sum() / (~Y).sum() for one in at])
    assert "scores above thresholds (11)" in axes.revealed
    recall, precision = plot.precision_recall(y, score, thresholds=at).lines[0].get_data()
    assert recall[0] == 1 and precision[0] == pytest.approx(Y.mean())


def test_calibration_and_residuals_on_both_sides(columns: Any) -> None:
    x, _, y, score = columns
    for secret, plain in (
        (plot.calibration(y, score), plot.calibration(Y, SCORE)),
        (plot.residuals(x, x + score, bins=5), plot.residuals(X, X + SCORE, bins=np.linspace(0, 100, 6))),
    ):
        found, wanted = (axes.lines[1].get_data() for axes in (secret, plain))
        assert len(found[0]) == len(wanted[0])
        assert np.asarray(found) == pytest.approx(np.asarray(wanted), abs=1e-3)


def test_confusion(columns: Any) -> None:
    *_, y, score = columns
    axes = plot.confusion(y, score > 0.5)
    texts = [text.get_text() for text in axes.texts]
    stored = np.round(SCORE * 2**16) / 2**16 > 0.5
    assert texts == [
        str(((truth == Y) & (guess == stored)).sum()) for truth in (False, True) for guess in (False, True)
    ]


def test_forest_and_survival(net: Session) -> None:
    axes = plot.forest({"age": 0.2, "sex": -0.4}, [[0.1, 0.3], [-0.6, -0.2]])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["age", "sex"]
    with pytest.raises(tc.InputError, match="intervals"):
        plot.forest({"age": 0.2}, [0.1, 0.3])
    times = RNG.integers(1, 40, 200)
    fitter = stats.KaplanMeierFitter()
    fitter.fit(net.share(times, bounds=(0, 40)), net.share(RNG.random(200) < 0.7), timeline=np.arange(0, 41, 4))
    axes = plot.survival({"all": fitter})
    assert axes.get_legend().get_texts()[0].get_text() == "all"


def test_small_bins_are_not_shown(net: Session, columns: Any) -> None:
    x, _, y, score = columns
    net.cohort = 5
    try:
        drawn = plot.distribution(x, bins=20).patches[0].get_data().values
        with pytest.raises(stats.SmallGroup):
            plot.roc(y, score, thresholds=200)
        with pytest.raises(stats.SmallGroup):
            plot.residuals(x, x + score, bins=40)
        hidden = stats.histogram(x, 20).counts
        with pytest.raises(stats.SmallGroup):
            stats.ecdf(x, [0.0, X.min() + 0.01])
        assert stats.ecdf(x, [40.0, 60.0]).nobs == 300
    finally:
        net.cohort = 0
    counts = np.histogram(X, bins=20, range=(0, 100))[0]
    assert np.isnan(drawn[(counts < 5)]).all()
    assert np.isnan(hidden).tolist() == np.isnan(drawn).tolist()
