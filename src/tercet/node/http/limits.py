"""Limits on what callers ask: requests a second, bundles being read, memory of bodies."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tercet.federation.refusals import too_many

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

    def __len__(self) -> int:
        return len(self._levels)

    def take(self, key: str, now: float) -> bool:
        """Take one token; False, and nothing taken, if there is none. `now` in seconds of a clock that only rises."""
        with self._lock:
            level, then = self._levels.get(key, (self._most, now))
            level = min(self._most, level + (now - then) * self._rate)
            taken = level >= 1.0
            self._levels[key] = (level - 1.0 if taken else level, now)
            self._levels.move_to_end(key)
            if len(self._levels) > _KEPT:
                # the one quiet for longest, whose bucket is most likely full again
                self._levels.popitem(last=False)
            return taken


WAITING_OF_ONE = 8
"""How many bundles of one person wait for a turn, beside those being read."""
PATIENCE_S = 10.0


class Turns:
    """`most` turns in all, `most_of_one` of one person; used by the event loop's thread alone.

    Who calls it: the routes that take a bundle. Waiting costs no thread. People come one after the other, however many
    bundles each has waiting, so that whoever sends many large plans takes processor time from themselves only, and
    neither threads nor answers nor turns from others.
    """

    def __init__(self, most: int, most_of_one: int, patience_s: float = PATIENCE_S) -> None:
        self._most = most
        self._most_of_one = most_of_one
        self._patience_s = patience_s
        self._reading: Counter[str] = Counter()
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        """Who waits, those first who had no turn for longest."""

    @asynccontextmanager
    async def take(self, who: str) -> AsyncIterator[None]:
        """Have a turn while the body runs. Raises HttpError (429) if too many wait, or none comes in time."""
        asking = self._reading[who] + len(self._waiting.get(who, ()))
        if asking >= self._most_of_one + WAITING_OF_ONE:
            raise too_many(f"{asking} bundles of yours are being read here or wait for that")
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(who, deque()).append(turn)
        self._give()
        try:
            await asyncio.wait_for(asyncio.shield(turn), self._patience_s)
        except BaseException as error:
            if turn.done():
                self._end(who)
            else:
                self._forget(who, turn)
            if isinstance(error, TimeoutError):
                raise too_many("this node is busy reading other bundles") from None
            raise
        try:
            yield
        finally:
            self._end(who)

    def _give(self) -> None:
        """Give free turns to those who wait and may have one."""
        for who in list(self._waiting):
            while self._reading.total() < self._most and self._reading[who] < self._most_of_one:
                line = self._waiting.get(who)
                if not line:
                    break
                turn = line.popleft()
                # what else this person sent waits behind everybody else's
                del self._waiting[who]
                if line:
                    self._waiting[who] = line
                self._reading[who] += 1
                turn.set_result(None)

    def _end(self, who: str) -> None:
        self._reading[who] -= 1
        if not self._reading[who]:
            del self._reading[who]
        self._give()

    def _forget(self, who: str, turn: asyncio.Future[None]) -> None:
        line = self._waiting[who]
        line.remove(turn)
        if not line:
            del self._waiting[who]


class BodyBudget:
    """A budget of memory for bodies, of which one person cannot take all; used by the event loop's thread alone."""

    def __init__(self, most: int, most_of_one: int) -> None:
        self._left = most
        self._most_of_one = most_of_one
        self._taken: Counter[str] = Counter()

    def take(self, count: int, who: str) -> bool:
        if count > self._left or (who and self._taken[who] + count > self._most_of_one):
            return False
        self._left -= count
        self._taken[who] += count
        return True

    def give(self, count: int, who: str) -> None:
        self._left += count
        self._taken[who] -= count
        if not self._taken[who]:
            del self._taken[who]
