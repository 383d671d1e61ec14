"""Three real nodes for the playground: started when a chapter first needs them, ended and deleted at the end."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from tercet.client.connect import connect
from tercet.client.nodes import Nodes
from tercet.client.own_node import audit_entries
from tercet.client.remote import RemoteSession
from tercet.federation.federation import Federation
from tercet.federation.identity import Member
from tercet.node import processes
from tercet.node.settings import FILE, NodeSettings
from tercet.node.trial import NODES, PEOPLE, create, launch
from tercet.process import ForkServer
from tercet.store.audit import Entry


class TrialNodes:
    """Three node processes in a temporary folder, with an owner, an analyst and an operator. Thread-safe.

    They start at the first call that needs them, which then takes some seconds, and end with `close`; if this process
    ends in another way, so do they. Who calls it: the routes of the playground.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._starter: ForkServer | None = None
        self._stack = ExitStack()
        self._federation: Federation | None = None
        self._folder = Path()
        self._closed = False

    def started(self) -> Federation:
        """The federation, once its nodes answer. Raises ConfigError if they do not start."""
        with self._lock:
            self._check_open()
            if self._federation is None:
                with ExitStack() as made:
                    self._folder = Path(made.enter_context(TemporaryDirectory(prefix="tercet-play-"))) / "nodes"
                    self._folder.mkdir()
                    starter = self._starter = made.enter_context(processes.starter())
                    starter.load()
                    create(self._folder, None, {role: [role] for role in PEOPLE}, lanes=1)
                    made.callback(processes.stop, [self._folder / node for node in NODES])
                    self._check_open()
                    self._federation = launch(self._folder, lambda _: None, starter, tied=True)[0]
                    self._stack = made.pop_all()
            return self._federation

    def _check_open(self) -> None:
        if self._closed:
            raise RuntimeError("the nodes were ended")

    def member(self, role: str) -> Member:
        """The owner, analyst or operator."""
        self.started()
        return Member.load(self._folder / f"{role}.pem")

    def session(self, role: str, purpose: str = "") -> RemoteSession:
        """A session of that person; whoever calls closes it."""
        return connect(self.started(), self.member(role), profile="lan", purpose=purpose)

    def settings(self, node: str) -> NodeSettings:
        """What a node is started with: where its files are, and its identity."""
        self.started()
        return NodeSettings.load(self._folder / node / FILE)

    def audits(self) -> dict[str, list[Entry]]:
        """The whole audit chain of each node, as its operator reads it."""
        with Nodes(self.started(), self.member("operator")) as nodes:
            return {node.name: [Entry.model_validate(one) for one in audit_entries(node)] for node in nodes.clients}

    def close(self) -> None:
        """End the nodes and delete their folder, also while they start; harmless when called again."""
        self._closed = True
        starter = self._starter
        if starter is not None:
            # who starts the nodes has the lock: without their starter they end, and that is told
            starter.close()
        with self._lock:
            self._stack.close()
