"""Proposes a schema for a table: kinds, bounds rounded outward, decimals. Its owner reads and corrects it."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import tomli_w

from tercet.client.column_kinds import Asked, Proposal, proposal
from tercet.client.column_summary import ColumnSummary
from tercet.client.readers import open_source
from tercet.client.readers_csv import headless
from tercet.client.sources import Source, clean_name, prefetched
from tercet.errors import InputError
from tercet.federation.text import counted
from tercet.store.reading import AS_IT_IS, Reading
from tercet.store.schema import ColumnKind, Schema

_WIDTH = 100

_HEADER = """\
# What the columns of this dataset mean. Read it, correct it, then upload with it.
#
# Everything in this file is public: names, bounds, categories, decimals. Only the values stay secret. Bounds were
# rounded outward from what the data holds; write the range that any value may lie in, not the one that yours happen
# to: a value outside is refused. To leave a column out, delete its table.
#
# kind: bool
#       integer   lo, hi
#       decimal   lo, hi, and digits (values with so many digits behind the point, exact: 2 for money) or frac_bits
#                 (values are rounded to multiples of 2^-frac_bits; 16 if both are left out)
#       category  categories, in any order
#       date      lo, hi
#       key       key = "text" or "integer": the name of each row, by which owners join their columns. It is PUBLIC.
# nullable = true: values may be missing; whether one is stays secret, as the values do.
"""

_READING = """\
# How the table is read; checks and uploads with this schema read it so, too. The nodes do not see this part.
"""
_TOTALS = frozenset(
    ("total", "totals", "grand total", "sum", "subtotal", "average", "mean", "count", "summe", "gesamt", "insgesamt")
)
_SECOND_HEADER = (
    "if the header is not the first line, leave out the lines above it: --skip-rows 1, or more (in Python "
    "skip_rows=1); take a line of units away; and if the first line is the header: --header (header=True)"
)
_FEWEST = 5
"""In a table of texts only, a second header is looked for if there are at least so many rows."""


@dataclass(frozen=True, repr=False)
class Inference:
    """A proposed schema, with notes about what its owner should check."""

    proposals: tuple[Proposal, ...]
    rows: int
    reading: Reading = AS_IT_IS
    """How the source was read; the schema remembers it."""

    @property
    def schema(self) -> Schema:
        """The columns that are proposed. Raises InputError if there are none."""
        columns = tuple(p.column for p in self.proposals if p.active and p.column is not None)
        if not columns:
            raise InputError("no column can be shared as it is", hint="see the notes, and write the schema by hand")
        return Schema(columns=columns, reading=self.reading)

    @property
    def notes(self) -> list[str]:
        """What the owner should check: one line for each remark, with names of columns and without values."""
        return [f"{p.name}: {comment}" for p in self.proposals for comment in p.comments]

    def __repr__(self) -> str:
        lines = [f"{name}: {kind} {values}".rstrip() for name, kind, values in summary(self)]
        return "\n".join([f"Inference from {counted(self.rows, 'row')}", *lines, "", *self.notes]).rstrip()

    def to_toml(self) -> str:
        """The schema as a commented file, to be edited."""
        reading = _READING + tomli_w.dumps({"reading": self.reading.given()}) if self.reading else ""
        return "\n".join([_HEADER, *([reading] if reading else []), *(_table(each) for each in self.proposals)])


def infer(source: Any, *, keys: Sequence[str] = (), categories: Sequence[str] = (), **options: Any) -> Inference:
    """Read a source once and propose a schema. Owners call it; source and options are those of `open_source`.

    keys: the column whose values are the public names of the rows. categories: columns whose texts become categories
    however many there are; all of these texts become public. Other columns with more than a few texts are left out.
    The schema keeps the options. Memory is bounded. Raises InputError if the source cannot be read or has no rows, or
    if a named column is not there.
    """
    opened = source if isinstance(source, Source) else open_source(source, **options)
    columns = [ColumnSummary(opened.reading) for _ in opened.columns]
    rows = 0
    for batch in prefetched(opened.batches()):
        for seen, values in zip(columns, batch.columns, strict=True):
            seen.add(values, rows + 1)
        rows += batch.num_rows
    if not rows:
        raise InputError(f"{opened.name} has no rows", hint="a schema is inferred from values")
    names = [clean_name(header) for header in opened.columns]
    for place, name in enumerate(names):
        if name.lower() in {other.lower() for other in names[:place]}:
            raise InputError(f"{opened.name} has two columns that would both be called {name}", hint="rename one")
    asked = Asked.of(keys, categories, list(zip(names, opened.columns, strict=True)))
    if not opened.asserted_header:
        for header, seen in zip(opened.columns, columns, strict=True):
            if seen.texts and seen.typed == "text" and header.strip() in seen.texts:
                # the name is one of the values: the first line was no header
                raise headless(f"the first line of {opened.name}")
        refuse_second_header(opened.name, opened.columns, columns, rows)
    refuse_remarks(opened.name, columns, rows)
    found = tuple(
        proposal(seen, name, header, asked) for seen, name, header in zip(columns, names, opened.columns, strict=True)
    )
    return Inference(found, rows, opened.reading)


def _wrapped(comment: str) -> list[str]:
    """Lines of a comment; an option of the command line stays beside its value."""
    joined = re.sub(r"(--[a-z-]+) (?=\S)", "\\1\0", comment)
    return [line.replace("\0", " ") for line in textwrap.wrap(joined, _WIDTH, break_on_hyphens=False)]


def _table(proposed: Proposal) -> str:
    lines = [f"# {line}" for comment in proposed.comments for line in _wrapped(f"{proposed.name}: {comment}")]
    if proposed.column is not None:
        fields = proposed.column.model_dump(mode="python", exclude_defaults=True)
        plain = {
            name: list(value) if isinstance(value, tuple) else str(value) if name in ("kind", "key") else value
            for name, value in fields.items()
        }
        table = ["[[columns]]", *tomli_w.dumps(plain).splitlines()]
        lines += table if proposed.active else [f"# {line}".rstrip() for line in table]
    return "\n".join(lines) + "\n"


def summary(inference: Inference) -> Sequence[tuple[str, str, str]]:
    """(name, kind, range) of every proposed column, for a table on a screen."""
    rows = []
    for each in inference.proposals:
        column = each.column
        if column is None or not each.active:
            rows.append((each.name, "left out", ""))
        elif column.kind is ColumnKind.CATEGORY:
            rows.append((column.name, "category", ", ".join(column.categories)))
        else:
            rows.append((column.name, str(column.kind), "" if column.lo is None else f"{column.lo} to {column.hi}"))
    return rows


# ---- rows that hold no data: a second header, units, totals, comments ----


def refuse_second_header(name: str, headers: Sequence[str], columns: Sequence[ColumnSummary], rows: int) -> None:
    """Raise InputError if the first row seems to be the header, or a line of units, instead of data.

    Inference calls it unless the owner said that there is a header. In a column of numbers or dates, such a row is the
    only one that holds something else; in a table of texts only, its texts occur once, while other texts are repeated.
    """
    for header, seen in zip(headers, columns, strict=True):
        if seen.typed != "text":
            continue
        numbers = _alone(seen) and seen.no_number_row == 1
        dates = seen.dates.count >= 2 and seen.dates.count == seen.count - 1 and seen.no_date_row == 1
        if numbers or dates:
            what = "numbers" if numbers else "dates"
            raise InputError(
                f"column {header!r} of {name} holds {what} but for its first row, as below a title, or with a line of "
                "units",
                hint=f"{_SECOND_HEADER}; or name what stands there as missing: --na TEXT",
            )
    filled = [seen for seen in columns if seen.count]
    if rows < _FEWEST or any(not seen.first_text or seen.first_again or seen.numbers.count for seen in filled):
        return
    again = [seen for seen in filled if seen.texts is not None and 2 * len(seen.texts) <= seen.count]
    if len(again) > 1:
        raise InputError(
            f"no text of the first row of {name} comes again, while others do, as if that row were the header",
            hint=_SECOND_HEADER,
        )


def refuse_remarks(name: str, columns: Sequence[ColumnSummary], rows: int) -> None:
    """Raise InputError for a row that is a comment or a line of totals."""
    first = next((seen for seen in columns if seen.count), None)
    if first is None:
        return
    if 0 < first.comments < first.count:
        raise InputError(
            f"row {first.comment_row} of {name} begins as a comment does", hint="take such lines out of the table"
        )
    if first.last_row != rows or rows < 3:
        return
    if (_alone(first) and first.last_no_number_row == rows) or first.last_text.lower().rstrip(": ") in _TOTALS:
        raise InputError(
            f"row {rows} of {name}, the last one, seems to be a line of totals or a remark",
            hint="remove it from the table; or, if its text stands for a missing value, name it: --na TEXT",
        )


def _alone(seen: ColumnSummary) -> bool:
    """Whether the column holds numbers and a single text that is not just a number in another notation."""
    if seen.typed != "text" or seen.numbers.count < 2 or seen.no_numbers != 1:
        return False
    return bool(re.match(r"[^\W\d_]|\D*$", seen.examples[0]))
