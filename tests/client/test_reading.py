"""Files as owners have them: what is read is right, or it is said what is wrong, where, and what to do."""

from __future__ import annotations

import datetime
import decimal
import io
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from tercet.client.chunks import Chunks, check, chunk_rows_for
from tercet.client.infer import Inference, infer
from tercet.client.merge import merge
from tercet.client.readers import open_source
from tercet.errors import InputError
from tercet.ring import ring, unpack_bits
from tercet.store.reading import Reading
from tercet.store.schema import Column, ColumnKind, Schema, StoredForm

STARTS_NOTHING = True


def values(source: Any, schema: Schema, **options: Any) -> dict[str, list[Any]]:
    """What an upload would split, decoded: None where a value is missing."""
    chunks = Chunks(open_source(source, schema=schema, **options), schema, chunk_rows_for(schema))
    found: dict[str, list[Any]] = {column.name: [] for column in schema.columns}
    for chunk in chunks:
        encoded = chunks.encoded(chunk)
        for column in schema.columns:
            words = encoded[column.name]
            if column.form is StoredForm.BITS:
                plain: list[Any] = [bool(bit) for bit in unpack_bits(words, chunk.rows)]
            else:
                plain = [int(word) for word in ring(column.form.ring_bits).to_ints(words)]
                if column.kind is ColumnKind.CATEGORY:
                    plain = [column.categories[code] for code in plain]
                elif column.kind is ColumnKind.DATE:
                    plain = [datetime.date(1970, 1, 1) + datetime.timedelta(days=day) for day in plain]
                elif column.digits is not None:
                    plain = [decimal.Decimal(value).scaleb(-column.digits) for value in plain]
                elif column.kind is ColumnKind.DECIMAL:
                    plain = [value / 2.0**column.scale_bits for value in plain]
            if column.nullable:
                there = unpack_bits(encoded[column.validity], chunk.rows)
                plain = [value if bit else None for value, bit in zip(plain, there, strict=True)]
            found[column.name] += plain
    return found


def proposed(found: Inference, name: str) -> Column:
    """The column that is proposed by that name and part of the schema."""
    proposal = next(each for each in found.proposals if each.name == name)
    assert proposal.column is not None and proposal.active, proposal.comments
    return proposal.column


def said(found: Inference, name: str) -> str:
    """What is said of a column that is left out; nothing of it is public."""
    proposal = next(each for each in found.proposals if each.name == name)
    assert not proposal.active
    return " ".join(proposal.comments)


@pytest.fixture
def text(tmp_path: Path) -> Any:
    def write(content: str | bytes) -> Path:
        path = tmp_path / "t.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


# -- numbers


def test_scientific_notation_keeps_its_own_digits(text: Any) -> None:
    path = text("dose,site\n" + "".join(f"{i}e-10,{'ab'[i % 2]}\n" for i in range(1, 13)))
    found = infer(path)
    doses = values(path, found.schema)["dose"]
    assert abs(sum(map(float, doses)) - 7.8e-9) < 1e-13
    assert proposed(found, "dose").digits == 10
    assert sum(doses) == decimal.Decimal("78e-10")
    measured = text("c\n1.2345678901e-12\n3.4e-11\n5.6789012345e-10\n")
    got = values(measured, infer(measured).schema)["c"]
    assert np.allclose(
        [float(value) for value in got], [1.2345678901e-12, 3.4e-11, 5.6789012345e-10], rtol=1e-2, atol=0
    )
    whole = text("c\n1.5E+03\n2.25e4\n")
    assert values(whole, infer(whole).schema)["c"] == [1500, 22500]
    assert "more than 128 bits carry" in said(infer(text("c,d\n1e-200,1\n1.5,2\n")), "c")


