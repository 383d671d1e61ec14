"""Reads CSV: every column as text, which is converted later, so that errors can name line, or row and column.

The calling thread reads and decodes bytes and cuts them at the ends of records; Arrow parses blocks in memory. No
thread of Arrow ever calls Python: if one did so while the interpreter ends, the process would crash.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.csv

from tercet.client.csv_records import (
    BOM,
    EncodingCheck,
    OtherEncoding,
    Unclosed,
    Utf8,
    blocks,
    lines_in,
    records,
)
from tercet.client.sources import Replayed, Source, refuse_twice
from tercet.client.texts import COMMENT, ISO, YEAR_LAST
from tercet.errors import InputError
from tercet.store.reading import AS_IT_IS, Reading

_DELIMITERS = ",;\t|"
_LOOKED_AT = 64
_SNIFFED = 20
_SEP = re.compile(rb"(?i:sep)=([^\r\n])?[^\r\n]*(\r\n|\n|\r|\Z)")
_LINE = re.compile(rb"[^\r\n]*(\r\n|\n|\r|\Z)")
_YEAR = re.compile(r"(19|20)[0-9]{2}")
_VALUE = re.compile(r"[+-]?[0-9][0-9.,' ]*([eE][+-]?[0-9]+)?|[+-]?\.[0-9]+")


class CsvSource(Source):
    """A CSV file, from a path or a stream; its first line names the columns unless `reading` says otherwise."""

    layout = ("delimiter", "encoding", "header", "names", "skip_rows")

    def __init__(self, what: Path | Replayed, reading: Reading = AS_IT_IS) -> None:
        self.path = what if isinstance(what, Path) else None
        self._stream = what if isinstance(what, Replayed) else None
        self.repeatable = self.path is not None
        self.name = str(what) if self.path else "standard input"
        self.reading = reading
        self._encoding = reading.encoding or "utf-8"
        self._counted: Replayed | None = self._stream
        self._size = self.path.stat().st_size if self.path and not _compressed(self.path) else None
        if self.path is not None:
            with self._opened() as opened:
                head, whole = opened.head, opened.whole
            self._counted = None
        else:
            assert self._stream is not None
            head, whole = self._stream.head, self._stream.whole
        self._look(self._text(head, whole), whole)
        refuse_twice(self.columns, self.name, hint="give each column a name of its own, or name them all: --names")

    def _look(self, head: bytes, whole: bool) -> None:
        """Find the delimiter, the names of the columns, and where the data begins."""
        at = line = 0
        for _ in range(self.reading.skip_rows or 0):
            found = _LINE.match(head, at)
            assert found is not None
            at, line = found.end(), line + bool(found[0])
        told = _SEP.match(head, at)
        delimiter = self.reading.delimiter
        if told is not None:
            at, line = told.end(), line + 1
            delimiter = delimiter or (told[1] or b"").decode("ascii", "ignore") or None
        rest = head[at:]
        if not rest.strip() or not rest.splitlines()[0].strip():
            raise InputError(
                f"{self.name} is empty, or its {'first line' if not line else f'line {line + 1}'} is",
                hint="the first line names the columns; lines before it are left out with --skip-rows",
            )
        self._delimiter = delimiter or _sniffed(rest, whole, self.reading)
        first = next(records(rest, self._delimiter.encode(), last=True), None)
        if first is None:
            raise self._unclosed(line + 1)
        text = rest[: first.end].decode()
        fields = next(csv.reader(io.StringIO(text, newline=""), delimiter=self._delimiter))
        self._at, self._first_line = at, line + 1
        self._width, self.names_line = len(fields), 0
        self.columns, headed = header_of(fields, self.reading, f"line {line + 1} of {self.name}")
        self.asserted_header = has_asserted_header(self.reading)
        if headed:
            self._at, self._first_line = at + first.end, line + 1 + lines_in(rest[: first.end])
            self.names_line = line + 1

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        wanted = [self.columns.index(name) for name in (self.columns if columns is None else columns)]
        stream = self._stream if self.path is None else self._opened()
        assert stream is not None
        self._counted = stream
        delimiter = self._delimiter.encode()
        text = Utf8(stream, self._encoding)
        rows = 0
        try:
            for block, line, last in blocks(text, self._at, self._first_line, delimiter):
                batch = self._parsed(block, wanted, rows, line, last)
                rows += batch.num_rows
                if batch.num_rows:
                    yield batch
        except Unclosed as error:
            raise self._unclosed(error.line) from None
        except OtherEncoding as error:
            raise self._other(error.encoding) from None
        except UnicodeError:
            raise self._no_text() from None
        except OSError as error:
            raise InputError(f"cannot read {self.name}: {error.strerror or type(error).__name__}") from None
        finally:
            if self.path is not None:
                stream.close()

    def _parsed(self, block: bytes, wanted: list[int], rows: int, line: int, last: bool) -> pa.RecordBatch:
        places = [str(place) for place in range(self._width)]
        if last and block.endswith(self._delimiter.encode()):
            block += b"\n"  # the file ends with an empty field
        try:
            table = pa.csv.read_csv(
                pa.BufferReader(block),
                pa.csv.ReadOptions(use_threads=False, block_size=len(block) + 1, column_names=places),
                pa.csv.ParseOptions(
                    delimiter=self._delimiter,
                    newlines_in_values=b'"' in block,
                    # in a file of one column, an empty line is a missing value
                    ignore_empty_lines=self._width > 1,
                ),
                pa.csv.ConvertOptions(
                    column_types=dict.fromkeys(places, pa.string()),
                    include_columns=[places[place] for place in wanted],
                    strings_can_be_null=True,
                    null_values=[""],
                    quoted_strings_can_be_null=True,
                ),
            )
        except pa.ArrowException as error:
            if "empty" in str(error).lower():
                return self._batch(pa.table({place: pa.array([], pa.string()) for place in places}), wanted)
            raise self._defect(block, rows, line, last) from None
        return self._batch(table.combine_chunks(), wanted)

    def _batch(self, table: pa.Table, wanted: list[int]) -> pa.RecordBatch:
        arrays = [
            column.chunk(0) if column.num_chunks else pa.array([], pa.string())
            for column in (table[str(place)] for place in wanted)
        ]
        return pa.RecordBatch.from_arrays(arrays, [self.columns[place] for place in wanted])

    def _defect(self, block: bytes, rows: int, line: int, last: bool) -> InputError:
        """The error for a block that cannot be parsed; it names the line."""
        at = 0
        for record in records(block, self._delimiter.encode(), last=True):
            if record.fields == 0 and self._width > 1:
                at, line = record.end, line + lines_in(block[at : record.end])
                continue
            rows += 1
            if max(record.fields, 1) != self._width:
                return self._ragged(line, rows, max(record.fields, 1))
            at, line = record.end, line + lines_in(block[at : record.end])
        if at < len(block) and last:
            return self._unclosed(line)
        try:
            block.decode()
        except UnicodeDecodeError as error:
            return self._no_text(line - lines_in(block[error.start :]) if at == len(block) else None)
        return InputError(f"{self.name} cannot be read as CSV", hint="check its quotes and delimiter")

    def _ragged(self, line: int, row: int, fields: int) -> InputError:
        header = f"the header, line {self.names_line}," if self.names_line else "the first line"
        hint = "quote fields that hold the delimiter, or name the right one (--delimiter)"
        if self._width == 1:
            hint = f"if what names the columns is line {line}, leave out those before it: --skip-rows {line - 1}"
        elif fields == self._width + 1:
            hint = f"take the delimiter at the line's end away if there is one; else {hint}"
        return InputError(
            f"line {line} of {self.name} (row {row} of its data) has more or fewer fields than the header: "
            f"{fields}, and {header} {self._width}",
            hint=hint,
        )

    def _unclosed(self, line: int) -> InputError:
        return InputError(
            f"line {line} of {self.name} begins a field with a quote that is not closed",
            hint='close it; a quote inside a quoted field is written twice: ""',
        )

    def _other(self, encoding: str) -> InputError:
        return InputError(
            f"{self.name} can be read as {self._encoding} text and is none: it is likely {encoding}",
            hint=f"name its encoding: --encoding {encoding} (in Python encoding={encoding!r})",
        )

    def _text(self, head: bytes, whole: bool) -> bytes:
        """The beginning of the file in UTF-8; InputError if it is in another encoding than the one named."""
        zeros = head[:_LOOKED_AT].count(b"\0")
        wide = zeros * 3 > len(head[:_LOOKED_AT]) or head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        if wide and "16" not in self._encoding and "32" not in self._encoding:
            width = 32 if zeros * 5 > 3 * len(head[:_LOOKED_AT]) else 16
            raise InputError(
                f"{self.name} is no {self._encoding} text: it looks like UTF-{width}, as some spreadsheets write",
                hint=f"name its encoding: --encoding utf-{width} (in Python encoding='utf-{width}'), or save it as CSV "
                "in UTF-8",
            )
        try:
            text = codecs.getincrementaldecoder(self._encoding)().decode(head)
            EncodingCheck(self._encoding).look(head, text, final=whole)
        except LookupError:
            raise InputError(
                f"encoding {self._encoding!r} is not known", hint="name one such as utf-8, utf-16 or latin-1"
            ) from None
        except OtherEncoding as error:
            raise self._other(error.encoding) from None
        except UnicodeError:
            raise self._no_text() from None
        return text.encode().removeprefix(BOM)

    def _no_text(self, line: int | None = None) -> InputError:
        where = "" if line is None else f" in line {line}"
        return InputError(
            f"{self.name} holds bytes{where} that are no {self._encoding} text",
            hint="name its encoding: --encoding cp1252 (in Python encoding='cp1252'), as Windows writes, or latin-1",
        )

    def fraction(self) -> float | None:
        return min(1.0, self._counted.count / self._size) if self._size and self._counted is not None else None

    def _opened(self) -> Replayed:
        assert self.path is not None
        try:
            file = pa.input_stream(str(self.path), compression="detect") if _compressed(self.path) else None
            return Replayed(file if file is not None else self.path.open("rb", buffering=0))
        except OSError as error:
            raise InputError(f"cannot read {self.name}: {error.strerror or 'it is damaged'}") from None


def _compressed(path: Path) -> bool:
    return path.suffix in (".gz", ".bz2", ".zst", ".lz4")


def _sniffed(head: bytes, whole: bool, reading: Reading) -> str:
    """The delimiter that gives all first lines the same number of fields, more than one; else the most frequent."""
    if not whole:
        head = head[: head.rfind(b"\n") + 1] or head
    line = head.splitlines()[0].decode()
    candidates = [mark for mark in _DELIMITERS if mark != reading.point] + [reading.point] * (reading.point == ",")
    widths = {}
    for mark in candidates:
        found = [record.fields for record in islice(records(head, mark.encode(), last=True), _SNIFFED) if record.fields]
        if found and min(found) == max(found) > 1:
            widths[mark] = found[0]
    if len(widths) > 1:
        widths.pop(reading.point, None)  # a decimal comma separates fields only if nothing else does
    if len(widths) > 1 and "," in widths and _VALUE.fullmatch(line.replace(",", ".").split(";")[0].strip()):
        # 1,5;2,5 without a header: the comma is a decimal one, and the other character separates
        del widths[","]
    if widths:
        return max(widths, key=lambda mark: (line.count(mark), -_DELIMITERS.index(mark)))
    return max(candidates, key=lambda mark: (mark != reading.point) * line.count(mark))


def header_of(fields: Sequence[str], reading: Reading, where: str) -> tuple[tuple[str, ...], bool]:
    """The names of columns, and whether the first line of a table, with these fields, holds them.

    A column without a name is called by its place. Raises InputError if nobody said that the line is the header and it
    looks like values, a comment or a title; or if the options name another number of columns.
    """
    headed = reading.names is None if reading.header is None else reading.header
    filled = [field.strip() for field in fields if field.strip()]
    if headed and reading.header is None:
        if _are_values(filled):
            raise headless(where)
        comment = re.match(COMMENT, fields[0].strip())
        if comment or (len(fields) > 1 and filled == [fields[0].strip()]):
            title = f"names one of {len(fields)} columns, as a title above the header does"
            raise InputError(
                f"{where} {'begins as a comment does' if comment else title}",
                hint="leave out the lines before the header: --skip-rows 1, or more (in Python skip_rows=1); or, if it "
                "is the header: --header (header=True)",
            )
    if reading.names is not None and len(reading.names) != len(fields):
        raise InputError(
            f"{len(reading.names)} names are given, and {where} has {len(fields)} fields",
            hint="name all columns, in their order",
        )
    names = [field.strip() if headed else "" for field in fields]
    return reading.names or tuple(name or f"column_{place}" for place, name in enumerate(names, 1)), headed


def has_asserted_header(reading: Reading) -> bool:
    """Whether the owner said what the names of columns are, or that the first line holds them."""
    return reading.header is not None or reading.names is not None


def _are_values(texts: Sequence[str]) -> bool:
    """Whether a first line holds numbers or dates, other than a few years among names."""
    values = [text for text in texts if _VALUE.fullmatch(text) or re.fullmatch(ISO, text) or re.match(YEAR_LAST, text)]
    years = [text for text in values if _YEAR.fullmatch(text)]
    return bool(values) and not (len(values) == len(years) < len(texts))


def headless(where: str) -> InputError:
    """The error for a first line that holds values, which would become public as names."""
    return InputError(
        f"{where} names no columns: it holds values, and names are public",
        hint="say that there is no header: --no-header, with --names a,b,c (in Python header=False, names=[...]); "
        "or that these are names: --header (header=True)",
    )
