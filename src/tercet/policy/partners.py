"""Which rows of a dataset a person knows something about: those that are joined with rows which they know."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from tercet.plan.rows.places import Ints
from tercet.plan.rows.states import RowNumbers
from tercet.policy.persons import MAX_ROWS
from tercet.policy.request import Stretches, united


def known_beside(known: Mapping[str, Stretches], numbering: Mapping[str, RowNumbers]) -> dict[str, Stretches]:
    """Of each of several datasets, the rows that a person knows, and those of the same people as rows known elsewhere.

    Called once for each output of a plan. A row that is joined with one that the person has brought is marked by it: a
    1 in one of them and zeros elsewhere would make a sum of products that row's number. `numbering` as in
    `plan.rows.track`.
    """
    if len(known) < 2 or not any(known.values()):
        return dict(known)
    numbers: Stretches = ()
    for name, stretches in known.items():
        numbers = united(numbers, _numbers(stretches, numbering.get(name, 0)))
    return {name: _rows(numbers, numbering.get(name, 0)) for name in known}


def _numbers(rows: Stretches, numbering: RowNumbers) -> Stretches:
    if isinstance(numbering, int):
        return tuple((start + numbering, stop + numbering) for start, stop in rows)
    places = [np.arange(start, min(stop, numbering.length), dtype=np.int64) for start, stop in rows]
    return _stretches(np.sort(numbering.at(np.concatenate(places)))) if places else ()


def _rows(numbers: Stretches, numbering: RowNumbers) -> Stretches:
    if isinstance(numbering, int):
        return tuple(_shifted(numbers, numbering))
    mine = numbering.at(np.arange(numbering.length, dtype=np.int64))
    edges = np.array([edge for one in numbers for edge in one], np.int64)
    return _stretches(np.flatnonzero(np.searchsorted(edges, mine, side="right") % 2 == 1))


def _shifted(numbers: Stretches, begins: int) -> Iterable[tuple[int, int]]:
    for start, stop in numbers:
        low, high = max(start - begins, 0), min(stop - begins, MAX_ROWS)
        if low < high:
            yield low, high


def _stretches(ascending: Ints) -> Stretches:
    if not ascending.size:
        return ()
    ends = np.flatnonzero(np.append(np.diff(ascending) != 1, True))
    starts = np.append(0, ends[:-1] + 1)
    return tuple(zip(ascending[starts].tolist(), (ascending[ends] + 1).tolist(), strict=True))
