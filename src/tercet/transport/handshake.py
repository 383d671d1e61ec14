"""Making the connections of a session: dial, accept, TLS handshake, HELLO both ways.

The client dials every party; a party dials the parties of smaller number and accepts the others. After the handshake
the dialling side says who it is and which session it means; the accepting side compares the certificate with the one
pinned for that peer and answers, or says why not. Strangers are turned away without ending the wait for the right one.
"""

from __future__ import annotations

import errno
import hashlib
import secrets
import select
import socket
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from tercet.errors import ConfigError, PartyError, ProtocolViolation, TercetError, Unreachable
from tercet.transport.connection import Connection, translate
from tercet.transport.frame import HEADER_BYTES, NO_JOB, Element, FrameKind, pack, unpack
from tercet.transport.identity import Identity, check_validity, tls_context
from tercet.transport.messages import LABELS, MessageLimits, PeerNames, SessionPeer, Who
from tercet.transport.tcp import TcpEndpoint

_STRANGER_S = 10.0
_RETRY_S = 0.05
_LAST_RETRY_S = 1.0
_STRANGERS = 16
_REFUSAL_BYTES = 300
_UNIX = "unix:"
_UNIX_BYTES = 1 << 20
"""How much may be under way between two processes of a machine, where the system permits that."""


@dataclass(frozen=True, slots=True)
class Contact:
    """What is known of a peer: its certificate (DER) and, where we dial it, its address."""

    certificate: bytes = field(repr=False)
    host: str = ""
    port: int = 0


def dials(me: Who, peer: Who) -> bool:
    """Say whether `me` dials `peer` (else it waits for its call)."""
    return not me or (bool(peer) and peer < me)


def listen(host: str = "127.0.0.1", port: int = 0) -> socket.socket:
    """Give a listening socket; port 0 lets the system choose."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(32)
    except OSError as error:
        listener.close()
        raise ConfigError(f"cannot listen on {host}:{port}: {error.strerror}") from None
    return listener


def listen_here() -> socket.socket:
    """Give a socket that processes of this machine can call, without TCP: a small message costs 5 µs less there.

    Its name is a random one that leaves no file (Linux: abstract). Who calls must show its certificate as anywhere.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(b"\0tercet " + secrets.token_hex(16).encode())
    listener.listen(32)
    return listener


def place_of(listener: socket.socket) -> tuple[str, int]:
    """Host and port by which a `Contact` reaches a listening socket."""
    name = listener.getsockname()
    return (_UNIX + name[1:].decode(), 0) if listener.family == socket.AF_UNIX else name[:2]


def connect(
    me: Who,
    identity: Identity,
    contacts: Mapping[SessionPeer, Contact],
    *,
    listener: socket.socket | None = None,
    session: bytes = NO_JOB,
    timeout_s: float = 30.0,
    limits: MessageLimits | None = None,
    send_timeout_s: float = 60.0,
    spin_s: float = 100e-6,
    names: PeerNames = LABELS,
) -> TcpEndpoint:
    """Connect with every peer in `contacts`; all or nothing, within `timeout_s`.

    `session` (16 bytes) must be the same everywhere. The listener stays the caller's, open. `names` are used in the
    texts of errors here, and in the refusal that a caller is sent.

    A peer whose listener still serves another session is called again. Raises ConfigError for a certificate that cannot
    be used on either side, or a peer that means another session to the end, Unreachable for a peer that did not come or
    is not who it should be.
    """
    me = SessionPeer(me)
    if listener is None and any(not dials(me, peer) for peer in contacts):
        raise ValueError("a listener is needed for the peers that dial us")
    check_validity(identity.certificate, f"{names[me]} (this side)")
    for peer, contact in contacts.items():
        check_validity(contact.certificate, names[peer])
    meeting = _Meeting(me, identity, contacts, listener, session, timeout_s, names)
    connections = meeting.run()
    endpoint = TcpEndpoint(me, connections, limits, names=names, timeout_s=send_timeout_s, spin_s=spin_s)
    endpoint.binding = _binding(
        {peer: contact.certificate for peer, contact in contacts.items()} | {me: identity.certificate}
    )
    return endpoint


