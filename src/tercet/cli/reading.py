"""Which table a command reads, and the options that say how: the same for every command, as one object."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from tercet.errors import InputError

if TYPE_CHECKING:
    from tercet.client.sources import Source
    from tercet.store.reading import Reading
    from tercet.store.schema import Schema

_STDIN = "-"

SourceArgument = Annotated[
    str,
    typer.Argument(metavar="FILE", help="CSV (also .gz, .bz2, .zst), Excel, Parquet or Arrow; - is standard input."),
]
SqlOption = Annotated[
    tuple[str, str] | None,
    typer.Option("--sql", metavar="URL QUERY", help="Read from a database instead, by an SQLAlchemy URL."),
]

AS_SAID: Reading = cast("Reading", None)
"""Stands where a command takes what the options say; `reads` puts that in its place."""

_OPTIONS: dict[str, Any] = {
    "delimiter": Annotated[
        str | None, typer.Option("--delimiter", metavar="SIGN", help="Of a CSV file; else found out.")
    ],
    "encoding": Annotated[str | None, typer.Option("--encoding", metavar="NAME", help="Of a CSV file; else UTF-8.")],
    "header": Annotated[
        bool | None,
        typer.Option("--header/--no-header", help="Whether the first line names the columns; else looked at."),
    ],
    "names": Annotated[
        str | None,
        typer.Option("--names", metavar="A,B,...", help="Names of all columns, for a file without a header."),
    ],
    "skip_rows": Annotated[
        int | None, typer.Option("--skip-rows", metavar="N", min=0, help="Lines before the header or the data.")
    ],
    "sheet": Annotated[
        str | None, typer.Option("--sheet", metavar="NAME", help="Of an Excel file, by name or number.")
    ],
    "decimal": Annotated[
        str | None, typer.Option("--decimal", metavar="SIGN", help="The decimal point of texts: . or , (else .).")
    ],
    "thousands": Annotated[
        str | None,
        typer.Option(
            "--thousands",
            metavar="SIGN",
            help="What groups digits: , . ' _ or a space; a point where the decimal point is a comma.",
        ),
    ],
    "strip": Annotated[
        list[str] | None,
        typer.Option("--strip", metavar="TEXT", help="A text around numbers to take off, as $; may be repeated."),
    ],
    "day_first": Annotated[
        bool | None, typer.Option("--day-first/--month-first", help="Whether 03.04.2024 is in April or in March.")
    ],
    "na": Annotated[
        list[str] | None,
        typer.Option(
            "--na",
            metavar="TEXT",
            help="What counts as missing, besides empty fields; may be repeated. "
            "Else NA, N/A, NaN, null, None, - and ? do.",
        ),
    ],
}


class Missing(StrEnum):
    """What happens to rows in which a value is missing."""

    REFUSE = "refuse"
    DROP = "drop"


MissingOption = Annotated[
    Missing, typer.Option("--missing", help="Refuse the upload if a value is missing, or drop such rows.")
]


def open_rows(source: str, sql: tuple[str, str] | None, reading: Reading, schema: Schema | None = None) -> Source:
    """The rows that the command line names, read as it and the schema say. Raises InputError."""
    from tercet.client.readers import open_source

    if sql is not None:
        if source:
            raise InputError("a file and --sql are both named", hint="name one of them")
        return open_source(sql[0], query=sql[1], reading=reading, schema=schema)
    if not source:
        raise InputError("nothing to read is named", hint="name a file, - for standard input, or --sql URL QUERY")
    what: Any = sys.stdin.buffer if source == _STDIN else source
    return open_source(what, reading=reading, schema=schema)


def reads(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command that takes `reading` the options that say it, in the place where `reading` stands."""
    # what `Reading` is need not be known, and takes a while to load
    given = inspect.signature(command, eval_str=True, locals={"Reading": object})
    parameters: list[inspect.Parameter] = []
    for parameter in given.parameters.values():
        if parameter.name != "reading":
            parameters.append(parameter)
            continue
        parameters += [
            inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=None, annotation=annotation)
            for name, annotation in _OPTIONS.items()
        ]

    @functools.wraps(command)
    def run(**values: Any) -> None:
        said = {name: values.pop(name) for name in _OPTIONS}
        command(**values, reading=_reading(said))

    run.__signature__ = given.replace(parameters=parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    del run.__wrapped__  # whoever asks for its parameters is to see these
    return run


def _reading(said: dict[str, Any]) -> Reading:
    """Raises InputError that names the option."""
    from tercet.store.reading import Reading

    if said["names"] is not None:
        said["names"] = [name.strip() for name in said["names"].split(",")]
    for name in ("strip", "na"):
        said[name] = said[name] or None  # given not once is a list without members
    return Reading.of({name: value for name, value in said.items() if value is not None})
