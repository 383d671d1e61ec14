"""What people do at the nodes while something fails: through the client that they use, with small data.

Every action ends with nothing, or with a TercetError. It writes into the ledger what it was told.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pyarrow as pa

from faults.guarded import Guarded
from faults.ledger import Fate, Ledger, Piece
from tercet.client import orders
from tercet.client.connect import connect
from tercet.client.nodes import Nodes as Client
from tercet.client.orders import Unsettled
from tercet.client.remote import RemoteSession
from tercet.client.upload import Mode, upload
from tercet.errors import TercetError
from tercet.store.schema import Schema

MAIN = "main"
"""The dataset that lives through all rounds."""
UPLOADS_AT_FIRST = 3
CHUNK_ROWS = 64
PATIENCE_S = 10.0
"""Seconds for which a client waits for a silent node."""
JOB_S = 15.0
"""Deadline of every job: one that not all nodes have accepted by then fails by name."""
_LIMIT = 2**40


class WrongResult(AssertionError):
    """A job ended well and gave something else than the sum of what is there."""


def schema(column: str) -> Schema:
    return Schema.parse(
        {
            "columns": [
                {"name": "id", "kind": "key", "key": "integer"},
                {"name": column, "kind": "integer", "lo": -_LIMIT, "hi": _LIMIT},
            ]
        }
    )


class Actions:
    """All kinds of actions. Each is asked for in two steps: what must be there first, and then the action itself."""

    def __init__(self, nodes: Guarded, ledger: Ledger, seed: int) -> None:
        self.nodes = nodes
        self.ledger = ledger
        self._draw = random.Random(seed)
        self._values = np.random.default_rng(seed)
        self._count = 0
        self.kinds: dict[str, Callable[[], Callable[[], None]]] = {
            "create": self.create,
            "append": self.append,
            "columns": self.columns,
            "withdraw": self.withdraw,
            "refresh": self.refresh,
            "job": self.job,
            "keep": self.keep,
        }

    def prepare(self) -> None:
        """Make the main dataset, with `UPLOADS_AT_FIRST` uploads."""
        self._send(MAIN, "x", "create")
        for person in ("owner", "owner2"):
            self._send(MAIN, "x", "append", person)

    @contextmanager
    def client(self, person: str) -> Iterator[Client]:
        with Client(self.nodes.federation, self.nodes.people[person], timeout=PATIENCE_S) as client:
            yield client

    def session(self) -> RemoteSession:
        """The analyst's."""
        analyst = self.nodes.people["analyst"]
        return connect(self.nodes.federation, analyst, timeout=PATIENCE_S, deadline=JOB_S, profile="lan")

    # -- the actions

    def create(self) -> Callable[[], None]:
        name = self._name("made")
        return lambda: self._send(name, "x", "create")

    def append(self) -> Callable[[], None]:
        return lambda: self._send(MAIN, "x", "append", self._draw.choice(["owner", "owner2"]))

    def columns(self) -> Callable[[], None]:
        name = self._name("wide")
        rows = self._send(name, "x", "create")
        return lambda: self._send(name, "y", "columns", "owner2", rows)

    def withdraw(self) -> Callable[[], None]:
        there = [piece for piece in self.ledger.of(MAIN) if piece.fate is Fate.IN and piece.upload]
        if len(there) < 3:
            for _ in range(3):
                self._send(MAIN, "x", "append")
            there = [piece for piece in self.ledger.of(MAIN) if piece.fate is Fate.IN and piece.upload]
        piece = self._draw.choice(there)
        owner = self._owner(piece)

        def act() -> None:
            with self.client(owner) as client, self._decides(piece, Fate.OUT, Fate.IN):
                orders.withdraw(client, MAIN, upload=piece.upload)

        return act

    def refresh(self) -> Callable[[], None]:
        def act() -> None:
            with self.client("operator") as client:
                orders.refresh(client, MAIN)

        return act

    def job(self) -> Callable[[], None]:
        return lambda: self.ask(MAIN, "x")

    def keep(self) -> Callable[[], None]:
        name = self._name("kept")

        def act() -> None:
            self.ledger.kept[name] = Fate.MAYBE
            self.ledger.made_of[name] = [piece for piece in self.ledger.of(MAIN) if piece.fate is Fate.IN]
            with self.session() as net:
                net.keep(name, {"total": net.table(MAIN)["x"].sum()}, {"model": "total"})
            self.ledger.kept[name] = Fate.IN

        return act

    def ask(self, dataset: str, column: str) -> None:
        """Ask for the sum of a column, and compare it with the ledger."""
        with self.session() as net:
            found = net.table(dataset)[column].sum().reveal()
        if int(found) != self.ledger.total(dataset, column):
            raise WrongResult(f"the sum of {dataset}/{column} is {self.ledger.total(dataset, column)}, not {found}")

    # -- parts of them

    def _send(self, dataset: str, column: str, mode: Mode, person: str = "owner", rows: int | None = None) -> int:
        """Upload fresh rows; with `rows`, values of another column for the same keys."""
        count = rows or self.ledger.next_rows()
        values = self._values.integers(-_LIMIT, _LIMIT, count, endpoint=True)
        keys = self._values.permutation(count) if mode == "columns" else np.arange(count)
        piece = Piece(dataset, column, count, int(values.sum()))
        frame = pa.table({"id": keys + count * 1_000_000, column: values})
        self.ledger.pieces.append(piece)
        with self.client(person) as client, self._decides(piece, Fate.IN, Fate.OUT):
            report = upload(
                client, frame, dataset=dataset, schema=schema(column), mode=mode, chunk_rows=CHUNK_ROWS, resume=False
            )
            piece.upload = report.upload
        return count

    @contextmanager
    def _decides(self, piece: Piece, done: Fate, refused: Fate) -> Iterator[None]:
        """The piece's fate, by how the action ends. Before an order is sent nothing can have happened."""
        try:
            yield
        except Unsettled:
            piece.fate = Fate.MAYBE
            raise
        except TercetError:
            piece.fate = refused
            raise
        piece.fate = done

    def _owner(self, piece: Piece) -> str:
        info = self.nodes.request("a", "operator", "GET", f"/v1/datasets/{piece.dataset}").json()
        return next(str(one["owner_name"]) for one in info["segments"] if one["upload"] == piece.upload)

    def _name(self, kind: str) -> str:
        self._count += 1
        return f"{kind}{self._count}"
