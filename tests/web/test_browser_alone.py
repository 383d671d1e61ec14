"""The page that stands alone, in a real browser, against three nodes: what is typed there is what Python reads."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shlex
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, Route, expect
from typer.testing import CliRunner

import tercet as tc
from node.trio_nodes import NAMES, Nodes, everybody, make
from tercet.cli.app import app
from tercet.federation.identity import Card, Member
from tercet.store.schema import Schema
from web.browser import Visit, axe, scrolls_sideways, shots, visit
from web.served import served

GAD7 = Path(__file__).parents[2] / "examples" / "surveys" / "gad7.toml"
ITEMS = ("nervous", "no_control", "worrying", "relaxing", "restless", "annoyed", "afraid")
MIXED = """
[[columns]]
name = "id"
kind = "key"
key = "text"
[[columns]]
name = "age"
kind = "integer"
lo = 0
hi = 120
[[columns]]
name = "bmi"
kind = "decimal"
lo = 5
hi = 80
[[columns]]
name = "paid"
kind = "decimal"
lo = -1000
hi = 1000
digits = 2
nullable = true
[[columns]]
name = "wide"
kind = "integer"
lo = -1180591620717411303424
hi = 1180591620717411303424
[[columns]]
name = "ward"
kind = "category"
categories = ["north", "south, upper", "ü"]
[[columns]]
name = "born"
kind = "date"
lo = 1900-01-01
hi = 2030-12-31
[[columns]]
name = "smoker"
kind = "bool"
nullable = true
"""
MAX_BYTES = 1 << 20


def policy(people: dict[str, Member]) -> str:
    """What was uploaded may be read, row by row: that is what is compared."""
    text = everybody(people) + '[[owners]]\npeople = ["*"]\ndatasets = ["*"]\nmay = ["create", "append"]\n'
    return text + '[[rules]]\nname = "shows"\nanalysts = ["*"]\ndatasets = ["*"]\nper_row = ["*/*"]\nmin_rows = 1\n'


@dataclass
class Place:
    """Three nodes, and a folder that is served from an origin that they list."""

    nodes: Nodes
    folder: Path
    origin: str

    def page(self, name: str, dataset: str, schema: Path, *more: str) -> str:
        """Write a page with the command line; its address."""
        status, told = self.command(name, dataset, schema, *more)
        assert status == 0, told
        return f"{self.origin}/{name}/"

    def command(self, name: str, dataset: str, schema: Path, *more: str) -> tuple[int, str]:
        """Run `tercet page`; its status, and what it printed."""
        federation = str(self.nodes.folder / "federation.toml")
        command = ["page", str(self.folder / name), "--federation", federation, "--dataset", dataset]
        done = CliRunner().invoke(app, [*command, "--schema", str(schema), *more])
        return done.exit_code, done.output

    def rows(self, dataset: str, *columns: str) -> list[Any]:
        """What the nodes hold, put together for the analyst, who reveals it."""
        with tc.connect(self.nodes.federation, self.nodes.people["analyst"], profile="lan") as net:
            table = net.table(dataset)
            return [np.asarray(tc.reveal(table[column])).tolist() for column in columns]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("pages")
    with served(folder) as origin:
        nodes = make(tmp_path_factory.mktemp("nodes"), policy, lanes=1)
        try:
            for name in NAMES:
                nodes.set(name, "allowed_origins", f'["{origin}"]')
            nodes.start()
            yield Place(nodes, folder, origin)
        finally:
            nodes.close()


@pytest.fixture
def schema(tmp_path: Path) -> Path:
    path = tmp_path / "mixed.toml"
    path.write_text(MIXED)
    return path


def sign_in(page: Page, place: Place, person: str = "owner") -> None:
    page.get_by_label("Your identity file").set_input_files(place.nodes.folder / f"{person}.pem")
    expect(page.locator("#known")).to_contain_text(f"c: knows you as {person}")


def answer(page: Page, scores: Sequence[int], age: str = "") -> None:
    words = ("Not at all (0)", "Several days (1)", "More than half the days (2)", "Nearly every day (3)")
    for group, score in zip(page.get_by_role("radiogroup").all(), scores, strict=True):
        group.get_by_label(words[score]).check()
    page.get_by_label("Your age in years").fill(age)


def table_of(page: Page, path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    page.get_by_label("A table: a CSV file").set_input_files(path)


def send_table(page: Page) -> None:
    page.get_by_role("button", name="Split and send this table").click()


def created(seen: Visit) -> None:
    """The page asked whether the dataset was there before it made it."""
    seen.expect_errors("status of 404")


def outcome(page: Page, text: str) -> None:
    expect(page.locator("#outcome")).to_contain_text(text)


def test_records_that_are_typed_arrive_as_they_were_typed(browser: Browser, place: Place) -> None:
    url = place.page("survey", "gad7", GAD7, "--form", "--title", "How have you been?")
    rows = [([0, 1, 2, 3, 0, 1, 2], "41"), ([3, 3, 3, 3, 3, 3, 3], ""), ([0] * 7, "12")]
    with visit(browser) as seen:
        seen.page.goto(url)
        sign_in(seen.page, place)
        for version, (scores, age) in enumerate(rows, 1):
            answer(seen.page, scores, age)
            seen.page.get_by_role("button", name="Split and send this record").click()
            outcome(seen.page, f"1 row is in gad7, version {version}. All three nodes have signed that.")
        created(seen)
    found = place.rows("gad7", *ITEMS)
    assert [list(row) for row in zip(*found, strict=True)] == [scores for scores, _ in rows]
    with tc.connect(place.nodes.federation, place.nodes.people["analyst"], profile="lan") as net:
        age = net.table("gad7")["age"]
        assert int(tc.reveal(age.count())) == 2
        assert int(tc.reveal(age.sum())) == 53


def test_a_table_arrives_as_it_was_written(browser: Browser, place: Place, schema: Path, tmp_path: Path) -> None:
    url = place.page("drop", "mixed", schema)
    text = (
        "born,age,bmi,paid,wide,ward,smoker,id\n"
        "1970-01-02,41,21.5,-12.34,1180591620717411303424,north,yes,anna\n"
        '1969-12-31,0,5,,-1180591620717411303424,"south, upper",,jürgen\n'
        "2000-02-29,120,80.0,0.01,-1,ü,no,雪\n"
    )
    with visit(browser) as seen:
        seen.page.goto(url)
        sign_in(seen.page, place)
        table_of(seen.page, tmp_path / "rows.csv", text)
        expect(seen.page.locator("#checked")).to_have_text("rows.csv fits: 3 rows. Nothing is sent yet.")
        send_table(seen.page)
        outcome(seen.page, "3 rows are in mixed, version 1. All three nodes have signed that.")
        created(seen)
    assert place.rows("mixed", "age", "bmi", "wide") == [[41, 0, 120], [21.5, 5.0, 80.0], [2**70, -(2**70), -1]]
    with tc.connect(place.nodes.federation, place.nodes.people["analyst"], profile="lan") as net:
        table = net.table("mixed")
        assert [int(tc.reveal((table["ward"] == name).sum())) for name in ("north", "south, upper", "ü")] == [1, 1, 1]
        assert [int(tc.reveal(table[name].count())) for name in ("paid", "smoker")] == [2, 2]
        assert float(tc.reveal(table["paid"].sum())) == -12.33
        assert int(tc.reveal(table["smoker"].sum())) == 1
        days = [int(value) for value in np.asarray(tc.reveal(table["born"])).astype("datetime64[D]").astype(np.int64)]
        assert days == [1, -1, 11016]
        assert list(net.table("mixed").keys()) == ["anna", "jürgen", "雪"]


def test_through_one_node(browser: Browser, place: Place, schema: Path, tmp_path: Path) -> None:
    """Only that node is asked, and what it passes on is sealed to the others."""
    url = place.page("gate", "gate", schema, "--via", "b")
    asked: set[str] = set()
    with visit(browser) as seen:
        seen.page.on(
            "request", lambda request: asked.add(request.url.split("/v1/")[0] if "/v1/" in request.url else "")
        )
        seen.page.goto(url)
        sign_in(seen.page, place)
        table_of(seen.page, tmp_path / "rows.csv", "id,age,bmi,paid,wide,ward,born,smoker\nx,1,20,1,1,ü,2000-01-01,1\n")
        send_table(seen.page)
        outcome(seen.page, "1 row is in gate")
        created(seen)
    gate = place.nodes.federation.node(place.nodes.federation.party("b")).url
    assert asked - {""} == {gate}
    assert place.rows("gate", "age") == [[1]]


def test_nothing_is_sent_before_all_is_checked(browser: Browser, place: Place, schema: Path, tmp_path: Path) -> None:
    url = place.page("check", "check", schema)
    header = "id,age,bmi,paid,wide,ward,born,smoker\n"
    good = "x,1,20,1,1,ü,2000-01-01,1\n"
    sent: list[str] = []
    with visit(browser) as seen:
        seen.page.on("request", lambda request: sent.append(request.url) if "/uploads" in request.url else None)
        seen.page.goto(url)
        sign_in(seen.page, place)
        for row, told in (
            (good.replace("x,1,", "x,121,"), "column age, row 501: the value is outside the declared bounds [0, 120]"),
            (good.replace("ü", "u"), "column ward, row 501: the value is none of the categories"),
            ("x,1\n", "line 502 of rows.csv (row 501 of its data) has more or fewer fields than the header: 2"),
        ):
            table_of(seen.page, tmp_path / "rows.csv", header + good * 500 + row)
            expect(seen.page.locator("#error")).to_contain_text(told)
            expect(seen.page.get_by_role("button", name="Split and send this table")).to_be_disabled()
            assert axe(seen.page) == []
        table_of(seen.page, tmp_path / "rows.csv", header + good)
        expect(seen.page.locator("#error")).to_be_hidden()
    assert sent == []


WATCHED = """
window.reads = 0; window.held = []; window.urls = 0;
const { slice, arrayBuffer, stream } = Blob.prototype, { createObjectURL, revokeObjectURL } = URL, alive = new Set();
Blob.prototype.stream = function () { window.reads += 1; return stream.call(this); };
Blob.prototype.slice = function (...range) { return Object.assign(slice.apply(this, range), { of: this.name }); };
Blob.prototype.arrayBuffer = async function () {
  if (this.of === "slow.csv") await new Promise((go) => window.held.push(go));
  return arrayBuffer.call(this);
};
URL.createObjectURL = (blob) => {
  const url = createObjectURL(blob);
  window.urls = alive.add(url).size;
  return url;
};
URL.revokeObjectURL = (url) => {
  alive.delete(url);
  window.urls = alive.size;
  revokeObjectURL(url);
};
"""


def until(page: Page, condition: str) -> None:
    """Wait for it; the page's policy lets no condition be evaluated in the page itself."""
    last = time.monotonic() + 30
    while not page.evaluate(condition):
        assert time.monotonic() < last, condition
        page.wait_for_timeout(50)