def test_few_digits_are_exact(text: Any) -> None:
    path = text("account,amount\n" + "".join(f"{i},0.99\n" for i in range(1, 1001)))
    column = proposed(infer(path), "amount")
    assert (column.digits, column.frac_bits) == (2, None)
    assert sum(values(path, infer(path).schema)["amount"]) == 990
    money = text("n;umsatz\n1;999,50\n2;1.234,00\n3;12.500,75\n4;1.234.567,10\n")
    assert sum(values(money, infer(money, decimal=",").schema)["umsatz"]) == decimal.Decimal("1249301.35")
    for source in ({"x": [1.25, 2.5]}, pa.table({"x": pa.array([decimal.Decimal("1.25")] * 2, pa.decimal128(38, 2))})):
        assert proposed(infer(source), "x").digits == 2
    assert proposed(infer({"x": [1 / 3, 2 / 3]}), "x").frac_bits == 34


def test_thousands_are_proposed_by_name_and_read(text: Any) -> None:
    path = text('name_code,pay\n1,"41,100"\n2,"52,250"\n3,"1,048,000"\n4,"999"\n')
    assert "--thousands ','" in said(infer(path), "pay")
    found = infer(path, thousands=",")
    assert values(path, found.schema)["pay"] == [41100, 52250, 1048000, 999]
    assert "row 3 is the first that is no number" in said(infer(path, decimal=","), "pay")
    ambiguous = text('n,pay\n1,"41,100"\n2,"52,250"\n')
    assert "--thousands ','" in said(infer(ambiguous), "pay") and "--decimal ','" in said(infer(ambiguous), "pay")
    assert any("--thousands ','" in note for note in infer(ambiguous, decimal=",").notes)
    irregular = text('n,pay\n1,"41,100"\n2,"5,2250"\n')
    assert "row 2" in said(infer(irregular, thousands=","), "pay")
    schema = Schema(columns=(Column(name="pay", kind=ColumnKind.INTEGER, lo=0, hi=10**6),))
    with pytest.raises(InputError, match="column pay, row 2: the value is not a number"):
        check(open_source(irregular, thousands=","), schema)


@pytest.mark.parametrize(
    ("written", "options", "expected"),
    [
        ("999,50;1.234,00;12.500,75;1.234.567,10", {"decimal": ","}, [999.50, 1234.0, 12500.75, 1234567.10]),
        ("999,50;1.234;12.500", {"decimal": ","}, [999.5, 1234, 12500]),
        ("1 234,50;12 500,25;7,5", {"decimal": ",", "thousands": " "}, [1234.5, 12500.25, 7.5]),
        ("1\u202f234,50;12\u00a0500,25", {"decimal": ",", "thousands": " "}, [1234.5, 12500.25]),
        ("1'234.50;2'345'678.25", {"thousands": "'"}, [1234.5, 2345678.25]),
        ("1,23,456.5;12.25", {"thousands": ","}, [123456.5, 12.25]),
        ("1.234.567;12,5", {"thousands": "."}, [1234567, 12.5]),
        ("1,5e3;-2,5", {"decimal": ","}, [1500, -2.5]),
        ("$1,200.50;-$300;$ 45", {"thousands": ",", "strip": ["$"]}, [1200.5, -300, 45]),
        ("12 €;1.234,5 €", {"decimal": ",", "strip": ["€"]}, [12, 1234.5]),
        ("12%;5.5 %", {"strip": ["%"]}, [12, 5.5]),
    ],
)
def test_numbers_as_they_are_written(text: Any, written: str, options: dict[str, Any], expected: list[float]) -> None:
    path = text("n;umsatz\n" + "".join(f"{i};{value}\n" for i, value in enumerate(written.split(";"))))
    for source in (path, {"umsatz": written.split(";")}):
        found = infer(source, **options)
        got = values(source, found.schema)["umsatz"]
        assert np.allclose([float(value) for value in got], expected, rtol=0, atol=1e-4)
        # the schema remembers: no option is needed again, and another one is refused
        assert values(source, found.schema) == values(source, found.schema, **options)


def test_a_point_that_groups_nothing_is_no_decimal_point(text: Any) -> None:
    path = text("n;umsatz\n1;12.5\n2;13,25\n3;14,5\n")
    assert "row 1 is the first that is no number" in said(infer(path, decimal=","), "umsatz")


