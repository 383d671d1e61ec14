"""The browser of the tests: it sees what it is to see."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from web.browser import WIDTHS, axe, scrolls_sideways, shots, visit

PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>t</title>
<link rel="icon" href="data:,"></head><body><main><h1>t</h1>%s</main></body></html>"""


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(tmp_path)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def write(folder: Path, body: str) -> None:
    (folder / "index.html").write_text(PAGE % body)


def test_a_good_page(browser: Browser, site: str, tmp_path: Path) -> None:
    write(tmp_path, "<p>text</p>")
    with visit(browser) as seen:
        seen.page.goto(site)
        assert axe(seen.page) == []
        made = shots(seen.page, "good", tmp_path)
        assert len(made) == 2 * len(WIDTHS) and all(path.stat().st_size for path in made)


def test_requests_to_others_are_counted(browser: Browser, site: str, tmp_path: Path) -> None:
    write(tmp_path, '<img alt="" src="http://elsewhere.invalid/a.png">')
    with pytest.raises(AssertionError, match="requests to others"), visit(browser) as seen:
        seen.page.goto(site)
        assert seen.foreign == ["http://elsewhere.invalid/a.png"]


def test_errors_of_a_page_are_seen(browser: Browser, site: str, tmp_path: Path) -> None:
    write(tmp_path, "<script>throw new Error('broken')</script>")
    with pytest.raises(AssertionError, match="broken"), visit(browser) as seen:
        seen.page.goto(site)


def test_an_input_without_a_label_is_found(browser: Browser, site: str, tmp_path: Path) -> None:
    write(tmp_path, "<input>")
    with visit(browser) as seen:
        seen.page.goto(site)
        assert [line.split(":")[1] for line in axe(seen.page)] == [" label"]


def test_a_page_that_is_too_wide_is_found(browser: Browser, site: str, tmp_path: Path) -> None:
    write(tmp_path, '<div style="width: 500px">text</div>')
    with visit(browser, width=360) as seen:
        seen.page.goto(site)
        assert scrolls_sideways(seen.page)
