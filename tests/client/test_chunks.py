"""Chunks of one size from batches of any size; reading ahead; checking without sending."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tercet.client.chunks import Chunks, check, chunk_rows_for
from tercet.client.readers import open_source
from tercet.client.sources import Source, prefetched
from tercet.errors import InputError
from tercet.store.part import MAX_CHUNK_ROWS
from tercet.store.schema import Column, Schema

SCHEMA = Schema(columns=(Column(name="x", kind="integer", lo=0, hi=1000),))


class Batches(Source):
    """Rows in batches of given sizes; None stands for a missing value."""

    def __init__(self, batches: Sequence[Sequence[int | None]]) -> None:
        self.name, self.columns = "batches", ("x",)
        self._batches = batches

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        for batch in self._batches:
            yield pa.RecordBatch.from_arrays([pa.array(batch, pa.int64())], ["x"])


Values = st.lists(st.lists(st.one_of(st.none(), st.integers(0, 1000)), max_size=20), max_size=12)


@given(Values, st.integers(1, 17))
def test_chunks_of_one_size(batches: list[list[int | None]], size: int) -> None:
    kept = [value for batch in batches for value in batch if value is not None]
    missing = sum(value is None for batch in batches for value in batch)
    chunks = Chunks(Batches(batches), SCHEMA, size, "drop")
    found: list[int] = []
    for number, chunk in enumerate(chunks):
        assert chunk.number == number
        words = chunks.encoded(chunk)["x"]
        assert len(words) == chunk.rows
        assert chunk.rows == size or len(found) + chunk.rows == len(kept)
        found += words.tolist()
    assert found == kept
    assert (chunks.dropped, chunks.read) == (missing, missing + len(kept))
    if missing:
        with pytest.raises(InputError, match="is missing"):
            check(Batches(batches), SCHEMA)
    else:
        assert check(Batches(batches), SCHEMA) == (len(kept), 0)


@pytest.mark.parametrize("missing", ["refuse", "drop"])
def test_rows_are_numbered_as_in_the_source(missing: Any) -> None:
    batches: list[list[int | None]] = [[1, None if missing == "drop" else 1, 2], [], [3, 4, 2000]]
    chunks = Chunks(Batches(batches), SCHEMA, 2, missing)
    with pytest.raises(InputError, match="column x, row 6: the value is outside"):
        for chunk in chunks:
            chunks.encoded(chunk)


@given(st.integers(1, 300), st.sampled_from(["bool", "integer", "wide", "key"]))
def test_chunk_rows(columns: int, kind: str) -> None:
    made = {
        "bool": lambda name: Column(name=name, kind="bool"),
        "integer": lambda name: Column(name=name, kind="integer", lo=0, hi=9),
        "wide": lambda name: Column(name=name, kind="integer", lo=0, hi=1 << 100),
        "key": lambda name: Column(name=name, kind="integer", lo=0, hi=9),
    }[kind]
    listed = [made(f"c{i}") for i in range(columns)]
    if kind == "key":
        listed.append(Column(name="k", kind="key", key="text"))
    for limit in (None, 1 << 20):
        rows = chunk_rows_for(Schema(columns=tuple(listed)), limit)
        assert rows % 64 == 0
        assert 64 <= rows <= MAX_CHUNK_ROWS


def test_reading_ahead_ends_with_its_reader() -> None:
    given: list[int] = []

    def numbers() -> Iterator[int]:
        for number in range(100):
            given.append(number)
            yield number

    for number in prefetched(numbers()):
        if number == 3:
            break
    assert len(given) < 10
    assert list(prefetched(range(5))) == [0, 1, 2, 3, 4]
    assert not [thread for thread in threading.enumerate() if thread.name == "tercet reader"]


def test_reading_ahead_passes_errors_on() -> None:
    def numbers() -> Iterator[int]:
        yield 1
        raise InputError("row 2 is bad")

    reader = prefetched(numbers())
    assert next(reader) == 1
    with pytest.raises(InputError, match="row 2 is bad"):
        next(reader)


@pytest.mark.parametrize("text", ["1e30", "1e300", "-9e37"])
def test_bounds_that_would_hold_large_numbers_are_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / "large.csv"
    path.write_text(f"x\n{text}\n")
    schema = Schema(columns=(Column(name="x", kind="decimal", lo=0, hi=10, digits=20),))
    with pytest.raises(InputError, match=r"row 1: the value is outside .* hi = \d+ would hold all"):
        check(open_source(path, schema=schema), schema)


def test_misuse() -> None:
    with pytest.raises(InputError, match="missing is 'ignore'"):
        Chunks(Batches([]), SCHEMA, 5, "ignore")  # type: ignore[arg-type]
