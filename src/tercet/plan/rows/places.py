"""Which row is at which place of an axis (RowOrder), and which places are alike (Partition), written as stretches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

MAX_PIECES = 1 << 22
"""At most so many rows or places are listed one by one where they lie in no stretches; of more, nothing is claimed."""
NOWHERE = -1
_MAX_LOOPED = 256
_MAX_LENGTH = 64
"""Stretches that are shorter than this are listed place by place, which is faster than to look for edges in each."""

Ints: TypeAlias = NDArray[np.int64]


class TooManyPieces(Exception):
    """More rows or places than MAX_PIECES would have to be listed; callers then claim nothing."""


def _ints(values: Any) -> Ints:
    return np.asarray(values, dtype=np.int64)


def _listed(count: int) -> Ints:
    if count > MAX_PIECES:
        raise TooManyPieces
    return np.arange(count, dtype=np.int64)


class Partition:
    """Disjoint classes of the places 0, 1, 2, ...: a label for each stretch of places, or NOWHERE."""

    __slots__ = ("edges", "labels")

    def __init__(self, edges: Ints, labels: Ints) -> None:
        """Stretch i reaches from edges[i] to edges[i + 1]; merged and named in order of appearance here."""
        if len(labels) == 1 and edges[0] == 0 < edges[1] and labels[0] != NOWHERE:
            # by far the most frequent: one class of all places
            self.edges, self.labels = edges, np.zeros(1, np.int64)
            return
        if edges[0] > 0:
            edges, labels = np.append(0, edges), np.append(NOWHERE, labels)
        full = edges[1:] > edges[:-1]
        edges, labels = np.append(edges[:-1][full], edges[-1:]), labels[full]
        if labels.size:
            first = np.append(True, labels[1:] != labels[:-1])
            edges, labels = np.append(edges[:-1][first], edges[-1]), labels[first]
            inside = labels != NOWHERE
            if not inside[-1]:
                edges, labels, inside = edges[:-1], labels[:-1], inside[:-1]
            if inside.any():
                names, appears, which = np.unique(labels[inside], return_index=True, return_inverse=True)
                rank = np.empty(len(names), np.int64)
                rank[np.argsort(appears)] = np.arange(len(names))
                labels = labels.copy()
                labels[inside] = rank[which]
            else:
                edges, labels = edges[:0], labels[:0]
        self.edges = edges if labels.size else _ints([0])
        self.labels = labels

    @classmethod
    def whole(cls, count: int) -> Partition:
        """One class of `count` places."""
        return cls(_ints([0, count]), _ints([0]))

    @classmethod
    def of_labels(cls, labels: NDArray[Any]) -> Partition:
        """From the label of every place. Raises TooManyPieces."""
        labels = _ints(labels)
        if not labels.size:
            return cls.whole(0)
        starts = np.flatnonzero(np.append(True, labels[1:] != labels[:-1]))
        if len(starts) > MAX_PIECES:
            raise TooManyPieces
        return cls(np.append(starts, len(labels)), labels[starts])

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Partition)
            and np.array_equal(self.edges, other.edges)
            and np.array_equal(self.labels, other.labels)
        )

    def __hash__(self) -> int:
        return hash((self.edges.tobytes(), self.labels.tobytes()))

    def __repr__(self) -> str:
        return f"Partition(classes of {', '.join(map(str, self.sizes()[:8]))})"

    def sizes(self) -> list[int]:
        """How many places each class has."""
        if len(self.labels) == 1:
            return [int(self.edges[1])]
        lengths = np.diff(self.edges)
        inside = self.labels != NOWHERE
        count = int(self.labels.max()) + 1 if self.labels.size else 0
        sizes = np.zeros(count, np.int64)
        np.add.at(sizes, self.labels[inside], lengths[inside])
        return [int(size) for size in sizes]

    @property
    def least(self) -> int:
        """The size of the smallest class; 0 if there is none."""
        return min(self.sizes(), default=0)

    def at(self, places: Ints) -> Ints:
        """The labels of these places."""
        if not self.labels.size:
            return np.full(places.shape, NOWHERE, np.int64)
        where = np.searchsorted(self.edges, places, side="right") - 1
        inside = (where >= 0) & (where < len(self.labels))
        return np.where(inside, self.labels[np.clip(where, 0, len(self.labels) - 1)], NOWHERE)

    def refine(self, other: Partition) -> Partition:
        """Classes of places that neither partition tells apart; a place is in one if it was in either."""
        if self is other or self == other:
            return self
        edges = np.union1d(self.edges, other.edges)
        if len(edges) > MAX_PIECES:
            raise TooManyPieces
        mine, theirs = self.at(edges[:-1]), other.at(edges[:-1])
        width = int(theirs.max(initial=0)) + 2
        labels = (mine + 1) * width + theirs + 1
        labels[(mine == NOWHERE) & (theirs == NOWHERE)] = NOWHERE
        return Partition(edges, labels)

    def shifted(self, by: int) -> Partition:
        """The same of places of other numbers: each and `by`, without those below 0."""
        return Partition(np.maximum(self.edges + by, 0), self.labels)

    def slice(self, start: int, count: int, step: int) -> Partition:
        """The partition of every step-th place. Raises TooManyPieces."""
        which, edges, _ = _stretches(self.edges, start, count, step)
        return Partition(edges, self.labels[which])

    def take(self, places: Ints) -> Partition:
        """The partition of these places."""
        return Partition.of_labels(self.at(places))

    @staticmethod
    def joined(parts: Sequence[Partition], lengths: Sequence[int]) -> Partition:
        """Partitions one behind the other; their classes stay apart."""
        edges, labels = [_ints([0])], []
        offset = names = 0
        for part, length in zip(parts, lengths, strict=True):
            edges.append(part.edges[1:] + offset)
            labels.append(np.where(part.labels == NOWHERE, NOWHERE, part.labels + names))
            if part.edges[-1] < length:
                edges.append(_ints([offset + length]))
                labels.append(_ints([NOWHERE]))
            offset, names = offset + length, names + int(part.labels.max(initial=-1)) + 1
        return Partition(np.concatenate(edges), np.concatenate(labels) if labels else _ints([]))


class RowOrder:
    """Which row stands at each place of an axis: `first`, `first + step`, ... along a stretch, or NOWHERE."""

    __slots__ = ("edges", "first", "step")

    def __init__(self, edges: Ints, first: Ints, step: Ints) -> None:
        full = edges[1:] > edges[:-1]
        if full.all():
            self.edges, self.first, self.step = edges, first, np.where(first == NOWHERE, 0, step)
            return
        self.edges = np.append(edges[:-1][full], edges[-1:])
        self.first, self.step = first[full], np.where(first == NOWHERE, 0, step)[full]

    @classmethod
    def natural(cls, count: int) -> RowOrder:
        """Rows 0, 1, 2, ..."""
        return cls(_ints([0, count]), _ints([0]), _ints([1]))

    @classmethod
    def nowhere(cls, count: int) -> RowOrder:
        """Places of no row."""
        return cls(_ints([0, count]), _ints([NOWHERE]), _ints([0]))

    @classmethod
    def of_rows(cls, rows: Ints) -> RowOrder:
        """From the row at every place. Raises TooManyPieces."""
        if not rows.size:
            return cls.nowhere(0)
        nowhere = rows == NOWHERE
        goes_on = np.where(nowhere[:-1], nowhere[1:], ~nowhere[1:] & (rows[1:] == rows[:-1] + 1))
        starts = np.flatnonzero(np.append(True, ~goes_on))
        if len(starts) > MAX_PIECES:
            raise TooManyPieces
        return cls(np.append(starts, len(rows)), rows[starts], np.ones(len(starts), np.int64))

    @property
    def length(self) -> int:
        return int(self.edges[-1]) if self.first.size else 0

    @property
    def count(self) -> int:
        """How many places have a row."""
        return int(np.diff(self.edges)[self.first != NOWHERE].sum()) if self.first.size else 0

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RowOrder) or self.length != other.length:
            return False
        return bool(self._met(other)[1].all())

    def __hash__(self) -> int:
        return hash((self.length, self.count))

    def __repr__(self) -> str:
        return f"RowOrder({self.count} rows at {self.length} places)"

    def at(self, places: Ints) -> Ints:
        """The rows at these places."""
        where = np.searchsorted(self.edges, places, side="right") - 1
        return _ints(self.first[where] + self.step[where] * (places - self.edges[where]))

    def _met(self, other: RowOrder) -> tuple[Ints, NDArray[np.bool_]]:
        """Common stretches, and along which of them both have the same rows."""
        if len(self.first) == len(other.first) == 1 and np.array_equal(self.edges, other.edges):
            same = self.first == other.first
            return self.edges, same & ((self.step == other.step) | (np.diff(self.edges) == 1))
        edges = np.union1d(self.edges, other.edges)
        starts, last = edges[:-1], edges[1:] - 1
        same = (self.at(starts) == other.at(starts)) & (self.at(last) == other.at(last))
        return edges, same

    def agrees(self, other: RowOrder) -> tuple[bool, bool]:
        """Whether some place has a row in both, and whether no such place has different ones."""
        edges, same = self._met(other)
        both = (self.at(edges[:-1]) != NOWHERE) & (other.at(edges[:-1]) != NOWHERE)
        return bool(both.any()), bool(same[both].all())

    def union(self, other: RowOrder) -> RowOrder | None:
        """Each place's row in one or the other; None if they differ, or a row would stand at two places."""
        if self is other:
            return self
        edges, same = self._met(other)
        if same.all():
            return self
        starts, last = edges[:-1], edges[1:] - 1
        mine, theirs = self.at(starts), other.at(starts)
        if not (same | (mine == NOWHERE) | (theirs == NOWHERE)).all():
            return None
        first = np.where(mine == NOWHERE, theirs, mine)
        end = np.where(mine == NOWHERE, other.at(last), self.at(last))
        step = np.where(last > starts, (end - first) // np.maximum(last - starts, 1), 1)
        result = RowOrder(edges, first, step)
        return result if result.is_injective() else None

    def slice(self, start: int, count: int, step: int) -> RowOrder:
        """The rows at every step-th place. Raises TooManyPieces."""
        which, edges, skipped = _stretches(self.edges, start, count, step)
        first = np.where(self.first[which] == NOWHERE, NOWHERE, self.first[which] + self.step[which] * skipped)
        return RowOrder(edges, first, self.step[which] * step)

    def take(self, places: Ints) -> RowOrder:
        """The rows at these places."""
        return RowOrder.of_rows(self.at(places)) if places.size else RowOrder.nowhere(0)

    def shifted(self, by: int) -> RowOrder:
        """The same with rows of other numbers: each and `by`, NOWHERE where that is none."""
        first = np.where((self.first == NOWHERE) | (self.first < -by), NOWHERE, self.first + by)
        return RowOrder(self.edges, first, self.step)

    def through(self, numbers: Ints, start: int = 0) -> RowOrder:
        """Row `start` + r by the number that stands at r in `numbers`; NOWHERE beyond them. Raises TooManyPieces."""
        if not self.length:
            return self
        rows = self.at(_listed(self.length)) - start
        known = (rows >= 0) & (rows < len(numbers))
        return RowOrder.of_rows(
            np.where(known, numbers[np.where(known, rows, 0)] if len(numbers) else NOWHERE, NOWHERE)
        )

    def without(self, places: Partition, label: int) -> RowOrder:
        """The same, but no row at the places of one class."""
        edges = np.union1d(self.edges, places.edges[places.edges <= self.length])
        gone = places.at(edges[:-1]) == label
        where = np.searchsorted(self.edges, edges[:-1], side="right") - 1
        return RowOrder(edges, np.where(gone, NOWHERE, self.at(edges[:-1])), self.step[where])

    @staticmethod
    def joined(parts: Sequence[RowOrder]) -> RowOrder:
        """Orders one behind the other."""
        edges = [_ints([0])]
        for part in parts:
            if part.length:
                edges.append(part.edges[1:] + edges[-1][-1])
        full = [part for part in parts if part.length]
        if not full:
            return RowOrder.nowhere(0)
        first, step = ([part.first for part in full], [part.step for part in full])
        return RowOrder(np.concatenate(edges), np.concatenate(first), np.concatenate(step))

    def _runs(self, classes: Partition) -> tuple[Ints, Ints, Ints]:
        """Stretches of rows (from, to) with the label that their places have; what is no run is listed."""
        edges = np.union1d(self.edges, classes.edges[classes.edges <= self.length])
        starts, lengths = edges[:-1], np.diff(edges)
        labels, first = classes.at(starts), self.at(starts)
        step = self.step[np.searchsorted(self.edges, starts, side="right") - 1]
        keep = first != NOWHERE
        labels, first, step, lengths = labels[keep], first[keep], step[keep], lengths[keep]
        near = (np.abs(step) == 1) | (lengths == 1)
        low = np.where(step < 0, first + step * (lengths - 1), first)
        if near.all():
            return low, low + lengths, labels
        far = ~near
        _listed(int(lengths[far].sum()))
        each = np.repeat(np.arange(len(first))[far], lengths[far])
        begins = np.repeat(np.cumsum(lengths[far]) - lengths[far], lengths[far])
        rows = first[each] + step[each] * (np.arange(len(each)) - begins)
        return (
            np.concatenate([low[near], rows]),
            np.concatenate([(low + lengths)[near], rows + 1]),
            np.concatenate([labels[near], labels[each]]),
        )

    def image(self, classes: Partition) -> Partition:
        """The classes of the rows, from those of their places. Raises TooManyPieces."""
        if len(self.first) == 1 and self.first[0] == 0 and self.step[0] == 1 and classes.edges[-1] <= self.length:
            return classes
        low, high, labels = self._runs(classes)
        by_row = np.argsort(low, kind="stable")
        low, high, labels = low[by_row], high[by_row], labels[by_row]
        edges = np.stack([low, high], axis=1).reshape(-1)
        gaps = np.full(len(labels), NOWHERE, np.int64)
        return Partition(
            np.concatenate([_ints([0]), edges]) if edges.size else _ints([0]), np.stack([gaps, labels], 1).reshape(-1)
        )

    def is_injective(self) -> bool:
        """Whether no row stands at two places. Raises TooManyPieces."""
        if len(self.first) == 1 and self.step[0]:
            return True
        low, high, _ = self._runs(Partition.whole(self.length))
        by_row = np.argsort(low, kind="stable")
        return bool((low[by_row][1:] >= high[by_row][:-1]).all())

    def pull(self, classes: Partition) -> Partition:
        """The places apart by the class of their row; those of no row are a class of their own."""
        if len(self.first) > _MAX_LOOPED or self.length <= _MAX_LENGTH * len(self.first):
            return Partition.of_labels(self._labels(classes, _listed(self.length)))
        cuts = [self.edges]
        for k in np.flatnonzero(self.first != NOWHERE):
            begin, end, first, step = (int(v) for v in (self.edges[k], self.edges[k + 1], self.first[k], self.step[k]))
            low, high = sorted((first, first + step * (end - begin - 1)))
            inner = classes.edges[(classes.edges > low) & (classes.edges <= high)]
            # the first place whose row is on the other side of an edge
            offsets = -(-(inner - first) // step) if step > 0 else (first - inner) // -step + 1
            cuts.append(begin + offsets)
        edges = np.unique(np.concatenate(cuts))
        return Partition(edges, self._labels(classes, edges[:-1]))

    def _labels(self, classes: Partition, places: Ints) -> Ints:
        rows = self.at(places)
        return np.where(rows == NOWHERE, 0, classes.at(rows) + 2)


def _stretches(edges: Ints, start: int, count: int, step: int) -> tuple[Ints, Ints, Ints]:
    """Which stretches the places start, start + step, ... fall into: their numbers, the new edges, and how far behind
    the beginning of its stretch the first place of each lies."""
    if not count or len(edges) < 2:
        return _ints([]), _ints([0]), _ints([])
    begins, ends = edges[:-1], edges[1:]
    if step > 0:
        low = np.clip(-(-(begins - start) // step), 0, count)
        high = np.clip(-(-(ends - start) // step), 0, count)
    else:
        low = np.clip((start - ends) // -step + 1, 0, count)
        high = np.clip((start - begins) // -step + 1, 0, count)
    which = np.flatnonzero(high > low)
    if step < 0:
        which = which[::-1]
    skipped = start + step * low[which] - begins[which]
    return which, np.append(low[which], high[which][-1:]) if which.size else _ints([0]), skipped
