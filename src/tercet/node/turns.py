"""Turns at reading bundles: how many plans are analysed at once, in all and of one person."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tercet.node.refusals import too_many

WAITING_OF_ONE = 8
"""How many bundles of one person wait for a turn, beside those being read."""
PATIENCE_S = 10.0


class Turns:
    """`most` turns in all, `most_of_one` of one person; used by the event loop's thread alone.

    Who calls it: the routes that take a bundle. Waiting costs no thread, so that whoever sends many large plans
    takes processor time from himself, and neither threads nor answers from others.
    """

    def __init__(self, most: int, most_of_one: int, patience_s: float = PATIENCE_S) -> None:
        self._most = most
        self._most_of_one = most_of_one
        self._patience_s = patience_s
        self._reading: Counter[str] = Counter()
        self._asking: Counter[str] = Counter()
        self._freed = asyncio.Event()

    @asynccontextmanager
    async def take(self, who: str) -> AsyncIterator[None]:
        """Have a turn while the body runs. Raises Turned (429) if too many wait, or none comes in time."""
        if self._asking[who] >= self._most_of_one + WAITING_OF_ONE:
            raise too_many(f"{self._asking[who]} bundles of yours are being read here or wait for that")
        _count(self._asking, who, 1)
        try:
            try:
                await asyncio.wait_for(self._turn(who), self._patience_s)
            except TimeoutError:
                raise too_many("this node is busy reading other bundles") from None
            try:
                yield
            finally:
                _count(self._reading, who, -1)
                freed, self._freed = self._freed, asyncio.Event()
                freed.set()
        finally:
            _count(self._asking, who, -1)

    async def _turn(self, who: str) -> None:
        while self._reading[who] >= self._most_of_one or self._reading.total() >= self._most:
            await self._freed.wait()
        # no await from here on: a turn that was counted is never lost to the end of the patience
        _count(self._reading, who, 1)


def _count(counter: Counter[str], who: str, change: int) -> None:
    counter[who] += change
    if not counter[who]:
        del counter[who]
