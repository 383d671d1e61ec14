"""One node: everything it has, in one object; what starts with it and ends with it."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from socket import socket

from tercet.errors import ConfigError, IntegrityError, TercetError
from tercet.federation.api_peer import DatasetVersion as VersionThere
from tercet.federation.api_peer import Hello, SignedHead
from tercet.federation.federation import Federation
from tercet.federation.identity import Card, Member, expiring
from tercet.federation.orders import Order, SignedOrder, read_order
from tercet.federation.requests import RequestGuard
from tercet.node.doubts import Doubts
from tercet.node.jobs import Jobs
from tercet.node.logs import Log, node_log
from tercet.node.metrics import Metrics
from tercet.node.participant import Participant
from tercet.node.peers import Peers
from tercet.node.policy_file import PolicyFile
from tercet.node.settings import Settings
from tercet.node.software import software
from tercet.node.transactions import Transactions
from tercet.policy.rules import Policy
from tercet.store.audit import Audit
from tercet.store.catalogue import RESTORED, Catalogue
from tercet.store.changes import Changes
from tercet.store.datasets import Datasets
from tercet.store.errors import DiskFull, NotFound
from tercet.store.files import folder_lock
from tercet.store.jobs import JobRows
from tercet.store.kept import Kept
from tercet.store.uploads import Uploads
from tercet.store.version import DatasetVersion

_TIDY_S = 60.0
_POLICY_S = 0.5
"""How often the policy file is looked at."""


class Node:
    """A node with its store, policy, peers and jobs; `start` before it serves, `stop` at its end.

    Who calls it: the daemon. `lane_sockets` are bound and listening, one a lane. `at` is called at named steps of
    changes, for tests. Raises ConfigError for settings, identity, federation, policy or catalogue that cannot be used.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        log: Log | None = None,
        lane_sockets: Sequence[socket] = (),
        at: Callable[[str], None] | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.settings = settings
        self.log = log or node_log()
        self.at = at or (lambda step: None)
        self.now = now
        self.started = now()
        self.stopping = threading.Event()
        self.metrics = Metrics()
        self.lane_sockets = list(lane_sockets)
        self.member = Member.load(settings.identity_path)
        self.federation = Federation.load(settings.federation_path)
        self._check_identity()
        self.me = self.federation.party(settings.name)
        others = [entry for entry in self.federation.nodes if entry.name != settings.name]
        self.guard = RequestGuard(self.member.card.fingerprint, self.started)
        self.guards_of_others = {entry.name: RequestGuard(entry.fingerprint, self.started) for entry in others}
        self._open = ExitStack()
        try:
            self._open_store()
        except BaseException:
            self._open.close()
            raise

    def _check_identity(self) -> None:
        name, card = self.settings.name, self.member.card
        entry = self.federation.node(self.federation.party(name))
        if entry.fingerprint != card.fingerprint:
            raise ConfigError(
                f"the federation file gives another certificate for {name} than {self.settings.identity_path} holds",
                hint="put this node's new card into the federation file of all three nodes",
            )
        card.check_valid(self.utc_now())

    def _open_store(self) -> None:
        settings = self.settings
        folder = settings.folder_path
        # what a second process would take for the traces of a crash may be the first one's work
        self._open.enter_context(folder_lock(folder))
        self.catalogue = Catalogue(settings.database_url)
        self._open.callback(self.catalogue.close)
        self.catalogue.upgrade()
        self.audit = Audit(self.catalogue, self.member)
        self.datasets = Datasets(self.catalogue, folder, self.me)
        self.uploads = Uploads(self.catalogue, folder, self.me)
        self.kept = Kept(self.catalogue, folder, self.me)
        self.jobs_store = JobRows(self.catalogue)
        self.changes = Changes(self.catalogue, self.datasets, self.uploads, self.audit)
        self.policy = PolicyFile(settings.policy_path, self._policy_changed)
        self.peers = Peers(self)
        self._open.callback(self.peers.stop)
        self.participant = Participant(self)
        self.transactions = Transactions(self)
        self._open.callback(self.transactions.stop)
        self.doubts = Doubts(self)
        self._open.callback(self.doubts.stop)
        self.jobs = Jobs(self)
        self._open.callback(self.jobs.stop)
        self._tidier = threading.Thread(target=self._tidy_on, name="tercet tidier", daemon=True)

    # -- from start to end

    def start(self) -> None:
        """Recover what a crash left, then let threads and workers begin."""
        self.changes.recover()
        self.audit.record("start", {"software": software(), "federation": self.federation.digest})
        self.jobs.start()
        for warning in self.warnings():
            self.log.warning(warning)
        self.changed()

    def serving(self) -> None:
        """The interface answers: only now may this node ask others, who may ask back."""
        self.peers.start()
        self.doubts.start()
        self._tidier.start()

    def stop(self) -> None:
        """End jobs by name, then threads, then the catalogue; every step is tried."""
        self.stopping.set()
        if self._tidier.is_alive():
            self._tidier.join()
        self._open.close()
        for lane in self.lane_sockets:
            lane.close()

    def _tidy_on(self) -> None:
        tidied = time.monotonic()
        while not self.stopping.wait(_POLICY_S):
            self.policy.look()
            if time.monotonic() - tidied < _TIDY_S:
                continue
            tidied = time.monotonic()
            try:
                for upload in self.uploads.expire(self.settings.timeouts.upload):
                    self.log.info("upload expired", upload=upload)
                self.kept.expire()
            except TercetError as error:
                self.log.warning("not tidied up", reason=error.message)
            except Exception as error:
                self.log.defect(error)

    # -- what others ask

    def card_of(self, name: str) -> Card:
        """The card of a node of the federation. Raises ConfigError."""
        return self.federation.node(self.federation.party(name)).card

    def read_order(self, signed: SignedOrder) -> tuple[Order, Card]:
        """What is ordered here, and by whom, if it is for now and was not signed before a restore.

        What a backup does not know of may have been carried out already. Raises as `orders.read_order`.
        """
        order, card = read_order(signed, self.federation.id, self.now())
        restored = self.catalogue.fact(RESTORED)
        if restored is not None and order.created < float(restored):
            raise IntegrityError(
                f"the order was signed before {self.settings.name} was restored from a backup",
                hint="it may have been carried out in the time that the backup does not know; order it again",
            )
        return order, card

    def utc_now(self) -> datetime:
        """This node's clock."""
        return datetime.fromtimestamp(self.now(), UTC)

    def name_of(self, fingerprint: str) -> str:
        """The name of a person of the policy or of a node; of others the beginning of the fingerprint."""
        entry = self.federation.find(fingerprint)
        if entry is not None:
            return entry.name
        person = self.policy.current.person(fingerprint)
        return person.name if person is not None else fingerprint[:16]

    def stored_bytes(self) -> int:
        """Bytes of all files in the node's folder; a walk through it."""
        return sum(path.stat().st_size for path in self.settings.folder_path.rglob("*") if path.is_file())

    def public_files(self) -> dict[str, bytes]:
        """What a backup holds beside the store: everything needed to run again but the private keys."""
        settings = self.settings
        places = {"policy.toml": settings.policy_path, "federation.toml": settings.federation_path}
        return {name: path.read_bytes() for name, path in places.items()} | {
            "card.pem": self.member.card.pem().encode()
        }

    def version(self, dataset: str) -> DatasetVersion | None:
        """The current version of a dataset, if there is one."""
        try:
            return self.datasets.get(dataset)
        except NotFound:
            return None

    def hello(self) -> Hello:
        """What this node tells another when they meet."""
        found = {name: self.version(name) for name in self.datasets.names()}
        return Hello(
            software=software(),
            name=self.settings.name,
            federation=self.federation.id,
            federation_digest=self.federation.digest,
            time=self.now(),
            started=self.started,
            datasets={
                name: VersionThere(version=one.version, manifest=one.manifest)
                for name, one in found.items()
                if one is not None
            },
            changing=sorted(self.changes.changing()),
            head=self.signed_head(),
        )

    def signed_head(self) -> SignedHead:
        """The newest entry of this node's audit chain, for another node to write down."""
        return self.audit.head()

    def warnings(self) -> list[str]:
        """What the operator should do something about, though all still works."""
        found = expiring(self.federation.cards, self.utc_now())
        if self.policy.fault:
            found.append(f"the policy file cannot be used, the one before is in force: {self.policy.fault}")
        if self.free_bytes() < 2 * self.settings.limits.free_bytes:
            found.append(f"only {self.free_bytes() >> 20:,} MiB are free in {self.settings.folder_path}")
        return found

    def missing(self) -> list[str]:
        """What this node waits for before it can take part in a change or a job; empty if it is ready.

        Everybody may read it: it names nodes, and neither people nor datasets.
        """
        found = []
        try:
            self.datasets.names()
        except TercetError as error:
            found.append(f"catalogue: {error.message}")
        if self.stopping.is_set():
            found.append("this node is ending")
        if self.free_bytes() < self.settings.limits.free_bytes:
            found.append("too little space is free on the disk")
        try:
            self.member.card.check_valid(self.utc_now())
        except ConfigError as error:
            found.append(error.message)
        found += self.jobs.runs.missing()
        for state in self.peers.states():
            found += state.hindrance
        return [" ".join(line.split())[:500] for line in found]

    def free_bytes(self) -> int:
        """Bytes free where the parts lie; 0 if that cannot be found out."""
        try:
            return shutil.disk_usage(self.settings.folder_path).free
        except OSError:
            return 0

    def check_space(self, nbytes: int) -> None:
        """Raise DiskFull unless `limits.free_bytes` are still free once so much more is stored."""
        if self.free_bytes() - nbytes < self.settings.limits.free_bytes:
            raise DiskFull(f"{self.settings.name} has too little space left", hint="tell its operator, or ask later")

    def changed(self) -> None:
        """A change became visible: bring the figures up to date."""
        try:
            found = {name: self.version(name) for name in self.datasets.names()}
        except TercetError as error:
            self.log.warning("figures are old", reason=error.message)
            return
        self.metrics.dataset_rows.clear()
        for name, one in found.items():
            if one is not None:
                self.metrics.dataset_rows.labels(name).set(one.rows)

    def figures(self) -> bytes:
        """The metrics, those brought up to date that nobody tells of changes."""
        self.metrics.disk_free.set(self.free_bytes())
        now = self.utc_now()
        for entry in self.federation.nodes:
            self.metrics.certificate_days.labels(entry.name).set(entry.card.days_left(now))
        return self.metrics.render()

    def _policy_changed(self, policy: Policy) -> None:
        # in the audit before it decides anything
        self.audit.record("policy", {"digest": policy.digest})
        self.log.info("policy in force", digest=policy.digest)
