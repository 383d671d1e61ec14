"""How many rows of others stand behind the numbers of one or several outputs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tercet.plan.rows.places import NOWHERE, Ints, Partition, TooManyPieces
from tercet.plan.rows.states import Aggregate, Rows, RowState, Spread
from tercet.policy.request import Stretches, united


@dataclass(frozen=True)
class RowsBehind:
    """What an output says about the rows of one dataset, in one layout of its rows."""

    dataset: str
    layout: str
    state: RowState
    own: Stretches = ()
    """Rows that the person who learns the output has brought: they know them, so that nobody is hidden among them."""
    mixed: bool = False
    """Whether columns that others have brought of those rows are read, too."""
    given: Stretches = ()
    """Rows of the analyst, where somebody else learns the output: the analyst may give them away, and rows of others
    are hidden among them."""

    @property
    def rows(self) -> int:
        """How many rows of others each number treats alike; 1 where they are single."""
        return self._hidden(self.state) if isinstance(self.state, Aggregate) else min(1, self.state.count)

    def beside(self, other: RowsBehind) -> RowsBehind:
        """Whose the rows of one layout are that stand behind both; with this one's state."""
        mixed = self.mixed or other.mixed or (self.own, self.given) != (other.own, other.given)
        own, given = united(self.own, other.own), united(self.given, other.given)
        return replace(self, own=own, mixed=mixed, given=given)

    def text(self, learner: str = "") -> str:
        """How many rows stand behind each number, in words; `learner`: to whom, if that is not the analyst."""
        match self.state:
            case Aggregate():
                besides = f" besides rows of {learner or 'their own'}" if self.own else ""
                return f"over at least {counted_rows(self.rows)}{besides}"
            case Rows(_, count):
                return f"row by row for {counted_rows(count)}"
            case Spread():
                return "in a way that may show single rows (as MIN, MAX or a product of rows would)"

    def jointly(self, states: Sequence[Aggregate]) -> int:
        """How many rows of others all of these together treat alike, about rows that are whose they are here."""
        if len(states) == 1:
            return self._hidden(states[0])
        classes: Partition | None = None
        for state in states:
            if state.classes is None:
                # over which rows is not known: they may be all rows of another state but one
                return min(1, *(self._hidden(state) for state in states))
            try:
                classes = state.classes if classes is None else classes.refine(state.classes)
            except TooManyPieces:
                return 1
        return self._hidden(Aggregate(classes.least, classes)) if classes is not None else 0

    def _hidden(self, state: Aggregate) -> int:
        """How many rows of others are in the class that has the fewest.

        A class of own rows alone hides nobody, unless columns that others have brought of them are read; nor does one
        of own rows and of rows that the analyst gives away.
        """
        if not self.own and not self.given:
            return state.count
        if state.classes is None:
            return max(0, state.count - sum(stop - start for start, stop in self.own))
        cut = np.union1d(_edges(self.own), _edges(self.given))
        cut = np.union1d(cut, state.classes.edges)
        starts, lengths = cut[:-1], np.diff(cut)
        labels = state.classes.at(starts)
        known = _within(starts, self.own)
        foreign = ~known & ~_within(starts, self.given)
        count = int(state.classes.labels.max(initial=-1)) + 1
        hiding, hidden = np.zeros(count, np.int64), np.zeros(count, np.int64)
        for counted, which in ((hiding, ~known), (hidden, foreign)):
            which = which & (labels != NOWHERE)
            np.add.at(counted, labels[which], lengths[which])
        return int(hiding[(hidden > 0) | self.mixed].min(initial=state.count))


def counted_rows(count: int) -> str:
    """So many rows, in words."""
    return "1 row" if count == 1 else f"{count:,} rows"


def joint_rows(outputs: Iterable[tuple[int, Sequence[RowsBehind]]]) -> dict[str, tuple[int, list[int]]]:
    """Of each dataset behind revealed outputs, by their numbers: the fewest rows that all of them together treat alike,
    and which outputs. By differences between them, an analyst learns what all of them together tell."""
    by_layout: dict[tuple[str, str], list[tuple[int, Aggregate]]] = {}
    told: dict[tuple[str, str], RowsBehind] = {}
    for output, behind in outputs:
        for one in behind:
            if isinstance(one.state, Aggregate):
                key = one.dataset, one.layout
                by_layout.setdefault(key, []).append((output, one.state))
                told[key] = told[key].beside(one) if key in told else one
    result: dict[str, tuple[int, list[int]]] = {}
    for (dataset, layout), states in by_layout.items():
        count = told[dataset, layout].jointly([state for _, state in states])
        if dataset not in result or count < result[dataset][0]:
            result[dataset] = count, [output for output, _ in states]
    return result


def _edges(stretches: Stretches) -> Ints:
    return np.array([place for one in stretches for place in one], np.int64)


def _within(places: Ints, stretches: Stretches) -> NDArray[np.bool_]:
    """Which places lie in a stretch; none of two stretches touches the other."""
    before = np.asarray(np.searchsorted(_edges(stretches), places, side="right"), np.int64)
    inside: NDArray[np.bool_] = before % 2 == 1
    return inside
