from __future__ import annotations

from collections import Counter
from itertools import product
from typing import Any

import numpy as np
import pytest
from scipy.stats import rankdata

from protocol_checks import SOLOS, run_counted
from tercet.errors import IntegrityError
from tercet.protocols import permutation, sort, sort_provable
from tercet.protocols.message import Fields, Words
from tercet.protocols.opening import open_halves, open_shuffled
from tercet.protocols.scope import Body, ProtocolRole, Scope
from tercet.protocols.shuffle import FORMS, TWO_ROUNDS, Movable, Shuffle, ShuffleForm, draw_shuffle, word_column
from tercet.protocols.sort import sort_ranks, sort_ranks_cost, sort_rows, sort_rows_cost, sums_up_to, sums_up_to_cost
from tercet.protocols.transcript import Statement
from tercet.ring import RING32, RING64, RING128, Places, Ring
from tercet.sharing import PARTIES, BitShare, Party, Share
from trio import Trio


def share_planes(trio: Trio, keys: np.ndarray, bits: int) -> dict[Party, BitShare]:
    """Keys as shared planes, the lowest bit first."""
    rows = [trio.share_bits(keys >> bit & 1) for bit in range(bits)]
    return {
        party: BitShare(keys.size, *(np.stack([getattr(row[party], part) for row in rows]) for part in ("own", "next")))
        for party in rows[0]
    }


def shares(column: Movable) -> Share:
    return Share(RING64, column.own, column.next)


each_form = pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name.replace(" ", "-"))


@each_form
@pytest.mark.parametrize("solo", SOLOS)
def test_a_shuffle_permutes_each_line_and_can_be_undone(solo: Party, form: ShuffleForm) -> None:
    trio = Trio(71)
    for lines, length in [(1, 1), (1, 200), (3, 50), (40, 2)]:
        count = lines * length
        x, wide = trio.rng.integers(-(1 << 60), 1 << 60, count), trio.rng.integers(0, 1 << 60, count)
        two = [Words(RING64, (count,)), Words(RING128, (count,))]

        def body(scope: Scope, a: Share, b: Share, count: int = count, lines: int = lines) -> Body[list[Share]]:
            by = draw_shuffle(scope, count, lines)
            there = yield from form(scope, [word_column(a), word_column(b)], by)
            back = yield from form(scope, there, by, back=True)
            return [Share(ring, c.own, c.next) for ring, c in zip((RING64, RING128) * 2, [*there, *back], strict=True)]

        cost = form.cost(two)
        found = run_counted(trio, cost + cost, body, trio.share(RING64, x), trio.share(RING128, wide), solo=solo)
        there, wide_there, back, wide_back = (Trio.open({p: found[p][k] for p in found}) for k in range(4))
        assert np.array_equal(back, x) and np.array_equal(wide_back, wide)
        assert np.array_equal(np.sort(there.reshape(lines, -1)), np.sort(x.reshape(lines, -1)))
        paired = dict(zip(x.tolist(), wide.tolist(), strict=True))
        assert [paired[value] for value in there.tolist()] == wide_there.tolist()
        if length == 200:
            assert not np.array_equal(there, x)


@each_form
@pytest.mark.parametrize("digit_bits", [1, 2, 3])
def test_rows_are_sorted_stably(digit_bits: int, form: ShuffleForm) -> None:
    trio = Trio(72)
    for lines, length, bits in [(1, 1, 4), (1, 2, 1), (1, 100, 1), (1, 90, 5), (4, 25, 6), (30, 3, 7), (1, 64, 8)]:
        keys = trio.rng.integers(0, 1 << bits, lines * length)
        row, wide = np.arange(lines * length), trio.rng.integers(-(1 << 60), 1 << 60, lines * length)
        columns = [Words(ring, (keys.size,)) for ring in (RING64, RING128)]
        cost = sort_rows_cost(bits, keys.size, lines, digit_bits, columns, form)
        found = run_counted(
            trio,
            cost,
            lambda s, k, a, b, lines=lines: sort_rows(s, k, [a, b], lines, digit_bits, form),
            share_planes(trio, keys, bits),
            trio.share(RING64, row),
            trio.share(RING128, wide),
        )
        order = np.argsort(keys.reshape(lines, -1), axis=1, kind="stable") + np.arange(lines)[:, None] * length
        assert np.array_equal(Trio.open({p: found[p][0] for p in found}), row[order.reshape(-1)])
        assert np.array_equal(Trio.open({p: found[p][1] for p in found}), wide[order.reshape(-1)])


def test_a_sort_costs_what_the_menu_says() -> None:
    """32 bits of 100,000 keys: 182 bytes an element and party, where functions.md has 266."""
    cost = sort_rows_cost(32, 100_000, 1, 2, [], TWO_ROUNDS)
    applied = 4 * 17
    assert (cost.total_bytes * 8 / 100_000 - applied) / 3 / 8 < 183
    assert cost.rounds == 2 + 15 * 5 + 3


