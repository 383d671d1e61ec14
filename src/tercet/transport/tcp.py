"""Endpoints over TCP with mutual TLS 1.3: one long-lived duplex connection per pair, made by `connect`.

TLS works on memory buffers and this module sends and receives the ciphertext. Many records then need one system call,
where a TLS socket needs three per 16 KiB; and after an unfinished write the caller may still choose other data. Plain
bytes are not copied: they are encrypted from the caller's buffer and decrypted into the buffer of the message.
"""

from __future__ import annotations

import os
import select
import socket
import ssl
import time
from collections.abc import Iterable
from contextlib import suppress

import numpy as np

from tercet.errors import ProtocolViolation, Timeout, Unreachable
from tercet.transport._native import Slot
from tercet.transport.connection import RECORD_BYTES, Connection, KeyStage, translate
from tercet.transport.endpoint import Endpoint
from tercet.transport.frame import HEADER_BYTES, NO_JOB, Element, FrameHeader, FrameKind, pack, unpack
from tercet.transport.messages import (
    LABELS,
    Address,
    Buffer,
    Bytes,
    MessageLimits,
    PeerNames,
    SessionPeer,
    Who,
    violation,
)

_JOINED_BYTES = RECORD_BYTES - HEADER_BYTES
"""A payload up to this size is copied behind its header, to go as one TLS record."""
_STRETCH_BYTES = 1 << 18
"""How much is encrypted at a time: it should still be in the cache when the kernel takes it."""
_RECEIVE_BYTES = 1 << 19
_RECEIVES_PER_TURN = 4
_MAX_SLEEP_S = 3600.0
_MESSAGE = FrameKind.MESSAGE
_POLLOUT = select.POLLOUT
_UINT8 = np.dtype(np.uint8)


