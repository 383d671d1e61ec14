"""A process of its own that runs a person's Python code on `net`, three parties in its threads.

Standard input has the code as JSON, then a line for each plan that may run; standard output and error are the code's.
What the page shows besides, plans before they run and messages after, goes as lines of JSON to a pipe.
"""

from __future__ import annotations

import ast
import json
import os
import sys
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, TextIO

from numpy.typing import NDArray

from tercet.client.encode import decode_words
from tercet.client.session import Session
from tercet.errors import TercetError
from tercet.plan.plan import Plan
from tercet.plan.types import Type
from tercet.process import end_with_parent
from tercet.ring import Bytes
from tercet.web.picture import picture
from tercet.web.play.wire import Wired, wired

FILE = "<cell>"
_TIMEOUT_S = 60.0
Tell = Callable[[Mapping[str, Any]], None]


class Messages:
    """Counts the messages between each two, since `taken`. The parties' threads call it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count: Counter[tuple[int, int]] = Counter()
        self._bytes: Counter[tuple[int, int]] = Counter()

    def __call__(self, message: Wired, payload: Bytes) -> Bytes:
        with self._lock:
            self._count[message.sender, message.to] += 1
            self._bytes[message.sender, message.to] += message.nbytes
        return payload

    def taken(self) -> list[dict[str, int]]:
        """What was counted since the last call."""
        with self._lock:
            found = [
                {"from": sender, "to": to, "count": count, "bytes": self._bytes[sender, to]}
                for (sender, to), count in sorted(self._count.items())
            ]
            self._count.clear()
            self._bytes.clear()
        return found


class ShownSession(Session):
    """A session that tells each plan before it runs, waits until it may, and tells what it took."""

    tell: Tell
    may_run: Callable[[], bool]
    messages: Messages

    def _run(self, plan: Plan, decode: Callable[[NDArray[Any], Type], Any] = decode_words) -> list[Any]:
        self.tell({"kind": "plan", "picture": picture(self.explain(plan)).model_dump(mode="json")})
        if not self.may_run():
            raise SystemExit
        self.messages.taken()
        results = super()._run(plan, decode)
        job = self.last_job
        assert job is not None
        self.tell(
            {
                "kind": "ran",
                "rounds": job.rounds,
                "bytes_per_party": job.bytes_per_party,
                "seconds": job.seconds,
                "messages": self.messages.taken(),
            }
        )
        return results


def run_code(code: str, net: Session, tell: Tell) -> bool:
    """Run the code with `net`, `tc` and `np`, and print what its last line gives, as a notebook does. Errors are told
    with the line of the code; gives whether there was none."""
    names: dict[str, Any] = {"__name__": "__main__", "net": net}
    sys.path.append("")
    try:
        exec("import numpy as np\nimport tercet as tc", names)  # noqa: S102
        tree = ast.parse(code, FILE)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, FILE, "exec"), names)  # noqa: S102, to run it is what its person asks
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), FILE, "eval"), names)  # noqa: S307
            if value is not None:
                sys.stdout.write(f"{value!r}\n")
    except SystemExit:
        return True
    except BaseException as error:
        tell({"kind": "error", **_told(error)})
        return False
    return True


def _told(error: BaseException) -> dict[str, Any]:
    """What is said of an error: its text, the hint, and the line of the code that it comes from."""
    if isinstance(error, SyntaxError):
        return {"message": f"{type(error).__name__}: {error.msg}", "hint": "", "line": error.lineno}
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == FILE]
    message = error.message if isinstance(error, TercetError) else str(error)
    hint = error.hint if isinstance(error, TercetError) else ""
    return {"message": f"{type(error).__name__}: {message}", "hint": hint, "line": lines[-1] if lines else None}


def main() -> int:
    """Be the process. Its arguments: the number of the pipe's descriptor, and that of the process which started it."""
    pipe_fd, server = map(int, sys.argv[1:])
    # the server looks at the clock, and ends it: without the server nobody would
    end_with_parent()
    if os.getppid() != server:
        return 1  # it ended while this loaded
    with os.fdopen(pipe_fd, "w", encoding="utf-8") as pipe:
        asked, orders = json.loads(sys.stdin.readline()), sys.stdin
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115, the orders are not for the person's code
        tell = _teller(pipe)
        messages = Messages()
        with wired(messages, _TIMEOUT_S, ShownSession) as net:
            net.tell, net.messages = tell, messages
            net.may_run = (lambda: orders.readline().strip() == "go") if asked["stops"] else (lambda: True)
            done = run_code(asked["code"], net, tell)
            sys.stdout.flush()
        tell({"kind": "end", "done": done})
    return 0


def _teller(pipe: TextIO) -> Tell:
    def tell(told: Mapping[str, Any]) -> None:
        # what the code has printed before stands before it
        sys.stdout.flush()
        sys.stderr.flush()
        pipe.write(json.dumps(told) + "\n")
        pipe.flush()

    return tell
