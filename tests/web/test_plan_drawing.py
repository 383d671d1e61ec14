"""Drawings of plans and messages, in a real browser."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser

import tercet as tc
from tercet.client import local
from tercet.web.local import Serving, Site
from tercet.web.picture import picture
from web.browser import shots, visit

SHELL = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>plans</title>
<link rel="icon" href="data:,">
<meta name="viewport" content="width=device-width">
<link rel="stylesheet" href="/static/base/base.css">
<script type="module" src="/static/mine/page.js"></script></head><body><main><h1>Plans</h1></main></body></html>"""

SCRIPT = """import { drawMessages, drawPlan } from "/static/base/plan.js";
const { pictures, messages } = await (await fetch("/static/mine/given.json")).json();
document.querySelector("main").append(...pictures.map((one) => drawPlan(one)), drawMessages(messages));
document.body.dataset.ready = "yes";"""

MESSAGES = [
    {"from": sender, "to": to, "count": 3 * sender + to, "bytes": 10.0 ** (2 * sender + to)}
    for sender in (1, 2, 3)
    for to in (1, 2, 3)
    if sender != to
]


def pictures() -> list[str]:
    """A short plan, a long one, and one with nothing to say."""
    with local() as net:
        x = net.share(np.arange(12).reshape(6, 2) / 4, bounds=(0, 8))
        y = net.share(np.arange(6), bounds=(0, 8))
        plans = [(x.mean(axis=0), (y > 3).sum()), (tc.sqrt(x).sum(), (x / (x + 1)).mean(), y.max()), (y.sum(),)]
        return [picture(tc.explain(*wanted)).model_dump_json() for wanted in plans]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Serving]:
    (tmp_path / "shell.html").write_text(SHELL)
    (tmp_path / "page.js").write_text(SCRIPT)
    given = f'{{"pictures": [{", ".join(pictures())}], "messages": {json.dumps(MESSAGES)}}}'
    (tmp_path / "given.json").write_text(given)
    with Serving(Site({"/": tmp_path / "shell.html"}, {"mine": tmp_path})) as serving:
        yield serving


def test_plans_and_messages_are_drawn_and_told(browser: Browser, served: Serving, tmp_path: Path) -> None:
    with visit(browser) as seen:
        page = seen.page
        page.goto(served.link())
        page.wait_for_selector("body[data-ready] svg")
        assert page.locator("svg[role=img]").count() == 4
        label = page.locator("svg").first.get_attribute("aria-label") or ""
        assert "rounds" in label and "Becomes plain, to the analyst" in label
        assert page.locator("svg").first.locator("text", has_text="below 0").count() > 0
        assert "48 messages" in (page.locator("svg").last.get_attribute("aria-label") or "")
        for details in page.locator("details").all():
            details.locator("summary").press("Enter")
        assert page.locator("table").last.locator("tbody tr").count() == 6
        shots(page, "plans", tmp_path)
