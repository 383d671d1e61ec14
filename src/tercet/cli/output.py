"""Printing for commands: tables, amounts, times, progress, JSON, errors; hidden characters are made visible."""

from __future__ import annotations

import io
import json
import math
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from enum import IntEnum
from typing import Any, TextIO, cast

import typer
from rich.console import Console, ConsoleOptions, JustifyMethod, RenderableType
from rich.markup import escape
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.segment import Segment
from rich.table import Table as Grid
from rich.text import Text

from tercet.errors import Refused, TercetError
from tercet.federation.text import plain, plain_json
from tercet.process import leave

_PIPE_WIDTH = 1 << 16
_GROUP = 4


class _Trimmed(io.TextIOBase):
    """A file or pipe that gets lines without the blanks that fill a column up."""

    def __init__(self, to: TextIO) -> None:
        self._to = to

    def write(self, text: str) -> int:
        self._to.write("\n".join(line.rstrip(" ") for line in text.split("\n")))
        return len(text)

    def flush(self) -> None:
        self._to.flush()


class _PlainConsole(Console):
    """A console on which no text from outside steers the terminal, whatever is printed: a line, a table, a bar."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(plain(segment.text), segment.style)


def say(text: str, *, err: bool = False, nl: bool = True) -> None:
    """Write text as it is, without hidden characters: for what is neither a table nor has colours."""
    typer.echo(plain(text), err=err, nl=nl)


def console(*, err: bool = False) -> Console:
    """A terminal to print on; or a file or pipe, as wide as it takes, so that nothing is cut off or wrapped."""
    here = _PlainConsole(highlight=False, stderr=err)
    if here.is_terminal:
        return here
    trimmed = _Trimmed(sys.stderr if err else sys.stdout)
    return _PlainConsole(highlight=False, file=cast(TextIO, trimmed), width=_PIPE_WIDTH)


def grid(*titles: str, right: Sequence[int] = ()) -> Grid:
    """An empty table without lines; `right` are the columns of numbers. The last column is wrapped where it is long."""
    made = Grid(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for place, title in enumerate(titles):
        side: JustifyMethod = "right" if place in right else "left"
        last = place == len(titles) - 1
        made.add_column(title, justify=side, vertical="top", no_wrap=not last, overflow="fold")
    return made


def rows(made: Grid, lines: Sequence[Sequence[object]]) -> Grid:
    """The table with these lines, shown as they are: nothing in them is markup."""
    for line in lines:
        made.add_row(*(escape(str(cell)) for cell in line))
    return made


def facts(pairs: Mapping[str, object]) -> None:
    """Print names and values, one pair a line; empty values are left out."""
    made = Grid(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    made.add_column(style="bold", no_wrap=True)
    made.add_column(overflow="fold")
    for name, value in pairs.items():
        if value not in (None, ""):
            made.add_row(name, escape(str(value)))
    console().print(made)


def print_json(data: Any) -> None:
    """JSON on standard output, two spaces deep; what JSON does not have is text, or null for a mean of no rows."""
    text = json.dumps(_finite(data), indent=2, ensure_ascii=False, allow_nan=False, default=str)
    sys.stdout.write(plain_json(text) + "\n")


def _finite(data: Any) -> Any:
    if isinstance(data, Mapping):
        return {key: _finite(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_finite(value) for value in data]
    if isinstance(data, Decimal):
        # as a number where that is the very same decimal, else as a text
        return float(data) if Decimal(repr(float(data))) == data else str(data)
    return None if isinstance(data, float) and not math.isfinite(data) else data


def amount(count: float) -> str:
    """A number of bytes, to three digits."""
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def moment(when: datetime | float | None) -> str:
    """A time in UTC, to the second; empty for None."""
    if when is None:
        return ""
    if not isinstance(when, datetime):
        when = datetime.fromtimestamp(when, UTC)
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z"


def not_final(names: Sequence[str]) -> str:
    """What an owner reads of a change that not all three nodes have signed."""
    return (
        f"NOT FINAL: {' and '.join(names)} has not signed it yet. Nodes that were down catch up by themselves; ask "
        "again with tercet datasets, and tell the operators if it stays so."
    )


def grouped(fingerprint: str) -> str:
    """A fingerprint as people read it to each other: groups of four."""
    return " ".join(fingerprint[at : at + _GROUP] for at in range(0, len(fingerprint), _GROUP))


class _Seconds(ProgressColumn):
    """How long a step has taken, or took."""

    def render(self, task: Task) -> Text:
        took = task.finished_time if task.finished else task.elapsed
        return Text(f"{took or 0:.2f} s", style="dim")


@contextmanager
def steps(where: Console) -> Iterator[Callable[[str], None]]:
    """Gives `step(text)`: the step before is done, this one is under way."""
    columns = (SpinnerColumn(finished_text="[green]✓[/green]"), TextColumn("{task.description}"), _Seconds())
    with Progress(*columns, console=where) as bars:
        under_way: list[TaskID] = []

        def step(text: str) -> None:
            for task in under_way:
                bars.update(task, completed=1)
            under_way[:] = [bars.add_task(escape(text), total=1)]

        yield step
        for task in under_way:
            bars.update(task, completed=1)


@contextmanager
def bar(where: Console, text: str, total: float | None) -> Iterator[Callable[[float], None]]:
    """Gives `done(count)`: how much of the total is done by now. `total` may be unknown."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=where, transient=True, disable=not where.is_terminal) as bars:
        task = bars.add_task(escape(text), total=total)
        yield lambda count: bars.update(task, completed=count)


# -- errors


class Exit(IntEnum):
    """Exit statuses; 2 is a command line that cannot be read, as everywhere."""

    OK = 0
    ERROR = 1
    USAGE = 2
    REFUSED = 3
    """A node's policy does not allow it."""
    HELD = 4
    """It waits until an operator approves."""
    INTERRUPTED = 130


@contextmanager
def told_in_words() -> Iterator[None]:
    """Print a TercetError as `tercet: error:` and `tercet: hint:`; other exceptions are defects and pass through."""
    try:
        yield
    except TercetError as error:
        raise typer.Exit(tell(error)) from None
    except KeyboardInterrupt:
        say("tercet: interrupted", err=True)
        raise typer.Exit(Exit.INTERRUPTED) from None


@contextmanager
def all_there_is() -> Iterator[None]:
    """For commands that serve pages until Ctrl-C: as `told_in_words`, then the process ends, whatever threads are left.

    Such are those of requests under way and of libraries that still load; who opened something has closed it by then.
    """
    before, status = threading.enumerate(), int(Exit.OK)
    try:
        with told_in_words():
            yield
    except typer.Exit as end:
        status = end.exit_code
    leave(status, before)
    raise typer.Exit(status)


def tell(error: TercetError) -> Exit:
    """Print an error and its hint to standard error; give the exit status for it."""
    say(f"tercet: error: {told(error)}", err=True)
    if error.hint:
        say(f"tercet: hint: {error.hint}", err=True)
    return Exit.REFUSED if isinstance(error, Refused) else Exit.ERROR


def told(error: TercetError) -> str:
    """The text of an error without its hint; of a refusal with its node and rule."""
    if not isinstance(error, Refused) or not error.node:
        return error.message
    by = f" by rule {error.rule}" if error.rule else ""
    return f"node {error.node} refuses{by}:{'' if error.message.startswith(chr(10)) else ' '}{error.message}"
