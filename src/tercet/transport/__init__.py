"""Addressed messages between the three parties and the client: in memory, or over TCP with mutual TLS 1.3."""

from tercet.transport.endpoint import Endpoint, emulate
from tercet.transport.frame import HEADER_BYTES, JOB_BYTES, Element
from tercet.transport.handshake import Contact, connect, dials, listen, listen_here, new_session, place_of
from tercet.transport.identity import Identity
from tercet.transport.memory import MemoryEndpoint, memory_endpoints
from tercet.transport.messages import (
    PEERS,
    Aborted,
    Address,
    Control,
    Message,
    MessageLimits,
    SessionPeer,
)
from tercet.transport.sequential import Estimate, measure, receive, receive_control
from tercet.transport.tcp import TcpEndpoint

__all__ = [
    "HEADER_BYTES",
    "JOB_BYTES",
    "PEERS",
    "Aborted",
    "Address",
    "Contact",
    "Control",
    "Element",
    "Endpoint",
    "Estimate",
    "Identity",
    "MemoryEndpoint",
    "Message",
    "MessageLimits",
    "SessionPeer",
    "TcpEndpoint",
    "connect",
    "dials",
    "emulate",
    "listen",
    "listen_here",
    "measure",
    "memory_endpoints",
    "new_session",
    "place_of",
    "receive",
    "receive_control",
]
