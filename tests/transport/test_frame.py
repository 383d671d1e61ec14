from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tercet.errors import ProtocolViolation
from tercet.transport.frame import HEADER_BYTES, VERSION, Element, FrameHeader, FrameKind, pack, unpack

headers = st.builds(
    FrameHeader,
    st.sampled_from(FrameKind),
    st.sampled_from(Element),
    st.binary(min_size=16, max_size=16),
    st.integers(0, 2**64 - 1),
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**32 - 1),
    st.floats(0, allow_infinity=False, allow_nan=False),
    st.integers(0, 2**60 - 1).map(lambda n: n * 16),
)

GOOD = pack(FrameKind.MESSAGE, Element.WORDS64, bytes(16), 1, 2, 3, 0.0, 8)


@given(headers, st.binary(max_size=20))
def test_a_header_comes_back_as_it_was(header: FrameHeader, before: bytes) -> None:
    data = pack(*header)
    assert len(data) == HEADER_BYTES
    assert unpack(before + data, len(before)) == header


@given(st.binary(min_size=HEADER_BYTES, max_size=HEADER_BYTES))
def test_random_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(ProtocolViolation):
        unpack(data)


@given(st.integers(0, HEADER_BYTES - 1), st.integers(1, 255))
def test_a_changed_byte_is_refused_or_packs_to_the_same_bytes(position: int, change: int) -> None:
    data = bytearray(GOOD)
    data[position] ^= change
    try:
        header = unpack(data)
    except ProtocolViolation:
        return
    assert pack(*header) == data


@pytest.mark.parametrize(
    ("position", "value", "text"),
    [
        (0, 0, "magic"),
        (4, VERSION + 1, f"version {VERSION + 1}, this side speaks version {VERSION}"),
        (5, 0, "kind 0"),
        (5, 99, "kind 99"),
        (6, 0, "element code 0"),
        (6, 5, "element code 5"),
        (7, 1, "reserved"),
        (48, 1, "whole number of WORDS64"),
    ],
)
def test_each_defect_is_named(position: int, value: int, text: str) -> None:
    data = bytearray(GOOD)
    data[position] = value
    with pytest.raises(ProtocolViolation, match=text):
        unpack(data)


@pytest.mark.parametrize("ready_at", [math.nan, math.inf, -1.0])
def test_times_that_are_none_are_refused(ready_at: float) -> None:
    with pytest.raises(ProtocolViolation):
        unpack(pack(1, 1, bytes(16), 1, 2, 3, ready_at, 8))


@pytest.mark.parametrize("fields", [(1, 1, b"short", 1, 1, 1, 0.0, 8), (1, 1, bytes(16), 2**64, 1, 1, 0.0, 8)])
def test_fields_that_do_not_fit_are_misuse(fields: tuple[int, int, bytes, int, int, int, float, int]) -> None:
    with pytest.raises(ValueError):
        pack(*fields)
