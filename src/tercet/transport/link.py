"""An emulated link between parties, for benchmarks and tests: this machine's kernel has no network emulation.

The sender stamps each frame with the time at which it would have arrived; the receiver holds it back until then. All
processes of a machine share CLOCK_MONOTONIC. Frames to and from the client pass undelayed.
"""

from __future__ import annotations

import time
from typing import Protocol

from tercet.transport.messages import Who


class TimedLink:
    """A round trip time and a bandwidth, the same on each directed link between parties."""

    __slots__ = ("_free_at", "_seconds_per_byte", "bandwidth_bits_s", "rtt_s")

    def __init__(self, rtt_s: float, bandwidth_bits_s: float) -> None:
        if rtt_s < 0 or bandwidth_bits_s <= 0:
            raise ValueError("a link has rtt_s >= 0 and bandwidth_bits_s > 0")
        self.rtt_s = rtt_s
        self.bandwidth_bits_s = bandwidth_bits_s
        self._seconds_per_byte = 8.0 / bandwidth_bits_s
        self._free_at = [0.0, 0.0, 0.0, 0.0]

    def __repr__(self) -> str:
        return f"TimedLink(rtt_s={self.rtt_s:g}, bandwidth_bits_s={self.bandwidth_bits_s:g})"

    def stamp(self, frm: Who, to: Who, nbytes: int) -> float:
        """Give the arrival time of `nbytes` handed to the link now; 0.0 for a link with the client."""
        if not frm or not to:
            return 0.0
        start = max(time.monotonic(), self._free_at[to])
        self._free_at[to] = sent = start + nbytes * self._seconds_per_byte
        return sent + self.rtt_s / 2


class TimedEndpoint(Protocol):
    """An endpoint, as an emulated link sees it."""

    _link: TimedLink | None


def emulate(endpoint: TimedEndpoint, *, rtt_s: float, bandwidth_bits_s: float) -> None:
    """Lay an emulated link on everything this endpoint sends to and receives from other parties.

    Every party of the session must do so: an endpoint without a link ignores the stamps of others.
    """
    endpoint._link = TimedLink(rtt_s, bandwidth_bits_s)