def test_the_file_that_was_chosen_last_is_sent_and_checked_once(
    browser: Browser, place: Place, schema: Path, tmp_path: Path
) -> None:
    url = place.page("last", "last", schema)
    header = "id,age,bmi,paid,wide,ward,born,smoker\n"
    with visit(browser) as seen:
        seen.page.add_init_script(WATCHED)
        seen.page.goto(url)
        sign_in(seen.page, place)
        table_of(seen.page, tmp_path / "slow.csv", header + "x,1,20,1,1,ü,2000-01-01,1\n" * 2)
        until(seen.page, "window.held.length === 1")
        table_of(seen.page, tmp_path / "quick.csv", header + "y,1,20,1,1,ü,2000-01-01,1\n")
        expect(seen.page.locator("#checked")).to_contain_text("quick.csv fits: 1 row.")
        seen.page.evaluate("window.held.forEach((go) => go())")
        seen.page.wait_for_timeout(1_000)
        expect(seen.page.locator("#checked")).to_contain_text("quick.csv fits: 1 row.")
        checked = seen.page.evaluate("window.reads")
        send_table(seen.page)
        outcome(seen.page, "1 row is in last")
        assert seen.page.evaluate("window.reads") == checked + 1
        created(seen)


def test_cards_that_were_made_before_are_given_up(browser: Browser, place: Place) -> None:
    with visit(browser) as seen:
        seen.page.add_init_script(WATCHED)
        seen.page.goto(place.page("cards", "cards", GAD7, "--form"))
        seen.page.get_by_text("I have none yet").click()
        for name in ("anna", "berta"):
            seen.page.get_by_label("A name for you").fill(name)
            with seen.page.expect_download():
                seen.page.get_by_role("button", name="Make an identity").click()
            expect(seen.page.get_by_role("link", name="card")).to_have_attribute("download", f"{name}.card.pem")
        until(seen.page, "window.urls === 1")
        expect(seen.page.locator("#known")).to_contain_text("not among the people of this node's policy")
        seen.expect_errors("status of 403")


