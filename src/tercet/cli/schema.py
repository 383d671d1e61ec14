"""`tercet schema`: what the columns of a dataset mean."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tercet.cli.options import JsonOption, example
from tercet.cli.output import console, grid, print_json, rows, say
from tercet.cli.reading import AS_SAID, Missing, MissingOption, SourceArgument, SqlOption, open_rows, reads
from tercet.errors import ConfigError
from tercet.federation.text import counted

if TYPE_CHECKING:
    from tercet.store.reading import Reading
    from tercet.store.schema import Schema

app = typer.Typer(no_args_is_help=True, help="What the columns of a dataset mean: proposed, shown, checked.")

SchemaArgument = Annotated[Path, typer.Argument(metavar="SCHEMA", help="The schema file.")]


@app.command(
    epilog=example(
        "tercet schema infer patients.csv --out patients.toml",
        "tercet schema infer umsatz.csv --decimal , --day-first --na -99 --out umsatz.toml",
        'tercet schema infer --sql sqlite:///ward.db "SELECT age, bmi FROM patients"',
    )
)
@reads
def infer(
    source: SourceArgument = "",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="A new file; else it is printed.")
    ] = None,
    key: Annotated[
        list[str] | None,
        typer.Option("--key", metavar="COLUMN", help="The column that names the rows, to join by: it becomes PUBLIC."),
    ] = None,
    category: Annotated[
        list[str] | None,
        typer.Option("--category", metavar="COLUMN", help="Take all texts of it as categories: they become PUBLIC."),
    ] = None,
    sql: SqlOption = None,
    reading: Reading = AS_SAID,
) -> None:
    """Propose a schema for a table; read and correct it.

    It says of each column its kind, bounds and decimals. All of that is public. Bounds are rounded outward from what
    the data holds; put what a value can be. The schema remembers how the table is read, so that schema check and upload
    need no options again.
    """
    from tercet.client.infer import infer as propose
    from tercet.client.infer import summary

    proposal = propose(open_rows(source, sql, reading), keys=key or [], categories=category or [])
    if out is None:
        say(proposal.to_toml(), nl=False)
        return
    _write_new(out, proposal.to_toml())
    screen = console()
    screen.print(rows(grid("column", "kind", "values"), summary(proposal)))
    if proposal.notes:
        screen.print()
    for note in proposal.notes:
        say(f"Look at this: {note}")
    say(f"\n{out} is written. All of it is public: read it and correct it before you upload.")


def _write_new(out: Path, text: str) -> None:
    try:
        with out.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise ConfigError(f"{out} exists", hint="name a new file, or move it away") from None
    except OSError as error:
        raise ConfigError(f"cannot write {out}: {error.strerror}") from None


@app.command(epilog=example("tercet schema merge north.toml south.toml --out both.toml"))
def merge(
    paths: Annotated[list[Path], typer.Argument(metavar="SCHEMA...", help="The schema files, one of each owner.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="A new file; else it is printed.")
    ] = None,
) -> None:
    """Make one schema of those of several owners.

    Do it before the first of them uploads. Bounds are widened to hold those of all, categories are put together, the
    finer exactness is taken; what changed is said. Columns must be the same in all of them.
    """
    from tercet.client.merge import merge as together
    from tercet.store.schema import Schema

    merged = together([Schema.load(path) for path in paths], [str(path) for path in paths])
    if out is None:
        say(merged.schema.to_toml(), nl=False)
        screen = console(err=True)
    else:
        _write_new(out, merged.schema.to_toml())
        screen = console()
        show_schema(merged.schema)
    for note in merged.notes or ("the schemas agree already",):
        screen.print(f"Merged: {note}", markup=False, soft_wrap=True)


@app.command(epilog=example("tercet schema show patients.toml"))
def show(path: SchemaArgument, as_json: JsonOption = False) -> None:
    """Show a schema as a table."""
    from tercet.store.schema import Schema

    loaded = Schema.load(path)
    if as_json:
        print_json(loaded.to_dict())
        return
    show_schema(loaded)


def show_schema(loaded: Schema) -> None:
    """The columns, a line each."""
    lines = []
    for column in loaded.columns:
        values = ", ".join(column.categories) if column.categories else ""
        if column.lo is not None:
            values = f"{column.lo} to {column.hi}"
        exact = f"steps of 2^-{column.scale_bits}" if column.scale_bits else ""
        if column.digits is not None:
            exact = f"{counted(column.digits, 'digit')}, exact"
        kind = "key (PUBLIC)" if column.is_key else str(column.kind) + (", nullable" if column.nullable else "")
        lines.append((column.name, kind, values, exact, column.description))
    console().print(rows(grid("column", "kind", "values", "exactness", "description"), lines))


@app.command(epilog=example("tercet schema check patients.toml patients.csv"))
@reads
def check(
    path: SchemaArgument,
    source: SourceArgument = "",
    sql: SqlOption = None,
    missing: MissingOption = Missing.REFUSE,
    reading: Reading = AS_SAID,
) -> None:
    """Check a schema file, and a table against it; nothing is sent.

    An error names row and column, never a value.
    """
    from tercet.client.chunks import check as check_rows
    from tercet.store.schema import Schema

    loaded = Schema.load(path)
    if not source and sql is None:
        say(f"{path} is in order: {counted(len(loaded.columns), 'column')}.")
        return
    opened = open_rows(source, sql, reading, loaded)
    count, dropped = check_rows(opened, loaded, missing.value)
    left_out = f"; {counted(dropped, 'row')} with missing values would be left out" if dropped else ""
    say(f"{opened.name} fits {path}: {counted(count, 'row')}, {counted(len(loaded.columns), 'column')}{left_out}.")
