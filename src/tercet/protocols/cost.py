"""What an operation costs: rounds, and the payload bytes that all three parties send together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cost:
    """Rounds (longest chain of messages that wait for each other) and payload bytes of the three parties together."""

    rounds: int = 0
    total_bytes: int = 0

    def __add__(self, other: Cost) -> Cost:
        """One after the other."""
        return Cost(self.rounds + other.rounds, self.total_bytes + other.total_bytes)

    def beside(self, other: Cost) -> Cost:
        """Side by side."""
        return Cost(max(self.rounds, other.rounds), self.total_bytes + other.total_bytes)

    @property
    def bytes_per_party(self) -> float:
        return self.total_bytes / 3


NOTHING = Cost()


def side_by_side(costs: Iterable[Cost]) -> Cost:
    total = NOTHING
    for cost in costs:
        total = total.beside(cost)
    return total