def test_a_field_that_is_wrong_is_named_and_focused(browser: Browser, place: Place) -> None:
    url = place.page("wrong", "wrong", GAD7, "--form")
    with visit(browser) as seen:
        seen.page.goto(url)
        sign_in(seen.page, place)
        seen.page.get_by_role("button", name="Split and send this record").click()
        expect(seen.page.locator("#error")).to_contain_text("Feeling nervous, anxious or on edge: the value is missing")
        expect(seen.page.locator("#field-nervous-0")).to_be_focused()
        answer(seen.page, [0] * 7, "7")
        seen.page.get_by_role("button", name="Split and send this record").click()
        expect(seen.page.locator("#error")).to_contain_text("Your age in years: the value is outside")
        expect(seen.page.get_by_label("Your age in years")).to_be_focused()
        expect(seen.page.get_by_label("Your age in years")).to_have_attribute("aria-invalid", "true")
        assert axe(seen.page) == []


def test_an_identity_made_in_the_page_is_one_for_python(browser: Browser, place: Place, tmp_path: Path) -> None:
    url = place.page("made", "made", GAD7, "--form")
    with visit(browser) as seen:
        seen.page.goto(url)
        seen.page.get_by_text("I have none yet").click()
        seen.page.get_by_label("A name for you").fill("no name")
        seen.page.get_by_role("button", name="Make an identity").click()
        expect(seen.page.locator("#error")).to_contain_text("cannot be a member's name")
        seen.page.get_by_label("A name for you").fill("anna")
        with seen.page.expect_download() as saved:
            seen.page.get_by_role("button", name="Make an identity").click()
        saved.value.save_as(tmp_path / "anna.pem")
        with seen.page.expect_download() as handed:
            seen.page.get_by_role("link", name="card").click()
        handed.value.save_as(tmp_path / "anna.card.pem")
        expect(seen.page.locator("#known")).to_contain_text("not among the people of this node's policy")
        shown = seen.page.locator("#fingerprint").inner_text()
        seen.expect_errors("status of 403")
    (tmp_path / "anna.pem").chmod(0o600)
    member = Member.load(tmp_path / "anna.pem")
    member.card.check_valid()
    assert (member.name, member.card.fingerprint) == ("anna", shown)
    assert Card.load(tmp_path / "anna.card.pem") == member.card
    assert "PRIVATE" not in (tmp_path / "anna.card.pem").read_text()


