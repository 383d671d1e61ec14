"""Three real node processes on loopback, with an owner, an analyst and an operator whom all three know.

    with trio(tmp_path) as nodes:                  # ready to be asked
        nodes.federation, nodes.people["owner"]    # Federation, Member (files: nodes.folder / "owner.pem")
        nodes.kill("a"); nodes.start("a")          # the same ports and folders again
        nodes.request("a", "owner", "GET", "/v1/datasets") -> httpx.Response

The ports are kept by sockets here that do not listen; each start gets listening ones at the same places. So no port is
guessed, a node that is killed keeps its address, and who dials it meanwhile is refused at once.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import select
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from node.zygote import Child, Zygote
from tercet.federation.api import ChangeOutcome, DatasetInfo, UploadBegin
from tercet.federation.federation import Federation
from tercet.federation.identity import Member
from tercet.federation.model import fresh_id
from tercet.federation.orders import Action, CommitUpload, Order, SignedOrder, sign_order
from tercet.federation.requests import signed_headers
from tercet.node.http.connections import bind
from tercet.node.settings import NodePlace, create_federation
from tercet.policy.template import trial
from tercet.store.part import split_chunk
from tercet.store.schema import Schema

NAMES = ("a", "b", "c")
START_S = 30.0
END_S = 15.0
LANES = 2
_CHILD = Path(__file__).with_name("node_child.py")

SCHEMA = Schema.parse({"columns": [{"name": "x", "kind": "integer", "lo": -(2**40), "hi": 2**40}]})

ROLES = {
    "owner": ["owner"],
    "owner2": ["owner"],
    "analyst": ["analyst"],
    "both": ["owner", "analyst"],
    "operator": ["operator"],
}
"""Who is known to all three nodes, as what; `nobody` has an identity and no more."""


@dataclass
class Nodes:
    """The three nodes of a test; `people` can sign."""

    folder: Path
    federation: Federation
    people: dict[str, Member]
    listeners: dict[str, socket.socket] = field(repr=False)
    lanes: dict[str, list[socket.socket]] = field(repr=False)
    processes: dict[str, subprocess.Popen[bytes] | Child] = field(default_factory=dict, repr=False)
    zygote: Zygote | None = field(default=None, repr=False)
    lent: bool = False
    """Whether the zygote is another's, who ends it."""
    clients: dict[str, httpx.Client] = field(default_factory=dict, repr=False)
    children: dict[str, list[str]] = field(default_factory=dict, repr=False)
    """Of a node that is not run by node_child.py: the script that runs it, and arguments that come first."""
    begun: list[tuple[str, str]] = field(default_factory=list, repr=False)
    """Uploads that a test has begun, and whose they are."""

    # -- processes

    def start(
        self,
        *names: str,
        die_at: tuple[str, int] | None = None,
        stop_at: tuple[str, int] | None = None,
        fresh: bool = False,
    ) -> None:
        """Start the nodes named (all), and wait until they answer.

        `die_at`, `stop_at`: (step, n-th time) at which to die, or to stand still. `fresh`: a process that
        imports everything itself, as in real life.
        """
        waiting = {}
        for name in names or NAMES:
            ours, theirs = os.pipe()
            handed = [listening(place) for place in (self.listeners[name], *self.lanes[name])]
            fds = [handed[0].fileno(), theirs, *(lane.fileno() for lane in handed[1:])]
            settings = self.folder / name / "node.toml"
            if fresh or name in self.children:
                self.processes[name] = self._fresh(name, settings, fds)
            else:
                steps = []
                for place, number in ((die_at, signal.SIGKILL), (stop_at, signal.SIGSTOP)):
                    if place is not None:
                        steps = [place[0], str(place[1]), str(int(number))]
                self.processes[name] = self._zygote().spawn(settings, self.log(name), fds, steps)
            os.close(theirs)
            for one in handed:
                one.close()
            waiting[name] = ours
        deadline = time.monotonic() + START_S
        for name, pipe in waiting.items():
            try:
                readable = select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))[0]
                if not readable or not os.read(pipe, 1):
                    raise AssertionError(f"node {name} does not start:\n{self.log(name).read_text()[-4000:]}")
            finally:
                os.close(pipe)

    def _zygote(self) -> Zygote:
        if self.zygote is None:
            self.zygote = Zygote(self.folder / "zygote.log")
        return self.zygote

    def _fresh(self, name: str, settings: Path, fds: list[int]) -> subprocess.Popen[bytes]:
        lanes = ",".join(map(str, fds[2:]))
        with self.log(name).open("ab") as log:
            return subprocess.Popen(
                [sys.executable, *self.children.get(name, [str(_CHILD)]), str(settings), *map(str, fds[:2]), lanes],
                pass_fds=fds,
                stdin=subprocess.DEVNULL,
                stderr=log,
            )

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

    def set(self, name: str, setting: str, value: str) -> None:
        """Change a setting in a node's node.toml, where it stands behind #; before it starts."""
        path = self.folder / name / "node.toml"
        text, count = re.subn(rf"^# ({setting} = )\S+", rf"\g<1>{value}", path.read_text(), flags=re.MULTILINE)
        assert count == 1, setting
        path.write_text(text)

    def log(self, name: str) -> Path:
        return self.folder / name / "log.jsonl"

    def events(self, name: str) -> list[dict[str, Any]]:
        """The lines that a node has logged."""
        return [json.loads(line) for line in self.log(name).read_text().splitlines() if line.startswith("{")]

    # -- requests

    def client(self, name: str) -> httpx.Client:
        if name not in self.clients:
            entry = self.federation.node(self.federation.party(name))
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.load_verify_locations(cadata=entry.card.certificate)
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
        signed_target: str | None = None,
    ) -> httpx.Response:
        """Ask a node, signed by a person (None: unsigned); `signed_*` where the signature is for another place."""
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
            sent = {**signed_headers(member, fingerprint, method, signed_target or target, digest, when), **sent}
        return self.client(name).request(method, target, content=content or None, headers=sent)

    def through(self, gate: str, node: str, person: str, method: str, rest: str, **more: Any) -> httpx.Response:
        """Ask `node` through the gateway of `gate`; `rest` is the path behind /v1/."""
        target = f"/v1/gateway/{node}/{rest}"
        return self.request(gate, person, method, target, signed_for=node, signed_target=f"/v1/{rest}", **more)

    def stranger(self, name: str, person: str | None, method: str, target: str, **more: Any) -> int:
        """The status that somebody gets whom a node does not know; they have a rate, and wait if it says so."""
        found: list[int] = []

        def answered() -> bool:
            found.append(self.request(name, person, method, target, **more).status_code)
            return found[-1] != 429

        self.wait_for(answered)
        return found[-1]

    # -- uploads and orders

    def begin(
        self,
        dataset: str,
        person: str = "owner",
        mode: str = "create",
        upload: str | None = None,
        schema: Schema = SCHEMA,
    ) -> str:
        """Begin an upload at all three; give its identifier."""
        upload = upload or fresh_id()
        body = UploadBegin(upload=upload, dataset=dataset, schema=schema.to_dict(), mode=mode)  # type: ignore
        for name in NAMES:
            assert_ok(self.request(name, person, "POST", "/v1/uploads", json=body))
        self.begun.append((upload, person))
        return upload

    def give_up_uploads(self) -> None:
        """Delete what a test has begun and not committed: a person may have so many open, and tests share the nodes."""
        for upload, person in self.begun:
            for name in NAMES:
                self.request(name, person, "DELETE", f"/v1/uploads/{upload}")
        self.begun.clear()

    def put(self, upload: str, values: Sequence[Sequence[int]], person: str = "owner", **tampered: bytes) -> int:
        """Send the chunks of `values` (a list of rows each) to all three; give the number of rows."""
        for chunk, rows in enumerate(values):
            self.put_parts(upload, chunk, parts(upload, chunk, rows), person, **tampered)
        return sum(len(rows) for rows in values)

    def put_parts(
        self, upload: str, chunk: int, three: Sequence[bytes], person: str = "owner", **tampered: bytes
    ) -> None:
        """Send the parts of a chunk to all three; wait where a commit that came to nothing is still being given up."""
        target = f"/v1/uploads/{upload}/chunks/{chunk}"
        for name, part in zip(NAMES, three, strict=True):
            content = tampered.get(name, part)

            def put(name: str = name, content: bytes = content) -> httpx.Response | None:
                answer = self.request(name, person, "PUT", target, content=content)
                busy = answer.status_code == 409 and answer.json()["error"] == "busy"
                return None if busy else answer

            assert_ok(self.wait_for(put))

    def order(self, person: str | Member, action: Action, transaction: str | None = None) -> SignedOrder:
        """Sign an order of this federation."""
        member = self.people[person] if isinstance(person, str) else person
        return sign_order(
            member,
            Order(
                federation=self.federation.id,
                transaction=transaction or fresh_id(),
                created=int(time.time()),
                action=action,
            ),
        )

    def commit(
        self, upload: str, dataset: str, chunks: int, rows: int, person: str = "owner", transaction: str | None = None
    ) -> httpx.Response:
        """Order the commit of an upload at the coordinator."""
        order = self.order(person, CommitUpload(upload=upload, dataset=dataset, chunks=chunks, rows=rows), transaction)
        return self.request("a", person, "POST", f"/v1/uploads/{upload}/commit", json=order)

    def upload(
        self, dataset: str, values: Sequence[Sequence[int]] = ((1, 2, 3),), person: str = "owner", mode: str = "create"
    ) -> ChangeOutcome:
        """Upload chunks of integers as column `x`, and commit; give the outcome."""
        upload = self.begin(dataset, person, mode)
        rows = self.put(upload, values, person)
        return ChangeOutcome.model_validate(assert_ok(self.commit(upload, dataset, len(values), rows, person)).json())

    def version(self, name: str, dataset: str) -> tuple[int, str, int] | None:
        """(version, manifest, rows) of a dataset at a node."""
        answer = self.request(name, "owner", "GET", f"/v1/datasets/{dataset}")
        if answer.status_code == 404:
            return None
        found = DatasetInfo.model_validate(assert_ok(answer).json())
        return found.version, found.manifest, found.rows

    def versions(self, dataset: str) -> list[tuple[int, str, int] | None]:
        return [self.version(name, dataset) for name in NAMES]

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
        if self.zygote is not None and not self.lent:
            self.zygote.close()
        for name in list(self.clients):
            self.forget_connections(name)
        for bound in [*self.listeners.values(), *(lane for lanes in self.lanes.values() for lane in lanes)]:
            bound.close()


