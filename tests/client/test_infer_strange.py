"""What a table may hold that is no value, no header, or written otherwise: taken right or refused by name."""

# ruff: noqa: RUF001

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from tercet.client.columns import ColumnReader
from tercet.client.infer import infer
from tercet.errors import InputError
from tercet.store.reading import Reading
from tercet.store.schema import Column, ColumnKind

STARTS_NOTHING = True
Write = Callable[[str | bytes], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(content: str | bytes) -> Path:
        path = tmp_path / "t.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return written


def column(write: Write, cells: list[str], **options: Any) -> tuple[Column | None, str]:
    """What is proposed of a column with these cells, and what is said of it."""
    lines = "".join(f'{k % 7 + 3},"{cell}"\n' for k, cell in enumerate(cells))
    proposed = infer(write("other,value\n" + lines), **options).proposals[1]
    return (proposed.column if proposed.active else None), "; ".join(proposed.comments)


LEFT_OUT = {
    "infinite": (["inf", "-inf"] * 4, "all its values are infinite"),
    "infinite, otherwise": (["Infinity", "+INF", "∞", "−∞"] * 4, "all its values are infinite"),
    "some infinite": (["1", "2.5", "inf"] * 4, "some of them infinite"),
    "infinite or missing": (["nan", "inf"] * 4, "all its values are infinite"),
    "infinite in C": (["1.#INF", "2", "3"] * 4, "some of them infinite"),
    "NaN alone": (["nan", "NaN"] * 4, "it has no values"),
    "blanks alone": ([" ", "", "\t", "\u00a0"] * 4, "it has no values"),
    "errors of a spreadsheet": (["#DIV/0!", "1", "2"] * 4, "row 1 holds what is written where a number could not be"),
    "errors of C": (["1", "-1.#IND", "2"] * 4, "row 2 holds what is written where"),
    "cells too narrow": (["1", "####", "2"] * 4, "row 2 holds what is written where"),
    "negative in parentheses": (["(10)", "20", "30"] * 4, "Write -1"),
    "negative in parentheses alone": (["(10)", "(1,200.50)"] * 4, "Write -1"),
    "minus behind": (["10-", "20", "30"] * 4, "Write -1"),
    "another dash": (["–10", "20", "30"] * 4, "Write -1"),
    "hexadecimal": (["0x10", "0xff"] * 4, "hexadecimal"),
    "wide digits": (["１２", "３４"] * 4, "its digits are not 0 to 9"),
    "Arabic digits": (["١٢", "٣٤"] * 4, "its digits are not 0 to 9"),
    "percent": (["10%", "5.5 %"] * 4, "--strip %"),
    "currency": (["$10", "$3"] * 4, "--strip SIGN"),
    "apostrophes": (["1'000", "12'345"] * 4, '--thousands "\'"'),
    "decimal comma": (["10,5", "2,0"] * 4, "--decimal ','"),
    "underscores": (["1_000", "2_000"] * 4, "--thousands '_'"),
    "units": (["10 kg", "20 kg"] * 4, "--strip UNIT"),
    "below a limit": (["<5", "10", "<7"] * 4, "signs such as <"),
    "two forms of dates": (["2020-01-02", "03.04.2020", "05/06/2020"] * 4, "--day-first"),
    "months by name": (["1 Jan 2020", "2 Feb 2021"] * 4, "a date that is not read"),
    "no day of the calendar": (["2020-02-30", "2020-02-28"] * 4, "row 1 is the first that is no date of the calendar"),
    "year 0": (["2020-01-01", "0000-01-01"] * 4, "row 2 is the first that is no date of the calendar"),
    "a date and a word": (["2020-01-01 late", "2020-01-02 soon"] * 4, "what stands behind it is no time of a day"),
    "hour 25": (["2020-01-01 25:10", "2020-01-02 26:10"] * 4, "what stands behind it is no time of a day"),
    "times of a day": (["12:00:00", "23:59:60"] * 4, "times of a day"),
    "more than 128 bits": ([str(2**200), "7"] * 4, "more than 128 bits"),
}


@pytest.mark.parametrize("name", LEFT_OUT)
def test_left_out_by_name(write: Write, name: str) -> None:
    cells, why = LEFT_OUT[name]
    found, said = column(write, cells)
    assert found is None and why in said


TAKEN = {
    "percent": (["10%", "5.5 %"], {"strip": ["%"]}, ColumnKind.DECIMAL, ""),
    "apostrophes": (["1'000", "12’345"], {"thousands": "'"}, ColumnKind.INTEGER, ""),
    "decimal comma": (["10,5", "-2,25"], {"decimal": ","}, ColumnKind.DECIMAL, ""),
    "infinite as missing": (["inf", "3", "5"], {"na": ["inf"]}, ColumnKind.INTEGER, "inf is taken as missing"),
    "minus sign": (["−10", "20"], {}, ColumnKind.INTEGER, ""),
    "plus": (["+10", "20"], {}, ColumnKind.INTEGER, ""),
    "yes and no, mixed": (["yes", "No", "TRUE", "false", "1", "0"], {}, ColumnKind.BOOL, "in several ways"),
    "y, n, 1, 0": (["Y", "n", "1", "0"], {}, ColumnKind.BOOL, "in several ways"),
    "two words": (["ja", "nein"], {}, ColumnKind.CATEGORY, ""),
    "dates with the year first": (["2020-01-02", "2020/3/4", "2020.05.06"], {}, ColumnKind.DATE, ""),
    "day first": (["13.04.2020", "3/4/2020"], {"day_first": True}, ColumnKind.DATE, ""),
    "a leap second": (["2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"], {}, ColumnKind.DATE, "time of day is left out"),
    "time zones": (["2020-01-01T23:30:00-05:00", "2020-01-02 00:10 CET"], {}, ColumnKind.DATE, "time zone"),
    "days as numbers": (["20200131", "20210228", "20211231"], {}, ColumnKind.INTEGER, "YYYYMMDD"),
    "beyond 2^63": ([str(2**63), str(2**63 + 1), "5"], {}, ColumnKind.INTEGER, ""),
    "below -2^63": ([str(-(2**63) - 1), "5"], {}, ColumnKind.INTEGER, ""),
}


@pytest.mark.parametrize("name", TAKEN)
def test_taken_as_meant(write: Write, name: str) -> None:
    cells, options, kind, word = TAKEN[name]
    found, said = column(write, cells * 4, **options)
    assert found is not None and found.kind is kind and word in said
    # and an upload with it reads every value
    reader = ColumnReader(found, Reading.of(options))
    assert len(reader.stored(pa.chunked_array([pa.array(cells)]), 1)[found.name]) > 0


def test_days_are_those_of_their_own_time_zone() -> None:
    moments = pa.array([datetime(2020, 1, 1, 0, 30), datetime(2020, 6, 1, 23, 30)], pa.timestamp("us"))
    here = pd.Series(moments.to_pandas()).dt.tz_localize("Europe/Berlin")
    inferred = infer(pd.DataFrame({"seen": here}))
    (proposed,) = inferred.proposals
    assert proposed.column is not None and any("time zone" in comment for comment in proposed.comments)
    assert proposed.column.lo == date(2020, 1, 1)
    words = ColumnReader(proposed.column).words(pa.array(here), 1)
    assert words.tolist() == [(date(2020, 1, 1) - date(1970, 1, 1)).days, (date(2020, 6, 1) - date(1970, 1, 1)).days]


def test_an_upload_refuses_what_is_no_time_behind_a_date() -> None:
    seen = Column(name="seen", kind=ColumnKind.DATE, lo=date(2000, 1, 1), hi=date(2030, 1, 1))
    with pytest.raises(InputError, match="column seen, row 2: the value is not a date"):
        ColumnReader(seen).words(pa.array(["2020-01-01T10:00Z", "2020-01-01 late"]), 1)


REFUSED = {
    "a title with the delimiter": ("Report, year 2024\nage,sex\n30,f\n31,m\n40,f\n", "but for its first row"),
    "a title as wide as the table": ("Ward,North,final\nage,bmi,sex\n30,1,f\n31,3,m\n", "but for its first row"),
    "a title above dates": ("Ward,North\nseen,sex\n2020-01-01,f\n2020-01-02,f\n", "but for its first row"),
    "a title above texts": (
        "Ward,North\nplace,sex\n" + "Bonn,f\nUlm,m\nBonn,m\nUlm,f\n" * 2, "no text of the first row of .* comes again"
    ),
    "a title of one field": ("Report,,\nage,sex,bmi\n30,f,2\n", "as a title above the header does"),
    "a title alone in its line": ("Patients 2024\nage,sex\n30,f\n", "more or fewer fields than the header"),
    "a line of units": ("age,weight\nyears,kg\n30,70\n31,80\n", "line of units"),
    "comments above": ("# made by me, on Monday\nage,sex\n30,f\n31,m\n", "begins as a comment does"),
    "a comment within": ("place,sex\nBonn,f\n# stop, here\nBonn,m\n", "row 2 of .* begins as a comment does"),
    "totals below": ("age,sex\n30,f\n31,m\nTotal,2\n", "row 3 of .* the last one"),
    "totals below texts": ("name,amount\nann,10\nbob,20\ncyd,5\nSum:,35\n", "row 4 of .* the last one"),
    "a name twice": ("age,age\n30,31\n", "more than one column 'age'"),
    "a name twice but for case": ("Age,age\n30,31\n", "both be called age"),
    "numbers as names": ("2020,2021\n30,31\n", "names no columns"),
    "a delimiter behind every row": ("age,sex\n30,f,\n31,m,\n", "more or fewer fields than the header"),
    "a delimiter behind the header": ("age,sex,\n30,f\n31,m\n", "more or fewer fields than the header"),
    "UTF-16": ("age,sex\n30,f\n".encode("utf-16"), "looks like UTF-16"),
    "UTF-16 without a mark": ("age,sex\n30,f\n".encode("utf-16-le"), "looks like UTF-16"),
    "UTF-32": ("age,sex\n30,f\n".encode("utf-32"), "looks like UTF-32"),
    "Windows-1252": ("ort,n\nKöln,1\n".encode("cp1252"), "no utf-8 text"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused_by_its_line(write: Write, name: str) -> None:
    content, why = REFUSED[name]
    with pytest.raises(InputError, match=why):
        _ = infer(write(content)).schema


def test_it_can_be_said_that_the_first_line_is_the_header(write: Write) -> None:
    path = write("age,weight\nold,heavy\n30,70\n31,80\n")
    with pytest.raises(InputError, match="--header"):
        infer(path)
    assert [proposed.column for proposed in infer(path, header=True).proposals] == [None, None]
    assert [one.kind for one in infer(path, na=["old", "heavy"]).schema.columns] == [ColumnKind.INTEGER] * 2
    assert [one.name for one in infer(path, skip_rows=1).schema.columns] == ["old", "heavy"]


@pytest.mark.parametrize(
    ("text", "written", "said"),
    [("ort,preis\nKöln,30\u20ac\n", "cp1252", "latin-1"), ("ort,n\nKöln,30\nBonn,31\n", "utf-8", "cp1252")],
)
def test_an_encoding_that_reads_everything_is_doubted(write: Write, text: str, written: str, said: str) -> None:
    path = write(text.encode(written))
    with pytest.raises(InputError, match=f"can be read as {said} text and is none: it is likely {written}"):
        infer(path, encoding=said)
    infer(path, encoding=written)
    # also where it shows late
    late = write(b"ort,n\n" + b"Bonn,30\n" * 300_000 + text.splitlines()[1].encode(written) + b"\n")
    with pytest.raises(InputError, match="it is likely"):
        infer(late, encoding=said)


def test_marks_and_line_ends(write: Write) -> None:
    for content in (b"\xef\xbb\xbfage,sex\r\n30,f\r\n31,m", b'\xef\xbb\xbf"age","sex"\r30,f\r31,m\r'):
        assert infer(write(content)).schema.names == ("age", "sex")
    path = write("age,sex\n30,f\n31,m\n".encode("utf-16"))
    assert infer(path, encoding="utf-16").schema.names == ("age", "sex")
    quoted = infer(write('"age\nin years",note\n30,"a\nb"\n31,"c\nd"\n32,"a\nb"\n'))
    assert quoted.rows == 3 and quoted.schema.names == ("age_in_years",)


def test_a_very_wide_table(write: Write) -> None:
    names = [f"c{k}" for k in range(700)]
    rows = ["\n" + ",".join(str(k % 90 + r) for k in range(700)) for r in range(3)]
    assert infer(write(",".join(names) + "".join(rows))).schema.names == tuple(names)


def test_merged_cells_above_the_header(tmp_path: Path) -> None:
    path = tmp_path / "t.xlsx"
    frame = pd.DataFrame([["Before", None, "After", None], ["age", "bmi", "age 2", "bmi 2"], [30, 21, 31, 22]])
    pd.concat([frame, frame[2:] + 1]).to_excel(path, header=False, index=False)
    with pytest.raises(InputError, match="but for its first row"):
        infer(path)
    assert infer(path, skip_rows=1).schema.names == ("age", "bmi", "age_2", "bmi_2")
    one = pd.DataFrame([["Report of the ward", None], ["age", "bmi"], [30, 21], [31, 22]])
    one.to_excel(path, header=False, index=False)
    with pytest.raises(InputError, match="as a title above the header does"):
        infer(path)


def test_a_text_among_numbers_that_is_no_header(write: Write) -> None:
    """In the middle it is named, and its column left out; the others stay."""
    inference = infer(
        write("age,sex\n" + "".join(f"{age},f\n{age + 1},m\n" for age in range(30, 40, 2)) + "old,f\n40,m\n")
    )
    assert inference.schema.names == ("sex",)
    assert any("row 11 is the first that is no number" in note for note in inference.notes)


def test_infinite_numbers_of_frames() -> None:
    inference = infer({"a": [np.inf, -np.inf], "b": [1, 2]})
    assert inference.schema.names == ("b",) and any("infinite" in note for note in inference.notes)
