"""Whose pages these are: their identity, the three nodes as that identity, and what takes long for them."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from tercet.client.asking import JOBS_FOLDER
from tercet.client.connect import connect
from tercet.client.nodes import NodeClient, Nodes
from tercet.client.own_node import load_settings, own_client
from tercet.client.remote import RemoteSession
from tercet.errors import PartyError, TercetError
from tercet.federation.api import Me
from tercet.federation.federation import Federation
from tercet.federation.identity import Member
from tercet.node.settings import NodeSettings
from tercet.web.people.tasks import Tasks

_ASK_S = 3.0


class NodeSeen(BaseModel):
    """What a node says of the person, or why it says nothing; `reached`: whether it answers."""

    name: str
    operator: str
    roles: list[str]
    reached: bool = True
    problem: str = ""
    warnings: list[str] = []


class PersonSeen(BaseModel):
    """What every page shows of whose it is."""

    name: str
    fingerprint: str
    federation: str
    federation_digest: str
    until: float
    nodes: list[NodeSeen]
    own: str
    """The node that this person operates, on this machine; empty if there is none."""

    @property
    def roles(self) -> set[str]:
        """All roles that some node gives; the operator's page needs a node of one's own besides."""
        return {role for node in self.nodes for role in node.roles}


class PersonHere:
    """One person with their identity: requests are signed here, so no page ever has a key. `close` ends all.

    `identity`: the file of the identity. `node`: the settings of the person's own node, or its folder. Without an
    identity, that of the node is used. Nothing is asked before a page asks. Raises ConfigError.
    """

    def __init__(self, federation: Path | None, identity: Path | None, node: Path | None = None) -> None:
        self.settings: NodeSettings | None = None if node is None else load_settings(node)
        if self.settings is not None:
            federation = federation or self.settings.federation_path
            identity = identity or self.settings.identity_path
        assert federation is not None and identity is not None
        self.identity = identity
        self.federation = Federation.load(federation)
        self.member = Member.load(identity)
        self.nodes = Nodes(self.federation, self.member)
        self.tasks = Tasks()
        self._folder = tempfile.TemporaryDirectory(prefix="tercet-")
        self.folder = Path(self._folder.name)
        """For files of this session, readable to this user only; removed at the end."""
        self._lock = threading.Lock()
        self._session: RemoteSession | None = None

    def connected(self, **options: Any) -> RemoteSession:
        """A new session with the three nodes as this person; whoever calls closes it. Takes and raises what `connect`
        does."""
        return connect(self.federation, self.member, remember=self.identity.parent / JOBS_FOLDER, **options)

    def session(self) -> RemoteSession:
        """The session that all pages share, for what runs no jobs; made at first use. Raises as `connect` does."""
        with self._lock:
            if self._session is None:
                self._session = self.connected()
            return self._session

    @contextmanager
    def own_node(self) -> Iterator[NodeClient]:
        """The person's own node, asked with the node's identity, as operators do."""
        assert self.settings is not None
        client = own_client(self.settings)
        try:
            yield client
        finally:
            client.close()

    def seen(self) -> PersonSeen:
        """Ask the three nodes who this person is to them."""
        card = self.member.card
        return PersonSeen(
            name=self.member.name,
            fingerprint=card.fingerprint,
            federation=self.federation.name,
            federation_digest=self.federation.digest,
            until=card.not_after.timestamp(),
            nodes=[
                _seen(client, answer)
                for client, answer in zip(self.nodes.clients, self.nodes.try_each(_ask), strict=True)
            ],
            own="" if self.settings is None else self.settings.name,
        )

    def close(self) -> None:
        self.tasks.close()
        with self._lock:
            if self._session is not None:
                self._session.close()
        self.nodes.close()
        self._folder.cleanup()

    def __enter__(self) -> PersonHere:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()


def _ask(node: NodeClient) -> Me:
    return node.get("/v1/me", Me, timeout=_ASK_S)


def _seen(client: NodeClient, answer: Me | TercetError) -> NodeSeen:
    operator = client.entry.operator
    if isinstance(answer, TercetError):
        reached = not isinstance(answer, PartyError)
        return NodeSeen(name=client.name, operator=operator, roles=[], reached=reached, problem=answer.message)
    return NodeSeen(
        name=client.name,
        operator=operator,
        roles=[str(role) for role in answer.roles],
        warnings=answer.warnings,
    )