def _json(value: Any) -> bytes:
    if hasattr(value, "model_dump_json"):
        return bytes(value.model_dump_json(by_alias=True).encode())
    return json.dumps(value).encode()


def assert_ok(answer: httpx.Response) -> httpx.Response:
    assert answer.status_code < 300, f"{answer.status_code} {answer.text[:1000]}"
    return answer


def parts(upload: str, chunk: int, values: Sequence[int]) -> list[bytes]:
    """The parts of one chunk of column `x` for the three nodes."""
    words = np.array(values, np.int64).view(np.uint64)
    made = split_chunk(SCHEMA, {"x": words}, len(values), bytes.fromhex(upload), chunk)
    return [b"".join(part) for part in made]


def bound(count: int) -> list[socket.socket]:
    """Sockets at `count` neighbouring ports of loopback, which keep the ports while nobody listens there."""
    for _ in range(200):
        found: list[socket.socket] = []
        try:
            for place in range(count):
                one = socket.socket()
                found.append(one)
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                one.bind(("127.0.0.1", found[0].getsockname()[1] + place if place else 0))
            return found
        except (OSError, OverflowError):
            for one in found:
                one.close()
    raise AssertionError("no neighbouring ports are free")


def listening(place: socket.socket) -> socket.socket:
    """A listening socket at the port that another keeps; once all who have it end, who dials there is refused."""
    # workers of a node that was killed may hold it a little longer
    return bind(*place.getsockname(), patience_s=START_S)


