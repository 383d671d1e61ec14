"""What owners do: describe their data, upload it, see what became of it, take it back."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tercet.cli.listing import show_datasets
from tercet.cli.options import FederationOption, JsonOption, OwnerOption, example, found, load_federation, load_identity
from tercet.cli.output import amount, bar, console, grid, moment, print_json, rows
from tercet.errors import ConfigError, InputError

if TYPE_CHECKING:
    from tercet.client.nodes import Nodes
    from tercet.client.readers import Source
    from tercet.client.upload import Progress, UploadReport
    from tercet.federation.api import Outcome
    from tercet.store.schema import Schema

schema = typer.Typer(no_args_is_help=True, help="What the columns of a dataset mean: proposed, shown, checked.")

_STDIN = "-"

SourceArgument = Annotated[
    str, typer.Argument(metavar="FILE", help="CSV (also .gz, .bz2, .zst), Parquet or Arrow; - is standard input.")
]
SqlOption = Annotated[
    tuple[str, str] | None,
    typer.Option("--sql", metavar="URL QUERY", help="Read from a database instead, by an SQLAlchemy URL."),
]
DelimiterOption = Annotated[str | None, typer.Option("--delimiter", help="Of a CSV file; found out if not given.")]
DecimalOption = Annotated[str, typer.Option("--decimal", help="The decimal point of a CSV file.")]
EncodingOption = Annotated[str, typer.Option("--encoding", help="Of a CSV file.")]
DatasetArgument = Annotated[str, typer.Argument(metavar="DATASET", help="The name of the dataset.")]
SchemaArgument = Annotated[Path, typer.Argument(metavar="SCHEMA", help="The schema file.")]
OperatorOption = Annotated[
    Path | None,
    typer.Option(
        "--identity", "-i", metavar="FILE", help="An operator's identity; without it operator.pem or identity.pem."
    ),
]


class Missing(StrEnum):
    """What happens to rows in which a value is missing."""

    REFUSE = "refuse"
    DROP = "drop"


MissingOption = Annotated[
    Missing, typer.Option("--missing", help="Refuse the upload if a value is missing, or drop such rows.")
]


def open_rows(source: str, sql: tuple[str, str] | None, delimiter: str | None, decimal: str, encoding: str) -> Source:
    """The rows that the command line names. Raises InputError."""
    from tercet.client.readers import open_source

    if sql is not None:
        if source:
            raise InputError("a file and --sql are both named", hint="name one of them")
        return open_source(sql[0], query=sql[1])
    if not source:
        raise InputError("nothing to read is named", hint="name a file, - for standard input, or --sql URL QUERY")
    what: Any = sys.stdin.buffer if source == _STDIN else source
    return open_source(what, delimiter=delimiter, decimal=decimal, encoding=encoding)


# -- schema


@schema.command(
    epilog=example(
        "tercet schema infer patients.csv --out patients.toml",
        'tercet schema infer --sql sqlite:///ward.db "SELECT age, bmi FROM patients"',
    )
)
def infer(
    source: SourceArgument = "",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="A new file; else it is printed.")
    ] = None,
    sql: SqlOption = None,
    delimiter: DelimiterOption = None,
    decimal: DecimalOption = ".",
    encoding: EncodingOption = "utf-8",
) -> None:
    """Propose a schema for a table; read and correct it.

    It says of each column its kind, bounds and decimals. All of that is public. Bounds are rounded outward from what
    the data holds; put what a value can be.
    """
    from tercet.client.infer import infer as propose
    from tercet.client.infer import summary

    proposal = propose(open_rows(source, sql, delimiter, decimal, encoding))
    if out is None:
        typer.echo(proposal.to_toml(), nl=False)
        return
    try:
        with out.open("x", encoding="utf-8") as file:
            file.write(proposal.to_toml())
    except FileExistsError:
        raise ConfigError(f"{out} exists", hint="name a new file, or move it away") from None
    except OSError as error:
        raise ConfigError(f"cannot write {out}: {error.strerror}") from None
    screen = console()
    screen.print(rows(grid("column", "kind", "values"), summary(proposal)))
    if proposal.notes:
        screen.print()
    for note in proposal.notes:
        screen.print(f"Look at this: {note}", markup=False)
    screen.print(f"\n{out} is written. All of it is public: read it and correct it before you upload.", markup=False)


@schema.command(epilog=example("tercet schema show patients.toml"))
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
        lines.append((column.name, "key (PUBLIC)" if column.is_key else column.kind, values, exact, column.description))
    console().print(rows(grid("column", "kind", "values", "exactness", "description"), lines))


@schema.command(epilog=example("tercet schema check patients.toml patients.csv"))
def check(
    path: SchemaArgument,
    source: SourceArgument = "",
    sql: SqlOption = None,
    missing: MissingOption = Missing.REFUSE,
    delimiter: DelimiterOption = None,
    decimal: DecimalOption = ".",
    encoding: EncodingOption = "utf-8",
) -> None:
    """Check a schema file, and a table against it; nothing is sent.

    An error names row and column, never a value.
    """
    from tercet.client.chunks import check as check_rows
    from tercet.store.schema import Schema

    loaded = Schema.load(path)
    if not source and sql is None:
        console().print(f"{path} is in order: {len(loaded.columns)} columns.", markup=False)
        return
    opened = open_rows(source, sql, delimiter, decimal, encoding)
    count, dropped = check_rows(opened, loaded, missing.value)
    left_out = f"; {dropped:,} rows with missing values would be left out" if dropped else ""
    console().print(
        f"{opened.name} fits {path}: {count:,} rows, {len(loaded.columns)} columns{left_out}.", markup=False
    )


# -- upload, withdraw


@contextmanager
def owner_nodes(federation: Path | None, identity: Path | None, via: str | None = None) -> Iterator[Nodes]:
    """The three nodes, asked as an owner."""
    from tercet.client.nodes import Nodes

    with Nodes(load_federation(federation), load_identity(identity, "owner"), via=via) as nodes:
        yield nodes


def upload(
    source: SourceArgument = "",
    dataset: Annotated[
        str, typer.Option("--dataset", "-d", metavar="NAME", help="The dataset to make or add to.")
    ] = "",
    schema_file: Annotated[
        Path | None, typer.Option("--schema", "-s", metavar="FILE", help="What the columns mean; not needed to append.")
    ] = None,
    join: Annotated[
        bool, typer.Option("--join", help="Bring other columns of the same rows, matched by the public key column.")
    ] = False,
    sql: SqlOption = None,
    missing: MissingOption = Missing.REFUSE,
    again: Annotated[
        bool, typer.Option("--again", help="Add the rows although the same file was uploaded before.")
    ] = False,
    via: Annotated[
        str | None, typer.Option("--via", metavar="NODE", help="Send all through this node, sealed for each.")
    ] = None,
    delimiter: DelimiterOption = None,
    decimal: DecimalOption = ".",
    encoding: EncodingOption = "utf-8",
    federation: FederationOption = None,
    identity: OwnerOption = None,
    as_json: JsonOption = False,
) -> None:
    """Split a table here and send each node its part.

    The rows become visible at all three nodes, or at none.
    The first upload makes the dataset, later ones add rows to it. If it breaks off, run the same command again: what
    all three nodes have is not sent again. Once its rows are visible, the same file is refused (FILE.tercet-upload
    remembers it); --again adds the rows a second time. Standard input and databases are not remembered.
    Values out of bounds are refused before anything becomes visible.
    """
    from tercet.store.schema import Schema

    if not dataset:
        raise InputError("the dataset has no name", hint="add --dataset NAME")
    given = None if schema_file is None else Schema.load(schema_file)
    opened = open_rows(source, sql, delimiter, decimal, encoding)
    with owner_nodes(federation, identity, via) as nodes:
        mode = "columns" if join else _mode(nodes, dataset, given)
        with _progress(f"{opened.name} to {dataset}") as told:
            report = _send(nodes, opened, dataset, given, mode, missing, again, told)
    if as_json:
        print_json(report.__dict__ if hasattr(report, "__dict__") else _fields(report))
        return
    _show_report(report, {"create": "is made, with", "append": "has", "columns": "has new columns for"}[mode], mode)


def _mode(nodes: Nodes, dataset: str, given: Schema | None) -> str:
    """Whether the upload makes the dataset or adds rows. Raises InputError where a schema is missing or another one."""
    from tercet.client.orders import datasets as all_datasets
    from tercet.store.schema import Schema

    known = {each.name: each for each in all_datasets(nodes)}
    if dataset not in known:
        if given is None:
            raise InputError(
                f"there is no dataset {dataset} yet, and to make it a schema is needed",
                hint="tercet schema infer FILE --out SCHEMA, read it, then add --schema SCHEMA; or correct the name: "
                f"there are {', '.join(known) or 'no datasets yet'}",
            )
        return "create"
    if given is not None:
        Schema.parse(known[dataset].schema_).check_same(given)
    return "append"


def _send(
    nodes: Nodes,
    opened: Source,
    dataset: str,
    given: Schema | None,
    mode: Any,
    missing: Missing,
    again: bool,
    told: Callable[[Progress], None],
) -> UploadReport:
    from tercet.client.upload import upload as send

    return send(
        nodes, opened, dataset=dataset, schema=given, mode=mode, missing=missing.value, progress=told, again=again
    )


@contextmanager
def _progress(text: str) -> Iterator[Callable[[Progress], None]]:
    """A bar on standard error, by the part of the source that is read or else by rows."""
    with bar(console(err=True), text, 1.0) as done:
        yield lambda progress: done(progress.fraction or 0.0)


def _fields(report: UploadReport) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(report)


def _show_report(report: UploadReport, what: str, mode: str) -> None:
    more = " more" if mode == "append" else ""
    rate = report.values / report.seconds if report.seconds else 0
    screen = console()
    screen.print(
        f"{report.dataset} {what} {report.rows:,}{more} rows, visible at all three nodes (version {report.version}). "
        f"{report.values:,} values, {amount(report.nbytes)} sent in {report.seconds:.1f} s ({rate:,.0f} values/s).",
        markup=False,
        soft_wrap=True,
    )
    if mode == "append":
        screen.print("They were added to the rows that were there.", markup=False)
    if not report.remembered:
        screen.print("This is not remembered: the same command would add the rows once more.", markup=False)
    if report.dropped:
        screen.print(f"{report.dropped:,} rows with missing values were left out.")
    if report.pending:
        screen.print(f"Still to be told: {', '.join(report.pending)}; that happens by itself.", markup=False)


def withdraw(
    dataset: DatasetArgument,
    upload_id: Annotated[
        str | None, typer.Option("--upload", metavar="ID", help="Only the rows of this upload, not all of yours.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    federation: FederationOption = None,
    identity: OwnerOption = None,
) -> None:
    """Delete your rows of a dataset, at all three nodes.

    What was revealed or kept before stays with those who have it.
    """
    from tercet.client.orders import withdraw as take_back

    with owner_nodes(federation, identity) as nodes:
        if not yes:
            whose = f"the rows of upload {upload_id}" if upload_id else f"all rows of {nodes.member.name}"
            typer.confirm(f"Delete {whose} in {dataset} at all three nodes?", abort=True)
        _told(take_back(nodes, dataset, upload=upload_id), f"Withdrawn from {dataset}")


def refresh(
    dataset: DatasetArgument,
    federation: FederationOption = None,
    identity: OperatorOption = None,
) -> None:
    """Draw new shares of the same values, at all three nodes.

    Operators do this on a schedule (cron, a timer). Whoever has stolen the shares of one node before cannot combine
    them with those of another taken later. Old backups are old shares: delete them once there are newer ones.
    """
    from tercet.client.nodes import Nodes
    from tercet.client.orders import refresh as renew
    from tercet.federation.identity import Member

    hint = "name it with --identity FILE; at a node its own identity.pem does"
    who = found(identity, ("operator.pem", "identity.pem"), "identity", hint)
    with Nodes(load_federation(federation), Member.load(who)) as nodes:
        _told(renew(nodes, dataset), f"Refreshed {dataset}")


def _told(outcome: Outcome, what: str) -> None:
    version = "" if outcome.version is None else f"; now version {outcome.version}"
    held = "" if outcome.rows is None else f", {outcome.rows:,} rows"
    console().print(f"{what} at all three nodes{version}{held}.", markup=False)
    if outcome.pending:
        console().print(f"Still to be told: {', '.join(outcome.pending)}; that happens by itself.", markup=False)


# -- lists


def datasets(federation: FederationOption = None, identity: OwnerOption = None, as_json: JsonOption = False) -> None:
    """List the datasets that you may see."""
    from tercet.client.nodes import Nodes
    from tercet.client.orders import datasets as all_datasets
    from tercet.federation.identity import Member

    hint = "name it with --identity FILE; tercet up makes one to try things, tercet identity new NAME one for real"
    who = found(identity, ("owner.pem", "analyst.pem"), "identity", hint)
    with Nodes(load_federation(federation), Member.load(who)) as nodes:
        show_datasets(all_datasets(nodes), as_json=as_json)


def receipts(
    dataset: DatasetArgument,
    federation: FederationOption = None,
    identity: OwnerOption = None,
    as_json: JsonOption = False,
) -> None:
    """List every job that touched a dataset.

    Who asked, for what, and how many numbers were revealed, as the three nodes tell it. A job that not all of them
    tell of is marked.
    """
    from tercet.client.orders import receipts as all_receipts

    with owner_nodes(federation, identity) as nodes:
        listed = all_receipts(nodes, dataset)
        names = [client.name for client in nodes.clients]
    if as_json:
        print_json([{**line.receipt.model_dump(mode="json"), "nodes": line.nodes} for line in listed])
        return
    if not listed:
        console().print(f"No job has touched {dataset}.", markup=False)
        return
    lines = []
    for line in listed:
        receipt = line.receipt
        silent = [name for name in names if name not in line.nodes]
        told = "all three" if not silent else f"NOT {', '.join(silent)}"
        columns, when = ", ".join(receipt.columns), moment(receipt.created)
        lines.append(
            (
                when,
                receipt.analyst_name,
                receipt.purpose,
                columns,
                receipt.numbers,
                receipt.state,
                told,
                receipt.job[:8],
            )
        )
    titles = ("asked", "analyst", "purpose", "columns", "numbers", "state", "told by", "job")
    console().print(rows(grid(*titles, right=(4,)), lines))


COMMANDS: dict[Callable[..., None], str] = {
    upload: example(
        "tercet upload patients.csv --dataset patients --schema patients.toml",
        "zcat more.csv.gz | tercet upload - --dataset patients",
        'tercet upload --sql postgresql+psycopg://me@db/ward "SELECT age, bmi FROM patients" --dataset patients',
    ),
    datasets: example("tercet datasets"),
    receipts: example("tercet receipts patients"),
    withdraw: example("tercet withdraw patients"),
    refresh: example("tercet refresh patients --identity identity.pem"),
}
