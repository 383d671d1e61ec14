"""Sessions with three parties on this machine: threads and processes run the same plans."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest

from tercet.client import EmulatedLink, Session, local
from tercet.errors import ConfigError, IntegrityError, PlanError
from tercet.plan.plan import Plan
from timing import at_most, in_time
from tiny_plans import chain_plan, put, reveal_plan, run_plan

HANDLE = bytes(range(16))


@pytest.fixture(params=[pytest.param(False, id="threads"), pytest.param(True, id="processes", marks=pytest.mark.nodes)])
def net(request: pytest.FixtureRequest) -> Iterator[Session]:
    with local(processes=request.param, timeout=20) as session:
        yield session


@pytest.mark.parametrize(
    ("values", "bounds", "frac_bits"),
    [
        ([1, -2, 3], (-5, 5), None),
        (7, None, None),
        ([[1.5, -0.25], [3.0, 0.0]], (-4, 4), None),
        (2.5, None, None),
        ([True, False, True] * 50, None, None),
        (True, None, None),
        (np.zeros((0, 3)), None, None),
        (np.zeros((3, 0), bool), None, None),
        ([2**70, -(2**70)], (-(2**71), 2**71), None),
        (np.arange(24, dtype=np.uint8).reshape(2, 3, 4), (0, 255), None),
        ([1, 2], (0, 3), 40),
    ],
)
def test_what_goes_in_comes_out(values: object, bounds: object, frac_bits: int | None) -> None:
    with local() as net:
        (got,) = run_plan(net, reveal_plan(put(net, values, bounds, frac_bits)))
    wanted = np.asarray(values)
    assert np.shape(got) == wanted.shape
    if wanted.size:
        assert np.array_equal(np.asarray(got), wanted)
    if wanted.ndim == 0:
        assert isinstance(got, np.generic)


def test_run_reveal_keep_measure(net: Session) -> None:
    x, y = put(net, [2, -3, 4], (-10, 10)), put(net, [1, -1, 2], (-2, 2))
    with net.measure() as m:
        assert run_plan(net, chain_plan(x, y, 3, keep=HANDLE)) == [None]
        (product,) = run_plan(net, chain_plan(x, y, 1))
    assert product.tolist() == [2, 3, 8] and product.dtype == np.int64
    assert (m.jobs, m.rounds, m.bytes_per_party) == (2, 4, 4 * 3 * 8)
    assert [(row.name, row.count) for row in m.operations] == [("multiply", 4)]
    assert 0 < m.computing_s < m.seconds
    assert m.computing_s + m.waiting_s <= m.online_s + 1e-9 and m.online_s < m.seconds
    kept = chain_plan(x, y, 3).operations[-1].type
    (got,) = run_plan(net, reveal_plan(type(x)(HANDLE, kept)))
    assert got.tolist() == [2, 3, 32]


def test_big_arrays_and_several_outputs(net: Session) -> None:
    rng = np.random.default_rng(3)
    whole, real, bits = rng.integers(-1000, 1000, 300_000), rng.normal(size=(500, 40)), rng.random(100_001) < 0.5
    a, b, c = put(net, whole, (-1000, 1000)), put(net, real, (-10, 10)), put(net, bits)
    got = run_plan(net, reveal_plan(a, b, c))
    assert np.array_equal(got[0], whole) and np.array_equal(got[2], bits)
    assert np.abs(got[1] - real).max() <= 2.0**-17


def test_a_refused_plan_leaves_the_session_usable(net: Session) -> None:
    x, y = put(net, [2]), put(net, [3])
    good = chain_plan(x, y)
    unknown = chain_plan(type(x)(HANDLE, x.type), y)
    with pytest.raises(PlanError, match="not stored"):
        run_plan(net, unknown)
    widened = chain_plan(type(x)(x.handle, x.type.with_bounds(0, 3)), y)
    with pytest.raises(PlanError, match="another type"):
        run_plan(net, widened)
    assert run_plan(net, good)[0].tolist() == [6]
    net._drop(x.handle)
    with pytest.raises(PlanError, match="not stored"):
        run_plan(net, good)


def test_closed_sessions_refuse_work(net: Session) -> None:
    x = put(net, 1)
    net.close()
    net.close()
    with pytest.raises(ValueError, match="closed"):
        run_plan(net, reveal_plan(x))
    with pytest.raises(ValueError, match="closed"):
        put(net, 1)


def test_stored_arrays_outlive_failed_jobs(net: Session) -> None:
    x, y = put(net, [2]), put(net, [3])
    for _ in range(3):
        with pytest.raises(PlanError):
            run_plan(net, chain_plan(type(x)(HANDLE, x.type), y))
    assert run_plan(net, chain_plan(x, y))[0].tolist() == [6]


def test_many_sessions_one_after_the_other() -> None:
    for _ in range(5):
        with local() as net:
            assert run_plan(net, reveal_plan(put(net, 4)))[0] == 4


def test_an_emulated_link_delays_rounds() -> None:
    with local(link=EmulatedLink(0.02, 1e9)) as net:
        x = put(net, 1, (-1, 1))
        began = time.monotonic()
        run_plan(net, chain_plan(x, x, 10))
        assert time.monotonic() - began > 10 * 0.01


@pytest.mark.timing
def test_measured_profile() -> None:
    def attempt() -> None:
        with local(profile="measured", link=EmulatedLink(0.02, 50e6)) as net:
            assert net.network.rtt_s >= 0.02
            assert net.network.bandwidth_bps < 100e6
            assert run_plan(net, reveal_plan(put(net, 4)))[0] == 4
            at_most(net.network.rtt_s, 0.1)
            at_most(1 / net.network.bandwidth_bps, 1 / 5e6)

    in_time(attempt)


@pytest.mark.parametrize("bad", [{"profile": "moon"}, {"timeout": 0}, {"threads": 0}])
def test_settings_are_checked(bad: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        local(**bad)  # type: ignore[arg-type]


def test_a_session_nobody_closes_ends_with_it() -> None:
    net = local()
    put(net, 4)
    del net  # the fixture looks for threads


@pytest.mark.nodes
def test_children_end_with_a_killed_client(tmp_path: Path) -> None:
    script = (
        "import sys, time; from tercet.client import local\n"
        "net = local(processes=True)\n"
        "print(*net._companions.pids.values(), flush=True); time.sleep(100)"
    )
    client = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    try:
        assert client.stdout is not None
        pids = [int(pid) for pid in client.stdout.readline().split()]
        assert len(pids) == 3
    finally:
        client.kill()
        client.wait()
        assert client.stdout is not None
        client.stdout.close()
    deadline = time.monotonic() + 5
    while any(alive(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(alive(pid) for pid in pids)


@pytest.mark.nodes
def test_a_process_forked_from_the_client_ends_no_party() -> None:
    script = (
        "import os, sys; from tercet.client import local\n"
        "net = local(processes=True)\n"
        "x = net.share([1, 2, 3])\n"
        "if not os.fork(): sys.exit()\n"
        "os.wait()\n"
        "print(x.sum().reveal())\n"
        "net.close()"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=90, check=False)
    assert ran.stdout == "6\n", ran.stderr


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.nodes
def test_a_child_that_cannot_start_is_quoted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("raise SystemExit('the disk is full of eels')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(ConfigError, match="eels"):
        local(processes=True)


@pytest.mark.nodes
def test_keys_stand_in_no_command_line_or_environment() -> None:
    with local(processes=True) as net:
        for pid in net._companions.pids.values():  # type: ignore[attr-defined]
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
            try:
                environment = Path(f"/proc/{pid}/environ").read_bytes()
            except PermissionError:  # of a process that may not be dumped, nobody but root reads it
                environment = b""
            assert command.split(b"\0")[1:4] == [
                b"-P",
                b"-c",
                b"import gc; gc.disable(); from tercet.client.serve import main; raise SystemExit(main())",
            ]
            assert b"PRIVATE KEY" not in command + environment


def test_threads_read_a_plan_once(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[bytes] = []
    from_bytes = Plan.from_bytes

    def noted(data: bytes, **options: Any) -> Plan:
        read.append(data)
        return from_bytes(data, **options)

    monkeypatch.setattr(Plan, "from_bytes", noted)
    with local() as net:
        run_plan(net, reveal_plan(put(net, 3, (-5, 5))))
    assert len(read) == 1


def test_an_interrupted_client_can_go_on(net: Session) -> None:
    class Stop(Exception):
        pass

    def interrupt(number: int, frame: FrameType | None) -> None:
        # not within a callback of the collector, which would swallow it: the next alarm comes soon
        if frame is not None and "tercet" in Path(frame.f_code.co_filename).parts:
            raise Stop

    x = put(net, 1, (-1, 1))
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3, 0.01)
        with pytest.raises(Stop):
            for _ in range(1000):
                run_plan(net, chain_plan(x, x, 2000))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    for _ in range(3):
        assert run_plan(net, chain_plan(x, x, 2))[0] == 1


def test_parties_with_different_copies_are_named(net: Session) -> None:
    """The owner of an array lies to two parties: they hold different copies of a component."""
    send = net._endpoint.send_control

    def forked(to: int, kind: int, body: list[bytes]) -> None:
        if kind == 1 and to == 1:  # PUT: party 1's second component, which party 2 holds too
            body = [*body[:2], os.urandom(24)]
        send(to, kind, body)  # type: ignore[arg-type]

    net._endpoint.send_control = forked  # type: ignore[method-assign,assignment]
    x = put(net, [5])
    with pytest.raises(IntegrityError, match="parties 1 and 2"):
        run_plan(net, reveal_plan(x))
