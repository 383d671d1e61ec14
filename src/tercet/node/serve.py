"""One party of a local session as a process of its own; `tercet.client.local` starts three.

Everything it must know comes over standard input in one message (`Settings`), keys included, so that nothing secret
stands on a command line, in the environment or on a disk. It writes one byte to standard output when it is ready to
connect, logs to standard error, and ends with the client's connection.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from dataclasses import dataclass, field

from tercet.engine.codec import Reader, Writer
from tercet.engine.party import START_S, PartyLoop
from tercet.errors import TercetError
from tercet.node.language import PlanLanguage
from tercet.ring import retain_freed_memory
from tercet.transport import Contact, Identity, Peer, connect, emulate

READY = b"\x01"


@dataclass(frozen=True)
class Settings:
    """What a party process is told at its start. `link` is (rtt_s, bandwidth_bits_s) of an emulated link.

    Without one, all parties share this machine, and work is not balanced between them.
    """

    party: Peer
    identity: Identity = field(repr=False)
    contacts: dict[Peer, Contact] = field(repr=False)
    listener_fd: int
    session: bytes
    timeout: float
    threads: int
    link: tuple[float, float] | None = None
    spin_s: float = 0.0

    def encode(self) -> bytes:
        rtt_s, bandwidth = self.link or (0.0, 0.0)
        out = Writer().number("BI", self.party, self.listener_fd).block(self.session)
        out.number("dIddd", self.timeout, self.threads, rtt_s, bandwidth, self.spin_s)
        out.block(self.identity.certificate).block(self.identity.key).number("B", len(self.contacts))
        for peer, contact in self.contacts.items():
            out.number("B", peer).block(contact.certificate).text(contact.host).number("H", contact.port)
        return out.take()

    @classmethod
    def decode(cls, data: bytes) -> Settings:
        reader = Reader(data, "start message")
        party, listener_fd = Peer(reader.number("B")), reader.number("I")
        session = bytes(reader.block())
        timeout, threads = reader.real(), reader.number("I")
        rtt_s, bandwidth, spin_s = reader.real(), reader.real(), reader.real()
        identity = Identity(bytes(reader.block()), bytes(reader.block()))
        contacts = {}
        for _ in range(reader.number("B")):
            peer = Peer(reader.number("B"))
            certificate = bytes(reader.block())
            contacts[peer] = Contact(certificate, reader.text(), reader.number("H"))
        reader.end()
        link = (rtt_s, bandwidth) if bandwidth else None
        return cls(party, identity, contacts, listener_fd, session, timeout, threads, link, spin_s)


def main() -> int:
    """Run one party; the exit status is 0 when the client ended the session."""
    # the person at the terminal interrupts the client, which then ends us
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    retain_freed_memory()
    os.write(1, READY)
    settings = Settings.decode(sys.stdin.buffer.read())
    try:
        with socket.socket(fileno=settings.listener_fd) as listener:
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
