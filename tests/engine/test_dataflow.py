"""Independent operations wait side by side: on a slow link two comparisons take the time of one."""

from __future__ import annotations

import time

import numpy as np
import pytest

import tercet as tc

pytestmark = pytest.mark.timing
RTT_S = 0.2


def seconds(net: tc.Session, *results: tc.SecretArray) -> float:
    began = time.perf_counter()
    tc.reveal(*results)
    return time.perf_counter() - began


def test_two_comparisons_take_the_time_of_one() -> None:
    with tc.local(link=tc.EmulatedLink(RTT_S, 1e9), profile="wan") as net:
        x, y = (net.share(np.arange(200) * k, bounds=(0, 1000)) for k in (1, 2))
        one = seconds(net, x < y)
        with net.measure() as measured:
            two = seconds(net, x < 50, y < 100)
    assert measured.rounds == 3
    # The plan check is one more half round trip; two after one another would be another three.
    assert 3.5 * RTT_S / 2 < one < 6 * RTT_S / 2
    assert two < one + 1.5 * RTT_S / 2


def test_what_does_not_wait_goes_on() -> None:
    """A chain of two rounds beside one of six ends with it, not after it."""
    with tc.local(link=tc.EmulatedLink(RTT_S, 1e9)) as net:
        x = net.share(np.arange(5000), bounds=(0, 2**40))
        long = x < x[::-1]
        short = (x * x) * x[0]
        with net.measure() as measured:
            both = seconds(net, long, short)
    assert measured.rounds < 8
    assert both < (measured.rounds + 2.5) * RTT_S / 2
