"""A handful of each kind of fault; `python benchmarks/faults.py` does hundreds."""

from __future__ import annotations

from pathlib import Path

import pytest

from faults.campaign import DATABASE, FULL_DISK, NotHere, run
from faults.harness import Account
from faults.ordeals import ORDEALS

SEED = 20260722


def some(folder: Path, name: str, *actions: str) -> None:
    """Do a fault once for each action, in one world; every check is in there."""
    account = Account()
    try:
        run(folder, name, len(actions) or 1, SEED, account, actions=actions)
    except NotHere as error:
        pytest.skip(str(error))
    assert sum(line.times for line in account.lines.values()) >= len(actions)
    assert all(line.acknowledged + line.refused.total() == line.times for line in account.lines.values())


def test_nodes_are_killed(tmp_path: Path) -> None:
    some(tmp_path, "kill", "create", "append", "columns", "job", "keep", "refresh", "withdraw")


def test_workers_are_killed(tmp_path: Path) -> None:
    some(tmp_path, "workers", "job", "refresh")


def test_a_node_stands_still(tmp_path: Path) -> None:
    some(tmp_path, "stall", "append", "job")


@pytest.mark.parametrize("name", ["cut", "hole", "off"])
def test_a_link_fails(tmp_path: Path, name: str) -> None:
    some(tmp_path, name, "append", "job")


@pytest.mark.parametrize("name", ["nowrite", FULL_DISK])
def test_a_disk_is_full(tmp_path: Path, name: str) -> None:
    some(tmp_path, name, "append", "job", "create")


def test_a_database_is_lost(tmp_path: Path) -> None:
    some(tmp_path, DATABASE, "append", "job", "withdraw")


@pytest.mark.parametrize("name", ORDEALS)
def test_a_node_is_at_odds_until_it_is_put_right(tmp_path: Path, name: str) -> None:
    some(tmp_path, name)
