"""Puts the playground together: its page, its files, and the routes of its chapters over real parties."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from tercet.client.local import local
from tercet.web.local import Site
from tercet.web.play.cost import cost_routes
from tercet.web.play.malice import malice_routes
from tercet.web.play.multiply import multiply_routes
from tercet.web.play.own import TABLE_PATH, own_routes
from tercet.web.play.parties import ShownParties
from tercet.web.play.regress import regress_routes
from tercet.web.play.split import split_routes
from tercet.web.play.steal import steal_routes
from tercet.web.play.trial_nodes import TrialNodes

FOLDER = Path(__file__).parent / "static"


@contextmanager
def play_site() -> Iterator[Site]:
    """The playground's site, with three parties whose work is shown and a session of three that compute, until the end.

    The thread that loads what later chapters need is not waited for: that may take a minute on a busy machine.
    Who calls it: `tercet play`, and tests.
    """
    threading.Thread(target=_load, name="tercet playground loads").start()
    with ExitStack() as kept:
        nodes = kept.enter_context(closing(TrialNodes()))
        parties = kept.enter_context(closing(ShownParties()))
        computing = kept.enter_context(local())
        site = Site({"/": FOLDER / "play.html"}, {"play": FOLDER}, large=[TABLE_PATH])
        for routes in (
            split_routes(parties, computing),
            multiply_routes(parties),
            steal_routes(parties),
            regress_routes(computing),
            cost_routes(computing),
            malice_routes(nodes),
            own_routes(nodes),
        ):
            site.api.include_router(routes)
        yield site


def _load() -> None:
    """Import what the last chapters need, which takes seconds, while people read the first."""
    import statsmodels.api  # noqa: F401

    import tercet.learn.ordinary  # noqa: F401
