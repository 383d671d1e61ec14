"""How much work a start is, in processor time: three nodes from an empty folder until they are ready."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from tercet.node import processes, trial
from timing import at_most, in_time

_TICKS = os.sysconf("SC_CLK_TCK")
START_S = 6.0
"""Twice what two processors do in 1.5 seconds."""
WORKER_S = 0.2
"""A worker is forked; it would take half a second to load."""


def spent(fields: list[str]) -> float:
    """Seconds of a processor, from the fields of /proc/PID/stat behind the name."""
    return (int(fields[11]) + int(fields[12])) / _TICKS


def in_sessions(leaders: set[int]) -> Iterator[tuple[str, float]]:
    """Name and processor time of all processes of these sessions."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            name = (folder / "comm").read_text().strip()
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended
        if int(fields[3]) in leaders:
            yield name, spent(fields)


@pytest.mark.timing
def test_three_nodes_start_in_little_processor_time(tmp_path: Path) -> None:
    numbers = count()

    def attempt() -> None:
        folder = tmp_path / str(next(numbers))
        code = "from tercet.cli import main; main()"
        port = str(processes.free_ports(24_000, 100))
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        try:
            subprocess.run(
                [sys.executable, "-c", code, "up", str(folder), "--port", port],
                check=True,
                timeout=120,
                stdout=subprocess.DEVNULL,
            )
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            leaders = {found.pid for name in trial.NODES if (found := processes.running(folder / name)) is not None}
            assert len(leaders) == 3
            found = list(in_sessions(leaders))
        finally:
            processes.stop([folder / name for name in trial.NODES])
        workers = [seconds for name, seconds in found if name.startswith("tercet lane")]
        assert len(workers) == 3 * trial.LANES
        at_most(max(workers), WORKER_S)
        here = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
        at_most(here + sum(seconds for _, seconds in found), START_S)

    in_time(attempt)
