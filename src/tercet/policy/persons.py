"""Which rows of datasets belong to one person, by equal public keys, and which a person knows something about."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from enum import Enum
from typing import Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tercet.plan.rows.places import Ints, RowOrder
from tercet.plan.rows.states import RowNumbers
from tercet.store.keys import KeyValues, Texts, as_arrow

MAX_NUMBERED = 1 << 21
"""Rows of all datasets of a job whose keys are compared; with more, none of them belong together."""
MAX_ROWS = 1 << 44
"""More rows than a dataset has: those of different kinds have numbers in stretches of their own, so that none are one
person's."""


Stretches: TypeAlias = tuple[tuple[int, int], ...]
"""Ranges of rows (from, to), in order, none touching the next."""


class Apart(Enum):
    """The type of APART, which has this value only."""

    APART = "apart"


APART: Final = Apart.APART
"""Instead of keys that are not compared: no row of the dataset belongs to a person with rows in another dataset."""
DatasetLayout: TypeAlias = tuple[str, str]
"""A dataset, and the name of the numbering of its rows."""
KeysOf: TypeAlias = Callable[[str, str, frozenset[int]], KeyValues | Literal[Apart.APART] | None]
"""The public keys of a dataset's rows in a layout, which one of these versions has; None if it has none."""


def no_keys(dataset: str, layout: str, versions: frozenset[int]) -> None:
    """Where datasets have no keys."""


class Persons:
    """Which rows of the datasets of one request belong to one person; what was found is remembered.

    For two datasets the answer is always the same, whoever asks and whatever else is read: rows of equal keys if both
    have keys, of equal positions if neither has, and otherwise none. Where keys cannot be compared there are fewer
    pairs, never other ones: two pairings of the same rows would differ by numbers about a few of them.
    """

    def __init__(self, keys: KeysOf = no_keys) -> None:
        self._keys = keys
        self._known: dict[frozenset[DatasetLayout], dict[DatasetLayout, RowNumbers]] = {}

    def numbering(self, versions: Mapping[DatasetLayout, Collection[int]]) -> dict[DatasetLayout, RowNumbers]:
        """The numbers of the rows of these layouts of datasets, each of which some versions have; see `numbered`.

        Keys are asked for where there are two layouts or more: rows of one alone never meet others.
        """
        layouts = frozenset(versions)
        if len(layouts) < 2:
            return {}
        if layouts not in self._known:
            self._known[layouts] = self._numbered(versions)
        return self._known[layouts]

    def _numbered(self, versions: Mapping[DatasetLayout, Collection[int]]) -> dict[DatasetLayout, RowNumbers]:
        found: dict[DatasetLayout, KeyValues] = {}
        apart: list[DatasetLayout] = []
        positions = False
        for dataset, layout in sorted(versions):
            values = self._keys(dataset, layout, frozenset(versions[dataset, layout]))
            if values is APART or sum(map(len, found.values())) > MAX_NUMBERED:
                apart.append((dataset, layout))
            elif values is None:
                positions = True
            else:
                found[dataset, layout] = values
        if sum(map(len, found.values())) > MAX_NUMBERED:
            apart, found = [*apart, *found], {}
        return numbered(found, apart=apart, positions=positions)


def numbered(
    keys: Mapping[DatasetLayout, KeyValues], *, apart: Sequence[DatasetLayout] = (), positions: bool = False
) -> dict[DatasetLayout, RowNumbers]:
    """A number for every row of every dataset: rows of equal keys have one, and no two of a dataset.

    Called by policies, once for each decision in which rows of several datasets may meet. Only datasets whose rows get
    other numbers than their positions are named. Keys of integers and of text are never equal. Rows of a dataset in
    which a key appears twice are paired with none: its keys do not say which row is meant. `apart` are other datasets
    whose rows are paired with none; `positions`: whether there are datasets without keys. Numbers begin with the rows
    that most datasets have, so that what is joined lies in few stretches.
    """
    kinds: list[Mapping[DatasetLayout, RowNumbers]] = []
    for texts in (True, False):
        kind = {name: values for name, values in keys.items() if isinstance(values, Texts) is texts}
        codes = dict(zip(kind, _codes(list(kind.values())), strict=True))
        unique = {name: one for name, one in codes.items() if len(np.unique(one)) == len(one)}
        kinds.append(_numbers(unique))
        kinds += [{name: 0} for name in codes.keys() - unique.keys()]
    kinds += [{name: 0} for name in apart]
    found: dict[DatasetLayout, RowNumbers] = {}
    begins = MAX_ROWS if positions else 0
    for each in filter(None, kinds):
        found |= {name: _from(begins, order) for name, order in each.items()}
        begins += MAX_ROWS
    return {name: order for name, order in found.items() if order != 0}


def kind_of(numbers: RowNumbers) -> int:
    """Rows of datasets of different kinds are never one person's."""
    first = numbers if isinstance(numbers, int) else int(numbers.first.max(initial=0))
    return first // MAX_ROWS


def _from(begins: int, order: RowNumbers) -> RowNumbers:
    """Numbers from there on; 0 for those that are the rows' positions."""
    if isinstance(order, int):
        return order + begins
    return order.shifted(begins) if begins or order != RowOrder.natural(order.length) else 0


def _codes(keys: Sequence[KeyValues]) -> list[NDArray[np.int64]]:
    """Equal keys as equal integers from 0."""
    if not keys:
        return []
    # only here: a node that joins nothing starts sooner
    import pyarrow as pa

    found = pa.concat_arrays([as_arrow(values) for values in keys]).dictionary_encode().indices
    codes: NDArray[np.int64] = found.to_numpy(zero_copy_only=False).astype(np.int64)
    return np.split(codes, np.cumsum([len(values) for values in keys])[:-1])


def _numbers(codes: Mapping[DatasetLayout, NDArray[np.int64]]) -> dict[DatasetLayout, RowNumbers]:
    if len(codes) < 2:
        return dict.fromkeys(codes, 0)
    many = 1 + max(int(one.max(initial=-1)) for one in codes.values())
    count, place, at = np.zeros(many, np.int64), np.zeros(many, np.int64), 0
    for one in codes.values():
        fresh = one[count[one] == 0]
        place[fresh] = at + np.arange(len(fresh))
        at += len(fresh)
        count[one] += 1
    number = np.empty(many, np.int64)
    number[np.lexsort((place, -count))] = np.arange(many)
    return {name: RowOrder.of_rows(number[one]) for name, one in codes.items()}


def united(one: Stretches, other: Stretches) -> Stretches:
    """Rows that are in either."""
    found: list[tuple[int, int]] = []
    for start, stop in sorted((*one, *other)):
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(stop, found[-1][1])
        else:
            found.append((start, stop))
    return tuple(found)


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
        numbers = united(numbers, _numbers_of(stretches, numbering.get(name, 0)))
    return {name: _rows_of(numbers, numbering.get(name, 0)) for name in known}


def _numbers_of(rows: Stretches, numbering: RowNumbers) -> Stretches:
    if isinstance(numbering, int):
        return tuple((start + numbering, stop + numbering) for start, stop in rows)
    places = [np.arange(start, min(stop, numbering.length), dtype=np.int64) for start, stop in rows]
    return _stretches(np.sort(numbering.at(np.concatenate(places)))) if places else ()


def _rows_of(numbers: Stretches, numbering: RowNumbers) -> Stretches:
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
