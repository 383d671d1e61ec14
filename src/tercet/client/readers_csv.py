"""CSV: every column as text, converted later; so that what is wrong can be named by row and column."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from tercet.client.readers import Replayed, Source, _distinct, file_identity
from tercet.errors import InputError

BLOCK_BYTES = 1 << 22
_DELIMITERS = ",;\t|"
_LOOKED_AT = 64


class CsvSource(Source):
    """A CSV file with a header, from a path or a stream."""

    def __init__(
        self, what: Path | Replayed, *, delimiter: str | None = None, encoding: str = "utf-8", decimal: str = "."
    ) -> None:
        self.path = what if isinstance(what, Path) else None
        self._stream = what if isinstance(what, Replayed) else None
        self.repeatable = self.path is not None
        self.name = str(what) if self.path else "standard input"
        self._encoding = encoding
        self.decimal = decimal
        self._counted: Replayed | None = self._stream
        self._size = self.path.stat().st_size if self.path and not _compressed(self.path) else None
        if decimal not in (".", ","):
            raise InputError(f"decimal is {decimal!r}; it is a point or a comma")
        if self.path is not None:
            with self._opened() as opened:
                head = opened.head
            self._counted = None
        else:
            assert self._stream is not None
            head = self._stream.head
        line = self._text(head).lstrip("\ufeff").splitlines()
        if not line or not line[0].strip():
            raise InputError(f"{self.name} is empty, or its first line is", hint="the first line names the columns")
        self._delimiter = delimiter or max(_DELIMITERS, key=line[0].count)
        if len(self._delimiter) != 1:
            raise InputError(f"delimiter {delimiter!r} is not one character")
        self.columns = tuple(next(csv.reader(io.StringIO(line[0]), delimiter=self._delimiter)))
        _distinct(self.columns, self.name)

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        names = list(self.columns if columns is None else columns)
        wrong: list[int | None] = []

        def ragged(row: Any) -> str:
            wrong.append(row.number)
            return "error"

        stream = self._stream if self.path is None else self._opened()
        assert stream is not None
        self._counted = stream
        try:
            reader = pa.csv.open_csv(
                pa.PythonFile(stream, "r"),
                # one thread: only then is the number of a bad row known; reading overlaps with what follows anyway
                pa.csv.ReadOptions(use_threads=False, block_size=BLOCK_BYTES, encoding=self._encoding),
                pa.csv.ParseOptions(
                    delimiter=self._delimiter,
                    newlines_in_values=True,
                    # of a single column an empty line is a missing value
                    ignore_empty_lines=len(self.columns) > 1,
                    invalid_row_handler=ragged,
                ),
                pa.csv.ConvertOptions(
                    column_types=dict.fromkeys(self.columns, pa.string()),
                    include_columns=names,
                    strings_can_be_null=True,
                    null_values=[""],
                    quoted_strings_can_be_null=True,
                ),
            )
            for batch in reader:
                yield _with_points(batch) if self.decimal == "," else batch
        except (pa.ArrowException, UnicodeError) as error:
            if wrong:
                # the header is row 1 to the parser
                where = f"row {wrong[0] - 1}" if wrong[0] else "a row"
                raise InputError(
                    f"{where} of {self.name} has more or fewer fields than the header",
                    hint="quote fields that hold the delimiter, or name the right one (--delimiter)",
                ) from None
            if "empty" in str(error).lower() or "cannot infer" in str(error).lower():
                return  # a header and nothing else
            if "UTF8" in str(error) or isinstance(error, UnicodeError):
                raise self._no_text() from None
            raise InputError(
                f"{self.name} cannot be read as CSV ({type(error).__name__})", hint="check its quotes and delimiter"
            ) from None
        finally:
            if self.path is not None:
                stream.close()

    def _text(self, head: bytes) -> str:
        """The beginning of the file; InputError if it is in another encoding than the one named."""
        wide = head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in head[:_LOOKED_AT]
        if wide and "16" not in self._encoding and "32" not in self._encoding:
            raise InputError(
                f"{self.name} is no {self._encoding} text: it looks like UTF-16, as some spreadsheets write",
                hint="name its encoding: --encoding utf-16 (in Python encoding='utf-16'), or save it as CSV in UTF-8",
            )
        try:
            return codecs.getincrementaldecoder(self._encoding)().decode(head)
        except LookupError:
            raise InputError(f"encoding {self._encoding!r} is not known", hint="utf-8, utf-16, latin-1, say") from None
        except UnicodeError:
            raise self._no_text() from None

    def _no_text(self) -> InputError:
        return InputError(
            f"{self.name} holds bytes that are no {self._encoding} text",
            hint="name its encoding: --encoding latin-1 (in Python encoding='latin-1'), say",
        )

    def identity(self) -> str | None:
        return None if self.path is None else f"{file_identity(self.path)} {self._delimiter}{self.decimal}"

    def fraction(self) -> float | None:
        return min(1.0, self._counted.count / self._size) if self._size and self._counted is not None else None

    def _opened(self) -> Replayed:
        assert self.path is not None
        try:
            file = pa.input_stream(str(self.path), compression="detect") if _compressed(self.path) else None
            return Replayed(file if file is not None else self.path.open("rb", buffering=0))
        except OSError as error:
            raise InputError(f"cannot read {self.name}: {error.strerror}") from None


def _compressed(path: Path) -> bool:
    return path.suffix in (".gz", ".bz2", ".zst", ".lz4")


def _with_points(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Decimal commas as points, in fields that are nothing but a number."""
    columns = [pc.replace_substring_regex(column, r"^([-+]?[0-9]*),([0-9]+)$", r"\1.\2") for column in batch.columns]
    return pa.RecordBatch.from_arrays(columns, batch.schema.names)
