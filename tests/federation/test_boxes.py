"""All boxes of a job in one answer: what is written is read, and nothing else is."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tercet.errors import ProtocolViolation
from tercet.federation.boxes import boxes_bytes, boxes_head, read_boxes


def written(boxes: dict[int, bytes]) -> bytes:
    return boxes_head([(index, len(box)) for index, box in boxes.items()]) + b"".join(boxes.values())


GOOD = written({0: b"one", 7: b"", 9: b"three"})


@given(st.dictionaries(st.integers(0, (1 << 24) - 1), st.binary(max_size=20), max_size=6))
def test_what_is_written_is_read(boxes: dict[int, bytes]) -> None:
    boxes = dict(sorted(boxes.items()))
    data = written(boxes)
    assert len(data) == boxes_bytes([len(box) for box in boxes.values()])
    assert {index: bytes(box) for index, box in read_boxes(data).items()} == boxes


@given(st.binary(max_size=80), st.integers(0, len(GOOD)))
def test_whatever_is_read_is_written_the_same(tail: bytes, at: int) -> None:
    data = GOOD[:at] + tail
    try:
        found = read_boxes(data)
    except ProtocolViolation:
        return
    assert written({index: bytes(box) for index, box in found.items()}) == data


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "first bytes"),
        (b"nonsense" * 4, "first bytes"),
        (GOOD[:4] + b"\2" + GOOD[5:], "version 2"),
        (GOOD[:6] + b"\1" + GOOD[7:], "version 1"),
        (GOOD[:-1], "lengths"),
        (GOOD + b"x", "lengths"),
        (GOOD[:20], "announced"),
        (GOOD[:8] + struct.pack("<I", 1 << 31) + GOOD[12:], "announced"),
        (written({7: b"a", 0: b"b"}), "do not rise"),
        (boxes_head([(1, 0), (1, 0)]), "do not rise"),
        (boxes_head([(0, 1 << 63), (1, 1 << 63)]), "lengths"),
    ],
)
def test_everything_else_is_refused(data: bytes, told: str) -> None:
    with pytest.raises(ProtocolViolation, match=told):
        read_boxes(data)
