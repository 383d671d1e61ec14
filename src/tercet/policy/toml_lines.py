"""Finds the line of a TOML file on which a key or table is, for errors."""

from __future__ import annotations

import re
from collections.abc import Sequence

_HEADER = re.compile(r"^\s*(\[\[?)([^\]]+)\]\]?\s*(#.*)?$")
_KEY = re.compile(r"""^\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*=""")
_PART = re.compile(r"""[A-Za-z0-9_-]+|"[^"]*"|'[^']*'""")


def line_of(text: str, place: Sequence[int | str]) -> int:
    """The line (from 1) of the key or table at this place, or of what is nearest around it; 0 if nothing is.

    Reads headers and keys only, which is enough for a file of tables and lists: an element inside a list has the line
    of its key.
    """
    best, line = 0, 0
    counts: dict[tuple[int | str, ...], int] = {}
    table: tuple[int | str, ...] = ()
    for number, content in enumerate(text.split("\n"), 1):
        if header := _HEADER.match(content):
            table = _resolved(_parts(header[2]), counts, header[1] == "[[")
            found = table
        elif key := _KEY.match(content):
            found = (*table, *_parts(key[1]))
        else:
            continue
        depth = _common(found, place)
        # of equals the first, as a table may go on below; but nothing that is not on the way there
        if depth > best and (depth == len(found) or depth == len(place)):
            best, line = depth, number
    return line


def _parts(name: str) -> tuple[str, ...]:
    return tuple(part.strip("\"'") for part in _PART.findall(name))


def _resolved(names: tuple[str, ...], counts: dict[tuple[int | str, ...], int], new: bool) -> tuple[int | str, ...]:
    """A header's name with the number of each table of a list."""
    path: tuple[int | str, ...] = ()
    for index, name in enumerate(names):
        path = (*path, name)
        if index == len(names) - 1 and new:
            counts[path] = counts.get(path, -1) + 1
        if path in counts:
            path = (*path, counts[path])
    return path


def _common(a: Sequence[int | str], b: Sequence[int | str]) -> int:
    depth = 0
    for x, y in zip(a, b, strict=False):
        if x != y:
            break
        depth += 1
    return depth
