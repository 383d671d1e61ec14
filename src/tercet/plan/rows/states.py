"""What a value discloses about the rows of one dataset, and the JSON of that beside a kept result.

All claims are about exchanging rows. Let `classes` be disjoint sets of rows. A value is an **aggregate** over them if
exchanging the records of two rows of one class, in this dataset and in every dataset whose rows stand beside them,
changes no number of it, and rows of no class change nothing either. So each number treats all rows of a class alike;
`count` is the size of the smallest class. Which *values* the rows have may still single one out (a comparison that
holds for one patient only): against that no analysis of the plan helps.

Row tracking takes rows of two datasets for one person's when they have one number and are at one place. As stored, rows
are numbered by their position. Where the datasets have public keys, a node numbers rows of equal keys alike instead,
before it follows a plan. So the analyst chooses which rows are at which place, never which of them belong together.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from tercet.errors import IntegrityError
from tercet.plan.rows.places import NOWHERE, Partition, RowOrder

MAX_WRITTEN = 1 << 12
"""At most so many stretches of rows are written; of more, only the count is, and the value does not mix with others."""


@dataclass(frozen=True)
class Rows:
    """Element i along an axis is about the row `order` has at i alone, of `count` rows; axis 0 is the last.

    `alike`: for two places of one of the `classes`, exchanging the records of their rows exchanges the elements there
    and changes nothing else. `background`: the elements depend on aggregates over these classes of rows, too. Without
    an order, rows 0, 1, 2, ... stand there; without classes, all places are alike.
    """

    axis: int
    count: int
    order: RowOrder | None = None
    alike: bool = True
    classes: Partition | None = None
    background: Partition | None = None

    @property
    def standing(self) -> RowOrder:
        """Which row stands at each place."""
        return self.order or RowOrder.natural(self.count)


@dataclass(frozen=True)
class Spread:
    """It depends on up to `count` rows, along no one axis: to be treated as single rows."""

    count: int


@dataclass(frozen=True)
class Aggregate:
    """Every number is an aggregate over classes of at least `count` rows. Without classes it is not known which."""

    count: int
    classes: Partition | None = None


RowState: TypeAlias = Rows | Spread | Aggregate


def state_to_json(state: RowState) -> dict[str, Any]:
    """The state as JSON, for the store of a node. Rows in too many stretches become Spread, or an Aggregate without
    classes."""
    match state:
        case Aggregate(count, classes):
            written = {} if classes is None else {"classes": _pieces(classes.edges, classes.labels)}
            if written.get("classes", ()) is None:
                written = {}
            return {"state": "aggregate", "count": count, **written}
        case Rows(axis, count, order, alike, classes, background):
            found: dict[str, Any] = {"state": "rows", "axis": axis, "count": count, "alike": alike}
            for name, value in (("classes", classes), ("background", background)):
                if value is not None:
                    found[name] = _pieces(value.edges, value.labels)
            if order is not None:
                found["order"] = _pieces(order.edges, order.first, order.step)
            return found if None not in found.values() else {"state": "spread", "count": count}
        case Spread(count):
            return {"state": "spread", "count": count}


def state_from_json(data: Any) -> RowState:
    """What `state_to_json` wrote. Raises IntegrityError for anything else."""
    try:
        count = _number(data["count"])
        if data["state"] == "spread" and len(data) == 2:
            return Spread(count)
        if data["state"] == "aggregate" and set(data) <= {"state", "count", "classes"}:
            return Aggregate(count, _partition(data.get("classes")))
        known = {"state", "axis", "count", "alike", "classes", "background", "order"}
        if data["state"] == "rows" and set(data) <= known and type(data["alike"]) is bool:
            order = _order(data["order"]) if "order" in data else None
            classes, background = _partition(data.get("classes")), _partition(data.get("background"))
            return Rows(_number(data["axis"]), count, order, data["alike"], classes, background)
    except (KeyError, TypeError, ValueError, OverflowError):
        pass
    raise IntegrityError("what is written about a kept result's rows cannot be read")


def _pieces(*columns: Any) -> list[list[int]] | None:
    return [column.tolist() for column in columns] if len(columns[0]) <= MAX_WRITTEN else None


def _number(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 1 << 62:
        raise ValueError
    return value


def _columns(data: Any, count: int) -> list[Any]:
    columns = [np.array([_signed(value) for value in column], np.int64) for column in data]
    edges = columns[0]
    if len(columns) != count or any(len(column) != len(edges) - 1 for column in columns[1:]):
        raise ValueError
    if edges[0] != 0 or (edges[1:] <= edges[:-1]).any():
        raise ValueError
    return columns


def _signed(value: Any) -> int:
    return -_number(-value) if type(value) is int and value < 0 else _number(value)


def _partition(data: Any) -> Partition | None:
    if data is None:
        return None
    edges, labels = _columns(data, 2)
    if (labels < NOWHERE).any():
        raise ValueError
    return Partition(edges, labels)


def _order(data: Any) -> RowOrder:
    edges, first, step = _columns(data, 3)
    order = RowOrder(edges, first, step)
    if len(first) and (np.minimum(first, first + step * (np.diff(edges) - 1)) < NOWHERE).any():
        raise ValueError
    if not order.is_injective():
        raise ValueError
    return order


RowNumbers: TypeAlias = RowOrder | int
"""What numbers the rows of a dataset have: row r that of place r, or r and so much."""


def renumbered(state: RowState, numbering: RowNumbers) -> RowState:
    """What is known of a dataset's rows, by their new numbers. Raises TooManyPieces."""
    if isinstance(numbering, int):
        return _shifted(state, numbering)
    match state:
        case Aggregate(count, classes):
            return Aggregate(count, None if classes is None else numbering.image(classes))
        case Rows(background=background):
            rows = numbering.at(np.arange(numbering.length))
            stood = state.standing.through(rows)
            behind = None if background is None else numbering.image(background)
            return replace(state, order=stood, background=behind)
    return state


def restored(state: RowState, numbering: RowNumbers) -> RowState:
    """What is known of the rows that a dataset has, by its own numbers again. Raises TooManyPieces."""
    if isinstance(numbering, int):
        return _shifted(state, -numbering)
    rows = numbering.at(np.arange(numbering.length))
    match state:
        case Aggregate(classes=classes) if classes is not None:
            mine = classes.take(rows)
            return Aggregate(mine.least, mine)
        case Rows(background=background):
            first = int(rows.min(initial=np.iinfo(np.int64).max))
            number_of = np.full(int(rows.max(initial=first - 1)) + 1 - first, NOWHERE, np.int64)
            number_of[rows - first] = np.arange(len(rows))
            stood = state.standing.through(number_of, first)
            behind = None if background is None else background.take(rows)
            return replace(state, order=stood, count=stood.count, background=behind)
    return state


def _shifted(state: RowState, by: int) -> RowState:
    match state:
        case Aggregate(count, classes) if classes is not None:
            return Aggregate(count, classes.shifted(by))
        case Rows(background=background):
            stood = state.standing.shifted(by)
            return replace(state, order=stood, background=None if background is None else background.shifted(by))
    return state
