"""The policy in force: a new file counts when it is whole, another never does, and every change is written down."""

from __future__ import annotations

from pathlib import Path

import pytest

from tercet.errors import ConfigError, DatabaseLost
from tercet.node.parts import PolicyFile
from tercet.policy.rules import Policy
from tercet.policy.template import TEMPLATE, trial

ADA = "a" * 64


def write(path: Path, text: str) -> None:
    other = path.with_suffix(".new")
    other.write_text(text)
    other.replace(path)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "policy.toml"
    found.write_text(TEMPLATE)
    return found


def test_a_new_policy_comes_into_force(path: Path) -> None:
    seen: list[str] = []
    file = PolicyFile(path, lambda policy: seen.append(policy.digest))
    assert file.current.person(ADA) is None
    write(path, trial({"ada": (ADA, ["analyst"])}))
    file.look()
    found = file.current.person(ADA)
    assert found is not None
    assert found.name == "ada"
    assert seen == [Policy.parse(TEMPLATE).digest, file.digest]
    # and out of force again
    write(path, TEMPLATE)
    file.look()
    assert file.current.person(ADA) is None
    assert len(seen) == 3


@pytest.mark.parametrize("broken", ["version = 2\n", "version = \n", "", "\0"])
def test_a_broken_file_changes_nothing(path: Path, broken: str) -> None:
    seen: list[str] = []
    write(path, trial({"ada": (ADA, ["analyst"])}))
    file = PolicyFile(path, lambda policy: seen.append(policy.digest))
    write(path, broken)
    file.look()
    assert file.fault
    assert file.current.person(ADA) is not None
    path.unlink()
    file.look()
    assert "cannot read" in file.fault
    assert file.current.person(ADA) is not None
    write(path, TEMPLATE)
    file.look()
    assert not file.fault
    assert file.current.person(ADA) is None
    assert len(seen) == 2


def test_what_cannot_be_written_down_does_not_count_and_is_tried_again(path: Path) -> None:
    lost = False

    def changed(policy: Policy) -> None:
        if lost:
            raise DatabaseLost("no catalogue")

    file = PolicyFile(path, changed)
    lost = True
    write(path, trial({"ada": (ADA, ["analyst"])}))
    file.look()
    assert file.fault == "no catalogue"
    assert file.current.person(ADA) is None
    lost = False
    file.look()
    assert not file.fault
    assert file.current.person(ADA) is not None


def test_a_node_does_not_start_without_one(path: Path) -> None:
    path.write_text("version = 2\n")
    with pytest.raises(ConfigError, match=r"policy\.toml"):
        PolicyFile(path, lambda policy: None)
