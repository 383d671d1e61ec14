"""What the demo shows on the screen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, ProgressColumn, SpinnerColumn, Task, TaskID, TextColumn
from rich.table import Table as Grid
from rich.text import Text

from tercet.cli.tables import Owner, Table

if TYPE_CHECKING:
    from tercet.cli.demo import Declared, Model
    from tercet.cli.seen import Seen
    from tercet.client import Measurement

_SMALL, _LARGE = 1e-4, 1e7
"""Between these a coefficient is written without an exponent."""
_BARS = "▁▂▃▄▅▆▇█"


class _Seconds(ProgressColumn):
    """How long a step has taken, or took."""

    def render(self, task: Task) -> Text:
        took = task.finished_time if task.finished else task.elapsed
        return Text(f"{took or 0:.2f} s", style="dim")


class Screen:
    """The terminal: tables one below the other, and a line for each step under way."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False)

    def opening(self, owners: Sequence[Owner], tables: Sequence[Table], declared: Declared) -> None:
        rows = sum(len(table.target) for table in tables)
        features, target = tables[0].feature_names, escape(tables[0].target_name)
        self._say(
            f"\n[bold]{rows} rows at {len(owners)} owners[/bold]; predict [bold]{target}[/bold] "
            f"from {len(features)} features: {escape(', '.join(features))}."
        )
        grid = _grid("owner", "rows", "own file, read by nobody else", right=(1,))
        for owner, table in zip(owners, tables, strict=True):
            grid.add_row(owner.name, str(len(table.target)), escape(str(owner.path)))
        self._console.print(grid)
        self._say(
            f"Declared bounds, public: features in {_interval(declared.features)}, "
            f"{target} in {_interval(declared.target)}; {declared.frac_bits} fractional bits.\n"
            "[dim]Owners would agree on such bounds from what they know of the units. This demo plays all owners and "
            "rounds the largest magnitude up to a power of two.[/dim]\n"
        )

    @contextmanager
    def progress(self) -> Iterator[Callable[[str], None]]:
        """Gives `step(text)`: the step before is done, this one is under way."""
        columns = (SpinnerColumn(finished_text="[green]✓[/green]"), TextColumn("{task.description}"))
        with Progress(*columns, _Seconds(), console=self._console) as bars:
            under_way: list[TaskID] = []

            def step(text: str) -> None:
                for task in under_way:
                    bars.update(task, completed=1)
                under_way[:] = [bars.add_task(text, total=1)]

            yield step
            for task in under_way:
                bars.update(task, completed=1)

    def result(self, names: Sequence[str], secret: Model, plain: Model) -> None:
        grid = _grid("coefficient of", "under secret sharing", "scikit-learn, pooled", "difference", right=(1, 2, 3))
        ours, theirs = secret.as_array(), plain.as_array()
        difference = ours - theirs
        size = np.abs(theirs)
        style = ".8f" if size.min() > _SMALL and size.max() < _LARGE else ".7e"
        for name, a, b, d in zip((*names, "(intercept)"), ours, theirs, difference, strict=True):
            grid.add_row(escape(name), format(a, style), format(b, style), f"{d:+.1e}")
        self._console.print()
        self._console.print(grid)
        relative = np.abs(difference) / np.maximum(size, np.finfo(np.float64).tiny)
        self._say(
            f"Largest difference: [bold]{np.abs(difference).max():.1e}[/bold] absolute, "
            f"[bold]{relative.max():.1e}[/bold] relative.\n"
        )

    def seen(self, owner: str, seen: Seen) -> None:
        grid = _grid("", "sent to servers", "first word", "bits set", "distribution", right=(3,))
        grid.add_row(f"{owner}", "none", "", "", _bars(seen.plain_histogram))
        for component in seen.components:
            servers = " and ".join(str(int(party)) for party in sorted(component.holders))
            grid.add_row(
                f"component {component.number}",
                servers,
                component.sample,
                f"{component.one_bits:.1%}",
                _bars(component.histogram),
            )
        self._say(
            "[bold]What the servers see[/bold] of the features: uniform words. Each lacks one component of three."
        )
        self._console.print(grid)
        self._say("[dim]A sample: the same rows split once more by the code that split them for the servers.[/dim]\n")

    def cost(self, cost: Measurement) -> None:
        self._say(
            f"[bold]Cost of the fit[/bold]: {cost.rounds} rounds, {_bytes(cost.bytes_per_party)} sent by each server, "
            f"{cost.seconds:.2f} seconds on this machine."
        )

    def _say(self, text: str) -> None:
        self._console.print(text)


def _grid(*titles: str, right: Sequence[int] = ()) -> Grid:
    grid = Grid(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for place, title in enumerate(titles):
        grid.add_column(title, justify="right" if place in right else "left", vertical="bottom", no_wrap=True)
    return grid


def _bars(counts: NDArray[np.int64]) -> str:
    top = max(1, int(counts.max()))
    return "".join(_BARS[int(count) * (len(_BARS) - 1) // top] for count in counts)


def _interval(bounds: tuple[float, float]) -> str:
    return escape(f"[{bounds[0]:g}, {bounds[1]:g}]")


def _bytes(count: float) -> str:
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"
