"""Every chapter of the playground, done as a person would who has a keyboard only; pictures and axe-core afterwards."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

import tercet.web.play
from tercet.web.local import Serving
from tercet.web.play.site import play_site
from web.browser import FIRST_PAINT_MS, Visit, first_paint, shots, visit

TEXTS = json.loads((Path(tercet.web.play.__file__).parent / "static" / "texts.json").read_text(encoding="utf-8"))
SLOW_MS = 200_000
ASSETS_BYTES = 1_000_000


@pytest.fixture(scope="module")
def serving() -> Iterator[Serving]:
    with play_site() as site, Serving(site) as serving:
        yield serving


@pytest.fixture(scope="module")
def seen(browser: Browser, serving: Serving) -> Iterator[Visit]:
    with visit(browser) as seen:
        seen.page.set_default_timeout(SLOW_MS)
        expect.set_options(timeout=SLOW_MS)
        seen.page.goto(serving.link())
        yield seen


def chapter(seen: Visit, key: str) -> Page:
    """The chapter as it begins."""
    seen.page.evaluate("key => { location.hash = key; }", key)
    seen.page.reload()
    seen.page.wait_for_selector(f"main[data-shown={key}]")
    expect(seen.page.locator("h1")).to_have_text(TEXTS[key]["title"])
    return seen.page


def reach(page: Page, name: str) -> None:
    """Press Tab until what has the focus is called so."""
    script = """() => { const one = document.activeElement;
      if (one.matches('body, main')) return [];
      return [one.getAttribute('aria-label'), one.labels?.[0]?.textContent, one.textContent].filter(Boolean); }"""
    for _ in range(120):
        page.keyboard.press("Tab")
        if any(name in found for found in page.evaluate(script)):
            return
    raise AssertionError(f"Tab does not lead to {name!r}")


def press(page: Page, name: str) -> None:
    reach(page, name)
    page.keyboard.press("Enter")


def type_into(page: Page, name: str, text: str) -> None:
    reach(page, name)
    page.keyboard.press("Control+A")
    page.keyboard.type(text)


def finished(page: Page, key: str) -> None:
    """It counts as done, and looks well at all widths, light and dark; axe-core finds nothing serious."""
    expect(page.locator(f'.steps a[href="#{key}"]')).to_have_class("done")


def test_arrow_keys_turn_the_pages(seen: Visit) -> None:
    page = chapter(seen, "stake")
    page.evaluate("document.activeElement.blur()")
    for key in ("split", "add"):
        page.keyboard.press("ArrowRight")
        page.wait_for_selector(f"main[data-shown={key}]")
        assert page.evaluate("document.activeElement.tagName") == "H1"
    page.keyboard.press("ArrowLeft")
    expect(page.locator("h1")).to_have_text(TEXTS["split"]["title"])


def test_at_stake(seen: Visit, tmp_path: Path) -> None:
    page = chapter(seen, "stake")
    reach(page, "A card number")
    page.keyboard.press("ArrowDown")
    expect(page.locator(".loss").first).to_contain_text("$15,000,000")
    type_into(page, TEXTS["stake"]["records"], "1000")
    expect(page.locator(".loss").first).to_contain_text("$150,000")
    expect(page.locator(".loss.none")).to_contain_text("$0")
    finished(page, "stake")
    shots(page, "stake", tmp_path)


def test_split(seen: Visit, tmp_path: Path) -> None:
    page = chapter(seen, "split")
    before = page.locator(".server-box .number").first.text_content()
    type_into(page, TEXTS["split"]["number"], "-7")
    page.keyboard.press("Enter")
    expect(page.locator(".outcome").first).to_contain_text("\u22127")
    assert page.locator(".server-box .number").first.text_content() != before
    press(page, TEXTS["split"]["guess"])
    expect(page.get_by_text("server 3 knows your number: 52,000")).to_be_visible()
    press(page, "4,000 times")
    expect(page.locator(".bars")).to_have_count(2)
    type_into(page, TEXTS["split"]["bound"], "1000000000000")
    page.keyboard.press("Tab")
    page.keyboard.press("End")
    press(page, TEXTS["split"]["grow"])
    expect(page.get_by_text("it comes from multiply")).to_be_visible()
    finished(page, "split")
    shots(page, "split", tmp_path)


def test_what_is_no_number_is_told(seen: Visit) -> None:
    page = chapter(seen, "split")
    type_into(page, TEXTS["split"]["number"], "seven")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("integer")
    assert any("422" in line for line in seen.errors)  # the browser's own line for the refused call
    seen.errors.clear()


def test_add(seen: Visit, tmp_path: Path) -> None:
    page = chapter(seen, "add")
    type_into(page, TEXTS["add"]["b"], "-71000")
    press(page, TEXTS["add"]["subtract"])
    expect(page.locator(".outcome")).to_contain_text("123,000")
    expect(page.locator(".large")).to_have_text("Messages between servers: 0")
    finished(page, "add")
    shots(page, "add", tmp_path)


def test_multiply(seen: Visit, tmp_path: Path) -> None:
    page = chapter(seen, "multiply")
    type_into(page, TEXTS["multiply"]["a"], "-1001")
    page.keyboard.press("Enter")
    expect(page.locator(".outcome")).to_contain_text("45,045")
    press(page, "a2 times b3")
    expect(page.locator(".panel")).to_contain_text("Server 2 has a2 and b3: it can. It did.")
    press(page, "Without server 2")
    expect(page.locator(".panel")).to_contain_text("2 of the nine")
    expect(page.locator(".cell.dim")).to_have_count(2)
    finished(page, "multiply")
    shots(page, "multiply", tmp_path)


def test_steal(seen: Visit, tmp_path: Path) -> None:
    page = chapter(seen, "steal")
    press(page, "Steal server 1")
    expect(page.get_by_text(TEXTS["steal"]["oneOnly"])).to_be_visible()
    press(page, "Steal server 3")
    expect(page.locator(".outcome")).to_contain_text("all 442 values are plain")
    page.evaluate("document.activeElement.blur()")
    press(page, TEXTS["steal"]["refresh"])
    expect(page.locator("main").get_by_text("with 3 messages")).to_be_visible()
    page.evaluate("document.activeElement.blur()")
    press(page, "Steal server 3")
    expect(page.locator(".outcome")).to_contain_text("0 of 442 values are right")
    finished(page, "steal")
    shots(page, "steal", tmp_path)


def test_loot_is_a_file(seen: Visit, tmp_path: Path) -> None:
    page = chapter(seen, "steal")
    press(page, "Steal server 2")
    reach(page, TEXTS["steal"]["save"])
    with page.expect_download() as found:
        page.keyboard.press("Enter")
    found.value.save_as(tmp_path / "loot.csv")
    lines = (tmp_path / "loot.csv").read_text().splitlines()
    assert lines[0] == "plain,x2,x3" and len(lines) == 443


def test_regress(seen: Visit, tmp_path: Path) -> None:
    page = chapter(seen, "regress")
    reach(page, "Owner 1, point 1")
    before = page.locator(".point").first.get_attribute("transform")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowRight")
    assert page.locator(".point").first.get_attribute("transform") != before
    page.keyboard.press("Space")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')").startswith("Owner 1, point 2")
    page.keyboard.press("ArrowDown")
    page.evaluate("document.activeElement.blur()")
    press(page, TEXTS["regress"]["fit"])
    expect(page.locator("line.fit")).to_have_count(1)
    expect(page.get_by_text("rounds of messages")).to_be_visible()
    finished(page, "regress")
    shots(page, "regress", tmp_path)


def test_a_plane_through_rows_of_ones_own(seen: Visit, tmp_path: Path) -> None:
    page = chapter(seen, "regress")
    reach(page, TEXTS["regress"]["kind"])
    page.keyboard.press("ArrowDown")
    for owner, rows in enumerate(("x,z,y\n0,0,1\n1,0,3\n0,1,0", "1,1,2\n2,1,4\n2,2,3.5", "3,1,6\n1,3,0\n3,3,4"), 1):
        page.locator(f"#rows-{owner}").focus()
        page.keyboard.press("Control+A")
        page.keyboard.insert_text(rows)
    page.evaluate("document.activeElement.blur()")
    press(page, TEXTS["regress"]["fit"])
    expect(page.locator("path.plane")).to_have_count(1)
    expect(page.locator("tbody tr")).to_have_count(7)
    shots(page, "plane", tmp_path)
    page.locator("#rows-2").focus()
    page.keyboard.insert_text("nothing")
    expect(page.locator(".outcome")).to_contain_text("of owner 2 is not a row of 3 numbers")


def test_a_point_is_dragged_and_a_file_is_read(seen: Visit, tmp_path: Path) -> None:
    page = chapter(seen, "regress")
    box = page.locator(".point").first.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 80, box["y"] - 60, steps=4)
    page.mouse.up()
    assert not page.locator("#rows-1").input_value().startswith("1, 5.2")
    (tmp_path / "rows.csv").write_text("x,y\n1,2\n2,3.5\n")
    page.locator("input[type=file]").first.set_input_files(tmp_path / "rows.csv")
    expect(page.locator(".point")).to_have_count(14)


def test_what_was_done_is_kept(seen: Visit) -> None:
    page = seen.page
    kept = page.locator(".steps a.done").count()
    page.reload()
    page.wait_for_selector(".steps")
    assert page.locator(".steps a.done").count() == kept > 0


def test_first_paint_and_assets(browser: Browser, serving: Serving) -> None:
    assert first_paint(browser, serving.link, "main[data-shown=stake]") < FIRST_PAINT_MS
    with visit(browser) as other:
        other.page.goto(serving.link())
        other.page.wait_for_selector("main[data-shown=stake]", timeout=SLOW_MS)
        size = other.page.evaluate(
            "performance.getEntriesByType('resource').reduce((n, r) => n + r.decodedBodySize, 0)"
        )
    assert 0 < size < ASSETS_BYTES
    print(f"assets {size} bytes")
