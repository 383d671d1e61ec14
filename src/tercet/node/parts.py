"""What the rooms of a node share: `NodeIdentity`, `Store`, and `NodeContext`, which adds clock, log, metrics, policy.

Nothing here starts a thread or asks another node. A class of `node` takes a `NodeContext`, or only the part of it that
it needs, and beside it what stands above: `Peers`, lanes, classes of lower rooms. Nothing takes the whole `Node`.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from tercet.errors import ConfigError, DiskFull, IntegrityError, NotFound, TercetError
from tercet.federation.api import ErrorBody
from tercet.federation.api_peer import Hello, VersionHead
from tercet.federation.federation import Federation
from tercet.federation.identity import Card, Member
from tercet.federation.orders import Order, SignedOrder, read_order
from tercet.federation.refusals import error_body
from tercet.node.logs import Log
from tercet.node.settings import NodeSettings
from tercet.policy.rules import Policy
from tercet.sharing import PARTIES, Party
from tercet.store.audit import Audit
from tercet.store.catalogue import RESTORED, Catalogue
from tercet.store.changes import Changes
from tercet.store.datasets import Datasets
from tercet.store.files import folder_lock
from tercet.store.jobs import JobRows
from tercet.store.kept import Kept
from tercet.store.uploads import Uploads
from tercet.store.version import DatasetVersion


@dataclass(frozen=True)
class NodeIdentity:
    """This node's keys, and its place among the three nodes of the federation. Immutable."""

    member: Member = field(repr=False)
    federation: Federation = field(repr=False)
    name: str
    me: Party

    @classmethod
    def load(cls, settings: NodeSettings, now: datetime) -> NodeIdentity:
        """Read keys and federation file. Raises ConfigError if they do not fit together, or the card is out of date."""
        member = Member.load(settings.identity_path)
        federation = Federation.load(settings.federation_path)
        name = settings.name
        me = federation.party(name)
        if federation.node(me).fingerprint != member.card.fingerprint:
            raise ConfigError(
                f"the federation file gives another certificate for {name} than {settings.identity_path} holds",
                hint="put this node's new card into the federation file of all three nodes",
            )
        member.card.check_valid(now)
        return cls(member, federation, name, me)

    @property
    def others(self) -> list[Party]:
        """The parties of the other two nodes, in order."""
        return [party for party in PARTIES if party is not self.me]

    @property
    def coordinator(self) -> Party:
        """The node that orders changes and starts jobs."""
        return self.federation.party(self.federation.coordinator.name)

    @property
    def coordinates(self) -> bool:
        """Whether that is this node."""
        return self.coordinator is self.me

    def party_name(self, party: Party) -> str:
        """The name of a party's node."""
        return self.federation.node(party).name

    def error(self, kind: str, message: str, hint: str = "") -> ErrorBody:
        """An error of this node, as it tells others and people."""
        return ErrorBody(error=kind, message=message, hint=hint, node=self.name)

    def told(self, error: TercetError) -> ErrorBody:
        """The same of an exception: why this node could not begin or end a job or a check."""
        return error_body(error, self.name)[1]

    def card_of(self, name: str) -> Card:
        """The card of a node of the federation. Raises ConfigError."""
        return self.federation.node(self.federation.party(name)).card


