"""Columns of a model, with their names and the place of the constant, as statsmodels calls them `exog`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from tercet.array import numeric
from tercet.array.core import SecretArray
from tercet.errors import InputError

WIDE_BITS: Final = 48
WIDE_FRAC_BITS: Final = 24
"""Bits of a column's stored integer, and fractional bits that it keeps in any case, as of features of models."""


@dataclass(frozen=True, slots=True)
class Design:
    """Columns (n, d) that vary, their names, and where among the coefficients the constant stands (None: nowhere)."""

    columns: Any
    names: tuple[str, ...]
    """Of all coefficients, the constant's included."""
    constant: int | None = None
    spanned: bool = False
    """Whether columns of categories sum to 1, in place of a constant."""
    terms: tuple[tuple[str, tuple[int, ...]], ...] = ()
    """Of a formula: names of terms, and which columns each has."""

    @property
    def rows(self) -> int:
        return int(self.columns.shape[0])

    @property
    def width(self) -> int:
        """How many coefficients there are."""
        return int(self.columns.shape[1]) + (self.constant is not None)

    def __repr__(self) -> str:
        return f"Design({self.rows} rows; {', '.join(self.names)})"

    def arranged(self, xp: Any, features: Any, constant: Any) -> Any:
        """Values of the features' coefficients, with the constant's at its place."""
        if self.constant is None:
            return features
        at = self.constant
        one = xp.expand_dims(constant, axis=0)
        return xp.concat([part for part in (features[:at], one, features[at:]) if part.shape[0]], axis=0)


def add_constant(data: Any, prepend: bool = True, has_constant: str = "skip") -> Design:
    """Columns with a constant beside them, as `OLS`, `GLM` and the like take them.

    `data`: a secret (or NumPy) array (n,) or (n, d), or a mapping of names to columns (n,). The constant is public, so
    that models need not find it: sums about the mean are exact then. It stands first, or last without `prepend`.
    Raises InputError for shapes that do not fit, and for any other `has_constant`.
    """
    if has_constant != "skip":
        raise InputError(f"has_constant={has_constant!r}: nobody can see whether a secret column is constant")
    design = design_of(data)
    if design.constant is not None:
        return design
    at = 0 if prepend else len(design.names)
    return Design(design.columns, (*design.names[:at], "const", *design.names[at:]), at)


def design_of(data: Any) -> Design:
    """Columns and names of whatever `exog` may be. Raises InputError for shapes that do not fit."""
    if isinstance(data, Design):
        return data
    if isinstance(data, Mapping):
        if not data:
            raise InputError("no columns", hint="pass a mapping of names to columns")
        columns = [column(value, name) for name, value in data.items()]
        return Design(joined(columns), tuple(str(name) for name in data))
    array: Any = data if isinstance(data, SecretArray) else np.asarray(data, dtype=float)
    array = array.reshape(-1, 1) if array.ndim == 1 else array
    if array.ndim != 2 or not array.shape[1]:
        raise InputError(
            f"columns of shape {data.shape}", hint="pass an array (n, d), or a mapping of names to columns"
        )
    array = numeric.columns_within(array, WIDE_BITS, WIDE_FRAC_BITS)
    return Design(array, tuple(f"x{place}" for place in range(1, array.shape[1] + 1)))


def column(value: Any, name: str) -> Any:
    """One column of numbers: bools as 0 and 1. Raises InputError for other shapes, and for missing values."""
    array = value if isinstance(value, SecretArray) else np.asarray(value)
    if array.ndim != 1:
        raise InputError(f"column {name} has shape {array.shape}", hint="columns are (n,)")
    if isinstance(array, SecretArray):
        if hasattr(array, "notna"):
            raise InputError(
                f"column {name} may have missing values", hint="fill them first: column.fillna(value), or SimpleImputer"
            )
        if str(array.dtype).endswith("bool"):
            return array + 0
        node = array.undivided
        return numeric.settled(array) if node.type.frac_bits > node.type.nominal else array
    return array.astype(float)


def joined(columns: list[Any]) -> Any:
    """Columns (n,) side by side, secret if one of them is."""
    secret = next((one for one in columns if isinstance(one, SecretArray)), columns[0])
    if any(one.shape != secret.shape for one in columns):
        raise InputError(f"columns of {', '.join(str(one.shape[0]) for one in columns)} rows")
    return numeric.columns_within(secret.__array_namespace__().stack(columns, axis=1), WIDE_BITS, WIDE_FRAC_BITS)
