"""The places of a digit from dealt one-hot vectors: exact, at the declared cost, and what each party sees."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from protocol_checks import SOLOS
from tercet.protocols import digits
from tercet.protocols.cost import Depths
from tercet.protocols.digits import digit_places, digit_places_bytes, note_digit_places
from tercet.protocols.scope import Body, ProtocolRole, Scope
from tercet.ring import RING32, digits_join, digits_table, unpack_fields
from tercet.sharing import Party
from trio import Trio

Array = np.ndarray[Any, Any]


def run(trio: Trio, keys: Array, width: int, w: int, lines: int, solo: Party | None = None) -> Array:
    """The places within lines that the halves add up to."""
    r = trio.rng.integers(0, 1 << width, keys.size).astype(np.uint32)

    def body(scope: Scope) -> Body[Any]:
        part = r if scope.role is ProtocolRole.D else keys.astype(np.uint32) ^ r
        return (yield from digit_places(scope, width, w, part, lines))

    found = [half for half in trio.run(body, solo=solo).values() if half is not None]
    assert len(found) == 2
    return (found[0].astype(np.int64) + found[1]) % (1 << w)


@pytest.mark.parametrize("solo", SOLOS)
@pytest.mark.parametrize("width", [1, 2, 3])
def test_places_are_those_of_a_stable_sort_and_cost_what_is_declared(width: int, solo: Party) -> None:
    trio = Trio(81)
    for lines, length, w in [(1, 2, 2), (1, 700, 10), (5, 77, 9), (300, 2, 2), (2, 1000, 29)]:
        keys = trio.rng.integers(0, 1 << width, lines * length)
        places = run(trio, keys, width, w, lines, solo)
        order = np.argsort(keys.reshape(lines, -1), axis=1, kind="stable")
        assert np.array_equal(np.argsort(places.reshape(lines, -1), axis=1), order)
        assert np.array_equal(np.sort(places.reshape(lines, -1)), np.tile(np.arange(length), (lines, 1)))
        depths = Depths()
        note_digit_places(depths, "d", "a", "b")
        assert (trio.rounds, trio.total_bytes) == (depths.rounds, digit_places_bytes(width, w, keys.size))


@pytest.mark.parametrize("keys", [[0, 1], [1, 0], [1, 1]])
def test_all_that_a_party_sees_is_uniform(keys: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines of two elements, residues of two bits: what A and B draw and receive of each line, 16 bits with the
    draws, takes every value as often, whatever the digits are. D receives nothing."""
    seen: dict[bool, list[Array]] = {}
    holders: list[bool] = []

    def table(width: int, w: int, turns: Array, lines: int, entries: Array, mask: Array, *, one: bool) -> Any:
        seen[one] = [entries, mask]
        holders.append(one)
        return digits_table(width, w, turns, lines, entries, mask, one=one)

    def join(width: int, w: int, entries: Array, theirs: Array, rest: Array, kept: Array) -> None:
        one = next(each for each in seen if seen[each][0] is entries)
        seen[one] += [theirs.copy(), rest.copy()]
        digits_join(width, w, entries, theirs, rest, kept)

    monkeypatch.setattr(digits, "digits_table", table)
    monkeypatch.setattr(digits, "digits_join", join)
    trio, lines = Trio(82), 400_000
    run(trio, np.tile(keys, lines), 1, 2, lines)
    assert sorted(holders) == [False, True]
    for parts in seen.values():
        fields = [unpack_fields(part, 2, 2 * lines, RING32).reshape(lines, 2) for part in parts]
        cells = np.zeros(lines, np.int64)
        for column in np.concatenate(fields, axis=1).T:
            cells = cells * 4 + column
        counts = np.bincount(cells, minlength=1 << 16)
        expected, free = lines / (1 << 16), (1 << 16) - 1
        assert abs(((counts - expected) ** 2 / expected).sum() - free) < 6 * (2 * free) ** 0.5
    assert sum(len(views) == 0 for views in trio.post.views.values()) == 1
