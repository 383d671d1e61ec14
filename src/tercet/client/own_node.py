"""An operator's own node, asked on its own machine with its own identity."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tercet.client.nodes import NodeClient
from tercet.federation.api import PublicJson
from tercet.federation.api_admin import AuditPage
from tercet.federation.federation import Federation
from tercet.federation.identity import Member
from tercet.node.settings import FILE, LOOPBACK, NodeSettings

_PAGE = 1000


def load_settings(path: Path) -> NodeSettings:
    """Read a node's settings, from the file or its folder. Raises ConfigError."""
    return NodeSettings.load(path / FILE if path.is_dir() else path)


def local_url(settings: NodeSettings) -> str:
    """Where the node is reached on its own machine."""
    host = LOOPBACK if settings.listen.host in ("0.0.0.0", "::") else bracketed(settings.listen.host)
    return f"https://{host}:{settings.listen.port}"


def bracketed(host: str) -> str:
    """An IPv6 address as it stands in an address with a port."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def own_client(settings: NodeSettings) -> NodeClient:
    """The node of these settings, asked with its own identity; to be closed. Raises ConfigError."""
    federation, member = Federation.load(settings.federation_path), Member.load(settings.identity_path)
    party = federation.party(settings.name)
    # under the name that others use it may not be reached from behind its own firewall
    door = federation.node(party).model_copy(update={"url": local_url(settings)})
    return NodeClient(federation, party, member, via=door)


@contextmanager
def own_node(path: Path) -> Iterator[NodeClient]:
    """The operator's own node. Commands of operators call it. Raises ConfigError, Unreachable."""
    client = own_client(load_settings(path))
    try:
        yield client
    finally:
        client.close()


def audit_entries(own: NodeClient) -> Iterator[PublicJson]:
    """All entries of a node's audit, oldest first. Operators ask."""
    after = 0
    while True:
        page = own.get(f"/v1/admin/audit?after={after}&limit={_PAGE}", AuditPage)
        yield from page.entries
        if page.next is None:
            return
        after = page.next
