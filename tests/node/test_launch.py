"""Workers that a fork server starts: what they hold, how their end is told, and what happens if the server is lost."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tercet.errors import ConfigError
from tercet.node.worker.launch import WorkerLauncher
from tercet.process import ForkedProcess, ForkServer
from tercet.transport import listen


@pytest.fixture
def server() -> Iterator[WorkerLauncher]:
    with closing(WorkerLauncher()) as made:
        yield made


def started(server: WorkerLauncher, lane: int = 0) -> ForkedProcess:
    with listen() as listener:
        return server.start(lane, listener)


def awaited(found: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not found():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_how_a_worker_ended_is_told(server: WorkerLauncher) -> None:
    killed, left = started(server), started(server, 1)
    assert not killed.ended() and killed.exit_status() is None
    assert killed.resident_bytes() > 1 << 20
    os.kill(killed.pid, signal.SIGTERM)
    awaited(killed.ended)
    assert killed.exit_status() == -signal.SIGTERM
    left.control.shutdown(2)  # as a worker is told that nobody needs it
    awaited(left.ended)
    assert left.exit_status() == 1  # before it heard who it is
    for one in (killed, left):
        one.kill()
        one.close()


def test_another_server_is_started_when_one_is_lost(server: WorkerLauncher) -> None:
    worker = started(server)
    lost = parent(worker.pid)
    os.kill(lost, signal.SIGKILL)
    following = started(server)
    assert parent(following.pid) != lost
    assert not worker.ended()
    worker.close()
    assert worker.ended() and worker.exit_status() is None
    following.close()
    assert following.exit_status() == -signal.SIGKILL


def test_an_answer_that_comes_late_is_not_that_to_the_next_request(
    server: WorkerLauncher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each answer belongs to one lane: the process that is killed for a job is that of its worker, and no other."""

    def asked(server: ForkServer, channel: socket.socket, lane: bytes, handed: list[int]) -> tuple[int, list[int]]:
        socket.send_fds(channel, [lane], handed)
        raise TimeoutError

    with monkeypatch.context() as patch, pytest.raises(ConfigError, match="could not be started"):
        patch.setattr(ForkServer, "_ask", asked)
        started(server)
    worker = started(server, 1)
    name = Path(f"/proc/{worker.pid}/comm")
    awaited(lambda: name.read_text().startswith("tercet lane"))
    assert name.read_text() == "tercet lane 1\n"
    worker.close()


def test_workers_end_with_who_had_them_started(server: WorkerLauncher) -> None:
    worker = started(server)
    server.close()
    assert select.select([worker.control], [], [], 20)[0]
    awaited(worker.ended)
    worker.close()


def test_a_server_inherits_nothing(server: WorkerLauncher) -> None:
    """Not even what whoever started the supervisor left open for all that it starts."""
    read, write = os.pipe()
    os.set_inheritable(write, True)
    worker = started(server)
    os.close(write)
    assert os.read(read, 1) == b""
    os.close(read)
    worker.close()


# a supervisor, as `tercet node run` is one; it has everything that a worker must not have
SUPERVISOR = """
import os, socket, sys, threading, time
from pathlib import Path
from tercet.node.worker.launch import WorkerLauncher
from tercet.transport import listen

inherited = os.open(os.devnull, os.O_RDONLY)
server = WorkerLauncher.fork()
catalogue, hall, listener = open(sys.argv[1], "wb"), socket.socket(), listen()
threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
first = server.start(0, listener)
first.close()
worker = server.start(1, listener)
folder, deadline = Path(f"/proc/{worker.pid}"), time.monotonic() + 20

def is_up():
    # a name, then the thread at the leash, then no cores; after that it waits for its setup
    return len(os.listdir(folder / "task")) > 1 and "Max core file size        0 " in (folder / "limits").read_text()

while not is_up() and time.monotonic() < deadline:
    time.sleep(0.01)
for fd in sorted(map(int, os.listdir(folder / "fd"))):
    target = os.readlink(folder / "fd" / str(fd))
    kind = target.partition(":")[0] if ":" in target else target
    print(kind if fd > 2 else "standard")
print((folder / "comm").read_text(), end="")
print("core 0" if "Max core file size        0 " in (folder / "limits").read_text() else "a core")
assert sum(f"socket:[{os.fstat(one.fileno()).st_ino}]" == os.readlink(one_fd) for one in (listener,)
           for one_fd in (folder / "fd").iterdir()) == 1
names = {line.split()[-1] for line in (folder / "maps").read_text().splitlines()}
print("sqlalchemy" if any("sqlalchemy" in name for name in names) else "no catalogue")
worker.close()
server.close()
"""


def test_a_worker_holds_nothing_of_its_supervisor(tmp_path: Path) -> None:
    """Its socket, its listener, the leash; and no descriptor that was open before or after the server was forked."""
    ran = subprocess.run(
        [sys.executable, "-c", SUPERVISOR, str(tmp_path / "catalogue")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.stderr == ""
    held = ["standard"] * 3 + ["socket", "socket", "pipe"]
    assert ran.stdout.splitlines() == [*held, "tercet lane 1", "core 0", "no catalogue"]


def test_what_processes_of_a_node_load() -> None:
    """Half a second for each worker, and more for each node, would go into libraries that neither uses."""
    code = (
        "import sys\n"
        "import tercet.node.worker.launch\n"
        "print(*sorted(sys.modules.keys() & {'sqlalchemy', 'fastapi', 'httpx', 'uvicorn'}))\n"
        "import tercet.node.daemon\n"
        "print(*sorted(sys.modules.keys() & {'pandas', 'polars', 'pyarrow', 'sklearn', 'sqlglot', 'typer'}))\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout == "\n\n"
