"""Three worker processes without nodes around them: they meet, refuse, report, keep to their memory, end with us."""

from __future__ import annotations

import base64
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from federations import member
from tercet.federation.bundle import InputRef, JobHeader, RowLink, make_bundle, read_bundle, recipient
from tercet.federation.model import fresh_id
from tercet.node.worker import main as lane
from tercet.node.worker.launch import WorkerLauncher
from tercet.node.worker.messages import Failed, JobOrder, LaneAddress, LaneSession, Setup, send
from tercet.node.worker.pool import START_S, LaneEnd, LanePool
from tercet.plan.network import LAN
from tercet.plan.plan import OutputKind
from tercet.plan.record.compile import Wanted, compile_plan
from tercet.plan.record.graph import Graph
from tercet.plan.types import Type, ValueKind
from tercet.process import ForkedProcess
from tercet.transport import listen

FEDERATION = "ab" * 16
NAMES = ("node-1", "node-2", "node-3")
TIMEOUT_S = 2.0


def setup_of(party: int, folder: Path) -> Setup:
    """What the worker of a party is told first."""
    return Setup(
        party=party,
        federation=FEDERATION,
        names=list(NAMES),
        certificates=[base64.b64encode(member(name).card.certificate).decode() for name in NAMES],
        folder=str(folder),
        timeout_s=TIMEOUT_S,
        threads=1,
        memory_bytes=1 << 30,
    )


def ready(lanes: LanePool) -> bool:
    """Whether the workers of all lanes become ready."""
    lanes.start()
    return all(lane.await_ready(time.monotonic() + START_S) for lane in lanes)


class Trio:
    """Three lanes, one a node."""

    def __init__(self, folder: Path) -> None:
        members = [member(name) for name in NAMES]
        self.folder = folder
        self.listeners = [listen() for _ in NAMES]
        self.lanes = []
        for number, one in enumerate(members):
            setup = setup_of(number + 1, folder)
            self.lanes.append(LanePool([self.listeners[number]], setup, one.identity.key, WorkerLauncher()))
        for lanes in self.lanes:
            lanes.start()
        assert all(ready(lanes) for lanes in self.lanes)

    def close(self) -> None:
        for lanes in self.lanes:
            lanes.stop()
        for listener in self.listeners:
            listener.close()

    def order(self, bundle: bytes, number: int, session: str = "") -> JobOrder:
        read = read_bundle(bundle)
        places = {
            str(k + 1): LaneAddress(host="127.0.0.1", port=self.listeners[k].getsockname()[1])
            for k in range(3)
            if k != number
        }
        found: dict[str, Any] = {
            "job": read.header.job,
            "lane": LaneSession(session=session or read.hash.hex(), places=places, connect_s=3.0, flush_s=5.0),
            "datasets": {},
            "columns": [],
            "kept": [],
            "claimed": [],
            "keep": [],
            "results": str(self.folder / f"{number}-{read.header.job}"),
        }
        return JobOrder(**found)

    def run(self, bundles: list[bytes], absent: int | None = None, seconds: float = 30.0) -> list[Any]:
        found: list[Any] = [None] * 3

        def one(number: int) -> None:
            order = self.order(bundles[number], number)
            deadline = time.monotonic() + seconds
            found[number] = self.lanes[number][0].run(order.job, order, bundles[number], deadline, lambda _: None)

        threads = [threading.Thread(target=one, args=(number,)) for number in range(3) if number != absent]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return found


@pytest.fixture(scope="module")
def trio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trio]:
    made = Trio(tmp_path_factory.mktemp("lanes"))
    yield made
    made.close()


def bundle(job: str = "", purpose: str = "") -> bytes:
    """A job that reads a kept array, which none of these workers has been told of."""
    analyst = member("analyst")
    graph = Graph()
    ref = InputRef.of_kept(FEDERATION, "nothing")
    node = graph.input(ref.handle_bytes, Type(ValueKind.INT, (3,), 64, 0, 0, -10, 10))
    plan = compile_plan([Wanted(node, OutputKind.REVEAL, b"")], LAN)
    now = int(time.time())
    header = JobHeader(
        federation=FEDERATION,
        job=job or fresh_id(),
        created=now,
        deadline=now + 60,
        analyst=analyst.card.fingerprint,
        inputs=(ref,),
        outputs=(),
        recipients=(recipient(analyst.card),),
        network=RowLink(name="lan", rtt_us=100, bandwidth_bits_s=10**9),
        purpose=purpose,
    )
    return make_bundle(analyst, header, plan.to_bytes())


def test_what_is_not_stored_is_told_to_all(trio: Trio) -> None:
    found = trio.run([bundle()] * 3)
    for answer in found:
        assert isinstance(answer, Failed) and "is not stored" in answer.reason


def test_another_bundle_at_one_is_named_by_all(trio: Trio) -> None:
    job = fresh_id()
    same, other = bundle(job), bundle(job, "another purpose")
    bundles = [same, same, other]
    # they mean one session, as a coordinator that lies would tell them
    session = read_bundle(same).hash.hex()
    order = trio.order
    trio.order = lambda data, number, **more: order(data, number, session=session, **more)  # type: ignore[method-assign]
    try:
        found = trio.run(bundles)
    finally:
        trio.order = order  # type: ignore[method-assign]
    for answer in found:
        assert isinstance(answer, Failed) and answer.party == 3 and "another plan" in answer.reason


