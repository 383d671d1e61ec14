"""Rounding and wraps do not depend on the shares in which a value is stored, nor on its place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats

from protocol_checks import SOLOS, open_words
from tercet.protocols.product import fresh_split_form
from tercet.protocols.scope import Body, Scope
from tercet.protocols.truncate import lift, truncate, truncate_exact
from tercet.ring import RING64, RING128, Ring
from tercet.sharing import PARTIES, Party, Share
from trio import Trio

RUNS = 4096
LOWEST_P = 1e-6

Protocol = Callable[[Scope, Share], Body[Any]]


def repeated(parts: dict[Party, Share], times: int) -> dict[Party, Share]:
    """One stored element in many places: the components stay as they are."""
    return {p: Share(x.ring, *(np.repeat(words, times) for words in (x.own, x.next))) for p, x in parts.items()}


def law(trio: Trio, protocol: Protocol, parts: dict[Party, Share], solo: Party) -> dict[int, int]:
    results, counts = np.unique(open_words(trio.run(protocol, repeated(parts, RUNS), solo=solo)), return_counts=True)
    return dict(zip(map(int, results), map(int, counts), strict=True))


def the_same(a: dict[int, int], b: dict[int, int]) -> bool:
    """Whether two samples may come of one law."""
    values = sorted(a.keys() | b.keys())
    if len(values) == 1:
        return True
    table = [[one.get(value, 0) for value in values] for one in (a, b)]
    return bool(stats.chi2_contingency(table).pvalue > LOWEST_P)


@pytest.mark.parametrize("ring", [RING64, RING128])
@pytest.mark.parametrize("one_round", [False, True])
def test_a_stored_share_rounds_up_as_often_as_its_fraction_says(ring: Ring, one_round: bool) -> None:
    """Failed before the coin: every run, and every copy, of one stored share rounded the same way."""
    trio = Trio(21)
    for solo in SOLOS:
        for value in (0x4000, 0xC000 - (5 << 16), 0x1234_5678_9ABC):
            for _ in range(2):
                got = law(trio, lambda s, x: truncate(s, x, 16, one_round=one_round), trio.share(ring, [value]), solo)
                fraction = (value & 0xFFFF) / 65536
                assert set(got) == {value >> 16, (value >> 16) + 1}
                assert stats.binomtest(got[(value >> 16) + 1], RUNS, fraction).pvalue > LOWEST_P


PROTOCOLS: dict[str, Protocol] = {
    "truncate": lambda s, x: truncate(s, x, 16),
    "truncate, one round": lambda s, x: truncate(s, x, 16, one_round=True),
    "exact": lambda s, x: truncate_exact(s, x, 16),
    "exact, nearest": lambda s, x: truncate_exact(s, x, 16, nearest=True),
    "lift": lambda s, x: lift(s, x),
    "lift, one round": lambda s, x: lift(s, x, one_round=True),
}
BEYOND = [(1 << 62) + 12345, (1 << 63) - 1, -(1 << 62) - 99_999, 3 << 61]


@pytest.mark.parametrize("name", PROTOCOLS)
def test_out_of_range_too_only_the_value_decides(name: str) -> None:
    """A false bound lets anything in: what comes out may be wrong, but by a law of the value alone."""
    trio = Trio(22)
    for value in BEYOND:
        laws = [law(trio, PROTOCOLS[name], trio.share(RING64, [value]), solo) for solo in SOLOS for _ in range(3)]
        assert all(the_same(laws[0], other) for other in laws[1:])


def test_a_column_rescaled_twice_is_rounded_anew() -> None:
    trio = Trio(23)
    parts = trio.share(RING64, np.arange(40_000) * 7 + 3)
    first, again = (open_words(trio.run(lambda s, x: truncate(s, x, 8), parts, solo=SOLOS[0])) for _ in range(2))
    assert 0.2 < np.mean(np.asarray(first) != np.asarray(again)) < 0.5


def test_both_halves_of_the_fresh_form_are_uniform() -> None:
    """c + u and r - u have the law of a fresh sharing, whatever c and r are."""
    trio = Trio(24)
    shared = trio.share(RING64, np.zeros(1 << 16, np.uint64))
    fixed = {p: Share(RING64, np.zeros_like(x.own), np.zeros_like(x.next)) for p, x in shared.items()}

    def body(scope: Scope, x: Share) -> Body[Any]:
        return fresh_split_form(scope, x).value
        yield

    halves = trio.run(body, fixed, solo=PARTIES[0])
    c, same, r = halves[PARTIES[1]], halves[PARTIES[2]], halves[PARTIES[0]]
    assert np.array_equal(c, same) and not (c + r).any()
    ones = np.unpackbits(c.view(np.uint8)).reshape(-1, 64).sum(axis=0)
    assert all(stats.binomtest(int(count), c.size, 0.5).pvalue > LOWEST_P for count in ones)
