"""A refresh in a worker: it writes the next generation of a dataset's segments, and of what was kept of the dataset."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from tercet.engine.channel import JobChannel
from tercet.engine.failure import Report
from tercet.engine.job import JobRun
from tercet.engine.scheduler import Scheduler
from tercet.node.worker.inputs import salts
from tercet.node.worker.messages import Failed, RefreshDone, RefreshOrder
from tercet.node.worker.run import Worker, failed, run_in_session
from tercet.protocols.reshare import reshare
from tercet.protocols.scope import Body, Scope
from tercet.sharing import PARTIES, BitShare, Share, Streams
from tercet.store.kept_files import described_segment
from tercet.store.segment_writer import SegmentWriter
from tercet.store.segments import StoredSegment, Value
from tercet.store.verified import Verified
from tercet.store.version import DatasetVersion


def run_refresh(worker: Worker, order: RefreshOrder, progress: Callable[[float], None]) -> RefreshDone | Failed:
    """Write the next generation of all segments with the other two workers; visible only once it is committed.

    Memory: a few chunks. Network: each party sends as much as one component of the dataset and of what was kept of it.
    """
    folder = Path(worker.setup.folder)

    def work(run: JobRun) -> RefreshDone:
        version = DatasetVersion.load(folder, run.party, dict(order.version), verified=Verified())
        kept = [described_segment(folder, run.party, array, verified=Verified()) for array in order.kept]
        arrays = " ".join(f"{array.segment}.{array.generation}" for array in kept)
        run.agree(f"tercet refresh {version.name} {version.version} {version.manifest} {arrays}".encode())
        segments = [*version.segments, *kept]
        run.compute(lambda streams, channel: _refresh(run, segments, streams, channel, progress))
        return RefreshDone(segments=len(segments))

    result = run_in_session(worker, order.job, order.session, order.places, order.connect_s, order.flush_s, work)
    return failed(result) if isinstance(result, Report) else result


def _refresh(
    run: JobRun,
    segments: Sequence[StoredSegment],
    streams: Streams,
    channel: JobChannel,
    progress: Callable[[float], None],
) -> None:
    total = sum(segment.chunks for segment in segments)
    number = 0
    for segment in segments:
        writer = SegmentWriter.refresh(segment)
        try:
            for chunk in range(segment.chunks):
                number += 1
                values = segment.read_chunk(chunk)
                fresh = _reshared(run, number, values, streams, channel)
                writer.write(chunk, segment.rows_of(chunk), fresh, salts(run.party, streams, number))
                progress(number / total)
            writer.close()
        except BaseException:
            writer.discard()
            raise
    run.meet(channel)


def _reshared(
    run: JobRun, number: int, values: Mapping[str, Value], streams: Streams, channel: JobChannel
) -> dict[str, Value]:
    """All secret columns of a chunk at once: one round; public keys stay as they are."""
    fresh: dict[str, Value] = dict(values)
    scope = Scope(run.party, streams, channel, number << 32, solo=PARTIES[0])
    secret = {name: value for name, value in sorted(values.items()) if isinstance(value, Share | BitShare)}
    scheduler = Scheduler(channel, run.timeout)
    for (name, value), part in zip(secret.items(), scope.fork(len(secret)), strict=True):
        body: Body[Share | BitShare] = reshare(part, part.input(value))
        scheduler.start(body, partial(fresh.__setitem__, name))
    scheduler.run()
    return fresh
