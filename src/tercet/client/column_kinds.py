"""Proposes what a column is, from its summary.

Texts and keys of a column become public only if its owner names the column, except for a few different texts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from tercet.client.bounds import exact_bounds, exactness, friendly_bounds, friendly_dates
from tercet.client.column_summary import MOST_TEXTS, ColumnSummary
from tercet.client.columns import FALSE, TRUE
from tercet.client.texts import CURRENCY, grouped_pattern
from tercet.errors import InputError
from tercet.federation.text import is_plain
from tercet.store.schema import EPOCH, Column, ColumnKind, KeyType

HANDFUL = 5
"""If a column has more different texts, they become (public) categories only if the owner names the column."""
_KEY_LIKE = re.compile(
    r"(^|[_.\-])(id|key|uuid|guid|pseudonym|nr|no|num|number|code|ssn|mrn)($|[_.\-])|[a-z](Id|ID|Key|No)$", re.I
)
_CODE = r"^[A-Za-z0-9._#\-]*([0-9][A-Za-z0-9._#\-]*[A-Za-z]|[A-Za-z][A-Za-z0-9._#\-]*[0-9])[A-Za-z0-9._#\-]*$"
_UNIT = r"^[+-]?[0-9]+([.,][0-9]+)*\s*([^\d\s.,+\-][^\d\s]{0,9})$"
_PAIRS = tuple(frozenset(pair) for pair in zip(TRUE, FALSE, strict=True))
_CLEAR = frozenset(("true", "false", "yes", "no"))
_MOST = 0.5
_SEQUENCE = 20
_INT64_MOST = (1 << 63) - 1
_OTHER_DATE = (
    r"^[0-9]{1,2}[./\-][0-9]{1,2}[./\-][0-9]{2}([T ,].*)?$|^[0-9]{1,2}[. \-]+\pL{3,9}[. \-]+([0-9]{2}){1,2}$|"
    r"^\pL{3,9}\.? [0-9]{1,2},? [0-9]{4}$"
)
_DAY_AND_MORE = r"^([0-9]{4}[./\-][0-9]{1,2}[./\-][0-9]{1,2}|[0-9]{1,2}[./\-][0-9]{1,2}[./\-][0-9]{4})[^0-9]"
_TIME_OF_DAY = r"^[0-9]{1,2}:[0-9]{2}(:[0-9]{2}([.,][0-9]+)?)?( ?[AaPp]\.?[Mm]\.?)?$"
_COUNT = r"[+-]?[0-9]+([.,][0-9]+)*"


@dataclass(frozen=True)
class Proposal:
    """A proposed column, or the reasons why there is none."""

    name: str
    column: Column | None
    active: bool = True
    """Whether it is part of the schema; otherwise the file has it as a comment."""
    comments: tuple[str, ...] = ()


@dataclass(frozen=True)
class Asked:
    """Columns that the owner names as the public key, or as categories however many different texts they have."""

    keys: frozenset[str] = frozenset()
    categories: frozenset[str] = frozenset()

    @classmethod
    def of(cls, keys: Sequence[str], categories: Sequence[str], known: Sequence[Sequence[str]]) -> Asked:
        """`known`: for each column its name and its header in the source; `keys` and `categories` may use either."""
        names = {name: pair[0] for pair in known for name in pair}
        for name in (*keys, *categories):
            if name not in names:
                raise InputError(
                    f"there is no column {name!r}", hint=f"there are {', '.join(pair[1] for pair in known[:20])}"
                )
        asked = cls(frozenset(names[name] for name in keys), frozenset(names[name] for name in categories))
        if len(asked.keys) > 1:
            raise InputError("two columns are named as keys", hint="a dataset has at most one public key column")
        if both := asked.keys & asked.categories:
            raise InputError(f"{min(both)} is named as a key and as a category", hint="choose one of the two")
        return asked


class _Proposing:
    """Makes the proposal for one column."""

    def __init__(self, seen: ColumnSummary, name: str, header: str, asked: Asked) -> None:
        self._seen = seen
        self._name = name
        self._asked = asked
        self._description = "" if name == header else " ".join(header.split())[:500]
        self._comments = [] if name == header else [f"called {header!r} in the source"]

    def made(self) -> Proposal:
        seen = self._seen
        if not seen.count:
            return Proposal(self._name, None, False, ("left out: it has no values",))
        if seen.missing:
            self._say_missing()
        if self._name in self._asked.keys:
            return self._key(asked=True)
        if self._name in self._asked.categories:
            return self._asked_category()
        if seen.strange:
            return self._left_out(f"it holds {seen.strange}")
        if seen.typed == "bool":
            return self._column(ColumnKind.BOOL)
        if seen.typed == "date" or (seen.typed == "text" and seen.dates.count == seen.count):
            return self._dates()
        if seen.typed == "number" or (seen.typed == "text" and seen.numbers.count == seen.count):
            return self._numbers()
        if seen.numbers.infinite and seen.typed == "text" and seen.numbers.infinite + seen.numbers.count == seen.count:
            return self._numbers()
        if seen.error_row and seen.typed == "text":
            return self._left_out(
                f"row {seen.error_row} holds what is written where a number could not be computed, such as #DIV/0!. "
                "Correct it, or name it as missing: --na TEXT"
            )
        if seen.typed == "category":
            return self._category()
        if self._is_bool():
            return self._column(ColumnKind.BOOL)
        return self._almost() or self._text()

    # -- columns of one kind

    def _say_missing(self) -> None:
        seen = self._seen
        self._comments.append(f"some values are missing, {seen.missing:,} of {seen.missing + seen.count:,}{_NULLABLE}")
        if seen.stand_ins:
            listed = ", ".join(sorted(seen.stand_ins)[:8])
            self._comments.append(
                f"{listed} {'is' if len(seen.stand_ins) == 1 else 'are'} taken as missing. --na TEXT says which texts "
                "are (--na '': empty fields only); a text that the schema lists as a category is a value"
            )

    def _numbers(self) -> Proposal:
        seen, found = self._seen, self._seen.numbers
        if found.infinite_row:
            self._comments.append(
                f"the first infinite number is in row {found.infinite_row}; if they stand for missing values, name "
                "them with --na TEXT"
            )
            some = "it holds numbers, some of them infinite"
            return self._left_out(some if found.count else "all its values are infinite numbers")
        if found.code_row and (found.codes.lo < 0 <= found.others.lo or found.codes.hi > 5 * abs(found.others.hi)):
            self._comments.append(
                f"row {found.code_row} holds a number far from all others. If it stands for a missing value, name it "
                "with --na"
            )
        if found.leading_zeros and found.whole:
            self._comments.append("some values begin with 0, as codes do; a number does not keep that 0")
        if found.whole:
            if found.lo == found.hi:
                self._comments.append(_ONE_VALUE)
            if found.zero_or_one and found.lo != found.hi:
                return self._column(ColumnKind.BOOL)
            if _KEY_LIKE.search(self._name) and seen.all_different and not seen.missing:
                return self._key(asked=False)
            in_sequence = found.lo in (0, 1) and found.hi - found.lo + 1 == seen.count >= _SEQUENCE
            if in_sequence and seen.all_different:
                self._comments.append(
                    f"the rows are numbered in sequence. To join tables by these numbers, add --key {self._name}; they "
                    "are PUBLIC then"
                )
            if seen.days_as_numbers:
                self._comments.append(
                    "all values look like days written as YYYYMMDD. If they are days, write YYYY-MM-DD: differences of "
                    "such numbers are not numbers of days"
                )
            lo, hi = friendly_bounds(found.lo, found.hi)
            try:
                return self._column(ColumnKind.INTEGER, lo=int(lo), hi=int(hi))
            except InputError:
                return self._too_far()
        if found.all_three and found.pointed > 1 and seen.typed == "text" and found.hi < 1000 * 1000:
            self._comments.append(
                "every value with a point has three digits behind it: if the point groups thousands, add "
                "--thousands '.'"
                if seen.reading.point == "."
                else "every value with a comma has three digits behind it: if the comma groups thousands, "
                "say --thousands ',' instead of --decimal ','"
            )
        lo, hi = friendly_bounds(found.lo, found.hi)
        exact = exactness(found.decimals, found.significant, found.least, lo, hi)
        if not exact:
            return self._too_far()
        if "digits" in exact:
            lo, hi = exact_bounds(lo, hi, exact["digits"])
        elif found.decimals >= 9:
            bits = exact["frac_bits"]
            self._comments.append(f"values have many decimals; they are rounded to multiples of 2^-{bits}")
        if found.lo == found.hi:
            self._comments.append(_ONE_VALUE)
        plain = [int(bound) if float(bound).is_integer() else float(bound) for bound in (lo, hi)]
        try:
            return self._column(ColumnKind.DECIMAL, lo=plain[0], hi=plain[1], **exact)
        except InputError:
            return self._too_far()

    def _too_far(self) -> Proposal:
        found = self._seen.numbers
        largest = max(abs(found.lo), abs(found.hi))
        digits = f"digits down to 1e-{found.decimals}" if found.decimals else "units"
        return self._left_out(
            f"its values range from about 1e{_power(found.least)} to 1e{_power(largest)} (in row {found.largest_row}) "
            f"with {digits}, more than 128 bits carry. If the largest stand for missing values, name them with "
            "--na TEXT; else scale or round the column"
        )

    def _dates(self) -> Proposal:
        found = self._seen.dates
        if found.times:
            self._comments.append("the time of day is left out: days are shared")
        if found.zones:
            self._comments.append("time zones are ignored: the day is the one that is written")
        first, last = (date.fromordinal(EPOCH.toordinal() + day) for day in (found.first, found.last))
        return self._column(ColumnKind.DATE, **friendly_dates(first, last))

    def _is_bool(self) -> bool:
        texts = self._seen.texts
        if not texts:
            return False
        small = frozenset(text.lower() for text in texts)
        if len(small) == 1:
            return small <= _CLEAR  # a single "f" may be one of several categories
        if any(small == pair for pair in _PAIRS):
            return True
        mixed = small <= {*TRUE, *FALSE} and not small.isdisjoint(TRUE) and not small.isdisjoint(FALSE)
        if mixed and (small & _CLEAR or any(small > pair for pair in _PAIRS)):
            self._comments.append("yes and no are written in several ways in this column")
            return True
        return False

    # -- columns most of whose values are numbers or dates

    def _almost(self) -> Proposal | None:
        """The proposal for a column most of whose values are numbers or dates; None for other columns."""
        seen = self._seen
        total = seen.count
        reason = self._numbers_as_written()
        if reason:
            return self._left_out(f"row {seen.no_number_row} is the first that is no number: {reason}")
        if seen.dates.unsure and 2 * (seen.dates.unsure + seen.dates.count) > total:
            return self._left_out(
                f"row {seen.dates.unsure_row} holds a date of which it cannot be told whether the day or the month "
                "comes first. Say --day-first or --month-first (in Python day_first=True or False)"
            )
        if seen.share_like(_OTHER_DATE) > _MOST:
            return self._left_out(
                f"row {seen.no_date_row} holds a date that is not read: write YYYY-MM-DD, or numbers and four digits "
                "of the year"
            )
        if seen.dates.unreal_row:
            return self._left_out(
                f"row {seen.dates.unreal_row} is the first that is no date of the calendar. Correct it, or name it as "
                "missing: --na TEXT"
            )
        if seen.share_like(_DAY_AND_MORE) > _MOST:
            return self._left_out(
                f"row {seen.no_date_row} begins with a date, and what stands behind it is no time of a day. Write the "
                "date alone, as YYYY-MM-DD"
            )
        if seen.share_like(_TIME_OF_DAY) > _MOST:
            return self._left_out(
                "it holds times of a day, and no kind of column is for these. Write numbers of minutes or seconds"
            )
        if seen.dates.count > _MOST * total:
            return self._left_out(
                f"row {seen.no_date_row} is the first that is no date YYYY-MM-DD, as {seen.dates.count:,} of "
                f"{total:,} are. Correct it, or name it as missing: --na TEXT"
            )
        if seen.numbers.count > _MOST * total:
            told = (
                f"row {seen.no_number_row} is the first that is no number, as {seen.numbers.count:,} of {total:,} are"
            )
            if seen.texts is not None and len(seen.texts) <= HANDFUL and total > len(seen.texts):
                self._comments.append(f"{told}; so the values are taken as categories")
                return None
            return self._left_out(f"{told}. Correct it, or name what stands for missing values: --na TEXT")
        return None

    def _numbers_as_written(self) -> str:
        """Why most of the texts cannot be read as numbers, and which option helps; empty if no option does."""
        seen = self._seen
        examples = seen.examples
        if not examples:
            return ""

        def most(pattern: str) -> bool:
            return sum(bool(re.search(pattern, text)) for text in examples) * 2 > len(examples)

        if most(rf"^({CURRENCY})?[\s,]*{_COUNT}[\s]*({CURRENCY})?$") and most(CURRENCY):
            return (
                "it holds the sign of a currency. Remove it with --strip SIGN (in Python strip=['SIGN']), and say what "
                "the point and the comma mean: --decimal ',' or --thousands ','"
            )
        if most(rf"^{_COUNT}\s*%$"):
            return "it holds a percent sign. Remove it with --strip %; the number before it is then uploaded"
        if most(
            rf"^\(\s*({CURRENCY})?\s*{_COUNT}\s*\)$|^{_COUNT}\s?[-\u2212]$|^[\u2010-\u2015\uFE63\uFF0D]\s*{_COUNT}$"
        ):
            return "it holds negative numbers as (1), 1- or with another dash. Write -1"
        if most(r"^[+-]?0[xX][0-9A-Fa-f]+$"):
            return "it holds hexadecimal numbers. Write them with the digits 0 to 9"
        if most(r"^[+-]?\d+([.,\u066B]\d+)?$") and not most(r"^[+-]?[0-9]+([.,][0-9]+)?$"):
            return "its digits are not 0 to 9. Write them with 0 to 9"
        units = {found[2] for found in (re.search(_UNIT, text) for text in examples) if found}
        if most(_UNIT) and len(units) == 1:
            return "its numbers are followed by a unit. Remove it with --strip UNIT"
        if most(r"^[<>≤≥~]\s*[0-9]"):
            return (
                "it holds signs such as <, so these are no numbers. Write a number, or name them as missing: --na TEXT"
            )
        if seen.reading.point == "." and most(r"^[+-]?([0-9]{1,3}([.' \s][0-9]{3})*|[0-9]+),[0-9]+$"):
            if all(re.search(grouped_pattern(",", "."), text) for text in examples):
                return "it holds commas. If they group thousands, add --thousands ',' and if decimals, --decimal ','"
            return "numbers with a decimal comma? Add --decimal ','"
        for group in (",", "'", " ", "_", "."):
            if group != seen.reading.point and most(grouped_pattern(group, seen.reading.point)):
                shown = '"\'"' if group == "'" else f"'{group}'"
                return f"its digits are grouped. Add --thousands {shown}"
        if seen.reading.groups is not None and most(rf"^{_COUNT}([eE][+-]?[0-9]+)?$"):
            return (
                f"by the options, {seen.reading.point!r} is the decimal point and {seen.reading.groups!r} groups "
                "thousands, but its numbers are written otherwise. Correct them, or --decimal and --thousands"
            )
        return ""

    # -- texts

    def _text(self) -> Proposal:
        seen = self._seen
        if any(re.search(CURRENCY, text) and re.search("[0-9]", text) for text in seen.examples):
            return self._left_out("it holds both texts and amounts of money. Use only one of them in the column")
        distinct = None if seen.texts is None else len(seen.texts)
        few = distinct is not None and distinct <= 2 and not any(map(str.isdigit, "".join(seen.texts or ())))
        if seen.all_different and not few:
            named = _KEY_LIKE.search(self._name) or seen.share_like(_CODE) > 0.9
            if named and not seen.missing:
                return self._key(asked=False)
            return self._left_out("every row has a different text, so it can be no category")
        if distinct is None or (distinct > HANDFUL and 2 * distinct > seen.kept):
            return self._left_out("free text: too many different texts for categories")
        return self._category()

    def _asked_category(self) -> Proposal:
        if self._seen.texts is None:
            raise InputError(
                f"column {self._name} has more than {MOST_TEXTS} different values",
                hint="write its categories into the schema by hand, or leave it out",
            )
        if self._seen.typed not in ("text", "category"):
            return self._left_out(f"it holds values of type {self._seen.typed}, and categories are texts")
        return self._category()

    def _category(self) -> Proposal:
        texts = self._seen.texts
        if texts is None:
            return self._left_out(f"more than {MOST_TEXTS} different texts. Write its categories by hand")
        if any(len(text) > 256 for text in texts):
            return self._left_out("free text: some values have more than 256 characters")
        if not all(map(is_plain, texts)):
            return self._left_out("some texts hold line breaks or other control characters; categories must not")
        active = len(texts) <= HANDFUL or self._name in self._asked.categories
        if len(texts) == 1:
            self._comments.append("only one value was seen: list the others that there may be")
        if active:
            self._comments.append("the list of categories is public, also the rare ones")
        else:
            self._comments.append(
                f"left out: its {len(texts)} different texts would all be PUBLIC as the names of categories. If that "
                f"is meant, take the # away, or add --category {self._name}"
            )
        made = self._column(ColumnKind.CATEGORY, categories=tuple(sorted(texts)))
        return Proposal(made.name, made.column, active, made.comments)

    def _key(self, *, asked: bool) -> Proposal:
        seen = self._seen
        if asked and (seen.missing or not seen.all_different) and seen.count > 1:
            raise InputError(
                f"column {self._name} is to be the key, and has missing values or the same one twice",
                hint="a public key is a different name for each row",
            )
        kind = KeyType.INTEGER if seen.typed != "category" and seen.numbers.count == seen.count else KeyType.TEXT
        large = max(-seen.numbers.lo, seen.numbers.hi) > _INT64_MOST
        if kind is KeyType.INTEGER and (large or not seen.numbers.whole or seen.numbers.leading_zeros):
            kind = KeyType.TEXT
        if asked:
            self._comments.append("it is PUBLIC: it names the rows, by which owners join their columns")
        else:
            self._comments.append(
                "left out: it seems to name the rows. To join columns of several owners by it, take the # away "
                f"(or add --key {self._name}): it then is PUBLIC"
            )
        column = Column(name=self._name, kind=ColumnKind.KEY, key=kind, description=self._description)
        return Proposal(self._name, column, asked, tuple(self._comments))

    # -- results

    def _column(self, kind: ColumnKind, **fields: Any) -> Proposal:
        fields |= {"nullable": True} if self._seen.missing else {}
        try:
            column = Column(name=self._name, kind=kind, description=self._description, **fields)
        except ValueError:
            raise InputError(f"column {self._name} cannot be proposed") from None
        return Proposal(self._name, column, True, tuple(self._comments))

    def _left_out(self, why: str) -> Proposal:
        said = (comment.removesuffix(_NULLABLE) for comment in self._comments)
        return Proposal(self._name, None, False, (*said, f"left out: {why}"))


_NULLABLE = ": the column is nullable, and a secret bit tells which are there"
_ONE_VALUE = "only one value was seen: put the range in which values may lie"


def _power(value: float) -> int:
    return 0 if value in (0.0, float("inf")) else int(f"{float(value):e}".partition("e")[2])


def proposal(seen: ColumnSummary, name: str, header: str, asked: Asked) -> Proposal:
    """The proposal for a column. Inference calls it."""
    return _Proposing(seen, name, header, asked).made()
