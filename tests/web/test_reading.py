"""What the browser reads of a table is what Python reads of it: the same bytes to be split, or the same refusal."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser

from tercet.client.chunks import Chunks, check, chunk_rows_for
from tercet.client.readers import open_source
from tercet.errors import InputError
from tercet.store.keys import Texts, key_buffers
from tercet.store.schema import Schema
from web.browser import visit
from web.served import served

Outcome = dict[str, str] | str
Case = tuple[dict[str, Any], str]
Read = Callable[[list[Case]], list[Outcome]]

SCRIPT = """async ([module, cases]) => {
  const { Schema, Table, hex } = await import(module);
  const read = async ([schema, table]) => {
    const found = {};
    try {
      const rows = await Table.csv(Schema.parse(schema), new Blob([table]), "table.csv");
      await rows.check();
      for await (const { contents } of rows.chunks(128)) {
        for (const [name, data] of contents) found[name] = (found[name] ?? "") + hex(data);
      }
    } catch (error) {
      if (error.name !== "InputError") throw error;
      return error.message;
    }
    return found;
  };
  const outcomes = [];
  for (const each of cases) outcomes.push(await read(each));
  return outcomes;
}"""


def module_folder() -> Path:
    return Path(str(files("tercet.web.browser")))


@pytest.fixture(scope="module")
def read(browser: Browser) -> Iterator[Read]:
    """Reads tables in the browser."""
    with served(module_folder()) as site, visit(browser) as seen:
        seen.page.goto(f"{site}/package.json")

        def in_browser(cases: list[Case]) -> list[Outcome]:
            sent = [[json.dumps(schema), table] for schema, table in cases]
            found: list[Outcome] = seen.page.evaluate(SCRIPT, [f"{site}/tercet.js", sent])
            return found

        yield in_browser


def in_python(case: Case, folder: Path) -> Outcome:
    """Python names what is wrong first, and then all that is outside the bounds: compared is what comes first."""
    given, table = case
    schema = Schema.parse(given)
    path = folder / "table.csv"
    path.write_text(table, encoding="utf-8", newline="")
    found: dict[str, str] = {}
    try:
        source = open_source(path, schema=schema)
        if not check(source, schema)[0]:
            return "there are no rows to upload"
        chunks = Chunks(source, schema, 128)
        for chunk in chunks:
            for name, data in chunks.encoded(chunk).items():
                found[name] = found.get(name, "") + as_hex(data)
    except InputError as error:
        return error.message.partition(". In the whole table:")[0].replace(str(path), "table.csv")
    return found


def as_hex(data: Any) -> str:
    if isinstance(data, Texts) or data.dtype == np.int64:
        return b"".join(bytes(each) for each in key_buffers(data)).hex()
    return bytes(np.ascontiguousarray(data).tobytes()).hex()


def compare(read: Read, cases: list[Case], folder: Path) -> list[Outcome]:
    found = read(cases)
    for case, outcome in zip(cases, found, strict=True):
        assert outcome == in_python(case, folder), case
    return found


COLUMNS: list[dict[str, Any]] = [
    {"kind": "bool"},
    {"kind": "integer", "lo": -100, "hi": 100},
    {"kind": "integer", "lo": -(2**63) + 1, "hi": 2**62},
    {"kind": "integer", "lo": -(2**125), "hi": 2**125},
    {"kind": "decimal", "lo": -100, "hi": 100.5},
    {"kind": "decimal", "lo": -1e6, "hi": 1e6, "frac_bits": 44},
    {"kind": "decimal", "lo": -1e16, "hi": 1e16, "frac_bits": 60},
    {"kind": "decimal", "lo": -0.5, "hi": 1000, "digits": 2},
    {"kind": "decimal", "lo": 0, "hi": 10**12, "digits": 20},
    {"kind": "category", "categories": ["a", "b b", "NA", "ü", "1"]},
    {"kind": "date", "lo": "1850-01-01", "hi": "2100-12-31"},
    {"kind": "key", "key": "text"},
    {"kind": "key", "key": "integer"},
]
TEXTS = [
    *("0", "1", "-1", "+1", " 7", "7\t", "007", "1.0", "1.5", "-0.25", "0.005", "1e2", "1E-3", "1.", ".5", "-.5e1"),
    *("100", "101", "-100", "-100.0", "100.5", "99.99", "99.999", "1e400", "9007199254740993", "9223372036854775807"),
    *(
        "-9223372036854775808",
        "9223372036854775808",
        "42535295865117307932921825928971026431",
        "0x10",
        "0xFFFFFFFFFFFFFFFF",
    ),
    *("1_0", "1,5", "1 000", "\u0661", "\u22125", "\u00a05\u00a0", "\u200b5", "\u0085 5"),
    *("nan", "NaN", "NA", "n/a", "-", "?", "null", "None", "", "  ", "inf", "-Infinity", "INF", "nan(1)"),
    *("true", "TRUE", "Yes", "f", "no", "y", "maybe", "t ", "\u212a"),
    *("a", " a", "b b", "b  b", "ü", "u\u0308", "A", "NA "),
    *("2020-01-31", "2020-02-30", "2020-1-1", " 2020-01-01", "1900-02-29", "2000-02-29", "2020/01/31", "31.01.2020"),
    *("01/02/2020", "2020.1.2", "2020-01-31 10:00", "2020-01-31T23:59:59Z", "20200131", "0000-01-01", "2101-01-01"),
    *("'quoted'", 'a"b', "x" * 1024, "x" * 1025, "ß" * 513, "\u200b", "\u2003a"),
    *(
        "1.500,25",
        "1,500.25",
        "1'500",
        "1\u202f500",
        "12,34,567",
        "$ 5",
        "5 €",
        "-$5",
        "0.1",
        "0.10",
        "1e-2",
        "123456.7",
    ),
]
READINGS: list[dict[str, Any]] = [
    {},
    {},
    {"decimal": ","},
    {"thousands": ","},
    {"decimal": ",", "thousands": "."},
    {"thousands": "'"},
    {"thousands": " "},
    {"strip": ["$", "€"]},
    {"day_first": True},
    {"day_first": False},
    {"na": ["-99", "x", "nan"]},
]
NORMAL = {
    "bool": ["true", "no", "1"],
    "integer": ["0", "1", "42", "-7"],
    "decimal": ["0", "1.5", "-0.25", "12"],
    "category": ["a", "b b", "ü"],
    "date": ["2020-01-31", "1999-12-31"],
    "key": ["1", "2", "3"],
}


def quoted(text: str, chance: random.Random) -> str:
    if any(mark in text for mark in '",;\r\n\t|') or chance.random() < 0.1:
        return '"' + text.replace('"', '""') + '"'
    return text


def schema_of(columns: list[dict[str, Any]], reading: dict[str, Any] | None = None) -> dict[str, Any]:
    # beside a key there is a column that is none
    named = [{"name": f"c{place}", **column} for place, column in enumerate(columns)]
    if all(column["kind"] == "key" for column in columns):
        named.append({"name": "z", "kind": "bool"})
    return {"columns": named, **({"reading": reading} if reading else {})}


def table_of(names: list[str], rows: list[list[str]], chance: random.Random) -> str:
    lines = [",".join(names), *(",".join(quoted(cell, chance) for cell in row) for row in rows)]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("place", range(len(COLUMNS)))
def test_every_text_in_every_kind_of_column(read: Read, tmp_path: Path, place: int) -> None:
    column, chance = COLUMNS[place], random.Random(place)
    cases: list[Case] = []
    for text in TEXTS:
        for nullable in (False, True) if column["kind"] != "key" else (False,):
            schema = schema_of([{**column, "nullable": nullable} if nullable else column])
            names = [each["name"] for each in schema["columns"]]
            cases.append((schema, table_of(names, [[text, "1"][: len(names)]], chance)))
    found = compare(read, cases, tmp_path)
    assert any(isinstance(outcome, dict) for outcome in found)
    assert any(isinstance(outcome, str) for outcome in found)


@pytest.mark.parametrize("seed", range(4))
def test_random_tables(read: Read, tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    cases: list[Case] = []
    for _ in range(50):
        columns: list[dict[str, Any]] = []
        for column in chance.sample(COLUMNS, chance.randint(1, 4)):
            if column["kind"] == "key" and any(each["kind"] == "key" for each in columns):
                continue
            nullable = column["kind"] != "key" and chance.random() < 0.5
            columns.append({**column, "nullable": True} if nullable else column)
        schema = schema_of(columns, chance.choice(READINGS))
        reading = schema.get("reading", {})
        kinds = [column["kind"] for column in schema["columns"]]
        odd = chance.choice([0.0, 0.02, 0.3])
        rows = []
        for _ in range(chance.choice([1, 2, 5, 64, 130, 300])):
            row = [chance.choice(TEXTS if chance.random() < odd else NORMAL[kind]) for kind in kinds]
            if reading.get("decimal") == ",":
                row = [
                    cell.replace(".", ",") if kind == "decimal" else cell for cell, kind in zip(row, kinds, strict=True)
                ]
            rows.append(row)
        cases.append((schema, table_of([column["name"] for column in schema["columns"]], rows, chance)))
    found = compare(read, cases, tmp_path)
    assert sum(isinstance(outcome, dict) for outcome in found) > 10


X = {"columns": [{"name": "x", "kind": "integer", "lo": 0, "hi": 9}]}
XY = {"columns": [*X["columns"], {"name": "y", "kind": "key", "key": "text"}]}
TABLES = [
    *(
        "",
        "\n",
        "x",
        "x\n",
        "x\n1",
        "x\n1\n\n2\n",
        "x\n1\n\n",
        "\nx\n1\n",
        "x\r\n1\r\n2\r\n",
        "x\r1\r2\r",
        "\ufeffx\n1\n",
    ),
    *(
        "x,y\n1,a\n",
        "y,x\na,1\n",
        "x;y\n1;a\n",
        "x\ty\n1\ta\n",
        "x|y\n1|a\n",
        "z,x,y\n0,1,a\n",
        "x,y\n1\n",
        "x,y\n1,a,\n",
    ),
    *(
        'x,y\n1,"b""c"\n',
        'x,y\n1,"d,e"\n',
        'x,y\n1,"f\ng"\n2,a\n',
        'x,y\n1,"f\n',
        'x,y\n1,b"c\n',
        'x,y\n1,"a"b\n',
        "x,x\n1,2\n",
    ),
    *('x,y\n1,"a\n2,a\n3,a\n', 'x,y\n"1","a"\n', "x,y\n\n1,a\n\n\n2,a\n", "x,y\n1,a\n2,", 'x,y\n1,""\n', "X,y\n1,a\n"),
    *(
        "1,a\n2,a\n",
        "a title\nx,y\n1,a\n",
        "# x\nx,y\n1,a\n",
        "x,y\n1,a\n2,a,3\n",
        "sep=;\nx;y\n1;a\n",
        "2019,2020\n1,2\n",
    ),
    *(
        "x ,y\n1,a\n",
        '"x","y"\n1,a\n',
        "x,y,\n1,a,\n",
        "x,y\n 1 , a\n",
        "é x,x,y\n1,1,a\n",
        "x,y\n1,a\n2,a\n10,a\n",
        "x,y\n1,a\n1,q\n",
    ),
    "x,y\n" + "1,a\n" * 1000,
    "x,y\n" + "1,a\n" * 1000 + "11,zz\n",
    "x,y\n" + '1,"f\ng"\n' * 500 + "1,a,2\n",
]


def test_tables_of_every_layout(read: Read, tmp_path: Path) -> None:
    compare(read, [(schema, table) for schema in (X, XY) for table in TABLES], tmp_path)


def test_names_and_lines_that_are_left_out(read: Read, tmp_path: Path) -> None:
    readings = [{"skip_rows": 1}, {"header": False, "names": ["x", "y"]}, {"header": True}, {"delimiter": ";"}]
    cases = [({**XY, "reading": reading}, table) for reading in readings for table in TABLES]
    compare(read, cases, tmp_path)


def test_a_file_of_several_blocks(read: Read, tmp_path: Path) -> None:
    """More than is read at a time, with quoted ends of lines at the places where it is cut."""
    table = "x,y\n" + '7,"f\ng"\n3,a\n' * 360_000
    cases: list[Case] = [(XY, table + "11,zz\n"), (XY, table + "1\n"), (XY, table + '1,"a')]
    for outcome in compare(read, cases, tmp_path):
        assert isinstance(outcome, str)


def test_chunks_have_as_many_rows(browser: Browser) -> None:
    schemas = [schema_of([column]) for column in COLUMNS] + [schema_of(COLUMNS[:-1])]
    script = """async ([module, schemas]) => {
      const { Schema } = await import(module);
      return schemas.map((schema) => [Schema.parse(schema).chunkRows(), Schema.parse(schema).chunkRows(1 << 20)]);
    }"""
    with served(module_folder()) as site, visit(browser) as seen:
        seen.page.goto(f"{site}/package.json")
        found = seen.page.evaluate(script, [f"{site}/tercet.js", [json.dumps(schema) for schema in schemas]])
    parsed = [Schema.parse(schema) for schema in schemas]
    assert found == [[chunk_rows_for(schema), chunk_rows_for(schema, 1 << 20)] for schema in parsed]
