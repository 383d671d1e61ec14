"""A handful of each kind of fault; `python benchmarks/faults.py` does hundreds.

One world lives through most of them, as nodes do; after one that broke something a fresh one is made.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from faults.blows import COMING_AND_GOING
from faults.campaign import DATABASE, FULL_DISK, NotHere, run
from faults.checks import Broken
from faults.harness import Account, World
from faults.ordeals import ORDEALS

SEED = 20260722


class Shared:
    """A world that is used again as long as it holds."""

    def __init__(self, factory: pytest.TempPathFactory) -> None:
        self._factory = factory
        self._world: World | None = None

    def world(self) -> World:
        if self._world is None:
            self._world = World(self._factory.mktemp("world"), SEED).__enter__()
        return self._world

    def give_up(self) -> None:
        if self._world is not None:
            self._world.__exit__()
        self._world = None


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    found = Shared(tmp_path_factory)
    yield found
    found.give_up()


@pytest.mark.parametrize(
    ("name", "actions"),
    [
        ("kill", ("create", "append", "columns", "job", "keep", "refresh", "withdraw")),
        ("workers", ("job", "refresh")),
        ("stall", ("append", "job")),
        ("cut", ("append", "job")),
        ("hole", ("append", "job")),
        ("off", ("append", "job")),
        ("nowrite", ("append", "job", "create")),
    ],
)
def test_what_comes_and_goes(shared: Shared, name: str, actions: tuple[str, ...]) -> None:
    world = shared.world()
    words, fault = COMING_AND_GOING[name]
    try:
        for action in actions:
            line = world.round(words, fault, action)
            assert line.acknowledged + line.refused.total() == line.times
    except Broken:
        shared.give_up()
        raise


# after the last of them a world is of no more use
@pytest.mark.parametrize("name", ORDEALS)
def test_a_node_is_at_odds_until_it_is_put_right(shared: Shared, name: str) -> None:
    try:
        ORDEALS[name](shared.world())
    except BaseException:
        shared.give_up()
        raise
    if name == "old-backup":
        shared.give_up()


@pytest.mark.parametrize("name", [FULL_DISK, DATABASE])
def test_what_a_node_stands_on_is_gone(tmp_path: Path, name: str) -> None:
    actions = ("append", "job", "withdraw")
    try:
        run(tmp_path, name, len(actions), SEED, Account(), actions=actions)
    except NotHere as error:
        pytest.skip(str(error))
