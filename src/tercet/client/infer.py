"""A proposal of a schema from data: kinds, bounds rounded outward, decimals; for its owner to read and correct."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import tomli_w
from numpy.typing import NDArray

from tercet.client.columns import FALSE, MISSING, TRUE, clean_name
from tercet.client.readers import Source, open_source
from tercet.errors import InputError
from tercet.store.schema import EPOCH, Column, ColumnKind, KeyType, Schema

MAX_CATEGORIES = 64
"""More different texts than this are not taken for categories."""
MAX_PROPOSED_FRAC_BITS = 40
_FEW = 5
_REMEMBERED = 1 << 20
_DEFAULT_FRAC_BITS = 16
_KEY_LIKE = re.compile(r"(^|[_.\-])(id|key|uuid|guid|pseudonym|nr|no|number|ssn|mrn)($|[_.\-])|[a-z](Id|ID|Key)$", re.I)
_DIGITS = 9
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
#       decimal   lo, hi, frac_bits (values are rounded to multiples of 2^-frac_bits; 16 if left out)
#       category  categories, in any order
#       date      lo, hi
#       key       key = "text" or "integer": the name of each row, by which owners join their columns. It is PUBLIC.
"""


@dataclass(frozen=True)
class Proposal:
    """A column as proposed, or why it is not."""

    name: str
    column: Column | None
    active: bool = True
    """Whether it is part of the schema; else it stands in the file behind #."""
    comments: tuple[str, ...] = ()


@dataclass(frozen=True)
class Inference:
    """A proposed schema, and what its owner should look at."""

    proposals: tuple[Proposal, ...]
    rows: int = field(repr=False)

    @property
    def schema(self) -> Schema:
        """The columns that are proposed. Raises InputError if there are none."""
        columns = tuple(p.column for p in self.proposals if p.active and p.column is not None)
        if not columns:
            raise InputError("no column can be shared as it is", hint="see the notes, and write the schema by hand")
        return Schema(columns=columns)

    @property
    def notes(self) -> list[str]:
        """What needs a look: a line each, with names of columns and without values."""
        return [f"{p.name}: {comment}" for p in self.proposals for comment in p.comments]

    def to_toml(self) -> str:
        """The schema as a commented file, to be edited."""
        return "\n".join([_HEADER, *(_table(proposal) for proposal in self.proposals)])


def infer(source: Any, **options: Any) -> Inference:
    """Read a source once and propose a schema. Owners call it; source and options are those of `open_source`.

    Memory is bounded. Raises InputError if it cannot be read or has no rows.
    """
    opened = source if isinstance(source, Source) else open_source(source, **options)
    columns = [_Seen() for _ in opened.columns]
    rows = 0
    for batch in opened.batches():
        rows += batch.num_rows
        for seen, values in zip(columns, batch.columns, strict=True):
            seen.add(values)
    if not rows:
        raise InputError(f"{opened.name} has no rows", hint="a schema is inferred from values")
    taken: set[str] = set()
    proposals = []
    for header, seen in zip(opened.columns, columns, strict=True):
        name = clean_name(header)
        if name.lower() in taken:
            raise InputError(f"{opened.name} has two columns that would both be called {name}", hint="rename one")
        taken.add(name.lower())
        proposals.append(seen.proposal(name, header, rows))
    return Inference(tuple(proposals), rows)


def _table(proposal: Proposal) -> str:
    lines = [
        f"# {line}" for comment in proposal.comments for line in textwrap.wrap(f"{proposal.name}: {comment}", _WIDTH)
    ]
    if proposal.column is not None:
        fields = proposal.column.model_dump(mode="python", exclude_defaults=True)
        plain = {
            name: list(value) if isinstance(value, tuple) else str(value) if name in ("kind", "key") else value
            for name, value in fields.items()
        }
        table = ["[[columns]]", *tomli_w.dumps(plain).splitlines()]
        lines += table if proposal.active else [f"# {line}".rstrip() for line in table]
    return "\n".join(lines) + "\n"


