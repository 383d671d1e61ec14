"""One session for all tests of statistics."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import tercet as tc
from tercet.client.session import Session


@pytest.fixture(scope="package")
def net() -> Iterator[Session]:
    with tc.local() as session:
        yield session
