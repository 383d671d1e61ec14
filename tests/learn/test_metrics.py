"""Metrics on shares and on plain arrays beside scikit-learn's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from sklearn import calibration, metrics

import tercet as tc
from tercet import metrics as ours
from tercet.errors import InputError

DRAW = np.random.default_rng(5)
N = 60
CLASS = DRAW.integers(0, 4, N)
GUESS = np.where(DRAW.random(N) < 0.7, CLASS, DRAW.integers(0, 4, N))
WEIGHT = DRAW.integers(0, 5, N)
ILL = DRAW.random(N) < 0.4
SCORE = np.rint(np.clip(np.round(DRAW.random(N) * 0.7 + ILL * 0.3, 1), 0.05, 0.95) * 2.0**16) / 2.0**16  # with ties
MIXED = DRAW.dirichlet([1, 1, 1], N)
MIXED = np.rint((MIXED + np.eye(3)[CLASS % 3] * 0.5) / 1.5 * 2.0**16) / 2.0**16
MIXED[:, 2] = 1 - MIXED[:, 0] - MIXED[:, 1]
REAL = np.rint(DRAW.normal(size=N) * 10 * 2.0**16) / 2.0**16
NEAR = REAL + np.rint(DRAW.normal(size=N) * 2.0**16) / 2.0**16


@pytest.fixture(scope="module")
def net() -> Iterator[tc.Session]:
    with tc.local() as session:
        yield session


def revealed(found: Any) -> list[Any]:
    parts = [one for one in (found if isinstance(found, tuple) else (found,)) if one is not None]
    secret = [one for one in parts if isinstance(one, tc.SecretArray)]
    plain = iter(tc.reveal(*secret) if len(secret) > 1 else [tc.reveal(*secret)])
    return [np.asarray(next(plain) if isinstance(one, tc.SecretArray) else one, float) for one in parts]


def alike(found: Any, plain: Any, expected: Any, within: float) -> None:
    wanted = [
        np.asarray(one, float) for one in (expected if isinstance(expected, tuple) else (expected,)) if one is not None
    ]
    here = [np.asarray(one, float) for one in (plain if isinstance(plain, tuple) else (plain,)) if one is not None]
    for got, same, one in zip(revealed(found), here, wanted, strict=True):
        assert np.max(np.abs(got - one)) <= within
        assert np.max(np.abs(same - one)) <= 1e-8


LABELLED: list[tuple[str, dict[str, Any]]] = [
    ("accuracy_score", {}),
    ("accuracy_score", {"normalize": False}),
    ("balanced_accuracy_score", {}),
    ("balanced_accuracy_score", {"adjusted": True}),
    ("confusion_matrix", {"labels": [0, 1, 2, 3]}),
    ("confusion_matrix", {"labels": [3, 0, 1], "normalize": "true"}),
    ("confusion_matrix", {"labels": [0, 1, 2, 3], "normalize": "all"}),
    ("precision_score", {"average": "macro"}),
    ("recall_score", {"average": "weighted"}),
    ("f1_score", {"average": "micro"}),
    ("f1_score", {"average": "macro", "labels": [0, 1, 2, 3, 4], "zero_division": 1}),
    ("fbeta_score", {"beta": 2, "average": "macro"}),
    ("precision_recall_fscore_support", {"average": None, "labels": [0, 1, 2, 3, 4], "zero_division": 0}),
]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("name", "options"), LABELLED)
def test_of_classes(net: Any, name: str, options: Any, weighted: bool) -> None:
    """Bounds leave classes 4 and 5, of which there is no row."""
    y, guess, weight = (net.share(one, bounds=(0, 5)) for one in (CLASS, GUESS, WEIGHT))
    function = getattr(ours, name)
    secret = function(y, guess, **options, **({"sample_weight": weight} if weighted else {}))
    plain = {"sample_weight": WEIGHT} if weighted else {}
    expected = getattr(metrics, name)(CLASS, GUESS, **options, **plain)
    alike(secret, function(CLASS, GUESS, **options, **plain), expected, 2e-9)


@pytest.mark.parametrize("name", ["precision_score", "recall_score", "f1_score"])
def test_of_two_classes(net: Any, name: str) -> None:
    y, guess = net.share(CLASS > 1), net.share(GUESS > 1)
    alike(
        getattr(ours, name)(y, guess),
        getattr(ours, name)(CLASS > 1, GUESS > 1),
        getattr(metrics, name)(CLASS > 1, GUESS > 1),
        2e-9,
    )
    none = net.share(np.zeros(N, bool))
    assert getattr(ours, name)(none, none).reveal() == 0
    assert getattr(ours, name)(none, none, zero_division=1).reveal() == 1


@pytest.mark.parametrize("name", ["roc_auc_score", "average_precision_score", "log_loss", "brier_score_loss"])
def test_of_scores(net: Any, name: str) -> None:
    y, score = net.share(ILL), net.share(SCORE, bounds=(0, 1))
    function, theirs = getattr(ours, name), getattr(metrics, name)
    alike(function(y, score), function(ILL, SCORE), theirs(ILL, SCORE), 1e-6)
    if name in ("log_loss", "brier_score_loss"):
        weighted = function(y, score, sample_weight=net.share(WEIGHT, bounds=(0, 5)))
        plain = function(ILL, SCORE, sample_weight=WEIGHT)
        alike(weighted, plain, theirs(ILL, SCORE, sample_weight=WEIGHT), 1e-5)
    else:
        one = net.share(np.ones(N, bool))
        assert function(one, score).reveal() == (0 if name == "roc_auc_score" else 1)
        assert function(net.share(np.zeros(N, bool)), score).reveal() == 0
    single = function(net.share([True]), net.share([0.5], bounds=(0, 1))).reveal()
    assert single == pytest.approx({"roc_auc_score": 0, "average_precision_score": 1}.get(name, single), abs=1e-6)


def test_of_several_scores(net: Any) -> None:
    y, scores = net.share(CLASS % 3, bounds=(0, 2)), net.share(MIXED, bounds=(0, 1))
    for average in ("macro", "weighted"):
        options = {"multi_class": "ovr", "average": average}
        expected = metrics.roc_auc_score(CLASS % 3, MIXED, **options)
        alike(ours.roc_auc_score(y, scores, **options), ours.roc_auc_score(CLASS % 3, MIXED, **options), expected, 2e-9)
    alike(ours.log_loss(y, scores), ours.log_loss(CLASS % 3, MIXED), metrics.log_loss(CLASS % 3, MIXED), 1e-6)
    assert ours.log_loss(net.share([True]), net.share([0.0], bounds=(0, 1))).reveal() == pytest.approx(
        24 * np.log(2), abs=1e-5
    )


def test_curves(net: Any) -> None:
    y, score = net.share(ILL), net.share(SCORE, bounds=(0, 1))
    limits = np.unique(SCORE)[::-1]
    fpr, tpr, _ = metrics.roc_curve(ILL, SCORE, drop_intermediate=False)
    plain = ours.roc_curve(ILL, SCORE, thresholds=limits)
    alike(ours.roc_curve(y, score, thresholds=limits)[:2], plain[:2], (fpr[1:], tpr[1:]), 2e-9)
    precision, recall, limits = metrics.precision_recall_curve(ILL, SCORE)
    plain = ours.precision_recall_curve(ILL, SCORE, thresholds=limits)
    found = ours.precision_recall_curve(y, score, thresholds=limits)
    alike(found[:2], plain[:2], (precision[:-1], recall[:-1]), 2e-9)
    weighted = ours.roc_curve(y, score, thresholds=[0.5], sample_weight=net.share(WEIGHT, bounds=(0, 5)))
    expected = [np.average(SCORE[rows] >= 0.5, weights=WEIGHT[rows]) for rows in (~ILL, ILL)]
    assert np.allclose([one.reveal()[0] for one in weighted[:2]], expected, atol=2e-9)
    true, prob, counts = revealed(ours.calibration_curve(y, score, n_bins=7))
    wanted = calibration.calibration_curve(ILL, SCORE, n_bins=7)
    assert counts.sum() == N and np.all(true[counts == 0] == 0)
    assert np.allclose([true[counts > 0], prob[counts > 0]], wanted, atol=2e-5)
    with pytest.raises(InputError, match="public numbers"):
        ours.roc_curve(y, score, thresholds=score)


@pytest.mark.parametrize(
    "name",
    [
        *("mean_absolute_error", "mean_squared_error", "root_mean_squared_error", "median_absolute_error"),
        *("max_error", "r2_score", "explained_variance_score"),
    ],
)
def test_of_numbers(net: Any, name: str) -> None:
    y, near = net.share(REAL, bounds=(-100, 100)), net.share(NEAR, bounds=(-100, 100))
    function, theirs = getattr(ours, name), getattr(metrics, name)
    alike(function(y, near), function(REAL, NEAR), theirs(REAL, NEAR), 1e-5)
    if name not in ("median_absolute_error", "max_error"):
        weighted = function(y, near, sample_weight=net.share(WEIGHT, bounds=(0, 5)))
        plain = function(REAL, NEAR, sample_weight=WEIGHT)
        alike(weighted, plain, theirs(REAL, NEAR, sample_weight=WEIGHT), 3e-5)
    same = net.share(np.full(3, 2.0), bounds=(-100, 100))
    for other in (np.full(3, 2.0), np.array([1.0, 2.0, 4.0])):  # nothing to explain
        alike(
            function(same, net.share(other, bounds=(-9, 9))),
            function(np.full(3, 2.0), other),
            theirs(np.full(3, 2.0), other),
            2e-5,
        )
    one = function(net.share([2.0]), net.share([2.0])).reveal()
    assert one == (1 if name in ("r2_score", "explained_variance_score") else 0)


def test_scorers_and_refusals(net: Any) -> None:
    assert set(ours.get_scorer_names()) <= set(metrics.get_scorer_names())
    with pytest.raises(ValueError, match="is no scorer; there are accuracy"):
        ours.get_scorer("jaccard")
    y = net.share(CLASS, bounds=(0, 3))
    with pytest.raises(InputError, match="two lines"):
        ours.accuracy_score(y, y[:3])
    with pytest.raises(ValueError, match="average is one of"):
        ours.f1_score(y, y, average="samples")
    with pytest.raises(ValueError, match="multi_class='ovr'"):
        ours.roc_auc_score(y, net.share(MIXED))
    with pytest.raises(InputError, match="sample_weight reaches down to -1"):
        ours.accuracy_score(CLASS, CLASS, sample_weight=CLASS * 0 - 1)
    for name in ours.__all__:
        if name != "calibration_curve":
            assert hasattr(metrics, name), f"{name} is no name of scikit-learn's"
