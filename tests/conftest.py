"""For all tests: no example of hypothesis fails because the machine was busy, and tests of running nodes are marked."""

from __future__ import annotations

import pytest
from hypothesis import settings

settings.register_profile("tercet", deadline=None)
settings.load_profile("tercet")

STARTS_NODES = {"node.trio_nodes", "node.zygote", "faults.campaign", "faults.ordeals", "tercet.cli.processes"}
"""Modules with which a test starts nodes: processes that serve, three at a time."""
RUNNING = {"nodes", "stopped", "dying", "three", "patients", "zygote"}
"""Fixtures that are nodes."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """`-m "not nodes"` leaves out what starts nodes, by the fixtures of a test and by what its module imports."""
    for item in items:
        names = set(getattr(item, "fixturenames", ()))
        module = getattr(item, "module", None)
        imported = {getattr(value, "__module__", None) for value in vars(module).values()} if module else set()
        imported |= {getattr(value, "__name__", None) for value in vars(module).values()} if module else set()
        if names & RUNNING or imported & STARTS_NODES:
            item.add_marker(pytest.mark.nodes)
