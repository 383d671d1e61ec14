"""Messages of jobs that are not open at this endpoint yet; they are kept until the job opens, within limits.

A party that opens a job later than another receives its first messages early. Each peer has limits of its own, so that
a peer that sends too many messages does not use up the room of the others.
"""

from __future__ import annotations

from tercet.transport.messages import PEERS, Aborted, Box, MessageLimits, SessionPeer, violation


class Early:
    """Held by one endpoint."""

    __slots__ = ("_boxes", "_bytes", "_limits", "_messages")

    def __init__(self, limits: MessageLimits) -> None:
        self._limits = limits
        self._boxes: dict[bytes, tuple[Box, list[tuple[SessionPeer, int]]]] = {}
        self._messages = [0] * len(PEERS)
        self._bytes = [0] * len(PEERS)

    def __repr__(self) -> str:
        return f"Early({len(self._boxes)} jobs, {sum(self._bytes)} bytes)"

    def __len__(self) -> int:
        return len(self._boxes)

    def admit(self, frm: SessionPeer, job: bytes, nbytes: int) -> Box:
        """The box for a message of this length. Raises ProtocolViolation when its sender has sent too much."""
        limits = self._limits
        if self._messages[frm] >= limits.early_messages or self._bytes[frm] + nbytes > limits.early_bytes:
            raise violation("too many messages of a job that is not open", frm, job)
        box, counted = self._boxes.setdefault(job, (Box(), []))
        counted.append((frm, nbytes))
        self._messages[frm] += 1
        self._bytes[frm] += nbytes
        return box

    def abort(self, error: Aborted, frm: SessionPeer, job: bytes) -> None:
        """Note that a peer gave up a job that is not open here."""
        self.admit(frm, job, len(error.body)).aborts.append(error)

    def release(self, job: bytes) -> Box:
        """Take out the box of a job that is opened now; an empty one if nothing was received."""
        box, counted = self._boxes.pop(job, (None, []))
        for frm, nbytes in counted:
            self._messages[frm] -= 1
            self._bytes[frm] -= nbytes
        return box or Box()
