"""Three real node processes behind doors, with short timeouts: what the faults are done to."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from faults.doors import Doors
from node.trio_nodes import LANES, NAMES, ROLES, Nodes, bound, everything
from tercet.federation.identity import Member
from tercet.node.settings import NodePlace, create_federation

ODD_CHILD = Path(__file__).with_name("odd_child.py")
SETTINGS = {
    "probe": "0.3",
    "peer": "3.0",
    "worker": "4.0",
    "requests_per_second": "100000.0",
    "strangers_per_second": "100000.0",
    "uploads": "1000",
    "free_bytes": "0",
}


@dataclass
class Guarded(Nodes):
    """As `Nodes`; a node that is killed takes its connections with it, and links can be cut."""

    doors: Doors = field(init=False, repr=False)
    fronts: list[socket.socket] = field(default_factory=list, repr=False)

    def __post_init__(self) -> None:
        self.doors = Doors(self.pids)

    def pids(self) -> dict[str, list[int]]:
        """The processes of every node that runs: its supervisor, the fork server, its workers."""
        return {name: [process.pid, *started_by(process.pid)] for name, process in list(self.processes.items())}

    def start(self, *names: str, die_at: tuple[str, int] | None = None, fresh: bool = False) -> None:
        super().start(*names, die_at=die_at, fresh=fresh)
        self.doors.up(*(names or NAMES))

    def kill(self, *names: str) -> None:
        """End the nodes at once, and their connections; their workers must notice, and end by themselves."""
        for name in names or NAMES:
            # it must not start another worker between the look and the end
            self.processes[name].send_signal(signal.SIGSTOP)
        workers = [pid for name in names or NAMES for pid in self.pids()[name][1:]]
        for name in names or NAMES:
            self.processes[name].send_signal(signal.SIGKILL)
        self.doors.down(*(names or NAMES))
        super().kill(*names)
        self.wait_for(lambda: not any(alive(pid) for pid in workers))

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to all processes of a node."""
        for pid in self.pids()[name]:
            os.kill(pid, number)

    def odd(self, name: str, *arguments: str) -> None:
        """Run a node by odd_child.py from its next start on; no arguments: as all others."""
        self.children.pop(name, None)
        if arguments:
            self.children[name] = [str(ODD_CHILD), ",".join(arguments)]

    def close(self) -> None:
        super().close()
        self.doors.close()
        for front in self.fronts:
            front.close()


def started_by(pid: int) -> list[int]:
    """The processes that a process has started, and those that these have: the fork server and its workers."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*"):
        with suppress(OSError):  # a thread that has ended meanwhile
            found += map(int, (task / "children").read_text().split())
    return found + [further for child in found for further in started_by(child)]


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits to be asked for its status does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def make_guarded(folder: Path, **settings: str) -> Guarded:
    """Make three nodes behind doors that do not run yet; `close` them at the end."""
    listeners = {name: bound(1)[0] for name in NAMES}
    lane_sockets = {name: bound(LANES) for name in NAMES}
    fronts = {name: [*bound(1), *bound(LANES)] for name in NAMES}
    places = {
        name: NodePlace(front[0].getsockname()[1], front[1].getsockname()[1], LANES) for name, front in fronts.items()
    }
    people = {person: Member.create(person) for person in (*ROLES, "nobody")}
    federation = create_federation(folder, places, policy=everything(people))
    nodes = Guarded(folder, federation, people, listeners, lane_sockets)
    for name in NAMES:
        behind = [listeners[name], *lane_sockets[name]]
        for front, back in zip(fronts[name], behind, strict=True):
            front.listen(256)
            nodes.fronts.append(front)
            nodes.doors.open(name, front, back.getsockname()[1])
        for setting, value in {**SETTINGS, **settings}.items():
            nodes.set(name, setting, value)
    return nodes


@contextmanager
def guarded(folder: Path, **settings: str) -> Iterator[Guarded]:
    """Three nodes that answer; killed at the end."""
    nodes = make_guarded(folder, **settings)
    try:
        nodes.start()
        yield nodes
    finally:
        nodes.close()
