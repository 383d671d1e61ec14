"""How long ago somebody was known to be at work: what a party that waits needs to tell patience from a standstill.

A party that runs a job and is not waiting is at work. One that waits knows of work elsewhere from the messages that
reach it, and from the answers to its pings, which carry the age of what the other side knows. Ages only grow where
everybody waits, so three parties that wait for each other find out, and one that was stopped answers nothing.
"""

from __future__ import annotations

import time

_HEARTBEAT = 1 << 63
"""From here on, a ping's number is no question but a moment in milliseconds."""
_LONGEST_MS = (1 << 32) - 1


class Life:
    """One endpoint's knowledge of the work in its session. Moments are of CLOCK_MONOTONIC, in seconds."""

    __slots__ = ("seen_at", "working")

    def __init__(self) -> None:
        self.seen_at = time.monotonic()
        """The last moment at which some party was known to be at work."""
        self.working = False
        """Whether this side computes, rather than waits for a message or for something to do."""

    def __repr__(self) -> str:
        return f"Life({'at work' if self.working else 'waiting'})"

    def see(self) -> None:
        """Part of a message came: its sender is at work."""
        self.seen_at = time.monotonic()

    def question(self) -> int:
        """The number of a ping that asks for an age."""
        return _HEARTBEAT | int(time.monotonic() * 1000)

    def is_question(self, number: int) -> bool:
        """Whether a ping's number came from `question`."""
        return number >= _HEARTBEAT

    def age_ms(self) -> int:
        """What a ping is answered with."""
        if self.working:
            return 0
        # rounded up: ages that shrink on their way would keep three waiting parties patient for ever
        return min(_LONGEST_MS, int((time.monotonic() - self.seen_at) * 1000) + 1)

    def hear(self, question: int, age_ms: int) -> None:
        """A ping was answered; the age is counted from when it was asked, so that slow answers make nothing younger."""
        asked_ms = question - _HEARTBEAT
        self.seen_at = max(self.seen_at, min(time.monotonic(), (asked_ms - age_ms) / 1000))
