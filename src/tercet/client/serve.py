"""The process of one party of a local session; `tercet.client.local` has three forked by a process that runs `main`.

The client writes one message (`PartySettings`) to the control socket. It holds the party's private key, so that no
secret is on a command line, in the environment, on a disk, or in the process that forks. The party logs to standard
error, and ends when the client closes its connection.
"""

from __future__ import annotations

import socket
import sys
from dataclasses import dataclass, field

from tercet.codec import Writer
from tercet.engine.commands import VERSION, reader_of
from tercet.engine.party import START_S, PartyLoop
from tercet.errors import TercetError
from tercet.plan.run.language import PlanLanguage
from tercet.process import forbid_core_dumps, serve, set_name
from tercet.ring import retain_freed_memory
from tercet.transport import Contact, Identity, SessionPeer, connect, emulate

_MAX_BYTES = 1 << 16
"""Of a key, certificate or session."""


@dataclass(frozen=True)
class PartySettings:
    """What a party's process needs to know. `link` is (rtt_s, bandwidth_bits_s) of an emulated link.

    Without a link, all parties share this machine, and work is not balanced between them. `threads` is the number of
    threads in kernels; times are in seconds.
    """

    party: SessionPeer
    identity: Identity = field(repr=False)
    contacts: dict[SessionPeer, Contact] = field(repr=False)
    session: bytes
    timeout: float
    threads: int
    link: tuple[float, float] | None = None
    spin_s: float = 0.0

    def encode(self) -> bytes:
        rtt_s, bandwidth = self.link or (0.0, 0.0)
        out = Writer(VERSION).number("B", self.party).block(self.session)
        out.number("dIddd", self.timeout, self.threads, rtt_s, bandwidth, self.spin_s)
        out.block(self.identity.certificate).block(self.identity.key).number("B", len(self.contacts))
        for peer, contact in self.contacts.items():
            out.number("B", peer).block(contact.certificate).text(contact.host).number("H", contact.port)
        return out.take()

    @classmethod
    def decode(cls, data: bytes) -> PartySettings:
        """Raises ProtocolViolation."""
        reader = reader_of(data, "start message")
        party = SessionPeer(reader.number("B"))
        session = reader.block(_MAX_BYTES)
        timeout, threads = reader.real(), reader.number("I")
        rtt_s, bandwidth, spin_s = reader.real(), reader.real(), reader.real()
        identity = Identity(reader.block(_MAX_BYTES), reader.block(_MAX_BYTES))
        contacts = {}
        for _ in range(reader.number("B")):
            peer = SessionPeer(reader.number("B"))
            certificate = reader.block(_MAX_BYTES)
            contacts[peer] = Contact(certificate, reader.text(), reader.number("H"))
        reader.end()
        link = (rtt_s, bandwidth) if bandwidth else None
        return cls(party, identity, contacts, session, timeout, threads, link, spin_s)


def main() -> int:
    """Fork a party at each request."""
    forbid_core_dumps()
    return serve(_run, "tercet parties")


def _run(argument: bytes, fds: list[int]) -> int:
    """Run one party; the exit status is 0 when the client ended the session."""
    set_name(f"tercet party {argument.decode()}")
    retain_freed_memory()
    control_fd, listener_fd = fds
    with socket.socket(fileno=control_fd) as control, control.makefile("rb") as told:
        settings = PartySettings.decode(told.read())
    try:
        with socket.socket(fileno=listener_fd) as listener:
            endpoint = connect(
                settings.party,
                settings.identity,
                settings.contacts,
                listener=listener,
                session=settings.session,
                timeout_s=START_S,
                send_timeout_s=settings.timeout,
                spin_s=settings.spin_s,
            )
        with endpoint:
            if settings.link is not None:
                emulate(endpoint, rtt_s=settings.link[0], bandwidth_bits_s=settings.link[1])
            PartyLoop(
                endpoint,
                PlanLanguage(),
                timeout=settings.timeout,
                threads=settings.threads,
                balance=settings.link is not None,
            ).run()
    except TercetError as error:
        sys.stderr.write(f"tercet: error: party {int(settings.party)}: {error}\n")
        return 1
    return 0
