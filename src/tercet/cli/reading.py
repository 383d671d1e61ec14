"""The options that say how a table is read: the same for every command that reads one, as one object."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

if TYPE_CHECKING:
    from tercet.store.reading import Reading

AS_SAID: Reading = cast("Reading", None)
"""Stands where a command takes what the options say; `reads` puts that in its place."""

_OPTIONS: dict[str, tuple[Any, Any]] = {
    "delimiter": (
        Annotated[str | None, typer.Option("--delimiter", metavar="SIGN", help="Of a CSV file; else found out.")],
        None,
    ),
    "encoding": (
        Annotated[str | None, typer.Option("--encoding", metavar="NAME", help="Of a CSV file; else UTF-8.")],
        None,
    ),
    "header": (
        Annotated[
            bool | None,
            typer.Option("--header/--no-header", help="Whether the first line names the columns; else looked at."),
        ],
        None,
    ),
    "names": (
        Annotated[
            str | None,
            typer.Option("--names", metavar="A,B,...", help="Names of all columns, for a file without a header."),
        ],
        None,
    ),
    "skip_rows": (
        Annotated[
            int | None, typer.Option("--skip-rows", metavar="N", min=0, help="Lines before the header or the data.")
        ],
        None,
    ),
    "sheet": (
        Annotated[str | None, typer.Option("--sheet", metavar="NAME", help="Of an Excel file, by name or number.")],
        None,
    ),
    "decimal": (
        Annotated[
            str | None, typer.Option("--decimal", metavar="SIGN", help="The decimal point of texts: . or , (else .).")
        ],
        None,
    ),
    "thousands": (
        Annotated[
            str | None,
            typer.Option("--thousands", metavar="SIGN", help="What groups digits: , . ' _ or a space; a point where "
            "the decimal point is a comma."),
        ],
        None,
    ),
    "strip": (
        Annotated[
            list[str] | None,
            typer.Option("--strip", metavar="TEXT", help="A text around numbers to take off, as $; may be repeated."),
        ],
        None,
    ),
    "day_first": (
        Annotated[
            bool | None,
            typer.Option("--day-first/--month-first", help="Whether 03.04.2024 is in April or in March."),
        ],
        None,
    ),
    "na": (
        Annotated[
            list[str] | None,
            typer.Option(
                "--na",
                metavar="TEXT",
                help="What counts as missing, besides empty fields; may be repeated. "
                "Else NA, N/A, NaN, null, None, - and ? do.",
            ),
        ],
        None,
    ),
}  # fmt: skip


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
            inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=default, annotation=annotation)
            for name, (annotation, default) in _OPTIONS.items()
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
