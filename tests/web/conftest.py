from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from node.trio_nodes import Nodes, trio
from web.browser import PATIENCE_MS, chromium

expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """For a module at most: as long as it runs, this thread has an event loop."""
    with chromium() as running:
        yield running


@pytest.fixture(scope="package")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    """Three that run, for all pages; what a test leaves there has a name of its own."""
    with trio(tmp_path_factory.mktemp("nodes")) as running:
        yield running
