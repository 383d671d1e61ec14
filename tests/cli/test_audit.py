"""Checking nodes' records offline."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from commands_of_cli import tercet, told
from tercet.federation.federation import Draft, NodeEntry
from tercet.federation.identity import Member
from tercet.store.audit import Audit
from tercet.store.catalogue import Catalogue
from three_stores import exported

NAMES = ("a", "b", "c")


def lines_of(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A federation file, and exports of two nodes that have countersigned each other."""
    folder = tmp_path_factory.mktemp("records")
    members = {name: Member.create(name) for name in NAMES}
    draft = Draft.new("records")
    for number, (name, member) in enumerate(members.items()):
        draft = draft.add(
            NodeEntry(
                name=name,
                operator=name,
                url=f"https://{name}.example:7643",
                lanes=f"{name}.example:{7650 + number}",
                certificate=member.card.pem(),
            )
        )
    draft.complete().save(folder / "federation.toml")
    chains = {}
    for name in NAMES[:2]:
        catalogue = Catalogue(f"sqlite:///{folder / name}.sqlite")
        catalogue.upgrade()
        chains[name] = Audit(catalogue, members[name])
    for number in range(3):
        for name, other in (("a", "b"), ("b", "a")):
            chains[name].record("job", {"job": f"{number:032x}", "analyst": "dr-weber"})
            with chains[name].catalogue.write() as connection:
                entry = chains[name].checked_head(connection, chains[other].head(), members[other].card)
                chains[name].append(connection, *entry)
    for name, audit in chains.items():
        (folder / f"{name}.jsonl").write_text("\n".join(exported(audit)) + "\n")
        audit.catalogue.close()
    return folder


@pytest.fixture
def verify(place: Path) -> Callable[..., str]:
    def run(*files: Path, status: int = 0) -> str:
        arguments = ("audit", "verify", *files, "-f", place / "federation.toml")
        return told(*arguments, status=status) if status else tercet(*arguments).stdout

    return run


def test_whole_records(place: Path, verify: Callable[..., str]) -> None:
    assert "agree with each other" in verify(place / "a.jsonl", place / "b.jsonl")
    assert "whole" in verify(place / "a.jsonl")


def test_a_changed_entry(place: Path, tmp_path: Path, verify: Callable[..., str]) -> None:
    entries = lines_of(place / "a.jsonl")
    entries[2]["details"] = {"job": "another"}
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(map(json.dumps, entries)))
    assert "1 defect" in verify(path, status=1)


def test_an_end_cut_off_shows_in_the_others_record_only(
    place: Path, tmp_path: Path, verify: Callable[..., str]
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join((place / "a.jsonl").read_text().splitlines()[:2]))
    verify(path)
    assert "defect" in verify(path, place / "b.jsonl", status=1)


def test_somebody_elses_record(place: Path, tmp_path: Path) -> None:
    stranger = Member.create("a")
    catalogue = Catalogue(f"sqlite:///{tmp_path / 'x.sqlite'}")
    catalogue.upgrade()
    audit = Audit(catalogue, stranger)
    audit.record("job", {})
    path, card = tmp_path / "x.jsonl", tmp_path / "old.card.pem"
    path.write_text("\n".join(exported(audit)))
    catalogue.close()
    federation = ("-f", place / "federation.toml")
    assert "none of these nodes" in told("audit", "verify", path, *federation)
    card.write_text(stranger.card.pem())
    assert "whole" in tercet("audit", "verify", path, "--card", card, *federation).stdout


def test_show(place: Path) -> None:
    shown = tercet("audit", "show", place / "a.jsonl", "--kind", "job", "--last", "2").stdout
    assert shown.count("analyst=dr-weber") == 2
    assert "1 older" in shown
    assert len(json.loads(tercet("audit", "show", place / "a.jsonl", "--json").stdout)) == 6
    assert "no entry is of kind nothing" in told("audit", "show", place / "a.jsonl", "--kind", "nothing")


def test_files_that_are_no_records(place: Path, tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("{}\n")
    result = tercet("audit", "verify", path, "-f", place / "federation.toml", status=1)
    assert "line 1 is no audit entry" in result.stderr
    path.write_text("")
    assert "has no entries" in told("audit", "verify", path, "-f", place / "federation.toml")
