"""`tercet audit`: check and read what nodes have recorded, offline, from the files that `tercet node audit` exports."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tercet.cli.listing import SHORT
from tercet.cli.options import FederationOption, JsonOption, example, load_federation
from tercet.cli.output import console, grid, moment, print_json, rows, say
from tercet.errors import ConfigError, IntegrityError
from tercet.federation.text import counted

if TYPE_CHECKING:
    from tercet.federation.federation import Federation
    from tercet.federation.identity import Card
    from tercet.store.audit import Entry

app = typer.Typer(no_args_is_help=True, help="Check and read what nodes have recorded, offline.")

_SHOWN = 60
_EPOCHS = 1e9
"""Floats beyond are Unix seconds: no job takes thirty years."""
_EVIDENCE = ("certificate", "evidence", "reasons", "signature")
_DEFECTS = 20

FilesArgument = Annotated[
    list[Path], typer.Argument(metavar="FILE...", help="Exports: tercet node audit --export FILE, at each node.")
]
CardsOption = Annotated[
    list[Path] | None,
    typer.Option("--card", metavar="FILE", help="An earlier certificate of a node, from before its keys were rotated."),
]


@app.command(
    epilog=example("tercet audit verify a.audit.jsonl", "tercet audit verify a.audit.jsonl b.audit.jsonl c.audit.jsonl")
)
def verify(
    files: FilesArgument, federation: FederationOption = None, card: CardsOption = None, as_json: JsonOption = False
) -> None:
    """Check records, alone and against each other, offline.

    Each entry must be bound to the one before and be signed by its node. Nodes sign each other's newest entry at
    every job; with the records of several, a changed, removed or cut-off entry of one shows in the others.
    """
    from tercet.store.audit import cross_check

    nodes = load_federation(federation)
    chains = [(path, *_chain(path, nodes, card or [])) for path in files]
    defects = cross_check([(cards, entries) for _, cards, entries in chains])
    if as_json:
        print_json({"whole": not defects, "defects": defects, "entries": {c[0].name: len(e) for _, c, e in chains}})
    else:
        lines = []
        for path, cards, entries in chains:
            name = cards[0].name
            state = "NOT WHOLE" if any(line.startswith(f"{name}: ") for line in defects) else "whole"
            lines.append((path, name, len(entries), entries[0].time, entries[-1].time, state))
        console().print(rows(grid("file", "node", "entries", "from", "to", "", right=(2,)), lines))
        for line in defects[:_DEFECTS]:
            say(line)
        if len(chains) > 1 and not defects:
            console().print("The records agree with each other.")
    if defects:
        raise IntegrityError(
            f"{counted(len(defects), 'defect')} in {counted(len(chains), 'record')}",
            hint="keep the files, and ask the operators concerned",
        )


@app.command(epilog=example("tercet audit show a.audit.jsonl --kind job --kind refused"))
def show(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An export of tercet node audit.")],
    kind: Annotated[
        list[str] | None, typer.Option("--kind", help="Only entries of this kind; may be repeated.")
    ] = None,
    last: Annotated[int, typer.Option("--last", min=1, help="How many entries, counted from the newest.")] = _SHOWN,
    as_json: JsonOption = False,
) -> None:
    """Show a record as a table. Nothing is checked: see `verify`."""
    entries = [entry for entry in _read(file) if not kind or entry.kind in kind]
    show_entries(entries[-last:], as_json=as_json)
    if not as_json and len(entries) > last:
        console().print(f"\n{len(entries) - last} older ones: --last {len(entries)}")
    if kind and not entries:
        kinds = Counter(entry.kind for entry in _read(file))
        raise ConfigError(f"no entry is of kind {', '.join(kind)}", hint=f"there are {', '.join(sorted(kinds))}")


def show_entries(entries: Sequence[Entry], *, as_json: bool) -> None:
    """Entries as a table, or as JSON."""
    if as_json:
        print_json([entry.model_dump(mode="json") for entry in entries])
        return
    lines = [(entry.number, f"{entry.time[:19]}Z", entry.kind, details_line(entry)) for entry in entries]
    console().print(rows(grid("no.", "time", "kind", "details", right=(0,)), lines), soft_wrap=True)


def details_line(entry: Entry) -> str:
    """What an entry says, in a line: hashes by their first digits, evidence left out. The file has it whole."""
    told = {name: _short(value) for name, value in entry.details.items() if name not in _EVIDENCE}
    return "  ".join(f"{name}={text}" for name, text in told.items() if text)


def _short(value: Any) -> str:
    if isinstance(value, dict):
        return ""
    if isinstance(value, float):
        return moment(value) if value > _EPOCHS else f"{value:.3f}"
    text = ",".join(map(str, value)) if isinstance(value, list) else str(value if value is not None else "")
    if re.fullmatch("[0-9a-f]{32,}", text):
        return text[:SHORT]
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _read(path: Path) -> list[Entry]:
    from tercet.store.audit import read_entries

    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise ConfigError(f"cannot read {path}: {why}", hint="export it: tercet node audit --export FILE") from None
    return read_entries(lines)


def _chain(path: Path, federation: Federation, earlier: Sequence[Path]) -> tuple[list[Card], list[Entry]]:
    """The entries of an export, and the cards of the node that signed the newest, the present one first."""
    from tercet.federation.identity import Card

    entries = _read(path)
    if not entries:
        raise ConfigError(f"{path} has no entries", hint="export it: tercet node audit --export FILE")
    known = [*federation.cards, *(Card.load(each) for each in earlier)]
    signer = next((card for card in known if card.fingerprint == entries[-1].signer), None)
    if signer is None:
        raise IntegrityError(
            f"{path} is signed by {entries[-1].signer[:16]}, which is none of these nodes",
            hint="compare the federation file; name earlier certificates with --card",
        )
    return [signer, *(card for card in known if card.name == signer.name and card != signer)], entries