def test_a_lane_that_stays_away_is_named(trio: Trio) -> None:
    found = trio.run([bundle()] * 3, absent=2)
    for answer in (found[0], found[1]):
        assert isinstance(answer, Failed) and answer.reason.startswith("node-3 did not connect")


def test_a_deadline_and_a_cancel_end_the_worker_and_the_next_job_has_a_fresh_one(trio: Trio) -> None:
    before = trio.lanes[0].states()[0].pid
    data = bundle()
    order = trio.order(data, 0)
    assert trio.lanes[0][0].run(order.job, order, data, time.monotonic() + 0.3, lambda _: None) is LaneEnd.DEADLINE
    middle = trio.lanes[0].states()[0].pid
    assert middle not in (None, before)
    timer = threading.Timer(0.5, trio.lanes[0].cancel, [order.job])
    timer.start()
    assert trio.lanes[0][0].run(order.job, order, data, time.monotonic() + 30, lambda _: None) is LaneEnd.CANCELLED
    timer.join()
    assert not trio.lanes[0].cancel(order.job)
    assert trio.lanes[0][0].run(order.job, order, data, time.monotonic() + 30, lambda _: None, lambda: True) is (
        LaneEnd.CANCELLED
    )
    assert ready(trio.lanes[0])


def test_a_cancel_that_comes_too_late_does_not_end_the_next_job(trio: Trio, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who cancels a job whose worker has just answered would end, with the worker, the job of somebody else."""
    one = bundle()
    lane = trio.lanes[0][0]
    pid = lane.state().pid
    looked = ForkedProcess.resident_bytes

    def looks(process: ForkedProcess) -> int:
        """Asked once the answer has come: that is when the job is cancelled."""
        if process.pid == pid:
            lane.cancel(read_bundle(one).header.job)
        return looked(process)

    with monkeypatch.context() as patch:
        patch.setattr(ForkedProcess, "resident_bytes", looks)
        assert all(isinstance(answer, Failed) for answer in trio.run([one] * 3))
    assert lane.state().pid != pid
    assert all(isinstance(answer, Failed) for answer in trio.run([bundle()] * 3))


def test_a_worker_that_dies_is_replaced(trio: Trio) -> None:
    pid = trio.lanes[1].states()[0].pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    trio.lanes[1].tend()
    deadline = time.monotonic() + 20
    while trio.lanes[1].states()[0].pid == pid or not trio.lanes[1].states()[0].ready:
        assert time.monotonic() < deadline
        trio.lanes[1].tend()
        time.sleep(0.05)


LIMITED = """
import socket
from tercet.node.worker.main import _worker
from tercet.node.worker.messages import Setup
import base64, numpy as np
setup = Setup(party=1, federation="ab" * 16, names=["a", "b", "c"], certificates=["", "", ""], folder="/",
              timeout_s=1.0, threads=1, memory_bytes=100 << 20)
worker = _worker(setup, b"", socket.socket())
small = np.ones(8 << 20, np.uint8)
try:
    np.ones(300 << 20, np.uint8)
except MemoryError:
    print("refused")
"""


def test_memory_beyond_the_limit_is_refused_by_the_system() -> None:
    ran = subprocess.run([sys.executable, "-c", LIMITED], capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout == "refused\n"


def test_a_worker_ends_with_its_supervisor() -> None:
    """Its leash is a pipe: however the supervisor ends, that does."""
    control, theirs = socket.socketpair()
    listener = listen()
    leash, hold = os.pipe()
    fds = (theirs.fileno(), listener.fileno(), leash)
    code = f"from tercet.node.worker.main import main; raise SystemExit(main{fds})"
    process = subprocess.Popen([sys.executable, "-c", code], pass_fds=fds, stdin=subprocess.DEVNULL)
    theirs.close()
    os.close(leash)
    os.close(hold)
    assert process.wait(30) == 1
    control.close()
    listener.close()


def test_a_worker_whose_supervisor_was_killed_ends_without_a_word(tmp_path: Path) -> None:
    """What it has said and nobody read makes the system reset its connection."""
    control, theirs = socket.socketpair()
    listener = listen()
    leash, hold = os.pipe()
    fds = (theirs.fileno(), listener.fileno(), leash)
    code = f"from tercet.node.worker.main import main; raise SystemExit(main{fds})"
    process = subprocess.Popen(
        [sys.executable, "-c", code], pass_fds=fds, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    theirs.close()
    send(control, setup_of(1, tmp_path), member(NAMES[0]).identity.key)
    assert select.select([control], [], [], 30)[0]
    control.close()
    _, said = process.communicate(timeout=30)
    assert (process.returncode, said) == (1, b"")
    os.close(hold)
    os.close(leash)
    listener.close()


def test_an_idle_worker_forgets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Now and then while it waits, and before each job."""
    forgot: list[float] = []
    worker: Any = SimpleNamespace(verified=SimpleNamespace(forget=lambda: forgot.append(time.monotonic())))
    monkeypatch.setattr(lane, "_FORGET_S", 0.01)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        threading.Timer(0.3, ours.shutdown, [socket.SHUT_RDWR]).start()
        assert lane.next_order(worker, theirs) is None
    assert len(forgot) > 3
