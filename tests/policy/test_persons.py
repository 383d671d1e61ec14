"""Rows of equal public keys have one number, whatever their order, kind and number."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tercet.plan.rows.places import RowOrder
from tercet.plan.rows.states import RowNumbers
from tercet.policy import persons
from tercet.policy.persons import APART, MAX_ROWS, Persons, numbered
from tercet.store.keys import KeyValues
from three_stores import texts as texts_of

A, B, C, D = (("a", "1"), ("b", "1"), ("c", "1"), ("d", "1"))
keys = st.lists(st.integers(-3, 12), unique=True, max_size=9)


def at(order: RowNumbers | None, count: int) -> list[int]:
    if isinstance(order, int):
        return [order + row for row in range(count)]
    return [int(row) for row in (order or RowOrder.natural(count)).at(np.arange(count))] if count else []


@given(keys, keys, keys, st.booleans())
def test_one_number_for_one_key(a: list[int], b: list[int], c: list[int], texts: bool) -> None:
    given = {name: values for name, values in ((A, a), (B, b), (C, c))}
    made: dict[tuple[str, str], KeyValues] = {
        name: texts_of([f"p{value}ä" for value in values]) if texts else np.array(values, np.int64)
        for name, values in given.items()
    }
    found = numbered(made)
    number: dict[int, int] = {}
    for name, values in given.items():
        for value, row in zip(values, at(found.get(name), len(values)), strict=True):
            assert number.setdefault(value, row) == row
    assert len(set(number.values())) == len(number)


def test_what_says_nothing_stays_as_it_is() -> None:
    here = np.arange(5)
    assert numbered({A: here}) == {} and numbered({A: here, B: here.copy()}) == {}
    assert numbered({A: here, B: here[::-1].copy()}).keys() == {B}
    # rows that both have come first
    found = numbered({A: np.array([7, 1, 2, 9]), B: np.array([9, 5, 1])})
    assert at(found.get(A), 4) == [2, 0, 3, 1] and at(found.get(B), 3) == [1, 4, 0]


def test_rows_that_are_told_apart_otherwise_never_meet() -> None:
    """By keys of text, by those of integers, by positions, or not at all: no two of these have a number in common."""
    here, there, texts = np.arange(5), np.arange(5)[::-1].copy(), texts_of(["4", "1"])
    twice = np.array([4, 4, 1])
    for keys, more in (
        # a key that stands twice names no one row; integers and texts are never equal
        ({A: here, B: twice}, {}),
        ({A: here, B: texts}, {}),
        ({A: here, C: there, B: texts}, {}),
        ({A: here, C: there}, {"positions": True}),
        ({A: here, C: there}, {"apart": [B, D]}),
        ({A: here, B: texts_of(["4", "4"]), C: there}, {"apart": [D], "positions": True}),
        ({}, {"apart": [A, B]}),
    ):
        found = numbered(keys, **more)  # type: ignore[arg-type]
        named = {*keys, *more.get("apart", ())}  # type: ignore[attr-defined]
        kinds: dict[int, set[str]] = {}
        for name in named:
            numbers = found.get(name, 0)
            first = numbers if isinstance(numbers, int) else at(numbers, numbers.length)[0]
            kinds.setdefault(first // MAX_ROWS, set()).add(name[0])
        if more.get("positions"):  # type: ignore[attr-defined]
            kinds.setdefault(0, set()).add("positions")
        expected = {"a", "c"} & {name for name, _ in keys}
        assert all(len(kind) == 1 or kind == expected or "positions" in kind for kind in kinds.values()), kinds
        assert not any("positions" in kind and kind & {"a", "c", "d"} for kind in kinds.values()), kinds
        # what a third dataset brings changes no pair of these
        if expected == {"a", "c"}:
            one, other = at(found.get(A), 5), at(found.get(C), 5)
            assert one == other[::-1]


def test_keys_are_asked_for_where_rows_may_meet_only(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, frozenset[int]]] = []

    def known(dataset: str, layout: str, versions: frozenset[int]) -> Any:
        asked.append((dataset, versions))
        return APART if dataset == "c" else np.arange(4)[:: 1 if dataset == "a" else -1]

    found = Persons(known)
    assert found.numbering({A: {1}}) == {} and asked == []
    assert found.numbering({A: {1}, B: {2, 3}, C: {1}}).keys() == {B, C}
    assert asked == [("a", {1}), ("b", {2, 3}), ("c", {1})]
    found.numbering({A: {1}, B: {2, 3}, C: {1}})
    assert len(asked) == 3
    monkeypatch.setattr(persons, "MAX_NUMBERED", 7)
    # too many to compare: none is anybody's in the other
    assert sorted(Persons(known).numbering({A: {1}, B: {1}}).values()) == [MAX_ROWS]
