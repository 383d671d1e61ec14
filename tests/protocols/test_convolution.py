"""Convolutions are exact, and cost one word a party and result, whatever the kernel."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from protocol_checks import RINGS, SOLOS, open_words, run_counted
from ring.test_windows import looped
from tercet.protocols.convolution import convolution, convolution_cost
from tercet.ring import RING64, ConvolutionArray, Convolutions, Geometry, Ring
from tercet.sharing import PARTIES, Party
from trio import Trio

SMALL = Convolutions(Geometry((5, 6), (2, 3), (1, 2), (1, 0), (1, 1), (1, 1)), 2, 4, 6, 2)
BY_BATCH = Convolutions(Geometry((16, 16), (3, 3), (1, 1), (1, 1), (1, 1), (1, 1)), 7, 2, 20, 2)
BY_OUTPUTS = Convolutions(Geometry((33, 33), (3, 3), (1, 1), (1, 1), (1, 1), (1, 1)), 1, 9, 35, 1)
DEEP = Convolutions(Geometry((9,), (3,), (1,), (0,), (0,), (1,)), 2, 80, 90, 1)


def given(arrays: Convolutions, rng: Any, result: ConvolutionArray) -> list[Any]:
    return [rng.integers(-9, 9, shape) for at, shape in enumerate(arrays.shapes) if at != (2, 0, 1)[result]]


def expected(arrays: Convolutions, result: ConvolutionArray, first: Any, second: Any) -> Any:
    return RING64.to_ints(arrays.convolve(RING64, result, *map(RING64.from_ints, (first, second))))


@pytest.mark.parametrize("solo", SOLOS)
@pytest.mark.parametrize("ring", RINGS)
@pytest.mark.parametrize("result", list(ConvolutionArray))
def test_small_ones(ring: Ring, solo: Party, result: ConvolutionArray) -> None:
    trio = Trio(3)
    first, second = given(SMALL, trio.rng, result)
    cost = convolution_cost(ring, int(np.prod(SMALL.shape(result))))
    shared = trio.share(ring, first), trio.share(ring, second)
    found = run_counted(trio, cost, lambda s, x, y: convolution(s, SMALL, result, x, y), *shared, solo=solo)
    assert open_words(found) == expected(SMALL, result, first, second).reshape(-1).tolist()
    assert trio.post.bytes == dict.fromkeys(PARTIES, int(np.prod(SMALL.shape(result))) * ring.word_bytes)
    if result is ConvolutionArray.OUTPUT:
        assert open_words(found) == looped(SMALL, first, second).reshape(-1).tolist()


@pytest.mark.parametrize("shift", [0, 7])
@pytest.mark.parametrize("result", list(ConvolutionArray))
@pytest.mark.parametrize("arrays", [BY_BATCH, BY_OUTPUTS, DEEP], ids=["batch", "outputs", "deep"])
def test_large_ones_in_pieces(arrays: Convolutions, result: ConvolutionArray, shift: int) -> None:
    """Whole or in thirds it is as much, to the byte."""
    cost = convolution_cost(RING64, int(np.prod(arrays.shape(result))), shift)
    for balance in (True, False):
        trio = Trio(4, balance=balance)
        first, second = given(arrays, trio.rng, result)
        shared = trio.share(RING64, first), trio.share(RING64, second)
        found = Trio.open(run_counted(trio, cost, lambda s, x, y: convolution(s, arrays, result, x, y, shift), *shared))
        assert np.abs(found - expected(arrays, result, first, second) / (1 << shift)).max() <= (1 if shift else 0)