@pytest.mark.parametrize(
    ("cells", "option"),
    [
        (['"€ 41.100,00"', '"€ 52.250,50"', '"€ 38.000,00"'], "--strip"),
        (['"$1,200.50"', '"$300.00"', "$45"], "--strip"),
        (["12 EUR", "13 EUR", "12 EUR"], "--strip"),
        (["12%", "5%", "6%"], "--strip %"),
        (['"12,5"', '"13,25"', '"1,5"'], "--decimal ','"),
        (["12 345", "1 234", "999"], "--thousands"),
        (["5.2.24", "6.3.24", "7.3.24"], "four digits of the year"),
        (["3 Apr 2024", "4 May 2024", "5 May 2024"], "YYYY-MM-DD"),
        (["13.04.2024", "03.04.2024", "30.11.2023"], "--day-first"),
        (["12/31/2024", "01/05/2024", "01/06/2024"], "--month-first"),
        (["2024-01-05", "2024-02-30", "2024-03-01"], "row 2 is the first that is no date"),
        (["5", "six", "7"], "row 2 is the first that is no number"),
        (["5 mg", "12.5mg", "7 mg"], "--strip UNIT"),
        (["<5", "<0.1", "7"], "signs such as <"),
    ],
)
def test_what_is_nearly_a_number_or_a_date_never_names_rows(text: Any, cells: list[str], option: str) -> None:
    path = text("x,other\n" + "".join(f"{cell},{i}\n" for i, cell in enumerate(cells)))
    found = infer(path)
    told = said(found, "x")
    assert option in told and "names the rows" not in told and "row " in told
    assert found.schema.names == ("other",)
    shown = found.to_toml()
    assert not any(cell.strip('"') in shown for cell in cells)


def test_fill_values_are_named_by_their_row(text: Any) -> None:
    path = text("temp,depth\n12.5,3\n1e300,4\n13.25,5\n")
    assert "in row 2" in said(infer(path), "temp") and "--na" in said(infer(path), "temp")
    found = infer(path, na=["1e300"])
    assert values(path, found.schema)["temp"] == [12.5, None, 13.25]
    codes = text("a,b\n1,2\n-999,3\n5,9999\n")
    assert [note.partition(" holds")[0] for note in infer(codes).notes] == ["a: row 2", "b: row 3"]
    frame = {"a": [1, -999, 5], "b": [2.5, 3.5, 9999.0]}
    schema = infer(frame, na=["-999", "9999"]).schema
    assert values(frame, schema) == {"a": [1, None, 5], "b": [2.5, 3.5, None]}


# -- missing values and categories


def test_missing_values_are_proposed_as_nullable(text: Any) -> None:
    path = text(
        "age,bmi,sex,seen\n31,22.5,f,2021-03-01\n44,,m,2021-04-11\n,27.25,f,\n58,30.1,,2022-01-30\n62,NA,m,2022-02-28\n"
    )
    schema = infer(path).schema
    assert all(column.nullable for column in schema.columns)
    got = values(path, schema)
    assert got["age"] == [31, 44, None, 58, 62]
    assert [value is None for value in got["bmi"]] == [False, True, False, False, True]
    assert got["sex"] == ["f", "m", "f", None, "m"]
    assert got["seen"][2] is None


def test_what_counts_as_missing_is_said_and_the_same_everywhere(text: Any) -> None:
    path = text("country,severity,visits\nNA,None,3\nDE,mild,1\nFR,severe,2\nNA,mild,4\n")
    found = infer(path)
    assert values(path, found.schema)["country"] == [None, "DE", "FR", None]
    assert any("NA is taken as missing" in note and "--na" in note for note in found.notes)
    given = infer(path, na=[])
    assert proposed(given, "country").categories == ("DE", "FR", "NA")
    assert values(path, given.schema)["severity"] == ["None", "mild", "severe", "mild"]
    listed = Schema(columns=(Column(name="country", kind=ColumnKind.CATEGORY, categories=("DE", "FR", "NA")),))
    assert values(path, listed)["country"] == ["NA", "DE", "FR", "NA"]
    numbers = text("a,b\n1,x\nNA,y\n3,x\n")
    schema = Schema(columns=(Column(name="a", kind=ColumnKind.INTEGER, lo=0, hi=9, nullable=True),))
    with pytest.raises(InputError, match="column a, row 2: the value is not a number"):
        check(open_source(numbers, na=["-99"]), schema)


