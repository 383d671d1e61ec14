"""Fields of command bodies: fixed little-endian binary, every length checked. What decodes re-encodes identically."""

from __future__ import annotations

import struct

from tercet.errors import ProtocolViolation

VERSION = 1
_MAX_TEXT_BYTES = 4096


class Writer:
    """Appends fields; the first is the version of this format."""

    __slots__ = ("_parts",)

    def __init__(self) -> None:
        self._parts = bytearray([VERSION])

    def number(self, form: str, *values: float) -> Writer:
        """Fixed-width numbers, as `struct` names them."""
        self._parts += struct.pack("<" + form, *values)
        return self

    def raw(self, data: bytes | memoryview) -> Writer:
        self._parts += data
        return self

    def block(self, data: bytes | memoryview) -> Writer:
        """Bytes behind their length."""
        return self.number("Q", len(data)).raw(data)

    def text(self, text: str) -> Writer:
        """Text of at most 4096 bytes; what is longer is cut."""
        data = text.encode("utf-8", "replace")[:_MAX_TEXT_BYTES].decode("utf-8", "ignore").encode()
        return self.block(data)

    def pad(self, multiple: int) -> Writer:
        """Zeros until the length is a multiple of `multiple`."""
        self._parts += bytes(-len(self._parts) % multiple)
        return self

    def take(self) -> bytes:
        return bytes(self._parts)


class Reader:
    """Reads what Writer wrote; ProtocolViolation for anything else."""

    __slots__ = ("_data", "_offset", "_what")

    def __init__(self, data: bytes | memoryview, what: str) -> None:
        self._data = memoryview(data)
        self._offset = 0
        self._what = what
        version = self.number("B")
        if version != VERSION:
            raise self.fail(f"version {version}, this side speaks {VERSION}")

    def fail(self, reason: str) -> ProtocolViolation:
        return ProtocolViolation(f"a malformed {self._what}: {reason} (byte {self._offset})")

    def raw(self, size: int) -> memoryview:
        left = len(self._data) - self._offset
        if size > left:
            raise self.fail(f"{size} bytes announced, {left} left")
        start = self._offset
        self._offset += size
        return self._data[start : self._offset]

    def number(self, form: str) -> int:
        (value,) = struct.unpack("<" + form, self.raw(struct.calcsize("<" + form)))
        assert isinstance(value, int)
        return value

    def real(self) -> float:
        (value,) = struct.unpack("<d", self.raw(8))
        assert isinstance(value, float)
        return value

    def block(self) -> memoryview:
        return self.raw(self.number("Q"))

    def text(self) -> str:
        """Text as a person may see it: printable characters only."""
        size = self.number("Q")
        if size > _MAX_TEXT_BYTES:
            raise self.fail(f"a text of {size} bytes")
        text = bytes(self.raw(size)).decode("utf-8", "replace")
        return "".join(c if c.isprintable() else "?" for c in text)

    def pad(self, multiple: int) -> None:
        if any(self.raw(-self._offset % multiple)):
            raise self.fail("padding that is not zero")

    def end(self) -> None:
        left = len(self._data) - self._offset
        if left:
            raise self.fail(f"{left} bytes too many")
