"""Nothing may be left behind by a session: no thread, no child process, no open file."""

from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest


def children() -> list[str]:
    return [pid for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()]


def descriptors() -> set[str]:
    found = set()
    for fd in os.listdir("/proc/self/fd"):
        try:
            found.add(f"{fd} {os.readlink(f'/proc/self/fd/{fd}')}")
        except OSError:
            continue
    return found


@pytest.fixture(autouse=True)
def nothing_left(request: pytest.FixtureRequest) -> Iterator[None]:
    if getattr(request.module, "STARTS_NOTHING", False):
        yield
        return
    gc.collect()
    files = descriptors()
    yield
    gc.collect()
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline:
        threads = [thread.name for thread in threading.enumerate() if thread.name.startswith("tercet")]
        if not threads and not children() and descriptors() <= files:
            break
        time.sleep(0.02)
    assert not threads
    assert not children()
    assert descriptors() <= files
