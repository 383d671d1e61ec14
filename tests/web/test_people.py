"""The pages of people: who sees which, what each says of its person, what takes long."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, expect

from commands_of_cli import tercet
from node.trio_nodes import Nodes, make
from tercet.errors import InputError
from tercet.web.local import SESSION_HEADER
from tercet.web.people.tasks import Task, Tasks
from web.browser import FIRST_PAINT_MS, first_paint, shots
from web.people_pages import opened, served


def test_the_start_says_who_and_where(browser: Browser, nodes: Nodes, tmp_path: Path) -> None:
    with served(nodes, "owner") as site, opened(browser, site, "/") as seen:
        page = seen.page
        expect(page.get_by_role("heading", name="owner, at local")).to_be_visible()
        expect(page.get_by_role("navigation").get_by_role("link", name="My data")).to_be_visible()
        assert "PRIVATE KEY" not in page.content()
        digits = page.get_by_role("table", name="Compare these over the telephone").inner_text().replace(" ", "")
        assert nodes.people["owner"].card.fingerprint in digits
        assert nodes.federation.digest in digits
        shots(page, "start", tmp_path)


@pytest.mark.parametrize(
    ("path", "person", "ready"),
    [("/", "owner", "table"), ("/owner", "owner", "#datasets-title"), ("/analyst", "analyst", "main h2")],
)
def test_first_paint(browser: Browser, nodes: Nodes, path: str, person: str, ready: str) -> None:
    with served(nodes, person) as site:
        assert first_paint(browser, lambda: site.link(path), ready) < FIRST_PAINT_MS


def test_a_stranger_is_told_what_to_do(browser: Browser, nodes: Nodes) -> None:
    with served(nodes, "nobody") as site, opened(browser, site, "/") as seen:
        expect(seen.page.get_by_role("alert")).to_contain_text("send your card to the operators of all three nodes")
        expect(seen.page.get_by_role("navigation").get_by_role("link")).to_have_count(1)


def test_nodes_that_do_not_answer(browser: Browser, tmp_path: Path) -> None:
    nodes = make(tmp_path, lanes=1)
    try:
        with served(nodes, "owner") as site, opened(browser, site, "/") as seen:
            expect(seen.page.get_by_role("alert")).to_contain_text("No node answers")
    finally:
        nodes.close()


def test_no_key_leaves_the_program(nodes: Nodes) -> None:
    with served(nodes, "owner") as site:
        base = f"http://127.0.0.1:{site.port}"
        with httpx.Client(base_url=base, headers={"origin": base}, timeout=60, trust_env=False) as client:
            link = site.link().partition("#")[2]
            session = client.post("/session", json={"link": link}).json()["session"]
            text = client.get("/api/person", headers={SESSION_HEADER: session}).text
            assert client.get("/api/person").status_code == 401
    assert json.loads(text)["pages"] == [{"name": "owner", "title": "My data"}]
    keys = (nodes.folder / "owner.pem").read_text().split("-----BEGIN")
    assert all("PRIVATE" not in part or part.split()[3][:40] not in text for part in keys)


def test_a_task_tells_ends_and_is_cancelled() -> None:
    tasks = Tasks()
    go = threading.Event()

    def counts(task: Task) -> int:
        task.tell(progress=0.5)
        go.wait(10)
        task.check()
        return 7

    def refuses(task: Task) -> int:
        raise InputError("the number is odd", hint="give an even one")

    first = tasks.start("counting", counts, name="one")
    lines = first.lines()
    go.set()
    ends = [json.loads(line) for line in lines][-1]
    assert (ends["state"], ends["result"], ends["name"], ends["progress"]) == ("done", 7, "one", 0.5)
    failed = [json.loads(line) for line in tasks.start("counting", refuses).lines()][-1]
    assert (failed["state"], failed["error"]["message"]) == ("failed", "the number is odd")
    go.clear()
    third = tasks.start("counting", counts)
    third.cancel()
    go.set()
    assert [json.loads(line) for line in third.lines()][-1]["state"] == "cancelled"
    assert len(tasks.of("counting")) == 3
    tasks.close()


def test_the_command_names_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "no owner.pem or analyst.pem or operator.pem" in tercet("web", status=1).stderr


def test_what_the_pages_load_is_small() -> None:
    from tercet.web import local

    files = [path for path in Path(local.__file__).parent.rglob("static/**/*") if path.is_file()]
    assert len(files) > 10 and sum(path.stat().st_size for path in files) < 1_000_000
