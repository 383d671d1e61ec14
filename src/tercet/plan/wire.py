"""Fixed binary encoding: variable-length integers and length-prefixed bytes. What decodes re-encodes identically."""

from __future__ import annotations

from tercet.errors import PlanError

MAX_INTEGER_BYTES = 24


class Writer:
    """Appends fields to a buffer."""

    __slots__ = ("_parts",)

    def __init__(self) -> None:
        self._parts = bytearray()

    def raw(self, data: bytes) -> Writer:
        self._parts += data
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

    def block(self, data: bytes) -> Writer:
        """Bytes behind their length."""
        return self.count(len(data)).raw(data)

    def take(self) -> bytes:
        return bytes(self._parts)


class Reader:
    """Reads what Writer wrote; PlanError with the offset for anything else."""

    __slots__ = ("_data", "_what", "offset")

    def __init__(self, data: bytes | memoryview, what: str = "plan") -> None:
        self._data = memoryview(data)
        self._what = what
        self.offset = 0

    def fail(self, reason: str) -> PlanError:
        return PlanError(f"this is no {self._what}: {reason} at byte {self.offset}")

    def raw(self, size: int) -> bytes:
        if size > len(self._data) - self.offset:
            raise self.fail(f"{size} bytes announced, {len(self._data) - self.offset} left")
        start = self.offset
        self.offset += size
        return bytes(self._data[start : self.offset])

    def count(self, limit: int) -> int:
        """A count of at most `limit`."""
        if self.offset < len(self._data) and self._data[self.offset] <= min(limit, 0x7F):
            self.offset += 1
            return self._data[self.offset - 1]
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
        size = self.raw(1)[0]
        if size > MAX_INTEGER_BYTES:
            raise self.fail(f"an integer of {size} bytes")
        data = self.raw(size)
        value = int.from_bytes(data, "little", signed=True)
        if size != ((value if value >= 0 else ~value).bit_length() // 8 + 1 if value else 0):
            raise self.fail("an integer is not in its shortest form")
        return value

    def block(self, limit: int) -> bytes:
        return self.raw(self.count(limit))

    def end(self) -> None:
        if self.offset != len(self._data):
            raise self.fail(f"{len(self._data) - self.offset} bytes too many")