def test_one_value_of_a_kind(text: Any) -> None:
    found = infer(text("age,sex,done,ok\n31,f,yes,1\n44,f,yes,1\n58,f,yes,1\n"))
    assert (proposed(found, "sex").kind, proposed(found, "sex").categories) == (ColumnKind.CATEGORY, ("f",))
    assert "sex: only one value was seen: list the others that there may be" in found.notes
    assert proposed(found, "done").kind is ColumnKind.BOOL
    assert any(note.startswith("ok: only one value") for note in found.notes)
    mixed = infer(text("a,b\nf,y\nn,n\nf,y\n"))
    assert proposed(mixed, "a").kind is ColumnKind.CATEGORY and proposed(mixed, "b").kind is ColumnKind.BOOL


def test_nothing_becomes_public_that_nobody_asked_for(text: Any) -> None:
    rows = "".join(f"City{i % 12},P{i:03},{'abc'[i % 3]},{i}\n" for i in range(60))
    path = text("city,person,group,n\n" + rows)
    found = infer(path)
    assert found.schema.names == ("group", "n")
    assert "PUBLIC" in said(found, "city") and "names the rows" not in said(found, "city")
    assert "seems to name the rows" in said(found, "person")
    asked = infer(path, keys=["person"], categories=["city"]).schema
    assert asked.key is not None and asked.key.name == "person" and len(asked["city"].categories) == 12
    with pytest.raises(InputError, match="no column 'cities'"):
        infer(path, categories=["cities"])
    with pytest.raises(InputError, match="same one twice"):
        infer(path, keys=["group"])
    names = infer(text("name,age\nAlice Smith,31\nBob Jones,44\nCarol White,29\n"))
    assert "names the rows" not in said(names, "name") and "Alice" not in names.to_toml()


def test_what_does_not_name_rows_is_not_said_to(text: Any) -> None:
    for cells in (["10:30", "11:45", "12:00"], ["120/80", "130/85", "110/70"], ["a@b.de", "b@c.de", "c@d.de"]):
        found = infer(text("t,x\n" + "".join(f"{cell},{i}\n" for i, cell in enumerate(cells))))
        assert "names the rows" not in said(found, "t") and "seems to name" not in said(found, "t")
    large = infer(text("id,x\n" + "".join(f"{12345678901234567890 + i},{i}\n" for i in range(3))), keys=["id"])
    assert large.schema.key is not None and large.schema.key.key == "text"
    assert values({"x": ["\u22124", "5"]}, infer({"x": ["\u22124", "5"]}).schema)["x"] == [-4, 5]


def test_categories_of_frames(tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {
            "c": pl.Series(["x", "y", "x"], dtype=pl.Categorical),
            "e": pl.Series(["a", None, "a"], dtype=pl.Enum(["a", "b", "z"])),
            "n": [1, 2, 3],
        }
    )
    frame.write_ipc(tmp_path / "t.arrow")
    frame.write_parquet(tmp_path / "t.parquet")
    for source in (frame, tmp_path / "t.arrow", tmp_path / "t.parquet", frame.to_arrow(), frame.to_pandas()):
        schema = infer(source).schema
        assert [str(column.kind) for column in schema.columns] == ["category", "category", "integer"]
        assert values(source, schema) == {"c": ["x", "y", "x"], "e": ["a", None, "a"], "n": [1, 2, 3]}


def test_large_numbers_are_exact(text: Any) -> None:
    large = [2**70, 1, -3]
    for source in (text("n\n" + "".join(f"{n}\n" for n in large)), pd.DataFrame({"n": large}), {"n": large}):
        assert values(source, infer(source).schema)["n"] == large
    money = [decimal.Decimal("90071992547409931.25"), decimal.Decimal("0.01")]
    schema = Schema(columns=(Column(name="m", kind=ColumnKind.DECIMAL, lo=0, hi=10**17, digits=2),))
    for source in (pa.table({"m": pa.array(money, pa.decimal128(38, 2))}), {"m": [str(value) for value in money]}):
        assert values(source, schema)["m"] == money
    assert "128 bits" in said(infer(text("n,m\n" + "9" * 60 + ",1\n5,2\n")), "n")


