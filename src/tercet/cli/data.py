"""Commands of owners: upload data, list it, see receipts, withdraw it, agree to wider bounds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tercet.cli.listing import show_datasets
from tercet.cli.options import FederationOption, JsonOption, OwnerOption, example, found, load_federation, load_identity
from tercet.cli.output import amount, bar, console, grid, moment, not_final, print_json, rows, say
from tercet.cli.reading import AS_SAID, Missing, MissingOption, SourceArgument, SqlOption, open_rows, reads
from tercet.errors import InputError
from tercet.federation.text import counted

if TYPE_CHECKING:
    from tercet.client.nodes import Nodes
    from tercet.client.upload import UploadReport
    from tercet.client.upload_notes import Mode
    from tercet.federation.api import ChangeOutcome
    from tercet.store.reading import Reading
    from tercet.store.schema import Schema

DatasetArgument = Annotated[str, typer.Argument(metavar="DATASET", help="The name of the dataset.")]
OperatorOption = Annotated[
    Path | None,
    typer.Option(
        "--identity", "-i", metavar="FILE", help="An operator's identity; without it operator.pem or identity.pem."
    ),
]


# -- upload, withdraw


def owner_nodes(federation: Path | None, identity: Path | None, via: str | None = None) -> Nodes:
    """The three nodes, asked as an owner; to be closed."""
    from tercet.client.nodes import Nodes

    return Nodes(load_federation(federation), load_identity(identity, "owner"), via=via)


@reads
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
    reading: Reading = AS_SAID,
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
    from tercet.client.upload import upload as send
    from tercet.store.schema import Schema

    if not dataset:
        raise InputError("the dataset has no name", hint="add --dataset NAME")
    given = None if schema_file is None else Schema.load(schema_file)
    opened = open_rows(source, sql, reading, given)
    with owner_nodes(federation, identity, via) as nodes:
        mode: Mode = "columns" if join else _mode(nodes, dataset, given)
        with bar(console(err=True), f"{opened.name} to {dataset}", 1.0) as done:
            report = send(
                nodes,
                opened,
                dataset=dataset,
                schema=given,
                mode=mode,
                missing=missing.value,
                progress=lambda told: done(told.fraction or 0.0),
                again=again,
            )
    if as_json:
        print_json(asdict(report))
        return
    _show_report(report, {"create": "is made, with", "append": "has", "columns": "has new columns for"}[mode], mode)


def _mode(nodes: Nodes, dataset: str, given: Schema | None) -> Mode:
    """Whether the upload makes the dataset or adds rows. Raises InputError where a schema is missing or another one."""
    from tercet.client.orders import listed
    from tercet.store.schema import Schema

    agreed, differing = listed(nodes)
    if dataset in differing:
        raise differing[dataset]
    known = {each.name: each for each in agreed}
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


def _show_report(report: UploadReport, what: str, mode: str) -> None:
    more = " more" if mode == "append" else ""
    rate = report.values / report.seconds if report.seconds else 0
    screen = console()
    say(
        f"{report.dataset} {what} {report.rows:,}{more} rows, visible at {_where(report.pending)} "
        f"(version {report.version}). "
        f"{report.values:,} values, {amount(report.nbytes)} sent in {report.seconds:.1f} s ({rate:,.0f} values/s)."
    )
    if mode == "append":
        say("They were added to the rows that were there.")
    if not report.remembered:
        say("This is not remembered: the same command would add the rows once more.")
    if report.dropped:
        screen.print(f"{counted(report.dropped, 'row')} with missing values left out.")
    if report.pending:
        say(not_final(report.pending))


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

    What was kept of them as shares is deleted with them. What was revealed before stays with those who have it.
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


def widen(
    dataset: DatasetArgument,
    schema_file: Annotated[
        Path, typer.Option("--schema", "-s", metavar="FILE", help="The dataset's schema with wider bounds.")
    ],
    federation: FederationOption = None,
    identity: OwnerOption = None,
) -> None:
    """Agree to wider bounds, or more categories, of a dataset.

    It must be one in which you have rows. Nothing is uploaded again. Every owner who has rows calls it with the same
    bounds; when the last one has, the dataset has them at all three nodes.
    """
    from tercet.client.orders import dataset as one_dataset
    from tercet.client.orders import widen as agree
    from tercet.store.schema import Schema

    wider = Schema.load(schema_file)
    with owner_nodes(federation, identity) as nodes:
        outcome = agree(nodes, dataset, wider)
        if outcome.unsigned:
            say(not_final(outcome.unsigned))
        if outcome.version is not None:
            say(f"All owners agree: {dataset} has the wider bounds, at all three nodes (version {outcome.version}).")
            return
        found = one_dataset(nodes, dataset)
    me = nodes.member.card.fingerprint
    agreed = next((set(owners) for owners in found.agreeing if me in owners), {me})
    left = sorted({segment.owner_name for segment in found.segments if segment.owner not in agreed})
    say(
        f"Your agreement is noted at all three nodes. It takes effect when all owners of rows agree; yet to agree: "
        f"{', '.join(left)}."
    )


def _where(unsigned: Sequence[str]) -> str:
    return "the nodes that have signed it" if unsigned else "all three nodes"


def _told(outcome: ChangeOutcome, what: str) -> None:
    version = "" if outcome.version is None else f"; now version {outcome.version}"
    held = "" if outcome.rows is None else f", {counted(outcome.rows, 'row')}"
    say(f"{what} at {_where(outcome.unsigned)}{version}{held}.")
    if outcome.unsigned:
        say(not_final(outcome.unsigned))


# -- lists


def datasets(federation: FederationOption = None, identity: OwnerOption = None, as_json: JsonOption = False) -> None:
    """List the datasets that you may see."""
    from tercet.client.nodes import Nodes
    from tercet.client.orders import listed
    from tercet.federation.identity import Member

    hint = "name it with --identity FILE; tercet up makes one to try things, tercet identity new NAME one for real"
    who = found(identity, ("owner.pem", "analyst.pem"), "identity", hint)
    with Nodes(load_federation(federation), Member.load(who)) as nodes:
        agreed, differing = listed(nodes)
    show_datasets(agreed, as_json=as_json)
    for error in differing.values():  # the others are there to be worked with
        say(f"tercet: {error}", err=True)


def receipts(
    dataset: DatasetArgument,
    federation: FederationOption = None,
    identity: OwnerOption = None,
    as_json: JsonOption = False,
) -> None:
    """List every job that touched a dataset.

    Who asked, for what, through which kept results, and how many numbers were revealed, as the three nodes tell it;
    bits are what these numbers can carry, which budgets count. What the results rest on: data that was checked under
    sharing or not, and bounds that are claimed and not proven. A job that not all of them tell of, or not alike, is
    marked.
    """
    from tercet.client.orders import receipts as all_receipts

    with owner_nodes(federation, identity) as nodes:
        listed = all_receipts(nodes, dataset)
        names = [client.name for client in nodes.clients]
    if as_json:
        print_json([{**line.receipt.model_dump(mode="json"), "nodes": line.nodes} for line in listed])
        return
    if not listed:
        say(f"No job has touched {dataset}.")
        return
    lines = []
    for line in listed:
        receipt = line.receipt
        silent = [name for name in names if name not in line.nodes]
        told = "all three" if not silent else f"NOT {', '.join(silent)}"
        columns, when = ", ".join(receipt.columns), moment(receipt.created)
        if receipt.through:
            columns += f" (through {', '.join(receipt.through)})"
        lines.append(
            (
                when,
                receipt.analyst_name,
                receipt.purpose,
                columns,
                receipt.numbers,
                receipt.bits,
                "" if receipt.grounds is None else receipt.grounds.brief(),
                receipt.state,
                told,
                receipt.job[:8],
            )
        )
    titles = ("asked", "analyst", "purpose", "columns", "numbers", "bits", "rests on", "state", "told by", "job")
    console().print(rows(grid(*titles, right=(4, 5)), lines))


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
    widen: example("tercet widen weather --schema wider.toml"),
}
