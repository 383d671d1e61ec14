"""Secret permutations: drawn, applied either way, undone and composed, in both forms of the shuffle."""

from __future__ import annotations

from collections import Counter
from itertools import permutations

import numpy as np
import pytest

from protocol_checks import SOLOS, run_counted
from tercet.protocols.cost import Cost, Depths
from tercet.protocols.message import Words
from tercet.protocols.permutation import (
    compose_orders,
    invert_order,
    move_by,
    move_cost,
    order_column,
    order_share,
    random_order,
)
from tercet.protocols.scope import Body, Scope
from tercet.protocols.shuffle import FORMS, Movable, ShuffleForm, draw_shuffle, place_layout, word_column
from tercet.ring import RING64, RING128
from tercet.sharing import PARTIES, Party, Share
from trio import Trio

each_form = pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name.replace(" ", "-"))


def plain(columns: dict[Party, Movable], length: int) -> np.ndarray:
    """The places that residues add up to; both holders have the same."""
    shares = {party: order_share(column) for party, column in columns.items()}
    return np.asarray(Trio.open(shares)) % (1 << length.bit_length())


def shared_order(trio: Trio, places: np.ndarray) -> dict[Party, Share]:
    """Places as a plan holds a permutation: words whose low bits count."""
    return trio.share(RING64, places)


@each_form
@pytest.mark.parametrize("solo", SOLOS)
@pytest.mark.parametrize(("lines", "length"), [(1, 1), (1, 7), (3, 5), (2, 300)])
def test_columns_are_moved_there_and_back(solo: Party, form: ShuffleForm, lines: int, length: int) -> None:
    trio = Trio(91)
    count = lines * length
    places = np.stack([trio.rng.permutation(length) for _ in range(lines)])
    flat = (places + np.arange(lines)[:, None] * length).reshape(-1)
    x, wide = trio.rng.integers(-(1 << 60), 1 << 60, (2, count)), trio.rng.integers(0, 1 << 60, count)
    layout, columns = place_layout(length, lines), [Words(RING64, (2, count)), Words(RING128, (count,))]
    for back in (False, True):

        def body(scope: Scope, order: Share, a: Share, b: Share, back: bool = back) -> Body[list[Share]]:
            moved = yield from move_by(
                scope, order_column(order, lines), [word_column(a), word_column(b)], lines, form, back=back
            )
            return [column.share for column in moved]

        depths = Depths()
        total = move_cost(depths, layout, columns, form, back=back)
        cost = Cost(depths.rounds, total)
        given = shared_order(trio, places.reshape(-1)), trio.share(RING64, x), trio.share(RING128, wide)
        found = run_counted(trio, cost, body, *given, solo=solo)
        for which, values in enumerate((x, wide)):
            expected = np.empty_like(values)
            expected[..., flat] = values
            opened = Trio.open({party: found[party][which] for party in PARTIES})
            assert np.array_equal(opened, values[..., flat] if back else expected)


@each_form
def test_permutations_are_undone_and_composed(form: ShuffleForm) -> None:
    trio = Trio(92)
    for lines, length in [(1, 6), (4, 9), (1, 1000)]:
        one, two = (np.stack([trio.rng.permutation(length) for _ in range(lines)]) for _ in "ab")
        layout = place_layout(length, lines)
        depths = Depths()
        cost = Cost(total_bytes=move_cost(depths, layout, [layout], form), rounds=depths.rounds)
        undone = run_counted(
            trio,
            cost,
            lambda s, x, lines=lines: invert_order(s, order_column(x, lines), lines, form),
            shared_order(trio, one.reshape(-1)),
        )
        assert np.array_equal(plain(undone, length).reshape(lines, length), np.argsort(one, axis=1))
        depths = Depths()
        cost = Cost(total_bytes=move_cost(depths, layout, [layout], form, back=True), rounds=depths.rounds)
        both = run_counted(
            trio,
            cost,
            lambda s, x, y, lines=lines: compose_orders(s, order_column(x, lines), order_column(y, lines), lines, form),
            shared_order(trio, one.reshape(-1)),
            shared_order(trio, two.reshape(-1)),
        )
        expected = np.take_along_axis(two, one, axis=1)
        assert np.array_equal(plain(both, length).reshape(lines, length), expected)


@each_form
def test_a_drawn_permutation_is_uniform_and_its_cost_that_of_a_shuffle(form: ShuffleForm) -> None:
    trio = Trio(93)
    lines = 3000
    cost = form.cost([place_layout(3, lines)])
    found = run_counted(trio, cost, lambda s: random_order(s, 3 * lines, lines, form))
    seen = Counter(map(tuple, plain(found, 3).reshape(lines, 3).tolist()))
    assert set(seen) == set(permutations(range(3)))
    assert sum((count - lines / 6) ** 2 / (lines / 6) for count in seen.values()) < 30


@each_form
def test_no_party_can_tell_where_elements_went(form: ShuffleForm) -> None:
    """Of 4000 lines of two: the places are independent of each permutation that a party knows."""
    trio = Trio(94)
    lines = 4000

    def body(scope: Scope) -> Body[tuple[Movable, dict[int, np.ndarray]]]:
        by = draw_shuffle(scope, 2 * lines, lines)
        one = RING64.from_ints(np.tile([0, 1], lines))
        own = one if scope.party is Party.P1 else RING64.zeros((2 * lines,))
        following = one if scope.party.next is Party.P1 else RING64.zeros((2 * lines,))
        (moved,) = yield from form(scope, [word_column(Share(RING64, own, following))], by)
        orders = {int(scope.component(pair)): order.reshape(lines, 2)[:, 0] % 2 for pair, order in by.orders.items()}
        return moved, orders

    found = trio.run(body)
    turned = np.asarray(Trio.open({p: found[p][0].share for p in PARTIES})).reshape(lines, 2)[:, 0]
    for party in PARTIES:
        orders = found[party][1]
        assert len(orders) == 2
        known = sum(order << at for at, (_, order) in enumerate(sorted(orders.items())))
        seen = Counter(zip(known.tolist(), turned.tolist(), strict=True))
        assert len(seen) == 8
        assert sum((count - lines / 8) ** 2 / (lines / 8) for count in seen.values()) < 36
