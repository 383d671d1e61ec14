"""The playground's nodes end with it, however it ends."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tercet.node.processes import PID_FILE, Process
from tercet.node.trial import NODES
from tercet.web.play.trial_nodes import TrialNodes

pytestmark = pytest.mark.nodes
LATEST_S = 60.0
CODE = """
import time
from pathlib import Path
from tercet.web.play.trial_nodes import TrialNodes

nodes = TrialNodes()
nodes.started()
print(Path(nodes.settings("node-1").identity_path).parents[1], flush=True)
time.sleep(1000)
"""


def noted(folder: Path) -> list[Process]:
    told = [json.loads((folder / node / PID_FILE).read_text()) for node in NODES]
    return [Process(one["pid"], one["began"]) for one in told]


def test_they_end_when_the_playground_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", CODE], stdout=subprocess.PIPE, text=True) as playground:
        assert playground.stdout is not None
        folder = Path(playground.stdout.readline().strip())
        processes = noted(folder)
        assert all(process.alive for process in processes)
        playground.kill()
    try:
        until = time.monotonic() + LATEST_S
        while any(process.alive for process in processes) and time.monotonic() < until:
            time.sleep(0.1)
        assert not any(process.alive for process in processes)
    finally:
        shutil.rmtree(folder.parent)


def test_they_end_and_their_folder_goes_when_it_is_closed() -> None:
    nodes = TrialNodes()
    try:
        nodes.started()
        folder = Path(nodes.settings("node-1").identity_path).parents[1]
        processes = noted(folder)
        assert all(process.alive for process in processes)
    finally:
        nodes.close()
    assert not any(process.alive for process in processes) and not folder.parent.exists()
    with pytest.raises(RuntimeError, match="were ended"):
        nodes.started()


def test_nothing_starts_before_it_is_needed() -> None:
    nodes = TrialNodes()
    nodes.close()
    nodes.close()
