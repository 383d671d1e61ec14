"""Token buckets: a rate in the long run, a burst at once, bounded memory."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tercet.node.http.buckets import Buckets


def test_a_burst_then_the_rate() -> None:
    buckets = Buckets(2.0, burst_s=5.0)
    assert [buckets.take("a", 0.0) for _ in range(11)] == [True] * 10 + [False]
    assert buckets.take("b", 0.0)
    assert buckets.take("a", 0.5)
    assert not buckets.take("a", 0.5)


@given(st.lists(st.floats(0, 3), max_size=200), st.floats(0.1, 20))
def test_never_more_than_burst_and_rate(pauses: list[float], rate: float) -> None:
    buckets = Buckets(rate, burst_s=5.0)
    now, taken = 0.0, 0
    for pause in pauses:
        now += pause
        taken += buckets.take("a", now)
    assert taken <= max(1.0, 5 * rate) + rate * now + 1e-6


def test_memory_is_bounded() -> None:
    buckets = Buckets(1.0)
    for number in range(20_000):
        buckets.take(str(number), 0.0)
    assert len(buckets._levels) <= 10_000