def test_a_chunk_that_failed_is_sent_again_and_no_other(
    browser: Browser, place: Place, schema: Path, tmp_path: Path
) -> None:
    """One node loses its answers for a while; then the upload goes on where it was."""
    place.page("resume", "resume", schema)
    rows = "".join(f"x{n},{n % 100},20,1,1,ü,2000-01-01,1\n" for n in range(300))
    failing = True
    sent: list[str] = []

    def sometimes(route: Route) -> None:
        if route.request.method == "PUT":
            sent.append(route.request.url)
            if failing and route.request.url.endswith("/chunks/2"):
                return route.abort()
        return route.continue_()

    with visit(browser) as seen:
        small_chunks(seen.page, place)
        gate = place.nodes.federation.node(place.nodes.federation.party("c")).url
        seen.page.route(f"{gate}/**", sometimes)
        seen.page.goto(f"{place.origin}/resume/")
        sign_in(seen.page, place)
        table_of(seen.page, tmp_path / "rows.csv", "id,age,bmi,paid,wide,ward,born,smoker\n" + rows)
        send_table(seen.page)
        expect(seen.page.locator("#error")).to_contain_text("node c")
        expect(seen.page.locator("#error")).to_contain_text("does not answer this page")
        assert axe(seen.page) == []
        seen.expect_errors("ERR_FAILED")
        created(seen)
        failing = False
        before = len(sent)
        seen.page.get_by_role("button", name="Go on").click()
        outcome(seen.page, "300 rows are in resume")
        created(seen)
        assert {url.rpartition("/")[2] for url in sent[before:]} == {"2", "3", "4"}
    assert place.rows("resume", "age") == [[n % 100 for n in range(300)]]


