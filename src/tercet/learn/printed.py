"""Tables of results as statsmodels prints them, 78 characters wide where names are short."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from datetime import datetime
from typing import Any

WIDTH = 78
_LEFT, _RIGHT = 37, 38
_NAME = 10
_COLUMNS = (11, 11, 11, 11, 12, 12)

Line = tuple[str, str]


def number(value: float, digits: int = 3) -> str:
    """A number with three or four decimals, or in powers of ten beyond 10^4 and below 10^-4."""
    return f"{value:.{digits}g}" if abs(value) >= 1e4 or abs(value) < 1e-4 else f"{value:.{digits}f}"


def now() -> list[Line]:
    """Date and time, as two lines."""
    moment = datetime.now()
    return [("Date:", moment.strftime("%a, %d %b %Y")), ("Time:", moment.strftime("%H:%M:%S"))]


def head(title: str, left: Sequence[Line], right: Sequence[Line]) -> list[str]:
    """The title, and two columns of lines beside each other."""
    lines = [title.center(WIDTH), "=" * WIDTH]
    for place in range(max(len(left), len(right))):
        key, value = left[place] if place < len(left) else ("", "")
        other, beside = right[place] if place < len(right) else ("", "")
        one = key + value.rjust(_LEFT - len(key))
        lines.append(f"{one}   {other + beside.rjust(_RIGHT - len(other))}")
    return lines


def coefficients(
    names: Sequence[str], columns: Sequence[Sequence[float]], letter: str, alpha: float, rows: Sequence[int]
) -> list[str]:
    """The lines of coefficients, errors, t or z, p and intervals; of some rows only."""
    width = max(_NAME, *(len(names[row]) for row in rows))
    whole = width + sum(_COLUMNS)
    titles = ("coef", "std err", letter, f"P>|{letter}|", f"[{alpha / 2:g}", f"{1 - alpha / 2:g}]")
    lines = ["=" * whole, " " * width + "".join(t.rjust(w) for t, w in zip(titles, _COLUMNS, strict=True)), "-" * whole]
    for row in rows:
        coef, error, ratio, p, low, high = (float(column[row]) for column in columns)
        shown = (number(coef, 4), number(error), number(ratio), f"{p:#.3f}", number(low), number(high))
        lines.append(names[row].ljust(width) + "".join(t.rjust(w) for t, w in zip(shown, _COLUMNS, strict=True)))
    return [*lines, "=" * whole]


def notes(texts: Sequence[str]) -> list[str]:
    """Numbered notes."""
    if not texts:
        return []
    return ["", "Notes:", *(line for at, text in enumerate(texts, 1) for line in textwrap.wrap(f"[{at}] {text}", 96))]


class Summary:
    """Lines that print as a table, in a notebook, too."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._lines = list(lines)

    def as_text(self) -> str:
        """The table as text."""
        return "\n".join(self._lines)

    __str__ = as_text
    __repr__ = as_text

    def _repr_html_(self) -> str:
        import html

        return f"<pre>{html.escape(self.as_text())}</pre>"


def told(names: Sequence[str], flags: Any, what: str) -> list[str]:
    """A note on the coefficients of which something holds, if there are any."""
    found = [name for name, flag in zip(names, flags, strict=True) if flag]
    return [f"{', '.join(found)}: {what}"] if found else []
