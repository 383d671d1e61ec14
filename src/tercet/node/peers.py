"""The other two nodes, as this one reaches them: mutual TLS with pinned certificates, and what they do not agree on."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx
from pydantic import ValidationError

from tercet.errors import ProtocolViolation, TercetError, Timeout, Unreachable
from tercet.federation.api import ErrorBody
from tercet.federation.api_admin import PeerStatus
from tercet.federation.api_peer import DatasetVersion, Hello
from tercet.node.access import CLOCK_S, HELLO, peer_headers
from tercet.node.refusals import raised
from tercet.sharing import PARTIES, Party
from tercet.transport.identity import tls_context

if TYPE_CHECKING:
    from tercet.node.supervisor import Node

_ANSWER_BYTES = 64 << 20
_CONNECT_S = 5.0
_AGAIN_AT_ONCE = 2


@dataclass
class PeerState:
    """What this node knows of another: when it answered, and on what the two do not agree."""

    name: str
    reached: float = 0.0
    failure: str = "not asked yet"
    software: str = ""
    clock_ahead_s: float = 0.0
    round_trip_s: float = 0.0
    unfit: list[str] = field(default_factory=list)
    """Why the two cannot work together at all; says nothing about data."""
    differing: list[str] = field(default_factory=list)
    """Datasets of which it has another version, and which, in `versions`."""
    versions: list[str] = field(default_factory=list)

    @property
    def up(self) -> bool:
        return not self.failure

    @property
    def disagreements(self) -> list[str]:
        """Everything on which the two do not agree, in words, for operators."""
        return [*self.unfit, *self.versions]

    @property
    def hindrance(self) -> list[str]:
        """What hinders work with it, without the names of datasets: for everybody."""
        if self.failure:
            return [self.failure]
        differ = f"{self.name} has other versions of {len(self.differing)} datasets"
        return [*self.unfit, *([differ] if self.differing else [])]

    def status(self) -> PeerStatus:
        """As the operator sees it."""
        return PeerStatus(
            name=self.name,
            reachable=self.up,
            problem="; ".join([*([self.failure] if self.failure else []), *self.disagreements])[:500],
            software=self.software,
            clock_ahead_s=self.clock_ahead_s,
            round_trip_s=self.round_trip_s,
            seen=self.reached or None,
            differing=self.differing,
        )


class Peers:
    """HTTP to the other two nodes. Thread-safe; a connection is kept open for the next call.

    Who calls it: transactions, jobs, the gateway; and a thread of its own that looks at the others now and then.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._clients: dict[Party, httpx.Client] = {}
        self._states = {party: PeerState(node.federation.node(party).name) for party in PARTIES if party is not node.me}
        self._told: dict[Party, int] = {}
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        for party in self._states:
            entry = node.federation.node(party)
            context = tls_context(node.member.identity, [entry.card.certificate], server=False)
            self._clients[party] = httpx.Client(
                base_url=entry.url,
                verify=context,
                timeout=httpx.Timeout(node.settings.timeouts.peer, connect=_CONNECT_S),
                limits=httpx.Limits(max_connections=16, max_keepalive_connections=4, keepalive_expiry=10.0),
                trust_env=False,
                follow_redirects=False,
            )

    # -- calls

    def call(
        self,
        party: Party,
        method: str,
        path: str,
        *,
        json: Any = None,
        content: bytes | bytearray | memoryview | None = None,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """Ask the node of `party`; give its JSON answer. `timeout` in seconds, the settings' if None.

        Raises Unreachable, Timeout or ProtocolViolation (with `party`), or the error that the other answered.
        """
        name = self._states[party].name
        seconds = timeout if timeout is not None else self._node.settings.timeouts.peer
        sent = {**peer_headers(self._node), **(headers or {})}
        body = bytes(content) if content is not None else None
        try:
            response = self._send(party, method, path, json, body, seconds, sent)
        except httpx.TimeoutException:
            raise self._failed(party, Timeout(f"{name} did not answer within {seconds:g} s", party=party)) from None
        except (httpx.TransportError, OSError) as error:
            reason = str(error) or type(error).__name__
            raise self._failed(party, Unreachable(f"{name} cannot be reached: {reason}", party=party)) from None
        self._reached(party)
        return self._answer(party, response)

    def _send(
        self,
        party: Party,
        method: str,
        path: str,
        json: Any,
        body: bytes | None,
        seconds: float,
        headers: Mapping[str, str],
    ) -> httpx.Response:
        timeout = httpx.Timeout(seconds, connect=min(seconds, _CONNECT_S))
        for left in reversed(range(_AGAIN_AT_ONCE)):
            try:
                return self._clients[party].request(
                    method, path, json=json, content=body, timeout=timeout, headers=headers
                )
            except httpx.RemoteProtocolError:
                # a kept connection that the other had closed just then: all peer routes may be asked twice
                if not left:
                    raise
        raise AssertionError("unreachable")

    def _answer(self, party: Party, response: httpx.Response) -> dict[str, Any]:
        name = self._states[party].name
        if len(response.content) > _ANSWER_BYTES:
            raise ProtocolViolation(f"{name} answered {len(response.content):,} bytes", party=party)
        if response.status_code >= 300:
            try:
                told = ErrorBody.model_validate_json(response.content)
            except ValidationError:
                raise ProtocolViolation(f"{name} answered {response.status_code}", party=party) from None
            raise raised(response.status_code, told, name, party)
        try:
            found = response.json()
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise ProtocolViolation(f"{name} answered what is no JSON object", party=party)
        return found

    # -- state

    def states(self) -> list[PeerState]:
        """Give what is known of the others, in the order of parties."""
        return [self._states[party] for party in sorted(self._states)]

    def disagreements(self) -> list[str]:
        """Give every thing on which another node does not agree with this one, in words."""
        return [told for state in self.states() for told in state.disagreements]

    def client(self, party: Party) -> httpx.Client:
        """The connections to one node, for what is passed on to it as it came."""
        return self._clients[party]

    def name(self, party: Party) -> str:
        return self._node.federation.node(party).name

    @property
    def others(self) -> list[Party]:
        return sorted(self._states)

    def _reached(self, party: Party) -> None:
        state = self._states[party]
        if state.failure:
            self._node.log.info("node reached", peer=state.name)
        state.reached, state.failure = self._node.now(), ""
        self._node.metrics.peer_up.labels(state.name).set(1)

    def _failed(self, party: Party, error: Timeout | Unreachable) -> TercetError:
        state = self._states[party]
        if not state.failure:
            self._node.log.warning("node not reached", peer=state.name, reason=error.reason)
        state.failure = error.reason
        self._node.metrics.peer_up.labels(state.name).set(0)
        return error

    # -- looking

    def start(self) -> None:
        """Look at the others now and every `timeouts.probe` seconds, in a thread."""
        self._thread = threading.Thread(target=self._look_on, name="tercet peers", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread, then the connections."""
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
        for client in self._clients.values():
            client.close()

    def _look_on(self) -> None:
        period = self._node.settings.timeouts.probe
        pause = min(0.5, period)
        while not self._wake.is_set():
            for party in self.others:
                if self._wake.is_set():
                    return
                try:
                    self.look(party)
                except TercetError as error:
                    # this node's own catalogue, which may come back; the thread goes on
                    self._node.log.warning("others not looked at", reason=error.message)
                except Exception as error:
                    self._node.log.defect(error)
            everybody = all(state.up for state in self.states())
            pause = period if everybody else min(period, 2 * pause)
            self._wake.wait(pause)

    def look(self, party: Party) -> PeerState:
        """Ask one node how it is and compare it with this one. Raises StorageError of this node's own catalogue."""
        state = self._states[party]
        mine = self._node.hello()
        asked = time.monotonic()
        try:
            theirs = Hello.model_validate(self.call(party, "GET", HELLO))
        except TercetError as error:
            state.failure = state.failure or error.message
        except ValidationError:
            state.unfit = [f"{state.name} does not say hello as this version does"]
        else:
            slack = state.round_trip_s = time.monotonic() - asked
            after = self._node.hello()
            state.software, state.clock_ahead_s = theirs.software, theirs.time - after.time
            state.differing = differing(mine, after, theirs)
            state.unfit = terms(self._node.settings.name, after, state.name, theirs, slack)
            state.versions = [
                f"dataset {name}: {self._node.settings.name} has {_version(after.datasets.get(name))}, "
                f"{state.name} has {_version(theirs.datasets.get(name))}"
                for name in state.differing
            ]
        if (count := len(state.disagreements)) != self._told.get(party, 0):
            self._told[party] = count
            for words in state.disagreements:
                self._node.log.warning("nodes disagree", peer=state.name, about=words)
        self._node.metrics.disagreements.labels(state.name).set(count)
        return state


def terms(me: str, mine: Hello, other: str, theirs: Hello, slack_s: float) -> list[str]:
    """Say in words why two nodes cannot work together at all."""
    found = []
    if theirs.federation_digest != mine.federation_digest:
        found.append(f"{other} and {me} have different federation files")
    if abs(theirs.time - mine.time) > CLOCK_S + slack_s:
        found.append(f"the clocks of {other} and {me} differ by {abs(theirs.time - mine.time):,.0f} s")
    return found


def differing(before: Hello, after: Hello, theirs: Hello) -> list[str]:
    """Give the datasets of which another node has another version; `before` and `after` are this node's own state.

    What a transaction is changing is not compared, nor what changed here between the two.
    """
    busy = {*before.changing, *after.changing, *theirs.changing}
    return [
        name
        for name in sorted({*after.datasets, *theirs.datasets} - busy)
        if before.datasets.get(name) == after.datasets.get(name) != theirs.datasets.get(name)
    ]


def _version(version: DatasetVersion | None) -> str:
    return "none" if version is None else f"version {version.version} ({version.manifest[:8]})"
