"""Three real node processes on loopback, with an owner, an analyst and an operator whom all three know.

    with trio(tmp_path) as nodes:                  # ready to be asked
        nodes.federation, nodes.people["owner"]    # Federation, Member (files: nodes.folder / "owner.pem")
        nodes.kill("a"); nodes.start("a")          # the same ports and folders again
        nodes.request("a", "owner", "GET", "/v1/datasets") -> httpx.Response

The sockets are bound here and handed down, so that no port is guessed and a node that is killed keeps its address:
what dials meanwhile waits in the queue, or is refused if `refuse` was asked for.
"""

from __future__ import annotations

import hashlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tercet.federation.federation import Federation
from tercet.federation.identity import Member
from tercet.federation.requests import signed_headers
from tercet.node.setup import Place, create_federation
from tercet.transport.identity import tls_context

NAMES = ("a", "b", "c")
PEOPLE = ("owner", "owner2", "analyst", "operator", "nobody")
START_S = 30.0
END_S = 15.0
LANES = 2
_CHILD = Path(__file__).with_name("node_child.py")

POLICY = """\
[people.owner]
fingerprint = "{fingerprint of owner}"
roles = ["owner"]

[people.owner2]
fingerprint = "{fingerprint of owner2}"
roles = ["owner"]

[people.analyst]
fingerprint = "{fingerprint of analyst}"
roles = ["analyst"]

[people.operator]
fingerprint = "{fingerprint of operator}"
roles = ["operator"]
"""


@dataclass
class Nodes:
    """The three nodes of a test; `people` can sign."""

    folder: Path
    federation: Federation
    people: dict[str, Member]
    listeners: dict[str, socket.socket] = field(repr=False)
    lanes: dict[str, list[socket.socket]] = field(repr=False)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict, repr=False)
    clients: dict[str, httpx.Client] = field(default_factory=dict, repr=False)

    # -- processes

    def start(self, *names: str, die_at: tuple[str, int] | None = None) -> None:
        """Start the nodes named (all), and wait until they answer. `die_at`: (step, n-th time) at which to die."""
        waiting = {}
        for name in names or NAMES:
            ours, theirs = os.pipe()
            fds = [self.listeners[name].fileno(), *(lane.fileno() for lane in self.lanes[name])]
            step = [] if die_at is None else [die_at[0], str(die_at[1])]
            with self.log(name).open("ab") as log:
                self.processes[name] = subprocess.Popen(
                    [
                        *(sys.executable, str(_CHILD), str(self.folder / name / "node.toml"), str(fds[0]), str(theirs)),
                        *(",".join(map(str, fds[1:])), *step),
                    ],
                    pass_fds=[*fds, theirs],
                    stdin=subprocess.DEVNULL,
                    stderr=log,
                )
            os.close(theirs)
            waiting[name] = ours
        deadline = time.monotonic() + START_S
        for name, pipe in waiting.items():
            try:
                readable = select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))[0]
                if not readable or not os.read(pipe, 1):
                    raise AssertionError(f"node {name} does not start:\n{self.log(name).read_text()[-4000:]}")
            finally:
                os.close(pipe)

    def kill(self, *names: str) -> None:
        """End processes at once, as a loss of power does."""
        for name in names or NAMES:
            process = self.processes.pop(name)
            process.kill()
            process.wait()
            self.forget_connections(name)

    def terminate(self, *names: str) -> list[int]:
        """End processes as an operator does; give their exit statuses."""
        for name in names or NAMES:
            self.processes[name].send_signal(signal.SIGTERM)
        found = [self.processes.pop(name).wait(END_S) for name in names or NAMES]
        for name in names or NAMES:
            self.forget_connections(name)
        return found

    def died(self, name: str, timeout: float = START_S) -> int:
        """Wait until the node has ended by itself; give its exit status."""
        status = self.processes.pop(name).wait(timeout)
        self.forget_connections(name)
        return status

    def log(self, name: str) -> Path:
        return self.folder / name / "log.jsonl"

    def events(self, name: str) -> list[dict[str, Any]]:
        """The lines that a node has logged."""
        return [json.loads(line) for line in self.log(name).read_text().splitlines() if line.startswith("{")]

    # -- requests

    def client(self, name: str) -> httpx.Client:
        if name not in self.clients:
            entry = self.federation.node(self.federation.party(name))
            context = tls_context(self.people["owner"].identity, [entry.card.certificate], server=False)
            self.clients[name] = httpx.Client(base_url=entry.url, verify=context, timeout=30.0, trust_env=False)
        return self.clients[name]

    def forget_connections(self, name: str) -> None:
        with suppress(KeyError):
            self.clients.pop(name).close()

    def request(
        self,
        name: str,
        person: str | Member | None,
        method: str,
        target: str,
        *,
        json: Any = None,
        content: bytes = b"",
        headers: dict[str, str] | None = None,
        now: float | None = None,
        signed_for: str | None = None,
    ) -> httpx.Response:
        """Ask a node, signed by a person (None: unsigned)."""
        if json is not None:
            content = _json(json)
            headers = {"content-type": "application/json", **(headers or {})}
        sent = dict(headers or {})
        if person is not None:
            member = self.people[person] if isinstance(person, str) else person
            party = self.federation.party(signed_for or name)
            fingerprint = self.federation.node(party).fingerprint
            digest = hashlib.sha256(content).hexdigest()
            when = time.time() if now is None else now
            sent = {**signed_headers(member, fingerprint, method, target, digest, when), **sent}
        return self.client(name).request(method, target, content=content or None, headers=sent)

    def wait_for(self, what: Any, timeout: float = 20.0) -> Any:
        """Ask `what()` until it is true; give what it gave."""
        deadline = time.monotonic() + timeout
        while not (found := what()):
            assert time.monotonic() < deadline, f"{what} did not become true"
            time.sleep(0.03)
        return found

    def close(self) -> None:
        for process in self.processes.values():
            process.kill()
            process.wait()
        self.processes.clear()
        for name in list(self.clients):
            self.forget_connections(name)
        for bound in [*self.listeners.values(), *(lane for lanes in self.lanes.values() for lane in lanes)]:
            bound.close()


