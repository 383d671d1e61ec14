"""Faults that come and go, at a random place and for a random time: how each is done, and undone."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from faults.harness import World

LINKS = ("ab", "bc", "ac")
DISK_BYTES = 16 << 20


@dataclass
class Blow:
    """A fault about to happen."""

    words: str
    strike: Callable[[], None]
    mend: Callable[[], None]
    lasts_s: float = 0.0


Fault = Callable[["World"], Blow]


class Restartable(Protocol):
    """A database server."""

    def stop(self, mode: str = ...) -> None: ...

    def start(self) -> None: ...


def kills(world: World) -> Blow:
    """kill -9 of one node, or two; they start again at once, or a little later."""
    victims = world.draw.choice([["a"], ["b"], ["c"], ["a"], ["b", "c"], ["a", "b"], ["a", "c"]])
    nodes = world.nodes
    lasts = world.draw.choice([0.0, 0.0, 1.0])
    return Blow(f"kill -9 of {', '.join(victims)}", lambda: nodes.kill(*victims), lambda: nodes.start(*victims), lasts)


def workers_killed(world: World) -> Blow:
    """kill -9 of a node's workers and of the server that forks them; the node itself goes on."""
    name, nodes = world.draw.choice("abc"), world.nodes

    def strike() -> None:
        for pid in nodes.pids()[name][1:]:
            os.kill(pid, signal.SIGKILL)

    return Blow(f"kill -9 of the workers of {name}", strike, lambda: None)


def stalls(world: World) -> Blow:
    """A node stands still, then goes on."""
    name, lasts, nodes = world.draw.choice("abc"), world.draw.uniform(0.5, 6.0), world.nodes
    return Blow(
        f"{name} stands still for {lasts:.1f} s",
        lambda: nodes.signal(name, signal.SIGSTOP),
        lambda: nodes.signal(name, signal.SIGCONT),
        lasts,
    )


def cuts(world: World) -> Blow:
    """A link between two nodes breaks, then is whole again."""
    one, other = world.draw.choice(LINKS)
    lasts, doors = world.draw.uniform(0.2, 3.0), world.nodes.doors
    return Blow(f"the link {one}-{other} is cut for {lasts:.1f} s", lambda: doors.cut(one, other), doors.heal, lasts)


def holes(world: World) -> Blow:
    """What two nodes send each other is not delivered for a while."""
    one, other = world.draw.choice(LINKS)
    lasts, doors = world.draw.uniform(0.5, 6.0), world.nodes.doors
    words = f"the link {one}-{other} delivers nothing for {lasts:.1f} s"
    return Blow(words, lambda: doors.swallow(one, other), doors.heal, lasts)


def cut_off(world: World) -> Blow:
    """A node is reached by nobody, nor reaches anybody."""
    name, lasts, doors = world.draw.choice("abc"), world.draw.uniform(0.2, 3.0), world.nodes.doors
    return Blow(f"{name} is cut off for {lasts:.1f} s", lambda: doors.down(name), lambda: doors.up(name), lasts)


def no_writes(world: World) -> Blow:
    """No file of a node may grow any more: what a full disk or a quota does, without any right to make one."""
    name, lasts, nodes = world.draw.choice("abc"), world.draw.uniform(0.3, 2.0), world.nodes

    def limit(bytes_: int) -> None:
        for pid in nodes.pids()[name]:
            hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)[1]
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (bytes_, hard))

    return Blow(
        f"no file of {name} can grow for {lasts:.1f} s",
        lambda: limit(0),
        lambda: limit(resource.RLIM_INFINITY),
        lasts,
    )


def full_disk(name: str) -> Fault:
    """The disk of this node, which is a `small_disk`, is full for a while."""

    def fault(world: World) -> Blow:
        ballast = world.nodes.folder / name / "store" / "ballast"
        lasts = world.draw.uniform(0.3, 2.0)

        def fill() -> None:
            with ballast.open("wb", buffering=0) as file:
                for size in (1 << 16, 1 << 12, 1):
                    try:
                        while file.write(bytes(size)) == size:
                            pass
                    except OSError:
                        continue

        return Blow(f"the disk of {name} is full for {lasts:.1f} s", fill, ballast.unlink, lasts)

    return fault


@contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """A file system of `DISK_BYTES` at a folder; gives whether there may be one, which takes the right to mount."""
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES},mode=700", "tercet-test", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        mounted = False
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(folder)], check=True)


def database_lost(server: Restartable, names: str) -> Fault:
    """The database server of these nodes dies, and is started again a little later."""

    def fault(world: World) -> Blow:
        lasts = world.draw.choice([0.0, 1.0])
        return Blow(f"the database of {', '.join(names)} is gone for {lasts:.1f} s", server.stop, server.start, lasts)

    return fault


COMING_AND_GOING: dict[str, tuple[str, Fault]] = {
    "kill": ("kill -9 of nodes", kills),
    "workers": ("kill -9 of workers", workers_killed),
    "stall": ("stalled node", stalls),
    "cut": ("cut link", cuts),
    "hole": ("silent link", holes),
    "off": ("node cut off", cut_off),
    "nowrite": ("no file may grow", no_writes),
}
"""By the name that the command line knows: what the table calls it, and how it is done."""
