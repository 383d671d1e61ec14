"""Parts and results in boxes."""

from __future__ import annotations

import pytest

from federations import member
from tercet.errors import IntegrityError
from tercet.federation.boxes import open_part, open_result, part_context, result_context, seal_part, seal_result
from tercet.sharing import Party

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
