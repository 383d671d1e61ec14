"""uvicorn's HTTP protocol, which also gives the peer's certificate and limits size and time of a request's head."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tercet.node.http.doors import Doors

HEAD_BYTES = 32 << 10
HEAD_S = 10.0
PEER_CERTIFICATE = "tercet_peer_certificate"


class NodeProtocol(HttpToolsProtocol):
    """Adds the client's TLS certificate to each request's state; closes connections with long or slow heads.

    httptools does not limit the size of a head, and uvicorn does not limit the time.
    """

    _head_timer: asyncio.TimerHandle | None = None
    _head_bytes = 0
    _in_head = True
    _peer: bytes | None = None
    doors: Doors | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        tls = transport.get_extra_info("ssl_object")
        self._peer = tls.getpeercert(True) if tls is not None else None
        if self.doors is not None and self.client is not None:
            self.doors.greeted(self.client)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_timer()
        super().connection_lost(exc)

    def _await_head(self) -> None:
        self._forget_timer()
        self._in_head = True
        self._head_timer = self.loop.call_later(HEAD_S, self._too_slow)

    def _forget_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _too_slow(self) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.close()

    def data_received(self, data: bytes) -> None:
        if self._in_head:
            if self._head_timer is None:
                self._await_head()
            self._head_bytes += len(data)
        super().data_received(data)
        # the count may include the first bytes of the body: it is compared only while the head is incomplete
        if self._in_head and self._head_bytes > HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response("Request head too long.")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["state"][PEER_CERTIFICATE] = self._peer

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._head_bytes = 0
        self._forget_timer()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._in_head = True


def protocol_of(doors: Doors) -> type[NodeProtocol]:
    """The protocol class for a node with these connection limits; the daemon gives it to uvicorn."""
    return type("DoorProtocol", (NodeProtocol,), {"doors": doors})
