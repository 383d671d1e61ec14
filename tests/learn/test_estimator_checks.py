"""scikit-learn's checks of estimators, on plain data, as far as they make sense here."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
from sklearn.utils.estimator_checks import check_estimator

from tercet.feature_selection import SelectKBest
from tercet.impute import SimpleImputer
from tercet.linear_model import LinearRegression
from tercet.preprocessing import (
    KBinsDiscretizer,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    RobustScaler,
    StandardScaler,
)

INPUT_ERROR = "wrong data is an InputError, as everywhere in Tercet, and no ValueError"
LEFT_OUT = {
    "check_estimators_unfitted": "models that are not fitted raise InputError, not scikit-learn's NotFittedError",
    "check_transformers_unfitted": "models that are not fitted raise InputError, not scikit-learn's NotFittedError",
    "check_estimators_empty_data_messages": INPUT_ERROR,
    "check_fit1d": INPUT_ERROR,
    "check_fit2d_predict1d": INPUT_ERROR,
}
OF_ONE: dict[str, dict[str, str]] = {
    "LinearRegression": {
        "check_regressors_train": INPUT_ERROR,
        "check_supervised_y_2d": "y is one line: several targets are several models",
        "check_fit2d_1sample": INPUT_ERROR,
    },
    "SelectKBest": {"check_fit2d_1sample": INPUT_ERROR},
    "OneHotEncoder": {
        "check_estimators_nan_inf": "a missing value is no category: fill it first",
        "check_dtype_object": "categories have an order, so texts and dicts do not mix",
    },
    "OrdinalEncoder": {
        "check_estimators_nan_inf": "a missing value is no category: fill it first",
        "check_dtype_object": "categories have an order, so texts and dicts do not mix",
    },
}
MODELS = (
    LinearRegression(),
    StandardScaler(),
    MinMaxScaler(),
    RobustScaler(),
    KBinsDiscretizer(),
    PolynomialFeatures(),
    SimpleImputer(),
    SelectKBest(k=1),
    OneHotEncoder(handle_unknown="ignore"),
    OrdinalEncoder(),
)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
def test_checks_of_scikit_learn(model: Any) -> None:
    left_out = {**LEFT_OUT, **OF_ONE.get(type(model).__name__, {})}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the checks warn of classes that are not scikit-learn's
        found = check_estimator(model, expected_failed_checks=left_out, on_fail=None, on_skip=None)
    failed = {one["check_name"]: repr(one["exception"]) for one in found if one["status"] == "failed"}
    assert not failed
    passed = {one["check_name"] for one in found if one["status"] == "passed"}
    assert len(passed) >= 35
    assert not passed & {*OF_ONE.get(type(model).__name__, {})}, "checks that pass need not be left out"
