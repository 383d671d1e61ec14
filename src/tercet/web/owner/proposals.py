"""What the page shows of a table: a proposed schema with its reasons, the first rows, problems with ways out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from tercet.client.column_kinds import Proposal
from tercet.client.infer import infer
from tercet.client.problems import TableProblem, rows_as_texts
from tercet.client.sources import Source, clean_name
from tercet.store.reading import Reading
from tercet.store.schema import Column, ColumnKind, Schema

PREVIEW_ROWS = 12
PROBLEM_ROWS = 30
"""Rows with problems that are shown as a whole."""
_FIXED_TEXTS = 8


def proposed(source: Source, keys: Sequence[str], categories: Sequence[str]) -> dict[str, Any]:
    """A schema for a table, each column with its reasons, and its first rows. Reads it once. Raises InputError."""
    found = infer(source, keys=keys, categories=categories)
    return {
        "rows": found.rows,
        "headers": list(source.columns),
        "columns": [_column(each, header) for each, header in zip(found.proposals, source.columns, strict=True)],
        "preview": rows_as_texts(source, range(1, min(found.rows, PREVIEW_ROWS) + 1)),
    }


def _column(each: Proposal, header: str) -> dict[str, Any]:
    return {
        "name": each.name,
        "header": header,
        "shared": each.active and each.column is not None,
        "column": None if each.column is None else each.column.model_dump(mode="json", exclude_defaults=True),
        "notes": list(each.comments),
    }


def column_faults(columns: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """What is wrong with the descriptions of columns themselves, as problems."""
    found = []
    for column in columns:
        try:
            Column.model_validate(column)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False, include_context=False)[0]
            where = f"{first['loc'][0]}: " if first["loc"] else ""
            what = where + first["msg"].removeprefix("Value error, ")
            name = str(column.get("name", ""))[:64]
            found.append(_shown(TableProblem(name, (), 0, what, "correct it in the description of the column")))
    return found


def shown_problems(source: Source, schema: Schema, problems: Sequence[TableProblem]) -> dict[str, Any]:
    """Problems with ways out, and the rows that have them."""
    wanted = sorted({row for one in problems for row in one.rows})[:PROBLEM_ROWS]
    rows = rows_as_texts(source, wanted)
    names = [clean_name(header) for header in source.columns]
    return {
        "problems": [_shown(one) | {"ways": _ways(one, schema, rows, names)} for one in problems],
        "rows": rows,
    }


def _shown(one: TableProblem) -> dict[str, Any]:
    return {
        "column": one.column,
        "rows": list(one.rows),
        "count": one.count,
        "what": one.what,
        "todo": one.todo,
        "ways": [],
    }


def _ways(
    one: TableProblem, schema: Schema, rows: dict[int, list[str | None]], names: Sequence[str]
) -> list[dict[str, Any]]:
    """What a click can do about a problem: changes of the column's description, or of how the table is read."""
    column = schema.by_name.get(one.column)
    ways: list[dict[str, Any]] = []
    if column is None:
        return ways
    if one.outside is not None and column.kind is ColumnKind.CATEGORY:
        more = [text for text in one.outside.texts[:_FIXED_TEXTS] if text not in column.categories]
        listed = ", ".join(more)
        ways.append(
            {"say": f"Add {listed} to the (public) categories", "set": {"categories": [*column.categories, *more]}}
        )
    elif one.outside is not None:
        lo, hi = (bound if isinstance(bound, int | float) else str(bound) for bound in one.outside.wider())
        ways.append({"say": f"Widen the (public) bounds to {lo} … {hi}", "set": {"lo": lo, "hi": hi}})
    if one.what == "the value is missing":
        if not column.nullable and not column.is_key:
            ways.append({"say": "Let values be missing (nullable)", "set": {"nullable": True}})
        ways.append({"say": "Leave out rows with missing values", "missing": "drop"})
    if one.rows and not one.outside and one.column in names:
        at = names.index(one.column)
        texts_here = dict.fromkeys(rows[row][at] for row in one.rows if row in rows)
        texts = [text for text in texts_here if text and text.strip()][:_FIXED_TEXTS]
        if texts and len(texts_here) <= _FIXED_TEXTS:
            listed = ", ".join(f"“{text.strip()}”" for text in texts)
            ways.append(
                {"say": f"Take {listed} as missing", "na": [text.strip() for text in texts], "set": {"nullable": True}}
            )
    ways.append({"say": f"Leave column {one.column} out", "leave": True})
    return ways


def schema_of(columns: Sequence[dict[str, Any]], reading: Reading) -> Schema:
    """The page's columns as a schema. Raises InputError."""
    return Schema(columns=Schema.parse({"columns": list(columns)}).columns, reading=reading)
