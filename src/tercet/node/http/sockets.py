"""The listening sockets of a node, and its TLS context."""

from __future__ import annotations

import errno
import socket
import ssl
import time

from tercet.errors import ConfigError
from tercet.node.parts import NodeIdentity
from tercet.transport.identity import tls_context

_BACKLOG = 256
_AGAIN_S = 0.1


def bind(host: str, port: int, *, patience_s: float = 0.0) -> socket.socket:
    """A listening socket. Raises ConfigError if the address is not free within `patience_s` seconds.

    The workers of a node that was killed live on for a moment, and hold the ports of its lanes.
    """
    deadline = time.monotonic() + patience_s
    while True:
        try:
            return _bound(host, port)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() >= deadline:
                raise ConfigError(
                    f"cannot listen at {host}:{port}: {error.strerror}", hint="is another node running there?"
                ) from None
        time.sleep(_AGAIN_S)


def _bound(host: str, port: int) -> socket.socket:
    family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.listen(_BACKLOG)
    except OSError:
        bound.close()
        raise
    return bound


def server_context(identity: NodeIdentity) -> ssl.SSLContext:
    """TLS 1.3 with the node's certificate; a caller that shows one must be another node of the federation."""
    others = [entry.card.certificate for entry in identity.federation.nodes if entry.name != identity.name]
    context = tls_context(identity.member.identity, others, server=True)
    # people have no certificate to show: they sign each request
    context.verify_mode = ssl.CERT_OPTIONAL
    return context