class _Seen:
    """What is known of a column, batch after batch."""

    def __init__(self) -> None:
        self.missing = 0
        self.possible = {ColumnKind.BOOL, ColumnKind.INTEGER, ColumnKind.DECIMAL, ColumnKind.DATE}
        self.lo = math.inf
        self.hi = -math.inf
        self.days = (1 << 31, -(1 << 31))
        self.decimals = 0
        self.texts: set[str] | None = set()
        self.is_text = False
        self.commas = True
        self.strange = ""
        self._first: list[pa.Array] = []
        self._kept = 0

    def add(self, values: pa.Array) -> None:
        """Take one more batch in."""
        if pa.types.is_dictionary(values.type):
            values = values.dictionary_decode()
        if pa.types.is_large_string(values.type) or pa.types.is_string_view(values.type):
            values = values.cast(pa.string())
        before = len(values)
        values = values.drop_null()
        kind = values.type
        if pa.types.is_string(kind):
            self._texts(values, before)
            return
        self.missing += before - len(values)
        if not len(values):
            return
        if pa.types.is_boolean(kind):
            self.possible &= {ColumnKind.BOOL}
        elif pa.types.is_integer(kind):
            self._numbers(values.to_numpy(zero_copy_only=False))
            self._remember(values)
        elif pa.types.is_floating(kind) or pa.types.is_decimal(kind):
            floats = values.cast(pa.float64()).to_numpy(zero_copy_only=False)
            self.missing += int(np.isnan(floats).sum())
            self._numbers(floats[~np.isnan(floats)])
        elif pa.types.is_temporal(kind) and not pa.types.is_time(kind) and not pa.types.is_duration(kind):
            self.possible &= {ColumnKind.DATE}
            self._dates(values.cast(pa.date32(), safe=False))
        else:
            self.strange = str(kind)

    def _texts(self, values: pa.Array, before: int) -> None:
        texts = pc.utf8_trim_whitespace(values)
        small = pc.utf8_lower(texts)
        known = pc.invert(pc.is_in(small, pa.array(MISSING)))
        texts = texts.filter(known)
        self.missing += before - len(texts)
        if not len(texts):
            return
        self.is_text = True
        self.commas = self.commas and _all(pc.match_substring_regex(texts, r"^[+-]?[0-9]+(,[0-9]+)?$"))
        self._remember(texts)
        if self.texts is not None:
            self.texts.update(pc.unique(texts).to_pylist())
            if len(self.texts) > MAX_CATEGORIES:
                self.texts = None
        if ColumnKind.BOOL in self.possible and not _all(pc.is_in(small.filter(known), pa.array(TRUE + FALSE))):
            self.possible.discard(ColumnKind.BOOL)
        if ColumnKind.DATE in self.possible:
            try:
                self._dates(texts.cast(pa.date32()))
            except pa.ArrowInvalid:
                self.possible.discard(ColumnKind.DATE)
        if ColumnKind.DECIMAL in self.possible:
            try:
                numbers = texts.cast(pa.float64()).to_numpy(zero_copy_only=False)
            except pa.ArrowInvalid:
                self.possible -= {ColumnKind.INTEGER, ColumnKind.DECIMAL}
                return
            self._range(numbers)
            if not _all(pc.match_substring_regex(texts, r"^[+-]?[0-9]+$")):
                self.possible.discard(ColumnKind.INTEGER)
                point = pc.find_substring(texts, ".")
                behind = pc.subtract(pc.subtract(pc.utf8_length(texts), point), 1)
                longest = pc.max(behind.filter(pc.greater_equal(point, 0))).as_py() or 0
                self.decimals = max(self.decimals, min(longest, _DIGITS))

    def _numbers(self, numbers: NDArray[Any]) -> None:
        self.possible.discard(ColumnKind.DATE)
        if not numbers.size:
            return
        self._range(numbers)
        if not ((numbers == 0) | (numbers == 1)).all():
            self.possible.discard(ColumnKind.BOOL)
        if numbers.dtype.kind == "f" and not (numbers == np.rint(numbers)).all():
            self.possible.discard(ColumnKind.INTEGER)
            finite = numbers[np.isfinite(numbers)]
            while self.decimals < _DIGITS and not np.array_equal(np.round(finite, self.decimals), finite):
                self.decimals += 1

    def _range(self, numbers: NDArray[Any]) -> None:
        if numbers.dtype.kind == "f" and not np.isfinite(numbers).all():
            self.strange = "numbers, some of them infinite"
            numbers = numbers[np.isfinite(numbers)]
        if numbers.size:
            self.lo = min(self.lo, numbers.min().item())
            self.hi = max(self.hi, numbers.max().item())

    def _dates(self, values: pa.Array) -> None:
        days = values.cast(pa.int32()).to_numpy(zero_copy_only=False)
        if days.size:
            self.days = min(self.days[0], int(days.min())), max(self.days[1], int(days.max()))

    def _remember(self, values: pa.Array) -> None:
        if self._kept < _REMEMBERED:
            self._first.append(values)
            self._kept += len(values)

    def _all_different(self) -> bool:
        """Of the first million values."""
        if self._kept < 2:
            return False
        values = pa.chunked_array(self._first)
        return bool(pc.count_distinct(values).as_py() == len(values))

    def proposal(self, name: str, header: str, rows: int) -> Proposal:
        """What the column seems to be."""
        comments = [] if name == header else [f"called {header!r} in the source"]
        if self.missing:
            comments.append(
                "some values are missing: fill them in, or have such rows dropped at upload (--missing drop)"
            )
        if self.missing == rows:
            return Proposal(name, None, False, ("left out: it has no values",))
        if self.strange:
            return Proposal(name, None, False, (f"left out: it holds {self.strange}",))
        if self.is_text and self.commas and ColumnKind.DECIMAL not in self.possible:
            return Proposal(name, None, False, (*comments, "left out: numbers with a decimal comma? Add --decimal ,"))
        described = "" if name == header else " ".join(header.split())[:500]
        found = self._column(name, described, comments)
        if found is None:
            return Proposal(name, None, False, (*comments, "left out: free text, in which no values can be told apart"))
        active = found.kind is not ColumnKind.KEY
        if not active:
            comments.append(
                "left out: it seems to name the rows. To join columns of several owners by it, take the # away: "
                "it then is PUBLIC"
            )
        return Proposal(name, found, active, tuple(comments))

    def _column(self, name: str, description: str, comments: list[str]) -> Column | None:
        def column(kind: ColumnKind, **fields: Any) -> Column:
            return Column(name=name, kind=kind, description=description, **fields)

        if ColumnKind.BOOL in self.possible:
            return column(ColumnKind.BOOL)
        numeric = ColumnKind.DECIMAL in self.possible and self.lo <= self.hi
        if numeric and ColumnKind.INTEGER in self.possible:
            if _KEY_LIKE.search(name) and self._all_different():
                return column(ColumnKind.KEY, key=KeyType.INTEGER)
            lo, hi = friendly_bounds(self.lo, self.hi)
            return column(ColumnKind.INTEGER, lo=int(lo), hi=int(hi))
        if numeric:
            lo, hi = friendly_bounds(self.lo, self.hi)
            bits = frac_bits_for(self.decimals)
            if self.decimals >= _DIGITS:
                comments.append(f"values have many decimals; they are rounded to multiples of 2^-{bits}")
            plain = [int(bound) if float(bound).is_integer() else float(bound) for bound in (lo, hi)]
            return column(ColumnKind.DECIMAL, lo=plain[0], hi=plain[1], frac_bits=bits)
        if ColumnKind.DATE in self.possible and self.days[0] <= self.days[1]:
            first, last = (EPOCH.toordinal() + day for day in self.days)
            return column(ColumnKind.DATE, **friendly_dates(date.fromordinal(first), date.fromordinal(last)))
        if not self.is_text:
            return None
        if self.texts is None or (len(self.texts) > _FEW and 2 * len(self.texts) > self._kept):
            return column(ColumnKind.KEY, key=KeyType.TEXT) if self._all_different() else None
        comments.append("the list of categories is public, also the rare ones")
        return column(ColumnKind.CATEGORY, categories=tuple(sorted(self.texts)))


