"""Three nodes to try things: made and started, in one folder of this machine. Commands and the playground call it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tercet.errors import ConfigError
from tercet.node import processes

if TYPE_CHECKING:
    from tercet.federation.federation import Federation
    from tercet.process import ForkServer

FEDERATION = "federation.toml"
NODES = ("node-1", "node-2", "node-3")
PEOPLE = ("owner", "analyst", "operator")
"""Identities that a trial begins with; each name is also the role."""
LANES = 2
FIRST_PORT = 7643
_OWN_PORTS, _OWN_PORTS_COUNT = 10_000, 20_000


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """One `up` or `down` at a time in a folder, which is made if it is not there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise ConfigError(f"cannot use the folder {folder}: {error.strerror}") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def create(
    folder: Path, first_port: int | None, people: Mapping[str, Sequence[str]], *, lanes: int = LANES
) -> Federation:
    """Make three nodes on loopback ports that are free now, and an identity NAME.pem for each person (name: roles).

    `first_port`: where to look for free ones; None for elsewhere in each process, as several may look at once.
    `lanes`: jobs at a time; each is a process of its own.

    Raises ConfigError if something stands in the way; nothing there is overwritten.
    """
    from tercet.federation.identity import Member
    from tercet.node.settings import NodePlace, create_federation
    from tercet.policy.template import trial

    strange = [path.name for path in folder.iterdir()]
    if strange:
        raise ConfigError(
            f"{folder} holds other things: {', '.join(sorted(strange)[:3])}",
            hint="name a folder that is empty, or none: tercet up FOLDER",
        )
    folder.chmod(0o700)
    members = [Member.create(name) for name in people]
    for member in members:
        member.save(folder / f"{member.name}.pem")
    each = 1 + lanes
    ports = len(NODES) * each
    base = processes.free_ports(_own_port(ports) if first_port is None else first_port, ports)
    places = {node: NodePlace(base + each * at, base + each * at + 1, lanes) for at, node in enumerate(NODES)}
    return create_federation(
        folder, places, policy=trial({m.name: (m.card.fingerprint, people[m.name]) for m in members})
    )


def _own_port(each: int) -> int:
    return _OWN_PORTS + os.getpid() * each % _OWN_PORTS_COUNT


def launch(
    folder: Path, step: Callable[[str], None], starter: ForkServer, *, tied: bool = False
) -> tuple[Federation, bool]:
    """Start those nodes of the folder that do not run, and wait for all; give whether any was started.

    `tied`: whether they end as soon as the starter does.
    """
    from tercet.federation.federation import Federation

    federation = Federation.load(folder / FEDERATION)
    folders = [folder / node.name for node in federation.nodes]
    at_work = {path: found for path in folders if (found := processes.running(path)) is not None}
    missing = [path for path in folders if path not in at_work]
    _check_ports(missing)
    try:
        if missing:
            step(f"starting {', '.join(path.name for path in missing)}")
        for path in missing:
            at_work[path] = processes.start(path, starter, tied=tied)
        step("waiting until they answer and see each other")
        processes.await_ready(federation, folders, [at_work[path] for path in folders])
    except processes.NotReady:
        raise  # who has restored one of them needs all three to run
    except BaseException:
        processes.stop(missing)
        raise
    return federation, bool(missing)


def _check_ports(missing: Sequence[Path]) -> None:
    """ConfigError if another program listens where one of these nodes should."""
    from tercet.node.settings import FILE, NodeSettings

    for path in missing:
        settings = NodeSettings.load(path / FILE)
        first = settings.lanes.first_port
        ports = (settings.listen.port, *range(first, first + settings.lanes.count))
        busy = next((port for port in ports if not processes.is_free(port)), None)
        if busy is not None:
            raise ConfigError(
                f"another program listens at port {busy}, where {settings.name} should",
                hint=f"end that program, or make nodes elsewhere: tercet up FOLDER --port {busy + 100}",
            )
