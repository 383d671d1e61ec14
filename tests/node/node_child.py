"""One node as a child process of a test: sockets already bound, a byte when it serves, and an end at a named step.

    python node_child.py NODE_TOML LISTENER_FD READY_FD LANE_FDS [STEP [NTH]]

With STEP the process kills itself when the node comes there for the NTH time.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections import Counter
from pathlib import Path


def main(arguments: list[str]) -> None:
    settings, listener, ready, lanes, *step = arguments
    from tercet.node.daemon import run
    from tercet.node.settings import Settings

    seen: Counter[str] = Counter()

    def at(name: str) -> None:
        seen[name] += 1
        if step and name == step[0] and seen[name] == (int(step[1]) if len(step) > 1 else 1):
            os.kill(os.getpid(), signal.SIGKILL)

    def serving() -> None:
        os.write(int(ready), b"\x01")
        os.close(int(ready))

    run(
        Settings.load(Path(settings)),
        listener=socket.socket(fileno=int(listener)),
        lanes=[socket.socket(fileno=int(lane)) for lane in lanes.split(",")],
        ready=serving,
        at=at,
    )


if __name__ == "__main__":
    main(sys.argv[1:])