def small_chunks(page: Page, place: Place) -> None:
    """Nodes that say that they take little at a time, so that a small table has several chunks of 64 rows."""
    for node in place.nodes.federation.nodes:

        def less(route: Route) -> None:
            told = route.fetch()
            info = told.json()
            info["limits"]["chunk_bytes"] = 1
            route.fulfill(response=told, json=info)

        page.route(f"{node.url}/v1/node", less)


def test_a_cancelled_upload_leaves_nothing(browser: Browser, place: Place, schema: Path, tmp_path: Path) -> None:
    place.page("cancel", "cancel", schema)
    began: list[str] = []
    with visit(browser) as seen:
        small_chunks(seen.page, place)

        def slow(route: Route) -> None:
            began.append(route.request.url)
            time.sleep(0.2)
            route.continue_()

        seen.page.route("**/chunks/*", slow)
        seen.page.goto(f"{place.origin}/cancel/")
        sign_in(seen.page, place)
        rows = "x,1,20,1,1,ü,2000-01-01,1\n" * 640
        table_of(seen.page, tmp_path / "rows.csv", "id,age,bmi,paid,wide,ward,born,smoker\n" + rows)
        send_table(seen.page)
        expect(seen.page.locator("#progress")).to_be_visible()
        outcome(seen.page, "of 640 rows are at all three nodes")
        expect(seen.page.locator("#file")).to_be_disabled()
        seen.page.get_by_role("button", name="Cancel").click()
        outcome(seen.page, "Cancelled. Nothing of it is visible at any node.")
        created(seen)
    upload = began[0].split("/uploads/")[1].split("/")[0]
    for name in NAMES:
        state = place.nodes.request(name, "owner", "GET", f"/v1/uploads/{upload}").json()
        assert state["state"] == "discarded"


