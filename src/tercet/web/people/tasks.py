"""What takes longer than a request: each in a thread of its own; pages follow it, leave it, come back, cancel it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from tercet.errors import TercetError
from tercet.federation.model import fresh_id
from tercet.federation.refusals import error_body

BEAT_S = 5.0
"""After so many seconds without news a follower gets an empty line: a browser that has gone is noticed by it."""
_KEPT = 50
"""Ended tasks that are remembered."""
END_S = 5.0
"""For which the threads of tasks are waited for at the end of a site."""
ENDED = ("done", "failed", "cancelled")


class Cancelled(Exception):
    """Raised in the thread of a task that somebody has cancelled."""


class Task:
    """One thing that takes long. `facts` is what a page is shown of it: JSON, with `state`.

    `state` is running, done (with `result`), failed (with `error`, an ErrorBody) or cancelled.
    """

    def __init__(self, kind: str, about: dict[str, Any]) -> None:
        self.id = fresh_id()
        self.kind = kind
        self.began = time.time()
        self._about = about
        self._now: dict[str, Any] = {"state": "running"}
        self._version = 0
        self._news = threading.Condition()
        self._cancelled = threading.Event()
        self.left = False
        """Whether it has to end only because its site ends: what goes on elsewhere by itself is not cancelled."""
        self.thread: threading.Thread | None = None

    @property
    def facts(self) -> dict[str, Any]:
        with self._news:
            return {"task": self.id, "kind": self.kind, "began": self.began, **self._about, **self._now}

    @property
    def ended(self) -> bool:
        return self.facts["state"] in ENDED

    def tell(self, **facts: Any) -> None:
        """Facts for who follows, in place of earlier ones of the same names. Raises Cancelled."""
        self._change(facts)
        self.check()

    def check(self) -> None:
        """Raise Cancelled if somebody has cancelled it."""
        if self._cancelled.is_set():
            raise Cancelled

    def cancel(self) -> None:
        """Ask the thread to end at the next place where it can."""
        self._cancelled.set()

    def leave(self) -> None:
        """As `cancel`, because the site ends."""
        self.left = not self._cancelled.is_set()
        self._cancelled.set()

    def run(self, what: Callable[[Task], Any]) -> None:
        """Do it, in the calling thread. Raises only what is a defect."""
        try:
            self._change({"state": "done", "result": what(self)})
        except Cancelled:
            self._change({"state": "cancelled"})
        except TercetError as error:
            self._change({"state": "failed", "error": error_body(error, "")[1].model_dump()})
        except BaseException as error:
            told = f"a fault of Tercet: {type(error).__name__}"
            self._change({"state": "failed", "error": {"error": "fault", "message": told, "hint": "see the terminal"}})
            raise

    def _change(self, facts: dict[str, Any]) -> None:
        with self._news:
            self._now |= facts
            self._version += 1
            self._news.notify_all()

    def lines(self) -> Iterator[bytes]:
        """The facts as they change, one JSON object a line, until the end; what comes too fast is left out."""
        seen = -1
        while True:
            with self._news:
                if self._version == seen:
                    self._news.wait(BEAT_S)
                changed, seen = self._version != seen, self._version
            facts = self.facts
            yield (json.dumps(facts) + "\n").encode() if changed else b"\n"
            if facts["state"] in ENDED:
                return


class Tasks:
    """The tasks of one site, by their identifiers. Safe to call from several threads; `close` ends what runs here."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tasks: dict[str, Task] = {}

    def start(self, kind: str, what: Callable[[Task], Any], **about: Any) -> Task:
        """Begin something; `what` gets the task, gives its result (JSON), and may `tell`. `about` is shown at once."""
        task = Task(kind, about)
        thread = threading.Thread(target=task.run, args=(what,), name=f"tercet {kind}", daemon=True)
        task.thread = thread
        with self._lock:
            ended = [one.id for one in self._tasks.values() if one.ended]
            for old in ended[: max(0, len(self._tasks) - _KEPT)]:
                del self._tasks[old]
            self._tasks[task.id] = task
        thread.start()
        return task

    def find(self, task: str) -> Task | None:
        with self._lock:
            return self._tasks.get(task)

    def of(self, kind: str) -> list[Task]:
        """Those of a kind, newest first."""
        with self._lock:
            return [task for task in reversed(self._tasks.values()) if task.kind == kind]

    def close(self) -> None:
        with self._lock:
            tasks = list(self._tasks.values())
        for task in tasks:
            task.leave()
        until = time.monotonic() + END_S
        for task in tasks:
            if task.thread is not None:
                task.thread.join(max(0.0, until - time.monotonic()))
