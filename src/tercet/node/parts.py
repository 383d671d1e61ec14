"""What the rooms of a node share: `NodeIdentity`, `Store`, and `NodeContext`, which adds clock, log, metrics, policy.

Nothing here starts a thread or asks another node. A class of `node` takes a `NodeContext`, or only the part of it that
it needs, and beside it what stands above: `Peers`, lanes, classes of lower rooms. Nothing takes the whole `Node`.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from tercet.errors import ConfigError, DiskFull, IntegrityError, NotFound
from tercet.federation.api_peer import Hello, VersionHead
from tercet.federation.federation import Federation
from tercet.federation.identity import Card, Member
from tercet.federation.orders import Order, SignedOrder, read_order
from tercet.node.logs import Log
from tercet.node.metrics import Metrics
from tercet.node.policy_file import PolicyFile
from tercet.node.settings import NodeSettings
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
