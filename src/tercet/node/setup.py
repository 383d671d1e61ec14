"""Makes the files that a node needs before it first runs; `tercet node init` and `tercet up` call it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tercet.errors import ConfigError
from tercet.federation.federation import Draft, Federation, NodeEntry
from tercet.federation.identity import Member
from tercet.node.settings import FILE, template
from tercet.policy.template import TEMPLATE

IDENTITY = "identity.pem"
CARD = "card.pem"
POLICY = "policy.toml"
FEDERATION = "federation.toml"
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class NodePlace:
    """Where a node listens on this machine: the HTTP port, the port of lane 0, and how many lanes there are."""

    port: int
    first_lane: int
    lanes: int = 2
    host: str = LOOPBACK


def init_node(
    folder: Path,
    name: str,
    *,
    operator: str = "",
    host: str = "0.0.0.0",
    port: int = 7643,
    first_port: int = 7650,
    lanes: int = 2,
    url: str = "",
    lanes_address: str = "",
) -> NodeEntry:
    """Make a node's folder: identity (mode 600), its card to hand out, a commented `node.toml` and `policy.toml`.

    Who calls it: `tercet node init`; it gives what the federation file says of the node. `host` and the ports are where
    the node listens, `url` and `lanes_address` (host:port) how others reach it: by default at the same, under the
    node's name where it listens everywhere. Nothing that is there already is overwritten. Raises ConfigError.
    """
    try:
        member = Member.create(name)
        folder.mkdir(parents=True, exist_ok=True)
        present = [file for file in (FILE, IDENTITY, CARD, POLICY) if (folder / file).exists()]
        if present:
            raise ConfigError(f"{folder} holds {', '.join(present)} already", hint="name another folder")
        # the folder holds keys and shares: no other user of the machine may read it, whatever the umask
        folder.chmod(0o700)
        member.save(folder / IDENTITY)
        (folder / CARD).write_text(member.card.pem(), encoding="utf-8")
        text = template(name, host=host, port=port, first_port=first_port, lanes=lanes)
        (folder / FILE).write_text(text, encoding="utf-8")
        (folder / POLICY).write_text(TEMPLATE, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot make the node's folder {folder}: {error.strerror}") from None
    reached = name if host in ("0.0.0.0", "::") else host
    return NodeEntry(
        name=name,
        operator=operator or name,
        url=url or f"https://{reached}:{port}",
        lanes=lanes_address or f"{reached}:{first_port}",
        certificate=member.card.pem(),
    )


def create_federation(
    folder: Path, places: dict[str, NodePlace], *, policy: str | None = None, name: str = "local"
) -> Federation:
    """Make three nodes on this machine: a folder for each with `node.toml`, and one federation file for all.

    Who calls it: `tercet up` and tests; three organisations do these steps apart. `policy` is the text of
    `policy.toml` at all three (the commented template if None). Raises ConfigError.
    """
    draft = Draft.new(name)
    for node, place in places.items():
        entry = init_node(
            folder / node,
            node,
            host=place.host,
            port=place.port,
            first_port=place.first_lane,
            lanes=place.lanes,
        )
        draft = draft.add(entry)
    federation = draft.complete()
    federation.save(folder / FEDERATION)
    for node in places:
        federation.save(folder / node / FEDERATION)
        if policy is not None:
            (folder / node / POLICY).write_text(policy, encoding="utf-8")
    return federation
