"""Columns one by one, of a matrix or of a list of columns, where each has categories or gaps of its own."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercet.array.core import SecretArray
from tercet.array.dtypes import isdtype
from tercet.array.nullable import NullableArray
from tercet.array.numeric import column_bounds
from tercet.array.opaque import OpaqueArray
from tercet.errors import InputError
from tercet.learn.inputs import MOST_CLASSES, missing
from tercet.learn.parameters import check_parameters


def columns_of(X: Any, model: Any, *, fitting: bool) -> list[Any]:
    """The columns of a matrix (n, d), or of a list of columns (n,), as many as the model was fitted on.

    Columns of categories, which cannot be put into a matrix, come as a list: `[table["sex"], table["city"]]`.
    """
    if fitting:
        check_parameters(model)
    names = getattr(X, "columns", None)
    if isinstance(X, list | tuple) and any(isinstance(one, SecretArray) for one in X):
        found = list(X)
        if any(one.ndim != 1 or one.shape != found[0].shape for one in found):
            raise InputError(
                f"columns have shapes {[one.shape for one in found]}", hint="pass columns (n,) of one length"
            )
    else:
        if hasattr(X, "toarray"):
            raise TypeError("X is a sparse matrix: pass a dense array, sparse ones are not supported")
        X = X if isinstance(X, SecretArray) else np.asarray(X)
        if X.ndim != 2 or not X.shape[0] or not X.shape[1]:
            raise InputError(f"X has shape {X.shape}", hint="pass X (n, d), or a list of columns (n,)")
        if isinstance(X, np.ndarray) and X.dtype.kind == "c":
            raise ValueError("Complex data not supported: pass real numbers or texts")
        found = [X[:, at] for at in range(X.shape[1])]
    if fitting:
        model.n_features_in_ = len(found)
        if names is not None and all(isinstance(name, str) for name in names):
            model.feature_names_in_ = np.asarray(names, dtype=object)
    elif len(found) != model.n_features_in_:
        raise ValueError(
            f"X has {len(found)} features, but {type(model).__name__} is expecting {model.n_features_in_} features as "
            "input"
        )
    return found


def bounds_of_columns(X: Any) -> list[tuple[float, float]]:
    """The bounds of each column of a secret matrix: its own, where it was stacked of columns."""
    return column_bounds(X) if isinstance(X, SecretArray) and not isinstance(X, OpaqueArray) else []


def categories_of(column: Any, bounds: tuple[float, float] | None, given: Any = None) -> NDArray[Any]:
    """The public categories of a column: declared ones; both bools; integers within bounds; or those `given`.

    Of a plain column its distinct values. InputError for a secret column that has no such categories.
    """
    if given is not None:
        return np.asarray(given)
    if not isinstance(column, SecretArray):
        return np.unique(column)
    if isinstance(column, NullableArray):
        raise missing("a column")
    if hasattr(type(column), "categories"):
        declared: Any = column
        return np.asarray(declared.categories)
    if column.dtype.name == "bool":
        return np.array([False, True])
    low, high = column.bounds if bounds is None else bounds
    if not isdtype(column.dtype, "integral") or high - low >= MOST_CLASSES:
        raise InputError(
            f"categories are public, and {column.dtype} does not say which there are",
            hint=f"share the column as integers with tight bounds, at most {MOST_CLASSES} of them, as bools or "
            "categories; or pass categories=[[...], ...]",
        )
    return np.arange(int(low), int(high) + 1)


def one_hot_of(column: Any, categories: NDArray[Any]) -> Any:
    """(n, k): whether a value is a category."""
    if hasattr(type(column), "categories"):
        places = [list(column.categories).index(one) for one in categories.tolist()]
        return column.codes[:, None] == np.asarray(places)
    if isinstance(column, SecretArray) and column.dtype.name == "bool":
        column, categories = column.astype(np.int64), np.asarray(categories).astype(np.int64)
    return column[:, None] == categories


def covered(column: Any, bounds: tuple[float, float] | None, categories: Any) -> bool:
    """Whether bounds, declared categories or plain values leave no other value than the categories."""
    if not isinstance(column, SecretArray):
        return bool(np.isin(column, np.asarray(categories)).all())
    if hasattr(type(column), "categories"):
        declared: Any = column
        return set(declared.categories) <= set(categories)
    if column.dtype.name == "bool":
        return {False, True} <= set(categories)
    low, high = column.bounds if bounds is None else bounds
    whole = isdtype(column.dtype, "integral") and high - low < 1 << 16
    return bool(whole and set(range(int(low), int(high) + 1)) <= {*np.asarray(categories).tolist()})
