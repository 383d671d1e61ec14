"""Jobs that cannot run end by name within five seconds, whatever hinders: another version, another file, no answer."""

from __future__ import annotations

import os
import re
import shutil
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from commands_of_cli import tercet
from node.jobs_at_nodes import Asked, long_chain
from node.test_job_faults import workers
from node.trio_nodes import ODD_CHILD, Nodes, trio
from node.zygote import Zygote
from tercet.federation.api_jobs import JobInfo

VALUES = list(range(1, 11))
QUICK_S = 5.0


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory, zygote: Zygote) -> Iterator[Nodes]:
    with trio(tmp_path_factory.mktemp("ends"), zygote=zygote) as made:
        made.upload("d", [VALUES])
        yield made


@pytest.fixture
def whole(nodes: Nodes) -> Iterator[Nodes]:
    """All three run as they should, before and after."""
    yield nodes
    nodes.children.clear()
    nodes.terminate(*nodes.processes)
    nodes.start()
    assert Asked(nodes, "d").sent().result() == sum(VALUES)


def quick_ends(asked: Asked, *names: str) -> dict[str, JobInfo]:
    began = time.monotonic()
    with ThreadPoolExecutor(3) as pool:
        ends = {name: pool.submit(asked.end, name) for name in names}
        found = {name: one.result() for name, one in ends.items()}
    took = time.monotonic() - began
    assert took < QUICK_S, (took, found)
    return found


def again(nodes: Nodes, name: str, oddity: str) -> None:
    nodes.terminate(name)
    nodes.children[name] = [str(ODD_CHILD), oddity]
    nodes.start(name)


@pytest.mark.parametrize("odd", ["c", "a"])
def test_another_version_of_the_protocol(whole: Nodes, odd: str) -> None:
    again(whole, odd, "protocol=2")
    asked = Asked(whole, "d").sent()
    for info in quick_ends(asked, "a", "b", "c").values():
        assert info.state == "failed" and info.error is not None
        assert re.search(
            rf"{odd} speaks protocol 2, . speaks 1|. speaks protocol 1, {odd} speaks 2", info.error.message
        )


def test_another_federation_file(whole: Nodes) -> None:
    path = whole.folder / "c" / "federation.toml"
    text = path.read_text()
    whole.terminate("c")
    path.write_text(text.replace('operator = "a"', 'operator = "x"', 1))
    assert path.read_text() != text
    whole.start("c")
    try:
        for info in quick_ends(Asked(whole, "d").sent(), "a", "b", "c").values():
            assert info.state == "failed" and info.error is not None
            assert "different federation files" in info.error.message and " c " in f" {info.error.message} "
    finally:
        path.write_text(text)


def test_a_node_that_is_down(whole: Nodes) -> None:
    asked = Asked(whole, "d")
    whole.kill("c")
    asked.send("a", "b")
    for info in quick_ends(asked, "a", "b").values():
        assert info.state == "failed" and info.error is not None
        assert "c cannot be reached" in info.error.message
    whole.start("c")


def test_a_worker_that_is_killed(whole: Nodes) -> None:
    asked = Asked(whole, "d", long_chain).sent()
    asked.runs("c")
    for pid in workers(whole, "c"):
        os.kill(pid, signal.SIGKILL)
    for info in quick_ends(asked, "a", "b", "c").values():
        assert info.state == "failed" and info.error is not None and "c" in info.error.message.split()


def test_a_restored_node_is_refused_until_its_head_is_accepted_however_often_one_asks(whole: Nodes) -> None:
    nodes, store = whole, whole.folder / "c" / "store"
    nodes.terminate("c")
    shutil.copytree(store, nodes.folder / "c" / "backup")
    nodes.start("c")
    for _ in range(3):
        assert Asked(nodes, "d").sent().result() == sum(VALUES)
    nodes.terminate("c")
    shutil.rmtree(store)
    (nodes.folder / "c" / "backup").rename(store)
    nodes.start("c")
    for turn in range(7):
        for info in quick_ends(Asked(nodes, "d").sent(), "a", "b", "c").values():
            assert info.state == "failed" and info.error is not None, turn
            assert info.error.error == "integrity" and "an old head" in info.error.message
        if turn == 3:
            # its chain has grown beyond what the others know, and it is another process
            nodes.terminate("c")
            nodes.start("c")
    tercet("node", "accept-head", "c", "--reason", "restored", "--node", nodes.folder / "a" / "node.toml")
    (info,) = {i.state for i in quick_ends(Asked(nodes, "d").sent(), "a", "b", "c").values()}
    assert info == "failed"  # b has not accepted it
    tercet("node", "accept-head", "c", "--reason", "restored", "--node", nodes.folder / "b" / "node.toml")
    for _ in range(3):
        assert Asked(nodes, "d").sent().result() == sum(VALUES)
