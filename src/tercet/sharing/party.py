"""The three roles of a computation, in a ring."""

from __future__ import annotations

from enum import IntEnum


class Party(IntEnum):
    """Party i holds components (x_i, x_next(i)); component i is also known to prev(i)."""

    P1 = 1
    P2 = 2
    P3 = 3

    @property
    def next(self) -> Party:
        return _NEXT[self]

    @property
    def prev(self) -> Party:
        return _PREV[self]


PARTIES = (Party.P1, Party.P2, Party.P3)
AROUND = (PARTIES, PARTIES, (Party.P2, Party.P3, Party.P1), (Party.P3, Party.P1, Party.P2))
"""By party: the party itself, its next and its prev."""
_NEXT = (Party.P1, Party.P2, Party.P3, Party.P1)
_PREV = (Party.P1, Party.P3, Party.P1, Party.P2)