def _json(value: Any) -> bytes:
    if hasattr(value, "model_dump_json"):
        return bytes(value.model_dump_json(by_alias=True).encode())
    return json.dumps(value).encode()


def bound(count: int) -> list[socket.socket]:
    """Listening sockets at `count` neighbouring ports of loopback."""
    for _ in range(200):
        found: list[socket.socket] = []
        try:
            for place in range(count):
                one = socket.socket()
                found.append(one)
                one.bind(("127.0.0.1", found[0].getsockname()[1] + place if place else 0))
                one.listen(256)
            return found
        except (OSError, OverflowError):
            for one in found:
                one.close()
    raise AssertionError("no neighbouring ports are free")


def make(folder: Path, policy: str = POLICY, lanes: int = LANES) -> Nodes:
    """Make three nodes that do not run yet; `close` them at the end."""
    listeners = {name: bound(1)[0] for name in NAMES}
    lane_sockets = {name: bound(lanes) for name in NAMES}
    places = {
        name: Place(listeners[name].getsockname()[1], lane_sockets[name][0].getsockname()[1], lanes) for name in NAMES
    }
    people = {person: Member.create(person) for person in PEOPLE}
    for person, member in people.items():
        member.save(folder / f"{person}.pem")
        policy = policy.replace(f"{{fingerprint of {person}}}", member.card.fingerprint)
    federation = create_federation(folder, places, policy=policy)
    return Nodes(folder, federation, people, listeners, lane_sockets)


@contextmanager
def trio(folder: Path, policy: str = POLICY, lanes: int = LANES) -> Iterator[Nodes]:
    """Three nodes that answer; killed at the end."""
    nodes = make(folder, policy, lanes)
    try:
        nodes.start()
        yield nodes
    finally:
        nodes.close()
