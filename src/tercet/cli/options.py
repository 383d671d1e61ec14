"""Options that many commands have, the files that they take when nobody names one, and an operator's own node."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tercet.errors import ConfigError
from tercet.node.trial import FEDERATION

if TYPE_CHECKING:
    from tercet.client.nodes import NodeClient
    from tercet.federation.federation import Federation
    from tercet.federation.identity import Member
    from tercet.node.settings import NodeSettings

UP_FOLDER = "tercet-nodes"
"""Where `tercet up` puts its nodes; its files are found from the folder it was called in."""

FederationOption = Annotated[
    Path | None,
    typer.Option(
        "--federation",
        "-f",
        metavar="FILE",
        help=f"The federation file; without it {FEDERATION}, here or in {UP_FOLDER}/.",
    ),
]


def _identity(names: str) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(
        "--identity", "-i", metavar="FILE", help=f"Who you are; without it {names}, here or in {UP_FOLDER}/."
    )
    return option


OwnerOption = Annotated[Path | None, _identity("owner.pem")]
AnalystOption = Annotated[Path | None, _identity("analyst.pem")]
SETTINGS = "node.toml"

NodeOption = Annotated[
    Path, typer.Option("--node", "-n", metavar="FILE", help=f"The node's settings, or the folder where {SETTINGS} is.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


def example(*lines: str) -> str:
    """The end of a help text: command lines to copy. The mark keeps them from being filled into one paragraph."""
    return "\b\n" + "\n".join(("Example:" if len(lines) == 1 else "Examples:", *(f"  {line}" for line in lines)))


def found(given: Path | None, names: Sequence[str], what: str, hint: str) -> Path:
    """The file given, or the first of these names here or where `tercet up` puts files. Raises ConfigError."""
    if given is not None:
        return given
    for folder in (Path(), Path(UP_FOLDER)):
        for name in names:
            if (folder / name).is_file():
                return folder / name
    raise ConfigError(f"there is no {what} here: no {' or '.join(names)}", hint=hint)


def federation_path(given: Path | None) -> Path:
    """The federation file to use. Raises ConfigError if there is none."""
    hint = "name it with --federation FILE, or start three nodes here to try things: tercet up"
    return found(given, (FEDERATION,), "federation file", hint)


def load_federation(given: Path | None) -> Federation:
    """Read the federation file. Raises ConfigError."""
    from tercet.federation.federation import Federation

    return Federation.load(federation_path(given))


def identity_path(given: Path | None, role: str) -> Path:
    """The identity of somebody in that role. Raises ConfigError if there is none."""
    hint = f"name it with --identity FILE; tercet up makes one to try things, tercet identity new {role} one for real"
    return found(given, (f"{role}.pem",), "identity", hint)


def load_identity(given: Path | None, role: str) -> Member:
    """Read the identity of an owner or analyst. Raises ConfigError."""
    from tercet.federation.identity import Member

    return Member.load(identity_path(given, role))


def load_settings(path: Path) -> NodeSettings:
    """Read a node's settings, from the file or its folder. Raises ConfigError."""
    from tercet.client.own_node import load_settings as load

    return load(path)


def own_node(path: Path) -> AbstractContextManager[NodeClient]:
    """The operator's own node, asked with its own identity, on this machine. Raises ConfigError, Unreachable."""
    from tercet.client.own_node import own_node as own

    return own(path)
