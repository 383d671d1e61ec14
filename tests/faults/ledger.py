"""What was asked of the nodes, and what they said: against it is held what they show afterwards."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from tercet.federation.api import DatasetInfo


class Fate(StrEnum):
    """Of one piece of data."""

    IN = "in"
    """It was acknowledged: it must be there."""
    OUT = "out"
    """It was refused, or its end acknowledged: it must not be there."""
    MAYBE = "maybe"
    """The answer was lost: it is there whole or not at all."""


@dataclass(eq=False)
class Piece:
    """One upload: its number of rows is no other's, and so is the sum of its values."""

    dataset: str
    column: str
    rows: int
    total: int
    fate: Fate = Fate.MAYBE
    upload: str = ""

    @property
    def label(self) -> tuple[str, int]:
        """By what it is known among the segments of its dataset."""
        return self.column, self.rows


@dataclass
class Ledger:
    """All pieces and kept results; `next_rows` gives every piece a number of rows of its own."""

    pieces: list[Piece] = field(default_factory=list)
    kept: dict[str, Fate] = field(default_factory=dict)
    made_of: dict[str, list[Piece]] = field(default_factory=dict)
    """Of which pieces a kept result was made: it ends when one of them is withdrawn."""
    refreshed: dict[str, float] = field(default_factory=dict)
    _rows: int = 40

    def next_rows(self) -> int:
        self._rows += 1
        return self._rows

    def of(self, dataset: str) -> list[Piece]:
        return [piece for piece in self.pieces if piece.dataset == dataset]

    def total(self, dataset: str, column: str) -> int:
        """The sum of a column, of what is there for certain."""
        return sum(piece.total for piece in self.of(dataset) if piece.column == column and piece.fate is Fate.IN)

    def datasets(self) -> list[str]:
        """Names of those that have rows for certain."""
        return sorted({piece.dataset for piece in self.pieces if piece.fate is Fate.IN})

    def compare(self, shown: Iterable[DatasetInfo]) -> list[str]:
        """Hold what all three nodes show against what was said; afterwards nothing is `MAYBE` any more.

        Gives a line for everything lost, left, or unknown.
        """
        found: list[str] = []
        there = {
            info.name: {label_of(segment.columns, segment.rows): segment for segment in info.segments} for info in shown
        }
        for piece in self.pieces:
            segment = there.get(piece.dataset, {}).pop(piece.label, None)
            if piece.fate is Fate.IN and segment is None:
                found.append(f"lost: {piece}")
            elif piece.fate is Fate.OUT and segment is not None:
                found.append(f"there again, or though refused: {piece}")
            piece.fate = Fate.OUT if segment is None else Fate.IN
            piece.upload = piece.upload if segment is None else segment.upload
        found += [f"from nowhere: {name} {label}" for name, labels in there.items() for label in labels]
        return found

    def compare_kept(self, shown: set[str]) -> list[str]:
        """As `compare`, and after it, for names under which results are kept."""
        for name, pieces in self.made_of.items():
            if any(piece.fate is Fate.OUT for piece in pieces):
                self.kept[name] = Fate.OUT
        found = [f"lost: {name}" for name, fate in self.kept.items() if fate is Fate.IN and name not in shown]
        found += [
            f"kept though refused: {name}" for name, fate in self.kept.items() if fate is Fate.OUT and name in shown
        ]
        found += [f"from nowhere: {name}" for name in shown - set(self.kept)]
        self.kept = {name: Fate.IN if name in shown else Fate.OUT for name in self.kept}
        return found


def label_of(columns: Iterable[str], rows: int) -> tuple[str, int]:
    """See `Piece.label`."""
    return next(name for name in columns if name != "id"), rows
