"""Spreadsheets: .xlsx, .xls, .xlsb and .ods, one sheet of them, read by calamine."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from tercet.client.readers_csv import columns_of, headless, looks_like_data, refuse_title
from tercet.client.sources import BATCH_ROWS, Replayed, Source, file_identity, refuse_twice
from tercet.errors import InputError
from tercet.store.reading import AS_IT_IS, Reading

_ZIP = b"PK\x03\x04"
_OLD = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_EXACT = 1 << 53


def is_workbook(head: bytes) -> bool:
    """Whether a file that begins so may be a spreadsheet."""
    return head.startswith((_ZIP, _OLD))


class ExcelSource(Source):
    """A sheet of a workbook; its first row names the columns unless it is said otherwise. It is held in memory."""

    layout = ("header", "names", "skip_rows", "sheet")

    def __init__(self, what: Path | Replayed, reading: Reading = AS_IT_IS) -> None:
        self.path = what if isinstance(what, Path) else None
        self.name = "standard input" if self.path is None else str(self.path)
        self.reading = reading
        rows = self._rows(what)[reading.skip_rows or 0 :]
        if not rows:
            raise InputError(f"{self.name} is empty", hint="the first row names the columns")
        names = reading.names
        headed = reading.header if reading.header is not None else names is None
        first = ["" if cell is None else _text(cell) for cell in rows[0]]
        if headed and reading.header is None and looks_like_data(first):
            raise headless(f"the first row of {self.name}")
        if headed and self.reading.header is None:
            refuse_title(first, f"the first row of {self.name}")
        if names is not None and len(names) != len(first):
            raise InputError(f"{len(names)} names are given, and {self.name} has {len(first)} columns")
        self.columns = names or columns_of(first if headed else [""] * len(first))
        self.asserted_header = reading.header is not None or names is not None
        refuse_twice(self.columns, self.name)
        kept = rows[1:] if headed else rows
        self.rows = len(kept)
        self._table = pa.table({name: _column([row[place] for row in kept]) for place, name in enumerate(self.columns)})

    def _rows(self, what: Path | Replayed) -> list[list[Any]]:
        """The cells that are used, None where one is empty; without rows and columns at the end that are empty."""
        import python_calamine

        try:
            book = python_calamine.load_workbook(what if isinstance(what, Path) else io.BytesIO(what.read()))
            names = list(book.sheet_names)
            filled = {}
            for name in names if self.reading.sheet is None else [self._named(names)]:
                rows = [
                    [None if cell == "" else cell for cell in row] for row in book.get_sheet_by_name(name).to_python()
                ]
                while rows and not any(cell is not None for cell in rows[-1]):
                    rows.pop()
                if rows:
                    filled[name] = rows
        except python_calamine.PasswordError:
            raise InputError(f"{self.name} is locked by a password", hint="save it without one") from None
        except (python_calamine.CalamineError, OSError, ValueError) as error:
            raise InputError(
                f"{self.name} cannot be read as a spreadsheet ({type(error).__name__})",
                hint="save it again as .xlsx or CSV",
            ) from None
        if len(filled) > 1:
            raise InputError(
                f"{self.name} has {len(filled)} sheets: {', '.join(map(repr, filled))}",
                hint="name one with --sheet (in Python sheet=...)",
            )
        return next(iter(filled.values()), [])

    def _named(self, names: list[str]) -> str:
        """The sheet of that name, or of that number."""
        wanted = self.reading.sheet or ""
        if wanted in names:
            return wanted
        if wanted.isdecimal() and 1 <= int(wanted) <= len(names):
            return names[int(wanted) - 1]
        raise InputError(f"{self.name} has no sheet {wanted!r}", hint=f"it has {', '.join(map(repr, names))}")

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        table = self._table if columns is None else self._table.select(list(columns))
        yield from table.to_batches(max_chunksize=BATCH_ROWS)

    def identity(self) -> str | None:
        return None if self.path is None else f"{file_identity(self.path)} {self.reading.given()}"


def _text(cell: Any) -> str:
    """A cell as it is shown."""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < _EXACT else f"{cell:.15g}"
    return str(cell)


def _column(cells: list[Any]) -> pa.Array:
    """Cells of one kind as an Arrow column of it, others as texts."""
    filled = [cell for cell in cells if cell is not None]
    kinds = {bool if isinstance(cell, bool) else type(cell) for cell in filled}
    if not filled:
        return pa.nulls(len(cells), pa.string())
    if kinds == {bool}:
        return pa.array(cells, pa.bool_())
    if kinds <= {int, float} and all(math.isfinite(cell) for cell in filled):
        if all(float(cell).is_integer() and abs(cell) < _EXACT for cell in filled):
            return pa.array([None if cell is None else int(cell) for cell in cells], pa.int64())
        # what a spreadsheet shows has 15 digits at most: 0.1 + 0.2 is 0.3 there
        return pa.array([None if cell is None else float(f"{cell:.15g}") for cell in cells], pa.float64())
    if kinds <= {date, datetime}:
        return pa.array([cell.date() if isinstance(cell, datetime) else cell for cell in cells], pa.date32())
    return pa.array([None if cell is None else _text(cell) for cell in cells], pa.string())


__all__ = ["ExcelSource", "is_workbook"]
