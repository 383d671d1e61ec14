"""A person's connection to the three nodes: signed requests, checked answers, errors that name the node."""

from __future__ import annotations

import hashlib
import ssl
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from typing import Any, Self, TypedDict, TypeVar, Unpack
from urllib.parse import urlsplit

from pydantic import ValidationError

from tercet.errors import ConfigError, ProtocolViolation, TercetError
from tercet.federation.api import Health, NodeInfo
from tercet.federation.federation import Federation, NodeEntry
from tercet.federation.https import Buffer, HttpAnswer, NodeConnections, joined
from tercet.federation.identity import Member
from tercet.federation.model import Body, faults
from tercet.federation.refusals import HttpError, error_of
from tercet.federation.requests import signed_headers
from tercet.sharing import PARTIES, Party

CONNECT_S = 10.0
TIMEOUT_S = 60.0
MAX_ANSWER_BYTES = 1 << 30
_TRIES = 6

M = TypeVar("M", bound=Body)
T = TypeVar("T")
_ASK = "ask its operator whether it runs, then try again"
_ASK_SILENT = "ask its operator whether it hangs or has too much to do, then try again"
_START = "it is on this machine: start it, with tercet up if that made it"
_START_AGAIN = (
    "it is on this machine, and hangs or has too much to do: wait, or end it and start it again, with tercet down and "
    "tercet up if these made it"
)


class RequestOptions(TypedDict, total=False):
    """Options of one request to a node."""

    json_body: bool
    headers: dict[str, str]
    timeout: float | None
    """Seconds for which the node may be silent; None: those of the client."""
    patient: bool
    """Whether to wait and try again if the node gets too many requests, or is not ready."""
    most: int
    """Bytes of the longest answer that is read."""


class NodeClient:
    """One node, asked by one person. Several threads may use it; each takes a connection of its own.

    Every call may raise Unreachable or Timeout (naming the node), ConfigError if its certificate is not that of the
    federation file, ProtocolViolation for an answer of a wrong form, and the error that the node answers: Refused,
    InputError, IntegrityError, ... with its name in front.
    """

    def __init__(
        self,
        federation: Federation,
        party: Party,
        member: Member,
        *,
        timeout: float = TIMEOUT_S,
        via: NodeEntry | None = None,
    ) -> None:
        """`via`: the node through which requests go, if another one. `timeout`: seconds for which it may be silent."""
        self._federation = federation
        self.entry = federation.node(party)
        self.party = party
        self.timeout = timeout
        self._member = member
        door = via or self.entry
        self._url = door.url
        self._prefix = f"/v1/gateway/{self.entry.name}" if via is not None and via.name != self.entry.name else ""
        here = urlsplit(door.url).hostname in ("127.0.0.1", "localhost", "::1")
        self._connections = NodeConnections(
            f"node {door.name}",
            party,
            door.url,
            door.card.certificate,
            _pinned(door),
            connect_s=CONNECT_S,
            hint=_START if here else _ASK,
            silent_hint=_START_AGAIN if here else _ASK_SILENT,
        )

    def __repr__(self) -> str:
        return f"NodeClient({self.name} at {self._url})"

    @property
    def name(self) -> str:
        return self.entry.name

    def close(self) -> None:
        """Close the connections, also those on which somebody still waits; harmless when called again."""
        self._connections.close()

    # -- requests

    def get(self, target: str, answer: type[M], *, timeout: float | None = None) -> M:
        """GET; the answer as a model."""
        return self.checked(answer, self.request("GET", target, timeout=timeout))

    def post(self, target: str, body: Body | Buffer | None, answer: type[M], *, patient: bool = False) -> M:
        """POST of a model as JSON, or of bytes; the answer as a model."""
        content = [] if body is None else [body.to_json() if isinstance(body, Body) else body]
        data = self.request("POST", target, content, json_body=isinstance(body, Body), patient=patient)
        return self.checked(answer, data)

    def info(self) -> NodeInfo:
        """What the node says of itself. ConfigError if that is not what the federation file says."""
        found = self.get("/v1/node", NodeInfo)
        if found.fingerprint != self.entry.fingerprint:
            raise ConfigError(f"node {self.name} says that it is {found.name} with another certificate")
        return found

    def ready(self) -> Health:
        """Whether the node is ready, and what is missing."""
        try:
            return self.get("/readyz", Health)
        except HttpError as error:
            return Health(ready=False, missing=[error.message[:200]])

    def request(
        self, method: str, target: str, body: Sequence[Buffer] = (), **options: Unpack[RequestOptions]
    ) -> bytes:
        """One signed request; the bytes of a good answer. `target` is path and query, `body` is sent without a copy."""
        answer = self.ask(method, target, body, **options)
        if answer.status >= 400:
            raise self.error(answer)
        return answer.data

    def ask(
        self, method: str, target: str, body: Sequence[Buffer] = (), **options: Unpack[RequestOptions]
    ) -> HttpAnswer:
        """As `request`, but gives the answer whatever its status. Raises errors of connections only."""
        pieces = joined(body)
        digest = hashlib.sha256()
        for piece in pieces:
            digest.update(piece)
        content = digest.hexdigest()
        fixed = dict(options.get("headers", {}))
        if pieces:
            fixed["Content-Type"] = f"application/{'json' if options.get('json_body') else 'octet-stream'}"

        def signed() -> dict[str, str]:
            to = self.entry.fingerprint
            return fixed | signed_headers(self._member, to, method, target, content, time.time())

        timeout, most = options.get("timeout") or self.timeout, options.get("most", MAX_ANSWER_BYTES)
        asked = f"{method} {target.partition('?')[0]}"
        for trial in range(_TRIES):
            answer = self._connections.exchange(
                method, self._prefixed(target), pieces, signed, timeout=timeout, most=most, told=asked
            )
            if not options.get("patient") or answer.status not in (429, 503):
                break
            time.sleep(min(answer.retry_after or 0.2 * 2**trial, 5.0))
        return answer

    def _prefixed(self, target: str) -> str:
        return self._prefix + target.removeprefix("/v1") if self._prefix else target

    def error(self, answer: HttpAnswer) -> TercetError:
        """The exception for an answer with an error status."""
        body = answer.error()
        if body is None:
            what = f"answered with status {answer.status} and no reason"
            return self._connections.failed(ProtocolViolation, what)
        names = {node.name: party for party, node in zip(PARTIES, self._federation.nodes, strict=True)}
        name = body.node if body.node in names else self.name
        if name != self.name and self.name != self._federation.coordinator.name:
            # only the coordinator may pass on what another node says; callers check that
            body = body.model_copy(update={"message": f"{body.message} (so says {self.name})"})
        body = body.model_copy(update={"node": name})
        return error_of(answer.status, body, name, names[name])

    def checked(self, answer: type[M], data: bytes) -> M:
        """The bytes of an answer as a model."""
        try:
            return answer.model_validate_json(data)
        except ValidationError as error:
            what = f"answered with something that is no {answer.__name__}: {faults(error)}"
            raise self._connections.failed(ProtocolViolation, what) from None


