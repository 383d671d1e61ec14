"""What an operation costs: rounds, and the payload bytes that all three parties send together."""

from __future__ import annotations

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

    def times(self, number: int) -> Cost:
        """So many of them side by side, one at least."""
        return Cost(self.rounds, number * self.total_bytes)

    @property
    def bytes_per_party(self) -> float:
        return self.total_bytes / 3


NOTHING = Cost()


class Depths:
    """Counts the rounds of a protocol for its cost function: how deep D, A and B are in the chain of messages.

    Roles wait differently (D knows its part of a dealt result at once), so protocols that run one after the other can
    take fewer rounds than the sum of theirs. A cost function calls one method for each exchange; `rounds` is the
    deepest message so far.
    """

    __slots__ = ("a", "b", "d", "rounds")

    def __init__(self) -> None:
        self.d = self.a = self.b = self.rounds = 0

    def copy(self) -> Depths:
        other = Depths()
        other.d, other.a, other.b, other.rounds = self.d, self.a, self.b, self.rounds
        return other

    def join(self, other: Depths) -> None:
        """After parts that ran side by side."""
        self.d, self.a, self.b = max(self.d, other.d), max(self.a, other.a), max(self.b, other.b)
        self.rounds = max(self.rounds, other.rounds)

    def ring(self, times: int = 1) -> None:
        """Everyone passes a message to prev: D to B, B to A, A to D."""
        for _ in range(times):
            sent = self.d + 1, self.a + 1, self.b + 1
            self.rounds = max(self.rounds, *sent)
            self.b, self.d, self.a = max(self.b, sent[0]), max(self.d, sent[1]), max(self.a, sent[2])

    def cross(self, *, one_round: bool = False) -> None:
        """Cross terms, or a dealt table that A and B read."""
        from_d, from_a = self.d + 1, self.a + 1
        if one_round:
            from_b = self.b + 1
            self.a, self.b = max(self.a, from_d, from_b), max(self.b, from_d, from_a)
        else:
            from_b = max(self.b, from_d) + 1
            self.a, self.b = max(self.a, from_b), max(self.b, from_d, from_a)
        self.rounds = max(self.rounds, from_d, from_a, from_b)

    def product(self) -> None:
        """A and B exchange their parts of a product; D sends nothing."""
        sent = self.a + 1, self.b + 1
        self.rounds = max(self.rounds, *sent)
        self.a, self.b = max(self.a, sent[1]), max(self.b, sent[0])

    def deal(self) -> None:
        """D passes a message to B."""
        self.b = max(self.b, self.d + 1)
        self.rounds = max(self.rounds, self.d + 1)

    def open_once(self) -> None:
        """Everyone passes a message to next: D to A, A to B, B to D."""
        sent = self.d + 1, self.a + 1, self.b + 1
        self.rounds = max(self.rounds, *sent)
        self.a, self.b, self.d = max(self.a, sent[0]), max(self.b, sent[1]), max(self.d, sent[2])

    def say(self, *messages: str) -> None:
        """Messages sent at once, each as sender and receiver: "ad" is from A to D."""
        sent = [(message[1], getattr(self, message[0]) + 1) for message in messages]
        for to, depth in sent:
            setattr(self, to, max(getattr(self, to), depth))
            self.rounds = max(self.rounds, depth)

    def through(self, *, back: bool = False) -> None:
        """A (or on the way back B) passes a message to D, and D one to the other."""
        self.say(*(("bd", "da") if back else ("ad", "db")))

    def halves(self, *, back: bool = False) -> None:
        """D and B (or after the way back A) pass each other a message."""
        self.say(*(("ad", "da") if back else ("bd", "db")))

    def shuffle(self, *, back: bool = False) -> None:
        """`through`, then these two pass each other a message."""
        self.through(back=back)
        self.halves(back=back)

    def passes(self, *, back: bool = False) -> None:
        """D and A pass each other a message, then A and B, then B and D; on the way back in the opposite order."""
        for pair in (("b", "d"), ("a", "b"), ("d", "a")) if back else (("d", "a"), ("a", "b"), ("b", "d")):
            one, other = (getattr(self, role) for role in pair)
            self.rounds = max(self.rounds, one + 1, other + 1)
            setattr(self, pair[0], max(one, other + 1))
            setattr(self, pair[1], max(other, one + 1))

    def rotate(self) -> None:
        """A is D from now on, B is A, and D is B."""
        self.d, self.a, self.b = self.a, self.b, self.d