@dataclass(frozen=True)
class Store:
    """Everything that one node has on its disk. Thread-safe, as each part of it is."""

    catalogue: Catalogue = field(repr=False)
    audit: Audit = field(repr=False)
    datasets: Datasets = field(repr=False)
    uploads: Uploads = field(repr=False)
    kept: Kept = field(repr=False)
    jobs: JobRows = field(repr=False)
    changes: Changes = field(repr=False)
    folder: Path
    name: str
    """The node's, for messages."""
    least_free_bytes: int
    restored: float | None
    """When the catalogue was restored from a backup, unix seconds; None if it never was."""

    @classmethod
    def open(cls, settings: NodeSettings, identity: NodeIdentity, stack: ExitStack) -> Store:
        """Lock the folder, open the catalogue and bring its tables up to date; `stack` closes both.

        Raises ConfigError if another process uses the folder, or the catalogue cannot be used.
        """
        folder = settings.folder_path
        # a second process would take the work in progress of the first for the traces of a crash
        stack.enter_context(folder_lock(folder))
        catalogue = Catalogue(settings.database_url)
        stack.callback(catalogue.close)
        catalogue.upgrade()
        restored = catalogue.fact(RESTORED)
        audit = Audit(catalogue, identity.member)
        datasets = Datasets(catalogue, folder, identity.me)
        uploads = Uploads(catalogue, folder, identity.me)
        return cls(
            catalogue=catalogue,
            audit=audit,
            datasets=datasets,
            uploads=uploads,
            kept=Kept(catalogue, folder, identity.me),
            jobs=JobRows(catalogue),
            changes=Changes(catalogue, datasets, uploads, audit),
            folder=folder,
            name=identity.name,
            least_free_bytes=settings.limits.free_bytes,
            restored=None if restored is None else float(restored),
        )

    def version(self, dataset: str) -> DatasetVersion | None:
        """The current version of a dataset, if there is one."""
        try:
            return self.datasets.get(dataset)
        except NotFound:
            return None

    def versions(self) -> list[DatasetVersion]:
        """The current versions of all datasets, by name."""
        found = (self.version(name) for name in self.datasets.names())
        return [one for one in found if one is not None]

    def free_bytes(self) -> int:
        """Bytes free on the disk of the folder; 0 if that cannot be found out."""
        try:
            return shutil.disk_usage(self.folder).free
        except OSError:
            return 0

    def check_space(self, nbytes: int) -> None:
        """Raise DiskFull unless `limits.free_bytes` are still free once so much more is stored."""
        if self.free_bytes() - nbytes < self.least_free_bytes:
            raise DiskFull(f"{self.name} has too little space left", hint="tell its operator, or ask later")

    def stored_bytes(self) -> int:
        """Bytes of all files in the folder; walks through it."""
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())


class PolicyFile:
    """The operator's `policy.toml`: the policy in force. It is read again when it changes; if it cannot be used, the
    former stays in force. Thread-safe; `current` reads no file: the node calls `look` twice a second.

    Who calls it: the gate and jobs, at every request. `changed` is called with the new policy before it comes into
    force; if it raises, the one before stays. Raises ConfigError at the start if the file cannot be used.
    """

    def __init__(self, path: Path, changed: Callable[[Policy], None]) -> None:
        self._path = path
        self._changed = changed
        self._lock = threading.Lock()
        self._stamp: tuple[int, int, int] | None = None
        self.fault = ""
        """Why the file as it is now is not in force; empty if it is."""
        self.loaded = time.time()
        """When the policy in force was read, unix seconds."""
        self._policy = self._read()
        changed(self._policy)

    @property
    def current(self) -> Policy:
        """The policy in force now."""
        return self._policy

    @property
    def digest(self) -> str:
        """SHA-256 of the file in force, hexadecimal."""
        return self._policy.digest

    def look(self) -> None:
        """Read the file again if it has changed; never raises."""
        with self._lock:
            try:
                if self._stamp == self._stamp_now():
                    return
                policy = self._read()
                if policy.digest != self._policy.digest:
                    self._changed(policy)
                    self.loaded = time.time()
                self._policy, self.fault = policy, ""
            except ConfigError as error:
                self.fault = error.message
            except OSError as error:
                self.fault = f"cannot read {self._path}: {error.strerror}"
            except TercetError as error:
                # the audit could not record that this policy comes into force: try again at the next look
                self._stamp = None
                self.fault = error.message

    def _stamp_now(self) -> tuple[int, int, int]:
        found = self._path.stat()
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _read(self) -> Policy:
        # the stamp is taken first, so that a file that changes while it is read is read again
        with suppress(OSError):
            self._stamp = self._stamp_now()
        return Policy.load(self._path)


METRICS_TYPE = CONTENT_TYPE_LATEST
_SECONDS = (0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 60.0)


