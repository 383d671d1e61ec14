"""Predictions, their errors and scores on scikit-learn's data with inferred schemas; nothing declared or revealed."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import datasets
from sklearn.linear_model import LinearRegression as Reference

import tercet.array as tc
from plan_trio import TrioSession
from tercet.array.decimals import DecimalArray
from tercet.client.infer import infer
from tercet.errors import InputError
from tercet.learn.linear_model import LinearRegression
from tercet.learn.scores import WORST

SETS = ["wine", "breast_cancer", "diabetes", "iris", "homes"]


def homes() -> tuple[pd.DataFrame, Any]:
    """Columns of sizes as different as those of the California housing data."""
    rng, n = np.random.default_rng(0), 1000
    frame = pd.DataFrame(
        {
            "income": np.round(rng.lognormal(1.2, 0.5, n), 4),
            "age": rng.integers(1, 52, n),
            "rooms": np.round(rng.normal(5.4, 1.2, n), 6),
            "people": rng.integers(3, 9000, n),
            "latitude": np.round(rng.uniform(32, 42, n), 2),
            "longitude": np.round(rng.uniform(-124, -114, n), 2),
        }
    )
    return frame, np.round(0.4 * frame.income + 0.01 * frame.age - 0.1 * frame.latitude + rng.normal(4, 0.5, n), 3)


def table_of(name: str) -> pd.DataFrame:
    if name == "homes":
        frame, target = homes()
    else:
        found = getattr(datasets, f"load_{name}")(as_frame=True)
        frame, target = found.data.copy(), found.target
    frame.columns = [f"c{place}" for place in range(frame.shape[1])]
    return frame.assign(target=np.asarray(target))


def shared(session: TrioSession, frame: pd.DataFrame) -> tuple[dict[str, Any], pd.DataFrame]:
    """Columns at the bounds and scales that inference proposes, and what they hold as stored."""
    arrays, stored = {}, {}
    for column in infer(frame).schema.columns:
        values = frame[column.name].to_numpy().astype(float)
        frac_bits = column.frac_bits or 24  # as finely as whole numbers and digits come
        lo, hi = (values.min(), values.max()) if column.lo is None else (float(column.lo), float(column.hi))
        bounds = (int(np.floor(lo)), int(np.ceil(hi)))
        if str(column.kind) == "decimal":
            stored[column.name] = np.rint(values * 2.0**frac_bits) / 2.0**frac_bits
            arrays[column.name] = session.share(values, bounds=bounds, frac_bits=frac_bits)
        else:
            stored[column.name] = values
            arrays[column.name] = session.share(values.astype(np.int64), bounds=bounds)
    return arrays, pd.DataFrame(stored)


@pytest.mark.parametrize("name", SETS)
def test_as_scikit_learn(name: str) -> None:
    session = TrioSession()
    session.check = False
    arrays, stored = shared(session, table_of(name))
    y, X = arrays["target"], tc.stack([arrays[one] for one in arrays if one != "target"], axis=1)
    plain, target = stored.drop(columns="target"), stored["target"]
    reference = Reference().fit(plain, target)
    expected = reference.predict(plain)
    model = LinearRegression().fit(X, y)
    predicted = model.predict(X)
    mean_squared = ((y - predicted) ** 2).mean()
    found, error, score = tc.reveal(predicted, mean_squared, model.score(X, y))
    assert np.max(np.abs(found - expected)) <= 1e-6 * np.max(np.abs(expected))
    assert error == pytest.approx(np.mean((target - expected) ** 2), rel=1e-6)
    assert score == pytest.approx(reference.score(plain, target), rel=1e-6)
    lo, hi = predicted.bounds
    assert lo >= -1001 * (target.max() - target.min() + 1) * 2 and hi <= 1001 * (target.max() * 2 + 1) * 2
    assert mean_squared.bounds[0] == 0


@pytest.mark.parametrize("name", ["wine", "breast_cancer"])
def test_columns_with_digits_beside_such_with_fractional_bits(name: str) -> None:
    """What inference proposes for these tables, as it is: decimals of few digits, and fixed point of more."""
    session, frame = TrioSession(), table_of(name)
    session.check = False
    arrays, stored = [], {}
    for column in infer(frame.drop(columns="target")).schema.columns:
        values, bounds = frame[column.name].to_numpy(), (int(column.lo or 0), math.ceil(column.hi or 0))
        digits, frac_bits = column.digits or 0, column.frac_bits
        if frac_bits is None:
            whole = np.rint(values * 10**digits).astype(np.int64)
            integers = session.share(whole, bounds=(bounds[0] * 10**digits, bounds[1] * 10**digits))
            arrays.append(DecimalArray.of(integers, digits) if digits else integers)
            stored[column.name] = whole / 10**digits
        else:
            arrays.append(session.share(values, bounds=bounds, frac_bits=frac_bits))
            stored[column.name] = np.rint(values * 2.0**frac_bits) / 2.0**frac_bits
    assert {isinstance(one, DecimalArray) for one in arrays} == {False, True}
    X, y, plain = (
        tc.stack(arrays, axis=1),
        session.share(frame["target"].to_numpy(), bounds=(0, 5)),
        pd.DataFrame(stored),
    )
    reference = Reference().fit(plain, frame["target"])
    expected = reference.predict(plain)
    model = LinearRegression().fit(X, y)
    predicted = model.predict(X)
    found, error, score = tc.reveal(predicted, ((y - predicted) ** 2).mean(), model.score(X, y))
    assert np.max(np.abs(found - expected)) <= 1e-6 * np.max(np.abs(expected))
    assert error == pytest.approx(np.mean((frame["target"] - expected) ** 2), rel=1e-6)
    assert score == pytest.approx(reference.score(plain, frame["target"]), rel=1e-6)


@pytest.mark.parametrize("name", ["wine", "iris", "breast_cancer"])
def test_decimals_with_digits(name: str) -> None:
    """Exactly the numbers that are written: scikit-learn's on the raw data, to 1e-6."""
    session, frame = TrioSession(), table_of(name)
    session.check = False
    X, y = decimals(session, frame.drop(columns="target")), session.share(frame["target"].to_numpy(), bounds=(0, 5))
    plain, target = frame.drop(columns="target"), frame["target"]
    reference = Reference().fit(plain, target)
    expected = reference.predict(plain)
    model = LinearRegression().fit(X, y)
    predicted = model.predict(X)
    found, error, score, first = tc.reveal(
        predicted, ((y - predicted) ** 2).mean(), model.score(X, y), model.predict(X[:3])
    )
    assert np.max(np.abs(found - expected)) <= 1e-6 * np.max(np.abs(expected))
    assert np.max(np.abs(first - expected[:3])) <= 1e-6 * np.max(np.abs(expected))
    assert error == pytest.approx(np.mean((target - expected) ** 2), rel=1e-6)
    assert score == pytest.approx(reference.score(plain, target), rel=1e-6)
    if name == "breast_cancer":
        return  # six digits, 30 columns and coefficients of any size beside 30 fractional bits: more than 126 bits
    # a model of decimals predicts for fixed point, too
    rounded = session.share(plain.to_numpy()[:3], bounds=(0, 10_000), frac_bits=30)
    assert np.allclose(model.predict(rounded).reveal(), expected[:3], atol=1e-4)


