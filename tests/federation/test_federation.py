"""The federation file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from federations import FEDERATION_ID, NODE_NAMES, entry, federation, member
from tercet.errors import ConfigError
from tercet.federation.federation import Draft, Federation, NodeEntry
from tercet.federation.identity import Member
from tercet.sharing import PARTIES, Party


def test_a_federation_survives_its_file(tmp_path: Path) -> None:
    path = tmp_path / "federation.toml"
    federation().save(path)
    again = Federation.load(path)
    assert again == federation()
    assert again.digest == federation().digest
    assert len(again.digest) == 64
    assert again.to_toml() == path.read_text()
    assert "-----BEGIN CERTIFICATE-----\n" in path.read_text(), "certificates are to be read by people"


def test_parties_follow_the_order_of_the_file() -> None:
    fed = federation()
    assert [fed.party(name) for name in NODE_NAMES] == list(PARTIES)
    assert [fed.node(party).name for party in PARTIES] == list(NODE_NAMES)
    assert fed.coordinator == fed.node(Party.P1)
    assert fed.find(member("hospital-b").card.fingerprint) == fed.node(Party.P2)
    assert fed.find("00" * 32) is None
    assert fed.cards[2] == member("university").card
    with pytest.raises(ConfigError, match=r"no node 'other'.*hospital-a, hospital-b, university"):
        fed.party("other")


def test_lanes() -> None:
    node = entry("hospital-a", lanes=65_530)
    assert node.lane(0) == ("127.0.0.1", 65_530)
    assert node.lane(5) == ("127.0.0.1", 65_535)
    for k in (6, -1):
        with pytest.raises(ConfigError, match="no lane"):
            node.lane(k)
    assert node.model_copy(update={"lanes": "[::1]:9000"}).lane(1) == ("::1", 9001)


def test_the_digest_covers_every_field() -> None:
    base = federation()
    data = base.model_dump(mode="json")
    digests = {base.digest}
    for change in ({"id": "ff" * 16}, {"name": "Other"}, {"nodes": data["nodes"][::-1]}):
        digests.add(changed(data | change).digest)
    for field, value in (("operator", "x"), ("url", "https://other:1"), ("lanes", "other:1")):
        nodes = [data["nodes"][0] | {field: value}, *data["nodes"][1:]]
        digests.add(changed(data | {"nodes": nodes}).digest)
    rotated = Member.create("hospital-a").card.pem()
    digests.add(changed(data | {"nodes": [data["nodes"][0] | {"certificate": rotated}, *data["nodes"][1:]]}).digest)
    assert len(digests) == 8


def changed(data: dict[str, Any]) -> Federation:
    got = Federation._checked(data, "test")
    assert isinstance(got, Federation)
    return got


def test_a_certificate_has_one_form(tmp_path: Path) -> None:
    """What editors and mail do to white space does not change the digest."""
    path = tmp_path / "federation.toml"
    text = federation().to_toml().replace("-----BEGIN", "\n  -----BEGIN").replace("==\n", "==  \n")
    path.write_text(text)
    assert Federation.load(path).digest == federation().digest


def test_making_one_step_by_step(tmp_path: Path) -> None:
    path = tmp_path / "federation.toml"
    draft = Draft.new("Study")
    for number, name in enumerate(NODE_NAMES):
        with pytest.raises(ConfigError, match=f"3 nodes, this one {number}"):
            draft.complete()
        draft.save(path)
        with pytest.raises(ConfigError, match=f"3 nodes, this one {number}"):
            Federation.load(path)
        draft = Draft.load(path).add(entry(name, port=1000 + number, lanes=2000 + number))
    full = draft.complete()
    assert [node.name for node in full.nodes] == list(NODE_NAMES)
    with pytest.raises(ConfigError, match="at most 3"):
        draft.add(entry("fourth"))
    moved = draft.add(entry("hospital-b", port=5555, lanes=2001)).complete()
    assert moved.node(Party.P2).url == "https://127.0.0.1:5555"
    assert [node.name for node in moved.nodes] == list(NODE_NAMES)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("url", "http://host:1"),
        ("url", "https://host:1/path"),
        ("url", "https://host:1?x"),
        ("url", "https://user@host:1"),
        ("url", "https://:1"),
        ("url", "https://host:99999"),
        ("url", "https://host:0"),
        ("url", ""),
        ("lanes", "host"),
        ("lanes", "host:0"),
        ("lanes", "host:99999"),
        ("lanes", ":1"),
        ("lanes", "host:1/x"),
        ("lanes", "a@host:1"),
        ("lanes", "https://host:1"),
        ("name", "two words"),
        ("name", "hospital-b"),
        ("operator", "two\nlines"),
        ("operator", 1),
        ("certificate", "nonsense"),
    ],
)
def test_entries_that_are_refused(field: str, value: object) -> None:
    data: dict[str, Any] = entry("hospital-a").model_dump()
    with pytest.raises(ValidationError):
        NodeEntry(**data | {field: value})


def test_two_nodes_alike_are_refused() -> None:
    data = federation().model_dump(mode="json")
    twice = data | {"nodes": [data["nodes"][0], *data["nodes"][:2]]}
    with pytest.raises(ConfigError, match="same name"):
        changed(twice)
    for field in ("url", "lanes"):
        nodes = [data["nodes"][0] | {field: data["nodes"][1][field]}, *data["nodes"][1:]]
        with pytest.raises(ConfigError, match=f"same {field}"):
            changed(data | {"nodes": nodes})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "version = 1",
        "version = 2",
        "nonsense",
        'name = "x"\nname = "y"',
        "version = 2026-01-01",
        'version = 1\nid = "x"\nname = "x"\nextra = 1',
        "x = " + "[" * 5000,
        "\0",
    ],
)
def test_files_that_are_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "federation.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"federation\.toml"):
        Federation.load(path)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read"):
        Federation.load(tmp_path / "none.toml")
    path = tmp_path / "latin.toml"
    path.write_bytes(b'name = "\xff"')
    with pytest.raises(ConfigError, match="no federation file"):
        Federation.load(path)
    path.write_bytes(b"#" * 70_000)
    with pytest.raises(ConfigError, match="too long"):
        Federation.load(path)
    with pytest.raises(ConfigError, match="cannot write"):
        federation().save(tmp_path / "none" / "x.toml")


def test_errors_show_places_and_no_values(tmp_path: Path) -> None:
    path = tmp_path / "federation.toml"
    path.write_text(federation().to_toml().replace("https://127.0.0.1:8444", "https://secret@host"))
    with pytest.raises(ConfigError, match=r"nodes\.1\.url") as caught:
        Federation.load(path)
    assert "secret" not in str(caught.value)


def test_an_entry_knows_its_id() -> None:
    assert federation().id == FEDERATION_ID
    assert entry("hospital-a").fingerprint == member("hospital-a").card.fingerprint
