"""HTTPS to one node, whose certificate is pinned: kept connections, bounded answers, failures with the node's name.

The client and the nodes themselves call nodes through this. It stands on `http.client`: a call costs a third of the
processor time that it costs with httpx, and bodies of uploads are sent without a copy (docs/decisions/028).
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from tercet.errors import ConfigError, PartyError, ProtocolViolation, Timeout, Unreachable
from tercet.federation.api import ErrorBody, error_fields
from tercet.sharing import Party

_JOINED_BYTES = 1 << 16

Buffer = bytes | bytearray | memoryview


@dataclass(frozen=True)
class HttpAnswer:
    """What a node answered; `retry_after` in seconds, 0 if it said nothing."""

    status: int
    content_type: str
    retry_after: float
    data: bytes = field(repr=False)

    def error(self) -> ErrorBody | None:
        """The error that the node tells of; None if the body is none, as of a proxy's page."""
        try:
            return error_fields(json.loads(self.data))
        except (ValueError, RecursionError):
            return None


class NodeConnections:
    """Connections to one node, kept for the next call. May be used by several threads; each takes one of its own."""

    def __init__(
        self,
        who: str,
        party: Party,
        url: str,
        certificate: bytes,
        context: ssl.SSLContext,
        *,
        connect_s: float,
        hint: str = "",
        silent_hint: str = "",
        idle_s: float = 30.0,
    ) -> None:
        """`who`: the node's name as errors have it; `party` and `hint` go into them, and `silent_hint` into those that
        tell of no answer in time. `certificate`: DER, of the node.

        `context` trusts this certificate and no other. A connection that nobody used for `idle_s` is not used again.
        """
        self._who = who
        self._party = party
        self._url = url
        self._certificate = certificate
        self._context = context
        self._connect_s = connect_s
        self._hints = {Unreachable: hint, Timeout: silent_hint or hint}
        self._idle_s = idle_s
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 443
        self._idle: list[tuple[float, http.client.HTTPSConnection]] = []
        self._busy: set[http.client.HTTPSConnection] = set()
        self._lock = threading.Lock()
        self._closed = False

    def __repr__(self) -> str:
        return f"NodeConnections({self._who} at {self._url})"

    def close(self) -> None:
        """Close the connections, also those on which somebody still waits; harmless when called again."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
            for connection in self._busy:
                if connection.sock is not None:
                    with suppress(OSError):
                        connection.sock.shutdown(socket.SHUT_RDWR)
        for _, connection in idle:
            connection.close()

    def exchange(
        self,
        method: str,
        target: str,
        body: Sequence[Buffer],
        headers: Callable[[], Mapping[str, str]],
        *,
        timeout: float,
        most: int,
        told: str = "",
    ) -> HttpAnswer:
        """Send a request and receive the answer; on a kept connection that the node has closed, again on another.

        `target`: path and query. `body`: sent as it is, without a copy. `headers` is called for each attempt, as
        signatures must be fresh. `timeout`: seconds of silence. `most`: bytes of the longest answer. `told`: what
        errors say was asked. Raises Unreachable, Timeout, ProtocolViolation for an answer longer than `most`,
        ConfigError for another certificate, ValueError after `close`.
        """
        length = {"Content-Length": str(sum(len(piece) for piece in body))}
        while True:
            connection, used = self._connection(timeout)
            with self._lock:
                self._busy.add(connection)
            sent = kept = False
            response: http.client.HTTPResponse | None = None
            try:
                try:
                    connection.request(method, target, body=iter(body), headers={**length, **headers()})
                    sent = True
                except (BrokenPipeError, ConnectionResetError, ssl.SSLEOFError):
                    if used:
                        raise
                    # it may have answered before it had read everything
                response = connection.getresponse()
                data = response.read(most + 1)
                if len(data) > most:
                    raise self.failed(ProtocolViolation, f"answers with more than {most} bytes")
                if response.length:  # http.client takes an end before that for the end
                    raise http.client.IncompleteRead(b"", response.length)
                kept = sent and not response.will_close
                kind = response.headers.get("Content-Type", "application/octet-stream")
                return HttpAnswer(response.status, kind, _seconds(response.headers.get("Retry-After")), data)
            except TimeoutError:
                asked = f" {told}" if told else ""
                raise self.failed(Timeout, f"did not answer{asked} within {timeout:g} s") from None
            except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError, ssl.SSLEOFError) as error:
                if not used:
                    raise self.failed(Unreachable, f"closed the connection ({type(error).__name__})") from None
            except (http.client.HTTPException, ssl.SSLError, OSError) as error:
                raise self.failed(Unreachable, f"broke off its answer ({type(error).__name__})") from None
            finally:
                if response is not None:
                    response.close()  # of one that broke off: it holds the socket open
                self._give_back(connection, keep=kept)

    def failed(self, kind: type[PartyError], what: str) -> PartyError:
        """An error that says what the node did."""
        return kind(f"{self._who} {what}", party=int(self._party), hint=self._hints.get(kind, ""))

    def _connection(self, timeout: float) -> tuple[http.client.HTTPSConnection, bool]:
        """A connection, and whether it was used before."""
        with self._lock:
            if self._closed:
                raise ValueError("this connection to the nodes is closed")
            fresh = time.monotonic() - self._idle_s
            while self._idle:
                since, connection = self._idle.pop()
                if since >= fresh and connection.sock is not None:
                    connection.sock.settimeout(timeout)
                    return connection, True
                connection.close()
        connect_s = min(self._connect_s, timeout)
        connection = http.client.HTTPSConnection(self._host, self._port, timeout=connect_s, context=self._context)
        try:
            connection.connect()
            shown = connection.sock.getpeercert(True)
        except ssl.SSLCertVerificationError as error:
            connection.close()
            raise ConfigError(
                f"{self._who} at {self._url} does not show the certificate that the federation file has for it "
                f"({error.verify_message})",
                hint="ask its operator whether they have a new one; someone may be in between",
            ) from None
        except (OSError, ssl.SSLError) as error:
            connection.close()
            if isinstance(error, TimeoutError):
                raise self.failed(Timeout, f"did not answer at {self._url} within {connect_s:g} s") from None
            why = getattr(error, "strerror", None) or type(error).__name__
            raise self.failed(Unreachable, f"cannot be reached at {self._url}: {why}") from None
        if shown != self._certificate:
            connection.close()
            raise ConfigError(f"{self._who} shows another certificate than the federation file has for it")
        connection.sock.settimeout(timeout)
        return connection, False

    def _give_back(self, connection: http.client.HTTPSConnection, *, keep: bool) -> None:
        with self._lock:
            self._busy.discard(connection)
            if keep and not self._closed:
                self._idle.append((time.monotonic(), connection))
                return
        connection.close()


def joined(buffers: Sequence[Buffer]) -> list[Buffer]:
    """Join small neighbours, as each buffer is written on its own; large ones are not copied."""
    found: list[Buffer] = []
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
            found.append(small)
            small = bytearray()
        if buffer:
            found.append(buffer)
    if small:
        found.append(small)
    return found


def _seconds(text: str | None) -> float:
    try:
        return max(0.0, float(text or 0))
    except ValueError:
        return 0.0
