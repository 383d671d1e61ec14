"""Prints errors of commands: what is wrong, what to do; and the exit statuses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum

import typer

from tercet.cli.output import say
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
        raise typer.Exit(tell(error)) from None
    except KeyboardInterrupt:
        say("tercet: interrupted", err=True)
        raise typer.Exit(Exit.INTERRUPTED) from None


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
