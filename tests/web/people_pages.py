"""The pages of one person, served to a browser of a test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser

from node.trio_nodes import Nodes
from tercet.web.local import Serving
from tercet.web.people.person import PersonHere
from tercet.web.people.site import people_site
from web.browser import Visit, visit


@contextmanager
def served(nodes: Nodes, person: str, own: str | None = None) -> Iterator[Serving]:
    """The site of a person of `nodes`; `own`: the name of the node that they operate."""
    folder = nodes.folder
    node: Path | None = None if own is None else folder / own
    with (
        PersonHere(folder / "federation.toml", folder / f"{person}.pem", node) as who,
        Serving(people_site(who)) as site,
    ):
        yield site


@contextmanager
def opened(browser: Browser, serving: Serving, path: str, **options: object) -> Iterator[Visit]:
    """A page of the site, open in the browser."""
    with visit(browser, **options) as seen:  # type: ignore[arg-type]
        seen.page.set_default_timeout(90_000)  # a busy machine
        seen.page.goto(serving.link(path))
        yield seen