def _binding(certificates: Mapping[SessionPeer, bytes]) -> bytes:
    """The same at all three parties if each knows the others by the same certificates."""
    digest = hashlib.sha256(b"tercet/2 certificates")
    for peer in (SessionPeer.P1, SessionPeer.P2, SessionPeer.P3):
        digest.update(hashlib.sha256(certificates.get(peer, b"")).digest())
    return digest.digest()


_CONNECTING, _SHAKING, _HELLO = range(3)
_OTHER_SESSION = "it means another session"


class _Attempt:
    """A connection on its way, from the socket to the HELLO."""

    def __init__(
        self, peer: SessionPeer | None, sock: socket.socket, context: ssl.SSLContext, where: str, deadline: float
    ) -> None:
        self.connection = Connection(sock, context, dialled=peer is not None)
        self.peer = peer
        self.dialled = peer is not None
        self.state = _CONNECTING if self.dialled else _SHAKING
        self.where = where
        self.deadline = deadline
        self.spoke = False


class _Refused(Exception):
    """The accepting side refuses a caller; the reason is sent to the caller."""


@dataclass(eq=False)
class _Meeting:
    me: SessionPeer
    identity: Identity
    contacts: Mapping[SessionPeer, Contact]
    listener: socket.socket | None
    session: bytes = field(repr=False)
    timeout_s: float
    names: PeerNames

    def __post_init__(self) -> None:
        self.deadline = time.monotonic() + self.timeout_s
        self.done: dict[SessionPeer, Connection] = {}
        self.attempts: dict[int, _Attempt] = {}
        self.retry_at: dict[SessionPeer, float] = {peer: 0.0 for peer in self.contacts if dials(self.me, peer)}
        self.retry_s: dict[SessionPeer, float] = dict.fromkeys(self.retry_at, _RETRY_S)
        self.last_error: dict[SessionPeer, str] = {}
        self.mistaken: dict[SessionPeer, ConfigError] = {}
        self.turned_away = ""
        self.poll = select.poll()
        callers = [contact.certificate for peer, contact in self.contacts.items() if not dials(self.me, peer)]
        self.server_context = tls_context(self.identity, callers, server=True) if callers else None

    def run(self) -> list[Connection]:
        blocking = None
        try:
            if self.listener is not None and self.server_context is not None:
                blocking = self.listener.gettimeout()
                self.listener.setblocking(False)
                self.poll.register(self.listener, select.POLLIN)
            while len(self.done) < len(self.contacts):
                now = time.monotonic()
                if now >= self.deadline:
                    raise self._late()
                for peer, at in list(self.retry_at.items()):
                    if at <= now:
                        del self.retry_at[peer]
                        self._dial(peer)
                wake = min([self.deadline, *self.retry_at.values(), *(a.deadline for a in self.attempts.values())])
                for fd, _ in self.poll.poll(max(0.0, wake - time.monotonic()) * 1000 + 1):
                    if fd in self.attempts:
                        self._step(fd)
                    elif self.listener is not None and fd == self.listener.fileno():
                        self._accept()
                now = time.monotonic()
                for fd, attempt in list(self.attempts.items()):
                    if attempt.deadline <= now and not attempt.dialled:
                        self._turn_away(fd, "it did not finish its handshake in time")
            return list(self.done.values())
        except BaseException:
            for connection in self.done.values():
                connection.sock.close()
            raise
        finally:
            for attempt in self.attempts.values():
                attempt.connection.sock.close()
            if self.listener is not None and self.server_context is not None:
                self.listener.settimeout(blocking)

    # -- sockets

    def _dial(self, peer: SessionPeer) -> None:
        contact = self.contacts[peer]
        context = tls_context(self.identity, [contact.certificate], server=False)
        address: Any
        if contact.host.startswith(_UNIX):
            family, address = socket.AF_UNIX, b"\0" + contact.host.removeprefix(_UNIX).encode()
        else:
            try:
                family, *_, address = socket.getaddrinfo(contact.host, contact.port, type=socket.SOCK_STREAM)[0]
            except OSError as error:
                whose = self.names[peer]
                raise ConfigError(f"the address {contact.host!r} of {whose} is not known: {error.strerror}") from None
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setblocking(False)
        code = sock.connect_ex(address)
        if code not in (0, errno.EINPROGRESS):
            sock.close()
            self._retry(peer, translate(_os_error(code), peer, self.names))
            return
        where = f"{contact.host}:{contact.port}"
        self.attempts[sock.fileno()] = _Attempt(peer, sock, context, where, self.deadline)
        self.poll.register(sock, select.POLLOUT)

    def _retry(self, peer: SessionPeer, error: TercetError) -> None:
        self.last_error[peer] = error.reason if isinstance(error, PartyError) else error.message
        self.retry_at[peer] = time.monotonic() + self.retry_s[peer]
        self.retry_s[peer] = min(2 * self.retry_s[peer], _LAST_RETRY_S)

    def _accept(self) -> None:
        assert self.listener is not None and self.server_context is not None
        try:
            sock, address = self.listener.accept()
        except OSError:
            return  # the caller hung up already
        sock.setblocking(False)
        callers = [fd for fd, attempt in self.attempts.items() if not attempt.dialled]
        if len(callers) >= _STRANGERS:
            # the oldest of those that have not said a word: a peer speaks at once, idle strangers must not keep it out
            self._turn_away(min(callers, key=lambda fd: self.attempts[fd].spoke), "others called after it")
        _set_options(sock)
        deadline = min(self.deadline, time.monotonic() + _STRANGER_S)
        where = f"{address[0]}:{address[1]}" if isinstance(address, tuple) else "this machine"
        self.attempts[sock.fileno()] = _Attempt(None, sock, self.server_context, where, deadline)
        self.poll.register(sock, select.POLLIN)

    # -- steps of one attempt

    def _step(self, fd: int) -> None:
        attempt = self.attempts[fd]
        connection = attempt.connection
        try:
            if attempt.state == _CONNECTING:
                code = connection.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if code:
                    peer = attempt.peer
                    assert peer is not None
                    self._forget(fd)
                    self._retry(peer, translate(_os_error(code), peer, self.names))
                    return
                _set_options(connection.sock)
                self.poll.modify(fd, select.POLLIN)
                attempt.state = _SHAKING
            else:
                try:
                    data = connection.sock.recv(65536)
                except BlockingIOError:
                    return
                if not data:
                    raise ConnectionResetError(errno.ECONNRESET, "closed in the handshake")
                connection.incoming.write(data)
                attempt.spoke = True
            if attempt.state == _SHAKING:
                self._shake(attempt)
            if attempt.state == _HELLO:
                self._greet(fd, attempt)
        except _Refused as refusal:
            self._tell(connection, str(refusal))
            self._turn_away(fd, str(refusal))
        except ProtocolViolation as error:
            self._gave_up(fd, attempt, error)
        except OSError as error:
            self._emit(connection)  # the alert that tells the other side
            self._gave_up(fd, attempt, translate(error, attempt.peer, self.names))

    def _shake(self, attempt: _Attempt) -> None:
        connection = attempt.connection
        try:
            connection.tls.do_handshake()
        except ssl.SSLWantReadError:
            self._emit(connection)
            return
        attempt.state = _HELLO
        if attempt.dialled:
            peer = attempt.peer
            assert peer is not None
            if connection.tls.getpeercert(binary_form=True) != self.contacts[peer].certificate:
                raise ConfigError(f"{self.names[peer]} shows another certificate than the one configured")
            self._hello(connection)
        self._emit(connection)

    def _greet(self, fd: int, attempt: _Attempt) -> None:
        """Read the other side's HELLO, and answer it if we were called."""
        connection = attempt.connection
        tls = connection.tls
        while connection.filled < HEADER_BYTES:
            # not a byte more than the frame: what follows is for the endpoint
            try:
                count = tls.read(HEADER_BYTES - connection.filled, connection.scratch[connection.filled :])
            except ssl.SSLWantReadError:
                return
            if not count:
                raise ConnectionResetError(errno.ECONNRESET, "closed before its HELLO")
            connection.filled += count
        header = unpack(connection.scratch)
        if attempt.dialled:
            peer = attempt.peer
            assert peer is not None
            if header.kind == FrameKind.ABORT and header.length <= _REFUSAL_BYTES:
                reason = self._refusal(connection, header.length)
                error = ConfigError(f"{self.names[peer]} refuses us: {reason}")
                if reason != _OTHER_SESSION:
                    raise error
                # its listener may still serve a session that another party has left: it is over soon, or never
                self._forget(fd)
                self.mistaken[peer] = error
                self._retry(peer, error)
                return
            if header.kind != FrameKind.HELLO or header.step != peer or header.job != self.session or header.length:
                raise ProtocolViolation("not the HELLO that is due", party=int(peer))
        else:
            peer = self._recognise(connection, header.kind, header.step, header.job, header.length)
            attempt.peer = peer
            self._hello(connection)
            self._emit(connection)
        connection.peer, connection.filled = peer, 0
        self.poll.unregister(fd)
        del self.attempts[fd]
        self.done[peer] = connection

    def _recognise(self, connection: Connection, kind: int, number: int, session: bytes, length: int) -> SessionPeer:
        if kind != FrameKind.HELLO or length:
            raise _Refused("its first frame is no HELLO")
        if number > max(SessionPeer) or dials(self.me, SessionPeer(number)) or number not in self.contacts:
            raise _Refused(f"peer {number} does not call {self.names[self.me]}")
        peer = SessionPeer(number)
        if connection.tls.getpeercert(binary_form=True) != self.contacts[peer].certificate:
            raise _Refused(f"its certificate is not the one configured for {self.names[peer]}")
        if session != self.session:
            raise _Refused(_OTHER_SESSION)
        if peer in self.done:
            raise _Refused(f"{self.names[peer]} is connected already")
        return peer

    def _hello(self, connection: Connection) -> None:
        hello = pack(FrameKind.HELLO, Element.BYTES, self.session, 0, int(self.me), 0, 0.0, 0)
        connection.tls.write(hello)

    def _tell(self, connection: Connection, reason: str) -> None:
        body = reason.encode()[:_REFUSAL_BYTES]
        connection.tls.write(pack(FrameKind.ABORT, Element.BYTES, NO_JOB, 0, 0, 0, 0.0, len(body)) + body)
        self._emit(connection)

    def _refusal(self, connection: Connection, length: int) -> str:
        try:
            text = connection.tls.read(length) if length else b""
        except OSError:
            text = b""
        # shown to people: printable characters only
        return "".join(c if c.isprintable() else "?" for c in text.decode("ascii", "replace")) or "no reason given"

    def _emit(self, connection: Connection) -> None:
        """Send what TLS has to say; a handshake's few kilobytes always fit the socket's buffer."""
        data = connection.outgoing.read()
        if data:
            with suppress(OSError):  # reading tells why
                connection.sock.send(data)

    # -- ends

    def _forget(self, fd: int) -> None:
        self.poll.unregister(fd)
        self.attempts.pop(fd).connection.sock.close()

    def _turn_away(self, fd: int, reason: str) -> None:
        self.turned_away = f"a caller from {self.attempts[fd].where} was turned away: {reason}"
        self._forget(fd)

    def _gave_up(self, fd: int, attempt: _Attempt, error: TercetError) -> None:
        if attempt.dialled:
            self._forget(fd)
            raise error
        self._turn_away(fd, error.reason if isinstance(error, PartyError) else error.message)

    def _late(self) -> Unreachable | ConfigError:
        missing = [peer for peer in self.contacts if peer not in self.done]
        peer = missing[0]
        if peer in self.mistaken and self.last_error.get(peer) == self.mistaken[peer].message:
            return self.mistaken[peer]
        reason = f"{' and '.join(self.names[p] for p in missing)} did not connect within {self.timeout_s:g} s"
        for last in (self.last_error.get(peer), self.turned_away):
            if last:
                reason += f"; {last}"
        return Unreachable(reason, party=int(peer))


def new_session() -> bytes:
    """Give a session id that nobody has used."""
    return secrets.token_bytes(len(NO_JOB))


def _os_error(code: int) -> OSError:
    return OSError(code, errno.errorcode.get(code, str(code)))


def _set_options(sock: socket.socket) -> None:
    if sock.family == socket.AF_UNIX:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _UNIX_BYTES)
        return
    # buffer sizes stay as they are: the kernel fits them to the link, and large ones made loopback slower
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    # a silent peer on a dead link is noticed even when nothing is being sent
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 15)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
