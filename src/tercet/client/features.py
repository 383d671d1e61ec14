"""Which columns of a dataset a regression predicts from, when people name them."""

from __future__ import annotations

from collections.abc import Sequence

from tercet.client.table import Table
from tercet.errors import InputError


def chosen_features(table: Table, target: str, given: Sequence[str]) -> list[str]:
    """The columns to predict from: those given, or all other numbers. `tercet fit` and the analyst's page call it.

    Raises InputError for names that are not there or cannot be used, and for columns with missing values.
    """
    columns = [column for column in table.schema.columns if column.kind.is_summed]
    numbers = [column.name for column in columns]
    if target not in numbers:
        raise InputError(f"{table.name} has no column of numbers {target!r}", hint=f"there are {', '.join(numbers)}")
    others = [name for name in numbers if name != target]
    names = list(given) or others
    strange = next((name for name in names if name not in others), None)
    if strange is not None or not names:
        what = "no column is left to predict from" if strange is None else f"{strange!r} cannot be a feature"
        raise InputError(what, hint=f"columns of numbers besides the target: {', '.join(others) or 'none'}")
    gaps = [column.name for column in columns if column.nullable and column.name in (*names, target)]
    if gaps:
        raise InputError(
            f"a regression takes no missing values, and {', '.join(gaps)} may have some",
            hint="name other columns with --features; in Python fill them, as in table['x'].fillna(0); or the owners "
            "upload the rows that have all values (--missing drop)",
        )
    return names
