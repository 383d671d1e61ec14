"""`JobWatch` follows one job of a local session at its client: results, reports of parties, cause of a failure."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from tercet.engine.commands import Command, Done
from tercet.engine.failure import RESERVED_INSTANCES, Cause, Report, root_cause
from tercet.engine.party import REVEAL_STEP
from tercet.errors import PartyError, ProtocolViolation
from tercet.ring import Bytes
from tercet.sharing import PARTIES, Party
from tercet.transport import Aborted, Address, Control, Element, Endpoint, SessionPeer

SILENCE_S = 2.0
"""Seconds beyond the timeout for which a party may be silent; the other parties report earlier what they wait for."""
REPORTS_S = 1.5
"""Seconds for which the client waits for the reports of the other parties after a failure."""
DEFENCE_S = 0.4
"""Seconds for which the client waits for the report of the blamed party once the other two have sent theirs."""
_LONGEST_PING_S = 1.0


class JobWatch:
    """Follows one job from the RUN command to the third report."""

    def __init__(self, endpoint: Endpoint, job: bytes, expected: Mapping[int, int], timeout: float) -> None:
        """`expected`: how many bytes each party sends for each output that is revealed."""
        self._endpoint = endpoint
        self._job = job
        self._expected = expected
        self._timeout = timeout
        self.done: dict[Party, Done] = {}
        self.failed: dict[int, Report] = {}
        """Reports by witness; 0 is the client itself."""
        self.parts: dict[tuple[int, Party], Bytes] = {}
        now = time.monotonic()
        self._seen = dict.fromkeys(PARTIES, now)
        self._pings = 0
        self._ping_s = min(_LONGEST_PING_S, timeout / 4)
        self._ping_at = now + self._ping_s
        self._give_up_at = float("inf")
        self._defence_at: float | None = None

    @property
    def settled(self) -> bool:
        """Whether all parties have ended the job, with a result or a report: then the session can run another."""
        return all(party in self.done or party in self.failed for party in PARTIES)

    def wait(self) -> None:
        """Wait until all parties are done and all results are here, or no more reports of a failure are expected."""
        endpoint = self._endpoint
        for index, nbytes in self._expected.items():
            for party in PARTIES:
                try:
                    endpoint.expect(party, self._address(index), Element.BYTES, nbytes, (index, party))
                except PartyError as error:
                    self._observe(error)
        while not self._ended():
            try:
                endpoint.progress(self._patience())
            except Aborted as aborted:
                self._hear(aborted)
            except PartyError as error:
                self._observe(error)
            while (control := endpoint.take_control()) is not None:
                self._control(control)
            for index, party in endpoint.woken():  # type: ignore[misc]
                if (message := endpoint.take(party, self._address(index))) is not None:
                    self.parts[index, party] = message.payload
            self._keep_watch()

    def cause(self) -> Report | None:
        """The report of the cause of the failure; None if the job did not fail."""
        if not self.failed:
            return None
        gone = [report.party for report in self.failed.values() if report.cause is Cause.UNREACHABLE]
        silent = [party for party in PARTIES if party not in self.done and party not in self.failed]
        return root_cause(self.failed, [party for party in silent if party not in gone])

    def _address(self, index: int) -> Address:
        return Address(self._job, RESERVED_INSTANCES + index, REVEAL_STEP)

    def _ended(self) -> bool:
        if self.failed:
            now = time.monotonic()
            open_ended = [
                p
                for p in PARTIES
                if not (p in self.done or p in self.failed or SessionPeer(p) in self._endpoint.failed)
            ]
            if len(open_ended) == 1 and self._defence_at is None and root_cause(self.failed).party == open_ended[0]:
                self._defence_at = now + DEFENCE_S
                self._give_up_at = min(self._give_up_at, self._defence_at)
            return not open_ended or now >= self._give_up_at
        return len(self.done) == len(PARTIES) and len(self.parts) == len(self._expected) * len(PARTIES)

    def _patience(self) -> float:
        return max(0.0, min(self._ping_at, self._give_up_at) - time.monotonic())

    def _fail(self, witness: int, report: Report) -> None:
        if not self.failed:
            self._give_up_at = time.monotonic() + REPORTS_S
        earlier = self.failed.get(witness)
        if earlier is None or report.cause < earlier.cause:
            self.failed[witness] = report

    def _hear(self, aborted: Aborted) -> None:
        assert aborted.party is not None
        self._seen[Party(aborted.party)] = time.monotonic()
        try:
            report = Report.decode(aborted.body)
        except ProtocolViolation as error:
            report = Report(Cause.VIOLATION, 0, aborted.party, "", "", error.reason)
        self._fail(aborted.party, report)

    def _observe(self, error: PartyError) -> None:
        self._fail(int(SessionPeer.CLIENT), Report.of(error, int(SessionPeer.CLIENT)))

    def _control(self, control: Control) -> None:
        party = Party(int(control.sender))
        self._seen[party] = time.monotonic()
        try:
            if control.kind == Command.DONE:
                done = Done.decode(control.body)
                if done.job == self._job:  # else it is the late answer of a job that was given up
                    self.done[party] = done
            elif control.kind == Command.FAILED:
                self._fail(int(SessionPeer.CLIENT), Report.decode(control.body))
            else:
                raise ProtocolViolation(f"answer {control.kind} is not due")
        except ProtocolViolation as error:
            self._fail(int(SessionPeer.CLIENT), Report(Cause.VIOLATION, 0, int(party), "", "", error.reason))

    def _keep_watch(self) -> None:
        """Ping the parties that have not ended the job; record a Timeout of those that are silent for too long."""
        endpoint = self._endpoint
        while endpoint.pongs:
            peer, _, at = endpoint.pongs.popleft()
            if peer:
                self._seen[Party(int(peer))] = at
        now = time.monotonic()
        if now < self._ping_at:
            return
        self._ping_at = now + self._ping_s
        limit = self._timeout + SILENCE_S
        for party in self._working():
            if now - self._seen[party] > limit:
                reason = f"it gave no sign of life for {limit:g} s"
                self._fail(int(SessionPeer.CLIENT), Report(Cause.TIMEOUT, 0, int(party), "", "", reason))
            elif SessionPeer(party) not in endpoint.failed:
                self._pings += 1
                try:
                    endpoint.ping(party, self._pings)
                except PartyError as error:
                    self._observe(error)

    def _working(self) -> Sequence[Party]:
        return [party for party in PARTIES if party not in self.done and party not in self.failed]
