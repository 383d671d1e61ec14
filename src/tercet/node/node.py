"""Puts the parts of one node together, starts them and stops them; nothing but the daemon imports this."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from socket import socket

from tercet.errors import TercetError
from tercet.node.changes.check_rounds import CheckRounds
from tercet.node.changes.checks import Checks
from tercet.node.changes.coordinator import Transactions
from tercet.node.changes.doubts import Doubts
from tercet.node.changes.participant import Participant
from tercet.node.changes.repair import Repair
from tercet.node.changes.verdicts import Verdicts
from tercet.node.http.app import Rooms
from tercet.node.http.doors import Doors
from tercet.node.http.health import HealthMonitor
from tercet.node.jobs.jobs import Jobs
from tercet.node.logs import Log, node_log
from tercet.node.metrics import Metrics
from tercet.node.parts import NodeContext, NodeIdentity, Store, software
from tercet.node.peers import Peers
from tercet.node.policy_file import PolicyFile
from tercet.node.settings import NodeSettings
from tercet.node.worker.lanes import Reservations, make_lanes
from tercet.node.worker.launch import Launcher, WorkerLauncher
from tercet.policy.rules import Policy

_TIDY_S = 60.0
_POLICY_S = 0.5
"""How often the policy file is looked at."""


class Node:
    """A node with its store, policy, peers and jobs; `start` before it serves, `stop` at its end.

    Who calls it: the daemon. `lane_sockets` are bound and listening, one a lane; `stop` closes them. `launcher` starts
    the workers; by default they are forked from a fresh process. `stop` closes it, and so does `__init__` if it raises.
    `at` is called at named steps of changes, for tests. Raises ConfigError for settings, identity, federation, policy
    or catalogue that cannot be used.
    """

    context: NodeContext
    rooms: Rooms
    """What the HTTP interface calls."""

    def __init__(
        self,
        settings: NodeSettings,
        *,
        log: Log | None = None,
        lane_sockets: Sequence[socket] = (),
        launcher: Launcher | None = None,
        at: Callable[[str], None] | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._lane_sockets = list(lane_sockets)
        self._open = ExitStack()
        try:
            launcher = launcher or WorkerLauncher()
            self._open.callback(launcher.close)
            self._open_context(settings, log or node_log(), at or (lambda step: None), now)
            self._open_rooms(launcher)
        except BaseException:
            self._open.close()
            raise

    def _open_context(
        self,
        settings: NodeSettings,
        log: Log,
        at: Callable[[str], None],
        now: Callable[[], float],
    ) -> None:
        identity = NodeIdentity.load(settings, datetime.fromtimestamp(now(), UTC))
        store = Store.open(settings, identity, self._open)

        def policy_changed(policy: Policy) -> None:
            # in the audit before it decides anything
            store.audit.record("policy", {"digest": policy.digest})
            log.info("policy in force", digest=policy.digest)

        self.context = NodeContext(
            settings=settings,
            identity=identity,
            store=store,
            policy=PolicyFile(settings.policy_path, policy_changed),
            log=log,
            metrics=Metrics(),
            now=now,
            started=now(),
            at=at,
            stopping=threading.Event(),
        )

    def _open_rooms(self, launcher: Launcher) -> None:
        """Make all rooms; the stack stops them in the opposite order."""
        context, limits = self.context, self.context.settings.limits
        lanes = make_lanes(context, self._lane_sockets, launcher)
        self._open.callback(lanes.stop)
        reservations = Reservations(len(lanes))
        peers = Peers(context)
        self._open.callback(peers.stop)
        checks = Checks(context, lanes)
        participant = Participant(
            context,
            checks,
            # jobs stand above changes, and are made after them
            vouch=lambda prepare, change: self.rooms.jobs.vouch(prepare, change),
            visible=lambda: self.rooms.health.count_rows(),
        )
        verdicts = Verdicts(context, peers, participant)
        check_rounds = CheckRounds(context, peers, checks, reservations)
        self._open.callback(check_rounds.stop)
        transactions = Transactions(
            context,
            peers,
            participant,
            verdicts,
            check_rounds,
            refresh=lambda signed: self.rooms.jobs.refresh(signed),
        )
        self._open.callback(transactions.stop)
        self._doubts = Doubts(context, participant, verdicts, transactions)
        self._open.callback(self._doubts.stop)
        jobs = Jobs(context, peers, lanes, reservations, transactions, checks)
        self._open.callback(jobs.stop)
        self.rooms = Rooms(
            context=context,
            peers=peers,
            doors=Doors(limits.connections, limits.connections_of_one),
            lanes=lanes,
            participant=participant,
            verdicts=verdicts,
            repair=Repair(context, peers, participant, verdicts),
            checks=checks,
            check_rounds=check_rounds,
            transactions=transactions,
            jobs=jobs,
            health=HealthMonitor(context, peers, lanes, verdicts, checks),
        )
        self._tidier = threading.Thread(target=self._tidy_on, name="tercet tidier", daemon=True)

    # -- from start to end

    def start(self) -> None:
        """Recover from a crash, then start threads and workers."""
        self.context.store.changes.recover()
        self.context.store.audit.record(
            "start", {"software": software(), "federation": self.context.identity.federation.digest}
        )
        self.rooms.jobs.start()
        for warning in self.rooms.health.warnings():
            self.context.log.warning(warning)
        self.rooms.health.count_rows()

    def serving(self) -> None:
        """Called once requests are answered: only now may this node ask others, as they may ask back."""
        self.rooms.peers.start()
        self._doubts.start()
        self._tidier.start()

    def stop(self) -> None:
        """End jobs with a named error, then threads, then the catalogue; every step is tried."""
        self.context.stopping.set()
        if self._tidier.is_alive():
            self._tidier.join()
        self._open.close()
        for lane in self._lane_sockets:
            lane.close()

    def _tidy_on(self) -> None:
        tidied = time.monotonic()
        while not self.context.stopping.wait(_POLICY_S):
            self.context.policy.look()
            if time.monotonic() - tidied < _TIDY_S:
                continue
            tidied = time.monotonic()
            try:
                for upload in self.context.store.uploads.expire(self.context.settings.timeouts.upload):
                    self.context.log.info("upload expired", upload=upload)
                self.context.store.kept.expire()
            except TercetError as error:
                self.context.log.warning("not tidied up", reason=error.message)
            except Exception as error:
                self.context.log.defect(error)
