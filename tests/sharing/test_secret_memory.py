"""Where keys lie: locked, left out of dumps, wiped; and processes that leave no image of themselves."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tercet.sharing import ALL, SecretMemory, SessionKeys


def test_it_is_locked_left_out_of_dumps_and_wiped() -> None:
    memory = SecretMemory()
    view = memory.room(32)
    view[:] = bytes(range(32))
    other = memory.room(16)
    assert not any(other)
    assert bytes(view) == bytes(range(32))
    flags = [line for line in Path("/proc/self/smaps").read_text().splitlines() if line.startswith("VmFlags:")]
    assert memory.locked == any(" lo " in f"{line} " and " dd " in f"{line} " for line in flags)
    memory.wipe()
    assert not any(view)
    assert "48 bytes" in repr(memory)
    with pytest.raises(ValueError, match="more than is left of a page"):
        memory.room(1 << 20)


def test_a_forgotten_page_is_wiped() -> None:
    memory = SecretMemory()
    view = memory.room(8)
    view[:] = b"8 bytes!"
    del memory
    gc.collect()
    assert not any(view)


def test_keys_of_a_session_are_wiped() -> None:
    memory = SecretMemory()
    seeds = {component: memory.room(32) for component in (1, 2, ALL)}
    for seed in seeds.values():
        seed[:] = os.urandom(32)
    keys = SessionKeys(seeds, bytes(32), memory)
    keys.streams(bytes(16), bytes(32))
    assert all(any(seed) for seed in seeds.values())
    keys.wipe()
    assert not any(any(seed) for seed in seeds.values())


def test_a_process_that_forbids_it_leaves_no_core(tmp_path: Path) -> None:
    program = (
        "import os, resource, signal\n"
        "resource.setrlimit(resource.RLIMIT_CORE, (resource.getrlimit(resource.RLIMIT_CORE)[1],) * 2)\n"
        "from tercet.process import forbid_core_dumps\n"
        "forbid_core_dumps()\n"
        "assert resource.getrlimit(resource.RLIMIT_CORE) == (0, 0)\n"
        "import ctypes; assert ctypes.CDLL(None).prctl(3, 0, 0, 0, 0) == 0\n"  # PR_GET_DUMPABLE
        "os.kill(os.getpid(), signal.SIGABRT)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, timeout=60, check=False)
    assert done.returncode == -signal.SIGABRT, done.stderr
    assert not list(tmp_path.iterdir())


def test_a_processor_of_the_other_byte_order_is_refused() -> None:
    program = "import sys; sys.byteorder = 'big'; import tercet.ring"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1 and "ImportError: tercet runs on little-endian processors only" in done.stderr
