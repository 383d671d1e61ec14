"""`tercet demo`, `tercet up` and `tercet down`: commands to try Tercet on one machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tercet.cli.options import UP_FOLDER, example
from tercet.cli.output import console, grid, rows, say, steps
from tercet.errors import ConfigError
from tercet.node import processes
from tercet.node.trial import FEDERATION, FIRST_PORT, NODES, PEOPLE, create, launch, locked

if TYPE_CHECKING:
    from tercet.federation.federation import Federation

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
    with steps(screen) as step, locked(folder), processes.starter() as starter:
        if any(processes.running(folder / node) is None for node in NODES):
            starter.load()  # while keys are made, or read
        if not (folder / FEDERATION).exists():
            step("making three nodes and three identities")
            create(folder, port, {role: [role] for role in PEOPLE})
        federation, started = launch(folder, step, starter)
    what = "are ready" if started else "were running already"
    say(f"\nThree nodes {what}, after {time.monotonic() - began:.1f} s.\n")
    _show_nodes(folder, federation)
    say(_next_steps(folder))


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
    say(f"{told} Their data stays in {folder}; `tercet up` starts them again.")


def demo(
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="FILE.csv", help="A CSV file of numbers, instead of the diabetes data."),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option("--target", metavar="COLUMN", help="The column of FILE.csv to predict from all others."),
    ] = None,
) -> None:
    """Three hospitals, three nodes, an analyst: all of it, once.

    Starts three nodes on this machine. Each hospital splits its rows into three shares and sends every node two of
    them. An analyst asks for means and for a linear regression; the nodes compute on shares, and only the answers are
    put together, and printed beside those of scikit-learn on the pooled data. Then: what the nodes have seen, what
    they refuse, what they have recorded. Nothing is left behind.
    """
    from tercet.cli.demo import run

    run(data, target)


COMMANDS: dict[Callable[..., None], str] = {
    demo: example("tercet demo", "tercet demo --data houses.csv --target price"),
    up: example("tercet up", "tercet up study --port 9000"),
    down: example("tercet down", "tercet down study"),
}


def _show_nodes(folder: Path, federation: Federation) -> None:
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
