"""A forked child keeps what is named and nothing else, ends with its own status, and draws its own random numbers."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from tercet.process import LOAD_S, ForkServer, fork

# in fresh processes, as pytest has threads now and then
CHILDREN = """
import os, ssl
from pathlib import Path
from tercet.process import fork, set_name

kept, lost = open(os.devnull), open(os.devnull)
fds = [kept.fileno()]

def run():
    set_name("a name that is far too long")
    found = {int(fd) for fd in os.listdir("/proc/self/fd")}
    found = {fd for fd in found if Path(f"/proc/self/fd/{fd}").exists()}
    assert found == {0, 1, 2, *fds}, found
    assert Path("/proc/self/comm").read_text() == "a name that is \\n"
    return 7

assert os.waitstatus_to_exitcode(os.waitpid(fork(run, fds), 0)[1]) == 7
assert not lost.closed and os.fstat(lost.fileno())

def broken():
    raise ValueError("in the child")

assert os.waitstatus_to_exitcode(os.waitpid(fork(broken, ()), 0)[1]) == 1

ssl.RAND_bytes(16)
drawn = set()
for _ in range(3):
    read, write = os.pipe()
    pid = fork(lambda: os.write(write, ssl.RAND_bytes(16)) - 16, [write])
    os.waitpid(pid, 0)
    drawn.add(os.read(read, 16))
assert len({*drawn, ssl.RAND_bytes(16)}) == 4
print("done")
"""


def test_a_child_has_nothing_but_what_it_is_given() -> None:
    ran = subprocess.run([sys.executable, "-c", CHILDREN], capture_output=True, text=True, timeout=60, check=False)
    assert ran.stdout == "done\n", ran.stderr
    assert "ValueError: in the child" in ran.stderr


def test_a_server_loads_nothing_from_where_it_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("tercet", "select"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit(9)")
    monkeypatch.chdir(tmp_path)
    code = "from tercet.process import serve; raise SystemExit(serve(lambda *_: 7, 'x'))"
    with closing(ForkServer(code)) as server, closing(server.start(b"x")) as process:
        assert process.wait(60)
        assert process.exit_status() == 7


def test_a_process_with_threads_is_not_forked() -> None:
    end = threading.Event()
    thread = threading.Thread(target=end.wait)
    thread.start()
    try:
        with pytest.raises(RuntimeError, match="threads"):
            fork(lambda: 0, ())
    finally:
        end.set()
        thread.join()


def test_a_server_is_closed_while_another_thread_waits_for_it() -> None:
    server = ForkServer("import time; time.sleep(1000)")
    told: list[OSError] = []

    def start() -> None:
        try:
            server.start(b"x")
        except OSError as error:
            told.append(error)

    waiting = threading.Thread(target=start)
    waiting.start()
    time.sleep(0.5)
    began = time.monotonic()
    server.close()
    waiting.join(10)
    assert time.monotonic() - began < LOAD_S / 2 and len(told) == 1
    with pytest.raises(ConnectionError, match="no more"):
        server.start(b"x")


@pytest.mark.parametrize("daemon", [True, False])
def test_a_process_leaves_without_its_threads(daemon: bool) -> None:
    code = f"""
import threading
from tercet.process import leave

before = threading.enumerate()
leave(5, before)
threading.Thread(target=threading.Event().wait, daemon={daemon}).start()
print("written")
leave(7, before)
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (ran.returncode, ran.stdout) == (7, "written\n"), ran.stderr
