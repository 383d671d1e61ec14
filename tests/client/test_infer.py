"""Schemas inferred from data: kinds, friendly bounds, titles above headers, a file that loads as what was proposed."""

from __future__ import annotations

import math
import re
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tercet.client.bounds import frac_bits_for, friendly_bounds, friendly_dates
from tercet.client.columns import ColumnReader
from tercet.client.infer import infer
from tercet.client.readers import open_source
from tercet.client.sources import headers_of
from tercet.errors import InputError
from tercet.store.schema import ColumnKind, Schema

ROWS = 200
STARTS_NOTHING = True


def people() -> dict[str, list[Any]]:
    return {
        "Patient ID": [f"p{i:04}" for i in range(ROWS)],
        "age": [20 + i % 60 for i in range(ROWS)],
        "bmi": [18 + i % 17 + 0.25 for i in range(ROWS)],
        "sex": ["fmx"[i % 3] for i in range(ROWS)],
        "smoker": [i % 2 for i in range(ROWS)],
        "alive": ["yes" if i % 3 else "no" for i in range(ROWS)],
        "born": [date(1931 + i % 70, 1 + i % 12, 1) for i in range(ROWS)],
        "note": [f"words {i % 120}" for i in range(ROWS)],
        "change": [-(i % 31) / 1000 for i in range(ROWS)],
        "record_id": [10_000 + i for i in range(ROWS)],
    }


EXPECTED = {
    "age": ("integer", 0, 100),
    "bmi": ("decimal", 0, 100),
    "sex": ("category", None, None),
    "smoker": ("bool", None, None),
    "alive": ("bool", None, None),
    "born": ("date", date(1930, 1, 1), date(2009, 12, 31)),
    "change": ("decimal", -0.05, 0),
}


def test_the_same_from_text_and_from_types(tmp_path: Path) -> None:
    pd.DataFrame(people()).to_csv(tmp_path / "t.csv", index=False)
    for source in (tmp_path / "t.csv", people(), pd.DataFrame(people())):
        found = infer(source)
        assert {c.name: (str(c.kind), c.lo, c.hi) for c in found.schema.columns} == EXPECTED
        assert found.schema["sex"].categories == ("f", "m", "x")
        keys = {p.name: p.column for p in found.proposals if p.column is not None and not p.active}
        assert {name: (column.kind, column.key) for name, column in keys.items()} == {
            "Patient_ID": (ColumnKind.KEY, "text"),
            "record_id": (ColumnKind.KEY, "integer"),
        }
        notes = "\n".join(found.notes)
        assert "Patient_ID: called 'Patient ID' in the source" in notes
        assert "note: left out: free text" in notes


def test_the_file_is_the_schema_and_the_data_fits_it(tmp_path: Path) -> None:
    found = infer(people())
    path = tmp_path / "schema.toml"
    path.write_text(found.to_toml())
    schema = Schema.load(path)
    assert schema == found.schema
    assert "Everything in this file is public" in path.read_text()
    source = open_source(people())
    batch = pa.Table.from_batches(list(source.batches(headers_of(source, schema))))
    for column, values in zip(schema.columns, batch.columns, strict=True):
        ColumnReader(column).words(values, 1)
    hidden = '# [[columns]]\n# name = "Patient_ID"\n# kind = "key"\n# key = "text"\n'
    text = path.read_text()
    assert hidden in text
    path.write_text(text.replace(hidden, hidden.replace("# ", "")))
    assert Schema.load(path).key is not None


def test_no_value_is_in_the_file() -> None:
    secret = {"income": [51_237, 98_765, 61_111], "name": ["Smithers", "Burns", "Burns"]}
    text = infer(secret).to_toml()
    assert not [value for value in ("51237", "98765", "61111") if value in text]


def test_missing_values_are_noted() -> None:
    found = infer(
        {"a": ["1", "", "NA", "3"], "b": [1.5, None, np.nan, 2.0], "c": [None] * 4, "d": ["x", "y", None, "x"]}
    )
    assert {c.name: str(c.kind) for c in found.schema.columns} == {"a": "integer", "b": "decimal", "d": "category"}
    missing = [note for note in found.notes if "are missing" in note]
    assert [note[0] for note in missing] == ["a", "b", "d"]
    assert "c: left out: it has no values" in found.notes


def test_what_cannot_be_proposed() -> None:
    with pytest.raises(InputError, match="no rows"):
        infer({"a": []})
    with pytest.raises(InputError, match="no column can be shared"):
        _ = infer({"a": [[1], [2]]}).schema
    with pytest.raises(InputError, match="both be called a_b"):
        infer({"a b": [1], "a_b": [1]})
    assert "a: left out: it holds numbers, some of them infinite" in infer({"a": [1.0, np.inf], "b": [1, 2]}).notes


def test_numbers_turn_out_otherwise_later(tmp_path: Path) -> None:
    """Kinds are of the whole column, over all batches."""
    rows = 70_000
    frame = {
        "a": [1.0] * rows + [2.5],
        "b": ["7"] * rows + ["x"],
        "c": ["0"] * rows + ["900"],
        "d": ["1"] * rows + ["0.125"],
    }
    pd.DataFrame(frame).to_csv(tmp_path / "t.csv", index=False)
    for source in (frame, tmp_path / "t.csv"):
        kinds = {c.name: (str(c.kind), c.hi) for c in infer(source).schema.columns}
        assert kinds == {"a": ("decimal", 5), "b": ("category", None), "c": ("integer", 1000), "d": ("decimal", 1)}


