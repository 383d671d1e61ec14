"""When a party of the session was last known to compute, so that a waiting party can tell slow work from a standstill.

A party that runs a job and is not waiting is at work. A waiting party learns of work at the others from the messages
that it receives and from the answers to its pings, each of which carries the age of what the other side knows. If all
three parties wait for each other, these ages only grow, and each of them gives up. A stopped party answers no pings.
"""

from __future__ import annotations

import time

_HEARTBEAT = 1 << 63
"""Numbers of pings from here on hold the time at which the ping was sent, in milliseconds."""
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
        """Note that part of a message was received: its sender is at work."""
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
        # rounded up: if ages became smaller on their way, three waiting parties would wait for ever
        return min(_LONGEST_MS, int((time.monotonic() - self.seen_at) * 1000) + 1)

    def hear(self, question: int, age_ms: int) -> None:
        """Note the answer to a ping. Its age counts from when the ping was sent, so a slow answer is not recent."""
        asked_ms = question - _HEARTBEAT
        self.seen_at = max(self.seen_at, min(time.monotonic(), (asked_ms - age_ms) / 1000))
