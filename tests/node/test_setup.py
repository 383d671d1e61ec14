"""What `tercet node init` and `tercet up` put on the disk."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from node.trio_nodes import make
from tercet.errors import ConfigError
from tercet.federation.federation import Federation
from tercet.federation.identity import Card, Member
from tercet.node import daemon
from tercet.node.daemon import Node
from tercet.node.settings import NodePlace, NodeSettings, create_federation, init_node
from tercet.node.worker.launch import Started
from tercet.policy.rules import Policy
from tercet.transport import listen


def test_a_node_s_folder(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    entry = init_node(folder, "hospital-a", operator="Hospital A", host="10.0.0.1", port=7000, first_port=7100)
    assert (entry.url, entry.lanes, entry.operator) == ("https://10.0.0.1:7000", "10.0.0.1:7100", "Hospital A")
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "identity.pem").stat().st_mode & 0o777 == 0o600
    member = Member.load(folder / "identity.pem")
    assert Card.load(folder / "card.pem") == member.card == entry.card
    settings = NodeSettings.load(folder / "node.toml")
    assert (settings.name, settings.listen.port, settings.lanes.first_port) == ("hospital-a", 7000, 7100)
    # nobody may do anything yet
    assert not Policy.load(folder / "policy.toml").people
    assert "PRIVATE" not in (folder / "card.pem").read_text()


def test_an_address_for_others(tmp_path: Path) -> None:
    assert init_node(tmp_path / "a", "a.example").url == "https://a.example:7643"
    entry = init_node(tmp_path / "b", "b", url="https://b.example:443", lanes_address="b.example:9000")
    assert (entry.url, entry.lanes) == ("https://b.example:443", "b.example:9000")


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    init_node(tmp_path, "a")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(ConfigError, match="already"):
        init_node(tmp_path, "a")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_name_that_cannot_be_one_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        init_node(tmp_path / "a", "no such name")
    assert not (tmp_path / "a").exists()


def test_a_federation_on_one_machine(tmp_path: Path) -> None:
    places = {name: NodePlace(7000 + i, 7100 + 10 * i) for i, name in enumerate(("x", "y", "z"))}
    made = create_federation(tmp_path, places)
    assert [entry.name for entry in made.nodes] == ["x", "y", "z"]
    for name in places:
        settings = NodeSettings.load(tmp_path / name / "node.toml")
        assert Federation.load(settings.federation_path).digest == made.digest
        party = made.party(name)
        assert Member.load(settings.identity_path).card == made.node(party).card
        assert settings.listen.host == "127.0.0.1"


class NoWorkers:
    """A launcher that starts nothing."""

    def __init__(self) -> None:
        self.closed = False

    def start(self, lane: int, listener: socket.socket) -> Started:
        raise AssertionError("a worker is started")

    def close(self) -> None:
        self.closed = True


def test_a_node_that_cannot_be_made_gives_back_what_it_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    create_federation(tmp_path, {name: NodePlace(7000 + i, 7100 + 10 * i) for i, name in enumerate(("x", "y", "z"))})
    settings = NodeSettings.load(tmp_path / "x" / "node.toml")

    def fails(*_: object, **__: object) -> None:
        raise ConfigError("it cannot be made")

    for part in ("Metrics", "make_lanes", "Peers", "Checks", "CheckRounds", "Transactions", "Doubts", "Jobs", "Rooms"):
        launcher = NoWorkers()
        with monkeypatch.context() as patch, listen() as lane:
            patch.setattr(daemon, part, fails)
            with pytest.raises(ConfigError, match="it cannot be made"):
                Node(settings, lane_sockets=[lane], launcher=launcher)
        assert launcher.closed, part
    # the store, too
    launcher = NoWorkers()
    Node(settings, launcher=launcher).stop()
    assert launcher.closed


def test_a_second_process_is_kept_out_of_a_store(tmp_path: Path) -> None:
    nodes = make(tmp_path)
    try:
        nodes.start("a")
        with pytest.raises(ConfigError, match="another process uses the store"):
            Node(NodeSettings.load(tmp_path / "a" / "node.toml"))
        nodes.kill("a")
        nodes.start("a")
    finally:
        nodes.close()
