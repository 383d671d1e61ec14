"""Schemas: what owners write, what types they give, what is refused and how, and how the catalogue stores them."""

from __future__ import annotations

import json
import secrets
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from tercet.client.encode import encode_array
from tercet.errors import ConfigError, InputError
from tercet.plan.types import ValueKind
from tercet.store import datasets
from tercet.store.schema import Column, ColumnKind, Schema, StoredForm, days
from tercet.store.tables import SCHEMAS, UPLOADS, VERSIONS
from three_stores import MORE, OWNER, SCHEMA, ThreeStores

ALL_KINDS = {
    "columns": [
        {"name": "id", "kind": "key", "key": "integer"},
        {"name": "smoker", "kind": "bool"},
        {"name": "age", "kind": "integer", "lo": 0, "hi": 120, "description": "in years"},
        {"name": "bmi", "kind": "decimal", "lo": 10.5, "hi": 90},
        {"name": "dose", "kind": "decimal", "lo": 0, "hi": 1, "frac_bits": 40},
        {"name": "ward", "kind": "category", "categories": ["a", "b", "c"]},
        {"name": "born", "kind": "date", "lo": "1900-01-01", "hi": "2030-12-31"},
    ]
}


def test_kinds_and_types() -> None:
    schema = Schema.parse(ALL_KINDS)
    assert schema.key is schema["id"] and schema["age"].bounds == (0, 120)
    assert schema["ward"].bounds == (0, 2) and schema["born"].bounds == (
        days(date(1900, 1, 1)),
        days(date(2030, 12, 31)),
    )
    assert schema.type("smoker", 7).is_bool and schema.type("smoker", 7).shape == (7,)
    assert schema.type("bmi", 7).frac_bits == 16 and schema.type("dose", 7).frac_bits == 40
    assert schema.type("born", 7).kind is ValueKind.INT
    assert [column.form for column in schema.columns] == [
        StoredForm.KEY_INTEGER,
        StoredForm.BITS,
        StoredForm.WORDS64,
        StoredForm.WORDS64,
        StoredForm.WORDS64,
        StoredForm.WORDS64,
        StoredForm.WORDS64,
    ]
    with pytest.raises(InputError, match="public key"):
        schema.type("id", 7)
    with pytest.raises(InputError, match="no column 'weight'; columns are id, smoker"):
        schema["weight"]


def test_digits_are_exact_integers() -> None:
    column = Column(name="amount", kind=ColumnKind.DECIMAL, lo=-0.07, hi=1e6, digits=2)
    assert column.stored_bounds == (-7, 100_000_000) and column.scale_bits == 0 and column.bounds == (-0.07, 1e6)
    t = column.type(3)
    assert (t.kind, t.ring, t.lo, t.hi, t.frac_bits) == (ValueKind.INT, 64, -7, 100_000_000, 0)
    assert column.stored == (("amount", StoredForm.WORDS64),)
    wide = Column(name="total", kind=ColumnKind.DECIMAL, lo=-(10**17), hi=10**17, digits=9)
    assert wide.stored_bounds == (-(10**26), 10**26) and wide.form is StoredForm.WORDS128


def test_a_nullable_column_has_validity_bits_behind_its_values() -> None:
    schema = Schema.parse({"columns": [{**column, "nullable": True} for column in ALL_KINDS["columns"][1:]]})
    assert (
        schema["age"].stored == (("age", StoredForm.WORDS64), ("age?", StoredForm.BITS))
        and schema["age"].validity == "age?"
    )
    assert schema.stored[:4] == (
        ("smoker", StoredForm.BITS),
        ("smoker?", StoredForm.BITS),
        ("age", StoredForm.WORDS64),
        ("age?", StoredForm.BITS),
    )
    assert [column.stored_bounds[0] for column in schema.columns] == [0, 0, 688128, 0, 0, days(date(1900, 1, 1))]
    assert Schema.parse(ALL_KINDS).stored == tuple(
        (column.name, column.form) for column in Schema.parse(ALL_KINDS).columns
    )