@given(st.floats(-1e15, 1e15, allow_subnormal=False), st.floats(-1e15, 1e15, allow_subnormal=False))
def test_bounds_hold_and_are_round(a: float, b: float) -> None:
    lo, hi = min(a, b), max(a, b)
    below, above = friendly_bounds(lo, hi)
    assert below <= lo <= hi <= above
    assert below < above
    if lo >= 0 or hi <= 0:
        # no more than three digits are told
        for bound in (below, above):
            digits = f"{abs(bound):.12e}".split("e")[0].replace(".", "").rstrip("0")
            assert len(digits) <= 4


@given(st.integers(-(10**15), 10**15), st.integers(0, 10**15))
def test_bounds_of_integers_are_integers(lo: int, span: int) -> None:
    below, above = friendly_bounds(lo, lo + span)
    assert int(below) <= lo
    assert lo + span <= int(above)


@given(st.dates(), st.dates())
def test_dates(a: date, b: date) -> None:
    found = friendly_dates(min(a, b), max(a, b))
    assert found["lo"] <= min(a, b) <= max(a, b) <= found["hi"]


@given(st.integers(0, 9))
def test_fractional_bits_tell_decimals_apart(decimals: int) -> None:
    assert 2.0 ** -frac_bits_for(decimals) * 8 <= 10.0**-decimals or frac_bits_for(decimals) == 40
    assert math.log2(10) * decimals < frac_bits_for(decimals)


def test_decimal_commas_are_not_taken_for_text_or_categories(tmp_path: Path) -> None:
    path = tmp_path / "german.csv"
    path.write_text("bmi;ward\n" + "".join(f"{20 + i % 9},{i % 10};{'ab'[i % 2]}\n" for i in range(100)))
    bmi, ward = infer(open_source(path)).proposals
    assert bmi.column is None and "--decimal ','" in bmi.comments[-1]
    assert ward.column is not None and ward.column.kind is ColumnKind.CATEGORY
    assert [each.column and each.column.kind for each in infer(open_source(path, decimal=",")).proposals] == [
        ColumnKind.DECIMAL,
        ColumnKind.CATEGORY,
    ]


def test_an_option_in_a_comment_stays_beside_its_value(tmp_path: Path) -> None:
    (tmp_path / "file.csv").write_text("a_rather_long_name;b\n" + '"1,5";"2"\n' * 9)
    text = infer(tmp_path / "file.csv").to_toml()
    assert "--decimal ','" in text
    assert not re.search(r"--[a-z-]+$", text, re.MULTILINE)


def test_a_proposal_is_shown_column_by_column() -> None:
    shown = repr(infer(pd.DataFrame({"age": [31, 44], "sex": ["f", "m"]})))
    assert shown.startswith("Inference from 2 rows\nage: integer 0 to ") and "sex: category f, m" in shown
    assert "the list of categories is public" in shown


@given(st.integers(2**53, 2**120), st.integers(0, 2**60))
def test_bounds_hold_integers_that_floats_do_not_tell_apart(lo: int, span: int) -> None:
    low, high = friendly_bounds(lo, lo + span)
    assert low <= lo and lo + span <= high
    assert friendly_bounds(float(2**80), 2**80 + 59)[1] >= 2**80 + 59


def test_large_integers_close_together_are_proposed(tmp_path: Path) -> None:
    path = tmp_path / "huge.csv"
    path.write_text("big\n" + "".join(f"{2**80 + i}\n" for i in range(60)))
    column = infer(path).proposals[0].column
    assert column is not None and column.lo is not None and column.hi is not None
    assert column.lo <= 2**80 and column.hi >= 2**80 + 59


def test_texts_of_several_lines_leave_the_other_columns(tmp_path: Path) -> None:
    path = tmp_path / "lines.csv"
    path.write_text('a,b\n1,"x\ny"\n2,"x\ny"\n3,z\n')
    first, second = infer(path).proposals
    assert first.column is not None and second.column is None
    assert "line breaks" in second.comments[-1]


def test_what_is_left_out_is_not_said_to_be_nullable(tmp_path: Path) -> None:
    path = tmp_path / "left.csv"
    path.write_text("a,b\n1,x\n2,\n3,y\n4,z\n5,u\n6,v\n7,w\n")
    left = infer(path).proposals[1]
    assert left.column is None
    assert left.comments[0] == "some values are missing, 1 of 7"


def test_a_title_above_the_header_is_said_and_becomes_no_name(tmp_path: Path) -> None:
    rows = [["Export of ward 7", None], ["age", "weight"], [31, 70.5], [44, 81.5]]
    book, text = tmp_path / "title.xlsx", tmp_path / "title.csv"
    pd.DataFrame(rows).to_excel(book, index=False, header=False)
    pd.DataFrame(rows).to_csv(text, index=False, header=False)
    for path in (book, text):
        with pytest.raises(InputError, match=r"names one of 2 columns.*--skip-rows 1"):
            infer(path)
        assert [each.name for each in infer(path, skip_rows=1).proposals] == ["age", "weight"]


def test_a_schema_without_columns_says_so(tmp_path: Path) -> None:
    path = tmp_path / "none.toml"
    for text in ("", "columns = []\n", 'version = 1\n[reading]\ndecimal = ","\n'):
        path.write_text(text)
        with pytest.raises(InputError, match=r"this is no schema: it has no columns.*describe at least one"):
            Schema.load(path)
