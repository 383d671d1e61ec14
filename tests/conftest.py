"""For all tests: no example of hypothesis fails as the machine was busy; tests that start servers are marked."""

from __future__ import annotations

import gc
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import settings

from tercet.ring import retain_freed_memory

# as nodes and sessions do: fresh pages cost more than what fills them
retain_freed_memory()
settings.register_profile("tercet", deadline=None)
settings.load_profile("tercet")

STARTS_NODES = {"node.trio_nodes", "node.zygote", "faults.campaign", "faults.ordeals", "tercet.node.processes"}
"""Modules with which a test starts nodes: processes that serve, three at a time."""
RUNNING = {"nodes", "stopped", "dying", "three", "patients", "zygote", "postgres_server"}
"""Fixtures that are servers."""


IN_MEMORY = Path("/dev/shm")
ROOM = 4 << 30
"""Bytes that are to be free there."""


def pytest_configure() -> None:
    """Temporary folders lie in memory, if there is room: no test cuts the power, and a disk makes those of stores wait
    for several times what they compute. `PYTEST_DEBUG_TEMPROOT` names another place."""
    if os.access(IN_MEMORY, os.W_OK) and shutil.disk_usage(IN_MEMORY).free > ROOM:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(IN_MEMORY))


def pytest_collection_finish() -> None:
    """What is loaded until here stays: the garbage collector need not scan it again."""
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """`-m "not nodes"` leaves out what starts servers: nodes, by the fixtures of a test and by what its module imports,
    and PostgreSQL. What a store does it does in SQLite there, too. Tests of parties in processes say so themselves."""
    for item in items:
        names = set(getattr(item, "fixturenames", ()))
        module = getattr(item, "module", None)
        imported = {getattr(value, "__module__", None) for value in vars(module).values()} if module else set()
        imported |= {getattr(value, "__name__", None) for value in vars(module).values()} if module else set()
        params = getattr(getattr(item, "callspec", None), "params", {}).values()
        in_postgresql = any(isinstance(value, str) and value == "postgresql" for value in params)
        if names & RUNNING or imported & STARTS_NODES or in_postgresql:
            item.add_marker(pytest.mark.nodes)
