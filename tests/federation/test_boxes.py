"""Boxes open for whom and what they were sealed; of all boxes of a job in one answer, what is written is read."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federations import member
from tercet.errors import IntegrityError, ProtocolViolation
from tercet.federation.boxes import (
    boxes_bytes,
    boxes_head,
    open_part,
    open_result,
    part_context,
    read_boxes,
    result_context,
    seal_part,
    seal_result,
)
from tercet.sharing import Party


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


UPLOAD, JOB = "0a" * 16, "0b" * 16


def test_a_part_opens_as_that_chunk_of_that_upload_at_that_node() -> None:
    a, b = member("hospital-a"), member("hospital-b")
    box = seal_part(a.card, UPLOAD, 3, b"part")
    assert open_part(a, UPLOAD, 3, box) == b"part"
    for who, upload, chunk in ((b, UPLOAD, 3), (a, JOB, 3), (a, UPLOAD, 4)):
        with pytest.raises(IntegrityError):
            open_part(who, upload, chunk, box)


def test_a_result_opens_as_that_output_of_that_job_of_that_node() -> None:
    anna = member("anna")
    box = seal_result(anna.card, JOB, 1, Party.P2, b"result")
    assert open_result(anna, JOB, 1, Party.P2, box) == b"result"
    for who, job, output, party in (
        (member("ben"), JOB, 1, Party.P2),
        (anna, UPLOAD, 1, Party.P2),
        (anna, JOB, 0, Party.P2),
        (anna, JOB, 1, Party.P1),
    ):
        with pytest.raises(IntegrityError):
            open_result(who, job, output, party, box)
    with pytest.raises(IntegrityError):
        open_part(anna, JOB, 1, box)


def test_contexts_have_the_bytes_that_the_vectors_describe() -> None:
    assert part_context(UPLOAD, 258) == b"\x0a" * 16 + bytes([2, 1, 0, 0, 0, 0, 0, 0])
    assert result_context(JOB, 258, Party.P3) == b"\x0b" * 16 + bytes([2, 1, 0, 0, 3])
