"""What is missing, from every kind of source: the same values, the same validity bits."""

from __future__ import annotations

import sqlite3
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from tercet.client.chunks import Chunks, check
from tercet.client.readers import open_source
from tercet.errors import InputError
from tercet.ring import unpack_bits
from tercet.store.schema import Schema

STARTS_NOTHING = True
DAY = date(2020, 1, 2)
SCHEMA = Schema.parse(
    {
        "columns": [
            {"name": "i", "kind": "integer", "lo": -5, "hi": 9, "nullable": True},
            {"name": "x", "kind": "decimal", "lo": -5, "hi": 9, "digits": 2, "nullable": True},
            {"name": "f", "kind": "decimal", "lo": -5, "hi": 9, "nullable": True},
            {"name": "c", "kind": "category", "categories": ["a", "b"], "nullable": True},
            {"name": "d", "kind": "date", "lo": "2000-01-01", "hi": "2030-01-01", "nullable": True},
            {"name": "b", "kind": "bool", "nullable": True},
        ]
    }
)
PLAIN: dict[str, list[Any]] = {
    "i": [1, None, 3],
    "x": [0.99, None, 1.5],
    "f": [1.5, None, 2],
    "c": ["a", None, "b"],
    "d": [DAY, None, DAY],
    "b": [True, None, False],
}
EXPECTED = {
    "i": [1, -5, 3],
    "x": [99, -500, 150],
    "f": [98304, -5 << 16, 2 << 16],
    "c": [0, 0, 1],
    "d": [18263, 10957, 18263],
    "b": [True, False, False],
}


def source(kind: str, folder: Path) -> Any:
    frame = pd.DataFrame(
        {
            **{name: PLAIN[name] for name in ("i", "x", "f", "b")},
            "c": pd.Categorical(PLAIN["c"]),
            "d": pd.to_datetime([DAY, pd.NaT, DAY]),
        }
    )
    polars = pl.DataFrame({**PLAIN, "x": [0.99, float("nan"), 1.5], "c": pl.Series(PLAIN["c"], dtype=pl.Categorical)})
    if kind == "sql":
        with sqlite3.connect(folder / "a.db") as connection:
            connection.execute("CREATE TABLE t (i, x, f, c, d, b)")
            rows = zip(*({**PLAIN, "d": [str(DAY), None, str(DAY)]}).values(), strict=True)
            connection.executemany("INSERT INTO t VALUES (?, ?, ?, ?, ?, ?)", rows)
        connection.close()
        return open_source(f"sqlite:///{folder}/a.db", query="SELECT * FROM t")
    frame.to_csv(folder / "a.csv", index=False)
    frame.to_parquet(folder / "a.parquet")
    polars.write_ipc(folder / "a.arrow")
    found = {"pandas": frame, "polars": polars, "dict": PLAIN}.get(kind)
    return open_source(folder / f"a.{kind}" if found is None else found)


@pytest.mark.parametrize("kind", ["pandas", "polars", "dict", "csv", "parquet", "arrow", "sql"])
def test_the_same_from_every_source(kind: str, tmp_path: Path) -> None:
    (chunk,) = chunks = list(made := Chunks(source(kind, tmp_path), SCHEMA, 64))
    assert len(chunks) == 1
    encoded = made.encoded(chunk)
    for name, form in SCHEMA.stored:
        bits = name.endswith("?") or name == "b"
        plain = unpack_bits(encoded[name], 3) if bits else encoded[name].view(np.int64)
        assert plain.tolist() == ([True, False, True] if name.endswith("?") else EXPECTED[name]), (name, form)


def test_rows_are_dropped_for_columns_only_that_are_not_nullable() -> None:
    columns = SCHEMA.to_dict()["columns"]
    strict = Schema.parse({"columns": [{**columns[0], "nullable": False}, columns[1]]})
    data = {"i": [1, None, 3, 4], "x": [0.5, 0.5, None, 1]}
    assert check(open_source(data), strict, "drop") == (3, 1)
    with pytest.raises(InputError, match="column i, row 2: the value is missing; say nullable = true"):
        check(open_source(data), strict)
