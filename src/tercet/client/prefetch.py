"""Items made in advance by a thread, which ends before the interpreter does."""

from __future__ import annotations

import queue
import threading
import weakref
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

_END_S = 5.0

T = TypeVar("T")


class _Ahead(Generic[T]):
    def __init__(self, items: Iterator[T], depth: int) -> None:
        self._items = items
        self._queue: queue.Queue[tuple[T | None, BaseException | None]] = queue.Queue(depth)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="tercet reader", daemon=True)
        # a thread that comes back from a library while the interpreter ends may end the process by a signal
        weakref.finalize(self, _end, self._stop, self._thread)

    def _work(self) -> None:
        error: BaseException | None = None
        try:
            for item in self._items:
                if not self._put((item, None)):
                    return
        except BaseException as raised:
            error = raised
        finally:
            close = getattr(self._items, "close", None)
            if close is not None:
                close()
        self._put((None, error))

    def _put(self, entry: tuple[T | None, BaseException | None]) -> bool:
        while not self._stop.is_set():
            try:
                self._queue.put(entry, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def __iter__(self) -> Iterator[T]:
        self._thread.start()
        try:
            while True:
                item, error = self._queue.get()
                if error is not None:
                    raise error
                if item is None:
                    return
                yield item
        finally:
            _end(self._stop, self._thread)


def _end(stop: threading.Event, thread: threading.Thread) -> None:
    """Have the reading thread end, and wait for that: not longer, where it waits for an input that says nothing."""
    stop.set()
    if thread.is_alive() and thread is not threading.current_thread():
        thread.join(_END_S)


def prefetched(items: Any, depth: int = 1) -> Iterator[Any]:
    """The same items, made by another thread while the last one is worked on; no more than `depth` wait."""
    return iter(_Ahead(iter(items), depth))
