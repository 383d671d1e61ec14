"""Sources of rows: every kind gives the same columns; what is wrong is named without a value."""

from __future__ import annotations

import gzip
import io
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest

from postgres import server
from tercet.client.readers import open_source
from tercet.client.sources import Source
from tercet.errors import InputError

STARTS_NOTHING = True

FRAME = pd.DataFrame({"age": [31, 54, 27], "bmi": [22.5, 31.0, 19.25], "sex": ["f", "m", "f"]})
SECRET = "rosebud"


def table(source: Source, columns: list[str] | None = None) -> pa.Table:
    return pa.Table.from_batches(list(source.batches(columns)))


def numbers(found: pa.Table) -> dict[str, list[Any]]:
    # a decimal comma is the concern of whoever reads the texts: `tercet.client.texts`
    text = {
        name: [t.replace(",", ".") for t in found[name].cast(pa.string()).to_pylist()] for name in found.column_names
    }
    return {"age": [int(x) for x in text["age"]], "bmi": [float(x) for x in text["bmi"]], "sex": text["sex"]}


def sources(folder: Path) -> dict[str, Any]:
    arrow = pa.Table.from_pandas(FRAME, preserve_index=False)
    FRAME.to_csv(folder / "t.csv", index=False)
    FRAME.to_csv(folder / "semicolon.csv", index=False, sep=";", decimal=",")
    FRAME.to_csv(folder / "tab.tsv", index=False, sep="\t")
    (folder / "t.csv.gz").write_bytes(gzip.compress((folder / "t.csv").read_bytes()))
    (folder / "bom.csv").write_bytes(b"\xef\xbb\xbf" + (folder / "t.csv").read_bytes())
    (folder / "crlf.csv").write_bytes((folder / "t.csv").read_bytes().replace(b"\n", b"\r\n"))
    pa.parquet.write_table(arrow, folder / "t.parquet")
    pa.feather.write_feather(arrow, folder / "t.feather")
    with pa.OSFile(str(folder / "t.arrows"), "wb") as file, pa.ipc.new_stream(file, arrow.schema) as writer:
        writer.write_table(arrow)
    with sqlite3.connect(folder / "t.db") as connection:
        FRAME.to_sql("people", connection, index=False)
    connection.close()
    return {
        "csv": open_source(folder / "t.csv"),
        "csv as text path": open_source(str(folder / "t.csv")),
        "semicolon": open_source(folder / "semicolon.csv", decimal=","),
        "tab": open_source(folder / "tab.tsv"),
        "gz": open_source(folder / "t.csv.gz"),
        "bom": open_source(folder / "bom.csv"),
        "crlf": open_source(folder / "crlf.csv"),
        "parquet": open_source(folder / "t.parquet"),
        "feather": open_source(folder / "t.feather"),
        "arrow stream": open_source(folder / "t.arrows"),
        "stdin csv": open_source(io.BytesIO((folder / "t.csv").read_bytes())),
        "stdin arrow": open_source(io.BytesIO((folder / "t.arrows").read_bytes())),
        "stdin feather": open_source(io.BytesIO((folder / "t.feather").read_bytes())),
        "sqlite": open_source(f"sqlite:///{folder / 't.db'}", query="SELECT age, bmi, sex FROM people"),
        "pandas": open_source(FRAME),
        "polars": open_source(pl.from_pandas(FRAME)),
        "pyarrow": open_source(arrow),
        "batch": open_source(arrow.to_batches()[0]),
        "dict": open_source({name: FRAME[name].to_numpy() for name in FRAME}),
    }


def test_every_source_gives_the_same(tmp_path: Path) -> None:
    for name, source in sources(tmp_path).items():
        assert source.columns == ("age", "bmi", "sex"), name
        assert source.rows in (None, 3), name
        if source.repeatable:
            assert table(source, ["sex"]).column_names == ["sex"], name
            assert numbers(table(source)) == numbers(table(source)), name
        assert numbers(table(source)) == FRAME.to_dict("list"), name


def test_what_changes_with_the_content(tmp_path: Path) -> None:
    first = sources(tmp_path)
    for name, source in first.items():
        before = source.identity()
        assert (before is not None) == (source.repeatable and name != "sqlite"), name
    before_all = first["csv"].identity()
    with (tmp_path / "t.csv").open("a") as file:
        file.write("1,2,m\n")
    assert open_source(tmp_path / "t.csv").identity() != before_all


