"""`tercet page`: a folder with a page that stands alone, for people who have nothing installed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tercet.cli.options import FederationOption, example, load_federation
from tercet.cli.output import console, grid, rows, say
from tercet.errors import ConfigError


def page(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A new folder, to be served by any web server.")],
    dataset: Annotated[str, typer.Option("--dataset", "-d", metavar="NAME", help="Where the rows go.")],
    schema: Annotated[Path, typer.Option("--schema", "-s", metavar="FILE", help="The schema file of the dataset.")],
    form: Annotated[
        bool, typer.Option("--form", help="Ask for one record at a time, with the schema's words.")
    ] = False,
    file: Annotated[bool, typer.Option("--file", help="Take a CSV file; so it is, too, without --form.")] = False,
    title: Annotated[str, typer.Option("--title", metavar="TEXT", help="What stands above it.")] = "",
    about: Annotated[str, typer.Option("--about", metavar="TEXT", help="A paragraph below the title.")] = "",
    via: Annotated[
        str | None, typer.Option("--via", metavar="NODE", help="Send everything through this node, sealed as always.")
    ] = None,
    at: Annotated[
        list[str] | None,
        typer.Option("--at", metavar="NODE=URL", help="Where browsers find a node, if not where the federation says."),
    ] = None,
    federation: FederationOption = None,
) -> None:
    """Write a page that splits, seals and uploads in the browser.

    Nothing in it is secret: it holds the federation, the schema and a script. Each node that it asks must list the
    origin from which the page is served: allowed_origins in node.toml. Who serves it could change it: tell its SHA-256,
    which is printed, to those who use it, in another way than by that server.
    """
    from tercet.store.schema import Schema
    from tercet.web.browser.page import INDEX, Page, write_page

    made = Page(
        federation=load_federation(federation),
        dataset=dataset,
        schema=Schema.load(schema),
        form=form,
        file=file or not form,
        title=title,
        about=about,
        via=via,
        addresses=dict(map(_address, at or [])),
    )
    sums = write_page(made, folder)
    console().print(rows(grid("file", "SHA-256"), list(sums.items())))
    say(f"\nThe page is in {folder}. Its SHA-256, by which people can pin it:\n{sums[INDEX]}")


def _address(text: str) -> tuple[str, str]:
    name, found, url = text.partition("=")
    if not found:
        raise ConfigError(
            f"--at {text[:80]}: it names a node and an address", hint="--at hospital=https://up.example.org"
        )
    return name, url.rstrip("/")


COMMANDS = {
    page: example(
        "tercet page survey --dataset gad7 --schema gad7.toml --form --title GAD-7",
        "tercet page drop --dataset patients --schema patients.toml --via hospital --at hospital=https://up.example.org",
    )
}
