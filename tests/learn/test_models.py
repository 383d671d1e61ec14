"""What all models have: parameters, clones, texts, saving, classes found by name, public random numbers."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn.base
from sklearn.utils import get_tags

import tercet as tc
from plan_trio import TrioSession
from tercet.errors import InputError
from tercet.learn.description import FORMAT, described
from tercet.learn.registry import model_class, rebuild
from tercet.linear_model import LinearRegression
from tercet.models import ClassifierModel, PublicRandom, SecretModel, TransformerModel, classes_of, features, labels


class Outer(SecretModel):
    """Holds a model, and attributes of every kind."""

    fitted = ("parts_", "table_", "inner_")
    not_offered = {"warm_start": "fit again"}  # noqa: RUF012

    def __init__(self, inner: Any = None, *, level: float = 0.5, names: Any = ("a", "b")) -> None:
        self.inner = inner
        self.level = level
        self.names = names


class Nearest(ClassifierModel):
    """Predicts the class of the nearest mean."""

    fitted = ("means_", "classes_")

    def fit(self, X: Any, y: Any) -> Nearest:
        found = classes_of(y)
        self.classes_, hot = found.classes, found.one_hot()
        self.means_ = (hot[:, :, None] * X[:, None, :]).sum(axis=0) / hot.sum(axis=0)[:, None]
        return self

    def predict(self, X: Any) -> Any:
        return labels(np.argmin(((X[:, None, :] - self.means_) ** 2).sum(axis=2), axis=1), self.classes_)


def test_parameters_are_those_of_the_constructor() -> None:
    model = Outer(LinearRegression(fit_intercept=False), level=0.25)
    assert Outer.parameters == ("inner", "level", "names") and SecretModel.parameters == ()
    assert model.get_params(deep=False) == {"inner": model.inner, "level": 0.25, "names": ("a", "b")}
    assert model.get_params()["inner__fit_intercept"] is False
    assert model.set_params(level=2, inner__fit_intercept=True) is model
    assert (model.level, model.inner.fit_intercept) == (2, True)
    with pytest.raises(ValueError, match="no parameter 'nope'; it has inner, "):
        model.set_params(nope=1)
    with pytest.raises(TypeError, match="takes no warm_start: fit again"):
        Outer(warm_start=True)
    with pytest.raises(TypeError, match="takes no n_jobs: its parameters are inner, level, names"):
        Outer(n_jobs=2)
    with pytest.raises(TypeError, match="its parameters are fit_intercept"):
        LinearRegression(positive=True)


def test_clone_and_repr() -> None:
    model = Outer(LinearRegression(fit_intercept=False), names=["x"])
    copy = sklearn.base.clone(model)
    assert copy is not model and copy.inner is not model.inner and copy.get_params().keys() == model.get_params().keys()
    assert repr(copy) == repr(model) == "Outer(inner=LinearRegression(fit_intercept=False), names=['x'])"
    assert repr(Outer()) == "Outer()"
    assert not model.is_fitted and not model.__sklearn_is_fitted__()


def test_tags() -> None:
    assert sklearn.base.is_regressor(LinearRegression()) and sklearn.base.is_classifier(Nearest())
    assert get_tags(TransformerModel()).estimator_type == "transformer" and get_tags(Outer()).estimator_type is None


def fitted(session: Any) -> Outer:
    model = Outer(LinearRegression(fit_intercept=False))
    model.parts_ = [session.share([1, 2], bounds=(0, 9)), {"a": session.share(3, bounds=(0, 9)), 2: None}, 0.5]
    model.table_ = np.array(["x", "yy"])
    model.inner_ = LinearRegression().fit(session.share(np.arange(6.0)[:, None]), session.share(np.arange(6.0) * 2))
    model.n_features_in_ = 3
    return model


def test_a_nested_model_is_described_and_made_anew() -> None:
    session = TrioSession()
    model = fitted(session)
    found = described(model)
    assert set(found.arrays) == {"parts_", "parts_.1", "coef_", "intercept_", "aliased_", "capped_"}
    public = json.loads(json.dumps({**found.description, "format": FORMAT}))
    assert public == {**found.description, "format": FORMAT}
    other = session.share([7, 8], bounds=(0, 9))
    found.put("parts_", other)
    assert model.parts_[0] is other
    with pytest.raises(InputError, match="Outer"):
        rebuild(public, found.arrays)


def test_what_cannot_be_kept_is_named() -> None:
    model = fitted(TrioSession())
    model.table_ = object()
    with pytest.raises(InputError, match="table_ is object, which is not kept"):
        described(model)


def test_a_package_enters_its_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real package: a module and the metadata that installing it writes."""
    (tmp_path / "outsiders.py").write_text(
        "from tercet.models import SecretModel\n"
        "class Outsider(SecretModel):\n"
        "    fitted = ('total_', 'model_')\n"
        "    def __init__(self, *, scale=2, inner=None):\n"
        "        self.scale, self.inner = scale, inner\n"
        "    def fit(self, X, y):\n"
        "        self.total_ = X.sum(axis=0) * self.scale\n"
        "        self.model_ = self.inner.fit(X, y)\n"
        "        return self\n"
        "class NoModel: pass\n"
    )
    place = tmp_path / "outsiders-1.0.dist-info"
    place.mkdir()
    (place / "METADATA").write_text("Metadata-Version: 2.1\nName: outsiders\nVersion: 1.0\n")
    (place / "entry_points.txt").write_text(
        "[tercet.models]\nOutsider = outsiders:Outsider\nNoModel = outsiders:NoModel\n"
        "LinearRegression = outsiders:Outsider\n"
    )
    assert model_class("Outsider") is None
    monkeypatch.syspath_prepend(str(tmp_path))
    found = model_class("Outsider")
    assert found is not None and found.__module__ == "outsiders"
    assert model_class("NoModel") is None and model_class("SecretArray") is None and model_class("a.b") is None
    assert model_class("LinearRegression") is LinearRegression  # no package replaces ours
    with tc.local() as net:
        x = net.share(np.arange(12).reshape(6, 2) ** 2 % 7, bounds=(0, 9))
        y = net.share(np.arange(6), bounds=(0, 9))
        model = found(scale=3, inner=LinearRegression()).fit(x, y).save(net, "mine")  # type: ignore[call-arg, attr-defined]
        loaded: Any = tc.load("mine", net)
        assert loaded.scale == 3 and repr(loaded) == repr(model)
        assert loaded.total_.reveal().tolist() == (x.reveal().sum(axis=0) * 3).tolist()
        assert np.allclose(loaded.model_.predict(x).reveal(), model.model_.predict(x).reveal(), atol=1e-6)
    sys.modules.pop("outsiders")


