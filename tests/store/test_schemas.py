"""Schemas in the catalogue: one copy of each, none too large, nothing in them that nobody sees."""

from __future__ import annotations

import secrets
from typing import Any

import pytest
from sqlalchemy import func, select

from tercet.errors import InputError
from tercet.store import datasets as schemas
from tercet.store.schema import Schema
from tercet.store.tables import SCHEMAS, UPLOADS, VERSIONS
from three_stores import OWNER, ThreeStores


def count(stores: ThreeStores, table: Any) -> int:
    with stores.nodes[0].catalogue.read() as connection:
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def rows(start: int, many: int) -> dict[str, Any]:
    return {
        "id": [f"p{k}" for k in range(start, start + many)],
        "age": list(range(many)),
        "bmi": [20.5] * many,
        "big": [1] * many,
        "smoker": [True] * many,
    }


def test_a_schema_is_stored_once_for_all_versions_and_uploads(quick_stores: ThreeStores) -> None:
    stores = quick_stores
    stores.upload("patients", rows(0, 5))
    before = count(stores, SCHEMAS)
    for k in range(3):
        stores.upload("patients", rows(10 + 5 * k, 5), mode="append")
    assert count(stores, VERSIONS) == 4 and count(stores, UPLOADS) == 4
    assert count(stores, SCHEMAS) == before == 1
    assert stores.nodes[0].datasets.get("patients").schema.names == ("id", "age", "bmi", "big", "smoker")


def test_a_schema_that_is_too_large_is_refused_before_it_is_stored(
    quick_stores: ThreeStores, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schemas, "MAX_SCHEMA_BYTES", 10_000)
    many = [f"a long category, number {k:05}" for k in range(1000)]
    large = Schema.parse({"columns": [{"name": "c", "kind": "category", "categories": many}]})
    with pytest.raises(InputError, match="bytes, and 10,000 are taken"):
        quick_stores.nodes[0].uploads.begin(secrets.token_hex(16), "d", OWNER, "create", large)
    assert count(quick_stores, SCHEMAS) == count(quick_stores, UPLOADS) == 0


HIDDEN = ["\x1b[2J", "\x07", "a\nb", "\u202emoor", "a\u200bb", "\u2066x", "\ufeffx", "a\x9bb", "a\u2028b", "a\x7f"]


@pytest.mark.parametrize("text", HIDDEN)
def test_what_nobody_sees_is_no_part_of_a_schema(text: str) -> None:
    for column in (
        {"name": "c", "kind": "category", "categories": ["a", text]},
        {"name": "c", "kind": "bool", "description": text},
        {"name": text, "kind": "bool"},
    ):
        with pytest.raises(InputError, match="this is no schema") as told:
            Schema.parse({"columns": [column]})
        assert text not in str(told.value)


def test_letters_of_all_languages_are_seen() -> None:
    seen = ["Köln", "北京", "القاهرة", "Ж", "naïve café", "5\u00a0%", "-", "☕"]
    Schema.parse({"columns": [{"name": "c", "kind": "category", "categories": seen, "description": "Größe, 大小"}]})
