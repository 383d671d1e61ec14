"""The federation file, put together from what three operators hand out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from commands_of_cli import tercet, told
from tercet.federation.federation import Draft, Federation

NAMES = ("hospital-a", "hospital-b", "university")


@pytest.fixture(scope="module")
def entries(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """What `tercet node init` wrote at three places."""
    made = []
    for number, name in enumerate(NAMES):
        folder = tmp_path_factory.mktemp(name)
        port = str(9000 + 10 * number)
        tercet("node", "init", folder, "--name", name, "--address", f"{name}.example", "--port", port)
        made.append(folder / f"{name}.entry.toml")
    return made


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "federation.toml"
    tercet("federation", "new", "Heart study", "-f", path)
    return path


def test_three_entries_make_a_federation(file: Path, entries: list[Path]) -> None:
    assert "needs 1 more" in tercet("federation", "add", *entries[:2], "-f", file).stdout
    assert "is complete" in tercet("federation", "add", entries[2], "-f", file).stdout
    federation = Federation.load(file)
    assert [node.name for node in federation.nodes] == list(NAMES)
    assert federation.name == "Heart study"
    assert federation.nodes[1].url == "https://hospital-b.example:9010"
    assert federation.nodes[1].lane(0) == ("hospital-b.example", 7650)
    shown = tercet("federation", "show", file).stdout
    digest = federation.digest
    assert " ".join(digest[at : at + 4] for at in range(0, 64, 4)) in shown
    assert "hospital-a (coordinates)" in shown
    assert json.loads(tercet("federation", "show", file, "--json").stdout)["digest"] == digest


def test_an_unfinished_file_says_so(file: Path, entries: list[Path]) -> None:
    tercet("federation", "add", entries[0], "-f", file)
    assert "names 1 of three" in tercet("federation", "show", file).stdout


def test_a_new_entry_takes_the_place_of_the_old_one(file: Path, entries: list[Path], tmp_path: Path) -> None:
    tercet("federation", "add", *entries, "-f", file)
    before = Federation.load(file)
    tercet("node", "init", tmp_path / "anew", "--name", NAMES[1], "--address", "elsewhere.example")
    done = tercet("federation", "add", tmp_path / "anew" / f"{NAMES[1]}.entry.toml", "-f", file)
    assert "is replaced" in done.stdout
    after = Federation.load(file)
    assert [node.name for node in after.nodes] == list(NAMES)
    assert after.nodes[1].fingerprint != before.nodes[1].fingerprint
    assert (after.id, after.nodes[0], after.nodes[2]) == (before.id, before.nodes[0], before.nodes[2])
    assert after.digest != before.digest


def test_a_fourth_node(file: Path, entries: list[Path], tmp_path: Path) -> None:
    tercet("federation", "add", *entries, "-f", file)
    tercet("node", "init", tmp_path / "d", "--name", "fourth", "--address", "fourth.example")
    assert "has its 3 nodes already" in told("federation", "add", tmp_path / "d" / "fourth.entry.toml", "-f", file)
    assert len(Draft.load(file).nodes) == 3


def test_nothing_is_overwritten(file: Path, entries: list[Path]) -> None:
    assert "exists" in told("federation", "new", "Another", "-f", file)
    folder = entries[0].parent
    before = {path: path.read_bytes() for path in folder.iterdir()}
    assert "already" in told("node", "init", folder, "--name", "hospital-a")
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize("text", ["", "name = 3", "not toml", 'name = "x"\nurl = "https://a:1"'])
def test_files_that_are_no_entries(file: Path, tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.entry.toml"
    path.write_text(text)
    assert "is no node's entry" in told("federation", "add", path, "-f", file)


def test_without_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "there is no federation file here" in told("federation", "show")


def test_the_folder_of_up_is_looked_into(
    file: Path, entries: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tercet("federation", "add", *entries, "-f", file)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tercet-nodes").mkdir()
    file.rename(tmp_path / "tercet-nodes" / "federation.toml")
    assert "Heart study" in tercet("federation", "show").stdout