# -- layouts


@pytest.mark.parametrize(
    ("content", "options", "columns"),
    [
        (b"sep=;\nage;bmi\n31;22.5\n44;27.0\n", {}, ("age", "bmi")),
        (b"\xef\xbb\xbfage,bmi\n31,22.5\n44,27\n", {}, ("age", "bmi")),
        (b"age;bmi\r\n31;22.5\r\n44;27\r\n", {}, ("age", "bmi")),
        (b"age,bmi\r31,22.5\r44,27", {}, ("age", "bmi")),
        (b"age\tbmi\n31\t22.5\n44\t27", {}, ("age", "bmi")),
        (b"age , bmi\n 31 , 22.5 \n 44 , 27 \n", {}, ("age", "bmi")),
        (b"Report, of ward 3\n\nage,bmi\n31,22.5\n44,27\n", {"skip_rows": 2}, ("age", "bmi")),
        (b"31,22.5\n44,27\n", {"names": ["age", "bmi"]}, ("age", "bmi")),
        (b"31,22.5\n44,27\n", {"header": False}, ("column_1", "column_2")),
        (b"# x\nsep=|\nage|bmi\n31|22.5\n44|27\n", {"skip_rows": 1}, ("age", "bmi")),
        (b"age,bmi,\n31,22.5,\n44,27,\n", {}, ("age", "bmi", "column_3")),
        (b'"age","bmi"\n"31","22.5"\n\n"44","27"\n', {}, ("age", "bmi")),
        ("age;bmi\n31;22.5\n44;27\n".encode("utf-16"), {"encoding": "utf-16"}, ("age", "bmi")),
    ],
)
def test_layouts(text: Any, content: bytes, options: dict[str, Any], columns: tuple[str, ...]) -> None:
    path = text(content)
    for what in (path, io.BytesIO(content)):
        source = open_source(what, **options)
        assert source.columns == columns
        found = infer(source)
        got = values(path, found.schema)
        assert [list(map(float, column)) for column in got.values()] == [[31, 44], [22.5, 27]]
        file = path.with_suffix(".toml")
        file.write_text(found.to_toml())
        assert Schema.load(file) == found.schema
        assert values(path, Schema.load(file)) == got


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ("30,20.5,1\n41,23.1,0\n55,27.9,1\n", "line 1 of .* names no columns.*--no-header, with --names"),
        ("f,mild,31\nm,severe,44\nf,mild,50\n", "--no-header"),
        ("f,mild\nm,severe\nf,mild\n", "names no columns"),
        ("1999-01-02,x\n1999-01-03,y\n", "--no-header"),
        ("age,bmi\n30,20.5,\n", "line 2 of .*more or fewer fields than the header: 3, and the header, line 1, 2"),
        ('age,note\n1,"a\nb"\n\n2,c\n3\n', "line 6 of .*row 3 of its data"),
        ('a,b\n1,5" pipe\n2\n', "line 3 of "),
        ('a,b\n1,"x\n2,3\n', "line 2 of .* quote that is not closed"),
        ("Report\n\nage,bmi\n1,2\n", "line 3 of .*--skip-rows 2"),
        ("age,age\n1,2\n", "more than one column 'age'.*--names"),
        ("", "is empty"),
        ("a,b\n", "has no rows"),
    ],
)
def test_what_is_wrong_with_a_layout_is_said_by_its_line(text: Any, content: str, match: str) -> None:
    with pytest.raises(InputError, match=match):
        infer(text(content))


def test_years_may_be_names_and_names_may_be_asserted(text: Any) -> None:
    assert infer(text("country,2019,2020\nDE,1,2\nFR,3,4\nDE,5,6\n")).schema.names == ("country", "_2019", "_2020")
    found = infer(text("1,2\n5,6\n7,8\n"), header=True)
    assert found.schema.names == ("_1", "_2") and found.schema.reading == Reading(header=True)


