"""What an output can say, in bits."""

from __future__ import annotations

import pytest

from tercet.plan.types import Type, ValueKind, bool_type, capacity_bits, element_bits, window
from tercet.protocols.reveal import TAGS_BYTES, reveal_bytes


def number(lo: int, hi: int, shape: tuple[int, ...] = (), ring: int = 64) -> Type:
    return Type(ValueKind.INT, shape, ring, 0, 0, lo, hi)


@pytest.mark.parametrize(
    ("t", "bits"),
    [
        (number(0, 100), 7),
        (number(0, 127), 7),
        (number(0, 128), 8),
        (number(-64, 63), 7),
        (number(5, 5), 0),
        (number(1000, 1001, (10,)), 10),
        (number(0, (1 << 125) - 1, (3, 4), 128), 12 * 125),
        (number(0, 100, (0,)), 0),
        (bool_type(()), 1),
        (bool_type((3, 5)), 15),
    ],
)
def test_capacity_is_the_bits_that_are_opened(t: Type, bits: int) -> None:
    assert capacity_bits(t) == bits == t.size * element_bits(t)
    assert 8 * (reveal_bytes(window(t), t.size) - TAGS_BYTES) - bits in (range(64) if t.is_bool else range(8))
