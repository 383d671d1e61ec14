"""Numbers of rows that say which rows of several datasets belong to one person.

Row tracking takes rows of two datasets for one person's when they have one number and are at one place. As stored, rows
are numbered by their position. Where the datasets have public keys, a node numbers rows of equal keys alike instead,
before it follows a plan. So the analyst chooses which rows are at which place, never which of them belong together.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeAlias

import numpy as np

from tercet.plan.rows.places import NOWHERE, RowOrder
from tercet.plan.rows.states import Aggregate, Rows, RowState

RowNumbers: TypeAlias = RowOrder | int
"""What numbers the rows of a dataset have: row r that of place r, or r and so much."""


def renumbered(state: RowState, numbering: RowNumbers) -> RowState:
    """What is known of a dataset's rows, by their new numbers. Raises TooManyPieces."""
    if isinstance(numbering, int):
        return _shifted(state, numbering)
    match state:
        case Aggregate(count, classes):
            return Aggregate(count, None if classes is None else numbering.image(classes))
        case Rows(order=order, background=background):
            rows = numbering.at(np.arange(numbering.length))
            stood = (order or RowOrder.natural(state.count)).through(rows)
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
        case Rows(order=order, background=background):
            assert order is not None
            first = int(rows.min(initial=np.iinfo(np.int64).max))
            number_of = np.full(int(rows.max(initial=first - 1)) + 1 - first, NOWHERE, np.int64)
            number_of[rows - first] = np.arange(len(rows))
            stood = order.through(number_of, first)
            behind = None if background is None else background.take(rows)
            return replace(state, order=stood, count=stood.count, background=behind)
    return state


def _shifted(state: RowState, by: int) -> RowState:
    match state:
        case Aggregate(count, classes) if classes is not None:
            return Aggregate(count, classes.shifted(by))
        case Rows(order=order, background=background):
            stood = (order or RowOrder.natural(state.count)).shifted(by)
            return replace(state, order=stood, background=None if background is None else background.shifted(by))
    return state
