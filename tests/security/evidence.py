"""Everything that one node ever had: its files and the memory of its processes; and what is searched for in it."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

_REGION_BYTES = 64 << 20
_LEAST_PATTERN = 5


@dataclass
class Evidence:
    """What a thief takes from one node: pieces of bytes by where they lay."""

    node: str
    pieces: list[tuple[str, bytes]] = field(default_factory=list, repr=False)

    @property
    def nbytes(self) -> int:
        return sum(len(data) for _, data in self.pieces)

    def find(self, pattern: bytes) -> list[str]:
        """Where a pattern of bytes occurs."""
        assert len(pattern) >= _LEAST_PATTERN, "a short pattern is found by chance"
        return [where for where, data in self.pieces if pattern in data]


def files_of(folder: Path) -> Iterator[tuple[str, bytes]]:
    """All files of a node's folder: store, catalogue with its log, settings, identity, logs."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield f"{path.relative_to(folder)}", path.read_bytes()


def memory_of(pids: Iterable[int]) -> Iterator[tuple[str, bytes]]:
    """All memory that processes may write to, as a core dump has it. Raises PermissionError if it may not be read."""
    for pid in pids:
        with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
            for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
                span, rights, *_, name = line.split(maxsplit=5) if len(line.split()) > 5 else [*line.split(), ""]
                if not rights.startswith("rw") or name.startswith(("[vvar", "[vsyscall", "/dev")):
                    continue
                start, end = (int(bound, 16) for bound in span.split("-"))
                for at in range(start, end, _REGION_BYTES):
                    try:
                        memory.seek(at)
                        # a pattern across a border is not lost
                        yield f"memory of {pid} at {at:x}", memory.read(min(_REGION_BYTES + 64, end - at))
                    except (OSError, ValueError, OverflowError):
                        continue


def spellings(secret: bytes) -> list[bytes]:
    """The ways in which bytes may stand in a text: themselves, in hexadecimal, in both kinds of base64, escaped."""
    found = [secret, binascii.hexlify(secret), binascii.hexlify(secret).upper()]
    for shift in range(3):
        # whatever stands before it in the same encoded text
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            coded = encode(bytes(shift) + secret)
            found.append(coded[4 if shift else 0 : len(coded) // 4 * 4 - 4])
    found.append(repr(secret)[2:-1].encode())
    return [spelling for spelling in found if len(spelling) >= _LEAST_PATTERN]
