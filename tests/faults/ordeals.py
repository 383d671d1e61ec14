"""Faults that last until somebody does something about them: the nodes must say who is at odds, and stop in time.

Each takes a world at rest and leaves it at rest, or, where history was lost for good, says so.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from faults.checks import Broken, settle
from faults.harness import Attempt, World
from node.trio_nodes import NAMES, assert_ok
from tercet.errors import TercetError
from tercet.node.settings import NodeSettings
from tercet.store.backup import restore
from tercet.store.catalogue import Catalogue

SAID_S = 25.0
DAY_S = 86_400
ODD = "c"
"""The node that is at odds with the others."""


def old_state(world: World) -> None:
    """A node comes back with the disk of yesterday: it is named, nothing is built on it, until it is put right."""
    nodes, store = world.nodes, world.nodes.folder / ODD / "store"
    nodes.terminate(ODD)
    shutil.copytree(store, store.with_name("yesterday"))
    nodes.start(ODD)
    settle(nodes)
    world.actions.append()()
    nodes.terminate(ODD)
    store.rename(store.with_name("today"))
    store.with_name("yesterday").rename(store)
    nodes.start(ODD)
    began = time.monotonic()
    said(world, "other versions")
    turned_away(world, "old state", "append", "job", "refresh", began=began)
    nodes.terminate(ODD)
    shutil.rmtree(store)
    store.with_name("today").rename(store)
    nodes.start(ODD)
    recovered(world, "old state")


def old_backup(world: World) -> None:
    """A node is restored from a backup of before a change: as with old state; other datasets go on when both operators
    have accepted its head."""
    nodes = world.nodes
    world.actions.create()()
    other = world.ledger.pieces[-1].dataset
    backup = nodes.folder / ODD / "backups" / str(len(world.ledger.pieces))
    assert_ok(nodes.request(ODD, "operator", "POST", "/v1/admin/backup", json={"path": str(backup)}))
    world.actions.append()()
    world.actions.job()()
    nodes.kill(ODD)
    restored(nodes.folder / ODD, backup)
    nodes.start(ODD)
    began = time.monotonic()
    said(world, "other versions")
    turned_away(world, "old backup", "append", "job", began=began)
    for name in NAMES:
        if name != ODD:
            path = f"/v1/admin/nodes/{ODD}/accept-head"
            assert_ok(nodes.request(name, "operator", "POST", path, json={"reason": "restored from a backup"}))
    world.actions.ask(other, "x")
    world.actions.create()()
    # the node's own signed heads, in the hands of the others, tell that it has lost a piece of its history
    found = world.chains.__class__().check(nodes)
    if not found or any(f"{ODD}: " not in line and ODD not in line for line in found):
        raise Broken(f"the audit does not say that {ODD} has lost a piece of its history: {found}")


def good_backup(world: World) -> None:
    """A node is restored from a backup, and nothing was changed since: it goes on as if nothing had been."""
    nodes = world.nodes
    backup = nodes.folder / ODD / "backups" / str(len(world.ledger.pieces))
    assert_ok(nodes.request(ODD, "operator", "POST", "/v1/admin/backup", json={"path": str(backup)}))
    nodes.kill(ODD)
    restored(nodes.folder / ODD, backup)
    nodes.start(ODD)
    world.chains.entries[ODD].clear()
    recovered(world, "fresh backup")


def wrong_version(world: World) -> None:
    """A node speaks another version of the protocol: it is named, and nothing is done with it."""
    odd_for_a_while(world, "wrong version", "protocol=2", "append", "job")


def clock_off(world: World) -> None:
    """A node's clock is a day ahead: it is named, and nothing is done with it."""
    odd_for_a_while(world, "clock off by a day", f"clock={DAY_S}", "append", "job")


def odd_for_a_while(world: World, fault: str, oddity: str, *tried: str) -> None:
    nodes = world.nodes
    nodes.terminate(ODD)
    nodes.odd(ODD, oddity)
    nodes.start(ODD)
    began = time.monotonic()
    said(world, ODD, *(name for name in NAMES if name != ODD))
    turned_away(world, fault, *tried, began=began)
    nodes.terminate(ODD)
    nodes.odd(ODD)
    nodes.start(ODD)
    recovered(world, fault)


ORDEALS: dict[str, Callable[[World], None]] = {
    "old-state": old_state,
    "wrong-version": wrong_version,
    "clock": clock_off,
    "fresh-backup": good_backup,
    "old-backup": old_backup,
}
"""By the name that the command line knows. After `old_backup` a world is of no more use."""


# -- parts of them


def said(world: World, words: str, *by: str) -> None:
    """Wait until these nodes (all) say, when asked whether they are ready, what is wrong."""

    def told(name: str) -> bool:
        answer = world.nodes.request(name, None, "GET", "/readyz")
        return answer.status_code == 503 and any(words in line for line in answer.json()["missing"])

    for name in by or NAMES:
        world.nodes.wait_for(lambda name=name: told(name), SAID_S)


def turned_away(world: World, fault: str, *actions: str, began: float) -> None:
    """Nobody gets anything done with it, and the error names the node that is at odds."""
    for action in actions:
        attempt = Attempt(world.actions.kinds[action]())
        attempt.start()
        attempt.join(SAID_S)
        error: Any = attempt.error
        if attempt.is_alive() or not isinstance(error, TercetError):
            raise Broken(f"{fault}: {action} ended with {error!r}")
        if re.search(rf"\b{ODD}\b", error.message) is None:
            raise Broken(f"{fault}: {action} does not name node {ODD}: {error}")
        line = world.account.line(fault, action)
        line.times += 1
        line.refused[type(error).__name__] += 1
        line.ended_s = max(line.ended_s, attempt.seconds)
        line.recovered_s = max(line.recovered_s, time.monotonic() - began)


def recovered(world: World, fault: str) -> None:
    """All is well again, and goes on."""
    began = time.monotonic()
    settle(world.nodes)
    seconds = time.monotonic() - began
    world.check()
    world.actions.append()()
    settle(world.nodes)
    world.check()
    line = world.account.line(fault, "append, job afterwards")
    line.times += 1
    line.acknowledged += 1
    line.recovered_s = max(line.recovered_s, seconds)


def restored(folder: Path, backup: Path) -> None:
    """Put a backup in the place of a node's store, as `tercet node restore` does."""
    settings = NodeSettings.load(folder / "node.toml")
    shutil.rmtree(settings.folder_path)
    settings.folder_path.mkdir(mode=0o700)
    catalogue = Catalogue(settings.database_url)
    try:
        restore(backup, catalogue, settings.folder_path)
    finally:
        catalogue.close()
