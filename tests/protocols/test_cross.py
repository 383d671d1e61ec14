from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from protocol_checks import RINGS, SOLOS, open_words, run_counted, signed
from tercet.protocols.cross import CrossTerms, FieldDomain, WordDomain, cross_cost, cross_terms
from tercet.protocols.message import Words
from tercet.protocols.scope import Body, ProtocolRole, Scope
from tercet.ring import RING64, Ring
from tercet.sharing import PARTIES, Party, Share
from trio import Trio
from views import exhaustive_views


def run_cross(
    scope: Scope, domain: Any, free: list[bool], left: list[Any], right: list[Any], parts: list[Any], one_round: bool
) -> Body[Share]:
    """`parts[j]` = (x_AD, x_BD) of a free term."""
    count = len(free)
    if scope.role is ProtocolRole.D:
        terms = CrossTerms(count, right=right)
    else:
        mine = [None if part is None else part[0 if scope.role is ProtocolRole.A else 1] for part in parts]
        terms = CrossTerms(count, left=left, parts=mine)
    output = yield from cross_terms(scope, domain, free, terms, one_round=one_round)
    return Share(domain.ring, output.own, output.next)


@pytest.mark.parametrize("one_round", [False, True])
@pytest.mark.parametrize("free", [[False], [False, False], [True, False], [True], [True, False, True, False]])
@pytest.mark.parametrize("ring", RINGS)
def test_cross_terms(ring: Ring, free: list[bool], one_round: bool) -> None:
    for solo in SOLOS:
        trio = Trio(21)
        count = 100

        def draw(trio: Trio = trio, count: int = count) -> Any:
            return ring.from_bytes(trio.rng.bytes(count * ring.word_bytes), (count,))

        left, right = [draw() for _ in free], [draw() for _ in free]
        parts: list[Any] = []
        for value, is_free in zip(right, free, strict=True):
            ad = draw()
            parts.append((ad, ring.sub(value, ad)) if is_free else None)
        domain = WordDomain(ring, count)
        cost = cross_cost(Words(ring, (count,)), free.count(False), one_round=one_round)
        body = lambda scope, domain=domain, left=left, right=right, parts=parts: run_cross(
            scope, domain, free, left, right, parts, one_round
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
    _check_views(solo, one_round, [False], draws)


@pytest.mark.parametrize(("one_round", "draws"), [(False, 4), (True, 6)])
def test_views_of_two_terms(one_round: bool, draws: int) -> None:
    _check_views(SOLOS[1], one_round, [False, False], draws)


def _check_views(solo: Party, one_round: bool, free: list[bool], draws: int) -> None:
    terms = len(free)
    runs = 4**draws
    domain = FieldDomain(2, runs)
    for left in itertools.product(range(4), repeat=terms):
        first = None
        rights = list(itertools.product(range(4), repeat=terms))
        for right in rights:
            lefts = [np.full(runs, value, np.uint64) for value in left]
            deals = [np.full(runs, value, np.uint64) for value in right]

            def body(scope: Scope, _: Any, lefts: Any = lefts, deals: Any = deals) -> Body[Share]:
                return run_cross(scope, domain, free, lefts, deals, [None] * terms, one_round)

            views, results = exhaustive_views(body, dict.fromkeys(PARTIES), 2, draws, solo)
            opened = RING64.to_ints(
                RING64.add(RING64.add(results[PARTIES[0]].own, results[PARTIES[1]].own), results[PARTIES[2]].own)
            )
            assert set(opened % 4) == {sum(a * b for a, b in zip(left, right, strict=True)) % 4}
            assert all(len(key) <= draws for key in views[solo])
            first = first or views
            assert views == first
