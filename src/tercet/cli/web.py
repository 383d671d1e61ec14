"""`tercet web`: the pages of owners, analysts and operators, served to one person's browser on their own machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from tercet.cli.options import FederationOption, example, federation_path, found
from tercet.cli.output import all_there_is, say

_NAMES = ("owner.pem", "analyst.pem", "operator.pem")

IdentityOption = Annotated[
    Path | None,
    typer.Option(
        "--identity", "-i", metavar="FILE", help=f"Who you are; without it {' or '.join(_NAMES)}, or the node's own."
    ),
]


def web(
    node: Annotated[
        Path | None,
        typer.Option("--node", "-n", metavar="FILE", help="Your own node, for its operator: node.toml, or its folder."),
    ] = None,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Where to listen; 0: any that is free.")] = 0,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Show the link only, open no browser.")] = False,
    federation: FederationOption = None,
    identity: IdentityOption = None,
) -> None:
    """Show pages instead of commands, in your browser.

    They do what the commands do, as the person of your identity: which pages there are follows from your roles at the
    nodes, and an operator's from --node. The site is for this machine only (127.0.0.1), and for who has the link; keys
    stay in this program, which runs until Ctrl-C.
    """
    import webbrowser

    hint = "name it with --identity FILE; tercet up makes one to try things, tercet identity new NAME one for real"
    who = identity if identity is not None or node is not None else found(None, _NAMES, "identity", hint)
    where = federation if federation is not None or node is not None else federation_path(None)
    say("Loading what the pages need; their link follows in a few seconds. The nodes are asked once it is open.")
    from tercet.web.local import Serving, attend
    from tercet.web.people.person import PersonHere
    from tercet.web.people.site import people_site

    with (
        all_there_is(),
        PersonHere(where, who, node) as person,
        Serving(people_site(person), port) as serving,
    ):
        attend(serving, "/", say, None if no_browser else webbrowser.open)


COMMANDS: dict[Callable[..., None], str] = {
    web: example("tercet web", "tercet web --identity ward-7.pem", "tercet web --node /var/lib/tercet"),
}
