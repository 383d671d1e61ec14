"""Processes that are started, recognised and ended, with programs that stand in for nodes."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tercet.node import processes
from tercet.node.processes import Process

STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
PLAIN = "import time; print('up', flush=True); time.sleep(60)"


@pytest.fixture
def children() -> Iterator[list[subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for child in started:
        child.kill()
        child.wait()
        assert child.stdout is not None
        child.stdout.close()


def run(children: list[subprocess.Popen[bytes]], code: str, folder: Path) -> Process:
    """A process of its own session, written down as the node of this folder."""
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True)
    children.append(child)
    assert child.stdout is not None
    assert child.stdout.readline() == b"up\n"
    process = Process.of(child.pid)
    assert process is not None
    folder.mkdir(exist_ok=True)
    note(folder, process)
    return process


def note(folder: Path, process: Process) -> None:
    (folder / processes.PID_FILE).write_text(json.dumps({"pid": process.pid, "began": process.began}))


def test_a_process_is_known_by_its_start(tmp_path: Path, children: list[subprocess.Popen[bytes]]) -> None:
    process = run(children, PLAIN, tmp_path)
    assert process.alive
    assert processes.running(tmp_path) == process
    assert not Process(process.pid, process.began - 1).alive


def test_another_process_of_that_number_is_left_alone(tmp_path: Path, children: list[subprocess.Popen[bytes]]) -> None:
    process = run(children, PLAIN, tmp_path)
    note(tmp_path, Process(process.pid, process.began - 1))
    assert processes.stop([tmp_path]) == []
    assert process.alive
    assert not (tmp_path / processes.PID_FILE).exists()


def test_stop_ends_those_that_run_and_only_those(tmp_path: Path, children: list[subprocess.Popen[bytes]]) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    process, other = run(children, PLAIN, first), run(children, PLAIN, second)
    assert processes.stop([first, tmp_path / "absent"]) == [first]
    assert not process.alive
    assert other.alive


def test_one_that_ignores_the_signal_is_killed(
    tmp_path: Path, children: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "END_S", 0.2)
    process = run(children, STUBBORN, tmp_path)
    assert processes.stop([tmp_path]) == [tmp_path]
    assert not process.alive
    assert children[0].wait(1) in (-signal.SIGKILL, 0)  # 0: it was waited for already


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"pid": "x", "began": 1}', '{"pid": 999999999, "began": 1}'])
def test_files_that_name_no_process(tmp_path: Path, text: str) -> None:
    (tmp_path / processes.PID_FILE).write_text(text)
    assert processes.running(tmp_path) is None


def test_a_child_that_ended_is_not_alive() -> None:
    pid = os.posix_spawn(sys.executable, [sys.executable, "-c", ""], os.environ)
    process = Process.of(pid)
    deadline = time.monotonic() + 20
    while process is not None and process.alive:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert Process.of(pid) is None


def test_ports_in_use_are_found() -> None:
    with socket.socket() as listener:
        listener.bind((processes.LOOPBACK, 0))
        listener.listen()
        port = listener.getsockname()[1]
        assert not processes.is_free(port)
        if port + 2 < 32000:
            assert processes.free_ports(port - 1, 3) >= port + 2


def test_what_a_node_waits_for_is_said(
    tmp_path: Path, children: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    from client.fake_nodes import fake_nodes

    told = ["node-2 has other versions of 2 datasets", "a change is in doubt"]
    monkeypatch.setattr(processes, "waits_for", lambda *_: told)
    monkeypatch.setattr(processes, "READY_S", 0)
    node = run(children, PLAIN, tmp_path)
    with fake_nodes(lambda *_: (200, {})) as (federation, _), pytest.raises(processes.NotReady) as caught:
        processes.await_ready(federation, [tmp_path] * 3, [node] * 3)
    assert "; ".join(told) in str(caught.value)
    assert "tercet node status --node" in caught.value.hint


def test_readiness_is_read_from_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    for answer, found in (
        ((200, b'{"ready": true, "missing": []}'), []),
        ((503, b'{"ready": false, "missing": ["node-3 cannot be reached"]}'), ["node-3 cannot be reached"]),
        ((500, b"no JSON"), ["it answers with status 500"]),
        (None, ["it does not answer"]),
    ):
        monkeypatch.setattr(processes, "_asked", lambda *_, answer=answer: answer)
        assert processes.waits_for("https://127.0.0.1:1", b"") == found
