"""A helper thread that answers the other parties' pings while this party computes, however long a kernel takes.

The endpoint still belongs to one thread at a time: whoever uses it in a job holds `lock`. The helper thread looks every
now and then; it takes the lock only if it is free, and only while the party is inside `working`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from tercet.transport import Endpoint

_MOST_S = 0.5


class Heart:
    """Used by a party around all its jobs. `timeout`: seconds after which the others give up a party that is silent."""

    def __init__(self, endpoint: Endpoint, timeout: float) -> None:
        self.lock = threading.Lock()
        self._endpoint = endpoint
        self._every_s = min(_MOST_S, timeout / 8)
        self._end = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        if self._thread is not None:
            self._thread.join()

    @contextmanager
    def working(self) -> Iterator[None]:
        """While a job runs: the endpoint is used under `lock` only."""
        if self._thread is None:
            name = f"tercet heart of {self._endpoint.me.label}"
            self._thread = threading.Thread(target=self._beat, name=name, daemon=True)
            self._thread.start()
        self._endpoint.life.working = True
        try:
            yield
        finally:
            with self.lock:
                self._endpoint.life.working = False

    def _beat(self) -> None:
        while not self._end.wait(self._every_s):
            if self._endpoint.life.working and self.lock.acquire(blocking=False):
                try:
                    if self._endpoint.life.working:
                        self._endpoint.attend()
                finally:
                    self.lock.release()
