"""Scalers, encoders, bins, products, filled gaps and chosen columns beside scikit-learn's, secret and plain."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
import sklearn.base
from sklearn import datasets, feature_selection, impute, preprocessing

import tercet as tc
from tercet.array.decimals import DecimalArray
from tercet.array.nullable import NullableArray
from tercet.client.column_arrays import CategoryArray
from tercet.errors import InputError
from tercet.feature_selection import SelectKBest, f_classif, f_regression
from tercet.impute import SimpleImputer
from tercet.preprocessing import (
    KBinsDiscretizer,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    RobustScaler,
    StandardScaler,
)
from tercet.store.schema import Column

DRAW = np.random.default_rng(3)


@pytest.fixture(scope="module")
def net() -> Iterator[tc.Session]:
    with tc.local() as session:
        yield session


@functools.cache
def table(name: str) -> tuple[Any, Any]:
    """Data of scikit-learn as it is stored at 24 fractional bits."""
    found = getattr(datasets, f"load_{name}")()
    return np.rint(found.data * 2.0**24) / 2.0**24, found.target


def share(net: Any, x: Any) -> Any:
    if x.dtype.kind in "iu":
        return net.share(x, bounds=(int(x.min()), int(x.max())))
    return net.share(x, bounds=(np.floor(x.min()), np.ceil(x.max())), frac_bits=24)


ODD = {
    "one row": np.array([[1.5, -2.0, 3.25]]),
    "two rows, one column": np.array([[1.0], [4.0]]),
    "a constant column": np.array([[1.0, 7.0], [2.0, 7.0], [4.0, 7.0]]),
    "constants": np.full((5, 2), 3.0),
    "ends": np.array([[-1e6, 1e-6], [1e6, 0.0], [0.0, 2e-6]]),
}
SCALERS = (StandardScaler, MinMaxScaler, RobustScaler)


def scaled_alike(net: Any, kind: Any, x: Any, X: Any, within: float = 2e-7, **options: Any) -> None:
    reference = getattr(preprocessing, kind.__name__)(**options).fit(x)
    model, plain = kind(**options).fit(X), kind(**options).fit(x)
    z = model.transform(X)
    found, back, scale = tc.reveal(z, model.inverse_transform(z), model.scale_)
    expected = reference.transform(x)
    assert np.abs(found - expected).max() <= within
    assert np.allclose(plain.transform(x), expected, rtol=1e-12, atol=1e-12)
    assert np.abs(back - x).max() <= 1e-6 * max(1.0, np.abs(x).max())
    wanted = reference.scale_ if kind is not MinMaxScaler else np.where(reference.data_range_, reference.data_range_, 1)
    assert np.allclose(scale, 1 if wanted is None else wanted, rtol=1e-7, atol=1e-7)
    assert max(map(abs, z.bounds)) <= 6 * model.reach_ + 17


@pytest.mark.parametrize("kind", SCALERS)
@pytest.mark.parametrize("name", ["diabetes", "iris", "wine", "breast_cancer"])
def test_scalers(net: Any, kind: Any, name: str) -> None:
    x, _ = table(name)
    scaled_alike(net, kind, x, share(net, x))


@pytest.mark.parametrize("name", ["diabetes", "iris", "wine", "breast_cancer", "digits"])
def test_none_is_refused_at_bounds_of_the_data_and_default_digits(net: Any, name: str) -> None:
    x, y = table(name)
    X = net.share(x, bounds=(np.floor(x.min()), np.ceil(x.max())))
    expected = preprocessing.StandardScaler().fit_transform(np.rint(x * 2.0**16) / 2.0**16)
    z = StandardScaler().fit_transform(X)
    assert np.abs(z.reveal() - expected).max() < 2e-7
    # recorded, and so within bounds
    assert StandardScaler().fit(X).transform(X).bounds[1] < 1000
    assert (
        PolynomialFeatures(2).fit_transform(z[:, :8]).shape[1] == PolynomialFeatures(2).fit(x[:, :8]).n_output_features_
    )
    target = net.share(y, bounds=(int(y.min()), int(y.max())))
    assert SelectKBest(f_regression, k=2).fit_transform(X, target).shape == (len(x), 2)
    for kind in (MinMaxScaler, RobustScaler, KBinsDiscretizer):
        assert kind().fit_transform(X).shape[0] == len(x)


@pytest.mark.parametrize("kind", SCALERS)
@pytest.mark.parametrize("name", ODD)
def test_scalers_of_odd_shapes(net: Any, kind: Any, name: str) -> None:
    x = np.rint(ODD[name] * 2.0**24) / 2.0**24
    scaled_alike(net, kind, x, net.share(x, bounds=(-(2**20), 2**20), frac_bits=24))


def test_wide_and_mixed_columns(net: Any) -> None:
    """Times in milliseconds beside decimals of six digits; bounds that are not tight."""
    times = DRAW.integers(1_600_000_000_000, 1_700_000_000_000, 40)
    part = DRAW.normal(size=40)
    part = np.rint(part * 2.0**24) / 2.0**24
    X = tc.stack([net.share(times, bounds=(0, 2**41)), net.share(part, bounds=(-100, 100), frac_bits=24)], axis=1)
    x = np.column_stack([times - times.mean(), part])
    found = StandardScaler().fit_transform(X).reveal()
    assert np.abs(found - (x - x.mean(axis=0)) / x.std(axis=0)).max() < 2e-7


def test_decimals_are_scaled_as_written(net: Any) -> None:
    x = DRAW.integers(0, 100_000, (30, 2))
    X = DecimalArray.of(net.share(x, bounds=(0, 100_000)), 3)
    assert X[0, 0].reveal() == Decimal(int(x[0, 0])) / 1000
    model = StandardScaler().fit(X)
    mean, var, z = tc.reveal(model.mean_, model.var_, model.transform(X))
    assert np.allclose(np.asarray(mean, float), x.mean(axis=0) / 1000, rtol=1e-9)
    assert np.allclose(np.asarray(var, float), x.var(axis=0) / 1e6, rtol=1e-9)
    assert np.abs(z - (x - x.mean(axis=0)) / x.std(axis=0)).max() < 2e-7


def test_options_of_scalers(net: Any) -> None:
    x, _ = table("wine")
    X = share(net, x)
    for options in ({"with_mean": False}, {"with_std": False}):
        expected = preprocessing.StandardScaler(**options).fit_transform(x)
        found = StandardScaler(**options).fit_transform(X).reveal()
        assert np.abs(found - expected).max() <= 1e-7 * np.abs(expected).max()
    far = net.share(np.array([[1e4] * 13]), bounds=(0, 2**14), frac_bits=24)
    clipped = MinMaxScaler((-1, 2), clip=True).fit(X)
    assert np.allclose(clipped.transform(far).reveal(), 2)
    assert np.abs(clipped.transform(X).reveal() - preprocessing.MinMaxScaler((-1, 2)).fit_transform(x)).max() < 1e-6
    scaled_alike(net, RobustScaler, x, X, quantile_range=(10.0, 90.0))
    with pytest.raises(TypeError, match="takes no unit_variance: divide"):
        RobustScaler(unit_variance=True)
    with pytest.raises(TypeError, match="takes no copy: arrays are never changed"):
        StandardScaler(copy=False)
    with pytest.raises(ValueError, match="does not ascend"):
        MinMaxScaler((1, 1)).fit(X)
    with pytest.raises(InputError, match="not fitted"):
        StandardScaler().transform(X)
    with pytest.raises(ValueError, match="is expecting 13"):
        StandardScaler().fit(X).transform(X[:, :3])
    new = StandardScaler().fit(X).transform(far)
    assert np.all(np.abs(new.reveal()) <= 128.001) and np.all(new.reveal()[0, :4] >= 127.999)


def test_a_scaler_is_kept(net: Any) -> None:
    x, _ = table("iris")
    X = share(net, x)
    for kind in SCALERS:
        model = kind().fit(X).save(net, f"kept-{kind.__name__}")
        loaded: Any = tc.load(f"kept-{kind.__name__}", net)
        assert repr(loaded) == repr(model) == repr(sklearn.base.clone(model)) and loaded.n_features_in_ == 4
        expected = getattr(preprocessing, kind.__name__)().fit_transform(x)
        assert np.abs(loaded.transform(X).reveal() - expected).max() < 1e-5


def test_encoders(net: Any) -> None:
    x = np.column_stack([np.resize(np.arange(4), 30), np.resize([8, 5, 7, 6, 5], 30)])
    X = tc.stack([net.share(x[:, 0], bounds=(0, 3)), net.share(x[:, 1], bounds=(5, 8))], axis=1)
    for options in ({}, {"drop": "first"}, {"drop": "if_binary"}):
        reference = preprocessing.OneHotEncoder(sparse_output=False, **options).fit(x)
        model = OneHotEncoder(**options).fit(X)
        assert np.array_equal(model.transform(X).reveal(), reference.transform(x))
        assert np.array_equal(OneHotEncoder(**options).fit_transform(x), reference.transform(x))
        assert np.array_equal(model.get_feature_names_out(), reference.get_feature_names_out())
        assert np.array_equal(model.inverse_transform(model.transform(X)).reveal(), x)
    model = OrdinalEncoder().fit(X)
    assert np.array_equal(model.transform(X).reveal(), preprocessing.OrdinalEncoder().fit_transform(x))
    assert np.array_equal(model.inverse_transform(model.transform(X)).reveal(), x)
    options = {"categories": [[1, 3], [5, 6]], "handle_unknown": "use_encoded_value", "unknown_value": -1}
    found = OrdinalEncoder(**options).fit_transform(X).reveal()
    assert np.array_equal(found, preprocessing.OrdinalEncoder(**options).fit_transform(x))
    ignoring = OneHotEncoder(categories=[[1], [5, 6]], handle_unknown="ignore").fit(X)
    reference = preprocessing.OneHotEncoder(categories=[[1], [5, 6]], handle_unknown="ignore", sparse_output=False)
    assert np.array_equal(ignoring.transform(X).reveal(), reference.fit_transform(x))
    with pytest.raises(InputError, match="column 0 may hold other values than its categories"):
        OneHotEncoder(categories=[[1], [5, 6]]).fit(X)
    with pytest.raises(InputError, match="categories are public"):
        OneHotEncoder().fit(net.share([[1], [2]], bounds=(0, 10_000)))
    with pytest.raises(TypeError, match="how often a secret category occurs would show"):
        OneHotEncoder(min_frequency=3)
    with pytest.raises(ValueError, match="unknown categories"):
        OneHotEncoder().fit(x).transform(x + 1)


def test_columns_of_categories_come_as_a_list(net: Any) -> None:
    column = Column(name="city", kind="category", categories=("bonn", "aachen", "calw"))  # type: ignore[arg-type]
    city = CategoryArray.of_column(net.share([2, 0, 1, 1], bounds=(0, 2)), column)
    ill = net.share([True, False, True, True])
    model = OneHotEncoder().fit([city, ill])
    assert model.transform([city, ill]).reveal().tolist() == [
        [0, 0, 1, 0, 1],
        [1, 0, 0, 1, 0],
        [0, 1, 0, 0, 1],
        [0, 1, 0, 0, 1],
    ]
    assert model.get_feature_names_out(["city", "ill"]).tolist()[0] == "city_bonn"
    assert OrdinalEncoder().fit_transform([city, ill]).reveal().tolist() == [[2, 1], [0, 0], [1, 1], [1, 1]]
    with pytest.raises(InputError, match="nothing of this model is secret"):
        model.save(net, "cities")


@pytest.mark.parametrize("strategy", ["uniform", "quantile"])
def test_bins(net: Any, strategy: str) -> None:
    x, _ = table("iris")
    x = np.unique(np.round(x[:, [0, 2]] + DRAW.uniform(0, 0.05, (150, 2)), 4), axis=0)
    x = np.rint(x * 2.0**24) / 2.0**24
    X = share(net, x)
    same = {"subsample": None, **({"quantile_method": "linear"} if strategy == "quantile" else {})}
    for encode in ("ordinal", "onehot-dense"):
        reference = preprocessing.KBinsDiscretizer(4, strategy=strategy, encode=encode, **same).fit(x)
        model = KBinsDiscretizer(4, strategy=strategy, encode=encode).fit(X)
        assert np.array_equal(model.transform(X).reveal(), reference.transform(x))
        assert np.allclose(model.bin_edges_.reveal(), np.stack(reference.bin_edges_, axis=1), atol=1e-6)
        assert np.array_equal(
            KBinsDiscretizer(4, strategy=strategy, encode=encode).fit_transform(x), reference.transform(x)
        )
    ordinal = KBinsDiscretizer(4, strategy=strategy, encode="ordinal").fit(X)
    wanted = preprocessing.KBinsDiscretizer(4, strategy=strategy, encode="ordinal", **same).fit(x)
    back = ordinal.inverse_transform(ordinal.transform(X)).reveal()
    assert np.abs(back - wanted.inverse_transform(wanted.transform(x))).max() < 1e-4
    with pytest.raises(ValueError, match="encode is 'ordinal'"):
        KBinsDiscretizer(4, encode="onehot").fit(X)


@pytest.mark.parametrize(
    "options", [{"degree": 3}, {"interaction_only": True, "degree": 3}, {"degree": (2, 3), "include_bias": False}]
)
def test_products(net: Any, options: Any) -> None:
    x = DRAW.integers(-9, 9, (6, 3))
    reference = preprocessing.PolynomialFeatures(**options).fit(x)
    model = PolynomialFeatures(**options).fit(net.share(x, bounds=(-9, 9)))
    assert np.array_equal(model.transform(net.share(x, bounds=(-9, 9))).reveal(), reference.transform(x))
    assert np.array_equal(PolynomialFeatures(**options).fit_transform(x), reference.transform(x))
    assert np.array_equal(model.get_feature_names_out(), reference.get_feature_names_out())
    half = net.share(x / 4, bounds=(-9, 9))
    assert np.allclose(model.transform(half).reveal(), reference.transform(x / 4), atol=1e-3)


@pytest.mark.parametrize("strategy", ["mean", "median", "most_frequent", "constant"])
def test_gaps(net: Any, strategy: str) -> None:
    x = DRAW.integers(0, 6, (21, 3))
    gaps = DRAW.random((21, 3)) < 0.3
    plain = np.where(gaps, np.nan, x)
    X = NullableArray.of_values(net.share(x, bounds=(0, 9)), net.share(~gaps))
    for indicator in (False, True):
        options = {
            "strategy": strategy,
            "add_indicator": indicator,
            "fill_value": 2 if strategy == "constant" else None,
        }
        expected = impute.SimpleImputer(**options).fit_transform(plain)
        model = SimpleImputer(**options).fit(X)
        assert np.abs(model.transform(X).reveal() - expected).max() < 2e-5
        assert np.allclose(SimpleImputer(**options).fit_transform(plain), expected)
    assert model.statistics_.bounds[0] >= 0 and model.statistics_.bounds[1] <= 9
    apart = model.transform([X[:, 0], X[:, 1], X[:, 2]])
    assert np.allclose(apart.reveal(), model.transform(X).reveal(), atol=4e-5)
    none = NullableArray.of_values(net.share(x, bounds=(0, 9)), net.share(np.zeros((21, 3), bool)))
    assert np.all(SimpleImputer(strategy=strategy).fit_transform(none).reveal() == 0)
    whole = net.share(x, bounds=(0, 9))
    assert np.array_equal(SimpleImputer(strategy=strategy).fit_transform(whole).reveal(), x)


@pytest.mark.parametrize(
    ("name", "score"),
    [("iris", f_classif), ("wine", f_classif), ("breast_cancer", f_classif), ("diabetes", f_regression)],
)
def test_chosen_columns(net: Any, name: str, score: Any) -> None:
    x, y = table(name)
    X, t = share(net, x), net.share(y if score is f_regression else y.astype(int), bounds=(int(y.min()), int(y.max())))
    k = min(5, x.shape[1] - 1)
    theirs = getattr(feature_selection, score.__name__)
    reference = feature_selection.SelectKBest(theirs, k=k).fit(x, y)
    model = SelectKBest(score, k=k).fit(X, t)
    scores, support, found = tc.reveal(model.scores_, model.get_support(), model.transform(X))
    n = len(y)
    assert np.all(np.abs(scores - reference.scores_) <= n * 2e-7 * (1 + reference.scores_ / n) ** 2)
    assert np.array_equal(support, reference.get_support())
    assert np.array_equal(found, reference.transform(x))
    assert model.transform(X).bounds == (min(X.bounds[0], 0), X.bounds[1])
    plain = SelectKBest(score.__name__, k=k).fit(x, y)
    assert np.allclose(plain.scores_, reference.scores_, rtol=1e-9)
    assert np.array_equal(plain.transform(x), reference.transform(x))
    if name == "iris":
        model.save(net, "chosen")
        loaded: Any = tc.load("chosen", net)
        assert repr(loaded) == "SelectKBest(k=3)" and np.array_equal(loaded.transform(X).reveal(), found)


def test_one_column_of_all_and_of_equal_scores(net: Any) -> None:
    x = np.repeat(np.arange(8.0)[:, None], 3, axis=1)
    X, y = share(net, x), net.share(np.arange(8) % 2, bounds=(0, 1))
    one = SelectKBest(k=1).fit(X, y)  # scores of equal columns differ by their roundings
    assert one.get_support().reveal().sum() == 1 and np.array_equal(one.transform(X).reveal(), x[:, :1])
    equal = SelectKBest(lambda X, y: X.sum(axis=0) * 0, k=2).fit(X, y)
    assert equal.get_support().reveal().tolist() == [True, True, False]
    assert SelectKBest(k="all").fit_transform(X, y).reveal().tolist() == x.tolist()
    with pytest.raises(ValueError, match="from 1 to 3"):
        SelectKBest(k=4).fit(X, y)
    told = net.share(np.array([0, 0, 1, 1]), bounds=(0, 3))  # two classes have no rows
    with pytest.raises(InputError, match="4 rows in 4 classes"):
        f_classif(X[:4], told)
    exact = f_regression(X, net.share(np.arange(8.0) * 2, bounds=(0, 20))).reveal()
    assert np.all(exact >= 1e6)


def test_nothing_is_revealed_by_fitting(net: Any) -> None:
    x, y = table("iris")
    X, t = share(net, x), net.share(y, bounds=(0, 2))
    with net.measure() as cost:
        StandardScaler().fit_transform(X)
        RobustScaler().fit_transform(X)
        SelectKBest(k=2).fit_transform(X, t)
        KBinsDiscretizer(3).fit_transform(X)
    assert cost.jobs == 0
