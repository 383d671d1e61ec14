"""How an error reaches a person: what is wrong, what to do, and an exit status that a script can tell apart."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum

import typer

from tercet.errors import Refused, TercetError


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
        typer.echo(f"tercet: error: {told(error)}", err=True)
        if error.hint:
            typer.echo(f"tercet: hint: {error.hint}", err=True)
        raise typer.Exit(Exit.REFUSED if isinstance(error, Refused) else Exit.ERROR) from None
    except KeyboardInterrupt:
        typer.echo("tercet: interrupted", err=True)
        raise typer.Exit(Exit.INTERRUPTED) from None


def told(error: TercetError) -> str:
    """An error in a sentence, without its hint; a refusal with its node and rule."""
    if not isinstance(error, Refused) or not error.node:
        return error.message
    return f"node {error.node} refuses{f' by rule {error.rule}' if error.rule else ''}: {error.message}"