class TcpEndpoint(Endpoint):
    """One end of a session over TCP; made by `tercet.transport.connect`."""

    def __init__(
        self,
        me: Who,
        connections: Iterable[Connection],
        limits: MessageLimits | None = None,
        *,
        names: PeerNames = LABELS,
        timeout_s: float = 60.0,
        linger_s: float = 1.0,
        spin_s: float = 100e-6,
    ) -> None:
        """`timeout_s` bounds how long `send` waits for a peer that does not read; `linger_s` how long `close` may take.

        `spin_s`: how long to look for news before going to sleep.
        """
        super().__init__(me, limits, names)
        self.renewals = 0
        """How often connections got fresh keys."""
        self._timeout_s = timeout_s
        self._linger_s = linger_s
        self._spin_s = spin_s
        self._by_peer: list[Connection | None] = [None, None, None, None]
        self._by_fd: dict[int, Connection] = {}
        self._poll = select.poll()
        self._raw = memoryview(bytearray(_RECEIVE_BYTES))
        for connection in connections:
            self._by_peer[connection.peer] = connection
            self._by_fd[connection.sock.fileno()] = connection
            self._poll.register(connection.sock, select.POLLIN)
        self._poll_now = self._poll.poll
        for connection in self._by_fd.values():
            self._decode(connection)  # what came together with the HELLO

    # -- writing

    def send(
        self,
        to: Who,
        address: Address,
        element: Element,
        payload: Buffer | list[Bytes],
        depth: int = 0,
    ) -> None:
        connection = self._by_peer[to]
        if (
            type(payload) is np.ndarray
            and payload.nbytes <= _JOINED_BYTES
            and connection is not None
            and connection.idle
            and self._link is None
            and not self.failed
        ):
            # as below, in as few calls as can be
            job, operation, step = address
            data = self.inbox.box(job).frame(to, operation, step, element, depth, payload)
            self._write_frame(connection, data)
            return
        super().send(to, address, element, payload, depth)

    def _write_frame(self, connection: Connection, data: bytes) -> None:
        """Send a frame that fits one TLS record on a connection for which nothing waits."""
        connection.tls.write(data)
        connection.records += 1
        self._emit(connection)
        if connection.records >= self.limits.tls_records:
            self._ask_renewal(connection)

    def _transmit(self, to: Who, header: FrameHeader, *body: memoryview) -> None:
        connection = self._by_peer[to]
        if connection is None:
            raise ValueError(f"there is no connection to peer {int(to)}")
        if not connection.open:
            raise Unreachable(f"{self.names[to]} closed its connection", party=int(to))
        head, kind, nbytes = pack(*header), header[0], header[7]
        # an answer is given while frames are being read: nothing may be read, nor waited for, within that
        answer = kind == FrameKind.PONG
        if answer and connection.queued_bytes > self.limits.queue_bytes:
            return  # who does not read what there is would not read an answer either
        if nbytes <= _JOINED_BYTES:
            data = b"".join((head, *body))
            if connection.idle:
                self._write_frame(connection, data)
                return
            frame = [memoryview(data)]
        else:
            frame = [memoryview(head), *(part for part in body if len(part))]
        (connection.later if connection.stage else connection.queue).extend(frame)
        connection.queued_bytes += HEADER_BYTES + nbytes
        self._ask_renewal(connection)
        if connection.writable:
            self._write(connection)
        elif not answer:
            self._pump(0.0)
        if connection.queued_bytes > self.limits.queue_bytes and kind != FrameKind.BYE and not answer:
            self._drain(connection)

    def _write(self, connection: Connection) -> None:
        """Encrypt and send until the socket takes no more."""
        outgoing = connection.outgoing
        queue = connection.queue
        while True:
            if connection.cipher is None:
                room = _STRETCH_BYTES - outgoing.pending
                while queue and room > 0:
                    view = queue[0]
                    size = len(view)
                    if size <= room:
                        queue.popleft()
                    else:
                        queue[0] = view[room:]
                        view = view[:room]
                        size = room
                    connection.tls.write(view)
                    connection.records += -(-size // RECORD_BYTES)
                    room -= size
                    connection.queued_bytes -= size
                if not outgoing.pending:
                    break
            if not self._emit(connection):
                return
        if not connection.writable:
            connection.writable = True
            self._mask(connection, select.POLLIN)
        if connection.stage is KeyStage.ANSWERED:
            self._renew(connection)

    def _emit(self, connection: Connection) -> bool:
        """Send what is encrypted; False when the socket does not take all of it."""
        cipher = connection.cipher
        if cipher is None:
            cipher = connection.outgoing.read()
        try:
            sent = connection.sock.send(cipher)
        except BlockingIOError:
            sent = 0
        except OSError:
            # the reading side will say why, after what the peer still sent has been read
            connection.queue.clear()
            connection.later.clear()
            connection.queued_bytes = 0
            connection.cipher = None
            connection.writable = False
            self._mask(connection, select.POLLIN)
            return False
        if sent == len(cipher):
            connection.cipher = None
            return True
        connection.cipher = memoryview(cipher)[sent:]
        if connection.writable:
            connection.writable = False
            self._mask(connection, select.POLLIN | select.POLLOUT)
        return False

    def _mask(self, connection: Connection, mask: int) -> None:
        if connection.mask != mask:
            connection.mask = mask
            self._poll.modify(connection.sock, mask)

    def _drain(self, connection: Connection) -> None:
        """Wait, reading and writing, until the queue to one peer is short again; a peer that reads is given time."""
        deadline, queued = time.monotonic() + self._timeout_s, connection.queued_bytes
        while connection.queued_bytes > self.limits.queue_bytes:
            if connection.queued_bytes < queued:
                deadline, queued = time.monotonic() + self._timeout_s, connection.queued_bytes
            left = deadline - time.monotonic()
            if left <= 0.0:
                raise Timeout(f"a peer read nothing for {self._timeout_s:g} s", party=int(connection.peer))
            self._pump(left)

    def _unsent(self) -> bool:
        return any(c.open and (c.queued_bytes or c.cipher is not None) for c in self._by_fd.values())

    # -- reading

    def _pump(self, timeout: float) -> None:
        if self._closed:
            raise ValueError("the endpoint is closed")
        events = self._poll_now(0)
        if not events and timeout > 0.0:
            events = self._sleep(timeout)
        for fd, event in events:
            connection = self._by_fd[fd]
            if event != _POLLOUT:
                self._read(connection)
            if event & _POLLOUT and connection.open:
                self._write(connection)

    def _sleep(self, timeout: float) -> list[tuple[int, int]]:
        if self._spin_s:
            stop = time.monotonic() + min(self._spin_s, timeout)
            while time.monotonic() < stop:
                os.sched_yield()  # the peer may be waiting for this very core
                events = self._poll_now(0)
                if events:
                    return events
            timeout -= self._spin_s
        if timeout < 0.001 or (self._held and timeout < 0.002):
            # poll counts in milliseconds; an emulated link wants better
            time.sleep(min(max(timeout, 0.0), 0.0001))
            return self._poll_now(0)
        if self._held:
            timeout -= 0.001
        return self._poll_now(min(timeout, _MAX_SLEEP_S) * 1000.0)

    def _read(self, connection: Connection) -> None:
        raw = self._raw
        for _ in range(_RECEIVES_PER_TURN):
            try:
                count = connection.sock.recv_into(raw)
            except BlockingIOError:
                return
            except OSError as error:
                self._lost(connection, error)
                return
            if not count:
                self._ended(connection)
                return
            connection.incoming.write(raw[:count])
            sound = self._decode(connection)
            if connection.records >= self.limits.tls_records:
                self._ask_renewal(connection)
            if connection.header is not None:
                self.life.see()  # a long message is on its way
            if not sound or count < _RECEIVE_BYTES:
                return

    def _decode(self, connection: Connection) -> bool:
        """Decrypt and sort what has come in; False when the connection is of no more use."""
        tls, incoming, peer = connection.tls, connection.incoming, connection.peer
        try:
            if connection.stage is KeyStage.SHAKING and not self._shake(connection):
                return True
            while incoming.pending or tls.pending():
                connection.records += 1
                body = connection.body
                if body is None:
                    filled, scratch = connection.filled, connection.scratch
                    count = tls.read(RECORD_BYTES, scratch[filled:] if filled else scratch)
                    connection.filled = filled + count
                    if count:
                        self._parse(connection)
                        if count < RECORD_BYTES - filled and not incoming.pending and connection.body is None:
                            return True  # the record is read to its end, and was the last
                elif connection.header is not None:
                    position = connection.position
                    header, slot = connection.header, connection.slot
                    left = header.length - position
                    if connection.dropped:
                        count = tls.read(min(left, RECORD_BYTES), body)
                        connection.position = position + count
                        left -= count
                    else:
                        while count := tls.read(left, body[position:]):  # a record at a time
                            connection.records += 1
                            connection.position = position = position + count
                            left -= count
                            if not left or not incoming.pending:
                                break
                    if not left:
                        dropped = connection.dropped
                        connection.header = connection.slot = connection.body = None
                        connection.dropped = False
                        if not dropped:
                            self._finish(peer, header, slot, body)
                if not count:
                    self._ended(connection)
                    return False
        except ssl.SSLWantReadError:
            return True
        except (ssl.SSLError, OSError) as error:
            self._lost(connection, error)
            return False
        except ProtocolViolation as error:
            self._garbage(connection, error)
            return False
        return True

    def _parse(self, connection: Connection) -> None:
        """Take frames out of the scratch buffer; of one that is not whole, begin to take the body."""
        scratch, filled, position = connection.scratch, connection.filled, 0
        peer = connection.peer
        while filled - position >= HEADER_BYTES:
            sorted_to, fresh = self.inbox.sort(peer, scratch[position:] if position else scratch, filled - position)
            if sorted_to:
                self.life.see()
                self._fresh |= fresh
                position += sorted_to
                if filled - position < HEADER_BYTES:
                    break
            # not a whole message that is due: a part of one, another kind of frame, or one that is refused
            header = unpack(scratch, position)
            position += HEADER_BYTES
            nbytes = header[7]
            slot: Slot | None = None
            dropped = False
            if header[0] == _MESSAGE:
                if nbytes > self.limits.message_bytes:
                    self.check_length(peer, header)
                try:
                    slot = self.inbox.admit(peer, header)
                    dropped = slot is None
                except ProtocolViolation as error:
                    # what may not be received is dropped and complained of, the stream goes on
                    self.complain(error)
                    dropped = True
                if slot is None:
                    body = scratch
                else:
                    payload = slot.payload
                    if payload is None:
                        payload = slot.payload = np.empty(nbytes, _UINT8)
                    body = payload.data
            else:
                self.check_length(peer, header)
                body = memoryview(bytearray(nbytes))
            have = min(nbytes, filled - position)
            if have and not dropped:
                body[:have] = scratch[position : position + have]
            position += have
            if have < nbytes:
                connection.header, connection.slot, connection.body = header, slot, body
                connection.dropped = dropped
                connection.position = have
                break
            if not dropped:
                self._finish(peer, header, slot, body)
        rest = filled - position
        if rest and position:
            scratch[:rest] = bytes(scratch[position:filled])
        connection.filled = rest

    def _finish(self, peer: SessionPeer, header: FrameHeader, slot: Slot | None, body: memoryview) -> None:
        """A frame is here whole."""
        if header.kind == FrameKind.RENEW:
            self._renewal_asked(peer)
        elif slot is None:
            self.complete_other(peer, header, body)
        else:
            self.complete(peer, header, slot)

    # -- fresh keys

    def _ask_renewal(self, connection: Connection) -> None:
        """If this side dialled and the keys have served long enough: say the last word under them."""
        if connection.records >= self.limits.tls_records and connection.dialled and not connection.stage:
            self._last_word(connection, KeyStage.ASKED)

    def _last_word(self, connection: Connection, stage: KeyStage) -> None:
        connection.queue.append(memoryview(pack(FrameKind.RENEW, Element.BYTES, NO_JOB, 0, 0, 0, 0.0, 0)))
        connection.queued_bytes += HEADER_BYTES
        connection.stage = stage
        if connection.writable:
            self._write(connection)

    def _renewal_asked(self, peer: SessionPeer) -> None:
        """The peer has said its last word under the keys."""
        connection = self._by_peer[peer]
        assert connection is not None
        if connection.stage is not (KeyStage.ASKED if connection.dialled else KeyStage.STEADY):
            raise violation("it asks for fresh keys out of turn", peer)
        if connection.dialled:
            self._renew(connection)
        else:
            self._last_word(connection, KeyStage.ANSWERED)

    def _renew(self, connection: Connection) -> None:
        """Both have said their last word: begin the handshake, which the side that dialled opens."""
        connection.certificate = connection.tls.getpeercert(binary_form=True)
        connection.wrap()
        connection.stage = KeyStage.SHAKING
        if connection.dialled:
            self._shake(connection)

    def _shake(self, connection: Connection) -> bool:
        """Go on with the handshake; True when it is done and frames may follow."""
        try:
            connection.tls.do_handshake()
        except ssl.SSLWantReadError:
            done = False
        else:
            done = True
            if connection.tls.getpeercert(binary_form=True) != connection.certificate:
                raise ProtocolViolation("it shows another certificate than before, for fresh keys")
            connection.stage = KeyStage.STEADY
            connection.queue.extend(connection.later)
            connection.later.clear()
            self.renewals += 1
        if connection.writable:
            self._write(connection)
        return done

    # -- ends

    def _ended(self, connection: Connection) -> None:
        header, peer = connection.header, connection.peer
        if peer not in self._departed:
            if header is None:
                where = {}
                reason = f"{self.names[peer]} closed its connection without a goodbye"
            else:
                got = f"{connection.position} of {header.length} bytes of a frame"
                reason = f"{self.names[peer]} closed its connection after {got}"
                where = {"operation": str(header.operation), "step": str(header.step)}
                if header.job != NO_JOB:
                    where["job"] = header.job.hex()
            self.lose(peer, Unreachable(reason, party=int(peer), **where))
        self._drop(connection)

    def _lost(self, connection: Connection, error: OSError) -> None:
        peer = connection.peer
        if isinstance(error, ConnectionError):
            self._ended(connection)
            return
        translated = translate(error, peer, self.names)
        if not isinstance(translated, ProtocolViolation | Unreachable):
            translated = Unreachable(str(translated), party=int(peer))
        if peer not in self._departed:
            self.lose(peer, translated)
        self._drop(connection)

    def _garbage(self, connection: Connection, error: ProtocolViolation) -> None:
        peer = connection.peer
        if error.party is None:
            error = violation(error.reason, peer)
        self.lose(peer, error)
        self._drop(connection)

    def _drop(self, connection: Connection) -> None:
        if connection.open:
            connection.open = False
            connection.queue.clear()
            connection.later.clear()
            connection.queued_bytes = 0
            connection.cipher = None
            connection.header = connection.body = connection.slot = None
            fd = connection.sock.fileno()
            self._poll.unregister(fd)
            del self._by_fd[fd]
            connection.sock.close()

    def close(self) -> None:
        if self._closed:
            return
        for connection in list(self._by_fd.values()):
            with suppress(Unreachable):
                self._transmit(connection.peer, FrameHeader(FrameKind.BYE, Element.BYTES, NO_JOB, 0, 0, 0, 0.0, 0))
        self.flush(self._linger_s)
        for connection in list(self._by_fd.values()):
            if connection.open:
                shut(connection)
        self.abandon()

    def abandon(self) -> None:
        self._closed = True
        for connection in list(self._by_fd.values()):
            self._drop(connection)


def shut(connection: Connection) -> None:
    """End the outgoing direction in TLS and TCP, as far as the socket takes it."""
    with suppress(OSError):  # it only waits for the peer's own end
        connection.tls.unwrap()
    with suppress(OSError):  # the peer may have been faster
        rest = connection.outgoing.read()
        if rest and connection.cipher is None:
            connection.sock.send(rest)
        connection.sock.shutdown(socket.SHUT_WR)
