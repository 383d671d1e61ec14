"""Merges the schemas of several owners into one that allows the tables of all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tercet.client.bounds import frac_bits_for
from tercet.errors import InputError
from tercet.store.reading import AS_IT_IS
from tercet.store.schema import Column, ColumnKind, Schema


@dataclass(frozen=True)
class Merged:
    """A schema that allows what each given one allows, and sentences that tell how it differs from them."""

    schema: Schema
    notes: tuple[str, ...]


def merge(schemas: Sequence[Schema], names: Sequence[str] = ()) -> Merged:
    """Merge the schemas of owners who bring rows to one dataset: wider bounds, all categories, the finer exactness.

    Owners call it, before the first upload. `names` are what notes call the schemas. How each owner's table is read is
    kept only where all say the same. Raises InputError where a column is not in all of them, or no kind holds both.
    """
    names = names or [f"schema {number}" for number in range(1, len(schemas) + 1)]
    if len(schemas) < 2:
        raise InputError("there is nothing to merge", hint="name two schemas or more")
    first = schemas[0]
    for name, schema in zip(names, schemas, strict=True):
        for missing in (each for each in first.names if each not in schema):
            raise InputError(_only(missing, names[0], name), hint=_ALL)
        for extra in (each for each in schema.names if each not in first):
            raise InputError(_only(extra, name, names[0]), hint=_ALL)
    notes: list[str] = []
    merged = []
    for name in first.names:
        column = first[name]
        for where, schema in zip(names[1:], schemas[1:], strict=True):
            column = _merged(column, schema[name], where, notes)
        merged.append(column)
    reading = first.reading if all(schema.reading == first.reading for schema in schemas) else AS_IT_IS
    if reading != first.reading or (any(schema.reading for schema in schemas) and not reading):
        notes.append("the owners read their tables differently: each says the options of their own again")
    return Merged(Schema(columns=tuple(merged), reading=reading), tuple(dict.fromkeys(notes)))


_ALL = "rows of all owners have the same columns: add it there, or delete its table"


def _only(column: str, there: str, not_there: str) -> str:
    return f"column {column} is in {there} and not in {not_there}"


def _merged(mine: Column, other: Column, where: str, notes: list[str]) -> Column:
    """A column that allows what both allow."""
    name = mine.name
    fields: dict[str, Any] = {"name": name, "description": mine.description or other.description}
    kinds = {mine.kind, other.kind}
    if mine.nullable or other.nullable:
        fields["nullable"] = True
        if mine.nullable != other.nullable:
            notes.append(f"{name}: values may be missing")
    if len(kinds) > 1:
        if not all(kind.is_summed for kind in kinds):
            raise InputError(
                f"column {name} is {mine.kind} here and {other.kind} in {where}, and no kind holds both",
                hint="agree on one kind, and correct the schemas",
            )
        kind = ColumnKind.DECIMAL if ColumnKind.DECIMAL in kinds else ColumnKind.INTEGER
        notes.append(f"{name}: {kind}, which holds {mine.kind} and {other.kind}")
    else:
        kind = mine.kind
    fields["kind"] = kind
    if kind is ColumnKind.KEY:
        if mine.key is not other.key:
            notes.append(f"{name}: a key of texts, which holds integers")
        fields["key"] = mine.key if mine.key is other.key else "text"
    elif kind is ColumnKind.CATEGORY:
        more = tuple(text for text in other.categories if text not in mine.categories)
        fields["categories"] = mine.categories + more
        if len(fields["categories"]) != len(other.categories) or more:
            notes.append(f"{name}: {len(fields['categories'])} categories, those of all owners together")
    elif kind is not ColumnKind.BOOL:
        (lo, hi), (low, high) = (_bounds(column) for column in (mine, other))
        fields["lo"], fields["hi"] = min(lo, low), max(hi, high)
        if (lo, hi) != (low, high):
            notes.append(f"{name}: bounds {fields['lo']} to {fields['hi']}, which hold those of all owners")
    if kind is ColumnKind.DECIMAL:
        fields |= _exactness(mine, other, notes)
    try:
        return Column(**fields)
    except ValueError:
        raise InputError(
            f"column {name}: bounds and digits of all owners together do not fit 128 bits",
            hint="agree on narrower bounds, or fewer digits",
        ) from None


def _bounds(column: Column) -> tuple[Any, Any]:
    return (0, 1) if column.kind is ColumnKind.BOOL else (column.lo, column.hi)


def _exactness(mine: Column, other: Column, notes: list[str]) -> dict[str, int]:
    """The finer exactness of the two; one of them may be no decimal."""
    decimals = [column for column in (mine, other) if column.kind is ColumnKind.DECIMAL]
    digits = [column.digits for column in decimals if column.digits is not None]
    bits = [column.scale_bits for column in decimals if column.digits is None]
    if not bits:
        if len(set(digits)) > 1:
            notes.append(f"{mine.name}: {max(digits)} digits behind the point")
        return {"digits": max(digits)}
    if digits:
        bits.append(frac_bits_for(max(digits)))
        notes.append(f"{mine.name}: rounded to multiples of 2^-{max(bits)}, as not all owners have digits only")
    elif len(set(bits)) > 1:
        notes.append(f"{mine.name}: {max(bits)} fractional bits")
    return {"frac_bits": max(bits)}