def test_nullable_and_digits_are_written_and_read(tmp_path: Path) -> None:
    columns = [
        {"name": "amount", "kind": "decimal", "lo": 0, "hi": 99.95, "digits": 2, "nullable": True},
        {"name": "ward", "kind": "category", "categories": ["a"], "nullable": True},
    ]
    schema = Schema.parse({"columns": columns})
    path = tmp_path / "schema.toml"
    schema.save(path)
    assert "digits = 2\nnullable = true" in path.read_text() and Schema.load(path) == schema
    assert schema.to_dict()["columns"] == columns and Schema.parse(json.loads(schema.canonical())) == schema
    other = Schema.parse({"columns": [{**columns[0], "nullable": False}, columns[1]]})
    with pytest.raises(InputError, match="column amount has another nullable"):
        schema.check_same(other)


def test_files_and_json_give_the_same(tmp_path: Path) -> None:
    schema = Schema.parse(ALL_KINDS)
    path = tmp_path / "schema.toml"
    schema.save(path)
    assert Schema.load(path) == schema
    assert "lo = 1900-01-01" in path.read_text() and 'kind = "category"' in path.read_text()
    again = Schema.parse(json.loads(schema.canonical()))
    assert again == schema and again.digest == schema.digest and Schema.parse(schema.to_dict()) == schema
    with pytest.raises(ConfigError, match="cannot read"):
        Schema.load(tmp_path / "none")
    path.write_text("[[columns]\n")
    with pytest.raises(InputError, match="is no TOML"):
        Schema.load(path)
    path.write_text('[[columns]]\nname = "a"\nkind = "date"\nlo = 2000-01-01T10:00:00\nhi = 2001-01-01\n')
    with pytest.raises(InputError, match=r"columns 0 \(a\) lo.*without a time of day"):
        Schema.load(path)


@pytest.mark.parametrize(
    ("column", "match"),
    [
        ({"name": "a b", "kind": "bool"}, r"columns 1 \(a b\) name"),
        ({"name": "", "kind": "bool"}, "name"),
        ({"name": "x" * 65, "kind": "bool"}, "name"),
        ({"name": "a", "kind": "float"}, "kind"),
        ({"name": "a", "kind": "bool", "lo": 0, "hi": 1}, "has no bounds"),
        ({"name": "a", "kind": "integer"}, "has bounds lo and hi"),
        ({"name": "a", "kind": "integer", "lo": 1, "hi": 0}, "above hi"),
        ({"name": "a", "kind": "integer", "lo": 0, "hi": 0.5}, "are integers"),
        ({"name": "a", "kind": "integer", "lo": 0, "hi": True}, "hi"),
        ({"name": "a", "kind": "integer", "lo": "1900-01-01", "hi": "2000-01-01"}, "are numbers"),
        ({"name": "a", "kind": "integer", "lo": 0, "hi": 2**127}, "do not fit 128 bits"),
        ({"name": "a", "kind": "decimal", "lo": 0, "hi": 1e300}, "do not fit 128 bits"),
        ({"name": "a", "kind": "decimal", "lo": 0, "hi": float("inf")}, "hi"),
        ({"name": "a", "kind": "decimal", "lo": 0, "hi": 1, "frac_bits": 0}, "frac_bits"),
        ({"name": "a", "kind": "integer", "lo": 0, "hi": 1, "frac_bits": 3}, "has no frac_bits"),
        ({"name": "a", "kind": "integer", "lo": 0, "hi": 1, "digits": 3}, "has no digits"),
        ({"name": "a", "kind": "decimal", "lo": 0, "hi": 1, "digits": 0}, "digits"),
        ({"name": "a", "kind": "decimal", "lo": 0, "hi": 1, "digits": 31}, "digits"),
        ({"name": "a", "kind": "decimal", "lo": 0, "hi": 1, "digits": True}, "digits"),
        ({"name": "a", "kind": "decimal", "lo": 0, "hi": 1, "digits": 2, "frac_bits": 3}, "not both"),
        ({"name": "a", "kind": "decimal", "lo": 0, "hi": 0.125, "digits": 2}, "0.125 has more than 2 digits"),
        ({"name": "a", "kind": "decimal", "lo": 0, "hi": 1e30, "digits": 9}, "narrow them, or fewer digits"),
        ({"name": "a", "kind": "key", "key": "text", "nullable": True}, "not nullable"),
        ({"name": "a" * 64, "kind": "bool", "nullable": True}, "at most 63"),
        ({"name": "a?", "kind": "bool"}, "name"),
        ({"name": "a", "kind": "date", "lo": 0, "hi": 9}, "are dates"),
        ({"name": "a", "kind": "date", "lo": "1900-13-01", "hi": "2000-01-01"}, "YYYY-MM-DD"),
        ({"name": "a", "kind": "category"}, "has a list of categories"),
        ({"name": "a", "kind": "bool", "categories": ["x"]}, "has a list of categories"),
        ({"name": "a", "kind": "category", "categories": ["x", "x"]}, "twice"),
        ({"name": "a", "kind": "key"}, "says key ="),
        ({"name": "a", "kind": "bool", "key": "text"}, "says key ="),
        ({"name": "a", "kind": "key", "key": "text"}, "more than one column of kind key"),
        ({"name": "ID", "kind": "bool"}, "stands twice"),
        ({"name": "a", "kind": "bool", "colour": "red"}, "colour"),
    ],
)
def test_what_is_refused(column: dict[str, Any], match: str) -> None:
    with pytest.raises(InputError, match=match):
        Schema.parse({"columns": [{"name": "id", "kind": "key", "key": "text"}, column]})


