"""What a first table shows: titles above headers, integers close together, texts of several lines, empty schemas."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tercet.client.bounds import friendly_bounds
from tercet.client.infer import infer
from tercet.errors import InputError
from tercet.store.schema import Schema

STARTS_NOTHING = True


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
