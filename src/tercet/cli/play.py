"""`tercet play`: the playground, a page on this machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from tercet.cli.options import example
from tercet.cli.output import all_there_is, say


def play(
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Where the page is; 0: any free port.")] = 0,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Only show the link.")] = False,
) -> None:
    """Understand it in ten minutes: split, compute, steal a server.

    Starts three parties on this machine and a page that only this machine can open. They are the real ones: what the
    page shows is what they hold and send. Nothing is kept, nothing leaves this machine.
    """
    import webbrowser

    say("Loading the playground and starting its three parties; its link follows in a few seconds.")
    from tercet.web.local import Serving, attend
    from tercet.web.play.site import play_site

    with all_there_is(), play_site() as site, Serving(site, port) as serving:
        say("The playground is ready:")
        attend(serving, "/", say, None if no_browser else webbrowser.open)


COMMANDS: dict[Callable[..., None], str] = {play: example("tercet play", "tercet play --port 8000 --no-browser")}
