"""Three running nodes, shared by the tests that do not stop them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from node.trio_nodes import Nodes, trio


@pytest.fixture(scope="session")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    with trio(tmp_path_factory.mktemp("nodes")) as running:
        yield running