@pytest.mark.parametrize("data", [None, [], {}, {"columns": []}, {"columns": 3}, {"columns": [3]}])
def test_what_is_no_schema(data: Any) -> None:
    with pytest.raises(InputError, match="this is no schema"):
        Schema.parse(data)


def test_differences_are_named() -> None:
    schema = Schema.parse(ALL_KINDS)
    schema.check_same(Schema.parse(json.loads(json.dumps(ALL_KINDS).replace("in years", "years"))))
    for changed, match in (
        (json.dumps(ALL_KINDS).replace("120", "121"), "column age has another hi"),
        (json.dumps(ALL_KINDS).replace('"bmi"', '"weight"'), "column bmi is missing"),
        (json.dumps({"columns": ALL_KINDS["columns"][::-1]}), "in another order"),
        (json.dumps({"columns": [*ALL_KINDS["columns"], {"name": "z", "kind": "bool"}]}), "column z is new"),
    ):
        with pytest.raises(InputError, match=match):
            schema.check_same(Schema.parse(json.loads(changed)))


def test_joining_and_leaving() -> None:
    both = SCHEMA.joined(MORE)
    assert both.names == (*SCHEMA.names, "pulse", "treated")
    assert both.without(frozenset({"pulse", "treated"})) == SCHEMA
    with pytest.raises(InputError, match="has a column pulse already"):
        both.joined(MORE)


@given(
    st.tuples(st.integers(-(2**80), 2**80), st.integers(-(2**80), 2**80)).map(sorted)
    | st.tuples(st.floats(-1e9, 1e9), st.floats(-1e9, 1e9)).map(sorted),
    st.integers(1, 40),
)
def test_a_column_has_the_type_that_sharing_gives(bounds: list[Any], frac_bits: int) -> None:
    """An uploaded column and a shared one of the same bounds are the same to a plan."""
    lo, hi = bounds
    kind = ColumnKind.INTEGER if isinstance(lo, int) else ColumnKind.DECIMAL
    extra = {} if kind is ColumnKind.INTEGER else {"frac_bits": frac_bits}
    column = Column.model_validate({"name": "a", "kind": kind, "lo": lo, "hi": hi, **extra})
    value: Any = np.array([lo], object if isinstance(lo, int) else float)
    assert column.bounds is not None
    shared = encode_array(value, column.bounds, column.scale_bits)
    assert column.type(1) == shared.type
    assert column.form.ring_bits == shared.type.ring


def test_dates() -> None:
    assert days(date(1970, 1, 2)) == 1 and days(date(1969, 12, 31)) == -1


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
    monkeypatch.setattr(datasets, "MAX_SCHEMA_BYTES", 10_000)
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
