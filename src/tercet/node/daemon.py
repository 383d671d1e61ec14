"""Runs a node as a process: puts its parts together, binds its sockets, serves HTTPS, and ends cleanly at a signal."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from types import FrameType

import uvicorn

from tercet.node.changes.check_rounds import CheckRounds
from tercet.node.changes.checks import Checks
from tercet.node.changes.coordinator import Transactions
from tercet.node.changes.participant import Participant, Verdicts
from tercet.node.changes.recovery import Doubts, Repair
from tercet.node.http.app import make_app
from tercet.node.http.connections import Door, Doors, bind, protocol_of, server_context
from tercet.node.http.rooms import Rooms
from tercet.node.jobs.jobs import Jobs
from tercet.node.logs import Log, node_log, start_logging
from tercet.node.parts import Metrics, NodeContext, NodeIdentity, PolicyFile, Store, software
from tercet.node.peers import Peers
from tercet.node.settings import NodeSettings
from tercet.node.worker.lanes import Reservations, make_lanes
from tercet.node.worker.launch import Launcher, WorkerLauncher
from tercet.policy.rules import Policy
from tercet.process import forbid_core_dumps
from tercet.ring import retain_freed_memory

_TIDY_S = 60.0
_POLICY_S = 0.5
"""How often the policy file is looked at."""


class Node:
    """A node with its store, policy, peers and jobs; `start` before it serves, `stop` at its end.

    Who calls it: `run`. `lane_sockets` are bound and listening, one a lane; `stop` closes them. `launcher` starts
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
        lane_sockets: Sequence[socket.socket] = (),
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
            visible=lambda: self.rooms.count_rows(),
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
            refresh=lambda signed: self.rooms.jobs.refreshes.run(signed),
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
        for warning in self.rooms.warnings():
            self.context.log.warning(warning)
        self.rooms.count_rows()

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
            with self.context.log.guarded("not tidied up"):
                for upload in self.context.store.uploads.expire(self.context.settings.timeouts.upload):
                    self.context.log.info("upload expired", upload=upload)
                self.context.store.kept.expire()


_GRACE_S = 5
_PORT_S = 5.0
_KEEP_ALIVE_S = 60


def run(
    settings: NodeSettings,
    *,
    listener: socket.socket | None = None,
    lanes: Sequence[socket.socket] | None = None,
    launcher: Launcher | None = None,
    ready: Callable[[], None] | None = None,
    at: Callable[[str], None] | None = None,
) -> None:
    """Serve one node until SIGTERM or SIGINT; returns when everything has ended.

    Who calls it: `tercet node run`, with a `launcher` whose workers hold nothing of this process; tests, with sockets
    already bound (`listener`, and `lanes` one each), and with `at`, which is called at named steps of a transaction.
    `ready` is called when requests are answered.
    Raises ConfigError for settings, identity, federation or ports that cannot be used.
    """
    log = start_logging(settings.name, settings.log.level)
    forbid_core_dumps()
    retain_freed_memory()
    with contextlib.ExitStack() as stack:
        if listener is None:
            listener = stack.enter_context(bind(settings.listen.host, settings.listen.port, patience_s=_PORT_S))
        if lanes is None:
            places = [(settings.lanes.host, settings.lanes.first_port + lane) for lane in range(settings.lanes.count)]
            lanes = [stack.enter_context(bind(host, port, patience_s=_PORT_S)) for host, port in places]
        node = Node(settings, log=log, lane_sockets=lanes, launcher=launcher, at=at)
        try:
            node.start()
            # objects made until here live as long as the process: the garbage collector need not scan them again
            gc.collect()
            gc.freeze()
            server = _Server(_config(node), node, ready)
            with Door.of(listener, node.rooms.doors) as door:
                server.run(sockets=[door])
        finally:
            node.stop()
    log.info("node ended")


def _config(node: Node) -> uvicorn.Config:
    return uvicorn.Config(
        make_app(node.rooms),
        http=protocol_of(node.rooms.doors),
        loop="asyncio",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=True,
        timeout_keep_alive=_KEEP_ALIVE_S,
        ssl_context_factory=lambda config, default: server_context(node.context.identity),
    )


class _Server(uvicorn.Server):
    """A uvicorn server that tells the node when it serves, and that ends in order at a signal."""

    def __init__(self, config: uvicorn.Config, node: Node, ready: Callable[[], None] | None) -> None:
        super().__init__(config)
        self._node = node
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._node.context.log.info("node serves", address=_address(sockets))
            self._node.serving()
            if self._ready is not None:
                self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept nothing new, answer the requests under way, and close all connections, idle ones at once."""
        self._node.context.log.info("node ends", connections=len(self.server_state.connections))
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        if tasks := list(self.server_state.tasks):
            await asyncio.wait(tasks, timeout=_GRACE_S)
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        for task in self.server_state.tasks:
            task.cancel()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        def end(number: int, frame: FrameType | None) -> None:
            # set first, so that requests that wait for a job are answered now
            self._node.context.stopping.set()
            self.should_exit = True

        before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _address(sockets: Sequence[socket.socket] | None) -> str:
    host, port, *_ = sockets[0].getsockname() if sockets else ("?", 0)
    return f"{host}:{port}"