ODD_CHILD = Path(__file__).parent.parent / "faults" / "odd_child.py"


def make(
    folder: Path,
    policy: Callable[[dict[str, Member]], str] | None = None,
    *,
    lanes: int = LANES,
    zygote: Zygote | None = None,
) -> Nodes:
    """Make three nodes that do not run yet; `close` them at the end.

    `policy` gives the text of policy.toml at all three; else everybody may do everything in their role, from 5 rows on.
    `zygote` makes the processes, if there is one already; it saves the seconds of its start.
    """
    listeners = {name: bound(1)[0] for name in NAMES}
    lane_sockets = {name: bound(lanes) for name in NAMES}
    places = {
        name: NodePlace(listeners[name].getsockname()[1], lane_sockets[name][0].getsockname()[1], lanes)
        for name in NAMES
    }
    people = {person: Member.create(person) for person in (*ROLES, "nobody")}
    for person, member in people.items():
        member.save(folder / f"{person}.pem")
    text = (policy or everything)(people)
    federation = create_federation(folder, places, policy=text)
    nodes = Nodes(folder, federation, people, listeners, lane_sockets, zygote=zygote, lent=zygote is not None)
    for name in NAMES:
        nodes.set(name, "probe", "0.5")
        nodes.set(name, "doubt", "0.3")
        nodes.set(name, "requests_per_second", "1000.0")
        nodes.set(name, "strangers_per_second", "200.0")
    return nodes


def everything(people: dict[str, Member]) -> str:
    """The text of a policy that lets everybody do all there is in their role."""
    return trial({name: (people[name].card.fingerprint, roles) for name, roles in ROLES.items()})


def everybody(people: dict[str, Member], homes: Mapping[str, str] | None = None) -> str:
    """The beginning of the text of a policy: all people in their roles; `homes`: the organisations of some."""
    text = "version = 1\n"
    for name, roles in ROLES.items():
        text += f'[[people]]\nname = "{name}"\nfingerprint = "{people[name].card.fingerprint}"\nroles = {roles}\n'
        text += f'organisation = "{homes[name]}"\n' if homes and name in homes else ""
    return text


@contextmanager
def trio(
    folder: Path,
    policy: Callable[[dict[str, Member]], str] | None = None,
    *,
    lanes: int = LANES,
    zygote: Zygote | None = None,
    odd: dict[str, str] | None = None,
) -> Iterator[Nodes]:
    """Three nodes that answer; killed at the end. `odd`: oddities of faults/odd_child.py, by the name of a node."""
    nodes = make(folder, policy, lanes=lanes, zygote=zygote)
    nodes.children |= {name: [str(ODD_CHILD), oddity] for name, oddity in (odd or {}).items()}
    try:
        nodes.start()
        yield nodes
    finally:
        nodes.close()