@each_form
@pytest.mark.parametrize("keys", [[0, 5], [5, 0]])
def test_what_is_opened_is_uniform_given_all_that_a_party_knows(
    keys: list[int], form: ShuffleForm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lines of two rows, two digits of two bits: of either opening, with both permutations known to a party, all eight
    cases come equally often, whatever the order of the keys."""
    trio = Trio(73)
    known: dict[tuple[Party, int], list[tuple[int, ...]]] = {(party, at): [] for party in PARTIES for at in range(2)}
    drawn: dict[Party, list[list[tuple[int, ...]]]] = {}

    def first(order: Places) -> list[int]:
        """Where the first row of each line goes."""
        found: list[int] = (order.reshape(-1, 2)[:, 0] % 2).tolist()
        return found

    def drawing(scope: Scope, count: int, lines: int) -> Shuffle:
        by = draw_shuffle(scope, count, lines)
        # named by the component, as roles rotate
        orders = {scope.component(pair): first(order) for pair, order in by.orders.items()}
        drawn[scope.party].append(list(zip(*(orders[party] for party in sorted(orders)), strict=True)))
        return by

    def noted(scope: Scope, rho: Places | None) -> Places | None:
        if rho is not None:
            orders = drawn[scope.party]
            known[scope.party, len(orders) - 1] += [
                (*two, one) for two, one in zip(orders[-1], first(rho), strict=True)
            ]
        return rho

    def opening(scope: Scope, layout: Fields, places: Share, lines: int) -> Body[Places | None]:
        return noted(scope, (yield from open_shuffled(scope, layout, places, lines)))

    def opening_halves(scope: Scope, layout: Fields, half: Any, lines: int) -> Body[Places | None]:
        return noted(scope, (yield from open_halves(scope, layout, half, lines)))

    for module in (sort, sort_provable, permutation):
        monkeypatch.setattr(module, "draw_shuffle", drawing)
        for name, replaced in (("open_shuffled", opening), ("open_halves", opening_halves)):
            if hasattr(module, name):
                monkeypatch.setattr(module, name, replaced)
    lines = 200
    for _ in range(3):
        drawn.update({party: [] for party in PARTIES})
        trio.run(
            lambda s, k, a: sort_rows(s, k, [a], lines, 2, form),
            share_planes(trio, np.array(keys * lines), 3),
            trio.share(RING64, np.array([1, 2] * lines)),
        )
    for found in known.values():
        seen = Counter(found)
        # one of three parties, in turns, is not told in the form that goes by halves
        assert sum(seen.values()) == (3 if form.provable else 2) * lines
        expected = len(found) / 8
        assert sum((seen[case] - expected) ** 2 / expected for case in product((0, 1), repeat=3)) < 36, seen


@each_form
@pytest.mark.parametrize("value", [0, 255])
def test_messages_do_not_depend_on_the_keys(value: int, form: ShuffleForm) -> None:
    trio = Trio(74)
    keys = np.full(3000, value)
    trio.run(lambda s, k, a: sort_rows(s, k, [a], 1, 2, form), share_planes(trio, keys, 8), trio.share(RING64, keys))
    for party in PARTIES:
        sent = [entry for entry in trio.post.transcripts[party].statements if entry.statement is not Statement.OPEN]
        assert len(sent) > 5
        for entry in sent:
            if entry.to is None:
                continue
            payload = trio.post.boxes[(party, entry.to, entry.instance, entry.step)][0]
            ones = np.unpackbits(payload)
            assert abs(ones.mean() - 0.5) < 6 * 0.5 / ones.size**0.5


def test_places_that_are_no_permutation_are_refused() -> None:
    trio = Trio(75)
    for wrong in ([0, 0, 2], [0, 1, 3]):
        places = trio.share(RING64, wrong)
        with pytest.raises(IntegrityError, match="permutation"):
            trio.run(lambda s, x: open_shuffled(s, Fields(2, 3), Share(RING64, x.own & 3, x.next & 3), 1), places)

        def halves(scope: Scope, wrong: list[int] = wrong) -> Body[Any]:
            parts = {ProtocolRole.A: None, ProtocolRole.B: wrong, ProtocolRole.D: [0, 0, 0]}
            half = parts[scope.role]
            words = None if half is None else RING32.from_ints(half)
            return (yield from open_halves(scope, Fields(2, 3, RING32), words, 1))

        with pytest.raises(IntegrityError, match="permutation"):
            trio.run(halves)


@each_form
@pytest.mark.parametrize("solo", SOLOS)
def test_ranks_are_twice_the_average_ranks(solo: Party, form: ShuffleForm) -> None:
    trio = Trio(72)
    for lines, length, bits in [(1, 1, 2), (1, 64, 3), (1, 200, 5), (3, 50, 1), (40, 2, 4)]:
        count = lines * length
        keys = trio.rng.integers(0, 1 << bits, count)

        def body(scope: Scope, planes: BitShare, lines: int = lines) -> Body[Share]:
            return (yield from sort_ranks(scope, planes, lines, 2, form))

        cost = sort_ranks_cost(bits, count, lines, 2, form)
        found = Trio.open(run_counted(trio, cost, body, share_planes(trio, keys, bits), solo=solo))
        wanted = 2 * rankdata(keys.reshape(lines, length), axis=1)
        assert np.array_equal(found.reshape(lines, length), wanted)


@each_form
@pytest.mark.parametrize("solo", SOLOS)
@pytest.mark.parametrize("ring", [RING64, RING128])
def test_sums_of_all_that_is_not_above(solo: Party, form: ShuffleForm, ring: Ring) -> None:
    trio = Trio(73)
    for columns, length, limits, bits in [(1, 1, 1, 1), (2, 50, 1, 3), (1, 64, 2, 2), (3, 30, 3, 5)]:
        keys = trio.rng.integers(0, 1 << bits, (limits + 1, length))
        rows = trio.rng.integers(-900, 900, (columns, length))

        def body(scope: Scope, planes: BitShare, x: Share) -> Body[Share]:
            return (yield from sums_up_to(scope, planes, x, 2, form))

        layout = Words(ring, (columns, keys.size))
        cost = sums_up_to_cost(bits, keys.size, layout, 2, form)
        shared = share_planes(trio, keys.reshape(-1), bits), trio.share(ring, rows)
        found = Trio.open(run_counted(trio, cost, body, *shared, solo=solo))
        below = keys[0][:, None] <= keys[1:].reshape(-1)[None, :]
        assert np.array_equal(found.astype(np.int64), rows @ below)
