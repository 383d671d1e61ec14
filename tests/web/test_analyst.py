"""The analyst's page, on three nodes: tables, questions of every kind, what nodes say before, held and refused jobs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from playwright.sync_api import Browser, Page, expect

import tercet as tc
from node.test_job_faults import policy
from node.trio_nodes import Nodes, assert_ok, make
from tercet.client.infer import infer
from tercet.web.analyst.answers import cell_told
from web.browser import axe, overlapping_texts, shots
from web.people_pages import opened, served

ROWS = 400


def people() -> pd.DataFrame:
    random = np.random.default_rng(5)
    age = random.integers(20, 80, ROWS)
    sex = np.where(random.random(ROWS) < 0.5, "f", "m")
    income = 20_000 + 500 * age + 3_000 * (sex == "m") + random.normal(0, 4_000, ROWS).round()
    ward = np.array(["north", "<b>east</b>", "west"])[random.integers(0, 3, ROWS)]
    ward[:2] = "rare"
    frame = {"age": age, "sex": sex, "income": income.astype(int), "ward": ward, "smoker": random.random(ROWS) < 0.3}
    return pd.DataFrame(frame)


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    """Node c holds jobs on `held`, all refuse those on `refused`."""
    made = make(tmp_path_factory.mktemp("asked"), policy)
    try:
        at_c = made.folder / "c" / "policy.toml"
        at_c.write_text(at_c.read_text().replace('datasets = ["held"]\n', 'datasets = ["held"]\nhold = true\n'))
        for name in "abc":
            path = made.folder / name / "policy.toml"
            text = path.read_text().replace(
                'datasets = ["refused"]\nmin_rows = 5', 'datasets = ["refused"]\nmin_rows = 9999'
            )
            path.write_text(text)
        made.start()
        frame = people()
        with tc.connect(made.folder / "federation.toml", made.folder / "owner.pem") as net:
            for dataset in ("free", "held", "refused"):
                net.upload(frame, dataset=dataset, schema=infer(frame).schema)
        yield made
    finally:
        made.close()


def _answer(page: Page) -> list[list[str]]:
    table = page.get_by_role("region", name="Answer", exact=True).get_by_role("row")
    expect(page.get_by_role("heading", name="Answer")).to_be_visible(timeout=60_000)
    expect(table.first).to_be_visible(timeout=60_000)
    return [row.get_by_role("cell").all_inner_texts() for row in table.all()[1:]]


def _sql(page: Page, text: str) -> None:
    page.get_by_role("radio", name="SQL", exact=True).check()
    page.get_by_label("SQL", exact=True).last.fill(text)


def test_picked_groups_are_answered_with_a_chart(browser: Browser, nodes: Nodes, tmp_path: Path) -> None:
    frame = people()
    with served(nodes, "analyst") as site, opened(browser, site, "/analyst") as seen:
        page = seen.page
        page.get_by_label("For each").select_option("ward")
        page.get_by_label("and", exact=True).select_option("AVG")
        page.get_by_label("column", exact=True).select_option("income")
        expect(page.locator("pre")).to_have_text("SELECT ward, COUNT(*) AS rows, AVG(income) FROM free GROUP BY ward")
        page.get_by_role("button", name="Explain first").click()
        expect(page.get_by_role("heading", name="What it would cost and reveal")).to_be_visible(timeout=60_000)
        expect(page.get_by_text("would run it")).to_have_count(3)
        expect(page.get_by_text("free.ward").first).to_be_attached()
        assert axe(page) == []
        page.get_by_role("button", name="Ask", exact=True).click()
        rows = {row[0]: row[1:] for row in _answer(page)}
        for ward in ("north", "<b>east</b>", "west"):
            here = frame[frame.ward == ward]
            if rows[ward][0] != "not shown":
                assert int(rows[ward][0]) == len(here)
                assert float(rows[ward][1]) == pytest.approx(here.income.mean())
        assert rows["rare"] == ["not shown", "not shown"]
        drawn = page.get_by_role("img", name="Bars of AVG(income)")
        expect(drawn).to_be_visible()
        shown = sum(cells[1] != "not shown" for cells in rows.values())
        assert drawn.locator("rect[fill]").count() == 1 + shown  # the ground, and a bar for each group that is shown
        assert overlapping_texts(drawn) == []
        page.set_viewport_size({"width": 360, "height": 800})
        page.wait_for_function("document.querySelector('figure.chart svg').getBoundingClientRect().width < 340")
        assert overlapping_texts(drawn) == []
        page.set_viewport_size({"width": 1280, "height": 800})
        page.wait_for_function("document.querySelector('figure.chart svg').getBoundingClientRect().width > 700")
        shots(page, "analyst", tmp_path)
        with page.expect_download() as taken:
            page.get_by_role("button", name="Save as SVG").click()
        saved = Path(taken.value.path()).read_text()
        sizes = drawn.locator("text").evaluate_all("all => all.map((one) => getComputedStyle(one).fontSize)")
        assert "<svg" in saved and set(re.findall(r"font-size: (\d+px)", saved)) == set(sizes)
        with page.expect_download() as taken:
            page.get_by_role("button", name="Save as PNG").click()
        assert Path(taken.value.path()).read_bytes().startswith(b"\x89PNG")
        with page.expect_download() as taken:
            page.get_by_role("button", name="Save as CSV").click()
        assert Path(taken.value.path()).read_text().startswith("ward,rows,")
        expect(page.get_by_role("table", name="My jobs, as the nodes have them")).to_contain_text("done")


def test_sql_with_completion_by_keyboard_alone(browser: Browser, nodes: Nodes) -> None:
    with served(nodes, "analyst") as site, opened(browser, site, "/analyst") as seen:
        page = seen.page
        page.get_by_role("radio", name="Pick").focus()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Tab")
        page.keyboard.press("Control+A")
        page.keyboard.type("SELECT AVG(inco")
        expect(page.get_by_role("option", name="income")).to_be_visible()
        page.keyboard.press("ArrowDown")
        assert axe(page) == []
        page.keyboard.press("Enter")
        page.keyboard.type(") FROM free")
        page.keyboard.press("Escape")
        page.keyboard.press("Tab")
        page.keyboard.type("a test")
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        expect(page.get_by_role("button", name="Ask", exact=True)).to_be_focused()
        page.keyboard.press("Enter")
        assert float(_answer(page)[0][0]) == pytest.approx(people().income.mean())


def test_a_regression_has_errors_and_a_forest(browser: Browser, nodes: Nodes, tmp_path: Path) -> None:
    frame = people()
    with served(nodes, "analyst") as site, opened(browser, site, "/analyst") as seen:
        page = seen.page
        page.get_by_role("radio", name="Regression").check()
        page.get_by_label("Explain", exact=True).select_option("income")
        page.get_by_role("button", name="Ask", exact=True).click()
        rows = {row[0]: [float(cell) for cell in row[1:]] for row in _answer(page)}
        exog = frame[["age", "smoker"]].astype(float)
        wanted = sm.OLS(frame.income.astype(float), sm.add_constant(exog)).fit()
        for name in ("const", "age", "smoker"):
            assert rows[name][0] == pytest.approx(wanted.params[name], rel=1e-4)
            assert rows[name][1] == pytest.approx(wanted.bse[name], rel=1e-4)
            assert rows[name][4:] == pytest.approx(list(wanted.conf_int().loc[name]), rel=1e-4)
        expect(page.get_by_text(f"{wanted.rsquared:.4f}")).to_be_visible()
        drawn = page.get_by_role("img", name="Coefficients with intervals")
        expect(drawn).to_be_visible()
        assert drawn.locator("rect").count() == 3
        shots(page, "regression", tmp_path)


def test_a_histogram(browser: Browser, nodes: Nodes, tmp_path: Path) -> None:
    frame = people()
    with served(nodes, "analyst") as site, opened(browser, site, "/analyst") as seen:
        page = seen.page
        page.get_by_role("radio", name="Histogram").check()
        page.get_by_label("Column", exact=True).select_option("age")
        page.get_by_label("Bins").fill("6")
        page.get_by_role("button", name="Ask", exact=True).click()
        rows = _answer(page)
        low, high = float(rows[0][0]), float(rows[-1][1])
        wanted, _ = np.histogram(frame.age, bins=6, range=(low, high))
        assert [row[2] for row in rows if row[2] != "not shown"] == [
            str(count) for row, count in zip(rows, wanted, strict=True) if row[2] != "not shown"
        ]
        drawn = page.get_by_role("img", name="Histogram of 6 bins")
        expect(drawn).to_be_visible()
        assert drawn.locator("rect").count() == 7
        shots(page, "histogram", tmp_path)


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("SELECT income FROM free", "aggregate it"),
        ("SELECT AVG(incme) FROM free", "incme"),
        ("DROP TABLE free", "SELECT"),
        ("SELECT AVG(income) FROM nowhere", "nowhere"),
        ("SELECT AVG(income) FROM refused", "Rule: refused"),
    ],
)
def test_errors_say_what_to_do(browser: Browser, nodes: Nodes, sql: str, told: str) -> None:
    with served(nodes, "analyst") as site, opened(browser, site, "/analyst") as seen:
        page = seen.page
        _sql(page, sql)
        page.get_by_role("button", name="Ask", exact=True).click()
        expect(page.get_by_role("alert")).to_contain_text(told, timeout=30_000)
        assert axe(page) == []


def test_a_question_for_what_is_public_is_answered_after_it_was_to_be_explained(browser: Browser, nodes: Nodes) -> None:
    with served(nodes, "analyst") as site, opened(browser, site, "/analyst") as seen:
        page = seen.page
        _sql(page, "SELECT COUNT(*) FROM free")
        page.get_by_role("button", name="Explain first").click()
        expect(page.get_by_role("alert")).to_contain_text("ask it, it costs nothing")
        page.get_by_role("button", name="Ask", exact=True).click()
        assert _answer(page) == [[str(ROWS)]]
        expect(page.get_by_role("alert")).to_have_count(0)
        seen.expect_errors("422")


def test_a_held_question_waits_and_tells(browser: Browser, nodes: Nodes) -> None:
    with served(nodes, "analyst") as site, opened(browser, site, "/analyst") as seen:
        page = seen.page
        _sql(page, "SELECT AVG(income) FROM held")
        page.get_by_role("button", name="Ask", exact=True).click()
        expect(page.get_by_text("Held by c.").first).to_be_visible(timeout=30_000)
        # the page is usable meanwhile: another question, in another tab that reads the session from this one
        other = page.context.new_page()
        other.goto(page.url)
        _sql(other, "SELECT COUNT(*) FROM free")
        other.get_by_role("button", name="Ask", exact=True).click()
        assert _answer(other) == [[str(ROWS)]]
        held = other.get_by_role("row", name="SELECT AVG(income) FROM held").first
        expect(held).to_contain_text("held")
        job = assert_ok(nodes.request("c", "analyst", "GET", "/v1/jobs?state=held")).json()["jobs"][0]["job"]
        assert_ok(nodes.request("c", "operator", "POST", f"/v1/admin/jobs/{job}/approve", json={"reason": ""}))
        assert float(_answer(page)[0][0]) == pytest.approx(people().income.mean())


def test_a_held_question_is_answered_after_the_page_has_ended(browser: Browser, nodes: Nodes) -> None:
    def held() -> list[str]:
        jobs = assert_ok(nodes.request("c", "analyst", "GET", "/v1/jobs?state=held")).json()["jobs"]
        return [one["job"] for one in jobs]

    with served(nodes, "analyst") as site, opened(browser, site, "/analyst") as seen:
        _sql(seen.page, "SELECT AVG(age) FROM held")
        seen.page.get_by_role("button", name="Ask", exact=True).click()
        expect(seen.page.get_by_text("Held by c.").first).to_be_visible(timeout=30_000)
        seen.page.goto("about:blank")
    (job,) = held()
    assert_ok(nodes.request("c", "operator", "POST", f"/v1/admin/jobs/{job}/approve", json={"reason": ""}))
    nodes.wait_for(lambda: not held())
    with served(nodes, "analyst") as site, opened(browser, site, "/analyst") as seen:
        page = seen.page
        row = page.get_by_role("table", name="My jobs, as the nodes have them").get_by_role("row", name=job[:8])
        expect(row).to_contain_text("done", timeout=30_000)
        row.get_by_role("button", name=f"Fetch the answer of job {job[:8]}").click()
        assert float(_answer(page)[0][0]) == pytest.approx(people().age.mean())
        # the list is drawn again when the answer is there, and by each question that is asked
        expect(page.get_by_role("table", name="Questions of this page")).to_contain_text("done")
        expect(page.get_by_role("region", name="Answer", exact=True)).to_be_visible()
        expect(page.get_by_text("SELECT AVG(age) FROM held").first).to_be_visible()


def test_a_question_is_cancelled(browser: Browser, nodes: Nodes) -> None:
    with served(nodes, "analyst") as site, opened(browser, site, "/analyst") as seen:
        page = seen.page
        _sql(page, "SELECT SUM(income) FROM held")
        page.get_by_role("button", name="Ask", exact=True).click()
        expect(page.get_by_text("Held by c.").first).to_be_visible(timeout=30_000)
        page.get_by_role("button", name="Cancel", exact=True).first.click()
        expect(page.get_by_text("Cancelled: nothing of it became plain.")).to_be_visible(timeout=30_000)
        nodes.wait_for(
            lambda: not assert_ok(nodes.request("c", "analyst", "GET", "/v1/jobs?state=held")).json()["jobs"]
        )


def test_ten_thousand_rows_do_not_freeze_the_page(browser: Browser, nodes: Nodes) -> None:
    with served(nodes, "analyst") as site, opened(browser, site, "/analyst") as seen:
        page = seen.page
        expect(page.get_by_role("heading", name="Asked before")).to_be_visible()  # what is drawn first would go again
        took = page.evaluate(
            """async () => {
                const { dataTable } = await import("/static/base/table.js");
                const rows = Array.from({ length: 10000 }, (_, at) => [
                    { text: `group ${at}` }, { text: String((at * 7919) % 10007), number: (at * 7919) % 10007 }]);
                const began = performance.now();
                document.querySelector("main").prepend(dataTable("Many", ["group", "number"], rows, "many"));
                await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
                return performance.now() - began;
            }"""
        )
        assert took < 1000
        table = page.get_by_role("table", name="Many")
        assert table.get_by_role("row").count() < 120
        page.get_by_role("button", name="number", exact=True).click()
        expect(table.get_by_role("cell").nth(1)).to_have_text("0")
        page.get_by_role("region", name="Many").evaluate("box => { box.scrollTop = box.scrollHeight; }")
        expect(table.get_by_role("cell").last).to_have_text("10006")


def test_cells_keep_their_digits() -> None:
    assert cell_told(2**60).text == str(2**60)
    assert cell_told(float("nan")).hidden
    assert cell_told(None).text == "NULL"
    assert (cell_told(True).text, cell_told(True).number) == ("true", None)
