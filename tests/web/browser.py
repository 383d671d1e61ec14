"""A real browser for tests: Debian's Chromium, without a window, driven by Playwright.

    with chromium() as browser, visit(browser) as seen:       # or the fixture `browser` of tests/web/conftest.py
        seen.page.goto("http://127.0.0.1:8000/")
        assert axe(seen.page) == []
        shots(seen.page, "start", folder)

A visit ends with an error if the page asked for anything that is not on this machine, or if its console has an error
(a breach of its Content-Security-Policy is one). Where Chromium is missing, tests that ask for it are skipped.

Playwright keeps an event loop in the thread that drives it: no test of the same module may call `asyncio.run`.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Request, sync_playwright

PACKAGE = "chromium"
WIDTHS = (360, 800, 1280)
HEIGHT = 800
GRAVE = ("serious", "critical")
FIRST_PAINT_MS = 1_000
PATIENCE_MS = 60_000
"""What a page does on a machine that is busy with other tests takes seconds."""
_LOCAL = ("127.0.0.1", "localhost", "[::1]")
_NOT_SENT = ("about", "blob", "data")
_ARGUMENTS = [
    # root has no sandbox, and in containers there is none for anybody
    "--no-sandbox",
    "--disable-dev-shm-usage",
    # whatever a page asks for elsewhere, no name is looked up
    f"--host-resolver-rules=MAP * ~NOTFOUND, {', '.join(f'EXCLUDE {host}' for host in _LOCAL)}",
]


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser that runs; ended at the end. Skips where there is none."""
    found = shutil.which("chromium")
    if found is None:
        pytest.skip(f"no browser here: install the Debian package {PACKAGE}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=_ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Visit:
    """A page, and what it did that it should not."""

    page: Page
    foreign: list[str] = field(default_factory=list)
    """Addresses of requests to anything but this machine."""
    errors: list[str] = field(default_factory=list)
    """Errors of scripts, and lines of the console at the level of errors. Some are meant: `expect_errors`."""

    def expect_errors(self, words: str) -> None:
        """Errors with these words are meant to be there."""
        others = [error for error in self.errors if words not in error]
        assert len(others) < len(self.errors), f"no error with {words!r}: {self.errors}"
        self.errors[:] = others

    def request(self, request: Request) -> None:
        url = urlsplit(request.url)
        if url.scheme not in _NOT_SENT and url.hostname not in ("127.0.0.1", "localhost", "::1"):
            self.foreign.append(request.url)

    def console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(f"{message.text} ({message.location.get('url', '')})")


@contextmanager
def visit(browser: Browser, *, width: int = 1280, dark: bool = False, **options: Any) -> Iterator[Visit]:
    """A page with a profile of its own; `options` are those of Playwright's `new_context`.

    Certificates are not checked: those of nodes are self-signed.
    """
    context = browser.new_context(
        viewport={"width": width, "height": HEIGHT},
        color_scheme="dark" if dark else "light",
        ignore_https_errors=True,
        reduced_motion="reduce",
        **options,
    )
    context.set_default_timeout(PATIENCE_MS)
    try:
        seen = Visit(context.new_page())
        context.on("request", seen.request)
        context.on("console", seen.console)
        context.on("weberror", lambda error: seen.errors.append(str(error.error)))
        yield seen
        assert not seen.foreign, f"requests to others: {seen.foreign}"
        assert not seen.errors, f"errors of the page: {seen.errors}"
    finally:
        context.close()


def first_paint(browser: Browser, link: Callable[[], str], ready: str) -> float:
    """Milliseconds until a page shows something, the quickest of three visits: a busy machine paints late.

    `link` gives a new one for each; `ready`: a selector of what is there once the page is made, whose time is printed.
    """
    paints, made = [], []
    for _ in range(3):
        with visit(browser) as seen:
            seen.page.goto(link())
            seen.page.wait_for_selector(ready)
            made.append(seen.page.evaluate("performance.now()"))
            paints.append(
                seen.page.evaluate("performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? Infinity")
            )
    print(f"first paint {min(paints):.0f} ms, whole after {min(made):.0f} ms")
    return float(min(paints))


def axe(page: Page) -> list[str]:
    """What axe-core finds in the page as it stands that is serious or critical: a line for each element."""
    found = Axe().run(page).response["violations"]
    return [
        f"{each['impact']}: {each['id']}: {node['html'][:200]} ({each['help']})"
        for each in found
        if each["impact"] in GRAVE
        for node in each["nodes"]
    ]


def scrolls_sideways(page: Page) -> bool:
    """Whether the page is wider than the window."""
    return bool(page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))


def overlapping_texts(drawing: Locator) -> list[tuple[str, str]]:
    """Pairs of texts of an SVG that lie on each other."""
    script = """texts => { const found = [];
      const boxes = texts.map((one) => [one.textContent, one.getBoundingClientRect()]);
      boxes.forEach(([first, a], at) => boxes.slice(at + 1).forEach(([second, b]) => {
        const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
        const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
        if (across > 1 && down > 3) found.push([first, second]);
      }));
      return found; }"""
    return [(first, second) for first, second in drawing.locator("text").evaluate_all(script)]


def shots(page: Page, name: str, folder: Path) -> list[Path]:
    """Pictures of the whole page as it stands at each width, light and dark: NAME-360-dark.png, and so on.

    Raises AssertionError where it scrolls sideways or axe-core finds something serious.
    """
    before, made = page.viewport_size, []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": HEIGHT})
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            assert not scrolls_sideways(page), f"{name} scrolls sideways at {width} pixels"
            found = axe(page)
            assert not found, f"{name} at {width} pixels, {scheme}: {found}"
            made.append(folder / f"{name}-{width}-{scheme}.png")
            page.screenshot(path=made[-1], full_page=True)
    page.emulate_media(color_scheme="null")
    if before is not None:
        page.set_viewport_size(before)
    return made
