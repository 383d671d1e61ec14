"""Which faults are done how often, in worlds that live through many of them; the command and the tests run it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from faults.blows import COMING_AND_GOING, Fault, database_lost, full_disk, small_disk
from faults.guarded import make_guarded
from faults.harness import Account, Line, World
from faults.ordeals import ORDEALS
from node.trio_nodes import NAMES
from postgres import programs, server

ACTIONS = ("create", "append", "columns", "job", "keep", "refresh", "withdraw")
ROUNDS_OF_A_WORLD = 35
FULL_DISK, DATABASE = "disk", "database"
FAULTS = (*COMING_AND_GOING, FULL_DISK, DATABASE, *ORDEALS)
_SMALL = "b"


class NotHere(Exception):
    """This machine does not allow the fault: no right to mount, no database server."""


def run(
    folder: Path,
    name: str,
    times: int,
    seed: int,
    account: Account,
    told: Callable[[Line], None] = lambda line: None,
    actions: tuple[str, ...] = ACTIONS,
) -> None:
    """Do one fault so many times, in turn with all actions. Raises Broken at the first thing that must not be."""
    if name in ORDEALS:
        for number in range(times):
            with World(_fresh(folder, name, number), seed + number, account) as world:
                ORDEALS[name](world)
        return
    done = 0
    while done < times:
        with _world(_fresh(folder, name, done), name, seed + done, account) as (world, words, fault):
            for _ in range(min(ROUNDS_OF_A_WORLD, times - done)):
                told(world.round(words, fault, actions[done % len(actions)]))
                done += 1


@contextmanager
def _world(folder: Path, name: str, seed: int, account: Account) -> Iterator[tuple[World, str, Fault]]:
    with ExitStack() as stack:
        if name == FULL_DISK:
            (folder / _SMALL).mkdir(mode=0o700)
            if not stack.enter_context(small_disk(folder / _SMALL / "store")):
                raise NotHere("no right to mount a small disk")
            words, fault = "full disk", full_disk(_SMALL)
        elif name == DATABASE:
            if programs() is None:
                raise NotHere("no PostgreSQL server is installed")
            found = stack.enter_context(server())
            nodes = make_guarded(folder)
            for node in NAMES[:2]:
                nodes.set(node, "database", f'"{found.url(node)}"')
            words, fault = "lost database", database_lost(found, "ab")
            yield stack.enter_context(World(folder, seed, account, nodes)), words, fault
            return
        else:
            words, fault = COMING_AND_GOING[name]
        yield stack.enter_context(World(folder, seed, account)), words, fault


def _fresh(folder: Path, name: str, number: int) -> Path:
    found = folder / f"{name}-{number}"
    found.mkdir(mode=0o700)
    return found
