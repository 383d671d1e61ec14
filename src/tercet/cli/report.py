"""The screens of the demo, and what they show of the nodes' disks: components, and how their words are distributed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.markup import escape

from tercet.cli import output
from tercet.cli.output import amount, grid, rows, told
from tercet.cli.tables import FloatArray, Owner, TrainingTable
from tercet.sharing import PARTIES, Party

if TYPE_CHECKING:
    from tercet.client import Measurement
    from tercet.errors import Refused
    from tercet.federation.federation import Federation
    from tercet.store.audit import Entry
    from tercet.store.schema import Schema

_SMALL, _LARGE = 1e-4, 1e7
"""Between these a coefficient is written without an exponent."""
_ZERO = 1e-6
_SHORT = 8
_BARS = "▁▂▃▄▅▆▇█"
SAMPLE_DIGITS = 16
BINS = 16


class Screen:
    """The terminal: tables one below the other, and a line for each step under way."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or output.console()

    def opening(self, owners: Sequence[Owner], tables: Sequence[TrainingTable], schema: Schema) -> None:
        count = sum(len(table.target) for table in tables)
        features, target = tables[0].feature_names, escape(tables[0].target_name)
        self._say(
            f"\n[bold]{count} rows at {len(owners)} owners[/bold]; predict [bold]{target}[/bold] "
            f"from {len(features)} features: {escape(', '.join(features))}."
        )
        lines = [(owner.name, len(table.target), owner.path) for owner, table in zip(owners, tables, strict=True)]
        self._console.print(rows(grid("owner", "rows", "own file, read by nobody else", right=(1,)), lines))
        shown = ", ".join(f"{column.name} {column.lo:g} to {column.hi:g}" for column in schema.columns)
        self._say(
            f"Declared, public: {escape(shown)}.\n"
            "[dim]Owners would agree on such bounds from what they know of the units. This demo plays all owners and "
            "rounds outward what the files hold.[/dim]\n"
        )

    def progress(self) -> AbstractContextManager[Callable[[str], None]]:
        """Gives `step(text)`: the step before is done, this one is under way."""
        return output.steps(self._console)

    def means(self, names: Sequence[str], secret: FloatArray, plain: FloatArray, count: int) -> None:
        made = grid("mean of", "under secret sharing", "in plain", "difference", right=(1, 2, 3))
        lines = [
            (name, f"{a:.6g}", f"{b:.6g}", f"{a - b:+.1e}") for name, a, b in zip(names, secret, plain, strict=True)
        ]
        self._say(f"\n[bold]First question[/bold]: how many rows, and the means. {count} rows.")
        self._console.print(rows(made, lines))

    def coefficients(self, names: Sequence[str], secret: FloatArray, plain: FloatArray, sizes: FloatArray) -> None:
        """`sizes` are what would be large for each: one that is nothing beside it counts as zero."""
        made = grid("coefficient of", "under secret sharing", "scikit-learn, pooled", "difference", right=(1, 2, 3))
        difference, size = secret - plain, np.abs(plain)
        style = ".8f" if size.min() > _SMALL and size.max() < _LARGE else ".7e"
        lines = [
            (name, format(a, style), format(b, style), f"{d:+.1e}")
            for name, a, b, d in zip((*names, "(intercept)"), secret, plain, difference, strict=True)
        ]
        self._say("\n[bold]Second question[/bold]: a linear regression on the rows of all owners.")
        self._console.print(rows(made, lines))
        counts = size > _ZERO * sizes
        relative = np.abs(difference[counts]) / size[counts]
        text = f"Largest difference: [bold]{np.abs(difference).max():.1e}[/bold] absolute"
        if counts.any():
            text += f", [bold]{relative.max():.1e}[/bold] relative"
        self._say(text + ("." if counts.all() else " (of a coefficient of zero, only the absolute one counts)."))

    def refusal(self, question: str, refused: Refused) -> None:
        self._say(f"\n[bold]A question that goes too far[/bold]: {escape(question)}")
        self._console.print(told(refused), markup=False, soft_wrap=True)

    def seen(
        self, column: str, plain: NDArray[np.int64], components: Sequence[Component], federation: Federation
    ) -> None:
        made = grid("", "lies at", "first word", "bits set", "distribution", right=(3,))
        made.add_row(escape(f"{column}, in plain"), "its owners", "", "", _bars(plain))
        for component in components:
            nodes = " and ".join(federation.node(party).name for party in sorted(component.holders))
            made.add_row(
                f"component {component.number}",
                nodes,
                component.sample,
                f"{component.one_bits:.1%}",
                _bars(component.histogram),
            )
        self._say(
            f"\n[bold]What the nodes have[/bold] of {escape(column)}, read from their disks: uniform words. "
            "Each lacks one component of three."
        )
        self._console.print(made)

    def audit(self, entries: Sequence[tuple[str, Entry]]) -> None:
        self._say("\n[bold]What each node has recorded[/bold] of the regression, each entry signed:")
        lines = []
        for name, entry in entries:
            said = {key: str(value)[:_SHORT] for key, value in entry.details.items()}
            told = f"{said['numbers']} numbers by plan {said['plan']}: {said['verdict']} by rule {said['rule']}"
            chain = f"{entry.prev[:_SHORT]} > {entry.hash[:_SHORT]}"
            lines.append((name, entry.number, f"{entry.time[11:19]}Z", told, chain))
        self._console.print(rows(grid("node", "no.", "time", "job", "chain", right=(1,)), lines))

    def cost(self, cost: Measurement) -> None:
        self._say(
            f"\n[bold]Cost of the fit[/bold]: {cost.rounds} rounds, {amount(cost.bytes_per_party)} sent by each node, "
            f"{cost.seconds:.2f} seconds on this machine."
        )

    def closing(self, seconds: float) -> None:
        self._say(f"[dim]The nodes have ended; all of it took {seconds:.1f} seconds. On your own: tercet up.[/dim]")

    def _say(self, text: str) -> None:
        self._console.print(text)


