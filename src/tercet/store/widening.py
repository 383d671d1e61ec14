"""Widening the bounds of a dataset: every owner of rows agrees by signature, and nothing is uploaded again.

Stored values and the stamps of their checks stay valid within wider bounds, so only the schema changes, in a new
version of the dataset. Each owner's agreement is a change of its own, in two phases; the last one makes the version.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from tercet.errors import InputError, NotFound
from tercet.federation.orders import Wider
from tercet.store.change import ChangeResult, Effect, WidenChange
from tercet.store.dataset_changes import Before, apply_dataset
from tercet.store.datasets import WHICH, Datasets
from tercet.store.schema import Column, ColumnKind, Schema
from tercet.store.tables import AGREEMENTS

_MOST = 64
"""How many proposals may wait for one dataset."""


def widened(schema: Schema, wanted: Sequence[Wider]) -> Schema:
    """The schema with wider columns. Raises InputError for what is narrower, unknown, or unlike what is stored."""
    by_name = {each.column: each for each in wanted}
    if len(by_name) != len(wanted):
        raise InputError("the proposal names a column twice")
    for name in by_name:
        schema[name]
    columns = tuple(_widened(column, by_name.get(column.name)) for column in schema.columns)
    wider = Schema.parse({"columns": columns})
    if wider.stored != schema.stored:
        name = next(a.name for a, b in zip(schema.stored, wider.stored, strict=True) if a != b)
        raise InputError(
            f"the wider bounds of column {name} need 128 bits, and what is stored has 64",
            hint="take narrower ones, or withdraw and upload again",
        )
    return wider


def _widened(column: Column, wider: Wider | None) -> Column:
    if wider is None:
        return column
    fields: dict[str, Any] = {field: getattr(column, field) for field in column.model_fields_set}
    if column.kind is ColumnKind.CATEGORY:
        if wider.lo is not None or wider.hi is not None:
            raise InputError(f"column {column.name} is of kind category and has no bounds")
        fields["categories"] = (*column.categories, *wider.categories)
    elif column.kind in (ColumnKind.BOOL, ColumnKind.KEY):
        raise InputError(f"column {column.name} is of kind {column.kind}, which has nothing to widen")
    else:
        if wider.categories:
            raise InputError(f"column {column.name} is of kind {column.kind} and has no categories")
        fields["lo"] = column.lo if wider.lo is None else _bound(wider.lo, column)
        fields["hi"] = column.hi if wider.hi is None else _bound(wider.hi, column)
        if fields["lo"] > column.lo or fields["hi"] < column.hi:
            raise InputError(
                f"bounds of column {column.name} would be narrower: {fields['lo']} to {fields['hi']} do not hold "
                f"{column.lo} to {column.hi}",
                hint="rows may lie there; only wider bounds can be agreed on",
            )
        if column.nullable and fields["lo"] != column.lo:
            raise InputError(
                f"the lower bound of column {column.name} cannot be widened: it stands where a value is missing",
                hint="withdraw and upload again with the wider bounds",
            )
    try:
        return Column(**fields)
    except ValueError:
        raise InputError(
            f"the new bounds or categories of column {column.name} are not valid",
            hint="bounds fit 128 bits and its digits; categories differ",
        ) from None


def _bound(text: str, column: Column) -> Any:
    try:
        if column.kind is ColumnKind.DATE:
            return date.fromisoformat(text)
        if column.kind is ColumnKind.INTEGER or ("." not in text and "e" not in text.lower()):
            return int(text)
        return float(text)
    except ValueError:
        raise InputError(f"a bound of column {column.name} is no {column.kind}") from None


def widenings(schema: Schema, wider: Schema) -> list[Wider]:
    """What makes `wider` of `schema`, as an order says it. Raises InputError where they differ in anything else."""
    if schema.names != wider.names:
        schema.check_same(wider)
    found = []
    for old, new in zip(schema.columns, wider.columns, strict=True):
        same = {"lo": old.lo, "hi": old.hi, "categories": old.categories, "description": old.description}
        if new.model_copy(update=same) != old:
            schema.check_same(wider)
        if set(old.categories) - set(new.categories):
            raise InputError(f"a category of column {old.name} is missing in the wider schema", hint="rows may have it")
        more = [text for text in new.categories if text not in old.categories]
        lo, hi = ("" if a == b else str(b) for a, b in ((old.lo, new.lo), (old.hi, new.hi)))
        if lo or hi or more:
            found.append(Wider(column=old.name, lo=lo or None, hi=hi or None, categories=more))
    if not found:
        raise InputError("nothing is wider in that schema", hint="put the wider bounds into it, or more categories")
    widened(schema, found)
    return found


def plan_widen(datasets: Datasets, change: WidenChange) -> Effect:
    """Plan an owner's agreement, and the new version if all have agreed. Raises InputError, NotFound."""
    with datasets.catalogue.read() as connection:
        before = Before.of(connection, change.dataset)
        if not before.segments:
            raise NotFound(f"there is no dataset {change.dataset}", hint=WHICH)
        assert before.schema is not None
        owners = sorted({segment.owner for segment in before.segments})
        if change.owner not in owners:
            raise InputError(f"only owners of rows in dataset {change.dataset} can agree, and this owner has none")
        wider = widened(before.schema, change.columns)
        proposal = hashlib.sha256(f"{before.schema.digest} {wider.digest}".encode()).hexdigest()
        waiting = _agreements(connection, change.dataset)
    if proposal not in waiting and len(waiting) >= _MOST:
        raise InputError(f"{_MOST} proposals wait for dataset {change.dataset} already", hint="agree on one of them")
    agreed = sorted({*waiting.get(proposal, ()), change.owner})
    facts = before.facts("widen", wider, [])
    facts |= {"proposal": proposal, "agreed": agreed, "owners": owners, "owner": change.owner}
    return Effect(facts)


def apply_widen(connection: Connection, transaction: str, facts: Mapping[str, Any], now: float) -> ChangeResult:
    """Store the agreement, or make the version that all owners have agreed on, in the transaction of a commit."""
    of_dataset = AGREEMENTS.c.dataset == facts["dataset"]
    if set(facts["owners"]) <= set(facts["agreed"]):
        connection.execute(delete(AGREEMENTS).where(of_dataset))
        return apply_dataset(connection, transaction, facts, (), now)
    mine = (of_dataset, AGREEMENTS.c.proposal == facts["proposal"], AGREEMENTS.c.owner == facts["owner"])
    connection.execute(delete(AGREEMENTS).where(*mine))
    connection.execute(
        insert(AGREEMENTS).values(
            dataset=facts["dataset"],
            proposal=facts["proposal"],
            owner=facts["owner"],
            transaction_id=transaction,
            at=now,
        )
    )
    return ChangeResult()


def agreements(datasets: Datasets, dataset: str) -> list[list[str]]:
    """The owners who have agreed to each proposal that is not complete yet. Part of a dataset's description."""
    with datasets.catalogue.read() as connection:
        return [sorted(owners) for owners in _agreements(connection, dataset).values()]


def _agreements(connection: Connection, dataset: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for row in connection.execute(select(AGREEMENTS).where(AGREEMENTS.c.dataset == dataset)):
        found.setdefault(row.proposal, set()).add(row.owner)
    return found
