from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from web.browser import chromium


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """For a module at most: as long as it runs, this thread has an event loop."""
    with chromium() as running:
        yield running
