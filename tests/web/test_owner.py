"""The owner's page, in a browser, with three real nodes: a table, problems at their cells, receipts, taking it back."""

from __future__ import annotations

import csv
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from playwright.sync_api import Browser, Page, expect

from node.trio_nodes import Nodes
from tercet.client import upload as uploads
from tercet.client.connect import connect
from web.browser import axe, shots
from web.people_pages import opened, served

PATIENTS = Path(__file__).parents[2] / "docs" / "patients.csv"
ROWS = 300
expect.set_options(timeout=90_000)


def bring(page: Page, path: Path) -> None:
    page.get_by_label("Drop a table here").set_input_files(path)
    expect(page.get_by_role("heading", name="What the columns mean")).to_be_visible()


def card(page: Page, name: str) -> Any:
    return page.get_by_role("group", name=name, exact=True)


def changed(folder: Path, cells: dict[tuple[int, str], str]) -> Path:
    """The patients with other texts in some cells: (row from 1, column) to text."""
    with PATIENTS.open(newline="") as file:
        rows = list(csv.reader(file))
    for (row, column), text in cells.items():
        rows[row][rows[0].index(column)] = text
    path = folder / "changed.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


def test_a_table_is_brought_shared_asked_and_taken_back(browser: Browser, nodes: Nodes, tmp_path: Path) -> None:
    with served(nodes, "owner") as site, opened(browser, site, "/owner") as seen:
        page = seen.page
        expect(page.get_by_role("heading", name="Bring a table")).to_be_visible()
        expect(page.get_by_role("heading", name="Datasets with rows of mine")).to_be_visible()
        shots(page, "owner-empty", tmp_path)
        bring(page, PATIENTS)
        assert card(page, "age").get_by_label("lowest possible").input_value() == "0"
        expect(page.get_by_role("table", name="The first 12 rows")).to_contain_text("30.8")
        shots(page, "owner-columns", tmp_path)
        card(page, "ward").get_by_label("share ward").uncheck()
        page.get_by_label("Dataset: a new name").fill("brought")
        page.get_by_role("button", name="Check all rows").click()
        expect(page.get_by_text(f"All is in order: {ROWS} rows.")).to_be_visible()
        assert nodes.version("a", "brought") is None, "a check sends nothing"
        page.get_by_role("button", name="Upload").click()
        expect(page.get_by_text(f"{ROWS} rows are visible in brought")).to_be_visible()
        assert all(version is not None and version[2] == ROWS for version in nodes.versions("brought"))
        with connect(nodes.federation, nodes.people["analyst"], purpose="to see receipts") as net:
            net.query("SELECT AVG(age) FROM brought")
        mine = page.get_by_role("region", name="brought", exact=True)
        mine.get_by_role("button", name="Receipts").click()
        receipts = page.get_by_role("table", name="Jobs that touched brought")
        expect(receipts).to_contain_text("to see receipts")
        expect(receipts).to_contain_text("all three")
        mine.get_by_text("6 columns").click()
        assert "ward" not in mine.get_by_role("table", name="Columns of brought").inner_text()
        shots(page, "owner-receipts", tmp_path)
        mine.get_by_role("button", name="Withdraw all of mine").click()
        expect(page.get_by_role("alertdialog")).to_contain_text("Delete all 300 rows of yours in brought")
        assert axe(page) == []
        page.keyboard.press("Escape")
        expect(page.get_by_role("alertdialog")).to_have_count(0)
        expect(mine.get_by_role("button", name="Withdraw all of mine")).to_be_focused()
        mine.get_by_role("button", name="Withdraw all of mine").click()
        page.get_by_role("button", name="Yes, delete them").click()
        expect(mine).to_have_count(0)
        assert nodes.request("a", "owner", "GET", "/v1/datasets/brought").status_code == 410


def test_a_withdrawal_that_a_node_has_not_signed(browser: Browser, nodes: Nodes) -> None:
    nodes.upload("late", [list(range(20))])
    with served(nodes, "owner") as site, opened(browser, site, "/owner") as seen:
        page = seen.page
        late = {"version": 2, "rows": 0, "unsigned": ["b", "c"]}
        page.route("**/api/owner/datasets/late/withdraw", lambda route: route.fulfill(json=late))
        mine = page.get_by_role("region", name="late", exact=True)
        mine.get_by_role("button", name="Withdraw all of mine").click()
        page.get_by_role("button", name="Yes, delete them").click()
        expect(page.get_by_text("NOT FINAL: b and c has not signed it yet.")).to_be_visible()


