"""`tercet identity`: the keys of an owner, an analyst or an operator, and the card that others get."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from tercet.cli.options import JsonOption, example
from tercet.cli.output import facts, grouped, moment, print_json, say

app = typer.Typer(no_args_is_help=True, help="Keys of a person, and the public card of them.")

_DAYS_A_YEAR = 365


class IdentityRole(StrEnum):
    """What a person may be at a node."""

    OWNER = "owner"
    ANALYST = "analyst"
    OPERATOR = "operator"


@app.command(epilog=example("tercet identity new dr-weber", "tercet identity new owner --folder keys"))
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Letters, digits and . _ @ -; others see it.")],
    folder: Annotated[Path, typer.Option("--folder", metavar="FOLDER", help="Where the two files go.")] = Path(),
    years: Annotated[int, typer.Option("--years", min=1, max=10, help="How long the certificate lasts.")] = 3,
) -> None:
    """Make keys for a person, and the card that operators get.

    NAME.pem holds the private keys, and is yours alone. It is written for your eyes only (mode 600) and never
    overwritten; keep a copy where you keep passwords. Send NAME.card.pem to the three operators, and read them its
    fingerprint over another channel.
    """
    from tercet.federation.identity import Member

    member = Member.create(name, valid_for=timedelta(days=years * _DAYS_A_YEAR))
    folder.mkdir(parents=True, exist_ok=True)
    private, public = folder / f"{name}.pem", folder / f"{name}.card.pem"
    member.save(private)
    public.write_text(member.card.pem(), encoding="ascii")
    facts(
        {
            "identity": f"{private} (private: keep it, show it to nobody)",
            "card": f"{public} (public: send it to the operators)",
            "fingerprint": grouped(member.card.fingerprint),
            "valid until": moment(member.card.not_after),
        }
    )


@app.command(
    epilog=example(
        "tercet identity show dr-weber.card.pem", "tercet identity show dr-weber.card.pem --role owner >> policy.toml"
    )
)
def show(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="An identity, or a card.")],
    role: Annotated[
        list[IdentityRole] | None,
        typer.Option("--role", help="Print the lines for policy.toml that give this role; may be repeated."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Say whose file this is: name, fingerprint, how long it lasts."""
    from tercet.federation.identity import Card

    card = Card.load(path)
    if role:
        roles = ", ".join(f'"{each}"' for each in role)
        say(f'\n[[people]]\nname = "{card.name}"\nfingerprint = "{card.fingerprint}"\nroles = [{roles}]')
    elif as_json:
        print_json({"name": card.name, "fingerprint": card.fingerprint, "not_after": card.not_after.isoformat()})
    else:
        left = card.days_left()
        facts(
            {
                "name": card.name,
                "fingerprint": grouped(card.fingerprint),
                "valid until": f"{moment(card.not_after)} ({left} days)" if left >= 0 else "it has ended",
            }
        )
