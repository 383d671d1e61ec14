"""Ctrl-C and ends without a goodbye, at any time: no signal ends the process but the user's own, nothing is left."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

_SESSION = """
import numpy as np, tercet as tc
net = tc.local({options})
x = net.share(np.arange(700 * 700).reshape(700, 700) % 1000, bounds=(0, 1000))
print("go", flush=True)
{use}
"""
_REVEALS = "for _ in range(100): (x @ x).reveal()"
_ABANDONED = """
import threading
threading.Thread(target=lambda: [(x @ x).reveal() for _ in range(100)], daemon=True).start()
import time
time.sleep(0.3)
"""
_SOON_S = 20.0


def _others_of(session: int) -> list[int]:
    """The processes that were started in this session and still run."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == session and fields[0] != "Z":
                found.append(int(entry.name))
    return found


def _nobody_left(session: int) -> bool:
    deadline = time.monotonic() + _SOON_S
    while _others_of(session) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not _others_of(session)


def _started(program: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )


@pytest.mark.parametrize("options", ["", "processes=True"])
def test_interrupted_at_any_time(options: str) -> None:
    """Two programs at once, each interrupted at a time of its own."""
    with ExitStack() as ends:
        both = [ends.enter_context(_started(_SESSION.format(options=options, use=_REVEALS))) for _ in range(2)]
        for child in both:
            assert child.stdout is not None
            assert child.stdout.readline() == b"go\n"
        for child in both:
            time.sleep(random.random() * 0.5)
            os.kill(child.pid, signal.SIGINT)
        for child in both:
            assert child.stderr is not None
            told = child.stderr.read().decode()
            # Python itself ends an interrupted program by SIGINT, which tells a shell what happened
            assert child.wait(_SOON_S) == -signal.SIGINT, told
            assert "KeyboardInterrupt" in told.strip().splitlines()[-1]
            assert "Fatal" not in told and "terminate called" not in told
    assert all(_nobody_left(child.pid) for child in both)


@pytest.mark.parametrize("options", ["", "processes=True"])
def test_a_session_that_nobody_closes(options: str) -> None:
    with _started(_SESSION.format(options=options, use=_ABANDONED)) as child:
        assert child.stderr is not None
        told = child.stderr.read().decode()
        assert child.wait(_SOON_S) == 0, told
    assert "Fatal" not in told and "terminate called" not in told
    assert _nobody_left(child.pid)


_READER = """
import sys
from tercet.client.sources import prefetched
from tercet.client.readers import open_source
batches = prefetched(open_source(sys.argv[1]).batches())
print(next(batches).num_rows > 0, flush=True)
held = [batches, batches.gi_frame if hasattr(batches, "gi_frame") else None]
"""


def test_a_reader_that_nobody_reads_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\n" + "1,2\n" * 3_000_000)
    command = [sys.executable, "-c", _READER, str(path)]
    three = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    for one in three:
        assert (*one.communicate(timeout=60), one.returncode) == ("True\n", "", 0)
