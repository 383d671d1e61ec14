"""Addressed messages between the three parties and the client: in memory, or over TCP with mutual TLS 1.3."""

from tercet.transport.endpoint import Endpoint
from tercet.transport.frame import HEADER_BYTES, JOB_BYTES, Element
from tercet.transport.handshake import Contact, connect, dials, listen, new_session
from tercet.transport.identity import Identity, fingerprint, load_certificate
from tercet.transport.link import emulate
from tercet.transport.measure import Estimate, measure
from tercet.transport.memory import MemoryEndpoint, memory_endpoints
from tercet.transport.messages import (
    PEERS,
    Aborted,
    Address,
    Control,
    JobStats,
    Message,
    MessageLimits,
    SessionPeer,
    Stats,
)
from tercet.transport.sequential import receive, receive_control
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
    "JobStats",
    "MemoryEndpoint",
    "Message",
    "MessageLimits",
    "SessionPeer",
    "Stats",
    "TcpEndpoint",
    "connect",
    "dials",
    "emulate",
    "fingerprint",
    "listen",
    "load_certificate",
    "measure",
    "memory_endpoints",
    "new_session",
    "receive",
    "receive_control",
]