def test_days_come_first_where_that_is_said(text: Any) -> None:
    path = text("seen,age\n13.04.2024,31\n03.04.2024,44\n30.11.2023,58\n")
    seen = values(path, infer(path, day_first=True).schema)["seen"]
    assert seen == [datetime.date(2024, 4, 13), datetime.date(2024, 4, 3), datetime.date(2023, 11, 30)]
    schema = infer(path, day_first=True).schema
    for source in ({"seen": ["4/13/2024"], "age": [1]},):
        with pytest.raises(InputError, match="column seen, row 1: the value is not a date of the calendar"):
            values(source, schema)
    american = text("d\n12/31/2024\n1/5/2024\n")
    assert values(american, infer(american, day_first=False).schema)["d"][1] == datetime.date(2024, 1, 5)


def test_options_and_the_schema_agree_or_it_is_said(text: Any) -> None:
    path = text("a;b\n1,5;2\n2,5;3\n")
    schema = infer(path, decimal=",").schema
    with pytest.raises(InputError, match=r"made with decimal = ',', and '\.' is said now"):
        open_source(path, schema=schema, decimal=".")
    with pytest.raises(InputError, match="no reading option 'decimals'"):
        open_source(path, decimals=",")
    with pytest.raises(InputError, match="read without sheet"):
        open_source(path, sheet="x")
    with pytest.raises(InputError, match="read without delimiter"):
        open_source({"a": [1]}, delimiter=";")
    with pytest.raises(InputError, match="same sign"):
        open_source(path, decimal=",", thousands=",")
    # nodes never see how the table is read
    assert "reading" not in schema.to_dict() and schema.digest == Schema(columns=schema.columns).digest


# -- spreadsheets


