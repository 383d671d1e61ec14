"""The playground's later chapters as people walk through them: by keyboard, at three widths, light and dark."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tercet.node.processes import Process
from tercet.web.local import Serving
from tercet.web.play.site import play_site
from web.browser import Visit, shots, visit

pytestmark = pytest.mark.nodes
PATIENCE_MS = 200_000.0


@pytest.fixture(scope="module")
def serving() -> Iterator[Serving]:
    with play_site() as site, Serving(site) as made:
        yield made


@pytest.fixture
def seen(browser: Browser, serving: Serving) -> Iterator[Visit]:
    with visit(browser) as made:
        made.page.set_default_timeout(PATIENCE_MS)
        made.page.goto(serving.link())
        made.page.wait_for_selector("main[data-shown]")
        yield made


def turn_to(page: Page, key: str) -> None:
    """Go to a chapter as a reader of the list of chapters does."""
    page.locator(f"#chapters a[href='#{key}']").press("Enter")
    page.wait_for_selector(f"main[data-shown={key}]")


def press(page: Page, name: str) -> None:
    """Press a button by keyboard, and wait until it can be pressed again."""
    button = page.get_by_role("button", name=name, exact=True)
    button.press("Enter")
    expect(button).to_be_enabled(timeout=PATIENCE_MS)


def done(page: Page, key: str) -> None:
    expect(page.locator(f"#chapters a[href='#{key}']")).to_have_class("done")


def test_what_it_costs(seen: Visit, tmp_path: Path) -> None:
    page = seen.page
    turn_to(page, "cost")
    page.get_by_label("A question").press("ArrowDown")
    press(page, "Measure")
    done(page, "cost")
    first = page.locator("table").first
    assert first.locator("tbody tr").count() >= 5
    assert "one country" in first.inner_text()
    money = page.locator("table").nth(1)
    before = money.inner_text()
    page.get_by_label("One server, USD an hour").fill("100")
    assert money.inner_text() != before
    page.get_by_text("What the servers did, as a picture").press("Enter")
    page.wait_for_selector("details[open] svg[role=img]")
    shots(page, "cost", tmp_path)


def test_malice_and_collusion(seen: Visit, tmp_path: Path) -> None:
    page = seen.page
    turn_to(page, "malice")
    page.get_by_label("In which of its messages").press("End")
    press(page, "Flip one bit of it")
    expect(page.locator(".outcome").first).to_contain_text("aught")
    press(page, "Flip a bit of every message, one run each")
    expect(page.locator(".outcome").first).to_contain_text("gave a wrong answer")
    press(page, "Put together what they store")
    expect(page.locator(".outcome").nth(1)).to_contain_text("every income")
    page.get_by_role("checkbox", name="Server 2").press("Space")
    press(page, "Put together what they store")
    expect(page.locator(".outcome").nth(1)).to_contain_text("random numbers")
    page.get_by_label("What to do to it").press("End")
    press(page, "Forge a copy and check it")
    expect(page.locator(".outcome").nth(2)).to_contain_text("Caught")
    press(page, "Show the three records")
    done(page, "malice")
    shots(page, "malice", tmp_path)


def test_ones_own_python(seen: Visit, tmp_path: Path) -> None:
    page = seen.page
    turn_to(page, "own")
    page.get_by_label("An example to begin with").press("ArrowDown")
    page.get_by_label("Code: net is a session").press("Control+Enter")
    page.wait_for_selector("button.go")
    expect(page.locator("button.go")).to_be_focused()
    shots(page, "own-waits", tmp_path)
    page.keyboard.press("Enter")
    expect(page.locator("pre").last).to_contain_text("mean 63,250", timeout=PATIENCE_MS)
    done(page, "own")
    shots(page, "own-ran", tmp_path)
    code = page.get_by_label("Code: net is a session")
    code.fill("x = 1\nx / 0")
    press(page, "Run")
    expect(page.locator(".trouble")).to_contain_text("Line 2: ZeroDivisionError")
    code.fill("while True: pass")
    page.get_by_role("button", name="Run", exact=True).press("Enter")
    page.get_by_role("button", name="Stop", exact=True).press("Enter")
    expect(page.get_by_role("button", name="Run", exact=True)).to_be_enabled(timeout=PATIENCE_MS)


def test_code_ends_when_another_chapter_is_shown(seen: Visit) -> None:
    page = seen.page
    turn_to(page, "own")
    page.get_by_label("Code: net is a session").fill(
        "import os, time\nprint(os.getpid(), flush=True)\ntime.sleep(1000)"
    )
    page.get_by_role("button", name="Run", exact=True).press("Enter")
    expect(page.locator("pre").last).to_contain_text(re.compile(r"\d+\n"), timeout=PATIENCE_MS)
    process = Process.of(int(page.locator("pre").last.inner_text()))
    assert process is not None
    turn_to(page, "stake")
    until = time.monotonic() + 30
    while process.alive and time.monotonic() < until:
        time.sleep(0.1)
    assert not process.alive


def test_errors_of_a_chapter_are_shown(seen: Visit) -> None:
    page = seen.page
    page.route("**/chapters/own.js", lambda route: route.abort())
    page.locator("#chapters a[href='#own']").press("Enter")
    expect(page.locator("main").get_by_role("alert")).to_be_visible()
    seen.expect_errors("ERR_FAILED")


def test_errors_of_orders_are_shown(seen: Visit) -> None:
    page = seen.page
    turn_to(page, "own")
    told = {"error": "input", "message": "no code is running", "hint": "run it again"}
    for order in ("go", "stop"):
        page.route(f"**/api/own/{order}", lambda route: route.fulfill(status=422, json=told))
    page.get_by_label("Code: net is a session").fill("net.share([1, 2]).sum().reveal()")
    page.get_by_role("button", name="Run", exact=True).press("Enter")
    page.locator("button.go").press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("no code is running")
    page.get_by_role("button", name="Stop", exact=True).press("Enter")
    expect(page.get_by_role("alert")).to_have_count(2)
    seen.expect_errors("422")


def test_ones_own_sql(seen: Visit, tmp_path: Path) -> None:
    page = seen.page
    turn_to(page, "own")
    table = tmp_path / "table.csv"
    table.write_text("age,score\n" + "\n".join(f"{20 + at},{at % 7}" for at in range(40)))
    page.get_by_label("A table: CSV").set_input_files(table)
    press(page, "Split it among the servers")
    query = page.get_by_label("Query")
    assert "SELECT COUNT(*) FROM table1" in query.input_value()
    query.fill("SELECT AVG(score) FROM table1 WHERE age > 30")
    press(page, "Explain and run")
    done(page, "own")
    assert page.locator("table").last.locator("tbody tr").count() == 3
    shots(page, "own-sql", tmp_path)
