"""Runs the protocol bodies of one party as coroutines in one thread; a body runs on while others wait for messages."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from tercet.errors import PartyError, Timeout
from tercet.protocols.scope import Body, Receive, Scope, Together
from tercet.protocols.transcript import Statement
from tercet.ring import Bytes
from tercet.sharing import Party

Key = tuple[Party, int, int]


class Channel(Protocol):
    """One job's messages at one party, as the transport gives them."""

    def send(
        self, to: Party, operation: int, step: int, payload: Bytes | list[Bytes], depth: int, statement: Statement
    ) -> None:
        """Send one message; a list is sent as one, its parts behind each other."""
        ...

    def said(self, statement: Statement, to: Party | None, operation: int, step: int, nbytes: int) -> None:
        """Note what goes to, or came from, somebody outside the three parties."""
        ...

    def name_of(self, party: Party) -> str:
        """What the texts of errors call a party."""
        ...

    def receive(
        self, frm: Party, operation: int, step: int, nbytes: int, waker: Receive, into: Bytes | None
    ) -> tuple[Bytes, int] | None:
        """Give payload and depth of the message due at this address, or later, with `waker`, from `progress`.

        It may be put into `into`, which is then the payload.
        """
        ...

    def progress(self, timeout: float) -> list[tuple[Receive, Bytes, int]]:
        """Wait until something that is due is here; empty if nothing came in time."""
        ...


class _Group:
    """A Together under way: the task to resume, the bodies not yet started, the results so far."""

    __slots__ = ("bodies", "left", "results", "task")

    def __init__(self, task: _Task, bodies: Iterator[Body[Any]]) -> None:
        self.task = task
        self.bodies = bodies
        self.results: list[Any] = []
        self.left = 0


class _Task:
    """A body under way; of several messages that it waits for, those that are here, and how many are not."""

    __slots__ = ("body", "done", "group", "index", "left", "received")

    def __init__(
        self, body: Body[Any], group: _Group | None, index: int, done: Callable[[Any], None] | None = None
    ) -> None:
        self.body = body
        self.group = group
        self.index = index
        self.done = done
        self.left = 0
        self.received: list[Any] = []


class Scheduler:
    """Starts bodies, resumes each when its message is there, and names what is awaited when nothing comes.

    Used by one party in one thread. `timeout` is how long nothing at all may arrive while something is awaited.
    """

    def __init__(self, channel: Channel, timeout: float = 60.0) -> None:
        self._channel = channel
        self._receive = channel.receive
        self._timeout = timeout
        self._ready: deque[tuple[_Task, Any]] = deque()
        self._waiting: dict[Receive, _Task] = {}
        self.waiting_s = 0.0

    def start(self, body: Body[Any], done: Callable[[Any], None]) -> None:
        """Run a body as far as it goes without waiting; `done` is called with its result."""
        self._resume(_Task(body, None, 0, done), None)
        if self._ready:
            self.run_ready()

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
        for request, payload, depth in arrived:
            self.deliver(request, payload, depth)
        self.run_ready()

    def deliver(self, request: Receive, payload: Bytes, depth: int) -> None:
        """A message that was due has arrived: its task becomes ready, unless it waits for more."""
        task = self._waiting.pop(request)
        value = request.open(payload, depth)
        if task.left:
            task.received[request.place] = value
            task.left -= 1
            if task.left:
                return
            value = task.received
        self._ready.append((task, value))

    def run_ready(self) -> None:
        """Resume ready tasks until all that are left wait."""
        ready = self._ready
        while ready:
            task, value = ready.popleft()
            self._resume(task, value)

    def _resume(self, task: _Task, value: Any) -> None:
        proceed = task.body.send
        while True:
            try:
                request = proceed(value)
            except StopIteration as stop:
                self._finish(task, stop.value)
                return
            kind = type(request)
            if kind is Receive:
                message = self._receive(
                    request.frm, request.scope.instance, request.step, request.nbytes, request, request.into
                )
                if message is None:
                    self._waiting[request] = task
                    return
                value = request.open(*message)
            elif kind is tuple:
                if self._receive_all(task, request):
                    return
                value = task.received
            elif kind is Together:
                self._start_group(task, request)
                return
            else:
                raise TypeError(f"a protocol yielded {kind.__name__}; expected Receive, a tuple of these, or Together")

    def _receive_all(self, task: _Task, requests: tuple[Receive, ...]) -> int:
        """Take several messages that are due at once; give the number of those that are not here."""
        task.received = [None] * len(requests)
        for place, request in enumerate(requests):
            message = self._receive(
                request.frm, request.scope.instance, request.step, request.nbytes, request, request.into
            )
            if message is None:
                request.place = place
                self._waiting[request] = task
                task.left += 1
            else:
                task.received[place] = request.open(*message)
        return task.left

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
        return [((request.frm, request.scope.instance, request.step), request.scope) for request in self._waiting]

    def _timed_out(self) -> PartyError:
        (frm, instance, step), scope = self.awaited()[0]
        return Timeout(
            f"nothing arrived for {self._timeout:g} s",
            party=int(frm),
            operation=f"{instance >> 32}",
            step=f"{step} {'/'.join(scope.trail[-2:])}",
            hint="check that this party runs and can be reached, then start a new session",
        )
