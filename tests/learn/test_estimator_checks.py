"""Of every model: scikit-learn's checks on plain data (which do not run, and why), and missing values are refused."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import pytest
from sklearn.utils.estimator_checks import check_estimator

import tercet as tc
from every_model import every_model
from tercet.array.nullable import NullableArray
from tercet.errors import InputError
from tercet.learn.model import SecretModel
from tercet.naive_bayes import GaussianNB

SMALL: Final = {"n_estimators": 2, "max_depth": 2, "random_state": 0}
FORESTS: Final = ("RandomForestClassifier", "RandomForestRegressor", "ExtraTreesClassifier", "ExtraTreesRegressor")
BOOSTING: Final = ("HistGradientBoostingClassifier", "HistGradientBoostingRegressor")
PASSES: Final = ("HuberRegressor", "QuantileRegressor", "LinearSVC", "LogisticRegression")
GIVEN: Final[dict[str, dict[str, Any]]] = {
    **{name: SMALL for name in FORESTS},
    **{name: {"max_iter": 2, "max_depth": 2} for name in BOOSTING},
    **{name: {"max_iter": 4} for name in PASSES},
    "IsolationForest": {"n_estimators": 3, "random_state": 0},
    "CalibratedClassifierCV": {"estimator": GaussianNB(), "cv": 2},
    "KMeans": {"n_clusters": 3, "max_iter": 5},
    "OneHotEncoder": {"handle_unknown": "ignore"},
    "SGDClassifier": {"random_state": 0, "loss": "log_loss"},
    "SGDRegressor": {"random_state": 0},
    "SelectKBest": {"k": 1},
    "TruncatedSVD": {"n_components": 1},
}

INPUT_ERROR: Final = "wrong data is an InputError, as everywhere in Tercet, and no ValueError"
UNFITTED: Final = "models that are not fitted raise InputError, not scikit-learn's NotFittedError"
FEW: Final = "so few rows, or only one class, are refused by name"
LEFT_OUT: Final = {
    "check_estimators_unfitted": UNFITTED,
    "check_transformers_unfitted": UNFITTED,
    "check_estimators_empty_data_messages": INPUT_ERROR,
    "check_fit1d": INPUT_ERROR,
    "check_fit2d_predict1d": INPUT_ERROR,
    "check_classifiers_train": INPUT_ERROR,
    "check_regressors_train": INPUT_ERROR,
    "check_sample_weights_shape": INPUT_ERROR,
    "check_supervised_y_2d": "y is one line: several targets are several models",
    "check_fit2d_1sample": FEW,
    "check_classifiers_one_label": FEW,
    "check_non_transformer_estimators_n_iter": "passes are public and as many as max_iter: there is no n_iter_",
}
"""Left out of every model where they do not hold."""
NO_CATEGORY: Final = {
    "check_estimators_nan_inf": "a missing value is no category: fill it first",
    "check_dtype_object": "categories have an order, so texts and dicts do not mix",
}
NEGATIVE: Final = {"check_positive_only_tag_during_fit": INPUT_ERROR, "check_fit_non_negative": INPUT_ERROR}
OF_ONE: Final[dict[str, dict[str, str]]] = {
    "BayesianRidge": {
        "check_sample_weight_equivalence_on_dense_data": "rows are fewer than columns, and fitted without error: the "
        "penalty is then the least that it may be, which is known up to a factor of four",
    },
    "ComplementNB": NEGATIVE,
    "MultinomialNB": NEGATIVE,
    "KMeans": {
        "check_sample_weight_equivalence_on_dense_data": "starts are drawn by the number of rows, which is public",
    },
    "NearestCentroid": {"check_do_not_raise_errors_in_init_or_set_params": "it has no parameters"},
    "OneHotEncoder": NO_CATEGORY,
    "OrdinalEncoder": NO_CATEGORY,
}
"""Of some models besides; a test that one of these still does not hold."""


def models() -> list[Any]:
    return [kind(**GIVEN.get(kind.__name__, {})) for kind in every_model()]


@pytest.mark.parametrize("model", models(), ids=lambda model: type(model).__name__)
def test_checks_of_scikit_learn(model: Any) -> None:
    name = type(model).__name__
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the checks warn of classes that are not scikit-learn's
        found = check_estimator(model, on_fail=None, on_skip=None)
    failed = {one["check_name"]: repr(one["exception"])[:300] for one in found if one["status"] == "failed"}
    left_out = {**LEFT_OUT, **OF_ONE.get(name, {})}
    assert not {one: said for one, said in failed.items() if one not in left_out}
    assert not {*OF_ONE.get(name, {})} - {*failed}, "checks that pass need not be left out"
    runs = 1 if name == "IsotonicRegression" else 34  # of one column, scikit-learn tries little
    assert sum(one["status"] == "passed" for one in found) >= runs


@pytest.fixture(scope="module")
def net() -> Iterator[tc.Session]:
    with tc.local() as session:
        yield session


TAKE_THEM = ("SimpleImputer",)
MODELS = [model for model in models() if type(model).__name__ not in TAKE_THEM]


def with_gaps(net: tc.Session, values: Any, bounds: tuple[int, int]) -> Any:
    gaps = np.zeros(values.shape, dtype=bool)
    gaps.flat[1] = True
    return NullableArray.of_values(net.share(values, bounds=bounds), net.share(~gaps))


@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
def test_missing_values_are_refused_by_name(net: tc.Session, model: SecretModel) -> None:
    x = np.arange(24).reshape(12, 2) % 7
    x = x[:, :1] if type(model).__name__ == "IsotonicRegression" else x
    y = np.arange(12) % 2
    gaps, whole, Y = with_gaps(net, x, (0, 7)), net.share(x, bounds=(0, 7)), net.share(y, bounds=(0, 1))
    fit: Any = model.fit  # type: ignore[attr-defined]
    with pytest.raises(InputError, match=r"some values of .* are missing.*SimpleImputer"):
        fit(gaps, Y)
    supervised = hasattr(model, "score") and type(model).__name__ not in ("KMeans",)
    if supervised:
        with pytest.raises(InputError, match="some values of y are missing"):
            fit(whole, with_gaps(net, y, (0, 1)))
    fitted = fit(whole, Y)
    asked = [name for name in ("predict", "transform", "predict_proba", "decision_function") if hasattr(fitted, name)]
    assert asked
    for name in asked:
        with pytest.raises(InputError, match=r"some values of .* are missing.*SimpleImputer"):
            getattr(fitted, name)(gaps)