def test_with_the_keyboard_alone(browser: Browser, place: Place) -> None:
    url = place.page("keys", "keys", GAD7, "--form")
    with visit(browser) as seen:
        page = seen.page
        page.goto(url)
        sign_in(page, place)  # a file dialog is the browser's own
        page.get_by_label("Your identity file").focus()
        press_until(page, "Tab", lambda: focused(page) == "field-nervous-0")
        for place_of_item, _ in enumerate(ITEMS):
            page.keyboard.press("Space")
            for _ in range(place_of_item % 4):
                page.keyboard.press("ArrowDown")
            page.keyboard.press("Tab")
        page.keyboard.type("50")
        page.keyboard.press("Enter")
        outcome(page, "1 row is in keys")
        created(seen)
    assert [row[0] for row in place.rows("keys", *ITEMS)] == [n % 4 for n in range(7)]


def focused(page: Page) -> str:
    return str(page.evaluate("document.activeElement.id"))


def press_until(page: Page, key: str, there: Callable[[], bool]) -> None:
    for _ in range(20):
        if there():
            return
        page.keyboard.press(key)
    raise AssertionError("the keyboard does not come there")


def test_how_it_looks(browser: Browser, place: Place, tmp_path: Path) -> None:
    """At every width, light and dark: nothing serious for axe-core, nothing wider than the window."""
    url = place.page("looks", "looks", GAD7, "--form", "--file", "--about", "Over the last two weeks, how often ...?")
    with visit(browser) as seen:
        seen.page.goto(url)
        sign_in(seen.page, place)
        for summary in seen.page.locator("summary").all():
            summary.click()
        assert len(shots(seen.page, "page", tmp_path)) == 6
        seen.page.set_viewport_size({"width": 320, "height": 600})
        assert not scrolls_sideways(seen.page)


def test_small_and_alone(browser: Browser, place: Place) -> None:
    """All requests go to the page's own server and the three nodes; all of its files are below a megabyte."""
    url = place.page("small", "small", GAD7, "--form", "--file")
    seen_urls: set[str] = set()
    with visit(browser) as seen:
        seen.page.on("request", lambda request: seen_urls.add(request.url))
        seen.page.goto(url)
        sign_in(seen.page, place)
        expect(seen.page.locator("#hash")).to_have_text(re.compile("^[0-9a-f]{64}$"))
    doors = {node.url for node in place.nodes.federation.nodes}
    assert all(one.startswith(url) or any(one.startswith(f"{door}/v1/") for door in doors) for one in seen_urls)
    assert sum(path.stat().st_size for path in (place.folder / "small").iterdir()) < MAX_BYTES // 4


# ---- who could change the page


def test_the_page_shows_its_own_hash(browser: Browser, place: Place) -> None:
    _, told = place.command("hash", "hash", GAD7, "--form")
    printed, url = told.strip().rpartition("\n")[2], f"{place.origin}/hash/"
    with visit(browser) as seen:
        seen.page.goto(url)
        expect(seen.page.locator("#hash")).to_have_text(printed)
        expect(seen.page.locator("#commands")).to_contain_text(f"curl -s '{url}' | sha256sum")


def test_a_link_puts_no_command_into_those_that_are_shown(browser: Browser, place: Place) -> None:
    url = place.page("linked", "linked", GAD7, "--form")
    with visit(browser) as seen:
        seen.page.goto(f'{url}?\';touch$IFS"x"|sh')
        expect(seen.page.locator("#hash")).to_have_text(re.compile("^[0-9a-f]{64}$"))
        told = seen.page.locator("#commands").inner_text()
    commands = [line for line in told.splitlines() if "curl" in line]
    assert [line.count("'") for line in commands] == [2, 2]
    assert shlex.split(commands[0]) == ["curl", "-s", f"{url}?%27;touch$IFS%22x%22|sh", "|", "sha256sum"]


@pytest.mark.parametrize("name", ["page.js", "page.css", "settings.json"])
def test_a_file_that_was_changed_is_refused(browser: Browser, place: Place, name: str) -> None:
    url = place.page(f"changed-{name}", "changed", GAD7, "--form")
    path = place.folder / f"changed-{name}" / name
    path.write_bytes(path.read_bytes() + b"\n")
    with visit(browser) as seen:
        seen.page.goto(url)
        seen.page.wait_for_load_state("networkidle")
        if name == "page.css":
            assert seen.page.evaluate("getComputedStyle(document.querySelector('main')).maxWidth") == "none"
        else:
            expect(seen.page.locator("#record")).to_be_hidden()
        seen.expect_errors("integrity")
        seen.errors.clear()


