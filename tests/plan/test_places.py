"""Stretches of rows and classes of places, against lists of them."""

from __future__ import annotations

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from tercet.plan.rows.places import NOWHERE, Partition, RowOrder

MOST = 8


def _run(first: int, step: int, count: int) -> RowOrder:
    return RowOrder(np.array([0, count]), np.array([first]), np.array([step]))


runs = st.builds(_run, st.integers(0, 20), st.sampled_from([1, 1, 1, 2, 0]), st.integers(1, MOST))
backwards = st.builds(_run, st.integers(20, 30), st.sampled_from([-1, -2]), st.integers(1, MOST))
lists = st.lists(st.integers(NOWHERE, 9), min_size=1, max_size=MOST).map(lambda rows: RowOrder.of_rows(np.array(rows)))
orders = st.one_of(st.integers(1, MOST).map(RowOrder.natural), runs, backwards, lists)
labels = st.lists(st.integers(NOWHERE, 3), min_size=1, max_size=MOST)


def rows_of(order: RowOrder) -> list[int]:
    return [int(row) for row in order.at(np.arange(order.length))]


def classes_of(partition: Partition, count: int) -> list[int]:
    return [int(label) for label in partition.at(np.arange(count))]


def renamed(given: list[int]) -> list[int]:
    names: dict[int, int] = {}
    return [NOWHERE if label == NOWHERE else names.setdefault(label, len(names)) for label in given]


@given(orders, orders)
def test_two_orders(a: RowOrder, b: RowOrder) -> None:
    mine, theirs = rows_of(a), rows_of(b)
    assert (a == b) == (mine == theirs)
    assume(len(mine) == len(theirs))
    both = [(x, y) for x, y in zip(mine, theirs, strict=True) if NOWHERE not in (x, y)]
    assert a.agrees(b) == (bool(both), all(x == y for x, y in both))
    together = [y if x == NOWHERE else x for x, y in zip(mine, theirs, strict=True)]
    found = a.union(b)
    if all(x == y for x, y in both) and (mine == theirs or distinct(together)):
        assert found is not None and rows_of(found) == together
    else:
        assert found is None


def distinct(rows: list[int]) -> bool:
    there = [row for row in rows if row != NOWHERE]
    return len(set(there)) == len(there)


@given(orders, labels)
def test_the_classes_of_rows(order: RowOrder, given: list[int]) -> None:
    rows = rows_of(order)
    assert order.is_injective() == distinct(rows) and order.count == sum(row != NOWHERE for row in rows)
    assume(distinct(rows))
    classes = Partition.of_labels(np.array(given[: len(rows)]))
    here = classes_of(classes, len(rows))
    by_row = {row: label for row, label in zip(rows, here, strict=True) if row != NOWHERE}
    wanted = renamed([by_row.get(row, NOWHERE) for row in range(40)])
    assert classes_of(order.image(classes), 40) == wanted


@given(labels, labels)
def test_two_partitions(one: list[int], two: list[int]) -> None:
    a, b = Partition.of_labels(np.array(one)), Partition.of_labels(np.array(two))
    assert classes_of(a, len(one)) == renamed(one)
    sizes = [one.count(label) for label in dict.fromkeys(one) if label != NOWHERE]
    assert a.sizes() == sizes and a.least == min(sizes, default=0)
    x, y = classes_of(a, MOST), classes_of(b, MOST)
    pairs = [NOWHERE if both == (NOWHERE, NOWHERE) else both for both in zip(x, y, strict=True)]
    names = {pair: number for number, pair in enumerate(dict.fromkeys(p for p in pairs if p != NOWHERE))}
    assert classes_of(a.refine(b), MOST) == [names.get(pair, NOWHERE) for pair in pairs]
    assert (a == b) == (renamed(x) == renamed(y))
