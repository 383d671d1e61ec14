"""`tercet federation`: the one public file that names the three nodes."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tercet.cli.options import JsonOption, example, federation_path
from tercet.cli.output import console, facts, grouped, moment, print_json, say
from tercet.errors import ConfigError
from tercet.node.trial import FEDERATION

if TYPE_CHECKING:
    from tercet.federation.federation import Draft, NodeEntry

app = typer.Typer(no_args_is_help=True, help="The public file that names the three nodes.")

ENTRY_SUFFIX = ".entry.toml"
_MAX_ENTRY_BYTES = 1 << 16

_FileOption = Annotated[Path, typer.Option("--federation", "-f", metavar="FILE", help="The federation file.")]


@app.command(epilog=example('tercet federation new "Heart study 2026"'))
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What the three do together; one line.")],
    path: _FileOption = Path(FEDERATION),
) -> None:
    """Begin a federation file; one of the operators does this."""
    from tercet.federation.federation import Draft

    if path.exists():
        raise ConfigError(f"{path} exists", hint="name another file with --federation, or move it away")
    Draft.new(name).save(path)
    console().print(f"{path} is begun. Add the three nodes, the coordinating one first: tercet federation add FILE")


@app.command(epilog=example(f"tercet federation add hospital-a{ENTRY_SUFFIX} hospital-b{ENTRY_SUFFIX}"))
def add(
    entries: Annotated[
        list[Path],
        typer.Argument(metavar="ENTRY...", help=f"What `tercet node init` wrote for others: NAME{ENTRY_SUFFIX}."),
    ],
    path: _FileOption = Path(FEDERATION),
) -> None:
    """Add nodes to the federation file; the first one added coordinates.

    An entry of a node that is there already takes its place: that is how a node moves or gets new keys. All three
    nodes, owners and analysts then need the new file.
    """
    from tercet.federation.federation import NODES, Draft

    draft = Draft.load(path)
    for entry in entries:
        node = read_entry(entry)
        known = any(node.name == old.name for old in draft.nodes)
        if len(draft.nodes) == NODES and not known:
            names = ", ".join(old.name for old in draft.nodes)
            raise ConfigError(f"{path} has its {NODES} nodes already: {names}", hint="begin another federation file")
        draft = draft.add(node)
        say(f"{node.name} {'is replaced' if known else 'is added'}.")
    draft.save(path)
    missing = NODES - len(draft.nodes)
    if missing:
        say(f"{path} needs {missing} more.")
    else:
        console().print(f"{path} is complete. Send it to the other operators, and compare: tercet federation show")


@app.command(epilog=example("tercet federation show", "tercet federation show --json"))
def show(
    path: Annotated[
        Path | None, typer.Argument(metavar="FILE", help=f"The federation file; without it {FEDERATION}.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show the nodes, and the fingerprint of the whole file.

    Every operator, owner and analyst compares the fingerprint over another channel than the one the file came by
    (telephone, paper). Who has the same fingerprint has the same three nodes, addresses and certificates.
    """
    from tercet.federation.federation import Draft

    path = federation_path(path)
    draft = Draft.load(path)
    if as_json:
        print_json({**draft.model_dump(mode="json"), "digest": _digest(draft)})
        return
    screen = console()
    digest = _digest(draft)
    facts({"federation": draft.name, "file": path, "fingerprint of the file": digest and grouped(digest)})
    for number, node in enumerate(draft.nodes, 1):
        screen.print()
        facts(_told(node, number))
    if not digest:
        screen.print(f"\nThe file is not complete: it names {len(draft.nodes)} of three nodes.")


def _told(node: NodeEntry, number: int) -> dict[str, object]:
    left = node.card.days_left()
    return {
        f"party {number}": f"{node.name}{' (coordinates)' if number == 1 else ''}",
        "  operator": node.operator,
        "  address": node.url,
        "  workers": f"{node.lanes} and above",
        "  fingerprint": grouped(node.fingerprint),
        "  valid until": f"{moment(node.card.not_after)} ({left} days)" if left >= 0 else "its certificate has ended",
    }


def _digest(draft: Draft) -> str:
    from tercet.federation.federation import NODES

    return draft.complete().digest if len(draft.nodes) == NODES else ""


def write_entry(path: Path, entry: NodeEntry) -> None:
    """Write the public file that tells others of one node."""
    import tomli_w

    path.write_text(tomli_w.dumps(entry.model_dump(mode="json"), multiline_strings=True), encoding="utf-8")


def read_entry(path: Path) -> NodeEntry:
    """Read what `write_entry` wrote. Raises ConfigError."""
    from pydantic import ValidationError

    from tercet.federation.federation import NodeEntry
    from tercet.federation.model import faults

    hint = f"give the file NAME{ENTRY_SUFFIX} that `tercet node init` wrote"
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_ENTRY_BYTES).decode("utf-8")
        return NodeEntry.model_validate_json(json.dumps(tomllib.loads(text), default=str))
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}", hint=hint) from None
    except ValidationError as error:
        raise ConfigError(f"{path} is no node's entry: {faults(error)}", hint=hint) from None
    except ValueError as error:
        raise ConfigError(f"{path} is no node's entry: {error}", hint=hint) from None