def _all(values: pa.Array) -> bool:
    return bool(pc.all(values, min_count=0).as_py())


def friendly_bounds(lo: float, hi: float) -> tuple[float, float]:
    """A range of round numbers around [lo, hi] that tells the order of magnitude and little more.

    From 0 to 1, 2 or 5 times a power of ten where that is near; else a range of whole hundreds (thousands, ...).
    """
    if lo < 0 < hi:
        return -_up(-lo), _up(hi)
    if hi <= 0:
        return tuple(-bound for bound in reversed(friendly_bounds(-hi, -lo))) if lo < 0 else (0, 1)  # type: ignore[return-value]
    if lo < hi / 2:
        return 0, _up(hi)
    step: int = 10 ** max(math.ceil(math.log10(hi - lo)) if hi > lo else 0, math.floor(math.log10(hi)) - 2)
    return math.floor(lo / step) * step, (math.floor(hi / step) + 1) * step


def _up(value: float) -> float:
    """The least of 1, 2, 5, 10, 20, 50, ... (and of 0.5, 0.2, ...) that is not below a positive number."""
    exponent = math.floor(math.log10(value)) - 1
    while True:
        for digit in (1, 2, 5):
            bound: float = digit * 10**exponent if exponent >= 0 else digit / 10**-exponent
            if bound >= value:
                return bound
        exponent += 1


def friendly_dates(first: date, last: date) -> dict[str, date]:
    """From the first day of a decade to the last day of one."""
    return {"lo": date(max(1, first.year // 10 * 10), 1, 1), "hi": date(min(9999, last.year // 10 * 10 + 9), 12, 31)}


def frac_bits_for(decimals: int) -> int:
    """Fractional bits that tell values of so many decimals apart, and leave some to compute with."""
    return max(_DEFAULT_FRAC_BITS, min(MAX_PROPOSED_FRAC_BITS, math.ceil(decimals * math.log2(10)) + 4))


def summary(inference: Inference) -> Sequence[tuple[str, str, str]]:
    """(name, kind, range) of every proposed column, for a table on a screen."""
    rows = []
    for proposal in inference.proposals:
        column = proposal.column
        if column is None or not proposal.active:
            rows.append((proposal.name, "left out", ""))
        elif column.kind is ColumnKind.CATEGORY:
            rows.append((column.name, "category", ", ".join(column.categories)))
        else:
            rows.append((column.name, str(column.kind), "" if column.lo is None else f"{column.lo} to {column.hi}"))
    return rows