def test_options_in_reasons_are_fields_of_the_page(browser: Browser, nodes: Nodes, tmp_path: Path) -> None:
    path = tmp_path / "percent.csv"
    path.write_text("code;part\n" + "".join(f"{row:04};{row % 90},5 %\n" for row in range(40)))
    with served(nodes, "owner") as site, opened(browser, site, "/owner") as seen:
        page = seen.page
        bring(page, path)
        expect(card(page, "part")).to_contain_text("--strip %")
        expect(page.get_by_text("is a field of “How it is read”")).to_be_visible()
        page.get_by_text("How it is read", exact=True).click()
        page.get_by_label("(--strip)").fill("%")
        page.get_by_label("(--decimal)").select_option(",")
        page.get_by_role("button", name="Read it again").click()
        expect(card(page, "part").get_by_label("share part")).to_be_checked()
        card(page, "code").get_by_label("share code").check()
        expect(card(page, "code").get_by_label("kind")).to_have_value("key")


def test_a_workbook_of_several_sheets_offers_them(browser: Browser, nodes: Nodes, tmp_path: Path) -> None:
    path = tmp_path / "visits.xlsx"
    with pd.ExcelWriter(path) as book:
        pd.DataFrame({"note": ["made in May"]}).to_excel(book, sheet_name="About", index=False)
        pd.DataFrame({"age": range(20, 60)}).to_excel(book, sheet_name="Visits 2024", index=False)
        pd.DataFrame().to_excel(book, sheet_name="Empty", index=False)
    with served(nodes, "owner") as site, opened(browser, site, "/owner") as seen:
        page = seen.page
        page.get_by_label("Drop a table here").set_input_files(path)
        menu = page.get_by_label("visits.xlsx has 2 sheets. Which one is the table?")
        expect(menu).to_be_focused()
        assert menu.get_by_role("option").all_inner_texts() == ["choose", "About", "Visits 2024"]
        menu.select_option("Visits 2024")
        expect(card(page, "age").get_by_label("highest possible")).to_be_visible()
        expect(page.get_by_text("40 rows, 1 column.")).to_be_visible()
        expect(page.get_by_label("sheet, of Excel")).to_have_value("Visits 2024")
        seen.expect_errors("422")


def test_problems_are_at_their_cells_with_ways_out(browser: Browser, nodes: Nodes, tmp_path: Path) -> None:
    path = changed(tmp_path, {(7, "age"): "unknown", (9, "bmi"): "", (250, "smoker"): "sometimes"})
    with served(nodes, "owner") as site, opened(browser, site, "/owner") as seen:
        page = seen.page
        bring(page, path)
        expect(card(page, "age")).to_contain_text("row 7 is the first that is no number")
        card(page, "age").get_by_label("kind").select_option("whole number")
        card(page, "age").get_by_label("lowest possible").fill("0")
        card(page, "age").get_by_label("highest possible").fill("120")
        card(page, "bmi").get_by_label("highest possible").fill("30")
        card(page, "bmi").get_by_label("values may be missing").uncheck()
        card(page, "smoker").get_by_label("kind").select_option("yes or no")
        page.get_by_label("Dataset: a new name").fill("problems")
        page.get_by_role("button", name="Upload").click()
        expect(page.get_by_text("problems; nothing was sent")).to_be_visible()
        expect(page.locator("#cell-7-age")).to_have_text("unknownthe value is not a number")
        expect(page.locator("#cell-9-bmi")).to_have_text("emptythe value is missing")
        expect(page.locator("#cell-250-smoker")).to_contain_text("is neither true nor false")
        shots(page, "owner-problems", tmp_path)
        page.get_by_role("button", name="Take “unknown” as missing").click()
        expect(page.locator("#cell-7-age")).to_have_count(0)
        page.get_by_role("button", name="Let values be missing (nullable)").click()
        expect(page.locator("#cell-9-bmi")).to_have_count(0)
        page.get_by_role("button", name="Widen the (public) bounds").click()
        page.get_by_role("button", name="Leave column smoker out").click()
        expect(page.get_by_text("All is in order: 300 rows.")).to_be_visible()
        assert nodes.version("a", "problems") is None


