"""The federation file: addresses and certificates of the three nodes. Public; operators compare it out of band."""

from __future__ import annotations

import hashlib
import json
import tomllib
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

import tomli_w
from pydantic import Field, StringConstraints, ValidationError, field_validator, model_validator

from tercet.errors import ConfigError
from tercet.federation.identity import Card
from tercet.federation.model import Body, Identifier, Line, MemberName, canonical_json, faults, fresh_id
from tercet.sharing import PARTIES, Party

NODES = len(PARTIES)
_MAX_PORT = 65535
_MAX_FILE_BYTES = 1 << 16
_WHERE = "an operator of the federation has the file; to try things, tercet up makes tercet-nodes/federation.toml"

_Certificate = Annotated[str, StringConstraints(max_length=8192)]
_Address = Annotated[str, StringConstraints(max_length=300)]


class NodeEntry(Body):
    """One node: `url` is where its interface answers, `lanes` the host:port of its first lane."""

    name: MemberName
    operator: Line
    url: _Address
    lanes: _Address
    certificate: _Certificate

    @field_validator("certificate")
    @classmethod
    def _one_form(cls, value: str) -> str:
        try:
            return Card.from_pem(value).pem()
        except ConfigError as error:
            raise ValueError(str(error)) from None

    @field_validator("url")
    @classmethod
    def _plain_url(cls, value: str) -> str:
        parts = urlsplit(value)
        plain = f"https://{parts.netloc}"
        if value.rstrip("/") != plain or not parts.hostname or "@" in parts.netloc or parts.port == 0:
            raise ValueError("a node's address is https://host:port and nothing behind it")
        return plain

    @field_validator("lanes")
    @classmethod
    def _host_and_port(cls, value: str) -> str:
        _host_port(value)
        return value

    @model_validator(mode="after")
    def _same_name(self) -> Self:
        if self.card.name != self.name:
            raise ValueError(f"the certificate of node {self.name} is that of {self.card.name}")
        return self

    @cached_property
    def card(self) -> Card:
        return Card.from_pem(self.certificate)

    @property
    def fingerprint(self) -> str:
        return self.card.fingerprint

    def lane(self, k: int) -> tuple[str, int]:
        """(host, port) of lane k. Raises ConfigError if there is no such port."""
        host, port = _host_port(self.lanes)
        if not 0 <= k <= _MAX_PORT - port:
            raise ConfigError(f"node {self.name} has no lane {k}: its first is at port {port}")
        return host, port + k


class Draft(Body):
    """A federation in the making: up to three nodes. The command line reads, adds to and writes it."""

    version: Literal[1]
    id: Identifier
    name: Line
    nodes: Annotated[tuple[NodeEntry, ...], Field(max_length=NODES)] = ()

    @classmethod
    def new(cls, name: str) -> Self:
        return cls(version=1, id=fresh_id(), name=name, nodes=())

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        for what in ("name", "certificate", "url", "lanes"):
            values = [getattr(node, what) for node in self.nodes]
            if len(set(values)) != len(values):
                raise ValueError(f"two nodes have the same {what}")
        return self

    def add(self, node: NodeEntry) -> Self:
        """With one node more, or with a new entry in the place of the node of the same name. Raises ConfigError."""
        nodes = [node if old.name == node.name else old for old in self.nodes]
        nodes += [] if node in nodes else [node]
        return self._checked({**self.model_dump(), "nodes": [entry.model_dump() for entry in nodes]}, "federation")

    def to_toml(self) -> str:
        """The text of the file."""
        return tomli_w.dumps(self.model_dump(mode="json"), multiline_strings=True)

    def save(self, path: Path) -> None:
        """Write the file. Raises ConfigError."""
        try:
            path.write_text(self.to_toml(), encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"cannot write {path}: {error.strerror}") from None

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a federation file. Raises ConfigError with the place of the fault."""
        try:
            with path.open("rb") as file:
                text = file.read(_MAX_FILE_BYTES + 1).decode("utf-8")
            if len(text) > _MAX_FILE_BYTES:
                raise ConfigError(f"{path} is too long to be a federation file", hint=_WHERE)
            data = tomllib.loads(text)
        except OSError as error:
            raise ConfigError(f"cannot read the federation file {path}: {error.strerror}", hint=_WHERE) from None
        except (ValueError, RecursionError) as error:
            raise ConfigError(f"{path} is no federation file: {error}", hint=_WHERE) from None
        return cls._checked(data, f"{path} is no federation file")

    @classmethod
    def _checked(cls, data: dict[str, object], where: str) -> Self:
        try:
            # TOML knows dates, which JSON and this file do not
            return cls.model_validate_json(json.dumps(data, default=str))
        except ValidationError as error:
            raise ConfigError(f"{where}: {faults(error)}", hint=_WHERE) from None

    def complete(self) -> Federation:
        """The federation, once there are three nodes. Raises ConfigError."""
        return Federation._checked(self.model_dump(mode="json"), "federation")


class Federation(Draft):
    """Three nodes; the order gives their party numbers, and the first coordinates."""

    @model_validator(mode="after")
    def _three(self) -> Self:
        if len(self.nodes) != NODES:
            raise ValueError(f"a federation has {NODES} nodes, this one {len(self.nodes)}")
        return self

    @cached_property
    def digest(self) -> str:
        """SHA-256 in hexadecimal of the canonical form: what operators compare, and nodes at every contact."""
        return hashlib.sha256(
            b"tercet/1 federation\0" + canonical_json(self.model_dump(mode="json", by_alias=True))
        ).hexdigest()

    def party(self, name: str) -> Party:
        """The party number of a node. Raises ConfigError for a name that is none."""
        for party, node in zip(PARTIES, self.nodes, strict=True):
            if node.name == name:
                return party
        names = ", ".join(node.name for node in self.nodes)
        raise ConfigError(f"there is no node {name!r} in this federation", hint=f"its nodes are {names}")

    def node(self, party: Party | int) -> NodeEntry:
        return self.nodes[PARTIES.index(Party(party))]

    def find(self, fingerprint: str) -> NodeEntry | None:
        """The node with this certificate, if it is one of the three."""
        return next((node for node in self.nodes if node.fingerprint == fingerprint), None)

    @property
    def coordinator(self) -> NodeEntry:
        return self.nodes[0]

    @property
    def cards(self) -> tuple[Card, ...]:
        return tuple(node.card for node in self.nodes)


def _host_port(text: str) -> tuple[str, int]:
    """Read host:port, with [brackets] around an IPv6 address. Raises ValueError."""
    parts = urlsplit(f"//{text}")
    if not parts.hostname or not parts.port or parts.netloc != text or "@" in text:
        raise ValueError("the address of the lanes is host:port")
    return parts.hostname, parts.port
