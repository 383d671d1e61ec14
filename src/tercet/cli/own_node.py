"""Finds the settings of an operator's own node, and connects to it on its own machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tercet.cli import processes

if TYPE_CHECKING:
    from tercet.client.nodes import NodeClient
    from tercet.node.settings import NodeSettings

SETTINGS = "node.toml"

NodeOption = Annotated[
    Path, typer.Option("--node", "-n", metavar="FILE", help=f"The node's settings, or the folder where {SETTINGS} is.")
]


def load_settings(path: Path) -> NodeSettings:
    """Read a node's settings, from the file or its folder. Raises ConfigError."""
    from tercet.node.settings import NodeSettings

    return NodeSettings.load(path / SETTINGS if path.is_dir() else path)


def local_url(settings: NodeSettings) -> str:
    """Where the node is reached on its own machine."""
    host = processes.LOOPBACK if settings.listen.host in ("0.0.0.0", "::") else bracketed(settings.listen.host)
    return f"https://{host}:{settings.listen.port}"


def bracketed(host: str) -> str:
    """An IPv6 address as it stands in an address with a port."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


@contextmanager
def own_node(path: Path) -> Iterator[NodeClient]:
    """The operator's own node, asked with its own identity, on this machine. Raises ConfigError, Unreachable."""
    from tercet.client.nodes import NodeClient
    from tercet.federation.federation import Federation
    from tercet.federation.identity import Member

    settings = load_settings(path)
    federation, member = Federation.load(settings.federation_path), Member.load(settings.identity_path)
    party = federation.party(settings.name)
    # under the name that others use it may not be reached from behind its own firewall
    door = federation.node(party).model_copy(update={"url": local_url(settings)})
    client = NodeClient(federation, party, member, via=door)
    try:
        yield client
    finally:
        client.close()
