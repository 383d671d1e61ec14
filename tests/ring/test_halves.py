"""Places in halves against their twins, on every level of kernels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ring import twin_halves
from tercet import ring as floor
from tercet.ring import RING32, Kernels, field_bytes, pack_fields, unpack_fields

Array = np.ndarray[Any, Any]


def drawn(rng: np.random.Generator, w: int, count: int) -> tuple[Array, Array]:
    """Fields, and the same as numbers."""
    fields = np.frombuffer(rng.bytes(field_bytes(w, count)), np.uint8)
    return fields, unpack_fields(fields, w, count, RING32).astype(np.int64)


@pytest.mark.parametrize(("w", "bits"), [(1, 1), (17, 17), (17, 19), (0, 3), (20, 23), (29, 32), (25, 25)])
@pytest.mark.parametrize("negative", [False, True])
def test_fields_are_moved_and_masked(native: Kernels, w: int, bits: int, negative: bool) -> None:
    rng = np.random.default_rng(bits)
    for count in (0, 1, 9, 256, 257, 5000):
        words = rng.integers(0, 1 << 32, count).astype(np.uint32)
        order = rng.permutation(count).astype(np.uint32)
        fields, numbers = drawn(rng, bits, count)
        packed = pack_fields(words, bits)
        for mask, meant in ((None, None), (fields, numbers)):
            expected = twin_halves.move_fields(words, order, w, bits, meant, negative)
            for source in (words, packed):
                found = floor.move_fields(source, order, w, bits, mask=mask, negative=negative, native=native)
                assert np.array_equal(found, expected)
                found = floor.move_fields(
                    source, order, w, bits, mask=mask, negative=negative, packed=True, native=native
                )
                assert np.array_equal(found, pack_fields(expected.astype(np.uint32), bits))


def test_places_outside_and_fields_of_another_size_are_refused(native: Kernels) -> None:
    words, order = np.arange(4, dtype=np.uint32), np.array([0, 4, 1, 2], np.uint32)
    with pytest.raises(ValueError, match="outside"):
        floor.move_fields(words, order, 3, 3, native=native)
    with pytest.raises(ValueError, match="bytes"):
        floor.move_fields(np.zeros(5, np.uint8), order % 4, 3, 3, native=native)
    with pytest.raises(ValueError, match="bytes"):
        floor.move_fields(words, order % 4, 3, 3, mask=np.zeros(3, np.uint8), native=native)


@pytest.mark.parametrize("width", [1, 2, 3])
@pytest.mark.parametrize(("lines", "length", "w"), [(1, 2, 2), (1, 900, 10), (7, 61, 6), (600, 3, 2), (2, 257, 29)])
def test_places_of_digits(native: Kernels, width: int, lines: int, length: int, w: int) -> None:
    rng = np.random.default_rng(length)
    count, sets = lines * length, (1 << width) - 1
    digits, turns = (rng.integers(0, 1 << width, count).astype(np.uint32) for _ in range(2))
    (a, a_is), (v, v_is), (x, x_is) = (drawn(rng, w, sets * count) for _ in range(3))
    mask, mask_is = drawn(rng, w, count)
    a_is, v_is, x_is = (part.reshape(count, sets) for part in (a_is, v_is, x_is))

    b, rest = floor.digits_deal(width, w, digits, a, v, x, mask, native=native)
    b_is, rest_is = twin_halves.digits_deal(width, w, digits, a_is, v_is, x_is, mask_is)
    assert np.array_equal(b, pack_fields(b_is.astype(np.uint32), w))
    assert np.array_equal(rest, pack_fields(rest_is.astype(np.uint32), w))

    for one, entries, meant in ((True, a, a_is), (False, b, b_is)):
        sent, kept = floor.digits_table(width, w, turns, lines, entries, v, one=one, native=native)
        sent_is, kept_is = twin_halves.digits_table(width, w, turns, lines, meant, v_is, int(one))
        assert np.array_equal(sent, pack_fields(sent_is.astype(np.uint32), w))
        assert np.array_equal(kept % (1 << w), kept_is % (1 << w))
        floor.digits_join(width, w, entries, x, rest, kept, native=native)
        assert np.array_equal(kept, twin_halves.digits_join(w, meant, x_is, rest_is, kept_is))
