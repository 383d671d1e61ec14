"""Calls to the other two nodes over mutual TLS, and what is known of them: reachable, and where they disagree."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from pydantic import ValidationError

from tercet.errors import ConfigError, ProtocolViolation, TercetError, Timeout, Unreachable
from tercet.federation.api_admin import PeerStatus
from tercet.federation.api_peer import Hello, Noted, VersionHead
from tercet.federation.https import Buffer, HttpAnswer, NodeConnections
from tercet.federation.model import Body
from tercet.federation.refusals import error_of
from tercet.node.parts import NodeContext
from tercet.sharing import Party
from tercet.transport.identity import tls_context

HELLO = "/peer/hello"
CLOCK_S = 300.0
"""Two nodes whose clocks differ by more refuse each other."""

PROTOCOL = "1"
PROTOCOL_HEADER = "tercet-protocol"
FEDERATION_HEADER = "tercet-federation"
DATE_HEADER = "tercet-date"

_ANSWER_BYTES = 64 << 20
_CONNECT_S = 5.0
_FIRST_PAUSE_S, _FIRST_S = 0.05, 3.0
"""The pause between looks in the first seconds, when all three nodes may be starting; later it doubles."""
_IDLE_S = 10.0
"""How long a connection is kept that nobody uses."""

M = TypeVar("M", bound=Body)


@dataclass
class PeerState:
    """What this node knows of another: when it answered last, and on what the two disagree."""

    name: str
    reached: float = 0.0
    failure: str = "not asked yet"
    software: str = ""
    clock_ahead_s: float = 0.0
    round_trip_s: float = 0.0
    unfit: list[str] = field(default_factory=list)
    """Why the two cannot work together at all; contains nothing about data."""
    differing: list[str] = field(default_factory=list)
    """Datasets of which it has another version than this node."""
    versions: list[str] = field(default_factory=list)

    @property
    def up(self) -> bool:
        return not self.failure

    @property
    def disagreements(self) -> list[str]:
        """Everything on which the two disagree, in sentences for operators."""
        return [*self.unfit, *self.versions]

    @property
    def hindrance(self) -> list[str]:
        """What keeps this node from working with it, without names of datasets, as everybody may read it."""
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

    def __init__(self, context: NodeContext) -> None:
        self._context = context
        identity = self._identity = context.identity
        self._connections: dict[Party, NodeConnections] = {}
        self._states = {party: PeerState(identity.party_name(party)) for party in identity.others}
        self._told: dict[Party, int] = {}
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        for party in self._states:
            entry = identity.federation.node(party)
            tls = tls_context(identity.member.identity, [entry.card.certificate], server=False)
            self._connections[party] = NodeConnections(
                entry.name, party, entry.url, entry.card.certificate, tls, connect_s=_CONNECT_S, idle_s=_IDLE_S
            )

    # -- calls

    def ask(
        self,
        party: Party,
        method: str,
        path: str,
        answer: type[M],
        body: Body | bytes | None = None,
        *,
        timeout: float | None = None,
    ) -> M:
        """Ask the node of `party`, and give its answer. `body` is a model, or the JSON of one.

        `timeout` in seconds, the settings' if None. Raises Unreachable, Timeout or ProtocolViolation (with `party`), or
        the error that the other answered.
        """
        data = self._ask(party, method, path, body, timeout)
        try:
            return answer.model_validate_json(data)
        except ValidationError:
            what = f"{self.name(party)} answered with something that is no {answer.__name__}"
            raise ProtocolViolation(what, party=party) from None

    def tell(self, party: Party, path: str, body: Body, event: str, **about: object) -> bool:
        """Tell the node of `party` something; False, and `event` is logged, if it was not told or objects."""
        try:
            self.ask(party, "POST", path, Noted, body)
        except TercetError as error:
            self._context.log.warning(event, peer=self.name(party), reason=error.message, **about)
            return False
        return True

    def _ask(self, party: Party, method: str, path: str, body: Body | bytes | None, timeout: float | None) -> bytes:
        """The bytes of a good answer."""
        data = body.to_json() if isinstance(body, Body) else body
        headers = {} if data is None else {"Content-Type": "application/json"}
        seconds = timeout if timeout is not None else self._context.settings.timeouts.peer
        answer = self.exchange(party, method, path, data, headers, seconds, terms=True)
        if answer.status < 300:
            return answer.data
        name, told = self.name(party), answer.error()
        if told is None:
            raise ProtocolViolation(f"{name} answered {answer.status}", party=party)
        raise error_of(answer.status, told, name, party)

    def exchange(
        self,
        party: Party,
        method: str,
        target: str,
        body: Buffer | None,
        headers: Mapping[str, str],
        seconds: float,
        *,
        terms: bool = False,
    ) -> HttpAnswer:
        """Send a request as it is, with this node's own terms or one that a person signed; gives the node's answer.

        Raises Unreachable or Timeout.
        """
        try:
            answer = self._connections[party].exchange(
                method,
                target,
                [body] if body else [],
                lambda: {**headers, **self._terms()} if terms else headers,
                timeout=seconds,
                most=_ANSWER_BYTES,
            )
        except (Timeout, Unreachable) as error:
            raise self._failed(party, error) from None
        except ConfigError as error:
            raise self._failed(party, Unreachable(error.message, party=party, hint=error.hint)) from None
        self._reached(party)
        return answer

    def _terms(self) -> dict[str, str]:
        """The headers that the other node's gate compares with its own federation file, version and clock."""
        return {
            PROTOCOL_HEADER: PROTOCOL,
            FEDERATION_HEADER: self._identity.federation.digest,
            DATE_HEADER: f"{self._context.now():.3f}",
        }

    # -- state

    def states(self) -> list[PeerState]:
        """What is known of the others, in the order of parties."""
        return [self._states[party] for party in sorted(self._states)]

    def name(self, party: Party) -> str:
        return self._identity.party_name(party)

    @property
    def others(self) -> list[Party]:
        return self._identity.others

    def _reached(self, party: Party) -> None:
        state = self._states[party]
        if state.failure:
            self._context.log.info("node reached", peer=state.name)
        state.reached, state.failure = self._context.now(), ""
        self._context.metrics.peer_up.labels(state.name).set(1)

    def _failed(self, party: Party, error: Timeout | Unreachable) -> TercetError:
        state = self._states[party]
        if not state.failure:
            self._context.log.warning("node not reached", peer=state.name, reason=error.reason)
        state.failure = error.reason
        self._context.metrics.peer_up.labels(state.name).set(0)
        return error

    # -- looking

    def start(self) -> None:
        """Start the thread that compares this node with the others, now and every `timeouts.probe` seconds."""
        self._thread = threading.Thread(target=self._look_on, name="tercet peers", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread, then the connections."""
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
        for connections in self._connections.values():
            connections.close()

    def _look_on(self) -> None:
        period = self._context.settings.timeouts.probe
        pause, began = min(_FIRST_PAUSE_S, period), time.monotonic()
        while not self._wake.is_set():
            for party in self.others:
                if self._wake.is_set():
                    return
                # this node's own catalogue may fail, and work again later
                with self._context.log.guarded("others not looked at"):
                    self.look(party)
            everybody = all(state.up for state in self.states())
            if everybody:
                pause = period
            elif time.monotonic() > began + _FIRST_S:
                pause = min(period, 2 * pause)
            self._wake.wait(pause)

    def look(self, party: Party) -> PeerState:
        """Ask one node how it is and compare it with this one. Raises StorageError of this node's own catalogue."""
        state = self._states[party]
        mine = self._context.hello()
        asked = time.monotonic()
        try:
            theirs = Hello.model_validate_json(self._ask(party, "GET", HELLO, None, None))
        except TercetError as error:
            state.failure = state.failure or error.message
        except ValidationError:
            state.unfit = [f"{state.name} does not say hello as this version does"]
        else:
            slack = state.round_trip_s = time.monotonic() - asked
            after = self._context.hello()
            state.software, state.clock_ahead_s = theirs.software, theirs.time - after.time
            state.differing = differing(mine, after, theirs)
            state.unfit = terms(self._identity.name, after, state.name, theirs, slack)
            state.versions = [
                f"dataset {name}: {self._identity.name} has {_version(after.datasets.get(name))}, "
                f"{state.name} has {_version(theirs.datasets.get(name))}"
                for name in state.differing
            ]
        if (count := len(state.disagreements)) != self._told.get(party, 0):
            self._told[party] = count
            for words in state.disagreements:
                self._context.log.warning("nodes disagree", peer=state.name, about=words)
        self._context.metrics.disagreements.labels(state.name).set(count)
        return state


def terms(me: str, mine: Hello, other: str, theirs: Hello, slack_s: float) -> list[str]:
    """Why two nodes cannot work together at all, in sentences."""
    found = []
    if theirs.federation_digest != mine.federation_digest:
        found.append(f"{other} and {me} have different federation files")
    if abs(theirs.time - mine.time) > CLOCK_S + slack_s:
        found.append(f"the clocks of {other} and {me} differ by {abs(theirs.time - mine.time):,.0f} s")
    return found


def differing(before: Hello, after: Hello, theirs: Hello) -> list[str]:
    """The datasets of which another node has another version; `before` and `after` are this node's own state.

    Datasets that a transaction is changing are not compared, nor those that changed here between the two.
    """
    busy = {*before.changing, *after.changing, *theirs.changing}
    return [
        name
        for name in sorted({*after.datasets, *theirs.datasets} - busy)
        if before.datasets.get(name) == after.datasets.get(name) != theirs.datasets.get(name)
    ]


def _version(version: VersionHead | None) -> str:
    return "none" if version is None else f"version {version.version} ({version.manifest[:8]})"
