"""Messages between supervisor and worker: what is sent arrives; what is none is refused."""

from __future__ import annotations

import socket
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tercet.errors import ProtocolViolation
from tercet.node.worker.messages import Ready, WorkProgress, receive, send


def through(data: bytes) -> object:
    """What `receive` makes of raw bytes before the other end closes."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(data)
        theirs.shutdown(socket.SHUT_WR)
        return receive(ours)


def raw(message: WorkProgress, data: bytes = b"") -> bytes:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        send(ours, message, data)
        ours.shutdown(socket.SHUT_WR)
        return theirs.recv(1 << 16)


@given(st.floats(0, 1), st.binary(max_size=1000))
def test_what_is_sent_arrives(fraction: float, data: bytes) -> None:
    assert through(raw(WorkProgress(fraction=fraction), data)) == (WorkProgress(fraction=fraction), data)


def test_long_data_and_several_messages() -> None:
    ours, theirs = socket.socketpair()
    data = bytes(range(256)) * 40_000
    with ours, theirs:
        sender = threading.Thread(
            target=lambda: (send(ours, Ready(pid=1), data), send(ours, WorkProgress(fraction=1.0)))
        )
        sender.start()
        assert receive(theirs) == (Ready(pid=1), data)
        assert receive(theirs) == (WorkProgress(fraction=1.0), b"")
        sender.join()


def test_the_end_is_none() -> None:
    assert through(b"") is None
    assert through(raw(WorkProgress(fraction=0.5))[:-3]) is None


MESSAGE = raw(WorkProgress(fraction=0.5))


@pytest.mark.parametrize(
    "data",
    [
        b"TRXX" + MESSAGE[4:],
        MESSAGE[:4] + b"\x02" + MESSAGE[5:],
        MESSAGE[:5] + b"\xff" + MESSAGE[6:],
        MESSAGE[:6] + b"\x01" + MESSAGE[7:],
        MESSAGE[:8] + b"\xff\xff\xff\xff" + MESSAGE[12:],
        MESSAGE[:12] + b"\xff" * 8 + MESSAGE[20:],
        MESSAGE[:5] + bytes([18]) + MESSAGE[6:],
        MESSAGE.replace(b"0.5", b"7.5"),
        MESSAGE.replace(b"fraction", b"fractiom"),
    ],
    ids=["magic", "version", "kind", "zero", "text length", "data length", "other model", "out of range", "field"],
)
def test_what_is_none_is_refused(data: bytes) -> None:
    with pytest.raises(ProtocolViolation):
        through(data)


@given(st.binary(max_size=200))
def test_garbage(data: bytes) -> None:
    try:
        found = through(data)
    except ProtocolViolation:
        return
    assert found is None