def decimals(session: TrioSession, plain: pd.DataFrame) -> Any:
    columns = []
    for name in plain:
        values = plain[name].to_numpy()
        digits = next(k for k in range(9) if np.allclose(values * 10**k, np.rint(values * 10**k), atol=1e-6))
        whole = np.rint(values * 10**digits).astype(np.int64)
        columns.append(DecimalArray.of(session.share(whole, bounds=(0, int(1.5 * whole.max()) + 1)), digits))
    return tc.stack(columns, axis=1)


def test_scores_have_a_lower_end_and_hold_it() -> None:
    session = TrioSession()
    X = session.share(np.arange(8.0)[:, None], bounds=(0, 10))
    y = session.share(np.arange(8.0), bounds=(0, 10))
    model = LinearRegression().fit(X, y)
    assert model.score(X, y).reveal() == pytest.approx(1, abs=1e-8)
    assert model.score(X, y).bounds[1] == 1
    assert model.score(X, y[::-1]).reveal() == pytest.approx(-3, abs=1e-6)
    far = session.share(np.full(8, 9.0) + np.arange(8) % 2 * 0.01, bounds=(0, 10))
    assert model.score(X, far).reveal() == pytest.approx(1 - WORST, abs=1e-6)
    assert model.score(X, session.share(np.full(8, 3.0), bounds=(0, 10))).reveal() == 0  # nothing to explain
    with pytest.raises(InputError, match="shape"):
        model.score(X, y[:3])
    with pytest.raises(InputError, match="not fitted"):
        LinearRegression().score(X, y)


def test_predictions_far_outside_stand_at_the_end() -> None:
    session = TrioSession()
    X, y = session.share(np.arange(8.0)[:, None], bounds=(0, 10)), session.share(np.arange(8.0), bounds=(0, 10))
    model = LinearRegression().fit(X, y)
    lo, hi, _ = model.reach_
    assert (lo, hi) == (-10_000, 10_010)
    new = session.share([[9_000.0], [-1e6], [1e6]], bounds=(-(2**20), 2**20))
    assert model.predict(new).reveal() == pytest.approx([9_000, lo, hi], rel=1e-6)


def test_the_same_on_numpy() -> None:
    frame = table_of("diabetes")
    X, y = frame.drop(columns="target").to_numpy(), frame["target"].to_numpy()
    model = LinearRegression().fit(X, y)
    assert model.score(X, y) == pytest.approx(Reference().fit(X, y).score(X, y), rel=1e-9)


def test_what_is_public_of_a_model_is_json() -> None:
    """Nodes keep it so, and refuse anything that JSON gives back as another type."""
    session = TrioSession()
    model = LinearRegression().fit(session.share(np.arange(8.0)[:, None]), session.share(np.arange(8.0)))
    public = {key: getattr(model, key) for key in model.fitted if not isinstance(getattr(model, key), tc.SecretArray)}
    assert set(public) == {"coef_bits_", "reach_"}
    assert json.loads(json.dumps(public)) == public
