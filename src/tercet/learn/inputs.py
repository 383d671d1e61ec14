"""What models are given: features, targets, weights and classes, checked alike for secret and plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tercet.array import numeric
from tercet.array.core import SecretArray
from tercet.array.dtypes import isdtype
from tercet.array.nullable import NullableArray
from tercet.array.opaque import OpaqueArray
from tercet.errors import InputError
from tercet.learn.parameters import check_parameters

MOST_WEIGHT: Final = 1 << 16
"""Secret weights reach to that by their bounds at most."""
MOST_CLASSES: Final = 256
"""Classes that the bounds of integers give; more are asked for by name."""
FEATURE_BITS: Final = 42
FEATURE_FRAC_BITS: Final = 24
"""Bits of a feature's stored integer, and fractional bits that it keeps in any case: quotients of wide columns, as of
cents by 100, have more, and sums of their squares would outgrow every ring."""


def array_namespace(*arrays: Any) -> Any:
    """The namespace of the first secret array; NumPy if there is none."""
    secret = next((x for x in arrays if isinstance(x, SecretArray)), None)
    return np if secret is None else secret.__array_namespace__()


def is_secret(*arrays: Any) -> bool:
    """Whether one of the arrays is secret."""
    return any(isinstance(x, SecretArray) for x in arrays)


def missing(what: str) -> InputError:
    """The refusal of columns with missing values."""
    return InputError(
        f"some values of {what} are missing",
        hint="fill them first: tercet.impute.SimpleImputer().fit_transform(X), or x.fillna(value)",
    )


def plain_or_secret(values: Any, what: str) -> Any:
    """A secret array of numbers as it is; anything else as a NumPy array of numbers. InputError for missing values."""
    if isinstance(values, NullableArray):
        raise missing(what)
    if isinstance(values, SecretArray):
        return values
    if hasattr(values, "toarray"):
        raise TypeError(f"{what} is a sparse matrix: pass a dense array, sparse ones are not supported")
    found = np.asarray(values)
    if found.dtype == object:
        found = found.astype(np.float64)
    if found.dtype.kind == "c":
        raise ValueError("Complex data not supported: pass real numbers")
    if found.dtype.kind == "f" and not np.isfinite(found).all():
        raise ValueError(f"{what} contains NaN or infinity; fill missing values first, as with SimpleImputer")
    # sums and products of narrow integers would wrap
    return found.astype(np.int64) if found.dtype.kind in "iu" and found.dtype.itemsize < 8 else found


def numbers_only(values: Any, what: str) -> Any:
    """The same array, of plain bools 0 and 1. InputError for texts and dates, secret or plain."""
    if isinstance(values, OpaqueArray):
        raise InputError(f"{what} is no array of numbers: {values._refusal()}")
    if not isinstance(values, SecretArray) and values.dtype.kind not in "biuf":
        raise InputError(
            f"{what} holds {'texts' if values.dtype.kind in 'US' else values.dtype}, not numbers",
            hint="encode categories first: OneHotEncoder, OrdinalEncoder",
        )
    if not isinstance(values, SecretArray) and values.dtype == np.bool_:
        return values.astype(np.int64)  # NumPy multiplies bools as ands, adds them up as ors
    return values


def features(X: Any, model: Any = None, *, fitting: bool = False) -> Any:
    """X as a matrix (n, d) of secret or plain numbers, with as many columns as the model was fitted on.

    `fitting`: sets `n_features_in_`, and `feature_names_in_` where X is a table with names, on the model. Raises
    InputError for other shapes and for columns with missing values. Secret columns finer than 42 bits of their bounds
    are rounded, to 24 fractional bits at least.
    """
    if fitting and model is not None:
        check_parameters(model)
    names = getattr(X, "columns", None)
    X = numbers_only(plain_or_secret(X, "X"), "X")
    if X.ndim != 2:
        raise InputError(f"X has shape {X.shape}", hint="pass X (n, d): Reshape your data, as in x.reshape(-1, 1)")
    rows, columns = X.shape
    if not rows or not columns:
        raise InputError(
            f"0 feature(s) (shape=({rows}, {columns})) while a minimum of 1 is required."
            if not columns
            else f"0 sample(s) (shape=({rows}, {columns})) while a minimum of 1 is required.",
            hint="pass at least one row and one column",
        )
    X = numeric.columns_within(X, FEATURE_BITS, FEATURE_FRAC_BITS)
    if model is None:
        return X
    if fitting:
        model.n_features_in_ = columns
        if names is not None and all(isinstance(name, str) for name in names):
            model.feature_names_in_ = np.asarray(names, dtype=object)
        elif hasattr(model, "feature_names_in_"):
            del model.feature_names_in_
    elif columns != (expected := getattr(model, "n_features_in_", columns)):
        raise ValueError(
            f"X has {columns} features, but {type(model).__name__} is expecting {expected} features as input"
        )
    return X


def target(X: Any, y: Any) -> Any:
    """y as numbers (n,), as many as X has rows. Raises InputError for other shapes and for missing values."""
    if y is None:
        raise ValueError("requires y to be passed, but the target y is None")
    if not isinstance(y, SecretArray):
        y = np.asarray(y)
        if y.dtype == object and all(isinstance(one, str) for one in y.flat):
            y = y.astype(np.str_)
    y = plain_or_secret(y, "y")
    if y.ndim != 1 or y.shape[0] != X.shape[0]:
        raise InputError(f"X has shape {X.shape} and y {y.shape}", hint="pass X (n, d) and y (n,)")
    return y


def not_negative(x: Any, what: str) -> Any:
    """x, of which nothing is below 0: secret elements below count as 0, by a comparison where bounds leave any. Raises
    InputError for plain ones."""
    if isinstance(x, SecretArray):
        return array_namespace(x).maximum(x, 0) if x.bounds[0] < 0 else x
    if x.min(initial=0) < 0:
        raise InputError(f"{what} reaches down to {x.min()}, and is not negative")
    return x


def weights(X: Any, sample_weight: Any) -> Any:
    """Weights (n,), secret or plain: secret ones below 0 count as 0. InputError for plain ones, and other shapes."""
    found = numbers_only(plain_or_secret(sample_weight, "sample_weight"), "sample_weight")
    if not found.ndim:
        found = np.full(X.shape[0], found)
    if found.shape != (X.shape[0],):
        raise InputError(f"sample_weight has shape {found.shape}", hint=f"pass one weight a row: ({X.shape[0]},)")
    if not isinstance(found, SecretArray) and not found.any():
        raise ValueError("all weights are zero: give some rows a weight above 0")
    return not_negative(found, "sample_weight")


def most_of(own: Any) -> int:
    """The least power of two that weights do not pass, by the bounds of secret ones. Raises InputError where these pass
    2^16, as weights far below would lose their digits."""
    most = 1 << max(0, numeric.value_range(own)[1] - 1).bit_length()
    if isinstance(own, SecretArray) and most > MOST_WEIGHT:
        raise InputError(
            f"sample_weight reaches to {most} by its bounds, where small ones lose their digits",
            hint=f"share weights with bounds=(0, most), at most {MOST_WEIGHT}",
        )
    return most


@dataclass(frozen=True)
class Classes:
    """The public classes of a target, in order, and of each row the place of its class among them."""

    classes: NDArray[Any]
    codes: Any

    def one_hot(self) -> Any:
        """(n, k): whether a row is of a class; secret bools of secret codes."""
        return self.codes[:, None] == np.arange(len(self.classes))


def classes_of(y: Any, classes: Any = None) -> Classes:
    """The classes of a target (n,), which are public, and the codes of its rows, which stay secret.

    Of a secret y: both bools; the declared categories of a column; the integers that its bounds leave, up to 256;
    or `classes`, which is sorted. A row of a class that is not among them counts as the first one. Of a plain y: its
    distinct values, or `classes`. Raises InputError for a secret y that has no such public classes, or whose bounds
    leave fewer than two of those given.
    """
    given = None if classes is None else np.unique(np.asarray(classes))
    if not isinstance(y, SecretArray):
        y = np.asarray(y)
        if given is None and y.dtype.kind == "f" and (y != np.rint(y)).any():
            raise ValueError(
                f"Unknown label type: continuous; y {y.dtype} holds numbers, not classes: take a regressor"
            )
        found = np.unique(y) if given is None else given
        if not np.isin(y, found).all():
            raise InputError("y has classes that are not among those given", hint="pass all of them as classes=")
        return Classes(found, np.searchsorted(found, y))
    if isinstance(y, NullableArray):
        raise InputError("some values of y are missing", hint="fill them first, as in y.fillna(value)")
    if hasattr(type(y), "categories"):  # columns of categories stand on a higher floor
        column: Any = y
        categories, places = list(column.categories), column.codes
        if given is None:
            return Classes(np.asarray(categories), places)
        order = [categories.index(one) for one in given.tolist() if one in categories]
        if len(order) != len(given):
            raise InputError(f"the categories are {categories}, not {given.tolist()}", hint="pass some of them")
        return Classes(given, _codes(places, np.asarray(order)))
    if isinstance(y, OpaqueArray):
        raise InputError(f"y has no classes: {y._refusal()}")
    if y.dtype.name == "bool":
        return Classes(np.array([False, True]), y.astype(np.int64))
    low, high = y.bounds
    if given is None:
        if not isdtype(y.dtype, "integral") or high - low >= MOST_CLASSES:
            raise InputError(
                f"the classes of y are public, and {y.dtype} with bounds {y.bounds} does not say which there are",
                hint=f"share y as integers with tight bounds, as bounds=(0, 1), at most {MOST_CLASSES} of them; or as "
                "bools or categories; or pass classes=[...]",
            )
        given = np.arange(int(low), int(high) + 1)
    if _consecutive(given) and low >= given[0] and high <= given[-1]:
        return Classes(given, y - int(given[0]))
    if np.sum((given >= low) & (given <= high)) < min(2, len(given)):
        raise InputError(
            f"y lies in {y.bounds}, and of the classes {given.tolist()} fewer than two do",
            hint="pass the classes that y has: rows of others would count as the first one",
        )
    return Classes(given, _codes(y, given))


def _consecutive(values: NDArray[Any]) -> bool:
    """Whether they are integers, each one more than the one before."""
    return values.dtype.kind in "iu" and bool((np.diff(values) == 1).all())


def _codes(y: SecretArray, values: NDArray[Any]) -> SecretArray:
    """The place of each element among public values; 0 for what is not among them."""
    found: SecretArray = ((y[:, None] == values) * np.arange(len(values))).sum(axis=1)
    return found


def labels(codes: Any, classes: NDArray[Any]) -> Any:
    """The classes that codes stand for, as secret numbers; codes themselves where classes are texts."""
    classes = np.asarray(classes)
    if not isinstance(codes, SecretArray):
        return classes[codes]
    if classes.dtype.kind not in "biuf":
        return codes
    if classes.dtype.kind == "b":
        found = codes == 1 if len(classes) == 2 else (codes == 0) == classes[0]
        return found
    if _consecutive(classes):
        return codes + int(classes[0])
    return ((codes[:, None] == np.arange(len(classes))) * classes).sum(axis=1)


def as_labels(y: Any, classes: Any) -> Any:
    """A target (n,) as `labels` gives secret predictions: numbers, or codes of texts, -1 for what is no class."""
    classes = np.asarray(classes)
    texts = classes.dtype.kind not in "biuf"
    if not isinstance(y, SecretArray):
        return (y[:, None] == classes).astype(np.int64) @ np.arange(1, len(classes) + 1) - 1 if texts else y
    if not hasattr(type(y), "categories"):
        return y
    found = classes_of(y)
    if not texts:
        return labels(found.codes, found.classes)
    order = {one: at for at, one in enumerate(classes.tolist())}
    places = np.array([order.get(one, -1) for one in found.classes.tolist()])
    return (found.one_hot() * places).sum(axis=1)
