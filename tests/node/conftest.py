"""Running nodes: three that the tests of this folder share and leave running, and three of a test's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from node.trio_nodes import Nodes, make, trio
from node.zygote import Zygote


@pytest.fixture(scope="package")
def zygote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zygote]:
    found = Zygote(tmp_path_factory.mktemp("zygote") / "zygote.log")
    try:
        yield found
    finally:
        found.close()


@pytest.fixture(scope="package")
def nodes(tmp_path_factory: pytest.TempPathFactory, zygote: Zygote) -> Iterator[Nodes]:
    """Three that run and are not to be stopped."""
    with trio(tmp_path_factory.mktemp("nodes"), zygote=zygote) as running:
        yield running


@pytest.fixture(autouse=True)
def no_uploads_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """What a test begins at the shared nodes does not stay open for the next."""
    yield
    if "nodes" in request.fixturenames:
        request.getfixturevalue("nodes").give_up_uploads()


@pytest.fixture
def stopped(tmp_path: Path, zygote: Zygote) -> Iterator[Nodes]:
    """Three of one test's own, not yet running."""
    # one lane: workers are what a start costs
    found = make(tmp_path, zygote=zygote, lanes=1)
    try:
        yield found
    finally:
        found.close()


@pytest.fixture(scope="package")
def dying(tmp_path_factory: pytest.TempPathFactory, zygote: Zygote) -> Iterator[Nodes]:
    """Three that run, of which tests kill one and start it again."""
    with trio(tmp_path_factory.mktemp("dying"), zygote=zygote, lanes=1) as running:
        yield running
