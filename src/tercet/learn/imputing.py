"""Missing values filled by what is known of their column."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from tercet.array import numeric
from tercet.array.core import SecretArray
from tercet.array.nullable import NullableArray
from tercet.array.runs import mode
from tercet.learn.columns import columns_of
from tercet.learn.inputs import array_namespace
from tercet.learn.kinds import TransformerModel

STRATEGIES = ("mean", "median", "most_frequent", "constant")


class SimpleImputer(TransformerModel):
    """Fills missing values by the mean, median, most frequent value or a constant of their column, as scikit-learn's.

    `transform(X)`: X (n, d), or a list of columns (n,); secret ones with missing values (NullableArray), or plain ones
    with NaN or masked. Nothing is revealed: which values were missing, and how many, stays secret. A column without
    any value is filled with 0 (scikit-learn leaves it out, which would show). `add_indicator` adds a column of 0 and 1
    for every column, scikit-learn only for those that miss values. Of equally frequent values the least is taken.

    After fit: `statistics_` (d,) secret. Means are off by less than a last bit; medians and modes are exact, and count
    as single rows to a policy.
    """

    fitted = ("statistics_",)
    not_offered: ClassVar[Mapping[str, str]] = {
        "missing_values": "missing are NaN, masked values, and what a NullableArray says",
        "copy": "arrays are never changed in place here",
        "keep_empty_features": "columns without any value are kept: leaving them out would show them",
    }

    def __init__(self, *, strategy: str = "mean", fill_value: Any = None, add_indicator: bool = False) -> None:
        self.strategy = strategy
        self.fill_value = fill_value
        self.add_indicator = add_indicator

    def fit(self, X: Any, y: Any = None) -> SimpleImputer:
        """Finds what to fill with. Raises ValueError for other strategies."""
        if self.strategy not in STRATEGIES:
            raise ValueError(f"strategy is one of {', '.join(STRATEGIES)}, not {self.strategy!r}")
        columns = [_with_gaps(one) for one in columns_of(X, self, fitting=True)]
        found = [self._statistic(values, there) for values, there in columns]
        xp = array_namespace(*found)
        self.statistics_ = xp.stack(found) if xp is not np else np.asarray(found, dtype=np.float64)
        return self

    def _statistic(self, values: Any, there: Any) -> Any:
        xp = array_namespace(values)
        if self.strategy == "constant":
            fill = 0 if self.fill_value is None else self.fill_value
            return xp.full_like(xp.sum(values), fill) if isinstance(values, SecretArray) else fill
        if there is None:
            there = xp.ones_like(values, dtype=xp.bool) if xp is np else None
        if xp is np:
            return _plain(values[there], self.strategy)
        column = values if there is None else NullableArray.of_values(values, there)
        if self.strategy == "median":
            return _within(_filled(np.median(column)), values)
        if self.strategy == "most_frequent":
            return _filled(mode(column).mode)
        if there is None:
            return xp.mean(values)
        count = xp.sum(there)
        return _within(column.sum() / xp.where(count == 0, 1, count), values)

    def transform(self, X: Any) -> Any:
        """(n, d) without gaps; with `add_indicator` (n, d) of 0 and 1 behind them. InputError before `fit`."""
        self.check_fitted()
        columns = [_with_gaps(one) for one in columns_of(X, self, fitting=False)]
        xp = array_namespace(self.statistics_, *(values for values, _ in columns))
        filled = [
            values if there is None else xp.where(there, values, numeric.settled(self.statistics_[at]))
            for at, (values, there) in enumerate(columns)
        ]
        if self.add_indicator:
            filled += [
                xp.zeros_like(values, dtype=xp.int64) if there is None else xp.astype(~there, xp.int64)
                for values, there in columns
            ]
        return xp.stack(filled, axis=1)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


def _with_gaps(column: Any) -> tuple[Any, Any]:
    """Values, and where they are; None for everywhere."""
    if isinstance(column, NullableArray):
        return column.values, column.notna()
    if isinstance(column, SecretArray):
        return column, None
    values = np.ma.getdata(column).astype(np.float64)
    if np.isinf(values).any():
        raise ValueError("X contains infinity")
    gaps = np.ma.getmaskarray(column) | np.isnan(values)
    return np.where(gaps, 0.0, values), ~gaps


def _filled(found: Any) -> Any:
    """The statistic of a column, 0 where it had no value."""
    return found.fillna(0) if isinstance(found, NullableArray) else found


def _within(found: Any, values: SecretArray) -> Any:
    """What lies within the bounds of the values, and 0 where there are none, told so to the types."""
    low, high = values.bounds
    return array_namespace(found).clip(found, min(low, 0), max(high, 0))


def _plain(values: Any, strategy: str) -> float:
    if not values.size:
        return 0.0
    if strategy == "most_frequent":
        distinct, counts = np.unique(values, return_counts=True)
        return float(distinct[counts.argmax()])
    return float(np.mean(values) if strategy == "mean" else np.median(values))
