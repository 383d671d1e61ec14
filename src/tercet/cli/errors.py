"""How an error reaches a person: what is wrong, what to do, exit status 1."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from tercet.errors import TercetError


@contextmanager
def told_in_words() -> Iterator[None]:
    """Print a TercetError as `tercet: error:` and `tercet: hint:`; other exceptions are defects and pass through."""
    try:
        yield
    except TercetError as error:
        typer.echo(f"tercet: error: {error.message}", err=True)
        if error.hint:
            typer.echo(f"tercet: hint: {error.hint}", err=True)
        raise typer.Exit(1) from None
