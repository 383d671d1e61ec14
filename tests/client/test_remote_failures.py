"""A node that is down or stands still is named, within a bounded time; when it is back, the session goes on."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

import tercet as tc
from client.trio_policy import policy
from node.trio_nodes import Nodes, trio
from tercet.client.infer import infer
from tercet.client.nodes import NodeClient
from tercet.client.remote import RemoteSession
from tercet.errors import PartyError, Timeout, Unreachable
from tercet.federation.api import Me
from tercet.sharing import Party

BOUND_S = 40.0
"""The nodes' own timeouts, and a machine with other work."""


RESTARTS_NODES = True
"""What is open for the nodes themselves is not left behind, see conftest.py."""


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    with trio(tmp_path_factory.mktemp("failing"), policy) as running:
        frame = pd.DataFrame({"x": range(100)})
        with tc.connect(running.federation, running.people["owner"]) as owner:
            owner.upload(frame, dataset="rows", schema=infer(frame).schema)
        yield running


@pytest.fixture
def net(nodes: Nodes) -> Iterator[RemoteSession]:
    with tc.connect(nodes.federation, nodes.people["analyst"], profile="lan", timeout=5.0) as session:
        yield session


def works(net: RemoteSession) -> None:
    """Asked again until the nodes have noticed that all are there."""
    deadline = time.monotonic() + BOUND_S
    while True:
        try:
            assert net.table("rows")["x"].sum().reveal() == sum(range(100))
            return
        except PartyError:
            assert time.monotonic() < deadline
            time.sleep(0.3)


def start_again(nodes: Nodes, name: str) -> None:
    """The workers of a node that was killed end a moment later; until then their ports are taken."""

    def free() -> bool:
        try:
            for place in (nodes.listeners[name], *nodes.lanes[name]):
                with socket.socket() as one:
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    one.bind(place.getsockname())
                    one.listen()
            return True
        except OSError:
            return False

    nodes.wait_for(free)
    nodes.start(name)


@pytest.mark.parametrize("name", ["a", "b", "c"])
def test_a_killed_node(nodes: Nodes, net: RemoteSession, name: str) -> None:
    column = net.table("rows")["x"]
    works(net)
    nodes.kill(name)
    began = time.monotonic()
    try:
        with pytest.raises(PartyError) as failed:
            column.sum().reveal()
        assert f"node {name}" in str(failed.value) or f"{name}:" in str(failed.value)
        assert isinstance(failed.value, Unreachable | Timeout)
        assert time.monotonic() - began < BOUND_S
    finally:
        start_again(nodes, name)
    works(net)


@pytest.mark.parametrize("name", ["a", "b"])
def test_a_node_that_stands_still(nodes: Nodes, net: RemoteSession, name: str) -> None:
    column = net.table("rows")["x"]
    works(net)
    process = nodes.processes[name]
    process.send_signal(signal.SIGSTOP)
    began = time.monotonic()
    try:
        with pytest.raises(PartyError) as failed:
            column.sum().reveal()
        assert f"node {name}" in str(failed.value)
        assert time.monotonic() - began < BOUND_S
        with pytest.raises(Timeout, match="did not answer") as silent:
            NodeClient(nodes.federation, Party("abc".index(name) + 1), nodes.people["analyst"], timeout=2.0).get(
                "/v1/me", Me
            )
        assert "start it again" in (silent.value.hint or "")
    finally:
        process.send_signal(signal.SIGCONT)
    works(net)


def test_an_upload_survives_the_death_of_a_node(nodes: Nodes, tmp_path: Path) -> None:
    path = tmp_path / "more.csv"
    pd.DataFrame({"x": range(1000)}).to_csv(path, index=False)
    schema = infer(path).schema
    died = False

    def progress(_: object) -> None:
        nonlocal died
        if not died:
            died = True
            nodes.kill("b")

    with tc.connect(nodes.federation, nodes.people["owner"], timeout=5.0) as owner:
        with pytest.raises(PartyError, match="node b"):
            owner.upload(path, dataset="more", schema=schema, chunk_rows=64, progress=progress)
        start_again(nodes, "b")
        report = owner.upload(path, dataset="more", schema=schema, chunk_rows=64)
        assert report.rows == 1000
    with tc.connect(nodes.federation, nodes.people["analyst"], profile="lan") as net:
        assert net.table("more")["x"].sum().reveal() == sum(range(1000))
