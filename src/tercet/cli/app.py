"""Puts the commands of `tercet` together; their code is in the other modules of this folder."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from tercet.cli import ask, audit, data, federation, identity, node, operator, page, play, schema, trial, web
from tercet.cli.output import say, told_in_words


class _Told(TyperGroup):
    """The group of all commands; it prints a TercetError of a command as `tercet: error:` and `tercet: hint:`."""

    def invoke(self, ctx: Any) -> Any:
        with told_in_words():
            return super().invoke(ctx)


app = typer.Typer(
    name="tercet",
    cls=_Told,
    context_settings={"max_content_width": 100},
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        say(f"tercet {version('tercet')}")
        raise typer.Exit


@app.callback()
def tercet(
    show: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    """Compute together on data nobody may show: three servers, secret shares, exact arithmetic.

    \b
    Try it:         demo, up, down, play
    In a browser:   web, page
    As an owner:    identity, schema, upload, datasets, receipts, widen, withdraw
    As an analyst:  identity, query, fit, explain, jobs, result, cancel, kept, drop
    As an operator: node, federation, audit, refresh

    Exit status: 0 done, 1 an error, 2 a wrong command line, 3 refused by a node's policy, 4 held for an operator.
    """


for commands in (trial.COMMANDS, play.COMMANDS, web.COMMANDS, page.COMMANDS, data.COMMANDS, ask.COMMANDS):
    for command, epilog in commands.items():
        app.command(epilog=epilog)(command)
for command, epilog in operator.COMMANDS.items():
    node.app.command(epilog=epilog)(command)
app.add_typer(schema.app, name="schema")
app.add_typer(identity.app, name="identity")
app.add_typer(node.app, name="node")
app.add_typer(federation.app, name="federation")
app.add_typer(audit.app, name="audit")