def test_spreadsheets(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "people"
    for row in (
        ["age", "bmi", "sex", "seen", "ok", "code"],
        [31, 22.5, "f", datetime.date(2021, 3, 1), True, "A1"],
        [44, None, "m", datetime.date(2021, 4, 11), False, 7],
        [58, 0.1 + 0.2, "f", None, True, "NA"],
    ):
        sheet.append(row)
    path = tmp_path / "t.xlsx"
    book.save(path)
    for source in (path, io.BytesIO(path.read_bytes())):
        found = infer(source)
        kinds = {column.name: str(column.kind) for column in found.schema.columns}
        assert kinds == {"age": "integer", "bmi": "decimal", "sex": "category", "seen": "date", "ok": "bool"}
    got = values(path, infer(path).schema)
    assert got["age"] == [31, 44, 58] and got["ok"] == [True, False, True]
    assert got["bmi"][1] is None and abs(float(got["bmi"][2]) - 0.3) < 1e-4
    assert got["seen"] == [datetime.date(2021, 3, 1), datetime.date(2021, 4, 11), None]
    second = book.create_sheet("numbers")
    for cells in ([1, 2], [3, 4]):
        second.append(cells)
    book.create_sheet("empty")
    book.save(path)
    with pytest.raises(InputError, match="has 2 sheets: 'people', 'numbers'; name one with --sheet"):
        infer(path)
    with pytest.raises(InputError, match="names no columns"):
        infer(path, sheet="numbers")
    assert infer(path, sheet="2", names=["a", "b"]).schema.names == ("a", "b")
    with pytest.raises(InputError, match="no sheet 'other'; it has 'people', 'numbers', 'empty'"):
        infer(path, sheet="other")
    path.write_bytes(b"PK\x03\x04 nothing of the kind")
    with pytest.raises(InputError, match="cannot be read as a spreadsheet"):
        infer(path)


def test_wide_and_long_files(text: Any) -> None:
    wide = text(",".join(f"c{i}" for i in range(400)) + "\n" + ("\n".join([",".join("7" * 400)] * 3)))
    assert len(infer(wide).schema.columns) == 400
    late = text("id,val\n" + "".join(f"{i},{i % 7 if i != 77_777 else 'oops'}\n" for i in range(100_000)))
    assert "row 77778 is the first that is no number, as 99,999 of 100,000 are" in said(infer(late), "val")


# -- several owners

FIRST = "temp_min,rain,seen,site,n\n1.5,0.0,2021-01-05,a,1\n7.25,3.5,2022-01-05,b,2\n12.0,0.25,2023-01-05,a,2\n"
SECOND = (
    FIRST.splitlines()[0]
    + """
-5.0,0.0,1999-01-05,a,1.5
3.25,55.9,2022-01-05,c,2
18.5,0.0,2023-01-05,d,
4.0,1.0,2023-01-05,a,2
"""
)


def test_all_that_lies_outside_is_told_at_once(text: Any, tmp_path: Path) -> None:
    schema = infer(text(FIRST)).schema
    path = tmp_path / "second.csv"
    path.write_text(SECOND.replace("1.5\n", "1\n").replace("d,\n", "d,2\n"))
    frame = pd.read_csv(path, parse_dates=["seen"])
    for source in (path, frame):
        with pytest.raises(InputError, match="In the whole table") as error:
            check(open_source(source), schema)
        told = str(error.value)
        assert "column temp_min, row 1: the value is outside the declared bounds [0, 20]. " in told
        assert "temp_min: 1 value outside, the first in row 1; lo = -5, hi = 20 would hold all. " in told
        assert "rain: 1 value outside, the first in row 2; lo = 0, hi = 100 would hold all. " in told
        assert "seen: 1 value outside, the first in row 1; lo = 1990-01-01, hi = 2029-12-31 would hold all. " in told
        assert "site: 2 values none of the categories, the first in row 2" in told
        assert "tercet widen" in told and "55.9" not in told
    # what can be read once only is not read again
    with pytest.raises(InputError) as error:
        check(open_source(io.BytesIO(path.read_bytes())), schema)
    assert "whole table" not in str(error.value)


def test_schemas_of_owners_merge_into_one_that_holds_all(tmp_path: Path) -> None:
    paths = [tmp_path / "first.csv", tmp_path / "second.csv"]
    for path, content in zip(paths, (FIRST, SECOND), strict=True):
        path.write_text(content)
    schemas = [infer(path).schema for path in paths]
    merged = merge(schemas, ["first", "second"])
    assert [check(open_source(path), merged.schema)[0] for path in paths] == [3, 4]
    assert merged.schema["site"].categories == ("a", "b", "c", "d")
    assert merged.schema["n"].kind is ColumnKind.DECIMAL and merged.schema["n"].nullable
    notes = "\n".join(merged.notes)
    for note in ("temp_min: bounds -5 to 20", "site: 4 categories", "n: values may be missing", "n: decimal, which"):
        assert note in notes
    # the same from either side, but for the order of categories
    other = merge(schemas[::-1])
    assert {column.name: (column.lo, column.hi, column.kind) for column in other.schema.columns} == {
        column.name: (column.lo, column.hi, column.kind) for column in merged.schema.columns
    }
    assert merge([schemas[0], schemas[0]]).notes == ()


def test_schemas_that_do_not_merge() -> None:
    def schema(**fields: Any) -> Schema:
        return Schema(columns=(Column(name="a", **fields), Column(name="b", kind=ColumnKind.BOOL)))

    number = schema(kind=ColumnKind.INTEGER, lo=0, hi=9)
    with pytest.raises(InputError, match="column a is integer here and category in schema 2, and no kind holds both"):
        merge([number, schema(kind=ColumnKind.CATEGORY, categories=("x",))])
    with pytest.raises(InputError, match="column b is in schema 1 and not in schema 2"):
        merge([number, number.without(frozenset("b"))])
    with pytest.raises(InputError, match="nothing to merge"):
        merge([number])
    with pytest.raises(InputError, match="do not fit 128 bits"):
        merge([schema(kind=ColumnKind.INTEGER, lo=0, hi=2**120), schema(kind=ColumnKind.DECIMAL, lo=0, hi=1, digits=9)])
    exact = schema(kind=ColumnKind.DECIMAL, lo=0, hi=1, digits=2)
    assert merge([exact, schema(kind=ColumnKind.DECIMAL, lo=0, hi=1, digits=3)]).schema["a"].digits == 3
    assert merge([exact, number]).schema["a"].digits == 2
    assert merge([exact, schema(kind=ColumnKind.DECIMAL, lo=0, hi=1, frac_bits=20)]).schema["a"].frac_bits == 20
