"""Pipelines, transformers of columns, folds, cross-validation and grids beside scikit-learn's."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sklearn.base
from sklearn import compose, datasets, feature_selection, impute, linear_model, model_selection, pipeline, preprocessing

import tercet as tc
from tercet.array.nullable import NullableArray
from tercet.compose import ColumnTransformer, make_column_transformer
from tercet.errors import InputError
from tercet.feature_selection import SelectKBest
from tercet.impute import SimpleImputer
from tercet.linear_model import LinearRegression
from tercet.model_selection import (
    GridSearchCV,
    KFold,
    ParameterGrid,
    StratifiedKFold,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    train_test_split,
)
from tercet.models import ClassifierModel, classes_of, labels
from tercet.pipeline import Pipeline, make_pipeline
from tercet.preprocessing import OneHotEncoder, StandardScaler

DATA = datasets.load_diabetes()
X = np.rint(DATA.data[:150, :5] * 2.0**24) / 2.0**24
Y = DATA.target[:150]


class NearestMean(ClassifierModel):
    """Predicts the class of the nearest mean."""

    fitted = ("means_", "classes_")

    def fit(self, X: Any, y: Any) -> NearestMean:
        found = classes_of(y)
        self.classes_, hot = found.classes, found.one_hot()
        counts = hot.sum(axis=0)[:, None]
        self.means_ = (hot[:, :, None] * X[:, None, :]).sum(axis=0) / np.maximum(counts, 1)
        return self

    def predict(self, X: Any) -> Any:
        return labels(np.argmin(((X[:, None, :] - self.means_) ** 2).sum(axis=2), axis=1), self.classes_)


@pytest.fixture(scope="module")
def net() -> Iterator[tc.Session]:
    with tc.local() as session:
        yield session


@pytest.fixture(scope="module")
def data(net: Any) -> tuple[Any, Any]:
    return net.share(X, bounds=(-1, 1), frac_bits=24), net.share(Y, bounds=(0, 400))


def test_a_pipeline(net: Any, data: Any) -> None:
    reference = pipeline.make_pipeline(
        preprocessing.StandardScaler(),
        feature_selection.SelectKBest(feature_selection.f_regression, k=3),
        linear_model.LinearRegression(),
    ).fit(X, Y)
    model = make_pipeline(StandardScaler(), SelectKBest("f_regression", k=3), LinearRegression())
    assert not model.is_fitted and model.fit(*data) is model and model.is_fitted
    assert sklearn.base.is_regressor(model)
    predicted, score = tc.reveal(model.predict(data[0]), model.score(*data))
    assert np.allclose(predicted, reference.predict(X), rtol=1e-6)
    assert score == pytest.approx(reference.score(X, Y), rel=1e-6)
    copy = sklearn.base.clone(model)
    assert repr(copy) == repr(model) and not copy.is_fitted
    model.save(net, "pipeline")
    loaded: Any = tc.load("pipeline", net)
    assert np.allclose(loaded.predict(data[0]).reveal(), predicted, atol=1e-5)
    assert loaded.get_params()["selectkbest__k"] == 3 and repr(loaded) == repr(model)
    plain = sklearn.base.clone(model).fit(X, Y)
    assert np.allclose(plain.predict(X), reference.predict(X))
    assert (
        len(model) == 3
        and isinstance(model[0], StandardScaler)
        and isinstance(model["linearregression"], LinearRegression)
    )
    assert np.allclose(model[:2].transform(data[0]).reveal(), reference[:2].transform(X), atol=1e-6)


def test_parts_of_pipelines(data: Any) -> None:
    model = Pipeline([("scale", StandardScaler()), ("rest", "passthrough")]).fit(data[0])
    z = model.transform(data[0])
    assert np.allclose(model.inverse_transform(z).reveal(), X, atol=1e-6)
    model.set_params(scale=StandardScaler(with_std=False), rest=None)
    assert model.get_params()["scale__with_std"] is False
    assert model.set_params(scale__with_std=True).named_steps["scale"].with_std
    with pytest.raises(AttributeError, match="it has no predict"):
        model.predict(data[0])
    with pytest.raises(AttributeError, match="predict_proba"):
        make_pipeline(StandardScaler(), LinearRegression()).predict_proba  # noqa: B018
    with pytest.raises(TypeError, match="takes no memory"):
        Pipeline([], memory="x")
    with pytest.raises(TypeError, match="has no transform"):
        make_pipeline(LinearRegression(), LinearRegression()).fit(*data)
    with pytest.raises(ValueError, match="names of their own"):
        Pipeline([("a", StandardScaler()), ("a", LinearRegression())]).fit(*data)
    assert [name for name, _ in make_pipeline(StandardScaler(), StandardScaler()).steps] == [
        "standardscaler-1",
        "standardscaler-2",
    ]


def test_scikit_learns_own_pipeline_takes_our_models(data: Any) -> None:
    model = pipeline.make_pipeline(StandardScaler(), LinearRegression()).fit(*data)
    expected = linear_model.LinearRegression().fit(X, Y)
    assert np.allclose(model.predict(data[0]).reveal(), expected.predict(X), rtol=1e-6)
    assert model.score(*data).reveal() == pytest.approx(expected.score(X, Y), rel=1e-6)
    grid = model_selection.GridSearchCV(
        make_pipeline(StandardScaler(), LinearRegression()), {"linearregression__fit_intercept": [True, False]}
    )
    assert grid.fit(X, Y).best_params_ == {"linearregression__fit_intercept": True}  # on plain data


def test_columns(net: Any) -> None:
    age, bmi, sex, n = X[:20, 0], X[:20, 2], X[:20, 1] > 0, np.arange(20)
    gaps = n % 4 == 0
    columns = {
        "age": net.share(age, bounds=(-1, 1), frac_bits=24),
        "sex": net.share(sex),
        "bmi": net.share(bmi, bounds=(-1, 1), frac_bits=24),
        "n": NullableArray.of_values(net.share(n, bounds=(0, 20)), net.share(~gaps)),
    }
    frame = pd.DataFrame({"age": age, "sex": sex, "bmi": bmi, "n": np.where(gaps, np.nan, n)})
    model = ColumnTransformer(
        [("scale", StandardScaler(), ["age", "bmi"]), ("sex", OneHotEncoder(), ["sex"])], remainder=SimpleImputer()
    )
    theirs = compose.ColumnTransformer(
        [("scale", preprocessing.StandardScaler(), ["age", "bmi"]), ("sex", preprocessing.OneHotEncoder(), ["sex"])],
        remainder=impute.SimpleImputer(),
        sparse_threshold=0,
    )
    expected = theirs.fit_transform(frame)
    assert np.allclose(model.fit_transform(columns).reveal(), expected, atol=2e-5)
    assert np.allclose(model.transform(columns).reveal(), expected, atol=2e-5)
    assert np.allclose(sklearn.base.clone(model).fit_transform(frame), expected)
    model.save(net, "columns")
    loaded: Any = tc.load("columns", net)
    assert np.allclose(loaded.transform(columns).reveal(), expected, atol=2e-5)
    assert loaded.get_params()["scale__with_mean"] is True and loaded.named_transformers_["sex"].categories_
    with pytest.raises(InputError, match="columns are missing"):
        model.transform({"age": columns["age"]})
    with pytest.raises(ValueError, match="there is no column 'pay'; there are age, sex"):
        ColumnTransformer([("a", StandardScaler(), ["pay"])]).fit(columns)
    with pytest.raises(InputError, match="encode or fill them"):
        ColumnTransformer([("a", StandardScaler(), ["age"])], remainder="passthrough").fit(columns)
    by_place = make_column_transformer((StandardScaler(), slice(0, 2)), ("passthrough", [-1]), ("drop", [2]))
    matrix = net.share(X, bounds=(-1, 1), frac_bits=24)
    found = by_place.fit_transform(matrix).reveal()
    assert np.allclose(
        found, np.column_stack([preprocessing.StandardScaler().fit_transform(X[:, :2]), X[:, 4]]), atol=1e-6
    )
    with pytest.raises(ValueError, match="is expecting 5"):
        by_place.transform(matrix[:, :3])


@pytest.mark.parametrize("n", [7, 10])
def test_folds(n: int) -> None:
    for splits in (2, 3, 7):
        mine = list(KFold(splits).split(np.zeros(n)))
        theirs = list(model_selection.KFold(splits).split(np.zeros(n)))
        assert all(
            np.array_equal(a, b)
            for one, other in zip(mine, theirs, strict=True)
            for a, b in zip(one, other, strict=True)
        )
    y = np.resize(["b", "a", "a", "c"], 40)
    for mine, theirs in zip(
        StratifiedKFold(4).split(y, y), model_selection.StratifiedKFold(4).split(y, y), strict=True
    ):
        assert np.array_equal(mine[1], theirs[1])
    for kind in (KFold(3, shuffle=True, random_state=4), StratifiedKFold(3, shuffle=True, random_state=4)):
        parts = [test for _, test in kind.split(y, y)]
        assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(40))
        assert [test.tolist() for _, test in kind.split(y, y)] == [test.tolist() for test in parts]  # the same again
        if isinstance(kind, StratifiedKFold):
            assert all((y[part] == "a").sum() in (6, 7) for part in parts)
    with pytest.raises(ValueError, match="asks for random_state"):
        KFold(3, shuffle=True)
    with pytest.raises(ValueError, match="greater than the number of samples"):
        next(KFold(9).split(np.zeros(8)))


def test_rows_to_train_and_to_test_on(net: Any, data: Any) -> None:
    train, test, y_train, y_test = train_test_split(*data, test_size=0.2, random_state=3)
    assert (train.shape, test.shape, y_train.shape, y_test.shape) == ((120, 5), (30, 5), (120,), (30,))
    whole = np.concatenate([y_train.reveal(), y_test.reveal()])
    assert np.array_equal(np.sort(whole), np.sort(Y)) and not np.array_equal(whole, Y)
    again = train_test_split(X, Y, test_size=30, train_size=100, random_state=3)
    assert np.array_equal(again[3], y_test.reveal()) and again[0].shape == (100, 5)
    plain = train_test_split(np.arange(10), test_size=3, shuffle=False)
    assert [one.tolist() for one in plain] == [list(range(7)), [7, 8, 9]]
    classes = np.resize([0, 0, 0, 1], 80)
    parts = train_test_split(classes, test_size=0.25, random_state=0, stratify=classes)
    assert [one.sum() for one in parts] == [15, 5] and [len(one) for one in parts] == [60, 20]
    with pytest.raises(InputError, match="which row is of which class is secret"):
        train_test_split(X, test_size=0.5, random_state=0, stratify=data[1])
    with pytest.raises(ValueError, match="asks for random_state"):
        train_test_split(X)
    for size in (0, 1.0, 150, -1):
        with pytest.raises(ValueError, match="parts in"):
            train_test_split(X, test_size=size, random_state=0)


def test_cross_validation(net: Any, data: Any) -> None:
    expected = model_selection.cross_val_score(linear_model.LinearRegression(), X, Y, cv=3)
    with net.measure() as cost:
        found = cross_val_score(LinearRegression(), *data, cv=3)
    assert cost.jobs == 1 and np.allclose(found, expected, rtol=1e-6)
    assert np.allclose(cross_val_score(LinearRegression(), X, Y, cv=3), expected)
    model = make_pipeline(StandardScaler(), LinearRegression())
    options: dict[str, Any] = {"cv": 2, "scoring": ["r2", "neg_mean_absolute_error"], "return_train_score": True}
    with net.measure() as cost:
        scores = cross_validate(model, *data, return_estimator=True, **options)
    theirs = model_selection.cross_validate(
        pipeline.make_pipeline(preprocessing.StandardScaler(), linear_model.LinearRegression()), X, Y, **options
    )
    assert cost.jobs == 1 and len(scores.pop("estimator")) == 2
    assert set(scores) == {key for key in theirs if "time" not in key}
    assert all(np.allclose(scores[key], theirs[key], rtol=1e-5) for key in scores)
    predicted = cross_val_predict(LinearRegression(), *data, cv=3).reveal()
    assert np.allclose(
        predicted, model_selection.cross_val_predict(linear_model.LinearRegression(), X, Y, cv=3), rtol=1e-6
    )


def test_cross_validation_of_classes(net: Any) -> None:
    """A secret y gives shuffled folds, a plain one stratified ones."""
    iris = datasets.load_iris()
    y = net.share(iris.target, bounds=(0, 2))
    model = make_pipeline(StandardScaler(), NearestMean())
    found = cross_val_score(model, net.share(iris.data, bounds=(0, 8)), y, cv=3, scoring="f1_macro")
    folds = KFold(3, shuffle=True, random_state=0)
    assert np.allclose(found, cross_val_score(model, iris.data, iris.target, cv=folds, scoring="f1_macro"), atol=1e-8)
    assert found.mean() > 0.85
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        stratified = model_selection.cross_val_score(
            model, iris.data, iris.target, cv=3
        )  # scikit-learn's, of our model
    assert np.allclose(cross_val_score(model, iris.data, iris.target, cv=3), stratified)


def test_a_grid(net: Any, data: Any) -> None:
    model = make_pipeline(SelectKBest("f_regression"), LinearRegression())
    grid = {"selectkbest__k": [1, 3]}
    reference = model_selection.GridSearchCV(
        pipeline.make_pipeline(
            feature_selection.SelectKBest(feature_selection.f_regression), linear_model.LinearRegression()
        ),
        grid,
        cv=2,
    ).fit(X, Y)
    with net.measure() as cost:
        search = GridSearchCV(model, grid, cv=2).fit(*data)
    assert cost.jobs == 1  # all scores in one plan; the best model is fitted, but not computed yet
    assert search.best_params_ == reference.best_params_ and search.best_index_ == reference.best_index_
    assert search.best_score_ == pytest.approx(reference.best_score_, rel=1e-5)
    for key in ("mean_test_score", "std_test_score", "split1_test_score", "rank_test_score"):
        assert np.allclose(search.cv_results_[key], reference.cv_results_[key], rtol=1e-4)
    assert np.allclose(search.predict(data[0]).reveal(), reference.predict(X), rtol=1e-5)
    assert search.score(*data).reveal() == pytest.approx(reference.score(X, Y), rel=1e-6)
    search.save(net, "grid")
    loaded: Any = tc.load("grid", net)
    assert loaded.best_params_ == search.best_params_
    assert np.allclose(loaded.predict(data[0]).reveal(), reference.predict(X), rtol=1e-5)
    several = [{"a": [1, 2], "b": [3]}, {"c": [None]}]
    assert (
        list(ParameterGrid(several)) == list(model_selection.ParameterGrid(several))
        and len(ParameterGrid(several)) == 3
    )
    with pytest.raises(ValueError, match="a list of at least one"):
        GridSearchCV(model, {"selectkbest__k": 3}).fit(*data)
    with pytest.raises(ValueError, match="no parameter 'nope'"):
        GridSearchCV(model, {"nope": [3]}).fit(*data)
    with pytest.raises(TypeError, match="takes no n_jobs: all of it is one plan"):
        GridSearchCV(model, grid, n_jobs=2)
