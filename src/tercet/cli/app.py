"""The commands and their options; what they do stands in the modules beside this one."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from tercet.cli.errors import told_in_words

app = typer.Typer(
    name="tercet",
    help="Compute together on data nobody may show.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tercet {version('tercet')}")
        raise typer.Exit


@app.callback()
def tercet(
    show: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    """Compute together on data nobody may show: three servers, secret shares, exact arithmetic."""


@app.command()
def demo(
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="FILE.csv", help="A CSV file of numbers, instead of the diabetes data."),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option("--target", metavar="COLUMN", help="The column of FILE.csv to predict from all others."),
    ] = None,
    frac_bits: Annotated[
        int, typer.Option("--frac-bits", min=0, max=60, help="Fractional bits of the shared numbers.")
    ] = 32,
    timeout: Annotated[
        float, typer.Option("--timeout", min=1.0, help="Seconds a server waits for another before it gives up.")
    ] = 30.0,
) -> None:
    """Three hospitals fit one linear regression on patients that no server can read.

    Starts three server processes on this machine, which talk mutual TLS. Each hospital splits its rows into three
    shares and sends every server two of them. The servers fit the regression on shares; the coefficients alone are
    put together, and printed beside those of scikit-learn on the pooled data.
    """
    from tercet.cli.demo import run

    with told_in_words():
        run(data, target, frac_bits=frac_bits, timeout=timeout)
