"""The files of a node: its settings, `node.toml`, read once at its start; and how a node's folder is made before that.

Each error of the settings names file and key.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from tercet.errors import ConfigError
from tercet.federation.federation import Draft, Federation, NodeEntry
from tercet.federation.identity import Member
from tercet.federation.model import MemberName
from tercet.policy.template import TEMPLATE

MIB = 1 << 20
FILE = "node.toml"

_Path = Annotated[str, StringConstraints(min_length=1, max_length=4096)]
_Host = Annotated[str, StringConstraints(min_length=1, max_length=253)]
_Port = Annotated[int, Field(ge=0, le=65535)]
_Seconds = Annotated[float, Field(gt=0, le=7 * 86400)]


class _Section(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


def _origin(text: str) -> str:
    parts = urlsplit(text)
    secure = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _HERE)
    plain = f"{parts.scheme}://{parts.netloc}".lower()
    if not secure or not parts.hostname or text != plain or "@" in text or parts.port == _DEFAULT_PORTS[parts.scheme]:
        raise ValueError(
            "an origin is https://host or https://host:port as browsers write it: in lower case, no / behind"
        )
    return text


_HERE = ("127.0.0.1", "localhost")
"""Where a page may come without TLS: browsers let pages of no other plain address seal or sign."""
_DEFAULT_PORTS = {"https": 443, "http": 80}
_Origin = Annotated[str, StringConstraints(max_length=300), AfterValidator(_origin)]


class Listen(_Section):
    """Where the HTTP interface listens, from which addresses /metrics may be read, as it names datasets, and pages of
    which origins browsers may let upload."""

    host: _Host = "0.0.0.0"
    port: _Port = 7643
    metrics_from: Annotated[list[_Host], Field(max_length=64)] = ["127.0.0.1", "::1"]
    allowed_origins: Annotated[list[_Origin], Field(max_length=64)] = []


class LaneSettings(_Section):
    """Where workers listen for workers of the other nodes: `count` ports from `first_port` on."""

    host: _Host = "0.0.0.0"
    first_port: Annotated[int, Field(ge=0, le=65535)] = 7650
    count: Annotated[int, Field(ge=1, le=16)] = 2


class NodeLimits(_Section):
    """Limits for one person, one request or one job, and for all of them together."""

    chunk_bytes: Annotated[int, Field(ge=64 << 10, le=1 << 30)] = 64 * MIB
    request_bytes: Annotated[int, Field(ge=64 << 10, le=1 << 30)] = 32 * MIB
    bodies_bytes: Annotated[int, Field(ge=1 * MIB, le=1 << 40)] = 512 * MIB
    analyses: Annotated[int, Field(ge=1, le=1000)] = 2
    analyses_of_one: Annotated[int, Field(ge=1, le=1000)] = 1
    requests_per_second: Annotated[float, Field(gt=0, le=1e6)] = 50.0
    strangers_per_second: Annotated[float, Field(gt=0, le=1e6)] = 10.0
    connections: Annotated[int, Field(ge=8, le=100_000)] = 512
    connections_of_one: Annotated[int, Field(ge=2, le=100_000)] = 64
    uploads: Annotated[int, Field(ge=1, le=10_000)] = 16
    upload_bytes: Annotated[int, Field(ge=1 * MIB)] = 64 << 30
    checks_of_one: Annotated[int, Field(ge=1, le=1_000_000)] = 1000
    free_bytes: Annotated[int, Field(ge=0)] = 512 * MIB
    # at least two: a bundle is accepted for a day, and the node must remember its job for longer
    keep_jobs_days: Annotated[int, Field(ge=2, le=36_500)] = 90
    queued_jobs: Annotated[int, Field(ge=1, le=100_000)] = 100
    queued_jobs_of_one: Annotated[int, Field(ge=1, le=100_000)] = 50
    job_memory_bytes: Annotated[int, Field(ge=64 * MIB)] = 2 << 30
    job_seconds: _Seconds = 3600.0
    job_operations: Annotated[int, Field(ge=1, le=10_000_000)] = 100_000
    threads: Annotated[int, Field(ge=1, le=1024)] = 1


class Timeouts(_Section):
    """Seconds without an answer after which something counts as failed."""

    peer: _Seconds = 10.0
    worker: _Seconds = 60.0
    body: _Seconds = 30.0
    probe: _Seconds = 15.0
    doubt: _Seconds = 2.0
    upload: _Seconds = 86400.0


class RefreshSettings(_Section):
    """How often shares are re-randomised; read at the coordinator."""

    every_hours: Annotated[float, Field(ge=0, le=100_000)] = 0.0


class LogSettings(_Section):
    """How much is logged."""

    level: Literal["debug", "info", "warning", "error"] = "info"


class NodeSettings(_Section):
    """The settings of one node; the `*_path` properties are absolute, taken from where the file stands.

    Who calls it: `tercet node run` and its neighbours, through `load`.
    """

    name: MemberName
    folder: _Path = "store"
    identity: _Path = "identity.pem"
    federation: _Path = "federation.toml"
    policy: _Path = "policy.toml"
    backup_folder: _Path = "backups"
    # a password may stand in it
    database: Annotated[str, StringConstraints(max_length=1000), Field(repr=False)] = ""
    listen: Listen = Listen()
    lanes: LaneSettings = LaneSettings()
    limits: NodeLimits = NodeLimits()
    timeouts: Timeouts = Timeouts()
    refresh: RefreshSettings = RefreshSettings()
    log: LogSettings = LogSettings()
    base: Path = Field(default=Path(), exclude=True)

    @model_validator(mode="after")
    def _bodies_fit(self) -> Self:
        largest = max(self.limits.chunk_bytes, self.limits.request_bytes)
        if self.limits.bodies_bytes < largest:
            raise ValueError(f"limits.bodies_bytes holds less than one request of {largest:,} bytes")
        return self

    @classmethod
    def load(cls, path: Path) -> NodeSettings:
        """Read `node.toml`. Raises ConfigError with file, key, what is wrong and what to do."""
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
            hint = "name the node's folder with --node, or make one: tercet node init"
            raise ConfigError(f"cannot read the settings {path}: {why}", hint=hint) from None
        try:
            values: dict[str, Any] = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"{path} is not TOML: {error}", hint="correct the line named") from None
        if "base" in values:
            raise ConfigError(f"{path}: base: no such setting", hint="remove it")
        try:
            return cls.model_validate({**values, "base": path.resolve().parent})
        except ValidationError as error:
            told, hint = _told(error)
            raise ConfigError(f"{path}: {told}", hint=hint) from None

    @property
    def folder_path(self) -> Path:
        return self.base / self.folder

    @property
    def identity_path(self) -> Path:
        return self.base / self.identity

    @property
    def federation_path(self) -> Path:
        return self.base / self.federation

    @property
    def policy_path(self) -> Path:
        return self.base / self.policy

    @property
    def backup_path(self) -> Path:
        return self.base / self.backup_folder

    @property
    def database_url(self) -> str:
        """The catalogue's URL: the one set, or SQLite in the folder."""
        return self.database or f"sqlite:///{self.folder_path / 'catalogue.sqlite'}"


