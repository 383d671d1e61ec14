from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from protocol_checks import RINGS, SOLOS, open_words, run_counted, signed
from tercet.protocols.cross import cross_cost, cross_terms
from tercet.protocols.message import Fields, Words
from tercet.protocols.scope import Body, ProtocolRole, Scope
from tercet.ring import Ring
from tercet.sharing import Party, Share
from tiny_ring import opened, tiny_views
from trio import Trio


def run_cross(
    scope: Scope, layout: Any, left: list[Any], right: list[Any], one_round: bool, local: Any = None
) -> Body[Share]:
    """`local` = (that of A, that of B)."""
    if scope.role is ProtocolRole.D:
        return (yield from cross_terms(scope, layout, right, one_round=one_round))
    mine = None if local is None else local[0 if scope.role is ProtocolRole.A else 1]
    return (yield from cross_terms(scope, layout, left, mine, one_round=one_round))


@pytest.mark.parametrize("one_round", [False, True])
@pytest.mark.parametrize(("terms", "local"), [(1, False), (2, False), (1, True), (0, True), (2, True)])
@pytest.mark.parametrize("ring", RINGS)
def test_cross_terms(ring: Ring, terms: int, local: bool, one_round: bool) -> None:
    """`local`: one more term, whose right side A and B hold in two parts."""
    for solo in SOLOS:
        trio = Trio(21)
        count = 100

        def draw(trio: Trio = trio, count: int = count) -> Any:
            return ring.from_bytes(trio.rng.bytes(count * ring.word_bytes), (count,))

        left, right = [draw() for _ in range(terms + local)], [draw() for _ in range(terms + local)]
        own = None
        if local:
            ad = draw()
            own = [ring.mul(left[-1], part) for part in (ad, ring.sub(right[-1], ad))]
        layout = Words(ring, (count,))
        cost = cross_cost(layout, terms, one_round=one_round)
        body = lambda scope, layout=layout, left=left, right=right, own=own: run_cross(
            scope, layout, left[:terms], right[:terms], one_round, own
        )
        got = open_words(run_counted(trio, cost, body, solo=solo))
        for index in range(count):
            total = sum(
                int(ring.to_ints(a)[index]) * int(ring.to_ints(b)[index]) for a, b in zip(left, right, strict=True)
            )
            assert got[index] == signed(total, ring.bits)


@pytest.mark.parametrize("solo", SOLOS)
@pytest.mark.parametrize(("one_round", "draws"), [(False, 3), (True, 4)])
def test_views_of_one_term_are_the_same_for_all_values_of_it(solo: Party, one_round: bool, draws: int) -> None:
    """Over Z_4, all draws: what A and B see, given L, does not depend on R; D sees nothing. The result is right."""
    _check_views(solo, one_round, 1, draws)


@pytest.mark.parametrize(("one_round", "draws"), [(False, 4), (True, 6)])
def test_views_of_two_terms(one_round: bool, draws: int) -> None:
    _check_views(SOLOS[1], one_round, 2, draws)


def _check_views(solo: Party, one_round: bool, terms: int, draws: int) -> None:
    runs = 4**draws
    of_solo = None
    for left in itertools.product(range(4), repeat=terms):
        first = None
        for right in itertools.product(range(4), repeat=terms):
            lefts = [np.full(runs, value, np.uint64) for value in left]
            deals = [np.full(runs, value, np.uint64) for value in right]

            def body(scope: Scope, lefts: Any = lefts, deals: Any = deals) -> Body[Share]:
                return run_cross(scope, Fields(2, runs), lefts, deals, one_round)

            views, results = tiny_views(body, ring=64, field=2, bits=2 * draws, solo=solo)
            assert opened(results, 2) == {sum(a * b for a, b in zip(left, right, strict=True)) % 4}
            of_solo = of_solo or views[solo]
            assert views[solo] == of_solo
            first = first or views
            assert views == first
