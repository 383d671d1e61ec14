"""Nothing may be left behind by a session: no thread, no child process, no open file. And three running nodes."""

from __future__ import annotations

import gc
import os
import re
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from client.trio_policy import policy
from node.trio_nodes import Nodes, trio
from node.zygote import Child
from tercet.client.infer import infer
from tercet.client.nodes import Nodes as Asked
from tercet.client.upload import upload


def children() -> set[str]:
    found: set[str] = set()
    for task in Path("/proc/self/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # a thread that has ended meanwhile
            found |= set((task / "children").read_text().split())
    return found


def descriptors(request: pytest.FixtureRequest) -> set[str]:
    """Open files, without those of the module's own nodes, which its tests may end and start again."""
    found = set()
    restarted = getattr(request.module, "RESTARTS_NODES", False) and "nodes" in request.fixturenames
    running = request.getfixturevalue("nodes").processes.values() if restarted else ()
    held = {str(fd) for child in running if isinstance(child, Child) for fd in child.descriptors()}
    for fd in set(os.listdir("/proc/self/fd")) - held:
        try:
            found.add(f"{fd} {os.readlink(f'/proc/self/fd/{fd}')}")
        except OSError:
            continue
    return found


def workers() -> set[str]:
    """Names of threads; of a pool, which grows when it is used, one for all."""
    names = {thread.name for thread in threading.enumerate() if thread.name.startswith("tercet")}
    return {re.sub(r"_\d+$", "", name) for name in names}


@pytest.fixture(autouse=True)
def nothing_left(request: pytest.FixtureRequest) -> Iterator[None]:
    if getattr(request.module, "STARTS_NOTHING", False):
        yield
        return
    files, processes, threads = descriptors(request), children(), workers()
    yield
    deadline = time.monotonic() + 2
    collected = False
    while time.monotonic() < deadline:
        if workers() <= threads and children() <= processes and descriptors(request) <= files:
            break
        if not collected:
            # only now: a collection of all that the tests have imported takes a quarter of a second
            gc.collect()
            collected = True
        time.sleep(0.02)
    assert workers() <= threads
    assert children() <= processes
    assert descriptors(request) <= files


@pytest.fixture(scope="session")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    """Three node processes that go on running."""
    with trio(tmp_path_factory.mktemp("three"), policy) as running:
        yield running


@pytest.fixture(scope="session")
def frame() -> pd.DataFrame:
    """What is in the dataset `patients`."""
    draw, rows = np.random.default_rng(7), 400
    data = pd.DataFrame(
        {
            "age": draw.integers(18, 95, rows),
            "bmi": np.round(draw.normal(26, 4, rows), 2),
            "sex": draw.choice(["f", "m", "x"], rows, p=[0.5, 0.4, 0.1]),
            "smoker": draw.integers(0, 2, rows).astype(bool),
            "seen": pd.to_datetime("2019-06-01") + pd.to_timedelta(draw.integers(0, 900, rows), "D"),
        }
    )
    data["risk"] = np.round(0.4 * data.age - 1.5 * data.bmi + draw.normal(0, 1, rows) + 60, 3)
    return data


@pytest.fixture(scope="session")
def patients(three: Nodes, frame: pd.DataFrame) -> Nodes:
    """The nodes, with the dataset `patients`."""
    with Asked(three.federation, three.people["owner"]) as nodes:
        upload(nodes, frame, dataset="patients", schema=infer(frame).schema)
    return three
