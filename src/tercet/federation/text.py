"""Text for people: without hidden characters, which could control a terminal or reverse words; counts and moments."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime

_HIDDEN = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))
"""Categories of Unicode: controls, formats (direction marks, joiners of no width), surrogates, private and unassigned
characters, separators of lines and paragraphs."""
_KEPT = "\n\t"


def is_plain(text: str) -> bool:
    """Whether every character of a line is one that people see. For names, categories and descriptions."""
    return text.isprintable() or not any(unicodedata.category(c) in _HIDDEN for c in text)


def counted(count: int, noun: str) -> str:
    """A number with its noun: 1 row, 2,000 rows, 2 entries, 2 arrays."""
    several = f"{noun[:-1]}ies" if noun.endswith("y") and noun[-2] not in "aeiou" else f"{noun}s"
    return f"{count:,} {noun if count == 1 else several}"


def plain(text: str) -> str:
    """The text with hidden characters written out (`\\x1b`, `\\u202e`); line feeds and tabs stay. Whatever shows text
    calls it, once, where the text leaves the program."""
    if text.isprintable():
        return text
    return "".join(c if c in _KEPT or unicodedata.category(c) not in _HIDDEN else ascii(c)[1:-1] for c in text)


def plain_json(text: str) -> str:
    """As `plain`, for JSON, which stays valid and the same: hidden characters of its strings become escapes."""
    if text.isprintable():
        return text
    return "".join(c if c in _KEPT or unicodedata.category(c) not in _HIDDEN else _escape(c) for c in text)


def _escape(c: str) -> str:
    units = c.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{int.from_bytes(units[at : at + 2], 'big'):04x}" for at in range(0, len(units), 2))


def checked_plain(text: str) -> str:
    """The text, for validators. Raises ValueError if it holds hidden characters."""
    if not is_plain(text):
        raise ValueError(
            "it holds characters that are not seen (controls, direction marks, line breaks): take them out"
        )
    return text


def utc_time(when: float) -> str:
    """Unix seconds as a date and time of day in UTC, to the second."""
    return f"{datetime.fromtimestamp(when, UTC):%Y-%m-%d %H:%M:%S} UTC"


def local_time(when: float) -> str:
    """Unix seconds as a date and time of day in this machine's zone, to the minute."""
    return f"{datetime.fromtimestamp(when, UTC).astimezone():%Y-%m-%d %H:%M %Z}".rstrip()
