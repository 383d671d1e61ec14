"""Stores of three nodes in one process, on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

import postgres
from tercet.sharing import PARTIES
from tercet.store.catalogue import Catalogue
from three_stores import OneStore, ThreeStores


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[postgres.Server]:
    with postgres.server() as found:
        yield found


@pytest.fixture
def new_url(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str, str], str]:
    """(kind, name) -> the address of an empty database."""

    def made(kind: str, name: str) -> str:
        if kind == "sqlite":
            return f"sqlite:///{tmp_path / name}.sqlite"
        server: postgres.Server = request.getfixturevalue("postgres_server")
        return server.url(f"{name}_{abs(hash(tmp_path)):x}")

    return made


@pytest.fixture(params=["sqlite", "postgresql"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def catalogue(kind: str, new_url: Callable[[str, str], str]) -> Iterator[Catalogue]:
    """An empty catalogue of either kind."""
    found = Catalogue(new_url(kind, "catalogue"))
    found.upgrade()
    yield found
    found.close()


@pytest.fixture
def stores(kind: str, new_url: Callable[[str, str], str], tmp_path: Path) -> Iterator[ThreeStores]:
    """Three nodes' stores, of either kind."""
    with ExitStack() as stack:
        nodes = [OneStore(party, new_url(kind, f"node{party}"), tmp_path / f"node{party}") for party in PARTIES]
        for node in nodes:
            stack.callback(node.close)
        yield ThreeStores(nodes)


@pytest.fixture
def quick_stores(tmp_path: Path) -> Iterator[ThreeStores]:
    """Three nodes' stores on SQLite: for what does not depend on the database."""
    with ExitStack() as stack:
        nodes = [
            OneStore(party, f"sqlite:///{tmp_path}/node{party}.sqlite", tmp_path / f"node{party}") for party in PARTIES
        ]
        for node in nodes:
            stack.callback(node.close)
        yield ThreeStores(nodes)
