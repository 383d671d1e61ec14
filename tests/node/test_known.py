"""Which public keys a decision compares: those that the analyst may use, of the version that is asked for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tercet.errors import Gone
from tercet.node.jobs import known
from tercet.node.jobs.known import RowKeys
from tercet.policy.persons import APART
from tercet.store.version import layout_of

LAYOUT = layout_of([])


class Version:
    """As much of a version as is looked at."""

    def __init__(self, key: bool = True) -> None:
        self.name, self.rows, self.owners, self.segments = "d", 3, ("owner",), ()
        self.schema = SimpleNamespace(key=SimpleNamespace(name="id") if key else None)
        self.read = 0

    def read_keys(self, column: str) -> Any:
        assert column == "id"
        self.read += 1
        return np.arange(3)


def node(version: Version | None, named: bool = True) -> Any:
    def get(dataset: str, number: int) -> Version:
        if version is None or number != 2:
            raise Gone(f"version {number} of {dataset} is no more")
        return version

    policy = SimpleNamespace(may_see_keys=lambda person, dataset, column: named and person == "analyst")
    return SimpleNamespace(
        store=SimpleNamespace(datasets=SimpleNamespace(get=get)), policy=SimpleNamespace(current=policy)
    )


@pytest.mark.parametrize(
    ("person", "named", "given"),
    [("analyst", True, True), ("analyst", False, False), ("owner", False, True), ("stranger", True, False)],
)
def test_whoever_may_use_them(person: str, named: bool, given: bool) -> None:
    version = Version()
    keys = RowKeys(node(version, named), person)
    for _ in range(2):
        assert (keys("d", LAYOUT, frozenset([1, 2])) is not APART) is given
    assert version.read == int(given)


def test_of_that_version_and_layout_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of what has keys that are not looked at, rows are nobody else's; of what has none, positions tell."""
    assert RowKeys(node(Version()), "owner")("d", LAYOUT, frozenset([1])) is APART
    assert RowKeys(node(Version()), "owner")("d", "another", frozenset([2])) is APART
    assert RowKeys(node(None), "owner")("d", LAYOUT, frozenset([2])) is APART
    for person in ("owner", "stranger"):
        assert RowKeys(node(Version(key=False)), person)("d", LAYOUT, frozenset([2])) is None
    monkeypatch.setattr(known, "MAX_NUMBERED", 2)
    for person in ("owner", "stranger"):
        assert RowKeys(node(Version()), person)("d", LAYOUT, frozenset([2])) is APART


def test_of_the_version_that_a_refresh_has_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was kept names the version from before, which has gone; its rows stand where they stood."""
    asked: list[int | None] = []
    there = node(Version())

    def get(dataset: str, number: int | None) -> Version:
        asked.append(number)
        if number is not None:
            raise Gone(f"version {number} of {dataset} is gone: its shares were refreshed")
        return Version()

    there.store.datasets.get = get
    assert RowKeys(there, "owner")("d", "another", frozenset([1])) is APART
    assert RowKeys(there, "owner")("d", LAYOUT, frozenset([1, 3])) is not APART
    assert asked == [1, None, 1, 3, None]