def _told(error: ValidationError) -> tuple[str, str]:
    """What is wrong, with its key, and what to do."""
    first = error.errors(include_url=False, include_input=False)[0]
    key = ".".join(str(part) for part in first["loc"])
    message, hint = {
        "extra_forbidden": ("no such setting", "remove it, or correct its spelling"),
        "missing": ("is missing", "add it"),
    }.get(first["type"], (first["msg"].lower(), "correct this key"))
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return f"{key}: {message}{more}", hint


_TEMPLATE = """\
# Settings of one Tercet node. Paths are relative to this file. What stands behind # is the default.
# `tercet node run` reads it once; stop and start the node after a change. (policy.toml is read anew by itself.)

name = "{name}"                      # as in the federation file
# folder = "store"                   # catalogue, share files, audit; on a disk of your own
# identity = "identity.pem"          # certificate and keys of this node, mode 600
# federation = "federation.toml"     # the three nodes; the same file at all three
# policy = "policy.toml"             # who may do what here
# backup_folder = "backups"          # `tercet node backup` writes in here, and nowhere else
# database = ""                      # SQLAlchemy URL of the catalogue; "" is SQLite in the folder
                                     # e.g. "postgresql+psycopg://tercet@localhost/tercet"

[listen]                             # the HTTP interface (TLS 1.3): open to owners, analysts and the other nodes
host = "{host}"
port = {port}
# metrics_from = ["127.0.0.1", "::1"]  # addresses that may read /metrics, which names datasets and their rows
# allowed_origins = []               # pages that may upload from a browser: ["https://forms.example.org"]

[lanes]                              # jobs run in worker processes; lane k listens at first_port + k
host = "{host}"                      # open to the other two nodes only
first_port = {first_port}
count = {lanes}                            # jobs at a time; the same at all three nodes

[limits]
# chunk_bytes = 67108864             # one chunk of an upload
# request_bytes = 33554432           # any other request
# bodies_bytes = 536870912           # bodies of all requests being read at once; half of it for one person
# analyses = 2                       # bundles (jobs, explanations) being read at once; more wait, or get a 429
# analyses_of_one = 1                # of them, of one person
# requests_per_second = 50.0         # of one person
# strangers_per_second = 10.0        # of one address, before anybody has signed
# connections = 512                  # open at once, of all who have not signed anything on them yet
# connections_of_one = 64            # of them, of one address; and of one person who has signed
# uploads = 16                       # open at once, of one owner
# upload_bytes = 68719476736         # of one upload
# checks_of_one = 1000               # uploads of one owner checked in an hour, and chunks checked once more
# free_bytes = 536870912             # of disk kept free: below, uploads and jobs are refused
# keep_jobs_days = 90                # bundles, decisions and results of ended jobs; the audit and receipts stay
# queued_jobs = 100                  # held, waiting and running
# queued_jobs_of_one = 50            # of them, of one analyst
# job_memory_bytes = 2147483648      # one job's worker process; estimated before, enforced then
# job_seconds = 3600.0
# job_operations = 100000
# threads = 1                        # a job's kernels use this many

[timeouts]                           # seconds
# peer = 10.0                        # another node answers an HTTP request
# worker = 60.0                      # another node's worker is silent
# body = 30.0                        # a client sends nothing in the middle of a request
# probe = 15.0                       # between looks at the other nodes
# doubt = 2.0                        # a change is ready, no word comes: the coordinator is asked
# upload = 86400.0                   # an upload that is not committed is discarded

[refresh]                            # at the node that coordinates
# every_hours = 0.0                  # shares of a dataset are re-randomised so often; 0: when an operator says so

[log]                                # JSON lines on standard error
# level = "info"                     # debug, info, warning, error
"""


def template(name: str, *, host: str = "0.0.0.0", port: int = 7643, first_port: int = 7650, lanes: int = 2) -> str:
    """Give the text of a fresh, commented `node.toml`."""
    return _TEMPLATE.format(name=name, host=host, port=port, first_port=first_port, lanes=lanes)


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
