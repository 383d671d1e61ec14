"""Records of CSV in bytes of UTF-8: where they end and how many fields they have; reads whole ones from a stream.

The rules are those of Arrow's parser: a field that begins with a quote ends at the next quote that is not doubled; a
quote elsewhere is a character like any other.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple, Protocol

import numpy as np

BLOCK_BYTES = 1 << 22
MOST_BYTES = 1 << 26
"""If a record is longer, a quote was probably not closed."""
BOM = codecs.BOM_UTF8
_QUOTE, _LF, _CR = b'"\n\r'


class Record(NamedTuple):
    """Where a record of a block ends, and its number of fields: 0 for an empty line."""

    end: int
    fields: int


class Bytes(Protocol):
    """A stream of bytes."""

    def read(self, size: int = -1, /) -> bytes: ...


@lru_cache(maxsize=8)
def _field(delimiter: bytes) -> re.Pattern[bytes]:
    """Matches a field and what ends it, but no field whose quote is not closed."""
    d = re.escape(delimiter)
    return re.compile(rb'(?:"[^"]*(?:""[^"]*)*"(?!")|(?!"))[^' + d + rb"\r\n]*(" + d + rb"|\r\n|\n|\r|\Z)")


def records(block: bytes, delimiter: bytes, *, last: bool) -> Iterator[Record]:
    """The records of a block. What follows its last end of a line is a record only if the block is the `last`."""
    at, fields, begin, size = 0, 0, 0, len(block)
    match = _field(delimiter).match
    while at < size:
        found = match(block, at)
        if found is None:
            return
        fields += 1
        empty = found.end(0) - len(found[1]) == begin
        at = found.end(0)
        if found[1] == delimiter:
            if at == size and last:  # an empty field behind the last delimiter
                yield Record(at, fields + 1)
            continue
        if at == size and not last and found[1] != b"\n":
            return
        yield Record(at, 0 if empty and fields == 1 else fields)
        fields, begin = 0, at


def lines_in(block: bytes) -> int:
    """How many lines end in a block."""
    ends = block.count(b"\n")
    return ends if ends else block.count(b"\r")


def whole(block: bytes, delimiter: bytes) -> int:
    """Where the last whole record of a block ends, 0 if there is none; more blocks may follow."""
    if b'"' not in block:
        end = block.rfind(b"\n")
        if end >= 0:
            return end + 1
        return block.rfind(b"\r", 0, max(0, len(block) - 1)) + 1
    octets = np.frombuffer(block, np.uint8)
    quotes = np.flatnonzero(octets == _QUOTE)
    opening = quotes[::2]
    before = np.where(opening == 0, _LF, octets[opening - 1])
    starts = (before == delimiter[0]) | (before == _LF) | (before == _CR) | (before == _QUOTE)
    ends = np.flatnonzero(octets == _LF)
    if len(delimiter) == 1 and ends.size and starts.all():
        outside = ends[np.searchsorted(quotes, ends) % 2 == 0]
        return int(outside[-1]) + 1 if outside.size else 0
    # some field has a quote that is not at its start: look at each field
    end = 0
    for record in records(block, delimiter, last=False):
        end = record.end
    return end


_CONTROLS = re.compile("[\x80-\x84\x86-\x9f]")
"""Control characters of Latin-1, where other encodings have letters; without U+0085, an end of lines."""


class OtherEncoding(UnicodeError):
    """Bytes that can be decoded in the named encoding, but are probably text in `encoding`."""

    def __init__(self, encoding: str) -> None:
        super().__init__(encoding)
        self.encoding = encoding


class EncodingCheck:
    """Notices text in another encoding, although it can be decoded in the named one (Latin-1 accepts all bytes)."""

    def __init__(self, encoding: str) -> None:
        name = codecs.lookup(encoding).name
        self._latin = name == "iso8859-1"
        self._also = None if name.startswith("utf") else codecs.getincrementaldecoder("utf-8")()
        self._foreign = False

    def look(self, data: bytes, text: str, *, final: bool) -> None:
        """Look at the next piece, as bytes and as decoded text. Raises OtherEncoding."""
        if self._latin and _CONTROLS.search(text):
            raise OtherEncoding("cp1252")
        if self._also is None:
            return
        self._foreign |= not data.isascii()
        try:
            self._also.decode(data, final)
        except UnicodeDecodeError:
            self._also = None
            return
        if final and self._foreign:
            raise OtherEncoding("utf-8")


class Utf8:
    """Reads text in any encoding as bytes of UTF-8, in whole characters and without a byte order mark.

    Raises UnicodeError if the text is in another encoding; OtherEncoding if it is probable which.
    """

    def __init__(self, stream: Bytes, encoding: str) -> None:
        name = codecs.lookup(encoding).name
        self._stream = stream
        self._decoder = None if name in ("utf-8", "utf-8-sig") else codecs.getincrementaldecoder(name)()
        self._check = EncodingCheck(name)
        self._begun = self._ended = False

    def read(self) -> bytes:
        """About `BLOCK_BYTES`; nothing at the end."""
        data = b""
        while not data and not self._ended:
            data = self._stream.read(BLOCK_BYTES)
            self._ended = not data
            if self._decoder is not None:
                text = self._decoder.decode(data, final=self._ended)
                self._check.look(data, text, final=self._ended)
                data = text.encode()
            if data and not self._begun:
                self._begun = True
                data = data.removeprefix(BOM)
        return data


class Unclosed(Exception):
    """A record that is too long, or does not end; `line` is the number of its first line."""

    def __init__(self, line: int) -> None:
        super().__init__(line)
        self.line = line


def blocks(text: Utf8, skip: int, line: int, delimiter: bytes) -> Iterator[tuple[bytes, int, bool]]:
    """Blocks of whole records: the block, the number of its first line, whether it is the last.

    `skip` bytes are left out first; `line` is the number of the line after them. Raises Unclosed.
    """
    rest = b""
    while data := text.read():
        if skip:
            skip, data = max(0, skip - len(data)), data[skip:]
        rest += data
        end = whole(rest, delimiter)
        if not end:
            if len(rest) > MOST_BYTES:
                raise Unclosed(line)
            continue
        block, rest = rest[:end], rest[end:]
        yield block, line, False
        line += lines_in(block)
    if rest:
        if all(record.end < len(rest) for record in records(rest, delimiter, last=True)):
            raise Unclosed(line)
        yield rest, line, True
