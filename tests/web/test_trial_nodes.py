"""The playground's nodes end with it, however it ends."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tercet.errors import ConfigError
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


@pytest.mark.parametrize("after", [0.05, 0.7, 1.5])
def test_they_can_be_ended_while_they_start(after: float) -> None:
    nodes, told = TrialNodes(), list[Exception]()

    def start() -> None:
        try:
            nodes.started()
        except (RuntimeError, ConfigError) as error:
            told.append(error)

    starting = threading.Thread(target=start)
    starting.start()
    time.sleep(after)
    began = time.monotonic()
    nodes.close()
    # they may have been ready before on a quick machine
    assert time.monotonic() - began < LATEST_S / 3
    starting.join(LATEST_S)
    assert not starting.is_alive() and not nodes._folder.exists()
    assert len(told) <= 1


def test_nothing_starts_before_it_is_needed() -> None:
    nodes = TrialNodes()
    nodes.close()
    nodes.close()
