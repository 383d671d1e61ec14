"""The operator's page of one node, in a browser, with three real nodes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Route, expect

from node.trio_nodes import Nodes, everybody, trio
from tercet.client.asking import Held
from tercet.client.connect import connect
from tercet.federation.identity import Member
from web.browser import FIRST_PAINT_MS, first_paint, shots, visit
from web.people_pages import opened, served
from web.test_owner import reach


def holding(people: dict[str, Member]) -> str:
    """Every job waits for the operator."""
    return everybody(people) + (
        '[[owners]]\npeople = ["*"]\ndatasets = ["*"]\nmay = ["create", "append", "withdraw"]\n'
        '[[rules]]\nname = "read-first"\nanalysts = ["*"]\ndatasets = ["*"]\nmin_rows = 2\ncohort = 2\nhold = true\n'
    )


@pytest.fixture(scope="module")
def held_nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    with trio(tmp_path_factory.mktemp("held"), holding, lanes=1) as running:
        running.upload("ages", [list(range(20, 60))])
        yield running


def ask_something(nodes: Nodes, purpose: str) -> str:
    with connect(nodes.federation, nodes.people["analyst"], purpose=purpose) as net, pytest.raises(Held) as held:
        net.query("SELECT AVG(x) FROM ages")
    return held.value.job


def test_a_day_at_a_node(browser: Browser, held_nodes: Nodes, tmp_path: Path) -> None:
    nodes = held_nodes
    job = ask_something(nodes, "the board wants it")
    with served(nodes, "operator", "a") as site, opened(browser, site, "/operator") as seen:
        page = seen.page
        expect(page.get_by_role("heading", name="My node: a")).to_be_visible()
        today = page.locator("#today")
        expect(today).to_contain_text("analyst asks about ages, for 'the board wants it'")
        held = page.get_by_role("region", name=f"Held job {job[:8]}")
        expect(held.get_by_role("region", name="What it discloses")).to_contain_text("40 rows")
        shots(page, "operator", tmp_path)
        policy = page.locator("#policy")
        expect(policy).to_contain_text("EACH JOB WAITS until an operator here lets it through.")
        policy.get_by_role("listitem").filter(has_text="read-first").get_by_role("button").click()
        expect(policy.locator(".here")).to_contain_text("[[rules]]")
        held.get_by_label("Reason").fill("read, and in order")
        held.get_by_role("button", name="Approve at this node").click()
        expect(held).to_have_count(0)
        assert nodes.request("a", "operator", "GET", f"/v1/jobs/{job}").json()["state"] == "queued"
        page.get_by_role("button", name="Renew the shares of ages").click()
        expect(page.locator("#datasets")).not_to_contain_text("not yet")
        late = {"version": 2, "unsigned": ["c"]}
        page.route("**/api/operator/datasets/ages/refresh", lambda route: route.fulfill(json=late))
        page.get_by_role("button", name="Renew the shares of ages").click()
        expect(page.locator("#datasets")).to_contain_text("NOT FINAL: c has not signed it yet.")
        page.get_by_role("button", name="Check the whole record").click()
        expect(page.get_by_text("The record is whole")).to_be_visible()
        page.get_by_role("button", name="Older ones").focus()
        expect(page.get_by_role("table", name="The newest entries")).to_contain_text("job")
        expect(page.get_by_role("table", name="Certificates of the three nodes")).to_contain_text("20")


def test_denied_with_the_keyboard_alone(browser: Browser, held_nodes: Nodes) -> None:
    job = ask_something(held_nodes, "no good reason")
    with served(held_nodes, "operator", "b") as site, opened(browser, site, "/operator") as seen:
        page = seen.page
        expect(page.get_by_role("region", name=f"Held job {job[:8]}")).to_be_visible()
        reach(page, f"reason-{job}")
        page.keyboard.type("ask the board first")
        reach(page, "Deny")
        page.keyboard.press("Enter")
        expect(page.get_by_role("region", name=f"Held job {job[:8]}")).to_have_count(0)
        row = page.get_by_role("table", name="Jobs, newest first").get_by_role("row").filter(has_text=job[:8])
        expect(row).to_contain_text("refused")


def test_a_job_that_comes_moves_no_button(browser: Browser, held_nodes: Nodes) -> None:
    first = ask_something(held_nodes, "the first")
    with served(held_nodes, "operator", "b") as site, opened(browser, site, "/operator") as seen:
        held = seen.page.get_by_role("region", name="Held job")
        expect(held.filter(has_text="the first")).to_be_visible()
        second = ask_something(held_nodes, "the second")
        later = held.filter(has_text="the second")
        expect(later).to_be_visible(timeout=30_000)
        whole = "".join(held.all_inner_texts())
        assert whole.index("the first") < whole.index("the second")
        expect(later.get_by_role("button").first).to_be_enabled()
        for job in (first, second):
            held_nodes.request("b", "operator", "POST", f"/v1/admin/jobs/{job}/deny", json={"reason": "a test"})


def test_what_is_wrong_is_at_the_top(browser: Browser, held_nodes: Nodes, tmp_path: Path) -> None:
    nodes = held_nodes
    path = nodes.folder / "a" / "policy.toml"
    before = path.read_text()
    nodes.kill("c")
    try:
        path.write_text(before.replace("hold = true", "hold = 7"))
        with served(nodes, "operator", "a") as site, opened(browser, site, "/operator") as seen:
            page = seen.page
            today = page.locator("#today")
            expect(today).to_contain_text("c does not answer")
            expect(today).to_contain_text("the policy file is not in force")
            expect(page.locator("#policy").get_by_role("alert")).to_contain_text("hold")
            shots(page, "operator-trouble", tmp_path)
    finally:
        path.write_text(before)
        nodes.start("c")


def test_one_look_at_a_time(browser: Browser, held_nodes: Nodes) -> None:
    with served(held_nodes, "operator", "a") as site, visit(browser) as seen:
        page = seen.page
        page.clock.install()
        page.goto(site.link("/operator"))
        expect(page.get_by_role("table", name="The newest entries")).to_be_visible()
        asked: list[Route] = []
        page.route("**/api/operator/status", lambda route: asked.append(route))
        page.clock.run_for(35_000)
        page.wait_for_timeout(500)
        assert len(asked) == 1, "the node is slow to answer, and is asked again meanwhile"


def test_first_paint(browser: Browser, held_nodes: Nodes) -> None:
    with served(held_nodes, "operator", "a") as site:
        assert first_paint(browser, lambda: site.link("/operator"), "#audit table") < FIRST_PAINT_MS


def test_without_a_node_there_is_no_page(browser: Browser, held_nodes: Nodes) -> None:
    with served(held_nodes, "operator") as site, opened(browser, site, "/") as seen:
        expect(seen.page.get_by_role("heading", name="operator, at local")).to_be_visible()
        expect(seen.page.get_by_role("alert")).to_contain_text("tercet web --node FOLDER")
        expect(seen.page.get_by_role("navigation").get_by_role("link", name="My node")).to_have_count(0)
