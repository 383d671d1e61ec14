"""Every protocol on an array without elements: an empty result, no message, no cost."""

from __future__ import annotations

from typing import Any

import pytest

from protocol_checks import run_counted
from tercet.protocols.compare import is_negative, is_negative_cost
from tercet.protocols.compare_pc3 import is_negative_pc3, is_negative_pc3_cost
from tercet.protocols.convert import (
    bit_to_words,
    bit_to_words_cost,
    inject,
    inject_cost,
    words_to_bits,
    words_to_bits_cost,
)
from tercet.protocols.cost import Cost
from tercet.protocols.equality import is_zero, is_zero_cost, is_zero_hamming, is_zero_hamming_cost
from tercet.protocols.normalise import normalise, normalise_cost
from tercet.protocols.product import multiply, multiply_cost
from tercet.protocols.truncate import (
    lift,
    lift_cost,
    multiply_truncate,
    multiply_truncate_cost,
    truncate,
    truncate_cost,
    truncate_exact,
    truncate_exact_cost,
)
from tercet.ring import RING64
from tercet.sharing import PARTIES
from trio import Trio

WORDS: list[tuple[Any, Cost]] = [
    (lambda s, x: is_negative(s, x, 64), is_negative_cost(0, 64)),
    (lambda s, x: is_negative_pc3(s, x, 64), is_negative_pc3_cost(0, 64)),
    (lambda s, x: is_zero(s, x, 64), is_zero_cost(0, 64)),
    (lambda s, x: is_zero_hamming(s, x, 64), is_zero_hamming_cost(0, 64)),
    (lambda s, x: words_to_bits(s, x, 64), words_to_bits_cost(0, 64)),
    (lambda s, x: truncate_exact(s, x, 16), truncate_exact_cost(RING64, 0, 16)),
    (lambda s, x: normalise(s, x, 40), normalise_cost(RING64, 0, 40)),
    (lambda s, x: multiply(s, x, x), multiply_cost(RING64, 0)),
    (lambda s, x: truncate(s, x, 16), truncate_cost(RING64, 0, 16)),
    (lambda s, x: multiply_truncate(s, x, x, 16), multiply_truncate_cost(RING64, 0, 16)),
    (lift, lift_cost(0)),
]


@pytest.mark.parametrize("number", range(len(WORDS)))
def test_no_words(number: int) -> None:
    body, cost = WORDS[number]
    trio = Trio(1)
    results = run_counted(trio, cost, body, trio.share(RING64, []))
    first = results[PARTIES[0]]
    assert cost == Cost()
    assert all(part.own.size == 0 for part in (first if isinstance(first, tuple) else (first,)))


def test_no_bits() -> None:
    trio = Trio(2)
    run_counted(trio, bit_to_words_cost(RING64, 0), lambda s, b: bit_to_words(s, b, RING64), trio.share_bits([]))
    run_counted(trio, inject_cost(RING64, 0), inject, trio.share_bits([]), trio.share(RING64, []))
