"""`tercet up` and `tercet down`: three nodes on this machine, in one folder, for trying things."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tercet.cli import processes
from tercet.cli.node import load_settings
from tercet.cli.options import FEDERATION, UP_FOLDER, example
from tercet.cli.output import console, grid, rows, steps
from tercet.errors import ConfigError

if TYPE_CHECKING:
    from tercet.federation.federation import Federation

NODES = ("node-1", "node-2", "node-3")
PEOPLE = ("owner", "analyst", "operator")
"""Identities that a trial begins with; each name is also the role."""
LANES = 2
FIRST_PORT = 7643

_FolderArgument = Annotated[Path, typer.Argument(metavar="FOLDER", help="Where the nodes are, or are made.")]


def up(
    folder: _FolderArgument = Path(UP_FOLDER),
    port: Annotated[
        int, typer.Option("--port", min=1024, max=31000, help="Where to look for free ports when nodes are made.")
    ] = FIRST_PORT,
) -> None:
    """Start three nodes on this machine, to try things.

    The first time this makes the folder: three nodes, a federation file, and identities of an owner, an analyst and
    an operator, whom the nodes' policy lets do all that a trial needs. Data stays there from one time to the next.

    All three nodes on one machine protect nobody: whoever owns the machine has all shares. It is for learning and
    developing. For real use, three organisations each run `tercet node init` and `tercet node run`.
    """
    screen, began = console(), time.monotonic()
    with steps(screen) as step, locked(folder):
        if not (folder / FEDERATION).exists():
            step("making three nodes and three identities")
            create(folder, port, {role: [role] for role in PEOPLE})
        federation, started = launch(folder, step)
    what = "are ready" if started else "were running already"
    screen.print(f"\nThree nodes {what}, after {time.monotonic() - began:.1f} s.\n", markup=False)
    show_nodes(folder, federation)
    screen.print(_next_steps(folder), markup=False, soft_wrap=True)


def down(folder: _FolderArgument = Path(UP_FOLDER)) -> None:
    """Stop the nodes that `tercet up` started.

    What they hold stays in the folder, for the next `tercet up`. Only those processes are ended, and only if they are
    still the ones that were started.
    """
    if not (folder / FEDERATION).exists():
        raise ConfigError(f"there are no nodes in {folder}", hint="name the folder that you gave to tercet up")
    with locked(folder):
        ended = processes.stop([folder / node for node in NODES])
    told = f"Stopped {', '.join(path.name for path in ended)}." if ended else "No node was running."
    console().print(f"{told} Their data stays in {folder}; `tercet up` starts them again.", markup=False)


COMMANDS: dict[Callable[..., None], str] = {
    up: example("tercet up", "tercet up study --port 9000"),
    down: example("tercet down", "tercet down study"),
}


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


def create(folder: Path, first_port: int, people: Mapping[str, Sequence[str]], *, lanes: int = LANES) -> Federation:
    """Make three nodes on loopback ports that are free now, and an identity NAME.pem for each person (name: roles).

    `lanes`: jobs at a time; each takes half a second of every start.

    Raises ConfigError if something stands in the way; nothing there is overwritten.
    """
    from tercet.federation.identity import Member
    from tercet.node.setup import Place, create_federation
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
    base = processes.free_ports(first_port, len(NODES) * each)
    places = {node: Place(base + each * at, base + each * at + 1, lanes) for at, node in enumerate(NODES)}
    return create_federation(
        folder, places, policy=trial({m.name: (m.card.fingerprint, people[m.name]) for m in members})
    )


def launch(folder: Path, step: Callable[[str], None]) -> tuple[Federation, bool]:
    """Start those nodes of the folder that do not run, and wait for all; give whether any was started."""
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
            at_work[path] = processes.start(path)
        step("waiting until they answer and see each other")
        processes.await_ready(federation, folders, [at_work[path] for path in folders])
    except BaseException:
        processes.stop(missing)
        raise
    return federation, bool(missing)


def _check_ports(missing: Sequence[Path]) -> None:
    """ConfigError if another program listens where one of these nodes should."""
    for path in missing:
        settings = load_settings(path)
        first = settings.lanes.first_port
        ports = (settings.listen.port, *range(first, first + settings.lanes.count))
        busy = next((port for port in ports if not processes.is_free(port)), None)
        if busy is not None:
            raise ConfigError(
                f"another program listens at port {busy}, where {settings.name} should",
                hint=f"end that program, or make nodes elsewhere: tercet up FOLDER --port {busy + 100}",
            )


def show_nodes(folder: Path, federation: Federation) -> None:
    """A table of the nodes with their addresses, processes and logs."""
    lines = []
    for number, node in enumerate(federation.nodes, 1):
        found = processes.running(folder / node.name)
        log = folder / node.name / processes.LOG_FILE
        lines.append((number, node.name, node.url, found.pid if found else "not running", log))
    console().print(rows(grid("party", "node", "address", "process", "log", right=(0,)), lines))


def _next_steps(folder: Path) -> str:
    # commands find the files of the usual folder by themselves
    given = "" if folder == Path(UP_FOLDER) else f" -f {folder / FEDERATION} -i {folder}"
    owner, analyst = (given and f"{given}/{role}.pem" for role in PEOPLE[:2])
    stop = "" if folder == Path(UP_FOLDER) else f" {folder}"
    return f"""
What to do now, with a table of yours:

  tercet schema infer patients.csv --out patients.toml
  tercet upload patients.csv --dataset patients --schema patients.toml{owner}
  tercet query 'SELECT AVG(age), COUNT(*) FROM patients'{analyst}

or from Python:

  net = tercet.connect("{folder / FEDERATION}", identity="{folder / "analyst.pem"}")

All three nodes are on this machine, so this protects nobody yet. `tercet down{stop}` stops them.
"""
