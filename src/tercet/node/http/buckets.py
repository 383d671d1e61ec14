"""Rate limits: token buckets by key, bounded in number."""

from __future__ import annotations

import threading
from collections import OrderedDict

_KEPT = 10_000
BURST_S = 5.0
"""Who was quiet for this long may ask for as much at once."""


class Buckets:
    """One token bucket a key: `rate` tokens a second, `BURST_S` seconds' worth at once. Thread-safe.

    Who calls it: the gate, with a person's fingerprint or a stranger's address.
    """

    def __init__(self, rate: float, burst_s: float = BURST_S) -> None:
        self._rate = rate
        self._most = max(1.0, rate * burst_s)
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def level(self, key: str, now: float) -> float:
        """Give how many tokens the key has; `now` in seconds of a clock that only rises."""
        with self._lock:
            return self._level(key, now)

    def take(self, key: str, now: float) -> bool:
        """Take one token; False, and nothing taken, if there is none."""
        with self._lock:
            level = self._level(key, now)
            taken = level >= 1.0
            self._levels[key] = (level - 1.0 if taken else level, now)
            self._levels.move_to_end(key)
            if len(self._levels) > _KEPT:
                # the one quiet for longest, whose bucket is most likely full again
                self._levels.popitem(last=False)
            return taken

    def _level(self, key: str, now: float) -> float:
        level, then = self._levels.get(key, (self._most, now))
        return min(self._most, level + (now - then) * self._rate)
