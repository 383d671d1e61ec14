"""Public combinations and sums of shared bits, at every instruction set, against their formulas in Python integers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tercet.ring import available_levels, kernels, pack_bits, pack_fields, ring, unpack_fields, word_count

LEVELS = available_levels()
COUNTS = [1, 7, 8, 63, 64, 511, 512, 513, 1100]


def integers(rng: np.random.Generator, bits: int, count: int) -> list[int]:
    return [int.from_bytes(rng.bytes(bits // 8), "little") for _ in range(count)]


def column(values: list[int]) -> Any:
    return np.array([*values, None], dtype=object)[:-1]


@pytest.mark.parametrize("bits", [64, 128])
@pytest.mark.parametrize("level", LEVELS)
def test_combine(level: str, bits: int) -> None:
    r, rng, whole = ring(bits, kernels(level)), np.random.default_rng(1), 1 << bits
    for count in COUNTS:
        for factors, constant in (([1], 0), ([3, -1], -5), ([0, 1 << bits - 1, -(1 << bits - 2)], (1 << bits - 1) + 7)):
            rows = [integers(rng, bits, count) for _ in factors]
            found = r.combine([r.from_ints(column(row)) for row in rows], factors, constant)
            wanted = [
                (constant + sum(k * row[i] for k, row in zip(factors, rows, strict=True))) % whole for i in range(count)
            ]
            assert r.as_bytes(found) == r.as_bytes(r.from_ints(column(wanted)))
    with pytest.raises(ValueError, match="wrong shape"):
        r.combine([r.zeros(3), r.zeros(4)], [1, 1])
    with pytest.raises(ValueError, match="as many factors"):
        r.combine([r.zeros(3)], [1, 1])


@pytest.mark.parametrize("bits", [64, 128])
@pytest.mark.parametrize("level", LEVELS)
def test_sums_of_bits(level: str, bits: int) -> None:
    """What is dealt and what is joined add up to constant + the sum of factors times (beta XOR b')."""
    r, rng, whole = ring(bits, kernels(level)), np.random.default_rng(2), 1 << bits
    widths = [bits, 1, 9, 33, bits - 3]
    factors = [[1, 1 << bits - 1, -(1 << bits - 9), 3 << bits - 33, 8], [-1, 0, 1 << bits - 9, 1 << bits - 33, 40]]
    constants = [5, -(1 << bits - 2)]
    for count in COUNTS:
        theirs, ours = (rng.integers(0, 2, (len(widths), count)).astype(bool) for _ in range(2))
        planes = [np.array([pack_bits(row) for row in rows]) for rows in (theirs, ours)]
        drawn = np.frombuffer(rng.bytes(sum((w * count + 7) // 8 for w in widths)), np.uint8)
        dealt, terms, start = r.deal_bits(planes[0], count, widths, drawn), [], 0
        for k, width in enumerate(widths):
            end = start + (width * count + 7) // 8
            own, other = (
                [int(v) % (1 << width) for v in r.to_ints(unpack_fields(part[start:end], width, count, r))]
                for part in (drawn, dealt)
            )
            assert [(a + b) % (1 << width) for a, b in zip(own, other, strict=True)] == theirs[k].astype(int).tolist()
            # what is beyond the last field is 0
            assert dealt[start:end].tobytes() == pack_fields(r.from_ints(column(other)), width).tobytes()
            terms.append(own)
            start = end
        masks = [integers(rng, bits, count) for _ in constants]
        mask = np.array([r.from_ints(column(row)) for row in masks])
        sent, kept = r.sum_bits(planes[1], widths, drawn, constants, factors, mask)
        again, _ = r.sum_bits(planes[1], widths, dealt, constants, factors, mask)
        for s, row in enumerate(factors):
            for i in range(count):
                signed = sum(f * (1 - 2 * int(ours[k, i])) * terms[k][i] for k, f in enumerate(row)) - masks[s][i]
                assert int(r.to_ints(sent[s])[i]) % whole == signed % whole
                public = constants[s] + sum(f * int(ours[k, i]) for k, f in enumerate(row))
                assert int(r.to_ints(kept[s])[i]) % whole == (signed + public) % whole
                meant = constants[s] + sum(f * int(ours[k, i] ^ theirs[k, i]) for k, f in enumerate(row))
                total = int(r.to_ints(kept[s])[i]) + int(r.to_ints(again[s])[i]) + 2 * masks[s][i]
                assert total % whole == meant % whole
                if i > 60:
                    break
    wrong = np.zeros(7, np.uint8)
    with pytest.raises(ValueError, match="that many bytes"):
        r.deal_bits(np.zeros((1, word_count(9)), np.uint64), 9, [5], wrong)
    with pytest.raises(ValueError, match="outside the ring"):
        r.deal_bits(np.zeros((1, word_count(9)), np.uint64), 9, [bits + 1], wrong)
    with pytest.raises(ValueError, match="a constant for each sum"):
        r.sum_bits(np.zeros((1, 1), np.uint64), [7], wrong, [1, 2], [[1]], r.zeros((1, 8)))