def test_no_script_but_the_page_s_own_runs(browser: Browser, place: Place) -> None:
    """Neither text that was slipped into the page nor another origin's script, nor HTML that a script makes of text."""
    url = place.page("strict", "strict", GAD7, "--form")
    index = place.folder / "strict" / "index.html"
    more = '<script>document.title = "owned"</script><script src="http://elsewhere.invalid/a.js"></script></body>'
    index.write_text(index.read_text().replace("</body>", more))
    with visit(browser) as seen:
        seen.page.goto(url)
        expect(seen.page.locator("#record")).to_be_visible()
        assert seen.page.title() != "owned"
        blocked = seen.page.evaluate(
            "(() => { try { document.body.innerHTML = '<b>x</b>' } catch (e) { return e.name } })()"
        )
        assert blocked == "TypeError"
        seen.expect_errors("Content Security Policy")
        seen.errors.clear()
        seen.foreign.clear()
    source = (
        (place.folder / "small" / "index.html").read_text() if (place.folder / "small").exists() else index.read_text()
    )
    assert " on" not in re.sub(r">[^<]*<", "><", source) and "style=" not in source


# ---- which pages may ask


def test_a_page_of_an_origin_that_is_not_listed_gets_no_answer(browser: Browser, place: Place) -> None:
    place.page("foreign", "foreign", GAD7, "--form")
    with served(place.folder) as other, visit(browser) as seen:
        seen.page.goto(f"{other}/foreign/")
        seen.page.get_by_label("Your identity file").set_input_files(place.nodes.folder / "owner.pem")
        expect(seen.page.locator("#known")).to_contain_text("in allowed_origins")
        assert seen.errors and all("CORS" in error or "ERR_FAILED" in error for error in seen.errors)
        seen.errors.clear()


def test_the_command_prints_what_was_written(place: Place) -> None:
    _, printed = place.command("sums", "sums", GAD7, "--form")
    lines = (place.folder / "sums" / "SHA256SUMS").read_text().splitlines()
    assert len(lines) == len(list((place.folder / "sums").iterdir())) - 1
    assert all(line.split()[0] in printed for line in lines)
    index = (place.folder / "sums" / "index.html").read_text()
    for path in (place.folder / "sums").iterdir():
        digest = base64.b64encode(hashlib.sha384(path.read_bytes()).digest()).decode()
        # so that the hash of the page is that of all
        assert path.name in ("index.html", "SHA256SUMS") or f"sha384-{digest}" in index, path.name
    settings = json.loads((place.folder / "sums" / "settings.json").read_text())
    assert Schema.parse(settings["schema"]) == Schema.load(GAD7)


def test_a_page_needs_a_new_folder_and_addresses(place: Place, tmp_path: Path) -> None:
    place.page("again", "again", GAD7)
    status, told = place.command("again", "again", GAD7)
    assert status == 1 and "is not empty" in told
    for address in (
        "a=http://elsewhere.org",
        "a=https://x.org/path",
        "a=https://x.org;script-src *",
        "a",
        "z=https://x",
    ):
        assert place.command("other", "other", GAD7, "--at", address)[0] == 1, address
    assert place.command("other", "other", GAD7, "--via", "z")[0] == 1
    assert place.command("other", "no name", GAD7)[0] == 1
    sheet = tmp_path / "sheet.toml"
    sheet.write_text('reading = {encoding = "cp1252"}\n' + GAD7.read_text())
    assert "UTF-8" in place.command("other", "other", sheet)[1]
    assert not (place.folder / "other").exists()
