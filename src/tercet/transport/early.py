"""Messages of jobs that are not open here yet: kept until they are, within limits of each peer's own.

A party that opens a job a moment later than another gets its first messages early. The limits are by peer, so that one
that sends too many cannot take the room of the others.
"""

from __future__ import annotations

from tercet.transport.messages import PEERS, Aborted, Box, Limits, Peer, violation


class Early:
    """Held by one endpoint."""

    __slots__ = ("_boxes", "_bytes", "_limits", "_messages")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._boxes: dict[bytes, tuple[Box, list[tuple[Peer, int]]]] = {}
        self._messages = [0] * len(PEERS)
        self._bytes = [0] * len(PEERS)

    def __repr__(self) -> str:
        return f"Early({len(self._boxes)} jobs, {sum(self._bytes)} bytes)"

    def __len__(self) -> int:
        return len(self._boxes)

    def admit(self, frm: Peer, job: bytes, nbytes: int) -> Box:
        """The box for a message of this length. Raises ProtocolViolation when its sender has sent too much."""
        limits = self._limits
        if self._messages[frm] >= limits.early_messages or self._bytes[frm] + nbytes > limits.early_bytes:
            raise violation("too many messages of a job that is not open", frm, job)
        box, counted = self._boxes.setdefault(job, (Box(), []))
        counted.append((frm, nbytes))
        self._messages[frm] += 1
        self._bytes[frm] += nbytes
        return box

    def abort(self, error: Aborted, frm: Peer, job: bytes) -> None:
        """Keep that a peer gave up a job that is not open here."""
        self.admit(frm, job, len(error.body)).aborts.append(error)

    def release(self, job: bytes) -> Box:
        """The job opens: its box, empty if nothing came, counted here no longer."""
        box, counted = self._boxes.pop(job, (None, []))
        for frm, nbytes in counted:
            self._messages[frm] -= 1
            self._bytes[frm] -= nbytes
        return box or Box()