def test_a_classifier_and_its_score() -> None:
    draw = np.random.default_rng(0)
    y = draw.integers(3, 6, 40)
    x = np.round(draw.normal(size=(40, 2)) + y[:, None] * 3, 2)
    plain = Nearest().fit(x, y)
    session = TrioSession()
    X, t = session.share(x, bounds=(-10, 40)), session.share(y, bounds=(3, 5))
    model = Nearest().fit(X, t)
    assert np.array_equal(model.classes_, [3, 4, 5])
    assert np.array_equal(model.predict(X).reveal(), plain.predict(x))
    weights = np.arange(40)
    got = tc.reveal(model.score(X, t), model.score(X, t, weights))
    right = plain.predict(x) == y
    assert got == pytest.approx([right.mean(), (right * weights).sum() / weights.sum()], abs=1e-6)
    assert plain.score(x, y) == right.mean()


def test_classes_are_public_facts() -> None:
    session = TrioSession()
    found = classes_of(session.share([4, 2, 4], bounds=(2, 4)))
    assert found.classes.tolist() == [2, 3, 4] and found.codes.reveal().tolist() == [2, 0, 2]
    assert labels(found.codes, found.classes).reveal().tolist() == [4, 2, 4]
    assert found.one_hot().reveal().tolist() == [[False, False, True], [True, False, False], [False, False, True]]
    bools = classes_of(session.share([True, False]))
    assert bools.classes.tolist() == [False, True] and bools.codes.reveal().tolist() == [1, 0]
    assert labels(bools.codes, bools.classes).reveal().tolist() == [True, False]
    named = classes_of(session.share([10, -3, 7], bounds=(-100, 100)), [7, -3])
    assert named.classes.tolist() == [-3, 7] and named.codes.reveal().tolist() == [0, 0, 1]
    assert labels(named.codes, named.classes).reveal().tolist() == [-3, -3, 7]
    plain = classes_of(np.array(["b", "a", "b"]))
    assert plain.classes.tolist() == ["a", "b"] and plain.codes.tolist() == [1, 0, 1]
    assert labels(plain.codes, plain.classes).tolist() == ["b", "a", "b"]
    with pytest.raises(InputError, match="does not say which there are"):
        classes_of(session.share([1, 5000], bounds=(0, 5000)))
    with pytest.raises(InputError, match="fixed"):
        classes_of(session.share([1.0, 2.5], bounds=(0, 3)))
    with pytest.raises(InputError, match="not among those given"):
        classes_of(np.array([1, 2]), [1])


def test_missing_values_are_refused_by_name() -> None:
    from tercet.array.nullable import NullableArray

    session = TrioSession()
    column = NullableArray.of_values(session.share([[1.0], [2.0]]), session.share([[True], [False]]))
    with pytest.raises(InputError, match="SimpleImputer"):
        features(column)
    with pytest.raises(InputError, match=r"shape \(2,\).*reshape\(-1, 1\)"):
        features(session.share([1.0, 2.0]))


def test_public_random_numbers() -> None:
    draw = PublicRandom(7, "folds", 1)
    first = draw.words(3)
    assert first.tolist() == PublicRandom(7, "folds", 1).words(3).tolist()  # the same everywhere
    assert first.tolist() != PublicRandom(7, "folds", 2).words(3).tolist()
    assert first.tolist() == [2646900757785322374, 15350918555887142095, 4503374234556348765]
    assert sorted(draw.permutation(50)) == list(range(50))
    dice = draw.integers(1, 7, (6000,))
    assert set(dice.tolist()) == {1, 2, 3, 4, 5, 6} and np.bincount(dice)[1:].min() > 850
    uniform, normal = draw.uniform((100, 40)), draw.normal(4000)
    assert uniform.shape == (100, 40) and uniform.min() >= 0 and uniform.max() < 1 and abs(uniform.mean() - 0.5) < 0.02
    assert abs(normal.mean()) < 0.06 and abs(normal.std() - 1) < 0.05
    assert len(set(draw.choice(10, 4).tolist())) == 4 and draw.choice(2, 30, replace=True).max() == 1
    assert draw.integers(0, 5).shape == ()
    with pytest.raises(TypeError, match="random_state"):
        PublicRandom(None)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="without replacement"):
        draw.choice(2, 3)
