"""The coordinator's half of checks of values: when they run, in which lane, and before which decision.

An upload is checked while it still comes, whenever a batch of values is whole at all three nodes; what is left is done
between *prepare*, which freezes the upload, and the decision. The order of the last step, so that no value is swapped
after it was looked at:

    prepared at all three, components compared · all chunks checked, for exactly these components · the bit opened
    · durable at all three · decided

Each node commits only on its own bit. A coordinator that ends before it decides gives the change up as ever; tags of
chunks stay, and the next attempt goes on from them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress

from tercet.errors import InputError, IntegrityError, PartyError, TercetError
from tercet.federation.api_peer import (
    MAX_CHECK_CHUNKS,
    CheckAsk,
    CheckChunk,
    CheckHeld,
    CheckNews,
    CheckStart,
    HeldChunk,
    Prepare,
)
from tercet.federation.model import fresh_id
from tercet.federation.refusals import error_of, unavailable
from tercet.node.changes.checks import Checks
from tercet.node.parts import NodeContext
from tercet.node.peers import Peers
from tercet.node.worker.lanes import Reservations
from tercet.protocols.range_check import BATCH
from tercet.sharing import PARTIES, Party
from tercet.store.change import UploadChange, read_change
from tercet.store.schema import Schema
from tercet.store.stamps import ranges_of
from tercet.store.uploads import triple
from tercet.store.version import DatasetVersion

_RUN_VALUES = 4 * BATCH
"""About how many values one run takes: a lane is free again after some seconds."""
_LANE_S = 60.0
_AFTER_S = 10.0
"""How much later than here a check may end at another node."""
_PAUSE_S = 0.02
_LONGEST_PAUSE_S = 1.0
_WAIT_S = 1.0


class CheckRounds:
    """Used at the coordinator only. Thread-safe.

    Who calls it: `Transactions` before it decides and for checks of datasets, and the route of chunks.
    """

    def __init__(self, context: NodeContext, peers: Peers, checks: Checks, reservations: Reservations) -> None:
        self._context = context
        self._identity = context.identity
        self._store = context.store
        self._peers = peers
        self._checks = checks
        self._reservations = reservations
        self._lock = threading.Lock()
        self._turns: dict[str, threading.Lock] = {}
        self._pending: dict[str, dict[int, int]] = {}
        self._early: dict[str, Future[None]] = {}
        # those of the first pool wait for those of the second
        self._background = ThreadPoolExecutor(2, thread_name_prefix="tercet early checks")
        self._pool = ThreadPoolExecutor(8, thread_name_prefix="tercet checks")

    def stop(self) -> None:
        """Start no further checks; those under way end with their workers."""
        self._background.shutdown(wait=False, cancel_futures=True)
        self._pool.shutdown(wait=False, cancel_futures=True)

    # -- while an upload comes

    def chunk_came(self, upload: str, schema: Schema, chunk: int, rows: int) -> None:
        """Note that a chunk has come; once enough values have, check them in the background."""
        values = rows * len(ranges_of(schema, schema.stored))
        with self._lock:
            pending = self._pending.setdefault(upload, {})
            pending[chunk] = values
            if sum(pending.values()) < BATCH or upload in self._early or self._context.stopping.is_set():
                return
            self._early[upload] = self._background.submit(self._check_early, upload)

    def forget(self, upload: str) -> None:
        """Check nothing more of this upload in the background."""
        with self._lock:
            self._pending.pop(upload, None)

    def _check_early(self, upload: str) -> None:
        pause = _PAUSE_S
        try:
            while not self._context.stopping.is_set():
                with self._lock:
                    pending = dict(self._pending.get(upload, {}))
                if sum(pending.values()) < BATCH:
                    return
                with self.turn(upload):
                    ready = [one for one in self._look(upload, sorted(pending)[:MAX_CHECK_CHUNKS]) if one is not None]
                    part = _first(ready, pending)
                    if sum(pending[one.chunk] for one in part) >= BATCH or pause >= _LONGEST_PAUSE_S:
                        if part:
                            self._run(CheckStart(lane=0, upload=upload, chunks=part))
                        with self._lock:
                            left = self._pending.get(upload, {})
                            # chunks that have not come to all nodes by now are checked at the commit
                            for chunk in [one.chunk for one in part] or list(pending):
                                left.pop(chunk, None)
                        pause = _PAUSE_S
                        continue
                time.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_S)
        except TercetError as error:
            # the commit checks what was not checked
            self._context.log.info("chunks not checked early", upload=upload, reason=error.message)
            self.forget(upload)
        except Exception as error:
            self._context.log.defect(error)
        finally:
            with self._lock:
                self._early.pop(upload, None)

    # -- before a decision

    def before_decision(self, prepare: Prepare) -> None:
        """Have the values of a prepared upload checked at all three nodes; other changes bring no values.

        Returns when all three have it durable that every value is in its range. Raises InputError that names the upload
        if one is not, the error of a node that objects or fails, HttpError (503) if no lane becomes free.
        """
        change = read_change(prepare.change)
        if not isinstance(change, UploadChange):
            return
        upload = change.upload
        self.forget(upload)
        with self.turn(upload):
            self._check_all(prepare.transaction, change)
        with self._lock:
            self._turns.pop(upload, None)

    def _check_all(self, transaction: str, change: UploadChange) -> None:
        schema = self._store.uploads.info(change.upload).schema
        columns = len(ranges_of(schema, schema.stored))
        upload, chunks = change.upload, len(change.parts)
        todo: list[CheckChunk] = []
        for first in range(0, chunks, MAX_CHECK_CHUNKS):
            wanted = list(range(first, min(first + MAX_CHECK_CHUNKS, chunks)))
            looked = self._look(upload, wanted, strict=True)
            todo += [one for one in looked if one is not None]
        values = {one.chunk: one.rows * columns for one in todo}
        while len(part := _first(todo, values)) < len(todo):
            self._run(CheckStart(lane=0, upload=upload, chunks=part))
            todo = todo[len(part) :]
        known = self._checks.known_digest(upload, chunks, {one.chunk for one in todo})
        self._context.at("check begins")
        _, passed = self._run(CheckStart(lane=0, upload=upload, chunks=todo, transaction=transaction, known=known))
        self._context.at("checked everywhere")
        if not all(bits == [True] for bits in passed.values()):
            raise InputError(
                f"upload {upload[:8]}: some value of some column is outside its declared range; which one is not known "
                "here",
                hint="compare the file with its schema (tercet schema check), then send it again",
            )

    # -- of what is visible already

    def check_version(self, version: DatasetVersion) -> tuple[str, list[bool]]:
        """Check all segments of a version that nobody has checked; gives the run and a bit for each segment.

        Raises the error of a node that objects or fails, HttpError (503) if no lane becomes free, IntegrityError if the
        nodes saw different bits.
        """
        start = CheckStart(lane=0, dataset=version.name, version=version.version, manifest=version.manifest)
        run, passed = self._run(start)
        bits = passed[self._identity.me]
        if any(theirs != bits for theirs in passed.values()) or len(bits) != len(version.unchecked):
            raise IntegrityError(f"the nodes saw different results of the check of dataset {version.name}")
        return run, bits

    # -- what all three hold

    def _look(self, upload: str, chunks: list[int], *, strict: bool = False) -> list[CheckChunk | None]:
        """Chunks that lie alike at all three nodes and that no run has checked at all three.

        `strict`: raise IntegrityError for one that does not lie alike.
        """
        ask = CheckAsk(chunks=chunks)
        held: dict[Party, dict[int, HeldChunk]] = {}
        path = f"/peer/uploads/{upload}/held"
        asked = {
            party: self._pool.submit(self._peers.ask, party, "POST", path, CheckHeld, ask)
            for party in self._peers.others
        }
        held[self._identity.me] = {one.chunk: one for one in self._checks.held(upload, ask).chunks}
        for party, answer in asked.items():
            held[party] = {one.chunk: one for one in answer.result().chunks}
        found: list[CheckChunk | None] = []
        for chunk in chunks:
            there = {party: held[party][chunk] for party in PARTIES if chunk in held[party]}
            one = _alike(there)
            if one is None and strict:
                raise IntegrityError(
                    f"the nodes hold different things as chunk {chunk} of upload {upload[:8]}",
                    hint="send it again to all nodes",
                )
            runs = {each.run for each in there.values()}
            found.append(one if len(runs) > 1 or "" in runs else None)
        return found

    # -- a run at all three

    def _run(self, start: CheckStart) -> tuple[str, dict[Party, list[bool]]]:
        """Have all three workers do it; gives the run and the bits that each opened.

        Raises the error of the node that failed.
        """
        run = fresh_id()
        lane = self._reservations.take(run, _LANE_S)
        if lane is None:
            raise unavailable("no lane became free to check the upload", hint="commit again when fewer jobs run")
        start = start.model_copy(update={"lane": lane})
        try:
            told = [
                self._pool.submit(self._peers.ask, party, "POST", f"/peer/checks/{run}", CheckNews, start)
                for party in self._peers.others
            ]
            failures: list[TercetError] = []
            try:
                self._checks.begin(run, start)
            except TercetError as error:
                failures.append(error)
            for one in told:
                try:
                    one.result()
                except TercetError as error:
                    failures.append(error)
            passed, more = ({}, failures) if failures else self._ends(run)
            if more:
                self._end_everywhere(run)
                raise worst(more)
            return run, passed
        finally:
            self._reservations.give(lane)

    def _end_everywhere(self, run: str) -> None:
        """Else a worker that waits for one that has ended would meet the next run in its lane with the old session."""
        ends = [self._pool.submit(self._end, party, run) for party in self._peers.others]
        self._checks.end(run)
        for one in ends:
            one.result()

    def _end(self, party: Party, run: str) -> None:
        # a node that cannot be asked has no worker, or loses it when the node ends
        with suppress(TercetError):
            self._peers.ask(party, "POST", f"/peer/checks/{run}/end", CheckNews)

    def _ends(self, run: str) -> tuple[dict[Party, list[bool]], list[TercetError]]:
        while (news := self._checks.news(run, _WAIT_S)).state == "running":
            pass
        passed, failures = {self._identity.me: news.passed}, self._errors(self._identity.me, news)
        deadline, path = time.monotonic() + _AFTER_S, f"/peer/checks/{run}"
        for party in self._peers.others:
            pause = _PAUSE_S
            try:
                while (
                    news := self._peers.ask(party, "GET", path, CheckNews)
                ).state == "running" and time.monotonic() < deadline:
                    time.sleep(pause)
                    pause = min(2 * pause, _LONGEST_PAUSE_S)
                passed[party] = news.passed
                failures += self._errors(party, news)
            except TercetError as error:
                failures.append(error)
        return passed, failures

    def _errors(self, party: Party, news: CheckNews) -> list[TercetError]:
        name = self._identity.party_name(party)
        if news.error is not None:
            return [error_of(503, news.error, name, party)]
        return [] if news.state == "done" else [unavailable(f"{name} did not end the check", hint="commit again")]

    @contextmanager
    def turn(self, upload: str) -> Iterator[None]:
        """Held while a check of this upload or dataset runs, so that there is one at a time."""
        with self._lock:
            turn = self._turns.setdefault(upload, threading.Lock())
        with turn:
            yield


def _alike(there: dict[Party, HeldChunk]) -> CheckChunk | None:
    """One chunk as all three hold it, copies of components compared; None if they do not."""
    if len(there) < len(PARTIES):
        return None
    first = there[Party.P1]
    digests = triple({party: (one.own, one.next) for party, one in there.items()})
    if digests is None or any((one.part, one.rows) != (first.part, first.rows) for one in there.values()):
        return None
    return CheckChunk(chunk=first.chunk, part=first.part, rows=first.rows, digests=list(digests))


def _first(chunks: Sequence[CheckChunk], values: dict[int, int]) -> list[CheckChunk]:
    """As many as one run takes, at least one."""
    found: list[CheckChunk] = []
    total = 0
    for one in chunks:
        total += values[one.chunk]
        if found and (total > _RUN_VALUES or len(found) == MAX_CHECK_CHUNKS):
            break
        found.append(one)
    return found


def worst(failures: list[TercetError]) -> TercetError:
    """What is told of several: an objection says more than that somebody was not reached or has gone."""
    return min(failures, key=lambda error: isinstance(error, PartyError))
