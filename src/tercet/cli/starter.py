"""A process that loads the code of a node once and then forks nodes: three start in little more time than one.

For nodes of `tercet up` and the demo, which are all on one machine anyway: they share the layout of memory (ASLR) and
what is read-only in it. Nodes that are to protect anything are started one by one, by `tercet node run`.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
from contextlib import closing, suppress
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import NoReturn, Self

from tercet.errors import ConfigError, TercetError
from tercet.process import forbid_core_dumps, fork, set_name

LOG_FILE = "node.log"
_COMMAND = "from tercet.cli.starter import main; main()"

_LOADED_WHEN_USED = (
    "anyio._backends._asyncio",
    "cryptography.hazmat.backends.openssl.backend",
    "h11",
    "httpcore",
    "pydantic.v1",
    "sqlalchemy.dialects.sqlite",
    "sqlite3",
    "uvicorn.lifespan.off",
    "uvicorn.loops.asyncio",
)
"""What libraries load when a node first uses them: here once for all nodes."""


class Starter:
    """Starts nodes; for `tercet up` and the demo. The process ends with the context, and the nodes stay."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.communicate()

    def load(self) -> subprocess.Popen[bytes]:
        """Let the process load, if it does not do so already; takes about a second, which is not waited for."""
        if self._process is None:
            paths = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
            self._process = subprocess.Popen(
                [sys.executable, "-c", _COMMAND],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
                # a signal from the terminal is for who waits for the nodes
                start_new_session=True,
            )
        return self._process

    def start(self, folder: Path) -> int:
        """Start the node of this folder in a session of its own, its log appended to a file there; give its process id.

        Raises ConfigError if that is not possible.
        """
        process = self.load()
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(json.dumps(str(folder.resolve())).encode() + b"\n")
            process.stdin.flush()
            return int(process.stdout.readline())
        except (OSError, ValueError):
            raise ConfigError(f"the node in {folder} could not be started") from None


def main() -> NoReturn:
    """Fork a node for each line of standard input, which is its folder, and print its process id."""
    forbid_core_dumps()
    # nothing that is loaded here is garbage
    gc.disable()
    import tercet.node.daemon  # noqa: F401

    for name in _LOADED_WHEN_USED:
        with suppress(ImportError):
            import_module(name)
    gc.enable()
    for line in sys.stdin.buffer:
        folder = Path(json.loads(line))
        pid = fork(lambda folder=folder: _run(folder), ())  # type: ignore[misc]
        os.write(sys.stdout.fileno(), b"%d\n" % pid)
    # without taking the interpreter down module by module, for which `tercet up` would wait
    os._exit(0)


def _run(folder: Path) -> int:
    """Be the node of this folder."""
    os.setsid()
    set_name("tercet node")
    with open(os.devnull, "rb") as nothing, open(folder / LOG_FILE, "ab", opener=_private) as log:
        os.dup2(nothing.fileno(), 0)
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    from tercet.node.daemon import run
    from tercet.node.settings import FILE, NodeSettings
    from tercet.node.worker.launch import ForkServer

    with closing(ForkServer.fork()) as launcher:
        try:
            run(NodeSettings.load(folder / FILE), launcher=launcher)
        except TercetError as error:
            from tercet.cli.errors import tell

            return tell(error)
    return 0


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
