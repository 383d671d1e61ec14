"""A process that loads the code of a node once and then forks nodes: three start in little more time than one.

For nodes of `tercet up` and the demo, which are all on one machine anyway: they share the layout of memory (ASLR) and
what is read-only in it. Nodes that are to protect anything are started one by one, by `tercet node run`.
"""

from __future__ import annotations

import os
from contextlib import closing, suppress
from importlib import import_module
from pathlib import Path
from typing import Self

from tercet.errors import ConfigError, TercetError
from tercet.process import ForkServer, forbid_core_dumps, serve, set_name

LOG_FILE = "node.log"
_CODE = "from tercet.cli.starter import main; raise SystemExit(main())"

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
    """Starts nodes; for `tercet up` and the demo. Its process ends with the context, and the nodes stay."""

    def __init__(self) -> None:
        self._server = ForkServer(_CODE, apart=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.close()

    def load(self) -> None:
        """Let the process load, if it does not do so already; takes about a second, which is not waited for."""
        self._server.load()

    def start(self, folder: Path) -> int:
        """Start the node of this folder in a session of its own, its log appended to a file there; give its process id.

        Raises ConfigError if that is not possible.
        """
        try:
            node = self._server.start(os.fsencode(folder.resolve()))
        except OSError:
            raise ConfigError(f"the node in {folder} could not be started") from None
        node.leave()
        return node.pid


def main() -> int:
    """Load the code of a node, then fork one for each folder that is asked for."""
    forbid_core_dumps()
    import tercet.node.daemon  # noqa: F401

    for name in _LOADED_WHEN_USED:
        with suppress(ImportError):
            import_module(name)
    return serve(_run, "tercet nodes")


def _run(argument: bytes, fds: list[int]) -> int:
    """Be the node of this folder."""
    os.close(*fds)
    os.setsid()
    folder = Path(os.fsdecode(argument))
    set_name("tercet node")
    with open(folder / LOG_FILE, "ab", opener=_private) as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    from tercet.node.daemon import run
    from tercet.node.settings import FILE, NodeSettings
    from tercet.node.worker.launch import WorkerLauncher

    with closing(WorkerLauncher.fork()) as launcher:
        try:
            run(NodeSettings.load(folder / FILE), launcher=launcher)
        except TercetError as error:
            from tercet.cli.errors import tell

            return tell(error)
    return 0


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
