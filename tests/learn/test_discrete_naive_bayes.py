"""Naive Bayes of counts and bools against scikit-learn, on digits, wine and iris."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import sklearn.naive_bayes as reference
from sklearn.datasets import load_digits, load_iris, load_wine

import tercet as tc
from tercet.errors import InputError
from tercet.naive_bayes import BernoulliNB, ComplementNB, MultinomialNB

NAMES = ("feature_count_", "class_count_", "feature_log_prob_", "class_log_prior_")
CASES = [
    (load_digits, MultinomialNB, {}),
    (load_wine, MultinomialNB, {"alpha": 0.01, "fit_prior": False}),
    (load_digits, ComplementNB, {}),
    (load_iris, ComplementNB, {"norm": True, "alpha": 0.5}),
    (load_digits, BernoulliNB, {}),
    (load_wine, BernoulliNB, {"binarize": 4.5, "alpha": 2.0}),
]


@pytest.fixture(scope="module")
def net() -> Iterator[tc.Session]:
    with tc.local() as session:
        yield session


def data(load: Any, rows: int) -> tuple[Any, Any]:
    found = load()
    return np.round(found.data[:rows] * 2**16) / 2**16, found.target[:rows]


@pytest.mark.parametrize(("load", "kind", "given"), CASES)
def test_counts_and_predictions(net: tc.Session, load: Any, kind: Any, given: Any) -> None:
    x, y = data(load, 150)
    y = np.minimum(y, 4)
    plain = getattr(reference, kind.__name__)(**given).fit(x, y)
    own = kind(**given).fit(x, y)
    assert np.allclose(own.predict_proba(x), plain.predict_proba(x), atol=1e-6)
    X = net.share(x, bounds=(x.min(), x.max()))
    model = kind(**given).fit(X, net.share(y, bounds=(0, y.max())))
    names = NAMES if model.fit_prior else NAMES[:-1]
    results = [*(getattr(model, name) for name in names), model.predict(X), model.predict_proba(X[:40])]
    assert len(tc.explain(*results).reveals) == len(results)
    *found, predicted, chances = tc.reveal(*results)
    for name, value in zip(names, found, strict=True):
        error = 1e-6 if name == "class_log_prior_" else 1e-9
        assert np.allclose(value, getattr(plain, name), rtol=1e-7, atol=error), name
    wanted = plain.predict_joint_log_proba(x)
    apart = np.sort(wanted, axis=1)
    clear = apart[:, -1] - apart[:, -2] > 1e-4
    assert np.array_equal(predicted[clear], plain.predict(x)[clear]) and clear.mean() > 0.95
    assert np.abs(chances - plain.predict_proba(x[:40])).max() < 1e-4


def test_weights_priors_and_alpha_of_columns(net: tc.Session) -> None:
    x, y = data(load_iris, 150)
    weights = np.arange(150) % 3 + 0.5
    given: Any = {"class_prior": [0.5, 0.25, 0.25], "alpha": [0.5, 1.0, 2.0, 0.25]}
    plain = reference.MultinomialNB(**given).fit(x, y, weights)
    X = net.share(x, bounds=(0, 8))
    for one in (weights, net.share(weights, bounds=(0, 4))):
        model = MultinomialNB(**given).fit(X, net.share(y, bounds=(0, 2)), one)
        logs, chances = tc.reveal(model.feature_log_prob_, model.predict_proba(X))
        assert np.allclose(logs, plain.feature_log_prob_, rtol=1e-8)
        assert np.abs(chances - plain.predict_proba(x)).max() < 1e-4


def test_a_class_without_rows_is_never_predicted(net: tc.Session) -> None:
    x, y = data(load_iris, 150)
    X = net.share(x, bounds=(0, 8))
    for kind in (MultinomialNB, BernoulliNB):
        model = kind().fit(X, net.share(y + 1, bounds=(0, 4)))
        assert np.isin(model.predict(X).reveal(), (1, 2, 3)).all()


def test_bools_from_to_scikit_learn_and_saved(net: tc.Session) -> None:
    x, y = data(load_digits, 60)
    ink = x > 7
    plain = reference.BernoulliNB(binarize=None).fit(ink, y)
    X = net.share(ink)
    model = BernoulliNB(binarize=None).fit(X, net.share(y, bounds=(0, 9)))
    assert np.array_equal(model.to_sklearn().predict(ink), plain.predict(ink))
    for kind in (BernoulliNB, MultinomialNB, ComplementNB):
        theirs = getattr(reference, kind.__name__)().fit(ink, y)
        own = kind.from_sklearn(theirs, net)
        assert np.array_equal(own.predict(net.share(ink * 1, bounds=(0, 1))).reveal(), theirs.predict(ink))
    model.save(net, "bits")
    loaded: Any = tc.load("bits", net)
    assert np.array_equal(loaded.predict(X).reveal(), plain.predict(ink))


def test_what_is_refused(net: tc.Session) -> None:
    x, y = data(load_iris, 150)
    with pytest.raises(InputError, match="Negative values in data passed to MultinomialNB"):
        MultinomialNB().fit(-x, y)
    with pytest.raises(InputError, match="binarize=None"):
        BernoulliNB(binarize=None).fit(x, y)
    with pytest.raises(InputError, match="alpha"):
        MultinomialNB(alpha=[1.0, 2.0]).fit(x, y)
    with pytest.raises(InputError, match="class_prior"):
        MultinomialNB(class_prior=[0.5, 0.5]).fit(x, y)
    with pytest.raises(TypeError, match="force_alpha: alpha is taken as it is"):
        MultinomialNB(**{"force_alpha": False})
