"""Runs protocol bodies of one party as coroutines in one thread: whatever does not wait goes on."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from tercet.errors import PartyError, Timeout
from tercet.protocols.message import Bytes
from tercet.protocols.scope import Body, Receive, Scope, Together
from tercet.sharing import Party

Key = tuple[Party, int, int]


class Channel(Protocol):
    """One job's messages at one party, as the transport gives them."""

    def send(self, to: Party, operation: int, step: int, payload: Bytes, depth: int) -> None: ...

    def expect(self, frm: Party, operation: int, step: int, nbytes: int) -> None: ...

    def take(self, frm: Party, operation: int, step: int) -> tuple[Bytes, int] | None: ...

    def progress(self, timeout: float) -> list[Key]: ...


class _Group:
    """A Together under way: the task to resume, the bodies not yet started, the results so far."""

    __slots__ = ("bodies", "left", "results", "task")

    def __init__(self, task: _Task, bodies: Iterator[Body[Any]]) -> None:
        self.task = task
        self.bodies = bodies
        self.results: list[Any] = []
        self.left = 0


class _Task:
    __slots__ = ("body", "done", "group", "index", "waits_for")

    def __init__(
        self, body: Body[Any], group: _Group | None, index: int, done: Callable[[Any], None] | None = None
    ) -> None:
        self.body = body
        self.group = group
        self.index = index
        self.done = done
        self.waits_for: Receive | None = None


class Scheduler:
    """Starts bodies, resumes each when its message is there, and names what is awaited when nothing comes.

    Used by one party in one thread. `timeout` is how long nothing at all may arrive while something is awaited.
    """

    def __init__(self, channel: Channel, timeout: float = 60.0) -> None:
        self._channel = channel
        self._timeout = timeout
        self._ready: deque[tuple[_Task, Any]] = deque()
        self._waiting: dict[Key, _Task] = {}
        self.waiting_s = 0.0

    def start(self, body: Body[Any], done: Callable[[Any], None]) -> None:
        """Queue a body; `done` is called with its result."""
        self._ready.append((_Task(body, None, 0, done), None))

    @property
    def idle(self) -> bool:
        return not self._ready and not self._waiting

    def run(self) -> None:
        """Run until every body has ended. Raises what a body raised, or the transport's PartyError."""
        self.run_ready()
        while self._waiting:
            self.run_until_progress()

    def run_until_progress(self) -> None:
        """Wait for messages, then resume what they make ready."""
        began = time.monotonic()
        arrived = self._channel.progress(self._timeout)
        self.waiting_s += time.monotonic() - began
        if not arrived:
            raise self._timed_out()
        for key in arrived:
            self.deliver(key)
        self.run_ready()

    def deliver(self, key: Key) -> None:
        """A message has arrived: its task, if any waits for it, becomes ready."""
        task = self._waiting.get(key)
        if task is None:
            return
        message = self._channel.take(*key)
        if message is None:
            return
        del self._waiting[key]
        request = task.waits_for
        assert request is not None
        task.waits_for = None
        self._ready.append((task, self._open(request, message)))

    def run_ready(self) -> None:
        """Resume ready tasks until all that are left wait."""
        ready = self._ready
        while ready:
            task, value = ready.popleft()
            self._resume(task, value)

    def _open(self, request: Receive, message: tuple[Bytes, int]) -> Any:
        payload, depth = message
        scope = request.scope
        if depth > scope.depth:
            scope.depth = depth
        return request.unpack(payload)

    def _resume(self, task: _Task, value: Any) -> None:
        channel = self._channel
        while True:
            try:
                request = task.body.send(value)
            except StopIteration as stop:
                self._finish(task, stop.value)
                return
            if isinstance(request, Receive):
                key = (request.frm, request.scope.instance, request.step)
                channel.expect(*key, request.nbytes)
                message = channel.take(*key)
                if message is None:
                    task.waits_for = request
                    self._waiting[key] = task
                    return
                value = self._open(request, message)
            elif isinstance(request, Together):
                self._start_group(task, request)
                return
            else:
                raise TypeError(f"a protocol yielded {type(request).__name__}; expected Receive or Together")

    def _start_group(self, task: _Task, request: Together) -> None:
        group = _Group(task, iter(request.bodies))
        for _ in range(request.window):
            if not self._start_next(group):
                break
        if not group.left:
            self._ready.append((task, group.results))

    def _start_next(self, group: _Group) -> bool:
        body = next(group.bodies, None)
        if body is None:
            return False
        group.results.append(None)
        group.left += 1
        self._ready.append((_Task(body, group, len(group.results) - 1), None))
        return True

    def _finish(self, task: _Task, result: Any) -> None:
        group = task.group
        if group is None:
            if task.done is not None:
                task.done(result)
            return
        group.results[task.index] = result
        group.left -= 1
        if not self._start_next(group) and not group.left:
            self._ready.append((group.task, group.results))

    def awaited(self) -> list[tuple[Key, Scope]]:
        """What is waited for, oldest first."""
        return [(key, task.waits_for.scope) for key, task in self._waiting.items() if task.waits_for is not None]

    def _timed_out(self) -> PartyError:
        (frm, instance, step), scope = self.awaited()[0]
        return Timeout(
            f"nothing arrived for {self._timeout:g} s",
            party=int(frm),
            operation=f"{instance >> 32}",
            step=f"{step} {'/'.join(scope.trail[-2:])}",
            hint="check that this party runs and can be reached, then start a new session",
        )
