"""Different transformers for different columns, with scikit-learn's names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from tercet.array.core import SecretArray
from tercet.array.nullable import NullableArray
from tercet.array.opaque import OpaqueArray
from tercet.errors import InputError
from tercet.learn.copying import clone
from tercet.learn.inputs import array_namespace
from tercet.learn.model import SecretModel


class ColumnTransformer(SecretModel):
    """Transformers for some columns each, and what they give side by side.

    `transformers`: triples of name, transformer ("drop", "passthrough") and columns: a name or place, a list of them,
    a slice of places, or bools. X is a matrix (n, d), a table of nodes, a DataFrame, or a mapping of names to columns
    (n,): columns of categories and such with missing values, which cannot be put into a matrix, reach OneHotEncoder,
    OrdinalEncoder and SimpleImputer as they are. `remainder`: "drop", "passthrough" or a transformer for the other
    columns. The transformers are copied before they are fitted; those that are fitted are `transformers_`. Nothing is
    revealed.
    """

    fitted = ("transformers_",)
    not_offered: ClassVar[Mapping[str, str]] = {
        "sparse_threshold": "the result is dense",
        "n_jobs": "all of it is one plan",
        "transformer_weights": "multiply the columns yourself",
        "verbose": "net.measure() tells what was computed",
    }

    def __init__(self, transformers: Any, *, remainder: Any = "drop") -> None:
        self.transformers = transformers
        self.remainder = remainder

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters; with `deep`, the transformers by their names and their parameters as `name__parameter`."""
        found = super().get_params(deep)
        for name, model, _ in self.transformers if deep else ():
            found[name] = model
            if hasattr(model, "get_params"):
                found.update({f"{name}__{inner}": one for inner, one in model.get_params().items()})
        return found

    def set_params(self, **params: Any) -> Any:
        """Set parameters, a transformer by its name, or parameters of one by those names that `get_params` gives."""
        for name in [name for name, _, _ in self.transformers if name in params]:
            model = params.pop(name)
            self.transformers = [(one, model if one == name else old, at) for one, old, at in self.transformers]
        return super().set_params(**params)

    @property
    def named_transformers_(self) -> dict[str, Any]:
        """The fitted transformers by name."""
        self.check_fitted()
        return {name: model for name, model, _ in self.transformers_}

    def fit(self, X: Any, y: Any = None) -> ColumnTransformer:
        """Fit each transformer on its columns."""
        self.fit_transform(X, y)
        return self

    def fit_transform(self, X: Any, y: Any = None) -> Any:
        """`fit`, and what the transformers give for the same rows."""
        known = _names(X)
        names = [name for name, _, _ in self.transformers]
        if len(set(names)) != len(names) or not names:
            raise ValueError(f"transformers have names of their own: {names}")
        chosen = [(name, model, _places(columns, known)) for name, model, columns in self.transformers]
        taken = {place for _, _, places in chosen for place in places}
        others = [place for place in range(len(known)) if place not in taken]
        if others:
            chosen.append(("remainder", self.remainder, others))
        self.n_features_in_ = len(known)
        if isinstance(known[0], str):
            self.feature_names_in_ = np.asarray(known, dtype=object)
        fitted: list[Any] = []
        parts = []
        for name, model, places in chosen:
            if not _is_word(model):
                model = clone(model)
                columns = _selected(X, places, known)
                fit = getattr(model, "fit_transform", None)
                parts.append(fit(columns, y) if fit is not None else model.fit(columns, y).transform(columns))
            elif model == "passthrough":
                parts.append(_selected(X, places, known))
            fitted.append([name, model, places])
        self.transformers_ = fitted
        return _beside(parts)

    def transform(self, X: Any) -> Any:
        """What the transformers give, side by side. Raises InputError before `fit` and for other columns."""
        self.check_fitted()
        known = _names(X)
        wanted = getattr(self, "feature_names_in_", None)
        if isinstance(known[0], str) and wanted is not None:
            missing = [name for name in wanted if name not in known]
            if missing:
                raise InputError(f"columns are missing: {missing}", hint=f"there are {known[:20]}")
            known = list(wanted)
        elif len(known) != self.n_features_in_:
            raise ValueError(f"X has {len(known)} features, but ColumnTransformer is expecting {self.n_features_in_}")
        parts = []
        for _, model, places in self.transformers_:
            if not _is_word(model):
                parts.append(model.transform(_selected(X, places, known)))
            elif model == "passthrough":
                parts.append(_selected(X, places, known))
        return _beside(parts)


