"""Tables of numbers: read and checked from CSV, or the diabetes data; cut into the files of several owners."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tercet.errors import InputError

if TYPE_CHECKING:
    from pandas import DataFrame

FloatArray = NDArray[np.float64]
MIN_ROWS = 6
"""Two for each of three owners."""
_HEADER_LINES = 1


@dataclass(frozen=True)
class TrainingTable:
    """Rows of numbers and the column to predict."""

    features: FloatArray
    target: FloatArray
    feature_names: tuple[str, ...]
    target_name: str

    def __repr__(self) -> str:
        rows, columns = self.features.shape
        return f"TrainingTable({rows} rows, {columns} features, target {self.target_name!r})"


@dataclass(frozen=True)
class Owner:
    """One owner of some of the rows, with the file they lie in."""

    name: str
    path: Path


def diabetes() -> DataFrame:
    """442 patients, ten measurements and the progression of the disease a year later, in the units measured."""
    from sklearn.datasets import load_diabetes

    frame: DataFrame = load_diabetes(as_frame=True, scaled=False).frame
    return frame.rename(columns={"target": "progression"})


def read(path: Path) -> DataFrame:
    """The CSV file as it is; InputError if it cannot be read as one."""
    import pandas

    try:
        return pandas.read_csv(path)
    except FileNotFoundError:
        raise InputError(f"there is no file {path}", hint="give the path of a CSV file behind --data") from None
    except IsADirectoryError:
        raise InputError(f"{path} is a folder", hint="give the path of a CSV file behind --data") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}", hint="check the file's permissions") from None
    except (pandas.errors.EmptyDataError, pandas.errors.ParserError, UnicodeDecodeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(
            f"{path} is not a table of comma-separated values: {reason}",
            hint="the first line names the columns, every other line holds one number a column; UTF-8",
        ) from None


def checked(frame: DataFrame, target: str, *, pooled: bool = True) -> TrainingTable:
    """The frame as numbers; InputError naming the column, and the line in the file, that stands in the way.

    Values are never part of a message. `pooled`: these are all rows, so they must also determine a regression.
    """
    names = [str(name) for name in frame.columns]
    if target not in names:
        raise InputError(f"there is no column {target!r}", hint=f"the columns are: {', '.join(names)}")
    if len(names) < 2:
        raise InputError(f"{target!r} is the only column", hint="add at least one column to predict it from")
    numbers = np.column_stack([_numbers(frame.iloc[:, place], name) for place, name in enumerate(names)])
    feature_names = tuple(name for name in names if name != target)
    at = names.index(target)
    table = TrainingTable(np.delete(numbers, at, axis=1), numbers[:, at], feature_names, target)
    if pooled:
        _determined(table)
    return table


def _numbers(column: Any, name: str) -> FloatArray:
    import pandas

    missing = column.isna().to_numpy()
    if len(missing) and missing.all():
        raise InputError(f"column {name!r} is empty", hint="fill it or remove it from the file")
    numbers: FloatArray = pandas.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    not_numeric = np.isnan(numbers) & ~missing
    for found, what, hint in (
        (not_numeric, "does not hold a number", "encode categories and dates as numbers, or remove the column"),
        (missing, "holds nothing (NaN)", "fill the gap or remove the row"),
        (np.isinf(numbers), "holds infinity", "replace it or remove the row"),
    ):
        if found.any():
            line = int(np.argmax(found)) + 1 + _HEADER_LINES
            more = f" and {found.sum() - 1} more" if found.sum() > 1 else ""
            raise InputError(f"column {name!r} {what} in line {line}{more}", hint=hint)
    return numbers


def _determined(table: TrainingTable) -> None:
    """A regression has one answer only if there are enough rows and no feature follows from the others."""
    rows, features = table.features.shape
    needed = max(MIN_ROWS, features + 2)
    if rows < needed:
        raise InputError(f"{rows} rows are too few for {features} features", hint=f"bring at least {needed} rows")
    centred = table.features - table.features.mean(axis=0)
    spread = np.abs(centred).max(axis=0)
    for name, width in zip(table.feature_names, spread, strict=True):
        if width == 0:
            raise InputError(f"column {name!r} has one value in every row", hint="remove it: it predicts nothing")
    if np.linalg.matrix_rank(centred / spread) < len(spread):
        raise InputError(
            "some columns are sums of multiples of others, so the coefficients are not determined",
            hint="remove columns that follow from others, such as a total beside its parts",
        )


def hand_out(frame: DataFrame, folder: Path, names: Sequence[str]) -> list[Owner]:
    """Write the rows to one file an owner, in nearly equal consecutive parts."""
    owners = []
    for name, rows in zip(names, np.array_split(np.arange(len(frame)), len(names)), strict=True):
        path = folder / f"{name.lower().replace(' ', '-')}.csv"
        frame.iloc[rows].to_csv(path, index=False)
        owners.append(Owner(name, path))
    return owners
