"""Binary fields, for plans, for commands between processes, and for the heads of messages.

Numbers are little-endian; lengths come first and are checked against what is there; nothing is evaluated. What decodes
re-encodes identically. A format that changes begins with its version.
"""

from __future__ import annotations

import struct

from tercet.errors import PlanError, ProtocolViolation

MAX_INTEGER_BYTES = 24
_MAX_TEXT_BYTES = 4096


class Writer:
    """Appends fields to a buffer."""

    __slots__ = ("_parts",)

    def __init__(self, version: int | None = None) -> None:
        """`version`: of the format, as its first byte."""
        self._parts = bytearray() if version is None else bytearray([version])

    def raw(self, data: bytes | memoryview) -> Writer:
        """Bytes without a length: the reader knows how many."""
        self._parts += data
        return self

    def number(self, form: str, *values: float) -> Writer:
        """Numbers of fixed width, in the letters of `struct`."""
        self._parts += struct.pack("<" + form, *values)
        return self

    def count(self, value: int) -> Writer:
        """A non-negative integer below 2^63, seven bits a byte."""
        if value < 0:
            raise ValueError(f"a count is not negative: {value}")
        while value > 0x7F:
            self._parts.append(value & 0x7F | 0x80)
            value >>= 7
        self._parts.append(value)
        return self

    def integer(self, value: int) -> Writer:
        """Any integer of up to 23 bytes: its length, then two's complement, in as few bytes as hold it."""
        size = (value if value >= 0 else ~value).bit_length() // 8 + 1 if value else 0
        self._parts.append(size)
        self._parts += value.to_bytes(size, "little", signed=True)
        return self

    def block(self, data: bytes | memoryview) -> Writer:
        """Bytes behind their length."""
        return self.count(len(data)).raw(data)

    def text(self, text: str) -> Writer:
        """Text of at most 4096 bytes; what is longer is cut."""
        return self.block(text.encode("utf-8", "replace")[:_MAX_TEXT_BYTES].decode("utf-8", "ignore").encode())

    def pad(self, multiple: int) -> Writer:
        """Zeros until the length is a multiple of `multiple`."""
        self._parts += bytes(-len(self._parts) % multiple)
        return self

    def take(self) -> bytes:
        """All that was appended."""
        return bytes(self._parts)


class Reader:
    """Reads what Writer wrote; raises an error that says what is read, what is wrong and at which byte."""

    __slots__ = ("_data", "_error", "_size", "_what", "offset")

    def __init__(
        self,
        data: bytes | memoryview,
        what: str = "plan",
        error: type[PlanError] | type[ProtocolViolation] = PlanError,
        version: int | None = None,
    ) -> None:
        """`what` is read, as the error calls it. `version`: the first byte, if the format has one."""
        self._data = memoryview(data)
        self._size = len(self._data)
        self._what = what
        self._error = error
        self.offset = 0
        if version is not None and (found := self.number("B")) != version:
            raise self.fail(f"version {found}, this side speaks {version}")

    def fail(self, reason: str) -> PlanError | ProtocolViolation:
        """The error for whoever finds that a field makes no sense."""
        return self._error(f"this is no {self._what}: {reason} at byte {self.offset}")

    def view(self, size: int) -> memoryview:
        """The next bytes, not copied."""
        start, end = self.offset, self.offset + size
        if end > len(self._data):
            raise self.fail(f"{size} bytes announced, {len(self._data) - start} left")
        self.offset = end
        return self._data[start:end]

    def raw(self, size: int) -> bytes:
        """The next bytes."""
        return bytes(self.view(size))

    def number(self, form: str) -> int:
        """An integer of fixed width."""
        (value,) = struct.unpack("<" + form, self.view(struct.calcsize("<" + form)))
        assert isinstance(value, int)
        return value

    def real(self) -> float:
        """A float64."""
        (value,) = struct.unpack("<d", self.view(8))
        assert isinstance(value, float)
        return value

    def count(self, limit: int) -> int:
        """A count of at most `limit`."""
        offset = self.offset
        if offset < self._size and (byte := self._data[offset]) <= 0x7F and byte <= limit:
            self.offset = offset + 1
            return byte
        value = shift = 0
        while True:
            if self.offset >= len(self._data):
                raise self.fail("it ends inside a number")
            byte = self._data[self.offset]
            if shift and not byte:
                raise self.fail("a number is not in its shortest form")
            value |= (byte & 0x7F) << shift
            if value > limit:
                raise self.fail(f"a number is above {limit}")
            self.offset += 1
            if byte < 0x80:
                return value
            shift += 7

    def integer(self) -> int:
        """Any integer of up to 23 bytes."""
        size = self.raw(1)[0]
        if size > MAX_INTEGER_BYTES:
            raise self.fail(f"an integer of {size} bytes")
        data = self.raw(size)
        value = int.from_bytes(data, "little", signed=True)
        if size != ((value if value >= 0 else ~value).bit_length() // 8 + 1 if value else 0):
            raise self.fail("an integer is not in its shortest form")
        return value

    def block(self, limit: int) -> bytes:
        """Bytes behind their length, at most `limit`."""
        return self.raw(self.count(limit))

    def text(self) -> str:
        """Text as a person may see it: printable characters only."""
        text = self.block(_MAX_TEXT_BYTES).decode("utf-8", "replace")
        return "".join(c if c.isprintable() else "?" for c in text)

    def pad(self, multiple: int) -> None:
        """Zeros until a multiple of `multiple`."""
        if any(self.view(-self.offset % multiple)):
            raise self.fail("padding that is not zero")

    def end(self) -> None:
        """Nothing may be left."""
        if self.offset != len(self._data):
            raise self.fail(f"{len(self._data) - self.offset} bytes too many")