def make_column_transformer(*pairs: Any, remainder: Any = "drop") -> ColumnTransformer:
    """A ColumnTransformer of pairs of transformer and columns, named by their classes as in `make_pipeline`."""
    kinds = [type(model).__name__.lower() if not _is_word(model) else model for model, _ in pairs]
    names = [
        kind if kinds.count(kind) == 1 else f"{kind}-{kinds[: at + 1].count(kind)}" for at, kind in enumerate(kinds)
    ]
    triples = [(name, model, columns) for name, (model, columns) in zip(names, pairs, strict=True)]
    return ColumnTransformer(triples, remainder=remainder)


def _is_word(model: Any) -> bool:
    if isinstance(model, str) and model not in ("drop", "passthrough"):
        raise ValueError(f"a transformer is a model, 'drop' or 'passthrough', not {model!r}")
    return isinstance(model, str)


def _names(X: Any) -> list[Any]:
    """The names of the columns, or their places."""
    names = X.keys() if isinstance(X, Mapping) else getattr(X, "columns", None)
    if names is not None:
        return [name if isinstance(name, str) else int(name) for name in names]
    shape = X.shape if isinstance(X, SecretArray) else np.shape(X)
    if len(shape) != 2:
        raise InputError(f"X has shape {shape}", hint="pass a matrix (n, d), a table, or a mapping of columns")
    return list(range(shape[1]))


def _places(columns: Any, known: list[Any]) -> list[int]:
    """The places of columns that are named, numbered, sliced, or chosen by bools."""
    if callable(columns):
        raise TypeError("columns are names, places, a slice or bools; a function would be asked about secret data")
    if isinstance(columns, slice):
        return list(range(len(known)))[columns]
    wanted = [columns] if isinstance(columns, str | int | np.integer) else list(columns)
    if wanted and all(isinstance(one, bool | np.bool_) for one in wanted):
        if len(wanted) != len(known):
            raise ValueError(f"{len(wanted)} bools for {len(known)} columns")
        return [at for at, one in enumerate(wanted) if one]
    found = []
    for one in wanted:
        if isinstance(one, str) and one not in known:
            raise ValueError(f"there is no column {one!r}; there are {', '.join(map(str, known[:20]))}")
        place = known.index(one) if isinstance(one, str) else int(one)
        if not -len(known) <= place < len(known):
            raise ValueError(f"there is no column {place} of {len(known)}")
        found.append(place % len(known))
    return found


def _selected(X: Any, places: list[int], known: list[Any]) -> Any:
    """Some columns as a matrix, or as a list where they cannot be put into one."""
    if isinstance(X, SecretArray):
        return array_namespace(X).take(X, np.asarray(places), axis=1) if not _opaque(X) else X[:, places]
    if isinstance(X, np.ndarray) or not (isinstance(X, Mapping) or hasattr(X, "columns")):
        return np.asarray(X)[:, places]
    columns = [X[known[place]] for place in places]
    if not any(isinstance(column, SecretArray) for column in columns):
        return np.stack([np.asarray(column) for column in columns], axis=1)
    if any(_opaque(column) for column in columns):
        return columns
    xp = array_namespace(*columns)
    return xp.stack([xp.astype(one, xp.int64) if one.dtype.name == "bool" else one for one in columns], axis=1)


def _opaque(column: Any) -> bool:
    return isinstance(column, OpaqueArray | NullableArray)


def _beside(parts: list[Any]) -> Any:
    if not parts:
        raise ValueError("no column is left: every transformer is 'drop'")
    if any(isinstance(part, list) for part in parts):
        raise InputError("columns of categories, or with missing values, are no numbers", hint="encode or fill them")
    parts = [part if isinstance(part, SecretArray) else np.asarray(part) for part in parts]
    return parts[0] if len(parts) == 1 else array_namespace(*parts).concat(parts, axis=1)
