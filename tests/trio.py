"""Three parties in one thread: protocol bodies run in turns over a dictionary of messages; everything is counted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tercet.engine.scheduler import Scheduler
from tercet.protocols.scope import Body, Scope
from tercet.protocols.transcript import Drawn, Statement, Transcript
from tercet.ring import Ring, pack_bits, unpack_bits
from tercet.sharing import ALL, PARTIES, BitShare, Party, Purpose, Share, Streams


class Post:
    """The messages of all parties, whole (`views`) and as they were put together (`parts`)."""

    def __init__(self) -> None:
        self.boxes: dict[tuple[Party, Party, int, int], tuple[np.ndarray, int]] = {}
        self.bytes: dict[Party, int] = dict.fromkeys(PARTIES, 0)
        self.views: dict[Party, list[np.ndarray]] = {party: [] for party in PARTIES}
        self.parts: dict[Party, list[np.ndarray]] = {party: [] for party in PARTIES}
        self.transcripts = {party: Transcript(party) for party in PARTIES}
        self.rounds = 0


class PostChannel:
    def __init__(self, post: Post, party: Party) -> None:
        self.post = post
        self.party = party
        self.due: dict[tuple[Party, int, int], tuple[int, Any]] = {}

    def send(self, to: Party, operation: int, step: int, payload: Any, depth: int, statement: Statement) -> None:
        key = (self.party, to, operation, step)
        assert key not in self.post.boxes, f"address reused: {key}"
        assert to is not self.party
        parts = payload if isinstance(payload, list) else [payload]
        parts = [part.view(np.uint8).reshape(-1) for part in parts]
        self.post.parts[to].extend(parts)
        payload = np.concatenate(parts)
        self.post.boxes[key] = (payload, depth)
        self.post.bytes[self.party] += payload.nbytes
        self.post.views[to].append(payload)
        self.post.rounds = max(self.post.rounds, depth)
        self.said(statement, to, operation, step, payload.nbytes)

    def said(self, statement: Statement, to: Party | None, operation: int, step: int, nbytes: int) -> None:
        self.post.transcripts[self.party].said(statement, to, operation, step, nbytes)

    def name_of(self, party: Party) -> str:
        return f"party {int(party)}"

    def receive(self, frm: Party, operation: int, step: int, nbytes: int, waker: Any, into: Any) -> Any:
        box = self.post.boxes.get((frm, self.party, operation, step))
        if box is None:
            self.due[frm, operation, step] = (nbytes, waker)
            return None
        assert box[0].nbytes == nbytes, f"{box[0].nbytes} bytes arrived, {nbytes} expected"
        assert box[1] >= 0, "received twice"
        self.post.boxes[(frm, self.party, operation, step)] = (box[0], -1)
        return box[0].copy(), box[1]

    def progress(self, timeout: float) -> list[Any]:
        """What is due and has come, in the order in which it was asked for."""
        found = []
        for (frm, operation, step), (nbytes, waker) in list(self.due.items()):
            message = self.receive(frm, operation, step, nbytes, waker, None)
            if message is not None:
                del self.due[frm, operation, step]
                found.append((waker, *message))
        return found


_TERMS = (Purpose.TERM, Purpose.TERM_B)
MASKS = {
    Statement.PRODUCT: (Purpose.MASK, Purpose.ZERO),
    Statement.DEAL: (Purpose.OUTPUT, Purpose.TABLE, *_TERMS),
    Statement.CROSS_TERM: (Purpose.OUTPUT, Purpose.WRAP_A, Purpose.WRAP_B),
    Statement.RESHARE: (Purpose.ZERO,),
    Statement.OPEN_TO_PARTY: (Purpose.COIN, Purpose.SCALE, Purpose.BLIND, Purpose.ZERO),
}
"""What the draws that hide a statement are for. What is opened to all, and what says nothing, needs none."""


def check_transcripts(post: Post, *, masks: bool) -> None:
    """Every message is one statement of the same size at the same address, and there are no other statements.

    With `masks`, the draws of its sender at the same step that its receiver lacks are as many bytes, at least. Several
    dealt terms that travel together have a step each, from that of the message on.
    """
    said = [entry for one in post.transcripts.values() for entry in one.statements if entry.to is not None]
    stated = {(entry.sender, entry.to, entry.instance, entry.step): entry.nbytes for entry in said}
    assert len(stated) == len(said), "an address has two statements"
    assert stated == {address: payload.nbytes for address, (payload, _) in post.boxes.items()}
    draws: dict[tuple[Party, int], list[Drawn]] = {}
    for one in post.transcripts.values():
        for draw in one.draws:
            draws.setdefault((one.party, draw.instance), []).append(draw)
    for entry in said if masks else ():
        if entry.statement in MASKS:
            assert entry.to is not None
            known = (ALL, entry.to, entry.to.next)
            hiding = sum(
                draw.nbytes
                for draw in draws.get((entry.sender, entry.instance), ())
                if draw.component not in known
                and draw.purpose in MASKS[entry.statement]
                and (draw.step == entry.step or (draw.step > entry.step and draw.purpose in _TERMS))
            )
            assert hiding >= entry.nbytes, f"nothing hides this: {entry}"
        else:
            assert entry.statement in (Statement.OPEN, Statement.BARRIER), entry


class Trio:
    """Fixture: shares, runs bodies at three parties, reconstructs, counts. Seeded by `seed` for replay."""

    def __init__(self, seed: int = 0, *, balance: bool = True, streams: Mapping[Party, Any] | None = None) -> None:
        self.balance = balance
        self.rng = np.random.default_rng(seed)
        self.streams: Mapping[Party, Any] = self._streams() if streams is None else streams
        self.operations = 0
        self.post = Post()

    def _streams(self) -> dict[Party, Streams]:
        keys = {party: self.rng.bytes(16) for party in PARTIES}
        common = self.rng.bytes(16)
        return {p: Streams({p: keys[p], p.next: keys[p.next], ALL: common}) for p in PARTIES}

    def share(self, ring: Ring, values: Any) -> dict[Party, Share]:
        words = ring.from_ints(values)
        parts = [ring.from_bytes(self.rng.bytes(words.nbytes), words.shape) for _ in range(2)]
        parts.append(ring.sub(ring.sub(words, parts[0]), parts[1]))
        return {p: Share(ring, parts[p - 1].copy(), parts[p.next - 1].copy()) for p in PARTIES}

    def share_bits(self, bits: Any) -> dict[Party, BitShare]:
        bits = np.asarray(bits, dtype=bool)
        packed = pack_bits(bits)
        parts = [np.frombuffer(self.rng.bytes(packed.nbytes), np.uint64) for _ in range(2)]
        parts.append(packed ^ parts[0] ^ parts[1])
        return {p: BitShare(bits.size, parts[p - 1].copy(), parts[p.next - 1].copy()) for p in PARTIES}

    def run(self, body: Callable[..., Body[Any]], *inputs: Any, solo: Party | None = None) -> dict[Party, Any]:
        """Run body(scope, *this party's inputs) at each party; dict inputs are taken by party. Counts in `post`."""
        self.post = Post()
        self.operations += 1
        for party, streams in self.streams.items():
            if isinstance(streams, Streams):
                streams.note(self.post.transcripts[party].drawn)
        results: dict[Party, Any] = {}
        schedulers, channels = {}, {}
        for party in PARTIES:
            channel = channels[party] = PostChannel(self.post, party)
            first = solo or PARTIES[self.operations % 3]
            scope = Scope(party, self.streams[party], channel, self.operations << 32, solo=first, balance=self.balance)
            mine = [value[party] if isinstance(value, dict) else value for value in inputs]
            schedulers[party] = Scheduler(channel)
            schedulers[party].start(body(scope, *mine), lambda value, p=party: results.__setitem__(p, value))
        while any(not s.idle for s in schedulers.values()):
            before = (len(self.post.boxes), len(results))
            moved = False
            for party, scheduler in schedulers.items():
                for arrived in channels[party].progress(0.0):
                    scheduler.deliver(*arrived)
                    moved = True
            for scheduler in schedulers.values():
                scheduler.run_ready()
            assert moved or before != (len(self.post.boxes), len(results)), "deadlock"
        recorded = all(isinstance(streams, Streams) for streams in self.streams.values())
        check_transcripts(self.post, masks=recorded)
        return results

    @staticmethod
    def open(parts: dict[Party, Share]) -> Any:
        """Signed integers; checks that both holders of every component agree."""
        ring = parts[PARTIES[0]].ring
        for p in PARTIES:
            assert np.array_equal(parts[p.prev].next, parts[p].own), f"component {p} differs"
        total = ring.add(ring.add(parts[PARTIES[0]].own, parts[PARTIES[1]].own), parts[PARTIES[2]].own)
        return ring.to_ints(total)

    @staticmethod
    def open_bits(parts: dict[Party, BitShare]) -> np.ndarray:
        count = parts[PARTIES[0]].count
        opened = []
        for p in PARTIES:
            mine, theirs = (unpack_bits(a.reshape(-1), count) for a in (parts[p].own, parts[p.prev].next))
            assert np.array_equal(mine, theirs), f"component {p} differs"
            opened.append(mine)
        return opened[0] ^ opened[1] ^ opened[2]

    @property
    def total_bytes(self) -> int:
        return sum(self.post.bytes.values())

    @property
    def rounds(self) -> int:
        return self.post.rounds