class Nodes:
    """The three nodes, asked in parallel. Close it, or use it in `with`."""

    def __init__(
        self, federation: Federation, member: Member, *, timeout: float = TIMEOUT_S, via: str | None = None
    ) -> None:
        """`via`: the name of one node through which all requests go. ConfigError for certificates that ended."""
        self.federation = federation
        self.member = member
        member.card.check_valid()
        self.via = via
        door = None if via is None else federation.node(federation.party(via))
        self.clients = tuple(NodeClient(federation, party, member, timeout=timeout, via=door) for party in PARTIES)
        self._pool = ThreadPoolExecutor(3 * len(PARTIES), thread_name_prefix="tercet nodes")

    def __repr__(self) -> str:
        names = ", ".join(client.name for client in self.clients)
        return f"Nodes({names} of {self.federation.name}, asked by {self.member.name})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __getitem__(self, party: Party) -> NodeClient:
        return self.clients[PARTIES.index(party)]

    def named(self, name: str) -> NodeClient:
        """The node of that name. ConfigError if there is none."""
        return self[self.federation.party(name)]

    @property
    def coordinator(self) -> NodeClient:
        return self.clients[0]

    def doors(self) -> list[tuple[NodeClient, NodeInfo]]:
        """The nodes to which requests go directly (all, or the one of `via`), with their answers about themselves.

        Raises ConfigError if one is not the node of the federation file.
        """
        clients = self.clients if self.via is None else (self.named(self.via),)
        asked = [(client, self.start(NodeClient.info, client)) for client in clients]
        return [(client, future.result()) for client, future in asked]

    def close(self) -> None:
        """Close all connections; harmless when called again."""
        for client in self.clients:
            client.close()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def start(self, work: Callable[[NodeClient], T], client: NodeClient) -> Future[T]:
        """Ask one node in the background."""
        return self._pool.submit(work, client)

    def each(self, work: Callable[[NodeClient], T]) -> list[T]:
        """Ask all three at once; the answers in the order of their numbers. Raises the first failure, at once."""
        futures = [self.start(work, client) for client in self.clients]
        done, _ = wait(futures, return_when=FIRST_EXCEPTION)
        for future in futures:
            if future in done and (error := future.exception()) is not None:
                raise error
        return [future.result() for future in futures]

    def try_each(self, work: Callable[[NodeClient], T]) -> list[T | TercetError]:
        """Ask all three at once; of each its answer or its failure."""

        def tried(client: NodeClient) -> T | TercetError:
            try:
                return work(client)
            except TercetError as error:
                return error

        return [future.result() for future in [self.start(tried, client) for client in self.clients]]

    def quietly(self, work: Callable[[NodeClient], Any]) -> None:
        """Ask all three, and ignore their failures."""

        def told(client: NodeClient) -> None:
            with suppress(TercetError):
                work(client)

        wait([self.start(told, client) for client in self.clients])


def _pinned(entry: NodeEntry) -> ssl.SSLContext:
    """TLS 1.3 that trusts this node's certificate and no other."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False  # the certificate itself is compared
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=entry.card.certificate)
    return context
