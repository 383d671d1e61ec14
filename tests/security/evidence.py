"""Everything that one node ever had: its files and the memory of its processes; and what is searched for in it."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

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

    def find(self, patterns: Mapping[str, bytes]) -> dict[str, list[str]]:
        """What of these patterns occurs, and where. One pass over the bytes, however many patterns there are."""
        assert all(len(pattern) >= _LEAST_PATTERN for pattern in patterns.values()), "a short one is found by chance"
        anchored: dict[bytes, list[tuple[str, int]]] = {}
        for what, pattern in patterns.items():
            at = _anchor(pattern)
            anchored.setdefault(pattern[at : at + 4], []).append((what, at))
        anchors = np.frombuffer(b"".join(anchored), np.uint32)
        wanted = np.zeros(1 << 16, bool)
        wanted[anchors.astype(np.uint16)] = True
        found: dict[str, list[str]] = {}
        for where, data in self.pieces:
            for place in _candidates(data, anchors, wanted):
                for what, at in anchored[data[place : place + 4]]:
                    if place >= at and data.startswith(patterns[what], place - at):
                        found.setdefault(what, []).append(where)
        return found


def _anchor(pattern: bytes) -> int:
    """Where in a pattern the four bytes stand that are least like what memory is full of: zeros, signs, pointers."""

    def rarity(at: int) -> int:
        window = pattern[at : at + 4]
        return 2 * sum(byte not in b"\x00\xff\x7f\x55" for byte in window[:2]) + len(set(window))

    return max(range(len(pattern) - 3), key=rarity)


def _candidates(data: bytes, anchors: NDArray[np.uint32], wanted: NDArray[np.bool_]) -> Iterator[int]:
    """Where one of the four-byte anchors stands."""
    for shift in range(min(2, len(data))):
        halves = np.frombuffer(data, np.uint16, (len(data) - shift) // 2, shift)
        places = np.flatnonzero(wanted[halves[:-1]]) if len(halves) > 1 else np.empty(0, np.int64)
        words = halves[places].astype(np.uint32) | halves[places + 1].astype(np.uint32) << np.uint32(16)
        yield from (2 * places[np.isin(words, anchors)] + shift).tolist()


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