def _bars(counts: NDArray[np.int64]) -> str:
    top = max(1, int(counts.max()))
    return "".join(_BARS[int(count) * (len(_BARS) - 1) // top] for count in counts)


@dataclass(frozen=True)
class Component:
    """One of the three components of a column, as the two nodes that hold it have it."""

    number: int
    holders: tuple[Party, Party]
    sample: str = field(repr=False)
    """The beginning of the first word, in hexadecimal."""
    one_bits: float
    """The part of all bits that are set: one half, if the words are uniform."""
    histogram: NDArray[np.int64] = field(repr=False)
    """How many words lie in each of BINS equal parts of the ring."""

    @classmethod
    def of(cls, party: Party, payload: bytes, word_bytes: int) -> Component:
        """The component that `party` holds as its own, from the bytes of its words."""
        words = [payload[at : at + word_bytes] for at in range(0, len(payload), word_bytes)]
        tops = np.array([int.from_bytes(word[-4:], "little") for word in words], np.int64)
        return cls(
            int(party),
            (party.prev, party),
            words[0][::-1].hex()[:SAMPLE_DIGITS],
            float(np.unpackbits(np.frombuffer(payload, np.uint8)).mean()),
            np.histogram(tops, BINS, (0, 1 << 32))[0],
        )


def held_by_nodes(folders: Sequence[Path], dataset: str, column: str) -> tuple[Component, ...]:
    """Read a numeric column of a dataset from the disk of each node, in the order of the parties.

    Only whoever has all three machines can do that; the demo has.
    """
    from tercet.node.settings import NodeSettings
    from tercet.sharing import Share
    from tercet.store.catalogue import Catalogue
    from tercet.store.datasets import Datasets

    found = []
    for party, folder in zip(PARTIES, folders, strict=True):
        settings = NodeSettings.load(folder / "node.toml")
        catalogue = Catalogue(settings.database_url)
        try:
            share = Datasets(catalogue, settings.folder_path, party).get(dataset).read(column)
        finally:
            catalogue.close()
        assert isinstance(share, Share), "a column of numbers"
        found.append(Component.of(party, np.ascontiguousarray(share.own).tobytes(), share.ring.word_bytes))
    return tuple(found)


def distribution(values: NDArray[np.float64], bounds: tuple[float, float]) -> NDArray[np.int64]:
    """How many values lie in each of BINS equal parts of the declared range; no node sees this."""
    return np.histogram(values, BINS, bounds)[0]
