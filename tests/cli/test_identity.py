"""Keys of people, and what others get of them."""

from __future__ import annotations

import json
import stat
import tomllib
from pathlib import Path

import pytest

from commands_of_cli import makes, tercet, told
from tercet.federation.identity import Card, Member
from tercet.policy.rules import Policy
from tercet.policy.template import TEMPLATE


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tercet("identity", "new", "dr-weber", "--folder", tmp_path)
    return tmp_path


def test_two_files_one_of_them_private(folder: Path) -> None:
    makes(folder, ["dr-weber.pem", "dr-weber.card.pem"])
    private = folder / "dr-weber.pem"
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert Card.load(folder / "dr-weber.card.pem") == Member.load(private).card
    assert "PRIVATE" not in (folder / "dr-weber.card.pem").read_text()


def test_keys_are_never_overwritten(folder: Path) -> None:
    before = (folder / "dr-weber.pem").read_bytes()
    assert "exists" in told("identity", "new", "dr-weber", "--folder", folder)
    assert (folder / "dr-weber.pem").read_bytes() == before


@pytest.mark.parametrize("name", ["", "../x", "a b", "x" * 64])
def test_names_that_cannot_be(tmp_path: Path, name: str) -> None:
    assert "cannot be a member's name" in told("identity", "new", name, "--folder", tmp_path)
    makes(tmp_path, [])


def test_show_says_who(folder: Path) -> None:
    card = Card.load(folder / "dr-weber.card.pem")
    for file in ("dr-weber.pem", "dr-weber.card.pem"):
        shown = json.loads(tercet("identity", "show", folder / file, "--json").stdout)
        assert shown == {"name": "dr-weber", "fingerprint": card.fingerprint, "not_after": card.not_after.isoformat()}
    assert card.fingerprint[:4] in tercet("identity", "show", folder / "dr-weber.card.pem").stdout


def test_lines_for_the_policy(folder: Path) -> None:
    card = Card.load(folder / "dr-weber.card.pem")
    lines = tercet("identity", "show", folder / "dr-weber.card.pem", "--role", "owner", "--role", "analyst").stdout
    assert tomllib.loads(lines)["people"][0]["roles"] == ["owner", "analyst"]
    person = Policy.parse(TEMPLATE + lines).person(card.fingerprint)
    assert person is not None
    assert person.name == "dr-weber"


def test_a_file_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("nothing")
    assert "no certificate" in told("identity", "show", path)
    assert "No such file" in told("identity", "show", tmp_path / "absent.pem")
