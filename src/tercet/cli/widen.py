"""Agree to wider bounds of a dataset."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from tercet.cli.data import DatasetArgument, owner_nodes
from tercet.cli.options import FederationOption, OwnerOption, example
from tercet.cli.output import console, not_final


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
    screen = console()
    with owner_nodes(federation, identity) as nodes:
        outcome = agree(nodes, dataset, wider)
        if outcome.unsigned:
            screen.print(not_final(outcome.unsigned), markup=False)
        if outcome.version is not None:
            screen.print(
                f"All owners agree: {dataset} has the wider bounds, at all three nodes (version {outcome.version}).",
                markup=False,
                soft_wrap=True,
            )
            return
        found = one_dataset(nodes, dataset)
    me = nodes.member.card.fingerprint
    agreed = next((set(owners) for owners in found.agreeing if me in owners), {me})
    left = sorted({segment.owner_name for segment in found.segments if segment.owner not in agreed})
    screen.print(
        f"Your agreement is noted at all three nodes. It takes effect when all owners of rows agree; yet to agree: "
        f"{', '.join(left)}.",
        markup=False,
        soft_wrap=True,
    )


COMMANDS: dict[Callable[..., None], str] = {
    widen: example("tercet widen weather --schema wider.toml"),
}
