"""Categories as numbers: one column for each, or their places."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tercet.array.core import SecretArray
from tercet.array.nullable import NullableArray
from tercet.errors import InputError
from tercet.learn.columns import bounds_of_columns, categories_of, columns_of, covered, one_hot_of
from tercet.learn.inputs import array_namespace, labels, missing
from tercet.learn.kinds import TransformerModel

_LEARNT = "how often a secret category occurs would show: merge categories by public rules before"


class _Encoder(TransformerModel):
    """Knows the public categories of each column."""

    categories: Any
    handle_unknown: str
    categories_: list[NDArray[Any]]
    not_offered: ClassVar[Mapping[str, str]] = {
        "min_frequency": _LEARNT,
        "max_categories": _LEARNT,
        "dtype": "codes and 0 or 1 are integers",
        "sparse_output": "the result is dense",
        "feature_name_combiner": "get_feature_names_out joins names by _",
        "encoded_missing_value": "fill missing values first, as in x.fillna(value)",
    }

    def fit(self, X: Any, y: Any = None) -> Any:
        """Finds the public categories; of secret columns nothing is computed.

        Raises InputError for a secret column whose categories are not declared and may hold others than those given.
        """
        columns, bounds = columns_of(X, self, fitting=True), bounds_of_columns(X)
        if self.handle_unknown not in self._unknown:
            raise ValueError(f"handle_unknown is {' or '.join(map(repr, self._unknown))}, not {self.handle_unknown!r}")
        given = [None] * len(columns) if isinstance(self.categories, str) else list(self.categories)
        if len(given) != len(columns):
            raise ValueError("Shape mismatch: if categories is an array, it has to be of shape (n_features,).")
        self.categories_ = [
            categories_of(column, bounds[at] if bounds else None, given[at]) for at, column in enumerate(columns)
        ]
        self._check(columns, bounds)
        self._settle()
        return self

    _unknown: ClassVar[tuple[str, ...]]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.categorical = True
        return tags

    def _settle(self) -> None:
        """What else there is to find."""

    def _check(self, columns: list[Any], bounds: list[tuple[float, float]]) -> None:
        if self.handle_unknown != "error":
            return
        for at, (column, known) in enumerate(zip(columns, self.categories_, strict=True)):
            if covered(column, bounds[at] if bounds else None, known):
                continue
            if isinstance(column, SecretArray):
                raise InputError(
                    f"column {at} may hold other values than its categories, and whether it does would show",
                    hint=f"pass handle_unknown={self._unknown[1]!r}, or share it with bounds that leave no others",
                )
            others = sorted(set(np.unique(column).tolist()) - set(known.tolist()), key=str)
            raise ValueError(f"Found unknown categories {others} in column {at} during transform")

    def _columns(self, X: Any) -> list[Any]:
        self.check_fitted()
        columns = columns_of(X, self, fitting=False)
        if any(isinstance(column, NullableArray) for column in columns):
            raise missing("a column")
        self._check(columns, bounds_of_columns(X))
        return columns

    def _names(self, input_features: Any) -> list[str]:
        if input_features is None:
            input_features = getattr(self, "feature_names_in_", [f"x{at}" for at in range(len(self.categories_))])
        return [str(one) for one in input_features]


class OneHotEncoder(_Encoder):
    """A column of 0 and 1 for each category of each column, as scikit-learn's with a dense result.

    `transform(X)`: X (n, d), or a list of columns (n,) such as columns of categories; gives secret integers (n, k).
    Categories are public: declared ones, bools, the integers within a column's bounds, or `categories=[[...], ...]`.
    `drop`: None, "first" or "if_binary". `handle_unknown`: with "error" a column must be known to hold nothing else,
    by its bounds; "ignore" gives zeros. One equality a category and value, and a word for it; exact, nothing is
    opened.
    """

    fitted = ("categories_", "drop_idx_")
    _unknown = ("error", "ignore")

    def __init__(self, *, categories: Any = "auto", drop: str | None = None, handle_unknown: str = "error") -> None:
        self.categories = categories
        self.drop = drop
        self.handle_unknown = handle_unknown

    def _settle(self) -> None:
        if self.drop not in (None, "first", "if_binary"):
            raise ValueError(f"drop is None, 'first' or 'if_binary', not {self.drop!r}")
        dropping = [self.drop == "first" or (self.drop == "if_binary" and len(one) == 2) for one in self.categories_]
        self.drop_idx_ = [0 if one else None for one in dropping]

    def transform(self, X: Any) -> Any:
        """(n, k) of 0 and 1. Raises InputError before `fit`, ValueError for plain values that are no category."""
        columns = self._columns(X)
        xp = array_namespace(*columns)
        parts = [
            one_hot_of(column, known)[:, 0 if dropped is None else 1 :]
            for column, known, dropped in zip(columns, self.categories_, self.drop_idx_, strict=True)
        ]
        found = xp.concat(parts, axis=1)
        return found.astype(np.int64 if isinstance(found, SecretArray) else np.float64)

    def inverse_transform(self, X: Any) -> list[Any] | Any:
        """The categories that rows of 0 and 1 stand for, columns side by side; codes, where categories are texts."""
        self.check_fitted()
        found, at = [], 0
        for known, dropped in zip(self.categories_, self.drop_idx_, strict=True):
            left = np.arange(len(known))[0 if dropped is None else 1 :]
            part, at = X[:, at : at + len(left)], at + len(left)
            xp = array_namespace(part)
            codes = xp.sum(part * left, axis=1)
            found.append(labels(codes if isinstance(codes, SecretArray) else codes.astype(np.int64), known))
        return array_namespace(*found).stack(found, axis=1)

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[Any]:
        """Names of the columns of the result: `column_category`."""
        self.check_fitted()
        names = [
            f"{name}_{one}"
            for name, known, dropped in zip(self._names(input_features), self.categories_, self.drop_idx_, strict=True)
            for one in known[0 if dropped is None else 1 :]
        ]
        return np.asarray(names, dtype=object)


class OrdinalEncoder(_Encoder):
    """The place of each value among its column's public categories, as scikit-learn's; secret integers (n, d).

    As OneHotEncoder finds them. `handle_unknown`: "error" as there; with "use_encoded_value" others are
    `unknown_value`, an integer. Columns of categories and integers that follow on each other cost nothing, others an
    equality a category and value. Exact; nothing is opened.
    """

    fitted = ("categories_",)
    _unknown = ("error", "use_encoded_value")

    def __init__(
        self, *, categories: Any = "auto", handle_unknown: str = "error", unknown_value: int | None = None
    ) -> None:
        self.categories = categories
        self.handle_unknown = handle_unknown
        self.unknown_value = unknown_value

    def _settle(self) -> None:
        if (self.handle_unknown == "use_encoded_value") != isinstance(self.unknown_value, int):
            raise TypeError("unknown_value should be an integer when handle_unknown is 'use_encoded_value', else None")

    def transform(self, X: Any) -> Any:
        """Codes from 0 on. Raises InputError before `fit`, ValueError for plain values that are no category."""
        columns = self._columns(X)
        xp, bounds = array_namespace(*columns), bounds_of_columns(X)
        codes = [
            self._codes(column, bounds[at] if bounds else None, known)
            for at, (column, known) in enumerate(zip(columns, self.categories_, strict=True))
        ]
        found = xp.stack(codes, axis=1)
        return found if isinstance(found, SecretArray) else found.astype(np.float64)

    def _codes(self, column: Any, bounds: tuple[float, float] | None, known: NDArray[Any]) -> Any:
        direct = covered(column, bounds, known) and self.unknown_value is None
        if direct and hasattr(type(column), "categories") and list(column.categories) == known.tolist():
            return column.codes
        if direct and isinstance(column, SecretArray) and known.dtype.kind in "iu" and (np.diff(known) == 1).all():
            return column - int(known[0])
        xp = array_namespace(column)
        hot = one_hot_of(column, known)
        codes = xp.sum(hot * np.arange(len(known)), axis=1)
        if self.unknown_value is None:
            return codes
        return codes + (1 - xp.sum(hot * np.ones(len(known), np.int64), axis=1)) * self.unknown_value

    def inverse_transform(self, X: Any) -> Any:
        """The categories that codes stand for, columns side by side; codes, where categories are texts."""
        self.check_fitted()
        secret = isinstance(X, SecretArray)
        found = [
            labels(X[:, at] if secret else np.asarray(X)[:, at].astype(np.int64), known)
            for at, known in enumerate(self.categories_)
        ]
        return array_namespace(*found).stack(found, axis=1)
