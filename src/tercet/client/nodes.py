"""HTTP to the three nodes: signed requests over pinned TLS, connections kept, answers checked, failures named."""

from __future__ import annotations

import hashlib
import http.client
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

from pydantic import ValidationError

from tercet.errors import ConfigError, PartyError, ProtocolViolation, TercetError, Timeout, Unreachable
from tercet.federation.api import Health, NodeInfo, error_fields
from tercet.federation.federation import Federation, NodeEntry
from tercet.federation.identity import Member
from tercet.federation.model import Model, faults
from tercet.federation.requests import signed_headers
from tercet.node.refusals import Turned, raised
from tercet.sharing import PARTIES, Party

CONNECT_S = 10.0
TIMEOUT_S = 60.0
MAX_ANSWER_BYTES = 1 << 30
_TRIES = 6
_JOINED_BYTES = 1 << 16
_EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()

Buffer = bytes | bytearray | memoryview
M = TypeVar("M", bound=Model)
T = TypeVar("T")
_ASK = "ask its operator whether it runs, then try again"


class NodeClient:
    """One node, as one person sees it. May be used by several threads; each takes a connection of its own.

    Raises, from every call: Unreachable, Timeout (naming the node), ConfigError if it shows another certificate than
    the federation file has, ProtocolViolation for an answer that is none, and what the node itself answered: Refused,
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
        """`via`: the node through which requests go, if not to this one straight; `timeout`: seconds of silence."""
        self._federation = federation
        self.entry = federation.node(party)
        self.party = party
        self.timeout = timeout
        self._member = member
        self._door = via or self.entry
        self._prefix = f"/v1/gateway/{self.entry.name}" if via is not None and via.name != self.entry.name else ""
        parts = urlsplit(self._door.url)
        self._host, self._port = parts.hostname or "", parts.port or 443
        self._context = _pinned(self._door)
        self._idle: list[http.client.HTTPSConnection] = []
        self._busy: set[http.client.HTTPSConnection] = set()
        self._lock = threading.Lock()
        self._closed = False

    def __repr__(self) -> str:
        return f"NodeClient({self.name} at {self._door.url})"

    @property
    def name(self) -> str:
        return self.entry.name

    def close(self) -> None:
        """Close the connections, also those on which somebody still waits; harmless when called again."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
            for connection in self._busy:
                if connection.sock is not None:
                    with suppress(OSError):
                        connection.sock.shutdown(socket.SHUT_RDWR)
        for connection in idle:
            connection.close()

    # -- requests

    def get(self, target: str, answer: type[M], *, timeout: float | None = None) -> M:
        """GET; the answer as a model."""
        return self.checked(answer, self.request("GET", target, timeout=timeout))

    def post(
        self, target: str, body: Model | Buffer | None, answer: type[M], *, method: str = "POST", patient: bool = False
    ) -> M:
        """POST (or another method) of a model as JSON, or of bytes; the answer as a model."""
        if isinstance(body, Model):
            data = self.request(method, target, [body.to_json()], json_body=True, patient=patient)
        else:
            data = self.request(method, target, [] if body is None else [body], patient=patient)
        return self.checked(answer, data)

    def info(self) -> NodeInfo:
        """Who the node says it is. ConfigError if that is not who the federation file says."""
        found = self.get("/v1/node", NodeInfo)
        if found.fingerprint != self.entry.fingerprint:
            raise ConfigError(f"node {self.name} says that it is {found.name} with another certificate")
        return found

    def ready(self) -> Health:
        """Whether the node would work, and what is missing."""
        try:
            return self.get("/readyz", Health)
        except Turned as error:
            return Health(ready=False, missing=[error.message[:200]])

    def request(
        self,
        method: str,
        target: str,
        body: Sequence[Buffer] = (),
        *,
        json_body: bool = False,
        headers: dict[str, str] | None = None,
        timeout: float | None = None,
        patient: bool = False,
        most: int = MAX_ANSWER_BYTES,
    ) -> bytes:
        """One signed request; the bytes of a good answer. `target` is path and query, `body` is sent without a copy.

        `patient`: wait and try again where the node gets too many requests, or is not ready. `most`: bytes of the
        longest answer that is read.
        """
        status, data = self.ask(
            method, target, body, json_body=json_body, headers=headers, timeout=timeout, patient=patient, most=most
        )
        if status >= 400:
            raise self.error(status, data)
        return data

    def ask(
        self,
        method: str,
        target: str,
        body: Sequence[Buffer] = (),
        *,
        json_body: bool = False,
        headers: dict[str, str] | None = None,
        timeout: float | None = None,
        patient: bool = False,
        most: int = MAX_ANSWER_BYTES,
    ) -> tuple[int, bytes]:
        """As `request`; status and bytes of whatever the node answered. Raises for connections only."""
        pieces = _joined(body)
        digest = hashlib.sha256()
        for piece in pieces:
            digest.update(piece)
        kind = "application/json" if json_body else "application/octet-stream"
        fixed = {**(headers or {}), "Content-Length": str(sum(len(piece) for piece in pieces))}
        if pieces:
            fixed["Content-Type"] = kind
        content = digest.hexdigest() if pieces else _EMPTY_SHA256
        for trial in range(_TRIES):
            status, retry_after, data = self._exchange(method, target, pieces, fixed, content, timeout, most)
            if not patient or status not in (429, 503):
                break
            time.sleep(min(retry_after or 0.2 * 2**trial, 5.0))
        return status, data

    def _exchange(
        self,
        method: str,
        target: str,
        body: Sequence[Buffer],
        fixed: dict[str, str],
        content: str,
        timeout: float | None,
        most: int,
    ) -> tuple[int, float, bytes]:
        """Send and receive once; on a connection that the node has closed meanwhile, once more on a new one."""
        patience = self.timeout if timeout is None else timeout
        while True:
            signed = signed_headers(self._member, self.entry.fingerprint, method, target, content, time.time())
            connection, used = self._connection(patience)
            with self._lock:
                self._busy.add(connection)
            sent = kept = False
            response: http.client.HTTPResponse | None = None
            try:
                try:
                    connection.request(method, self._prefixed(target), body=iter(body), headers={**fixed, **signed})
                    sent = True
                except (BrokenPipeError, ConnectionResetError, ssl.SSLEOFError):
                    if used:
                        raise
                    # it may have answered before it had read everything
                response = connection.getresponse()
                data = response.read(most + 1)
                if len(data) > most:
                    raise self._failed(ProtocolViolation, f"answers with more than {most} bytes")
                if response.length:  # http.client takes an end before that for the end
                    raise http.client.IncompleteRead(b"", response.length)
                retry_after = _seconds(response.headers.get("Retry-After"))
                kept = sent and not response.will_close
                return response.status, retry_after, data
            except TimeoutError:
                raise self._failed(Timeout, f"did not answer {method} {_path(target)} within {patience:g} s") from None
            except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError, ssl.SSLEOFError) as error:
                if not used:
                    raise self._failed(Unreachable, f"closed the connection ({type(error).__name__})") from None
            except (http.client.HTTPException, ssl.SSLError, OSError) as error:
                raise self._failed(Unreachable, f"broke off its answer ({type(error).__name__})") from None
            finally:
                if response is not None:
                    response.close()  # of one that broke off: it holds the socket open
                self._give_back(connection, keep=kept)

    def _connection(self, patience: float) -> tuple[http.client.HTTPSConnection, bool]:
        with self._lock:
            if self._closed:
                raise ValueError("this connection to the nodes is closed")
            if self._idle:
                connection = self._idle.pop()
                if connection.sock is not None:
                    connection.sock.settimeout(patience)
                    return connection, True
        connection = http.client.HTTPSConnection(
            self._host, self._port, timeout=min(CONNECT_S, patience), context=self._context
        )
        try:
            connection.connect()
            shown = connection.sock.getpeercert(True)
        except ssl.SSLCertVerificationError as error:
            connection.close()
            raise ConfigError(
                f"node {self._door.name} at {self._door.url} does not show the certificate that the federation file "
                f"has for it ({error.verify_message})",
                hint="ask its operator whether he has a new one; someone may be in between",
            ) from None
        except (OSError, ssl.SSLError) as error:
            connection.close()
            if isinstance(error, TimeoutError):
                raise self._failed(Timeout, f"did not answer at {self._door.url} within {CONNECT_S:g} s") from None
            why = getattr(error, "strerror", None) or type(error).__name__
            raise self._failed(Unreachable, f"cannot be reached at {self._door.url}: {why}") from None
        if shown != self._door.card.certificate:
            connection.close()
            raise ConfigError(f"node {self._door.name} shows another certificate than the federation file has for it")
        connection.sock.settimeout(patience)
        return connection, False

    def _give_back(self, connection: http.client.HTTPSConnection, *, keep: bool) -> None:
        with self._lock:
            self._busy.discard(connection)
            if keep and not self._closed:
                self._idle.append(connection)
                return
        connection.close()

    def _prefixed(self, target: str) -> str:
        return self._prefix + target.removeprefix("/v1") if self._prefix else target

    def _failed(self, kind: type[PartyError], what: str) -> PartyError:
        here = self._host in ("127.0.0.1", "localhost", "::1")
        who = "it is on this machine: start it, with tercet up if that made it" if here else _ASK
        hint = "" if kind is ProtocolViolation else who
        door = f"node {self._door.name}"
        return kind(f"{door} {what}", party=int(self.party), hint=hint)

    def error(self, status: int, data: bytes) -> TercetError:
        """What an answer with an error status stands for."""
        try:
            body = error_fields(json.loads(data))
        except ValueError:
            body = None
        if body is None:
            return self._failed(ProtocolViolation, f"answered with status {status} and no reason")
        names = {node.name: party for party, node in zip(PARTIES, self._federation.nodes, strict=True)}
        name = body.node if body.node in names else self.name
        return raised(status, body, name, names[name])

    def checked(self, answer: type[M], data: bytes) -> M:
        """An answer's bytes as the model that it should be."""
        try:
            return answer.model_validate_json(data)
        except ValidationError as error:
            what = f"answered with something that is no {answer.__name__}: {faults(error)}"
            raise self._failed(ProtocolViolation, what) from None


class Nodes:
    """The three nodes, asked side by side. Close it, or use it in `with`."""

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
        """The nodes that are spoken to: all, or the one through which requests go; and who they say they are.

        Raises ConfigError if one is not who the federation file says.
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
        """Have something asked of one node meanwhile."""
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
        """Tell all three something, whatever they answer."""

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


def _joined(buffers: Sequence[Buffer]) -> list[Buffer]:
    """Small neighbours as one, so that each is worth a write; large ones as they are."""
    joined: list[Buffer] = []
    small = bytearray()
    for buffer in buffers:
        if not len(buffer):
            continue
        if len(buffer) < _JOINED_BYTES:
            small += buffer
            if len(small) < _JOINED_BYTES:
                continue
            buffer = b""
        if small:
            joined.append(small)
            small = bytearray()
        if buffer:
            joined.append(buffer)
    if small:
        joined.append(small)
    return joined


def _seconds(text: str | None) -> float:
    try:
        return max(0.0, float(text or 0))
    except ValueError:
        return 0.0


def _path(target: str) -> str:
    return target.partition("?")[0]