class Metrics:
    """The metrics of one node for Prometheus: counts, sizes and states, without names of people or columns.

    In a registry of its own, as one process may hold several nodes.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        counter = partial(Counter, registry=self.registry)
        gauge = partial(Gauge, registry=self.registry)
        histogram = partial(Histogram, registry=self.registry, buckets=_SECONDS)
        self.requests = counter("tercet_requests", "Requests answered", ["method", "route", "status"])
        self.request_seconds = histogram("tercet_request_seconds", "Seconds to answer", ["route"])
        self.received_bytes = counter("tercet_received_bytes", "Bytes of request bodies")
        self.upload_bytes = counter("tercet_upload_bytes", "Bytes of chunks stored")
        self.refused = counter("tercet_refused", "Requests refused before a route", ["reason"])
        self.jobs = counter("tercet_jobs", "Jobs by how they ended", ["state"])
        self.jobs_now = gauge("tercet_jobs_now", "Jobs by the state they are in", ["state"])
        self.job_seconds = histogram("tercet_job_seconds", "Seconds of a job")
        self.job_bytes = counter("tercet_job_bytes", "Bytes that jobs sent to the other nodes")
        self.lanes_busy = gauge("tercet_lanes_busy", "Lanes that run a job")
        self.lanes = gauge("tercet_lanes", "Lanes there are")
        self.dataset_rows = gauge("tercet_dataset_rows", "Visible rows", ["dataset"])
        self.transactions = counter("tercet_transactions", "Transactions by outcome", ["state"])
        self.in_doubt = gauge("tercet_transactions_open", "Transactions not yet ended here")
        self.disk_free = gauge("tercet_disk_free_bytes", "Bytes free in the node's folder")
        self.certificate_days = gauge("tercet_certificate_days", "Days until a certificate expires", ["node"])
        self.peer_up = gauge("tercet_peer_up", "Whether the other node answered last time", ["node"])
        self.disagreements = gauge("tercet_disagreements", "Things on which another node does not agree", ["node"])

    def render(self) -> bytes:
        """All metrics in Prometheus's text format."""
        return generate_latest(self.registry)


@dataclass(frozen=True)
class NodeContext:
    """What every room of a node may use. Made once, by the node; immutable, and its parts are thread-safe."""

    settings: NodeSettings
    identity: NodeIdentity
    store: Store
    policy: PolicyFile = field(repr=False)
    log: Log = field(repr=False)
    metrics: Metrics = field(repr=False)
    now: Callable[[], float] = field(repr=False)
    """This node's clock, unix seconds."""
    started: float
    """When the node was started, unix seconds."""
    at: Callable[[str], None] = field(repr=False)
    """Called at named steps, for tests; does nothing otherwise."""
    stopping: threading.Event = field(repr=False)
    """Set when the node begins to end: whoever waits gives up."""

    def utc_now(self) -> datetime:
        """This node's clock, as a date."""
        return datetime.fromtimestamp(self.now(), UTC)

    def name_of(self, fingerprint: str) -> str:
        """The name of a person of the policy or of a node; of others the beginning of the fingerprint."""
        entry = self.identity.federation.find(fingerprint)
        if entry is not None:
            return entry.name
        person = self.policy.current.person(fingerprint)
        return person.name if person is not None else fingerprint[:16]

    def is_operator(self, fingerprint: str) -> bool:
        """Whether somebody may act as an operator: a person of the policy, or any node with its own keys."""
        person = self.policy.current.person(fingerprint)
        operator = person is not None and "operator" in person.roles
        return operator or self.identity.federation.find(fingerprint) is not None

    def read_order(self, signed: SignedOrder) -> tuple[Order, Card]:
        """Give what is ordered here and by whom.

        Raises as `orders.read_order`, and IntegrityError for an order that was signed before this node was restored
        from a backup: it may have been carried out in the time that the backup does not know.
        """
        order, card = read_order(signed, self.identity.federation.id, self.now())
        if self.store.restored is not None and order.created < self.store.restored:
            raise IntegrityError(
                f"the order was signed before {self.settings.name} was restored from a backup",
                hint="it may have been carried out in the time that the backup does not know; order it again, with a "
                "clock that is right",
            )
        return order, card

    def hello(self) -> Hello:
        """What this node tells another when they meet. Raises StorageError."""
        federation = self.identity.federation
        return Hello(
            software=software(),
            name=self.identity.name,
            federation=federation.id,
            federation_digest=federation.digest,
            time=self.now(),
            started=self.started,
            datasets={
                name: VersionHead(version=version, manifest=manifest)
                for name, (version, manifest, _) in self.store.datasets.heads().items()
            },
            changing=sorted(self.store.changes.changing()),
            head=self.store.audit.head(),
        )


def software() -> str:
    """Name and version of the program, as nodes tell each other and operators; a tree not installed has no version."""
    try:
        return f"tercet {version('tercet')}"
    except PackageNotFoundError:
        return "tercet (not installed)"