def test_progress_of_a_csv_file(tmp_path: Path) -> None:
    source = sources(tmp_path)["csv"]
    assert source.fraction() is None
    table(source)
    assert source.fraction() == 1.0


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "is empty"),
        (b"\n1,2\n", "is empty"),
        (b"a,b\n1,2\n3\n", "row 2 .* more or fewer fields"),
        (b"a,b\n1,2\n3,4,rosebud\n", "row 2 .* more or fewer fields"),
        (b"a,a\n1,2\n", "more than one column 'a'"),
        (b"a,b\nros\xffebud,1\n", "no utf-8 text; .*latin-1"),
        (b"Gr\xf6\xdfe,b\nrosebud,1\n", "no utf-8 text; .*latin-1"),
        (b"a,b\n" + b"x,1\n" * 50_000 + b"ros\xffebud,1\n", "no utf-8 text; .*latin-1"),
        ("a,b\nrosebud,1\n".encode("utf-16"), "looks like UTF-16.*--encoding utf-16"),
        ("a,b\nrosebud,1\n".encode("utf-16-le"), "looks like UTF-16"),
        (b"FEA1....", "Feather of version 1"),
        (b"PAR1 " + b"rosebud", "damaged or cut off"),
        (b"ARROW1\0\0 rosebud", "damaged or cut off"),
        (b"\xff\xff\xff\xff rosebud and some more of it", "damaged or cut off"),
    ],
    ids=range(14),
)
def test_bad_files(tmp_path: Path, content: bytes, match: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(InputError, match=match) as error:
        table(open_source(path))
    assert SECRET not in str(error.value)


def test_a_header_alone(tmp_path: Path) -> None:
    for content in (b"a,b\n", b"a,b"):
        (tmp_path / "file").write_bytes(content)
        assert list(open_source(tmp_path / "file").batches()) == []


def test_an_empty_line_of_one_column_is_a_missing_value(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"a\n1\n\n2\n")
    assert table(open_source(tmp_path / "file"))["a"].to_pylist() == ["1", None, "2"]


def test_other_encodings(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes("Größe,x\n1,ä\n".encode("latin-1"))
    source = open_source(tmp_path / "file", encoding="latin-1")
    assert source.columns == ("Größe", "x")
    assert table(source)["x"].to_pylist() == ["ä"]
    with pytest.raises(InputError, match="not known"):
        open_source(tmp_path / "file", encoding="klingon")
    for encoding in ("utf-16", "utf-16-le"):
        (tmp_path / "file").write_bytes("Größe,x\n1,ä\n".encode(encoding))
        source = open_source(tmp_path / "file", encoding=encoding)
        assert source.columns == ("Größe", "x")
        assert table(source)["x"].to_pylist() == ["ä"]
    with pytest.raises(InputError, match=r"cannot read .*: No such file .*; name a file"):
        open_source(tmp_path / "none.csv")


def test_quotes_newlines_and_blocks(tmp_path: Path) -> None:
    """Rows are counted, not lines, over the borders of blocks."""
    rows = 300_000
    text = "a,b\n" + "".join(f'{i},"x\ny"\n' for i in range(rows)) + "1,2,3\n"
    (tmp_path / "file").write_text(text)
    with pytest.raises(InputError, match=f"row {rows + 1} "):
        table(open_source(tmp_path / "file"))


def test_what_is_no_source(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        open_source(tmp_path / "none.csv")
    with pytest.raises(InputError, match="Is a directory"):
        open_source(tmp_path)
    for odd in (3, [1, 2], FRAME["age"], "-"):
        with pytest.raises(InputError):
            open_source(odd)
    with pytest.raises(InputError, match=r"column 'b' of .* mixes") as error:
        open_source(pd.DataFrame({"a": [1, 2], "b": [SECRET, 2]}))
    assert SECRET not in str(error.value)
    with pytest.raises(InputError, match="differ in length"):
        open_source({"a": [1], "b": [1, 2]})
    with pytest.raises(InputError, match="Parquet is not read from standard input"):
        open_source(io.BytesIO(b"PAR1xxxxxxxx"))


def test_databases_that_fail(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be used") as error:
        open_source(f"nosuch://me:{SECRET}@host/db", query="SELECT 1")
    assert SECRET not in str(error.value)
    url = f"sqlite:///{tmp_path / 'x.db'}"
    with pytest.raises(InputError, match="no such table"):
        open_source(url, query="SELECT * FROM absent")
    with pytest.raises(InputError, match="more than one column 'a'"):
        open_source(url, query="SELECT 1 AS a, 2 AS a")
    with pytest.raises(InputError, match="gives no rows"):
        open_source(url, query="CREATE TABLE t (a INTEGER)")


def test_a_long_query_comes_in_pieces(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'x.db'}"
    query = (
        "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 99999) SELECT i, i * 0.5 AS h FROM n"
    )
    batches = list(open_source(url, query=query).batches())
    assert len(batches) == 2
    found = pa.Table.from_batches(batches)
    assert np.array_equal(found["i"].to_numpy(), np.arange(100_000))
    assert np.array_equal(found["h"].to_numpy(), np.arange(100_000) / 2)


@pytest.mark.nodes
def test_a_postgresql_database() -> None:
    rows = 70_000
    with server() as running:
        url = running.url("hospital")
        query = (
            "SELECT i AS id, (i * 0.25)::numeric(12, 2) AS price, (i % 3 = 0) AS flag, "
            "DATE '2020-01-01' + i % 100 AS day, 'name ' || i AS name, NULLIF(i, 5)::float8 AS gap "
            f"FROM generate_series(0, {rows - 1}) AS i"
        )
        source = open_source(url, query=query)
        assert source.columns == ("id", "price", "flag", "day", "name", "gap")
        batches = list(source.batches(["price", "day", "gap", "flag"]))
        assert len(batches) == 2
        found = pa.Table.from_batches(batches)
        assert found["flag"].to_pylist()[:4] == [True, False, False, True]
        assert found["gap"].null_count == 1
        assert [float(value) for value in found["price"].to_pylist()[-2:]] == [(rows - 2) / 4, (rows - 1) / 4]
        assert [str(value) for value in found["day"].to_pylist()[:2]] == ["2020-01-01", "2020-01-02"]
        with pytest.raises(InputError, match="does not exist"):
            open_source(url, query="SELECT * FROM absent")
        missing = url.replace("/postgres?", "/nowhere?")
        with pytest.raises(InputError, match="failed"):
            open_source(missing, query="SELECT 1")


def test_missing_values_of_frames_are_nulls() -> None:
    frame = pd.DataFrame({"a": [1.0, np.nan], "b": ["x", None]})
    for source in (open_source(frame), open_source(pl.from_pandas(frame))):
        found = table(source)
        assert found["a"].null_count == found["b"].null_count == 1
