"""Where a node listens, and as whom."""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING

from tercet.errors import ConfigError
from tercet.transport.identity import tls_context

if TYPE_CHECKING:
    from tercet.node.supervisor import Node

_BACKLOG = 256


def bind(host: str, port: int) -> socket.socket:
    """Give a listening socket. Raises ConfigError if the address cannot be had."""
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        bound = socket.socket(family, socket.SOCK_STREAM)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(address)
            bound.listen(_BACKLOG)
        except OSError:
            bound.close()
            raise
    except OSError as error:
        raise ConfigError(
            f"cannot listen at {host}:{port}: {error.strerror}", hint="is another node running there?"
        ) from None
    return bound


def server_context(node: Node) -> ssl.SSLContext:
    """TLS 1.3 with the node's certificate; who shows one himself must be another node of the federation."""
    others = [entry.card.certificate for entry in node.federation.nodes if entry.name != node.settings.name]
    context = tls_context(node.member.identity, others, server=True)
    # people have no certificate to show: they sign each request
    context.verify_mode = ssl.CERT_OPTIONAL
    return context