def test_what_is_wrong_with_a_file_or_a_description_is_told(browser: Browser, nodes: Nodes, tmp_path: Path) -> None:
    ragged = tmp_path / "ragged.csv"
    ragged.write_text("a,b\n1,2\n3\n")
    with served(nodes, "owner") as site, opened(browser, site, "/owner") as seen:
        page = seen.page
        page.get_by_label("Drop a table here").set_input_files(ragged)
        expect(page.get_by_role("alert")).to_contain_text("line 3 of ragged.csv")
        assert str(tmp_path) not in page.content() and "/tmp/" not in page.content()
        seen.errors.clear()  # the browser writes each answer of 422 into its console
        page.get_by_role("button", name="Put this table away").click()
        bring(page, PATIENTS)
        card(page, "age").get_by_label("lowest possible").fill("200")
        page.get_by_role("button", name="Upload").click()
        expect(page.get_by_role("alert")).to_contain_text("the dataset has no name")
        page.get_by_label("Dataset: a new name").fill("wrong")
        page.get_by_role("button", name="Upload").click()
        expect(card(page, "age")).to_contain_text("lo = 200 is above hi")


def test_stopped_gone_on_and_refused_twice(
    browser: Browser, nodes: Nodes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    split = uploads.split_chunk

    def slowly(*arguments: Any) -> Any:
        time.sleep(1.5)
        return split(*arguments)

    monkeypatch.setattr(uploads, "chunk_rows_for", lambda *_: 64)
    monkeypatch.setattr(uploads, "split_chunk", slowly)
    path = changed(tmp_path, {(1, "age"): "33"})
    with served(nodes, "owner2") as site, opened(browser, site, "/owner") as seen:
        page = seen.page
        bring(page, path)
        page.get_by_label("Dataset: a new name").fill("stopped")
        page.get_by_role("button", name="Upload").click()
        expect(page.get_by_text("Sending: ")).to_be_visible()
        page.get_by_role("button", name="Stop").click()
        expect(page.get_by_text("Stopped. Nothing of it is visible")).to_be_visible()
        assert nodes.version("a", "stopped") is None
        shots(page, "owner-stopped", tmp_path)
        page.get_by_role("button", name="Go on where it stopped").click()
        expect(page.get_by_text("there already")).to_be_visible()
        expect(page.get_by_text("300 rows are visible in stopped")).to_be_visible()
        page.get_by_role("button", name="Upload").click()
        expect(page.get_by_role("alert")).to_contain_text("changed.csv is in stopped already")
        assert list((nodes.folder / ".tercet-uploads").iterdir())
        assert all(one.stat().st_mode & 0o077 == 0 for one in (nodes.folder / ".tercet-uploads").iterdir())


def test_with_the_keyboard_alone(browser: Browser, nodes: Nodes) -> None:
    with served(nodes, "owner") as site, opened(browser, site, "/owner") as seen:
        page = seen.page
        expect(page.get_by_role("heading", name="Bring a table")).to_be_visible()
        reach(page, "file")
        with page.expect_file_chooser() as chosen:
            page.keyboard.press("Enter")
        chosen.value.set_files(PATIENTS)
        expect(page.get_by_role("heading", name="What the columns mean")).to_be_visible()
        reach(page, "dataset")
        page.keyboard.type("by-keyboard")
        page.keyboard.press("Tab")
        reach(page, "Upload")
        page.keyboard.press("Enter")
        expect(page.get_by_text("300 rows are visible in by-keyboard")).to_be_visible()


def reach(page: Page, what: str) -> None:
    """Press Tab until the focus is on an element of that id, type or text."""
    for _ in range(120):
        page.keyboard.press("Tab")
        told = "[document.activeElement.id, document.activeElement.type, document.activeElement.textContent]"
        if what in page.evaluate(told):
            return
    raise AssertionError(f"Tab does not reach {what}")
